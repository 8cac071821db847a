//! Finds the record layout of a table while its entries come.
//!
//! Whether all keys have one length, and all values, is known only after the last entry. Writing
//! begins with the layout that fits the first entries. The first entry of another length makes the
//! writer read the records back and encode them with a wider layout: at most once for keys and once
//! for values.

use super::reread::{Extent, RecordReader};
use super::scratch::{Scratch, Value};
use super::summary::BuildSummary;
use super::table::{Packed, Plan, TableWriter};
use crate::codec::KeySymbols;
use crate::error::BuildError;
use crate::file::Unpublished;
use crate::file::io::CHUNK;
use crate::format::record::{RecordLayout, choose_word};
use std::sync::Arc;

/// Entries whose lengths decide the length word.
const SAMPLE_ENTRIES: usize = 16_384;
/// Bytes of entries after which the sample ends.
const SAMPLE_BYTES: usize = 1 << 20;

/// Writes a table of ascending entries whose record layout is not known beforehand.
pub(super) struct RelayoutWriter {
    plan: Plan,
    output: Unpublished,
    /// Keys and values of the first entries, held back until the layout is chosen.
    held: Vec<u8>,
    /// Lengths of the keys and values of the first entries.
    sample: Vec<(u32, u32)>,
    /// The table, once its layout is chosen.
    table: Option<TableWriter>,
}

impl RelayoutWriter {
    /// A writer of a table in `output`.
    pub(super) fn new(output: Unpublished, plan: Plan) -> Self {
        Self { plan, output, held: Vec::new(), sample: Vec::new(), table: None }
    }

    /// Adds an entry that is not below the entry before it; `repeated`: both have the same key.
    #[inline]
    pub(super) fn push(
        &mut self,
        key: &[u8],
        value: Value<'_>,
        repeated: bool,
    ) -> Result<(), BuildError> {
        match &mut self.table {
            Some(table) if table.layout_holds(key, value) => table.push(key, value, repeated),
            Some(_) => self.widen(key, value, repeated),
            None => self.hold(key, value, repeated),
        }
    }

    /// Notes how keys are encoded, before the first one comes.
    pub(super) fn encode_keys(&mut self, symbols: Arc<KeySymbols>) {
        self.plan.keys = Some(symbols);
    }

    /// Notes how the values were compressed.
    pub(super) fn pack(&mut self, packed: Packed) {
        self.plan.packed = Some(packed);
    }

    /// Adds an entry to the sample.
    #[cold]
    fn hold(&mut self, key: &[u8], value: Value<'_>, repeated: bool) -> Result<(), BuildError> {
        self.sample.push((key.len() as u32, value.len() as u32));
        let bytes = self.held.len() + key.len() + value.len();
        if bytes < SAMPLE_BYTES {
            self.held.extend_from_slice(key);
            value.copy(|bytes| {
                self.held.extend_from_slice(bytes);
                Ok(())
            })?;
            if self.sample.len() < SAMPLE_ENTRIES {
                return Ok(());
            }
            return self.begin(self.sample.len());
        }
        // The entry that completes the sample may be large, so it is not copied.
        self.begin(self.sample.len() - 1)?;
        match &mut self.table {
            Some(table) => table.push(key, value, repeated),
            None => Err(BuildError::Failed),
        }
    }

    /// Chooses the layout by the complete sample and writes the `held` entries that were held back.
    fn begin(&mut self, held: usize) -> Result<(), BuildError> {
        let first = self.sample.first().copied().unwrap_or((0, 0));
        let fixed_key = self.sample.iter().all(|s| s.0 == first.0).then_some(first.0);
        let fixed_value = self.sample.iter().all(|s| s.1 == first.1).then_some(first.1);
        let mut table = self.start(fixed_key, fixed_value)?;
        let mut rest = self.held.as_slice();
        let mut previous = None;
        for &(key_len, value_len) in &self.sample[..held] {
            let (key, after) = rest.split_at(key_len as usize);
            let (value, after) = after.split_at(value_len as usize);
            table.push(key, Value::Bytes(value), previous == Some(key))?;
            previous = Some(key);
            rest = after;
        }
        self.held = Vec::new();
        self.table = Some(table);
        Ok(())
    }

    /// A table with the layout for these fixed lengths.
    fn start(
        &self,
        fixed_key: Option<u32>,
        fixed_value: Option<u32>,
    ) -> Result<TableWriter, BuildError> {
        let (width, key_bits) = choose_word(fixed_key, fixed_value, self.sample.iter());
        let align_log2 = self.plan.align_log2;
        let layout = RecordLayout { fixed_key, fixed_value, width, key_bits, align_log2 };
        TableWriter::new(&self.output, layout, &self.plan)
    }

    /// Adds an entry that does not fit the layout: encodes all records again with one that fits.
    #[cold]
    fn widen(&mut self, key: &[u8], value: Value<'_>, repeated: bool) -> Result<(), BuildError> {
        let Some(old) = self.table.take() else { return Err(BuildError::Failed) };
        let layout = old.layout();
        let fixed_key = layout.fixed_key.filter(|&len| len as usize == key.len());
        let fixed_value = layout.fixed_value.filter(|&len| len as usize == value.len());
        let narrow = old.into_records()?;
        let file = Arc::new(Scratch::of(self.output.file(), self.output.path())?);
        self.output = self.output.again()?;
        let mut table = self.start(fixed_key, fixed_value)?;
        let mut records = RecordReader::new(Extent { file, ..narrow }, CHUNK);
        let mut previous: Option<Vec<u8>> = None;
        while records.advance()? {
            let key = records.key();
            let repeated = previous.as_deref() == Some(key);
            table.push(key, records.value(), repeated)?;
            let previous = previous.get_or_insert_default();
            previous.clear();
            previous.extend_from_slice(key);
        }
        table.push(key, value, repeated)?;
        self.table = Some(table);
        Ok(())
    }

    /// Writes everything after the records and returns the file, ready to be published.
    pub(super) fn finish(mut self) -> Result<(Unpublished, BuildSummary), BuildError> {
        let summary = self.complete()?.finish(&self.plan)?;
        Ok((self.output, summary))
    }

    /// Gives the table up. Returns an output for another one, and where the records are.
    pub(super) fn into_run(mut self) -> Result<(Unpublished, Extent), BuildError> {
        let records = self.complete()?.into_records()?;
        let output = self.output.again()?;
        Ok((output, records))
    }

    /// The table with all entries in it.
    fn complete(&mut self) -> Result<TableWriter, BuildError> {
        if self.table.is_none() {
            self.begin(self.sample.len())?;
        }
        self.table.take().ok_or(BuildError::Failed)
    }
}
