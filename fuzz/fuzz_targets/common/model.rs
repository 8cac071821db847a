//! What a table must answer, from a sorted list of its entries.

use super::input::Options;
use graven::{BuildError, BuildOptions, Builder, Duplicates, PackedTable, Table, ValueBuffer};
use std::collections::BTreeMap;
use std::fmt::Debug;
use std::ops::{Bound, Range};

const LONGEST_KEY: usize = 65_535;
/// Keys of a batch that goes through the stages in parts.
const MANY: usize = 150;
/// Entries of a range that are compared; its length is compared in any case.
const WALK: usize = 30;

type Entry = (Vec<u8>, Vec<u8>);
type Slices<'t> = (&'t [u8], &'t [u8]);

/// All entries, ascending by key, those of one key in the order they were inserted.
pub(crate) struct Model {
    entries: Vec<Entry>,
    keys: u64,
}

/// Without threads to start, and without a question to the system how much memory there is.
pub(crate) fn quick(options: BuildOptions) -> BuildOptions {
    options.durable(false).threads(1).memory_budget(16 << 20)
}

/// Builds a table and its model. `None` where the builder must refuse the entries, and did.
pub(crate) fn build(options: &Options, entries: &[Entry]) -> Option<(Vec<u8>, Model)> {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let path = dir.path().join("table");
    let mut map: BTreeMap<&[u8], Vec<&[u8]>> = BTreeMap::new();
    let mut builder = quick(options.build_options()).create(&path).expect("create");
    let mut last: Option<&[u8]> = None;
    for (key, value) in entries {
        let in_order = !options.sorted || last.is_none_or(|last| last <= &key[..]);
        if key.len() > LONGEST_KEY {
            let error = builder.insert(key, value).expect_err("the key is too long");
            assert!(matches!(error, BuildError::KeyTooLong { .. }), "{error}");
            return None;
        }
        let inserted = builder.insert(key, value);
        if !in_order {
            let error = refusal(inserted, builder);
            assert!(matches!(error, Some(BuildError::OutOfOrder { .. })), "{error:?}");
            assert!(!path.exists());
            return None;
        }
        let values = map.entry(key).or_default();
        if !values.is_empty() && options.duplicates == Duplicates::Reject {
            let error = refusal(inserted, builder);
            assert!(matches!(error, Some(BuildError::DuplicateKey { .. })), "{error:?}");
            assert!(!path.exists());
            return None;
        }
        inserted.expect("a legal entry");
        match options.duplicates {
            Duplicates::KeepFirst => values.truncate(1),
            Duplicates::KeepLast => values.clear(),
            _ => {}
        }
        if options.duplicates != Duplicates::KeepFirst || values.is_empty() {
            values.push(value);
        }
        last = Some(key);
    }
    let summary = builder.finish().expect("legal entries");
    let keys = map.len() as u64;
    let mut list = Vec::new();
    for (key, values) in map {
        list.extend(values.into_iter().map(|value| (key.to_vec(), value.to_vec())));
    }
    let bytes = std::fs::read(&path).expect("published");
    assert_eq!((summary.entries, summary.keys), (list.len() as u64, keys));
    assert_eq!(summary.file_bytes, bytes.len() as u64);
    Some((bytes, Model { entries: list, keys }))
}

/// The error of an entry that must be refused, at once or at the end.
fn refusal(inserted: Result<(), BuildError>, builder: Builder) -> Option<BuildError> {
    match inserted {
        Ok(()) => builder.finish().err(),
        Err(error) => Some(error),
    }
}

/// How strictly answers are judged.
#[derive(Clone, Copy)]
struct Judge {
    errors_allowed: bool,
}

impl Judge {
    fn same<T: PartialEq + Debug, E: Debug>(self, got: Result<T, E>, want: T) {
        match got {
            Ok(got) => assert_eq!(got, want),
            Err(error) => assert!(self.errors_allowed, "{error:?} instead of {want:?}"),
        }
    }

