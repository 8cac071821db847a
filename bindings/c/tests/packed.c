/* Guards against a packed table that answers otherwise than a plain one of the same entries, a slice
   that is gone while it is lent, and a value that takes more memory than its reader allows. */

#include "check.h"
#include <pthread.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { SECTIONS = 20, PAGES = 50, ENTRIES = SECTIONS * (PAGES + 1) };

typedef struct way {
    const char *name;
    int32_t compression, level, dictionary_bytes, compact_keys;
} way;

/* All ways to pack a table; the first one packs nothing. */
static const way WAYS[] = {
    {"plain", GRAVEN_COMPRESSION_NONE, 0, 0, 0},
    {"zstd", GRAVEN_COMPRESSION_ZSTD, 0, 0, 0},
    {"zstd-1", GRAVEN_COMPRESSION_ZSTD, 1, -1, 0},
    {"zstd-9", GRAVEN_COMPRESSION_ZSTD, 9, 4096, 0},
    {"fsst", GRAVEN_COMPRESSION_FSST, 0, 0, 0},
    {"keys", GRAVEN_COMPRESSION_NONE, 0, 0, 1},
    {"zstd-keys", GRAVEN_COMPRESSION_ZSTD, 0, 0, 1},
    {"fsst-keys", GRAVEN_COMPRESSION_FSST, 0, 0, 1},
};

static graven_build_options options_of(const way *way_) {
    graven_build_options options = graven_build_options_init();
    options.compression = way_->compression;
    options.compression_level = way_->level;
    options.dictionary_bytes = way_->dictionary_bytes;
    options.compact_keys = way_->compact_keys;
    options.not_durable = 1;
    return options;
}

static int same(graven_slice left, graven_slice right) {
    return left.len == right.len && left.data != NULL && right.data != NULL
           && memcmp(left.data, right.data, left.len) == 0;
}

static graven_packed *opened_packed(const char *name) {
    graven_packed *packed;
    CHECK_OK(graven_packed_open(path_of(name), NULL, &packed));
    return packed;
}

/* Sections, each a key that is a prefix of those of its pages. Some values are empty. */
static void write_pages(const char *name, const way *way_, graven_build_summary *summary) {
    graven_build_options options = options_of(way_);
    graven_builder *builder;
    char key[64], value[256];
    unsigned section, page;
    CHECK_OK(graven_builder_create(path_of(name), &options, &builder));
    for (section = 0; section < SECTIONS; section++) {
        snprintf(key, sizeof key, "https://example.org/section-%02u", section);
        CHECK_OK(graven_builder_insert(builder, key, strlen(key), "", 0));
        for (page = 0; page < PAGES; page++) {
            unsigned number = (section * PAGES + page) * 2654435761u >> 12;
            snprintf(key, sizeof key, "https://example.org/section-%02u/page-%04u", section, page);
            snprintf(value, sizeof value,
                     "{\"title\":\"Page %u of section %u\",\"author\":\"The Authors of example.org\","
                     "\"number\":%u,\"licence\":\"CC BY-SA 4.0\"}",
                     page, section, number);
            CHECK_OK(graven_builder_insert(builder, key, strlen(key), value, strlen(value)));
        }
    }
    CHECK_OK(graven_builder_finish(builder, summary));
    graven_builder_close(builder);
}

/* Every lookup by one key. */
static void compare_key(const graven_table *plain, const graven_packed *packed, const void *key,
                        size_t len, graven_buffer *buffer, graven_packed_cursor *cursor) {
    graven_slice key_1, value_1, key_2, value_2;
    uint64_t rank_1, rank_2;
    int32_t status = graven_get(plain, key, len, &value_1);
    CHECK(status >= 0);
    CHECK_STATUS(status, graven_packed_contains(packed, key, len));
    CHECK_STATUS(status, graven_packed_get(packed, key, len, buffer, &value_2));
    CHECK(status == GRAVEN_NOT_FOUND || same(value_1, value_2));

    status = graven_floor(plain, key, len, &key_1, &value_1);
    CHECK_STATUS(status, graven_packed_floor(packed, key, len, buffer, &key_2, &value_2));
    CHECK(status == GRAVEN_NOT_FOUND || (same(key_1, key_2) && same(value_1, value_2)));
    CHECK_STATUS(status, graven_packed_cursor_seek_floor(cursor, key, len, &key_2, &value_2));
    CHECK(status == GRAVEN_NOT_FOUND || (same(key_1, key_2) && same(value_1, value_2)));

    status = graven_ceil(plain, key, len, &key_1, &value_1);
    CHECK_STATUS(status, graven_packed_ceil(packed, key, len, buffer, &key_2, &value_2));
    CHECK(status == GRAVEN_NOT_FOUND || (same(key_1, key_2) && same(value_1, value_2)));
    CHECK_STATUS(status, graven_packed_cursor_seek_ceil(cursor, key, len, &key_2, &value_2));
    CHECK(status == GRAVEN_NOT_FOUND || (same(key_1, key_2) && same(value_1, value_2)));

    status = graven_longest_prefix(plain, key, len, &key_1, &value_1);
    CHECK_STATUS(status, graven_packed_longest_prefix(packed, key, len, buffer, &key_2, &value_2));
    CHECK(status == GRAVEN_NOT_FOUND || (same(key_1, key_2) && same(value_1, value_2)));

    CHECK_OK(graven_rank(plain, key, len, &rank_1));
    CHECK_OK(graven_packed_rank(packed, key, len, &rank_2));
    CHECK(rank_1 == rank_2);
}

