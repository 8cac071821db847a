//! A memory cgroup for one child: what it and its page cache may take. Version 1 and 2.

use std::{fs, path::PathBuf, thread, time::Duration};

use crate::Result;

/// Removed when it is dropped; its process must have ended.
pub struct Group {
    path: PathBuf,
    limit: &'static str,
    usage: &'static str,
}

impl Group {
    /// A group without a limit, beside that of this process.
    pub fn new(name: &str) -> Result<Group> {
        let own = fs::read_to_string("/proc/self/cgroup")?;
        let of = |controller: &str| {
            own.lines().find_map(|line| line.split_once(&format!(":{controller}:")))
        };
        let (root, limit, usage, (_, group)) = match (of("memory"), of("")) {
            (Some(group), _) => {
                ("/sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.usage_in_bytes", group)
            }
            (None, Some(group)) => ("/sys/fs/cgroup", "memory.max", "memory.current", group),
            (None, None) => return Err("this process has no memory cgroup".into()),
        };
        let own = PathBuf::from(root).join(group.trim_start_matches('/'));
        // In version 2 a group with processes has no children.
        let parent =
            if limit == "memory.max" { own.parent().map(PathBuf::from) } else { Some(own) };
        let parent = parent.ok_or("the memory cgroup has no parent")?;
        let path = parent.join(format!("graven_peers_{}_{name}", std::process::id()));
        fs::create_dir(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        Ok(Group { path, limit, usage })
    }

    pub fn add(&self, process: u32) -> Result<()> {
        Ok(fs::write(self.path.join("cgroup.procs"), process.to_string())?)
    }

    pub fn bytes(&self) -> Result<u64> {
        Ok(fs::read_to_string(self.path.join(self.usage))?.trim().parse()?)
    }

    pub fn limit(&self, bytes: u64) -> Result<()> {
        Ok(fs::write(self.path.join(self.limit), bytes.to_string())?)
    }

    pub fn lift(&self) -> Result<()> {
        let none = if self.limit == "memory.max" { "max" } else { "-1" };
        Ok(fs::write(self.path.join(self.limit), none)?)
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        for _ in 0..100 {
            if fs::remove_dir(&self.path).is_ok() {
                return;
            }
            // Its process has just ended.
            thread::sleep(Duration::from_millis(20));
        }
    }
}
