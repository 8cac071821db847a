//! Compresses the values of a table. The dictionary is made from a sample of all entries, so entries
//! wait until the last one has come, in memory as far as the budget goes and then in a temporary file.
//! What is in the file costs one write and one read more than in a plain table, also where entries come
//! in order. Then they are compressed batch by batch on all threads, while the batch before is written.

mod batch;

use super::pool::Pool;
use super::progress::{BuildPhase, Reporter};
use super::relayout::RelayoutWriter;
use super::sample::Sample;
use super::scratch::{Scratch, Value};
use super::settings::Settings;
use super::sort::{Run, RunReader, RunWriter};
use super::table::Packed;
use crate::codec::{Compression, Encoder, train_keys};
use crate::error::BuildError;
use crate::format::packing::{MAX_ENCODED_KEY, MAX_FRAME, PackingBlock, codec};
use batch::{Batch, Coder, Out, no_memory};
use std::path::Path;
use std::sync::Arc;

/// Bytes of the sample for each byte of the dictionary. The authors of zstd advise 100, with which
/// documents take 0.4 % less, and finding the dictionary twice the time.
const SAMPLE_SHARE: usize = 50;
/// Fewest and most bytes of a sample.
const SAMPLE: (usize, usize) = (1 << 20, 12 << 20);
/// Bytes of the sample of keys.
const KEY_SAMPLE: usize = 2 << 20;
/// Fewest bytes of a batch of entries, and most for each thread.
const BATCH: (usize, usize) = (64 << 10, 512 << 10);
/// Bytes that are read at once.
const WINDOW: usize = 1 << 20;
/// Bytes that compressing takes on a thread, at a level up to 9 and above.
const LANE: (usize, usize) = (4 << 20, 16 << 20);
/// Entries between two reports of progress.
const STEP: u64 = 1 << 16;

/// Entries on their way to the table.
pub(super) struct Packer {
    asked: Option<Compression>,
    directory: Arc<Path>,
    run: RunWriter,
    /// The file of the run. Its beginning stays in memory.
    file: Arc<Scratch>,
    values: Sample,
    /// A sample of the keys, if they are to be encoded.
    keys: Option<Sample>,
    lengths: Lengths,
    pool: Pool,
    lanes: usize,
    /// Bytes of a batch. Two of them are in memory, with what is stored of them.
    batch: usize,
    progress: Reporter,
}

/// What is known of the lengths of all entries.
#[derive(Default)]
struct Lengths {
    entries: u64,
    key_bytes: u64,
    key_len_max: u32,
    value_bytes: u64,
    value_len_max: u32,
}

impl Packer {
    /// A packer, and the bytes of so many bytes of memory that it takes: its threads a quarter at most,
    /// and entries that stay in memory half of the rest.
    pub(super) fn new(
        settings: &Settings,
        directory: &Arc<Path>,
        pool: &Pool,
        memory: usize,
    ) -> Result<(Self, usize), BuildError> {
        let asked = settings.compression;
        let each = if asked.is_some_and(|asked| asked.level > 9) { LANE.1 } else { LANE.0 };
        let lanes = (memory / 4 / each).clamp(1, settings.thread_count().max(1));
        let threads = (lanes * each).min(memory);
        let head = (memory - threads) / 2;
        let file = Arc::new(Scratch::create(directory)?.with_head(head));
        let dictionary = asked.map_or(0, |asked| asked.dictionary as usize);
        let share = dictionary.saturating_mul(SAMPLE_SHARE).clamp(SAMPLE.0, SAMPLE.1);
        let packer = Self {
            asked,
            directory: Arc::clone(directory),
            run: RunWriter::new(&file, 0, None),
            file,
            values: Sample::new(if asked.is_some() { share } else { 0 }),
            keys: settings.compact_keys.then(|| Sample::new(KEY_SAMPLE)),
            lengths: Lengths::default(),
            pool: pool.clone(),
            lanes,
            batch: (memory / 16).clamp(BATCH.0, BATCH.1 * lanes),
            progress: settings.progress.clone(),
        };
        Ok((packer, threads + head))
    }

    /// Adds an entry that is not below the entry before it; `repeated`: both have the same key.
    pub(super) fn push(
        &mut self,
        key: &[u8],
        value: Value<'_>,
        repeated: bool,
    ) -> Result<(), BuildError> {
        let lengths = &mut self.lengths;
        lengths.entries += 1;
        lengths.key_bytes += key.len() as u64;
        lengths.key_len_max = lengths.key_len_max.max(key.len() as u32);
        lengths.value_bytes += value.len() as u64;
        lengths.value_len_max = lengths.value_len_max.max(value.len() as u32);
        if self.asked.is_some() {
            match value {
                Value::Bytes(bytes) => self.values.show(key, bytes, repeated),
                Value::Stored(stored) => self.values.show(key, &stored.start()?, repeated),
            }
        }
        if let Some(keys) = &mut self.keys
            && !repeated
        {
            keys.show(key, key, false);
        }
        self.run.push(key, value)
    }

    /// Gives the entries back, which are then a sorted run, and their number.
    pub(super) fn into_run(self) -> Result<(Run, u64), BuildError> {
        let run = self.run.finish()?.0;
        self.file.write_head()?;
        Ok((run, self.lengths.entries))
    }

