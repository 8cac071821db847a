//! `graven verify`: checks every byte, and says nothing about a table that is good.

use crate::args::Verify;
use crate::exit::{Failure, Outcome, reading};
use crate::open;
use crate::progress::{Progress, Unit};

pub(crate) fn run(args: &Verify) -> Result<Outcome, Failure> {
    let table = open::table(&args.table, args.reading.access())?;
    let _progress = Progress::new("verifying", Unit::Entries, None, false);
    table.verify().map_err(reading(&args.table))?;
    Ok(Outcome::Fine)
}
