//! The command line; its verbs come with the next commits.
fn main() {}
