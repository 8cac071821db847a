//! A directory that records what is done to it, makes a chosen call fail, and knows every state in
//! which a power cut may leave it. The files behind the names are real files without a name, so the
//! system itself provides content, locks and closing.

use super::directory::Directory;
use super::standing::Standing;
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard};

/// A file's number in the model.
pub(super) type Inode = usize;

/// How a file that is no table begins, in the model.
pub(super) const FOREIGN: &[u8] = b"precious";

/// A call, by its number from 0, that fails.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Failing {
    pub(super) call: usize,
    /// The call reports the error after it has done its work, as a network file system may.
    pub(super) after: bool,
}

/// A step that changed something, or a call that failed.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Step {
    Create(Option<OsString>, Inode),
    SetMode(Inode, u32),
    SyncFile(Inode),
    Link(OsString, Inode),
    Rename(OsString, OsString, Inode),
    Remove(OsString),
    Sync,
    /// A call that failed.
    Failed(&'static str),
}

/// What a power cut makes of a file.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Content {
    /// The file was synced since its last change.
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
    /// The names that were durable before the first step.
    before: BTreeMap<OsString, Inode>,
    steps: Vec<Step>,
    /// Symbolic links among the files. The content of a link is the path it leads to.
    links: Vec<Inode>,
    /// Calls so far, and the call that fails.
    calls: usize,
    failing: Option<Failing>,
    /// Whether the failing call did its work first.
    failed_after: bool,
    /// The call before which another program puts its file under the table's name.
    intrusion: Option<usize>,
}

/// The directory.
pub(super) struct Model {
    state: Mutex<State>,
    /// Whether the directory has files without names.
    unnamed: bool,
    /// Whether a rename can refuse to replace.
    refuses: bool,
}

