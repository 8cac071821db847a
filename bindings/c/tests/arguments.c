/* Guards against a crash where an error was due: NULL for each argument that must not be, and structs
   of sizes that this version of the library does not know. */

#include "check.h"

#define REFUSED(call, name) CHECK_ERROR(GRAVEN_ERR_INVALID_ARGUMENT, call, name)

static void null_handles(void) {
    graven_slice slice;
    uint64_t number;
    size_t count;
    uint8_t id[16];
    char text[8];
    graven_table *table;
    graven_iter *iter;
    graven_cursor *cursor;
    graven_pin *pin;
    graven_stats stats;
    graven_live_status status;
    stats.size = sizeof stats;
    status.size = sizeof status;
    REFUSED(graven_open(NULL, NULL, &table), "`path`");
    REFUSED(graven_load(NULL, NULL, &table), "`path`");
    REFUSED(graven_live_open(NULL, NULL, (graven_live **)&table), "`path`");
    REFUSED(graven_builder_create(NULL, NULL, (graven_builder **)&table), "`path`");
    REFUSED(graven_table_clone(NULL, &table), "`table`");
    REFUSED(graven_table_build_id(NULL, id), "`table`");
    REFUSED(graven_table_path(NULL, text, 8, &count), "`table`");
    REFUSED(graven_table_stats(NULL, &stats), "`table`");
    REFUSED(graven_table_sections(NULL, NULL, 0, &count), "`table`");
    REFUSED(graven_table_resident(NULL, &number), "`table`");
    REFUSED(graven_table_key_type(NULL, text, 8, &count), "`table`");
    REFUSED(graven_table_value_type(NULL, text, 8, &count), "`table`");
    REFUSED(graven_table_metadata(NULL, NULL, 0, &count), "`table`");
    REFUSED(graven_table_metadata_get(NULL, "a", 1, &slice), "`table`");
    REFUSED(graven_table_verify(NULL, NULL, NULL, NULL), "`table`");
    REFUSED(graven_table_warm(NULL, 0, NULL, NULL), "`table`");
    REFUSED(graven_get(NULL, "a", 1, &slice), "`table`");
    REFUSED(graven_get_copy(NULL, "a", 1, text, 8, &count), "`table`");
    REFUSED(graven_get_many(NULL, NULL, 0, NULL), "`table`");
    REFUSED(graven_get_all(NULL, "a", 1, NULL, 0, &count), "`table`");
    REFUSED(graven_count_of(NULL, "a", 1, &number), "`table`");
    REFUSED(graven_first(NULL, NULL, NULL), "`table`");
    REFUSED(graven_last(NULL, NULL, NULL), "`table`");
    REFUSED(graven_floor(NULL, "a", 1, NULL, NULL), "`table`");
    REFUSED(graven_ceil(NULL, "a", 1, NULL, NULL), "`table`");
    REFUSED(graven_longest_prefix(NULL, "a", 1, NULL, NULL), "`table`");
    REFUSED(graven_prefixes_of(NULL, "a", 1, NULL, 0, &count), "`table`");
    REFUSED(graven_nth(NULL, 0, NULL, NULL), "`table`");
    REFUSED(graven_rank(NULL, "a", 1, &number), "`table`");
    REFUSED(graven_count(NULL, NULL, &number), "`table`");
    REFUSED(graven_range(NULL, NULL, &iter), "`table`");
    REFUSED(graven_prefix(NULL, "a", 1, &iter), "`table`");
    REFUSED(graven_cursor_open(NULL, &cursor), "`table`");
    REFUSED(graven_iter_next(NULL, NULL, NULL), "`iter`");
    REFUSED(graven_iter_next_back(NULL, NULL, NULL), "`iter`");
    REFUSED(graven_iter_next_many(NULL, NULL, 0, &count), "`iter`");
    REFUSED(graven_iter_skip(NULL, 1), "`iter`");
    REFUSED(graven_cursor_seek_ceil(NULL, "a", 1, NULL, NULL), "`cursor`");
    REFUSED(graven_cursor_seek_floor(NULL, "a", 1, NULL, NULL), "`cursor`");
    REFUSED(graven_cursor_first(NULL, NULL, NULL), "`cursor`");
    REFUSED(graven_cursor_last(NULL, NULL, NULL), "`cursor`");
    REFUSED(graven_cursor_next(NULL, NULL, NULL), "`cursor`");
    REFUSED(graven_cursor_prev(NULL, NULL, NULL), "`cursor`");
    REFUSED(graven_cursor_entry(NULL, NULL, NULL), "`cursor`");
    REFUSED(graven_live_pin(NULL, &pin), "`live`");
    REFUSED(graven_live_refresh(NULL, NULL), "`live`");
    REFUSED(graven_live_refresh_every(NULL, 1, 0), "`live`");
    REFUSED(graven_live_on_swap(NULL, NULL, NULL), "`live`");
    REFUSED(graven_live_on_failure(NULL, NULL, NULL), "`live`");
    REFUSED(graven_live_get_status(NULL, &status), "`live`");
    REFUSED(graven_live_failure(NULL, text, 8, &count), "`live`");
    REFUSED(graven_live_version(NULL, text, 8, &count), "`live`");
    REFUSED(graven_builder_insert(NULL, "a", 1, "", 0), "`builder`");
    REFUSED(graven_builder_finish(NULL, NULL), "`builder`");
    CHECK(graven_table_len(NULL) == 0 && graven_table_distinct_keys(NULL) == 0);
    CHECK(graven_table_is_faulted(NULL) == 0 && graven_table_is_guarded(NULL) == 0);
    CHECK(graven_iter_remaining(NULL) == 0);
    CHECK(graven_pin_table(NULL) == NULL && graven_pin_generation(NULL) == 0);
    graven_table_close(NULL);
    graven_iter_close(NULL);
    graven_cursor_close(NULL);
    graven_live_close(NULL);
    graven_pin_close(NULL);
    graven_builder_close(NULL);
}

