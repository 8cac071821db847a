//! Guards against data that does not survive the way from another store into a table, or back:
//! entries lost, keys in another order, a dump that the other store's own tool refuses. Every test
//! runs the real tools (Debian: tinycdb, lmdb-utils, sqlite3), and skips with a printed line where
//! one is not installed.
#![cfg(unix)]

#[path = "stores/cdb.rs"]
mod cdb;
#[path = "stores/foreign.rs"]
mod foreign;
#[path = "stores/mdb.rs"]
mod mdb;
#[path = "stores/sqlite.rs"]
mod sqlite;
#[path = "cli/tool.rs"]
#[expect(dead_code, reason = "these tests need no terminals")]
mod tool;

use std::process::Command;
use tool::{Ran, Sandbox};

type Entries = Vec<(Vec<u8>, Vec<u8>)>;

/// Whether all these tools are installed. If one is not, prints a line that says what is skipped.
fn installed(tools: &[&str]) -> bool {
    let found = |tool: &&&str| {
        let found = Command::new("sh").args(["-c", "command -v \"$0\"", tool]).output();
        found.is_ok_and(|found| found.status.success())
    };
    let missing: Vec<_> = tools.iter().filter(|tool| !found(tool)).collect();
    if !missing.is_empty() {
        eprintln!("skipped: not installed: {missing:?}");
    }
    missing.is_empty()
}

/// The Python that has a module, of the first one in the path and of the system's. Without one,
/// prints a line that says what is skipped.
fn python_with(module: &str) -> Option<&'static str> {
    let has = |python: &&str| {
        let import = Command::new(python).args(["-c", &format!("import {module}")]).output();
        import.is_ok_and(|import| import.status.success())
    };
    let python = ["python3", "/usr/bin/python3"].into_iter().find(has);
    if python.is_none() {
        eprintln!("skipped: no Python with the module {module}");
    }
    python
}

/// Keys and values with what breaks formats: every byte, the marks of the formats themselves, ends
/// of lines, nothing. In key order; keys repeat if `repeated`.
fn awkward(repeated: bool) -> Entries {
    let mut entries = Entries::new();
    let mut push = |key: &[u8], value: &[u8]| entries.push((key.to_vec(), value.to_vec()));
    for byte in 0..=255 {
        push(&[byte], &[byte, b'\\', byte]);
        push(&[b'k', byte, b'0'], &[]);
    }
    let all: Vec<u8> = (0..=255).collect();
    push(&all, &all);
    push(b"+1,1:a->b\n\n+", b"->\n\n+1,1:a->b\n");
    push(b" 6b\nDATA=END\n", b"DATA=END\nHEADER=END\n");
    push(b"tab\tline\nend\r\n", b"\t\n\r\n\0");
    push(b"\\x41\\c5\\", b"\\\\\\c5\\");
    push(&[0xff; 511], &[0xff; 300_000]);
    push(b"long", &b"\n".repeat(1 << 21));
    if repeated {
        for value in [&b"3"[..], b"1", b"2", b"\xff", b"\0"] {
            push(b"repeated", value);
        }
    }
    // Stable: the values of a key stay in order.
    entries.sort_by(|(a, _), (b, _)| a.cmp(b));
    entries
}

/// Entries in graven's raw format.
fn raw(entries: &Entries) -> Vec<u8> {
    let mut raw = Vec::new();
    for (key, value) in entries {
        for field in [key, value] {
            raw.extend_from_slice(&(field.len() as u32).to_le_bytes());
        }
        raw.extend_from_slice(key);
        raw.extend_from_slice(value);
    }
    raw
}

impl Sandbox {
    /// Builds the table `name` of entries.
    fn raw_table(&self, name: &str, entries: &Entries) {
        let build = ["build", "--quiet", "--dup", "keep", "-i", "raw", name];
        self.pipe(&build, &raw(entries)).printed("");
    }

    /// Runs a line of the shell and expects success and nothing on standard error.
    #[track_caller]
    fn ran(&self, line: &str) -> Vec<u8> {
        let Ran { code, out, err } = self.shell(&format!("set -e; {line}"));
        assert_eq!((code, &err[..]), (0, ""), "{line}");
        out
    }
}

/// Compares without printing megabytes.
#[track_caller]
fn same(got: &[u8], expected: &[u8], what: &str) {
    let differs = got.iter().zip(expected).position(|(got, expected)| got != expected);
    assert!(got == expected, "{what}: {} and {} bytes, {differs:?}", got.len(), expected.len());
}
