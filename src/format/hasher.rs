//! The 64-bit hash of a key. [`index::hash`](super::index::hash) says where a hash puts its key.

use super::bytes_at;

/// Id of the function below in the header. Ids 1 and 2 meant other functions and other orders of a
/// bucket's bytes.
pub(crate) const FUNCTION: u8 = 3;
/// Id of the same function, of keys as they were before they were encoded by symbols.
pub(crate) const OF_DECODED: u8 = 4;
/// How often a build is tried with another seed before the index is left out.
pub(crate) const MAX_ATTEMPTS: u32 = 8;

const S0: u64 = 0xA076_1D64_78BD_642F;
const S1: u64 = 0xE703_7ED1_A0B4_28DB;

/// The hash function of one attempt. The first attempt has no seed. A later one has a seed that
/// is made of the table's content, so that nobody can choose keys for it beforehand.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Hasher {
    seed: u64,
    multiplier: u64,
}

#[inline]
pub(super) const fn multiply(a: u64, b: u64) -> (u64, u64) {
    let product = a as u128 * b as u128;
    (product as u64, (product >> 64) as u64)
}

#[inline]
const fn fold(a: u64, b: u64) -> u64 {
    let (low, high) = multiply(a, b);
    low ^ high
}

impl Hasher {
    /// `seed`: 0 for the hash of the first attempt.
    pub(crate) const fn new(seed: u64) -> Self {
        Self { seed, multiplier: seed.wrapping_mul(S0) | 1 }
    }

    /// The seed of an attempt after the first, from a digest of what the table holds.
    pub(crate) const fn seed(digest: u128, attempt: u32) -> u64 {
        let (low, high) = (digest as u64, (digest >> 64) as u64);
        let seed = fold(low ^ S0.wrapping_mul(attempt as u64), high ^ S1);
        if seed == 0 { 1 } else { seed }
    }

    /// The hash of a key.
    #[inline]
    pub(crate) fn hash(self, key: &[u8]) -> u64 {
        self.remix(Self::base(key))
    }

    /// The hash of this attempt from that of the first: a build that fails needs no key twice.
    /// Equal hashes stay equal. Others are spread by a multiplier that nobody knew when the keys
    /// were chosen.
    #[inline]
    pub(crate) fn remix(self, base: u64) -> u64 {
        if self.seed == 0 { base } else { self.reseed(base) }
    }

    /// [`remix`](Self::remix) for a seed that is not 0. The first product alone would leave hashes that
    /// count in steps, as they can be chosen, a little uneven.
    #[inline(always)]
    pub(crate) fn reseed(self, base: u64) -> u64 {
        fold(fold(base ^ self.seed, self.multiplier), S1)
    }

    /// The hash of attempt 0. A key of up to 16 bytes is two numbers; a key of 17 to 128 bytes is
    /// summed up to two numbers ([`Sums`]); a longer key is absorbed piece by piece. The two numbers
    /// are mixed nearly as wyhash mixes its last two (Wang Yi, public domain), without the constants
    /// that wyhash adds once more.
    #[inline]
    pub(crate) fn base(key: &[u8]) -> u64 {
        Self::base_by(Portable, key)
    }

    /// [`base`](Self::base), with sums by the instructions that the caller has.
    #[inline(always)]
    pub(crate) fn base_by(by: impl Sums, key: &[u8]) -> u64 {
        match key.len() {
            ..=16 => Self::short(key),
            17..=32 => Self::summed(by.sums::<16>(key), key.len()),
            33..=64 => Self::summed(by.sums::<32>(key), key.len()),
            65..=128 => Self::summed(by.sums::<64>(key), key.len()),
            _ => Self::long(key),
        }
    }

    /// The hash of attempt 0 of a key of up to 16 bytes.
    #[inline(always)]
    pub(crate) fn short(key: &[u8]) -> u64 {
        let len = key.len();
        let (a, b) = if len >= 8 {
            (le64(key, 0), le64(key, len - 8))
        } else if len >= 4 {
            (le32(key, 0), le32(key, len - 4))
        } else if len > 0 {
            let a =
                u64::from(key[0]) | u64::from(key[len / 2]) << 8 | u64::from(key[len - 1]) << 16;
            (a, 0)
        } else {
            (0, 0)
        };
        Self::finish(a ^ S0, b ^ S1, len)
    }

    /// The hash of attempt 0 of a key of 17 to 128 bytes, from its [sums](Sums::sums).
    #[inline(always)]
    pub(crate) fn summed([even, odd]: [u64; 2], len: usize) -> u64 {
        Self::finish(even, odd, len)
    }

    /// The hash of attempt 0 of a key of more than 128 bytes: wyhash's loop of one lane over all but
    /// the last 1 to 16 bytes.
    #[cold]
    #[inline(never)]
    fn long(key: &[u8]) -> u64 {
        let mut seed = S1;
        let mut rest = key;
        while rest.len() > 16 {
            seed = fold(le64(rest, 0) ^ S0, le64(rest, 8) ^ seed);
            rest = &rest[16..];
        }
        let len = key.len();
        Self::finish(le64(key, len - 16) ^ S0, le64(key, len - 8) ^ seed, len)
    }

