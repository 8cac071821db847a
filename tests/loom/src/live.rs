//! `Live`, but for what knows tables: its handle, over a place of the models' own.

#![allow(dead_code, reason = "the models use a part of it")]

#[path = "../../../src/live/handle.rs"]
mod handle;
#[path = "../../../src/live/helper.rs"]
mod helper;
#[path = "../../../src/live/hook.rs"]
mod hook;
#[path = "../../../src/live/retire.rs"]
mod retire;
#[path = "../../../src/live/status.rs"]
mod status;

pub mod helping;
pub mod hooks;
mod location;
mod place;
pub mod refreshing;
pub mod retiring;
