//! What `/proc` says about a process's mappings.

use std::path::Path;

/// In KiB, the field `name` of a text like `/proc/PID/smaps_rollup`.
pub(crate) fn field(text: &str, name: &str) -> u64 {
    let line = text.lines().find(|line| line.split(':').next() == Some(name));
    let line = line.unwrap_or_else(|| panic!("no field {name}"));
    line.split_whitespace().nth(1).and_then(|n| n.parse().ok()).expect("a number of KiB")
}

/// A process's mappings of one file, summed up from `/proc/PID/smaps`.
pub(crate) struct Mapped<'p> {
    sections: Vec<String>,
    pub(crate) path: &'p Path,
}

impl<'p> Mapped<'p> {
    pub(crate) fn of(pid: &str, path: &'p Path) -> Self {
        let smaps = std::fs::read_to_string(format!("/proc/{pid}/smaps")).expect("smaps");
        let name = path.to_str().expect("a readable path");
        let mut sections: Vec<String> = Vec::new();
        let mut inside = false;
        for line in smaps.lines() {
            // Addresses are in lower case, names of fields are not.
            if !line.starts_with(|c: char| c.is_ascii_uppercase()) {
                inside = line.ends_with(name) || line.ends_with(&format!("{name} (deleted)"));
                if inside {
                    sections.push(String::new());
                }
            } else if inside && let Some(section) = sections.last_mut() {
                section.push_str(line);
                section.push('\n');
            }
        }
        assert!(!sections.is_empty(), "process {pid} does not map {name}");
        Self { sections, path }
    }

    /// In KiB.
    pub(crate) fn sum(&self, name: &str) -> u64 {
        self.sections.iter().map(|section| field(section, name)).sum()
    }
}
