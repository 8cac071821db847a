//! The C library of graven. The functions are those of `include/graven.h`, which cbindgen makes of
//! these files: their comments are the pages of the header, and speak to a programmer in C. What every
//! caller promises stands once, in the header's first comment (`cbindgen.toml`).
//!
//! Each function goes through [`edge`], which turns errors into a status and a text, and catches
//! panics. Handles are boxes; a table's handle is a [`graven::Table`], so that a lookup through C
//! does what one in Rust does.

#![expect(non_camel_case_types, reason = "the names are those of the header")]
#![expect(unreachable_pub, reason = "cbindgen takes what is `pub`; the modules are private")]
#![expect(
    clippy::multiple_unsafe_ops_per_block,
    reason = "one promise of the caller covers all arguments of a call, which are read in one block"
)]

mod any_set;
mod args;
mod edge;
mod sized;

// In the order of the header, which blank lines keep from being sorted.

mod slice;
mod status;

mod library;

mod progress;

mod options;

mod table;

mod lookup;

mod ordered;

mod iter;

mod cursor;

mod stats;

mod audit;

mod live;

mod build;

mod answer;

mod set;

mod set_lookup;

mod set_iter;

mod live_set;

mod set_build;

mod buffer;

mod packed;

mod packed_lookup;

mod packed_cursor;

mod packed_live;

mod guard;

#[cfg(test)]
mod panic_tests;

// What the header says of threads.
const _: () = {
    const fn used_at_once<T: Send + Sync>() {}
    const fn handed_on<T: Send>() {}
    used_at_once::<table::graven_table>();
    used_at_once::<live::graven_live>();
    used_at_once::<live::graven_pin>();
    handed_on::<iter::graven_iter>();
    handed_on::<cursor::graven_cursor>();
    handed_on::<build::graven_builder>();
    used_at_once::<set::graven_set>();
    used_at_once::<live_set::graven_live_set>();
    handed_on::<answer::graven_answer>();
    handed_on::<set_iter::graven_set_iter>();
    handed_on::<set_build::graven_set_builder>();
    used_at_once::<packed::graven_packed>();
    handed_on::<buffer::graven_buffer>();
    handed_on::<packed_cursor::graven_packed_cursor>();
    used_at_once::<packed_live::graven_packed_live>();
};
