//! Ranges, cursors and queries by order, one after the other as the input says: plain, owning, packed and
//! typed, of what was built and of what was damaged.

use super::damage;
use super::input::{Input, Options};
use super::model::{self, Model};
use graven::{
    BuildOptions, Compression, Cursor, Duplicates, OpenOptions, PackedCursor, PackedTable,
    PageChecks, Table, TypedCursor, TypedTable, ValueBuffer,
};
use std::fmt::Debug;
use std::ops::{Bound, Range};

type Entry = (Vec<u8>, Vec<u8>);
type Bounds<'k> = (Bound<&'k [u8]>, Bound<&'k [u8]>);
/// Errors are looked at nowhere: there must be none, or any is right.
type Answer<T> = Result<T, ()>;

/// Most bytes of a value that is decoded.
const MOST: u32 = 1 << 20;
/// A damaged table can say that it has more entries than anybody wants to walk.
const WALK: usize = 2000;

/// True if a table came out that can be asked.
pub(crate) fn ranges(data: &[u8]) -> bool {
    let mut input = Input::new(data);
    let (way, how) = (input.byte(), input.byte());
    let mut options = input.options();
    let patches = input.patches();
    let steps = input.steps();
    let entries = input.entries();
    let built = match way % 4 {
        3 => typed(&options, &entries),
        2 => {
            options.value_align = 1;
            options.compact_keys = way & 4 != 0;
            options.compression = match way >> 3 & 3 {
                0 => None,
                1 => Some(Compression::fsst()),
                _ => Some(Compression::zstd().level(1).dictionary_bytes(1024)),
            };
            model::build(&options, &entries)
        }
        _ => model::build(&options, &entries),
    };
    let Some((good, model)) = built else { return false };
    let opened = match how % 3 {
        0 => Some(OpenOptions::new().allow_packed(true).from_bytes(good).expect("a sound table")),
        1 => {
            let bad = damage::patch(&good, &patches);
            let options = OpenOptions::new().page_checks(PageChecks::Never).allow_packed(true);
            options.from_bytes(bad).ok()
        }
        _ => {
            let mut bad = damage::patch(&good, &patches);
            damage::repair(&mut bad, way & 0x80 == 0);
            OpenOptions::new().allow_packed(true).from_bytes(bad).ok()
        }
    };
    let Some(table) = opened else { return false };
    let mut keys = model.questions();
    let model = (how % 3 == 0).then_some(&model);
    match way % 4 {
        0 => run(&Plain(table), model, &keys, &steps),
        1 => run(&Owning(table), model, &keys, &steps),
        2 => match PackedTable::try_from(table) {
            Ok(table) => run(&Packed(table), model, &keys, &steps),
            Err(error) => assert!(model.is_none(), "{error}"),
        },
        _ => match table.typed::<u32, u64>() {
            Ok(table) => {
                for key in &mut keys {
                    key.resize(4, 0x80);
                }
                run(&Typed(table), model, &keys, &steps);
            }
            Err(error) => assert!(model.is_none(), "{error}"),
        },
    }
    true
}

/// A typed table of the first bytes of keys and values.
fn typed(options: &Options, entries: &[Entry]) -> Option<(Vec<u8>, Model)> {
    let number = |bytes: &[u8]| {
        let word: [u8; 8] = std::array::from_fn(|i| bytes.get(i).copied().unwrap_or(0));
        u64::from_be_bytes(word)
    };
    let dir = tempfile::tempdir().expect("a temporary directory");
    let path = dir.path().join("table");
    let build = model::quick(BuildOptions::new())
        .duplicates(Duplicates::KeepAll)
        .hash_index(options.hash_index);
    let mut builder = build.create_typed::<u32, u64>(&path).expect("create");
    let mut list = Vec::new();
    for (key, value) in entries {
        let (key, value) = ((number(key) >> 32) as u32, number(value));
        builder.insert(&key, &value).expect("a legal entry");
        list.push((key.to_be_bytes().to_vec(), value.to_be_bytes().to_vec()));
    }
    builder.finish().expect("legal entries");
    Some((std::fs::read(&path).expect("published"), Model::of(list)))
}

