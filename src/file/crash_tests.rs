//! Guards against a publish that is atomic only while the power is on. Such a publish lets data
//! reach the disk after the name, reports a name as durable that is not, leaves a file behind for
//! ever after a crash, replaces the old table and then returns an error, or replaces another
//! program's file that came late. Publishing runs over a directory that records its steps
//! (`model`). The tests try every state in which a power cut may leave the disk, after every step,
//! with no call failing and with every single call failing before or after its work. Each state
//! must hold the old table or the new one.
//!
//! `GRAVEN_FULL=1` tries more than a million states; the default is more than twenty thousand.

use super::directory::{Directory, SystemDirectory};
use super::lock::{Lock, PATIENCE};
use super::model::{Content, FOREIGN, Failing, Left, Model, Names, Step};
use super::{Pointer, Publishing, Unpublished, target};
use crate::error::BuildError;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub(super) const TARGET: &str = "t";
const LOCK: &str = ".t.lock";
/// The temporary file of a dead builder, and the temporary file of a builder that is alive.
const DEAD: &str = ".t.graven-d";
const LIVE: &str = ".t.graven-a";
const OLD: &[u8] = b"the old table";
/// Bytes that reach the disk together or not at all.
const SECTOR: usize = 512;

/// One way to publish.
#[derive(Clone, Copy, Debug)]
struct Scenario {
    unnamed: bool,
    old: bool,
    /// A builder was killed while it held the lock.
    dead: bool,
    live: bool,
    replace: bool,
    /// The call that fails.
    failing: Option<Failing>,
}

fn scenarios() -> impl Iterator<Item = Scenario> {
    (0..32u32).map(|bits| {
        let bit = |i: u32| bits >> i & 1 != 0;
        let [unnamed, old, dead, live, replace] = [0, 1, 2, 3, 4].map(bit);
        Scenario { unnamed, old, dead, live, replace, failing: None }
    })
}

/// A scenario that was run, and its result.
struct Run {
    model: Arc<Model>,
    result: Result<(), BuildError>,
    /// Keeps the live builder alive.
    _live: Option<File>,
}

const HOW: Publishing = Publishing { mode: 0o444, durable: true, replace: true, read_back: false };

impl Scenario {
    fn run(self, new: &[u8]) -> Run {
        let mut files = vec![];
        let all: [(bool, &str, &[u8]); 4] = [
            (self.old, TARGET, OLD),
            (self.dead, DEAD, b"x"),
            (self.dead, LOCK, b""),
            (self.live, LIVE, b"y"),
        ];
        files.extend(all.iter().filter(|f| f.0).map(|&(_, name, bytes)| (name, bytes)));
        let model = Arc::new(Model::new(self.unnamed, &files));
        let live = self.live.then(|| model.hold(LIVE));
        model.fail_from_now(self.failing);
        let result = publish_into(&model, new, self.replace);
        Run { model, result, _live: live }
    }
}

fn publish_into(model: &Arc<Model>, new: &[u8], replace: bool) -> Result<(), BuildError> {
    let directory: Arc<dyn Directory> = Arc::clone(model) as Arc<dyn Directory>;
    let unpublished = Unpublished::create_in(directory, Path::new(TARGET), replace)?;
    unpublished.file().write_all_at(new, 0).expect("room");
    unpublished.publish(Publishing { replace, ..HOW })
}

/// Every call of a run, failing before and after its work.
fn failures(scenario: Scenario, new: &[u8]) -> impl Iterator<Item = Failing> {
    let calls = scenario.run(new).model.calls();
    let all = (0..calls).flat_map(|call| [false, true].map(|after| Failing { call, after }));
    // A call that only looks has no work after which it could fail.
    all.filter(move |&failing| {
        let run = || Scenario { failing: Some(failing), ..scenario }.run(new);
        !failing.after || run().model.failed_after()
    })
}

fn names(run: &Run) -> Vec<OsString> {
    run.model.visible().into_keys().collect()
}

/// The new table. A cut may drop each of its sectors on its own.
fn new_table(sectors: usize) -> Vec<u8> {
    (0..sectors * SECTOR).map(|i| (i / SECTOR + 1) as u8).collect()
}

