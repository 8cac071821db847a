//! Ascending entries in, a finished table out: records, indexes, statistics, metadata, sums.
//!
//! Whether keys and values have one length each is known only at the end. Writing begins as if
//! they had; the first entry that differs makes the records so far be read back and encoded
//! again, once for keys and once for values at most.

use super::options::HashIndex;
use super::pass::Pass;
use super::pool::Pool;
use super::progress::Reporter;
use super::records::{Extent, Records};
use super::scratch::{Scratch, Value};
use super::sink::Terms;
use super::summary::HashIndexOutcome;
use crate::error::BuildError;
use crate::file::Unpublished;
use crate::file::io::CHUNK;
use crate::format::record::RecordLayout;
use crate::format::record::choose_word;
use std::sync::Arc;

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
    /// Bytes that the indexes may take before they are spilled.
    pub(super) memory: usize,
    pub(super) pool: Pool,
    pub(super) sink: Terms,
    pub(super) progress: Reporter,
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
    pub(super) set_aside: u64,
}

/// Entries whose lengths decide the length word.
const SAMPLE_ENTRIES: usize = 16_384;
/// Bytes of entries after which the sample ends.
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

    /// Adds an entry that is not below the one before it; `repeated`: has the same key.
    #[inline]
    pub(super) fn push(
        &mut self,
        key: &[u8],
        value: Value<'_>,
        repeated: bool,
    ) -> Result<(), BuildError> {
        match &mut self.pass {
            Some(pass) if pass.layout_holds(key, value) => pass.push(key, value, repeated),
            Some(_) => self.widen(key, value, repeated),
            None => self.hold(key, value, repeated),
        }
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
        // The entry that completes the sample may be large: it is not held.
        self.begin(self.sample.len() - 1)?;
        match &mut self.pass {
            Some(pass) => pass.push(key, value, repeated),
            None => Err(BuildError::Failed),
        }
    }

    /// The sample is complete: chooses the layout and writes what was held back, `held` entries.
    fn begin(&mut self, held: usize) -> Result<(), BuildError> {
        let first = self.sample.first().copied().unwrap_or((0, 0));
        let fixed_key = self.sample.iter().all(|s| s.0 == first.0).then_some(first.0);
        let fixed_value = self.sample.iter().all(|s| s.1 == first.1).then_some(first.1);
        let mut pass = self.start(fixed_key, fixed_value)?;
        let mut rest = self.held.as_slice();
        let mut previous = None;
        for &(key_len, value_len) in &self.sample[..held] {
            let (key, after) = rest.split_at(key_len as usize);
            let (value, after) = after.split_at(value_len as usize);
            pass.push(key, Value::Bytes(value), previous == Some(key))?;
            previous = Some(key);
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
        Pass::new(&self.output, layout, &self.plan)
    }

    /// An entry deviates from the lengths that were the same so far: encodes all again.
    #[cold]
    fn widen(&mut self, key: &[u8], value: Value<'_>, repeated: bool) -> Result<(), BuildError> {
        let Some(old) = self.pass.take() else { return Err(BuildError::Failed) };
        let layout = old.layout();
        let fixed_key = layout.fixed_key.filter(|&len| len as usize == key.len());
        let fixed_value = layout.fixed_value.filter(|&len| len as usize == value.len());
        let narrow = old.into_records()?;
        let file = Arc::new(Scratch::of(self.output.file(), self.output.path())?);
        self.output = self.output.again()?;
        let mut pass = self.start(fixed_key, fixed_value)?;
        let mut records = Records::new(Extent { file, ..narrow }, CHUNK);
        let mut previous: Option<Vec<u8>> = None;
        while records.advance()? {
            let key = records.key();
            let repeated = previous.as_deref() == Some(key);
            pass.push(key, records.value(), repeated)?;
            let previous = previous.get_or_insert_default();
            previous.clear();
            previous.extend_from_slice(key);
        }
        pass.push(key, value, repeated)?;
        self.pass = Some(pass);
        Ok(())
    }

    /// Writes all that follows the records and returns the file, ready to be published.
    pub(super) fn finish(mut self) -> Result<(Unpublished, Written), BuildError> {
        let written = self.complete()?.finish(&self.plan)?;
        Ok((self.output, written))
    }

    /// Gives the records up as a sorted run, with a fresh output.
    pub(super) fn into_run(mut self) -> Result<(Unpublished, Extent), BuildError> {
        let records = self.complete()?.into_records()?;
        let output = self.output.again()?;
        Ok((output, records))
    }

    fn complete(&mut self) -> Result<Pass, BuildError> {
        if self.pass.is_none() {
            self.begin(self.sample.len())?;
        }
        self.pass.take().ok_or(BuildError::Failed)
    }
}
