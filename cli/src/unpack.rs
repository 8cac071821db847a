//! Compressed inputs, decompressed as they are read.
//!
//! An input is known to be compressed by its first bytes. An error of the decompressor is
//! [`InputError::Broken`] inside the [`io::Error`].

use crate::input::{InputError, Source};
use flate2::bufread::MultiGzDecoder;
use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};
use std::error::Error;
use std::io::{self, BufRead, BufReader, Cursor, Read};

/// Bytes that a decompressor's source is asked for at once.
const PIECE: usize = 256 << 10;

/// A form of compression that is read.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Packing {
    Gzip,
    Zstd,
}

impl Packing {
    fn name(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
        }
    }

    /// The packing of an input that begins with `start`. `Err` if more bytes are needed to know.
    fn of(start: &[u8]) -> Result<Option<Self>, ()> {
        // The magic numbers. Of gzip the only method, and flags without those that are reserved;
        // of zstd a frame, and a frame to skip, which some programs write first.
        let gzip: [fn(u8) -> bool; 4] =
            [|b| b == 0x1f, |b| b == 0x8b, |b| b == 8, |flags| flags & 0xe0 == 0];
        let zstd: [fn(u8) -> bool; 4] =
            [|b| b == 0x28, |b| b == 0xb5, |b| b == 0x2f, |b| b == 0xfd];
        let skipped: [fn(u8) -> bool; 4] =
            [|b| b & 0xf0 == 0x50, |b| b == 0x2a, |b| b == 0x4d, |b| b == 0x18];
        let mut open = false;
        for (magic, packing) in [(gzip, Self::Gzip), (zstd, Self::Zstd), (skipped, Self::Zstd)] {
            if start.iter().zip(magic).all(|(&byte, is)| is(byte)) {
                if start.len() >= magic.len() {
                    return Ok(Some(packing));
                }
                open = true;
            }
        }
        if open { Err(()) } else { Ok(None) }
    }

    /// The error for a stream that cannot be decompressed.
    #[cold]
    fn broken(self, what: &str) -> io::Error {
        io::Error::other(InputError::Broken(format!("its {} data is {what}", self.name())))
    }

    /// What an error of the decompressor means. An error of the system stays what it is.
    #[cold]
    fn error(self, error: &(dyn Error + 'static)) -> io::Error {
        let mut cause = Some(error);
        while let Some(error) = cause {
            if let Some(error) = error.downcast_ref::<io::Error>() {
                match error.raw_os_error() {
                    Some(code) => return io::Error::from_raw_os_error(code),
                    None if error.kind() == io::ErrorKind::UnexpectedEof => {
                        return self.broken("cut short: copy or compress it again");
                    }
                    None => {}
                }
                // What a wrapped error was made of is its cause.
                if let Some(inner) = error.get_ref() {
                    cause = Some(inner);
                    continue;
                }
            }
            cause = error.source();
        }
        self.broken(&format!("damaged ({error})"))
    }
}

/// Whether an input that begins with `start` would be decompressed. An uncompressed input must not
/// begin so.
pub(crate) fn is_packed(start: &[u8]) -> bool {
    matches!(Packing::of(start), Ok(Some(_)))
}

/// The bytes of a source, decompressed if it begins as compressed bytes do. Reads as much as is
/// needed to know.
pub(crate) fn unpacked(mut source: impl Read + Send + 'static) -> io::Result<Source> {
    let mut start = Vec::new();
    let packing = loop {
        match Packing::of(&start) {
            Ok(packing) => break packing,
            Err(()) => {
                let mut byte = [0];
                match source.read(&mut byte) {
                    Ok(0) => break None,
                    Ok(_) => start.push(byte[0]),
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(error) => return Err(error),
                }
            }
        }
    };
    let source = Cursor::new(start).chain(source);
    let piece = |source| BufReader::with_capacity(PIECE, source);
    Ok(match packing {
        None => Box::new(source),
        Some(Packing::Gzip) => Box::new(Gzip(MultiGzDecoder::new(piece(source)))),
        Some(Packing::Zstd) => {
            Box::new(Zstd { source: piece(source), decoder: FrameDecoder::new(), inside: false })
        }
    })
}

/// The members of a gzip file, one after the other.
struct Gzip<R>(MultiGzDecoder<R>);

impl<R: BufRead> Read for Gzip<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.0.read(into).map_err(|error| match error.kind() {
            io::ErrorKind::Interrupted => error,
            _ => Packing::Gzip.error(&error),
        })
    }
}

/// The frames of a zstd file, one after the other.
struct Zstd<R> {
    source: R,
    decoder: FrameDecoder,
    /// Whether a frame was begun and not ended.
    inside: bool,
}

impl<R: BufRead> Read for Zstd<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if into.is_empty() {
            return Ok(0);
        }
        while self.inside || self.begin()? {
            while self.decoder.can_collect() == 0 && !self.decoder.is_finished() {
                let one = BlockDecodingStrategy::UptoBlocks(1);
                self.decoder
                    .decode_blocks(&mut self.source, one)
                    .map_err(|error| Packing::Zstd.error(&error))?;
            }
            if self.decoder.can_collect() > 0 {
                return self.decoder.read(into).map_err(|error| Packing::Zstd.error(&error));
            }
            self.inside = false;
            let sum = self.decoder.get_checksum_from_data();
            if sum.is_some() && sum != self.decoder.get_calculated_checksum() {
                return Err(Packing::Zstd.broken("damaged (its checksum does not match)"));
            }
        }
        Ok(0)
    }
}

