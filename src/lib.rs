//! graven: immutable sorted tables, built once and read by many processes through one shared
//! mapping.
//!
//! A table is written by a [`Builder`] and published under its name in one step. A [`Table`] maps
//! it read-only; a lookup is pointer arithmetic over the mapped bytes and returns a slice of them:
//! no read, no lseek, no copy, no allocation.
//!
//! ```
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let dir = tempfile::tempdir()?;
//! # let path = dir.path().join("colours.grv");
//! let mut builder = graven::Builder::create(&path)?;
//! builder.insert("red", "#ff0000")?;
//! builder.insert("green", "#00ff00")?;
//! builder.finish()?;
//!
//! // SAFETY: nobody modifies or truncates the published file.
//! let table = unsafe { graven::Table::open(&path)? };
//! assert_eq!(table.get("red")?, Some(&b"#ff0000"[..])); // a hit
//! assert_eq!(table.get("blue")?, None); // a miss
//! let keys: Result<Vec<_>, _> = table.keys().collect();
//! assert_eq!(keys?, [&b"green"[..], b"red"]); // in order
//! # Ok(())
//! # }
//! ```

#![cfg_attr(not(unix), allow(dead_code, reason = "nothing is written, mapped or served"))]

mod build_id;
mod error;
#[cfg(unix)]
mod file;
#[cfg(not(unix))]
#[path = "file/reading.rs"]
mod file;
mod format;
mod limits;
#[cfg(unix)]
mod live;
#[cfg(unix)]
mod publish;
mod read;
pub mod sigbus;
mod verify;
#[cfg(unix)]
mod write;

pub use build_id::{BuildId, ParseBuildIdError};
pub use error::{
    BuildError, ErrorKind, OpenError, OpenFailure, PublishError, ReadError, ReadFailure,
};
#[cfg(unix)]
pub use file::remove_temporary_files;
pub use format::types::key::TypedKey;
#[doc(hidden)]
pub use format::types::value::__private;
pub use format::types::value::TypedValue;
#[cfg(unix)]
pub use live::typed::{TypedLive, TypedPinned};
#[cfg(unix)]
pub use live::{Live, LiveStatus, Pinned, RefreshOutcome};
#[cfg(unix)]
pub use publish::{PublishOptions, PublishSummary, Version, Versions};
pub use read::{
    AccessPattern, Cursor, GetAll, HashStats, IntoIter, Iter, KeyCounts, KeyRange, Keys, LengthBin,
    LineStats, Metadata, MetadataIter, OpenOptions, PageChecks, PrefixesOf, Residency, Section,
    SectionResidency, SectionStats, Stats, Table, TreeStats, TypedCursor, TypedGetAll, TypedIter,
    TypedKeys, TypedTable, TypedValues, Value, Values, Warm, WarmProgress,
};
pub use verify::VerifyReport;
#[cfg(unix)]
pub use write::{
    BuildOptions, BuildPhase, BuildProgress, BuildSummary, Builder, Duplicates, HashIndex,
    HashIndexOutcome, TypedBuilder,
};

/// The README's code runs as a test.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
