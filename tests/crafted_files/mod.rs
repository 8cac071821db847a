//! The generator of crafted files: sound tables, their fields, and the values that these take.

mod bases;
mod fields;

pub(crate) use bases::{Base, all};
pub(crate) use fields::{Field, craft, fields, values};
