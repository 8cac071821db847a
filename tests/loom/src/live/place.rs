//! A place at which numbered files stand, one after the other, and the table in each.

use super::handle::{Handle, Place, Standing};
use super::location::Look;
use super::retire::SMALL;
use crate::build_id::BuildId;
use std::fs::File;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::thread;

/// The path: the number of the file that stands there.
#[derive(Debug)]
pub(super) struct Site {
    standing: AtomicUsize,
    /// How large its tables are.
    bytes: u64,
}

/// A table as it is served. Clones share what was mapped.
#[derive(Clone, Debug)]
pub(super) struct Table {
    pub(super) number: usize,
    mapped: Arc<Mapped>,
}

/// The mapping of a table.
#[derive(Debug)]
pub(super) struct Mapped {
    number: usize,
    bytes: u64,
}

impl Mapped {
    /// The mapping of table 1, too large to be unmapped by a thread that answers requests.
    pub(super) fn large() -> Self {
        Self { number: 1, bytes: u64::MAX }
    }
}

impl Drop for Mapped {
    fn drop(&mut self) {
        // The models replace table 1. The last one goes with its handle.
        if self.number == 1 && self.bytes > SMALL && !thread::panicking() {
            let name = thread::current().name().map(str::to_owned);
            assert_eq!(name.as_deref(), Some("graven-retire"), "another thread unmaps");
        }
    }
}

impl Site {
    /// A handle on a place where file 1 stands.
    pub(super) fn handle(bytes: u64) -> Handle<Self> {
        let site = Self { standing: AtomicUsize::new(1), bytes };
        // SAFETY: nothing is mapped.
        unsafe { Handle::open(site) }.expect("a table")
    }

    /// Puts the next file in the place of the one that stands there.
    pub(super) fn publish(&self) {
        self.standing.fetch_add(1, SeqCst);
    }

    pub(super) fn standing(&self) -> usize {
        self.standing.load(SeqCst)
    }
}

impl Place for Site {
    type Served = Table;
    type Found = usize;
    type Error = String;

    fn look(&self) -> Result<Look, String> {
        Ok(Look(self.standing()))
    }

    fn find(&self) -> Result<Standing<usize>, String> {
        let found = self.standing();
        Ok(Standing { found, look: Look(found), name: None })
    }

    fn is_same(&self, served: &Table, found: &usize) -> Result<bool, String> {
        Ok(served.number == *found)
    }

    unsafe fn open(&self, found: usize, _: &dyn Fn() -> ControlFlow<()>) -> Result<Table, String> {
        let mapped = Mapped { number: found, bytes: self.bytes };
        Ok(Table { number: found, mapped: Arc::new(mapped) })
    }

    fn file(_: usize) -> File {
        File
    }

    fn build_id(served: &Table) -> BuildId {
        BuildId::from([served.number as u8; 16])
    }

    fn is_faulted(_: &Table) -> bool {
        false
    }

    fn is_in_use(served: &Table) -> bool {
        Arc::strong_count(&served.mapped) > 1
    }

    fn most_mapped(served: &Table) -> u64 {
        served.mapped.bytes
    }
}