impl<R: BufRead> Zstd<R> {
    /// Begins the next frame with content. False at the end of the source.
    fn begin(&mut self) -> io::Result<bool> {
        while !self.at_end()? {
            match self.decoder.reset(&mut self.source) {
                Ok(()) => {
                    self.inside = true;
                    return Ok(true);
                }
                Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame {
                    length,
                    ..
                })) => {
                    let length = u64::from(length);
                    let skipped = (&mut self.source).take(length);
                    if io::copy(&mut { skipped }, &mut io::sink())? < length {
                        return Err(
                            Packing::Zstd.error(&io::Error::from(io::ErrorKind::UnexpectedEof))
                        );
                    }
                }
                Err(error) => return Err(Packing::Zstd.error(&error)),
            }
        }
        Ok(false)
    }

    fn at_end(&mut self) -> io::Result<bool> {
        loop {
            match self.source.fill_buf() {
                Ok(bytes) => return Ok(bytes.is_empty()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::Compression;
    use flate2::write::GzEncoder;
    use ruzstd::encoding::{CompressionLevel, compress_to_vec};
    use std::io::Write;

    #[test]
    fn text_is_not_packed() {
        for start in
            [&b""[..], b"a\tb\n", b"(\t1\n", b"Pa\tb\n", b"\x1f\x8b\x08\xff", b"\x1f\x8b\t"]
        {
            assert!(!is_packed(start), "{}", start.escape_ascii());
        }
        assert_eq!(Packing::of(b"\x1f\x8b\x08\0more"), Ok(Some(Packing::Gzip)));
        assert_eq!(Packing::of(b"\x28\xb5\x2f\xfd"), Ok(Some(Packing::Zstd)));
        assert_eq!(Packing::of(b"\x5e\x2a\x4d\x18"), Ok(Some(Packing::Zstd)));
    }

    /// What a source gives, in reads of `piece` bytes.
    fn read(source: impl Read + Send + 'static, piece: usize) -> Result<Vec<u8>, String> {
        let mut source = unpacked(source).map_err(|error| error.to_string())?;
        let (mut all, mut bytes) = (Vec::new(), vec![0; piece]);
        loop {
            match source.read(&mut bytes) {
                Ok(0) => return Ok(all),
                Ok(read) => all.extend_from_slice(&bytes[..read]),
                Err(error) => return Err(error.to_string()),
            }
        }
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut packed = GzEncoder::new(Vec::new(), Compression::default());
        packed.write_all(bytes).unwrap();
        packed.finish().unwrap()
    }

    #[test]
    fn members_and_frames_follow_one_another() {
        let text: Vec<u8> = (0..300_000u32).map(|i| (i.wrapping_mul(i) >> 9) as u8).collect();
        let (first, second) = text.split_at(123_456);
        let zstd = |bytes: &[u8]| compress_to_vec(bytes, CompressionLevel::Fastest);
        for packed in [
            [gzip(first), gzip(second)].concat(),
            [gzip(b""), gzip(&text), gzip(b"")].concat(),
            [zstd(first), zstd(second)].concat(),
            [&b"\x50\x2a\x4d\x18\x02\0\0\0ab"[..], &zstd(&text), b"\x5f\x2a\x4d\x18\0\0\0\0"]
                .concat(),
        ] {
            for piece in [1, 1000, 1 << 20] {
                assert!(read(Cursor::new(packed.clone()), piece).unwrap() == text, "{piece}");
            }
            // Cut anywhere behind the magic number: in a header, a block, a checksum. Between two
            // members or frames, nothing shows that there were more.
            for cut in (4..packed.len() - 1).step_by(997).chain([5, 9, packed.len() - 1]) {
                match read(Cursor::new(packed[..cut].to_vec()), 1 << 16) {
                    Ok(some) => assert!(some.is_empty() || some == first, "{cut}"),
                    Err(what) => assert!(what.contains("cut short"), "{cut}: {what}"),
                }
            }
        }
        assert_eq!(read(Cursor::new(text[..5].to_vec()), 1).unwrap(), &text[..5]);
    }

    /// An error of the system is not taken for a damaged input.
    #[test]
    fn errors_of_the_source_stay_what_they_are() {
        struct Failing(Cursor<Vec<u8>>);
        impl Read for Failing {
            fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
                match self.0.read(into)? {
                    0 => Err(io::Error::from_raw_os_error(5)),
                    read => Ok(read),
                }
            }
        }
        let text = vec![b'x'; 100_000];
        for packed in [gzip(&text), compress_to_vec(&text[..], CompressionLevel::Fastest)] {
            for cut in [2, 5, packed.len() / 2, packed.len() - 1] {
                let source = Failing(Cursor::new(packed[..cut].to_vec()));
                let error = read(source, 1000).expect_err("a failing source");
                assert_eq!(error, io::Error::from_raw_os_error(5).to_string(), "{cut}");
            }
        }
    }

    /// The start of a pipe is not read further than is needed: the rest may come later.
    #[test]
    fn an_input_is_read_as_far_as_it_could_be_packed() {
        struct Once(&'static [u8]);
        impl Read for Once {
            fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
                assert!(!self.0.is_empty(), "read too far");
                self.0.read(into)
            }
        }
        for start in [&b"a"[..], b"(a", b"\x1f\x8b\x07", b"PP"] {
            let mut source = unpacked(Once(start)).unwrap();
            let mut all = vec![0; start.len()];
            source.read_exact(&mut all).unwrap();
            assert_eq!(all, start);
        }
    }
}
