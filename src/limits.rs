//! How much memory this process may still take: the least of what its control groups and the
//! machine leave it. The numbers come from the kernel's `/proc` and cgroup file systems. On systems
//! other than Linux nothing is known.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

/// A limit of at least this size means no limit: cgroup v1 writes "no limit" as the largest
/// multiple of a page below 2^63.
const ABSURD: u64 = 1 << 60;

/// Bytes of memory that this process may still take, including what it can drop (page cache);
/// `None` where the kernel does not say. Reads about ten small files: 0.1 to 0.3 ms.
pub(crate) fn available_memory() -> Option<u64> {
    available_under(Path::new("/"))
}

/// [`available_memory`] as it was at most a second ago, for callers that ask often: opening a table
/// takes a tenth of the time of a new answer.
pub(crate) fn recently_available_memory() -> Option<u64> {
    /// Seconds since 1970, plus one: zero means never.
    static ASKED: AtomicU64 = AtomicU64::new(0);
    static ANSWER: AtomicU64 = AtomicU64::new(u64::MAX);

    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs() + 1);
    // Atomics instead of a lock: a lock that is held during a fork stays locked in the child.
    if now == 0 || ASKED.load(Ordering::Acquire) != now {
        ANSWER.store(available_memory().unwrap_or(u64::MAX), Ordering::Relaxed);
        ASKED.store(now, Ordering::Release);
    }
    Some(ANSWER.load(Ordering::Relaxed)).filter(|&answer| answer != u64::MAX)
}

/// The answer from the files under `root` instead of `/`.
fn available_under(root: &Path) -> Option<u64> {
    let read = |path: &str| fs::read_to_string(root.join(path)).unwrap_or_default();
    let machine = machine_memory(&read("proc/meminfo"));
    let (own, mounts) = (read("proc/self/cgroup"), read("proc/self/mountinfo"));
    let groups = mounts.lines().filter_map(Mount::parse).flat_map(|mount| {
        let directories = mount.directories(&own);
        directories.into_iter().filter_map(move |directory| {
            mount.version.left_in(&root.join(directory.strip_prefix("/").unwrap_or(&directory)))
        })
    });
    groups.chain(machine).min()
}

/// Memory that is available on the whole machine, in bytes.
fn machine_memory(meminfo: &str) -> Option<u64> {
    let kib = |name: &str| number(meminfo, name).map(|kib| kib.saturating_mul(1024));
    // Kernels before 3.14 do not say what is available.
    kib("MemAvailable:").or_else(|| kib("MemTotal:"))
}

/// The number that follows `name` in the line that begins with it.
fn number(text: &str, name: &str) -> Option<u64> {
    text.lines().find_map(|line| {
        let mut words = line.split_ascii_whitespace();
        (words.next() == Some(name)).then(|| words.next()?.parse().ok()).flatten()
    })
}

#[derive(Clone, Copy)]
enum Version {
    One,
    Two,
}

impl Version {
    /// Bytes that the control group of a directory may still take; `None` without a limit.
    fn left_in(self, directory: &Path) -> Option<u64> {
        let read = |name: &str| fs::read_to_string(directory.join(name)).unwrap_or_default();
        // "max" fails to parse, so it is no limit.
        let limit = |name: &str| read(name).trim().parse().ok();
        let (limits, statistics, taken) = match self {
            Self::One => {
                let statistics = read("memory.stat");
                // This limit includes those of parents that a container does not see.
                let inherited = number(&statistics, "hierarchical_memory_limit");
                let limits = [limit("memory.limit_in_bytes"), inherited];
                (limits, statistics, ["total_rss", "total_shmem"])
            }
            Self::Two => {
                // Above "high" the kernel does not kill a group but slows it down severely.
                let limits = [limit("memory.max"), limit("memory.high")];
                (limits, read("memory.stat"), ["anon", "shmem"])
            }
        };
        let limit = limits.into_iter().flatten().filter(|&limit| limit < ABSURD).min()?;
        let taken = taken.iter().filter_map(|name| number(&statistics, name)).sum();
        Some(limit.saturating_sub(taken))
    }
}

