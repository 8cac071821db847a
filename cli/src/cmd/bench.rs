//! `graven bench`: readers in many processes on one table, and what that costs.

mod asked;
mod histogram;
mod peers;
pub(super) mod reader;
mod report;
mod sample;
mod served;

use crate::args::Bench;
use crate::exit::{Failure, Outcome};
use crate::output::Output;
use crate::{open, signals, source};
use graven::{ErrorKind, PackedSet};
use indicatif::{HumanBytes, HumanCount, ProgressBar};
use peers::{Counted, Peers};
use report::Report;
use sample::Draw;
use served::{Publisher, Served};
use std::path::Path;
use std::time::{Duration, Instant};

pub(crate) fn run(args: &Bench) -> Result<Outcome, Failure> {
    let mut out = Output::new()?;
    let sets = [&args.table].into_iter().chain(&args.replace);
    let set = sets.into_iter().find(|path| open::is_set(path));
    if let (Some(set), Some(_)) = (set, &args.replace) {
        return Err(source::no_set(set, "--replace publishes copies of tables; leave it out"));
    }
    // Lookups are drawn from one version of a set, which all readers open, also if another one becomes
    // current meanwhile. While `set` is open, nobody removes this version.
    let set = set.map(|set| open::packed_set(set, args.reading.access())).transpose()?;
    let table = set.as_ref().map_or(args.table.as_path(), PackedSet::path);
    signals::clean_up_and_exit()?;
    let scratch = tempfile::tempdir().map_err(|error| Failure::io("temporary files", &error))?;
    let scratch = signals::Directory::new(scratch);
    let sample = scratch.path().join("sample.grv");
    let other = args.replace.as_deref().unwrap_or(table);
    let draw = Draw {
        table,
        other,
        hit: args.hit,
        zipf: args.zipf,
        access: args.reading.access(),
        // Half of the time that was asked for: drawing and reading together take less than twice
        // that time.
        time: Duration::from_secs_f64(args.seconds / 2.0),
    };
    let file_bytes = draw.write(&sample)?;

    let served = match &args.replace {
        Some(_) => Served::copy(table)?,
        None => Served::itself(table),
    };
    let path = served.path.clone();
    let publisher = match &args.replace {
        Some(other) => {
            let tables = [args.table.clone(), other.clone()];
            Some(Publisher::new(served, tables, Duration::from_millis(args.every))?)
        }
        None => None,
    };
    let give_way = publisher.as_ref().is_some_and(|publisher| !publisher.preferred);
    let mut peers = Peers::start(args, give_way, &path, &sample)?;
    if let Some(publisher) = &publisher {
        publisher.begin();
    }
    let mut watch = Watch::new(args, publisher.is_some());
    let counted = peers.run(|peers| watch.look(peers, &path))?;
    watch.bar.finish_and_clear();
    let memory = peers.memory(&path);
    let replacements = publisher.map_or(Ok(0), Publisher::stop)?;
    drop(peers);

    let pss_peak = watch.pss_peak.max(memory.mapped.proportional);
    let report = Report { args, file_bytes, counted, memory, pss_peak, replacements };
    out.write(if args.json { report.json() } else { report.text() }.as_bytes())?;
    out.flush()?;
    verdict(&args.table, &report.counted)
}

/// A run with a wrong answer has failed, whatever its figures.
fn verdict(table: &Path, counted: &Counted) -> Result<Outcome, Failure> {
    let Counted { wrong, mixed, .. } = counted;
    if wrong + mixed > 0 {
        let what = format_args!("{wrong} wrong lookups, {mixed} of two versions");
        return Err(Failure::at(ErrorKind::Data, table.display(), what));
    }
    match &counted.error {
        Some(error) => Err(Failure::at(ErrorKind::Io, table.display(), error)),
        None => Ok(Outcome::Fine),
    }
}

/// What the parent observes while the readers work.
struct Watch {
    bar: ProgressBar,
    /// Whether tables are replaced. Only then does the memory change all the time.
    replacing: bool,
    looked: Instant,
    lookups: u64,
    pss_peak: u64,
}

impl Watch {
    const EVERY: Duration = Duration::from_millis(1000);

    fn new(args: &Bench, replacing: bool) -> Self {
        // The bar draws nothing if standard error is no terminal.
        let bar = ProgressBar::new_spinner();
        bar.set_message(format!("{} processes read for {} s", args.procs, args.seconds));
        Self { bar, replacing, looked: Instant::now(), lookups: 0, pss_peak: 0 }
    }

    fn look(&mut self, peers: &Peers, path: &Path) {
        let since = self.looked.elapsed();
        if since < Self::EVERY || (self.bar.is_hidden() && !self.replacing) {
            return;
        }
        self.looked = Instant::now();
        let pss = peers.mapped(path).proportional;
        self.pss_peak = self.pss_peak.max(pss);
        let lookups = peers.lookups();
        let rate = (lookups - self.lookups) as f64 / since.as_secs_f64();
        self.lookups = lookups;
        let (rate, pss) = (HumanCount(rate as u64), HumanBytes(pss));
        self.bar.set_message(format!("{rate} lookups/s, PSS {pss}"));
        self.bar.tick();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_wrong_answer_fails_the_run() {
        let verdict = |counted| match verdict(Path::new("t"), &counted) {
            Err(Failure::Failed { kind, .. }) => Some(kind),
            _ => None,
        };
        assert_eq!(verdict(Counted::default()), None);
        assert_eq!(verdict(Counted { wrong: 1, ..Counted::default() }), Some(ErrorKind::Data));
        assert_eq!(verdict(Counted { mixed: 1, ..Counted::default() }), Some(ErrorKind::Data));
        let error = Some("t is gone".to_owned());
        assert_eq!(verdict(Counted { error, ..Counted::default() }), Some(ErrorKind::Io));
    }
}
