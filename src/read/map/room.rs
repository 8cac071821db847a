//! Why there is no room for a table's bytes: the kernel says `ENOMEM` for several limits, each of
//! which has another way out.

use crate::error::OpenFailure;

/// What stands in the way of `needed` bytes more in the address space: of a mapped file, or of a
/// private copy. Nothing is allocated here, since there may be no room for that either.
#[cold]
pub(super) fn no_room(needed: u64, copy: bool) -> OpenFailure {
    #[cfg(target_os = "linux")]
    if let (Some(mappings), Some(limit)) =
        (proc::mappings(), proc::number("/proc/sys/vm/max_map_count"))
        && mappings >= limit
    {
        return OpenFailure::TooManyMappings { mappings, limit };
    }
    match exceeded_limit(needed) {
        // A copy may also be refused for want of memory, or by `ulimit -d`; a mapping is not.
        None if copy => OpenFailure::OutOfMemory { needed },
        limit => OpenFailure::AddressSpaceExhausted { needed, limit },
    }
}

/// The limit of the address space (`ulimit -v`), if `needed` bytes more exceed it.
#[cfg(unix)]
fn exceeded_limit(needed: u64) -> Option<u64> {
    let limit = rustix::process::getrlimit(rustix::process::Resource::As).current?;
    #[cfg(target_os = "linux")]
    if let Some(pages) = proc::number("/proc/self/statm") {
        let page = rustix::param::page_size() as u64;
        let used = pages.saturating_mul(page);
        return exceeds(used, needed.next_multiple_of(page), limit).then_some(limit);
    }
    // Where the system does not say how much is used, the limit is the likeliest cause.
    Some(limit)
}

#[cfg(not(unix))]
fn exceeded_limit(_: u64) -> Option<u64> {
    None
}

/// Whether `needed` bytes more than are used take more than the limit.
#[cfg(target_os = "linux")]
fn exceeds(used: u64, needed: u64, limit: u64) -> bool {
    used.saturating_add(needed) > limit
}

#[cfg(target_os = "linux")]
mod proc {
    use std::fs::File;
    use std::io::Read;

    /// Mappings of this process. The lines are one more than the kernel counts where it lists a
    /// page of its own.
    pub(super) fn mappings() -> Option<u64> {
        let mut lines = 0;
        let mut file = File::open("/proc/self/maps").ok()?;
        let mut buffer = [0; 4096];
        loop {
            match file.read(&mut buffer).ok()? {
                0 => return Some(lines),
                n => lines += buffer[..n].iter().filter(|&&byte| byte == b'\n').count() as u64,
            }
        }
    }

    /// The number that a file begins with.
    pub(super) fn number(path: &str) -> Option<u64> {
        let mut buffer = [0; 64];
        let n = File::open(path).ok()?.read(&mut buffer).ok()?;
        let text = std::str::from_utf8(&buffer[..n]).ok()?;
        text.split_whitespace().next()?.parse().ok()
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn mappings_are_counted() {
            // Other tests map and unmap meanwhile.
            let listed = std::fs::read_to_string("/proc/self/maps").unwrap().lines().count() as u64;
            assert!(mappings().unwrap().abs_diff(listed) < 1_000, "{listed}");
            assert!(mappings().unwrap() > 5);
        }

        #[test]
        fn numbers_are_read() {
            assert!(number("/proc/self/statm").unwrap() > 100);
            assert!(number("/proc/sys/vm/max_map_count").unwrap() > 100);
            assert_eq!(number("/proc/self/maps"), None);
            assert_eq!(number("/nowhere"), None);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One byte more exceeds no limit under which this process runs.
    #[test]
    fn only_a_copy_is_refused_for_want_of_memory() {
        assert!(matches!(no_room(1, true), OpenFailure::OutOfMemory { needed: 1 }));
        assert!(matches!(no_room(1, false), OpenFailure::AddressSpaceExhausted { needed: 1, .. }));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn all_that_the_limit_allows_may_be_used() {
        assert!(!exceeds(5, 3, 8));
        assert!(exceeds(6, 3, 8));
        assert!(exceeds(1, u64::MAX, u64::MAX - 1));
        assert!(!exceeds(1, u64::MAX, u64::MAX), "no sum is greater");
    }
}
