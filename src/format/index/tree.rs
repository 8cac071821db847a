//! The ordered index: a B+-tree of nodes of one size. A node separates its children by the
//! shortest strings that do: a common prefix, the eight bytes after it as a number (the head),
//! and, where those do not decide, a tail.
//!
//! ```text
//! NodeHeader | heads u64[m] | tails u16[m] | leaf, variable width: offsets u32[m] | ranks u16[m]
//!            | samples u16[s] | prefix | tail bytes | zeros      m = children − 1 separators
//! ```

use super::super::order::head;
use super::super::{u16_at, u32_at, u64_at};
use std::cmp::Ordering;
use zerocopy::byteorder::little_endian::{U16, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// The start of every node.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(crate) struct NodeHeader {
    /// Number of children, at least 1.
    pub(crate) children: U16,
    /// Bytes of the stored common prefix of the separators.
    pub(crate) prefix_len: U16,
    /// Number of samples, s; 0 but in leaves of tables of variable width.
    pub(crate) samples: U16,
    /// Zero.
    pub(crate) reserved: U16,
    /// Leaf: number of its first block. Else: number of its first child node in the section.
    pub(crate) first_child: U64,
    /// Rank of the first entry under this node.
    pub(crate) base_rank: U64,
    /// Offset of the first record under this node, from the start of the records.
    pub(crate) base_offset: U64,
}

/// Bytes of a node header.
pub(crate) const NODE_HEADER: usize = 32;
const _: () = assert!(size_of::<NodeHeader>() == NODE_HEADER);

/// Most prefix bytes that a node stores; a longer common prefix continues in heads and tails.
pub(crate) const MAX_PREFIX: usize = 160;
/// Most tail bytes of one separator; a longer one is cut and the record itself decides.
pub(crate) const MAX_TAIL: usize = 48;
/// A sample of a record that starts too far from its block's start.
pub(crate) const NO_SAMPLE: u16 = u16::MAX;
/// In a tail descriptor: the separator goes on after the head and its tail is complete.
pub(crate) const TAIL_WHOLE: u16 = 9;
/// In a tail descriptor: the separator goes on after its stored tail.
pub(crate) const TAIL_CUT: u16 = 15;

/// The part of a node's shape that all nodes of a table share.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NodeShape {
    /// Whether leaf nodes carry offsets and ranks (tables of variable width).
    pub(crate) variable: bool,
}

/// Bytes of the arrays for `separators` separators.
pub(crate) const fn array_bytes(separators: usize, with_places: bool) -> usize {
    separators * if with_places { 16 } else { 10 }
}

/// A node whose arrays are proven to lie inside it.
#[derive(Clone, Copy)]
pub(crate) struct Node<'t> {
    bytes: &'t [u8],
    separators: usize,
    prefix_len: usize,
    samples: usize,
    with_places: bool,
}

/// Whether a tree may have so many leaves: the one leaf, or several below at least a root.
pub(crate) fn leaves_fit(leaves: u64, nodes: u64, levels: u8) -> bool {
    leaves >= 1 && if levels == 1 { nodes == 1 && leaves == 1 } else { leaves < nodes }
}

/// Whether a tree may have so many levels, at most [`MAX_LEVELS`](super::super::MAX_LEVELS): each
/// has at least one node, and at most half as many as the level below, rounded up.
pub(crate) fn levels_fit(leaves: u64, nodes: u64, levels: u8) -> bool {
    let above = u64::from(levels).saturating_sub(1);
    above == 0 || leaves > 1 << (above - 1) && nodes.saturating_sub(leaves) >= above
}

/// The error for a node that contradicts itself or another.
pub(crate) const BAD_NODE: &str = "ordered-index node makes no sense";

impl<'t> Node<'t> {
    /// `bytes` is the whole node.
    #[inline]
    pub(crate) fn parse(bytes: &'t [u8], leaf: bool, shape: NodeShape) -> Option<Self> {
        let separators = usize::from(u16_at(bytes, 0)?).checked_sub(1)?;
        let prefix_len = usize::from(u16_at(bytes, 2)?);
        let samples = usize::from(u16_at(bytes, 4)?);
        let with_places = leaf && shape.variable;
        let fixed = NODE_HEADER + array_bytes(separators, with_places) + 2 * samples;
        (fixed + prefix_len <= bytes.len()).then_some(Self {
            bytes,
            separators,
            prefix_len,
            samples,
            with_places,
        })
    }

    #[inline]
    pub(crate) fn separators(&self) -> usize {
        self.separators
    }

    #[inline]
    pub(crate) fn first_child(&self) -> u64 {
        u64_at(self.bytes, 8).unwrap_or(u64::MAX)
    }

