//! How pages of a mapped table come into memory: by the kernel's read-ahead where memory holds the
//! table; singly, and for walks in windows that they ask for, where it does not.

use super::map::Bytes;
use super::open::Access;
use super::table::{Inner, Table};
use crate::error::{ReadError, ReadResult};
use crate::format::sums::UNIT;
use crate::limits;
use std::ops::Range;

/// How a mapping is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reading {
    /// The kernel reads ahead as it usually does.
    Ahead,
    /// The kernel reads ahead a lot.
    Sequential,
    /// Every fault reads one page.
    Pages,
    /// Likewise, and walks ask ahead for windows.
    Windows,
}

impl Reading {
    /// How a table of `len` bytes is read.
    pub(super) fn new(access: Access, len: usize) -> Self {
        /// Smaller tables are taken to fit, so that opening them asks for nothing.
        const LEAST: usize = 16 << 20;
        match access {
            Access::Normal => Self::Ahead,
            Access::Sequential => Self::Sequential,
            Access::Random => Self::Pages,
            Access::Auto if len < LEAST => Self::Ahead,
            Access::Auto => match limits::recently_available_memory() {
                Some(available) if !fits(len, available) => Self::Windows,
                _ => Self::Ahead,
            },
        }
    }
}

/// Whether a table stays in memory as a whole. The process has other pages, too: those of its
/// page tables and programs.
fn fits(len: usize, available: u64) -> bool {
    len as u64 <= available - available / 16
}

/// What a walk in one direction has asked for. The window grows while the walk goes on, so that a
/// short walk reads little more than it needs and a long one keeps the disk at work.
#[derive(Clone)]
pub(super) struct Windows {
    /// Bytes of the window that was asked for last.
    size: usize,
    /// Up to where pages were asked for.
    asked: usize,
    /// Up to where the walk may go before it asks again.
    limit: usize,
}

impl Windows {
    /// Most bytes of a window.
    const MOST: usize = 2 << 20;
    /// Bytes of the first window behind the page on which a walk starts: most walks are short.
    const FIRST: usize = 16 << 10;

    /// At the start of a walk, and after a jump.
    pub(super) const START: Self = Self { size: 0, asked: 0, limit: 0 };

    /// Asks for what a walk upwards needs behind `at`, and for nothing from `end` on. Returns up to
    /// where the walk may go before it has to ask again, which is beyond `at`.
    #[cold]
    pub(super) fn forward(&mut self, bytes: &Bytes, at: usize, end: usize) -> usize {
        if at < self.limit {
            return self.limit;
        }
        if self.size == 0 {
            // One page, as for a lookup.
            self.size = Self::FIRST / GROWTH;
            self.asked = (at + 1).next_multiple_of(UNIT).min(end);
            self.limit = self.asked;
        } else {
            self.asked = self.asked.max(at);
            if self.asked.saturating_sub(at) < self.size && self.asked < end {
                self.grow();
                let from = self.asked;
                self.asked = from.saturating_add(self.size).min(end);
                bytes.ask(from..self.asked);
            }
            self.limit = at + self.size / 2;
        }
        self.limit = self.limit.max(at + 1);
        self.limit
    }

    /// Likewise for a walk downwards: what it needs before `at`, and nothing before `start`.
    #[cold]
    pub(super) fn backward(&mut self, bytes: &Bytes, at: usize, start: usize) -> usize {
        if self.size > 0 && at > self.limit {
            return self.limit;
        }
        if self.size == 0 {
            self.size = Self::FIRST / GROWTH;
            self.asked = (at.saturating_sub(1) / UNIT * UNIT).max(start);
            self.limit = self.asked;
        } else {
            self.asked = self.asked.min(at);
            if at - self.asked < self.size && self.asked > start {
                self.grow();
                let to = self.asked;
                self.asked = to.saturating_sub(self.size).max(start);
                bytes.ask(self.asked..to);
            }
            self.limit = at.saturating_sub(self.size / 2);
        }
        self.limit
    }

    fn grow(&mut self) {
        self.size = (self.size * GROWTH).min(Self::MOST);
    }
}

/// How much larger than the last one a window is.
const GROWTH: usize = 4;

impl Inner {
    /// Asks for all pages under a long part of the table, which else would be read one by one.
    #[cold]
    #[inline(never)]
    pub(super) fn ask_for(&self, part: Range<usize>) {
        self.bytes.ask(part.start..part.end.min(self.layout.file_len));
    }
}

impl Table {
    /// Reads and maps pages, so that one that can't be read is an error here and no SIGBUS later.
    pub(crate) fn populate(&self, range: Range<usize>) -> ReadResult<()> {
        if self.inner.bytes.reading() != Reading::Ahead {
            // Else the kernel would read each page on its own.
            self.inner.bytes.ask(range.clone());
        }
        self.map_in(range)
    }

    /// Likewise, as the kernel reads by itself.
    pub(super) fn map_in(&self, range: Range<usize>) -> ReadResult<()> {
        let (start, len) = (range.start, range.len());
        let failed = |_| ReadError::Faulted { offset: start as u64 };
        // Where the guard has replaced pages, zeros can be mapped that are not the file's.
        self.inner.sound(self.inner.bytes.populate(start, len).map_err(failed))
    }

    /// Asks the kernel to begin to read a part, as far as there is one, and does not wait.
    pub(crate) fn ask(&self, part: Range<usize>) {
        let end = part.end.min(self.inner.layout.file_len);
        self.inner.bytes.ask(part.start.min(end)..end);
    }
}
