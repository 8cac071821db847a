//! Entries that are compressed together, in shares: each thread takes the next share until none is
//! left, so that a thread which has something else to do keeps no other waiting.

use super::super::relayout::RelayoutWriter;
use super::super::scratch::{Scratch, Stored, Value};
use crate::codec::{KeySymbols, Worker, is_worth};
use crate::error::BuildError;
use crate::format::packing::FRAME;
use rayon::prelude::*;
use std::ops::Range;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

/// Bytes of entries after which a share ends.
const SHARE: usize = 64 << 10;

/// What one thread needs.
pub(super) struct Coder<'e> {
    pub(super) worker: Worker<'e>,
    pub(super) symbols: Option<&'e KeySymbols>,
}

/// Where compressed entries go.
pub(super) struct Out<'t> {
    pub(super) table: &'t mut RelayoutWriter,
    /// Number of values that stay as they are.
    pub(super) as_they_are: u64,
}

/// Entries, and what is stored of them once they are encoded.
#[derive(Default)]
pub(super) struct Batch {
    /// Keys and values, one after the other.
    bytes: Vec<u8>,
    entries: Vec<Waiting>,
    /// The shares of this batch, and then buffers of earlier ones.
    shares: Vec<Share>,
    /// Number of shares of this batch.
    used: usize,
    encodes_keys: bool,
}

struct Waiting {
    key: Range<usize>,
    value: Range<usize>,
    repeated: bool,
}

/// Some entries of a batch.
#[derive(Default)]
struct Share {
    entries: Range<usize>,
    /// Keys and values as they are stored. Of keys that stay as they are nothing is here.
    out: Vec<u8>,
    /// Where each key and each value ends in `out`, and whether the value stays as it is.
    ends: Vec<(usize, usize, bool)>,
}

impl Coder<'_> {
    /// Writes an entry whose value is too long for one frame.
    pub(super) fn write_long(
        &mut self,
        key: &[u8],
        value: Value<'_>,
        repeated: bool,
        out: &mut Out<'_>,
        directory: &Arc<Path>,
    ) -> Result<(), BuildError> {
        let mut codes = Vec::new();
        let key = match self.symbols {
            None => key,
            Some(symbols) => {
                symbols.encode(key, &mut codes);
                &codes
            }
        };
        if self.worker.is_none() {
            return out.table.push(key, value, repeated);
        }
        let (stored, as_it_is) = self.compress_long(value, directory)?;
        out.as_they_are += u64::from(as_it_is);
        out.table.push(key, Value::Stored(&stored), repeated)
    }

    /// Compresses a value into a file; true if it stays as it is.
    fn compress_long(
        &mut self,
        value: Value<'_>,
        directory: &Arc<Path>,
    ) -> Result<(Stored, bool), BuildError> {
        let file = Arc::new(Scratch::create(directory)?);
        let (mut at, mut out) = (0, Vec::new());
        let worker = &mut self.worker;
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
            return Ok((Stored { file, at: 0, len }, false));
        }
        file.write(&[self.worker.mark()], 0)?;
        let mut at = 1;
        value.copy(|piece| {
            file.write(piece, at)?;
            at += piece.len() as u64;
            Ok(())
        })?;
        Ok((Stored { file, at: 0, len: at as u32 }, true))
    }
}

impl Batch {
    /// Bytes of its entries.
    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Adds an entry.
    pub(super) fn add(
        &mut self,
        key: &[u8],
        value: Value<'_>,
        repeated: bool,
    ) -> Result<(), BuildError> {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(key);
        let key = start..self.bytes.len();
        value.copy(|bytes| {
            self.bytes.extend_from_slice(bytes);
            Ok(())
        })?;
        self.entries.push(Waiting { value: key.end..self.bytes.len(), key, repeated });
        Ok(())
    }

    /// Compresses all values and encodes all keys. `None` without memory.
    pub(super) fn encode(&mut self, coders: &mut [Coder<'_>]) -> Option<()> {
        self.encodes_keys = coders.iter().any(|coder| coder.symbols.is_some());
        self.divide();
        let (bytes, entries) = (&self.bytes[..], &self.entries[..]);
        let shares = Mutex::new(self.shares[..self.used].iter_mut());
        let next = || shares.lock().unwrap_or_else(PoisonError::into_inner).next();
        let work = |coder: &mut Coder<'_>| {
            while let Some(share) = next() {
                share.encode(coder, bytes, &entries[share.entries.clone()])?;
            }
            Some(())
        };
        match coders {
            [coder] => work(coder),
            _ => coders.par_iter_mut().try_for_each(work),
        }
    }

    /// Cuts the entries into shares.
    fn divide(&mut self) {
        let mut start = 0;
        self.used = 0;
        while start < self.entries.len() {
            let until = self.entries[start].key.start + SHARE;
            let more = self.entries[start + 1..].partition_point(|entry| entry.key.start < until);
            let entries = start..start + 1 + more;
            start = entries.end;
            if self.used == self.shares.len() {
                self.shares.push(Share::default());
            }
            self.shares[self.used].entries = entries;
            self.used += 1;
        }
    }

    /// Writes what is stored of the entries, and empties the batch.
    pub(super) fn write(&mut self, out: &mut Out<'_>) -> Result<(), BuildError> {
        for share in &self.shares[..self.used] {
            let mut start = 0;
            let entries = &self.entries[share.entries.clone()];
            for (entry, &(key_end, end, as_it_is)) in entries.iter().zip(&share.ends) {
                let key = match self.encodes_keys {
                    true => &share.out[start..key_end],
                    false => &self.bytes[entry.key.clone()],
                };
                let value = Value::Bytes(&share.out[key_end..end]);
                out.table.push(key, value, entry.repeated)?;
                out.as_they_are += u64::from(as_it_is);
                start = end;
            }
        }
        self.bytes.clear();
        self.entries.clear();
        self.used = 0;
        Ok(())
    }
}

impl Share {
    /// Encodes its entries. `None` without memory.
    fn encode(&mut self, coder: &mut Coder<'_>, bytes: &[u8], entries: &[Waiting]) -> Option<()> {
        self.out.clear();
        self.ends.clear();
        for entry in entries {
            if let Some(symbols) = coder.symbols {
                symbols.encode(&bytes[entry.key.clone()], &mut self.out);
            }
            let key_end = self.out.len();
            let value = &bytes[entry.value.clone()];
            let as_it_is = coder.worker.encode(value, &mut self.out)?;
            self.ends.push((key_end, self.out.len(), as_it_is));
        }
        Some(())
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
pub(super) fn no_memory() -> BuildError {
    BuildError::io("compress values", "", 0, std::io::ErrorKind::OutOfMemory.into())
}
