//! Guards against an exported function without the edge: a panic in it would end the program that
//! called it. Each function is called with a panic that waits at the edge. The list of functions is
//! that of the sources, so a new one that is not called here fails the test.

#![expect(unsafe_code, reason = "calls what C calls")]
// Every call here comes back from the edge before an argument is looked at.
#![expect(clippy::undocumented_unsafe_blocks, reason = "NULL is never read: see above")]

use crate::answer::*;
use crate::audit::*;
use crate::buffer::*;
use crate::build::*;
use crate::cursor::*;
use crate::guard::*;
use crate::iter::*;
use crate::library::*;
use crate::live::*;
use crate::live_set::*;
use crate::lookup::*;
use crate::options::*;
use crate::ordered::*;
use crate::packed::*;
use crate::packed_cursor::*;
use crate::packed_live::*;
use crate::packed_lookup::*;
use crate::set::*;
use crate::set_build::*;
use crate::set_iter::*;
use crate::set_lookup::*;
use crate::stats::*;
use crate::status::*;
use crate::table::*;
use std::cell::Cell;
use std::collections::BTreeSet;
use std::ffi::CStr;
use std::mem::{offset_of, size_of};
use std::ptr::{null, null_mut};

thread_local! {
    static ARMED: Cell<bool> = const { Cell::new(false) };
}

/// The edge has been reached.
pub(crate) fn reached() {
    if ARMED.take() {
        panic!("forced");
    }
}

/// Calls that give a status.
macro_rules! statuses {
    ($($name:ident($($argument:expr),*)),* $(,)?) => {
        &[$((stringify!($name), || {
            #[allow(unused_unsafe, reason = "some are safe")]
            let status = unsafe { $name($($argument),*) };
            assert_eq!(status, GRAVEN_ERR_PANIC, stringify!($name));
        })),*]
    };
}

/// Calls that give a value, and the value that they give after an error.
macro_rules! values {
    ($($name:ident($($argument:expr),*) == $otherwise:expr),* $(,)?) => {
        &[$((stringify!($name), || {
            #[allow(unused_unsafe, reason = "some are safe")]
            let value = unsafe { $name($($argument),*) };
            assert_eq!(value, $otherwise, stringify!($name));
        })),*]
    };
}

type Calls = &'static [(&'static str, fn())];

