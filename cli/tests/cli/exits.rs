//! The exit codes, and the silence that goes with a closed pipe.

use crate::tool::{Ran, Sandbox};
use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::process::Stdio;

/// Every verb that opens a table, as far as its arguments go before the table.
const READERS: [&[&str]; 11] = [
    &["get"],
    &["mget"],
    &["scan"],
    &["scan", "--count"],
    &["stat"],
    &["stat", "--json"],
    &["verify"],
    &["dump"],
    &["warm"],
    &["warm", "--index"],
    &["bench", "--procs", "1", "--seconds", "0.01"],
];

fn read(dir: &Sandbox, verb: &[&str], table: &str) -> Ran {
    let key: &[&str] = if verb == ["get"] { &["key 1"] } else { &[] };
    dir.pipe(&[verb, &[table], key].concat(), b"key 1\n")
}

fn large(dir: &Sandbox) {
    let lines: String = (0..100_000).map(|i| format!("key {i}\tvalue number {i}\n")).collect();
    dir.table("t", lines);
}

#[test]
fn a_good_table_is_verified_in_silence() {
    let dir = Sandbox::new();
    dir.table("t", "key 1\tv\n");
    dir.run(&["verify", "t"]).printed("");
    for verb in READERS {
        let ran = read(&dir, verb, "t");
        assert_eq!((ran.code, &ran.err[..]), (0, ""), "{verb:?}");
    }
}

#[test]
fn wrong_words_are_usage() {
    let dir = Sandbox::new();
    dir.table("t", "a\t1\n");
    dir.run(&[""; 0]).failed(2, "", &["subcommand", "build", "verify"]);
    let lines: [&[&str]; 19] = [
        &["frobnicate"],
        &["--frobnicate"],
        &["build"],
        &["get"],
        &["get", "t"],
        &["get", "--some", "t", "a"],
        &["mget"],
        &["mget", "t", "a"],
        &["scan"],
        &["scan", "t", "--limit", "-1"],
        &["scan", "t", "--limit", "x"],
        &["scan", "t", "--keys", "--values"],
        &["scan", "t", "--keys", "--count"],
        &["scan", "t", "--from"],
        &["stat", "t", "--xml"],
        &["verify"],
        &["verify", "t", "--loud"],
        &["dump", "-o", "xml", "t"],
        &["dump", "t", "u"],
    ];
    for line in lines {
        let ran = dir.run(line);
        ran.failed(2, "", &["graven", " --help"]);
        let verb = line[0];
        if ["build", "get", "mget", "scan", "stat", "verify", "dump"].contains(&verb) {
            ran.failed(2, "", &[&format!("graven {verb} --help")]);
        }
        assert_eq!(ran.out, b"", "{line:?}");
    }
}

#[test]
fn help_and_version_are_fine() {
    let dir = Sandbox::new();
    for line in
        [&["--help"][..], &["help"], &["build", "--help"], &["help", "scan"], &["--version"]]
    {
        let ran = dir.run(line);
        assert_eq!((ran.code, &ran.err[..]), (0, ""), "{line:?}");
        assert!(!ran.out.is_empty(), "{line:?}");
    }
    let version = format!("graven {}\n", env!("CARGO_PKG_VERSION"));
    dir.run(&["-V"]).printed(version);
}

#[test]
fn what_is_no_file_is_io() {
    let dir = Sandbox::new();
    fs::create_dir(dir.path("d")).unwrap();
    let fifo = dir.fifo("f");
    for verb in READERS {
        read(&dir, verb, "none").failed(4, "none: ", &["No such file"]);
        read(&dir, verb, "d").failed(4, "d: ", &["directory", "regular file"]);
        read(&dir, verb, "/dev/null").failed(4, "/dev/null: ", &["regular file"]);
        if fifo {
            // Nobody writes to it: an open that waited would wait for ever.
            read(&dir, verb, "f").failed(4, "f: ", &["regular file"]);
        }
    }
}

#[test]
fn what_is_no_table_is_data() {
    let dir = Sandbox::new();
    dir.table("t", "key 1\tvalue\nkey 2\tvalue\n");
    let table = dir.read("t");
    dir.write("empty", "");
    dir.write("text", "This is a text, and long enough to hold a header.\n".repeat(500));
    dir.write("short", &table[..table.len() - 1]);
    dir.write("shorter", &table[..table.len() / 2]);
    dir.write("longer", [&table[..], b"\0"].concat());
    dir.write("zeros", vec![0; table.len()]);
    for verb in READERS {
        for name in ["empty", "text", "short", "shorter", "longer", "zeros"] {
            let ran = read(&dir, verb, name);
            ran.failed(3, &format!("{name}: "), &[]);
            assert_eq!(ran.out, b"", "{verb:?} {name}");
        }
    }
}

