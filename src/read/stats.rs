//! Statistics of a table.

use super::packing::Packing;
use super::table::Table;
use super::types::TypesSection;
use super::view::View;
use crate::build_id::BuildId;
use crate::error::{Counted, ReadError, ReadResult, entries as counted};
use crate::format::header::{FOOTER, kind};
use crate::format::layout::Layout;
use crate::format::meta::{StatsBlock, bin_range};
use crate::format::types;
use std::fmt;
use std::ops::Range;
use zerocopy::FromBytes;
use zerocopy::byteorder::little_endian::U64;

/// A table in numbers, from its header and its statistics section; no record is read.
///
/// `Display` writes one line: entries, keys, bytes and indexes, and the codec of a packed table.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stats {
    /// Format version, major and minor.
    pub format: (u16, u16),
    /// Entries.
    pub entries: u64,
    /// Distinct keys.
    pub keys: u64,
    /// Bytes of the whole table.
    pub file_bytes: u64,
    /// Identifies the content.
    pub build_id: BuildId,
    /// The smallest key; `None` in an empty table.
    pub smallest_key: Option<Vec<u8>>,
    /// The largest key; `None` in an empty table.
    pub largest_key: Option<Vec<u8>>,
    /// Sum of the lengths of all keys.
    pub key_bytes: u64,
    /// Sum of the lengths of all values.
    pub value_bytes: u64,
    /// Shortest key in bytes.
    pub key_len_min: u32,
    /// Longest key in bytes.
    pub key_len_max: u32,
    /// Shortest value in bytes.
    pub value_len_min: u32,
    /// Longest value in bytes.
    pub value_len_max: u32,
    /// Entries by key length, empty bins left out.
    pub key_len_histogram: Vec<LengthBin>,
    /// Entries by value length, empty bins left out.
    pub value_len_histogram: Vec<LengthBin>,
    /// Length of every key, if all are equal.
    pub fixed_key_len: Option<u32>,
    /// Length of every value, if all are equal.
    pub fixed_value_len: Option<u32>,
    /// Alignment of values in bytes.
    pub value_align: u32,
    /// Type of the keys of a typed table, for example `(u32, i16)`.
    pub key_type: Option<String>,
    /// Type of the values of a typed table, for example `Shape { area: f64, sides: u32, id: u32 }`.
    pub value_type: Option<String>,
    /// Sections in file order, header, footer and padding included: their bytes add up to
    /// `file_bytes`.
    pub sections: Vec<SectionStats>,
    /// How keys and values are packed; `None` in a plain table. In a packed one, keys, lengths and sums in
    /// the other fields are those of what is stored.
    pub packing: Option<PackingStats>,
    /// The hash index, if there is one.
    pub hash_index: Option<HashStats>,
    /// The line index, if there is one; the table then has no ordered index.
    pub line_index: Option<LineStats>,
    /// The ordered index. `None` if the records are one block, or if there is a line index.
    pub ordered_index: Option<TreeStats>,
}

/// One bin of a length histogram.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LengthBin {
    /// Least length in the bin.
    pub min: u64,
    /// Greatest length in the bin.
    pub max: u64,
    /// Entries in the bin.
    pub count: u64,
}

/// What a section of a table holds. `Display` writes its name, as `graven stat` does.
///
/// ```
/// assert_eq!(graven::Section::OrderedIndex.to_string(), "ordered index");
/// ```
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Section {
    /// Lengths, places and checksums of everything else: the first bytes of the table.
    Header,
    /// Zeros between two sections, so that the next one starts where it must.
    Padding,
    /// Keys and values.
    Records,
    /// The B+-tree of separators.
    OrderedIndex,
    /// The lines of tags.
    LineIndex,
    /// The buckets.
    HashIndex,
    /// Counts and histograms.
    Statistics,
    /// What the user added.
    Metadata,
    /// Key and value type of a typed table, as text.
    Types,
    /// Which table a patch changes.
    Patch,
    /// How the values of a packed table are compressed, and the dictionary.
    Packing,
    /// The checksums of all pages.
    PageSums,
    /// A section of a kind that this library does not know and need not know.
    Unknown,
    /// The last bytes of the table.
    Footer,
}

