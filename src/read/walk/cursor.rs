//! A cursor: seek, then step either way.

use super::super::place::{Entry, Side, Start};
use super::super::search::Search;
use super::super::view::View;
use super::backward::BackwardBlock;
use super::windows::Windows;
use crate::error::{ReadError, ReadResult};
use std::fmt;

/// A position in a table: on an entry, before the first or after the last. It may change its
/// direction at any time.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let dir = tempfile::tempdir()?;
/// # let path = dir.path().join("t");
/// # graven::BuildOptions::new().build(&path, [("a", ""), ("c", ""), ("e", "")])?;
/// # let table = graven::Table::load(&path)?;
/// let mut cursor = table.cursor();
/// assert!(cursor.seek_ceil("b")?);
/// assert_eq!(cursor.key(), Some(&b"c"[..]));
/// assert!(cursor.prev()?);
/// assert_eq!(cursor.key(), Some(&b"a"[..]));
/// assert!(!cursor.prev()?);
/// assert!(cursor.next()?);
/// assert_eq!(cursor.key(), Some(&b"a"[..]));
/// # Ok(())
/// # }
/// ```
#[must_use = "a cursor does nothing unless it is moved"]
#[derive(Clone)]
pub struct Cursor<'t> {
    view: &'t View,
    /// Bytes of records that are prefetched after a seek.
    first_walk: usize,
    /// Rank of the current entry + 1; 0 before the first, entries + 1 after the last. While
    /// `unranked` is set, the number of entries since the seek.
    position: u64,
    /// Offset of the current entry while its rank is unknown: a search through the hash index has
    /// found it, or the entry some steps before it. Going back needs the rank and costs one search.
    unranked: Option<usize>,
    /// Where the current entry starts; after the last, where the records end.
    at: usize,
    /// Where the entry after the current one starts; none after the last.
    next_offset: Option<usize>,
    current: Option<Entry<'t>>,
    back: BackwardBlock,
    /// What was asked for upwards and downwards, where the table exceeds the memory.
    windows: [Windows; 2],
}

impl fmt::Debug for Cursor<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = self.current.map(|(key, _)| key.escape_ascii().to_string());
        f.debug_struct("Cursor").field("key", &key).finish_non_exhaustive()
    }
}

impl<'t> Cursor<'t> {
    pub(crate) fn new(view: &'t View, first_walk: usize) -> Self {
        let at = view.start().offset;
        Self {
            view,
            first_walk,
            position: 0,
            unranked: None,
            at,
            next_offset: Some(at),
            current: None,
            back: BackwardBlock::new(),
            windows: [Windows::START; 2],
        }
    }

