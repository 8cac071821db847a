//! The same table as it arrives: built in place, copied, downloaded, read after a restart; and what
//! `Warm::LargePages` makes of it. Prints the share of 2 MiB pages, the page tables that a reader has
//! once it has touched all, and hits, independent and dependent, as ratios to the table built in place.
//!
//! ```sh
//! cargo bench --bench arrival
//! ```
//!
//! `GRAVEN_BENCH_DIR` names a directory on the file system that is meant, `GRAVEN_BENCH_ENTRIES` a
//! number of ids. Rounds interleave the tables. rsync is left out where it is missing, overlayfs where
//! nothing may be mounted. Linux.

mod common;

use common::{Workload, touch};
use graven::{BuildOptions, OpenOptions, PublishOptions, Table, Warm};
use std::fs::File;
use std::hint::black_box;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

const ENTRIES: u64 = 2_500_000;
const ROUNDS: usize = 7;
const LOOKUPS: usize = 400_000;

/// A way by which a table comes to its place.
struct Way {
    name: &'static str,
    bring: fn(&Path, &Path) -> io::Result<()>,
}

const WAYS: [Way; 7] = [
    Way { name: "built in place", bring: |from, to| std::fs::hard_link(from, to) },
    Way {
        name: "graven publish",
        bring: |from, to| {
            let published = PublishOptions::new().publish(from, to);
            published.map(drop).map_err(io::Error::other)
        },
    },
    Way { name: "cp", bring: |from, to| run(Command::new("cp").arg(from).arg(to)) },
    Way { name: "rsync", bring: |from, to| run(Command::new("rsync").arg(from).arg(to)) },
    Way { name: "download, pieces of 64 KiB", bring: download },
    Way { name: "overlayfs, lower layer by cp", bring: overlay },
    Way {
        name: "cold, as after a restart",
        bring: |from, to| {
            std::fs::copy(from, to)?;
            let file = File::open(to)?;
            file.sync_all()?;
            Ok(rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed)?)
        },
    },
];

fn run(command: &mut Command) -> io::Result<()> {
    let status = command.status()?;
    if status.success() { Ok(()) } else { Err(io::Error::other(status.to_string())) }
}

fn download(from: &Path, to: &Path) -> io::Result<()> {
    let (mut from, mut to, mut piece) = (File::open(from)?, File::create(to)?, vec![0; 64 << 10]);
    loop {
        match from.read(&mut piece)? {
            0 => return Ok(()),
            got => to.write_all(&piece[..got])?,
        }
    }
}

/// A copy in the lower layer of an overlay, reached through a link at `to`.
fn overlay(from: &Path, to: &Path) -> io::Result<()> {
    let parts = ["lower", "upper", "work", "merged"].map(|part| to.with_extension(part));
    parts.iter().try_for_each(std::fs::create_dir)?;
    let [lower, upper, work, merged] = &parts;
    run(Command::new("cp").arg(from).arg(lower.join("table")))?;
    let layers = format!(
        "lowerdir={},upperdir={},workdir={}",
        lower.display(),
        upper.display(),
        work.display()
    );
    run(Command::new("mount").args(["-t", "overlay", "overlay", "-o", &layers]).arg(merged))?;
    std::os::unix::fs::symlink(merged.join("table"), to)
}

/// Unmounts what [`overlay`] has mounted.
struct Mounted(PathBuf);

impl Drop for Mounted {
    fn drop(&mut self) {
        if self.0.exists() {
            let _ =
                Command::new("umount").arg(&self.0).stderr(std::process::Stdio::null()).status();
        }
    }
}

/// The first number behind `name` in a file of `/proc`, summed up over its lines.
fn figure(file: &str, name: &str) -> u64 {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    let lines = text.lines().filter_map(|line| line.strip_prefix(name));
    lines.filter_map(|rest| rest.split_whitespace().next()?.parse::<u64>().ok()).sum()
}

struct Arrived {
    name: String,
    table: Table,
    share: f64,
    page_tables: u64,
    seconds: f64,
    hits: Vec<f64>,
    dependent: Vec<f64>,
}

