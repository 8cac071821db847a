//! From an unpublished temporary file to a table under its name.

use super::directory::{Directory, SystemDirectory};
use super::integrity;
use super::lock::{self, Lock};
use super::target;
use super::temporary;
use crate::error::BuildError;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// How a file is published.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Publishing {
    /// Permission bits, whatever the umask.
    pub(crate) mode: u32,
    /// Sync the file and its directory.
    pub(crate) durable: bool,
    /// Whether the table may replace another file under the name.
    pub(crate) replace: bool,
    /// Read everything back from the disk and check it before the rename.
    pub(crate) read_back: bool,
}

/// A file that is being written and does not yet have the table's name. Dropping it removes it.
pub(crate) struct Unpublished {
    /// The temporary name, where the file system has no files without names. It is dropped before
    /// the file, because the file's lock guards the name.
    name: Option<temporary::Name>,
    file: File,
    directory: Arc<dyn Directory>,
    target: PathBuf,
}

impl Unpublished {
    /// Creates the file in the directory of `target`. Refuses at once, as far as it can be known,
    /// what would prevent a table from getting this name.
    pub(crate) fn create(target: &Path, replace: bool) -> Result<Self, BuildError> {
        target::check_name(target)?;
        let directory = SystemDirectory::open(target::directory_of(target))
            .map_err(|e| BuildError::io("open the directory of the table", target, 0, e))?;
        Self::create_in(Arc::new(directory), target, replace)
    }

    pub(super) fn create_in(
        directory: Arc<dyn Directory>,
        target: &Path,
        replace: bool,
    ) -> Result<Self, BuildError> {
        target::check(target, &*directory, replace)?;
        lock::check(target, &*directory)?;
        Self::temporary(directory, target)
    }

    fn temporary(directory: Arc<dyn Directory>, target: &Path) -> Result<Self, BuildError> {
        let (file, name) = match directory.create_unnamed() {
            Ok(file) => {
                // A dead builder's file may take the room that this builder needs. If another
                // builder holds the lock, this sweep is left out: another one comes before the
                // rename.
                if temporary::any(target, &*directory)
                    && let Ok(Some(_lock)) =
                        Lock::take(&directory, &target::lock_name(target), Duration::ZERO)
                {
                    temporary::sweep(target, &*directory);
                }
                (file, None)
            }
            // For whatever reason there is no unnamed file, a named one is tried; only its error is
            // reported.
            Err(_) => {
                let lock = lock::of(&directory, target)?;
                if lock.is_some() {
                    temporary::sweep(target, &*directory);
                }
                temporary::create(&directory, target)
                    .map(|(file, name)| (file, Some(name)))
                    .map_err(|e| BuildError::io("create the unpublished table", target, 0, e))?
            }
        };
        Ok(Self { name, file, directory, target: target.to_owned() })
    }

    /// Creates a second file for the same target. This one is removed when it is dropped.
    pub(crate) fn again(&self) -> Result<Self, BuildError> {
        Self::temporary(Arc::clone(&self.directory), &self.target)
    }

    /// Returns an error if the file system has less room than `bytes`, before anything is written.
    pub(crate) fn check_space(&self, bytes: u64) -> Result<(), BuildError> {
        check_space(&self.target, bytes)
    }

    /// Allocates `bytes` bytes before the first is written, in as few pieces as the file system
    /// has. A file system that cannot allocate is written to all the same.
    pub(crate) fn reserve(&self, bytes: u64) -> Result<(), BuildError> {
        self.check_space(bytes)?;
        #[cfg(target_os = "linux")]
        if let Err(error) = rustix::io::retry_on_intr(|| {
            rustix::fs::fallocate(&self.file, rustix::fs::FallocateFlags::empty(), 0, bytes)
        }) {
            use rustix::io::Errno;
            if [Errno::NOSPC, Errno::DQUOT, Errno::FBIG].contains(&error) {
                let kind = io::Error::from(error).kind();
                let source = io::Error::new(kind, format!("{bytes} bytes are needed: {error}"));
                return Err(BuildError::io("write the table", &self.target, 0, source));
            }
        }
        Ok(())
    }

