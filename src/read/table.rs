//! The table: bytes, layout, page checks, and the queries that need no state.

use super::advice::Reading;
use super::cursor::Cursor;
use super::get_all::GetAll;
use super::iter::{Iter, Keys, Values, first_walk};
use super::lookup::Guesses;
use super::map::Bytes;
use super::pages::{Pages, check_unit};
use super::parallel::check_pieces;
use super::search::{Bound as Edge, Entry, Place};
use crate::error::{ReadError, ReadResult};
use crate::format::bucket::Tails;
use crate::format::layout::{IndexLayout, Layout};
use crate::format::line::LineScale;
use crate::format::node::Node;
use crate::format::order::{common_prefix, successor_len};
use crate::format::record::Parts;
use crate::format::sums;
use std::fmt;
use std::ops::{Bound, Range, RangeBounds};
use std::sync::Arc;

/// An open table. Cloning it is cheap and shares everything; it is `Send + Sync` and takes no
/// lock, makes no system call and allocates nothing in a lookup. What lookups return are slices
/// of the table's bytes, which live as long as the table or the borrow of it.
///
/// Keys are in unsigned bytewise order. Ranks, [`len`](Self::len), [`nth`](Self::nth) and
/// [`count`](Self::count) count entries; where keys are repeated, [`get`](Self::get) and
/// [`ceil`](Self::ceil) give the first of the equals, [`floor`](Self::floor) and
/// [`last`](Self::last) the last.
///
/// Every query that touches records can fail with a [`ReadError`] if the table is damaged.
#[derive(Clone)]
pub struct Table {
    pub(super) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(super) bytes: Bytes,
    /// That of the line index, where there is one.
    pub(super) scale: LineScale,
    /// Those of the hash index, where there is one.
    pub(super) tails: Tails,
    pub(super) layout: Layout,
    pub(super) pages: Pages,
    pub(super) guesses: Guesses,
    /// Bytes of records that are prefetched at the start of a walk.
    pub(super) first_walk: usize,
    /// Whether the table exceeds the memory, so that walks ask ahead.
    pub(super) windows: bool,
}

impl fmt::Debug for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Table")
            .field("entries", &self.len())
            .field("bytes", &self.inner.layout.file_len)
            .finish_non_exhaustive()
    }
}

impl Inner {
    #[inline]
    pub(super) fn bytes(&self) -> &[u8] {
        self.bytes.get()
    }

    /// Checks the pages under `range` on their first touch.
    #[inline]
    pub(super) fn ensure(&self, range: Range<usize>) -> ReadResult<()> {
        if self.windows && range.len() > sums::UNIT {
            self.ask_for(range.clone());
        }
        match self.pages.ensure(self.bytes(), &self.layout, range) {
            Ok(()) => Ok(()),
            // A lost page fails its checksum.
            Err(error) => self.sound(Err(error)),
        }
    }

    /// What a query has found, if all that it has read was the file's: the last step of each. See
    /// [`crate::sigbus`].
    #[inline(always)]
    pub(super) fn sound<T>(&self, result: ReadResult<T>) -> ReadResult<T> {
        if self.bytes.unharmed() { result } else { self.faulted() }
    }

    #[cold]
    #[inline(never)]
    fn faulted<T>(&self) -> ReadResult<T> {
        Err(ReadError::Faulted { offset: self.bytes.lost_at().unwrap_or(0) })
    }

    /// The bytes of a proven and checked range.
    #[inline]
    pub(super) fn slice(&self, range: Range<usize>) -> ReadResult<&[u8]> {
        let offset = range.start as u64;
        self.bytes().get(range).ok_or_else(|| ReadError::corrupt("record beyond the end", offset))
    }

    /// Key and value of a record, checked.
    #[inline]
    pub(super) fn entry(&self, parts: &Parts) -> ReadResult<Entry<'_>> {
        self.sound(self.checked_entry(parts))
    }

    #[inline(always)]
    fn checked_entry(&self, parts: &Parts) -> ReadResult<Entry<'_>> {
        self.ensure(parts.key..parts.end())?;
        Ok((self.slice(parts.key())?, self.slice(parts.value())?))
    }
}

impl Table {
    pub(super) fn new(mut bytes: Bytes, layout: Layout, pages: Pages) -> Self {
        bytes.prove(&layout);
        let guesses = Guesses::of(&layout);
        let first_walk = first_walk(&layout);
        let windows = bytes.reading() == Reading::Windows;
        let scale =
            layout.lines.map_or(LineScale { base: u64::MAX, scale: 0 }, |lines| lines.scale);
        let tails = layout.hash.as_ref().map_or(Tails::NONE, |hash| hash.tails);
        let inner = Inner { bytes, scale, tails, layout, pages, guesses, first_walk, windows };
        Self { inner: Arc::new(inner) }
    }

    /// Number of entries. Costs nothing.
    pub fn len(&self) -> u64 {
        self.inner.layout.entries
    }

    /// Identifies the content: a hash of entries and layout. Costs nothing.
    pub fn build_id(&self) -> [u8; 16] {
        self.inner.layout.build_id
    }

