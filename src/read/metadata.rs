//! User metadata.

use super::table::Table;
use crate::error::ReadError;
use crate::format::meta::pair_at;
use crate::format::u32_at;

/// The key/value pairs that were given to [`BuildOptions::metadata`](crate::BuildOptions::metadata).
///
/// ```
/// # let dir = tempfile::tempdir()?;
/// # let path = dir.path().join("t");
/// # let options = graven::BuildOptions::new().metadata("source", "census 2020");
/// # options.build(&path, [("Bern", "133883")])?;
/// # let table = graven::Table::load(&path)?;
/// let metadata = table.metadata()?;
/// assert_eq!(metadata.get("source"), Some(&b"census 2020"[..]));
/// for (key, value) in &metadata {
///     println!("{}: {}", key.escape_ascii(), value.escape_ascii());
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Metadata<'t> {
    /// The section after its count.
    pairs: &'t [u8],
    count: u32,
}

impl<'t> Metadata<'t> {
    /// The value of a key. Scans the pairs.
    #[must_use]
    pub fn get(&self, key: impl AsRef<[u8]>) -> Option<&'t [u8]> {
        let key = key.as_ref();
        self.iter().find(|pair| pair.0 == key).map(|pair| pair.1)
    }

    /// All pairs, ascending by key. `&metadata` in a `for` loop is the same.
    #[must_use]
    pub fn iter(&self) -> MetadataIter<'t> {
        MetadataIter { pairs: self.pairs, at: 0, left: self.count }
    }
}

impl<'t> IntoIterator for &Metadata<'t> {
    type Item = (&'t [u8], &'t [u8]);
    type IntoIter = MetadataIter<'t>;

    fn into_iter(self) -> MetadataIter<'t> {
        self.iter()
    }
}

/// The pairs of a table's metadata, ascending by key. See [`Metadata::iter`].
#[derive(Clone, Debug)]
pub struct MetadataIter<'t> {
    /// The section after its count.
    pairs: &'t [u8],
    /// Where the next pair starts.
    at: usize,
    left: u32,
}

impl<'t> Iterator for MetadataIter<'t> {
    type Item = (&'t [u8], &'t [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        let (pair, next) = pair_at(self.pairs, self.at)?;
        self.at = next;
        Some(pair)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (0, usize::try_from(self.left).ok())
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
