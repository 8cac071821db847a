//! Places in a table, as plain numbers.

use crate::format::record::Parts;

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
}
