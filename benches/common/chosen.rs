//! Keys that were chosen by someone who knows the hash function of format.md: that of the first
//! attempt at a hash index, which has no seed.

#![allow(dead_code, reason = "tests and benches take what they need")]

const S0: u64 = 0xA076_1D64_78BD_642F;
const S1: u64 = 0xE703_7ED1_A0B4_28DB;
const ADDENDS: [[u32; 4]; 2] = [
    [0x243F_6A88, 0x85A3_08D3, 0x1319_8A2E, 0x0370_7344],
    [0x9216_D5D9, 0x8979_FB1B, 0xD131_0BA6, 0x98DF_B5AC],
];

fn product(a: u64, b: u64) -> (u64, u64) {
    let product = u128::from(a) * u128::from(b);
    (product as u64, (product >> 64) as u64)
}

/// The hash of a key of 8 to 32 bytes, from format.md.
pub(crate) fn hash(key: &[u8]) -> u64 {
    let word = |at: usize| u64::from_le_bytes(key[at..at + 8].try_into().expect("eight bytes"));
    let (a, b) = if key.len() <= 16 {
        (S0 ^ word(0), S1 ^ word(key.len() - 8))
    } else {
        let mut sums = [0u64; 2];
        for (at, addends) in [0, key.len() - 16].into_iter().zip(ADDENDS) {
            let word = |i: usize| {
                let bytes = key[at + 4 * i..at + 4 * i + 4].try_into().expect("four bytes");
                u64::from(u32::from_le_bytes(bytes).wrapping_add(addends[i]))
            };
            sums[0] = sums[0].wrapping_add(word(0) * word(1));
            sums[1] = sums[1].wrapping_add(word(2) * word(3));
        }
        (sums[0], sums[1])
    };
    let (low, high) = product(a, b);
    let (low, high) = product(low ^ key.len() as u64, high);
    low ^ high
}

/// A key of 16 bytes that begins with a constant of the hash has a factor of zero in its product:
/// its hash is the same whatever `i` is.
pub(crate) fn of_one_hash(i: u64) -> Vec<u8> {
    [S0.to_le_bytes(), i.to_be_bytes()].concat()
}

/// Key `i` of 32 bytes that all have the hash number `set`: a factor of zero takes `i` out of
/// the sums.
pub(crate) fn of_hash(set: u64, i: u32) -> Vec<u8> {
    let zero = ADDENDS[0][0].wrapping_neg().to_le_bytes();
    let rest = [set.to_be_bytes(), mix(set).to_be_bytes(), mix(!set).to_be_bytes()];
    [&zero[..], &i.to_be_bytes(), rest.as_flattened()].concat()
}

/// SplitMix64 (Steele, Lea and Flood 2014).
pub(crate) fn mix(i: u64) -> u64 {
    let x = i.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    x ^ (x >> 31)
}

/// Ordinary key `i` of `len` bytes, at least 16, which stands behind all chosen ones.
pub(crate) fn ordinary(i: u64, len: usize) -> Vec<u8> {
    let mut key: Vec<u8> = (0..len.div_ceil(8) as u64)
        .flat_map(|word| mix(i ^ word << 48).to_be_bytes())
        .take(len)
        .collect();
    key[0] |= 0x80;
    key
}

/// Where hashes lead in a table of so many keys, with slots of four bytes.
pub(crate) struct Places {
    buckets: u64,
    per_group: u64,
}

/// First bucket, second bucket, group.
pub(crate) type Place = [u64; 3];

impl Places {
    pub(crate) fn of(keys: u64) -> Self {
        let buckets = (16 * keys).div_ceil(15 * 12);
        let groups = buckets.div_ceil(1024);
        let per_group = buckets.div_ceil(groups);
        Self { buckets: groups * per_group, per_group }
    }

    pub(crate) fn place(&self, hash: u64) -> Place {
        let n = self.per_group;
        let first = product(hash, self.buckets).1;
        let step = 1 + ((((hash >> 13) & 0x3FFF) * (n - 1)) >> 14);
        [first, first / n * n + (first + step) % n, first / n]
    }

    /// The bucket after this one in its group.
    fn next(&self, bucket: u64) -> u64 {
        let n = self.per_group;
        bucket / n * n + (bucket + 1) % n
    }

    /// Groups of the index.
    pub(crate) fn groups(&self) -> u64 {
        self.buckets / self.per_group
    }

    /// Keys of 16 bytes that are wanted, by their hash and its places.
    pub(crate) fn choose(
        &self,
        wanted: impl Fn(u64, Place) -> bool,
    ) -> impl Iterator<Item = Vec<u8>> {
        let keys = (0u64..).map(|i| [mix(i) >> 1, mix(!i)].map(u64::to_be_bytes));
        let wanted = move |key: &[[u8; 8]; 2]| {
            let hash = hash(key.as_flattened());
            wanted(hash, self.place(hash))
        };
        keys.filter(wanted).map(|key| key.concat())
    }

    /// Sets of `count` chosen keys that are half of a table, and their names.
    pub(crate) fn sets(&self, count: u64) -> Vec<(&'static str, Vec<Vec<u8>>)> {
        let one = |n: u64| (0..n).map(of_one_hash).collect();
        let each = |n: u64| (0..count).map(|i| of_hash(i / n, (i % n) as u32)).collect();
        let groups = self.groups();
        let even = |place: u64| place.is_multiple_of(2);
        let choose = |wanted: &dyn Fn(u64, Place) -> bool| -> Vec<Vec<u8>> {
            self.choose(wanted).take(count as usize).collect()
        };
        vec![
            ("7 of one hash", one(7)),
            ("100 of one hash", one(100)),
            ("half of one hash", one(count)),
            ("2 of each hash", each(2)),
            ("4 of each hash", each(4)),
            ("7 of each hash", each(7)),
            ("1000 of each hash", each(1000)),
            ("one tag", choose(&|hash, _| hash as u8 == 7)),
            ("one group", choose(&|_, [.., group]| group == groups / 2)),
            ("half of the groups", choose(&|_, [.., group]| even(group))),
            ("half of the buckets", choose(&|_, [first, ..]| even(first))),
            // Fewer keys than that drive others out of their first bucket, too.
            (
                "more in half of the buckets",
                choose(&|hash, [first, ..]| even(first) || hash >> 16 & 1 == 0),
            ),
            // Each search for room goes on in the same half.
            ("chains", choose(&|_, [first, second, _]| even(first) && even(second))),
            // The second bucket is the next one: a search for room goes through all buckets of a group.
            ("rings", choose(&|_, [first, second, _]| self.next(first) == second)),
            ("all but one group", choose(&|_, [.., group]| group + 1 < groups || groups == 1)),
        ]
    }
}
