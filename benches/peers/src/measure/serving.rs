//! 1 to 64 processes that look keys up in one store at once: all their lookups in a second, and the
//! page tables that they take together.

use crate::{
    Result, child,
    measure::{Entrant, Ground, note},
};

const COUNTS: [usize; 7] = [1, 2, 4, 8, 16, 32, 64];

pub fn measure(ground: &Ground<'_>, entrants: &mut [Entrant]) -> Result<()> {
    for round in 0..if ground.args.quick { 1 } else { ground.args.rounds } {
        note(&format!("serving processes, round {}", round + 1));
        for count in COUNTS {
            for entrant in entrants.iter_mut() {
                if !entrant.has_files() || !entrant.contestant.processes() {
                    continue;
                }
                let all = child::servers(entrant.name(), &entrant.place, &ground.sample, count)?;
                let rate = all.iter().map(|server| server.rate).sum::<f64>();
                let tables = all.iter().map(|server| server.page_tables).sum::<f64>();
                let results = &mut entrant.results;
                results.add(&format!("serving-{count}"), "M/s", rate / 1e6);
                results.add(&format!("serving-{count}-page-tables"), "MB", tables / 1e6);
            }
        }
    }
    Ok(())
}
