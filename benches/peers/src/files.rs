//! A contestant's files as a whole: size, sync, eviction.

use std::{
    fs::{self, File},
    io::Write,
    os::fd::AsRawFd,
    path::{Path, PathBuf},
};

use crate::{Result, host};

fn each(dir: &Path, f: &mut dyn FnMut(&Path) -> Result<()>) -> Result<()> {
    for entry in fs::read_dir(dir)? {
        let path: PathBuf = entry?.path();
        if path.is_dir() { each(&path, f)? } else { f(&path)? }
    }
    Ok(())
}

/// Gives `to` the files of `from` under names of its own.
pub fn link(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    each(from, &mut |path| {
        Ok(fs::hard_link(path, to.join(path.file_name().ok_or("a file without a name")?))?)
    })
}

/// Size of what is allocated.
pub fn blocks(dir: &Path) -> Result<u64> {
    use std::os::unix::fs::MetadataExt;
    let mut sum = 0;
    each(dir, &mut |path| {
        let metadata = fs::metadata(path)?;
        sum += metadata.blocks() * 512;
        Ok(())
    })?;
    Ok(sum)
}

/// Apparent size of all files.
pub fn length(dir: &Path) -> Result<u64> {
    let mut sum = 0;
    each(dir, &mut |path| {
        sum += fs::metadata(path)?.len();
        Ok(())
    })?;
    Ok(sum)
}

/// Outside every clock, so that no write-back runs while somebody is measured.
pub fn sync(dir: &Path) -> Result<()> {
    each(dir, &mut |path| Ok(File::open(path)?.sync_all()?))
}

/// Sees to it that each processor has `bytes` of free memory at hand, in pages of 2 MiB: on each,
/// as much is written into a file, which is removed.
///
/// Outside a builder's clock, since inside it would measure what ran before: a virtual machine may
/// give free pages of that size back to its host, and waits for each when it takes it again. Who
/// asks for them writes half a gigabyte a second then, not six (where this was written). Linux
/// keeps freed pages for the processor that freed them, so a builder with two threads finds what
/// was freed on both. Whoever writes in pages of 4 KiB takes smaller pieces, which are never given
/// back.
pub fn warm_memory(dir: &Path, bytes: u64) -> Result<()> {
    let path = dir.join("warm");
    host::on_each_processor(|| {
        let (mut file, block) = (File::create(&path)?, vec![1; 2 << 20]);
        for _ in 0..bytes.div_ceil(block.len() as u64) {
            file.write_all(&block)?;
        }
        drop(file);
        Ok(fs::remove_file(&path)?)
    })
}

/// Drops the files from the page cache; nobody may have them mapped. What share of them stays in
/// memory all the same.
pub fn evict(dir: &Path) -> Result<f64> {
    sync(dir)?;
    let (mut resident, mut pages) = (0, 0);
    each(dir, &mut |path| {
        let file = File::open(path)?;
        // SAFETY: advice about a descriptor that is open.
        unsafe { libc::posix_fadvise(file.as_raw_fd(), 0, 0, libc::POSIX_FADV_DONTNEED) };
        if file.metadata()?.len() == 0 {
            return Ok(());
        }
        // SAFETY: the mapping is only asked about, never read.
        let map = unsafe { memmap2::Mmap::map(&file)? };
        let mut marks = vec![0u8; map.len().div_ceil(4096)];
        let at = map.as_ptr().cast_mut().cast();
        // SAFETY: one byte of `marks` per page of the mapping.
        if unsafe { libc::mincore(at, map.len(), marks.as_mut_ptr()) } == 0 {
            resident += marks.iter().filter(|mark| **mark & 1 == 1).count();
            pages += marks.len();
        }
        Ok(())
    })?;
    Ok(resident as f64 / pages.max(1) as f64)
}
