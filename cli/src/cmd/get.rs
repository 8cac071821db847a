//! `graven get`: the values of keys named as arguments.

use crate::args::{Get, KeyForm, Separator, unescape};
use crate::exit::{Failure, Outcome, note};
use crate::output::Output;
use crate::source::Source;
use crate::terminal;
use std::fmt::Display;

pub(crate) fn run(args: &Get) -> Result<Outcome, Failure> {
    let keys = args.keys.iter().map(|key| args.form.read("KEY", key));
    let keys = keys.collect::<Result<Vec<_>, Failure>>()?;
    let source = Source::open(&args.table, args.reading.access())?;
    let mut out = Output::new()?;
    let separator = out.separator(args.bare, true, "")?.unwrap_or(if out.is_terminal() {
        Separator::Newline
    } else {
        // A value that is not written to a terminal gets nothing added.
        Separator::None
    });
    let mut missing = Vec::new();
    for key in &keys {
        let mut found = false;
        source.values(&args.table, key, args.all, |value| {
            found = true;
            out.bare(value, separator)
        })?;
        if !found {
            missing.push(key);
        }
    }
    out.flush()?;
    source.intact(&args.table)?;
    if missing.is_empty() {
        return Ok(Outcome::Fine);
    }
    if !args.quiet {
        missing.iter().for_each(|key| name_missing(args.table.display(), key, args.form));
    }
    Ok(Outcome::Missing)
}

/// Says that a key is missing. The key is written with the escapes that `-e` reads.
fn name_missing(table: impl Display, key: &[u8], form: KeyForm) {
    // A key that was copied from the output of scan or dump may hold escapes.
    let escaped = unescape(key).is_ok_and(|read| read != key);
    let hint =
        if form.is_raw() && escaped { "; -e reads the escapes of scan and dump" } else { "" };
    note(format_args!("{table}: no key \"{}\"{hint}", terminal::shown(key)));
}
