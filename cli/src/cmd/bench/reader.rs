//! One reader process of a bench. It says `ready` and waits for a word of its parent. Then it opens
//! the table, says `open` and waits for the next word. Then it reads, reports its progress, and
//! reports its result as one JSON object. It runs until its standard input ends, so that its memory
//! can be measured.

use super::asked::{Asked, Decoding, Store};
use super::histogram::Histogram;
use super::sample::{Lookup, VERSIONS, answer};
use crate::args::BenchReader;
use crate::exit::{Failure, Outcome, reading};
use crate::open::{self, AnyLive};
use graven::{AccessPattern, AnySet, BuildId, ErrorKind, Table, ValueBuffer};
use serde_json::json;
use std::cell::RefCell;
use std::io::{self, BufRead, Write};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

/// Number of lookups that one pinned table answers, as it would those of one request.
const REQUEST: usize = 64;
/// One lookup in this many is timed alone, because reading the clock costs a quarter of a lookup.
/// The other lookups are timed together, so that no long one is missed.
pub(super) const TIMED: usize = 8;
/// Time between two reports of progress.
const REPORT: Duration = Duration::from_millis(250);
/// Priority of readers that give way. Each has a tenth of the publisher's weight, so eight readers
/// on one processor leave the publisher half of it.
const NICE: i32 = 10;

pub(crate) fn run(args: &BenchReader) -> Result<Outcome, Failure> {
    let sample = open::table(&args.sample, AccessPattern::Auto)?;
    // This maps all pages of the sample in every reader, so that no page counts as private to one.
    sample.verify().map_err(reading(&args.sample))?;
    let versions = versions(args, &sample)?;
    if args.give_way {
        // If this fails, at worst fewer tables are published, and the result shows it.
        let _ = rustix::process::nice(NICE);
    }
    let mut parent = io::stdin().lock().lines();
    let mut counters: Vec<Counter> = (0..args.threads).map(|_| Counter::new()).collect();

    let _ = say("ready");
    let _open = parent.next();
    let asked = Asked::open(&args.table, args.reading.access())?;
    let _ = say("open");
    let _go = parent.next();

    let start = Instant::now();
    let shared = Shared { args, sample: &sample, asked: &asked, versions, start };
    let done: Vec<AtomicU64> = (0..args.threads).map(|_| AtomicU64::new(0)).collect();
    let failed = AtomicBool::new(false);
    let mut results = Vec::new();
    thread::scope(|scope| {
        let mut work = counters.drain(..).enumerate().map(|(number, counter)| {
            let (shared, done, failed) = (&shared, &done, &failed);
            move || shared.read(number, counter, done, failed)
        });
        let first = work.next();
        let others: Vec<_> = work.map(|work| scope.spawn(work)).collect();
        results.extend(first.map(|work| work()));
        results.extend(others.into_iter().filter_map(|thread| thread.join().ok()));
    });
    if results.len() < args.threads {
        return Err(Failure::new(ErrorKind::Io, "a reader thread has died"));
    }
    let _ = say(&result(&results, start.elapsed()));
    let _end = parent.next();
    Ok(Outcome::Fine)
}

/// Writes a line to the parent. Callers may ignore an error: the parent has ended then, and the
/// wait for its next word ends at once.
fn say(line: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{line}").and_then(|()| out.flush())
}

/// The build ids of both versions.
fn versions(args: &BenchReader, sample: &Table) -> Result<[BuildId; 2], Failure> {
    let metadata = sample.metadata().map_err(reading(&args.sample))?;
    let [first, second] =
        VERSIONS.map(|name| <[u8; 16]>::try_from(metadata.get(name)?).ok().map(BuildId::from));
    match (first, second) {
        (Some(first), Some(second)) => Ok([first, second]),
        _ => Err(Failure::at(ErrorKind::Data, args.sample.display(), "is no sample of lookups")),
    }
}

fn result(counters: &[Counter], elapsed: Duration) -> String {
    let mut latencies = Histogram::new();
    counters.iter().for_each(|counter| latencies.add(&counter.latencies));
    let sum = |count: fn(&Counter) -> u64| counters.iter().map(count).sum::<u64>();
    let error = counters.iter().find_map(|counter| counter.error.as_deref());
    json!({
        "lookups": sum(|counter| counter.lookups),
        "wrong": sum(|counter| counter.wrong),
        "mixed": sum(|counter| counter.mixed),
        "errors": sum(|counter| counter.errors),
        "error": error,
        "swaps": sum(|counter| counter.swaps),
        "stalest_ns": sum(|counter| counter.stalest),
        "seconds": elapsed.as_secs_f64(),
        "max_ns": latencies.max,
        "latencies": latencies.filled().collect::<Vec<_>>(),
    })
    .to_string()
}

/// What one thread counts.
struct Counter {
    latencies: Histogram,
    lookups: u64,
    wrong: u64,
    mixed: u64,
    errors: u64,
    error: Option<String>,
    swaps: u64,
    /// Longest time from one look for a new table to the end of the next: how long a new version
    /// may have gone unseen.
    stalest: u64,
}

impl Counter {
    fn new() -> Self {
        Self {
            latencies: Histogram::new(),
            lookups: 0,
            wrong: 0,
            mixed: 0,
            errors: 0,
            error: None,
            swaps: 0,
            stalest: 0,
        }
    }

    #[cold]
    fn failed(&mut self, error: &impl ToString) {
        self.errors += 1;
        self.error.get_or_insert_with(|| error.to_string());
    }

    /// Compares an answer with the answer of the pinned version.
    #[inline]
    fn check<S: Store>(
        &mut self,
        store: S,
        lookup: &Lookup<'_>,
        version: usize,
        value: Option<&S::Value>,
    ) {
        let found = answer(value.map(AsRef::as_ref));
        if found != lookup.answers[version] {
            self.differs(store.is_faulted(value), found == lookup.answers[1 - version]);
        }
    }