/// A table of any kind; what it lends is copied, which touches every byte.
trait Subject {
    fn len(&self) -> u64;
    fn range<'s>(&'s self, bounds: Bounds<'_>) -> Box<dyn Walk + 's>;
    /// `None` where there are no prefixes.
    fn prefix<'s>(&'s self, key: &[u8]) -> Option<Box<dyn Walk + 's>>;
    fn cursor(&self) -> Box<dyn Steps + '_>;
    fn count(&self, bounds: Bounds<'_>) -> Answer<u64>;
    fn point(&self, key: &[u8]) -> Answer<Point>;
    fn nth(&self, n: u64) -> Answer<Option<Entry>>;
    fn ends(&self) -> Answer<[Option<Entry>; 2]>;
    fn prefixes(&self, key: &[u8]) -> Option<Answer<Prefixes>>;
    fn many(&self, keys: &[Vec<u8>]) -> Answer<Vec<Option<Vec<u8>>>>;
}

/// The longest stored prefix of a key, and the first of all of them.
type Prefixes = (Option<Entry>, Vec<Entry>);

/// What a table says of one key.
#[derive(Debug, PartialEq)]
struct Point {
    value: Option<Vec<u8>>,
    values: Vec<Vec<u8>>,
    stored: bool,
    count: u64,
    rank: u64,
    floor: Option<Entry>,
    ceil: Option<Entry>,
}

/// An iterator that can be stepped from both ends.
trait Walk {
    fn step(&mut self, back: bool, skip: Option<usize>) -> Option<Answer<Entry>>;
    fn hint(&self) -> (usize, Option<usize>);
    /// The rest, consumed in one of the ways that have code of their own.
    fn rest(self: Box<Self>, how: u8) -> Answer<Rest>;
}

#[derive(Debug, PartialEq)]
enum Rest {
    Count(usize),
    Last(Option<Entry>),
    Entries(Vec<Entry>),
}

struct Ended<I, F> {
    iter: I,
    own: F,
}

impl<I, T, E, F> Walk for Ended<I, F>
where
    I: DoubleEndedIterator<Item = Result<T, E>>,
    F: Fn(T) -> Entry,
{
    fn step(&mut self, back: bool, skip: Option<usize>) -> Option<Answer<Entry>> {
        let item = match (back, skip) {
            (false, None) => self.iter.next(),
            (true, None) => self.iter.next_back(),
            (false, Some(n)) => self.iter.nth(n),
            (true, Some(n)) => self.iter.nth_back(n),
        };
        item.map(|item| item.map(&self.own).map_err(drop))
    }

    fn hint(&self) -> (usize, Option<usize>) {
        self.iter.size_hint()
    }

    fn rest(self: Box<Self>, how: u8) -> Answer<Rest> {
        let Self { iter, own } = *self;
        let push = |all: Answer<Vec<Entry>>, item: Result<T, E>| {
            let (mut all, item) = (all?, item.map_err(drop)?);
            all.push(own(item));
            Ok(all)
        };
        Ok(match how % 4 {
            0 => Rest::Count(iter.count()),
            1 => match iter.last() {
                None => Rest::Last(None),
                Some(item) => Rest::Last(Some(own(item.map_err(drop)?))),
            },
            2 => Rest::Entries(iter.fold(Ok(Vec::new()), push)?),
            _ => Rest::Entries(iter.rfold(Ok(Vec::new()), push)?),
        })
    }
}

fn lent((key, value): (&[u8], &[u8])) -> Entry {
    (key.to_vec(), value.to_vec())
}

/// A cursor.
trait Steps {
    /// 0 and 1 seek the key, 2 and 3 the ends, 4 and 5 step.
    fn step(&mut self, how: u8, key: &[u8]) -> Answer<bool>;
    fn entry(&mut self) -> Answer<Option<Entry>>;
}

macro_rules! move_cursor {
    ($cursor:expr, $how:expr, $key:expr) => {
        match $how {
            0 => $cursor.seek_ceil($key),
            1 => $cursor.seek_floor($key),
            2 => $cursor.seek_first(),
            3 => $cursor.seek_last(),
            4 => $cursor.next(),
            _ => $cursor.prev(),
        }
        .map_err(drop)
    };
}

impl Steps for Cursor<'_> {
    fn step(&mut self, how: u8, key: &[u8]) -> Answer<bool> {
        move_cursor!(self, how, key)
    }

    fn entry(&mut self) -> Answer<Option<Entry>> {
        Ok(self.key().zip(self.value()).map(lent))
    }
}

