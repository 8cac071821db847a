//! Open and the first get, with the file in the page cache.

use std::time::{Duration, Instant};

use crate::{
    Result,
    args::Args,
    contestant::Access,
    dataset::Dataset,
    measure::{Entrant, note, seeded},
    queries::Queries,
    results::Series,
};

/// Within one round; its value is their median.
const REPEATS: usize = 31;
const PATIENCE: Duration = Duration::from_millis(500);

pub fn measure(args: &Args, data: &Dataset, entrants: &mut [Entrant]) -> Result<()> {
    note("open and first get");
    let queries = Queries::uniform(data, REPEATS, &mut seeded(4));
    let keys = queries.keys();
    let all = queries.window(&keys);
    for _ in 0..args.rounds {
        // Nothing is opened that would have to be loaded.
        for entrant in entrants.iter_mut().filter(|entrant| entrant.has_files()) {
            let mut times = Series { unit: "us", rounds: Vec::new() };
            let begin = Instant::now();
            for i in 0..REPEATS {
                let first = all.slice(i, 1);
                let start = Instant::now();
                let lane = entrant.contestant.open(&entrant.place, Access::Normal)?;
                let lap = lane.hits(first);
                times.rounds.push(start.elapsed().as_nanos() as f64 / 1e3);
                if lap.good != 1 {
                    return Err(format!("{}: the first get fails", entrant.name()).into());
                }
                if begin.elapsed() > PATIENCE {
                    break;
                }
            }
            entrant.results.add("open", times.unit, times.median());
        }
    }
    Ok(())
}
