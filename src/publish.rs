//! Finished tables to where readers look for them: one under a name, or a line of versions in a
//! directory.

mod copy;
mod filling;
mod guard;
mod version;
mod versions;

pub use copy::{PublishOptions, PublishSummary};
pub use version::Version;
pub use versions::{NewVersion, Versions};
