//! How much of an input is held in memory. The fuzz target `parsers` has small numbers in the place of
//! this file, so that short inputs reach what long ones do.

/// Bytes asked for in one read.
pub(crate) const PIECE: usize = 1 << 20;
/// A line, or the value of a raw entry, of more bytes than this is handed on in pieces. It is longer
/// than the longest key with every byte escaped.
pub(crate) const LONG: usize = 1 << 20;
/// Longest key of a table.
pub(crate) const MAX_KEY: usize = 65_535;
