//! The tables: what everybody measured, and where graven stands against the best of them.

use std::fmt::Write;

use crate::{
    args::Args,
    bars,
    contestant::Kind,
    host,
    results::{Row, Run},
};

/// Measure, column title. Lower is better in all but those that `HIGHER` names.
const SPEED: [(&str, &str); 10] = [
    ("hit", "hit"),
    ("dependent", "dependent"),
    ("miss", "miss"),
    ("zipf", "zipf 0.99"),
    ("batch", "batch of 64"),
    ("threads", "2 threads"),
    ("seek", "seek + 10"),
    ("seek-absent", "seek + 10, absent"),
    ("scan", "scan"),
    ("scan-back", "scan back"),
];

const COST: [(&str, &str); 11] = [
    ("threads-scaling", "2 threads, ×"),
    ("open", "open + get, µs"),
    ("build-sorted", "build sorted, s"),
    ("build-sorted-peak", "peak, MB"),
    ("build-unsorted", "unsorted, s"),
    ("build-unsorted-peak", "peak, MB"),
    ("overhead", "overhead, B/entry"),
    ("file", "file, MB"),
    ("huge-pages", "2 MiB pages, %"),
    ("cold", "cold get, µs"),
    ("cold-faults", "faults per cold get"),
];

const READERS: [(&str, &str); 7] = [
    ("readers-1-pss", "1: PSS, MB"),
    ("readers-2-pss", "2: PSS"),
    ("readers-4-pss", "4: PSS"),
    ("readers-1-private", "1: private each, kB"),
    ("readers-4-private", "4: private each"),
    ("readers-1-page-tables", "1: page tables each, kB"),
    ("readers-4-page-tables", "4: page tables each"),
];

const PRESSURE: [(&str, &str); 6] = [
    ("pressed", "get, µs"),
    ("pressed-faults", "faults per get"),
    ("pressed-warm", "index read before, µs"),
    ("pressed-warm-faults", "faults"),
    ("pressed-swap", "swap, kB"),
    ("pressed-after", "get with memory again, ns"),
];

const SERVING: [(&str, &str); 7] = [
    ("serving-1", "1"),
    ("serving-2", "2"),
    ("serving-4", "4"),
    ("serving-8", "8"),
    ("serving-16", "16"),
    ("serving-32", "32"),
    ("serving-64", "64"),
];

const SERVING_TABLES: [(&str, &str); 7] = [
    ("serving-1-page-tables", "1"),
    ("serving-2-page-tables", "2"),
    ("serving-4-page-tables", "4"),
    ("serving-8-page-tables", "8"),
    ("serving-16-page-tables", "16"),
    ("serving-32-page-tables", "32"),
    ("serving-64-page-tables", "64"),
];

const FIRST_TOUCH: [(&str, &str); 5] = [
    ("first-touch-never", "never, ns"),
    ("first-touch-all", "all checked, ns"),
    ("first-touch-half", "half checked, ns"),
    ("first-touch-all-ratio", "all ÷ never"),
    ("first-touch-half-ratio", "half ÷ never"),
];

/// Compared in the table of ratios.
const COMPARED: [&str; 15] = [
    "hit",
    "dependent",
    "miss",
    "zipf",
    "batch",
    "threads",
    "seek",
    "seek-absent",
    "scan",
    "scan-back",
    "open",
    "build-sorted",
    "build-unsorted",
    "overhead",
    "cold",
];

pub fn page(args: &Args, runs: &[&Run]) -> String {
    let mut out = String::from("# graven and its rivals\n\n");
    let host = host::describe();
    let text = |name: &str| host[name].as_str().unwrap_or("?").to_owned();
    let _ = writeln!(
        out,
        "{}, graven with {}, {} threads, L3 {}, {} GB, Linux {}. Medians of {} rounds{}; nanoseconds per key (per \
         entry in scans) unless said. Only ratios within one table mean something on another \
         machine. How it is measured: `benches/peers/README.md`.\n",
        text("cpu"),
        text("instructions"),
        host["threads"],
        text("l3"),
        host["memory_gb"],
        text("kernel"),
        args.rounds,
        if args.quick { ", a quick run" } else { "" },
    );
    for run in runs {
        out.push_str(&section(run));
    }
    out
}

pub fn section(run: &Run) -> String {
    let mut out = format!("## {}\n\n{}.\n\n", run.title(), capital(run.workload.about()));
    quiet(&mut out, run);
    table(&mut out, run, "Lookups and scans, ns", &SPEED);
    table(&mut out, run, "Costs", &COST);
    table(&mut out, run, "Reader processes", &READERS);
    table(&mut out, run, "Serving processes, million lookups per second of all", &SERVING);
    table(&mut out, run, "Serving processes, page tables of all, MB", &SERVING_TABLES);
    table(&mut out, run, "In memory for half of graven's file", &PRESSURE);
    table(&mut out, run, "Page checks at first touch", &FIRST_TOUCH);
    ratios(&mut out, run);
    bars(&mut out, run);
    if !run.dropped.is_empty() {
        out.push_str("Not in it: ");
        let dropped: Vec<String> =
            run.dropped.iter().map(|(name, reason)| format!("{name} ({reason})")).collect();
        let _ = writeln!(out, "{}.\n", dropped.join("; "));
    }
    out
}

