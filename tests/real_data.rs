//! Guards against a store that works on keys its authors made up: long shared prefixes, every
//! script, forty hexadecimal digits. Two files that nobody on this project made are built into
//! tables; what comes out must be what went in, by every way in, and the overhead per entry that
//! was promised is held. The files are found through `GRAVEN_DATA`; see CONTRIBUTING.md.

#![expect(unsafe_code, reason = "mapping a path is unsafe; these tests map files of their own")]

mod common;

use common::{Rng, skip};
use graven::{BuildOptions, HashIndex, Table};
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::time::Instant;

/// One file after the other: both are large, and build times are taken.
static ALONE: Mutex<()> = Mutex::new(());

/// Where the data is, if it is anywhere.
fn data(test: &str, name: &str) -> Option<PathBuf> {
    let Some(directory) = std::env::var_os("GRAVEN_DATA") else {
        skip(test, "GRAVEN_DATA is not set");
        return None;
    };
    let path = Path::new(&directory).join(name);
    if path.is_file() {
        return Some(path);
    }
    skip(test, &format!("{} is no file", path.display()));
    None
}

/// The unpacked text of a file, from a gzip that is waited for.
struct Unpacked(Child);

impl Unpacked {
    fn new(path: &Path) -> Self {
        let gzip = Command::new("gzip").arg("-dc").arg(path).stdout(Stdio::piped()).spawn();
        Self(gzip.expect("gzip starts"))
    }
}

impl Read for Unpacked {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        self.0.stdout.as_mut().expect("its standard output").read(buffer)
    }
}

impl Drop for Unpacked {
    fn drop(&mut self) {
        let status = self.0.wait().expect("gzip ends");
        assert!(status.success() || std::thread::panicking(), "gzip: {status}");
    }
}

/// Key and value of a line without its end.
fn entry(line: &[u8]) -> (&[u8], &[u8]) {
    let tab = line.iter().position(|&byte| byte == b'\t').expect("a TAB in every line");
    (&line[..tab], &line[tab + 1..])
}

/// Peak of this process's resident memory in MiB since [`reset_peak`], where the system says so.
fn peak() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    status.contains("VmHWM").then(|| common::field(&status, "VmHWM") >> 10)
}

fn reset_peak() {
    // Without it the peak is that of the whole process so far: a number that is printed only.
    let _ = std::fs::write("/proc/self/clear_refs", "5");
}

struct Built {
    path: PathBuf,
    overhead: f64,
}

/// Builds a table from the packed file, line by line.
fn build(packed: &Path, directory: &Path, hash_index: HashIndex, entries: u64) -> Built {
    let path = directory.join(format!("{hash_index:?}.grv"));
    let mut input = BufReader::with_capacity(1 << 20, Unpacked::new(packed));
    reset_peak();
    let start = Instant::now();
    let mut builder = BuildOptions::new().hash_index(hash_index).create(&path).expect("a builder");
    let mut line = Vec::new();
    while input.read_until(b'\n', &mut line).expect("a line") > 0 {
        let (key, value) = entry(line.strip_suffix(b"\n").unwrap_or(&line));
        builder.insert(key, value).expect("an insert");
        line.clear();
    }
    let read = start.elapsed();
    let summary = builder.finish().expect("a table");
    let (all, peak) = (start.elapsed(), peak());
    assert_eq!(summary.entries, entries);
    assert_eq!(summary.keys, entries);
    let raw = summary.key_bytes + summary.value_bytes;
    let overhead = (summary.file_bytes - raw) as f64 / summary.entries as f64;
    eprintln!(
        "{:?} ({:?}): {} bytes, {overhead:.3} B per entry over {raw} raw; \
         {:.2} s to read and insert, {:.2} s to finish, peak {} MiB",
        hash_index,
        summary.hash_index,
        summary.file_bytes,
        read.as_secs_f64(),
        (all - read).as_secs_f64(),
        peak.map_or("?".to_owned(), |mib| mib.to_string()),
    );
    Built { path, overhead }
}

fn open(built: &Built) -> Table {
    // SAFETY: the file lies in this test's own directory, and nothing writes to it.
    unsafe { Table::open(&built.path) }.expect("a table")
}

