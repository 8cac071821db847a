//! Owned access: values and iterators that keep the table open, and borrow nothing.

use super::place::Entry;
use super::table::Table;
use super::value::Value;
use super::walk::Paused;
use crate::error::{ReadError, ReadResult};
use std::fmt;
use std::iter::FusedIterator;
use std::ops::{Range, RangeBounds};

impl Table {
    /// The value of `key` as [`get`](Self::get) finds it, owned: it keeps the table open and can
    /// leave the function, the thread or the async handler. Costs what `get` costs and one atomic
    /// count; copies and allocates nothing.
    ///
    /// # Errors
    /// [`ReadError`] if a page that was touched is damaged.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("t");
    /// # let mut builder = graven::Builder::create(&path)?;
    /// # builder.insert(b"red", b"#ff0000")?;
    /// # builder.finish()?;
    /// # // SAFETY: nobody modifies or truncates the published file.
    /// # let live = unsafe { graven::Live::open(&path)? };
    /// let red = live.pin().get_owned("red")?; // the pin is dropped at once
    /// let printing = std::thread::spawn(move || assert_eq!(red.unwrap(), "#ff0000"));
    /// # printing.join().unwrap();
    /// assert_eq!(live.pin().get_owned("blue")?, None);
    /// # Ok(())
    /// # }
    /// ```
    #[inline]
    pub fn get_owned(&self, key: impl AsRef<[u8]>) -> Result<Option<Value>, ReadError> {
        Ok(self.get(key.as_ref())?.map(|value| Value::of(self, value)))
    }

    /// Makes a slice that a query of this table has returned an owned [`Value`]. `None` if `slice`
    /// does not lie inside the table's bytes, as a slice of another table; an empty one counts as
    /// lying in every table.
    ///
    /// There is one such method instead of an owned form of each query: [`first`](Self::first),
    /// [`floor`](Self::floor), [`longest_prefix`](Self::longest_prefix), [`get_all`](Self::get_all),
    /// [`get_many`](Self::get_many), cursors and iterators all return slices of the table, and only
    /// the caller knows which of them, key or value, is to be kept. Costs two comparisons and one
    /// atomic count, looks nothing up, and allocates nothing. `bytes::Bytes` has a method of this
    /// name for the same purpose.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("t");
    /// # let mut builder = graven::Builder::create(&path)?;
    /// # for key in ["/", "/api", "/api/users"] { builder.insert(key.as_bytes(), b"handler")?; }
    /// # builder.finish()?;
    /// # let table = graven::Table::load(&path)?;
    /// let route = match table.longest_prefix(b"/api/v2")? {
    ///     Some((route, _)) => table.slice_ref(route),
    ///     None => None,
    /// };
    /// drop(table);
    /// assert_eq!(route.unwrap(), "/api");
    /// # Ok(())
    /// # }
    /// ```
    #[inline]
    pub fn slice_ref(&self, slice: &[u8]) -> Option<Value> {
        // The bytes of one slice lie in one object, so a slice that starts inside the table and is
        // no longer than the rest of it is part of it.
        let start = self.view().memory().offset_of(slice);
        let inside =
            self.view().bytes().len().checked_sub(start).is_some_and(|rest| slice.len() <= rest);
        (inside || slice.is_empty()).then(|| Value::of(self, slice))
    }

