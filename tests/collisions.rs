//! Keys whose 64-bit hashes are equal, through whole builds: whoever knows the hash function can
//! make as many as they like. Guards against an index that drops one of them, and against a build
//! that fails, or takes for ever, because it can't place them.

mod support;

use graven::{BuildOptions, Duplicates, HashIndex, HashIndexOutcome, OpenOptions, Table, Verify};
use support::directory;

/// The first constant of the hash function (format.md). A key of 16 bytes that begins with it has
/// a factor of zero in its product: the hash is the same whatever follows.
const FACTOR: u64 = 0xA076_1D64_78BD_642F;

fn colliding(i: u64) -> Vec<u8> {
    [FACTOR.to_le_bytes(), i.to_be_bytes()].concat()
}

fn ordinary(i: u64) -> Vec<u8> {
    format!("key number {i}").into_bytes()
}

#[test]
fn keys_of_one_hash_are_all_found() {
    const ORDINARY: u64 = 30_000;
    let directory = directory();
    let path = directory.path().join("t");
    // Three fit a bucket, six a bucket and the next; more are left to the ordered index.
    for (equal, budget, built) in
        [(2, 1 << 30, true), (3, 1 << 20, true), (6, 1 << 20, true), (7, 1 << 20, false)]
            .into_iter()
            .chain([(7, 1 << 30, false), (50_000, 1 << 20, false), (50_000, 1 << 30, false)])
    {
        for fixed in [false, true] {
            let value = |i: u64| vec![i as u8; if fixed { 9 } else { i as usize % 20 }];
            let options = BuildOptions::new().memory_budget(budget).durable(false);
            let mut builder =
                options.hash_index(HashIndex::Always).create(&path).expect("a builder");
            let other = |i: u64| -> Vec<u8> {
                if fixed { colliding(!i).into_iter().rev().collect() } else { ordinary(i) }
            };
            for i in (0..ORDINARY).rev() {
                builder.insert(&other(i), &value(i)).expect("room");
            }
            for i in (0..equal).rev() {
                builder.insert(&colliding(i), &value(i)).expect("room");
            }
            let summary = builder.finish().expect("a table");
            let case = format!("{equal} keys of one hash, budget {budget}, fixed {fixed}");
            match summary.hash_index {
                HashIndexOutcome::Built => assert!(built, "{case}"),
                HashIndexOutcome::Abandoned { attempts: 8 } => assert!(!built, "{case}"),
                other => panic!("{case}: {other:?}"),
            }
            let table = Table::load(&path).expect("a table");
            table.verify().expect("a sound table");
            for i in 0..equal {
                let found = table.get(&colliding(i)).expect("a sound table");
                assert_eq!(found, Some(&value(i)[..]), "{case}: {i}");
            }
            for i in (0..ORDINARY).step_by(7) {
                let found = table.get(&other(i)).expect("a sound table");
                assert_eq!(found, Some(&value(i)[..]), "{case}: {i}");
            }
            // Absent, with the hash of those that are there.
            for i in [equal, equal + 1, u64::MAX] {
                assert_eq!(table.get(&colliding(i)).expect("a sound table"), None, "{case}");
            }
        }
    }
}

/// Repeated keys have equal hashes, too, and are no collision.
#[test]
fn a_repeated_key_is_no_collision() {
    let directory = directory();
    let path = directory.path().join("t");
    let options = BuildOptions::new().duplicates(Duplicates::Keep).hash_index(HashIndex::Always);
    let mut builder = options.memory_budget(1 << 20).create(&path).expect("a builder");
    for i in 0..60_000u64 {
        builder.insert(&colliding(i % 3), &i.to_be_bytes()).expect("room");
    }
    let summary = builder.finish().expect("a table");
    assert_eq!((summary.entries, summary.keys), (60_000, 3));
    assert_eq!(summary.hash_index, HashIndexOutcome::Built);
    let table = OpenOptions::new().load(&path).expect("a table");
    for key in 0..3u64 {
        let values: Result<Vec<_>, _> = table.get_all(&colliding(key)).collect();
        let values = values.expect("a sound table");
        assert_eq!(values.len(), 20_000);
        let expected = (0..60_000).filter(|i| i % 3 == key);
        assert!(values.iter().zip(expected).all(|(found, i)| *found == i.to_be_bytes()));
    }
    assert_eq!(table.get(&colliding(3)).expect("a sound table"), None);
}

/// Keys of one tag in a line of the line index, whose first eight bytes are equal: in lines with
/// fewer keys than tags and with more, the last tag's among them. Those that are there are found,
/// and those that are not, one byte away, are absent, by one get and in batches, with pages left to
/// check and without.
#[test]
fn keys_of_one_tag_are_told_apart() {
    const STEP: u64 = 1 << 48;
    let directory = directory();
    let path = directory.path().join("t");
    // The last byte of a group's keys is odd.
    let key = |head: u64, last: u8| [&head.to_be_bytes()[..], &[7, last]].concat();
    let value = |key: &[u8]| key.iter().rev().copied().collect::<Vec<u8>>();
    let mut heads: Vec<(u64, u8)> = (0..8000).map(|i| (i * STEP, (i % 97 % 8) as u8 + 1)).collect();
    // Some lines of 20 heads have 24 to 34 more, in groups that end before, on and after the last tag.
    for (number, line) in (100..160).enumerate() {
        let extra = (0..12 + number as u64 % 6).map(|i| ((line * 20 + i) * STEP + STEP / 3, 2));
        heads.extend(extra);
    }
    let mut builder = BuildOptions::new().durable(false).create(&path).expect("a builder");
    for &(head, count) in &heads {
        for last in 0..count {
            let key = key(head, 2 * last + 1);
            builder.insert(&key, &value(&key)).expect("room");
        }
    }
    let summary = builder.finish().expect("a table");
    assert_eq!(summary.hash_index, HashIndexOutcome::NotNeeded);
    for verify in [Verify::FirstTouch, Verify::AtOpen] {
        let table = OpenOptions::new().verify(verify).load(&path).expect("a table");
        assert!(table.stats().expect("a sound table").line_index.is_some());
        for &(head, count) in &heads {
            let keys: Vec<_> = (0..=2 * count).map(|last| key(head, last)).collect();
            let mut found = Vec::new();
            table.get_many(&keys, &mut found).expect("a sound table");
            for (key, found) in keys.iter().zip(found) {
                let there = key[9] % 2 == 1;
                let expected = there.then(|| value(key));
                assert_eq!(found, expected.as_deref(), "{key:?} in a batch");
                assert_eq!(table.get(key).expect("a sound table"), expected.as_deref(), "{key:?}");
            }
        }
    }
}
