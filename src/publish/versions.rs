//! A directory of versions of one table, of which one is current.
//!
//! ```text
//! DIR/CURRENT -> versions/00000002-5d41402a/table.grv      a symbolic link, replaced by rename
//! DIR/versions/00000001-7b3f6c19/table.grv
//! DIR/versions/00000002-5d41402a/table.grv
//! DIR/.CURRENT.lock                                        held while versions come, go or change
//! ```
//!
//! A version is a directory that holds its table. Its name is a number that grows and the start of
//! the table's build id. Its time of modification says when it was last current. A directory
//! without a table is being filled, and locked by whoever does, or was left by one who died.

use super::{PublishOptions, Source};
use crate::build::check;
use crate::build::publish::{
    Lock, Publishing, Unpublished, lock_side_file, names_in, remove_directory, sync_directory,
};
use crate::error::{BuildError, OpenError, PublishError};
use std::ffi::OsStr;
use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// The pointer to the current version.
const CURRENT: &str = "CURRENT";
/// The lock of a versioned directory.
const LOCK: &str = ".CURRENT.lock";
/// The next pointer, before it takes the place of the last. Only who holds the lock makes it.
const NEXT: &str = ".CURRENT.next";
/// Where the versions are.
const VERSIONS: &str = "versions";
/// The table in a version's directory.
const TABLE: &str = "table.grv";

/// A directory that holds versions of one table. `DIR/CURRENT` is a symbolic link to the current
/// one, so a reader may simply open that path.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let dir = tempfile::tempdir()?;
/// # let (built, served) = (dir.path().join("built.grv"), dir.path().join("served"));
/// # graven::Builder::create(&built)?.finish()?;
/// use std::time::Duration;
///
/// let versions = graven::Versions::new(&served);
/// let version = versions.publish(&built, &graven::PublishOptions::new())?;
/// versions.prune(3, Duration::from_secs(60))?;
/// assert_eq!(versions.current()?, version.path);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Versions {
    directory: PathBuf,
}

/// A version of a table.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    /// Its name: versions ascend in the order of their publishing.
    pub id: String,
    /// Its table.
    pub path: PathBuf,
    /// Bytes of its table.
    pub file_bytes: u64,
    /// Whether it is the one that readers are to open.
    pub current: bool,
}