/// One section.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SectionStats {
    /// What it holds.
    pub section: Section,
    /// Where it starts.
    pub offset: u64,
    /// Its length.
    pub bytes: u64,
}

/// A packed table in numbers.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PackingStats {
    /// The codec of the values, `zstd` or `fsst`; `None` if they stand as they are.
    pub codec: Option<&'static str>,
    /// Whether keys are encoded by symbols.
    pub compact_keys: bool,
    /// The codec's version: 10507 is zstd 1.5.7.
    pub codec_version: u32,
    /// zstd's level; 0 for FSST.
    pub level: u32,
    /// Bytes of the dictionary of the values.
    pub dictionary_bytes: u64,
    /// Sum of the lengths of all values.
    pub value_bytes: u64,
    /// Longest value in bytes.
    pub value_len_max: u32,
    /// Compressed values, except for empty ones, that are stored as they are.
    pub as_they_are: u64,
    /// Bytes of the dictionary of the keys.
    pub key_dictionary_bytes: u64,
    /// Sum of the lengths of all keys.
    pub key_bytes: u64,
    /// Longest key in bytes.
    pub key_len_max: u32,
}

/// The ordered index in numbers.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TreeStats {
    /// Levels of nodes: a search reads one node of each.
    pub levels: u32,
    /// Nodes of all levels.
    pub nodes: u64,
}

/// The line index in numbers.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LineStats {
    /// Lines of 64 bytes.
    pub lines: u64,
    /// Keys in the index.
    pub keys: u64,
}

impl LineStats {
    /// Keys of a line, on average.
    #[must_use]
    pub fn keys_per_line(&self) -> f64 {
        self.keys as f64 / self.lines.max(1) as f64
    }
}

/// The hash index in numbers.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct HashStats {
    /// Attempts that failed before the index could be built. If there are any, hashes have a seed.
    pub attempts: u32,
    /// Buckets of 64 bytes.
    pub buckets: u64,
    /// Slots in a bucket.
    pub slots_per_bucket: u32,
    /// Keys in the index.
    pub keys: u64,
    /// Keys that stand in their second bucket.
    pub second_bucket_keys: u64,
    /// Keys that are not in the index, because a smaller key has the same hash. The ordered index
    /// finds them.
    pub set_aside: u64,
}

impl Stats {
    /// Bytes of the file per entry beyond keys and values.
    #[must_use]
    pub fn overhead_per_entry(&self) -> f64 {
        let payload = self.key_bytes.saturating_add(self.value_bytes);
        self.file_bytes.saturating_sub(payload) as f64 / self.entries.max(1) as f64
    }
}

impl HashStats {
    /// Share of the slots that are taken.
    #[must_use]
    pub fn load(&self) -> f64 {
        self.keys as f64 / (self.buckets as f64 * f64::from(self.slots_per_bucket)).max(1.0)
    }

    /// Buckets read for a key that is present, on average.
    #[must_use]
    pub fn mean_probes(&self) -> f64 {
        1.0 + self.second_bucket_keys as f64 / self.keys.max(1) as f64
    }
}

