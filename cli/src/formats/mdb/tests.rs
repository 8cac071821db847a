use super::*;
use crate::input::testing::Entries;

fn read(dump: &[u8]) -> Result<Entries, (String, u64)> {
    read_database(dump, None).map(|(entries, ..)| entries)
}

/// The entries, flags and warning of a database.
fn read_database(
    dump: &[u8],
    name: Option<&str>,
) -> Result<(Entries, Flags, Option<String>), (String, u64)> {
    let mut reader = Reader::new(dump, name.map(|name| name.as_bytes().to_vec()));
    let flags = reader.flags().map_err(|error| (error.to_string(), reader.line()))?;
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
                return Ok((all, flags, reader.warning()));
            }
            Err(error) => error,
        };
        return Err((error.to_string(), reader.line()));
    }
}

/// What the writer makes of entries.
fn written(entries: &Entries, flags: Option<&[u8]>) -> Result<Vec<u8>, String> {
    let mut writer = Writer::new(flags);
    for (key, value) in entries {
        writer.holds(key, value)?;
    }
    let mut out = Vec::new();
    writer.begin(&mut out).unwrap();
    for (key, value) in entries {
        writer.entry(&mut out, key, value).unwrap();
    }
    writer.finish(&mut out).unwrap();
    Ok(out)
}

fn pair(key: &[u8], value: &[u8]) -> (Vec<u8>, Vec<u8>) {
    (key.to_vec(), value.to_vec())
}

const HEAD: &str = "VERSION=3\nformat=bytevalue\ntype=btree\nmapsize=10485760\nmaxreaders=126\n";

#[test]
fn every_byte_comes_back() {
    let mut entries: Entries =
        (0..=255u8).map(|byte| (vec![byte], vec![byte ^ 0x55; usize::from(byte)])).collect();
    entries.push((vec![0xff; 511], vec![0xfe; 3 << 20]));
    entries.push(pair(b"\xff\xff again", b"2"));
    entries.push(pair(b"\xff\xff again", b"1"));
    let dump = written(&entries, None).unwrap();
    assert!(read(&dump) == Ok(entries), "another value");
}

#[test]
fn the_dump_is_fixed() {
    let dump = written(&vec![pair(b"k\n", b""), pair(b"l", b"\xff")], None).unwrap();
    let expected = format!("{HEAD}HEADER=END\n 6b0a\n \n 6c\n ff\nDATA=END\n");
    assert_eq!(String::from_utf8(dump).unwrap(), expected);
    let dump = written(&vec![pair(b"k", b"2"), pair(b"k", b"1")], None).unwrap();
    let expected = format!("{HEAD}dupsort=1\nHEADER=END\n 6b\n 32\n 6b\n 31\nDATA=END\n");
    assert_eq!(String::from_utf8(dump).unwrap(), expected);
    let dump = written(&vec![], None).unwrap();
    assert_eq!(String::from_utf8(dump).unwrap(), format!("{HEAD}HEADER=END\nDATA=END\n"));
}

#[test]
fn the_map_has_room() {
    let entries = (0..20u8).map(|byte| (vec![byte], vec![byte; 1 << 20])).collect();
    let dump = written(&entries, None).unwrap();
    let text = String::from_utf8(dump).unwrap();
    let size = text.lines().find_map(|line| line.strip_prefix("mapsize=")).unwrap();
    assert_eq!(size, "74448896");
}

