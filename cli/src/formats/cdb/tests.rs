use super::testing::file;
use super::*;
use crate::input::LONG;
use crate::input::testing::{Drip, Entries};

/// All entries, or the error with the entry's number and start.
fn read(bytes: &[u8]) -> Result<Entries, (String, u64, u64)> {
    let dripped = read_from(Drip(bytes, 7));
    assert_eq!(read_from(bytes), dripped);
    dripped
}

fn read_from(source: impl Read) -> Result<Entries, (String, u64, u64)> {
    let mut reader = Reader::new(source);
    let mut all = Vec::new();
    loop {
        let error = match reader.next() {
            Ok(Some(entry)) => match entry.into_bytes() {
                Ok(entry) => {
                    all.push(entry);
                    continue;
                }
                Err(error) => error,
            },
            Ok(None) => {
                assert!(matches!(reader.next(), Ok(None)), "the end is the end");
                return Ok(all);
            }
            Err(error) => error,
        };
        return Err((error.to_string(), reader.entry(), reader.start()));
    }
}

fn text(entries: &Entries) -> Vec<u8> {
    let mut out = Vec::new();
    for (key, value) in entries {
        write_entry(&mut out, key, value).unwrap();
    }
    [&out, END].concat()
}

/// The three forms of a file.
const FILES: [(usize, usize); 3] = [(4, 4), (8, 8), (8, 4)];

fn awkward() -> Entries {
    let mut entries: Entries =
        (0..=255u8).map(|byte| (vec![byte], vec![byte ^ 0x55; usize::from(byte)])).collect();
    entries.push((vec![], vec![]));
    entries.push((b"+1,1:a->b\n\n".to_vec(), b"->\n\n+".to_vec()));
    entries.push((b"again".to_vec(), b"2".to_vec()));
    entries.push((b"again".to_vec(), b"1".to_vec()));
    entries.push((vec![7; 65_535], vec![b'\n'; 3 << 20]));
    entries.push((b"last".to_vec(), vec![]));
    entries
}

#[test]
fn every_byte_comes_back_from_every_form() {
    let entries = awkward();
    assert!(read_from(&text(&entries)[..]) == Ok(entries.clone()), "text");
    for (width, length) in FILES {
        let file = file(&entries, width, length);
        assert!(read_from(&file[..]) == Ok(entries.clone()), "{width} {length}");
    }
}

#[test]
fn without_entries() {
    assert_eq!(read(b"\n"), Ok(vec![]));
    for width in [4, 8] {
        assert_eq!(read(&file(&[], width, width)), Ok(vec![]));
    }
}

#[test]
fn the_text_is_fixed() {
    let entries = vec![(b"key".to_vec(), b"va\n".to_vec()), (vec![], vec![])];
    assert_eq!(text(&entries), b"+3,3:key->va\n\n+0,0:->\n\n");
}

#[test]
fn tables_without_slots_may_have_no_position() {
    let entries = vec![(b"a".to_vec(), b"1".to_vec())];
    let mut file = file(&entries, 8, 4);
    for table in (0..256).filter(|&table| table != 7) {
        file[table * 16..][..16].fill(0);
    }
    assert_eq!(read(&file), Ok(entries));
}

#[test]
fn lengths_of_four_and_eight_bytes_are_told_apart_by_the_records() {
    // A value of zero bytes: the two lengths of four bytes look like one of eight.
    for entries in [
        vec![(b"key of 8".to_vec(), vec![]), (b"b".to_vec(), vec![])],
        vec![(vec![], b"value".to_vec())],
        vec![(b"k".to_vec(), b"v".to_vec())],
        // The last record is nothing but its lengths.
        vec![(b"k".to_vec(), b"v".to_vec()), (vec![], vec![])],
    ] {
        for (width, length) in FILES {
            assert_eq!(read(&file(&entries, width, length)), Ok(entries.clone()));
        }
    }
}

