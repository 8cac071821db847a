//! The module `graven._graven`: Python's face of the library `graven`.

mod arrow;
mod arrow_out;
mod builder;
mod building;
mod columns;
mod combine;
mod errors;
mod filling;
mod found;
mod handle;
mod jobs;
mod keys;
mod live;
mod live_set;
mod manifest;
mod many;
mod opened;
mod opened_set;
mod options;
mod ordered;
mod packed;
mod range;
mod set;
mod set_builder;
mod set_building;
mod set_queries;
mod span;
mod store;
mod table;
mod versions;
mod view;
mod wait;
mod whole;

use pyo3::prelude::*;

#[cfg(not(unix))]
compile_error!("graven for Python maps files and builds tables, which needs a Unix system");

/// The compiled part of graven; import graven instead.
#[pymodule(gil_used = false)]
mod _graven {
    #[pymodule_export]
    #[expect(non_upper_case_globals, reason = "the name that Python has for it")]
    const __version__: &str = env!("CARGO_PKG_VERSION");
    #[pymodule_export]
    use super::arrow::build_arrow;
    #[pymodule_export]
    use super::arrow_out::{ArrowData, ArrowScan, lookup_arrow};
    #[pymodule_export]
    use super::builder::{Builder, build};
    #[pymodule_export]
    use super::building::BuildSummary;
    #[pymodule_export]
    use super::combine::{DiffIterator, diff, merge};
    #[pymodule_export]
    use super::jobs::{_join_job, SetJob, ShardInfo, plan_set};
    #[pymodule_export]
    use super::live::{_reopen_live, Live, LiveStatus};
    #[pymodule_export]
    use super::live_set::{_reopen_live_set, LiveSet};
    #[pymodule_export]
    use super::manifest::{Manifest, Shard, hash_shard};
    #[pymodule_export]
    use super::range::{Range, RangeIterator};
    #[pymodule_export]
    use super::set::{_reopen_set, TableSet};
    #[pymodule_export]
    use super::set_builder::{SetBuilder, build_set, build_set_arrow};
    #[pymodule_export]
    use super::set_queries::SetReport;
    #[pymodule_export]
    use super::table::{_reopen, Table, from_bytes, install_sigbus_guard, open};
    #[pymodule_export]
    use super::versions::{NewVersion, Version, Versions, publish};
    #[pymodule_export]
    use super::view::View;
    #[pymodule_export]
    use super::whole::{Stats, VerifyReport};
}
