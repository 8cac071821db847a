use super::write::{write_entry, write_line};
use super::*;
use crate::input::testing::Entries;

fn written(key: &[u8], value: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    write_entry(&mut out, key, value).unwrap();
    out
}

const STRICT: Text = Text { crlf: Unusual::Error, bom: Unusual::Error, no_escape: false };

fn read(text: &[u8]) -> Result<Entries, (String, u64)> {
    read_as(STRICT, text)
}

fn read_as(how: Text, text: &[u8]) -> Result<Entries, (String, u64)> {
    let mut reader = Reader::new(text, how);
    let mut all = Vec::new();
    loop {
        match reader.next() {
            Ok(Some(entry)) => match entry.into_bytes() {
                Ok(entry) => all.push(entry),
                Err(error) => return Err((error.to_string(), reader.line())),
            },
            Ok(None) => return Ok(all),
            Err(error) => return Err((error.to_string(), reader.line())),
        }
    }
}

#[test]
fn every_byte_and_pair_of_bytes_comes_back() {
    for first in 0..=255u8 {
        assert_eq!(read(&written(&[first], b"")), Ok(vec![(vec![first], vec![])]), "{first:#x}");
        for second in 0..=255u8 {
            let field = [first, second];
            let text = written(&field, &field);
            assert_eq!(read(&text), Ok(vec![(field.to_vec(), field.to_vec())]), "{field:?}");
            assert_eq!(memchr::memchr_iter(b'\n', &text).count(), 1, "{field:?} is one line");
            assert_eq!(memchr::memchr_iter(b'\t', &text).count(), 1, "{field:?} is two fields");
        }
    }
}

#[test]
fn a_long_field_of_all_bytes_comes_back() {
    let field: Vec<u8> = (0..=255u8).cycle().take(70_000).collect();
    assert_eq!(read(&written(&field, &field)), Ok(vec![(field.clone(), field)]));
}

#[test]
fn only_five_bytes_are_escaped() {
    for byte in 0..=255u8 {
        let expected = match byte {
            b'\\' => b"\\\\".to_vec(),
            b'\t' => b"\\t".to_vec(),
            b'\n' => b"\\n".to_vec(),
            b'\r' => b"\\r".to_vec(),
            0 => b"\\0".to_vec(),
            other => vec![other],
        };
        let mut out = Vec::new();
        write_line(&mut out, &[b'a', byte, b'z']).unwrap();
        assert_eq!(out, [b"a", &expected[..], b"z\n"].concat(), "{byte:#x}");
    }
}

/// Any line may become the first of an input.
#[test]
fn a_key_that_looks_like_a_mark_is_escaped() {
    for key in [&b"\xef\xbb\xbf"[..], b"\xef\xbb\xbfa\tb", b"\xff\xfe", b"\xfe\xff\0k"] {
        let text = written(key, key);
        assert!(text.starts_with(format!("\\x{:02x}", key[0]).as_bytes()), "{text:?}");
        assert_eq!(read(&text), Ok(vec![(key.to_vec(), key.to_vec())]));
    }
    assert_eq!(written(b"\xef\xbb", b""), b"\xef\xbb\t\n");
}

#[test]
fn hexadecimal_escapes_stand_for_every_byte() {
    for byte in 0..=255u8 {
        for text in [format!("\\x{byte:02x}\t"), format!("\\x{byte:02X}\t\n")] {
            assert_eq!(read(text.as_bytes()), Ok(vec![(vec![byte], vec![])]), "{text}");
        }
    }
}

#[test]
fn the_first_raw_tab_divides_and_the_rest_is_the_value() {
    assert_eq!(read(b"k\tv\tw\t"), Ok(vec![(b"k".to_vec(), b"v\tw\t".to_vec())]));
    assert_eq!(read(b"k\\tl\tv"), Ok(vec![(b"k\tl".to_vec(), b"v".to_vec())]));
    assert_eq!(read(b"\t"), Ok(vec![(vec![], vec![])]));
    assert_eq!(read(b"k\tv\r\rw\n"), Ok(vec![(b"k".to_vec(), b"v\r\rw".to_vec())]));
}