static void null_places(void) {
    static const pair pairs[] = {{"a", "1"}};
    graven_table *table = opened("null", NULL, pairs, 1);
    graven_slice slice;
    uint64_t number;
    size_t count;
    REFUSED(graven_open(path_of("null"), NULL, NULL), "`table`");
    REFUSED(graven_load(path_of("null"), NULL, NULL), "`table`");
    REFUSED(graven_from_memory("", 0, NULL, NULL), "`table`");
    REFUSED(graven_from_copy("", 0, NULL, NULL), "`table`");
    REFUSED(graven_live_open(path_of("null"), NULL, NULL), "`live`");
    REFUSED(graven_builder_create(path_of("null"), NULL, NULL), "`builder`");
    REFUSED(graven_get(table, "a", 1, NULL), "`value`");
    REFUSED(graven_get(table, NULL, 1, &slice), "`key`");
    REFUSED(graven_get_all(table, "a", 1, NULL, 1, &count), "`values`");
    REFUSED(graven_get_all(table, "a", 1, &slice, 1, NULL), "`count`");
    REFUSED(graven_count_of(table, NULL, 1, &number), "`key`");
    REFUSED(graven_count_of(table, "a", 1, NULL), "`count`");
    REFUSED(graven_floor(table, NULL, 1, NULL, NULL), "`key`");
    REFUSED(graven_ceil(table, NULL, 1, NULL, NULL), "`key`");
    REFUSED(graven_longest_prefix(table, NULL, 1, NULL, NULL), "`key`");
    REFUSED(graven_prefixes_of(table, NULL, 1, NULL, 0, &count), "`key`");
    REFUSED(graven_prefixes_of(table, "a", 1, NULL, 1, &count), "`entries`");
    REFUSED(graven_rank(table, "a", 1, NULL), "`rank`");
    REFUSED(graven_count(table, NULL, NULL), "`count`");
    REFUSED(graven_range(table, NULL, NULL), "`iter`");
    REFUSED(graven_prefix(table, "a", 1, NULL), "`iter`");
    REFUSED(graven_cursor_open(table, NULL), "`cursor`");
    REFUSED(graven_table_clone(table, NULL), "`clone`");
    REFUSED(graven_table_build_id(table, NULL), "`build_id`");
    REFUSED(graven_table_path(table, NULL, 0, NULL), "`needed`");
    REFUSED(graven_table_path(table, NULL, 1, &count), "`buffer`");
    REFUSED(graven_table_stats(table, NULL), "`stats`");
    REFUSED(graven_table_sections(table, NULL, 1, &count), "`sections`");
    REFUSED(graven_table_resident(table, NULL), "`resident`");
    REFUSED(graven_table_warm(table, 4, NULL, NULL), "warm is 4");
    graven_table_close(table);
}

