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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{BuildOptions, HashIndex};

    fn key(i: u64, len: usize) -> Vec<u8> {
        [i.to_be_bytes(), [7; 8]].concat()[..len].to_vec()
    }

    /// A table of 100 keys of this length, which have their numbers for values.
    fn table(first: u64, len: usize, index: HashIndex) -> Table {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("t");
        let entries = (first..first + 100).map(|i| (key(i, len), i.to_be_bytes()));
        let options = BuildOptions::new().durable(false).hash_index(index);
        options.build(&path, entries).unwrap();
        Table::load(&path).unwrap()
    }

    /// Where the answer is `false`, callers ask one key after the other.
    #[test]
    fn tables_of_like_kinds_are_asked_together() {
        let (lines, buckets) = (HashIndex::Auto, HashIndex::Always);
        for (len, other_len, index) in [(8, 8, lines), (8, 16, lines), (16, 16, buckets)] {
            let tables = [(table(0, len, index), len), (table(50, other_len, index), other_len)];
            let asked: Vec<(&Table, u64, Vec<u8>)> = (0..150)
                .flat_map(|i| tables.each_ref().map(|(table, len)| (table, i, key(i, *len))))
                .collect();
            let mut found = Vec::new();
            let keys = asked.iter().map(|(table, _, key)| (*table, &key[..]));
            assert_eq!(
                get_many_among(keys, |value| found.push(value)),
                Ok(true),
                "{len}, {index:?}"
            );
            assert_eq!(found.len(), asked.len());
            for ((table, i, _), found) in asked.iter().zip(found) {
                let first = if std::ptr::eq(*table, &tables[0].0) { 0 } else { 50 };
                let value = i.to_be_bytes();
                let right = (first..first + 100).contains(i).then_some(&value[..]);
                assert_eq!(found, right, "key {i} of the table from {first} on");
            }
        }
    }

    #[test]
    fn nothing_is_asked_of_tables_of_several_kinds() {
        let tables = [HashIndex::Auto, HashIndex::Always].map(|index| table(0, 8, index));
        let asked = key(5, 8);
        let keys = tables.iter().map(|table| (table, &asked[..]));
        assert_eq!(get_many_among(keys, |value| panic!("{value:?} was found")), Ok(false));
    }
}
