//! Where graven has set out to stand: each bar that a run can decide, and what it reached.

use crate::{
    contestant::Kind,
    host,
    results::{Row, Run},
    workload::Workload,
};

pub struct Bar {
    pub what: String,
    pub reached: f64,
    pub asked: f64,
    /// Otherwise: at most.
    pub at_least: bool,
}

impl Bar {
    pub fn stands(&self) -> bool {
        if self.at_least { self.reached >= self.asked } else { self.reached <= self.asked }
    }
}

/// Whom graven is held against.
enum Against {
    One(&'static str),
    /// The fastest of these.
    BestOf(&'static [&'static str]),
    /// The fastest rival that holds keys and values of any length.
    BestOfAnyLength,
    /// The fastest rival of any kind.
    Best,
}

use Against::{Best, BestOf, BestOfAnyLength, One};

/// Data sets that a bar is set for.
#[derive(Clone, Copy, PartialEq)]
enum Sets {
    All,
    /// u64 and id: keys and values of one length each.
    Short,
    /// URLs and locale data.
    Long,
    AllButU64,
}

/// graven's time at most this part of another's: with AVX-512, and with AVX2 or less.
struct Ratio {
    measure: &'static str,
    against: Against,
    sets: Sets,
    avx512: f64,
    avx2: f64,
}

const fn ratio(measure: &'static str, against: Against, sets: Sets, asked: [f64; 2]) -> Ratio {
    Ratio { measure, against, sets, avx512: asked[0], avx2: asked[1] }
}

const MAPS: &[&str] = &["rkyv", "rkyv-fixed"];
const HASHES: &[&str] = &["rkyv", "rkyv-fixed", "ptr_hash"];
const ONE_LINE: &str = "floor: 1 line";
const TWO_LINES: &str = "floor: 2 lines";

/// Lookups at 1M.
const LOOKUPS: [Ratio; 16] = [
    ratio("hit", One("tinycdb"), Sets::All, [0.28, 0.40]),
    ratio("hit", BestOf(HASHES), Sets::Long, [0.60, 0.60]),
    ratio("hit", BestOf(HASHES), Sets::Short, [0.80, 0.95]),
    ratio("hit", One("odht"), Sets::Short, [1.4, 1.4]),
    ratio("dependent", BestOfAnyLength, Sets::Long, [0.90, 0.80]),
    ratio("dependent", BestOfAnyLength, Sets::Short, [0.90, 0.95]),
    ratio("dependent", One("odht"), Sets::Short, [1.05, 1.05]),
    ratio("dependent", One(TWO_LINES), Sets::All, [1.15, 1.15]),
    ratio("miss", BestOf(MAPS), Sets::All, [0.90, 1.0]),
    ratio("miss", One("tinycdb"), Sets::Short, [0.15, 0.30]),
    ratio("miss", One("tinycdb"), Sets::Long, [0.20, 0.30]),
    ratio("batch", Best, Sets::All, [0.50, 0.55]),
    ratio("seek", One("lmdb"), Sets::AllButU64, [0.40, 0.40]),
    ratio("seek-absent", One("lmdb"), Sets::All, [0.30, 0.30]),
    ratio("scan", One("lmdb"), Sets::All, [1.0 / 1.2, 1.0 / 1.2]),
    ratio("scan", One(ONE_LINE), Sets::All, [1.25, 1.25]),
];

/// Lookups at 10M and more: what the index saves of memory's time is less than its waits for it.
const LARGE_LOOKUPS: [Ratio; 2] = [
    ratio("hit", Best, Sets::All, [1.0, 1.0]),
    ratio("dependent", One(TWO_LINES), Sets::All, [1.15, 1.15]),
];

/// At any size.
const COSTS: [Ratio; 4] = [
    ratio("open", One("odht"), Sets::Short, [1.0, 1.0]),
    ratio("build-sorted", One("tinycdb"), Sets::All, [1.0, 1.0]),
    ratio("build-unsorted", One("tinycdb"), Sets::All, [2.0, 2.0]),
    ratio("build-unsorted", One("lmdb"), Sets::All, [0.25, 0.25]),
];

const LARGE_COSTS: [Ratio; 2] = [
    ratio("readers-4-page-tables", One("lmdb"), Sets::All, [0.01, 0.01]),
    ratio("cold", One("tinycdb"), Sets::All, [1.0, 1.0]),
];

const LARGE: u64 = 10_000_000;

impl Against {
    fn name(&self) -> String {
        match self {
            One(name) => (*name).to_owned(),
            BestOf(names) => format!("best of {}", names.join(", ")),
            BestOfAnyLength => "best of any length".to_owned(),
            Best => "best rival".to_owned(),
        }
    }

    fn median(&self, run: &Run, measure: &str) -> Option<f64> {
        let among = |row: &&Row| match self {
            One(name) => row.name == *name,
            BestOf(names) => names.contains(&row.name),
            BestOfAnyLength => row.kind == Kind::Rival && row.variable,
            Best => row.kind == Kind::Rival,
        };
        let medians = run.rows.iter().filter(among).filter_map(|row| row.results.median(measure));
        medians.min_by(f64::total_cmp)
    }
}

