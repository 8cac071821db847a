//! PtrHash: a minimal perfect hash function (Groot Koerkamp 2025), with what a user builds on it: a
//! slot for each key, 48 bits of place and 16 of hash, and the records.

use std::{fs::File, io::BufWriter, path::Path};

use epserde::prelude::{Deserialize, Flags, MemCase, Serialize};
use ptr_hash::{PtrHash, PtrHashParams, bucket_fn::Linear, hash::StrongerIntHash};
use xxhash_rust::xxh3::xxh3_64;

use crate::{
    Result,
    contestant::{Access, BATCH, Contestant, Lane, Place, Session, Store},
    dataset::{Input, Shape},
    mapping::{HugeMap, write_huge},
    queries::{Probe, Window},
};

/// Over 64-bit hashes of the keys: keys of 8 bytes are hashed by PtrHash itself.
type Function = PtrHash<u64, Linear, Vec<u32>, StrongerIntHash, Vec<u8>>;

pub struct PerfectHash;

const FUNCTION: &str = "function.epserde";
const RECORDS: &str = "records";

/// What PtrHash's authors recommend.
const AHEAD: usize = 32;

const SLOT: usize = 8;
const PLACE_BITS: u32 = 48;

#[inline]
fn hash(key: &[u8]) -> u64 {
    match <[u8; 8]>::try_from(key) {
        Ok(key) => u64::from_le_bytes(key),
        Err(_) => xxh3_64(key),
    }
}

/// Bits of the hash that the slot keeps; those of an integer alone would be bits of the key.
#[inline]
fn tag(hash: u64) -> u64 {
    hash.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> PLACE_BITS
}

/// Bytes before the key: two lengths, where they differ.
fn header(shape: &Shape) -> usize {
    if shape.key_len.is_some() && shape.value_len.is_some() { 0 } else { 8 }
}

impl Contestant for PerfectHash {
    fn name(&self) -> &'static str {
        "ptr_hash"
    }

    fn options(&self) -> &'static str {
        "PtrHashParams::default_fast, single part, over xxh3 of the key (8 bytes: the key), mapped by \
         epserde; slots and records in 2 MiB pages; batches by index_stream, 32 ahead, slots and \
         records prefetched"
    }

    fn build(&self, input: &Input, dir: &Path) -> Result<()> {
        let hashes: Vec<u64> = input.iter().map(|(key, _)| hash(key)).collect();
        let function = Function::try_new(&hashes, PtrHashParams::default_fast())
            .ok_or("no perfect hash function, two keys may have one hash")?;
        let mut slots = vec![0; input.shape.entries as usize * SLOT];
        let mut records = Vec::with_capacity(input.shape.payload as usize);
        let header = header(&input.shape);
        for ((key, value), &hash) in input.iter().zip(&hashes) {
            let slot = (records.len() as u64) | tag(hash) << PLACE_BITS;
            let at = function.index(&hash) * SLOT;
            slots[at..at + SLOT].copy_from_slice(&slot.to_le_bytes());
            if header > 0 {
                records.extend((key.len() as u32).to_le_bytes());
                records.extend((value.len() as u32).to_le_bytes());
            }
            records.extend_from_slice(key);
            records.extend_from_slice(value);
        }
        write_huge(&dir.join(RECORDS), &[&slots, &records])?;
        let mut out = BufWriter::new(File::create(dir.join(FUNCTION))?);
        // SAFETY: the types of `Function` hold no padding that matters to us; the file is ours.
        unsafe { function.serialize(&mut out)? };
        Ok(())
    }

    fn open(&self, place: &Place, _access: Access) -> Result<Box<dyn Lane>> {
        let flags = Flags::RANDOM_ACCESS | Flags::TRANSPARENT_HUGE_PAGES;
        // SAFETY: `build` wrote a function of this type; nobody changes the file.
        let function = unsafe { Function::load_mmap(place.file(FUNCTION), flags)? };
        let (shape, map) = (place.shape, HugeMap::open(&place.file(RECORDS))?);
        let records = shape.entries as usize * SLOT;
        Ok(match header(&shape) {
            0 => Box::new(Table::<true> { function, map, shape, records }),
            _ => Box::new(Table::<false> { function, map, shape, records }),
        })
    }
}

struct Table<const FIXED: bool> {
    function: MemCase<Function>,
    map: HugeMap,
    shape: Shape,
    /// Where the records start.
    records: usize,
}

