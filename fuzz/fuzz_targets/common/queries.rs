//! Every query of the public API, for tables of which nothing is known. The answers do
//! not matter; that there is one does.

use graven::{Table, TypedKey, TypedTable};
use std::hint::black_box;
use zerocopy::{FromBytes, Immutable, KnownLayout};

/// A table can say that it has more entries than anybody wants to walk.
const WALK: usize = 500;

pub(crate) fn ask_everything(table: &Table, keys: &[&[u8]]) {
    let _ = black_box((table.len(), table.keys_len(), table.is_empty()));
    if let Ok(metadata) = table.metadata() {
        for (key, value) in metadata.iter() {
            let _ = black_box((touch(key), touch(value), metadata.get(key)));
        }
    }
    if let Ok(stats) = table.stats() {
        black_box(stats.overhead_per_entry());
        black_box(stats.hash.map(|hash| (hash.load(), hash.mean_probes())));
    }
    let _ = black_box(table.verify());

    walk(table.iter());
    walk(table.iter().rev());
    meet_in_the_middle(table.iter());
    for bytes in table.keys().take(WALK).chain(table.values().take(WALK)).flatten() {
        touch(bytes);
    }
    for bytes in table.keys().rev().take(WALK).chain(table.values().rev().take(WALK)).flatten() {
        touch(bytes);
    }
    pair(table.first());
    pair(table.last());
    for n in [0, 1, table.len() / 2, table.len().wrapping_sub(1), table.len(), u64::MAX] {
        pair(table.nth(n));
    }

    for (i, &key) in keys.iter().enumerate() {
        if let Ok(Some(value)) = table.get(key) {
            touch(value);
        }
        let _ = black_box(table.contains_key(key));
        for value in table.get_all(key).take(WALK).flatten() {
            touch(value);
        }
        pair(table.floor(key));
        pair(table.ceil(key));
        pair(table.longest_prefix(key));
        let _ = black_box(table.rank(key));
        let other = keys[keys.len() - 1 - i];
        let _ = black_box(table.count(key..other));
        let _ = black_box(table.count(..=key));
        walk(table.range(key..other).take(20));
        walk(table.range(other..=key).rev().take(20));
        walk(table.range(key..).take(20));
        walk(table.range(..key).rev().take(20));
        walk(table.prefix(key).take(20));
        walk(table.prefix(key).rev().take(20));

        let mut cursor = table.cursor();
        let _ = black_box(cursor.seek(key));
        for step in 0..20 {
            touch(cursor.key().unwrap_or_default());
            touch(cursor.value().unwrap_or_default());
            let _ = black_box(if step % 3 == 2 { cursor.prev() } else { cursor.next() });
        }
        let _ = black_box(cursor.seek_for_prev(key));
        for _ in 0..5 {
            touch(cursor.key().unwrap_or_default());
            let _ = black_box(cursor.prev());
        }
        let _ = black_box(cursor.seek_to_last());
        let _ = black_box(cursor.next());
        let _ = black_box(cursor.seek_to_first());
        let _ = black_box(cursor.prev());
    }

    ask_typed::<u32, u64>(table);
    ask_typed::<i64, u16>(table);
    ask_typed::<[u8; 4], [u8; 8]>(table);

    let mut out = Vec::new();
    match table.get_many(keys, &mut out) {
        Ok(()) => assert_eq!(out.len(), keys.len()),
        Err(_) => assert!(out.is_empty()),
    }
    for value in out.into_iter().flatten() {
        touch(value);
    }
}

/// Opens the table with types that may be the wrong ones, and reads it with them.
fn ask_typed<K: TypedKey, V: FromBytes + Immutable + KnownLayout + 'static>(table: &Table) {
    let Ok(typed) = TypedTable::<K, V>::new(table.clone()) else { return };
    for (key, _) in typed.iter().take(WALK).chain(typed.iter().rev().take(WALK)).flatten() {
        let _ = black_box((typed.contains_key(&key), typed.get(&key).is_ok()));
        let _ = black_box(typed.range(&key, &key).count());
    }
}

fn pair<E>(entry: Result<Option<(&[u8], &[u8])>, E>) {
    if let Ok(Some((key, value))) = entry {
        touch(key);
        touch(value);
    }
}

fn walk<'t, E>(entries: impl Iterator<Item = Result<(&'t [u8], &'t [u8]), E>>) {
    for (key, value) in entries.take(WALK).flatten() {
        touch(key);
        touch(value);
    }
}

fn meet_in_the_middle<'t, E>(
    mut entries: impl DoubleEndedIterator<Item = Result<(&'t [u8], &'t [u8]), E>>,
) {
    for _ in 0..WALK {
        let (front, back) = (entries.next(), entries.next_back());
        if front.is_none() && back.is_none() {
            break;
        }
        black_box((front, back).0.is_some());
    }
}

/// Reads every byte, so that the sanitizer sees a slice that reaches too far.
fn touch(bytes: &[u8]) {
    black_box(bytes.iter().fold(0u8, |sum, &byte| sum ^ byte));
}
