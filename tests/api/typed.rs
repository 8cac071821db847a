//! `TypedTable`: keys that order as their type does, values that are read in place.

use crate::common::craft::{Image, TYPES, at};
use crate::common::{Case, Rng};
use graven::{
    BuildError, BuildOptions, Duplicates, HashIndex, OpenFailure, OpenOptions, ReadError,
    ReadFailure, Table, TypedKey, TypedTable, TypedValue,
};
use std::ops::Bound::{self, Excluded, Included, Unbounded};

graven::typed_value! {
    #[derive(Clone, Copy, Debug, PartialEq)]
    pub(crate) struct Place {
        latitude: f64,
        longitude: f64,
    }

    #[derive(Clone, Copy, Debug, PartialEq)]
    pub(crate) struct Nested {
        pub(crate) place: Place,
        at: [[i16; 2]; 2],
        r#type: u64,
    }
}

/// A typed table of these entries, in memory.
fn typed<K: TypedKey, V: TypedValue>(
    options: BuildOptions,
    entries: impl IntoIterator<Item = (K, V)>,
) -> TypedTable<K, V> {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("t.grv");
    options.durable(false).build_typed(&path, entries).expect("a table");
    OpenOptions::new().load_typed(&path).expect("the same types")
}

fn all<K, V>(entries: impl IntoIterator<Item = Result<(K, V), ReadError>>) -> Vec<(K, V)> {
    entries.into_iter().map(|entry| entry.expect("a sound table")).collect()
}

/// An entry by the numbers of its key among the asked keys and of its value among all values. The
/// comparison with the model is thus compiled once and not for each type.
type Pair = (usize, usize);
type Bounds = (Bound<usize>, Bound<usize>);

/// The queries of a typed table, in numbers.
trait Ask {
    fn sizes(&self) -> (u64, bool, [usize; 5]);
    fn range(&self, bounds: Bounds, way: &str) -> Vec<Pair>;
    fn count(&self, bounds: Bounds) -> u64;
    fn keys(&self) -> Vec<usize>;
    fn values(&self) -> Vec<usize>;
    fn at_rank(&self, rank: usize) -> [Option<Pair>; 4];
    fn ends(&self) -> [Option<Pair>; 4];
    fn get(&self, key: usize) -> (Option<usize>, bool, Vec<usize>, u64);
    fn near(&self, key: usize) -> (u64, Option<Pair>, Option<Pair>);
    fn walk(&self, key: usize, up: bool) -> Vec<(bool, Option<Pair>)>;
    fn many(&self, keys: &[usize]) -> [Vec<Option<usize>>; 2];
}

struct Asked<'a, K, V> {
    table: TypedTable<K, V>,
    /// In order and distinct.
    keys: &'a [K],
    values: &'a [V],
}

impl<K: TypedKey, V: TypedValue + PartialEq> Asked<'_, K, V> {
    fn key(&self, key: K) -> usize {
        self.keys.binary_search(&key).expect("one of the keys")
    }

    fn value(&self, value: &V) -> usize {
        self.values.iter().position(|other| other == value).expect("one of the values")
    }

    fn pair(&self, entry: Result<(K, &V), ReadError>) -> Pair {
        let (key, value) = entry.expect("a sound table");
        (self.key(key), self.value(value))
    }

    fn found(&self, entry: Result<Option<(K, &V)>, ReadError>) -> Option<Pair> {
        entry.transpose().map(|entry| self.pair(entry))
    }

    fn bounds(&self, (from, to): Bounds) -> (Bound<K>, Bound<K>) {
        (from.map(|key| self.keys[key]), to.map(|key| self.keys[key]))
    }
}

