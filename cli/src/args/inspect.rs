//! Arguments of `inspect`.

use super::fields::KeyForm;
use clap::Args;
use std::ffi::OsString;
use std::path::PathBuf;

/// Print how a table is laid out, and where a key lies in it
///
/// The first part has the sections of the file: name, offset, bytes, and the pages of 4 KiB that
/// they lie on. With --key follows what a get of that key reads, in this order: buckets of the hash
/// index, lines of the line index, or nodes of the ordered index and a block of records; records
/// with other keys that are compared; the parts of the key's record. Each with offset, bytes, page
/// and the cache lines of 64 bytes, numbered from the start of the file. The first get on a page
/// reads all of the page and its page sum; where these sums lie stands at the end. Exit code 1 if
/// the key is not there; then what a get reads to find that out is printed.
#[derive(Args)]
#[command(after_help = "Examples:\n\
\x20 graven inspect colours.grv\n\
\x20 graven inspect --key red colours.grv")]
pub(crate) struct Inspect {
    #[arg(value_name = "TABLE")]
    pub(crate) table: PathBuf,
    /// The key whose place is asked for
    #[arg(short = 'k', long, value_name = "K", allow_hyphen_values = true)]
    pub(crate) key: Option<OsString>,
    #[command(flatten)]
    pub(crate) form: KeyForm,
    /// Print one JSON object
    #[arg(short = 'j', long)]
    pub(crate) json: bool,
}
