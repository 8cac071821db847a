//! The file of a table: its ends and its owner.

use crate::error::OpenFailure;
use crate::file::io::read_exact_at;
use crate::format::header::{FOOTER, MAX_HEADER};
use crate::format::layout::Layout;
use std::fs::File;
#[cfg(unix)]
use std::fs::Metadata;
#[cfg(unix)]
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;

/// How the table will be accessed, for the kernel's read-ahead.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum AccessPattern {
    /// As [`Normal`](Self::Normal) if the table fits into the memory that this process may still
    /// take when it opens the table: what its control groups (cgroup v1 and v2) and the machine
    /// leave. Of a larger table, lookups read single pages, and walks ask ahead by themselves in
    /// growing windows, so that neither reads what it does not need; the indexes are read ahead and
    /// stay, if they take at most half of that memory. Tables below 16 MiB are taken to fit; for
    /// larger ones, the question takes 0.1 to 0.3 ms, once a second at most.
    #[default]
    Auto,
    /// The kernel's default, whatever the table's size.
    Normal,
    /// Point reads in a table that does not fit into memory: no read-ahead, not for walks either.
    /// Linux then counts no accesses, so pages of an index leave memory as soon as others.
    Random,
    /// Scans: aggressive read-ahead.
    Sequential,
}

/// A regular file, open, and the part of it that is the table.
pub(crate) struct Located {
    pub(crate) file: File,
    /// The path under which it was opened.
    pub(crate) path: Arc<Path>,
    pub(crate) offset: u64,
    pub(crate) len: usize,
    #[cfg(unix)]
    pub(crate) metadata: Metadata,
}

impl Located {
    /// Refuses a file that does not begin as a table does.
    pub(crate) fn check_start(
        &self,
        failed: impl Fn(std::io::Error) -> OpenFailure,
    ) -> Result<(), OpenFailure> {
        let mut start = [0; MAX_HEADER as usize];
        let start = &mut start[..self.len.min(MAX_HEADER as usize)];
        read_exact_at(&self.file, start, self.offset).map_err(failed)?;
        Layout::check_start(start, self.len as u64).map(drop)
    }

    /// The layout of the table, from its header and footer. Both are read, not touched in a
    /// mapping: a page fault takes several times as long as a read, and the fault of the last page
    /// would also build a page table for that one page.
    pub(crate) fn layout(&self) -> Result<Layout, OpenFailure> {
        let failed = io_error("read the file");
        let (mut start, mut end) = ([0; MAX_HEADER as usize], [0; FOOTER]);
        let start = &mut start[..self.len.min(MAX_HEADER as usize)];
        read_exact_at(&self.file, start, self.offset).map_err(failed)?;
        let got = self.len as u64;
        // A file that is too short for a footer is refused by its start.
        if let Some(from) = got.checked_sub(FOOTER as u64) {
            read_exact_at(&self.file, &mut end, self.offset + from).map_err(failed)?;
        }
        Layout::parse_ends(start, &end, got)
    }

    /// Which file it is: device and number.
    #[cfg(target_os = "linux")]
    pub(super) fn identity(&self) -> (u64, u64) {
        (self.metadata.dev(), self.metadata.ino())
    }

    /// The file's owner, where users have numbers.
    #[cfg(unix)]
    pub(super) fn owner(&self) -> Option<u32> {
        Some(self.metadata.uid())
    }
}

/// Turns the system's answer into a failure.
pub(crate) fn io_error(action: &'static str) -> impl Fn(std::io::Error) -> OpenFailure + Copy {
    move |source| OpenFailure::Io { action, source }
}

/// Whether the kernel tells this thread which pages of a file of the user `owner` are in memory: the
/// thread acts for that user, or has the capability to act as the owner of any file.
#[cfg(target_os = "linux")]
pub(super) fn may_ask(owner: u32) -> bool {
    use rustix::thread::{CapabilitySet, capabilities};
    rustix::process::geteuid().as_raw() == owner
        || capabilities(None).is_ok_and(|sets| sets.effective.contains(CapabilitySet::FOWNER))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{BuildOptions, OpenOptions};

    #[test]
    fn a_file_that_does_not_begin_as_a_table_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let [text, table] = ["text", "table"].map(|name| directory.path().join(name));
        let check = |path: &Path| {
            let located = OpenOptions::new().locate(path).unwrap();
            located.check_start(io_error("read the file"))
        };
        std::fs::write(&text, b"no table").unwrap();
        let refused = check(&text);
        assert!(matches!(refused, Err(OpenFailure::NotATable { found }) if &found == b"no table"));
        BuildOptions::new().durable(false).build(&table, [("key", "value")]).unwrap();
        assert!(check(&table).is_ok());
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_file_is_known_by_its_number_and_its_owner() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("t");
        std::fs::write(&path, b"no table").unwrap();
        // Where this process may give files away, the owner is not the user 0.
        let _ = std::os::unix::fs::chown(&path, Some(4321), None);
        let located = OpenOptions::new().locate(&path).unwrap();
        let metadata = std::fs::metadata(&path).unwrap();
        assert_eq!(located.identity(), (metadata.dev(), metadata.ino()));
        assert_eq!(located.owner(), Some(metadata.uid()));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn owners_may_ask_and_who_may_act_as_any_owner() {
        use crate::file::powers::without_powers;
        use rustix::thread::{CapabilitySet, capabilities};
        let user = rustix::process::geteuid().as_raw();
        let answers = || [user, user.wrapping_add(1)].map(may_ask);
        assert_eq!(without_powers(answers), [true, false]);
        let acts = capabilities(None).unwrap().effective.contains(CapabilitySet::FOWNER);
        assert_eq!(answers(), [true, acts]);
    }
}
