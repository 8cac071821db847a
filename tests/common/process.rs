//! This test binary as other processes, which are told what to do line by line.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

/// The program that test binaries run under, an emulator for example, where the system can't run
/// them itself.
const RUNNER: &str = "GRAVEN_TEST_RUNNER";

/// This test binary in another process.
pub(crate) fn this_program() -> Command {
    let program = std::env::current_exe().expect("the test binary");
    match std::env::var_os(RUNNER) {
        None => Command::new(program),
        Some(runner) => {
            let mut command = Command::new(runner);
            command.arg(program);
            command
        }
    }
}

/// This test binary in another process, running one of its tests as a program of its own.
pub(crate) fn this_binary(test: &str) -> Command {
    let mut command = this_program();
    command.args(arguments(test));
    command
}

/// Arguments that make a test binary run one test and show what it prints.
pub(crate) fn arguments(test: &str) -> [&str; 4] {
    ["--exact", test, "--nocapture", "--test-threads=1"]
}

/// A child process that is told what to do line by line and answers likewise. It dies with its
/// parent's test.
pub(crate) struct Peer {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

/// Marks answers among what the test harness prints.
const MARK: &str = "@answer ";

/// In the child: answers the parent.
pub(crate) fn answer(text: &str) {
    println!("{MARK}{text}");
}

impl Peer {
    pub(crate) fn start(command: &mut Command) -> Self {
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("a child process");
        let input = child.stdin.take().expect("its standard input");
        let output = BufReader::new(child.stdout.take().expect("its standard output"));
        Self { child, input, output }
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Kills it; says how it ended, which may have been before.
    pub(crate) fn kill(mut self) -> ExitStatus {
        self.child.kill().expect("a child of this process");
        self.child.wait().expect("a child of this process")
    }

    /// Sends a line and waits for the answer.
    pub(crate) fn ask(&mut self, line: &str) -> String {
        self.say(line);
        self.answer()
    }

    /// Sends a line that is not answered.
    pub(crate) fn say(&mut self, line: &str) {
        writeln!(self.input, "{line}").expect("the child reads");
        self.input.flush().expect("the child reads");
    }

    /// Waits for an answer.
    pub(crate) fn answer(&mut self) -> String {
        loop {
            let mut line = String::new();
            let n = self.output.read_line(&mut line).expect("the child writes");
            assert!(n > 0, "the child ended without an answer");
            if let Some(at) = line.find(MARK) {
                return line[at + MARK.len()..].trim_end().to_owned();
            }
        }
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // It may have ended by itself; either way nothing is left behind.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// In the child: what the parent has said while the child was at work.
#[derive(Default)]
pub(crate) struct Parent {
    asked: AtomicBool,
    ended: AtomicBool,
}

impl Parent {
    /// Reads lines until the parent closes the child's standard input: the work of a thread.
    pub(crate) fn read_lines(&self) {
        for line in std::io::stdin().lock().lines() {
            let _ = line.expect("the parent writes");
            self.asked.store(true, Relaxed);
        }
        self.ended.store(true, Relaxed);
    }

    /// Whether the child is to go on.
    pub(crate) fn goes_on(&self) -> bool {
        !self.ended.load(Relaxed)
    }

    /// Whether it has sent a line since this was asked last.
    pub(crate) fn has_asked(&self) -> bool {
        self.asked.swap(false, Relaxed)
    }
}
