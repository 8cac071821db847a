//! A lookup through the hash index of a table whose keys are encoded: the hash is that of the key as it
//! was, so the key is not encoded; a stored key is compared symbol by symbol.

use super::super::guess::Guess;
use super::super::simd::{Simd, prefetch};
use super::super::view::View;
use crate::codec::KeySymbols;
use crate::format::hasher::Hasher;
use crate::format::index::hash::{MAX_EQUAL_TAGS, overflow, tag};
use crate::format::layout::HashLayout;

/// Lookups of decoded keys, in one form of instructions.
#[derive(Clone, Copy)]
pub(crate) struct Decoded<'t, I> {
    pub(crate) simd: I,
    pub(crate) view: &'t View,
    pub(crate) symbols: &'t KeySymbols,
    pub(crate) index: &'t HashLayout,
}

impl<'t, I: Simd> Decoded<'t, I> {
    /// The hash of a key.
    #[inline(always)]
    pub(crate) fn hash(self, key: &[u8]) -> u64 {
        self.index.hasher.remix(Hasher::base_by(self.simd, key))
    }

    /// Asks for the cache line of a hash's first bucket.
    #[inline(always)]
    pub(crate) fn prefetch_bucket(self, hash: u64) {
        prefetch(self.view.bytes(), self.index.bucket_start(self.index.first_bucket(hash)));
    }

    /// Asks for the cache line of the record to which the first slot with a hash's tag refers.
    #[inline(always)]
    pub(crate) fn prefetch_record(self, hash: u64) {
        let Self { simd, view, index, .. } = self;
        let start = index.bucket_start(index.first_bucket(hash));
        let Some(bucket) = view.bytes().get(start..).and_then(|rest| rest.first_chunk()) else {
            return;
        };
        let mask = simd.matches(bucket, tag(hash), index.slots);
        if mask != 0 {
            let held = index.slots.get(bucket, mask.trailing_zeros() as usize);
            let layout = view.layout();
            let reference = index.tails.reference(held);
            let offset = match &layout.fixed {
                Some(fixed) => fixed.offset(reference),
                None => layout.records.start + reference as usize,
            };
            prefetch(view.bytes(), offset);
        }
    }

    /// Looks a key up by its hash. The lookup stays undecided where a page is unchecked, where the key
    /// may be set aside, and where the table is damaged.
    #[inline(always)]
    pub(crate) fn look_up(self, hash: u64, key: &[u8]) -> Guess<'t> {
        let Self { simd, view, symbols, index } = self;
        let (bytes, layout) = (view.bytes(), view.layout());
        let all_checked = view.pages().lookups_checked();
        let mut number = index.first_bucket(hash);
        for again in [false, true] {
            let start = index.bucket_start(number);
            let Some(bucket) = bytes.get(start..).and_then(|rest| rest.first_chunk()) else {
                return Guess::undecided();
            };
            // Buckets are 64-aligned, so a bucket lies in one page.
            if !(all_checked || view.pages().is_checked(start)) {
                return Guess::undecided();
            }
            let mut mask = simd.matches(bucket, tag(hash), index.slots);
            if mask.count_ones() as usize > MAX_EQUAL_TAGS {
                return Guess::undecided();
            }
            while mask != 0 {
                let held = index.slots.get(bucket, mask.trailing_zeros() as usize);
                mask &= mask - 1;
                if !index.tails.fits(held, hash) {
                    continue;
                }
                let reference = index.tails.reference(held);
                let found = match &layout.fixed {
                    Some(fixed) if reference < layout.entries => {
                        let offset = fixed.offset(reference);
                        Some((offset, fixed.parts(offset)))
                    }
                    None if reference < layout.records.len() as u64 => {
                        let offset = layout.records.start + reference as usize;
                        layout.decoder.parts(bytes, offset).map(|parts| (offset, parts))
                    }
                    _ => None,
                };
                let Some((offset, parts)) = found else { return Guess::undecided() };
                let (Some(stored), true) =
                    (bytes.get(parts.key()), parts.end() <= layout.records.end)
                else {
                    return Guess::undecided();
                };
                let same = symbols.is(stored, key);
                let end = if same { parts.end() } else { parts.value };
                let checked = all_checked || view.pages().covered(&(offset..end));
                // The key may be set aside because of another one: the ordered index decides.
                if !checked || !same && index.set_aside > 0 {
                    return Guess::undecided();
                }
                if same {
                    return bytes.get(parts.value()).map_or(Guess::UNDECIDED, Guess::value);
                }
            }
            if again || !index.slots.overflows(bucket, overflow(hash)) {
                return Guess::ABSENT;
            }
            number = index.second_bucket(hash);
        }
        Guess::ABSENT
    }
}
