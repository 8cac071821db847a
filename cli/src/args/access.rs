//! How the pages of a table come into memory.

use clap::{Args, ValueEnum};

/// How a table is read, for the commands that read more than a few pages of it.
#[derive(Args, Clone, Copy)]
pub(crate) struct Reading {
    /// How the table is read from the disk
    #[arg(long, value_name = "HOW", value_enum, default_value_t = Access::Auto)]
    access: Access,
}

impl Reading {
    pub(crate) fn access(self) -> graven::AccessPattern {
        match self.access {
            Access::Auto => graven::AccessPattern::Auto,
            Access::Normal => graven::AccessPattern::Normal,
            Access::Random => graven::AccessPattern::Random,
            Access::Sequential => graven::AccessPattern::Sequential,
        }
    }

    /// The option that makes another process of this program read in the same way.
    pub(crate) fn argument(self) -> String {
        let value = self.access.to_possible_value();
        format!("--access={}", value.map_or(String::new(), |value| value.get_name().to_owned()))
    }
}

#[derive(Clone, Copy, ValueEnum)]
enum Access {
    /// By single pages, and windows for scans, if it exceeds the memory; else as normal
    Auto,
    /// The kernel reads ahead as usual
    Normal,
    /// The kernel reads single pages
    Random,
    /// The kernel reads ahead a lot
    Sequential,
}