/* Options of a program that was compiled with fewer fields, or with more. */
static void sizes_of_options(void) {
    static const pair pairs[] = {{"a", "1"}};
    struct {
        graven_open_options known;
        uint64_t later;
    } options;
    struct {
        graven_stats known;
        uint64_t later;
    } stats;
    graven_stats older;
    graven_table *table;
    build(path_of("size"), NULL, pairs, 1);
    memset(&options, 0, sizeof options);
    options.known.size = sizeof options;
    CHECK_OK(graven_open(path_of("size"), &options.known, &table));
    options.later = 1;
    {
        graven_table *none = NULL;
        REFUSED(graven_open(path_of("size"), &options.known, &none), "does not know");
        CHECK(none == NULL);
    }
    /* A field beyond the size is not read: this one makes no sense. */
    options.known.size = offsetof(graven_open_options, page_checks);
    options.known.page_checks = 77;
    graven_table_close(table);
    CHECK_OK(graven_open(path_of("size"), &options.known, &table));
    options.known.size = sizeof options.known;
    REFUSED(graven_load(path_of("size"), &options.known, &table), "page_checks is 77");
    options.known.size = 0;
    REFUSED(graven_load(path_of("size"), &options.known, &table), "graven_open_options.size is 0");
    options.known.size = sizeof(size_t) - 1;
    REFUSED(graven_load(path_of("size"), &options.known, &table), "size is 7");
    options.known.size = 1 << 20;
    REFUSED(graven_load(path_of("size"), &options.known, &table), "size is 1048576");

    memset(&stats, 0xff, sizeof stats);
    stats.known.size = sizeof stats;
    CHECK_OK(graven_table_stats(table, &stats.known));
    CHECK(stats.known.entries == 1 && stats.known.size == sizeof stats && stats.later == 0);
    memset(&older, 0xff, sizeof older);
    older.size = offsetof(graven_stats, keys);
    CHECK_OK(graven_table_stats(table, &older));
    CHECK(older.entries == 1 && older.keys == UINT64_MAX && older.lines == UINT64_MAX);
    older.size = 0;
    REFUSED(graven_table_stats(table, &older), "graven_stats.size is 0");
    graven_table_close(table);
}

static void texts_of_statuses(void) {
    int32_t status;
    for (status = GRAVEN_ERR_NEEDS_BUFFER; status <= GRAVEN_NOT_FOUND; status++)
        CHECK(strcmp(graven_strerror(status), "unknown status") != 0);
    CHECK(strcmp(graven_strerror(GRAVEN_OK), "ok") == 0);
    CHECK(strcmp(graven_strerror(GRAVEN_ERR_NEEDS_BUFFER - 1), "unknown status") == 0);
    CHECK(strcmp(graven_strerror(INT32_MAX), "unknown status") == 0);
    CHECK(strcmp(graven_strerror(INT32_MIN), "unknown status") == 0);
}

/* A later success leaves the text of the last error; it is this thread's. */
static void the_last_error_stays(void) {
    graven_table *table;
    REFUSED(graven_open(NULL, NULL, &table), "`path`");
    table = opened("last", NULL, NULL, 0);
    graven_table_close(table);
    CHECK(strstr(graven_last_error(), "`path`") != NULL && graven_last_errno() == 0);
}

void test_arguments(void) {
    null_handles();
    null_places();
    sizes_of_options();
    texts_of_statuses();
    the_last_error_stays();
}
