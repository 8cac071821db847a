//! Values of packed tables: from what a user stores to what stands in the file, and back. A codec
//! knows no file and no record; the writer gives it values, the reader stored values.

mod bad;
mod buffer;
mod compression;
mod decoder;
mod encoder;
mod fsst;
mod keys;
#[cfg(feature = "zstd")]
mod zstd;

pub(crate) use bad::{Bad, NoDecoder};
pub(crate) use buffer::Room;
pub use buffer::ValueBuffer;
pub use compression::Compression;
pub(crate) use compression::name as codec_name;
pub(crate) use decoder::Decoder;
pub(crate) use encoder::{Encoder, Worker, is_worth};
pub(crate) use keys::KeySymbols;
pub(crate) use keys::train::train as train_keys;
