//! The mappings that the guard watches: a fixed array of atomics, so that a signal handler can
//! search it without a lock and without memory of its own.
//!
//! A slot is written by the one thread that took it, and read by handlers on any thread. `turn` is
//! odd while the slot stands for a mapping. If a handler sees `turn` change while it reads, the
//! slot is in transition, and so not the one that the handler needs: a thread that faults in a
//! mapping holds its table, and so its slot.

use std::sync::atomic::Ordering::{Acquire, Relaxed, Release, SeqCst};
use std::sync::atomic::{AtomicBool, AtomicUsize, fence};

/// Mappings that can be watched at once.
const SLOTS: usize = 4096;

/// Number of lost pages that are replaced one by one. After these, the whole mapping is replaced:
/// every single page costs the process one of its mappings (`vm.max_map_count`, 65,530 by default).
const SINGLE_PAGES: usize = 8;

struct Slot {
    taken: AtomicBool,
    turn: AtomicUsize,
    /// The addresses of the mapping's first byte and of the byte after its last, multiples of the
    /// page size.
    start: AtomicUsize,
    end: AtomicUsize,
    /// Address of the first fault; 0 = none yet.
    lost: AtomicUsize,
    faults: AtomicUsize,
}

static TABLE: [Slot; SLOTS] = [const {
    Slot {
        taken: AtomicBool::new(false),
        turn: AtomicUsize::new(0),
        start: AtomicUsize::new(0),
        end: AtomicUsize::new(0),
        lost: AtomicUsize::new(0),
        faults: AtomicUsize::new(0),
    }
}; SLOTS];

/// No slot at this number or above was ever taken.
static USED: AtomicUsize = AtomicUsize::new(0);

/// The flag of memory that cannot fault, which has no slot.
static NEVER: AtomicUsize = AtomicUsize::new(0);

/// Says whether a page of one mapping was lost.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lost(&'static AtomicUsize);

impl Lost {
    /// For memory that does not belong to a file.
    pub(crate) const NEVER: Self = Self(&NEVER);

    /// Whether every byte that was read from the mapping before this call was the file's. The flag
    /// is set before the lost page is replaced, and the fence orders the reads before the load: a
    /// thread that has seen a replaced byte sees the flag.
    #[inline(always)]
    pub(crate) fn nothing(self) -> bool {
        fence(Acquire);
        self.0.load(Relaxed) == 0
    }

    /// Address of the first fault.
    #[cold]
    pub(crate) fn address(self) -> Option<usize> {
        fence(Acquire);
        Some(self.0.load(Relaxed)).filter(|&address| address != 0)
    }
}

/// A mapping that the guard watches. Drop it before the mapping.
#[derive(Debug)]
pub(crate) struct Watch(&'static Slot);

impl std::fmt::Debug for Slot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Slot").field("lost", &self.lost).finish_non_exhaustive()
    }
}

impl Watch {
    /// Takes a slot for a mapping from address `start` to `end`, the byte after its last. Returns
    /// `None` if all slots are taken.
    pub(crate) fn new(start: usize, end: usize) -> Option<Self> {
        let free = |slot: &&Slot| {
            !slot.taken.load(Relaxed)
                && slot.taken.compare_exchange(false, true, Acquire, Relaxed).is_ok()
        };
        let (number, slot) = TABLE.iter().enumerate().find(|(_, slot)| free(slot))?;
        USED.fetch_max(number + 1, SeqCst);
        // A handler that sees one of the writes below also sees that the last owner's turn has ended,
        // whichever thread the owner was on: its end happened before the slot was taken.
        fence(Release);
        slot.start.store(start, Relaxed);
        slot.end.store(end, Relaxed);
        slot.lost.store(0, Relaxed);
        slot.faults.store(0, Relaxed);
        slot.turn.fetch_add(1, SeqCst);
        Some(Self(slot))
    }

    pub(crate) fn lost(&self) -> Lost {
        Lost(&self.0.lost)
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.0.turn.fetch_add(1, SeqCst);
        self.0.taken.store(false, Release);
    }
}

/// What a handler has to replace.
pub(super) struct Hole {
    /// The page that faulted.
    pub(super) page: usize,
    /// The whole mapping.
    pub(super) start: usize,
    pub(super) end: usize,
    /// Whether so many pages were lost that the whole mapping is given up.
    pub(super) many: bool,
}

