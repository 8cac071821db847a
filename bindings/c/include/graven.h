/*
 * graven: immutable sorted tables of keys and values in a file, built once, mapped into memory and
 * read by many processes without a copy or a system call.
 *
 * This file is made of the sources by cbindgen; do not edit it.
 *
 * SYNOPSIS
 *     #include <graven.h>
 *
 *     graven_table *table;
 *     if (graven_open("capitals.grv", NULL, &table) != GRAVEN_OK) {
 *         fprintf(stderr, "%s\n", graven_last_error());
 *         return 1;
 *     }
 *     graven_slice city;
 *     if (graven_get(table, "de", 2, &city) == GRAVEN_OK)
 *         printf("%.*s\n", (int)city.len, (const char *)city.data);
 *     graven_table_close(table);
 *
 *     cc program.c $(pkg-config --cflags --libs graven)
 *
 * STATUS
 *     Functions that can fail return a graven_status: GRAVEN_OK, GRAVEN_NOT_FOUND, or an error, which
 *     is below 0. After an error graven_last_error() has a text for this thread. A result is written
 *     only with GRAVEN_OK, unless the function says otherwise.
 *
 * POINTERS
 *     An argument is never NULL unless its function says that it may be; NULL is then
 *     GRAVEN_ERR_INVALID_ARGUMENT. A key, a prefix or a value of length 0 may have NULL as its data.
 *     Arguments are read and written during the call only, and none is kept, except by
 *     graven_from_memory() and the `user` of callbacks. Places for results must not overlap with each
 *     other or with other arguments.
 *
 * HANDLES
 *     graven_table, graven_iter, graven_cursor, graven_live, graven_pin, graven_builder, and those of
 *     sets and packed tables: each is closed once, by the function that its type has for it; those take
 *     NULL as well.
 *     Handles may be closed in any order: what was made from a table keeps the table open.
 *
 * SLICES
 *     A graven_slice that a lookup, an iterator or a cursor returns lies in the table. It is valid, and
 *     its bytes stay the same, until the table and everything that was made from it (clones,
 *     iterators, cursors, pins) is closed. Nobody frees it or writes to it.
 *
 * SETS
 *     A graven_set is one table in many files, its shards. It maps a shard when it is asked, and may let
 *     it go for another one, so the set does not keep its slices. The graven_answer that is given to a
 *     lookup keeps the slices of this lookup, until the answer is used for another lookup or is closed.
 *     A graven_set_iter keeps the slices of its last step, until its next step or until it is closed.
 *     Set, answers and iterators are closed in any order. Copy what is needed for longer, or ask
 *     graven_set_table() for the shard. Shards may be packed tables: answers and iterators keep what
 *     was decoded of them.
 *
 * PACKED TABLES
 *     A table that was built with `compression` or `compact_keys` is packed: its values are compressed
 *     one by one, or its keys encoded. graven_open() and graven_live_open() refuse it with
 *     GRAVEN_ERR_NEEDS_BUFFER; graven_packed_open() opens it and graven_packed_live_open() follows it,
 *     and both take plain tables as well. Lookups decode into a graven_buffer. A slice that a lookup
 *     gives is valid until the same buffer is used for another lookup or is closed, and until the table
 *     and its cursors are closed, for what is stored as it is lies in the table. A slice of a
 *     graven_packed_cursor is valid until the next call with the cursor. Nobody frees such a slice or
 *     writes to it; copy what is needed for longer. A key that was lent may be asked for: the lookup
 *     copies it first.
 *
 * THREADS
 *     A table, a packed table, a set, a graven_live, a graven_live_set, a graven_packed_live and a pin
 *     are used by any number of threads at once; lookups take no lock. An iterator, a cursor, an answer,
 *     a buffer or a builder is used by one thread at a time, and may be handed from one to another. A
 *     handle is closed when no other thread uses it. After fork() the child may use tables, packed
 *     tables, pins, iterators, cursors and buffers, and closes its handles for itself.
 *
 * STRUCTS WITH A SIZE
 *     The first field of options and of results in numbers is their size, which the caller sets to
 *     sizeof. So later versions of the library can append fields: those beyond the caller's size have
 *     their defaults, or are not written. A field that this version of the library does not know is an
 *     error unless it is 0.
 *
 * ERRORS OF THE LIBRARY
 *     A panic of the library does not leave it: the function returns GRAVEN_ERR_PANIC, or 0 or NULL
 *     where it gives no status, and writes a line to standard error. Callbacks must return: an
 *     exception or a longjmp() out of one is undefined.
 */


#ifndef GRAVEN_H
#define GRAVEN_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef struct graven_table graven_table;


// The version of the interface that this header describes: major << 16 | minor. The major number is
// that of the shared library's name, libgraven.so.0, and of its symbols, GRAVEN_0. The minor number
// grows when functions are added.
#define GRAVEN_ABI_VERSION 3

// What a call came to: 0 or above is an answer, below 0 an error. The numbers never change their
// meaning. Later versions may add some, so treat every number below 0 as an error.
enum graven_status
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    // Done. The results are written.
    GRAVEN_OK = 0,
    // There is no such key or entry, or no further one. Not an error: no text is kept.
    GRAVEN_NOT_FOUND = 1,
    // An argument is NULL that must not be, or out of its range.
    GRAVEN_ERR_INVALID_ARGUMENT = -1,
    // The operating system refused; graven_last_errno() has its answer.
    GRAVEN_ERR_IO = -2,
    // There is no room for the table: memory, address space, mappings, locked memory.
    GRAVEN_ERR_NO_MEMORY = -3,
    // The disk or the quota is full.
    GRAVEN_ERR_NO_SPACE = -4,
    // The file is no graven table.
    GRAVEN_ERR_NOT_A_TABLE = -5,
    // The table needs a newer version of this library.
    GRAVEN_ERR_TOO_NEW = -6,
    // The table is damaged. The text says where.
    GRAVEN_ERR_DAMAGED = -7,
    // A page of the table was lost: the file was truncated, or its device failed. Only the guard
    // of graven_sigbus_install() makes this an error.
    GRAVEN_ERR_LOST_PAGE = -8,
    // The table is not the build that was expected.
    GRAVEN_ERR_OTHER_BUILD = -9,
    // Something stands at the path that is not to be replaced, or can't be.
    GRAVEN_ERR_EXISTS = -10,
    // Another process holds a lock. Try again.
    GRAVEN_ERR_BUSY = -11,
    // A key, a value or the table is longer than the format allows, or a value is longer than the
    // limit of its graven_buffer.
    GRAVEN_ERR_TOO_LONG = -12,
    // A key is smaller than the one before it, and the option `sorted` promised otherwise.
    GRAVEN_ERR_OUT_OF_ORDER = -13,
    // A key occurs twice, and the option `duplicates` says to refuse that.
    GRAVEN_ERR_DUPLICATE_KEY = -14,
    // An earlier call on this handle failed, or has finished it. Close it and start anew.
    GRAVEN_ERR_FINISHED = -15,
    // The table is published and complete, but its directory could not be synced: a power loss may
    // bring the old table back.
    GRAVEN_ERR_NOT_DURABLE = -16,
    // A callback asked to stop.
    GRAVEN_ERR_CANCELLED = -17,
    // This system or file system has no answer, or this library was built without what it takes.
    GRAVEN_ERR_UNSUPPORTED = -18,
    // The buffer is too small; `*needed` says how large it must be.
    GRAVEN_ERR_BUFFER_TOO_SMALL = -19,
    // A fault of this library: please report it, with the text. Close the handles of the call; do
    // nothing else with them.
    GRAVEN_ERR_PANIC = -20,
    // The table is packed, and its values have to be decoded into a buffer: open it with
    // graven_packed_open().
    GRAVEN_ERR_NEEDS_BUFFER = -21,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum graven_status graven_status;
#else
typedef int32_t graven_status;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

// When page checksums are checked: a page of 4 KiB has one.
enum graven_page_checks
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    // A page is checked when this process first touches it, 0.5 to 0.9 microseconds once.
    // Afterwards that costs a bit test. Bytes that failed are never returned.
    GRAVEN_PAGE_CHECKS_FIRST_TOUCH = 0,
    // Every page is checked before the table is opened: reads the whole file.
    GRAVEN_PAGE_CHECKS_AT_OPEN = 1,
    // Nothing is checked. Lookups in a damaged table may give wrong answers, but never leave the
    // table's bytes.
    GRAVEN_PAGE_CHECKS_NEVER = 2,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum graven_page_checks graven_page_checks;
#else
typedef int32_t graven_page_checks;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

// The expected access, for the kernel's read-ahead.
enum graven_access
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    // By the table's size and the memory.
    GRAVEN_ACCESS_AUTO = 0,
    // The kernel's default.
    GRAVEN_ACCESS_NORMAL = 1,
    // Single pages, without read-ahead.
    GRAVEN_ACCESS_RANDOM = 2,
    // In order, with much read-ahead.
    GRAVEN_ACCESS_SEQUENTIAL = 3,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum graven_access graven_access;
#else
typedef int32_t graven_access;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

// Which part of a table is read into memory.
enum graven_warm
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    // Nothing.
    GRAVEN_WARM_NONE = 0,
    // Everything but the records: a lookup then waits for the disk once or twice at most.
    GRAVEN_WARM_INDEX = 1,
    // Everything.
    GRAVEN_WARM_ALL = 2,
    // Everything, into 2 MiB pages, where the kernel has them.
    GRAVEN_WARM_LARGE_PAGES = 3,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum graven_warm graven_warm;
#else
typedef int32_t graven_warm;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

// What happens when a key occurs more than once.
enum graven_duplicates
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    // The build fails with GRAVEN_ERR_DUPLICATE_KEY.
    GRAVEN_DUPLICATES_REJECT = 0,
    // The entry that was inserted first stays.
    GRAVEN_DUPLICATES_KEEP_FIRST = 1,
    // The entry that was inserted last stays.
    GRAVEN_DUPLICATES_KEEP_LAST = 2,
    // All stay, in the order of their insertion.
    GRAVEN_DUPLICATES_KEEP_ALL = 3,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum graven_duplicates graven_duplicates;
#else
typedef int32_t graven_duplicates;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

// Whether the hash index is built, which makes point lookups fast.
enum graven_hash_index
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    // Where the ordered index would be slower.
    GRAVEN_HASH_INDEX_AUTO = 0,
    // In every table that has an entry.
    GRAVEN_HASH_INDEX_ALWAYS = 1,
    // Never.
    GRAVEN_HASH_INDEX_NEVER = 2,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum graven_hash_index graven_hash_index;
#else
typedef int32_t graven_hash_index;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

// How values are compressed, each one alone, so that each can be read alone.
enum graven_compression
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    // They stand as they are.
    GRAVEN_COMPRESSION_NONE = 0,
    // Zstandard, against one dictionary of the table: for values of 100 bytes and more.
    GRAVEN_COMPRESSION_ZSTD = 1,
    // Fast Static Symbol Table: for values of 10 to 300 bytes of text. Decodes several times as fast
    // as zstd.
    GRAVEN_COMPRESSION_FSST = 2,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum graven_compression graven_compression;
#else
typedef int32_t graven_compression;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

// A stage of a build. Later versions may add some.
enum graven_build_phase
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    // Entries are sorted; in entries.
    GRAVEN_BUILD_PHASE_SORT = 0,
    // Entries are written in order; in entries.
    GRAVEN_BUILD_PHASE_MERGE = 1,
    // Indexes are written; in entries.
    GRAVEN_BUILD_PHASE_INDEX = 2,
    // The table is made durable and gets its name; in bytes.
    GRAVEN_BUILD_PHASE_SYNC = 3,
    // Values are compressed, between the merge and the indexes of a packed table; in entries.
    GRAVEN_BUILD_PHASE_COMPRESS = 4,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum graven_build_phase graven_build_phase;
#else
typedef int32_t graven_build_phase;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

