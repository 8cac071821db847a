//! The command line: its verbs, its options and their texts. Nothing here does any work.

mod access;
mod advice;
mod fields;
mod find;
mod inspect;
mod merge;
mod packing;
#[cfg(feature = "remote")]
mod remote;
mod resources;
mod serve;
mod shard;
mod texts;
mod values;
mod versions;

use crate::exit::Failure;
use crate::formats::tsv::Text;
use crate::formats::{InputFormat, OutputFormat};
pub(crate) use access::Reading;
use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};
pub(crate) use fields::{Bare, KeyForm, Separator, base64, unescape};
pub(crate) use find::{Near, Sample, Split};
use graven::{Duplicates, ErrorKind, HashIndex};
pub(crate) use inspect::Inspect;
pub(crate) use merge::{Diff, Merge, Policy, Salvage};
use packing::Packing;
#[cfg(feature = "remote")]
pub(crate) use remote::{Pull, Push};
use resources::Resources;
pub(crate) use serve::{Bench, BenchReader, Warm};
pub(crate) use shard::{Dividing, Shard};
use std::ffi::OsString;
use std::path::PathBuf;
pub(crate) use texts::{Completions, Man};
use values::{Pair, mark, number, octal, pair, size_from_one};
pub(crate) use versions::{Guards, Keeping, Publish};

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

/// Build a table from entries in any order and publish it under OUT
///
/// OUT is replaced atomically; until then, and after any error, it stays as it is. A file that is
/// no table is never replaced, unless it is empty; a symbolic link is replaced itself. Builds of
/// the same OUT may run at once: the last to end stays. The empty file .OUT.lock, there while OUT is
/// replaced, is for them.
///
/// A line of tsv is key, TAB, value, LF; the last LF may be missing. The first TAB divides, the
/// rest of the line is the value. \\ \t \n \r \0 and \xHH stand for backslash, TAB, LF, CR, NUL and
/// the byte HH; another backslash, or a line without TAB, is an error; --no-escape has every
/// backslash stand for itself. All other bytes stand for themselves, also those that are no UTF-8.
/// What files from Windows have is an error unless an option says what becomes of it: a CR before
/// the LF, a byte order mark at the start of an input. UTF-16 is an error: convert it first.
///
/// With --shards or --target-bytes the entries become a set: one table in many shards. OUT is then a
/// directory of versions, as with --dir, of which the set becomes the current one; commands read OUT
/// as they read a table. The entries are sorted once, within --memory, before they are divided.
#[derive(Args)]
#[command(
    override_usage = "graven build [OPTIONS] <OUT> [IN]...\n       graven build [OPTIONS] -o <OUT> [IN]...\n       graven build [OPTIONS] --dir <D> [IN]..."
)]
#[command(after_help = "Examples:\n\
\x20 printf 'red\\t#f00\\n\
blue\\t#00f\\n\
' | graven build colours.grv\n\
\x20 graven build colours.grv colours.tsv\n\
\x20 graven build --dir served --min-entries 2 colours.tsv\n\
\x20 graven build --shards 2 colours-set colours.tsv")]
#[command(group(clap::ArgGroup::new("versions").args(["dir", "shards", "target_bytes"]).multiple(true)))]
pub(crate) struct Build {
    /// The table's path: [`Build::settle`] finds it
    #[arg(skip)]
    pub(crate) out: PathBuf,
    /// The table's path
    #[arg(value_name = "OUT", required_unless_present_any = ["output", "dir"])]
    first: Option<PathBuf>,
    /// Files with entries, also compressed by gzip or zstd; none or `-` is standard input
    #[arg(value_name = "IN")]
    pub(crate) inputs: Vec<PathBuf>,
    /// The table's path; then all other paths are IN
    #[arg(short = 'o', value_name = "OUT")]
    output: Option<PathBuf>,
    /// Build a new version in this directory and make it the current one; then all paths are IN
    ///
    /// The table is written where it stays. Readers open D/CURRENT, or D with TABLE arguments.
    #[arg(short = 'd', long, value_name = "D", conflicts_with = "output")]
    pub(crate) dir: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) dividing: Dividing,
    #[command(flatten)]
    pub(crate) keeping: Keeping,
    #[command(flatten)]
    pub(crate) guards: Guards,
    #[command(flatten)]
    pub(crate) format: InputFormat,
    /// The input ascends: write as it is read; a key out of order is an error
    #[arg(short = 's', long)]
    pub(crate) sorted: bool,
    /// Leave out malformed entries, and say how many there were and where the first one is. Without
    /// it, the first one ends the build
    #[arg(long)]
    pub(crate) skip_bad: bool,
    /// What becomes of a repeated key
    #[arg(long, value_name = "POLICY", value_enum, default_value_t = Dup::Error)]
    pub(crate) dup: Dup,
    /// Whether to build the hash index; auto leaves it out where gets are as fast without
    #[arg(long, value_name = "WHEN", value_enum, default_value_t = Hash::Auto)]
    pub(crate) hash_index: Hash,
    /// Start every value at a multiple of N: 1, 2, 4 ... 64
    #[arg(long, value_name = "N", value_parser = number::<u32>, default_value_t = 1)]
    pub(crate) value_align: u32,
    #[command(flatten)]
    pub(crate) packing: Packing,
    /// Keep this pair in the table's metadata; may be repeated
    #[arg(long, value_name = "K=V", value_parser = pair(), allow_hyphen_values = true)]
    pub(crate) meta: Vec<Pair>,
    /// Permissions of the table, octal
    #[arg(long, value_name = "MODE", value_parser = octal, default_value = "0444")]
    pub(crate) mode: u32,
    #[command(flatten)]
    pub(crate) resources: Resources,
    /// Fail with exit code 4 where OUT, or D/CURRENT, exists
    #[arg(long)]
    pub(crate) no_replace: bool,
    /// Publish without fsync: faster, and lost or torn if the power fails soon after
    #[arg(long)]
    pub(crate) no_sync: bool,
    /// Read the table back from the disk and check it before it is published
    #[arg(long)]
    pub(crate) verify: bool,
    /// Print no summary and no progress
    #[arg(short = 'q', long)]
    pub(crate) quiet: bool,
}

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

