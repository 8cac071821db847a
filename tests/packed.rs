//! Guards against a packed table that answers otherwise than a plain one of the same entries, whose
//! bytes depend on more than content and options, or whose hostile bytes crash, hang or take memory
//! without end.

mod common;

use common::craft::{Image, STATS};
use common::generate::{case, entries, large_entries, runs, varied};
use common::{Case, Entry, Rng, scaled};
use graven::{
    BuildError, BuildOptions, Builder, Compression, Duplicates, HashIndex, LocatedPart, Location,
    OpenFailure, OpenOptions, PackedLive, PackedTable, PageChecks, PublishOptions, ReadFailure,
    RefreshOutcome, Table, ValueBuffer,
};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use std::path::Path;

/// Kind of the section that makes a table a packed one.
const PACKING: u32 = 10;

/// All ways to pack a table.
fn ways() -> Vec<(Option<Compression>, bool)> {
    let mut ways: Vec<_> = codecs().map(|codec| (Some(codec), false)).into();
    ways.extend([
        (None, true),
        (Some(Compression::fsst()), true),
        (Some(Compression::zstd()), true),
    ]);
    ways
}

fn codecs() -> [Compression; 4] {
    [
        Compression::fsst(),
        Compression::zstd(),
        Compression::zstd().level(19).dictionary_bytes(4096),
        Compression::zstd().level(1).dictionary_bytes(0),
    ]
}

fn packed_bytes(case: &Case, compression: Compression) -> Vec<u8> {
    case.bytes_with(case.options().value_align(1).compress(compression))
}

fn bytes_of(case: &Case, (compression, compact): (Option<Compression>, bool)) -> Vec<u8> {
    let options = case.options().value_align(1).compress(compression).compact_keys(compact);
    case.bytes_with(options)
}

/// Entries whose values are like each other, as those of a feature table are.
fn documents(count: u32) -> Case {
    let document = |i: u32| {
        let (number, name) = (i.wrapping_mul(0x9E37_79B9) >> 12, i % 7);
        format!(
            "{{\"name\":\"lib{name}-{number}\",\"version\":\"{name}.{}.0\",\"maintainer\":\"Debian \
             Developers {name}\",\"depends\":[\"libc6 (>= 2.{name})\"],\"size\":{number}}}",
            i % 13
        )
    };
    let entries = (0..count).map(|i| (format!("package-{i:06}").into(), document(i).into()));
    Case { hash_index: HashIndex::Always, ..Case::of(entries.collect()) }
}

/// Checks what is said of a key's place: the record is that of the stored table, and a hash index, if
/// there is one, is read.
fn check_place(plain: &Table, packed: &PackedTable, hashed: bool, key: &[u8]) {
    let found = packed.locate(key).unwrap();
    assert_eq!(found.rank, plain.locate(key).unwrap().rank, "{key:?}");
    let of = |location: &Location, parts: &[LocatedPart]| -> Vec<_> {
        location.spans.iter().filter(|span| parts.contains(&span.part)).cloned().collect()
    };
    let buckets = of(&found, &[LocatedPart::Bucket]).len();
    assert!(if hashed { (1..=2).contains(&buckets) } else { buckets == 0 }, "{found:?}");
    let record = [LocatedPart::Lengths, LocatedPart::Key, LocatedPart::Value];
    let stored = packed.stored();
    let stored =
        found.rank.map(|rank| stored.locate(stored.nth(rank).unwrap().unwrap().0).unwrap());
    assert_eq!(of(&found, &record), stored.map_or(Vec::new(), |stored| of(&stored, &record)));
}