// Whether an end of a range belongs to it.
enum graven_bound
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    // There is no end: the range goes on to the first or the last key.
    GRAVEN_BOUND_NONE = 0,
    // The key belongs to the range.
    GRAVEN_BOUND_INCLUDED = 1,
    // The key does not belong to the range.
    GRAVEN_BOUND_EXCLUDED = 2,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum graven_bound graven_bound;
#else
typedef int32_t graven_bound;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

// What a section of a table holds. Later versions may add some.
enum graven_section_kind
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    // A kind that this library does not know.
    GRAVEN_SECTION_UNKNOWN = 0,
    // The first bytes of the table.
    GRAVEN_SECTION_HEADER = 1,
    // Zeros between two sections.
    GRAVEN_SECTION_PADDING = 2,
    // Keys and values.
    GRAVEN_SECTION_RECORDS = 3,
    // The ordered index.
    GRAVEN_SECTION_ORDERED_INDEX = 4,
    // The line index.
    GRAVEN_SECTION_LINE_INDEX = 5,
    // The hash index.
    GRAVEN_SECTION_HASH_INDEX = 6,
    // Counts.
    GRAVEN_SECTION_STATISTICS = 7,
    // Pairs that were given to the build.
    GRAVEN_SECTION_METADATA = 8,
    // The types of a typed table.
    GRAVEN_SECTION_TYPES = 9,
    // Which table a patch changes.
    GRAVEN_SECTION_PATCH = 10,
    // The checksums of all pages.
    GRAVEN_SECTION_PAGE_SUMS = 11,
    // The last bytes of the table.
    GRAVEN_SECTION_FOOTER = 12,
    // How keys and values of a packed table are stored.
    GRAVEN_SECTION_PACKING = 13,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum graven_section_kind graven_section_kind;
#else
typedef int32_t graven_section_kind;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

// Keeps what a set has answered. A set may let a shard go when it needs the room for another one, so
// the answer keeps the bytes, not the set: slices that were given with an answer are valid until the
// answer is used for another lookup or is closed, whatever becomes of the set. Use one answer for each
// thread, again and again. It also keeps what was decoded of packed shards.
typedef struct graven_answer graven_answer;

// Memory for keys and values of packed tables, which lookups decode into. Slices that were given with
// it are valid until it is used for another lookup or is closed. Use one for each thread, again and
// again, for any number of tables: once it has grown, a lookup allocates nothing.
typedef struct graven_buffer graven_buffer;

// A table that is being built.
typedef struct graven_builder graven_builder;

// A position in a table: on an entry, before the first or after the last. It keeps the table open by
// itself.
typedef struct graven_cursor graven_cursor;

// A walk over entries, from both ends. It keeps the table open by itself.
typedef struct graven_iter graven_iter;

// A handle on the newest table at a path.
typedef struct graven_live graven_live;

// A handle on the current version of a set. Shards may be plain in one version and packed in the next.
typedef struct graven_live_set graven_live_set;

// An open table, packed or plain: the values of a packed one may be compressed, and its keys encoded.
// Lookups decode both into a graven_buffer. What is stored as it is, as everything in a plain table,
// is not copied.
typedef struct graven_packed graven_packed;

// A position in a packed table: on an entry, before the first or after the last. It keeps the table
// open by itself. Its slices are valid until the next call with it.
typedef struct graven_packed_cursor graven_packed_cursor;

// A handle on the newest table at a path, packed or plain. One kind may take the place of the other.
typedef struct graven_packed_live graven_packed_live;

// A table that stays as it is, whatever is published meanwhile, until the pin is closed.
typedef struct graven_pin graven_pin;

// An open set: one table in many files, its shards, by ranges of keys or by their hash. Shards may be
// packed tables.
typedef struct graven_set graven_set;

// A set that is being written.
typedef struct graven_set_builder graven_set_builder;

// A walk over entries of a set, from both ends. It keeps the set open, and the entries of its last
// step.
typedef struct graven_set_iter graven_set_iter;

// How a table is opened. Zeros are the defaults: begin with graven_open_options_init(), or zero the
// struct and set `size`.
typedef struct graven_open_options {
    // sizeof(graven_open_options).
    size_t size;
    // A graven_page_checks.
    int32_t page_checks;
    // A graven_access.
    int32_t access;
    // A graven_warm: what is read into memory before the table is opened.
    int32_t warm;
    // Not 0: the table is locked into memory, all of it. Counts against `ulimit -l`.
    int32_t lock_memory;
    // The table is the `section_len` bytes at `section_offset` of a larger file or memory. Both 0:
    // it is all of it.
    uint64_t section_offset;
    // See `section_offset`.
    uint64_t section_len;
    // 16 bytes, the only build id that is opened; NULL: any is.
    const uint8_t *expected_build_id;
} graven_open_options;

// Bytes: keys that are asked for, and keys and values of a table. Bytes of a table are valid until
// the table and everything that was made from it (clones, iterators, cursors, pins) is closed; bytes
// of a set as long as the graven_answer or the graven_set_iter keeps them; bytes of a packed table as
// long as the graven_buffer or the graven_packed_cursor holds them.
typedef struct graven_slice {
    // First byte. May be NULL in a key of length 0.
    const uint8_t *data;
    // Number of bytes.
    size_t len;
} graven_slice;

// An entry of a table: a key and its value.
typedef struct graven_entry {
    // The key.
    struct graven_slice key;
    // The value.
    struct graven_slice value;
} graven_entry;

// A range of keys. Zeros are the range of all keys. If the lower end is above the upper one, the
// range is empty.
typedef struct graven_bounds {
    // Key of the lower end.
    struct graven_slice lower;
    // Key of the upper end.
    struct graven_slice upper;
    // A graven_bound: whether `lower` belongs to the range.
    int32_t lower_bound;
    // A graven_bound: whether `upper` belongs to the range.
    int32_t upper_bound;
} graven_bounds;

// A table in numbers.
typedef struct graven_stats {
    // sizeof(graven_stats), set by the caller.
    size_t size;
    // Entries.
    uint64_t entries;
    // Distinct keys.
    uint64_t keys;
    // Bytes of the whole table.
    uint64_t file_bytes;
    // Sum of the lengths of all keys.
    uint64_t key_bytes;
    // Sum of the lengths of all values.
    uint64_t value_bytes;
    // Length of every key, or -1 if they differ.
    int64_t fixed_key_len;
    // Length of every value, or -1 if they differ.
    int64_t fixed_value_len;
    // Shortest key in bytes.
    uint32_t key_len_min;
    // Longest key in bytes.
    uint32_t key_len_max;
    // Shortest value in bytes.
    uint32_t value_len_min;
    // Longest value in bytes.
    uint32_t value_len_max;
    // Alignment of values in bytes.
    uint32_t value_align;
    // Format version, major << 16 | minor.
    uint32_t format;
    // Identifies the content.
    uint8_t build_id[16];
    // Buckets of 64 bytes of the hash index; 0 without one.
    uint64_t hash_buckets;
    // Keys in the hash index.
    uint64_t hash_keys;
    // Keys that stand in their second bucket.
    uint64_t hash_second_bucket_keys;
    // Keys that are not in the hash index, because a smaller key has the same hash.
    uint64_t hash_set_aside;
    // Slots in a bucket.
    uint32_t hash_slots_per_bucket;
    // Levels of the ordered index; 0 without one.
    uint32_t tree_levels;
    // Nodes of the ordered index.
    uint64_t tree_nodes;
    // Lines of 64 bytes of the line index; 0 without one.
    uint64_t lines;
    // A graven_compression: how values are compressed; -1 if this library does not know the codec. This
    // field and those after it are of packed tables.
    int32_t compression;
    // 1 if keys are encoded, otherwise 0.
    int32_t compact_keys;
    // The codec's version, for example 10507 for zstd 1.5.7; 0 in a plain table.
    uint32_t codec_version;
    // zstd's level; 0 without it.
    uint32_t compression_level;
    // Bytes of the dictionary of the values.
    uint64_t dictionary_bytes;
    // Bytes of the dictionary of the keys.
    uint64_t key_dictionary_bytes;
    // Sum of the lengths of all keys as they are read; in a plain table `key_bytes`.
    uint64_t unpacked_key_bytes;
    // Sum of the lengths of all values as they are read; in a plain table `value_bytes`.
    uint64_t unpacked_value_bytes;
    // Longest key in bytes as it is read.
    uint32_t unpacked_key_len_max;
    // Longest value in bytes as it is read.
    uint32_t unpacked_value_len_max;
    // Compressed values, except for empty ones, that are stored as they are.
    uint64_t values_as_they_are;
} graven_stats;

// A section of a table.
typedef struct graven_section {
    // A graven_section_kind.
    int32_t kind;
    // 0.
    int32_t reserved;
    // Where it starts.
    uint64_t offset;
    // Its length.
    uint64_t bytes;
    // How much of it is in memory, in bytes; UINT64_MAX if the kernel does not say, which Linux says
    // only to the file's owner and to users who may act as owner.
    uint64_t resident;
} graven_section;

// Is told how far a call is. Not 0 stops the call, which then gives GRAVEN_ERR_CANCELLED.
//
// `user`: what was given with the function. `phase`: in a build a graven_build_phase, otherwise 0.
// `done` of `total`: bytes, or what the phase says.
//
// The threads that do the work call it, also several at once, and wait for it: it must be safe to
// call from any thread. It must return: no longjmp, no C++ exception.
typedef int32_t (*graven_progress_fn)(void *user, int32_t phase, uint64_t done, uint64_t total);

// What an audit read.
typedef struct graven_verify_report {
    // sizeof(graven_verify_report), set by the caller.
    size_t size;
    // Entries read.
    uint64_t entries;
    // Distinct keys found.
    uint64_t keys;
    // Pages whose checksums were compared.
    uint64_t pages;
    // Bytes of the table.
    uint64_t bytes;
} graven_verify_report;

// What a handle serves, for metrics.
typedef struct graven_live_status {
    // sizeof(graven_live_status), set by the caller.
    size_t size;
    // Counts the tables that this handle has served, from 1.
    uint64_t generation;
    // Milliseconds since this table was swapped in.
    uint64_t age_ms;
    // Identifies the content.
    uint8_t build_id[16];
    // 1 if the last refresh failed; graven_live_failure() says why.
    int32_t failed;
    // 0.
    int32_t reserved;
} graven_live_status;

// Is called after a new table was swapped in, with what is served then. `user`: what was given with
// the function. `status` is valid during the call.
//
// It runs on the thread that found the table, and may be called by several at once. It must return:
// no longjmp, no C++ exception. It must not close the handle.
typedef void (*graven_swap_fn)(void *user, const struct graven_live_status *status);

// Is called after a refresh has failed: `status` is a graven_status, `text` says why and is valid
// during the call. Otherwise as graven_swap_fn.
typedef void (*graven_failure_fn)(void *user, int32_t status, const char *text);

