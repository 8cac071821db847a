//! From a stored value to the value.

use super::bad::{Bad, NoDecoder};
use super::buffer::Room;
use super::fsst::Symbols;
use crate::format::packing::codec;

/// What decodes the values of a table.
#[derive(Debug)]
pub(crate) struct Decoder(Codec);

#[derive(Debug)]
enum Codec {
    Fsst(Symbols),
    #[cfg(feature = "zstd")]
    Zstd(super::zstd::Dictionary),
}

/// A value is longer than the table says.
const LONGER: Bad = Bad::Corrupt("value is longer than the longest of the table");

impl Decoder {
    /// The decoder of a codec, by its number and the dictionary in the file.
    pub(crate) fn new(id: u8, dictionary: &[u8]) -> Result<Self, NoDecoder> {
        match id {
            codec::FSST => match Symbols::parse(dictionary) {
                Ok(symbols) => Ok(Self(Codec::Fsst(symbols))),
                Err(bad) => Err(NoDecoder::Bad(bad)),
            },
            #[cfg(feature = "zstd")]
            codec::ZSTD => match super::zstd::Dictionary::parse(dictionary) {
                Ok(dictionary) => Ok(Self(Codec::Zstd(dictionary))),
                Err(bad) => Err(NoDecoder::Bad(bad)),
            },
            #[cfg(not(feature = "zstd"))]
            codec::ZSTD => Err(NoDecoder::LeftOut("zstd")),
            _ => Err(NoDecoder::Unknown),
        }
    }

    /// The value that is stored as `stored`, of at most `most` bytes: a part of `stored` where it
    /// stands as it is, else in `room`.
    #[inline]
    pub(crate) fn decode<'b>(
        &self,
        stored: &'b [u8],
        room: &'b mut Room,
        most: usize,
    ) -> Result<&'b [u8], Bad> {
        match self.as_it_is(stored, most)? {
            Some(value) => Ok(value),
            None => self.decompress(stored, room, most),
        }
    }

    /// As [`decode`](Self::decode), but the value is in `room` also where it stands as it is.
    #[cfg(feature = "sets")]
    #[inline]
    pub(crate) fn decode_copied<'b>(
        &self,
        stored: &[u8],
        room: &'b mut Room,
        most: usize,
    ) -> Result<&'b [u8], Bad> {
        match self.as_it_is(stored, most)? {
            Some(value) => room.keep(value),
            None => self.decompress(stored, room, most),
        }
    }

    /// The value, if it stands as it is.
    #[inline]
    fn as_it_is<'s>(&self, stored: &'s [u8], most: usize) -> Result<Option<&'s [u8]>, Bad> {
        if stored.is_empty() {
            return Ok(Some(stored));
        }
        match self.marked(stored) {
            Some([]) => Err(Bad::Corrupt("mark of a value stands before nothing")),
            Some(value) if value.len() <= most => Ok(Some(value)),
            Some(_) => Err(LONGER),
            None => Ok(None),
        }
    }

    /// What stands behind the mark of a value as it is.
    #[inline]
    fn marked<'s>(&self, stored: &'s [u8]) -> Option<&'s [u8]> {
        match &self.0 {
            Codec::Fsst(_) => Symbols::as_it_is(stored),
            #[cfg(feature = "zstd")]
            Codec::Zstd(_) => super::zstd::Dictionary::as_it_is(stored),
        }
    }

    fn decompress<'b>(
        &self,
        stored: &[u8],
        room: &'b mut Room,
        most: usize,
    ) -> Result<&'b [u8], Bad> {
        let taken = room.most;
        let decoded = self.decode_into(stored, room, most.min(taken));
        match decoded {
            Ok(len) => Ok(room.bytes.get(..len).unwrap_or_default()),
            Err(Bad::TooLong(_)) if most <= taken => Err(LONGER),
            Err(bad) => Err(bad),
        }
    }

    fn decode_into(&self, stored: &[u8], room: &mut Room, most: usize) -> Result<usize, Bad> {
        match &self.0 {
            Codec::Fsst(symbols) => symbols.decode(stored, &mut room.bytes, most),
            #[cfg(feature = "zstd")]
            Codec::Zstd(dictionary) => {
                dictionary.decode(stored, room, most).map(|()| room.bytes.len())
            }
        }
    }

    /// Whether `stored` holds a value as it is.
    pub(crate) fn is_as_it_is(&self, stored: &[u8]) -> bool {
        self.marked(stored).is_some()
    }
}
