//! Runs the binary in a directory of its own, so that messages show short names.

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{OptionalActions, tcgetattr, tcsetattr};
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::thread;

/// A directory that vanishes with the test.
pub(crate) struct Sandbox(tempfile::TempDir);

/// What a run left behind.
#[derive(Debug, PartialEq)]
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) out: Vec<u8>,
    pub(crate) err: String,
}

impl Sandbox {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        fs::write(self.path(name), bytes).unwrap();
    }

    pub(crate) fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap()
    }

    /// Every name in the directory, hidden ones too, in order.
    pub(crate) fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.0.path()).unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    /// The binary, to be given arguments and started in the directory.
    pub(crate) fn command(&self, args: &[impl AsRef<OsStr>]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_graven"));
        command.args(args).current_dir(self.0.path());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Runs the binary on an empty standard input.
    pub(crate) fn run(&self, args: &[impl AsRef<OsStr>]) -> Ran {
        self.pipe(args, b"")
    }

    /// Runs the binary with a standard input.
    pub(crate) fn pipe(&self, args: &[impl AsRef<OsStr>], input: &[u8]) -> Ran {
        let mut child = self.command(args).stdin(Stdio::piped()).spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let output = thread::scope(|scope| {
            // A program that fails early does not read its input to the end.
            scope.spawn(move || drop(stdin.write_all(input)));
            child.wait_with_output().unwrap()
        });
        Ran {
            code: output.status.code().expect("no signal"),
            out: output.stdout,
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// Runs the binary with a terminal as standard output, and gives the bytes that it got.
    pub(crate) fn on_terminal(&self, args: &[impl AsRef<OsStr>]) -> Ran {
        self.shown(self.command(args))
    }

    /// Runs the binary with a terminal as standard output and a file as standard input.
    pub(crate) fn on_terminal_from(&self, name: &str, args: &[impl AsRef<OsStr>]) -> Ran {
        let mut command = self.command(args);
        command.stdin(File::open(self.path(name)).unwrap());
        self.shown(command)
    }

    fn shown(&self, mut command: Command) -> Ran {
        let terminal = Terminal::new();
        let mut child = command.stdout(terminal.program_side()).spawn().unwrap();
        // The command holds the program's side of the terminal, which has to be closed everywhere.
        drop(command);
        let out = terminal.shown();
        let mut err = String::new();
        child.stderr.take().unwrap().read_to_string(&mut err).unwrap();
        Ran { code: child.wait().unwrap().code().expect("no signal"), out, err }
    }

    /// Runs the binary with a terminal as standard input and standard error, and types. What the
    /// terminal shows is the typed text as well.
    pub(crate) fn typed(&self, args: &[impl AsRef<OsStr>], keys: &[u8]) -> Ran {
        let mut terminal = Terminal::new();
        terminal.user_side.write_all(keys).unwrap();
        let mut command = self.command(args);
        // Whatever these tests run in may be no terminal, or a dumb one.
        command.env("TERM", "xterm");
        command.stdin(terminal.program_side()).stderr(terminal.program_side());
        let mut child = command.spawn().unwrap();
        drop(command);
        let err = String::from_utf8(terminal.shown()).unwrap();
        let mut out = Vec::new();
        child.stdout.take().unwrap().read_to_end(&mut out).unwrap();
        Ran { code: child.wait().unwrap().code().expect("no signal"), out, err }
    }

    /// Runs a line of the shell, in which `graven` is the binary.
    pub(crate) fn shell(&self, line: &str) -> Ran {
        let script = format!("graven() {{ '{}' \"$@\"; }}; {line}", env!("CARGO_BIN_EXE_graven"));
        let mut shell = Command::new("sh");
        shell.args(["-c", &script]).current_dir(self.path("")).stdin(Stdio::null());
        shell.output().unwrap().into()
    }

    /// Builds a table from tsv and expects success.
    pub(crate) fn table(&self, name: &str, tsv: impl AsRef<[u8]>) {
        self.pipe(&["build", "--quiet", "--dup", "keep", name], tsv.as_ref()).printed(b"");
    }

    /// Makes a FIFO, or says that the system cannot.
    pub(crate) fn fifo(&self, name: &str) -> bool {
        let made = Command::new("mkfifo").arg(self.path(name)).status();
        let made = made.is_ok_and(|status| status.success());
        if !made {
            eprintln!("skipped: no mkfifo on this system");
        }
        made
    }
}

/// A terminal of its own for a run.
struct Terminal {
    user_side: File,
    program_side: File,
}

impl Terminal {
    fn new() -> Self {
        let user_side = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&user_side).unwrap();
        unlockpt(&user_side).unwrap();
        let name = ptsname(&user_side, Vec::new()).unwrap().into_string().unwrap();
        let program_side = File::options().read(true).write(true).open(name).unwrap();
        // What is written arrives as it is: an LF does not become CR LF.
        let mut modes = tcgetattr(&program_side).unwrap();
        modes.output_modes.remove(rustix::termios::OutputModes::OPOST);
        tcsetattr(&program_side, OptionalActions::Now, &modes).unwrap();
        Self { user_side: user_side.into(), program_side }
    }

    fn program_side(&self) -> File {
        self.program_side.try_clone().unwrap()
    }

    /// Everything that is written to it until the program ends.
    fn shown(self) -> Vec<u8> {
        let Self { mut user_side, program_side } = self;
        drop(program_side);
        let mut shown = Vec::new();
        // When nobody has the other side any more, Linux says EIO.
        let _ = user_side.read_to_end(&mut shown);
        shown
    }
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code().expect("no signal"),
            out: output.stdout,
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

impl Ran {
    /// Exit code 0, nothing on standard error, and exactly this on standard output.
    #[track_caller]
    pub(crate) fn printed(&self, expected: impl AsRef<[u8]>) {
        self.ended(0, expected);
    }

    /// The exit code, nothing on standard error, and exactly this on standard output.
    #[track_caller]
    pub(crate) fn ended(&self, code: i32, expected: impl AsRef<[u8]>) {
        assert_eq!(self.err, "", "exit code {}", self.code);
        let (out, expected) = (self.out.escape_ascii(), expected.as_ref().escape_ascii());
        assert_eq!(out.to_string(), expected.to_string());
        assert_eq!(self.code, code);
    }

    /// The exit code, exactly this on standard output, and on standard error that these keys are
    /// missing in the table.
    #[track_caller]
    pub(crate) fn lacked(&self, table: &str, keys: &[&str], expected: impl AsRef<[u8]>) {
        let line = |key: &&str| format!("graven: {table}: no key \"{key}\"\n");
        assert_eq!(self.err, keys.iter().map(line).collect::<String>());
        let (out, expected) = (self.out.escape_ascii(), expected.as_ref().escape_ascii());
        assert_eq!(out.to_string(), expected.to_string());
        assert_eq!(self.code, 1);
    }

    /// The exit code, and one line on standard error that starts with the program's name and
    /// what it is about, says that once, and holds all these words.
    #[track_caller]
    pub(crate) fn failed(&self, code: i32, about: &str, words: &[&str]) {
        assert_eq!(self.code, code, "{}", self.err);
        let start = format!("graven: {about}");
        assert!(self.err.starts_with(&start), "{start:?} does not start {:?}", self.err);
        assert!(self.err.ends_with('\n'), "{:?}", self.err);
        assert_eq!(self.err.lines().count(), 1, "{:?}", self.err);
        for word in words {
            assert!(self.err.contains(word), "{word:?} is not in {:?}", self.err);
        }
        // The library's errors name their file, too: the line names it once.
        if about.ends_with(": ") {
            let named = self.err.matches(&format!(": {about}")).count();
            assert_eq!(named, 1, "{about:?} in {:?}", self.err);
        }
    }
}

/// Whether one of these programs is not installed. The test then says so and skips.
pub(crate) fn lacks(programs: &[&str]) -> bool {
    let missing = programs.iter().find(|program| {
        let mut sh = Command::new("sh");
        let found = sh.args(["-c", &format!("command -v {program} >/dev/null")]);
        !found.status().unwrap().success()
    });
    if let Some(program) = missing {
        eprintln!("skipped: no {program} on this system");
    }
    missing.is_some()
}

/// Bytes as an argument.
pub(crate) fn os(bytes: &[u8]) -> &OsStr {
    OsStr::from_bytes(bytes)
}