// How a table is built. Zeros are the defaults: begin with graven_build_options_init(), or zero the
// struct and set `size`. Everything that it points to is copied by graven_builder_create().
typedef struct graven_build_options {
    // sizeof(graven_build_options).
    size_t size;
    // Not 0: entries come in ascending order of their keys, and are written at once instead of
    // sorted. A key out of order is GRAVEN_ERR_OUT_OF_ORDER.
    int32_t sorted;
    // A graven_duplicates.
    int32_t duplicates;
    // A graven_hash_index.
    int32_t hash_index;
    // Alignment of values in bytes: 1, 2, 4, 8, 16, 32 or 64. 0: 1.
    uint32_t value_align;
    // Memory for entries and indexes in bytes, at least 1 MiB. 0: 1 GiB, or less where the system
    // leaves less.
    uint64_t memory_budget;
    // Least number of bytes that keys and values will have together, if it is known: a disk
    // without room for them is refused at once. 0: not known.
    uint64_t expected_bytes;
    // Threads, 1 to 1024. 0: one for each processor.
    uint32_t threads;
    // Permission bits of the file, whatever the umask. 0: 0444.
    uint32_t mode;
    // Not 0: the file is not synced. A power loss soon afterwards may leave a damaged table.
    int32_t not_durable;
    // Not 0: a table that stands at the path is not replaced, and is GRAVEN_ERR_EXISTS.
    int32_t keep_existing;
    // Not 0: the table is read back from the disk and checked before it gets its name.
    int32_t verify_after_write;
    // 0.
    int32_t reserved;
    // Directory for temporary files, which have no names. NULL: that of the table.
    const char *temp_dir;
    // Pairs of metadata. Of a repeated key the last one stays.
    const struct graven_entry *metadata;
    // Number of pairs.
    size_t metadata_count;
    // Called some times per second with how far the build is, from graven_builder_insert() and
    // graven_builder_finish(). NULL: nothing is called.
    graven_progress_fn progress;
    // Given to `progress`. Must stay valid until the builder is closed.
    void *progress_user;
    // A graven_compression. A table with compressed values is packed: it is read by
    // graven_packed_open(), and graven_open() refuses it. Entries wait until the last one has come,
    // also with `sorted`: in memory as far as `memory_budget` goes, then in a temporary file, which
    // costs one write and one read of what is in it. In a set each shard is packed, with a dictionary
    // of its own. Not with `value_align`.
    int32_t compression;
    // zstd's level, 1 to 22: a higher one takes longer to build, and the values are smaller; reading
    // costs the same. 0: 3. With another graven_compression it must be 0.
    int32_t compression_level;
    // Most bytes of zstd's dictionary, up to 1 MiB, which every reader keeps in memory. 0: 112,640.
    // -1: none. With another graven_compression it must be 0.
    int32_t dictionary_bytes;
    // Not 0: keys are encoded by symbols, strings that many of them have in common; the order and
    // all queries stay. The table is packed, as with `compression`. Keys that would not shrink by a
    // tenth stay as they are.
    int32_t compact_keys;
} graven_build_options;

// A finished build in numbers.
typedef struct graven_build_summary {
    // sizeof(graven_build_summary), set by the caller.
    size_t size;
    // Entries in the table, after the policy on duplicates.
    uint64_t entries;
    // Distinct keys.
    uint64_t keys;
    // Bytes of the file.
    uint64_t file_bytes;
    // Sum of the lengths of all keys.
    uint64_t key_bytes;
    // Sum of the lengths of all values.
    uint64_t value_bytes;
    // Keys that the hash index does not hold, because a smaller key has the same hash. The ordered
    // index finds them.
    uint64_t set_aside;
    // Identifies the content.
    uint8_t build_id[16];
    // 1: there is a hash index. 0: there is none, and none is needed or wanted. -1: it was given
    // up; lookups use the ordered index.
    int32_t hash_index;
    // 0.
    int32_t reserved;
    // Sum of the lengths of all keys as they are stored: less than `key_bytes` if they are encoded.
    uint64_t stored_key_bytes;
    // Sum of the lengths of all values as they are stored: less than `value_bytes` if they are
    // compressed.
    uint64_t stored_value_bytes;
} graven_build_summary;

// How a set is opened. Zeros are the defaults: begin with graven_set_options_init(), or zero the
// struct and set `size`.
typedef struct graven_set_options {
    // sizeof(graven_set_options).
    size_t size;
    // Most bytes that the set keeps mapped. Others are let go before a shard is mapped, about those
    // that were used least recently; what answers, iterators and tables keep open does not count.
    // 0: no bound.
    uint64_t max_mapped_bytes;
    // How each shard is opened; NULL for the defaults. The fields for a part of a file and the
    // expected build id must be 0: the manifest says which build a shard is.
    const struct graven_open_options *tables;
} graven_set_options;

// What the audit of a set read.
typedef struct graven_set_report {
    // sizeof(graven_set_report), set by the caller.
    size_t size;
    // Shards of the set.
    uint64_t shards;
    // Entries read.
    uint64_t entries;
    // Distinct keys found.
    uint64_t keys;
    // Bytes of all shards.
    uint64_t bytes;
} graven_set_report;

// How a set is written. Zeros are the defaults: begin with graven_set_build_options_init(), or zero
// the struct and set `size`. No more than one of `shard_bytes`, `shard_entries` and `hash_shards` is
// set. Everything that it points to is copied by graven_set_builder_create().
typedef struct graven_set_build_options {
    // sizeof(graven_set_build_options).
    size_t size;
    // Ranges of keys: a shard ends with the entry that reaches so many bytes. 0: 1 GiB, unless one
    // of the next fields is set.
    uint64_t shard_bytes;
    // Ranges of keys: entries of a shard. 0: not set.
    uint64_t shard_entries;
    // So many shards by the hash of keys, 1 to 1000000. 0: not set.
    uint64_t hash_shards;
    // Fewest entries of a set that is published. 0: any number.
    uint64_t min_entries;
    // How each shard is built; NULL for the defaults. `not_durable` holds for the set as well.
    // `compression` and `compact_keys` make packed shards, each with its own dictionaries.
    const struct graven_build_options *tables;
} graven_set_build_options;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

// The text of the last error of this thread: what, where, and what to do, in one line of UTF-8
// without a full stop. An empty text if there was none. Calls that succeed leave it as it is, so
// ask only after a status below 0.
//
// Never NULL. The text is valid until the next call on this thread that fails, and until the
// thread ends. Costs nothing.
const char *graven_last_error(void);

// The errno of the system call behind the last error of this thread, for example ENOENT; 0 if no
// system call was behind it. Costs nothing.
int32_t graven_last_errno(void);

// What a status means, in a few English words. graven_last_error() says more of an error.
//
// `status`: any number; one that this version does not know is "unknown status".
// Never NULL; the text is constant. Any thread. Costs nothing.
const char *graven_strerror(int32_t status);

// The version of the interface that the shared library has: the major number in the upper 16 bits,
// the minor number in the lower ones. Compare it with GRAVEN_ABI_VERSION of the header: the major
// numbers are equal, or the library would not have been loaded; a program that needs functions of
// its header's minor version asks that the library's is no smaller. Any thread. Costs nothing.
uint32_t graven_abi_version(void);

// The version of the library as text, for example "0.1.0". Never NULL; the text is constant. Any
// thread. Costs nothing.
const char *graven_version(void);

// Maps the table at `path`, shared and read-only: its pages are those of the page cache, in memory
// once however many processes map it. Costs a handful of system calls, whatever the size.
//
// As long as the table is open, nobody may modify or truncate the file, or the behaviour is
// undefined. Tables are replaced by rename and never modified, so this holds unless something else
// writes into them: never cp over a table. Where it can't be known, use graven_load().
//
// `path`: a string. `options`: NULL for the defaults. `table`: gets the handle, which the caller
// closes with graven_table_close().
//
// Gives GRAVEN_OK, GRAVEN_ERR_IO, GRAVEN_ERR_NOT_A_TABLE, GRAVEN_ERR_TOO_NEW, GRAVEN_ERR_DAMAGED,
// GRAVEN_ERR_NO_MEMORY, GRAVEN_ERR_OTHER_BUILD, GRAVEN_ERR_LOST_PAGE, GRAVEN_ERR_INVALID_ARGUMENT;
// GRAVEN_ERR_NEEDS_BUFFER for a packed table, which graven_packed_open() opens. Any thread.
graven_status graven_open(const char *path,
                          const struct graven_open_options *options,
                          graven_table **table);

// Reads the table at `path` into private memory, which nobody else can change. Costs memory and
// time for the whole file. Otherwise as graven_open().
graven_status graven_load(const char *path,
                          const struct graven_open_options *options,
                          graven_table **table);

// Opens a table that lies in memory, for example linked into the program, without a copy.
//
// `data`: `len` bytes, which must stay as they are until the table and everything that was made from
// it is closed. Values keep their alignment only if `data` has it. `options`: NULL for the defaults;
// `lock_memory` has no effect. Otherwise as graven_open().
graven_status graven_from_memory(const void *data,
                                 size_t len,
                                 const struct graven_open_options *options,
                                 graven_table **table);

// Opens a copy of a table that lies in memory. The caller may free `data` afterwards. Values are
// aligned as they were built. Needs twice the memory while it copies. Otherwise as
// graven_from_memory().
graven_status graven_from_copy(const void *data,
                               size_t len,
                               const struct graven_open_options *options,
                               graven_table **table);

// Gives a second handle on the same table, for example to keep a pinned table beyond its pin. Both
// handles are closed; the memory is given back with the last one. Costs an allocation and an atomic
// count; nothing is copied.
//
// Gives GRAVEN_OK, GRAVEN_ERR_INVALID_ARGUMENT. Any thread.
graven_status graven_table_clone(const graven_table *table, graven_table **clone);

// Closes a handle on a table. Iterators, cursors, clones and pins that were made from it stay valid:
// each keeps the table open by itself. Slices are valid until the last of all these is closed. The
// call that closes the last one unmaps the table, up to a third of a second per GiB. NULL is
// allowed. No other thread may be using the handle.
void graven_table_close(graven_table *table);

// Number of entries; 0 for NULL. Costs nothing. Any thread, several at once.
uint64_t graven_table_len(const graven_table *table);

// Number of distinct keys; 0 for NULL. Costs nothing. Any thread, several at once.
uint64_t graven_table_distinct_keys(const graven_table *table);

// The build id, which identifies the content. `build_id` gets 16 bytes. Costs nothing.
//
// Gives GRAVEN_OK, GRAVEN_ERR_INVALID_ARGUMENT. Any thread, several at once.
graven_status graven_table_build_id(const graven_table *table, uint8_t *build_id);

// The path from which the table was opened, as it was given.
//
// `buffer`: gets the string with its NUL, if it has `capacity` for it; NULL with a capacity of 0 only
// asks how long it is. `needed`: gets the number of bytes, the NUL included.
//
// Gives GRAVEN_OK, GRAVEN_ERR_BUFFER_TOO_SMALL, GRAVEN_NOT_FOUND for a table in memory,
// GRAVEN_ERR_INVALID_ARGUMENT. Any thread, several at once.
graven_status graven_table_path(const graven_table *table,
                                char *buffer,
                                size_t capacity,
                                size_t *needed);

// 1 if a page under this table was lost since it was opened: the file was truncated, or its device
// failed. Only the guard of graven_sigbus_install() finds out. Lookups then fail by themselves; a
// caller that has used a slice asks here afterwards whether its bytes were the file's. Otherwise 0,
// also for NULL. Costs two loads. Any thread, several at once.
int32_t graven_table_is_faulted(const graven_table *table);

// 1 if the guard of graven_sigbus_install() protects this table, or would, once installed; 0 for a
// mapped table that was opened while 4,096 others were open, and for NULL. Any thread, several at
// once.
int32_t graven_table_is_guarded(const graven_table *table);

// Looks a key up. `value` gets its value, the first one where the key is repeated: a slice of the
// table, nothing is copied. Costs about two cache lines with the hash index, a search of the ordered
// index without it; no lock, no system call, no allocation.
//
// `key`: `key_len` bytes; NULL with a length of 0 is the empty key.
//
// Gives GRAVEN_OK, GRAVEN_NOT_FOUND, GRAVEN_ERR_DAMAGED, GRAVEN_ERR_LOST_PAGE,
// GRAVEN_ERR_INVALID_ARGUMENT. Any thread, several at once.
graven_status graven_get(const graven_table *table,
                         const void *key,
                         size_t key_len,
                         struct graven_slice *value);

// Looks a key up and copies its value.
//
// `buffer`: gets the value, if it has `capacity` bytes for it; NULL with a capacity of 0 only asks
// how long it is. `needed`: gets the length of the value.
//
// Gives GRAVEN_OK, GRAVEN_NOT_FOUND, GRAVEN_ERR_BUFFER_TOO_SMALL, and the errors of graven_get().
// Any thread, several at once.
graven_status graven_get_copy(const graven_table *table,
                              const void *key,
                              size_t key_len,
                              void *buffer,
                              size_t capacity,
                              size_t *needed);

