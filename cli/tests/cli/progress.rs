//! A progress bar belongs on a terminal and nowhere else, and short work has none.

use crate::tool::Sandbox;
use std::fs::File;
use std::process::Command;
use std::thread;
use std::time::Duration;

/// What a terminal shows of a build whose input takes this many seconds to come.
fn terminal(dir: &Sandbox, seconds: &str, options: &str) -> Option<String> {
    let binary = env!("CARGO_BIN_EXE_graven");
    let line = format!("(echo; sleep {seconds}) | tr '\\n' '\\t' | '{binary}' build {options} t");
    let ran = Command::new("script")
        .args(["-qec", &line, "/dev/null"])
        .current_dir(dir.path(""))
        .env("TERM", "xterm")
        .output()
        .ok()?;
    assert!(ran.status.success(), "{}", ran.stdout.escape_ascii());
    Some(String::from_utf8(ran.stdout).unwrap())
}

#[test]
#[cfg_attr(not(target_os = "linux"), ignore = "script(1) takes other arguments")]
fn a_bar_is_shown_on_a_terminal_when_work_lasts() {
    let dir = Sandbox::new();
    let Some(shown) = terminal(&dir, "2", "") else {
        return eprintln!("skipped: no script(1) on this system");
    };
    assert!(shown.contains("reading"), "{shown:?}");
    assert!(shown.contains("t: 1 entry, 1 key,"), "{shown:?}");
    let shown = terminal(&dir, "0.5", "").unwrap();
    assert!(!shown.contains("reading") && shown.contains("t: 1 entry, 1 key,"), "{shown:?}");
    assert_eq!(terminal(&dir, "2", "--quiet").unwrap(), "");
}

#[test]
fn work_that_shows_no_progress_says_what_it_is() {
    let dir = Sandbox::new();
    dir.write("in", "a\t1\n");
    // Publishing is one step for the bar. It lasts while another process has the lock.
    let lock = File::create(dir.path(".t.lock")).unwrap();
    lock.lock().unwrap();
    let ran = thread::scope(|scope| {
        scope.spawn(move || {
            thread::sleep(Duration::from_millis(2500));
            drop(lock);
        });
        dir.typed(&["build", "t", "in"], b"")
    });
    assert!(ran.err.contains("syncing") && ran.err.contains("to the disk"), "{:?}", ran.err);
    assert!(!ran.err.contains("left"), "{:?}", ran.err);
    assert!(ran.err.ends_with("per entry, without a hash index\n"), "{:?}", ran.err);
}

#[test]
fn a_terminal_that_is_read_is_said_to_be() {
    let dir = Sandbox::new();
    dir.table("t", "a\t1\nk\t2\n");
    let ran = dir.typed(&["build", "u"], b"a\t1\n\x04");
    assert!(ran.err.contains("reading entries") && ran.err.contains("Ctrl-D"), "{:?}", ran.err);
    assert_eq!(ran.code, 0, "{:?}", ran.err);
    dir.run(&["get", "u", "a"]).printed("1");
    let ran = dir.typed(&["mget", "t"], b"a\n\x04");
    assert!(ran.err.contains("reading keys") && ran.err.contains("Ctrl-D"), "{:?}", ran.err);
    assert_eq!((ran.code, &ran.out[..]), (0, &b"a\t1\n"[..]));
    // Not where nothing is read from it.
    dir.write("in", "a\t1\n");
    let ran = dir.typed(&["build", "u", "in"], b"");
    assert!(!ran.err.contains("Ctrl-D"), "{:?}", ran.err);
    let ran = dir.typed(&["build", "--quiet", "u"], b"a\t1\n\x04");
    assert!(!ran.err.contains("Ctrl-D"), "{:?}", ran.err);
}
