//! What several test files need: a reproducible generator, tables of a wanted size, child
//! processes of this test binary, and what `/proc` says about a mapping.

#![allow(dead_code, reason = "every test file takes what it needs")]

use graven::{BuildOptions, HashIndex, HashIndexOutcome, Summary};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

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

/// SplitMix64 (Steele, Lea and Flood 2014): the same numbers on every machine.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let x = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        x ^ (x >> 31)
    }

    /// A number below `end`.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        ((u128::from(self.next()) * u128::from(end)) >> 64) as u64
    }

    pub(crate) fn bytes(&mut self, len: usize) -> Vec<u8> {
        (0..len).map(|_| self.next() as u8).collect()
    }
}

/// Key `i` of [`numbered_table`].
pub(crate) fn numbered_key(i: u64) -> [u8; 16] {
    let mut key = *b"________ the key";
    key[..8].copy_from_slice(&(2 * i).to_be_bytes());
    key
}

/// A key beside key `i` that is never stored.
pub(crate) fn absent_key(i: u64) -> [u8; 16] {
    let mut key = numbered_key(i);
    key[7] |= 1;
    key
}

/// Value `i` of [`numbered_table`]: the number, the edition, then filler.
pub(crate) fn numbered_value(i: u64, edition: u8, value: &mut [u8]) {
    value.fill(i as u8 ^ edition);
    value[..8].copy_from_slice(&i.to_le_bytes());
    value[8] = edition;
}

/// Bytes of a value of [`numbered_table`].
pub(crate) const VALUE: usize = 100;

/// The index that answers point lookups.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Index {
    Hash,
    Ordered,
    Line,
}

/// A table of `entries` keys of 16 bytes and values of about 100, with a hash index.
pub(crate) fn numbered_table(path: &Path, entries: u64, edition: u8) -> Summary {
    indexed_table(path, entries, edition, Index::Hash)
}

/// Length of value `i`: one less for odd ones, so that records carry a length word, except where
/// the line index needs one length.
pub(crate) fn value_len(i: u64, index: Index) -> usize {
    if index == Index::Line { VALUE } else { VALUE - i as usize % 2 }
}

/// Likewise, with the index of one's choice.
pub(crate) fn indexed_table(path: &Path, entries: u64, edition: u8, index: Index) -> Summary {
    let hash_index = match index {
        Index::Hash => HashIndex::Always,
        Index::Ordered => HashIndex::Never,
        // Left out where the ordered index answers as fast, that is: where there is a line index.
        Index::Line => HashIndex::Auto,
    };
    let options = BuildOptions::new().sorted(true).durable(false).hash_index(hash_index);
    let mut builder = options.create(path).expect("a builder");
    let mut value = [0; VALUE];
    for i in 0..entries {
        numbered_value(i, edition, &mut value);
        builder.insert(&numbered_key(i), &value[..value_len(i, index)]).expect("an insert");
    }
    let summary = builder.finish().expect("a table");
    if index == Index::Line {
        assert_eq!(summary.hash_index, HashIndexOutcome::NotNeeded, "there is no line index");
    }
    summary
}

/// This test binary in another process, running one of its tests as a program of its own.
pub(crate) fn this_binary(test: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().expect("the test binary"));
    command.args(arguments(test));
    command
}

/// Arguments that make a test binary run one test and show what it prints.
pub(crate) fn arguments(test: &str) -> [&str; 4] {
    ["--exact", test, "--nocapture", "--test-threads=1"]
}

/// A child process that is told what to do line by line and answers likewise. It dies with its
/// parent's test.
pub(crate) struct Peer {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

/// Marks answers among what the test harness prints.
const MARK: &str = "@answer ";

/// In the child: answers the parent.
pub(crate) fn answer(text: &str) {
    println!("{MARK}{text}");
}

impl Peer {
    pub(crate) fn start(command: &mut Command) -> Self {
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("a child process");
        let input = child.stdin.take().expect("its standard input");
        let output = BufReader::new(child.stdout.take().expect("its standard output"));
        Self { child, input, output }
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends a line and waits for the answer.
    pub(crate) fn ask(&mut self, line: &str) -> String {
        self.say(line);
        self.answer()
    }

    /// Sends a line that is not answered.
    pub(crate) fn say(&mut self, line: &str) {
        writeln!(self.input, "{line}").expect("the child reads");
        self.input.flush().expect("the child reads");
    }

    /// Waits for an answer.
    pub(crate) fn answer(&mut self) -> String {
        loop {
            let mut line = String::new();
            let n = self.output.read_line(&mut line).expect("the child writes");
            assert!(n > 0, "the child ended without an answer");
            if let Some(at) = line.find(MARK) {
                return line[at + MARK.len()..].trim_end().to_owned();
            }
        }
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // It may have ended by itself; either way nothing is left behind.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// In KiB, the field `name` of a text like `/proc/PID/smaps_rollup`.
pub(crate) fn field(text: &str, name: &str) -> u64 {
    let line = text.lines().find(|line| line.split(':').next() == Some(name));
    let line = line.unwrap_or_else(|| panic!("no field {name}"));
    line.split_whitespace().nth(1).and_then(|n| n.parse().ok()).expect("a number of KiB")
}

/// A process's mappings of one file, summed up from `/proc/PID/smaps`.
pub(crate) struct Mapped<'p> {
    sections: Vec<String>,
    pub(crate) path: &'p Path,
}

impl<'p> Mapped<'p> {
    pub(crate) fn of(pid: &str, path: &'p Path) -> Self {
        let smaps = std::fs::read_to_string(format!("/proc/{pid}/smaps")).expect("smaps");
        let name = path.to_str().expect("a readable path");
        let mut sections: Vec<String> = Vec::new();
        let mut inside = false;
        for line in smaps.lines() {
            // Addresses are in lower case, names of fields are not.
            if !line.starts_with(|c: char| c.is_ascii_uppercase()) {
                inside = line.ends_with(name) || line.ends_with(&format!("{name} (deleted)"));
                if inside {
                    sections.push(String::new());
                }
            } else if inside && let Some(section) = sections.last_mut() {
                section.push_str(line);
                section.push('\n');
            }
        }
        assert!(!sections.is_empty(), "process {pid} does not map {name}");
        Self { sections, path }
    }

    /// In KiB.
    pub(crate) fn sum(&self, name: &str) -> u64 {
        self.sections.iter().map(|section| field(section, name)).sum()
    }
}
