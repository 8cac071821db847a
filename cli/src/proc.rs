//! What the kernel says about a process, from `/proc`. Only Linux has these figures.

use std::fs;
use std::path::{Path, PathBuf};

/// The mappings of some files in one process, in bytes.
#[derive(Clone, Copy, Default)]
pub(crate) struct Mapped {
    pub(crate) resident: u64,
    /// The process's share: each page divided by the number of processes that map it.
    pub(crate) proportional: u64,
    /// Bytes that are mapped by 2 MiB pages.
    pub(crate) huge: u64,
}

impl Mapped {
    /// Sums the mappings of the file at `path`, and of deleted files that stood there before; of a
    /// directory those of all files in it.
    pub(crate) fn of(process: &str, path: &Path) -> Option<Self> {
        let smaps = fs::read_to_string(format!("/proc/{process}/smaps")).ok()?;
        let name = absolute(path).display().to_string();
        let deleted = format!("{name} (deleted)");
        let within = path.is_dir().then(|| format!("{name}/"));
        let is_within = |line: &str| {
            let file = line.find('/').map_or("", |at| &line[at..]);
            within.as_deref().is_some_and(|within| file.starts_with(within))
        };
        let (mut sum, mut inside) = (Self::default(), false);
        for line in smaps.lines() {
            // A mapping's first line begins with an address in lower case. The names of its figures
            // begin with a capital letter.
            if !line.starts_with(|first: char| first.is_ascii_uppercase()) {
                inside = line.ends_with(&name) || line.ends_with(&deleted) || is_within(line);
            } else if inside {
                for (figure, sum) in [
                    ("Rss:", &mut sum.resident),
                    ("Pss:", &mut sum.proportional),
                    ("FilePmdMapped:", &mut sum.huge),
                ] {
                    *sum += kib(line, figure).unwrap_or(0);
                }
            }
        }
        Some(sum)
    }

    pub(crate) fn add(&mut self, other: Self) {
        self.resident += other.resident;
        self.proportional += other.proportional;
        self.huge += other.huge;
    }

    /// Share of the resident bytes that is mapped by 2 MiB pages.
    pub(crate) fn huge_share(&self) -> Option<f64> {
        (self.resident > 0).then(|| self.huge as f64 / self.resident as f64)
    }
}

/// The memory and the page faults of a process.
#[derive(Clone, Copy, Default)]
pub(crate) struct Process {
    /// Bytes that no other process shares.
    pub(crate) private: u64,
    /// Bytes of its page tables.
    pub(crate) page_tables: u64,
    pub(crate) minor_faults: u64,
    pub(crate) major_faults: u64,
}

impl Process {
    pub(crate) fn of(process: u32) -> Option<Self> {
        let read = |name: &str| fs::read_to_string(format!("/proc/{process}/{name}")).ok();
        let figure = |text: &str, name| text.lines().find_map(|line| kib(line, name));
        let rollup = read("smaps_rollup")?;
        let stat = read("stat")?;
        // The process's name stands in parentheses and may hold any character, also parentheses.
        let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
        let number = |at: usize| fields.get(at)?.parse().ok();
        Some(Self {
            private: figure(&rollup, "Private_Clean:")? + figure(&rollup, "Private_Dirty:")?,
            page_tables: figure(&read("status")?, "VmPTE:")?,
            minor_faults: number(7)?,
            major_faults: number(9)?,
        })
    }
}

/// The figure of a line like `Rss:   12 kB`, in bytes.
fn kib(line: &str, name: &str) -> Option<u64> {
    let number = line.strip_prefix(name)?.trim().strip_suffix("kB")?.trim();
    number.parse::<u64>().ok().map(|kib| kib << 10)
}

/// The path by which the kernel names a mapped file.
fn absolute(path: &Path) -> PathBuf {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    let parent = fs::canonicalize(parent.unwrap_or(Path::new("."))).unwrap_or_default();
    match path.file_name() {
        // The kernel names the file that a link leads to, not the link.
        Some(_) if path.is_symlink() => fs::canonicalize(path).unwrap_or_default(),
        Some(name) => parent.join(name),
        None => parent,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_in_bytes() {
        assert_eq!(kib("Rss:                  12 kB", "Rss:"), Some(12 << 10));
        assert_eq!(kib("Pss_Dirty:             1 kB", "Pss:"), None);
        assert_eq!(kib("Rss: many kB", "Rss:"), None);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn this_process_has_figures() {
        let process = Process::of(std::process::id()).expect("proc is mounted");
        assert!(process.private > 0 && process.minor_faults > 0 && process.page_tables > 0);
        let program = std::env::current_exe().unwrap();
        let mapped = Mapped::of("self", &program).expect("proc is mounted");
        assert!(mapped.resident > 0 && mapped.resident >= mapped.proportional);
        assert_eq!(Mapped::of("self", Path::new("/nowhere")).map(|none| none.resident), Some(0));
    }
}
