//! Guards against a change of the format that nobody meant: tables built once and committed must
//! be built to the same bytes and be read for ever. A reader that understands only what today's
//! writer writes would pass every other test.
//!
//! The files of `v1` are frozen with version 1.0 of the format: nothing writes them anew, and their
//! checksums stand here. `BLESS=1 cargo test --test golden` writes a file that is missing, for a
//! layout that a later minor version adds. A writer that builds one of these tables to other bytes
//! gets files of its own; these are read for ever.

#![expect(unsafe_code, reason = "maps the golden files")]

#[path = "../benches/common/chosen.rs"]
mod chosen;
mod common;

use common::{Case, blessing, compare, data, each_form, generate};
use graven::{BuildOptions, HashIndex, OpenOptions, Table};
#[cfg(all(feature = "fsst", feature = "zstd"))]
use graven::{Compression, PackedTable, ValueBuffer};
use std::fs;
use std::path::Path;

/// Name and content of each golden table but the typed one.
fn tables() -> Vec<(&'static str, Case)> {
    let text = |text: &str| text.as_bytes().to_vec();
    let one = vec![(text("key"), text("value"))];
    let uneven = (0..200u32).map(|i| ((i * i * i).to_be_bytes().to_vec(), vec![i as u8; 3]));
    let long = (0..90u8).map(|i| {
        // Longer than what an index node stores of a separator.
        let key = [&[b'p'; 190][..], &[b'q'; 60], &[i]].concat();
        (key, vec![i; usize::from(i) % 4])
    });
    let repeated = (0..160u8).map(|i| (vec![b'k', i / 40], vec![i; 1 + usize::from(i % 2)]));
    let aligned = (0..40u8).map(|i| (vec![b'a'; usize::from(i)], vec![i; usize::from(i % 9)]));
    let metadata = vec![
        (text("source"), text("golden")),
        (text(""), text("")),
        (vec![0, 0xFF], vec![0xFF, 0]),
    ];
    let always = HashIndex::Always;
    let of_one_hash = (0..60).map(|i| (chosen::of_one_hash(i), vec![7; i as usize % 3]));
    let others = (0..100).map(|i| (chosen::ordinary(i, 16), vec![8; i as usize % 3]));
    // More than the half of the buckets that they may stand in has room for.
    let places = chosen::Places::of(300);
    let crowd =
        places.choose(|_, [first, second, _]| first.is_multiple_of(2) && second.is_multiple_of(2));
    let crowd = crowd.take(300).map(|key| (key.clone(), vec![key[0]; key[1] as usize % 3]));
    vec![
        ("empty", Case::default()),
        ("one", Case::of(one.clone())),
        ("no-bytes", Case::of(vec![Default::default()])),
        ("fixed-lines", Case::of(generate::fixed(300, 8, 4))),
        ("fixed-tree", Case { hash_index: always, ..Case::of(uneven.collect()) }),
        ("variable", Case { hash_index: always, ..Case::of(generate::varied(400)) }),
        ("long-keys", Case { hash_index: HashIndex::Never, ..Case::of(long.collect()) }),
        ("set-aside", Case { hash_index: always, ..Case::of(of_one_hash.chain(others).collect()) }),
        ("seeded", Case { hash_index: always, ..Case::of(crowd.collect()) }),
        ("repeated", Case { hash_index: always, ..Case::of(repeated.collect()) }),
        ("aligned", Case { value_align: 16, ..Case::of(aligned.collect()) }),
        ("metadata", Case { metadata, ..Case::of(one) }),
    ]
}

/// Keys and values of the typed table.
fn typed() -> impl Iterator<Item = (i32, u64)> {
    [i32::MIN, -70_000, -1, 0, 1, 70_000, i32::MAX].into_iter().map(|key| (key, key as i64 as u64))
}

