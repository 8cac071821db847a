//! A table in numbers, its sections, its types and its metadata.

#![expect(unsafe_code, reason = "exports functions to C")]

use crate::args::{self, Buffer, Place, Places, shared};
use crate::edge::{status, value};
use crate::options::codec_number;
use crate::sized::{Sized, SizedPlace};
use crate::slice::{graven_entry, graven_slice};
use crate::status::{Failure, GRAVEN_ERR_UNSUPPORTED, GRAVEN_NOT_FOUND, GRAVEN_OK, graven_status};
use crate::table::graven_table;
use graven::{Residency, Section, Table};
use graven_section_kind::*;
use std::ffi::{CStr, c_char, c_void};
use std::mem::size_of;

/// A table in numbers.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct graven_stats {
    /// sizeof(graven_stats), set by the caller.
    pub size: usize,
    /// Entries.
    pub entries: u64,
    /// Distinct keys.
    pub keys: u64,
    /// Bytes of the whole table.
    pub file_bytes: u64,
    /// Sum of the lengths of all keys.
    pub key_bytes: u64,
    /// Sum of the lengths of all values.
    pub value_bytes: u64,
    /// Length of every key, or -1 if they differ.
    pub fixed_key_len: i64,
    /// Length of every value, or -1 if they differ.
    pub fixed_value_len: i64,
    /// Shortest key in bytes.
    pub key_len_min: u32,
    /// Longest key in bytes.
    pub key_len_max: u32,
    /// Shortest value in bytes.
    pub value_len_min: u32,
    /// Longest value in bytes.
    pub value_len_max: u32,
    /// Alignment of values in bytes.
    pub value_align: u32,
    /// Format version, major << 16 | minor.
    pub format: u32,
    /// Identifies the content.
    pub build_id: [u8; 16],
    /// Buckets of 64 bytes of the hash index; 0 without one.
    pub hash_buckets: u64,
    /// Keys in the hash index.
    pub hash_keys: u64,
    /// Keys that stand in their second bucket.
    pub hash_second_bucket_keys: u64,
    /// Keys that are not in the hash index, because a smaller key has the same hash.
    pub hash_set_aside: u64,
    /// Slots in a bucket.
    pub hash_slots_per_bucket: u32,
    /// Levels of the ordered index; 0 without one.
    pub tree_levels: u32,
    /// Nodes of the ordered index.
    pub tree_nodes: u64,
    /// Lines of 64 bytes of the line index; 0 without one.
    pub lines: u64,
    /// A graven_compression: how values are compressed; -1 if this library does not know the codec. This
    /// field and those after it are of packed tables.
    pub compression: i32,
    /// 1 if keys are encoded, otherwise 0.
    pub compact_keys: i32,
    /// The codec's version, for example 10507 for zstd 1.5.7; 0 in a plain table.
    pub codec_version: u32,
    /// zstd's level; 0 without it.
    pub compression_level: u32,
    /// Bytes of the dictionary of the values.
    pub dictionary_bytes: u64,
    /// Bytes of the dictionary of the keys.
    pub key_dictionary_bytes: u64,
    /// Sum of the lengths of all keys as they are read; in a plain table `key_bytes`.
    pub unpacked_key_bytes: u64,
    /// Sum of the lengths of all values as they are read; in a plain table `value_bytes`.
    pub unpacked_value_bytes: u64,
    /// Longest key in bytes as it is read.
    pub unpacked_key_len_max: u32,
    /// Longest value in bytes as it is read.
    pub unpacked_value_len_max: u32,
    /// Compressed values, except for empty ones, that are stored as they are.
    pub values_as_they_are: u64,
}

// SAFETY: numbers, laid out without padding (`no_struct_has_padding`).
unsafe impl Sized for graven_stats {
    const NAME: &'static str = "graven_stats";
}

