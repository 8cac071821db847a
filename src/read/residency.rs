//! Which part of a table is in memory.

use super::stats::SectionStats;
use super::table::Table;

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
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SectionResidency {
    /// What the section holds; the names of [`SectionStats`](crate::SectionStats).
    pub name: &'static str,
    /// Its length.
    pub bytes: u64,
    /// How much of it is in memory.
    pub resident: u64,
}

impl Residency {
    /// Bytes in memory, all sections together.
    pub fn resident(&self) -> Option<u64> {
        match self {
            Self::Known(sections) => Some(sections.iter().map(|section| section.resident).sum()),
            Self::Unknown => None,
        }
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
            Some(SectionResidency { name: section.name, bytes: section.bytes, resident })
        });
        sections.collect::<Option<_>>().map_or(Residency::Unknown, Residency::Known)
    }
}
