//! Reproducible numbers: the same keys in every run.

/// SplitMix64 (Steele, Lea and Flood 2014).
pub(crate) struct Random(pub(super) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        mix(self.0)
    }

    /// A number below `end`, which is not 0. Every one is equally likely (Lemire 2019).
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        // Below this, the low halves of the products favour some numbers: such a draw is repeated.
        let uneven = end.wrapping_neg() % end;
        loop {
            let product = u128::from(self.next()) * u128::from(end);
            if product as u64 >= uneven {
                return (product >> 64) as u64;
            }
        }
    }

    /// A number from 0 up to, but not including, 1.
    pub(crate) fn fraction(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }
}

fn mix(x: u64) -> u64 {
    let x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    x ^ (x >> 31)
}

/// Draws ranks below `n`. The k-th most frequent rank has a probability proportional to k^-s. Ranks
/// are drawn by rejection from an envelope whose inverse is known. The frequent ranks lie anywhere
/// in the table.
pub(crate) struct Zipf {
    n: u64,
    s: f64,
    /// Area under the envelope.
    area: f64,
}

impl Zipf {
    pub(crate) fn new(n: u64, s: f64) -> Self {
        let count = n as f64;
        let area = if s == 1.0 { 1.0 + count.ln() } else { (count.powf(1.0 - s) - s) / (1.0 - s) };
        Self { n, s, area }
    }

    pub(crate) fn draw(&self, random: &mut Random) -> u64 {
        let k = if self.s == 0.0 { random.next() % self.n } else { self.frequent(random) - 1 };
        if self.s == 0.0 { k } else { mix(k) % self.n }
    }

    /// A number from 1 to `n`. Small numbers are drawn most often.
    fn frequent(&self, random: &mut Random) -> u64 {
        loop {
            let x = self.inverse(random.fraction());
            let k = (x + 1.0).floor();
            let mut accepted = k.powf(-self.s);
            if k > 1.0 {
                accepted *= x.powf(self.s);
            }
            if random.fraction() < accepted {
                return (k as u64).clamp(1, self.n);
            }
        }
    }

    /// The x that has this share of the envelope's area to its left. The envelope is 1 up to x = 1,
    /// then x^-s.
    fn inverse(&self, share: f64) -> f64 {
        let area = share * self.area;
        if area <= 1.0 {
            area
        } else if self.s == 1.0 {
            (area - 1.0).exp()
        } else {
            (area * (1.0 - self.s) + self.s).powf(1.0 / (1.0 - self.s))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frequencies_follow_the_law() {
        const DRAWS: u32 = 200_000;
        for s in [0.5, 1.0, 1.3] {
            let (zipf, mut random) = (Zipf::new(1000, s), Random(7));
            let mut counts = [0u32; 1001];
            (0..DRAWS).for_each(|_| counts[zipf.frequent(&mut random) as usize] += 1);
            let all: f64 = (1..=1000).map(|k| f64::from(k).powf(-s)).sum();
            for k in [1, 2, 5, 20] {
                let expected = f64::from(DRAWS) * f64::from(k as u32).powf(-s) / all;
                let found = f64::from(counts[k]);
                assert!((found - expected).abs() < 6.0 * expected.sqrt(), "{s} {k}: {found}");
            }
        }
    }

    #[test]
    fn draws_stay_below_the_end() {
        for (n, s) in [(1, 0.0), (1, 1.0), (1, 2.0), (3, 0.0), (1 << 40, 0.99)] {
            let (zipf, mut random) = (Zipf::new(n, s), Random(1));
            assert!((0..1000).all(|_| zipf.draw(&mut random) < n), "{n} {s}");
        }
    }
}
