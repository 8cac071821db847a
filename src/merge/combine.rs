//! The merge of many tables into one.

use super::any_table::AnyTable;
use super::options::PackedAs;
use super::sources::Sources;
use super::walk::Front;
use crate::error::MergeError;
use crate::read::{PackedTable, Table, TypesSection};
use crate::write::{BuildOptions, BuildSummary, Builder, Duplicates};
use std::borrow::Cow;
use std::fmt;
use std::io::{self, Read};
use std::iter::FusedIterator;
use std::path::Path;

/// What a merge does with a key that occurs more than once, in several tables or in one. The
/// entries of a key stand in the order in which their tables were named.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MergePolicy {
    /// The merge fails with [`MergeError::DuplicateKey`].
    #[default]
    Reject,
    /// The first entry stays.
    KeepFirst,
    /// The last entry stays: later tables win.
    KeepLast,
    /// All entries stay, in order.
    KeepAll,
    /// One entry stays, whose value is all values one after the other. The iterator puts them
    /// together in memory; [`Merge::build`] does not.
    Concat,
}

/// The entries of many tables as those of one, ascending: an iterator, or, with
/// [`build`](Self::build), a new table. Each entry costs one step of its table and, with n tables,
/// log n comparisons of keys, most of them of eight bytes. Where keys and values have one length and
/// no key is repeated, the order of several entries is found at once, and stretches of one table are
/// handed over as they are. Takes a few hundred bytes of memory for each table.
///
/// Of [`PackedTable`]s, each packed in its own way or plain, it costs the decoding of each entry as well:
/// of the key when it is compared, of the value when it is handed on. A packed table takes memory for
/// its longest key and value, and under zstd 150 KiB.
///
/// After an error the iteration is over.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let dir = tempfile::tempdir()?;
/// # let build = |name: &str, value: &[u8]| -> Result<_, Box<dyn std::error::Error>> {
/// #     let path = dir.path().join(name);
/// #     let mut builder = graven::Builder::create(&path)?;
/// #     builder.insert(b"both", value)?;
/// #     builder.insert(name.as_bytes(), value)?;
/// #     builder.finish()?;
/// #     Ok(graven::Table::load(&path)?)
/// # };
/// use graven::{Merge, MergePolicy, Table};
/// let tables = [build("a", b"1")?, build("b", b"2")?];
/// let merge = Merge::new(&tables).policy(MergePolicy::KeepLast);
/// let path = dir.path().join("merged.grv");
/// let options = merge.build_options()?;
/// let summary = merge.build(&path, &options)?;
/// assert_eq!(summary.entries, 3);
/// assert_eq!(Table::load(&path)?.get(b"both")?, Some(&b"2"[..]));
/// # Ok(())
/// # }
/// ```
#[must_use = "iterators do nothing unless they are consumed"]
#[derive(Clone)]
pub struct Merge<'t, T: AnyTable = Table> {
    tables: Vec<&'t T>,
    sources: Sources<'t, T>,
    policy: MergePolicy,
    over: bool,
}

/// An entry of one of the tables.
type Entry<'t, T> = Front<<T as AnyTable>::Bytes<'t>>;

impl<T: AnyTable> fmt::Debug for Merge<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Merge").field("policy", &self.policy).finish_non_exhaustive()
    }
}

impl<'t, T: AnyTable> Merge<'t, T> {
    /// A merge of `tables`. Reads the first and the last entry of each.
    pub fn new(tables: impl IntoIterator<Item = &'t T>) -> Self {
        let tables: Vec<&T> = tables.into_iter().collect();
        let sources = Sources::new(&[], &tables);
        Self { tables, sources, policy: MergePolicy::Reject, over: false }
    }

    /// What is done with repeated keys. Default: [`MergePolicy::Reject`].
    pub fn policy(mut self, policy: MergePolicy) -> Self {
        self.policy = policy;
        self
    }

