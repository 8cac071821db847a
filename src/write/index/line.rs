//! The line index: heads in, lines out. If the heads are not spread evenly, there is no line index.

use crate::error::BuildError;
use crate::format::index::line::{
    LINE, LINE_TAGS, LineScale, MAX_LINE_EQUAL, MAX_LINE_KEYS, NO_TAG,
};
use crate::write::sink::Sink;
use crate::write::spool::Spool;

/// The heads of distinct keys, collected in ascending order.
pub(crate) struct Heads {
    spool: Spool,
    first: Option<u64>,
    last: u64,
}

/// At most one of so many keys may stand beyond the tags of its line.
const MOST_BEYOND: u64 = 64;
/// Bytes of a head in the spool.
const HEAD: usize = 8;

impl Heads {
    pub(crate) fn new(spool: Spool) -> Self {
        Self { spool, first: None, last: 0 }
    }

    /// Adds the head of the next key.
    #[inline]
    pub(crate) fn push(&mut self, head: u64) -> Result<(), BuildError> {
        self.first.get_or_insert(head);
        self.last = head;
        self.spool.append(&head.to_le_bytes())
    }

    /// Writes the lines and returns the scale that spreads keys over them. `None`: some line would
    /// have too many keys, or too many keys of one tag, or too many keys stand beyond the tags of
    /// their lines. Then the caller removes what was written.
    pub(crate) fn write(&self, sink: &mut Sink) -> Result<Option<LineScale>, BuildError> {
        let keys = u32::try_from(self.spool.len() / HEAD as u64);
        let (Some(first), Ok(keys)) = (self.first, keys) else { return Ok(None) };
        let (scale, count) = LineScale::new(first, self.last, u64::from(keys));
        let mut lines = Lines::new(scale, sink);
        let mut fits = true;
        self.spool.read(|heads| {
            for head in heads.as_chunks().0 {
                if !fits || !lines.take(u64::from_le_bytes(*head))? {
                    fits = false;
                    break;
                }
            }
            Ok(())
        })?;
        if !fits || lines.beyond * MOST_BEYOND > u64::from(keys) {
            return Ok(None);
        }
        lines.finish(count)?;
        Ok(Some(scale))
    }
}

/// Writes lines.
struct Lines<'s> {
    scale: LineScale,
    sink: &'s mut Sink,
    /// The open line.
    line: [u8; LINE],
    /// Number of the open line.
    number: u64,
    /// Rank of the first key of the open line.
    first: u32,
    /// Rank of the next key.
    rank: u32,
    /// Tag of the last key.
    last: u16,
    /// How many keys in a row have this tag.
    equal: usize,
    /// Keys that stand beyond the tags of their lines.
    beyond: u64,
}

impl<'s> Lines<'s> {
    fn new(scale: LineScale, sink: &'s mut Sink) -> Self {
        let mut lines = Self {
            scale,
            sink,
            line: [0; LINE],
            number: 0,
            first: 0,
            rank: 0,
            last: 0,
            equal: 0,
            beyond: 0,
        };
        lines.open();
        lines
    }

    fn open(&mut self) {
        self.first = self.rank;
        self.equal = 0;
        self.line[..4].copy_from_slice(&self.rank.to_le_bytes());
        self.line[4..].as_chunks_mut().0.fill(NO_TAG.to_le_bytes());
    }

    fn close(&mut self) -> Result<(), BuildError> {
        self.sink.write(&self.line)?;
        self.number += 1;
        self.open();
        Ok(())
    }

    /// Takes the next head. Returns false if its line has no room for it.
    #[inline]
    fn take(&mut self, head: u64) -> Result<bool, BuildError> {
        let Some(place) = self.scale.place_of_head(head) else { return Ok(false) };
        while self.number < place.line {
            self.close()?;
        }
        let same = self.equal > 0 && self.last == place.tag;
        self.equal = if same { self.equal + 1 } else { 1 };
        self.last = place.tag;
        let slot = (self.rank - self.first) as usize;
        if self.equal > MAX_LINE_EQUAL || slot as u64 >= MAX_LINE_KEYS {
            return Ok(false);
        }
        if slot < LINE_TAGS {
            self.line[4 + 2 * slot..6 + 2 * slot].copy_from_slice(&place.tag.to_le_bytes());
        } else {
            self.beyond += 1;
        }
        self.rank += 1;
        Ok(true)
    }

    fn finish(mut self, count: u64) -> Result<(), BuildError> {
        while self.number < count {
            self.close()?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::write::sink::Terms;

    /// Bytes of the lines for some heads, if they can be made.
    fn lines(heads: &[u64]) -> Option<u64> {
        let temporary = tempfile::tempdir().unwrap();
        let directory: std::sync::Arc<std::path::Path> = temporary.path().into();
        let file = tempfile::tempfile().unwrap();
        let terms = Terms {
            directory: directory.clone(),
            threaded: false,
            expected: 0,
            progress: Default::default(),
        };
        let mut sink = Sink::new(&file, temporary.path(), 0, &terms).unwrap();
        let mut all = Heads::new(Spool::new(&directory, 0));
        heads.iter().for_each(|&head| all.push(head).unwrap());
        all.write(&mut sink).unwrap().map(|_| sink.position())
    }

    #[test]
    fn even_heads_are_taken_and_uneven_ones_are_not() {
        let random =
            |i: u64| i.wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(23).wrapping_mul(i | 1);
        let mut even: Vec<u64> = (0..100_000).map(random).collect();
        even.sort_unstable();
        assert!(lines(&even).unwrap() <= 100_000 / 20 * LINE as u64 + LINE as u64);
        assert!(lines(&(0..10_000).collect::<Vec<u64>>()).is_some(), "dense");
        assert!(lines(&(0..10_000).map(|i| i * i * i).collect::<Vec<u64>>()).is_none(), "cubes");
        assert!(lines(&[7; 100]).is_none(), "all equal");
        assert!(lines(&[]).is_none());
    }
}
