//! All values of one key.

use super::advice::Windows;
use super::careful::Found;
use super::table::Inner;
use crate::error::{ReadError, ReadResult};
use crate::format::order::equal;
use std::iter::FusedIterator;

/// All values of one key, in the order of their insertion. After an error it is over.
pub struct GetAll<'t> {
    inner: &'t Inner,
    state: State<'t>,
    /// What was asked for, where the table exceeds the memory.
    windows: Windows,
}

enum State<'t> {
    /// This record holds the key; its value comes next.
    At(&'t [u8], Found),
    Failed(ReadError),
    Over,
}

impl<'t> GetAll<'t> {
    pub(super) fn new(inner: &'t Inner, key: &[u8]) -> Self {
        let first = inner.locate(key).and_then(|found| match found {
            Some(found) => Ok(Some((inner.slice(found.parts.key())?, found))),
            None => Ok(None),
        });
        let state = match first {
            Ok(Some((key, found))) => State::At(key, found),
            Ok(None) => State::Over,
            Err(error) => State::Failed(error),
        };
        Self { inner, state, windows: Windows::START }
    }

    /// The value of `found`, and the record after it if it holds the same key.
    fn step(&mut self, key: &'t [u8], found: Found) -> ReadResult<(&'t [u8], State<'t>)> {
        let (_, value) = self.inner.entry(&found.parts)?;
        if !self.inner.layout.repeated_keys {
            return Ok((value, State::Over));
        }
        let offset = self.inner.after(found.offset, &found.parts);
        if offset >= self.inner.layout.records.end {
            return Ok((value, State::Over));
        }
        if self.inner.windows {
            self.windows.forward(&self.inner.bytes, offset, self.inner.layout.records.end);
        }
        let parts = self.inner.parts_at(offset)?;
        let same = equal(self.inner.slice(parts.key())?, key);
        Ok((value, if same { State::At(key, Found { offset, parts }) } else { State::Over }))
    }
}

impl<'t> Iterator for GetAll<'t> {
    type Item = Result<&'t [u8], ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        match std::mem::replace(&mut self.state, State::Over) {
            State::Over => None,
            State::Failed(error) => Some(Err(error)),
            State::At(key, found) => match self.step(key, found) {
                Ok((value, state)) => {
                    self.state = state;
                    Some(Ok(value))
                }
                Err(error) => Some(self.inner.sound(Err(error))),
            },
        }
    }
}

impl FusedIterator for GetAll<'_> {}