impl<K: TypedKey, V: TypedValue + PartialEq> Ask for Asked<'_, K, V> {
    fn sizes(&self) -> (u64, bool, [usize; 5]) {
        let table = &self.table;
        let walks = [table.iter().len(), table.keys().len(), table.values().len()];
        let counts = [table.iter().count(), table.values().count()];
        let [a, b, c] = walks;
        (table.len(), table.is_empty(), [a, b, c, counts[0], counts[1]])
    }

    fn range(&self, bounds: Bounds, way: &str) -> Vec<Pair> {
        let range = self.table.range(self.bounds(bounds));
        let mut pairs = Vec::new();
        match way {
            "next" => {
                for entry in range {
                    pairs.push(self.pair(entry));
                }
            }
            "back" => {
                for entry in range.rev() {
                    pairs.push(self.pair(entry));
                }
            }
            "fold" => range.fold((), |(), entry| pairs.push(self.pair(entry))),
            _ => range.rfold((), |(), entry| pairs.push(self.pair(entry))),
        }
        pairs
    }

    fn count(&self, bounds: Bounds) -> u64 {
        self.table.count(self.bounds(bounds)).expect("a sound table")
    }

    fn keys(&self) -> Vec<usize> {
        self.table.keys().map(|key| self.key(key.expect("a sound table"))).collect()
    }

    fn values(&self) -> Vec<usize> {
        self.table.values().map(|value| self.value(value.expect("a sound table"))).collect()
    }

    /// By rank, by skipping, and by skipping from the back, which is of another rank.
    fn at_rank(&self, rank: usize) -> [Option<Pair>; 4] {
        let skipped = self.table.iter().nth(rank).map(|entry| self.pair(entry));
        let from_back = self.table.iter().nth_back(rank).map(|entry| self.pair(entry));
        let key = self.table.keys().nth(rank).map(|key| self.key(key.expect("a sound table")));
        let value = self.table.values().nth(rank).map(|value| self.value(value.expect("sound")));
        [self.found(self.table.nth(rank as u64)), skipped, from_back, key.zip(value)]
    }

    fn ends(&self) -> [Option<Pair>; 4] {
        let mut cursor = self.table.cursor();
        assert!(cursor.key().is_none() && cursor.value().is_none());
        let mut ends = [self.found(self.table.first()), self.found(self.table.last()), None, None];
        for (i, end) in ends[2..].iter_mut().enumerate() {
            let found = if i == 0 { cursor.seek_first() } else { cursor.seek_last() };
            assert_eq!(found.expect("a sound table"), cursor.key().is_some());
            *end = cursor.key().zip(cursor.value()).map(|entry| self.pair(Ok(entry)));
        }
        ends
    }

    fn get(&self, key: usize) -> (Option<usize>, bool, Vec<usize>, u64) {
        let key = &self.keys[key];
        let got = self.table.get(key).expect("a sound table").map(|value| self.value(value));
        let holds = self.table.contains_key(key).expect("a sound table");
        let values = self.table.get_all(key).map(|value| self.value(value.expect("sound")));
        (got, holds, values.collect(), self.table.count_of(key).expect("a sound table"))
    }

    fn near(&self, key: usize) -> (u64, Option<Pair>, Option<Pair>) {
        let key = &self.keys[key];
        let rank = self.table.rank(key).expect("a sound table");
        (rank, self.found(self.table.floor(key)), self.found(self.table.ceil(key)))
    }

    fn walk(&self, key: usize, up: bool) -> Vec<(bool, Option<Pair>)> {
        let key = &self.keys[key];
        let mut cursor = self.table.cursor();
        let found = if up { cursor.seek_ceil(key) } else { cursor.seek_floor(key) };
        let mut on_entry = found.expect("a sound table");
        let mut steps = Vec::new();
        for _ in 0..3 {
            let entry = cursor.key().zip(cursor.clone().value());
            steps.push((on_entry, entry.map(|entry| self.pair(Ok(entry)))));
            let step = if up { cursor.next() } else { cursor.prev() };
            on_entry = step.expect("a sound table");
        }
        steps
    }

    fn many(&self, keys: &[usize]) -> [Vec<Option<usize>>; 2] {
        let keys: Vec<K> = keys.iter().map(|&key| self.keys[key]).collect();
        let numbers = |answers: &[Option<&V>]| {
            answers.iter().map(|answer| answer.map(|value| self.value(value))).collect()
        };
        let answers = self.table.get_many(&keys).expect("a sound table");
        // A vector that holds something else.
        let mut out = self.table.get_many(&keys[..keys.len() / 3]).expect("a sound table");
        self.table.get_many_into(&keys, &mut out).expect("a sound table");
        let both = [numbers(&answers), numbers(&out)];
        self.table.get_many_into(&[], &mut out).expect("a sound table");
        assert!(out.is_empty());
        both
    }
}

