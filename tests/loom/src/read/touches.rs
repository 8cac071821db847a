//! Models of the bits of checked pages.

use super::first_touch::FirstTouch;
// What has really happened, for the models' eyes alone.
use std::real::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::{model, thread};

/// Two pages, whose bits lie in two words, and which of them were checked.
struct Table {
    pages: FirstTouch,
    checked: [AtomicBool; 2],
}

const FIRST: usize = 63;

impl Table {
    /// The first page is a lookup page.
    fn new() -> Arc<Self> {
        let bits = Box::new([AtomicU64::new(0), AtomicU64::new(0)]);
        let pages = FirstTouch::new(2, [FIRST..FIRST + 1, 0..0], Some(bits));
        // loom wants all atomics made before there are threads.
        let _ = format!("{pages:?}");
        Arc::new(Self { pages, checked: Default::default() })
    }

    fn was_checked(&self, page: usize) -> bool {
        self.checked[page - FIRST].load(SeqCst)
    }

    /// Reads a page, as `Pages::check` does.
    fn touch(&self, page: usize) {
        if !self.pages.bit(page) {
            self.checked[page - FIRST].store(true, SeqCst);
            self.pages.mark(page);
        }
    }

    /// Asks all questions. No page may count as checked before it was.
    fn see(&self) {
        let [first, second] = [FIRST, FIRST + 1];
        for page in [first, second] {
            assert!(!self.pages.bit(page) || self.was_checked(page), "page {page} has its bit");
        }
        assert!(self.pages.run(first) == 0 || self.was_checked(first));
        let lookups = self.pages.lookups_unchecked() == 0;
        assert!(!lookups || self.was_checked(first), "all lookup pages count as checked");
        let all = self.pages.all_checked() || self.pages.all_bits(first, second);
        let both = self.was_checked(first) && self.was_checked(second);
        assert!(!all || both, "all pages count as checked");
    }

    /// What must hold once all threads have touched both pages.
    fn settled(&self) {
        assert!(self.pages.all_bits(FIRST, FIRST + 1) && !self.pages.nothing_checked());
        assert_eq!(self.pages.lookups_unchecked(), 0, "the last lookup page was counted");
        assert!(self.pages.all_checked(), "the last page was counted");
    }
}

/// Guards against a page that is counted twice, so that the count says "all" while another page was
/// never checked: two threads touch both pages, and look in between.
pub fn a_page_counts_once() {
    model::check("a_page_counts_once", Some(3), || {
        let table = Table::new();
        let threads = [(); 2].map(|()| {
            let table = Arc::clone(&table);
            thread::spawn(move || {
                table.touch(FIRST);
                table.see();
                table.touch(FIRST + 1);
            })
        });
        threads.into_iter().for_each(|thread| thread.join().expect("no panic"));
        table.settled();
    });
}

/// The same page on two threads at once, with the other page untouched: it is never all.
pub fn one_page_is_not_all() {
    model::check("one_page_is_not_all", None, || {
        let table = Table::new();
        let threads = [(); 2].map(|()| {
            let table = Arc::clone(&table);
            thread::spawn(move || table.touch(FIRST))
        });
        assert!(!table.pages.all_checked() && !table.pages.bit(FIRST + 1));
        threads.into_iter().for_each(|thread| thread.join().expect("no panic"));
        assert!(!table.pages.all_checked(), "the second page was never checked");
        assert!(table.pages.lookups_unchecked() == 0 && !table.pages.nothing_checked());
    });
}
