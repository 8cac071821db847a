//! Counts of latencies, in buckets whose width grows with the latency: no bucket is wider than 1/32
//! of the latencies that it holds.

/// Buckets per doubling.
const SUB: u64 = 32;
/// Number of buckets. They hold latencies longer than any run.
const BUCKETS: usize = 48 * SUB as usize;

/// Counts of latencies in nanoseconds.
pub(super) struct Histogram {
    counts: Vec<u64>,
    pub(super) max: u64,
}

impl Histogram {
    pub(super) fn new() -> Self {
        Self { counts: vec![0; BUCKETS], max: 0 }
    }

    #[inline]
    pub(super) fn record(&mut self, ns: u64) {
        self.counts[bucket(ns)] += 1;
        self.max = self.max.max(ns);
    }

    pub(super) fn add(&mut self, other: &Self) {
        self.max = self.max.max(other.max);
        for (count, other) in self.counts.iter_mut().zip(&other.counts) {
            *count += other;
        }
    }

    /// The latency that the given share of all latencies does not exceed; 0 if there are no
    /// latencies.
    pub(super) fn quantile(&self, share: f64) -> u64 {
        let all: u64 = self.counts.iter().sum();
        let rank = ((all as f64 * share).ceil() as u64).max(1);
        let mut seen = 0;
        for (number, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= rank {
                return greatest(number).min(self.max);
            }
        }
        0
    }

    /// Number and count of each bucket that is not empty.
    pub(super) fn filled(&self) -> impl Iterator<Item = (usize, u64)> {
        self.counts.iter().copied().enumerate().filter(|&(_, count)| count > 0)
    }

    /// The histogram with the buckets that [`filled`](Self::filled) gave.
    pub(super) fn from_filled(filled: impl Iterator<Item = (usize, u64)>, max: u64) -> Self {
        let mut histogram = Self { max, ..Self::new() };
        for (number, count) in filled {
            if let Some(bucket) = histogram.counts.get_mut(number) {
                *bucket += count;
            }
        }
        histogram
    }
}

impl Default for Histogram {
    fn default() -> Self {
        Self::new()
    }
}

fn bucket(ns: u64) -> usize {
    if ns < SUB {
        return ns as usize;
    }
    let doublings = (ns / SUB).ilog2();
    ((u64::from(doublings) * SUB + (ns >> doublings)) as usize).min(BUCKETS - 1)
}

/// The greatest latency of a bucket.
fn greatest(bucket: usize) -> u64 {
    let bucket = bucket as u64;
    if bucket < 2 * SUB {
        return bucket;
    }
    let doublings = bucket / SUB - 1;
    ((bucket - doublings * SUB + 1) << doublings) - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_are_narrow_and_without_gaps() {
        let mut before = 0;
        for ns in (0..5000).chain((13..40).map(|log| (1 << log) - 1)) {
            let (number, greatest) = (bucket(ns), greatest(bucket(ns)));
            assert!(ns <= greatest && (greatest - ns) * SUB <= ns, "{ns}: up to {greatest}");
            assert_eq!(bucket(greatest), number, "{ns}");
            assert!(number >= before);
            before = number;
        }
        assert_eq!(bucket(u64::MAX), BUCKETS - 1);
    }

    #[test]
    fn quantiles() {
        let mut histogram = Histogram::new();
        assert_eq!(histogram.quantile(0.5), 0);
        for ns in 1..=1000 {
            histogram.record(ns);
        }
        let close = |share, ns: u64| {
            let found = histogram.quantile(share);
            assert!(found >= ns && (found - ns) * SUB <= ns, "{share}: {found}");
        };
        close(0.5, 500);
        close(0.99, 990);
        close(0.999, 999);
        assert_eq!((histogram.quantile(1.0), histogram.max), (1000, 1000));
        let copy = Histogram::from_filled(histogram.filled(), histogram.max);
        assert_eq!((copy.quantile(0.5), copy.max), (histogram.quantile(0.5), 1000));
    }
}
