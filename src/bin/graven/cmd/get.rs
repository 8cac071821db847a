//! `graven get`: the values of keys named as arguments.

use crate::args::Get;
use crate::exit::{Failure, Outcome, reading};
use crate::open;
use crate::output::Output;
use std::os::unix::ffi::OsStrExt;

pub(crate) fn run(args: &Get) -> Result<Outcome, Failure> {
    let table = open::table(&args.table, args.reading.access())?;
    let reading = reading(&args.table);
    let mut out = Output::new()?;
    let mut outcome = Outcome::Fine;
    for key in &args.keys {
        let key = key.as_bytes();
        let mut found = false;
        if args.all {
            for value in table.get_all(key) {
                out.write(value.map_err(reading)?)?;
                found = true;
            }
        } else if let Some(value) = table.get(key).map_err(reading)? {
            out.write(value)?;
            found = true;
        }
        if !found {
            outcome = Outcome::Missing;
        }
    }
    out.flush()?;
    open::intact(&table, &args.table)?;
    Ok(outcome)
}
