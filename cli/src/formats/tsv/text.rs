//! How lines of text are read and written.

use clap::{Args, ValueEnum};

/// How lines of tsv are read.
#[derive(Args, Clone, Copy)]
pub(crate) struct Text {
    /// What becomes of a CR before the LF: it ends a line of a file from Windows
    #[arg(long, value_name = "WHAT", value_enum, default_value_t = Unusual::Error)]
    pub(crate) crlf: Unusual,
    /// What becomes of a byte order mark at the start of an input; keep takes UTF-16 as it is, too
    #[arg(long, value_name = "WHAT", value_enum, default_value_t = Unusual::Error)]
    pub(crate) bom: Unusual,
    /// A backslash is a byte like any other, in tsv and lines
    #[arg(long)]
    pub(crate) no_escape: bool,
}

impl Text {
    /// An option that was given, if any was.
    pub(crate) fn given(self) -> Option<&'static str> {
        let Self { crlf, bom, no_escape } = self;
        match (crlf, bom) {
            _ if no_escape => Some("--no-escape"),
            (Unusual::Strip | Unusual::Keep, _) => Some("--crlf"),
            (_, Unusual::Strip | Unusual::Keep) => Some("--bom"),
            _ => None,
        }
    }
}

/// What becomes of bytes that are probably not meant to be there.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Unusual {
    /// The run fails
    Error,
    /// It is left out
    Strip,
    /// It is a byte like any other
    Keep,
}