#[test]
fn every_cut_of_a_text_is_seen_and_placed() {
    let first = (b"ab".to_vec(), b"cde".to_vec());
    let bytes = text(&vec![first, (b"f".to_vec(), b"gh".to_vec())]);
    assert_eq!(bytes, b"+2,3:ab->cde\n+1,2:f->gh\n\n");
    for cut in 0..bytes.len() {
        let (what, entry, byte) = read(&bytes[..cut]).expect_err("a cut text");
        let place = match cut {
            0..13 => (1, 0),
            13..24 => (2, 13),
            _ => (3, 24),
        };
        // Without its first digits it is no text yet.
        if cut == 0 || cut > 3 {
            assert_eq!((entry, byte), place, "{cut}");
        }
        let starts = ["cut short", "\"+klen,dlen:\"", "no cdb"];
        assert!(starts.iter().any(|start| what.starts_with(start)), "{cut}: {what}");
    }
}

#[test]
fn a_text_with_wrong_lengths_is_refused() {
    for (text, what, entry) in [
        (&b"+1,1:ab->c\n\n"[..], "no \"->\" behind the key", 1),
        (b"+1,1:a->bc\n\n", "no \"\\n\" behind the value", 1),
        (b"+1,1:a->b\r\n\r\n", "no \"\\n\" behind the value", 1),
        (b"+1,1:a->b\n+1:a\n\n", "\"+klen,dlen:\" or an empty line is expected", 2),
        (b"+1,1:a->b\n-1,1:a->b\n\n", "\"+klen,dlen:\" or an empty line is expected", 2),
        (b"+1,1:a->b\n+,1:->b\n\n", "\"+klen,dlen:\" or an empty line is expected", 2),
        (b"+1,99999999999999999999:a->b\n\n", "\"+klen,dlen:\"", 1),
        (b"+1,4294967296:a->b\n\n", "value length 4294967296, at most 4294967295", 1),
        (b"+65536,1:a->b\n\n", "key length 65536, at most 65535", 1),
        (b"+1,1:a->b\n\n+1,1:c->d\n\n", "more bytes behind the empty line", 2),
        (b"key value\n", "no cdb and not the output of cdb -d", 1),
        // What a length claims is not allocated.
        (b"+1,4294967295:a->b\n\n", "cut short: the lengths say 4294967313 bytes, 20 are", 1),
    ] {
        let (error, at, _) = read(text).expect_err("malformed");
        assert!(error.contains(what), "{error:?} does not contain {what:?}");
        assert_eq!(at, entry, "{error}");
    }
}

#[test]
fn every_cut_of_a_file_is_seen() {
    let entries = vec![(b"ab".to_vec(), b"cde".to_vec()), (b"f".to_vec(), vec![])];
    for (width, length) in FILES {
        let whole = file(&entries, width, length);
        for cut in 0..whole.len() {
            assert!(read_from(&whole[..cut]).is_err(), "{width} {length} {cut}");
        }
        let (len, cut) = (whole.len(), 512 * width + 3);
        let (what, ..) = read(&whole[..cut]).expect_err("cut in the first record's lengths");
        assert_eq!(what, format!("cut short: the header says {len} bytes, {cut} are there"));
        let (what, ..) = read(&[&whole[..], b"!"].concat()).expect_err("too long");
        assert_eq!(what, "1 bytes behind the last hash table");
    }
}

#[test]
fn a_record_ends_before_the_hash_tables() {
    let entries = vec![(b"ab".to_vec(), b"cde".to_vec())];
    for (width, length) in [(4, 4), (8, 8)] {
        let mut file = file(&entries, width, length);
        // The last byte of the value becomes the first byte of a hash table.
        file[512 * width + length] += 1;
        let (what, entry, byte) = read(&file).expect_err("too long a record");
        assert!(what.contains("reaches into the hash tables"), "{what}");
        assert_eq!((entry, byte), (1, 512 * width as u64));
    }
}

