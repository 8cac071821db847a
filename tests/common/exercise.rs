//! Every query of a table whose bytes may lie, and short names for what became of it.

use graven::{
    Cursor, Iter, MergeError, OpenError, OpenFailure, PackedTable, Patch, ReadError, ReadFailure,
    Table, ValueBuffer,
};

/// A short name of an error: its variant, and the field or text that tells its cause.
pub(crate) fn open_error(error: &OpenError) -> String {
    match &error.failure() {
        OpenFailure::InvalidHeader { field, .. } => format!("InvalidHeader({field})"),
        OpenFailure::FooterMismatch { field, .. } => format!("FooterMismatch({field})"),
        OpenFailure::UnsupportedFeature { feature, .. } => format!("UnsupportedFeature({feature})"),
        OpenFailure::Damaged(failure) => read_failure(failure),
        other => variant(other),
    }
}

pub(crate) fn read_error(error: &ReadError) -> String {
    read_failure(&error.failure())
}

fn read_failure(failure: &ReadFailure) -> String {
    match failure {
        ReadFailure::Corrupt { what, .. } => format!("Corrupt({what})"),
        other => variant(other),
    }
}

pub(crate) fn variant(error: &impl std::fmt::Debug) -> String {
    let text = format!("{error:?}");
    // The text ends in the name of the variant: "… (ReadFailure::Checksum)".
    let (_, variant) = text.rsplit_once("::").expect("the name of a variant");
    variant.trim_end_matches(')').to_owned()
}

/// Every query, answers ignored: only panics, hangs and bounds count.
pub(crate) fn exercise(table: &Table) {
    let mut keys: Vec<Vec<u8>> = vec![vec![], vec![0], vec![0xFF; 9], b"key-017".to_vec()];
    keys.extend((0..40).map(|i| format!("key-{i:03}").into_bytes()));
    keys.extend((0..40).map(|i: u32| (i * 3).to_be_bytes().to_vec()));
    keys.extend((0..40).map(|i: u32| (i * i * i + i % 2).to_be_bytes().to_vec()));
    keys.extend(table.keys().take(2_000).step_by(7).map_while(Result::ok).map(<[u8]>::to_vec));
    // Ends at every key of a small table: the place of each is what the index says.
    ask(table, &keys, if table.len() <= 200 { 1 } else { 7 });
}

/// Every query for fewer keys, for files of which there are many.
pub(crate) fn exercise_briefly(table: &Table) {
    let mut keys: Vec<Vec<u8>> = vec![vec![], vec![0xFF; 9], b"key-017".to_vec()];
    let step = (table.len() as usize / 5).clamp(1, 200);
    keys.extend(table.keys().take(1_000).step_by(step).map_while(Result::ok).map(<[u8]>::to_vec));
    if let Some(key) = keys.last() {
        keys.push([key, &b"\0"[..]].concat());
    }
    ask(table, &keys, step);
}

/// Every query for these keys, and walks that end at one of `every` keys.
fn ask(table: &Table, keys: &[Vec<u8>], every: usize) {
    let n = table.len();
    for key in keys {
        let _ = table.get(key);
        let _ = table.contains_key(key);
        bounded("get_all", n, &mut table.get_all(key), |values| values.next().map(|v| v.is_ok()));
        let _ = (table.floor(key), table.ceil(key), table.rank(key), table.longest_prefix(key));
        bounded("prefixes_of", n, &mut table.prefixes_of(key), |entries| {
            entries.next().map(|entry| entry.is_ok())
        });
        let _ = (table.count(key.as_slice()..), table.count_of(key));
        walks(n, &table.prefix(key));
        walks(n, &table.range(key.as_slice()..));
        walks(n, &table.range(..=key.as_slice()));
        cursor_walks(table, key);
    }
    for key in table.keys().take(2_000).step_by(every).map_while(Result::ok) {
        walks(n, &table.range(..key));
    }
    let mut out = Vec::new();
    let _ = table.get_many_into(keys, &mut out);
    // So many keys go through the stages in parts.
    let many: Vec<&[u8]> = keys.iter().map(Vec::as_slice).cycle().take(150).collect();
    let _ = table.get_many_into(&many, &mut out);
    let _ = (table.rank_many(keys), table.ceil_many(keys));
    walks(n, &table.iter());
    parts(table);
    bounded("keys", n, &mut table.keys(), |keys| keys.nth(1).map(|key| key.is_ok()));
    bounded("keys back", n, &mut table.keys(), |keys| keys.nth_back(1).map(|key| key.is_ok()));
    bounded("values", n, &mut table.values(), |values| values.nth(1).map(|v| v.is_ok()));
    bounded("values back", n, &mut table.values(), |v| v.nth_back(1).map(|v| v.is_ok()));
    for rank in (0..40).chain([n / 2, n.wrapping_sub(1), n, u64::MAX]) {
        let _ = table.nth(rank);
        table.iter().nth(rank as usize).into_iter().for_each(drop);
        table.iter().nth_back(rank as usize).into_iter().for_each(drop);
    }
    let _ = (table.first(), table.last(), table.stats());
    if let Ok(metadata) = table.metadata() {
        metadata.iter().take(1 << 16).for_each(drop);
        let _ = metadata.get(b"absent");
    }
}

