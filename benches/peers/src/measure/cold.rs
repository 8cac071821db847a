//! Gets from a file that is on disk alone, told that reads are going to be random.

use crate::{
    Result,
    args::Args,
    contestant::{Access, Kind},
    dataset::Dataset,
    files,
    measure::{Entrant, note, seeded},
    procfs,
    queries::Queries,
};

const GETS: usize = 10_000;

/// Given up after this long: a store that reads ahead a lot is no news after some thousand gets.
const SLICE: usize = 500;
const PATIENCE_NS: f64 = 20e9;

pub fn measure(args: &Args, data: &Dataset, entrants: &mut [Entrant]) -> Result<()> {
    let rounds = if args.quick { 1 } else { args.rounds };
    let patience = if args.quick { PATIENCE_NS / 20.0 } else { PATIENCE_NS } / rounds as f64;
    for round in 0..rounds {
        note(&format!("cold cache, round {} of {rounds}", round + 1));
        let queries = Queries::uniform(data, GETS + 1, &mut seeded(100 + round as u64));
        let keys = queries.keys();
        let all = queries.window(&keys);
        for entrant in entrants.iter_mut().filter(|entrant| entrant.has_files()) {
            let left = files::evict(&entrant.place.dir)?;
            if left > 0.01 {
                // Not cold, so not measured; the report shows why.
                entrant.results.add("cold-not-evicted", "%", left * 100.0);
                continue;
            }
            let lane = entrant.contestant.open(&entrant.place, Access::Random)?;
            // Some map their file only now.
            lane.hits(all.slice(GETS, 1));
            // Stores without such an option get the advice from us. graven has one.
            if entrant.contestant.kind() != Kind::Graven {
                procfs::advise_random(&entrant.place.dir)?;
            }
            let before = procfs::major_faults();
            let (mut nanos, mut gets) = (0.0, 0);
            while gets < GETS && nanos < patience {
                let lap = lane.hits(all.slice(gets, SLICE));
                if lap.good != SLICE as u64 {
                    return Err(format!("{}: cold gets fail", entrant.name()).into());
                }
                (nanos, gets) = (nanos + lap.nanos, gets + SLICE);
            }
            let faults = (procfs::major_faults() - before) as f64 / gets as f64;
            entrant.results.add("cold-faults", "per get", faults);
            entrant.results.add("cold", "us", nanos / gets as f64 / 1e3);
        }
    }
    Ok(())
}
