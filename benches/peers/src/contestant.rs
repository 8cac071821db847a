//! What a contestant is. `Contestant` makes and opens stores, `Store` and `Session` are what it
//! implements, and `Lane` is what the harness drives: its loops are compiled once per store, so
//! that no virtual call stands between the clock and the lookup.

use std::{
    path::{Path, PathBuf},
    sync::Barrier,
    time::Instant,
};

use crate::{
    Result,
    dataset::{Dataset, Input, Shape},
    queries::{Probe, Window},
};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    Graven,
    Rival,
    /// Lives on the heap of one process; nothing is shared and nothing is opened.
    Heap,
    /// Not a store: the least that the memory system charges.
    Floor,
}

impl Kind {
    pub fn name(self) -> &'static str {
        match self {
            Kind::Graven => "graven",
            Kind::Rival => "rival",
            Kind::Heap => "heap",
            Kind::Floor => "floor",
        }
    }
}

/// How the file is going to be read; contestants that can say so to the kernel do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Access {
    Normal,
    Random,
    /// At random, in a file that memory can't hold. graven's default finds that out by itself.
    Pressed,
}

/// Where a contestant keeps its files, and the data set that they were built from.
#[derive(Clone, Debug)]
pub struct Place {
    pub dir: PathBuf,
    pub input: PathBuf,
    pub shape: Shape,
}

impl Place {
    pub fn file(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }
}

pub trait Contestant: Sync {
    fn name(&self) -> &'static str;

    fn kind(&self) -> Kind {
        Kind::Rival
    }

    /// The options it got, in one line, for the report.
    fn options(&self) -> &'static str;

    /// Whether it can hold keys and values of any length: graven is held against these.
    fn variable(&self) -> bool {
        true
    }

    fn holds(&self, _shape: &Shape) -> bool {
        true
    }

    /// Whether its build is worth measuring.
    fn builds(&self) -> bool {
        true
    }

    /// Whether several processes may have it open, as it is opened here.
    fn processes(&self) -> bool {
        true
    }

    /// Whether it keeps what it read in a cache of its own, beside the page cache.
    fn caches(&self) -> bool {
        false
    }

    /// The contestant whose files it reads instead of writing the same bytes again.
    fn shares(&self) -> Option<&'static str> {
        None
    }

    /// Writes the store into `dir`, without syncing it. Not measured apart from this call.
    fn build(&self, input: &Input, dir: &Path) -> Result<()>;

    fn open(&self, place: &Place, access: Access) -> Result<Box<dyn Lane>>;
}

pub trait Store: Send + Sync {
    type Session<'s>: Session
    where
        Self: 's;

    const SEEK: bool = false;
    const FORWARD: bool = false;
    const BACKWARD: bool = false;
    /// `FORWARD` yields ascending keys.
    const ORDERED: bool = true;

    /// What one thread needs for its lookups: a read transaction, a prepared statement.
    fn session(&self) -> Self::Session<'_>;
}

