//! What the stages of many lookups hand on: each key with its table and with what the stages have found
//! out about it.

use super::super::guess::{Candidate, Guess};
use super::super::simd::{CACHE_LINE, Simd};
use super::super::view::View;
use super::kernels::Searched;
use super::optimistic::Optimistic;
use super::shape::{Checks, Kind, Shape};

/// A key on its way through the stages.
#[derive(Clone, Copy)]
pub(super) struct InFlight<'t, 'k> {
    #[cfg_attr(
        not(feature = "sets"),
        expect(dead_code, reason = "read where keys ask several tables")
    )]
    table: &'t Searched,
    pub(super) key: &'k [u8],
    /// The hash of the key; the number of its line.
    pub(super) hash: u64,
    /// The tag in the line.
    pub(super) tag: u16,
    /// Whether the first bucket has sent the key on to the second.
    pub(super) goes_on: bool,
    /// What the last bucket or the line says.
    pub(super) candidate: Candidate,
    pub(super) answer: Option<&'t [u8]>,
}

// One cache line.
#[cfg(target_pointer_width = "64")]
const _: () = assert!(size_of::<InFlight>() == CACHE_LINE);

impl<'t, 'k> InFlight<'t, 'k> {
    /// A place in which no key is yet. The candidate is of no meaning before the stages write it.
    #[inline(always)]
    pub(super) fn empty(table: &'t Searched) -> Self {
        let candidate = Candidate::new(0);
        Self { table, key: &[], hash: 0, tag: 0, goes_on: false, candidate, answer: None }
    }

    /// The answer of a key that has been through both buckets.
    #[inline(always)]
    pub(super) fn guess<S: Shape, I: Simd, C: Checks>(
        &self,
        lookup: Optimistic<'t, I, C>,
    ) -> Guess<'t> {
        let Self { hash, candidate, key, .. } = *self;
        match self.goes_on {
            false => lookup.with_candidate::<S>(hash, candidate, key),
            true => lookup.baseline().with_second_candidate::<S>(hash, candidate, key),
        }
    }
}

/// The tables that a batch asks.
pub(super) trait Tables<'t>: Copy {
    /// The kind of all these tables.
    fn kind(self) -> Kind;
    /// Puts a key into a place. What the stages note there they write before they read it.
    fn put<'k>(self, place: &mut InFlight<'t, 'k>, table: &'t Searched, key: &'k [u8]);
    /// The table of a key.
    fn table(self, place: &InFlight<'t, '_>) -> &'t Searched;
    /// Whether the answer is yes for the table of each of these places.
    #[inline(always)]
    fn all<'p, 'k: 'p>(
        self,
        places: impl IntoIterator<Item = &'p InFlight<'t, 'k>>,
        question: impl Fn(&View) -> bool,
    ) -> bool
    where
        't: 'p,
    {
        places.into_iter().all(|place| question(&self.table(place).view))
    }

    /// Whether every lookup page of these tables was checked.
    #[inline(always)]
    fn all_checked<'p, 'k: 'p>(self, places: impl IntoIterator<Item = &'p InFlight<'t, 'k>>) -> bool
    where
        't: 'p,
    {
        self.all(places, |view| view.pages().lookups_checked())
    }

    /// Whether everything that lookups have read in these tables was the files'.
    #[inline(always)]
    fn nothing_lost<'p, 'k: 'p>(
        self,
        places: impl IntoIterator<Item = &'p InFlight<'t, 'k>>,
    ) -> bool
    where
        't: 'p,
    {
        self.all(places, |view| view.memory().nothing_lost())
    }
}

/// One table, which all keys ask.
#[derive(Clone, Copy)]
pub(super) struct Single<'t>(pub(super) &'t Searched);

impl<'t> Tables<'t> for Single<'t> {
    fn kind(self) -> Kind {
        self.0.lookups.kind()
    }

    #[inline(always)]
    fn put<'k>(self, place: &mut InFlight<'t, 'k>, _: &'t Searched, key: &'k [u8]) {
        place.key = key;
    }

    #[inline(always)]
    fn table(self, _: &InFlight<'t, '_>) -> &'t Searched {
        self.0
    }

    #[inline(always)]
    fn all<'p, 'k: 'p>(
        self,
        _: impl IntoIterator<Item = &'p InFlight<'t, 'k>>,
        question: impl Fn(&View) -> bool,
    ) -> bool
    where
        't: 'p,
    {
        question(&self.0.view)
    }
}

