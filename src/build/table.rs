//! Ascending entries in, a finished table out: records, indexes, statistics, metadata, sums.
//!
//! Whether keys and values have one length each is known only at the end. Writing begins as if
//! they had; the first entry that differs makes the records so far be read back and encoded
//! again, once for keys and once for values at most.

use super::blocks::Blocks;
use super::hash::{self, Buckets, Hashed};
use super::index::{IndexBuilder, Nodes};
use super::line::{self, Lines};
use super::options::HashIndex;
use super::publish::Unpublished;
use super::sections::Sections;
use super::sink::{Body, CHUNK, Sink, read_exact_at};
use super::summary::HashIndexOutcome;
use super::tally::Tally;
use crate::error::BuildError;
use crate::format::hash::{FOLDED_MULTIPLY, Hasher};
use crate::format::header::{
    FLAG_FIXED_KEY, FLAG_FIXED_VALUE, FLAG_REPEATED_KEYS, FOOTER, Footer, HEADER, Header,
    header_checksum, kind,
};
use crate::format::order::head;
use crate::format::record::{RecordLayout, choose_word};
use crate::format::sums::{SUM_BYTES, units};
use crate::format::{
    BLOCK_RECORDS, BLOCK_RECORDS_FIXED, MAX_FILE, NODE_LOG2, SAMPLE_STEP, SECTION_ALIGN,
};
use zerocopy::IntoBytes;

/// Types of a typed table.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Types {
    pub(super) key: u8,
    pub(super) value: u8,
    pub(super) byte_order: u8,
}

/// What a table is built with, apart from its entries.
pub(super) struct Plan {
    pub(super) align_log2: u8,
    pub(super) hash_index: HashIndex,
    pub(super) metadata: Vec<(Vec<u8>, Vec<u8>)>,
    pub(super) types: Types,
}

/// What came out.
pub(super) struct Written {
    pub(super) entries: u64,
    pub(super) keys: u64,
    pub(super) key_bytes: u64,
    pub(super) value_bytes: u64,
    pub(super) file_bytes: u64,
    pub(super) build_id: [u8; 16],
    pub(super) hash_index: HashIndexOutcome,
}

/// Entries whose lengths decide the length word.
const SAMPLE_ENTRIES: usize = 16_384;
/// Zeros after a window of records.
const WORD_SLACK: usize = 4;
/// Bytes after which the sample ends.
const SAMPLE_BYTES: usize = 1 << 20;

/// Writes a table of ascending entries.
pub(super) struct TableWriter {
    plan: Plan,
    output: Unpublished,
    /// The first entries, held back until the length word is chosen: bytes and lengths.
    held: Vec<u8>,
    sample: Vec<(u32, u32)>,
    pass: Option<Pass>,
}

impl TableWriter {
    pub(super) fn new(output: Unpublished, plan: Plan) -> Self {
        Self { plan, output, held: Vec::new(), sample: Vec::new(), pass: None }
    }

    /// Adds an entry that is not below the one before it.
    #[inline]
    pub(super) fn push(&mut self, key: &[u8], value: &[u8]) -> Result<(), BuildError> {
        if let Some(pass) = &mut self.pass {
            if pass.layout_holds(key, value) {
                return pass.push(key, value);
            }
            self.widen(key, value)?;
            return self.push(key, value);
        }
        self.held.extend_from_slice(key);
        self.held.extend_from_slice(value);
        self.sample.push((key.len() as u32, value.len() as u32));
        if self.sample.len() >= SAMPLE_ENTRIES || self.held.len() >= SAMPLE_BYTES {
            self.begin()?;
        }
        Ok(())
    }

    /// The sample is complete: chooses the layout and writes what was held back.
    fn begin(&mut self) -> Result<(), BuildError> {
        let first = self.sample.first().copied().unwrap_or((0, 0));
        let fixed_key = self.sample.iter().all(|s| s.0 == first.0).then_some(first.0);
        let fixed_value = self.sample.iter().all(|s| s.1 == first.1).then_some(first.1);
        let mut pass = self.start(fixed_key, fixed_value)?;
        let mut rest = self.held.as_slice();
        for &(key_len, value_len) in &self.sample {
            let (key, after) = rest.split_at(key_len as usize);
            let (value, after) = after.split_at(value_len as usize);
            pass.push(key, value)?;
            rest = after;
        }
        self.held = Vec::new();
        self.pass = Some(pass);
        Ok(())
    }

    fn start(&self, fixed_key: Option<u32>, fixed_value: Option<u32>) -> Result<Pass, BuildError> {
        let (width, key_bits) = choose_word(fixed_key, fixed_value, self.sample.iter());
        let align_log2 = self.plan.align_log2;
        let layout = RecordLayout { fixed_key, fixed_value, width, key_bits, align_log2 };
        Pass::new(&self.output, layout, self.plan.hash_index)
    }

