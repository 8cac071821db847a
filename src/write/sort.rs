//! Entries in any order in, ascending order out; equal keys keep their order of insertion.
//!
//! Entries are collected in an arena. When it reaches the memory budget it is sorted on all
//! threads and written to a temporary file as a run; at the end the runs are merged.

mod arena;
mod entry;
mod memory;
mod merge;
mod order;
mod run;
mod slot;

use super::pool::Pool;
use super::progress::{BuildPhase, Reporter};
use super::scratch::Scratch;
use crate::error::BuildError;
use crate::format::order::common_prefix;
use arena::Arena;
use entry::Visit;
use merge::Merge;
pub(super) use run::{Reader as RunReader, Run, Writer as RunWriter};
use std::path::Path;
use std::sync::Arc;

/// A value goes to the file for large values if it is longer than `LARGE` bytes and takes more than
/// this share of the memory.
const LARGE_SHARE: usize = 8;
const LARGE: usize = 64 << 10;

/// Whether a value goes to the file for large values. The longest possible value always does: its
/// length marks references.
#[inline]
fn is_large(value_len: usize, limit: usize) -> bool {
    value_len > LARGE && (value_len > limit / LARGE_SHARE || value_len >= entry::ELSEWHERE as usize)
}

/// Most files among which a run is divided.
const FILES: usize = 16;

/// Collects entries and gives them back in order.
pub(super) struct Sorter {
    /// Bytes that entries may take in memory.
    limit: usize,
    directory: Arc<Path>,
    arena: Arena,
    runs: Vec<Run>,
    /// The files of spilled runs, one for each thread, and where the last run ends in each.
    files: Vec<(Arc<Scratch>, u64)>,
    /// The common prefix of the keys of all runs; none without runs.
    prefix: Option<Vec<u8>>,
    /// The file for large values, one after the other, and where the last one ends.
    large: Option<Arc<Scratch>>,
    large_end: u64,
    /// Bytes of all keys and values, and number of entries.
    bytes: u64,
    entries: u64,
    pool: Pool,
    progress: Reporter,
}

impl Sorter {
    /// `directory` is where runs are spilled to.
    pub(super) fn new(limit: usize, directory: &Arc<Path>, pool: Pool, progress: Reporter) -> Self {
        Self {
            limit,
            directory: Arc::clone(directory),
            arena: Arena::new(limit),
            runs: Vec::new(),
            files: Vec::new(),
            prefix: None,
            large: None,
            large_end: 0,
            bytes: 0,
            entries: 0,
            pool,
            progress,
        }
    }

    /// Adds an entry.
    #[inline]
    pub(super) fn push(&mut self, key: &[u8], value: &[u8]) -> Result<(), BuildError> {
        self.bytes += (key.len() + value.len()) as u64;
        self.entries += 1;
        if is_large(value.len(), self.limit) {
            return self.push_large(key, value);
        }
        if !self.arena.has_room(key.len() + value.len()) {
            self.spill()?;
        }
        self.arena.push(key, value);
        Ok(())
    }

    /// Adds an entry whose value would take too much memory from others.
    #[cold]
    fn push_large(&mut self, key: &[u8], value: &[u8]) -> Result<(), BuildError> {
        let (file, at) = self.room()?;
        file.write(value, at)?;
        self.push_reference(key, value.len() as u32)
    }

    /// The file for large values, and where the next one goes.
    pub(super) fn room(&mut self) -> Result<(Arc<Scratch>, u64), BuildError> {
        let file = match &self.large {
            Some(file) => file,
            None => self.large.insert(Arc::new(Scratch::create(&self.directory)?)),
        };
        Ok((Arc::clone(file), self.large_end))
    }

    /// Adds an entry whose value, of `len` bytes, was written where [`room`](Self::room) said.
    pub(super) fn push_stored(&mut self, key: &[u8], len: u32) -> Result<(), BuildError> {
        self.bytes += key.len() as u64 + u64::from(len);
        self.entries += 1;
        self.push_reference(key, len)
    }

    fn push_reference(&mut self, key: &[u8], len: u32) -> Result<(), BuildError> {
        let at = self.large_end;
        self.large_end += u64::from(len);
        if !self.arena.has_room(key.len() + entry::REFERENCE) {
            self.spill()?;
        }
        self.arena.push_reference(key, at, len);
        Ok(())
    }

    /// Bytes of all keys and values so far.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Number of entries so far.
    pub(super) fn entries(&self) -> u64 {
        self.entries
    }

    /// Bytes that entries take in memory.
    pub(super) fn used(&self) -> usize {
        self.arena.used()
    }

    /// Whether something was written to temporary files.
    pub(super) fn spilled(&self) -> bool {
        !self.runs.is_empty()
    }

