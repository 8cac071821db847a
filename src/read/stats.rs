//! Statistics of a table.

use super::table::Table;
use super::view::View;
use crate::build_id::BuildId;
use crate::error::{ReadError, ReadResult};
use crate::format::header::{FOOTER, kind};
use crate::format::layout::Layout;
use crate::format::meta::{StatsBlock, bin_range};
use zerocopy::FromBytes;
use zerocopy::byteorder::little_endian::U64;

/// A table in numbers, from its header and its statistics section; no record is read.
#[non_exhaustive]
#[derive(Clone, Debug)]
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
    /// Sections in file order, header, footer and padding included: their bytes add up to
    /// `file_bytes`.
    pub sections: Vec<SectionStats>,
    /// The hash index, if there is one.
    pub hash: Option<HashStats>,
    /// The line index, if there is one; the table then has no ordered index.
    pub line_index: Option<LineStats>,
    /// Levels of the ordered index; 0 = the records are one block, or there is a line index.
    pub index_levels: u32,
    /// Nodes of the ordered index.
    pub index_nodes: u64,
}

/// One bin of a length histogram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LengthBin {
    /// Least length in the bin.
    pub min: u64,
    /// Greatest length in the bin.
    pub max: u64,
    /// Entries in the bin.
    pub count: u64,
}

/// One section.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SectionStats {
    /// What it holds.
    pub name: &'static str,
    /// Where it starts.
    pub offset: u64,
    /// Its length.
    pub bytes: u64,
}

/// The line index in numbers.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LineStats {
    /// Lines of 64 bytes.
    pub lines: u64,
    /// Keys in the index.
    pub keys: u64,
}

impl LineStats {
    /// Keys of a line, on average.
    pub fn keys_per_line(&self) -> f64 {
        self.keys as f64 / self.lines.max(1) as f64
    }
}

/// The hash index in numbers.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
    pub fn overhead_per_entry(&self) -> f64 {
        let payload = self.key_bytes.saturating_add(self.value_bytes);
        self.file_bytes.saturating_sub(payload) as f64 / self.entries.max(1) as f64
    }
}

impl HashStats {
    /// Share of the slots that are taken.
    pub fn load(&self) -> f64 {
        self.keys as f64 / (self.buckets as f64 * f64::from(self.slots_per_bucket)).max(1.0)
    }

    /// Buckets read for a key that is present, on average.
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
        let StatsSection { block, .. } = StatsSection::read(self.view())?;
        let hash = layout.hash.map(|hash| HashStats {
            attempts: hash.attempt,
            buckets: hash.shape.buckets(),
            slots_per_bucket: hash.slots.count() as u32,
            keys: layout.keys - hash.set_aside,
            second_bucket_keys: block.second_bucket_keys.get(),
            set_aside: hash.set_aside,
        });
        Ok(Stats {
            format: layout.version,
            entries: layout.entries,
            keys: layout.keys,
            file_bytes: layout.file_len as u64,
            build_id: layout.build_id.into(),
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
            sections: SectionStats::of(layout),
            hash,
            line_index: layout
                .lines
                .map(|index| LineStats { lines: index.lines, keys: layout.keys }),
            index_levels: layout.tree.map_or(0, |index| u32::from(index.levels)),
            index_nodes: layout.tree.map_or(0, |index| index.nodes),
        })
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
        let set_aside = view.layout().hash.map_or(0, |hash| hash.set_aside);
        let plausible = second <= view.layout().keys - set_aside && len == keys.len() as u64;
        view.sound(if plausible { Ok(Self { block, keys }) } else { Err(bad()) })
    }
}

impl SectionStats {
    /// All sections of a table, in file order.
    pub(super) fn of(layout: &Layout) -> Vec<Self> {
        let header = Self { name: "header", offset: 0, bytes: layout.header_size as u64 };
        let mut out = vec![header];
        let mut end = header.bytes;
        for &(id, span) in &layout.sections[..layout.section_count] {
            let offset = span.start as u64;
            if offset > end {
                out.push(Self { name: "padding", offset: end, bytes: offset - end });
            }
            out.push(Self { name: section_name(id), offset, bytes: span.len() as u64 });
            end = span.end as u64;
        }
        out.push(Self { name: "footer", offset: end, bytes: FOOTER as u64 });
        out
    }
}

fn section_name(id: u32) -> &'static str {
    match id {
        kind::RECORDS => "records",
        kind::TREE => "ordered index",
        kind::HASH => "hash index",
        kind::STATS => "statistics",
        kind::LINES => "line index",
        kind::METADATA => "metadata",
        kind::SUMS => "page sums",
        _ => "unknown",
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
