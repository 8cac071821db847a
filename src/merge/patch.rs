//! Patches: tables of what changes between two tables.

use super::any_table::{AnyTable, intact};
use super::diff::{Diff, Difference};
use super::options::{PackedAs, Recipe};
use super::sources::Sources;
use super::walk::{Bytes, Front};
use crate::build_id::BuildId;
use crate::error::MergeError;
use crate::error::{BuildError, ReadResult};
use crate::format::patch::{self, DELETE, PUT, PatchBlock};
use crate::format::types::Types;
use crate::read::{Iter, PackedTable, Table};
use crate::write::{BuildOptions, BuildSummary, Builder, Duplicates, HashIndex};
use std::fmt;
use std::io::{Cursor, Read};
use std::iter::FusedIterator;
use std::path::Path;
use zerocopy::FromBytes;

/// A table that says how one table becomes another: what is put and deleted, the build ids of
/// both, and what the new table is built with. Patches are for tables that are sent often and change
/// little.
///
/// A patch is opened on purpose, with
/// [`OpenOptions::allow_patch`](crate::OpenOptions::allow_patch); other readers refuse it. Its pages
/// are checked as those of any table.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let dir = tempfile::tempdir()?;
/// # let build = |name, entries: &[(&str, &str)]| -> Result<_, Box<dyn std::error::Error>> {
/// #     let path = dir.path().join(name);
/// #     let mut builder = graven::Builder::create(&path)?;
/// #     for (key, value) in entries { builder.insert(key.as_bytes(), value.as_bytes())?; }
/// #     builder.finish()?;
/// #     Ok(graven::Table::load(&path)?)
/// # };
/// use graven::{BuildOptions, OpenOptions, Patch, Patched};
/// let old = build("old", &[("a", "1"), ("b", "2")])?;
/// let new = build("new", &[("b", "3"), ("c", "4")])?;
/// let (path, copy) = (dir.path().join("patch"), dir.path().join("copy"));
/// Patch::create(&old, &new, &path, &BuildOptions::new())?;
///
/// // Where only the old table is:
/// let patch = Patch::new(OpenOptions::new().allow_patch(true).load(&path)?)?;
/// Patched::new(&old, [&patch])?.build(&copy, &BuildOptions::new())?;
/// assert_eq!(std::fs::read(&copy)?, std::fs::read(dir.path().join("new"))?);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Patch {
    table: Table,
    block: PatchBlock,
}

/// What a patch does with a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change<'t> {
    /// The key has this value in the new table. Where the key is repeated there, its values follow
    /// each other as changes of their own, all of them, in order. They take the place of all values
    /// that the key had.
    Put(&'t [u8]),
    /// The new table does not have the key.
    Delete,
}

const BAD_SECTION: &str = "patch section makes no sense";

impl Patch {
    /// Takes a table as the patch that it is. Checks the page of its patch section.
    ///
    /// # Errors
    /// [`MergeError::NotAPatch`]; [`MergeError::Read`] if the section is damaged.
    pub fn new(table: Table) -> Result<Self, MergeError> {
        let Some(span) = table.view().layout().patch else {
            let path = table.view().path().map(Path::to_owned);
            return Err(MergeError::NotAPatch { path });
        };
        let read = || -> ReadResult<PatchBlock> {
            let view = table.view();
            view.ensure(span.start..span.end)?;
            let block = PatchBlock::read_from_bytes(view.slice(span.start..span.end)?);
            let known = |block: &PatchBlock| {
                block.value_align_log2 <= 6
                    && block.hash_index <= patch::hash_index::NEVER
                    && block.reserved == [0; 3]
            };
            let block = block.ok().filter(known);
            view.sound(block.ok_or_else(|| view.corrupt(BAD_SECTION, span.start as u64)))
        };
        let block = read().map_err(|source| MergeError::Read { table: 0, source })?;
        Ok(Self { table, block })
    }

    /// The build id of the table that the patch changes.
    #[must_use]
    pub fn base(&self) -> BuildId {
        self.block.base.into()
    }