impl Steps for PackedCursor<'_> {
    fn step(&mut self, how: u8, key: &[u8]) -> Answer<bool> {
        move_cursor!(self, how, key)
    }

    fn entry(&mut self) -> Answer<Option<Entry>> {
        let key = self.key().map_err(drop)?.map(<[u8]>::to_vec);
        let value = self.value().map_err(drop)?.map(<[u8]>::to_vec);
        let entry = self.entry().map_err(drop)?.map(lent);
        assert_eq!(key.zip(value), entry);
        Ok(entry)
    }
}

impl Steps for TypedCursor<'_, u32, u64> {
    fn step(&mut self, how: u8, key: &[u8]) -> Answer<bool> {
        move_cursor!(self, how, &typed_key(key))
    }

    fn entry(&mut self) -> Answer<Option<Entry>> {
        Ok(self.key().zip(self.value()).map(typed_entry))
    }
}

fn typed_key(key: &[u8]) -> u32 {
    u32::from_be_bytes(key.try_into().expect("four bytes"))
}

fn typed_entry((key, value): (u32, &u64)) -> Entry {
    (key.to_be_bytes().to_vec(), value.to_be_bytes().to_vec())
}

fn typed_bounds((from, to): Bounds<'_>) -> (Bound<u32>, Bound<u32>) {
    (from.map(typed_key), to.map(typed_key))
}

struct Plain(Table);

impl Subject for Plain {
    fn len(&self) -> u64 {
        self.0.len()
    }

    fn range<'s>(&'s self, bounds: Bounds<'_>) -> Box<dyn Walk + 's> {
        Box::new(Ended { iter: self.0.range(bounds), own: lent })
    }

    fn prefix<'s>(&'s self, key: &[u8]) -> Option<Box<dyn Walk + 's>> {
        Some(Box::new(Ended { iter: self.0.prefix(key), own: lent }))
    }

    fn cursor(&self) -> Box<dyn Steps + '_> {
        Box::new(self.0.cursor())
    }

    fn count(&self, bounds: Bounds<'_>) -> Answer<u64> {
        self.0.count(bounds).map_err(drop)
    }

    fn point(&self, key: &[u8]) -> Answer<Point> {
        let ask = || -> Result<Point, graven::ReadError> {
            let values = self.0.get_all(key).take(WALK).map(|value| value.map(<[u8]>::to_vec));
            Ok(Point {
                value: self.0.get(key)?.map(<[u8]>::to_vec),
                values: values.collect::<Result<_, _>>()?,
                stored: self.0.contains_key(key)?,
                count: self.0.count_of(key)?,
                rank: self.0.rank(key)?,
                floor: self.0.floor(key)?.map(lent),
                ceil: self.0.ceil(key)?.map(lent),
            })
        };
        ask().map_err(drop)
    }

    fn nth(&self, n: u64) -> Answer<Option<Entry>> {
        Ok(self.0.nth(n).map_err(drop)?.map(lent))
    }

    fn ends(&self) -> Answer<[Option<Entry>; 2]> {
        let (first, last) = (self.0.first().map_err(drop)?, self.0.last().map_err(drop)?);
        Ok([first.map(lent), last.map(lent)])
    }

    fn prefixes(&self, key: &[u8]) -> Option<Answer<Prefixes>> {
        let ask = || -> Result<Prefixes, graven::ReadError> {
            let all = self.0.prefixes_of(key).take(WALK).map(|entry| entry.map(lent));
            Ok((self.0.longest_prefix(key)?.map(lent), all.collect::<Result<_, _>>()?))
        };
        Some(ask().map_err(drop))
    }

    fn many(&self, keys: &[Vec<u8>]) -> Answer<Vec<Option<Vec<u8>>>> {
        let found = self.0.get_many(keys).map_err(drop)?;
        let found: Vec<_> = found.into_iter().map(|value| value.map(<[u8]>::to_vec)).collect();
        let mut lent = Vec::new();
        let owned = |value: Option<&[u8]>| lent.push(value.map(<[u8]>::to_vec));
        self.0.get_many_with(keys, owned).map_err(drop)?;
        assert_eq!(lent, found);
        Ok(found)
    }
}

/// A table whose iterators and values own it.
struct Owning(Table);

impl Subject for Owning {
    fn len(&self) -> u64 {
        self.0.len()
    }

    fn range<'s>(&'s self, bounds: Bounds<'_>) -> Box<dyn Walk + 's> {
        let own = |(key, value): (graven::Value, graven::Value)| lent((&key, &value));
        Box::new(Ended { iter: self.0.clone().into_range(bounds), own })
    }

