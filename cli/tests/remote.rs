//! Guards against a set that arrives otherwise than it was sent: bytes that a broken connection, a
//! busy server or a killed run has left out or doubled, a manifest that leads out of its directory,
//! a version that is current before it is whole, of two that are pushed at once one that is lost
//! without a word. Every test runs the program, against a directory, against a web server of this
//! file that fails as it is told, or against moto's S3 server, from PyPI; without that the tests
//! that need it skip with a printed line. GRAVEN_MOTO names the Python that has it.
#![cfg(unix)]

#[path = "remote/faults.rs"]
mod faults;
#[path = "remote/files.rs"]
mod files;
#[path = "remote/hostile.rs"]
mod hostile;
#[path = "remote/s3.rs"]
mod s3;
#[path = "cli/tool.rs"]
#[expect(dead_code, reason = "these tests need no terminals")]
mod tool;
#[path = "remote/web.rs"]
mod web;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use tool::Sandbox;

/// Entries of the sets, in three shards of about 3 MiB each.
const ENTRIES: usize = 30_000;

/// Two sets, `first` and `second`, whose last shards differ, and the table `table.grv` of the first.
fn sets() -> &'static Sandbox {
    static SETS: OnceLock<Sandbox> = OnceLock::new();
    SETS.get_or_init(|| {
        let dir = Sandbox::new();
        for (name, last) in [("first", "1"), ("second", "2")] {
            dir.write("in", lines(last));
            dir.run(&["build", "-qs", "--no-sync", "table.grv", "in"]).printed("");
            let shard = ["shard", "-q", "--no-sync", "--shards", "3", "table.grv", name];
            dir.run(&shard).printed("");
        }
        dir
    })
}

/// Entries that compress badly; `last` is in the last one's value.
fn lines(last: &str) -> String {
    let mut x = 1u64;
    let mut lines = String::new();
    for i in 0..ENTRIES {
        lines += &format!("key{i:06}\t");
        for _ in 0..18 {
            x = x.wrapping_mul(0x5851_F42D_4C95_7F2D).wrapping_add(0x1405_7B7E_F767_814F);
            lines += &format!("{:016x}", x.rotate_left(20));
        }
        lines += if i + 1 == ENTRIES { last } else { "" };
        lines.push('\n');
    }
    lines
}

/// A set's path, for commands that run in another directory.
fn set(name: &str) -> String {
    sets().path(name).display().to_string()
}

/// The directory of the current version.
fn current(dir: &Path) -> PathBuf {
    dir.join(fs::read_link(dir.join("CURRENT")).unwrap())
}

/// The name of a set's version: its number and the start of its manifest's id.
fn name_of(set: &str, number: u64) -> String {
    let path = current(&sets().path(set));
    let name = path.file_name().unwrap().to_str().unwrap();
    format!("{number:08}-{}", name.split_once('-').unwrap().1)
}

/// Sends a set to the directory `far` of a sandbox.
fn push(dir: &Sandbox, name: &str) {
    dir.run(&["push", "-q", "--unconditional", &set(name), "far"]).printed("");
}

/// The set in `near` is whole, has these entries, and is what `name` is.
fn is_whole(dir: &Sandbox, near: &str, name: &str) {
    dir.run(&["verify", near]).printed("");
    let value = if name == "first" { "1\n" } else { "2\n" };
    let got = dir.run(&["get", "--sep", "newline", near, &format!("key{:06}", ENTRIES - 1)]);
    assert!(got.code == 0 && got.out.ends_with(value.as_bytes()), "{}", got.err);
    let (here, there) = (current(&dir.path(near)), current(&sets().path(name)));
    for file in ["MANIFEST.json", "part-00000.grv", "part-00001.grv", "part-00002.grv"] {
        assert!(
            fs::read(here.join(file)).unwrap() == fs::read(there.join(file)).unwrap(),
            "{file}"
        );
    }
    assert_eq!(fs::read_dir(&here).unwrap().count(), 4);
    // Nothing is left on its way.
    assert_eq!(names_in(&dir.path(near).join(".pull")), ["lock"]);
}

/// Nothing is current, and nothing is half there.
fn is_empty(dir: &Sandbox, near: &str) {
    assert!(!dir.path(near).join("CURRENT").exists());
    let versions = dir.path(near).join("versions");
    assert!(!versions.exists() || names_in(&versions).is_empty(), "{:?}", names_in(&versions));
}

fn names_in(directory: &Path) -> Vec<String> {
    let names = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name());
    let mut names: Vec<_> = names.map(|name| name.into_string().unwrap()).collect();
    names.sort();
    names
}