impl Table {
    /// The table in numbers. Allocates; reads the statistics section.
    ///
    /// # Errors
    /// [`ReadError`] if the statistics are damaged.
    pub fn stats(&self) -> Result<Stats, ReadError> {
        let layout = self.view().layout();
        let StatsSection { block, keys } = StatsSection::read(self.view())?;
        // The lengths of both keys were compared with the section's.
        let (smallest, largest) = keys.split_at(block.first_key_len.get() as usize);
        let key = |key: &[u8]| (layout.entries > 0).then(|| key.to_vec());
        let hash_index = layout.hash.or(layout.hash_of_decoded).map(|hash| HashStats {
            attempts: hash.attempt,
            buckets: hash.shape.buckets(),
            slots_per_bucket: hash.slots.count() as u32,
            keys: layout.keys - hash.set_aside,
            second_bucket_keys: block.second_bucket_keys.get(),
            set_aside: hash.set_aside,
        });
        let names = TypesSection::read(self.view())?.map(|section| section.names);
        // A typed table from before 1.0 knows its tags alone.
        let named = |tag, name: Option<&str>| {
            let name = || name.unwrap_or(types::name(tag)).to_owned();
            (tag != 0).then(name)
        };
        Ok(Stats {
            format: layout.version,
            entries: layout.entries,
            keys: layout.keys,
            file_bytes: layout.file_len as u64,
            build_id: layout.build_id.into(),
            smallest_key: key(smallest),
            largest_key: key(largest),
            key_bytes: block.key_bytes.get(),
            value_bytes: block.value_bytes.get(),
            key_len_min: block.key_len_min.get(),
            key_len_max: block.key_len_max.get(),
            value_len_min: block.value_len_min.get(),
            value_len_max: block.value_len_max.get(),
            key_len_histogram: histogram(&block.key_bins),
            value_len_histogram: histogram(&block.value_bins),
            fixed_key_len: layout.record.fixed_key,
            fixed_value_len: layout.record.fixed_value,
            value_align: layout.record.align() as u32,
            key_type: named(layout.key_type, names.map(|names| names.key)),
            value_type: named(layout.value_type, names.map(|names| names.value)),
            sections: SectionStats::of(layout),
            packing: Packing::block(self.view())?.map(|block| PackingStats {
                codec: Packing::codec(&block),
                compact_keys: Packing::encodes_keys(&block),
                codec_version: block.codec_version.get(),
                level: block.level.get(),
                dictionary_bytes: block.dictionary_len.get().into(),
                value_bytes: block.value_bytes.get(),
                value_len_max: block.value_len_max.get(),
                as_they_are: block.as_they_are.get(),
                key_dictionary_bytes: block.key_dictionary_len.get().into(),
                key_bytes: block.key_bytes.get(),
                key_len_max: block.key_len_max.get(),
            }),
            hash_index,
            line_index: layout
                .lines
                .map(|index| LineStats { lines: index.lines, keys: layout.keys }),
            ordered_index: layout
                .tree
                .map(|index| TreeStats { levels: u32::from(index.levels), nodes: index.nodes }),
        })
    }

    /// The sections that have bytes in a part of the file, in file order: what a damaged page of 4 KiB
    /// holds, for example. Reads nothing of the table.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("t");
    /// # graven::BuildOptions::new().build(&path, [("a", "1")])?;
    /// use graven::Section;
    ///
    /// let table = graven::Table::load(&path)?;
    /// assert_eq!(table.sections_in(440..449), [Section::Header, Section::Records]);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn sections_in(&self, bytes: Range<u64>) -> Vec<Section> {
        let inside = |part: &SectionStats| {
            part.offset < bytes.end && bytes.start < part.offset.saturating_add(part.bytes)
        };
        SectionStats::of(self.view().layout())
            .into_iter()
            .filter(inside)
            .map(|part| part.section)
            .collect()
    }
}

/// The statistics section.
pub(crate) struct StatsSection<'t> {
    /// Its fixed part.
    pub(crate) block: StatsBlock,
    /// The smallest key, then the largest.
    pub(crate) keys: &'t [u8],
}

