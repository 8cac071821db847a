//! The verbs, one file each.

mod bench;
mod build;
mod diff;
mod dump;
mod get;
mod inspect;
mod merge;
mod mget;
mod near;
mod publish;
#[cfg(feature = "remote")]
mod pull;
#[cfg(feature = "remote")]
mod push;
mod salvage;
mod sample;
mod scan;
mod shard;
mod split;
mod stat;
mod texts;
mod verify;
mod warm;

use crate::args::Verb;
use crate::exit::{Failure, Outcome};
use crate::open;
use std::path::PathBuf;

/// Does what the command line says.
pub(crate) fn run(mut verb: Verb) -> Result<Outcome, Failure> {
    tables(&mut verb).into_iter().for_each(open::meant);
    match verb {
        Verb::Build(args) => build::run(&args),
        Verb::Get(args) => get::run(&args),
        Verb::Mget(args) => mget::run(&args),
        Verb::Scan(args) => scan::run(&args),
        Verb::Floor(args) => near::run(&args, near::Which::Floor),
        Verb::Ceil(args) => near::run(&args, near::Which::Ceil),
        Verb::LongestPrefix(args) => near::run(&args, near::Which::LongestPrefix),
        Verb::Prefixes(args) => near::run(&args, near::Which::Prefixes),
        Verb::Sample(args) => sample::run(&args),
        Verb::Split(args) => split::run(&args),
        Verb::Stat(args) => stat::run(&args),
        Verb::Inspect(args) => inspect::run(&args),
        Verb::Verify(args) => verify::run(&args),
        Verb::Dump(args) => dump::run(&args),
        Verb::Merge(args) => merge::run(&args),
        Verb::Diff(args) => diff::run(&args),
        Verb::Salvage(args) => salvage::run(&args),
        Verb::Publish(args) => publish::run(&args),
        Verb::Shard(args) => shard::run(&args),
        #[cfg(feature = "remote")]
        Verb::Pull(args) => pull::run(&args),
        #[cfg(feature = "remote")]
        Verb::Push(args) => push::run(&args),
        Verb::Warm(args) => warm::run(&args),
        Verb::Bench(args) => bench::run(&args),
        Verb::Completions(args) => texts::completions(&args),
        Verb::Man(args) => texts::man(&args),
        Verb::BenchReader(args) => bench::reader::run(&args),
    }
}

/// The tables that a command reads.
fn tables(verb: &mut Verb) -> Vec<&mut PathBuf> {
    match verb {
        Verb::Get(args) => vec![&mut args.table],
        Verb::Mget(args) => vec![&mut args.table],
        Verb::Scan(args) => vec![&mut args.table],
        Verb::Floor(args) | Verb::Ceil(args) | Verb::LongestPrefix(args) | Verb::Prefixes(args) => {
            vec![&mut args.table]
        }
        Verb::Sample(args) => vec![&mut args.table],
        Verb::Split(args) => vec![&mut args.table],
        Verb::Inspect(args) => vec![&mut args.table],
        Verb::Stat(args) => args.tables.iter_mut().collect(),
        Verb::Verify(args) => args.tables.iter_mut().collect(),
        Verb::Dump(args) => vec![&mut args.table],
        Verb::Merge(args) => args.tables.iter_mut().collect(),
        Verb::Diff(args) => vec![&mut args.old, &mut args.new],
        Verb::Salvage(args) => vec![&mut args.broken],
        Verb::Publish(args) => args.source.iter_mut().collect(),
        Verb::Shard(args) => vec![&mut args.source],
        Verb::Warm(args) => vec![&mut args.table],
        Verb::Bench(args) => [&mut args.table].into_iter().chain(&mut args.replace).collect(),
        // Sets are opened as they are.
        #[cfg(feature = "remote")]
        Verb::Pull(_) | Verb::Push(_) => Vec::new(),
        // The inputs of build are no tables. A reader process gets from bench the path that it has
        // to follow.
        Verb::Build(_) | Verb::BenchReader(_) | Verb::Completions(_) | Verb::Man(_) => Vec::new(),
    }
}
