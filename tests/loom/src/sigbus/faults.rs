//! Models of faults in watched mappings. Addresses are small numbers, and a page has one byte.

use super::registry::{Hole, Watch, note};
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::{Relaxed, Release};
use std::{model, thread};

const PAGE_SIZE: usize = 1;
/// A byte of the file, and what stands for it once its page was lost.
const BYTE: usize = 7;
const ZERO: usize = 0;

/// Watches mappings and makes all their atomics, before there are threads.
fn watch<const N: usize>(mappings: [(usize, usize); N]) -> [Watch; N] {
    let watches = mappings.map(|(start, end)| Watch::new(start, end).expect("a free slot"));
    for (start, _) in mappings {
        let _ = note(start, PAGE_SIZE);
    }
    drop(watches);
    mappings.map(|(start, end)| Watch::new(start, end).expect("a free slot"))
}

/// What the signal handler does.
fn fault(address: usize, page: &AtomicUsize) -> Hole {
    let hole = note(address, PAGE_SIZE).expect("a watched mapping");
    // The kernel replaces a page in the page table, for all processors, before `mmap` returns. It is
    // no weaker than a release store.
    let filled = hole.fill(PAGE_SIZE, |_, _| {
        page.store(ZERO, Release);
        true
    });
    assert!(filled);
    hole
}

/// Guards against zeros that a lookup returns as if they were the file's: two threads fault on one
/// page, while a third reads it and asks whether anything was lost.
pub fn a_replaced_byte_is_known_as_lost() {
    model::check("a_replaced_byte_is_known_as_lost", Some(3), || {
        let [mine] = watch([(10, 20)]);
        let page = Arc::new(AtomicUsize::new(BYTE));
        page.load(Relaxed);
        let lost = mine.lost();
        let faulting = [15, 15].map(|address| {
            let page = Arc::clone(&page);
            thread::spawn(move || {
                fault(address, &page);
                assert_eq!(page.load(Relaxed), ZERO, "the fault is over");
                assert!(!lost.nothing(), "a thread knows of its own fault");
            })
        });
        let byte = page.load(Relaxed);
        assert!(byte == BYTE || !lost.nothing(), "a zero was handed out");
        faulting.into_iter().for_each(|thread| thread.join().expect("no panic"));
        assert_eq!(lost.address(), Some(15));
        drop(mine);
    });
}

/// Guards against a fault that goes to another table: a slot changes its owner while a handler looks
/// for the mapping that it needs. The start of the old mapping and the end of the new one would
/// enclose the address.
pub fn a_slot_that_changes_hands_is_passed_over() {
    model::check("a_slot_that_changes_hands_is_passed_over", Some(3), || {
        let [old, mine, spare] = watch([(10, 20), (50, 60), (70, 80)]);
        drop(spare);
        let page = Arc::new(AtomicUsize::new(BYTE));
        let closing = thread::spawn(move || drop(old));
        let opening = thread::spawn(|| Watch::new(100, 200).expect("a free slot"));
        let hole = fault(55, &page);
        assert_eq!((hole.start, hole.end), (50, 60), "the hole is in the mapping that faulted");
        assert!(!mine.lost().nothing());
        closing.join().expect("no panic");
        let new = opening.join().expect("no panic");
        assert!(new.lost().nothing(), "the other table is whole");
    });
}

/// The same where one thread closes a table and opens the next.
pub fn a_slot_that_one_thread_takes_again_is_passed_over() {
    model::check("a_slot_that_one_thread_takes_again_is_passed_over", None, || {
        let [old, mine] = watch([(10, 20), (50, 60)]);
        let page = Arc::new(AtomicUsize::new(BYTE));
        let other = thread::spawn(move || {
            drop(old);
            Watch::new(100, 200).expect("a free slot")
        });
        let hole = fault(55, &page);
        assert_eq!((hole.start, hole.end), (50, 60), "the hole is in the mapping that faulted");
        let new = other.join().expect("no panic");
        assert!(new.lost().nothing() && !mine.lost().nothing());
    });
}

/// Guards against two tables in one slot, and against a fault in a table that was opened a moment
/// ago and is not found: two threads open a table each, and fault in it.
pub fn two_tables_never_share_a_slot() {
    model::check("two_tables_never_share_a_slot", None, || {
        drop(watch([(10, 20), (30, 40)]));
        let open_and_fault = |start: usize| {
            let page = AtomicUsize::new(BYTE);
            let watch = Watch::new(start, start + 10).expect("a free slot");
            assert!(watch.lost().nothing(), "a slot begins anew");
            let hole = fault(start + 5, &page);
            assert_eq!((hole.start, hole.end), (start, start + 10));
            assert_eq!(watch.lost().address(), Some(start + 5));
            watch
        };
        let other = thread::spawn(move || open_and_fault(100));
        let mine = open_and_fault(200);
        let other = other.join().expect("no panic");
        assert_eq!(mine.lost().address(), Some(205));
        assert_eq!(other.lost().address(), Some(105));
    });
}
