//! Messages about a wrong command line: each is one line and says what to write instead.

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, Command};
use std::ffi::OsString;

/// Commands that stores have whose entries change one by one. A table has none of them.
const CHANGES: [&str; 14] = [
    "add", "append", "del", "delete", "insert", "merge", "put", "remove", "replace", "rm", "set",
    "unset", "update", "upsert",
];

/// The message of an error. `raw` are the arguments of the run, without the program's name.
pub(super) fn message(error: &clap::Error, command: &Command, raw: &[OsString]) -> String {
    // The verb of this run, if its arguments begin with one.
    let verb = raw.first().and_then(|first| command.find_subcommand(first));
    let said = match error.kind() {
        ErrorKind::MissingSubcommand => {
            format!("a subcommand is missing, one of {}", listed(command))
        }
        ErrorKind::InvalidSubcommand => unknown_verb(error, command),
        ErrorKind::UnknownArgument => unknown_argument(error, verb, raw),
        ErrorKind::InvalidValue if verb.is_some_and(|verb| verb.get_name() == "dump") => {
            // The -o of other commands names a file.
            format!("{}; a file is named by > FILE", in_one_line(error))
        }
        _ => in_one_line(error),
    };
    match verb {
        Some(verb) => format!("{said}; see graven {} --help", verb.get_name()),
        None => format!("{said}; see graven --help"),
    }
}

/// clap's text without its label and its usage block.
fn in_one_line(error: &clap::Error) -> String {
    let text = error.render().to_string();
    let text = text.strip_prefix("error: ").unwrap_or(&text);
    let said = text.lines().map(str::trim).take_while(|line| !line.starts_with("Usage:"));
    let said = said.filter(|line| !line.is_empty() && !line.starts_with("For more"));
    said.collect::<Vec<_>>().join(" ").replace(" tip: ", "; ")
}

/// The verbs that are shown to users.
fn listed(command: &Command) -> String {
    let shown = command.get_subcommands().filter(|verb| !verb.is_hide_set());
    shown.map(Command::get_name).collect::<Vec<_>>().join(", ")
}

fn unknown_verb(error: &clap::Error, command: &Command) -> String {
    let Some(ContextValue::String(name)) = error.get(ContextKind::InvalidSubcommand) else {
        return in_one_line(error);
    };
    if CHANGES.contains(&&name.to_lowercase()[..]) {
        return format!(
            "there is no {name}: a table never changes; build a new one, which takes the place \
             of the old in one step: graven build OUT IN"
        );
    }
    let similar = match error.get(ContextKind::SuggestedSubcommand) {
        Some(ContextValue::Strings(similar)) => &similar[..],
        _ => &[],
    };
    let known =
        |name: &&String| command.find_subcommand(name).is_some_and(|verb| !verb.is_hide_set());
    let similar: Vec<&str> = similar.iter().filter(known).map(String::as_str).collect();
    match similar[..] {
        [] => format!("unrecognized subcommand '{name}', there are {}", listed(command)),
        _ => format!("unrecognized subcommand '{name}'; did you mean {}?", similar.join(" or ")),
    }
}

/// The message about an unknown argument that begins with a dash. The user may have meant it as a
/// positional argument, or as the value of an option.
fn unknown_argument(error: &clap::Error, verb: Option<&Command>, raw: &[OsString]) -> String {
    let unknown = match error.get(ContextKind::InvalidArg) {
        Some(ContextValue::String(unknown)) if unknown.starts_with('-') => unknown,
        _ => return in_one_line(error),
    };
    let similar = error.get(ContextKind::SuggestedArg).is_some();
    let (Some(verb), false) = (verb, similar) else { return in_one_line(error) };
    let Some(at) = raw.iter().position(|arg| names(&arg.to_string_lossy(), unknown)) else {
        return in_one_line(error);
    };
    let given = raw[at].to_string_lossy();
    let before = raw[at - 1].to_string_lossy();
    let said = format!("unexpected argument '{given}' found");
    if let Some(option) = verb.get_opts().find(|option| is(option, &before)) {
        let value = option.get_value_names().and_then(|names| names.first());
        let value = value.map_or("value", |value| value.as_str());
        return format!("{said}; as the {value} of {before} it is written {before}={given}");
    }
    match verb.get_positionals().last() {
        Some(last) => {
            let name = last.get_value_names().and_then(|names| names.first());
            let name = name.map_or("argument", |name| name.as_str());
            format!("{said}; a {name} that begins with a dash stands behind --, as in -- {given}")
        }
        None => said,
    }
}

/// Whether `arg` holds the unknown option: alone, with a value, or among other short options.
fn names(arg: &str, unknown: &str) -> bool {
    let value = arg.strip_prefix(unknown);
    let short = unknown.strip_prefix('-').filter(|rest| rest.chars().count() == 1);
    let among = !arg.starts_with("--") && arg.starts_with('-');
    value.is_some_and(|value| value.is_empty() || value.starts_with('='))
        || short.is_some_and(|short| among && arg.contains(short))
}

fn is(option: &Arg, arg: &str) -> bool {
    option.get_long().is_some_and(|long| arg.strip_prefix("--") == Some(long))
        || option.get_short().is_some_and(|short| arg.strip_prefix('-') == Some(&short.to_string()))
}
