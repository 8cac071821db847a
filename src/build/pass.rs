//! One pass over ascending entries with one layout of records, and the sections after them.

use super::blocks::Blocks;
use super::hash::{Built, Hashes};
use super::index::{IndexBuilder, Nodes};
use super::line::Heads;
use super::options::HashIndex;
use super::progress::Phase;
use super::records::{Extent, Records};
use super::scratch::{Scratch, Value};
use super::sections::Sections;
use super::sink::{Body, Sink};
use super::spool::Spool;
use super::summary::HashIndexOutcome;
use super::table::{Plan, Written};
use super::tally::Tally;
use crate::error::BuildError;
use crate::file::Unpublished;
use crate::file::io::CHUNK;
use crate::format::hasher::{self, Hasher};
use crate::format::header::{
    FLAG_FIXED_KEY, FLAG_FIXED_VALUE, FLAG_REPEATED_KEYS, FOOTER, Footer, HEADER, Header,
    header_checksum, kind,
};
use crate::format::index::line::LineScale;
use crate::format::order::head;
use crate::format::record::RecordLayout;
use crate::format::sums::{SUM_BYTES, units};
use crate::format::{
    BLOCK_RECORDS, BLOCK_RECORDS_FIXED, MAX_FILE, NODE_LOG2, SAMPLE_STEP, SECTION_ALIGN,
};
use std::path::Path;
use std::sync::Arc;
use zerocopy::IntoBytes;

/// One pass over the entries with one layout.
pub(super) struct Pass {
    layout: RecordLayout,
    /// Stride of a table of fixed width.
    stride: Option<u64>,
    file: Arc<Scratch>,
    sink: Sink,
    blocks: Blocks,
    /// None if no hash index is wanted, or not before a line index has turned out not to fit.
    hashes: Option<Hashes>,
    /// Heads of the keys, where a line index is possible.
    heads: Option<Heads>,
    tally: Tally,
    /// The key before.
    previous: Vec<u8>,
    first: Vec<u8>,
}

