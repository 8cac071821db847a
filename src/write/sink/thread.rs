//! The thread that writes full chunks while the next one is filled.

use super::output::Output;
use crate::error::BuildError;
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

/// Most chunks that wait to be written.
const WAITING: usize = 2;

/// An output that a thread of its own writes to, as long as chunks come.
pub(super) struct Worker {
    threaded: bool,
    /// None while the thread has it, and after an error.
    output: Option<Box<Output>>,
    thread: Option<Thread>,
}

struct Thread {
    chunks: SyncSender<Vec<u8>>,
    /// Buffers of written chunks, to be filled again.
    empty: Mutex<Receiver<Vec<u8>>>,
    handle: JoinHandle<Option<Ended>>,
    /// Buffers that were allocated beside the sink's own.
    out: usize,
}

struct Ended {
    output: Box<Output>,
    result: Result<(), BuildError>,
}

impl Worker {
    pub(super) fn new(output: Output, threaded: bool) -> Self {
        Self { threaded, output: Some(Box::new(output)), thread: None }
    }

    /// Takes a full chunk and leaves an empty buffer in its place.
    pub(super) fn take(&mut self, chunk: &mut Vec<u8>) -> Result<(), BuildError> {
        if self.threaded && self.thread.is_none() {
            self.start();
        }
        let Some(thread) = &mut self.thread else {
            let written = self.settle()?.write(chunk);
            chunk.clear();
            return written;
        };
        let empty = thread.empty.get_mut().unwrap_or_else(std::sync::PoisonError::into_inner);
        let fresh = match empty.try_recv() {
            Ok(fresh) => Some(fresh),
            Err(_) if thread.out <= WAITING => {
                thread.out += 1;
                Some(Vec::with_capacity(chunk.capacity()))
            }
            Err(_) => empty.recv().ok(),
        };
        let Some(fresh) = fresh else { return self.settle().map(drop) };
        let full = std::mem::replace(chunk, fresh);
        chunk.clear();
        if thread.chunks.send(full).is_err() {
            self.settle()?;
        }
        Ok(())
    }

    fn start(&mut self) {
        let Some(mut output) = self.output.take() else { return };
        let (chunks, full) = sync_channel::<Vec<u8>>(WAITING);
        let (back, empty) = sync_channel(WAITING + 2);
        // The thread gets the output by a message: if it can't be started, the output stays here.
        let (give, given) = sync_channel::<Box<Output>>(1);
        let work = move || -> Option<Ended> {
            let mut output = given.recv().ok()?;
            let result = full.iter().try_for_each(|chunk| {
                let written = output.write(&chunk);
                // Nobody takes the buffer back if the build was dropped.
                let _ = back.send(chunk);
                written
            });
            Some(Ended { output, result })
        };
        match std::thread::Builder::new().name("graven write".into()).spawn(work) {
            Ok(handle) => {
                if let Err(returned) = give.send(output) {
                    output = returned.0;
                    self.output = Some(output);
                    return;
                }
                self.thread = Some(Thread { chunks, empty: Mutex::new(empty), handle, out: 0 });
            }
            // No thread can be started: the caller's thread writes.
            Err(_) => {
                self.threaded = false;
                self.output = Some(output);
            }
        }
    }

    /// Waits until all chunks are written and returns the output.
    pub(super) fn settle(&mut self) -> Result<&mut Output, BuildError> {
        if let Some(Thread { chunks, handle, .. }) = self.thread.take() {
            drop(chunks);
            let Ended { output, result } =
                handle.join().ok().flatten().ok_or(BuildError::Failed)?;
            self.output = Some(output);
            if let Err(error) = result {
                self.output = None;
                return Err(error);
            }
        }
        self.output.as_deref_mut().ok_or(BuildError::Failed)
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // Nothing may be written to the file after the build was dropped.
        let _ = self.settle();
    }
}
