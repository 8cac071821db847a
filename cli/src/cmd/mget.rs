//! `graven mget`: the entries of keys that come line by line.
//!
//! Keys are looked up in batches, which hides the latency of memory. A batch ends where the input
//! that has arrived ends, and its answers are written before the run waits for more input. So a
//! program that writes lines into a pipe and waits for the answers gets them, whether its lines end
//! inside a batch or with one. Input that keeps coming is answered in large pieces.

use crate::args::{Mget, Separator};
use crate::exit::{Failure, Outcome, note, reading};
use crate::formats::tsv::{self, Text};
use crate::input::{Input, InputError, LONG};
use crate::lines::{Line, Lines};
use crate::output::Output;
use crate::progress::{Progress, Unit};
use crate::source::{Source, failed, sound};
use crate::terminal;
use graven::{ErrorKind, ValueBuffer};
use std::fs::File;
use std::os::unix::ffi::OsStrExt;

/// Maximum number of keys in a batch: enough to hide latency, few enough that their lines stay in
/// the cache.
const BATCH: usize = 1024;
/// A batch also ends at this many bytes of keys: more bytes would cost memory and bring no speed.
const BATCH_BYTES: usize = LONG;

pub(crate) fn run(args: &Mget) -> Result<Outcome, Failure> {
    let source = Source::open(&args.table, args.reading.access())?;
    let reading = reading(&args.table);
    let input = Input::standard()?;
    let mut out = Output::new()?;
    out.set_form(tsv::Form::new(args.text.no_escape));
    let separator = out.separator(args.bare, args.values, "--values")?;
    let typed = terminal::reads_what_is_typed("keys, one per line,", args.quiet);
    let progress = Progress::new("looking up", Unit::Bytes, input.len(), typed || !out.is_file());
    let mut lines = Lines::new(input.file);
    let mut batch = Batch::default();
    let (mut found, mut values, mut buffer) = (Vec::new(), Vec::new(), ValueBuffer::new());
    let mut outcome = Outcome::Fine;
    loop {
        let filled = batch.fill(&mut lines, args.text);
        let keys = batch.keys();
        let answered = match &source {
            Source::Table(table) => {
                table.get_many_into(&keys, &mut found).map_err(reading)?;
                answer(args, separator, &keys, &found, &mut out)?
            }
            Source::Packed(table) => {
                values.clear();
                let each = |value: Option<&[u8]>| values.push(value.map(<[u8]>::to_vec));
                table.get_many_with(&keys, &mut buffer, each).map_err(reading)?;
                let lent: Vec<_> = values.iter().map(Option::as_deref).collect();
                answer(args, separator, &keys, &lent, &mut out)?
            }
            Source::PackedSet(set) => {
                values.clear();
                let each = |value: Option<&[u8]>| values.push(value.map(<[u8]>::to_vec));
                set.get_many_with(&keys, &mut buffer, each).map_err(failed)?;
                let lent: Vec<_> = values.iter().map(Option::as_deref).collect();
                answer(args, separator, &keys, &lent, &mut out)?
            }
            Source::Set(set) => {
                let values = set.get_many(&keys).map_err(failed)?;
                let lent: Vec<_> = values.iter().map(Option::as_deref).collect();
                let answered = answer(args, separator, &keys, &lent, &mut out)?;
                values.iter().flatten().try_for_each(|value| sound(value, &args.table))?;
                answered
            }
        };
        if answered == Outcome::Missing {
            outcome = Outcome::Missing;
        }
        progress.set(lines.taken());
        match filled {
            Ok(Filled::Full) if lines.is_buffered() => {}
            Ok(Filled::Full | Filled::Waiting) => out.flush()?,
            Ok(Filled::End) => break,
            Err(error) => {
                out.flush()?;
                return Err(match error {
                    InputError::Read(error) => Failure::io(input.name, &error),
                    InputError::Foreign(foreign) => {
                        let what = format_args!("{foreign}: {}", foreign.way_out());
                        Failure::at(ErrorKind::Data, input.name, what)
                    }
                    error => Failure::at(
                        ErrorKind::Data,
                        input.name,
                        format_args!("{error}, line {}", lines.number()),
                    ),
                });
            }
        }
    }
    out.flush()?;
    source.intact(&args.table)?;
    Ok(outcome)
}

