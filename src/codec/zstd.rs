//! Zstandard, RFC 8878. A value of up to 1 MiB is one frame, a longer one frames of 256 KiB. Frames
//! have no magic number, no checksum (pages have one) and no dictionary id, and say how long their
//! content is.

use super::bad::Bad;
use super::buffer::Room;
use crate::format::packing::{AS_IT_IS, FRAMES, MAX_FRAME};
use crate::format::{bytes_at, u16_at, u32_at, u64_at};
use ::zstd::zstd_safe::{
    self, CCtx, CDict, CParameter, DCtx, DDict, DParameter, FrameFormat, compress_bound,
};
use std::fmt;
use std::io::Cursor;

/// What decodes the values of a table.
pub(super) struct Dictionary(DDict<'static>);

impl fmt::Debug for Dictionary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dictionary").finish_non_exhaustive()
    }
}

/// A frame that does not decode.
const BAD: Bad = Bad::Corrupt("value does not decompress");

impl Dictionary {
    pub(super) fn parse(dictionary: &[u8]) -> Result<Self, Bad> {
        DDict::try_create(dictionary)
            .map(Self)
            .ok_or(Bad::Corrupt("dictionary of zstd makes no sense"))
    }

    /// The value as it stands in the file, if it begins so.
    pub(super) fn as_it_is(stored: &[u8]) -> Option<&[u8]> {
        stored.split_first().filter(|(first, _)| **first == AS_IT_IS).map(|(_, rest)| rest)
    }

    /// Puts a value of at most `most` bytes into the room.
    pub(super) fn decode(&self, stored: &[u8], room: &mut Room, most: usize) -> Result<(), Bad> {
        room.bytes.clear();
        let Some((&FRAMES, mut rest)) = stored.split_first() else {
            return self.append(stored, room, most);
        };
        if rest.is_empty() {
            return Err(BAD);
        }
        while !rest.is_empty() {
            let len = u32_at(rest, 0).ok_or(BAD)? as usize;
            let frame = rest.get(4..).and_then(|rest| rest.get(..len)).ok_or(BAD)?;
            self.append(frame, room, most)?;
            rest = &rest[4 + len..];
        }
        Ok(())
    }

    /// Appends the content of a frame. Memory is asked for as content is produced: at most 1 MiB for
    /// a frame, whatever it says.
    fn append(&self, frame: &[u8], room: &mut Room, most: usize) -> Result<(), Bad> {
        let len = content_len(frame).ok_or(BAD)?;
        let before = room.bytes.len();
        if len > (most - before.min(most)) as u64 {
            return Err(Bad::TooLong(most));
        }
        if len > MAX_FRAME as u64 {
            return Err(BAD);
        }
        let len = len as usize;
        room.frame.clear();
        room.frame.extend_from_slice(frame);
        room.bytes.reserve(len);
        let context = match &mut room.context {
            Some(context) => context,
            none => none.insert(context()?),
        };
        let mut end = Cursor::new(&mut room.bytes);
        end.set_position(before as u64);
        match context.decompress_using_ddict(&mut end, &room.frame, &self.0) {
            Ok(written) if written == len => Ok(()),
            _ => {
                room.bytes.truncate(before);
                Err(BAD)
            }
        }
    }
}

/// A decoder's tables.
#[cold]
fn context() -> Result<DCtx<'static>, Bad> {
    let mut context = DCtx::try_create().ok_or(Bad::Corrupt("no memory for zstd"))?;
    let format = DParameter::Format(FrameFormat::Magicless);
    context.set_parameter(format).map_err(|_| BAD)?;
    Ok(context)
}

/// How long the content of a frame is by its header. None if the header does not say so, or is of
/// another kind than values have.
fn content_len(frame: &[u8]) -> Option<u64> {
    let descriptor = *frame.first()?;
    // No checksum, no dictionary id, nothing reserved.
    if descriptor & 0b1_1111 != 0 {
        return None;
    }
    let single_segment = descriptor & 0b10_0000 != 0;
    let at = if single_segment { 1 } else { 2 };
    match descriptor >> 6 {
        0 if single_segment => bytes_at::<1>(frame, at).map(|[len]| len.into()),
        0 => None,
        1 => u16_at(frame, at).map(|len| u64::from(len) + 256),
        2 => u32_at(frame, at).map(u64::from),
        _ => u64_at(frame, at),
    }
}

/// Writes values with a dictionary.
pub(super) struct Encoder {
    dictionary: Vec<u8>,
    /// The dictionary as compressing needs it, for all threads.
    prepared: CDict<'static>,
}

impl Encoder {
    /// Makes a dictionary of at most `len` bytes from the sample. It is empty where the sample is too
    /// small for one. `None` without memory.
    pub(super) fn train(sample: &[&[u8]], level: i32, len: usize) -> Option<Self> {
        let mut dictionary = vec![0; len];
        let lengths: Vec<usize> = sample.iter().map(|value| value.len()).collect();
        let made = match len {
            0 => 0,
            _ => zstd_safe::train_from_buffer(&mut dictionary[..], &sample.concat(), &lengths)
                .unwrap_or(0),
        };
        dictionary.truncate(made);
        let prepared = CDict::try_create(&dictionary, level)?;
        Some(Self { dictionary, prepared })
    }

    pub(super) fn dictionary(&self) -> &[u8] {
        &self.dictionary
    }

    /// What one thread needs. `None` without memory.
    pub(super) fn context(&self) -> Option<Context<'_>> {
        let mut context = CCtx::try_create()?;
        for parameter in [
            CParameter::Format(FrameFormat::Magicless),
            CParameter::ContentSizeFlag(true),
            CParameter::ChecksumFlag(false),
            CParameter::DictIdFlag(false),
        ] {
            context.set_parameter(parameter).ok()?;
        }
        context.ref_cdict(&self.prepared).ok()?;
        Some(Context(context))
    }

    /// The version of zstd.
    pub(super) fn version() -> u32 {
        zstd_safe::version_number()
    }
}

/// Compresses on one thread.
pub(super) struct Context<'d>(CCtx<'d>);

impl Context<'_> {
    /// Appends the frame of at most 1 MiB.
    pub(super) fn append(&mut self, content: &[u8], out: &mut Vec<u8>) -> Option<()> {
        let before = out.len();
        out.reserve(compress_bound(content.len()));
        let mut end = Cursor::new(out);
        end.set_position(before as u64);
        self.0.compress2(&mut end, content).ok()?;
        Some(())
    }
}
