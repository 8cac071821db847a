//! Every query of the public API, for tables of which nothing is known. The answers do
//! not matter; that there is one does, and that no walk gives more entries than the table has.

use graven::{Cursor, Iter, Table, TypedKey, TypedValue};
use std::hint::black_box;

/// Entries of a walk: enough to leave a block or two. A damaged table can claim any number.
const WALK: usize = 40;
/// Keys of a batch that goes through the stages in parts.
const MANY: usize = 150;

pub(crate) fn ask_everything(table: &Table, keys: &[&[u8]]) {
    let _ = black_box((table.len(), table.distinct_keys(), table.is_empty()));
    if let Ok(metadata) = table.metadata() {
        for (key, value) in metadata.iter() {
            let _ = black_box((touch(key), touch(value), metadata.get(key)));
        }
    }
    if let Ok(stats) = table.stats() {
        black_box(stats.overhead_per_entry());
        black_box(stats.hash_index.map(|hash| (hash.load(), hash.mean_probes())));
    }
    let _ = black_box(table.verify());

    let most = table.len();
    walk(table.iter());
    walk(table.iter().rev());
    walk_all_ways(most, &table.iter());
    for bytes in table.keys().take(WALK).chain(table.values().take(WALK)).flatten() {
        touch(bytes);
    }
    for bytes in table.keys().rev().take(WALK).chain(table.values().rev().take(WALK)).flatten() {
        touch(bytes);
    }
    parts(table);
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
        let values = table.get_all(key).take(WALK).flatten().inspect(|value| touch(value));
        assert!(values.count() as u64 <= most, "more values than entries");
        pair(table.floor(key));
        pair(table.ceil(key));
        pair(table.longest_prefix(key));
        let prefixes = table.prefixes_of(key).take(WALK);
        let prefixes = prefixes.flatten().inspect(|(found, value)| {
            touch(value);
            assert!(key.starts_with(found), "no prefix of what was asked for");
        });
        assert!(prefixes.count() as u64 <= most, "more prefixes than entries");
        let _ = black_box(table.count_of(key));
        let _ = black_box(table.rank(key));
        let other = keys[keys.len() - 1 - i];
        let _ = black_box(table.count(key..other));
        let _ = black_box(table.count(..=key));
        walk(table.range(key..other).take(20));
        walk(table.range(other..=key).rev().take(20));
        let entries = [table.range(key..), table.range(..key), table.prefix(key)];
        walk_all_ways(most, &entries[i % 3]);

        let mut cursor = table.cursor();
        let _ = black_box(cursor.seek_ceil(key));
        for step in 0..20 {
            touch(cursor.key().unwrap_or_default());
            touch(cursor.value().unwrap_or_default());
            let _ = black_box(if step % 3 == 2 { cursor.prev() } else { cursor.next() });
        }
        let _ = black_box(cursor.seek_floor(key));
        for _ in 0..5 {
            touch(cursor.key().unwrap_or_default());
            let _ = black_box(cursor.prev());
        }
        let _ = black_box(cursor.seek_last());
        let _ = black_box(cursor.next());
        let _ = black_box(cursor.seek_first());
        let _ = black_box(cursor.prev());
        for turn in [Cursor::next, Cursor::prev] {
            let (mut on_entry, mut entries) = (cursor.seek_ceil(key), 0);
            while matches!(on_entry, Ok(true)) && entries <= WALK as u64 {
                entries += 1;
                assert!(entries <= most, "a cursor meets more than the table's entries");
                on_entry = turn(&mut cursor);
            }
        }
    }

    ask_typed::<u32, u64>(table);
    ask_typed::<i64, u16>(table);
    ask_typed::<(u16, [u8; 2]), [u32; 2]>(table);
    ask_typed::<[u8; 4], [u8; 8]>(table);

    // Once more with so many keys that they go through the stages in parts.
    let many: Vec<_> = keys.iter().cycle().take(MANY).copied().collect();
    for keys in [keys, &many] {
        let mut out = Vec::new();
        match table.get_many_into(keys, &mut out) {
            Ok(()) => assert_eq!(out.len(), keys.len()),
            Err(_) => assert!(out.is_empty()),
        }
        for value in out.into_iter().flatten() {
            touch(value);
        }
    }
    let _ = black_box(table.rank_many(keys));
    for (key, value) in table.ceil_many(keys).into_iter().flatten().flatten() {
        touch(key);
        touch(value);
    }
}

