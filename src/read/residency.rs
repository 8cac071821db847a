//! Which part of a table is in memory.

use super::table::Table;
use std::fs::Metadata;

/// Which part of a table is in memory, by section.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Residency {
    /// What the kernel says.
    Known(Vec<SectionResidency>),
    /// The kernel does not say, or not the truth: on Linux it tells it only to the file's owner
    /// and to users who may override that; other systems are not asked.
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
    /// mapped it. One system call per 16 MiB; touches nothing. By the time it returns, it may be
    /// otherwise.
    pub fn residency(&self) -> Residency {
        let sections = self.section_stats().into_iter().map(|section| {
            let start = section.offset as usize;
            let resident = self.inner.bytes.resident(start..start + section.bytes as usize)?;
            Some(SectionResidency { name: section.name, bytes: section.bytes, resident })
        });
        sections.collect::<Option<_>>().map_or(Residency::Unknown, Residency::Known)
    }
}

/// Who owns a file, where users have numbers.
#[cfg(unix)]
pub(super) fn user(metadata: &Metadata) -> Option<u32> {
    Some(std::os::unix::fs::MetadataExt::uid(metadata))
}

#[cfg(not(unix))]
pub(super) fn user(_: &Metadata) -> Option<u32> {
    None
}

/// Whether the kernel tells this process which pages of a file of `user` are in memory: it owns
/// the file, or has the capability to act like an owner.
#[cfg(target_os = "linux")]
pub(super) fn may_ask(user: u32) -> bool {
    const CAP_FOWNER: u64 = 1 << 3;
    let status = || std::fs::read_to_string("/proc/self/status").ok();
    let capable = |status: String| {
        let line = status.lines().find_map(|line| line.strip_prefix("CapEff:"))?;
        u64::from_str_radix(line.trim(), 16).ok()
    };
    rustix::process::geteuid().as_raw() == user
        || status().and_then(capable).is_some_and(|capable| capable & CAP_FOWNER != 0)
}
