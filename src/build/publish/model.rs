//! A directory that records what is done to it, fails where it is told to, and knows every state
//! in which a power cut may leave it. The files behind the names are real ones without a name, so
//! that content, locks and closing are the system's own.

use super::directory::Directory;
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::sync::{Mutex, MutexGuard};

/// A file's number in the model.
pub(super) type Inode = usize;

/// A step that changes something, as far as it succeeded.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Step {
    Create(Option<OsString>, Inode),
    SetMode(Inode, u32),
    SyncFile(Inode),
    Link(OsString, Inode),
    Rename(OsString, OsString, Inode),
    Remove(OsString),
    Sync,
    /// One that failed and did nothing.
    Failed(&'static str),
}

/// What a power cut makes of a file.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Content {
    /// It was synced since it was last changed.
    Whole,
    /// Any of its bytes may be missing.
    Torn,
}

/// A file after a power cut.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Left {
    pub(super) inode: Inode,
    pub(super) content: Content,
    /// Permissions, if they have reached the disk.
    pub(super) mode: Option<u32>,
}

/// The names after a power cut.
pub(super) type Names = BTreeMap<OsString, Left>;

#[derive(Default)]
struct State {
    files: Vec<File>,
    names: BTreeMap<OsString, Inode>,
    /// The names that were there, and durable, before the first step.
    before: BTreeMap<OsString, Inode>,
    steps: Vec<Step>,
    /// Calls so far, and the one that fails.
    calls: usize,
    failing: Option<usize>,
}

/// The directory.
pub(super) struct Model {
    state: Mutex<State>,
    /// Whether it has files without names.
    unnamed: bool,
}

impl Model {
    /// A directory with these files.
    pub(super) fn new(unnamed: bool, files: &[(&str, &[u8])]) -> Self {
        let model = Self { state: Mutex::default(), unnamed };
        for (name, bytes) in files {
            let file = tempfile::tempfile().expect("a file");
            file.write_all_at(bytes, 0).expect("room");
            let mut state = model.state();
            let inode = state.add(file);
            state.names.insert(name.into(), inode);
        }
        let mut state = model.state();
        state.before = state.names.clone();
        drop(state);
        model
    }

    /// Counts calls from now on; that with number `failing`, from 0, will fail.
    pub(super) fn fail_from_now(&self, failing: Option<usize>) {
        let mut state = self.state();
        state.calls = 0;
        state.failing = failing;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no panic before")
    }

    /// Counts a call, which may be the one that fails.
    fn call(&self, what: &'static str) -> io::Result<MutexGuard<'_, State>> {
        let mut state = self.state();
        state.calls += 1;
        if state.failing == Some(state.calls - 1) {
            state.steps.push(Step::Failed(what));
            return Err(io::Error::other("told to fail"));
        }
        Ok(state)
    }

    pub(super) fn calls(&self) -> usize {
        self.state().calls
    }

    pub(super) fn steps(&self) -> Vec<Step> {
        self.state().steps.clone()
    }

    /// The names as a process sees them.
    pub(super) fn visible(&self) -> BTreeMap<OsString, Inode> {
        self.state().names.clone()
    }

    pub(super) fn content(&self, inode: Inode) -> Vec<u8> {
        let state = self.state();
        let file = &state.files[inode];
        let mut bytes = vec![0; file.metadata().expect("its length").len() as usize];
        file.read_exact_at(&mut bytes, 0).expect("its bytes");
        bytes
    }

    /// Somebody else's hold on a file, who is alive as long as the result is.
    pub(super) fn hold(&self, name: &str) -> File {
        let file = Directory::open(self, name.as_ref()).expect("a file");
        assert!(self.try_lock(&file).expect("a lock"));
        file
    }

    /// Every state in which a power cut after `done` steps may leave the directory: each change of
    /// names since the last sync is there or is not, whatever became of the others.
    pub(super) fn cut(&self, done: usize) -> Vec<Names> {
        let state = self.state();
        let steps = &state.steps[..done];
        let synced = steps.iter().rposition(|step| *step == Step::Sync).map_or(0, |at| at + 1);
        let mut durable = state.before.clone();
        let change = |names: &mut BTreeMap<OsString, Inode>, step: &Step| match step {
            Step::Create(Some(name), inode) | Step::Link(name, inode) => {
                names.insert(name.clone(), *inode);
            }
            Step::Rename(from, to, inode) => {
                names.remove(from);
                names.insert(to.clone(), *inode);
            }
            Step::Remove(name) => drop(names.remove(name)),
            _ => {}
        };
        steps[..synced].iter().for_each(|step| change(&mut durable, step));
        let names = |step: &&Step| {
            matches!(
                step,
                Step::Create(Some(_), _) | Step::Link(..) | Step::Rename(..) | Step::Remove(_)
            )
        };
        let open: Vec<&Step> = steps[synced..].iter().filter(names).collect();
        let mut states = Vec::new();
        for subset in 0..1u32 << open.len() {
            let mut left = durable.clone();
            for (i, step) in open.iter().enumerate() {
                if subset >> i & 1 != 0 {
                    change(&mut left, step);
                }
            }
            let left = left.into_iter().map(|(name, inode)| (name, state.left(inode, steps)));
            states.push(left.collect());
        }
        states
    }
}

impl State {
    /// Whether somebody holds the lock of the side file.
    fn is_locked(&self) -> bool {
        let side = self.names.iter().find(|(name, _)| name.as_encoded_bytes().ends_with(b".lock"));
        side.is_some_and(|(_, inode)| {
            let other = again(&self.files[*inode]).expect("another description");
            fs2::FileExt::try_lock_exclusive(&other).is_err()
        })
    }

