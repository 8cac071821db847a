//! The options of opening and building, as C gives them. A field that is zero is the default.

#![expect(unsafe_code, reason = "reads memory of the caller")]

use crate::args::path;
use crate::progress::{Progress, graven_progress_fn};
use crate::sized::{Sized, read_or_zero};
use crate::slice::{bytes, graven_entry};
use crate::status::Failure;
use graven::{
    AccessPattern, BuildOptions, Compression, Duplicates, HashIndex, OpenOptions, PageChecks, Warm,
};
use std::ffi::{c_char, c_void};
use std::slice;

/// When page checksums are checked: a page of 4 KiB has one.
#[repr(i32)]
pub enum graven_page_checks {
    /// A page is checked when this process first touches it, 0.5 to 0.9 microseconds once.
    /// Afterwards that costs a bit test. Bytes that failed are never returned.
    GRAVEN_PAGE_CHECKS_FIRST_TOUCH = 0,
    /// Every page is checked before the table is opened: reads the whole file.
    GRAVEN_PAGE_CHECKS_AT_OPEN = 1,
    /// Nothing is checked. Lookups in a damaged table may give wrong answers, but never leave the
    /// table's bytes.
    GRAVEN_PAGE_CHECKS_NEVER = 2,
}

/// The expected access, for the kernel's read-ahead.
#[repr(i32)]
pub enum graven_access {
    /// By the table's size and the memory.
    GRAVEN_ACCESS_AUTO = 0,
    /// The kernel's default.
    GRAVEN_ACCESS_NORMAL = 1,
    /// Single pages, without read-ahead.
    GRAVEN_ACCESS_RANDOM = 2,
    /// In order, with much read-ahead.
    GRAVEN_ACCESS_SEQUENTIAL = 3,
}

/// Which part of a table is read into memory.
#[repr(i32)]
pub enum graven_warm {
    /// Nothing.
    GRAVEN_WARM_NONE = 0,
    /// Everything but the records: a lookup then waits for the disk once or twice at most.
    GRAVEN_WARM_INDEX = 1,
    /// Everything.
    GRAVEN_WARM_ALL = 2,
    /// Everything, into 2 MiB pages, where the kernel has them.
    GRAVEN_WARM_LARGE_PAGES = 3,
}

/// How a table is opened. Zeros are the defaults: begin with graven_open_options_init(), or zero the
/// struct and set `size`.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct graven_open_options {
    /// sizeof(graven_open_options).
    pub size: usize,
    /// A graven_page_checks.
    pub page_checks: i32,
    /// A graven_access.
    pub access: i32,
    /// A graven_warm: what is read into memory before the table is opened.
    pub warm: i32,
    /// Not 0: the table is locked into memory, all of it. Counts against `ulimit -l`.
    pub lock_memory: i32,
    /// The table is the `section_len` bytes at `section_offset` of a larger file or memory. Both 0:
    /// it is all of it.
    pub section_offset: u64,
    /// See `section_offset`.
    pub section_len: u64,
    /// 16 bytes, the only build id that is opened; NULL: any is.
    pub expected_build_id: *const u8,
}

/// What happens when a key occurs more than once.
#[repr(i32)]
pub enum graven_duplicates {
    /// The build fails with GRAVEN_ERR_DUPLICATE_KEY.
    GRAVEN_DUPLICATES_REJECT = 0,
    /// The entry that was inserted first stays.
    GRAVEN_DUPLICATES_KEEP_FIRST = 1,
    /// The entry that was inserted last stays.
    GRAVEN_DUPLICATES_KEEP_LAST = 2,
    /// All stay, in the order of their insertion.
    GRAVEN_DUPLICATES_KEEP_ALL = 3,
}

/// Whether the hash index is built, which makes point lookups fast.
#[repr(i32)]
pub enum graven_hash_index {
    /// Where the ordered index would be slower.
    GRAVEN_HASH_INDEX_AUTO = 0,
    /// In every table that has an entry.
    GRAVEN_HASH_INDEX_ALWAYS = 1,
    /// Never.
    GRAVEN_HASH_INDEX_NEVER = 2,
}

