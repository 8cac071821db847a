//! Brings the bytes of a shard, from as many answers as it takes.

use super::fault::Fault;
use super::partial::{PIECE, Partial};
use super::patience::Patience;
use super::store::{Remote, within};
use super::workers::Stop;
use crate::exit::{self, Failure};
use crate::progress::Progress;
use data_encoding::HEXLOWER;
use graven::{ErrorKind, Shard};
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

/// How often a shard is fetched whose bytes are wrong.
const ATTEMPTS: u32 = 3;

/// What all shards of a version have in common while they are fetched.
pub(crate) struct Fetch<'a> {
    pub(crate) remote: &'a Remote,
    /// Where the version's objects are.
    pub(crate) directory: &'a str,
    pub(crate) patience: Patience,
    /// Permissions of the files.
    pub(crate) mode: u32,
    pub(crate) durable: bool,
    /// Counts the bytes that have come.
    pub(crate) progress: &'a Progress,
    /// Set where an object is not there or another one than the manifest says: another version may
    /// have become current, and this one may have been removed.
    pub(crate) outdated: &'a AtomicBool,
}

impl Fetch<'_> {
    /// Brings a shard into a file, which may hold the beginning of it. After this the file is
    /// complete and has the SHA-256 of the manifest.
    pub(crate) fn shard(&self, shard: &Shard, path: &Path, stop: &Stop) -> Result<(), Failure> {
        let name = within(self.directory, &shard.file);
        let object = self.remote.shown(&name);
        let local = |error: io::Error| {
            let what = match error.kind() {
                io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => format!(
                    "{error}; the version that was current stays current, and what has come is kept: \
                     make room and pull again"
                ),
                _ => error.to_string(),
            };
            Failure::at(ErrorKind::Io, path.display(), what)
        };
        let mut partial = Partial::open(path, shard).map_err(local)?;
        if partial.missing() == 0 && partial.digest() != shard.sha256 {
            partial.start_over().map_err(local)?;
        }
        self.progress.add(partial.len());
        // Where a server has no ranges, the whole object comes again.
        let mut ranges = true;
        let (mut failed, mut wrong) = (0, 0);
        loop {
            let before = partial.len();
            let fault = match self.stream(&name, shard, &mut partial, &mut ranges, stop) {
                Ok(()) if stop.is_set() => return Ok(()),
                Ok(()) => match self.compare(shard, &mut partial, &mut wrong, &object) {
                    Ok(true) => return partial.finish(self.mode, self.durable).map_err(local),
                    Ok(false) => continue,
                    Err(failure) => {
                        partial.remove();
                        return Err(failure);
                    }
                },
                Err(Trouble::Local(error)) => return Err(local(error)),
                Err(Trouble::Remote(fault)) => fault,
            };
            if partial.len() >= before + PIECE as u64 {
                failed = 0;
            }
            match fault {
                Fault::Passing(what) => {
                    self.patience.pause(&object, &mut failed, what).map_err(|f| f.at(&object))?;
                }
                fault => {
                    if matches!(fault, Fault::Missing) {
                        self.outdated.store(true, Ordering::Relaxed);
                    }
                    return Err(fault.at(&object));
                }
            }
        }
    }

    /// Reads what is missing from one answer.
    fn stream(
        &self,
        name: &str,
        shard: &Shard,
        partial: &mut Partial,
        ranges: &mut bool,
        stop: &Stop,
    ) -> Result<(), Trouble> {
        if partial.missing() == 0 {
            partial.write_complete()?;
            return Ok(());
        }
        let from = partial.len();
        let range = (from > 0 && *ranges).then_some(from..shard.bytes);
        let asked_for_range = range.is_some();
        let mut body = match self.remote.open(name, range) {
            Err(Fault::Unsupported) if asked_for_range => {
                *ranges = false;
                let what = "the server has no ranges, so all of it comes again";
                return Err(Fault::Passing(what.into()).into());
            }
            opened => opened?,
        };
        if body.len != shard.bytes {
            self.outdated.store(true, Ordering::Relaxed);
            let (found, expected) = (body.len, shard.bytes);
            let what = format!("has {found} bytes, {expected} in the manifest");
            return Err(Fault::Refused(what).into());
        }
        let mut skip = if asked_for_range { 0 } else { from };
        let mut skipped = Vec::new();
        while skip > 0 {
            skipped.clear();
            if !body.read(&mut skipped, skip.min(PIECE as u64))? {
                return Err(super::store::short(from - skip, shard.bytes).into());
            }
            skip -= skipped.len() as u64;
        }
        while partial.missing() > 0 && !stop.is_set() {
            let before = partial.len();
            let (piece, most) = partial.piece();
            let more = body.read(piece, most);
            self.progress.add(partial.len() - before);
            partial.write_complete()?;
            if !more? {
                return Err(super::store::short(partial.len(), shard.bytes).into());
            }
        }
        Ok(())
    }

    /// Compares the digest of a complete file. Returns whether it is right; if not, the file is
    /// empty again, or the attempts are used up.
    fn compare(
        &self,
        shard: &Shard,
        partial: &mut Partial,
        wrong: &mut u32,
        object: &str,
    ) -> Result<bool, Failure> {
        let found = partial.digest();
        if found == shard.sha256 {
            return Ok(true);
        }
        *wrong += 1;
        let (found, expected) = (HEXLOWER.encode(&found), HEXLOWER.encode(&shard.sha256));
        let what = format!("has SHA-256 {found}, {expected} in the manifest");
        if *wrong == ATTEMPTS {
            self.outdated.store(true, Ordering::Relaxed);
            let what = format_args!("{what}, {ATTEMPTS} times: push the set again");
            return Err(Failure::at(ErrorKind::Data, object, what));
        }
        if !self.patience.quiet {
            exit::say(format_args!("{object}: {what}; it is removed and fetched again"));
        }
        self.progress.take_back(partial.len());
        partial.start_over().map_err(|error| Failure::io(object, &error))?;
        Ok(false)
    }
}

/// Which side failed.
enum Trouble {
    Local(io::Error),
    Remote(Fault),
}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Self {
        Self::Local(error)
    }
}

impl From<Fault> for Trouble {
    fn from(fault: Fault) -> Self {
        Self::Remote(fault)
    }
}