#[test]
fn half_a_map_of_ten_mib_is_enough() {
    // An entry takes at most 2 * (8 + 1024 + 16) bytes: 2501 of them fit in 5 MiB.
    for (entries, size) in [(2501u64, "10485760"), (2502, "16777216")] {
        let mut writer = Writer::new(None);
        for number in 0..entries {
            writer.holds(&number.to_be_bytes(), &[0; 1024]).unwrap();
        }
        let mut out = Vec::new();
        writer.begin(&mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(text.contains(&format!("\nmapsize={size}\n")), "{text}");
    }
}

#[test]
fn the_longest_key_is_read() {
    let dump = format!("VERSION=3\nHEADER=END\n {}\n 76\nDATA=END\n", "6b".repeat(65_535));
    let entries = vec![pair(&[b'k'; 65_535], b"v")];
    assert!(read(dump.as_bytes()) == Ok(entries), "another key");
}

#[test]
fn printed_bytes_are_read_as_mdb_load_reads_them() {
    // LMDB 1.0 names the address of the map.
    let dump = b"VERSION=3\nformat=print\nmapaddr=0x7f4de3c00000\nHEADER=END\n a b\\\\c\n \\00\\Ff\n k\n \nDATA=END\n";
    let entries = vec![pair(b"a b\\c", b"\0\xff"), pair(b"k", b"")];
    assert_eq!(read_database(dump, None), Ok((entries, Flags::default(), None)));
}

#[test]
fn a_lone_backslash_is_taken_with_a_warning() {
    let dump =
        b"VERSION=3\nformat=print\nHEADER=END\n k\n v\n a\\\n \\x \\1\n b\\z\n v\nDATA=END\n";
    let (entries, _, warning) = read_database(dump, None).unwrap();
    let expected = vec![pair(b"k", b"v"), pair(b"a\\", b"\\x \\1"), pair(b"b\\z", b"v")];
    assert_eq!(entries, expected);
    let warning = warning.expect("a warning");
    assert!(warning.starts_with("line 6 has a backslash"), "{warning}");
    assert!(warning.contains("mdb_dump without -p"), "{warning}");
}

#[test]
fn long_printed_values_are_decoded_across_pieces() {
    // The period of five is coprime to the sizes of all buffers, so that escapes are cut everywhere.
    let text = b"\\c3\\\\".repeat(1 << 19);
    let dump =
        [&b"VERSION=3\nformat=print\nHEADER=END\n k\n "[..], &text, b"\nDATA=END\n"].concat();
    let value = b"\xc3\\".repeat(1 << 19);
    assert!(read(&dump) == Ok(vec![(b"k".to_vec(), value)]), "another value");
    // At the end of a long value, too, an unfinished escape is a lone backslash.
    let dump = [&b"VERSION=3\nformat=print\nHEADER=END\n k\n "[..], &text, b"\\c\nDATA=END\n"];
    let (entries, _, warning) = read_database(&dump.concat(), None).unwrap();
    assert!(entries[0].1.ends_with(b"\xc3\\\\c") && warning.is_some(), "{warning:?}");
}

#[test]
fn the_record_of_a_named_database_is_warned_of() {
    // As mdb_dump writes them without -s: one with entries, one without.
    let full = "000000000400010000000000000000000100000000000000000000000000000003000000000000000500\
                000000000000";
    let empty = format!("00000000{}ffffffffffffffff", "0".repeat(72));
    let body = |value: &str| format!("HEADER=END\n 61\n {value}\nDATA=END\n");
    for value in [full, &empty[..]] {
        let dump = format!("VERSION=3\n{}", body(value));
        let (_, _, warning) = read_database(dump.as_bytes(), None).unwrap();
        let warning = warning.expect("a warning");
        assert!(warning.starts_with("line 4 has the record of a named database"), "{warning}");
        // In a named database it is a value like any other.
        let dump = format!("VERSION=3\ndatabase=one\n{}", body(value));
        assert_eq!(read_database(dump.as_bytes(), None).unwrap().2, None);
    }
    for value in [&full[2..], &"0".repeat(96), &"f".repeat(96), &"61".repeat(48)] {
        let dump = format!("VERSION=3\n{}", body(value));
        assert_eq!(read_database(dump.as_bytes(), None).unwrap().2, None, "{value}");
    }
}

#[test]
fn a_record_has_a_tree_that_can_be() {
    let record = |depth: u16, leaves: u64, root: u64| {
        let mut record = [0; 48];
        record[6..8].copy_from_slice(&depth.to_le_bytes());
        record[16..24].copy_from_slice(&leaves.to_le_bytes());
        record[40..].copy_from_slice(&root.to_le_bytes());
        is_record(&record)
    };
    assert!(record(32, 1, (1 << 48) - 1));
    assert!(!record(33, 1, 3), "too deep");
    assert!(!record(1, 0, 3), "no leaf");
    assert!(!record(1, 1, 1 << 48), "too large a page number");
}

/// Three databases, as `mdb_dump -a` writes them.
const SEVERAL: &[u8] = b"VERSION=3\nformat=bytevalue\ndatabase=one\ntype=btree\nHEADER=END\n 61\n 31\n\
    DATA=END\nVERSION=3\nformat=print\ndatabase=two\ntype=btree\nduplicates=1\ndupsort=1\nHEADER=END\n \
    k\n 2\n k\n 1\nDATA=END\nVERSION=3\nformat=bytevalue\nintegerkey=1\nHEADER=END\n 0100\
    0000\n 78\n 00010000\n 79\nDATA=END\n";

#[test]
fn one_of_several_databases_is_chosen() {
    let one = read_database(SEVERAL, Some("one")).unwrap();
    assert_eq!(one, (vec![pair(b"a", b"1")], Flags::default(), None));
    let two = read_database(SEVERAL, Some("two")).unwrap();
    assert_eq!(two, (vec![pair(b"k", b"2"), pair(b"k", b"1")], Flags::DUPSORT, None));
    let (main, flags, _) = read_database(SEVERAL, Some("")).unwrap();
    assert_eq!(main, [pair(b"\0\0\0\x01", b"x"), pair(b"\0\0\x01\0", b"y")]);
    assert_eq!(flags, Flags::INTEGERKEY);
    let (what, _) = read(SEVERAL).expect_err("which one?");
    let names = "has several databases, \"one\", \"two\", \"\" (the main one): name one with --db";
    assert_eq!(what, names);
    let (what, _) = read_database(SEVERAL, Some("three")).expect_err("no such database");
    assert_eq!(what, "has no database \"three\", but \"one\", \"two\", \"\" (the main one)");
    // Two dumps of the same database are one.
    let twice = [SEVERAL, SEVERAL].concat();
    assert_eq!(read_database(&twice, Some("two")).unwrap().0.len(), 4);
}

#[test]
fn integer_keys_are_turned_and_turned_back() {
    let wide = b"\x01\0\0\0\0\0\0\0";
    let dump = format!("{HEAD}integerkey=1\nHEADER=END\n 0100000000000000\n 76\nDATA=END\n");
    let (entries, flags, _) = read_database(dump.as_bytes(), None).unwrap();
    let turned = wide.iter().rev().copied().collect();
    assert_eq!(entries, [(turned, b"v".to_vec())]);
    assert_eq!(flags.metadata(), "integerkey");
    let back = written(&entries, Some(b"integerkey")).unwrap();
    assert_eq!(String::from_utf8(back).unwrap(), dump);
    let dump = "VERSION=3\nintegerkey=1\nHEADER=END\n 0100\n 76\nDATA=END\n";
    let (what, line) = read(dump.as_bytes()).expect_err("two bytes");
    assert_eq!((&what[..], line), ("key of 2 bytes, and integerkey=1 means 4 or 8", 4));
}

#[test]
fn all_flags_survive() {
    let names = "reversekey dupsort integerkey dupfixed integerdup reversedup";
    let lines: Vec<_> = names.split(' ').map(|name| format!("{name}=1\n")).collect();
    let dump = format!("{HEAD}{}HEADER=END\n 01000000\n 76\nDATA=END\n", lines.concat());
    let (entries, flags, _) = read_database(dump.as_bytes(), None).unwrap();
    assert_eq!(flags.metadata(), names);
    let back = written(&entries, Some(flags.metadata().as_bytes())).unwrap();
    assert_eq!(String::from_utf8(back).unwrap(), dump);
    // A flag of zero is none; unknown words in the metadata are passed over.
    let dump = "VERSION=3\ndupsort=0\nHEADER=END\nDATA=END\n";
    assert!(read_database(dump.as_bytes(), None).unwrap().1.is_empty());
    assert!(Flags::from_metadata(b"nonsense DUPSORT").is_empty());
}

#[test]
fn malformed_dumps_are_refused_and_placed() {
    let body = |body: &str| format!("VERSION=3\nformat=bytevalue\nHEADER=END\n{body}");
    for (dump, what, line) in [
        (String::new(), "\"VERSION=\" is expected", 1),
        ("61 62\n".into(), "\"VERSION=\" is expected", 1),
        ("VERSION=4\nHEADER=END\nDATA=END\n".into(), "VERSION \"4\", which graven does not", 1),
        ("VERSION=3\nformat=json\n".into(), "format \"json\", which graven does not", 2),
        ("VERSION=3\ntype=recno\n".into(), "type \"recno\", which graven does not", 2),
        ("VERSION=3\nnonsense\n".into(), "\"name=value\" or \"HEADER=END\"", 2),
        ("VERSION=3\nformat=print\n".into(), "cut short: \"HEADER=END\" is missing", 2),
        (body(""), "cut short: \"DATA=END\" is missing", 3),
        (body(" 61\n"), "cut short: \"DATA=END\" is missing", 4),
        (body(" 61\n 62\n"), "cut short: \"DATA=END\" is missing", 5),
        (body(" 61\nDATA=END\n"), "a key without a value", 5),
        (body("61\n 62\nDATA=END\n"), "a space is expected before a key or value", 4),
        (body(" 61\n62\nDATA=END\n"), "a space is expected before a key or value", 5),
        (body(" 6\n 62\nDATA=END\n"), "an odd number of digits", 4),
        (body(" 61\n 6\nDATA=END\n"), "an odd number of digits", 5),
        (body(" 61\n 6g\nDATA=END\n"), "'g' is no hexadecimal digit", 5),
        (body(" 61\r\n 62\r\nDATA=END\r\n"), "a CR before the LF", 4),
        (body("DATA=END\ntrailing\n"), "\"VERSION=\" is expected", 5),
        (body(&format!(" {}\n 62\n", "61".repeat(65_536))), "key of 65536 bytes", 4),
        (body(&format!(" {}\n 62\n", "61".repeat(1 << 20))), "a line too long for a key", 4),
    ] {
        let (error, at) = read(dump.as_bytes()).expect_err("malformed");
        assert!(error.contains(what), "{error:?} does not contain {what:?}");
        assert_eq!(at, line, "{error}");
    }
}

#[test]
fn a_malformed_entry_leads_to_the_next_one() {
    let dump = b"VERSION=3\nHEADER=END\n 6\n 62\n 61\n 6g\n 63\n 64\nDATA=END\n";
    let mut reader = Reader::new(&dump[..], None);
    assert!(matches!(reader.next(), Err(InputError::Malformed(_))));
    assert!(matches!(reader.next(), Err(InputError::Malformed(_))));
    assert!(matches!(reader.next(), Ok(Some(Entry::Whole(b"c", b"d")))));
    assert!(matches!(reader.next(), Ok(None)));

    let long = "61".repeat(crate::sizes::LONG);
    let dump = format!("VERSION=3\nHEADER=END\n {long}\n 62\n 63\n 64\nDATA=END\n");
    let mut reader = Reader::new(dump.as_bytes(), None);
    assert!(matches!(reader.next(), Err(InputError::Malformed(_))));
    assert!(matches!(reader.next(), Ok(Some(Entry::Whole(b"c", b"d")))));
    assert!(matches!(reader.next(), Ok(None)));
}

/// Whether its end has come with its start or not.
#[test]
fn a_line_that_is_too_long_for_a_header_is_refused() {
    let line = format!("dupsort={}", "1".repeat(crate::sizes::LONG - 7));
    let dump = format!("VERSION=3\n{line}\nHEADER=END\nDATA=END\n");
    for drip in [1000, dump.len()] {
        let mut reader = Reader::new(crate::input::testing::Drip(dump.as_bytes(), drip), None);
        let error = reader.flags().expect_err("a line of a MiB").to_string();
        assert!(error.contains("too long for a header"), "{error}");
    }
    let shorter = dump.replacen("11", "1", 1);
    assert!(read_database(shorter.as_bytes(), None).is_ok());
}

#[test]
fn what_lmdb_cannot_hold_is_refused_with_its_key() {
    let long = vec![b'x'; 512];
    let just = &long[..511];
    assert!(written(&vec![pair(just, &long), pair(b"y", b"")], None).is_ok());
    assert!(written(&vec![pair(b"k", just), pair(b"k", b"1")], None).is_ok());
    for (entries, flags, what) in [
        (vec![pair(b"", b"v")], "", "key \"\": LMDB has no empty key"),
        (vec![pair(&long, b"v")], "", "(512 bytes): 512 bytes, and LMDB's keys have at most 511"),
        (vec![pair(b"k", &long), pair(b"k", b"1")], "", "key \"k\": a value of 512 bytes"),
        (vec![pair(b"k", b"1"), pair(b"k", &long)], "", "key \"k\": a value of 512 bytes"),
        (vec![pair(b"k", &long)], "dupsort", "key \"k\": a value of 512 bytes"),
        (vec![pair(b"k", b""), pair(b"k", b"1")], "", "key \"k\": a repeated key with an empty"),
        (vec![pair(b"k", b"1"), pair(b"k", b"")], "", "key \"k\": a repeated key with an empty"),
        (
            vec![pair(b"j", b"1"), pair(b"k", b"1"), pair(b"k", b"2"), pair(b"k", b"1")],
            "",
            "key \"k\": value \"1\" twice",
        ),
        (vec![pair(b"abc", b"v")], "integerkey", "key \"abc\": 3 bytes, and the keys"),
        (
            vec![pair(b"abcd", b"v"), pair(b"abcdefgh", b"v")],
            "integerkey",
            "key \"abcdefgh\": 8 bytes, and the keys",
        ),
    ] {
        let error = written(&entries, Some(flags.as_bytes())).expect_err("not for LMDB");
        assert!(error.contains(what), "{error:?} does not contain {what:?}");
    }
}

proptest::proptest! {
    #[test]
    fn changed_bytes_never_panic(at in 0usize..SEVERAL.len(), byte: u8, name in 0usize..4) {
        let mut dump = SEVERAL.to_vec();
        dump[at] = byte;
        let _ = read_database(&dump, [None, Some("one"), Some("two"), Some("")][name]);
    }
}
