//! Sets of packed shards, and of some packed and some plain ones: against a sorted vector of the same
//! entries, with shards of another kind, damaged, followed, and as versions come and go.

#![expect(unsafe_code, reason = "tests map what they have written")]

use super::super::common::Rng;
use super::super::{common, open, open_with, quick, tables, write};
use graven::{
    BuildError, BuildOptions, Compression, ErrorKind, LiveSet, OpenFailure, OpenOptions,
    PackedLiveSet, PackedSet, PackedSetIter, Partition, PublishError, PublishOptions, ReadFailure,
    RefreshOutcome, SetBuildOptions, SetError, SetJobOptions, SetOptions, TypedTableSet,
    ValueBuffer, Warm,
};
use proptest::collection::vec;
use proptest::prelude::*;
use std::fs;
use std::ops::{Bound, ControlFlow};
use std::path::Path;

type Entry = (Vec<u8>, Vec<u8>);

fn packed_with(options: &SetOptions, path: &Path) -> Result<PackedSet, SetError> {
    // SAFETY: nobody changes the files of a set while a test has it open, but where it says so.
    unsafe { PackedSet::open_with(path, options) }
}

fn packed(path: &Path) -> PackedSet {
    packed_with(&SetOptions::new(), path).unwrap()
}

/// The place in the list of ways that packs nothing, and of the one that has little to gain.
const PLAIN: usize = 6;
const WITHOUT_DICTIONARY: usize = 2;

/// All ways to pack the tables of a set.
fn ways() -> Vec<BuildOptions> {
    let (fsst, zstd) = (Compression::fsst(), Compression::zstd());
    vec![
        tables().compress(fsst),
        tables().compress(zstd),
        tables().compress(zstd.level(1).dictionary_bytes(0)),
        tables().compact_keys(true),
        tables().compress(fsst).compact_keys(true),
        tables().compress(zstd).compact_keys(true),
        tables(),
    ]
}

/// Entries with much in common.
fn documents(count: u32) -> Vec<Entry> {
    let document = |i: u32| {
        let (key, number) =
            (format!("https://example.org/{i:06}/page"), i.wrapping_mul(0x9E37_79B9));
        let value =
            format!("{{\"name\":\"lib{}\",\"version\":\"{}.0\",\"size\":{number}}}", i % 7, i % 13);
        (key.into_bytes(), value.into_bytes())
    };
    (0..count).map(document).collect()
}

fn walked(walk: impl Iterator<Item = Result<Entry, SetError>>) -> Vec<Entry> {
    walk.map(Result::unwrap).collect()
}

/// Walks from both ends in turn, until they meet.
fn from_both_ends(mut walk: PackedSetIter) -> Vec<Entry> {
    let (mut front, mut back) = (Vec::new(), Vec::new());
    while let Some(item) = walk.next() {
        front.push(item.unwrap());
        back.extend(walk.next_back().map(Result::unwrap));
    }
    assert!(walk.next().is_none() && walk.next_back().is_none());
    front.extend(back.into_iter().rev());
    front
}