/// Calls `each` with every content that a power cut may leave of a file that was not synced.
fn torn(whole: &[u8], mut each: impl FnMut(&[u8])) {
    let sectors = whole.len() / SECTOR;
    let mut left = whole.to_vec();
    for subset in 0..1u32 << sectors {
        for sector in 0..sectors {
            let at = sector * SECTOR..(sector + 1) * SECTOR;
            match subset >> sector & 1 {
                0 => left[at].fill(0),
                _ => left[at.clone()].copy_from_slice(&whole[at]),
            }
        }
        each(&left);
    }
}

/// What a reader may find under the table's name.
#[derive(Clone, Copy, PartialEq)]
enum Allowed {
    Old,
    New,
    Either,
}

/// Counts the states that a cut may leave, and checks each.
struct Checker<'a> {
    run: &'a Run,
    old: bool,
    new: &'a [u8],
    states: u64,
}

impl Checker<'_> {
    fn check(&mut self, names: &Names, allowed: Allowed) -> Result<(), &'static str> {
        let right = match names.get(OsStr::new(TARGET)) {
            None if self.old => Err("the table is gone"),
            None if allowed == Allowed::New => Err("the new table is not durable"),
            None => Ok(()),
            Some(left) => self.check_table(left, allowed),
        };
        // Torn files under other names have as many possible contents each.
        let others = names.iter().filter(|(name, left)| {
            let asked = *name == OsStr::new(TARGET) || *name == OsStr::new(LOCK);
            !asked && left.content == Content::Torn
        });
        let others = others.count() as u32;
        self.states += (1 << (self.new.len() / SECTOR)) * u64::from(others) + 1;
        right
    }

    fn check_table(&mut self, left: &Left, allowed: Allowed) -> Result<(), &'static str> {
        let content = self.run.model.content(left.inode);
        if content == OLD {
            return if allowed == Allowed::New { Err("the old table is back") } else { Ok(()) };
        }
        if allowed == Allowed::Old {
            return Err("an error, and still the old table is gone");
        }
        let mut whole = true;
        match left.content {
            Content::Whole => whole = content == self.new,
            Content::Torn => torn(&content, |bytes| {
                self.states += 1;
                whole &= bytes == self.new;
            }),
        }
        match left.mode {
            _ if !whole => Err("the new table is torn"),
            Some(mode) if mode == HOW.mode => Ok(()),
            _ => Err("the permissions are lost"),
        }
    }
}

/// Checks that the next publish after a cut leaves the new table and nothing else.
fn recovers(scenario: Scenario, run: &Run, names: &Names) {
    let contents: Vec<(String, Vec<u8>)> = names
        .iter()
        .map(|(name, left)| (name.to_str().unwrap().to_owned(), run.model.content(left.inode)))
        .collect();
    let files: Vec<_> = contents.iter().map(|(name, bytes)| (&name[..], &bytes[..])).collect();
    let model = Arc::new(Model::new(scenario.unnamed, &files));
    publish_into(&model, b"a newer table", true).expect("nothing fails now");
    let visible: Vec<_> = model.visible().into_keys().collect();
    // The power cut ended the live builder as well.
    assert_eq!(visible, [TARGET], "{scenario:?}");
    assert_eq!(model.content(model.visible()[OsStr::new(TARGET)]), b"a newer table");
}

/// Checks every power cut during one run, and returns the number of states.
fn cut_everywhere(scenario: Scenario, new: &[u8]) -> u64 {
    let run = scenario.run(new);
    let steps = run.model.steps().len();
    let mut checker = Checker { run: &run, old: scenario.old, new, states: 0 };
    for done in 0..=steps {
        let allowed = match &run.result {
            Ok(()) if done == steps => Allowed::New,
            Ok(()) | Err(BuildError::PublishedButNotDurable { .. }) => Allowed::Either,
            Err(_) => Allowed::Old,
        };
        let mut seen: Vec<Names> = Vec::new();
        for names in run.model.cut(done) {
            if run.result.is_ok() && done == steps && scenario.failing.is_none() {
                // Nothing is left that a later build would have to remove.
                let left: Vec<_> = names.keys().collect();
                let expected: &[&str] = if scenario.live { &[LIVE, TARGET] } else { &[TARGET] };
                assert_eq!(left, expected, "{scenario:?}: {:?}", run.model.steps());
            }
            let checked = checker.check(&names, allowed);
            assert_eq!(checked, Ok(()), "{scenario:?}, {done} of {:?}", run.model.steps());
            if !seen.contains(&names) {
                recovers(scenario, &run, &names);
                seen.push(names);
            }
        }
    }
    checker.states
}

