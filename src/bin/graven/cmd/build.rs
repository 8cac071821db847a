//! `graven build`: entries from files or standard input into a published table.

mod entries;
mod repeated;

use crate::args::Build;
use crate::exit::{Failure, Outcome};
use crate::input::{Input, InputError};
use crate::progress::{Progress, Unit};
use crate::signals;
use entries::Entries;
use graven::{BuildError, BuildOptions, Builder, ErrorKind, HashIndexOutcome, Summary};
use std::fmt::Display;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Entries between two looks at the progress bar.
const STEP: u64 = 1024;

pub(crate) fn run(args: &Build) -> Result<Outcome, Failure> {
    if args.out.as_os_str() == "-" {
        let what = "a table cannot be written to standard output: name a file";
        return Err(Failure::at(ErrorKind::Usage, "-", what));
    }
    signals::clean_up_and_exit()?;
    let standard = [PathBuf::from("-")];
    let paths = if args.inputs.is_empty() { &standard } else { &args.inputs[..] };
    // A missing input is reported before an hour is spent on those in front of it.
    let sizes = paths.iter().map(|path| Input::size(path));
    let total = sizes.sum::<Result<Option<u64>, Failure>>()?;
    let mut builder = start(args).map_err(|error| Failure::build(&args.out, &error))?;

    let progress = Progress::new("reading", Unit::Bytes, total, args.quiet);
    let mut before = 0;
    for path in paths {
        before += load(&mut builder, args, Input::open(path)?, &progress, before)?;
    }
    drop(progress);

    let progress = Progress::new("writing", Unit::Entries, None, args.quiet);
    let summary = builder.finish().map_err(|error| unpublished(args, paths, &error))?;
    drop(progress);
    if !args.quiet {
        // The table stands: whoever closed standard error misses nothing else.
        let _ = writeln!(io::stderr(), "{}", report(&args.out, &summary));
    }
    Ok(Outcome::Fine)
}

fn start(args: &Build) -> Result<Builder, BuildError> {
    let mut options = BuildOptions::new()
        .sorted(args.sorted)
        .duplicates(args.dup.into())
        .memory_budget(args.memory)
        .hash_index(args.hash_index.into())
        .value_align(args.value_align)
        .permissions(args.mode)
        .durable(!args.no_sync)
        .replace(!args.no_replace)
        .verify_after_write(args.verify);
    if let Some(threads) = args.threads {
        options = options.threads(threads);
    }
    if let Some(dir) = &args.tmp_dir {
        options = options.temp_dir(dir);
    }
    for pair in &args.meta {
        options = options.metadata(&pair.key[..], &pair.value[..]);
    }
    options.create(&args.out)
}

/// Inserts all entries of one input and gives its length in bytes.
fn load(
    builder: &mut Builder,
    args: &Build,
    input: Input,
    progress: &Progress,
    before: u64,
) -> Result<u64, Failure> {
    let mut entries = Entries::new(args.format, input.file);
    let mut number = 0u64;
    loop {
        let inserted = match entries.next() {
            Ok(Some((key, value))) => builder.insert(key, value),
            Ok(None) => return Ok(entries.taken()),
            Err(InputError::Read(error)) => return Err(Failure::io(input.name, &error)),
            Err(InputError::Malformed(what)) => {
                return Err(misplaced(&input.name, what, entries.place()));
            }
        };
        if let Err(error) = inserted {
            return Err(match refused(&error) {
                Some(what) => misplaced(&input.name, what, entries.place()),
                None => Failure::build(&args.out, &error),
            });
        }
        number += 1;
        if number.is_multiple_of(STEP) {
            progress.set(before + entries.taken());
        }
    }
}

/// An input that is to blame, and where in it.
fn misplaced(name: &str, what: impl Display, place: impl Display) -> Failure {
    Failure::at(ErrorKind::Data, name, format_args!("{what}, {place}"))
}

/// What is wrong with an entry, if it is the entry that is wrong.
fn refused(error: &BuildError) -> Option<String> {
    Some(match error {
        BuildError::OutOfOrder { previous, key, .. } => {
            let (key, previous) = (shown(key), shown(previous));
            format!("key {key} is smaller than {previous} before it, and --sorted was given")
        }
        BuildError::DuplicateKey { key } => repetition(key),
        BuildError::KeyTooLong { len, .. } => format!("key of {len} bytes, 65535 are allowed"),
        BuildError::ValueTooLong { len, .. } => {
            format!("value of {len} bytes, 4294967295 are allowed")
        }
        _ => return None,
    })
}

fn repetition(key: &[u8]) -> String {
    format!("key {} is repeated, and --dup says what to do then", shown(key))
}

/// Why the end of a build published nothing. A key that sorting found twice is looked for in the
/// input again: its lines are what whoever reads the message needs.
fn unpublished(args: &Build, paths: &[PathBuf], error: &BuildError) -> Failure {
    let BuildError::DuplicateKey { key } = error else { return Failure::build(&args.out, error) };
    let what = repetition(key);
    match (&repeated::places(args.format, paths, key)[..], paths) {
        ([(first, at), (file, place)], _) if first == file => {
            misplaced(file, what, format_args!("{at} and {place}"))
        }
        ([(first, at), (file, place)], _) => {
            misplaced(file, what, format_args!("{place}, after {first}, {at}"))
        }
        (_, [path]) => {
            let why = "where cannot be told: it is read only once; from a file it could";
            Failure::at(ErrorKind::Data, Input::name(path), format_args!("{what} ({why})"))
        }
        _ => Failure::at(ErrorKind::Data, args.out.display(), what),
    }
}

/// A key in a message: escaped, and cut where it is long.
fn shown(key: &[u8]) -> String {
    const MOST: usize = 64;
    match key.get(..MOST) {
        Some(start) => format!("\"{}\"... ({} bytes)", start.escape_ascii(), key.len()),
        None => format!("\"{}\"", key.escape_ascii()),
    }
}

/// What was built.
fn report(out: &Path, summary: &Summary) -> String {
    let Summary { entries, keys, file_bytes, key_bytes, value_bytes, .. } = *summary;
    let hash = match summary.hash_index {
        HashIndexOutcome::Built => "with a hash index".into(),
        HashIndexOutcome::Abandoned { attempts } => {
            format!("hash index given up after {attempts} attempts")
        }
        _ => "without a hash index".to_owned(),
    };
    let overhead = (file_bytes - key_bytes - value_bytes) as f64 / entries.max(1) as f64;
    format!(
        "{}: {entries} entries, {keys} keys, {file_bytes} bytes, {overhead:.2} bytes of overhead \
         per entry, {hash}",
        out.display()
    )
}
