//! A cursor: seek, then step either way.

use super::advice::Windows;
use super::back::BackBlock;
use super::search::{Bound, Entry, Start};
use super::table::Inner;
use crate::error::{ReadError, ReadResult};

/// A position in a table: on an entry, before the first or after the last. It may change its
/// direction at any time.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let dir = tempfile::tempdir()?;
/// # let path = dir.path().join("t");
/// # let mut builder = graven::Builder::create(&path)?;
/// # for key in ["a", "c", "e"] { builder.insert(key.as_bytes(), b"")?; }
/// # builder.finish()?;
/// # let table = graven::Table::load(&path)?;
/// let mut cursor = table.cursor();
/// assert!(cursor.seek(b"b")?);
/// assert_eq!(cursor.key(), Some(&b"c"[..]));
/// assert!(cursor.prev()?);
/// assert_eq!(cursor.key(), Some(&b"a"[..]));
/// assert!(!cursor.prev()?);
/// assert!(cursor.next()?);
/// assert_eq!(cursor.key(), Some(&b"a"[..]));
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Cursor<'t> {
    inner: &'t Inner,
    /// Rank of the current entry + 1; 0 before the first, entries + 1 after the last. Of no
    /// meaning while `adrift`.
    position: u64,
    /// The current entry was found through the hash index, which knows no ranks, or by going on
    /// from there. Going back needs the rank, and pays for one search.
    adrift: Option<usize>,
    /// Where the entry after the current one starts, if known.
    next_offset: Option<usize>,
    current: Option<Entry<'t>>,
    back: BackBlock,
    /// What was asked for upwards and downwards, where the table exceeds the memory.
    windows: [Windows; 2],
}

impl<'t> Cursor<'t> {
    pub(super) fn new(inner: &'t Inner) -> Self {
        let next_offset = Some(inner.start().offset);
        Self {
            inner,
            position: 0,
            adrift: None,
            next_offset,
            current: None,
            back: BackBlock::new(),
            windows: [Windows::START; 2],
        }
    }

    /// The current key, if the cursor is on an entry.
    pub fn key(&self) -> Option<&'t [u8]> {
        self.current.map(|entry| entry.0)
    }

    /// The current value, if the cursor is on an entry.
    pub fn value(&self) -> Option<&'t [u8]> {
        self.current.map(|entry| entry.1)
    }

    /// Moves to the first entry whose key is not smaller than `key`; false, and after the last,
    /// if there is none.
    ///
    /// # Errors
    /// [`ReadError`] if a page that was touched is damaged; the cursor is then before the first.
    pub fn seek(&mut self, key: &[u8]) -> Result<bool, ReadError> {
        self.jump();
        let start = self.inner.seek_start(key, Bound::NotBelow, self.inner.first_walk);
        self.go(start)
    }

    /// Moves to the last entry whose key is not greater than `key`; false, and before the first,
    /// if there is none.
    ///
    /// # Errors
    /// [`ReadError`] if a page that was touched is damaged; the cursor is then before the first.
    pub fn seek_for_prev(&mut self, key: &[u8]) -> Result<bool, ReadError> {
        self.jump();
        match self.inner.seek(key, Bound::Above) {
            Ok(place) => {
                self.position = place.rank + 1;
                self.adrift = None;
                self.prev()
            }
            Err(error) => self.go(Err(error)),
        }
    }

    /// Moves to the first entry; false if the table is empty.
    ///
    /// # Errors
    /// [`ReadError`] if a page that was touched is damaged.
    pub fn seek_to_first(&mut self) -> Result<bool, ReadError> {
        self.jump();
        self.go(Ok(self.inner.start().into()))
    }

    /// Moves to the last entry; false if the table is empty.
    ///
    /// # Errors
    /// [`ReadError`] if a page that was touched is damaged.
    pub fn seek_to_last(&mut self) -> Result<bool, ReadError> {
        self.jump();
        self.position = self.inner.layout.entries + 1;
        self.adrift = None;
        self.prev()
    }

    /// Moves to the next entry; false, and after the last, if there is none.
    ///
    /// # Errors
    /// [`ReadError`] if a page that was touched is damaged; the cursor is then before the first.
    #[expect(clippy::should_implement_trait, reason = "a cursor is no iterator: it can go back")]
    pub fn next(&mut self) -> Result<bool, ReadError> {
        let entries = self.inner.layout.entries;
        let rank = self.adrift.is_none().then_some(self.position.min(entries));
        let offset = match (self.next_offset, rank) {
            (Some(offset), _) => Ok(offset),
            (None, Some(rank)) if rank < entries => self.back.offset(self.inner, rank),
            (None, _) => Ok(self.inner.end().offset),
        };
        if self.inner.windows
            && let Ok(offset) = offset
        {
            self.windows[0].forward(&self.inner.bytes, offset, self.inner.end().offset);
        }
        self.go(offset.map(|offset| Start { rank, offset }))
    }

    /// Moves to the entry before; false, and before the first, if there is none.
    ///
    /// # Errors
    /// [`ReadError`] if a page that was touched is damaged; the cursor is then before the first.
    pub fn prev(&mut self) -> Result<bool, ReadError> {
        if let Some(offset) = self.adrift.take() {
            match self.inner.rank_at(offset) {
                Ok(rank) => self.position = rank + 1,
                Err(error) => return self.go(Err(error)),
            }
        }
        if self.position <= 1 {
            self.reset();
            return Ok(false);
        }
        let rank = self.position - 2;
        let offset = self.back.offset(self.inner, rank);
        if self.inner.windows
            && let Ok(offset) = offset
        {
            self.windows[1].backward(&self.inner.bytes, offset, self.inner.start().offset);
        }
        self.go(offset.map(|offset| Start { rank: Some(rank), offset }))
    }

    /// What follows is another walk.
    fn jump(&mut self) {
        if self.inner.windows {
            self.windows = [Windows::START; 2];
        }
    }

    fn reset(&mut self) {
        self.position = 0;
        self.adrift = None;
        self.current = None;
        self.next_offset = Some(self.inner.start().offset);
    }

    fn go(&mut self, place: ReadResult<Start>) -> Result<bool, ReadError> {
        match place.and_then(|place| self.load(place)) {
            Ok(on_entry) => Ok(on_entry),
            Err(error) => {
                self.reset();
                self.inner.sound(Err(error))
            }
        }
    }

    #[inline]
    fn load(&mut self, place: Start) -> ReadResult<bool> {
        if place.offset >= self.inner.end().offset {
            self.position = self.inner.layout.entries + 1;
            self.adrift = None;
            self.current = None;
            self.next_offset = None;
            return Ok(false);
        }
        let parts = self.inner.parts_at(place.offset)?;
        self.current = Some(self.inner.entry(&parts)?);
        self.next_offset = Some(self.inner.after(place.offset, &parts));
        self.position = place.rank.map_or(0, |rank| rank + 1);
        self.adrift = place.rank.is_none().then_some(place.offset);
        Ok(true)
    }
}
