//! Guards against a merge, a diff or a patch of packed tables that gives something else than one of plain
//! tables of the same entries: that compares what is stored of keys by different dictionaries, hands
//! on what is stored of a value, or publishes half a table where a value does not decode. Also against
//! a salvage of a packed table that gives what is stored, or an entry that was damaged.

mod common;

use common::combined::{POLICIES, differences, lists, merged, run};
use common::craft::Image;
use common::generate::{runs, varied};
use common::{Case, Entry, Rng};
use graven::{
    BuildOptions, Compression, Diff, Merge, MergeError, MergePolicy, OpenOptions, PackedTable,
    Patch, Patched, ReadFailure, Salvage, Salvaged,
};
use proptest::collection::vec;
use proptest::prelude::*;
use std::path::Path;

/// How a table is packed.
type Way = (Option<Compression>, bool);

/// All ways to store a table, the first one plain.
fn ways() -> [Way; 6] {
    [
        (None, false),
        (Some(Compression::zstd()), false),
        (Some(Compression::fsst()), false),
        (None, true),
        (Some(Compression::fsst()), true),
        (Some(Compression::zstd().level(1).dictionary_bytes(0)), true),
    ]
}

fn options((compression, compact): Way) -> BuildOptions {
    BuildOptions::new().durable(false).compress(compression).compact_keys(compact)
}

fn bytes_of(entries: &[Entry], way: Way) -> Vec<u8> {
    let case = Case::of(entries.to_vec());
    case.bytes_with(case.options().compress(way.0).compact_keys(way.1))
}

fn table(entries: &[Entry], way: Way) -> PackedTable {
    PackedTable::from_bytes(bytes_of(entries, way)).unwrap()
}

/// The tables of lists of entries, the first one stored in the way `first`, the others in the next ones.
fn mixed(lists: &[Vec<Entry>], first: usize) -> Vec<PackedTable> {
    let ways = ways().into_iter().cycle().skip(first);
    lists.iter().zip(ways).map(|(list, way)| table(list, way)).collect()
}

/// Merges of the tables in every mix, with every policy, into tables of every kind.
fn check_merge(lists: &[Vec<Entry>]) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("merged");
    for first in 0..ways().len() {
        let tables = mixed(lists, first);
        for policy in POLICIES {
            let merge = Merge::new(&tables).policy(policy);
            let all: Result<Vec<_>, _> = merge.clone().collect();
            let Some(right) = merged(lists, policy) else {
                let built = merge.build(&path, &options(ways()[first]));
                for error in [all.err(), built.err()] {
                    assert!(matches!(error, Some(MergeError::DuplicateKey { .. })), "{error:?}");
                }
                assert!(!path.exists(), "a merge that failed has published a table");
                continue;
            };
            let all: Vec<Entry> = all
                .unwrap()
                .into_iter()
                .map(|(key, value)| (key.into_owned(), value.into_owned()))
                .collect();
            assert!(all == right, "{first}, {policy:?}");
            // A step that was taken before is not taken again by the rest, nor by a clone.
            let mut merge = merge;
            let taken = usize::from(merge.next().is_some());
            let rest = merge.clone().map(|entry| entry.unwrap().0.into_owned());
            let keys = right.iter().skip(taken).map(|(key, _)| key.clone());
            assert!(rest.eq(keys), "{first}, {policy:?}");

            for way in [ways()[0], ways()[first]] {
                let merge = Merge::new(&tables).policy(policy);
                let summary = merge.build(&path, &options(way)).unwrap();
                assert_eq!(summary.entries, right.len() as u64);
                let built = std::fs::read(&path).unwrap();
                assert!(built == bytes_of(&right, way), "{first}, {policy:?}, {way:?}");
                std::fs::remove_file(&path).unwrap();
            }
        }
    }
}

