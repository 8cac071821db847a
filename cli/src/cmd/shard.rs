//! `graven shard`: a table becomes a set.

use super::publish;
use crate::args::{Division, Shard};
use crate::exit::{Failure, Outcome, reading};
use crate::progress::{Progress, Unit};
use crate::signals;
use crate::source::{ALL, Source};
use graven::{ErrorKind, PublishError, SetBuildOptions, Versions};

/// Entries between two updates of the progress bar.
const STEP: u64 = 1024;
/// Size of a shard if nothing is said.
const TARGET: u64 = 1 << 30;
/// Most hash shards that are written at once.
const MOST_HASHED: u64 = 4096;

pub(crate) fn run(args: &Shard) -> Result<Outcome, Failure> {
    signals::clean_up_and_exit()?;
    let source = Source::open(&args.source, args.reading.access())?;
    let tables = source.build_options(&args.source)?.sorted(true).mode(args.mode);
    let tables = tables.durable(!args.no_sync).verify_after_write(args.verify);
    let publishing = args.keeping.options().mode(args.mode).durable(!args.no_sync);
    let publishing = publishing.verify_after_write(args.verify);
    let options = cut(args, &source)?.tables(tables).publish(args.guards.add_to(publishing));
    let failed = |error: PublishError| Failure::publish(&args.dir, &error);
    let progress = Progress::new("sharding", Unit::Entries, Some(source.len()), args.quiet);
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
    publish::say_current(args.quiet, &args.dir, &version);
    publish::prune(&Versions::new(&args.dir), &args.keeping, &args.dir, args.quiet)
}

/// Where shards end.
fn cut(args: &Shard, source: &Source) -> Result<SetBuildOptions, Failure> {
    let bytes = match source {
        Source::Table(table) => table.stats().map_err(reading(&args.source))?.file_bytes,
        Source::Set(set) => set.manifest().bytes,
    };
    let target = args.target_bytes.unwrap_or(TARGET).max(1);
    let shards = args.shards.unwrap_or(bytes.div_ceil(target)).max(1);
    let options = SetBuildOptions::new();
    Ok(match (args.partition, args.shards) {
        (Division::Range, Some(shards)) => {
            options.shard_entries(source.len().div_ceil(shards).max(1))
        }
        (Division::Range, None) => options.shard_bytes(target),
        (Division::Hash, _) if shards > MOST_HASHED => {
            let what = format_args!(
                "{shards} hash shards, and at most {MOST_HASHED} are written at once: choose fewer, \
                 or range shards"
            );
            return Err(Failure::at(ErrorKind::Usage, args.dir.display(), what));
        }
        (Division::Hash, _) => options.hash_shards(shards as usize),
    })
}
