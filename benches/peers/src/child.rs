//! Measures that need a process of their own: this program runs itself. A builder's peak memory
//! is then its own, and readers are as separate as a user's.

use std::{
    fs,
    io::{BufRead, BufReader, Write, stdin, stdout},
    path::Path,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    time::Instant,
};

use serde_json::{Value, json};

use crate::{
    Result,
    contestant::{Access, Contestant, Kind, Place},
    contestants,
    dataset::{Input, Shape},
    files, procfs,
    queries::Queries,
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
        let mut child = command("reader", contestant, &[&place.dir, &place.input, queries])?
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let to = child.stdin.take().ok_or("no pipe to the reader")?;
        let from = BufReader::new(child.stdout.take().ok_or("no pipe from the reader")?);
        readers.push(Peer { child, to, from });
    }
    let answers = together(&mut readers);
    for peer in readers {
        peer.end()?;
    }
    answers
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
    readers.iter_mut().map(Peer::ask).collect()
}

struct Peer {
    child: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
}

impl Peer {
    fn hear(&mut self) -> Result<String> {
        let mut line = String::new();
        self.from.read_line(&mut line)?;
        if line.is_empty() { Err("a reader died".into()) } else { Ok(line) }
    }

    fn say(&mut self, what: &str) -> Result<()> {
        Ok(writeln!(self.to, "{what}")?)
    }

    fn ask(&mut self) -> Result<Reader> {
        self.say("look")?;
        let answer: Value = serde_json::from_str(&self.hear()?)?;
        let number = |name: &str| answer[name].as_u64().ok_or("a reader that says nothing");
        Ok(Reader {
            pss: number("pss")?,
            private: number("private")?,
            page_tables: number("page_tables")?,
        })
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
        [role, name, dir, input, queries] if role == "reader" => {
            let input = Path::new(input);
            let shape = Shape::read(input)?;
            let place = Place { dir: dir.into(), input: input.into(), shape };
            run_reader(&*find(name)?, &place, Path::new(queries))
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
