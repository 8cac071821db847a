//! Where a table's bytes come from: a mapped file, a private copy, or memory of the caller. From
//! here on the reader works on one `&[u8]`, and on places in it that were proven once.

mod bytes;
mod file;
#[cfg(target_os = "linux")]
mod large;
#[cfg(unix)]
mod mapping;
#[cfg(not(unix))]
#[path = "no_mapping.rs"]
mod mapping;
#[cfg(test)]
#[cfg(target_os = "linux")]
pub(crate) mod observed;
mod private;
mod proven;
mod reading;
mod room;

pub(crate) use bytes::Bytes;
pub use file::AccessPattern;
pub(crate) use file::{Located, io_error};
pub(crate) use proven::{AnyLen, KeyLen, Len8, Len16, Len32, Proven};
pub(crate) use reading::Reading;