impl Versions {
    /// The versions in `directory`. Does nothing yet; [`publish`](Self::publish) makes the
    /// directory if need be.
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        Self { directory: directory.into() }
    }

    /// The path of the current table: one `readlink`. The table may be replaced right after, and
    /// its file removed once it has not been current for the age that [`prune`](Self::prune) was
    /// told; who has it open keeps it.
    ///
    /// # Errors
    /// [`PublishError::NoVersion`] if nothing was published yet; [`PublishError::Target`] if the
    /// directory can't be read.
    pub fn current(&self) -> Result<PathBuf, PublishError> {
        match fs::read_link(self.directory.join(CURRENT)) {
            // A link that somebody made by hand may lead anywhere.
            Ok(link) => Ok(self.directory.join(link)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(self.no_version(None)),
            Err(error) => Err(self.failed("read the pointer to the current version")(error)),
        }
    }

    /// All versions, oldest first.
    ///
    /// # Errors
    /// [`PublishError::Target`] if the directory can't be read. One in which nothing was published
    /// has no versions.
    pub fn list(&self) -> Result<Vec<Version>, PublishError> {
        let current = match self.current() {
            Ok(path) => Some(path),
            Err(PublishError::NoVersion { .. }) => None,
            Err(error) => return Err(error),
        };
        let mut versions = Vec::new();
        for (id, directory) in self.directories()? {
            let path = directory.join(TABLE);
            match fs::metadata(&path) {
                Ok(found) => {
                    let current = current.as_deref() == Some(&path);
                    versions.push(Version { id, path, file_bytes: found.len(), current });
                }
                // Not yet filled, or about to go.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(self.failed("look at a version")(error)),
            }
        }
        versions.sort_by_key(|version| number(&version.id));
        Ok(versions)
    }

    /// Copies the table at `source` into a new version, as [`publish`](crate::publish()) does, and
    /// makes that the current one. All of it is checked before the pointer moves. With the option
    /// `replace(false)` it is an error if there is a current version.
    ///
    /// # Errors
    /// As [`publish`](crate::publish()). The version that was current stays so, except for
    /// [`BuildError::PublishedButNotDurable`].
    pub fn publish(
        &self,
        source: impl AsRef<Path>,
        options: &PublishOptions,
    ) -> Result<Version, PublishError> {
        options.check()?;
        let source = Source::open(source.as_ref())?;
        let pointer = self.directory.join(CURRENT);
        if !options.how.replace && fs::symlink_metadata(&pointer).is_ok() {
            return Err(BuildError::AlreadyExists { path: pointer }.into());
        }
        let filling = self.begin(&source, options)?;
        let path = filling.path.join(TABLE);
        let copy = Unpublished::create(&path, false)?;
        source.copy(&copy)?;
        copy.seal(options.how)?;
        // Nothing is published before the pointer moves, so the syncs are this function's.
        copy.place(Publishing { durable: false, ..options.how })?;
        if options.how.durable {
            sync_directory(&filling.path).map_err(self.failed("sync the new version"))?;
        }

        let _lock = self.lock()?;
        if options.how.durable {
            self.sync(VERSIONS)?;
        }
        let moved = self.point_to(&filling.id, options.how.durable);
        let id = match &moved {
            Ok(()) | Err(PublishError::Target(BuildError::PublishedButNotDurable { .. })) => {
                filling.keep()
            }
            Err(_) => String::new(),
        };
        moved?;
        Ok(Version { id, path, file_bytes: source.published.file_bytes, current: true })
    }

    /// Makes an older version current again: the one with this id, or the last before the current
    /// one. All of it is checked before the pointer moves. Nothing is removed.
    ///
    /// # Errors
    /// [`PublishError::NoVersion`] if there is none such; [`PublishError::Source`] if it is
    /// damaged.
    pub fn roll_back(&self, id: Option<&str>) -> Result<Version, PublishError> {
        if self.list()?.is_empty() {
            return Err(self.no_version(id));
        }
        let _lock = self.lock()?;
        let versions = self.list()?;
        let found = match id {
            Some(id) => versions.into_iter().find(|version| version.id == id),
            None => versions.into_iter().take_while(|version| !version.current).last(),
        };
        let Some(mut version) = found.filter(|_| id.is_some() || self.current().is_ok()) else {
            return Err(self.no_version(id));
        };
        self.check(&version)?;
        self.point_to(&version.id, true)?;
        version.current = true;
        Ok(version)
    }

    /// Removes old versions, but for the `keep` newest, the current one, and those that were
    /// current less than `min_age` ago: a reader may be about to open these. Readers that have one
    /// open keep it. Returns the removed versions.
    ///
    /// # Errors
    /// [`PublishError::Target`] if the directory can't be read or changed.
    pub fn prune(&self, keep: usize, min_age: Duration) -> Result<Vec<Version>, PublishError> {
        if self.list()?.len() <= keep {
            return Ok(Vec::new());
        }
        let _lock = self.lock()?;
        let mut versions = self.list()?;
        versions.truncate(versions.len().saturating_sub(keep));
        let mut removed = Vec::new();
        for version in versions.into_iter().filter(|version| !version.current) {
            let directory = self.version(&version.id);
            let failed = self.failed("remove a version");
            let left = fs::metadata(&directory).and_then(|found| found.modified());
            // A clock that was set back makes no version old.
            let age = SystemTime::now().duration_since(left.map_err(&failed)?).unwrap_or_default();
            if age >= min_age {
                remove_directory(&directory).map_err(&failed)?;
                removed.push(version);
            }
        }
        Ok(removed)
    }

    /// Makes the directory of a new version, and holds it.
    fn begin(&self, source: &Source, options: &PublishOptions) -> Result<Filling, PublishError> {
        let failed = self.failed("make a version");
        // Who may read the table may enter the directories above it.
        let mode = options.how.mode;
        let mode = 0o700 | mode & 0o044 | (mode & 0o044) >> 2;
        make_if_missing(&self.directory, mode).map_err(&failed)?;
        let lock = self.lock()?;
        if make_if_missing(&self.directory.join(VERSIONS), mode).map_err(&failed)? {
            self.sync("")?;
        }
        let directories = self.directories()?;
        if lock.is_some() {
            directories.iter().for_each(|(_, directory)| remove_if_dead(directory));
        }
        let last = directories.iter().map(|(id, _)| number(id)).max().unwrap_or(0);
        let start = &source.published.build_id[..4];
        let start: String = start.iter().map(|byte| format!("{byte:02x}")).collect();
        let id = format!("{:08}-{start}", last + 1);
        let path = self.version(&id);
        make(&path, mode).map_err(&failed)?;
        let held = File::open(&path).map_err(&failed)?;
        // Without locks nobody removes what others fill.
        let _ = fs2::FileExt::try_lock_exclusive(&held);
        Ok(Filling { id, path, kept: false, _held: held })
    }

    /// Moves the pointer. The caller holds the lock.
    fn point_to(&self, id: &str, durable: bool) -> Result<(), PublishError> {
        let failed = self.failed("move the pointer to the current version");
        if let Ok(old) = self.current()
            && let Some(directory) = old.parent()
            && let Ok(directory) = File::open(directory)
        {
            // From now on it is not current any more.
            touch(&directory).map_err(&failed)?;
        }
        let (next, pointer) = (self.directory.join(NEXT), self.directory.join(CURRENT));
        match fs::remove_file(&next) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
            _ => {}
        }
        symlink(Path::new(VERSIONS).join(id).join(TABLE), &next).map_err(&failed)?;
        fs::rename(&next, &pointer).map_err(&failed)?;
        if durable {
            sync_directory(&self.directory)
                .map_err(|source| BuildError::PublishedButNotDurable { path: pointer, source })?;
        }
        Ok(())
    }

    fn check(&self, version: &Version) -> Result<(), PublishError> {
        let failed = |source| PublishError::Source { path: version.path.clone(), source };
        let file = File::open(&version.path).map_err(|source| {
            failed(OpenError::Io { action: "open the table", path: None, source })
        })?;
        match check::read_back(&file, &version.path) {
            Err(BuildError::ReadBack { source, .. }) => Err(failed(source)),
            other => Ok(other?),
        }
    }

    /// Ids and directories of versions, also of those without a table.
    fn directories(&self) -> Result<Vec<(String, PathBuf)>, PublishError> {
        let failed = self.failed("list the versions");
        let names = match names_in(&self.directory.join(VERSIONS)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            other => other.map_err(failed)?,
        };
        // What else lies here is not ours.
        let ids = names.into_iter().filter_map(|name| name.into_string().ok());
        let ids = ids.filter(|id| number(id) > 0);
        Ok(ids
            .map(|id| {
                let path = self.version(&id);
                (id, path)
            })
            .collect())
    }

    fn version(&self, id: &str) -> PathBuf {
        self.directory.join(VERSIONS).join(id)
    }

    fn lock(&self) -> Result<Option<Lock>, PublishError> {
        Ok(lock_side_file(&self.directory, OsStr::new(LOCK))?)
    }

    fn sync(&self, inside: &str) -> Result<(), PublishError> {
        sync_directory(&self.directory.join(inside)).map_err(self.failed("sync the versions"))
    }

    fn failed(&self, action: &'static str) -> impl Fn(io::Error) -> PublishError + '_ {
        let path = &self.directory;
        move |source| BuildError::Io { action, path: path.clone(), source }.into()
    }

    fn no_version(&self, id: Option<&str>) -> PublishError {
        PublishError::NoVersion { directory: self.directory.clone(), id: id.map(str::to_owned) }
    }
}

