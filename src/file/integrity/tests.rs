//! Guards against damage that a stream check of a file overlooks, or reports at a wrong place.

use super::*;
use crate::error::ErrorKind;
use crate::format::header::Header;
use crate::write::BuildOptions;
use std::path::PathBuf;
use zerocopy::IntoBytes;

/// A table of several chunks, or a small one.
fn table(directory: &Path, entries: u32) -> PathBuf {
    let path = directory.join(format!("{entries}.grv"));
    let mut builder = BuildOptions::new().sorted(true).durable(false).create(&path).unwrap();
    for i in 0..entries {
        builder.insert(i.to_be_bytes(), vec![i as u8; 40 + i as usize % 3]).unwrap();
    }
    builder.finish().unwrap();
    path
}

fn check_of(path: &Path) -> Result<(), OpenFailure> {
    let file = File::open(path).unwrap();
    match read_back(&file, path) {
        Ok(()) => Ok(()),
        Err(BuildError::ReadBack { source, .. }) => Err(source),
        Err(other) => panic!("{other}"),
    }
}

#[test]
fn sound_tables_are_sound() {
    let directory = tempfile::tempdir_in(env!("CARGO_MANIFEST_DIR")).unwrap();
    for entries in [0, 1, 100, 200_000] {
        check_of(&table(directory.path(), entries)).unwrap();
    }
}

#[test]
fn every_page_is_checked_and_named() {
    let directory = tempfile::tempdir().unwrap();
    let path = table(directory.path(), 100_000);
    let bytes = std::fs::read(&path).unwrap();
    let file = File::open(&path).unwrap();
    let layout = layout(&file, bytes.len() as u64).unwrap();
    assert!(bytes.len() > 2 * CHUNK, "{} bytes", bytes.len());
    let damaged = directory.path().join("damaged");
    let pages = (0..layout.sums.start).step_by(UNIT * 97).map(|page| page + 1000);
    let edges = [HEADER_END, CHUNK - 1, CHUNK, layout.sums.start - 1];
    for at in pages.chain(edges) {
        let mut bytes = bytes.clone();
        bytes[at] ^= 4;
        std::fs::write(&damaged, &bytes).unwrap();
        let error = check_of(&damaged).unwrap_err();
        let OpenFailure::Damaged(ReadFailure::Checksum { offset, .. }) = error else {
            panic!("{at}: {error:?}")
        };
        assert_eq!(offset as usize, at / UNIT * UNIT);
    }
    // A damaged sum is reported for its page; header and footer have checksums of their own.
    for at in [layout.sums.start, layout.sums.end - 1, layout.sums.end, bytes.len() - 1, 100] {
        let mut bytes = bytes.clone();
        bytes[at] ^= 4;
        std::fs::write(&damaged, &bytes).unwrap();
        let error = check_of(&damaged).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Data, "{at}: {error:?}");
    }
    for len in [0, 7, 8, 100, 479, 480, CHUNK, bytes.len() - 1] {
        std::fs::write(&damaged, &bytes[..len]).unwrap();
        let error = check_of(&damaged).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Data, "{len}: {error:?}");
    }
}

/// First byte behind the header.
const HEADER_END: usize = crate::format::header::HEADER;

/// Pages and sums that fit each other, and the build id of another table.
#[test]
fn the_build_id_is_that_of_the_content() {
    let directory = tempfile::tempdir().unwrap();
    let path = table(directory.path(), 100);
    let mut bytes = std::fs::read(&path).unwrap();
    let layout = layout(&File::open(&path).unwrap(), bytes.len() as u64).unwrap();
    bytes[HEADER_END + 20] ^= 1;
    let sum = sums::crc(&bytes[..UNIT.min(layout.sums.start)]) ^ sums::mask(&layout.build_id, 0);
    bytes[layout.sums.start..][..4].copy_from_slice(&sum.to_le_bytes());
    let forged = directory.path().join("forged");
    std::fs::write(&forged, bytes).unwrap();
    let error = check_of(&forged).unwrap_err();
    let OpenFailure::Damaged(ReadFailure::Corrupt { what, .. }) = error else {
        panic!("{error:?}")
    };
    assert!(what.contains("build id"), "{what}");
}

/// Bytes that came while another table stood there, and a header of another table.
#[test]
fn what_changes_while_it_is_read() {
    let directory = tempfile::tempdir().unwrap();
    let path = table(directory.path(), 1000);
    let bytes = std::fs::read(&path).unwrap();
    let file = File::open(&path).unwrap();
    let layout_of = |file: &File| layout(file, bytes.len() as u64).unwrap();
    let given = |bytes: &[u8]| {
        let mut check = Check::new(layout_of(&file));
        check.take(bytes);
        check.finish(&file).unwrap_err()
    };
    let what = |error: OpenFailure| match error {
        OpenFailure::Damaged(ReadFailure::Corrupt { what, .. }) => what,
        other => panic!("{other:?}"),
    };
    let mut flipped = bytes.clone();
    flipped[HEADER_END] ^= 1;
    assert_eq!(what(given(&flipped)), "page sums changed while they were read");

    // A table of the same lengths, so that its sections stand in the same places.
    let other = directory.path().join("other.grv");
    let mut builder = BuildOptions::new().sorted(true).durable(false).create(&other).unwrap();
    for i in 0..1000u32 {
        builder.insert(i.to_be_bytes(), vec![!i as u8; 40 + i as usize % 3]).unwrap();
    }
    builder.finish().unwrap();
    let others = std::fs::read(&other).unwrap();
    assert_eq!(layout_of(&File::open(&other).unwrap()).sums, layout_of(&file).sums);
    assert_eq!(what(given(&others)), "header changed while it was read");
}

#[test]
fn the_smallest_file_is_read() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("short");
    for (len, short) in [(SMALLEST - 1, true), (SMALLEST, false)] {
        let mut bytes = std::fs::read(table(directory.path(), 1)).unwrap();
        bytes.truncate(len as usize);
        std::fs::write(&path, &bytes).unwrap();
        let error = layout(&File::open(&path).unwrap(), len).unwrap_err();
        assert_eq!(matches!(error, OpenFailure::TooShort { .. }), short, "{error:?}");
    }
}

/// A sound header says that the file has the smallest length, and there is no footer.
#[test]
fn the_footer_of_the_smallest_file_is_read() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("smallest");
    let mut header = Header::new();
    header.file_len = SMALLEST.into();
    header.seal(Xxh3::new());
    std::fs::write(&path, [header.as_bytes(), &[0; FOOTER]].concat()).unwrap();
    let error = layout(&File::open(&path).unwrap(), SMALLEST).unwrap_err();
    assert!(matches!(error, OpenFailure::FooterMismatch { .. }), "{error:?}");
}
