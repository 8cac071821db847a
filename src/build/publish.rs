//! From an unpublished temporary file to a table under its name.
//!
//! The temporary file lies in the table's own directory, so that the rename stays inside one file
//! system. Order: write, permissions, fsync of the file, rename, fsync of the directory. The
//! permissions come before the fsync so that one sync makes both durable.

use crate::error::BuildError;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use tempfile::NamedTempFile;

/// A file that is written but has no name yet that a reader would look for. Dropping it removes
/// it.
pub(super) struct Unpublished {
    file: NamedTempFile,
    target: PathBuf,
}

impl Unpublished {
    /// Creates the file beside `target`.
    pub(super) fn create(target: &Path, replace: bool) -> Result<Self, BuildError> {
        if let Ok(found) = fs::symlink_metadata(target) {
            // The table takes a link's own place; never that of a link to a device.
            let found = if found.is_symlink() { fs::metadata(target).ok() } else { Some(found) };
            if let Some(found) = found.filter(|found| !found.is_file()) {
                let kind = kind_of(&found);
                return Err(BuildError::NotARegularFile { path: target.to_owned(), kind });
            }
            if !replace {
                return Err(BuildError::AlreadyExists { path: target.to_owned() });
            }
        }
        let file = temp_beside(target)?;
        Ok(Self { file, target: target.to_owned() })
    }

    /// A second file for the same target; this one is removed.
    pub(super) fn again(&self) -> Result<Self, BuildError> {
        Ok(Self { file: temp_beside(&self.target)?, target: self.target.clone() })
    }

    /// Refuses early what the file system has no room for: before anything of `bytes` bytes is
    /// written. Where the room is not known, writing will tell.
    pub(super) fn check_space(&self, bytes: u64) -> Result<(), BuildError> {
        match fs2::statvfs(directory(&self.target)) {
            // A file system that does not know its size says that it has none.
            Ok(space) if space.total_space() > 0 && space.available_space() < bytes => {
                let free = space.available_space();
                let text = format!("{bytes} bytes are needed, {free} are free");
                let source = io::Error::new(io::ErrorKind::StorageFull, text);
                Err(BuildError::io("write the table", directory(&self.target), 0, source))
            }
            _ => Ok(()),
        }
    }

    pub(super) fn file(&self) -> &File {
        self.file.as_file()
    }

    pub(super) fn path(&self) -> &Path {
        self.file.path()
    }

    /// Gives the file its permissions and its name. On `Ok` with `durable`, both survive a power
    /// loss.
    pub(super) fn publish(self, mode: u32, durable: bool, replace: bool) -> Result<(), BuildError> {
        let Self { file, target } = self;
        set_mode(file.as_file(), mode)
            .map_err(|e| BuildError::io("set the permissions", file.path(), 0, e))?;
        if durable {
            // A failed fsync is final: the kernel may have dropped the data it could not write.
            file.as_file()
                .sync_all()
                .map_err(|e| BuildError::io("sync the unpublished table", file.path(), 0, e))?;
        }
        let renamed = if replace { file.persist(&target) } else { file.persist_noclobber(&target) };
        renamed.map_err(|failed| match failed.error.kind() {
            io::ErrorKind::AlreadyExists => BuildError::AlreadyExists { path: target.clone() },
            _ => BuildError::io("publish the table", &target, 0, failed.error),
        })?;
        if durable {
            sync_directory(directory(&target)).map_err(|source| {
                BuildError::PublishedButNotDurable { path: target.clone(), source }
            })?;
        }
        Ok(())
    }
}

/// The directory that holds `path`.
pub(super) fn directory(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

fn temp_beside(target: &Path) -> Result<NamedTempFile, BuildError> {
    let Some(name) = target.file_name() else {
        let source = io::Error::from(io::ErrorKind::InvalidInput);
        return Err(BuildError::io("name the table", target, 0, source));
    };
    // A long name is cut so that prefix and random letters still fit the file system's 255 bytes.
    let mut prefix = OsString::from(".");
    match name.to_str() {
        Some(text) => prefix.push(text.chars().take(48).collect::<String>()),
        None => prefix.push("table"),
    }
    prefix.push(".graven-");
    // tempfile creates with O_EXCL and 0600.
    tempfile::Builder::new()
        .prefix(&prefix)
        .tempfile_in(directory(target))
        .map_err(|e| BuildError::io("create the unpublished table", directory(target), 0, e))
}

fn kind_of(metadata: &fs::Metadata) -> &'static str {
    if metadata.is_dir() { "directory" } else { "device, FIFO or socket" }
}

#[cfg(unix)]
fn set_mode(file: &File, mode: u32) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    file.set_permissions(fs::Permissions::from_mode(mode))
}

#[cfg(not(unix))]
fn set_mode(file: &File, mode: u32) -> io::Result<()> {
    let mut permissions = file.metadata()?.permissions();
    permissions.set_readonly(mode & 0o222 == 0);
    file.set_permissions(permissions)
}

#[cfg(unix)]
fn sync_directory(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}

#[cfg(not(unix))]
fn sync_directory(_: &Path) -> io::Result<()> {
    Ok(())
}
