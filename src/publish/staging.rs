//! The directory in which the processes of a job build the shards of a set, before one of them
//! makes a version of the shards.
//!
//! ```text
//! DIR/staging/0d4f…/job.lock          each process of the job holds a shared lock on it
//! DIR/staging/0d4f…/00003-91c2….grv   a shard
//! ```
//!
//! The lock file says whether the job ends with the process that began it (`held`), or whether it
//! may go on in other processes (`detached`). Whoever begins a job removes the directories of jobs
//! on which nobody holds a lock: at once where they are held, and where they are detached after
//! nothing has changed in them for a while.

use super::content::{Identity, is_held};
use super::copy::PublishOptions;
use super::filling::{identity, make, make_if_missing};
use super::guard::Incoming;
use super::versions::Versions;
use crate::error::{PublishError, SetError};
use crate::file::directory::{names_in, remove_directory};
use crate::manifest::Shard;
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

const STAGING: &str = "staging";
const LOCK: &str = "job.lock";
const HELD: &[u8] = b"held\n";
const DETACHED: &[u8] = b"detached\n";
/// Attempts to remove a directory in which a straggler may still publish a shard.
const ATTEMPTS: u32 = 5;

/// The directory of a job that this process has joined.
#[derive(Debug)]
pub(crate) struct Staging {
    path: PathBuf,
    /// The shared lock shows others that the job is alive.
    lock: File,
}

impl Staging {
    /// Makes the directory of a new job in a directory of versions, which is made if it is missing,
    /// and removes the directories of jobs that are dead.
    pub(crate) fn make(
        directory: &Path,
        options: &PublishOptions,
        stale_after: Duration,
    ) -> Result<Self, PublishError> {
        options.check()?;
        let mode = options.mode_of_directories();
        let versions = Versions::new(directory);
        let failed = versions.failed("make the directory of a job");
        make_if_missing(directory, mode).map_err(&failed)?;
        let pointer = versions.pointer()?;
        // Nobody sweeps between the steps below, and nobody makes a directory during the sweep.
        let lock = pointer.lock()?;
        pointer.check(options.how.replace)?;
        let parent = directory.join(STAGING);
        make_if_missing(&parent, mode).map_err(&failed)?;
        if lock.is_some() {
            sweep(&parent, stale_after).map_err(&failed)?;
        }
        let path = parent.join(random_name().map_err(&failed)?);
        make(&path, mode).map_err(&failed)?;
        let begin = || -> io::Result<File> {
            let mut lock =
                OpenOptions::new().read(true).write(true).create_new(true).open(path.join(LOCK))?;
            // Other users who may write in the directory may lock the file.
            lock.set_permissions(Permissions::from_mode(0o644 | mode & 0o022))?;
            lock.write_all(HELD)?;
            // An error is ignored: where the file system has no locks, nobody sweeps.
            let _ = fs2::FileExt::try_lock_shared(&lock);
            Ok(lock)
        };
        match begin() {
            Ok(lock) => Ok(Self { path, lock }),
            Err(error) => {
                let _ = remove_directory(&path);
                Err(failed(error))
            }
        }
    }

    /// Joins the job with this id, which another process may have begun.
    pub(crate) fn join(directory: &Path, id: &str) -> Result<Self, SetError> {
        let path = directory.join(STAGING).join(id);
        let over = || {
            let what = "there is no such job: it was committed, aborted, or removed after the \
                        process that began it had ended";
            SetError::Job { path: path.clone(), what: what.into() }
        };
        if !is_random_name(id) {
            return Err(over());
        }
        let opened = File::open(path.join(LOCK));
        let lock = opened.map_err(|source| match source.kind() {
            io::ErrorKind::NotFound => over(),
            _ => SetError::Io { action: "join the job", path: path.clone(), source },
        })?;
        // Somebody is about to remove the directory.
        if is_held(&fs2::FileExt::try_lock_shared(&lock)) {
            return Err(over());
        }
        if standing(&path).ok().flatten() != identity_of(&lock).ok() {
            return Err(over());
        }
        Ok(Self { path, lock })
    }

    /// The directory.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The job's id.
    pub(crate) fn id(&self) -> &str {
        self.path.file_name().and_then(|name| name.to_str()).unwrap_or_default()
    }

    /// Lets the job go on without the process that began it.
    pub(crate) fn detach(&self) -> Result<(), SetError> {
        let write = || -> io::Result<()> {
            let mut lock = OpenOptions::new().write(true).open(self.path.join(LOCK))?;
            lock.write_all(DETACHED)
        };
        write().map_err(|source| SetError::Io {
            action: "detach the job",
            path: self.path.clone(),
            source,
        })
    }

