//! T17: who may publish and who may read, whatever the umask; and what stands in the way, by
//! accident or planted.

use crate::Tally;
use crate::common::{names, skip};
use crate::disks::Disk;
use crate::work::{Found, GRAVEN, TABLE, Verb, Work};
use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::path::Path;
use std::process::{Command, Output};

pub(crate) const ALICE: u32 = 61_001;
pub(crate) const BOB: u32 = 61_002;
const ROOT: u32 = 0;
const LOCK: &str = ".fault-table.grv.lock";

/// Runs a program as a user, with a umask.
pub(crate) fn run_as(user: u32, umask: &str, directory: &Path, words: &[&str]) -> Output {
    let script = format!(
        "umask {umask}; exec setpriv --reuid={user} --regid={user} \
                          --clear-groups \"$@\""
    );
    let mut command = Command::new("sh");
    command.args(["-c", &script, "sh"]).args(words).current_dir(directory);
    command.output().expect("a shell")
}

/// A directory below one that everybody may enter, and the program where everybody may run it.
pub(crate) fn ground() -> Option<(tempfile::TempDir, String)> {
    let ground = tempfile::tempdir().unwrap();
    fs::set_permissions(ground.path(), Permissions::from_mode(0o755)).unwrap();
    let program = ground.path().join("graven");
    fs::copy(GRAVEN, &program).unwrap();
    let program = program.to_str().unwrap().to_owned();
    let ran = run_as(ALICE, "022", ground.path(), &[&program, "--version"]);
    if ran.status.success() {
        return Some((ground, program));
    }
    skip("T17", "other users' rights cannot be taken on here");
    None
}

#[test]
fn t17_owners_umasks_and_modes() {
    let Some((ground, program)) = ground() else { return };
    let mut tally = Tally::default();
    let directory = ground.path().join("d");
    for (owner, mode) in [(ROOT, 0o755), (ALICE, 0o755), (ROOT, 0o777), (ROOT, 0o1777)] {
        for writer in [ROOT, ALICE, BOB] {
            for before in [None, Some(ROOT), Some(ALICE), Some(BOB)] {
                for umask in ["000", "022", "077", "777"] {
                    for table in ["0444", "0640", "0600", "0400"] {
                        let _ = fs::remove_dir_all(&directory);
                        fs::create_dir(&directory).unwrap();
                        fs::write(directory.join("in"), "k\tnew\n").unwrap();
                        fs::set_permissions(directory.join("in"), Permissions::from_mode(0o444))
                            .unwrap();
                        if let Some(before) = before {
                            fs::write(directory.join("old"), "k\told\n").unwrap();
                            let ran = run_as(
                                ROOT,
                                "022",
                                &directory,
                                &[&program, "build", "--quiet", TABLE, "old"],
                            );
                            assert!(ran.status.success(), "{ran:?}");
                            fs::remove_file(directory.join("old")).unwrap();
                            // As a killed publisher leaves it.
                            fs::write(directory.join(LOCK), "").unwrap();
                            for name in [TABLE, LOCK] {
                                chown(directory.join(name), Some(before), Some(before)).unwrap();
                            }
                        }
                        chown(&directory, Some(owner), Some(owner)).unwrap();
                        fs::set_permissions(&directory, Permissions::from_mode(mode)).unwrap();
                        let words = [&program, "build", "--quiet", "--mode", table, TABLE, "in"];
                        let ran = run_as(writer, umask, &directory, &words);
                        let why = (owner, mode, writer, before, umask, table, &ran);
                        let enters = writer == ROOT || writer == owner || mode & 0o002 != 0;
                        // In a sticky directory only owners replace.
                        let sticky = mode & 0o1000 != 0 && writer != ROOT && writer != owner;
                        let may = enters && !(sticky && before.is_some_and(|user| user != writer));
                        assert_eq!(ran.status.code(), Some(if may { 0 } else { 4 }), "{why:?}");
                        tally.tried += 1;
                        tally.detected += u64::from(!may);
                        let left = names(&directory);
                        assert!(
                            !left.iter().any(|name| name.contains(".graven-")),
                            "{why:?}: {left:?}"
                        );
                        let found = fs::metadata(directory.join(TABLE));
                        if may {
                            let found = found.unwrap();
                            assert_eq!(found.uid(), writer, "{why:?}");
                            assert_eq!(format!("{:04o}", found.mode() & 0o7777), table, "{why:?}");
                        } else {
                            assert_eq!(found.is_ok(), before.is_some(), "{why:?}");
                            let said = String::from_utf8_lossy(&ran.stderr);
                            assert!(
                                ["ermission denied", "not permitted", "sticky directory"]
                                    .iter()
                                    .any(|words| said.contains(words)),
                                "{why:?}"
                            );
                        }
                        // Readers need the right to read and no other.
                        if directory.join(TABLE).exists() {
                            let expected = if may { "new" } else { "old" };
                            let found = fs::metadata(directory.join(TABLE)).unwrap();
                            for reader in [ALICE, BOB] {
                                let ran = run_as(
                                    reader,
                                    umask,
                                    &directory,
                                    &[&program, "get", TABLE, "k"],
                                );
                                let class = if found.uid() == reader { 0o400 } else { 0o004 };
                                let reads = found.mode() & class != 0;
                                assert_eq!(
                                    ran.status.code(),
                                    Some(if reads { 0 } else { 4 }),
                                    "{ran:?}"
                                );
                                assert_eq!(ran.stdout == expected.as_bytes(), reads, "{ran:?}");
                            }
                        }
                    }
                }
            }
        }
    }
    tally.report("T17 owners, umasks, modes (detected: refused)");
}

