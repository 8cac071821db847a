//! Sends a shard, and compares it with its manifest on the way.

use super::fault::Fault;
use super::store::{Condition, Remote};
use super::workers::Stop;
use crate::exit::Failure;
use crate::progress::Progress;
use data_encoding::HEXLOWER;
use graven::{ErrorKind, Shard};
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// Bytes of a part, unless there would be too many of them.
const PART: u64 = 8 << 20;
/// Most parts of an object, as S3 has it.
const MOST_PARTS: u64 = 10_000;

/// Sends the shard in a file as an object. The object is not there before the whole file was read
/// and has the SHA-256 of the manifest.
pub(crate) fn shard(
    remote: &Remote,
    name: &str,
    shard: &Shard,
    path: &Path,
    progress: &Progress,
    stop: &Stop,
) -> Result<(), Failure> {
    let object = remote.shown(name);
    let there = |fault: Fault| fault.at(&object);
    let mut parts_in = Parts::open(shard, path)?;
    let mut part = parts_in.next()?;
    if parts_in.are_all_read() {
        parts_in.compare()?;
        let len = part.len() as u64;
        remote.put(name, part, Condition::Always).map_err(there)?;
        progress.add(len);
        return Ok(());
    }
    let mut parts_out = remote.begin(name).map_err(there)?;
    while !part.is_empty() {
        if stop.is_set() {
            return Ok(());
        }
        let len = part.len() as u64;
        parts_out.put(part).map_err(there)?;
        progress.add(len);
        part = parts_in.next()?;
    }
    parts_in.compare()?;
    parts_out.complete().map_err(there)
}

/// The parts of a shard's file.
struct Parts<'a> {
    shard: &'a Shard,
    path: &'a Path,
    file: File,
    hasher: Sha256,
    read: u64,
    /// Bytes of a part.
    most: u64,
}

impl<'a> Parts<'a> {
    fn open(shard: &'a Shard, path: &'a Path) -> Result<Self, Failure> {
        let file = File::open(path).map_err(|error| Failure::io(path.display(), &error))?;
        let most = PART.max(shard.bytes.div_ceil(MOST_PARTS).next_multiple_of(1 << 20));
        Ok(Self { shard, path, file, hasher: Sha256::new(), read: 0, most })
    }

    /// The next part; an empty one at the end. A file that is longer than the shard ends with the
    /// first byte that is too many.
    fn next(&mut self) -> Result<Vec<u8>, Failure> {
        let most = self.most.min(self.shard.bytes.saturating_sub(self.read) + 1);
        let mut part = Vec::with_capacity(most as usize);
        let read = (&mut self.file).take(most).read_to_end(&mut part);
        read.map_err(|error| Failure::io(self.path.display(), &error))?;
        self.hasher.update(&part);
        self.read += part.len() as u64;
        if self.read > self.shard.bytes {
            self.compare()?
        }
        Ok(part)
    }

    fn are_all_read(&self) -> bool {
        self.read < self.most
    }

    /// Compares what was read with the manifest.
    fn compare(&self) -> Result<(), Failure> {
        let found: [u8; 32] = self.hasher.clone().finalize().into();
        let Shard { bytes, sha256, .. } = self.shard;
        let what = if self.read != *bytes {
            format!("has {} bytes or more, {bytes} in the manifest", self.read)
        } else if found != *sha256 {
            let (found, expected) = (HEXLOWER.encode(&found), HEXLOWER.encode(sha256));
            format!("has SHA-256 {found}, {expected} in the manifest")
        } else {
            return Ok(());
        };
        let what = format_args!("{what}: it is not sent; write the set again");
        Err(Failure::at(ErrorKind::Data, self.path.display(), what))
    }
}

/// Sends the text of a manifest.
pub(crate) fn text(remote: &Remote, name: &str, text: Vec<u8>) -> Result<(), Fault> {
    if (text.len() as u64) < PART {
        return remote.put(name, text, Condition::Always);
    }
    let mut parts = remote.begin(name)?;
    text.chunks(PART as usize).try_for_each(|part| parts.put(part.to_vec()))?;
    parts.complete()
}