/// Compares every query with the sorted entries. `asked`: number of keys to ask for.
fn compare(table: &dyn Ask, sorted: &[Pair], asked: usize) {
    let len = sorted.len();
    assert_eq!(table.sizes(), (len as u64, len == 0, [len; 5]));
    assert_eq!(table.keys(), sorted.iter().map(|pair| pair.0).collect::<Vec<_>>());
    assert_eq!(table.values(), sorted.iter().map(|pair| pair.1).collect::<Vec<_>>());
    let (first, last) = (sorted.first().copied(), sorted.last().copied());
    assert_eq!(table.ends(), [first, last, first, last]);
    for rank in [0, 1, len / 2, len.saturating_sub(1), len, usize::MAX] {
        let (at, back) = (sorted.get(rank).copied(), sorted.iter().rev().nth(rank).copied());
        assert_eq!(table.at_rank(rank), [at, at, back, at], "rank {rank}");
    }
    let value_of = |key: usize| sorted.iter().find(|pair| pair.0 == key).map(|pair| pair.1);
    for key in 0..asked {
        let below = sorted.partition_point(|pair| pair.0 < key);
        let up_to = sorted.partition_point(|pair| pair.0 <= key);
        let values: Vec<usize> = sorted[below..up_to].iter().map(|pair| pair.1).collect();
        let count = values.len() as u64;
        let expected = (values.first().copied(), count > 0, values, count);
        assert_eq!(table.get(key), expected, "key {key}");
        let at = |at: Option<usize>| at.and_then(|at| sorted.get(at)).copied();
        let floor = up_to.checked_sub(1);
        assert_eq!(table.near(key), (below as u64, at(floor), at(Some(below))), "key {key}");
        let steps: Vec<_> = (below..below + 3).map(|i| (i < len, at(Some(i)))).collect();
        assert_eq!(table.walk(key, true), steps, "up from key {key}");
        let steps: Vec<_> = (1..4)
            .map(|step| at(up_to.checked_sub(step)))
            .map(|entry| (entry.is_some(), entry))
            .collect();
        assert_eq!(table.walk(key, false), steps, "down from key {key}");

        let other = (key * 7 + 3) % asked;
        let starts = [Unbounded, Included(key), Excluded(key)];
        let ends = [Unbounded, Included(other), Excluded(other), Included(key)];
        for bounds in starts.iter().flat_map(|&from| ends.iter().map(move |&to| (from, to))) {
            let mut inside = sorted.to_vec();
            inside.retain(|pair| match bounds.0 {
                Unbounded => true,
                Included(from) => pair.0 >= from,
                Excluded(from) => pair.0 > from,
            });
            inside.retain(|pair| match bounds.1 {
                Unbounded => true,
                Included(to) => pair.0 <= to,
                Excluded(to) => pair.0 < to,
            });
            assert_eq!(table.count(bounds), inside.len() as u64, "{bounds:?}");
            for way in ["next", "fold", "back", "rfold"] {
                if way == "back" {
                    inside.reverse();
                }
                assert_eq!(table.range(bounds, way), inside, "{bounds:?} {way}");
            }
        }
    }
    // More keys than are encoded at once.
    let many: Vec<usize> = (0..2500).map(|i| i * 13 % asked).collect();
    let answers: Vec<Option<usize>> = many.iter().map(|&key| value_of(key)).collect();
    assert_eq!(table.many(&many), [answers.clone(), answers]);
}

