//! The errors, one type per operation. Each text says what is wrong, where, and what to do; it names
//! the file once, and holds the operating system's answer. So no error returns a `source`: a program
//! that prints the chain of sources would print that answer twice. `Debug` is the text, too, and the
//! name of the variant: a `main` that returns an error prints `Debug`, and the text says what to do.

mod build;
mod io_error;
mod kind;
mod merge;
mod open;
mod publish;
mod read;
mod set;
mod shown;

pub use build::BuildError;
pub use kind::ErrorKind;
pub use merge::MergeError;
pub use open::{OpenError, OpenFailure};
pub use publish::PublishError;
pub(crate) use read::ReadResult;
pub use read::{ReadError, ReadFailure};
pub use set::SetError;
#[cfg(all(unix, feature = "sets"))]
pub(crate) use shown::Shown;
pub(crate) use shown::{Counted, entries};