impl Model {
    /// A directory with these files.
    pub(super) fn new(unnamed: bool, files: &[(&str, &[u8])]) -> Self {
        let model = Self { state: Mutex::default(), unnamed, refuses: true };
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

    /// A directory in which a rename can only replace.
    pub(super) fn without_refusal(files: &[(&str, &[u8])]) -> Self {
        Self { refuses: false, ..Self::new(false, files) }
    }

    /// Counts calls from now on, one of which may fail.
    pub(super) fn fail_from_now(&self, failing: Option<Failing>) {
        let mut state = self.state();
        state.calls = 0;
        state.failing = failing;
    }

    /// Counts calls from now on. A foreign file appears before call number `before`, from 0.
    pub(super) fn intrude_from_now(&self, before: usize) {
        let mut state = self.state();
        state.calls = 0;
        state.intrusion = Some(before);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no panic before")
    }

    /// Counts a call, which may be the one that fails.
    fn call(&self, what: &'static str) -> io::Result<MutexGuard<'_, State>> {
        let mut state = self.state();
        state.calls += 1;
        let call = state.calls - 1;
        if state.intrusion == Some(call) {
            let file = tempfile::tempfile()?;
            file.write_all_at(FOREIGN, 0)?;
            let inode = state.add(file);
            state.names.insert(super::crash_tests::TARGET.into(), inode);
        }
        state.fail(what, false).map(|()| state)
    }

    /// Whether a call failed after its work. A call that only looks has no work.
    pub(super) fn failed_after(&self) -> bool {
        self.state().failed_after
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

    /// Locks a file for another builder, which is alive as long as the result is.
    pub(super) fn hold(&self, name: &str) -> File {
        let file = Directory::open(self, name.as_ref()).expect("a file");
        assert!(self.try_lock(&file).expect("a lock"));
        file
    }

    /// Every state in which a power cut after `done` steps may leave the directory. Each change of
    /// names since the last sync may have reached the disk or not, independently of the others.
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
    /// Ends a call that has done its work. The call may still fail here.
    fn done(&mut self, what: &'static str) -> io::Result<()> {
        self.fail(what, true)
    }

    fn fail(&mut self, what: &'static str, after: bool) -> io::Result<()> {
        if self.failing == Some(Failing { call: self.calls - 1, after }) {
            self.failed_after |= after;
            self.steps.push(Step::Failed(what));
            return Err(io::Error::other("told to fail"));
        }
        Ok(())
    }

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

    /// What is on the disk of a file after these steps.
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
        state.done("create_unnamed").map(|()| file)
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
        state.done("create_named").map(|()| file)
    }

    /// Does not count a call for a missing file: with or without an error, there is nothing to
    /// sweep.
    fn open(&self, name: &OsStr) -> io::Result<File> {
        if !self.state().names.contains_key(name) {
            return Err(io::ErrorKind::NotFound.into());
        }
        let state = self.call("open")?;
        let inode = state.names.get(name).ok_or(io::ErrorKind::NotFound)?;
        again(&state.files[*inode])
    }

    fn create_lock(&self, name: &OsStr) -> io::Result<File> {
        self.create_named(name)
    }

    fn open_lock(&self, name: &OsStr) -> io::Result<File> {
        let state = self.call("open_lock")?;
        let inode = state.names.get(name).ok_or(io::ErrorKind::NotFound)?;
        again(&state.files[*inode])
    }

    fn try_lock(&self, file: &File) -> io::Result<bool> {
        let mut state = self.call("try_lock")?;
        let locked = match fs2::FileExt::try_lock_exclusive(file) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => false,
            other => other.map(|()| true)?,
        };
        state.done("try_lock").map(|()| locked)
    }

    fn unlock(&self, file: &File) -> io::Result<()> {
        drop(self.call("unlock")?);
        fs2::FileExt::unlock(file)
    }

    fn standing(&self, name: &OsStr, _follow: bool) -> io::Result<Standing> {
        let state = self.call("standing")?;
        let Some(&inode) = state.names.get(name) else { return Ok(Standing::Nothing) };
        drop(state);
        let foreign = self.content(inode).starts_with(FOREIGN);
        Ok(if foreign { Standing::NotATable } else { Standing::Replaceable })
    }

    fn leads_to(&self, name: &OsStr, file: &File) -> io::Result<bool> {
        let state = self.call("leads_to")?;
        let inode = state.inode(file);
        Ok(state.names.get(name) == Some(&inode))
    }

    fn set_mode(&self, file: &File, mode: u32) -> io::Result<()> {
        let mut state = self.call("set_mode")?;
        let inode = state.inode(file);
        state.steps.push(Step::SetMode(inode, mode));
        state.done("set_mode")
    }

    fn sync_file(&self, file: &File) -> io::Result<()> {
        let mut state = self.call("sync_file")?;
        let inode = state.inode(file);
        state.steps.push(Step::SyncFile(inode));
        state.done("sync_file")
    }

    fn link(&self, file: &File, name: &OsStr) -> io::Result<()> {
        let mut state = self.call("link")?;
        if state.names.contains_key(name) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let inode = state.inode(file);
        state.names.insert(name.to_owned(), inode);
        state.steps.push(Step::Link(name.to_owned(), inode));
        state.done("link")
    }

    fn symlink(&self, to: &Path, name: &OsStr) -> io::Result<()> {
        let mut state = self.call("symlink")?;
        if state.names.contains_key(name) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let file = tempfile::tempfile()?;
        file.write_all_at(to.as_os_str().as_encoded_bytes(), 0)?;
        let inode = state.add(file);
        state.links.push(inode);
        state.names.insert(name.to_owned(), inode);
        state.steps.push(Step::Link(name.to_owned(), inode));
        state.done("symlink")
    }

    fn read_link(&self, name: &OsStr) -> io::Result<PathBuf> {
        let state = self.call("read_link")?;
        let inode = *state.names.get(name).ok_or(io::ErrorKind::NotFound)?;
        if !state.links.contains(&inode) {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        drop(state);
        Ok(OsString::from_vec(self.content(inode)).into())
    }

    fn rename(&self, from: &OsStr, to: &OsStr, replace: bool) -> io::Result<()> {
        let mut state = self.call("rename")?;
        if !replace && !self.refuses {
            return Err(io::ErrorKind::Unsupported.into());
        }
        if !replace && state.names.contains_key(to) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let inode = state.names.remove(from).ok_or(io::ErrorKind::NotFound)?;
        state.names.insert(to.to_owned(), inode);
        state.steps.push(Step::Rename(from.to_owned(), to.to_owned(), inode));
        state.done("rename")
    }

    /// Removes files of other builders only under the side file's lock: without it, nobody can tell
    /// a live builder's file from a dead one's.
    fn remove(&self, name: &OsStr) -> io::Result<()> {
        let mut state = self.call("remove")?;
        let another = state.before.contains_key(name) && *name != *super::crash_tests::TARGET;
        assert!(!another || state.is_locked(), "swept without the lock");
        state.names.remove(name).ok_or(io::ErrorKind::NotFound)?;
        state.steps.push(Step::Remove(name.to_owned()));
        state.done("remove")
    }

    fn sync(&self) -> io::Result<()> {
        let mut state = self.call("sync")?;
        state.steps.push(Step::Sync);
        state.done("sync")
    }
}
