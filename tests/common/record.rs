//! How long a long run takes, and a line about it in a file, so that runs in pieces add up.

use std::fmt::Write as _;
use std::io::Write as _;
use std::process::Command;
use std::time::Duration;

/// A struct `Counts` of counters that threads share, with their names.
#[allow(unused_macros, reason = "each test file uses its own part")]
macro_rules! counts {
    ($($count:ident),+ $(,)?) => {
        /// What was done and seen.
        #[derive(Default)]
        struct Counts {
            $($count: std::sync::atomic::AtomicU64,)+
        }

        impl Counts {
            const NAMES: &[&str] = &[$(stringify!($count)),+];

            fn all(&self) -> Vec<u64> {
                vec![$(self.$count.load(std::sync::atomic::Ordering::Relaxed)),+]
            }
        }
    };
}
pub(crate) use counts;

/// Names the file that gets a line for each run.
const FILE: &str = "GRAVEN_RECORD";

/// The seconds that `variable` asks for; an hour if the full figures were asked for; else `short`.
pub(crate) fn duration(variable: &str, short: u64) -> Duration {
    let asked = std::env::var(variable).ok();
    let asked = asked.map(|seconds| seconds.parse().expect("a number of seconds"));
    Duration::from_secs(asked.unwrap_or(if super::full() { 3600 } else { short }))
}

/// Prints what a run has counted, and adds it to the file that `GRAVEN_RECORD` names: date, commit,
/// name of the run, seconds, then each count behind its name, separated by tabs.
pub(crate) fn record(run: &str, took: Duration, counts: &[(&str, u64)]) {
    let mut line = format!("{run}\tseconds {}", took.as_secs());
    for (name, count) in counts {
        write!(line, "\t{name} {count}").expect("a string");
    }
    println!("{}", line.replacen('\t', ": ", 1).replace('\t', ", "));
    if let Some(file) = std::env::var_os(FILE) {
        let date = first_line(Command::new("date").args(["-u", "+%FT%TZ"]));
        let commit = first_line(Command::new("git").args(["rev-parse", "--short", "HEAD"]));
        let mut file =
            std::fs::File::options().create(true).append(true).open(file).expect("GRAVEN_RECORD");
        writeln!(file, "{date}\t{commit}\t{line}").expect("room for a line");
    }
}

fn first_line(command: &mut Command) -> String {
    let output = command.output().map(|output| output.stdout).unwrap_or_default();
    let text = String::from_utf8_lossy(&output);
    text.lines().next().unwrap_or("unknown").to_owned()
}
