//! What checking pages at first touch costs afterwards: nothing checked at all against
//! everything checked, and against a random half of the pages checked.

use crate::{
    Result,
    args::Args,
    contestant::{Access, Lane},
    contestants::graven::{Shared, open_table},
    dataset::Dataset,
    measure::{Entrant, note, seeded},
    queries::Queries,
};

/// Keys are chosen by runs of entries that fill about this much of the records.
const RUN_BYTES: u64 = 8 * 4096;

pub fn measure(args: &Args, data: &Dataset, entrants: &mut [Entrant]) -> Result<()> {
    let Some(entrant) = entrants.iter_mut().find(|entrant| entrant.name() == "graven") else {
        return Ok(());
    };
    note("first touch");
    let chosen = half(data);
    let mut rng = seeded(5);
    let count = if args.quick { 200_000 } else { 1_000_000 };
    let random = |_| chosen[rng.below(chosen.len() as u64) as usize];
    let queries = Queries::of_ranks(data, (0..count).map(random));
    let keys = queries.keys();
    let window = queries.window(&keys);

    let open = |verify| -> Result<Shared> {
        Ok(Shared(open_table(&entrant.place, Access::Normal, verify)?))
    };
    let never = open(graven::PageChecks::Never)?;
    let checked = open(graven::PageChecks::FirstTouch)?;
    let partly = open(graven::PageChecks::FirstTouch)?;
    checked.verify(data)?;
    // Every key of the chosen runs once; the pages of the other half stay unchecked.
    let first = Queries::of_ranks(data, chosen.iter().copied());
    let first_keys = first.keys();
    let touched = [&never, &partly].map(|lane| lane.hits(first.window(&first_keys)).good);
    if touched.iter().any(|good| *good != chosen.len() as u64) {
        return Err("graven: wrong answers at first touch".into());
    }
    for _ in 0..args.rounds {
        let each = |lane: &Shared| lane.hits(window).nanos / window.len() as f64;
        let (never, checked, partly) = (each(&never), each(&checked), each(&partly));
        entrant.results.add("first-touch-never", "ns", never);
        entrant.results.add("first-touch-all", "ns", checked);
        entrant.results.add("first-touch-half", "ns", partly);
        entrant.results.add("first-touch-all-ratio", "x", checked / never);
        entrant.results.add("first-touch-half-ratio", "x", partly / never);
    }
    Ok(())
}

/// The ranks of a random half of the runs. A run shares its outermost pages with its
/// neighbours, so that a little more than half of the pages are touched.
fn half(data: &Dataset) -> Vec<usize> {
    let mut chosen = Vec::with_capacity(data.len() / 2 + 1);
    let mut coins = seeded(6);
    let (mut run, mut taken) = (u64::MAX, false);
    for rank in 0..data.len() {
        let now = data.payload_offset(rank) / RUN_BYTES;
        if now != run {
            (run, taken) = (now, coins.below(2) == 0);
        }
        if taken {
            chosen.push(rank);
        }
    }
    chosen
}
