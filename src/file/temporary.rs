//! Temporary names. A file has one while it is written, on file systems that have no files without
//! a name. A file that is about to replace another one has one right before the rename.
//!
//! A table has sixteen temporary names, so that nobody lists a directory to find what dead builders
//! left. A builder takes a name only while it holds the lock of the side file, and only if nothing
//! stands there. A name is removed by its owner while the owner holds the lock of the file itself,
//! or by the holder of the side file's lock. So a name leads to its owner's file for as long as the
//! owner has it. Where the file system has no locks, nobody removes what others left.

use super::directory::{Directory, remove_directory};
use super::lock::no_locks;
use super::target;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Attempts at removing a directory in which another thread is still at work.
const ATTEMPTS: usize = 100;

/// A temporary name of a file; dropping it removes it.
pub(super) struct Name {
    entry: Option<Entry>,
}

#[derive(Clone)]
struct Entry {
    directory: Arc<dyn Directory>,
    name: OsString,
    /// Distinguishes this name from the same name in other directories.
    number: u64,
}

/// The temporary names of this process, for [`remove_temporary_files`]. The mutex is locked while a
/// name is renamed or removed, so that no name is removed after another process has taken it.
static NAMES: Mutex<Vec<Entry>> = Mutex::new(Vec::new());

fn names() -> MutexGuard<'static, Vec<Entry>> {
    NAMES.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Removes the temporary files of all builds and copies that are under way in this process, and the
/// versions that it has begun in directories of versions; the builds and copies then fail. For a program that ends on a signal, in which destructors don't run: call it right
/// before the exit, from a thread, not from a signal handler. Where the file system has files
/// without names there is nothing to remove.
pub fn remove_temporary_files() {
    let mut names = names();
    for Entry { directory, name, .. } in names.drain(..) {
        let _ = directory.remove(&name);
    }
    drop(names);
    let mut directories = directories();
    for path in directories.drain(..) {
        // Another thread may add a file meanwhile.
        let removed = || remove_directory(&path).is_ok() || !path.exists();
        let _ = (0..ATTEMPTS).any(|_| removed());
    }
}

/// The directories for [`remove_temporary_files`]. The mutex is locked while one is renamed or
/// removed.
static DIRECTORIES: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());

fn directories() -> MutexGuard<'static, Vec<PathBuf>> {
    DIRECTORIES.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A directory of this process that is worth nothing yet: [`remove_temporary_files`] removes it with
/// the files in it.
#[derive(Debug)]
pub(crate) struct Unfinished(PathBuf);

impl Unfinished {
    pub(crate) fn new(path: &Path) -> Self {
        directories().push(path.to_owned());
        Self(path.to_owned())
    }

    /// Runs `change`, which renames or removes the directory. From then on it is left alone.
    pub(crate) fn end<T>(&self, change: impl FnOnce() -> T) -> T {
        let mut directories = directories();
        directories.retain(|path| *path != self.0);
        change()
    }
}

impl Name {
    fn new(directory: &Arc<dyn Directory>, name: OsString) -> Self {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let entry = Entry { directory: Arc::clone(directory), name, number };
        names().push(entry.clone());
        Self { entry: Some(entry) }
    }

    /// Gives the file its final name. With `new`, the rename must not replace another file.
    pub(super) fn rename(&mut self, file: &File, to: &OsStr, new: bool) -> io::Result<()> {
        let Some(Entry { directory, name, number }) = &self.entry else { return Ok(()) };
        // The lock is released because a published file is never locked; the side file's lock keeps
        // sweeps away meanwhile. Where the file system has no locks, there is none to release.
        let _ = directory.unlock(file);
        let mut names = names();
        directory
            .rename(name, to, !new)
            .or_else(|error| happened(to, file, &**directory, error))?;
        names.retain(|other| other.number != *number);
        self.entry = None;
        Ok(())
    }
}

impl Drop for Name {
    fn drop(&mut self) {
        if let Some(Entry { directory, name, number }) = &self.entry {
            let mut names = names();
            // `remove_temporary_files` may have removed the name already.
            if names.iter().any(|other| other.number == *number) {
                // A name that can't be removed is left to a sweep.
                let _ = directory.remove(name);
                names.retain(|other| other.number != *number);
            }
        }
    }
}

/// Returns `Ok` if a link or rename that reported an error has happened all the same. A network
/// file system repeats a call whose answer was lost, and then finds the new name taken or the old
/// name gone.
pub(super) fn happened(
    name: &OsStr,
    file: &File,
    directory: &dyn Directory,
    error: io::Error,
) -> io::Result<()> {
    match directory.leads_to(name, file) {
        Ok(true) => Ok(()),
        _ => Err(error),
    }
}

/// Creates a temporary file that is locked as long as it is open, so that no sweep removes it. The
/// caller holds the side file's lock.
pub(super) fn create(directory: &Arc<dyn Directory>, target: &Path) -> io::Result<(File, Name)> {
    for name in target::temporary_names(target) {
        let file = match directory.create_named(&name) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
            other => other?,
        };
        let name = Name::new(directory, name);
        match directory.try_lock(&file) {
            Ok(true) => return Ok((file, name)),
            // Where the file system has no locks, nobody sweeps.
            Err(error) if no_locks(&error) => return Ok((file, name)),
            // Another process holds a lock on the file: try the next name.
            Ok(false) => {}
            Err(error) => return Err(error),
        }
    }
    Err(all_taken(target))
}

