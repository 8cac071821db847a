//! The file system, as far as publishing needs it. It has few steps; a test can record each step,
//! make it fail, or cut the power after it.

use super::io::CAREFUL;
use super::standing::{self, Standing};
use rustix::fs::{self as sys, AtFlags, CWD, Mode, OFlags};
use rustix::io::Errno;
use std::ffi::{OsStr, OsString};
use std::fs::{File, Permissions};
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// The directory in which a table is published. Every name is a name in this directory, never a
/// path.
pub(super) trait Directory: Send + Sync {
    /// Creates a file without a name. It vanishes with the process that holds it, however the
    /// process ends.
    fn create_unnamed(&self) -> io::Result<File>;
    /// Creates a file that only its owner may read, under a name that nothing else has.
    fn create_named(&self, name: &OsStr) -> io::Result<File>;
    /// Opens the regular file of this name, and never what a link of this name leads to.
    fn open(&self, name: &OsStr) -> io::Result<File>;
    /// Creates a side file to be locked, under a name that nothing else has.
    fn create_lock(&self, name: &OsStr) -> io::Result<File>;
    /// Opens the side file of this name, to be locked.
    fn open_lock(&self, name: &OsStr) -> io::Result<File>;
    /// Locks a file unless another holder has a lock on it. Returns whether the file was locked.
    fn try_lock(&self, file: &File) -> io::Result<bool>;
    /// Releases a lock before the file is closed.
    fn unlock(&self, file: &File) -> io::Result<()>;
    /// What stands under a name. With `follow`, a link counts as what it leads to.
    fn standing(&self, name: &OsStr, follow: bool) -> io::Result<Standing>;
    /// Whether the name leads to this very file. A symbolic link of this name does not.
    fn leads_to(&self, name: &OsStr, file: &File) -> io::Result<bool>;
    /// Gives a file its permissions.
    fn set_mode(&self, file: &File, mode: u32) -> io::Result<()>;
    /// Makes a file's content durable. The sync is tried once: after an error the kernel may forget
    /// what it could not write, and report success.
    fn sync_file(&self, file: &File) -> io::Result<()>;
    /// Gives a file without a name a name that nothing else has.
    fn link(&self, file: &File, name: &OsStr) -> io::Result<()>;
    /// Makes a symbolic link under a name that nothing else has.
    fn symlink(&self, to: &Path, name: &OsStr) -> io::Result<()>;
    /// Where the link of this name leads.
    fn read_link(&self, name: &OsStr) -> io::Result<PathBuf>;
    /// Renames a file. With `replace`, it replaces another file of that name. Without `replace`,
    /// returns [`io::ErrorKind::Unsupported`] where the file system can only replace.
    fn rename(&self, from: &OsStr, to: &OsStr, replace: bool) -> io::Result<()>;
    /// Removes a name.
    fn remove(&self, name: &OsStr) -> io::Result<()>;
    /// Makes the names durable. The sync is tried once.
    fn sync(&self) -> io::Result<()>;
}

/// A directory of the system. It is held open, so that a program that changes its working directory
/// during a build still publishes to the same directory.
pub(super) struct SystemDirectory {
    directory: OwnedFd,
}

impl SystemDirectory {
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let directory = rustix::io::retry_on_intr(|| sys::open(path, flags, Mode::empty()))?;
        Ok(Self { directory })
    }

    fn open_at(&self, name: &OsStr, flags: OFlags, mode: Mode) -> io::Result<File> {
        let flags = flags | OFlags::CLOEXEC | OFlags::NOFOLLOW | CAREFUL;
        let opened = rustix::io::retry_on_intr(|| sys::openat(&self.directory, name, flags, mode))?;
        let file = File::from(opened);
        if file.metadata()?.is_file() {
            Ok(file)
        } else {
            Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"))
        }
    }

    /// All names except `.` and `..`.
    fn names(&self) -> io::Result<Vec<OsString>> {
        let mut names = Vec::new();
        for entry in sys::Dir::read_from(&self.directory)? {
            let name = entry?.file_name().to_bytes().to_vec();
            if name != b"." && name != b".." {
                names.push(OsString::from_vec(name));
            }
        }
        Ok(names)
    }
}

/// Readable and writable for the owner alone.
const PRIVATE: Mode = Mode::RUSR.union(Mode::WUSR);
/// Permissions of a side file, which has no content to protect.
const LOCK_MODE: u32 = 0o644;

impl Directory for SystemDirectory {
    #[cfg(target_os = "linux")]
    fn create_unnamed(&self) -> io::Result<File> {
        let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
        let opened =
            rustix::io::retry_on_intr(|| sys::openat(&self.directory, ".", flags, PRIVATE))?;
        let file = File::from(opened);
        // Without /proc the file could never get a name. This is found now, not after the build.
        let seen = std::fs::metadata(path_of(&file))?;
        let own = file.metadata()?;
        if (seen.dev(), seen.ino()) == (own.dev(), own.ino()) {
            Ok(file)
        } else {
            Err(io::ErrorKind::Unsupported.into())
        }
    }

