//! `mget --missing` as a coprocess: every asked key gets exactly one line, and none of them is kept
//! back while the program that asked waits for it. A line that is kept back stalls both sides for
//! good, so a stall shows as a test that does not end.

use crate::tool::Sandbox;
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};

/// 10,000 keys, in an order in which no two kinds form a run, and the answers to them: present,
/// absent, with escapes, present with an empty value, and the empty key.
fn questions(dir: &Sandbox) -> (Vec<String>, Vec<String>) {
    let mut tsv = String::from("\tvalue of the empty key\n");
    for i in 0..2_500 {
        tsv += &format!("key {i}\tvalue {i}\n");
        tsv += &format!("a\\tb\\n{i}\\\\\tc\\r{i}\\0\n");
        tsv += &format!("hollow {i}\t\n");
    }
    dir.table("t", tsv);
    let ask = |i: usize| match (i * 7919 % 10_000) % 9 {
        0 | 1 => (format!("key {}", i / 4), format!("key {0}\tvalue {0}", i / 4)),
        2 | 3 => (format!("absent {i}"), format!("absent {i}\t\\N")),
        4 => (format!("a\\tb\\n{}\\\\", i / 4), format!("a\\tb\\n{0}\\\\\tc\\r{0}\\0", i / 4)),
        5 => (format!("no\\x00{i}"), format!("no\\0{i}\t\\N")),
        6 | 7 => (format!("hollow {}", i / 4), format!("hollow {}\t", i / 4)),
        _ => (String::new(), "\tvalue of the empty key".into()),
    };
    (0..10_000).map(ask).unzip()
}

#[test]
fn a_missing_key_gets_a_line() {
    let dir = Sandbox::new();
    dir.table("t", "a\t1\nempty\t\n\\\\N\tback\\\\slash\n\tnone\nmark\t\\\\N\n");
    let asked = b"x\na\nempty\n\ny\\tz\nmark\n\\\\N\nx";
    let lines =
        "x\t\\N\na\t1\nempty\t\n\tnone\ny\\tz\t\\N\nmark\t\\\\N\n\\\\N\tback\\\\slash\nx\t\\N\n";
    dir.pipe(&["mget", "--missing", "t"], asked).ended(1, lines);
    dir.pipe(&["mget", "t", "--missing", "--values"], asked)
        .ended(1, "\\N\n1\n\nnone\n\\N\n\\\\N\nback\\\\slash\n\\N\n");
    dir.pipe(&["mget", "--missing=", "t"], b"x\na\n").ended(1, "x\t\na\t1\n");
    dir.pipe(&["mget", "--missing=not there", "--values", "t"], b"x\n").ended(1, "not there\n");
    dir.pipe(&["mget", "--missing", "--no-escape", "t"], b"a\\\n").ended(1, "a\\\t\\N\n");
    dir.pipe(&["mget", "--missing", "t"], b"a\nempty\n").printed("a\t1\nempty\t\n");
    dir.pipe(&["mget", "--missing", "t"], b"").printed("");
    // The answers to what comes before a malformed key are there.
    let ran = dir.pipe(&["mget", "--missing", "t"], b"x\n\\q\na\n");
    ran.failed(3, "standard input: ", &["line 2"]);
    assert_eq!(ran.out, b"x\t\\N\n");
}

#[test]
fn a_mark_is_one_field_of_one_line() {
    let dir = Sandbox::new();
    dir.table("t", "a\t1\n");
    for mark in ["--missing=a\nb", "--missing=a\tb", "--missing=\r"] {
        dir.run(&["mget", mark, "t"]).failed(2, "", &["without TAB"]);
    }
    for other in ["-0", "--sep=length", "--sep=newline"] {
        dir.run(&["mget", "--missing", other, "t"]).failed(2, "", &["--missing"]);
    }
    // The mark is shown on a terminal as it is, without what drives the terminal.
    dir.write("in", "x\n");
    let shown = dir.on_terminal_from("in", &["mget", "--missing=\\N\u{1b}", "t"]);
    shown.ended(1, "x\t\\N\\x1b\n");
    let shown = dir.on_terminal_from("in", &["mget", "--missing", "--values", "t"]);
    shown.ended(1, "\\N\n");
}