    #[inline(always)]
    fn finish(a: u64, b: u64, len: usize) -> u64 {
        let (low, high) = multiply(a, b);
        fold(low ^ len as u64, high)
    }
}

/// [`Sums::sums`] adds these numbers to the words of the first and of the last bytes of a key: the
/// first 1,024 bits of the fraction of pi.
pub(crate) const ADDENDS: [[u32; 16]; 2] = [
    [
        0x243F_6A88,
        0x85A3_08D3,
        0x1319_8A2E,
        0x0370_7344,
        0xA409_3822,
        0x299F_31D0,
        0x082E_FA98,
        0xEC4E_6C89,
        0x4528_21E6,
        0x38D0_1377,
        0xBE54_66CF,
        0x34E9_0C6C,
        0xC0AC_29B7,
        0xC97C_50DD,
        0x3F84_D5B5,
        0xB547_0917,
    ],
    [
        0x9216_D5D9,
        0x8979_FB1B,
        0xD131_0BA6,
        0x98DF_B5AC,
        0x2FFD_72DB,
        0xD01A_DFB7,
        0xB8E1_AFED,
        0x6A26_7E96,
        0xBA7C_9045,
        0xF12C_7F99,
        0x24A1_9947,
        0xB391_6CF7,
        0x0801_F2E2,
        0x858E_FC16,
        0x6369_20D8,
        0x7157_4E69,
    ],
];

/// Instructions that sum up a key. All forms give the same sums.
pub(crate) trait Sums {
    /// Two sums over the first and the last `N` bytes of a key, which overlap where the key has
    /// fewer than `2 * N`; `N` is 16, 32 or 64. Each word of 32 bits gets its addend; each pair of
    /// words is multiplied; the products go to the two sums in turn. This is NH (Black, Halevi,
    /// Krawczyk, Krovetz and Rogaway, UMAC, 1999): with addends drawn at random, two keys of one
    /// length have equal sums with a probability of 2^-32 at most. No product waits for another, so
    /// a processor that multiplies vectors takes a few instructions for the whole key.
    fn sums<const N: usize>(self, key: &[u8]) -> [u64; 2];
}

/// The sums without vector instructions.
pub(crate) struct Portable;

impl Sums for Portable {
    #[inline(always)]
    fn sums<const N: usize>(self, key: &[u8]) -> [u64; 2] {
        sums::<N>(key)
    }
}

#[inline(always)]
fn sums<const N: usize>(key: &[u8]) -> [u64; 2] {
    let (Some(first), Some(last)) = (key.first_chunk::<N>(), key.last_chunk::<N>()) else {
        return [0; 2];
    };
    let mut sums = [0u64; 2];
    for (bytes, addends) in [first, last].into_iter().zip(&ADDENDS) {
        let words = bytes.as_chunks().0.iter().zip(addends);
        let mut words = words.map(|(word, addend)| u32::from_le_bytes(*word).wrapping_add(*addend));
        let mut product = || Some(u64::from(words.next()?) * u64::from(words.next()?));
        for _ in 0..N / 16 {
            for sum in &mut sums {
                *sum = sum.wrapping_add(product().unwrap_or(0));
            }
        }
    }
    sums
}

/// The eight bytes at `at`; the caller has checked the length.
#[inline]
fn le64(key: &[u8], at: usize) -> u64 {
    bytes_at(key, at).map_or(0, u64::from_le_bytes)
}

