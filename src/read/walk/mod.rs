//! Walks in the order of keys: iteration from both ends, the cursor, all values of a key, the
//! stored prefixes of a key, distinct keys.

mod backward;
mod counts;
mod cursor;
mod iter;
mod lockstep;
mod parts;
mod paused;
mod prefix;
mod prefixes;
mod state;
#[cfg(test)]
mod tables;
mod values;
mod windows;

pub use counts::KeyCounts;
pub use cursor::Cursor;
pub use iter::Iter;
#[cfg(unix)]
pub(crate) use lockstep::Lockstep;
pub use parts::{Keys, Values};
pub(crate) use paused::Paused;
pub(crate) use prefix::LongestPrefix;
pub use prefixes::PrefixesOf;
pub use values::GetAll;