/* Entries in order, both ways, whole and in parts. */
static void compare_walks(const graven_table *plain, const graven_packed *packed,
                          graven_buffer *buffer) {
    graven_packed_cursor *cursor;
    graven_cursor *expected;
    graven_slice key_1, value_1, key_2, value_2;
    uint64_t rank = 0;
    int32_t status;
    CHECK_OK(graven_cursor_open(plain, &expected));
    CHECK_OK(graven_packed_cursor_open(packed, &cursor));
    CHECK_STATUS(GRAVEN_NOT_FOUND, graven_packed_cursor_entry(cursor, &key_2, &value_2));
    do {
        status = graven_cursor_next(expected, &key_1, &value_1);
        CHECK_STATUS(status, graven_packed_cursor_next(cursor, &key_2, &value_2));
        CHECK_STATUS(status, graven_packed_cursor_entry(cursor, NULL, NULL));
        if (status == GRAVEN_OK) {
            CHECK_OK(graven_packed_cursor_entry(cursor, &key_2, &value_2));
            CHECK(same(key_1, key_2) && same(value_1, value_2));
            CHECK_OK(graven_packed_cursor_entry(cursor, NULL, &value_2));
            CHECK(same(value_1, value_2));
            CHECK_OK(graven_packed_cursor_entry(cursor, &key_2, NULL));
            CHECK(same(key_1, key_2));
        }
        CHECK_STATUS(status, graven_packed_nth(packed, rank, buffer, &key_2, &value_2));
        CHECK(status == GRAVEN_NOT_FOUND || (same(key_1, key_2) && same(value_1, value_2)));
        rank++;
    } while (status == GRAVEN_OK);
    CHECK(rank == graven_packed_len(packed) + 1);
    do {
        status = graven_cursor_prev(expected, &key_1, &value_1);
        CHECK_STATUS(status, graven_packed_cursor_prev(cursor, &key_2, &value_2));
        CHECK(status == GRAVEN_NOT_FOUND || (same(key_1, key_2) && same(value_1, value_2)));
    } while (status == GRAVEN_OK);

    status = graven_first(plain, &key_1, &value_1);
    CHECK_STATUS(status, graven_packed_first(packed, buffer, &key_2, &value_2));
    CHECK(status == GRAVEN_NOT_FOUND || (same(key_1, key_2) && same(value_1, value_2)));
    CHECK_STATUS(status, graven_packed_cursor_first(cursor, &key_2, NULL));
    CHECK(status == GRAVEN_NOT_FOUND || same(key_1, key_2));
    status = graven_last(plain, &key_1, &value_1);
    CHECK_STATUS(status, graven_packed_last(packed, buffer, &key_2, &value_2));
    CHECK(status == GRAVEN_NOT_FOUND || (same(key_1, key_2) && same(value_1, value_2)));
    CHECK_STATUS(status, graven_packed_cursor_last(cursor, NULL, &value_2));
    CHECK(status == GRAVEN_NOT_FOUND || same(value_1, value_2));
    CHECK_STATUS(status, graven_packed_last(packed, buffer, NULL, NULL));
    graven_packed_cursor_close(cursor);
    graven_cursor_close(expected);
}

static void compare(const graven_table *plain, const graven_packed *packed) {
    enum { MOST = 2 * ENTRIES + 1 };
    graven_slice *keys = (graven_slice *)malloc(MOST * sizeof *keys);
    graven_slice *values = (graven_slice *)malloc(MOST * sizeof *values);
    char(*absent)[64] = (char(*)[64])malloc(ENTRIES * sizeof *absent);
    graven_packed_cursor *cursor;
    graven_buffer *buffer;
    graven_bounds bounds;
    graven_iter *iter;
    graven_slice value;
    uint64_t count_1, count_2;
    size_t i, count = 0;
    CHECK(keys != NULL && values != NULL && absent != NULL);
    CHECK_OK(graven_buffer_open(0, &buffer));
    CHECK(graven_packed_len(packed) == graven_table_len(plain));
    compare_walks(plain, packed, buffer);

    /* Each key, and one that is not there, right behind it. */
    CHECK_OK(graven_range(plain, NULL, &iter));
    while (graven_iter_next(iter, &keys[count], NULL) == GRAVEN_OK) {
        memcpy(absent[count / 2], keys[count].data, keys[count].len);
        absent[count / 2][keys[count].len] = '!';
        keys[count + 1].data = (const uint8_t *)absent[count / 2];
        keys[count + 1].len = keys[count].len + 1;
        count += 2;
    }
    graven_iter_close(iter);
    keys[count].data = NULL;
    keys[count++].len = 0;
    CHECK_OK(graven_packed_cursor_open(packed, &cursor));
    for (i = 0; i < count; i++)
        compare_key(plain, packed, keys[i].data, keys[i].len, buffer, cursor);
    CHECK_OK(graven_packed_get_many(packed, keys, count, buffer, values));
    for (i = 0; i < count; i++) {
        if (graven_get(plain, keys[i].data, keys[i].len, &value) == GRAVEN_OK)
            CHECK(same(value, values[i]));
        else
            CHECK(values[i].data == NULL && values[i].len == 0);
    }
    CHECK_OK(graven_packed_get_many(packed, NULL, 0, buffer, NULL));

    CHECK_OK(graven_packed_count(packed, NULL, &count_2));
    CHECK(count_2 == graven_table_len(plain));
    memset(&bounds, 0, sizeof bounds);
    bounds.lower = graven_slice_of("https://example.org/section-03");
    bounds.lower_bound = GRAVEN_BOUND_EXCLUDED;
    bounds.upper = graven_slice_of("https://example.org/section-07");
    bounds.upper_bound = GRAVEN_BOUND_INCLUDED;
    CHECK_OK(graven_count(plain, &bounds, &count_1));
    CHECK_OK(graven_packed_count(packed, &bounds, &count_2));
    CHECK(count_1 == count_2);
    graven_packed_cursor_close(cursor);
    graven_buffer_close(buffer);
    free(absent);
    free(values);
    free(keys);
}

