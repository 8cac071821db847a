//! Which part of a table is in memory.

use super::stats::{Section, SectionStats};
use super::table::Table;
use std::fmt;

/// Which part of a table is in memory, by section.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Residency {
    /// The answer of the kernel.
    Known(Vec<SectionResidency>),
    /// The kernel does not say, or does not say the truth: Linux says it only to the file's owner
    /// and to users who may act as owner; other systems are not asked.
    Unknown,
}

/// How much of one section is in memory.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SectionResidency {
    /// What the section holds.
    pub section: Section,
    /// Its length.
    pub bytes: u64,
    /// How much of it is in memory.
    pub resident: u64,
}

impl Residency {
    /// Bytes in memory, all sections together.
    #[must_use]
    pub fn resident(&self) -> Option<u64> {
        match self {
            Self::Known(sections) => Some(sections.iter().map(|section| section.resident).sum()),
            Self::Unknown => None,
        }
    }
}

/// One line: `4096 of 8192 bytes in memory`, or `unknown`.
impl fmt::Display for Residency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Known(sections) => {
                let resident = sections.iter().map(|section| section.resident).sum::<u64>();
                let bytes = sections.iter().map(|section| section.bytes).sum::<u64>();
                write!(f, "{resident} of {bytes} bytes in memory")
            }
            Self::Unknown => f.write_str("unknown"),
        }
    }
}

/// One line: `records: 4096 of 8192 bytes in memory`.
impl fmt::Display for SectionResidency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { section, bytes, resident } = self;
        write!(f, "{section}: {resident} of {bytes} bytes in memory")
    }
}

impl Table {
    /// Which part of the table is in memory: in the page cache, whether or not this process has
    /// mapped it. One system call per 16 MiB; touches no page. The answer may be out of date when it
    /// arrives.
    pub fn residency(&self) -> Residency {
        let view = self.view();
        let sections = SectionStats::of(view.layout()).into_iter().map(|section| {
            let start = section.offset as usize;
            let resident = view.memory().resident(start..start + section.bytes as usize)?;
            Some(SectionResidency { section: section.section, bytes: section.bytes, resident })
        });
        sections.collect::<Option<_>>().map_or(Residency::Unknown, Residency::Known)
    }
}