/// What a section of a table holds. Later versions may add some.
#[repr(i32)]
#[derive(Clone, Copy)]
pub enum graven_section_kind {
    /// A kind that this library does not know.
    GRAVEN_SECTION_UNKNOWN = 0,
    /// The first bytes of the table.
    GRAVEN_SECTION_HEADER = 1,
    /// Zeros between two sections.
    GRAVEN_SECTION_PADDING = 2,
    /// Keys and values.
    GRAVEN_SECTION_RECORDS = 3,
    /// The ordered index.
    GRAVEN_SECTION_ORDERED_INDEX = 4,
    /// The line index.
    GRAVEN_SECTION_LINE_INDEX = 5,
    /// The hash index.
    GRAVEN_SECTION_HASH_INDEX = 6,
    /// Counts.
    GRAVEN_SECTION_STATISTICS = 7,
    /// Pairs that were given to the build.
    GRAVEN_SECTION_METADATA = 8,
    /// The types of a typed table.
    GRAVEN_SECTION_TYPES = 9,
    /// Which table a patch changes.
    GRAVEN_SECTION_PATCH = 10,
    /// The checksums of all pages.
    GRAVEN_SECTION_PAGE_SUMS = 11,
    /// The last bytes of the table.
    GRAVEN_SECTION_FOOTER = 12,
    /// How keys and values of a packed table are stored.
    GRAVEN_SECTION_PACKING = 13,
}

/// A section of a table.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct graven_section {
    /// A graven_section_kind.
    pub kind: i32,
    /// 0.
    pub reserved: i32,
    /// Where it starts.
    pub offset: u64,
    /// Its length.
    pub bytes: u64,
    /// How much of it is in memory, in bytes; UINT64_MAX if the kernel does not say, which Linux says
    /// only to the file's owner and to users who may act as owner.
    pub resident: u64,
}

/// Number and name of each kind of section.
const SECTIONS: &[(Section, graven_section_kind, &CStr)] = &[
    (Section::Header, GRAVEN_SECTION_HEADER, c"header"),
    (Section::Padding, GRAVEN_SECTION_PADDING, c"padding"),
    (Section::Records, GRAVEN_SECTION_RECORDS, c"records"),
    (Section::OrderedIndex, GRAVEN_SECTION_ORDERED_INDEX, c"ordered index"),
    (Section::LineIndex, GRAVEN_SECTION_LINE_INDEX, c"line index"),
    (Section::HashIndex, GRAVEN_SECTION_HASH_INDEX, c"hash index"),
    (Section::Statistics, GRAVEN_SECTION_STATISTICS, c"statistics"),
    (Section::Metadata, GRAVEN_SECTION_METADATA, c"metadata"),
    (Section::Types, GRAVEN_SECTION_TYPES, c"types"),
    (Section::Patch, GRAVEN_SECTION_PATCH, c"patch"),
    (Section::Packing, GRAVEN_SECTION_PACKING, c"packing"),
    (Section::PageSums, GRAVEN_SECTION_PAGE_SUMS, c"page sums"),
    (Section::Footer, GRAVEN_SECTION_FOOTER, c"footer"),
    (Section::Unknown, GRAVEN_SECTION_UNKNOWN, c"unknown"),
];

/// The table in numbers. Reads the statistics section, and allocates.
///
/// `stats`: a struct whose `size` is set.
///
/// Gives GRAVEN_OK and the errors of graven_get(). Any thread, several at once.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn graven_table_stats(
    table: *const graven_table,
    stats: *mut graven_stats,
) -> graven_status {
    status("graven_table_stats", || {
        // SAFETY: the caller keeps the promises of the header.
        let (table, place) = unsafe { (shared(table, "table")?, SizedPlace::at(stats, "stats")?) };
        place.set(&numbers(&table.0)?)
    })
}