static void stats_of(const graven_packed *packed, const way *way_,
                     const graven_build_summary *summary) {
    graven_stats stats, of_stored;
    graven_verify_report report;
    graven_section sections[20];
    graven_table *stored;
    uint8_t build_id[16];
    size_t count, i, packings = 0;
    stats.size = of_stored.size = sizeof stats;
    report.size = sizeof report;
    CHECK_OK(graven_packed_stats(packed, &stats));
    CHECK(stats.entries == ENTRIES && stats.compression == way_->compression);
    CHECK(stats.compact_keys == way_->compact_keys);
    CHECK(stats.key_bytes == summary->stored_key_bytes);
    CHECK(stats.value_bytes == summary->stored_value_bytes);
    CHECK(stats.unpacked_key_bytes == summary->key_bytes);
    CHECK(stats.unpacked_value_bytes == summary->value_bytes);
    CHECK(stats.unpacked_key_len_max == 40 && stats.unpacked_value_len_max > 100);
    CHECK((stats.key_bytes < stats.unpacked_key_bytes) == way_->compact_keys);
    if (way_->compression == GRAVEN_COMPRESSION_NONE)
        CHECK(stats.value_bytes == stats.unpacked_value_bytes);
    else if (way_->dictionary_bytes != -1)
        CHECK(stats.value_bytes * 2 < stats.unpacked_value_bytes);
    CHECK((stats.codec_version != 0) == (way_->compression != 0));
    CHECK((stats.key_dictionary_bytes != 0) == way_->compact_keys);
    CHECK((stats.dictionary_bytes != 0)
          == (way_->compression != 0 && way_->dictionary_bytes != -1));
    CHECK(way_->dictionary_bytes <= 0 || stats.dictionary_bytes <= 4096);
    if (way_->compression == GRAVEN_COMPRESSION_ZSTD)
        CHECK(stats.compression_level == (way_->level == 0 ? 3u : (unsigned)way_->level));

    CHECK_OK(graven_packed_verify(packed, NULL, NULL, &report));
    CHECK(report.entries == ENTRIES && report.keys == ENTRIES);
    CHECK_OK(graven_packed_stored(packed, &stored));
    CHECK_OK(graven_table_stats(stored, &of_stored));
    CHECK(memcmp(&stats, &of_stored, sizeof stats) == 0);
    CHECK_OK(graven_table_build_id(stored, build_id));
    CHECK(memcmp(build_id, summary->build_id, 16) == 0);
    CHECK_OK(graven_table_sections(stored, sections, 20, &count));
    CHECK(count <= 20);
    for (i = 0; i < count; i++)
        packings += sections[i].kind == GRAVEN_SECTION_PACKING;
    CHECK(packings == (way_->compression != 0 || way_->compact_keys != 0));
    CHECK(strcmp(graven_section_name(GRAVEN_SECTION_PACKING), "packing") == 0);
    graven_table_close(stored);
}

static int32_t stop(void *user, int32_t phase, uint64_t done, uint64_t total) {
    (void)done;
    (void)total;
    return phase == *(int32_t *)user;
}

/* One key. Closes the packed table. */
static void compare_one(const graven_table *plain, graven_packed *packed) {
    graven_packed_cursor *cursor;
    graven_buffer *buffer;
    CHECK_OK(graven_buffer_open(0, &buffer));
    CHECK_OK(graven_packed_cursor_open(packed, &cursor));
    compare_key(plain, packed, "https://example.org/section-07/page-0008", 40, buffer, cursor);
    graven_packed_cursor_close(cursor);
    graven_buffer_close(buffer);
    graven_packed_close(packed);
}

static void round_trips(void) {
    graven_table *plain = NULL, *refused;
    graven_packed *packed;
    graven_build_summary summary;
    graven_live *live;
    int32_t never = -1, first = 0;
    size_t i;
    summary.size = sizeof summary;
    for (i = 0; i < COUNT(WAYS); i++) {
        unsigned char *data;
        size_t len;
        const char *name = WAYS[i].name;
        write_pages(name, &WAYS[i], &summary);
        packed = opened_packed(name);
        if (i == 0) {
            CHECK_OK(graven_open(path_of(name), NULL, &plain));
        } else {
            CHECK_ERROR(GRAVEN_ERR_NEEDS_BUFFER, graven_open(path_of(name), NULL, &refused),
                        "packed");
            CHECK_STATUS(GRAVEN_ERR_NEEDS_BUFFER, graven_load(path_of(name), NULL, &refused));
            CHECK_STATUS(GRAVEN_ERR_NEEDS_BUFFER, graven_live_open(path_of(name), NULL, &live));
        }
        compare(plain, packed);
        stats_of(packed, &WAYS[i], &summary);
        CHECK_OK(graven_packed_verify(packed, stop, &never, NULL));
        CHECK_STATUS(GRAVEN_ERR_CANCELLED, graven_packed_verify(packed, stop, &first, NULL));
        graven_packed_close(packed);

        CHECK_OK(graven_packed_load(path_of(name), NULL, &packed));
        compare_one(plain, packed);
        data = contents(path_of(name), &len);
        CHECK_OK(graven_packed_from_memory(data, len, NULL, &packed));
        compare_one(plain, packed);
        CHECK_OK(graven_packed_from_copy(data, len, NULL, &packed));
        memset(data, 0, len);
        free(data);
        compare_one(plain, packed);
    }
    graven_table_close(plain);
}

