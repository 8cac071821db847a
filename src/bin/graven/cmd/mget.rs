//! `graven mget`: the entries of keys that come line by line.
//!
//! Keys are looked up in batches, which hides the latency of memory. A batch ends where the
//! input that has arrived ends, and its answers are written before more is waited for: whoever
//! writes a line into a pipe and waits for the answer gets it.

use crate::args::Mget;
use crate::exit::{Failure, Outcome, reading};
use crate::input::{Input, InputError, Lines};
use crate::output::Output;
use crate::progress::{Progress, Unit};
use crate::{open, tsv};
use graven::{ErrorKind, ReadError, Table};
use std::fs::File;

/// Most keys in a batch: enough to hide latency, few enough that their lines stay in the cache.
const BATCH: usize = 1024;

pub(crate) fn run(args: &Mget) -> Result<Outcome, Failure> {
    let table = open::table(&args.table, args.reading.access())?;
    let reading = reading(&args.table);
    let input = Input::standard()?;
    let mut out = Output::new()?;
    let progress = Progress::new("looking up", Unit::Bytes, input.len(), !out.is_file());
    let mut lines = Lines::new(input.file);
    let mut batch = Batch::default();
    let mut found = Vec::new();
    let mut outcome = Outcome::Fine;
    loop {
        let filled = batch.fill(&mut lines);
        if answer(&table, &batch.keys(), &mut found, &mut out, reading)? == Outcome::Missing {
            outcome = Outcome::Missing;
        }
        progress.set(lines.taken());
        match filled {
            Ok(Filled::Full) => {}
            Ok(Filled::Waiting) => out.flush()?,
            Ok(Filled::End) => break,
            Err(error) => {
                out.flush()?;
                return Err(match error {
                    InputError::Read(error) => Failure::io(input.name, &error),
                    InputError::Malformed(what) => Failure::at(
                        ErrorKind::Data,
                        input.name,
                        format_args!("{what}, line {}", lines.number()),
                    ),
                });
            }
        }
    }
    out.flush()?;
    open::intact(&table, &args.table)?;
    Ok(outcome)
}

/// Looks the keys up and prints those that are there.
fn answer<'t>(
    table: &'t Table,
    keys: &[&[u8]],
    found: &mut Vec<Option<&'t [u8]>>,
    out: &mut Output,
    reading: impl Fn(ReadError) -> Failure,
) -> Result<Outcome, Failure> {
    table.get_many(keys, found).map_err(reading)?;
    let mut outcome = Outcome::Fine;
    for (key, value) in keys.iter().zip(found) {
        match value {
            Some(value) => out.with(|out| tsv::write_entry(out, key, value))?,
            None => outcome = Outcome::Missing,
        }
    }
    Ok(outcome)
}

/// Where a batch stopped.
enum Filled {
    /// At its size.
    Full,
    /// At the end of what has arrived.
    Waiting,
    /// At the end of the input.
    End,
}

/// Keys one after the other, without an allocation for each.
#[derive(Default)]
struct Batch {
    bytes: Vec<u8>,
    ends: Vec<usize>,
    scratch: Vec<u8>,
}

impl Batch {
    /// Starts anew and takes lines as long as they need not be waited for, but one at least.
    fn fill(&mut self, lines: &mut Lines<File>) -> Result<Filled, InputError> {
        self.bytes.clear();
        self.ends.clear();
        match lines.next()? {
            Some(line) => self.push(line)?,
            None => return Ok(Filled::End),
        }
        while self.ends.len() < BATCH {
            match lines.buffered() {
                Some(line) => self.push(line)?,
                None => return Ok(Filled::Waiting),
            }
        }
        Ok(Filled::Full)
    }

    fn push(&mut self, line: &[u8]) -> Result<(), InputError> {
        if memchr::memchr(b'\t', line).is_some() {
            let what = "a raw TAB in a key, which is written \\t".to_owned();
            return Err(InputError::Malformed(what));
        }
        self.bytes.extend_from_slice(tsv::unescape(line, &mut self.scratch)?);
        self.ends.push(self.bytes.len());
        Ok(())
    }

    fn keys(&self) -> Vec<&[u8]> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts.zip(&self.ends).map(|(start, &end)| &self.bytes[start..end]).collect()
    }
}
