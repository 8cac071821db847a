//! Sorting of slots. Many keys have long common prefixes (URLs, paths), and their first eight bytes
//! decide nothing. So slots are sorted by head; among slots of equal heads, heads are taken anew
//! behind the bytes that the keys have in common, and these slots are sorted again.

use super::entry::{LENGTHS, parts};
use super::slot::{AHEAD, Slot, touch};
use crate::format::order::{common_prefix, head};
use rayon::prelude::*;

/// Fewer slots are compared key by key.
const FEW: usize = 24;
/// Most times that heads are taken anew. Each time may split off only one key, so more levels are
/// not worth it.
const LEVELS: usize = 32;
/// Keys from which the common prefix of all keys is guessed.
const SAMPLE: usize = 32;
/// Slots for which several threads are worth it.
pub(super) const MANY: usize = 1 << 13;

/// Sorts by key, and by place among equal keys. Overwrites the heads.
pub(super) fn sort(bytes: &[u8], slots: &mut [Slot]) {
    sort_level(bytes, slots, 0, LEVELS);
}

fn key<'b>(bytes: &'b [u8], slot: &Slot) -> &'b [u8] {
    &bytes[parts(bytes, slot.at as usize).key]
}

/// All keys have the first `depth` bytes in common.
fn sort_level(bytes: &[u8], slots: &mut [Slot], depth: usize, levels: usize) {
    if slots.len() <= FEW || levels == 0 {
        let rest = |slot: &Slot| &key(bytes, slot)[depth..];
        slots.sort_unstable_by(|a, b| rest(a).cmp(rest(b)).then(a.at.cmp(&b.at)));
        return;
    }
    let many = slots.len() >= MANY;
    let depth = depth + take_heads(bytes, slots, depth, many);
    // One number is compared without a branch.
    let order = |slot: &Slot| u128::from(slot.head) << 64 | u128::from(slot.at);
    if many {
        slots.par_sort_unstable_by_key(order);
    } else {
        slots.sort_unstable_by_key(order);
    }
    // A head is padded with zeros, so keys that differ in zeros at their end have equal heads for
    // ever. The next level compares whole keys.
    let undecided = slots.first().map(|slot| slot.head) == slots.last().map(|slot| slot.head);
    let levels = if undecided { 0 } else { levels - 1 };
    let next = |equal: &mut [Slot]| {
        if equal.len() > 1 {
            sort_level(bytes, equal, depth, levels);
        }
    };
    let equal = |a: &Slot, b: &Slot| a.head == b.head;
    if many {
        slots.par_chunk_by_mut(equal).for_each(next);
    } else {
        slots.chunk_by_mut(equal).for_each(next);
    }
}

/// Takes the heads of all keys behind the bytes that they have in common beyond the first `depth`,
/// and returns how many bytes these are. The number is guessed from some keys and checked on the
/// way, so that each key is looked at once: each look may be a cache miss.
fn take_heads(bytes: &[u8], slots: &mut [Slot], depth: usize, many: bool) -> usize {
    let Some(&first) = slots.first() else { return 0 };
    let guess = shared(bytes, slots.iter().step_by(slots.len().div_ceil(SAMPLE)), depth);
    let first = &key(bytes, &first)[depth..];
    let mut common = guess;
    loop {
        let prefix = &first[..common];
        let take = |slots: &mut [Slot]| {
            let mut common = prefix.len();
            for slots in slots.chunks_mut(AHEAD) {
                touch(bytes, slots, 0);
                touch(bytes, slots, LENGTHS + depth + prefix.len());
                for slot in slots {
                    let rest = &key(bytes, slot)[depth..];
                    common = common_prefix(&prefix[..common], rest);
                    slot.head = head(rest.get(prefix.len()..).unwrap_or(&[]));
                }
            }
            common
        };
        common = match many {
            true => slots.par_chunks_mut(MANY).map(take).min().unwrap_or(0),
            false => take(slots),
        };
        if common == prefix.len() {
            return common;
        }
    }
}

/// How many bytes these keys have in common after the first `depth`.
fn shared<'s>(bytes: &[u8], mut slots: impl Iterator<Item = &'s Slot>, depth: usize) -> usize {
    let Some(first) = slots.next() else { return 0 };
    let first = &key(bytes, first)[depth..];
    let mut shared = first.len();
    for slot in slots {
        shared = common_prefix(&first[..shared], &key(bytes, slot)[depth..]);
        if shared == 0 {
            break;
        }
    }
    shared
}

#[cfg(test)]
mod tests {
    use super::super::entry::lengths;
    use super::*;

    /// Keys that are prefixes of each other, equal, long, zero-filled.
    #[test]
    fn every_kind_of_key_is_sorted() {
        let mut keys: Vec<Vec<u8>> = Vec::new();
        for i in 0..30_000u32 {
            let number = i.wrapping_mul(0x9E37_79B1);
            keys.push(match i % 6 {
                0 => number.to_be_bytes().to_vec(),
                1 => format!("https://www.example.org/{}/{}", number % 7, number % 997).into(),
                2 => vec![b'a'; number as usize % 3000],
                3 => vec![0; number as usize % 20],
                4 => b"equal in all".to_vec(),
                _ => format!("https://www.example.org/{}", "x".repeat(number as usize % 50)).into(),
            });
        }
        check(&keys);
    }

    /// A few keys do not begin as nearly all do, and none of them is looked at for the guess.
    #[test]
    fn wrong_guesses_are_seen() {
        for (count, odd) in [(40, 1), (1_000, 3), (30_000, 7)] {
            let key =
                |i: u32| format!("https://www.example.org/{:05}", i.wrapping_mul(7919) % 99_991);
            let mut keys: Vec<Vec<u8>> = (0..count).map(|i| key(i).into()).collect();
            let step = keys.len().div_ceil(SAMPLE);
            for i in 0..odd {
                let at = (i + 1) * keys.len() / 9 / step * step + 1;
                keys[at] = match i % 3 {
                    0 => b"https://mail.example.org/~~~~~~~~".to_vec(),
                    1 => b"https".to_vec(),
                    _ => b"https://www.example.net/99999".to_vec(),
                };
            }
            check(&keys);
        }
    }

    fn check(keys: &[Vec<u8>]) {
        let (mut bytes, mut slots) = (Vec::new(), Vec::new());
        for key in keys {
            slots.push(Slot { head: 0, at: bytes.len() as u64 });
            bytes.extend_from_slice(&lengths(key.len(), 0));
            bytes.extend_from_slice(key);
        }
        sort(&bytes, &mut slots);
        let mut right: Vec<(&Vec<u8>, usize)> = keys.iter().zip(0..).collect();
        right.sort();
        for (slot, (right, _)) in slots.iter().zip(&right) {
            assert!(key(&bytes, slot) == right.as_slice());
        }
        let stable = slots
            .windows(2)
            .all(|pair| key(&bytes, &pair[0]) < key(&bytes, &pair[1]) || pair[0].at < pair[1].at);
        assert!(stable, "equal keys keep their order");
    }
}