// Looks many keys up at once: faster than one graven_get() after the other when the table is larger
// than the processor's caches, because what they wait for overlaps.
//
// `keys`: `count` keys. `values`: `count` places, each of which gets the value of its key, or a
// slice with NULL as its data if the key is absent. The value of a key that is there never has NULL,
// also if it is empty.
//
// Gives GRAVEN_OK, also if keys are absent, and the errors of graven_get(); `values` then hold
// nothing of use. Any thread, several at once.
graven_status graven_get_many(const graven_table *table,
                              const struct graven_slice *keys,
                              size_t count,
                              struct graven_slice *values);

// All values of a key, in the order of their insertion. Costs one graven_get() and a step per value,
// also for values without a place.
//
// `values`: gets the first `capacity` of them; NULL with a capacity of 0 only counts them (see
// graven_count_of()). `count`: gets the number of all values. If it is above `capacity`, call again
// with more places, or walk graven_range() from the key to the key.
//
// Gives GRAVEN_OK, GRAVEN_NOT_FOUND with a count of 0, and the errors of graven_get(). Any thread,
// several at once.
graven_status graven_get_all(const graven_table *table,
                             const void *key,
                             size_t key_len,
                             struct graven_slice *values,
                             size_t capacity,
                             size_t *count);

// Number of entries with a key, without a walk over them: one graven_get(), or two searches in a
// table with repeated keys.
//
// Gives GRAVEN_OK, also with a count of 0, and the errors of graven_get(). Any thread, several at
// once.
graven_status graven_count_of(const graven_table *table,
                              const void *key,
                              size_t key_len,
                              uint64_t *count);

// The first entry, the one with the smallest key. `key` and `value` get it; each may be NULL.
//
// Gives GRAVEN_OK, GRAVEN_NOT_FOUND in an empty table, and the errors of graven_get(). Any thread,
// several at once.
graven_status graven_first(const graven_table *table,
                           struct graven_slice *key,
                           struct graven_slice *value);

// The last entry, the one with the greatest key. Otherwise as graven_first().
graven_status graven_last(const graven_table *table,
                          struct graven_slice *key,
                          struct graven_slice *value);

// The entry with the greatest key that is not greater than `key`; the last one of equals. Costs one
// search. `found_key` and `found_value` get it; each may be NULL.
//
// A floor need not cover what was asked for: where keys are starts of intervals, compare the end,
// which the value has.
//
// Gives GRAVEN_OK, GRAVEN_NOT_FOUND, and the errors of graven_get(). Any thread, several at once.
graven_status graven_floor(const graven_table *table,
                           const void *key,
                           size_t key_len,
                           struct graven_slice *found_key,
                           struct graven_slice *found_value);

// The entry with the smallest key that is not smaller than `key`; the first one of equals. Otherwise
// as graven_floor().
graven_status graven_ceil(const graven_table *table,
                          const void *key,
                          size_t key_len,
                          struct graven_slice *found_key,
                          struct graven_slice *found_value);

// The entry with the longest key that `key` begins with: for routes and number plans. The first one
// of equals. Otherwise as graven_floor().
graven_status graven_longest_prefix(const graven_table *table,
                                    const void *key,
                                    size_t key_len,
                                    struct graven_slice *found_key,
                                    struct graven_slice *found_value);

// All entries whose keys `key` begins with, the longest key first. Costs a search for each.
//
// `entries`: gets the first `capacity` of them; NULL with a capacity of 0 only counts them. `count`:
// gets the number of all: with distinct keys at most `key_len` + 1.
//
// Gives GRAVEN_OK, GRAVEN_NOT_FOUND with a count of 0, and the errors of graven_get(). Any thread,
// several at once.
graven_status graven_prefixes_of(const graven_table *table,
                                 const void *key,
                                 size_t key_len,
                                 struct graven_entry *entries,
                                 size_t capacity,
                                 size_t *count);

// The entry with a rank, from 0: the number of entries before it. Costs a search, or none where keys
// and values have fixed lengths. `key` and `value` get it; each may be NULL.
//
// Gives GRAVEN_OK, GRAVEN_NOT_FOUND, and the errors of graven_get(). Any thread, several at once.
graven_status graven_nth(const graven_table *table,
                         uint64_t rank,
                         struct graven_slice *key,
                         struct graven_slice *value);

// Number of entries whose keys are smaller than `key`, which need not be in the table. Costs one
// search.
//
// Gives GRAVEN_OK and the errors of graven_get(). Any thread, several at once.
graven_status graven_rank(const graven_table *table,
                          const void *key,
                          size_t key_len,
                          uint64_t *rank);

// Number of entries in a range, without a walk: two searches.
//
// `bounds`: NULL for all. `count`: gets the number.
//
// Gives GRAVEN_OK and the errors of graven_get(). Any thread, several at once.
graven_status graven_count(const graven_table *table,
                           const struct graven_bounds *bounds,
                           uint64_t *count);

// Walks over the entries of a range, in order. Costs a search for each end, and some allocations;
// then a step costs a few nanoseconds.
//
// `bounds`: NULL for all entries. `iter`: gets the handle, which the caller closes with
// graven_iter_close(); it may outlive `table`.
//
// Gives GRAVEN_OK, also for an empty range, GRAVEN_ERR_INVALID_ARGUMENT. Damage is told by the first
// step. Any thread, several at once; afterwards one thread at a time may use the iterator.
graven_status graven_range(const graven_table *table,
                           const struct graven_bounds *bounds,
                           struct graven_iter **iter);

// Walks over the entries whose keys begin with `prefix`, in order. Otherwise as graven_range().
graven_status graven_prefix(const graven_table *table,
                            const void *prefix,
                            size_t prefix_len,
                            struct graven_iter **iter);

// The next entry. `key` and `value` get it; each may be NULL. They are slices of the table, and stay
// valid beyond the next step.
//
// Gives GRAVEN_OK, GRAVEN_NOT_FOUND at the end, GRAVEN_ERR_DAMAGED, GRAVEN_ERR_LOST_PAGE,
// GRAVEN_ERR_INVALID_ARGUMENT. After an error the walk is over. One thread at a time.
graven_status graven_iter_next(struct graven_iter *iter,
                               struct graven_slice *key,
                               struct graven_slice *value);

// The last entry of those that are left: a walk from the end. Otherwise as graven_iter_next(). Both
// ends meet; no entry comes twice.
graven_status graven_iter_next_back(struct graven_iter *iter,
                                    struct graven_slice *key,
                                    struct graven_slice *value);

// The next entries, as many as there are places: for languages in which a call of C is dear.
//
// `entries`: `capacity` places. `count`: gets the number of those that were filled, less than
// `capacity` only at the end.
//
// Gives GRAVEN_OK if there was an entry, and otherwise as graven_iter_next(). On an error `count` is
// the number of entries before it, which are good.
graven_status graven_iter_next_many(struct graven_iter *iter,
                                    struct graven_entry *entries,
                                    size_t capacity,
                                    size_t *count);

// Passes over `n` entries without a walk: by rank, with a search.
//
// Gives GRAVEN_OK, GRAVEN_NOT_FOUND if there are fewer; the walk is over then. Otherwise as
// graven_iter_next().
graven_status graven_iter_skip(struct graven_iter *iter, uint64_t n);

// Number of entries that are left; 0 for NULL. Costs a search at most. One thread at a time.
uint64_t graven_iter_remaining(const struct graven_iter *iter);

// Closes an iterator. NULL is allowed. Any thread, if no other one uses the iterator.
void graven_iter_close(struct graven_iter *iter);

// Gives a cursor before the first entry.
//
// `cursor`: gets the handle, which the caller closes with graven_cursor_close(); it may outlive
// `table`.
//
// Gives GRAVEN_OK, GRAVEN_ERR_INVALID_ARGUMENT. Any thread, several at once; afterwards one thread at
// a time may use the cursor.
graven_status graven_cursor_open(const graven_table *table,
                                 struct graven_cursor **cursor);

// Moves to the first entry whose key is not smaller than `key`; after the last, if there is
// none. Costs one search. `found_key` and `found_value` get the entry; each may be NULL.
//
// Gives GRAVEN_OK, GRAVEN_NOT_FOUND if there is no such entry, GRAVEN_ERR_DAMAGED,
// GRAVEN_ERR_LOST_PAGE, GRAVEN_ERR_INVALID_ARGUMENT. After an error the cursor is before the first
// entry. One thread at a time.
graven_status graven_cursor_seek_ceil(struct graven_cursor *cursor,
                                      const void *key,
                                      size_t key_len,
                                      struct graven_slice *found_key,
                                      struct graven_slice *found_value);

// Moves to the last entry whose key is not greater than `key`; before the first, if there is
// none. Otherwise as graven_cursor_seek_ceil().
graven_status graven_cursor_seek_floor(struct graven_cursor *cursor,
                                       const void *key,
                                       size_t key_len,
                                       struct graven_slice *found_key,
                                       struct graven_slice *found_value);

// Moves to the first entry. Gives GRAVEN_NOT_FOUND in an empty table. Otherwise as
// graven_cursor_next().
graven_status graven_cursor_first(struct graven_cursor *cursor,
                                  struct graven_slice *key,
                                  struct graven_slice *value);

// Moves to the last entry. Gives GRAVEN_NOT_FOUND in an empty table. Otherwise as
// graven_cursor_next().
graven_status graven_cursor_last(struct graven_cursor *cursor,
                                 struct graven_slice *key,
                                 struct graven_slice *value);

// Moves to the next entry; after the last, if there is none. `key` and `value` get the entry; each
// may be NULL. The slices stay valid beyond the next step.
//
// Gives GRAVEN_OK, GRAVEN_NOT_FOUND at the end, GRAVEN_ERR_DAMAGED, GRAVEN_ERR_LOST_PAGE,
// GRAVEN_ERR_INVALID_ARGUMENT. After an error the cursor is before the first entry. One thread at a
// time.
graven_status graven_cursor_next(struct graven_cursor *cursor,
                                 struct graven_slice *key,
                                 struct graven_slice *value);

// Moves to the entry before; before the first, if there is none. Otherwise as graven_cursor_next().
graven_status graven_cursor_prev(struct graven_cursor *cursor,
                                 struct graven_slice *key,
                                 struct graven_slice *value);

// The entry on which the cursor stands, without a move. `key` and `value` get it; each may be NULL.
//
// Gives GRAVEN_OK, GRAVEN_NOT_FOUND if the cursor is on no entry, GRAVEN_ERR_INVALID_ARGUMENT. One
// thread at a time.
graven_status graven_cursor_entry(const struct graven_cursor *cursor,
                                  struct graven_slice *key,
                                  struct graven_slice *value);

// Closes a cursor. NULL is allowed. Any thread, if no other one uses the cursor.
void graven_cursor_close(struct graven_cursor *cursor);

// The table in numbers. Reads the statistics section, and allocates.
//
// `stats`: a struct whose `size` is set.
//
// Gives GRAVEN_OK and the errors of graven_get(). Any thread, several at once.
graven_status graven_table_stats(const graven_table *table, struct graven_stats *stats);

// The sections of a table in file order, header, footer and padding included, and how much of each is
// in memory: in the page cache, whether or not this process has mapped it. One system call per
// 16 MiB; touches no page. The answer may be out of date when it arrives.
//
// `sections`: gets the first `capacity` of them; NULL with a capacity of 0 only counts them. `count`:
// gets the number of all.
//
// Gives GRAVEN_OK and the errors of graven_get(). Any thread, several at once.
graven_status graven_table_sections(const graven_table *table,
                                    struct graven_section *sections,
                                    size_t capacity,
                                    size_t *count);

// The name of a kind of section, for example "ordered index"; "unknown" for a number that this
// version does not know. Never NULL; the text is constant. Any thread.
const char *graven_section_name(int32_t kind);

// How many bytes of the table are in memory; see graven_table_sections().
//
// Gives GRAVEN_OK, GRAVEN_ERR_UNSUPPORTED if the kernel does not say, GRAVEN_ERR_INVALID_ARGUMENT.
// Any thread, several at once.
graven_status graven_table_resident(const graven_table *table, uint64_t *resident);

