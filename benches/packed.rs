//! Packed tables beside a plain one of the same entries: size, build, hits, dependent hits, misses,
//! batches of 64, searches by order with ten entries, scans. Each figure is a ratio to the plain table;
//! of the plain one the time itself.
//!
//! ```sh
//! cargo bench --features fsst,zstd --bench packed
//! GRAVEN_BENCH_TSV=cldr.tsv,packages.tsv cargo bench --features fsst,zstd --bench packed
//! ```
//!
//! The data are 1M entries with URLs as keys (`GRAVEN_BENCH_ENTRIES` names another number) and files of
//! lines, key TAB value. Rounds interleave the tables.

mod common;

use common::{Workload, mix, touch};
use graven::{BuildOptions, Compression, HashIndex, OpenOptions, PackedTable, ValueBuffer};
use std::hint::black_box;
use std::time::Instant;

const ROUNDS: usize = 5;
const LOOKUPS: usize = 200_000;
const SEEKS: usize = 50_000;
const BATCH: usize = 64;

type Entries = Vec<(Vec<u8>, Vec<u8>)>;

struct Way {
    name: &'static str,
    compression: Option<Compression>,
    compact: bool,
}

/// The plain table and its rivals.
fn ways() -> [Way; 7] {
    let way = |name, compression, compact| Way { name, compression, compact };
    [
        way("plain", None, false),
        way("compact keys", None, true),
        way("fsst", Some(Compression::fsst()), false),
        way("fsst, compact keys", Some(Compression::fsst()), true),
        way("zstd", Some(Compression::zstd()), false),
        way("zstd, compact keys", Some(Compression::zstd()), true),
        way("zstd level 19", Some(Compression::zstd().level(19)), false),
    ]
}

const MEASURES: [&str; 7] =
    ["build s", "hit ns", "dependent ns", "miss ns", "batch ns", "seek + 10 ns", "scan ns"];

struct Built {
    table: PackedTable,
    bytes: u64,
    times: [Vec<f64>; MEASURES.len()],
}