    #[inline]
    pub(crate) fn base_rank(&self) -> u64 {
        u64_at(self.bytes, 16).unwrap_or(u64::MAX)
    }

    #[inline]
    pub(crate) fn base_offset(&self) -> u64 {
        u64_at(self.bytes, 24).unwrap_or(u64::MAX)
    }

    /// First rank of child `child` of a leaf, counted from the node's.
    #[inline]
    pub(crate) fn rank_of(&self, child: usize) -> u64 {
        match child.checked_sub(1) {
            None => 0,
            Some(i) => {
                let at = NODE_HEADER + self.separators * 14 + 2 * i;
                u64::from(u16_at(self.bytes, at).unwrap_or(u16::MAX))
            }
        }
    }

    /// Offset of child `child` of a leaf, counted from the node's.
    #[inline]
    pub(crate) fn offset_of(&self, child: usize) -> u64 {
        match child.checked_sub(1) {
            None => 0,
            Some(i) => {
                let at = NODE_HEADER + self.separators * 10 + 4 * i;
                u64::from(u32_at(self.bytes, at).unwrap_or(u32::MAX))
            }
        }
    }

    /// Number of samples.
    #[inline]
    pub(crate) fn samples(&self) -> usize {
        self.samples
    }

    /// Where the record `i × step` of this leaf starts, counted from its block's start.
    #[inline]
    pub(crate) fn sample(&self, i: usize) -> Option<usize> {
        let at = NODE_HEADER + self.separators * 16 + 2 * i;
        let offset = u16_at(self.bytes, at)?;
        (i < self.samples && offset != NO_SAMPLE).then_some(usize::from(offset))
    }

    #[inline]
    fn arrays_end(&self) -> usize {
        NODE_HEADER + array_bytes(self.separators, self.with_places) + 2 * self.samples
    }