    #[cfg(not(target_os = "linux"))]
    fn create_unnamed(&self) -> io::Result<File> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn create_named(&self, name: &OsStr) -> io::Result<File> {
        self.open_at(name, OFlags::RDWR | OFlags::CREATE | OFlags::EXCL, PRIVATE)
    }

    fn open(&self, name: &OsStr) -> io::Result<File> {
        self.open_at(name, OFlags::RDONLY, Mode::empty())
    }

    fn create_lock(&self, name: &OsStr) -> io::Result<File> {
        // The file has its permissions from the start, as far as the umask allows: another user may
        // be waiting.
        let mode = PRIVATE | Mode::RGRP | Mode::ROTH;
        let made = self.open_at(name, OFlags::RDWR | OFlags::CREATE | OFlags::EXCL, mode)?;
        // Whoever may publish here must be able to lock the file, whatever the umask. A file system
        // on which permissions can't be changed does not need them.
        let _ = self.set_mode(&made, LOCK_MODE);
        Ok(made)
    }

    fn open_lock(&self, name: &OsStr) -> io::Result<File> {
        match self.open_at(name, OFlags::RDWR, Mode::empty()) {
            // Another user's file: to lock it, reading suffices, except on network file systems.
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => self.open(name),
            other => other,
        }
    }

    fn try_lock(&self, file: &File) -> io::Result<bool> {
        match fs2::FileExt::try_lock_exclusive(file) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn unlock(&self, file: &File) -> io::Result<()> {
        fs2::FileExt::unlock(file)
    }

    fn standing(&self, name: &OsStr, follow: bool) -> io::Result<Standing> {
        standing::look(&self.directory, name, follow)
    }

    fn leads_to(&self, name: &OsStr, file: &File) -> io::Result<bool> {
        let own = sys::fstat(file)?;
        let found = match sys::statat(&self.directory, name, AtFlags::SYMLINK_NOFOLLOW) {
            Err(Errno::NOENT) => return Ok(false),
            other => other?,
        };
        // A network file system may still list a name that another machine has unlinked.
        Ok(own.st_nlink > 0 && (own.st_dev, own.st_ino) == (found.st_dev, found.st_ino))
    }

    fn set_mode(&self, file: &File, mode: u32) -> io::Result<()> {
        file.set_permissions(Permissions::from_mode(mode))
    }

    fn sync_file(&self, file: &File) -> io::Result<()> {
        sync(file)
    }

    fn link(&self, file: &File, name: &OsStr) -> io::Result<()> {
        let follow = AtFlags::SYMLINK_FOLLOW;
        Ok(sys::linkat(CWD, path_of(file), &self.directory, name, follow)?)
    }

    fn symlink(&self, to: &Path, name: &OsStr) -> io::Result<()> {
        Ok(sys::symlinkat(to, &self.directory, name)?)
    }

    fn read_link(&self, name: &OsStr) -> io::Result<PathBuf> {
        let link = sys::readlinkat(&self.directory, name, Vec::new())?;
        Ok(OsString::from_vec(link.into_bytes()).into())
    }

    fn rename(&self, from: &OsStr, to: &OsStr, replace: bool) -> io::Result<()> {
        if replace {
            return Ok(sys::renameat(&self.directory, from, &self.directory, to)?);
        }
        #[cfg(any(target_os = "linux", target_vendor = "apple"))]
        match sys::renameat_with(
            &self.directory,
            from,
            &self.directory,
            to,
            sys::RenameFlags::NOREPLACE,
        ) {
            // This file system does not support NOREPLACE.
            Err(Errno::INVAL | Errno::NOSYS) => {}
            other => return Ok(other?),
        }
        // On every Unix, `linkat` refuses a name that exists already. If the first name can't be
        // removed, a sweep removes it later: the file is published.
        match sys::linkat(&self.directory, from, &self.directory, to, AtFlags::empty()) {
            // This file system does not support hard links either.
            Err(Errno::PERM | Errno::NOSYS | Errno::OPNOTSUPP | Errno::INVAL) => {
                return Err(io::ErrorKind::Unsupported.into());
            }
            other => other?,
        }
        let _ = self.remove(from);
        Ok(())
    }

    fn remove(&self, name: &OsStr) -> io::Result<()> {
        Ok(sys::unlinkat(&self.directory, name, AtFlags::empty())?)
    }

    fn sync(&self) -> io::Result<()> {
        sync(&self.directory)
    }
}

/// The path in /proc that leads to a file this process has open.
fn path_of(file: &File) -> String {
    format!("/proc/self/fd/{}", file.as_raw_fd())
}

/// Syncs once. The standard library would try again after a signal.
#[cfg(not(target_vendor = "apple"))]
fn sync(file: impl AsFd) -> io::Result<()> {
    Ok(sys::fsync(file)?)
}

/// Syncs by F_FULLFSYNC: on Apple's systems fsync leaves the data in the disk's cache.
#[cfg(target_vendor = "apple")]
fn sync(file: impl AsFd) -> io::Result<()> {
    match sys::fcntl_fullfsync(&file) {
        // Not every file system supports F_FULLFSYNC.
        Err(Errno::NOTSUP | Errno::INVAL) => Ok(sys::fsync(file)?),
        other => Ok(other?),
    }
}

/// All names in a directory. The standard library's iterator panics if closing the directory fails.
pub(crate) fn names_in(path: &Path) -> io::Result<Vec<OsString>> {
    SystemDirectory::open(path)?.names()
}

/// Removes a directory that holds only files, with the files.
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::io::Write;

