//! The one place where the tool maps tables.
#![expect(unsafe_code, reason = "mapping a path is unsafe: the tool takes on the promise below")]

use crate::exit::Failure;
use graven::{Access, ErrorKind, Live, OpenError, OpenOptions, Table, sigbus};
use std::io;
use std::path::{Path, PathBuf};

/// How often the current version may be removed between finding its name and opening it.
const ATTEMPTS: usize = 10;

/// The table that a user means: of a directory of versions the current one.
pub(crate) fn meant(path: &mut PathBuf) {
    let current = path.join("CURRENT");
    if path.is_dir() && current.is_symlink() {
        *path = current;
    }
}

/// Maps a table for the length of the run.
pub(crate) fn table(path: &Path, access: Access) -> Result<Table, Failure> {
    guard();
    let options = OpenOptions::new().access(access);
    let mut opened = map(&options, path);
    for _ in 1..ATTEMPTS {
        match &opened {
            Err(OpenError::Io { source, .. })
                if source.kind() == io::ErrorKind::NotFound && path.is_symlink() =>
            {
                opened = map(&options, path);
            }
            _ => break,
        }
    }
    opened.map_err(|error| Failure::open(path, &error))
}

fn map(options: &OpenOptions, path: &Path) -> Result<Table, OpenError> {
    // SAFETY: `Table::open` asks that nobody changes or shortens the file in place while it is
    // mapped. The tool never does: `build` writes a file that has no name yet and then renames it
    // over the old one, which stays whole for whoever mapped it, and published tables are 0444.
    // That nobody else edits a table in place under a running command is what the tool trusts its
    // user with, as every program does that maps a file named on its command line.
    unsafe { options.open(path) }
}

/// Fails if a page was lost after its lookup: what was written of it then were zeros. Every verb
/// that writes values ends with this.
pub(crate) fn intact(table: &Table, path: &Path) -> Result<(), Failure> {
    if !table.faulted() {
        return Ok(());
    }
    let what =
        "was truncated, or its device failed, while it was read: zeros may have been written";
    Err(Failure::at(ErrorKind::Io, path.display(), what))
}

/// Follows the table at a path.
pub(crate) fn live(path: &Path, access: Access) -> Result<Live, Failure> {
    guard();
    let options = OpenOptions::new().access(access);
    // SAFETY: as above, for every table that is put in this one's place.
    let opened = unsafe { Live::open_with(path, &options) };
    opened.map_err(|error| Failure::open(path, &error))
}

/// If somebody breaks that trust, a lookup ends with an error instead of the process by a signal.
fn guard() {
    // Without it, everything else is the same.
    let _ = sigbus::install();
}
