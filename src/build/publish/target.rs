//! The name that a table is to have: what may stand there before, and the names beside it.

use crate::error::BuildError;
use crate::format::MAGIC;
use std::ffi::{OsStr, OsString};
use std::fs::{self, File, Metadata};
use std::io::{self, Read};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;

/// The directory that holds `path`.
pub(in crate::build) fn directory_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// The name in that directory; [`check`] has seen to it that there is one.
pub(super) fn name(path: &Path) -> &OsStr {
    path.file_name().unwrap_or_default()
}

/// Refuses a target that could not be published at, or that it would be a loss to publish over.
pub(super) fn check(target: &Path, replace: bool) -> Result<(), BuildError> {
    let looked = |source| BuildError::io("look at the path of the table", target, 0, source);
    let plain = target
        .file_name()
        .is_some_and(|name| target.as_os_str().as_bytes().ends_with(name.as_bytes()));
    if !plain {
        let text = "does not end in a file name";
        return Err(looked(io::Error::new(io::ErrorKind::InvalidInput, text)));
    }
    let found = match fs::symlink_metadata(target) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        other => other.map_err(looked)?,
    };
    // The table takes a link's own place, so that what it leads to is safe; but a link to a device
    // or to another file is as likely a mistake as that itself. One that leads nowhere may go.
    let found = if found.is_symlink() { fs::metadata(target).ok() } else { Some(found) };
    if let Some(found) = &found
        && !found.is_file()
    {
        let kind = kind_of(found);
        return Err(BuildError::NotARegularFile { path: target.to_owned(), kind });
    }
    if !replace {
        return Err(BuildError::AlreadyExists { path: target.to_owned() });
    }
    if found.is_some_and(|found| found.len() > 0) && !is_table(target).map_err(looked)? {
        return Err(BuildError::NotATable { path: target.to_owned() });
    }
    Ok(())
}

/// Whether a file begins as a table does, be it whole or not.
fn is_table(path: &Path) -> io::Result<bool> {
    let mut start = [0; MAGIC.len()];
    match File::open(path)?.read_exact(&mut start) {
        Ok(()) => Ok(start == MAGIC),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}

fn kind_of(metadata: &Metadata) -> &'static str {
    if metadata.is_dir() { "directory" } else { "device, FIFO or socket" }
}

/// The permanent side file whose lock is held while a table gets this name.
pub(super) fn lock_name(target: &Path) -> OsString {
    beside(target, ".lock")
}

/// How names of temporary files begin.
pub(super) fn temporary_prefix(target: &Path) -> OsString {
    beside(target, ".graven-")
}

/// `.NAME` and a suffix; a long name is cut and told apart by its hash, so that 255 bytes suffice.
fn beside(target: &Path, suffix: &str) -> OsString {
    const MOST: usize = 200;
    const KEPT: usize = 180;
    let name = name(target).as_bytes();
    let mut beside = b".".to_vec();
    if name.len() <= MOST {
        beside.extend_from_slice(name);
    } else {
        let hash = xxhash_rust::xxh3::xxh3_64(name);
        beside.extend_from_slice(&name[..KEPT]);
        beside.extend_from_slice(format!("-{hash:016x}").as_bytes());
    }
    beside.extend_from_slice(suffix.as_bytes());
    OsString::from_vec(beside)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_names_have_names_beside_them() {
        let long = |last: &str| Path::new("/d").join("x".repeat(254) + last);
        let (a, b) = (lock_name(&long("a")), lock_name(&long("b")));
        assert!(a.len() <= 255 && a != b, "{a:?} {b:?}");
        assert_eq!(lock_name(Path::new("d/t")), ".t.lock");
        assert_eq!(temporary_prefix(Path::new("t")), ".t.graven-");
    }

    #[test]
    fn a_target_ends_in_a_name() {
        let directory = tempfile::tempdir().unwrap();
        for bad in ["t/", "t/.", "..", "t//", "d/.."] {
            let path = directory.path().join(bad);
            assert!(check(&path, true).is_err(), "{bad}");
        }
        assert!(check(Path::new("/"), true).is_err());
        assert!(check(Path::new(""), true).is_err());
        assert!(check(&directory.path().join("t"), true).is_ok());
        assert!(check(&directory.path().join("t".repeat(256)), true).is_err());
    }
}
