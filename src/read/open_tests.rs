//! Guards against options of opening that are silently without effect, and against errors that take a
//! file for another than it is, or all of it to be read.

#![expect(unsafe_code, reason = "mapping a path is unsafe; these tests map files of their own")]

use super::map::{AccessPattern, Reading};
use super::open::OpenOptions;
use super::pages::PageChecks;
use super::warm::Warm;
use crate::BuildOptions;
use crate::error::OpenFailure;
use std::ops::ControlFlow;
use std::path::PathBuf;

/// A table of one entry, with a value of so many bytes.
fn file(value_len: usize) -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("t");
    let options = BuildOptions::new().durable(false).mode(0o644);
    options.build(&path, [("key", vec![b'v'; value_len])]).unwrap();
    (directory, path)
}

#[test]
fn a_mapping_is_read_as_was_asked() {
    let (_directory, path) = file(9);
    for (access, reading) in [
        (AccessPattern::Auto, Reading::Ahead),
        (AccessPattern::Normal, Reading::Ahead),
        (AccessPattern::Random, Reading::Pages),
        (AccessPattern::Sequential, Reading::Sequential),
    ] {
        let options = OpenOptions::new().page_checks(PageChecks::Never).access(access);
        // SAFETY: nobody else knows the file.
        let table = unsafe { options.open(&path) }.unwrap();
        assert_eq!(table.view().memory().reading(), reading);
        assert!(table.view().pages().lookups_checked(), "the other option holds");
    }
}

#[test]
fn pages_are_checked_when_that_was_asked() {
    let (_directory, path) = file(9);
    let mut bytes = std::fs::read(&path).unwrap();
    let at = bytes.windows(9).position(|value| value == [b'v'; 9]).unwrap();
    bytes[at] = b'w';
    let open = |checks| OpenOptions::new().page_checks(checks).from_bytes(bytes.clone());
    assert!(open(PageChecks::AtOpen).is_err());
    assert!(open(PageChecks::FirstTouch).unwrap().get("key").is_err());
    let unchecked = open(PageChecks::Never).unwrap();
    assert_eq!(unchecked.get("key"), Ok(Some(&b"wvvvvvvvv"[..])));
}

/// Pages are checked in pieces of 2 MiB.
#[test]
fn all_pages_of_a_large_table_are_checked_at_open() {
    let (_directory, path) = file(5 << 20);
    let table = OpenOptions::new().page_checks(PageChecks::AtOpen).load(&path).unwrap();
    let sums = table.view().layout().sums.start;
    assert!(table.view().pages().are_checked(&(0..sums)));
}

#[test]
fn a_table_is_warmed_as_far_as_was_asked() {
    let (_directory, path) = file(9);
    let table = OpenOptions::new().load(&path).unwrap();
    for (warm, expected) in [(Warm::None, 0), (Warm::All, 1)] {
        let mut told = 0;
        let progress = |_| {
            told += 1;
            ControlFlow::Continue(())
        };
        OpenOptions::new().warm(warm).prepare(&table, progress).unwrap();
        assert_eq!(told, expected, "{warm:?}");
    }
}

/// Eight bytes say whether they begin a table.
#[test]
fn a_file_of_eight_bytes_is_no_table() {
    let seven = OpenOptions::new().from_bytes(b"no table"[..7].to_vec()).unwrap_err();
    assert!(matches!(seven.failure(), OpenFailure::TooShort { got: 7, .. }));
    let eight = OpenOptions::new().from_bytes(b"no table".to_vec()).unwrap_err();
    assert!(matches!(eight.failure(), OpenFailure::NotATable { found } if found == b"no table"));
}

/// Bytes that this thread has read from files so far, where the system counts them.
fn bytes_read() -> Option<u64> {
    let counts = std::fs::read_to_string("/proc/thread-self/io").ok()?;
    counts.lines().find_map(|line| line.strip_prefix("rchar: ")?.parse().ok())
}

#[test]
fn a_damaged_footer_is_refused_before_all_of_the_file_is_read() {
    let (_directory, path) = file(1 << 20);
    let id = OpenOptions::new().load(&path).unwrap().build_id();
    let mut bytes = std::fs::read(&path).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    std::fs::write(&path, &bytes).unwrap();
    let options = OpenOptions::new().expect_build_id(id);
    let before = bytes_read();
    let error = options.load(&path).unwrap_err();
    assert!(matches!(error.failure(), OpenFailure::FooterMismatch { .. }), "{error}");
    if let (Some(before), Some(after)) = (before, bytes_read()) {
        assert!(after - before < 1 << 16, "{} bytes were read", after - before);
    }
    assert!(options.tolerate_footer(true).load(&path).is_ok());
}
