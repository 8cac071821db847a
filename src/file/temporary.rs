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
        remove_in_the_end(&path, remove_directory);
    }
}

/// Removes a directory by `remove`, again and again: another thread may add a file meanwhile.
fn remove_in_the_end(path: &Path, mut remove: impl FnMut(&Path) -> io::Result<()>) {
    let mut removed = || remove(path).is_ok() || !path.exists();
    let _ = (0..ATTEMPTS).any(|_| removed());
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
        // Else another process holds a lock on the file: try the next name.
        if is_ours(directory.try_lock(&file))? {
            return Ok((file, name));
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
impl Unfinished {
    /// Whether [`remove_temporary_files`] would remove the directory.
    pub(crate) fn is_listed(&self) -> bool {
        directories().contains(&self.0)
    }
}

/// Whether a new file belongs to the builder that has tried to lock it. Where the file system has no locks,
/// nobody sweeps.
fn is_ours(locked: io::Result<bool>) -> io::Result<bool> {
    match locked {
        Err(error) if no_locks(&error) => Ok(true),
        locked => locked,
    }
}

#[cfg(test)]
mod tests {
    use super::super::directory::SystemDirectory;
    use super::super::model::{Failing, Model};
    use super::*;
    use std::fs;
    use std::process::Command;

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
        assert!(first.is_listed() && second.is_listed());
        first.end(|| ());
        assert!(!first.is_listed() && second.is_listed());
        second.end(|| ());
        assert!(!second.is_listed());
    }

    /// The error of a lock is not taken for a file system without locks.
    #[test]
    fn a_file_that_cannot_be_locked_is_given_up() {
        let model = Arc::new(Model::new(false, &[]));
        // Call 0 creates the file, call 1 locks it.
        model.fail_from_now(Some(Failing { call: 1, after: false }));
        let directory = Arc::clone(&model) as Arc<dyn Directory>;
        let error = create(&directory, Path::new("t")).err().unwrap();
        assert_eq!(error.kind(), io::ErrorKind::Other);
        assert!(model.visible().is_empty(), "{:?}", model.steps());
    }

    #[test]
    fn a_file_without_a_lock_is_ours_where_there_are_none() {
        for known in [rustix::io::Errno::NOLCK, rustix::io::Errno::OPNOTSUPP] {
            assert!(is_ours(Err(known.into())).unwrap());
        }
        assert!(is_ours(Err(rustix::io::Errno::IO.into())).is_err());
        assert!(is_ours(Ok(true)).unwrap() && !is_ours(Ok(false)).unwrap());
    }

    /// How often the removal of a directory is tried if attempt number `success` is the first that
    /// succeeds.
    fn attempts(path: &Path, success: usize) -> usize {
        let mut attempts = 0;
        remove_in_the_end(path, |path| {
            attempts += 1;
            if attempts < success {
                Err(io::ErrorKind::DirectoryNotEmpty.into())
            } else {
                fs::remove_dir(path)
            }
        });
        attempts
    }

    #[test]
    fn a_directory_to_which_a_thread_adds_files_is_removed_in_the_end() {
        let here = place();
        let path = here.path.path().join("1");
        fs::create_dir(&path).unwrap();
        assert_eq!(attempts(&path, 3), 3);
        assert!(!path.exists());
        // Somebody else has removed it.
        assert_eq!(attempts(&path, 3), 1);
        fs::create_dir(&path).unwrap();
        assert_eq!(attempts(&path, usize::MAX), ATTEMPTS);
        assert!(path.exists());
    }

    /// Runs in a process of its own: it takes from all threads of a process what they have begun.
    #[test]
    fn what_is_unfinished_is_removed_before_an_exit() {
        const INSIDE: &str = "GRAVEN_TEST_EXIT";
        if std::env::var_os(INSIDE).is_none() {
            let program = std::env::current_exe().unwrap();
            // An emulator, where the system can't run the program itself.
            let runner = std::env::var_os("GRAVEN_TEST_RUNNER");
            let mut command = Command::new(runner.as_deref().unwrap_or(program.as_os_str()));
            if runner.is_some() {
                command.arg(&program);
            }
            let name = "file::temporary::tests::what_is_unfinished_is_removed_before_an_exit";
            let ended = command.args(["--exact", name]).env(INSIDE, "1").output().unwrap();
            let text = String::from_utf8_lossy(&ended.stdout);
            assert!(ended.status.success() && text.contains("1 passed"), "{text}");
            return;
        }
        let here = place();
        let (_file, name) = create(&here.directory, &here.target).unwrap();
        let (begun, done) = (here.path.path().join("begun"), here.path.path().join("done"));
        for directory in [&begun, &done] {
            fs::create_dir(directory).unwrap();
            fs::write(directory.join("file"), "").unwrap();
        }
        let (_unfinished, finished) = (Unfinished::new(&begun), Unfinished::new(&done));
        finished.end(|| ());
        assert_eq!(here.path.path().read_dir().unwrap().count(), 3);
        remove_temporary_files();
        let left = here.path.path().read_dir().unwrap().map(|entry| entry.unwrap().file_name());
        assert_eq!(left.collect::<Vec<_>>(), ["done"]);
        // The name is another builder's by now.
        let all: Vec<OsString> = target::temporary_names(&here.target).collect();
        fs::write(here.path.path().join(&all[0]), "other").unwrap();
        drop(name);
        assert!(here.path.path().join(&all[0]).exists());
    }
}
