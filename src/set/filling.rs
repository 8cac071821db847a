//! A shard while it is written: a builder, and what the manifest is to say of the shard.

use crate::error::BuildError;
use crate::manifest::Shard;
use crate::manifest::digest::sha256;
use crate::write::{BuildOptions, Builder, Value};
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// What an entry takes in a shard besides its key and its value, about: its lengths and its part of
/// the index.
const OVERHEAD: u64 = 8;

/// How large a shard becomes: it is full once it has so many entries, or so many bytes.
#[derive(Clone, Copy)]
pub(super) struct Size {
    pub(super) entries: u64,
    pub(super) bytes: u64,
}

impl Size {
    /// No bound.
    pub(super) const ANY: Self = Self { entries: u64::MAX, bytes: u64::MAX };
}

/// A shard that is being filled.
pub(super) struct Filling {
    file: String,
    path: PathBuf,
    builder: Builder,
    packed: bool,
    size: Size,
    first: Option<Vec<u8>>,
    last: Option<Vec<u8>>,
    /// Entries, without those that the duplicates policy leaves out.
    entries: u64,
    /// Bytes that its entries take, about, before they are packed.
    bytes: u64,
}

impl Filling {
    /// Begins the shard that the manifest will call `file` and that is built at `path`.
    pub(super) fn create(
        file: String,
        path: PathBuf,
        tables: &BuildOptions,
        size: Size,
    ) -> Result<Self, BuildError> {
        let builder = tables.create(&path)?;
        let (packed, first, last) = (tables.packs(), None, None);
        Ok(Self { file, path, builder, packed, size, first, last, entries: 0, bytes: 0 })
    }

    /// Adds an entry. `stays` is false if the duplicates policy leaves one of the entries with this
    /// key out.
    pub(super) fn insert(
        &mut self,
        key: &[u8],
        value: Value<'_>,
        stays: bool,
    ) -> Result<(), BuildError> {
        match value {
            Value::Bytes(bytes) => self.builder.insert(key, bytes)?,
            Value::Stored(_) => self.builder.insert_ascending(key, value)?,
        }
        self.note(key, value.len() as u64, stays);
        Ok(())
    }

    /// Adds an entry whose value is read to its end.
    pub(super) fn insert_from(
        &mut self,
        key: &[u8],
        value: &mut dyn Read,
        stays: bool,
    ) -> Result<(), BuildError> {
        let mut value = Counting { value, bytes: 0 };
        self.builder.insert_from(key, &mut value)?;
        let bytes = value.bytes;
        self.note(key, bytes, stays);
        Ok(())
    }

    fn note(&mut self, key: &[u8], value_len: u64, stays: bool) {
        if stays {
            self.entries += 1;
            self.bytes += key.len() as u64 + value_len + OVERHEAD;
        }
        keep(&mut self.first, key, |kept| key < kept);
        keep(&mut self.last, key, |kept| key > kept);
    }

    pub(super) fn is_full(&self) -> bool {
        self.entries >= self.size.entries || self.bytes >= self.size.bytes
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Entries, without those that the duplicates policy leaves out.
    pub(super) fn entries(&self) -> u64 {
        self.entries
    }

    pub(super) fn finish(self) -> Result<Shard, BuildError> {
        let Self { file, path, builder, packed, first, last, .. } = self;
        let summary = builder.finish()?;
        let read = |source| BuildError::io("read the new shard", &path, 0, source);
        let (bytes, sha256) = sha256(&File::open(&path).map_err(read)?).map_err(read)?;
        let (entries, build_id) = (summary.entries, summary.build_id);
        let (first_key, last_key) = (first, last);
        Ok(Shard { file, entries, bytes, build_id, first_key, last_key, sha256, packed })
    }
}

/// Keeps a key in place of another one, if `better` says so.
fn keep(kept: &mut Option<Vec<u8>>, key: &[u8], better: impl Fn(&[u8]) -> bool) {
    if kept.as_deref().is_none_or(better) {
        let kept = kept.get_or_insert_default();
        kept.clear();
        kept.extend_from_slice(key);
    }
}

/// Counts the bytes of a value that is read.
struct Counting<'v> {
    value: &'v mut dyn Read,
    bytes: u64,
}

impl Read for Counting<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.value.read(into)?;
        self.bytes += read as u64;
        Ok(read)
    }
}
