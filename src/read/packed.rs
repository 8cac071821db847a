//! The packed table: a table whose values may be compressed. Places, keys and stored values are those
//! of the table below; a value is decoded when it is asked for.

#![cfg_attr(
    unix,
    expect(unsafe_code, reason = "mapping a path is unsafe, and the promise is the caller's")
)]

pub(super) mod cursor;
pub(super) mod iter;
pub(super) mod prefixes;

use super::open::OpenOptions;
use super::packing::{Packed, Packing};
use super::range::{KeyRange, end_of_prefix};
use super::table::Table;
use crate::build_id::BuildId;
use crate::codec::ValueBuffer;
use crate::error::{OpenError, OpenFailure, ReadError};
use cursor::PackedCursor;
use iter::PackedIter;
use prefixes::PackedPrefixesOf;
use std::borrow::Cow;
use std::fmt;
use std::ops::Bound;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{Ordering::Acquire, fence};

/// An open table, packed or plain. Values may be compressed and keys encoded, so a query decodes them
/// into a [`ValueBuffer`] of the caller, and the slices that it returns borrow both. What is stored as
/// it is, as everything in a plain table, is not copied. Where all tables are plain, [`Table`] has
/// more queries, and slices that outlive the buffer.
///
/// Cloning it is cheap and shares everything. It is `Send + Sync`; a lookup takes no lock and makes no
/// system call.
///
/// What is no matter of keys and values is asked of the table as it is [`stored`](Self::stored):
/// statistics, metadata, checks, warming up.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let dir = tempfile::tempdir()?;
/// # let path = dir.path().join("t");
/// # graven::BuildOptions::new().build(&path, [("a", "1"), ("b", "2"), ("c", "3")])?;
/// let table = graven::PackedTable::load(&path)?; // packed or plain
/// let mut buffer = graven::ValueBuffer::new(); // one per thread
/// assert_eq!(table.get("b", &mut buffer)?, Some(&b"2"[..]));
/// let mut cursor = table.cursor();
/// while cursor.next()? {
///     println!("{:?}", cursor.entry()?);
/// }
/// assert_eq!(table.rank("c")?, 2);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct PackedTable {
    shared: Arc<Packed>,
}

impl fmt::Debug for PackedTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PackedTable")
            .field("stored", &self.shared.stored)
            .field("codec", &self.codec())
            .finish()
    }
}

impl PackedTable {
    /// A table of stored values, with its decoder.
    pub(crate) fn of(stored: Table) -> Result<Self, OpenFailure> {
        Ok(Self { shared: Arc::new(Packed::new(stored)?) })
    }

    /// The table with its decoder.
    #[cfg(unix)]
    pub(crate) fn packed(&self) -> &Packed {
        &self.shared
    }

    /// How keys and values are stored. `None` in a plain table.
    pub(crate) fn packing(&self) -> Option<&Packing> {
        self.shared.packing.as_ref()
    }

    /// Whether clones of this table are in use besides `self`.
    pub(crate) fn has_clones(&self) -> bool {
        let has_clones = Arc::strong_count(&self.shared) > 1;
        // Whoever dropped the last clone may have taken a value of the stored table before, which a
        // look at that must see.
        fence(Acquire);
        has_clones
    }

    /// Maps the table at `path`, as [`Table::open`] does. Reads the dictionary, too.
    ///
    /// # Safety
    /// As for [`Table::open`].
    ///
    /// # Errors
    /// [`OpenError`]; [`OpenFailure::DecoderLeftOut`](crate::OpenFailure::DecoderLeftOut) if the codec
    /// of the table was left out of this library.
    #[cfg(unix)]
    pub unsafe fn open(path: impl AsRef<Path>) -> Result<Self, OpenError> {
        // SAFETY: the caller's promise is the same.
        unsafe { Self::open_with(path, &OpenOptions::new()) }
    }

    /// Maps the table at `path` with these options.
    ///
    /// # Safety
    /// As for [`Table::open`].
    ///
    /// # Errors
    /// The errors of [`open`](Self::open).
    #[cfg(unix)]
    pub unsafe fn open_with(
        path: impl AsRef<Path>,
        options: &OpenOptions,
    ) -> Result<Self, OpenError> {
        let path = path.as_ref();
        // SAFETY: the caller's promise is the same.
        let stored = unsafe { options.allow_packed(true).open(path) }?;
        Self::of(stored).map_err(|failure| failure.at(path))
    }

    /// Reads the table at `path` into private memory, as [`Table::load`] does.
    ///
    /// # Errors
    /// The errors of [`open`](Self::open).
    pub fn load(path: impl AsRef<Path>) -> Result<Self, OpenError> {
        Self::load_with(path, &OpenOptions::new())
    }

