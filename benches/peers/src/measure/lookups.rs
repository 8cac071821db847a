//! Gets, seeks and scans on warm, open, verified stores. Rounds interleave the contestants, so
//! that a noisy neighbour hits all of them alike.

use crate::{
    Result,
    args::Args,
    contestant::{BATCH, Kind, Lane, Lap},
    dataset::Dataset,
    measure::{Entrant, Ground, note, seeded},
    queries::{Queries, Window},
    workload::Workload,
};

const THREADS: usize = 2;

/// A lap before the clock counts: it warms up and says how long a lap is.
const TRIAL: usize = 4096;

struct Set {
    measures: &'static [&'static str],
    queries: Queries,
}

pub fn measure(
    ground: &Ground<'_>,
    data: &Dataset,
    entrants: &mut [Entrant],
    lanes: &[Box<dyn Lane>],
) -> Result<()> {
    let args = ground.args;
    let count = match (args.quick, data.len()) {
        (true, _) => 300_000,
        (false, n) if n > 2_000_000 => 2_000_000,
        _ => 1_000_000,
    };
    let uniform = ["hit", "dependent", "batch", "threads", "seek"];
    let mut sets = Vec::new();
    if uniform.iter().any(|m| args.wants(m)) {
        let queries = Queries::uniform(data, count, &mut seeded(1));
        sets.push(Set { measures: &["hit", "dependent", "batch", "threads", "seek"], queries });
    }
    let absent = ["miss", "seek-absent"];
    if absent.iter().any(|m| args.wants(m)) {
        let queries = misses(ground.workload, data, count);
        sets.push(Set { measures: &["miss", "seek-absent"], queries });
    }
    if args.wants("zipf") {
        let queries = Queries::zipf(data, count, &mut seeded(3));
        sets.push(Set { measures: &["zipf"], queries });
    }
    for set in &sets {
        let keys = set.queries.keys();
        let all = set.queries.window(&keys);
        for measure in set.measures.iter().filter(|m| args.wants(m)) {
            note(measure);
            gets(args, data, measure, all, entrants, lanes)?;
        }
    }
    if args.wants("scan") {
        note("scan");
        scans(args.rounds, entrants, lanes);
    }
    Ok(())
}

/// Keys that are not there but look like those that are.
fn misses(workload: Workload, data: &Dataset, count: usize) -> Queries {
    Queries::missing(data, count, &mut seeded(2), |rng, key| match workload {
        workload if workload.variable().is_some() => {
            key.extend_from_slice(data.get(rng.below(data.len() as u64) as usize).0);
            if let Some(byte) = key.len().checked_sub(1 + rng.below(3) as usize) {
                key[byte] ^= 1 + rng.below(15) as u8;
            }
        }
        other => other.key(rng, key, data.len()),
    })
}

fn gets(
    args: &Args,
    data: &Dataset,
    measure: &str,
    all: Window<'_>,
    entrants: &mut [Entrant],
    lanes: &[Box<dyn Lane>],
) -> Result<()> {
    let racing = |lane: &dyn Lane| !measure.starts_with("seek") || lane.abilities().seek;
    let last = data.get(data.len() - 1).0;
    let lengths: Vec<usize> = lanes
        .iter()
        .map(|lane| {
            if !racing(&**lane) {
                return 0;
            }
            let trial = all.slice(0, TRIAL.min(all.len()));
            // Twice: what the first pays for its first touches is no measure of a lap.
            lap(&**lane, measure, trial);
            let each = lap(&**lane, measure, trial).nanos / trial.len() as f64;
            // The measure of threads runs three laps for one.
            let share = if measure == "threads" { 0.5e6 } else { 1e6 };
            let fits = (args.lap_ms as f64 * share / each) as usize;
            fits.clamp(TRIAL.min(all.len()), all.len()) / (2 * BATCH) * 2 * BATCH
        })
        .collect();
    for round in 0..args.rounds {
        for (i, lane) in lanes.iter().enumerate().filter(|(_, lane)| racing(&***lane)) {
            // A slow store runs fewer queries per lap, but other ones in every round.
            let spare = all.len() - lengths[i] + 1;
            let window = all.slice(round * lengths[i] % spare, lengths[i]);
            if measure == "threads" {
                // Both runs that are compared come after one over the same keys.
                lane.hits(window);
            }
            let lap = lap(&**lane, measure, window);
            let single = (measure == "threads").then(|| lane.hits(window));
            let (entrant, len) = (&mut entrants[i], window.len());
            // The floor that only reads what it was told to has nothing to miss.
            let excused = measure == "miss" && entrant.contestant.kind() == Kind::Floor;
            // Behind the last key is nothing.
            let beyond = match measure {
                "seek-absent" => window.keys.iter().filter(|key| **key > last).count(),
                _ => 0,
            };
            if lap.good != (len - beyond) as u64 && !excused {
                let name = entrant.name();
                return Err(format!("{name}: {} of {len} right in {measure}", lap.good).into());
            }
            let each = lap.nanos / len as f64;
            entrant.results.add(measure, "ns", each);
            if let Some(single) = single {
                entrant.results.add("threads-scaling", "x", single.nanos / lap.nanos);
            }
        }
    }
    Ok(())
}

fn lap(lane: &dyn Lane, measure: &str, window: Window<'_>) -> Lap {
    match measure {
        "dependent" => lane.dependent(window),
        "batch" => lane.batches(window),
        "threads" => lane.threads(window, THREADS),
        "seek" | "seek-absent" => lane.seeks(window),
        "miss" => lane.misses(window),
        _ => lane.hits(window),
    }
}

fn scans(rounds: usize, entrants: &mut [Entrant], lanes: &[Box<dyn Lane>]) {
    for _ in 0..rounds {
        for (entrant, lane) in entrants.iter_mut().zip(lanes) {
            let able = lane.abilities();
            for (forward, able, name) in
                [(true, able.forward, "scan"), (false, able.backward, "scan-back")]
            {
                if able {
                    let (lap, sum) = lane.scan(forward);
                    std::hint::black_box(sum);
                    entrant.results.add(name, "ns", lap.nanos / lap.good.max(1) as f64);
                }
            }
        }
    }
}
