//! Slots, which are moved when entries are sorted, and the fetching of entries into the cache.

use super::entry::parts;

/// An entry in memory.
#[derive(Clone, Copy)]
pub(super) struct Slot {
    /// Eight bytes of the key. They decide most comparisons without a cache miss.
    pub(super) head: u64,
    /// Where the entry starts, which is also the order of insertion.
    pub(super) at: u64,
}

/// Entries that are fetched at once.
pub(super) const AHEAD: usize = 32;
/// Bytes of a cache line.
const CACHE_LINE: usize = 64;
/// Cache lines of an entry that are fetched.
const CACHE_LINES: usize = 8;

/// Reads a byte of each entry that is needed soon, so that the processor fetches them all at once.
/// Entries are spread over the whole memory: one after the other, each would cost a cache miss.
pub(super) fn touch(bytes: &[u8], slots: &[Slot], offset: usize) {
    let mut sum = 0;
    for slot in slots {
        sum ^= bytes.get(slot.at as usize + offset).copied().unwrap_or(0);
    }
    std::hint::black_box(sum);
}

/// Reads a byte of each cache line of the entries, of long entries only the first lines. The first
/// two lines of an entry are fetched before its lengths are known.
pub(super) fn touch_all(bytes: &[u8], slots: &[Slot]) {
    touch(bytes, slots, 0);
    touch(bytes, slots, CACHE_LINE);
    let mut sum = 0;
    for slot in slots {
        let at = slot.at as usize;
        let last = parts(bytes, at).value.end.saturating_sub(1);
        for line in 2..CACHE_LINES {
            let byte = at + line * CACHE_LINE;
            sum ^= bytes.get(byte.min(last)).copied().unwrap_or(0);
            if byte >= last {
                break;
            }
        }
    }
    std::hint::black_box(sum);
}
