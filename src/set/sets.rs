//! Sets of one kind, as a handle follows them. The manifest stands for the set: while it is held
//! open, no other file looks as it does.

#![expect(unsafe_code, reason = "following a path is unsafe, as opening it once is")]

use super::packed::PackedSet;
use super::shard::ShardTable;
use super::shards::Shards;
use super::table_set::{SetOptions, TableSet};
use super::typed::TypedTableSet;
use crate::build_id::BuildId;
use crate::error::SetError;
use crate::format::types::key::TypedKey;
use crate::format::types::value::TypedValue;
use crate::live::{Look, Place, Standing};
use crate::manifest::{self, Manifest};
use crate::read::{PackedTable, Table};
use std::fmt;
use std::fs::{self, File};
use std::io;
use std::marker::PhantomData;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The path of a set, and how it is opened.
pub(super) struct Sets<S> {
    path: PathBuf,
    /// The path of the current manifest, through the pointer.
    manifest: PathBuf,
    versioned: bool,
    options: SetOptions,
    kind: PhantomData<fn() -> S>,
}

/// A set as it is served: of plain shards, a typed view of it, or of packed shards.
pub(super) trait Kind: Clone + fmt::Debug + Send + Sync + 'static {
    /// A shard of such a set.
    type Shard: ShardTable;

    /// The options with which such a set is opened.
    fn options(options: &SetOptions) -> SetOptions {
        options.clone()
    }
    /// The set as it is served; an error if it can't be served so.
    fn of(shards: Shards<Self::Shard>) -> Result<Self, SetError>;
    /// The shards of the set.
    fn shards(&self) -> &Arc<Shards<Self::Shard>>;
}

/// A manifest that was read, and its file.
pub(super) struct Found {
    directory: PathBuf,
    manifest: Manifest,
    file: File,
}

impl Kind for TableSet {
    type Shard = Table;

    fn of(shards: Shards<Table>) -> Result<Self, SetError> {
        Ok(Self::new(shards))
    }

    fn shards(&self) -> &Arc<Shards<Table>> {
        self.shards()
    }
}

impl Kind for PackedSet {
    type Shard = PackedTable;

    fn of(shards: Shards<PackedTable>) -> Result<Self, SetError> {
        Ok(Self::new(shards))
    }

    fn shards(&self) -> &Arc<Shards<PackedTable>> {
        self.shards()
    }
}

impl<K: TypedKey, V: TypedValue> Kind for TypedTableSet<K, V> {
    type Shard = Table;

    fn options(options: &SetOptions) -> SetOptions {
        options.expect_types::<K, V>()
    }

    fn of(shards: Shards<Table>) -> Result<Self, SetError> {
        Self::of(TableSet::new(shards))
    }

    fn shards(&self) -> &Arc<Shards<Table>> {
        self.set().shards()
    }
}

impl<S: Kind> Sets<S> {
    pub(super) fn at(path: &Path, options: &SetOptions) -> Result<Self, SetError> {
        let path = std::path::absolute(path).map_err(failed("find the set", path))?;
        let (manifest, versioned) = manifest::path_of(&path);
        let options = S::options(options);
        Ok(Self { path, manifest, versioned, options, kind: PhantomData })
    }

    /// The path that is followed.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

impl<S> fmt::Debug for Sets<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Sets");
        debug.field("path", &self.path).field("options", &self.options).finish_non_exhaustive()
    }
}

impl<S: Kind> Place for Sets<S> {
    type Served = S;
    type Found = Found;
    type Error = SetError;

    fn look(&self) -> Result<Look, SetError> {
        let metadata = fs::metadata(&self.manifest);
        let metadata = metadata.map_err(failed("look for a new set", &self.manifest))?;
        Ok(Look::at(&metadata))
    }

    fn find(&self) -> Result<Standing<Found>, SetError> {
        let (directory, (manifest, file)) = Manifest::find(&self.path)?;
        let metadata = file.metadata().map_err(failed("open the manifest", &self.manifest))?;
        let name = directory.file_name().filter(|_| self.versioned);
        let name = name.map(|name| name.to_string_lossy().into_owned());
        Ok(Standing { found: Found { directory, manifest, file }, look: Look::at(&metadata), name })
    }

    /// The same content in another version is another set: the old one, as long as it is open,
    /// could not be pruned.
    fn is_same(&self, served: &S, found: &Found) -> Result<bool, SetError> {
        let Shards { directory, manifest, .. } = &**served.shards();
        Ok(*directory == found.directory && manifest.id == found.manifest.id)
    }

    unsafe fn open(
        &self,
        found: Found,
        go_on: &dyn Fn() -> ControlFlow<()>,
    ) -> Result<S, SetError> {
        let Found { directory, manifest, file } = found;
        // SAFETY: the caller's promise.
        let shards = unsafe { self.options.shards(directory, (manifest, file)) }?;
        let served = S::of(shards)?;
        served.shards().prepare(go_on)?;
        Ok(served)
    }

    fn file(found: Found) -> File {
        found.file
    }

    fn build_id(served: &S) -> BuildId {
        served.shards().manifest.id
    }

    fn is_faulted(served: &S) -> bool {
        served.shards().is_faulted()
    }

    fn is_in_use(served: &S) -> bool {
        Arc::strong_count(served.shards()) > 1 || served.shards().is_in_use()
    }

    /// Whoever has the version pinned may map shards that are not mapped yet.
    fn most_mapped(served: &S) -> u64 {
        served.shards().manifest.bytes
    }
}

fn failed(action: &'static str, path: &Path) -> impl Fn(io::Error) -> SetError {
    move |source| SetError::Io { action, path: path.to_owned(), source }
}
