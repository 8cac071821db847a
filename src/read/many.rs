//! `get_many`: the memory latency of many lookups overlaps.

use super::candidate::{FIXED, PLAIN, VARIABLE};
use super::line::Asked;
use super::lookup::{ANY_LEN, Guess, NO_HELP};
use super::simd::{Simd, Work, prefetch, prefetch_outer, work};
use super::table::{Inner, Table};
use crate::error::{ReadError, ReadResult};
use crate::format::hasher::Hasher;
use crate::format::index::hash::Slots;
use crate::format::index::line::LINE;
use crate::format::layout::{HashLayout, LineLayout};
use crate::format::record::Fixed;

impl Table {
    /// Looks up many keys at once. `out` is cleared, then gets one answer per key, in order; after
    /// an error it is empty. Faster than one [`get`](Self::get) after the other when the table is
    /// larger than the processor's caches: lines of index and records are prefetched before they
    /// are needed. With the ordered index alone it is one get after the other.
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
        let answers = work(Batches { inner: &self.inner, keys, out });
        if answers.is_err() {
            out.clear();
        }
        answers
    }
}

/// Keys between two stages of a lookup: enough to cover a memory latency, the more, the less time a key
/// takes. No more than that, as a batch starts and ends with steps in which some stages have none.
const fn lag(kind: u8) -> usize {
    if kind == FIXED { MAX_LAG } else { 10 }
}

const MAX_LAG: usize = 20;
/// Places for keys that are in some stage. So many keys at most go through each stage together.
const RING: usize = 64;
const _: () = assert!(RING > 3 * MAX_LAG);
/// The same where there are no more keys: each place is written once beforehand.
const FEW: usize = 16;

/// What is known of keys that are being looked up.
struct Ring {
    hashes: [u64; RING],
    candidates: [usize; RING],
    /// Whether the first bucket has sent the key on.
    second: [bool; RING],
}

impl Ring {
    fn new() -> Self {
        Self { hashes: [0; RING], candidates: [0; RING], second: [false; RING] }
    }
}

struct Batches<'t, 'a, K> {
    inner: &'t Inner,
    keys: &'a [K],
    out: &'a mut Vec<Option<&'t [u8]>>,
}

impl<K: AsRef<[u8]>> Work for Batches<'_, '_, K> {
    type Output = ReadResult<()>;

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) -> ReadResult<()> {
        let Self { inner, keys, out } = self;
        let (Some(index), Some(fixed)) = (&inner.layout.lines, &inner.layout.fixed) else {
            return inner.get_batch(simd, keys, out);
        };
        // A plain loop: adapters would put a function in between that knows no instructions.
        for keys in keys.chunks(RING) {
            if keys.len() <= FEW {
                inner.get_batch_lined::<S, FEW, K>(simd, index, fixed, keys, out)?;
            } else {
                inner.get_batch_lined::<S, RING, K>(simd, index, fixed, keys, out)?;
            }
        }
        Ok(())
    }
}

