//! The order of keys: unsigned bytewise, a prefix before its extensions (order id 0).

/// Length of the longest common prefix.
pub(crate) fn common_prefix(a: &[u8], b: &[u8]) -> usize {
    const STEP: usize = 8;
    let most = a.len().min(b.len());
    let mut at = 0;
    while at + STEP <= most {
        let x = head(&a[at..]) ^ head(&b[at..]);
        if x != 0 {
            return at + (x.leading_zeros() / 8) as usize;
        }
        at += STEP;
    }
    while at < most && a[at] == b[at] {
        at += 1;
    }
    at
}

/// The first eight bytes as a number that orders as they do; shorter strings are filled with
/// zeros, so equal heads decide nothing and unequal heads decide all.
#[inline]
pub(crate) fn head(bytes: &[u8]) -> u64 {
    match bytes.first_chunk() {
        Some(chunk) => u64::from_be_bytes(*chunk),
        None => short_head(bytes),
    }
}

/// The head of fewer than eight bytes: two loads that overlap, the second moved to its place.
#[inline]
fn short_head(bytes: &[u8]) -> u64 {
    let unused = 64 - 8 * bytes.len() as u32;
    if let (Some(first), Some(last)) = (bytes.first_chunk(), bytes.last_chunk()) {
        let last = u64::from(u32::from_be_bytes(*last)) << unused;
        return u64::from(u32::from_be_bytes(*first)) << 32 | last;
    }
    if let (Some(first), Some(last)) = (bytes.first_chunk(), bytes.last_chunk()) {
        let last = u64::from(u16::from_be_bytes(*last)) << unused;
        return u64::from(u16::from_be_bytes(*first)) << 48 | last;
    }
    bytes.first().map_or(0, |&byte| u64::from(byte) << 56)
}

/// Whether two keys are equal: chunks that overlap, compared without a call, since most keys are
/// short. The only branches are on the length, until a key of more than 128 bytes differs.
#[inline(always)]
pub(crate) fn equal(a: &[u8], b: &[u8]) -> bool {
    if b.len() > SHORT { equal_long(a, b) } else { equal_short(a, b) }
}

/// Most bytes that are compared without a call.
const SHORT: usize = 128;

#[inline(always)]
fn equal_long(a: &[u8], b: &[u8]) -> bool {
    let (chunks, others) = (a.as_chunks::<64>().0, b.as_chunks::<64>().0);
    a.len() == b.len()
        && chunks.iter().zip(others).all(|(a, b)| a == b)
        && both_ends_equal::<64>(a, b)
}

/// Whether two keys of at most 128 bytes are equal; false for longer ones.
#[inline(always)]
pub(crate) fn equal_short(a: &[u8], b: &[u8]) -> bool {
    let len = b.len();
    if a.len() != len {
        return false;
    }
    match len {
        8..=16 => both_ends_equal::<8>(a, b),
        17..=32 => both_ends_equal::<16>(a, b),
        33..=64 => both_ends_equal::<32>(a, b),
        65..=128 => match (ends::<64>(a), ends::<64>(b)) {
            // Arrays of 64 bytes would be compared by a call.
            (Some([first, last]), Some([other_first, other_last])) => {
                both_ends_equal::<32>(first, other_first) & both_ends_equal::<32>(last, other_last)
            }
            _ => false,
        },
        0 => true,
        1..=3 => (a[0] == b[0]) & (a[len / 2] == b[len / 2]) & (a[len - 1] == b[len - 1]),
        4..=7 => both_ends_equal::<4>(a, b),
        _ => false,
    }
}

/// Whether the first and the last `N` bytes of two strings are equal; false for shorter ones.
#[inline(always)]
fn both_ends_equal<const N: usize>(a: &[u8], b: &[u8]) -> bool {
    match (ends::<N>(a), ends(b)) {
        (Some([a_first, a_last]), Some([b_first, b_last])) => {
            (a_first == b_first) & (a_last == b_last)
        }
        _ => false,
    }
}

/// The first and the last `N` bytes, which overlap in a string of fewer than `2 * N`.
#[inline(always)]
pub(crate) fn ends<const N: usize>(bytes: &[u8]) -> Option<[&[u8; N]; 2]> {
    // `last_chunk` would leave a panic in some callers, for which they would save registers.
    let last = bytes.get(bytes.len().checked_sub(N)?..)?;
    Some([bytes.first_chunk()?, last.first_chunk()?])
}

/// The length of the smallest key above every key that starts with `prefix`, or `None` where there is
/// no such key (`prefix` is empty or all 0xFF). That key is so much of `prefix`, its last byte one
/// greater.
pub(crate) fn successor_len(prefix: &[u8]) -> Option<usize> {
    prefix.iter().rposition(|&byte| byte != 0xFF).map(|last| last + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_order_as_their_strings() {
        let strings: [&[u8]; 8] =
            [b"", b"\0a", b"a", b"a\x01", b"ab", b"abcdefg", b"abcdefgh", b"b"];
        for pair in strings.windows(2) {
            assert!(head(pair[0]) < head(pair[1]), "{pair:?}");
        }
        assert_eq!(head(b"a"), head(b"a\0\0"), "equal heads decide nothing");
        let long = b"abcdefgh";
        for len in 0..=8 {
            let mut padded = [0; 8];
            padded[..len].copy_from_slice(&long[..len]);
            assert_eq!(head(&long[..len]), u64::from_be_bytes(padded), "{len} bytes");
        }
    }

    #[test]
    fn equality_sees_every_byte() {
        for len in 0..255 {
            let a: Vec<u8> = (0..len).collect();
            assert!(equal(&a, &a.clone()));
            assert_eq!(equal_short(&a, &a.clone()), a.len() <= SHORT);
            for at in 0..a.len() {
                let mut b = a.clone();
                b[at] ^= 1;
                assert!(!equal(&a, &b), "byte {at} of {len}");
            }
            assert!(!equal(&a, &[a.as_slice(), &[0]].concat()));
        }
    }

    #[test]
    fn common_prefixes_of_every_length() {
        for len in 0..40 {
            let a: Vec<u8> = (0..40).collect();
            let mut b = a.clone();
            b[len] ^= 0x80;
            assert_eq!(common_prefix(&a, &b), len);
            assert_eq!(common_prefix(&a[..len], &b), len);
        }
    }
}
