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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::ValueBuffer;

    /// The frame of `content`, without a dictionary.
    fn frame(content: &[u8]) -> Vec<u8> {
        let encoder = Encoder::train(&[], 3, 0).unwrap();
        let mut frame = Vec::new();
        encoder.context().unwrap().append(content, &mut frame).unwrap();
        frame
    }

    /// A value of several frames.
    fn value_of(frames: &[&[u8]]) -> Vec<u8> {
        let mut stored = vec![FRAMES];
        for frame in frames {
            stored.extend_from_slice(&(frame.len() as u32).to_le_bytes());
            stored.extend_from_slice(frame);
        }
        stored
    }

    /// The value of at most `most` bytes, in a room that has 1 KiB before.
    fn decoded(stored: &[u8], most: usize) -> Result<Vec<u8>, Bad> {
        let mut room = ValueBuffer::new().value;
        room.bytes.reserve(1024);
        Dictionary::parse(&[])?.decode(stored, &mut room, most)?;
        Ok(room.bytes)
    }

    #[test]
    fn the_frames_of_a_value_have_its_most_bytes_together() {
        let stored = value_of(&[&frame(b"0123456789"), &frame(b"abcdefghij")]);
        assert_eq!(decoded(&stored, 20), Ok(b"0123456789abcdefghij".to_vec()));
        assert_eq!(decoded(&stored, 19), Err(Bad::TooLong(19)));
    }

    #[test]
    fn a_frame_has_one_mebibyte_at_most() {
        let content = vec![b'x'; MAX_FRAME + 1];
        let most = content.len();
        assert!(decoded(&frame(&content[1..]), most).unwrap() == content[1..]);
        assert_eq!(decoded(&frame(&content), most).err(), Some(BAD));
    }

    /// zstd takes frames in a row for one, and the room has place for the content of both.
    #[test]
    fn a_frame_with_another_behind_it_is_refused() {
        let two = [frame(b"0123456789"), frame(b"abcdefghij")].concat();
        assert_eq!(decoded(&two, 100), Err(BAD));
    }

    #[test]
    fn a_header_says_how_long_its_content_is() {
        for (descriptor, len) in [
            // Behind a window.
            (0x00, None),
            (0x40, Some(0x0302 + 256)),
            (0x80, Some(0x0504_0302)),
            (0xC0, Some(0x0908_0706_0504_0302)),
            // A single segment, without one.
            (0x20, Some(1)),
            (0x60, Some(0x0201 + 256)),
            (0xA0, Some(0x0403_0201)),
            (0xE0, Some(0x0807_0605_0403_0201)),
            // A dictionary id, a checksum, a reserved bit.
            (0x21, None),
            (0x24, None),
            (0x28, None),
        ] {
            let header = [descriptor, 1, 2, 3, 4, 5, 6, 7, 8, 9];
            assert_eq!(content_len(&header), len, "{descriptor:#x}");
        }
    }

    /// Frames of one block that repeats a byte 300 times and 219, with a window of 1 KiB.
    #[test]
    fn a_frame_that_does_not_say_its_length_is_refused() {
        let says = [0x40, 0, 44, 0, 0x63, 0x09, 0, b'x'];
        assert_eq!(decoded(&value_of(&[&says]), 1000), Ok(vec![b'x'; 300]));
        // The block's first byte would be the right length.
        let does_not = [0, 0, 219, 6, 0, b'x'];
        assert_eq!(decoded(&value_of(&[&does_not]), 1000), Err(BAD));
    }
}
