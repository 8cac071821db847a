//! Keys that were chosen by someone who wants a build to take long, though not for their hashes, which
//! is the matter of `chosen.rs`: by what they share, and by where they stand.

#![allow(dead_code, reason = "tests and benches take what they need")]

use super::chosen::mix;

/// A set of chosen keys, and ordinary ones of the same number and lengths.
pub(crate) struct Enemy {
    pub(crate) name: &'static str,
    /// Number of keys, equal ones counted.
    pub(crate) keys: u64,
    /// Key `i`; all but equal ones ascend with `i`.
    pub(crate) chosen: fn(u64) -> Vec<u8>,
}

impl Enemy {
    /// A random key with the length of key `i`.
    pub(crate) fn ordinary(&self, i: u64) -> Vec<u8> {
        let len = (self.chosen)(i).len();
        let words = (0..len.div_ceil(8) as u64).flat_map(|word| mix(i ^ word << 40).to_be_bytes());
        words.take(len).collect()
    }
}

/// Bytes that long keys share.
pub(crate) const SHARED: usize = 60_000;

/// All sets, of about `bytes` bytes of keys each.
pub(crate) fn enemies(bytes: u64) -> Vec<Enemy> {
    let short = bytes / 16;
    vec![
        // All but the smallest in one line of a line index.
        Enemy { name: "one line", keys: bytes / 8, chosen: |i| head(i).to_be_bytes().into() },
        // All of one tag in it, since their first eight bytes are equal.
        Enemy {
            name: "one head",
            keys: short,
            chosen: |i| [u64::from(i > 0) << 63, i].map(u64::to_be_bytes).concat(),
        },
        Enemy { name: "one key", keys: short, chosen: |_| b"one key for them".to_vec() },
        Enemy { name: "few keys", keys: short, chosen: |i| format!("{:016}", i >> 10).into() },
        Enemy {
            name: "60 KB prefix",
            keys: bytes / SHARED as u64,
            chosen: |i| [&[b'p'; SHARED][..], &i.to_be_bytes()].concat(),
        },
        // Each key begins with all keys before it.
        Enemy {
            name: "prefixes",
            keys: (bytes * 2).isqrt().min(SHARED as u64),
            chosen: |i| vec![b'p'; i as usize],
        },
        // Separators that no node has room for, since neighbours share more than it stores.
        Enemy {
            name: "cut separators",
            keys: bytes / 300,
            chosen: |i| [&[b'p'; 200][..], &[b'q'; 92], &i.to_be_bytes()].concat(),
        },
    ]
}

/// The first number is the smallest of all; the others stand close together, and the last is the
/// largest of all.
fn head(i: u64) -> u64 {
    if i == 0 { 0 } else { 1 << 63 | i }
}
