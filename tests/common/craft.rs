//! Crafted tables: bytes changed on purpose, then sealed with right checksums, so that a reader
//! gets as far as the change. Written from the format's description and not from the library's
//! code, of which it shares nothing but the CRC and the hash.

use super::Case;

/// Offsets in the header.
pub(crate) mod at {
    pub(crate) const MAJOR: usize = 8;
    pub(crate) const MINOR: usize = 10;
    pub(crate) const HEADER_SIZE: usize = 12;
    pub(crate) const FILE_LEN: usize = 16;
    pub(crate) const BUILD_ID: usize = 24;
    pub(crate) const ENTRIES: usize = 40;
    pub(crate) const KEYS: usize = 48;
    pub(crate) const FIXED_KEY_LEN: usize = 56;
    pub(crate) const FIXED_VALUE_LEN: usize = 60;
    pub(crate) const FLAGS: usize = 64;
    pub(crate) const ORDER: usize = 68;
    pub(crate) const VALUE_ALIGN: usize = 69;
    pub(crate) const LENGTH_WIDTH: usize = 70;
    pub(crate) const KEY_BITS: usize = 71;
    pub(crate) const SUM_UNIT: usize = 72;
    pub(crate) const BLOCK_RECORDS: usize = 73;
    pub(crate) const NODE_LOG2: usize = 74;
    pub(crate) const INDEX_LEVELS: usize = 75;
    pub(crate) const HASH_FUNCTION: usize = 76;
    pub(crate) const SLOT_WIDTH: usize = 77;
    pub(crate) const KEY_TYPE: usize = 78;
    pub(crate) const VALUE_TYPE: usize = 79;
    pub(crate) const BYTE_ORDER: usize = 80;
    pub(crate) const SAMPLE_STEP: usize = 81;
    pub(crate) const RESERVED_1: usize = 82;
    pub(crate) const HASH_ATTEMPT: usize = 88;
    pub(crate) const PER_GROUP: usize = 92;
    pub(crate) const GROUPS: usize = 96;
    pub(crate) const LEAVES: usize = 104;
    pub(crate) const CHECKSUM: usize = 112;
    pub(crate) const SECTION_COUNT: usize = 116;
    pub(crate) const LINE_BASE: usize = 120;
    pub(crate) const LINE_SCALE: usize = 128;
    pub(crate) const HASH_SEED: usize = 136;
    pub(crate) const HASH_SET_ASIDE: usize = 144;
    pub(crate) const RESERVED_2: usize = 152;
    pub(crate) const SECTIONS: usize = 192;
}

pub(crate) const HEADER: usize = 448;
pub(crate) const FOOTER: usize = 32;
pub(crate) const RECORDS: u32 = 1;
pub(crate) const INDEX: u32 = 2;
pub(crate) const HASH: u32 = 3;
pub(crate) const STATS: u32 = 4;
pub(crate) const METADATA: u32 = 5;
pub(crate) const SUMS: u32 = 6;
pub(crate) const LINES: u32 = 7;
pub(crate) const TYPES: u32 = 8;
pub(crate) const PATCH: u32 = 9;
pub(crate) const PACKING: u32 = 10;

/// A table that is being changed.
#[derive(Clone)]
pub(crate) struct Image {
    pub(crate) bytes: Vec<u8>,
    /// Where the page sums started before anything was changed.
    sums: usize,
}

impl Image {
    pub(crate) fn new(bytes: Vec<u8>) -> Self {
        let mut image = Self { bytes, sums: 0 };
        image.sums = image.section(SUMS).0;
        image
    }

    pub(crate) fn of(case: &Case) -> Self {
        Self::new(case.bytes())
    }

    pub(crate) fn get<const N: usize>(&self, at: usize) -> [u8; N] {
        self.bytes[at..at + N].try_into().unwrap()
    }

    pub(crate) fn u16(&self, at: usize) -> u16 {
        u16::from_le_bytes(self.get(at))
    }

    pub(crate) fn u32(&self, at: usize) -> u32 {
        u32::from_le_bytes(self.get(at))
    }

    pub(crate) fn u64(&self, at: usize) -> u64 {
        u64::from_le_bytes(self.get(at))
    }

    pub(crate) fn put(&mut self, at: usize, bytes: &[u8]) {
        self.bytes[at..at + bytes.len()].copy_from_slice(bytes);
    }

    pub(crate) fn put8(&mut self, at: usize, value: u8) {
        self.bytes[at] = value;
    }

    pub(crate) fn put16(&mut self, at: usize, value: u16) {
        self.put(at, &value.to_le_bytes());
    }

    pub(crate) fn put32(&mut self, at: usize, value: u32) {
        self.put(at, &value.to_le_bytes());
    }

    pub(crate) fn put64(&mut self, at: usize, value: u64) {
        self.put(at, &value.to_le_bytes());
    }

    /// Where the entry of a section stands in the header's table.
    pub(crate) fn slot(&self, kind: u32) -> usize {
        let count = self.u32(at::SECTION_COUNT) as usize;
        let mut slots = (0..count).map(|i| at::SECTIONS + 32 * i);
        slots
            .find(|&slot| self.u32(slot) == kind)
            .unwrap_or_else(|| panic!("the base has no section of kind {kind}"))
    }

