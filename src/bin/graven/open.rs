//! The one place where the tool maps tables.
#![expect(unsafe_code, reason = "mapping a path is unsafe: the tool takes on the promise below")]

use crate::exit::Failure;
use graven::{Access, ErrorKind, Live, OpenOptions, Table, sigbus};
use std::path::Path;

/// Maps a table for the length of the run.
pub(crate) fn table(path: &Path, access: Access) -> Result<Table, Failure> {
    guard();
    let options = OpenOptions::new().access(access);
    // SAFETY: `Table::open` asks that nobody changes or shortens the file in place while it is
    // mapped. The tool never does: `build` writes a file that has no name yet and then renames it
    // over the old one, which stays whole for whoever mapped it, and published tables are 0444.
    // That nobody else edits a table in place under a running command is what the tool trusts its
    // user with, as every program does that maps a file named on its command line.
    let opened = unsafe { options.open(path) };
    opened.map_err(|error| Failure::open(path, &error))
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
