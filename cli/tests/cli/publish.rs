//! `publish`: what it prints, and how it ends.

use crate::tool::Sandbox;

fn tables() -> Sandbox {
    let dir = Sandbox::new();
    dir.table("one", "k\t1\n");
    dir.table("two", "k\t2\n");
    dir
}

fn ids(dir: &Sandbox) -> Vec<(String, String)> {
    let list = String::from_utf8(dir.run(&["publish", "--dir", "d", "--list"]).out).unwrap();
    let row = |line: &str| {
        let fields: Vec<_> = line.split('\t').map(str::to_owned).collect();
        assert_eq!(fields.len(), 3, "{line}");
        (fields[0].clone(), fields[2].clone())
    };
    list.lines().map(row).collect()
}

#[test]
fn a_table_is_copied_over_another() {
    let dir = tables();
    dir.run(&["publish", "--quiet", "one", "t"]).printed("");
    let ran = dir.run(&["publish", "two", "t"]);
    assert_eq!((ran.code, ran.err.contains("t: ")), (0, true), "{}", ran.err);
    assert_eq!(dir.read("t"), dir.read("two"));
    dir.run(&["publish", "--no-replace", "one", "t"]).failed(4, "t: ", &["exists"]);
    dir.run(&["get", "t", "k"]).printed("2");
    dir.run(&["publish", "none", "t"]).failed(4, "none: ", &["No such file"]);
    dir.write("damaged", &dir.read("one")[..500]);
    dir.run(&["publish", "damaged", "t"]).failed(3, "damaged: ", &["cut off"]);
    dir.write("notes", "these are notes");
    dir.run(&["publish", "one", "notes"]).failed(4, "notes: ", &["no graven table"]);
    assert_eq!(dir.names(), ["damaged", "notes", "one", "t", "two"]);
}

#[test]
fn versions_come_and_go() {
    let dir = tables();
    dir.run(&["publish", "--dir", "d", "--list"]).printed("");
    let none = "no version was published yet";
    dir.run(&["publish", "--dir", "d", "--rollback"]).failed(4, "d: ", &[none]);
    for table in ["one", "two", "one"] {
        dir.run(&["publish", "--quiet", "--dir", "d", table]).printed("");
        assert_eq!(dir.read("d/CURRENT"), dir.read(table));
    }
    let before = ids(&dir);
    let states: Vec<&str> = before.iter().map(|(_, state)| &state[..]).collect();
    assert_eq!(states, ["kept", "kept", "current"]);
    dir.run(&["publish", "--quiet", "--dir", "d", "--rollback"]).printed("");
    dir.run(&["get", "d/CURRENT", "k"]).printed("2");
    let back = format!("--rollback={}", before[0].0);
    let ran = dir.run(&["publish", "--dir", "d", &back]);
    assert!(ran.code == 0 && ran.err.contains(&before[0].0), "{}", ran.err);
    dir.run(&["get", "d/CURRENT", "k"]).printed("1");
    let none = format!("no version is older than {}, which is current", before[0].0);
    dir.run(&["publish", "--dir", "d", "--rollback"]).failed(4, "d: ", &[&none, "--list"]);
    dir.run(&["publish", "--dir", "d", "--rollback=x"]).failed(4, "d: ", &["no version x"]);
    // All were current within the last minute; at once they may go.
    dir.run(&["publish", "--quiet", "--dir", "d", "--keep", "1", "two"]).printed("");
    assert_eq!(ids(&dir).len(), 4);
    let ran = dir.run(&["publish", "--dir", "d", "--keep", "2", "--min-age", "0", "one"]);
    assert_eq!((ran.code, ran.err.matches("removed").count()), (0, 3), "{}", ran.err);
    assert_eq!(ids(&dir).len(), 2);
}

#[test]
fn wrong_words_are_usage() {
    let dir = tables();
    let lines: [&[&str]; 9] = [
        &["publish"],
        &["publish", "one"],
        &["publish", "one", "two", "three"],
        &["publish", "--dir", "d"],
        &["publish", "--dir", "d", "one", "two"],
        &["publish", "--list"],
        &["publish", "--rollback", "one", "t"],
        &["publish", "--dir", "d", "--list", "one"],
        &["publish", "--dir", "d", "--keep", "0", "one"],
    ];
    for line in lines {
        dir.run(line).failed(2, "", &["graven publish --help"]);
    }
    assert_eq!(dir.names(), ["one", "two"]);
}

