//! The default memory budget: 1 GiB, or less where the process may have less. A build that takes
//! more than its control group allows is killed; one that takes more than its address space aborts
//! in the allocator.

use crate::limits::available_memory;
use rustix::process::{Resource, getrlimit};

/// The largest default budget.
const MOST: u64 = 1 << 30;
/// Bytes that a build may take beyond its budget.
const BEYOND: u64 = 64 << 20;
/// The smallest budget.
pub(super) const LEAST: u64 = 1 << 20;

/// The default budget in bytes. Reads some small files of `/proc` and `/sys`.
pub(super) fn by_default() -> u64 {
    let limits = [Resource::As, Resource::Data].map(left_below);
    let least = limits.into_iter().flatten().chain(available_memory()).min();
    of(least.unwrap_or(u64::MAX))
}

/// Bytes that may still be mapped below a limit of the process, as `ulimit -v` and `-d` set it.
fn left_below(resource: Resource) -> Option<u64> {
    let limit = getrlimit(resource).current?;
    // All mapped pages count for the address space. Fewer count for the data limit.
    let mapped = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages: u64 = mapped.split(' ').next()?.parse().unwrap_or(0);
    Some(limit.saturating_sub(pages * rustix::param::page_size() as u64))
}

/// The budget where `available` bytes are available: half of them, after what a build takes beyond
/// its budget. The other half is for the page cache, which control groups count too, and for the
/// rest of the program. If that leaves less than an eighth of `available`, the budget is an eighth.
fn of(available: u64) -> u64 {
    let half = available.saturating_sub(BEYOND) / 2;
    half.max(available / 8).clamp(LEAST, MOST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_build_fits_where_it_may_run() {
        const MIB: u64 = 1 << 20;
        assert_eq!(of(u64::MAX), MOST);
        assert_eq!(of(2 * MOST + BEYOND), MOST);
        assert_eq!(of(2 * MOST), MOST - 32 * MIB);
        assert_eq!(of(160 * MIB), 48 * MIB);
        assert_eq!(of(64 * MIB), 8 * MIB);
        assert_eq!(of(0), LEAST);
        for available in (80..4096).map(|mib| mib * MIB) {
            assert!(of(available) + BEYOND <= available, "{available}");
        }
    }
}