/// Differences of the tables, each stored in every way.
fn check_diff(old: &[Entry], new: &[Entry]) {
    let models = [old, new].map(|entries| Case::of(entries.to_vec()).model());
    let right = differences(&models[0], &models[1]);
    let (olds, news) = (ways().map(|way| table(old, way)), ways().map(|way| table(new, way)));
    for (number, old) in olds.iter().enumerate() {
        for (other, new) in news.iter().enumerate() {
            let (mut diff, mut found) = (Diff::new(old, new), 0);
            while let Some(difference) = diff.next_lent() {
                assert_eq!(difference.unwrap(), right[found], "{number}, {other}");
                found += 1;
            }
            assert!(diff.next_lent().is_none());
            assert_eq!(found, right.len(), "{number}, {other}");
        }
    }
}

/// A patch between two tables that are stored in one way, applied to the first of them.
fn check_patch(old: &[Entry], new: &[Entry]) {
    let directory = tempfile::tempdir().unwrap();
    let (path, out) = (directory.path().join("patch"), directory.path().join("out"));
    for way in ways() {
        let (old, new) = (table(old, way), table(new, way));
        if way.0.is_some() && old.has_compact_keys() != new.has_compact_keys() {
            // One of them has keys that are not worth it, which is not told from keys that stay as they are.
            let error = Patch::create(&old, &new, &path, &options(ways()[0])).unwrap_err();
            assert!(matches!(error, MergeError::PackedOtherwise), "{error:?}");
            continue;
        }
        Patch::create(&old, &new, &path, &options(ways()[0])).unwrap();
        let patch = OpenOptions::new().allow_patch(true).load(&path).unwrap();
        patch.verify().unwrap();
        let patch = Patch::new(patch).unwrap();
        let patched = Patched::new(&old, [&patch]).unwrap();
        let found = patched.clone().map(|entry| entry.unwrap());
        let found = found.map(|(key, value)| (key.into_owned(), value.into_owned()));
        assert!(found.eq(new.iter().map(Result::unwrap)), "{way:?}");
        let summary = patched.build(&out, &options(ways()[0])).unwrap();
        assert_eq!(summary.build_id, new.build_id(), "{way:?}");
    }
}

fn check(lists: &[Vec<Entry>]) {
    check_merge(lists);
    if let [old, .., new] = lists {
        check_diff(old, new);
        check_patch(old, new);
    }
}

/// Few shared keys, many, and repeated ones.
#[test]
fn any_tables() {
    run(24, lists(0..5, 0..40), |lists| check(&lists));
    run(12, vec(runs(60), 1..4), |lists| check(&lists));
    // Every key is shared by most tables.
    let entry = (0..30u8, vec(any::<u8>(), 0..20)).prop_map(|(key, value)| (vec![key; 3], value));
    run(12, vec(vec(entry, 0..60), 2..5), |lists| check(&lists));
}

/// Paths, whose symbols differ from table to table, with texts that both codecs compress.
fn paths(numbers: impl Iterator<Item = u32>, of: &str) -> Vec<Entry> {
    let entry = |i: u32| {
        let key = format!("warehouse/{}/shelf-{:03}/part-{i:06}", of.repeat(3), i % 97);
        (
            key.into_bytes(),
            format!("{{\"part\":{i},\"name\":\"{of} number {}\"}}", i / 7).into_bytes(),
        )
    };
    numbers.map(entry).collect()
}

