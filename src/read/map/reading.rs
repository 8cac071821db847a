//! How pages of a mapping come into memory: the kernel reads ahead where memory holds the table.
//! Otherwise each fault reads one page, and walks ask for windows.

use super::file::AccessPattern;
use crate::limits;

/// How a mapping is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reading {
    /// The kernel reads ahead by its default.
    Ahead,
    /// The kernel reads ahead a lot.
    Sequential,
    /// Every fault reads one page.
    Pages,
    /// Every fault reads one page, and walks ask for windows.
    Windows {
        /// Bytes of memory that the process could still take when the table was opened.
        available: u64,
    },
}

impl Reading {
    /// How a table of `len` bytes is read.
    pub(super) fn new(access: AccessPattern, len: usize) -> Self {
        /// Smaller tables are taken to fit, so that opening them asks for nothing.
        const LEAST: usize = 16 << 20;
        match access {
            AccessPattern::Normal => Self::Ahead,
            AccessPattern::Sequential => Self::Sequential,
            AccessPattern::Random => Self::Pages,
            AccessPattern::Auto if len < LEAST => Self::Ahead,
            AccessPattern::Auto => match limits::recently_available_memory() {
                Some(available) if !fits(len, available) => Self::Windows { available },
                _ => Self::Ahead,
            },
        }
    }

    /// Whether a long walk lets the kernel read ahead by its default.
    pub(super) fn walks_ahead(self) -> bool {
        matches!(self, Self::Windows { available } if available >= FAR)
    }

    /// Whether an index of `len` bytes stays in memory beside the records.
    pub(super) fn keeps(self, len: usize) -> bool {
        matches!(self, Self::Windows { available } if len as u64 <= available / 2)
    }
}

/// Least memory in which a long walk lets the kernel read ahead. The kernel's read-ahead goes by the
/// disk (128 KiB to 8 MiB were met), not by the memory of a control group. In a group of 32 MiB on a
/// disk with 8 MiB, pages were dropped before the walk had come to them, and a scan read 1.5 times
/// the file.
const FAR: u64 = 256 << 20;

/// Whether a table stays in memory as a whole. The process has other pages, too: its page tables
/// and programs.
fn fits(len: usize, available: u64) -> bool {
    len as u64 <= available - available / 16
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_fits_into_fifteen_sixteenths_of_the_memory() {
        assert!(fits(1500, 1600) && !fits(1501, 1600));
        assert!(fits(0, 0) && !fits(1, 0));
    }

    /// Only a table that exceeds the memory needs a choice: of others, all pages stay.
    #[test]
    fn the_memory_decides_on_indexes_and_walks() {
        for reading in [Reading::Ahead, Reading::Sequential, Reading::Pages] {
            assert!(!reading.keeps(0) && !reading.walks_ahead(), "{reading:?}");
        }
        let windows = |available| Reading::Windows { available };
        assert!(windows(100).keeps(50) && !windows(100).keeps(51));
        assert!(windows(FAR).walks_ahead() && !windows(FAR - 1).walks_ahead());
    }
}
