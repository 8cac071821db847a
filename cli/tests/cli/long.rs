//! Guards against a program that holds what it reads: a value of any length, and input without
//! line ends, must take the memory that was promised. Each run has an address space that what it
//! reads does not fit in.
#![cfg(target_os = "linux")]

use crate::tool::Sandbox;
use std::io::{self, Read};
use std::process::{Command, Stdio};
use std::thread;

const MIB: usize = 1 << 20;
/// Length of the long values.
const LONG: usize = 256 * MIB;
/// KiB of address space. A build with a budget of 16 MiB may take 64 MiB more; the program itself,
/// its libraries and stacks take some tens of MiB of address space, most of which is never memory.
const SPACE: usize = 192 << 10;

struct Limited {
    code: i32,
    err: String,
}

/// Runs the program within [`SPACE`]; what `input` gives is its standard input.
fn limited(dir: &Sandbox, args: &[&str], mut input: impl Read + Send) -> Limited {
    let mut command = Command::new("sh");
    let script = format!("ulimit -c 0; ulimit -v {SPACE}; exec \"$0\" \"$@\"");
    command.args(["-c", &script, env!("CARGO_BIN_EXE_graven")]).args(args);
    command.current_dir(dir.path("")).env("MALLOC_ARENA_MAX", "1");
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let output = thread::scope(|scope| {
        // A program that fails early does not read its input to the end.
        scope.spawn(move || drop(io::copy(&mut input, &mut stdin)));
        child.wait_with_output().unwrap()
    });
    let err = String::from_utf8_lossy(&output.stderr).into_owned();
    Limited { code: output.status.code().unwrap_or(-1), err }
}

impl Limited {
    #[track_caller]
    fn failed(&self, words: &[&str]) {
        assert_eq!(self.code, 3, "{}", self.err);
        for word in words {
            assert!(self.err.contains(word), "{word:?} is not in {:?}", self.err);
        }
    }
}

fn zeros(len: usize) -> impl Read {
    io::repeat(b'v').take(len as u64)
}

/// Builds with 16 MiB, and looks at the end of the value in the table.
#[track_caller]
fn built(dir: &Sandbox, options: &[&str], input: impl Read + Send, end: &[u8]) {
    let args = [&["build", "--quiet", "--no-sync", "--memory", "16M", "--threads", "1"], options];
    let ran = limited(dir, &[&args.concat()[..], &["t"]].concat(), input);
    assert_eq!(ran.code, 0, "{options:?}: {}", ran.err);
    let mut get = dir.command(&["get", "t", "key"]).spawn().unwrap();
    let mut value = get.stdout.take().unwrap();
    let (mut piece, mut len, mut last) = (vec![0; MIB], 0, Vec::new());
    loop {
        let read = value.read(&mut piece).unwrap();
        if read == 0 {
            break;
        }
        len += read;
        last.extend_from_slice(&piece[..read]);
        last.drain(..last.len().saturating_sub(end.len()));
    }
    assert_eq!(len, LONG + end.len(), "{options:?}");
    assert_eq!(last, end, "{options:?}");
    assert!(get.wait().unwrap().success());
}

#[test]
fn a_value_streams_into_the_table() {
    let dir = Sandbox::new();
    let tsv = |end: &'static [u8]| (&b"a\t1\nkey\t"[..]).chain(zeros(LONG)).chain(end);
    built(&dir, &[], tsv(b"end\nz\t2\n"), b"end");
    built(&dir, &["--sorted"], tsv(b"e\\n\\x64\n"), b"e\nd");
    built(&dir, &["--crlf", "strip", "--dup", "last"], tsv(b"\\\\end\r\n"), b"\\end");
    built(&dir, &["--no-escape"], tsv(b"\\end"), b"\\end");
    let lengths = [[3, 0, 0, 0], ((LONG + 3) as u32).to_le_bytes()].concat();
    let raw = (&lengths[..]).chain(&b"key"[..]).chain(zeros(LONG)).chain(&b"end"[..]);
    built(&dir, &["-i", "raw"], raw, b"end");
}