    pub(crate) fn prefix(&self) -> &'t [u8] {
        let at = self.arrays_end();
        &self.bytes[at..at + self.prefix_len]
    }

    #[inline]
    fn tail_end(&self, i: usize) -> (usize, u16) {
        let at = NODE_HEADER + self.separators * 8 + 2 * i;
        let descriptor = u16_at(self.bytes, at).unwrap_or(u16::MAX);
        (usize::from(descriptor >> 4), descriptor & 15)
    }

    /// The stored tail of separator `i` and its kind: 0 to 8 = length of a separator that ends in
    /// its head, else [`TAIL_WHOLE`] or [`TAIL_CUT`].
    #[inline]
    pub(crate) fn tail(&self, i: usize) -> Option<(&'t [u8], u16)> {
        let start = if i == 0 { 0 } else { self.tail_end(i - 1).0 };
        let (end, kind) = self.tail_end(i);
        let heap = self.bytes.get(self.arrays_end() + self.prefix_len..)?;
        let known = kind <= 8 && start == end || kind == TAIL_WHOLE || kind == TAIL_CUT;
        known.then(|| heap.get(start..end))?.map(|tail| (tail, kind))
    }

    /// End of the node's used bytes; zeros follow.
    pub(crate) fn used(&self) -> usize {
        let heap = match self.separators {
            0 => 0,
            n => self.tail_end(n - 1).0,
        };
        self.arrays_end() + self.prefix_len + heap
    }

    /// Whether separators ascend, unused bytes of heads are zero, and every tail has a length that its
    /// kind may have and lies in the node, one after the other.
    pub(crate) fn is_well_formed(&self) -> bool {
        let head = |i: usize| u64_at(self.bytes, NODE_HEADER + 8 * i);
        let tails_ascend = |i: usize| match (self.tail(i - 1), self.tail(i)) {
            (Some((below, TAIL_WHOLE..)), Some((above, kind @ TAIL_WHOLE..))) => {
                // Of two that are cut alike the records decide.
                below < above || below == above && self.tail_end(i - 1).1 <= kind
            }
            (Some((_, below)), Some((_, above))) => below.min(TAIL_WHOLE) <= above.min(TAIL_WHOLE),
            _ => false,
        };
        let ascending = (1..self.separators)
            .all(|i| head(i - 1) < head(i) || head(i - 1) == head(i) && tails_ascend(i));
        // A head is filled up with zeros behind a separator that ends in it.
        let sound = |i: usize| match (head(i), self.tail(i)) {
            (Some(head), Some((_, kind @ 0..=7))) => head << (8 * kind) == 0,
            (_, Some((tail, TAIL_CUT))) => tail.len() == MAX_TAIL,
            (_, Some((tail, TAIL_WHOLE))) => (1..=MAX_TAIL).contains(&tail.len()),
            (_, tail) => tail.is_some(),
        };
        let no_stray_prefix = self.separators > 0 || self.prefix_len == 0;
        ascending && no_stray_prefix && (0..self.separators).all(sound)
    }

    /// The child under which `key` belongs: the number of separators that are smaller (`strict`)
    /// or not greater. Where a cut separator cannot decide, `first_key(child)` is compared.
    /// `None`: the node makes no sense.
    #[inline(always)]
    pub(crate) fn search<E>(
        &self,
        key: &[u8],
        strict: bool,
        mut first_key: impl FnMut(usize) -> Result<&'t [u8], E>,
    ) -> Result<Option<usize>, E> {
        let prefix = self.prefix();
        let shared = prefix.len().min(key.len());
        match key[..shared].cmp(&prefix[..shared]) {
            Ordering::Less => return Ok(Some(0)),
            Ordering::Greater => return Ok(Some(self.separators)),
            Ordering::Equal if key.len() < prefix.len() => return Ok(Some(0)),
            Ordering::Equal => {}
        }
        let rest = &key[prefix.len()..];
        let key_head = head(rest);
        let (mut low, equal) = self.heads_around(key_head);
        let mut high = low + equal;
        // Separators low..high share the head; the answer lies among them.
        while low < high {
            let middle = low + (high - low) / 2;
            let Some((tail, kind)) = self.tail(middle) else { return Ok(None) };
            let order = match compare(tail, kind, rest) {
                Some(order) => order,
                None => first_key(middle + 1)?.cmp(key),
            };
            let below = if strict { order.is_lt() } else { order.is_le() };
            if below {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        Ok(Some(low))
    }

    /// How many heads are below `key_head`, and how many equal it. A bisection without branches on
    /// its outcome, which a processor could not foresee.
    #[inline]
    fn heads_around(&self, key_head: u64) -> (usize, usize) {
        let (heads, _) = self.bytes[NODE_HEADER..][..8 * self.separators].as_chunks::<8>();
        let head = |i: usize| heads.get(i).map_or(u64::MAX, |head| u64::from_le_bytes(*head));
        let (mut below, mut left) = (0, heads.len());
        while left > 0 {
            let half = left.div_ceil(2);
            let next = below + half;
            below = if head(next - 1) < key_head { next } else { below };
            left -= half;
        }
        let equal = (below..heads.len()).take_while(|&i| head(i) == key_head).count();
        (below, equal)
    }
}

/// Order of a separator to a key where prefix and (padded) head are equal; `None`: the stored
/// part does not decide.
fn compare(tail: &[u8], kind: u16, rest: &[u8]) -> Option<Ordering> {
    if kind <= 8 {
        return Some(usize::from(kind).cmp(&rest.len()));
    }
    if rest.len() <= 8 {
        return Some(Ordering::Greater);
    }
    let rest = &rest[8..];
    if kind == TAIL_WHOLE {
        return Some(tail.cmp(rest));
    }
    let shared = tail.len().min(rest.len());
    match tail[..shared].cmp(&rest[..shared]) {
        Ordering::Equal if rest.len() < tail.len() => Some(Ordering::Greater),
        Ordering::Equal => None,
        order => Some(order),
    }
}

/// The tail of a separator that continues `prefix_len` bytes: what the heap holds, and its kind.
pub(crate) fn tail_of(separator: &[u8], prefix_len: usize) -> (&[u8], u16) {
    let rest = &separator[prefix_len..];
    match rest.get(8..) {
        None => (&[], rest.len() as u16),
        Some([]) => (&[], 8),
        Some(tail) if tail.len() <= MAX_TAIL => (tail, TAIL_WHOLE),
        Some(tail) => (&tail[..MAX_TAIL], TAIL_CUT),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leaves_nodes_and_levels_of_trees() {
        for (leaves, nodes, levels) in [(1, 1, 1), (2, 3, 2), (3, 5, 3), (5, 8, 4)] {
            assert!(leaves_fit(leaves, nodes, levels) && levels_fit(leaves, nodes, levels));
        }
        // No leaf, a root beside the one leaf, two roots, no root.
        for (leaves, nodes, levels) in
            [(0, 1, 1), (0, 1, 2), (1, 2, 1), (2, 2, 1), (2, 2, 2), (3, 2, 2)]
        {
            assert!(!leaves_fit(leaves, nodes, levels), "{leaves} {nodes} {levels}");
        }
        // Too few leaves for these levels, or too few nodes above the leaves.
        for (leaves, nodes, levels) in
            [(1, 2, 2), (2, 4, 3), (4, 7, 4), (3, 4, 3), (5, 7, 4), (2, 2, 2)]
        {
            assert!(!levels_fit(leaves, nodes, levels), "{leaves} {nodes} {levels}");
        }
    }

    /// Head, kind and tail of a separator.
    type Separator<'a> = (u64, u16, &'a str);

    /// An inner node without a prefix.
    fn inner(separators: &[Separator<'_>]) -> Vec<u8> {
        let mut bytes = vec![0; NODE_HEADER];
        bytes[0] = separators.len() as u8 + 1;
        bytes.extend(separators.iter().flat_map(|(head, ..)| head.to_le_bytes()));
        let mut end = 0;
        for (_, kind, tail) in separators {
            end += tail.len() as u16;
            bytes.extend((end << 4 | kind).to_le_bytes());
        }
        bytes.extend(separators.iter().flat_map(|(.., tail)| tail.bytes()));
        bytes
    }

    #[test]
    fn nodes_that_are_well_formed_and_others() {
        let well_formed = |separators: &[Separator<'_>]| {
            let bytes = inner(separators);
            let node = Node::parse(&bytes, false, NodeShape { variable: true }).unwrap();
            node.is_well_formed()
        };
        let (a, b) = (u64::from_be_bytes(*b"aaaaaaaa"), u64::from_be_bytes(*b"aaaaaaab"));
        let (long, longer) = (&*"x".repeat(MAX_TAIL), &*"x".repeat(MAX_TAIL + 1));
        let short = u64::from_be_bytes(*b"aaa\0\0\0\0\0");
        for separators in [
            &[] as &[Separator<'_>],
            &[(a, 8, ""), (b, 8, "")],
            &[(short, 3, ""), (short, 4, ""), (a, 8, ""), (a, TAIL_WHOLE, "x")],
            &[(a, TAIL_WHOLE, "x"), (a, TAIL_WHOLE, "y"), (b, TAIL_WHOLE, "a")],
            &[(a, TAIL_WHOLE, long), (a, TAIL_CUT, long), (a, TAIL_CUT, long)],
        ] {
            assert!(well_formed(separators), "{separators:?}");
        }
        for separators in [
            &[(b, 8, ""), (a, 8, "")][..],
            &[(short, 4, ""), (short, 3, "")],
            &[(a, TAIL_WHOLE, "x"), (a, 8, "")],
            &[(a, TAIL_WHOLE, "y"), (a, TAIL_WHOLE, "x")],
            &[(a, TAIL_CUT, long), (a, TAIL_WHOLE, long)],
            // A head goes on behind its separator's end, or its separator has a tail all the same.
            &[(a, 3, "")],
            &[(short, 3, "x")],
            &[(a, 8, "x")],
            // Tails of no or another length, of no kind.
            &[(a, TAIL_WHOLE, "")],
            &[(a, TAIL_WHOLE, longer)],
            &[(a, TAIL_CUT, "x")],
            &[(a, TAIL_WHOLE + 1, "x")],
        ] {
            assert!(!well_formed(separators), "{separators:?}");
        }
        // A prefix is one of separators.
        for (separators, sound) in [(&[(a, 8, "")][..], true), (&[], false)] {
            let mut bytes = inner(separators);
            bytes[2] = 1;
            bytes.push(b'p');
            let node = Node::parse(&bytes, false, NodeShape { variable: true }).unwrap();
            assert_eq!((node.is_well_formed(), node.used()), (sound, bytes.len()));
        }
    }

    #[test]
    fn used_bytes_end_with_the_last_tail() {
        for separators in [&[][..], &[(1, 8, "")], &[(1, TAIL_WHOLE, "x"), (2, TAIL_WHOLE, "yz")]] {
            let mut bytes = inner(separators);
            let used = bytes.len();
            bytes.resize(512, 0);
            let node = Node::parse(&bytes, false, NodeShape { variable: true }).unwrap();
            assert_eq!(node.used(), used, "{separators:?}");
        }
    }

    #[test]
    fn a_sample_that_is_too_far_or_not_there_is_none() {
        let mut bytes = [0; 64];
        (bytes[0], bytes[4]) = (1, 2);
        bytes[NODE_HEADER] = 10;
        bytes[NODE_HEADER + 2..NODE_HEADER + 4].copy_from_slice(&NO_SAMPLE.to_le_bytes());
        let leaf = Node::parse(&bytes, true, NodeShape { variable: true }).unwrap();
        assert_eq!([0, 1, 2].map(|i| leaf.sample(i)), [Some(10), None, None]);
        assert!(
            Node::parse(&bytes[..NODE_HEADER + 3], true, NodeShape { variable: true }).is_none()
        );
    }
}
