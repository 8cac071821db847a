//! What a build may take: memory, threads, disk space. `build` and `shard` share it.

use super::values::{size, threads};
use clap::Args;
use graven::BuildOptions;
use std::path::PathBuf;

// The commands that share these options have texts of their own, so no doc comment stands here: it
// would take their place.
#[derive(Args)]
pub(crate) struct Resources {
    /// Memory for sorting, for example 512M or 512MB (K, M, G or KiB, MiB, GiB: powers of 1024; KB,
    /// MB, GB: of 1000); 1G unless said, or less where this process may have less than 2G
    #[arg(long, value_name = "SIZE", value_parser = size)]
    memory: Option<u64>,
    /// Threads for sorting and indexing; as many as there are processors unless said
    #[arg(long, value_name = "N", value_parser = threads)]
    threads: Option<usize>,
    /// Directory for sorting what exceeds the memory; that of OUT unless said
    #[arg(long, value_name = "D")]
    pub(crate) tmp_dir: Option<PathBuf>,
}

impl Resources {
    /// Sets these options.
    pub(crate) fn set(&self, options: BuildOptions) -> BuildOptions {
        let options = options.memory_budget(self.memory).threads(self.threads);
        match &self.tmp_dir {
            Some(dir) => options.temp_dir(dir),
            None => options,
        }
    }
}
