//! What the kernel says about this process: mappings, page tables, faults, memory.

use std::{fs, path::Path};

use crate::Result;

/// Sums over the mappings of the files in one directory, in bytes.
#[derive(Clone, Copy, Default, Debug)]
pub struct Mapped {
    pub rss: u64,
    pub pss: u64,
    /// Mapped by 2 MiB pages.
    pub huge: u64,
}

impl Mapped {
    pub fn huge_share(&self) -> Option<f64> {
        (self.rss > 0).then(|| self.huge as f64 / self.rss as f64)
    }
}

/// `start`, `end`, `file offset` and path of a mapping's first line in maps and smaps.
fn parse_head(line: &str) -> Option<(usize, usize, u64, &str)> {
    let (range, rest) = line.split_once(' ')?;
    let (start, end) = range.split_once('-')?;
    let start = usize::from_str_radix(start, 16).ok()?;
    let end = usize::from_str_radix(end, 16).ok()?;
    let mut fields = rest.split_ascii_whitespace();
    let offset = u64::from_str_radix(fields.nth(1)?, 16).ok()?;
    let path = rest.find('/').map_or("", |at| &rest[at..]);
    Some((start, end, offset, path))
}

fn kilobytes(line: &str, name: &str) -> Option<u64> {
    let rest = line.strip_prefix(name)?.strip_prefix(':')?;
    rest.split_ascii_whitespace().next()?.parse::<u64>().ok().map(|kb| kb * 1024)
}

pub fn mapped(dir: &Path) -> Result<Mapped> {
    let dir = format!("{}/", dir.display());
    let mut sums = Mapped::default();
    let mut inside = false;
    for line in fs::read_to_string("/proc/self/smaps")?.lines() {
        if let Some((_, _, _, path)) = parse_head(line) {
            inside = path.starts_with(&dir);
        } else if inside {
            sums.rss += kilobytes(line, "Rss").unwrap_or(0);
            sums.pss += kilobytes(line, "Pss").unwrap_or(0);
            sums.huge += kilobytes(line, "FilePmdMapped").unwrap_or(0);
        }
    }
    Ok(sums)
}

/// Address, length of what lies inside the file, for every mapping of a file in `dir`.
fn spans(dir: &Path) -> Result<Vec<(usize, usize)>> {
    let dir = format!("{}/", dir.display());
    let mut spans = Vec::new();
    for line in fs::read_to_string("/proc/self/maps")?.lines() {
        let Some((start, end, offset, path)) = parse_head(line) else { continue };
        if !path.starts_with(&dir) {
            continue;
        }
        // A mapping may be longer than its file (LMDB's is); beyond the end lies SIGBUS.
        let inside = fs::metadata(path)?.len().saturating_sub(offset) as usize;
        spans.push((start, (end - start).min(inside)));
    }
    Ok(spans)
}

/// Reads one byte of every page of every mapping of a file in `dir`.
pub fn touch(dir: &Path) -> Result<()> {
    for (start, len) in spans(dir)? {
        for at in (start..start + len).step_by(4096) {
            // SAFETY: the kernel has just listed this address as mapped from inside a file that
            // nobody changes, and the store that owns the mapping is kept open by the caller.
            std::hint::black_box(unsafe { (at as *const u8).read_volatile() });
        }
    }
    Ok(())
}

/// Tells the kernel that every mapping of a file in `dir` is read at random: what the store's
/// user could do for a store that has no such option.
pub fn advise_random(dir: &Path) -> Result<()> {
    for (start, len) in spans(dir)? {
        let at = start as *mut libc::c_void;
        // SAFETY: advice on a mapping that exists; it changes no content.
        unsafe { libc::madvise(at, len, libc::MADV_RANDOM) };
    }
    Ok(())
}

fn field(file: &str, name: &str) -> Result<u64> {
    let text = fs::read_to_string(file)?;
    let value = text.lines().find_map(|line| kilobytes(line, name));
    value.ok_or_else(|| format!("{file} has no {name}").into())
}

pub fn page_tables() -> Result<u64> {
    field("/proc/self/status", "VmPTE")
}

pub fn anonymous() -> Result<u64> {
    field("/proc/self/smaps_rollup", "Anonymous")
}

pub fn resident() -> Result<u64> {
    field("/proc/self/status", "VmRSS")
}

/// Bytes of this process in swap.
pub fn swapped() -> Result<u64> {
    field("/proc/self/status", "VmSwap")
}

pub fn peak_resident() -> Result<u64> {
    field("/proc/self/status", "VmHWM")
}

/// Starts the peak anew from what is resident now.
pub fn reset_peak() -> Result<()> {
    Ok(fs::write("/proc/self/clear_refs", "5")?)
}

pub fn available_memory() -> Result<u64> {
    field("/proc/meminfo", "MemAvailable")
}

pub fn total_memory() -> Result<u64> {
    field("/proc/meminfo", "MemTotal")
}

/// Faults of this process that had to wait for the disk.
pub fn major_faults() -> u64 {
    // SAFETY: an all-zero rusage is a valid value of a plain C struct.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: `usage` is ours to be filled.
    unsafe { libc::getrusage(libc::RUSAGE_SELF, &mut usage) };
    usage.ru_majflt as u64
}
