//! File systems to try on: that of the build directory, and mounted ones where the tests may.

use crate::common::skip;
use rustix::fs::FallocateFlags;
use rustix::io::Errno;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

/// The file that fills a disk.
const BALLAST: &str = "ballast";
/// How near to the wanted size it comes.
const STEP: u64 = 16 << 10;
const MOST_TRIES: usize = 1_000;

/// A directory on some file system, unmounted and removed when dropped.
pub(crate) struct Disk {
    pub(crate) name: &'static str,
    directory: TempDir,
    mounted: bool,
}

/// Whether an error says that there was no room.
pub(crate) fn says_full(error: &str) -> bool {
    let words = ["no space to", "No space left", "too large", "are free"];
    words.iter().any(|words| error.contains(words))
}

/// Runs a command that may not be there, or may not be allowed.
fn run(program: &str, args: &[&str]) -> bool {
    Command::new(program).args(args).output().is_ok_and(|output| output.status.success())
}

impl Disk {
    /// A directory of the build directory's file system.
    pub(crate) fn plain() -> Self {
        Self { name: "build directory", directory: crate::common::directory(), mounted: false }
    }

    /// A tmpfs of so many KiB.
    pub(crate) fn tmpfs(kib: u64) -> Option<Self> {
        Self::mount("tmpfs", &["-t", "tmpfs", "-o", &format!("size={kib}k"), "graven-test"])
    }

    /// A file system of its own in a file, mounted by a loop device.
    pub(crate) fn image(name: &'static str, mib: u64) -> Option<Self> {
        let directory = crate::common::directory();
        let image = directory.path().join("image");
        let file = std::fs::File::create(&image).ok()?;
        file.set_len(mib << 20).ok()?;
        let image_name = image.to_str()?;
        let make: &[&str] = match name {
            "ext4" => &["-q", "-F", image_name],
            _ => &["-q", "-f", image_name],
        };
        if !run(&format!("mkfs.{name}"), make) {
            skip(name, &format!("mkfs.{name} does not run"));
            return None;
        }
        let disk = Self::mount(name, &["-o", "loop", image_name]);
        // The loop device holds the file from now on.
        drop(directory);
        disk
    }

    fn mount(name: &'static str, args: &[&str]) -> Option<Self> {
        let directory = crate::common::directory();
        let path = directory.path().to_str()?;
        if !run("mount", &[args, &[path]].concat()) {
            skip(name, "it cannot be mounted here");
            return None;
        }
        Some(Self { name, directory, mounted: true })
    }

    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }

    /// An empty directory on it.
    pub(crate) fn fresh(&self) -> PathBuf {
        let fresh = self.path().join("work");
        let _ = std::fs::remove_dir_all(&fresh);
        std::fs::create_dir(&fresh).expect("a directory");
        fresh
    }

    /// Leaves so many bytes of it free, to a few pages; or as many as the file system keeps to itself.
    pub(crate) fn fill(&self, free: u64) -> std::io::Result<()> {
        self.empty();
        let ballast = std::fs::File::create(self.path().join(BALLAST))?;
        // It may need some of what it calls free for itself, and gives back what was removed after a while.
        let (mut filled, mut kept) = (0, 0);
        for _ in 0..MOST_TRIES {
            let available = fs2::available_space(self.path())?;
            let more = available.saturating_sub(free + kept);
            if more < STEP {
                return Ok(());
            }
            match rustix::fs::fallocate(&ballast, FallocateFlags::empty(), filled, more) {
                Ok(()) => filled += more,
                Err(Errno::NOSPC) => {
                    ballast.set_len(filled)?;
                    kept += STEP;
                }
                Err(error) => return Err(error.into()),
            }
        }
        Err(std::io::Error::other("the disk can't be filled"))
    }

    /// Takes away what `fill` has put there.
    pub(crate) fn empty(&self) {
        let _ = std::fs::remove_file(self.path().join(BALLAST));
    }

    /// All that there are here.
    pub(crate) fn all() -> Vec<Self> {
        let mounted = [Self::tmpfs(64 << 10), Self::image("ext4", 64), Self::image("xfs", 320)];
        [Some(Self::plain())].into_iter().chain(mounted).flatten().collect()
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let path = self.directory.path().to_str().unwrap_or_default();
        if self.mounted && !run("umount", &[path]) {
            run("umount", &["-l", path]);
        }
    }
}
