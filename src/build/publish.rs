//! From an unpublished temporary file to a table under its name.
//!
//! The temporary file lies in the table's own directory, so that the rename stays inside one file
//! system. Where the system can, it has no name until the very end and vanishes with its process.
//! Order: write, permissions, fsync of the file, lock, sweep, rename, fsync of the directory. The
//! permissions come before the fsync so that one sync makes both durable.
//!
//! The lock is that of a side file, `.NAME.lock`, which stays for ever: a lock on the table itself
//! would hinder readers on some network file systems and would be renamed away. It is held while
//! temporary files of dead builders are swept and while the table gets its name, not during the
//! build: of two builders of one table the later one's stays. Readers know nothing of it.
//!
//! What a killed builder leaves behind, if anything, is `.NAME.graven-…`. While it is written its
//! builder holds a lock on it, and it has a name without that lock only while the builder holds
//! the side file's; so whoever holds that one can tell the dead from the living.

#[cfg(not(unix))]
compile_error!("graven publishes tables by what only Unix systems have: build it on one");

#[cfg(test)]
mod crash_tests;
mod directory;
#[cfg(test)]
mod model;
mod named;
mod target;

use super::check;
use crate::error::BuildError;
use directory::{Directory, SystemDirectory};
use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

pub use named::remove_unpublished;
pub(super) use target::directory_of as directory;

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
    file: File,
    /// Where the file system needs one to keep the file.
    name: Option<named::Name>,
    directory: Arc<dyn Directory>,
    target: PathBuf,
}

/// Longest wait for a lock that is held for as long as a rename and a sync take.
const PATIENCE: Duration = Duration::from_secs(60);

impl Unpublished {
    /// Creates the file in the directory of `target`. Finds now what would prevent a table from
    /// getting this name, as far as it can be known.
    pub(crate) fn create(target: &Path, replace: bool) -> Result<Self, BuildError> {
        target::check(target, replace)?;
        let directory = SystemDirectory::open(directory(target))
            .map_err(|e| BuildError::io("open the directory of the table", target, 0, e))?;
        Self::create_in(Arc::new(directory), target)
    }

    fn create_in(directory: Arc<dyn Directory>, target: &Path) -> Result<Self, BuildError> {
        let swept = sweep_early(&*directory, target);
        swept.map_err(|e| BuildError::io("sweep temporary files", target, 0, e))?;
        Self::temporary(directory, target)
    }

