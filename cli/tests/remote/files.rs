//! Sets that go from directory to directory.

use super::{current, is_empty, is_whole, name_of, names_in, push, set, sets};
use crate::tool::Sandbox;
use std::fs::{self, File};
use std::os::unix::fs::{MetadataExt, symlink};
use std::process::Command;
use std::thread;
use std::time::Duration;

#[test]
fn a_set_goes_there_and_comes_back() {
    let dir = Sandbox::new();
    let name = name_of("first", 1);
    let ran = dir.run(&["push", &set("first"), "far"]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert!(ran.err.ends_with("; 3 of 3 shards sent\n"), "{}", ran.err);
    let version = format!("versions/{name}");
    assert_eq!(dir.read("far/CURRENT"), version.as_bytes());
    assert_eq!(names_in(&dir.path("far")), ["CURRENT", "versions"]);
    let files = ["MANIFEST.json", "part-00000.grv", "part-00001.grv", "part-00002.grv"];
    assert_eq!(names_in(&dir.path("far").join(&version)), files);
    let again = dir.run(&["push", &set("first"), "far"]);
    assert!(again.code == 0 && again.err.ends_with("nothing sent\n"), "{}", again.err);
    // The same set by all its addresses: what push has written, a directory of versions as shard
    // has written it, one version, a link that was followed.
    let url = format!("file://{}", dir.path("far").display());
    symlink(current(&sets().path("first")), dir.path("link")).unwrap();
    let sources = ["far".into(), "far/".into(), url, set("first"), format!("far/{version}")];
    for (i, source) in sources.iter().chain([&"link".to_owned()]).enumerate() {
        let near = format!("near{i}");
        let ran = dir.run(&["pull", source, &near]);
        assert_eq!(ran.code, 0, "{source}: {}", ran.err);
        is_whole(&dir, &near, "first");
        let here = current(&dir.path(&near));
        assert!(here.ends_with(&name), "{}", here.display());
        for file in files {
            assert_eq!(fs::metadata(here.join(file)).unwrap().mode() & 0o7777, 0o444, "{file}");
        }
        let again = dir.run(&["pull", source, &near]);
        assert!(again.code == 0 && again.err.ends_with("nothing fetched\n"), "{}", again.err);
    }
    dir.run(&["pull", "-q", "--mode", "640", "far", "group"]).printed("");
    let part = current(&dir.path("group")).join("part-00001.grv");
    assert_eq!(fs::metadata(part).unwrap().mode() & 0o7777, 0o640);
}

#[test]
fn shards_that_are_there_are_neither_sent_nor_fetched() {
    let dir = Sandbox::new();
    push(&dir, "first");
    dir.run(&["pull", "-q", "far", "near"]).printed("");
    let ran = dir.run(&["push", "--unconditional", &set("second"), "far"]);
    assert!(ran.err.ends_with("; 1 of 3 shards sent\n"), "{}", ran.err);
    let version = format!("far/versions/{}", name_of("second", 2));
    let parts = ["part-00000.grv", "part-00001.grv", "part-00002.grv"];
    dir.run(&["pull", "-q", "far", "whole"]).printed("");
    is_whole(&dir, "whole", "second");
    // What is not there cannot be fetched.
    for part in &parts[..2] {
        fs::remove_file(dir.path(&version).join(part)).unwrap();
    }
    let old = current(&dir.path("near"));
    dir.run(&["pull", "-q", "far", "near"]).printed("");
    is_whole(&dir, "near", "second");
    let new = current(&dir.path("near"));
    let inode = |path: &std::path::Path| fs::metadata(path).unwrap().ino();
    let same = parts.map(|part| inode(&old.join(part)) == inode(&new.join(part)));
    assert_eq!(same, [true, true, false]);
    // A shard that has another length than the manifest says is not taken over.
    dir.run(&["pull", "-q", "far", "short"]).failed(4, "far/", &["no such object"]);
    is_empty(&dir, "short");
}

#[test]
fn an_interrupted_push_goes_on() {
    let dir = Sandbox::new();
    let begun = format!("far/versions/{}", name_of("first", 1));
    fs::create_dir_all(dir.path(&begun)).unwrap();
    for part in ["part-00000.grv", "part-00002.grv"] {
        let from = current(&sets().path("first")).join(part);
        fs::copy(from, dir.path(&begun).join(part)).unwrap();
    }
    // One of another length is sent again.
    File::options().append(true).open(dir.path(&begun).join("part-00002.grv")).unwrap();
    fs::write(dir.path(&begun).join("part-00001.grv"), "half").unwrap();
    let ran = dir.run(&["push", &set("first"), "far"]);
    assert!(ran.code == 0 && ran.err.ends_with("; 1 of 3 shards sent\n"), "{}", ran.err);
    dir.run(&["pull", "-q", "far", "near"]).printed("");
    is_whole(&dir, "near", "first");
    // Damage in the store, which a push finds only where it sends everything again.
    let part = dir.path(&begun).join("part-00001.grv");
    let mut bytes = fs::read(&part).unwrap();
    bytes[1000] ^= 1;
    fs::remove_file(&part).unwrap();
    fs::write(&part, bytes).unwrap();
    dir.run(&["pull", "-q", "far", "other"]).failed(3, "far/", &["has SHA-256 ", "3 times"]);
    is_empty(&dir, "other");
    let ran = dir.run(&["push", "--again", "--unconditional", &set("first"), "far"]);
    assert!(ran.code == 0 && ran.err.ends_with("; 3 of 3 shards sent\n"), "{}", ran.err);
    dir.run(&["pull", "-q", "far", "other"]).printed("");
    is_whole(&dir, "other", "first");
}

#[test]
fn versions_come_go_back_and_are_removed() {
    let dir = Sandbox::new();
    let (one, two) = (name_of("first", 1), name_of("second", 2));
    push(&dir, "first");
    dir.run(&["pull", "-q", "far", "near"]).printed("");
    push(&dir, "second");
    let ran = dir.run(&["pull", "far", "near", "--keep", "1", "--min-age", "3600"]);
    assert!(ran.code == 0 && ran.err.contains(&two) && !ran.err.contains("removed"), "{}", ran.err);
    assert_eq!(names_in(&dir.path("near/versions")), [&one[..], &two]);
    // The store goes back; the cache only if it is told to. Nothing is fetched: it is not there.
    fs::rename(dir.path("far/versions").join(&one), dir.path("aside")).unwrap();
    fs::create_dir(dir.path("far/versions").join(&one)).unwrap();
    let manifest = format!("far/versions/{one}/MANIFEST.json");
    fs::copy(dir.path("aside/MANIFEST.json"), dir.path(&manifest)).unwrap();
    dir.write("far/CURRENT", format!("{one}\n"));
    let ran = dir.run(&["pull", "far", "near"]);
    assert!(ran.code == 0 && ran.err.contains("--allow-older"), "{}", ran.err);
    is_whole(&dir, "near", "second");
    dir.run(&["pull", "-q", "--allow-older", "far", "near"]).printed("");
    is_whole(&dir, "near", "first");
    dir.write("far/CURRENT", format!("versions/{two}"));
    let ran = dir.run(&["pull", "far", "near", "--keep", "1", "--min-age", "0"]);
    assert!(ran.code == 0 && ran.err.contains(&format!("version {one} removed")), "{}", ran.err);
    is_whole(&dir, "near", "second");
    assert_eq!(names_in(&dir.path("near/versions")), [&two[..]]);
}

#[test]
fn of_two_pulls_one_waits_or_says_so() {
    let dir = Sandbox::new();
    push(&dir, "first");
    fs::create_dir_all(dir.path("near/.pull")).unwrap();
    let lock = File::create(dir.path("near/.pull/lock")).unwrap();
    lock.lock().unwrap();
    let ran = dir.run(&["pull", "--wait", "0", "far", "near"]);
    ran.failed(4, "near: ", &["another pull is at work"]);
    is_empty(&dir, "near");
    let waits = thread::scope(|scope| {
        let waits = scope.spawn(|| dir.run(&["pull", "--wait", "60", "far", "near"]));
        thread::sleep(Duration::from_millis(500));
        assert!(!waits.is_finished());
        lock.unlock().unwrap();
        waits.join().unwrap()
    });
    assert!(waits.code == 0 && waits.err.contains("this one waits"), "{}", waits.err);
    is_whole(&dir, "near", "first");
    // Several at once, without a lock that is held by the test.
    let ran: Vec<_> = thread::scope(|scope| {
        let run = || dir.run(&["pull", "-q", "far", "many"]);
        let running: Vec<_> = (0..4).map(|_| scope.spawn(run)).collect();
        running.into_iter().map(|running| running.join().unwrap()).collect()
    });
    ran.into_iter().for_each(|ran| ran.printed(""));
    is_whole(&dir, "many", "first");
}

#[test]
fn guards_and_what_is_refused() {
    let dir = Sandbox::new();
    let first = set("first");
    dir.write("few", "a\t1\n");
    dir.run(&["build", "-q", "few.grv", "few"]).printed("");
    dir.run(&["shard", "-q", "few.grv", "few-set"]).printed("");
    let big = ["push", "--min-entries", "30001", &first, "far"];
    dir.run(&big).failed(3, "far: ", &["30000 entries", "30001"]);
    assert!(!dir.path("far").exists());
    push(&dir, "first");
    let shrunk = ["push", "--unconditional", "--max-shrink", "10%", "few-set", "far"];
    dir.run(&shrunk).failed(3, "far: ", &["1 entry", "30000"]);
    dir.run(&["push", "few-set", "far"]).failed(2, "far: ", &["--unconditional"]);
    dir.run(&["pull", "--min-entries", "30001", "far", "near"]).failed(3, "near: ", &["30001"]);
    is_empty(&dir, "near");
    dir.run(&["pull", "-q", "far", "near"]).printed("");
    dir.run(&["push", "-q", "--unconditional", "few-set", "far"]).printed("");
    dir.run(&["pull", "--max-shrink", "10%", "far", "near"]).failed(3, "near: ", &["1 entry"]);
    is_whole(&dir, "near", "first");
    // What holds no set.
    let shards = ["graven shard --shards 1"];
    dir.run(&["push", "few.grv", "x"]).failed(2, "few.grv: ", &shards);
    dir.run(&["publish", "-q", "--dir", "tables", "few.grv"]).printed("");
    dir.run(&["push", "tables", "x"]).failed(2, "tables: ", &shards);
    dir.run(&["push", "none", "x"]).failed(4, "none: ", &["No such file"]);
    let version =
        format!("tables/{}", fs::read_link(dir.path("tables/CURRENT")).unwrap().display());
    let version = version.strip_suffix("/table.grv").unwrap();
    dir.run(&["pull", version, "y"]).failed(4, "tables", &shards);
    dir.run(&["pull", "none", "y"]).failed(4, "none: ", &["holds no set"]);
    assert!(!dir.path("x").exists() && !dir.path("y").exists());
    // Addresses.
    dir.run(&["push", &first, "http://localhost/x"]).failed(
        2,
        "http://localhost/x: ",
        &["only read"],
    );
    for bad in ["ftp://host/x", "memory:///x", "s3:///x", "s3://"] {
        dir.run(&["pull", bad, "y"]).failed(2, "", &[bad, "expected s3://BUCKET/PREFIX"]);
    }
    dir.run(&["pull", "https://host/x?key=1", "y"]).failed(2, "https://host/x?key=1: ", &["query"]);
    // The directory of versions of a set: a pointer that is no link would end its readers.
    dir.run(&["push", "few-set", &first]).failed(2, &first, &["is a directory", "another place"]);
}

#[test]
fn a_damaged_shard_is_not_sent() {
    let dir = Sandbox::new();
    dir.run(&["pull", "-q", &set("first"), "mine"]).printed("");
    for change in ["a byte", "its length"] {
        let part = current(&dir.path("mine")).join("part-00001.grv");
        let good = fs::read(&part).unwrap();
        let mut bytes = good.clone();
        match change {
            "a byte" => bytes[1_000_000] ^= 1,
            _ => bytes.push(0),
        }
        fs::remove_file(&part).unwrap();
        fs::write(&part, bytes).unwrap();
        let found = ["in the manifest: it is not sent"];
        let shown = fs::canonicalize(&part).unwrap().display().to_string();
        dir.run(&["push", "mine", "far"]).failed(3, &format!("{shown}: "), &found);
        assert!(!dir.path("far/CURRENT").exists());
        let object = format!("far/versions/{}/part-00001.grv", name_of("first", 1));
        assert!(!dir.path(&object).exists());
        fs::write(&part, good).unwrap();
    }
}

#[test]
fn a_full_disk_loses_nothing() {
    let dir = Sandbox::new();
    push(&dir, "first");
    fs::create_dir(dir.path("near")).unwrap();
    let mount = |options: &str| {
        let near = dir.path("near");
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", options, "tmpfs"]).arg(near);
        mount.output().is_ok_and(|ran| ran.status.success())
    };
    if !mount("size=14m") {
        return eprintln!("skipped: no file system can be mounted here");
    }
    struct Mounted(std::path::PathBuf);
    impl Drop for Mounted {
        fn drop(&mut self) {
            let _ = Command::new("umount").arg(&self.0).status();
        }
    }
    let _mounted = Mounted(dir.path("near"));
    dir.run(&["pull", "-q", "far", "near"]).printed("");
    // All other shards, so that none is linked: 9 MiB do not fit beside 9 MiB.
    dir.run(&["shard", "-q", &sets().path("table.grv").display().to_string(), "other"]).printed("");
    dir.run(&["push", "-q", "--unconditional", "other", "far"]).printed("");
    let ran = dir.run(&["pull", "far", "near"]);
    ran.failed(4, "near/.pull: ", &["no space", "are free", "stays current"]);
    is_whole(&dir, "near", "first");
    assert_eq!(names_in(&dir.path("near/versions")).len(), 1);
    let remount =
        Command::new("mount").args(["-o", "remount,size=64m"]).arg(dir.path("near")).status();
    assert!(remount.unwrap().success());
    dir.run(&["pull", "-q", "far", "near"]).printed("");
    dir.run(&["verify", "near"]).printed("");
    assert_eq!(names_in(&dir.path("near/versions")).len(), 2);
}
