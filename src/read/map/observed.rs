//! For tests: files that nobody has read, and what the system tells about mappings and threads.

#![expect(unsafe_code, reason = "maps files of tests, asks which pages are in memory")]

use super::file::Located;
use super::mapping::Mapping;
use super::reading::Reading;
use crate::OpenOptions;
use memmap2::{Advice, MmapMut};
use std::fs::{self, File};
use std::ops::Range;

/// No page is larger on any machine, and each divides it.
pub(crate) const PART: usize = 128 << 10;

/// Whether an emulator runs the tests. It answers in the kernel's place, and does nothing about most advice,
/// so what is asked below is not to be had.
pub(crate) fn is_emulated() -> bool {
    std::env::var_os("GRAVEN_TEST_RUNNER").is_some()
}

/// A file of zeros. None of them is in memory until somebody reads it, since none was written.
pub(crate) fn unread_file(len: usize) -> (tempfile::TempDir, Located) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("zeros");
    File::create(&path).unwrap().set_len(len as u64).unwrap();
    let located = OpenOptions::new().locate(&path).unwrap();
    (directory, located)
}

/// A mapping of a file that belongs to the test.
pub(super) fn mapped(file: &Located, reading: Reading) -> Mapping {
    // SAFETY: nobody else knows the file.
    unsafe { Mapping::new(file, reading) }.unwrap()
}

/// This process's mappings, and what the system says of each.
fn maps() -> String {
    fs::read_to_string("/proc/self/smaps").unwrap_or_default()
}

/// A field of [`maps`], for each mapping that has some of the addresses. A part of a mapping with advice
/// of its own counts as a mapping.
fn field(maps: &str, name: &str, addresses: &Range<usize>) -> Vec<String> {
    let (mut inside, mut found) = (false, Vec::new());
    for line in maps.lines() {
        let first = line.split_ascii_whitespace().next().unwrap_or_default();
        let address = |text| usize::from_str_radix(text, 16).ok();
        let ends = first.split_once('-').and_then(|(a, b)| Some((address(a)?, address(b)?)));
        if let Some((start, end)) = ends {
            inside = start < addresses.end && addresses.start < end;
        } else if inside && first == name {
            found.push(line[name.len()..].trim().to_owned());
        }
    }
    found
}

/// Whether the mappings of some addresses have a flag of two letters (proc(5), `VmFlags`). `None` where
/// the system tells no flags.
pub(crate) fn have_flag<const N: usize>(addresses: [usize; N], flag: &str) -> Option<[bool; N]> {
    if is_emulated() {
        return None;
    }
    let (maps, mut have) = (maps(), [false; N]);
    for (has, address) in have.iter_mut().zip(addresses) {
        let flags = field(&maps, "VmFlags:", &(address..address + 1)).pop()?;
        *has = flags.split_ascii_whitespace().any(|other| other == flag);
    }
    Some(have)
}

/// Whether the system has large pages for those who ask for them, and tells who did.
pub(crate) fn large_pages_can_be_asked_for() -> bool {
    let memory = MmapMut::map_anon(PART).unwrap();
    memory.advise(Advice::HugePage).is_ok()
        && have_flag([memory.as_ptr().addr()], "hg") == Some([true])
}

/// Whether pages can be mapped in without a touch, which Linux can since 5.14.
pub(crate) fn pages_can_be_mapped_in() -> bool {
    !is_emulated() && MmapMut::map_anon(1).unwrap().advise(Advice::PopulateRead).is_ok()
}

/// Bytes of the mappings that have some of the addresses, as far as page tables hold their pages. `None`
/// where the system does not tell.
pub(crate) fn mapped_in(addresses: &Range<usize>) -> Option<usize> {
    let sizes = field(&maps(), "Rss:", addresses);
    let bytes = |size: &String| Some(size.strip_suffix(" kB")?.parse::<usize>().ok()? << 10);
    if sizes.is_empty() { None } else { sizes.iter().map(bytes).sum() }
}

/// How many of the pages that begin in a range of addresses, which are mapped, the system says are in
/// memory. Some systems say so of all.
pub(crate) fn pages_in_memory(addresses: &Range<usize>) -> usize {
    let page = rustix::param::page_size();
    let is_in_memory = |address: &usize| {
        let mut answer = [0];
        let memory = std::ptr::without_provenance_mut(*address);
        // SAFETY: the call touches no page; `answer` has room for the one that is asked for.
        let asked = unsafe { libc::mincore(memory, page, answer.as_mut_ptr()) };
        assert_eq!(asked, 0, "{}", std::io::Error::last_os_error());
        answer[0] & 1 == 1
    };
    addresses.clone().step_by(page).filter(is_in_memory).count()
}

/// Whether the system tells pages that are in memory from others.
pub(crate) fn residency_is_told() -> bool {
    let (_directory, located) = unread_file(PART);
    let mapping = mapped(&located, Reading::Pages);
    pages_in_memory(&mapping.addresses()) == 0
}

/// Whether bytes of a file come into memory when they are asked for. On some file systems they are there
/// already, or come only when they are touched.
pub(crate) fn files_come_when_asked_for() -> bool {
    let (_directory, located) = unread_file(PART);
    let mapping = mapped(&located, Reading::Pages);
    let pages = || pages_in_memory(&mapping.addresses());
    let before = pages();
    rustix::fs::fadvise(&located.file, 0, None, rustix::fs::Advice::WillNeed).unwrap();
    let all_came = |_| {
        std::thread::sleep(std::time::Duration::from_millis(5));
        pages() == PART / rustix::param::page_size()
    };
    before == 0 && !is_emulated() && (0..50).any(all_came)
}

/// Page faults so far for which this thread had to read from a file.
pub(crate) fn major_faults() -> usize {
    let text = fs::read_to_string("/proc/thread-self/stat").unwrap();
    // The name of the thread, in parentheses, may have blanks.
    let (_, fields) = text.rsplit_once(')').unwrap();
    fields.split_ascii_whitespace().nth(9).unwrap().parse().unwrap()
}
