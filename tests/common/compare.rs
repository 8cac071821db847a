//! Every query of a table against the model. The expected answers come from a sorted list and
//! plain definitions, nothing clever.

use super::{Model, Rng};
use graven::{Iter, Table};
use std::ops::Bound;

type Pair<'a> = (&'a [u8], &'a [u8]);

/// Model keys up to this number are looked up one by one; of more, a sample.
const ALL_KEYS: usize = 1_000;
/// Keys whose neighbourhood is probed with every query.
const PROBED_KEYS: usize = 12;
/// Ranges up to this length are compared entry by entry.
const WHOLE_RANGE: usize = 300;

/// Panics at the first query whose answer differs from the model's. `align`: what the addresses
/// of values must be multiples of.
pub(crate) fn compare(table: &Table, model: &Model, align: usize, seed: u64) {
    let flat = model.flat();
    let mut rng = Rng::new(seed);
    let probes = probes(&flat, &mut rng);
    let context = Context { table, model, flat: &flat, probes: &probes };
    context.sizes();
    context.scans(align, &mut rng);
    context.points();
    context.many(&mut rng);
    context.order_queries();
    context.ranks(&mut rng);
    context.ranges(&mut rng);
    context.cursor(&mut rng);
    let report = table.verify().unwrap();
    assert_eq!(report.entries, flat.len() as u64);
    assert_eq!(report.keys, model.map.len() as u64);
}

/// Keys of the model, and keys just beside them.
fn probes(flat: &[Pair<'_>], rng: &mut Rng) -> Vec<Vec<u8>> {
    let mut probes: Vec<Vec<u8>> = vec![vec![], vec![0], vec![0xFF; 3], b"absent".to_vec()];
    let last = flat.len().saturating_sub(1);
    let chosen = (0..PROBED_KEYS).map(|i| match i {
        0 => 0,
        1 => last,
        _ => rng.below(flat.len().max(1)),
    });
    for (key, _) in chosen.filter_map(|i| flat.get(i)) {
        probes.push(key.to_vec());
        probes.push([key, &[0][..]].concat());
        probes.push([key, &[0xFF][..]].concat());
        if let Some((end, front)) = key.split_last() {
            probes.push(front.to_vec());
            for end in [end.wrapping_add(1), end.wrapping_sub(1)] {
                probes.push([front, &[end]].concat());
            }
            probes.push(key[..key.len() / 2].to_vec());
        }
    }
    probes
}

struct Context<'a> {
    table: &'a Table,
    model: &'a Model,
    flat: &'a [Pair<'a>],
    probes: &'a [Vec<u8>],
}

