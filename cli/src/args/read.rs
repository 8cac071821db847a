//! Arguments of `get`, `mget`, `scan` and `dump`: the commands that write entries.

use super::access::Reading;
use super::fields::{Bare, KeyForm};
use super::values::{mark, number};
use crate::formats::OutputFormat;
use crate::formats::tsv::Text;
use clap::Args;
use std::ffi::OsString;
use std::path::PathBuf;

/// Write the values of keys, with nothing added, in the order asked
///
/// A key that is not there is named on standard error, and the exit code is 1. On a terminal each
/// value is one line, with the escapes of tsv. Elsewhere values are written as they are, one after
/// the other, unless --sep or -0 tells them apart.
#[derive(Args)]
#[command(after_help = "Examples:\n\
\x20 graven get colours.grv red\n\
\x20 graven get --sep newline colours.grv red blue")]
pub(crate) struct Get {
    #[arg(value_name = "TABLE")]
    pub(crate) table: PathBuf,
    #[command(flatten)]
    pub(crate) reading: Reading,
    /// The keys, raw bytes unless -e, --hex or --b64 is given
    #[arg(value_name = "KEY", required = true)]
    pub(crate) keys: Vec<OsString>,
    #[command(flatten)]
    pub(crate) form: KeyForm,
    /// Write all values of a repeated key, not only the first
    #[arg(short = 'a', long)]
    pub(crate) all: bool,
    #[command(flatten)]
    pub(crate) bare: Bare,
    /// Do not name keys that are missing
    #[arg(short = 'q', long)]
    pub(crate) quiet: bool,
}

/// Look up keys from standard input, one tsv-escaped key per line
///
/// Prints key TAB value for each key found, in input order. Exit code 1 if any is missing. With
/// --values a missing key leaves no trace in the output, so it is named on standard error.
///
/// With --missing every key gets exactly one line, in input order, so that a program in any language
/// can ask through a pair of pipes: it writes keys, flushes them, and reads as many lines. Answers
/// are written whenever no further key has arrived. A program that asks for many keys before it
/// reads should stay below 64 KiB of keys and of answers, which is what pipes hold. A malformed key
/// ends the run.
#[derive(Args)]
#[command(after_help = "Examples:\n\
\x20 printf 'red\\n\
blue\\n\
' | graven mget colours.grv\n\
\x20 printf 'red\\n\
blue\\n\
' | graven mget --missing --values colours.grv")]
pub(crate) struct Mget {
    #[arg(value_name = "TABLE")]
    pub(crate) table: PathBuf,
    #[command(flatten)]
    pub(crate) text: Text,
    /// Print only the values
    #[arg(short = 'v', long)]
    pub(crate) values: bool,
    /// Answer a missing key, too: with MARK as its value; \N unless said, which no escaped value is
    #[arg(short = 'm', long, value_name = "MARK", value_parser = mark(), conflicts_with_all = ["sep", "nul"])]
    #[arg(num_args = 0..=1, require_equals = true, default_missing_value = "\\N")]
    pub(crate) missing: Option<OsString>,
    #[command(flatten)]
    pub(crate) bare: Bare,
    /// Do not name keys that are missing
    #[arg(short = 'q', long)]
    pub(crate) quiet: bool,
    #[command(flatten)]
    pub(crate) reading: Reading,
}

/// Print the entries of an interval as tsv lines, in key order
///
/// The intervals of --from, --to and --prefix are intersected; none of them means the whole table.
/// Where no key can be in all of them, standard error says so. Keys and values are escaped as tsv;
/// with --values or --keys, --sep or -0 writes them as they are.
#[derive(Args)]
#[command(group(clap::ArgGroup::new("show").args(["keys", "values", "count"])))]
#[command(after_help = "Examples:\n\
\x20 graven scan colours.grv\n\
\x20 graven scan colours.grv --from b --to c --limit 10\n\
\x20 graven scan colours.grv --prefix re --keys")]
pub(crate) struct Scan {
    #[arg(value_name = "TABLE")]
    pub(crate) table: PathBuf,
    #[command(flatten)]
    pub(crate) reading: Reading,
    /// Start at this key
    #[arg(short = 'f', long, value_name = "K", allow_hyphen_values = true)]
    pub(crate) from: Option<OsString>,
    /// Stop before this key
    #[arg(short = 't', long, value_name = "K", allow_hyphen_values = true)]
    pub(crate) to: Option<OsString>,
    /// Only keys that start with this
    #[arg(short = 'p', long, value_name = "P", allow_hyphen_values = true)]
    pub(crate) prefix: Option<OsString>,
    #[command(flatten)]
    pub(crate) form: KeyForm,
    /// Walk the same interval from its end
    #[arg(short = 'r', long)]
    pub(crate) reverse: bool,
    /// Stop after this many entries
    #[arg(short = 'n', long, value_name = "N", value_parser = number::<u64>)]
    pub(crate) limit: Option<u64>,
    /// Print only the keys
    #[arg(short = 'k', long)]
    pub(crate) keys: bool,
    /// Print only the values
    #[arg(short = 'v', long)]
    pub(crate) values: bool,
    #[command(flatten)]
    pub(crate) bare: Bare,
    #[command(flatten)]
    pub(crate) format: OutputFormat,
    /// Print only the number of entries
    #[arg(short = 'c', long)]
    pub(crate) count: bool,
}

/// Write all entries, so that `graven build` makes the same entries of them, byte for byte
///
/// Where keys repeat, build them with `--dup keep`. What a format cannot hold is an error that names
/// the key, before anything is written.
#[derive(Args)]
#[command(after_help = "Examples:\n\
\x20 graven dump colours.grv > copy.tsv\n\
\x20 graven dump -o raw colours.grv | graven build -i raw copy.grv")]
pub(crate) struct Dump {
    #[command(flatten)]
    pub(crate) format: OutputFormat,
    #[arg(value_name = "TABLE")]
    pub(crate) table: PathBuf,
    #[command(flatten)]
    pub(crate) reading: Reading,
}