#[expect(unsafe_code, reason = "mapping a path is a promise about the file")]
fn open(name: String, path: &Path, warm: Warm) -> Arrived {
    let tables = || figure("/proc/self/status", "VmPTE:");
    let large = || figure("/proc/self/smaps", "FilePmdMapped:");
    let (tables_before, large_before) = (tables(), large());
    let begun = Instant::now();
    // SAFETY: the files lie in a private temporary directory; nobody changes them.
    let table = unsafe { OpenOptions::new().warm(warm).open(path) }.expect("a table");
    let seconds = begun.elapsed().as_secs_f64();
    // By touch, as lookups of a long run would, and in their order.
    table.verify().expect("a sound table");
    for entry in &table {
        black_box(touch(entry.expect("a sound table").1));
    }
    let bytes = table.stats().expect("a sound table").file_bytes;
    let share = (large() - large_before) as f64 * 1024.0 / bytes as f64;
    let page_tables = tables() - tables_before;
    Arrived { name, table, share, page_tables, seconds, hits: vec![], dependent: vec![] }
}

fn median(numbers: &[f64]) -> f64 {
    let mut numbers = numbers.to_vec();
    numbers.sort_by(f64::total_cmp);
    numbers[numbers.len() / 2]
}

fn main() {
    let entries =
        std::env::var("GRAVEN_BENCH_ENTRIES").map_or(ENTRIES, |n| n.parse().expect("a number"));
    let base = std::env::var_os("GRAVEN_BENCH_DIR").map_or_else(std::env::temp_dir, PathBuf::from);
    let dir = tempfile::tempdir_in(base).expect("a temporary directory");
    let built = dir.path().join("built");
    let workload = Workload::Id;
    let mut builder = BuildOptions::new().durable(false).create(&built).expect("create");
    for (key, value) in workload.entries(entries, true) {
        builder.insert(key, value).expect("insert");
    }
    builder.finish().expect("finish");
    let keys = workload.hits(entries, LOOKUPS);
    let keys = keys.slices();
    let _mounted: Vec<Mounted> = (0..WAYS.len())
        .map(|number| Mounted(dir.path().join(format!("{number}.merged"))))
        .collect();
    let mut arrived = Vec::new();
    for (number, way) in WAYS.iter().enumerate() {
        let path = dir.path().join(number.to_string());
        if let Err(error) = (way.bring)(&built, &path) {
            println!("without {}: {error}", way.name);
            continue;
        }
        arrived.push(open(way.name.to_owned(), &path, Warm::None));
        // Read again into large pages where nobody has it mapped: another file of the same kind.
        let again = dir.path().join(format!("{number}w"));
        let brought =
            if way.name.starts_with("overlay") { Ok(()) } else { (way.bring)(&built, &again) };
        if number > 1 && brought.is_ok() && again.exists() {
            arrived.push(open(format!("{}, warmed", way.name), &again, Warm::LargePages));
        }
    }
    for round in 0..ROUNDS {
        for turn in 0..arrived.len() {
            let at = (round + turn) % arrived.len();
            let Arrived { table, hits, dependent, .. } = &mut arrived[at];
            let value = |key: &[u8]| table.get(key).expect("a sound table").expect("a hit");
            let begun = Instant::now();
            for key in &keys {
                black_box(value(key)[0]);
            }
            hits.push(begun.elapsed().as_secs_f64() * 1e9 / keys.len() as f64);
            // Zero, but the compiler does not know: the next key's address waits for the last value.
            let (zero, mut last) = (black_box(0usize), 0usize);
            let begun = Instant::now();
            for number in 0..keys.len() {
                last = usize::from(value(keys[number + (last & zero)])[0]);
            }
            dependent.push(begun.elapsed().as_secs_f64() * 1e9 / keys.len() as f64);
        }
    }
    let first = [median(&arrived[0].hits), median(&arrived[0].dependent)];
    let bytes = arrived[0].table.stats().expect("a sound table").file_bytes;
    println!(
        "{entries} ids, {:.0} MB; built in place: {:.0} ns, dependent {:.0} ns",
        bytes as f64 / 1e6,
        first[0],
        first[1]
    );
    println!("| how it came | in 2 MiB pages | page tables | open | hit | dependent hit |");
    println!("|---|---:|---:|---:|---:|---:|");
    for one in &arrived {
        println!(
            "| {} | {:.0} % | {} kB | {:.2} s | {:.2} | {:.2} |",
            one.name,
            100.0 * one.share,
            one.page_tables,
            one.seconds,
            median(&one.hits) / first[0],
            median(&one.dependent) / first[1],
        );
    }
}
