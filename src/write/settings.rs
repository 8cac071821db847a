//! What a build was asked for.

use super::budget;
use super::progress::Reporter;
use crate::codec::Compression;
use crate::error::BuildError;
use crate::file::Publishing;
use crate::format::patch::PatchBlock;
use crate::format::types::{TypeNames, Types};
use crate::format::{MAX_KEY, MAX_VALUE};
use std::path::PathBuf;

/// What happens when a key occurs more than once.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Duplicates {
    /// The build fails with [`BuildError::DuplicateKey`].
    #[default]
    Reject,
    /// The entry that was inserted first stays.
    KeepFirst,
    /// The entry that was inserted last stays.
    KeepLast,
    /// All entries stay, in the order of their insertion: a multi-value table.
    KeepAll,
}

impl Duplicates {
    /// Whether entries may be left out, so that the table may be smaller than its input.
    pub(super) fn drops(self) -> bool {
        matches!(self, Self::KeepFirst | Self::KeepLast)
    }
}

/// Whether the table gets a hash index, about 6 bytes per key, which answers `get` with one or
/// two cache lines. Without it the ordered index answers.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum HashIndex {
    /// Left out where the ordered index answers `get` as fast.
    #[default]
    Auto,
    /// Built for every table that has an entry.
    Always,
    /// Never built.
    Never,
}

/// The options of a build as values. [`BuildOptions`](super::BuildOptions) sets and documents
/// them.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    pub(super) sorted: bool,
    pub(super) duplicates: Duplicates,
    /// None until the build starts and finds out what is safe.
    pub(super) memory_budget: Option<u64>,
    pub(super) threads: Option<usize>,
    pub(super) temp_dir: Option<PathBuf>,
    pub(super) hash_index: HashIndex,
    pub(super) value_align: u32,
    pub(super) metadata: Vec<(Vec<u8>, Vec<u8>)>,
    pub(super) mode: u32,
    pub(super) durable: bool,
    pub(super) replace: bool,
    pub(super) verify_after_write: bool,
    pub(super) types: Types,
    /// The types section; empty for a table of bytes.
    pub(super) type_names: String,
    /// The table is a patch, with this section.
    pub(super) patch: Option<PatchBlock>,
    /// How values are compressed; none in a plain table.
    pub(super) compression: Option<Compression>,
    /// Whether keys are encoded by symbols.
    pub(super) compact_keys: bool,
    pub(super) progress: Reporter,
    pub(super) expected_bytes: Option<u64>,
}

/// Most threads. More threads would only wait for each other.
const MOST_THREADS: usize = 1024;
/// Longest metadata value: metadata is meant to be small, and readers scan it.
const MAX_METADATA_VALUE: usize = 16 << 20;

impl Default for Settings {
    fn default() -> Self {
        Self {
            sorted: false,
            duplicates: Duplicates::Reject,
            memory_budget: None,
            threads: None,
            temp_dir: None,
            hash_index: HashIndex::Auto,
            value_align: 1,
            metadata: Vec::new(),
            mode: 0o444,
            durable: true,
            replace: true,
            verify_after_write: false,
            types: Types::default(),
            type_names: String::new(),
            patch: None,
            compression: None,
            compact_keys: false,
            progress: Reporter::default(),
            expected_bytes: None,
        }
    }
}

impl Settings {
    /// Notes the types of the table, as tags and as text.
    pub(super) fn note_types(&mut self, types: Types, names: Option<TypeNames<'_>>) {
        let section = |TypeNames { key, value }| format!("{key}\n{value}");
        (self.types, self.type_names) = (types, names.map(section).unwrap_or_default());
    }

    /// The settings of a build that starts now: the memory budget is decided.
    pub(super) fn checked(mut self) -> Result<Self, BuildError> {
        self.check()?;
        self.memory_budget.get_or_insert_with(budget::by_default);
        Ok(self)
    }

    fn check(&self) -> Result<(), BuildError> {
        let invalid = |option, got: String, expected| {
            Err(BuildError::InvalidOption { option, got, expected })
        };
        if !(self.value_align.is_power_of_two() && self.value_align <= 64) {
            let got = self.value_align.to_string();
            return invalid("value_align", got, "1, 2, 4, 8, 16, 32 or 64");
        }
        if let Some(budget) = self.memory_budget.filter(|&budget| budget < budget::LEAST) {
            let got = budget.to_string();
            return invalid("memory_budget", got, "at least 1 MiB (1048576)");
        }
        if let Some(threads) = self.threads.filter(|threads| !(1..=MOST_THREADS).contains(threads))
        {
            return invalid("threads", threads.to_string(), "1 to 1024");
        }
        if self.mode & !0o777 != 0 {
            return invalid("mode", format!("{:o}", self.mode), "0 to 0777 (octal)");
        }
        let checked = self.compression.as_ref().map_or(Ok(()), Compression::check);
        if let Err((got, expected)) = checked {
            return invalid("compress", got, expected);
        }
        if self.types != Types::default() {
            self.refuse_packing("a table of bytes: typed tables are not packed")?;
        }
        if self.value_align > 1 {
            self.refuse_packing("no value_align: packed values are copied")?;
        }
        let too_long = |(key, value): &&(Vec<u8>, Vec<u8>)| {
            key.len() > MAX_KEY || value.len() > MAX_METADATA_VALUE
        };
        if let Some((key, value)) = self.metadata.iter().find(too_long) {
            let got = format!("{} and {} bytes", key.len(), value.len());
            return invalid(
                "metadata",
                got,
                "a key of at most 65535 and a value of at most 16 MiB",
            );
        }
        Ok(())
    }

    /// Whether the table may be smaller than its entries.
    pub(super) fn may_shrink(&self) -> bool {
        self.duplicates.drops() || self.packs()
    }

    /// Whether the table is a packed one.
    pub(super) fn packs(&self) -> bool {
        self.compression.is_some() || self.compact_keys
    }

    /// An error if the table would be a packed one.
    fn refuse_packing(&self, expected: &'static str) -> Result<(), BuildError> {
        let (option, got) = match (&self.compression, self.compact_keys) {
            (Some(compression), _) => ("compress", compression.to_string()),
            (None, true) => ("compact_keys", "true".to_owned()),
            (None, false) => return Ok(()),
        };
        Err(BuildError::InvalidOption { option, got, expected })
    }

    /// Most bytes of a value. A compressed one may need one more than it has.
    pub(super) fn longest_value(&self) -> u64 {
        MAX_VALUE - u64::from(self.compression.is_some())
    }

    /// The memory budget as a length in memory.
    pub(super) fn memory(&self) -> usize {
        usize::try_from(self.memory_budget.unwrap_or(budget::LEAST)).unwrap_or(usize::MAX)
    }

    /// Number of threads.
    pub(super) fn thread_count(&self) -> usize {
        self.threads.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from))
    }

    /// What publishing needs to know.
    pub(super) fn publishing(&self) -> Publishing {
        Publishing {
            mode: self.mode,
            durable: self.durable,
            replace: self.replace,
            read_back: self.verify_after_write,
        }
    }
}
