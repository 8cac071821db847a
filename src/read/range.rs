//! Ranges of keys, as the arguments of queries.

use crate::format::order::successor_len;
use crate::format::types::key::TypedKey;
use std::ops::{
    Bound, Range, RangeBounds, RangeFrom, RangeFull, RangeInclusive, RangeTo, RangeToInclusive,
};

/// A range of keys: `..`, `a..`, `..b`, `a..b`, `a..=b`, `..=b`, a pair of [`Bound`]s, or a
/// reference to one of these, where a key is anything that is [`AsRef<[u8]>`](AsRef).
/// [`Table::range`](crate::Table::range) and [`Table::count`](crate::Table::count) take it. Sealed.
///
/// Rust wants both ends of a range to be of one type, and byte strings of two lengths are of two:
/// `b"a"..b"bc"` does not compile. `"a".."bc"` and `&b"a"[..]..b"bc"` do.
///
/// ```
/// # let dir = tempfile::tempdir()?;
/// # let path = dir.path().join("t");
/// # graven::BuildOptions::new().build(&path, [("a", ""), ("b", ""), ("c", ""), ("d", "")])?;
/// # let table = graven::Table::load(&path)?;
/// use std::ops::Bound::{Excluded, Unbounded};
///
/// assert_eq!(table.count(..)?, 4);
/// assert_eq!(table.count(b"b"..)?, 3);
/// assert_eq!(table.count("b"..="c")?, 2);
/// assert_eq!(table.count(..String::from("c"))?, 2);
/// assert_eq!(table.count((Excluded(b"b"), Unbounded))?, 2);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a range of keys",
    label = "not a range of keys",
    note = "a range of keys is `..`, `a..`, `..b`, `a..b`, `a..=b`, `..=b` or a pair of `Bound`s, \
            where `a` and `b` are strings or bytes of one type"
)]
pub trait KeyRange: sealed::Ends {}

pub(super) mod sealed {
    use std::ops::Bound;

    /// The two ends of a range, as bytes.
    pub trait Ends {
        fn lower(&self) -> Bound<&[u8]>;
        fn upper(&self) -> Bound<&[u8]>;
    }
}

macro_rules! key_range {
    ($($range:ty),*) => {$(
        impl<K: AsRef<[u8]>> sealed::Ends for $range {
            #[inline]
            fn lower(&self) -> Bound<&[u8]> {
                self.start_bound().map(AsRef::as_ref)
            }

            #[inline]
            fn upper(&self) -> Bound<&[u8]> {
                self.end_bound().map(AsRef::as_ref)
            }
        }

        impl<K: AsRef<[u8]>> KeyRange for $range {}
    )*};
}

key_range!(
    Range<K>,
    RangeFrom<K>,
    RangeTo<K>,
    RangeInclusive<K>,
    RangeToInclusive<K>,
    (Bound<K>, Bound<K>)
);

impl sealed::Ends for RangeFull {
    #[inline]
    fn lower(&self) -> Bound<&[u8]> {
        Bound::Unbounded
    }

    #[inline]
    fn upper(&self) -> Bound<&[u8]> {
        Bound::Unbounded
    }
}

impl KeyRange for RangeFull {}

impl<R: KeyRange> sealed::Ends for &R {
    #[inline]
    fn lower(&self) -> Bound<&[u8]> {
        (**self).lower()
    }

    #[inline]
    fn upper(&self) -> Bound<&[u8]> {
        (**self).upper()
    }
}

impl<R: KeyRange> KeyRange for &R {}

/// The bytes of both bounds of a typed range.
pub(crate) fn encoded<K: TypedKey>(
    range: &impl RangeBounds<K>,
) -> (Bound<K::Bytes>, Bound<K::Bytes>) {
    (range.start_bound().map(K::encode), range.end_bound().map(K::encode))
}

/// The end of the keys that start with `prefix`.
pub(crate) fn end_of_prefix(prefix: &[u8]) -> Bound<Vec<u8>> {
    let Some(len) = successor_len(prefix) else { return Bound::Unbounded };
    let mut successor = prefix[..len].to_vec();
    if let Some(last) = successor.last_mut() {
        *last += 1;
    }
    Bound::Excluded(successor)
}

/// A bound as [`KeyRange`] takes it.
pub(crate) fn bound<B: AsRef<[u8]>>(bound: &Bound<B>) -> Bound<&[u8]> {
    bound.as_ref().map(B::as_ref)
}