#[test]
fn hostile_headers_are_no_cdb() {
    let good = file(&[(b"a".to_vec(), b"b".to_vec())], 4, 4);
    assert!(Layout::of(&good).is_some());
    assert_eq!(Layout::of(&good[..2047]), None);
    // A table inside the header, and positions behind the end.
    for (at, word) in [(56, 100u32), (64, 1 << 30), (2040, u32::MAX)] {
        let mut bad = good.clone();
        bad[at..at + 4].copy_from_slice(&word.to_le_bytes());
        assert_eq!(Layout::of(&bad), None, "{at}");
    }
    // One number among zeros.
    let mut page = vec![0; 4096];
    page[11..15].copy_from_slice(&[0xbe, 0xef, 0xc0, 0xde]);
    assert_eq!(Layout::of(&page), None);
    for byte in [0, 0xff, b' '] {
        assert_eq!(Layout::of(&[byte; 4096]), None);
    }
    let mut huge = file(&[(b"a".to_vec(), b"b".to_vec())], 8, 8);
    huge[7 * 16 + 8..7 * 16 + 16].fill(0xff);
    assert_eq!(Layout::of(&huge), None);
}

proptest::proptest! {
    #[test]
    fn changed_bytes_never_panic(at in 0usize..6000, byte: u8, form in 0usize..4) {
        let mut entries = awkward();
        entries.retain(|(key, _)| key.len() < 1000);
        let mut bytes = match form {
            3 => text(&entries),
            form => file(&entries, FILES[form].0, FILES[form].1),
        };
        bytes[at] = byte;
        let _ = read_from(&bytes[..]);
    }

    #[test]
    fn entries_of_any_bytes_come_back(
        entries: Vec<(Vec<u8>, Vec<u8>)>,
    ) {
        proptest::prop_assert_eq!(read(&text(&entries)), Ok(entries.clone()));
        proptest::prop_assert_eq!(read(&file(&entries, 4, 4)), Ok(entries));
    }
}

#[test]
fn four_gib_is_the_end() {
    let mut size = Size(u64::from(u32::MAX) - 24 - 3);
    assert_eq!(size.holds(b"a", b"bc"), Ok(()));
    let mut size = Size(u64::from(u32::MAX) - 24 - 3);
    let what = size.holds(b"abc", b"d").expect_err("too much");
    assert_eq!(what, "a cdb ends at 4 GiB, and an entry of key \"abc\" would pass that");
}

#[test]
fn only_a_cdb64_may_pass_four_gib() {
    for (width, cdb64) in [(4, None), (8, Some(true))] {
        let mut header = file(&[], width, width);
        // The last table has 2^29 slots: 4 GiB in a cdb, 8 GiB in a cdb64.
        header[511 * width..][..4].copy_from_slice(&(1u32 << 29).to_le_bytes());
        assert_eq!(Layout::of(&header).map(Layout::is_cdb64), cdb64, "{width}");
    }
}

#[test]
fn a_text_begins_with_both_lengths() {
    assert!(is_text(b"+1,0"));
    for start in [&b"+1"[..], b"+,1:", b"+1:a", b"+1,:a", b"1,1:a"] {
        assert!(!is_text(start), "{}", start.escape_ascii());
    }
}

#[test]
fn a_long_value_may_be_left_anywhere() {
    let most = (b"most".to_vec(), vec![b'x'; LONG]);
    let long = (b"long".to_vec(), vec![b'x'; LONG + 1]);
    let text = text(&vec![most, long, (b"k".to_vec(), b"v".to_vec())]);
    for taken in [0, 100, LONG + 1] {
        let mut reader = Reader::new(&text[..]);
        assert!(matches!(reader.next(), Ok(Some(Entry::Whole(b"most", _)))));
        let Ok(Some(Entry::Long(b"long", value))) = reader.next() else { panic!("not long") };
        value.read_exact(&mut vec![0; taken]).unwrap();
        assert!(matches!(reader.next(), Ok(Some(Entry::Whole(b"k", b"v")))), "{taken}");
        assert!(matches!(reader.next(), Ok(None)), "{taken}");
    }
}
