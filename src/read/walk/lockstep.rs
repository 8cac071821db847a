//! Two walks side by side, which pass over stretches that are equal byte for byte.

use super::super::view::View;
use super::iter::Iter;
use crate::format::order::common_prefix;

/// Bytes that are compared first, and at most, before records are passed.
const CHUNK_LEAST: usize = 512;
const CHUNK_MOST: usize = 64 << 10;
/// Bytes that are compared at once, before the place of a difference is looked for.
const STEP: usize = 256;

/// How two tables are walked side by side.
#[derive(Clone, Copy)]
pub(crate) struct Lockstep {
    /// Records of the same bytes are the same entries: both tables have one record layout.
    alike: bool,
}

impl Lockstep {
    pub(crate) fn new(left: &View, right: &View) -> Self {
        Self { alike: left.layout().record == right.layout().record }
    }

    /// Passes the records in front that are equal byte for byte on both sides, as many as it finds
    /// at once. Finds none where a page is damaged: the walks find the damage.
    #[inline(never)]
    pub(crate) fn pass_equal(self, one: &mut Iter<'_>, two: &mut Iter<'_>) {
        if !self.alike {
            return;
        }
        let mut chunk = CHUNK_LEAST;
        loop {
            let ((view, left), (other, right)) = (one.front(), two.front());
            // The padding before a value depends on its place. Behind records of equal values the
            // places differ by a multiple of the alignment.
            let distance = left.start.abs_diff(right.start) as u64;
            let len = chunk.min(left.len()).min(right.len());
            if len == 0 || !distance.is_multiple_of(view.layout().record.align()) {
                return;
            }
            let (left, right) = (left.start..left.start + len, right.start..right.start + len);
            if view.ensure(left.clone()).is_err() || other.ensure(right.clone()).is_err() {
                return;
            }
            let equal = common_len(&view.bytes()[left.clone()], &other.bytes()[right.clone()]);
            let (records, end) = view.whole_records(left.start..left.start + equal);
            one.pass(records, end);
            two.pass(records, right.start + (end - left.start));
            if equal < len || records == 0 {
                return;
            }
            chunk = (chunk * 2).min(CHUNK_MOST);
        }
    }
}

/// How many bytes at the start of both are equal. Both have the same length.
fn common_len(left: &[u8], right: &[u8]) -> usize {
    let steps = left.chunks(STEP).zip(right.chunks(STEP));
    let equal = steps.take_while(|(left, right)| left == right).count() * STEP;
    let equal = equal.min(left.len());
    let next = equal..(equal + STEP).min(left.len());
    equal + common_prefix(&left[next.clone()], &right[next])
}

#[cfg(test)]
mod tests {
    use super::super::super::pages::{page_end, page_start};
    use super::super::super::place::Place;
    use super::super::tables::{built, built_with, entries, places, trusted, unchecked};
    use super::*;
    use crate::BuildOptions;

