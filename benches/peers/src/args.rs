//! The command line, parsed by hand: few options, and no other crate to build.

use std::path::PathBuf;

use crate::{Result, workload::Workload};

pub const HELP: &str = "\
graven-peers: graven beside its rivals

  cargo run --release -- [--quick] [OPTION VALUE]...

  --quick               1M entries (url: 300k), few rivals, short laps: within 3 minutes
  --workload LIST       u64,id,url,cldr,docs (default: all; cldr needs GRAVEN_DATA, docs
                        GRAVEN_DOCS, a file of lines, key TAB value)
  --entries LIST        1000000,10000000 (default)
  --contestant LIST     names as in the report (default: all)
  --measure LIST        hit,dependent,miss,zipf,batch,threads,seek,seek-absent,scan,open,
                        build,readers,cold,
                        first-touch (default: all these), serving (1 to 64 processes),
                        pressure (half the memory that graven's file takes)
  --rounds N            5 (default)
  --lap-ms N            how long one lap of one contestant may take
  --scratch DIR         where the stores are built (default: target/scratch; removed afterwards)
  --out DIR             where the report goes (default: target/report; --record: ../results)
  --record              write a page and a chart per scale into benches/results, named after the
                        scale and the CPU; the JSON with every round stays in target/report
  --list                names of the contestants and what they got
";

#[derive(Debug)]
pub struct Args {
    pub quick: bool,
    pub list: bool,
    pub record: bool,
    pub workloads: Vec<Workload>,
    /// Empty: as `sizes` says.
    pub entries: Vec<usize>,
    /// Empty: everybody.
    pub contestants: Vec<String>,
    /// Empty: everything.
    pub measures: Vec<String>,
    pub rounds: usize,
    pub lap_ms: u64,
    pub scratch: PathBuf,
    /// Where pages and charts go.
    pub out: PathBuf,
    /// Where the JSON goes: `out` unless a record is written.
    pub reports: PathBuf,
}

/// What a quick run races: the bars are held against these.
const QUICK: [&str; 12] = [
    "graven",
    "graven-ordered",
    "tinycdb",
    "sparkey",
    "odht",
    "rkyv",
    "rkyv-fixed",
    "ptr_hash",
    "lmdb",
    "HashMap",
    "floor: 1 line",
    "floor: 2 lines",
];

impl Args {
    pub fn parse(args: impl Iterator<Item = String>) -> Result<Args> {
        let base = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
        let mut parsed = Args {
            quick: false,
            list: false,
            record: false,
            workloads: Workload::ALL.to_vec(),
            entries: Vec::new(),
            contestants: Vec::new(),
            measures: Vec::new(),
            rounds: 5,
            lap_ms: 0,
            scratch: base.join("target/scratch"),
            out: PathBuf::new(),
            reports: base.join("target/report"),
        };
        let mut args = args;
        while let Some(arg) = args.next() {
            let mut value = || args.next().ok_or(format!("{arg} wants a value"));
            match arg.as_str() {
                "--quick" => parsed.quick = true,
                "--list" => parsed.list = true,
                "--record" => parsed.record = true,
                "--workload" => parsed.workloads = list(&value()?, workload)?,
                "--entries" => parsed.entries = list(&value()?, number)?,
                "--contestant" => parsed.contestants = list(&value()?, |s| Ok(s.to_owned()))?,
                "--measure" => parsed.measures = list(&value()?, |s| Ok(s.to_owned()))?,
                "--rounds" => parsed.rounds = number(&value()?)?.max(1),
                "--lap-ms" => parsed.lap_ms = number(&value()?)? as u64,
                "--scratch" => parsed.scratch = value()?.into(),
                "--out" => parsed.out = value()?.into(),
                _ => return Err(format!("{arg} is no option\n\n{HELP}").into()),
            }
        }
        if parsed.out.as_os_str().is_empty() {
            let out = if parsed.record { "../results" } else { "target/report" };
            parsed.out = base.join(out);
        }
        if !parsed.record {
            parsed.reports = parsed.out.clone();
        }
        if parsed.quick && parsed.contestants.is_empty() {
            parsed.contestants = QUICK.iter().map(|name| (*name).to_owned()).collect();
        }
        if parsed.lap_ms == 0 {
            parsed.lap_ms = if parsed.quick { 40 } else { 500 };
        }
        Ok(parsed)
    }

    pub fn sizes(&self, workload: Workload) -> Vec<usize> {
        match (self.entries.is_empty(), workload) {
            // Real data are as large as they are.
            (_, workload) if workload.variable().is_some() => vec![0],
            (false, _) => self.entries.clone(),
            (true, Workload::Url) if self.quick => vec![300_000],
            (true, _) if self.quick => vec![1_000_000],
            (true, _) => vec![1_000_000, 10_000_000],
        }
    }

    pub fn wants(&self, measure: &str) -> bool {
        // Those that take long are measured where they are named.
        let default = self.measures.is_empty() && !["serving", "pressure"].contains(&measure);
        default || self.measures.iter().any(|m| m == measure)
    }

    /// `floor` stands for both floors.
    pub fn races(&self, name: &str) -> bool {
        let named = |c: &String| c == name || name.starts_with("floor") && c == "floor";
        self.contestants.is_empty() || self.contestants.iter().any(named)
    }
}

fn list<T>(text: &str, parse: impl Fn(&str) -> Result<T>) -> Result<Vec<T>> {
    text.split(',').map(str::trim).map(parse).collect()
}

fn number(text: &str) -> Result<usize> {
    let (digits, unit) = match text.as_bytes().last() {
        Some(b'k' | b'K') => (&text[..text.len() - 1], 1000),
        Some(b'm' | b'M') => (&text[..text.len() - 1], 1_000_000),
        _ => (text, 1),
    };
    let number: usize = digits.parse().map_err(|_| format!("{text} is no number"))?;
    Ok(number * unit)
}

fn workload(name: &str) -> Result<Workload> {
    let found = Workload::ALL.into_iter().find(|w| w.name() == name);
    found.ok_or_else(|| format!("{name} is no workload").into())
}
