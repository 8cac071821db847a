//! Tables for the unit tests of walks.

use super::super::map::Bytes;
#[cfg(target_os = "linux")]
use super::super::map::Reading;
use super::super::pages::Pages;
use super::super::place::{Entry, Place};
use super::super::view::View;
use crate::format::layout::Layout;
use crate::{BuildOptions, HashIndex};

/// Key and value, owned.
type Owned = (Vec<u8>, Vec<u8>);

/// So many entries: keys are numbers of five digits, and values have five bytes if all have one width,
/// else none to six. Up to 32 of several widths are one block.
pub(super) fn entries(n: usize, fixed: bool) -> Vec<Owned> {
    let value = |i: usize| vec![i as u8; if fixed { 5 } else { i % 7 }];
    (0..n).map(|i| (format!("{i:05}").into_bytes(), value(i))).collect()
}

/// Entries as walks give them.
pub(super) fn slices(entries: &[Owned]) -> Vec<Entry<'_>> {
    entries.iter().map(|(key, value)| (&key[..], &value[..])).collect()
}

/// The bytes of a table of these entries, with the ordered index alone.
pub(super) fn built(entries: &[Owned]) -> Vec<u8> {
    built_with(&BuildOptions::new(), entries)
}

/// As [`built`], with these options besides.
pub(super) fn built_with(options: &BuildOptions, entries: &[Owned]) -> Vec<u8> {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("t");
    let options = options.clone().hash_index(HashIndex::Never).durable(false);
    options.build(&path, entries.iter().map(|(key, value)| (key, value))).unwrap();
    std::fs::read(&path).unwrap()
}

/// The table, no page of which is ever to be checked.
pub(super) fn trusted(bytes: &[u8]) -> View {
    view(bytes, |_| Pages::unchecked())
}

/// The table, no page of which was checked yet.
pub(super) fn unchecked(bytes: &[u8]) -> View {
    view(bytes, Pages::new)
}

fn view(bytes: &[u8], pages: impl FnOnce(&Layout) -> Pages) -> View {
    let layout = Layout::parse(bytes).unwrap();
    let pages = pages(&layout);
    View::new(Bytes::from_cow(bytes.to_vec().into()), layout, pages, None)
}

/// The table as one that exceeds the memory, no page of which was checked yet.
#[cfg(target_os = "linux")]
#[expect(unsafe_code, reason = "mapping a file is unsafe, and this one is the test's own")]
pub(super) fn exceeding_memory(bytes: &[u8]) -> View {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("t");
    std::fs::write(&path, bytes).unwrap();
    let located = crate::OpenOptions::new().locate(&path).unwrap();
    // SAFETY: nobody else knows the file.
    let mapped = unsafe { Bytes::map_as(&located, Reading::Windows { available: 0 }) }.unwrap();
    let layout = Layout::parse(bytes).unwrap();
    let pages = Pages::new(&layout);
    View::new(mapped, layout, pages, None)
}

/// The places of all entries, and the place behind the last.
pub(super) fn places(view: &View) -> Vec<Place> {
    let mut places = vec![view.start()];
    for rank in 0..view.layout().entries {
        let at = places[rank as usize].offset;
        let offset = view.after(at, &view.parts_at(at).unwrap());
        places.push(Place { rank: rank + 1, offset });
    }
    places
}