/// Prints the entries, or the values, of the keys that were found.
fn answer(
    args: &Mget,
    separator: Option<Separator>,
    keys: &[&[u8]],
    found: &[Option<&[u8]>],
    out: &mut Output,
) -> Result<Outcome, Failure> {
    let mut outcome = Outcome::Fine;
    for (key, value) in keys.iter().zip(found) {
        match (value, separator) {
            (Some(value), Some(separator)) => out.bare(value, separator)?,
            (Some(value), None) if args.values => out.value(value)?,
            (Some(value), None) => out.entry(key, value)?,
            (None, _) => {
                outcome = Outcome::Missing;
                if let Some(mark) = &args.missing {
                    out.marked((!args.values).then_some(*key), mark.as_bytes())?;
                } else if args.values && !args.quiet {
                    let (table, key) = (args.table.display(), terminal::shown(key));
                    note(format_args!("{table}: no key \"{key}\""));
                }
            }
        }
    }
    Ok(outcome)
}

/// The error for a line that is too long for a key. Reading stops at such a line, so that a file of
/// another kind takes no memory.
fn too_long(text: Text) -> InputError {
    let most = text.longest_key();
    InputError::Malformed(format!("more than {most} bytes in a line, and no key is longer"))
}

/// Where a batch stopped.
enum Filled {
    /// At the maximum size of a batch.
    Full,
    /// At the end of what has arrived.
    Waiting,
    /// At the end of the input.
    End,
}

/// Keys, stored one after the other without an allocation for each.
#[derive(Default)]
struct Batch {
    bytes: Vec<u8>,
    ends: Vec<usize>,
    scratch: Vec<u8>,
}

impl Batch {
    /// Empties the batch and fills it with lines that are in memory. It waits for the first line
    /// only.
    fn fill(&mut self, lines: &mut Lines<File>, text: Text) -> Result<Filled, InputError> {
        self.bytes.clear();
        self.ends.clear();
        let first = lines.number() == 0;
        match lines.next()? {
            Some(Line::Whole(line)) => {
                if first {
                    let line = line.len();
                    text.check_start(lines.in_memory())?;
                    if text.is_mark(lines.in_memory()) {
                        return Ok(Filled::End);
                    }
                    self.push(&lines.in_memory()[..line], true, text)?;
                } else {
                    self.push(line, false, text)?;
                }
            }
            Some(Line::Start(_)) => return Err(too_long(text)),
            None => return Ok(Filled::End),
        }
        while self.ends.len() < BATCH && self.bytes.len() < BATCH_BYTES {
            match lines.buffered() {
                Some(line) => self.push(line, false, text)?,
                None => return Ok(Filled::Waiting),
            }
        }
        Ok(Filled::Full)
    }

    fn push(&mut self, line: &[u8], first: bool, text: Text) -> Result<(), InputError> {
        let line = text.line(line, first)?;
        if line.len() > text.longest_key() {
            return Err(too_long(text));
        }
        if memchr::memchr(b'\t', line).is_some() {
            let what = match text.no_escape {
                true => "a TAB in a key, which an entry without escapes cannot have",
                false => "a raw TAB in a key, which is written \\t",
            };
            return Err(InputError::Malformed(what.into()));
        }
        self.bytes.extend_from_slice(text.field(line, &mut self.scratch)?);
        self.ends.push(self.bytes.len());
        Ok(())
    }

    fn keys(&self) -> Vec<&[u8]> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts.zip(&self.ends).map(|(start, &end)| &self.bytes[start..end]).collect()
    }
}
