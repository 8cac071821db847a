//! The lookups of a run, drawn before it: each has a key, and the answer of each version of the
//! table. They are stored in a separate table that the readers share, so that they take no private
//! memory of a process and need no search.

use crate::exit::Failure;
use crate::random::{Random, Zipf};
use crate::source::Source;
use graven::{AccessPattern, BuildOptions, ErrorKind, HashIndex};
use std::path::Path;
use std::time::{Duration, Instant};
use xxhash_rust::xxh3::xxh3_64;

/// Maximum number of lookups that are drawn. After the last one, readers begin with the first
/// again.
const MOST: u64 = 1 << 20;
/// No further round is drawn once the lookups have this many bytes.
const MOST_BYTES: usize = 64 << 20;
/// Lookups that are drawn in one round.
const ROUND: usize = 1 << 14;
/// Number of keys that are tried to find one that is not stored.
const TRIES: usize = 8;
/// Values up to this length are compared as a whole. Longer values are compared by their ends and
/// their length.
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

/// What to draw.
pub(super) struct Draw<'p> {
    pub(super) table: &'p Path,
    /// The other version. If there is none, the table itself.
    pub(super) other: &'p Path,
    pub(super) hit: f64,
    pub(super) zipf: f64,
    pub(super) access: AccessPattern,
    /// No further round begins after this time.
    pub(super) time: Duration,
}

/// Metadata: the build ids of both versions.
pub(super) const VERSIONS: [&[u8]; 2] = [b"version 1", b"version 2"];

impl Draw<'_> {
    /// Draws the lookups and writes them to `sample`. Returns the larger version's length.
    pub(super) fn write(&self, sample: &Path) -> Result<u64, Failure> {
        let open = |path| Source::open(path, self.access);
        let tables = [open(self.table)?, open(self.other)?];
        let [table, other] = &tables;
        if table.len() == 0 {
            let what = "has no entries, so there is nothing to look up";
            return Err(Failure::at(ErrorKind::Usage, self.table.display(), what));
        }
        let mut options = BuildOptions::new().sorted(true).durable(false);
        options = options.hash_index(HashIndex::Never);
        for (name, table) in VERSIONS.into_iter().zip(&tables) {
            options = options.metadata(name, *table.id().as_bytes());
        }
        let failed = |error| Failure::build(sample, &error);
        let mut builder = options.create(sample).map_err(failed)?;
        let (zipf, mut random) = (Zipf::new(table.len(), self.zipf), Random(1));
        let begun = Instant::now();
        let (mut number, mut bytes) = (0, 0);
        while number < MOST && bytes < MOST_BYTES && (number == 0 || begun.elapsed() < self.time) {
            let draws = (0..ROUND).map(|_| zipf.draw(&mut random)).enumerate();
            // The keys of a round are read in the order of the file: a table that exceeds the
            // memory is read through once in each round.
            let mut draws: Vec<_> = draws.map(|(number, rank)| (rank, number)).collect();
            draws.sort_unstable();
            let mut records = Vec::with_capacity(draws.len());
            let mut stored = table.by_place(self.table);
            for (rank, number) in draws {
                if let Some(key) = stored.key(rank)? {
                    records.push((number, self.record(&tables, &key, &mut random)?));
                }
            }
            records.sort_unstable();
            for (_, record) in records {
                builder.insert((number as u32).to_be_bytes(), &record).map_err(failed)?;
                number += 1;
                bytes += record.len();
            }
        }
        builder.finish().map_err(failed)?;
        let mut longest = 0;
        for (table, path) in [(table, self.table), (other, self.other)] {
            longest = longest.max(table.file_bytes(path)?);
        }
        Ok(longest)
    }

    /// A lookup of a stored key, or of a similar key that is not stored.
    fn record(
        &self,
        tables: &[Source; 2],
        stored: &[u8],
        random: &mut Random,
    ) -> Result<Vec<u8>, Failure> {
        let mut key = stored.to_vec();
        if random.fraction() >= self.hit {
            absent(&tables[0], self.table, &mut key, random)?;
        }
        let mut record = Vec::with_capacity(16 + key.len());
        for (table, path) in tables.iter().zip([self.table, self.other]) {
            let mut found = ABSENT;
            table.values(path, &key, false, |value| {
                found = answer(Some(value));
                Ok(())
            })?;
            record.extend(found.to_le_bytes());
        }
        record.extend(&key);
        Ok(record)
    }
}

/// Changes the last bytes of a key until it is not stored: a miss that looks like a hit.
fn absent(
    table: &Source,
    path: &Path,
    key: &mut Vec<u8>,
    random: &mut Random,
) -> Result<(), Failure> {
    for _ in 0..TRIES {
        let start = key.len().saturating_sub(8);
        for (byte, noise) in key[start..].iter_mut().zip(random.next().to_le_bytes()) {
            *byte ^= noise;
        }
        let mut stored = false;
        table.values(path, key, false, |_| {
            stored = true;
            Ok(())
        })?;
        if !stored {
            return Ok(());
        }
    }
    // If all keys of this length are stored, a longer key is needed.
    key.extend(random.next().to_le_bytes());
    Ok(())
}
