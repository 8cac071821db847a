//! Where in the file a key lies, and what a lookup of it reads.

use super::get::Checked;
use super::index::hash::{Buckets, Hash, StoredKeys};
use super::index::line::Lines;
use super::index::tree::Tree;
use super::packed::PackedTable;
use super::packing::Packing;
use super::place::{Found, LocatedPart, LocatedSpan, Side};
use super::search::Search;
use super::table::Table;
use super::view::View;
use crate::error::{ReadError, ReadResult};
use std::ops::Range;

/// Where a key lies, and what a [`get`](Table::get) of it reads. [`Table::locate`] returns it.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Location {
    /// The number of entries before the key's first entry; `None` if the key is not in the table.
    pub rank: Option<u64>,
    /// What a lookup of the key reads, in this order: parts of the index, other records that it
    /// compares, the key's record. Without the record if the key is not in the table.
    pub spans: Vec<LocatedSpan>,
}

impl Table {
    /// Where in the file `key` lies, and what a [`get`](Self::get) of it reads: to learn how a table
    /// is laid out, and why a lookup costs what it costs. Works for keys that are not stored, too.
    /// Costs some searches and allocates.
    ///
    /// With the hash index a lookup reads one bucket or two and the records to which they refer. With
    /// the line index it reads one line, or two where many keys share one, and the record. With the
    /// ordered index alone it reads a node on each level, and compares records of one block. The
    /// first lookup on a page of 4 KiB reads the whole page and its page sum as well; spans don't
    /// say so, as the page follows from the offset.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("t");
    /// # let mut builder = graven::Builder::create(&path)?;
    /// # builder.insert(b"apple", b"3")?;
    /// # builder.insert(b"pear", b"24")?;
    /// # builder.finish()?;
    /// use graven::LocatedPart;
    ///
    /// let table = graven::Table::load(&path)?;
    /// let location = table.locate(b"pear")?;
    /// assert_eq!(location.rank, Some(1));
    /// let value = location.spans.iter().find(|span| span.part == LocatedPart::Value).unwrap();
    /// let bytes = std::fs::read(&path)?;
    /// let start = value.offset as usize;
    /// assert_eq!(&bytes[start..start + value.bytes as usize], b"24");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`ReadError`] if a page that was touched is damaged.
    pub fn locate(&self, key: impl AsRef<[u8]>) -> Result<Location, ReadError> {
        // A page that was lost has no place of a key.
        let (view, key) = (self.view(), key.as_ref());
        view.sound(Location::of(view, Hash::of(view), key, key))
    }
}

impl PackedTable {
    /// Where in the file `key` lies, and what a [`get`](Self::get) of it reads; see
    /// [`Table::locate`]. Key and value of the location are as they are stored. A `get` of a value that
    /// is compressed reads the dictionary, too, of which the location says nothing.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("t");
    /// # let pages = (0..1000).map(|i| (format!("https://example.org/{i:04}"), "text"));
    /// # graven::BuildOptions::new().compact_keys(true).build(&path, pages)?;
    /// let table = graven::PackedTable::load(&path)?;
    /// let location = table.locate("https://example.org/0042")?;
    /// assert_eq!(location.rank, Some(42));
    /// let bytes = location.spans.iter().map(|span| span.bytes).sum::<u64>();
    /// println!("a get reads {bytes} bytes");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`ReadError`] if a page that was touched is damaged.
    pub fn locate(&self, key: impl AsRef<[u8]>) -> Result<Location, ReadError> {
        let (view, key, mut room) = (self.stored().view(), key.as_ref(), Vec::new());
        view.sound(match self.packing().and_then(Packing::symbols) {
            None => Location::of(view, Hash::of(view), key, key),
            Some(symbols) => {
                symbols.encode(key, &mut room);
                Location::of(view, Hash::of_decoded(view, symbols), key, &room)
            }
        })
    }
}

impl Location {
    /// The place of `key`, which is stored as `stored`, in a table with this hash index.
    fn of<K: StoredKeys>(
        view: &View,
        hash: Option<Hash<'_, K>>,
        key: &[u8],
        stored: &[u8],
    ) -> ReadResult<Self> {
        let mut location = Self { rank: None, spans: Vec::new() };
        let found = Checked::of(view).locate(stored)?;
        if !location.read_hashed(hash, key)? {
            location.read_ordered(view, stored)?;
        }
        if let Some(found) = found {
            location.rank = Some(Search::of(view).seek(stored, Side::NotBelow)?.rank);
            location.add_record(&found);
        }
        Ok(location)
    }

    fn add(&mut self, part: LocatedPart, range: Range<usize>) {
        let (offset, bytes) = (range.start as u64, range.len() as u64);
        self.spans.push(LocatedSpan { part, offset, bytes });
    }

    /// Adds what a lookup reads through the hash index. False if the ordered index is asked, too.
    fn read_hashed<K: StoredKeys>(
        &mut self,
        hash: Option<Hash<'_, K>>,
        key: &[u8],
    ) -> ReadResult<bool> {
        let Some(hash) = hash else { return Ok(false) };
        let asked = hash.ask_watched(key, 0, |part, range| self.add(part, range))?;
        Ok(!matches!(asked, Buckets::SetAside))
    }

    /// Adds what a lookup by order reads before the record.
    fn read_ordered(&mut self, view: &View, key: &[u8]) -> ReadResult<()> {
        if view.layout().entries == 0 {
            return Ok(());
        }
        if let Some(lines) = Lines::of(view) {
            lines.read_for(key)?.into_iter().for_each(|line| self.add(LocatedPart::Line, line));
            return Ok(());
        }
        let block = match Tree::of(view) {
            Some(tree) => {
                let (nodes, block) = tree.path(key, view.layout().repeated_keys)?;
                nodes.into_iter().for_each(|node| self.add(LocatedPart::Node, node));
                block
            }
            None => view.start().offset..view.layout().records.end,
        };
        self.add(LocatedPart::Block, block);
        Ok(())
    }

    /// Adds the parts of the key's record.
    fn add_record(&mut self, found: &Found) {
        let Found { offset, parts } = found;
        let compared = |span: &LocatedSpan| span.part == LocatedPart::Compared;
        self.spans.retain(|span| !(compared(span) && span.offset == *offset as u64));
        if *offset < parts.key {
            self.add(LocatedPart::Lengths, *offset..parts.key);
        }
        self.add(LocatedPart::Key, parts.key());
        self.add(LocatedPart::Value, parts.value());
    }
}