const STATUSES: Calls = statuses![
    graven_open(null(), null(), null_mut()),
    graven_load(null(), null(), null_mut()),
    graven_from_memory(null(), 0, null(), null_mut()),
    graven_from_copy(null(), 0, null(), null_mut()),
    graven_table_clone(null(), null_mut()),
    graven_table_build_id(null(), null_mut()),
    graven_table_path(null(), null_mut(), 0, null_mut()),
    graven_table_stats(null(), null_mut()),
    graven_table_sections(null(), null_mut(), 0, null_mut()),
    graven_table_resident(null(), null_mut()),
    graven_table_key_type(null(), null_mut(), 0, null_mut()),
    graven_table_value_type(null(), null_mut(), 0, null_mut()),
    graven_table_metadata(null(), null_mut(), 0, null_mut()),
    graven_table_metadata_get(null(), null(), 0, null_mut()),
    graven_table_verify(null(), None, null_mut(), null_mut()),
    graven_table_warm(null(), 0, None, null_mut()),
    graven_get(null(), null(), 0, null_mut()),
    graven_get_copy(null(), null(), 0, null_mut(), 0, null_mut()),
    graven_get_many(null(), null(), 0, null_mut()),
    graven_get_all(null(), null(), 0, null_mut(), 0, null_mut()),
    graven_count_of(null(), null(), 0, null_mut()),
    graven_first(null(), null_mut(), null_mut()),
    graven_last(null(), null_mut(), null_mut()),
    graven_floor(null(), null(), 0, null_mut(), null_mut()),
    graven_ceil(null(), null(), 0, null_mut(), null_mut()),
    graven_longest_prefix(null(), null(), 0, null_mut(), null_mut()),
    graven_prefixes_of(null(), null(), 0, null_mut(), 0, null_mut()),
    graven_nth(null(), 0, null_mut(), null_mut()),
    graven_rank(null(), null(), 0, null_mut()),
    graven_count(null(), null(), null_mut()),
    graven_range(null(), null(), null_mut()),
    graven_prefix(null(), null(), 0, null_mut()),
    graven_iter_next(null_mut(), null_mut(), null_mut()),
    graven_iter_next_back(null_mut(), null_mut(), null_mut()),
    graven_iter_next_many(null_mut(), null_mut(), 0, null_mut()),
    graven_iter_skip(null_mut(), 0),
    graven_cursor_open(null(), null_mut()),
    graven_cursor_seek_ceil(null_mut(), null(), 0, null_mut(), null_mut()),
    graven_cursor_seek_floor(null_mut(), null(), 0, null_mut(), null_mut()),
    graven_cursor_first(null_mut(), null_mut(), null_mut()),
    graven_cursor_last(null_mut(), null_mut(), null_mut()),
    graven_cursor_next(null_mut(), null_mut(), null_mut()),
    graven_cursor_prev(null_mut(), null_mut(), null_mut()),
    graven_cursor_entry(null(), null_mut(), null_mut()),
    graven_live_open(null(), null(), null_mut()),
    graven_live_pin(null(), null_mut()),
    graven_live_refresh(null(), null_mut()),
    graven_live_refresh_every(null(), 0, 0),
    graven_live_on_swap(null(), None, null_mut()),
    graven_live_on_failure(null(), None, null_mut()),
    graven_live_get_status(null(), null_mut()),
    graven_live_failure(null(), null_mut(), 0, null_mut()),
    graven_live_version(null(), null_mut(), 0, null_mut()),
    graven_builder_create(null(), null(), null_mut()),
    graven_builder_insert(null_mut(), null(), 0, null(), 0),
    graven_builder_finish(null_mut(), null_mut()),
    graven_answer_open(null_mut()),
    graven_set_open(null(), null(), null_mut()),
    graven_set_clone(null(), null_mut()),
    graven_set_id(null(), null_mut()),
    graven_set_path(null(), null_mut(), 0, null_mut()),
    graven_set_shard_of(null(), null(), 0, null_mut()),
    graven_set_table(null(), 0, null_mut()),
    graven_set_verify(null(), None, null_mut(), null_mut()),
    graven_set_get(null(), null(), 0, null_mut(), null_mut()),
    graven_set_get_copy(null(), null(), 0, null_mut(), 0, null_mut()),
    graven_set_get_many(null(), null(), 0, null_mut(), null_mut()),
    graven_set_get_all(null(), null(), 0, null_mut(), null_mut(), 0, null_mut()),
    graven_set_first(null(), null_mut(), null_mut(), null_mut()),
    graven_set_last(null(), null_mut(), null_mut(), null_mut()),
    graven_set_floor(null(), null(), 0, null_mut(), null_mut(), null_mut()),
    graven_set_ceil(null(), null(), 0, null_mut(), null_mut(), null_mut()),
    graven_set_nth(null(), 0, null_mut(), null_mut(), null_mut()),
    graven_set_rank(null(), null(), 0, null_mut()),
    graven_set_count(null(), null(), null_mut()),
    graven_set_range(null(), null(), null_mut()),
    graven_set_prefix(null(), null(), 0, null_mut()),
    graven_set_iter_next(null_mut(), null_mut(), null_mut()),
    graven_set_iter_next_back(null_mut(), null_mut(), null_mut()),
    graven_set_iter_next_many(null_mut(), null_mut(), 0, null_mut()),
    graven_packed_live_open(null(), null(), null_mut()),
    graven_packed_live_pin(null(), null_mut()),
    graven_packed_live_refresh(null(), null_mut()),
    graven_packed_live_refresh_every(null(), 0, 0),
    graven_packed_live_on_swap(null(), None, null_mut()),
    graven_packed_live_on_failure(null(), None, null_mut()),
    graven_packed_live_get_status(null(), null_mut()),
    graven_packed_live_failure(null(), null_mut(), 0, null_mut()),
    graven_packed_live_version(null(), null_mut(), 0, null_mut()),
    graven_set_packed(null(), 0, null_mut()),
    graven_live_set_open(null(), null(), null_mut()),
    graven_live_set_pin(null(), null_mut()),
    graven_live_set_refresh(null(), null_mut()),
    graven_live_set_refresh_every(null(), 0, 0),
    graven_live_set_on_swap(null(), None, null_mut()),
    graven_live_set_on_failure(null(), None, null_mut()),
    graven_live_set_get_status(null(), null_mut()),
    graven_live_set_failure(null(), null_mut(), 0, null_mut()),
    graven_live_set_version(null(), null_mut(), 0, null_mut()),
    graven_set_builder_create(null(), null(), null_mut()),
    graven_set_builder_insert(null_mut(), null(), 0, null(), 0),
    graven_set_builder_finish(null_mut()),
    graven_set_builder_version(null_mut(), null_mut(), 0, null_mut()),
    graven_buffer_open(0, null_mut()),
    graven_packed_open(null(), null(), null_mut()),
    graven_packed_load(null(), null(), null_mut()),
    graven_packed_from_memory(null(), 0, null(), null_mut()),
    graven_packed_from_copy(null(), 0, null(), null_mut()),
    graven_packed_stats(null(), null_mut()),
    graven_packed_stored(null(), null_mut()),
    graven_packed_verify(null(), None, null_mut(), null_mut()),
    graven_packed_get(null(), null(), 0, null_mut(), null_mut()),
    graven_packed_get_many(null(), null(), 0, null_mut(), null_mut()),
    graven_packed_contains(null(), null(), 0),
    graven_packed_first(null(), null_mut(), null_mut(), null_mut()),
    graven_packed_last(null(), null_mut(), null_mut(), null_mut()),
    graven_packed_floor(null(), null(), 0, null_mut(), null_mut(), null_mut()),
    graven_packed_ceil(null(), null(), 0, null_mut(), null_mut(), null_mut()),
    graven_packed_longest_prefix(null(), null(), 0, null_mut(), null_mut(), null_mut()),
    graven_packed_nth(null(), 0, null_mut(), null_mut(), null_mut()),
    graven_packed_rank(null(), null(), 0, null_mut()),
    graven_packed_count(null(), null(), null_mut()),
    graven_packed_cursor_open(null(), null_mut()),
    graven_packed_cursor_seek_ceil(null_mut(), null(), 0, null_mut(), null_mut()),
    graven_packed_cursor_seek_floor(null_mut(), null(), 0, null_mut(), null_mut()),
    graven_packed_cursor_first(null_mut(), null_mut(), null_mut()),
    graven_packed_cursor_last(null_mut(), null_mut(), null_mut()),
    graven_packed_cursor_next(null_mut(), null_mut(), null_mut()),
    graven_packed_cursor_prev(null_mut(), null_mut(), null_mut()),
    graven_packed_cursor_entry(null_mut(), null_mut(), null_mut()),
    graven_sigbus_install(),
];

