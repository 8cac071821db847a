//! `graven completions` and `graven man`: texts that are made of the command line's description.

use crate::args::{self, Completions, Man};
use crate::exit::{Failure, Outcome};
use crate::output::Output;
use clap::Command;
use graven::ErrorKind;

pub(crate) fn completions(args: &Completions) -> Result<Outcome, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut shown(), "graven", &mut script);
    print(&script)
}

pub(crate) fn man(args: &Man) -> Result<Outcome, Failure> {
    let mut whole = shown();
    // Names the commands as they are called, and propagates what they share.
    whole.build();
    let page = match args.command.as_deref() {
        None => whole,
        Some(name) => match whole.find_subcommand(name) {
            Some(command) => command.clone().display_name(format!("graven-{name}")),
            None => {
                let what = format!("there is no command {name}; see graven --help");
                return Err(Failure::new(ErrorKind::Usage, what));
            }
        },
    };
    let mut text = Vec::new();
    // Writing to a Vec cannot fail.
    let _ = clap_mangen::Man::new(page).render(&mut text);
    print(&text)
}

/// The command line without what is hidden from users.
fn shown() -> Command {
    let whole = args::command();
    let verbs = whole.get_subcommands().filter(|verb| !verb.is_hide_set());
    let mut shown = Command::new("graven").subcommands(verbs.cloned().collect::<Vec<_>>());
    if let Some(about) = whole.get_about() {
        shown = shown.about(about.clone());
    }
    if let Some(about) = whole.get_long_about() {
        shown = shown.long_about(about.clone());
    }
    shown.version(env!("CARGO_PKG_VERSION"))
}

fn print(text: &[u8]) -> Result<Outcome, Failure> {
    let mut out = Output::new()?;
    out.write(text)?;
    out.flush()?;
    Ok(Outcome::Fine)
}
