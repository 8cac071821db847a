//! Temporary files with a name, for file systems that have no others.

use super::directory::Directory;
use super::{no_locks, target};
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

/// A temporary name of a file; dropping it removes it.
pub(super) struct Name {
    entry: Option<Entry>,
}

#[derive(Clone)]
struct Entry {
    directory: Arc<dyn Directory>,
    name: OsString,
}

/// The temporary names of this process, for [`remove_unpublished`].
static NAMES: Mutex<Vec<Entry>> = Mutex::new(Vec::new());

/// Removes the temporary files of all builds and copies that are under way in this process; these
/// then fail. For a program that ends on a signal, in which destructors don't run: call it right
/// before the exit, from a thread, not from a signal handler. Where the file system has files
/// without names there is nothing to remove.
pub fn remove_unpublished() {
    let names = std::mem::take(&mut *NAMES.lock().unwrap_or_else(PoisonError::into_inner));
    for Entry { directory, name } in names {
        let _ = directory.remove(&name);
    }
}

impl Name {
    fn new(directory: &Arc<dyn Directory>, name: OsString) -> Self {
        let entry = Entry { directory: Arc::clone(directory), name };
        NAMES.lock().unwrap_or_else(PoisonError::into_inner).push(entry.clone());
        Self { entry: Some(entry) }
    }

    /// Gives the file its final name.
    pub(super) fn rename(mut self, file: &File, to: &OsStr, replace: bool) -> io::Result<()> {
        let Some(entry) = &self.entry else { return Ok(()) };
        // A published file is never locked; sweeps are kept off by the side file. Where there are
        // no locks there is none to give back.
        let _ = entry.directory.unlock(file);
        entry.directory.rename(&entry.name, to, replace)?;
        self.forget();
        Ok(())
    }

    /// The name is gone.
    fn forget(&mut self) -> Option<Entry> {
        let entry = self.entry.take()?;
        let mut names = NAMES.lock().unwrap_or_else(PoisonError::into_inner);
        names.retain(|other| other.name != entry.name);
        Some(entry)
    }
}

impl Drop for Name {
    fn drop(&mut self) {
        if let Some(Entry { directory, name }) = self.forget() {
            // A sweep finds it otherwise.
            let _ = directory.remove(&name);
        }
    }
}

/// Creates a temporary file that is locked as long as it is open, so that no sweep takes it.
pub(super) fn create(directory: &Arc<dyn Directory>, target: &Path) -> io::Result<(File, Name)> {
    loop {
        let name = fresh(target);
        let file = match directory.create_named(&name) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
            other => other?,
        };
        let name = Name::new(directory, name);
        match directory.try_lock(&file) {
            // A sweep came between creation and lock, and is about to remove it.
            Ok(false) => continue,
            // Where there are no locks nobody sweeps.
            Err(error) if !no_locks(&error) => return Err(error),
            Ok(true) | Err(_) => {}
        }
        // Or has removed it.
        match name.entry.as_ref().map(|entry| directory.open(&entry.name)) {
            Some(Err(error)) if error.kind() == io::ErrorKind::NotFound => continue,
            _ => return Ok((file, name)),
        }
    }
}

/// Gives a file without a name a temporary one. The caller holds the side file's lock.
pub(super) fn link(directory: &Arc<dyn Directory>, file: &File, target: &Path) -> io::Result<Name> {
    loop {
        let name = fresh(target);
        match directory.link(file, &name) {
            Ok(()) => return Ok(Name::new(directory, name)),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
}

/// Digits that tell temporary files of one target apart.
const DIGITS: usize = 16;

fn fresh(target: &Path) -> OsString {
    // A new hasher is keyed anew, so this is a random number.
    let number = RandomState::new().build_hasher().finish();
    let mut name = target::temporary_prefix(target);
    name.push(format!("{number:0DIGITS$x}"));
    name
}

/// Whether a name is one that [`fresh`] makes.
pub(super) fn is_temporary(name: &OsStr, prefix: &OsStr) -> bool {
    name.as_bytes().strip_prefix(prefix.as_bytes()).is_some_and(|digits| {
        digits.len() == DIGITS && digits.iter().all(|digit| digit.is_ascii_hexdigit())
    })
}
