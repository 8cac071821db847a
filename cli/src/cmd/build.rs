//! `graven build`: entries from files or standard input into a published table.

mod destination;
mod repeated;
mod skipped;

use crate::args::Build;
use crate::exit::{Failure, Outcome, note};
use crate::foreign::Foreign;
use crate::formats::Entries;
use crate::formats::tsv::shown;
use crate::input::{Entry, Input, InputError, MAX_KEY, Taken};
use crate::progress::{Progress, Unit};
use crate::{signals, terminal};
use destination::Destination;
use graven::{BuildError, BuildPhase, ErrorKind, PublishError};
use skipped::Skipped;
use std::fmt::Display;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Entries between two updates of the progress bar.
const STEP: u64 = 1024;
/// The first bytes of a table.
const TABLE: &[u8] = b"\x89GRV";

pub(crate) fn run(args: &Build) -> Result<Outcome, Failure> {
    destination::check(args)?;
    args.format.check()?;
    signals::clean_up_and_exit()?;
    let standard = [PathBuf::from("-")];
    let paths = if args.inputs.is_empty() { &standard } else { &args.inputs[..] };
    // All inputs are looked up first: a missing input is reported before an hour is spent on the
    // inputs before it.
    let size = |path| Input::size(path).map_err(|error| swapped(&args.out, path).unwrap_or(error));
    let sizes = paths.iter().map(|path| size(path));
    let total = sizes.sum::<Result<Option<u64>, Failure>>()?;
    let typed = paths.iter().any(|path| path.as_os_str() == "-")
        && terminal::reads_what_is_typed("entries, key TAB value,", args.quiet);
    let progress = Progress::new("reading", Unit::Bytes, total, args.quiet || typed);
    let all_read = Arc::new(AtomicBool::new(false));
    let (state, reported) = (Arc::clone(progress.state()), Arc::clone(&all_read));
    let tell = move |progress: graven::BuildProgress| {
        // Sorting while the input is still being read is shown as reading.
        if reported.load(Ordering::Relaxed) {
            let (what, unit) = stage(progress.phase);
            state.stage(what, unit, progress.done, Some(progress.total));
        }
    };
    // The builder takes metadata before all entries, so that of the first input is read here.
    let mut first = match args.format.format.has_metadata() {
        true => Some(Opened::new(args, paths, &paths[0])?),
        false => None,
    };
    let metadata = first.as_ref().map_or(Vec::new(), |first| first.metadata.clone());
    let mut destination = Destination::begin(args, total, tell, &metadata)?;
    let mut notes = Vec::new();
    let mut before = 0;
    for path in paths {
        let mut opened = match first.take() {
            Some(first) => first,
            None => Opened::new(args, paths, path)?,
        };
        if opened.metadata != metadata {
            let what = "has other flags (integerkey, dupsort ...) than the inputs before it";
            return Err(Failure::at(ErrorKind::Data, opened.name, what));
        }
        before += load(&mut destination, args, paths, &mut opened, &progress, before)?;
        let Opened { name, entries, skipped, .. } = opened;
        notes.extend(skipped.map(|skipped| format!("{name}: {skipped}")));
        notes.extend(entries.warning().map(|warning| format!("{name}: warning: {warning}")));
    }
    all_read.store(true, Ordering::Relaxed);
    progress.state().stage("writing", Unit::Entries, 0, None);
    let built = destination.finish().map_err(|error| unpublished(args, paths, &error))?;
    drop(progress);
    notes.iter().for_each(note);
    built.report(args)
}