/// Compares every query with the model; `asked` are keys that may be there.
fn compare(set: &PackedSet, model: &[Entry], asked: &[Vec<u8>]) {
    let buffer = &mut ValueBuffer::new();
    let owned =
        |entry: Option<(&[u8], &[u8])>| entry.map(|(key, value)| (key.to_vec(), value.to_vec()));
    assert_eq!((set.len(), set.is_empty()), (model.len() as u64, model.is_empty()));
    assert_eq!(walked(set.iter()), model);
    let mut reversed = walked(set.iter().rev());
    reversed.reverse();
    assert_eq!(reversed, model);
    assert_eq!(from_both_ends(set.iter()), model);
    assert_eq!(owned(set.first(buffer).unwrap()), model.first().cloned());
    assert_eq!(owned(set.last(buffer).unwrap()), model.last().cloned());
    let mut many = Vec::new();
    set.get_many_with(asked, buffer, |value| many.push(value.map(<[u8]>::to_vec))).unwrap();
    assert_eq!(many.len(), asked.len());
    for (key, many) in asked.iter().zip(many) {
        let values = model.iter().filter(|(other, _)| other == key).map(|(_, value)| value.clone());
        let values: Vec<_> = values.collect();
        let first = values.first().map(Vec::as_slice);
        assert_eq!(set.get(key, buffer).unwrap(), first);
        assert_eq!(many.as_deref(), first);
        assert_eq!(set.contains_key(key).unwrap(), first.is_some());
        assert_eq!(set.count_of(key).unwrap(), values.len() as u64);
        assert_eq!(set.get_all(key).unwrap(), values);
        let below = model.partition_point(|(other, _)| other < key);
        let up_to = model.partition_point(|(other, _)| other <= key);
        assert_eq!(set.rank(key).unwrap(), below as u64);
        assert_eq!(owned(set.ceil(key, buffer).unwrap()), model.get(below).cloned());
        let floor = up_to.checked_sub(1).map(|at| model[at].clone());
        assert_eq!(owned(set.floor(key, buffer).unwrap()), floor);
        for prefix in [&key[..], &key[..key.len() / 2], &key[..key.len().min(1)]] {
            let prefixed = model.iter().filter(|(other, _)| other.starts_with(prefix)).cloned();
            assert_eq!(walked(set.prefix(prefix)), prefixed.collect::<Vec<_>>());
        }
    }
    for (a, b) in asked.iter().zip(asked.iter().rev()) {
        let from = model.partition_point(|(key, _)| key < a);
        let to = model.partition_point(|(key, _)| key < b).max(from);
        let range = (Bound::Included(a), Bound::Excluded(b));
        assert_eq!(set.count(range).unwrap(), (to - from) as u64);
        assert_eq!(walked(set.range(range)), model[from..to]);
        assert_eq!(from_both_ends(set.range(range)), model[from..to]);
        let above = model.partition_point(|(key, _)| key <= a);
        let range = (Bound::Excluded(a), Bound::Unbounded);
        assert_eq!(set.count(range).unwrap(), (model.len() - above) as u64);
        assert_eq!(walked(set.range(range)), model[above..]);
    }
    for rank in (0..=model.len()).step_by(model.len() / 50 + 1).chain([model.len()]) {
        let found = set.nth(rank as u64, buffer);
        match set.manifest().partition {
            Partition::Range => assert_eq!(owned(found.unwrap()), model.get(rank).cloned()),
            _ => assert!(matches!(found, Err(SetError::Unsupported { .. }))),
        }
    }
    let report = set.verify().unwrap();
    assert_eq!(
        (report.entries, report.shards),
        (model.len() as u64, set.manifest().shards.len() as u64)
    );
}

/// Writes the entries as a set, and compares it, with and without a bound that fits one shard.
fn check(options: &SetBuildOptions, path: &Path, entries: &[Entry], asked: &[Vec<u8>]) {
    write(options, path, entries);
    let mut model = entries.to_vec();
    model.sort_by(|a, b| a.0.cmp(&b.0));
    compare(&packed(path), &model, asked);
    compare(&packed_with(&SetOptions::new().max_mapped_bytes(1), path).unwrap(), &model, asked);
}

