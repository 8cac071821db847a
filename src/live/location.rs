//! Where a live table stands, and which file stands there at the moment.

use crate::error::OpenFailure;
use crate::file::target::CURRENT;
use crate::read::OpenOptions;
use crate::read::map::Located;
use std::fs::{self, Metadata};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How often the current version may vanish between finding its name and opening it.
const ATTEMPTS: usize = 10;

/// A path that is followed.
#[derive(Debug)]
pub(super) struct Location {
    /// The table's file, or the link to it.
    path: PathBuf,
    versioned: bool,
}

impl Location {
    /// A location from the path that a user gives: a file, or a versioned directory.
    pub(super) fn new(path: &Path) -> Self {
        let versioned = path.is_dir();
        let path = if versioned { path.join(CURRENT) } else { path.to_owned() };
        Self { path, versioned }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Looks at the file that stands there now. Costs one system call.
    pub(super) fn stat(&self) -> Result<Look, OpenFailure> {
        let metadata = fs::metadata(&self.path);
        metadata
            .map(|metadata| Look::at(&metadata))
            .map_err(|source| OpenFailure::Io { action: "look for a new table", source })
    }

    /// Opens the file that stands there now. Returns it with the version's name, in a versioned
    /// directory.
    pub(super) fn find(
        &self,
        options: &OpenOptions,
    ) -> Result<(Located, Option<String>), OpenFailure> {
        let mut attempt = 1;
        loop {
            // The link is read here instead of followed by the open, so that name and file belong
            // together.
            let link = if self.versioned { fs::read_link(&self.path).ok() } else { None };
            let target =
                link.as_ref().map_or(self.path.clone(), |link| self.path.with_file_name(link));
            match options.locate(&target) {
                Ok(file) => return Ok((file, link.as_deref().and_then(version_name))),
                // A publisher has published a newer version and removed this one.
                Err(OpenFailure::Io { source, .. })
                    if source.kind() == io::ErrorKind::NotFound
                        && link.is_some()
                        && attempt < ATTEMPTS =>
                {
                    attempt += 1;
                }
                Err(error) => return Err(error),
            }
        }
    }
}

/// The `NAME` in `versions/NAME/table` or `versions/NAME`.
fn version_name(link: &Path) -> Option<String> {
    let mut parts = link.iter().skip_while(|part| *part != "versions").skip(1);
    Some(parts.next()?.to_string_lossy().into_owned())
}

/// The coarsest steps in which file systems count time: two seconds on FAT and SMB, one second on
/// sshfs. Two files of one length that came within one step look the same if inode numbers stand
/// for paths. A file that is read after the step was the last file of its step.
const COARSEST: Duration = Duration::from_secs(2);

/// What `stat` says of a file. Two equal looks mean one unchanged file, as long as the file of the
/// earlier look is held open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Look {
    #[cfg(unix)]
    device: u64,
    #[cfg(unix)]
    inode: u64,
    /// Seconds and nanoseconds.
    #[cfg(unix)]
    modified: (i64, i64),
    /// Seconds and nanoseconds.
    #[cfg(unix)]
    changed: (i64, i64),
    #[cfg(not(unix))]
    modified: Option<std::time::SystemTime>,
    len: u64,
}

impl Look {
    #[cfg(unix)]
    pub(crate) fn at(metadata: &Metadata) -> Self {
        use std::os::unix::fs::MetadataExt;
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
            len: metadata.len(),
        }
    }

    #[cfg(not(unix))]
    pub(crate) fn at(metadata: &Metadata) -> Self {
        Self { modified: metadata.modified().ok(), len: metadata.len() }
    }

    /// Whether both looks were at files with the same device and inode number. The number may stand
    /// for the path, and so for different files in turn.
    #[cfg(unix)]
    pub(super) fn same_number(&self, other: &Self) -> bool {
        (self.device, self.inode) == (other.device, other.inode)
    }

    #[cfg(not(unix))]
    pub(super) fn same_number(&self, _: &Self) -> bool {
        false
    }

    /// When a file that was opened just now must be read once more; `None` if never.
    pub(super) fn once_more(&self) -> Option<Instant> {
        self.is_coarse().then(|| Instant::now() + COARSEST)
    }

    /// Whether the file system seems to count whole seconds. A file that is replaced twice in one
    /// second can then look the same.
    #[cfg(unix)]
    fn is_coarse(&self) -> bool {
        self.modified.1 == 0 && self.changed.1 == 0
    }

    #[cfg(not(unix))]
    fn is_coarse(&self) -> bool {
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_have_names() {
        let name = |link: &str| version_name(Path::new(link));
        assert_eq!(name("versions/2026-11-20/table.grv").as_deref(), Some("2026-11-20"));
        assert_eq!(name("./versions/7").as_deref(), Some("7"));
        assert_eq!(name("table.grv"), None);
        assert_eq!(name("versions"), None);
    }
}
