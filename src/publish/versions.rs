//! A directory of versions of one table, of which one is current.
//!
//! ```text
//! DIR/CURRENT -> versions/00000002-5d41402a/table.grv      a symbolic link, replaced by rename
//! DIR/versions/00000001-7b3f6c19/table.grv
//! DIR/versions/00000002-5d41402a/table.grv
//! DIR/.CURRENT.lock                                        there while versions come, go or change
//! ```
//!
//! A version is a directory that holds a table. Its name is an ascending number and the start of
//! the table's build id. Its time of modification says when it was last current. A directory
//! without a table is either being filled and locked by its publisher, or was left by a publisher
//! that died.

use super::content::{Content, Identity, VERSIONS};
use super::copy::{PublishOptions, Source};
use super::filling::{Filling, identity, make_if_missing, number, remove_if_dead, touch};
use super::guard::Incoming;
use super::version::Version;
use crate::error::{BuildError, PublishError};
use crate::file::directory::{names_in, sync_directory};
use crate::file::target::CURRENT;
use crate::file::{Pointer, Publishing, Unpublished, integrity};
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// A directory that holds versions of one table. `DIR/CURRENT` is a symbolic link to the table of
/// the current version, so a reader may simply open that path.
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
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Versions {
    directory: PathBuf,
}