    fn search(&self) -> Search<'t> {
        Search::of(self.view)
    }

    /// The current key, if the cursor is on an entry.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("t");
    /// # graven::BuildOptions::new().build(&path, [("a", "1"), ("c", "3"), ("e", "5")])?;
    /// # let table = graven::Table::load(&path)?;
    /// let mut cursor = table.cursor();
    /// assert_eq!(cursor.key(), None);
    /// cursor.next()?;
    /// assert_eq!(cursor.key(), Some(&b"a"[..]));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn key(&self) -> Option<&'t [u8]> {
        self.current.map(|entry| entry.0)
    }

    /// The current value, if the cursor is on an entry.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("t");
    /// # graven::BuildOptions::new().build(&path, [("a", "1"), ("c", "3"), ("e", "5")])?;
    /// # let table = graven::Table::load(&path)?;
    /// let mut cursor = table.cursor();
    /// cursor.next()?;
    /// assert_eq!(cursor.value(), Some(&b"1"[..]));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn value(&self) -> Option<&'t [u8]> {
        self.current.map(|entry| entry.1)
    }

    /// Moves to the first entry whose key is not smaller than `key`; false, and after the last,
    /// if there is none. Costs one search.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("t");
    /// # graven::BuildOptions::new().build(&path, [("a", "1"), ("c", "3"), ("e", "5")])?;
    /// # let table = graven::Table::load(&path)?;
    /// let mut cursor = table.cursor();
    /// assert!(cursor.seek_ceil("b")?);
    /// assert_eq!(cursor.key(), Some(&b"c"[..]));
    /// assert!(!cursor.seek_ceil("f")?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`ReadError`] if a page that was touched is damaged; the cursor is then before the first.
    #[inline]
    pub fn seek_ceil(&mut self, key: impl AsRef<[u8]>) -> Result<bool, ReadError> {
        self.go_to_ceil(key.as_ref())
    }

    fn go_to_ceil(&mut self, key: &[u8]) -> ReadResult<bool> {
        self.jump();
        let start = self.search().seek_start(key, Side::NotBelow, self.first_walk);
        self.position = 0;
        self.go(start)
    }

    /// Moves to the last entry whose key is not greater than `key`; false, and before the first,
    /// if there is none. Costs one search by key and one by rank.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("t");
    /// # graven::BuildOptions::new().build(&path, [("a", "1"), ("c", "3"), ("e", "5")])?;
    /// # let table = graven::Table::load(&path)?;
    /// let mut cursor = table.cursor();
    /// assert!(cursor.seek_floor("b")?);
    /// assert_eq!(cursor.key(), Some(&b"a"[..]));
    /// assert!(!cursor.seek_floor("A")?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`ReadError`] if a page that was touched is damaged; the cursor is then before the first.
    #[inline]
    pub fn seek_floor(&mut self, key: impl AsRef<[u8]>) -> Result<bool, ReadError> {
        self.go_to_floor(key.as_ref())
    }

    fn go_to_floor(&mut self, key: &[u8]) -> ReadResult<bool> {
        self.jump();
        match self.search().seek(key, Side::Above) {
            Ok(place) => {
                (self.position, self.at) = (place.rank + 1, place.offset);
                self.unranked = None;
                self.prev()
            }
            Err(error) => self.go(Err(error)),
        }
    }

    /// Moves to the first entry; false if the table is empty.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("t");
    /// # graven::BuildOptions::new().build(&path, [("a", "1"), ("c", "3"), ("e", "5")])?;
    /// # let table = graven::Table::load(&path)?;
    /// let mut cursor = table.cursor();
    /// assert!(cursor.seek_first()?);
    /// assert_eq!(cursor.key(), Some(&b"a"[..]));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`ReadError`] if a page that was touched is damaged.
    pub fn seek_first(&mut self) -> Result<bool, ReadError> {
        self.jump();
        self.go(Ok(self.view.start().into()))
    }

    /// Moves to the last entry; false if the table is empty.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("t");
    /// # graven::BuildOptions::new().build(&path, [("a", "1"), ("c", "3"), ("e", "5")])?;
    /// # let table = graven::Table::load(&path)?;
    /// let mut cursor = table.cursor();
    /// assert!(cursor.seek_last()?);
    /// assert_eq!(cursor.key(), Some(&b"e"[..]));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`ReadError`] if a page that was touched is damaged.
    pub fn seek_last(&mut self) -> Result<bool, ReadError> {
        self.jump();
        let end = self.view.end();
        (self.position, self.at) = (end.rank + 1, end.offset);
        self.unranked = None;
        self.prev()
    }

    /// Moves to the next entry; false, and after the last, if there is none.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("t");
    /// # graven::BuildOptions::new().build(&path, [("a", "1"), ("c", "3"), ("e", "5")])?;
    /// # let table = graven::Table::load(&path)?;
    /// let mut cursor = table.cursor();
    /// let mut entries = 0;
    /// while cursor.next()? {
    ///     entries += 1;
    /// }
    /// assert_eq!(entries, 3);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`ReadError`] if a page that was touched is damaged; the cursor is then before the first.
    #[expect(clippy::should_implement_trait, reason = "a cursor is no iterator: it can go back")]
    pub fn next(&mut self) -> Result<bool, ReadError> {
        let entries = self.view.layout().entries;
        let rank = self.unranked.is_none().then_some(self.position.min(entries));
        let offset = self.next_offset.unwrap_or(self.view.end().offset);
        if self.view.exceeds_memory() {
            self.windows[0].forward(self.view, offset, self.view.end().offset);
        }
        self.go(Ok(Start { rank, offset }))
    }

    /// Moves to the entry before; false, and before the first, if there is none.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("t");
    /// # graven::BuildOptions::new().build(&path, [("a", "1"), ("c", "3"), ("e", "5")])?;
    /// # let table = graven::Table::load(&path)?;
    /// let mut cursor = table.cursor();
    /// cursor.seek_ceil("c")?;
    /// assert!(cursor.prev()?);
    /// assert_eq!(cursor.key(), Some(&b"a"[..]));
    /// assert!(!cursor.prev()?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`ReadError`] if a page that was touched is damaged; the cursor is then before the first.
    pub fn prev(&mut self) -> Result<bool, ReadError> {
        if let Some(offset) = self.unranked.take() {
            match self.search().rank_at(offset) {
                Ok(rank) => self.position = rank + 1,
                Err(error) => return self.go(Err(error)),
            }
        }
        if self.position <= 1 {
            self.reset();
            return Ok(false);
        }
        let (rank, end) = (self.position - 2, self.at);
        let offset = self.back.offset(self.view, rank);
        if self.view.exceeds_memory()
            && let Ok(offset) = offset
        {
            self.windows[1].backward(self.view, offset, self.view.start().offset);
        }
        let on_entry = self.go(offset.map(|offset| Start { rank: Some(rank), offset }))?;
        // A record that is found by its rank ends where the one behind it starts.
        match self.next_offset {
            Some(offset) if offset != end => {
                self.go(Err(self.view.corrupt("index names another place", self.at as u64)))
            }
            _ => Ok(on_entry),
        }
    }

    /// The next step begins another walk.
    fn jump(&mut self) {
        if self.view.exceeds_memory() {
            self.windows = [Windows::START; 2];
        }
    }

    fn reset(&mut self) {
        self.position = 0;
        self.unranked = None;
        self.current = None;
        self.next_offset = Some(self.view.start().offset);
    }

    /// Moves to a place; before the first entry, if there was an error.
    fn go(&mut self, place: ReadResult<Start>) -> Result<bool, ReadError> {
        match place.and_then(|place| self.stand_on(place)) {
            Ok(on_entry) => Ok(on_entry),
            Err(error) => {
                self.reset();
                self.view.sound(Err(error))
            }
        }
    }

    #[inline]
    fn stand_on(&mut self, place: Start) -> ReadResult<bool> {
        let end = self.view.end();
        let (over, position) =
            (place.offset >= end.offset, place.rank.unwrap_or(self.position) + 1);
        if (position > end.rank) != over && (!over || place.rank.is_some()) {
            let at = place.offset as u64;
            return Err(self.view.corrupt("number of records is not that of entries", at));
        }
        self.at = place.offset;
        if over {
            self.position = end.rank + 1;
            self.unranked = None;
            self.current = None;
            self.next_offset = None;
            return Ok(false);
        }
        let parts = self.view.parts_at(place.offset)?;
        self.current = Some(self.view.entry(&parts)?);
        self.next_offset = Some(self.view.after(place.offset, &parts));
        self.position = position;
        self.unranked = place.rank.is_none().then_some(place.offset);
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    #[cfg(target_os = "linux")]
    use super::super::tables::exceeding_memory;
    use super::super::tables::{built, entries, places, trusted};
    use super::*;
    use crate::error::ReadFailure;

    #[test]
    fn the_entry_before_must_end_where_the_current_one_starts() {
        let view = trusted(&built(&entries(20, false)));
        let places = places(&view);
        let mut cursor = Cursor::new(&view, 0);
        assert_eq!(cursor.seek_ceil("00009"), Ok(true));
        assert_eq!(cursor.clone().prev(), Ok(true));
        // As if the index named a place inside of the current entry.
        cursor.at += 1;
        let (what, offset) = ("index names another place", places[8].offset as u64);
        let failure = cursor.prev().unwrap_err().failure();
        assert_eq!(failure, ReadFailure::Corrupt { what, offset });
        assert_eq!(cursor.key(), None);
        assert_eq!(cursor.next(), Ok(true));
        assert_eq!(cursor.key(), Some(&b"00000"[..]), "it was before the first");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn windows_begin_anew_after_a_seek() {
        let view = exceeding_memory(&built(&entries(3000, false)));
        let mut cursor = Cursor::new(&view, 0);
        let seeks: [fn(&mut Cursor<'_>) -> ReadResult<bool>; 2] =
            [|cursor| cursor.seek_ceil("00100"), |cursor| cursor.seek_first()];
        for seek in seeks {
            assert_eq!(cursor.seek_last(), Ok(true));
            assert_eq!(cursor.next(), Ok(false));
            assert!(cursor.windows.iter().all(|windows| *windows != Windows::START));
            assert_eq!(seek(&mut cursor), Ok(true));
            assert_eq!(cursor.windows, [Windows::START; 2]);
        }
    }
}
