//! A header becomes a layout of proven spans. Later code cannot see an unproven offset.

use super::hasher::{self, Hasher};
use super::header::{
    FLAG_FIXED_KEY, FLAG_FIXED_VALUE, FLAG_REPEATED_KEYS, FOOTER, Footer, HEADER, Header,
    KNOWN_FLAGS, MAX_HEADER, SECTIONS, header_checksum, kind,
};
use super::index::hash::{self, Shape, Slots, Tails, first_bucket};
use super::index::line::{LINE, LineScale};
use super::index::tree;
use super::packing;
use super::patch::PATCH;
use super::record::{Decoder, Fixed, RecordLayout};
use super::sums::{SUM_BYTES, UNIT_LOG2, units};
use super::types::Types;
use super::{MAGIC, MAJOR, MAX_BLOCK, MAX_FILE, MAX_KEY, MAX_LEVELS, SECTION_ALIGN};
use crate::error::OpenFailure;
use std::mem::offset_of;
use zerocopy::{FromBytes, IntoBytes};

/// A stretch of the file whose bounds were proven to lie inside it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) start: usize,
    pub(crate) end: usize,
}

impl Span {
    #[inline]
    pub(crate) fn len(self) -> usize {
        self.end - self.start
    }
}

/// The ordered index of a table with more than one block.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TreeLayout {
    pub(crate) span: Span,
    pub(crate) node_log2: u8,
    pub(crate) levels: u8,
    pub(crate) nodes: u64,
    pub(crate) leaves: u64,
    /// 0 in tables of fixed width.
    pub(crate) sample_step: u8,
}

/// The hash index.
#[derive(Clone, Copy, Debug)]
pub(crate) struct HashLayout {
    pub(crate) span: Span,
    pub(crate) shape: Shape,
    /// Buckets of all groups.
    pub(crate) buckets: u64,
    pub(crate) slots: Slots,
    pub(crate) tails: Tails,
    pub(crate) hasher: Hasher,
    /// Whether hashes are mixed with a seed.
    pub(crate) seeded: bool,
    pub(crate) attempt: u32,
    /// Distinct keys that are not in the index.
    pub(crate) set_aside: u64,
}

impl HashLayout {
    /// The number of a hash's first bucket.
    #[inline]
    pub(crate) fn first_bucket(&self, hash: u64) -> u64 {
        first_bucket(hash, self.buckets)
    }

    /// The number of a hash's second bucket.
    #[inline]
    pub(crate) fn second_bucket(&self, hash: u64) -> u64 {
        self.shape.second_bucket(hash, self.first_bucket(hash))
    }

    /// Where a bucket starts.
    #[inline]
    pub(crate) fn bucket_start(&self, number: u64) -> usize {
        self.span.start + number as usize * hash::BUCKET
    }
}

/// The line index.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LineLayout {
    pub(crate) span: Span,
    pub(crate) scale: LineScale,
    pub(crate) lines: u64,
}

/// All that a header says, proven to be consistent with itself and with the file's length.
#[derive(Clone, Debug)]
pub(crate) struct Layout {
    pub(crate) version: (u16, u16),
    pub(crate) file_len: usize,
    pub(crate) build_id: [u8; 16],
    pub(crate) entries: u64,
    pub(crate) keys: u64,
    pub(crate) repeated_keys: bool,
    pub(crate) record: RecordLayout,
    pub(crate) decoder: Decoder,
    /// The records of a table whose keys and values are all of one length.
    pub(crate) fixed: Option<Fixed>,
    pub(crate) block_records: u8,
    pub(crate) records: Span,
    pub(crate) tree: Option<TreeLayout>,
    pub(crate) hash: Option<HashLayout>,
    /// The hash index of keys as they were before they were encoded.
    pub(crate) hash_of_decoded: Option<HashLayout>,
    pub(crate) lines: Option<LineLayout>,
    pub(crate) stats: Span,
    pub(crate) metadata: Option<Span>,
    /// The types of a typed table as text.
    pub(crate) types: Option<Span>,
    /// A patch has it, and no other table.
    pub(crate) patch: Option<Span>,
    /// A packed table has it, and no other.
    pub(crate) packing: Option<Span>,
    pub(crate) sums: Span,
    pub(crate) header_size: usize,
    pub(crate) key_type: u8,
    pub(crate) value_type: u8,
    pub(crate) byte_order: u8,
    /// Kind and span of every section, in file order; unknown optional ones included.
    pub(crate) sections: [(u32, Span); SECTIONS],
    pub(crate) section_count: usize,
}

