//! Buffers of packed tables: what holds decoded keys and values.

#![expect(unsafe_code, reason = "exports functions to C")]

use crate::args::{EntryPlace, Place, Places, taken};
use crate::edge::{status, value};
use crate::slice::{Key, graven_slice};
use crate::status::{Answer, Failure, GRAVEN_NOT_FOUND, GRAVEN_OK, graven_status};
use graven::{PackedTable, ReadError, ValueBuffer};
use std::borrow::Cow;
use std::ops::Range;

/// Memory for keys and values of packed tables, which lookups decode into. Slices that were given with
/// it are valid until it is used for another lookup or is closed. Use one for each thread, again and
/// again, for any number of tables: once it has grown, a lookup allocates nothing.
pub struct graven_buffer {
    values: ValueBuffer,
    /// The values of the last graven_packed_get_many(), one after the other.
    many: Vec<u8>,
    /// Where in `many` each value is; none for a key that is absent.
    found: Vec<Option<Range<usize>>>,
    lent: Lent,
}

impl graven_buffer {
    /// Looks a key up, and writes its value.
    #[inline]
    pub(crate) fn get(
        &mut self,
        packed: &PackedTable,
        key: &[u8],
        place: Place<graven_slice>,
    ) -> Answer {
        let key = self.lent.own(key);
        let Some(value) = packed.get(&key, &mut self.values)? else { return Ok(GRAVEN_NOT_FOUND) };
        self.lent.note(&[], value);
        place.set(graven_slice::of(value));
        Ok(GRAVEN_OK)
    }

    /// Looks many keys up, and writes their values, which in a plain table are slices of it.
    pub(crate) fn get_many(
        &mut self,
        packed: &PackedTable,
        keys: &[Key],
        mut places: Places<graven_slice>,
    ) -> Answer {
        if keys.iter().any(|key| self.lent.has(key.as_ref())) {
            let keys: Vec<Cow<'_, [u8]>> =
                keys.iter().map(|key| self.lent.own(key.as_ref())).collect();
            self.find(packed, &keys, &mut places)?;
        } else {
            self.find(packed, keys, &mut places)?;
        }
        for found in &self.found {
            let value = found.as_ref().and_then(|range| self.many.get(range.clone()));
            places.push(value.map_or(graven_slice::ABSENT, graven_slice::of));
        }
        self.lent.note(&[], &self.many);
        Ok(GRAVEN_OK)
    }

    /// Writes the values of a plain table, and keeps those of a packed one.
    fn find<K: AsRef<[u8]>>(
        &mut self,
        packed: &PackedTable,
        keys: &[K],
        places: &mut Places<graven_slice>,
    ) -> Result<(), ReadError> {
        self.many.clear();
        self.found.clear();
        if !packed.is_packed() {
            return packed.get_many_with(keys, &mut self.values, |value| {
                places.push(value.map_or(graven_slice::ABSENT, graven_slice::of));
            });
        }
        packed.get_many_with(keys, &mut self.values, |value| {
            self.found.push(value.map(|value| {
                let start = self.many.len();
                self.many.extend_from_slice(value);
                start..self.many.len()
            }));
        })
    }

    /// A key of the caller, copied if it is one that this buffer has lent.
    #[inline]
    pub(crate) fn own<'k>(&self, key: &'k [u8]) -> Cow<'k, [u8]> {
        self.lent.own(key)
    }

    /// Finds an entry, and writes it.
    #[inline]
    pub(crate) fn entry(
        &mut self,
        packed: &PackedTable,
        place: EntryPlace,
        find: impl for<'b> FnOnce(&'b PackedTable, &'b mut ValueBuffer) -> Found<'b>,
    ) -> Answer {
        let found = find(packed, &mut self.values)?;
        if let Some((key, value)) = found {
            self.lent.note(key, value);
        }
        place.set(found)
    }
}

type Found<'b> = Result<Option<(&'b [u8], &'b [u8])>, ReadError>;

/// Where the bytes are that were lent last. A caller may look up what it was lent, and the lookup
/// overwrites that.
#[derive(Default)]
pub(crate) struct Lent {
    key: Range<usize>,
    value: Range<usize>,
}

impl Lent {
    #[inline]
    pub(crate) fn note(&mut self, key: &[u8], value: &[u8]) {
        let addresses = |bytes: &[u8]| {
            let range = bytes.as_ptr_range();
            range.start.addr()..range.end.addr()
        };
        (self.key, self.value) = (addresses(key), addresses(value));
    }

    #[inline]
    fn has(&self, bytes: &[u8]) -> bool {
        let start = bytes.as_ptr().addr();
        self.key.contains(&start) || self.value.contains(&start)
    }

    /// A key of the caller, copied if it was lent.
    #[inline]
    pub(crate) fn own<'k>(&self, key: &'k [u8]) -> Cow<'k, [u8]> {
        if self.has(key) { Cow::Owned(key.to_vec()) } else { Cow::Borrowed(key) }
    }
}

/// Makes a buffer. Allocates next to nothing; the first lookup in a table that is compressed by zstd
/// takes about 150 KiB for its decoder.
///
/// `max_value_bytes`: the longest value that is decoded; 0: any. A longer one is GRAVEN_ERR_TOO_LONG,
/// before memory is asked for: some bytes of a hostile table may stand for 4 GiB. Values that are stored
/// as they are need no memory, and are not refused. `buffer`: gets the handle, which the caller closes
/// with graven_buffer_close().
///
/// Gives GRAVEN_OK, GRAVEN_ERR_INVALID_ARGUMENT. Any thread; afterwards one thread at a time may use
/// the buffer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn graven_buffer_open(
    max_value_bytes: u32,
    buffer: *mut *mut graven_buffer,
) -> graven_status {
    status("graven_buffer_open", || {
        // SAFETY: the caller keeps the promises of the header.
        let place = unsafe { Place::at(buffer, "buffer") }?;
        let values = match max_value_bytes {
            0 => ValueBuffer::new(),
            most => ValueBuffer::with_limit(most),
        };
        let (many, found, lent) = (Vec::new(), Vec::new(), Lent::default());
        place.give(graven_buffer { values, many, found, lent })
    })
}

/// Closes a buffer, and so ends its slices. NULL is allowed. Any thread, if no other one uses the
/// buffer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn graven_buffer_close(buffer: *mut graven_buffer) {
    value("graven_buffer_close", (), || {
        // SAFETY: the caller keeps the promises of the header.
        drop(unsafe { taken(buffer) });
        Ok::<(), Failure>(())
    });
}