/// Compares every query with those of a plain table.
fn compare(plain: &Table, packed: &PackedTable) {
    let buffer = &mut ValueBuffer::new();
    let owned = |entry: Option<(&[u8], &[u8])>| entry.map(|(k, v)| (k.to_vec(), v.to_vec()));
    let all: Vec<Entry> =
        plain.iter().map(Result::unwrap).map(|(k, v)| (k.to_vec(), v.to_vec())).collect();
    assert_eq!(packed.len(), plain.len());
    assert_eq!(packed.is_empty(), plain.is_empty());
    let hashed = packed.stored().stats().unwrap().hash_index.is_some();
    assert!(packed.iter().map(Result::unwrap).eq(all.iter().cloned()));
    assert!(packed.iter().rev().map(Result::unwrap).eq(all.iter().rev().cloned()));
    for n in [0, 1, all.len() / 2, all.len()] {
        assert_eq!(packed.iter().nth(n).map(Result::unwrap), all.get(n).cloned());
        assert_eq!(packed.iter().nth_back(n).map(Result::unwrap), all.iter().nth_back(n).cloned());
    }
    assert_eq!(owned(packed.first(buffer).unwrap()), all.first().cloned());
    assert_eq!(owned(packed.last(buffer).unwrap()), all.last().cloned());
    let mut cursor = packed.cursor();
    for (key, value) in &all {
        assert!(cursor.next().unwrap());
        assert_eq!(cursor.key().unwrap(), Some(&key[..]));
        assert_eq!(cursor.value().unwrap(), Some(&value[..]));
        assert_eq!(cursor.entry().unwrap(), Some((&key[..], &value[..])));
    }
    assert!(!cursor.next().unwrap());
    assert_eq!(cursor.key().unwrap(), None);
    assert_eq!(cursor.entry().unwrap(), None);
    assert_eq!(cursor.value().unwrap(), None);
    let mut keys: Vec<Vec<u8>> = all.iter().map(|(key, _)| key.clone()).collect();
    keys.dedup();
    let absent: Vec<_> = keys.iter().map(|key| [key, &b"\0"[..]].concat()).collect();
    keys.extend(absent);
    keys.push(Vec::new());
    for (rank, key) in keys.iter().enumerate() {
        assert_eq!(packed.get(key, buffer).unwrap(), plain.get(key).unwrap());
        assert_eq!(packed.contains_key(key).unwrap(), plain.contains_key(key).unwrap());
        let values: Vec<_> = packed.get_all(key).map(Result::unwrap).collect();
        assert!(values.iter().map(Vec::as_slice).eq(plain.get_all(key).map(Result::unwrap)));
        assert_eq!(packed.floor(key, buffer).unwrap(), plain.floor(key).unwrap());
        assert_eq!(packed.ceil(key, buffer).unwrap(), plain.ceil(key).unwrap());
        assert_eq!(packed.longest_prefix(key, buffer).unwrap(), plain.longest_prefix(key).unwrap());
        let prefixes: Vec<_> = packed.prefixes_of(key).map(Result::unwrap).collect();
        let right: Vec<_> =
            plain.prefixes_of(key).map(|entry| owned(Some(entry.unwrap()))).collect();
        assert!(prefixes.into_iter().map(Some).eq(right));
        assert_eq!(packed.rank(key).unwrap(), plain.rank(key).unwrap());
        assert_eq!(packed.count(..key).unwrap(), plain.count(..key).unwrap());
        assert_eq!(packed.count_of(key).unwrap(), plain.count_of(key).unwrap());
        assert_eq!(cursor.seek_ceil(key).unwrap(), plain.ceil(key).unwrap().is_some());
        assert_eq!(cursor.entry().unwrap(), plain.ceil(key).unwrap());
        assert_eq!(cursor.seek_floor(key).unwrap(), plain.floor(key).unwrap().is_some());
        assert_eq!(cursor.entry().unwrap(), plain.floor(key).unwrap());
        assert_eq!(packed.nth(rank as u64, buffer).unwrap(), plain.nth(rank as u64).unwrap());
        check_place(plain, packed, hashed, key);
    }
    let answers = plain.get_many(&keys).unwrap();
    let mut right = answers.iter();
    let each = |value: Option<&[u8]>| assert_eq!(value, *right.next().unwrap());
    packed.get_many_with(&keys, buffer, each).unwrap();
    assert!(right.next().is_none());
    if let [from, .., to] = &keys[..] {
        let range = packed.range(from..to).map(Result::unwrap);
        let plain = plain.range(from..to).map(Result::unwrap);
        assert!(range.eq(plain.map(|(k, v)| (k.to_vec(), v.to_vec()))));
    }
    for key in keys.iter().step_by(keys.len() / 40 + 1) {
        for end in [0, 1, key.len() / 2, key.len()] {
            let prefix = &key[..end.min(key.len())];
            assert_eq!(packed.prefix(prefix).len(), plain.prefix(prefix).len());
            let longer = [prefix, b"\xff\xff"].concat();
            assert_eq!(packed.prefix(&longer).len(), plain.prefix(&longer).len());
        }
    }
}

