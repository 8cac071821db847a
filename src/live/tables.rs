//! Tables of one kind, as a handle follows them.

#![expect(unsafe_code, reason = "following a path is unsafe, as mapping it once is")]

use super::handle::{Place, Standing};
use super::location::{Location, Look};
use crate::build_id::BuildId;
use crate::error::{OpenError, OpenFailure};
use crate::format::types::key::TypedKey;
use crate::format::types::value::TypedValue;
use crate::read::map::Located;
use crate::read::{OpenOptions, PackedTable, Table, TypedTable};
use std::fmt;
use std::fs::File;
use std::marker::PhantomData;
use std::ops::ControlFlow;
use std::path::Path;

/// The path of a table, and how it is opened.
pub(super) struct Tables<T> {
    location: Location,
    options: OpenOptions,
    kind: PhantomData<fn() -> T>,
}

/// A table as it is served: itself, or a typed view of it.
pub(super) trait Kind: Clone + fmt::Debug + Send + Sync + 'static {
    /// The table as it is served; an error if it can't be served so.
    fn of(table: Table) -> Result<Self, OpenFailure>;
    /// The table itself.
    fn table(&self) -> &Table;
    /// Whether clones or owned values of it are in use besides `self`.
    fn is_shared(&self) -> bool {
        self.table().is_shared()
    }
}

impl Kind for Table {
    fn of(table: Table) -> Result<Self, OpenFailure> {
        Ok(table)
    }

    fn table(&self) -> &Table {
        self
    }
}

impl Kind for PackedTable {
    fn of(table: Table) -> Result<Self, OpenFailure> {
        Self::of(table)
    }

    fn table(&self) -> &Table {
        self.stored()
    }

    fn is_shared(&self) -> bool {
        self.has_clones() || self.stored().is_shared()
    }
}

impl<K: TypedKey, V: TypedValue> Kind for TypedTable<K, V> {
    fn of(table: Table) -> Result<Self, OpenFailure> {
        Self::of(table)
    }

    fn table(&self) -> &Table {
        self.table()
    }
}

impl<T: Kind> Tables<T> {
    pub(super) fn at(path: &Path, options: &OpenOptions) -> Self {
        Self { location: Location::new(path), options: *options, kind: PhantomData }
    }

    /// The path that is followed.
    pub(super) fn path(&self) -> &Path {
        self.location.path()
    }

    fn named(&self, failure: OpenFailure) -> OpenError {
        failure.at(self.path())
    }

    /// # Safety
    /// The promise of [`Table::open`] holds for the file.
    unsafe fn serve(
        &self,
        file: &Located,
        go_on: &dyn Fn() -> ControlFlow<()>,
    ) -> Result<T, OpenFailure> {
        // SAFETY: the caller's promise.
        let table = T::of(unsafe { self.options.map(file) }?)?;
        self.options.prepare(table.table(), |_| go_on())?;
        Ok(table)
    }
}

impl<T> fmt::Debug for Tables<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { location, options, kind: _ } = self;
        f.debug_struct("Tables").field("location", location).field("options", options).finish()
    }
}

impl<T: Kind> Place for Tables<T> {
    type Served = T;
    type Found = Located;
    type Error = OpenError;

    fn look(&self) -> Result<Look, OpenError> {
        self.location.stat().map_err(|failure| self.named(failure))
    }

    fn find(&self) -> Result<Standing<Located>, OpenError> {
        let found = self.location.find(&self.options);
        let (found, name) = found.map_err(|failure| self.named(failure))?;
        let look = Look::at(&found.metadata);
        Ok(Standing { found, look, name })
    }

    /// Compares header and footer.
    fn is_same(&self, served: &T, found: &Located) -> Result<bool, OpenError> {
        let layout = found.layout().map_err(|failure| self.named(failure))?;
        let serves = served.table().view().layout();
        Ok((layout.build_id, layout.file_len) == (serves.build_id, serves.file_len))
    }

    unsafe fn open(
        &self,
        found: Located,
        go_on: &dyn Fn() -> ControlFlow<()>,
    ) -> Result<T, OpenError> {
        // SAFETY: the caller's promise.
        unsafe { self.serve(&found, go_on) }.map_err(|failure| self.named(failure))
    }

    fn file(found: Located) -> File {
        found.file
    }

    fn build_id(served: &T) -> BuildId {
        served.table().build_id()
    }

    fn is_faulted(served: &T) -> bool {
        served.table().is_faulted()
    }

    fn is_in_use(served: &T) -> bool {
        served.is_shared()
    }

    fn most_mapped(served: &T) -> u64 {
        served.table().view().layout().file_len as u64
    }
}