    /// Whether all entries came in order and are in memory.
    pub(super) fn ascending(&self) -> bool {
        self.runs.is_empty() && self.large.is_none() && self.arena.ascending()
    }

    /// Adds a run of `entries` entries that came before all others, with its first and last key.
    pub(super) fn add_run(&mut self, run: Run, first: &[u8], last: &[u8], entries: u64) {
        self.note_prefix(first, last);
        self.runs.push(run);
        self.entries += entries;
    }

    fn note_prefix(&mut self, first: &[u8], last: &[u8]) {
        let prefix = self.prefix.get_or_insert_with(|| first.to_vec());
        prefix.truncate(common_prefix(prefix, first));
        prefix.truncate(common_prefix(prefix, last));
    }

    fn sort(&mut self) -> Result<(), BuildError> {
        self.progress.tell(BuildPhase::Sort, self.entries - self.arena.entries(), self.entries)?;
        let arena = &mut self.arena;
        if arena.is_worth_threads() {
            self.pool.run(|| arena.sort())
        } else {
            arena.sort()
        }
        Ok(())
    }

    /// Sorts the entries in memory and writes them as a run.
    fn spill(&mut self) -> Result<(), BuildError> {
        self.sort()?;
        if let Some((first, last)) = self.arena.ends() {
            let (first, last) = (first.to_vec(), last.to_vec());
            self.note_prefix(&first, &last);
        }
        if self.files.is_empty() {
            let threads = self.pool.run(rayon::current_num_threads).clamp(1, FILES);
            for _ in 0..threads {
                self.files.push((Arc::new(Scratch::create(&self.directory)?), 0));
            }
        }
        let (arena, files) = (&self.arena, &mut self.files);
        self.runs.push(self.pool.run(|| arena.write(files))?);
        self.arena.clear();
        self.progress.tell(BuildPhase::Sort, self.entries, self.entries)
    }

    /// Visits all entries, which came in order, and empties the sorter.
    pub(super) fn drain(&mut self, visit: &mut Visit<'_>) -> Result<(), BuildError> {
        self.arena.visit(None, visit)?;
        self.arena.clear();
        (self.bytes, self.entries) = (0, 0);
        Ok(())
    }

    /// Ends the input: sorts the entries in memory, or, if some were spilled, spills them all and
    /// frees the memory.
    pub(super) fn close(&mut self) -> Result<(), BuildError> {
        if self.runs.is_empty() {
            return self.sort();
        }
        if self.arena.entries() > 0 {
            self.spill()?;
        }
        self.arena = Arena::new(0);
        Ok(())
    }

    /// Visits all entries in order. A merge takes up to `memory` bytes.
    pub(super) fn visit(self, memory: usize, visit: &mut Visit<'_>) -> Result<(), BuildError> {
        if self.runs.is_empty() {
            return self.arena.visit(self.large.as_ref(), visit);
        }
        let prefix = self.prefix.map_or(0, |prefix| prefix.len());
        let merge = Merge {
            directory: self.directory,
            prefix,
            large: self.large,
            memory,
            progress: self.progress,
        };
        merge.run(self.runs, visit)
    }
}

/// What a set asks before its shards are cut.
#[cfg(feature = "sets")]
impl Sorter {
    /// A sorter like this one, without entries and without memory for any.
    pub(super) fn emptied(&self) -> Self {
        Self::new(0, &self.directory, self.pool.clone(), self.progress.clone())
    }

    /// Counts the distinct keys, after [`close`](Self::close). If entries were spilled, that merges
    /// them into one run, which takes up to `memory` bytes and as much disk space as the runs.
    pub(super) fn count_keys(self, memory: usize) -> Result<(Self, u64), BuildError> {
        let (mut keys, mut last) = (0, Vec::new());
        let mut count = |key: &[u8]| {
            if keys == 0 || key != last {
                keys += 1;
                last.clear();
                last.extend_from_slice(key);
            }
        };
        if self.runs.is_empty() {
            self.arena.visit(self.large.as_ref(), &mut |key, _| {
                count(key);
                Ok(())
            })?;
            return Ok((self, keys));
        }
        let file = Arc::new(Scratch::create(&self.directory)?);
        let mut writer = run::Writer::new(&file, 0, self.large.clone());
        let mut merged = self.emptied();
        (merged.prefix, merged.large) = (self.prefix.clone(), self.large.clone());
        (merged.bytes, merged.entries) = (self.bytes, self.entries);
        self.visit(memory, &mut |key, value| {
            count(key);
            writer.push(key, value)
        })?;
        merged.runs.push(writer.finish()?.0);
        Ok((merged, keys))
    }
}

#[cfg(test)]
mod tests {
    use super::super::scratch::Value;
    use super::*;

    fn bytes(value: Value<'_>) -> Vec<u8> {
        let mut bytes = Vec::new();
        let taken = value.copy(|piece| {
            bytes.extend_from_slice(piece);
            Ok(())
        });
        taken.unwrap();
        bytes
    }

