//! The directories of versions: their names, and one that is being filled.

use super::content::{Content, Identity};
use crate::file::Unfinished;
use crate::file::directory::remove_directory;
use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// The number at the start of an id; 0 if the id is not graven's.
pub(super) fn number(id: &str) -> u64 {
    let digits = id.split_once('-').map_or("", |(digits, _)| digits);
    let ours = digits.len() >= 8 && digits.bytes().all(|digit| digit.is_ascii_digit());
    if ours { digits.parse().unwrap_or(0) } else { 0 }
}

/// Returns `None` if nothing stands at the path.
pub(super) fn identity(path: &Path) -> io::Result<Option<Identity>> {
    match fs::metadata(path) {
        Ok(found) => Ok(Some((found.dev(), found.ino()))),
        Err(error)
            if [io::ErrorKind::NotFound, io::ErrorKind::NotADirectory].contains(&error.kind()) =>
        {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// A version's directory that is being filled. It is removed when this is dropped, unless it was
/// kept.
#[derive(Debug)]
pub(super) struct Filling {
    pub(super) id: String,
    pub(super) path: PathBuf,
    pub(super) content: Content,
    kept: bool,
    unfinished: Unfinished,
    /// The lock on the directory shows others that this process is alive.
    _held: File,
}

impl Filling {
    /// Makes the directory at `path`, and locks it.
    pub(super) fn make(id: String, path: PathBuf, content: Content, mode: u32) -> io::Result<Self> {
        make(&path, mode)?;
        let held = File::open(&path)?;
        // An error is ignored: where the file system has no locks, nobody removes what others fill.
        let _ = fs2::FileExt::try_lock_exclusive(&held);
        let unfinished = Unfinished::new(&path);
        Ok(Self { id, path, content, kept: false, unfinished, _held: held })
    }

    /// Where a table or a manifest is written whose build id, and so whose version's id, is not
    /// known yet.
    pub(super) fn new_file(&self) -> PathBuf {
        self.path.join(self.content.new_file())
    }

    /// Gives the directory the name that its version's id is, and the new file in it the name that
    /// makes the directory a version. The lock stays.
    pub(super) fn rename(&mut self, id: String) -> io::Result<()> {
        let path = self.path.with_file_name(&id);
        self.unfinished.end(|| fs::rename(&self.path, &path))?;
        (self.id, self.path) = (id, path);
        fs::rename(self.new_file(), self.path.join(self.content.file()))
    }

    /// The version is complete: an interruption leaves it alone from now on.
    pub(super) fn complete(&self) {
        self.unfinished.end(|| ());
    }

    pub(super) fn keep(mut self) -> String {
        self.kept = true;
        std::mem::take(&mut self.id)
    }
}

impl Drop for Filling {
    fn drop(&mut self) {
        if !self.kept {
            // A directory that can't be removed here is removed by the next publish.
            let _ = self.unfinished.end(|| remove_directory(&self.path));
        }
    }
}

/// Removes a directory without a table and without a manifest that no process is filling. The caller
/// holds the lock.
pub(super) fn remove_if_dead(directory: &Path) {
    let missing = |content: Content| {
        let found = fs::symlink_metadata(directory.join(content.file()));
        found.is_err_and(|error| error.kind() == io::ErrorKind::NotFound)
    };
    if missing(Content::Table)
        && missing(Content::Set)
        && let Ok(held) = File::open(directory)
        && fs2::FileExt::try_lock_exclusive(&held).is_ok()
    {
        let _ = remove_directory(directory);
    }
}

/// Makes a directory with these permissions, whatever the umask.
pub(super) fn make(path: &Path, mode: u32) -> io::Result<()> {
    DirBuilder::new().mode(mode & 0o777).create(path)?;
    fs::set_permissions(path, fs::Permissions::from_mode(mode))
}

/// Makes a directory as [`make`] does, unless it exists. Returns whether it was missing.
pub(super) fn make_if_missing(path: &Path, mode: u32) -> io::Result<bool> {
    match make(path, mode) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(error),
    }
}

/// Sets a directory's time of modification to now.
pub(super) fn touch(directory: &File) -> io::Result<()> {
    use rustix::fs::{Timespec, Timestamps, UTIME_NOW, futimens};
    // With `UTIME_NOW`, anyone who may write in the directory may set its time.
    let now = Timespec { tv_sec: 0, tv_nsec: UTIME_NOW };
    Ok(futimens(directory, &Timestamps { last_access: now, last_modification: now })?)
}
