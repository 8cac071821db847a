//! Networks and servers that fail, and runs that die.

use super::web::{Asked, Behind, Fate, Web, counts};
use super::{is_empty, is_whole, name_of, names_in, push, set};
use crate::tool::Sandbox;
use std::collections::hash_map::RandomState;
use std::fs;
use std::hash::BuildHasher;
use std::path::Path;
use std::process::Stdio;
use std::thread;
use std::time::Duration;

/// The first set behind a web server.
fn served(fate: impl Fn(&Asked) -> Fate + Send + Sync + 'static) -> (Sandbox, Web) {
    let dir = Sandbox::new();
    push(&dir, "first");
    let web = Web::start(Behind::Files(dir.path("far")), fate);
    (dir, web)
}

const PART: &str = "part-00001.grv";

#[test]
fn a_web_server_without_faults() {
    let (dir, web) = served(|_| Fate::Whole);
    let ran = dir.run(&["pull", &web.url(""), "near"]);
    assert!(ran.code == 0 && ran.err.lines().count() == 1, "{}", ran.err);
    is_whole(&dir, "near", "first");
    let counts = counts(&web.asked());
    assert_eq!((counts["CURRENT"], counts["MANIFEST.json"], counts[PART]), (1, 1, 1));
    let again = dir.run(&["pull", &web.url(""), "near"]);
    assert!(again.code == 0 && again.err.ends_with("nothing fetched\n"), "{}", again.err);
    let name = name_of("first", 1);
    dir.run(&["pull", "-q", &web.url(&format!("versions/{name}")), "other"]).printed("");
    is_whole(&dir, "other", "first");
    // A directory of versions as shard wrote it: the server follows the link, and sends a page for
    // the directory that it leads to.
    let web = Web::start(Behind::Files(set("first").into()), |_| Fate::Whole);
    dir.run(&["pull", "-q", &web.url(""), "third"]).printed("");
    is_whole(&dir, "third", "first");
}

#[test]
fn an_answer_that_breaks_off_goes_on_where_it_broke() {
    for (name, fate) in [("cut", Fate::Cut(2_500_000)), ("stalled", Fate::Stall(2_500_000))] {
        let broken = fate.clone();
        let (dir, web) = served(move |asked| match asked.before {
            0 if asked.is("GET", PART) => broken.clone(),
            _ => Fate::Whole,
        });
        let ran = dir.run(&["pull", "--timeout", "0.5", &web.url(""), "near"]);
        assert!(ran.code == 0 && ran.err.contains("attempt 1 of 5 follows"), "{name}: {}", ran.err);
        is_whole(&dir, "near", "first");
        let asked = web.asked();
        let from: Vec<_> = asked.iter().filter(|asked| asked.is("GET", PART)).collect();
        assert_eq!(from.len(), 2, "{name}: {from:?}");
        // What has come and was not read yet is lost with the connection, but no whole piece is.
        assert_eq!(from[0].from, None, "{name}");
        assert!(from[1].from.is_some_and(|from| from > 2 << 20), "{name}: {from:?}");
    }
}

