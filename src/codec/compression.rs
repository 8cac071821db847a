//! How values are compressed, as a caller asks for it.

use crate::format::packing::{MAX_DICTIONARY, PackingBlock, codec};
use std::fmt;

/// How the values of a table are compressed: with which codec, and how much work it does. For
/// [`BuildOptions::compress`](crate::BuildOptions::compress). Each value is compressed alone, against
/// one dictionary of the table, so each can be read alone.
///
/// | | [`zstd`](Self::zstd) | [`fsst`](Self::fsst) |
/// |---|---|---|
/// | for values of | 100 bytes and more | 10 to 300 bytes of text |
/// | dictionary | 110 KiB | 2 KiB |
/// | needs | the feature `zstd`, to build and to read | the feature `fsst`, to build |
///
/// `Display` writes the codec, and for zstd the level: `zstd level 3`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Compression {
    pub(crate) codec: u8,
    pub(crate) level: i32,
    pub(crate) dictionary: u32,
}

/// zstd's level by default.
const LEVEL: i32 = 3;
/// Bytes of a dictionary by default: what zstd's own tool makes.
const DICTIONARY: u32 = 112_640;

impl Compression {
    /// Zstandard, level 3, with a dictionary of at most 110 KiB.
    #[must_use]
    pub fn zstd() -> Self {
        Self { codec: codec::ZSTD, level: LEVEL, dictionary: DICTIONARY }
    }

    /// Fast Static Symbol Table (Boncz, Neumann, Leis: FSST, VLDB 2020): up to 254 symbols of one to
    /// eight bytes, each written as one byte. Shrinks short text that zstd, which needs some bytes for each
    /// value, does not, and decodes it in a quarter of zstd's time.
    #[must_use]
    pub fn fsst() -> Self {
        Self { codec: codec::FSST, level: 0, dictionary: 0 }
    }

    /// zstd's level, 1 to 22: a higher one takes longer to build, and the values are smaller. Reading
    /// costs the same. Without effect on FSST. Default: 3.
    #[must_use]
    pub fn level(mut self, level: i32) -> Self {
        if self.codec == codec::ZSTD {
            self.level = level;
        }
        self
    }

    /// Most bytes of zstd's dictionary, up to 1 MiB; 0 for none. It gets fewer where the values have
    /// less than 16 times as many bytes. Every reader keeps the dictionary in memory, once per
    /// open table. Without effect on FSST. Default: 112,640.
    #[must_use]
    pub fn dictionary_bytes(mut self, bytes: u32) -> Self {
        if self.codec == codec::ZSTD {
            self.dictionary = bytes;
        }
        self
    }

    /// The codec's name: `zstd` or `fsst`.
    #[must_use]
    pub fn codec(&self) -> &'static str {
        name(self.codec)
    }

    /// How the values of a table were compressed; `None` if they stand as they are.
    pub(crate) fn of(block: &PackingBlock) -> Option<Self> {
        let (level, dictionary) = (block.level.get() as i32, block.dictionary_asked.get());
        (block.codec != codec::NONE).then_some(Self { codec: block.codec, level, dictionary })
    }

    /// What is wrong with it: what was given, and what is allowed.
    pub(crate) fn check(&self) -> Result<(), (String, &'static str)> {
        if !cfg!(feature = "zstd") && self.codec == codec::ZSTD {
            return Err(("zstd".into(), "a graven that was built with the feature zstd"));
        }
        if !cfg!(feature = "fsst") && self.codec == codec::FSST {
            return Err(("fsst".into(), "a graven that was built with the feature fsst"));
        }
        if self.codec == codec::ZSTD && !(1..=22).contains(&self.level) {
            return Err((format!("zstd with level {}", self.level), "a level from 1 to 22"));
        }
        if self.dictionary as usize > MAX_DICTIONARY {
            let got = format!("zstd with a dictionary of {} bytes", self.dictionary);
            return Err((got, "a dictionary of at most 1 MiB (1048576)"));
        }
        Ok(())
    }
}

impl fmt::Display for Compression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.codec {
            codec::ZSTD => write!(f, "zstd level {}", self.level),
            _ => f.pad(self.codec()),
        }
    }
}

/// The name of a codec.
pub(crate) fn name(id: u8) -> &'static str {
    match id {
        codec::ZSTD => "zstd",
        codec::FSST => "fsst",
        _ => "unknown",
    }
}

#[cfg(all(test, feature = "zstd"))]
mod tests {
    use super::*;

    #[test]
    fn a_dictionary_may_have_one_mebibyte() {
        let check = |bytes| Compression::zstd().dictionary_bytes(bytes).check();
        assert_eq!(check(1 << 20), Ok(()));
        let got = "zstd with a dictionary of 1048577 bytes".to_string();
        assert_eq!(check((1 << 20) + 1), Err((got, "a dictionary of at most 1 MiB (1048576)")));
    }
}
