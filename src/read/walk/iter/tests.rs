//! Guards against a fast way that takes nothing, so that each entry comes the slow way, against one that
//! takes more than lies between the two ends, and against an iterator that follows a damaged index.

use super::super::tables::{built, entries, places, slices, trusted, unchecked};
use super::*;
use crate::error::ReadFailure;
use crate::format::layout::Span;
use crate::format::sums::UNIT;
use crate::read::pages::page_end;

fn between(view: &View, from: Place, to: Place) -> Iter<'_> {
    Iter::between(view, Ok(from.into()), Ok(to), 0)
}

fn whole(view: &View) -> Iter<'_> {
    between(view, view.start(), view.end())
}

/// What a step says about a damaged table.
fn failure(step: Option<ReadResult<Entry<'_>>>) -> ReadFailure {
    step.expect("an item").expect_err("no entry").failure()
}

fn corrupt(what: &'static str, place: Place) -> ReadFailure {
    ReadFailure::Corrupt { what, offset: place.offset as u64 }
}

/// Collects the entries of a fold.
fn push<'t>(mut all: Vec<Entry<'t>>, entry: ReadResult<Entry<'t>>) -> Vec<Entry<'t>> {
    all.push(entry.unwrap());
    all
}

#[test]
fn about_ten_records_are_prefetched() {
    let layout = trusted(&built(&entries(20, false))).layout().clone();
    for (bytes, entries, right) in [
        (0, 0, FETCH_LEAST),
        (250, 10, FETCH_LEAST),
        (1099, 10, 1090),
        (10_000, 100, 1000),
        (400, 2, 2000),
        (1 << 30, 2, FETCH_MOST),
    ] {
        let records = Span { start: 512, end: 512 + bytes };
        let layout = Layout { records, entries, ..layout.clone() };
        assert_eq!(Iter::first_walk(&layout), right, "{bytes} bytes, {entries} entries");
    }
}

#[test]
fn a_walk_knows_how_far_pages_are_checked() {
    let bytes = built(&entries(3000, false));
    let view = trusted(&bytes);
    let middle = places(&view)[1500];
    assert_eq!(whole(&view).ahead.len(), view.end().offset);

    let view = unchecked(&bytes);
    let mut iter = whole(&view);
    assert_eq!(iter.ahead.len(), 0);
    iter.checked_next().unwrap().unwrap();
    assert_eq!(iter.ahead.len(), page_end(view.start().offset));
    Iter::skip(&mut iter, 1499).unwrap();
    assert_eq!(iter.walk.front, middle.offset);
    view.pages().mark(middle.offset / UNIT);
    iter.look_ahead();
    assert_eq!(iter.ahead.len(), page_end(middle.offset));
}

/// A walk asks for a window once it is on checked pages, and goes as far as the window allows.
#[cfg(target_os = "linux")]
#[test]
fn a_walk_over_a_table_that_exceeds_the_memory_goes_by_windows() {
    let bytes = built(&entries(3000, false));
    let view = super::super::tables::exceeding_memory(&bytes);
    let ahead = |iter: &Iter<'_>| (iter.ahead.len(), iter.walk.windows[0].clone());
    assert_eq!(ahead(&whole(&view)), (0, Windows::START));

    (0..view.layout().sums.start.div_ceil(UNIT)).for_each(|unit| view.pages().mark(unit));
    let (start, end) = (view.start(), view.end());
    let (limit, windows) = ahead(&whole(&view));
    assert_eq!(limit, page_end(start.offset));
    assert!(limit < end.offset && windows != Windows::START);

    let failed = Iter::between(&view, Err(view.corrupt(MISPLACED, 7)), Ok(end), 0);
    assert_eq!(ahead(&failed), (0, Windows::START));
}

#[test]
fn an_entry_on_checked_pages_is_ready() {
    for fixed in [false, true] {
        let entries = entries(20, fixed);
        let bytes = built(&entries);
        let view = trusted(&bytes);
        let mut iter = whole(&view);
        let ready: Vec<_> = std::iter::from_fn(|| iter.ready()).collect();
        assert_eq!(ready, slices(&entries));
        assert_eq!(whole(&unchecked(&bytes)).ready(), None);
    }
}

#[test]
fn records_of_fixed_width_are_taken_in_runs() {
    const ENTRIES: usize = 10_000;
    let view = trusted(&built(&entries(ENTRIES, true)));
    let (table, fixed) = (view.bytes(), view.layout().fixed.unwrap());
    let (start, end) = (view.start().offset, view.end().offset);
    let most = RUN / fixed.stride * fixed.stride;
    assert!((start + most..start + 2 * most).contains(&end));

    let mut iter = whole(&view);
    let run = iter.take_run(&fixed).as_ptr_range();
    assert_eq!(run, table[start..start + most].as_ptr_range());
    assert_eq!(iter.walk.front, start + most);
    assert_eq!(iter.walk.left, (ENTRIES - most / fixed.stride) as u64);
    let run = iter.take_run(&fixed).as_ptr_range();
    assert_eq!(run, table[start + most..end].as_ptr_range());
    assert_eq!((iter.walk.left, iter.take_run(&fixed).len()), (0, 0));

    let mut iter = whole(&view);
    assert!(iter.take_run_back(&fixed).is_empty(), "no page at the end is known to be checked");
    iter.checked_next_back().unwrap().unwrap();
    let end = end - fixed.stride;
    let run = iter.take_run_back(&fixed).as_ptr_range();
    assert_eq!(run, table[end - most..end].as_ptr_range());
    assert_eq!(iter.walk.end.offset, end - most);
    let run = iter.take_run_back(&fixed).as_ptr_range();
    assert_eq!(run, table[start..end - most].as_ptr_range());
    assert_eq!((iter.walk.left, iter.take_run_back(&fixed).len()), (0, 0));
}