/// T3.
#[test]
fn a_power_cut_leaves_the_old_table_or_the_new_one() {
    let full = std::env::var_os("GRAVEN_FULL").is_some();
    let new = new_table(if full { 10 } else { 5 });
    let (mut states, mut runs) = (0, 0u32);
    for scenario in scenarios() {
        for failing in failures(scenario, &new).map(Some).chain([None]) {
            states += cut_everywhere(Scenario { failing, ..scenario }, &new);
            runs += 1;
        }
    }
    println!("T3: tried {states} states of {runs} runs, lost 0, crashed 0");
    assert!(states >= if full { 1_000_000 } else { 20_000 }, "{states} states are too few");
}

/// A failed call without a power cut: what it leaves for readers and for the next publish.
#[test]
fn a_failed_call_leaves_the_old_table_and_nothing_else() {
    let new = new_table(2);
    for scenario in scenarios() {
        for failing in failures(scenario, &new) {
            let scenario = Scenario { failing: Some(failing), ..scenario };
            let run = scenario.run(&new);
            let visible = run.model.visible();
            let content = visible.get(OsStr::new(TARGET)).map(|inode| run.model.content(*inode));
            match &run.result {
                Ok(()) | Err(BuildError::PublishedButNotDurable { .. }) => {
                    assert_eq!(content.as_deref(), Some(&new[..]), "{scenario:?}");
                }
                Err(error) => {
                    assert_eq!(content.as_deref(), scenario.old.then_some(OLD), "{scenario:?}");
                    assert!(!error.to_string().is_empty());
                }
            }
            assert_eq!(visible.contains_key(OsStr::new(LIVE)), scenario.live, "{scenario:?}");
            publish_into(&run.model, b"newer", true).expect("nothing fails any more");
            let expected: Vec<OsString> = match scenario.live {
                true => [LIVE, TARGET].map(OsString::from).to_vec(),
                false => [TARGET].map(OsString::from).to_vec(),
            };
            assert_eq!(names(&run), expected, "{scenario:?}: {:?}", run.model.steps());
        }
    }
}

/// T6.
#[test]
fn a_failed_fsync_is_final() {
    let new = new_table(2);
    let mut tried = 0;
    for scenario in scenarios().filter(|scenario| scenario.replace || !scenario.old) {
        for what in ["sync_file", "sync"] {
            let calls = scenario.run(&new).model.calls();
            let failed = |failing| {
                let failing = Some(Failing { call: failing, after: false });
                let run = Scenario { failing, ..scenario }.run(&new);
                run.model.steps().contains(&Step::Failed(what)).then_some(run)
            };
            let run = (0..calls).find_map(failed).expect("the call is made");
            let steps = run.model.steps();
            let file = steps.iter().filter(|step| matches!(step, Step::SyncFile(_))).count();
            let directory = steps.iter().filter(|step| **step == Step::Sync).count();
            match what {
                "sync_file" => {
                    let Err(BuildError::Io { action, .. }) = run.result else { panic!() };
                    assert!(action.contains("sync"), "{action}");
                    assert_eq!((file, directory), (0, 0), "{scenario:?}: {steps:?}");
                }
                _ => {
                    let published =
                        matches!(run.result, Err(BuildError::PublishedButNotDurable { .. }));
                    assert!(published, "{:?}", run.result);
                    assert_eq!((file, directory), (1, 0), "{scenario:?}: {steps:?}");
                }
            }
            let visible = names(&run);
            let all: Vec<_> = target::temporary_names(Path::new(TARGET)).collect();
            let temporary = |name: &&OsString| all.contains(name);
            let live = usize::from(scenario.live);
            assert_eq!(visible.iter().filter(temporary).count(), live, "{scenario:?}");
            tried += 1;
        }
    }
    println!("T6: tried {tried}, lost 0, crashed 0");
}