impl Versions {
    /// The versions in `directory`. Touches no file; [`publish`](Self::publish) makes the directory
    /// if it is missing.
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        Self { directory: directory.into() }
    }

    /// The path of the current table. Costs one `readlink`. The version may be replaced right
    /// after, and [`prune`](Self::prune) may remove its file once it has not been current for
    /// `min_age`. A process that has the file open keeps it.
    ///
    /// # Errors
    /// [`PublishError::NoVersion`] if nothing was published yet; [`PublishError::Target`] if the
    /// directory can't be read.
    pub fn current(&self) -> Result<PathBuf, PublishError> {
        match fs::read_link(self.directory.join(CURRENT)) {
            // A link that somebody made by hand may lead anywhere.
            Ok(link) => Ok(self.directory.join(link)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(self.no_version(None)),
            Err(error) => {
                let error = match error.kind() {
                    io::ErrorKind::InvalidInput => {
                        io::Error::new(error.kind(), "CURRENT is no symbolic link: move it away")
                    }
                    _ => error,
                };
                Err(self.failed("read the pointer to the current version")(error))
            }
        }
    }

    /// All versions, oldest first.
    ///
    /// # Errors
    /// [`PublishError::Target`] if the directory can't be read. A directory in which nothing was
    /// published has no versions; that is no error.
    pub fn list(&self) -> Result<Vec<Version>, PublishError> {
        let mut versions = Vec::new();
        for (id, directory) in self.directories()? {
            let found = Content::of(&directory).map_err(self.failed("look at a version"))?;
            if let Some((content, file_bytes)) = found {
                let path = content.path(&directory);
                versions.push(Version { id, path, file_bytes, current: false });
            }
        }
        versions.sort_by(|a, b| (number(&a.id), &a.id).cmp(&(number(&b.id), &b.id)));
        if let Some(at) = self.find_current(&versions)? {
            versions[at].current = true;
        }
        Ok(versions)
    }

    /// Copies the table at `source` into a new version, as [`PublishOptions::publish`] does, and
    /// makes that version current. The whole table is checked before the pointer moves. With the
    /// option `replace(false)` it is an error if there is a current version.
    ///
    /// # Errors
    /// The errors of [`PublishOptions::publish`]. The version that was current stays current,
    /// except for [`BuildError::PublishedButNotDurable`].
    pub fn publish(
        &self,
        source: impl AsRef<Path>,
        options: &PublishOptions,
    ) -> Result<Version, PublishError> {
        options.check()?;
        self.add(Source::open(source.as_ref())?, options)
    }

    /// Makes a new version of the table that `source` is read from, as
    /// [`publish`](Self::publish) does of a file.
    ///
    /// # Errors
    /// The errors of [`PublishOptions::publish_from`], with the exception of
    /// [`publish`](Self::publish).
    pub fn publish_from(
        &self,
        mut source: impl Read,
        options: &PublishOptions,
    ) -> Result<Version, PublishError> {
        options.check()?;
        self.add(Source::from_reader(&mut source)?, options)
    }

    fn add(&self, source: Source<'_>, options: &PublishOptions) -> Result<Version, PublishError> {
        let incoming = source.incoming;
        let filling = self.begin(Content::Table, Some(&incoming), None, options)?;
        let copy = Unpublished::create(&Content::Table.path(&filling.path), false)?;
        source.copy(&copy)?;
        copy.seal(options.how)?;
        // This name is not published yet: only the move of the pointer publishes it.
        copy.place(false)?;
        self.make_current(filling, &incoming, options)
    }

    /// Makes the directory of a new version, in which its table can be built: a table that is built
    /// there need not be copied. The version becomes current with [`NewVersion::publish`].
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let dir = tempfile::tempdir()?;
    /// # let served = dir.path().join("served");
    /// use graven::{Builder, PublishOptions, Versions};
    ///
    /// let new = Versions::new(&served).create(&PublishOptions::new().min_entries(1))?;
    /// let mut builder = Builder::create(new.path())?;
    /// builder.insert(b"apple", b"3")?;
    /// builder.finish()?;
    /// let version = new.publish()?;
    /// assert!(version.current);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`PublishError::Target`] if the directory can't be written.
    pub fn create(&self, options: &PublishOptions) -> Result<NewVersion, PublishError> {
        options.check()?;
        let filling = self.begin(Content::Table, None, None, options)?;
        let table = filling.new_file();
        Ok(NewVersion { versions: self.clone(), options: options.clone(), filling, table })
    }

    /// Makes a version current that is complete.
    pub(super) fn make_current(
        &self,
        filling: Filling,
        incoming: &Incoming,
        options: &PublishOptions,
    ) -> Result<Version, PublishError> {
        // Once the pointer has moved, nobody may remove the version.
        filling.complete();
        if options.how.durable {
            sync_directory(&filling.path).map_err(self.failed("sync the new version"))?;
            self.sync(VERSIONS)?;
        }
        let path = filling.content.path(&filling.path);
        let link = filling.content.link_to(&filling.id);
        let pointer = self.pointer()?;
        let _lock = pointer.lock()?;
        // Another version may have become current meanwhile.
        self.permit(incoming, options)?;
        let moved = self.point_to(&pointer, &link, options.how);
        let id = match &moved {
            Err(PublishError::Target(BuildError::PublishedButNotDurable { .. })) | Ok(()) => {
                filling.keep()
            }
            // The error may have come after the pointer moved.
            Err(_) if !pointer.leads_elsewhere(&link) => filling.keep(),
            Err(_) => String::new(),
        };
        moved?;
        Ok(Version { id, path, file_bytes: incoming.file_bytes, current: true })
    }

    /// Asks the guards of the options, which compare a table with the current version.
    pub(super) fn permit(
        &self,
        incoming: &Incoming,
        options: &PublishOptions,
    ) -> Result<(), PublishError> {
        options.guard.permit(incoming, || match self.current() {
            Err(PublishError::NoVersion { .. }) => Ok(None),
            other => other.map(Some),
        })
    }

    /// Makes an older version current again: the version with this id, or the last one before the
    /// current version. The whole table is checked before the pointer moves, without the lock, so
    /// other publishers do not wait for the check. If versions come or go meanwhile, a version is
    /// chosen and checked anew. Nothing is removed.
    ///
    /// # Errors
    /// [`PublishError::NoVersion`] if there is no such version, [`PublishError::NoOlderVersion`] if
    /// there is none before the current one; [`PublishError::Source`] if its table is damaged.
    pub fn roll_back(&self, id: Option<&str>) -> Result<Version, PublishError> {
        /// Attempts while other publishers change the versions.
        const ATTEMPTS: u32 = 10;
        for _ in 0..ATTEMPTS {
            let chosen = self.choose(id)?;
            let checked = Content::check(&chosen)?;
            if let Some(version) = self.return_to(id, &chosen, checked)? {
                return Ok(version);
            }
        }
        let error = io::Error::other("others keep changing the versions: try again");
        Err(self.failed("choose a version")(error))
    }

    /// Makes a version current again that was chosen and checked. `None` if others have changed the
    /// versions meanwhile: another one would be chosen now, or something else stands in its place.
    fn return_to(
        &self,
        id: Option<&str>,
        chosen: &Version,
        checked: Identity,
    ) -> Result<Option<Version>, PublishError> {
        let pointer = self.pointer()?;
        let _lock = pointer.lock()?;
        let mut again = self.choose(id)?;
        let standing = identity(&again.path).map_err(self.failed("look at a version"))?;
        if again.id == chosen.id && standing == Some(checked) {
            let link = Content::of_version(&again).link_to(&again.id);
            self.point_to(&pointer, &link, PublishOptions::default().how)?;
            again.current = true;
            return Ok(Some(again));
        }
        Ok(None)
    }

    /// Removes old versions, except for the `keep` newest, the current one, and those that were
    /// current less than `min_age` ago: a reader may be about to open these. Readers keep the
    /// versions that they have open; a set that a reader has open is not removed, where the file
    /// system has locks. Returns the removed versions.
    ///
    /// # Errors
    /// [`PublishError::Target`] if the directory can't be read or changed.
    pub fn prune(&self, keep: usize, min_age: Duration) -> Result<Vec<Version>, PublishError> {
        if self.directories()?.len() <= keep {
            return Ok(Vec::new());
        }
        let pointer = self.pointer()?;
        let _lock = pointer.lock()?;
        let mut versions = self.list()?;
        versions.truncate(versions.len().saturating_sub(keep));
        let mut removed = Vec::new();
        for version in versions.into_iter().filter(|version| !version.current) {
            let directory = self.version(&version.id);
            let failed = self.failed("remove a version");
            let left = fs::metadata(&directory).and_then(|found| found.modified());
            // After a clock was set back, a version's age counts as zero.
            let age = SystemTime::now().duration_since(left.map_err(&failed)?).unwrap_or_default();
            if age >= min_age && Content::remove(&directory).map_err(&failed)? {
                removed.push(version);
            }
        }
        Ok(removed)
    }

    /// Makes the directory of a new version, and locks it. Without a table, the version's id is not
    /// known yet. Without a number, the version gets the one after the last version's.
    pub(super) fn begin(
        &self,
        content: Content,
        incoming: Option<&Incoming>,
        wanted: Option<u64>,
        options: &PublishOptions,
    ) -> Result<Filling, PublishError> {
        let failed = self.failed("make a version");
        let mode = options.mode_of_directories();
        make_if_missing(&self.directory, mode).map_err(&failed)?;
        let pointer = self.pointer()?;
        let lock = pointer.lock()?;
        // Whatever would prevent the move is found before the copy.
        pointer.check(options.how.replace)?;
        incoming.map_or(Ok(()), |incoming| self.permit(incoming, options))?;
        self.leave_current()?;
        if make_if_missing(&self.directory.join(VERSIONS), mode).map_err(&failed)? {
            self.sync("")?;
        }
        let directories = self.directories()?;
        if lock.is_some() {
            directories.iter().for_each(|(_, directory)| remove_if_dead(directory));
        }
        let last = directories.iter().map(|(id, _)| number(id)).max().unwrap_or(0);
        let Some(next) = wanted.or(last.checked_add(1)) else {
            let text =
                format!("there is one of number {last}, the last that there can be: move it");
            return Err(failed(io::Error::other(text)));
        };
        let id = match incoming {
            Some(incoming) => incoming.version_id(next),
            None => format!("{next:08}-new"),
        };
        let path = self.version(&id);
        Filling::make(id, path, content, mode).map_err(&failed)
    }

    /// Moves the pointer. The caller holds the lock.
    fn point_to(
        &self,
        pointer: &Pointer,
        link: &Path,
        how: Publishing,
    ) -> Result<(), PublishError> {
        pointer.check(how.replace)?;
        self.leave_current()?;
        pointer.point_to(link, how.replace)?;
        if how.durable {
            // The sync is under the lock, because whoever prunes next may remove the version that
            // the pointer led to.
            pointer.sync()?;
        }
        Ok(())
    }

    /// Records the present time as the time until which the current version was current.
    fn leave_current(&self) -> Result<(), PublishError> {
        let Some(version) = self.list()?.into_iter().find(|version| version.current) else {
            return Ok(());
        };
        let path = self.version(&version.id);
        let action = "note when the version was current, for which its directory must be writable,";
        File::open(&path)
            .and_then(|directory| touch(&directory))
            .map_err(|source| BuildError::Io { action, path, source }.into())
    }

    /// The version with this id, or without an id the last one before the current version.
    fn choose(&self, id: Option<&str>) -> Result<Version, PublishError> {
        let mut versions = self.list()?;
        let at = match id {
            Some(id) => versions.iter().position(|version| version.id == id),
            None => {
                let current = versions.iter().position(|version| version.current);
                let older = current.and_then(|current| current.checked_sub(1));
                if older.is_none() && !versions.is_empty() {
                    return Err(PublishError::NoOlderVersion {
                        directory: self.directory.clone(),
                        current: current.map(|at| versions.swap_remove(at).id),
                    });
                }
                older
            }
        };
        let found = at.and_then(|at| versions.into_iter().nth(at));
        found.ok_or_else(|| self.no_version(id))
    }

    /// Which of these versions the pointer leads to. The link may have been made by hand, so its
    /// text is not compared.
    fn find_current(&self, versions: &[Version]) -> Result<Option<usize>, PublishError> {
        let failed = self.failed("find the current version");
        let link = match self.current() {
            Err(PublishError::NoVersion { .. }) => return Ok(None),
            other => other?,
        };
        if let Some(parent) = link.parent()
            && let Some(wanted) = identity(parent).map_err(&failed)?
        {
            for (at, version) in versions.iter().enumerate() {
                let found = identity(&self.version(&version.id)).map_err(&failed)?;
                if found == Some(wanted) {
                    return Ok(Some(at));
                }
            }
        }
        // The pointer may lead to another link: compare the files.
        let Some(wanted) = identity(&link).map_err(&failed)? else { return Ok(None) };
        for (at, version) in versions.iter().enumerate().rev() {
            if identity(&version.path).map_err(&failed)? == Some(wanted) {
                return Ok(Some(at));
            }
        }
        Ok(None)
    }

    /// Ids and directories of all versions, including those without a table.
    fn directories(&self) -> Result<Vec<(String, PathBuf)>, PublishError> {
        let failed = self.failed("list the versions");
        let names = match names_in(&self.directory.join(VERSIONS)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            other => other.map_err(failed)?,
        };
        // Other names in this directory are not graven's.
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

    pub(super) fn pointer(&self) -> Result<Pointer, PublishError> {
        let pointer = Pointer::at(self.directory.join(CURRENT));
        pointer.map_err(self.failed("open the directory"))
    }

    fn sync(&self, inside: &str) -> Result<(), PublishError> {
        sync_directory(&self.directory.join(inside)).map_err(self.failed("sync the versions"))
    }

    pub(super) fn failed(&self, action: &'static str) -> impl Fn(io::Error) -> PublishError + '_ {
        let path = &self.directory;
        move |source| BuildError::Io { action, path: path.clone(), source }.into()
    }

    fn no_version(&self, id: Option<&str>) -> PublishError {
        PublishError::NoVersion { directory: self.directory.clone(), id: id.map(str::to_owned) }
    }
}

/// A version that is being made, by [`Versions::create`]: a directory in which its table is to be
/// built. Nobody reads it before [`publish`](Self::publish). If this is dropped before, the
/// directory is removed with what is in it. If the process is killed, the next version that is
/// published or created removes it.
#[derive(Debug)]
pub struct NewVersion {
    versions: Versions,
    options: PublishOptions,
    filling: Filling,
    table: PathBuf,
}

impl NewVersion {
    /// The path at which the table is to be built:
    /// [`BuildOptions::create`](crate::BuildOptions::create) takes it. The permissions of the table
    /// are those that its builder gives it.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.table
    }

    /// Makes the version current. The guards of the options are asked, and header and footer of the
    /// table are read; all of it is read with
    /// [`verify_after_write`](PublishOptions::verify_after_write).
    ///
    /// # Errors
    /// [`PublishError::Source`] if there is no sound table at [`path`](Self::path);
    /// [`PublishError::TooFewEntries`], [`PublishError::Shrunk`], [`PublishError::Current`] if a
    /// guard refuses it; [`PublishError::Target`] if the directory can't be written. The version
    /// that was current stays current, except for [`BuildError::PublishedButNotDurable`].
    pub fn publish(self) -> Result<Version, PublishError> {
        let Self { versions, options, mut filling, table } = self;
        let unsound = |source| PublishError::Source { path: table.clone(), source };
        let (file, incoming) = Incoming::open(&table).map_err(unsound)?;
        versions.permit(&incoming, &options)?;
        if options.how.durable {
            // This costs nothing if the builder has synced the file.
            file.sync_all().map_err(versions.failed("sync the new table"))?;
        }
        if options.how.read_back {
            integrity::read_back(&file, &table)?;
        }
        let id = incoming.version_id(number(&filling.id));
        filling.rename(id).map_err(versions.failed("name the new version"))?;
        versions.make_current(filling, &incoming, &options)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::write::BuildOptions;
    use std::os::unix::fs::symlink;

    const HOUR: Duration = Duration::from_secs(3600);

    fn build(path: &Path) {
        BuildOptions::new().durable(false).build(path, [("Ann", "31")]).unwrap();
    }

    /// A directory with the table `t.grv` and, in `d`, two versions of it.
    fn two() -> (tempfile::TempDir, Versions, [Version; 2]) {
        let directory = tempfile::tempdir().unwrap();
        let versions = Versions::new(directory.path().join("d"));
        let source = directory.path().join("t.grv");
        build(&source);
        let publish = || versions.publish(&source, &PublishOptions::new()).unwrap();
        let published = [publish(), publish()];
        (directory, versions, published)
    }

    #[test]
    fn a_version_is_as_young_as_the_time_until_which_it_was_current() {
        let (directory, versions, [first, second]) = two();
        let age = |version: &Version| {
            let opened = File::open(versions.version(&version.id)).unwrap();
            opened.set_modified(SystemTime::now() - 2 * HOUR).unwrap();
        };
        age(&first);
        age(&second);
        versions.publish(directory.path().join("t.grv"), &PublishOptions::new()).unwrap();
        let prune = || -> Vec<String> {
            versions.prune(0, HOUR).unwrap().into_iter().map(|version| version.id).collect()
        };
        assert_eq!(prune(), [first.id]);
        age(&second);
        assert_eq!(prune(), [second.id]);
    }

    #[test]
    fn a_version_that_changed_after_its_check_does_not_become_current() {
        let (_directory, versions, [first, second]) = two();
        let checked = Content::check(&first).unwrap();
        let to = |chosen: &Version, checked| versions.return_to(None, chosen, checked).unwrap();
        assert_eq!(to(&second, checked), None, "another version would be chosen");
        assert_eq!(to(&first, (0, 0)), None, "another file stands there");
        assert_eq!(versions.current().unwrap(), second.path);
        assert_eq!(to(&first, checked).as_ref(), Some(&first));
        assert_eq!(versions.current().unwrap(), first.path);
    }

    /// Something comes to the pointer's place between the first look and the move.
    #[test]
    fn a_version_that_does_not_become_current_is_removed() {
        let directory = tempfile::tempdir().unwrap();
        let versions = Versions::new(directory.path());
        let new = versions.create(&PublishOptions::new()).unwrap();
        build(new.path());
        fs::write(directory.path().join(CURRENT), "precious").unwrap();
        let error = new.publish().unwrap_err();
        assert!(matches!(error, PublishError::Target(BuildError::NotATable { .. })), "{error:?}");
        assert!(names_in(&directory.path().join(VERSIONS)).unwrap().is_empty());
        assert_eq!(fs::read(directory.path().join(CURRENT)).unwrap(), b"precious");
    }

    /// As where a network file system reports an error of a move that it has made.
    #[test]
    fn a_version_to_which_the_pointer_leads_is_kept_after_an_error() {
        let directory = tempfile::tempdir().unwrap();
        let versions = Versions::new(directory.path());
        let new = versions.create(&PublishOptions::new().replace(false)).unwrap();
        build(new.path());
        let (_, incoming) = Incoming::open(new.path()).unwrap();
        let link = Content::Table.link_to(&incoming.version_id(1));
        symlink(link, directory.path().join(CURRENT)).unwrap();
        let error = new.publish().unwrap_err();
        assert!(
            matches!(error, PublishError::Target(BuildError::AlreadyExists { .. })),
            "{error:?}"
        );
        assert!(versions.current().unwrap().exists());
    }

    #[test]
    fn versions_that_cannot_be_listed_are_not_taken_for_none() {
        let directory = tempfile::tempdir().unwrap();
        let versions = Versions::new(directory.path());
        assert_eq!(versions.list().unwrap(), []);
        fs::write(directory.path().join(VERSIONS), "").unwrap();
        let error = versions.list().unwrap_err();
        assert!(matches!(error, PublishError::Target(BuildError::Io { .. })), "{error:?}");
    }

    #[test]
    fn names_that_cannot_be_made_durable_are_an_error() {
        let directory = tempfile::tempdir().unwrap();
        let versions = Versions::new(directory.path());
        versions.sync("").unwrap();
        let error = versions.sync(VERSIONS).unwrap_err();
        let PublishError::Target(BuildError::Io { action, .. }) = &error else { panic!("{error}") };
        assert_eq!(*action, "sync the versions");
    }
}