#[test]
fn an_empty_table_answers_too() {
    let dir = Sandbox::new();
    dir.table("t", "");
    dir.pipe(&["mget", "--missing", "t"], b"a\n\n").ended(1, "a\t\\N\n\t\\N\n");
}

/// Asks in windows: the keys of a window are written at once, then as many answers are read.
fn ask(dir: &Sandbox, windows: impl Iterator<Item = usize>) {
    let (questions, answers) = questions(dir);
    let mut child = dir.command(&["mget", "--missing", "t"]).stdin(Stdio::piped()).spawn().unwrap();
    let mut ask = child.stdin.take().unwrap();
    let mut told = BufReader::new(child.stdout.take().unwrap());
    let mut at = 0;
    for window in windows {
        let end = questions.len().min(at + window);
        ask.write_all((questions[at..end].join("\n") + "\n").as_bytes()).unwrap();
        for expected in &answers[at..end] {
            let mut answer = String::new();
            told.read_line(&mut answer).unwrap();
            assert_eq!(answer.strip_suffix('\n'), Some(&expected[..]));
        }
        at = end;
        if at == questions.len() {
            break;
        }
    }
    assert_eq!(at, questions.len());
    drop(ask);
    assert_eq!(child.wait().unwrap().code(), Some(1));
}

#[test]
fn one_question_one_answer() {
    ask(&Sandbox::new(), std::iter::repeat(1));
}

/// A window may end where a batch ends, one key before, or behind.
#[test]
fn windows_of_every_size_are_answered() {
    ask(&Sandbox::new(), [1024, 1, 1023, 1025, 2, 2048, 1000, 24].into_iter().cycle());
}

#[test]
fn bash_asks_a_coprocess() {
    let dir = Sandbox::new();
    let (questions, answers) = questions(&dir);
    dir.write("questions", questions.join("\n") + "\n");
    let script = r#"
        coproc table { "$0" mget --missing t; }
        while IFS= read -r key; do
            printf '%s\n' "$key" >&"${table[1]}"
            IFS= read -r answer <&"${table[0]}" || exit 9
            printf '%s\n' "$answer"
        done <questions
        exec {table[1]}>&-
        wait "$table_PID"
    "#;
    run(&dir, "bash", &["-c", script, env!("CARGO_BIN_EXE_graven")], &answers);
}

#[test]
fn python_asks_a_subprocess() {
    let dir = Sandbox::new();
    let (questions, answers) = questions(&dir);
    dir.write("questions", questions.join("\n") + "\n");
    let script = r#"
import subprocess, sys
with open("questions", "rb") as file:
    questions = file.read().split(b"\n")[:-1]
table = subprocess.Popen(
    [sys.argv[1], "mget", "--missing", "t"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
for question in questions:
    table.stdin.write(question + b"\n")
    table.stdin.flush()
    sys.stdout.buffer.write(table.stdout.readline())
table.stdin.close()
sys.exit(table.wait())
"#;
    run(&dir, "python3", &["-c", script, env!("CARGO_BIN_EXE_graven")], &answers);
}

/// Runs a client, which writes the answers that it got and ends as the coprocess ended.
fn run(dir: &Sandbox, program: &str, args: &[&str], answers: &[String]) {
    let ran = Command::new(program).args(args).current_dir(dir.path("")).output();
    let Ok(ran) = ran else { return eprintln!("skipped: no {program} on this system") };
    let told = String::from_utf8_lossy(&ran.stderr);
    assert_eq!(ran.status.code(), Some(1), "{told}");
    let told = String::from_utf8(ran.stdout).unwrap();
    assert_eq!(told.lines().count(), answers.len());
    for (told, expected) in told.lines().zip(answers) {
        assert_eq!(told, expected);
    }
}