    /// Reads the table at `path` into private memory with these options.
    ///
    /// # Errors
    /// The errors of [`open`](Self::open).
    pub fn load_with(path: impl AsRef<Path>, options: &OpenOptions) -> Result<Self, OpenError> {
        let path = path.as_ref();
        let stored = options.allow_packed(true).load(path)?;
        Self::of(stored).map_err(|failure| failure.at(path))
    }

    /// Opens a table in memory, as [`Table::from_bytes`] does.
    ///
    /// # Errors
    /// The errors of [`open`](Self::open).
    pub fn from_bytes(bytes: impl Into<Cow<'static, [u8]>>) -> Result<Self, OpenError> {
        let stored = OpenOptions::new().allow_packed(true).from_bytes(bytes)?;
        Self::of(stored).map_err(OpenFailure::in_memory)
    }

    /// The table as it lies in the file: its keys and values are what is stored of keys and values. For
    /// what asks for neither: statistics, metadata, checks, warming up. Costs nothing.
    #[must_use]
    pub fn stored(&self) -> &Table {
        &self.shared.stored
    }

    /// The codec of the values, `zstd` or `fsst`; `None` if they stand as they are. Costs nothing.
    #[must_use]
    pub fn codec(&self) -> Option<&'static str> {
        self.packing().and_then(|packing| Packing::codec(&packing.block))
    }

    /// Whether it is a packed table, which [`Table`] can't read. Costs nothing.
    #[must_use]
    pub fn is_packed(&self) -> bool {
        self.shared.packing.is_some()
    }

    /// Whether keys are encoded. Costs nothing.
    #[must_use]
    pub fn has_compact_keys(&self) -> bool {
        self.packing().is_some_and(|packing| Packing::encodes_keys(&packing.block))
    }

    /// Number of entries. Costs nothing.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.shared.stored.len()
    }

    /// Whether there is no entry.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.shared.stored.is_empty()
    }

    /// Identifies the content as it is stored. Costs nothing.
    #[must_use]
    pub fn build_id(&self) -> BuildId {
        self.shared.stored.build_id()
    }

    /// The path from which it was opened, as it was given.
    #[must_use]
    pub fn path(&self) -> Option<&Path> {
        self.shared.stored.path()
    }

    /// The value of `key`, the first one where it is repeated. Costs a lookup and the decompression of
    /// one value.
    ///
    /// # Errors
    /// [`ReadError`] if a page that was touched is damaged, or the value does not decompress.
    #[inline]
    pub fn get<'b>(
        &'b self,
        key: impl AsRef<[u8]>,
        buffer: &'b mut ValueBuffer,
    ) -> Result<Option<&'b [u8]>, ReadError> {
        let Packed { stored, packing, .. } = &*self.shared;
        let Some(packing) = packing else { return stored.get(key) };
        match self.shared.get(key.as_ref(), &mut buffer.key)? {
            Some(value) => packing.value(stored.view(), value, &mut buffer.value).map(Some),
            None => Ok(None),
        }
    }

    /// Whether `key` is in the table. No value is decompressed.
    ///
    /// # Errors
    /// [`ReadError`] if a page that was touched is damaged.
    #[inline]
    pub fn contains_key(&self, key: impl AsRef<[u8]>) -> Result<bool, ReadError> {
        Ok(self.shared.get(key.as_ref(), &mut Vec::new())?.is_some())
    }

    /// Looks up many keys at once, as [`Table::get_many_with`] does: hands the value of each to `each`,
    /// in the order of the keys. The lookups wait for memory together; values are decompressed one
    /// after the other.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("t");
    /// # graven::BuildOptions::new().build(&path, [("a", "1"), ("b", "2"), ("c", "3")])?;
    /// # let table = graven::PackedTable::load(&path)?;
    /// let (mut buffer, mut bytes) = (graven::ValueBuffer::new(), 0);
    /// table.get_many_with(&["a", "c", "d"], &mut buffer, |value| {
    ///     bytes += value.map_or(0, <[u8]>::len);
    /// })?;
    /// assert_eq!(bytes, 2);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`ReadError`] if a page that was touched is damaged, or a value does not decompress. `each` has
    /// had some answers then, which are right.
    pub fn get_many_with<K: AsRef<[u8]>>(
        &self,
        keys: &[K],
        buffer: &mut ValueBuffer,
        mut each: impl FnMut(Option<&[u8]>),
    ) -> Result<(), ReadError> {
        let Packed { stored, packing, .. } = &*self.shared;
        let Some(packing) = packing else { return stored.get_many_with(keys, each) };
        let (view, ValueBuffer { key, value }) = (stored.view(), buffer);
        self.shared.get_many(keys, key, |stored| {
            each(stored.map(|stored| packing.value(view, stored, value)).transpose()?);
            Ok(())
        })
    }

    /// All values of `key`, in the order of their insertion, each in memory of its own.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("t");
    /// # let options = graven::BuildOptions::new().duplicates(graven::Duplicates::KeepAll);
    /// # options.build(&path, [("a", "1"), ("b", "2"), ("b", "3")])?;
    /// # let table = graven::PackedTable::load(&path)?;
    /// let values: Result<Vec<_>, _> = table.get_all("b").collect();
    /// assert_eq!(values?, [b"2", b"3"]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn get_all(
        &self,
        key: impl AsRef<[u8]>,
    ) -> impl Iterator<Item = Result<Vec<u8>, ReadError>> + '_ {
        let mut buffer = ValueBuffer::new();
        let all = self.shared.stored.get_all(self.shared.stored_key(key.as_ref(), &mut buffer.key));
        let (view, packing) = (self.shared.stored.view(), &self.shared.packing);
        all.map(move |stored| {
            let stored = stored?;
            let value = match packing {
                None => stored.to_vec(),
                Some(packing) => packing.value(view, stored, &mut buffer.value)?.to_vec(),
            };
            // The bytes of a page that was lost before they were copied are zeros.
            view.sound(Ok(value))
        })
    }

    /// Number of entries with `key`; see [`Table::count_of`].
    ///
    /// # Errors
    /// [`ReadError`] if a page that was touched is damaged.
    pub fn count_of(&self, key: impl AsRef<[u8]>) -> Result<u64, ReadError> {
        self.shared.stored.count_of(self.shared.stored_key(key.as_ref(), &mut Vec::new()))
    }

    /// Number of entries with keys below `key`; see [`Table::rank`].
    ///
    /// # Errors
    /// [`ReadError`] if a page that was touched is damaged.
    pub fn rank(&self, key: impl AsRef<[u8]>) -> Result<u64, ReadError> {
        self.shared.stored.rank(self.shared.stored_key(key.as_ref(), &mut Vec::new()))
    }

    /// Number of entries with keys within `range`; see [`Table::count`].
    ///
    /// # Errors
    /// [`ReadError`] if a page that was touched is damaged.
    pub fn count(&self, range: impl KeyRange) -> Result<u64, ReadError> {
        let (ends, mut rooms) = ((range.lower(), range.upper()), Default::default());
        self.shared.stored.count(self.shared.stored_range(ends, &mut rooms))
    }

    /// The first entry, which has the smallest key.
    ///
    /// # Errors
    /// [`ReadError`] if a page that was touched is damaged, or the value does not decompress.
    pub fn first<'b>(
        &'b self,
        buffer: &'b mut ValueBuffer,
    ) -> Result<Option<(&'b [u8], &'b [u8])>, ReadError> {
        self.shared.entry(self.shared.stored.first()?, buffer)
    }

    /// The last entry, which has the greatest key.
    ///
    /// # Errors
    /// [`ReadError`] if a page that was touched is damaged, or the value does not decompress.
    pub fn last<'b>(
        &'b self,
        buffer: &'b mut ValueBuffer,
    ) -> Result<Option<(&'b [u8], &'b [u8])>, ReadError> {
        self.shared.entry(self.shared.stored.last()?, buffer)
    }

    /// The last entry whose key is not greater than `key`; see [`Table::floor`].
    ///
    /// # Errors
    /// [`ReadError`] if a page that was touched is damaged, or the value does not decompress.
    pub fn floor<'b>(
        &'b self,
        key: impl AsRef<[u8]>,
        buffer: &'b mut ValueBuffer,
    ) -> Result<Option<(&'b [u8], &'b [u8])>, ReadError> {
        let found =
            self.shared.stored.floor(self.shared.stored_key(key.as_ref(), &mut buffer.key))?;
        self.shared.entry(found, buffer)
    }

    /// The first entry whose key is not smaller than `key`; see [`Table::ceil`].
    ///
    /// # Errors
    /// [`ReadError`] if a page that was touched is damaged, or the value does not decompress.
    pub fn ceil<'b>(
        &'b self,
        key: impl AsRef<[u8]>,
        buffer: &'b mut ValueBuffer,
    ) -> Result<Option<(&'b [u8], &'b [u8])>, ReadError> {
        let found =
            self.shared.stored.ceil(self.shared.stored_key(key.as_ref(), &mut buffer.key))?;
        self.shared.entry(found, buffer)
    }

    /// The entry with `rank` entries before it.
    ///
    /// # Errors
    /// [`ReadError`] if a page that was touched is damaged, or the value does not decompress.
    pub fn nth<'b>(
        &'b self,
        rank: u64,
        buffer: &'b mut ValueBuffer,
    ) -> Result<Option<(&'b [u8], &'b [u8])>, ReadError> {
        self.shared.entry(self.shared.stored.nth(rank)?, buffer)
    }

    /// The entry with the longest key that is a prefix of `key`; see [`Table::longest_prefix`].
    /// With compact keys it costs a search for each key that is tried: the greatest one up to `key`, then
    /// the greatest one up to the part that both have in common, and so on.
    ///
    /// # Errors
    /// [`ReadError`] if a page that was touched is damaged, or the value does not decompress.
    pub fn longest_prefix<'b>(
        &'b self,
        key: impl AsRef<[u8]>,
        buffer: &'b mut ValueBuffer,
    ) -> Result<Option<(&'b [u8], &'b [u8])>, ReadError> {
        let found = self.shared.longest_prefix(key.as_ref(), &mut buffer.key)?;
        self.shared.entry(found.map(|(entry, _)| entry), buffer)
    }

    /// All entries whose keys are prefixes of `key`, the longest first, as [`Table::prefixes_of`] gives
    /// them, each in memory of its own. Each key that is found costs what
    /// [`longest_prefix`](Self::longest_prefix) costs, and a search for its entries.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("t");
    /// # graven::BuildOptions::new().build(&path, [("/", "0"), ("/api", "1"), ("/apj", "2")])?;
    /// # let table = graven::PackedTable::load(&path)?;
    /// let routes: Result<Vec<_>, _> = table.prefixes_of("/api/v1").map(|e| e.map(|e| e.1)).collect();
    /// assert_eq!(routes?, [b"1", b"0"]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn prefixes_of(&self, key: impl AsRef<[u8]>) -> PackedPrefixesOf<'_> {
        let none = PackedIter::new(&self.shared, self.shared.stored.range(..""));
        PackedPrefixesOf::new(&self.shared, key.as_ref(), none)
    }

    /// All entries, ascending, each in memory of its own; can be walked from both ends. A
    /// [`cursor`](Self::cursor) lends its entries instead.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("t");
    /// # graven::BuildOptions::new().build(&path, [("a", "1"), ("b", "2"), ("c", "3")])?;
    /// # let table = graven::PackedTable::load(&path)?;
    /// for entry in &table {
    ///     let (key, value) = entry?;
    ///     println!("{}: {}", key.escape_ascii(), value.escape_ascii());
    /// }
    /// assert_eq!(table.iter().len(), 3);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn iter(&self) -> PackedIter<'_> {
        PackedIter::new(&self.shared, self.shared.stored.iter())
    }

    /// The entries whose keys lie within `range`, as those of [`iter`](Self::iter).
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("t");
    /// # graven::BuildOptions::new().build(&path, [("a", "1"), ("b", "2"), ("c", "3")])?;
    /// # let table = graven::PackedTable::load(&path)?;
    /// let values: Result<Vec<_>, _> = table.range("b"..).map(|e| e.map(|(_, v)| v)).collect();
    /// assert_eq!(values?, [b"2", b"3"]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn range(&self, range: impl KeyRange) -> PackedIter<'_> {
        let (ends, mut rooms) = ((range.lower(), range.upper()), Default::default());
        let stored = self.shared.stored.range(self.shared.stored_range(ends, &mut rooms));
        PackedIter::new(&self.shared, stored)
    }

    /// The entries whose keys start with `prefix`, as those of [`iter`](Self::iter).
    pub fn prefix(&self, prefix: impl AsRef<[u8]>) -> PackedIter<'_> {
        let prefix = prefix.as_ref();
        let upper = end_of_prefix(prefix);
        self.range((Bound::Included(prefix), upper.as_ref().map(Vec::as_slice)))
    }

    /// A cursor before the first entry. Costs nothing.
    #[must_use]
    pub fn cursor(&self) -> PackedCursor<'_> {
        self.cursor_with(ValueBuffer::new())
    }

    /// A cursor before the first entry, which decodes into `buffer`: one that is there already, or one
    /// [with a limit](ValueBuffer::with_limit).
    #[must_use]
    pub fn cursor_with(&self, buffer: ValueBuffer) -> PackedCursor<'_> {
        PackedCursor::new(&self.shared, self.shared.stored.cursor(), buffer)
    }
}

/// A table as it lies in the file, with its decoder: for one that was opened with
/// [`allow_packed`](crate::OpenOptions::allow_packed).
impl TryFrom<Table> for PackedTable {
    type Error = OpenError;

    fn try_from(stored: Table) -> Result<Self, OpenError> {
        let path = stored.path().map(Path::to_owned);
        Self::of(stored).map_err(|failure| match path {
            Some(path) => failure.at(&path),
            None => failure.in_memory(),
        })
    }
}

impl<'t> IntoIterator for &'t PackedTable {
    type Item = Result<(Vec<u8>, Vec<u8>), ReadError>;
    type IntoIter = PackedIter<'t>;

    fn into_iter(self) -> PackedIter<'t> {
        self.iter()
    }
}
