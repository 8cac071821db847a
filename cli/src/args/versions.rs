//! Arguments of `publish`, and what `build` shares with it: which versions stay, and what is refused.

use super::values::{directory_mode, number, octal, percent, threads};
use clap::Args;
use graven::PublishOptions;
use std::path::PathBuf;

/// Copy a table to where it is read, checked on the way, in one step for its readers
///
/// Never `cp` over a table that is in use: that changes the file under its readers. With --dir
/// the copy becomes the current one of several versions: readers open D/CURRENT. With - as SRC the
/// table comes from standard input, for example from another machine or a decompressor.
#[derive(Args)]
#[command(group(clap::ArgGroup::new("versions").args(["dir"])))]
#[command(after_help = "Examples:\n\
\x20 graven publish colours.grv served.grv\n\
\x20 graven publish --dir served --max-shrink 10% colours.grv\n\
\x20 graven publish --dir served --list\n\
\x20 cat colours.grv | graven publish --dir served -\n\
\x20 graven publish --dir served --rollback")]
pub(crate) struct Publish {
    /// The table to copy; `-` is standard input
    #[arg(value_name = "SRC", required_unless_present_any = ["rollback", "list"])]
    pub(crate) source: Option<PathBuf>,
    /// Where to publish it; a table that stands there is replaced
    #[arg(value_name = "DST", required_unless_present_any = ["dir", "rollback", "list"])]
    #[arg(conflicts_with = "dir")]
    pub(crate) target: Option<PathBuf>,
    /// Publish as a new version in this directory
    #[arg(short = 'd', long, value_name = "D")]
    pub(crate) dir: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) keeping: Keeping,
    #[command(flatten)]
    pub(crate) guards: Guards,
    /// Make the version before the current one, or that with this id, current again
    #[arg(long, value_name = "ID", num_args = 0..=1, require_equals = true, requires = "dir")]
    #[arg(conflicts_with_all = ["source", "list", "dir_mode", "min_entries", "max_shrink"])]
    pub(crate) rollback: Option<Option<String>>,
    /// Print the versions, oldest first: id TAB bytes TAB `current` or `kept`
    #[arg(short = 'l', long, requires = "dir")]
    #[arg(conflicts_with_all = ["source", "dir_mode", "min_entries", "max_shrink"])]
    pub(crate) list: bool,
    /// Permissions of the copy, octal
    #[arg(long, value_name = "MODE", value_parser = octal, default_value = "0444")]
    pub(crate) mode: u32,
    /// Fail with exit code 4 where DST, or D/CURRENT, exists
    #[arg(long)]
    pub(crate) no_replace: bool,
    /// Publish without fsync: faster, and lost or torn if the power fails soon after
    #[arg(long)]
    pub(crate) no_sync: bool,
    /// Read the copy back from the disk and check it again before it is published
    #[arg(long)]
    pub(crate) verify: bool,
    /// Print nothing
    #[arg(short = 'q', long)]
    pub(crate) quiet: bool,
}

/// How a directory of versions is kept.
#[derive(Args)]
pub(crate) struct Keeping {
    /// Afterwards keep so many of the newest versions
    #[arg(long, value_name = "N", value_parser = threads, default_value = "3")]
    pub(crate) keep: usize,
    /// Keep versions that were current less than so many seconds ago
    #[arg(long, value_name = "SECONDS", value_parser = number::<u64>, default_value_t = 60)]
    pub(crate) min_age: u64,
    /// Permissions of the directories of versions, where they are made, octal: 2775 for a team that shares D
    ///
    /// By default only their owner may publish in them.
    #[arg(long, value_name = "MODE", value_parser = directory_mode)]
    pub(crate) dir_mode: Option<u32>,
}

/// What is not published.
#[derive(Args)]
pub(crate) struct Guards {
    /// Publish nothing, with exit code 3, if the table has fewer entries
    #[arg(long, value_name = "N", value_parser = number::<u64>)]
    pub(crate) min_entries: Option<u64>,
    /// Publish nothing, with exit code 3, if more of the current table's entries are missing: 10%
    ///
    /// The numbers of entries are compared, not the keys.
    #[arg(long, value_name = "PERCENT", value_parser = percent)]
    pub(crate) max_shrink: Option<f64>,
}

impl Keeping {
    pub(crate) fn options(&self) -> PublishOptions {
        match self.dir_mode {
            Some(mode) => PublishOptions::new().directory_mode(mode),
            None => PublishOptions::new(),
        }
    }
}

impl Guards {
    /// The options with these guards.
    pub(crate) fn add_to(&self, mut options: PublishOptions) -> PublishOptions {
        if let Some(entries) = self.min_entries {
            options = options.min_entries(entries);
        }
        if let Some(part) = self.max_shrink {
            options = options.max_shrink(part);
        }
        options
    }
}
