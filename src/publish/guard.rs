//! Guards of what is published: a table that is much smaller than it should be comes from a build
//! that lost its input.

use super::content::entries_of_set;
use crate::build_id::BuildId;
use crate::error::{BuildError, OpenFailure, PublishError};
use crate::file::integrity;
use crate::file::io::open_regular;
use crate::format::layout::Layout;
#[cfg(feature = "sets")]
use crate::manifest::Manifest;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

/// What is known of a table or a set before it is published.
#[derive(Clone, Copy, Debug)]
pub(super) struct Incoming {
    pub(super) entries: u64,
    pub(super) file_bytes: u64,
    pub(super) build_id: BuildId,
}

impl Incoming {
    /// Opens the table at a path, and reads its two ends.
    pub(super) fn open(path: &Path) -> Result<(File, Self), OpenFailure> {
        let failed = |source| OpenFailure::Io { action: "open the table", source };
        let (file, metadata) = open_regular(path, failed)?;
        let layout = integrity::layout(&file, metadata.len())?;
        layout.refuse_patch()?;
        Ok((file, Self::new(&layout)))
    }

    pub(super) fn new(layout: &Layout) -> Self {
        let Layout { entries, file_len, build_id, .. } = *layout;
        Self { entries, file_bytes: file_len as u64, build_id: build_id.into() }
    }

    #[cfg(feature = "sets")]
    pub(super) fn of_set(manifest: &Manifest) -> Self {
        let Manifest { id, entries, bytes, .. } = *manifest;
        Self { entries, file_bytes: bytes, build_id: id }
    }

    /// The id of the version with this number that holds the table.
    pub(super) fn version_id(&self, number: u64) -> String {
        format!("{number:08}-{:.8}", self.build_id)
    }
}

/// The least that a table must hold to be published.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Guard {
    pub(super) min_entries: u64,
    /// Largest part of the current table's entries that may be missing in the new one.
    pub(super) max_shrink: Option<f64>,
}

impl Guard {
    pub(super) fn check(&self) -> Result<(), BuildError> {
        match self.max_shrink {
            Some(share) if !(0.0..=1.0).contains(&share) => Err(BuildError::InvalidOption {
                option: "max_shrink",
                got: share.to_string(),
                expected: "a part from 0.0 to 1.0",
            }),
            _ => Ok(()),
        }
    }

    /// Refuses a table that is too small. `current` finds the path of the table that it replaces.
    pub(super) fn permit(
        &self,
        incoming: &Incoming,
        current: impl FnOnce() -> Result<Option<PathBuf>, PublishError>,
    ) -> Result<(), PublishError> {
        let entries = incoming.entries;
        if entries < self.min_entries {
            return Err(PublishError::TooFewEntries { entries, min_entries: self.min_entries });
        }
        let Some(max_shrink) = self.max_shrink else { return Ok(()) };
        let Some(path) = current()? else { return Ok(()) };
        let current = match path.is_dir() {
            true => entries_of_set(&path)?,
            false => entries_of(&path).map_err(|source| PublishError::Current { path, source })?,
        };
        let missing = current.saturating_sub(entries);
        // Nothing is missing of an empty table.
        if missing > 0 && missing as f64 / current as f64 > max_shrink {
            return Err(PublishError::Shrunk { entries, current, max_shrink });
        }
        Ok(())
    }
}

/// Entries of the table at a path; 0 if there is no file, or an empty one, which a table replaces,
/// too.
fn entries_of(path: &Path) -> Result<u64, OpenFailure> {
    match Incoming::open(path) {
        Ok((_, current)) => Ok(current.entries),
        Err(OpenFailure::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => Ok(0),
        Err(OpenFailure::TooShort { got: 0, .. }) => Ok(0),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    /// A table that can't be opened may have more entries than the new one.
    #[test]
    fn only_a_missing_table_is_empty() {
        let directory = tempfile::tempdir().unwrap();
        let looped = directory.path().join("t.grv");
        symlink(&looped, &looped).unwrap();
        let guard = Guard { min_entries: 0, max_shrink: Some(0.5) };
        let incoming = Incoming { entries: 1, file_bytes: 1, build_id: [0; 16].into() };
        let permit = |current: PathBuf| guard.permit(&incoming, || Ok(Some(current)));
        permit(directory.path().join("none")).unwrap();
        let error = permit(looped.clone()).unwrap_err();
        let PublishError::Current { path, .. } = &error else { panic!("{error}") };
        assert_eq!(*path, looped);
    }
}