    fn temporary(directory: Arc<dyn Directory>, target: &Path) -> Result<Self, BuildError> {
        let (file, name) = match directory.create_unnamed() {
            Ok(file) => (file, None),
            // Whatever the reason: a file with a name is the older way, and its error counts.
            Err(_) => named::create(&directory, target)
                .map(|(file, name)| (file, Some(name)))
                .map_err(|e| BuildError::io("create the unpublished table", target, 0, e))?,
        };
        Ok(Self { file, name, directory, target: target.to_owned() })
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
        let free = || match fs2::statvfs(directory(&self.target)) {
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
        let side = target::lock_name(&self.target);
        let lock = lock(&*self.directory, &side)
            .map_err(|source| locked(directory(&self.target), &side, source))?;
        if lock.is_some() {
            sweep(&*self.directory, &self.target);
        }
        self.place(how)
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

    /// The name, for a sealed file. Nobody else may sweep meanwhile.
    pub(crate) fn place(self, how: Publishing) -> Result<(), BuildError> {
        let Self { file, name, directory, target } = self;
        let placed = match name {
            Some(name) => name.rename(&file, target::name(&target), how.replace),
            // The name is given at once where it has to be new anyway.
            None if !how.replace => directory.link(&file, target::name(&target)),
            None => named::link(&directory, &file, &target)
                .and_then(|name| name.rename(&file, target::name(&target), true)),
        };
        placed.map_err(|source| match source.kind() {
            io::ErrorKind::AlreadyExists if !how.replace => {
                BuildError::AlreadyExists { path: target.clone() }
            }
            _ => BuildError::io("publish the table", &target, 0, source),
        })?;
        if how.durable {
            directory
                .sync()
                .map_err(|source| BuildError::PublishedButNotDurable { path: target, source })?;
        }
        Ok(())
    }
}

/// Finds before hours of work whether files for sorting can be made.
pub(super) fn check_temporary(path: &Path) -> Result<(), BuildError> {
    tempfile::tempfile_in(path)
        .map(drop)
        .map_err(|e| BuildError::io("create temporary files", path, 0, e))
}

/// A lock that is given back when this is dropped, also where a fork has the file open still.
pub(crate) struct Lock {
    file: File,
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Closing gives it back otherwise.
        let _ = fs2::FileExt::unlock(&self.file);
    }
}

/// Locks the side file. None where the file system has no locks: then nothing is swept, and a
/// rename is atomic without.
fn lock(directory: &dyn Directory, side: &OsStr) -> io::Result<Option<Lock>> {
    let file = directory.open_lock(side)?;
    let begun = Instant::now();
    loop {
        match directory.try_lock(&file) {
            Ok(true) => return Ok(Some(Lock { file })),
            Ok(false) if begun.elapsed() < PATIENCE => {
                std::thread::sleep(Duration::from_millis(2));
            }
            Ok(false) => return Err(io::ErrorKind::WouldBlock.into()),
            Err(error) if no_locks(&error) => return Ok(None),
            Err(error) => return Err(error),
        }
    }
}

fn locked(directory: &Path, side: &OsStr, source: io::Error) -> BuildError {
    BuildError::Locked { path: directory.join(side), source }
}

/// Likewise, in a directory that is not open.
pub(crate) fn lock_side_file(path: &Path, side: &OsStr) -> Result<Option<Lock>, BuildError> {
    SystemDirectory::open(path)
        .and_then(|directory| lock(&directory, side))
        .map_err(|source| locked(path, side, source))
}

/// All names in a directory. The standard library's way panics where closing it fails.
pub(crate) fn names_in(path: &Path) -> io::Result<Vec<std::ffi::OsString>> {
    SystemDirectory::open(path)?.names()
}

/// Removes a directory of files.
pub(crate) fn remove_directory(path: &Path) -> io::Result<()> {
    let directory = SystemDirectory::open(path)?;
    for name in directory.names()? {
        directory.remove(&name)?;
    }
    std::fs::remove_dir(path)
}

/// Makes the names in a directory durable.
pub(crate) fn sync_directory(path: &Path) -> io::Result<()> {
    SystemDirectory::open(path)?.sync()
}

fn no_locks(error: &io::Error) -> bool {
    use rustix::io::Errno;
    let known = [Errno::NOLCK, Errno::NOSYS, Errno::OPNOTSUPP, Errno::INVAL];
    Errno::from_io_error(error).is_some_and(|errno| known.contains(&errno))
}

/// Before a build: its dead predecessor's file may be as large as the room that it needs.
fn sweep_early(directory: &dyn Directory, target: &Path) -> io::Result<()> {
    let prefix = target::temporary_prefix(target);
    let names = directory.names()?;
    if names.iter().any(|name| named::is_temporary(name, &prefix)) {
        // Held until the sweep is over: in a condition it would be given back before.
        let lock = lock(directory, &target::lock_name(target))?;
        if lock.is_some() {
            sweep(directory, target);
        }
    }
    Ok(())
}

/// Removes temporary files of this target that no builder holds. The caller holds the side file's
/// lock. What can't be removed stays for the next sweep.
fn sweep(directory: &dyn Directory, target: &Path) {
    let prefix = target::temporary_prefix(target);
    for name in directory.names().unwrap_or_default() {
        if named::is_temporary(&name, &prefix)
            && let Ok(file) = directory.open(&name)
            && let Ok(true) = directory.try_lock(&file)
        {
            let _ = directory.remove(&name);
        }
    }
}
