//! Files of tables, below building, publishing and reading: how they are opened and read, and how
//! one gets its name.
//!
//! An unpublished table lies in the directory of its name, so that the rename stays inside one
//! file system. Where the system can, it has no name until the very end and vanishes with its
//! process. Order: write, permissions, fsync of the file, lock, sweep, a second look at the name,
//! rename, fsync of the directory. The permissions come before the fsync so that one sync makes
//! both durable.
//!
//! The lock ([`lock`]) is held while temporary files of dead builders are swept, while it is looked
//! once more at what stands under the name, and while the table gets the name; not during the
//! build: of two builders of one table the later one's stays. Readers know nothing of it.
//!
//! What a killed builder leaves behind, if anything, is `.NAME.lock` and one of the sixteen
//! temporary names ([`temporary`]). A named temporary file is locked by its builder while it is
//! written; the builder gives that lock back only while it holds `.NAME.lock`. So whoever holds
//! `.NAME.lock` may remove every temporary file that is unlocked. No step lists the directory:
//! what a build costs does not depend on the tables beside it.

#[cfg(not(unix))]
compile_error!("graven publishes tables by what only Unix systems have: build it on one");

pub(crate) mod check;
#[cfg(test)]
mod crash_tests;
pub(crate) mod directory;
pub(crate) mod io;
mod lock;
#[cfg(test)]
mod model;
mod pointer;
mod standing;
pub(crate) mod target;
mod temporary;
mod unpublished;

pub(crate) use pointer::Pointer;
pub use temporary::remove_unpublished;
pub(crate) use unpublished::{Publishing, Unpublished};