#[test]
fn chosen_tables() {
    let entry = |key: &str, value: &str| (key.as_bytes().to_vec(), value.as_bytes().to_vec());
    let one = vec![entry("", "")];
    let word = vec![entry("", "value"), entry("key", "")];
    let repeated: Vec<Entry> = (0..90).map(|i| entry("key", &format!("value {i}"))).collect();
    let long = vec![(vec![b'k'; 30_000], vec![7; 300_000]), (vec![b'k'; 32_767], vec![])];
    check(&[]);
    check(&[vec![], vec![]]);
    check(&[vec![], one.clone()]);
    check(&[one.clone(), one.clone()]);
    check(&[one, word.clone(), repeated.clone()]);
    check(&[repeated.clone(), word, repeated]);
    check(&[long.clone(), varied(500), long]);
    check(&[varied(900), varied(899), varied(2)]);
    // Keys in turn, and keys in both tables, whose symbols are not the same.
    let even = paths((0..3000).filter(|i| i % 2 == 0), "bolt");
    let mut both = paths((0..3000).filter(|i| i % 2 == 1), "bolt");
    both.extend(
        paths(0..300, "bolt").into_iter().map(|(key, value)| (key, [&value[..], b"!"].concat())),
    );
    both.extend(paths(0..2000, "nut"));
    both.sort();
    both.dedup_by(|a, b| a.0 == b.0);
    check(&[even.clone(), both.clone()]);
    check(&[both, even]);
    // Plain tables of one width, whose entries are taken in batches, beside others.
    let mut rng = Rng::new(5);
    let fixed = |rng: &mut Rng, value: usize| -> Vec<Entry> {
        let mut keys: Vec<u64> = (0..700).map(|_| rng.below(2000_u64) << 32).collect();
        keys.sort();
        keys.dedup();
        keys.into_iter().map(|key| (key.to_be_bytes().to_vec(), vec![value as u8; value])).collect()
    };
    check(&[fixed(&mut rng, 5), fixed(&mut rng, 5), fixed(&mut rng, 9)]);
}

/// The options to build a table like the tables: packed where all are.
#[test]
fn a_merged_table_is_built_like_its_tables() {
    let parts = [paths(0..2000, "bolt"), paths(0..2000, "nut")];
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("merged");
    let right = merged(&parts, MergePolicy::Reject).unwrap();
    let build = |ways: [Way; 2], as_built: Way| {
        let tables = [table(&parts[0], ways[0]), table(&parts[1], ways[1])];
        let merge = Merge::new(&tables);
        let options = merge.build_options().unwrap().durable(false);
        merge.build(&path, &options).unwrap();
        assert!(std::fs::read(&path).unwrap() == bytes_of(&right, as_built), "{ways:?}");
    };
    let [plain, zstd, fsst, keys, both, _] = ways();
    build([plain, zstd], plain);
    build([both, plain], plain);
    build([zstd, fsst], zstd);
    build([keys, zstd], keys);
    build([both, both], both);
    // Options that were asked for and found nothing to encode.
    let small = [table(&[(vec![1], vec![])], keys)];
    let options = small[0].stored().build_options().unwrap().durable(false);
    Merge::new(&small).build(&path, &options).unwrap();
    assert_eq!(std::fs::read(&path).unwrap(), bytes_of(&[(vec![1], vec![])], keys));
}

/// A packed table that was opened as it lies in the file is refused by name.
#[test]
fn stored_entries_are_not_merged() {
    let bytes = bytes_of(&paths(0..100, "bolt"), ways()[1]);
    let stored = OpenOptions::new().allow_packed(true).from_bytes(bytes).unwrap();
    let error = Merge::new([&stored]).find_map(Result::err).unwrap();
    let MergeError::Read { table: 0, source } = error else { panic!("{error:?}") };
    assert!(matches!(source.failure(), ReadFailure::IsPacked), "{source:?}");
}

/// Runs everything that reads a damaged or hostile table beside a good one, and returns the error, which
/// is the same everywhere. Nothing is published.
fn refused(good: &PackedTable, bad: &PackedTable, path: &Path) -> ReadFailure {
    let mut failures = Vec::new();
    let mut note = |error: Option<MergeError>| {
        let Some(MergeError::Read { table: 1, source }) = error else { panic!("{error:?}") };
        assert_eq!(source.path(), bad.path());
        failures.push(source.failure());
        assert!(!path.exists(), "a half table was published");
    };
    for policy in [MergePolicy::KeepAll, MergePolicy::KeepLast, MergePolicy::Concat] {
        let merge = Merge::new([good, bad]).policy(policy);
        note(merge.clone().find_map(Result::err));
        note(merge.build(path, &options(ways()[0])).err());
    }
    let mut diff = Diff::new(good, bad);
    let error = loop {
        match diff.next_lent() {
            Some(Ok(_)) => {}
            Some(Err(error)) => break Some(error),
            None => break None,
        }
    };
    assert!(diff.next_lent().is_none());
    note(error);
    note(Patch::create(good, bad, path, &options(ways()[0])).err());
    failures.dedup();
    assert_eq!(failures.len(), 1, "{failures:?}");
    failures[0]
}

