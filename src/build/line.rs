//! The line index: heads in, lines out, or nothing where the heads are not spread evenly.

use crate::format::line::{LINE, LINE_TAGS, LineScale, MAX_LINE_EQUAL, MAX_LINE_KEYS, NO_TAG};

/// Lines and how keys are spread over them.
pub(super) struct Lines {
    pub(super) bytes: Vec<u8>,
    pub(super) scale: LineScale,
}

/// Of this many keys one may stand beyond the tags of its line.
const MOST_BEYOND: u64 = 64;

/// Builds the index from the heads of distinct keys in ascending order. `None`: some line would
/// have too many keys, or too many keys of one tag.
pub(super) fn build(heads: &[u64]) -> Option<Lines> {
    let entries = u32::try_from(heads.len()).ok()?;
    let (scale, count) = LineScale::new(*heads.first()?, *heads.last()?, u64::from(entries));
    let mut bytes = Vec::with_capacity(count as usize * LINE);
    let (mut rank, mut beyond) = (0usize, 0u64);
    for number in 0..count {
        let first = rank;
        let mut line = [0; LINE];
        line[..4].copy_from_slice(&(first as u32).to_le_bytes());
        line[4..].as_chunks_mut().0.fill(NO_TAG.to_le_bytes());
        let (mut last, mut equal) = (None, 0);
        while let Some(&head) = heads.get(rank) {
            let place = scale.place_of_head(head)?;
            if place.line != number {
                break;
            }
            equal = if last == Some(place.tag) { equal + 1 } else { 1 };
            last = Some(place.tag);
            let slot = rank - first;
            if equal > MAX_LINE_EQUAL || slot as u64 >= MAX_LINE_KEYS {
                return None;
            }
            if slot < LINE_TAGS {
                line[4 + 2 * slot..6 + 2 * slot].copy_from_slice(&place.tag.to_le_bytes());
            } else {
                beyond += 1;
            }
            rank += 1;
        }
        bytes.extend_from_slice(&line);
    }
    (beyond * MOST_BEYOND <= u64::from(entries)).then_some(Lines { bytes, scale })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn even_heads_are_taken_and_uneven_ones_are_not() {
        let random =
            |i: u64| i.wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(23).wrapping_mul(i | 1);
        let mut even: Vec<u64> = (0..10_000).map(random).collect();
        even.sort_unstable();
        let lines = build(&even).unwrap();
        assert!(lines.bytes.len() <= 10_000 / 20 * LINE + LINE);
        assert!(build(&(0..10_000).collect::<Vec<u64>>()).is_some(), "dense");
        assert!(build(&(0..10_000).map(|i| i * i * i).collect::<Vec<u64>>()).is_none(), "cubes");
        assert!(build(&[7; 100]).is_none(), "all equal");
        assert!(build(&[]).is_none());
    }
}
