//! Hashes that do not fit in memory: parts of equal size in a file, each divided by hash.

use super::form::{Hashed, one_of_each_hash};
use crate::error::BuildError;
use crate::format::hasher::Hasher;
use crate::format::index::hash::Shape;
use crate::write::scratch::Scratch;
use std::ops::Range;
use zerocopy::IntoBytes;

/// log2 of the number of divisions of a part.
const DIVISIONS_LOG2: u32 = 10;
const DIVISIONS: usize = 1 << DIVISIONS_LOG2;
/// Bytes of the table before the hashes of a part. The table says where each division starts, and
/// where the last one ends.
const TABLE: usize = (DIVISIONS + 1) * size_of::<u64>();

/// A key in the file: hash, reference. Only the process that wrote it reads it.
type Pair = [u64; 2];
const PAIR: usize = size_of::<Pair>();

/// The parts of a file. Each begins with a table that says where its divisions start.
pub(super) struct Parts {
    file: Scratch,
    /// Hashes of each part but the last.
    size: usize,
    parts: u64,
    /// The hasher whose hashes divide the parts.
    hasher: Hasher,
}

impl Parts {
    pub(super) fn new(file: Scratch, size: usize, hasher: Hasher) -> Self {
        Self { file, size, parts: 0, hasher }
    }

    fn start(&self, part: u64) -> u64 {
        part * (TABLE + self.size * PAIR) as u64
    }

    /// Adds a part. All parts but the last have the full size.
    pub(super) fn append(&mut self, keys: &[Hashed]) -> Result<(), BuildError> {
        let division =
            |key: &Hashed| (self.hasher.remix(key.hash) >> (u64::BITS - DIVISIONS_LOG2)) as usize;
        let mut starts = [0u64; DIVISIONS + 2];
        for key in keys {
            starts[division(key) + 2] += 1;
        }
        for i in 2..starts.len() {
            starts[i] += starts[i - 1];
        }
        let mut divided: Vec<Pair> = vec![[0; 2]; keys.len()];
        for key in keys {
            let next = &mut starts[division(key) + 1];
            divided[*next as usize] = [key.hash, key.reference];
            *next += 1;
        }
        let start = self.start(self.parts);
        self.file.write(starts[..=DIVISIONS].as_bytes(), start)?;
        self.file.write(divided.as_bytes(), start + TABLE as u64)?;
        self.parts += 1;
        Ok(())
    }

    /// The keys of some groups, part after part. The groups have room for `room` keys. Returns
    /// `None` if the keys have more hashes than that. If many keys have one hash, some of them are
    /// left out, but never the first.
    pub(super) fn of_groups(
        &self,
        shape: Shape,
        hasher: Hasher,
        groups: &Range<u64>,
        room: usize,
    ) -> Result<Option<Vec<Hashed>>, BuildError> {
        // Groups divide the range of hashes evenly, and so do divisions.
        let scaled = |group: u64| u128::from(group) << DIVISIONS_LOG2;
        let first = (scaled(groups.start) / u128::from(shape.groups)) as usize;
        let end = scaled(groups.end).div_ceil(u128::from(shape.groups)) as usize;
        let (mut found, mut piece) = (Vec::new(), Vec::<Pair>::new());
        for part in 0..self.parts {
            let start = self.start(part);
            let mut ends = [0u64; 2];
            for (end, division) in ends.iter_mut().zip([first, end.min(DIVISIONS)]) {
                let at = start + (division * size_of::<u64>()) as u64;
                self.file.read(end.as_mut_bytes(), at)?;
            }
            // A division may be large, so it is read in pieces; what is kept of it is small.
            const AT_ONCE: u64 = 1 << 14;
            for from in (ends[0]..ends[1]).step_by(AT_ONCE as usize) {
                piece.resize(AT_ONCE.min(ends[1] - from) as usize, [0; 2]);
                let at = start + TABLE as u64 + from * PAIR as u64;
                self.file.read(piece.as_mut_bytes(), at)?;
                let in_groups =
                    |key: &Hashed| groups.contains(&shape.place(hasher.remix(key.hash)).group);
                found.extend(piece.iter().map(hashed).filter(in_groups));
                // The limit is twice the room, so that each sort is preceded by at least `room` new
                // keys.
                if found.len() > 2 * room {
                    one_of_each_hash(&mut found);
                    if found.len() > room {
                        return Ok(None);
                    }
                }
            }
        }
        Ok(Some(found))
    }

    /// Writes the same keys to another file, divided by their hashes with another seed.
    pub(super) fn divided_anew(&self, file: Scratch, hasher: Hasher) -> Result<Self, BuildError> {
        let mut anew = Self::new(file, self.size, hasher);
        for part in 0..self.parts {
            let start = self.start(part);
            let mut count = 0u64;
            let at = start + (DIVISIONS * size_of::<u64>()) as u64;
            self.file.read(count.as_mut_bytes(), at)?;
            let mut keys: Vec<Pair> = vec![[0; 2]; count as usize];
            self.file.read(keys.as_mut_bytes(), start + TABLE as u64)?;
            let keys: Vec<Hashed> = keys.iter().map(hashed).collect();
            anew.append(&keys)?;
        }
        Ok(anew)
    }
}

fn hashed(&[hash, reference]: &Pair) -> Hashed {
    Hashed { hash, reference }
}