/// A mounted cgroup file system that limits memory.
struct Mount {
    version: Version,
    /// The control group that its topmost directory stands for.
    top: String,
    point: PathBuf,
}

impl Mount {
    /// Parses a line of `/proc/self/mountinfo`. Returns `None` unless it names such a file system.
    fn parse(line: &str) -> Option<Self> {
        let (fields, rest) = line.split_once(" - ")?;
        let mut rest = rest.split_ascii_whitespace();
        let (kind, options) = (rest.next()?, rest.nth(1)?);
        let version = match kind {
            "cgroup" if options.split(',').any(|option| option == "memory") => Version::One,
            "cgroup2" => Version::Two,
            _ => return None,
        };
        let mut fields = fields.split_ascii_whitespace().skip(3);
        let (top, point) = (unescape(fields.next()?), unescape(fields.next()?).into());
        Some(Self { version, top, point })
    }

    /// The directories of this process's control group and of all its parents, as far as they are
    /// visible. `own` is the text of `/proc/self/cgroup`.
    fn directories(&self, own: &str) -> Vec<PathBuf> {
        let group = own.lines().find_map(|line| {
            let mut parts = line.splitn(3, ':');
            let (number, controllers, group) = (parts.next()?, parts.next()?, parts.next()?);
            let here = match self.version {
                Version::One => controllers.split(',').any(|controller| controller == "memory"),
                Version::Two => number == "0",
            };
            here.then_some(group)
        });
        // The path of a group outside the mounted tree begins with `/..`, or not with `top`. Then
        // the topmost directory is the nearest visible one.
        let below = group.and_then(|group| Path::new(group).strip_prefix(&self.top).ok());
        let below = below.filter(|below| below.iter().all(|part| part != ".."));
        let mut directory = self.point.join(below.unwrap_or(Path::new("")));
        let mut all = vec![directory.clone()];
        while directory != self.point && directory.pop() {
            all.push(directory.clone());
        }
        all
    }
}

