//! Guards against a specification that says less than the code does. `tests/python/reader.py` was
//! written from format.md alone and shares no line with this crate; here tables of every shape are
//! built and it has to answer as a sorted list of the entries does. Where it cannot, either the
//! format changed without its specification or one of the two readers is wrong.

#[path = "../benches/common/chosen.rs"]
mod chosen;
mod common;

use common::{Rng, skip};
use graven::{BuildOptions, Duplicates, HashIndex};
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
    command.arg(script).arg(table);
    command
}

/// Why there is no Python here, if so.
fn no_python() -> Option<String> {
    let version = Command::new("python3").arg("--version").output();
    match version {
        Ok(done) if done.status.success() => None,
        Ok(done) => Some(format!("python3 --version fails: {}", done.status)),
        Err(error) => Some(format!("python3 does not start: {error}")),
    }
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
fn questions(entries: &Entries, metadata: &Entries) -> Vec<(String, String)> {
    let pair = |entry: Option<&(Vec<u8>, Vec<u8>)>| {
        entry.map_or("-".to_owned(), |(key, value)| format!("{} {}", hex(key), hex(value)))
    };
    let keys = entries.iter().map(|entry| &entry.0).collect::<BTreeSet<_>>().len();
    let mut asked = vec![("check".to_owned(), format!("{} {keys}", entries.len()))];
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

#[test]
fn python_reads_every_shape() {
    if let Some(why) = no_python() {
        return skip("python_reads_every_shape", &why);
    }
    let directory = common::directory();
    for (number, Shape(name, options, mut entries)) in shapes().into_iter().enumerate() {
        let path = directory.path().join(format!("{number}.grv"));
        let mut builder = options.durable(false).create(&path).expect("a builder");
        for (key, value) in &entries {
            builder.insert(key, value).expect("an insert");
        }
        builder.finish().unwrap_or_else(|error| panic!("{name}: {error}"));
        entries.sort_by(|a, b| a.0.cmp(&b.0));
        let metadata: Entries = if name == "fixed keys" {
            let pairs: [(&[u8], &[u8]); 3] = [(b"", b""), (b"a", b"\xFF\0"), (b"b", b"2")];
            pairs.iter().map(|(key, value)| (key.to_vec(), value.to_vec())).collect()
        } else {
            Vec::new()
        };
        let questions = questions(&entries, &metadata);
        let queries: String = questions.iter().map(|(query, _)| format!("{query}\n")).collect();
        let output = ask(&path, &queries);
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
    }
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