/// Parts and counts of distinct keys: they cover all entries, or one of them is an error.
fn parts(table: &Table) {
    let n = table.len();
    for asked in [2, 3, 17] {
        let parts = table.split(asked);
        let (count, ranks) = (parts.len() as u128, u128::from(n));
        for (mut part, i) in parts.into_iter().zip(0..) {
            // As many as the ranks of its ends say.
            let right = (ranks * (i + 1) / count - ranks * i / count) as u64;
            let (mut entries, mut failed) = (0, false);
            bounded("split", right, &mut part, |part| {
                let is_entry = part.next()?.is_ok();
                (entries, failed) = (entries + u64::from(is_entry), failed | !is_entry);
                Some(is_entry)
            });
            assert!(failed || entries == right, "{entries} of {right} in part {i} of {count}");
        }
    }
    let (mut entries, mut failed) = (0, false);
    bounded("key_counts", n, &mut table.key_counts(), |counts| {
        let count = counts.next()?;
        failed |= count.is_err();
        entries += count.as_ref().map_or(0, |(_, count)| *count);
        Some(count.is_ok())
    });
    assert!(entries <= n && (failed || entries == n), "{entries} of {n} in keys");
}

/// The ways to step through entries; each gives an item, says whether it is an entry, or is over.
/// The number is that of the step.
type Step = fn(&mut Iter<'_>, usize) -> Option<bool>;
const STEPS: [(&str, Step); 9] = [
    ("next", |iter, _| Some(iter.next()?.is_ok())),
    ("next_back", |iter, _| Some(iter.next_back()?.is_ok())),
    ("both ends", |iter, i| match i % 2 {
        0 => Some(iter.next()?.is_ok()),
        _ => Some(iter.next_back()?.is_ok()),
    }),
    ("step_by 2", |iter, _| Some(iter.nth(1)?.is_ok())),
    ("step_by 2, back", |iter, _| Some(iter.nth_back(1)?.is_ok())),
    ("step_by 31", |iter, _| Some(iter.nth(30)?.is_ok())),
    ("step_by 31, back", |iter, _| Some(iter.nth_back(30)?.is_ok())),
    ("step_by 2, both ends", |iter, i| match i % 2 {
        0 => Some(iter.nth(1)?.is_ok()),
        _ => Some(iter.nth_back(1)?.is_ok()),
    }),
    ("all ways", |iter, i| match i % 5 {
        0 => Some(iter.nth_back(2)?.is_ok()),
        1 => Some(iter.next()?.is_ok()),
        2 => Some(iter.nth(1)?.is_ok()),
        3 => Some(iter.next_back()?.is_ok()),
        _ => Some(iter.nth(i % 3)?.is_ok()),
    }),
];

/// Goes through the entries in every way: none gives more than the table has, nothing follows an
/// error, and what is left to come is never said to be more than the table has.
fn walks(most: u64, entries: &Iter<'_>) {
    for (way, step) in STEPS {
        let mut number = 0;
        bounded(way, most, &mut entries.clone(), |iter| {
            assert!(iter.len() as u64 <= most.max(1), "{way}: {} of {most} are left", iter.len());
            number += 1;
            step(iter, number)
        });
    }
    let folded = entries.clone().fold(0, |sum, entry| sum + u64::from(entry.is_ok()));
    assert!(folded <= most, "fold: {folded} of {most} entries");
    let folded = entries.clone().rfold(0, |sum, entry| sum + u64::from(entry.is_ok()));
    assert!(folded <= most, "rfold: {folded} of {most} entries");
}

/// Steps until the end or the first error, after which there is nothing.
pub(crate) fn bounded<I>(
    way: &str,
    most: u64,
    iter: &mut I,
    mut step: impl FnMut(&mut I) -> Option<bool>,
) {
    let mut entries = 0;
    while let Some(is_entry) = step(iter) {
        if !is_entry {
            assert_eq!(step(iter), None, "{way}: goes on after an error");
            break;
        }
        entries += 1;
        assert!(entries <= most, "{way}: more than the table's {most} entries");
    }
    assert_eq!(step(iter), None, "{way}: goes on after its end");
}

/// From a key to both ends of the table, and from both ends through all of it.
fn cursor_walks(table: &Table, key: &[u8]) {
    type Seek = fn(&mut Cursor<'_>, &[u8]) -> Result<bool, ReadError>;
    let seeks: [(&str, Seek); 4] = [
        ("seek", |cursor, key| cursor.seek_ceil(key)),
        ("seek_floor", |cursor, key| cursor.seek_floor(key)),
        ("seek_first", |cursor, _| cursor.seek_first()),
        ("seek_last", |cursor, _| cursor.seek_last()),
    ];
    for (way, seek) in seeks {
        for turn in [Cursor::next, Cursor::prev] {
            let mut cursor = table.cursor();
            let (mut on_entry, mut entries) = (seek(&mut cursor, key), 0);
            while matches!(on_entry, Ok(true)) {
                entries += 1;
                assert!(entries <= table.len(), "{way}: more than the table's entries");
                on_entry = turn(&mut cursor);
            }
        }
        let mut cursor = table.cursor();
        let _ = (seek(&mut cursor, key), cursor.prev(), cursor.next(), cursor.next());
        let _ = (cursor.prev(), cursor.prev(), cursor.next());
    }
}

/// Every query of a packed table, for its own keys and others.
pub(crate) fn exercise_packed(table: &PackedTable) {
    let n = table.len();
    let limited = || ValueBuffer::with_limit(1 << 20);
    let mut buffer = limited();
    let mut keys: Vec<Vec<u8>> = vec![vec![], vec![0], vec![0xFF; 9], b"https://example".to_vec()];
    keys.extend(table.iter().take(60).step_by(6).map_while(Result::ok).map(|(key, _)| key));
    for key in &keys {
        let _ = (table.get(key, &mut buffer).is_ok(), table.contains_key(key), table.count_of(key));
        let _ = (table.rank(key), table.count(key.as_slice()..));
        let _ = (table.floor(key, &mut buffer).is_ok(), table.ceil(key, &mut buffer).is_ok());
        let _ = table.longest_prefix(key, &mut buffer).is_ok();
        let prefixes = table.prefixes_of(key).with_buffer(limited());
        assert!(prefixes.count() as u64 <= n + 1, "prefixes_of: more than the table's {n} entries");
        assert!(table.get_all(key).count() as u64 <= n + 1, "get_all: more than {n} values");
        let (range, prefix) = (table.range(key.as_slice()..), table.prefix(key));
        for entries in [range, prefix].map(|entries| entries.with_buffer(limited())) {
            // A value that does not decode is an error of its own, and the walk goes on.
            assert!(entries.count() as u64 <= n + 1, "range: more than the table's {n} entries");
        }
        let (mut cursor, mut steps) = (table.cursor_with(limited()), 0);
        let mut on_entry = cursor.seek_ceil(key);
        while matches!(on_entry, Ok(true)) && cursor.entry().is_ok() {
            steps += 1;
            assert!(steps <= n, "cursor: more than the table's {n} entries");
            on_entry = cursor.next();
        }
        let (mut cursor, mut steps) = (table.cursor_with(limited()), 0);
        let mut on_entry = cursor.seek_floor(key);
        while matches!(on_entry, Ok(true)) && cursor.entry().is_ok() {
            steps += 1;
            assert!(steps <= n, "cursor back: more than the table's {n} entries");
            on_entry = cursor.prev();
        }
    }
    let back = table.iter().with_buffer(limited()).rev().count() as u64;
    assert!(back <= n + 1, "back: {back} of {n} entries");
    let many = table.get_many_with(&keys, &mut buffer, |_| ());
    let _ = (many.is_ok(), table.first(&mut buffer).is_ok(), table.last(&mut buffer).is_ok());
    for rank in [0, n / 2, n, u64::MAX] {
        let _ = table.nth(rank, &mut buffer).is_ok();
    }
    assert!(buffer.capacity() <= 2 << 20, "a buffer of {} bytes", buffer.capacity());
}

/// All changes of a patch, up to the first error.
pub(crate) fn exercise_patch(patch: &Patch) -> Result<(), MergeError> {
    let _ = (patch.base(), patch.result());
    let mut left = patch.table().len();
    for change in patch.changes() {
        change?;
        left = left.checked_sub(1).expect("no more changes than entries");
    }
    Ok(())
}