/// Keys that are not in the sorted lines, close to ones that are.
fn absent(lines: &[&[u8]], wanted: usize) -> Vec<Vec<u8>> {
    let keys: Vec<&[u8]> = lines.iter().map(|line| entry(line).0).collect();
    let mut random = Rng::new(7);
    let mut absent = Vec::new();
    while absent.len() < wanted {
        let mut key = keys[random.below(keys.len() as u64) as usize].to_vec();
        match random.below(4) {
            0 => key.push(random.next() as u8),
            1 => key.truncate(random.below(key.len() as u64) as usize),
            2 => {
                let at = random.below(key.len() as u64) as usize;
                key[at] ^= 1 << random.below(8);
            }
            _ => key = random.bytes(key.len()),
        }
        if keys.binary_search(&key.as_slice()).is_err() {
            absent.push(key);
        }
    }
    absent
}

/// Iteration, as `dump` would write it, gives the sorted lines.
fn check_order(table: &Table, lines: &[&[u8]]) {
    let mut rank = 0;
    for found in table.iter() {
        let (key, value) = found.expect("a sound table");
        assert_eq!(Some((key, value)), lines.get(rank).map(|line| entry(line)), "entry {rank}");
        rank += 1;
    }
    assert_eq!(rank, lines.len());
}

fn check_lookups(table: &Table, lines: &[&[u8]]) {
    let mut answers = Vec::new();
    for batch in lines.chunks(1000) {
        let keys: Vec<&[u8]> = batch.iter().map(|line| entry(line).0).collect();
        table.get_many_into(&keys, &mut answers).expect("a sound table");
        assert_eq!(answers.len(), keys.len());
        for (line, answer) in batch.iter().zip(&answers) {
            let (key, value) = entry(line);
            assert_eq!(table.get(key).expect("a sound table"), Some(value));
            assert_eq!(*answer, Some(value), "get_many of {}", key.escape_ascii());
        }
    }
    let absent = absent(lines, 10_000);
    table.get_many_into(&absent, &mut answers).expect("a sound table");
    assert_eq!(answers, vec![None; absent.len()]);
    for key in &absent {
        assert_eq!(table.get(key).expect("a sound table"), None, "{}", key.escape_ascii());
    }
}

/// `prefix` gives what a filter over the sorted lines gives.
fn check_prefixes(table: &Table, lines: &[&[u8]]) {
    let mut random = Rng::new(11);
    let mut prefixes: Vec<Vec<u8>> = vec![b"no such prefix".to_vec(), vec![0xFF]];
    for len in [1, 2, 3, 5, 8, 13, 21, 34, 55] {
        let key = entry(lines[random.below(lines.len() as u64) as usize]).0;
        prefixes.push(key[..len.min(key.len())].to_vec());
    }
    let mut found_some = 0;
    for prefix in &prefixes {
        let wanted = lines.iter().filter(|line| line.starts_with(prefix)).map(|line| entry(line));
        let wanted: Vec<_> = wanted.filter(|(key, _)| key.starts_with(prefix)).collect();
        let found: Result<Vec<_>, _> = table.prefix(prefix).collect();
        assert!(found.expect("a sound table") == wanted, "prefix {}", prefix.escape_ascii());
        found_some += usize::from(!wanted.is_empty());
    }
    assert_eq!(found_some, prefixes.len() - 2);
}

fn check_file(test: &str, name: &str, entries: u64) {
    let Some(packed) = data(test, name) else { return };
    // Poisoned by the other file's failure, which is no business of this one.
    let _alone = ALONE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    eprintln!("{name}:");
    let directory = common::directory();
    let both = build(&packed, directory.path(), HashIndex::Always, entries);
    let ordered = build(&packed, directory.path(), HashIndex::Never, entries);
    let default = build(&packed, directory.path(), HashIndex::Auto, entries);

    let mut text = Vec::new();
    Unpacked::new(&packed).read_to_end(&mut text).expect("the text");
    let mut lines: Vec<&[u8]> =
        text.strip_suffix(b"\n").unwrap_or(&text).split(|&b| b == b'\n').collect();
    lines.sort_unstable();
    assert_eq!(lines.len() as u64, entries);
    for built in [&both, &ordered, &default] {
        let table = open(built);
        assert_eq!(table.len(), entries);
        check_order(&table, &lines);
        check_lookups(&table, &lines);
        check_prefixes(&table, &lines);
        let report = table.verify().expect("a sound table");
        assert_eq!(report.entries, entries);
    }
    let (both, ordered) = (both.overhead, ordered.overhead);
    assert!(both <= 9.5, "{both:.3} bytes per entry with both indexes");
    assert!(ordered <= 4.0, "{ordered:.3} bytes per entry without the hash index");
}

#[test]
fn cldr() {
    check_file("cldr", "cldr.tsv.gz", 3_976_491);
}

#[test]
fn gitoid() {
    check_file("gitoid", "gitoid.tsv.gz", 537_849);
}
