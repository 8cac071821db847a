//! What is wrong with what is to be decoded.

/// What is wrong with a stored value, or a dictionary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bad {
    /// It breaks the format.
    Corrupt(&'static str),
    /// The value is longer than its reader takes, which are so many bytes.
    TooLong(usize),
}

/// Why there is no decoder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoDecoder {
    /// This library does not know the codec.
    Unknown,
    /// The codec's feature was left out of this library.
    #[cfg_attr(feature = "zstd", expect(dead_code, reason = "every codec is there"))]
    LeftOut(&'static str),
    /// The dictionary is damaged.
    Bad(Bad),
}
