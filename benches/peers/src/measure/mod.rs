//! One data set from generation to the last measure.

mod build;
mod cold;
mod files_open;
#[cfg(feature = "graven")]
mod first_touch;
mod lookups;
mod pressure;
mod serving;

use std::{
    fs,
    path::{Path, PathBuf},
    time::Instant,
};

use crate::{
    Result,
    args::Args,
    child,
    contestant::{Access, Contestant, Kind, Lane, Place},
    contestants,
    dataset::{Dataset, InputWriter},
    files, procfs,
    results::{Results, Row, Run},
    workload::{Rng, Workload, slot_of},
};

/// A contestant with its files and its numbers.
pub struct Entrant {
    pub contestant: Box<dyn Contestant>,
    pub place: Place,
    pub results: Results,
}

impl Entrant {
    pub fn name(&self) -> &'static str {
        self.contestant.name()
    }

    pub fn has_files(&self) -> bool {
        self.contestant.kind() != Kind::Heap
    }
}

pub struct Ground<'a> {
    pub args: &'a Args,
    pub workload: Workload,
    pub dir: PathBuf,
    pub sorted: PathBuf,
    pub shuffled: PathBuf,
    /// A sample of keys for reader processes.
    pub sample: PathBuf,
}

const SAMPLE: usize = 100_000;

pub fn run(args: &Args, scratch: &Path, workload: Workload, entries: usize) -> Result<Run> {
    let dir = scratch.join(format!("{}-{entries}", workload.name()));
    fs::create_dir_all(&dir)?;
    // smaps shows real paths.
    let dir = dir.canonicalize()?;
    let ground = Ground {
        args,
        workload,
        sorted: dir.join("sorted.input"),
        shuffled: dir.join("shuffled.input"),
        sample: dir.join("sample.input"),
        dir,
    };
    note(&format!("{} with {entries} entries: generating", workload.name()));
    let shape = workload.generate(entries, &ground.sorted, &ground.shuffled)?;
    let data = Dataset::open(&ground.sorted)?;
    write_sample(&data, SAMPLE, &ground.sample)?;

    let mut run = Run { workload, shape, rows: Vec::new(), dropped: contestants::missing() };
    let mut entrants = Vec::new();
    for contestant in contestants::all() {
        if !args.races(contestant.name()) {
            continue;
        }
        if !contestant.holds(&shape) {
            let reason = "cannot hold this data set".to_owned();
            run.dropped.push((contestant.name().into(), reason));
            continue;
        }
        let folder = contestant.name().replace([' ', ':', '+'], "");
        let place = Place { dir: ground.dir.join(folder), input: ground.sorted.clone(), shape };
        entrants.push(Entrant { contestant, place, results: Results::default() });
    }
    build::measure(&ground, &mut entrants, &mut run)?;
    {
        let lanes = open_all(&data, &mut entrants, &mut run)?;
        lookups::measure(&ground, &data, &mut entrants, &lanes)?;
    }
    if args.wants("open") {
        files_open::measure(args, &data, &mut entrants)?;
    }
    if args.wants("readers") {
        readers(&ground, &mut entrants)?;
    }
    #[cfg(feature = "graven")]
    if args.wants("first-touch") {
        first_touch::measure(args, &data, &mut entrants)?;
    }
    if args.wants("serving") {
        serving::measure(&ground, &mut entrants)?;
    }
    if args.wants("cold") {
        cold::measure(args, &data, &mut entrants)?;
    }
    if args.wants("pressure") {
        pressure::measure(&ground, &data, &mut entrants)?;
    }
    drop(data);
    fs::remove_dir_all(&ground.dir)?;
    for Entrant { contestant: c, results, .. } in entrants {
        let (name, kind, options, variable) = (c.name(), c.kind(), c.options(), c.variable());
        run.rows.push(Row { name, kind, variable, options, results });
    }
    Ok(run)
}