// The type of the keys of a typed table as text, for example "(u32, i16)". Typed tables are built and
// read as such by the library for Rust; here their keys and values are bytes as in any other table.
//
// `buffer`: gets the string with its NUL, if it has `capacity` for it; NULL with a capacity of 0 only
// asks how long it is. `needed`: gets the number of bytes, the NUL included.
//
// Gives GRAVEN_OK, GRAVEN_ERR_BUFFER_TOO_SMALL, GRAVEN_NOT_FOUND for a table of bytes, and the errors
// of graven_get(). Any thread, several at once.
graven_status graven_table_key_type(const graven_table *table,
                                    char *buffer,
                                    size_t capacity,
                                    size_t *needed);

// The type of the values of a typed table as text, for example "{ area: f64, id: u32 }". Otherwise as
// graven_table_key_type().
graven_status graven_table_value_type(const graven_table *table,
                                      char *buffer,
                                      size_t capacity,
                                      size_t *needed);

// The pairs of metadata that were given to the build, ascending by key.
//
// `pairs`: gets the first `capacity` of them, as slices of the table; NULL with a capacity of 0 only
// counts them. `count`: gets the number of all.
//
// Gives GRAVEN_OK, also if there are none, and the errors of graven_get(). Any thread, several at
// once.
graven_status graven_table_metadata(const graven_table *table,
                                    struct graven_entry *pairs,
                                    size_t capacity,
                                    size_t *count);

// The metadata value of a key. Reads the pairs one after the other.
//
// Gives GRAVEN_OK, GRAVEN_NOT_FOUND, and the errors of graven_get(). Any thread, several at once.
graven_status graven_table_metadata_get(const graven_table *table,
                                        const void *key,
                                        size_t key_len,
                                        struct graven_slice *value);

// Audits the whole table: all checksums, anew and on all threads; the order and bounds of all
// records; that the indexes lead to every record; the statistics; the build id. Takes about a second
// per gigabyte on two cores if the disk is as fast, and up to 128 MiB of memory.
//
// `progress`: called after every mebibyte or so, in bytes; NULL: nothing is called. `user`: given to
// it. `report`: NULL, or a struct whose `size` is set.
//
// Gives GRAVEN_OK if there is no damage, GRAVEN_ERR_DAMAGED, GRAVEN_ERR_LOST_PAGE,
// GRAVEN_ERR_CANCELLED, GRAVEN_ERR_INVALID_ARGUMENT. Any thread, several at once.
graven_status graven_table_verify(const graven_table *table,
                                  graven_progress_fn progress,
                                  void *user,
                                  struct graven_verify_report *report);

// Reads a part of the table into memory and maps it, so that the first lookups wait neither for the
// disk nor for page faults. Nothing keeps the kernel from dropping pages again when memory is short:
// the option `lock_memory` does.
//
// `part`: a graven_warm. `progress`: called after every 2 MiB, in bytes; NULL: nothing is called.
// `user`: given to it.
//
// Gives GRAVEN_OK, GRAVEN_ERR_LOST_PAGE, GRAVEN_ERR_CANCELLED, GRAVEN_ERR_INVALID_ARGUMENT. Any
// thread, several at once.
graven_status graven_table_warm(const graven_table *table,
                                int32_t part,
                                graven_progress_fn progress,
                                void *user);

// Opens the table at `path` and follows the path from then on, for a process that serves from a table
// that is replaced from time to time. A directory stands for a versioned one, whose link CURRENT
// leads to the table. The promise of graven_open() holds for every file that is found there.
//
// `path`: a string. `options`: NULL for the defaults; they hold for later tables as well. `live`:
// gets the handle, which the caller closes with graven_live_close().
//
// Gives what graven_open() gives. Any thread.
graven_status graven_live_open(const char *path,
                               const struct graven_open_options *options,
                               struct graven_live **live);

// Pins the current table: one version for a whole request. Never waits; costs an allocation and a few
// nanoseconds.
//
// `pin`: gets the handle, which the caller closes with graven_pin_close(); it may outlive `live`.
//
// Gives GRAVEN_OK, GRAVEN_ERR_INVALID_ARGUMENT. Any thread, several at once.
graven_status graven_live_pin(const struct graven_live *live,
                              struct graven_pin **pin);

// The pinned table. The handle is the pin's, is valid until the pin is closed, and is not closed by
// the caller; graven_table_clone() makes one that is. NULL for NULL. Costs nothing. Any thread,
// several at once.
const graven_table *graven_pin_table(const struct graven_pin *pin);

// Counts the tables that the handle has served, from 1, up to the pinned one; 0 for NULL. Costs
// nothing. Any thread, several at once.
uint64_t graven_pin_generation(const struct graven_pin *pin);

// Closes a pin. Iterators, cursors and clones that were made from its table stay valid. NULL is
// allowed. Any thread, also another one than the one that pinned.
void graven_pin_close(struct graven_pin *pin);

// Looks for another table at the path. If there is one, opens and prepares it as the options say, and
// swaps it in. If nothing has changed, this is one stat() without a lock or an allocation, so it may
// be called often. Readers never wait for it.
//
// `swapped`: NULL, or gets 1 if a new table is served, 0 if the content is the same.
//
// Gives GRAVEN_OK and the errors of graven_open(); the old table is served then, until a refresh
// succeeds. Any thread, several at once.
graven_status graven_live_refresh(const struct graven_live *live,
                                  int32_t *swapped);

// Starts a thread that refreshes every `interval_ms` milliseconds, plus a random part of `jitter_ms`,
// so that many processes do not refresh at once. It ends when the handle is closed; another call
// replaces it. A thread does not survive fork(): call this in each child.
//
// Gives GRAVEN_OK, GRAVEN_ERR_IO, GRAVEN_ERR_INVALID_ARGUMENT. Any thread, several at once.
graven_status graven_live_refresh_every(const struct graven_live *live,
                                        uint64_t interval_ms,
                                        uint64_t jitter_ms);

// Sets a function that is called each time after a new table was swapped in; NULL: none. It takes the
// place of an earlier one. `user` is given to it and must stay valid until the handle is closed.
//
// Gives GRAVEN_OK, GRAVEN_ERR_INVALID_ARGUMENT. Any thread, several at once.
graven_status graven_live_on_swap(const struct graven_live *live,
                                  graven_swap_fn function,
                                  void *user);

// Sets a function that is called each time a refresh fails. Otherwise as graven_live_on_swap().
graven_status graven_live_on_failure(const struct graven_live *live,
                                     graven_failure_fn function,
                                     void *user);

// What is served. `live_status`: a struct whose `size` is set. Allocates.
//
// Gives GRAVEN_OK, GRAVEN_ERR_INVALID_ARGUMENT. Any thread, several at once.
graven_status graven_live_get_status(const struct graven_live *live,
                                     struct graven_live_status *live_status);

// Why the last refresh failed.
//
// `buffer`: gets the string with its NUL, if it has `capacity` for it; NULL with a capacity of 0 only
// asks how long it is. `needed`: gets the number of bytes, the NUL included.
//
// Gives GRAVEN_OK, GRAVEN_NOT_FOUND if it succeeded, GRAVEN_ERR_BUFFER_TOO_SMALL,
// GRAVEN_ERR_INVALID_ARGUMENT. Any thread, several at once.
graven_status graven_live_failure(const struct graven_live *live,
                                  char *buffer,
                                  size_t capacity,
                                  size_t *needed);

// The name of the version that is served from a versioned directory. Otherwise as
// graven_live_failure(); GRAVEN_NOT_FOUND if the path is no such directory.
graven_status graven_live_version(const struct graven_live *live,
                                  char *buffer,
                                  size_t capacity,
                                  size_t *needed);

// Closes the handle, and ends its thread. Pins stay valid. No other thread may be using the handle.
// NULL is allowed.
void graven_live_close(struct graven_live *live);

// Starts a build of the table at `path`. Entries may come in any order, unless `sorted` is set. The
// table appears with graven_builder_finish(); until then its bytes are in a file of the same
// directory that has no name.
//
// `path`: where the table will stand, a string. `options`: NULL for the defaults. `builder`: gets
// the handle, which the caller closes with graven_builder_close().
//
// Gives GRAVEN_OK, GRAVEN_ERR_INVALID_ARGUMENT, GRAVEN_ERR_EXISTS, GRAVEN_ERR_NO_SPACE,
// GRAVEN_ERR_IO. Any thread; afterwards one thread at a time may use the builder.
graven_status graven_builder_create(const char *path,
                                    const struct graven_build_options *options,
                                    struct graven_builder **builder);

// Adds an entry: a key of 0 to 65,535 bytes, a value of 0 to 4 GiB - 1. Both are copied. Costs some
// 100 ns; from time to time a sort and a write.
//
// Gives GRAVEN_OK, GRAVEN_ERR_TOO_LONG, GRAVEN_ERR_OUT_OF_ORDER, GRAVEN_ERR_DUPLICATE_KEY (or only
// at the end), GRAVEN_ERR_NO_SPACE, GRAVEN_ERR_IO, GRAVEN_ERR_CANCELLED. After an error the builder
// is of no use: every further call gives GRAVEN_ERR_FINISHED, and nothing is published. One thread at
// a time.
graven_status graven_builder_insert(struct graven_builder *builder,
                                    const void *key,
                                    size_t key_len,
                                    const void *value,
                                    size_t value_len);

// Sorts the entries, writes the table and publishes it: it appears under its name whole, in one
// step, and takes the place of a table that stands there. Unless `not_durable` is set, a table for
// which this gave GRAVEN_OK survives a power loss. The builder is finished then, and is still to be
// closed.
//
// `summary`: NULL, or a struct whose `size` is set, which gets the numbers of the table.
//
// Gives GRAVEN_OK, GRAVEN_ERR_DUPLICATE_KEY, GRAVEN_ERR_NO_SPACE, GRAVEN_ERR_IO, GRAVEN_ERR_EXISTS,
// GRAVEN_ERR_BUSY, GRAVEN_ERR_CANCELLED, GRAVEN_ERR_FINISHED. On an error nothing is published and
// the old table stays, except with GRAVEN_ERR_NOT_DURABLE. One thread at a time.
graven_status graven_builder_finish(struct graven_builder *builder,
                                    struct graven_build_summary *summary);

// Closes a builder. One that is not finished leaves nothing behind. NULL is allowed. Any thread, if
// no other one uses the builder.
void graven_builder_close(struct graven_builder *builder);

// Removes the named temporary files of all builders of this process: for a program that ends
// without closing them, for example after a signal. Most file systems need no names, and then there
// is nothing to remove. Any thread, but no signal handler.
void graven_remove_temporary_files(void);

// Makes a place that keeps answers of sets. `answer`: gets the handle, which the caller closes with
// graven_answer_close().
//
// Gives GRAVEN_OK, GRAVEN_ERR_INVALID_ARGUMENT. Any thread; afterwards one thread at a time may use
// the answer.
graven_status graven_answer_open(struct graven_answer **answer);

// Closes an answer, and so ends its slices. The call that closes the last use of a shard which its
// set has let go unmaps the shard. NULL is allowed. Any thread, if no other one uses the answer.
void graven_answer_close(struct graven_answer *answer);

// Opens the set at `path`: a directory of versions, of which the current one is opened, or the
// directory of one version. Reads and checks the manifest, and maps nothing: a shard is mapped when
// it is first asked. The promise of graven_open() holds for every shard. While it is open, its version
// is not removed as an old one.
//
// `path`: a string. `options`: NULL for the defaults. `set`: gets the handle, which the caller closes
// with graven_set_close().
//
// Gives GRAVEN_OK, GRAVEN_ERR_IO if there is no manifest, GRAVEN_ERR_DAMAGED if it contradicts itself,
// GRAVEN_ERR_INVALID_ARGUMENT. A shard that is missing or not the one of the manifest is found when it
// is asked. Any thread.
graven_status graven_set_open(const char *path,
                              const struct graven_set_options *options,
                              struct graven_set **set);

