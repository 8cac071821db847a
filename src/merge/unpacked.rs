//! A walk over a table that may be packed, and the entry that it is at, decoded.

use super::source::Source;
use super::walk::Walk;
use crate::codec::ValueBuffer;
use crate::error::ReadResult;
use crate::format::order::head;
use crate::read::{Iter, PackedTable, Packing, Table};
use std::borrow::Cow;
use std::fmt;
use std::mem::take;

/// A table, packed or plain, and its next entry. What is not encoded is lent.
#[derive(Clone, Debug)]
#[expect(clippy::large_enum_variant, reason = "one per table, of which no step follows a pointer")]
pub enum Unpacked<'t> {
    /// A plain table.
    Plain(Source<'t>),
    /// A packed one.
    Packed(Box<Decoded<'t>>),
}

/// A packed table and its next entry: the key decoded, the value once it is asked for.
pub struct Decoded<'t> {
    table: &'t Table,
    packing: &'t Packing,
    stored: Iter<'t>,
    buffer: ValueBuffer,
    head: u64,
    key: Cow<'t, [u8]>,
    stored_value: &'t [u8],
    /// The value, if it is decoded.
    value: Cow<'t, [u8]>,
    is_decoded: bool,
    /// Memory for the next key and the next value.
    spare: [Vec<u8>; 2],
    prefix: usize,
    over: bool,
}

impl<'t> Unpacked<'t> {
    /// Stands before the first entry. `prefix`: length of a prefix that all keys have.
    pub(super) fn new(table: &'t PackedTable, prefix: usize) -> Self {
        let stored = table.stored();
        let Some(packing) = table.packing() else {
            return Self::Plain(Source::new(stored, prefix));
        };
        Self::Packed(Box::new(Decoded {
            table: stored,
            packing,
            stored: stored.iter(),
            buffer: ValueBuffer::new(),
            head: 0,
            key: Cow::default(),
            stored_value: &[],
            value: Cow::default(),
            is_decoded: false,
            spare: [Vec::new(), Vec::new()],
            prefix,
            over: false,
        }))
    }

    /// Takes values of at most so many bytes.
    pub(super) fn limit_values(&mut self, most: u32) {
        if let Self::Packed(decoded) = self {
            decoded.buffer = ValueBuffer::with_limit(most);
        }
    }
}

impl fmt::Debug for Decoded<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Decoded").finish_non_exhaustive()
    }
}

impl<'t> Decoded<'t> {
    fn stand_on(&mut self, (key, value): (&'t [u8], &'t [u8])) -> ReadResult<()> {
        self.key = if Packing::encodes_keys(&self.packing.block) {
            let key = self.packing.key(self.table.view(), key, &mut self.buffer.key)?;
            copied(key, &mut self.key, &mut self.spare[0])
        } else {
            Cow::Borrowed(key)
        };
        self.head = head(self.key.get(self.prefix..).unwrap_or_default());
        (self.stored_value, self.is_decoded) = (value, false);
        Ok(())
    }

    fn decode_value(&mut self) -> ReadResult<()> {
        if !self.is_decoded {
            self.value = if Packing::codec(&self.packing.block).is_some() {
                let (view, room) = (self.table.view(), &mut self.buffer.value);
                let value = self.packing.value(view, self.stored_value, room)?;
                copied(value, &mut self.value, &mut self.spare[1])
            } else {
                Cow::Borrowed(self.stored_value)
            };
            self.is_decoded = true;
        }
        Ok(())
    }
}

/// The bytes in memory of their own: that of what stood here before, or the spare one.
fn copied<'t>(bytes: &[u8], before: &mut Cow<'t, [u8]>, spare: &mut Vec<u8>) -> Cow<'t, [u8]> {
    let mut room = match take(before) {
        Cow::Owned(room) => room,
        Cow::Borrowed(_) => take(spare),
    };
    room.clear();
    room.extend_from_slice(bytes);
    Cow::Owned(room)
}

/// The next entry is decoded once more.
impl Clone for Decoded<'_> {
    fn clone(&self) -> Self {
        Self {
            stored: self.stored.clone(),
            buffer: self.buffer.another(),
            key: self.key.clone(),
            value: self.value.clone(),
            spare: Default::default(),
            ..*self
        }
    }
}

impl<'t> Walk<'t> for Unpacked<'t> {
    type Bytes = Cow<'t, [u8]>;

    #[inline]
    fn advance(&mut self) -> ReadResult<bool> {
        let decoded = match self {
            Self::Plain(source) => return source.advance(),
            Self::Packed(decoded) => decoded,
        };
        let advanced = decoded.stored.next().map(|entry| decoded.stand_on(entry?));
        if !matches!(advanced, Some(Ok(()))) {
            // No head is greater.
            (decoded.over, decoded.head) = (true, u64::MAX);
        }
        Ok(advanced.transpose()?.is_some())
    }

    #[inline]
    fn is_over(&self) -> bool {
        match self {
            Self::Plain(source) => source.is_over(),
            Self::Packed(decoded) => decoded.over,
        }
    }

    #[inline]
    fn head(&self) -> u64 {
        match self {
            Self::Plain(source) => source.head,
            Self::Packed(decoded) => decoded.head,
        }
    }

    #[inline]
    fn key(&self) -> &[u8] {
        match self {
            Self::Plain(source) => source.key,
            Self::Packed(decoded) => &decoded.key,
        }
    }

    #[inline]
    fn value(&mut self) -> ReadResult<&[u8]> {
        match self {
            Self::Plain(source) => Ok(source.value),
            Self::Packed(decoded) => {
                decoded.decode_value()?;
                Ok(&decoded.value)
            }
        }
    }

    #[inline]
    fn take(&mut self) -> ReadResult<(Self::Bytes, Self::Bytes)> {
        match self {
            Self::Plain(source) => {
                let (key, value) = source.entry();
                Ok((Cow::Borrowed(key), Cow::Borrowed(value)))
            }
            Self::Packed(decoded) => {
                decoded.decode_value()?;
                Ok((take(&mut decoded.key), take(&mut decoded.value)))
            }
        }
    }

    #[inline]
    fn give_back(&mut self, (key, value): (Self::Bytes, Self::Bytes)) {
        if let Self::Packed(decoded) = self {
            for (spare, bytes) in decoded.spare.iter_mut().zip([key, value]) {
                if let Cow::Owned(bytes) = bytes {
                    *spare = bytes;
                }
            }
        }
    }

    #[inline]
    fn plain(&self) -> Option<&Source<'t>> {
        match self {
            Self::Plain(source) => Some(source),
            Self::Packed(_) => None,
        }
    }

    #[inline]
    fn plain_mut(&mut self) -> Option<&mut Source<'t>> {
        match self {
            Self::Plain(source) => Some(source),
            Self::Packed(_) => None,
        }
    }
}
