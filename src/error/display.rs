//! The texts of the errors.

use super::{BuildError, OpenError, OpenFailure, PublishError, ReadError, ReadFailure};
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

impl fmt::Display for PublishError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Source { path, source } => write!(f, "{}: {source}", path.display()),
            Self::Target(error) => error.fmt(f),
            Self::NoVersion { directory, id: Some(id) } => {
                write!(f, "{} has no version {id}: list the versions", directory.display())
            }
            Self::NoVersion { directory, id: None } => write!(
                f,
                "{} has no such version: publish one first, or name the version",
                directory.display()
            ),
        }
    }
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(path) = self.path() {
            write!(f, "{}: ", path.display())?;
        }
        self.failure.fmt(f)
    }
}

impl fmt::Display for OpenFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io { action, source, .. } => write!(f, "could not {action}: {source}"),
            Self::NotARegularFile { kind } => write!(
                f,
                "is a {kind}, and only a regular file can be mapped: name the table's file, or read \
                 the stream with from_reader"
            ),
            Self::TooShort { got, expected } => write!(
                f,
                "has {got} bytes, the smallest table has {expected}: the file is empty, cut off or \
                 no table"
            ),
            Self::NotATable { found } => write!(
                f,
                "starts with \"{}\" and is no graven table: check the path",
                found.escape_ascii()
            ),
            Self::UnsupportedVersion { major, minor, supported } => write!(
                f,
                "has format version {major}.{minor}, this library reads {supported}.x: use a newer \
                 graven"
            ),
            Self::UnsupportedFeature { feature, id } => {
                write!(
                    f,
                    "needs {feature} {id}, unknown to this library: use a newer graven, or build the table \
                     again if it is older than this one"
                )
            }
            Self::HeaderChecksum { expected, got } => write!(
                f,
                "header is damaged: checksum at offset 112 says {expected:08x}, the bytes give \
                 {got:08x}: copy or build the table again"
            ),
            Self::Truncated { expected, got } => write!(
                f,
                "is cut off: the header says {expected} bytes, the file has {got}: copy or build \
                 the table again"
            ),
            Self::TrailingBytes { expected, got } => write!(
                f,
                "has {got} bytes but its header says {expected}: something was appended; open the \
                 table's part with section(), or copy it again"
            ),
            Self::FooterMismatch { field, offset } => write!(
                f,
                "footer at offset {offset} does not belong to the header ({field} differs): the \
                 file is torn, copy or build the table again"
            ),
            Self::InvalidHeader { field, offset, got } => {
                write!(
                    f,
                    "header field {field} at offset {offset} is {got}, which is impossible: build the table again"
                )
            }
            Self::AddressSpaceExhausted { needed, limit } => {
                write!(f, "needs {needed} bytes of address space, mapped or copied, and ")?;
                match limit {
                    Some(limit) => write!(
                        f,
                        "ulimit -v allows the process {limit} in all: raise the limit, close other \
                         tables, or split this one"
                    ),
                    None => write!(
                        f,
                        "the process has less: use a 64-bit one, close other tables, or split this \
                         one"
                    ),
                }
            }
            Self::TooManyMappings { mappings, limit } => write!(
                f,
                "cannot be mapped or copied: the process has {mappings} mappings, and \
                 vm.max_map_count allows {limit}: close other tables, or raise the limit with sysctl"
            ),
            Self::LockRefused { needed, limit, source } => {
                write!(f, "could not lock {needed} bytes into memory ({source}")?;
                if let Some(limit) = limit {
                    write!(f, "; ulimit -l allows {limit} bytes in all")?;
                }
                write!(f, "): raise the limit, or warm() the table instead of locking it")
            }
            Self::OutOfMemory { needed } => write!(
                f,
                "a private copy needs {needed} bytes of memory and there is less, or ulimit -d \
                 allows less: map the file with open()"
            ),
            Self::SectionOutOfBounds { offset, len, file_len } => write!(
                f,
                "the section of {len} bytes at offset {offset} reaches beyond the file's {file_len} \
                 bytes"
            ),
            Self::Damaged(error) => error.fmt(f),
            Self::TypeMismatch { part, expected, got } => {
                write!(f, "{part} type is {expected} in the table, {got} was asked for")
            }
            Self::Misaligned { needed, got } => write!(
                f,
                "values must lie at multiples of {needed} in memory and lie at {got} (modulo that, or \
                 by the table's own alignment): build with value_align({needed}), and map a file or \
                 load() it"
            ),
        }
    }
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(path) = self.path() {
            write!(f, "{}: ", path.display())?;
        }
        self.failure().fmt(f)
    }
}

impl fmt::Display for ReadFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Checksum { offset, expected, got } => write!(
                f,
                "page at offset {offset} is damaged: checksum {expected:08x} expected, {got:08x} \
                 found: copy or build the table again"
            ),
            Self::Corrupt { what, offset } => {
                write!(f, "{what} at offset {offset}: build the table again")
            }
            Self::Faulted { offset } => write!(
                f,
                "page at offset {offset} cannot be read: the file was truncated or its device \
                 failed"
            ),
        }
    }
}