/// Another program puts a file under the name while the table is built, at any call. The file
/// stays, unless it comes between the last look and a rename that replaces an old table.
#[test]
fn a_file_that_comes_late_stays() {
    let new = new_table(2);
    for scenario in scenarios().filter(|scenario| !scenario.dead && !scenario.live) {
        let calls = scenario.run(&new).model.calls();
        let mut lost = Vec::new();
        for before in 0..calls {
            let files: &[(&str, &[u8])] = if scenario.old { &[(TARGET, OLD)] } else { &[] };
            let model = Arc::new(Model::new(scenario.unnamed, files));
            model.intrude_from_now(before);
            let result = publish_into(&model, &new, scenario.replace);
            let found = model.visible().get(OsStr::new(TARGET)).map(|inode| model.content(*inode));
            match result {
                // The file came after the table and replaced it.
                _ if found.as_deref() == Some(FOREIGN) => {}
                Ok(()) => lost.push(before),
                Err(error) => panic!("{scenario:?}, {before}: {error}"),
            }
            let left: Vec<_> = model.visible().into_keys().collect();
            assert_eq!(left, [TARGET], "{scenario:?}, {before}: {:?}", model.steps());
        }
        // The window: the calls from the look to the rename, for which the file comes too late to
        // be seen.
        let window = match (scenario.old && scenario.replace, scenario.unnamed) {
            (false, _) => 0,
            // The calls are link, unlock and rename; a file that has a name needs no link.
            (true, unnamed) => {
                if unnamed {
                    3
                } else {
                    2
                }
            }
        };
        assert_eq!(lost.len(), window, "{scenario:?}: lost before {lost:?} of {calls}");
    }
}

/// A new name is taken even where no rename can refuse to replace.
#[test]
fn a_new_name_needs_no_refusal() {
    let new = new_table(2);
    let model = Arc::new(Model::without_refusal(&[]));
    publish_into(&model, &new, true).unwrap();
    assert_eq!(model.content(model.visible()[OsStr::new(TARGET)]), new);
    let model = Arc::new(Model::without_refusal(&[]));
    assert!(publish_into(&model, &new, false).is_err());
    assert_eq!(model.visible().len(), 0);
}

/// T3 for the pointer to the current version: after every cut it leads to the old version or to the
/// new one. After an error it leads to the old version.
#[test]
fn a_power_cut_leaves_the_old_pointer_or_the_new_one() {
    let next = OsStr::new(".t.next");
    let to = |text: &str| PathBuf::from(text);
    let (mut states, mut failed) = (0, 0);
    for old in [false, true] {
        for left in [false, true] {
            let run = |failing| {
                let model = Arc::new(Model::new(true, &[]));
                if old {
                    model.symlink(&to("old"), OsStr::new(TARGET)).unwrap();
                }
                if left {
                    model.symlink(&to("half"), next).unwrap();
                }
                model.sync().unwrap();
                let before = model.steps().len();
                model.fail_from_now(failing);
                let pointer = Pointer::new(Arc::clone(&model) as Arc<dyn Directory>, to(TARGET));
                let result = pointer.lock().and_then(|lock| {
                    pointer.point_to(&to("new"), true)?;
                    drop(lock);
                    pointer.sync()
                });
                (model, result, before)
            };
            let calls = run(None).0.calls();
            let failures = (0..calls)
                .flat_map(|call| [false, true].map(|after| Some(Failing { call, after })));
            for failing in failures.chain([None]) {
                let (model, result, before) = run(failing);
                let steps = model.steps().len();
                failed += u32::from(result.is_err());
                for done in before..=steps {
                    for names in model.cut(done) {
                        states += 1;
                        let found = names.get(OsStr::new(TARGET));
                        let found = found.map(|left| model.content(left.inode));
                        let is_new = found.as_deref() == Some(b"new");
                        let is_old = found.as_deref() == old.then_some(&b"old"[..]);
                        let right = match &result {
                            Ok(()) if done == steps => is_new,
                            Ok(()) | Err(BuildError::PublishedButNotDurable { .. }) => {
                                is_new || is_old
                            }
                            Err(_) => is_old,
                        };
                        assert!(right, "{failing:?}, {done} of {:?}", model.steps());
                    }
                }
                if failing.is_none() {
                    assert_eq!(model.visible().into_keys().collect::<Vec<_>>(), [TARGET]);
                }
            }
        }
    }
    println!("T3, pointer: tried {states} states, {failed} errors, lost 0, crashed 0");
    assert!(states > 300 && failed > 10);
}