const VALUES: Calls = values![
    graven_table_close(null_mut()) == (),
    graven_table_len(null()) == 0,
    graven_table_distinct_keys(null()) == 0,
    graven_table_is_faulted(null()) == 0,
    graven_table_is_guarded(null()) == 0,
    graven_iter_remaining(null()) == 0,
    graven_iter_close(null_mut()) == (),
    graven_cursor_close(null_mut()) == (),
    graven_pin_table(null()) == null(),
    graven_pin_generation(null()) == 0,
    graven_pin_close(null_mut()) == (),
    graven_live_close(null_mut()) == (),
    graven_builder_close(null_mut()) == (),
    graven_answer_close(null_mut()) == (),
    graven_set_close(null_mut()) == (),
    graven_set_len(null()) == 0,
    graven_set_shards(null()) == 0,
    graven_set_mapped_bytes(null()) == 0,
    graven_set_iter_close(null_mut()) == (),
    graven_live_set_close(null_mut()) == (),
    graven_packed_live_close(null_mut()) == (),
    graven_set_builder_close(null_mut()) == (),
    graven_buffer_close(null_mut()) == (),
    graven_packed_close(null_mut()) == (),
    graven_packed_len(null()) == 0,
    graven_packed_cursor_close(null_mut()) == (),
    graven_remove_temporary_files() == (),
    graven_sigbus_is_installed() == 0,
    graven_last_error() == c"".as_ptr(),
    graven_last_errno() == 0,
    graven_strerror(0) == c"".as_ptr(),
    graven_section_name(0) == c"".as_ptr(),
    graven_abi_version() == 0,
    graven_version() == c"".as_ptr(),
];

fn last_error() -> String {
    // SAFETY: it is a string until the next error.
    unsafe { CStr::from_ptr(graven_last_error()) }.to_string_lossy().into_owned()
}

#[test]
fn no_panic_leaves_an_edge() {
    for (name, call) in STATUSES.iter().chain(VALUES) {
        ARMED.set(true);
        call();
        assert!(!ARMED.take(), "{name} has no edge");
        assert_eq!(last_error(), format!("{name} panicked: forced"));
    }
}

