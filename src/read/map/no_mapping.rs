//! Systems where graven maps no files. There is no mapping, so none of its methods ever runs.

use super::reading::Reading;
use std::convert::Infallible;
use std::io;
use std::ptr::NonNull;

/// A mapped part of a file, of which there is none.
#[derive(Debug)]
pub(super) struct Mapping(Infallible);

impl Mapping {
    pub(super) fn reading(&self) -> Reading {
        match self.0 {}
    }

    pub(super) fn ask(&self, _: NonNull<u8>, _: usize, _: usize) {
        match self.0 {}
    }

    pub(super) fn keep_index(&mut self, _: NonNull<u8>, _: usize, _: usize) {
        match self.0 {}
    }

    pub(super) fn read_on(&self, _: NonNull<u8>, _: usize, _: usize) {
        match self.0 {}
    }

    pub(super) fn populate(&self, _: NonNull<u8>, _: usize, _: usize) -> io::Result<()> {
        match self.0 {}
    }

    pub(super) fn ask_for_huge_pages(&self, _: NonNull<u8>, _: usize, _: usize) {
        match self.0 {}
    }

    pub(super) fn reading_ahead<T>(&self, _: impl FnOnce() -> T) -> T {
        match self.0 {}
    }
}