    fn prefix<'s>(&'s self, key: &[u8]) -> Option<Box<dyn Walk + 's>> {
        let own = |(key, value): (graven::Value, graven::Value)| lent((&key, &value));
        Some(Box::new(Ended { iter: self.0.clone().into_prefix(key), own }))
    }

    fn cursor(&self) -> Box<dyn Steps + '_> {
        Box::new(self.0.cursor())
    }

    fn count(&self, bounds: Bounds<'_>) -> Answer<u64> {
        self.0.count(bounds).map_err(drop)
    }

    fn point(&self, key: &[u8]) -> Answer<Point> {
        let value = self.0.get_owned(key).map_err(drop)?.map(|value| value.to_vec());
        Ok(Point { value, ..Plain(self.0.clone()).point(key)? })
    }

    fn nth(&self, n: u64) -> Answer<Option<Entry>> {
        Plain(self.0.clone()).nth(n)
    }

    fn ends(&self) -> Answer<[Option<Entry>; 2]> {
        Plain(self.0.clone()).ends()
    }

    fn prefixes(&self, key: &[u8]) -> Option<Answer<Prefixes>> {
        Plain(self.0.clone()).prefixes(key)
    }

    fn many(&self, keys: &[Vec<u8>]) -> Answer<Vec<Option<Vec<u8>>>> {
        Plain(self.0.clone()).many(keys)
    }
}

struct Packed(PackedTable);

impl Subject for Packed {
    fn len(&self) -> u64 {
        self.0.len()
    }

    fn range<'s>(&'s self, bounds: Bounds<'_>) -> Box<dyn Walk + 's> {
        let iter = self.0.range(bounds).with_buffer(ValueBuffer::with_limit(MOST));
        Box::new(Ended { iter, own: |entry| entry })
    }

    fn prefix<'s>(&'s self, key: &[u8]) -> Option<Box<dyn Walk + 's>> {
        let iter = self.0.prefix(key).with_buffer(ValueBuffer::with_limit(MOST));
        Some(Box::new(Ended { iter, own: |entry| entry }))
    }

    fn cursor(&self) -> Box<dyn Steps + '_> {
        Box::new(self.0.cursor_with(ValueBuffer::with_limit(MOST)))
    }

    fn count(&self, bounds: Bounds<'_>) -> Answer<u64> {
        self.0.count(bounds).map_err(drop)
    }

    fn point(&self, key: &[u8]) -> Answer<Point> {
        let ask = || -> Result<Point, graven::ReadError> {
            let buffer = &mut ValueBuffer::with_limit(MOST);
            Ok(Point {
                value: self.0.get(key, buffer)?.map(<[u8]>::to_vec),
                values: self.0.get_all(key).take(WALK).collect::<Result<_, _>>()?,
                stored: self.0.contains_key(key)?,
                count: self.0.count_of(key)?,
                rank: self.0.rank(key)?,
                floor: self.0.floor(key, buffer)?.map(lent),
                ceil: self.0.ceil(key, buffer)?.map(lent),
            })
        };
        ask().map_err(drop)
    }

    fn nth(&self, n: u64) -> Answer<Option<Entry>> {
        let buffer = &mut ValueBuffer::with_limit(MOST);
        Ok(self.0.nth(n, buffer).map_err(drop)?.map(lent))
    }

    fn ends(&self) -> Answer<[Option<Entry>; 2]> {
        let buffer = &mut ValueBuffer::with_limit(MOST);
        let first = self.0.first(buffer).map_err(drop)?.map(lent);
        Ok([first, self.0.last(buffer).map_err(drop)?.map(lent)])
    }

    fn prefixes(&self, key: &[u8]) -> Option<Answer<Prefixes>> {
        let ask = || -> Result<Prefixes, graven::ReadError> {
            let buffer = &mut ValueBuffer::with_limit(MOST);
            let all = self.0.prefixes_of(key).take(WALK).collect::<Result<_, _>>()?;
            Ok((self.0.longest_prefix(key, buffer)?.map(lent), all))
        };
        Some(ask().map_err(drop))
    }

    fn many(&self, keys: &[Vec<u8>]) -> Answer<Vec<Option<Vec<u8>>>> {
        let (buffer, mut found) = (&mut ValueBuffer::with_limit(MOST), Vec::new());
        let push = |value: Option<&[u8]>| found.push(value.map(<[u8]>::to_vec));
        self.0.get_many_with(keys, buffer, push).map_err(drop)?;
        Ok(found)
    }
}

