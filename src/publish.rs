//! Finished tables to where readers look for them: one under a name, or a line of versions in a
//! directory.

mod copy;
mod filling;
mod guard;
mod versions;

pub use copy::{PublishOptions, PublishSummary};
pub use versions::{NewVersion, Version, Versions};