/// Threads take and release one lock, whose file is made and unlinked again and again. Two threads
/// never hold it at once.
#[test]
fn a_lock_has_one_holder() {
    use std::sync::atomic::{AtomicU32, Ordering};
    const THREADS: u32 = 8;
    const TURNS: u32 = 200;
    let place = tempfile::tempdir().unwrap();
    let (inside, turns) = (AtomicU32::new(0), AtomicU32::new(0));
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                let directory: Arc<dyn Directory> =
                    Arc::new(SystemDirectory::open(place.path()).unwrap());
                for _ in 0..TURNS {
                    let lock = Lock::take(&directory, OsStr::new(LOCK), PATIENCE).unwrap();
                    assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0, "two hold it");
                    std::thread::yield_now();
                    inside.fetch_sub(1, Ordering::SeqCst);
                    turns.fetch_add(1, Ordering::SeqCst);
                    drop(lock.expect("locks work here"));
                }
            });
        }
    });
    assert_eq!(turns.into_inner(), THREADS * TURNS);
    assert_eq!(std::fs::read_dir(place.path()).unwrap().count(), 0, "and none is left");
}

/// T3 accepts the right order of steps and refuses wrong ones.
#[test]
fn wrong_orders_are_found() {
    let new = new_table(2);
    let run = |steps: &[&dyn Fn(&Model, &File)]| {
        let model = Arc::new(Model::new(true, &[(TARGET, OLD)]));
        let file = model.create_unnamed().unwrap();
        file.write_all_at(&new, 0).unwrap();
        steps.iter().for_each(|step| step(&model, &file));
        let run = Run { model, result: Ok(()), _live: None };
        let mut checker = Checker { run: &run, old: true, new: &new, states: 0 };
        let end = run.model.steps().len();
        for done in 0..=end {
            let allowed = if done == end { Allowed::New } else { Allowed::Either };
            for names in run.model.cut(done) {
                checker.check(&names, allowed)?;
            }
        }
        Ok(())
    };
    let temporary = OsStr::new("x");
    let target = OsStr::new(TARGET);
    let mode = |model: &Model, file: &File| model.set_mode(file, 0o444).unwrap();
    let sync = |model: &Model, file: &File| model.sync_file(file).unwrap();
    let link = |model: &Model, file: &File| model.link(file, temporary).unwrap();
    let rename = |model: &Model, _: &File| model.rename(temporary, target, true).unwrap();
    let remove = |model: &Model, _: &File| model.remove(target).unwrap();
    let names = |model: &Model, _: &File| model.sync().unwrap();
    assert_eq!(run(&[&mode, &sync, &link, &rename, &names]), Ok(()));
    let torn = Err("the new table is torn");
    assert_eq!(run(&[&mode, &link, &rename, &sync, &names]), torn);
    assert_eq!(run(&[&mode, &link, &rename, &names]), torn);
    assert_eq!(run(&[&sync, &mode, &link, &rename, &names]), Err("the permissions are lost"));
    assert_eq!(run(&[&mode, &sync, &link, &rename]), Err("the old table is back"));
    let gone = run(&[&mode, &sync, &link, &remove, &rename, &names]);
    assert_eq!(gone, Err("the table is gone"));
}
