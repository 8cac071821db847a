//! Tables that may be merged and compared: plain ones, or ones that may be packed.

use super::source::Source;
use super::unpacked::Unpacked;
use super::walk::Bytes;
use crate::codec::ValueBuffer;
use crate::error::{MergeError, ReadResult};
use crate::format::order::common_prefix;
use crate::read::{PackedTable, Table};
use std::borrow::Cow;

/// A table that [`Merge`](crate::Merge), [`Diff`](crate::Diff), [`Patch`](crate::Patch),
/// [`Patched`](crate::Patched) and [`Salvage`](crate::Salvage) take: a [`Table`], which lends its
/// entries, or a [`PackedTable`], which may be packed or plain, and decodes those that are packed.
/// Sealed.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let dir = tempfile::tempdir()?;
/// # let (one, other) = (dir.path().join("one"), dir.path().join("other"));
/// # graven::BuildOptions::new().build(&one, [("a", "1"), ("b", "2")])?;
/// # graven::BuildOptions::new().compact_keys(true).build(&other, [("b", "3"), ("c", "4")])?;
/// use graven::{Merge, MergePolicy, PackedTable, Table};
/// let plain = Table::load(&one)?;
/// let tables = [PackedTable::try_from(plain)?, PackedTable::load(&other)?];
/// let merge = Merge::new(&tables).policy(MergePolicy::KeepLast);
/// let values = merge.map(|entry| Ok(entry?.1.into_owned()));
/// let values = values.collect::<Result<Vec<_>, graven::MergeError>>()?;
/// assert_eq!(values, [b"1", b"3", b"4"]);
/// # Ok(())
/// # }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no table that can be merged",
    note = "tables that are merged or compared are all `Table`, or all `PackedTable`"
)]
pub trait AnyTable: sealed::Walked {
    /// A key or a value as entries give it: `&[u8]` of a [`Table`], a [`Cow`] of a [`PackedTable`].
    type Bytes<'t>: Bytes<'t>;
}

pub(super) mod sealed {
    use super::AnyTable;
    use crate::codec::ValueBuffer;
    use crate::error::ReadResult;
    use crate::merge::walk::Walk;
    use crate::read::Table;
    use std::borrow::Cow;

    /// How the entries of a table are walked.
    pub trait Walked: Clone {
        /// A walk over all entries.
        type Walk<'t>: Walk<'t, Bytes = <Self as AnyTable>::Bytes<'t>>
        where
            Self: AnyTable;

        /// The table as it lies in the file.
        fn stored(&self) -> &Table;

        /// A walk before the first entry. `prefix`: length of a prefix that all keys have.
        fn walk(&self, prefix: usize) -> Self::Walk<'_>
        where
            Self: AnyTable;

        /// A walk over a plain table.
        fn walk_plain(table: &Table, prefix: usize) -> Self::Walk<'_>
        where
            Self: AnyTable;

        /// The first and the last key, as far as they can be read.
        fn end_keys(&self) -> [Option<Cow<'_, [u8]>>; 2];

        /// Key and value of which this is stored.
        fn decoded<'b>(
            &'b self,
            stored: (&'b [u8], &'b [u8]),
            buffer: &'b mut ValueBuffer,
        ) -> ReadResult<(&'b [u8], &'b [u8])>;

        /// All values of a key.
        fn values_of(&self, key: &[u8]) -> impl Iterator<Item = ReadResult<Cow<'_, [u8]>>>;
    }
}

use sealed::Walked;

impl AnyTable for Table {
    type Bytes<'t> = &'t [u8];
}

impl Walked for Table {
    type Walk<'t> = Source<'t>;

    #[inline]
    fn stored(&self) -> &Table {
        self
    }

    fn walk(&self, prefix: usize) -> Source<'_> {
        Source::new(self, prefix)
    }

    fn walk_plain(table: &Table, prefix: usize) -> Source<'_> {
        Source::new(table, prefix)
    }

    fn end_keys(&self) -> [Option<Cow<'_, [u8]>>; 2] {
        [self.first(), self.last()].map(|end| Some(Cow::Borrowed(end.ok()??.0)))
    }

    fn decoded<'b>(
        &'b self,
        stored: (&'b [u8], &'b [u8]),
        _: &'b mut ValueBuffer,
    ) -> ReadResult<(&'b [u8], &'b [u8])> {
        Ok(stored)
    }

    fn values_of(&self, key: &[u8]) -> impl Iterator<Item = ReadResult<Cow<'_, [u8]>>> {
        self.get_all(key).map(|value| value.map(Cow::Borrowed))
    }
}

impl AnyTable for PackedTable {
    type Bytes<'t> = Cow<'t, [u8]>;
}

impl Walked for PackedTable {
    type Walk<'t> = Unpacked<'t>;

    fn stored(&self) -> &Table {
        self.stored()
    }

    fn walk(&self, prefix: usize) -> Unpacked<'_> {
        Unpacked::new(self, prefix)
    }

    fn walk_plain(table: &Table, prefix: usize) -> Unpacked<'_> {
        Unpacked::Plain(Source::new(table, prefix))
    }

    fn end_keys(&self) -> [Option<Cow<'_, [u8]>>; 2] {
        let (stored, mut buffer) = (self.stored(), ValueBuffer::new());
        [stored.first(), stored.last()].map(|end| {
            let (key, _) = end.ok()??;
            Some(Cow::Owned(self.decoded((key, &[]), &mut buffer).ok()?.0.to_vec()))
        })
    }

    fn decoded<'b>(
        &'b self,
        stored: (&'b [u8], &'b [u8]),
        buffer: &'b mut ValueBuffer,
    ) -> ReadResult<(&'b [u8], &'b [u8])> {
        self.packed().decoded_entry(stored, buffer)
    }

    fn values_of(&self, key: &[u8]) -> impl Iterator<Item = ReadResult<Cow<'_, [u8]>>> {
        self.get_all(key).map(|value| value.map(Cow::Owned))
    }
}

/// Length of a prefix that all keys of plain tables and of others have: the longest that leaves keys
/// of fixed width a head of eight bytes, if they have as many. A table that cannot be read is left
/// out: its error comes with its entries.
pub(super) fn shared_prefix<T: AnyTable>(plain: &[&Table], others: &[&T]) -> usize {
    let ends = plain.iter().flat_map(|table| table.end_keys());
    let ends = ends.chain(others.iter().flat_map(|table| table.end_keys()));
    let mut keys = ends.flatten();
    let Some(first) = keys.next() else { return 0 };
    let shared = keys.map(|key| common_prefix(&first, &key)).min().unwrap_or(0);
    let stored = plain.iter().copied().chain(others.iter().map(|table| table.stored()));
    let fixed = stored.filter_map(|table| table.view().layout().fixed);
    let most = fixed.map(|fixed| fixed.key_len.saturating_sub(size_of::<u64>())).min();
    shared.min(most.unwrap_or(shared))
}

/// An error if a page of one of the tables was lost.
pub(super) fn intact<'t>(tables: impl IntoIterator<Item = &'t Table>) -> Result<(), MergeError> {
    for (number, table) in tables.into_iter().enumerate() {
        let failed = |source| MergeError::Read { table: number, source };
        table.view().sound(Ok(())).map_err(failed)?;
    }
    Ok(())
}