/// The functions that the sources export.
fn exported() -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let sources = concat!(env!("CARGO_MANIFEST_DIR"), "/src");
    for entry in std::fs::read_dir(sources).unwrap() {
        let text = std::fs::read_to_string(entry.unwrap().path()).unwrap();
        for after in text.split("#[unsafe(no_mangle)]\npub ").skip(1) {
            let name = after.split_once("fn ").unwrap().1.split('(').next().unwrap();
            assert!(name.starts_with("graven_"), "{name}");
            names.insert(name.to_owned());
        }
        // However else a function could be exported.
        for attribute in ["no_mangle", "export_name"] {
            let here = text.matches(attribute).count();
            let plain = text.matches("\n#[unsafe(no_mangle)]\npub ").count();
            let own = entry_is_this_file(&text);
            assert!(own || attribute == "no_mangle" && here == plain || here == 0, "{attribute}");
        }
    }
    names
}

fn entry_is_this_file(text: &str) -> bool {
    text.starts_with("//! Guards against an exported function without the edge")
}

#[test]
fn every_exported_function_is_called() {
    let called: BTreeSet<String> =
        STATUSES.iter().chain(VALUES).map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(called.len(), STATUSES.len() + VALUES.len());
    assert_eq!(called, exported());
}

/// Text that a panic was thrown with, or not.
#[test]
fn a_panic_is_told_whatever_it_holds() {
    for (throw, said) in [
        ((|| panic!("a text")) as fn(), "f panicked: a text"),
        (|| panic!("{}", 7), "f panicked: 7"),
        (|| std::panic::panic_any(7), "f panicked: no text"),
        (|| std::panic::panic_any(PanicsAgain), "f panicked: no text"),
    ] {
        let status = crate::edge::status("f", || {
            throw();
            Ok(GRAVEN_OK)
        });
        assert_eq!((status, last_error().as_str()), (GRAVEN_ERR_PANIC, said));
    }
}

struct PanicsAgain;

impl Drop for PanicsAgain {
    fn drop(&mut self) {
        panic!("again");
    }
}

/// What `sized` asks of its structs: bytes that belong to no field would be compared and copied.
#[test]
fn no_struct_has_padding() {
    /// Fields in order, with their lengths.
    macro_rules! fields {
        ($struct:ident: $($field:ident),*) => {{
            let mut at = 0;
            // SAFETY: numbers and pointers, of which zeros are values.
            let zeros = unsafe { std::mem::zeroed::<$struct>() };
            $(
                assert_eq!(offset_of!($struct, $field), at, stringify!($struct.$field));
                at += std::mem::size_of_val(&zeros.$field);
            )*
            assert_eq!(size_of::<$struct>(), at, stringify!($struct));
        }};
    }
    fields!(graven_open_options: size, page_checks, access, warm, lock_memory, section_offset,
        section_len, expected_build_id);
    fields!(graven_build_options: size, sorted, duplicates, hash_index, value_align, memory_budget,
        expected_bytes, threads, mode, not_durable, keep_existing, verify_after_write, reserved,
        temp_dir, metadata, metadata_count, progress, progress_user, compression,
        compression_level, dictionary_bytes, compact_keys);
    fields!(graven_build_summary: size, entries, keys, file_bytes, key_bytes, value_bytes,
        set_aside, build_id, hash_index, reserved, stored_key_bytes, stored_value_bytes);
    fields!(graven_stats: size, entries, keys, file_bytes, key_bytes, value_bytes, fixed_key_len,
        fixed_value_len, key_len_min, key_len_max, value_len_min, value_len_max, value_align,
        format, build_id, hash_buckets, hash_keys, hash_second_bucket_keys, hash_set_aside,
        hash_slots_per_bucket, tree_levels, tree_nodes, lines, compression, compact_keys,
        codec_version, compression_level, dictionary_bytes, key_dictionary_bytes,
        unpacked_key_bytes, unpacked_value_bytes, unpacked_key_len_max, unpacked_value_len_max,
        values_as_they_are);
    fields!(graven_live_status: size, generation, age_ms, build_id, failed, reserved);
    fields!(graven_verify_report: size, entries, keys, pages, bytes);
    fields!(graven_set_report: size, shards, entries, keys, bytes);
    fields!(graven_set_options: size, max_mapped_bytes, tables);
    fields!(graven_set_build_options: size, shard_bytes, shard_entries, hash_shards, min_entries,
        tables);
}
