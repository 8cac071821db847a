//! `graven verify`: checks every byte, and says nothing about tables that are good.

use crate::args::Verify;
use crate::exit::{self, Failure, Outcome, reading};
use crate::open;
use crate::output::Output;
use crate::pace::Pace;
use crate::progress::{Progress, Unit};
use graven::{
    ErrorKind, OpenError, OpenFailure, ReadError, ReadFailure, Section, SetError, SetReport, Table,
    VerifyProgress, VerifyReport,
};
use serde_json::{Value, json};
use std::ops::ControlFlow;
use std::path::Path;

/// Most damaged pages that are listed for one TABLE. A set has at most one shard with findings.
const MOST: usize = 10_000;
/// Bytes under one page sum.
const PAGE: u64 = 4096;

pub(crate) fn run(args: &Verify) -> Result<Outcome, Failure> {
    let audit = Audit { args, pace: Pace::new(args.rate) };
    if !args.json {
        return exit::worst(&args.tables, |table| {
            audit.verify(table).map(|_| Outcome::Fine).map_err(|damage| damage.failure)
        });
    }
    let mut out = Output::new()?;
    exit::worst(&args.tables, |table| {
        let verified = audit.verify(table);
        let line = json(table, &verified);
        out.write(format!("{line}\n").as_bytes())?;
        // A program may wait for each line: a large table takes long.
        out.flush()?;
        verified.map(|_| Outcome::Fine).map_err(|damage| damage.failure)
    })
}

/// What was read.
enum Report {
    Table(VerifyReport),
    Set(SetReport),
}

/// Why a table is not good, and, for `--json`, each place that is not.
struct Damage {
    failure: Failure,
    findings: Vec<Value>,
}

impl From<Failure> for Damage {
    fn from(failure: Failure) -> Self {
        Self { failure, findings: Vec::new() }
    }
}

/// The audit of tables, one after the other.
struct Audit<'a> {
    args: &'a Verify,
    pace: Option<Pace>,
}

impl Audit<'_> {
    fn verify(&self, path: &Path) -> Result<Report, Damage> {
        let progress = Progress::new("verifying", Unit::Bytes, None, self.args.quiet);
        if open::is_set(path) {
            let set = open::packed_set(path, self.args.reading.access())?;
            self.restart();
            let reached = |verified| {
                self.reached(&progress, verified);
                ControlFlow::Continue(())
            };
            // Nothing ends the audit before its end.
            return set
                .verify_while(reached)
                .map(|report| Report::Set(report.unwrap_or_default()))
                .map_err(|error| self.in_shard(&progress, &error));
        }
        let opened = open::any_file(path, self.args.reading.access());
        let table = opened.map_err(|error| Damage {
            findings: at_open(path, &error),
            failure: Failure::open(path, &error),
        })?;
        self.restart();
        let report = table.verify_with(|verified| self.reached(&progress, verified));
        report.map(Report::Table).map_err(|error| Damage {
            findings: self.findings(&progress, &table, path, &error),
            failure: reading(path)(error),
        })
    }

    /// Shows how far the audit is, and waits if it is too fast.
    fn reached(&self, progress: &Progress, verified: VerifyProgress) {
        let (done, total) = (verified.done, Some(verified.total));
        progress.state().stage("verifying", Unit::Bytes, done, total);
        if let Some(pace) = &self.pace {
            pace.reached(done);
        }
    }

    fn restart(&self) {
        if let Some(pace) = &self.pace {
            pace.restart();
        }
    }

    /// Each place of a table that is damaged: of pages that do not fit their sums all are searched
    /// for; of other damage only the first is known.
    fn findings(
        &self,
        progress: &Progress,
        table: &Table,
        path: &Path,
        error: &ReadError,
    ) -> Vec<Value> {
        let mut found = Vec::new();
        if self.args.json && matches!(error.failure(), ReadFailure::Checksum { .. }) {
            self.restart();
            found = table.damaged_pages(MOST, |verified| self.reached(progress, verified));
        }
        // A page may be whole again when it is read anew.
        if !found.contains(&error.failure()) {
            found.insert(0, error.failure());
            found.truncate(MOST);
        }
        found.iter().map(|failure| finding(table, path, failure)).collect()
    }

    /// The failure for a set, with what is damaged in the shard at fault.
    fn in_shard(&self, progress: &Progress, error: &SetError) -> Damage {
        let failure = Failure::set(error);
        let wanted = match error {
            SetError::Shard { .. } => true,
            SetError::Open(_) | SetError::Read(_) => self.args.json,
            _ => false,
        };
        let Some(path) = error.path().filter(|_| wanted) else { return failure.into() };
        let table = match open::any_file(path, self.args.reading.access()) {
            Ok(table) => table,
            Err(error) => return Damage { findings: at_open(path, &error), failure },
        };
        self.restart();
        let verified = table.verify_with(|verified| self.reached(progress, verified));
        let Err(damage) = verified else { return failure.into() };
        let findings = self.findings(progress, &table, path, &damage);
        let failure = match error {
            // The shard is not the file of the manifest: the damage says why.
            SetError::Shard { what, .. } => {
                let what = format_args!("{what}: {}", damage.failure());
                Failure::at(damage.kind(), path.display(), what)
            }
            _ => failure,
        };
        Damage { failure, findings }
    }
}

/// A damaged place of a table.
fn finding(table: &Table, path: &Path, failure: &ReadFailure) -> Value {
    let bytes = match *failure {
        ReadFailure::Checksum { offset, .. } | ReadFailure::Faulted { offset } => {
            Some(offset..offset.saturating_add(PAGE))
        }
        ReadFailure::Corrupt { offset, .. } => Some(offset..offset.saturating_add(1)),
        _ => None,
    };
    let offset = bytes.as_ref().map(|bytes| bytes.start);
    let sections = bytes.map(|bytes| table.sections_in(bytes)).unwrap_or_default();
    place(path, &sections, offset, failure.to_string())
}

/// What is wrong with the header or the footer of a file that does not open, unless the system did
/// not open it.
fn at_open(path: &Path, error: &OpenError) -> Vec<Value> {
    let what = error.failure();
    if what.kind() != ErrorKind::Data {
        return Vec::new();
    }
    let (section, offset) = match what {
        OpenFailure::FooterMismatch { offset, .. } => (Section::Footer, *offset),
        OpenFailure::InvalidHeader { offset, .. } => (Section::Header, *offset),
        OpenFailure::HeaderChecksum { .. } => (Section::Header, 112),
        OpenFailure::Truncated { .. } | OpenFailure::TrailingBytes { .. } => (Section::Header, 16),
        _ => (Section::Header, 0),
    };
    vec![place(path, &[section], Some(offset), what.to_string())]
}

fn place(path: &Path, sections: &[Section], offset: Option<u64>, what: String) -> Value {
    let sections: Vec<_> = sections.iter().map(Section::to_string).collect();
    json!({ "file": path.to_string_lossy(), "sections": sections, "offset": offset, "what": what })
}

fn json(path: &Path, verified: &Result<Report, Damage>) -> Value {
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
        Err(Damage { failure: Failure::Failed { line, .. }, findings }) => {
            json!({ "table": table, "ok": false, "error": line, "findings": findings })
        }
        Err(_) => json!({ "table": table, "ok": false }),
    }
}
