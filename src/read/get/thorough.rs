//! A lookup in both buckets of a hash, at every slot with its tag. It is rare, and mostly waits for
//! memory.

use super::super::guess::Guess;
use super::super::place::Found;
use super::super::simd::{Baseline, Simd};
use super::super::view::View;
use crate::format::index::hash::{MAX_EQUAL_TAGS, overflow, tag};
use crate::format::layout::HashLayout;
use crate::format::order::equal;

/// Lookups in a table with a hash index, which each is given.
#[derive(Clone, Copy)]
pub(super) struct Thorough<'t> {
    view: &'t View,
}

impl<'t> Thorough<'t> {
    #[inline(always)]
    pub(super) fn new(view: &'t View) -> Self {
        Self { view }
    }

    /// Looks a key up by its hash. The lookup stays undecided where a page is unchecked, or where
    /// the key may be set aside.
    #[inline(never)]
    pub(super) fn look_up(self, index: &HashLayout, hash: u64, key: &[u8]) -> Guess<'t> {
        let Self { view } = self;
        let (bytes, all_checked) = (view.bytes(), view.pages().lookups_checked());
        let place = index.shape.place(hash);
        for number in [place.first, place.second] {
            let Some(bucket) = view.proven().cell(number) else { return Guess::UNDECIDED };
            // Buckets are 64-aligned, so a bucket lies in one page.
            if !(all_checked || view.pages().is_checked(index.bucket_start(number))) {
                return Guess::UNDECIDED;
            }
            let mut mask = Baseline.matches(bucket, tag(hash), index.slots);
            let mut candidates = 0;
            while mask != 0 {
                candidates += 1;
                if candidates > MAX_EQUAL_TAGS {
                    return Guess::UNDECIDED;
                }
                let slot = mask.trailing_zeros() as usize;
                mask &= mask - 1;
                let held = index.slots.get(bucket, slot);
                if !index.tails.fits(held, hash) {
                    continue;
                }
                let found = self.referred(index.tails.reference(held));
                let Some(found) = found else { return Guess::UNDECIDED };
                let Some(stored) = bytes.get(found.parts.key()) else { return Guess::UNDECIDED };
                let same = equal(stored, key);
                // The key may be set aside because of this one: the ordered index decides.
                if !same && index.set_aside > 0 && index.hasher.hash(stored) == hash {
                    return Guess::UNDECIDED;
                }
                // A record that only shares the tag must be checked as well.
                let end = if same { found.parts.end() } else { found.parts.value };
                if !all_checked && !view.pages().covered(&(found.offset..end)) {
                    return Guess::UNDECIDED;
                }
                if same {
                    return bytes.get(found.parts.value()).map_or(Guess::UNDECIDED, Guess::value);
                }
            }
            if !index.slots.overflows(bucket, overflow(hash)) {
                return Guess::ABSENT;
            }
        }
        Guess::ABSENT
    }

    /// The record to which a slot refers, if it lies inside the records.
    #[inline]
    fn referred(self, reference: u64) -> Option<Found> {
        let layout = self.view.layout();
        let (offset, parts) = match &layout.fixed {
            Some(fixed) => {
                if reference >= layout.entries {
                    return None;
                }
                let offset = fixed.offset(reference);
                (offset, fixed.parts(offset))
            }
            None => {
                if reference >= layout.records.len() as u64 {
                    return None;
                }
                let offset = layout.records.start + reference as usize;
                (offset, layout.decoder.parts(self.view.bytes(), offset)?)
            }
        };
        (parts.end() <= layout.records.end).then_some(Found { offset, parts })
    }
}
