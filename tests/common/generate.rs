//! The generator: keys, values and whole cases of the kinds that tables are made of, with the
//! awkward ones more frequent than chance would make them.

use super::{Case, Entry, Rng};
use graven::{Duplicates, HashIndex};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use std::ops::Range;

/// Longest key.
pub(crate) const LONGEST_KEY: usize = 65_535;

/// Few bytes, among them the extremes: many equal keys, prefixes of each other, neighbours.
fn awkward_byte() -> impl Strategy<Value = u8> {
    select(&[0x00, 0x01, b'a', b'b', 0x7F, 0x80, 0xFE, 0xFF][..])
}

/// A long prefix that many keys share: longer than what index nodes store of it.
fn long_prefix() -> impl Strategy<Value = Vec<u8>> {
    (select(&[b'p', 0x00, 0xFF][..]), select(&[159usize, 160, 161, 200, 207, 208, 209, 300][..]))
        .prop_map(|(byte, len)| vec![byte; len])
}

/// How the keys of one table look.
pub(crate) fn key_kind() -> impl Strategy<Value = BoxedStrategy<Vec<u8>>> {
    prop_oneof![
        Just(vec(awkward_byte(), 0..6).boxed()),
        Just(vec(awkward_byte(), 0..20).boxed()),
        Just(vec(any::<u8>(), 0..24).boxed()),
        (1usize..20).prop_map(|len| vec(any::<u8>(), len).boxed()),
        (1usize..12).prop_map(|len| vec(awkward_byte(), len).boxed()),
        Just(
            "(https?://)?[a-c]{1,3}\\.(org|com)/[a-z0-9/]{0,30}"
                .prop_map(String::into_bytes)
                .boxed()
        ),
        Just((0u32..5000).prop_map(|n| n.to_string().into_bytes()).boxed()),
        Just((0u64..5000).prop_map(|n| n.to_be_bytes().to_vec()).boxed()),
        // Separators are cut: the prefix is longer than a node's, the rest longer than a tail.
        long_prefix().prop_map(|prefix| {
            let rest = prop_oneof![
                vec(awkward_byte(), 0..6),
                vec(awkward_byte(), 0..80),
                (vec(select(&b"xy"[..]), 50..60), vec(awkward_byte(), 0..4))
                    .prop_map(|(a, b)| [a, b].concat()),
                (0usize..3, vec(awkward_byte(), 0..4)).prop_map(|(n, b)| [
                    vec![b'z'; 40 * n + 20],
                    b
                ]
                .concat()),
            ];
            rest.prop_map(move |rest| [prefix.as_slice(), &rest].concat()).boxed()
        }),
    ]
}

/// How the values of one table look.
pub(crate) fn value_kind() -> impl Strategy<Value = BoxedStrategy<Vec<u8>>> {
    prop_oneof![
        Just(Just(Vec::new()).boxed()),
        (0usize..40).prop_map(|len| vec(any::<u8>(), len).boxed()),
        Just(vec(any::<u8>(), 0..12).boxed()),
        Just(vec(any::<u8>(), 0..300).boxed()),
    ]
}

pub(crate) fn hash_index() -> impl Strategy<Value = HashIndex> {
    select(&[HashIndex::Auto, HashIndex::Always, HashIndex::Never][..])
}

fn duplicates() -> impl Strategy<Value = Duplicates> {
    let all =
        [Duplicates::KeepAll, Duplicates::KeepFirst, Duplicates::KeepLast, Duplicates::Reject];
    prop_oneof![4 => Just(Duplicates::KeepAll), 3 => select(all.to_vec())]
}

fn value_align() -> impl Strategy<Value = u32> {
    prop_oneof![3 => Just(1), 4 => select(&[2u32, 4, 8, 16, 32, 64][..])]
}

fn metadata() -> impl Strategy<Value = Vec<Entry>> {
    let pairs = vec((vec(any::<u8>(), 0..6), vec(any::<u8>(), 0..50)), 1..4);
    prop_oneof![3 => Just(Vec::new()), 1 => pairs]
}