    /// A path for a shard, which no other process and no other attempt has.
    pub(crate) fn new_shard(&self, number: usize) -> io::Result<(String, PathBuf)> {
        let file = format!("{number:05}-{}.grv", random_name()?);
        let path = self.path.join(&file);
        Ok((file, path))
    }

    /// Returns an error if the job is over. A shard that is built afterwards would be lost.
    pub(crate) fn check(&self) -> Result<(), SetError> {
        if standing(&self.path).ok().flatten() == identity_of(&self.lock).ok() {
            return Ok(());
        }
        let what = "the job is over: it was committed or aborted";
        Err(SetError::Job { path: self.path.clone(), what: what.into() })
    }

    /// Compares a shard, which was built in this file, with what is said of it. Reads the two ends of
    /// the file.
    pub(crate) fn check_shard(&self, file: &str, shard: &Shard) -> Result<(), PublishError> {
        let path = self.path.join(file);
        let found = match Incoming::open(&path) {
            Ok((_, found)) => found,
            Err(source) => return Err(PublishError::Source { path, source }),
        };
        let what = if found.file_bytes != shard.bytes {
            format!("has {} bytes, {} in its description", found.file_bytes, shard.bytes)
        } else if found.entries != shard.entries {
            format!("has {} entries, {} in its description", found.entries, shard.entries)
        } else if found.build_id != shard.build_id {
            format!("has build id {}, {} in its description", found.build_id, shard.build_id)
        } else {
            return Ok(());
        };
        let what = format!("{what}: build the shard again");
        Err(SetError::Job { path, what }.into())
    }

    /// Gives a shard's file the name `to` in another directory. It keeps its name here, so that a
    /// commit that fails can be tried again.
    pub(crate) fn place(&self, file: &str, to: &Path) -> io::Result<()> {
        let from = self.path.join(file);
        // Some file systems have no links, and some systems refuse a link to another user's file.
        fs::hard_link(&from, to).or_else(|_| fs::rename(&from, to))
    }

    /// Removes the directory with all that is in it.
    pub(crate) fn remove(&self) -> io::Result<()> {
        remove(&self.path)
    }
}

/// Removes the directories of dead jobs. The caller holds the lock of the directory of versions.
fn sweep(parent: &Path, stale_after: Duration) -> io::Result<()> {
    for name in names_in(parent)? {
        // Other names are not graven's.
        if name.to_str().is_some_and(is_random_name) {
            let path = parent.join(name);
            if let Ok(Some(_held)) = lock_if_dead(&path, stale_after) {
                // What can't be removed here, the next job removes.
                let _ = remove(&path);
            }
        }
    }
    Ok(())
}

/// Takes the exclusive lock of a job that is dead. `None` if it may be alive.
fn lock_if_dead(path: &Path, stale_after: Duration) -> io::Result<Option<Option<File>>> {
    let name = path.join(LOCK);
    // Some network file systems want a file that can be written for an exclusive lock.
    let opened = OpenOptions::new().read(true).write(true).open(&name);
    let mut lock = match opened.or_else(|_| File::open(&name)) {
        // Its removal was interrupted.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Some(None)),
        other => other?,
    };
    if fs2::FileExt::try_lock_exclusive(&lock).is_err() {
        return Ok(None);
    }
    let mut state = Vec::new();
    (&mut lock).take(16).read_to_end(&mut state)?;
    // A shorter text is that of a process that was killed while it wrote it.
    if !state.starts_with(DETACHED) {
        return Ok(Some(Some(lock)));
    }
    // A shard that comes changes the directory.
    let changed = fs::metadata(path)?.modified()?.max(lock.metadata()?.modified()?);
    let age = SystemTime::now().duration_since(changed).unwrap_or_default();
    Ok((age >= stale_after).then_some(Some(lock)))
}

fn remove(path: &Path) -> io::Result<()> {
    until_removed(|| remove_directory(path))
}

/// Calls `remove` until the directory is gone, or the attempts are used up.
fn until_removed(mut remove: impl FnMut() -> io::Result<()>) -> io::Result<()> {
    let mut attempt = 1;
    loop {
        match remove() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(_) if attempt < ATTEMPTS => attempt += 1,
            other => return other,
        }
    }
}

/// Identity of the lock file that stands in a job's directory.
fn standing(path: &Path) -> io::Result<Option<Identity>> {
    identity(&path.join(LOCK))
}

