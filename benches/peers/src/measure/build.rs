//! Builds every store, each in a process of its own. The sorted build of the first round is the
//! file that is raced; all others are thrown away.

use std::fs;

use crate::{
    Result, child,
    contestant::Kind,
    files,
    measure::{Entrant, Ground, note},
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
        // Whoever comes after a builder that freed a lot finds the system tidying up.
        let count = entrants.len();
        for i in (0..count).map(|i| (i + round * count.div_ceil(rounds)) % count) {
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
