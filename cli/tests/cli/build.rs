//! Where entries come from, and what becomes of the path that they go to.

use crate::tool::Sandbox;
use std::fs::{self, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::{MetadataExt, symlink};
use std::thread;

#[test]
fn standard_input_is_read_by_default_and_for_a_dash() {
    let dir = Sandbox::new();
    dir.pipe(&["build", "--quiet", "t"], b"b\t2\na\t1\n").printed("");
    dir.pipe(&["build", "--quiet", "u", "-"], b"b\t2\na\t1\n").printed("");
    dir.run(&["dump", "t"]).printed("a\t1\nb\t2\n");
    assert_eq!(dir.read("t"), dir.read("u"));
}

#[test]
fn several_inputs_are_one() {
    let dir = Sandbox::new();
    dir.write("one", "c\t3\na\t1");
    dir.write("two", "");
    dir.write("three", "d\t4\n");
    let args = ["build", "--quiet", "t", "one", "two", "-", "three"];
    dir.pipe(&args, b"b\t2").printed("");
    dir.run(&["dump", "t"]).printed("a\t1\nb\t2\nc\t3\nd\t4\n");
    dir.run(&["verify", "t"]).printed("");
}

#[test]
fn the_order_of_inputs_decides_between_equal_keys() {
    let dir = Sandbox::new();
    dir.write("one", "k\tone\n");
    dir.write("two", "k\ttwo\n");
    for (dup, expected) in [("first", "two"), ("last", "one")] {
        dir.run(&["build", "--quiet", "--dup", dup, "t", "two", "one"]).printed("");
        dir.run(&["get", "t", "k"]).printed(expected);
    }
}

#[test]
fn a_fifo_is_an_input_like_any_other() {
    let dir = Sandbox::new();
    if !dir.fifo("in") {
        return;
    }
    let path = dir.path("in");
    let writer = thread::spawn(move || {
        let mut fifo = OpenOptions::new().write(true).open(path).unwrap();
        // More than a pipe holds: the reader must go on reading.
        for i in 0..20_000 {
            writeln!(fifo, "{i:05}\tvalue").unwrap();
        }
    });
    dir.run(&["build", "--quiet", "t", "in"]).printed("");
    writer.join().unwrap();
    dir.run(&["scan", "--count", "t"]).printed("20000\n");
}

/// A forgotten OUT makes the first input the output.
#[test]
fn a_file_that_is_no_table_is_never_replaced() {
    let dir = Sandbox::new();
    dir.write("in", "b\t2\na\t1\n");
    dir.write("more", "c\t3\n");
    for args in [&["build", "in", "more"][..], &["build", "in", "in"], &["build", "in"]] {
        dir.pipe(args, b"d\t4\n").failed(4, "in: ", &["no graven table", "OUT"]);
        assert_eq!(dir.read("in"), b"b\t2\na\t1\n");
    }
    // Nor the link that leads to one.
    symlink("in", dir.path("link")).unwrap();
    dir.run(&["build", "link", "more"]).failed(4, "link: ", &["no graven table"]);
    assert_eq!(dir.names(), ["in", "link", "more"]);
    // An empty file holds nothing to lose, and a table that is damaged is replaced by a whole one.
    dir.write("empty", "");
    dir.table("table", "k\told\n");
    dir.write("cut", &dir.read("table")[..100]);
    for out in ["empty", "cut"] {
        dir.run(&["build", "--quiet", out, "in"]).printed("");
        dir.run(&["get", out, "a"]).printed("1");
    }
}

#[test]
fn a_link_is_replaced_and_what_it_leads_to_stays() {
    let dir = Sandbox::new();
    dir.table("old", "k\told\n");
    symlink("old", dir.path("t")).unwrap();
    symlink("nowhere", dir.path("u")).unwrap();
    dir.table("t", "k\tnew\n");
    dir.table("u", "k\tnew\n");
    dir.run(&["get", "t", "k"]).printed("new");
    dir.run(&["get", "u", "k"]).printed("new");
    dir.run(&["get", "old", "k"]).printed("old");
    assert!(fs::symlink_metadata(dir.path("t")).unwrap().is_file());
}

#[test]
fn out_is_replaced_by_another_file() {
    let dir = Sandbox::new();
    dir.table("t", "k\told\n");
    let held = fs::File::open(dir.path("t")).unwrap();
    let (bytes, inode) = (dir.read("t"), held.metadata().unwrap().ino());
    dir.table("t", "k\tnew\n");
    dir.run(&["get", "t", "k"]).printed("new");
    assert_ne!(fs::metadata(dir.path("t")).unwrap().ino(), inode);
    let mut old = Vec::new();
    (&held).read_to_end(&mut old).unwrap();
    assert!(old == bytes, "the replaced file was written to");
}

#[test]
fn no_replace_leaves_what_is_there() {
    let dir = Sandbox::new();
    dir.pipe(&["build", "--quiet", "--no-replace", "t"], b"k\told\n").printed("");
    let before = dir.read("t");
    let ran = dir.pipe(&["build", "--quiet", "--no-replace", "t"], b"k\tnew\n");
    ran.failed(4, "t: ", &["exists", "--no-replace"]);
    assert_eq!(dir.read("t"), before);
    assert_eq!(dir.names(), ["t"]);
}

#[test]
fn nothing_is_published_where_nothing_can_be() {
    let dir = Sandbox::new();
    fs::create_dir(dir.path("d")).unwrap();
    dir.pipe(&["build", "d"], b"a\t1\n").failed(4, "d: ", &["directory"]);
    dir.pipe(&["build", "none/t"], b"a\t1\n").failed(4, "none/t: ", &["No such file"]);
    dir.pipe(&["build", "-"], b"a\t1\n").failed(2, "-: ", &["name a file"]);
    assert_eq!(dir.names(), ["d"]);
}

#[test]
fn an_input_that_cannot_be_read_publishes_nothing() {
    let dir = Sandbox::new();
    fs::create_dir(dir.path("d")).unwrap();
    dir.write("good", "a\t1\n");
    dir.run(&["build", "t", "good", "none"]).failed(4, "none: ", &["No such file"]);
    dir.run(&["build", "t", "good", "d"]).failed(4, "d: ", &["directory"]);
    assert_eq!(dir.names(), ["d", "good"]);
}

#[test]
fn the_summary_is_one_line_on_standard_error() {
    let dir = Sandbox::new();
    let ran = dir.pipe(&["build", "t", "--dup", "keep"], b"a\t1\nb\t2\na\t3\n");
    assert_eq!((ran.code, &ran.out[..]), (0, &b""[..]));
    assert_eq!(ran.err.lines().count(), 1, "{}", ran.err);
    let bytes = format!("{} bytes", dir.read("t").len());
    for word in ["t: ", "3 entries", "2 keys", &bytes] {
        assert!(ran.err.contains(word), "{word:?} is not in {:?}", ran.err);
    }
    dir.pipe(&["build", "t", "--dup", "keep", "--quiet"], b"a\t1\n").printed("");
}
