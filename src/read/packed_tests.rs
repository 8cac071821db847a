//! Guards against packed tables whose stored keys are taken for encoded ones, or the other way round.

use super::open::OpenOptions;
use super::packed::PackedTable;
use super::packing::Packing;
use super::pages::PageChecks;
use crate::codec::ValueBuffer;
use crate::error::OpenFailure;
use crate::format::NODE_LOG2;
use crate::format::packing::{PackingBlock, codec};
use crate::{BuildOptions, HashIndex};
use std::mem::offset_of;

/// The bytes of a table whose keys were to be encoded, if they have something in common.
fn bytes(hash_index: HashIndex, keys: impl Iterator<Item = Vec<u8>>) -> Vec<u8> {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("t");
    let options = BuildOptions::new().durable(false).compact_keys(true).hash_index(hash_index);
    let entries = keys.enumerate().map(|(i, key)| (key, vec![b'v'; i % 7]));
    options.build(&path, entries).unwrap();
    std::fs::read(&path).unwrap()
}

fn open(bytes: Vec<u8>, checks: PageChecks) -> PackedTable {
    let options = OpenOptions::new().allow_packed(true).page_checks(checks);
    PackedTable::try_from(options.from_bytes(bytes).unwrap()).unwrap()
}

/// Keys that have nothing in common.
fn scattered() -> impl Iterator<Item = Vec<u8>> {
    (0..2000u64).map(|i| i.wrapping_mul(0x9E37_79B9_7F4A_7C15).to_le_bytes().to_vec())
}

/// The bytes of a packed table whose keys stand as they are, with both indexes.
fn of_plain_keys() -> Vec<u8> {
    let bytes = bytes(HashIndex::Always, scattered());
    let table = open(bytes.clone(), PageChecks::FirstTouch);
    assert!(table.is_packed() && !table.has_compact_keys());
    bytes
}

#[test]
fn a_table_knows_of_its_clones() {
    let table = open(of_plain_keys(), PageChecks::FirstTouch);
    assert!(!table.has_clones());
    let clone = table.clone();
    assert!(table.has_clones() && clone.has_clones());
    drop(clone);
    assert!(!table.has_clones());
}

/// Of keys of one length, one may be a prefix: the hash index finds it, and no search by order is
/// needed. Here the ordered index has lost its root.
#[test]
fn prefixes_of_keys_that_stand_as_they_are_come_from_the_hash_index() {
    let mut bytes = of_plain_keys();
    let sound = open(bytes.clone(), PageChecks::Never);
    let nodes = sound.stored().view().layout().tree.unwrap().span;
    bytes[nodes.end - (1 << NODE_LOG2)..nodes.end].fill(0);
    let table = open(bytes, PageChecks::Never);
    let (mut buffer, mut other) = (ValueBuffer::new(), ValueBuffer::new());
    for key in scattered().take(20) {
        assert!(table.floor(&key, &mut buffer).is_err());
        let longer = [&key[..], b"more"].concat();
        let found = table.longest_prefix(longer, &mut buffer);
        let value = sound.get(&key, &mut other).unwrap().unwrap();
        assert_eq!(found, Ok(Some((&key[..], value))));
    }
}

/// So an error is met before the first of them is answered.
#[test]
fn keys_that_stand_as_they_are_are_looked_up_together() {
    let mut bytes = of_plain_keys();
    let layout = open(bytes.clone(), PageChecks::Never).stored().view().layout().clone();
    bytes[layout.records.end - 1] ^= 1;
    let table = open(bytes, PageChecks::FirstTouch);
    let mut buffer = ValueBuffer::new();
    let (found, lost): (Vec<_>, Vec<_>) =
        scattered().partition(|key| table.get(key, &mut buffer).is_ok());
    let mut answers = 0;
    let damaged = table.get_many_with(&[&found[0], &lost[0]], &mut buffer, |_| answers += 1);
    assert!(damaged.is_err());
    assert_eq!(answers, 0);
    table.get_many_with(&[&found[0], &found[1]], &mut buffer, |_| answers += 1).unwrap();
    assert_eq!(answers, 2);
}

#[test]
fn keys_that_stand_as_they_are_have_no_dictionary() {
    let keys = (0..1000).map(|i| format!("https://example.org/page/{i:04}").into_bytes());
    let mut bytes = bytes(HashIndex::Never, keys);
    let table = open(bytes.clone(), PageChecks::Never);
    assert!(table.has_compact_keys());
    let start = table.stored().view().layout().packing.unwrap().start;
    bytes[start + offset_of!(PackingBlock, key_codec)] = codec::NONE;
    let options = OpenOptions::new().allow_packed(true).page_checks(PageChecks::Never);
    let stored = options.from_bytes(bytes).unwrap();
    let refused = Packing::read(stored.view());
    assert!(matches!(refused, Err(OpenFailure::UnsupportedFeature { feature: "codec", id: 0 })));
}
