//! Arguments of the commands that print texts about the program itself.

use clap::Args;
use clap_complete::Shell;

/// Print a script that completes commands, options and paths in a shell
///
/// The script goes where the shell looks for completions: for bash
/// ~/.local/share/bash-completion/completions/graven, for zsh a file _graven in a directory of
/// $fpath, for fish ~/.config/fish/completions/graven.fish.
#[derive(Args)]
#[command(after_help = "Examples:\n\
\x20 graven completions bash > graven.bash")]
pub(crate) struct Completions {
    #[arg(value_name = "SHELL", value_enum)]
    pub(crate) shell: Shell,
}

/// Print the manual page of graven, or of one of its commands
#[derive(Args)]
#[command(after_help = "Examples:\n\
\x20 graven man > graven.1\n\
\x20 graven man build > graven-build.1")]
pub(crate) struct Man {
    #[arg(value_name = "COMMAND")]
    pub(crate) command: Option<String>,
}