    fn add(&mut self, file: File) -> Inode {
        self.files.push(file);
        self.files.len() - 1
    }

    fn inode(&self, file: &File) -> Inode {
        let id = |file: &File| file.metadata().map(|found| (found.dev(), found.ino()));
        let wanted = id(file).expect("an open file");
        let same = |other: &File| id(other).is_ok_and(|other| other == wanted);
        self.files.iter().position(same).expect("a file of this directory")
    }

    /// What of a file is on the disk after these steps.
    fn left(&self, inode: Inode, steps: &[Step]) -> Left {
        let made = steps.iter().any(|step| matches!(step, Step::Create(_, i) if *i == inode));
        let synced = steps.iter().rposition(|step| *step == Step::SyncFile(inode));
        let mode = steps[..synced.unwrap_or(0)].iter().rev().find_map(|step| match step {
            Step::SetMode(i, mode) if *i == inode => Some(*mode),
            _ => None,
        });
        let whole = !made || synced.is_some();
        Left { inode, content: if whole { Content::Whole } else { Content::Torn }, mode }
    }
}

/// Another description of an open file, which has locks of its own.
fn again(file: &File) -> io::Result<File> {
    File::options().read(true).write(true).open(format!("/proc/self/fd/{}", file.as_raw_fd()))
}

impl Directory for Model {
    fn create_unnamed(&self) -> io::Result<File> {
        let mut state = self.call("create_unnamed")?;
        if !self.unnamed {
            return Err(io::ErrorKind::Unsupported.into());
        }
        let file = tempfile::tempfile()?;
        let inode = state.add(again(&file)?);
        state.steps.push(Step::Create(None, inode));
        Ok(file)
    }

    fn create_named(&self, name: &OsStr) -> io::Result<File> {
        let mut state = self.call("create_named")?;
        if state.names.contains_key(name) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let file = tempfile::tempfile()?;
        let inode = state.add(again(&file)?);
        state.names.insert(name.to_owned(), inode);
        state.steps.push(Step::Create(Some(name.to_owned()), inode));
        Ok(file)
    }

    fn open(&self, name: &OsStr) -> io::Result<File> {
        let state = self.call("open")?;
        let inode = state.names.get(name).ok_or(io::ErrorKind::NotFound)?;
        again(&state.files[*inode])
    }

    fn open_lock(&self, name: &OsStr) -> io::Result<File> {
        let mut state = self.call("open_lock")?;
        if let Some(inode) = state.names.get(name) {
            return again(&state.files[*inode]);
        }
        let file = tempfile::tempfile()?;
        let inode = state.add(again(&file)?);
        state.names.insert(name.to_owned(), inode);
        state.steps.push(Step::Create(Some(name.to_owned()), inode));
        Ok(file)
    }

    fn try_lock(&self, file: &File) -> io::Result<bool> {
        drop(self.call("try_lock")?);
        match fs2::FileExt::try_lock_exclusive(file) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(false),
            other => other.map(|()| true),
        }
    }

    fn unlock(&self, file: &File) -> io::Result<()> {
        drop(self.call("unlock")?);
        fs2::FileExt::unlock(file)
    }

    fn names(&self) -> io::Result<Vec<OsString>> {
        Ok(self.call("names")?.names.keys().cloned().collect())
    }

    fn set_mode(&self, file: &File, mode: u32) -> io::Result<()> {
        let mut state = self.call("set_mode")?;
        let inode = state.inode(file);
        state.steps.push(Step::SetMode(inode, mode));
        Ok(())
    }

    fn sync_file(&self, file: &File) -> io::Result<()> {
        let mut state = self.call("sync_file")?;
        let inode = state.inode(file);
        state.steps.push(Step::SyncFile(inode));
        Ok(())
    }

    fn link(&self, file: &File, name: &OsStr) -> io::Result<()> {
        let mut state = self.call("link")?;
        if state.names.contains_key(name) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let inode = state.inode(file);
        state.names.insert(name.to_owned(), inode);
        state.steps.push(Step::Link(name.to_owned(), inode));
        Ok(())
    }

    fn rename(&self, from: &OsStr, to: &OsStr, replace: bool) -> io::Result<()> {
        let mut state = self.call("rename")?;
        if !replace && state.names.contains_key(to) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let inode = state.names.remove(from).ok_or(io::ErrorKind::NotFound)?;
        state.names.insert(to.to_owned(), inode);
        state.steps.push(Step::Rename(from.to_owned(), to.to_owned(), inode));
        Ok(())
    }

    /// What another builder left is removed under the side file's lock alone: without it, the
    /// living can't be told from the dead.
    fn remove(&self, name: &OsStr) -> io::Result<()> {
        let mut state = self.call("remove")?;
        let another = state.before.contains_key(name) && *name != *super::crash_tests::TARGET;
        assert!(!another || state.is_locked(), "swept without the lock");
        state.names.remove(name).ok_or(io::ErrorKind::NotFound)?;
        state.steps.push(Step::Remove(name.to_owned()));
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        self.call("sync")?.steps.push(Step::Sync);
        Ok(())
    }
}
