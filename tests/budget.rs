//! Guards against a build that takes more memory than it was given: because an index, a value, or
//! a merge of many runs is held as a whole. Such a build works on the developer's machine and
//! dies on the one with the large table. A child process builds tables several times larger than
//! its budget, and the kernel says what it held at most. Also: whatever the budget, and however
//! many runs and levels of merging it takes, the bytes are the same and nothing is lost.

#![cfg(target_os = "linux")]

#[path = "../benches/common/chosen.rs"]
mod chosen;
mod common;

use chosen::{Places, mix, of_one_hash};
use common::{Rng, answer, directory, this_binary};
use graven::{BuildError, BuildOptions, BuildPhase, BuildProgress, Duplicates, HashIndex, Table};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::io::{self, Read};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex};

/// Set for the process that is measured: where it builds, and what.
const BUILD: &str = "GRAVEN_TEST_BUDGET";
const MIB: u64 = 1 << 20;
const BUDGET: u64 = 16 * MIB;
/// What a build may take beyond its budget.
const MORE: u64 = 64 * MIB;

/// In KiB.
fn status(name: &str) -> u64 {
    common::field(&std::fs::read_to_string("/proc/self/status").expect("procfs"), name)
}

/// Not a test when run by itself: the process that is measured.
#[test]
fn measured_process() {
    let Ok(what) = std::env::var(BUILD) else { return };
    let (name, path) = what.split_once(" /").expect("a name and a path");
    let path = format!("/{path}");
    if name == "default" {
        return build_by_default(path.as_ref());
    }
    let before = status("VmRSS");
    let options = BuildOptions::new().memory_budget(BUDGET).durable(false).threads(2);
    let mut builder = match name {
        "always" | "equal" | "crowd" => options.hash_index(HashIndex::Always).create(path),
        "ascending" => options.sorted(true).hash_index(HashIndex::Always).create(path),
        "streamed in order" => options.sorted(true).create(path),
        _ => options.create(path),
    }
    .expect("a builder");
    let mut random = Rng::new(1);
    match name {
        // Values larger than the budget, the input's own one not counted.
        "values" => {
            let value = vec![7; 24 << 20];
            let before = status("VmRSS");
            for i in 0..6u64 {
                builder.insert(random.next().to_be_bytes(), &value[i as usize..]).expect("room");
            }
            let summary = builder.finish().expect("a table");
            assert!(summary.value_bytes > 8 * BUDGET);
            return answer(&status("VmHWM").saturating_sub(before).to_string());
        }
        // Values that come from a reader, each several times the budget and its allowance.
        "streamed" | "streamed in order" => {
            for i in 0..2u64 {
                let value = io::repeat(7).take((2 * (BUDGET + MORE)) + i);
                builder.insert_from(i.to_be_bytes(), value).expect("room");
            }
        }
        "ascending" => {
            for i in 0..3_000_000u64 {
                builder.insert(format!("{i:012}").as_bytes(), b"").expect("room");
            }
        }
        // Half of the keys have one hash: they belong to one group, which holds 12,288.
        "equal" => {
            for i in 0..1_500_000u64 {
                builder.insert(of_one_hash(mix(i)), b"v").expect("room");
                builder.insert(random.next().to_be_bytes(), b"v").expect("room");
            }
        }
        // A third of the keys belong to one group until there is a seed, and a third have one hash.
        "crowd" => {
            let places = Places::of(3_000_000);
            let crowd = places.choose(|_, [.., group]| group == 0).take(1_000_000);
            for (i, key) in crowd.enumerate() {
                builder.insert(&key, b"v").expect("room");
                builder.insert(random.next().to_be_bytes(), b"v").expect("room");
                builder.insert(of_one_hash(mix(i as u64)), b"v").expect("room");
            }
        }
        // Short entries, so that the indexes are large beside them.
        _ => {
            for _ in 0..3_000_000 {
                let key = random.next().to_be_bytes();
                let len = 5 + key[7] as usize % 4;
                builder.insert(&key[..if name == "line" { 8 } else { len }], b"v").expect("room");
            }
        }
    }
    let summary = builder.finish().expect("a table");
    let set_aside = match name {
        "equal" => 1_499_999,
        "crowd" => 999_999,
        _ => 0,
    };
    assert_eq!(summary.set_aside, set_aside);
    answer(&status("VmHWM").saturating_sub(before).to_string());
}