/// Builds tables of these keys, with each index and with repeated keys, and asks them everything.
fn ask<K: TypedKey, V: TypedValue + Clone + PartialEq>(keys: &[K], value: fn(usize) -> V) {
    let mut rng = Rng::new(size_of::<K>() as u64);
    let mut keys = keys.to_vec();
    keys.sort();
    keys.dedup();
    let values: Vec<V> = (0..keys.len() + 2).map(value).collect();
    let number = |i: usize| values.iter().position(|other| *other == values[i]).expect("itself");
    let present: Vec<usize> = (0..keys.len()).filter(|_| rng.below(4) > 0).collect();
    let single: Vec<Pair> = present.iter().map(|&key| (key, number(key))).collect();
    let repeated = present.iter().flat_map(|&key| (0..1 + key % 3).map(move |n| (key, key + n)));
    let repeated: Vec<Pair> = repeated.map(|(key, i)| (key, number(i))).collect();
    let all = BuildOptions::new().duplicates(Duplicates::KeepAll);
    let with = |index| BuildOptions::new().hash_index(index);
    for (options, entries) in [
        (with(HashIndex::Auto), &single[..]),
        (with(HashIndex::Always), &single),
        (with(HashIndex::Never), &single),
        (all.clone(), &repeated),
        (all, &single[..1]),
        (BuildOptions::new(), &[]),
    ] {
        let mut input = entries.to_vec();
        // Of repeated keys, the order is content.
        if entries.len() == single.len() {
            rng.shuffle(&mut input);
        }
        let input = input.iter().map(|&(key, value)| (keys[key], values[value].clone()));
        let table = typed(options, input);
        table.table().verify().expect("a sound table");
        compare(&Asked { table, keys: &keys, values: &values }, entries, keys.len());
    }
}

/// Numbers of all sizes, both ends and what lies around zero among them.
fn numbers<N>(convert: impl Fn(u128) -> N, ends: [N; 4]) -> Vec<N> {
    let mut rng = Rng::new(21);
    let random = (0..70).map(|i| {
        let wide = u128::from(rng.next()) << 64 | u128::from(rng.next());
        convert(if i % 3 == 0 { wide } else { wide >> (i % 128) })
    });
    ends.into_iter().chain(random).collect()
}

macro_rules! each_integer {
    ($($test:ident: $type:ident, $value:expr;)*) => {$(
        #[test]
        fn $test() {
            let ends = [$type::MIN, $type::MAX, 0, (0 as $type).wrapping_sub(1)];
            ask(&numbers(|number| number as $type, ends), $value);
        }
    )*};
}

each_integer! {
    keys_of_u8: u8, |i| i as u16;
    keys_of_u16: u16, |i| i as i32;
    keys_of_u32: u32, |i| i as f64;
    keys_of_u64: u64, |i| i as u64;
    keys_of_u128: u128, |i| i as u128;
    keys_of_i8: i8, |_| ();
    keys_of_i16: i16, |i| [i as u16; 4];
    keys_of_i32: i32, |i| [i as u8; 3];
    keys_of_i64: i64, |i| i as f32;
    keys_of_i128: i128, |i| Nested {
        place: Place { latitude: i as f64, longitude: -1.0 },
        at: [[i as i16, 1], [2, 3]],
        r#type: 4,
    };
}

#[test]
fn keys_of_byte_arrays() {
    let ends = [[0; 5], [255; 5], [0, 0, 0, 0, 1], [128, 0, 0, 0, 0]];
    let five = |number: u128| number.to_le_bytes()[..5].try_into().expect("five bytes");
    ask(&numbers(five, ends), |i| i as u8);
}