/// Bytes of the smallest file that can be a table.
pub(crate) const SMALLEST: u64 = (HEADER + FOOTER) as u64;

macro_rules! ensure {
    ($condition:expr, $field:ident, $got:expr) => {
        if !$condition {
            return Err(OpenFailure::InvalidHeader {
                field: stringify!($field),
                offset: offset_of!(Header, $field) as u64,
                got: u64::from($got),
            });
        }
    };
}

impl Layout {
    /// Parses and proves the header and footer of a whole table. Reads the header's and the
    /// footer's bytes and no others.
    pub(crate) fn parse(table: &[u8]) -> Result<Self, OpenFailure> {
        Self::parse_ends(table, table, table.len() as u64)
    }

    /// Parses and proves the header alone of a whole table, whose footer may be damaged.
    pub(crate) fn parse_without_footer(table: &[u8]) -> Result<Self, OpenFailure> {
        Self::prove(&Self::check_start(table, table.len() as u64)?)
    }

    /// Parses and proves a table of `got` bytes from its two ends: `start` holds at least the first
    /// 4,096 bytes, or all, and `end` ends with the footer.
    pub(crate) fn parse_ends(start: &[u8], end: &[u8], got: u64) -> Result<Self, OpenFailure> {
        let header = Self::check_start(start, got)?;
        let offset = got - FOOTER as u64;
        let footer =
            end.last_chunk::<FOOTER>().and_then(|bytes| Footer::read_from_bytes(bytes).ok());
        let mismatch = footer.map_or(Some("length"), |footer| footer.mismatch(&header));
        if let Some(field) = mismatch {
            return Err(OpenFailure::FooterMismatch { field, offset });
        }
        Self::prove(&header)
    }

    /// Parses and proves the header of a table that begins with `start`: with at least its first
    /// 4,096 bytes, or all. The length is what the header says, so the rest may be missing.
    pub(crate) fn parse_start(start: &[u8]) -> Result<Self, OpenFailure> {
        let header = match Self::check_start(start, start.len() as u64) {
            Err(OpenFailure::Truncated { expected, .. }) => Self::check_start(start, expected),
            other => other,
        };
        Self::prove(&header?)
    }

    /// An error for a patch, which is no table that readers could open.
    pub(crate) fn refuse_patch(&self) -> Result<(), OpenFailure> {
        if self.patch.is_some() { Err(OpenFailure::IsPatch) } else { Ok(()) }
    }

    /// The header of a table of `got` bytes of which `table` holds at least the first 4,096, or
    /// all: magic, version, checksum and length are right.
    pub(crate) fn check_start(table: &[u8], got: u64) -> Result<Header, OpenFailure> {
        if got >= 8 && table[..8] != MAGIC {
            let mut found = [0; 8];
            found.copy_from_slice(&table[..8]);
            return Err(OpenFailure::NotATable { found });
        }
        let too_short = || OpenFailure::TooShort { got, expected: SMALLEST };
        if got < SMALLEST {
            return Err(too_short());
        }
        let (header, _) = Header::read_from_prefix(table).map_err(|_| too_short())?;
        if header.major.get() != MAJOR {
            return Err(OpenFailure::UnsupportedVersion {
                major: header.major.get(),
                minor: header.minor.get(),
                supported: MAJOR,
            });
        }
        // The size bounds the checksum's reach, so it must be sane before the checksum is known.
        let header_size = header.header_size.get();
        let sane = (HEADER as u32..=MAX_HEADER).contains(&header_size);
        ensure!(sane, header_size, header_size);
        let Some(header_bytes) = table.get(..header_size as usize) else {
            return Err(OpenFailure::Truncated { expected: header.file_len.get(), got });
        };
        let (expected, actual) = (header.checksum.get(), header_checksum(header_bytes));
        if expected != actual {
            return Err(OpenFailure::HeaderChecksum { expected, got: actual });
        }
        let file_len = header.file_len.get();
        if got < file_len {
            return Err(OpenFailure::Truncated { expected: file_len, got });
        }
        if got > file_len {
            return Err(OpenFailure::TrailingBytes { expected: file_len, got });
        }
        ensure!(file_len <= MAX_FILE, file_len, file_len);
        Ok(header)
    }

