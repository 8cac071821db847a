//! The line index: the ordered index of tables of fixed width whose keys are spread evenly
//! (hashes, random or dense ids). A key's first eight bytes, scaled, name a 64-byte line and a
//! 15-bit tag in it; the line's sorted tags give the key's rank. One line answers a point lookup,
//! and a search by order as well.

use super::super::order::head;
use super::super::{bytes_at, u32_at};

/// Bytes of a line.
pub(crate) const LINE: usize = 64;
/// Tags of a line. The keys of a line beyond these have no tag and are found by bisection.
pub(crate) const LINE_TAGS: usize = 30;
/// Keys of a line on average, as the writer scales.
pub(crate) const LINE_KEYS: u64 = 20;
/// Most keys of a line.
pub(crate) const MAX_LINE_KEYS: u64 = 255;
/// Most keys of equal tag in a line: bounds the walk over them.
pub(crate) const MAX_LINE_EQUAL: usize = 8;
/// Fills the unused tags of a line: the largest tag. Tags have 15 bits, so processors, which compare
/// signed numbers, need no conversion.
pub(crate) const NO_TAG: u16 = 0x7FFF;

/// How keys are spread over lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LineScale {
    /// Head of the smallest key.
    pub(crate) base: u64,
    /// Lines per unit of head, times 2^64.
    pub(crate) scale: u64,
}

/// The line to which a key belongs, and its tag there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LinePlace {
    pub(crate) line: u64,
    pub(crate) tag: u16,
}

impl LineScale {
    /// The scale that spreads `entries` keys with heads from `first` to `last` over lines of
    /// [`LINE_KEYS`], and the number of lines.
    pub(crate) fn new(first: u64, last: u64, entries: u64) -> (Self, u64) {
        let wanted = entries.div_ceil(LINE_KEYS).max(1);
        let span = u128::from(last.saturating_sub(first)) + 1;
        // Rounded down, so that the last head stays within the wanted lines.
        let scale = ((u128::from(wanted) << 64) / span).min(u128::from(u64::MAX)) as u64;
        let scale = Self { base: first, scale };
        let lines = scale.place_of_head(last).map_or(1, |place| place.line + 1);
        (scale, lines)
    }

    /// `None` for heads below that of the smallest key.
    #[inline]
    pub(crate) fn place_of_head(self, head: u64) -> Option<LinePlace> {
        Some(self.place_at(head.checked_sub(self.base)?))
    }

    /// The place of the head at this distance from `base`.
    #[inline(always)]
    pub(crate) fn place_at(self, distance: u64) -> LinePlace {
        let product = u128::from(distance) * u128::from(self.scale);
        LinePlace { line: (product >> 64) as u64, tag: (product >> 49) as u16 & NO_TAG }
    }

    /// Distance from `base` of the last head that lies in one of the first `lines` lines. `None`
    /// without lines.
    pub(crate) fn last_of(self, lines: u64) -> Option<u64> {
        let beyond = u128::from(lines) << 64;
        let last = beyond.checked_sub(1)?.checked_div(self.scale.into()).unwrap_or(u128::MAX);
        // A head is a distance of 64 bits at most.
        Some(last.min(u64::MAX.into()) as u64)
    }

    #[inline]
    pub(crate) fn place(self, key: &[u8]) -> Option<LinePlace> {
        self.place_of_head(head(key))
    }
}

/// Rank of the first key of a line, or of the next line's if it has none.
#[inline]
pub(crate) fn base_rank(line: &[u8; LINE]) -> u64 {
    u32_at(line, 0).map_or(0, u64::from)
}

/// Tag `i` of a line, `i` below [`LINE_TAGS`].
#[inline]
pub(crate) fn tag(line: &[u8; LINE], i: usize) -> u16 {
    bytes_at(line, 4 + 2 * i).map_or(NO_TAG, u16::from_le_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_rise_with_heads_and_stay_inside() {
        let cases = [(0, u64::MAX, 1000), (5, 5, 1), (7, 1006, 1000), (1 << 40, 1 << 41, 77)];
        for (first, last, entries) in cases {
            let (scale, lines) = LineScale::new(first, last, entries);
            let mut before = LinePlace { line: 0, tag: 0 };
            for step in 0..=100u64 {
                let head = first + ((u128::from(last - first) * u128::from(step)) / 100) as u64;
                let place = scale.place_of_head(head).unwrap();
                assert!((place.line, place.tag) >= (before.line, before.tag));
                assert!(place.line < lines, "{first} {last} {entries}");
                before = place;
            }
            assert_eq!(scale.place_of_head(first.wrapping_sub(1)).is_none(), first > 0);
        }
    }
}
