//! Where graven has set out to stand: each bar that a run can decide, and what it reached.

use crate::{
    contestant::Kind,
    results::{Row, Run},
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

/// Bars against another contestant: measure, against whom, at most this ratio.
const RATIOS: [(&str, &str, f64); 16] = [
    ("hit", VARIABLE, 0.28),
    ("hit", "odht", 1.4),
    ("dependent", TWO_LINES, 1.15),
    ("miss", "tinycdb", 0.15),
    ("miss", ONE_LINE, 1.7),
    ("batch", "tinycdb", 0.15),
    ("batch", ONE_LINE, 2.7),
    ("seek", "lmdb", 0.40),
    ("scan", "lmdb", 1.0 / 1.2),
    ("scan", ONE_LINE, 1.0 / 0.8),
    ("open", "odht", 1.0),
    ("build-sorted", "tinycdb", 1.0),
    ("build-unsorted", "tinycdb", 2.0),
    ("build-unsorted", "lmdb", 0.25),
    ("readers-4-page-tables", "lmdb", 0.01),
    ("cold", "tinycdb", 1.0),
];

const VARIABLE: &str = "best of any length";
const ONE_LINE: &str = "floor: 1 line";
const TWO_LINES: &str = "floor: 2 lines";
const LARGE: u64 = 10_000_000;

/// odht's tags lie in the L2 cache at 1M and no longer at 10M.
const ODHT_LARGE: f64 = 1.1;

pub fn of(run: &Run) -> Vec<Bar> {
    let mut bars = Vec::new();
    let Some(graven) = run.row("graven") else { return bars };
    for (measure, against, asked) in RATIOS {
        let other = match against {
            VARIABLE => best_variable(run, measure),
            name => run.median(name, measure),
        };
        if !asked_here(run, measure) {
            continue;
        }
        if let (Some(value), Some(other)) = (graven.results.median(measure), other) {
            let large = run.shape.entries >= LARGE && against == "odht" && measure == "hit";
            let asked = if large { ODHT_LARGE } else { asked };
            let what = format!("{measure} ÷ {against}");
            bars.push(Bar { what, reached: value / other, asked, at_least: false });
        }
    }
    absolute(run, graven, &mut bars);
    bars
}

/// Some bars are set for some data sets only.
fn asked_here(run: &Run, measure: &str) -> bool {
    match measure {
        "seek" => run.workload.name() != "u64",
        "cold" | "readers-4-page-tables" => run.shape.entries >= LARGE,
        _ => true,
    }
}

fn best_variable(run: &Run, measure: &str) -> Option<f64> {
    let rivals = run.rows.iter().filter(|row| row.kind == Kind::Rival && row.variable);
    rivals.filter_map(|row| row.results.median(measure)).min_by(f64::total_cmp)
}

fn absolute(run: &Run, graven: &Row, bars: &mut Vec<Bar>) {
    let fixed = run.shape.key_len.is_some() && run.shape.value_len.is_some();
    let own = |measure: &str| graven.results.median(measure);
    let mut add = |what: &str, reached: Option<f64>, asked: f64, at_least: bool| {
        if let Some(reached) = reached {
            bars.push(Bar { what: what.to_owned(), reached, asked, at_least });
        }
    };
    let ratio = |a: Option<f64>, b: Option<f64>| Some(a? / b?);
    let scaling = ratio(own("threads-scaling"), run.median(TWO_LINES, "threads-scaling"));
    add("2 threads: scaling ÷ that of the 2-line floor", scaling, 0.95, true);
    let backward = ratio(own("scan"), own("scan-back"));
    add("scan backward: speed ÷ forward", backward, 0.6, true);
    add("open + first get, µs", own("open"), 15.0, false);
    let both = run.median("graven-hash", "overhead").or(own("overhead"));
    add("overhead, both indexes, B/entry", both, if fixed { 7.5 } else { 9.5 }, false);
    if fixed {
        let ordered = run.median("graven-ordered", "overhead");
        add("overhead, ordered index alone, B/entry", ordered, 1.5, false);
    }
    let pss = own("readers-4-pss").zip(own("file")).map(|(pss, file)| (pss - file) * 1e3);
    add("4 readers: PSS above the file, kB", pss, 400.0, false);
    add("4 readers: private memory each, kB", own("readers-4-private"), 100.0, false);
    if run.workload.name() == "id" && run.shape.entries >= LARGE {
        add("cold: major faults per get", own("cold-faults"), 1.9, false);
    }
    add("all pages checked ÷ never", own("first-touch-all-ratio"), 1.05, false);
    add("half of the pages checked ÷ never", own("first-touch-half-ratio"), 1.25, false);
}
