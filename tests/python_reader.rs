//! Guards against a specification that says less than the code does. `tests/python/reader.py` was
//! written from format.md alone and shares no line with this crate; here tables of every shape are
//! built and it has to answer as a sorted list of the entries does. Where it cannot, either the
//! format changed without its specification or one of the two readers is wrong.

#[path = "../benches/common/chosen.rs"]
mod chosen;
mod common;

use common::craft::{Image, at};
use common::generate::{case, entries, large_entries, runs};
use common::python::no_python;
use common::{Rng, data, scaled, skip};
#[cfg(all(feature = "fsst", feature = "zstd"))]
use graven::Compression;
use graven::{BuildOptions, Duplicates, HashIndex};
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::{Config, TestRunner};
use std::cell::Cell;
use std::collections::BTreeSet;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

type Entries = Vec<(Vec<u8>, Vec<u8>)>;

/// A name, options and entries in any order.
struct Shape(&'static str, BuildOptions, Entries);

/// Most keys of a table that are looked up.
const LOOKUPS: usize = 100;

fn reader(table: &Path) -> Command {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python/reader.py");
    let mut command = Command::new("python3");
    command.arg("-B").arg(script).arg(table);
    command
}

fn ask(table: &Path, queries: &str) -> Output {
    let mut child = reader(table)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("python3 starts");
    let mut input = child.stdin.take().expect("its standard input");
    let queries = queries.to_owned();
    let writer = std::thread::spawn(move || input.write_all(queries.as_bytes()));
    let output = child.wait_with_output().expect("python3 ends");
    // A reader that refuses the table closes its input early.
    let _ = writer.join().expect("the writer ends");
    output
}

fn hex(bytes: &[u8]) -> String {
    if bytes.is_empty() {
        return "\"\"".to_owned();
    }
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Keys of the table and keys beside them.
fn wanted(entries: &Entries) -> BTreeSet<Vec<u8>> {
    let mut random = Rng::new(9);
    let mut keys = BTreeSet::from([vec![], vec![0], vec![0xFF; 20], b"m".to_vec()]);
    let step = (entries.len() / LOOKUPS).max(1);
    for (key, _) in entries.iter().step_by(step).chain(entries.last()) {
        keys.insert(key.clone());
        keys.insert([key, &[0][..]].concat());
        keys.insert(key[..random.below(key.len() as u64 + 1) as usize].to_vec());
        let mut other = key.clone();
        if let Some(byte) = other.last_mut() {
            *byte = byte.wrapping_add(random.next() as u8 | 1);
        }
        keys.insert(other);
    }
    keys
}

/// Queries and the answers that the sorted entries give.
fn questions(entries: &Entries, metadata: &Entries, packing: &str) -> Vec<(String, String)> {
    let pair = |entry: Option<&(Vec<u8>, Vec<u8>)>| {
        entry.map_or("-".to_owned(), |(key, value)| format!("{} {}", hex(key), hex(value)))
    };
    let keys = entries.iter().map(|entry| &entry.0).collect::<BTreeSet<_>>().len();
    let mut asked = vec![("packing".to_owned(), packing.to_owned())];
    asked.push(("check".to_owned(), format!("{} {keys}", entries.len())));
    let lines = |entries: &Entries| {
        entries.iter().map(|entry| pair(Some(entry))).collect::<Vec<_>>().join("\n")
    };
    asked.push(("iter".to_owned(), lines(entries)));
    asked.push(("meta".to_owned(), lines(metadata)));
    for key in wanted(entries) {
        let below = entries.partition_point(|entry| entry.0 < key);
        let above = entries.partition_point(|entry| entry.0 <= key);
        let value = if below < above { hex(&entries[below].1) } else { "-".to_owned() };
        let at = |rank: usize| match entries.get(rank) {
            None => rank.to_string(),
            entry => format!("{rank} {}", pair(entry)),
        };
        let key = hex(&key);
        asked.push((format!("get {key}"), value.clone()));
        asked.push((format!("find {key}"), value));
        asked.push((format!("seek {key}"), at(below)));
        asked.push((format!("above {key}"), at(above)));
        asked.push((format!("nth {below}"), pair(entries.get(below))));
    }
    asked
}

fn numbered(n: u32, entry: impl Fn(u32, &mut Rng) -> (Vec<u8>, Vec<u8>)) -> Entries {
    let mut random = Rng::new(u64::from(n));
    (0..n).map(|i| entry(i, &mut random)).collect()
}

fn words(n: u32) -> Entries {
    numbered(n, |i, random| {
        let section = ["numbers/symbols", "dates/fields/day", "dates", "names"][i as usize % 4];
        let key = format!("{section}/{}/{i}", random.below(50));
        let len = random.below(40) as usize;
        (key.into_bytes(), random.bytes(len))
    })
}

fn shapes() -> Vec<Shape> {
    let plain = BuildOptions::new;
    let random_keys = |n, key: usize, value: usize| {
        numbered(n, move |_, random| (random.bytes(key), random.bytes(value)))
    };
    let dense = |n| numbered(n, |i, _| (u64::from(i).to_be_bytes().to_vec(), vec![i as u8; 8]));
    let repeated = |n, key: fn(u32) -> String, value: fn(u32) -> String| {
        numbered(n, move |i, _| (key(i).into_bytes(), value(i).into_bytes()))
    };
    // Separators that share more than a node stores, and go on beyond what it keeps of each.
    let long = numbered(400, |i, _| {
        let key = format!("{}{:02}{}{i:04}", "p".repeat(200), i / 40, "t".repeat(70));
        (key.into_bytes(), vec![b'v'; i as usize % 5])
    });
    // Zeros where a head is filled up with zeros.
    let zeros = numbered(2000, |i, _| {
        let tail = (0..11).map(|bit| if i >> bit & 1 == 0 { 0 } else { 1 });
        let key: Vec<u8> = [b'z'].into_iter().chain(tail).take(4 + i as usize % 9).collect();
        ([key, vec![0; i as usize % 3]].concat(), vec![])
    });
    let mut zeros_once: Entries = zeros;
    zeros_once.sort();
    zeros_once.dedup_by(|a, b| a.0 == b.0);
    // Every value longer than the one before would suggest.
    let wide = numbered(300, |i, random| {
        let len = if i == 299 { 70_000 } else { 3000 + random.below(6000) as usize };
        (format!("wide-{i}").into_bytes(), random.bytes(len))
    });
    // One key and one value far from the sample that chose the length word.
    let mut escapes = words(20_000);
    escapes.push((b"~".repeat(65_535), vec![1]));
    escapes.push((b"~~".to_vec(), vec![2; 100_000]));
    let letters =
        |n| numbered(n, |i, _| (format!("{i:x}").into_bytes(), format!("{:04}", i % 9).into()));
    let keep = || plain().duplicates(Duplicates::KeepAll);
    vec![
        Shape("nothing", plain(), vec![]),
        Shape("the empty entry", plain(), vec![(vec![], vec![])]),
        Shape("one block", plain(), dense(10)),
        Shape("one block with a hash index", plain().hash_index(HashIndex::Always), words(9)),
        Shape("random keys", plain(), random_keys(20_000, 16, 8)),
        Shape("random keys of three bytes", plain(), {
            let mut entries = random_keys(9000, 3, 1);
            entries.sort();
            entries.dedup_by(|a, b| a.0 == b.0);
            entries
        }),
        Shape("dense numbers", plain(), dense(5000)),
        Shape("fixed, hashed", plain().hash_index(HashIndex::Always), random_keys(20_000, 20, 12)),
        Shape("fixed, tree", plain().hash_index(HashIndex::Never), random_keys(20_000, 16, 8)),
        Shape("fixed, aligned", plain().value_align(16), random_keys(3000, 7, 9)),
        Shape("aligned tree", plain().value_align(8).hash_index(HashIndex::Never), dense(3000)),
        Shape("words", plain(), words(30_000)),
        Shape("words, tree", plain().hash_index(HashIndex::Never), words(30_000)),
        Shape("words, aligned", plain().value_align(64), words(3000)),
        Shape(
            "fixed keys",
            plain().metadata("b", "2").metadata("a", [0xFF, 0]).metadata("", ""),
            numbered(5000, |i, random| {
                let len = random.below(20) as usize;
                ([random.bytes(20), i.to_be_bytes().to_vec()].concat(), random.bytes(len))
            }),
        ),
        Shape("fixed values", plain(), letters(5000)),
        Shape("fixed values, aligned", plain().value_align(4), letters(5000)),
        Shape("long keys", plain(), long.clone()),
        Shape("long keys, tree", plain().hash_index(HashIndex::Never), long),
        Shape("zeros", plain(), zeros_once.clone()),
        Shape("zeros, tree", plain().hash_index(HashIndex::Never), zeros_once),
        Shape("wide values", plain(), wide),
        Shape("half of one hash", plain(), {
            let one = (0..600u32).map(|i| chosen::of_one_hash(u64::from(i)));
            let all = one.chain((0..600).map(|i| chosen::ordinary(i, 16)));
            all.zip(0u32..).map(|(key, i)| (key, vec![i as u8; i as usize % 5])).collect()
        }),
        Shape("seeded", plain(), {
            let places = chosen::Places::of(1000);
            let crowd = places.choose(|_, [first, second, _]| {
                first.is_multiple_of(2) && second.is_multiple_of(2)
            });
            crowd
                .take(1000)
                .zip(0u32..)
                .map(|(key, i)| (key, vec![i as u8; i as usize % 5]))
                .collect()
        }),
        Shape("escapes", plain(), escapes),
        Shape("repeated", keep(), repeated(5000, |i| format!("{}", i % 7), |i| format!("{i}"))),
        Shape(
            "repeated, tree",
            keep().hash_index(HashIndex::Never),
            repeated(9000, |i| format!("{}", i % 1000 / 3), |i| format!("{i}")),
        ),
        Shape(
            "repeated, fixed",
            keep().hash_index(HashIndex::Never),
            repeated(9000, |i| format!("{:05}", i % 100), |i| format!("{i:05}")),
        ),
    ]
}

/// Shapes of packed tables, each with its codecs of values and keys.
#[cfg(all(feature = "fsst", feature = "zstd"))]
fn packed_shapes() -> Vec<(Shape, &'static str)> {
    let plain = BuildOptions::new;
    let fsst = || plain().compress(Compression::fsst());
    let zstd = || plain().compress(Compression::zstd());
    let compact = || plain().compact_keys(true);
    let (always, never) = (HashIndex::Always, HashIndex::Never);
    // Text, noise that stands as it is, and values of no bytes, under keys that share much.
    let documents = |n| {
        numbered(n, |i, random| {
            let key = format!("https://{}.example.org/page/{i:05}/a", random.below(9));
            let value = match i % 20 {
                0 => vec![],
                1 => random.bytes(30),
                _ => format!("{{\"page\": {i}, \"next\": \"/page/{}\", \"of\": 9}}", i + 1).into(),
            };
            (key.into_bytes(), value)
        })
    };
    let repeated = |n| {
        numbered(n, |i, _| {
            (format!("key/of/many/{:03}", i % 97).into(), format!("text {i:04}, ").repeat(8).into())
        })
    };
    // Text and noise of several frames, and one byte less and more than one frame has room for.
    let large = |n: u32| {
        let mut entries = documents(n);
        let text: Vec<u8> = b"large values are text, too; ".repeat(60_000);
        entries.push((b"large/noise".to_vec(), Rng::new(7).bytes((1 << 20) + 70_000)));
        entries.push((b"large/text/1".to_vec(), text[..1 << 20].to_vec()));
        entries.push((b"large/text/2".to_vec(), text[..=1 << 20].to_vec()));
        entries.push((b"large/text/3".to_vec(), text));
        entries
    };
    // The highest byte ends many symbols: no string of as many bytes is above all that begin so.
    let high = || {
        let mut entries = numbered(4000, |i, random| {
            let parts: [&[u8]; 5] = [b"\xFF\xFF", b"\xFE\xFF", b"\0", b"a\xFF\xFF\xFF", b"ab"];
            let len = 1 + i as usize % 9;
            ((0..len).flat_map(|_| parts[random.below(5_usize)]).copied().collect(), vec![i as u8])
        });
        entries.sort();
        entries.dedup_by(|a, b| a.0 == b.0);
        entries
    };
    let one_hash = || {
        let one = (0..300u32).map(|i| chosen::of_one_hash(u64::from(i)));
        one.chain(documents(600).into_iter().map(|entry| entry.0))
            .zip(0u32..)
            .map(|(key, i)| (key, format!("value {i} of one hash or none").into_bytes()))
            .collect()
    };
    let numbers = |n| numbered(n, |i, _| (format!("number/{i:09}").into(), vec![i as u8; 4]));
    // Longer keys than may be encoded, and the longest that may.
    let long = |len: usize| {
        let mut entries = documents(300);
        entries.push((b"https://".iter().copied().cycle().take(len).collect(), vec![]));
        entries
    };
    vec![
        (Shape("fsst", fsst(), documents(3000)), "fsst -"),
        (Shape("fsst, hashed", fsst().hash_index(always), documents(500)), "fsst -"),
        (Shape("fsst, tree", fsst().hash_index(never), documents(3000)), "fsst -"),
        (Shape("fsst, nothing", fsst(), vec![]), "fsst -"),
        (Shape("fsst, the empty entry", fsst(), vec![(vec![], vec![])]), "fsst -"),
        (Shape("fsst, short values", fsst(), words(400)), "fsst -"),
        (Shape("compact keys", compact(), documents(3000)), "- symbols"),
        (Shape("compact keys, hashed", compact().hash_index(always), documents(900)), "- symbols"),
        (Shape("compact keys, tree", compact().hash_index(never), documents(3000)), "- symbols"),
        (Shape("compact keys, words", compact(), words(9000)), "- symbols"),
        (Shape("compact keys, fixed width", compact(), numbers(5000)), "- symbols"),
        (Shape("compact keys, high bytes", compact().hash_index(always), high()), "- symbols"),
        (Shape("compact keys, half of one hash", compact(), one_hash()), "- symbols"),
        (Shape("compact keys, the longest", compact(), long(32_767)), "- symbols"),
        (Shape("compact keys, too long", compact(), long(32_768)), "- -"),
        (Shape("compact keys, nothing", compact(), vec![]), "- -"),
        (
            Shape(
                "compact keys, repeated",
                compact().duplicates(Duplicates::KeepAll).hash_index(never),
                repeated(3000),
            ),
            "- symbols",
        ),
        (
            Shape("fsst and compact keys", fsst().compact_keys(true), documents(3000)),
            "fsst symbols",
        ),
        (
            Shape(
                "fsst and compact keys, repeated",
                fsst().compact_keys(true).duplicates(Duplicates::KeepAll).hash_index(always),
                repeated(3000),
            ),
            "fsst symbols",
        ),
        (Shape("zstd", zstd(), documents(1500)), "zstd -"),
        (Shape("zstd, tree", zstd().hash_index(never), documents(1500)), "zstd -"),
        (Shape("zstd, nothing", zstd(), vec![]), "zstd -"),
        (Shape("zstd, the empty entry", zstd(), vec![(vec![], vec![])]), "zstd -"),
        (Shape("zstd, several frames", zstd(), large(600)), "zstd -"),
        (
            Shape(
                "zstd without a dictionary",
                plain().compress(Compression::zstd().dictionary_bytes(0)),
                large(100),
            ),
            "zstd -",
        ),
        (
            Shape(
                "zstd and compact keys, repeated",
                zstd().compact_keys(true).duplicates(Duplicates::KeepAll),
                repeated(2000),
            ),
            "zstd symbols",
        ),
        (
            Shape(
                "zstd and compact keys",
                zstd().compact_keys(true).hash_index(always),
                documents(1500),
            ),
            "zstd symbols",
        ),
    ]
}

#[cfg(all(feature = "fsst", feature = "zstd"))]
#[test]
fn python_reads_every_packed_shape() {
    if let Some(why) = no_python() {
        return skip("python_reads_every_packed_shape", &why);
    }
    for (shape, packing) in packed_shapes() {
        let name = shape.0;
        if !answers_as_a_list(shape, &Vec::new(), packing) {
            skip("python_reads_every_packed_shape", &format!("{name}: Python has no zstd"));
        }
    }
}

/// A packed table made by hand: what is stored, and what its section says of it.
struct ByHand {
    entries: Vec<(&'static [u8], Vec<u8>)>,
    hash_index: HashIndex,
    align: u32,
    section_flags: u32,
    /// The struct in front of the dictionaries.
    block: [u8; 64],
    dictionary: Vec<u8>,
    key_dictionary: Vec<u8>,
    /// Bytes of the section too many.
    more: Vec<u8>,
}

impl ByHand {
    /// The examples of format.md, keys and values.
    fn examples() -> Self {
        let mut made = Self {
            entries: vec![
                (&[0, 0x62, 0, 0x67], vec![0, 1, 2]),
                (&[0, 0x63, 0, 0x66], vec![0, 0xFF, 0x21]),
                (&[0, 0x64, 0, 0x80], vec![0xFE, 0x3F, 0x21]),
            ],
            hash_index: HashIndex::Never,
            align: 1,
            section_flags: 1,
            block: [0; 64],
            dictionary: b"\x03\x02\x01\x03abcxyz".to_vec(),
            key_dictionary: b"\x03\0\0\0\x02\x03\x02ababcb0".to_vec(),
            more: vec![],
        };
        for (at, number) in [(0, 2), (1, 1), (4, 1), (20, 6), (24, 11), (32, 1), (44, 4), (48, 11)]
        {
            made.block[at] = number;
        }
        made.count_dictionaries();
        made
    }

    /// One value under zstd, keys as they are.
    #[cfg(all(feature = "fsst", feature = "zstd"))]
    fn under_zstd(stored: &[u8], value_len: u32) -> Self {
        let mut made = Self::examples();
        made.entries = vec![(b"key", stored.to_vec())];
        (made.dictionary, made.key_dictionary) = (vec![], vec![]);
        made.block = [0; 64];
        for (at, number) in [(0, 1), (44, 3), (48, 3)] {
            made.block[at] = number;
        }
        made.block[4..8].copy_from_slice(&10_507_u32.to_le_bytes());
        made.block[20..24].copy_from_slice(&value_len.to_le_bytes());
        made.block[24..28].copy_from_slice(&value_len.to_le_bytes());
        made.block[32] = u8::from(stored.first() == Some(&0));
        made.count_dictionaries();
        made
    }

    fn count_dictionaries(&mut self) {
        self.block[16] = self.dictionary.len() as u8;
        self.block[40] = self.key_dictionary.len() as u8;
    }

    /// The bytes of the table, changed once more before the checksums are made.
    fn build(&self, change: impl FnOnce(&mut Image)) -> Vec<u8> {
        let directory = common::directory();
        let path = directory.path().join("t.grv");
        let options = BuildOptions::new().durable(false).value_align(self.align);
        let mut builder = options.hash_index(self.hash_index).create(&path).expect("a builder");
        for (key, value) in &self.entries {
            builder.insert(key, value).expect("an insert");
        }
        builder.finish().expect("a table");
        let mut image = Image::new(std::fs::read(&path).expect("the table"));
        let parts = [&self.block[..], &self.dictionary, &self.key_dictionary, &self.more];
        image.insert_section(10, self.section_flags, &parts.concat());
        change(&mut image);
        image.seal();
        image.bytes
    }
}

/// What the reader says of the bytes of a table.
fn ask_bytes(bytes: &[u8], queries: &str) -> Output {
    let directory = common::directory();
    let path = directory.path().join("t.grv");
    std::fs::write(&path, bytes).expect("a file");
    ask(&path, queries)
}

/// Whether the library refuses a table, at open or in an audit.
fn refused(bytes: &[u8]) -> bool {
    let table = graven::PackedTable::from_bytes(bytes.to_vec());
    table.map_or(true, |table| table.stored().verify().is_err())
}

/// Both readers refuse a table that breaks a rule, the one in Python with these words, if any are
/// given.
fn assert_refused(bytes: &[u8], what: &str, words: &str) {
    let output = ask_bytes(bytes, "check\n");
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success(), "{what}: goes unseen in Python");
    let said = error.lines().last().unwrap_or_default().strip_prefix("ValueError: ");
    assert!(said.is_some_and(|said| words.is_empty() || said == words), "{what}: {error}");
    assert!(refused(bytes), "{what}: goes unseen in the library");
}

/// Each rule of packed tables, broken alone in a table that is right otherwise.
#[test]
fn python_checks_packed_tables() {
    if let Some(why) = no_python() {
        return skip("python_checks_packed_tables", &why);
    }
    let right = ByHand::examples().build(|_| ());
    let output = ask_bytes(&right, "packing\ncheck\niter\n");
    let lines = [("abb0", "abcxyz"), ("abcb", "ab!"), ("abz", "?!")]
        .map(|(key, value)| format!("{} {}\n", hex(key.as_bytes()), hex(value.as_bytes())));
    let said = String::from_utf8_lossy(&output.stdout);
    assert_eq!(said, format!("fsst symbols\n3 3\n{}", lines.concat()), "{output:?}");
    assert!(!refused(&right));

    type Change = fn(&mut ByHand);
    let changes: &[(&str, Change, &str)] = &[
        ("unknown codec", |t| t.block[0] = 3, "codec"),
        ("unknown codec of keys", |t| t.block[1] = 2, "codec"),
        ("reserved", |t| t.block[2] = 1, "reserved"),
        ("reserved_2", |t| t.block[63] = 1, "reserved"),
        ("longest value", |t| t.block[20] += 1, "value_len_max"),
        ("sum of values", |t| t.block[24] += 1, "value_bytes"),
        ("values as they are", |t| t.block[32] += 1, "as_they_are"),
        ("longest key", |t| t.block[44] += 1, "key_len_max"),
        ("sum of keys", |t| t.block[48] += 1, "key_bytes"),
        ("a byte too many", |t| t.more.push(0), "dictionaries do not fill the section"),
        ("a long dictionary", |t| t.block[18] = 0x11, "dictionary is too long"),
        ("a long dictionary of keys", |t| t.block[42] = 0x11, "dictionary is too long"),
        ("a dictionary without codec", |t| t.block[0] = 0, "dictionary without a codec"),
        ("one of keys", |t| t.block[1] = 0, "dictionary without a codec of keys"),
        ("symbols of FSST: too many", |t| t.dictionary[0] = 255, "symbols of FSST"),
        ("symbols of FSST: too few", |t| t.dictionary[0] = 2, "symbols of FSST"),
        ("symbols of FSST: none", |t| t.dictionary.clear(), "symbols of FSST"),
        ("an empty symbol of FSST", |t| t.dictionary[2] = 0, "symbols of FSST"),
        (
            "a long symbol of FSST",
            |t| {
                t.dictionary[3] = 9;
                t.dictionary.extend([b'z'; 6]);
            },
            "symbols of FSST",
        ),
        ("symbols of keys: too many", |t| t.key_dictionary[0] = 4, "symbols of keys"),
        ("symbols of keys: too few", |t| t.key_dictionary[0] = 2, "symbols of keys"),
        ("symbols of keys: 2^32", |t| t.key_dictionary[3] = 255, "symbols of keys"),
        ("symbols of keys: none", |t| t.key_dictionary.clear(), "symbols of keys"),
        ("bytes after the symbols", |t| t.key_dictionary.push(0), "symbols of keys"),
        (
            "a symbol of one byte",
            |t| t.key_dictionary = b"\x01\0\0\0\x01a".to_vec(),
            "symbols of keys",
        ),
        (
            "symbols that descend",
            |t| t.key_dictionary = b"\x02\0\0\0\x02\x02b0ab".to_vec(),
            "symbols of keys",
        ),
        (
            "a symbol twice",
            |t| t.key_dictionary = b"\x02\0\0\0\x02\x02abab".to_vec(),
            "symbols of keys",
        ),
        ("a code above all", |t| t.entries[2].1 = vec![3], "value has a code without a symbol"),
        ("254 within", |t| t.entries[2].1 = vec![0, 254], "value has a code without a symbol"),
        ("an escape at the end", |t| t.entries[2].1 = vec![0, 255], "value ends after an escape"),
        (
            "a mark before nothing",
            |t| (t.entries[2].1, t.block[24]) = (vec![254], 9),
            "empty value",
        ),
        (
            "a key of three bytes",
            |t| t.entries[2].0 = &[0, 0x64, 0],
            "stored key of an odd number of bytes",
        ),
        (
            "a code of 65535",
            |t| t.entries[2].0 = &[0xFF, 0xFF],
            "key has a code without an interval",
        ),
        (
            // The byte b above all symbols that begin so, before 0: b0 has a symbol.
            "a key by other codes",
            |t| (t.entries[2].0, t.block[48]) = (&[0, 0x68, 0, 0x30], 10),
            "stored key is not what its key is encoded to",
        ),
        (
            // The interval from abd has the symbol ab: abc does not lie in it.
            "a key by another interval",
            |t| t.entries[2].0 = &[0, 0x64, 0, 0x69],
            "stored key is not what its key is encoded to",
        ),
        ("aligned values", |t| t.align = 4, "packed table with aligned values"),
        ("a section that may be ignored", |t| t.section_flags = 0, "section flags"),
        ("hashes of stored keys", |t| t.hash_index = HashIndex::Always, "hash_function"),
    ];
    for (what, change, words) in changes {
        let mut made = ByHand::examples();
        change(&mut made);
        made.count_dictionaries();
        assert_refused(&made.build(|_| ()), what, words);
    }
    type Touch = fn(&mut Image);
    let touches: &[(&str, Touch, &str)] = &[
        ("a type of keys", |image| image.put8(at::KEY_TYPE, 1), "packed table with types"),
        ("a type of values", |image| image.put8(at::VALUE_TYPE, 1), "packed table with types"),
        (
            "a types section",
            |image| image.insert_section(8, 0, b"u8\nu8"),
            "packed table with types",
        ),
        ("a patch", |image| image.insert_section(9, 1, &[0; 40]), "section kind"),
        (
            "statistics",
            |image| {
                let (at, _) = image.section(common::craft::STATS);
                image.put8(at, 11);
            },
            "statistics",
        ),
        (
            "a section of 63 bytes",
            |image| {
                let (at, length) = image.section(10);
                image.put(at + 63, &vec![0; length - 63]);
                image.put64(image.slot(10) + 16, 63);
            },
            "packing section",
        ),
    ];
    for (what, touch, words) in touches {
        assert_refused(&ByHand::examples().build(touch), what, words);
    }
    // Keys as they are, but the hash function of decoded ones.
    let mut made = ByHand::examples();
    (made.block[1], made.hash_index) = (0, HashIndex::Always);
    made.key_dictionary.clear();
    made.count_dictionaries();
    (made.block[44], made.block[48]) = (4, 12);
    assert!(!refused(&made.build(|_| ())));
    assert!(ask_bytes(&made.build(|_| ()), "check\n").status.success());
    let bytes = made.build(|image| image.put8(at::HASH_FUNCTION, 4));
    assert_refused(&bytes, "hashes of decoded keys", "hash_function");
}

/// Frames of zstd as they may be and as they may not. Their blocks are not compressed, so each byte
/// of them is known.
#[cfg(all(feature = "fsst", feature = "zstd"))]
#[test]
fn python_checks_frames_of_zstd() {
    if let Some(why) = no_python() {
        return skip("python_checks_frames_of_zstd", &why);
    }
    // The length of the content in one byte, no window; one block, the last, of three bytes.
    let frame = [0x20, 3, 0x19, 0, 0, b'x', b'y', b'z'];
    let several = |frames: &[&[u8]]| {
        let with_length = |frame: &&[u8]| [&(frame.len() as u32).to_le_bytes(), *frame].concat();
        let frames: Vec<_> = frames.iter().map(with_length).collect();
        [&[1][..], &frames.concat()].concat()
    };
    // Blocks of 128 KiB of one byte each, then one byte more.
    let longest = |more: bool| {
        let length = (1_u32 << 20) + u32::from(more);
        let block = |last: u32, length: u32| {
            [&(last | 1 << 1 | length << 3).to_le_bytes()[..3], b"r"].concat()
        };
        let mut frame = [&[0xA0][..], &length.to_le_bytes()].concat();
        (0..8).for_each(|i| frame.extend(block(u32::from(i == 7 && !more), 1 << 17)));
        frame.extend(if more { block(1, 1) } else { vec![] });
        frame
    };
    let with_window = [&[0x40, 0, 0, 0, 0x01, 0x08, 0][..], &[b'x'; 256]].concat();
    let good: [(&[u8], usize); 6] = [
        (b"\0xyz", 3),
        (&frame, 3),
        (&several(&[&frame]), 3),
        (&several(&[&frame, &frame, &longest(false)]), 6 + (1 << 20)),
        (&longest(false), 1 << 20),
        (&with_window, 256),
    ];
    for (stored, length) in good {
        let bytes = ByHand::under_zstd(stored, length as u32).build(|_| ());
        let output = ask_bytes(&bytes, "packing\ncheck\nnth 0\n");
        if lacks_zstd(&output) {
            return skip("python_checks_frames_of_zstd", "Python has no zstd");
        }
        let said = String::from_utf8_lossy(&output.stdout);
        let value = said.lines().nth(2).and_then(|line| line.split(' ').nth(1)).unwrap_or("");
        assert_eq!(value.len(), 2 * length, "{output:?}");
        assert!(!refused(&bytes), "{:x?}", &stored[..stored.len().min(20)]);
    }
    let with = |at: usize, byte: u8| {
        let mut changed = frame;
        changed[at] = byte;
        changed.to_vec()
    };
    for (what, stored, length, words) in [
        ("a checksum", with(0, 0x24), 3, "header of a frame"),
        ("a dictionary's id", with(0, 0x21), 3, "header of a frame"),
        ("a reserved bit", with(0, 0x28), 3, "header of a frame"),
        ("an unused bit", with(0, 0x30), 3, "header of a frame"),
        ("a length that is not stated", several(&[&with(0, 0)]), 3, "header of a frame"),
        ("another length", with(1, 4), 4, ""),
        ("a byte too many", [&frame[..], b"!"].concat(), 3, "end of a frame"),
        ("two frames", [frame, frame].concat(), 3, "end of a frame"),
        ("a frame of 1 MiB and a byte", longest(true), (1 << 20) + 1, "frame is too long"),
        ("a block too long", with(2, 0x21), 3, "end of a frame"),
        ("a block of no kind", with(2, 0x1F), 3, "kind of a block"),
        ("no last block", with(2, 0x18), 3, "header of a block"),
        ("a mark before no frames", vec![1], 0, "empty value"),
        ("half a length", vec![1, 8, 0], 0, "length of a frame"),
        ("half a frame", several(&[&frame])[..10].to_vec(), 3, "frame"),
    ] {
        assert_refused(&ByHand::under_zstd(&stored, length).build(|_| ()), what, words);
    }
}

/// The examples of packed tables in format.md.
#[test]
fn python_agrees_with_the_vectors_of_packed_tables() {
    if let Some(why) = no_python() {
        return skip("python_agrees_with_the_vectors_of_packed_tables", &why);
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut command = Command::new("python3");
    command.arg("-B").arg(root.join("tests/python/vectors.py")).arg(root.join("format.md"));
    let output = command.output().expect("python3 ends");
    let compared = String::from_utf8_lossy(&output.stdout).trim().parse::<u32>();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(compared.as_ref().is_ok_and(|&count| count >= 15), "{compared:?} examples");
}

#[test]
fn python_reads_every_shape() {
    if let Some(why) = no_python() {
        return skip("python_reads_every_shape", &why);
    }
    for shape in shapes() {
        let metadata: Entries = if shape.0 == "fixed keys" {
            let pairs: [(&[u8], &[u8]); 3] = [(b"", b""), (b"a", b"\xFF\0"), (b"b", b"2")];
            pairs.iter().map(|(key, value)| (key.to_vec(), value.to_vec())).collect()
        } else {
            Vec::new()
        };
        assert!(answers_as_a_list(shape, &metadata, "- -"));
    }
}

/// Builds a table and compares the reader's answers with those of its sorted entries. `packing` is
/// what the reader has to say of keys and values. False if the reader has no decoder for them.
fn answers_as_a_list(shape: Shape, metadata: &Entries, packing: &str) -> bool {
    let Shape(name, options, mut entries) = shape;
    let directory = common::directory();
    let path = directory.path().join("t.grv");
    let mut builder = options.durable(false).create(&path).expect("a builder");
    for (key, value) in &entries {
        builder.insert(key, value).expect("an insert");
    }
    builder.finish().unwrap_or_else(|error| panic!("{name}: {error}"));
    entries.sort_by(|a, b| a.0.cmp(&b.0));
    answers(name, &path, &entries, metadata, packing)
}

/// Compares the reader's answers from a table with those of its sorted entries. False if the reader
/// has no decoder for them.
fn answers(name: &str, table: &Path, entries: &Entries, metadata: &Entries, packing: &str) -> bool {
    let questions = questions(entries, metadata, packing);
    let queries: String = questions.iter().map(|(query, _)| format!("{query}\n")).collect();
    let output = ask(table, &queries);
    if lacks_zstd(&output) {
        return false;
    }
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{name}: {error}");
    let said = String::from_utf8(output.stdout).expect("text");
    let mut answers = said.lines();
    for (query, expected) in &questions {
        for expected in expected.split('\n') {
            let got = answers.next().unwrap_or("nothing");
            assert!(got == expected, "{name}: {query}: {}, not {}", cut(got), cut(expected));
        }
    }
    assert_eq!(answers.next(), None, "{name}");
    true
}

/// The frozen files, but the patch, which is no table: both readers give the same answers.
#[test]
fn python_reads_golden_files() {
    if let Some(why) = no_python() {
        return skip("python_reads_golden_files", &why);
    }
    let mut compared = 0;
    for file in std::fs::read_dir(data("v1")).expect("the golden files") {
        let path = file.expect("a file").path();
        let is_table = path.extension().is_some_and(|extension| extension == "grv");
        if !is_table || path.ends_with("patch.grv") {
            continue;
        }
        let table = match graven::PackedTable::load(&path) {
            Ok(table) => table,
            Err(error) => match error.failure() {
                graven::OpenFailure::DecoderLeftOut { .. } => continue,
                _ => panic!("{error}"),
            },
        };
        let entries = entries_of(&table);
        let metadata = table.stored().metadata().expect("metadata");
        let metadata = metadata.iter().map(|(key, value)| (key.to_vec(), value.to_vec())).collect();
        let name = path.display().to_string();
        compared += u32::from(answers(&name, &path, &entries, &metadata, &packing(&table)));
    }
    assert!(compared >= 15, "{compared} golden files");
}

/// How the reader in Python says that a table is packed.
fn packing(table: &graven::PackedTable) -> String {
    let symbols = if table.has_compact_keys() { "symbols" } else { "-" };
    format!("{} {symbols}", table.codec().unwrap_or("-"))
}

/// Tables of random entries and options, plain and packed: both readers answer every query as the
/// sorted entries do.
#[test]
fn python_reads_random_tables() {
    if let Some(why) = no_python() {
        return skip("python_reads_random_tables", &why);
    }
    let count = scaled(100);
    let few = prop_oneof![entries(0..30), entries(30..250), runs(40), large_entries()];
    let strategy = (case(few), packings());
    let config = Config { cases: count, failure_persistence: None, ..Config::default() };
    let [compared, refused, unread] = [const { Cell::new(0_u32) }; 3];
    let count_one = |counter: &Cell<u32>| counter.set(counter.get() + 1);
    let result = TestRunner::new(config).run(&strategy, |(mut case, options)| {
        if options.is_some() {
            // Packed tables have no aligned values.
            case.value_align = 1;
        }
        let directory = common::directory();
        let path = directory.path().join("t.grv");
        let options = options.map_or_else(|| case.options(), |pack| pack(case.options()));
        let model = case.model();
        if case.duplicates == Duplicates::Reject && model.repeats() {
            let built = case.build_with(options, &path);
            assert!(matches!(built, Err(graven::BuildError::DuplicateKey { .. })), "{built:?}");
            count_one(&refused);
            return Ok(());
        }
        case.build_with(options, &path).expect("a table");
        let table = graven::PackedTable::load(&path).expect("a table");
        let owned = |(key, value): (&[u8], &[u8])| (key.to_vec(), value.to_vec());
        let entries: Entries = model.flat().into_iter().map(owned).collect();
        assert_eq!(entries_of(&table), entries);
        let metadata = model.metadata.iter().map(|(key, value)| owned((key, value))).collect();
        match answers("random", &path, &entries, &metadata, &packing(&table)) {
            true => count_one(&compared),
            false => count_one(&unread),
        }
        Ok(())
    });
    let [compared, refused, unread] = [compared, refused, unread].map(Cell::into_inner);
    println!("{count} random tables: {compared} compared, {refused} refused, {unread} unread");
    if let Err(failure) = result {
        panic!("{failure}");
    }
    assert!(compared > 0);
}

/// How a random table is packed, if it is.
type Pack = fn(BuildOptions) -> BuildOptions;

#[cfg(all(feature = "fsst", feature = "zstd"))]
fn packings() -> impl Strategy<Value = Option<Pack>> {
    let all: [Option<Pack>; 6] = [
        Some(|options| options.compress(Compression::fsst())),
        Some(|options| options.compress(Compression::zstd())),
        Some(|options| options.compact_keys(true)),
        Some(|options| options.compress(Compression::fsst()).compact_keys(true)),
        Some(|options| options.compress(Compression::zstd()).compact_keys(true)),
        None,
    ];
    prop_oneof![Just(None), select(all.to_vec())]
}

#[cfg(not(all(feature = "fsst", feature = "zstd")))]
fn packings() -> impl Strategy<Value = Option<Pack>> {
    let all: [Option<Pack>; 2] = [Some(|options| options.compact_keys(true)), None];
    select(all.to_vec())
}

fn entries_of(table: &graven::PackedTable) -> Entries {
    let owned = |entry: Result<_, _>| {
        let (key, value): (Vec<u8>, Vec<u8>) = entry.expect("an entry");
        (key, value)
    };
    table.iter().map(owned).collect()
}

/// Whether the reader ended because this machine has no decoder of zstd for Python.
fn lacks_zstd(output: &Output) -> bool {
    !output.status.success() && output.stderr.starts_with(b"this table needs zstd: ")
}

fn cut(text: &str) -> &str {
    text.get(..200).unwrap_or(text)
}

/// Keys and values of typed tables, decoded as format.md says, and their types.
#[test]
fn python_reads_a_typed_table() {
    if let Some(why) = no_python() {
        return skip("python_reads_a_typed_table", &why);
    }
    let directory = common::directory();
    let path = directory.path().join("typed.grv");
    let keys = [(-1_i16, [7_u8, 8], 0x0102_0304_u32), (0, [0, 0], 5), (0, [0, 1], 0)];
    let entries = keys.map(|key| (key, [1_u8, 2, 3]));
    BuildOptions::new().durable(false).build_typed(&path, entries).expect("a table");
    let output = ask(&path, "check\ntypes\niter\n");
    let said = String::from_utf8(output.stdout).expect("text");
    let expected = [
        "3 3",
        "(i16, [u8; 2], u32)",
        "[u8; 3]",
        "7fff070801020304 010203",
        "8000000000000005 010203",
        "8000000100000000 010203",
    ];
    assert_eq!(said.lines().collect::<Vec<_>>(), expected);

    let path = directory.path().join("bytes.grv");
    graven::Builder::create(&path).and_then(graven::Builder::finish).expect("a table");
    assert_eq!(ask(&path, "types\n").stdout, b"-\n");
}

/// The reader's page sums and parameter checks are not for show.
#[test]
fn python_sees_a_flipped_bit() {
    if let Some(why) = no_python() {
        return skip("python_sees_a_flipped_bit", &why);
    }
    let directory = common::directory();
    let path = directory.path().join("sound.grv");
    let mut builder = BuildOptions::new().durable(false).create(&path).expect("a builder");
    for (key, value) in words(500) {
        builder.insert(&key, &value).expect("an insert");
    }
    builder.finish().expect("a table");
    assert!(ask(&path, "check\n").status.success());
    let sound = std::fs::read(&path).expect("the table");
    let bad = directory.path().join("bad.grv");
    for at in [0, 9, 30, 120, 500, sound.len() / 2, sound.len() - 40, sound.len() - 3] {
        let mut bytes = sound.clone();
        bytes[at] ^= 4;
        std::fs::write(&bad, bytes).expect("a file");
        let output = ask(&bad, "check\n");
        assert!(!output.status.success(), "the flipped bit at {at} goes unseen");
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(error.contains("ValueError"), "at {at}: {error}");
    }
}

/// The test vectors of format.md, by the function as format.md describes it.
#[test]
fn python_agrees_with_the_hash_vectors() {
    if let Some(why) = no_python() {
        return skip("python_agrees_with_the_hash_vectors", &why);
    }
    let spec = Path::new(env!("CARGO_MANIFEST_DIR")).join("format.md");
    let spec = std::fs::read_to_string(spec).expect("format.md");
    let mut queries = String::new();
    let mut expected = Vec::new();
    for line in spec.lines() {
        let cells: Vec<&str> = line.split('|').map(|cell| cell.trim().trim_matches('`')).collect();
        let &["", key, seed, hash, ""] = cells.as_slice() else { continue };
        let hash_like = hash.len() == 16 && hash.bytes().all(|byte| byte.is_ascii_hexdigit());
        if !hash_like || u64::from_str_radix(seed, 16).is_err() {
            continue;
        }
        let key = match key.strip_prefix('"').and_then(|key| key.strip_suffix('"')) {
            Some(key) => hex(key.as_bytes()),
            // `00 01 … 63`: all bytes from the first to the last, in hexadecimal.
            None => {
                let last = u8::from_str_radix(&key[key.len() - 2..], 16).expect("a last byte");
                hex(&(0..=last).collect::<Vec<u8>>())
            }
        };
        queries += &format!("hash {key} {seed}\n");
        expected.push(hash.to_owned());
    }
    assert!(expected.len() >= 14, "{} vectors in format.md", expected.len());
    let directory = common::directory();
    let path = directory.path().join("any.grv");
    graven::Builder::create(&path).and_then(graven::Builder::finish).expect("a table");
    let output = ask(&path, &queries);
    let said = String::from_utf8_lossy(&output.stdout);
    assert_eq!(said.lines().collect::<Vec<_>>(), expected, "{output:?}");
}