static void empty_tables(void) {
    size_t i;
    for (i = 0; i < COUNT(WAYS); i++) {
        graven_build_options options = options_of(&WAYS[i]);
        graven_table *plain = opened("nothing", NULL, NULL, 0);
        graven_packed *packed;
        graven_slice key = {NULL, 7};
        build(path_of("packed-nothing"), &options, NULL, 0);
        packed = opened_packed("packed-nothing");
        compare(plain, packed);
        CHECK_OK(graven_packed_verify(packed, NULL, NULL, NULL));
        {
            graven_buffer *buffer;
            CHECK_OK(graven_buffer_open(0, &buffer));
            CHECK_STATUS(GRAVEN_NOT_FOUND, graven_packed_first(packed, buffer, &key, NULL));
            CHECK(key.data == NULL && key.len == 7);
            graven_buffer_close(buffer);
        }
        graven_packed_close(packed);
        graven_table_close(plain);
    }
}

/* A limit refuses what is decoded, and nothing that stands as it is. */
static void limits(void) {
    static const int32_t codecs[] = {GRAVEN_COMPRESSION_ZSTD, GRAVEN_COMPRESSION_FSST};
    size_t i;
    for (i = 0; i < COUNT(codecs); i++) {
        graven_build_options options = graven_build_options_init();
        graven_buffer *small, *exact;
        graven_packed_cursor *cursor;
        graven_builder *builder;
        graven_packed *packed;
        graven_slice keys[2], values[2], value;
        char text[3000], noise[3000];
        unsigned at, state = 1;
        for (at = 0; at < sizeof text; at++) {
            text[at] = "limit "[at % 6];
            state = state * 1664525u + 1013904223u;
            noise[at] = (char)(state >> 24);
        }
        options.compression = codecs[i];
        CHECK_OK(graven_builder_create(path_of("limit"), &options, &builder));
        CHECK_OK(graven_builder_insert(builder, "noise", 5, noise, sizeof noise));
        CHECK_OK(graven_builder_insert(builder, "text", 4, text, sizeof text));
        CHECK_OK(graven_builder_finish(builder, NULL));
        graven_builder_close(builder);
        packed = opened_packed("limit");
        CHECK_OK(graven_buffer_open(sizeof text - 1, &small));
        CHECK_OK(graven_buffer_open(sizeof text, &exact));
        CHECK_ERROR(GRAVEN_ERR_TOO_LONG, graven_packed_get(packed, "text", 4, small, &value), "2999");
        CHECK(strcmp(graven_strerror(GRAVEN_ERR_TOO_LONG), "too long") == 0);
        CHECK_STATUS(GRAVEN_ERR_TOO_LONG, graven_packed_last(packed, small, NULL, NULL));
        CHECK_STATUS(GRAVEN_ERR_TOO_LONG, graven_packed_ceil(packed, "o", 1, small, NULL, NULL));
        CHECK_OK(graven_packed_get(packed, "text", 4, exact, &value));
        CHECK(value.len == sizeof text && memcmp(value.data, text, sizeof text) == 0);
        CHECK_OK(graven_packed_get(packed, "noise", 5, small, &value));
        CHECK(value.len == sizeof noise && memcmp(value.data, noise, sizeof noise) == 0);
        keys[0] = graven_slice_of("noise");
        keys[1] = graven_slice_of("text");
        CHECK_STATUS(GRAVEN_ERR_TOO_LONG, graven_packed_get_many(packed, keys, 2, small, values));
        CHECK_OK(graven_packed_get_many(packed, keys, 2, exact, values));
        CHECK(values[0].len == sizeof noise && memcmp(values[0].data, noise, sizeof noise) == 0);
        CHECK(values[1].len == sizeof text && memcmp(values[1].data, text, sizeof text) == 0);
        /* A buffer that was refused serves on. */
        CHECK_OK(graven_packed_contains(packed, "text", 4));
        CHECK_OK(graven_packed_first(packed, small, NULL, &value));
        CHECK(value.len == sizeof noise);
        /* A cursor has none. */
        CHECK_OK(graven_packed_cursor_open(packed, &cursor));
        CHECK_OK(graven_packed_cursor_last(cursor, NULL, &value));
        CHECK(value.len == sizeof text && memcmp(value.data, text, sizeof text) == 0);
        graven_packed_cursor_close(cursor);
        graven_buffer_close(exact);
        graven_buffer_close(small);
        graven_packed_close(packed);
    }
}