/// Tables of one kind, such as the shards of a set: each key names its own.
#[cfg(feature = "sets")]
#[derive(Clone, Copy)]
pub(super) struct Several(Kind);

#[cfg(feature = "sets")]
impl Several {
    /// `None` if the tables are of several kinds, or if there is none.
    pub(super) fn of<'t>(tables: impl Iterator<Item = &'t Searched> + Clone) -> Option<Self> {
        let mut kinds = tables.map(|table| table.lookups.kind());
        let first = kinds.next()?;
        // Nearly always all are equal, and to find that out takes less than to fold.
        let common = match kinds.clone().all(|kind| kind == first) {
            true => Some(first),
            false => kinds.try_fold(first, Kind::common),
        };
        common.map(Self)
    }
}

#[cfg(feature = "sets")]
impl<'t> Tables<'t> for Several {
    fn kind(self) -> Kind {
        self.0
    }

    #[inline(always)]
    fn put<'k>(self, place: &mut InFlight<'t, 'k>, table: &'t Searched, key: &'k [u8]) {
        (place.table, place.key) = (table, key);
    }

    #[inline(always)]
    fn table(self, place: &InFlight<'t, '_>) -> &'t Searched {
        place.table
    }
}

#[cfg(test)]
mod tests {
    use super::super::crafted::Crafted;
    use super::*;
    use crate::PageChecks;
    #[cfg(feature = "sets")]
    use crate::{BuildOptions, Table};

    #[test]
    fn one_table_answers_for_all_places() {
        let crafted = Crafted::of(true);
        for (checks, checked) in [(PageChecks::FirstTouch, false), (PageChecks::AtOpen, true)] {
            let table = crafted.open(checks);
            let single = Single(table.searched());
            let places = [InFlight::empty(table.searched()); 2];
            assert_eq!(single.all_checked(&places), checked);
            assert!(single.nothing_lost(&places));
        }
    }

    #[cfg(feature = "sets")]
    #[test]
    fn each_place_is_asked_for_its_own_table() {
        let crafted = Crafted::of(true);
        let tables =
            [PageChecks::AtOpen, PageChecks::FirstTouch].map(|checks| crafted.open(checks));
        let several = Several::of(tables.iter().map(Table::searched)).unwrap();
        let [checked, unchecked] = tables.each_ref().map(|table| InFlight::empty(table.searched()));
        assert!(several.all_checked(&[checked, checked]));
        assert!(!several.all_checked(&[checked, unchecked, checked]));
        assert!(several.nothing_lost(&[checked, unchecked]));
    }

    /// Lookups by the line index are alike whatever the length of keys; all others must be of one kind.
    #[cfg(feature = "sets")]
    #[test]
    fn tables_of_like_kinds_go_together() {
        let lines = |key_len: usize| {
            let key = |i: u64| [&i.to_be_bytes()[..], &[0; 8]].concat()[..key_len].to_vec();
            let entries = (0..1000).map(|i| (key(i), "value"));
            Crafted::build(&BuildOptions::new(), entries).open(PageChecks::Never)
        };
        let hashed = |fixed| Crafted::of(fixed).open(PageChecks::Never);
        let ([eight, sixteen], [fixed, other]) = ([8, 16].map(lines), [true, false].map(hashed));
        let kind = |tables: &[&Table]| {
            Several::of(tables.iter().map(|table| table.searched())).map(|several| several.kind())
        };
        assert!(kind(&[&eight, &eight, &eight]) == Some(Kind::Lines8));
        assert!(kind(&[&eight, &sixteen]) == Some(Kind::Lines));
        assert!(kind(&[&fixed, &fixed]) == Some(Kind::Fixed));
        assert!(kind(&[&eight, &fixed]).is_none());
        assert!(kind(&[&fixed, &fixed, &other]).is_none());
        assert!(kind(&[]).is_none());
    }
}