    /// Every relation between header fields that a reader relies on. The header's checksum is
    /// right, so a failure is a faulty or hostile writer.
    fn prove(header: &Header) -> Result<Self, OpenFailure> {
        if header.order != 0 {
            return Err(OpenFailure::UnsupportedFeature {
                feature: "key order",
                id: u64::from(header.order),
            });
        }
        let flags = header.flags.get();
        ensure!(flags & !KNOWN_FLAGS == 0, flags, flags);
        let align_log2 = header.value_align_log2;
        ensure!(align_log2 <= 6, value_align_log2, align_log2);
        ensure!(header.sum_unit_log2 == UNIT_LOG2, sum_unit_log2, header.sum_unit_log2);
        let block_records = header.block_records;
        ensure!((1..=MAX_BLOCK).contains(&block_records), block_records, block_records);
        ensure!(header.reserved_1 == [0; 6], reserved_1, header.reserved_1[0]);
        ensure!(header.reserved_2 == [0; 40], reserved_2, header.reserved_2[0]);

        let record = Self::record_layout(header)?;
        let (entries, keys) = (header.entries.get(), header.keys.get());
        let repeated_keys = flags & FLAG_REPEATED_KEYS != 0;
        let plausible = keys <= entries && (keys > 0) == (entries > 0);
        ensure!(plausible && repeated_keys == (keys < entries), keys, keys);

        let mut layout = Self {
            version: (header.major.get(), header.minor.get()),
            file_len: header.file_len.get() as usize,
            build_id: header.build_id,
            entries,
            keys,
            repeated_keys,
            record,
            decoder: record.decoder(),
            fixed: None,
            block_records: header.block_records,
            records: Span::default(),
            tree: None,
            hash: None,
            hash_of_decoded: None,
            lines: None,
            stats: Span::default(),
            metadata: None,
            types: None,
            patch: None,
            packing: None,
            sums: Span::default(),
            header_size: header.header_size.get() as usize,
            key_type: header.key_type,
            value_type: header.value_type,
            byte_order: header.byte_order,
            sections: [(0, Span::default()); SECTIONS],
            section_count: header.section_count.get() as usize,
        };
        layout.prove_sections(header)?;
        layout.prove_records(header)?;
        layout.prove_lines(header)?;
        layout.prove_tree(header)?;
        layout.prove_hash(header)?;
        Ok(layout)
    }

    fn record_layout(header: &Header) -> Result<RecordLayout, OpenFailure> {
        let flags = header.flags.get();
        let fixed = |flag, value: u32| (flags & flag != 0).then_some(value);
        let (key_len, value_len) = (header.fixed_key_len.get(), header.fixed_value_len.get());
        let fixed_key = fixed(FLAG_FIXED_KEY, key_len);
        let fixed_value = fixed(FLAG_FIXED_VALUE, value_len);
        ensure!(key_len <= MAX_KEY as u32, fixed_key_len, key_len);
        ensure!(fixed_key.is_some() || key_len == 0, fixed_key_len, key_len);
        ensure!(fixed_value.is_some() || value_len == 0, fixed_value_len, value_len);
        let (width, key_bits) = (header.length_width, header.key_bits);
        let both = fixed_key.is_some() && fixed_value.is_some();
        ensure!(width <= 4 && (width == 0) == both, length_width, width);
        let bits_fit = match (fixed_key, fixed_value) {
            (Some(_), _) => key_bits == 0,
            (None, Some(_)) => key_bits == 8 * width,
            (None, None) => key_bits <= 8 * width,
        };
        ensure!(bits_fit, key_bits, key_bits);
        let align_log2 = header.value_align_log2;
        Ok(RecordLayout { fixed_key, fixed_value, width, key_bits, align_log2 })
    }

