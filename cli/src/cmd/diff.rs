//! `graven diff`: what differs between two tables, as lines or as a patch.

mod compare;

use super::merge::{failure, no_table_to_standard_output};
use crate::args::Diff;
use crate::exit::{Failure, Outcome, counted, say};
use crate::output::Output;
use crate::progress::{Progress, Unit};
use crate::source::{self, Source};
use crate::{open, signals};
use data_encoding::BASE64;
use graven::{BuildOptions, Difference, MergeError, PackedTable, Patch};
use serde_json::{Map, Value};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::str::from_utf8;

/// A table, or all shards of a set, with their paths.
type Side = Vec<(PackedTable, PathBuf)>;

/// Differences between two updates of the progress bar.
const STEP: u64 = 1024;

pub(crate) fn run(args: &Diff) -> Result<Outcome, Failure> {
    let open = |path: &Path| Source::open(path, args.reading.access())?.tables(path);
    if let Some(path) = &args.patch {
        if let Some(set) = [&args.old, &args.new].into_iter().find(|path| open::is_set(path)) {
            let instead = "a patch is made of tables; graven merge OUT SET makes a table of it";
            return Err(source::no_set(set, instead));
        }
        let (old, new) = (open(&args.old)?, open(&args.new)?);
        let outcome = patch(args, &old[0].0, &new[0].0, path)?;
        return intact(&[old, new]).map(|()| outcome);
    }
    let sides = [open(&args.old)?, open(&args.new)?];
    let outcome = print(args, &sides)?;
    intact(&sides)?;
    Ok(outcome)
}

fn intact(sides: &[Side; 2]) -> Result<(), Failure> {
    sides.iter().flatten().try_for_each(|(table, path)| open::intact(table.stored(), path))
}

fn patch(
    args: &Diff,
    old: &PackedTable,
    new: &PackedTable,
    path: &Path,
) -> Result<Outcome, Failure> {
    no_table_to_standard_output(path)?;
    signals::clean_up_and_exit()?;
    let _progress = Progress::new("comparing", Unit::Entries, None, args.writing.quiet);
    let options = args.writing.set(BuildOptions::new());
    let tables = [args.old.clone(), args.new.clone()];
    let made = Patch::create(old, new, path, &options);
    let made = made.map_err(|error| failure(&error, path, &tables))?;
    if !args.writing.quiet {
        let (keys, bytes) = (counted(made.keys, "key", "keys"), made.file_bytes);
        say(format_args!("{}: a patch of {keys}, {bytes} bytes", path.display()));
    }
    Ok(Outcome::Fine)
}

fn print(args: &Diff, sides: &[Side; 2]) -> Result<Outcome, Failure> {
    let mut out = Output::new()?;
    let quiet = args.writing.quiet || !out.is_file();
    let progress = Progress::new("comparing", Unit::Entries, None, quiet);
    let (mut outcome, mut number) = (Outcome::Fine, 0);
    let mut show = |difference: Difference<'_>| -> Result<ControlFlow<()>, Failure> {
        outcome = Outcome::Different;
        if args.brief {
            return Ok(ControlFlow::Break(()));
        }
        if args.json {
            out.text(&json(&difference))?;
        } else {
            match difference {
                Difference::Added { key, value } => out.fields(&[b"+", key, value])?,
                Difference::Removed { key, value } => out.fields(&[b"-", key, value])?,
                Difference::Changed { key, old, new } => out.fields(&[b"~", key, old, new])?,
            }
        }
        if number % STEP == 0 {
            progress.set(number);
        }
        number += 1;
        Ok(ControlFlow::Continue(()))
    };
    let paths: Vec<PathBuf> = sides.iter().flatten().map(|(_, path)| path.clone()).collect();
    let failed = |error: MergeError| failure(&error, &args.old, &paths);
    if open::is_set(&args.old) || open::is_set(&args.new) {
        let [old, new] = sides.each_ref().map(|side| side.iter().map(|(table, _)| table));
        compare::differences(old, new, failed, &mut show)?;
    } else {
        let mut diff = graven::Diff::new(&sides[0][0].0, &sides[1][0].0);
        while let Some(difference) = diff.next_lent() {
            if show(difference.map_err(failed)?)?.is_break() {
                break;
            }
        }
    }
    out.flush()?;
    Ok(outcome)
}

/// A difference as a line of JSON.
fn json(difference: &Difference<'_>) -> String {
    let mut object = Map::new();
    let mut put = |name: &str, bytes: &[u8]| {
        match from_utf8(bytes) {
            Ok(text) => object.insert(name.to_owned(), Value::from(text)),
            Err(_) => object.insert(format!("{name}_b64"), Value::from(BASE64.encode(bytes))),
        };
    };
    match difference {
        Difference::Added { key, value } => {
            put("op", b"+");
            put("k", key);
            put("v", value);
        }
        Difference::Removed { key, value } => {
            put("op", b"-");
            put("k", key);
            put("v", value);
        }
        Difference::Changed { key, old, new } => {
            put("op", b"~");
            put("k", key);
            put("old", old);
            put("new", new);
        }
    }
    format!("{}\n", Value::Object(object))
}
