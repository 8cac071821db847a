//! Places in a table, as plain numbers.

use crate::format::order::head;
use crate::format::record::Parts;
use std::fmt;

/// A part of the file that a lookup reads.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LocatedSpan {
    /// What it is.
    pub part: LocatedPart,
    /// Where it starts, counted from the table's first byte.
    pub offset: u64,
    /// Its length; 0 for an empty key or value.
    pub bytes: u64,
}

/// What a part of the file is to a lookup of a key.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LocatedPart {
    /// A bucket of the hash index: one cache line.
    Bucket,
    /// A line of the line index: one cache line.
    Line,
    /// A node of the ordered index, of which a search reads some cache lines.
    Node,
    /// The records of a block, of which a search reads some to compare their keys.
    Block,
    /// A record up to its key, which a search compares and which has another key.
    Compared,
    /// The length word of the key's record, and what follows it before the key. Tables whose
    /// records all have the same lengths have none.
    Lengths,
    /// The key in its record.
    Key,
    /// The value in its record. A lookup returns it and does not read it, but for the page sums.
    Value,
}

impl fmt::Display for LocatedPart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Bucket => "bucket",
            Self::Line => "line",
            Self::Node => "node",
            Self::Block => "block",
            Self::Compared => "compared",
            Self::Lengths => "lengths",
            Self::Key => "key",
            Self::Value => "value",
        })
    }
}

/// Key and value.
pub(crate) type Entry<'t> = (&'t [u8], &'t [u8]);

/// A place between entries: `rank` entries are before it, and the next record starts at `offset`
/// (in a table of fixed width, the next key does).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) rank: u64,
    pub(crate) offset: usize,
}

/// The place where an iteration starts. Its rank may be unknown.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Start {
    pub(crate) rank: Option<u64>,
    pub(crate) offset: usize,
}

impl From<Place> for Start {
    #[inline]
    fn from(place: Place) -> Self {
        Self { rank: Some(place.rank), offset: place.offset }
    }
}

/// A record that a lookup has found.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Found {
    /// Where the record starts (in a table of fixed width, where its key starts).
    pub(crate) offset: usize,
    pub(crate) parts: Parts,
}

/// Which side of a key's entries a search looks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    /// Before the first entry that is not below the key.
    NotBelow,
    /// Before the first entry that is above the key.
    Above,
}

impl Side {
    /// Whether the place that a search for `key` looks for is behind an entry with the key `found`.
    #[inline]
    pub(crate) fn is_behind(self, found: &[u8], key: &[u8]) -> bool {
        match self {
            Self::NotBelow => found < key,
            Self::Above => found <= key,
        }
    }

    /// As [`is_behind`](Self::is_behind), without a call where the first eight bytes decide, as they do
    /// in most tables of fixed width.
    #[inline(always)]
    pub(crate) fn is_behind_by_head(self, found: &[u8], key: &[u8]) -> bool {
        let (found_head, key_head) = (head(found), head(key));
        if found_head == key_head { self.is_behind(found, key) } else { found_head < key_head }
    }
}