/// Builds a case plain and packed and compares both.
fn check(case: &Case) {
    let model = case.model();
    if case.duplicates == Duplicates::Reject && model.repeats() {
        return;
    }
    let plain = Table::from_bytes(Case { value_align: 1, ..case.clone() }.bytes()).unwrap();
    for way in ways() {
        let packed = PackedTable::from_bytes(bytes_of(case, way)).unwrap();
        packed.stored().verify().unwrap();
        assert_eq!(packed.codec(), way.0.map(|compression| compression.codec()));
        let stats = packed.stored().stats().unwrap().packing.unwrap();
        assert_eq!(packed.has_compact_keys(), stats.compact_keys);
        assert!(way.1 || !stats.compact_keys);
        let sum = |part: fn(&(&[u8], &[u8])) -> usize| -> u64 {
            model.flat().iter().map(|entry| part(entry) as u64).sum()
        };
        assert_eq!(stats.value_bytes, sum(|(_, value)| value.len()));
        assert_eq!(stats.key_bytes, sum(|(key, _)| key.len()));
        compare(&plain, &packed);
    }
}

fn cases(count: u32, strategy: impl Strategy<Value = Case>) {
    let config = Config { cases: scaled(count), failure_persistence: None, ..Config::default() };
    let result = TestRunner::new(config).run(&strategy, |case| {
        check(&case);
        Ok(())
    });
    result.unwrap();
}

#[test]
fn random_tables_answer_as_plain_ones() {
    cases(150, case(entries(0..60)));
    cases(40, case(Just(varied(200))));
    cases(20, case(runs(500)));
    cases(4, case(large_entries()));
}

#[test]
fn documents_answer_as_plain_ones_and_are_smaller() {
    let case = documents(6_000);
    check(&case);
    let plain = case.bytes().len();
    let [fsst, zstd, ..] = codecs().map(|codec| packed_bytes(&case, codec).len());
    let (keys, both) = (
        bytes_of(&case, (None, true)).len(),
        bytes_of(&case, (Some(Compression::zstd()), true)).len(),
    );
    assert!(keys < plain && both < zstd, "{keys} of {plain}, {both} of {zstd} bytes");
    assert!(fsst < plain * 6 / 10, "{fsst} of {plain} bytes");
    assert!(zstd < plain * 5 / 10, "{zstd} of {plain} bytes");
}

#[test]
fn small_tables() {
    for entries in [
        vec![],
        vec![(vec![], vec![])],
        vec![(vec![], b"value".to_vec())],
        vec![(b"key".to_vec(), vec![0; 1000])],
        vec![(vec![255; 65_535], vec![]), (b"key".to_vec(), vec![7])],
        vec![(b"k".to_vec(), b"1".to_vec()), (b"k".to_vec(), vec![]), (b"k".to_vec(), vec![254])],
    ] {
        check(&Case::of(entries));
    }
}

/// Values around the lengths at which another form begins, that shrink and that don't, from memory and
/// from readers.
#[test]
fn long_values_come_back() {
    let mut rng = Rng::new(7);
    let text = documents(9_000).entries.into_iter().flat_map(|(_, value)| value);
    let text: Vec<u8> = text.cycle().take(3 << 20).collect();
    let noise = rng.bytes(3 << 20);
    let lengths = [1, 255, 256, 257, 65_791, 65_792, (256 << 10) + 1];
    let frames = [(1 << 20) - 1, 1 << 20, (1 << 20) + 1, 5 << 18, (5 << 18) + 1, 3 << 20];
    let directory = common::directory();
    for compression in codecs() {
        let path = directory.path().join("t");
        let options = BuildOptions::new().durable(false).compress(compression);
        for readers in [false, true] {
            // All entries wait in a file, or the first ones in memory.
            for (threads, budget) in [(1, 1 << 20), (2, 1 << 20), (2, 24 << 20)] {
                let options = options.clone().threads(threads).memory_budget(budget);
                let mut builder = options.create(&path).unwrap();
                let mut values = Vec::new();
                for &len in lengths.iter().chain(&frames) {
                    values.push((format!("noise {len:08}"), &noise[..len]));
                    values.push((format!("text {len:08}"), &text[..len]));
                }
                for (key, value) in &values {
                    match readers {
                        true => builder.insert_from(key, *value).unwrap(),
                        false => builder.insert(key, value).unwrap(),
                    }
                }
                let summary = builder.finish().unwrap();
                assert!(summary.stored_value_bytes < summary.value_bytes);
                let table = PackedTable::load(&path).unwrap();
                table.stored().verify().unwrap();
                let stats = table.stored().stats().unwrap().packing.unwrap();
                assert!(stats.as_they_are > 0 && stats.as_they_are < values.len() as u64);
                let mut buffer = ValueBuffer::new();
                for (key, value) in &values {
                    let found = table.get(key, &mut buffer).unwrap();
                    assert!(found == Some(*value), "{compression}: {key}");
                }
            }
        }
    }
}

