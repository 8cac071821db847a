//! The lock that is held while a name changes its file.
//!
//! The lock is taken on a side file, `.NAME.lock`: a lock on the table itself would hinder readers
//! on some network file systems and would be renamed away. Whoever finds no side file makes it. The
//! holder unlinks the side file before unlocking it, so that it stands only while a name changes.
//! Another holder may therefore unlink a file while a builder waits for its lock, and a third
//! builder may hold the lock of the next file. So whoever gets the lock checks that the name still
//! leads to the locked file, and starts anew if it does not. A side file that a killed holder left
//! is locked and unlinked by the next holder.

use super::directory::Directory;
use super::target;
use crate::error::BuildError;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Longest wait for the lock, which others hold only as long as a rename takes.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);
/// Longest wait for a side file that can't be opened because another user made it and has not yet
/// given it its permissions.
const GRACE: Duration = Duration::from_secs(1);
/// Time between two attempts.
const PAUSE: Duration = Duration::from_millis(2);

/// Takes the lock of a table or a pointer. Returns `None` where the file system has no locks.
pub(super) fn of(
    directory: &Arc<dyn Directory>,
    target: &Path,
) -> Result<Option<Lock>, BuildError> {
    let side = target::lock_name(target);
    Lock::take(directory, &side, PATIENCE).map_err(|source| failed(target, &side, source))
}

/// Refuses a side file that could never be locked, before hours of work.
pub(super) fn check(target: &Path, directory: &dyn Directory) -> Result<(), BuildError> {
    let side = target::lock_name(target);
    Lock::check(directory, &side).map_err(|source| failed(target, &side, source))
}

fn failed(target: &Path, side: &OsStr, source: io::Error) -> BuildError {
    BuildError::Locked { path: target::directory_of(target).join(side), source }
}

/// A lock that is held.
pub(crate) struct Lock {
    directory: Arc<dyn Directory>,
    name: OsString,
    file: File,
}

impl Lock {
    /// Takes the lock of a side file, and waits for it as long as `patience`. Returns `None` where
    /// the file system has no locks.
    pub(super) fn take(
        directory: &Arc<dyn Directory>,
        name: &OsStr,
        patience: Duration,
    ) -> io::Result<Option<Self>> {
        let begun = Instant::now();
        let mut refusal = Refusal::default();
        loop {
            let Some(file) = open(name, &**directory, begun, &mut refusal)? else { continue };
            loop {
                match directory.try_lock(&file) {
                    Ok(true) => break,
                    Ok(false) if begun.elapsed() < patience => std::thread::sleep(PAUSE),
                    Ok(false) => return Err(io::ErrorKind::WouldBlock.into()),
                    Err(error) if no_locks(&error) => {
                        if is_ours(&file) {
                            let _ = directory.remove(name);
                        }
                        return Ok(None);
                    }
                    Err(error) => return Err(error),
                }
            }
            if directory.leads_to(name, &file)? {
                let directory = Arc::clone(directory);
                return Ok(Some(Self { directory, name: name.to_owned(), file }));
            }
            if begun.elapsed() >= PATIENCE {
                return Err(io::ErrorKind::WouldBlock.into());
            }
        }
    }

    /// Refuses what stands at the side file's name and could never be locked. Makes no file.
    fn check(directory: &dyn Directory, name: &OsStr) -> io::Result<()> {
        let mut refusal = Refusal::default();
        loop {
            match directory.open_lock(name) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
                Err(error) if refusal.may_pass(&error, Instant::now()) => {
                    std::thread::sleep(PAUSE);
                }
                other => return other.map(drop),
            }
        }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // A file with content is another program's. A name that can't be unlinked, such as another
        // user's in a sticky directory, stays and is locked again.
        if is_ours(&self.file) {
            let _ = self.directory.remove(&self.name);
        }
        // Closing the file would release the lock, unless a fork still has the file open.
        let _ = self.directory.unlock(&self.file);
    }
}

/// Opens the side file, or makes it. `None` asks the caller to try again.
fn open(
    name: &OsStr,
    directory: &dyn Directory,
    begun: Instant,
    refusal: &mut Refusal,
) -> io::Result<Option<File>> {
    match directory.create_lock(name) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        made => return made.map(Some),
    }
    match directory.open_lock(name) {
        // The holder has unlinked the file.
        Err(error) if error.kind() == io::ErrorKind::NotFound && begun.elapsed() < PATIENCE => {
            refusal.end();
            Ok(None)
        }
        Err(error) if refusal.may_pass(&error, Instant::now()) => {
            std::thread::sleep(PAUSE);
            Ok(None)
        }
        other => {
            refusal.end();
            other.map(Some)
        }
    }
}

