//! A shard, as the manifest describes it.

use super::digest::Digesting;
use super::hex::{self, hex};
use crate::build_id::BuildId;
use crate::error::{OpenFailure, SetError};
use crate::file::io::open_regular;
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

/// A shard of a set, as its manifest says.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shard {
    /// Its file's name, in the directory of the manifest.
    pub file: String,
    /// Its entries.
    pub entries: u64,
    /// Its file's bytes.
    pub bytes: u64,
    /// The table's build id.
    #[serde(serialize_with = "hex::write_text", deserialize_with = "hex::read_text")]
    pub build_id: BuildId,
    /// Its smallest key; `None` if it is empty.
    #[serde(serialize_with = "hex::write_key", deserialize_with = "hex::read_key")]
    pub first_key: Option<Vec<u8>>,
    /// Its largest key; `None` if it is empty.
    #[serde(serialize_with = "hex::write_key", deserialize_with = "hex::read_key")]
    pub last_key: Option<Vec<u8>>,
    /// SHA-256 of its file.
    #[serde(serialize_with = "hex::write_digest", deserialize_with = "hex::read_digest")]
    pub sha256: [u8; 32],
    /// Whether it is a packed table.
    #[serde(default)]
    pub packed: bool,
}

impl Shard {
    pub(crate) fn path(&self, directory: &Path) -> PathBuf {
        directory.join(&self.file)
    }

    /// Opens the shard's file, and compares its length.
    pub(crate) fn open_file(&self, directory: &Path) -> Result<File, SetError> {
        let path = self.path(directory);
        let read = |source| OpenFailure::Io { action: "open the shard", source };
        let (file, metadata) = open_regular(&path, read).map_err(|failure| failure.at(&path))?;
        self.check_len(path, metadata.len())?;
        Ok(file)
    }

    /// Compares length and digest of the shard's file.
    pub(crate) fn check_file(&self, directory: &Path) -> Result<(), SetError> {
        self.check_file_while(directory, &mut |_| ControlFlow::Continue(())).map(drop)
    }

    /// As [`check_file`](Self::check_file), but calls `go_on` with the number of bytes that were
    /// read, and stops when it breaks.
    pub(crate) fn check_file_while(
        &self,
        directory: &Path,
        go_on: &mut dyn FnMut(u64) -> ControlFlow<()>,
    ) -> Result<ControlFlow<()>, SetError> {
        let path = self.path(directory);
        let file = self.open_file(directory)?;
        let mut digest = Digesting::new(&file);
        let failed = |source| SetError::Io { action: "read the shard", path: path.clone(), source };
        while digest.step().map_err(failed)? {
            if go_on(digest.len).is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        let (bytes, sha256) = digest.finish();
        self.check_len(path.clone(), bytes)?;
        if sha256 != self.sha256 {
            let (found, expected) = (hex(&sha256), hex(&self.sha256));
            let what = format!("has SHA-256 {found}, {expected} in the manifest");
            return Err(SetError::Shard { path, what });
        }
        Ok(ControlFlow::Continue(()))
    }

    fn check_len(&self, path: PathBuf, bytes: u64) -> Result<(), SetError> {
        if bytes == self.bytes {
            return Ok(());
        }
        let what = format!("has {bytes} bytes, {} in the manifest", self.bytes);
        Err(SetError::Shard { path, what })
    }
}
