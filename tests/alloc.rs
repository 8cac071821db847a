//! Guards against an allocation that slips into a lookup: it costs more than the lookup, takes a
//! lock, and can fail. After open, queries allocate nothing; open itself allocates one bit per
//! page and a constant.

#![expect(unsafe_code, reason = "counts allocations, and maps the tables under test")]

mod common;

#[cfg(all(feature = "fsst", feature = "zstd"))]
use common::craft::Image;
use common::{Case, Model, generate};
use graven::{HashIndex, OpenOptions, Table};
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

struct Counting;

thread_local! {
    /// Allocations of this thread and their bytes.
    static COUNT: Cell<(u64, u64)> = const { Cell::new((0, 0)) };
}

fn count(bytes: usize) {
    COUNT.set((COUNT.get().0 + 1, COUNT.get().1 + bytes as u64));
}

// SAFETY: hands everything on to the system's allocator; the counter allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size());
        // SAFETY: the caller keeps the same contract.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(layout.size());
        // SAFETY: the caller keeps the same contract.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        count(new_size);
        // SAFETY: the caller keeps the same contract.
        unsafe { System.realloc(pointer, layout, new_size) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps the same contract.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Allocations and bytes that `work` takes on this thread.
fn allocations<T>(work: impl FnOnce() -> T) -> ((u64, u64), T) {
    let before = COUNT.get();
    let result = work();
    let after = COUNT.get();
    ((after.0 - before.0, after.1 - before.1), result)
}

/// Tables of every kind of layout and index.
fn cases() -> Vec<(&'static str, Case)> {
    let never = HashIndex::Never;
    let always = HashIndex::Always;
    let mut repeated = generate::varied(3_000);
    repeated.extend(generate::varied(3_000));
    vec![
        ("empty", Case::default()),
        ("one block", Case::of(generate::varied(5))),
        ("hash index", Case { hash_index: always, ..Case::of(generate::varied(5_000)) }),
        ("ordered index", Case { hash_index: never, ..Case::of(generate::varied(5_000)) }),
        ("repeated keys", Case { hash_index: always, ..Case::of(repeated) }),
        ("line index", Case::of(generate::fixed(5_000, 8, 8))),
        (
            "tree of fixed width",
            Case { hash_index: never, ..Case::of(generate::fixed(5_000, 8, 8)) },
        ),
        (
            "hash of fixed width",
            Case { hash_index: always, ..Case::of(generate::fixed(5_000, 8, 8)) },
        ),
    ]
}

/// Every query that is documented to allocate nothing, first touches of pages included.
fn queries<'t>(table: &'t Table, keys: &[&[u8]], out: &mut Vec<Option<&'t [u8]>>) -> u64 {
    let mut hits = 0;
    table.get_many_into(keys, out).unwrap();
    for key in keys {
        hits += u64::from(table.get(key).unwrap().is_some());
        hits += u64::from(table.contains_key(key).unwrap());
        hits += table.get_all(key).map(|value| value.unwrap().len() as u64).sum::<u64>();
        hits += table.rank(key).unwrap() + table.count(*key..).unwrap();
        hits += u64::from(table.floor(key).unwrap().is_some());
        hits += u64::from(table.ceil(key).unwrap().is_some());
        hits += u64::from(table.longest_prefix(key).unwrap().is_some());
        hits += table.prefixes_of(key).count() as u64 + table.count_of(key).unwrap();
        hits += table.range(*key..).take(3).count() as u64;
        hits += table.range(..*key).rev().take(3).count() as u64;
    }
    hits += table.iter().map(|entry| entry.unwrap().1.len() as u64).sum::<u64>();
    hits += table.iter().rev().map(|entry| entry.unwrap().1.len() as u64).sum::<u64>();
    hits += table.keys().count() as u64 + table.values().rev().count() as u64;
    hits += table.key_counts().count() as u64;
    hits += (0..50).filter(|&rank| table.nth(rank * 31).unwrap().is_some()).count() as u64;
    hits += u64::from(table.first().unwrap().is_some());
    hits += u64::from(table.last().unwrap().is_some());

    hits += owned_queries(table, keys);

    let mut cursor = table.cursor();
    for key in keys {
        hits += u64::from(cursor.seek_ceil(key).unwrap());
        hits += u64::from(cursor.prev().unwrap()) + u64::from(cursor.next().unwrap());
        hits += u64::from(cursor.seek_floor(key).unwrap());
    }
    hits += u64::from(cursor.seek_last().unwrap());
    while cursor.prev().unwrap() {
        hits += 1;
    }
    hits
}

/// Values and iterators that own the table share it and copy nothing.
fn owned_queries(table: &Table, keys: &[&[u8]]) -> u64 {
    let mut hits = 0;
    for key in keys {
        let value = table.get_owned(key).unwrap();
        hits += u64::from(value.clone() == value && value.is_some());
        let floor = table.floor(key).unwrap();
        hits += u64::from(floor.is_some_and(|(key, _)| table.slice_ref(key).is_some()));
        let mut from = table.clone().into_range(*key..);
        while let Some(entry) = from.lend_next_back() {
            hits += u64::from(entry.is_ok());
            if hits % 3 == 0 {
                break;
            }
        }
    }
    let entries = table.clone().into_iter();
    hits + entries.map(|entry| entry.unwrap().1.len() as u64).sum::<u64>()
}