/* What was lent is asked for: the lookup must not overwrite it before it has read it. */
static void keys_that_were_lent(void) {
    size_t i;
    for (i = 0; i < COUNT(WAYS); i++) {
        graven_build_options options = options_of(&WAYS[i]);
        graven_packed_cursor *cursor;
        graven_buffer *buffer;
        graven_builder *builder;
        graven_packed *packed;
        graven_slice key, value, values[3];
        char name[32], next[32];
        unsigned at, steps = 0;
        /* A list: each value is the key of the next entry. */
        CHECK_OK(graven_builder_create(path_of("list"), &options, &builder));
        for (at = 0; at < 1000; at++) {
            snprintf(name, sizeof name, "the-item-number-%06u", at);
            snprintf(next, sizeof next, "the-item-number-%06u", at + 1);
            CHECK_OK(graven_builder_insert(builder, name, 22, next, 22));
        }
        CHECK_OK(graven_builder_finish(builder, NULL));
        graven_builder_close(builder);
        packed = opened_packed("list");
        CHECK_OK(graven_buffer_open(0, &buffer));

        value = graven_slice_of("the-item-number-000000");
        while (graven_packed_get(packed, value.data, value.len, buffer, &value) == GRAVEN_OK)
            steps++;
        CHECK(steps == 1000);
        CHECK_OK(graven_packed_first(packed, buffer, &key, &value));
        for (steps = 1; graven_packed_ceil(packed, value.data, value.len, buffer, &key, &value)
                        == GRAVEN_OK; steps++) {
            snprintf(name, sizeof name, "the-item-number-%06u", steps);
            CHECK_SLICE(name, key);
        }
        CHECK(steps == 1000);
        CHECK_OK(graven_packed_last(packed, buffer, &key, NULL));
        CHECK_OK(graven_packed_floor(packed, key.data, key.len - 1, buffer, &key, &value));
        CHECK_SLICE("the-item-number-000989", key);
        CHECK_OK(graven_packed_longest_prefix(packed, key.data, key.len, buffer, &key, NULL));
        CHECK_SLICE("the-item-number-000989", key);

        values[0] = values[1] = graven_slice_of("the-item-number-000000");
        values[2] = graven_slice_of("the-item-number-000500");
        for (steps = 1; steps < 400; steps++) {
            graven_slice keys[3];
            memcpy(keys, values, sizeof keys);
            CHECK_OK(graven_packed_get_many(packed, keys, 3, buffer, values));
            snprintf(name, sizeof name, "the-item-number-%06u", steps);
            CHECK_SLICE(name, values[1]);
            snprintf(name, sizeof name, "the-item-number-%06u", steps + 500);
            CHECK_SLICE(name, values[2]);
        }
        CHECK_OK(graven_packed_cursor_open(packed, &cursor));
        CHECK_OK(graven_packed_cursor_first(cursor, &key, &value));
        for (steps = 1; graven_packed_cursor_seek_ceil(cursor, value.data, value.len, &key, &value)
                        == GRAVEN_OK; steps++) {
            snprintf(name, sizeof name, "the-item-number-%06u", steps);
            CHECK_SLICE(name, key);
        }
        CHECK(steps == 1000);
        CHECK_OK(graven_packed_cursor_last(cursor, &key, NULL));
        CHECK_OK(graven_packed_cursor_seek_floor(cursor, key.data, key.len - 1, &key, &value));
        CHECK_SLICE("the-item-number-000989", key);
        CHECK_SLICE("the-item-number-000990", value);
        graven_packed_cursor_close(cursor);
        graven_buffer_close(buffer);
        graven_packed_close(packed);
    }
}

/* One buffer for two tables, and handles that are closed in any order. */
static void closing(void) {
    graven_packed *fsst = opened_packed("fsst-keys"), *zstd = opened_packed("zstd");
    graven_packed_cursor *cursor;
    graven_buffer *buffer;
    graven_table *stored;
    graven_slice key, value;
    CHECK_OK(graven_buffer_open(0, &buffer));
    CHECK_OK(graven_packed_first(fsst, buffer, &key, &value));
    CHECK_SLICE("https://example.org/section-00", key);
    CHECK_OK(graven_packed_last(zstd, buffer, &key, &value));
    CHECK_SLICE("https://example.org/section-19/page-0049", key);
    CHECK_OK(graven_packed_cursor_open(fsst, &cursor));
    CHECK_OK(graven_packed_stored(zstd, &stored));
    graven_packed_close(fsst);
    graven_packed_close(zstd);
    CHECK_OK(graven_packed_cursor_last(cursor, &key, &value));
    CHECK_SLICE("https://example.org/section-19/page-0049", key);
    CHECK(graven_table_len(stored) == ENTRIES && graven_table_is_faulted(stored) == 0);
    graven_buffer_close(buffer);
    CHECK_OK(graven_packed_cursor_entry(cursor, &key, &value));
    CHECK_SLICE("https://example.org/section-19/page-0049", key);
    graven_packed_cursor_close(cursor);
    graven_table_close(stored);
    graven_packed_cursor_close(NULL);
    graven_buffer_close(NULL);
    graven_packed_close(NULL);
    CHECK(graven_packed_len(NULL) == 0);
}

static void damage(void) {
    graven_packed *packed;
    graven_packed_cursor *cursor;
    graven_open_options options = graven_open_options_init();
    graven_buffer *buffer;
    graven_slice key, value;
    unsigned char *data;
    size_t len;
    int32_t status;
    data = contents(path_of("fsst-keys"), &len);
    data[4096 + 100] ^= 1; /* a record on the second page */
    write_file(path_of("packed-damaged"), data, len);
    CHECK_OK(graven_buffer_open(0, &buffer));
    packed = opened_packed("packed-damaged");
    CHECK_ERROR(GRAVEN_ERR_DAMAGED, graven_packed_verify(packed, NULL, NULL, NULL),
                path_of("packed-damaged"));
    CHECK_OK(graven_packed_cursor_open(packed, &cursor));
    while ((status = graven_packed_cursor_next(cursor, &key, &value)) == GRAVEN_OK) {
    }
    CHECK_STATUS(GRAVEN_ERR_DAMAGED, status);
    CHECK_STATUS(GRAVEN_NOT_FOUND, graven_packed_cursor_entry(cursor, NULL, NULL));
    graven_packed_cursor_close(cursor);
    CHECK_OK(graven_packed_last(packed, buffer, &key, &value));
    graven_packed_close(packed);
    options.page_checks = GRAVEN_PAGE_CHECKS_AT_OPEN;
    CHECK_STATUS(GRAVEN_ERR_DAMAGED,
                 graven_packed_open(path_of("packed-damaged"), &options, &packed));
    write_file(path_of("packed-damaged"), data, len - 1);
    CHECK_STATUS(GRAVEN_ERR_DAMAGED, graven_packed_open(path_of("packed-damaged"), NULL, &packed));
    CHECK_STATUS(GRAVEN_ERR_DAMAGED, graven_packed_from_copy(data, len - 1, NULL, &packed));
    CHECK_STATUS(GRAVEN_ERR_NOT_A_TABLE, graven_packed_open(golden("patch.grv"), NULL, &packed));
    CHECK_STATUS(GRAVEN_ERR_IO, graven_packed_open(path_of("none"), NULL, &packed));
    graven_buffer_close(buffer);
    free(data);
}

