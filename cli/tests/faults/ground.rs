//! T18: what has come under the table's name since the build began; what would keep a table from
//! its name, found before the build; and what a build costs beside many others.

use crate::Tally;
use crate::common::{names, skip};
use crate::disks::Disk;
use crate::inject::strace;
use crate::rights::{ALICE, BOB, ground, run_as};
use crate::work::{Found, GRAVEN, TABLE, Verb, Work};
use std::fs::{self, File, Permissions};
use std::io::Write;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

const LOCK: &str = ".fault-table.grv.lock";
const PRECIOUS: &[u8] = b"precious\n";
const ENTRY: &[u8] = b"k\tv\n";

/// A build that reads from a pipe.
fn begin(mut command: Command) -> Child {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().expect("the program starts")
}

/// Waits until something is there.
fn wait_for(what: &str, mut there: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !there() {
        assert!(begun.elapsed() < Duration::from_secs(60), "never came: {what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn refused(ended: &Output, words: &str) {
    let said = String::from_utf8_lossy(&ended.stderr);
    assert_eq!(ended.status.code(), Some(4), "{ended:?}");
    assert!(said.contains(words), "{ended:?}");
}

/// The build looked at the name hours ago.
#[test]
fn t18_a_file_that_comes_during_a_build_stays() {
    let disk = Disk::plain();
    let mut tally = Tally::default();
    for work in Work::all(false).into_iter().filter(|work| work.verb == Verb::Build) {
        let directory = disk.fresh();
        work.prepare(&directory);
        let input = directory.join("fault-in.tsv");
        fs::remove_file(&input).unwrap();
        if !Command::new("mkfifo").arg(&input).status().is_ok_and(|status| status.success()) {
            return skip("T18", "no mkfifo");
        }
        let mut command = work.command(&directory, &[]);
        command.stdin(Stdio::null()).stderr(Stdio::piped());
        let child = command.spawn().unwrap();
        // It has opened its input, so it has looked at its output.
        let mut writer = File::options().write(true).open(&input).unwrap();
        let _ = fs::remove_file(directory.join(TABLE));
        fs::write(directory.join(TABLE), PRECIOUS).unwrap();
        writer.write_all(ENTRY).unwrap();
        drop(writer);
        let ended = child.wait_with_output().unwrap();
        refused(&ended, "no graven table");
        assert_eq!(fs::read(directory.join(TABLE)).unwrap(), PRECIOUS, "{work:?}");
        assert_eq!(names(&directory), ["fault-in.tsv", TABLE], "{work:?}");
        tally.tried += 1;
        tally.detected += 1;
    }
    tally.report("T18 late files, builds (detected: refused)");
}

/// The same for copies and for the pointer to a version: while the copy is synced.
#[test]
fn t18_a_file_that_comes_during_a_copy_stays() {
    if !strace() {
        return skip("T18", "strace does not run here");
    }
    let disk = Disk::plain();
    let mut tally = Tally::default();
    for work in Work::all(false) {
        let at = match work.verb {
            Verb::Build => continue,
            Verb::Publish => TABLE,
            Verb::Versions => "fault-versions/CURRENT",
        };
        let directory = disk.fresh();
        work.prepare(&directory);
        let versions = directory.join("fault-versions/versions");
        let before = fs::read_dir(&versions).map_or(0, Iterator::count);
        let trace = disk.path().join("trace");
        let _ = fs::remove_file(&trace);
        let slow = "inject=fsync:delay_enter=2000000:when=1";
        let tracer = ["strace", "-f", "-o", trace.to_str().unwrap(), "-e", slow];
        let mut command = work.command(&directory, &tracer);
        command.stdin(Stdio::null()).stderr(Stdio::piped());
        let child = command.spawn().unwrap();
        let traced = || fs::read_to_string(&trace).unwrap_or_default();
        wait_for("the sync", || traced().contains("fsync("));
        let path = directory.join(at);
        let _ = fs::remove_file(&path);
        fs::write(&path, PRECIOUS).unwrap();
        let ended = child.wait_with_output().unwrap();
        refused(&ended, "no graven table");
        assert_eq!(fs::read(&path).unwrap(), PRECIOUS, "{work:?}");
        match work.verb {
            Verb::Versions => {
                assert_eq!(names(path.parent().unwrap()), ["CURRENT", "versions"], "{work:?}");
                assert_eq!(names(&versions).len(), before, "the copy is gone: {work:?}");
            }
            _ => assert_eq!(names(&directory), ["fault-source.grv", TABLE], "{work:?}"),
        }
        tally.tried += 1;
        tally.detected += 1;
    }
    tally.report("T18 late files, copies (detected: refused)");
}

/// The build has not seen the end of its input, and never will.
#[track_caller]
fn refused_early(command: Command, words: &str) {
    let mut child = begin(command);
    let input = child.stdin.take();
    let ended = child.wait_with_output().unwrap();
    drop(input);
    refused(&ended, words);
}

fn build(directory: &Path, before: &[&str]) -> Command {
    let words = [&["timeout", "20"], before, &[GRAVEN, "build", "--quiet", TABLE, "-"]].concat();
    let mut command = Command::new(words[0]);
    command.args(&words[1..]).current_dir(directory).env("LC_ALL", "C");
    command
}

#[test]
fn t18_what_could_not_be_replaced_is_found_first() {
    let disk = Disk::plain();
    let directory = disk.fresh();
    Work { verb: Verb::Publish, over: true, named: false, large: false }.prepare(&directory);
    let table = directory.join(TABLE);
    let bytes = fs::read(&table).unwrap();
    let mut tally = Tally::default();

    let bind = "mount --bind fault-source.grv fault-table.grv && exec \"$@\"";
    let inside = ["unshare", "--mount", "sh", "-c", bind, "sh"];
    let mut works = Command::new(inside[0]);
    works.args(&inside[1..]).arg("true").current_dir(&directory);
    if works.output().is_ok_and(|ran| ran.status.success()) {
        refused_early(build(&directory, &inside), "is a mount point: mount its directory");
        tally.tried += 1;
    } else {
        skip("T18 mount points", "no mount in a namespace here");
    }

    let chattr = |what: &str| {
        let ran = Command::new("chattr").arg(what).arg(&table).output();
        ran.is_ok_and(|ran| ran.status.success())
    };
    if chattr("+i") {
        refused_early(build(&directory, &[]), "immutable");
        assert!(chattr("-i"));
        tally.tried += 1;
    } else {
        skip("T18 immutable files", "chattr does not work here");
    }
    assert_eq!(fs::read(&table).unwrap(), bytes);

    type Plant<'p> = &'p dyn Fn(&Path) -> bool;
    let plants: [(&str, Plant<'_>); 3] = [
        ("directory", &|path| fs::create_dir(path).is_ok()),
        ("link", &|path| symlink("fault-source.grv", path).is_ok()),
        ("FIFO", &|path| {
            Command::new("mkfifo").arg(path).status().is_ok_and(|status| status.success())
        }),
    ];
    for (what, plant) in plants {
        let lock = directory.join(LOCK);
        assert!(plant(&lock), "{what}");
        refused_early(build(&directory, &[]), LOCK);
        assert!(fs::symlink_metadata(&lock).is_ok(), "{what}");
        let _ = fs::remove_file(&lock).or_else(|_| fs::remove_dir(&lock));
        tally.tried += 1;
    }
    // All temporary names are taken, by what no sweep removes.
    for digit in 0..16 {
        fs::create_dir(directory.join(format!(".fault-table.grv.graven-{digit:x}"))).unwrap();
    }
    let named = Work::all(false).into_iter().find(|work| work.named && work.verb == Verb::Publish);
    if let Some(named) = named {
        refused(&named.run(&directory), "temporary names are taken");
        tally.tried += 1;
    }
    assert_eq!(fs::read(&table).unwrap(), bytes);
    tally.detected = tally.tried;
    tally.report("T18 what can't be replaced (detected: before the build)");
}

#[test]
fn t18_another_users_table_in_a_sticky_directory_is_found_first() {
    let Some((ground, program)) = ground() else { return };
    let directory = ground.path().join("d");
    fs::create_dir(&directory).unwrap();
    fs::set_permissions(&directory, Permissions::from_mode(0o1777)).unwrap();
    graven::Builder::create(directory.join(TABLE)).unwrap().finish().unwrap();
    chown(directory.join(TABLE), Some(ALICE), Some(ALICE)).unwrap();
    let user = format!("--reuid={BOB}");
    let words = ["20", "setpriv", &user, "--clear-groups", &program, "build", TABLE, "-"];
    let mut command = Command::new("timeout");
    command.args(words).current_dir(&directory);
    refused_early(command, "in a sticky directory");
    // Root may, and so may a user who was given that right alone.
    fs::write(directory.join("in"), ENTRY).unwrap();
    fs::set_permissions(directory.join("in"), Permissions::from_mode(0o444)).unwrap();
    let right = ["--inh-caps=+fowner", "--ambient-caps=+fowner"];
    let words = ["setpriv", &user, "--clear-groups", right[0], right[1], &program];
    let mut command = Command::new(words[0]);
    command.args(&words[1..]).args(["build", "--quiet", TABLE, "in"]).current_dir(&directory);
    let ran = command.output().unwrap();
    assert!(ran.status.success(), "{ran:?}");
    assert_eq!(fs::metadata(directory.join(TABLE)).unwrap().uid(), BOB);
}

/// Two members of a team publish, prune and roll back in one directory, whatever their umask.
#[test]
fn t18_a_team_shares_a_directory_of_versions() {
    const TEAM: &str = "61100";
    let Some((ground, program)) = ground() else { return };
    let place = ground.path().join("team");
    fs::create_dir(&place).unwrap();
    chown(&place, Some(0), Some(TEAM.parse().unwrap())).unwrap();
    fs::set_permissions(&place, Permissions::from_mode(0o2775)).unwrap();
    for edition in ["1", "2", "3"] {
        let path = place.join(edition);
        let mut builder = graven::Builder::create(&path).unwrap();
        builder.insert(b"k", edition.as_bytes()).unwrap();
        builder.finish().unwrap();
    }
    let run = |user: u32, umask: &str, words: &[&str]| {
        let script = format!(
            "umask {umask}; exec setpriv --reuid={user} --regid={user} --groups={TEAM} \"$@\""
        );
        let mut command = Command::new("sh");
        command.args(["-c", &script, "sh", &program]).args(words).current_dir(&place);
        command.output().expect("a shell")
    };
    let get = || {
        let ran = run(BOB, "022", &["get", "d/CURRENT", "k"]);
        String::from_utf8(ran.stdout).unwrap()
    };
    for umask in ["022", "077"] {
        let _ = fs::remove_dir_all(place.join("d"));
        let publish = |user, source: &str| {
            let shared = ["--dir-mode", "2775", "--keep", "1", "--min-age", "0"];
            run(user, umask, &[&["publish", "--dir", "d", source][..], &shared].concat())
        };
        let fine = |ran: Output| assert!(ran.status.success(), "{umask}: {ran:?}");
        fine(run(ALICE, umask, &["publish", "--dir", "d", "1", "--dir-mode", "2775"]));
        fine(run(BOB, umask, &["publish", "--dir", "d", "2", "--dir-mode", "2775"]));
        assert_eq!(get(), "2");
        fine(run(ALICE, umask, &["publish", "--dir", "d", "--rollback"]));
        assert_eq!(get(), "1");
        let ids = names(&place.join("d/versions"));
        fine(run(BOB, umask, &["publish", "--dir", "d", &format!("--rollback={}", ids[1])]));
        assert_eq!(get(), "2");
        // Each prunes what the other has published.
        fine(publish(ALICE, "3"));
        assert_eq!((get().as_str(), names(&place.join("d/versions")).len()), ("3", 1));
        fine(publish(BOB, "1"));
        assert_eq!((get().as_str(), names(&place.join("d/versions")).len()), ("1", 1));
        assert_eq!(names(&place.join("d")), ["CURRENT", "versions"]);
        for path in ["d", "d/versions"] {
            let found = fs::metadata(place.join(path)).unwrap();
            assert_eq!((found.mode() & 0o7777, found.gid().to_string().as_str()), (0o2775, TEAM));
        }
    }
    // By default it is the first one's alone, and the other is told before the copy.
    let _ = fs::remove_dir_all(place.join("d"));
    assert!(run(ALICE, "022", &["publish", "--dir", "d", "1"]).status.success());
    let found = fs::metadata(place.join("d/versions")).unwrap();
    assert_eq!(found.mode() & 0o7777, 0o755);
    refused(&run(BOB, "022", &["publish", "--dir", "d", "2"]), "ermission denied");
    let wrong = run(ALICE, "022", &["publish", "--dir", "d", "2", "--dir-mode", "0575"]);
    assert_eq!(wrong.status.code(), Some(2), "{wrong:?}");
}

/// Each makes the lock's file anew, and the other must wait until it has its permissions.
#[test]
fn t18_two_users_build_one_table_at_once() {
    let Some((ground, program)) = ground() else { return };
    let directory = ground.path().join("d");
    for (mode, umask) in [(0o777, "077"), (0o777, "777")] {
        let _ = fs::remove_dir_all(&directory);
        fs::create_dir(&directory).unwrap();
        fs::set_permissions(&directory, Permissions::from_mode(mode)).unwrap();
        fs::write(directory.join("in"), ENTRY).unwrap();
        fs::set_permissions(directory.join("in"), Permissions::from_mode(0o444)).unwrap();
        std::thread::scope(|scope| {
            for user in [ALICE, BOB, ALICE, BOB] {
                let (directory, program) = (&directory, &program);
                scope.spawn(move || {
                    for _ in 0..15 {
                        let words = [program, "build", "--quiet", TABLE, "in"];
                        let ran = run_as(user, umask, directory, &words);
                        assert!(ran.status.success(), "{ran:?}");
                    }
                });
            }
        });
        assert_eq!(names(&directory), [TABLE, "in"]);
    }
}

/// The calls of a build do not grow with the number of names in its directory.
#[test]
fn t18_a_build_costs_the_same_beside_many_tables() {
    if !strace() {
        return skip("T18", "strace does not run here");
    }
    let disk = Disk::plain();
    for work in Work::all(false).into_iter().filter(|work| work.verb == Verb::Build) {
        let counts = [0, 3000].map(|beside| {
            let directory = disk.fresh();
            work.prepare(&directory);
            for i in 0..beside {
                fs::write(directory.join(format!("t{i}.grv")), "").unwrap();
            }
            let trace = disk.path().join("trace");
            let tracer = ["strace", "-f", "-o", trace.to_str().unwrap()];
            let ran = work.command(&directory, &tracer).output().unwrap();
            assert!(ran.status.success(), "{work:?}: {ran:?}");
            assert_eq!(work.check(&directory, &beside), Found::New);
            assert!(!directory.join(LOCK).exists());
            let trace = fs::read_to_string(&trace).unwrap();
            // The first thread's, from the first look at the table on: no other is counted on.
            let main = trace.split_whitespace().next().unwrap().to_owned();
            let lines = trace.lines().filter(|line| line.starts_with(&main));
            let calls: Vec<_> =
                lines.skip_while(|line| !line.contains("fault-")).map(name_of).collect();
            assert!(!calls.iter().any(|call| call == "getdents64"), "{work:?}: lists");
            let concerned = ["openat", "newfstatat", "statx", "unlinkat", "linkat", "renameat"];
            let concerned = |call: &&String| concerned.contains(&call.as_str());
            calls.iter().filter(concerned).count()
        });
        assert_eq!(counts[0], counts[1], "{work:?}");
        println!("T18: {} calls that take a name, {work:?}", counts[0]);
    }
}

/// The call of a line of a trace.
fn name_of(line: &str) -> String {
    let call = line.split_whitespace().nth(1).unwrap_or_default();
    call.split('(').next().unwrap_or_default().to_owned()
}
