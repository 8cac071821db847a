//! A build of a packed table beside a bare loop that compresses the same values one by one with the
//! same dictionary, on as many threads. Rounds interleave; the ratio is that of the loop to the build.
//!
//! ```
//! GRAVEN_DOCS=packages.tsv cargo run --release --bin packed_build
//! ```
//!
//! The documents of `docs.py`, each ten times with a key of its own, lie in memory before the clock
//! starts, sorted by key and then shuffled. Nothing is synced.

use graven::{BuildOptions, Compression, OpenOptions, PackedTable, Section};
use std::path::Path;
use std::time::{Duration, Instant};
use zstd::zstd_safe::{CCtx, CDict, CParameter, FrameFormat, compress_bound};

const THREADS: usize = 2;
const ROUNDS: usize = 7;
const COPIES: usize = 10;
/// zstd's level by default.
const LEVEL: i32 = 3;
/// Bytes of the packing section before the dictionary of the values, and where in them its length is.
const PACKING: usize = 64;
const DICTIONARY_LEN: usize = 16;

type Entries = Vec<(Vec<u8>, Vec<u8>)>;

fn main() {
    let path = std::env::var("GRAVEN_DOCS").expect("GRAVEN_DOCS names a file of docs.py");
    let text = std::fs::read_to_string(path).expect("the documents");
    let mut entries: Entries = text
        .lines()
        .filter_map(|line| line.split_once('\t'))
        .flat_map(|(key, value)| {
            (0..COPIES).map(move |i| (format!("{key}/{i}").into(), value.into()))
        })
        .collect();
    entries.sort();
    measure("sorted", &entries, true);
    // Fisher and Yates, from a fixed seed.
    let mut state = 1u64;
    for i in (1..entries.len()).rev() {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        entries.swap(i, (state >> 33) as usize % (i + 1));
    }
    measure("shuffled", &entries, false);
}

fn measure(name: &str, entries: &Entries, sorted: bool) {
    let dir = tempfile::tempdir_in(".").expect("a temporary directory");
    let path = dir.path().join("table");
    let bytes: usize = entries.iter().map(|(key, value)| key.len() + value.len()).sum();
    println!("{name}: {} entries, {bytes} bytes, {THREADS} threads", entries.len());
    let mut ratios = Vec::new();
    for _ in 0..ROUNDS {
        let build = build(&path, entries, sorted);
        let (dictionary, stored) = packing(&path);
        let begin = Instant::now();
        let out = compress(entries, &dictionary);
        let bare = begin.elapsed();
        assert_eq!(out, stored, "the loop does what the build does");
        let ratio = bare.as_secs_f64() / build.as_secs_f64();
        println!("  build {build:.2?}, loop {bare:.2?}, ratio {ratio:.2}");
        ratios.push(ratio);
    }
    ratios.sort_by(f64::total_cmp);
    println!("  median {:.2}", ratios[ROUNDS / 2]);
}

fn build(path: &Path, entries: &Entries, sorted: bool) -> Duration {
    let options = BuildOptions::new().compress(Compression::zstd()).durable(false);
    let options = options.threads(THREADS).sorted(sorted);
    let begin = Instant::now();
    let mut builder = options.create(path).expect("create");
    for (key, value) in entries {
        builder.insert(key, value).expect("insert");
    }
    builder.finish().expect("finish");
    begin.elapsed()
}

/// The dictionary of the values, and the bytes that are stored of values, of which each shrinks.
fn packing(path: &Path) -> (Vec<u8>, u64) {
    let stored = OpenOptions::new().allow_packed(true).load(path).expect("a table");
    let stats = stored.stats().expect("statistics");
    let section = stats.sections.iter().find(|section| section.section == Section::Packing);
    let start = section.expect("a packed table").offset as usize;
    let bytes = std::fs::read(path).expect("the file");
    let len = bytes[start + DICTIONARY_LEN..][..4].try_into().expect("four bytes");
    let dictionary = bytes[start + PACKING..][..u32::from_le_bytes(len) as usize].to_vec();
    let table = PackedTable::try_from(stored).expect("a packed table");
    let packing = table.stored().stats().expect("statistics").packing.expect("packing");
    assert_eq!(packing.as_they_are, 0, "each document shrinks");
    (dictionary, stats.value_bytes)
}

/// Compresses the values, and returns the bytes of all.
fn compress(entries: &Entries, dictionary: &[u8]) -> u64 {
    let prepared = CDict::create(dictionary, LEVEL);
    let work = |entries: &[(Vec<u8>, Vec<u8>)]| {
        let mut context = CCtx::create();
        for parameter in [
            CParameter::Format(FrameFormat::Magicless),
            CParameter::ContentSizeFlag(true),
            CParameter::ChecksumFlag(false),
            CParameter::DictIdFlag(false),
        ] {
            context.set_parameter(parameter).expect("a parameter");
        }
        context.ref_cdict(&prepared).expect("a dictionary");
        let (mut out, mut total) = (Vec::new(), 0);
        for (_, value) in entries {
            out.clear();
            out.reserve(compress_bound(value.len()));
            total += context.compress2(&mut out, value).expect("compress") as u64;
        }
        total
    };
    let work = &work;
    std::thread::scope(|scope| {
        let parts = entries.chunks(entries.len().div_ceil(THREADS));
        let parts: Vec<_> = parts.map(|part| scope.spawn(move || work(part))).collect();
        parts.into_iter().map(|part| part.join().expect("a thread")).sum()
    })
}