// Gives a second handle on the same set. Both handles are closed. Costs an allocation and an atomic
// count; nothing is copied.
//
// Gives GRAVEN_OK, GRAVEN_ERR_INVALID_ARGUMENT. Any thread.
graven_status graven_set_clone(const struct graven_set *set, struct graven_set **clone);

// Closes a handle on a set. Answers, iterators, clones and tables that were made from it stay valid.
// NULL is allowed. No other thread may be using the handle.
void graven_set_close(struct graven_set *set);

// Number of entries; 0 for NULL. Costs nothing. Any thread, several at once.
uint64_t graven_set_len(const struct graven_set *set);

// Number of shards; 0 for NULL. Costs nothing. Any thread, several at once.
size_t graven_set_shards(const struct graven_set *set);

// Bytes of the shards that the set has mapped at this moment; 0 for NULL. Takes a lock. Any thread,
// several at once.
uint64_t graven_set_mapped_bytes(const struct graven_set *set);

// The manifest's id, which identifies the content. `id` gets 16 bytes. Costs nothing.
//
// Gives GRAVEN_OK, GRAVEN_ERR_INVALID_ARGUMENT. Any thread, several at once.
graven_status graven_set_id(const struct graven_set *set, uint8_t *id);

// The directory of the version that is open, with all links resolved.
//
// `buffer`: gets the string with its NUL, if it has `capacity` for it; NULL with a capacity of 0 only
// asks how long it is. `needed`: gets the number of bytes, the NUL included.
//
// Gives GRAVEN_OK, GRAVEN_ERR_BUFFER_TOO_SMALL, GRAVEN_ERR_INVALID_ARGUMENT. Any thread, several at
// once.
graven_status graven_set_path(const struct graven_set *set,
                              char *buffer,
                              size_t capacity,
                              size_t *needed);

// The number of the only shard that can have a key. Costs a hash, or a search in memory.
//
// Gives GRAVEN_OK, GRAVEN_NOT_FOUND if no shard can, GRAVEN_ERR_INVALID_ARGUMENT. Any thread, several
// at once.
graven_status graven_set_shard_of(const struct graven_set *set,
                                  const void *key,
                                  size_t key_len,
                                  size_t *shard);

// A plain shard as a table, mapped if it is not, for a loop over one shard: its lookups give slices
// that stay valid until the table is closed, and need no graven_answer. The shard stays mapped for as
// long as the table is open.
//
// `shard`: its number, below graven_set_shards(). `table`: gets the handle, which the caller closes
// with graven_table_close().
//
// Gives GRAVEN_OK, the errors of graven_set_get(), and GRAVEN_ERR_NEEDS_BUFFER for a packed shard,
// which is not mapped: use graven_set_packed(). Any thread, several at once.
graven_status graven_set_table(const struct graven_set *set,
                               size_t shard,
                               graven_table **table);

// A shard, packed or plain, as a table whose lookups take a graven_buffer. The shard stays mapped for
// as long as the table is open.
//
// `shard`: its number, below graven_set_shards(). `packed`: gets the handle, which the caller closes
// with graven_packed_close().
//
// Gives GRAVEN_OK and the errors of graven_set_get(). Any thread, several at once.
graven_status graven_set_packed(const struct graven_set *set,
                                size_t shard,
                                struct graven_packed **packed);

// Audits the whole set: the SHA-256 of each shard's file, each shard as graven_table_verify() does,
// and that each key is in its shard. Reads every shard two or three times, and has one mapped at a
// time beside those of the set.
//
// `progress`: called after every mebibyte or so, in bytes of all shards; NULL: nothing is called.
// `user`: given to it. `report`: NULL, or a struct whose `size` is set.
//
// Gives GRAVEN_OK if there is no damage, and otherwise as graven_table_verify(). Any thread, several
// at once.
graven_status graven_set_verify(const struct graven_set *set,
                                graven_progress_fn progress,
                                void *user,
                                struct graven_set_report *report);

// Looks a key up. `value` gets its value, the first one where the key is repeated: a slice that
// `answer` keeps. Costs finding the shard, graven_get(), and an atomic count; nothing is copied. In a
// packed shard it costs graven_packed_get() and an allocation for the value.
//
// `key`: `key_len` bytes; NULL with a length of 0 is the empty key. `answer`: keeps the value, and
// nothing any more of what it kept before.
//
// Gives GRAVEN_OK, GRAVEN_NOT_FOUND, the errors of graven_get(), and, if the shard has to be mapped,
// those of graven_open(); GRAVEN_ERR_DAMAGED for a shard that is not the one of the manifest. Any
// thread, several at once, each with an answer of its own.
graven_status graven_set_get(const struct graven_set *set,
                             const void *key,
                             size_t key_len,
                             struct graven_answer *answer,
                             struct graven_slice *value);

// Looks a key up and copies its value: no answer is needed. Where a shard is compressed by zstd, each
// call makes a decoder of about 150 KiB; graven_set_get() keeps one in its answer.
//
// `buffer`: gets the value, if it has `capacity` bytes for it; NULL with a capacity of 0 only asks
// how long it is. `needed`: gets the length of the value.
//
// Gives GRAVEN_OK, GRAVEN_NOT_FOUND, GRAVEN_ERR_BUFFER_TOO_SMALL, and the errors of
// graven_set_get(). Any thread, several at once.
graven_status graven_set_get_copy(const struct graven_set *set,
                                  const void *key,
                                  size_t key_len,
                                  void *buffer,
                                  size_t capacity,
                                  size_t *needed);

// Looks many keys up at once: they are grouped by shard, and what they wait for overlaps.
//
// `keys`: `count` keys. `answer`: keeps all values. `values`: `count` places, each of which gets the
// value of its key, or a slice with NULL as its data if the key is absent. The value of a key that is
// there never has NULL, also if it is empty.
//
// Gives GRAVEN_OK, also if keys are absent, and the errors of graven_set_get(); `values` then hold
// nothing of use. Any thread, several at once, each with an answer of its own.
graven_status graven_set_get_many(const struct graven_set *set,
                                  const struct graven_slice *keys,
                                  size_t count,
                                  struct graven_answer *answer,
                                  struct graven_slice *values);

// All values of a key, in the order of their insertion. Costs one graven_set_get() and a step per
// value, also for values without a place: in a set of plain shards an atomic count, in one that has a
// packed shard or that graven_live_set_pin() gave an allocation, into which the value is decoded or
// copied.
//
// `answer`: keeps them. `values`: gets the first `capacity` of them; NULL with a capacity of 0 only
// counts them. `count`: gets the number of all values.
//
// Gives GRAVEN_OK, GRAVEN_NOT_FOUND with a count of 0, and the errors of graven_set_get(). Any thread,
// several at once, each with an answer of its own.
graven_status graven_set_get_all(const struct graven_set *set,
                                 const void *key,
                                 size_t key_len,
                                 struct graven_answer *answer,
                                 struct graven_slice *values,
                                 size_t capacity,
                                 size_t *count);

// The first entry, the one with the smallest key. `answer` keeps it; `key` and `value` get it, each may
// be NULL. Asks one shard of a set of ranges, all shards of a set of hashes.
//
// Gives GRAVEN_OK, GRAVEN_NOT_FOUND in an empty set, and the errors of graven_set_get(). Any thread,
// several at once, each with an answer of its own.
graven_status graven_set_first(const struct graven_set *set,
                               struct graven_answer *answer,
                               struct graven_slice *key,
                               struct graven_slice *value);

// The last entry, the one with the greatest key. Otherwise as graven_set_first().
graven_status graven_set_last(const struct graven_set *set,
                              struct graven_answer *answer,
                              struct graven_slice *key,
                              struct graven_slice *value);

// The entry with the greatest key that is not greater than `key`; the last one of equals. `found_key`
// and `found_value` get it. Otherwise as graven_set_first().
graven_status graven_set_floor(const struct graven_set *set,
                               const void *key,
                               size_t key_len,
                               struct graven_answer *answer,
                               struct graven_slice *found_key,
                               struct graven_slice *found_value);

// The entry with the smallest key that is not smaller than `key`; the first one of equals. Otherwise
// as graven_set_floor().
graven_status graven_set_ceil(const struct graven_set *set,
                              const void *key,
                              size_t key_len,
                              struct graven_answer *answer,
                              struct graven_slice *found_key,
                              struct graven_slice *found_value);

// The entry with `rank` entries before it, in a set of ranges. `answer` keeps it; `key` and `value` get
// it, each may be NULL.
//
// Gives GRAVEN_OK, GRAVEN_NOT_FOUND, GRAVEN_ERR_UNSUPPORTED for a set of hashes, and the errors of
// graven_set_get(). Any thread, several at once, each with an answer of its own.
graven_status graven_set_nth(const struct graven_set *set,
                             uint64_t rank,
                             struct graven_answer *answer,
                             struct graven_slice *key,
                             struct graven_slice *value);

// Number of entries whose keys are smaller than `key`. Asks one shard of a set of ranges, all shards
// of a set of hashes.
//
// Gives GRAVEN_OK, and the errors of graven_set_get(). Any thread, several at once.
graven_status graven_set_rank(const struct graven_set *set,
                              const void *key,
                              size_t key_len,
                              uint64_t *rank);

// Number of entries in a range. `bounds`: NULL for all entries. Otherwise as graven_set_rank().
graven_status graven_set_count(const struct graven_set *set,
                               const struct graven_bounds *bounds,
                               uint64_t *count);

// Walks over the entries of a range, in order: shard after shard where they are ranges, merged where
// they are hashed, for which all shards are mapped.
//
// `bounds`: NULL for all entries. `iter`: gets the handle, which the caller closes with
// graven_set_iter_close(); it may outlive `set`.
//
// Gives GRAVEN_OK, also for an empty range, GRAVEN_ERR_INVALID_ARGUMENT. Other errors are told by the
// first step. Any thread, several at once; afterwards one thread at a time may use the iterator.
graven_status graven_set_range(const struct graven_set *set,
                               const struct graven_bounds *bounds,
                               struct graven_set_iter **iter);

// Walks over the entries whose keys begin with `prefix`, in order. Otherwise as graven_set_range().
graven_status graven_set_prefix(const struct graven_set *set,
                                const void *prefix,
                                size_t prefix_len,
                                struct graven_set_iter **iter);

// The next entry. `key` and `value` get it; each may be NULL. The iterator keeps their bytes: the
// slices are valid until its next step or until it is closed.
//
// Gives GRAVEN_OK, GRAVEN_NOT_FOUND at the end, and the errors of graven_set_get(). After an error the
// walk is over. One thread at a time.
graven_status graven_set_iter_next(struct graven_set_iter *iter,
                                   struct graven_slice *key,
                                   struct graven_slice *value);

// The last entry of those that are left: a walk from the end. Otherwise as graven_set_iter_next().
// Both ends meet; no entry comes twice.
graven_status graven_set_iter_next_back(struct graven_set_iter *iter,
                                        struct graven_slice *key,
                                        struct graven_slice *value);

// The next entries, as many as there are places. The iterator keeps the bytes of all of them until
// its next step.
//
// `entries`: `capacity` places. `count`: gets the number of those that were filled, less than
// `capacity` only at the end.
//
// Gives GRAVEN_OK if there was an entry, and otherwise as graven_set_iter_next(). On an error `count`
// is the number of entries before it, which are good.
graven_status graven_set_iter_next_many(struct graven_set_iter *iter,
                                        struct graven_entry *entries,
                                        size_t capacity,
                                        size_t *count);

// Closes an iterator, and so ends the slices of its last step. NULL is allowed. Any thread, if no other
// one uses the iterator.
void graven_set_iter_close(struct graven_set_iter *iter);

