//! How a run ends: the exit code, and the one line that says why.

use crate::foreign::Foreign;
use crate::{output, terminal};
use graven::{BuildError, ErrorKind, OpenError, OpenFailure, PublishError, ReadError, SetError};
use std::fmt::Display;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// A run that did its work.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Found, fine: exit code 0.
    Fine,
    /// A key that was asked for is not there: exit code 1.
    Missing,
    /// The tables that were compared differ: exit code 1.
    Different,
}

/// A run that ended early.
pub(crate) enum Failure {
    /// The reader of the output has closed the pipe: exit code 0, no message.
    ClosedPipe,
    /// `--help` or `--version`: exit code 0 once it is printed.
    Help(Box<clap::Error>),
    /// Anything else: one line, and the exit code of its kind.
    Failed { kind: ErrorKind, line: String },
    /// A failure whose line was written before. Its kind's exit code remains.
    Reported(ErrorKind),
}

impl Failure {
    /// A failure that concerns no file.
    pub(crate) fn new(kind: ErrorKind, what: impl Display) -> Self {
        Self::Failed { kind, line: what.to_string() }
    }

    /// A failure at a file: `FILE: what, where`.
    pub(crate) fn at(kind: ErrorKind, file: impl Display, what: impl Display) -> Self {
        Self::new(kind, format_args!("{file}: {what}"))
    }

    /// A read or write that the operating system refused.
    pub(crate) fn io(file: impl Display, error: &io::Error) -> Self {
        Self::at(ErrorKind::Io, file, error)
    }

    /// A table that does not open. `path` is as the user gave it.
    pub(crate) fn open(path: &Path, error: &OpenError) -> Self {
        Self::table(path, error.failure())
    }

    /// A set that does not open or answer.
    pub(crate) fn set(error: &SetError) -> Self {
        let kind = error.kind();
        match (error, error.path()) {
            (SetError::Io { action, source, .. }, Some(path)) => {
                Self::at(kind, path.display(), format_args!("could not {action}: {source}"))
            }
            (SetError::Open(error), Some(path)) => Self::open(path, error),
            (SetError::Read(error), Some(path)) => Self::at(kind, path.display(), error.failure()),
            // The other texts begin with the path.
            _ => Self::new(kind, error),
        }
    }

    /// What is wrong with a table.
    fn table(path: &Path, error: &OpenFailure) -> Self {
        let table = path.display();
        if let OpenFailure::NotATable { .. }
        | OpenFailure::TooShort { .. }
        | OpenFailure::NotARegularFile { .. } = error
            && let Some(what) = Foreign::at(path).and_then(|foreign| foreign.no_table(path))
        {
            return Self::at(error.kind(), table, what);
        }
        match error {
            OpenFailure::NotARegularFile { kind } => Self::at(
                error.kind(),
                table,
                format_args!("is a {kind}, which cannot be mapped: use a regular file"),
            ),
            // The library's error text advises callers of the library, not users of the tool.
            OpenFailure::TrailingBytes { expected, got } => Self::at(
                error.kind(),
                table,
                format_args!(
                    "has {got} bytes but its header says {expected}: something was appended; copy \
                     or build the table again"
                ),
            ),
            OpenFailure::AddressSpaceExhausted { needed, limit } => {
                let why = match limit {
                    Some(limit) => {
                        format!("ulimit -v allows {limit} in all: raise the limit, or split it")
                    }
                    None => "there is less: use a 64-bit machine, or split it".into(),
                };
                let what = format_args!("needs {needed} bytes of address space and {why}");
                Self::at(error.kind(), table, what)
            }
            error => Self::at(error.kind(), table, error),
        }
    }

