//! Owned access: values and iterators that keep the table open, and borrow nothing.

use super::place::Entry;
use super::range::KeyRange;
use super::table::Table;
use super::value::Value;
use super::walk::Paused;
use crate::error::{ReadError, ReadResult};
use std::fmt;
use std::iter::FusedIterator;

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
    #[must_use]
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
    /// let entries = table.into_range("b"..);
    /// let thread = std::thread::spawn(move || entries.map(|entry| entry.unwrap().0).collect());
    /// let keys: Vec<graven::Value> = thread.join().unwrap();
    /// assert_eq!(keys, ["b", "c"]);
    /// # Ok(())
    /// # }
    /// ```
    pub fn into_range(self, range: impl KeyRange) -> IntoIter {
        let walk = Paused::new(self.range(range));
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
        let walk = Paused::new(self.prefix(prefix));
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
/// costs four atomic counts an entry, and two to three times the instructions of
/// [`Iter`](crate::Iter). [`lend_next`] and [`lend_next_back`] lend the slices instead, without a
/// count, at up to twice the instructions of `Iter`.
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
    walk: Paused,
}

impl IntoIter {
    fn new(table: Table, walk: Paused) -> Self {
        Self { table, walk }
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
        self.walk.next(self.table.view())
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
        self.walk.next_back(self.table.view())
    }

    /// Key and value of an entry, owned.
    #[inline]
    fn own(
        table: &Table,
        entry: Option<ReadResult<Entry<'_>>>,
    ) -> Option<<Self as Iterator>::Item> {
        Some(entry?.map(|(key, value)| (Value::of(table, key), Value::of(table, value))))
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
        Self::own(&self.table, self.walk.next(self.table.view()))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.walk.iter(self.table.view()).size_hint()
    }

    fn count(self) -> usize {
        self.len()
    }

    fn last(mut self) -> Option<Self::Item> {
        self.next_back()
    }

    /// Skips by rank, without walking.
    fn nth(&mut self, n: usize) -> Option<Self::Item> {
        let entry = self.walk.resume(self.table.view(), |iter| iter.nth(n));
        Self::own(&self.table, entry)
    }
}

impl DoubleEndedIterator for IntoIter {
    #[inline]
    fn next_back(&mut self) -> Option<Self::Item> {
        Self::own(&self.table, self.walk.next_back(self.table.view()))
    }

    /// Skips by rank, without walking.
    fn nth_back(&mut self, n: usize) -> Option<Self::Item> {
        let entry = self.walk.resume(self.table.view(), |iter| iter.nth_back(n));
        Self::own(&self.table, entry)
    }
}

impl ExactSizeIterator for IntoIter {}
impl FusedIterator for IntoIter {}
