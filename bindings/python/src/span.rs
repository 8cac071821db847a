//! Entries between two ends, of a table or of a set, as a `Range` of Python has them: counted, cut
//! by places, and walked.

use crate::errors;
use crate::opened_set::{Entry, OpenedSet, SetWalk};
use crate::packed::{PackedSpan, PackedWalk};
use graven::{IntoIter, Partition, SetError};
use pyo3::prelude::*;
use std::ops::{Bound as End, Range};
use std::sync::OnceLock;

/// Two ends, owned.
pub(crate) type Ends = (End<Vec<u8>>, End<Vec<u8>>);

/// The entries of all keys that start with `prefix`.
pub(crate) fn prefix_ends(prefix: &[u8]) -> Ends {
    let mut above = prefix.to_vec();
    while above.pop_if(|last| *last == u8::MAX).is_some() {}
    let upper = match above.last_mut() {
        Some(last) => {
            *last += 1;
            End::Excluded(above)
        }
        None => End::Unbounded,
    };
    (End::Included(prefix.to_vec()), upper)
}

/// Entries between two ends.
#[derive(Clone)]
pub(crate) enum Span {
    Table(IntoIter),
    Packed(PackedSpan),
    Set(SetSpan),
}

impl Span {
    /// The entries of a set. `waits` if shards are read as a whole when they are mapped.
    pub(crate) fn of_set(set: OpenedSet, ends: Ends, waits: bool) -> Self {
        Self::Set(SetSpan { set, ends, part: None, counted: OnceLock::new(), waits })
    }

    /// Number of entries.
    pub(crate) fn len(&self, py: Python<'_>) -> PyResult<usize> {
        match self {
            Self::Table(all) => Ok(all.len()),
            Self::Packed(span) => Ok(usize::try_from(span.len().map_err(errors::read)?)?),
            Self::Set(span) => {
                let len = py.detach(|| span.len()).map_err(errors::set)?;
                Ok(usize::try_from(len)?)
            }
        }
    }

    /// The entries at these places of `len`.
    pub(crate) fn cut(&self, places: Range<usize>, len: usize) -> PyResult<Self> {
        match self {
            Self::Table(all) => {
                let mut all = all.clone();
                if places.start > 0 {
                    all.nth(places.start - 1).transpose().map_err(errors::read)?;
                }
                if places.end < len {
                    all.nth_back(len - places.end - 1).transpose().map_err(errors::read)?;
                }
                Ok(Self::Table(all))
            }
            Self::Packed(span) => span.cut(places).map(Self::Packed).map_err(errors::read),
            Self::Set(span) => Ok(Self::Set(span.cut(places))),
        }
    }

    /// The entry at a place of `len`, in the order of keys.
    pub(crate) fn at<T>(
        &self,
        py: Python<'_>,
        place: usize,
        len: usize,
        then: impl FnOnce(&[u8], &[u8]) -> T,
    ) -> PyResult<Option<T>> {
        // A walk to the place starts at the end that is nearer.
        let reverse = place > len / 2;
        let mut walk = match self {
            Self::Table(all) => {
                let entry = all.clone().nth(place).transpose().map_err(errors::read)?;
                return Ok(entry.map(|(key, value)| then(&key, &value)));
            }
            Self::Packed(span) => return span.at(place, then).map_err(errors::read),
            Self::Set(span) => Self::Set(span.cut(place..place + 1)).walk(py, reverse)?,
        };
        walk.step(then).transpose().map_err(errors::set)
    }

    /// A walk over the entries, while Python runs on until it has begun.
    pub(crate) fn walk(&self, py: Python<'_>, reverse: bool) -> PyResult<Walk> {
        match self {
            Self::Table(_) | Self::Packed(_) => self.start(reverse),
            Self::Set(_) => py.detach(|| self.start(reverse)),
        }
        .map_err(errors::set)
    }

    /// A walk over the entries.
    pub(crate) fn start(&self, reverse: bool) -> Result<Walk, SetError> {
        let steps = match self {
            Self::Table(all) => Steps::Table(all.clone()),
            Self::Packed(span) => Steps::Packed(span.walk(reverse)?),
            Self::Set(span) => span.steps(reverse)?,
        };
        Ok(Walk { steps, reverse })
    }
}

/// Entries of a set.
#[derive(Clone)]
pub(crate) struct SetSpan {
    set: OpenedSet,
    ends: Ends,
    /// The places of those that are meant, among the entries between the ends. `None` for all.
    part: Option<Range<u64>>,
    /// How many entries are between the ends, once they were counted.
    counted: OnceLock<u64>,
    waits: bool,
}

impl SetSpan {
    fn len(&self) -> Result<u64, SetError> {
        match &self.part {
            Some(part) => Ok(part.end - part.start),
            None => self.between_ends(),
        }
    }

    fn between_ends(&self) -> Result<u64, SetError> {
        if let Some(counted) = self.counted.get() {
            return Ok(*counted);
        }
        let counted = self.set.count(&self.ends)?;
        Ok(*self.counted.get_or_init(|| counted))
    }