impl Sets {
    fn has(self, workload: Workload) -> bool {
        let short = matches!(workload, Workload::U64 | Workload::Id);
        match self {
            Sets::All => true,
            Sets::Short => short,
            Sets::Long => !short,
            Sets::AllButU64 => workload != Workload::U64,
        }
    }
}

pub fn of(run: &Run) -> Vec<Bar> {
    let Some(graven) = run.row("graven") else { return Vec::new() };
    let (lookups, costs): (&[Ratio], &[Ratio]) = match run.shape.entries >= LARGE {
        true => (&LARGE_LOOKUPS, &LARGE_COSTS),
        false => (&LOOKUPS, &[]),
    };
    let asked = lookups.iter().chain(&COSTS).chain(costs);
    let asked = asked.filter(|ratio| ratio.sets.has(run.workload));
    let wide = host::instructions().is_some_and(|name| name == "avx512");
    let mut bars: Vec<Bar> = asked
        .filter_map(|ratio| {
            let other = ratio.against.median(run, ratio.measure)?;
            let reached = graven.results.median(ratio.measure)? / other;
            let what = format!("{} ÷ {}", ratio.measure, ratio.against.name());
            let asked = if wide { ratio.avx512 } else { ratio.avx2 };
            Some(Bar { what, reached, asked, at_least: false })
        })
        .collect();
    absolute(run, graven, &mut bars);
    packed(run, &mut bars);
    bars
}

/// Packed tables: what they take of others' bytes and time. The plain table has its hash index, too.
fn packed(run: &Run, bars: &mut Vec<Bar>) {
    const PLAIN: &str = "graven-hash";
    let asked: &[(&str, &str, &str, f64)] = match run.workload {
        Workload::Docs => &[
            ("graven-zstd", "file", PLAIN, 0.35),
            ("graven-zstd", "file", "rocksdb-zstd", 1.1),
            ("graven-zstd-19", "file", "rocksdb-zstd", 1.1),
            ("graven-zstd", "hit", "mtbl-zlib", 0.15),
            ("graven-zstd", "hit", "rocksdb-zstd", 0.25),
        ],
        Workload::Cldr => &[
            ("graven-fsst-keys", "file", PLAIN, 0.45),
            ("graven-fsst-keys", "file", "mtbl-zlib", 1.3),
        ],
        Workload::Url => {
            &[("graven-keys", "hit", PLAIN, 1.15), ("graven-keys", "scan", PLAIN, 0.9)]
        }
        _ => &[],
    };
    for &(name, measure, other, asked) in asked {
        if let Some((own, others)) = run.median(name, measure).zip(run.median(other, measure)) {
            let what = format!("{name}: {measure} ÷ {other}");
            bars.push(Bar { what, reached: own / others, asked, at_least: false });
        }
    }
}

/// graven held against itself, and what is counted in bytes, microseconds and faults.
fn absolute(run: &Run, graven: &Row, bars: &mut Vec<Bar>) {
    let fixed = run.shape.key_len.is_some() && run.shape.value_len.is_some();
    let large = run.shape.entries >= LARGE;
    let own = |measure: &str| graven.results.median(measure);
    let mut add = |what: &str, reached: Option<f64>, asked: f64, at_least: bool| {
        if let Some(reached) = reached {
            bars.push(Bar { what: what.to_owned(), reached, asked, at_least });
        }
    };
    let ratio = |a: Option<f64>, b: Option<f64>| Some(a? / b?);
    add("seek + 10: absent ÷ stored", ratio(own("seek-absent"), own("seek")), 1.4, false);
    let ordered = |measure: &str| run.median("graven-ordered", measure);
    let batched = ratio(ordered("batch"), ordered("hit"));
    add("ordered index alone: batch ÷ hit", batched.filter(|_| !large), 0.45, false);
    let scaling = ratio(own("threads-scaling"), run.median(TWO_LINES, "threads-scaling"));
    add("2 threads: scaling ÷ that of the 2-line floor", scaling, 0.95, true);
    let backward = ratio(own("scan"), own("scan-back"));
    add("scan backward: speed ÷ forward", backward, 0.6, true);
    add("open + first get, µs", own("open"), 15.0, false);
    let both = run.median("graven-hash", "overhead").or(own("overhead"));
    add("overhead, both indexes, B/entry", both, if fixed { 7.5 } else { 9.5 }, false);
    if fixed {
        add("overhead, ordered index alone, B/entry", ordered("overhead"), 1.5, false);
    }
    let pss = own("readers-4-pss").zip(own("file")).map(|(pss, file)| (pss - file) * 1e3);
    add("4 readers: PSS above the file, kB", pss, 400.0, false);
    add("4 readers: private memory each, kB", own("readers-4-private"), 100.0, false);
    if run.workload == Workload::Id && large {
        add("cold: major faults per get", own("cold-faults"), 1.9, false);
    }
    add("all pages checked ÷ never", own("first-touch-all-ratio"), 1.05, false);
    add("half of the pages checked ÷ never", own("first-touch-half-ratio"), 1.25, false);
}
