//! Guards against lookups through the hash index that no longer decide, so that every key takes the long
//! way with checks, and against lookups that decide too early: by a page that was not checked, by a bucket
//! that is damaged, about a key that may be set aside. Two lookups read every slot with the tag of a hash,
//! one where keys are stored as they are and one where they are encoded, by the same rules.

use super::super::guess::Guess;
use super::super::simd::Baseline;
use super::super::view::View;
use super::crafted::{Crafted, ENTRIES, always, key, told, value};
use super::decoded::Decoded;
use super::thorough::Thorough;
use crate::codec::KeySymbols;
use crate::format::index::hash::MAX_EQUAL_TAGS;
use crate::format::layout::HashLayout;
use crate::format::sums::UNIT;
use crate::{Duplicates, PageChecks, Table};
use std::sync::LazyLock;

/// A lookup by a hash, and what its tables store of a key.
#[derive(Clone, Copy)]
struct Lookup {
    stored: fn(&[u8]) -> Vec<u8>,
    look_up: for<'t> fn(&'t View, &'t HashLayout, u64, &[u8]) -> Guess<'t>,
}

const LOOKUPS: [Lookup; 2] = [
    Lookup { stored: <[u8]>::to_vec, look_up: as_they_are },
    Lookup { stored: encoded, look_up: decoded },
];

fn as_they_are<'t>(view: &'t View, index: &'t HashLayout, hash: u64, key: &[u8]) -> Guess<'t> {
    Thorough::new(view).look_up(index, hash, key)
}

/// Each byte is a symbol.
static SYMBOLS: LazyLock<KeySymbols> = LazyLock::new(|| KeySymbols::of(&[]).unwrap());

fn encoded(key: &[u8]) -> Vec<u8> {
    let mut codes = Vec::new();
    SYMBOLS.encode(key, &mut codes);
    codes
}

fn decoded<'t>(view: &'t View, index: &'t HashLayout, hash: u64, key: &[u8]) -> Guess<'t> {
    Decoded { simd: Baseline, view, symbols: &SYMBOLS, index }.look_up(hash, key)
}

/// A lookup with a table of its own, whose hash index is of what is stored of keys.
struct Case {
    lookup: Lookup,
    fixed: bool,
    crafted: Crafted,
}

impl Case {
    /// Both lookups, in tables of fixed width and in others.
    fn all() -> impl Iterator<Item = Self> {
        LOOKUPS.into_iter().flat_map(|lookup| [false, true].map(|fixed| Self::new(lookup, fixed)))
    }

    fn new(lookup: Lookup, fixed: bool) -> Self {
        let entries = (0..ENTRIES).map(|i| ((lookup.stored)(&key(i, fixed)), value(i, fixed)));
        Self { crafted: Crafted::build(&always(), entries), lookup, fixed }
    }

    fn stored(&self, i: u64) -> Vec<u8> {
        (self.lookup.stored)(&key(i, self.fixed))
    }

    fn hash(&self, i: u64) -> u64 {
        self.crafted.index().hasher.hash(&self.stored(i))
    }

    /// What slots hold of key `i`.
    fn reference(&self, i: u64) -> u64 {
        self.crafted.reference(&self.stored(i))
    }

    fn ask<'t>(&self, table: &'t Table, index: &'t HashLayout, i: u64) -> Option<Option<&'t [u8]>> {
        self.ask_by(self.hash(i), table, index, i)
    }

    fn ask_by<'t>(
        &self,
        hash: u64,
        table: &'t Table,
        index: &'t HashLayout,
        i: u64,
    ) -> Option<Option<&'t [u8]>> {
        told((self.lookup.look_up)(table.view(), index, hash, &key(i, self.fixed)))
    }
}

#[test]
fn stored_and_absent_keys_are_decided() {
    for case in Case::all() {
        let index = case.crafted.index();
        for checks in [PageChecks::Never, PageChecks::AtOpen] {
            let table = case.crafted.open(checks);
            for i in 0..ENTRIES {
                let value = value(i, case.fixed);
                assert_eq!(case.ask(&table, &index, i), Some(Some(&value[..])), "{i}, {checks:?}");
                assert_eq!(case.ask(&table, &index, ENTRIES + i), Some(None), "{i}, {checks:?}");
            }
        }
    }
}