    /// Offset and length of a section.
    pub(crate) fn section(&self, kind: u32) -> (usize, usize) {
        let slot = self.slot(kind);
        (self.u64(slot + 8) as usize, self.u64(slot + 16) as usize)
    }

    pub(crate) fn records(&self) -> usize {
        self.section(RECORDS).0
    }

    /// Where index node `number` starts.
    pub(crate) fn node(&self, number: usize) -> usize {
        self.section(INDEX).0 + (number << self.bytes[at::NODE_LOG2])
    }

    /// Number of the root, the last node.
    pub(crate) fn root(&self) -> usize {
        (self.section(INDEX).1 >> self.bytes[at::NODE_LOG2]) - 1
    }

    /// Separators of a node.
    pub(crate) fn separators(&self, node: usize) -> usize {
        usize::from(self.u16(node)) - 1
    }

    /// Start of the tail descriptors, offsets and ranks of a leaf of variable width.
    pub(crate) fn tails(&self, node: usize) -> usize {
        node + 32 + 8 * self.separators(node)
    }

    pub(crate) fn offsets(&self, node: usize) -> usize {
        node + 32 + 10 * self.separators(node)
    }

    pub(crate) fn ranks(&self, node: usize) -> usize {
        node + 32 + 14 * self.separators(node)
    }

    /// Start of the samples of a leaf of variable width.
    pub(crate) fn samples(&self, node: usize) -> usize {
        node + 32 + 16 * self.separators(node)
    }

    /// First place in the file where `needle` stands at or after `from`.
    pub(crate) fn find(&self, needle: &[u8], from: usize) -> usize {
        let mut windows = self.bytes[from..].windows(needle.len());
        from + windows.position(|window| window == needle).expect("the base has these bytes")
    }

    /// Adds a section of an unknown kind before the page sums.
    pub(crate) fn insert_section(&mut self, kind: u32, flags: u32, section: &[u8]) {
        let footer = self.bytes[self.bytes.len() - FOOTER..].to_vec();
        self.bytes.truncate(self.sums);
        let offset = self.bytes.len();
        self.bytes.extend_from_slice(section);
        self.bytes.resize(self.bytes.len().next_multiple_of(64), 0);
        self.sums = self.bytes.len();
        let sums = self.sums.div_ceil(4096) * 4;
        self.bytes.resize(self.sums + sums, 0);
        self.bytes.extend_from_slice(&footer);

        let slot = self.slot(SUMS);
        let mut moved: [u8; 32] = self.get(slot);
        moved[8..16].copy_from_slice(&(self.sums as u64).to_le_bytes());
        moved[16..24].copy_from_slice(&(sums as u64).to_le_bytes());
        self.put(slot + 32, &moved);
        self.put32(slot, kind);
        self.put32(slot + 4, flags);
        self.put64(slot + 8, offset as u64);
        self.put64(slot + 16, section.len() as u64);
        let count = self.u32(at::SECTION_COUNT);
        self.put32(at::SECTION_COUNT, count + 1);
        let len = self.bytes.len() as u64;
        self.put64(at::FILE_LEN, len);
    }

    /// Makes build id, checksums and footer fit the bytes.
    pub(crate) fn seal(&mut self) {
        let header = match self.u32(at::HEADER_SIZE) as usize {
            size if (HEADER..=4096).contains(&size) && size <= self.sums => size,
            _ => HEADER,
        };
        self.put(at::BUILD_ID, &[0; 16]);
        self.put(at::CHECKSUM, &[0; 4]);
        let content = [&self.bytes[header..self.sums], &self.bytes[..header]].concat();
        let id = xxhash_rust::xxh3::xxh3_128(&content).to_le_bytes();
        self.put(at::BUILD_ID, &id);
        self.seal_below_id(header);
    }

    /// The same with the build id as it stands.
    pub(crate) fn seal_below_id(&mut self, header: usize) {
        self.put(at::CHECKSUM, &[0; 4]);
        let checksum = crc32fast::hash(&self.bytes[..header]);
        self.put32(at::CHECKSUM, checksum);
        let mask = self.u32(at::BUILD_ID);
        for unit in 0..self.sums.div_ceil(4096) {
            let mut page = self.bytes[unit * 4096..self.sums.min(unit * 4096 + 4096)].to_vec();
            page.resize(4096, 0);
            let place = (unit as u32).wrapping_mul(0x9E37_79B1);
            self.put32(self.sums + 4 * unit, crc32fast::hash(&page) ^ mask ^ place);
        }
        let footer = self.footer();
        self.put(footer, b"GRVend\r\n");
        self.put(footer + 8, &self.get::<8>(at::FILE_LEN));
        self.put(footer + 16, &self.get::<8>(at::BUILD_ID));
        self.put(footer + 24, &self.get::<4>(at::CHECKSUM));
        self.seal_footer();
    }

    pub(crate) fn footer(&self) -> usize {
        self.bytes.len() - FOOTER
    }

    pub(crate) fn seal_footer(&mut self) {
        let footer = self.footer();
        let checksum = crc32fast::hash(&self.bytes[footer..footer + 28]);
        self.put32(footer + 28, checksum);
    }
}
