//! The table: a face of public methods. The bytes, the page checks and the searches stand below.

use super::get::{Batch, Lookups};
use super::map::Bytes;
use super::pages::Pages;
use super::place::{Place, Side, Start};
use super::search::Search;
use super::view::View;
use super::walk::{Cursor, GetAll, Iter, Keys, LongestPrefix, Values};
use crate::build_id::BuildId;
use crate::error::{ReadError, ReadResult};
use crate::format::layout::Layout;
use crate::format::order::successor_len;
use std::fmt;
use std::ops::{Bound, RangeBounds};
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
    view: View,
    lookups: Lookups,
    /// Bytes of records that are prefetched at the start of a walk.
    first_walk: usize,
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
        Self { shared: Arc::new(Shared { view, lookups, first_walk }) }
    }

    #[inline(always)]
    pub(crate) fn view(&self) -> &View {
        &self.shared.view
    }

    #[inline(always)]
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
    /// # Errors
    /// [`ReadError`] if a page that was touched is damaged.
    #[inline]
    pub fn get(&self, key: &[u8]) -> Result<Option<&[u8]>, ReadError> {
        self.shared.lookups.get(self.view(), key)
    }

    /// Whether `key` is in the table. Costs what [`get`](Self::get) costs.
    ///
    /// # Errors
    /// [`ReadError`] if a page that was touched is damaged.
    #[inline]
    pub fn contains_key(&self, key: &[u8]) -> Result<bool, ReadError> {
        Ok(self.get(key)?.is_some())
    }

    /// Looks up many keys at once: one answer per key, in their order. Faster than one
    /// [`get`](Self::get) after the other when the table is larger than the processor's caches:
    /// index and records are prefetched before they are needed. A table with the ordered index
    /// alone does one get after the other. Allocates the vector;
    /// [`get_many_into`](Self::get_many_into) takes one that is there.
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
    /// # Errors
    /// [`ReadError`] if a page that was touched is damaged.
    pub fn get_many_into<'t, K: AsRef<[u8]>>(
        &'t self,
        keys: &[K],
        out: &mut Vec<Option<&'t [u8]>>,
    ) -> Result<(), ReadError> {
        out.clear();
        out.reserve(keys.len());
        let batch = Batch { view: self.view(), lookups: &self.shared.lookups, keys, out };
        let answered = batch.answer();
        if answered.is_err() {
            out.clear();
        }
        answered
    }

    /// All values of `key`, in the order of their insertion.
    pub fn get_all(&self, key: &[u8]) -> GetAll<'_> {
        GetAll::new(self.view(), key)
    }

    /// All entries, ascending; can be walked from both ends.
    pub fn iter(&self) -> Iter<'_> {
        self.between(Ok(self.view().start().into()), Ok(self.view().end()))
    }

    /// The entries whose keys lie within `bounds`. A start beyond the end yields nothing. Costs
    /// one search per bound.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("t");
    /// # let mut builder = graven::Builder::create(&path)?;
    /// # for key in ["a", "b", "c"] { builder.insert(key.as_bytes(), b"")?; }
    /// # builder.finish()?;
    /// # let table = graven::Table::load(&path)?;
    /// let mut keys = Vec::new();
    /// for entry in table.range(&b"b"[..]..) {
    ///     keys.push(entry?.0);
    /// }
    /// assert_eq!(keys, [b"b", b"c"]);
    /// # Ok(())
    /// # }
    /// ```
    pub fn range<'k>(&self, bounds: impl RangeBounds<&'k [u8]>) -> Iter<'_> {
        let (search, walk) = (self.search(), self.shared.first_walk);
        let from = match bounds.start_bound() {
            Bound::Unbounded => Ok(self.view().start().into()),
            Bound::Included(key) => search.seek_start(key, Side::NotBelow, walk),
            Bound::Excluded(key) => search.seek_start(key, Side::Above, walk),
        };
        self.between(from, self.upper_end(bounds.end_bound()))
    }

    /// The entries whose keys start with `prefix`.
    pub fn prefix(&self, prefix: &[u8]) -> Iter<'_> {
        let walk = self.shared.first_walk;
        let from = self.search().seek_ordered(prefix, Side::NotBelow, walk);
        let to = match successor_len(prefix) {
            None => Ok(self.view().end()),
            Some(len) => {
                // On the stack, unless the prefix is very long, so that nothing is allocated.
                let (mut short, mut long) = ([0; 512], Vec::new());
                let above = match short.get_mut(..len) {
                    Some(above) => above,
                    None => {
                        long.resize(len, 0);
                        &mut long[..]
                    }
                };
                above.copy_from_slice(&prefix[..len]);
                above[len - 1] += 1;
                self.search().seek(above, Side::NotBelow)
            }
        };
        self.between(from, to)
    }

    fn between(&self, from: ReadResult<Start>, to: ReadResult<Place>) -> Iter<'_> {
        Iter::between(self.view(), from, to, self.shared.first_walk)
    }

    /// All keys, ascending.
    pub fn keys(&self) -> Keys<'_> {
        Keys(self.iter())
    }

    /// All values, in the order of their keys.
    pub fn values(&self) -> Values<'_> {
        Values(self.iter())
    }

    /// A cursor before the first entry.
    pub fn cursor(&self) -> Cursor<'_> {
        Cursor::new(self.view(), self.shared.first_walk)
    }

    /// The first entry.
    ///
    /// # Errors
    /// [`ReadError`] if a page that was touched is damaged.
    pub fn first(&self) -> Result<Option<(&[u8], &[u8])>, ReadError> {
        self.view().entry_from(self.view().start().offset)
    }

    /// The last entry.
    ///
    /// # Errors
    /// [`ReadError`] if a page that was touched is damaged.
    pub fn last(&self) -> Result<Option<(&[u8], &[u8])>, ReadError> {
        self.search().entry_before(self.view().end())
    }

    /// The last entry whose key is not greater than `key`.
    ///
    /// # Errors
    /// [`ReadError`] if a page that was touched is damaged.
    pub fn floor(&self, key: &[u8]) -> Result<Option<(&[u8], &[u8])>, ReadError> {
        self.search().entry_before(self.search().seek(key, Side::Above)?)
    }

    /// The first entry whose key is not smaller than `key`.
    ///
    /// # Errors
    /// [`ReadError`] if a page that was touched is damaged.
    pub fn ceil(&self, key: &[u8]) -> Result<Option<(&[u8], &[u8])>, ReadError> {
        let start = self.search().seek_start(key, Side::NotBelow, 0)?;
        self.view().entry_from(start.offset)
    }

    /// The entry with `rank` entries before it.
    ///
    /// # Errors
    /// [`ReadError`] if a page that was touched is damaged.
    pub fn nth(&self, rank: u64) -> Result<Option<(&[u8], &[u8])>, ReadError> {
        if rank >= self.len() {
            return Ok(None);
        }
        self.view().entry_from(self.search().place_of(rank)?.offset)
    }

    /// The entry with the longest key that is a prefix of `key` (or `key` itself): routing tables,
    /// tokenizers. Costs one to three searches for most keys. Where many stored keys start as `key`
    /// does and none of the longer ones is a prefix, what is left after these is walked by halves:
    /// at most one record on each level of the index for each byte of `key`, whose bytes are
    /// compared once on each level.
    ///
    /// # Errors
    /// [`ReadError`] if a page that was touched is damaged.
    pub fn longest_prefix(&self, key: &[u8]) -> Result<Option<(&[u8], &[u8])>, ReadError> {
        LongestPrefix::of(self.view()).find(key)
    }

    /// Number of entries with keys below `key`.
    ///
    /// # Errors
    /// [`ReadError`] if a page that was touched is damaged.
    pub fn rank(&self, key: &[u8]) -> Result<u64, ReadError> {
        Ok(self.search().seek(key, Side::NotBelow)?.rank)
    }

    /// Number of entries with keys within `bounds`: two searches, no walk.
    ///
    /// # Errors
    /// [`ReadError`] if a page that was touched is damaged.
    pub fn count<'k>(&self, bounds: impl RangeBounds<&'k [u8]>) -> Result<u64, ReadError> {
        let search = self.search();
        let from = match bounds.start_bound() {
            Bound::Unbounded => Ok(self.view().start()),
            Bound::Included(key) => search.seek(key, Side::NotBelow),
            Bound::Excluded(key) => search.seek(key, Side::Above),
        };
        let to = self.upper_end(bounds.end_bound());
        Ok(to?.rank.saturating_sub(from?.rank))
    }

    /// The place after the last entry of a range.
    fn upper_end(&self, bound: Bound<&&[u8]>) -> ReadResult<Place> {
        match bound {
            Bound::Unbounded => Ok(self.view().end()),
            Bound::Included(key) => self.search().seek(key, Side::Above),
            Bound::Excluded(key) => self.search().seek(key, Side::NotBelow),
        }
    }
}