#[test]
fn a_damaged_record_is_data_and_never_printed() {
    let dir = Sandbox::new();
    large(&dir);
    let mut table = dir.read("t");
    let needle = b"value number 77777";
    let at = table.windows(needle.len()).position(|window| window == needle).unwrap();
    table[at + 10] ^= 0x20;
    dir.write("damaged", &table);
    for ran in [
        dir.run(&["verify", "damaged"]),
        dir.run(&["scan", "damaged"]),
        dir.run(&["scan", "--from", "key 77777", "--limit", "1", "damaged"]),
        dir.run(&["dump", "damaged"]),
        dir.run(&["get", "damaged", "key 77777"]),
        dir.run(&["get", "--all", "damaged", "key 77777"]),
        dir.pipe(&["mget", "damaged"], b"key 77777\n"),
    ] {
        ran.failed(3, "damaged: ", &["offset"]);
        let bad = &table[at..at + needle.len()];
        assert!(!ran.out.windows(bad.len()).any(|window| window == bad), "damage was printed");
    }
    // The rest of the table is still there.
    dir.run(&["get", "damaged", "key 1"]).printed("value number 1");
}

#[test]
fn a_full_disk_behind_standard_output_is_io() {
    let dir = Sandbox::new();
    large(&dir);
    if File::options().write(true).open("/dev/full").is_err() {
        return eprintln!("skipped: no /dev/full on this system");
    }
    dir.table("small", "a\t1\n");
    let lines: [&[&str]; 10] = [
        &["get", "t", "key 1"],
        &["get", "--all", "t", "key 1"],
        &["scan", "t"],
        &["scan", "--limit", "1", "t"],
        &["scan", "--count", "t"],
        &["stat", "t"],
        &["stat", "--json", "t"],
        &["dump", "t"],
        &["dump", "small"],
        &["--help"],
    ];
    for line in lines {
        let full = File::options().write(true).open("/dev/full").unwrap();
        let output = dir.command(line).stdout(full).output().unwrap();
        let ran = Ran {
            code: output.status.code().unwrap(),
            out: vec![],
            err: String::from_utf8(output.stderr).unwrap(),
        };
        ran.failed(4, "standard output: ", &["No space left"]);
    }
    // One key, one whole batch, and more than the output's buffer holds.
    for keys in [1, 1024, 100_000] {
        dir.write("keys", "key 1\n".repeat(keys));
        let keys = File::open(dir.path("keys")).unwrap();
        let full = File::options().write(true).open("/dev/full").unwrap();
        let status = dir.command(&["mget", "t"]).stdin(keys).stdout(full).status().unwrap();
        assert_eq!(status.code(), Some(4));
    }
}

#[test]
fn a_closed_pipe_ends_quietly() {
    let dir = Sandbox::new();
    large(&dir);
    for line in [&["scan", "t"][..], &["scan", "--reverse", "t"], &["dump", "t"]] {
        let mut child = dir.command(line).stderr(Stdio::piped()).spawn().unwrap();
        let mut first = String::new();
        let mut out = BufReader::with_capacity(64, child.stdout.take().unwrap());
        out.read_line(&mut first).unwrap();
        drop(out);
        let ended = child.wait_with_output().unwrap();
        assert!(first.starts_with("key "), "{first:?}");
        assert_eq!(String::from_utf8(ended.stderr).unwrap(), "", "{line:?}");
        assert_eq!(ended.status.code(), Some(0), "{line:?}");
    }
}

#[test]
fn a_pipe_closed_from_the_start_ends_quietly() {
    let dir = Sandbox::new();
    large(&dir);
    // The missing key makes no difference: nobody reads the answer.
    let lines: [&[&str]; 6] = [
        &["get", "t", "key 1", "no key"],
        &["scan", "--count", "t"],
        &["scan", "t"],
        &["stat", "t"],
        &["dump", "t"],
        &["--help"],
    ];
    for line in lines {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = dir.command(line).stdout(writer).output().unwrap();
        assert_eq!(String::from_utf8(output.stderr).unwrap(), "", "{line:?}");
        assert_eq!(output.status.code(), Some(0), "{line:?}");
    }
}

#[test]
fn a_message_is_one_line_whatever_the_file_is_called() {
    let dir = Sandbox::new();
    dir.run(&["verify", "two\nlines"]).failed(4, "two\\nlines: ", &[]);
    dir.write("in\n", "broken");
    dir.run(&["build", "t", "in\n"]).failed(3, "in\\n: ", &["line 1"]);
}

#[test]
fn a_closed_standard_output_is_no_success() {
    let dir = Sandbox::new();
    dir.table("t", "a\t1\nk\t2\n");
    for line in [
        "get t a",
        "get t absent",
        "mget t",
        "scan t",
        "scan --count t",
        "stat t",
        "stat --json t",
        "dump t",
        "dump -o raw t",
        "bench t --procs 1 --seconds 0.01",
        "--help",
        "--version",
        "help scan",
        "get --help",
        "publish --dir d --list",
    ] {
        dir.run(&["publish", "--quiet", "--dir", "d", "t"]).printed("");
        dir.shell(&format!("graven {line} >&-")).failed(4, "standard output: ", &["closed"]);
        let ran = dir.shell(&format!("graven {line} 1</dev/null"));
        ran.failed(4, "standard output: ", &["reading only"]);
        // Some programs open /dev/null for reading and writing.
        for null in [">/dev/null", "1<>/dev/null"] {
            let ran = dir.shell(&format!("graven {line} {null}"));
            let code = if line == "get t absent" { 1 } else { 0 };
            assert_eq!(ran.code, code, "{line} {null}: {}", ran.err);
        }
    }
    // These write nothing there.
    for line in ["verify t", "warm --quiet t", "build --quiet u </dev/null", "publish --quiet t v"]
    {
        dir.shell(&format!("graven {line} >&-")).printed("");
    }
}