/// A table in numbers.
pub(crate) fn numbers(table: &Table) -> Result<graven_stats, Failure> {
    let stats = table.stats()?;
    let fixed = |len: Option<u32>| len.map_or(-1, i64::from);
    let (hash, tree) = (stats.hash_index, stats.ordered_index);
    let packing = stats.packing;
    Ok(graven_stats {
        size: size_of::<graven_stats>(),
        entries: stats.entries,
        keys: stats.keys,
        file_bytes: stats.file_bytes,
        key_bytes: stats.key_bytes,
        value_bytes: stats.value_bytes,
        fixed_key_len: fixed(stats.fixed_key_len),
        fixed_value_len: fixed(stats.fixed_value_len),
        key_len_min: stats.key_len_min,
        key_len_max: stats.key_len_max,
        value_len_min: stats.value_len_min,
        value_len_max: stats.value_len_max,
        value_align: stats.value_align,
        format: u32::from(stats.format.0) << 16 | u32::from(stats.format.1),
        build_id: stats.build_id.into(),
        hash_buckets: hash.map_or(0, |hash| hash.buckets),
        hash_keys: hash.map_or(0, |hash| hash.keys),
        hash_second_bucket_keys: hash.map_or(0, |hash| hash.second_bucket_keys),
        hash_set_aside: hash.map_or(0, |hash| hash.set_aside),
        hash_slots_per_bucket: hash.map_or(0, |hash| hash.slots_per_bucket),
        tree_levels: tree.map_or(0, |tree| tree.levels),
        tree_nodes: tree.map_or(0, |tree| tree.nodes),
        lines: stats.line_index.map_or(0, |index| index.lines),
        compression: packing.and_then(|packing| packing.codec).map_or(0, codec_number),
        compact_keys: packing.is_some_and(|packing| packing.compact_keys).into(),
        codec_version: packing.map_or(0, |packing| packing.codec_version),
        compression_level: packing.map_or(0, |packing| packing.level),
        dictionary_bytes: packing.map_or(0, |packing| packing.dictionary_bytes),
        key_dictionary_bytes: packing.map_or(0, |packing| packing.key_dictionary_bytes),
        unpacked_key_bytes: packing.map_or(stats.key_bytes, |packing| packing.key_bytes),
        unpacked_value_bytes: packing.map_or(stats.value_bytes, |packing| packing.value_bytes),
        unpacked_key_len_max: packing.map_or(stats.key_len_max, |packing| packing.key_len_max),
        unpacked_value_len_max: packing
            .map_or(stats.value_len_max, |packing| packing.value_len_max),
        values_as_they_are: packing.map_or(0, |packing| packing.as_they_are),
    })
}

/// The sections of a table in file order, header, footer and padding included, and how much of each is
/// in memory: in the page cache, whether or not this process has mapped it. One system call per
/// 16 MiB; touches no page. The answer may be out of date when it arrives.
///
/// `sections`: gets the first `capacity` of them; NULL with a capacity of 0 only counts them. `count`:
/// gets the number of all.
///
/// Gives GRAVEN_OK and the errors of graven_get(). Any thread, several at once.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn graven_table_sections(
    table: *const graven_table,
    sections: *mut graven_section,
    capacity: usize,
    count: *mut usize,
) -> graven_status {
    status("graven_table_sections", || {
        // SAFETY: the caller keeps the promises of the header.
        let (table, mut places, count) = unsafe {
            (
                shared(table, "table")?,
                Places::at(sections, capacity, "sections")?,
                Place::at(count, "count")?,
            )
        };
        let residency = match table.0.residency() {
            Residency::Known(sections) => sections,
            _ => Vec::new(),
        };
        for (at, section) in table.0.stats()?.sections.iter().enumerate() {
            let known = SECTIONS.iter().find(|(kind, ..)| *kind == section.section);
            places.push(graven_section {
                kind: known.map_or(GRAVEN_SECTION_UNKNOWN, |(_, kind, _)| *kind) as i32,
                reserved: 0,
                offset: section.offset,
                bytes: section.bytes,
                resident: residency.get(at).map_or(u64::MAX, |section| section.resident),
            });
        }
        count.set(places.count());
        Ok(GRAVEN_OK)
    })
}

/// The name of a kind of section, for example "ordered index"; "unknown" for a number that this
/// version does not know. Never NULL; the text is constant. Any thread.
#[unsafe(no_mangle)]
pub extern "C" fn graven_section_name(kind: i32) -> *const c_char {
    value("graven_section_name", c"".as_ptr(), || {
        let known = SECTIONS.iter().find(|(_, number, _)| *number as i32 == kind);
        Ok(known.map_or(c"unknown", |(_, _, name)| name).as_ptr())
    })
}

