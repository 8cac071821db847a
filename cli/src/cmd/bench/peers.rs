//! The reader processes, from the parent's side.

use super::histogram::Histogram;
use crate::args::Bench;
use crate::exit::Failure;
use crate::proc::{Mapped, Process};
use graven::ErrorKind;
use serde_json::Value;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::Duration;

/// How many times a reader looks for a new table between two replacements.
const LOOKS: u64 = 4;
/// Limits of the time between two looks for a new table, in milliseconds.
const LOOK_EVERY: std::ops::RangeInclusive<u64> = 5..=200;

/// All reader processes. When this is dropped, those that still run are ended.
pub(super) struct Peers {
    peers: Vec<Peer>,
    lines: Receiver<(usize, Option<String>)>,
}

struct Peer {
    child: Child,
    input: Option<ChildStdin>,
    /// Figures of the process just before it opened the table.
    before: Process,
    lookups: u64,
    result: Option<Value>,
}

/// What all readers counted.
#[derive(Default)]
pub(super) struct Counted {
    pub(super) latencies: Histogram,
    pub(super) lookups: Vec<u64>,
    pub(super) seconds: f64,
    pub(super) wrong: u64,
    pub(super) mixed: u64,
    pub(super) errors: u64,
    pub(super) error: Option<String>,
    pub(super) swaps: u64,
    pub(super) stalest_ns: u64,
}

/// What the kernel counted.
#[derive(Default)]
pub(super) struct Memory {
    pub(super) mapped: Mapped,
    pub(super) private_added: Vec<u64>,
    pub(super) page_tables: u64,
    pub(super) minor_faults: u64,
    pub(super) major_faults: u64,
}

impl Peers {
    /// Starts the readers and lets them open the table. With `give_way` they run at a lower
    /// priority than the publisher.
    pub(super) fn start(
        args: &Bench,
        give_way: bool,
        served: &Path,
        sample: &Path,
    ) -> Result<Self, Failure> {
        let program = std::env::current_exe().map_err(|error| Failure::io("graven", &error))?;
        let looks = (args.every / LOOKS).clamp(*LOOK_EVERY.start(), *LOOK_EVERY.end());
        let (sender, lines) = mpsc::channel();
        let mut peers = Self { peers: Vec::new(), lines };
        for number in 0..args.procs {
            let mut command = Command::new(&program);
            command.arg("bench-reader");
            for (name, value) in [
                ("--number", number.to_string()),
                ("--procs", args.procs.to_string()),
                ("--threads", args.threads.to_string()),
                ("--seconds", args.seconds.to_string()),
                ("--batch", args.batch.to_string()),
                ("--refresh", looks.to_string()),
            ] {
                command.args([name, &value]);
            }
            command.arg(args.reading.argument());
            if give_way {
                command.arg("--give-way");
            }
            command.arg("--").arg(served).arg(sample);
            command.stdin(Stdio::piped()).stdout(Stdio::piped());
            let peer = Peer::start(&mut command, number, sender.clone());
            peers.peers.push(peer.map_err(|error| Failure::io("a reader process", &error))?);
        }
        drop(sender);
        peers.all_say("ready")?;
        for peer in &mut peers.peers {
            peer.before = Process::of(peer.child.id()).unwrap_or_default();
        }
        peers.tell_all("open");
        peers.all_say("open")?;
        Ok(peers)
    }

    /// Lets the readers read until they are done, and calls `look` now and then.
    pub(super) fn run(&mut self, mut look: impl FnMut(&Self)) -> Result<Counted, Failure> {
        const LOOK: Duration = Duration::from_millis(500);
        self.tell_all("go");
        while self.peers.iter().any(|peer| peer.result.is_none()) {
            match self.lines.recv_timeout(LOOK) {
                Err(RecvTimeoutError::Timeout) => {}
                message => {
                    let (number, line) = self.received(message)?;
                    let peer = &mut self.peers[number];
                    match line.strip_prefix("at ").map(str::parse) {
                        Some(lookups) => peer.lookups = lookups.unwrap_or(peer.lookups),
                        None => peer.result = serde_json::from_str(&line).ok(),
                    }
                }
            }
            look(self);
        }
        Ok(self.counted())
    }

    /// Lookups so far, as the readers last reported them.
    pub(super) fn lookups(&self) -> u64 {
        self.peers.iter().map(|peer| peer.lookups).sum()
    }

