//! Guards `get_many` against keys that get each other's answers: it has keys in several stages at
//! once, and other ways for few keys than for many.

use graven::{BuildOptions, HashIndex, OpenOptions, PageChecks, Table};

type Entries = Vec<(Vec<u8>, Vec<u8>)>;

/// A number that looks random.
fn mix(n: u64) -> u64 {
    let n = (n ^ n >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let n = (n ^ n >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
    n ^ n >> 31
}

const ENTRIES: u64 = 5_000;

/// The key of a number, of length `len` or of one that differs; absent keys are those of other
/// numbers.
fn key(len: Option<usize>, n: u64) -> Vec<u8> {
    let len = len.unwrap_or_else(|| 8 + (mix(n) % 170) as usize);
    let mut key: Vec<u8> = (0..).flat_map(|i| mix(n * 31 + i).to_be_bytes()).take(len).collect();
    key[len / 2] = n as u8;
    key
}

fn table(entries: &Entries, options: &BuildOptions, verify: PageChecks) -> Table {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("t.grv");
    let mut builder = options.clone().durable(false).create(&path).unwrap();
    for (key, value) in entries {
        builder.insert(key, value).unwrap();
    }
    builder.finish().unwrap();
    OpenOptions::new().page_checks(verify).load(&path).unwrap()
}

/// Batches of every size that is a limit somewhere, in which every third key is absent.
fn check(name: &str, len: Option<usize>, value_len: Option<usize>, options: &BuildOptions) {
    let value = |n: u64| {
        let len = value_len.unwrap_or((mix(!n) % 90) as usize);
        n.to_be_bytes().into_iter().cycle().take(len).collect::<Vec<u8>>()
    };
    let mut entries: Entries = (0..ENTRIES).map(|n| (key(len, n), value(n))).collect();
    if len.is_none() {
        entries.push((Vec::new(), b"of the empty key".to_vec()));
    }
    for verify in [PageChecks::FirstTouch, PageChecks::Never] {
        let table = table(&entries, options, verify);
        let mut answers = Vec::new();
        let mut next = 0;
        for size in
            [0, 1, 2, 15, 16, 17, 19, 20, 21, 31, 32, 33, 40, 59, 60, 61, 63, 64, 65, 127, 128, 200]
        {
            let numbers = next..next + size;
            next += size;
            let asked: Vec<(Vec<u8>, Option<Vec<u8>>)> = numbers
                .map(|i| match (i % 9, mix(i) % ENTRIES) {
                    (0, n) => (key(len, n + ENTRIES), None),
                    // Of another length than the table's, if that has one.
                    (3, n) => (key(len, n)[1..].to_vec(), None),
                    (6, n) => ([key(len, n), vec![0]].concat(), None),
                    (_, n) => (key(len, n), Some(value(n))),
                })
                .collect();
            let keys: Vec<&[u8]> = asked.iter().map(|(key, _)| key.as_slice()).collect();
            table.get_many_into(&keys, &mut answers).unwrap();
            assert_eq!(answers.len(), keys.len(), "{name}, {size} keys");
            for (number, (answer, (key, value))) in answers.iter().zip(&asked).enumerate() {
                assert_eq!(*answer, value.as_deref(), "{name}, key {number} of {size}");
                assert_eq!(table.get(key).unwrap(), value.as_deref(), "{name}, {number}");
            }
        }
        if len.is_none() {
            table.get_many_into(&[b"".as_slice(); 50], &mut answers).unwrap();
            assert!(answers.iter().all(|answer| *answer == Some(b"of the empty key")), "{name}");
        }
    }
}

#[test]
fn batches_of_every_size_are_answered_as_single_keys_are() {
    let options = |index| BuildOptions::new().hash_index(index);
    let (auto, always, never) =
        (options(HashIndex::Auto), options(HashIndex::Always), options(HashIndex::Never));
    check("lines", Some(8), Some(8), &auto);
    check("lines, 16 bytes", Some(16), Some(3), &auto);
    check("lines, long keys", Some(33), Some(5), &auto);
    check("fixed width", Some(16), Some(64), &always);
    check("fixed keys", Some(20), None, &always);
    check("any length", None, None, &auto);
    check("aligned", None, None, &always.value_align(8));
    check("ordered", None, None, &never);
}
