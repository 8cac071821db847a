//! Which interval a string lies in: the last bound that is not above it.
//!
//! A tree over the bounds, by words: two bytes choose a node, seven bytes within it choose a word, and
//! the next seven one in the node below. A word has the bytes as a number that orders as they do, and
//! how many of them there are, so that bounds that end are in order among those that go on. Where one
//! bound is left its rest is compared at once. Multikey search trees: Bentley and Sedgewick, Fast
//! Algorithms for Sorting and Searching Strings, SODA 1997.

use std::collections::VecDeque;
use std::ops::Range;

/// Bytes of a bound in a word.
const STEP: usize = 7;
/// In place of the number of bytes: a bound goes on behind its word.
const MORE: u8 = STEP as u8 + 1;

/// Finds the interval of a string.
pub(super) struct Intervals {
    /// For each pair of bytes, where its words begin, and the last bound below them: for the first pair
    /// of a byte the byte itself, which is a bound.
    pairs: Vec<[u32; 2]>,
    /// The words of all nodes; those of a node are in order.
    words: Vec<u64>,
    /// What stands below each word.
    below: Vec<Below>,
}

/// What stands below a word.
#[derive(Clone, Copy)]
struct Below {
    /// The last bound with the word.
    last: u32,
    /// Where the words of the node below begin and end. None below a bound that ends, and below one
    /// that no other has its word in common with.
    node: [u32; 2],
}

impl Intervals {
    /// The intervals between so many bounds, which `at` gives. They ascend and have all strings of one
    /// byte among them.
    pub(super) fn of<'b>(bounds: usize, at: impl Fn(usize) -> &'b [u8]) -> Self {
        let mut new = Self {
            pairs: Vec::with_capacity((1 << 16) + 1),
            words: Vec::with_capacity(bounds),
            below: Vec::with_capacity(bounds),
        };
        let mut nodes = VecDeque::new();
        let mut next = 0;
        while next < bounds {
            // Pairs without a bound have the words and the last bound of the pair before.
            let string = at(next);
            let first = usize::from(string[0]) << 8;
            let pair = first | usize::from(string.get(1).copied().unwrap_or(0));
            if next > 0 {
                new.pairs.resize(pair, [new.words.len() as u32, next as u32 - 1]);
            }
            next += usize::from(string.len() == 1);
            new.pairs.push([new.words.len() as u32, next as u32 - 1]);
            let within = next;
            let begin = (pair as u16).to_be_bytes();
            while next < bounds && at(next).starts_with(&begin) {
                next += 1;
            }
            new.add(&at, within..next, begin.len(), &mut nodes);
        }
        new.pairs.resize(1 << 16, [new.words.len() as u32, next as u32 - 1]);
        new.pairs.push([new.words.len() as u32, next as u32 - 1]);
        // Nodes stand behind the words that lead to them, level by level.
        while let Some(Node { word, bounds: within, depth }) = nodes.pop_front() {
            let begin = new.words.len() as u32;
            new.add(&at, within, depth, &mut nodes);
            new.below[word].node = [begin, new.words.len() as u32];
        }
        new
    }

    /// Adds the words of a node: of the bounds of this range, which have `depth` bytes in common.
    fn add<'b>(
        &mut self,
        at: &impl Fn(usize) -> &'b [u8],
        mut within: Range<usize>,
        depth: usize,
        nodes: &mut VecDeque<Node>,
    ) {
        while let Some(first) = within.next() {
            let here = word(&at(first)[depth..]);
            let mut last = first;
            while !within.is_empty() && word(&at(within.start)[depth..]) == here {
                last = within.start;
                within.start += 1;
            }
            // Bounds that end differ, so only those that go on have a word in common.
            if last > first {
                let (word, depth) = (self.words.len(), depth + STEP);
                nodes.push_back(Node { word, bounds: first..last + 1, depth });
            }
            self.words.push(here);
            self.below.push(Below { last: last as u32, node: [0; 2] });
        }
    }

    /// The interval that a string of one byte or more lies in. `bound` gives the bound of a number.
    #[inline]
    pub(super) fn find<'b>(&self, string: &[u8], bound: impl Fn(usize) -> &'b [u8]) -> usize {
        let &[first, second, ..] = string else {
            return self.pairs[usize::from(string[0]) << 8][1] as usize;
        };
        let pair = usize::from(first) << 8 | usize::from(second);
        let ([mut from, mut before], [mut to, _]) = (self.pairs[pair], self.pairs[pair + 1]);
        let mut depth = 2;
        loop {
            let wanted = word(&string[depth..]);
            let words = &self.words[from as usize..to as usize];
            let place = words.partition_point(|&word| word < wanted);
            let at = from as usize + place;
            if place > 0 {
                before = self.below[at - 1].last;
            }
            if words.get(place) != Some(&wanted) {
                return before as usize;
            }
            let Below { last, node } = self.below[at];
            if wanted as u8 != MORE {
                return last as usize;
            }
            depth += STEP;
            if node == [0; 2] {
                let above = bound(last as usize)[depth..] > string[depth..];
                return if above { before } else { last } as usize;
            }
            [from, to] = node;
        }
    }
}