fn key() -> impl Strategy<Value = Vec<u8>> {
    let parts: [&[u8]; 6] = [b"", b"\0", b"a", b"/usr/lib/", b"\xff", b"https://example.org/"];
    let part = proptest::sample::select(parts.to_vec());
    vec(part, 0..4).prop_map(|parts| parts.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn a_set_answers_as_a_sorted_vector(
        entries in vec((key(), vec(any::<u8>(), 0..40)), 0..40),
        asked in vec(key(), 1..12),
        shard_entries in 1u64..9,
        shards in 1usize..6,
        way in 0..ways().len(),
    ) {
        let dir = tempfile::tempdir().unwrap();
        let tables = ways().swap_remove(way);
        let hash = quick().hash_shards(shards).tables(tables.clone());
        check(&hash, &dir.path().join("hash"), &entries, &asked);
        let mut ascending = entries;
        ascending.sort_by(|a, b| a.0.cmp(&b.0));
        let range = quick().shard_entries(shard_entries).tables(tables);
        check(&range, &dir.path().join("range"), &ascending, &asked);
    }
}

#[test]
fn documents_are_found_and_are_smaller() {
    let dir = tempfile::tempdir().unwrap();
    let mut entries = documents(1500);
    let repeated = entries[700].0.clone();
    entries.splice(701..701, (0..40u8).map(|i| (repeated.clone(), vec![i; usize::from(i)])));
    let asked: Vec<_> = entries.iter().step_by(97).map(|(key, _)| key.clone()).collect();
    for (number, tables) in ways().into_iter().enumerate() {
        for (name, cut) in [("range", quick().shard_entries(400)), ("hash", quick().hash_shards(3))]
        {
            let path = dir.path().join(format!("{name}{number}"));
            check(&cut.tables(tables.clone()), &path, &entries, &asked);
            let set = packed(&path);
            assert_eq!(set.manifest().has_packed_shards(), number != PLAIN);
            let raw: usize = entries.iter().map(|(key, value)| key.len() + value.len()).sum();
            let smaller = set.manifest().bytes < raw as u64;
            assert_eq!(smaller, ![PLAIN, WITHOUT_DICTIONARY].contains(&number), "{number}");
            for (number, shard) in set.manifest().shards.iter().enumerate() {
                assert_eq!(set.table(number).unwrap().is_packed(), shard.packed);
            }
        }
    }
}

#[test]
fn small_sets() {
    let dir = tempfile::tempdir().unwrap();
    let asked = [b"".to_vec(), b"key".to_vec()];
    let cases = [
        vec![],
        vec![(vec![], vec![])],
        vec![(vec![], b"value".to_vec()), (b"key".to_vec(), vec![])],
        vec![(b"key".to_vec(), vec![7]), (vec![255; 65_535], vec![0; 100_000])],
    ];
    for (number, entries) in cases.iter().enumerate() {
        for (way, tables) in ways().into_iter().enumerate() {
            for (cut, options) in
                [quick().shard_entries(1), quick().hash_shards(3)].iter().enumerate()
            {
                let path = dir.path().join(format!("{number}-{way}-{cut}"));
                check(&options.clone().tables(tables.clone()), &path, entries, &asked);
            }
        }
    }
}

/// The order of entries, threads, memory and the promise of order change no byte.
#[test]
fn the_bytes_depend_on_content_and_options_alone() {
    let dir = tempfile::tempdir().unwrap();
    let ascending = documents(3000);
    let mut shuffled = ascending.clone();
    common::Rng::new(5).shuffle(&mut shuffled);
    let both = tables().compress(Compression::zstd()).compact_keys(true);
    for (number, cut) in
        [quick().shard_bytes(60_000), quick().range_shards(3), quick().hash_shards(5)]
            .iter()
            .enumerate()
    {
        let id = |name: &str, tables: &BuildOptions, entries: &[Entry]| {
            let path = dir.path().join(format!("{name}{number}"));
            write(&cut.clone().tables(tables.clone()), &path, entries);
            let set = packed(&path);
            set.verify().unwrap();
            (set.manifest().id, set.manifest().shards.len())
        };
        let right = id("any", &both, &shuffled);
        assert!(right.1 > 1, "{right:?}");
        assert_eq!(id("small", &both.clone().memory_budget(1 << 20).threads(1), &shuffled), right);
        assert_eq!(id("sorted", &both.clone().sorted(true), &ascending), right);
        assert_eq!(id("threads", &both.clone().sorted(true).threads(5), &ascending), right);
    }
}

/// Values that wait in files before they are compressed.
#[test]
fn long_values_come_from_readers() {
    let dir = tempfile::tempdir().unwrap();
    let noise = common::Rng::new(3).bytes(3 << 20);
    let entries: Vec<Entry> = [1usize << 20, 5, 3 << 20, (2 << 20) + 1]
        .iter()
        .flat_map(|&len| {
            let name = |kind: &str| format!("{kind} {len:08}").into_bytes();
            [(name("noise"), noise[..len].to_vec()), (name("text"), b"text ".repeat(len / 5))]
        })
        .collect();
    let mut model = entries.clone();
    model.sort();
    for (number, compression) in [Compression::fsst(), Compression::zstd()].into_iter().enumerate()
    {
        for (name, cut) in [("range", quick().shard_entries(3)), ("hash", quick().hash_shards(2))] {
            let path = dir.path().join(format!("{name}{number}"));
            let tables = tables().compress(compression).memory_budget(1 << 20);
            let mut builder = cut.tables(tables).create(&path).unwrap();
            for (key, value) in &entries {
                builder.insert_from(key, &value[..]).unwrap();
            }
            builder.finish().unwrap();
            let set = packed(&path);
            assert!(walked(set.iter()) == model);
            set.verify().unwrap();
        }
    }
}

#[test]
fn a_set_of_plain_shards_refuses_packed_ones_by_name() {
    let dir = tempfile::tempdir().unwrap();
    let options = quick().shard_entries(50).tables(tables().compress(Compression::zstd()));
    write(&options, dir.path(), &documents(100));
    let version = packed(dir.path()).path().to_owned();
    let refused = |error: SetError| {
        let SetError::Open(open) = &error else { panic!("{error}") };
        assert!(matches!(open.failure(), OpenFailure::IsPacked { .. }), "{error}");
        assert_eq!(error.path(), Some(&*version.join("part-00000.grv")));
        assert_eq!(error.kind(), ErrorKind::Data);
        assert!(
            error.to_string().ends_with("; open its set as a packed set (PackedSet)"),
            "{error}"
        );
    };
    refused(open_with(&SetOptions::new(), dir.path()).unwrap_err());
    // Options for tables do not change what a set lends.
    let allow = SetOptions::new().tables(OpenOptions::new().allow_packed(true));
    refused(open_with(&allow, dir.path()).unwrap_err());
    // SAFETY: nobody changes the files.
    refused(unsafe { TypedTableSet::<u32, u32>::open(dir.path()) }.unwrap_err());
    // SAFETY: nobody changes the files.
    refused(unsafe { LiveSet::open(dir.path()) }.unwrap_err());
    // A manifest that says nothing of it, as one from elsewhere.
    let manifest = version.join("MANIFEST.json");
    let text = fs::read_to_string(&manifest).unwrap();
    fs::remove_file(&manifest).unwrap();
    fs::write(&manifest, text.replace(",\"packed\":true", "")).unwrap();
    let set = open_with(&allow, dir.path()).unwrap();
    refused(set.get(&documents(1)[0].0).unwrap_err());
}

#[test]
fn a_manifest_that_lies_about_packing_is_found_out() {
    let dir = tempfile::tempdir().unwrap();
    let compact = tables().compact_keys(true);
    for (name, tables, from, to, says) in [
        ("packed", compact, "true", "false", "is a packed table, a plain one in the manifest"),
        ("plain", tables(), "false", "true", "is a plain table, a packed one in the manifest"),
    ] {
        let path = dir.path().join(name);
        write(&quick().tables(tables), &path, &documents(300));
        let manifest = packed(&path).path().join("MANIFEST.json");
        let text = fs::read_to_string(&manifest).unwrap();
        fs::remove_file(&manifest).unwrap();
        let (from, to) = (format!("\"packed\":{from}"), format!("\"packed\":{to}"));
        assert!(text.contains(&from), "{text}");
        fs::write(&manifest, text.replace(&from, &to)).unwrap();
        let set = packed(&path);
        let error = set.get(&documents(1)[0].0, &mut ValueBuffer::new()).unwrap_err();
        assert!(matches!(error, SetError::Shard { .. }), "{error}");
        assert!(error.to_string().contains(says), "{error}");
        assert!(set.verify().unwrap_err().to_string().contains(says));
    }
}

#[test]
fn typed_sets_are_not_packed() {
    let dir = tempfile::tempdir().unwrap();
    for (tables, name) in [
        (tables().compress(Compression::fsst()), "compress"),
        (tables().compact_keys(true), "compact_keys"),
    ] {
        let built = quick().tables(tables).create_typed::<u32, u32>(dir.path());
        match built.map(drop) {
            Err(PublishError::Target(BuildError::InvalidOption { option, expected, .. })) => {
                assert_eq!(
                    (option, expected.contains("typed tables are not packed")),
                    (name, true)
                );
            }
            other => panic!("{other:?}"),
        }
    }
}

/// Some shards of a job are packed, some are plain.
#[test]
fn jobs_make_sets_of_both_kinds() {
    let dir = tempfile::tempdir().unwrap();
    let entries = documents(700);
    let publish = PublishOptions::new().durable(false);
    let asked: Vec<_> = entries.iter().step_by(41).map(|(key, _)| key.clone()).collect();
    let through_text = |info: graven::ShardInfo| -> graven::ShardInfo {
        let arrived = serde_json::from_str(&serde_json::to_string(&info).unwrap()).unwrap();
        assert_eq!(info, arrived);
        arrived
    };
    let (range, hash) = (dir.path().join("range"), dir.path().join("hash"));
    let job = SetJobOptions::new().publish(publish.clone()).begin(&range).unwrap();
    let infos = ways().into_iter().zip(entries.chunks(100)).map(|(tables, part)| {
        let mut shard = job.range_shard(&tables).unwrap();
        part.iter().for_each(|(key, value)| shard.insert(key, value).unwrap());
        through_text(shard.finish().unwrap())
    });
    let infos: Vec<_> = infos.collect();
    job.commit(infos).unwrap();
    compare(&packed(&range), &entries, &asked);
    assert!(packed(&range).manifest().has_packed_shards());

    let job = SetJobOptions::new().hash_shards(3).publish(publish).begin(&hash).unwrap();
    let tables = [tables(), tables().compact_keys(true), tables().compress(Compression::zstd())];
    let mut shards: Vec<_> =
        (0..3).map(|number| job.hash_shard(number, &tables[number]).unwrap()).collect();
    for (key, value) in &entries {
        shards[graven::hash_shard(key, 3)].insert(key, value).unwrap();
    }
    let infos = shards.into_iter().map(|shard| through_text(shard.finish().unwrap()));
    let infos: Vec<_> = infos.collect();
    assert_eq!(infos.iter().map(|info| info.shard.packed).collect::<Vec<_>>(), [false, true, true]);
    job.commit(infos).unwrap();
    compare(&packed(&hash), &entries, &asked);
}

/// A byte of a value changed on disk: its lookup, walks and the audit say so, and other keys answer.
#[test]
fn damage_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let entries = documents(2000);
    for (name, cut) in [("range", quick().shard_entries(1000)), ("hash", quick().hash_shards(2))] {
        let path = dir.path().join(name);
        write(&cut.tables(tables().compress(Compression::zstd())), &path, &entries);
        let set = packed(&path);
        let (key, _) = &entries[1500];
        let shard = set.path().join(&set.manifest().shards[set.shard_of(key).unwrap()].file);
        let mut bytes = fs::read(&shard).unwrap();
        let at = bytes.windows(key.len()).position(|window| window == &key[..]).unwrap();
        bytes[at + key.len() + 9] ^= 4;
        fs::remove_file(&shard).unwrap();
        fs::write(&shard, bytes).unwrap();
        drop(set);
        let (set, mut buffer) = (packed(&path), ValueBuffer::new());
        let named = |error: SetError| {
            let SetError::Read(read) = &error else { panic!("{error}") };
            assert!(matches!(read.failure(), ReadFailure::Checksum { .. }), "{error}");
            assert_eq!(error.path(), Some(shard.as_path()));
        };
        named(set.get(key, &mut buffer).unwrap_err());
        named(set.get_many_with(&[key], &mut buffer, |_| ()).unwrap_err());
        let mut walk = set.iter();
        let error = walk.by_ref().find_map(Result::err).unwrap();
        named(error);
        assert!(walk.next().is_none() && walk.next_back().is_none());
        let first = set.get(&entries[0].0, &mut buffer).unwrap();
        assert_eq!(first, Some(&entries[0].1[..]));
        assert!(set.verify().unwrap_err().to_string().contains("SHA-256"));
        fs::remove_file(&shard).unwrap();
        let error = packed(&path).get(key, &mut buffer).unwrap_err();
        assert_eq!((error.kind(), error.path()), (ErrorKind::Io, Some(shard.as_path())));
    }
}

