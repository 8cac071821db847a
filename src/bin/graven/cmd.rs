//! The verbs, one file each.

mod bench;
mod build;
mod dump;
mod get;
mod mget;
mod publish;
mod scan;
mod stat;
mod verify;
mod warm;

use crate::args::Verb;
use crate::exit::{Failure, Outcome};

/// Does what the command line says.
pub(crate) fn run(verb: Verb) -> Result<Outcome, Failure> {
    match verb {
        Verb::Build(args) => build::run(&args),
        Verb::Get(args) => get::run(&args),
        Verb::Mget(args) => mget::run(&args),
        Verb::Scan(args) => scan::run(&args),
        Verb::Stat(args) => stat::run(&args),
        Verb::Verify(args) => verify::run(&args),
        Verb::Dump(args) => dump::run(&args),
        Verb::Publish(args) => publish::run(&args),
        Verb::Warm(args) => warm::run(&args),
        Verb::Bench(args) => bench::run(&args),
        Verb::BenchReader(args) => bench::reader::run(&args),
    }
}