#[test]
fn a_table_comes_from_standard_input() {
    let dir = tables();
    let (one, two) = (dir.read("one"), dir.read("two"));
    dir.pipe(&["publish", "--quiet", "-", "t"], &one).printed("");
    assert_eq!(dir.read("t"), one);
    dir.pipe(&["publish", "--quiet", "--dir", "d", "-"], &two).printed("");
    assert_eq!(dir.read("d/CURRENT"), two);
    dir.shell("gzip -c two | gzip -dc | graven publish --quiet - t").printed("");
    assert_eq!(dir.read("t"), two);
    for (bytes, words) in [
        (&b""[..], "0 bytes"),
        (&one[..one.len() - 1], "cut off"),
        (b"key\tvalue\n", "no graven table"),
        (&[&one[..], b"\n"].concat(), "appended"),
    ] {
        for to in [&["t"][..], &["--dir", "d"]] {
            let ran = dir.pipe(&[&["publish", "-"], to].concat(), bytes);
            ran.failed(3, "standard input: ", &[words]);
        }
    }
    assert_eq!((dir.read("t"), dir.read("d/CURRENT")), (two.clone(), two));
    assert_eq!(ids(&dir).len(), 1);
    dir.shell("graven publish - t <&-").failed(4, "standard input: ", &["is closed"]);
    let ran = dir.typed(&["publish", "-", "t"], b"");
    assert!(ran.code == 4 && ran.err.contains("standard input: is a terminal"), "{}", ran.err);
    assert_eq!(dir.names(), ["d", "one", "t", "two"]);
}

#[test]
fn guards_refuse_what_lost_its_input() {
    let dir = Sandbox::new();
    let lines = |n: usize| (0..n).map(|i| format!("{i:05}\t{i}\n")).collect::<String>();
    dir.table("large", lines(1000));
    dir.table("small", lines(800));
    dir.write("in", lines(800));
    dir.write("full", lines(901));
    for to in [&["t"][..], &["--dir", "d"]] {
        let publish = |options: &[&str], source: &str| {
            dir.run(&[&["publish", "--quiet"], options, &[source], to].concat())
        };
        publish(&["--min-entries", "1000", "--max-shrink", "0%"], "large").printed("");
        let about = format!("{}: the new table has 800 entries", to[to.len() - 1]);
        publish(&["--min-entries", "801"], "small").failed(3, &about, &["asks for 801"]);
        publish(&["--max-shrink", "10%"], "small").failed(
            3,
            &about,
            &["20.0 % less", "1000", "nothing published"],
        );
        let current = if to.len() == 1 { "t" } else { "d/CURRENT" };
        assert_eq!(dir.read(current), dir.read("large"));
    }
    // A build of a version asks the same, and leaves nothing of what it has built.
    let build = |options: &[&str], input: &str| {
        dir.run(&[&["build", "--quiet", "--dir", "d"], options, &[input]].concat())
    };
    build(&["--max-shrink", "10%"], "in").failed(
        3,
        "d: the new table has 800 entries",
        &["20.0 %"],
    );
    build(&["--min-entries", "801"], "in").failed(3, "d: the new table has 800", &["801"]);
    assert_eq!(ids(&dir).len(), 1);
    build(&["--max-shrink", "10%"], "full").printed("");
    assert_eq!(ids(&dir).len(), 2);
    build(&["--max-shrink", "10"], "full").failed(2, "", &["percentage"]);
    for option in ["--min-entries=1", "--max-shrink=1%", "--keep=2", "--dir-mode=2775"] {
        dir.run(&["build", option, "t", "in"]).failed(2, "", &["--dir"]);
    }
    dir.run(&["publish", "--dir", "d", "--list", "--min-entries", "1"]).failed(2, "", &["--list"]);
}

#[test]
fn a_version_is_built_where_it_stays() {
    let dir = Sandbox::new();
    dir.write("in", "b\t2\n");
    dir.write("more", "a\t1\n");
    let ran = dir.run(&["build", "--dir", "d", "in", "more"]);
    assert_eq!((ran.code, ran.err.contains("is current")), (0, true), "{}", ran.err);
    dir.table("t", "a\t1\nb\t2\n");
    assert_eq!(dir.read("d/CURRENT"), dir.read("t"));
    dir.pipe(&["build", "--quiet", "--dir", "d"], b"c\t3\n").printed("");
    dir.run(&["get", "d", "c"]).printed("3");
    dir.run(&["publish", "--quiet", "--dir", "d", "--rollback"]).printed("");
    dir.run(&["get", "d", "a"]).printed("1");
    // Failures leave nothing, and the current version stays.
    let before = ids(&dir);
    dir.pipe(&["build", "--dir", "d"], b"a\t1\na\t2\n").failed(
        3,
        "standard input: ",
        &["repeated"],
    );
    dir.run(&["build", "--dir", "d", "gone"]).failed(4, "gone: ", &["No such file"]);
    dir.write("in.xz", b"\xfd7zXZ\0\0\0");
    dir.run(&["build", "--dir", "d", "in.xz"]).failed(3, "in.xz: ", &["graven build --dir d"]);
    dir.run(&["build", "--no-replace", "--dir", "d", "in"]).failed(4, "d: ", &["exists"]);
    assert_eq!(ids(&dir), before);
    let kept = dir.read("d/CURRENT");
    assert_eq!(kept, dir.read("t"));
    let args = ["build", "-q", "--dir", "d", "--keep", "1", "--min-age", "0", "in"];
    dir.run(&args).printed("");
    assert_eq!(ids(&dir).len(), 1);
    dir.run(&["build", "--dir", "d", "-o", "t", "in"]).failed(2, "", &["--dir"]);
}
