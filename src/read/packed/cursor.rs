//! A cursor over a packed table.

use super::super::packing::Packed;
use super::super::walk::Cursor;
use crate::codec::ValueBuffer;
use crate::error::ReadError;

/// A position in a packed table, as [`Cursor`] is one in a plain table. It lends keys and values until
/// it moves; a value is decompressed when it is asked for.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let dir = tempfile::tempdir()?;
/// # let path = dir.path().join("t");
/// # graven::BuildOptions::new().build(&path, [("a", "1"), ("c", "3"), ("e", "5")])?;
/// # let table = graven::PackedTable::load(&path)?;
/// let mut cursor = table.cursor();
/// assert!(cursor.seek_ceil("b")?);
/// assert_eq!(cursor.entry()?, Some((&b"c"[..], &b"3"[..])));
/// assert!(cursor.prev()?);
/// assert_eq!(cursor.key()?, Some(&b"a"[..]));
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct PackedCursor<'t> {
    table: &'t Packed,
    stored: Cursor<'t>,
    buffer: ValueBuffer,
}

impl<'t> PackedCursor<'t> {
    pub(super) fn new(table: &'t Packed, stored: Cursor<'t>, buffer: ValueBuffer) -> Self {
        Self { table, stored, buffer }
    }

    /// Key and value of the entry; `None` before the first and after the last. Decodes both.
    ///
    /// # Errors
    /// [`ReadError`] if one of them does not decode.
    #[inline]
    pub fn entry(&mut self) -> Result<Option<(&[u8], &[u8])>, ReadError> {
        self.table.entry(self.stored.key().zip(self.stored.value()), &mut self.buffer)
    }

    /// The key of the entry; `None` before the first and after the last. Decodes it alone.
    ///
    /// # Errors
    /// [`ReadError`] if it does not decode.
    #[inline]
    pub fn key(&mut self) -> Result<Option<&[u8]>, ReadError> {
        let entry = self.stored.key().map(|key| (key, &[][..]));
        Ok(self.table.entry(entry, &mut self.buffer)?.map(|(key, _)| key))
    }

    /// The value of the entry; `None` before the first and after the last. Decodes it alone.
    ///
    /// # Errors
    /// [`ReadError`] if it does not decode.
    #[inline]
    pub fn value(&mut self) -> Result<Option<&[u8]>, ReadError> {
        let entry = self.stored.value().map(|value| (&[][..], value));
        Ok(self.table.entry(entry, &mut self.buffer)?.map(|(_, value)| value))
    }

    /// Moves to the first entry whose key is not smaller than `key`; false, and after the last, if
    /// there is none.
    ///
    /// # Errors
    /// [`ReadError`] if a page that was touched is damaged.
    pub fn seek_ceil(&mut self, key: impl AsRef<[u8]>) -> Result<bool, ReadError> {
        self.stored.seek_ceil(self.table.stored_key(key.as_ref(), &mut self.buffer.key))
    }

    /// Moves to the last entry whose key is not greater than `key`; false, and before the first, if
    /// there is none.
    ///
    /// # Errors
    /// [`ReadError`] if a page that was touched is damaged.
    pub fn seek_floor(&mut self, key: impl AsRef<[u8]>) -> Result<bool, ReadError> {
        self.stored.seek_floor(self.table.stored_key(key.as_ref(), &mut self.buffer.key))
    }

    /// Moves to the first entry; false if there is none.
    ///
    /// # Errors
    /// [`ReadError`] if a page that was touched is damaged.
    pub fn seek_first(&mut self) -> Result<bool, ReadError> {
        self.stored.seek_first()
    }

    /// Moves to the last entry; false if there is none.
    ///
    /// # Errors
    /// [`ReadError`] if a page that was touched is damaged.
    pub fn seek_last(&mut self) -> Result<bool, ReadError> {
        self.stored.seek_last()
    }

    /// Moves to the next entry; false, and after the last, if there is none.
    ///
    /// # Errors
    /// [`ReadError`] if a page that was touched is damaged.
    #[expect(clippy::should_implement_trait, reason = "a cursor is no iterator: it can go back")]
    pub fn next(&mut self) -> Result<bool, ReadError> {
        self.stored.next()
    }

    /// Moves to the entry before; false, and before the first, if there is none.
    ///
    /// # Errors
    /// [`ReadError`] if a page that was touched is damaged.
    pub fn prev(&mut self) -> Result<bool, ReadError> {
        self.stored.prev()
    }
}

#[cfg(test)]
mod tests {
    use crate::{BuildOptions, PackedTable};

    fn table(entries: &[(&str, &str)]) -> PackedTable {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("t");
        BuildOptions::new().durable(false).build(&path, entries.iter().copied()).unwrap();
        PackedTable::load(&path).unwrap()
    }

    #[test]
    fn a_cursor_moves_to_both_ends_and_from_there() {
        let table = table(&[("a", "1"), ("b", "2"), ("c", "3")]);
        let mut cursor = table.cursor();
        assert_eq!(cursor.seek_last(), Ok(true));
        assert_eq!(cursor.key(), Ok(Some(&b"c"[..])));
        assert_eq!(cursor.prev(), Ok(true));
        assert_eq!(cursor.entry(), Ok(Some((&b"b"[..], &b"2"[..]))));
        assert_eq!(cursor.seek_first(), Ok(true));
        assert_eq!(cursor.value(), Ok(Some(&b"1"[..])));
        assert_eq!(cursor.prev(), Ok(false));
        assert_eq!(cursor.key(), Ok(None));
    }

    #[test]
    fn an_empty_table_has_no_ends() {
        let table = table(&[]);
        let mut cursor = table.cursor();
        assert_eq!((cursor.seek_first(), cursor.seek_last()), (Ok(false), Ok(false)));
    }
}