#[test]
fn keys_of_tuples() {
    let ends = [0, u128::MAX, 1, 1 << 64];
    let numbers = numbers(|number| number, ends);
    // Few different first components, so that the later ones decide.
    let first = |number: u128| (number % 5) as u8 as i8 - 2;
    ask(&numbers.iter().map(|&n| (first(n), (n >> 7) as i64)).collect::<Vec<_>>(), |i| i as u32);
    let keys = numbers.iter().map(|&n| ((n % 3) as u16, [(n >> 9) as u8; 4], (n >> 3) as i32));
    ask(&keys.collect::<Vec<_>>(), |i| i as u64);
    let keys =
        numbers.iter().map(|&n| (first(n), first(n >> 5), (n >> 9) as u64, (n >> 11) as i128));
    ask(&keys.collect::<Vec<_>>(), |i| i as u16);
    let keys = numbers.iter().map(|&n| (first(n), [7_u8; 0], [9_u8], first(n >> 2), n));
    ask(&keys.collect::<Vec<_>>(), |_| ());
    let keys = numbers.iter().map(|&n| {
        (first(n), first(n >> 4), (n >> 3) as u32, (n >> 5) as i16, (n >> 7) as i64, n as u8)
    });
    ask(&keys.collect::<Vec<_>>(), |i| [i as f32; 3]);
}

#[test]
fn signed_keys_stand_in_numeric_order() {
    let entries = [(7_i32, 700_u64), (-5, 500), (i32::MIN, 1), (0, 2), (i32::MAX, 3)];
    let table = typed(BuildOptions::new(), entries);
    let keys: Vec<i32> = table.keys().map(|key| key.expect("sound")).collect();
    assert_eq!(keys, [i32::MIN, -5, 0, 7, i32::MAX]);
    assert_eq!(table.get(&-5).expect("sound"), Some(&500));
    assert_eq!(table.get(&5).expect("sound"), None);
}

#[test]
fn a_range_may_include_the_largest_key() {
    let table = typed(BuildOptions::new(), [(1_u16, 10_u32), (2, 20), (256, 30), (65_535, 40)]);
    let keys = |range: (Bound<u16>, Bound<u16>)| -> Vec<u16> {
        table.range(range).map(|entry| entry.expect("sound").0).collect()
    };
    assert_eq!(keys((Included(2), Included(u16::MAX))), [2, 256, 65_535]);
    assert_eq!(keys((Included(2), Excluded(u16::MAX))), [2, 256]);
    assert_eq!(all(table.range(..)).len(), 4);
    assert_eq!(all(table.range(2..)).len(), 3);
    assert_eq!(all(table.range(&2..&256)).len(), 1);
    assert_eq!(all(table.range(3..3)), []);
    #[expect(clippy::reversed_empty_ranges, reason = "a start beyond the end yields nothing")]
    let reversed = table.range(300..2);
    assert_eq!(all(reversed), []);
}

#[test]
fn structs_are_read_in_place() {
    let bern = Place { latitude: 46.95, longitude: 7.45 };
    let oslo = Place { latitude: 59.9, longitude: 10.7 };
    let table = typed(BuildOptions::new(), [(*b"BERN", bern), (*b"OSLO", oslo)]);
    let found = table.get(b"BERN").expect("sound").expect("a hit");
    assert_eq!(found, &bern);
    let bytes = table.table().get(b"BERN").expect("sound").expect("a hit");
    assert_eq!(std::ptr::from_ref(found).addr(), bytes.as_ptr().addr(), "without a copy");
}

