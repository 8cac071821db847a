//! Writes what was measured: Markdown for readers, SVG for the README, JSON with every round for
//! machines.

use std::fs;

use serde_json::{Value, json};

use crate::{Result, args::Args, host, markdown, results::Run, svg};

/// Writes the report of `runs`: all of it into the folder of reports or, with `--record`, a page
/// and a chart per scale beside the other records. A record holds no JSON, since medians and
/// ratios are what readers compare; the rounds stay in the folder of reports.
pub fn write(args: &Args, runs: &[Run]) -> Result<()> {
    fs::create_dir_all(&args.reports)?;
    let mut json = serde_json::to_string_pretty(&json(args, runs))?;
    json.push('\n');
    fs::write(args.reports.join("peers.json"), json)?;
    if !args.record {
        return write_page(args, &args.reports.join("peers"), &runs.iter().collect::<Vec<_>>());
    }
    fs::create_dir_all(&args.out)?;
    for scale in scales(runs) {
        let of_scale: Vec<&Run> = runs.iter().filter(|run| scale_of(run, runs) == scale).collect();
        let mut stem = format!("{}-{}", scale.to_lowercase(), slug(&host::cpu()));
        // Another form of the lookups than the processor's own.
        if let Ok(form) = std::env::var("GRAVEN_SIMD") {
            stem = format!("{stem}-{}", slug(&form));
        }
        write_page(args, &args.out.join(stem), &of_scale)?;
    }
    Ok(())
}

fn write_page(args: &Args, stem: &std::path::Path, runs: &[&Run]) -> Result<()> {
    fs::write(stem.with_extension("md"), markdown::page(args, runs))?;
    if let Some(chart) = svg::chart(runs) {
        fs::write(stem.with_extension("svg"), chart)?;
    }
    Ok(())
}

/// Each scale once, in the order in which they ran.
fn scales(runs: &[Run]) -> Vec<String> {
    let mut scales = Vec::new();
    for run in runs {
        let scale = scale_of(run, runs);
        if !scales.contains(&scale) {
            scales.push(scale);
        }
    }
    scales
}

/// The number of entries, `1M`. The locale data, which have a size of their own, go with the first
/// scale of the others.
fn scale_of(run: &Run, runs: &[Run]) -> String {
    let same = runs.iter().find(|other| other.workload.variable().is_none());
    match run.workload {
        workload if workload.variable().is_some() => same.unwrap_or(run).scale(),
        _ => run.scale(),
    }
}

pub fn print(runs: &[Run]) {
    for run in runs {
        println!("{}", markdown::section(run));
    }
}

fn slug(text: &str) -> String {
    let dashed: String = text
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' })
        .collect();
    dashed.split('-').filter(|part| !part.is_empty()).collect::<Vec<_>>().join("-")
}

fn json(args: &Args, runs: &[Run]) -> Value {
    let runs: Vec<Value> = runs
        .iter()
        .map(|run| {
            let rows: Vec<Value> = run
                .rows
                .iter()
                .map(|row| {
                    json!({
                        "name": row.name,
                        "kind": row.kind.name(),
                        "options": row.options,
                        "measures": row.results.json(),
                    })
                })
                .collect();
            let dropped: Vec<Value> = run
                .dropped
                .iter()
                .map(|(name, reason)| json!({ "name": name, "reason": reason }))
                .collect();
            json!({
                "workload": run.workload.name(),
                "about": run.workload.about(),
                "entries": run.shape.entries,
                "payload_bytes": run.shape.payload,
                "contestants": rows,
                "dropped": dropped,
            })
        })
        .collect();
    json!({
        "host": host::describe(),
        "quick": args.quick,
        "rounds": args.rounds,
        "lap_ms": args.lap_ms,
        "runs": runs,
    })
}
