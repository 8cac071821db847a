//! The section table of a table that is being written.

use super::sink::Sink;
use crate::error::BuildError;
use crate::format::header::{SECTIONS, Section, kind};
use zerocopy::FromZeros;

/// The section table as it grows.
pub(super) struct Sections {
    pub(super) table: [Section; SECTIONS],
    pub(super) count: u32,
}

impl Default for Sections {
    fn default() -> Self {
        Self { table: FromZeros::new_zeroed(), count: 0 }
    }
}

impl Sections {
    /// Adds a section that starts at `offset`.
    pub(super) fn add(&mut self, kind: u32, required: bool, offset: u64, length: u64) {
        self.table[self.count as usize] = Section {
            kind: kind.into(),
            flags: if required { kind::REQUIRED } else { 0 }.into(),
            offset: offset.into(),
            length: length.into(),
            reserved: 0.into(),
        };
        self.count += 1;
    }

    /// Writes a section at the sink's position.
    pub(super) fn write(
        &mut self,
        sink: &mut Sink,
        kind: u32,
        required: bool,
        bytes: &[u8],
    ) -> Result<(), BuildError> {
        self.add(kind, required, sink.position(), bytes.len() as u64);
        sink.write(bytes)
    }
}
