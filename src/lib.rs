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
//!
//! # Which type for what
//!
//! | to … | use |
//! |---|---|
//! | build a table of entries that come one by one | [`Builder`] |
//! | build one with options, or from an iterator | [`BuildOptions`] |
//! | look keys up, walk in order, count | [`Table`]: every query is a method |
//! | open with options, or read from bytes or a stream | [`OpenOptions`] |
//! | step forward and back | [`Cursor`], from [`Table::cursor`] |
//! | keep a value without a borrow, for a thread or an async handler | [`Value`], from [`Table::get_owned`] |
//! | less memory: values compressed, keys by symbols | [`BuildOptions::compress`], [`BuildOptions::compact_keys`], [`PackedTable`] |
//! | numbers or tuples as keys, numbers or structs as values | [`TypedTable`], [`TypedBuilder`], [`typed_value!`] |
//! | serve from a table that is replaced from time to time | [`Live`], [`TypedLive`], [`PackedLive`] |
//! | copy a finished table to where it is read, checked on the way | [`PublishOptions`] |
//! | keep several versions in a directory, and roll back | [`Versions`] |
//! | divide one table among many files, and read them as one | `SetBuilder`, `TableSet` and `LiveSet`, with the feature `sets`; `PackedSet` and `PackedLiveSet` where they are packed |
//! | merge tables, compare two, write and apply a patch | [`Merge`], [`Diff`], [`Patch`] |
//! | save what is good of a damaged table | [`Table::salvage`] |
//! | outlive a file that is truncated, or a failing disk | [`sigbus::install`] |
//! | ask what a table holds, and what of it is in memory | [`Table::stats`], [`Table::residency`] |
//!
//! Build a table from an iterator:
//!
//! ```
//! # let dir = tempfile::tempdir()?;
//! # let path = dir.path().join("ages.grv");
//! let summary = graven::BuildOptions::new().build(&path, [("Ann", "31"), ("Bob", "45")])?;
//! println!("{summary}");
//! # assert_eq!(summary.entries, 2);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Walk a part of it, or all of it:
//!
//! ```
//! # let dir = tempfile::tempdir()?;
//! # let path = dir.path().join("ages.grv");
//! # graven::BuildOptions::new().build(&path, [("Ann", "31"), ("Bob", "45")])?;
//! # let table = graven::Table::load(&path)?;
//! assert_eq!(table.count("B"..)?, 1);
//! for entry in table.range("B"..) {
//!     let (name, age) = entry?;
//!     println!("{}: {}", name.escape_ascii(), age.escape_ascii());
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Take a value out of the function, without a copy:
//!
//! ```
//! # let dir = tempfile::tempdir()?;
//! # let path = dir.path().join("ages.grv");
//! # graven::BuildOptions::new().build(&path, [("Ann", "31"), ("Bob", "45")])?;
//! fn age(table: &graven::Table, name: &str) -> Result<Option<graven::Value>, graven::ReadError> {
//!     table.get_owned(name)
//! }
//! # let table = graven::Table::load(&path)?;
//! # let found = age(&table, "Ann")?;
//! # drop(table);
//! assert_eq!(found.unwrap(), "31");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Use types: numbers keep their order, and values are read where they lie.
//!
//! ```
//! # let dir = tempfile::tempdir()?;
//! # let path = dir.path().join("ages.grv");
//! graven::BuildOptions::new().build_typed(&path, [(-3_i32, 0.5_f64), (10, 1.5)])?;
//! let table = graven::OpenOptions::new().load_typed::<i32, f64>(&path)?;
//! assert_eq!(table.floor(&4)?, Some((-3, &0.5)));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Why a lookup returns a `Result`
//!
//! Opening a table reads its two ends and nothing else, whatever its size. So damage in the rest is
//! found when a page is touched first: the page is compared with its checksum, once per process,
//! and bytes that do not fit are a [`ReadError`], never an answer. A table that was checked as a
//! whole ([`Table::verify`], or [`PageChecks::AtOpen`] for the checksums alone) gives no error
//! for damage any more. What is left is a page that the system can't deliver any more, which is an
//! error if [`sigbus::install`] was called, and else ends the process.
//!
//! # Errors
//!
//! [`OpenError`] and [`ReadError`] name the file and hold a failure, an enum with a variant for each
//! cause; [`BuildError`], [`PublishError`] and [`MergeError`] are such enums themselves. The texts
//! say what is wrong, where, and what to do, and hold the system's answer, so `source()` is `None`.
//! `kind()` tells whose fault it is. Each becomes an [`io::Error`](std::io::Error) with `?`.
//!
//! ```
//! use graven::{OpenFailure, Table};
//!
//! let error = Table::load("no/such/table.grv").unwrap_err();
//! match error.failure() {
//!     OpenFailure::Io { source, .. } => eprintln!("not there: {source}"),
//!     _ => eprintln!("{error}"),
//! }
//! ```
//!
//! # Systems
//!
//! Building, mapping and serving need a Unix system. On others, WebAssembly and Windows among them,
//! [`Table::load`], [`Table::from_bytes`] and [`Table::from_reader`] read tables.