#[test]
fn input_without_line_ends_is_refused_at_once() {
    let dir = Sandbox::new();
    dir.table("old", "a\t1\n");
    let zero = "/dev/zero: no TAB in the first 262140 bytes";
    for (args, words) in [
        (&["build", "t", "/dev/zero"][..], [zero, "line 1"]),
        (&["build", "--sorted", "t", "/dev/zero"], [zero, "line 1"]),
        (&["build", "--no-escape", "t", "/dev/zero"], ["the first 65535 bytes", "line 1"]),
        (&["build", "t"], ["standard input: no TAB", "line 2"]),
        (&["mget", "old"], ["standard input: more than 262140 bytes", "line 2"]),
        (&["mget", "--no-escape", "old"], ["standard input: more than 65535 bytes", "line 2"]),
    ] {
        let first = if args[0] == "mget" { &b"a\n"[..] } else { b"a\t1\n" };
        limited(&dir, args, first.chain(io::repeat(b'x'))).failed(&words);
    }
    // A key line that is no key ends a run even where it ends.
    let long = "x".repeat(262_141);
    let ran = dir.pipe(&["mget", "old"], format!("{long}\na\n").as_bytes());
    ran.failed(3, "standard input: ", &["262140", "line 1"]);
    // The longest one is a key, if all of it is escaped.
    let key = "\\x61".repeat(65_535);
    dir.table("long", format!("{key}\tvalue\n"));
    let ran = dir.pipe(&["mget", "long"], key.as_bytes());
    assert_eq!((ran.code, ran.out.len()), (0, 65_535 + "\tvalue\n".len()));
    dir.pipe(&["mget", "long"], format!("{}\n", &long[..65_536]).as_bytes()).ended(1, "");
    assert_eq!(dir.names(), ["long", "old"]);
}

#[test]
fn a_length_that_is_only_said_takes_no_memory() {
    let dir = Sandbox::new();
    let lengths = [&[1, 0, 0, 0, 0xff, 0xff, 0xff, 0xff][..], b"kvalue"].concat();
    let ran = limited(&dir, &["build", "-i", "raw", "t"], &lengths[..]);
    ran.failed(&["cut short: the lengths say 4294967304 bytes, 14 are there", "entry 1 at byte 0"]);
    let ran = limited(&dir, &["build", "-i", "raw", "t"], (&lengths[..]).chain(zeros(LONG)));
    ran.failed(&["cut short", &format!("{} are there", 14 + LONG), "entry 1 at byte 0"]);
    assert_eq!(dir.names(), [""; 0]);
}

/// What is wrong within a long value, or behind it, is placed as elsewhere.
#[test]
fn lines_are_counted_over_long_values() {
    let dir = Sandbox::new();
    let long = "v".repeat(3 * MIB);
    for (input, words) in [
        (format!("a\t1\nb\t{long}\\q{long}\n"), &["unknown escape \\q", "line 2"][..]),
        (format!("a\t1\nb\t{long}\\x4\n"), &["hexadecimal", "line 2"]),
        (format!("a\t1\nb\t{long}\\"), &["backslash at the end", "line 2"]),
        (format!("a\t1\nb\t{long}\r\n"), &["--crlf strip", "line 2"]),
        (format!("a\t1\nb\t{long}\nc\n"), &["no TAB", "line 3"]),
        (format!("a\t1\nb\t{long}\nb\t{long}\n"), &["\"b\"", "repeated", "line 2 and line 3"]),
        (format!("b\t{long}\\q\n"), &["unknown escape", "line 1"]),
    ] {
        dir.write("in", input);
        dir.run(&["build", "--memory", "1M", "t", "in"]).failed(3, "in: ", words);
    }
    let raw = |key: &[u8], value: &[u8]| {
        let lengths = [(key.len() as u32).to_le_bytes(), (value.len() as u32).to_le_bytes()];
        [&lengths.concat()[..], key, value].concat()
    };
    let entries = [raw(b"b", long.as_bytes()), raw(b"c", b"1"), raw(b"b", b"2")].concat();
    dir.write("in", entries);
    let place = format!("entry 1 at byte 0 and entry 3 at byte {}", 9 + 3 * MIB + 10);
    dir.run(&["build", "-i", "raw", "t", "in"]).failed(3, "in: ", &["\"b\"", &place]);
    assert_eq!(dir.names(), ["in"]);
}

/// Without a word about memory a build keeps within the limits of its process.
#[test]
fn the_default_budget_heeds_the_address_space() {
    let dir = Sandbox::new();
    let lines = (0..1_500_000u64).flat_map(|i| {
        let key = i.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        format!("https://example.org/{key:016x}\tthe value of number {i:020}\n").into_bytes()
    });
    let input: Vec<u8> = lines.collect();
    let ran = limited(&dir, &["build", "--quiet", "--no-sync", "t"], &input[..]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    dir.run(&["scan", "--count", "t"]).printed("1500000\n");
}