struct Typed(TypedTable<u32, u64>);

impl Subject for Typed {
    fn len(&self) -> u64 {
        self.0.len()
    }

    fn range<'s>(&'s self, bounds: Bounds<'_>) -> Box<dyn Walk + 's> {
        Box::new(Ended { iter: self.0.range(typed_bounds(bounds)), own: typed_entry })
    }

    fn prefix<'s>(&'s self, _: &[u8]) -> Option<Box<dyn Walk + 's>> {
        None
    }

    fn cursor(&self) -> Box<dyn Steps + '_> {
        Box::new(self.0.cursor())
    }

    fn count(&self, bounds: Bounds<'_>) -> Answer<u64> {
        self.0.count(typed_bounds(bounds)).map_err(drop)
    }

    fn point(&self, key: &[u8]) -> Answer<Point> {
        let ask = || -> Result<Point, graven::ReadError> {
            let key = &typed_key(key);
            let owned = |value: &u64| value.to_be_bytes().to_vec();
            let values = self.0.get_all(key).take(WALK).map(|value| value.map(owned));
            Ok(Point {
                value: self.0.get(key)?.map(owned),
                values: values.collect::<Result<_, _>>()?,
                stored: self.0.contains_key(key)?,
                count: self.0.count_of(key)?,
                rank: self.0.rank(key)?,
                floor: self.0.floor(key)?.map(typed_entry),
                ceil: self.0.ceil(key)?.map(typed_entry),
            })
        };
        ask().map_err(drop)
    }

    fn nth(&self, n: u64) -> Answer<Option<Entry>> {
        Ok(self.0.nth(n).map_err(drop)?.map(typed_entry))
    }

    fn ends(&self) -> Answer<[Option<Entry>; 2]> {
        let (first, last) = (self.0.first().map_err(drop)?, self.0.last().map_err(drop)?);
        Ok([first.map(typed_entry), last.map(typed_entry)])
    }

    fn prefixes(&self, _: &[u8]) -> Option<Answer<Prefixes>> {
        None
    }

    fn many(&self, keys: &[Vec<u8>]) -> Answer<Vec<Option<Vec<u8>>>> {
        let keys: Vec<u32> = keys.iter().map(|key| typed_key(key)).collect();
        let found = self.0.get_many(&keys).map_err(drop)?;
        Ok(found.into_iter().map(|value| value.map(|value| value.to_be_bytes().to_vec())).collect())
    }
}

/// Compares with the model where there is one: the table is sound, and every answer right.
fn same<T: PartialEq + Debug>(got: Answer<T>, want: Option<T>) {
    if let Some(want) = want {
        assert_eq!(got, Ok(want));
    }
}

