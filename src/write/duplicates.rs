//! Checks that entries ascend, and applies the duplicates policy to repeated keys.

use super::packing::Packer;
use super::pool::Pool;
use super::relayout::RelayoutWriter;
use super::scratch::{Scratch, Stored, Value};
use super::settings::{Duplicates, Settings};
use super::sink::Terms;
use super::sort::Run;
use super::summary::BuildSummary;
use super::table::Plan;
use crate::error::BuildError;
use crate::file::Unpublished;
use std::cmp::Ordering;
use std::path::Path;
use std::sync::Arc;

/// Takes ascending entries and hands those on that stay in the table.
pub(super) struct Resolver {
    writer: RelayoutWriter,
    /// Compresses values, in a packed table.
    packer: Option<Box<Packer>>,
    duplicates: Duplicates,
    directory: Arc<Path>,
    /// The first key.
    first: Option<Vec<u8>>,
    /// The key of the entry before.
    key: Vec<u8>,
    /// With `Duplicates::KeepLast`, the value of the entry before. It is written once an entry with
    /// another key comes.
    value: Kept,
    entries: u64,
    /// The file for values that come from readers, until they are in the table.
    room: Option<Arc<Scratch>>,
}

/// The entries of a table that was given up, as a sorted run.
pub(super) struct Begun {
    pub(super) run: Run,
    pub(super) entries: u64,
    pub(super) first: Vec<u8>,
    pub(super) last: Vec<u8>,
}

/// A value that waits until it is written.
enum Kept {
    Bytes(Vec<u8>),
    Stored(Stored),
}

/// A value longer than this waits in a file.
const LONG: usize = 1 << 20;

impl Resolver {
    /// The indexes may take `memory` bytes. At least `expected` bytes will come.
    pub(super) fn new(
        settings: &Settings,
        output: Unpublished,
        directory: &Arc<Path>,
        pool: &Pool,
        mut memory: usize,
        expected: u64,
    ) -> Result<Self, BuildError> {
        let directory = Arc::clone(directory);
        let packer = match settings.packs() {
            true => {
                let (packer, taken) = Packer::new(settings, &directory, pool, memory)?;
                memory -= taken;
                Some(Box::new(packer))
            }
            false => None,
        };
        let threaded = settings.thread_count() > 1;
        let plan = Plan {
            align_log2: settings.value_align.trailing_zeros() as u8,
            hash_index: settings.hash_index,
            metadata: settings.metadata.clone(),
            types: settings.types,
            type_names: settings.type_names.clone(),
            patch: settings.patch,
            packed: None,
            keys: None,
            memory,
            pool: pool.clone(),
            sink: Terms {
                directory: Arc::clone(&directory),
                threaded,
                expected,
                progress: settings.progress.clone(),
            },
            progress: settings.progress.clone(),
        };
        Ok(Self {
            writer: RelayoutWriter::new(output, plan),
            packer,
            duplicates: settings.duplicates,
            directory,
            first: None,
            key: Vec::new(),
            value: Kept::Bytes(Vec::new()),
            entries: 0,
            room: None,
        })
    }

    /// A file for the value of the next entry, which is to be written at its start.
    /// [`push_stored`](Self::push_stored) then adds the entry.
    pub(super) fn room(&mut self) -> Result<Arc<Scratch>, BuildError> {
        // If the file has a second owner, that is a value which waits.
        let file = match self.room.take().filter(|file| Arc::strong_count(file) == 1) {
            Some(file) => file,
            None => Arc::new(Scratch::create(&self.directory)?),
        };
        Ok(Arc::clone(self.room.insert(file)))
    }

    /// Adds an entry whose value was written into the file that [`room`](Self::room) gave.
    pub(super) fn push_stored(&mut self, key: &[u8], value: &Stored) -> Result<(), BuildError> {
        self.push_value(key, Value::Stored(value))?;
        if self.duplicates != Duplicates::KeepLast {
            value.file.free(0..u64::from(value.len));
        }
        Ok(())
    }