    /// Sections ascend, do not overlap, lie between header and footer; each known kind once.
    fn prove_sections(&mut self, header: &Header) -> Result<(), OpenFailure> {
        let count = header.section_count.get();
        ensure!(count <= SECTIONS as u32, section_count, count);
        let end = header.file_len.get() - FOOTER as u64;
        let mut free = u64::from(header.header_size.get());
        let mut seen = 0u32;
        for (i, section) in header.sections.iter().enumerate() {
            let (offset, length) = (section.offset.get(), section.length.get());
            if i >= count as usize {
                let empty = section.as_bytes().iter().all(|&byte| byte == 0);
                ensure!(empty, sections, section.kind.get());
                continue;
            }
            let inside = offset >= free
                && offset % SECTION_ALIGN == 0
                && offset.checked_add(length).is_some_and(|after| after <= end);
            let flags_known = section.flags.get() & !kind::REQUIRED == 0;
            ensure!(inside && flags_known && section.reserved.get() == 0, sections, offset);
            free = offset + length;
            let span = Span { start: offset as usize, end: free as usize };
            let id = section.kind.get();
            self.sections[i] = (id, span);
            match id {
                kind::RECORDS => self.records = span,
                kind::TREE | kind::HASH | kind::LINES => {}
                kind::STATS => self.stats = span,
                kind::METADATA => self.metadata = Some(span),
                kind::TYPES => self.types = Some(span),
                kind::PATCH => self.patch = Some(span),
                kind::PACKING => self.packing = Some(span),
                kind::SUMS => self.sums = span,
                _ if section.flags.get() & kind::REQUIRED != 0 => {
                    return Err(OpenFailure::UnsupportedFeature {
                        feature: "section kind",
                        id: u64::from(id),
                    });
                }
                _ => continue,
            }
            let lax = id == kind::PACKING && section.flags.get() != kind::REQUIRED;
            ensure!(seen & (1 << id) == 0 && !lax, sections, id);
            seen |= 1 << id;
        }
        let needed = 1 << kind::RECORDS | 1 << kind::STATS | 1 << kind::SUMS;
        ensure!(seen & needed == needed, sections, seen);
        ensure!(self.patch.is_none_or(|span| span.len() == PATCH), sections, seen);
        if let Some(span) = self.packing {
            ensure!(packing::may_have_bytes(span.len()), sections, span.len() as u64);
            // What is stored has no types and no place of its own; a patch holds values as they are.
            let typed = self.types.is_some() || self.type_tags() != Types::default();
            ensure!(self.patch.is_none() && !typed, sections, seen);
            ensure!(header.value_align_log2 == 0, value_align_log2, header.value_align_log2);
        }
        // The sums stand last, cover everything before them, and the footer follows at once.
        let sums = self.sums;
        let length = units(sums.start as u64) * SUM_BYTES;
        let right = sums.len() as u64 == length && sums.end as u64 == end && free == end;
        ensure!(right, sections, sums.start as u64);
        Ok(())
    }

    fn prove_records(&mut self, header: &Header) -> Result<(), OpenFailure> {
        let length = self.records.len() as u64;
        let stride = self.record.stride();
        let right = match stride {
            _ if self.entries == 0 => length == 0,
            Some((stride, lead)) => {
                self.entries.checked_mul(stride).and_then(|all| all.checked_add(lead))
                    == Some(length)
            }
            // Every variable record has a length word.
            None => self
                .entries
                .checked_mul(u64::from(self.record.width))
                .is_some_and(|least| least <= length),
        };
        ensure!(right, entries, header.entries.get());
        self.fixed = stride.map(|(stride, lead)| Fixed {
            first: self.records.start + lead as usize,
            stride: stride as usize,
            key_len: self.record.fixed_key.unwrap_or(0) as usize,
            value_len: self.record.fixed_value.unwrap_or(0) as usize,
        });
        Ok(())
    }

    /// The line index takes the place of the tree, in tables of fixed width without repeated keys.
    fn prove_lines(&mut self, header: &Header) -> Result<(), OpenFailure> {
        let (base, scale) = (header.line_base.get(), header.line_scale.get());
        let Some(span) = self.section(kind::LINES) else {
            ensure!(base == 0 && scale == 0, line_scale, scale);
            return Ok(());
        };
        let lines = (span.len() / LINE) as u64;
        let whole = lines >= 1 && span.len() % LINE == 0;
        ensure!(whole, sections, span.len() as u64);
        let suits = self.fixed.is_some() && !self.repeated_keys && header.index_levels == 0;
        let counted = self.entries >= 1 && self.entries <= u64::from(u32::MAX);
        ensure!(suits && counted, line_scale, scale);
        self.lines = Some(LineLayout { span, scale: LineScale { base, scale }, lines });
        Ok(())
    }

