//! A disk that is full while a set is written, at every size.

use super::super::{common, numbered, open, quick, write};
use common::{SmallDisk, names};
use graven::{BuildError, ErrorKind, PublishError, SetBuildOptions};
use std::fs;
use std::path::Path;

/// A set of about 200 KiB.
fn fill(options: &SetBuildOptions, path: &Path) -> Result<(), PublishError> {
    let mut builder = options.create(path)?;
    for (key, value) in numbered(2_000) {
        builder.insert(key, value.repeat(16))?;
    }
    builder.finish().map(drop)
}

/// Leaves so many pages of the disk free.
fn leave(disk: &SmallDisk, pages: u64) {
    let filler = disk.path().join("filler");
    let _ = fs::remove_file(&filler);
    let free = rustix::fs::statvfs(disk.path()).unwrap();
    let bytes = (free.f_bavail - pages) * free.f_bsize;
    fs::write(&filler, vec![1; bytes as usize]).unwrap();
    assert_eq!(rustix::fs::statvfs(disk.path()).unwrap().f_bavail, pages);
}

#[test]
fn a_full_disk_leaves_the_old_version_current() {
    let Some(disk) = SmallDisk::mount() else { return };
    let path = disk.path().join("set");
    for options in [quick().shard_bytes(40 << 10), quick().hash_shards(3)] {
        write(&quick(), &path, &numbered(10));
        let before = (fs::read_link(path.join("CURRENT")).unwrap(), names(&path.join("versions")));
        let mut failed = 0;
        for pages in 0.. {
            leave(&disk, pages);
            let filled = fill(&options, &path);
            match filled {
                Ok(()) => break,
                Err(PublishError::Target(error @ BuildError::OutOfSpace { .. })) => {
                    assert_eq!(error.kind(), ErrorKind::Io);
                    assert!(error.path().unwrap().starts_with(&path), "{error}");
                    assert!(error.to_string().contains("free space"), "{error}");
                }
                Err(other) => panic!("with {pages} pages: {other}"),
            }
            // Whatever there was no room for: nothing is left, and the old set is served.
            let now = (fs::read_link(path.join("CURRENT")).unwrap(), names(&path.join("versions")));
            assert_eq!(now, before, "with {pages} pages");
            assert_eq!(open(&path).iter().map(Result::unwrap).count(), 10);
            failed += 1;
        }
        assert!(failed > 40, "{failed} sizes were too small");
        assert_eq!(open(&path).verify().unwrap().entries, 2_000);
        fs::remove_dir_all(&path).unwrap();
    }
}