fn run(subject: &dyn Subject, model: Option<&Model>, keys: &[Vec<u8>], steps: &[[u8; 4]]) {
    let len = subject.len();
    let ranks = |bounds| model.map(|model| model.ranks(bounds));
    let all = (Bound::Unbounded, Bound::Unbounded);
    let (mut cursor, mut place) = (subject.cursor(), 0);
    let (mut walk, mut left) = (Some(subject.range(all)), ranks(all));
    for &[op, a, b, c] in steps {
        let (from, to) =
            (&keys[usize::from(a) % keys.len()][..], &keys[usize::from(b) % keys.len()]);
        let bound = |kind: u8, key| match kind % 3 {
            0 => Bound::Included(key),
            1 => Bound::Excluded(key),
            _ => Bound::Unbounded,
        };
        let bounds: Bounds<'_> = (bound(c, from), bound(c / 3, to));
        match op % 16 {
            how @ 0..6 => {
                let moved = cursor.step(how, from);
                let found = cursor.entry();
                let Some(model) = model else { continue };
                let entries = model.len();
                place = match how {
                    0 => model.below(from) + 1,
                    1 => model.upto(from),
                    2 => 1,
                    3 => entries,
                    4 => entries.min(place) + 1,
                    _ => place.saturating_sub(1),
                };
                let want = place.checked_sub(1).and_then(|at| model.at(at)).map(lent);
                assert_eq!((moved, found), (Ok(want.is_some()), Ok(want)), "step {how}");
            }
            6 => (walk, left) = (Some(subject.range(bounds)), ranks(bounds)),
            7 => {
                if let Some(new) = subject.prefix(from) {
                    (walk, left) = (Some(new), model.map(|model| model.prefixed(from)));
                }
            }
            8..12 => {
                let skip = (op % 4 >= 2).then_some(usize::from(c % 8));
                let Some(iter) = &mut walk else { continue };
                step(&mut **iter, op % 2 == 1, skip, model, &mut left);
                let (least, most) = iter.hint();
                if let Some(left) = &left {
                    assert!(least <= left.len() && most.is_none_or(|most| most >= left.len()));
                }
            }
            12 => {
                let Some(iter) = walk.take() else { continue };
                if iter.hint().1.is_some_and(|most| most <= WALK) {
                    let got = iter.rest(c);
                    same(got, model.zip(left.clone()).map(|(model, left)| rest(model, left, c)));
                }
                (walk, left) = (Some(subject.range(bounds)), ranks(bounds));
            }
            13 => {
                let got = subject.point(from);
                same(got, model.map(|model| point(model, from)));
                if let Some(got) = subject.prefixes(from) {
                    same(got, model.map(|model| prefixes(model, from)));
                }
            }
            14 => {
                same(subject.count(bounds), ranks(bounds).map(|ranks| ranks.len() as u64));
                let n = u64::from(b) * len / 250 + u64::from(c % 2) * u64::MAX / 2;
                let want =
                    |model: &Model| model.at(usize::try_from(n).unwrap_or(usize::MAX)).map(lent);
                same(subject.nth(n), model.map(want));
                let ends = |model: &Model| {
                    [0, model.len().wrapping_sub(1)].map(|at| model.at(at).map(lent))
                };
                same(subject.ends(), model.map(ends));
            }
            _ => {
                let count = usize::from(c) % 20;
                let asked: Vec<_> =
                    keys.iter().cycle().skip(usize::from(a)).take(count).cloned().collect();
                let want = |model: &Model| {
                    asked.iter().map(|key| model.get(key).map(<[u8]>::to_vec)).collect()
                };
                same(subject.many(&asked), model.map(want));
            }
        }
    }
    // What is left has no more entries than the table, and nothing comes after an error.
    let Some(mut iter) = walk else { return };
    let mut given = 0;
    while given <= WALK as u64 {
        match step(&mut *iter, given % 3 == 2, None, model, &mut left) {
            None => return,
            Some(false) => {
                assert_eq!(iter.step(false, None), None, "an iterator goes on after its error");
                return;
            }
            Some(true) => given += 1,
        }
        assert!(given <= len, "more than the table's {len} entries");
    }
}

/// A step of an iterator over the ranks that are left. False for an error.
fn step(
    iter: &mut dyn Walk,
    back: bool,
    skip: Option<usize>,
    model: Option<&Model>,
    left: &mut Option<Range<usize>>,
) -> Option<bool> {
    let got = iter.step(back, skip);
    if let (Some(model), Some(left)) = (model, left) {
        let rank = match back {
            false => left.nth(skip.unwrap_or(0)),
            true => left.nth_back(skip.unwrap_or(0)),
        };
        let want = rank.and_then(|rank| model.at(rank)).map(lent);
        assert_eq!(got, want.map(Ok));
    }
    got.map(|got| got.is_ok())
}

fn rest(model: &Model, left: Range<usize>, how: u8) -> Rest {
    let at = |rank| model.at(rank).map(lent).expect("a rank of the model");
    match how % 4 {
        0 => Rest::Count(left.len()),
        1 => Rest::Last(left.last().map(at)),
        2 => Rest::Entries(left.map(at).collect()),
        _ => Rest::Entries(left.rev().map(at).collect()),
    }
}

fn point(model: &Model, key: &[u8]) -> Point {
    let equal = model.below(key)..model.upto(key);
    Point {
        value: model.get(key).map(<[u8]>::to_vec),
        values: equal.clone().filter_map(|at| Some(model.at(at)?.1.to_vec())).take(WALK).collect(),
        stored: !equal.is_empty(),
        count: equal.len() as u64,
        rank: equal.start as u64,
        floor: model.at(equal.end.wrapping_sub(1)).map(lent),
        ceil: model.at(equal.start).map(lent),
    }
}

fn prefixes(model: &Model, key: &[u8]) -> Prefixes {
    let of_length = |len: usize| model.below(&key[..len])..model.upto(&key[..len]);
    let all = (0..=key.len()).rev().flat_map(of_length);
    let mut all = all.filter_map(|at| model.at(at)).map(lent).peekable();
    (all.peek().cloned(), all.take(WALK).collect())
}
