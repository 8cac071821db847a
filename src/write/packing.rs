//! Compresses the values of a table. The dictionary is made from a sample of all entries, so entries
//! wait in a temporary file until the last one has come: a packed table costs one write and one read
//! of its entries more than a plain one, also where they come in order. Then they are compressed batch
//! by batch on all threads, and written.

use super::pool::Pool;
use super::progress::{BuildPhase, Reporter};
use super::relayout::RelayoutWriter;
use super::sample::Sample;
use super::scratch::{Scratch, Stored, Value};
use super::settings::Settings;
use super::sort::{Run, RunReader, RunWriter};
use super::table::Packed;
use crate::codec::{Compression, Encoder, KeySymbols, Worker, is_worth, train_keys};
use crate::error::BuildError;
use crate::format::packing::{FRAME, MAX_ENCODED_KEY, MAX_FRAME, PackingBlock, codec};
use rayon::prelude::*;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

/// Bytes of the sample for each byte of the dictionary: what the authors of zstd advise.
const SAMPLE_SHARE: usize = 100;
/// Fewest and most bytes of a sample.
const SAMPLE: (usize, usize) = (1 << 20, 12 << 20);
/// Bytes of the sample of keys.
const KEY_SAMPLE: usize = 2 << 20;
/// Bytes of entries that one thread compresses at once, and most entries.
const BATCH: usize = 256 << 10;
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
    values: Sample,
    /// A sample of the keys, if they are to be encoded.
    keys: Option<Sample>,
    lengths: Lengths,
    pool: Pool,
    lanes: usize,
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
    /// A packer, and the bytes of so many bytes of memory that its threads take: a quarter at most.
    pub(super) fn new(
        settings: &Settings,
        directory: &Arc<Path>,
        pool: &Pool,
        memory: usize,
    ) -> Result<(Self, usize), BuildError> {
        let asked = settings.compression;
        let each = if asked.is_some_and(|asked| asked.level > 9) { LANE.1 } else { LANE.0 };
        let lanes = (memory / 4 / each).clamp(1, settings.thread_count().max(1));
        let file = Arc::new(Scratch::create(directory)?);
        let dictionary = asked.map_or(0, |asked| asked.dictionary as usize);
        let share = dictionary.saturating_mul(SAMPLE_SHARE).clamp(SAMPLE.0, SAMPLE.1);
        let packer = Self {
            asked,
            directory: Arc::clone(directory),
            run: RunWriter::new(&file, 0, None),
            values: Sample::new(if asked.is_some() { share } else { 0 }),
            keys: settings.compact_keys.then(|| Sample::new(KEY_SAMPLE)),
            lengths: Lengths::default(),
            pool: pool.clone(),
            lanes,
            progress: settings.progress.clone(),
        };
        Ok((packer, (lanes * each).min(memory)))
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
        Ok((self.run.finish()?.0, self.lengths.entries))
    }

    /// Compresses all values, encodes all keys, and writes the entries to the table.
    pub(super) fn finish(self, table: &mut RelayoutWriter) -> Result<(), BuildError> {
        let Self { asked, lengths, progress, .. } = self;
        let total = lengths.entries;
        let encodes = lengths.key_len_max as usize <= MAX_ENCODED_KEY;
        let sample = self.keys.filter(|_| encodes).map(Sample::into_values);
        let found = sample.and_then(|sample| {
            let sample: Vec<&[u8]> = sample.iter().map(Vec::as_slice).collect();
            train_keys(&sample, lengths.key_bytes)
        });
        let (symbols, key_dictionary) = match found {
            Some((symbols, dictionary)) => (Some(Arc::new(symbols)), dictionary),
            None => (None, Vec::new()),
        };
        if let Some(symbols) = &symbols {
            table.encode_keys(Arc::clone(symbols));
        }
        let sample = self.values.into_values();
        let slices: Vec<&[u8]> = sample.iter().map(Vec::as_slice).collect();
        let encoder = Encoder::train(asked.as_ref(), &slices, lengths.value_bytes);
        let encoder = encoder.ok_or_else(no_memory)?;
        drop(slices);
        drop(sample);

        let mut lanes = Vec::new();
        for _ in 0..self.lanes {
            let worker = encoder.worker().ok_or_else(no_memory)?;
            lanes.push(Lane {
                worker,
                symbols: symbols.as_deref(),
                out: Vec::new(),
                ends: Vec::new(),
            });
        }
        let mut batch = Batch {
            table,
            lanes,
            bytes: Vec::new(),
            entries: Vec::new(),
            as_they_are: 0,
            pool: &self.pool,
        };
        let mut entries = self.run.finish()?.0.reader(WINDOW, None);
        let mut previous: Option<Vec<u8>> = None;
        let mut done = 0;
        while entries.advance()? {
            if done % STEP == 0 {
                progress.tell(BuildPhase::Compress, done, total)?;
            }
            done += 1;
            let key = entries.key();
            let repeated = previous.as_deref() == Some(key);
            if !repeated {
                let previous = previous.get_or_insert_default();
                previous.clear();
                previous.extend_from_slice(key);
            }
            batch.add(&entries, repeated, &self.directory)?;
        }
        batch.write()?;
        progress.tell(BuildPhase::Compress, done, total)?;
        let as_they_are = batch.as_they_are;
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

/// Entries that are compressed at once.
struct Batch<'p, 'e> {
    table: &'p mut RelayoutWriter,
    lanes: Vec<Lane<'e>>,
    /// Keys and values, one after the other.
    bytes: Vec<u8>,
    entries: Vec<Waiting>,
    as_they_are: u64,
    pool: &'p Pool,
}

struct Waiting {
    key: Range<usize>,
    value: Range<usize>,
    repeated: bool,
}

/// What one thread of a batch has: its worker, what it wrote, and where in it each key and each value
/// ends. Of keys that stay as they are nothing is written.
struct Lane<'e> {
    worker: Worker<'e>,
    symbols: Option<&'e KeySymbols>,
    out: Vec<u8>,
    ends: Vec<(usize, usize, bool)>,
}