    /// Whether `key` is not below the key before.
    #[inline]
    pub(super) fn follows(&self, key: &[u8]) -> bool {
        self.key.as_slice() <= key
    }

    /// Adds an entry whose value is in memory.
    #[inline]
    pub(super) fn push(&mut self, key: &[u8], value: &[u8]) -> Result<(), BuildError> {
        self.push_value(key, Value::Bytes(value))
    }

    /// Adds an entry.
    #[inline]
    pub(super) fn push_value(&mut self, key: &[u8], value: Value<'_>) -> Result<(), BuildError> {
        let entry = self.entries;
        self.entries += 1;
        let order = match self.first {
            Some(_) => self.key.as_slice().cmp(key),
            None => {
                self.first = Some(key.to_vec());
                Ordering::Less
            }
        };
        if order.is_gt() {
            let previous = self.key.clone();
            return Err(BuildError::OutOfOrder { previous, key: key.to_vec(), entry });
        }
        match (self.duplicates, order.is_eq()) {
            (Duplicates::Reject, true) => {
                return Err(BuildError::DuplicateKey { key: key.to_vec() });
            }
            (Duplicates::KeepFirst, true) => return Ok(()),
            (Duplicates::KeepLast, repeated) => {
                if !repeated && entry > 0 {
                    self.write_kept()?;
                }
                self.keep(value)?;
            }
            (_, repeated) => match &mut self.packer {
                None => self.writer.push(key, value, repeated)?,
                Some(packer) => packer.push(key, value, repeated)?,
            },
        }
        if order.is_lt() {
            self.key.clear();
            self.key.extend_from_slice(key);
        }
        Ok(())
    }

    /// Makes `value` the one that waits.
    fn keep(&mut self, value: Value<'_>) -> Result<(), BuildError> {
        match (&mut self.value, value) {
            (kept, Value::Stored(stored)) => *kept = Kept::Stored(stored.clone()),
            (kept, Value::Bytes(bytes)) if bytes.len() > LONG => {
                let file = Arc::new(Scratch::create(&self.directory)?);
                file.write(bytes, 0)?;
                *kept = Kept::Stored(Stored { file, at: 0, len: bytes.len() as u32 });
            }
            (Kept::Bytes(kept), Value::Bytes(bytes)) => {
                kept.clear();
                kept.extend_from_slice(bytes);
            }
            (kept, Value::Bytes(bytes)) => *kept = Kept::Bytes(bytes.to_vec()),
        }
        Ok(())
    }

    /// Writes the value that waits.
    fn write_kept(&mut self) -> Result<(), BuildError> {
        let value = match &self.value {
            Kept::Bytes(bytes) => Value::Bytes(bytes),
            Kept::Stored(stored) => Value::Stored(stored),
        };
        match &mut self.packer {
            None => self.writer.push(&self.key, value, false),
            Some(packer) => packer.push(&self.key, value, false),
        }
    }

    fn write_last(&mut self) -> Result<(), BuildError> {
        if self.entries > 0 && self.duplicates == Duplicates::KeepLast {
            self.write_kept()?;
        }
        Ok(())
    }

    /// Completes the table.
    pub(super) fn finish(mut self) -> Result<(Unpublished, BuildSummary), BuildError> {
        self.write_last()?;
        if let Some(packer) = self.packer {
            packer.finish(&mut self.writer)?;
        }
        self.writer.finish()
    }

    /// Gives the table up. Returns an output for another one, and the records written so far as a
    /// sorted run with its first and last key; `None` if there are no records.
    pub(super) fn into_run(mut self) -> Result<(Unpublished, Option<Begun>), BuildError> {
        self.write_last()?;
        let (output, extent) = self.writer.into_run()?;
        let (run, entries) = match self.packer {
            Some(packer) => packer.into_run()?,
            None => {
                let entries = extent.entries;
                (Run::Written(extent), entries)
            }
        };
        Ok((output, self.first.map(|first| Begun { run, entries, first, last: self.key })))
    }
}