impl Pass {
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
        let index = IndexBuilder::new(NODE_LOG2, stride.is_none(), directory);
        let by_line = plan.hash_index == HashIndex::Auto && stride.is_some();
        let by_hash = plan.hash_index != HashIndex::Never && !by_line;
        Ok(Self {
            layout,
            stride,
            file: Arc::new(Scratch::of(output.file(), output.path())?),
            sink,
            blocks: Blocks::new(index, stride.is_some()),
            hashes: by_hash.then(|| Hashes::new(plan.memory / 2, directory)),
            heads: by_line.then(|| Heads::new(Spool::new(directory, plan.memory / 8 * 7))),
            tally: Tally::new(),
            previous: Vec::new(),
            first: Vec::new(),
        })
    }

    pub(super) fn layout(&self) -> &RecordLayout {
        &self.layout
    }

    #[inline]
    pub(super) fn layout_holds(&self, key: &[u8], value: Value<'_>) -> bool {
        self.layout.fixed_key.is_none_or(|len| len as usize == key.len())
            && self.layout.fixed_value.is_none_or(|len| len as usize == value.len())
    }

    fn block_records(&self) -> u8 {
        if self.stride.is_some() { BLOCK_RECORDS_FIXED } else { BLOCK_RECORDS }
    }

    /// Adds an entry; `repeated`: the one before has the same key.
    pub(super) fn push(
        &mut self,
        key: &[u8],
        value: Value<'_>,
        repeated: bool,
    ) -> Result<(), BuildError> {
        let rank = self.tally.entries;
        let start = self.sink.position();
        let offset = start - HEADER as u64;
        if start + key.len() as u64 + value.len() as u64 > MAX_FILE {
            return Err(BuildError::TableTooLarge { bytes: start });
        }
        self.blocks.record(&self.previous, key, rank, offset)?;
        if repeated {
            self.heads = None;
        } else {
            if let Some(hashes) = &mut self.hashes {
                let reference = if self.stride.is_some() { rank } else { offset };
                hashes.push(Hasher::base(key), reference)?;
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
        self.tally.add(key.len() as u32, value.len() as u32, repeated);
        Ok(())
    }

    /// Gives the records up, to be read.
    pub(super) fn into_records(mut self) -> Result<Extent, BuildError> {
        let end = self.sink.end_body()?.end;
        Ok(self.records(end))
    }

    fn records(&self, end: u64) -> Extent {
        Extent {
            file: Arc::clone(&self.file),
            layout: self.layout,
            start: HEADER as u64 + self.layout.stride().map_or(0, |(_, lead)| lead),
            end,
            entries: self.tally.entries,
        }
    }

    /// Writes all that follows the records.
    pub(super) fn finish(mut self, plan: &Plan) -> Result<Written, BuildError> {
        let mut sections = Sections::default();
        let entries = self.tally.entries;
        plan.progress.tell(Phase::Index, 0, entries);
        let records_end = if entries == 0 { HEADER as u64 } else { self.sink.position() };
        sections.add(kind::RECORDS, true, HEADER as u64, records_end - HEADER as u64);

        let mut nodes = self.blocks.finish()?;
        // One block is walked faster than any index is read.
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
        let stats = self.tally.block(&self.first, &self.previous, second);
        sections.write(&mut self.sink, kind::STATS, false, &stats)?;
        if !plan.metadata.is_empty() {
            self.sink.pad_to(SECTION_ALIGN)?;
            let metadata = encode_metadata(&plan.metadata);
            sections.write(&mut self.sink, kind::METADATA, false, &metadata)?;
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
        seal(&mut header, &body);
        let footer = Footer::of(&header);
        let build_id = header.build_id;
        let set_aside = built.as_ref().map_or(0, |built| built.set_aside);
        self.sink.finish(&body, header.as_bytes(), footer.as_bytes(), &build_id)?;
        plan.progress.tell(Phase::Index, entries, entries);
        Ok(Written {
            entries,
            keys: self.tally.keys,
            key_bytes: self.tally.key_bytes,
            value_bytes: self.tally.value_bytes,
            file_bytes,
            build_id,
            hash_index: outcome,
            set_aside,
        })
    }

    /// The line index, if the keys are spread evenly.
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

    /// The hash index, if it is wanted, needed and possible.
    fn write_hashes(
        &mut self,
        plan: &Plan,
        nodes: bool,
        records_len: u64,
        sections: &mut Sections,
    ) -> Result<(Option<Built>, HashIndexOutcome), BuildError> {
        if plan.hash_index == HashIndex::Never {
            return Ok((None, HashIndexOutcome::Refused));
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
        let entries = self.tally.entries;
        // Ranks, or places among the records.
        let references = if self.stride.is_some() { entries } else { records_len };
        let mark = self.sink.mark()?;
        self.sink.pad_to(SECTION_ALIGN)?;
        let start = self.sink.position();
        let done = |groups: u64, of: u64| {
            let share = u128::from(entries) * u128::from(groups) / u128::from(of.max(1));
            plan.progress.tell(Phase::Index, share as u64, entries);
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

    /// The hashes of records of fixed width. Most such tables have a line index, so that hashes
    /// are not collected on the way.
    fn hashes_of_records(
        &mut self,
        memory: usize,
        directory: &Arc<Path>,
    ) -> Result<Hashes, BuildError> {
        // What is still in the sink's memory must be in the file, too.
        let end = self.sink.written_out()?;
        let mut hashes = Hashes::new(memory, directory);
        let mut records = Records::new(self.records(end), CHUNK);
        let mut previous: Option<Vec<u8>> = None;
        for rank in 0..self.tally.entries {
            if !records.advance()? {
                return Err(BuildError::Failed);
            }
            let key = records.key();
            if previous.as_deref() != Some(key) {
                hashes.push(Hasher::base(key), rank)?;
                let previous = previous.get_or_insert_default();
                previous.clear();
                previous.extend_from_slice(key);
            }
        }
        Ok(hashes)
    }

    /// The header but for length, sections and checksums.
    fn header(&self, plan: &Plan, nodes: Option<&Nodes>, built: Option<&Built>) -> Header {
        let mut header = Header::new();
        header.entries = self.tally.entries.into();
        header.keys = self.tally.keys.into();
        let mut flags = 0;
        if let Some(len) = self.layout.fixed_key {
            flags |= FLAG_FIXED_KEY;
            header.fixed_key_len = len.into();
        }
        if let Some(len) = self.layout.fixed_value {
            flags |= FLAG_FIXED_VALUE;
            header.fixed_value_len = len.into();
        }
        if self.tally.keys < self.tally.entries {
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
            header.hash_function = hasher::FUNCTION;
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

/// Build id, then checksum: both are taken with themselves zero.
fn seal(header: &mut Header, body: &Body) {
    let mut content = body.content.clone();
    content.update(header.as_bytes());
    header.build_id = content.digest128().to_le_bytes();
    header.checksum = header_checksum(header.as_bytes()).into();
}

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