    /// Whether a page under this table was lost since it was opened: the file was truncated, or
    /// its device failed. Known only with the guard of [`sigbus`](crate::sigbus). Lookups then
    /// fail by themselves; this is for a caller that has used a slice after its lookup returned,
    /// and must know whether its bytes were the file's. Costs two loads.
    #[inline]
    pub fn faulted(&self) -> bool {
        !self.inner.bytes.unharmed()
    }

    /// Whether [`sigbus::install`](crate::sigbus::install) protects this table: false only for a
    /// mapped table that was opened while 4,096 others were.
    pub fn guarded(&self) -> bool {
        self.inner.bytes.watched()
    }

    /// Number of distinct keys. Costs nothing.
    pub fn keys_len(&self) -> u64 {
        self.inner.layout.keys
    }

    /// Whether there is no entry.
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
        self.inner.get(key)
    }

    /// Whether `key` is in the table. Costs what [`get`](Self::get) costs.
    ///
    /// # Errors
    /// [`ReadError`] if a page that was touched is damaged.
    #[inline]
    pub fn contains_key(&self, key: &[u8]) -> Result<bool, ReadError> {
        Ok(self.inner.get(key)?.is_some())
    }

    /// All values of `key`, in the order of their insertion.
    pub fn get_all(&self, key: &[u8]) -> GetAll<'_> {
        GetAll::new(&self.inner, key)
    }

    /// All entries, ascending; can be walked from both ends.
    pub fn iter(&self) -> Iter<'_> {
        Iter::between(&self.inner, Ok(self.inner.start().into()), Ok(self.inner.end()))
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
        let inner = &self.inner;
        let from = match bounds.start_bound() {
            Bound::Unbounded => Ok(inner.start().into()),
            Bound::Included(key) => inner.seek_start(key, Edge::NotBelow, inner.first_walk),
            Bound::Excluded(key) => inner.seek_start(key, Edge::Above, inner.first_walk),
        };
        Iter::between(inner, from, self.upper_edge(bounds.end_bound()))
    }

    /// The entries whose keys start with `prefix`.
    pub fn prefix(&self, prefix: &[u8]) -> Iter<'_> {
        let from = self.inner.seek_ordered(prefix, Edge::NotBelow, self.inner.first_walk);
        let to = match successor_len(prefix) {
            None => Ok(self.inner.end()),
            Some(len) => {
                // On the stack but for very long prefixes, so that nothing is allocated.
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
                self.inner.seek(above, Edge::NotBelow)
            }
        };
        Iter::between(&self.inner, from, to)
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
        Cursor::new(&self.inner)
    }

    /// The first entry.
    ///
    /// # Errors
    /// [`ReadError`] if a page that was touched is damaged.
    pub fn first(&self) -> Result<Option<(&[u8], &[u8])>, ReadError> {
        self.inner.entry_from(self.inner.start().offset)
    }

    /// The last entry.
    ///
    /// # Errors
    /// [`ReadError`] if a page that was touched is damaged.
    pub fn last(&self) -> Result<Option<(&[u8], &[u8])>, ReadError> {
        self.nth_back(self.len())
    }

    /// The last entry whose key is not greater than `key`.
    ///
    /// # Errors
    /// [`ReadError`] if a page that was touched is damaged.
    pub fn floor(&self, key: &[u8]) -> Result<Option<(&[u8], &[u8])>, ReadError> {
        self.nth_back(self.inner.seek(key, Edge::Above)?.rank)
    }

    /// The first entry whose key is not smaller than `key`.
    ///
    /// # Errors
    /// [`ReadError`] if a page that was touched is damaged.
    pub fn ceil(&self, key: &[u8]) -> Result<Option<(&[u8], &[u8])>, ReadError> {
        let start = self.inner.seek_start(key, Edge::NotBelow, 0)?;
        self.inner.entry_from(start.offset)
    }

    /// The entry with `rank` entries before it.
    ///
    /// # Errors
    /// [`ReadError`] if a page that was touched is damaged.
    pub fn nth(&self, rank: u64) -> Result<Option<(&[u8], &[u8])>, ReadError> {
        if rank >= self.len() {
            return Ok(None);
        }
        self.inner.entry_from(self.inner.place_of(rank)?.offset)
    }

    fn nth_back(&self, end: u64) -> Result<Option<(&[u8], &[u8])>, ReadError> {
        match end.checked_sub(1) {
            Some(rank) => self.nth(rank),
            None => Ok(None),
        }
    }

    /// The entry with the longest key that is a prefix of `key` (or `key` itself): routing tables,
    /// tokenizers. Costs one search per candidate length, usually one to three.
    ///
    /// # Errors
    /// [`ReadError`] if a page that was touched is damaged.
    pub fn longest_prefix(&self, key: &[u8]) -> Result<Option<(&[u8], &[u8])>, ReadError> {
        let mut candidate = key;
        loop {
            let Some((found, value)) = self.floor(candidate)? else { return Ok(None) };
            let shared = common_prefix(found, key);
            if shared == found.len() {
                // Where the key is repeated, the first of the equals, as `get` gives it.
                let value = if self.inner.layout.repeated_keys { self.get(found)? } else { None }
                    .unwrap_or(value);
                return Ok(Some((found, value)));
            }
            // Nothing but the empty key is not above it: the index lies, and the next turn would
            // be this one again.
            if candidate.is_empty() {
                let start = self.inner.layout.records.start as u64;
                return Err(ReadError::corrupt("ordered index misses a block", start));
            }
            // A stored prefix of `key` below `found` shares no more than this with it. It gets
            // shorter each time, so there are at most as many turns as bytes.
            candidate = &key[..shared.min(candidate.len().saturating_sub(1))];
        }
    }

    /// Number of entries with keys below `key`.
    ///
    /// # Errors
    /// [`ReadError`] if a page that was touched is damaged.
    pub fn rank(&self, key: &[u8]) -> Result<u64, ReadError> {
        Ok(self.inner.seek(key, Edge::NotBelow)?.rank)
    }

    /// Number of entries with keys within `bounds`: two searches, no walk.
    ///
    /// # Errors
    /// [`ReadError`] if a page that was touched is damaged.
    pub fn count<'k>(&self, bounds: impl RangeBounds<&'k [u8]>) -> Result<u64, ReadError> {
        let inner = &self.inner;
        let from = match bounds.start_bound() {
            Bound::Unbounded => Ok(inner.start()),
            Bound::Included(key) => inner.seek(key, Edge::NotBelow),
            Bound::Excluded(key) => inner.seek(key, Edge::Above),
        };
        let to = self.upper_edge(bounds.end_bound());
        Ok(to?.rank.saturating_sub(from?.rank))
    }

    /// The place after the last entry of a range.
    fn upper_edge(&self, bound: Bound<&&[u8]>) -> ReadResult<Place> {
        match bound {
            Bound::Unbounded => Ok(self.inner.end()),
            Bound::Included(key) => self.inner.seek(key, Edge::Above),
            Bound::Excluded(key) => self.inner.seek(key, Edge::NotBelow),
        }
    }

    /// Checks all pages that were not checked, on all threads, without raising SIGBUS.
    pub(crate) fn check_all_pages(&self) -> ReadResult<()> {
        let inner = &self.inner;
        let units = sums::units(inner.layout.sums.start as u64) as usize;
        self.populate(inner.layout.sums.start..inner.layout.file_len)?;
        // Chunks of 2 MiB: the largest page that the kernel maps at once.
        const CHUNK: usize = 512;
        check_pieces(units.div_ceil(CHUNK), |chunk| {
            self.ask((chunk + 2) * CHUNK * sums::UNIT..(chunk + 3) * CHUNK * sums::UNIT);
            self.check_units(chunk * CHUNK..((chunk + 1) * CHUNK).min(units))
        })
    }

    /// Checks every unit of `units` anew.
    pub(crate) fn check_units(&self, units: Range<usize>) -> ReadResult<()> {
        let inner = &self.inner;
        let start = units.start * sums::UNIT;
        let end = (units.end * sums::UNIT).min(inner.layout.file_len);
        self.populate(start..end)?;
        for unit in units {
            inner.sound(check_unit(inner.bytes(), &inner.layout, unit))?;
            inner.pages.mark(unit);
        }
        Ok(())
    }
}

