//! `graven split`: the keys that divide a table into ranges of about as many entries.

use crate::args::Split;
use crate::exit::{Failure, Outcome};
use crate::output::Output;
use crate::source::Source;

pub(crate) fn run(args: &Split) -> Result<Outcome, Failure> {
    let source = Source::open(&args.table, args.reading.access())?;
    let mut out = Output::new()?;
    let separator = out.separator(args.bare, true, "")?;
    // No range is empty.
    let ranges = args.ranges.min(source.len());
    // The first range begins with the first key.
    let mut last = source.nth_key(&args.table, 0)?;
    for range in 1..ranges {
        // Below the number of entries, so it fits.
        let rank = (u128::from(source.len()) * u128::from(range) / u128::from(ranges)) as u64;
        let key = source.nth_key(&args.table, rank)?;
        // A repeated key may reach over several boundaries: it begins one range.
        let Some(new) = key.as_deref().filter(|_| key != last) else { continue };
        match separator {
            Some(separator) => out.bare(new, separator)?,
            None => out.key(new)?,
        }
        last = key;
    }
    out.flush()?;
    source.intact(&args.table)?;
    Ok(Outcome::Fine)
}