/// Order of insertion, threads, memory and the promise of order change nothing.
#[test]
fn bytes_depend_on_content_and_options_alone() {
    let mut rng = Rng::new(11);
    for duplicates in [Duplicates::KeepAll, Duplicates::KeepLast] {
        let mut case = Case { duplicates, ..documents(3_000) };
        case.entries.push((b"package-001000".to_vec(), vec![b'x'; 100_000]));
        case.entries.push((b"package-001000".to_vec(), vec![b'y'; 10]));
        let mut shuffled = case.entries.clone();
        let repeated = shuffled.split_off(shuffled.len() - 2);
        rng.shuffle(&mut shuffled);
        shuffled.extend(repeated);
        let shuffled = Case { entries: shuffled, ..case.clone() };
        let mut sorted = case.entries.clone();
        sorted.sort_by(|a, b| a.0.cmp(&b.0));
        let sorted = Case { entries: sorted, ..case.clone() };
        for (compression, compact) in ways() {
            let options = case.options().compress(compression).compact_keys(compact);
            let right = case.bytes_with(options.clone());
            for (what, case) in [("sorted", &sorted), ("shuffled", &shuffled)] {
                for threads in [1, 2, 5] {
                    for budget in [1 << 20, 1 << 28] {
                        let options = options.clone().threads(threads).memory_budget(budget);
                        let bytes = case.bytes_with(options);
                        assert!(bytes == right, "{compression:?}: {what}, {threads}, {budget}");
                    }
                }
            }
            assert!(sorted.bytes_with(options.sorted(true)) == right, "{compression:?}");
        }
    }
}

/// More entries than a batch has, and more than the collector looks at before it writes.
#[test]
fn input_that_stops_being_in_order() {
    let entries = |count: u32| documents(count).entries;
    let mut late = entries(30_000);
    late.push((b"a".to_vec(), b"comes late".to_vec()));
    let sorted = {
        let mut sorted = late.clone();
        sorted.sort();
        sorted
    };
    let directory = common::directory();
    let path = directory.path().join("t");
    for budget in [1 << 20, 6 << 20] {
        let options = BuildOptions::new().durable(false).memory_budget(budget);
        let options = options.compress(Compression::zstd()).compact_keys(true);
        options.build(&path, late.clone()).unwrap();
        let table = PackedTable::load(&path).unwrap();
        table.stored().verify().unwrap();
        assert!(table.iter().map(Result::unwrap).eq(sorted.iter().cloned()), "{budget}");
    }
}

#[test]
fn tables_of_the_other_kind() {
    let case = documents(10);
    let bytes = packed_bytes(&case, Compression::zstd());
    let error = Table::from_bytes(bytes.clone()).unwrap_err();
    assert!(matches!(error.failure(), OpenFailure::IsPacked { codec: Some("zstd") }), "{error}");
    assert!(error.to_string().contains("PackedTable"), "{error}");
    let stored = OpenOptions::new().allow_packed(true).from_bytes(bytes).unwrap();
    assert_eq!(stored.len(), 10);
    let plain = PackedTable::from_bytes(case.bytes()).unwrap();
    assert_eq!(plain.codec(), None);
    compare(&Table::from_bytes(case.bytes()).unwrap(), &plain);
    // Nothing is copied of a value that stands as it is.
    let mut buffer = ValueBuffer::new();
    assert!(plain.get("package-000001", &mut buffer).unwrap().is_some());
    assert_eq!(buffer.capacity(), 0);
}

#[test]
fn mapped_published_and_copied() {
    let directory = common::directory();
    let (path, copy) = (directory.path().join("t"), directory.path().join("copy"));
    let case = documents(500);
    case.build_with(case.options().compress(Compression::fsst()), &path).unwrap();
    // SAFETY: nobody changes the file.
    #[expect(unsafe_code, reason = "mapping a path is unsafe")]
    let table = unsafe { PackedTable::open(&path) }.unwrap();
    assert_eq!(table.path(), Some(path.as_path()));
    PublishOptions::new().publish(&path, &copy).unwrap();
    assert_eq!(std::fs::read(&path).unwrap(), std::fs::read(&copy).unwrap());
    assert_eq!(PackedTable::load(&copy).unwrap().build_id(), table.build_id());
}

