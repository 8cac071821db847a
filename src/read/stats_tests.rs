//! Guards against numbers about a table that are wrong though its bytes are right, and against sections
//! that are taken for their neighbours.

use super::open::OpenOptions;
use super::pages::PageChecks;
use super::stats::{HashStats, LineStats, Section, StatsSection};
use super::table::Table;
use crate::format::meta::StatsBlock;
use crate::{BuildOptions, HashIndex};
use zerocopy::FromBytes;

/// The bytes of a table with these keys.
fn bytes(options: &BuildOptions, keys: impl Iterator<Item = Vec<u8>>) -> Vec<u8> {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("t");
    let options = options.clone().durable(false).hash_index(HashIndex::Always);
    options.build(&path, keys.map(|key| (key, b"value"))).unwrap();
    std::fs::read(&path).unwrap()
}

/// Three keys of one hash, whose first eight bytes multiply the rest by zero: two are set aside.
fn of_one_hash() -> Vec<u8> {
    let key = |i: u64| [0xA076_1D64_78BD_642F_u64.to_le_bytes(), i.to_be_bytes()].concat();
    bytes(&BuildOptions::new(), (0..3).map(key))
}

#[test]
fn averages_are_of_all_keys() {
    assert_eq!(LineStats { lines: 4, keys: 10 }.keys_per_line(), 2.5);
    let hash = HashStats {
        attempts: 0,
        buckets: 2,
        slots_per_bucket: 12,
        keys: 6,
        second_bucket_keys: 3,
        set_aside: 0,
    };
    assert_eq!(hash.load(), 0.25);
    assert_eq!(hash.mean_probes(), 1.5);
}

#[test]
fn keys_that_are_set_aside_are_not_in_the_index() {
    let stats = Table::from_bytes(of_one_hash()).unwrap().stats().unwrap();
    let hash = stats.hash_index.unwrap();
    assert_eq!((stats.keys, hash.keys, hash.set_aside), (3, 1, 2));
}

#[test]
fn only_keys_of_the_index_can_be_in_their_second_bucket() {
    let mut bytes = of_one_hash();
    let start = Table::from_bytes(bytes.clone()).unwrap().view().layout().stats.start;
    for (second, plausible) in [(1u64, true), (2, false)] {
        let (block, _) = StatsBlock::mut_from_prefix(&mut bytes[start..]).unwrap();
        block.second_bucket_keys = second.into();
        let options = OpenOptions::new().page_checks(PageChecks::Never);
        let table = options.from_bytes(bytes.clone()).unwrap();
        let error = table.view().corrupt("statistics make no sense", start as u64);
        let found = StatsSection::read(table.view()).err();
        assert_eq!(found, if plausible { None } else { Some(error) });
    }
}

#[test]
fn a_part_that_ends_where_a_section_begins_has_none_of_it() {
    let table = Table::from_bytes(of_one_hash()).unwrap();
    let records = table.view().layout().records.start as u64;
    assert_eq!(records, table.view().layout().header_size as u64);
    assert_eq!(table.sections_in(0..records), [Section::Header]);
    assert_eq!(table.sections_in(records..records + 1), [Section::Records]);
    assert_eq!(table.sections_in(records - 1..records + 1), [Section::Header, Section::Records]);
}

#[test]
fn sections_that_few_tables_have_are_named() {
    let keys = (0..1000).map(|i| format!("https://example.org/page/{i:04}").into_bytes());
    let options = BuildOptions::new().compact_keys(true).metadata("m", "1");
    let open = OpenOptions::new().allow_packed(true);
    let table = open.from_bytes(bytes(&options, keys)).unwrap();
    let layout = table.view().layout();
    for (span, section) in
        [(layout.metadata, Section::Metadata), (layout.packing, Section::Packing)]
    {
        let span = span.unwrap();
        assert_eq!(table.sections_in(span.start as u64..span.end as u64), [section]);
    }
}