    /// The sum of the table's mappings in all readers.
    pub(super) fn mapped(&self, table: &Path) -> Mapped {
        let mut sum = Mapped::default();
        for peer in &self.peers {
            let process = peer.child.id().to_string();
            sum.add(Mapped::of(&process, table).unwrap_or_default());
        }
        sum
    }

    /// The readers' memory, measured while they do not read.
    pub(super) fn memory(&self, table: &Path) -> Memory {
        let mut memory = Memory { mapped: self.mapped(table), ..Memory::default() };
        for peer in &self.peers {
            let now = Process::of(peer.child.id()).unwrap_or_default();
            memory.private_added.push(now.private.saturating_sub(peer.before.private));
            memory.page_tables += now.page_tables;
            memory.minor_faults += now.minor_faults.saturating_sub(peer.before.minor_faults);
            memory.major_faults += now.major_faults.saturating_sub(peer.before.major_faults);
        }
        memory
    }

    fn counted(&self) -> Counted {
        let mut counted = Counted::default();
        for result in self.peers.iter().filter_map(|peer| peer.result.as_ref()) {
            let number = |name| result[name].as_u64().unwrap_or(0);
            let buckets = result["latencies"].as_array().into_iter().flatten();
            let buckets = buckets.filter_map(|bucket| {
                Some((bucket.get(0)?.as_u64()? as usize, bucket.get(1)?.as_u64()?))
            });
            counted.latencies.add(&Histogram::from_filled(buckets, number("max_ns")));
            counted.lookups.push(number("lookups"));
            counted.seconds = counted.seconds.max(result["seconds"].as_f64().unwrap_or(0.0));
            counted.wrong += number("wrong");
            counted.mixed += number("mixed");
            counted.errors += number("errors");
            counted.swaps += number("swaps");
            counted.stalest_ns = counted.stalest_ns.max(number("stalest_ns"));
            if counted.error.is_none() {
                counted.error = result["error"].as_str().map(str::to_owned);
            }
        }
        counted
    }

    fn tell_all(&mut self, word: &str) {
        for input in self.peers.iter_mut().filter_map(|peer| peer.input.as_mut()) {
            // A reader that does not take the word has ended. `received` notices that.
            let _ = writeln!(input, "{word}").and_then(|()| input.flush());
        }
    }

    /// Waits until every reader has said the word.
    fn all_say(&mut self, word: &str) -> Result<(), Failure> {
        for _ in 0..self.peers.len() {
            let message = self.lines.recv().map_err(|_| RecvTimeoutError::Disconnected);
            let (_, line) = self.received(message)?;
            if line != word {
                return Err(Failure::new(ErrorKind::Io, format_args!("a reader says {line:?}")));
            }
        }
        Ok(())
    }

    /// A line, or the failure of the reader that has ended without one.
    fn received(
        &mut self,
        message: Result<(usize, Option<String>), RecvTimeoutError>,
    ) -> Result<(usize, String), Failure> {
        let died = |how: &str| Failure::new(ErrorKind::Io, format_args!("a reader process {how}"));
        match message {
            Ok((number, Some(line))) => Ok((number, line)),
            Ok((number, None)) => {
                let status = self.peers[number].child.wait();
                Err(died(&status.map_or("has ended".into(), |status| format!("ended: {status}"))))
            }
            Err(_) => Err(died("has ended")),
        }
    }
}

impl Peer {
    fn start(
        command: &mut Command,
        number: usize,
        lines: Sender<(usize, Option<String>)>,
    ) -> std::io::Result<Self> {
        let mut child = command.spawn()?;
        let input = child.stdin.take();
        let output = child.stdout.take();
        thread::Builder::new().spawn(move || {
            for line in output.into_iter().flat_map(|output| BufReader::new(output).lines()) {
                if lines.send((number, line.ok())).is_err() {
                    return;
                }
            }
            // Once the run is over, nobody receives this.
            let _ = lines.send((number, None));
        })?;
        Ok(Self { child, input, before: Process::default(), lookups: 0, result: None })
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // A reader that has reported its result ends when its input ends. A reader without a result
        // is killed, because the result is no longer needed.
        drop(self.input.take());
        if self.result.is_none() {
            let _ = self.child.kill();
        }
        let _ = self.child.wait();
    }
}