/// A longer key, whose codes might be longer than a key may be, keeps all keys as they are.
#[test]
fn keys_that_are_too_long_for_codes() {
    for (len, compact) in [(32_767, true), (32_768, false)] {
        let mut case = documents(2_000);
        case.entries.push((vec![b'~'; len], b"long".to_vec()));
        let table = PackedTable::from_bytes(bytes_of(&case, (None, true))).unwrap();
        assert_eq!(table.has_compact_keys(), compact);
        let mut buffer = ValueBuffer::new();
        let longer = vec![b'~'; 70_000];
        assert_eq!(table.get(&longer[..len], &mut buffer).unwrap(), Some(&b"long"[..]));
        assert_eq!(table.get(&longer, &mut buffer).unwrap(), None);
        assert_eq!(table.rank(&longer).unwrap(), 2_001);
        assert_eq!(table.floor(&longer, &mut buffer).unwrap().unwrap().1, b"long");
        assert_eq!(table.longest_prefix(&longer, &mut buffer).unwrap().unwrap().0.len(), len);
        table.stored().verify().unwrap();
    }
}

/// A handle follows packed and plain tables at one path; values that a clone lends stay.
#[test]
fn a_handle_follows_tables_of_both_kinds() {
    let directory = common::directory();
    let path = directory.path().join("t");
    let publish = |count, (compression, compact)| {
        let case = documents(count);
        let options = case.options().compress(compression).compact_keys(compact);
        case.build_with(options, &path).unwrap();
    };
    publish(300, (Some(Compression::zstd()), true));
    #[expect(unsafe_code, reason = "following a path is unsafe")]
    // SAFETY: tables at this path are replaced by rename.
    let live = unsafe { PackedLive::open(&path) }.unwrap();
    let mut buffer = ValueBuffer::new();
    let pinned = live.pin();
    let kept = PackedTable::clone(&pinned);
    for (count, way) in [(400, (None, false)), (500, (Some(Compression::fsst()), false))] {
        publish(count, way);
        assert_eq!(live.refresh().unwrap(), RefreshOutcome::Swapped);
        assert_eq!(live.pin().len(), u64::from(count));
        assert_eq!(live.pin().is_packed(), way.0.is_some());
        assert!(live.pin().get("package-000123", &mut buffer).unwrap().is_some());
    }
    assert_eq!(live.refresh().unwrap(), RefreshOutcome::Unchanged);
    assert_eq!((pinned.len(), kept.len(), live.status().generation), (300, 300, 3));
    // A handle on plain tables alone refuses a packed one, and goes on serving.
    publish(10, (None, false));
    #[expect(unsafe_code, reason = "following a path is unsafe")]
    // SAFETY: tables at this path are replaced by rename.
    let plain = unsafe { graven::Live::open(&path) }.unwrap();
    publish(20, (None, true));
    let error = plain.refresh().unwrap_err();
    assert!(matches!(error.failure(), OpenFailure::IsPacked { codec: None }), "{error}");
    assert_eq!(plain.pin().len(), 10);
}

#[test]
fn options_that_do_not_fit() {
    let directory = common::directory();
    let path = directory.path().join("t");
    let refused = |options: BuildOptions| match options.create(&path) {
        Err(BuildError::InvalidOption { option: "compress", expected, .. }) => expected,
        other => panic!("{other:?}"),
    };
    let with = |compression| BuildOptions::new().compress(compression);
    assert!(refused(with(Compression::zstd().level(23))).contains("1 to 22"));
    assert!(refused(with(Compression::zstd().level(0))).contains("1 to 22"));
    assert!(refused(with(Compression::zstd().dictionary_bytes((1 << 20) + 1))).contains("1 MiB"));
    assert!(refused(with(Compression::fsst()).value_align(8)).contains("value_align"));
    let keys = BuildOptions::new().compact_keys(true).value_align(8).create(&path);
    let Err(BuildError::InvalidOption { option: "compact_keys", .. }) = keys else { panic!() };
    let typed = with(Compression::fsst()).create_typed::<u32, u32>(&path);
    let Err(BuildError::InvalidOption { option: "compress", .. }) = typed else { panic!("typed") };
    // Neither has a level, so none is refused.
    with(Compression::fsst().level(99)).build(&path, [("a", "b")]).unwrap();
    assert_eq!(Compression::zstd().level(7).to_string(), "zstd level 7");
    assert_eq!(Compression::fsst().to_string(), "fsst");
}

#[test]
fn a_reader_may_set_a_longest_value() {
    let entries = [("long", "a".repeat(5_000)), ("short", "b".repeat(50))];
    for compression in codecs() {
        let mut builder = create_in_memory(compression);
        for (key, value) in &entries {
            builder.1.insert(key, value).unwrap();
        }
        builder.1.finish().unwrap();
        let table = PackedTable::load(builder.0.path().join("t")).unwrap();
        let mut buffer = ValueBuffer::with_limit(4_999);
        let error = table.get("long", &mut buffer).unwrap_err();
        let ReadFailure::ValueTooLong { most: 4_999, .. } = error.failure() else {
            panic!("{error}")
        };
        assert!(buffer.capacity() < 6_000, "{}", buffer.capacity());
        assert!(table.get("short", &mut buffer).unwrap().is_some());
        let mut buffer = ValueBuffer::with_limit(5_000);
        assert_eq!(table.get("long", &mut buffer).unwrap().map(<[u8]>::len), Some(5_000));
    }
}