/// What may stand at the table's name, and whether it may be replaced.
#[test]
fn t17_what_stands_in_the_way() {
    let disk = Disk::plain();
    let mut tally = Tally::default();
    let make = |program: &str, args: &[&str], directory: &Path| {
        let made = Command::new(program).args(args).current_dir(directory).status();
        made.is_ok_and(|status| status.success())
    };
    type Plant<'p> = &'p dyn Fn(&Path, &str) -> bool;
    let plants: [(&str, Plant<'_>); 8] = [
        ("FIFO", &|directory, name| make("mkfifo", &[name], directory)),
        ("directory", &|directory, name| fs::create_dir(directory.join(name)).is_ok()),
        ("device", &|directory, name| make("mknod", &[name, "c", "1", "3"], directory)),
        ("socket", &|directory, name| {
            std::os::unix::net::UnixListener::bind(directory.join(name)).is_ok()
        }),
        ("link to a FIFO", &|directory, name| {
            make("mkfifo", &["fifo"], directory) && symlink("fifo", directory.join(name)).is_ok()
        }),
        ("link to a file", &|directory, name| {
            fs::write(directory.join("victim"), "precious").is_ok()
                && symlink("victim", directory.join(name)).is_ok()
        }),
        ("link to a directory", &|directory, name| {
            fs::create_dir(directory.join("sub")).is_ok()
                && symlink("sub", directory.join(name)).is_ok()
        }),
        ("file", &|directory, name| fs::write(directory.join(name), "precious").is_ok()),
    ];
    let temporary = ".fault-table.grv.graven-7";
    for (what, plant) in plants {
        for work in Work::all(false).into_iter().filter(|w| !w.over && w.verb != Verb::Versions) {
            for name in [TABLE, LOCK, temporary] {
                let directory = disk.fresh();
                work.prepare(&directory);
                if !plant(&directory, name) {
                    skip("T17", &format!("no {what} can be made here"));
                    continue;
                }
                let before = fs::symlink_metadata(directory.join(name)).unwrap();
                // A hang is a failure as well.
                let ran = work.command(&directory, &["timeout", "20"]).output().unwrap();
                let why = (what, name, work, &ran);
                let left = fs::symlink_metadata(directory.join(name));
                let stays = left.as_ref().is_ok_and(|left| left.ino() == before.ino());
                match name {
                    TABLE => {
                        assert_eq!(ran.status.code(), Some(4), "{why:?}");
                        assert!(stays, "{why:?}");
                        tally.detected += 1;
                    }
                    // A file is a lock like any other; the rest is not waited for nor followed.
                    LOCK => {
                        let code = if what == "file" { 0 } else { 4 };
                        assert_eq!(ran.status.code(), Some(code), "{why:?}");
                        assert!(stays, "{why:?}");
                        tally.detected += u64::from(code == 4);
                    }
                    // A dead file is swept, anything else left alone; neither is in the way.
                    _ => {
                        assert_eq!(ran.status.code(), Some(0), "{why:?}");
                        assert_eq!(stays, what != "file", "{why:?}");
                        assert_eq!(work.check(&directory, &why), Found::New);
                    }
                }
                if let Ok(victim) = fs::read(directory.join("victim")) {
                    assert_eq!(victim, b"precious", "{why:?}");
                }
                tally.tried += 1;
            }
        }
    }
    // A link that leads nowhere is replaced itself.
    let work = Work { verb: Verb::Build, over: false, named: false, large: false };
    let directory = disk.fresh();
    work.prepare(&directory);
    symlink("/nonexistent/elsewhere", directory.join(TABLE)).unwrap();
    assert!(work.run(&directory).status.success());
    assert!(fs::symlink_metadata(directory.join(TABLE)).unwrap().is_file());
    tally.report("T17 in the way (detected: refused)");
}