    /// The entries of [`range`](Self::range), as an iterator that owns the table. `into_iter` is the
    /// same for all entries. Clone the table, which is cheap, to go on using it.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("t");
    /// # let mut builder = graven::Builder::create(&path)?;
    /// # for key in ["a", "b", "c"] { builder.insert(key.as_bytes(), b"")?; }
    /// # builder.finish()?;
    /// # // SAFETY: nobody modifies or truncates the published file.
    /// # let live = unsafe { graven::Live::open(&path)? };
    /// let table = graven::Table::clone(&live.pin());
    /// let entries = table.into_range(&b"b"[..]..);
    /// let thread = std::thread::spawn(move || entries.map(|entry| entry.unwrap().0).collect());
    /// let keys: Vec<graven::Value> = thread.join().unwrap();
    /// assert_eq!(keys, ["b", "c"]);
    /// # Ok(())
    /// # }
    /// ```
    pub fn into_range<'k>(self, bounds: impl RangeBounds<&'k [u8]>) -> IntoIter {
        let walk = Paused::new(self.range(bounds));
        IntoIter::new(self, walk)
    }

    /// The entries of [`prefix`](Self::prefix), as an iterator that owns the table.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("t");
    /// # let mut builder = graven::Builder::create(&path)?;
    /// # for key in ["apple", "apricot", "banana"] { builder.insert(key.as_bytes(), b"fruit")?; }
    /// # builder.finish()?;
    /// # let table = graven::Table::load(&path)?;
    /// let mut entries = table.into_prefix("ap");
    /// let mut sent = Vec::new();
    /// while let Some(entry) = entries.lend_next() {
    ///     let (key, _) = entry?;
    ///     sent.extend_from_slice(key);
    /// }
    /// assert_eq!(sent, b"appleapricot");
    /// # Ok(())
    /// # }
    /// ```
    pub fn into_prefix(self, prefix: impl AsRef<[u8]>) -> IntoIter {
        let walk = Paused::new(self.prefix(prefix.as_ref()));
        IntoIter::new(self, walk)
    }
}

/// All entries, as an iterator that owns the table; see [`Table::into_range`].
impl IntoIterator for Table {
    type Item = Result<(Value, Value), ReadError>;
    type IntoIter = IntoIter;

    fn into_iter(self) -> IntoIter {
        let walk = Paused::new(self.iter());
        IntoIter::new(self, walk)
    }
}

/// Entries of a table, ascending, from both ends, without a borrow: `Send + 'static`, so that it can
/// stand in an async task or a thread of its own. The iterator keeps the table open.
/// `into_iter`, [`Table::into_range`] and [`Table::into_prefix`] make it. After an error the
/// iteration is over.
///
/// As an iterator it gives each key and value as a [`Value`], which may outlive the iterator: that
/// costs four atomic counts an entry, several times what [`Iter`](crate::Iter) needs. [`lend_next`] and
/// [`lend_next_back`] lend the slices instead, and cost at most twice what `Iter` costs.
///
/// Entries are found ahead in blocks of up to 16 entries or 4 KiB, at first one by one, so a walk
/// that is given up may have touched that much more than it returned.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let dir = tempfile::tempdir()?;
/// # let path = dir.path().join("t");
/// # let mut builder = graven::Builder::create(&path)?;
/// # for key in ["a", "b", "c"] { builder.insert(key.as_bytes(), b"")?; }
/// # builder.finish()?;
/// # let table = graven::Table::load(&path)?;
/// fn all(table: graven::Table) -> impl Iterator<Item = Vec<u8>> + Send + 'static {
///     table.into_iter().rev().map(|entry| entry.unwrap().0.to_vec())
/// }
/// assert_eq!(all(table).collect::<Vec<_>>(), [b"c", b"b", b"a"]);
/// # Ok(())
/// # }
/// ```
///
/// [`lend_next`]: Self::lend_next
/// [`lend_next_back`]: Self::lend_next_back
#[derive(Clone)]
pub struct IntoIter {
    table: Table,
    /// What lies between the two blocks.
    walk: Paused,
    front: Block,
    back: Block,
    /// Found behind the entries of a block, and returned after them.
    error: Option<ReadError>,
}

impl IntoIter {
    fn new(table: Table, walk: Paused) -> Self {
        Self { table, walk, front: Block::EMPTY, back: Block::EMPTY, error: None }
    }

    /// The next entry, lent until the next call: no atomic count. An async task may hold the
    /// iterator across an await, and the lent slices between two.
    ///
    /// # Errors
    /// [`ReadError`] if a page that was touched is damaged.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("t");
    /// # let mut builder = graven::Builder::create(&path)?;
    /// # for key in ["a", "b", "c"] { builder.insert(key.as_bytes(), b"12")?; }
    /// # builder.finish()?;
    /// # let table = graven::Table::load(&path)?;
    /// let mut entries = table.into_iter();
    /// let mut total = 0;
    /// while let Some(entry) = entries.lend_next() {
    ///     let (_, value) = entry?;
    ///     total += value.len();
    /// }
    /// assert_eq!(total, 6);
    /// # Ok(())
    /// # }
    /// ```
    #[inline]
    pub fn lend_next(&mut self) -> Option<Result<(&[u8], &[u8]), ReadError>> {
        let span = self.take::<false>();
        self.lend(span)
    }