/// Undoes the escapes of mountinfo: blanks and backslashes are a backslash and three octal digits.
fn unescape(field: &str) -> String {
    let mut text = field.to_owned();
    for (escaped, plain) in [("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")] {
        text = text.replace(escaped, plain);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;
    const V1: &str = "35 31 0:32 / /sys/fs/cgroup/memory rw shared:1 - cgroup cgroup rw,memory\n\
                      36 31 0:33 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n";
    const V2: &str =
        "31 23 0:28 / /sys/fs/cgroup rw,relatime shared:9 - cgroup2 cgroup2 rw,nsdelegate\n";

    /// The answer for a tree of files, given as paths and texts.
    fn available(files: &[(&str, &str)]) -> Option<u64> {
        let root = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        available_under(root.path())
    }

    #[test]
    fn the_machine_limits() {
        assert_eq!(available(&[]), None);
        let meminfo = "MemTotal:       24684 kB\nMemFree:  1 kB\nMemAvailable:    4096 kB\n";
        assert_eq!(available(&[("proc/meminfo", meminfo)]), Some(4 * MIB));
        assert_eq!(available(&[("proc/meminfo", "MemTotal: 2048 kB\n")]), Some(2 * MIB));
    }

    #[test]
    fn the_least_of_all_groups_counts() {
        let memory = "proc/meminfo";
        let v2 = |leaf: &str, middle: &str, high: &str| {
            available(&[
                (memory, "MemAvailable: 1048576 kB\n"),
                ("proc/self/mountinfo", V2),
                ("proc/self/cgroup", "0::/pod/one\n"),
                ("sys/fs/cgroup/pod/one/memory.max", leaf),
                ("sys/fs/cgroup/pod/one/memory.high", high),
                ("sys/fs/cgroup/pod/memory.max", middle),
                // The limit of a sibling does not count.
                ("sys/fs/cgroup/pod/two/memory.max", "1\n"),
            ])
        };
        assert_eq!(v2("max\n", "max\n", "max\n"), Some(1024 * MIB));
        assert_eq!(v2("167772160\n", "max\n", "max\n"), Some(160 * MIB));
        assert_eq!(v2("max\n", "167772160\n", "max\n"), Some(160 * MIB));
        assert_eq!(v2("335544320\n", "167772160\n", "max\n"), Some(160 * MIB));
        assert_eq!(v2("335544320\n", "max\n", "104857600\n"), Some(100 * MIB));
        // A limit above the machine's memory.
        assert_eq!(v2("109951162777600\n", "max\n", "max\n"), Some(1024 * MIB));
    }

    #[test]
    fn version_one_and_its_absurd_numbers() {
        let v1 = |leaf: &str, top: &str, statistics: &str| {
            available(&[
                ("proc/self/mountinfo", V1),
                ("proc/self/cgroup", "5:cpu:/elsewhere\n4:hugetlb,memory:/pod/one\n0::/\n"),
                ("sys/fs/cgroup/memory/pod/one/memory.limit_in_bytes", leaf),
                ("sys/fs/cgroup/memory/memory.limit_in_bytes", top),
                ("sys/fs/cgroup/memory/pod/one/memory.stat", statistics),
            ])
        };
        let none = "9223372036854771712\n";
        assert_eq!(v1(none, none, ""), None);
        assert_eq!(v1("167772160\n", none, ""), Some(160 * MIB));
        assert_eq!(v1(none, "167772160\n", ""), Some(160 * MIB));
        let inherited = "cache 1\nhierarchical_memory_limit 104857600\n";
        assert_eq!(v1("167772160\n", none, inherited), Some(100 * MIB));
    }

    /// Memory that cannot be dropped counts as taken; page cache does not.
    #[test]
    fn memory_in_use_is_not_available() {
        let statistics = "cache 167772160\nrss 1\ntotal_cache 167772160\ntotal_rss 62914560\n";
        let one = available(&[
            ("proc/self/mountinfo", V1),
            ("proc/self/cgroup", "4:memory:/\n"),
            ("sys/fs/cgroup/memory/memory.limit_in_bytes", "167772160"),
            ("sys/fs/cgroup/memory/memory.stat", statistics),
        ]);
        assert_eq!(one, Some(100 * MIB));
        let two = |anonymous: &str| {
            available(&[
                ("proc/self/mountinfo", V2),
                ("proc/self/cgroup", "0::/\n"),
                ("sys/fs/cgroup/memory.max", "167772160"),
                ("sys/fs/cgroup/memory.stat", anonymous),
            ])
        };
        assert_eq!(two("anon 41943040\nfile 1\nshmem 20971520\n"), Some(100 * MIB));
        assert_eq!(two("anon 999999999999\n"), Some(0));
    }

    /// Containers see their own group as the topmost directory, whatever its path is.
    #[test]
    fn containers_see_part_of_the_tree() {
        let limited = |mounts: &str, own: &str| {
            available(&[
                ("proc/self/mountinfo", mounts),
                ("proc/self/cgroup", own),
                ("sys/fs/cgroup/memory/memory.limit_in_bytes", "167772160\n"),
                ("sys/fs/cgroup/memory/in side/memory.limit_in_bytes", "104857600\n"),
                ("sys/fs/cgroup/memory.max", "167772160\n"),
            ])
        };
        let mounted = |top: &str| V1.replacen(" / ", &format!(" {top} "), 1);
        let own = "4:memory:/docker/a1\n";
        assert_eq!(limited(&mounted("/docker/a1"), own), Some(160 * MIB));
        assert_eq!(limited(&mounted("/docker/other"), own), Some(160 * MIB));
        assert_eq!(limited(V1, "4:memory:/../../b\n"), Some(160 * MIB));
        assert_eq!(limited(V1, "4:memory:/in side\n"), Some(100 * MIB));
        assert_eq!(limited(&mounted("/a\\040b"), "4:memory:/a b/in side\n"), Some(100 * MIB));
        // If the directory does not exist, its parents count.
        assert_eq!(limited(V2, "0::/gone/away\n"), Some(160 * MIB));
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn this_machine_says_something() {
        let available = available_memory().expect("proc is mounted");
        assert!(available > 0 && available < 1 << 50, "{available}");
        assert!(recently_available_memory().is_some());
    }
}
