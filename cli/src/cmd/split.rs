//! `graven split`: the keys that divide a table into ranges of about as many entries.

use crate::args::Split;
use crate::exit::{Failure, Outcome, reading};
use crate::open;
use crate::output::Output;

pub(crate) fn run(args: &Split) -> Result<Outcome, Failure> {
    let table = open::table(&args.table, args.reading.access())?;
    let reading = reading(&args.table);
    let mut out = Output::new()?;
    let separator = out.separator(args.bare, true, "")?;
    // No range is empty.
    let ranges = args.ranges.min(table.len());
    // The first range begins with the first key.
    let mut last = table.first().map_err(reading)?.map(|(key, _)| key);
    for range in 1..ranges {
        // Below the number of entries, so it fits.
        let rank = (u128::from(table.len()) * u128::from(range) / u128::from(ranges)) as u64;
        let key = table.nth(rank).map_err(reading)?.map(|(key, _)| key);
        // A repeated key may reach over several boundaries: it begins one range.
        let Some(key) = key.filter(|_| key != last) else { continue };
        match separator {
            Some(separator) => out.bare(key, separator)?,
            None => out.key(key)?,
        }
        last = Some(key);
    }
    out.flush()?;
    open::intact(&table, &args.table)?;
    Ok(Outcome::Fine)
}