#![cfg_attr(not(unix), allow(dead_code, reason = "nothing is written, mapped or served"))]

mod build_id;
mod codec;
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
#[cfg(all(unix, feature = "sets"))]
mod manifest;
#[cfg(unix)]
mod merge;
#[cfg(unix)]
mod publish;
mod read;
#[cfg(all(unix, feature = "sets"))]
mod set;
pub mod sigbus;
mod verify;
#[cfg(unix)]
mod write;

pub use build_id::{BuildId, ParseBuildIdError};
pub use codec::{Compression, ValueBuffer};
pub use error::{
    BuildError, ErrorKind, MergeError, OpenError, OpenFailure, PublishError, ReadError,
    ReadFailure, SetError,
};
#[cfg(unix)]
pub use file::remove_temporary_files;
pub use format::types::key::TypedKey;
#[doc(hidden)]
pub use format::types::value::__private;
pub use format::types::value::TypedValue;
#[cfg(unix)]
pub use live::packed::{PackedLive, PackedPinned};
#[cfg(unix)]
pub use live::typed::{TypedLive, TypedPinned};
#[cfg(unix)]
pub use live::{Live, LiveStatus, Pinned, RefreshOutcome};
#[cfg(all(unix, feature = "sets"))]
pub use manifest::{Manifest, Partition, Shard, hash_shard};
#[cfg(unix)]
pub use merge::{
    AnyTable, Change, Changes, Diff, Difference, Loss, Merge, MergePolicy, Patch, Patched, Salvage,
    Salvaged,
};
#[cfg(all(unix, feature = "sets"))]
pub use publish::ReceivedSet;
#[cfg(unix)]
pub use publish::{NewVersion, PublishOptions, PublishSummary, Version, Versions};
pub use read::{
    AccessPattern, Cursor, GetAll, HashStats, InstructionSet, IntoIter, Iter, KeyCounts, KeyRange,
    Keys, LengthBin, LineStats, LocatedPart, LocatedSpan, Location, Metadata, MetadataIter,
    OpenOptions, PackedCursor, PackedIter, PackedPrefixesOf, PackedTable, PackingStats, PageChecks,
    PrefixesOf, Residency, Section, SectionResidency, SectionStats, Stats, Table, TreeStats,
    TypedCursor, TypedGetAll, TypedIter, TypedKeys, TypedTable, TypedValues, Value, Values, Warm,
    WarmProgress,
};
#[cfg(all(unix, feature = "sets"))]
pub use set::{
    AnySet, LiveSet, PackedLiveSet, PackedPinnedSet, PackedSet, PackedSetIter, PinnedSet,
    SetBuildOptions, SetBuilder, SetIter, SetJob, SetJobOptions, SetOptions, SetPlan, SetReader,
    SetReport, SetValue, ShardBuilder, ShardInfo, TableSet, TypedLiveSet, TypedPinnedSet,
    TypedSetBuilder, TypedSetIter, TypedSetValue, TypedTableSet,
};
pub use verify::{VerifyProgress, VerifyReport};
#[cfg(unix)]
pub use write::{
    BuildOptions, BuildPhase, BuildProgress, BuildSummary, Builder, Duplicates, HashIndex,
    HashIndexOutcome, TypedBuilder,
};

/// The README's code runs as a test.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