#[test]
fn a_build_keeps_to_its_budget() {
    let directory = directory();
    let names = [
        "line",
        "always",
        "ascending",
        "values",
        "equal",
        "crowd",
        "streamed",
        "streamed in order",
    ];
    for name in names {
        let path = directory.path().join(name);
        let what = format!("{name} {}", path.display());
        let ran = this_binary("measured_process").env(BUILD, what).output().expect("a child");
        let said = String::from_utf8_lossy(&ran.stdout);
        let peak = said.lines().find_map(|line| line.split_once("@answer "));
        let peak: u64 = peak.unwrap_or_else(|| panic!("{name}: {ran:?}")).1.parse().unwrap();
        println!("{name}: {} MiB", peak >> 10);
        assert!(peak << 10 <= BUDGET + MORE, "{name}: {} MiB", peak >> 10);
    }
}

/// More than the control group has, without a word about memory.
fn build_by_default(path: &Path) {
    let mut builder = BuildOptions::new().durable(false).create(path).expect("a builder");
    let mut random = Rng::new(1);
    for _ in 0..ENTRIES {
        let key = random.next().to_be_bytes();
        builder.insert(key, [key[0]; VALUE]).expect("room");
    }
    builder.finish().expect("a table");
    answer("built");
}

const ENTRIES: u64 = 1_000_000;
const VALUE: usize = 300;

/// Guards against a default that only large machines have: in a container of 160 MiB a build that
/// takes 1 GiB is killed. Control groups limit this process and all above them, whichever has less,
/// so that the limit is set on a parent of the process's own group.
#[test]
fn the_default_budget_heeds_the_control_group() {
    const ROOTS: [(&str, &str); 2] =
        [("/sys/fs/cgroup/memory", "memory.limit_in_bytes"), ("/sys/fs/cgroup", "memory.max")];
    let limit = 160 * MIB;
    let name = format!("graven-test-{}", std::process::id());
    let made = ROOTS.iter().find_map(|(root, file)| {
        let parent = Path::new(root).join(&name);
        let made = std::fs::create_dir(&parent).is_ok()
            && std::fs::write(parent.join(file), limit.to_string()).is_ok()
            && std::fs::create_dir(parent.join("own")).is_ok();
        if !made {
            let _ = std::fs::remove_dir(&parent);
        }
        made.then_some(parent)
    });
    let Some(parent) = made else {
        println!("skipped: no control group can be made here");
        return;
    };
    let directory = directory();
    let what = format!("default {}", directory.path().join("t").display());
    let command = this_binary("measured_process");
    let mut shell = std::process::Command::new("sh");
    let join = "echo $$ >\"$0\" && exec \"$@\"";
    shell.args(["-c", join]).arg(parent.join("own/cgroup.procs"));
    shell.arg(command.get_program()).args(command.get_args()).env(BUILD, what);
    let ran = shell.output();
    for group in [parent.join("own"), parent] {
        // A group ends a moment after its last process.
        for _ in 0..100 {
            match std::fs::remove_dir(&group) {
                Ok(()) => break,
                Err(_) => std::thread::sleep(std::time::Duration::from_millis(20)),
            }
        }
    }
    let ran = ran.expect("a shell");
    let said = String::from_utf8_lossy(&ran.stdout);
    assert!(ran.status.success() && said.contains("@answer built"), "{ran:?}");
    let table = Table::load(directory.path().join("t")).expect("a table");
    assert_eq!(table.len(), ENTRIES);
    assert!(ENTRIES * VALUE as u64 > 3 * limit / 2, "an input that fits proves nothing");
}

type Entries = Vec<(Vec<u8>, Vec<u8>)>;