    /// The file, to be written.
    pub(crate) fn file(&self) -> &File {
        &self.file
    }

    /// The path of the table that this file will be, for messages.
    pub(crate) fn path(&self) -> &Path {
        &self.target
    }

    /// Gives the file its permissions and its name. On `Ok` with `durable`, both survive a power
    /// loss. Waits for others that publish under the same name.
    pub(crate) fn publish(self, how: Publishing) -> Result<(), BuildError> {
        self.seal(how)?;
        let (directory, path) = (Arc::clone(&self.directory), self.target.clone());
        let lock = lock::of(&directory, &path)?;
        if lock.is_some() {
            temporary::sweep(&path, &*directory);
        }
        self.place(how.replace)?;
        // The lock is released before the sync, so that nobody waits for a disk while it is held.
        // The sync also makes the removal of the side file durable.
        drop(lock);
        if how.durable {
            directory
                .sync()
                .map_err(|source| BuildError::PublishedButNotDurable { path, source })?;
        }
        Ok(())
    }

    /// Takes every step before the name: permissions, sync, reading back. The content does not
    /// change afterwards.
    pub(crate) fn seal(&self, how: Publishing) -> Result<(), BuildError> {
        self.directory
            .set_mode(&self.file, how.mode)
            .map_err(|e| BuildError::io("set the permissions", &self.target, 0, e))?;
        if how.durable || how.read_back {
            // A failed fsync is final: the kernel may have dropped the data it could not write.
            self.directory
                .sync_file(&self.file)
                .map_err(|e| BuildError::io("sync the unpublished table", &self.target, 0, e))?;
        }
        if how.read_back {
            integrity::read_back(&self.file, &self.target)?;
        }
        Ok(())
    }

    /// Gives a sealed file its name. Nobody else may sweep meanwhile. After an error, what stood at
    /// the name still stands there.
    pub(crate) fn place(self, replace: bool) -> Result<(), BuildError> {
        let Self { mut name, file, directory, target } = self;
        let to = target::name(&target);
        let look = || target::check(&target, &*directory, replace);
        target::take("publish the table", &target, replace, look, |new| match &mut name {
            Some(name) => name.rename(&file, to, new),
            // A name under which nothing stood is given without a temporary name.
            None if new => directory
                .link(&file, to)
                .or_else(|error| temporary::happened(to, &file, &*directory, error)),
            None => {
                let linked = temporary::link(&directory, &file, &target)?;
                name.insert(linked).rename(&file, to, new)
            }
        })
    }
}

/// Returns an error if the file system of the table `target` has less room than `bytes`. Where the
/// room is not known, a full disk is found while writing.
pub(crate) fn check_space(target: &Path, bytes: u64) -> Result<(), BuildError> {
    // Some file systems free the room of removed files a little later.
    const TRIES: u32 = 10;
    let free = || match fs2::statvfs(target::directory_of(target)) {
        // A file system that does not know its size reports a size of zero.
        Ok(space) if space.total_space() > 0 => space.available_space(),
        _ => u64::MAX,
    };
    for _ in 0..TRIES {
        if free() >= bytes {
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    let text = format!("at least {bytes} bytes are needed, {} are free", free());
    let source = io::Error::new(io::ErrorKind::StorageFull, text);
    Err(BuildError::io("write the table", target, 0, source))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes half a second, in which room might come.
    #[test]
    fn a_table_that_is_larger_than_the_disk_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        if !fs2::statvfs(directory.path()).is_ok_and(|space| space.total_space() > 0) {
            return eprintln!("skipped: this file system does not know its size");
        }
        let file = Unpublished::create(&directory.path().join("t"), true).unwrap();
        file.check_space(1).unwrap();
        let error = file.reserve(u64::MAX).unwrap_err();
        assert!(matches!(error, BuildError::OutOfSpace { .. }), "{error}");
        assert!(error.to_string().contains(&format!("at least {} bytes", u64::MAX)), "{error}");
    }

    /// As /proc, which has no size.
    #[cfg(target_os = "linux")]
    #[test]
    fn where_the_room_is_not_known_no_table_is_too_large() {
        check_space(Path::new("/proc/t"), u64::MAX).unwrap();
    }
}