/* The file is truncated under the mapping; the tests of damage have installed the guard. */
static void a_lost_page(void) {
    size_t i;
    for (i = 1; i < COUNT(WAYS); i++) {
        graven_packed *packed;
        graven_packed_cursor *cursor;
        graven_buffer *buffer;
        graven_slice key, value;
        graven_table *stored;
        uint64_t rank = 0;
        int32_t status;
        write_pages("packed-lost", &WAYS[i], NULL);
        packed = opened_packed("packed-lost");
        CHECK(chmod(path_of("packed-lost"), 0600) == 0);
        CHECK(truncate(path_of("packed-lost"), 8192) == 0);
        CHECK_OK(graven_buffer_open(0, &buffer));
        do {
            status = graven_packed_nth(packed, rank++, buffer, &key, &value);
        } while (status == GRAVEN_OK);
        CHECK_ERROR(GRAVEN_ERR_LOST_PAGE, status, path_of("packed-lost"));
        CHECK_OK(graven_packed_cursor_open(packed, &cursor));
        CHECK_STATUS(GRAVEN_ERR_LOST_PAGE, graven_packed_cursor_last(cursor, &key, &value));
        CHECK_STATUS(GRAVEN_ERR_LOST_PAGE, graven_packed_verify(packed, NULL, NULL, NULL));
        CHECK_OK(graven_packed_stored(packed, &stored));
        CHECK(graven_table_is_faulted(stored) == 1);
        graven_table_close(stored);
        graven_packed_cursor_close(cursor);
        graven_buffer_close(buffer);
        graven_packed_close(packed);
    }
}

#define REFUSED(call, part) CHECK_ERROR(GRAVEN_ERR_INVALID_ARGUMENT, call, part)

static void arguments(void) {
    graven_packed *packed = opened_packed("zstd");
    graven_packed_cursor *cursor;
    graven_buffer *buffer;
    graven_stats stats;
    graven_table *table;
    graven_slice slice;
    uint64_t number;
    CHECK_OK(graven_buffer_open(0, &buffer));
    CHECK_OK(graven_packed_cursor_open(packed, &cursor));
    stats.size = sizeof stats;
    REFUSED(graven_buffer_open(0, NULL), "`buffer`");
    REFUSED(graven_packed_open(NULL, NULL, &packed), "`path`");
    REFUSED(graven_packed_open("", NULL, NULL), "`packed`");
    REFUSED(graven_packed_load(NULL, NULL, &packed), "`path`");
    REFUSED(graven_packed_load("", NULL, NULL), "`packed`");
    REFUSED(graven_packed_from_memory(NULL, 1, NULL, &packed), "`data`");
    REFUSED(graven_packed_from_memory("", 0, NULL, NULL), "`packed`");
    REFUSED(graven_packed_from_copy(NULL, 1, NULL, &packed), "`data`");
    REFUSED(graven_packed_from_copy("", 0, NULL, NULL), "`packed`");
    REFUSED(graven_packed_stats(NULL, &stats), "`packed`");
    REFUSED(graven_packed_stats(packed, NULL), "`stats`");
    stats.size = 1;
    REFUSED(graven_packed_stats(packed, &stats), "graven_stats.size is 1");
    REFUSED(graven_packed_stored(NULL, &table), "`packed`");
    REFUSED(graven_packed_stored(packed, NULL), "`table`");
    REFUSED(graven_packed_verify(NULL, NULL, NULL, NULL), "`packed`");
    REFUSED(graven_packed_get(NULL, "a", 1, buffer, &slice), "`packed`");
    REFUSED(graven_packed_get(packed, NULL, 1, buffer, &slice), "`key`");
    REFUSED(graven_packed_get(packed, "a", 1, NULL, &slice), "`buffer`");
    REFUSED(graven_packed_get(packed, "a", 1, buffer, NULL), "`value`");
    REFUSED(graven_packed_get_many(NULL, NULL, 0, buffer, NULL), "`packed`");
    REFUSED(graven_packed_get_many(packed, NULL, 1, buffer, &slice), "`keys`");
    REFUSED(graven_packed_get_many(packed, NULL, 0, NULL, NULL), "`buffer`");
    slice = graven_slice_of("a");
    REFUSED(graven_packed_get_many(packed, &slice, 1, buffer, NULL), "`values`");
    REFUSED(graven_packed_contains(NULL, "a", 1), "`packed`");
    REFUSED(graven_packed_contains(packed, NULL, 1), "`key`");
    REFUSED(graven_packed_first(NULL, buffer, NULL, NULL), "`packed`");
    REFUSED(graven_packed_first(packed, NULL, NULL, NULL), "`buffer`");
    REFUSED(graven_packed_last(NULL, buffer, NULL, NULL), "`packed`");
    REFUSED(graven_packed_last(packed, NULL, NULL, NULL), "`buffer`");
    REFUSED(graven_packed_floor(NULL, "a", 1, buffer, NULL, NULL), "`packed`");
    REFUSED(graven_packed_floor(packed, NULL, 1, buffer, NULL, NULL), "`key`");
    REFUSED(graven_packed_floor(packed, "a", 1, NULL, NULL, NULL), "`buffer`");
    REFUSED(graven_packed_ceil(NULL, "a", 1, buffer, NULL, NULL), "`packed`");
    REFUSED(graven_packed_ceil(packed, NULL, 1, buffer, NULL, NULL), "`key`");
    REFUSED(graven_packed_ceil(packed, "a", 1, NULL, NULL, NULL), "`buffer`");
    REFUSED(graven_packed_longest_prefix(NULL, "a", 1, buffer, NULL, NULL), "`packed`");
    REFUSED(graven_packed_longest_prefix(packed, NULL, 1, buffer, NULL, NULL), "`key`");
    REFUSED(graven_packed_longest_prefix(packed, "a", 1, NULL, NULL, NULL), "`buffer`");
    REFUSED(graven_packed_nth(NULL, 0, buffer, NULL, NULL), "`packed`");
    REFUSED(graven_packed_nth(packed, 0, NULL, NULL, NULL), "`buffer`");
    REFUSED(graven_packed_rank(NULL, "a", 1, &number), "`packed`");
    REFUSED(graven_packed_rank(packed, NULL, 1, &number), "`key`");
    REFUSED(graven_packed_rank(packed, "a", 1, NULL), "`rank`");
    REFUSED(graven_packed_count(NULL, NULL, &number), "`packed`");
    REFUSED(graven_packed_count(packed, NULL, NULL), "`count`");
    REFUSED(graven_packed_cursor_open(NULL, &cursor), "`packed`");
    REFUSED(graven_packed_cursor_open(packed, NULL), "`cursor`");
    REFUSED(graven_packed_cursor_first(NULL, NULL, NULL), "`cursor`");
    REFUSED(graven_packed_cursor_last(NULL, NULL, NULL), "`cursor`");
    REFUSED(graven_packed_cursor_next(NULL, NULL, NULL), "`cursor`");
    REFUSED(graven_packed_cursor_prev(NULL, NULL, NULL), "`cursor`");
    REFUSED(graven_packed_cursor_entry(NULL, NULL, NULL), "`cursor`");
    REFUSED(graven_packed_cursor_seek_ceil(NULL, "a", 1, NULL, NULL), "`cursor`");
    REFUSED(graven_packed_cursor_seek_ceil(cursor, NULL, 1, NULL, NULL), "`key`");
    REFUSED(graven_packed_cursor_seek_floor(NULL, "a", 1, NULL, NULL), "`cursor`");
    REFUSED(graven_packed_cursor_seek_floor(cursor, NULL, 1, NULL, NULL), "`key`");
    graven_packed_cursor_close(cursor);
    graven_buffer_close(buffer);
    graven_packed_close(packed);
}

