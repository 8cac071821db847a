//! Reports of how far an audit is.

use crate::error::ReadResult;
use crate::format::layout::{Layout, Span};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// How far an audit is, in bytes that it reads.
/// [`Table::verify_with`](crate::Table::verify_with) reports it.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VerifyProgress {
    /// Bytes that were audited.
    pub done: u64,
    /// Bytes that the audit has to do. Bytes that it reads several times count each time.
    pub total: u64,
}

/// Is told how far an audit is. An error ends the audit.
pub(super) type Callback<'c> = dyn Fn(VerifyProgress) -> ReadResult<()> + Sync + 'c;

/// Counts what an audit reads. Whoever reads a piece adds it, so a callback that waits slows down
/// the reading.
pub(super) struct Meter<'c> {
    callback: &'c Callback<'c>,
    done: AtomicU64,
    total: u64,
}

impl<'c> Meter<'c> {
    /// A meter for the audit of a table that reads its records `rounds` times.
    pub(super) fn new(callback: &'c Callback<'c>, layout: &Layout, rounds: usize) -> Self {
        let len = |span: Option<Span>| span.map_or(0, Span::len) as u64;
        let records = layout.records.len() as u64;
        // All else before the sums: for its own sums, then, without the header, for the build id.
        let others = 2 * (layout.sums.start as u64 - records) - layout.header_size as u64;
        let decoded = if layout.packing.is_some() { records } else { 0 };
        let hash = len(layout.hash.or(layout.hash_of_decoded).map(|hash| hash.span));
        let total = records * rounds as u64 + others + decoded + hash;
        Self { callback, done: AtomicU64::new(0), total }
    }

    /// Reports that so many bytes more were read.
    pub(super) fn add(&self, bytes: usize) -> ReadResult<()> {
        let bytes = bytes as u64;
        let done = self.done.fetch_add(bytes, Relaxed) + bytes;
        // A very large hash index of encoded keys takes more rounds than were counted.
        (self.callback)(VerifyProgress { done, total: self.total.max(done) })
    }

    /// Reports the end.
    pub(super) fn finish(&self) -> ReadResult<()> {
        let total = self.total.max(self.done.load(Relaxed));
        (self.callback)(VerifyProgress { done: total, total })
    }
}