    /// An option whose value the library refuses, in the command line's words.
    fn option(option: &str, got: &str, expected: &str) -> Self {
        let name = match option {
            "value_align" => "--value-align",
            "memory_budget" => "--memory",
            "threads" => "--threads",
            "metadata" => "--meta",
            "mode" => "--mode",
            "directory_mode" => "--dir-mode",
            "max_shrink" => "--max-shrink",
            "range_shards" | "hash_shards" => "--shards",
            other => other,
        };
        // Only build and publish set options, and build has the options of publish, too.
        let what = format_args!("{name} is {got}, expected {expected}; see graven build --help");
        Self::new(ErrorKind::Usage, what)
    }

    /// A table that cannot be built or published, for a reason other than one of its entries.
    pub(crate) fn build(out: &Path, error: &BuildError) -> Self {
        if let BuildError::InvalidOption { option, got, expected } = error {
            return Self::option(option, got, expected);
        }
        // The file at fault may be another one: a file for sorting, or the lock.
        let (path, what) = match error {
            BuildError::Io { action, path, source } => {
                (path.as_path(), format!("could not {action}: {source}"))
            }
            BuildError::OutOfSpace { action, path, written, source } => (
                path.as_path(),
                format!("no space to {action} after {written} bytes ({source}); nothing published"),
            ),
            BuildError::Locked { path, source } if source.kind() == io::ErrorKind::WouldBlock => (
                path.as_path(),
                "locked by another process for a minute; nothing published: end it or try again"
                    .into(),
            ),
            BuildError::Locked { path, source } => {
                (path.as_path(), format!("could not lock: {source}"))
            }
            BuildError::AlreadyExists { .. } => {
                (out, "exists already, and --no-replace was given".into())
            }
            BuildError::NotARegularFile { kind, .. } => {
                (out, format!("is a {kind}, and a table would take its place: choose another path"))
            }
            BuildError::NotATable { .. } => (
                out,
                "is a file but no graven table, and the table would take its place: is OUT the \
                 first argument? If so, remove the file or choose another path"
                    .into(),
            ),
            BuildError::NotReplaceable { path, reason } => (path.as_path(), (*reason).into()),
            BuildError::ReadBack { source, .. } => (
                out,
                format!(
                    "the disk gave back other bytes than were written: {source}; nothing published: \
                     look for a failing disk or memory"
                ),
            ),
            BuildError::PublishedButNotDurable { source, .. } => (
                out,
                format!(
                    "is published and complete, but its directory could not be synced ({source}): \
                     a power loss may bring the old table back"
                ),
            ),
            error => (out, error.to_string()),
        };
        Self::at(error.kind(), path.display(), what)
    }
}

impl Failure {
    /// A table that cannot be published at `target`, a file or a directory of versions.
    pub(crate) fn publish(target: &Path, error: &PublishError) -> Self {
        match error {
            PublishError::Source { path, source } => Self::table(path, source),
            PublishError::Stream { source } => Self::table(Path::new("standard input"), source),
            PublishError::Target(error) => Self::build(target, error),
            PublishError::Set(error) => Self::set(error),
            PublishError::TooFewEntries { entries, min_entries } => Self::at(
                error.kind(),
                target.display(),
                format_args!(
                    "the new table has {}, and --min-entries asks for {min_entries}; nothing \
                     published",
                    counted(*entries, "entry", "entries")
                ),
            ),
            PublishError::Shrunk { entries, current, .. } => {
                let missing = 100.0 * (current - entries) as f64 / *current as f64;
                let what = format_args!(
                    "the new table has {}, {missing:.1} % less than the current {current}, and \
                     --max-shrink allows less; nothing published",
                    counted(*entries, "entry", "entries")
                );
                Self::at(error.kind(), target.display(), what)
            }
            PublishError::Current { path, source } => {
                let what = format_args!(
                    "the current table cannot be compared, it {source}; nothing published: leave \
                     --max-shrink out to replace it"
                );
                Self::at(error.kind(), path.display(), what)
            }
            PublishError::NoVersion { id: Some(id), .. } => {
                let what = format_args!("no version {id}; --list shows what there is");
                Self::at(error.kind(), target.display(), what)
            }
            PublishError::NoOlderVersion { current: Some(current), .. } => {
                let what = format_args!(
                    "no version is older than {current}, which is current; --list shows what there \
                     is, --rollback=VERSION goes to it"
                );
                Self::at(error.kind(), target.display(), what)
            }
            PublishError::NoOlderVersion { current: None, .. } => {
                let what = "CURRENT leads to no version here, so none is older; --list shows what \
                            there is, --rollback=VERSION goes to it";
                Self::at(error.kind(), target.display(), what)
            }
            error => Self::at(error.kind(), target.display(), "no version was published yet"),
        }
    }
}