typedef struct seen {
    int swaps, failures;
    int32_t status;
    uint64_t generation;
} seen;

static void on_swap(void *user, const graven_live_status *status) {
    seen *seen_ = (seen *)user;
    seen_->generation = status->generation;
    __atomic_fetch_add(&seen_->swaps, 1, __ATOMIC_SEQ_CST);
}

static void on_failure(void *user, int32_t status, const char *text) {
    seen *seen_ = (seen *)user;
    CHECK(text[0] != '\0');
    seen_->failures++;
    seen_->status = status;
}

static void publish(const way *way_, const char *price) {
    graven_build_options options = options_of(way_);
    pair pairs[1];
    pairs[0].key = "price";
    pairs[0].value = price;
    build(path_of("followed-table"), &options, pairs, 1);
}

static void price_is(const graven_packed *packed, graven_buffer *buffer, const char *expected) {
    graven_slice value;
    CHECK_OK(graven_packed_get(packed, "price", 5, buffer, &value));
    CHECK_SLICE(expected, value);
}

/* Tables of one kind take the place of those of the other, and what is pinned stays. */
static void followed(void) {
    graven_packed_live *live;
    graven_packed *before, *after, *pinned[COUNT(WAYS)];
    graven_table *stored;
    graven_buffer *buffer;
    graven_live_status status;
    char text[512], price[16];
    uint8_t id[16];
    size_t needed, i;
    int32_t swapped = 7;
    struct timespec wait = {0, 2000000};
    seen seen_;
    memset(&seen_, 0, sizeof seen_);
    CHECK_OK(graven_buffer_open(0, &buffer));
    publish(&WAYS[0], "3");
    CHECK_OK(graven_packed_live_open(path_of("followed-table"), NULL, &live));
    CHECK_OK(graven_packed_live_on_swap(live, on_swap, &seen_));
    CHECK_OK(graven_packed_live_on_failure(live, on_failure, &seen_));
    CHECK_OK(graven_packed_live_refresh(live, &swapped));
    CHECK(swapped == 0 && seen_.swaps == 0);
    CHECK_OK(graven_packed_live_pin(live, &before));
    for (i = 0; i < COUNT(WAYS); i++) {
        snprintf(price, sizeof price, "way %u", (unsigned)i);
        publish(&WAYS[i], price);
        CHECK_OK(graven_packed_live_refresh(live, &swapped));
        CHECK(swapped == 1 && seen_.swaps == (int)i + 1 && seen_.generation == i + 2);
        CHECK_OK(graven_packed_live_pin(live, &pinned[i]));
        price_is(pinned[i], buffer, price);
        price_is(before, buffer, "3");
    }
    after = pinned[COUNT(WAYS) - 1];

    /* A file that is no table is not served. */
    CHECK(remove(path_of("followed-table")) == 0);
    write_file(path_of("followed-table"), "something else, but no table", 28);
    CHECK_STATUS(GRAVEN_ERR_NOT_A_TABLE, graven_packed_live_refresh(live, NULL));
    CHECK(seen_.failures == 1 && seen_.status == GRAVEN_ERR_NOT_A_TABLE);
    memset(&status, 0xff, sizeof status);
    status.size = sizeof status;
    CHECK_OK(graven_packed_live_get_status(live, &status));
    CHECK_OK(graven_packed_stored(after, &stored));
    CHECK_OK(graven_table_build_id(stored, id));
    graven_table_close(stored);
    CHECK(status.generation == COUNT(WAYS) + 1 && status.failed == 1);
    CHECK(memcmp(status.build_id, id, 16) == 0);
    CHECK_OK(graven_packed_live_failure(live, text, sizeof text, &needed));
    CHECK(strcmp(text, graven_last_error()) == 0 && needed == strlen(text) + 1);
    CHECK_STATUS(GRAVEN_NOT_FOUND, graven_packed_live_version(live, text, sizeof text, &needed));
    CHECK(remove(path_of("followed-table")) == 0);

    /* By a thread, and without a function that is called. */
    CHECK_STATUS(GRAVEN_ERR_INVALID_ARGUMENT, graven_packed_live_refresh_every(live, 0, 0));
    publish(&WAYS[6], "4");
    CHECK_OK(graven_packed_live_refresh_every(live, 2, 1));
    while (__atomic_load_n(&seen_.swaps, __ATOMIC_SEQ_CST) < (int)COUNT(WAYS) + 1)
        nanosleep(&wait, NULL);
    CHECK_OK(graven_packed_live_on_swap(live, NULL, NULL));
    CHECK_OK(graven_packed_live_on_failure(live, NULL, NULL));
    CHECK_STATUS(GRAVEN_NOT_FOUND, graven_packed_live_failure(live, text, sizeof text, &needed));
    graven_packed_live_close(live);
    graven_packed_live_close(NULL);

    /* Pins outlive the handle. */
    for (i = 0; i < COUNT(WAYS); i++) {
        snprintf(price, sizeof price, "way %u", (unsigned)i);
        price_is(pinned[i], buffer, price);
        graven_packed_close(pinned[i]);
    }
    graven_packed_close(before);
    graven_buffer_close(buffer);
    CHECK_STATUS(GRAVEN_ERR_IO, graven_packed_live_open(path_of("not there"), NULL, &live));
    REFUSED(graven_packed_live_open(NULL, NULL, &live), "`path`");
    REFUSED(graven_packed_live_pin(NULL, &before), "`live`");
    REFUSED(graven_packed_live_refresh(NULL, NULL), "`live`");
}

