//! Tables for unit tests of lookups. In some, a cell of an index holds what no builder writes, so that a
//! careful lookup comes to another answer than a fast one, and the answer tells which of them gave it.

use super::super::guess::Guess;
use super::super::place::Side;
use super::super::search::Search;
use crate::format::index::hash::{BUCKET, overflow, tag};
use crate::format::layout::{HashLayout, Layout};
use crate::{BuildOptions, HashIndex, OpenOptions, PageChecks, Table};

/// Entries of the tables with a hash index.
pub(super) const ENTRIES: u64 = 1000;

/// Key `i`: of 8 bytes where all keys have one length, else of 8, 48 or 88. Keys ascend.
pub(super) fn key(i: u64, fixed: bool) -> Vec<u8> {
    let mut key = i.to_be_bytes().to_vec();
    key.resize(if fixed { 8 } else { 8 + i as usize % 3 * 40 }, b'x');
    key
}

/// Value `i`: of 5 bytes where all values have one length, else of 1 to 7.
pub(super) fn value(i: u64, fixed: bool) -> Vec<u8> {
    vec![i as u8; if fixed { 5 } else { 1 + i as usize % 7 }]
}

/// Builds a hash index in any case.
pub(super) fn always() -> BuildOptions {
    BuildOptions::new().hash_index(HashIndex::Always)
}

/// What a lookup says about its key: the value, or that there is none. `None` if it stays undecided.
pub(super) fn told(guess: Guess<'_>) -> Option<Option<&[u8]>> {
    (!guess.is_undecided()).then(|| guess.answer())
}

/// The bytes of a table, which may be changed before it is opened.
#[derive(Clone)]
pub(super) struct Crafted {
    pub(super) bytes: Vec<u8>,
    pub(super) layout: Layout,
}

impl Crafted {
    /// The table of these entries, as it is built.
    pub(super) fn build<K: AsRef<[u8]>, V: AsRef<[u8]>>(
        options: &BuildOptions,
        entries: impl IntoIterator<Item = (K, V)>,
    ) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("t");
        options.clone().durable(false).build(&path, entries).unwrap();
        let bytes = std::fs::read(&path).unwrap();
        let layout = Layout::parse(&bytes).unwrap();
        Self { bytes, layout }
    }

    /// The table of all keys and values, with a hash index.
    pub(super) fn of(fixed: bool) -> Self {
        Self::build(&always(), (0..ENTRIES).map(|i| (key(i, fixed), value(i, fixed))))
    }

    pub(super) fn open(&self, checks: PageChecks) -> Table {
        OpenOptions::new().page_checks(checks).from_bytes(self.bytes.clone()).unwrap()
    }

    /// The hash index.
    pub(super) fn index(&self) -> HashLayout {
        self.layout.hash.unwrap()
    }

    /// What slots hold of a stored key, as the ordered index knows it.
    pub(super) fn reference(&self, key: &[u8]) -> u64 {
        let table = self.open(PageChecks::Never);
        let place = Search::of(table.view()).seek(key, Side::NotBelow).unwrap();
        match &self.layout.fixed {
            Some(_) => place.rank,
            None => (place.offset - self.layout.records.start) as u64,
        }
    }

    /// Makes a bucket consist of slots with the tag of `hash`, and without overflow bits. For each slot: the
    /// reference, and whether it has the tail of `hash`, too. One that has not lacks all bits of it.
    pub(super) fn fill(&mut self, bucket: u64, hash: u64, slots: &[(u64, bool)]) {
        let HashLayout { slots: form, tails, .. } = self.index();
        assert_ne!(tails.mask, 0, "slots have tails");
        let place = self.bucket(bucket);
        *place = [0; BUCKET];
        for (slot, &(reference, with_tail)) in slots.iter().enumerate() {
            let tail_of = if with_tail { hash } else { !hash };
            form.set(place, slot, tag(hash), tails.with_tail(reference, tail_of));
        }
    }

    /// Notes in a bucket that a key of this hash went on to the second one.
    pub(super) fn send_on(&mut self, bucket: u64, hash: u64) {
        self.index().slots.set_overflow(self.bucket(bucket), overflow(hash));
    }

    fn bucket(&mut self, number: u64) -> &mut [u8; BUCKET] {
        let start = self.index().bucket_start(number);
        self.bytes[start..].first_chunk_mut().unwrap()
    }
}