    /// The build id of the new table.
    #[must_use]
    pub fn result(&self) -> BuildId {
        self.block.result.into()
    }

    /// The patch as a table: each value begins with a byte for put or delete.
    #[must_use]
    pub fn table(&self) -> &Table {
        &self.table
    }

    /// The changes, in the order of keys.
    pub fn changes(&self) -> Changes<'_> {
        Changes { entries: self.table.iter(), over: false }
    }

    /// Writes the patch that makes `new` of `old` and publishes it at `path`. Costs a [`Diff`], and a
    /// lookup for each key that differs if one of the tables has repeated keys. Only how the patch is
    /// written and published is taken from `options`. The patch has the metadata and the types section
    /// of `new`.
    ///
    /// # Errors
    /// [`MergeError`], which is [`PackedOtherwise`](MergeError::PackedOtherwise) if one of the tables is packed
    /// in another way than the other; the errors of [`BuildOptions::create`] and
    /// [`Builder::finish`](crate::Builder::finish). A value of 4 GiB − 1 bytes has no room in a patch:
    /// [`BuildError::ValueTooLong`](crate::BuildError::ValueTooLong).
    pub fn create<T: AnyTable>(
        old: &T,
        new: &T,
        path: impl AsRef<Path>,
        options: &BuildOptions,
    ) -> Result<BuildSummary, MergeError> {
        let of_new = |source| MergeError::Read { table: 1, source };
        let stored = [old, new].map(|table| table.stored());
        let packed = [0, 1].map(|table| {
            PackedAs::of(stored[table]).map_err(|source| MergeError::Read { table, source })
        });
        if let [old, new] = packed
            && old? != new?
        {
            return Err(MergeError::PackedOtherwise);
        }
        let repeated = stored.iter().any(|table| table.view().layout().repeated_keys);
        let Recipe { types, align_log2, hash_index, .. } = Recipe::of(stored[1]);
        let block = PatchBlock {
            base: stored[0].build_id().into(),
            result: stored[1].build_id().into(),
            value_align_log2: align_log2,
            hash_index: match hash_index {
                HashIndex::Always => patch::hash_index::ALWAYS,
                HashIndex::Never => patch::hash_index::NEVER,
                HashIndex::Auto => patch::hash_index::AUTO,
            },
            key_type: types.key,
            value_type: types.value,
            byte_order: types.byte_order,
            reserved: [0; 3],
        };
        let own = Recipe {
            types: Types::default(),
            align_log2: 0,
            hash_index: HashIndex::Never,
            texts: stored[1],
        };
        let options = own.apply(options.clone()).map_err(of_new)?;
        let options = options.sorted(true).duplicates(Duplicates::KeepAll).patch(block);
        let mut writer = Writer { builder: options.create(path)?, joined: Vec::new() };
        // The last key whose values were put, in a table with repeated keys.
        let mut last: Option<Vec<u8>> = None;
        let mut diff = Diff::new(old, new);
        while let Some(difference) = diff.next_lent() {
            let difference = difference?;
            let key = difference.key();
            match difference {
                Difference::Added { value, .. } | Difference::Changed { new: value, .. }
                    if !repeated =>
                {
                    writer.put(key, value)?;
                }
                _ if !repeated => writer.builder.insert(key, [DELETE])?,
                // All values of the key were compared with the first difference.
                _ if last.as_deref() == Some(key) => {}
                _ => {
                    let mut found = false;
                    for value in new.values_of(key) {
                        writer.put(key, &value.map_err(of_new)?)?;
                        found = true;
                    }
                    if !found {
                        writer.builder.insert(key, [DELETE])?;
                    }
                    last = Some(key.to_vec());
                }
            }
        }
        intact(stored)?;
        Ok(writer.builder.finish()?)
    }
}

/// Writes the entries of a patch.
struct Writer {
    builder: Builder,
    /// Room to put a value together.
    joined: Vec<u8>,
}

impl Writer {
    /// A value goes to the builder in one piece up to this length.
    const JOINED: usize = 64 << 10;

