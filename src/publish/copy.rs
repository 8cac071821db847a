//! Copies a table, checks it on the way and publishes the copy.

use crate::build_id::BuildId;
use crate::error::{BuildError, OpenFailure, PublishError};
use crate::file::integrity::{self, Check};
use crate::file::io::{open_regular, read_exact_at, write_all_at};
use crate::file::{Publishing, Unpublished};
use std::fmt;
use std::fs::File;
use std::path::{Path, PathBuf};

/// Options for copying a table to where it is published.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let dir = tempfile::tempdir()?;
/// # let (built, served) = (dir.path().join("built.grv"), dir.path().join("served.grv"));
/// # graven::Builder::create(&built)?.finish()?;
/// let options = graven::PublishOptions::new().mode(0o440);
/// let published = options.publish(&built, &served)?;
/// assert_eq!(published.file_bytes, std::fs::metadata(&served)?.len());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct PublishOptions {
    pub(super) how: Publishing,
    pub(super) directory_mode: Option<u32>,
}

/// A table that was copied. `Display` writes one line: bytes and build id.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PublishSummary {
    /// Bytes of the table.
    pub file_bytes: u64,
    /// The hash of the table's content.
    pub build_id: BuildId,
}

impl fmt::Display for PublishSummary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file_bytes, build_id } = self;
        write!(f, "{file_bytes} bytes, build id {build_id}")
    }
}

impl Default for PublishOptions {
    fn default() -> Self {
        let how = Publishing { mode: 0o444, durable: true, replace: true, read_back: false };
        Self { how, directory_mode: None }
    }
}

impl PublishOptions {
    /// The defaults.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Permission bits of the published file, whatever the umask. Default: 0o444.
    #[must_use]
    pub fn mode(mut self, mode: u32) -> Self {
        self.how.mode = mode;
        self
    }

    /// Permission bits of the directories that [`Versions::publish`](crate::Versions::publish)
    /// makes, whatever the umask. Directories that exist keep their permissions. Default: whoever
    /// may read the table may enter the directories, and only their owner may change them; for a
    /// table of mode 0o444 that is 0o755. With 0o2775 everyone in the group of the first directory
    /// may publish, roll back and prune. The mode must include all bits of the owner (0o700).
    #[must_use]
    pub fn directory_mode(mut self, mode: u32) -> Self {
        self.directory_mode = Some(mode);
        self
    }

    /// Whether the copy and its directory are synced before [`publish`] returns. Default: true.
    #[must_use]
    pub fn durable(mut self, durable: bool) -> Self {
        self.how.durable = durable;
        self
    }

    /// Whether a table that stands at the path is replaced. Default: true. Any other file is
    /// never replaced, unless it is empty.
    #[must_use]
    pub fn replace(mut self, replace: bool) -> Self {
        self.how.replace = replace;
        self
    }

    /// Whether the copy is read back from the disk and checked again before it gets its name, as
    /// [`BuildOptions::verify_after_write`](crate::BuildOptions::verify_after_write) does for a
    /// build. Default: false, since the bytes are checked while they are copied.
    #[must_use]
    pub fn verify_after_write(mut self, verify: bool) -> Self {
        self.how.read_back = verify;
        self
    }

    /// Copies the table at `source`, from any directory, disk or mount, to `target` and publishes it
    /// there in one step, as a build does. Until that step, and after any error, what stood at
    /// `target` stays there. All checksums and the build id are checked during the copy. The copy is
    /// written in chunks of 2 MiB, so that Linux can map it by 2 MiB pages; other ways of copying
    /// lose this.
    ///
    /// # Errors
    /// [`PublishError::Source`] if the source can't be read, is no table or is damaged;
    /// [`PublishError::Target`] if the target can't be written.
    pub fn publish(
        &self,
        source: impl AsRef<Path>,
        target: impl AsRef<Path>,
    ) -> Result<PublishSummary, PublishError> {
        self.check()?;
        let source = Source::open(source.as_ref())?;
        let copy = Unpublished::create(target.as_ref(), self.how.replace)?;
        source.copy(&copy)?;
        copy.publish(self.how)?;
        Ok(source.published)
    }

    pub(super) fn check(&self) -> Result<(), BuildError> {
        let refused = |option, mode: u32, expected| {
            Err(BuildError::InvalidOption { option, got: format!("{mode:o}"), expected })
        };
        match (self.how.mode, self.directory_mode) {
            (0o1000.., _) => refused("mode", self.how.mode, "0 to 0777 (octal)"),
            (_, Some(mode)) if mode > 0o7777 || mode & 0o700 != 0o700 => {
                refused("directory_mode", mode, "0700 to 07777 (octal), all of 0700 among it")
            }
            _ => Ok(()),
        }
    }
}

/// A table to be copied.
pub(super) struct Source {
    path: PathBuf,
    file: File,
    check: Check,
    pub(super) published: PublishSummary,
}

impl Source {
    /// Opens a table and checks its two ends.
    pub(super) fn open(path: &Path) -> Result<Self, PublishError> {
        let opened = || {
            let (file, metadata) =
                open_regular(path, |source| OpenFailure::Io { action: "open the table", source })?;
            let layout = integrity::layout(&file, metadata.len())?;
            let build_id = layout.build_id.into();
            let published = PublishSummary { file_bytes: metadata.len(), build_id };
            Ok(Self { path: path.to_owned(), file, check: Check::new(layout), published })
        };
        opened().map_err(|source| PublishError::Source { path: path.to_owned(), source })
    }

    /// Copies and checks all of it.
    pub(super) fn copy(&self, copy: &Unpublished) -> Result<(), PublishError> {
        copy.reserve(self.published.file_bytes)?;
        let failed = |source| PublishError::Source { path: self.path.clone(), source };
        let mut check = self.check.clone();
        let mut buffer = Vec::new();
        for (at, len) in integrity::chunks(self.published.file_bytes) {
            buffer.resize(len, 0);
            read_exact_at(&self.file, &mut buffer, at)
                .map_err(|source| failed(OpenFailure::Io { action: "read the table", source }))?;
            integrity::ask_behind(&self.file, at);
            check.take(&buffer);
            write_all_at(copy.file(), &buffer, at).map_err(|source| {
                BuildError::io("write the unpublished table", copy.path(), at, source)
            })?;
        }
        check.finish(&self.file).map_err(failed)
    }
}