fn build_typed(path: &Path) {
    let options = BuildOptions::new().durable(false);
    let mut builder = options.create_typed::<i32, u64>(path).unwrap();
    for (key, value) in typed() {
        builder.insert(&key, &value).unwrap();
    }
    builder.finish().unwrap();
}

graven::typed_value! {
    /// A struct with an array and a nested struct.
    #[derive(Clone, Copy, Debug, PartialEq)]
    struct Reading {
        celsius: f64,
        at: Sensor,
        counts: [u16; 2],
    }

    #[derive(Clone, Copy, Debug, PartialEq)]
    struct Sensor {
        number: i16,
        kind: [u8; 2],
    }
}

/// Keys and values of the table of tuples and structs.
fn structs() -> impl Iterator<Item = ((u16, [u8; 3], i8), Reading)> {
    (0..40_u16).map(|i| {
        let at = Sensor { number: -(i as i16), kind: *b"kt" };
        let key = (i / 9, [b'a', b'b', i as u8 % 3], (i % 9) as i8 - 4);
        (key, Reading { celsius: f64::from(i) / 4.0, at, counts: [i, 2 * i] })
    })
}

/// Name, content and options of each packed table. Values of text, of no bytes, and of bytes that
/// stand as they are; keys that share much. One key has three values.
#[cfg(all(feature = "fsst", feature = "zstd"))]
fn packed() -> Vec<(&'static str, Case, BuildOptions)> {
    let entry = |i: u32| {
        let number = i.wrapping_mul(0x9E37_79B9) >> 12;
        let key =
            format!("https://example.org/{}/page-{number}", ["en", "de", "fr"][i as usize % 3]);
        let value = match i % 25 {
            0 => vec![],
            1 => i.wrapping_mul(0x85EB_CA6B).to_le_bytes().to_vec(),
            _ => format!(
                "{{\"title\":\"Page {i}\",\"size\":{number},\"parent\":\"/page-{}\"}}",
                i / 7
            )
            .into(),
        };
        (key.into_bytes(), value)
    };
    let mut entries: Vec<_> = (0..150).map(entry).collect();
    entries.extend([1, 2].map(|i| (entries[40].0.clone(), entries[40 + i].1.clone())));
    let case = Case { hash_index: HashIndex::Always, ..Case::of(entries) };
    let mut frames = case.clone();
    // One byte more than a frame has room for, of which five frames are made.
    frames.entries.push((b"frames".to_vec(), b"0123456789abcdef".repeat((1 << 16) + 1)));
    let options = case.options();
    vec![
        ("packed-fsst", case.clone(), options.clone().compress(Compression::fsst())),
        ("packed-keys", case, options.clone().compact_keys(true)),
        ("packed-zstd", frames, options.compress(Compression::zstd().dictionary_bytes(2048))),
    ]
}

