//! What the tests share: one generator, one model, the forms a table can take, one function that
//! compares every query of a table with the model, one that runs every query of a table that may
//! lie; tables of numbered keys, other processes, and what the system says about them.

#![allow(dead_code, reason = "each test file uses its own part")]
#![allow(unused_imports, reason = "each test file uses its own part")]

pub(crate) mod bases;
pub(crate) mod combined;
mod compare;
pub(crate) mod craft;
pub(crate) mod exercise;
mod forms;
pub(crate) mod generate;
mod model;
mod numbered;
mod process;
pub(crate) mod python;
mod record;
mod small_disk;
mod smaps;

pub(crate) use compare::compare;
#[cfg(unix)]
pub(crate) use forms::run_child_after;
pub(crate) use forms::{Form, each_form, run_child};
pub(crate) use model::{Case, Entry, Model};
pub(crate) use numbered::{
    Index, VALUE, absent_key, indexed_table, numbered_key, numbered_table, numbered_value,
    value_len,
};
pub(crate) use process::{Parent, Peer, answer, arguments, this_binary, this_program};
pub(crate) use record::{counts, duration, record};
pub(crate) use small_disk::SmallDisk;
pub(crate) use smaps::{Mapped, field};

use std::fmt::Debug;
use std::path::{Path, PathBuf};

/// A small random number generator with a seed, for what proptest need not shrink: SplitMix64
/// (Steele, Lea and Flood 2014), the same numbers on every machine.
#[derive(Clone, Debug)]
pub(crate) struct Rng(u64);

impl Rng {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number below `end`, which is above 0.
    pub(crate) fn below<N>(&mut self, end: N) -> N
    where
        N: TryFrom<u64, Error: Debug> + TryInto<u64, Error: Debug>,
    {
        let end: u64 = end.try_into().expect("a number above 0");
        N::try_from(self.next() % end).expect("a number below the end")
    }

    pub(crate) fn bytes(&mut self, len: usize) -> Vec<u8> {
        (0..len).map(|_| self.next() as u8).collect()
    }

    pub(crate) fn shuffle<T>(&mut self, items: &mut [T]) {
        for i in (1..items.len()).rev() {
            items.swap(i, self.below(i + 1));
        }
    }
}

/// Says on standard error why a test proves nothing here.
pub(crate) fn skip(test: &str, why: &str) {
    eprintln!("{test}: skipped: {why}");
}

/// Whether the long form of a test was asked for: `GRAVEN_FULL=1`.
pub(crate) fn full() -> bool {
    std::env::var_os("GRAVEN_FULL").is_some_and(|value| value == "1")
}

/// A temporary directory on the file system of the build directory, which unlike `/tmp` is
/// seldom a tmpfs.
pub(crate) fn directory() -> tempfile::TempDir {
    tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a temporary directory")
}

/// `GRAVEN_TEST_SCALE`: 1 unless set, 100 for the full run, a fraction in CI and under emulation.
fn scale() -> f64 {
    let scale = std::env::var("GRAVEN_TEST_SCALE");
    scale.map_or(1.0, |scale| scale.parse().expect("GRAVEN_TEST_SCALE: a number"))
}

/// How many cases a test runs, at least one: `cases` times `GRAVEN_TEST_SCALE`.
pub(crate) fn scaled(cases: u32) -> u32 {
    // Ends at the largest number, as casts of floats do.
    (f64::from(cases) * scale()).ceil().max(1.0) as u32
}

/// One in how many cases a test runs that otherwise runs all: more than one only where
/// `GRAVEN_TEST_SCALE` is a fraction, and always an odd number, so that bits of all places in a byte
/// are among them.
pub(crate) fn stride() -> usize {
    (1.0 / scale()).max(1.0) as usize | 1
}

/// Whether committed test data is to be made anew.
pub(crate) fn blessing() -> bool {
    std::env::var_os("BLESS").is_some_and(|value| value == "1")
}

/// The names in a directory, sorted.
pub(crate) fn names(directory: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(directory).expect("the directory");
    let names = entries.map(|entry| entry.expect("an entry").file_name().into_string());
    let mut names: Vec<_> = names.map(|name| name.expect("a name in UTF-8")).collect();
    names.sort();
    names
}

/// A directory of committed test data.
pub(crate) fn data(directory: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(directory)
}

/// What a test of damage counts. `Display` is the one line that it prints.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tally {
    pub(crate) tried: u64,
    pub(crate) detected: u64,
    pub(crate) lost: u64,
    pub(crate) crashed: u64,
}

impl Tally {
    pub(crate) fn add(self, other: Self) -> Self {
        Self {
            tried: self.tried + other.tried,
            detected: self.detected + other.detected,
            lost: self.lost + other.lost,
            crashed: self.crashed + other.crashed,
        }
    }

    /// Prints the line and fails unless everything was detected.
    pub(crate) fn settle(self, what: &str) {
        let Self { tried, detected, lost, crashed } = self;
        println!("{what}: tried {tried}, detected {detected}, lost {lost}, crashed {crashed}");
        assert!(tried > 0, "{what}: nothing was tried");
        assert!(lost == 0 && crashed == 0 && detected == tried, "{what}: {self:?}");
    }
}
