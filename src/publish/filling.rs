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
    make_under_umask(path, mode)?;
    fs::set_permissions(path, fs::Permissions::from_mode(mode))
}

/// Makes a directory with these permissions, except for those that the umask takes, so that it never
/// has more than these.
fn make_under_umask(path: &Path, mode: u32) -> io::Result<()> {
    DirBuilder::new().mode(mode & 0o777).create(path)
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;
    use std::time::{Duration, SystemTime};

    #[test]
    fn only_what_is_missing_has_no_identity() {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        fs::write(path("file"), "").unwrap();
        let found = fs::metadata(path("file")).unwrap();
        assert_eq!(identity(&path("file")).unwrap(), Some((found.dev(), found.ino())));
        for missing in ["none", "file/none"] {
            assert_eq!(identity(&path(missing)).unwrap(), None, "{missing}");
        }
        symlink(path("loop"), path("loop")).unwrap();
        let error = identity(&path("loop")).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(rustix::io::Errno::LOOP.raw_os_error()));
    }

    #[test]
    fn an_interruption_leaves_a_complete_version_alone() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("1");
        let filling = Filling::make("1".into(), path.clone(), Content::Table, 0o755).unwrap();
        assert!(filling.unfinished.is_listed());
        filling.complete();
        assert!(!filling.unfinished.is_listed());
        // It is removed all the same, unless it is kept.
        drop(filling);
        assert!(!path.exists());
    }

    #[test]
    fn a_directory_never_has_more_permissions_than_it_gets() {
        let directory = tempfile::tempdir().unwrap();
        let permissions = |path: &Path| fs::metadata(path).unwrap().mode() & 0o7777;
        for mode in [0o700, 0o750, 0o1775] {
            let path = directory.path().join(format!("{mode:o}"));
            make_under_umask(&path, mode).unwrap();
            let begun = permissions(&path) & 0o777;
            assert_eq!(begun & !mode, 0, "{begun:o} instead of {mode:o}");
            fs::remove_dir(&path).unwrap();
            make(&path, mode).unwrap();
            assert_eq!(permissions(&path), mode);
        }
    }

    #[test]
    fn a_directory_that_exists_is_no_error_and_any_other_cause_is() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("new");
        assert!(make_if_missing(&path, 0o755).unwrap());
        assert!(!make_if_missing(&path, 0o755).unwrap());
        let error = make_if_missing(&directory.path().join("none/new"), 0o755).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn a_touch_sets_the_time_to_now() {
        let directory = tempfile::tempdir().unwrap();
        let opened = File::open(directory.path()).unwrap();
        let modified = || opened.metadata().unwrap().modified().unwrap();
        let long_ago = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
        opened.set_modified(long_ago).unwrap();
        assert_eq!(modified(), long_ago);
        touch(&opened).unwrap();
        assert!(modified() > long_ago + Duration::from_secs(3600));
    }
}
