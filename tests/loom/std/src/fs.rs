//! Files that are held open and nothing else.

/// An open file.
#[derive(Debug)]
pub struct File;
