//! Measures that need a process of their own: this program runs itself. A builder's peak memory
//! is then its own, and readers are as separate as a user's.

use std::{
    fs,
    io::{BufRead, BufReader, Write, stdin, stdout},
    path::Path,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    thread,
    time::{Duration, Instant, SystemTime},
};

use serde_json::{Value, json};

use crate::{
    Result,
    cgroup::Group,
    contestant::{Access, Contestant, Kind, Lane, Place},
    contestants,
    dataset::{Input, Shape},
    files, procfs,
    queries::{Queries, Window},
};

#[derive(Clone, Copy, Debug)]
pub struct Build {
    pub seconds: f64,
    /// Above what the process held before, the input included.
    pub peak_bytes: u64,
}

#[derive(Clone, Copy, Debug, Default)]
pub struct Reader {
    /// This reader's share of the table's mappings.
    pub pss: u64,
    /// Private memory added since just before open.
    pub private: u64,
    /// Page tables added since just before open.
    pub page_tables: u64,
}

/// What a process saw that had less memory than its store has bytes.
#[derive(Clone, Copy, Debug)]
pub struct Pressed {
    /// Of a get, and faults that waited for the disk, of a get.
    pub nanos: f64,
    pub faults: f64,
    /// Bytes of it in swap.
    pub swapped: f64,
    /// Nanoseconds of a get once there was memory again and the files had been read.
    pub after: f64,
}

#[derive(Clone, Copy, Debug)]
pub struct Server {
    /// Lookups in a second.
    pub rate: f64,
    /// Bytes of page tables since just before open.
    pub page_tables: f64,
}

fn find(name: &str) -> Result<Box<dyn Contestant>> {
    let found = contestants::all().into_iter().find(|c| c.name() == name);
    found.ok_or_else(|| format!("{name} is no contestant").into())
}

fn command(role: &str, contestant: &str, arguments: &[&Path]) -> Result<Command> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg("--child").arg(role).arg(contestant).args(arguments);
    Ok(command)
}

/// Builds into `dir`, which is emptied first.
pub fn build(contestant: &str, input: &Path, sorted: bool, dir: &Path) -> Result<Build> {
    if dir.exists() {
        fs::remove_dir_all(dir)?;
    }
    fs::create_dir_all(dir)?;
    let role = if sorted { "build-sorted" } else { "build-unsorted" };
    let output = command(role, contestant, &[input, dir])?.stderr(Stdio::inherit()).output()?;
    if !output.status.success() {
        return Err(format!("the build of {contestant} failed ({})", output.status).into());
    }
    let answer: Value = serde_json::from_slice(&output.stdout)?;
    let number = |name: &str| answer[name].as_f64().ok_or("a build that says nothing");
    Ok(Build { seconds: number("seconds")?, peak_bytes: number("peak_bytes")? as u64 })
}

/// `count` readers at once: all open and touch everything, then each looks at itself.
pub fn readers(
    contestant: &str,
    place: &Place,
    queries: &Path,
    count: usize,
) -> Result<Vec<Reader>> {
    let mut readers = Vec::new();
    for _ in 0..count {
        readers.push(Peer::start("reader", contestant, place, queries)?);
    }
    let answers = together(&mut readers);
    for peer in readers {
        peer.end()?;
    }
    answers
}

/// A reader in `group`, with the role `pressed`, or `pressed-warm` to read the index beforehand. It may have `bytes` more than it takes before it opens its store.
pub fn pressed(
    role: &str,
    contestant: &str,
    place: &Place,
    queries: &Path,
    group: &Group,
    bytes: u64,
) -> Result<Pressed> {
    let mut peer = Peer::start(role, contestant, place, queries)?;
    group.add(peer.child.id())?;
    peer.say("load")?;
    peer.hear()?;
    group.limit(group.bytes()? + bytes)?;
    let under = peer.ask("open", ["nanos", "faults", "swapped"])?;
    group.lift()?;
    let [after] = peer.ask("once more", ["nanos"])?;
    peer.end()?;
    let [nanos, faults, swapped] = under;
    Ok(Pressed { nanos, faults, swapped, after })
}

/// Seconds that processes serve.
const SERVING: f64 = 1.5;

/// Seconds by the clock that all processes share.
fn since_1970() -> f64 {
    SystemTime::UNIX_EPOCH.elapsed().map_or(0.0, |since| since.as_secs_f64())
}

/// `count` processes that look up in the same seconds.
pub fn servers(
    contestant: &str,
    place: &Place,
    queries: &Path,
    count: usize,
) -> Result<Vec<Server>> {
    let mut peers = Vec::new();
    for _ in 0..count {
        peers.push(Peer::start("server", contestant, place, queries)?);
    }
    for peer in &mut peers {
        peer.say("load")?;
        peer.hear()?;
    }
    let begin = since_1970() + 0.1;
    for peer in &mut peers {
        peer.say(&format!("{begin} {}", begin + SERVING))?;
    }
    let mut servers = Vec::new();
    for peer in &mut peers {
        let [rate, page_tables] = peer.answer(["rate", "page_tables"])?;
        servers.push(Server { rate, page_tables });
    }
    peers.into_iter().try_for_each(Peer::end)?;
    Ok(servers)
}

