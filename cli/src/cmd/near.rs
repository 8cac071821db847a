//! `graven floor`, `ceil`, `longest-prefix` and `prefixes`: the entries beside a key, or above it.

use crate::args::{Near, Separator};
use crate::exit::{Failure, Outcome, note, reading};
use crate::output::Output;
use crate::{open, terminal};
use graven::{ReadError, Table};

type Entry<'t> = (&'t [u8], &'t [u8]);

/// Which entries are looked for.
#[derive(Clone, Copy)]
pub(crate) enum Which {
    Floor,
    Ceil,
    LongestPrefix,
    /// All prefixes, longest first.
    Prefixes,
}

pub(crate) fn run(args: &Near, which: Which) -> Result<Outcome, Failure> {
    let asked = args.asked.iter().map(|key| args.form.read("KEY", key));
    let asked = asked.collect::<Result<Vec<_>, Failure>>()?;
    let table = open::table(&args.table, args.reading.access())?;
    let reading = reading(&args.table);
    let mut out = Output::new()?;
    let alone = args.keys || args.values;
    let separator = out.separator(args.bare, alone, "--values or --keys")?;
    let mut missing = Vec::new();
    for key in &asked {
        let mut found = false;
        for entry in which.entries(&table, key) {
            print(args, separator, entry.map_err(reading)?, &mut out)?;
            found = true;
        }
        if !found {
            missing.push(key);
        }
    }
    out.flush()?;
    open::intact(&table, &args.table)?;
    if missing.is_empty() {
        return Ok(Outcome::Fine);
    }
    if !args.quiet {
        for key in missing {
            let (table, key) = (args.table.display(), terminal::shown(key));
            note(format_args!("{table}: {} \"{key}\"", which.lacking()));
        }
    }
    Ok(Outcome::Missing)
}

fn print(
    args: &Near,
    separator: Option<Separator>,
    (key, value): Entry<'_>,
    out: &mut Output,
) -> Result<(), Failure> {
    match (args.keys, args.values, separator) {
        (true, _, Some(separator)) => out.bare(key, separator),
        (true, _, None) => out.key(key),
        (_, true, Some(separator)) => out.bare(value, separator),
        (_, true, None) => out.value(value),
        _ => out.entry(key, value),
    }
}

impl Which {
    /// The entries for `key`, the longest first.
    fn entries<'t>(
        self,
        table: &'t Table,
        key: &'t [u8],
    ) -> Box<dyn Iterator<Item = Result<Entry<'t>, ReadError>> + 't> {
        let one = match self {
            Self::Floor => table.floor(key),
            Self::Ceil => table.ceil(key),
            Self::LongestPrefix => table.longest_prefix(key),
            Self::Prefixes => return Box::new(table.prefixes_of(key)),
        };
        Box::new(one.transpose().into_iter())
    }

    /// What to say where there is no entry.
    fn lacking(self) -> &'static str {
        match self {
            Self::Floor => "no key at or below",
            Self::Ceil => "no key at or above",
            Self::LongestPrefix | Self::Prefixes => "no key is a prefix of",
        }
    }
}