#[test]
fn types_stand_in_the_table() {
    let nested = |i: u8| Nested {
        place: Place { latitude: 0.0, longitude: 0.0 },
        at: [[i.into(); 2]; 2],
        r#type: 0,
    };
    let table = typed(BuildOptions::new(), [((1_u32, [2_u8; 4], -3_i64), nested(0))]);
    let stats = table.table().stats().expect("a sound table");
    assert_eq!(stats.key_type.as_deref(), Some("(u32, [u8; 4], i64)"));
    let text =
        "Nested { place: Place { latitude: f64, longitude: f64 }, at: [[i16; 2]; 2], r#type: u64 }";
    assert_eq!(stats.value_type.as_deref(), Some(text));
    assert_eq!(stats.value_align, 8);
    assert!(stats.sections.iter().any(|section| section.bytes == 20 + text.len() as u64));

    let bytes = crate::table(&[("a", "b")]);
    let stats = bytes.stats().expect("a sound table");
    assert_eq!((stats.key_type, stats.value_type), (None, None));
}

/// Values have the alignment of their type on every machine, also where the machine's is less.
#[test]
fn the_alignment_is_that_of_the_largest_number() {
    fn align<V: TypedValue>(value: V) -> u32 {
        let table = typed(BuildOptions::new(), [(1_u8, value)]);
        table.table().stats().expect("a sound table").value_align
    }
    assert_eq!((align(()), align(1_u8), align([1_u16; 3])), (1, 1, 2));
    assert_eq!((align(1_f32), align(1_f64), align(1_u128)), (4, 8, 16));
    assert_eq!(align(Place { latitude: 1.0, longitude: 2.0 }), 8);
    let table = typed(BuildOptions::new().value_align(64), [(1_u8, 1_u16)]);
    assert_eq!(table.table().stats().expect("a sound table").value_align, 64);
}

#[test]
fn an_empty_typed_table_opens_as_its_types_alone() {
    let table = typed::<u64, u32>(BuildOptions::new(), []).table().clone();
    assert!(table.typed::<u64, u32>().is_ok());
    assert!(table.typed::<u32, u32>().is_err());
    assert!(table.typed::<u64, Place>().is_err());
}

#[test]
fn a_typed_build_has_the_errors_of_a_build() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("t.grv");
    let build =
        |options: BuildOptions, entries: [(i16, u8); 2]| options.build_typed(&path, entries);
    let sorted = BuildOptions::new().sorted(true);
    let error = build(sorted, [(1, 0), (-1, 0)]).expect_err("out of order");
    assert!(matches!(error, BuildError::OutOfOrder { entry: 1, .. }), "{error}");
    let error = build(BuildOptions::new(), [(1, 0), (1, 0)]).expect_err("a repeated key");
    assert!(matches!(error, BuildError::DuplicateKey { .. }), "{error}");
    assert!(!path.exists(), "nothing was published");
    let error = BuildOptions::new().build_typed(&path, [([0_u8; 65_536], ())]).expect_err("long");
    assert!(matches!(error, BuildError::KeyTooLong { len: 65_536, .. }), "{error}");
    BuildOptions::new().build_typed(&path, [([0_u8; 65_535], ())]).expect("the longest key");

    let mut builder = BuildOptions::new().create_typed::<i16, u8>(&path).expect("a builder");
    builder.extend([(3, 1), (-3, 2)]).expect("entries");
    builder.insert(&0, &3).expect("an entry");
    assert_eq!(builder.finish().expect("a table").entries, 3);
    let table = OpenOptions::new().load_typed::<i16, u8>(&path).expect("a table");
    assert_eq!(all(&table), [(-3, &2), (0, &3), (3, &1)]);
}

/// After an error, and after an iterator that panicked, entries are missing: nothing is published.
#[test]
fn a_typed_build_that_failed_stays_so() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("t.grv");
    let create = || {
        let options = BuildOptions::new().durable(false).sorted(true);
        options.create_typed::<u8, u8>(&path).expect("a builder")
    };
    let mut builder = create();
    builder.extend([(1, 1), (0, 0)]).expect_err("out of order");
    assert!(matches!(builder.insert(&2, &2), Err(BuildError::Failed)));
    assert!(matches!(builder.extend([]), Err(BuildError::Failed)));
    assert!(matches!(builder.finish(), Err(BuildError::Failed)));
    let mut builder = create();
    builder.insert(&1, &1).expect("an entry");
    builder.insert(&0, &0).expect_err("out of order");
    assert!(matches!(builder.extend([(2, 2)]), Err(BuildError::Failed)));

    let mut builder = create();
    let panics = (0..9_u8).map(|i| if i < 5 { (i, i) } else { panic!("a part is missing") });
    let extended = std::panic::AssertUnwindSafe(|| builder.extend(panics));
    std::panic::catch_unwind(extended).expect_err("a panic");
    assert!(matches!(builder.finish(), Err(BuildError::Failed)));
    assert!(!path.exists());
}

