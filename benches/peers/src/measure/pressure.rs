//! Random gets in a memory cgroup that holds half of graven's file, the same for everybody: how many
//! get through, how many faults wait for the disk, what goes to swap; and how fast gets are again
//! once there is memory.

use crate::{
    Result,
    cgroup::Group,
    child::{self, Pressed},
    contestant::Kind,
    dataset::Dataset,
    files,
    measure::{Entrant, Ground, SAMPLE, note},
};

/// Keys that are asked, several for each page that memory can hold.
pub const KEYS: usize = 5 * SAMPLE;

pub fn measure(ground: &Ground<'_>, data: &Dataset, entrants: &mut [Entrant]) -> Result<()> {
    let Some(first) = entrants.iter().find(|entrant| entrant.contestant.kind() == Kind::Graven)
    else {
        return Ok(());
    };
    let half = files::length(&first.place.dir)? / 2;
    let sample = ground.dir.join("pressure.input");
    super::write_sample(data, KEYS, &sample)?;
    for round in 0..if ground.args.quick { 1 } else { ground.args.rounds } {
        note(&format!("half the memory, round {}", round + 1));
        for entrant in entrants.iter_mut() {
            let contestant = &entrant.contestant;
            let races = entrant.has_files() && contestant.kind() != Kind::Floor;
            if !races || !contestant.processes() {
                continue;
            }
            for role in ["pressed", "pressed-warm"] {
                // Who else has a way to read its index alone?
                if role == "pressed-warm" && entrant.name() != "graven" {
                    continue;
                }
                let left = files::evict(&entrant.place.dir)?;
                if left > 0.01 {
                    entrant.results.add("pressure-not-evicted", "%", left * 100.0);
                    continue;
                }
                let group = Group::new(role)?;
                let (name, place) = (entrant.contestant.name(), &entrant.place);
                let asked = child::pressed(role, name, place, &sample, &group, half)?;
                let Pressed { nanos, faults, swapped, after } = asked;
                let results = &mut entrant.results;
                results.add(role, "us", nanos / 1e3);
                results.add(&format!("{role}-faults"), "per get", faults);
                results.add(&format!("{role}-swap"), "kB", swapped / 1e3);
                results.add(&format!("{role}-after"), "ns", after);
            }
        }
    }
    Ok(())
}