pub trait Session {
    fn get<T>(&mut self, probe: Probe<'_>, f: impl FnOnce(&[u8]) -> T) -> Option<T>;

    /// Calls `f(i, value)` for each probe of the window, in any order.
    fn batch(&mut self, window: Window<'_>, mut f: impl FnMut(usize, Option<&[u8]>)) {
        for i in 0..window.len() {
            if self.get(window.probe(i), |value| f(i, Some(value))).is_none() {
                f(i, None);
            }
        }
    }

    /// Up to `limit` entries from the first whose key is not below the probe's.
    fn seek(&mut self, _probe: Probe<'_>, _limit: usize, _f: impl FnMut(&[u8], &[u8])) {}

    /// All entries.
    fn scan(&mut self, _forward: bool, _f: impl FnMut(&[u8], &[u8])) {}
}

/// Nanoseconds of the whole window, and how many of its answers were right.
#[derive(Clone, Copy, Debug)]
pub struct Lap {
    pub nanos: f64,
    pub good: u64,
}

#[derive(Clone, Copy, Debug)]
pub struct Abilities {
    pub seek: bool,
    pub forward: bool,
    pub backward: bool,
}

pub const BATCH: usize = 64;
pub const SEEK_ENTRIES: usize = 10;

pub trait Lane: Send + Sync {
    fn abilities(&self) -> Abilities;
    fn hits(&self, window: Window<'_>) -> Lap;
    fn dependent(&self, window: Window<'_>) -> Lap;
    fn misses(&self, window: Window<'_>) -> Lap;
    fn batches(&self, window: Window<'_>) -> Lap;
    fn threads(&self, window: Window<'_>, threads: usize) -> Lap;
    fn seeks(&self, window: Window<'_>) -> Lap;
    fn scan(&self, forward: bool) -> (Lap, u64);
    fn verify(&self, data: &Dataset) -> Result<()>;
}

/// The folded sum of all bytes: a scan has to look at every one of them.
#[inline(always)]
pub fn touch(bytes: &[u8]) -> u64 {
    let (words, rest) = bytes.as_chunks::<8>();
    let mut sum = 0u64;
    for word in words {
        sum = sum.wrapping_add(u64::from_le_bytes(*word));
    }
    for &byte in rest {
        sum = sum.wrapping_add(u64::from(byte));
    }
    sum
}

#[inline(always)]
fn right(probe: &Probe<'_>, value: &[u8]) -> bool {
    value.len() == probe.value_len() && (value.is_empty() || value[0] == probe.value_byte())
}

fn lap(start: Instant, good: u64) -> Lap {
    Lap { nanos: start.elapsed().as_nanos() as f64, good }
}

fn run_hits<S: Session>(session: &mut S, window: Window<'_>) -> u64 {
    let mut good = 0;
    for i in 0..window.len() {
        let probe = window.probe(i);
        good += u64::from(session.get(probe, |value| right(&probe, value)) == Some(true));
    }
    good
}

impl<S: Store> Lane for S {
    fn abilities(&self) -> Abilities {
        Abilities { seek: S::SEEK, forward: S::FORWARD, backward: S::BACKWARD }
    }

    fn hits(&self, window: Window<'_>) -> Lap {
        let mut session = self.session();
        let start = Instant::now();
        let good = run_hits(&mut session, window);
        lap(start, good)
    }

    fn dependent(&self, window: Window<'_>) -> Lap {
        let mut session = self.session();
        // Zero, but the compiler does not know: the address of the next query waits for the
        // last answer, and all contestants still see the same sequence.
        let zero = std::hint::black_box(0usize);
        let (mut good, mut last) = (0, 0usize);
        let start = Instant::now();
        for i in 0..window.len() {
            let probe = window.probe(i + (last & zero));
            let answer = session.get(probe, |value| {
                (right(&probe, value), value.first().copied().unwrap_or_default())
            });
            if let Some((ok, byte)) = answer {
                good += u64::from(ok);
                last = usize::from(byte);
            }
        }
        lap(start, good)
    }

    fn misses(&self, window: Window<'_>) -> Lap {
        let mut session = self.session();
        let mut good = 0;
        let start = Instant::now();
        for i in 0..window.len() {
            let probe = window.probe(i);
            // Only the floors find something: they have to touch it all the same.
            let found = session.get(probe, |value| std::hint::black_box(right(&probe, value)));
            good += u64::from(found.is_none());
        }
        lap(start, good)
    }

    fn batches(&self, window: Window<'_>) -> Lap {
        let mut session = self.session();
        let mut good = 0;
        let start = Instant::now();
        for batch in window.chunks(BATCH) {
            session.batch(batch, |i, value| {
                let probe = batch.probe(i);
                good += u64::from(value.is_some_and(|value| right(&probe, value)));
            });
        }
        lap(start, good)
    }

    fn threads(&self, window: Window<'_>, threads: usize) -> Lap {
        let barrier = Barrier::new(threads);
        let share = window.len() / threads;
        let laps: Vec<(Instant, Instant, u64)> = std::thread::scope(|scope| {
            let handles: Vec<_> = (0..threads)
                .map(|t| {
                    let (barrier, window) = (&barrier, window.slice(t * share, share));
                    scope.spawn(move || {
                        let mut session = self.session();
                        barrier.wait();
                        let start = Instant::now();
                        let good = run_hits(&mut session, window);
                        (start, Instant::now(), good)
                    })
                })
                .collect();
            handles.into_iter().map(|h| h.join().expect("a reader thread panicked")).collect()
        });
        let first = laps.iter().map(|l| l.0).min().expect("at least one thread");
        let last = laps.iter().map(|l| l.1).max().expect("at least one thread");
        let good = laps.iter().map(|l| l.2).sum();
        Lap { nanos: (last - first).as_nanos() as f64, good }
    }

    fn seeks(&self, window: Window<'_>) -> Lap {
        let mut session = self.session();
        let mut good = 0;
        let start = Instant::now();
        for i in 0..window.len() {
            let probe = window.probe(i);
            let (mut seen, mut sum) = (0, 0u64);
            session.seek(probe, SEEK_ENTRIES, |key, value| {
                seen += 1;
                sum += u64::from(key[key.len() - 1]) + value.len() as u64;
            });
            std::hint::black_box(sum);
            good += u64::from(seen > 0);
        }
        lap(start, good)
    }

    fn scan(&self, forward: bool) -> (Lap, u64) {
        let mut session = self.session();
        let (mut seen, mut sum) = (0, 0u64);
        let start = Instant::now();
        session.scan(forward, |key, value| {
            seen += 1;
            sum = sum.wrapping_add(touch(key)).wrapping_add(touch(value));
        });
        (lap(start, seen), sum)
    }

    fn verify(&self, data: &Dataset) -> Result<()> {
        crate::check::check(self, data)
    }
}