/// A struct whose text readers would not accept.
#[test]
fn a_type_of_too_many_names_is_refused() {
    macro_rules! wide {
        ($($name:ident: $inner:ty;)*) => {
            graven::typed_value! {$(
                struct $name {
                    a: $inner,
                    b: $inner,
                    c: $inner,
                    d: $inner,
                    e: $inner,
                    f: $inner,
                    g: $inner,
                    h: $inner,
                }
            )*}
        };
    }
    wide! { A: u8; B: A; C: B; D: C; E: D; }
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("t.grv");
    let create = |path| BuildOptions::new().create_typed::<u8, D>(path).map(drop);
    create(&path).expect("a text of less than 65,535 bytes");
    let error = BuildOptions::new().create_typed::<u8, E>(&path).map(drop).expect_err("too long");
    assert!(matches!(error, BuildError::InvalidOption { option: "type", .. }), "{error}");
}

/// A table is shared by threads, whatever its types.
#[test]
fn typed_tables_are_sent_and_shared() {
    fn shared<T: Send + Sync + Clone + 'static>(_: &T) {}
    let table: TypedTable<(u8, i8), Place> = typed(BuildOptions::new(), []);
    shared(&table);
    let text = format!("{table:?} {:?} {:?}", table.iter(), table.cursor());
    let shown = "TypedTable { table: Table { path: ";
    assert!(
        text.starts_with(shown) && text.ends_with("TypedIter { .. } TypedCursor { .. }"),
        "{text}"
    );
    let _: &Table = table.table();
}

/// A table of bytes that says it is typed.
fn crafted(entries: &[(&[u8], &[u8])], types: &[u8], change: fn(&mut Image)) -> Table {
    let entries = entries.iter().map(|(key, value)| (key.to_vec(), value.to_vec())).collect();
    let mut image = Image::of(&Case { value_align: 4, ..Case::of(entries) });
    image.insert_section(TYPES, 0, types);
    image.put8(at::KEY_TYPE, 4);
    image.put8(at::VALUE_TYPE, 3);
    image.put8(at::BYTE_ORDER, if cfg!(target_endian = "little") { 1 } else { 2 });
    change(&mut image);
    image.seal();
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("t.grv");
    std::fs::write(&path, &image.bytes).expect("a file");
    Table::load(&path).expect("a table")
}

