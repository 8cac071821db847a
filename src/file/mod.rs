//! Files of tables: how they are opened and read, and how a table gets its name. Building,
//! publishing and reading stand on this module.
//!
//! An unpublished table lies in the directory of its name, so that the rename stays inside one file
//! system. Where the system has files without names, the table has no name until the very end and
//! vanishes with its process. The steps in order: write, permissions, fsync of the file, lock,
//! sweep, a second look at the name, rename, fsync of the directory. The permissions come before
//! the fsync so that one sync makes both durable.
//!
//! A builder holds the lock ([`lock`]) while it sweeps the temporary files of dead builders, looks
//! once more at what stands under the name, and gives the table its name. It does not hold the lock
//! during the build: if two builders build one table, the table of the later one stays. Readers
//! never look at the lock.
//!
//! A killed builder leaves nothing, or `.NAME.lock` and one of the sixteen temporary names
//! ([`temporary`]). A named temporary file is locked by its builder while it is written; the
//! builder releases that lock only while it holds `.NAME.lock`. So whoever holds `.NAME.lock` may
//! remove every temporary file that is unlocked. No step lists the directory: the cost of a build
//! does not depend on the tables beside it.
//!
//! Publishing needs what only Unix systems have. On other systems tables are only read, and
//! `src/file/reading.rs` stands for this module.

#[cfg(test)]
mod crash_tests;
pub(crate) mod directory;
pub(crate) mod integrity;
pub(crate) mod io;
mod lock;
#[cfg(test)]
mod model;
mod pointer;
#[cfg(test)]
#[cfg(target_os = "linux")]
pub(crate) mod powers;
mod standing;
pub(crate) mod target;
mod temporary;
mod unpublished;

pub(crate) use pointer::Pointer;
pub(crate) use temporary::Unfinished;
pub use temporary::remove_temporary_files;
#[cfg(feature = "sets")]
pub(crate) use unpublished::check_space;
pub(crate) use unpublished::{Publishing, Unpublished};
