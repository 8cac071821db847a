//! Guards against a guide that tells its readers something that does not work. The commands of
//! every `docs/from-*.md`, of `docs/packed.md`, `docs/sets.md` and `docs/remote.md` are run as they stand there, block
//! by block in a directory of their own, and the `text` block behind a block of commands is what they
//! print. The tests of the Python package run from-pickle.md.
//!
//! What needs a program that is not installed is skipped with a printed line.
#![cfg(unix)]

use std::env;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The programs in the guides that not every machine has.
const TOOLS: [&str; 7] = ["cdb", "mdb_dump", "mdb_load", "ldb", "sst_dump", "sparkey", "python3"];

/// Commands, and what they print.
#[derive(Debug, PartialEq)]
struct Block {
    line: usize,
    commands: String,
    printed: Option<String>,
}

/// The blocks of commands in a guide.
fn blocks(guide: &str) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    let mut lines = guide.lines().zip(1..);
    let mut behind_commands = false;
    while let Some((line, number)) = lines.next() {
        let Some(language) = line.strip_prefix("```") else {
            behind_commands = false;
            continue;
        };
        let inside = lines.by_ref().map(|(line, _)| line).take_while(|line| *line != "```");
        let text = inside.map(|line| format!("{line}\n")).collect::<String>();
        match language {
            "sh" => blocks.push(Block { line: number, commands: text, printed: None }),
            "text" if behind_commands => blocks.last_mut().unwrap().printed = Some(text),
            // A picture, of files for example.
            "" => {}
            _ => panic!("line {number}: a block that no test reads"),
        }
        behind_commands = language == "sh";
    }
    blocks
}

/// The programs of a block that are not installed.
fn missing(commands: &str) -> Vec<&'static str> {
    let words: Vec<_> =
        commands.split(|char: char| !(char.is_alphanumeric() || "_.-".contains(char))).collect();
    let installed = |tool: &str| {
        let paths = env::var_os("PATH").unwrap_or_default();
        env::split_paths(&paths).any(|directory| directory.join(tool).is_file())
    };
    TOOLS.into_iter().filter(|tool| words.contains(tool) && !installed(tool)).collect()
}

/// Runs a guide whose blocks need each other, unless a program is missing.
fn run_whole(name: &str) {
    let guide = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs").join(name);
    let missing = missing(&fs::read_to_string(guide).unwrap());
    if missing.is_empty() {
        run(name, |_| {});
    } else {
        eprintln!("skipped: {name}: not installed: {missing:?}");
    }
}

/// Runs the guide of this name. Gives the number of blocks that ran.
fn run(name: &str, prepare: impl Fn(&Path)) -> usize {
    let guide = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs").join(name);
    let blocks = blocks(&fs::read_to_string(guide).unwrap());
    assert!(blocks.len() >= 2, "{name}: {} blocks", blocks.len());
    let directory = tempfile::tempdir().unwrap();
    let programs = directory.path().join("programs");
    fs::create_dir(&programs).unwrap();
    symlink(env!("CARGO_BIN_EXE_graven"), programs.join("graven")).unwrap();
    let old = env::var_os("PATH").unwrap_or_default();
    let path: Vec<PathBuf> = [programs].into_iter().chain(env::split_paths(&old)).collect();
    prepare(directory.path());
    let mut ran = 0;
    for Block { line, commands, printed } in blocks {
        let missing = missing(&commands);
        if !missing.is_empty() {
            eprintln!("skipped: {name}, line {line}: not installed: {missing:?}");
            continue;
        }
        let mut bash = Command::new("bash");
        bash.args(["-euo", "pipefail", "-c", &commands]).current_dir(directory.path());
        let output = bash.env("PATH", env::join_paths(&path).unwrap()).output().unwrap();
        let err = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{name}, line {line}: {err}");
        if let Some(printed) = printed {
            // A value without an LF at its end ends its block all the same.
            let got = String::from_utf8(output.stdout).unwrap();
            assert_eq!(got.trim_end(), printed.trim_end(), "{name}, line {line}");
        }
        ran += 1;
    }
    ran
}

#[test]
fn from_cdb() {
    run_whole("from-cdb.md");
}

#[test]
fn from_lmdb() {
    run_whole("from-lmdb.md");
}

#[test]
fn packed_tables() {
    run_whole("packed.md");
}

#[test]
fn from_rocksdb() {
    run_whole("from-rocksdb.md");
}

#[test]
fn from_sparkey() {
    // A log like the one that the guide makes, for machines without `sparkey`. A number before a key
    // is its length and one more, or zero for a delete.
    let entries = [
        &b"\x06\x04apple1.20"[..],
        b"\x05\x04plum5.00",
        b"\x05\x04pear0.80",
        b"\x00\x04plum",
        b"\x00\x04pear",
        b"\x05\x04pear0.90",
        b"\x06\x04apple1.10",
    ];
    let entries = entries.concat();
    let (puts, deletes, end) = (5u64, 2, 84 + entries.len() as u64);
    let mut log = Vec::new();
    for word in [0x49B3_9C95u32, 1, 0, 0] {
        log.extend_from_slice(&word.to_le_bytes());
    }
    for word in [puts, deletes, end, 5, 4, 12] {
        log.extend_from_slice(&word.to_le_bytes());
    }
    log.resize(84, 0);
    log.extend_from_slice(&entries);
    // The text of the log comes first in the guide and needs no program.
    assert!(run("from-sparkey.md", |path| fs::write(path.join("prices.spl"), &log).unwrap()) >= 1);
}

#[cfg(feature = "remote")]
#[test]
fn remote() {
    assert_eq!(run("remote.md", |_| {}), 4);
}

#[test]
fn sets() {
    assert_eq!(run("sets.md", |_| {}), 3);
}

#[test]
fn every_guide_has_a_test() {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs");
    let names = fs::read_dir(docs).unwrap().map(|entry| entry.unwrap().file_name());
    let mut names: Vec<_> = names.filter_map(|name| name.into_string().ok()).collect();
    // from-pickle.md is in Python: bindings/python/tests/test_guides.py runs it.
    names.retain(|name| name.starts_with("from-") && name != "from-pickle.md");
    names.sort();
    assert_eq!(names, ["from-cdb.md", "from-lmdb.md", "from-rocksdb.md", "from-sparkey.md"]);
}

#[test]
fn blocks_and_what_they_print() {
    let guide = "a\n\n```sh\nb\nc\n```\n```text\nd\n```\n\n```sh\ne\n```\n";
    let block = |line, commands: &str, printed: Option<&str>| Block {
        line,
        commands: commands.into(),
        printed: printed.map(Into::into),
    };
    assert_eq!(blocks(guide), [block(3, "b\nc\n", Some("d\n")), block(11, "e\n", None)]);
}