    /// The last entry, lent as by [`lend_next`](Self::lend_next).
    ///
    /// # Errors
    /// [`ReadError`] if a page that was touched is damaged.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("t");
    /// # let mut builder = graven::Builder::create(&path)?;
    /// # for key in ["a", "b", "c"] { builder.insert(key.as_bytes(), b"")?; }
    /// # builder.finish()?;
    /// # let table = graven::Table::load(&path)?;
    /// let mut entries = table.into_iter();
    /// assert_eq!(entries.lend_next_back().transpose()?, Some((&b"c"[..], &b""[..])));
    /// # Ok(())
    /// # }
    /// ```
    #[inline]
    pub fn lend_next_back(&mut self) -> Option<Result<(&[u8], &[u8]), ReadError>> {
        let span = self.take::<true>();
        self.lend(span)
    }

    #[inline]
    fn take<const BACK: bool>(&mut self) -> Option<ReadResult<Span>> {
        let near = if BACK { &mut self.back } else { &mut self.front };
        match near.take_first() {
            Some(span) => Some(self.sound(span)),
            None => self.refill::<BACK>(),
        }
    }

    /// Pages that were lost since the block was filled read as zeros.
    #[inline]
    fn sound(&mut self, span: Span) -> ReadResult<Span> {
        let sound = self.table.view().sound(Ok(span));
        if sound.is_err() {
            self.end();
        }
        sound
    }

    /// Fills the block of one end from the walk, and takes its first entry. Once the walk is over,
    /// the entries that the other end has found ahead are left.
    #[inline(never)]
    fn refill<const BACK: bool>(&mut self) -> Option<ReadResult<Span>> {
        if let Some(error) = self.error.take() {
            self.end();
            return Some(Err(error));
        }
        let Self { table, walk, front, back, .. } = self;
        let (near, far) = if BACK { (back, front) } else { (front, back) };
        let mut iter = walk.resume(table.view());
        self.error = near.fill(table, || if BACK { iter.next_back() } else { iter.next() });
        *walk = Paused::new(iter);
        match near.take_first().or_else(|| far.take_last()) {
            Some(span) => Some(self.sound(span)),
            None => self.error.take().map(Err),
        }
    }

    /// Ends the iteration after an error.
    #[cold]
    fn end(&mut self) {
        self.walk.end();
        (self.front, self.back, self.error) = (Block::EMPTY, Block::EMPTY, None);
    }

    /// Entries that both blocks hold.
    fn found(&self) -> usize {
        self.front.len() + self.back.len()
    }

    /// Skips `n` entries and takes the next one: by rank where the blocks do not hold them.
    fn skip<const BACK: bool>(&mut self, n: usize) -> Option<ReadResult<Span>> {
        let Self { table, walk, front, back, error } = self;
        let (near, far) = if BACK { (back, front) } else { (front, back) };
        let found = near.len();
        near.drop_first(n);
        if n < found || error.is_some() {
            return self.take::<BACK>();
        }
        let n = n - found;
        let mut iter = walk.resume(table.view());
        let left = iter.len();
        let entry = if BACK { iter.nth_back(n) } else { iter.nth(n) };
        *walk = Paused::new(iter);
        match entry {
            Some(Ok(entry)) => Some(Ok(Span::new(table, entry))),
            Some(Err(error)) => {
                self.end();
                Some(Err(error))
            }
            None => {
                far.drop_last(n.saturating_sub(left));
                self.take::<BACK>()
            }
        }
    }

    #[inline]
    fn lend(&self, span: Option<ReadResult<Span>>) -> Option<ReadResult<Entry<'_>>> {
        let bytes = self.table.view().bytes();
        Some(span?.map(|span| (&bytes[span.key()], &bytes[span.value()])))
    }

    #[inline]
    fn own(&self, span: Option<ReadResult<Span>>) -> Option<ReadResult<(Value, Value)>> {
        let value = |part| Value::new(&self.table, part);
        Some(span?.map(|span| (value(span.key()), value(span.value()))))
    }
}