/// Up to `count` entries at random, as an input of their own.
fn write_sample(data: &Dataset, count: usize, path: &Path) -> Result<()> {
    let mut sample = InputWriter::create(path)?;
    for i in 0..count.min(data.len()) {
        let (key, value) = data.get(slot_of(i as u64, data.len() as u64) as usize);
        sample.push(key, value)?;
    }
    sample.finish()?;
    Ok(())
}

pub fn note(text: &str) {
    static START: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
    let start = START.get_or_init(Instant::now);
    eprintln!("{:7.1} s  {text}", start.elapsed().as_secs_f64());
}

/// Opens, verifies and warms everybody that memory has room for.
fn open_all(
    data: &Dataset,
    entrants: &mut Vec<Entrant>,
    run: &mut Run,
) -> Result<Vec<Box<dyn Lane>>> {
    let room = procfs::available_memory()? / 10 * 8;
    let (mut lanes, mut kept, mut taken) = (Vec::new(), Vec::new(), 0);
    // The floors are small and always in; they stand last, so make room for them first.
    let floors = entrants.iter().filter(|e| e.contestant.kind() == Kind::Floor).count();
    taken += floors as u64 * data.shape.payload;
    for mut entrant in entrants.drain(..) {
        let needs = appetite(&entrant)?;
        if taken + needs > room {
            let reason = "not raced: the page cache cannot hold everybody".to_owned();
            run.dropped.push((entrant.name().into(), reason));
            continue;
        }
        taken += needs;
        note(&format!("verifying {}", entrant.name()));
        let verified = entrant.contestant.open(&entrant.place, Access::Normal).and_then(|lane| {
            procfs::touch(&entrant.place.dir)?;
            lane.verify(data)?;
            Ok(lane)
        });
        match verified {
            Ok(lane) => {
                if let Some(share) = procfs::mapped(&entrant.place.dir)?.huge_share() {
                    entrant.results.add("huge-pages", "%", share * 100.0);
                }
                lanes.push(lane);
                kept.push(entrant);
            }
            Err(error) => run.dropped.push((entrant.name().into(), error.to_string())),
        }
    }
    *entrants = kept;
    Ok(lanes)
}

/// How much memory the open store is going to fill, roughly.
fn appetite(entrant: &Entrant) -> Result<u64> {
    let shape = entrant.place.shape;
    Ok(match entrant.contestant.kind() {
        Kind::Floor => 0,
        Kind::Heap => shape.payload + 100 * shape.entries,
        _ if entrant.contestant.shares().is_some() => 0,
        _ if entrant.contestant.caches() => 2 * files::length(&entrant.place.dir)?,
        _ => files::blocks(&entrant.place.dir)?,
    })
}

fn readers(ground: &Ground<'_>, entrants: &mut [Entrant]) -> Result<()> {
    note("reader processes");
    let readable = |entrant: &Entrant| entrant.has_files() && entrant.contestant.processes();
    for entrant in entrants.iter_mut().filter(|entrant| readable(entrant)) {
        for count in [1, 2, 4] {
            if ground.args.quick && count == 2 {
                continue;
            }
            let all = child::readers(entrant.name(), &entrant.place, &ground.sample, count)?;
            let sum = |f: fn(&child::Reader) -> u64| all.iter().map(f).sum::<u64>() as f64;
            let results = &mut entrant.results;
            results.add(&format!("readers-{count}-pss"), "MB", sum(|r| r.pss) / 1e6);
            let private = sum(|r| r.private) / count as f64 / 1e3;
            results.add(&format!("readers-{count}-private"), "kB", private);
            let tables = sum(|r| r.page_tables) / count as f64 / 1e3;
            results.add(&format!("readers-{count}-page-tables"), "kB", tables);
        }
    }
    Ok(())
}

pub fn seeded(purpose: u64) -> Rng {
    Rng::new(0xbe9c_0000 + purpose)
}
