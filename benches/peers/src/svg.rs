//! One chart, drawn by hand: what a hit costs, on a logarithmic axis, a panel per workload.

use std::fmt::Write;

use crate::{
    contestant::Kind,
    results::{Row, Run},
};

const WIDTH: f64 = 860.0;
const LABEL: f64 = 130.0;
const BAR: f64 = 15.0;
const PITCH: f64 = 20.0;
const HEAD: f64 = 34.0;
const MARGIN: f64 = 16.0;

const STYLE: &str = "\
text{font:12px system-ui,sans-serif;fill:#24292f}.t{font-weight:600;font-size:14px}\
.n{font-size:11px}.graven{fill:#b5432a}.rival{fill:#8c959f}.heap{fill:#c3c9d0}\
.floor{fill:#57a773}.bg{fill:#fff}.grid{stroke:#d0d7de}\
@media(prefers-color-scheme:dark){text{fill:#e6edf3}.bg{fill:#0d1117}.grid{stroke:#30363d}\
.rival{fill:#6e7681}.heap{fill:#484f58}}";

/// Nothing to show without hits.
pub fn chart(runs: &[&Run]) -> Option<String> {
    let smallest = runs.iter().map(|run| run.shape.entries).min()?;
    let panels: Vec<(&Run, Vec<(&Row, f64)>)> = runs
        .iter()
        .copied()
        // One size per chart; cldr has a size of its own.
        .filter(|run| run.shape.entries == smallest || run.workload.name() == "cldr")
        .map(|run| (run, hits(run)))
        .filter(|(_, hits)| !hits.is_empty())
        .collect();
    if panels.is_empty() {
        return None;
    }
    let all = || panels.iter().flat_map(|(_, hits)| hits.iter().map(|hit| hit.1));
    let low = 10f64.powf(all().fold(f64::INFINITY, f64::min).log10().floor());
    let high = all().fold(0.0, f64::max) * 1.6;
    let room = WIDTH - LABEL - 2.0 * MARGIN;
    let x = |value: f64| LABEL + MARGIN + room * (value / low).ln() / (high / low).ln();

    let rows: usize = panels.iter().map(|(_, hits)| hits.len()).sum();
    let height = MARGIN * 2.0 + rows as f64 * PITCH + panels.len() as f64 * (HEAD + 12.0) + 20.0;
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" role=\"img\">\n\
         <title>Nanoseconds per hit, graven and its rivals</title>\n<style>{STYLE}</style>\n\
         <rect class=\"bg\" width=\"{WIDTH}\" height=\"{height}\"/>\n"
    );
    let mut y = MARGIN;
    for (run, hits) in &panels {
        let top = y + HEAD - 8.0;
        let title = format!("{}: one random hit, ns (logarithmic)", run.title());
        let _ =
            writeln!(out, "<text class=\"t\" x=\"{MARGIN}\" y=\"{:.0}\">{title}</text>", y + 16.0);
        y += HEAD;
        let bottom = y + hits.len() as f64 * PITCH;
        grid(&mut out, low, high, top, bottom, &x);
        for (row, value) in hits {
            bar(&mut out, row, *value, y, &x);
            y += PITCH;
        }
        y += 12.0;
    }
    out.push_str("</svg>\n");
    Some(out)
}

/// Fastest first.
fn hits(run: &Run) -> Vec<(&Row, f64)> {
    let mut hits: Vec<_> =
        run.rows.iter().filter_map(|row| Some((row, row.results.median("hit")?))).collect();
    hits.sort_by(|a, b| a.1.total_cmp(&b.1));
    hits
}

fn grid(out: &mut String, low: f64, high: f64, top: f64, bottom: f64, x: &dyn Fn(f64) -> f64) {
    let mut decade = low;
    while decade <= high {
        let at = x(decade);
        let _ = writeln!(
            out,
            "<line class=\"grid\" x1=\"{at:.1}\" x2=\"{at:.1}\" y1=\"{top:.1}\" y2=\"{bottom:.1}\"/>\
             <text class=\"n\" text-anchor=\"middle\" x=\"{at:.1}\" y=\"{:.1}\">{decade:.0}</text>",
            top - 2.0,
        );
        decade *= 10.0;
    }
}

fn bar(out: &mut String, row: &Row, value: f64, y: f64, x: &dyn Fn(f64) -> f64) {
    let start = LABEL + MARGIN;
    let class = match row.kind {
        Kind::Graven => "graven",
        Kind::Rival => "rival",
        Kind::Heap => "heap",
        Kind::Floor => "floor",
    };
    let text = y + BAR - 3.5;
    let _ = writeln!(
        out,
        "<text text-anchor=\"end\" x=\"{:.1}\" y=\"{text:.1}\">{}</text>\
         <rect class=\"{class}\" x=\"{start:.1}\" y=\"{y:.1}\" width=\"{:.1}\" height=\"{BAR}\"/>\
         <text class=\"n\" x=\"{:.1}\" y=\"{text:.1}\">{value:.0}</text>",
        start - 8.0,
        row.name,
        x(value) - start,
        x(value) + 5.0,
    );
}
