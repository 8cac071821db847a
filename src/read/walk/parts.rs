//! Iteration over the keys or the values of entries.

use super::iter::Iter;
use crate::error::ReadError;
use std::iter::FusedIterator;

macro_rules! projection {
    ($name:ident, $part:tt, $doc:expr) => {
        #[doc = $doc]
        #[must_use = "iterators do nothing unless they are consumed"]
        #[derive(Clone, Debug)]
        pub struct $name<'t>(pub(crate) Iter<'t>);

        impl<'t> Iterator for $name<'t> {
            type Item = Result<&'t [u8], ReadError>;

            #[inline]
            fn next(&mut self) -> Option<Self::Item> {
                Some(self.0.next()?.map(|entry| entry.$part))
            }

            fn size_hint(&self) -> (usize, Option<usize>) {
                self.0.size_hint()
            }

            fn count(self) -> usize {
                self.0.count()
            }

            fn last(self) -> Option<Self::Item> {
                Some(self.0.last()?.map(|entry| entry.$part))
            }

            fn nth(&mut self, n: usize) -> Option<Self::Item> {
                Some(self.0.nth(n)?.map(|entry| entry.$part))
            }
        }

        impl DoubleEndedIterator for $name<'_> {
            fn next_back(&mut self) -> Option<Self::Item> {
                Some(self.0.next_back()?.map(|entry| entry.$part))
            }

            fn nth_back(&mut self, n: usize) -> Option<Self::Item> {
                Some(self.0.nth_back(n)?.map(|entry| entry.$part))
            }
        }

        impl ExactSizeIterator for $name<'_> {}
        impl FusedIterator for $name<'_> {}
    };
}

projection!(Keys, 0, "The keys of entries, ascending. See [`Table::keys`](crate::Table::keys).");
projection!(
    Values,
    1,
    "The values of entries, in the order of their keys. See [`Table::values`](crate::Table::values)."
);
