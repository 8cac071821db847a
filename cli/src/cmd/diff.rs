//! `graven diff`: what differs between two tables, as lines or as a patch.

use super::merge::{failure, no_table_to_standard_output};
use crate::args::Diff;
use crate::exit::{Failure, Outcome, counted, say};
use crate::output::Output;
use crate::progress::{Progress, Unit};
use crate::{open, signals};
use data_encoding::BASE64;
use graven::{BuildOptions, Difference, OpenOptions, Patch, Table};
use serde_json::{Map, Value};
use std::path::Path;
use std::str::from_utf8;

/// Differences between two updates of the progress bar.
const STEP: u64 = 1024;

pub(crate) fn run(args: &Diff) -> Result<Outcome, Failure> {
    let options = OpenOptions::new().access(args.reading.access());
    let (old, new) = (open::with(&options, &args.old)?, open::with(&options, &args.new)?);
    let outcome = match &args.patch {
        Some(path) => patch(args, &old, &new, path)?,
        None => print(args, &old, &new)?,
    };
    open::intact(&old, &args.old)?;
    open::intact(&new, &args.new)?;
    Ok(outcome)
}

fn patch(args: &Diff, old: &Table, new: &Table, path: &Path) -> Result<Outcome, Failure> {
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

fn print(args: &Diff, old: &Table, new: &Table) -> Result<Outcome, Failure> {
    let tables = [args.old.clone(), args.new.clone()];
    let mut out = Output::new()?;
    let quiet = args.writing.quiet || !out.is_file();
    let progress = Progress::new("comparing", Unit::Entries, None, quiet);
    let mut outcome = Outcome::Fine;
    for (difference, number) in graven::Diff::new(old, new).zip(0u64..) {
        let difference = difference.map_err(|error| failure(&error, &args.old, &tables))?;
        outcome = Outcome::Different;
        if args.brief {
            break;
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
