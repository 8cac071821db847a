//! Reports of how far an audit is.

use crate::error::ReadResult;

/// How far an audit is, in bytes of records. [`Table::verify_with`](crate::Table::verify_with)
/// reports it.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VerifyProgress {
    /// Bytes that were audited.
    pub done: u64,
    /// Bytes that the audit has to do. The records count once for each time that they are read.
    pub total: u64,
}

/// Is told how far an audit is. An error ends the audit.
pub(super) type Callback<'c> = dyn Fn(VerifyProgress) -> ReadResult<()> + Sync + 'c;