/// Gives a file without a name a temporary name. The caller holds the side file's lock.
pub(super) fn link(directory: &Arc<dyn Directory>, file: &File, target: &Path) -> io::Result<Name> {
    for name in target::temporary_names(target) {
        let linked = directory.link(file, &name);
        match linked.or_else(|error| happened(&name, file, &**directory, error)) {
            Ok(()) => return Ok(Name::new(directory, name)),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    Err(all_taken(target))
}

fn all_taken(target: &Path) -> io::Error {
    let first = target::temporary_names(target).next().unwrap_or_default();
    let text = format!(
        "all {} temporary names are taken, {} and the next: wait for other builders of this table, \
         or remove the files if there are none",
        target::TEMPORARY_NAMES,
        first.display()
    );
    io::Error::new(io::ErrorKind::AlreadyExists, text)
}

/// Whether this target has a temporary file.
pub(super) fn any(target: &Path, directory: &dyn Directory) -> bool {
    target::temporary_names(target).any(|name| directory.open(&name).is_ok())
}

/// Removes temporary files of this target that no builder holds. The caller holds the side file's
/// lock. A file that can't be removed stays for the next sweep.
pub(super) fn sweep(target: &Path, directory: &dyn Directory) {
    for name in target::temporary_names(target) {
        if let Ok(file) = directory.open(&name)
            && let Ok(true) = directory.try_lock(&file)
        {
            let _ = directory.remove(&name);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::directory::SystemDirectory;
    use super::*;
    use std::fs;

    struct Place {
        path: tempfile::TempDir,
        directory: Arc<dyn Directory>,
        target: PathBuf,
    }

    fn place() -> Place {
        let path = tempfile::tempdir().unwrap();
        let directory = Arc::new(SystemDirectory::open(path.path()).unwrap());
        let target = path.path().join("t");
        Place { path, directory, target }
    }

    /// The names of all files that this process has made here and has not given up.
    fn known(place: &Place) -> Vec<OsString> {
        let mut found = Vec::new();
        for Entry { directory, name, .. } in names().iter() {
            if Arc::ptr_eq(directory, &place.directory) {
                found.push(name.clone());
            }
        }
        found
    }

    #[test]
    fn a_name_that_is_taken_is_passed_over() {
        let here = place();
        let all: Vec<OsString> = target::temporary_names(&here.target).collect();
        let occupy = |name: &OsStr| fs::write(here.path.path().join(name), "other").unwrap();
        let unnamed = tempfile::tempfile_in(here.path.path()).unwrap();
        assert!(!any(&here.target, &*here.directory));
        occupy(&all[0]);
        assert!(any(&here.target, &*here.directory));
        let (_file, second) = create(&here.directory, &here.target).unwrap();
        let third = link(&here.directory, &unnamed, &here.target).unwrap();
        assert_eq!(known(&here), all[1..3]);
        // Who gives up a name gives up its own.
        drop(second);
        assert_eq!(known(&here), all[2..3]);
        assert!(here.path.path().join(&all[2]).exists());
        assert!(!here.path.path().join(&all[1]).exists());
        drop(third);

        all.iter().for_each(|name| occupy(name));
        let made = create(&here.directory, &here.target).err().unwrap();
        let linked = link(&here.directory, &unnamed, &here.target).err().unwrap();
        for error in [made, linked] {
            assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
            assert!(error.to_string().contains("all 16 temporary names"), "{error}");
        }
        assert!(known(&here).is_empty());
    }

    /// An error that is not of the name is told at once.
    #[test]
    fn a_directory_that_is_gone_takes_no_name() {
        let here = place();
        let unnamed = tempfile::tempfile().unwrap();
        fs::remove_dir(here.path.path()).unwrap();
        let made = create(&here.directory, &here.target).err().unwrap();
        assert_eq!(made.kind(), io::ErrorKind::NotFound);
        let linked = link(&here.directory, &unnamed, &here.target).err().unwrap();
        assert_ne!(linked.kind(), io::ErrorKind::AlreadyExists);
    }

    #[test]
    fn a_file_that_has_its_name_is_no_longer_temporary() {
        let here = place();
        let (_one, kept) = create(&here.directory, &here.target).unwrap();
        let (two, mut renamed) = create(&here.directory, &here.target).unwrap();
        renamed.rename(&two, OsStr::new("t"), true).unwrap();
        drop(renamed);
        assert!(here.target.exists());
        assert_eq!(known(&here).len(), 1);
        drop(kept);
        assert!(known(&here).is_empty());
    }

    #[test]
    fn an_unfinished_directory_ends_alone() {
        let here = place();
        let (one, two) = (here.path.path().join("1"), here.path.path().join("2"));
        let (first, second) = (Unfinished::new(&one), Unfinished::new(&two));
        let listed = |path: &Path| directories().iter().any(|other| other == path);
        assert!(listed(&one) && listed(&two));
        first.end(|| ());
        assert!(!listed(&one) && listed(&two));
        second.end(|| ());
        assert!(!listed(&two));
    }
}
