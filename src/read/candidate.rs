//! Whether the record that an index names is that of a key, on trust: what is read may lie on pages
//! that were not checked, but inside proven bounds, and whether they were is asked at the end.

use super::lookup::ANY_LEN;
use super::simd::Simd;
use super::table::Inner;
use crate::format::index::hash::{BUCKET, Slots};
use std::num::NonZeroU16;

/// Records of fixed width.
pub(super) const FIXED: u8 = 0;
/// Records with lengths of their own for key and value, and values that are not aligned.
pub(super) const PLAIN: u8 = 1;
/// All others.
pub(super) const VARIABLE: u8 = 2;

/// Which word of four bytes of a bucket with slots of that width the first slot is, and which byte
/// the first tag: a mask of bytes and one of words are alike.
pub(super) const FIRST_WORD: usize = Slots::Four.tags_start();
/// A bit per slot, where its word stands.
pub(super) const WORDS: u32 = ((1 << Slots::Four.count()) - 1) << FIRST_WORD;

/// The word of a bucket's lowest slot of which [`Simd::slots_equal`] has found some.
#[inline(always)]
pub(super) fn word_of(bucket: &[u8; BUCKET], found: u32) -> u32 {
    let words: &[[u8; 4]; BUCKET / 4] = zerocopy::transmute_ref!(bucket);
    let first = NonZeroU16::new(found as u16).map_or(0, |found| found.trailing_zeros() as usize);
    u32::from_le_bytes(words[first])
}

impl Inner {
    /// The value of the candidate, if it is the record of `key`. Long keys, which only a call
    /// compares, count as others: [`guess_rest`](Self::guess_rest) looks at them again. `N` as in
    /// [`Simd::equal`].
    #[inline(always)]
    pub(super) fn value_of<'t, S: Simd, const ALL: bool, const KIND: u8, const N: usize>(
        &'t self,
        simd: S,
        candidate: usize,
        key: &[u8],
    ) -> Option<&'t [u8]> {
        match KIND {
            FIXED => self.value_fixed::<S, ALL, N>(simd, candidate as u64, key),
            PLAIN => self.value_plain::<S, ALL, N>(simd, candidate, key),
            _ => self.value_variable::<S, ALL, N>(simd, candidate, key),
        }
    }

    /// The same with a branch on the length of the key, which a table of fixed width has no use for.
    #[inline(always)]
    pub(super) fn value_of_any<'t, S: Simd, const ALL: bool, const KIND: u8>(
        &'t self,
        simd: S,
        candidate: usize,
        key: &[u8],
    ) -> Option<&'t [u8]> {
        match key.len() {
            17..=32 if KIND != FIXED => self.value_of::<S, ALL, KIND, 16>(simd, candidate, key),
            33..=64 if KIND != FIXED => self.value_of::<S, ALL, KIND, 32>(simd, candidate, key),
            65..=128 if KIND != FIXED => self.value_of::<S, ALL, KIND, 64>(simd, candidate, key),
            _ => self.value_of::<S, ALL, KIND, 0>(simd, candidate, key),
        }
    }

    /// The value of the record of fixed width with this rank, if its key is `key`.
    #[inline(always)]
    fn value_fixed<'t, S: Simd, const ALL: bool, const N: usize>(
        &'t self,
        simd: S,
        rank: u64,
        key: &[u8],
    ) -> Option<&'t [u8]> {
        let (stored, value) = self.bytes.fixed::<ANY_LEN>(rank)?;
        if !simd.equal::<N>(stored, key) {
            return None;
        }
        let start = self.bytes.offset_of(stored);
        let end = start + stored.len() + value.len();
        (ALL || end <= self.pages.checked_end(start)).then_some(value)
    }

    /// The value of the record of variable width at this place among the records, if its key is
    /// `key`, a short one. Both are compared over the length of `key`, which is at hand, not over
    /// that of the record, which comes from memory: a branch that waits for memory and is
    /// mispredicted, as those on lengths often are, would keep the processor from running ahead to
    /// the next lookup.
    #[inline(always)]
    fn value_variable<'t, S: Simd, const ALL: bool, const N: usize>(
        &'t self,
        simd: S,
        reference: usize,
        key: &[u8],
    ) -> Option<&'t [u8]> {
        let offset = self.layout.records.start.wrapping_add(reference);
        let (parts, fits) = self.layout.decoder.parts_of_key(self.bytes(), offset, key.len())?;
        let stored = self.bytes().get(parts.key())?;
        let bound = match ALL {
            true => self.layout.records.end,
            false => self.layout.records.end.min(self.pages.checked_end(offset)),
        };
        let end = parts.value.saturating_add(parts.value_len);
        let same = fits & simd.equal::<N>(stored, key) & (end <= bound);
        if !same {
            return None;
        }
        self.bytes().get(parts.value())
    }

    /// The same for plain records.
    #[inline(always)]
    fn value_plain<'t, S: Simd, const ALL: bool, const N: usize>(
        &'t self,
        simd: S,
        reference: usize,
        key: &[u8],
    ) -> Option<&'t [u8]> {
        let records = self.bytes.records();
        let bytes = match ALL {
            true => records.get(reference..)?,
            false => {
                let start = self.layout.records.start;
                let end = self.pages.checked_end(start.wrapping_add(reference));
                records.get(reference..end.saturating_sub(start).min(records.len()))?
            }
        };
        let (record, fits) = match N {
            16 => self.layout.decoder.plain::<32>(bytes, key.len())?,
            32 => self.layout.decoder.plain::<64>(bytes, key.len())?,
            _ => self.layout.decoder.plain::<ANY_LEN>(bytes, key.len())?,
        };
        let value = bytes.get(record.value..)?.get(..record.value_len)?;
        if !(fits & simd.equal::<N>(record.key, key)) {
            return None;
        }
        Some(value)
    }
}
