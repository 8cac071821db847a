//! From an unpublished temporary file to a table under its name.

use super::check;
use super::directory::{Directory, SystemDirectory};
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
    /// Another file may stand under the name.
    pub(crate) replace: bool,
    /// Read everything back from the disk and check it before the rename.
    pub(crate) read_back: bool,
}

/// A file that is written but has no name yet that a reader would look for. Dropping it removes
/// it.
pub(crate) struct Unpublished {
    /// Where the file system needs one to keep the file. Dropped before the file, whose lock
    /// guards the name.
    name: Option<temporary::Name>,
    file: File,
    directory: Arc<dyn Directory>,
    target: PathBuf,
}

impl Unpublished {
    /// Creates the file in the directory of `target`. Finds now what would prevent a table from
    /// getting this name, as far as it can be known.
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
                // A dead builder's file may be as large as the room that this one needs. If the
                // lock is held, the sweep before the rename must do.
                if temporary::any(target, &*directory)
                    && let Ok(Some(_lock)) =
                        Lock::take(&directory, &target::lock_name(target), Duration::ZERO)
                {
                    temporary::sweep(target, &*directory);
                }
                (file, None)
            }
            // Whatever the reason: a file with a name is the older way, and its error counts.
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

    /// A second file for the same target; this one is removed.
    pub(crate) fn again(&self) -> Result<Self, BuildError> {
        Self::temporary(Arc::clone(&self.directory), &self.target)
    }

    /// Refuses early what the file system has no room for: before anything of `bytes` bytes is
    /// written. Where the room is not known, writing will tell.
    pub(crate) fn check_space(&self, bytes: u64) -> Result<(), BuildError> {
        // Some file systems give the room of removed files back a little later.
        const TRIES: u32 = 10;
        let free = || match fs2::statvfs(target::directory_of(&self.target)) {
            // A file system that does not know its size says that it has none.
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
        Err(BuildError::io("write the table", &self.target, 0, source))
    }

    /// Makes room for `bytes` bytes before the first is written, in as few pieces as the file
    /// system has. One that cannot do so is written to without.
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

    /// What messages about the file name: the table that it will be.
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
        // Given back before the sync, so that nobody waits for a disk, and so that the sync makes
        // it durable that the side file is gone.
        drop(lock);
        if how.durable {
            directory
                .sync()
                .map_err(|source| BuildError::PublishedButNotDurable { path, source })?;
        }
        Ok(())
    }

    /// Everything that comes before the name: afterwards the content stands.
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
            check::read_back(&self.file, &self.target)?;
        }
        Ok(())
    }

    /// The name, for a sealed file. Nobody else may sweep meanwhile. On an error, what stood there
    /// stays.
    pub(crate) fn place(self, replace: bool) -> Result<(), BuildError> {
        let Self { mut name, file, directory, target } = self;
        let to = target::name(&target);
        let look = || target::check(&target, &*directory, replace);
        target::take("publish the table", &target, replace, look, |new| match &mut name {
            Some(name) => name.rename(&file, to, new),
            // The name is given at once where it is a new one.
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
