//! Windows: what a walk over a table that exceeds the memory asks for.

use super::super::view::View;
use crate::format::sums::UNIT;
use std::ops::Range;

/// What a walk in one direction has asked for. The window grows while the walk goes on, so that a
/// short walk reads little more than it needs and a long one keeps the disk at work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Windows {
    /// Bytes of the window that was asked for last.
    size: usize,
    /// Up to where pages were asked for.
    asked: usize,
    /// Up to where the walk may go before it asks again.
    limit: usize,
}

/// A window that a walk upwards needs.
#[derive(Debug, PartialEq, Eq)]
enum Window {
    /// Its pages are asked for, and the walk does not wait for them.
    Asked(Range<usize>),
    /// A walk of this length is a scan: it gains by the kernel's own read-ahead.
    Scanned(Range<usize>),
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
        match self.above(at, end) {
            Some(Window::Asked(part)) => view.ask(part),
            Some(Window::Scanned(part)) => view.read_on(part),
            None => {}
        }
        self.limit
    }

    /// The window that a walk upwards needs at `at`, if it is time to ask for one.
    fn above(&mut self, at: usize, end: usize) -> Option<Window> {
        if at < self.limit {
            return None;
        }
        let mut window = None;
        if self.size == 0 {
            // One page, as for a lookup.
            self.size = Self::FIRST / GROWTH;
            self.asked = (at + 1).next_multiple_of(UNIT).min(end);
            self.limit = self.asked;
        } else {
            self.asked = self.asked.max(at);
            if self.asked.saturating_sub(at) < self.size && self.asked < end {
                self.grow();
                let part = self.asked..self.asked.saturating_add(self.size).min(end);
                self.asked = part.end;
                let is_scan = self.size == Self::MOST;
                window = Some(if is_scan { Window::Scanned(part) } else { Window::Asked(part) });
            }
            self.limit = at + self.size / 2;
        }
        self.limit = self.limit.max(at + 1);
        window
    }

    /// Asks for what a walk downwards needs before `at`, and for nothing before `start`. Returns
    /// down to where the walk may go before it has to ask again.
    #[cold]
    pub(super) fn backward(&mut self, view: &View, at: usize, start: usize) -> usize {
        if let Some(part) = self.below(at, start) {
            view.ask(part);
        }
        self.limit
    }

    /// The window that a walk downwards needs at `at`, if it is time to ask for one.
    fn below(&mut self, at: usize, start: usize) -> Option<Range<usize>> {
        if self.size > 0 && at > self.limit {
            return None;
        }
        let mut window = None;
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
                window = Some(self.asked..to);
            }
            self.limit = at.saturating_sub(self.size / 2);
        }
        window
    }

    fn grow(&mut self) {
        self.size = (self.size * GROWTH).min(Self::MOST);
    }
}

#[cfg(test)]
mod tests {
    use super::super::tables::{built, entries, trusted};
    use super::Window::{Asked, Scanned};
    use super::*;

    /// A step of a walk: where it is, the window that it needs there, and its limit afterwards.
    type Step<W> = (usize, Option<W>, usize);

    fn walk_up(end: usize, steps: &[Step<Window>]) {
        let mut windows = Windows::START;
        for (at, window, limit) in steps {
            let needed = windows.above(*at, end);
            assert_eq!((&needed, windows.limit), (window, *limit), "at {at}");
        }
    }

    fn walk_down(start: usize, steps: &[Step<Range<usize>>]) {
        let mut windows = Windows::START;
        for (at, window, limit) in steps {
            let needed = windows.below(*at, start);
            assert_eq!((&needed, windows.limit), (window, *limit), "at {at}");
        }
    }

    /// A short walk stays on its page. A longer one asks whenever less than a window is left of what
    /// it has asked for. The next window is four times as large, up to 2 MiB.
    #[test]
    fn windows_grow_while_a_walk_goes_up() {
        walk_up(
            8 << 20,
            &[
                (9_096, None, 12_288),
                (12_287, None, 12_288),
                (12_288, Some(Asked(12_288..28_672)), 20_480),
                (20_479, None, 20_480),
                (20_480, Some(Asked(28_672..94_208)), 53_248),
                (53_248, Some(Asked(94_208..356_352)), 184_320),
                (184_320, Some(Asked(356_352..1_404_928)), 708_608),
                (708_608, Some(Scanned(1_404_928..3_502_080)), 1_757_184),
                (1_757_184, Some(Scanned(3_502_080..5_599_232)), 2_805_760),
                // A whole window is left.
                (3_502_080, None, 4_550_656),
                (4_550_656, Some(Scanned(5_599_232..7_696_384)), 5_599_232),
                (5_599_232, None, 6_647_808),
                (6_647_808, Some(Scanned(7_696_384..8_388_608)), 7_696_384),
                // Nothing is left to ask for.
                (7_696_384, None, 8_744_960),
            ],
        );
    }

    #[test]
    fn a_walk_up_may_go_on_by_a_byte_at_least() {
        walk_up(8192, &[(8192, None, 8193), (8193, None, 10_241)]);
        walk_up(5000, &[(4096, None, 5000)]);
        walk_up(1 << 20, &[(8192, None, 12_288)]);
    }

    #[test]
    fn windows_grow_while_a_walk_goes_down() {
        walk_down(
            500,
            &[
                (8_388_608, None, 8_384_512),
                (8_384_513, None, 8_384_512),
                (8_384_512, Some(8_368_128..8_384_512), 8_376_320),
                (8_376_321, None, 8_376_320),
                (8_376_320, Some(8_302_592..8_368_128), 8_343_552),
                (8_343_552, Some(8_040_448..8_302_592), 8_212_480),
                (8_212_480, Some(6_991_872..8_040_448), 7_688_192),
                (7_688_192, Some(4_894_720..6_991_872), 6_639_616),
                (6_639_616, Some(2_797_568..4_894_720), 5_591_040),
                // A whole window is left.
                (4_894_720, None, 3_846_144),
                (3_846_144, Some(700_416..2_797_568), 2_797_568),
                (2_797_568, None, 1_748_992),
                (1_748_992, Some(500..700_416), 700_416),
                // Nothing is left to ask for.
                (700_416, None, 0),
            ],
        );
        walk_down(4500, &[(5000, None, 4500)]);
    }

    /// A long record takes a walk beyond what it has asked for.
    #[test]
    fn nothing_is_asked_for_that_the_walk_has_passed() {
        walk_up(1 << 20, &[(0, None, 4096), (50_000, Some(Asked(50_000..66_384)), 58_192)]);
        walk_down(0, &[(90_000, None, 86_016), (50_000, Some(33_616..50_000), 41_808)]);
    }

    #[test]
    fn a_walk_is_told_its_limit() {
        let view = trusted(&built(&entries(1, false)));
        let (mut up, mut down) = (Windows::START, Windows::START);
        let limits = [9_096, 12_288, 20_480].map(|at| up.forward(&view, at, 8 << 20));
        assert_eq!(limits, [12_288, 20_480, 53_248]);
        let limits = [8_388_608, 8_384_512, 8_376_320].map(|at| down.backward(&view, at, 500));
        assert_eq!(limits, [8_384_512, 8_376_320, 8_343_552]);
    }
}
