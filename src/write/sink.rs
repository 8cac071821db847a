//! Bytes in, file out. The sink writes chunks of 2 MiB at multiples of 2 MiB, so that Linux keeps
//! the file in 2 MiB pages and maps it with them. A thread of its own writes full chunks and takes
//! their sums while the next chunk is filled.

mod output;
mod thread;

use super::progress::Reporter;
use crate::error::BuildError;
use crate::file::io::CHUNK;
use output::Output;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use thread::Worker;
use xxhash_rust::xxh3::Xxh3;

/// How a sink works.
#[derive(Clone)]
pub(super) struct Terms {
    /// Directory for the temporary file of page sums that do not fit in memory.
    pub(super) directory: Arc<Path>,
    /// Whether a thread of its own may write full chunks.
    pub(super) threaded: bool,
    /// Least number of bytes that the file will have, as far as it is known.
    pub(super) expected: u64,
    /// Asked after each chunk whether to give the build up.
    pub(super) progress: Reporter,
}

/// An append-only output file whose first bytes are patched at the end.
pub(super) struct Sink {
    buffer: Vec<u8>,
    /// File offset of the buffer's first byte, a multiple of [`CHUNK`].
    start: u64,
    worker: Worker,
    progress: Reporter,
}

/// The body of a table, everything before the page sums, once it is written.
pub(super) struct Body {
    /// The hash of the body without the header.
    pub(super) content: Xxh3,
    /// Where the body ends and the sums start.
    pub(super) end: u64,
}

/// A place to go back to.
pub(super) struct Mark {
    buffer: Vec<u8>,
    start: u64,
    output: output::Mark,
}

impl Sink {
    /// A sink for `file`, whose first `header` bytes are left for [`Sink::finish`].
    pub(super) fn new(
        file: &File,
        path: &Path,
        header: usize,
        terms: &Terms,
    ) -> Result<Self, BuildError> {
        let mut buffer = Vec::with_capacity(CHUNK);
        buffer.resize(header, 0);
        let output = Output::new(file, path, header, &terms.directory, terms.expected)?;
        let worker = Worker::new(output, terms.threaded);
        Ok(Self { buffer, start: 0, worker, progress: terms.progress.clone() })
    }

    /// Bytes so far, header included.
    #[inline]
    pub(super) fn position(&self) -> u64 {
        self.start + self.buffer.len() as u64
    }

    /// Appends `bytes`.
    #[inline]
    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<(), BuildError> {
        if bytes.len() >= CHUNK - self.buffer.len() {
            return self.write_slowly(bytes);
        }
        self.buffer.extend_from_slice(bytes);
        Ok(())
    }

    #[cold]
    fn write_slowly(&mut self, mut bytes: &[u8]) -> Result<(), BuildError> {
        while bytes.len() >= CHUNK - self.buffer.len() {
            let (now, later) = bytes.split_at(CHUNK - self.buffer.len());
            self.buffer.extend_from_slice(now);
            self.start += CHUNK as u64;
            self.worker.take(&mut self.buffer)?;
            self.progress.ask()?;
            bytes = later;
        }
        self.buffer.extend_from_slice(bytes);
        Ok(())
    }

    /// Appends zeros up to a multiple of the power of two `align`.
    pub(super) fn pad_to(&mut self, align: u64) -> Result<(), BuildError> {
        let missing = self.position().wrapping_neg() & (align - 1);
        self.write_zeros(missing as usize)
    }

    /// Appends `count` zeros, at most 4 KiB.
    #[inline]
    pub(super) fn write_zeros(&mut self, count: usize) -> Result<(), BuildError> {
        const ZEROS: [u8; 4096] = [0; 4096];
        self.write(&ZEROS[..count])
    }

    /// The current place, for [`Sink::go_back`].
    pub(super) fn mark(&mut self) -> Result<Mark, BuildError> {
        let output = self.worker.settle()?.mark();
        Ok(Mark { buffer: self.buffer.clone(), start: self.start, output })
    }

    /// Makes all bytes so far readable in the file and returns their number. The bytes of the open
    /// chunk also stay in memory and are written again when the chunk is full.
    pub(super) fn written_out(&mut self) -> Result<u64, BuildError> {
        self.worker.settle()?.peek(&self.buffer)?;
        Ok(self.position())
    }

    /// XXH3-128 of all bytes so far, without the header.
    pub(super) fn digest(&mut self) -> Result<u128, BuildError> {
        Ok(self.worker.settle()?.digest(&self.buffer))
    }

    /// Removes everything that was appended since `mark`.
    pub(super) fn go_back(&mut self, mark: &Mark) -> Result<(), BuildError> {
        self.worker.settle()?.go_back(&mark.output);
        self.buffer.clear();
        self.buffer.extend_from_slice(&mark.buffer);
        self.start = mark.start;
        Ok(())
    }

    /// Ends the body. Only [`Sink::finish`] may follow.
    pub(super) fn end_body(&mut self) -> Result<Body, BuildError> {
        let end = self.position();
        let output = self.worker.settle()?;
        output.write(&self.buffer)?;
        Ok(Body { content: output.content(), end })
    }

    /// Writes sums and footer after the body, then the header into its place.
    pub(super) fn finish(
        mut self,
        body: &Body,
        header: &[u8],
        footer: &[u8],
        build_id: &[u8; 16],
    ) -> Result<(), BuildError> {
        let mut tail = std::mem::take(&mut self.buffer);
        self.worker.settle()?.finish(body.end, header, footer, build_id, &mut tail)
    }
}