#[test]
fn damage_is_named_and_nothing_is_published() {
    let directory = tempfile::tempdir().unwrap();
    let (path, out) = (directory.path().join("bad"), directory.path().join("out"));
    let entries = paths(0..2000, "bolt");
    for way in &ways()[1..] {
        let good = table(&entries, *way);
        let bytes = bytes_of(&paths(0..1900, "bolt"), *way);
        let load = |bytes: &[u8]| {
            std::fs::write(&path, bytes).unwrap();
            PackedTable::load(&path).unwrap()
        };
        // A page of records.
        let mut damaged = bytes.clone();
        damaged[6000] ^= 1;
        assert!(matches!(refused(&good, &load(&damaged), &out), ReadFailure::Checksum { .. }));
    }
    // A value that does not decode, under right checksums: a frame that is none, a mark within a value.
    for (way, [first, others]) in [(ways()[1], [3, 3]), (ways()[2], [0, 254])] {
        let entries = vec![entry("a", 1), entry("b", 2)];
        let good = table(&entries, way);
        let bytes = bytes_of(&entries, way);
        let stored = OpenOptions::new().allow_packed(true).from_bytes(bytes.clone()).unwrap();
        let value = stored.get("b").unwrap().unwrap();
        let at = Image::new(bytes.clone()).find(value, 0);
        let mut image = Image::new(bytes);
        image.put(at, &vec![others; value.len()]);
        image.put8(at, first);
        image.seal();
        std::fs::write(&path, &image.bytes).unwrap();
        let failure = refused(&good, &PackedTable::load(&path).unwrap(), &out);
        assert!(matches!(failure, ReadFailure::Corrupt { .. }), "{failure:?}");
    }
}

fn entry(key: &str, seed: u8) -> Entry {
    (
        key.into(),
        format!("{{\"part\":\"part\",\"part\":\"part part part\",\"of\":{seed}}}")
            .repeat(20)
            .into(),
    )
}

/// Values longer than their reader takes are refused, in packed tables; what is stored as it is needs
/// no memory.
#[test]
fn values_are_limited() {
    let entries = [entry("a", 1), entry("b", 2)];
    let len = entries[0].1.len() as u32;
    for (way, limited) in [(ways()[0], false), (ways()[1], true), (ways()[3], false)] {
        let tables = [table(&entries[..1], way), table(&entries[1..], way)];
        for most in [len - 1, len] {
            let refused = limited && most < len;
            let failure = |error: MergeError| match error {
                MergeError::Read { source, .. } => source.failure(),
                error => panic!("{error:?}"),
            };
            let right = |failure: Option<ReadFailure>| match failure {
                Some(ReadFailure::ValueTooLong { most: said, .. }) => {
                    assert!(refused && said == u64::from(most));
                }
                failure => assert!(failure.is_none() && !refused, "{failure:?}"),
            };
            let merge = Merge::new(&tables).value_limit(most);
            right(merge.clone().find_map(Result::err).map(failure));
            right({ merge }.find_map(Result::err).map(failure));
            let mut diff = Diff::new(&tables[0], &tables[1]).value_limit(most);
            right(diff.next_lent().unwrap().err().map(failure));
            let patched = Patched::new(&tables[0], []).unwrap().value_limit(most);
            right({ patched }.find_map(Result::err).map(failure));
        }
    }
}