// Opens the current version of the set in the directory of versions at `path` and follows the directory
// from then on. The promise of graven_open() holds for every shard of every version. If `tables` of
// the options asks to warm, to lock or to check pages at open, the shards of a version are mapped and
// prepared before it is served, as far as `max_mapped_bytes` goes.
//
// `path`: a string. `options`: NULL for the defaults; they hold for later versions as well. `live`:
// gets the handle, which the caller closes with graven_live_set_close().
//
// Gives what graven_set_open() gives. Any thread.
graven_status graven_live_set_open(const char *path,
                                   const struct graven_set_options *options,
                                   struct graven_live_set **live);

// Pins the version that is served: a set that stays at this version, whatever is published meanwhile,
// until it is closed. Never waits; costs an allocation and an atomic count. Shards may be packed, so
// lookups of many keys, all values of a key, queries by order and walks copy what they give, also of
// plain shards; graven_set_get() copies no value of a plain shard.
//
// `set`: gets the handle, which the caller closes with graven_set_close(); it may outlive `live`.
//
// Gives GRAVEN_OK, GRAVEN_ERR_INVALID_ARGUMENT. Any thread, several at once.
graven_status graven_live_set_pin(const struct graven_live_set *live,
                                  struct graven_set **set);

// Looks whether another version is current, and if so, opens it and swaps it in. If nothing has
// changed, this is one stat() and a look at each mapped shard, so it may be called often. Readers
// never wait for it.
//
// `swapped`: NULL, or gets 1 if a new version is served, 0 if it is the same.
//
// Gives GRAVEN_OK and the errors of graven_set_open(); the old version is served then, until a refresh
// succeeds. Any thread, several at once.
graven_status graven_live_set_refresh(const struct graven_live_set *live,
                                      int32_t *swapped);

// Starts a thread that refreshes every `interval_ms` milliseconds, plus a random part of `jitter_ms`.
// Otherwise as graven_live_refresh_every().
graven_status graven_live_set_refresh_every(const struct graven_live_set *live,
                                            uint64_t interval_ms,
                                            uint64_t jitter_ms);

// Sets a function that is called each time after a new version was swapped in; NULL: none. Otherwise
// as graven_live_on_swap().
graven_status graven_live_set_on_swap(const struct graven_live_set *live,
                                      graven_swap_fn function,
                                      void *user);

// Sets a function that is called each time a refresh fails. Otherwise as graven_live_on_swap().
graven_status graven_live_set_on_failure(const struct graven_live_set *live,
                                         graven_failure_fn function,
                                         void *user);

// What is served; its build id is the manifest's id. `live_status`: a struct whose `size` is set.
// Allocates.
//
// Gives GRAVEN_OK, GRAVEN_ERR_INVALID_ARGUMENT. Any thread, several at once.
graven_status graven_live_set_get_status(const struct graven_live_set *live,
                                         struct graven_live_status *live_status);

// Why the last refresh failed. Otherwise as graven_live_failure().
graven_status graven_live_set_failure(const struct graven_live_set *live,
                                      char *buffer,
                                      size_t capacity,
                                      size_t *needed);

// The name of the version that is served. Otherwise as graven_live_failure(); GRAVEN_NOT_FOUND if the
// path is the directory of one version.
graven_status graven_live_set_version(const struct graven_live_set *live,
                                      char *buffer,
                                      size_t capacity,
                                      size_t *needed);

// Closes the handle, and ends its thread. Pinned sets stay valid. No other thread may be using the
// handle. NULL is allowed.
void graven_live_set_close(struct graven_live_set *live);

// Begins a new version of a set in the directory at `path`, which is made if it is missing. The
// version becomes current with graven_set_builder_finish().
//
// `path`: a string. `options`: NULL for the defaults. `builder`: gets the handle, which the caller
// closes with graven_set_builder_close().
//
// Gives GRAVEN_OK, GRAVEN_ERR_INVALID_ARGUMENT, GRAVEN_ERR_NO_SPACE, GRAVEN_ERR_BUSY, GRAVEN_ERR_IO.
// Any thread; afterwards one thread at a time may use the builder.
graven_status graven_set_builder_create(const char *path,
                                        const struct graven_set_build_options *options,
                                        struct graven_set_builder **builder);

// Adds an entry. For shards that are ranges, keys ascend; for hashed ones they come in any order.
// Otherwise as graven_builder_insert().
graven_status graven_set_builder_insert(struct graven_set_builder *builder,
                                        const void *key,
                                        size_t key_len,
                                        const void *value,
                                        size_t value_len);

// Completes all shards, writes the manifest, and makes the version current, all of it in one step for
// readers. The builder is finished then, and is still to be closed.
//
// Gives GRAVEN_OK, GRAVEN_ERR_DUPLICATE_KEY, GRAVEN_ERR_NO_SPACE, GRAVEN_ERR_IO, GRAVEN_ERR_BUSY,
// GRAVEN_ERR_CANCELLED, GRAVEN_ERR_DAMAGED if there are fewer than `min_entries`,
// GRAVEN_ERR_FINISHED. On an error the version that was current stays current, except with
// GRAVEN_ERR_NOT_DURABLE. One thread at a time.
graven_status graven_set_builder_finish(struct graven_set_builder *builder);

// The name of the version that graven_set_builder_finish() has published.
//
// `buffer`: gets the string with its NUL, if it has `capacity` for it; NULL with a capacity of 0 only
// asks how long it is. `needed`: gets the number of bytes, the NUL included.
//
// Gives GRAVEN_OK, GRAVEN_NOT_FOUND before, GRAVEN_ERR_BUFFER_TOO_SMALL, GRAVEN_ERR_INVALID_ARGUMENT.
// One thread at a time.
graven_status graven_set_builder_version(struct graven_set_builder *builder,
                                         char *buffer,
                                         size_t capacity,
                                         size_t *needed);

// Closes a builder. One that is not finished leaves nothing behind. NULL is allowed. Any thread, if
// no other one uses the builder.
void graven_set_builder_close(struct graven_set_builder *builder);

// Makes a buffer. Allocates next to nothing; the first lookup in a table that is compressed by zstd
// takes about 150 KiB for its decoder.
//
// `max_value_bytes`: the longest value that is decoded; 0: any. A longer one is GRAVEN_ERR_TOO_LONG,
// before memory is asked for: some bytes of a hostile table may stand for 4 GiB. Values that are stored
// as they are need no memory, and are not refused. `buffer`: gets the handle, which the caller closes
// with graven_buffer_close().
//
// Gives GRAVEN_OK, GRAVEN_ERR_INVALID_ARGUMENT. Any thread; afterwards one thread at a time may use
// the buffer.
graven_status graven_buffer_open(uint32_t max_value_bytes,
                                 struct graven_buffer **buffer);

// Closes a buffer, and so ends its slices. NULL is allowed. Any thread, if no other one uses the
// buffer.
void graven_buffer_close(struct graven_buffer *buffer);

// Maps the table at `path`, as graven_open() does, and reads its dictionaries. A plain table opens as
// well, so this is for a program that takes both kinds; where all tables are plain, graven_open() has
// more functions, and slices that need no buffer.
//
// `path`: a string. `options`: NULL for the defaults. `packed`: gets the handle, which the caller
// closes with graven_packed_close().
//
// Gives GRAVEN_OK and the errors of graven_open() but for GRAVEN_ERR_NEEDS_BUFFER. Any thread.
graven_status graven_packed_open(const char *path,
                                 const struct graven_open_options *options,
                                 struct graven_packed **packed);

// Reads the table at `path` into private memory, which nobody else can change. Costs memory and time
// for the whole file, as it is stored. Otherwise as graven_packed_open().
graven_status graven_packed_load(const char *path,
                                 const struct graven_open_options *options,
                                 struct graven_packed **packed);

// Opens a table that lies in memory, without a copy, as graven_from_memory() does.
//
// `data`: `len` bytes, which must stay as they are until the table and its cursors are closed.
// `options`: NULL for the defaults; `lock_memory` has no effect. Otherwise as graven_packed_open().
graven_status graven_packed_from_memory(const void *data,
                                        size_t len,
                                        const struct graven_open_options *options,
                                        struct graven_packed **packed);

// Opens a copy of a table that lies in memory. The caller may free `data` afterwards. Needs twice the
// memory while it copies. Otherwise as graven_packed_from_memory().
graven_status graven_packed_from_copy(const void *data,
                                      size_t len,
                                      const struct graven_open_options *options,
                                      struct graven_packed **packed);

// Closes a packed table. Cursors and stored tables that were made from it stay valid: each keeps it
// open by itself. Slices that a graven_buffer holds are valid no longer: a value that is stored as it
// is lies in the table. The call that closes the last handle unmaps the table. NULL is allowed. No
// other thread may be using the handle.
void graven_packed_close(struct graven_packed *packed);

// Number of entries; 0 for NULL. Costs nothing. Any thread, several at once.
uint64_t graven_packed_len(const struct graven_packed *packed);

// The table in numbers, as it is stored: `key_bytes`, `value_bytes` and the lengths are those of what
// is stored, and the fields from `compression` on say how. Otherwise as graven_table_stats().
//
// Gives GRAVEN_OK and the errors of graven_get(). Any thread, several at once.
graven_status graven_packed_stats(const struct graven_packed *packed,
                                  struct graven_stats *stats);

// Gives the table as it is stored, for what asks neither for keys nor for values: its sections, build
// id, metadata and path, warming up, graven_table_is_faulted(). Its keys and values are what is stored
// of them. Costs an allocation and an atomic count.
//
// `table`: gets the handle, which the caller closes with graven_table_close(); it may outlive
// `packed`.
//
// Gives GRAVEN_OK, GRAVEN_ERR_INVALID_ARGUMENT. Any thread, several at once.
graven_status graven_packed_stored(const struct graven_packed *packed,
                                   graven_table **table);

// Audits the whole table, as graven_table_verify() does; decodes every key and value, too, which costs
// the time of that.
//
// `progress`: called after every mebibyte or so, in bytes; NULL: nothing is called. `user`: given to
// it. `report`: NULL, or a struct whose `size` is set.
//
// Gives GRAVEN_OK and the errors of graven_table_verify(). Any thread, several at once.
graven_status graven_packed_verify(const struct graven_packed *packed,
                                   graven_progress_fn progress,
                                   void *user,
                                   struct graven_verify_report *report);

// Looks a key up. `value` gets its value, the first one where the key is repeated: a slice that
// `buffer` holds, or one of the table if the value is stored as it is. Costs a lookup and the decoding
// of one value; no lock, no system call.
//
// `key`: `key_len` bytes; NULL with a length of 0 is the empty key. It may be a slice that `buffer`
// holds. `buffer`: holds the value, and nothing any more of what it held before.
//
// Gives GRAVEN_OK, GRAVEN_NOT_FOUND, GRAVEN_ERR_TOO_LONG for a value beyond the limit of `buffer`,
// GRAVEN_ERR_DAMAGED, also if the value does not decode, GRAVEN_ERR_LOST_PAGE,
// GRAVEN_ERR_INVALID_ARGUMENT. Any thread, several at once, each with a buffer of its own.
graven_status graven_packed_get(const struct graven_packed *packed,
                                const void *key,
                                size_t key_len,
                                struct graven_buffer *buffer,
                                struct graven_slice *value);

// Looks many keys up at once: what they wait for overlaps, and values are decoded one after the other.
//
// `keys`: `count` keys. `buffer`: holds all values, so that it grows to the bytes of all of them; its
// limit is that of each value. `values`: `count` places, each of which gets the value of its key, or a
// slice with NULL as its data if the key is absent. The value of a key that is there never has NULL,
// also if it is empty.
//
// Gives GRAVEN_OK, also if keys are absent, and the errors of graven_packed_get(); `values` then hold
// nothing of use. Any thread, several at once, each with a buffer of its own.
graven_status graven_packed_get_many(const struct graven_packed *packed,
                                     const struct graven_slice *keys,
                                     size_t count,
                                     struct graven_buffer *buffer,
                                     struct graven_slice *values);

// Whether a key is in the table. Decodes no value, and needs no buffer.
//
// Gives GRAVEN_OK if it is, GRAVEN_NOT_FOUND if it is not, and the errors of graven_get(). Any thread,
// several at once.
graven_status graven_packed_contains(const struct graven_packed *packed,
                                     const void *key,
                                     size_t key_len);

