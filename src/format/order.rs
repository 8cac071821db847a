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
        None => {
            let mut chunk = [0; 8];
            chunk[..bytes.len()].copy_from_slice(bytes);
            u64::from_be_bytes(chunk)
        }
    }
}

/// Whether two keys are equal: overlapping words instead of a call, since most keys are short.
#[inline]
pub(crate) fn equal(a: &[u8], b: &[u8]) -> bool {
    let len = a.len();
    if len != b.len() {
        return false;
    }
    if len >= 8 {
        if len <= 16 {
            let differ = (word(a, 0) ^ word(b, 0)) | (word(a, len - 8) ^ word(b, len - 8));
            return differ == 0;
        }
        return a == b;
    }
    if len >= 4 {
        let half = |bytes: &[u8], at| super::u32_at(bytes, at).unwrap_or(0);
        let differ = (half(a, 0) ^ half(b, 0)) | (half(a, len - 4) ^ half(b, len - 4));
        return differ == 0;
    }
    a.iter().zip(b).all(|(x, y)| x == y)
}

#[inline]
fn word(bytes: &[u8], at: usize) -> u64 {
    super::u64_at(bytes, at).unwrap_or(0)
}

/// The smallest key above every key that starts with `prefix`, written over `prefix`; returns its
/// length, or `None` where there is no such key (`prefix` is empty or all 0xFF).
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
    }

    #[test]
    fn equality_sees_every_byte() {
        for len in 0..70 {
            let a: Vec<u8> = (0..len).collect();
            assert!(equal(&a, &a.clone()));
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
