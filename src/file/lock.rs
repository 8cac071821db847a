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
}
