//! `graven verify`: checks every byte, and says nothing about tables that are good.

use crate::args::Verify;
use crate::exit::{self, Failure, Outcome, reading};
use crate::open;
use crate::output::Output;
use crate::progress::{Progress, Unit};
use graven::{SetReport, VerifyReport};
use serde_json::{Value, json};
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
        let set = open::set(path, args.reading.access())?;
        let _progress = Progress::new("verifying", Unit::AtOnce, None, args.quiet);
        return set.verify().map(Report::Set).map_err(|error| Failure::set(&error));
    }
    let table = open::table_or_patch(path, args.reading.access())?;
    let progress = Progress::new("verifying", Unit::Bytes, None, args.quiet);
    let report = table.verify_with(|verified| {
        let (done, total) = (verified.done, Some(verified.total));
        progress.state().stage("verifying", Unit::Bytes, done, total);
    });
    report.map(Report::Table).map_err(reading(path))
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