// The first entry, the one with the smallest key. `key` and `value` get it; each may be NULL. `buffer`
// holds both, which are decoded in any case.
//
// Gives GRAVEN_OK, GRAVEN_NOT_FOUND in an empty table, and the errors of graven_packed_get(). Any
// thread, several at once, each with a buffer of its own.
graven_status graven_packed_first(const struct graven_packed *packed,
                                  struct graven_buffer *buffer,
                                  struct graven_slice *key,
                                  struct graven_slice *value);

// The last entry, the one with the greatest key. Otherwise as graven_packed_first().
graven_status graven_packed_last(const struct graven_packed *packed,
                                 struct graven_buffer *buffer,
                                 struct graven_slice *key,
                                 struct graven_slice *value);

// The entry with the greatest key that is not greater than `key`; the last one of equals. Costs one
// search. `found_key` and `found_value` get it; each may be NULL. `key` may be a slice that `buffer`
// holds. Otherwise as graven_packed_first().
//
// Gives GRAVEN_OK, GRAVEN_NOT_FOUND, and the errors of graven_packed_get(). Any thread, several at
// once, each with a buffer of its own.
graven_status graven_packed_floor(const struct graven_packed *packed,
                                  const void *key,
                                  size_t key_len,
                                  struct graven_buffer *buffer,
                                  struct graven_slice *found_key,
                                  struct graven_slice *found_value);

// The entry with the smallest key that is not smaller than `key`; the first one of equals. Otherwise
// as graven_packed_floor().
graven_status graven_packed_ceil(const struct graven_packed *packed,
                                 const void *key,
                                 size_t key_len,
                                 struct graven_buffer *buffer,
                                 struct graven_slice *found_key,
                                 struct graven_slice *found_value);

// The entry with the longest key that `key` begins with. With compact keys it costs a search for each
// stored key that is tried. Otherwise as graven_packed_floor().
graven_status graven_packed_longest_prefix(const struct graven_packed *packed,
                                           const void *key,
                                           size_t key_len,
                                           struct graven_buffer *buffer,
                                           struct graven_slice *found_key,
                                           struct graven_slice *found_value);

// The entry with a rank, from 0: the number of entries before it. Otherwise as graven_packed_floor().
graven_status graven_packed_nth(const struct graven_packed *packed,
                                uint64_t rank,
                                struct graven_buffer *buffer,
                                struct graven_slice *key,
                                struct graven_slice *value);

// Number of entries whose keys are smaller than `key`, which need not be in the table. Costs one
// search; needs no buffer.
//
// Gives GRAVEN_OK and the errors of graven_get(). Any thread, several at once.
graven_status graven_packed_rank(const struct graven_packed *packed,
                                 const void *key,
                                 size_t key_len,
                                 uint64_t *rank);

// Number of entries in a range, without a walk: two searches. Needs no buffer.
//
// `bounds`: NULL for all. `count`: gets the number.
//
// Gives GRAVEN_OK and the errors of graven_get(). Any thread, several at once.
graven_status graven_packed_count(const struct graven_packed *packed,
                                  const struct graven_bounds *bounds,
                                  uint64_t *count);

// Gives a cursor before the first entry.
//
// A cursor has a buffer of its own, without a limit: it takes as much memory as the longest value on
// which it stands, at most `unpacked_value_len_max` of graven_packed_stats().
//
// `cursor`: gets the handle, which the caller closes with graven_packed_cursor_close(); it may outlive
// `packed`.
//
// Gives GRAVEN_OK, GRAVEN_ERR_INVALID_ARGUMENT. Any thread, several at once; afterwards one thread at
// a time may use the cursor.
graven_status graven_packed_cursor_open(const struct graven_packed *packed,
                                        struct graven_packed_cursor **cursor);

// Moves to the first entry whose key is not smaller than `key`; after the last, if there is none.
// Costs one search. `key` may be a slice that the cursor has lent. Otherwise as
// graven_packed_cursor_next().
graven_status graven_packed_cursor_seek_ceil(struct graven_packed_cursor *cursor,
                                             const void *key,
                                             size_t key_len,
                                             struct graven_slice *found_key,
                                             struct graven_slice *found_value);

// Moves to the last entry whose key is not greater than `key`; before the first, if there is none.
// Otherwise as graven_packed_cursor_seek_ceil().
graven_status graven_packed_cursor_seek_floor(struct graven_packed_cursor *cursor,
                                              const void *key,
                                              size_t key_len,
                                              struct graven_slice *found_key,
                                              struct graven_slice *found_value);

// Moves to the first entry. Gives GRAVEN_NOT_FOUND in an empty table. Otherwise as
// graven_packed_cursor_next().
graven_status graven_packed_cursor_first(struct graven_packed_cursor *cursor,
                                         struct graven_slice *key,
                                         struct graven_slice *value);

// Moves to the last entry. Gives GRAVEN_NOT_FOUND in an empty table. Otherwise as
// graven_packed_cursor_next().
graven_status graven_packed_cursor_last(struct graven_packed_cursor *cursor,
                                        struct graven_slice *key,
                                        struct graven_slice *value);

// Moves to the next entry; after the last, if there is none. `key` and `value` get the entry; each
// may be NULL, and a value that is not wanted is not decoded. The slices are valid until the next call
// with the cursor.
//
// Gives GRAVEN_OK, GRAVEN_NOT_FOUND at the end, GRAVEN_ERR_DAMAGED, GRAVEN_ERR_LOST_PAGE,
// GRAVEN_ERR_INVALID_ARGUMENT. After an error the cursor is before the first entry, or on one that does
// not decode; graven_packed_cursor_entry() tells. One thread at a time.
graven_status graven_packed_cursor_next(struct graven_packed_cursor *cursor,
                                        struct graven_slice *key,
                                        struct graven_slice *value);

// Moves to the entry before; before the first, if there is none. Otherwise as
// graven_packed_cursor_next().
graven_status graven_packed_cursor_prev(struct graven_packed_cursor *cursor,
                                        struct graven_slice *key,
                                        struct graven_slice *value);

// The entry on which the cursor stands, without a move. `key` and `value` get it; each may be NULL.
// Ends the slices of the call before.
//
// Gives GRAVEN_OK, GRAVEN_NOT_FOUND if the cursor is on no entry, GRAVEN_ERR_DAMAGED if the entry does
// not decode, GRAVEN_ERR_LOST_PAGE, GRAVEN_ERR_INVALID_ARGUMENT. One thread at a time.
graven_status graven_packed_cursor_entry(struct graven_packed_cursor *cursor,
                                         struct graven_slice *key,
                                         struct graven_slice *value);

// Closes a cursor, and so ends its slices. NULL is allowed. Any thread, if no other one uses the
// cursor.
void graven_packed_cursor_close(struct graven_packed_cursor *cursor);

// Opens the table at `path` and follows the path from then on, as graven_live_open() does, but takes
// packed tables and plain ones, as graven_packed_open() does.
//
// `path`: a string. `options`: NULL for the defaults; they hold for later tables as well. `live`:
// gets the handle, which the caller closes with graven_packed_live_close().
//
// Gives what graven_packed_open() gives. Any thread.
graven_status graven_packed_live_open(const char *path,
                                      const struct graven_open_options *options,
                                      struct graven_packed_live **live);

// Pins the current table: one version for a whole request. Never waits; costs an allocation and an
// atomic count.
//
// `packed`: gets the handle, which the caller closes with graven_packed_close(); it may outlive `live`.
//
// Gives GRAVEN_OK, GRAVEN_ERR_INVALID_ARGUMENT. Any thread, several at once.
graven_status graven_packed_live_pin(const struct graven_packed_live *live,
                                     struct graven_packed **packed);

// Looks for another table at the path, and swaps it in, as graven_live_refresh() does.
//
// `swapped`: NULL, or gets 1 if a new table is served, 0 if the content is the same.
//
// Gives GRAVEN_OK and the errors of graven_packed_open(); the old table is served then, until a refresh
// succeeds. Any thread, several at once.
graven_status graven_packed_live_refresh(const struct graven_packed_live *live,
                                         int32_t *swapped);

// Starts a thread that refreshes every `interval_ms` milliseconds, plus a random part of `jitter_ms`.
// Otherwise as graven_live_refresh_every().
graven_status graven_packed_live_refresh_every(const struct graven_packed_live *live,
                                               uint64_t interval_ms,
                                               uint64_t jitter_ms);

// Sets a function that is called each time after a new table was swapped in; NULL: none. Otherwise as
// graven_live_on_swap().
graven_status graven_packed_live_on_swap(const struct graven_packed_live *live,
                                         graven_swap_fn function,
                                         void *user);

// Sets a function that is called each time a refresh fails. Otherwise as graven_live_on_swap().
graven_status graven_packed_live_on_failure(const struct graven_packed_live *live,
                                            graven_failure_fn function,
                                            void *user);

// What is served. `live_status`: a struct whose `size` is set. Allocates.
//
// Gives GRAVEN_OK, GRAVEN_ERR_INVALID_ARGUMENT. Any thread, several at once.
graven_status graven_packed_live_get_status(const struct graven_packed_live *live,
                                            struct graven_live_status *live_status);

// Why the last refresh failed. Otherwise as graven_live_failure().
graven_status graven_packed_live_failure(const struct graven_packed_live *live,
                                         char *buffer,
                                         size_t capacity,
                                         size_t *needed);

// The name of the version that is served from a versioned directory. Otherwise as
// graven_live_version().
graven_status graven_packed_live_version(const struct graven_packed_live *live,
                                         char *buffer,
                                         size_t capacity,
                                         size_t *needed);

// Closes the handle, and ends its thread. Pinned tables stay valid. No other thread may be using the
// handle. NULL is allowed.
void graven_packed_live_close(struct graven_packed_live *live);

// Installs a guard for the whole process and all its tables, also those that are open already.
// Without it, a page that can't be read under a mapped table (the file was truncated, its network
// file system went away, its disk failed) raises SIGBUS, which ends the process. With it, lookups in
// that table give GRAVEN_ERR_LOST_PAGE, and the process and all other tables go on. Slices that were
// handed out before read as zeros where the page is gone; graven_table_is_faulted() tells.
//
// Call it once, after crash handlers were installed: a handler that was there before gets every
// SIGBUS that is not a table's, and one that is installed later replaces the guard. The guard
// watches 4,096 mapped tables at a time.
//
// Gives GRAVEN_OK, also if the guard is there already, GRAVEN_ERR_UNSUPPORTED on systems other than
// Linux, GRAVEN_ERR_IO. Any thread.
graven_status graven_sigbus_install(void);

// 1 if graven_sigbus_install() has succeeded in this process, otherwise 0. Any thread.
int32_t graven_sigbus_is_installed(void);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* GRAVEN_H */

/* Options with their defaults: zeros, and the size of this header's struct. */
static inline graven_open_options graven_open_options_init(void) {
    graven_open_options options;
    memset(&options, 0, sizeof options);
    options.size = sizeof options;
    return options;
}

/* Options with their defaults: zeros, and the size of this header's struct. */
static inline graven_build_options graven_build_options_init(void) {
    graven_build_options options;
    memset(&options, 0, sizeof options);
    options.size = sizeof options;
    return options;
}

/* Options with their defaults: zeros, and the size of this header's struct. */
static inline graven_set_options graven_set_options_init(void) {
    graven_set_options options;
    memset(&options, 0, sizeof options);
    options.size = sizeof options;
    return options;
}

/* Options with their defaults: zeros, and the size of this header's struct. */
static inline graven_set_build_options graven_set_build_options_init(void) {
    graven_set_build_options options;
    memset(&options, 0, sizeof options);
    options.size = sizeof options;
    return options;
}

/* A slice of a string, without its NUL. */
static inline graven_slice graven_slice_of(const char *string) {
    graven_slice slice;
    slice.data = (const uint8_t *)string;
    slice.len = strlen(string);
    return slice;
}