    fn list<'t, E: Debug>(
        self,
        got: impl Iterator<Item = Result<Slices<'t>, E>>,
        want: impl Iterator<Item = Slices<'t>>,
    ) {
        let mut want = want;
        for got in got {
            match got {
                Ok(got) => assert_eq!(Some(got), want.next()),
                Err(error) => {
                    assert!(self.errors_allowed, "{error:?} instead of {:?}", want.next());
                    return;
                }
            }
        }
        assert_eq!(want.next(), None);
    }
}

impl Model {
    /// The model of a table that keeps all entries.
    pub(crate) fn of(mut entries: Vec<Entry>) -> Self {
        // Stable: those of one key stay in the order of their insertion.
        entries.sort_by(|a, b| a.0.cmp(&b.0));
        let keys = entries.chunk_by(|a, b| a.0 == b.0).count() as u64;
        Self { entries, keys }
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// The ranks of the entries between two bounds.
    pub(crate) fn ranks(&self, (from, to): (Bound<&[u8]>, Bound<&[u8]>)) -> Range<usize> {
        let start = match from {
            Bound::Included(key) => self.below(key),
            Bound::Excluded(key) => self.upto(key),
            Bound::Unbounded => 0,
        };
        let end = match to {
            Bound::Included(key) => self.upto(key),
            Bound::Excluded(key) => self.below(key),
            Bound::Unbounded => self.entries.len(),
        };
        start..end.max(start)
    }

    /// The ranks of the entries whose keys begin with `prefix`.
    pub(crate) fn prefixed(&self, prefix: &[u8]) -> Range<usize> {
        let start = self.below(prefix);
        let len = self.entries[start..].partition_point(|(key, _)| key.starts_with(prefix));
        start..start + len
    }

    /// Every answer is right.
    pub(crate) fn check(&self, table: &Table, questions: &[&[u8]]) {
        self.judge(table, questions, Judge { errors_allowed: false });
    }

    /// Every answer is right or an error.
    pub(crate) fn check_or_error(&self, table: &Table, questions: &[&[u8]]) {
        self.judge(table, questions, Judge { errors_allowed: true });
    }

    /// Every answer of a packed table is right.
    pub(crate) fn check_packed(&self, table: &PackedTable, questions: &[Vec<u8>]) {
        let buffer = &mut ValueBuffer::new();
        assert_eq!(table.len(), self.entries.len() as u64);
        let mut entries = table.iter();
        for (key, value) in &self.entries {
            let entry = entries.next_lent().expect("an entry").expect("a sound table");
            assert_eq!(entry, (&key[..], &value[..]));
        }
        assert!(entries.next_lent().is_none());
        for key in questions {
            let first = self.entries.partition_point(|entry| entry.0 < *key);
            let end = self.entries.partition_point(|entry| entry.0 <= *key);
            assert_eq!(table.rank(key).expect("a sound table"), first as u64);
            assert_eq!(table.count_of(key).expect("a sound table"), (end - first) as u64);
            let found = table.get(key, buffer).expect("a sound table");
            assert_eq!(found, (first < end).then(|| &self.entries[first].1[..]));
            let found = table.ceil(key, buffer).expect("a sound table");
            assert_eq!(found, self.at(first));
            let found = table.floor(key, buffer).expect("a sound table");
            assert_eq!(found, self.at(end.wrapping_sub(1)));
            let longest = (0..=key.len()).rev().find_map(|len| {
                let at = self.entries.partition_point(|entry| entry.0[..] < key[..len]);
                self.at(at).filter(|entry| *entry.0 == key[..len])
            });
            assert_eq!(table.longest_prefix(key, buffer).expect("a sound table"), longest);
            let mut prefixes = (0..=key.len()).rev().flat_map(|len| {
                let start = self.entries.partition_point(|entry| entry.0[..] < key[..len]);
                self.entries[start..].iter().take_while(move |entry| entry.0[..] == key[..len])
            });
            for entry in table.prefixes_of(key) {
                assert_eq!(Some(&entry.expect("a sound table")), prefixes.next());
            }
            assert!(prefixes.next().is_none());
        }
    }

    /// One of the keys, and its neighbours. Another one in another input: a fuzzer learns more from many quick
    /// executions than from a thorough one.
    pub(crate) fn questions(&self) -> Vec<Vec<u8>> {
        let bytes: usize = self.entries.iter().map(|(key, value)| key.len() + value.len()).sum();
        let mut questions = vec![Vec::new(), vec![0xff; 9]];
        if let Some((key, _)) = self.entries.get(bytes % self.entries.len().max(1)) {
            questions.push(key.clone());
            questions.push([key, &[0][..]].concat());
            if let Some((last, rest)) = key.split_last() {
                questions.push(rest.to_vec());
                questions.push([rest, &[last.wrapping_add(1)]].concat());
            }
        }
        questions
    }

    fn judge(&self, table: &Table, questions: &[&[u8]], judge: Judge) {
        let len = self.entries.len();
        assert_eq!((table.len(), table.distinct_keys()), (len as u64, self.keys));
        assert_eq!(table.is_empty(), len == 0);

        judge.list(table.iter(), self.slices(0..len));
        judge.list(table.iter().rev(), self.slices(0..len).rev());
        judge.same(table.first(), self.at(0));
        judge.same(table.last(), self.at(len.wrapping_sub(1)));
        for n in (0..len).step_by((len / 50).max(1)).chain([len, usize::MAX]) {
            judge.same(table.nth(n as u64), self.at(n));
        }
        if let Ok(keys) = table.keys().collect::<Result<Vec<_>, _>>() {
            assert!(keys.iter().copied().eq(self.slices(0..len).map(|(key, _)| key)));
        }
        if let Ok(values) = table.values().rev().collect::<Result<Vec<_>, _>>() {
            assert!(values.iter().copied().eq(self.slices(0..len).rev().map(|(_, value)| value)));
        }

        for n in [0, 1, 2, 7, (len + 1).min(70)] {
            let parts = table.split(n);
            let most = parts.len();
            assert_eq!(most, n.clamp(1, len.max(1)));
            for (i, part) in parts.into_iter().enumerate() {
                // By rank: a part whose start can't be found is one error and says nothing of the next.
                judge.list(part, self.slices(len * i / most..len * (i + 1) / most));
            }
        }
        let counts: Result<Vec<_>, _> = table.key_counts().collect();
        judge.same(counts, self.counts());

        for (i, &key) in questions.iter().enumerate() {
            self.judge_key(table, key, judge);
            self.judge_range(table, key, questions[questions.len() - 1 - i], judge);
            self.judge_cursor(table, key, judge);
        }

        let mut out = Vec::new();
        // Once more with so many keys that they go through the stages in parts.
        let many: Vec<&[u8]> = questions.iter().copied().cycle().take(MANY).collect();
        for keys in [questions, &many] {
            match table.get_many_into(keys, &mut out) {
                Ok(()) => assert!(out.iter().copied().eq(keys.iter().map(|key| self.get(key)))),
                Err(error) => assert!(judge.errors_allowed && out.is_empty(), "{error:?}"),
            }
        }
        let starts = || questions.iter().map(|key| self.below(key));
        judge.same(table.rank_many(questions), starts().map(|start| start as u64).collect());
        judge.same(table.ceil_many(questions), starts().map(|start| self.at(start)).collect());
    }

    fn judge_key(&self, table: &Table, key: &[u8], judge: Judge) {
        let equal = self.below(key)..self.upto(key);
        judge.same(table.get(key), self.get(key));
        judge.same(table.contains_key(key), !equal.is_empty());
        let all: Result<Vec<_>, _> = table.get_all(key).collect();
        judge.same(all, self.slices(equal.clone()).map(|(_, value)| value).collect());
        judge.same(table.rank(key), equal.start as u64);
        judge.same(table.ceil(key), self.at(equal.start));
        judge.same(table.floor(key), self.at(equal.end.wrapping_sub(1)));
        // Of equally long ones, which are equal, the first counts; `max_by_key` gives the last.
        let prefixes = self.slices(0..equal.end).rev().filter(|(k, _)| key.starts_with(k));
        let longest = prefixes.max_by_key(|(k, _)| k.len());
        judge.same(table.longest_prefix(key), longest);
        let mut prefixes: Vec<_> =
            self.slices(0..equal.end).filter(|(k, _)| key.starts_with(k)).collect();
        // Stable: those of one key stay in the order of their insertion.
        prefixes.sort_by_key(|(k, _)| std::cmp::Reverse(k.len()));
        judge.list(table.prefixes_of(key), prefixes.into_iter());
        judge.same(table.count_of(key), equal.len() as u64);
        let prefixed = self.prefixed(key);
        let (got, want) = (table.prefix(key), self.slices(prefixed.clone()));
        judge.list(got.take(WALK), want.take(WALK));
        let (got, want) = (table.prefix(key).rev(), self.slices(prefixed).rev());
        judge.list(got.take(WALK), want.take(WALK));
    }

    fn judge_range(&self, table: &Table, from: &[u8], to: &[u8], judge: Judge) {
        let range = |start: usize, end: usize| start..end.max(start);
        let half_open = range(self.below(from), self.below(to));
        judge.same(table.count(from..to), half_open.len() as u64);
        let (got, want) = (table.range(from..to), self.slices(half_open.clone()));
        assert!(judge.errors_allowed || got.len() == half_open.len());
        judge.list(got.take(WALK), want.take(WALK));
        let (got, want) = (table.range(from..to).rev(), self.slices(half_open).rev());
        judge.list(got.take(WALK), want.take(WALK));
        let closed = range(self.below(from), self.upto(to));
        judge.same(table.count(from..=to), closed.len() as u64);
        let (got, want) = (table.range(from..=to), self.slices(closed));
        judge.list(got.take(WALK), want.take(WALK));
        let above = range(self.upto(from), self.entries.len());
        let bounds = (Bound::Excluded(from), Bound::Unbounded);
        judge.list(table.range(bounds).take(WALK), self.slices(above).take(WALK));
    }

    fn judge_cursor(&self, table: &Table, key: &[u8], judge: Judge) {
        let mut cursor = table.cursor();
        let mut at = self.below(key);
        if !self.stands(cursor.seek_ceil(key), cursor.key().zip(cursor.value()), at, judge) {
            return;
        }
        // Forward three, back two, and so on: the direction may change anywhere.
        for step in 0..12 {
            let moved = if step % 5 < 3 {
                at += 1;
                cursor.next()
            } else {
                at = at.wrapping_sub(1);
                cursor.prev()
            };
            if !self.stands(moved, cursor.key().zip(cursor.value()), at, judge) {
                break;
            }
        }
        let before = self.upto(key).wrapping_sub(1);
        let found = cursor.seek_floor(key);
        self.stands(found, cursor.key().zip(cursor.value()), before, judge);
    }

    /// Checks where a cursor stands after a move; false where it fell off the end or failed.
    fn stands<E: Debug>(
        &self,
        moved: Result<bool, E>,
        got: Option<Slices<'_>>,
        at: usize,
        judge: Judge,
    ) -> bool {
        let want = self.at(at);
        match moved {
            Ok(moved) => assert_eq!((moved, got), (want.is_some(), want)),
            Err(error) => {
                assert!(judge.errors_allowed, "{error:?} instead of {want:?}");
                return false;
            }
        }
        want.is_some()
    }

    pub(crate) fn get(&self, key: &[u8]) -> Option<&[u8]> {
        let at = self.below(key);
        self.entries.get(at).filter(|(k, _)| k == key).map(|(_, value)| &value[..])
    }

    /// The distinct keys with the number of their entries.
    fn counts(&self) -> Vec<(&[u8], u64)> {
        let runs = self.entries.chunk_by(|a, b| a.0 == b.0);
        runs.map(|run| (&run[0].0[..], run.len() as u64)).collect()
    }

    pub(crate) fn at(&self, n: usize) -> Option<Slices<'_>> {
        self.entries.get(n).map(|(key, value)| (&key[..], &value[..]))
    }

    fn slices(&self, range: Range<usize>) -> impl DoubleEndedIterator<Item = Slices<'_>> {
        self.entries[range].iter().map(|(key, value)| (&key[..], &value[..]))
    }

    pub(crate) fn below(&self, key: &[u8]) -> usize {
        self.entries.partition_point(|(k, _)| &k[..] < key)
    }

    pub(crate) fn upto(&self, key: &[u8]) -> usize {
        self.entries.partition_point(|(k, _)| &k[..] <= key)
    }
}