/// How values are compressed, each one alone, so that each can be read alone.
#[repr(i32)]
pub enum graven_compression {
    /// They stand as they are.
    GRAVEN_COMPRESSION_NONE = 0,
    /// Zstandard, against one dictionary of the table: for values of 100 bytes and more.
    GRAVEN_COMPRESSION_ZSTD = 1,
    /// Fast Static Symbol Table: for values of 10 to 300 bytes of text. Decodes several times as fast
    /// as zstd.
    GRAVEN_COMPRESSION_FSST = 2,
}

/// How a table is built. Zeros are the defaults: begin with graven_build_options_init(), or zero the
/// struct and set `size`. Everything that it points to is copied by graven_builder_create().
#[repr(C)]
#[derive(Clone, Copy)]
pub struct graven_build_options {
    /// sizeof(graven_build_options).
    pub size: usize,
    /// Not 0: entries come in ascending order of their keys, and are written at once instead of
    /// sorted. A key out of order is GRAVEN_ERR_OUT_OF_ORDER.
    pub sorted: i32,
    /// A graven_duplicates.
    pub duplicates: i32,
    /// A graven_hash_index.
    pub hash_index: i32,
    /// Alignment of values in bytes: 1, 2, 4, 8, 16, 32 or 64. 0: 1.
    pub value_align: u32,
    /// Memory for entries and indexes in bytes, at least 1 MiB. 0: 1 GiB, or less where the system
    /// leaves less.
    pub memory_budget: u64,
    /// Least number of bytes that keys and values will have together, if it is known: a disk
    /// without room for them is refused at once. 0: not known.
    pub expected_bytes: u64,
    /// Threads, 1 to 1024. 0: one for each processor.
    pub threads: u32,
    /// Permission bits of the file, whatever the umask. 0: 0444.
    pub mode: u32,
    /// Not 0: the file is not synced. A power loss soon afterwards may leave a damaged table.
    pub not_durable: i32,
    /// Not 0: a table that stands at the path is not replaced, and is GRAVEN_ERR_EXISTS.
    pub keep_existing: i32,
    /// Not 0: the table is read back from the disk and checked before it gets its name.
    pub verify_after_write: i32,
    /// 0.
    pub reserved: i32,
    /// Directory for temporary files, which have no names. NULL: that of the table.
    pub temp_dir: *const c_char,
    /// Pairs of metadata. Of a repeated key the last one stays.
    pub metadata: *const graven_entry,
    /// Number of pairs.
    pub metadata_count: usize,
    /// Called some times per second with how far the build is, from graven_builder_insert() and
    /// graven_builder_finish(). NULL: nothing is called.
    pub progress: graven_progress_fn,
    /// Given to `progress`. Must stay valid until the builder is closed.
    pub progress_user: *mut c_void,
    /// A graven_compression. A table with compressed values is packed: it is read by
    /// graven_packed_open(), and graven_open() refuses it. Entries wait until the last one has come,
    /// also with `sorted`: in memory as far as `memory_budget` goes, then in a temporary file, which
    /// costs one write and one read of what is in it. In a set each shard is packed, with a dictionary
    /// of its own. Not with `value_align`.
    pub compression: i32,
    /// zstd's level, 1 to 22: a higher one takes longer to build, and the values are smaller; reading
    /// costs the same. 0: 3. With another graven_compression it must be 0.
    pub compression_level: i32,
    /// Most bytes of zstd's dictionary, up to 1 MiB, which every reader keeps in memory. 0: 112,640.
    /// -1: none. With another graven_compression it must be 0.
    pub dictionary_bytes: i32,
    /// Not 0: keys are encoded by symbols, strings that many of them have in common; the order and
    /// all queries stay. The table is packed, as with `compression`. Keys that would not shrink by a
    /// tenth stay as they are.
    pub compact_keys: i32,
}

// SAFETY: numbers and pointers, laid out without padding (`no_struct_has_padding`).
unsafe impl Sized for graven_open_options {
    const NAME: &'static str = "graven_open_options";
}

// SAFETY: numbers and pointers, laid out without padding (`no_struct_has_padding`).
unsafe impl Sized for graven_build_options {
    const NAME: &'static str = "graven_build_options";
}

