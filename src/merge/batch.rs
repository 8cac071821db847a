//! The next entries of one table or of two, in order, found without a branch on the order.

use super::source::Source;
use super::walk::{Front, Walk};
use crate::format::record::Fixed;
use std::hint::select_unpredictable;
use std::mem::take;

/// Entries of two tables whose order is found at once. Also the fewest records of one table that are
/// handed over because the last of them comes before the other table's next one.
const BLOCK: usize = 16;
/// Bytes behind which a stretch ends with its block. Walks read in order, a look far ahead waits for memory.
const STRETCH: usize = 1 << 10;

/// Entries of fixed width that come next: those of one table whose keys are below the keys of all
/// others, or those of two tables, up to the end of what is at hand of one of them, or to the first
/// keys whose heads are equal.
#[derive(Clone)]
pub(super) struct Batch<'t> {
    fixed: Fixed,
    /// Length of a prefix that all keys have.
    prefix: usize,
    /// The bits of a head that are the key's, if the key ends in the head.
    mask: u64,
    /// The numbers of the tables.
    tables: [usize; 2],
    /// The records at hand of each table.
    runs: [&'t [u8]; 2],
    /// Bytes of each run whose place in the order is known.
    taken: [usize; 2],
    /// Records of one table that come next.
    stretch: &'t [u8],
    stretch_table: usize,
    /// Where the records behind the stretch stand in their runs: twice the offset, plus the number
    /// of the run.
    order: [usize; BLOCK],
    /// The first and the end of those that are left.
    next: usize,
    end: usize,
}

impl<'t> Batch<'t> {
    pub(super) const EMPTY: Self = Self {
        fixed: Fixed { first: 0, stride: 1, key_len: 0, value_len: 0 },
        prefix: 0,
        mask: 0,
        tables: [0; 2],
        runs: [&[]; 2],
        taken: [0; 2],
        stretch: &[],
        stretch_table: 0,
        order: [0; BLOCK],
        next: 0,
        end: 0,
    };

