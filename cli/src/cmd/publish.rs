//! `graven publish`: copies a finished table to where it is read, and manages the versions there.

use crate::args::Publish;
use crate::exit::{self, Failure, Outcome};
use crate::output::Output;
use crate::progress::{Progress, Unit};
use crate::signals;
use graven::{PublishOptions, Version, Versions};
use std::path::Path;
use std::time::Duration;

pub(crate) fn run(args: &Publish) -> Result<Outcome, Failure> {
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
    let options = PublishOptions::new()
        .mode(args.mode)
        .durable(!args.no_sync)
        .replace(!args.no_replace)
        .verify_after_write(args.verify);
    match args.dir_mode {
        Some(mode) => options.directory_mode(mode),
        None => options,
    }
}

fn copy(args: &Publish, source: &Path, target: &Path) -> Result<Outcome, Failure> {
    let progress = Progress::new("publishing", Unit::Entries, None, args.quiet);
    let published =
        options(args).publish(source, target).map_err(|error| Failure::publish(target, &error))?;
    drop(progress);
    say(args, format_args!("{}: {} bytes", target.display(), published.file_bytes));
    Ok(Outcome::Fine)
}

fn add(args: &Publish, source: &Path, dir: &Path) -> Result<Outcome, Failure> {
    let failed = |error| Failure::publish(dir, &error);
    let progress = Progress::new("publishing", Unit::Entries, None, args.quiet);
    let versions = Versions::new(dir);
    let version = versions.publish(source, &options(args)).map_err(failed)?;
    drop(progress);
    say_current(args, dir, &version);
    let min_age = Duration::from_secs(args.min_age);
    let pruned = versions.prune(args.keep, min_age).map_err(|error| {
        let what = "the new version is published and complete, but old ones could not be removed";
        Failure::new(error.kind(), format_args!("{what}: {error}"))
    });
    for Version { id, .. } in pruned? {
        say(args, format_args!("{}: version {id} removed", dir.display()));
    }
    Ok(Outcome::Fine)
}

fn roll_back(args: &Publish, dir: &Path) -> Result<Outcome, Failure> {
    let id = args.rollback.as_ref().and_then(Option::as_deref);
    let version = Versions::new(dir).roll_back(id);
    let version = version.map_err(|error| Failure::publish(dir, &error))?;
    say_current(args, dir, &version);
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

fn say_current(args: &Publish, dir: &Path, version: &Version) {
    let Version { id, file_bytes, .. } = version;
    say(args, format_args!("{}: version {id} is current, {file_bytes} bytes", dir.display()));
}

/// Says what was done, unless --quiet is given.
fn say(args: &Publish, what: std::fmt::Arguments<'_>) {
    if !args.quiet {
        exit::say(what);
    }
}