/// Everybody starts, opens and warms up before anybody looks.
fn together(readers: &mut [Peer]) -> Result<Vec<Reader>> {
    for peer in &mut *readers {
        peer.hear()?;
        peer.say("open")?;
    }
    for peer in &mut *readers {
        peer.hear()?;
    }
    let ask = |peer: &mut Peer| {
        let [pss, private, page_tables] = peer.ask("look", ["pss", "private", "page_tables"])?;
        let [pss, private, page_tables] = [pss, private, page_tables].map(|bytes| bytes as u64);
        Ok(Reader { pss, private, page_tables })
    };
    readers.iter_mut().map(ask).collect()
}

struct Peer {
    child: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
}

impl Peer {
    fn start(role: &str, contestant: &str, place: &Place, queries: &Path) -> Result<Peer> {
        let mut child = command(role, contestant, &[&place.dir, &place.input, queries])?
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let to = child.stdin.take().ok_or("no pipe to the child")?;
        let from = BufReader::new(child.stdout.take().ok_or("no pipe from the child")?);
        Ok(Peer { child, to, from })
    }

    fn hear(&mut self) -> Result<String> {
        let mut line = String::new();
        self.from.read_line(&mut line)?;
        if line.is_empty() { Err("a reader died".into()) } else { Ok(line) }
    }

    fn say(&mut self, what: &str) -> Result<()> {
        Ok(writeln!(self.to, "{what}")?)
    }

    /// The named numbers of what it says next.
    fn answer<const N: usize>(&mut self, names: [&str; N]) -> Result<[f64; N]> {
        let answer: Value = serde_json::from_str(&self.hear()?)?;
        let numbers: Option<Vec<f64>> = names.iter().map(|name| answer[name].as_f64()).collect();
        let numbers = numbers.and_then(|numbers| numbers.try_into().ok());
        numbers.ok_or_else(|| "a child that says nothing".into())
    }

    fn ask<const N: usize>(&mut self, what: &str, names: [&str; N]) -> Result<[f64; N]> {
        self.say(what)?;
        self.answer(names)
    }

    /// Closing its input ends the reader.
    fn end(mut self) -> Result<()> {
        drop(self.to);
        self.child.wait()?;
        Ok(())
    }
}

/// The other side: `--child ROLE CONTESTANT PATH...`.
pub fn run(args: &[String]) -> Result<()> {
    match args {
        [role, name, input, dir] if role.starts_with("build-") => {
            run_build(&*find(name)?, Path::new(input), role == "build-sorted", Path::new(dir))
        }
        [role, name, dir, input, queries] => {
            let (input, queries) = (Path::new(input), Path::new(queries));
            let shape = Shape::read(input)?;
            let place = Place { dir: dir.into(), input: input.into(), shape };
            let contestant = &*find(name)?;
            match role.as_str() {
                "reader" => run_reader(contestant, &place, queries),
                "pressed" | "pressed-warm" => run_pressed(role, contestant, &place, queries),
                "server" => run_server(contestant, &place, queries),
                _ => Err("a child without a role".into()),
            }
        }
        _ => Err("a child without a role".into()),
    }
}

fn run_build(contestant: &dyn Contestant, path: &Path, sorted: bool, dir: &Path) -> Result<()> {
    let input = Input::load(path, sorted)?;
    files::warm_memory(dir, 2 * fs::metadata(path)?.len())?;
    procfs::reset_peak()?;
    let before = procfs::resident()?;
    let start = Instant::now();
    contestant.build(&input, dir)?;
    let seconds = start.elapsed().as_secs_f64();
    let peak_bytes = procfs::peak_resident()?.saturating_sub(before);
    Ok(writeln!(stdout(), "{}", json!({ "seconds": seconds, "peak_bytes": peak_bytes }))?)
}

fn run_reader(contestant: &dyn Contestant, place: &Place, queries: &Path) -> Result<()> {
    let queries = {
        let input = Input::load(queries, false)?;
        Queries::of_keys(input.iter().map(|(key, _)| key))
    };
    let keys = queries.keys();
    // What looking costs itself is not to be counted: buffers are allocated and code is paged in.
    procfs::touch(&place.dir)?;
    procfs::mapped(&place.dir)?;
    writeln!(stdout(), "ready")?;
    let mut lines = stdin().lines();
    let Some(_) = lines.next() else { return Ok(()) };
    let (anonymous, tables) = (procfs::anonymous()?, procfs::page_tables()?);
    let lane = contestant.open(place, Access::Normal)?;
    procfs::touch(&place.dir)?;
    if contestant.kind() != Kind::Floor {
        lane.misses(queries.window(&keys));
    }
    writeln!(stdout(), "ready")?;
    let Some(_) = lines.next() else { return Ok(()) };
    let answer = json!({
        "pss": procfs::mapped(&place.dir)?.pss,
        "private": procfs::anonymous()?.saturating_sub(anonymous),
        "page_tables": procfs::page_tables()?.saturating_sub(tables),
    });
    writeln!(stdout(), "{answer}")?;
    // Stay, so that the others still share with us, until the parent has heard everybody.
    let _ = lines.next();
    Ok(())
}

