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
    dir.run(&["publish", "--dir", "d", "--rollback"]).failed(4, "d: ", &["no version"]);
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
    dir.run(&["publish", "--dir", "d", "--rollback"]).failed(4, "d: ", &["no version"]);
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
