//! Finished tables to where readers look for them: one under a name, or a line of versions in a
//! directory.

mod content;
mod copy;
mod filling;
mod guard;
#[cfg(feature = "sets")]
mod new_set;
#[cfg(feature = "sets")]
mod staging;
mod version;
mod versions;

pub use copy::{PublishOptions, PublishSummary};
#[cfg(feature = "sets")]
pub(crate) use new_set::NewSet;
#[cfg(feature = "sets")]
pub use new_set::ReceivedSet;
#[cfg(feature = "sets")]
pub(crate) use staging::Staging;
pub use version::Version;
pub use versions::{NewVersion, Versions};