/// Waits for the parent's next word; false once it has closed our input.
fn heard() -> Result<bool> {
    let mut line = String::new();
    Ok(stdin().read_line(&mut line)? > 0)
}

/// Gets that bring memory to its limit, and gets that are measured, at most.
const GETS: usize = 20_000;
/// Seconds after which fewer gets have to do.
const PATIENCE: f64 = 4.0;
const LAP: usize = 500;

/// Asks up to `GETS` keys from `from` on. Nanoseconds of a get, and how many were asked.
fn gets(lane: &dyn Lane, window: Window<'_>, from: usize) -> Result<(f64, usize)> {
    let (mut nanos, mut asked) = (0.0, 0);
    while asked < GETS && nanos < PATIENCE * 1e9 {
        let lap = lane.hits(window.slice((from + asked) % (window.len() - LAP), LAP));
        if lap.good != LAP as u64 {
            return Err("gets fail".into());
        }
        (nanos, asked) = (nanos + lap.nanos, asked + LAP);
    }
    Ok((nanos / asked as f64, asked))
}

fn run_pressed(
    role: &str,
    contestant: &dyn Contestant,
    place: &Place,
    queries: &Path,
) -> Result<()> {
    if !heard()? {
        return Ok(());
    }
    // Queries are made after the process came into its group, so they are no part of the limit.
    let queries = {
        let input = Input::load(queries, false)?;
        Queries::of_entries(input.iter())
    };
    let keys = queries.keys();
    let window = queries.window(&keys);
    writeln!(stdout(), "ready")?;
    if !heard()? {
        return Ok(());
    }
    #[cfg(feature = "graven")]
    if role == "pressed-warm" {
        contestants::graven::warm_index(place)?;
    }
    let lane = contestant.open(place, Access::Pressed)?;
    lane.hits(window.slice(0, 1));
    // Stores without such an option get the advice from us; some map their file only now.
    if contestant.kind() != Kind::Graven {
        procfs::advise_random(&place.dir)?;
    }
    let (_, warmed) = gets(&*lane, window, 0)?;
    let before = procfs::major_faults();
    let (nanos, asked) = gets(&*lane, window, warmed)?;
    let faults = (procfs::major_faults() - before) as f64 / asked as f64;
    let swapped = procfs::swapped()?;
    writeln!(stdout(), "{}", json!({ "nanos": nanos, "faults": faults, "swapped": swapped }))?;
    if !heard()? {
        return Ok(());
    }
    procfs::touch(&place.dir)?;
    lane.hits(window);
    let lap = lane.hits(window);
    writeln!(stdout(), "{}", json!({ "nanos": lap.nanos / window.len() as f64 }))?;
    heard().map(drop)
}

fn run_server(contestant: &dyn Contestant, place: &Place, queries: &Path) -> Result<()> {
    if !heard()? {
        return Ok(());
    }
    let queries = {
        let input = Input::load(queries, false)?;
        Queries::of_keys(input.iter().map(|(key, _)| key))
    };
    let keys = queries.keys();
    let window = queries.window(&keys);
    let tables = procfs::page_tables()?;
    let lane = contestant.open(place, Access::Normal)?;
    procfs::touch(&place.dir)?;
    lane.hits(window);
    writeln!(stdout(), "ready")?;
    let Some(times) = stdin().lines().next() else { return Ok(()) };
    let times: Vec<f64> =
        times?.split(' ').map(str::parse).collect::<std::result::Result<_, _>>()?;
    let &[begin, end] = &times[..] else { return Err("no times".into()) };
    thread::sleep(Duration::from_secs_f64((begin - since_1970()).max(0.0)));
    // Each process starts elsewhere.
    let (mut from, mut asked) = (std::process::id() as usize * 7919 % window.len(), 0);
    while since_1970() < end {
        from = (from + LAP) % (window.len() - LAP);
        lane.hits(window.slice(from, LAP));
        asked += LAP;
    }
    let rate = asked as f64 / (end - begin);
    let page_tables = procfs::page_tables()?.saturating_sub(tables);
    writeln!(stdout(), "{}", json!({ "rate": rate, "page_tables": page_tables }))?;
    heard().map(drop)
}