impl Hole {
    /// Fills the lost page, or else the whole mapping, by `zeros`. Returns false if both were
    /// refused.
    pub(super) fn fill(&self, page_size: usize, zeros: impl Fn(usize, usize) -> bool) -> bool {
        let single = !self.many && zeros(self.page, page_size);
        // The kernel refuses a single page if the process has too many mappings. Replacing the
        // whole mapping adds none.
        single || zeros(self.start, self.end - self.start)
    }
}

/// Records that the page at `address` is lost, if it lies in a watched mapping. The signal handler
/// calls this: no lock, no allocation.
pub(super) fn note(address: usize, page_size: usize) -> Option<Hole> {
    let slots = &TABLE[..USED.load(SeqCst).min(SLOTS)];
    slots.iter().find_map(|slot| {
        let turn = slot.turn.load(SeqCst);
        let (start, end) = (slot.start.load(Relaxed), slot.end.load(Relaxed));
        fence(Acquire);
        let settled = turn & 1 == 1 && slot.turn.load(SeqCst) == turn;
        if !settled || !(start..end).contains(&address) {
            return None;
        }
        // The flag is set before the page is replaced, so that a thread that reads the replacement
        // sees it.
        let _ = slot.lost.compare_exchange(0, address.max(1), SeqCst, SeqCst);
        let many = slot.faults.fetch_add(1, SeqCst) >= SINGLE_PAGES;
        Some(Hole { page: address & !(page_size - 1), start, end, many })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Addresses that no mapping has: the tests of the whole library share the registry.
    const FAR: usize = 1 << (usize::BITS - 2);

    #[test]
    fn only_the_mapping_that_faulted_is_marked() {
        let near = Watch::new(FAR, FAR + 0x3000).unwrap();
        let other = Watch::new(FAR + 0x3000, FAR + 0x5000).unwrap();
        assert!(note(FAR - 1, 4096).is_none());
        assert!(note(FAR + 0x5000, 4096).is_none());
        let hole = note(FAR + 0x1234, 4096).unwrap();
        assert_eq!((hole.page, hole.start, hole.end), (FAR + 0x1000, FAR, FAR + 0x3000));
        assert!(!near.lost().nothing());
        assert_eq!(near.lost().address(), Some(FAR + 0x1234));
        assert!(other.lost().nothing());
        // The first fault is the reported one.
        note(FAR, 4096).unwrap();
        assert_eq!(near.lost().address(), Some(FAR + 0x1234));
        drop(near);
        assert!(note(FAR, 4096).is_none(), "nobody watches it any more");
    }

    #[test]
    fn many_lost_pages_give_up_the_mapping() {
        let watch = Watch::new(FAR + 0x10_0000, FAR + 0x20_0000).unwrap();
        let many = |page: usize| note(FAR + 0x10_0000 + page * 4096, 4096).unwrap().many;
        assert!((0..SINGLE_PAGES).all(|page| !many(page)));
        assert!(many(SINGLE_PAGES));
        drop(watch);
        let again = Watch::new(FAR + 0x10_0000, FAR + 0x20_0000).unwrap();
        assert!(again.lost().nothing(), "a slot begins anew");
        assert!(!many(0));
    }

    #[test]
    fn a_lost_page_is_filled_alone_or_else_with_its_mapping() {
        let hole = |many| Hole { page: 0x3000, start: 0x1000, end: 0x9000, many };
        let fill = |many, granted: fn(usize) -> bool| {
            let asked = std::cell::RefCell::new(Vec::new());
            let filled = hole(many).fill(0x1000, |start, len| {
                asked.borrow_mut().push((start, len));
                granted(len)
            });
            (filled, asked.into_inner())
        };
        let (page, whole) = ((0x3000, 0x1000), (0x1000, 0x8000));
        assert_eq!(fill(false, |_| true), (true, vec![page]));
        assert_eq!(fill(false, |len| len > 0x1000), (true, vec![page, whole]));
        assert_eq!(fill(false, |_| false), (false, vec![page, whole]));
        assert_eq!(fill(true, |_| true), (true, vec![whole]), "one page more is one mapping more");
    }
}