/// In stages: what a stage reads was prefetched by the one before. Prefetches are guesses; the
/// last stage checks everything.
impl Inner {
    #[inline(always)]
    fn get_batch<'t, S: Simd, K: AsRef<[u8]>>(
        &'t self,
        simd: S,
        keys: &[K],
        out: &mut Vec<Option<&'t [u8]>>,
    ) -> ReadResult<()> {
        let Some(index) = &self.layout.hash else {
            for key in keys {
                out.push(self.get(key.as_ref())?);
            }
            return Ok(());
        };
        let plain = self.layout.decoder.is_plain();
        match (index.slots, self.layout.fixed.is_some()) {
            (Slots::Four, true) => self.get_batch_hashed::<S, 4, FIXED, K>(simd, index, keys, out),
            (Slots::Four, _) if plain => {
                self.get_batch_hashed::<S, 4, PLAIN, K>(simd, index, keys, out)
            }
            (Slots::Four, _) => self.get_batch_hashed::<S, 4, VARIABLE, K>(simd, index, keys, out),
            (Slots::Five, false) => {
                self.get_batch_hashed::<S, 5, VARIABLE, K>(simd, index, keys, out)
            }
            _ => self.get_batch_hashed::<S, 0, VARIABLE, K>(simd, index, keys, out),
        }
    }

    /// In four stages: hashes, candidates of first buckets, of second buckets, records. Up to [`RING`]
    /// keys go through each stage together; of more, one is in each stage at any time, [`lag`] keys
    /// apart. Slots of `WIDTH` bytes; 0: of another width, which is looked up without candidates.
    #[inline(always)]
    fn get_batch_hashed<'t, S: Simd, const WIDTH: usize, const KIND: u8, K: AsRef<[u8]>>(
        &'t self,
        simd: S,
        index: &HashLayout,
        keys: &[K],
        out: &mut Vec<Option<&'t [u8]>>,
    ) -> ReadResult<()> {
        let ring = &mut Ring::new();
        if keys.len() <= RING {
            // One stage after the other: with few keys there is little to overlap, and steps in
            // which most stages have no key cost more.
            for (at, key) in keys.iter().enumerate() {
                self.hash_key(simd, index, ring, at, key.as_ref());
            }
            for (at, key) in keys.iter().enumerate() {
                self.ask_first::<S, WIDTH, KIND>(simd, index, ring, at, key.as_ref());
            }
            for (at, key) in keys.iter().enumerate() {
                self.ask_second::<S, WIDTH, KIND>(simd, index, ring, at, key.as_ref());
            }
            for (at, key) in keys.iter().enumerate() {
                out.push(self.answer::<S, WIDTH, KIND>(simd, index, ring, at, key.as_ref())?);
            }
            return Ok(());
        }
        // A key in each stage at any time: the lines that one stage waits for come while another
        // computes.
        let lag = const { lag(KIND) };
        for step in 0..keys.len() + 3 * lag {
            if let Some(key) = keys.get(step) {
                self.hash_key(simd, index, ring, step % RING, key.as_ref());
            }
            let number = step.wrapping_sub(lag);
            if let Some(key) = keys.get(number) {
                self.ask_first::<S, WIDTH, KIND>(simd, index, ring, number % RING, key.as_ref());
            }
            let number = step.wrapping_sub(2 * lag);
            if let Some(key) = keys.get(number) {
                self.ask_second::<S, WIDTH, KIND>(simd, index, ring, number % RING, key.as_ref());
            }
            let number = step.wrapping_sub(3 * lag);
            if let Some(key) = keys.get(number) {
                out.push(self.answer::<S, WIDTH, KIND>(
                    simd,
                    index,
                    ring,
                    number % RING,
                    key.as_ref(),
                )?);
            }
        }
        Ok(())
    }

    #[inline(always)]
    fn hash_key<S: Simd>(
        &self,
        simd: S,
        index: &HashLayout,
        ring: &mut Ring,
        at: usize,
        key: &[u8],
    ) {
        let hash = index.hasher.remix(Hasher::base_by(simd, key));
        prefetch(self.bytes(), index.bucket_start(index.first_bucket(hash)));
        ring.hashes[at] = hash;
    }

    #[inline(always)]
    fn ask_first<S: Simd, const WIDTH: usize, const KIND: u8>(
        &self,
        simd: S,
        index: &HashLayout,
        ring: &mut Ring,
        at: usize,
        key: &[u8],
    ) {
        let hash = ring.hashes[at];
        let (candidate, other) = self.candidates::<S, WIDTH>(simd, self.bytes.bucket(hash), hash);
        self.prefetch_record::<KIND>(candidate, key.len());
        self.prefetch_record::<KIND>(other, key.len());
        ring.candidates[at] = candidate;
        ring.second[at] = WIDTH != 0 && candidate == NO_HELP;
        if ring.second[at] {
            prefetch(self.bytes(), index.bucket_start(index.second_bucket(hash)));
        }
    }

    #[inline(always)]
    fn ask_second<S: Simd, const WIDTH: usize, const KIND: u8>(
        &self,
        simd: S,
        index: &HashLayout,
        ring: &mut Ring,
        at: usize,
        key: &[u8],
    ) {
        if ring.second[at] {
            let hash = ring.hashes[at];
            let bucket = self.bytes.cell(index.second_bucket(hash));
            let candidate =
                bucket.map_or(NO_HELP, |bucket| self.candidate::<S, WIDTH>(simd, bucket, hash));
            self.prefetch_record::<KIND>(candidate, key.len());
            ring.candidates[at] = candidate;
        }
    }

    #[inline(always)]
    fn answer<S: Simd, const WIDTH: usize, const KIND: u8>(
        &self,
        simd: S,
        index: &HashLayout,
        ring: &Ring,
        at: usize,
        key: &[u8],
    ) -> ReadResult<Option<&[u8]>> {
        let (hash, candidate) = (ring.hashes[at], ring.candidates[at]);
        let guess = match (ring.second[at], self.pages.gets_checked()) {
            (false, true) => {
                self.guess_candidate::<S, true, WIDTH, KIND>(simd, index, hash, candidate, key)
            }
            (false, false) => {
                self.guess_candidate::<S, false, WIDTH, KIND>(simd, index, hash, candidate, key)
            }
            (true, true) => self.guess_in_second::<true, KIND>(index, hash, candidate, key),
            (true, false) => self.guess_in_second::<false, KIND>(index, hash, candidate, key),
        };
        self.settle(guess, key, Self::get_careful)
    }

    /// Lines, then ranks, then records, of at most `N` keys.
    #[inline(always)]
    fn get_batch_lined<'t, S: Simd, const N: usize, K: AsRef<[u8]>>(
        &'t self,
        simd: S,
        index: &LineLayout,
        fixed: &Fixed,
        keys: &[K],
        out: &mut Vec<Option<&'t [u8]>>,
    ) -> ReadResult<()> {
        debug_assert!(keys.len() <= N);
        let mut places = [None; N];
        let mut ranks = [Asked::Absent; N];
        for (place, key) in places.iter_mut().zip(keys) {
            let key = key.as_ref();
            *place = index.scale.place(key).filter(|_| key.len() == fixed.key_len);
            let line = place.map_or(0, |place| place.line.min(index.lines));
            prefetch(self.bytes(), index.span.start + line as usize * LINE);
        }
        let all_checked = self.pages.gets_checked();
        for (rank, &place) in ranks.iter_mut().zip(&places).take(keys.len()) {
            let Some(place) = place else { continue };
            *rank = if all_checked {
                self.ask_line::<S, true>(simd, place)
            } else {
                self.ask_line::<S, false>(simd, place)
            };
            let Asked::Rank(rank) = *rank else { continue };
            let offset = fixed.offset(rank.min(self.layout.entries));
            prefetch_outer(self.bytes(), offset);
            prefetch_outer(self.bytes(), offset + fixed.key_len);
        }
        for (&rank, key) in ranks.iter().zip(keys) {
            let key = key.as_ref();
            let guess = match rank {
                Asked::Rank(rank) if all_checked => self.guess_ranked::<true, ANY_LEN>(rank, key),
                Asked::Rank(rank) => self.guess_ranked::<false, ANY_LEN>(rank, key),
                Asked::Absent => Guess::MISS,
                Asked::Unsure => Guess::UNSURE,
            };
            out.push(self.settle(guess, key, Self::get_again)?);
        }
        Ok(())
    }

    /// Prefetches the record of a candidate: the lines in which its key starts and ends, of longer
    /// keys of variable length one in between, and so the first of a value that is not aligned.
    #[inline(always)]
    fn prefetch_record<const KIND: u8>(&self, candidate: usize, key_len: usize) {
        if candidate >= NO_HELP {
            return;
        }
        if KIND == FIXED
            && let Some(fixed) = &self.layout.fixed
        {
            let offset = fixed.offset((candidate as u64).min(self.layout.entries));
            prefetch_outer(self.bytes(), offset);
            prefetch_outer(self.bytes(), offset + fixed.key_len);
            return;
        }
        let offset = self.layout.records.start.wrapping_add(candidate);
        prefetch_outer(self.bytes(), offset);
        // The length word, at most four bytes, stands before the key. A prefetch too many costs
        // less than a branch on lengths.
        prefetch_outer(self.bytes(), offset.wrapping_add(key_len + 4));
        prefetch_outer(self.bytes(), offset.wrapping_add(key_len.min(LINE)));
    }
}
