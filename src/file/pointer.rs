//! A symbolic link that is replaced in one step: the pointer to the current one of several
//! versions.

use super::directory::{Directory, SystemDirectory};
use super::lock::{self, Lock};
use super::standing::Standing;
use super::target;
use crate::error::BuildError;
use std::ffi::{OsStr, OsString};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A link in a directory that is held open. Beside it stand `.NAME.lock`, whose lock is held while
/// the link changes, and `.NAME.next`, the next link before it replaces the last one.
pub(crate) struct Pointer {
    directory: Arc<dyn Directory>,
    path: PathBuf,
}

impl Pointer {
    /// The link at `path`, whether it exists or not.
    pub(crate) fn at(path: PathBuf) -> io::Result<Self> {
        let directory = SystemDirectory::open(target::directory_of(&path))?;
        Ok(Self::new(Arc::new(directory), path))
    }

    pub(super) fn new(directory: Arc<dyn Directory>, path: PathBuf) -> Self {
        Self { directory, path }
    }

    /// Takes the lock.
    pub(crate) fn lock(&self) -> Result<Option<Lock>, BuildError> {
        lock::of(&self.directory, &self.path)
    }

    /// Returns an error if something stands at the link's place that must not, or cannot, be
    /// replaced. The caller holds the lock.
    pub(crate) fn check(&self, replace: bool) -> Result<Standing, BuildError> {
        let standing = self.directory.standing(self.name(), false);
        let standing = standing.map_err(|e| self.failed("look at the pointer", e))?;
        target::permit(&self.path, standing, replace)?;
        Ok(standing)
    }

    /// Makes the link lead to `to`. After an error the link leads where it led. The caller holds
    /// the lock.
    pub(crate) fn point_to(&self, to: &Path, replace: bool) -> Result<(), BuildError> {
        const MOVE: &str = "move the pointer to the current version";
        let failed = |error| self.failed(MOVE, error);
        let next = self.next();
        match self.directory.remove(&next) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
            _ => {}
        }
        self.directory.symlink(to, &next).map_err(failed)?;
        let moved = target::take(
            MOVE,
            &self.path,
            replace,
            || self.check(replace),
            |new| {
                match self.directory.rename(&next, self.name(), !new) {
                    // A network file system may report an error of a rename that it has made.
                    Err(_) if self.leads_to(to) => Ok(()),
                    other => other,
                }
            },
        );
        if moved.is_err() {
            let _ = self.directory.remove(&next);
        }
        moved
    }

    /// Makes the link durable.
    pub(crate) fn sync(&self) -> Result<(), BuildError> {
        self.directory.sync().map_err(|source| BuildError::PublishedButNotDurable {
            path: self.path.clone(),
            source,
        })
    }

    /// Whether the link is known not to lead to `to`.
    pub(crate) fn leads_elsewhere(&self, to: &Path) -> bool {
        match self.directory.read_link(self.name()) {
            Ok(found) => found != to,
            // Nothing stands there, or something that is no link.
            Err(error) => {
                [io::ErrorKind::NotFound, io::ErrorKind::InvalidInput].contains(&error.kind())
            }
        }
    }

    fn leads_to(&self, to: &Path) -> bool {
        self.directory.read_link(self.name()).is_ok_and(|found| found == to)
    }

    fn name(&self) -> &OsStr {
        target::name(&self.path)
    }

    fn next(&self) -> OsString {
        target::next_name(&self.path)
    }

    fn failed(&self, action: &'static str, source: io::Error) -> BuildError {
        BuildError::Io { action, path: self.path.clone(), source }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn a_link_leads_elsewhere_unless_it_leads_there() {
        let directory = tempfile::tempdir().unwrap();
        let pointer = Pointer::at(directory.path().join("current")).unwrap();
        let (one, two) = (Path::new("one"), Path::new("two"));
        assert!(pointer.leads_elsewhere(one), "nothing stands there");
        pointer.point_to(one, true).unwrap();
        assert!(!pointer.leads_elsewhere(one) && pointer.leads_elsewhere(two));
        pointer.point_to(two, true).unwrap();
        assert!(pointer.leads_elsewhere(one) && !pointer.leads_elsewhere(two));
        fs::remove_file(directory.path().join("current")).unwrap();
        fs::write(directory.path().join("current"), "no link").unwrap();
        assert!(pointer.leads_elsewhere(one), "a file stands there");
    }

    /// What stands in the next link's place, and is none, stays.
    #[test]
    fn the_next_link_has_no_place() {
        let directory = tempfile::tempdir().unwrap();
        let pointer = Pointer::at(directory.path().join("current")).unwrap();
        let next = directory.path().join(pointer.next());
        fs::create_dir(&next).unwrap();
        let BuildError::Io { source, .. } = pointer.point_to(Path::new("one"), true).unwrap_err()
        else {
            panic!("another error")
        };
        assert_ne!(source.kind(), io::ErrorKind::AlreadyExists, "{source}");
        assert!(next.is_dir());
        fs::remove_dir(&next).unwrap();
        // One that a killed publisher has left is replaced.
        fs::write(&next, "").unwrap();
        pointer.point_to(Path::new("one"), true).unwrap();
        assert!(!pointer.leads_elsewhere(Path::new("one")) && !next.exists());
    }
}