    /// Compresses all values, encodes all keys, and writes the entries to the table.
    pub(super) fn finish(self, table: &mut RelayoutWriter) -> Result<(), BuildError> {
        let Self { asked, lengths, progress, .. } = self;
        let total = lengths.entries;
        let encodes = lengths.key_len_max as usize <= MAX_ENCODED_KEY;
        let keys = self.keys.filter(|_| encodes).map(Sample::into_values);
        let values = self.values.into_values();
        let mut encoder = None;
        // Each of the two takes one thread.
        let found = self.pool.beside(
            || encoder = Encoder::train(asked.as_ref(), &slices(&values), lengths.value_bytes),
            || keys.and_then(|keys| train_keys(&slices(&keys), lengths.key_bytes)),
        );
        let encoder = encoder.ok_or_else(no_memory)?;
        drop(values);
        let (symbols, key_dictionary) = match found {
            Some((symbols, dictionary)) => (Some(Arc::new(symbols)), dictionary),
            None => (None, Vec::new()),
        };
        if let Some(symbols) = &symbols {
            table.encode_keys(Arc::clone(symbols));
        }

        let mut coders = Vec::new();
        for _ in 0..self.lanes {
            let worker = encoder.worker().ok_or_else(no_memory)?;
            coders.push(Coder { worker, symbols: symbols.as_deref() });
        }
        let mut source = Source {
            entries: self.run.finish()?.0.reader(WINDOW, None),
            batch: self.batch,
            previous: None,
            done: 0,
            total,
            progress,
        };
        let mut out = Out { table, as_they_are: 0 };
        // While one batch is compressed, the one before it is written, and then filled anew.
        let (mut full, mut spare) = (Batch::default(), Batch::default());
        let mut next = source.fill(&mut full)?;
        loop {
            let mut encoded = None;
            let filled = self.pool.beside(
                || encoded = full.encode(&mut coders),
                || {
                    spare.write(&mut out)?;
                    if next == Next::Full { source.fill(&mut spare) } else { Ok(next) }
                },
            );
            encoded.ok_or_else(no_memory)?;
            std::mem::swap(&mut full, &mut spare);
            if next == Next::Full {
                next = filled?;
                continue;
            }
            filled?;
            spare.write(&mut out)?;
            if next == Next::End {
                break;
            }
            source.write_long(&mut coders[0], &mut out, &self.directory)?;
            next = source.fill(&mut full)?;
        }
        let as_they_are = out.as_they_are;
        let values = encoder.dictionary();
        let block = PackingBlock {
            codec: asked.map_or(codec::NONE, |asked| asked.codec),
            key_codec: if symbols.is_some() { codec::SYMBOLS } else { codec::NONE },
            reserved: [0; 2],
            codec_version: encoder.version().into(),
            level: asked.map_or(0, |asked| asked.level as u32).into(),
            dictionary_asked: asked.map_or(0, |asked| asked.dictionary).into(),
            dictionary_len: (values.len() as u32).into(),
            value_len_max: lengths.value_len_max.into(),
            value_bytes: lengths.value_bytes.into(),
            as_they_are: as_they_are.into(),
            key_dictionary_len: (key_dictionary.len() as u32).into(),
            key_len_max: lengths.key_len_max.into(),
            key_bytes: lengths.key_bytes.into(),
            reserved_2: 0.into(),
        };
        table.pack(Packed { block, dictionary: [values, &key_dictionary].concat() });
        Ok(())
    }
}

fn slices(values: &[Vec<u8>]) -> Vec<&[u8]> {
    values.iter().map(Vec::as_slice).collect()
}

/// Entries as they come.
struct Source {
    entries: RunReader,
    /// Bytes of a full batch.
    batch: usize,
    previous: Option<Vec<u8>>,
    done: u64,
    total: u64,
    progress: Reporter,
}

/// Why a batch is not filled further.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Next {
    Full,
    /// An entry with a value of more than one frame comes next.
    Long,
    End,
}

impl Source {
    /// Fills an empty batch.
    fn fill(&mut self, batch: &mut Batch) -> Result<Next, BuildError> {
        while batch.len() < self.batch {
            if self.done.is_multiple_of(STEP) || self.done == self.total {
                self.progress.tell(BuildPhase::Compress, self.done, self.total)?;
            }
            if !self.entries.advance()? {
                return Ok(Next::End);
            }
            self.done += 1;
            if self.entries.value().len() > MAX_FRAME {
                return Ok(Next::Long);
            }
            let repeated = self.is_repeated();
            batch.add(self.entries.key(), self.entries.value(), repeated)?;
        }
        Ok(Next::Full)
    }

    /// Whether the entry before has the key of the current one, which is noted.
    fn is_repeated(&mut self) -> bool {
        let key = self.entries.key();
        let repeated = self.previous.as_deref() == Some(key);
        if !repeated {
            let previous = self.previous.get_or_insert_default();
            previous.clear();
            previous.extend_from_slice(key);
        }
        repeated
    }

    /// Writes the current entry, whose value is too long for one frame.
    fn write_long(
        &mut self,
        coder: &mut Coder<'_>,
        out: &mut Out<'_>,
        directory: &Arc<Path>,
    ) -> Result<(), BuildError> {
        let repeated = self.is_repeated();
        let (key, value) = (self.entries.key(), self.entries.value());
        coder.write_long(key, value, repeated, out, directory)
    }
}
