//! Answers of a set: what keeps their bytes.

#![expect(unsafe_code, reason = "exports functions to C")]

use crate::any_set::{Bytes, Entry};
use crate::args::{EntryPlace, Place, taken};
use crate::edge::{status, value};
use crate::slice::graven_slice;
use crate::status::{Answer, GRAVEN_NOT_FOUND, GRAVEN_OK, graven_status};
use graven::ValueBuffer;

/// Keeps what a set has answered. A set may let a shard go when it needs the room for another one, so
/// the answer keeps the bytes, not the set: slices that were given with an answer are valid until the
/// answer is used for another lookup or is closed, whatever becomes of the set. Use one answer for each
/// thread, again and again. It also keeps what was decoded of packed shards.
pub struct graven_answer {
    kept: Vec<Option<Bytes>>,
    /// Where values of packed shards are decoded.
    pub(crate) buffer: ValueBuffer,
}

impl graven_answer {
    /// Forgets what it kept, and keeps these values.
    pub(crate) fn keep(&mut self, values: Vec<Option<Bytes>>) -> &[Option<Bytes>] {
        self.kept = values;
        &self.kept
    }

    /// Forgets what it kept, and keeps a value, if there is one. Allocates nothing after the first
    /// time.
    pub(crate) fn keep_one(&mut self, found: Option<Bytes>, place: Place<graven_slice>) -> Answer {
        self.kept.clear();
        let Some(value) = found else { return Ok(GRAVEN_NOT_FOUND) };
        place.set(graven_slice::of(&value));
        self.kept.push(Some(value));
        Ok(GRAVEN_OK)
    }

    /// As [`keep_one`](Self::keep_one), for an entry.
    pub(crate) fn keep_entry(&mut self, found: Option<Entry>, place: EntryPlace) -> Answer {
        self.kept.clear();
        let Some((key, value)) = found else { return Ok(GRAVEN_NOT_FOUND) };
        self.kept.extend([Some(key), Some(value)]);
        match &self.kept[..] {
            [Some(key), Some(value)] => place.set(Some((key, value))),
            _ => Ok(GRAVEN_NOT_FOUND),
        }
    }
}

/// Makes a place that keeps answers of sets. `answer`: gets the handle, which the caller closes with
/// graven_answer_close().
///
/// Gives GRAVEN_OK, GRAVEN_ERR_INVALID_ARGUMENT. Any thread; afterwards one thread at a time may use
/// the answer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn graven_answer_open(answer: *mut *mut graven_answer) -> graven_status {
    status("graven_answer_open", || {
        // SAFETY: the caller keeps the promises of the header.
        let place = unsafe { Place::at(answer, "answer") }?;
        place.give(graven_answer { kept: Vec::new(), buffer: ValueBuffer::new() })
    })
}

/// Closes an answer, and so ends its slices. The call that closes the last use of a shard which its
/// set has let go unmaps the shard. NULL is allowed. Any thread, if no other one uses the answer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn graven_answer_close(answer: *mut graven_answer) {
    value("graven_answer_close", (), || {
        // SAFETY: the caller keeps the promises of the header.
        drop(unsafe { taken(answer) });
        Ok(())
    });
}
