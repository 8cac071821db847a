//! What [`super::simd`] does, without vector instructions: for other architectures, and for tests
//! that hold the other forms against it.

use crate::format::index::hash::{BUCKET, Slots};
use crate::format::index::line::{LINE, LINE_TAGS, tag as line_tag};

/// A bit per slot, bit i for tag i, where the tag equals `tag`.
pub(super) fn matches(bucket: &[u8; BUCKET], tag: u8, slots: Slots) -> u32 {
    let equal = |slot| u32::from(slots.tag(bucket, slot) == tag) << slot;
    (0..slots.count()).fold(0, |mask, slot| mask | equal(slot))
}

/// A bit per tag of the line, where it equals `tag`.
pub(super) fn tags_equal(line: &[u8; LINE], tag: u16) -> u32 {
    let equal = |i| u32::from(line_tag(line, i) == tag) << i;
    (0..LINE_TAGS).fold(0, |mask, i| mask | equal(i))
}

/// How many of a line's tags are below `tag`.
pub(super) fn tags_below(line: &[u8; LINE], tag: u16) -> usize {
    (0..LINE_TAGS).take_while(|&i| line_tag(line, i) < tag).count()
}