    #[cold]
    fn differs(&mut self, faulted: bool, other: bool) {
        // A page that was lost after its lookup reads as zeros, which are not the table's answer.
        if faulted {
            self.failed(&"a page was lost: the file was truncated or its device failed");
        } else {
            *if other { &mut self.mixed } else { &mut self.wrong } += 1;
        }
    }
}

struct Shared<'r> {
    args: &'r BenchReader,
    sample: &'r Table,
    asked: &'r Asked,
    versions: [BuildId; 2],
    start: Instant,
}

impl<'r> Shared<'r> {
    /// One thread's work. The first thread also looks for new tables and reports.
    fn read(
        &self,
        number: usize,
        mut counter: Counter,
        done: &[AtomicU64],
        failed: &AtomicBool,
    ) -> Counter {
        let args = self.args;
        let end = self.start + Duration::from_secs_f64(args.seconds);
        let interval = Duration::from_millis(args.refresh);
        // Readers begin at different places of the same sequence.
        let readers = (args.procs * args.threads) as u64;
        let place = (args.number * args.threads + number) as u64;
        let first = (self.sample.len() as u128 * u128::from(place) / u128::from(readers)) as u32;
        let mut records = self.sample.range(&first.to_be_bytes()[..]..);
        let size = REQUEST.max(args.batch);
        let mut lookups: Vec<Lookup<'_>> = Vec::with_capacity(size);
        let (mut looked, mut reported) = (self.start, self.start);
        let mut now = self.start;
        let buffer = RefCell::new(ValueBuffer::new());
        while now < end && !failed.load(Relaxed) {
            if number == 0 && now - looked >= interval {
                match self.asked.refresh() {
                    Ok(swapped) => counter.swaps += u64::from(swapped),
                    Err(error) => counter.failed(&error),
                }
                counter.stalest = counter.stalest.max(looked.elapsed().as_nanos() as u64);
                looked = now;
            }
            lookups.clear();
            while lookups.len() < size {
                match records.next() {
                    Some(Ok((_, record))) => lookups.extend(Lookup::parse(record)),
                    Some(Err(error)) => {
                        counter.failed(&error);
                        failed.store(true, Relaxed);
                        break;
                    }
                    None => records = self.sample.iter(),
                }
            }
            now = self.request(&lookups, &buffer, &mut counter);
            done[number].store(counter.lookups, Relaxed);
            if number == 0 && now - reported >= REPORT {
                reported = now;
                let done: u64 = done.iter().map(|done| done.load(Relaxed)).sum();
                if say(&format!("at {done}")).is_err() {
                    // The parent has ended, so nobody waits for the result.
                    failed.store(true, Relaxed);
                }
            }
        }
        counter
    }

    /// Answers some lookups from one pinned table, or from the set. Returns the time when it was
    /// done.
    fn request(
        &self,
        lookups: &[Lookup<'_>],
        buffer: &RefCell<ValueBuffer>,
        counter: &mut Counter,
    ) -> Instant {
        match self.asked {
            Asked::Live(AnyLive::Plain(live)) => self.answer(&*live.pin(), lookups, counter),
            Asked::Live(AnyLive::Packed(live)) => {
                self.answer(Decoding { store: &*live.pin(), buffer }, lookups, counter);
            }
            Asked::Set(AnySet::Plain(set)) => self.answer(set, lookups, counter),
            Asked::Set(AnySet::Packed(set)) => {
                self.answer(Decoding { store: set, buffer }, lookups, counter);
            }
        }
        Instant::now()
    }

    fn answer(&self, store: impl Store, lookups: &[Lookup<'_>], counter: &mut Counter) {
        let id = store.id();
        let Some(version) = self.versions.iter().position(|version| *version == id) else {
            return counter.failed(&"a table is served that was never published");
        };
        match self.args.batch {
            1 => one_by_one(store, version, lookups, counter),
            batch => batches(store, version, lookups, batch, counter),
        }
        counter.lookups += lookups.len() as u64;
    }
}

fn one_by_one<S: Store>(store: S, version: usize, lookups: &[Lookup<'_>], counter: &mut Counter) {
    for group in lookups.chunks(TIMED) {
        let mut found = [const { Ok(None) }; TIMED];
        let begin = Instant::now();
        found[0] = store.get(group[0].key);
        let first = Instant::now();
        for (found, lookup) in found.iter_mut().zip(group).skip(1) {
            *found = store.get(lookup.key);
        }
        let rest = first.elapsed().as_nanos() as u64;
        counter.latencies.record((first - begin).as_nanos() as u64);
        counter.latencies.max = counter.latencies.max.max(rest);
        for (found, lookup) in found.iter().zip(group) {
            match found {
                Ok(value) => counter.check(store, lookup, version, value.as_ref()),
                Err(error) => counter.failed(error),
            }
        }
    }
}

fn batches<S: Store>(
    store: S,
    version: usize,
    lookups: &[Lookup<'_>],
    batch: usize,
    counter: &mut Counter,
) {
    let mut found = Vec::with_capacity(batch);
    let mut keys = Vec::with_capacity(batch);
    for group in lookups.chunks(batch) {
        keys.clear();
        keys.extend(group.iter().map(|lookup| lookup.key));
        let begin = Instant::now();
        let answers = store.get_many(&keys, &mut found);
        counter.latencies.record(begin.elapsed().as_nanos() as u64);
        match answers {
            Ok(()) => {
                for (value, lookup) in found.iter().zip(group) {
                    counter.check(store, lookup, version, value.as_ref());
                }
            }
            Err(error) => counter.failed(&error),
        }
    }
}