fn median(times: &[f64]) -> f64 {
    let mut times = times.to_vec();
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

/// Seconds of `work`.
fn timed(work: impl FnOnce() -> u64) -> f64 {
    let begun = Instant::now();
    black_box(work());
    begun.elapsed().as_secs_f64()
}

fn measure(built: &mut Built, keys: &[&[u8]], absent: &[Vec<u8>]) {
    let (table, buffer) = (&built.table, &mut ValueBuffer::new());
    let per = |seconds: f64, count: usize| seconds * 1e9 / count as f64;
    let sum = |keys: &mut dyn Iterator<Item = &[u8]>, buffer: &mut ValueBuffer| {
        keys.fold(0, |sum, key| {
            sum + table.get(key, buffer).expect("a sound table").map_or(1, touch)
        })
    };
    let hits = timed(|| sum(&mut keys.iter().copied(), buffer));
    let misses = timed(|| sum(&mut absent.iter().map(Vec::as_slice), buffer));
    let mut state = 0;
    let dependent = timed(|| {
        for _ in keys {
            let key = keys[mix(state) as usize % keys.len()];
            let value = table.get(key, buffer).expect("a sound table");
            state = state.wrapping_add(1 + value.map_or(0, touch) % 2);
        }
        state
    });
    let mut found = 0;
    let batches = timed(|| {
        for batch in keys.chunks(BATCH) {
            let each = |value: Option<&[u8]>| found += value.map_or(0, touch) & 1;
            table.get_many_with(batch, buffer, each).expect("a sound table");
        }
        found
    });
    let mut cursor = table.cursor();
    let seeks = timed(|| {
        let mut sum = 0;
        for key in &absent[..absent.len().min(SEEKS)] {
            let mut more = cursor.seek_ceil(key).expect("a sound table");
            for _ in 0..10 {
                let Some((key, value)) = cursor.entry().expect("a sound table") else { break };
                sum += touch(value) + key.len() as u64;
                more &= cursor.next().expect("a sound table");
            }
            sum += u64::from(more);
        }
        sum
    });
    let scan = timed(|| {
        let (mut entries, mut sum) = (table.iter(), 0);
        while let Some(entry) = entries.next_lent() {
            let (key, value) = entry.expect("a sound table");
            sum += touch(value) + key.len() as u64;
        }
        sum
    });
    let figures = [
        per(hits, keys.len()),
        per(dependent, keys.len()),
        per(misses, absent.len()),
        per(batches, keys.len()),
        per(seeks, absent.len().min(SEEKS)),
        per(scan, table.len() as usize),
    ];
    built.times[1..].iter_mut().zip(figures).for_each(|(times, figure)| times.push(figure));
}

fn run(name: &str, entries: &Entries) {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let mut tables: Vec<Built> = Vec::new();
    for (number, way) in ways().iter().enumerate() {
        let path = directory.path().join(number.to_string());
        let options = BuildOptions::new().hash_index(HashIndex::Always).durable(false);
        let options = options.compress(way.compression).compact_keys(way.compact);
        let begun = Instant::now();
        let built = options.build(&path, entries.iter().map(|(k, v)| (k, v))).expect("a table");
        let seconds = begun.elapsed().as_secs_f64();
        #[expect(unsafe_code, reason = "mapping a path is a promise about the file")]
        // SAFETY: the files lie in a private temporary directory; nobody changes them.
        let table = unsafe { PackedTable::open_with(&path, &OpenOptions::new()) }.expect("a table");
        table.stored().verify().expect("a sound table");
        let mut times: [Vec<f64>; MEASURES.len()] = Default::default();
        times[0].push(seconds);
        tables.push(Built { table, bytes: built.file_bytes, times });
    }
    // Copies, one after the other: reading the next key costs no cache miss of its own.
    let order = |i: usize| entries[mix(i as u64) as usize % entries.len()].0.clone();
    let asked: Vec<Vec<u8>> = (0..LOOKUPS).map(order).collect();
    let keys: Vec<&[u8]> = asked.iter().map(Vec::as_slice).collect();
    let absent: Vec<Vec<u8>> = keys.iter().map(|key| [key, &b"~"[..]].concat()).collect();
    for _ in 0..ROUNDS {
        tables.iter_mut().for_each(|built| measure(built, &keys, &absent));
    }
    println!("\n{name}: {} entries\n", entries.len());
    println!("| table | MB | {} |", MEASURES.join(" | "));
    println!("|---|---|{}", "---|".repeat(MEASURES.len()));
    let plain: Vec<f64> = tables[0].times.iter().map(|times| median(times)).collect();
    for (way, built) in ways().iter().zip(&tables) {
        let (mb, first) = (built.bytes as f64 / 1e6, way.name == "plain");
        let figure = |(times, plain): (&Vec<f64>, &f64)| match first {
            true => format!("{plain:.1}"),
            false => format!("× {:.2}", median(times) / plain),
        };
        let figures: Vec<_> = built.times.iter().zip(&plain).map(figure).collect();
        let share = built.bytes as f64 / tables[0].bytes as f64;
        println!("| {} | {mb:.1} (× {share:.2}) | {} |", way.name, figures.join(" | "));
    }
}

fn main() {
    if std::env::args().any(|argument| argument == "--test") {
        return run("smoke", &Workload::Url.entries(2_000, true));
    }
    let count = std::env::var("GRAVEN_BENCH_ENTRIES").ok().and_then(|n| n.parse().ok());
    run("URLs", &Workload::Url.entries(count.unwrap_or(1_000_000), true));
    let files = std::env::var("GRAVEN_BENCH_TSV").unwrap_or_default();
    for file in files.split(',').filter(|file| !file.is_empty()) {
        let text = std::fs::read(file).expect("a file that can be read");
        let lines = text.split(|&byte| byte == b'\n').filter(|line| !line.is_empty());
        let entries: Entries = lines
            .map(|line| {
                let tab = line.iter().position(|&byte| byte == b'\t').expect("key TAB value");
                (line[..tab].to_vec(), line[tab + 1..].to_vec())
            })
            .collect();
        run(file, &entries);
    }
}
