//! T16: eight writers publish the same table at once, some of them are killed, and so is whoever
//! holds the lock.

use crate::common::{Rng, names, skip};
use crate::disks::Disk;
use crate::work::{Found, Tables, Verb, Work};
use crate::{Tally, figure};
use std::fs::{self, File};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

const WRITERS: usize = 8;
const LOCK: &str = ".fault-table.grv.lock";
const DEAD: &str = ".fault-table.grv.graven-d";

fn start(work: Work, directory: &Path) -> Child {
    let mut command = work.command(directory, &[]);
    command.stdin(Stdio::null()).stderr(Stdio::piped()).spawn().expect("the program starts")
}

/// A process that holds the lock until it is killed.
fn holder(directory: &Path) -> Option<Child> {
    let lock = directory.join(LOCK);
    File::create(&lock).unwrap();
    let hold = Command::new("flock")
        .args([LOCK, "sh", "-c", "echo held; exec sleep 1000"])
        .current_dir(directory)
        .stdout(Stdio::piped())
        .spawn();
    let mut hold = hold.ok()?;
    let mut held = [0; 5];
    std::io::Read::read_exact(hold.stdout.as_mut()?, &mut held).ok()?;
    Some(hold)
}

/// Children of a process: flock waits for the command that it runs.
fn kill_with_children(mut process: Child) {
    let id = process.id();
    let children = fs::read_to_string(format!("/proc/{id}/task/{id}/children"));
    for child in children.unwrap_or_default().split_whitespace() {
        let _ = Command::new("kill").args(["-9", child]).status();
    }
    let _ = process.kill();
    let _ = process.wait();
}

#[test]
fn t16_eight_writers_race() {
    let mut tally = Tally::default();
    let mut random = Rng::new(16);
    let mut works = Work::all(false);
    works.retain(|work| work.verb != Verb::Versions && work.over);
    for round in 0..figure(40, 10_000) {
        let disk = Disk::plain();
        let directory = disk.fresh();
        works.iter().for_each(|work| work.prepare(&directory));
        fs::write(directory.join(DEAD), "half a table").unwrap();
        // Sometimes all of them find the lock taken, and its holder dies while they wait.
        let holder = if round % 4 == 0 { holder(&directory) } else { None };
        let mut writers: Vec<(Work, Child)> = (0..WRITERS)
            .map(|_| works[random.below(works.len() as u64) as usize])
            .map(|work| (work, start(work, &directory)))
            .collect();
        sleep(Duration::from_micros(random.below(20_000)));
        if let Some(holder) = holder {
            let first = &writers[0].0;
            assert_eq!(first.check(&directory, &"locked"), Found::Old, "round {round}");
            kill_with_children(holder);
        }
        let doomed = random.below(3);
        for (_, child) in writers.iter_mut().take(doomed as usize) {
            sleep(Duration::from_micros(random.below(10_000)));
            child.kill().unwrap();
        }
        for (i, (work, child)) in writers.into_iter().enumerate() {
            let ended = child.wait_with_output().unwrap();
            let killed = ended.status.signal() == Some(9) && (i as u64) < doomed;
            assert!(killed || ended.status.success(), "round {round}, {work:?}: {ended:?}");
            assert_ne!((killed, ended.status.success()), (true, true));
            tally.detected += u64::from(killed);
        }
        // Five at least published, so the table is the new one, and the dead file is gone.
        assert_eq!(works[0].check(&directory, &round), Found::New);
        assert!(!names(&directory).contains(&DEAD.to_owned()), "round {round}");
        let input = if round % 2 == 0 { "fault-source.grv" } else { "fault-in.tsv" };
        let last = works.iter().find(|work| (work.verb == Verb::Publish) == (round % 2 == 0));
        assert!(last.unwrap().run(&directory).status.success());
        let left = names(&directory);
        let expected = ["fault-in.tsv", "fault-source.grv", "fault-table.grv"];
        assert_eq!(left, expected, "round {round}, after {input}");
        tally.tried += 1;
    }
    tally.report("T16 (detected: writers killed)");
}

/// A builder that takes its time keeps its file whatever others do meanwhile.
#[test]
fn t16_a_live_file_is_never_swept() {
    let disk = Disk::plain();
    let named = Work::all(false).into_iter().find(|work| work.named && work.over);
    let Some(slow) = named.filter(|work| work.verb == Verb::Build) else {
        return skip("T16", "no named temporary files here");
    };
    let directory = disk.fresh();
    slow.prepare(&directory);
    let input = directory.join("fault-in.tsv");
    let lines = fs::read(&input).unwrap();
    fs::remove_file(&input).unwrap();
    if !Command::new("mkfifo").arg(&input).status().is_ok_and(|status| status.success()) {
        return skip("T16", "no mkfifo");
    }
    let child = start(slow, &directory);
    let mut writer = File::options().write(true).open(&input).unwrap();
    let live = |names: Vec<String>| names.into_iter().find(|name| name.contains(".graven-"));
    let name = live(names(&directory)).expect("its file has a name");
    fs::write(directory.join(DEAD), "half a table").unwrap();
    let other = Work { verb: Verb::Publish, ..slow };
    other.prepare(&directory);
    for named in [true, false, true, false] {
        let ran = Work { named, ..other }.run(&directory);
        assert!(ran.status.success(), "{ran:?}");
        assert_eq!(live(names(&directory)), Some(name.clone()));
        assert!(!directory.join(DEAD).exists());
    }
    std::io::Write::write_all(&mut writer, &lines).unwrap();
    drop(writer);
    let ended = child.wait_with_output().unwrap();
    assert!(ended.status.success(), "{ended:?}");
    assert!(fs::read(directory.join(slow.target())).unwrap() == Tables::get(false).new);
    assert_eq!(live(names(&directory)), None);
}
