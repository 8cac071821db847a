//! Bytes → options, entries and patches. Every byte string means something.

use graven::{BuildOptions, Compression, Duplicates, HashIndex};

/// More entries than that, or more bytes before the last one, only make a run slower: the ordered index of 640
/// small entries has two levels.
const MOST_ENTRIES: usize = 700;
const MOST_BYTES: usize = 24 << 10;

pub(crate) struct Input<'a> {
    rest: &'a [u8],
}

/// What the builder is told, in a form that the model understands too.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    pub(crate) duplicates: Duplicates,
    pub(crate) hash_index: HashIndex,
    pub(crate) value_align: u32,
    pub(crate) sorted: bool,
    pub(crate) metadata: bool,
    pub(crate) compression: Option<Compression>,
    pub(crate) compact_keys: bool,
}

impl Options {
    pub(crate) fn build_options(&self) -> BuildOptions {
        let options = BuildOptions::new()
            .duplicates(self.duplicates)
            .hash_index(self.hash_index)
            .value_align(self.value_align)
            .sorted(self.sorted)
            .compress(self.compression)
            .compact_keys(self.compact_keys);
        if self.metadata { options.metadata("made by", "the fuzzer") } else { options }
    }
}

/// Where to damage a table, and how. The position is scaled to the table's length.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patch {
    pub(crate) at: u16,
    pub(crate) how: u8,
    pub(crate) byte: u8,
}

impl<'a> Input<'a> {
    pub(crate) fn new(data: &'a [u8]) -> Self {
        Input { rest: data }
    }

    /// The next byte; zero at the end.
    pub(crate) fn byte(&mut self) -> u8 {
        let Some((&first, rest)) = self.rest.split_first() else { return 0 };
        self.rest = rest;
        first
    }

    fn bytes(&mut self, n: usize) -> &'a [u8] {
        let (bytes, rest) = self.rest.split_at(n.min(self.rest.len()));
        self.rest = rest;
        bytes
    }

    pub(crate) fn options(&mut self) -> Options {
        let (a, b) = (self.byte(), self.byte());
        Options {
            duplicates: [
                Duplicates::KeepAll,
                Duplicates::KeepFirst,
                Duplicates::KeepLast,
                Duplicates::Reject,
            ][usize::from(a % 4)],
            hash_index: [HashIndex::Auto, HashIndex::Always, HashIndex::Never]
                [usize::from(a / 4 % 3)],
            value_align: 1 << (b % 7),
            sorted: a & 0x80 != 0,
            metadata: b & 0x80 != 0,
            compression: None,
            compact_keys: false,
        }
    }

    pub(crate) fn patches(&mut self) -> Vec<Patch> {
        let count = self.byte() % 16;
        (0..count)
            .map(|_| Patch {
                at: u16::from_le_bytes([self.byte(), self.byte()]),
                how: self.byte(),
                byte: self.byte(),
            })
            .collect()
    }

    /// What is asked one after the other: a query, and numbers that choose its keys.
    pub(crate) fn steps(&mut self) -> Vec<[u8; 4]> {
        let count = self.byte() % 48;
        (0..count).map(|_| std::array::from_fn(|_| self.byte())).collect()
    }

    /// The entries: all that is left of the input. Each begins with a byte that says how
    /// its key is made.
    pub(crate) fn entries(&mut self) -> Vec<(Vec<u8>, Vec<u8>)> {
        let mut entries: Vec<(Vec<u8>, Vec<u8>)> = Vec::new();
        let mut bytes = 0;
        while !self.rest.is_empty() && entries.len() < MOST_ENTRIES && bytes < MOST_BYTES {
            let before = entries.len();
            let how = self.byte();
            match how {
                // A run of keys that count upward: whole blocks and index levels from two bytes.
                0xf0.. => {
                    let count = (usize::from(how & 0x0f) + 1) * 40;
                    let value = usize::from(self.byte());
                    let stem = entries.last().map_or(Vec::new(), |(key, _)| key.clone());
                    let stem = &stem[..stem.len().min(64)];
                    let room = (MOST_BYTES - bytes) / (stem.len() + 4 + value) + 1;
                    for i in 0..count.min(MOST_ENTRIES - entries.len()).min(room) as u32 {
                        let key = [stem, &i.to_be_bytes()].concat();
                        entries.push((key, vec![i as u8; value]));
                    }
                }
                // A long key or a long value, of one byte repeated; one key is too long.
                0xe0..=0xef => {
                    let byte = self.byte();
                    let long = [255, 256, 4095, 4096, 65_534, 65_535, 65_536, 70_000]
                        [usize::from(how & 7)];
                    let entry = match how & 8 {
                        0 => (vec![byte; long], Vec::new()),
                        _ => (vec![byte], vec![byte; long]),
                    };
                    entries.push(entry);
                }
                // The start of the last key, then new bytes.
                _ => {
                    let lengths = self.byte();
                    let last = entries.last().map_or(&[][..], |(key, _)| key);
                    let shared = usize::from(how).min(last.len());
                    let key = [&last[..shared], self.bytes(usize::from(lengths & 0x0f))].concat();
                    let value = self.bytes(usize::from(lengths >> 4)).to_vec();
                    entries.push((key, value));
                }
            }
            bytes +=
                entries[before..].iter().map(|(key, value)| key.len() + value.len()).sum::<usize>();
        }
        entries
    }
}