    /// Takes the entries that come next, where this can be known without a look at each. `first`
    /// is the source of the smallest key, `second` that of the smallest key of all others, each with
    /// its number; `only` tells that there is no third.
    pub(super) fn fill<W: Walk<'t>>(
        &mut self,
        first: (usize, &W),
        second: Option<(usize, &W)>,
        only: bool,
    ) {
        let (number, first) = first;
        let Some(first) = first.plain() else { return };
        let Some((fixed, run)) = first.run() else { return };
        (self.fixed, self.prefix) = (*fixed, first.prefix());
        let head_bits = 8 * (fixed.key_len - self.prefix).min(8) as u32;
        self.mask = u64::MAX.checked_shl(u64::BITS - head_bits).unwrap_or(0);
        (self.tables, self.runs) = ([number; 2], [run, &[]]);
        let Some((number, second)) = second else {
            return self.take_stretch(0, run.len());
        };
        if first.head >= second.head() {
            return;
        }
        match second.plain().and_then(Source::run) {
            Some((other, run)) if only && other.same_width(fixed) => {
                (self.tables[1], self.runs[1]) = (number, run);
                self.refill();
            }
            _ => self.take_stretch(0, self.below(0, second.head())),
        }
    }

    /// Finds what comes next of two tables.
    #[inline(never)]
    fn refill(&mut self) {
        let [Some(one), Some(other)] = [0, 1].map(|side| self.head(side, self.taken[side])) else {
            return;
        };
        if one == other {
            return;
        }
        let side = usize::from(other < one);
        let below = self.below(side, one.max(other));
        if below > 0 {
            return self.take_stretch(side, below);
        }
        // One entry among many of the other table.
        let stride = self.fixed.stride;
        let next = self.head(side, self.taken[side] + stride);
        if next.is_some_and(|next| self.below(1 - side, next) > 0) {
            return self.take_stretch(side, stride);
        }
        self.take_both();
    }

    /// Bytes of the next records of a run whose keys have heads below `limit`; 0 where these are fewer
    /// than a block, and no more than a stretch has.
    #[inline(always)]
    fn below(&self, side: usize, limit: u64) -> usize {
        let (start, stride) = (self.taken[side], self.fixed.stride);
        let is_below = |end| self.head(side, end - stride).is_some_and(|head| head < limit);
        let mut end = start;
        while is_below(end + BLOCK * stride) {
            end += BLOCK * stride;
            if end - start >= STRETCH {
                return end - start;
            }
        }
        if end > start {
            let mut records = BLOCK / 2;
            while records > 0 {
                let next = end + records * stride;
                end = select_unpredictable(is_below(next), next, end);
                records /= 2;
            }
        }
        end - start
    }

    fn take_stretch(&mut self, side: usize, bytes: usize) {
        let start = self.taken[side];
        self.stretch = self.runs[side].get(start..start + bytes).unwrap_or_default();
        self.stretch_table = self.tables[side];
        self.taken[side] += self.stretch.len();
    }

    /// Finds the order of a block of records of both runs.
    fn take_both(&mut self) {
        let (stride, mask) = (self.fixed.stride, self.mask);
        let [one, other] = self.runs.map(|run| run.get(self.prefix..).unwrap_or_default());
        let [mut at, mut other_at] = self.taken;
        (self.next, self.end) = (0, 0);
        for place in &mut self.order {
            let heads = (head_at(one, at, mask), head_at(other, other_at, mask));
            let (Some(head), Some(other_head)) = heads else { break };
            if head == other_head {
                break;
            }
            // Which one is smaller is a toss-up, so places are selected instead of branched on.
            let second = other_head < head;
            *place = select_unpredictable(second, 2 * other_at + 1, 2 * at);
            at = select_unpredictable(second, at, at + stride);
            other_at = select_unpredictable(second, other_at + stride, other_at);
            self.end += 1;
        }
        self.taken = [at, other_at];
    }

    /// The next entry; none where keys have to be compared one by one, or nothing is at hand.
    #[inline(always)]
    pub(super) fn next(&mut self) -> Option<Front<&'t [u8]>> {
        let front = if self.next < self.end {
            self.next += 1;
            self.placed(self.order[self.next - 1])
        } else if self.stretch.is_empty() {
            return None;
        } else {
            let (record, rest) = self.stretch.split_at_checked(self.fixed.stride)?;
            self.stretch = rest;
            self.front(record, self.stretch_table)
        };
        if self.is_over() {
            self.refill();
        }
        front
    }

    /// Hands all that [`next`](Self::next) would give to `f`.
    #[inline(always)]
    pub(super) fn fold<A>(&mut self, mut all: A, mut f: impl FnMut(A, Front<&'t [u8]>) -> A) -> A {
        while !self.is_over() {
            let places = self.order[self.next..self.end].iter();
            all = places.filter_map(|&place| self.placed(place)).fold(all, &mut f);
            let records = self.stretch.chunks_exact(self.fixed.stride);
            let fronts = records.filter_map(|record| self.front(record, self.stretch_table));
            all = fronts.fold(all, &mut f);
            (self.next, self.stretch) = (self.end, &[]);
            self.refill();
        }
        all
    }

    /// Whether no entry is left.
    #[inline(always)]
    pub(super) fn is_over(&self) -> bool {
        self.next >= self.end && self.stretch.is_empty()
    }

    /// Whether entries were taken that the sources do not know of.
    #[inline(always)]
    pub(super) fn is_taken(&self) -> bool {
        self.taken != [0; 2]
    }

    /// The tables, and how many bytes of their records were taken since this was asked.
    pub(super) fn settle(&mut self) -> [(usize, usize); 2] {
        let [first, second] = take(&mut self.taken);
        [(self.tables[0], first), (self.tables[1], second)]
    }

    #[inline(always)]
    fn placed(&self, place: usize) -> Option<Front<&'t [u8]>> {
        self.front(self.runs[place % 2].get(place / 2..)?, self.tables[place % 2])
    }

    /// The entry of the record that `bytes` starts with.
    #[inline(always)]
    fn front(&self, bytes: &'t [u8], table: usize) -> Option<Front<&'t [u8]>> {
        let (key, value) = self.fixed.split(bytes)?;
        Some(Front { key, value, table })
    }

    /// The head of the key at an offset into a run.
    #[inline(always)]
    fn head(&self, side: usize, at: usize) -> Option<u64> {
        head_at(self.runs[side], at + self.prefix, self.mask)
    }
}

/// The head that begins at an offset, of whose bits `mask` are the key's; none if the run ends before
/// eight bytes.
#[inline(always)]
fn head_at(run: &[u8], at: usize, mask: u64) -> Option<u64> {
    Some(u64::from_be_bytes(*run.get(at..)?.first_chunk()?) & mask)
}
