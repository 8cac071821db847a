//! User metadata.

use super::table::Table;
use crate::error::ReadError;
use crate::format::meta::pair_at;
use crate::format::u32_at;

/// The key/value pairs that were given to [`BuildOptions::metadata`](crate::BuildOptions::metadata).
#[derive(Clone, Copy, Debug)]
pub struct Metadata<'t> {
    /// The section after its count.
    pairs: &'t [u8],
    count: u32,
}

impl<'t> Metadata<'t> {
    /// The value of a key. Scans the pairs.
    #[must_use]
    pub fn get(&self, key: &[u8]) -> Option<&'t [u8]> {
        self.iter().find(|pair| pair.0 == key).map(|pair| pair.1)
    }

    /// All pairs, ascending by key.
    pub fn iter(&self) -> impl Iterator<Item = (&'t [u8], &'t [u8])> + use<'t> {
        let pairs = self.pairs;
        let mut at = 0;
        (0..self.count).map_while(move |_| {
            let (pair, next) = pair_at(pairs, at)?;
            at = next;
            Some(pair)
        })
    }
}

impl Table {
    /// The table's metadata. Checks its pages and its structure.
    ///
    /// # Errors
    /// [`ReadError`] if the metadata is damaged.
    pub fn metadata(&self) -> Result<Metadata<'_>, ReadError> {
        let view = self.view();
        let Some(span) = view.layout().metadata else {
            return Ok(Metadata { pairs: &[], count: 0 });
        };
        view.ensure(span.start..span.end)?;
        let section = view.slice(span.start..span.end)?;
        let bad = || view.corrupt("metadata makes no sense", span.start as u64);
        let count = u32_at(section, 0).ok_or_else(bad)?;
        let metadata = Metadata { pairs: &section[4..], count };
        let mut last: Option<&[u8]> = None;
        let mut used = 4;
        for (key, value) in metadata.iter() {
            if last.is_some_and(|last| last >= key) {
                return view.sound(Err(bad()));
            }
            last = Some(key);
            used += crate::format::meta::PAIR_HEADER + key.len() + value.len();
        }
        let whole = metadata.iter().count() == count as usize && used == section.len();
        view.sound(if whole { Ok(metadata) } else { Err(bad()) })
    }
}
