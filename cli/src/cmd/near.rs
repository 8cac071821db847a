//! `graven floor`, `ceil`, `longest-prefix` and `prefixes`: the entries beside a key, or above it.

use crate::args::{Near, Separator};
use crate::exit::{Failure, Outcome, note, reading};
use crate::output::Output;
use crate::source::{Source, failed, sound};
use crate::terminal;
use graven::{PackedSet, PackedTable, ReadError, Table, TableSet, Value, ValueBuffer};
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
            Source::Set(set) => self.of_set(set, path, key, each),
            Source::PackedSet(set) => self.of_packed_set(set, key, each),
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

    /// Prefixes of a key may be in any shard: each one is looked up, and those that no shard can
    /// have cost nothing.
    fn of_set(
        self,
        set: &TableSet,
        path: &Path,
        key: &[u8],
        each: Each<'_>,
    ) -> Result<(), Failure> {
        let mut show = |key: &[u8], value: &Value| {
            each((key, value))?;
            sound(value, path)
        };
        let mut prefixes = (0..=key.len()).rev().map(|len| &key[..len]);
        match self {
            Self::Floor | Self::Ceil => {
                let found = if let Self::Floor = self { set.floor(key) } else { set.ceil(key) };
                found.map_err(failed)?.map_or(Ok(()), |(key, value)| show(&key, &value))
            }
            Self::LongestPrefix => {
                let found = prefixes.find_map(|prefix| match set.get(prefix) {
                    Ok(value) => value.map(|value| Ok((prefix, value))),
                    Err(error) => Some(Err(failed(error))),
                });
                found.transpose()?.map_or(Ok(()), |(key, value)| show(key, &value))
            }
            Self::Prefixes => prefixes.try_for_each(|prefix| {
                let values = set.get_all(prefix).map_err(failed)?;
                values.iter().try_for_each(|value| show(prefix, value))
            }),
        }
    }

    /// As [`of_set`](Self::of_set), for packed shards.
    fn of_packed_set(self, set: &PackedSet, key: &[u8], each: Each<'_>) -> Result<(), Failure> {
        let buffer = &mut ValueBuffer::new();
        let mut prefixes = (0..=key.len()).rev().map(|len| &key[..len]);
        let one = match self {
            Self::Floor => set.floor(key, buffer),
            Self::Ceil => set.ceil(key, buffer),
            Self::LongestPrefix => {
                for prefix in prefixes {
                    if let Some(value) = set.get(prefix, buffer).map_err(failed)? {
                        return each((prefix, value));
                    }
                }
                return Ok(());
            }
            Self::Prefixes => {
                return prefixes.try_for_each(|prefix| {
                    let values = set.get_all(prefix).map_err(failed)?;
                    values.iter().try_for_each(|value| each((prefix, value)))
                });
            }
        };
        one.map_err(failed)?.map_or(Ok(()), each)
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
