//! The lookups of a run, drawn beforehand: which key, and what each version of the table answers.
//! They stand in a table of their own, which the readers share, so that they cost no process
//! memory of its own and need no search.

use super::random::{Random, Zipf};
use crate::exit::{Failure, reading};
use crate::open;
use graven::{Access, BuildOptions, ErrorKind, HashIndex, Table};
use std::path::Path;
use xxhash_rust::xxh3::xxh3_64;

/// Lookups that are drawn at most; then they begin anew.
const MOST: u64 = 1 << 20;
/// Bytes of keys at most.
const MOST_BYTES: usize = 64 << 20;
/// Keys that are tried to find one that is not stored.
const TRIES: usize = 8;
/// Values up to this length are compared as a whole, longer ones by both ends and length.
const WHOLE: usize = 4096;

/// What a version answers: a hash of the value, or [`ABSENT`].
pub(super) type Answer = u64;
pub(super) const ABSENT: Answer = 0;

/// The answer that a lookup gave.
pub(super) fn answer(value: Option<&[u8]>) -> Answer {
    let Some(value) = value else { return ABSENT };
    let hash = if value.len() <= WHOLE {
        xxh3_64(value)
    } else {
        let ends = [&value[..WHOLE / 2], &value[value.len() - WHOLE / 2..]];
        ends.iter().fold(value.len() as u64, |hash, end| hash.rotate_left(32) ^ xxh3_64(end))
    };
    hash.max(1)
}

/// A lookup: the key, and the answers of both versions.
#[derive(Clone, Copy)]
pub(super) struct Lookup<'s> {
    pub(super) key: &'s [u8],
    pub(super) answers: [Answer; 2],
}

impl<'s> Lookup<'s> {
    pub(super) fn parse(record: &'s [u8]) -> Option<Self> {
        let (first, rest) = record.split_first_chunk()?;
        let (second, key) = rest.split_first_chunk()?;
        Some(Self { key, answers: [u64::from_le_bytes(*first), u64::from_le_bytes(*second)] })
    }
}

/// What is drawn.
pub(super) struct Draw<'p> {
    pub(super) table: &'p Path,
    /// The other version; the table itself where there is none.
    pub(super) other: &'p Path,
    pub(super) hit: f64,
    pub(super) zipf: f64,
}

/// Metadata: the build ids of both versions.
pub(super) const VERSIONS: [&[u8]; 2] = [b"version 1", b"version 2"];

impl Draw<'_> {
    /// Draws the lookups and writes them to `sample`. Returns the larger version's length.
    pub(super) fn write(&self, sample: &Path) -> Result<u64, Failure> {
        let tables =
            [open::table(self.table, Access::Normal)?, open::table(self.other, Access::Normal)?];
        let [table, other] = &tables;
        if table.is_empty() {
            let what = "has no entries, so there is nothing to look up";
            return Err(Failure::at(ErrorKind::Usage, self.table.display(), what));
        }
        let mut options = BuildOptions::new().sorted(true).durable(false);
        options = options.hash_index(HashIndex::Never);
        for (name, table) in VERSIONS.into_iter().zip(&tables) {
            options = options.metadata(name, table.build_id());
        }
        let failed = |error| Failure::build(sample, &error);
        let mut builder = options.create(sample).map_err(failed)?;
        let (zipf, mut random) = (Zipf::new(table.len(), self.zipf), Random(1));
        let (mut record, mut bytes) = (Vec::new(), 0);
        for number in 0..MOST as u32 {
            let reading = reading(self.table);
            let rank = zipf.draw(&mut random);
            let Some((stored, _)) = table.nth(rank).map_err(reading)? else { continue };
            let mut key = stored.to_vec();
            if random.fraction() >= self.hit {
                absent(table, &mut key, &mut random).map_err(reading)?;
            }
            record.clear();
            for (table, path) in [(table, self.table), (other, self.other)] {
                let found = table.get(&key).map_err(crate::exit::reading(path))?;
                record.extend(answer(found).to_le_bytes());
            }
            record.extend(&key);
            builder.insert(&number.to_be_bytes(), &record).map_err(failed)?;
            bytes += record.len();
            if bytes > MOST_BYTES {
                break;
            }
        }
        builder.finish().map_err(failed)?;
        let mut longest = 0;
        for (table, path) in [(table, self.table), (other, self.other)] {
            longest = longest.max(table.stats().map_err(reading(path))?.file_bytes);
        }
        Ok(longest)
    }
}

/// Changes the last bytes of a key until it is not stored: a miss that looks like a hit.
fn absent(table: &Table, key: &mut Vec<u8>, random: &mut Random) -> Result<(), graven::ReadError> {
    for _ in 0..TRIES {
        let start = key.len().saturating_sub(8);
        for (byte, noise) in key[start..].iter_mut().zip(random.next().to_le_bytes()) {
            *byte ^= noise;
        }
        if !table.contains_key(key)? {
            return Ok(());
        }
    }
    // Where all keys of a length are stored, a longer one.
    key.extend(random.next().to_le_bytes());
    Ok(())
}