impl Context<'_> {
    fn lower(&self, key: &[u8]) -> usize {
        self.flat.partition_point(|entry| entry.0 < key)
    }

    fn upper(&self, key: &[u8]) -> usize {
        self.flat.partition_point(|entry| entry.0 <= key)
    }

    fn sizes(&self) {
        let (table, flat) = (self.table, self.flat);
        assert_eq!(table.len(), flat.len() as u64);
        assert_eq!(table.distinct_keys(), self.model.map.len() as u64);
        assert_eq!(table.is_empty(), flat.is_empty());
        assert_eq!(table.first().unwrap(), flat.first().copied());
        assert_eq!(table.last().unwrap(), flat.last().copied());

        let metadata = table.metadata().unwrap();
        let pairs: Vec<_> = self.model.metadata.iter().map(|(k, v)| (&k[..], &v[..])).collect();
        assert_eq!(metadata.iter().collect::<Vec<_>>(), pairs);
        for (key, value) in pairs {
            assert_eq!(metadata.get(key), Some(value));
        }
        assert_eq!(metadata.get(b"no such metadata"), None);

        let stats = table.stats().unwrap();
        let sum = |part: fn(&Pair<'_>) -> usize| flat.iter().map(part).sum::<usize>() as u64;
        assert_eq!(stats.key_bytes, sum(|entry| entry.0.len()));
        assert_eq!(stats.value_bytes, sum(|entry| entry.1.len()));
        assert_eq!(stats.sections.iter().map(|s| s.bytes).sum::<u64>(), stats.file_bytes);
        let longest = flat.iter().map(|entry| entry.0.len()).max();
        assert_eq!(stats.key_len_max as usize, longest.unwrap_or(0));
        let ends = (stats.smallest_key.as_deref(), stats.largest_key.as_deref());
        assert_eq!(ends, (flat.first().map(|entry| entry.0), flat.last().map(|entry| entry.0)));
        let counted: u64 = stats.value_len_histogram.iter().map(|bin| bin.count).sum();
        assert_eq!(counted, stats.entries);
    }

    fn scans(&self, align: usize, rng: &mut Rng) {
        let (table, flat) = (self.table, self.flat);
        for (found, right) in table.iter().zip(flat) {
            let found = found.unwrap();
            assert_eq!(found, *right);
            assert_eq!(found.1.as_ptr().addr() % align, 0, "value is not aligned to {align}");
        }
        assert_eq!(table.iter().len(), flat.len());
        assert_eq!(table.iter().count(), flat.len());
        assert!(table.iter().rev().map(Result::unwrap).eq(flat.iter().rev().copied()));
        assert!(table.keys().map(Result::unwrap).eq(flat.iter().map(|entry| entry.0)));
        assert!(table.keys().rev().map(Result::unwrap).eq(flat.iter().rev().map(|entry| entry.0)));
        assert!(table.values().map(Result::unwrap).eq(flat.iter().map(|entry| entry.1)));
        assert!(
            table.values().rev().map(Result::unwrap).eq(flat.iter().rev().map(|entry| entry.1))
        );
        assert_eq!((table.keys().len(), table.values().len()), (flat.len(), flat.len()));
        let counts = self.model.map.iter().map(|(key, values)| (&key[..], values.len() as u64));
        assert!(table.key_counts().map(Result::unwrap).eq(counts));
        self.mixed(table.iter(), flat, rng);
        self.skips(rng);
        self.parts(rng);
    }

    /// `split`: parts in order, which differ by one entry at most.
    fn parts(&self, rng: &mut Rng) {
        let n = self.flat.len();
        for asked in [0, 1, 2, 7, rng.below(n + 2), n + 1] {
            // More parts than these take long in the largest tables.
            let asked = asked.min(2_000);
            let parts = self.table.split(asked);
            assert_eq!(parts.len(), asked.clamp(1, n.max(1)));
            let (least, most) = (n / parts.len(), n.div_ceil(parts.len()));
            let mut left = self.flat;
            for part in parts {
                assert!((least..=most).contains(&part.len()));
                let (right, rest) = left.split_at(part.len());
                left = rest;
                assert!(part.map(Result::unwrap).eq(right.iter().copied()));
            }
            assert!(left.is_empty());
        }
    }

    /// Both ends in turn, until they meet.
    fn mixed(&self, mut iter: Iter<'_>, right: &[Pair<'_>], rng: &mut Rng) {
        let (mut from, mut to) = (0, right.len());
        while from < to {
            assert_eq!(iter.len(), to - from);
            if rng.next() & 1 == 0 {
                assert_eq!(iter.next().unwrap().unwrap(), right[from]);
                from += 1;
            } else {
                to -= 1;
                assert_eq!(iter.next_back().unwrap().unwrap(), right[to]);
            }
        }
        assert!(iter.next().is_none() && iter.next_back().is_none() && iter.next().is_none());
    }

    /// `nth` and `nth_back` of iterators, which skip by rank.
    fn skips(&self, rng: &mut Rng) {
        let (mut iter, mut left) = (self.table.iter(), self.flat);
        for _ in 0..20 {
            let n = rng.below(left.len() / 4 + 2);
            let (found, right) = if rng.next() & 1 == 0 {
                let right = left.get(n).copied();
                left = left.get(n + 1..).unwrap_or_default();
                (iter.nth(n), right)
            } else {
                let keep = left.len().saturating_sub(n);
                let right = left[..keep].last().copied();
                left = &left[..keep.saturating_sub(1)];
                (iter.nth_back(n), right)
            };
            assert_eq!(found.transpose().unwrap(), right);
            assert_eq!(iter.len(), left.len());
        }
        // Folds take the entries that are ready in a loop of their own.
        let (mut forward, mut backward) = (Vec::new(), Vec::new());
        iter.clone().for_each(|entry| forward.push(entry.unwrap()));
        iter.rev().for_each(|entry| backward.push(entry.unwrap()));
        assert_eq!(forward, left);
        assert!(backward.iter().rev().eq(left));
        let last = self.table.iter().last().transpose().unwrap();
        assert_eq!(last, self.flat.last().copied());
    }

    fn points(&self) {
        let step = self.model.map.len().div_ceil(ALL_KEYS).max(1);
        for (key, values) in self.model.map.iter().step_by(step) {
            assert_eq!(self.table.get(key).unwrap(), Some(values[0].as_slice()));
        }
        for key in self.probes {
            let values = self.model.map.get(key);
            let first = values.map(|values| values[0].as_slice());
            assert_eq!(self.table.get(key).unwrap(), first, "get {}", key.escape_ascii());
            assert_eq!(self.table.contains_key(key).unwrap(), values.is_some());
            let all: Result<Vec<_>, _> = self.table.get_all(key).collect();
            assert_eq!(all.unwrap(), values.cloned().unwrap_or_default());
            let count = values.map_or(0, |values| values.len() as u64);
            assert_eq!(self.table.count_of(key).unwrap(), count, "{}", key.escape_ascii());
        }
    }

    fn many(&self, rng: &mut Rng) {
        let mut out = vec![Some(&b"left over"[..])];
        self.table.get_many_into::<&[u8]>(&[], &mut out).unwrap();
        assert!(out.is_empty());
        // Present and absent keys, in no order, in batches that end anywhere.
        let mut keys: Vec<&[u8]> = self.probes.iter().map(Vec::as_slice).collect();
        keys.extend(self.flat.iter().take(70).map(|entry| entry.0));
        rng.shuffle(&mut keys);
        self.table.get_many_into(&keys, &mut out).unwrap();
        assert_eq!(out.len(), keys.len());
        for (key, found) in keys.iter().zip(&out) {
            let right = self.model.map.get(*key).map(|values| values[0].as_slice());
            assert_eq!(*found, right, "get_many {}", key.escape_ascii());
        }
        let (ranks, entries) =
            (self.table.rank_many(&keys).unwrap(), self.table.ceil_many(&keys).unwrap());
        assert_eq!((ranks.len(), entries.len()), (keys.len(), keys.len()));
        for ((key, rank), entry) in keys.iter().zip(ranks).zip(entries) {
            let lower = self.lower(key);
            assert_eq!(rank, lower as u64, "rank_many {}", key.escape_ascii());
            assert_eq!(entry, self.flat.get(lower).copied(), "ceil_many {}", key.escape_ascii());
        }
    }

    fn order_queries(&self) {
        for key in self.probes {
            let (lower, upper) = (self.lower(key), self.upper(key));
            assert_eq!(self.table.rank(key).unwrap(), lower as u64, "rank {}", key.escape_ascii());
            assert_eq!(self.table.ceil(key).unwrap(), self.flat.get(lower).copied());
            assert_eq!(self.table.floor(key).unwrap(), self.flat[..upper].last().copied());

            let starts: Vec<_> = self.flat.iter().filter(|e| e.0.starts_with(key)).collect();
            let prefix = self.table.prefix(key);
            assert_eq!(prefix.len(), starts.len(), "prefix {}", key.escape_ascii());
            assert!(prefix.clone().map(Result::unwrap).eq(starts.iter().copied().copied()));
            assert!(prefix.rev().map(Result::unwrap).eq(starts.iter().rev().copied().copied()));

            let longest = self.flat.iter().filter(|entry| key.starts_with(entry.0));
            let longest = longest.max_by_key(|entry| entry.0.len()).map(|entry| entry.0);
            let right = longest.map(|found| (found, self.model.map[found][0].as_slice()));
            assert_eq!(self.table.longest_prefix(key).unwrap(), right);
            let prefixes = self.flat.iter().filter(|entry| key.starts_with(entry.0));
            let mut prefixes: Vec<Pair<'_>> = prefixes.copied().collect();
            prefixes.sort_by_key(|entry| std::cmp::Reverse(entry.0.len()));
            let found = self.table.prefixes_of(key).map(Result::unwrap);
            assert!(found.eq(prefixes), "prefixes_of {}", key.escape_ascii());
        }
    }

    fn ranks(&self, rng: &mut Rng) {
        let n = self.flat.len();
        let few = (0..n.min(150)).collect::<Vec<_>>();
        let random = (0..if n > 150 { 100 } else { 0 }).map(|_| rng.below(n));
        for rank in few.into_iter().chain(random).chain([n, n + 1]) {
            assert_eq!(self.table.nth(rank as u64).unwrap(), self.flat.get(rank).copied());
        }
        assert_eq!(self.table.nth(u64::MAX).unwrap(), None);
    }

    fn ranges(&self, rng: &mut Rng) {
        assert_eq!(self.table.count(..).unwrap(), self.flat.len() as u64);
        self.range_is(self.table.range(..), self.flat, rng);
        let bounds = |key| [Bound::Included(key), Bound::Excluded(key), Bound::Unbounded];
        for _ in 0..3 {
            let a = self.probes[rng.below(self.probes.len())].as_slice();
            let b = self.probes[rng.below(self.probes.len())].as_slice();
            for from in bounds(a) {
                for to in bounds(b) {
                    let start = match from {
                        Bound::Included(key) => self.lower(key),
                        Bound::Excluded(key) => self.upper(key),
                        Bound::Unbounded => 0,
                    };
                    let end = match to {
                        Bound::Included(key) => self.upper(key),
                        Bound::Excluded(key) => self.lower(key),
                        Bound::Unbounded => self.flat.len(),
                    };
                    let right = self.flat.get(start..end).unwrap_or_default();
                    let range = (from, to);
                    assert_eq!(self.table.count(range).unwrap(), right.len() as u64, "{range:?}");
                    self.range_is(self.table.range(range), right, rng);
                }
            }
        }
    }

    fn range_is(&self, iter: Iter<'_>, right: &[Pair<'_>], rng: &mut Rng) {
        assert_eq!(iter.len(), right.len());
        if right.len() <= WHOLE_RANGE {
            assert!(iter.clone().map(Result::unwrap).eq(right.iter().copied()));
            assert!(iter.clone().rev().map(Result::unwrap).eq(right.iter().rev().copied()));
            if right.len() < 40 {
                self.mixed(iter, right, rng);
            }
        } else {
            let ends = iter.clone().take(50).map(Result::unwrap);
            assert!(ends.eq(right.iter().take(50).copied()));
            let ends = iter.rev().take(50).map(Result::unwrap);
            assert!(ends.eq(right.iter().rev().take(50).copied()));
        }
    }

    /// A random walk whose place is known: 0 = before the first, n + 1 = after the last.
    fn cursor(&self, rng: &mut Rng) {
        let n = self.flat.len();
        let mut cursor = self.table.cursor();
        let mut place = 0;
        for step in 0..120 {
            let key = self.probes[rng.below(self.probes.len())].as_slice();
            let (name, moved);
            (name, moved, place) = match rng.below(12) {
                0 => ("seek", cursor.seek_ceil(key), self.lower(key) + 1),
                1 => ("seek_floor", cursor.seek_floor(key), self.upper(key)),
                2 => ("seek_first", cursor.seek_first(), 1),
                3 => ("seek_last", cursor.seek_last(), n),
                4..8 => ("next", cursor.next(), (place + 1).min(n + 1)),
                _ => ("prev", cursor.prev(), place.saturating_sub(1)),
            };
            let right = place.checked_sub(1).and_then(|i| self.flat.get(i)).copied();
            assert_eq!(moved.unwrap(), right.is_some(), "{name} in step {step}");
            assert_eq!(cursor.key(), right.map(|entry| entry.0), "{name} in step {step}");
            assert_eq!(cursor.value(), right.map(|entry| entry.1), "{name} in step {step}");
            if rng.below(30) == 0 {
                cursor = cursor.clone();
            }
        }
    }
}
