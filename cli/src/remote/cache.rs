//! The directory into which sets are pulled: a directory of versions, with one more directory for
//! what is on its way.
//!
//! ```text
//! CACHE/.pull/lock        locked while a pull is at work
//! CACHE/.pull/<SHA-256>   a shard that comes, or has come; it stays when the pull dies
//! ```

use crate::exit::{self, Failure};
use data_encoding::HEXLOWER;
use graven::{ErrorKind, Manifest, Version, Versions};
use std::collections::{HashMap, HashSet};
use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

/// Time between two attempts at the lock.
const PAUSE: Duration = Duration::from_millis(50);

/// The directory for what is on its way, locked.
pub(crate) struct Cache {
    directory: PathBuf,
    _lock: File,
}

impl Cache {
    /// Makes the directory and takes its lock, which another pull holds as long as it is at work.
    pub(crate) fn lock(cache: &Path, wait: Duration, quiet: bool) -> Result<Self, Failure> {
        let directory = cache.join(".pull");
        let failed = |error: io::Error| Failure::io(directory.display(), &error);
        DirBuilder::new().recursive(true).mode(0o755).create(cache).map_err(failed)?;
        match DirBuilder::new().mode(0o700).create(&directory) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                return Err(failed(error));
            }
            _ => {}
        }
        let path = directory.join("lock");
        let options = OpenOptions::new().write(true).create(true).truncate(false).open(&path);
        let lock = options.map_err(|error| Failure::io(path.display(), &error))?;
        let begun = Instant::now();
        let mut told = quiet;
        loop {
            match lock.try_lock() {
                Err(TryLockError::WouldBlock) if begun.elapsed() < wait => {
                    if !told {
                        let seconds = wait.as_secs();
                        exit::say(format_args!(
                            "{}: another pull is at work; this one waits, {seconds} s at most",
                            cache.display()
                        ));
                        told = true;
                    }
                    thread::sleep(PAUSE);
                }
                Err(TryLockError::WouldBlock) => {
                    let what = "another pull is at work here: let it end, or try again with a \
                                longer --wait";
                    return Err(Failure::at(ErrorKind::Io, cache.display(), what));
                }
                // Where the file system has no locks, two pulls write the same bytes to the same
                // places, and each one compares digests.
                _ => return Ok(Self { directory, _lock: lock }),
            }
        }
    }

    /// The file of a shard that comes.
    pub(crate) fn file(&self, sha256: &[u8; 32]) -> PathBuf {
        self.directory.join(HEXLOWER.encode(sha256))
    }

    /// Bytes of a shard that have come.
    pub(crate) fn found(&self, sha256: &[u8; 32]) -> u64 {
        fs::symlink_metadata(self.file(sha256)).map_or(0, |found| found.len())
    }

    /// Removes the files of all shards but these.
    pub(crate) fn keep_only(&self, wanted: &HashSet<[u8; 32]>) -> Result<(), Failure> {
        let failed = |error: io::Error| Failure::io(self.directory.display(), &error);
        for entry in fs::read_dir(&self.directory).map_err(failed)? {
            let name = entry.map_err(failed)?.file_name();
            // Other names are not graven's.
            let Some(digest) = name.to_str().filter(|name| name.len() == 64) else { continue };
            let digest = HEXLOWER.decode(digest.as_bytes()).ok();
            let digest = digest.and_then(|digest| <[u8; 32]>::try_from(digest).ok());
            if digest.is_some_and(|digest| !wanted.contains(&digest)) {
                let path = self.directory.join(&name);
                fs::remove_file(&path).map_err(|error| Failure::io(path.display(), &error))?;
            }
        }
        Ok(())
    }

    /// Returns an error if there is no room for so many bytes.
    pub(crate) fn has_room(&self, bytes: u64) -> Result<(), Failure> {
        let Ok(found) = rustix::fs::statvfs(&self.directory) else { return Ok(()) };
        let free = found.f_bavail.saturating_mul(found.f_frsize);
        if bytes <= free {
            return Ok(());
        }
        let what = format_args!(
            "no space: {bytes} bytes are to come, {free} are free; nothing was fetched, and the \
             version that was current stays current: make room, or keep fewer versions with --keep"
        );
        Err(Failure::at(ErrorKind::Io, self.directory.display(), what))
    }
}

/// A version of a set that is there.
pub(crate) struct Held {
    pub(crate) version: Version,
    pub(crate) manifest: Manifest,
}

/// All sets among the versions of a directory. What has no sound manifest is left out.
pub(crate) fn held(versions: &Versions, cache: &Path) -> Result<Vec<Held>, Failure> {
    let list = versions.list().map_err(|error| Failure::publish(cache, &error))?;
    let held = list.into_iter().filter_map(|version| {
        let path = version.path.join("MANIFEST.json");
        let len = fs::metadata(&path).ok()?.len();
        let text = (len <= Manifest::MOST_BYTES).then(|| fs::read(&path).ok())??;
        Some(Held { manifest: Manifest::from_json(&text, path).ok()?, version })
    });
    Ok(held.collect())
}

/// Where the shards of these versions are, by their SHA-256.
pub(crate) fn shards(held: &[Held]) -> HashMap<[u8; 32], PathBuf> {
    let of = |held: &Held| {
        let path = held.version.path.clone();
        let shards = held.manifest.shards.iter();
        shards.map(move |shard| (shard.sha256, path.join(&shard.file))).collect::<Vec<_>>()
    };
    held.iter().flat_map(of).collect()
}