#[inline]
fn le32(key: &[u8], at: usize) -> u64 {
    bytes_at(key, at).map_or(0, |bytes| u64::from(u32::from_le_bytes(bytes)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The loop over a long key ends before its last 16 bytes, also where they are a whole step.
    #[test]
    fn the_last_bytes_of_long_keys_are_no_step() {
        let key: Vec<u8> = (0..144).collect();
        let (steps, _) = key[..128].as_chunks::<16>();
        let seed =
            steps.iter().fold(S1, |seed, step| fold(le64(step, 0) ^ S0, le64(step, 8) ^ seed));
        let right = Hasher::finish(le64(&key, 128) ^ S0, le64(&key, 136) ^ seed, 144);
        assert_eq!(Hasher::long(&key), right);
    }

    /// The vectors of format.md.
    #[test]
    fn test_vectors() {
        let numbers: Vec<u8> = (0..200).collect();
        let keys: [(&[u8], u64); 14] = [
            (b"", 0),
            (b"a", 0),
            (b"abcd", 0),
            (b"abcdefgh", 0),
            (b"abcdefghijklmnop", 0),
            (b"abcdefghijklmnopq", 0),
            (&numbers[..32], 0),
            (&numbers[..33], 0),
            (&numbers[..100], 0),
            (&numbers[..128], 0),
            (&numbers[..129], 0),
            (&numbers, 0),
            (b"abcdefgh", 1),
            (b"abcdefgh", 0x0123_4567_89AB_CDEF),
        ];
        let spec = include_str!("../../format.md");
        for (key, seed) in keys {
            let hash = Hasher::new(seed).hash(key);
            let name = match key {
                [0, 1, .., last] => format!("00 01 … {last:02x}"),
                _ => format!("\"{}\"", key.escape_ascii()),
            };
            let row = format!("| `{name}` | `{seed:x}` | `{hash:016x}` |");
            assert!(spec.contains(&row), "format.md lacks the vector {row}");
        }
    }

    /// The seeds of format.md.
    #[test]
    fn seed_vectors() {
        let spec = include_str!("../../format.md");
        for attempt in [1, 2, 7] {
            let seed = Hasher::seed(0x0F0E_0D0C_0B0A_0908_0706_0504_0302_0100, attempt);
            let row = format!("| {attempt} | `{seed:016x}` |");
            assert!(spec.contains(&row), "format.md lacks the vector {row}");
        }
    }

    /// Guards against keys that were chosen for the known function: hashes that fill few places
    /// before, and count in any bits, are spread evenly by each seed.
    #[test]
    fn seeds_spread_chosen_hashes() {
        for attempt in 1..9 {
            let hasher = Hasher::new(Hasher::seed(7, attempt));
            for shift in (0..50).step_by(7) {
                let hashes: Vec<u64> = (0..1u64 << 14).map(|i| hasher.remix(i << shift)).collect();
                for (from, bits) in [(52, 12), (0, 8), (8, 5), (13, 12)] {
                    let found = unevenness(&hashes, from, bits);
                    assert!(found < 6.0, "attempt {attempt}, shift {shift}: {found} at bit {from}");
                }
            }
        }
    }

    /// The addends of format.md.
    #[test]
    fn addends() {
        let spec = include_str!("../../format.md");
        for row in ADDENDS.as_flattened().chunks(8) {
            let row: Vec<String> = row.iter().map(|addend| format!("{addend:08x}")).collect();
            assert!(spec.contains(&row.join(" ")), "format.md lacks the addends {row:?}");
        }
    }

    /// How unevenly these bits of hashes are spread: the sum of (found - expected)² ÷ expected over
    /// all their values, less its mean, in standard deviations.
    fn unevenness(hashes: &[u64], from: u32, bits: u32) -> f64 {
        let mut cells = vec![0u32; 1 << bits];
        for hash in hashes {
            cells[(hash >> from) as usize & ((1 << bits) - 1)] += 1;
        }
        let count = cells.len() as f64;
        let expected = hashes.len() as f64 / count;
        let sum: f64 = cells.iter().map(|&found| (f64::from(found) - expected).powi(2)).sum();
        (sum / expected - (count - 1.0)) / (2.0 * (count - 1.0)).sqrt()
    }

    /// The hashes of keys of `len` bytes that count, from `start` on: in bytes of either order, or in
    /// digits. `None` where the number would not fit in.
    fn hashes_of_counting(len: usize, start: usize, form: u8) -> Option<Vec<u64>> {
        let mut key: Vec<u8> = (0..len).map(|i| (i * 41 / 3) as u8).collect();
        let hash = |i: u32| {
            let part = match form {
                0 => i.to_le_bytes()[..3].to_vec(),
                1 => i.to_be_bytes()[1..].to_vec(),
                _ => format!("{i:05}").into_bytes(),
            };
            key.get_mut(start..start + part.len())?.copy_from_slice(&part);
            Some(Hasher::base(&key))
        };
        (0..1 << 15).map(hash).collect()
    }

    /// Guards against a weak mixture: keys that count, anywhere in a key of any class of length, fill
    /// all places that a hash names as random keys would.
    #[test]
    fn keys_that_count_are_spread_evenly() {
        let lengths = [3, 4, 7, 8, 12, 16, 17, 24, 32, 33, 50, 64, 65, 100, 128, 129, 300];
        let starts =
            lengths.into_iter().flat_map(|len| (0..len).step_by(7).map(move |at| (len, at)));
        let families = starts.flat_map(|(len, start)| (0..3).map(move |form| (len, start, form)));
        let mut tried = 0;
        for (len, start, form) in families {
            let Some(mut hashes) = hashes_of_counting(len, start, form) else { continue };
            let family = format!("form {form} at {start} of {len} bytes");
            // First bucket, tag, overflow number, step, and what may be the tail.
            for (from, bits) in [(52, 12), (0, 8), (8, 5), (13, 12), (20, 12)] {
                let found = unevenness(&hashes, from, bits);
                assert!(found < 5.5, "{family}: {found} at bit {from}");
            }
            let count = hashes.len();
            hashes.sort_unstable();
            hashes.dedup();
            assert_eq!(hashes.len(), count, "{family}: equal hashes");
            tried += 1;
        }
        assert!(tried > 250, "{tried} families of keys");
    }
}