/// Turns the error of a lookup into a failure that names the table.
pub(crate) fn reading(table: &Path) -> impl Fn(ReadError) -> Failure + Copy + '_ {
    |error| Failure::at(error.kind(), table.display(), error.failure())
}

/// Reports a failure on standard error and gives the exit code.
pub(crate) fn code(result: Result<Outcome, Failure>) -> ExitCode {
    let failure = match result {
        Ok(Outcome::Fine) => return ExitCode::SUCCESS,
        Ok(Outcome::Missing | Outcome::Different) => return ExitCode::from(1),
        Err(Failure::Help(text)) => match help(&text) {
            Ok(()) => return ExitCode::SUCCESS,
            Err(failure) => failure,
        },
        Err(failure) => failure,
    };
    let kind = match failure {
        Failure::Failed { kind, line } => {
            note(line);
            kind
        }
        Failure::Reported(kind) => kind,
        Failure::ClosedPipe | Failure::Help(_) => return ExitCode::SUCCESS,
    };
    ExitCode::from(number(kind))
}

fn number(kind: ErrorKind) -> u8 {
    match kind {
        ErrorKind::Usage => 2,
        ErrorKind::Data => 3,
        _ => 4,
    }
}

/// Does the same for several files, also after one of them failed. Each failure is reported when it
/// comes. What is returned has the highest exit code of all.
pub(crate) fn worst(
    paths: &[PathBuf],
    mut run: impl FnMut(&Path) -> Result<Outcome, Failure>,
) -> Result<Outcome, Failure> {
    let mut worst: Option<ErrorKind> = None;
    for path in paths {
        match run(path) {
            Ok(_) => {}
            Err(Failure::Failed { kind, line }) => {
                note(line);
                worst = worst.into_iter().chain([kind]).max_by_key(|kind| number(*kind));
            }
            // Nobody reads the rest.
            other => return other,
        }
    }
    worst.map_or(Ok(Outcome::Fine), |kind| Err(Failure::Reported(kind)))
}

fn help(text: &clap::Error) -> Result<(), Failure> {
    output::usable()?;
    text.print().and_then(|()| io::stdout().flush()).map_err(|error| output::failure(&error))
}

/// A line on standard error that begins with the program's name.
pub(crate) fn note(what: impl Display) {
    say(format_args!("graven: {what}"));
}

/// A number of things, with the words for one of them and for several.
pub(crate) fn counted(number: u64, one: &str, several: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { several })
}

/// A line on standard error.
pub(crate) fn say(what: impl Display) {
    // If standard error fails, there is nowhere to report it.
    let _ = writeln!(io::stderr(), "{}", single(&what.to_string()));
}

/// The text on one line, with what drives a terminal escaped: paths may hold any byte.
fn single(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for char in text.chars() {
        match char {
            char if terminal::harmful(char) => line.extend(char.escape_default()),
            char => line.push(char),
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::single;

    #[test]
    fn a_message_stays_on_its_line() {
        assert_eq!(single("a\nb\u{1b}[31m: größer"), "a\\nb\\u{1b}[31m: größer");
        assert_eq!(single("\u{9b}1m\u{7f}\u{202e}"), "\\u{9b}1m\\u{7f}\\u{202e}");
    }
}