/// The number that an id begins with; 0 if it is none of ours.
fn number(id: &str) -> u64 {
    let digits = id.split_once('-').map_or("", |(digits, _)| digits);
    if digits.len() < 8 { 0 } else { digits.parse().unwrap_or(0) }
}

/// A version's directory that is being filled; removed when dropped, unless kept.
struct Filling {
    id: String,
    path: PathBuf,
    kept: bool,
    /// Its lock tells others that this process is alive.
    _held: File,
}

impl Filling {
    fn keep(mut self) -> String {
        self.kept = true;
        std::mem::take(&mut self.id)
    }
}

impl Drop for Filling {
    fn drop(&mut self) {
        if !self.kept {
            // The next publish removes it otherwise.
            let _ = remove_directory(&self.path);
        }
    }
}

/// Removes a directory that nobody fills any more. The caller holds the lock.
fn remove_if_dead(directory: &Path) {
    if let Err(error) = fs::symlink_metadata(directory.join(TABLE))
        && error.kind() == io::ErrorKind::NotFound
        && let Ok(held) = File::open(directory)
        && fs2::FileExt::try_lock_exclusive(&held).is_ok()
    {
        let _ = remove_directory(directory);
    }
}

/// Makes a directory with these permissions, whatever the umask.
fn make(path: &Path, mode: u32) -> io::Result<()> {
    DirBuilder::new().mode(0o700).create(path)?;
    fs::set_permissions(path, fs::Permissions::from_mode(mode))
}

/// Likewise, and says whether it was missing.
fn make_if_missing(path: &Path, mode: u32) -> io::Result<bool> {
    match make(path, mode) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(error),
    }
}

/// Sets a directory's time of modification to now.
fn touch(directory: &File) -> io::Result<()> {
    use rustix::fs::{Timespec, Timestamps, UTIME_NOW, futimens};
    // By this name anyone who may write in it is allowed to.
    let now = Timespec { tv_sec: 0, tv_nsec: UTIME_NOW };
    Ok(futimens(directory, &Timestamps { last_access: now, last_modification: now })?)
}