/// Opens the table with types that may be the wrong ones, and reads it with them.
fn ask_typed<K: TypedKey, V: TypedValue>(table: &Table) {
    let Ok(typed) = table.typed::<K, V>() else { return };
    for (key, _) in typed.iter().take(WALK).chain(typed.iter().rev().take(WALK)).flatten() {
        let _ = black_box((typed.contains_key(&key), typed.get(&key).is_ok()));
        let _ = black_box((typed.range(key..=key).count(), typed.count(..key)));
        let _ = black_box((typed.floor(&key).is_ok(), typed.ceil(&key).is_ok(), typed.rank(&key)));
        let _ = black_box((typed.get_all(&key).count(), typed.get_many(&[key]).is_ok()));
        let mut cursor = typed.cursor();
        let _ = black_box((cursor.seek_ceil(&key), cursor.key().is_some(), cursor.prev()));
    }
    let _ = black_box((typed.first().is_ok(), typed.last().is_ok(), typed.nth(1).is_ok()));
}

/// Parts and counts of distinct keys, as far as they are walked: no more entries than the table
/// has, and all of them if nothing failed.
fn parts(table: &Table) {
    let most = table.len();
    for n in [0, 1, 2, 7, 64] {
        let parts = table.split(n);
        let (count, ranks) = (parts.len() as u128, u128::from(most));
        for (mut part, i) in parts.into_iter().zip(0..) {
            // As many as the ranks of its ends say.
            let right = (ranks * (i + 1) / count - ranks * i / count) as u64;
            let (mut entries, mut failed) = (0, false);
            for entry in part.by_ref().take(WALK) {
                entries += u64::from(entry.is_ok());
                failed |= entry.is_err();
                pair(entry.map(Some));
            }
            let cut = entries == WALK as u64;
            assert!(entries <= right, "{entries} of {right} entries in part {i} of {count}");
            assert!(entries == right || failed || cut, "{entries} of {right} in part {i}");
        }
    }
    let mut entries = 0;
    let mut counts = table.key_counts();
    for _ in 0..WALK {
        match counts.next() {
            Some(Ok((key, count))) => {
                touch(key);
                entries += count;
            }
            Some(Err(_)) => {
                assert!(counts.next().is_none(), "counts go on after their error");
                break;
            }
            None => {
                assert_eq!(entries, most, "entries of distinct keys");
                break;
            }
        }
        assert!(entries <= most, "{entries} of {most} entries counted");
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

/// Steps from both ends, one by one and by rank, each way until its end: there are no more entries
/// than the table has, and none after an error.
fn walk_all_ways(most: u64, entries: &Iter<'_>) {
    type Step = fn(&mut Iter<'_>, usize) -> Option<bool>;
    let ways: [Step; 6] = [
        |iter, _| Some(iter.next()?.is_ok()),
        |iter, _| Some(iter.next_back()?.is_ok()),
        |iter, i| Some(if i % 2 == 0 { iter.next()? } else { iter.next_back()? }.is_ok()),
        |iter, _| Some(iter.nth(1)?.is_ok()),
        |iter, _| Some(iter.nth_back(1)?.is_ok()),
        |iter, i| Some(if i % 2 == 0 { iter.nth(i % 7)? } else { iter.nth_back(i % 5)? }.is_ok()),
    ];
    for step in ways {
        let mut iter = entries.clone();
        black_box(iter.len());
        for i in 0..WALK {
            match step(&mut iter, i) {
                Some(true) => assert!((i as u64) < most, "more than the table's {most} entries"),
                Some(false) => {
                    assert_eq!(step(&mut iter, i), None, "an iterator goes on after its error");
                    break;
                }
                None => break,
            }
        }
    }
}

/// Reads every byte, so that the sanitizer sees a slice that reaches too far.
fn touch(bytes: &[u8]) {
    black_box(bytes.iter().fold(0u8, |sum, &byte| sum ^ byte));
}
