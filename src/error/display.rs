//! The texts of the errors of building and publishing.

use super::BuildError;
use std::{fmt, io};

/// A key as an error shows it: escaped, and cut after 64 bytes.
struct Shown<'a>(&'a [u8]);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const MOST: usize = 64;
        let (shown, rest) = self.0.split_at(self.0.len().min(MOST));
        write!(f, "\"{}\"", shown.escape_ascii())?;
        if !rest.is_empty() {
            write!(f, "… ({} bytes)", self.0.len())?;
        }
        Ok(())
    }
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io { action, path, source } => {
                write!(f, "could not {action} at {}: {source}", path.display())
            }
            Self::OutOfSpace { action, path, written, source } => write!(
                f,
                "no space to {action} at {} after {written} bytes ({source}): free space or choose \
                 another directory; nothing was published",
                path.display()
            ),
            Self::KeyTooLong { len, entry } => {
                write!(f, "key of entry {entry} has {len} bytes, at most 65535 are allowed")
            }
            Self::ValueTooLong { len, entry } => {
                write!(f, "value of entry {entry} has {len} bytes, at most 4294967295 are allowed")
            }
            Self::ValueReader { entry, source } => {
                write!(f, "could not read the value of entry {entry}: {source}")
            }
            Self::OutOfOrder { previous, key, entry } => write!(
                f,
                "key {} of entry {entry} comes after {} but is smaller: sort the input bytewise or \
                 leave out the promise that it is sorted",
                Shown(key),
                Shown(previous)
            ),
            Self::DuplicateKey { key } => write!(
                f,
                "key {} occurs more than once: remove one, or choose to keep the first, the last \
                 or all",
                Shown(key)
            ),
            Self::AlreadyExists { path } => {
                write!(f, "{} exists already and was not to be replaced", path.display())
            }
            Self::NotARegularFile { path, kind } => write!(
                f,
                "{} is a {kind}, and a table would take its place: choose another path",
                path.display()
            ),
            Self::NotATable { path } => write!(
                f,
                "{} is a file but no graven table, and a table would take its place: remove it or \
                 choose another path",
                path.display()
            ),
            Self::NotReplaceable { path, reason } => write!(f, "{} {reason}", path.display()),
            Self::Locked { path, source } => {
                write!(f, "could not lock {}", path.display())?;
                match source.kind() {
                    io::ErrorKind::WouldBlock => write!(
                        f,
                        ": another process has held it for a minute: end that one, or try again"
                    ),
                    _ => write!(f, ": {source}"),
                }
            }
            Self::ReadBack { path, source } => write!(
                f,
                "{}: was not published, since the disk gave back other bytes than were written: \
                 {source}; look for a failing disk or memory",
                path.display()
            ),
            Self::InvalidOption { option, got, expected } => {
                write!(f, "option {option} is {got}, expected {expected}")
            }
            Self::TableTooLarge { bytes } => write!(
                f,
                "the table would have {bytes} bytes, more than the 16 TiB of the format: split it"
            ),
            Self::Failed => {
                write!(f, "an earlier insert failed, so nothing is published: start anew")
            }
            Self::PublishedButNotDurable { path, source } => write!(
                f,
                "{} is published and complete, but its directory could not be synced ({source}): \
                 a power loss may bring the old table back",
                path.display()
            ),
        }
    }
}