    /// The walk from a place up to the end.
    fn walk(view: &View, from: Place) -> Iter<'_> {
        Iter::between(view, Ok(from.into()), Ok(view.end()), 0)
    }

    /// Two tables of so many entries of 10 bytes, no page of which was checked. They differ in the last
    /// byte of this entry.
    fn tables(n: usize, different: usize) -> [View; 2] {
        let one = entries(n, true);
        let mut two = one.clone();
        two[different].1[4] ^= 1;
        [one, two].map(|entries| unchecked(&built(&entries)))
    }

    fn place(view: &View, rank: u64) -> Place {
        Place { rank, offset: view.layout().fixed.unwrap().offset(rank) }
    }

    /// Passes what is equal from entry `from` on, and returns the ranks where the walks are then.
    fn pass(views: &[View; 2], from: u64) -> [u64; 2] {
        let [mut one, mut two] = views.each_ref().map(|view| walk(view, place(view, from)));
        Lockstep::new(&views[0], &views[1]).pass_equal(&mut one, &mut two);
        [one, two].map(|iter| {
            let (rank, (view, rest)) = (iter.view.layout().entries - iter.walk.left, iter.front());
            assert_eq!(rest.start, place(view, rank).offset);
            rank
        })
    }

    /// Chunks are twice as long as the ones before, so that few questions find much, up to 64 KiB.
    #[test]
    fn equal_records_are_passed_in_chunks_that_grow() {
        let views = tables(20_000, 7000);
        assert_eq!(pass(&views, 0), [7000; 2]);
        for view in &views {
            // Chunks begin with a record, so each begins up to nine bytes before the last one ends.
            let begin = view.start().offset + CHUNK_MOST - CHUNK_LEAST;
            assert!(view.start().offset + 70_000 > begin);
            assert!(view.pages().is_checked(begin + CHUNK_MOST - 100));
            assert!(!view.pages().is_checked(page_end(begin + CHUNK_MOST)));
        }
        assert_eq!(pass(&views, 7001), [20_000; 2]);
    }

    #[test]
    fn nothing_is_read_beyond_the_chunk_with_a_difference() {
        // The chunk ends on the page on which it begins, and one of twice the size would not.
        let [view, _] = tables(1000, 0);
        let next_page = page_end(view.start().offset);
        let offset = |rank| place(&view, rank).offset;
        let from = (0..).find(|&rank| offset(rank) + CHUNK_LEAST + 200 > next_page).unwrap();
        assert!(offset(from) + CHUNK_LEAST < next_page);
        assert!(offset(from + 4) + 2 * CHUNK_LEAST > next_page);
        let views = tables(1000, from as usize + 4);
        assert_eq!(pass(&views, from), [from + 4; 2]);
        for view in &views {
            assert!(view.pages().is_checked(next_page - 1) && !view.pages().is_checked(next_page));
        }
    }

    #[test]
    fn nothing_is_passed_on_a_damaged_page() {
        let bytes = built(&entries(200, true));
        for damaged in 0..2 {
            let mut both = [bytes.clone(), bytes.clone()];
            let start = trusted(&bytes).start().offset;
            // Behind the first chunk, on its page.
            let at = start + CHUNK_LEAST + 100;
            assert_eq!(page_start(at), page_start(start));
            both[damaged][at] ^= 1;
            assert_eq!(pass(&both.map(|bytes| unchecked(&bytes)), 0), [0; 2], "{damaged}");
        }
    }

    /// Equal bytes are other records where the padding before the values differs.
    #[test]
    fn nothing_is_passed_where_values_are_aligned_otherwise() {
        let view = |first: usize| {
            let values = [(b"a", first), (b"k", 6), (b"z", 40)];
            let entries = values.map(|(key, len)| (key.to_vec(), vec![0u8; len]));
            trusted(&built_with(&BuildOptions::new().value_align(8), &entries))
        };
        let (longer, shorter) = (view(1), view(2));
        let (from, to) = (places(&shorter), places(&longer));
        let (from, to, record) = (from[1], to[1], from[2].offset - from[1].offset);
        assert_eq!(from.offset, to.offset + 1);
        let bytes = |view: &View, at: usize| view.bytes()[at..at + record].to_vec();
        assert_eq!(bytes(&shorter, from.offset), bytes(&longer, to.offset));

        let lockstep = Lockstep::new(&shorter, &longer);
        assert!(lockstep.alike);
        let (mut one, mut two) = (walk(&shorter, from), walk(&longer, to));
        lockstep.pass_equal(&mut one, &mut two);
        let fronts = [one, two].map(|iter| (iter.walk.left, iter.walk.front));
        assert_eq!(fronts, [(2, from.offset), (2, to.offset)]);
    }

    #[test]
    fn the_first_difference_is_found() {
        let left = vec![7; 5000];
        assert_eq!(common_len(&left, &left), 5000);
        assert_eq!(common_len(&[], &[]), 0);
        for at in [0, 1, 1023, 1024, 1025, 4095, 4999] {
            let mut right = left.clone();
            right[at] = 8;
            assert_eq!(common_len(&left, &right), at);
        }
    }
}
