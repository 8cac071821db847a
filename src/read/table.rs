//! The table: a face of public methods. The bytes, the page checks and the searches stand below.
//! Its queries by order stand in `ordered`.

use super::get::{Lookups, Searched, get_many};
use super::map::Bytes;
use super::pages::Pages;
use super::place::{Place, Side};
use super::search::Search;
use super::view::View;
use super::walk::{Cursor, GetAll, Iter, KeyCounts, Keys, Values};
use crate::build_id::BuildId;
use crate::error::{ReadError, ReadResult};
use crate::format::layout::Layout;
use std::fmt;
use std::path::Path;
use std::sync::Arc;

/// An open table. Cloning it is cheap and shares everything. It is `Send + Sync`; a lookup takes no
/// lock, makes no system call and allocates nothing. Lookups return slices of the table's bytes,
/// which live as long as the table or the borrow of it.
///
/// Keys are in unsigned bytewise order. Ranks, [`len`](Self::len), [`nth`](Self::nth) and
/// [`count`](Self::count) count entries; where keys are repeated, [`get`](Self::get) and
/// [`ceil`](Self::ceil) give the first of the equals, [`floor`](Self::floor) and
/// [`last`](Self::last) the last.
///
/// Every query that touches records can fail with a [`ReadError`] if the table is damaged.
///
/// A slice borrows the table. [`get_owned`](Self::get_owned) and [`slice_ref`](Self::slice_ref) give
/// a [`Value`](crate::Value) instead, and `into_iter` and [`into_range`](Self::into_range) an
/// iterator, which keep the table open by themselves.
///
/// # In async code
///
/// A query is a plain call without an await. In a mapped table whose pages are in memory it takes
/// less time than a task switch, so call it from a task as it is. But the first touch of a page that
/// is not in memory blocks the thread until the disk has delivered it: 0.2 ms for a lookup where it
/// was measured, against 0.1 µs for a warm one. The executor does not see that, and all tasks of
/// this worker thread wait. Ways out: [`warm`](Self::warm) the table before it
/// serves; keep it in memory with [`lock_memory`](crate::OpenOptions::lock_memory) or
/// [`load`](Self::load); or, where it is larger than the memory, call queries inside of the
/// executor's `block_in_place` or `spawn_blocking`. Opening, [`verify`](Self::verify) and long walks
/// belong there in any case.
#[derive(Clone)]
pub struct Table {
    shared: Arc<Shared>,
}

/// What all clones of a table share.
struct Shared {
    searched: Searched,
    /// Bytes of records that are prefetched at the start of a walk.
    first_walk: usize,
}

impl Shared {
    fn count_of(&self, key: &[u8]) -> ReadResult<u64> {
        let Searched { view, lookups } = &self.searched;
        if !view.layout().repeated_keys {
            return Ok(lookups.get(view, key)?.is_some().into());
        }
        let search = Search::of(view);
        let (from, to) = (search.seek(key, Side::NotBelow)?, search.seek(key, Side::Above)?);
        Ok(to.rank.saturating_sub(from.rank))
    }
}

impl fmt::Debug for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Table")
            .field("path", &self.path())
            .field("entries", &self.len())
            .field("bytes", &self.view().layout().file_len)
            .finish_non_exhaustive()
    }
}

impl Table {
    pub(super) fn new(bytes: Bytes, layout: Layout, pages: Pages, path: Option<Arc<Path>>) -> Self {
        let lookups = Lookups::of(&layout);
        let first_walk = Iter::first_walk(&layout);
        let view = View::new(bytes, layout, pages, path);
        Self { shared: Arc::new(Shared { searched: Searched { view, lookups }, first_walk }) }
    }

    #[inline(always)]
    pub(crate) fn view(&self) -> &View {
        &self.shared.searched.view
    }

    /// This table as lookups see it.
    #[inline]
    pub(super) fn searched(&self) -> &Searched {
        &self.shared.searched
    }

    /// Bytes of records that are prefetched at the start of a walk.
    pub(super) fn first_walk(&self) -> usize {
        self.shared.first_walk
    }

