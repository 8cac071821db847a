//! The one place where the tool maps tables.
#![expect(unsafe_code, reason = "mapping a path is unsafe: the tool takes on the promise below")]

use crate::exit::Failure;
use crate::source;
use graven::{
    AccessPattern, AnySet, ErrorKind, Live, OpenError, OpenFailure, OpenOptions, PackedLive,
    PackedSet, PackedTable, SetOptions, Table, sigbus,
};
use std::io;
use std::path::{Path, PathBuf};

/// Attempts to open the current version: it may be removed after its name was found and before it
/// is opened.
const ATTEMPTS: usize = 10;

/// Replaces the path of a directory of versions by the path of its current table. Other paths stay
/// as they are, those of sets among them.
pub(crate) fn meant(path: &mut PathBuf) {
    let current = path.join("CURRENT");
    if path.is_dir() && current.is_symlink() && !current.is_dir() {
        *path = current;
    }
}

/// Whether a set of tables stands at a path: a directory of versions whose current one is a set, or
/// the directory of one version.
pub(crate) fn is_set(path: &Path) -> bool {
    path.join("CURRENT").is_dir() || path.join("MANIFEST.json").exists()
}

/// Opens a set of shards of any kind for the length of the run.
pub(crate) fn packed_set(path: &Path, access: AccessPattern) -> Result<PackedSet, Failure> {
    guard();
    // SAFETY: the reasons in `map` hold for every shard.
    let opened = unsafe { PackedSet::open_with(path, &set_options(access)) };
    opened.map_err(|error| Failure::set(&error))
}

/// Opens a set as what it is: the first kind if all shards are plain.
pub(crate) fn any_set(path: &Path, access: AccessPattern) -> Result<AnySet, Failure> {
    guard();
    // SAFETY: the reasons in `map` hold for every shard.
    let opened = unsafe { AnySet::open(path, &set_options(access)) };
    opened.map_err(|error| Failure::set(&error))
}

fn set_options(access: AccessPattern) -> SetOptions {
    SetOptions::new().tables(OpenOptions::new().access(access))
}

/// Maps a table for the length of the run.
pub(crate) fn table(path: &Path, access: AccessPattern) -> Result<Table, Failure> {
    with(&OpenOptions::new().access(access), path)
}

/// Maps a table, also a packed one.
pub(crate) fn packed(path: &Path, access: AccessPattern) -> Result<PackedTable, Failure> {
    unpacked(with(&OpenOptions::new().access(access).allow_packed(true), path)?, path)
}

/// A table as it lies in the file, packed or plain, with what decodes it.
pub(crate) fn unpacked(stored: Table, path: &Path) -> Result<PackedTable, Failure> {
    PackedTable::try_from(stored).map_err(|error| Failure::open(path, &error))
}

/// Maps a table, a packed one or a patch, for commands that look at a file and not at entries.
/// Callers know that no set stands at the path.
pub(crate) fn any_file(path: &Path, access: AccessPattern) -> Result<Table, OpenError> {
    again(&OpenOptions::new().access(access).allow_patch(true).allow_packed(true), path)
}

/// Maps a table with options for the length of the run.
pub(crate) fn with(options: &OpenOptions, path: &Path) -> Result<Table, Failure> {
    if is_set(path) {
        return Err(source::no_set(path, "this command takes a table: name one of its shards"));
    }
    again(options, path).map_err(|error| Failure::open(path, &error))
}

/// Maps a table, with another attempt for each version that is removed meanwhile.
fn again(options: &OpenOptions, path: &Path) -> Result<Table, OpenError> {
    guard();
    let mut opened = map(options, path);
    for _ in 1..ATTEMPTS {
        match opened.as_ref().map_err(OpenError::failure) {
            Err(OpenFailure::Io { source, .. })
                if source.kind() == io::ErrorKind::NotFound && path.is_symlink() =>
            {
                opened = map(options, path);
            }
            _ => break,
        }
    }
    opened
}

fn map(options: &OpenOptions, path: &Path) -> Result<Table, OpenError> {
    // SAFETY: `Table::open` asks that nobody changes or shortens the file in place while it is
    // mapped. The tool never does: `build` writes a file that has no name yet and then renames it
    // over the old one, which stays whole for whoever mapped it, and published tables are 0444. The
    // tool trusts its user that nobody else edits a table in place while a command reads it. Every
    // program that maps a file named on its command line relies on that.
    unsafe { options.open(path) }
}

/// Fails if a page was lost after its lookup: zeros may then have been written in place of its
/// bytes. Every verb that writes values calls this after its last write.
pub(crate) fn intact(table: &Table, path: &Path) -> Result<(), Failure> {
    if !table.is_faulted() {
        return Ok(());
    }
    Err(lost(path))
}

/// The failure that a page was lost after its lookup.
pub(crate) fn lost(path: &Path) -> Failure {
    let what =
        "was truncated, or its device failed, while it was read: zeros may have been written";
    Failure::at(ErrorKind::Io, path.display(), what)
}

/// Opens the table at a path, and follows its replacements; the first kind if it is plain.
pub(crate) fn live(path: &Path, access: AccessPattern) -> Result<AnyLive, Failure> {
    guard();
    let options = OpenOptions::new().access(access);
    // SAFETY: the reasons in `map` hold for this table and for every table that replaces it.
    let opened = match unsafe { Live::open_with(path, &options) } {
        Err(error) if matches!(error.failure(), OpenFailure::IsPacked { .. }) => {
            // SAFETY: as above.
            unsafe { PackedLive::open_with(path, &options) }.map(AnyLive::Packed)
        }
        opened => opened.map(AnyLive::Plain),
    };
    opened.map_err(|error| Failure::open(path, &error))
}

/// A table that may be replaced, of either kind. The second one follows tables of both kinds.
pub(crate) enum AnyLive {
    Plain(Live),
    Packed(PackedLive),
}

/// If somebody breaks the promise that `map` relies on, a lookup fails instead of the process dying
/// of a signal.
fn guard() {
    // If the guard cannot be installed, only this protection is missing.
    let _ = sigbus::install();
}
