//! The guard's registry. The handler's own code, which is a system call, is left out.

pub mod faults;
#[allow(dead_code, reason = "the models use a part of it")]
#[path = "../../../src/sigbus/registry.rs"]
mod registry;