fn create_in_memory(compression: Compression) -> (tempfile::TempDir, Builder) {
    let directory = common::directory();
    let options = BuildOptions::new().durable(false).compress(compression);
    let builder = options.create(directory.path().join("t")).unwrap();
    (directory, builder)
}

// ---------------------------------------------------------------------------------------------
// Hostile bytes

/// Offset in the packing section of: codec, dictionary_len, value_len_max, value_bytes, as_they_are.
const CODEC: usize = 0;
const KEY_CODEC: usize = 1;
const KEY_BYTES: usize = 48;
const DICTIONARY_LEN: usize = 16;
const VALUE_LEN_MAX: usize = 20;
const VALUE_BYTES: usize = 24;
const AS_THEY_ARE: usize = 32;

fn opened(image: &mut Image) -> Result<PackedTable, OpenFailure> {
    image.seal();
    PackedTable::from_bytes(image.bytes.clone()).map_err(|error| error.into_failure())
}

#[test]
fn lies_of_the_packing_section() {
    for compression in [Compression::zstd(), Compression::fsst()] {
        let base = || Image::new(packed_bytes(&documents(3_000), compression));
        let section = base().section(PACKING).0;
        let refused = |change: &dyn Fn(&mut Image)| {
            let mut image = base();
            change(&mut image);
            opened(&mut image).expect_err("it opens")
        };
        let damaged = |failure| match failure {
            OpenFailure::Damaged(ReadFailure::Corrupt { what, .. }) => what,
            other => panic!("{other:?}"),
        };
        let makes_no_sense = "packing makes no sense";
        for reserved in [2, 3, 56, 63] {
            let failure = refused(&|i| i.put8(section + reserved, 1));
            assert_eq!(damaged(failure), makes_no_sense);
        }
        let len = base().u32(section + DICTIONARY_LEN);
        for other in [0, len - 1, len + 1, u32::MAX] {
            let failure = refused(&|i| i.put32(section + DICTIONARY_LEN, other));
            assert_eq!(damaged(failure), makes_no_sense);
        }
        let failure = refused(&|i| i.put64(section + AS_THEY_ARE, u64::MAX));
        assert_eq!(damaged(failure), makes_no_sense);
        let failure = refused(&|i| i.put8(section + CODEC, 3));
        assert!(
            matches!(failure, OpenFailure::UnsupportedFeature { feature: "codec", id: 3 }),
            "{failure:?}"
        );
        let failure = refused(&|i| i.put8(section + KEY_CODEC, 2));
        assert!(
            matches!(failure, OpenFailure::UnsupportedFeature { feature: "codec", id: 2 }),
            "{failure:?}"
        );
        // Symbols without a dictionary for them; keys as they are, and an index of decoded ones.
        assert_eq!(damaged(refused(&|i| i.put8(section + KEY_CODEC, 1))), makes_no_sense);
        assert_eq!(
            damaged(refused(&|i| i.put8(common::craft::at::HASH_FUNCTION, 4))),
            makes_no_sense
        );
        // Another section's length, alignment or types beside it.
        let failure = refused(&|i| i.put64(i.slot(PACKING) + 16, 63));
        assert!(matches!(failure, OpenFailure::InvalidHeader { .. }), "{failure:?}");
        let failure = refused(&|i| i.put8(common::craft::at::VALUE_ALIGN, 3));
        assert!(matches!(failure, OpenFailure::InvalidHeader { .. }), "{failure:?}");
        let failure = refused(&|i| i.put8(common::craft::at::KEY_TYPE, 3));
        assert!(matches!(failure, OpenFailure::InvalidHeader { .. }), "{failure:?}");
        let failure = refused(&|i| i.put32(i.slot(STATS), 9));
        assert!(matches!(failure, OpenFailure::InvalidHeader { .. }), "{failure:?}");
        // What only an audit sees.
        for (at, what) in [(VALUE_BYTES, 1), (AS_THEY_ARE, 1), (VALUE_LEN_MAX, 1), (KEY_BYTES, 1)] {
            let mut image = base();
            let right = image.u32(section + at);
            image.put32(section + at, right + what);
            let table = opened(&mut image).unwrap();
            let error = table.stored().verify().unwrap_err();
            assert!(error.to_string().contains("packing is wrong"), "{error}");
        }
        let mut image = base();
        let longest = image.u32(section + VALUE_LEN_MAX);
        image.put32(section + VALUE_LEN_MAX, longest - 1);
        let error = opened(&mut image).unwrap().stored().verify().unwrap_err();
        assert!(error.to_string().contains("longer than the longest"), "{error}");
    }
}

