//! `graven`: builds immutable sorted tables and reads them, on the command line.

#[cfg(test)]
mod any_bytes;
mod args;
mod closed;
mod cmd;
mod exit;
mod foreign;
mod formats;
mod input;
mod lines;
mod open;
mod output;
mod pace;
mod proc;
mod progress;
mod random;
#[cfg(feature = "remote")]
mod remote;
mod signals;
mod sizes;
mod source;
mod terminal;
mod unpack;

fn main() -> std::process::ExitCode {
    signals::report_large_files();
    exit::code(args::parse().and_then(cmd::run))
}
