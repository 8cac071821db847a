//! From a value to what is stored.

#![cfg_attr(
    not(all(feature = "fsst", feature = "zstd")),
    allow(unused, clippy::ptr_arg, reason = "what only the codec needs that was left out")
)]

use super::compression::Compression;
use crate::format::packing::{AS_IT_IS, FRAMES, FSST_AS_IT_IS, codec};

/// Writes the values of a table, on any number of threads.
pub(crate) struct Encoder(Codec);

enum Codec {
    None,
    #[cfg(feature = "fsst")]
    Fsst(Box<super::fsst::Encoder>),
    #[cfg(feature = "zstd")]
    Zstd(super::zstd::Encoder),
}

/// Writes values on one thread.
pub(crate) struct Worker<'e>(Lane<'e>);

enum Lane<'e> {
    #[cfg(feature = "fsst")]
    Fsst(&'e super::fsst::Encoder),
    #[cfg(feature = "zstd")]
    Zstd(super::zstd::Context<'e>),
    /// Values stay as they are, without a mark.
    None(std::marker::PhantomData<&'e ()>),
}

/// The version of FSST's codes: there is one.
const FSST_VERSION: u32 = 1;

impl Encoder {
    /// An encoder for values like those of the sample; without a codec one that leaves them as they are.
    /// `bytes` is the length of all values. `None` if the codec was left out of this library, or without
    /// memory.
    pub(crate) fn train(asked: Option<&Compression>, sample: &[&[u8]], bytes: u64) -> Option<Self> {
        let Some(asked) = asked else { return Some(Self(Codec::None)) };
        match asked.codec {
            #[cfg(feature = "fsst")]
            codec::FSST => Some(Self(Codec::Fsst(super::fsst::Encoder::train(sample).into()))),
            #[cfg(feature = "zstd")]
            codec::ZSTD => {
                // A dictionary that is a large part of the table saves less than it takes.
                let len = u64::from(asked.dictionary).min(bytes / 16) as usize;
                let encoder = super::zstd::Encoder::train(sample, asked.level, len)?;
                Some(Self(Codec::Zstd(encoder)))
            }
            _ => None,
        }
    }

    /// The dictionary that goes into the file.
    pub(crate) fn dictionary(&self) -> &[u8] {
        match &self.0 {
            Codec::None => &[],
            #[cfg(feature = "fsst")]
            Codec::Fsst(encoder) => encoder.dictionary(),
            #[cfg(feature = "zstd")]
            Codec::Zstd(encoder) => encoder.dictionary(),
        }
    }

    /// The version of the codec.
    pub(crate) fn version(&self) -> u32 {
        match &self.0 {
            Codec::None => 0,
            #[cfg(feature = "fsst")]
            Codec::Fsst(_) => FSST_VERSION,
            #[cfg(feature = "zstd")]
            Codec::Zstd(_) => super::zstd::Encoder::version(),
        }
    }

    /// What one thread needs. `None` without memory.
    pub(crate) fn worker(&self) -> Option<Worker<'_>> {
        Some(Worker(match &self.0 {
            Codec::None => Lane::None(std::marker::PhantomData),
            #[cfg(feature = "fsst")]
            Codec::Fsst(encoder) => Lane::Fsst(encoder),
            #[cfg(feature = "zstd")]
            Codec::Zstd(encoder) => Lane::Zstd(encoder.context()?),
        }))
    }
}

impl Worker<'_> {
    /// Appends what is stored of a value of at most 1 MiB; true if that is the value as it is, which
    /// stays as it is if it would not shrink by a tenth. `None` without memory.
    pub(crate) fn encode(&mut self, value: &[u8], out: &mut Vec<u8>) -> Option<bool> {
        if self.is_none() {
            out.extend_from_slice(value);
            return Some(false);
        }
        if value.is_empty() {
            return Some(false);
        }
        let before = out.len();
        self.append(value, out)?;
        if is_worth(value.len() as u64, (out.len() - before) as u64) {
            return Some(false);
        }
        out.truncate(before);
        out.push(self.mark());
        out.extend_from_slice(value);
        Some(true)
    }

    /// Whether values stay as they are, without a mark.
    pub(crate) fn is_none(&self) -> bool {
        matches!(self.0, Lane::None(_))
    }

    /// Appends what stands before the pieces of a value of more than 1 MiB.
    pub(crate) fn begin(&self, out: &mut Vec<u8>) {
        match &self.0 {
            #[cfg(feature = "zstd")]
            Lane::Zstd(_) => out.push(FRAMES),
            _ => {}
        }
    }

    /// Appends a piece of a value of more than 1 MiB: [`FRAME`](crate::format::packing::FRAME) bytes,
    /// the last one maybe fewer. `None` without memory.
    pub(crate) fn piece(&mut self, piece: &[u8], out: &mut Vec<u8>) -> Option<()> {
        match &mut self.0 {
            #[cfg(feature = "zstd")]
            Lane::Zstd(_) => {
                let before = out.len();
                out.extend_from_slice(&[0; 4]);
                self.append(piece, out)?;
                let len = (out.len() - before - 4) as u32;
                out[before..before + 4].copy_from_slice(&len.to_le_bytes());
                Some(())
            }
            _ => self.append(piece, out),
        }
    }

    /// The first byte of a value that is stored as it is.
    pub(crate) fn mark(&self) -> u8 {
        match &self.0 {
            #[cfg(feature = "zstd")]
            Lane::Zstd(_) => AS_IT_IS,
            _ => FSST_AS_IT_IS,
        }
    }

    fn append(&mut self, value: &[u8], out: &mut Vec<u8>) -> Option<()> {
        match &mut self.0 {
            #[cfg(feature = "fsst")]
            Lane::Fsst(encoder) => {
                encoder.encode(value, out);
                Some(())
            }
            #[cfg(feature = "zstd")]
            Lane::Zstd(context) => context.append(value, out),
            Lane::None(_) => {
                out.extend_from_slice(value);
                Some(())
            }
        }
    }
}

/// Whether a value shrinks by a tenth.
pub(crate) fn is_worth(len: u64, stored: u64) -> bool {
    stored <= len / 10 * 9 + len % 10 * 9 / 10
}
