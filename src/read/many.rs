//! `get_many`: the memory latency of many lookups overlaps.

use super::simd::{matches, prefetch, tags_below};
use super::table::{Inner, Table};
use crate::error::ReadError;
use crate::format::hash::{BUCKET, tag};
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
        if let Some(index) = &inner.layout.hash {
            let mut hashes = [0u64; BATCH];
            for (hash, key) in hashes.iter_mut().zip(keys) {
                *hash = index.hasher.hash(key.as_ref());
                let bucket = index.shape.first(*hash);
                prefetch(inner.bytes(), index.span.start + bucket as usize * BUCKET);
            }
            for &hash in &hashes[..keys.len()] {
                inner.prefetch_hashed(index, hash);
            }
            for (&hash, key) in hashes.iter().zip(keys) {
                out.push(inner.get_rest(index, hash, key.as_ref())?);
            }
        } else if let Some(index) = &inner.layout.lines {
            for key in keys {
                inner.prefetch_line(index, key.as_ref());
            }
            for key in keys {
                inner.prefetch_lined(index, key.as_ref());
            }
            let all_checked = inner.pages.all_checked();
            for key in keys {
                let key = key.as_ref();
                out.push(if all_checked {
                    inner.get_lined::<true>(index, key)?
                } else {
                    inner.get_lined::<false>(index, key)?
                });
            }
        } else {
            for key in keys {
                out.push(self.get(key.as_ref())?);
            }
        }
        Ok(())
    }
}

/// Guesses: the lookups proper check everything.
impl Inner {
    /// Prefetches the record that the first equal tag of the first bucket refers to.
    #[inline]
    fn prefetch_hashed(&self, index: &HashLayout, hash: u64) {
        let start = index.span.start + index.shape.first(hash) as usize * BUCKET;
        let Some(bucket) = self.bytes().get(start..).and_then(|bytes| bytes.first_chunk()) else {
            return;
        };
        let mask = matches(bucket, tag(hash), index.slots.count());
        if mask == 0 {
            return;
        }
        let reference = index.slots.reference(bucket, mask.trailing_zeros() as usize);
        let offset = match &self.layout.fixed {
            Some(fixed) => fixed.offset(reference.min(self.layout.entries)),
            None => self.layout.records.start.wrapping_add(reference as usize),
        };
        prefetch(self.bytes(), offset);
    }

    #[inline]
    fn prefetch_line(&self, index: &LineLayout, key: &[u8]) {
        let line = index.scale.place(key).map_or(0, |place| place.line.min(index.lines));
        prefetch(self.bytes(), index.span.start + line as usize * LINE);
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
