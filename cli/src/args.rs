//! The command line: its verbs, its options and their texts. Nothing here does any work.

mod access;
mod advice;
mod build;
mod check;
mod fields;
mod find;
mod inspect;
mod merge;
mod packing;
mod read;
#[cfg(feature = "remote")]
mod remote;
mod resources;
mod serve;
mod shard;
mod texts;
pub(crate) mod values;
mod versions;

use crate::exit::Failure;
pub(crate) use build::Build;
pub(crate) use check::{Stat, Verify};
use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};
pub(crate) use fields::{Bare, KeyForm, Separator, base64, unescape};
pub(crate) use find::{Near, Sample, Split};
use graven::ErrorKind;
pub(crate) use inspect::Inspect;
pub(crate) use merge::{Diff, Merge, Policy, Salvage};
pub(crate) use read::{Dump, Get, Mget, Scan};
#[cfg(feature = "remote")]
pub(crate) use remote::{Pull, Push};
pub(crate) use serve::{Bench, BenchReader, Warm};
pub(crate) use shard::{Dividing, Shard};
use std::ffi::OsString;
pub(crate) use texts::{Completions, Man};
pub(crate) use versions::{Keeping, Publish};

/// Build immutable sorted tables and read them.
///
/// A table is built once, published atomically and read through a shared mapping. TABLE is a
/// table's path, or a directory of versions, of which the current one is read: a table, or a set of
/// tables, which shard and build --shards write. KEY arguments are raw bytes unless -e, --hex or --b64 is given; one that starts with a dash goes behind `--`.
///
/// On a terminal, control characters of keys and values are shown as \xHH.
///
/// Exit codes: 0 found, fine; 1 not found, different, or partly lost; 2 usage; 3 damaged or unsupported table, or malformed,
/// repeated or out-of-order input (nothing is published); 4 input or output failed.
#[derive(Parser)]
#[command(name = "graven", version, max_term_width = 100, arg_required_else_help = false)]
struct CommandLine {
    #[command(subcommand)]
    verb: Verb,
}

/// What to do.
#[derive(Subcommand)]
pub(crate) enum Verb {
    Build(Box<Build>),
    Get(Get),
    Mget(Mget),
    Scan(Scan),
    /// Print the last entry whose key is not above KEY
    ///
    /// Where the key is repeated, that is the last of its entries. Prints key TAB value, escaped as
    /// tsv, for each KEY in the order asked. A KEY without such an entry is named on standard error,
    /// and the exit code is 1.
    #[command(after_help = "Examples:\n\
\x20 graven floor colours.grv c")]
    Floor(Near),
    /// Print the first entry whose key is not below KEY
    ///
    /// Prints key TAB value, escaped as tsv, for each KEY in the order asked. A KEY without such an
    /// entry is named on standard error, and the exit code is 1.
    #[command(after_help = "Examples:\n\
\x20 graven ceil colours.grv c")]
    Ceil(Near),
    /// Print the entry with the longest key that KEY starts with
    ///
    /// That key may be KEY itself, or the empty key. Prints key TAB value, escaped as tsv, for each
    /// KEY in the order asked. A KEY without such an entry is named on standard error, and the exit
    /// code is 1.
    #[command(after_help = "Examples:\n\
\x20 graven longest-prefix colours.grv reddish")]
    LongestPrefix(Near),
    /// Print the entries of all keys that KEY starts with, the longest first
    ///
    /// KEY itself and the empty key count, if they are stored. Prints key TAB value, escaped as tsv,
    /// for each KEY in the order asked; of a repeated key all its entries. A KEY without such an
    /// entry is named on standard error, and the exit code is 1.
    #[command(after_help = "Examples:\n\
\x20 graven prefixes --keys colours.grv reddish")]
    Prefixes(Near),
    Sample(Sample),
    Split(Split),
    Stat(Stat),
    Inspect(Inspect),
    Verify(Verify),
    Dump(Dump),
    Merge(Merge),
    Diff(Diff),
    Salvage(Salvage),
    Publish(Publish),
    Shard(Shard),
    #[cfg(feature = "remote")]
    Pull(Pull),
    #[cfg(feature = "remote")]
    Push(Push),
    Warm(Warm),
    Bench(Bench),
    Completions(Completions),
    Man(Man),
    #[command(hide = true)]
    BenchReader(BenchReader),
}

/// Reads the process's arguments. `--help` and `--version` come back as failures with exit code 0.
pub(crate) fn parse() -> Result<Verb, Failure> {
    let raw: Vec<OsString> = std::env::args_os().skip(1).collect();
    let mut command = command();
    let read = command.try_get_matches_from_mut(std::env::args_os());
    let line = read.and_then(|matches| CommandLine::from_arg_matches(&matches));
    match line {
        Ok(CommandLine { verb: Verb::Build(mut build) }) => {
            build.settle();
            Ok(Verb::Build(build))
        }
        Ok(CommandLine { verb }) => Ok(verb),
        Err(error) if error.exit_code() == 0 => Err(Failure::Help(Box::new(error))),
        Err(error) => Err(Failure::new(ErrorKind::Usage, advice::message(&error, &command, &raw))),
    }
}

/// The command line's description. The parser takes a number below zero as the value of an option, not as an option
/// of its own. So the error for `--limit -1` says that N is not negative, and not that there is no
/// option -1.
pub(crate) fn command() -> clap::Command {
    CommandLine::command().mut_subcommands(|mut verb| {
        // Of what makes a directory of versions, `pull` has no choice: it always makes one.
        if verb.get_groups().any(|group| group.get_id() == "versions") {
            let mut only_there = vec!["keep", "min_age", "dir_mode"];
            if verb.get_name() == "build" {
                // A build of one file has no guards: what it replaces may be anything.
                only_there.extend(["min_entries", "max_shrink"]);
            }
            verb = only_there
                .into_iter()
                .fold(verb, |verb, name| verb.mut_arg(name, |arg| arg.requires("versions")));
        }
        verb.mut_args(|arg| {
            let negative = !arg.is_positional() && arg.get_action().takes_values();
            arg.allow_negative_numbers(negative)
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        command().debug_assert();
    }
}