/// Options around the entries.
pub(crate) fn case(entries: impl Strategy<Value = Vec<Entry>>) -> impl Strategy<Value = Case> {
    (entries, duplicates(), hash_index(), value_align(), metadata()).prop_map(
        |(entries, duplicates, hash_index, value_align, metadata)| Case {
            entries,
            duplicates,
            hash_index,
            value_align,
            metadata,
        },
    )
}

/// Entries of one kind.
pub(crate) fn entries(count: Range<usize>) -> impl Strategy<Value = Vec<Entry>> {
    (key_kind(), value_kind()).prop_flat_map(move |(key, value)| vec((key, value), count.clone()))
}

/// Keys that occur up to `most` times each, in runs that are scattered over the input.
pub(crate) fn runs(most: usize) -> impl Strategy<Value = Vec<Entry>> {
    let run = (1..most, prop_oneof![Just(1usize), Just(most)]);
    (key_kind(), value_kind(), any::<u64>())
        .prop_flat_map(move |(key, value, seed)| {
            (vec((key, run.clone(), vec(value, 1..5)), 1..8), Just(seed))
        })
        .prop_map(|(runs, seed)| {
            let mut entries: Vec<Entry> = runs
                .into_iter()
                .flat_map(|(key, (some, all), values)| {
                    let count = some.max(all);
                    (0..count).map(move |i| (key.clone(), values[i % values.len()].clone()))
                })
                .collect();
            // Distinguishable values, so that the order among equals shows.
            for (i, entry) in entries.iter_mut().enumerate() {
                if let Some(first) = entry.1.first_mut() {
                    *first = i as u8;
                }
            }
            Rng::new(seed).shuffle(&mut entries);
            entries
        })
}

/// Keys up to the longest, values beyond a block's and a page's bytes.
pub(crate) fn large_entries() -> impl Strategy<Value = Vec<Entry>> {
    let len = prop_oneof![
        0usize..300,
        4000usize..4200,
        8100usize..8300,
        Just(LONGEST_KEY),
        Just(LONGEST_KEY - 1),
    ];
    let key = (select(&[b'k', 0x00, 0xFF][..]), len, vec(awkward_byte(), 0..4)).prop_map(
        |(byte, len, end)| {
            let mut key = vec![byte; len];
            let end = &end[..end.len().min(len)];
            key[len - end.len()..].copy_from_slice(end);
            key
        },
    );
    let len = prop_oneof![0usize..20, 4000usize..4200, 8000usize..9000, 60_000usize..70_000];
    let value = (any::<u8>(), len).prop_map(|(byte, len)| {
        (0..len).map(|i| byte.wrapping_add((i / 7) as u8)).collect::<Vec<u8>>()
    });
    vec((key, value), 0..12)
}

/// `count` entries with distinct keys of one width and values of one width, in no order.
pub(crate) fn fixed(count: usize, key: usize, value: usize) -> Vec<Entry> {
    let mut rng = Rng::new(count as u64);
    (0..count as u64)
        .map(|i| {
            // An odd factor makes a permutation of the numbers below 2^32.
            let n = (i.wrapping_mul(0x9E37_79B1) & 0xFFFF_FFFF).to_be_bytes();
            let mut bytes = vec![0; key.max(4)];
            bytes[..4].copy_from_slice(&n[4..]);
            (bytes, rng.bytes(value))
        })
        .collect()
}

/// `count` entries with distinct keys and values of many lengths, in no order.
pub(crate) fn varied(count: usize) -> Vec<Entry> {
    let mut rng = Rng::new(!(count as u64));
    let mut entries: Vec<Entry> = (0..count)
        .map(|i| {
            let key = format!("{}/{i}", ["a", "bb/bb", "c/c/c/c/c", ""][i % 4]);
            let len = rng.below(30);
            (key.into_bytes(), rng.bytes(len))
        })
        .collect();
    rng.shuffle(&mut entries);
    entries
}