/// How quiet the memory was: the time of one line whose address waits for the last one.
fn quiet(out: &mut String, run: &Run) {
    let floor = run.row("floor: 1 line").and_then(|row| row.results.get("dependent"));
    if let Some(series) = floor {
        let (least, most) = series.range();
        let _ = writeln!(
            out,
            "One dependent line of memory took {} ns, from {} to {} over the rounds.\n",
            number(series.median()),
            number(least),
            number(most),
        );
    }
}

fn bars(out: &mut String, run: &Run) {
    let bars = bars::of(run);
    if bars.is_empty() {
        return;
    }
    line(out, ["Bar", "reached", "asked", ""].into_iter().map(str::to_owned));
    line(out, ["---", "---:", "---:", "---"].into_iter().map(str::to_owned));
    for bar in bars {
        let asked = format!("{} {}", if bar.at_least { "≥" } else { "≤" }, number(bar.asked));
        let verdict = if bar.stands() { "yes" } else { "**no**" };
        let cells = [bar.what, number(bar.reached), asked, verdict.to_owned()];
        line(out, cells.into_iter());
    }
    out.push('\n');
}

fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or(String::new(), |c| c.to_uppercase().collect::<String>() + chars.as_str())
}

fn number(value: f64) -> String {
    match value.abs() {
        v if v >= 100.0 => format!("{value:.0}"),
        v if v >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

fn line(out: &mut String, cells: impl Iterator<Item = String>) {
    let _ = writeln!(out, "| {} |", cells.collect::<Vec<_>>().join(" | "));
}

fn table(out: &mut String, run: &Run, title: &str, columns: &[(&str, &str)]) {
    let measured = |name: &str| run.rows.iter().any(|row| row.results.get(name).is_some());
    let columns: Vec<_> = columns.iter().filter(|(name, _)| measured(name)).collect();
    if columns.is_empty() {
        return;
    }
    line(out, std::iter::once(title.to_owned()).chain(columns.iter().map(|c| c.1.to_owned())));
    line(out, (0..=columns.len()).map(|i| if i == 0 { "---" } else { "---:" }.to_owned()));
    for row in &run.rows {
        let cells: Vec<Option<f64>> = columns.iter().map(|c| row.results.median(c.0)).collect();
        if cells.iter().any(Option::is_some) {
            let cells = cells.iter().map(|cell| cell.map_or("–".to_owned(), number));
            line(out, std::iter::once(row.name.to_owned()).chain(cells));
        }
    }
    out.push('\n');
}

/// The best of those that `among` admits.
fn best<'a>(run: &'a Run, measure: &str, among: impl Fn(&Row) -> bool) -> Option<(&'a str, f64)> {
    run.rows
        .iter()
        .filter(|row| row.kind == Kind::Rival && among(row))
        .filter_map(|row| Some((row.name, row.results.median(measure)?)))
        .min_by(|a, b| a.1.total_cmp(&b.1))
}

/// graven with its defaults against everybody; nothing in a run without it.
fn ratios(out: &mut String, run: &Run) {
    let Some(row) = run.row("graven") else { return };
    let measured: Vec<_> =
        COMPARED.iter().filter_map(|m| Some((*m, row.results.median(m)?))).collect();
    if measured.is_empty() {
        return;
    }
    let titles =
        ["graven ÷", "best rival", "best that holds any length", "LMDB", "1 line", "2 lines"];
    line(out, titles.iter().map(|title| (*title).to_owned()));
    line(out, titles.iter().enumerate().map(|(i, _)| if i == 0 { "---" } else { "---:" }.into()));
    for (measure, value) in measured {
        let against = |found: Option<(&str, f64)>, named: bool| match found {
            Some((name, other)) if other > 0.0 => {
                let ratio = format!("{:.2}", value / other);
                if named { format!("{ratio} ({name})") } else { ratio }
            }
            _ => "–".to_owned(),
        };
        let plain = |name: &'static str| run.median(name, measure).map(|v| (name, v));
        let cells = [
            measure.to_owned(),
            against(best(run, measure, |_| true), true),
            against(best(run, measure, |row| row.variable), true),
            against(plain("lmdb"), false),
            against(plain("floor: 1 line"), false),
            against(plain("floor: 2 lines"), false),
        ];
        line(out, cells.into_iter());
    }
    out.push('\n');
}
