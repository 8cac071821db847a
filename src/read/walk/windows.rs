//! Windows: what a walk over a table that exceeds the memory asks for.

use super::super::view::View;
use crate::format::sums::UNIT;

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

/// How much larger than the last one a window is.
const GROWTH: usize = 4;

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
    pub(super) fn forward(&mut self, view: &View, at: usize, end: usize) -> usize {
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
                // A walk of this length is a scan: it gains by the kernel's own read-ahead.
                if self.size < Self::MOST {
                    view.ask(from..self.asked);
                } else {
                    view.read_on(from..self.asked);
                }
            }
            self.limit = at + self.size / 2;
        }
        self.limit = self.limit.max(at + 1);
        self.limit
    }

    /// Asks for what a walk downwards needs before `at`, and for nothing before `start`. Returns
    /// down to where the walk may go before it has to ask again.
    #[cold]
    pub(super) fn backward(&mut self, view: &View, at: usize, start: usize) -> usize {
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
                view.ask(self.asked..to);
            }
            self.limit = at.saturating_sub(self.size / 2);
        }
        self.limit
    }

    fn grow(&mut self) {
        self.size = (self.size * GROWTH).min(Self::MOST);
    }
}
