//! Writes a table: ascending entries in, records out, then indexes, statistics, metadata, page sums
//! and footer, and the header last.

use super::index::hash::{Built, Hashes};
use super::index::line::Heads;
use super::index::tree::{Nodes, TreeBuilder};
use super::pool::Pool;
use super::progress::{BuildPhase, Reporter};
use super::reread::{Extent, RecordReader};
use super::scratch::{Scratch, Value};
use super::sections::Sections;
use super::settings::HashIndex;
use super::sink::{Sink, Terms};
use super::spool::Spool;
use super::summary::{BuildSummary, HashIndexOutcome};
use crate::codec::KeySymbols;
use crate::error::BuildError;
use crate::file::Unpublished;
use crate::file::io::CHUNK;
use crate::format::hasher::{self, Hasher};
use crate::format::header::{
    FLAG_FIXED_KEY, FLAG_FIXED_VALUE, FLAG_REPEATED_KEYS, FOOTER, Footer, HEADER, Header, kind,
};
use crate::format::index::line::LineScale;
use crate::format::meta::EntryCounts;
use crate::format::order::head;
use crate::format::packing::PackingBlock;
use crate::format::patch::PatchBlock;
use crate::format::record::RecordLayout;
use crate::format::sums::{SUM_BYTES, units};
use crate::format::types::Types;
use crate::format::{
    BLOCK_RECORDS, BLOCK_RECORDS_FIXED, MAX_FILE, NODE_LOG2, SAMPLE_STEP, SECTION_ALIGN,
};
use std::path::Path;
use std::sync::Arc;
use zerocopy::IntoBytes;

/// What a table is built with, apart from its entries.
pub(super) struct Plan {
    pub(super) align_log2: u8,
    pub(super) hash_index: HashIndex,
    pub(super) metadata: Vec<(Vec<u8>, Vec<u8>)>,
    pub(super) types: Types,
    /// The types section; empty for a table of bytes.
    pub(super) type_names: String,
    pub(super) patch: Option<PatchBlock>,
    /// How the values were compressed; noted before the table is finished.
    pub(super) packed: Option<Packed>,
    /// How keys were encoded, in a table whose keys are; noted before the first entry comes. The hash
    /// index then has the hashes of the keys as they were.
    pub(super) keys: Option<Arc<KeySymbols>>,
    /// Bytes that the indexes may take before they are spilled.
    pub(super) memory: usize,
    pub(super) pool: Pool,
    pub(super) sink: Terms,
    pub(super) progress: Reporter,
}

/// Keys as they were before they were encoded.
struct Decoded {
    symbols: Option<Arc<KeySymbols>>,
    key: Vec<u8>,
}

impl Decoded {
    #[inline(always)]
    fn key<'k>(&'k mut self, key: &'k [u8]) -> Result<&'k [u8], BuildError> {
        match &self.symbols {
            None => Ok(key),
            // The key was encoded by the same symbols.
            Some(symbols) => symbols.decode(key, &mut self.key).map_err(|_| BuildError::Failed),
        }
    }
}

/// How the values of a table were compressed.
pub(super) struct Packed {
    pub(super) block: PackingBlock,
    /// The dictionary of the values, then the dictionary of the keys.
    pub(super) dictionary: Vec<u8>,
}

/// Writes a table of ascending entries whose record layout is known.
pub(super) struct TableWriter {
    layout: RecordLayout,
    /// Distance between records of fixed width.
    stride: Option<u64>,
    /// The output file, to read records back.
    file: Arc<Scratch>,
    sink: Sink,
    tree: TreeBuilder,
    /// Hashes of the keys for the hash index. None if no hash index is wanted, or if it is wanted
    /// only in case the line index does not fit.
    hashes: Option<Hashes>,
    /// Heads of the keys for the line index. None if no line index is possible.
    heads: Option<Heads>,
    counts: EntryCounts,
    decoded: Decoded,
    /// The key of the entry before.
    previous: Vec<u8>,
    /// The smallest key.
    first: Vec<u8>,
}

