//! What an optimistic lookup comes to.

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