fn bytes(options: &BuildOptions, entries: &Entries, directory: &Path) -> Vec<u8> {
    let path = directory.join("t");
    let mut builder = options.clone().durable(false).create(&path).expect("a builder");
    for (key, value) in entries {
        builder.insert(key, value).expect("room");
    }
    builder.finish().expect("a table");
    std::fs::read(path).expect("the table")
}

/// Dozens of runs of the smallest budget, merged in several levels, and input that is in order
/// for long and then is not: the bytes of one sort in memory.
#[test]
fn many_runs_give_the_bytes_of_one() {
    let directory = directory();
    let small = BuildOptions::new().memory_budget(MIB);
    let mut random = Rng::new(3);
    let mut entries: Entries = (0..200_000u32)
        .map(|i| {
            let key = format!("https://example.org/{}", random.below(150_000)).into_bytes();
            (key, [&i.to_be_bytes()[..], &vec![b'x'; random.below(120) as usize]].concat())
        })
        .collect();
    let mut nearly = entries.clone();
    nearly.sort_by(|a, b| a.0.cmp(&b.0));
    let late = nearly.split_off(nearly.len() / 8 * 7);
    // The last part comes in its own order, then the rest: two runs at least, the first streamed.
    let nearly: Entries = late.into_iter().chain(nearly).collect();
    for duplicates in [Duplicates::KeepAll, Duplicates::KeepFirst, Duplicates::KeepLast] {
        for entries in [&entries, &nearly] {
            let right =
                bytes(&BuildOptions::new().duplicates(duplicates), entries, directory.path());
            for threads in [1, 3] {
                let options = small.clone().duplicates(duplicates).threads(threads);
                let built = bytes(&options, entries, directory.path());
                assert!(built == right, "{duplicates:?}, {threads} threads");
            }
        }
    }
    // Of one width, too: the streamed part and the runs differ in form.
    for entry in &mut entries {
        entry.0.resize(24, b' ');
        entry.1.resize(40, 0);
    }
    let right =
        bytes(&BuildOptions::new().duplicates(Duplicates::KeepLast), &entries, directory.path());
    let built = bytes(&small.duplicates(Duplicates::KeepLast), &entries, directory.path());
    assert!(built == right);
}

/// A value that waits until its key is known not to come again may be longer than what is read of
/// a run at once, and is then still in the run when the run has been read past it. Guards against
/// room that is given back too early: the value would be zeros.
#[test]
fn a_value_that_waits_is_not_given_back() {
    const KEYS: u32 = 60;
    let directory = directory();
    let path = directory.path().join("t");
    let value = |key: u32, version: u32| vec![(key * 4 + version) as u8; 300_000];
    for duplicates in [Duplicates::KeepLast, Duplicates::KeepFirst] {
        let options = BuildOptions::new().memory_budget(4 * MIB).duplicates(duplicates);
        let mut builder = options.create(&path).expect("a builder");
        for version in 0..3 {
            for key in 0..KEYS {
                let name = (key * 37 % KEYS).to_be_bytes();
                builder.insert(name, value(key * 37 % KEYS, version)).expect("room");
            }
        }
        builder.finish().expect("a table");
        let table = Table::load(&path).expect("a table");
        let stays = if duplicates == Duplicates::KeepLast { 2 } else { 0 };
        for key in 0..KEYS {
            let found = table.get(key.to_be_bytes()).expect("a sound table").expect("a value");
            assert!(found == value(key, stays), "{duplicates:?} {key}: {:?}", &found[..4]);
        }
    }
}

