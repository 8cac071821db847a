//! `graven scan`: the entries of an interval, or their number.

use crate::args::Scan;
use crate::exit::{Failure, Outcome, reading};
use crate::output::Output;
use crate::progress::{Progress, Unit};
use crate::{open, tsv};
use graven::ReadError;
use std::ffi::OsString;
use std::ops::Bound;
use std::os::unix::ffi::OsStrExt;

/// Entries between two looks at the progress bar.
const STEP: u64 = 1024;

pub(crate) fn run(args: &Scan) -> Result<Outcome, Failure> {
    let table = open::table(&args.table, args.reading.access())?;
    let reading = reading(&args.table);
    let interval = Interval::new(args);
    let limit = args.limit.unwrap_or(u64::MAX);
    let mut out = Output::new()?;
    if args.count {
        let count = table.count(interval.bounds()).map_err(reading)?;
        out.write(format!("{}\n", count.min(limit)).as_bytes())?;
    } else {
        let entries = table.range(interval.bounds());
        if args.reverse {
            print(args, entries.rev(), limit, &mut out, reading)?;
        } else {
            print(args, entries, limit, &mut out, reading)?;
        }
    }
    out.flush()?;
    open::intact(&table, &args.table)?;
    Ok(Outcome::Fine)
}

fn print<'t>(
    args: &Scan,
    entries: impl Iterator<Item = Result<(&'t [u8], &'t [u8]), ReadError>>,
    limit: u64,
    out: &mut Output,
    reading: impl Fn(ReadError) -> Failure,
) -> Result<(), Failure> {
    let progress = Progress::new("scanning", Unit::Entries, None, !out.is_file());
    for (entry, number) in entries.zip(0..limit) {
        let (key, value) = entry.map_err(&reading)?;
        match args {
            Scan { keys: true, .. } => out.with(|out| tsv::write_line(out, key))?,
            Scan { values: true, .. } => out.with(|out| tsv::write_line(out, value))?,
            _ => out.with(|out| tsv::write_entry(out, key, value))?,
        }
        if number % STEP == 0 {
            progress.set(number);
        }
    }
    Ok(())
}

/// The keys asked for: `from` and what follows, below `to`.
#[derive(Debug, PartialEq)]
struct Interval {
    from: Vec<u8>,
    to: Option<Vec<u8>>,
}

impl Interval {
    fn new(args: &Scan) -> Self {
        let bytes = |key: &Option<OsString>| key.as_ref().map(|key| key.as_bytes().to_vec());
        Self::intersection(bytes(&args.from), bytes(&args.to), bytes(&args.prefix))
    }

    fn intersection(from: Option<Vec<u8>>, to: Option<Vec<u8>>, prefix: Option<Vec<u8>>) -> Self {
        let prefix = prefix.unwrap_or_default();
        let beyond = successor(&prefix);
        // None is beyond every key here and comes before all in an Option's order.
        let to = match (to, beyond) {
            (Some(to), Some(beyond)) => Some(to.min(beyond)),
            (to, beyond) => to.or(beyond),
        };
        Self { from: from.unwrap_or_default().max(prefix), to }
    }

    fn bounds(&self) -> (Bound<&[u8]>, Bound<&[u8]>) {
        // No key is below the empty one; said like this, nothing needs to be looked up.
        let from = match &self.from[..] {
            [] => Bound::Unbounded,
            from => Bound::Included(from),
        };
        let to = self.to.as_ref().map_or(Bound::Unbounded, |to| Bound::Excluded(&to[..]));
        (from, to)
    }
}

/// The smallest key above all that start with `prefix`, if there is one.
fn successor(prefix: &[u8]) -> Option<Vec<u8>> {
    let last = prefix.iter().rposition(|&byte| byte < 255)?;
    let mut successor = prefix[..=last].to_vec();
    successor[last] += 1;
    Some(successor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_ends_where_no_key_can_have_it() {
        assert_eq!(successor(b"ab"), Some(b"ac".to_vec()));
        assert_eq!(successor(b"a\xff\xff"), Some(b"b".to_vec()));
        assert_eq!(successor(b"\xff\xff"), None);
        assert_eq!(successor(b""), None);
    }

    #[test]
    fn intervals_are_intersected() {
        let interval = |from: &str, to: &str, prefix: &str| {
            let some = |text: &str| (!text.is_empty()).then(|| text.as_bytes().to_vec());
            let found = Interval::intersection(some(from), some(to), some(prefix));
            let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
            (text(found.from), found.to.map_or("none".into(), text))
        };
        assert_eq!(interval("", "", ""), ("".into(), "none".into()));
        assert_eq!(interval("b", "d", ""), ("b".into(), "d".into()));
        assert_eq!(interval("", "", "c"), ("c".into(), "d".into()));
        assert_eq!(interval("b", "x", "c"), ("c".into(), "d".into()));
        assert_eq!(interval("ca", "cx", "c"), ("ca".into(), "cx".into()));
        assert_eq!(interval("e", "", "c"), ("e".into(), "d".into()));
    }
}