impl<const FIXED: bool> Table<FIXED> {
    #[inline]
    fn slot(&self, index: usize) -> u64 {
        let slot = self.map.bytes()[index * SLOT..].first_chunk().expect("a slot");
        u64::from_le_bytes(*slot)
    }

    #[inline]
    fn place(&self, slot: u64) -> usize {
        self.records + (slot & ((1 << PLACE_BITS) - 1)) as usize
    }

    /// The value, if the record in this slot is that of the key.
    #[inline]
    fn value(&self, slot: u64, hash: u64, key: &[u8]) -> Option<&[u8]> {
        if slot >> PLACE_BITS != tag(hash) {
            return None;
        }
        let record = &self.map.bytes()[self.place(slot)..];
        let (key_len, value_len, rest) = if FIXED {
            (self.shape.key_len? as usize, self.shape.value_len? as usize, record)
        } else {
            let (lengths, rest) = record.split_at(8);
            let len =
                |at: usize| u32::from_le_bytes(*lengths[at..].first_chunk().expect("4 bytes"));
            (len(0) as usize, len(4) as usize, rest)
        };
        let (found, rest) = rest.split_at(key_len);
        (found == key).then(|| &rest[..value_len])
    }

    #[inline]
    fn prefetch(&self, at: usize) {
        #[cfg(target_arch = "x86_64")]
        {
            use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
            // SAFETY: a prefetch faults at no address.
            unsafe {
                _mm_prefetch::<_MM_HINT_T0>(self.map.bytes().as_ptr().wrapping_add(at).cast())
            };
        }
        #[cfg(not(target_arch = "x86_64"))]
        let _ = at;
    }
}

impl<const FIXED: bool> Store for Table<FIXED> {
    type Session<'s> = &'s Self;

    const FORWARD: bool = true;
    const ORDERED: bool = false;

    fn session(&self) -> &Self {
        self
    }
}

impl<const FIXED: bool> Session for &Table<FIXED> {
    #[inline]
    fn get<T>(&mut self, probe: Probe<'_>, f: impl FnOnce(&[u8]) -> T) -> Option<T> {
        let hash = hash(probe.key);
        let slot = self.slot(self.function.uncase().index(&hash));
        self.value(slot, hash, probe.key).map(f)
    }

    fn batch(&mut self, window: Window<'_>, mut f: impl FnMut(usize, Option<&[u8]>)) {
        for (at, part) in (0..window.len())
            .step_by(BATCH)
            .map(|at| (at, window.slice(at, BATCH.min(window.len() - at))))
        {
            let (mut hashes, mut indexes, mut slots) = ([0; BATCH], [0; BATCH], [0; BATCH]);
            let hashes = &mut hashes[..part.len()];
            hashes.iter_mut().zip(part.keys).for_each(|(place, key)| *place = hash(key));
            let function = self.function.uncase();
            let mut next = indexes.iter_mut();
            // The stream is an iterator of folds alone.
            function.index_stream::<AHEAD, _>(hashes.iter()).for_each(|index| {
                self.prefetch(index * SLOT);
                if let Some(place) = next.next() {
                    *place = index;
                }
            });
            for (slot, index) in slots.iter_mut().zip(&indexes[..part.len()]) {
                *slot = self.slot(*index);
                self.prefetch(self.place(*slot));
            }
            for (i, (slot, hash)) in slots.iter().zip(&*hashes).enumerate() {
                f(at + i, self.value(*slot, *hash, part.keys[i]));
            }
        }
    }

    fn scan(&mut self, _forward: bool, mut f: impl FnMut(&[u8], &[u8])) {
        let mut rest = &self.map.bytes()[self.records..];
        for _ in 0..self.shape.entries {
            let (key_len, value_len) = match (self.shape.key_len, self.shape.value_len) {
                (Some(key), Some(value)) => (key as usize, value as usize),
                _ => {
                    let (lengths, after) = rest.split_at(8);
                    rest = after;
                    let len =
                        |at: usize| u32::from_le_bytes(*lengths[at..].first_chunk().expect("4"));
                    (len(0) as usize, len(4) as usize)
                }
            };
            let (key, after) = rest.split_at(key_len);
            let (value, after) = after.split_at(value_len);
            f(key, value);
            rest = after;
        }
    }
}