/// A limit on values holds for lookups and walks, and ends a walk.
#[test]
fn a_reader_may_set_a_longest_value() {
    let entries =
        [("a", 10), ("long", 5000), ("z", 10)].map(|(key, len)| (key.into(), vec![b'v'; len]));
    // Values that are compressed, that stand as they are, and that a plain shard has.
    let noise = Rng::new(3).bytes(5000);
    let unlike = [("a", &noise[..10]), ("long", &noise), ("z", &noise[10..20])];
    let unlike = unlike.map(|(key, value)| (key.into(), value.to_vec()));
    for (tables, entries) in [
        (tables().compress(Compression::fsst()), &entries),
        (tables().compress(Compression::fsst()), &unlike),
        (tables(), &entries),
    ] {
        longest_value(&quick().tables(tables), entries);
    }
}

fn longest_value(options: &SetBuildOptions, entries: &[Entry]) {
    let dir = tempfile::tempdir().unwrap();
    write(options, dir.path(), entries);
    let set = packed(dir.path());
    let mut buffer = ValueBuffer::with_limit(4999);
    assert!(set.get("a", &mut buffer).unwrap().is_some());
    let too_long = |error: SetError| {
        let SetError::Read(read) = &error else { panic!("{error}") };
        assert!(matches!(read.failure(), ReadFailure::ValueTooLong { .. }), "{error}");
    };
    too_long(set.get("long", &mut buffer).unwrap_err());
    too_long(set.ceil("b", &mut buffer).unwrap_err());
    let mut walk = set.iter().with_buffer(ValueBuffer::with_limit(4999));
    assert!(walk.next().unwrap().is_ok());
    too_long(walk.next().unwrap().unwrap_err());
    assert!(walk.next().is_none() && walk.next_back().is_none());
}