#[cold]
fn unknown(option: &str, got: i32) -> Failure {
    Failure::invalid(format_args!("option {option} is {got}, which has no meaning"))
}

/// What a number of the caller stands for.
fn choice<T: Copy>(option: &str, got: i32, all: &[(i32, T)]) -> Result<T, Failure> {
    let found = all.iter().find(|(number, _)| *number == got);
    found.map(|(_, choice)| *choice).ok_or_else(|| unknown(option, got))
}

pub(crate) fn warm(got: i32) -> Result<Warm, Failure> {
    use graven_warm::*;
    let all = [
        (GRAVEN_WARM_NONE as i32, Warm::None),
        (GRAVEN_WARM_INDEX as i32, Warm::Index),
        (GRAVEN_WARM_ALL as i32, Warm::All),
        (GRAVEN_WARM_LARGE_PAGES as i32, Warm::LargePages),
    ];
    choice("warm", got, &all)
}

fn page_checks(got: i32) -> Result<PageChecks, Failure> {
    use graven_page_checks::*;
    let all = [
        (GRAVEN_PAGE_CHECKS_FIRST_TOUCH as i32, PageChecks::FirstTouch),
        (GRAVEN_PAGE_CHECKS_AT_OPEN as i32, PageChecks::AtOpen),
        (GRAVEN_PAGE_CHECKS_NEVER as i32, PageChecks::Never),
    ];
    choice("page_checks", got, &all)
}

fn access(got: i32) -> Result<AccessPattern, Failure> {
    use graven_access::*;
    let all = [
        (GRAVEN_ACCESS_AUTO as i32, AccessPattern::Auto),
        (GRAVEN_ACCESS_NORMAL as i32, AccessPattern::Normal),
        (GRAVEN_ACCESS_RANDOM as i32, AccessPattern::Random),
        (GRAVEN_ACCESS_SEQUENTIAL as i32, AccessPattern::Sequential),
    ];
    choice("access", got, &all)
}

fn duplicates(got: i32) -> Result<Duplicates, Failure> {
    use graven_duplicates::*;
    let all = [
        (GRAVEN_DUPLICATES_REJECT as i32, Duplicates::Reject),
        (GRAVEN_DUPLICATES_KEEP_FIRST as i32, Duplicates::KeepFirst),
        (GRAVEN_DUPLICATES_KEEP_LAST as i32, Duplicates::KeepLast),
        (GRAVEN_DUPLICATES_KEEP_ALL as i32, Duplicates::KeepAll),
    ];
    choice("duplicates", got, &all)
}

fn hash_index(got: i32) -> Result<HashIndex, Failure> {
    use graven_hash_index::*;
    let all = [
        (GRAVEN_HASH_INDEX_AUTO as i32, HashIndex::Auto),
        (GRAVEN_HASH_INDEX_ALWAYS as i32, HashIndex::Always),
        (GRAVEN_HASH_INDEX_NEVER as i32, HashIndex::Never),
    ];
    choice("hash_index", got, &all)
}

/// The number of a codec by its name.
pub(crate) fn codec_number(name: &str) -> i32 {
    match name {
        "zstd" => graven_compression::GRAVEN_COMPRESSION_ZSTD as i32,
        "fsst" => graven_compression::GRAVEN_COMPRESSION_FSST as i32,
        _ => -1,
    }
}

fn compression(given: &graven_build_options) -> Result<Option<Compression>, Failure> {
    use graven_compression::*;
    let all = [
        (GRAVEN_COMPRESSION_NONE as i32, None),
        (GRAVEN_COMPRESSION_ZSTD as i32, Some(Compression::zstd())),
        (GRAVEN_COMPRESSION_FSST as i32, Some(Compression::fsst())),
    ];
    let chosen = choice("compression", given.compression, &all)?;
    let of_zstd = [
        ("compression_level", given.compression_level),
        ("dictionary_bytes", given.dictionary_bytes),
    ];
    let zstd = given.compression == GRAVEN_COMPRESSION_ZSTD as i32;
    if let Some((option, got)) = of_zstd.iter().find(|(_, got)| !zstd && *got != 0) {
        return Err(Failure::invalid(format_args!(
            "option {option} is {got}, and the compression is not zstd"
        )));
    }
    let Some(mut compression) = chosen else { return Ok(None) };
    if given.compression_level != 0 {
        compression = compression.level(given.compression_level);
    }
    compression = match given.dictionary_bytes {
        0 => compression,
        -1 => compression.dictionary_bytes(0),
        bytes => compression.dictionary_bytes(
            u32::try_from(bytes).map_err(|_| unknown("dictionary_bytes", bytes))?,
        ),
    };
    Ok(Some(compression))
}

