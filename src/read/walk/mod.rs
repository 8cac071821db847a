//! Walks in the order of keys: iteration from both ends, the cursor, all values of a key, and the longest
//! stored prefix of a key.

mod backward;
mod cursor;
mod iter;
mod paused;
mod prefix;
mod values;
mod windows;

pub use cursor::Cursor;
pub use iter::{Iter, Keys, Values};
pub(crate) use paused::Paused;
pub(crate) use prefix::LongestPrefix;
pub use values::GetAll;