impl fmt::Debug for IntoIter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IntoIter").field("table", &self.table).finish_non_exhaustive()
    }
}

impl Iterator for IntoIter {
    type Item = Result<(Value, Value), ReadError>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let span = self.take::<false>();
        self.own(span)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let (least, most) = match &self.error {
            Some(_) => (1, Some(1)),
            None => self.walk.resume(self.table.view()).size_hint(),
        };
        let found = self.found();
        (least.saturating_add(found), most.and_then(|most| most.checked_add(found)))
    }

    fn count(self) -> usize {
        self.len()
    }

    fn last(mut self) -> Option<Self::Item> {
        self.next_back()
    }

    /// Skips by rank, without walking.
    fn nth(&mut self, n: usize) -> Option<Self::Item> {
        let span = self.skip::<false>(n);
        self.own(span)
    }
}

impl DoubleEndedIterator for IntoIter {
    #[inline]
    fn next_back(&mut self) -> Option<Self::Item> {
        let span = self.take::<true>();
        self.own(span)
    }

    /// Skips by rank, without walking.
    fn nth_back(&mut self, n: usize) -> Option<Self::Item> {
        let span = self.skip::<true>(n);
        self.own(span)
    }
}

impl ExactSizeIterator for IntoIter {}
impl FusedIterator for IntoIter {}

/// Where key and value of an entry lie in the table.
#[derive(Clone, Copy)]
struct Span {
    key: usize,
    value: usize,
    key_len: u32,
    value_len: u32,
}

impl Span {
    const EMPTY: Self = Self { key: 0, value: 0, key_len: 0, value_len: 0 };

    /// The format's longest values have `u32::MAX` bytes, so no length is cut.
    #[inline]
    fn new(table: &Table, (key, value): Entry<'_>) -> Self {
        let memory = table.view().memory();
        Self {
            key: memory.offset_of(key),
            value: memory.offset_of(value),
            key_len: key.len() as u32,
            value_len: value.len() as u32,
        }
    }

    #[inline]
    fn key(self) -> Range<usize> {
        self.key..self.key + self.key_len as usize
    }

    #[inline]
    fn value(self) -> Range<usize> {
        self.value..self.value + self.value_len as usize
    }
}

/// Entries that one end of an iteration has found ahead, in its order.
#[derive(Clone)]
struct Block {
    spans: [Span; Self::MOST],
    next: usize,
    end: usize,
}

impl Block {
    /// Most entries of a block: enough that resuming a walk costs little for each.
    const MOST: usize = 16;
    /// A block ends with the entry that reaches this many bytes, so that large values are not
    /// touched long before they are asked for.
    const BYTES: usize = 4 << 10;
    /// How many times as many entries as the last block the next one has.
    const GROWTH: usize = 4;
    const EMPTY: Self = Self { spans: [Span::EMPTY; Self::MOST], next: 0, end: 0 };

    fn len(&self) -> usize {
        self.end - self.next
    }

    #[inline]
    fn take_first(&mut self) -> Option<Span> {
        let span = self.spans[..self.end].get(self.next)?;
        self.next += 1;
        Some(*span)
    }

    fn take_last(&mut self) -> Option<Span> {
        if self.next == self.end {
            return None;
        }
        self.end -= 1;
        Some(self.spans[self.end])
    }

    fn drop_first(&mut self, n: usize) {
        self.next += n.min(self.len());
    }

    fn drop_last(&mut self, n: usize) {
        self.end -= n.min(self.len());
    }

    /// Fills an empty block with entries. The error that comes after them, if one does.
    fn fill<'t>(
        &mut self,
        table: &Table,
        mut entry: impl FnMut() -> Option<ReadResult<Entry<'t>>>,
    ) -> Option<ReadError> {
        // The block that was used up shows how long the walk is by now.
        let most = (self.end * Self::GROWTH).clamp(1, Self::MOST);
        (self.next, self.end) = (0, 0);
        let mut bytes = 0;
        while self.end < most && bytes < Self::BYTES {
            let (key, value) = match entry()? {
                Ok(entry) => entry,
                Err(error) => return Some(error),
            };
            self.spans[self.end] = Span::new(table, (key, value));
            self.end += 1;
            bytes += key.len() + value.len();
        }
        None
    }
}