#[test]
fn what_is_malformed_is_named_with_its_line() {
    let cases: [(&[u8], &str, u64); 15] = [
        (b"a\tb\n\nc\td\n", "no TAB between key and value", 2),
        (b"a\tb\nc", "no TAB between key and value", 2),
        (b"a\\tb\n", "no TAB between key and value", 1),
        (b"\n", "no TAB between key and value", 1),
        (
            b"id,name\n1,a\n",
            "no TAB between key and value (it looks like csv, which -i csv reads)",
            1,
        ),
        (b"a\tb\nid,name\n", "no TAB between key and value", 2),
        (
            b"{\"a\":1,\"b\":2}\n",
            "no TAB between key and value (it looks like JSON, which -i jsonl reads)",
            1,
        ),
        (b" {}\n", "no TAB between key and value (it looks like JSON, which -i jsonl reads)", 1),
        (b"a\tb\n{}\n", "no TAB between key and value", 2),
        (b"a\tb\nc\t\\q", "unknown escape \\q", 2),
        (b"\\\xff\t", "unknown escape \\\\xff", 1),
        (b"\\\tv", "a backslash at the end of a field", 1),
        (b"k\tv\\", "a backslash at the end of a field", 1),
        (b"k\t\\x4", "\\x without two hexadecimal digits", 1),
        (b"k\t\\x4g", "\\x without two hexadecimal digits", 1),
    ];
    for (text, what, line) in cases {
        assert_eq!(read(text), Err((what.to_owned(), line)), "{}", text.escape_ascii());
    }
}

/// What `value::decode` makes of a field that arrives in pieces of `step` bytes and is taken in
/// pieces of `room` bytes.
fn in_pieces(field: &[u8], text: Text, step: usize, room: usize) -> Result<Vec<u8>, String> {
    let (mut arrived, mut start, mut all) = (0, 0, Vec::new());
    let mut into = vec![0; room];
    loop {
        let whole = arrived == field.len();
        let decoded = value::decode(&field[start..arrived], whole, text, &mut into);
        let (taken, written) = decoded.map_err(|error| error.to_string())?;
        all.extend_from_slice(&into[..written]);
        start += taken;
        if whole && start == field.len() {
            return Ok(all);
        }
        assert!(taken > 0 || !whole, "no progress at {start} of {}", field.escape_ascii());
        if taken == 0 {
            arrived = (arrived + step).min(field.len());
        }
    }
}

/// A value that is read in pieces equals the value that is read as a whole, wherever escapes and
/// line ends are cut.
#[test]
fn a_long_value_is_read_as_a_short_one() {
    let alphabet = [b'a', b'\\', b'\\', b'x', b'4', b'1', b'n', b'\r', b'\\', b'\r'];
    let mut random = 1u64;
    let kinds = [Unusual::Error, Unusual::Strip, Unusual::Keep];
    for case in 0..6_000 {
        let len = case % 9;
        let field: Vec<u8> = (0..len)
            .map(|_| {
                random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                alphabet[(random >> 33) as usize % alphabet.len()]
            })
            .collect();
        let text = Text { crlf: kinds[case % 3], bom: Unusual::Error, no_escape: case % 5 == 0 };
        let line = [b"k\t", &field[..], b"\n"].concat();
        let right = read_as(text, &line).map(|entries| entries[0].1.clone());
        for (step, room) in [(1, 1), (1, 9), (2, 2), (3, 1), (9, 1), (9, 9)] {
            let found = in_pieces(&field, text, step, room);
            let right = right.clone().map_err(|(what, _)| what);
            assert_eq!(found.is_ok(), right.is_ok(), "{}: {found:?}", field.escape_ascii());
            if right.is_ok() {
                assert_eq!(found, right, "{} in {step}, {room}", field.escape_ascii());
            }
        }
    }
}

