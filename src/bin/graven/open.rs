//! The one place where the tool maps a table.
#![expect(unsafe_code, reason = "mapping a path is unsafe: the tool takes on the promise below")]

use crate::exit::Failure;
use graven::{Access, OpenOptions, Table};
use std::path::Path;

/// Maps a table for the length of the run.
pub(crate) fn table(path: &Path, access: Access) -> Result<Table, Failure> {
    let options = OpenOptions::new().access(access);
    // SAFETY: `Table::open` asks that nobody changes or shortens the file in place while it is
    // mapped. The tool never does: `build` writes a file that has no name yet and then renames it
    // over the old one, which stays whole for whoever mapped it, and published tables are 0444.
    // That nobody else edits a table in place under a running command is what the tool trusts its
    // user with, as every program does that maps a file named on its command line.
    let opened = unsafe { options.open(path) };
    opened.map_err(|error| Failure::open(path, &error))
}
