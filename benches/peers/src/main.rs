//! graven beside its rivals: see README.md.

#![deny(unsafe_op_in_unsafe_fn)]

mod args;
mod bars;
mod cgroup;
mod check;
mod child;
mod contestant;
mod contestants;
mod dataset;
mod files;
mod host;
mod mapping;
mod markdown;
mod measure;
mod procfs;
mod queries;
mod report;
mod results;
mod svg;
mod workload;

use std::process::ExitCode;

use crate::args::Args;

pub type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let outcome = match args.split_first() {
        Some((first, rest)) if first == "--child" => child::run(rest),
        Some((first, _)) if first == "--help" || first == "-h" => {
            print!("{}", args::HELP);
            Ok(())
        }
        _ => Args::parse(args.into_iter()).and_then(|args| run(&args)),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("graven-peers: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args) -> Result<()> {
    if args.list {
        for contestant in contestants::all() {
            println!("{:16} {}", contestant.name(), contestant.options());
        }
        return Ok(());
    }
    for (name, reason) in contestants::missing() {
        eprintln!("without {name}: {reason}");
    }
    std::fs::create_dir_all(&args.scratch)?;
    // Removed at the end, and also where a measure fails.
    let scratch = tempfile::Builder::new().prefix("run-").tempdir_in(&args.scratch)?;
    let mut runs = Vec::new();
    for &workload in &args.workloads {
        let variable = workload.variable().filter(|name| std::env::var_os(name).is_none());
        if let Some(variable) = variable {
            eprintln!("without {}: {variable} is not set", workload.name());
            continue;
        }
        for entries in args.sizes(workload) {
            runs.push(measure::run(args, scratch.path(), workload, entries)?);
            // After each data set, so that an interrupted run leaves what it has.
            report::write(args, &runs)?;
        }
    }
    drop(scratch);
    report::print(&runs);
    Ok(())
}
