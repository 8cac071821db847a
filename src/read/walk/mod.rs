//! Walks in the order of keys: iteration from both ends, the cursor, and all values of a key.

mod backward;
mod cursor;
mod iter;
mod values;

pub use cursor::Cursor;
pub use iter::{Iter, Keys, Values};
pub use values::GetAll;
