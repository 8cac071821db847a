//! The figures of a run, for people and for programs.

use super::peers::{Counted, Memory};
use super::reader::TIMED;
use crate::args::Bench;
use serde_json::json;
use std::fmt::{self, Write};

pub(super) struct Report<'a> {
    pub(super) args: &'a Bench,
    pub(super) file_bytes: u64,
    pub(super) counted: Counted,
    pub(super) memory: Memory,
    /// The highest measured sum of all readers' shares of the table's memory.
    pub(super) pss_peak: u64,
    pub(super) replacements: u64,
}

impl Report<'_> {
    fn lookups(&self) -> u64 {
        self.counted.lookups.iter().sum()
    }

    fn per_second(&self, lookups: u64) -> f64 {
        if self.counted.seconds > 0.0 { lookups as f64 / self.counted.seconds } else { 0.0 }
    }

    /// The figures as one JSON object. Its names are stable: programs read them.
    pub(super) fn json(&self) -> String {
        let Self { args, counted, memory, .. } = self;
        let object = json!({
            "file_bytes": self.file_bytes,
            "processes": args.procs,
            "threads": args.threads,
            "seconds": counted.seconds,
            "lookups": self.lookups(),
            "wrong": counted.wrong,
            "errors": counted.errors,
            "lookups_per_second": self.per_second(self.lookups()),
            "p50_ns": counted.latencies.quantile(0.5),
            "p99_ns": counted.latencies.quantile(0.99),
            "p999_ns": counted.latencies.quantile(0.999),
            "max_ns": counted.latencies.max,
            "minor_faults": memory.minor_faults,
            "major_faults": memory.major_faults,
            "pss_bytes": memory.mapped.proportional,
            "pss_peak_bytes": self.pss_peak,
            "private_added_max_bytes": memory.private_added.iter().max(),
            "page_table_bytes": memory.page_tables,
            "huge_page_share": memory.mapped.huge_share(),
            "replacements": self.replacements,
            "swaps": counted.swaps,
            "version_lag_max_ns": if self.replacements > 0 { counted.stalest_ns } else { 0 },
            "versions_mixed": counted.mixed,
        });
        format!("{object:#}\n")
    }

    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        // Writing to a String cannot fail.
        let _ = self.write(&mut text);
        text
    }

    fn write(&self, text: &mut String) -> fmt::Result {
        let Self { args, counted, memory, .. } = self;
        let (procs, threads, seconds) = (args.procs, args.threads, counted.seconds);
        writeln!(text, "readers        {procs} processes of {threads} threads, {seconds:.1} s")?;
        writeln!(text, "file           {} bytes", self.file_bytes)?;
        let (lookups, rate) = (self.lookups(), self.per_second(self.lookups()));
        writeln!(text, "lookups        {lookups}, {rate:.0} per second")?;
        let rates = || counted.lookups.iter().map(|&lookups| self.per_second(lookups));
        let (least, most) = (rates().fold(f64::MAX, f64::min), rates().fold(0.0, f64::max));
        writeln!(text, "  per process  {least:.0} to {most:.0} per second")?;
        let Counted { wrong, errors, mixed, .. } = counted;
        writeln!(text, "  wrong        {wrong}, errors {errors}, of two versions {mixed}")?;
        let what = match args.batch {
            1 => format!("of one lookup in {TIMED}"),
            batch => format!("of calls with {batch} keys"),
        };
        let quantile = |share| counted.latencies.quantile(share);
        writeln!(
            text,
            "latency        p50 {} ns, p99 {} ns, p99.9 {} ns, longest {} ns ({what})",
            quantile(0.5),
            quantile(0.99),
            quantile(0.999),
            counted.latencies.max
        )?;
        writeln!(
            text,
            "page faults    {} minor, {} major",
            memory.minor_faults, memory.major_faults
        )?;
        let share = |bytes: u64| bytes as f64 / self.file_bytes.max(1) as f64;
        let pss = memory.mapped.proportional;
        writeln!(text, "memory (PSS)   {pss} bytes, {:.3} of the file", share(pss))?;
        let peak = self.pss_peak;
        writeln!(text, "  highest      {peak} bytes, {:.3} of the file", share(peak))?;
        let private = memory.private_added.iter().max().unwrap_or(&0);
        writeln!(text, "private        {private} bytes more in a process, at most")?;
        writeln!(text, "page tables    {} bytes", memory.page_tables)?;
        match memory.mapped.huge_share() {
            Some(share) => writeln!(text, "2 MiB pages    {:.1} % of the mapping", share * 100.0)?,
            None => writeln!(text, "2 MiB pages    unknown")?,
        }
        if self.replacements > 0 {
            let (swaps, lag) = (counted.swaps, counted.stalest_ns as f64 / 1e6);
            writeln!(text, "replacements   {}, {swaps} swaps in all readers", self.replacements)?;
            writeln!(text, "  seen after   {lag:.1} ms at most")?;
        }
        Ok(())
    }
}
