//! `graven publish`: copies a finished table to where it is read, and manages the versions there.

use crate::args::{Keeping, Publish};
use crate::exit::{self, Failure, Outcome, counted};
use crate::input::Input;
use crate::output::Output;
use crate::progress::{Progress, Unit};
use crate::{closed, open, signals, source};
use graven::{AccessPattern, ErrorKind, PublishOptions, Version, Versions};
use std::fs::File;
use std::io::{self, IsTerminal};
use std::path::Path;
use std::time::Duration;

pub(crate) fn run(args: &Publish) -> Result<Outcome, Failure> {
    if let Some(source) = args.source.as_deref().filter(|source| open::is_set(source)) {
        let instead = "publish copies a table; graven shard writes the set as a new version of D";
        return Err(source::no_set(source, instead));
    }
    signals::clean_up_and_exit()?;
    match (&args.source, &args.target, &args.dir) {
        (Some(source), Some(target), _) => copy(args, source, target),
        (Some(source), None, Some(dir)) => add(args, source, dir),
        (None, _, Some(dir)) if args.list => list(dir),
        (None, _, Some(dir)) => roll_back(args, dir),
        // The parser of the command line accepts no other combination.
        _ => Ok(Outcome::Fine),
    }
}

fn options(args: &Publish) -> PublishOptions {
    let options = args
        .keeping
        .options()
        .mode(args.mode)
        .durable(!args.no_sync)
        .replace(!args.no_replace)
        .verify_after_write(args.verify);
    args.guards.add_to(options)
}

fn copy(args: &Publish, source: &Path, target: &Path) -> Result<Outcome, Failure> {
    let progress = Progress::new("publishing", Unit::Entries, None, args.quiet);
    let options = options(args);
    let published = match is_standard(source) {
        true => options.publish_from(stream()?, target),
        false => options.publish(source, target),
    };
    let published = published.map_err(|error| Failure::publish(target, &error))?;
    drop(progress);
    say(args.quiet, format_args!("{}: {} bytes", target.display(), published.file_bytes));
    Ok(Outcome::Fine)
}

fn add(args: &Publish, source: &Path, dir: &Path) -> Result<Outcome, Failure> {
    let failed = |error| Failure::publish(dir, &error);
    let progress = Progress::new("publishing", Unit::Entries, None, args.quiet);
    let versions = Versions::new(dir);
    let options = options(args);
    let version = match is_standard(source) {
        true => versions.publish_from(stream()?, &options),
        false => versions.publish(source, &options),
    };
    let version = version.map_err(failed)?;
    drop(progress);
    say_current(args.quiet, dir, &version);
    prune(&versions, &args.keeping, dir, args.quiet)
}

/// Removes old versions after a new one has become current.
pub(super) fn prune(
    versions: &Versions,
    keeping: &Keeping,
    dir: &Path,
    quiet: bool,
) -> Result<Outcome, Failure> {
    let min_age = Duration::from_secs(keeping.min_age);
    let pruned = versions.prune(keeping.keep, min_age).map_err(|error| {
        let what = "the new version is published and complete, but old ones could not be removed";
        Failure::new(error.kind(), format_args!("{what}: {error}"))
    });
    for Version { id, .. } in pruned? {
        say(quiet, format_args!("{}: version {id} removed", dir.display()));
    }
    Ok(Outcome::Fine)
}

fn is_standard(source: &Path) -> bool {
    source.as_os_str() == "-"
}

/// Standard input, from which a table comes.
fn stream() -> Result<File, Failure> {
    let what = if closed::input() {
        "is closed: send a table, or name its file"
    } else if io::stdin().is_terminal() {
        "is a terminal: send a table through a pipe, or name its file"
    } else {
        return Ok(Input::standard()?.file);
    };
    Err(Failure::at(ErrorKind::Io, "standard input", what))
}

fn roll_back(args: &Publish, dir: &Path) -> Result<Outcome, Failure> {
    let id = args.rollback.as_ref().and_then(Option::as_deref);
    let version = Versions::new(dir).roll_back(id);
    let version = version.map_err(|error| Failure::publish(dir, &error))?;
    say_current(args.quiet, dir, &version);
    Ok(Outcome::Fine)
}

fn list(dir: &Path) -> Result<Outcome, Failure> {
    let versions = Versions::new(dir).list().map_err(|error| Failure::publish(dir, &error))?;
    let mut out = Output::new()?;
    for Version { id, file_bytes, current, .. } in versions {
        let state = if current { "current" } else { "kept" };
        out.text(&id)?;
        out.write(format!("\t{file_bytes}\t{state}\n").as_bytes())?;
    }
    out.flush()?;
    Ok(Outcome::Fine)
}

/// Says which set is current, and how many shards and entries it has.
pub(super) fn say_set(quiet: bool, dir: &Path, version: &Version) {
    // If a later version has taken its place already, only this line is missing.
    if !quiet && let Ok(set) = open::packed_set(&version.path, AccessPattern::Random) {
        let manifest = set.manifest();
        let entries = counted(manifest.entries, "entry", "entries");
        let shards = counted(manifest.shards.len() as u64, "shard", "shards");
        exit::say(format_args!("{}: {entries} in {shards}", dir.display()));
    }
    say_current(quiet, dir, version);
}

pub(super) fn say_current(quiet: bool, dir: &Path, version: &Version) {
    let Version { id, file_bytes, .. } = version;
    say(quiet, format_args!("{}: version {id} is current, {file_bytes} bytes", dir.display()));
}

/// Says what was done, unless --quiet is given.
fn say(quiet: bool, what: std::fmt::Arguments<'_>) {
    if !quiet {
        exit::say(what);
    }
}