impl TableWriter {
    /// Begins a table in `output`.
    pub(super) fn new(
        output: &Unpublished,
        layout: RecordLayout,
        plan: &Plan,
    ) -> Result<Self, BuildError> {
        let mut sink = Sink::new(output.file(), output.path(), HEADER, &plan.sink)?;
        let stride = match layout.stride() {
            Some((stride, lead)) => {
                sink.write_zeros(lead as usize)?;
                Some(stride)
            }
            None => None,
        };
        let directory = &plan.sink.directory;
        let by_line = plan.hash_index == HashIndex::Auto && stride.is_some();
        let by_hash = plan.hash_index != HashIndex::Never && !by_line;
        Ok(Self {
            layout,
            stride,
            file: Arc::new(Scratch::of(output.file(), output.path())?),
            sink,
            tree: TreeBuilder::new(stride.is_some(), directory),
            hashes: by_hash.then(|| Hashes::new(plan.memory / 2, directory)),
            heads: by_line.then(|| Heads::new(Spool::new(directory, plan.memory / 8 * 7))),
            counts: EntryCounts::new(),
            decoded: Decoded { symbols: plan.keys.clone(), key: Vec::new() },
            previous: Vec::new(),
            first: Vec::new(),
        })
    }

    /// The record layout.
    pub(super) fn layout(&self) -> &RecordLayout {
        &self.layout
    }

    /// Whether an entry fits the record layout.
    #[inline]
    pub(super) fn layout_holds(&self, key: &[u8], value: Value<'_>) -> bool {
        self.layout.fixed_key.is_none_or(|len| len as usize == key.len())
            && self.layout.fixed_value.is_none_or(|len| len as usize == value.len())
    }

    fn block_records(&self) -> u8 {
        if self.stride.is_some() { BLOCK_RECORDS_FIXED } else { BLOCK_RECORDS }
    }

    /// Adds an entry; `repeated`: the entry before has the same key.
    pub(super) fn push(
        &mut self,
        key: &[u8],
        value: Value<'_>,
        repeated: bool,
    ) -> Result<(), BuildError> {
        let rank = self.counts.entries;
        let start = self.sink.position();
        let offset = start - HEADER as u64;
        if start + key.len() as u64 + value.len() as u64 > MAX_FILE {
            return Err(BuildError::TableTooLarge { bytes: start });
        }
        self.tree.record(&self.previous, key, rank, offset)?;
        if repeated {
            self.heads = None;
        } else {
            if let Some(hashes) = &mut self.hashes {
                let reference = if self.stride.is_some() { rank } else { offset };
                hashes.push(Hasher::base(self.decoded.key(key)?), reference)?;
            }
            if let Some(heads) = &mut self.heads {
                heads.push(head(key))?;
            }
        }
        match self.stride {
            Some(stride) => {
                self.sink.write(key)?;
                value.copy(|bytes| self.sink.write(bytes))?;
                let padding = stride - (key.len() + value.len()) as u64;
                if padding > 0 {
                    self.sink.write_zeros(padding as usize)?;
                }
            }
            None => {
                let mut lengths = [0; 10];
                let n = self.layout.encode_lengths(key.len(), value.len(), &mut lengths);
                self.sink.write(&lengths[..n])?;
                self.sink.write(key)?;
                if self.layout.align_log2 > 0 {
                    self.sink.pad_to(self.layout.align())?;
                }
                value.copy(|bytes| self.sink.write(bytes))?;
            }
        }
        if rank == 0 {
            self.first = key.to_vec();
        }
        self.previous.clear();
        self.previous.extend_from_slice(key);
        self.counts.add(key.len() as u32, value.len() as u32, repeated);
        Ok(())
    }

    /// Gives the table up and says where its records are.
    pub(super) fn into_records(mut self) -> Result<Extent, BuildError> {
        let end = self.sink.end_body()?.end;
        Ok(self.records(end))
    }

    /// Where the records are, of which the last one ends at `end`.
    fn records(&self, end: u64) -> Extent {
        Extent {
            file: Arc::clone(&self.file),
            layout: self.layout,
            start: HEADER as u64 + self.layout.stride().map_or(0, |(_, lead)| lead),
            end,
            entries: self.counts.entries,
        }
    }