    #[test]
    fn the_longest_value_is_large_whatever_the_budget() {
        let longest = crate::format::MAX_VALUE as usize;
        for (len, limit, large) in [
            (longest, usize::MAX, true),
            // On a 32-bit processor, no limit is so large that this value is a small share of it.
            (longest - 1, usize::MAX, usize::BITS == 32),
            (longest - 1, 1 << 30, true),
            (LARGE, 0, false),
            (LARGE + 1, 0, true),
        ] {
            assert_eq!(is_large(len, limit), large, "{len} bytes with a limit of {limit}");
        }
    }

    /// Spilled or not, merged at once or in several levels, the order is that of a stable sort.
    #[test]
    fn order_is_that_of_a_stable_sort() {
        let temporary = tempfile::tempdir().unwrap();
        let directory: Arc<Path> = temporary.path().into();
        for (limit, memory) in [(200, 0), (2_000, 0), (20_000, 1 << 20), (1 << 20, 0)] {
            for n in [0u32, 1, 2, 500, 5_000] {
                let mut entries: Vec<(Vec<u8>, Vec<u8>)> = (0..n)
                    .map(|i| {
                        let number = (i.wrapping_mul(0x9E37_79B1) >> 20).to_string();
                        let key = ["the same in all keys", &number].concat().into_bytes();
                        (key, vec![b'v'; (i % 70) as usize])
                    })
                    .collect();
                let mut sorter =
                    Sorter::new(limit, &directory, Pool::new(None), Reporter::default());
                for (key, value) in &entries {
                    sorter.push(key, value).unwrap();
                }
                let mut sorted = Vec::new();
                let mut collect = |key: &[u8], value: Value<'_>| {
                    sorted.push((key.to_vec(), bytes(value)));
                    Ok(())
                };
                sorter.close().unwrap();
                assert_eq!(sorter.spilled(), n as usize * 60 > limit, "{limit} {n}");
                sorter.visit(memory, &mut collect).unwrap();
                entries.sort_by(|a, b| a.0.cmp(&b.0));
                assert!(entries == sorted, "limit {limit}, {n} entries");
            }
        }
    }

    /// Values beyond the limit, between others, in every way they can take.
    #[test]
    fn large_values_come_back() {
        let temporary = tempfile::tempdir().unwrap();
        let directory: Arc<Path> = temporary.path().into();
        for limit in [1 << 16, 1 << 20, 100 << 20] {
            let mut sorter = Sorter::new(limit, &directory, Pool::new(None), Reporter::default());
            let value = |i: u32| vec![i as u8; (i * i * 131) as usize % 1_500_000];
            let key = |i: u32| (i * 7919 % 101).to_be_bytes();
            for i in 0..101 {
                sorter.push(&key(i), &value(i)).unwrap();
            }
            let mut entries: Vec<_> = (0..101).map(|i| (key(i), value(i))).collect();
            entries.sort();
            let mut rest = entries.into_iter();
            sorter.close().unwrap();
            let mut check = |key: &[u8], value: Value<'_>| {
                let (right_key, right) = rest.next().unwrap();
                assert_eq!(key, right_key);
                assert!(bytes(value) == right, "{limit} {}", right.len());
                Ok(())
            };
            sorter.visit(0, &mut check).unwrap();
            assert!(rest.next().is_none());
        }
    }

    /// What has been merged takes no room any more: a merge needs as much as it writes, not twice.
    #[cfg(target_os = "linux")]
    #[test]
    fn room_is_given_back_on_the_way() {
        let temporary = tempfile::tempdir().unwrap();
        let directory: Arc<Path> = temporary.path().into();
        let mut sorter = Sorter::new(2 << 20, &directory, Pool::new(Some(2)), Reporter::default());
        const ENTRIES: u32 = 40_000;
        for i in 0..ENTRIES {
            sorter.push(&i.wrapping_mul(0x9E37_79B1).to_be_bytes(), &[7; 400]).unwrap();
        }
        sorter.close().unwrap();
        let files: Vec<_> = sorter.files.iter().map(|(file, _)| Arc::clone(file)).collect();
        let taken = || files.iter().map(|file| file.taken()).sum::<u64>();
        let before = taken();
        assert!(files.len() == 2 && before > 16_000_000, "{before} bytes in {}", files.len());
        let (mut done, mut half) = (0, 0);
        let mut count = |_: &[u8], _: Value<'_>| {
            done += 1;
            if done == ENTRIES / 2 {
                half = taken();
            }
            Ok(())
        };
        sorter.visit(0, &mut count).unwrap();
        assert!(half < before / 4 * 3, "{half} of {before} bytes in the middle");
        assert!(taken() < before / 8, "{} of {before} bytes in the end", taken());
    }
}