    /// An entry deviates from the lengths that were the same so far: encodes all again.
    #[cold]
    fn widen(&mut self, key: &[u8], value: &[u8]) -> Result<(), BuildError> {
        let Some(old) = self.pass.take() else { return Ok(()) };
        let layout = old.layout;
        let fixed_key = layout.fixed_key.filter(|&len| len as usize == key.len());
        let fixed_value = layout.fixed_value.filter(|&len| len as usize == value.len());
        let output = self.output.again()?;
        let narrow = std::mem::replace(&mut self.output, output);
        let mut pass = self.start(fixed_key, fixed_value)?;
        old.replay(&narrow, &mut pass)?;
        self.pass = Some(pass);
        Ok(())
    }

    /// Writes all that follows the records and returns the file, ready to be published.
    pub(super) fn finish(mut self) -> Result<(Unpublished, Written), BuildError> {
        if self.pass.is_none() {
            self.begin()?;
        }
        let written = match self.pass.take() {
            Some(pass) => pass.finish(&self.plan)?,
            None => return Err(BuildError::TableTooLarge { bytes: 0 }),
        };
        Ok((self.output, written))
    }
}

/// One pass over the entries with one layout.
struct Pass {
    layout: RecordLayout,
    /// Stride of a table of fixed width.
    stride: Option<u64>,
    sink: Sink,
    blocks: Blocks,
    /// None if no hash index is wanted.
    hashes: Option<Vec<Hashed>>,
    /// Heads of the keys, where a line index is possible.
    heads: Option<Vec<u64>>,
    tally: Tally,
    /// The key before.
    previous: Vec<u8>,
    first: Vec<u8>,
}

impl Pass {
    fn new(
        output: &Unpublished,
        layout: RecordLayout,
        hash_index: HashIndex,
    ) -> Result<Self, BuildError> {
        let mut sink = Sink::new(output.file(), output.path(), HEADER)?;
        let stride = match layout.stride() {
            Some((stride, lead)) => {
                sink.write_zeros(lead as usize)?;
                Some(stride)
            }
            None => None,
        };
        Ok(Self {
            layout,
            stride,
            sink,
            blocks: Blocks::new(IndexBuilder::new(NODE_LOG2, stride.is_none()), stride.is_some()),
            hashes: (hash_index != HashIndex::Never).then(Vec::new),
            heads: (hash_index == HashIndex::Auto && stride.is_some()).then(Vec::new),
            tally: Tally::new(),
            previous: Vec::new(),
            first: Vec::new(),
        })
    }

    #[inline]
    fn layout_holds(&self, key: &[u8], value: &[u8]) -> bool {
        self.layout.fixed_key.is_none_or(|len| len as usize == key.len())
            && self.layout.fixed_value.is_none_or(|len| len as usize == value.len())
    }

    fn block_records(&self) -> u8 {
        if self.stride.is_some() { BLOCK_RECORDS_FIXED } else { BLOCK_RECORDS }
    }