/// No more is mapped than the bound allows, also after answers that are still held.
#[test]
fn answers_keep_no_shard_mapped() {
    let dir = tempfile::tempdir().unwrap();
    let entries = documents(4000);
    let options = quick().shard_entries(1000).tables(tables().compact_keys(true));
    write(&options, dir.path(), &entries);
    let largest =
        packed(dir.path()).manifest().shards.iter().map(|shard| shard.bytes).max().unwrap();
    let set = packed_with(&SetOptions::new().max_mapped_bytes(largest), dir.path()).unwrap();
    let mut buffers: Vec<_> = (0..4).map(|_| ValueBuffer::new()).collect();
    let answers: Vec<_> = buffers
        .iter_mut()
        .enumerate()
        .map(|(number, buffer)| {
            let answer = set.get(&entries[number * 1000].0, buffer).unwrap().unwrap();
            assert!((1..=largest).contains(&set.mapped_bytes()), "{}", set.mapped_bytes());
            // What the set has let go is mapped no more, although its answers are held.
            #[cfg(target_os = "linux")]
            assert_eq!(super::mapping::mappings(set.path()), 1);
            answer
        })
        .collect();
    drop(set);
    for (number, answer) in answers.into_iter().enumerate() {
        assert_eq!(answer, entries[number * 1000].1);
    }
}