/// What the audit needs beside the public queries.
impl Table {
    pub(crate) fn layout(&self) -> &Layout {
        &self.inner.layout
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        self.inner.bytes()
    }

    /// `result`, if all that it rests on was the file's.
    pub(crate) fn sound<T>(&self, result: ReadResult<T>) -> ReadResult<T> {
        self.inner.sound(result)
    }

    /// The places before the first record and after the last.
    pub(crate) fn ends(&self) -> (Place, Place) {
        (self.inner.start(), self.inner.end())
    }

    /// The parts of the record at `offset`, with the pages of its key checked.
    #[inline]
    pub(crate) fn record_at(&self, offset: usize) -> ReadResult<Parts> {
        self.inner.parts_at(offset)
    }

    /// A node of the ordered index.
    pub(crate) fn index_node(&self, index: &IndexLayout, number: u64) -> ReadResult<Node<'_>> {
        self.inner.node(index, number, number < index.leaves)
    }

    /// The child of an index node to which a search for the place after `key` goes on.
    pub(crate) fn child_for(
        &self,
        index: &IndexLayout,
        number: u64,
        key: &[u8],
    ) -> ReadResult<usize> {
        Ok(self.inner.search_node(index, number, number < index.leaves, key, false)?.1)
    }

    /// Where the record that a slot of the hash index refers to starts, and its key.
    pub(crate) fn referred(&self, reference: u64) -> ReadResult<(usize, &[u8])> {
        let place = self.inner.referred_place(reference)?;
        Ok((place, self.inner.key_at(place)?.0))
    }

    /// Where the first record of `key` starts, by the index that `get` uses.
    pub(crate) fn first_record(&self, key: &[u8]) -> ReadResult<Option<usize>> {
        Ok(self.inner.locate(key)?.map(|found| found.offset))
    }
}