#[test]
fn what_passes_is_tried_again_and_no_more_often_than_said() {
    // Everything fails twice.
    let (dir, web) = served(|asked| match asked.before {
        0 => Fate::Status(503),
        1 => Fate::Cut(1),
        _ => Fate::Whole,
    });
    let ran = dir.run(&["pull", &web.url(""), "near"]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    is_whole(&dir, "near", "first");
    // Progress that is smaller than a piece counts as none.
    for fate in [Fate::Status(503), Fate::Status(429), Fate::Cut(0), Fate::Cut(1000)] {
        let (name, broken) = (format!("{fate:?}"), fate);
        let (dir, web) = served(move |asked| match asked.is("GET", PART) {
            true => broken.clone(),
            false => Fate::Whole,
        });
        let ran = dir.run(&["pull", "--retries", "2", &web.url(""), "near"]);
        assert!(ran.code == 4, "{name}: {}", ran.err);
        let last = ran.err.lines().last().unwrap();
        assert!(last.contains(PART) && last.contains("failed after 3 attempts"), "{name}: {last}");
        assert_eq!(counts(&web.asked())[PART], 3, "{name}");
        is_empty(&dir, "near");
    }
    // What does not pass is not tried again.
    for status in [400, 401, 403, 404] {
        let (dir, web) = served(move |asked| match asked.is("GET", PART) {
            true => Fate::Status(status),
            false => Fate::Whole,
        });
        let ran = dir.run(&["pull", &web.url(""), "near"]);
        assert!(ran.code == 4 && ran.err.contains(PART), "{status}: {}", ran.err);
        assert_eq!(counts(&web.asked())[PART], 1, "{status}: {}", ran.err);
        is_empty(&dir, "near");
    }
}

#[test]
fn wrong_bytes_are_fetched_again_and_never_kept() {
    let (dir, web) = served(|asked| match asked.before {
        0 if asked.is("GET", PART) => Fate::Wrong(2_600_000),
        _ => Fate::Whole,
    });
    let ran = dir.run(&["pull", &web.url(""), "near"]);
    assert!(ran.code == 0 && ran.err.contains("removed and fetched again"), "{}", ran.err);
    is_whole(&dir, "near", "first");
    let (dir, web) = served(|asked| match asked.is("GET", PART) {
        true => Fate::Wrong(5),
        false => Fate::Whole,
    });
    let ran = dir.run(&["pull", "--jobs", "1", &web.url(""), "near"]);
    assert!(ran.code == 3 && ran.err.contains("3 times"), "{}", ran.err);
    assert_eq!(counts(&web.asked())[PART], 3);
    is_empty(&dir, "near");
    // Once the server is well again, what was right is not fetched again.
    let kept = names_in(&dir.path("near/.pull")).len() - 1;
    let web = Web::start(Behind::Files(dir.path("far")), |_| Fate::Whole);
    dir.run(&["pull", "-q", &web.url(""), "near"]).printed("");
    is_whole(&dir, "near", "first");
    let parts = web.asked().iter().filter(|asked| asked.path.ends_with(".grv")).count();
    assert_eq!(parts, 3 - kept);
}

#[test]
fn a_server_without_ranges_sends_all_again() {
    let (dir, web) = served(|asked| match asked.before {
        0 if asked.is("GET", PART) => Fate::Cut(1_000_000),
        _ => Fate::NoRanges,
    });
    let ran = dir.run(&["pull", &web.url(""), "near"]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    is_whole(&dir, "near", "first");
}

#[test]
fn another_version_that_comes_meanwhile_is_pulled_instead() {
    let dir = Sandbox::new();
    push(&dir, "first");
    let (far, new) = (dir.path("far"), name_of("second", 2));
    let (old, second) = (dir.path("far/versions").join(name_of("first", 1)), set("second"));
    // When the first shard is asked for, the version goes, and another one comes.
    let web = Web::start(Behind::Files(far.clone()), move |asked| {
        if asked.path.ends_with(".grv") && old.exists() {
            let far = far.to_str().unwrap();
            let push = ["push", "-q", "--unconditional", &second, far];
            let ran = std::process::Command::new(env!("CARGO_BIN_EXE_graven")).args(push).status();
            assert!(ran.unwrap().success());
            fs::rename(&old, old.with_extension("gone")).unwrap();
        }
        Fate::Whole
    });
    let ran = dir.run(&["pull", "--jobs", "1", &web.url(""), "near"]);
    assert!(ran.code == 0 && ran.err.contains("another version became current"), "{}", ran.err);
    is_whole(&dir, "near", "second");
    assert_eq!(names_in(&dir.path("near/versions")), [new]);
}

/// Bytes in the files of a directory.
fn come(directory: &Path) -> usize {
    let Ok(entries) = fs::read_dir(directory) else { return 0 };
    let len = |entry: std::io::Result<fs::DirEntry>| Some(entry.ok()?.metadata().ok()?.len());
    entries.filter_map(len).sum::<u64>() as usize
}

/// Kills pulls with SIGKILL at ever other moments. Each one goes on where the one before was, and
/// the version that was current answers all the time.
#[test]
fn a_killed_pull_goes_on() {
    const PIECE: usize = 2 << 20;
    let (dir, web) = served(|asked| match asked.path.ends_with(".grv") {
        true => Fate::Slow(Duration::from_millis(60)),
        false => Fate::Whole,
    });
    dir.write("few", "a\t1\n");
    dir.run(&["build", "-q", "few.grv", "few"]).printed("");
    dir.run(&["shard", "-q", "few.grv", "near"]).printed("");
    let url = web.url(&format!("versions/{}", name_of("first", 1)));
    // About so many pieces are on the disk before a run dies.
    for pieces in [0, 1, 2, 3] {
        let more = RandomState::new().hash_one(pieces) as usize % 100;
        let pull = ["pull", "-q", &url, "near"];
        let mut child = dir.command(&pull).stdout(Stdio::null()).spawn().unwrap();
        while come(&dir.path("near/.pull")) < pieces * PIECE && child.try_wait().unwrap().is_none()
        {
            thread::sleep(Duration::from_millis(1));
        }
        thread::sleep(Duration::from_millis(more as u64));
        child.kill().unwrap();
        assert!(!child.wait().unwrap().success(), "{pieces}: the run was faster");
        dir.run(&["get", "near", "a"]).printed("1");
        dir.run(&["verify", "near"]).printed("");
    }
    dir.run(&["pull", "-q", &url, "near", "--keep", "1", "--min-age", "0"]).printed("");
    is_whole(&dir, "near", "first");
    assert_eq!(names_in(&dir.path("near/versions")), [name_of("first", 1)]);
    // Where a run went on, it began at a whole piece.
    let asked = web.asked();
    let later: Vec<_> = asked.iter().filter_map(|asked| asked.from).collect();
    assert!(later.iter().all(|from| *from > 0 && from % PIECE == 0), "{later:?}");
    assert!(!later.is_empty(), "no run went on: {asked:?}");
}