/// A node whose words are not there yet: below which word, of which bounds, how many bytes deep.
struct Node {
    word: usize,
    bounds: Range<usize>,
    depth: usize,
}

/// The word at the start of a string.
#[inline]
fn word(string: &[u8]) -> u64 {
    const BYTES: usize = size_of::<u64>();
    match string.first_chunk::<BYTES>() {
        Some(bytes) => u64::from_be_bytes(*bytes) & !0xFF | u64::from(MORE),
        None => {
            let mut bytes = [0; BYTES];
            bytes[..string.len()].copy_from_slice(string);
            bytes[STEP] = string.len() as u8;
            u64::from_be_bytes(bytes)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bounds that begin with each other, end in zeros, and have words in common; strings at, below
    /// and above each.
    #[test]
    fn the_interval_is_the_last_bound_that_is_not_above() {
        let mut bounds: Vec<Vec<u8>> = (0..=255).map(|byte| vec![byte]).collect();
        let stems =
            [&b"a"[..], b"ab", b"ab\0\0", b"abcdefgh", b"abcdefghijklmnop", b"\xff\xff", b"\0\0"];
        for stem in stems {
            for len in 1..20 {
                bounds.push([stem, &vec![0; len][..]].concat());
                bounds.push([stem, &vec![b'x'; len][..]].concat());
                bounds.push([stem, &vec![255; len][..]].concat());
            }
        }
        bounds.sort();
        bounds.dedup();
        let slices: Vec<&[u8]> = bounds.iter().map(Vec::as_slice).collect();
        let intervals = Intervals::of(slices.len(), |bound| slices[bound]);
        let beside = |bound: &Vec<u8>| {
            let mut strings = vec![bound.clone()];
            strings.extend([0, 1, b'x', 255].map(|byte| [&bound[..], &[byte]].concat()));
            strings.extend((1..bound.len()).map(|len| bound[..len].to_vec()));
            strings.extend((0..bound.len()).flat_map(|at| {
                [1, 255].map(|step: u8| {
                    let mut near = bound.clone();
                    near[at] = near[at].wrapping_add(step);
                    near
                })
            }));
            strings
        };
        for string in bounds.iter().flat_map(beside) {
            let right = bounds.partition_point(|bound| *bound <= string) - 1;
            assert_eq!(intervals.find(&string, |bound| slices[bound]), right, "{string:?}");
        }
    }

    #[test]
    fn the_rest_of_a_bound_that_has_a_word_alone_is_compared() {
        let mut bounds: Vec<Vec<u8>> = (0..=255).map(|byte| vec![byte]).collect();
        // Behind `a`, which is bound 97.
        bounds.insert(98, b"abcdefghijkl".to_vec());
        let intervals = Intervals::of(bounds.len(), |bound| &bounds[bound][..]);
        let find = |string: &[u8]| intervals.find(string, |bound| &bounds[bound][..]);
        assert_eq!(find(b"abcdefghij"), 97);
        assert_eq!(find(b"abcdefghijkk"), 97);
        assert_eq!(find(b"abcdefghijkl"), 98);
        assert_eq!(find(b"abcdefghijkm"), 98);
    }
}