    /// Writes everything after the records.
    pub(super) fn finish(mut self, plan: &Plan) -> Result<BuildSummary, BuildError> {
        let mut sections = Sections::default();
        let entries = self.counts.entries;
        plan.progress.tell(BuildPhase::Index, 0, entries)?;
        let records_end = if entries == 0 { HEADER as u64 } else { self.sink.position() };
        sections.add(kind::RECORDS, true, HEADER as u64, records_end - HEADER as u64);

        let mut nodes = self.tree.finish()?;
        // A table of one block needs no index: walking the block is faster.
        let heads = self.heads.take().filter(|_| nodes.is_some());
        let lines = match heads {
            Some(heads) => self.write_lines(&heads, &mut sections)?,
            None => None,
        };
        if lines.is_some() {
            nodes = None;
        }
        if let Some(nodes) = &nodes {
            self.sink.pad_to(1 << NODE_LOG2)?;
            sections.add(kind::TREE, true, self.sink.position(), nodes.len());
            nodes.write(&mut self.sink)?;
        }
        let (built, outcome) =
            self.write_hashes(plan, nodes.is_some(), records_end - HEADER as u64, &mut sections)?;
        self.sink.pad_to(SECTION_ALIGN)?;
        let second = built.as_ref().map_or(0, |built| built.second);
        let (first, last) = (&self.first[..], &self.previous[..]);
        let stats = self.counts.stats(first.len(), last.len(), second);
        let stats = [stats.as_bytes(), first, last].concat();
        sections.write(&mut self.sink, kind::STATS, false, &stats)?;
        if !plan.metadata.is_empty() {
            self.sink.pad_to(SECTION_ALIGN)?;
            let metadata = encode_metadata(&plan.metadata);
            sections.write(&mut self.sink, kind::METADATA, false, &metadata)?;
        }
        if !plan.type_names.is_empty() {
            self.sink.pad_to(SECTION_ALIGN)?;
            sections.write(&mut self.sink, kind::TYPES, false, plan.type_names.as_bytes())?;
        }
        if let Some(patch) = &plan.patch {
            self.sink.pad_to(SECTION_ALIGN)?;
            sections.write(&mut self.sink, kind::PATCH, true, patch.as_bytes())?;
        }
        if let Some(Packed { block, dictionary }) = &plan.packed {
            self.sink.pad_to(SECTION_ALIGN)?;
            let section = [block.as_bytes(), dictionary].concat();
            sections.write(&mut self.sink, kind::PACKING, true, &section)?;
        }
        self.sink.pad_to(SECTION_ALIGN)?;
        let body = self.sink.end_body()?;
        let sums = units(body.end) * SUM_BYTES;
        sections.add(kind::SUMS, true, body.end, sums);
        let file_bytes = body.end + sums + FOOTER as u64;
        if file_bytes > MAX_FILE {
            return Err(BuildError::TableTooLarge { bytes: file_bytes });
        }

        let mut header = self.header(plan, nodes.as_ref(), built.as_ref());
        if let Some(scale) = lines {
            header.line_base = scale.base.into();
            header.line_scale = scale.scale.into();
        }
        header.file_len = file_bytes.into();
        header.section_count = sections.count.into();
        header.sections = sections.table;
        header.seal(body.content.clone());
        let footer = Footer::of(&header);
        let build_id = header.build_id;
        let set_aside = built.as_ref().map_or(0, |built| built.set_aside);
        self.sink.finish(&body, header.as_bytes(), footer.as_bytes(), &build_id)?;
        plan.progress.tell(BuildPhase::Index, entries, entries)?;
        Ok(BuildSummary {
            entries,
            keys: self.counts.keys,
            key_bytes: plan
                .packed
                .as_ref()
                .map_or(self.counts.key_bytes, |packed| packed.block.key_bytes.get()),
            stored_key_bytes: self.counts.key_bytes,
            value_bytes: plan
                .packed
                .as_ref()
                .map_or(self.counts.value_bytes, |packed| packed.block.value_bytes.get()),
            stored_value_bytes: self.counts.value_bytes,
            file_bytes,
            build_id: build_id.into(),
            hash_index: outcome,
            set_aside,
        })
    }

    /// Writes the line index, if the keys are spread evenly.
    fn write_lines(
        &mut self,
        heads: &Heads,
        sections: &mut Sections,
    ) -> Result<Option<LineScale>, BuildError> {
        let mark = self.sink.mark()?;
        self.sink.pad_to(SECTION_ALIGN)?;
        let start = self.sink.position();
        let scale = heads.write(&mut self.sink)?;
        match scale {
            Some(_) => sections.add(kind::LINES, true, start, self.sink.position() - start),
            None => self.sink.go_back(&mark)?,
        }
        Ok(scale)
    }

