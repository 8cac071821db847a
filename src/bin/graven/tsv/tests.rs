use super::*;

fn written(key: &[u8], value: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    write_entry(&mut out, key, value).unwrap();
    out
}

type Entries = Vec<(Vec<u8>, Vec<u8>)>;

fn read(text: &[u8]) -> Result<Entries, (String, u64)> {
    let mut reader = Reader::new(text);
    let mut all = Vec::new();
    loop {
        match reader.next() {
            Ok(Some((key, value))) => all.push((key.to_vec(), value.to_vec())),
            Ok(None) => return Ok(all),
            Err(InputError::Malformed(what)) => return Err((what, reader.line())),
            Err(InputError::Read(error)) => panic!("a slice cannot fail: {error}"),
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
    assert_eq!(read(b"k\tv\r\n"), Ok(vec![(b"k".to_vec(), b"v\r".to_vec())]));
}

#[test]
fn what_is_malformed_is_named_with_its_line() {
    let cases: [(&[u8], &str, u64); 9] = [
        (b"a\tb\n\nc\td\n", "no TAB between key and value", 2),
        (b"a\tb\nc", "no TAB between key and value", 2),
        (b"a\\tb\n", "no TAB between key and value", 1),
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