    /// Adds an entry that puts a value.
    fn put(&mut self, key: &[u8], value: &[u8]) -> Result<(), BuildError> {
        if value.len() > Self::JOINED {
            return self.builder.insert_from(key, Cursor::new([PUT]).chain(value));
        }
        self.joined.clear();
        self.joined.push(PUT);
        self.joined.extend_from_slice(value);
        self.builder.insert(key, &self.joined)
    }
}

/// The changes of a patch, in the order of keys. After an error the iteration is over.
#[must_use = "iterators do nothing unless they are consumed"]
#[derive(Clone)]
pub struct Changes<'t> {
    entries: Iter<'t>,
    over: bool,
}

impl fmt::Debug for Changes<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Changes").finish_non_exhaustive()
    }
}

impl<'t> Iterator for Changes<'t> {
    type Item = Result<(&'t [u8], Change<'t>), MergeError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.over {
            return None;
        }
        let item = match self.entries.next()? {
            Ok((key, value)) => match change(value) {
                Some(change) => Ok((key, change)),
                None => Err(MergeError::BadPatch { patch: 0, what: BAD_CHANGE, key: key.to_vec() }),
            },
            Err(source) => Err(MergeError::Read { table: 0, source }),
        };
        self.over = item.is_err();
        Some(item)
    }
}

impl FusedIterator for Changes<'_> {}

const BAD_CHANGE: &str = "value is neither put nor delete";
const TWICE: &str = "deleted key has another change";

/// The change that a value of a patch stands for.
#[inline]
fn change(value: &[u8]) -> Option<Change<'_>> {
    match value.split_first()? {
        (&PUT, rest) => Some(Change::Put(rest)),
        (&DELETE, []) => Some(Change::Delete),
        _ => None,
    }
}

/// The entries of a table after patches: an iterator, or, with [`build`](Self::build), a new table.
/// Several patches are applied in one pass, each to the result of the one before. Costs a walk of
/// the table and the patches.
///
/// After an error the iteration is over.
#[must_use = "iterators do nothing unless they are consumed"]
#[derive(Clone)]
pub struct Patched<'t, T: AnyTable = Table> {
    /// The patches, the last one first, then the table: of equal keys, the first decides.
    sources: Sources<'t, T>,
    patches: usize,
    /// The change of the key at hand: the key, who decides, and whether the key is deleted.
    decided: Option<Decided<T::Bytes<'t>>>,
    recipe: Recipe<'t>,
    /// The table that the patches change.
    base: &'t Table,
    /// The build id of the new table.
    build_id: BuildId,
    over: bool,
}

/// What becomes of a key.
#[derive(Clone)]
struct Decided<B> {
    key: B,
    /// The source that decides.
    table: usize,
    deleted: bool,
}

impl<T: AnyTable> fmt::Debug for Patched<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Patched").field("build_id", &self.build_id).finish_non_exhaustive()
    }
}

impl<'t, T: AnyTable> Patched<'t, T> {
    /// The table `base` after `patches`, in the order in which they were made. Reads no entry of the
    /// table but the first and the last.
    ///
    /// # Errors
    /// [`MergeError::OtherBase`] if a patch was made for another table.
    pub fn new(
        base: &'t T,
        patches: impl IntoIterator<Item = &'t Patch>,
    ) -> Result<Self, MergeError> {
        let patches: Vec<&Patch> = patches.into_iter().collect();
        let stored = base.stored();
        let mut build_id = stored.build_id();
        for (number, patch) in patches.iter().enumerate() {
            if patch.base() != build_id {
                let (expected, got) = (patch.base(), build_id);
                return Err(MergeError::OtherBase { patch: number, expected, got });
            }
            build_id = patch.result();
        }
        let recipe = match patches.last() {
            Some(Patch { table, block }) => Recipe {
                types: Types {
                    key: block.key_type,
                    value: block.value_type,
                    byte_order: block.byte_order,
                },
                align_log2: block.value_align_log2,
                hash_index: match block.hash_index {
                    patch::hash_index::ALWAYS => HashIndex::Always,
                    patch::hash_index::NEVER => HashIndex::Never,
                    _ => HashIndex::Auto,
                },
                texts: table,
            },
            None => Recipe::of(stored),
        };
        let tables: Vec<&Table> = patches.iter().rev().map(|patch| &patch.table).collect();
        let (sources, patches) = (Sources::new(&tables, &[base]), patches.len());
        Ok(Self { sources, patches, decided: None, recipe, base: stored, build_id, over: false })
    }

