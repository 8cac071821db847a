//! The thread that writes chunks while others are filled.

use super::output::Output;
use crate::error::BuildError;
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

/// Chunks that may wait to be written.
const WAITING: usize = 2;

/// An output, with a thread of its own while chunks follow one another.
pub(super) struct Worker {
    threaded: bool,
    /// None while the thread has it, or after it failed.
    output: Option<Box<Output>>,
    thread: Option<Thread>,
}

struct Thread {
    chunks: SyncSender<Vec<u8>>,
    /// Chunks that have been written, to be filled again.
    empty: Mutex<Receiver<Vec<u8>>>,
    handle: JoinHandle<Option<Ended>>,
    /// Buffers that were handed to the thread and have not come back.
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

    /// Takes a full chunk, and leaves an empty one in its place.
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
        // The thread gets the output by a message: it comes back that way if none can be started.
        let (give, given) = sync_channel::<Box<Output>>(1);
        let work = move || -> Option<Ended> {
            let mut output = given.recv().ok()?;
            let result = full.iter().try_for_each(|chunk| {
                let written = output.write(&chunk);
                // Nobody takes it back if the build has been given up.
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
            // Without a thread to spare, the work is done here.
            Err(_) => {
                self.threaded = false;
                self.output = Some(output);
            }
        }
    }

    /// Waits until all is written and gives the output.
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
        // What was given up is not to be written to any more.
        let _ = self.settle();
    }
}