#[test]
fn what_windows_adds_is_refused_stripped_or_kept() {
    let entry = |key: &[u8], value: &[u8]| (key.to_vec(), value.to_vec());
    let with = |crlf, bom| Text { crlf, bom, no_escape: false };
    let marked = b"\xef\xbb\xbfa\tb\nc\td\n";
    let (what, line) = read(marked).unwrap_err();
    assert!(what.contains("byte order mark") && line == 1, "{what}");
    let both = [entry(b"a", b"b"), entry(b"c", b"d")];
    assert_eq!(read_as(with(Unusual::Error, Unusual::Strip), marked), Ok(both.to_vec()));
    let kept = [entry(b"\xef\xbb\xbfa", b"b"), entry(b"c", b"d")];
    assert_eq!(read_as(with(Unusual::Error, Unusual::Keep), marked), Ok(kept.to_vec()));
    // A mark counts only in the first line. An input of a mark alone has no entry.
    let later = b"a\tb\n\xef\xbb\xbfc\td\n";
    assert_eq!(read(later), Ok(vec![entry(b"a", b"b"), entry(b"\xef\xbb\xbfc", b"d")]));
    assert_eq!(read_as(with(Unusual::Error, Unusual::Strip), b"\xef\xbb\xbf"), Ok(vec![]));

    for (text, at) in [(&b"a\tb\r\n"[..], 1), (b"a\tb\nc\td\r\n", 2), (b"a\tb\nc\td\r", 2)] {
        let (what, line) = read(text).unwrap_err();
        assert!(what.contains("--crlf strip") && line == at, "{what} {line}");
    }
    let text = b"a\tb\r\nc\td\\r\r\n";
    let stripped = [entry(b"a", b"b"), entry(b"c", b"d\r")];
    assert_eq!(read_as(with(Unusual::Strip, Unusual::Error), text), Ok(stripped.to_vec()));
    let kept = [entry(b"a", b"b\r"), entry(b"c", b"d\r\r")];
    assert_eq!(read_as(with(Unusual::Keep, Unusual::Error), text), Ok(kept.to_vec()));
}

#[test]
fn without_escapes_a_backslash_is_a_byte() {
    let text = Text { no_escape: true, ..STRICT };
    let lines = b"C:\\temp\\new\tD:\\x\nk\\\t\\\n";
    let right =
        vec![(b"C:\\temp\\new".to_vec(), b"D:\\x".to_vec()), (b"k\\".to_vec(), b"\\".to_vec())];
    assert_eq!(read_as(text, lines), Ok(right));
}

#[test]
fn a_long_first_line_keeps_its_key() {
    let value = "v".repeat(2 * crate::sizes::LONG);
    let entry = |key: &str| Ok(vec![(key.as_bytes().to_vec(), value.clone().into_bytes())]);
    let strip = Text { bom: Unusual::Strip, ..STRICT };
    let keep = Text { bom: Unusual::Keep, ..STRICT };
    let marked = format!("\u{feff}key\t{value}\n");
    assert_eq!(read_as(strip, marked.as_bytes()), entry("key"));
    assert_eq!(read_as(keep, marked.as_bytes()), entry("\u{feff}key"));
    assert_eq!(read_as(strip, format!("key\t{value}\n").as_bytes()), entry("key"));
}

#[test]
fn a_value_is_unescaped_in_pieces() {
    let decode = |field: &[u8], whole, room: usize| {
        let mut into = vec![0; room];
        let (taken, written) = value::decode(field, whole, STRICT, &mut into).ok()?;
        into.truncate(written);
        Some((taken, into))
    };
    // After a byte that was escaped, less fits than the room for all.
    assert_eq!(decode(b"a\\tbcd", true, 3), Some((4, b"a\tb".to_vec())));
    // More bytes may follow an escape that is cut short, but none can follow a CR.
    assert_eq!(decode(b"a\\", false, 9), Some((1, b"a".to_vec())));
    assert_eq!(decode(b"a\\\r", false, 9), None);
}