#[test]
fn an_audit_may_be_stopped() {
    let dir = tempfile::tempdir().unwrap();
    write(&quick().tables(tables().compact_keys(true)), dir.path(), &documents(1000));
    let set = packed(dir.path());
    assert!(set.verify_while(|_| ControlFlow::Break(())).unwrap().is_none());
    assert!(set.verify_while(|_| ControlFlow::Continue(())).unwrap().is_some());
}

/// Plain and packed versions take each other's place.
#[test]
fn a_handle_follows_sets_of_both_kinds() {
    let dir = tempfile::tempdir().unwrap();
    let publish = |tables: BuildOptions, count| {
        write(&quick().shard_entries(100).tables(tables), dir.path(), &documents(count));
    };
    let (packing, buffer) = (tables().compact_keys(true), &mut ValueBuffer::new());
    publish(tables(), 250);
    let options = SetOptions::new().tables(OpenOptions::new().warm(Warm::All));
    // SAFETY: nobody changes the files of a set while a test has it open.
    let live = unsafe { PackedLiveSet::open_with(dir.path(), &options) }.unwrap();
    // SAFETY: nobody changes the files of a set while a test has it open.
    let plain = unsafe { LiveSet::open(dir.path()) }.unwrap();
    let (key, value) = documents(1).remove(0);
    let first = live.pin();
    publish(packing, 300);
    assert_eq!(live.refresh().unwrap(), RefreshOutcome::Swapped);
    assert!(live.pin().mapped_bytes() > 0);
    assert_eq!((live.pin().len(), live.pin().generation()), (300, 2));
    assert_eq!(live.pin().get(&key, buffer).unwrap(), Some(&value[..]));
    assert_eq!(live.refresh().unwrap(), RefreshOutcome::Unchanged);
    assert_eq!((first.len(), first.get(&key, buffer).unwrap()), (250, Some(&value[..])));
    // The other handle serves what it has, and says why.
    let error = plain.refresh().unwrap_err();
    assert!(error.to_string().contains("PackedSet"), "{error}");
    assert_eq!(plain.pin().len(), 250);
    assert_eq!(plain.status().failure, Some(error.to_string()));
    publish(tables(), 260);
    assert_eq!(live.refresh().unwrap(), RefreshOutcome::Swapped);
    assert_eq!(plain.refresh().unwrap(), RefreshOutcome::Swapped);
    assert_eq!((live.pin().len(), plain.pin().len(), open(dir.path()).len()), (260, 260, 260));
    assert_eq!(live.path(), dir.path());
}