    fn directory() -> (tempfile::TempDir, SystemDirectory) {
        let path = tempfile::tempdir().unwrap();
        let directory = SystemDirectory::open(path.path()).unwrap();
        (path, directory)
    }

    #[test]
    fn a_directory_is_opened_and_nothing_else() {
        let (path, directory) = directory();
        let flags = rustix::io::fcntl_getfd(&directory.directory).unwrap();
        assert!(flags.contains(rustix::io::FdFlags::CLOEXEC));
        let file = path.path().join("file");
        fs::write(&file, "").unwrap();
        let error = SystemDirectory::open(&file).err().map(|error| error.kind());
        assert_eq!(error, Some(io::ErrorKind::NotADirectory));
    }

    /// As where the system has no files without a name.
    #[test]
    fn a_named_file_is_new_and_its_owners() {
        let (path, directory) = directory();
        let name = OsStr::new("new");
        let mut file = directory.create_named(name).unwrap();
        file.write_all(b"content").unwrap();
        let again = directory.create_named(name).err().map(|error| error.kind());
        assert_eq!(again, Some(io::ErrorKind::AlreadyExists));
        let found = fs::metadata(path.path().join("new")).unwrap();
        assert_eq!((found.mode() & 0o777, found.len()), (0o600, 7));
    }

    #[test]
    fn a_name_leads_to_its_file_alone() {
        let (path, directory) = directory();
        let name = OsStr::new("side");
        let file = directory.create_lock(name).unwrap();
        assert!(directory.leads_to(name, &file).unwrap());
        // The file keeps another name, and another file takes this one.
        fs::rename(path.path().join(name), path.path().join("other")).unwrap();
        assert!(!directory.leads_to(name, &file).unwrap());
        fs::write(path.path().join(name), "").unwrap();
        assert!(!directory.leads_to(name, &file).unwrap());
    }

    #[test]
    fn a_lock_is_released_though_a_fork_holds_the_file() {
        let (_path, directory) = directory();
        let name = OsStr::new("side");
        let file = directory.create_lock(name).unwrap();
        assert!(directory.try_lock(&file).unwrap());
        let other = directory.open_lock(name).unwrap();
        assert!(!directory.try_lock(&other).unwrap());
        let fork = file.try_clone().unwrap();
        directory.unlock(&file).unwrap();
        drop(file);
        assert!(directory.try_lock(&other).unwrap());
        drop(fork);
    }

    #[test]
    fn what_cannot_be_locked_is_an_error() {
        let (path, directory) = directory();
        fs::create_dir(path.path().join("side")).unwrap();
        let error = directory.open_lock(OsStr::new("side")).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::IsADirectory);
        // Opened as a place, not as a file.
        fs::write(path.path().join("file"), "").unwrap();
        let place = sys::openat(&directory.directory, "file", OFlags::PATH, Mode::empty()).unwrap();
        directory.try_lock(&File::from(place)).unwrap_err();
    }

    /// Another user's, for example. To lock it, reading suffices.
    #[cfg(target_os = "linux")]
    #[test]
    fn a_side_file_that_may_only_be_read_is_opened() {
        use crate::file::powers::without_powers;
        let (_path, directory) = directory();
        let name = OsStr::new("side");
        let made = directory.create_lock(name).unwrap();
        directory.set_mode(&made, 0o444).unwrap();
        let opened = without_powers(|| directory.open_lock(name)).unwrap();
        assert!(directory.leads_to(name, &opened).unwrap());
        directory.set_mode(&made, 0).unwrap();
        let refused = without_powers(|| directory.open_lock(name)).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::PermissionDenied);
    }

    #[test]
    fn names_that_cannot_be_made_durable_are_an_error() {
        let (path, _directory) = directory();
        sync_directory(path.path()).unwrap();
        let missing = sync_directory(&path.path().join("missing")).unwrap_err();
        assert_eq!(missing.kind(), io::ErrorKind::NotFound);
        // Linux has no sync for the directories of /proc, and says so to whoever asks for it.
        #[cfg(target_os = "linux")]
        assert_eq!(
            sync_directory(Path::new("/proc/self")).unwrap_err().kind(),
            io::ErrorKind::InvalidInput
        );
    }
}
