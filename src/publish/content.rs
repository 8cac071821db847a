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
            if is_held(&fs2::FileExt::try_lock_exclusive(manifest)) {
                return Ok(false);
            }
            // A reader that waits for its lock finds that the manifest is gone.
            fs::remove_file(&path)?;
        }
        remove_directory(directory)?;
        Ok(true)
    }
}

/// Whether an attempt at a lock found that somebody holds one. Where the file system has no locks,
/// nobody does.
pub(super) fn is_held(attempt: &io::Result<()>) -> bool {
    attempt.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
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

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::io::Errno;
    use std::os::unix::fs::symlink;

    /// A directory in which this name is a link that leads to itself: to open it is an error, and
    /// not because there is nothing.
    fn looped(name: &str) -> (tempfile::TempDir, PathBuf) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(name);
        symlink(&path, &path).unwrap();
        (directory, path)
    }

    #[cfg(feature = "sets")]
    #[test]
    fn no_shard_has_the_name_of_a_versions_own_file() {
        for content in [Content::Table, Content::Set] {
            for name in [content.file(), content.new_file()] {
                assert!(!crate::manifest::is_plain(name), "{name}");
            }
        }
    }

    #[test]
    fn a_version_has_the_bytes_of_its_table_or_of_all_files_of_its_set() {
        let directory = tempfile::tempdir().unwrap();
        let write = |name: &str, bytes: &str| {
            fs::write(directory.path().join(name), bytes).unwrap();
        };
        write("shard", "12345");
        assert_eq!(Content::of(directory.path()).unwrap(), None);
        write(Content::Set.file(), "{}");
        assert_eq!(Content::of(directory.path()).unwrap(), Some((Content::Set, 7)));
        write(Content::Table.file(), "123");
        assert_eq!(Content::of(directory.path()).unwrap(), Some((Content::Table, 3)));
    }

    #[test]
    fn what_cannot_be_looked_at_is_an_error() {
        for content in [Content::Table, Content::Set] {
            let (directory, _path) = looped(content.file());
            let error = Content::of(directory.path()).unwrap_err();
            assert_eq!(error.raw_os_error(), Some(Errno::LOOP.raw_os_error()), "{content:?}");
        }
    }

    #[test]
    fn a_set_whose_manifest_cannot_be_opened_stays() {
        let (directory, path) = looped(Content::Set.file());
        let error = Content::remove(directory.path()).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(Errno::LOOP.raw_os_error()));
        assert!(path.is_symlink());
        fs::remove_file(&path).unwrap();
        assert!(Content::remove(directory.path()).unwrap());
        assert!(!directory.path().exists());
    }

    #[test]
    fn nobody_holds_a_lock_where_there_are_none() {
        assert!(is_held(&Err(io::ErrorKind::WouldBlock.into())));
        for errno in [Errno::NOLCK, Errno::NOSYS, Errno::OPNOTSUPP, Errno::INVAL] {
            assert!(!is_held(&Err(errno.into())), "{errno}");
        }
        assert!(!is_held(&Ok(())));
    }
}
