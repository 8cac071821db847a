//! Merges sorted runs by a tree of losers: each entry costs one comparison per level of the tree,
//! mostly of two numbers. If the memory can't hold a window of each run, the runs are merged in
//! several levels.

use super::entry::Visit;
use super::run::{LEAST, Reader, Run, Writer};
use crate::error::BuildError;
use crate::format::order::head;
use crate::write::progress::{BuildPhase, Reporter};
use crate::write::scratch::Scratch;
use std::path::Path;
use std::sync::Arc;

/// Most bytes of a run that are read at once. No disk is faster with more.
const MOST: usize = 4 << 20;
/// Fewest and most runs that are merged at once.
const FAN_IN: (usize, usize) = (4, 1024);

/// How runs are merged.
pub(super) struct Merge {
    /// For the files of merged runs.
    pub(super) directory: Arc<Path>,
    /// Length of the prefix that all keys have.
    pub(super) prefix: usize,
    /// The file for large values.
    pub(super) large: Option<Arc<Scratch>>,
    /// Bytes of the windows of all runs.
    pub(super) memory: usize,
    pub(super) progress: Reporter,
}

impl Merge {
    /// Visits the entries of all runs in order; of equal keys, those of earlier runs come first.
    pub(super) fn run(&self, mut runs: Vec<Run>, visit: &mut Visit<'_>) -> Result<(), BuildError> {
        let fan_in = (self.memory / LEAST).clamp(FAN_IN.0, FAN_IN.1);
        while runs.len() > fan_in {
            runs = self.level(runs, fan_in)?;
        }
        self.merge(runs, visit)
    }

    /// Merges neighbouring runs until at most `fan_in` are left.
    fn level(&self, runs: Vec<Run>, fan_in: usize) -> Result<Vec<Run>, BuildError> {
        let mut surplus = runs.len() - fan_in;
        let all = surplus as u64;
        let (mut merged, mut rest) = (Vec::new(), runs.into_iter());
        let (file, mut end) = (Arc::new(Scratch::create(&self.directory)?), 0);
        while surplus > 0 {
            let group: Vec<Run> = rest.by_ref().take(fan_in.min(surplus + 1)).collect();
            if group.len() < 2 {
                merged.extend(group);
                break;
            }
            surplus -= group.len() - 1;
            let mut writer = Writer::new(&file, end, self.large.clone());
            self.merge(group, &mut |key, value| writer.push(key, value))?;
            let (run, after) = writer.finish()?;
            merged.push(run);
            end = after;
            self.progress.tell(BuildPhase::Sort, all - surplus as u64, all)?;
        }
        merged.extend(rest);
        Ok(merged)
    }

    fn merge(&self, runs: Vec<Run>, visit: &mut Visit<'_>) -> Result<(), BuildError> {
        let capacity = (self.memory / runs.len().max(1)).clamp(LEAST, MOST);
        let mut tree = Tree { prefix: self.prefix, leaves: Vec::new(), losers: Vec::new() };
        for run in runs {
            tree.leaves.push(Leaf {
                head: 0,
                ended: false,
                reader: run.reader(capacity, self.large.as_ref()),
            });
        }
        let Some(mut winner) = tree.begin()? else { return Ok(()) };
        while !tree.leaves[winner].ended {
            let reader = &tree.leaves[winner].reader;
            visit(reader.key(), reader.value())?;
            winner = tree.next(winner)?;
        }
        Ok(())
    }
}

/// A run and the head of its current key, after the common prefix.
struct Leaf {
    head: u64,
    ended: bool,
    reader: Reader,
}

/// A tournament of runs. Every inner node remembers the loser of its match.
struct Tree {
    prefix: usize,
    leaves: Vec<Leaf>,
    losers: Vec<usize>,
}

impl Tree {
    /// Moves leaf `at` to its next entry.
    fn advance(&mut self, at: usize) -> Result<(), BuildError> {
        let leaf = &mut self.leaves[at];
        leaf.ended = !leaf.reader.advance()?;
        if !leaf.ended {
            leaf.head = head(&leaf.reader.key()[self.prefix..]);
        }
        Ok(())
    }

    /// Whether the entry of leaf `a` comes before that of leaf `b`.
    #[inline]
    fn before(&self, a: usize, b: usize) -> bool {
        let (one, other) = (&self.leaves[a], &self.leaves[b]);
        if one.ended || other.ended {
            return other.ended && (!one.ended || a < b);
        }
        if one.head != other.head {
            return one.head < other.head;
        }
        let (key, other) = (one.reader.key(), other.reader.key());
        key[self.prefix..].cmp(&other[self.prefix..]).then(a.cmp(&b)).is_lt()
    }

    /// Plays all matches; `None` without leaves.
    fn begin(&mut self) -> Result<Option<usize>, BuildError> {
        let count = self.leaves.len();
        for at in 0..count {
            self.advance(at)?;
        }
        // Node i has the children 2i and 2i + 1; leaf i is node count + i.
        let mut winners = vec![0; count];
        winners.extend(0..count);
        self.losers = vec![0; count];
        for node in (1..count).rev() {
            let (a, b) = (winners[2 * node], winners[2 * node + 1]);
            let (winner, loser) = if self.before(a, b) { (a, b) } else { (b, a) };
            (winners[node], self.losers[node]) = (winner, loser);
        }
        Ok(winners.get(1).copied())
    }

    /// Moves the winner to its next entry and finds the next winner.
    #[inline]
    fn next(&mut self, mut winner: usize) -> Result<usize, BuildError> {
        self.advance(winner)?;
        let mut node = (self.leaves.len() + winner) / 2;
        while node > 0 {
            let other = self.losers[node];
            if self.before(other, winner) {
                self.losers[node] = winner;
                winner = other;
            }
            node /= 2;
        }
        Ok(winner)
    }
}