/// The committed file. One that is missing is written if that is asked for.
fn golden(name: &str, built: &[u8]) -> Vec<u8> {
    let path = data("v1").join(name).with_extension("grv");
    if blessing() && !path.exists() {
        fs::write(&path, built).unwrap();
    }
    fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// A patch that puts, deletes, and puts all values of a repeated key.
#[test]
fn a_patch_is_made_to_the_same_bytes() {
    let entry = |key: &str, value: &str| (key.as_bytes().to_vec(), value.as_bytes().to_vec());
    let old = vec![entry("gone", "1"), entry("same", "2"), entry("twice", "3")];
    let new = vec![entry("new", "4"), entry("same", "2"), entry("twice", "3"), entry("twice", "5")];
    let metadata = vec![entry("source", "golden")];
    let new = Case { metadata, value_align: 8, ..Case::of(new) };
    let [old, new] = [Case::of(old), new].map(|case| Table::from_bytes(case.bytes()).unwrap());
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("patch");
    graven::Patch::create(&old, &new, &path, &BuildOptions::new().durable(false)).unwrap();
    let made = fs::read(&path).unwrap();
    assert!(made == golden("patch", &made), "the patch has other bytes");
}

#[test]
fn built_to_the_same_bytes() {
    for (name, case) in tables() {
        let built = case.bytes();
        let committed = golden(name, &built);
        let same = built.iter().zip(&committed).take_while(|(a, b)| a == b).count();
        assert!(
            built == committed,
            "{name} is built to other bytes, from offset {same} on ({} and {} bytes)",
            built.len(),
            committed.len()
        );
    }
}

#[cfg(all(feature = "fsst", feature = "zstd"))]
#[test]
fn packed_tables_are_built_to_the_same_bytes() {
    for (name, case, options) in packed() {
        let built = case.bytes_with(options);
        assert!(built == golden(name, &built), "{name} is built to other bytes");
    }
}

#[cfg(all(feature = "fsst", feature = "zstd"))]
#[test]
fn packed_tables_are_read_as_they_were_written() {
    for (name, case, _) in packed() {
        let table = PackedTable::load(data("v1").join(name).with_extension("grv")).unwrap();
        // Each table has what it is here for: a dictionary, values or keys that are encoded.
        let codec = name.strip_prefix("packed-").filter(|&codec| codec != "keys");
        assert_eq!(table.codec(), codec, "{name}");
        assert_eq!(table.has_compact_keys(), codec.is_none(), "{name}");
        let bytes = fs::read(data("v1").join(name).with_extension("grv")).unwrap();
        let packing = common::craft::Image::new(bytes).section(10).1;
        assert!(packing > 300, "{name}: {packing} bytes");

        let model = case.model();
        let entries: Vec<_> = table.iter().map(Result::unwrap).collect();
        let entries = entries.iter().map(|(key, value)| (key.as_slice(), value.as_slice()));
        assert!(entries.eq(model.flat()), "{name}");
        let mut buffer = ValueBuffer::new();
        for (key, values) in &model.map {
            assert_eq!(table.get(key, &mut buffer).unwrap(), Some(&values[0][..]), "{name}");
            let all: Vec<_> = table.get_all(key).map(Result::unwrap).collect();
            assert_eq!(all, *values, "{name}");
            let absent = [key, &b"\0"[..]].concat();
            assert_eq!(table.get(&absent, &mut buffer).unwrap(), None, "{name}");
        }
        table.stored().verify().unwrap();
    }
}

#[test]
fn read_as_they_were_written() {
    for (name, case) in tables() {
        let path = data("v1").join(name).with_extension("grv");
        let directory = tempfile::tempdir().unwrap();
        let copy = directory.path().join("copy");
        fs::copy(&path, &copy).unwrap();
        each_form(&copy, |form, table| {
            let align = if form.aligned() { case.value_align as usize } else { 1 };
            compare(table, &case.model(), align, 1);
            assert_eq!(table.stats().unwrap().format.0, 1, "{name}");
        });
    }
}

/// Typed values are in the byte order of the machine that built the table.
#[test]
#[cfg(target_endian = "little")]
fn typed_table() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("typed");
    build_typed(&path);
    let built = fs::read(&path).unwrap();
    assert!(built == golden("typed", &built), "typed table is built to other bytes");

    let path = data("v1").join("typed.grv");
    // SAFETY: nobody changes a committed file while tests run.
    let table = unsafe { OpenOptions::new().open_typed::<i32, u64>(&path) }.unwrap();
    let entries: Result<Vec<_>, _> = table.iter().collect();
    let entries: Vec<(i32, u64)> = entries.unwrap().into_iter().map(|(k, v)| (k, *v)).collect();
    assert_eq!(entries, typed().collect::<Vec<_>>());
    for (key, value) in typed() {
        assert_eq!(table.get(&key).unwrap(), Some(&value));
        assert_eq!(table.get(&key.wrapping_add(5)).unwrap(), None);
    }
    table.table().verify().unwrap();
}