    fn prove_tree(&mut self, header: &Header) -> Result<(), OpenFailure> {
        let span = self.section(kind::TREE);
        let levels = header.index_levels;
        let leaves = header.index_leaves.get();
        ensure!(levels <= MAX_LEVELS && (levels > 0) == span.is_some(), index_levels, levels);
        let Some(span) = span else {
            let step = header.sample_step;
            ensure!(leaves == 0 && header.node_log2 == 0, index_leaves, leaves);
            ensure!(step == 0, sample_step, step);
            let one_block = self.entries <= u64::from(self.block_records);
            ensure!(one_block || self.lines.is_some(), index_levels, levels);
            return Ok(());
        };
        let node_log2 = header.node_log2;
        ensure!((9..=12).contains(&node_log2), node_log2, node_log2);
        let mask = (1usize << node_log2) - 1;
        let aligned = span.start & mask == 0 && span.len() & mask == 0;
        ensure!(aligned, sections, span.start as u64);
        let nodes = (span.len() >> node_log2) as u64;
        ensure!(tree::leaves_fit(leaves, nodes, levels), index_leaves, leaves);
        ensure!(tree::levels_fit(leaves, nodes, levels), index_levels, levels);
        let sample_step = header.sample_step;
        ensure!((sample_step == 0) == self.fixed.is_some(), sample_step, sample_step);
        self.tree = Some(TreeLayout { span, node_log2, levels, nodes, leaves, sample_step });
        Ok(())
    }

    fn prove_hash(&mut self, header: &Header) -> Result<(), OpenFailure> {
        let span = self.section(kind::HASH);
        let function = header.hash_function;
        ensure!((function != 0) == span.is_some(), hash_function, function);
        let (groups, per_group) = (header.hash_groups.get(), header.hash_per_group.get());
        let Some(span) = span else {
            ensure!(header.slot_width == 0, slot_width, header.slot_width);
            ensure!(groups == 0 && per_group == 0, hash_groups, groups);
            ensure!(header.hash_attempt.get() == 0, hash_attempt, header.hash_attempt.get());
            ensure!(header.hash_seed.get() == 0, hash_seed, header.hash_seed.get());
            ensure!(header.hash_set_aside.get() == 0, hash_set_aside, header.hash_set_aside.get());
            return Ok(());
        };
        let of_decoded = function == hasher::OF_DECODED && self.packing.is_some();
        if function != hasher::FUNCTION && !of_decoded {
            return Err(OpenFailure::UnsupportedFeature {
                feature: "hash function",
                id: u64::from(function),
            });
        }
        let slots = Slots::from_width(header.slot_width);
        ensure!(slots.is_some(), slot_width, header.slot_width);
        let shape = Shape { groups, per_group };
        let bounded = (1..=hash::GROUP_BUCKETS as u32).contains(&per_group) && groups >= 1;
        ensure!(bounded, hash_per_group, per_group);
        let length = groups
            .checked_mul(u64::from(per_group))
            .and_then(|buckets| buckets.checked_mul(hash::BUCKET as u64));
        ensure!(length == Some(span.len() as u64), hash_groups, groups);
        let (attempt, seed) = (header.hash_attempt.get(), header.hash_seed.get());
        ensure!((attempt == 0) == (seed == 0), hash_seed, seed);
        let (hasher, seeded) = (Hasher::new(seed), seed != 0);
        // The first key of each hash is in the index.
        let set_aside = header.hash_set_aside.get();
        ensure!(set_aside == 0 || set_aside < self.keys, hash_set_aside, set_aside);
        let references =
            if self.fixed.is_some() { self.entries } else { self.records.len() as u64 };
        let hash = slots.map(|slots| {
            let (buckets, tails) = (shape.buckets(), Tails::new(slots, references));
            HashLayout { span, shape, buckets, slots, tails, hasher, seeded, attempt, set_aside }
        });
        (self.hash, self.hash_of_decoded) = if of_decoded { (None, hash) } else { (hash, None) };
        Ok(())
    }

    /// The tags of the types, as the header has them.
    pub(crate) fn type_tags(&self) -> Types {
        Types { key: self.key_type, value: self.value_type, byte_order: self.byte_order }
    }

    /// The span of a section of this kind.
    pub(crate) fn section(&self, kind: u32) -> Option<Span> {
        self.sections[..self.section_count]
            .iter()
            .find(|(id, _)| *id == kind)
            .map(|&(_, span)| span)
    }
}