    fn push(&mut self, key: &[u8], value: &[u8]) -> Result<(), BuildError> {
        let rank = self.tally.entries;
        let start = self.sink.position();
        let offset = start - HEADER as u64;
        if start + key.len() as u64 + value.len() as u64 > MAX_FILE {
            return Err(BuildError::TableTooLarge { bytes: start });
        }
        let repeated = rank > 0 && key == self.previous;
        self.blocks.record(&self.previous, key, rank, offset);
        if !repeated && let Some(hashes) = &mut self.hashes {
            let reference = if self.stride.is_some() { rank } else { offset };
            hashes.push(Hashed { hash: Hasher::base(key), reference });
        }
        if repeated {
            self.heads = None;
        } else if let Some(heads) = &mut self.heads {
            heads.push(head(key));
        }
        match self.stride {
            Some(stride) => {
                self.sink.write(key)?;
                self.sink.write(value)?;
                self.pad_stride(stride - (key.len() + value.len()) as u64)?;
            }
            None => {
                let mut lengths = [0; 10];
                let n = self.layout.encode_lengths(key.len(), value.len(), &mut lengths);
                self.sink.write(&lengths[..n])?;
                self.sink.write(key)?;
                if self.layout.align_log2 > 0 {
                    self.sink.pad_to(self.layout.align())?;
                }
                self.sink.write(value)?;
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

    #[inline]
    fn pad_stride(&mut self, padding: u64) -> Result<(), BuildError> {
        if padding > 0 { self.sink.write_zeros(padding as usize) } else { Ok(()) }
    }

    /// Reads this pass's records back from `file` and pushes them into `next`.
    fn replay(mut self, file: &Unpublished, next: &mut Pass) -> Result<(), BuildError> {
        let end = self.sink.end_body()?.end;
        let (stride, decoder) = (self.layout.stride(), self.layout.decoder());
        let mut at = HEADER as u64 + stride.map_or(0, |(_, lead)| lead);
        // A window of the file: its first byte's offset, its bytes, and four zeros, since a
        // length word is read as four bytes.
        let (mut start, mut window) = (at, Vec::new());
        for _ in 0..self.tally.entries {
            let mut wanted = CHUNK as u64;
            let (parts, step) = loop {
                let from = (at - start) as usize;
                let known = window.len().saturating_sub(WORD_SLACK);
                let parts = match stride {
                    Some(_) => Some(self.layout.fixed_parts(from)),
                    None => decoder.parts(&window, from),
                };
                if let Some(parts) = parts.filter(|parts| parts.end() <= known) {
                    break (parts, stride.map_or((parts.end() - from) as u64, |(step, _)| step));
                }
                // Keeps the window on the alignment that places are computed with.
                start = at & !(SECTION_ALIGN - 1);
                window.resize((end - start).min(wanted) as usize, 0);
                read_exact_at(file.file(), &mut window, start)
                    .map_err(|e| BuildError::io("read records back", file.path(), start, e))?;
                window.extend_from_slice(&[0; WORD_SLACK]);
                wanted = wanted.saturating_mul(2);
            };
            next.push(&window[parts.key()], &window[parts.value()])?;
            at += step;
        }
        Ok(())
    }

    fn finish(mut self, plan: &Plan) -> Result<Written, BuildError> {
        let mut sections = Sections::default();
        let entries = self.tally.entries;
        let records_end = if entries == 0 { HEADER as u64 } else { self.sink.position() };
        sections.add(kind::RECORDS, true, HEADER as u64, records_end - HEADER as u64);

        let mut nodes = self.blocks.finish();
        // One block is walked faster than any index is read.
        let heads = self.heads.take().filter(|_| nodes.is_some());
        let lines = heads.and_then(|heads| line::build(&heads));
        if let Some(lines) = &lines {
            nodes = None;
            self.sink.pad_to(SECTION_ALIGN)?;
            sections.write(&mut self.sink, kind::LINES, true, &lines.bytes)?;
        }
        if let Some(nodes) = &nodes {
            self.sink.pad_to(1 << NODE_LOG2)?;
            sections.write(&mut self.sink, kind::INDEX, true, &nodes.bytes)?;
        }
        let (buckets, outcome) = match self.hashes.take() {
            None => (None, HashIndexOutcome::Refused),
            Some(_) if plan.hash_index == HashIndex::Auto && nodes.is_none() => {
                (None, HashIndexOutcome::NotNeeded)
            }
            Some(hashes) if hashes.is_empty() => (None, HashIndexOutcome::NotNeeded),
            Some(hashes) => match hash::build(&hashes) {
                Ok(buckets) => (Some(buckets), HashIndexOutcome::Built),
                Err(attempts) => (None, HashIndexOutcome::Abandoned { attempts }),
            },
        };
        if let Some(buckets) = &buckets {
            self.sink.pad_to(SECTION_ALIGN)?;
            sections.write(&mut self.sink, kind::HASH, false, &buckets.bytes)?;
        }
        self.sink.pad_to(SECTION_ALIGN)?;
        let second = buckets.as_ref().map_or(0, |buckets| buckets.second);
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

        let mut header = self.header(plan, nodes.as_ref(), buckets.as_ref());
        if let Some(Lines { scale, .. }) = lines {
            header.line_base = scale.base.into();
            header.line_scale = scale.scale.into();
        }
        header.file_len = file_bytes.into();
        header.section_count = sections.count.into();
        header.sections = sections.table;
        seal(&mut header, &body);
        let footer = Footer::of(&header);
        let build_id = header.build_id;
        self.sink.finish(&body, header.as_bytes(), footer.as_bytes(), &build_id)?;
        Ok(Written {
            entries,
            keys: self.tally.keys,
            key_bytes: self.tally.key_bytes,
            value_bytes: self.tally.value_bytes,
            file_bytes,
            build_id,
            hash_index: outcome,
        })
    }

    /// The header but for length, sections and checksums.
    fn header(&self, plan: &Plan, nodes: Option<&Nodes>, buckets: Option<&Buckets>) -> Header {
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
        if let Some(buckets) = buckets {
            header.hash_function = FOLDED_MULTIPLY;
            header.slot_width = buckets.slots.width() as u8;
            header.hash_attempt = buckets.attempt.into();
            header.hash_per_group = buckets.shape.per_group.into();
            header.hash_groups = buckets.shape.groups.into();
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