/// Only what a lookup has read must be checked, and all of it.
#[test]
fn unchecked_pages_leave_keys_undecided() {
    const STORED: u64 = 7;
    for case in Case::all() {
        let index = case.crafted.index();
        let table = case.crafted.open(PageChecks::FirstTouch);
        let pages = table.view().pages();
        let ask = || [STORED, ENTRIES].map(|i| case.ask(&table, &index, i));
        assert_eq!(ask(), [None, None]);
        for page in index.span.start / UNIT..index.span.end.div_ceil(UNIT) {
            pages.mark(page);
        }
        assert_eq!(ask(), [None, Some(None)]);
        // The record lies in the first page of the file.
        pages.mark(0);
        assert!(!pages.lookups_checked(), "other records are unchecked");
        assert_eq!(ask(), [Some(Some(&value(STORED, case.fixed)[..])), Some(None)]);
    }
}

/// So many slots of a tag a builder makes at most; a bucket with more of them is damaged.
#[test]
fn slots_of_one_tag_are_read_up_to_three() {
    const ASKED: u64 = 9;
    for sound in Case::all() {
        for count in 1..=MAX_EQUAL_TAGS + 1 {
            let mut case = Case { crafted: sound.crafted.clone(), ..sound };
            let others = 20..20 + count as u64 - 1;
            let slots: Vec<_> = others.chain([ASKED]).map(|i| (sound.reference(i), true)).collect();
            let (index, hash) = (case.crafted.index(), case.hash(ASKED));
            case.crafted.fill(index.first_bucket(hash), hash, &slots);
            let table = case.crafted.open(PageChecks::Never);
            let value = value(ASKED, case.fixed);
            let expected = (count <= MAX_EQUAL_TAGS).then_some(Some(&value[..]));
            assert_eq!(case.ask(&table, &index, ASKED), expected, "{count} slots");
        }
    }
}

/// The ordered index has the keys that are set aside, each of which has the hash of another key.
#[test]
fn a_key_with_the_hash_of_another_may_be_set_aside() {
    const STORED: u64 = 3;
    for case in Case::all() {
        let table = case.crafted.open(PageChecks::Never);
        let value = value(STORED, case.fixed);
        for (set_aside, absent) in [(0, Some(None)), (1, None)] {
            let index = HashLayout { set_aside, ..case.crafted.index() };
            let other = case.ask_by(case.hash(STORED), &table, &index, ENTRIES);
            assert_eq!(other, absent, "{set_aside} set aside");
            assert_eq!(case.ask(&table, &index, STORED), Some(Some(&value[..])));
        }
    }
}

#[test]
fn the_second_bucket_is_asked_if_the_first_has_sent_on() {
    const ASKED: u64 = 5;
    for mut case in Case::all() {
        let (index, hash) = (case.crafted.index(), case.hash(ASKED));
        let (first, second) = (index.first_bucket(hash), index.second_bucket(hash));
        assert_ne!(first, second);
        let slot = (case.reference(ASKED), true);
        case.crafted.fill(first, hash, &[]);
        case.crafted.fill(second, hash, &[slot]);
        let table = case.crafted.open(PageChecks::Never);
        assert_eq!(case.ask(&table, &index, ASKED), Some(None));
        case.crafted.send_on(first, hash);
        let table = case.crafted.open(PageChecks::Never);
        assert_eq!(case.ask(&table, &index, ASKED), Some(Some(&value(ASKED, case.fixed)[..])));
    }
}

/// Records of no bytes: one behind the last would end with the records, too.
#[test]
fn a_slot_that_refers_behind_the_records_is_undecided() {
    for lookup in LOOKUPS {
        let options = always().duplicates(Duplicates::KeepAll);
        let mut crafted = Crafted::build(&options, [("", ""); 3]);
        let index = crafted.index();
        let hash = index.hasher.hash(b"");
        for (reference, expected) in [(2, Some(Some(&b""[..]))), (3, None)] {
            crafted.fill(index.first_bucket(hash), hash, &[(reference, true)]);
            let table = crafted.open(PageChecks::Never);
            let guess = (lookup.look_up)(table.view(), &index, hash, b"");
            assert_eq!(told(guess), expected, "record {reference}");
        }
    }
}