/// Since when a side file can't be opened. Its maker may not have finished making it; each new file
/// gets its own wait.
#[derive(Default)]
struct Refusal {
    since: Option<Instant>,
}

impl Refusal {
    fn may_pass(&mut self, error: &io::Error, now: Instant) -> bool {
        let refused = error.kind() == io::ErrorKind::PermissionDenied;
        refused && now.duration_since(*self.since.get_or_insert(now)) < GRACE
    }

    /// The file could be opened, or is gone.
    fn end(&mut self) {
        self.since = None;
    }
}

/// Whether a file is a side file that graven made, which is empty.
fn is_ours(file: &File) -> bool {
    file.metadata().is_ok_and(|found| found.len() == 0)
}

/// Whether a file system refuses every lock.
pub(super) fn no_locks(error: &io::Error) -> bool {
    use rustix::io::Errno;
    let known = [Errno::NOLCK, Errno::NOSYS, Errno::OPNOTSUPP, Errno::INVAL];
    Errno::from_io_error(error).is_some_and(|errno| known.contains(&errno))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::file::directory::SystemDirectory;
    use crate::file::standing::Standing;
    use std::collections::VecDeque;
    use std::path::PathBuf;
    use std::sync::Mutex;

    /// A directory of the system whose next calls fail as they are told.
    struct Failing {
        system: SystemDirectory,
        opens: Mutex<VecDeque<io::Error>>,
        locks: Mutex<VecDeque<io::Error>>,
    }

    impl Failing {
        fn next<T>(
            errors: &Mutex<VecDeque<io::Error>>,
            call: impl FnOnce() -> io::Result<T>,
        ) -> io::Result<T> {
            errors.lock().unwrap().pop_front().map_or_else(call, Err)
        }
    }

    impl Directory for Failing {
        fn create_lock(&self, name: &OsStr) -> io::Result<File> {
            self.system.create_lock(name)
        }
        fn open_lock(&self, name: &OsStr) -> io::Result<File> {
            Self::next(&self.opens, || self.system.open_lock(name))
        }
        fn try_lock(&self, file: &File) -> io::Result<bool> {
            Self::next(&self.locks, || self.system.try_lock(file))
        }
        fn unlock(&self, file: &File) -> io::Result<()> {
            self.system.unlock(file)
        }
        fn leads_to(&self, name: &OsStr, file: &File) -> io::Result<bool> {
            self.system.leads_to(name, file)
        }
        fn remove(&self, name: &OsStr) -> io::Result<()> {
            self.system.remove(name)
        }
        fn create_unnamed(&self) -> io::Result<File> {
            unreachable!()
        }
        fn create_named(&self, _: &OsStr) -> io::Result<File> {
            unreachable!()
        }
        fn open(&self, _: &OsStr) -> io::Result<File> {
            unreachable!()
        }
        fn standing(&self, _: &OsStr, _: bool) -> io::Result<Standing> {
            unreachable!()
        }
        fn set_mode(&self, _: &File, _: u32) -> io::Result<()> {
            unreachable!()
        }
        fn sync_file(&self, _: &File) -> io::Result<()> {
            unreachable!()
        }
        fn link(&self, _: &File, _: &OsStr) -> io::Result<()> {
            unreachable!()
        }
        fn symlink(&self, _: &Path, _: &OsStr) -> io::Result<()> {
            unreachable!()
        }
        fn read_link(&self, _: &OsStr) -> io::Result<PathBuf> {
            unreachable!()
        }
        fn rename(&self, _: &OsStr, _: &OsStr, _: bool) -> io::Result<()> {
            unreachable!()
        }
        fn sync(&self) -> io::Result<()> {
            unreachable!()
        }
    }

    const SIDE: &str = ".t.grv.lock";

    /// Takes the lock and checks it, in a directory with a side file whose calls fail so.
    fn with<T>(
        opens: &[io::ErrorKind],
        locks: Option<rustix::io::Errno>,
        call: impl FnOnce(&Arc<dyn Directory>) -> T,
    ) -> (T, tempfile::TempDir) {
        let path = tempfile::tempdir().unwrap();
        std::fs::write(path.path().join(SIDE), "").unwrap();
        let directory: Arc<dyn Directory> = Arc::new(Failing {
            system: SystemDirectory::open(path.path()).unwrap(),
            opens: Mutex::new(opens.iter().map(|&kind| kind.into()).collect()),
            locks: Mutex::new(locks.into_iter().map(Into::into).collect()),
        });
        (call(&directory), path)
    }

    fn take(directory: &Arc<dyn Directory>) -> io::Result<Option<Lock>> {
        Lock::take(directory, OsStr::new(SIDE), PATIENCE)
    }

    fn check(directory: &Arc<dyn Directory>) -> io::Result<()> {
        Lock::check(&**directory, OsStr::new(SIDE))
    }

    /// The holder unlinks its file between two calls, or another user has just made it.
    #[test]
    fn what_passes_is_waited_for() {
        use io::ErrorKind::{InvalidInput, NotFound, PermissionDenied};
        for errors in [&[NotFound, NotFound][..], &[PermissionDenied; 3]] {
            let (lock, _path) = with(errors, None, take);
            assert!(lock.unwrap().is_some(), "{errors:?}");
        }
        for errors in [&[NotFound][..], &[PermissionDenied; 3]] {
            with(errors, None, check).0.unwrap();
        }
        let refused = |result: io::Result<()>| result.unwrap_err().kind();
        assert_eq!(refused(with(&[InvalidInput], None, take).0.map(drop)), InvalidInput);
        assert_eq!(refused(with(&[InvalidInput], None, check).0), InvalidInput);
    }

    #[test]
    fn a_file_system_without_locks_has_none() {
        use rustix::io::Errno;
        for errno in [Errno::NOLCK, Errno::NOSYS, Errno::OPNOTSUPP, Errno::INVAL] {
            let (lock, path) = with(&[], Some(errno), take);
            assert!(lock.unwrap().is_none());
            assert!(!path.path().join(SIDE).exists(), "{errno}");
        }
        let (lock, path) = with(&[], Some(Errno::IO), take);
        assert_eq!(
            lock.err().and_then(|error| error.raw_os_error()),
            Some(Errno::IO.raw_os_error())
        );
        assert!(path.path().join(SIDE).exists());
    }

    #[test]
    fn another_holder_is_waited_for_as_long_as_patience_lasts() {
        let ((), _path) = with(&[], None, |directory| {
            let held = take(directory).unwrap().unwrap();
            for patience in [Duration::ZERO, 3 * PAUSE] {
                let begun = Instant::now();
                let error = Lock::take(directory, OsStr::new(SIDE), patience).err();
                assert_eq!(error.map(|error| error.kind()), Some(io::ErrorKind::WouldBlock));
                assert!(begun.elapsed() >= patience);
            }
            drop(held);
            assert!(take(directory).unwrap().is_some());
        });
    }

    /// A builder that has waited long for a lock still gives the next file its full grace.
    #[test]
    fn each_refusal_has_its_own_wait() {
        let (mut refusal, begun) = (Refusal::default(), Instant::now());
        let denied = io::Error::from(io::ErrorKind::PermissionDenied);
        assert!(refusal.may_pass(&denied, begun));
        assert!(refusal.may_pass(&denied, begun + GRACE / 2));
        assert!(!refusal.may_pass(&denied, begun + GRACE));
        refusal.end();
        let late = begun + 10 * GRACE;
        assert!(refusal.may_pass(&denied, late));
        assert!(!refusal.may_pass(&denied, late + GRACE));
        assert!(!refusal.may_pass(&io::ErrorKind::InvalidInput.into(), late));
    }

    /// Before hours of work.
    #[test]
    fn what_could_never_be_locked_is_named() {
        let path = tempfile::tempdir().unwrap();
        let (target, side) = (path.path().join("t.grv"), path.path().join(SIDE));
        let directory = SystemDirectory::open(path.path()).unwrap();
        super::check(&target, &directory).unwrap();
        std::fs::create_dir(&side).unwrap();
        let error = super::check(&target, &directory).unwrap_err();
        let BuildError::Locked { path, .. } = &error else { panic!("{error}") };
        assert_eq!(*path, side);
    }
}