impl Lane<'_> {
    /// Encodes entries. `None` without memory.
    fn encode(&mut self, bytes: &[u8], entries: &[Waiting]) -> Option<()> {
        self.out.clear();
        self.ends.clear();
        for entry in entries {
            if let Some(symbols) = self.symbols {
                symbols.encode(&bytes[entry.key.clone()], &mut self.out);
            }
            let key_end = self.out.len();
            let as_it_is = self.worker.encode(&bytes[entry.value.clone()], &mut self.out)?;
            self.ends.push((key_end, self.out.len(), as_it_is));
        }
        Some(())
    }
}

impl Batch<'_, '_> {
    fn add(
        &mut self,
        entry: &RunReader,
        repeated: bool,
        directory: &Arc<Path>,
    ) -> Result<(), BuildError> {
        let (key, value) = (entry.key(), entry.value());
        if value.len() > MAX_FRAME {
            self.write()?;
            let mut codes = Vec::new();
            let key = match self.lanes[0].symbols {
                None => key,
                Some(symbols) => {
                    symbols.encode(key, &mut codes);
                    &codes
                }
            };
            if self.lanes[0].worker.is_none() {
                return self.table.push(key, value, repeated);
            }
            let stored = self.compress_long(value, directory)?;
            return self.table.push(key, Value::Stored(&stored), repeated);
        }
        let start = self.bytes.len();
        self.bytes.extend_from_slice(key);
        let key = start..self.bytes.len();
        value.copy(|bytes| {
            self.bytes.extend_from_slice(bytes);
            Ok(())
        })?;
        self.entries.push(Waiting { value: key.end..self.bytes.len(), key, repeated });
        if self.bytes.len() >= BATCH * self.lanes.len() {
            self.write()?;
        }
        Ok(())
    }

    /// Compresses the values of the batch and writes its entries to the table.
    fn write(&mut self) -> Result<(), BuildError> {
        let (bytes, share) = (&self.bytes[..], self.bytes.len() / self.lanes.len() + 1);
        // The entries are cut where the bytes of each thread end: a value takes as long as it is.
        let mut parts = Vec::new();
        let mut rest = &self.entries[..];
        for lane in 1..=self.lanes.len() {
            let end = rest.partition_point(|entry| entry.value.end <= lane * share);
            let (part, after) = rest.split_at(end);
            parts.push(part);
            rest = after;
        }
        let lanes = &mut self.lanes;
        let encode = |(lane, part): (&mut Lane<'_>, &&[Waiting])| lane.encode(bytes, part);
        let done = match lanes.len() {
            1 => lanes.iter_mut().zip(&parts).try_for_each(encode),
            _ => self.pool.run(|| lanes.par_iter_mut().zip(&parts).try_for_each(encode)),
        };
        done.ok_or_else(no_memory)?;
        for (lane, part) in self.lanes.iter().zip(&parts) {
            let mut start = 0;
            for (entry, &(key_end, end, as_it_is)) in part.iter().zip(&lane.ends) {
                let key = match lane.symbols {
                    None => &bytes[entry.key.clone()],
                    Some(_) => &lane.out[start..key_end],
                };
                let value = Value::Bytes(&lane.out[key_end..end]);
                self.table.push(key, value, entry.repeated)?;
                self.as_they_are += u64::from(as_it_is);
                start = end;
            }
        }
        self.bytes.clear();
        self.entries.clear();
        Ok(())
    }

    /// Compresses a value that is too long for one frame into a file.
    fn compress_long(
        &mut self,
        value: Value<'_>,
        directory: &Arc<Path>,
    ) -> Result<Stored, BuildError> {
        let file = Arc::new(Scratch::create(directory)?);
        let worker = &mut self.lanes[0].worker;
        let (mut at, mut out) = (0, Vec::new());
        worker.begin(&mut out);
        let mut pieces = |piece: &[u8]| {
            worker.piece(piece, &mut out).ok_or_else(no_memory)?;
            file.write(&out, at)?;
            at += out.len() as u64;
            out.clear();
            Ok(())
        };
        in_frames(&mut pieces, value)?;
        if is_worth(value.len() as u64, at) {
            let len = at as u32;
            return Ok(Stored { file, at: 0, len });
        }
        file.write(&[worker.mark()], 0)?;
        let mut at = 1;
        value.copy(|piece| {
            file.write(piece, at)?;
            at += piece.len() as u64;
            Ok(())
        })?;
        self.as_they_are += 1;
        Ok(Stored { file, at: 0, len: at as u32 })
    }
}

/// Hands a value to `each` in frames.
fn in_frames(
    each: &mut dyn FnMut(&[u8]) -> Result<(), BuildError>,
    value: Value<'_>,
) -> Result<(), BuildError> {
    let mut held = Vec::with_capacity(FRAME);
    value.copy(|mut piece| {
        while !piece.is_empty() {
            let (now, later) = piece.split_at(piece.len().min(FRAME - held.len()));
            held.extend_from_slice(now);
            piece = later;
            if held.len() == FRAME {
                each(&held)?;
                held.clear();
            }
        }
        Ok(())
    })?;
    if held.is_empty() { Ok(()) } else { each(&held) }
}

/// The codec has no memory.
fn no_memory() -> BuildError {
    BuildError::io("compress values", "", 0, std::io::ErrorKind::OutOfMemory.into())
}