/// Tables that are packed in two ways have no patch, and the error says so.
#[test]
fn patches_keep_the_way_of_packing() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("patch");
    let entries = paths(0..2000, "bolt");
    for (number, old) in ways().into_iter().enumerate() {
        for (other, new) in ways().into_iter().enumerate() {
            let (old, new) = (table(&entries, old), table(&entries, new));
            let made = Patch::create(&old, &new, &path, &options(ways()[0]));
            match made {
                Ok(_) => assert_eq!(number, other),
                Err(MergeError::PackedOtherwise) => assert_ne!(number, other),
                Err(error) => panic!("{error:?}"),
            }
        }
    }
}

/// What a salvage of bytes gives, and how many losses; `None` if they can't be opened.
fn salvaged(bytes: Vec<u8>) -> Option<(Vec<Entry>, usize)> {
    let table = PackedTable::from_bytes(bytes).ok()?;
    let mut salvage = Salvage::new(&table);
    assert!(salvage.lost_sections().is_empty());
    let (mut entries, mut losses, mut before) = (Vec::<Entry>::new(), 0, None);
    while let Some(found) = salvage.next_lent() {
        match found {
            Salvaged::Entry { key, value } => {
                assert!(before.take().is_none_or(|before: Vec<u8>| before == key));
                entries.push((key.to_vec(), value.to_vec()));
            }
            Salvaged::Loss(loss) => {
                assert_eq!(loss.after, entries.last().map(|(key, _)| &key[..]));
                before = loss.before.map(<[u8]>::to_vec);
                losses += 1;
            }
        }
    }
    assert!(before.is_none());
    Some((entries, losses))
}

/// Of a damaged packed table all entries are found that are not on the damaged page or close behind it,
/// in the way of an undamaged one.
#[test]
fn good_entries_of_damaged_tables_are_salvaged() {
    let mut right = paths(0..3000, "bolt");
    right.sort();
    for way in ways() {
        let bytes = bytes_of(&right, way);
        assert_eq!(salvaged(bytes.clone()), Some((right.clone(), 0)), "{way:?}");
        for page in [0, 1, 2, 4] {
            let mut damaged = bytes.clone();
            damaged[page * 4096 + 777] ^= 4;
            let (found, losses) = salvaged(damaged).unwrap();
            assert_eq!(losses, 1, "{way:?}, {page}");
            let mut rest = right.iter();
            assert!(found.iter().all(|entry| rest.any(|right| right == entry)), "{way:?}, {page}");
            let lost = right.len() - found.len();
            assert!((1..1000).contains(&lost), "{way:?}, {page}: {lost}");
        }
    }
    // A value that does not decode is lost alone, and a table is built of the rest as the broken one was.
    let (entries, way) = ([entry("a", 1), entry("b", 2), entry("c", 3)], ways()[1]);
    let bytes = bytes_of(&entries, way);
    let stored = OpenOptions::new().allow_packed(true).from_bytes(bytes.clone()).unwrap();
    let value = stored.get("b").unwrap().unwrap();
    let mut image = Image::new(bytes.clone());
    image.put(image.find(value, 0), &vec![3; value.len()]);
    image.seal();
    let rest = vec![entries[0].clone(), entries[2].clone()];
    assert_eq!(salvaged(image.bytes.clone()), Some((rest.clone(), 1)));
    let table = PackedTable::from_bytes(image.bytes).unwrap();
    let options = Salvage::new(&table).build_options().durable(false);
    assert_eq!(Case::of(rest.clone()).bytes_with(options), bytes_of(&rest, way));
    // What is longer than the reader takes is lost.
    let table = PackedTable::from_bytes(bytes).unwrap();
    let mut salvage = Salvage::new(&table).value_limit(9);
    let found = salvage.next_lent();
    let Some(Salvaged::Loss(loss)) = found else { panic!("{found:?}") };
    assert_eq!((loss.after, loss.before, loss.pages), (None, None, 0));
}