impl<'t> StatsSection<'t> {
    /// Reads the section, its pages checked.
    pub(crate) fn read(view: &'t View) -> ReadResult<Self> {
        let span = view.layout().stats;
        view.ensure(span.start..span.end)?;
        let section = view.slice(span.start..span.end)?;
        let bad = || view.corrupt("statistics make no sense", span.start as u64);
        let (block, keys) = StatsBlock::read_from_prefix(section).map_err(|_| bad())?;
        let len = u64::from(block.first_key_len.get()) + u64::from(block.last_key_len.get());
        let second = block.second_bucket_keys.get();
        let layout = view.layout();
        let hash = layout.hash.or(layout.hash_of_decoded);
        let set_aside = hash.map_or(0, |hash| hash.set_aside);
        let plausible = second <= view.layout().keys - set_aside && len == keys.len() as u64;
        view.sound(if plausible { Ok(Self { block, keys }) } else { Err(bad()) })
    }
}

impl SectionStats {
    /// All sections of a table, in file order.
    pub(super) fn of(layout: &Layout) -> Vec<Self> {
        let header = Self { section: Section::Header, offset: 0, bytes: layout.header_size as u64 };
        let mut out = vec![header];
        let mut end = header.bytes;
        for &(id, span) in &layout.sections[..layout.section_count] {
            let offset = span.start as u64;
            if offset > end {
                out.push(Self { section: Section::Padding, offset: end, bytes: offset - end });
            }
            out.push(Self { section: Section::of(id), offset, bytes: span.len() as u64 });
            end = span.end as u64;
        }
        out.push(Self { section: Section::Footer, offset: end, bytes: FOOTER as u64 });
        out
    }
}

impl Section {
    fn of(id: u32) -> Self {
        match id {
            kind::RECORDS => Self::Records,
            kind::TREE => Self::OrderedIndex,
            kind::HASH => Self::HashIndex,
            kind::STATS => Self::Statistics,
            kind::LINES => Self::LineIndex,
            kind::METADATA => Self::Metadata,
            kind::TYPES => Self::Types,
            kind::PATCH => Self::Patch,
            kind::PACKING => Self::Packing,
            kind::SUMS => Self::PageSums,
            _ => Self::Unknown,
        }
    }
}

impl fmt::Display for Section {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Header => "header",
            Self::Padding => "padding",
            Self::Records => "records",
            Self::OrderedIndex => "ordered index",
            Self::LineIndex => "line index",
            Self::HashIndex => "hash index",
            Self::Statistics => "statistics",
            Self::Metadata => "metadata",
            Self::Types => "types",
            Self::Patch => "patch",
            Self::Packing => "packing",
            Self::PageSums => "page sums",
            Self::Unknown => "unknown",
            Self::Footer => "footer",
        })
    }
}

impl fmt::Display for SectionStats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { section, offset, bytes } = self;
        write!(f, "{section}: {bytes} bytes at {offset}")
    }
}

impl fmt::Display for Stats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { entries, keys, file_bytes, .. } = self;
        let entries = counted(*entries);
        let keys = Counted(*keys, "distinct key", "distinct keys");
        write!(f, "{entries}, {keys}, {file_bytes} bytes; ")?;
        let indexes = [
            (self.hash_index.is_some(), Section::HashIndex),
            (self.line_index.is_some(), Section::LineIndex),
            (self.ordered_index.is_some(), Section::OrderedIndex),
        ];
        let mut names = indexes.iter().filter(|(there, _)| *there).map(|(_, section)| section);
        match names.next() {
            None => f.write_str("no index")?,
            Some(first) => write!(f, "{first}")?,
        }
        names.try_for_each(|name| write!(f, ", {name}"))?;
        match &self.packing {
            Some(packing) => {
                if let Some(codec) = packing.codec {
                    write!(f, "; values compressed by {codec}")?;
                }
                f.write_str(if packing.compact_keys { "; keys compact" } else { "" })
            }
            None => Ok(()),
        }
    }
}

fn histogram(bins: &[U64]) -> Vec<LengthBin> {
    let bins = bins.iter().enumerate().filter(|(_, count)| count.get() > 0);
    bins.map(|(bin, count)| {
        let (min, max) = bin_range(bin);
        LengthBin { min, max, count: count.get() }
    })
    .collect()
}
