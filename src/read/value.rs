//! An owned value: bytes of a table that keep the table open.

use super::table::Table;
use std::borrow::Borrow;
use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::ops::{Deref, Range};

/// Bytes of a table, a value or a key, that need no borrow of the table: nothing is copied, and the
/// table stays open for as long as the value lives. `Send + Sync + 'static`, so that it can leave an
/// async handler, a thread or a function. [`Table::get_owned`], [`Table::slice_ref`] and
/// [`IntoIter`](crate::IntoIter) make them.
///
/// A value is used as a `&[u8]`, and is equal, ordered and hashed as its bytes are. Its bytes never
/// move. Making, cloning and dropping one costs one atomic count, getting its bytes costs two
/// comparisons; neither allocates. The thread that drops the last value and the last clone of a
/// table unmaps the table.
///
/// A value of three bytes keeps the mapping of the whole table alive, and so the disk space of a
/// file that was replaced meanwhile. Use `value.to_vec()` to keep the bytes without the table, for
/// example in a cache.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let dir = tempfile::tempdir()?;
/// # let path = dir.path().join("t");
/// # let mut builder = graven::Builder::create(&path)?;
/// # builder.insert(b"page", b"<html>")?;
/// # builder.finish()?;
/// let page = {
///     // SAFETY: nobody modifies or truncates the published file.
///     let table = unsafe { graven::Table::open(&path)? };
///     table.get_owned("page")?.ok_or("no page")?
/// };
/// assert_eq!(page, "<html>");
/// let body = bytes::Bytes::from_owner(page); // the body of a response, without a copy
/// assert_eq!(body.slice(1..5), "html");
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Value {
    // A span of a table is the only kind today. Tables whose values are decoded into a buffer will
    // add a second kind, which shares that buffer: nothing outside of this file sees the fields.
    table: Table,
    start: usize,
    end: usize,
}

impl Value {
    /// The bytes at `span`, which lies inside the table.
    #[inline]
    pub(super) fn new(table: &Table, span: Range<usize>) -> Self {
        Self { table: table.clone(), start: span.start, end: span.end }
    }

    /// A slice that a query of this table has returned.
    #[inline]
    pub(super) fn of(table: &Table, slice: &[u8]) -> Self {
        // An empty slice may point anywhere.
        let start = if slice.is_empty() { 0 } else { table.view().memory().offset_of(slice) };
        Self::new(table, start..start + slice.len())
    }

    /// Whether a page of the value's table was lost since the table was opened, so that these bytes
    /// may be zeros that are not the file's; see [`Table::is_faulted`]. Costs two loads.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("t");
    /// # let mut builder = graven::Builder::create(&path)?;
    /// # builder.insert(b"k", b"v")?;
    /// # builder.finish()?;
    /// # let table = graven::Table::load(&path)?;
    /// let value = table.get_owned("k")?.ok_or("no k")?;
    /// let copy = value.to_vec(); // a long use of the bytes
    /// assert!(!value.is_faulted()); // they were the file's until here
    /// # Ok(())
    /// # }
    /// ```
    #[inline]
    #[must_use]
    pub fn is_faulted(&self) -> bool {
        self.table.is_faulted()
    }
}

impl Deref for Value {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        &self.table.view().bytes()[self.start..self.end]
    }
}

impl AsRef<[u8]> for Value {
    #[inline]
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl Borrow<[u8]> for Value {
    #[inline]
    fn borrow(&self) -> &[u8] {
        self
    }
}

/// As a byte string, `b"…"`.
impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "b\"{}\"", self.escape_ascii())
    }
}

/// With another value, a slice, an array, a vector or a string.
impl<T: AsRef<[u8]> + ?Sized> PartialEq<T> for Value {
    #[inline]
    fn eq(&self, other: &T) -> bool {
        **self == *other.as_ref()
    }
}

impl Eq for Value {}

impl PartialOrd for Value {
    #[inline]
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Value {
    #[inline]
    fn cmp(&self, other: &Self) -> Ordering {
        (**self).cmp(&**other)
    }
}

impl Hash for Value {
    #[inline]
    fn hash<H: Hasher>(&self, state: &mut H) {
        (**self).hash(state);
    }
}