/// Values beside which the budget is small, among short ones, by every policy: each comes back
/// whole, from any order and through any number of files.
#[test]
fn large_values_come_back() {
    let directory = directory();
    let mut random = Rng::new(5);
    let entries: Entries = (0..60u8)
        .map(|i| {
            let len = [10, 70_000, 400_000, 1_500_000][i as usize % 4];
            (vec![random.below(40) as u8], vec![i; len + i as usize])
        })
        .collect();
    for (duplicates, sorted) in [Duplicates::KeepAll, Duplicates::KeepFirst, Duplicates::KeepLast]
        .into_iter()
        .zip([false, true, true])
    {
        let mut model = BTreeMap::<&[u8], Vec<&[u8]>>::new();
        for (key, value) in &entries {
            model.entry(key).or_default().push(value);
        }
        let options = BuildOptions::new().memory_budget(MIB).duplicates(duplicates).sorted(sorted);
        let mut input = entries.clone();
        if sorted {
            input.sort_by(|a, b| a.0.cmp(&b.0));
        }
        let table = Table::from_bytes(bytes(&options, &input, directory.path())).expect("a table");
        assert_eq!(table.verify().expect("no damage").entries, table.len());
        for (key, values) in &model {
            let kept = match duplicates {
                Duplicates::KeepFirst => &values[..1],
                Duplicates::KeepLast => &values[values.len() - 1..],
                _ => &values[..],
            };
            let found: Vec<&[u8]> =
                table.get_all(key).map(|value| value.expect("a value")).collect();
            assert!(found == kept, "{duplicates:?}, key {key:?}");
        }
    }
}

/// A value may come from a reader instead of memory: the table has the same bytes, whether it comes
/// in order or not, and whatever the policy does with it.
#[test]
fn values_from_readers_give_the_same_bytes() {
    let directory = directory();
    let mut random = Rng::new(11);
    let entries: Entries = (0..40u8)
        .map(|i| {
            let len = [3, 70_000, 2 << 20, 2_500_000, 4_300_000][i as usize % 5];
            (vec![random.below(25) as u8], vec![i; len + i as usize / 10])
        })
        .collect();
    let mut ordered = entries.clone();
    ordered.sort_by(|a, b| a.0.cmp(&b.0));
    // In order for longer than it takes to be written on the way, then not.
    let mut nearly: Entries = (0..30u8).map(|i| (vec![100, i], vec![i; 1_900_000])).collect();
    nearly.extend((30..33u8).map(|i| (vec![100, i], vec![i; 3_000_000])));
    nearly.extend(entries[..7].iter().cloned());
    for duplicates in [Duplicates::KeepAll, Duplicates::KeepFirst, Duplicates::KeepLast] {
        for (entries, sorted) in [(&entries, false), (&ordered, true), (&nearly, false)] {
            let options = BuildOptions::new().duplicates(duplicates).sorted(sorted).durable(false);
            let right = bytes(&options, entries, directory.path());
            for budget in [MIB, 64 * MIB] {
                let path = directory.path().join("t");
                let mut builder = options.clone().memory_budget(budget).create(&path).unwrap();
                for (key, value) in entries {
                    builder.insert_from(key, &value[..]).expect("room");
                }
                builder.finish().expect("a table");
                let built = std::fs::read(&path).expect("the table");
                assert!(built == right, "{duplicates:?}, sorted: {sorted}, {budget} bytes");
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, failure_persistence: None, ..Default::default() })]

    /// Any order, threads, budget and form of entries.
    #[test]
    fn budgets_change_no_byte(
        seed in any::<u64>(),
        width in prop_oneof![Just(None), (20usize..60).prop_map(Some)],
        budget in MIB..3 * MIB,
        threads in 1usize..4,
        hash in prop_oneof![Just(HashIndex::Auto), Just(HashIndex::Always)],
        ascending in 0usize..30_000,
    ) {
        let directory = directory();
        let mut random = Rng::new(seed);
        let mut entries: Entries = (0..30_000u64)
            .map(|i| {
                let key = common::numbered_key(random.next() >> 20 | i << 44).to_vec();
                let len = width.unwrap_or(random.below(90) as usize);
                (key, random.bytes(len))
            })
            .collect();
        let options = BuildOptions::new().hash_index(hash).duplicates(Duplicates::KeepAll);
        let right = bytes(&options, &entries, directory.path());
        entries[..ascending].sort();
        let options = options.memory_budget(budget).threads(threads);
        let built = bytes(&options, &entries, directory.path());
        prop_assert!(built == right);
    }
}

