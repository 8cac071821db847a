//! `graven floor`, `ceil`, `longest-prefix` and `prefixes`: the entries beside a key, or above it.

use crate::args::{Near, Separator};
use crate::exit::{Failure, Outcome, note, reading};
use crate::output::Output;
use crate::source::{Source, failed, sound};
use crate::terminal;
use graven::{PackedTable, ReadError, SetError, Table, Value, ValueBuffer};
use std::path::Path;

type Entry<'t> = (&'t [u8], &'t [u8]);
/// What takes entries.
type Each<'e> = &'e mut dyn FnMut(Entry<'_>) -> Result<(), Failure>;

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
    let source = Source::open(&args.table, args.reading.access())?;
    let mut out = Output::new()?;
    let alone = args.keys || args.values;
    let separator = out.separator(args.bare, alone, "--values or --keys")?;
    let mut missing = Vec::new();
    for key in &asked {
        let mut found = false;
        which.entries(&source, &args.table, key, &mut |entry| {
            found = true;
            print(args, separator, entry, &mut out)
        })?;
        if !found {
            missing.push(key);
        }
    }
    out.flush()?;
    source.intact(&args.table)?;
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
    /// Hands the entries for `key` to `each`, the longest first.
    fn entries(
        self,
        source: &Source,
        path: &Path,
        key: &[u8],
        each: Each<'_>,
    ) -> Result<(), Failure> {
        match source {
            Source::Table(table) => {
                self.of_table(table, key).try_for_each(|entry| each(entry.map_err(reading(path))?))
            }
            Source::Packed(table) => self.of_packed(table, path, key, each),
            Source::Set(set) => match self {
                Self::Floor => one_of_set(set.floor(key), path, each),
                Self::Ceil => one_of_set(set.ceil(key), path, each),
                Self::LongestPrefix | Self::Prefixes => self.above(source, path, key, each),
            },
            Source::PackedSet(set) => {
                let buffer = &mut ValueBuffer::new();
                let one = match self {
                    Self::Floor => set.floor(key, buffer),
                    Self::Ceil => set.ceil(key, buffer),
                    Self::LongestPrefix | Self::Prefixes => {
                        return self.above(source, path, key, each);
                    }
                };
                one.map_err(failed)?.map_or(Ok(()), each)
            }
        }
    }

    fn of_table<'t>(
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

    fn of_packed(
        self,
        table: &PackedTable,
        path: &Path,
        key: &[u8],
        each: Each<'_>,
    ) -> Result<(), Failure> {
        let buffer = &mut ValueBuffer::new();
        let one = match self {
            Self::Floor => table.floor(key, buffer),
            Self::Ceil => table.ceil(key, buffer),
            Self::LongestPrefix => table.longest_prefix(key, buffer),
            Self::Prefixes => {
                return table.prefixes_of(key).try_for_each(|entry| {
                    let (key, value) = entry.map_err(reading(path))?;
                    each((&key, &value))
                });
            }
        };
        one.map_err(reading(path))?.map_or(Ok(()), each)
    }

    /// Hands the entries of a set whose keys `key` starts with to `each`. Prefixes of a key may be in
    /// any shard: each one is looked up, and those that no shard can have cost nothing.
    fn above(self, set: &Source, path: &Path, key: &[u8], each: Each<'_>) -> Result<(), Failure> {
        let all = matches!(self, Self::Prefixes);
        let mut found = false;
        for prefix in (0..=key.len()).rev().map(|len| &key[..len]) {
            set.values(path, prefix, all, |value| {
                found = true;
                each((prefix, value))
            })?;
            if found && !all {
                break;
            }
        }
        Ok(())
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

/// Hands an entry of a set of plain shards to `each`.
fn one_of_set(
    found: Result<Option<(Value, Value)>, SetError>,
    path: &Path,
    each: Each<'_>,
) -> Result<(), Failure> {
    let Some((key, value)) = found.map_err(failed)? else { return Ok(()) };
    each((&key, &value))?;
    sound(&value, path)
}