/// No file gives values of another type, whatever its header says.
#[test]
fn a_table_that_lies_about_its_types_is_refused() {
    let sound: &[(&[u8], &[u8])] = &[(&[0; 8], &[1, 0, 0, 0]), (&[1; 8], &[2, 0, 0, 0])];
    let short: &[(&[u8], &[u8])] = &[(&[0; 7], &[1; 4])];
    let uneven: &[(&[u8], &[u8])] = &[(&[0; 8], &[1; 4]), (&[0; 7], &[1; 4])];
    let long_value: &[(&[u8], &[u8])] = &[(&[0; 8], &[1; 8])];
    let refused = |entries, types: &[u8], change: fn(&mut Image), expected: &str| {
        let table = crafted(entries, types, change);
        let error = table.typed::<u64, u32>().expect_err(expected);
        assert!(error.to_string().contains(expected), "{error}");
    };
    let table = crafted(sound, b"u64\nu32", |_| {});
    let typed = table.typed::<u64, u32>().expect("these types");
    assert_eq!(typed.last().expect("sound"), Some((0x0101_0101_0101_0101, &u32::from_le(2))));
    table.verify().expect("a sound table");

    refused(sound, b"u64\nu32", |i| i.put8(at::KEY_TYPE, 9), "key type is i64 in the table, u64");
    refused(sound, b"u64\nu32", |i| i.put8(at::VALUE_TYPE, 200), "value type is unknown type");
    refused(sound, b"u64\nu32", |i| i.put8(at::BYTE_ORDER, 0), "value type is of no byte order");
    refused(sound, b"u64\nu32", |i| i.put8(at::BYTE_ORDER, 9), "value type is of an unknown byte");
    refused(sound, b"u64\nu32 ", |_| {}, "value type is u32  in the table, u32 was asked for");
    refused(sound, b"u64\nU32", |_| {}, "value type is U32 in the table, u32 was asked for");
    // A table from before types stood in tables as text.
    let without: fn(&mut Image) = |image| {
        let slot = image.slot(TYPES);
        image.put32(slot, 77);
    };
    let text = "key type is u64 without its whole text (build the table again) in the table";
    refused(sound, b"u64\nu32", without, text);
    for types in [&b""[..], b"u64", b"u64\nu32\n", b"\n", b"u64\nu\x1b32", b"u64\n\xFFu32"] {
        let table = crafted(sound, types, |_| {});
        let error = table.typed::<u64, u32>().expect_err("nonsense");
        assert!(
            matches!(error.failure(), OpenFailure::Damaged(ReadFailure::Corrupt { .. })),
            "{error}"
        );
        assert!(table.verify().is_err() && table.stats().is_err(), "{types:?}");
        assert!(table.get([0; 8].as_slice()).expect("still a table of bytes").is_some());
    }
    let long = ["u64\n", &"u".repeat(140_000)].concat();
    let error = crafted(sound, long.as_bytes(), |_| {}).typed::<u64, u32>().expect_err("too long");
    assert!(
        matches!(error.failure(), OpenFailure::Damaged(ReadFailure::Corrupt { .. })),
        "{error}"
    );
    // Types as asked for, and bytes that do not fit them.
    refused(short, b"u64\nu32", |_| {}, "key type is 7 bytes in the table, 8 bytes was asked for");
    refused(uneven, b"u64\nu32", |_| {}, "key type is of no fixed length in the table");
    refused(long_value, b"u64\nu32", |_| {}, "value type is 8 bytes in the table, 4 bytes");
    let error = crafted(sound, b"u64\nu32", |image| image.put8(at::VALUE_ALIGN, 0));
    let error = error.typed::<u64, u32>().expect_err("values at odd places");
    assert!(matches!(error.failure(), OpenFailure::Misaligned { needed: 4, got: 1 }), "{error}");
}

/// A damaged page of a typed table gives an error where it is touched.
#[test]
fn damage_is_an_error() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("t.grv");
    BuildOptions::new()
        .build_typed(&path, (0..2_000_u32).map(|i| (i, u64::from(i))))
        .expect("built");
    let mut bytes = std::fs::read(&path).expect("the table");
    // In the records, beyond the page of the header.
    bytes[8_200] ^= 1;
    let damaged = directory.path().join("damaged");
    std::fs::write(&damaged, bytes).expect("a file");
    let table = OpenOptions::new().load_typed::<u32, u64>(&damaged).expect("sound ends");
    assert!(table.iter().any(|entry| entry.is_err()));
    assert!(table.keys().any(|key| key.is_err()) && table.values().any(|value| value.is_err()));
    let keys: Vec<u32> = (0..2_000).collect();
    let mut out = vec![Some(&7)];
    assert!(table.get_many(&keys).is_err() && table.get_many_into(&keys, &mut out).is_err());
    assert!(out.is_empty());
    assert!(keys.iter().any(|key| table.get(key).is_err()));
    assert_eq!(table.get(&1).expect("another page"), Some(&1));
}