    /// The options to build a table like these: the types, which must be the same in all, the
    /// largest alignment of values, and the metadata of all. Where several tables have a pair with
    /// one key, the pair of the last table stays, or with [`MergePolicy::KeepFirst`] the first one.
    /// Where all tables are packed, the new one is packed as the first; else it is plain.
    ///
    /// # Errors
    /// [`MergeError::TypeMismatch`]; [`MergeError::Read`] if metadata or types of a table are
    /// damaged.
    pub fn build_options(&self) -> Result<BuildOptions, MergeError> {
        let mut options = BuildOptions::new();
        let Some(first) = self.tables.first() else { return Ok(options) };
        let types = first.stored().view().layout().type_tags();
        let read = |number: usize, table: &'t T| {
            let read = TypesSection::read(table.stored().view());
            read.map_err(|source| MergeError::Read { table: number, source })
        };
        let names = read(0, first)?.map(|section| section.names);
        let mut align = 1;
        for (number, table) in self.tables.iter().copied().enumerate() {
            let layout = table.stored().view().layout();
            let same_names = read(number, table)?.map(|section| section.names) == names;
            if layout.type_tags() != types || !same_names {
                return Err(MergeError::TypeMismatch { table: number });
            }
            align = align.max(1 << layout.record.align_log2);
        }
        let mut order: Vec<_> = self.tables.iter().enumerate().collect();
        if self.policy == MergePolicy::KeepFirst {
            order.reverse();
        }
        for (number, table) in order {
            let failed = |source| MergeError::Read { table: number, source };
            for (key, value) in table.stored().metadata().map_err(failed)?.iter() {
                options = options.metadata(key, value);
            }
        }
        let options = options.types(types, names).value_align(align);
        let is_packed = |table: &&T| table.stored().view().layout().packing.is_some();
        if !self.tables.iter().all(is_packed) {
            return Ok(options);
        }
        let packed = PackedAs::of(first.stored());
        let packed = packed.map_err(|source| MergeError::Read { table: 0, source })?;
        Ok(packed.apply(options))
    }

    /// Builds a table of the entries at `path` and publishes it there. Only how the table is written
    /// and published is taken from `options`: what they say on order and repeated keys is replaced.
    /// Values that [`MergePolicy::Concat`] puts together are streamed.
    ///
    /// # Errors
    /// [`MergeError`]; the errors of [`BuildOptions::create`] and
    /// [`Builder::finish`].
    pub fn build(
        mut self,
        path: impl AsRef<Path>,
        options: &BuildOptions,
    ) -> Result<BuildSummary, MergeError> {
        let options = options.clone().sorted(true).duplicates(Duplicates::KeepAll);
        let mut builder = options.create(path)?;
        while let Some(front) = self.sources.next() {
            let front = front?;
            let front = match (self.sources.repeats(&front), self.policy) {
                (None, _) | (_, MergePolicy::KeepAll) => front,
                (_, MergePolicy::Concat) => {
                    self.insert_concatenated(&mut builder, front)?;
                    continue;
                }
                (Some(table), _) => self.one_of(front, table)?,
            };
            builder.insert(&*front.key, &*front.value)?;
            self.sources.give_back(front);
        }
        self.sources.intact()?;
        Ok(builder.finish()?)
    }

    /// The entry that stays of those with the key of `front`, which the next one has as well.
    fn one_of(
        &mut self,
        mut front: Entry<'t, T>,
        table: usize,
    ) -> Result<Entry<'t, T>, MergeError> {
        if self.policy == MergePolicy::Reject {
            let tables = [front.table, table];
            return Err(MergeError::DuplicateKey { key: front.key.to_vec(), tables });
        }
        let last = self.policy == MergePolicy::KeepLast;
        while self.sources.repeats(&front).is_some() {
            match self.sources.next() {
                Some(next) if last => front = next?,
                Some(next) => drop(next?),
                None => break,
            }
        }
        Ok(front)
    }

    /// Inserts an entry with all values of a key, without putting them together in memory.
    #[cold]
    fn insert_concatenated(
        &mut self,
        builder: &mut Builder,
        front: Entry<'t, T>,
    ) -> Result<(), MergeError> {
        let (key, value) = (front.key.clone(), front.value.clone());
        let sources = &mut self.sources;
        let mut values = Concatenated { sources, front, value, read: 0, failed: None };
        match (builder.insert_from(&*key, &mut values), values.failed) {
            (_, Some(error)) => Err(error),
            (inserted, None) => Ok(inserted?),
        }
    }

    /// All values of a key, one after the other.
    #[cold]
    fn concatenate(&mut self, front: &Entry<'t, T>) -> Result<Vec<u8>, MergeError> {
        let mut all = front.value.to_vec();
        while self.sources.repeats(front).is_some() {
            let Some(next) = self.sources.next() else { break };
            all.extend_from_slice(&next?.value);
        }
        Ok(all)
    }

    #[inline(always)]
    fn step(&mut self) -> Option<<Self as Iterator>::Item> {
        let front = match self.sources.next()? {
            Ok(front) => front,
            Err(error) => return Some(Err(error)),
        };
        let entry = |front: Entry<'t, T>| (front.key, front.value.into());
        Some(match self.sources.repeats(&front) {
            Some(_) if self.policy == MergePolicy::Concat => {
                self.concatenate(&front).map(|all| (front.key, Cow::Owned(all)))
            }
            Some(table) if self.policy != MergePolicy::KeepAll => {
                self.one_of(front, table).map(entry)
            }
            _ => Ok(entry(front)),
        })
    }
}

