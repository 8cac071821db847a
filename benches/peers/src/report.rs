//! Writes what was measured: JSON for machines, Markdown for readers, SVG for the README.

use std::fs;

use serde_json::{Value, json};

use crate::{Result, args::Args, host, markdown, results::Run, svg};

pub fn write(args: &Args, runs: &[Run]) -> Result<()> {
    fs::create_dir_all(&args.out)?;
    let stem = if args.record { format!("peers-{}", slug(&host::cpu())) } else { "peers".into() };
    let path = |ending: &str| args.out.join(format!("{stem}.{ending}"));
    let mut json = serde_json::to_string_pretty(&json(args, runs))?;
    json.push('\n');
    fs::write(path("json"), json)?;
    fs::write(path("md"), markdown::page(args, runs))?;
    if let Some(chart) = svg::chart(runs) {
        fs::write(path("svg"), chart)?;
    }
    Ok(())
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
