//! `graven verify`: checks every byte, and says nothing about tables that are good.

use crate::args::Verify;
use crate::exit::{self, Failure, Outcome, reading};
use crate::open::{self, AnySet};
use crate::output::Output;
use crate::progress::{Progress, Unit};
use graven::{SetError, SetReport, VerifyProgress, VerifyReport};
use serde_json::{Value, json};
use std::ops::ControlFlow;
use std::path::Path;

pub(crate) fn run(args: &Verify) -> Result<Outcome, Failure> {
    if !args.json {
        return exit::worst(&args.tables, |table| verify(args, table).map(|_| Outcome::Fine));
    }
    let mut out = Output::new()?;
    exit::worst(&args.tables, |table| {
        let verified = verify(args, table);
        let line = json(table, &verified);
        out.write(format!("{line}\n").as_bytes())?;
        // A program may wait for each line: a large table takes long.
        out.flush()?;
        verified.map(|_| Outcome::Fine)
    })
}

/// What was read.
enum Report {
    Table(VerifyReport),
    Set(SetReport),
}

fn verify(args: &Verify, path: &Path) -> Result<Report, Failure> {
    if open::is_set(path) {
        let set = open::any_set(path, args.reading.access())?;
        let progress = Progress::new("verifying", Unit::Bytes, None, args.quiet);
        let shown = |verified| {
            show(&progress, verified);
            ControlFlow::Continue(())
        };
        let audited = match set {
            AnySet::Plain(set) => set.verify_while(shown),
            AnySet::Packed(set) => set.verify_while(shown),
        };
        // Nothing ends the audit before its end.
        return audited
            .map(|report| Report::Set(report.unwrap_or_default()))
            .map_err(|error| place(args, &error));
    }
    let table = open::any_file(path, args.reading.access())?;
    let progress = Progress::new("verifying", Unit::Bytes, None, args.quiet);
    let report = table.verify_with(|verified| show(&progress, verified));
    report.map(Report::Table).map_err(reading(path))
}

fn show(progress: &Progress, verified: VerifyProgress) {
    let (done, total) = (verified.done, Some(verified.total));
    progress.state().stage("verifying", Unit::Bytes, done, total);
}

/// The failure for a shard that is not the file of the manifest, with the damage if it can be found.
fn place(args: &Verify, error: &SetError) -> Failure {
    let SetError::Shard { path, what } = error else { return Failure::set(error) };
    let table = open::any_file(path, args.reading.access());
    let damage = match &table {
        Ok(table) => table.verify().err(),
        Err(_) => None,
    };
    match damage {
        Some(damage) => {
            let what = format_args!("{what}: {}", damage.failure());
            Failure::at(damage.kind(), path.display(), what)
        }
        None => Failure::set(error),
    }
}

fn json(path: &Path, verified: &Result<Report, Failure>) -> Value {
    let table = path.to_string_lossy();
    match verified {
        Ok(Report::Set(report)) => json!({
            "table": table, "ok": true, "entries": report.entries, "keys": report.keys,
            "shards": report.shards, "bytes": report.bytes,
        }),
        Ok(Report::Table(report)) => json!({
            "table": table, "ok": true, "entries": report.entries, "keys": report.keys,
            "pages": report.pages, "bytes": report.bytes,
        }),
        Err(Failure::Failed { line, .. }) => json!({ "table": table, "ok": false, "error": line }),
        Err(_) => json!({ "table": table, "ok": false }),
    }
}
