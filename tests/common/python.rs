//! Python, for the second reader of the format.

use std::process::Command;

/// Why there is no Python here, if so.
pub(crate) fn no_python() -> Option<String> {
    let version = Command::new("python3").arg("--version").output();
    match version {
        Ok(done) if done.status.success() => None,
        Ok(done) => Some(format!("python3 --version fails: {}", done.status)),
        Err(error) => Some(format!("python3 does not start: {error}")),
    }
}