/// The failure for swapped arguments: `input` does not exist, and `out` is a file with something
/// else than a table. So the user meant the input as OUT.
fn swapped(out: &Path, input: &Path) -> Option<Failure> {
    let mut start = Vec::new();
    let file = out.is_file().then(|| File::open(out).ok()).flatten()?;
    let _ = file.take(TABLE.len() as u64).read_to_end(&mut start);
    if input.as_os_str() == "-" || input.exists() || start.is_empty() || start == TABLE {
        return None;
    }
    let (out, input) = (out.display(), input.display());
    let what = format_args!(
        "no such file, and OUT, {out}, is a file but no table: OUT is the first argument, as in \
         graven build {input} {out}"
    );
    Some(Failure::at(ErrorKind::Io, &input, what))
}

/// What the bar says of a phase, and what its numbers count.
pub(super) fn stage(phase: BuildPhase) -> (&'static str, Unit) {
    match phase {
        BuildPhase::Sort => ("sorting", Unit::Entries),
        BuildPhase::Merge => ("merging", Unit::Entries),
        BuildPhase::Compress => ("compressing", Unit::Entries),
        BuildPhase::Index => ("indexing", Unit::Entries),
        BuildPhase::Sync => ("syncing", Unit::AtOnce),
        _ => ("writing", Unit::Entries),
    }
}

/// An input whose entries are about to be read.
struct Opened<'a> {
    path: &'a Path,
    name: String,
    entries: Entries,
    taken: Taken,
    /// The pairs that it adds to the table's metadata.
    metadata: Vec<(String, String)>,
    /// What is to be said about the malformed entries that were left out, once it was read.
    skipped: Option<String>,
}

impl<'a> Opened<'a> {
    fn new(args: &Build, paths: &[PathBuf], path: &'a Path) -> Result<Self, Failure> {
        let input = Input::open(path)?;
        let name = input.name.clone();
        let place = String::new;
        if args.format.format.takes_anything()
            && let Some(foreign) = Foreign::at_end(path)
        {
            return Err(unread(args, paths, path, place, InputError::Foreign(foreign)));
        }
        let (source, taken) = input
            .source()
            .map_err(|error| unread(args, paths, path, place, InputError::Read(error)))?;
        let entries = Entries::new(&args.format, source);
        let mut opened = Self { path, name, entries, taken, metadata: Vec::new(), skipped: None };
        let metadata = opened.entries.metadata();
        opened.metadata = metadata.map_err(|error| opened.failure(args, paths, error))?;
        Ok(opened)
    }

    /// The failure that the current entry could not be read.
    fn failure(&self, args: &Build, paths: &[PathBuf], error: InputError) -> Failure {
        unread(args, paths, self.path, || self.entries.place(), error)
    }
}

/// The failure that the input at `path` could not be read at `place`.
fn unread(
    args: &Build,
    paths: &[PathBuf],
    path: &Path,
    place: impl Fn() -> String,
    error: InputError,
) -> Failure {
    let name = Input::name(path);
    // A file may be known by its end, or a directory by its files.
    let error = Foreign::at_end(path).map_or(error, InputError::Foreign);
    match error {
        InputError::Read(error) => Failure::io(&name, &error),
        InputError::Malformed(what) | InputError::Broken(what) => misplaced(&name, what, place()),
        InputError::Foreign(foreign) => {
            let advice = foreign.advice(path, paths, &args.out);
            let advice = match args.dir {
                Some(_) => advice.replacen("graven build ", "graven build --dir ", 1),
                None => advice,
            };
            Failure::at(ErrorKind::Data, &name, advice)
        }
    }
}