    fn search(&self) -> Search<'_> {
        Search::of(self.view())
    }

    /// Whether clones or owned values of this table are in use besides `self`.
    pub(crate) fn is_shared(&self) -> bool {
        Arc::strong_count(&self.shared) > 1
    }

    /// Number of entries. Costs nothing.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.view().layout().entries
    }

    /// Identifies the content: a hash of entries and layout. Costs nothing.
    #[must_use]
    pub fn build_id(&self) -> BuildId {
        self.view().layout().build_id.into()
    }

    /// The path from which it was opened, as it was given: names the table in messages. `None` for a
    /// table in memory or from a stream. Costs nothing.
    #[must_use]
    pub fn path(&self) -> Option<&Path> {
        self.view().path()
    }

    /// Whether a page under this table was lost since it was opened: the file was truncated, or
    /// its device failed. Only the guard of [`sigbus`](crate::sigbus) finds out. Lookups then fail
    /// by themselves; a caller that has used a slice after its lookup returned asks here whether
    /// the slice's bytes were the file's. Costs two loads.
    #[inline]
    #[must_use]
    pub fn is_faulted(&self) -> bool {
        !self.view().memory().nothing_lost()
    }

    /// Whether [`sigbus::install`](crate::sigbus::install) protects this table: false only for a
    /// mapped table that was opened while 4,096 others were open.
    #[must_use]
    pub fn is_guarded(&self) -> bool {
        self.view().memory().is_guarded()
    }

    /// Number of distinct keys. Costs nothing.
    #[must_use]
    pub fn distinct_keys(&self) -> u64 {
        self.view().layout().keys
    }

    /// Whether there is no entry.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The value of `key`, the first one where it is repeated. With the hash index this touches
    /// about two cache lines; without it, the ordered index is searched.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("t");
    /// # graven::BuildOptions::new().build(&path, [("a", "1"), ("b", "2"), ("c", "3")])?;
    /// # let table = graven::Table::load(&path)?;
    /// assert_eq!(table.get("b")?, Some(&b"2"[..]));
    /// assert_eq!(table.get("d")?, None);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`ReadError`] if a page that was touched is damaged.
    #[inline]
    pub fn get(&self, key: impl AsRef<[u8]>) -> Result<Option<&[u8]>, ReadError> {
        self.shared.searched.lookups.get(self.view(), key.as_ref())
    }

    /// Whether `key` is in the table. Costs what [`get`](Self::get) costs.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("t");
    /// # graven::BuildOptions::new().build(&path, [("a", "1"), ("b", "2"), ("c", "3")])?;
    /// # let table = graven::Table::load(&path)?;
    /// assert!(table.contains_key("b")?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`ReadError`] if a page that was touched is damaged.
    #[inline]
    pub fn contains_key(&self, key: impl AsRef<[u8]>) -> Result<bool, ReadError> {
        Ok(self.get(key)?.is_some())
    }

    /// Looks up many keys at once: one answer per key, in their order. Faster than one
    /// [`get`](Self::get) after the other when the table is larger than the processor's caches:
    /// index and records are prefetched before they are needed, in a table with the ordered index
    /// alone as well. Allocates the vector; [`get_many_into`](Self::get_many_into) takes one that is
    /// there.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("t");
    /// # graven::BuildOptions::new().build(&path, [("a", "1"), ("b", "2"), ("c", "3")])?;
    /// # let table = graven::Table::load(&path)?;
    /// assert_eq!(table.get_many(&["c", "d"])?, [Some(&b"3"[..]), None]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`ReadError`] if a page that was touched is damaged.
    pub fn get_many<K: AsRef<[u8]>>(&self, keys: &[K]) -> Result<Vec<Option<&[u8]>>, ReadError> {
        let mut answers = Vec::new();
        self.get_many_into(keys, &mut answers)?;
        Ok(answers)
    }

    /// As [`get_many`](Self::get_many), into a vector that is used again: `out` is cleared, then
    /// gets one answer per key. After an error `out` is empty.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("t");
    /// # graven::BuildOptions::new().build(&path, [("a", "1"), ("b", "2"), ("c", "3")])?;
    /// # let table = graven::Table::load(&path)?;
    /// let mut values = Vec::new();
    /// for batch in [["a", "b"], ["c", "d"]] {
    ///     table.get_many_into(&batch, &mut values)?;
    ///     assert_eq!(values.len(), 2);
    /// }
    /// assert_eq!(values, [Some(&b"3"[..]), None]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`ReadError`] if a page that was touched is damaged.
    pub fn get_many_into<'t, K: AsRef<[u8]>>(
        &'t self,
        keys: &[K],
        out: &mut Vec<Option<&'t [u8]>>,
    ) -> Result<(), ReadError> {
        out.clear();
        out.reserve(keys.len());
        let answered = self.get_many_with(keys, |answer| out.push(answer));
        if answered.is_err() {
            out.clear();
        }
        answered
    }

    /// As [`get_many`](Self::get_many), but hands each answer to `each`, in the order of the keys:
    /// for answers that go somewhere else than a vector. Keep `each` short, as other keys wait for
    /// memory meanwhile. Allocates nothing.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("t");
    /// # graven::BuildOptions::new().build(&path, [("a", "1"), ("b", "2"), ("c", "3")])?;
    /// # let table = graven::Table::load(&path)?;
    /// let (mut found, mut bytes) = (0, 0);
    /// table.get_many_with(&["a", "c", "d"], |answer| {
    ///     found += usize::from(answer.is_some());
    ///     bytes += answer.map_or(0, <[u8]>::len);
    /// })?;
    /// assert_eq!((found, bytes), (2, 2));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`ReadError`] if a page that was touched is damaged. `each` has had some answers then, which
    /// are right.
    pub fn get_many_with<'t, K: AsRef<[u8]>>(
        &'t self,
        keys: &[K],
        each: impl FnMut(Option<&'t [u8]>),
    ) -> Result<(), ReadError> {
        get_many(keys, self.searched(), each)
    }

    /// All values of `key`, in the order of their insertion. Costs one [`get`](Self::get) and a step
    /// per value.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("t");
    /// # let options = graven::BuildOptions::new().duplicates(graven::Duplicates::KeepAll);
    /// # options.build(&path, [("a", "1"), ("b", "2"), ("b", "3")])?;
    /// # let table = graven::Table::load(&path)?;
    /// let values: Result<Vec<_>, _> = table.get_all("b").collect();
    /// assert_eq!(values?, [b"2", b"3"]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline]
    pub fn get_all(&self, key: impl AsRef<[u8]>) -> GetAll<'_> {
        GetAll::new(self.view(), key.as_ref())
    }

    /// Number of entries with `key`, without a walk over them: one [`get`](Self::get), or two
    /// searches in a table with repeated keys.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("t");
    /// # let options = graven::BuildOptions::new().duplicates(graven::Duplicates::KeepAll);
    /// # options.build(&path, [("a", "1"), ("b", "2"), ("b", "3")])?;
    /// # let table = graven::Table::load(&path)?;
    /// assert_eq!(table.count_of("b")?, 2);
    /// assert_eq!(table.count_of("c")?, 0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`ReadError`] if a page that was touched is damaged.
    #[inline]
    pub fn count_of(&self, key: impl AsRef<[u8]>) -> Result<u64, ReadError> {
        self.shared.count_of(key.as_ref())
    }

    /// All entries, ascending; can be walked from both ends. `&table` in a `for` loop is the same.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("t");
    /// # graven::BuildOptions::new().build(&path, [("a", "1"), ("b", "2"), ("c", "3")])?;
    /// # let table = graven::Table::load(&path)?;
    /// for entry in &table {
    ///     let (key, value) = entry?;
    ///     println!("{}: {}", key.escape_ascii(), value.escape_ascii());
    /// }
    /// let (key, _) = table.iter().rev().nth(1).ok_or("too few entries")??;
    /// assert_eq!(key, b"b");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn iter(&self) -> Iter<'_> {
        let (start, end) = (self.view().start(), self.view().end());
        Iter::between(self.view(), Ok(start.into()), Ok(end), self.first_walk())
    }

    /// All entries in `n` parts of about equal numbers of entries, in order: one for each of `n`
    /// threads to walk. Every entry is in one part; the entries of a repeated key may be in two or
    /// more. There are no empty parts: a table of fewer than `n` entries gives one for each entry,
    /// an empty table or an `n` of 0 one part with everything.
    ///
    /// Costs a search by rank for each part, or none where keys and values have fixed lengths. A
    /// search that fails is the error of the parts on both sides of it.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("t");
    /// # graven::BuildOptions::new().build(&path, [("a", "1"), ("b", "2"), ("c", "3")])?;
    /// # let table = graven::Table::load(&path)?;
    /// let parts = table.split(2);
    /// let threads = std::thread::scope(|scope| {
    ///     let threads: Vec<_> = parts.into_iter().map(|part| scope.spawn(|| part.count())).collect();
    ///     threads.into_iter().map(|thread| thread.join().expect("no panic")).collect::<Vec<_>>()
    /// });
    /// assert_eq!(threads, [1, 2]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn split(&self, n: usize) -> Vec<Iter<'_>> {
        let (view, len) = (self.view(), self.len());
        let parts = (n as u64).clamp(1, len.max(1));
        let mut from: ReadResult<Place> = Ok(view.start());
        let part = |i: u64| {
            let rank = u128::from(len) * u128::from(i) / u128::from(parts);
            let to = match i == parts {
                true => Ok(view.end()),
                false => self.search().place_of(rank as u64),
            };
            let to = to.and_then(|to| match &from {
                // In a damaged table an index may name the places in another order.
                Ok(from) if len > 0 && to.offset <= from.offset => {
                    Err(view.corrupt("index names another place", to.offset as u64))
                }
                _ => Ok(to),
            });
            let from = std::mem::replace(&mut from, to.clone());
            // Nothing is prefetched: the walks begin later, on other processors.
            Iter::between(view, from.map(Into::into), to, 0)
        };
        (1..=parts).map(part).collect()
    }

    /// The keys of all entries, ascending: a repeated key comes once for each of its entries.
    /// [`key_counts`](Self::key_counts) gives each key once.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("t");
    /// # let options = graven::BuildOptions::new().duplicates(graven::Duplicates::KeepAll);
    /// # options.build(&path, [("a", "1"), ("b", "2"), ("b", "3")])?;
    /// # let table = graven::Table::load(&path)?;
    /// let keys: Result<Vec<_>, _> = table.keys().collect();
    /// assert_eq!(keys?, [b"a", b"b", b"b"]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn keys(&self) -> Keys<'_> {
        Keys(self.iter())
    }

    /// The distinct keys, ascending, each with the number of its entries. Costs a walk over the
    /// entries; of a key with many, a search leaves out most.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("t");
    /// # let options = graven::BuildOptions::new().duplicates(graven::Duplicates::KeepAll);
    /// # options.build(&path, [("a", "1"), ("b", "2"), ("b", "3")])?;
    /// # let table = graven::Table::load(&path)?;
    /// let counts: Result<Vec<_>, _> = table.key_counts().collect();
    /// assert_eq!(counts?, [(&b"a"[..], 1), (b"b", 2)]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn key_counts(&self) -> KeyCounts<'_> {
        KeyCounts::new(self.view(), self.iter())
    }

    /// The values of all entries, in the order of their keys.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("t");
    /// # graven::BuildOptions::new().build(&path, [("a", "1"), ("b", "2"), ("c", "3")])?;
    /// # let table = graven::Table::load(&path)?;
    /// let values: Result<Vec<_>, _> = table.values().collect();
    /// assert_eq!(values?, [b"1", b"2", b"3"]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn values(&self) -> Values<'_> {
        Values(self.iter())
    }

    /// A cursor before the first entry. Costs nothing.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("t");
    /// # graven::BuildOptions::new().build(&path, [("a", "1"), ("b", "2"), ("c", "3")])?;
    /// # let table = graven::Table::load(&path)?;
    /// let mut cursor = table.cursor();
    /// while cursor.next()? {
    ///     println!("{:?}", cursor.key());
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn cursor(&self) -> Cursor<'_> {
        Cursor::new(self.view(), self.shared.first_walk)
    }

    /// The first entry, which has the smallest key.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("t");
    /// # graven::BuildOptions::new().build(&path, [("a", "1"), ("b", "2"), ("c", "3")])?;
    /// # let table = graven::Table::load(&path)?;
    /// assert_eq!(table.first()?, Some((&b"a"[..], &b"1"[..])));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`ReadError`] if a page that was touched is damaged.
    pub fn first(&self) -> Result<Option<(&[u8], &[u8])>, ReadError> {
        self.view().entry_from(self.view().start().offset)
    }

    /// The last entry, which has the greatest key. Costs one search by rank.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("t");
    /// # graven::BuildOptions::new().build(&path, [("a", "1"), ("b", "2"), ("c", "3")])?;
    /// # let table = graven::Table::load(&path)?;
    /// assert_eq!(table.last()?, Some((&b"c"[..], &b"3"[..])));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`ReadError`] if a page that was touched is damaged.
    pub fn last(&self) -> Result<Option<(&[u8], &[u8])>, ReadError> {
        self.search().entry_before(self.view().end())
    }
}

impl<'t> IntoIterator for &'t Table {
    type Item = Result<(&'t [u8], &'t [u8]), ReadError>;
    type IntoIter = Iter<'t>;

    fn into_iter(self) -> Iter<'t> {
        self.iter()
    }
}
