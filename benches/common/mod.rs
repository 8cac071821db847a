//! The named workloads, their tables and their queries.
//!
//! Everything is deterministic: the same number of entries gives the same keys, values
//! and queries on every machine. `GRAVEN_BENCH_ENTRIES` sets the number, 1,000,000 unless said.

// Each bench uses a part of this module, and every bench a different one.
#![allow(dead_code, reason = "shared by benches that each use a part")]

pub(crate) mod chosen;
pub(crate) mod enemies;

use graven::{BuildOptions, Table};
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// Seconds that this process has computed, on all its threads, which other processes do not change;
/// 0 where the system does not say.
pub(crate) fn computed() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace().skip(11);
    fields.take(2).filter_map(|ticks| ticks.parse::<f64>().ok()).sum::<f64>() / 100.0
}

/// The queries of one iteration: enough that the loop around them costs nothing.
pub(crate) const BATCH: usize = 1024;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Workload {
    /// 8-byte random keys, 8-byte values.
    U64,
    /// 16-byte random keys, 64-byte values.
    Id,
    /// Keys like URLs, 39 to 95 bytes with long shared prefixes; values of 20 to 400 bytes.
    Url,
}

pub(crate) const WORKLOADS: [Workload; 3] = [Workload::U64, Workload::Id, Workload::Url];

const SECTIONS: [&str; 8] = [
    "news",
    "articles",
    "products/catalogue",
    "user/profile/settings",
    "documentation/reference/stable",
    "wiki",
    "archive/2024/public/records",
    "images/originals",
];

impl Workload {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Workload::U64 => "u64",
            Workload::Id => "id",
            Workload::Url => "url",
        }
    }

    /// Writes the key of entry `i`. Distinct `i` give distinct keys; the order of the
    /// keys has nothing to do with the order of the numbers.
    pub(crate) fn key(self, i: u64, out: &mut Vec<u8>) {
        out.clear();
        let a = mix(i);
        match self {
            Workload::U64 => out.extend_from_slice(&a.to_be_bytes()),
            Workload::Id => {
                out.extend_from_slice(&a.to_be_bytes());
                out.extend_from_slice(&mix(!a).to_be_bytes());
            }
            Workload::Url => {
                use std::io::Write;
                let section = SECTIONS[(a >> 8) as usize % SECTIONS.len()];
                write!(out, "https://www.site-{:03}.example.org/{section}/", a % 500)
                    .expect("a Vec");
                // The longer half of the keys has one more directory.
                if a >> 63 == 1 {
                    write!(out, "{:016x}-{:08x}/", mix(a >> 40), (a >> 44) as u32).expect("a Vec");
                }
                write!(out, "{i:x}").expect("a Vec");
            }
        }
    }

    /// Writes the value of entry `i`.
    pub(crate) fn value(self, i: u64, out: &mut Vec<u8>) {
        out.clear();
        let seed = mix(i ^ 0x5eed);
        let len = match self {
            Workload::U64 => 8,
            Workload::Id => 64,
            Workload::Url => 20 + (seed % 381) as usize,
        };
        let mut word = seed;
        while out.len() < len {
            word = mix(word);
            let bytes = word.to_le_bytes();
            out.extend_from_slice(&bytes[..bytes.len().min(len - out.len())]);
        }
    }

    /// `count` keys of stored entries, at random.
    pub(crate) fn hits(self, entries: u64, count: usize) -> Keys {
        Keys::generate(self, count, |n| mix(n ^ 0x1117) % entries)
    }

    /// `count` keys of the same kind that are not stored.
    pub(crate) fn misses(self, entries: u64, count: usize) -> Keys {
        Keys::generate(self, count, |n| entries + n)
    }

    /// All keys and values in the order of their numbers, or ascending by key.
    pub(crate) fn entries(self, entries: u64, sorted: bool) -> Vec<(Vec<u8>, Vec<u8>)> {
        let mut all: Vec<_> = (0..entries)
            .map(|i| {
                let (mut key, mut value) = (Vec::new(), Vec::new());
                self.key(i, &mut key);
                self.value(i, &mut value);
                (key, value)
            })
            .collect();
        if sorted {
            all.sort();
            // The copies lie in memory in the order in which they are read; otherwise a build would wait for
            // the caller's entries.
            all = all.to_vec();
        }
        all
    }
}

/// Query keys, back to back: reading the next one costs no cache miss of its own.
pub(crate) struct Keys {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Keys {
    fn generate(workload: Workload, count: usize, number: impl Fn(u64) -> u64) -> Keys {
        let mut keys = Keys { bytes: Vec::new(), ends: Vec::with_capacity(count) };
        let mut key = Vec::new();
        for n in 0..count {
            workload.key(number(n as u64), &mut key);
            keys.bytes.extend_from_slice(&key);
            keys.ends.push(keys.bytes.len());
        }
        keys
    }

    pub(crate) fn slices(&self) -> Vec<&[u8]> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts.zip(&self.ends).map(|(start, &end)| &self.bytes[start..end]).collect()
    }
}

/// A built table in a directory that goes away with it.
pub(crate) struct Fixture {
    pub(crate) table: Table,
    pub(crate) path: PathBuf,
    pub(crate) entries: u64,
    _dir: TempDir,
}

impl Fixture {
    /// Builds the workload's table, maps it, and checks all of it, so that no page is
    /// touched for the first time while the clock runs.
    pub(crate) fn new(workload: Workload) -> Fixture {
        let entries = entries();
        let dir = tempfile::tempdir().expect("a temporary directory");
        let path = dir.path().join(workload.name());
        let mut builder = BuildOptions::new().durable(false).create(&path).expect("create");
        let (mut key, mut value) = (Vec::new(), Vec::new());
        for i in 0..entries {
            workload.key(i, &mut key);
            workload.value(i, &mut value);
            builder.insert(&key, &value).expect("insert");
        }
        builder.finish().expect("finish");
        let table = open(&path);
        table.verify().expect("a good table");
        Fixture { table, path, entries, _dir: dir }
    }
}

/// The number of entries of every table.
pub(crate) fn entries() -> u64 {
    match std::env::var("GRAVEN_BENCH_ENTRIES") {
        Ok(text) => text.parse().expect("GRAVEN_BENCH_ENTRIES is a number"),
        Err(_) => 1_000_000,
    }
}

/// As many queries as entries, so that they do not stay in the cache, but no more than 2^20.
pub(crate) fn queries() -> usize {
    usize::try_from(entries()).map_or(1 << 20, |n| n.clamp(BATCH, 1 << 20))
}

#[expect(unsafe_code, reason = "mapping a path is a promise about the file")]
pub(crate) fn open(path: &Path) -> Table {
    // SAFETY: the file lies in a private temporary directory; nobody changes it.
    unsafe { Table::open(path) }.expect("open")
}

/// Reads all the bytes, eight at a time.
pub(crate) fn touch(bytes: &[u8]) -> u64 {
    let (words, rest) = bytes.as_chunks::<8>();
    let sum = words.iter().fold(0, |sum: u64, word| sum.wrapping_add(u64::from_le_bytes(*word)));
    rest.iter().fold(sum, |sum, &byte| sum.wrapping_add(u64::from(byte)))
}

/// The finalizer of splitmix64: a bijection whose results look random.
pub(crate) fn mix(i: u64) -> u64 {
    let mut z = i.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