/// Inserts all entries of one input and gives its length in bytes.
fn load(
    destination: &mut Destination,
    args: &Build,
    paths: &[PathBuf],
    opened: &mut Opened<'_>,
    progress: &Progress,
    before: u64,
) -> Result<u64, Failure> {
    let mut number = 0u64;
    let mut skipped = Skipped::default();
    loop {
        let Opened { entries, taken, .. } = &mut *opened;
        let inserted = match entries.next() {
            Ok(Some(Entry::Whole(key, _))) if args.skip_bad && key.len() > MAX_KEY => {
                skipped.add(too_long(key.len()), entries.place());
                continue;
            }
            Ok(Some(Entry::Whole(key, value))) => destination.insert(key, value),
            Ok(Some(Entry::Long(key, value))) => {
                let mut value = Watched { value, before, taken, progress };
                if args.skip_bad {
                    // The builder could not forget a value of which it has read a part.
                    match skipped::held(&mut value, args)? {
                        Ok(held) => destination.insert_from(key, held),
                        Err(InputError::Malformed(what)) => {
                            skipped.add(what, entries.place());
                            continue;
                        }
                        Err(error) => return Err(opened.failure(args, paths, error)),
                    }
                } else {
                    destination.insert_from(key, value)
                }
            }
            Ok(None) => break,
            Err(InputError::Malformed(what)) if args.skip_bad => {
                skipped.add(what, entries.place());
                continue;
            }
            Err(error) => return Err(opened.failure(args, paths, error)),
        };
        if let Err(error) = inserted {
            if let BuildError::ValueReader { source, .. } = error {
                return Err(opened.failure(args, paths, InputError::within(source)));
            }
            // Without --sorted, entries that come in order are checked a little later, so the
            // current entry need not be the repeated one.
            if matches!(error, BuildError::DuplicateKey { .. }) && !args.sorted {
                return Err(unpublished(args, paths, &error.into()));
            }
            return Err(match refused(&error) {
                Some(what) => misplaced(&opened.name, what, opened.entries.place()),
                None => Failure::build(&args.out, &error),
            });
        }
        number += 1;
        if number.is_multiple_of(STEP) {
            progress.set(before + taken.bytes());
        }
    }
    opened.skipped = skipped.report(&opened.name, number)?;
    Ok(opened.taken.bytes())
}

/// A long value that reports how far it has been read. Otherwise the bar would stand still while
/// the value is read.
struct Watched<'a> {
    value: &'a mut dyn Read,
    /// Bytes of the inputs before this one.
    before: u64,
    taken: &'a Taken,
    progress: &'a Progress,
}

impl Read for Watched<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.value.read(into)?;
        self.progress.set(self.before + self.taken.bytes());
        Ok(read)
    }
}

/// A failure because of what an input holds, with the place in the input.
fn misplaced(name: &str, what: impl Display, place: impl Display) -> Failure {
    Failure::at(ErrorKind::Data, name, format_args!("{what}, {place}"))
}

/// What is wrong with an entry, if it is the entry that is wrong.
fn refused(error: &BuildError) -> Option<String> {
    Some(match error {
        BuildError::OutOfOrder { previous, key, .. } => {
            let (key, previous) = (shown(key), shown(previous));
            format!(
                "key {key} is smaller than {previous} before it, and --sorted was given: sort the \
                 input bytewise (LC_ALL=C sort), or leave --sorted out"
            )
        }
        BuildError::DuplicateKey { key } => repetition(key),
        BuildError::KeyTooLong { len, .. } => too_long(*len),
        // The message has no length: reading stops before the end of the value.
        BuildError::ValueTooLong { .. } => VALUE_TOO_LONG.into(),
        _ => return None,
    })
}

fn too_long(key_len: usize) -> String {
    format!("key of {key_len} bytes, {MAX_KEY} are allowed")
}

const VALUE_TOO_LONG: &str = "value longer than the 4294967295 bytes that are allowed";

fn repetition(key: &[u8]) -> String {
    format!("key {} is repeated, and --dup says what to do then", shown(key))
}

/// The failure of a build that published nothing. A repeated key that sorting found is looked for
/// in the input again, because the user needs its lines.
fn unpublished(args: &Build, paths: &[PathBuf], error: &PublishError) -> Failure {
    let PublishError::Target(BuildError::DuplicateKey { key }) = error else {
        return Failure::publish(&args.out, error);
    };
    let what = repetition(key);
    match (&repeated::places(args, paths, key)[..], paths) {
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
