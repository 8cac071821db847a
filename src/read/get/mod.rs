//! Point lookups. The optimistic path reads first and asks at the end whether the pages that it
//! read were checked; where it comes to no answer, the checked path checks each page before it
//! reads, and says what is wrong with the table.

mod by_line;
mod by_order;
mod checked;
#[cfg(test)]
mod crafted;
mod decoded;
mod in_flight;
mod kernels;
mod many;
mod optimistic;
#[cfg(test)]
mod samples;
mod shape;
#[cfg(test)]
mod slots_tests;
mod stages;
mod thorough;

pub(crate) use checked::Checked;
pub(crate) use decoded::Decoded;
pub(crate) use kernels::{Lookups, Searched};
pub(crate) use many::get_many;
#[cfg(feature = "sets")]
pub(crate) use many::get_many_among;