impl Merge<'_, PackedTable> {
    /// Takes values of at most `most` bytes, as [`ValueBuffer::with_limit`](crate::ValueBuffer::with_limit)
    /// does: a longer one of a packed table is an error before memory is asked for. For tables from
    /// elsewhere.
    pub fn value_limit(mut self, most: u32) -> Self {
        self.sources.limit_values(most);
        self
    }
}

impl<'t, T: AnyTable> Iterator for Merge<'t, T> {
    /// Key and value. A [`Table`] gives slices of its file, `&[u8]` and [`Cow::Borrowed`]; a value that
    /// several were put together to is owned. A [`PackedTable`] gives each as a [`Cow`], borrowed where
    /// the table stores it as it is.
    type Item = Result<(T::Bytes<'t>, Cow<'t, [u8]>), MergeError>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if self.over {
            return None;
        }
        let item = self.step();
        self.over = !matches!(item, Some(Ok(_)));
        item
    }

    /// `for_each` and most adapters use this. Entries of fixed width are taken in batches.
    #[inline]
    fn fold<A, F: FnMut(A, Self::Item) -> A>(mut self, mut all: A, mut f: F) -> A {
        loop {
            all = self.sources.fold_batch(all, |all, Front { key, value, .. }| {
                f(all, Ok((key.into(), Cow::Borrowed(value))))
            });
            match self.next() {
                Some(item) => all = f(all, item),
                None => return all,
            }
        }
    }
}

impl<T: AnyTable> FusedIterator for Merge<'_, T> {}

/// Reads the values of a key one after the other.
struct Concatenated<'s, 't, T: AnyTable> {
    sources: &'s mut Sources<'t, T>,
    front: Entry<'t, T>,
    /// The value at hand, and how much of it was read.
    value: T::Bytes<'t>,
    read: usize,
    /// The error of a table, which is kept as it is.
    failed: Option<MergeError>,
}

impl<T: AnyTable> Read for Concatenated<'_, '_, T> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while self.read == self.value.len() && self.sources.repeats(&self.front).is_some() {
            match self.sources.next() {
                Some(Ok(next)) => (self.value, self.read) = (next.value, 0),
                Some(Err(error)) => {
                    self.failed = Some(error);
                    return Err(io::Error::other("a table is damaged"));
                }
                None => break,
            }
        }
        let read = (&self.value[self.read..]).read(out)?;
        self.read += read;
        Ok(read)
    }
}