    /// Builds the new table at `path` and publishes it there: byte for byte the table that the last
    /// patch was made from. Types, alignment, kind of index and metadata are those of that table, which
    /// is packed as the old one; `options` say how it is written and published.
    ///
    /// # Errors
    /// [`MergeError`]. With [`MergeError::OtherResult`], too, nothing was published.
    pub fn build(
        mut self,
        path: impl AsRef<Path>,
        options: &BuildOptions,
    ) -> Result<BuildSummary, MergeError> {
        let failed = |table| move |source| MergeError::Read { table, source };
        let options = self.recipe.apply(options.clone()).map_err(failed(self.patches))?;
        let options = PackedAs::of(self.base).map_err(failed(0))?.apply(options);
        let options = options.sorted(true).duplicates(Duplicates::KeepAll);
        let mut builder = options.create(path)?;
        while let Some((key, value)) = self.step()? {
            builder.insert(&*key, &*value)?;
        }
        self.sources.intact().map_err(|error| self.numbered(error))?;
        builder.finish_if(|summary| {
            let (expected, got) = (self.build_id, summary.build_id);
            if got == expected { Ok(()) } else { Err(MergeError::OtherResult { expected, got }) }
        })
    }

    /// An error of a source with the number among table and patches: 0 is the table.
    fn numbered(&self, error: MergeError) -> MergeError {
        match error {
            MergeError::Read { table, source } => {
                MergeError::Read { table: self.patches - table, source }
            }
            error => error,
        }
    }

    fn step(&mut self) -> Result<Option<(T::Bytes<'t>, T::Bytes<'t>)>, MergeError> {
        while let Some(front) = self.sources.next() {
            let Front { key, value, table } = front.map_err(|error| self.numbered(error))?;
            // A repeated key of the source that decides is another value of the key.
            let again = match &self.decided {
                Some(decided) if *decided.key == *key => {
                    if decided.table != table {
                        continue;
                    }
                    Some(decided.deleted)
                }
                _ => None,
            };
            if table == self.patches {
                self.decided = Some(Decided { key: key.clone(), table, deleted: false });
                return Ok(Some((key, value)));
            }
            let bad = |what| {
                let patch = self.patches - 1 - table;
                MergeError::BadPatch { patch, what, key: key.to_vec() }
            };
            let change = change(&value).ok_or_else(|| bad(BAD_CHANGE))?;
            let deleted = change == Change::Delete;
            if again == Some(true) || (again.is_some() && deleted) {
                return Err(bad(TWICE));
            }
            self.decided = Some(Decided { key: key.clone(), table, deleted });
            if !deleted {
                return Ok(Some((key, value.behind_first())));
            }
        }
        Ok(None)
    }
}

impl Patched<'_, PackedTable> {
    /// Takes values of at most `most` bytes, as [`Merge::value_limit`](crate::Merge::value_limit) does.
    pub fn value_limit(mut self, most: u32) -> Self {
        self.sources.limit_values(most);
        self
    }
}

impl<'t, T: AnyTable> Iterator for Patched<'t, T> {
    /// Key and value, as [`Merge`](crate::Merge) gives a key.
    type Item = Result<(T::Bytes<'t>, T::Bytes<'t>), MergeError>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if self.over {
            return None;
        }
        let item = self.step().transpose();
        self.over = !matches!(item, Some(Ok(_)));
        item
    }
}

impl<T: AnyTable> FusedIterator for Patched<'_, T> {}