/// Each change of a byte at such an offset in the dictionary is refused for this reason.
fn refused(base: impl Fn() -> Image, dictionary: usize, changes: &[(usize, u8)], reason: &str) {
    for &(at, byte) in changes {
        let mut image = base();
        image.put8(dictionary + at, byte);
        let failure = opened(&mut image).unwrap_err();
        assert!(format!("{failure:?}").contains(reason), "{failure:?}");
    }
}

#[test]
fn bad_dictionaries() {
    let mut image = Image::new(packed_bytes(&documents(3_000), Compression::zstd()));
    let dictionary = image.section(PACKING).0 + 64;
    // Behind magic number and id of a dictionary stand the tables of its entropy coder.
    image.put(dictionary + 8, &[0xFF; 64]);
    let failure = opened(&mut image).unwrap_err();
    assert!(format!("{failure:?}").contains("dictionary of zstd makes no sense"), "{failure:?}");

    let base = || Image::new(packed_bytes(&documents(3_000), Compression::fsst()));
    let dictionary = base().section(PACKING).0 + 64;
    let count = base().bytes[dictionary];
    let changes = [(0, count + 1), (0, count - 1), (0, 255), (1, 0), (1, 9)];
    refused(base, dictionary, &changes, "symbols of FSST make no sense");
}

/// Stored values that lie about themselves: an error, and no more memory than they make.
#[test]
fn values_that_lie() {
    // Values of six bytes under zstd: a mark and five bytes, which do not shrink.
    let noise = Rng::new(5).bytes(250);
    let entries = (0..50).map(|i| (vec![b'k', i as u8], noise[5 * i..5 * i + 5].to_vec()));
    let case = Case { hash_index: HashIndex::Always, ..Case::of(entries.collect()) };
    let base = || Image::new(packed_bytes(&case, Compression::zstd()));
    let at = base().find(&[&[b'k', 7, 0], &noise[35..40]].concat(), 0) + 2;
    for (value, right) in [
        // A frame that says it has 4 GiB, of which zstd would make 4 GiB of zeros by 20 bytes.
        ([0xA0, 0xFF, 0xFF, 0xFF, 0xFF, 0], "value is longer than the longest of the table"),
        // A frame of three bytes, with nothing in it.
        ([0x20, 3, 0, 0, 0, 0], "value does not decompress"),
        // With a checksum, with the id of a dictionary, without its length.
        ([0x24, 3, 0, 0, 0, 0], "value does not decompress"),
        ([0x21, 3, 0, 0, 0, 0], "value does not decompress"),
        ([0x00, 3, 0, 0, 9, 9], ""),
        // Frames: one without a byte, one longer than there are bytes.
        ([0x01, 0, 0, 0, 0, 1], "value does not decompress"),
        ([0x01, 0xFF, 0xFF, 0xFF, 0xFF, 0], "value does not decompress"),
    ] {
        let mut image = base();
        image.put(at, &value);
        let table = opened(&mut image).unwrap();
        let mut buffer = ValueBuffer::new();
        let found = table.get([b'k', 7], &mut buffer);
        match right {
            "" => assert_eq!(found.unwrap(), Some(&[3, 0, 0, 9, 9][..])),
            right => {
                let error = found.unwrap_err().to_string();
                assert!(error.contains(right), "{value:x?}: {error}");
                assert!(table.stored().verify().is_err());
            }
        }
        assert!(buffer.capacity() < 4096, "{value:x?}: {}", buffer.capacity());
    }
    let base = || Image::new(packed_bytes(&case, Compression::fsst()));
    let at = base().find(&[&[b'k', 7, 254], &noise[35..40]].concat(), 0) + 2;
    for (value, right) in [
        ([255, 7, 255, 1, 255, 2], ""),
        ([255, 7, 255, 1, 2, 255], "value ends after an escape"),
        ([253; 6], "value has a code without a symbol"),
        ([255, 7, 255, 1, 254, 254], "value has a code without a symbol"),
    ] {
        let mut image = base();
        image.put(at, &value);
        let table = opened(&mut image).unwrap();
        let mut buffer = ValueBuffer::new();
        let found = table.get([b'k', 7], &mut buffer);
        match right {
            "" => assert_eq!(found.unwrap(), Some(&[7, 1, 2][..])),
            right => {
                let error = found.unwrap_err().to_string();
                assert!(error.contains(right), "{value:x?}: {error}");
            }
        }
    }
}

