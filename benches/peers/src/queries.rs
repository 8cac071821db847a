//! Queries, all made before the clock starts: keys back to back in the order in which they are
//! asked, so that reading the queries costs a prefetched stream and nothing else.

use crate::{
    dataset::Dataset,
    workload::{Rng, Zipf, slot_of},
};

/// What is known of an answer beforehand, in 16 bytes.
#[derive(Clone, Copy)]
struct Known {
    /// Low 56 bits: where the record lies among the payload (the one-line floor knows that).
    /// High 8 bits: the first byte of the value.
    at_and_byte: u64,
    /// The two-line floor's slot.
    slot: u32,
    value_len: u32,
}

/// One question. The floors read `at` and `slot`; stores see the key alone.
#[derive(Clone, Copy)]
pub struct Probe<'a> {
    pub key: &'a [u8],
    known: Known,
}

impl<'a> Probe<'a> {
    pub fn for_rank(data: &'a Dataset, rank: usize) -> Probe<'a> {
        Probe { key: data.get(rank).0, known: known(data, rank) }
    }

    #[inline(always)]
    pub fn at(&self) -> u64 {
        self.known.at_and_byte & ((1 << 56) - 1)
    }

    #[inline(always)]
    pub fn slot(&self) -> usize {
        self.known.slot as usize
    }

    #[inline(always)]
    pub fn value_len(&self) -> usize {
        self.known.value_len as usize
    }

    #[inline(always)]
    pub fn value_byte(&self) -> u8 {
        (self.known.at_and_byte >> 56) as u8
    }
}

/// Queries that a lap runs through.
#[derive(Clone, Copy)]
pub struct Window<'a> {
    pub keys: &'a [&'a [u8]],
    known: &'a [Known],
}

impl<'a> Window<'a> {
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    #[inline(always)]
    pub fn probe(&self, i: usize) -> Probe<'a> {
        Probe { key: self.keys[i], known: self.known[i] }
    }

    pub fn slice(&self, from: usize, len: usize) -> Window<'a> {
        Window { keys: &self.keys[from..from + len], known: &self.known[from..from + len] }
    }

    pub fn chunks(self, size: usize) -> impl Iterator<Item = Window<'a>> {
        let count = self.len() / size;
        (0..count).map(move |i| self.slice(i * size, size))
    }
}

/// A set of queries; `Keys` lends it out as windows.
#[derive(Default)]
pub struct Queries {
    bytes: Vec<u8>,
    ends: Vec<usize>,
    known: Vec<Known>,
}

impl Queries {
    fn push(&mut self, key: &[u8], known: Known) {
        self.bytes.extend_from_slice(key);
        self.ends.push(self.bytes.len());
        self.known.push(known);
    }

    pub fn len(&self) -> usize {
        self.ends.len()
    }

    pub fn keys(&self) -> Vec<&[u8]> {
        let mut start = 0;
        let key = |&end: &usize| &self.bytes[std::mem::replace(&mut start, end)..end];
        self.ends.iter().map(key).collect()
    }

    pub fn window<'a>(&'a self, keys: &'a [&'a [u8]]) -> Window<'a> {
        Window { keys, known: &self.known }
    }

    /// Every key is there, each as likely as any other.
    pub fn uniform(data: &Dataset, count: usize, rng: &mut Rng) -> Queries {
        Queries::of_ranks(data, (0..count).map(|_| rng.below(data.len() as u64) as usize))
    }

    /// Zipf-distributed with the hot keys spread over the whole table.
    pub fn zipf(data: &Dataset, count: usize, rng: &mut Rng) -> Queries {
        let zipf = Zipf::new(data.len() as u64, 0.99);
        let spread = |hot: u64| slot_of(hot, data.len() as u64) as usize;
        Queries::of_ranks(data, (0..count).map(|_| spread(zipf.draw(rng))))
    }

    pub fn of_ranks(data: &Dataset, ranks: impl Iterator<Item = usize>) -> Queries {
        let mut queries = Queries::default();
        for rank in ranks {
            queries.push(data.get(rank).0, known(data, rank));
        }
        queries
    }

    /// Keys alone, for a process that warms a store up; the floors cannot answer these.
    pub fn of_keys<'k>(keys: impl Iterator<Item = &'k [u8]>) -> Queries {
        let mut queries = Queries::default();
        for key in keys {
            queries.push(key, Known { at_and_byte: 0, slot: 0, value_len: 0 });
        }
        queries
    }

    /// Keys that are there and what is known of their values; the floors cannot answer these.
    pub fn of_entries<'e>(entries: impl Iterator<Item = (&'e [u8], &'e [u8])>) -> Queries {
        let mut queries = Queries::default();
        for (key, value) in entries {
            let at_and_byte = u64::from(value.first().copied().unwrap_or_default()) << 56;
            let value_len = value.len() as u32;
            queries.push(key, Known { at_and_byte, slot: 0, value_len });
        }
        queries
    }

    /// Keys of the same kind that are not there. The floors, which cannot miss, get a record.
    pub fn missing(
        data: &Dataset,
        count: usize,
        rng: &mut Rng,
        mut draw: impl FnMut(&mut Rng, &mut Vec<u8>),
    ) -> Queries {
        let mut queries = Queries::default();
        let mut key = Vec::new();
        while queries.len() < count {
            key.clear();
            draw(rng, &mut key);
            if !data.contains(&key) {
                queries.push(&key, known(data, rng.below(data.len() as u64) as usize));
            }
        }
        queries
    }
}

fn known(data: &Dataset, rank: usize) -> Known {
    let value = data.get(rank).1;
    let byte = u64::from(value.first().copied().unwrap_or_default());
    Known {
        at_and_byte: data.payload_offset(rank) | byte << 56,
        slot: slot_of(rank as u64, data.len() as u64) as u32,
        value_len: value.len() as u32,
    }
}
