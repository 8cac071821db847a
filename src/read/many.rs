//! `get_many`: the memory latency of many lookups overlaps.

use super::lookup::{FIXED, NO_HELP, PLAIN, VARIABLE};
use super::simd::{prefetch, tags_below};
use super::table::{Inner, Table};
use crate::error::ReadError;
use crate::format::hash::Slots;
use crate::format::layout::{HashLayout, LineLayout};
use crate::format::line::{LINE, base_rank};

/// Lookups in flight: enough to cover a memory latency, few enough for the cache.
const BATCH: usize = 32;

impl Table {
    /// Looks up many keys at once. `out` is cleared, then gets one answer per key, in order; after
    /// an error it is empty. Faster than one [`get`](Self::get) after the other when the table is
    /// larger than the processor's caches: bucket and record lines of a batch are prefetched
    /// before they are needed.
    ///
    /// # Errors
    /// [`ReadError`] if a page that was touched is damaged.
    pub fn get_many<'t, K: AsRef<[u8]>>(
        &'t self,
        keys: &[K],
        out: &mut Vec<Option<&'t [u8]>>,
    ) -> Result<(), ReadError> {
        out.clear();
        out.reserve(keys.len());
        let answers = keys.chunks(BATCH).try_for_each(|batch| self.get_batch(batch, out));
        if answers.is_err() {
            out.clear();
        }
        answers
    }

    fn get_batch<'t, K: AsRef<[u8]>>(
        &'t self,
        keys: &[K],
        out: &mut Vec<Option<&'t [u8]>>,
    ) -> Result<(), ReadError> {
        let inner = &*self.inner;
        if let Some(index) = &inner.layout.lines {
            return inner.get_batch_lined(index, keys, out);
        }
        let Some(index) = &inner.layout.hash else {
            return keys.iter().try_for_each(|key| {
                out.push(inner.get(key.as_ref())?);
                Ok(())
            });
        };
        let plain = inner.layout.decoder.is_plain();
        match (index.slots, inner.layout.fixed.is_some()) {
            (Slots::Four, true) => inner.get_batch_hashed::<4, FIXED, K>(index, keys, out),
            (Slots::Four, _) if plain => inner.get_batch_hashed::<4, PLAIN, K>(index, keys, out),
            (Slots::Four, _) => inner.get_batch_hashed::<4, VARIABLE, K>(index, keys, out),
            (Slots::Five, false) => inner.get_batch_hashed::<5, VARIABLE, K>(index, keys, out),
            _ => inner.get_batch_hashed::<0, VARIABLE, K>(index, keys, out),
        }
    }
}

/// In stages: what a stage reads was prefetched by the one before. Prefetches are guesses; the
/// last stage checks everything.
impl Inner {
    /// Hashes, then candidates, then records. Slots of `WIDTH` bytes; 0: of another width, which
    /// is looked up without candidates.
    fn get_batch_hashed<'t, const WIDTH: usize, const KIND: u8, K: AsRef<[u8]>>(
        &'t self,
        index: &HashLayout,
        keys: &[K],
        out: &mut Vec<Option<&'t [u8]>>,
    ) -> Result<(), ReadError> {
        let mut hashes = [0u64; BATCH];
        let mut candidates = [0; BATCH];
        for (hash, key) in hashes.iter_mut().zip(keys) {
            *hash = index.hasher.hash(key.as_ref());
            prefetch(self.bytes(), index.first_bucket(*hash));
        }
        for ((candidate, &hash), key) in candidates.iter_mut().zip(&hashes).zip(keys) {
            *candidate = self.candidate::<WIDTH>(index.first_bucket(hash), hash);
            self.prefetch_record::<KIND>(*candidate, key.as_ref().len());
        }
        let all_checked = self.pages.all_checked();
        for ((&candidate, &hash), key) in candidates.iter().zip(&hashes).zip(keys) {
            let key = key.as_ref();
            let guess = if all_checked {
                self.guess_candidate::<true, WIDTH, KIND>(index, hash, candidate, key)
            } else {
                self.guess_candidate::<false, WIDTH, KIND>(index, hash, candidate, key)
            };
            out.push(self.settle(guess, key)?);
        }
        Ok(())
    }

    /// Lines, then records.
    fn get_batch_lined<'t, K: AsRef<[u8]>>(
        &'t self,
        index: &LineLayout,
        keys: &[K],
        out: &mut Vec<Option<&'t [u8]>>,
    ) -> Result<(), ReadError> {
        for key in keys {
            let place = index.scale.place(key.as_ref());
            let line = place.map_or(0, |place| place.line.min(index.lines));
            prefetch(self.bytes(), index.span.start + line as usize * LINE);
        }
        for key in keys {
            self.prefetch_lined(index, key.as_ref());
        }
        for key in keys {
            out.push(self.get(key.as_ref())?);
        }
        Ok(())
    }

    /// Prefetches the record of a candidate: the lines of its key and the first of its value.
    #[inline(always)]
    fn prefetch_record<const KIND: u8>(&self, candidate: usize, key_len: usize) {
        if candidate >= NO_HELP {
            return;
        }
        let offset = match &self.layout.fixed {
            Some(fixed) if KIND == FIXED => {
                fixed.offset((candidate as u64).min(self.layout.entries))
            }
            _ => self.layout.records.start.wrapping_add(candidate),
        };
        prefetch(self.bytes(), offset);
        if KIND != FIXED {
            // The length word, at most four bytes, stands before the key.
            prefetch(self.bytes(), offset.wrapping_add(key_len + 4));
            if key_len > LINE {
                prefetch(self.bytes(), offset.wrapping_add(LINE));
            }
        }
    }

    /// Prefetches the record at which the line's tags point.
    #[inline]
    fn prefetch_lined(&self, index: &LineLayout, key: &[u8]) {
        let Some(fixed) = &self.layout.fixed else { return };
        let Some(place) = index.scale.place(key).filter(|place| place.line < index.lines) else {
            return;
        };
        let start = index.span.start + place.line as usize * LINE;
        let Some(line) = self.bytes().get(start..).and_then(|bytes| bytes.first_chunk()) else {
            return;
        };
        let rank = base_rank(line) + tags_below(line, place.tag) as u64;
        prefetch(self.bytes(), fixed.offset(rank.min(self.layout.entries)));
    }
}
