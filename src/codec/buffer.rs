//! The caller's buffer for values.

#[cfg(feature = "sets")]
use super::bad::Bad;
use std::fmt;

/// Memory for values of a [`PackedTable`](crate::PackedTable), which lookups fill: keep one per
/// thread and hand it to every lookup. Lookups then allocate nothing, once it has grown to the longest
/// value that was asked for. It may serve any number of tables.
///
/// ```
/// # let dir = tempfile::tempdir()?;
/// # let path = dir.path().join("t");
/// # graven::BuildOptions::new().build(&path, [("a", "1"), ("b", "2")])?;
/// let table = graven::PackedTable::load(&path)?;
/// let mut buffer = graven::ValueBuffer::new();
/// for key in ["a", "b"] {
///     let value = table.get(key, &mut buffer)?;
///     assert!(value.is_some());
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct ValueBuffer {
    /// A key, encoded or decoded.
    pub(crate) key: Vec<u8>,
    pub(crate) value: Room,
}

/// Memory for one value.
pub(crate) struct Room {
    pub(super) bytes: Vec<u8>,
    /// A frame that is decoded. zstd gets a copy: nothing may change what it reads, and a page of a
    /// file that is cut off while it is read turns to zeros.
    #[cfg(feature = "zstd")]
    pub(super) frame: Vec<u8>,
    /// Most bytes of a value.
    pub(super) most: usize,
    /// zstd's tables, about 150 KiB, made when they are needed first.
    #[cfg(feature = "zstd")]
    pub(super) context: Option<::zstd::zstd_safe::DCtx<'static>>,
}

#[cfg(feature = "sets")]
impl Room {
    /// A copy of a value, if it is no longer than the caller takes.
    pub(crate) fn keep(&mut self, value: &[u8]) -> Result<&[u8], Bad> {
        if value.len() > self.most {
            return Err(Bad::TooLong(self.most));
        }
        self.bytes.clear();
        self.bytes.extend_from_slice(value);
        Ok(&self.bytes)
    }
}

impl ValueBuffer {
    /// An empty buffer. Allocates nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::with_limit(u32::MAX)
    }

    /// An empty buffer that takes values of at most `most` bytes: a longer one is
    /// [`ReadFailure::ValueTooLong`](crate::ReadFailure::ValueTooLong), before memory is asked for. For
    /// tables from elsewhere: some bytes of a hostile one may stand for 4 GiB. A
    /// [`PackedTable`](crate::PackedTable) lends a value that is stored as it is, and does not refuse it; a
    /// set of packed tables copies every value, so the limit holds for all.
    #[must_use]
    pub fn with_limit(most: u32) -> Self {
        let value = Room {
            bytes: Vec::new(),
            #[cfg(feature = "zstd")]
            frame: Vec::new(),
            most: most as usize,
            #[cfg(feature = "zstd")]
            context: None,
        };
        Self { key: Vec::new(), value }
    }

    /// Takes values of at most `most` bytes from now on, as [`with_limit`](Self::with_limit) does, and
    /// keeps its memory: for one buffer that serves tables of several limits.
    pub fn set_limit(&mut self, most: u32) {
        self.value.most = most as usize;
    }

    /// An empty buffer that takes values as long as this one does.
    pub(crate) fn another(&self) -> Self {
        let mut buffer = Self::new();
        buffer.value.most = self.value.most;
        buffer
    }

    /// Bytes that it holds for values.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.value.bytes.capacity()
    }
}

impl Default for ValueBuffer {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for ValueBuffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ValueBuffer").field("capacity", &self.capacity()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_that_of_other_buffers_too() {
        let mut buffer = ValueBuffer::with_limit(10);
        assert_eq!(buffer.another().value.most, 10);
        buffer.set_limit(5);
        assert_eq!((buffer.value.most, buffer.another().value.most), (5, 5));
        assert_eq!(buffer.capacity(), 0);
        buffer.value.bytes.reserve_exact(100);
        assert!(buffer.capacity() >= 100);
    }

    #[cfg(feature = "sets")]
    #[test]
    fn a_value_as_long_as_the_limit_is_kept() {
        let mut room = ValueBuffer::with_limit(3).value;
        assert_eq!(room.keep(b"abc"), Ok(&b"abc"[..]));
        assert_eq!(room.keep(b"abcd"), Err(Bad::TooLong(3)));
    }
}
