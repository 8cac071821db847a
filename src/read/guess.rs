//! What an optimistic lookup comes to, and what a cell of an index says on the way.

use std::hint::black_box;
use std::ptr;

/// What an optimistic lookup comes to: an answer, or [`UNDECIDED`](Self::UNDECIDED). It fits two
/// registers, and its caller makes one comparison and no conversion.
#[derive(Clone, Copy)]
pub(crate) struct Guess<'t>(Option<&'t [u8]>);

/// The address of this value means "undecided". No value of a table has this address.
static UNDECIDED: [u8; 1] = [0];

impl<'t> Guess<'t> {
    /// The key is absent, by checked pages.
    pub(crate) const ABSENT: Self = Self(None);
    /// The lookup must be done another way.
    pub(crate) const UNDECIDED: Self = Self(Some(&UNDECIDED));

    /// The key has this value, by checked pages.
    #[inline(always)]
    pub(crate) const fn value(value: &'t [u8]) -> Self {
        Self(Some(value))
    }

    /// [`Self::UNDECIDED`], for the end of a lookup. `black_box` keeps the compiler from preparing
    /// this value before every branch, which would spill registers, and from turning the branch
    /// into a conditional move, with which a reader of the value would wait for the comparison of
    /// the keys.
    #[inline(always)]
    pub(crate) fn undecided() -> Self {
        Self(Some(black_box(&UNDECIDED)))
    }

    #[inline(always)]
    pub(crate) fn is_undecided(self) -> bool {
        self.0.is_some_and(|value| ptr::eq(value.as_ptr(), UNDECIDED.as_ptr()))
    }

    /// What a decided lookup returns.
    #[inline(always)]
    pub(crate) fn answer(self) -> Option<&'t [u8]> {
        self.0
    }
}

/// What a line says about a tag.
#[derive(Clone, Copy)]
pub(crate) enum LineAnswer {
    /// The rank of the first key with the tag.
    Rank(u64),
    /// No key has the tag.
    Absent,
    Undecided,
}

/// What a bucket says about a hash: the reference of a slot, or one of two sentinels. As
/// references, both sentinels would lie beyond the end of any table.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Candidate(usize);

impl Candidate {
    /// No slot has the tag of the hash, and no key of its overflow number was sent on to a second
    /// bucket.
    pub(crate) const ABSENT: Self = Self(usize::MAX / 2);
    /// No slot has the tag, but the second bucket may; or slots of this width are not looked at.
    pub(crate) const SENT_ON: Self = Self(Self::ABSENT.0 - 1);

    #[inline(always)]
    pub(crate) fn new(reference: usize) -> Self {
        Self(reference)
    }

    /// The reference, or the number of the sentinel, which lies beyond the end of any table.
    #[inline(always)]
    pub(crate) fn number(self) -> usize {
        self.0
    }

    /// What the slot refers to, a rank or an offset, unless this is a sentinel.
    #[inline(always)]
    pub(crate) fn reference(self) -> Option<usize> {
        (self.0 < Self::SENT_ON.0).then_some(self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A value is known by its address: its bytes may be any.
    #[test]
    fn an_answer_is_not_undecided() {
        assert!(Guess::UNDECIDED.is_undecided() && Guess::undecided().is_undecided());
        assert!(!Guess::ABSENT.is_undecided());
        assert_eq!(Guess::ABSENT.answer(), None);
        for value in [UNDECIDED.to_vec(), Vec::new()] {
            let guess = Guess::value(&value);
            assert!(!guess.is_undecided(), "{value:?}");
            assert_eq!(guess.answer(), Some(&value[..]));
        }
    }

    #[test]
    fn sentinels_refer_to_nothing() {
        for reference in [0, 1, 2, 1 << 30, Candidate::SENT_ON.number() - 1] {
            let candidate = Candidate::new(reference);
            assert_eq!(candidate.number(), reference);
            assert_eq!(candidate.reference(), Some(reference));
        }
        assert!(Candidate::SENT_ON != Candidate::ABSENT);
        for sentinel in [Candidate::SENT_ON, Candidate::ABSENT] {
            // No table has so many bytes.
            assert!(sentinel.number() >= isize::MAX as usize - 1);
            assert_eq!(sentinel.reference(), None);
        }
    }
}
