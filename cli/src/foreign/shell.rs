//! Commands that messages name, so that they can be pasted into a shell.

use std::path::{Path, PathBuf};

/// Whether a path means standard input.
pub(super) fn is_standard(path: &Path) -> bool {
    path.as_os_str() == "-"
}

/// The command that builds `out` and reads `path` through a program.
pub(super) fn through(program: &str, path: &Path, inputs: &[PathBuf], out: &Path) -> String {
    if is_standard(path) {
        return format!("put {program} in front of graven build {}", quoted(out));
    }
    let mut command = format!("use {program} {} | graven build {}", quoted(path), quoted(out));
    // Standard input need not be named if it is the only input.
    if inputs.len() > 1 {
        for input in inputs {
            command.push(' ');
            command.push_str(&if input == path { "-".into() } else { quoted(input) });
        }
    }
    command
}

/// A path, quoted for a shell if necessary.
pub(super) fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-/+,:@%=".contains(&byte);
    match text.bytes().all(plain) && !text.starts_with('-') {
        true => text,
        false if text.starts_with('-') => format!("'./{}'", text.replace('\'', "'\\''")),
        false => format!("'{}'", text.replace('\'', "'\\''")),
    }
}