#[test]
fn queries_allocate_nothing() {
    for (name, case) in cases() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("t");
        case.build(&path).unwrap();
        let Model { map, .. } = case.model();
        let absent: Vec<Vec<u8>> = map.keys().step_by(7).map(|k| [k, &b"!"[..]].concat()).collect();
        let mut keys: Vec<&[u8]> = map.keys().step_by(3).map(Vec::as_slice).collect();
        keys.extend(absent.iter().map(Vec::as_slice));
        // SAFETY: nobody else knows the file.
        let mapped = unsafe { Table::open(&path) }.unwrap();
        for table in [mapped, Table::load(&path).unwrap()] {
            let mut out = Vec::with_capacity(keys.len());
            let ((count, bytes), hits) = allocations(|| queries(&table, &keys, &mut out));
            println!("{name}: {hits} hits, {count} allocations of {bytes} bytes");
            assert_eq!(count, 0, "{name}");
            assert!(hits > 0 || map.is_empty());
        }
    }
}

/// Open allocates by the length of the file: a bit per page, and a constant.
#[test]
fn open_allocates_little() {
    const CONSTANT: u64 = 4096;
    for (name, case) in cases() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("t");
        case.build(&path).unwrap();
        let bound = path.metadata().unwrap().len() / 32_768 + CONSTANT;
        // SAFETY: nobody else knows the file.
        let ((_, mapped), table) = allocations(|| unsafe { Table::open(&path) }.unwrap());
        drop(table);
        let ((_, loaded), table) = allocations(|| OpenOptions::new().load(&path).unwrap());
        drop(table);
        let bytes: &'static [u8] = Box::leak(std::fs::read(&path).unwrap().into_boxed_slice());
        let ((_, borrowed), _) = allocations(|| Table::from_bytes(bytes).unwrap());
        println!("{name}: {mapped} bytes mapped, {loaded} loaded, {borrowed} borrowed");
        assert!(mapped.max(loaded).max(borrowed) <= bound, "{name}");
    }
}

/// A live table is asked for at every request: pinning it, and finding that it is still the newest
/// one, are as cheap as lookups.
#[test]
#[cfg(unix)]
fn an_unchanged_live_table_allocates_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("t");
    Case::of(generate::varied(50)).build(&path).unwrap();
    // SAFETY: nobody else knows the file.
    let live = unsafe { graven::Live::open(&path) }.unwrap();
    // The first load on a thread gets it its place for pins.
    drop(live.pin());
    let ((count, bytes), ()) = allocations(|| {
        for _ in 0..100 {
            assert_eq!(live.refresh().unwrap(), graven::RefreshOutcome::Unchanged);
            assert!(!live.pin().is_empty());
        }
    });
    assert_eq!((count, bytes), (0, 0));
}

/// Two bits for a page, and a constant.
#[test]
fn salvage_allocates_little() {
    const CONSTANT: u64 = 4096;
    for (name, case) in cases() {
        let bytes = case.bytes();
        let bound = bytes.len() as u64 / 16_384 + CONSTANT;
        let table = Table::from_bytes(bytes).unwrap();
        let ((_, taken), found) = allocations(|| table.salvage().count());
        println!("{name}: {taken} bytes for {found} entries");
        assert!(taken <= bound && found as u64 == table.len(), "{name}: {taken} bytes");
    }
}

/// Dictionaries that take as much room as any may: the longest, and that of the most codes. The
/// memory of zstd itself, which copies its dictionary, comes from elsewhere.
#[test]
#[cfg(all(feature = "fsst", feature = "zstd"))]
fn open_of_large_dictionaries() {
    const MOST: u64 = 16 << 20;
    const LONGEST: usize = 1 << 20;
    let symbols = |symbols: &[Vec<u8>]| {
        let lengths = symbols.iter().map(|symbol| symbol.len() as u8);
        let count = (symbols.len() as u32).to_le_bytes();
        [&count[..], &lengths.collect::<Vec<_>>(), &symbols.concat()].concat()
    };
    let long: Vec<Vec<u8>> =
        (0..4095u16).map(|i| [&i.to_be_bytes()[..], &[b's'; 253]].concat()).collect();
    // Each second string of two bytes cuts an interval in two.
    let many: Vec<Vec<u8>> = (0..32_000u16).map(|i| (2 * i + 1).to_be_bytes().into()).collect();
    for (name, keys) in [("long", symbols(&long)), ("many", symbols(&many))] {
        assert!(keys.len() <= LONGEST);
        let mut block = [0; 64];
        (block[0], block[1]) = (1, 1);
        block[16..20].copy_from_slice(&(LONGEST as u32).to_le_bytes());
        block[40..44].copy_from_slice(&(keys.len() as u32).to_le_bytes());
        let section = [&block[..], &[b'd'; LONGEST], &keys].concat();
        let mut image = Image::of(&Case::of(vec![(vec![0, 97], vec![0, 1])]));
        image.insert_section(10, 1, &section);
        image.seal();
        let bytes: &'static [u8] = Box::leak(image.bytes.into_boxed_slice());
        let ((_, taken), table) = allocations(|| graven::PackedTable::from_bytes(bytes).unwrap());
        assert!(table.has_compact_keys());
        println!("{name}: {taken} bytes");
        assert!(taken <= MOST - LONGEST as u64, "{name}: {taken} bytes");
    }
}

/// The counter counts.
#[test]
fn allocations_are_seen() {
    let ((count, bytes), _) = allocations(|| vec![1u8; 1000]);
    assert_eq!((count, bytes), (1, 1000));
    assert_eq!(allocations(|| ()).0, (0, 0));
}
