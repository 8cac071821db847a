//! What merges and comparisons of tables must give.

use super::generate::{key_kind, value_kind};
use super::{Entry, Model, scaled};
use graven::{Difference, MergePolicy};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use std::collections::BTreeMap;

pub(crate) const POLICIES: [MergePolicy; 5] = [
    MergePolicy::Reject,
    MergePolicy::KeepFirst,
    MergePolicy::KeepLast,
    MergePolicy::KeepAll,
    MergePolicy::Concat,
];

pub(crate) fn run<T: std::fmt::Debug>(
    cases: u32,
    strategy: impl Strategy<Value = T>,
    check: impl Fn(T),
) {
    let config = Config { cases: scaled(cases), failure_persistence: None, ..Config::default() };
    let result = TestRunner::new(config).run(&strategy, |case| {
        check(case);
        Ok(())
    });
    if let Err(failure) = result {
        panic!("{failure}");
    }
}

/// Several lists of entries with keys of one kind, so that they share some.
pub(crate) fn lists(
    tables: std::ops::Range<usize>,
    entries: std::ops::Range<usize>,
) -> impl Strategy<Value = Vec<Vec<Entry>>> {
    (key_kind(), value_kind())
        .prop_flat_map(move |(key, value)| vec(vec((key, value), entries.clone()), tables.clone()))
}

/// What a merge must give; `None` where a key is repeated and that is an error.
pub(crate) fn merged(lists: &[Vec<Entry>], policy: MergePolicy) -> Option<Vec<Entry>> {
    let mut all: BTreeMap<&[u8], Vec<&[u8]>> = BTreeMap::new();
    for (key, value) in lists.iter().flatten() {
        all.entry(key).or_default().push(value);
    }
    let mut out = Vec::new();
    for (key, values) in all {
        let values = match policy {
            MergePolicy::Reject if values.len() > 1 => return None,
            MergePolicy::KeepFirst => vec![values[0].to_vec()],
            MergePolicy::KeepLast => vec![values[values.len() - 1].to_vec()],
            MergePolicy::Concat => vec![values.concat()],
            _ => values.iter().map(|value| value.to_vec()).collect(),
        };
        out.extend(values.into_iter().map(|value| (key.to_vec(), value)));
    }
    Some(out)
}

/// What a diff must give: values of a key are compared by their place.
pub(crate) fn differences<'m>(old: &'m Model, new: &'m Model) -> Vec<Difference<'m>> {
    let mut keys: Vec<&Vec<u8>> = old.map.keys().chain(new.map.keys()).collect();
    keys.sort();
    keys.dedup();
    let mut out = Vec::new();
    for key in keys {
        let values = |model: &'m Model| model.map.get(key).map_or(&[][..], |values| &values[..]);
        let (olds, news) = (values(old), values(new));
        for i in 0..olds.len().max(news.len()) {
            out.extend(match (olds.get(i), news.get(i)) {
                (Some(old), Some(new)) if old == new => None,
                (Some(old), Some(new)) => Some(Difference::Changed { key, old, new }),
                (Some(value), None) => Some(Difference::Removed { key, value }),
                (None, Some(value)) => Some(Difference::Added { key, value }),
                (None, None) => None,
            });
        }
    }
    out
}
