//! Builds every store, each in a process of its own. The sorted build of the first round is the
//! file that is raced; all others are thrown away.

use std::fs;

use crate::{
    Result, child,
    contestant::Kind,
    files,
    measure::{Entrant, Ground, note, seeded},
    results::Run,
};

/// A builder that has had this long goes into no further round.
const PATIENCE_S: f64 = 60.0;

pub fn measure(ground: &Ground<'_>, entrants: &mut Vec<Entrant>, run: &mut Run) -> Result<()> {
    let throwaway = ground.dir.join("throwaway");
    let timed = ground.args.wants("build");
    let rounds = match (timed, ground.args.quick) {
        (true, true) => 2,
        (true, false) => ground.args.rounds,
        (false, _) => 1,
    };
    let mut spent = vec![0.0; entrants.len()];
    let mut failed = Vec::new();
    for round in 0..rounds {
        note(&format!("building, round {} of {rounds}", round + 1));
        for i in order(entrants.len(), round) {
            let entrant = &mut entrants[i];
            let measured = timed && entrant.contestant.builds();
            if round > 0 && (!measured || spent[i] > PATIENCE_S) || share(ground, entrant)? {
                continue;
            }
            let dir = if round == 0 { &entrant.place.dir } else { &throwaway };
            let sorted = match child::build(entrant.name(), &ground.sorted, true, dir) {
                Ok(sorted) => sorted,
                Err(error) => {
                    failed.push((entrant.name().to_owned(), error.to_string()));
                    continue;
                }
            };
            files::sync(dir)?;
            if measured {
                let unsorted = child::build(entrant.name(), &ground.shuffled, false, &throwaway)?;
                files::sync(&throwaway)?;
                add(entrant, "sorted", sorted);
                add(entrant, "unsorted", unsorted);
                spent[i] += sorted.seconds + unsorted.seconds;
            }
        }
    }
    if throwaway.exists() {
        fs::remove_dir_all(&throwaway)?;
    }
    entrants.retain(|entrant| failed.iter().all(|(name, _)| name != entrant.name()));
    run.dropped.extend(failed);
    entrants.iter_mut().filter(|entrant| entrant.has_files()).try_for_each(size)
}

/// Who builds after whom: by turns in the first round, since some share files, then at random. A
/// virtual machine that has given freed memory back to its host waits for it when it takes it
/// again, so a builder pays for what the one before it freed.
fn order(entrants: usize, round: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..entrants).collect();
    if round > 0 {
        let mut rng = seeded(200 + round as u64);
        for last in (1..entrants).rev() {
            order.swap(last, rng.below(last as u64 + 1) as usize);
        }
    }
    order
}

/// Links the files of the contestant that it shares them with; false where it has to build.
fn share(ground: &Ground<'_>, entrant: &Entrant) -> Result<bool> {
    let Some(owner) = entrant.contestant.shares().map(|name| ground.dir.join(name)) else {
        return Ok(false);
    };
    if !owner.exists() {
        return Ok(false);
    }
    if !entrant.place.dir.exists() {
        files::link(&owner, &entrant.place.dir)?;
    }
    Ok(true)
}

fn size(entrant: &mut Entrant) -> Result<()> {
    // A sparse tail costs nothing, and neither does the rest of a last block.
    let bytes = files::blocks(&entrant.place.dir)?.min(files::length(&entrant.place.dir)?);
    let shape = entrant.place.shape;
    entrant.results.add("file", "MB", bytes as f64 / 1e6);
    if entrant.contestant.kind() != Kind::Floor {
        let overhead = (bytes as f64 - shape.payload as f64) / shape.entries as f64;
        entrant.results.add("overhead", "B/entry", overhead);
    }
    Ok(())
}

fn add(entrant: &mut Entrant, order: &str, build: child::Build) {
    entrant.results.add(&format!("build-{order}"), "s", build.seconds);
    let megabytes = build.peak_bytes as f64 / 1e6;
    entrant.results.add(&format!("build-{order}-peak"), "MB", megabytes);
}
