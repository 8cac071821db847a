//! What a version holds, a table or a set, and what checks it.

use super::version::Version;
use crate::error::{BuildError, OpenFailure, PublishError, SetError};
use crate::file::directory::remove_directory;
use crate::file::integrity;
#[cfg(feature = "sets")]
use crate::manifest::Manifest;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Where the versions are.
pub(super) const VERSIONS: &str = "versions";

/// What a version holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Content {
    /// One table.
    Table,
    /// A manifest, and the tables that it names.
    Set,
}

/// Device and inode.
pub(super) type Identity = (u64, u64);

impl Content {
    /// The file without which a directory is no version of this kind.
    pub(super) fn file(self) -> &'static str {
        match self {
            Self::Table => "table.grv",
            Self::Set => "MANIFEST.json",
        }
    }

    /// That file before it is complete.
    pub(super) fn new_file(self) -> &'static str {
        match self {
            Self::Table => "new.grv",
            Self::Set => "new.json",
        }
    }

    /// The path that readers of a version open: the table, or the directory of the set.
    pub(super) fn path(self, directory: &Path) -> PathBuf {
        match self {
            Self::Table => directory.join(self.file()),
            Self::Set => directory.to_owned(),
        }
    }

    /// The path that the pointer holds for a version.
    pub(super) fn link_to(self, id: &str) -> PathBuf {
        self.path(&Path::new(VERSIONS).join(id))
    }

    /// What the version in a directory holds, and its bytes. `None` if it is not yet filled, or is
    /// being removed.
    pub(super) fn of(directory: &Path) -> io::Result<Option<(Self, u64)>> {
        for content in [Self::Table, Self::Set] {
            match fs::metadata(directory.join(content.file())) {
                Ok(found) if content == Self::Table => return Ok(Some((content, found.len()))),
                Ok(_) => return Ok(Some((content, bytes_in(directory)?))),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }

    /// What a version holds.
    pub(super) fn of_version(version: &Version) -> Self {
        if version.path.ends_with(Self::Table.file()) { Self::Table } else { Self::Set }
    }

    /// Checks what a version holds, and returns the identity of what was checked.
    pub(super) fn check(version: &Version) -> Result<Identity, PublishError> {
        let failed = |source| PublishError::Source { path: version.path.clone(), source };
        let io = |source| failed(OpenFailure::Io { action: "open the table", source });
        let file = File::open(&version.path).map_err(io)?;
        let found = file.metadata().map_err(io)?;
        let identity = (found.dev(), found.ino());
        if Self::of_version(version) == Self::Set {
            check_set(&version.path)?;
            return Ok(identity);
        }
        match integrity::read_back(&file, &version.path) {
            Err(BuildError::ReadBack { source, .. }) => Err(failed(source)),
            other => Ok(other.map(|()| identity)?),
        }
    }

    /// Removes the directory of a version. Returns false if it holds a set that a reader has open:
    /// that reader may be about to open one more of its shards.
    pub(super) fn remove(directory: &Path) -> io::Result<bool> {
        let path = directory.join(Self::Set.file());
        let manifest = match File::open(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            other => Some(other?),
        };
        if let Some(manifest) = &manifest {
            match fs2::FileExt::try_lock_exclusive(manifest) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                // A reader that waits for its lock finds that the manifest is gone.
                _ => fs::remove_file(&path)?,
            }
        }
        remove_directory(directory)?;
        Ok(true)
    }
}

/// Bytes of all files in the directory of a set.
fn bytes_in(directory: &Path) -> io::Result<u64> {
    let names = crate::file::directory::names_in(directory)?;
    let lens = names.iter().map(|name| Ok(fs::symlink_metadata(directory.join(name))?.len()));
    lens.sum()
}

/// Compares every shard of the set in a directory with the manifest.
#[cfg(feature = "sets")]
fn check_set(directory: &Path) -> Result<(), SetError> {
    let (manifest, _held) = Manifest::read(directory)?;
    manifest.check_files(directory)
}

/// Entries of the set in a directory.
#[cfg(feature = "sets")]
pub(super) fn entries_of_set(directory: &Path) -> Result<u64, SetError> {
    Ok(Manifest::read(directory)?.0.entries)
}

#[cfg(not(feature = "sets"))]
fn check_set(directory: &Path) -> Result<(), SetError> {
    entries_of_set(directory).map(drop)
}

#[cfg(not(feature = "sets"))]
pub(super) fn entries_of_set(directory: &Path) -> Result<u64, SetError> {
    let what = "holds a set of tables, and this program was built without the feature sets";
    Err(SetError::Unsupported { path: directory.to_owned(), what })
}