/// How many bytes of the table are in memory; see graven_table_sections().
///
/// Gives GRAVEN_OK, GRAVEN_ERR_UNSUPPORTED if the kernel does not say, GRAVEN_ERR_INVALID_ARGUMENT.
/// Any thread, several at once.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn graven_table_resident(
    table: *const graven_table,
    resident: *mut u64,
) -> graven_status {
    status("graven_table_resident", || {
        // SAFETY: the caller keeps the promises of the header.
        let (table, place) = unsafe { (shared(table, "table")?, Place::at(resident, "resident")?) };
        let resident = table.0.residency().resident();
        let unknown = "the kernel does not say how much of the table is in memory: ask as the \
                       owner of the file";
        place.set(resident.ok_or_else(|| Failure::new(GRAVEN_ERR_UNSUPPORTED, unknown))?);
        Ok(GRAVEN_OK)
    })
}

/// The type of the keys of a typed table as text, for example "(u32, i16)". Typed tables are built and
/// read as such by the library for Rust; here their keys and values are bytes as in any other table.
///
/// `buffer`: gets the string with its NUL, if it has `capacity` for it; NULL with a capacity of 0 only
/// asks how long it is. `needed`: gets the number of bytes, the NUL included.
///
/// Gives GRAVEN_OK, GRAVEN_ERR_BUFFER_TOO_SMALL, GRAVEN_NOT_FOUND for a table of bytes, and the errors
/// of graven_get(). Any thread, several at once.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn graven_table_key_type(
    table: *const graven_table,
    buffer: *mut c_char,
    capacity: usize,
    needed: *mut usize,
) -> graven_status {
    status("graven_table_key_type", || {
        // SAFETY: the caller keeps the promises of the header.
        let (table, buffer) =
            unsafe { (shared(table, "table")?, Buffer::at(buffer.cast(), capacity, needed)?) };
        buffer.text_if(table.0.stats()?.key_type)
    })
}

/// The type of the values of a typed table as text, for example "{ area: f64, id: u32 }". Otherwise as
/// graven_table_key_type().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn graven_table_value_type(
    table: *const graven_table,
    buffer: *mut c_char,
    capacity: usize,
    needed: *mut usize,
) -> graven_status {
    status("graven_table_value_type", || {
        // SAFETY: the caller keeps the promises of the header.
        let (table, buffer) =
            unsafe { (shared(table, "table")?, Buffer::at(buffer.cast(), capacity, needed)?) };
        buffer.text_if(table.0.stats()?.value_type)
    })
}

/// The pairs of metadata that were given to the build, ascending by key.
///
/// `pairs`: gets the first `capacity` of them, as slices of the table; NULL with a capacity of 0 only
/// counts them. `count`: gets the number of all.
///
/// Gives GRAVEN_OK, also if there are none, and the errors of graven_get(). Any thread, several at
/// once.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn graven_table_metadata(
    table: *const graven_table,
    pairs: *mut graven_entry,
    capacity: usize,
    count: *mut usize,
) -> graven_status {
    status("graven_table_metadata", || {
        // SAFETY: the caller keeps the promises of the header.
        let (table, mut places, count) = unsafe {
            (
                shared(table, "table")?,
                Places::at(pairs, capacity, "pairs")?,
                Place::at(count, "count")?,
            )
        };
        for pair in &table.0.metadata()? {
            places.push_entry(pair);
        }
        count.set(places.count());
        Ok(GRAVEN_OK)
    })
}

/// The metadata value of a key. Reads the pairs one after the other.
///
/// Gives GRAVEN_OK, GRAVEN_NOT_FOUND, and the errors of graven_get(). Any thread, several at once.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn graven_table_metadata_get(
    table: *const graven_table,
    key: *const c_void,
    key_len: usize,
    value: *mut graven_slice,
) -> graven_status {
    status("graven_table_metadata_get", || {
        // SAFETY: the caller keeps the promises of the header.
        let (table, key, place) = unsafe {
            (shared(table, "table")?, args::key(key, key_len)?, Place::at(value, "value")?)
        };
        let Some(value) = table.0.metadata()?.get(key) else { return Ok(GRAVEN_NOT_FOUND) };
        place.set(graven_slice::of(value));
        Ok(GRAVEN_OK)
    })
}
