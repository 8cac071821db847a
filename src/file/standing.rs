//! What stands under a name before a table or a pointer takes it: whether it may be replaced, and
//! whether the system would let a rename replace it.

use super::io::{CAREFUL, special_kind};
use crate::format::MAGIC;
use rustix::fs::{self as sys, AtFlags, FileType, Mode, OFlags, Stat};
use rustix::io::{Errno, retry_on_intr};
use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::OwnedFd;

/// What stands under a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    Nothing,
    /// A table, an empty file, or a symbolic link.
    Replaceable,
    /// A file that is not empty and does not begin with a table's magic bytes.
    NotATable,
    /// Something other than a regular file. Holds its kind.
    Other(&'static str),
    /// Something that may be replaced, but that the system protects. Holds the kind of protection.
    Fixed(&'static str),
}

const MOUNT_POINT: &str = "is a mount point: mount its directory";
const STICKY: &str = "belongs to another user, in a sticky directory: only that user, the \
                      directory's owner and root may replace it; choose another directory";
const IMMUTABLE: &str = "is immutable or append-only, or its directory is: remove that attribute \
                         (chattr -ia)";

/// Looks at a name. With `follow`, a link counts as what it leads to, and a link that leads nowhere
/// may be replaced.
pub(super) fn look(directory: &OwnedFd, name: &OsStr, follow: bool) -> io::Result<Standing> {
    let Some(own) = stat(directory, name, AtFlags::SYMLINK_NOFOLLOW)? else {
        return Ok(Standing::Nothing);
    };
    let is_link = FileType::from_raw_mode(own.st_mode) == FileType::Symlink;
    let found = match (is_link, follow) {
        (false, _) => Some(own),
        (true, true) => stat(directory, name, AtFlags::empty()).ok().flatten(),
        (true, false) => None,
    };
    if let Some(found) = found {
        if let Some(kind) = special_kind(FileType::from_raw_mode(found.st_mode)) {
            return Ok(Standing::Other(kind));
        }
        if found.st_size > 0 && !is_table(open(directory, name)?)? {
            return Ok(Standing::NotATable);
        }
    }
    Ok(protection(directory, name, &own)?.map_or(Standing::Replaceable, Standing::Fixed))
}

/// Returns `None` if nothing stands under the name.
fn stat(directory: &OwnedFd, name: &OsStr, flags: AtFlags) -> io::Result<Option<Stat>> {
    match retry_on_intr(|| sys::statat(directory, name, flags)) {
        Ok(found) => Ok(Some(found)),
        Err(Errno::NOENT) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Opens what stands under a name. It was a regular file, and may be a FIFO by now.
fn open(directory: &OwnedFd, name: &OsStr) -> io::Result<File> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | CAREFUL;
    let opened = retry_on_intr(|| sys::openat(directory, name, flags, Mode::empty()))?;
    Ok(opened.into())
}

/// Whether a file begins with a table's magic bytes, be the table complete or not.
fn is_table(mut file: impl Read) -> io::Result<bool> {
    let mut start = [0; MAGIC.len()];
    match file.read_exact(&mut start) {
        Ok(()) => Ok(start == MAGIC),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}

/// Why the system would refuse to replace what stands under the name, as far as it can be known.
fn protection(directory: &OwnedFd, name: &OsStr, own: &Stat) -> io::Result<Option<&'static str>> {
    let above = retry_on_intr(|| sys::fstat(directory))?;
    let user = rustix::process::geteuid().as_raw();
    let sticky = Mode::from_raw_mode(above.st_mode).contains(Mode::SVTX);
    if sticky && own.st_uid != user && above.st_uid != user && !may_replace_others() {
        return Ok(Some(STICKY));
    }
    #[cfg(target_os = "linux")]
    {
        use rustix::fs::StatxAttributes as Attributes;
        let fixed = Attributes::IMMUTABLE | Attributes::APPEND;
        let of = |name: &OsStr, flags| {
            let found = sys::statx(directory, name, flags, sys::StatxFlags::empty());
            // A kernel without `statx` reports no attributes.
            found.map_or(Attributes::empty(), |found| found.stx_attributes)
        };
        let own = of(name, AtFlags::SYMLINK_NOFOLLOW);
        if own.contains(Attributes::MOUNT_ROOT) {
            return Ok(Some(MOUNT_POINT));
        }
        if (own | of(OsStr::new(""), AtFlags::EMPTY_PATH)).intersects(fixed) {
            return Ok(Some(IMMUTABLE));
        }
    }
    #[cfg(not(target_os = "linux"))]
    let _ = (name, MOUNT_POINT, IMMUTABLE);
    Ok(None)
}

/// Whether this process may replace files of other users in a sticky directory.
fn may_replace_others() -> bool {
    #[cfg(target_os = "linux")]
    if let Ok(sets) = rustix::thread::capabilities(None) {
        return sets.effective.contains(rustix::thread::CapabilitySet::FOWNER);
    }
    rustix::process::geteuid().is_root()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    const NAME: &str = "t.grv";

    /// A directory with an empty file.
    fn directory() -> (tempfile::TempDir, OwnedFd) {
        let path = tempfile::tempdir().unwrap();
        fs::write(path.path().join(NAME), "").unwrap();
        let directory = File::open(path.path()).unwrap().into();
        (path, directory)
    }

    /// A FIFO that has come meanwhile is opened without a wait for its writer, and a program that is
    /// started meanwhile inherits nothing.
    #[test]
    fn a_file_is_opened_with_care() {
        let (_path, directory) = directory();
        let file = open(&directory, OsStr::new(NAME)).unwrap();
        assert!(sys::fcntl_getfl(&file).unwrap().contains(OFlags::NONBLOCK));
        let flags = rustix::io::fcntl_getfd(&file).unwrap();
        assert!(flags.contains(rustix::io::FdFlags::CLOEXEC));
    }

    #[test]
    fn a_table_begins_with_its_magic_bytes() {
        let (path, _directory) = directory();
        assert!(is_table(&[&MAGIC[..], b"more"].concat()[..]).unwrap());
        for other in [&MAGIC[..7], b"something else"] {
            assert!(!is_table(other).unwrap(), "{other:?}");
        }
        // What can't be read is neither.
        let error = is_table(File::open(path.path()).unwrap()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::IsADirectory);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn another_users_file_in_a_sticky_directory_is_fixed() {
        use crate::file::powers::without_powers;
        use std::os::unix::fs::{PermissionsExt, chown};
        let (path, directory) = directory();
        let file = path.path().join(NAME);
        let me = rustix::process::geteuid().as_raw();
        let (one, two) = (me + 1, me + 2);
        if chown(&file, Some(one), None).is_err() {
            return eprintln!("skipped: files can't be given to other users here");
        }
        let arrange = |mode: u32, above: u32, own: u32| {
            fs::set_permissions(path.path(), fs::Permissions::from_mode(mode)).unwrap();
            chown(path.path(), Some(above), None).unwrap();
            chown(&file, Some(own), None).unwrap();
        };
        let look = || look(&directory, OsStr::new(NAME), true).unwrap();

        arrange(0o1777, one, two);
        assert_eq!(without_powers(look), Standing::Fixed(STICKY));
        // Root may replace it.
        assert_eq!(look(), Standing::Replaceable);
        // The directory is not sticky, or is this user's, or the file is.
        for (mode, above, own) in [(0o777, one, two), (0o1777, me, two), (0o1777, one, me)] {
            arrange(mode, above, own);
            assert_eq!(without_powers(look), Standing::Replaceable, "{mode:o} {above} {own}");
        }
    }

    /// An attribute of a file, which is taken off at the end, so that the file can be removed.
    #[cfg(target_os = "linux")]
    struct Attribute {
        file: File,
        before: sys::IFlags,
    }

    #[cfg(target_os = "linux")]
    impl Attribute {
        fn set(path: &std::path::Path, attribute: sys::IFlags) -> io::Result<Self> {
            let file = File::open(path)?;
            let before = sys::ioctl_getflags(&file)?;
            sys::ioctl_setflags(&file, before | attribute)?;
            Ok(Self { file, before })
        }
    }

    #[cfg(target_os = "linux")]
    impl Drop for Attribute {
        fn drop(&mut self) {
            let _ = sys::ioctl_setflags(&self.file, self.before);
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn what_is_immutable_or_append_only_is_fixed() {
        let (path, directory) = directory();
        let file = path.path().join(NAME);
        let look = || look(&directory, OsStr::new(NAME), true).unwrap();
        for attribute in [sys::IFlags::IMMUTABLE, sys::IFlags::APPEND] {
            assert_eq!(look(), Standing::Replaceable);
            let Ok(of_file) = Attribute::set(&file, attribute) else {
                return eprintln!("skipped: files get no attributes here");
            };
            assert_eq!(look(), Standing::Fixed(IMMUTABLE), "{attribute:?}: the file");
            let of_directory = Attribute::set(path.path(), attribute).unwrap();
            assert_eq!(look(), Standing::Fixed(IMMUTABLE), "{attribute:?}: both");
            drop(of_file);
            assert_eq!(look(), Standing::Fixed(IMMUTABLE), "{attribute:?}: the directory");
            drop(of_directory);
        }
    }
}