/// A table of tuples and structs, whose types stand in it.
#[test]
#[cfg(target_endian = "little")]
fn typed_table_of_structs() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("structs");
    BuildOptions::new().durable(false).build_typed(&path, structs()).unwrap();
    let built = fs::read(&path).unwrap();
    assert!(built == golden("structs", &built), "table of structs is built to other bytes");

    let table = Table::load(data("v1").join("structs.grv")).unwrap();
    let typed = table.typed::<(u16, [u8; 3], i8), Reading>().unwrap();
    let mut sorted: Vec<_> = structs().collect();
    sorted.sort_by_key(|entry| entry.0);
    let entries: Vec<_> = typed.iter().map(|entry| entry.unwrap()).collect();
    assert!(entries.iter().map(|(key, value)| (*key, **value)).eq(sorted));
    let text =
        "Reading { celsius: f64, at: Sensor { number: i16, kind: [u8; 2] }, counts: [u16; 2] }";
    let bytes = fs::read(data("v1").join("structs.grv")).unwrap();
    let types = format!("(u16, [u8; 3], i8)\n{text}");
    assert!(bytes.windows(types.len()).any(|part| part == types.as_bytes()));
    // Text and records are what they are; the record of the smallest key, by hand.
    let first = table.first().unwrap().unwrap();
    assert_eq!(first.0, [0, 0, b'a', b'b', 0, 0x7C]);
    assert_eq!(first.1, [&0_f64.to_le_bytes()[..], &[0, 0, b'k', b't', 0, 0, 0, 0]].concat());
    table.verify().unwrap();
}

/// Bytes that are part of the program, borrowed for ever.
#[test]
fn included_bytes() {
    static ONE: &[u8] = include_bytes!("data/v1/one.grv");
    let table = Table::from_bytes(ONE).unwrap();
    assert_eq!(table.get(b"key").unwrap(), Some(&b"value"[..]));
    // A slice of the program itself, not of a copy.
    let value = table.get(b"key").unwrap().unwrap();
    assert!(ONE.as_ptr_range().contains(&value.as_ptr()));
}

/// CRC-32 of each golden file. A table that is built to other bytes is a table of a new version.
const FROZEN: [(&str, u32); 18] = [
    ("aligned.grv", 0x9DA7_8814),
    ("empty.grv", 0xFBE4_6268),
    ("fixed-lines.grv", 0x32A7_C4B9),
    ("fixed-tree.grv", 0x215C_4051),
    ("long-keys.grv", 0x29B7_195E),
    ("metadata.grv", 0x9A91_AF46),
    ("no-bytes.grv", 0x1421_A7E6),
    ("one.grv", 0xA8E8_2339),
    ("packed-fsst.grv", 0x4530_5747),
    ("packed-keys.grv", 0xFD3A_848A),
    ("packed-zstd.grv", 0x5EB5_0787),
    ("patch.grv", 0xAC12_CC55),
    ("repeated.grv", 0x99FF_1183),
    ("seeded.grv", 0xCABC_28B2),
    ("set-aside.grv", 0x50F0_9820),
    ("structs.grv", 0x30C6_1136),
    ("typed.grv", 0xF38F_A9C2),
    ("variable.grv", 0xE853_58C7),
];

/// No file without a test, none so large that it is a burden, and none that was changed.
#[test]
fn each_file_is_frozen() {
    let mut found: Vec<(String, u32)> = Vec::new();
    for file in fs::read_dir(data("v1")).unwrap() {
        let file = file.unwrap();
        let name = file.file_name().into_string().unwrap();
        // The tests of sets know theirs.
        if file.file_type().unwrap().is_file() {
            assert!(file.metadata().unwrap().len() <= 32 << 10, "{name} is large");
            found.push((name, crc32fast::hash(&fs::read(file.path()).unwrap())));
        }
    }
    found.sort();
    let frozen: Vec<_> = FROZEN.iter().map(|&(name, crc)| (name.to_owned(), crc)).collect();
    assert_eq!(found, frozen, "golden files are frozen: see the top of tests/golden.rs");
}