/// # Safety
/// `given` is NULL, or points to options whose pointers are valid while this call of C lasts.
pub(crate) unsafe fn open_options(
    given: *const graven_open_options,
) -> Result<OpenOptions, Failure> {
    // SAFETY: the caller's promise.
    let given = unsafe { read_or_zero(given) }?;
    let mut options = OpenOptions::new()
        .page_checks(page_checks(given.page_checks)?)
        .access(access(given.access)?)
        .warm(warm(given.warm)?)
        .lock_memory(given.lock_memory != 0);
    if (given.section_offset, given.section_len) != (0, 0) {
        options = options.section(given.section_offset, given.section_len);
    }
    // SAFETY: the caller's promise.
    if let Some(id) = unsafe { given.expected_build_id.cast::<[u8; 16]>().as_ref() } {
        options = options.expect_build_id(*id);
    }
    Ok(options)
}

/// # Safety
/// `given` is NULL, or points to options whose pointers are valid while this call of C lasts, and
/// whose `progress` may be called with `progress_user` from any thread while the builder lives.
pub(crate) unsafe fn build_options(
    given: *const graven_build_options,
) -> Result<BuildOptions, Failure> {
    // SAFETY: the caller's promise.
    let given = unsafe { read_or_zero(given) }?;
    if given.reserved != 0 {
        return Err(unknown("reserved", given.reserved));
    }
    let mut options = BuildOptions::new()
        .sorted(given.sorted != 0)
        .duplicates(duplicates(given.duplicates)?)
        .hash_index(hash_index(given.hash_index)?)
        .memory_budget((given.memory_budget != 0).then_some(given.memory_budget))
        .expected_bytes((given.expected_bytes != 0).then_some(given.expected_bytes))
        .threads((given.threads != 0).then_some(given.threads as usize))
        .durable(given.not_durable == 0)
        .replace(given.keep_existing == 0)
        .verify_after_write(given.verify_after_write != 0)
        .compress(compression(&given)?)
        .compact_keys(given.compact_keys != 0);
    if given.value_align != 0 {
        options = options.value_align(given.value_align);
    }
    if given.mode != 0 {
        options = options.mode(given.mode);
    }
    if !given.temp_dir.is_null() {
        // SAFETY: the caller's promise.
        options = options.temp_dir(unsafe { path(given.temp_dir, "temp_dir") }?);
    }
    // SAFETY: the caller's promise.
    for pair in unsafe { metadata(&given) }? {
        // SAFETY: the caller's promise.
        let parts =
            unsafe { (bytes(pair.key.data, pair.key.len), bytes(pair.value.data, pair.value.len)) };
        let (Some(key), Some(value)) = parts else {
            return Err(Failure::invalid(
                "a pair of `metadata` has a length, and its data is NULL",
            ));
        };
        options = options.metadata(key, value);
    }
    // SAFETY: the caller's promise.
    if let Some(progress) = unsafe { Progress::of(given.progress, given.progress_user) } {
        options = progress.watch(options);
    }
    Ok(options)
}

/// # Safety
/// `given.metadata` is NULL, or points to `metadata_count` pairs that nobody changes meanwhile.
unsafe fn metadata(given: &graven_build_options) -> Result<&[graven_entry], Failure> {
    match (given.metadata.is_null(), given.metadata_count) {
        (_, 0) => Ok(&[]),
        (true, _) => Err(Failure::invalid("`metadata` is NULL, and `metadata_count` is not 0")),
        // SAFETY: the caller's promise.
        (false, count) => Ok(unsafe { slice::from_raw_parts(given.metadata, count) }),
    }
}