/// Print sizes, lengths, index figures, the smallest and the largest key of tables
///
/// With several tables, the exit code is the highest that one of them alone would give.
#[derive(Args)]
#[command(after_help = "Examples:\n\
\x20 graven stat colours.grv\n\
\x20 graven stat --json colours.grv other.grv")]
pub(crate) struct Stat {
    #[arg(value_name = "TABLE", required = true)]
    pub(crate) tables: Vec<PathBuf>,
    /// Print one JSON object for each table
    ///
    /// A smallest_key or largest_key that is no UTF-8 is null, and smallest_key_b64 or
    /// largest_key_b64 has it in Base64.
    #[arg(short = 'j', long)]
    pub(crate) json: bool,
}

/// Check every byte of tables; silent when good
///
/// Every table is checked, also after a bad one. The exit code is the highest that one of them
/// alone would give.
#[derive(Args)]
#[command(after_help = "Examples:\n\
\x20 graven verify colours.grv other.grv\n\
\x20 graven verify --json colours.grv")]
pub(crate) struct Verify {
    #[arg(value_name = "TABLE", required = true)]
    pub(crate) tables: Vec<PathBuf>,
    /// Print a line for each table: a JSON object with table, ok, and figures or the error with its
    /// findings: sections, offset and what is wrong, for each damaged page or the first broken rule
    #[arg(short = 'j', long)]
    pub(crate) json: bool,
    /// Read at most so many bytes a second, so that programs that serve the table find the disk free
    ///
    /// Counts what the audit reads, also what it reads again and what lies in memory already.
    #[arg(long, value_name = "SIZE", value_parser = size_from_one)]
    pub(crate) rate: Option<u64>,
    /// Show no progress
    #[arg(short = 'q', long)]
    pub(crate) quiet: bool,
    #[command(flatten)]
    pub(crate) reading: Reading,
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

/// What becomes of a repeated key.
#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum Dup {
    /// The build fails
    Error,
    /// The first entry stays
    First,
    /// The last entry stays
    Last,
    /// All stay, in input order
    Keep,
}

/// Whether to build the hash index.
#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum Hash {
    /// Where it makes gets faster
    Auto,
    Always,
    Never,
}

impl From<Dup> for Duplicates {
    fn from(dup: Dup) -> Self {
        match dup {
            Dup::Error => Self::Reject,
            Dup::First => Self::KeepFirst,
            Dup::Last => Self::KeepLast,
            Dup::Keep => Self::KeepAll,
        }
    }
}

impl From<Hash> for HashIndex {
    fn from(hash: Hash) -> Self {
        match hash {
            Hash::Auto => Self::Auto,
            Hash::Always => Self::Always,
            Hash::Never => Self::Never,
        }
    }
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

impl Build {
    /// Whether a set is built, and not a table.
    pub(crate) fn makes_set(&self) -> bool {
        self.dividing.shards.is_some() || self.dividing.target_bytes.is_some()
    }

    /// Gives the first path its meaning: with -o or --dir it is an input like the others, otherwise
    /// it is OUT.
    fn settle(&mut self) {
        let first = self.first.take();
        if let Some(out) = self.output.take().or_else(|| self.dir.clone()) {
            self.out = out;
            self.inputs.splice(0..0, first);
        } else {
            self.out = first.unwrap_or_default();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        command().debug_assert();
    }
}
