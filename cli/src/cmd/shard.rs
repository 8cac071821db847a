//! `graven shard`: a table becomes a set.

use super::publish;
use crate::args::{Dividing, Shard};
use crate::exit::{Failure, Outcome};
use crate::progress::{Progress, Unit};
use crate::signals;
use crate::source::{ALL, Source};
use graven::{ErrorKind, PublishError, SetBuildOptions, Versions};
use std::path::Path;
use std::sync::Arc;

/// Entries between two updates of the progress bar.
const STEP: u64 = 1024;
/// Size of a shard if nothing is said.
const TARGET: u64 = 1 << 30;

pub(crate) fn run(args: &Shard) -> Result<Outcome, Failure> {
    check_directory(&args.dir)?;
    signals::clean_up_and_exit()?;
    let source = Source::open(&args.source, args.reading.access())?;
    let progress = Progress::new("sharding", Unit::Entries, Some(source.len()), args.quiet);
    let state = Arc::clone(progress.state());
    let tables = source.build_options(&args.source)?.sorted(true).mode(args.mode);
    let tables = if args.packing.is_given() { args.packing.set(tables) } else { tables };
    let tables = tables.durable(!args.no_sync).verify_after_write(args.verify);
    let tables = args.resources.set(tables);
    let tables = tables.progress(move |told| {
        let (what, unit) = super::build::stage(told.phase);
        state.stage(what, unit, told.done, Some(told.total));
    });
    let publishing = args.keeping.options().mode(args.mode).durable(!args.no_sync);
    let publishing = args.guards.add_to(publishing.verify_after_write(args.verify));
    let options = SetBuildOptions::new().expected_entries(source.len());
    let options = divide(options, args, &source)?.tables(tables).publish(publishing);
    let failed = |error: PublishError| Failure::publish(&args.dir, &error);
    let mut builder = options.create(&args.dir).map_err(failed)?;
    source.walk(&args.source, ALL, false, u64::MAX, |number, key, value| {
        if number % STEP == 0 {
            progress.set(number);
        }
        builder.insert(key, value).map_err(|error| failed(error.into()))
    })?;
    source.intact(&args.source)?;
    let version = builder.finish().map_err(failed)?;
    drop(progress);
    publish::say_set(args.quiet, &args.dir, &version);
    publish::prune(&Versions::new(&args.dir), &args.keeping, &args.dir, args.quiet)
}

/// Fails where no directory of versions can be.
pub(super) fn check_directory(dir: &Path) -> Result<(), Failure> {
    let what = match dir.as_os_str() == "-" {
        true => "a set cannot be written to standard output: name a directory",
        false if dir.exists() && !dir.is_dir() => {
            "is a file, and a set is written to a directory of versions: choose another OUT"
        }
        false => return Ok(()),
    };
    Err(Failure::at(ErrorKind::Usage, dir.display(), what))
}

/// Where the shards of a table end.
fn divide(
    options: SetBuildOptions,
    args: &Shard,
    source: &Source,
) -> Result<SetBuildOptions, Failure> {
    if let (true, None) = (args.dividing.is_hashed(), args.dividing.shards) {
        let bytes = source.file_bytes(&args.source)?;
        let target = args.dividing.target_bytes.unwrap_or(TARGET);
        return Ok(options.hash_shards(number(bytes.div_ceil(target).max(1))));
    }
    Ok(cut(options, &args.dividing))
}

/// Where the shards of entries end that are not counted yet. Hash shards have a number.
pub(super) fn cut(options: SetBuildOptions, dividing: &Dividing) -> SetBuildOptions {
    match dividing.shards {
        Some(shards) if dividing.is_hashed() => options.hash_shards(number(shards)),
        Some(shards) => options.range_shards(number(shards)),
        None => options.shard_bytes(dividing.target_bytes.unwrap_or(TARGET)),
    }
}

/// A number of shards. The library refuses one that is too large.
fn number(shards: u64) -> usize {
    usize::try_from(shards).unwrap_or(usize::MAX)
}
