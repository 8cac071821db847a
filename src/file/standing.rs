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
        if found.st_size > 0 && !is_table(directory, name)? {
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

/// Whether a file begins with a table's magic bytes, be the table complete or not.
fn is_table(directory: &OwnedFd, name: &OsStr) -> io::Result<bool> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | CAREFUL;
    let file = retry_on_intr(|| sys::openat(directory, name, flags, Mode::empty()))?;
    let mut start = [0; MAGIC.len()];
    match File::from(file).read_exact(&mut start) {
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