    /// Writes the hash index, if it is wanted, needed and possible.
    fn write_hashes(
        &mut self,
        plan: &Plan,
        nodes: bool,
        records_len: u64,
        sections: &mut Sections,
    ) -> Result<(Option<Built>, HashIndexOutcome), BuildError> {
        if plan.hash_index == HashIndex::Never {
            return Ok((None, HashIndexOutcome::Disabled));
        }
        if plan.hash_index == HashIndex::Auto && !nodes {
            return Ok((None, HashIndexOutcome::NotNeeded));
        }
        let hashes = match self.hashes.take() {
            Some(hashes) => hashes,
            None => self.hashes_of_records(plan.memory / 2, &plan.sink.directory)?,
        };
        if hashes.is_empty() {
            return Ok((None, HashIndexOutcome::NotNeeded));
        }
        let entries = self.counts.entries;
        // References are ranks in a table of fixed width, otherwise offsets of records.
        let references = if self.stride.is_some() { entries } else { records_len };
        let mark = self.sink.mark()?;
        self.sink.pad_to(SECTION_ALIGN)?;
        let start = self.sink.position();
        let done = |groups: u64, of: u64| {
            let share = u128::from(entries) * u128::from(groups) / u128::from(of.max(1));
            plan.progress.tell(BuildPhase::Index, share as u64, entries)
        };
        match hashes.write(&mut self.sink, &plan.pool, references, &done)? {
            Ok(built) => {
                sections.add(kind::HASH, false, start, self.sink.position() - start);
                Ok((Some(built), HashIndexOutcome::Built))
            }
            Err(attempts) => {
                self.sink.go_back(&mark)?;
                Ok((None, HashIndexOutcome::Abandoned { attempts }))
            }
        }
    }

    /// Reads the records back and takes the hashes of their keys. Only tables of fixed width need
    /// this, and only if the line index does not fit.
    fn hashes_of_records(
        &mut self,
        memory: usize,
        directory: &Arc<Path>,
    ) -> Result<Hashes, BuildError> {
        // The records that are still in the sink's memory must be in the file, too.
        let end = self.sink.written_out()?;
        let mut hashes = Hashes::new(memory, directory);
        let mut records = RecordReader::new(self.records(end), CHUNK);
        let mut previous: Option<Vec<u8>> = None;
        for rank in 0..self.counts.entries {
            if !records.advance()? {
                return Err(BuildError::Failed);
            }
            let key = records.key();
            if previous.as_deref() != Some(key) {
                hashes.push(Hasher::base(self.decoded.key(key)?), rank)?;
                let previous = previous.get_or_insert_default();
                previous.clear();
                previous.extend_from_slice(key);
            }
        }
        Ok(hashes)
    }

    /// The header, except for length, sections, build id and checksum.
    fn header(&self, plan: &Plan, nodes: Option<&Nodes>, built: Option<&Built>) -> Header {
        let mut header = Header::new();
        header.entries = self.counts.entries.into();
        header.keys = self.counts.keys.into();
        let mut flags = 0;
        if let Some(len) = self.layout.fixed_key {
            flags |= FLAG_FIXED_KEY;
            header.fixed_key_len = len.into();
        }
        if let Some(len) = self.layout.fixed_value {
            flags |= FLAG_FIXED_VALUE;
            header.fixed_value_len = len.into();
        }
        if self.counts.keys < self.counts.entries {
            flags |= FLAG_REPEATED_KEYS;
        }
        header.flags = flags.into();
        header.value_align_log2 = self.layout.align_log2;
        header.length_width = self.layout.width;
        header.key_bits = self.layout.key_bits;
        header.block_records = self.block_records();
        header.key_type = plan.types.key;
        header.value_type = plan.types.value;
        header.byte_order = plan.types.byte_order;
        if let Some(nodes) = nodes {
            header.node_log2 = NODE_LOG2;
            header.sample_step = if self.stride.is_some() { 0 } else { SAMPLE_STEP };
            header.index_levels = nodes.levels;
            header.index_leaves = nodes.leaves.into();
        }
        if let Some(built) = built {
            header.hash_function = match plan.keys {
                None => hasher::FUNCTION,
                Some(_) => hasher::OF_DECODED,
            };
            header.slot_width = built.slots.width() as u8;
            header.hash_attempt = built.attempt.into();
            header.hash_seed = built.seed.into();
            header.hash_set_aside = built.set_aside.into();
            header.hash_per_group = built.shape.per_group.into();
            header.hash_groups = built.shape.groups.into();
        }
        header
    }
}

/// The metadata section.
fn encode_metadata(pairs: &[(Vec<u8>, Vec<u8>)]) -> Vec<u8> {
    let mut pairs: Vec<_> = pairs.iter().collect();
    pairs.sort();
    let mut out = (pairs.len() as u32).to_le_bytes().to_vec();
    for (key, value) in pairs {
        out.extend_from_slice(&(key.len() as u32).to_le_bytes());
        out.extend_from_slice(&(value.len() as u32).to_le_bytes());
        out.extend_from_slice(key);
        out.extend_from_slice(value);
    }
    out
}
