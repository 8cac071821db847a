//! How keys and values are made smaller.

use super::values::size;
use clap::{Args, ValueEnum};
use graven::{BuildOptions, Compression};

// `build` and `shard` have texts of their own, so no doc comment stands here: it would take their place.
#[derive(Args)]
pub(crate) struct Packing {
    /// Compress each value by this codec: zstd for values of 100 bytes and more, fsst for shorter text
    #[arg(long, value_name = "CODEC", value_enum)]
    compress: Option<Codec>,
    /// zstd's level, 1 to 22: a higher one makes a build slower and values smaller
    #[arg(long, value_name = "N", requires = "compress", default_value_t = 3)]
    level: i32,
    /// Most bytes of zstd's dictionary, at most 1M
    #[arg(long, value_name = "SIZE", requires = "compress", value_parser = size, default_value = "110K")]
    dictionary: u64,
    /// Write keys by symbols, strings that many keys have in common; the order stays
    #[arg(long)]
    compact_keys: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum Codec {
    Zstd,
    Fsst,
}

impl Packing {
    /// Whether one of these options is given.
    pub(crate) fn is_given(&self) -> bool {
        self.compress.is_some() || self.compact_keys
    }

    /// The first option that is given.
    pub(crate) fn name(&self) -> &'static str {
        if self.compress.is_some() { "--compress" } else { "--compact-keys" }
    }

    /// Sets these options.
    pub(crate) fn set(&self, options: BuildOptions) -> BuildOptions {
        let compression = self.compress.map(|codec| match codec {
            Codec::Zstd => Compression::zstd()
                .level(self.level)
                .dictionary_bytes(u32::try_from(self.dictionary).unwrap_or(u32::MAX)),
            Codec::Fsst => Compression::fsst(),
        });
        options.compress(compression).compact_keys(self.compact_keys)
    }
}