/// Compact keys that lie: other codes for a key, codes that stand for nothing, slots of other keys.
#[test]
fn keys_that_lie() {
    let case = documents(3_000);
    let base = || Image::new(bytes_of(&case, (None, true)));
    let good = opened(&mut base()).unwrap();
    assert!(good.has_compact_keys());
    let stored = |rank: u64| good.stored().nth(rank).unwrap().unwrap().0.to_vec();
    let (key, at) = (stored(100), base().find(&stored(100), base().records()));
    for (bytes, right) in [
        (&[255, 255][..], "key has a code without a symbol"),
        // The single byte p in place of the symbol that begins with it.
        (&[0, b'p'][..], ""),
    ] {
        let mut image = base();
        image.put(at, bytes);
        let table = opened(&mut image).unwrap();
        let error = table.stored().verify().unwrap_err().to_string();
        assert!(right.is_empty() || error.contains(right) || error.contains("order"), "{error}");
        let mut buffer = ValueBuffer::new();
        let found = table.get("package-000100", &mut buffer);
        assert!(found.is_err() || found.unwrap().is_none());
        let _ = table.iter().filter(Result::is_ok).count();
    }
    // A hash index of which one slot is empty, or leads elsewhere.
    let (start, len) = base().section(common::craft::HASH);
    let taken = (start..start + len).find(|&at| (at - start) % 64 == 4 && base().bytes[at] != 0);
    let taken = taken.unwrap();
    for change in [0, 1] {
        let mut image = base();
        match change {
            0 => image.put8(taken, 0),
            _ => image.put8(taken, image.bytes[taken] ^ 2),
        }
        let error = opened(&mut image).unwrap().stored().verify().unwrap_err().to_string();
        assert!(error.contains("index does not find the record"), "{error}");
    }
    assert!(key.len() < 14, "{key:?}");
    // Damage of the dictionary.
    let dictionary = base().section(PACKING).0 + 64;
    let changes = [(0, 255), (3, 1), (4, 0), (4, 1)];
    refused(base, dictionary, &changes, "symbols of keys make no sense");
}

/// Bits anywhere, with right checksums: each query gives an answer or an error.
#[test]
fn flipped_bits_do_no_harm() {
    let mut rng = Rng::new(3);
    for way in ways() {
        let good = bytes_of(&documents(400), way);
        let section = Image::new(good.clone()).section(PACKING);
        for round in 0..scaled(600) {
            let mut image = Image::new(good.clone());
            let records = image.records()..image.section(STATS).0;
            for _ in 0..=rng.below(3u32) {
                let at = match round % 3 {
                    0 => section.0 + rng.below(section.1),
                    _ => records.start + rng.below(records.len()),
                };
                let bits = 1 << rng.below(8u32);
                image.put8(at, image.bytes[at] ^ bits);
            }
            image.seal();
            try_all(&image.bytes);
        }
    }
}

fn try_all(bytes: &[u8]) {
    let options = OpenOptions::new().page_checks(PageChecks::Never).allow_packed(true);
    let _ = options.from_bytes(bytes.to_vec());
    let Ok(table) = PackedTable::from_bytes(bytes.to_vec()) else { return };
    let mut buffer = ValueBuffer::with_limit(1 << 20);
    for i in (0..400).step_by(7) {
        let _ = table.get(format!("package-{i:06}"), &mut buffer);
    }
    let _ = table.iter().filter(Result::is_ok).count();
    let _ = table.stored().verify();
    assert!(buffer.capacity() <= 2 << 20, "{}", buffer.capacity());
}

#[test]
fn damage_is_found_before_a_value_is_decompressed() {
    let directory = common::directory();
    let path = directory.path().join("t");
    let case = documents(400);
    let mut bytes = packed_bytes(&case, Compression::zstd());
    let image = Image::new(bytes.clone());
    let at = image.find(b"package-000100", 0) + 40;
    bytes[at] ^= 4;
    std::fs::write(&path, bytes).unwrap();
    let table = PackedTable::load(&path).unwrap();
    let error = table.get("package-000100", &mut ValueBuffer::new()).unwrap_err();
    assert!(matches!(error.failure(), ReadFailure::Checksum { .. }), "{error}");
    assert_eq!(error.path(), Some(Path::new(&path)));
}