/// Where the rank of the front is unknown, the number of entries that are left does not end a walk.
#[test]
fn entries_of_variable_width_are_folded_up_to_the_ends() {
    let entries = entries(20, false);
    let right = slices(&entries[3..9]);
    let view = trusted(&built(&entries));
    let places = places(&view);
    for rank in [Some(3), None] {
        let start = Start { rank, offset: places[3].offset };
        let iter = Iter::between(&view, Ok(start), Ok(places[9]), 0);
        let left = iter.walk.left - 6;

        let mut up = iter.clone();
        assert_eq!(up.fold_ready(Vec::new(), &mut push), right);
        assert_eq!((up.walk.front, up.walk.left), (places[9].offset, left));

        let mut down = iter;
        let folded = down.rfold_ready(Vec::new(), &mut push);
        assert!(folded.is_empty(), "no page at the end is known to be checked");
        let last = down.checked_next_back().unwrap().unwrap();
        let mut folded = down.rfold_ready(vec![last], &mut push);
        folded.reverse();
        assert_eq!(folded, right);
        assert_eq!((down.walk.end, down.walk.left), (places[3], left));
    }
}

#[test]
fn the_last_record_must_lie_between_the_ends() {
    let view = trusted(&built(&entries(20, false)));
    let places = places(&view);
    let (from, to) = (places[3], places[9]);
    let longer = Place { offset: to.offset + 1, ..to };
    let inside = Place { offset: places[8].offset + 1, ..places[8] };
    for (from, to) in [(from, longer), (inside, to)] {
        let mut iter = between(&view, from, to);
        assert_eq!(failure(iter.checked_next_back()), corrupt(MISPLACED, places[8]));
        assert_eq!(iter.next_back(), None);
    }
}

#[test]
fn no_entry_is_skipped_where_ranks_leave_none() {
    let view = trusted(&built(&entries(20, false)));
    let places = places(&view);
    let from = Place { rank: 9, ..places[3] };
    let iter = between(&view, from, places[9]);
    assert_eq!(failure(iter.clone().nth(1)), corrupt(TOO_MANY, from));
    assert_eq!(failure(iter.clone().nth_back(1)), corrupt(TOO_MANY, from));
}

#[test]
fn a_rank_whose_place_is_not_between_the_ends_is_an_error() {
    let view = trusted(&built(&entries(20, false)));
    let places = places(&view);
    // The index is wrong about the first place, then about the last.
    let iter = between(&view, Place { rank: 0, ..places[5] }, places[10]);
    assert_eq!(failure(iter.clone().nth(2)), corrupt(MISPLACED, places[2]));
    assert_eq!(failure(iter.clone().nth_back(7)), corrupt(MISPLACED, places[3]));
    let iter = between(&view, places[0], Place { rank: 10, ..places[5] });
    assert_eq!(failure(iter.clone().nth(7)), corrupt(MISPLACED, places[7]));
    assert_eq!(failure(iter.clone().nth_back(2)), corrupt(MISPLACED, places[8]));
}

#[test]
fn nothing_is_read_where_all_is_skipped_from_the_back() {
    let view = unchecked(&built(&entries(3000, false)));
    for n in [3000, usize::MAX] {
        assert_eq!(whole(&view).nth_back(n), None);
        assert!(view.pages().nothing_checked());
    }
    assert!(whole(&view).nth_back(2999).is_some() && !view.pages().nothing_checked());
}

/// Zeros stand where a page was lost, and zeros decode as entries.
#[cfg(target_os = "linux")]
#[expect(unsafe_code, reason = "mapping a file is unsafe, and this one is cut off on purpose")]
#[test]
fn no_entry_is_ready_once_a_page_was_lost() {
    use crate::read::map::{AccessPattern, Bytes};
    use crate::read::pages::Pages;
    crate::sigbus::install().unwrap();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("t");
    std::fs::write(&path, built(&entries(3000, false))).unwrap();
    let located = crate::OpenOptions::new().locate(&path).unwrap();
    let layout = located.layout().unwrap();
    // SAFETY: not kept: the file is cut off, and the guard puts zeros in place of its pages.
    let bytes = unsafe { Bytes::map(&located, AccessPattern::Normal) }.unwrap();
    let view = View::new(bytes, layout, Pages::unchecked(), None);
    let mut iter = whole(&view);
    assert_eq!(iter.next().unwrap().unwrap().0, b"00000");
    std::fs::File::options().write(true).open(&path).unwrap().set_len(0).unwrap();
    assert_eq!(std::hint::black_box(view.bytes())[view.end().offset - 1], 0);
    assert!(matches!(failure(iter.next()), ReadFailure::Faulted { .. }));
}
