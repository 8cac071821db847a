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
    use super::common_len;

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