fn identity_of(file: &File) -> io::Result<Identity> {
    let found = file.metadata()?;
    Ok((found.dev(), found.ino()))
}

/// 32 digits that nobody else draws, also no other child of the same process.
fn random_name() -> io::Result<String> {
    let mut bytes = [0; 16];
    File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

fn is_random_name(name: &str) -> bool {
    name.len() == 32 && name.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    fn staging(directory: &Path) -> Staging {
        Staging::make(directory, &PublishOptions::default(), HOUR).unwrap()
    }

    #[test]
    fn whoever_may_write_in_the_directory_may_lock_the_file() {
        for (directory_mode, lock_mode) in [(0o700, 0o644), (0o770, 0o664), (0o777, 0o666)] {
            let directory = tempfile::tempdir().unwrap();
            let options =
                PublishOptions { directory_mode: Some(directory_mode), ..Default::default() };
            let job = Staging::make(directory.path(), &options, HOUR).unwrap();
            let found = fs::metadata(job.path().join(LOCK)).unwrap().mode() & 0o7777;
            assert_eq!(found, lock_mode, "{found:o} in {directory_mode:o}");
        }
    }

    #[test]
    fn a_job_whose_removal_was_interrupted_is_swept_and_other_names_are_not() {
        let directory = tempfile::tempdir().unwrap();
        let held = staging(directory.path());
        let parent = directory.path().join(STAGING);
        let (dead, short) = ("0123456789abcdef".repeat(2), "0123456789abcdef".to_owned());
        let strange = "z".repeat(32);
        for name in [&dead, &short, &strange] {
            fs::create_dir(parent.join(name)).unwrap();
            fs::write(parent.join(name).join("00000-1.grv"), "a shard").unwrap();
        }
        let next = staging(directory.path());
        assert!(!parent.join(dead).exists());
        assert!(parent.join(short).exists() && parent.join(strange).exists());
        assert!(held.path().exists() && next.path().exists(), "both are alive");
    }

    #[test]
    fn a_job_that_somebody_removes_is_not_joined() {
        let directory = tempfile::tempdir().unwrap();
        let job = staging(directory.path());
        let (id, lock) = (job.id().to_owned(), job.path().join(LOCK));
        assert_eq!(Staging::join(directory.path(), &id).unwrap().path(), job.path());
        drop(job);
        let sweeper = File::open(&lock).unwrap();
        fs2::FileExt::try_lock_exclusive(&sweeper).unwrap();
        let refused = Staging::join(directory.path(), &id).unwrap_err();
        assert!(refused.to_string().contains("there is no such job"), "{refused}");
        drop(sweeper);
        assert!(Staging::join(directory.path(), &id).is_ok());
    }

    #[test]
    fn what_is_not_there_is_removed() {
        let directory = tempfile::tempdir().unwrap();
        let job = staging(directory.path());
        job.remove().unwrap();
        job.remove().unwrap();
        assert!(!job.path().exists());
        assert!(job.check().is_err());
    }

    #[test]
    fn a_job_whose_lock_cannot_be_looked_at_may_be_alive() {
        let directory = tempfile::tempdir().unwrap();
        let lock = directory.path().join(LOCK);
        std::os::unix::fs::symlink(&lock, &lock).unwrap();
        let error = lock_if_dead(directory.path(), HOUR).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(rustix::io::Errno::LOOP.raw_os_error()));
        fs::remove_file(&lock).unwrap();
        assert!(matches!(lock_if_dead(directory.path(), HOUR), Ok(Some(None))));
    }

    /// A straggler may publish a shard between two steps of a removal.
    #[test]
    fn a_removal_is_tried_again() {
        use io::ErrorKind::{DirectoryNotEmpty, NotFound};
        let removed = |errors: u32, kind: io::ErrorKind| {
            let mut calls = 0;
            let result = until_removed(|| {
                calls += 1;
                assert!(calls < 100, "no end");
                if calls <= errors { Err(kind.into()) } else { Ok(()) }
            });
            (result.map_err(|error| error.kind()), calls)
        };
        assert_eq!(removed(0, DirectoryNotEmpty), (Ok(()), 1));
        assert_eq!(removed(ATTEMPTS - 1, DirectoryNotEmpty), (Ok(()), ATTEMPTS));
        assert_eq!(removed(ATTEMPTS, DirectoryNotEmpty), (Err(DirectoryNotEmpty), ATTEMPTS));
        // Somebody else has removed it.
        assert_eq!(removed(1, NotFound), (Ok(()), 1));
    }
}