/// Every phase is told, in order, and ends with all of it done.
#[test]
fn progress_is_told() {
    let directory = directory();
    let told = Arc::new(Mutex::new(Vec::<BuildProgress>::new()));
    let listener = Arc::clone(&told);
    let options = BuildOptions::new()
        .memory_budget(MIB)
        .progress(move |progress| listener.lock().expect("no panic").push(progress));
    let mut random = Rng::new(9);
    let entries = (0..100_000).map(|_| (random.next().to_be_bytes().to_vec(), vec![1; 20]));
    bytes(&options, &entries.collect(), directory.path());
    let told = told.lock().expect("no panic");
    for phase in [BuildPhase::Sort, BuildPhase::Merge, BuildPhase::Index, BuildPhase::Sync] {
        let last = told.iter().rfind(|progress| progress.phase == phase).expect("every phase");
        assert_eq!(last.done, last.total, "{last:?}");
        assert!(last.total > 0, "{last:?}");
    }
    let phases: Vec<BuildPhase> = told.iter().map(|progress| progress.phase).collect();
    assert!(phases.is_sorted(), "{phases:?}");
    assert!(told.iter().all(|progress| progress.done <= progress.total));
}

/// A build can be given up in every phase, by the thread that is told of it: nothing is published,
/// the table that stood there stays, and no file is left.
#[test]
fn a_cancelled_build_leaves_nothing() {
    for phase in [BuildPhase::Sort, BuildPhase::Merge, BuildPhase::Index, BuildPhase::Sync] {
        let directory = directory();
        let path = directory.path().join("table");
        BuildOptions::new().build(&path, [("old", "table")]).expect("a table");
        let reached = Arc::new(AtomicBool::new(false));
        let (seen, asked) = (Arc::clone(&reached), Arc::clone(&reached));
        let options = BuildOptions::new()
            .memory_budget(MIB)
            .progress(move |progress| {
                seen.fetch_or(progress.phase == phase, Relaxed);
            })
            .cancel_when(move || asked.load(Relaxed));
        let mut random = Rng::new(9);
        let entries = (0..100_000).map(|_| (random.next().to_be_bytes(), [1; 20]));
        let built = options.build(&path, entries);
        assert!(matches!(built, Err(BuildError::Cancelled)), "{phase}: {built:?}");
        assert!(reached.load(Relaxed), "{phase}");
        let names: Vec<_> = std::fs::read_dir(directory.path()).expect("a directory").collect();
        assert_eq!(names.len(), 1, "{phase}: {names:?}");
        assert_eq!(Table::load(&path).expect("the old table").len(), 1, "{phase}");
    }
}

/// A question that is answered by no changes nothing.
#[test]
fn a_build_that_is_not_cancelled_ends() {
    let directory = directory();
    let path = directory.path().join("table");
    let asked = Arc::new(AtomicBool::new(false));
    let mark = Arc::clone(&asked);
    let options = BuildOptions::new().cancel_when(move || {
        mark.store(true, Relaxed);
        false
    });
    options.build(&path, [("a", "1")]).expect("a table");
    assert!(asked.load(Relaxed));
}

/// Also while entries are still inserted, which sorted ones are written for.
#[test]
fn a_cancelled_build_takes_no_more_entries() {
    let directory = directory();
    let stop = Arc::new(AtomicBool::new(false));
    let asked = Arc::clone(&stop);
    let options = BuildOptions::new().sorted(true).cancel_when(move || asked.load(Relaxed));
    let mut builder = options.create(directory.path().join("table")).expect("a builder");
    builder.insert("a", [0; 100]).expect("an entry");
    stop.store(true, Relaxed);
    let value = vec![0; 3 << 20];
    assert!(matches!(builder.insert("b", &value), Err(BuildError::Cancelled)));
    assert!(matches!(builder.insert("c", []), Err(BuildError::Failed)));
    assert!(matches!(builder.finish(), Err(BuildError::Failed)));
    assert_eq!(std::fs::read_dir(directory.path()).expect("a directory").count(), 0);
}