static void refused_options(const graven_build_options *options, const char *part) {
    graven_builder *builder = NULL;
    REFUSED(graven_builder_create(path_of("refused"), options, &builder), part);
    CHECK(builder == NULL);
}

static void build_options(void) {
    static const pair pairs[] = {{"a", "1"}};
    graven_build_options options = graven_build_options_init();
    graven_table *table;
    graven_builder *builder;
    int32_t phase = GRAVEN_BUILD_PHASE_COMPRESS;
    options.compression = 3;
    refused_options(&options, "compression is 3");
    options.compression = -1;
    refused_options(&options, "compression is -1");
    options.compression = GRAVEN_COMPRESSION_ZSTD;
    options.compression_level = 23;
    refused_options(&options, "level 23");
    options.compression_level = -1;
    refused_options(&options, "level -1");
    options.compression_level = 0;
    options.dictionary_bytes = (1 << 20) + 1;
    refused_options(&options, "1 MiB");
    options.dictionary_bytes = -2;
    refused_options(&options, "dictionary_bytes is -2");
    options.compression = GRAVEN_COMPRESSION_FSST;
    options.dictionary_bytes = 4096;
    refused_options(&options, "dictionary_bytes is 4096");
    options.dictionary_bytes = 0;
    options.compression_level = 3;
    refused_options(&options, "compression_level is 3");
    options.compression = GRAVEN_COMPRESSION_NONE;
    refused_options(&options, "compression_level is 3");
    options.compression_level = 0;
    options.compression = GRAVEN_COMPRESSION_FSST;
    options.value_align = 8;
    refused_options(&options, "value_align");
    options.value_align = 0;

    options.progress = stop;
    options.progress_user = &phase;
    CHECK_OK(graven_builder_create(path_of("refused"), &options, &builder));
    CHECK_OK(graven_builder_insert(builder, "a", 1, "value", 5));
    CHECK_STATUS(GRAVEN_ERR_CANCELLED, graven_builder_finish(builder, NULL));
    graven_builder_close(builder);
    CHECK(access(path_of("refused"), F_OK) != 0);
    options.progress = NULL;

    /* A program that was compiled before these options: what is behind them is not read. */
    options.compression = 77;
    options.compact_keys = 77;
    options.size = offsetof(graven_build_options, compression);
    build(path_of("older"), &options, pairs, 1);
    CHECK_OK(graven_open(path_of("older"), NULL, &table));
    graven_table_close(table);
}

static void *look_up(void *argument) {
    const graven_packed *packed = (const graven_packed *)argument;
    graven_buffer *buffer;
    graven_slice key, value;
    uint64_t rank;
    CHECK_OK(graven_buffer_open(0, &buffer));
    for (rank = 0; rank < ENTRIES; rank++) {
        char copy[64];
        CHECK_OK(graven_packed_nth(packed, rank, buffer, &key, NULL));
        CHECK(key.len < sizeof copy);
        memcpy(copy, key.data, key.len);
        CHECK_OK(graven_packed_get(packed, copy, key.len, buffer, &value));
        CHECK(value.len == 0 || value.data[0] == '{');
    }
    graven_buffer_close(buffer);
    return NULL;
}

static void threads(void) {
    graven_packed *packed = opened_packed("zstd-keys");
    pthread_t all[4];
    size_t i;
    for (i = 0; i < COUNT(all); i++)
        CHECK(pthread_create(&all[i], NULL, look_up, packed) == 0);
    for (i = 0; i < COUNT(all); i++)
        CHECK(pthread_join(all[i], NULL) == 0);
    graven_packed_close(packed);
}

void test_packed(void) {
    round_trips();
    empty_tables();
    limits();
    keys_that_were_lent();
    closing();
    damage();
    a_lost_page();
    arguments();
    build_options();
    followed();
    threads();
}
