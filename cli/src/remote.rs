//! Sets in object stores, for `pull` and `push`: where they are, how their objects are read and
//! written, what is tried again. Only here is anything asynchronous: what the commands call blocks.

pub(crate) mod address;
pub(crate) mod cache;
pub(crate) mod fault;
pub(crate) mod fetch;
pub(crate) mod layout;
mod partial;
pub(crate) mod patience;
pub(crate) mod store;
pub(crate) mod upload;
pub(crate) mod workers;
