//! Lookups in several tables at once, for sets.

use super::get;
use super::table::Table;
use crate::error::ReadError;

/// As [`Table::get_many_with`], each key in its table. Nothing happens if the tables are of several
/// kinds: then the answer is `false`.
pub(crate) fn get_many_among<'t, 'k>(
    keys: impl ExactSizeIterator<Item = (&'t Table, &'k [u8])> + Clone,
    each: impl FnMut(Option<&'t [u8]>),
) -> Result<bool, ReadError> {
    get::get_many_among(keys.map(|(table, key)| (table.searched(), key)), each)
}