    fn cut(&self, places: Range<usize>) -> Self {
        let first = self.part.as_ref().map_or(0, |part| part.start);
        let place = |place: usize| first + place as u64;
        Self { part: Some(place(places.start)..place(places.end)), ..self.clone() }
    }

    fn steps(&self, reverse: bool) -> Result<Steps, SetError> {
        let Some(part) = &self.part else {
            let all = self.ends == (End::Unbounded, End::Unbounded);
            let left = if all { Some(self.set.len()) } else { self.counted.get().copied() };
            return Ok(self.steps_of(self.set.range(&self.ends), left));
        };
        let left = Some(part.end - part.start);
        if part.is_empty() {
            return Ok(self.steps_of(self.set.range(&self.ends), left));
        }
        let (ends, skipped) = match self.set.manifest().partition {
            Partition::Range => self.near(part, reverse)?,
            // Nothing finds an entry of hash shards by its rank.
            _ if reverse => (self.ends.clone(), self.between_ends()? - part.end),
            _ => (self.ends.clone(), part.start),
        };
        let mut walk = self.set.range(&ends);
        let skip = |walk: &mut SetWalk, last| match reverse {
            false => walk.nth(last),
            true => walk.nth_back(last),
        };
        if let Some(last) = skipped.checked_sub(1) {
            skip(&mut walk, usize::try_from(last).unwrap_or(usize::MAX)).transpose()?;
        }
        Ok(self.steps_of(walk, left))
    }

    fn steps_of(&self, walk: SetWalk, left: Option<u64>) -> Steps {
        Steps::Set { walk, left, waits: self.waits, fetched: None }
    }

    /// Of range shards: ends between which a walk starts at the key that the first step is to give,
    /// and how many entries of that key it has to pass.
    fn near(&self, part: &Range<u64>, reverse: bool) -> Result<(Ends, u64), SetError> {
        let before = match &self.ends.0 {
            End::Unbounded => 0,
            End::Included(key) => self.set.rank(key)?,
            End::Excluded(key) => self.set.count(..=key)?,
        };
        let place = if reverse { part.end - 1 } else { part.start };
        let Some((key, _)) = self.set.nth(before + place)? else {
            return Ok((self.ends.clone(), 0));
        };
        let (lower, upper) = self.ends.clone();
        if reverse {
            let passed = self.set.count(..=&key[..])?.saturating_sub(before + part.end);
            return Ok(((lower, End::Included(key.to_vec())), passed));
        }
        let passed = (before + place).saturating_sub(self.set.rank(&key)?);
        Ok(((End::Included(key.to_vec()), upper), passed))
    }
}

/// A walk in one direction.
pub(crate) struct Walk {
    steps: Steps,
    reverse: bool,
}

enum Steps {
    Table(IntoIter),
    Packed(PackedWalk),
    Set {
        walk: SetWalk,
        /// Entries that are left, where it is known.
        left: Option<u64>,
        waits: bool,
        /// What the walk gave that was not handed on yet.
        fetched: Option<Option<SetEntry>>,
    },
}

type SetEntry = Result<Entry, SetError>;

impl Walk {
    /// Whether [`fetch`](Self::fetch) should be called before a step, with the interpreter released.
    pub(crate) fn waits(&self) -> bool {
        matches!(&self.steps, Steps::Set { waits: true, left, .. } if *left != Some(0))
    }

    /// Maps what the next step needs.
    pub(crate) fn fetch(&mut self) {
        if let Steps::Set { walk, fetched, .. } = &mut self.steps {
            fetched.get_or_insert_with(|| next(walk, self.reverse));
        }
    }

    /// Hands the next entry to `then`.
    #[inline]
    pub(crate) fn step<T>(
        &mut self,
        then: impl FnOnce(&[u8], &[u8]) -> T,
    ) -> Option<Result<T, SetError>> {
        match &mut self.steps {
            Steps::Table(walk) => {
                let entry = match self.reverse {
                    false => walk.lend_next(),
                    true => walk.lend_next_back(),
                };
                let entry = entry?.map_err(SetError::Read);
                Some(entry.map(|(key, value)| then(key, value)))
            }
            Steps::Packed(walk) => Some(walk.step(self.reverse, then)?.map_err(SetError::Read)),
            Steps::Set { walk, left, fetched, .. } => {
                if let Some(left) = left {
                    *left = left.checked_sub(1)?;
                }
                let entry = fetched.take().unwrap_or_else(|| next(walk, self.reverse));
                Some(entry?.map(|(key, value)| then(&key, &value)))
            }
        }
    }

    /// How many entries are left, 0 where it is not known.
    pub(crate) fn left(&self) -> usize {
        match &self.steps {
            Steps::Table(walk) => walk.len(),
            Steps::Packed(walk) => walk.left(),
            Steps::Set { left, .. } => left.unwrap_or(0).try_into().unwrap_or(usize::MAX),
        }
    }
}

fn next(walk: &mut SetWalk, reverse: bool) -> Option<SetEntry> {
    match reverse {
        false => walk.next(),
        true => walk.next_back(),
    }
}
