//! The name that a table is to have: what may stand there before, and the names of the files beside
//! it.

use super::directory::Directory;
use super::standing::Standing;
use crate::error::BuildError;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;

/// Name of the link in a directory of versions; it leads to the current table.
pub(crate) const CURRENT: &str = "CURRENT";

/// The directory that holds `path`.
pub(crate) fn directory_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// The last component of `path`. [`check_name`] has made sure that there is one.
pub(super) fn name(path: &Path) -> &OsStr {
    path.file_name().unwrap_or_default()
}

/// Refuses a path that does not end in a name.
pub(super) fn check_name(target: &Path) -> Result<(), BuildError> {
    let plain = target
        .file_name()
        .is_some_and(|name| target.as_os_str().as_bytes().ends_with(name.as_bytes()));
    if plain {
        return Ok(());
    }
    let source = io::Error::new(io::ErrorKind::InvalidInput, "does not end in a file name");
    Err(BuildError::io(LOOK, target, 0, source))
}

const LOOK: &str = "look at the path of the table";

/// Refuses a target at which a table can't be published, and a target whose replacement would be a
/// loss. Returns what stands there.
pub(super) fn check(
    target: &Path,
    directory: &dyn Directory,
    replace: bool,
) -> Result<Standing, BuildError> {
    // The table replaces a link itself, so the file it leads to is safe. Yet a link to a device or
    // to another file is as likely a mistake as the device or the file. A link that leads nowhere
    // may be replaced.
    let standing = directory.standing(name(target), true);
    let standing = standing.map_err(|source| BuildError::io(LOOK, target, 0, source))?;
    permit(target, standing, replace)?;
    Ok(standing)
}

/// Returns an error if what stands under the name must not give way to a table or a pointer.
pub(super) fn permit(target: &Path, standing: Standing, replace: bool) -> Result<(), BuildError> {
    let path = || target.to_owned();
    match standing {
        Standing::Nothing => Ok(()),
        Standing::Other(kind) => Err(BuildError::NotARegularFile { path: path(), kind }),
        _ if !replace => Err(BuildError::AlreadyExists { path: path() }),
        Standing::NotATable => Err(BuildError::NotATable { path: path() }),
        Standing::Fixed(reason) => Err(BuildError::NotReplaceable { path: path(), reason }),
        Standing::Replaceable => Ok(()),
    }
}

/// Takes a name: calls `look`, and then `rename` with `true` if nothing stood there. In that case
/// the rename must not replace, and if something has come since the look, `take` looks again. If a
/// table or a pointer stood there, whatever replaces it between look and rename is lost.
pub(super) fn take(
    action: &'static str,
    target: &Path,
    replace: bool,
    look: impl Fn() -> Result<Standing, BuildError>,
    mut rename: impl FnMut(bool) -> io::Result<()>,
) -> Result<(), BuildError> {
    /// Attempts at a name under which something appears and vanishes.
    const ATTEMPTS: u32 = 10;
    let failed = |source| Err(BuildError::io(action, target, 0, source));
    for _ in 0..ATTEMPTS {
        let new = look()? == Standing::Nothing;
        match rename(new) {
            Err(error) if new && error.kind() == io::ErrorKind::AlreadyExists => {}
            // This file system can't refuse to replace: the look before must suffice.
            Err(error) if new && replace && error.kind() == io::ErrorKind::Unsupported => {
                return rename(false).or_else(failed);
            }
            other => return other.or_else(failed),
        }
    }
    failed(io::Error::other("something else comes to its name and goes again"))
}

/// The side file whose lock is held while a table gets this name.
pub(super) fn lock_name(target: &Path) -> OsString {
    beside(target, ".lock")
}

/// The names of the temporary files of a target.
pub(super) fn temporary_names(target: &Path) -> impl Iterator<Item = OsString> {
    (0..TEMPORARY_NAMES).map(|digit| beside(target, &format!(".graven-{digit:x}")))
}

/// How many builders of one table can write at once where each file needs a name.
pub(super) const TEMPORARY_NAMES: u32 = 16;

/// The name of the next pointer, before it replaces the last one.
pub(super) fn next_name(pointer: &Path) -> OsString {
    beside(pointer, ".next")
}

/// `.NAME` and a suffix. A long name is cut, and its hash keeps it distinct, so that 255 bytes
/// suffice.
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
    use super::super::directory::SystemDirectory;
    use super::*;

    #[test]
    fn long_names_have_names_beside_them() {
        let long = |last: &str| Path::new("/d").join("x".repeat(254) + last);
        let (a, b) = (lock_name(&long("a")), lock_name(&long("b")));
        assert!(a.len() <= 255 && a != b, "{a:?} {b:?}");
        assert_eq!(lock_name(Path::new("d/t")), ".t.lock");
        let names: Vec<_> = temporary_names(Path::new("t")).collect();
        assert_eq!(names.len(), 16);
        assert!(names[0] == ".t.graven-0" && names[15] == ".t.graven-f", "{names:?}");
        assert!(temporary_names(&long("a")).all(|name| name.len() <= 255));
    }

    #[test]
    fn a_target_ends_in_a_name() {
        let directory = tempfile::tempdir().unwrap();
        for bad in ["t/", "t/.", "..", "t//", "d/.."] {
            let path = directory.path().join(bad);
            assert!(check_name(&path).is_err(), "{bad}");
        }
        assert!(check_name(Path::new("/")).is_err());
        assert!(check_name(Path::new("")).is_err());
        let open = SystemDirectory::open(directory.path()).unwrap();
        for (len, right) in [(1, true), (255, true), (256, false)] {
            let path = directory.path().join("t".repeat(len));
            assert!(check_name(&path).is_ok());
            assert_eq!(check(&path, &open, true).is_ok(), right, "{len}");
        }
    }

    /// Something comes to the name between look and rename, and what stands there is looked at again.
    #[test]
    fn what_comes_meanwhile_is_looked_at() {
        use std::cell::Cell;
        let looks = Cell::new(0);
        let look = || {
            looks.set(looks.get() + 1);
            Ok(if looks.get() == 1 { Standing::Nothing } else { Standing::Replaceable })
        };
        let mut renames = Vec::new();
        let rename = |new: bool| {
            renames.push(new);
            if new { Err(io::ErrorKind::AlreadyExists.into()) } else { Ok(()) }
        };
        take("publish", Path::new("t"), true, look, rename).unwrap();
        assert_eq!((looks.get(), renames), (2, vec![true, false]));

        let never = |_: bool| Err(io::ErrorKind::AlreadyExists.into());
        take("publish", Path::new("t"), true, || Ok(Standing::Replaceable), never).unwrap_err();
        take("publish", Path::new("t"), true, || Ok(Standing::Nothing), never).unwrap_err();
    }
}
