//! The forms a table can take. All must answer alike.

#![expect(unsafe_code, reason = "maps the tables under test")]

use super::process::this_program;
use graven::{OpenOptions, Table};
use std::io::Write;
use std::path::Path;
use std::process::Command;

/// Where a table's bytes come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// Owned bytes.
    Bytes,
    /// A private copy of the file.
    Loaded,
    /// The file, mapped.
    Mapped,
    /// A stream.
    Streamed,
    /// Part of a larger file at an odd offset, mapped.
    Embedded,
    /// Part of a larger file at an odd offset, copied.
    EmbeddedLoaded,
    /// Part of larger bytes.
    EmbeddedBytes,
}

impl Form {
    /// Whether the table's first byte lies at a multiple of 64.
    pub(crate) fn aligned(self) -> bool {
        matches!(self, Self::Loaded | Self::Mapped | Self::Streamed | Self::EmbeddedLoaded)
    }
}

/// Opens the table at `path` in every form and hands it to `check`.
pub(crate) fn each_form(path: &Path, mut check: impl FnMut(Form, &Table)) {
    let bytes = std::fs::read(path).unwrap();
    let len = bytes.len() as u64;
    check(Form::Bytes, &Table::from_bytes(bytes.clone()).unwrap());
    check(Form::Loaded, &Table::load(path).unwrap());
    // SAFETY: nobody else knows the file.
    check(Form::Mapped, &unsafe { Table::open(path) }.unwrap());
    check(Form::Streamed, &Table::from_reader(bytes.as_slice()).unwrap());

    // An odd offset that differs from table to table, beyond a page now and then.
    let before = vec![0xA5; ((len as usize * 37) % 9000) | 1];
    let all = [before.as_slice(), &bytes, &[0xA5; 13]].concat();
    let options = OpenOptions::new().section(before.len() as u64, len);
    let mut file = tempfile::NamedTempFile::new_in(path.parent().unwrap()).unwrap();
    file.write_all(&all).unwrap();
    // SAFETY: nobody else knows the file.
    check(Form::Embedded, &unsafe { options.open(file.path()) }.unwrap());
    check(Form::EmbeddedLoaded, &options.load(file.path()).unwrap());
    check(Form::EmbeddedBytes, &options.from_bytes(all).unwrap());
}

/// Runs one test of this test program in a process of its own, with an environment variable set
/// that makes the test do its part; fails if it fails.
pub(crate) fn run_child(test: &str, variable: &str, value: impl AsRef<std::ffi::OsStr>) {
    finish_child(test, this_program().env(variable, value));
}

/// The same below a shell that runs `prepare` first, for example `umask 0`.
#[cfg(unix)]
pub(crate) fn run_child_after(
    prepare: &str,
    test: &str,
    variable: &str,
    value: impl AsRef<std::ffi::OsStr>,
) {
    let program = std::env::current_exe().unwrap();
    let script = format!("{prepare} && exec \"$0\" \"$@\"");
    let mut shell = Command::new("sh");
    finish_child(test, shell.arg("-c").arg(script).arg(program).env(variable, value));
}

fn finish_child(test: &str, command: &mut Command) {
    let arguments = [test, "--exact", "--nocapture", "--test-threads=1"];
    let output = command.args(arguments).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    // A filter that matches nothing would pass as well.
    assert!(
        output.status.success() && text.contains("1 passed"),
        "{test} failed in another process: {}\n{text}\n{}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
}
