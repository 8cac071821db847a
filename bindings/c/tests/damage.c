/* Guards against damage that is taken for data, and against a lost page that ends the process. */

#include "check.h"
#include <sys/stat.h>
#include <unistd.h>

static void damaged_bytes(void) {
    graven_table *table = numbered("sound", 20000);
    graven_open_options options = graven_open_options_init();
    graven_verify_report report;
    graven_iter *iter;
    graven_cursor *cursor;
    graven_slice key, value;
    unsigned char *data;
    size_t len;
    int32_t status;
    report.size = sizeof report;
    CHECK_OK(graven_table_verify(table, NULL, NULL, &report));
    CHECK(report.entries == 20000 && report.keys == 20000 && report.pages > 1);
    CHECK_OK(graven_nth(table, 0, &key, &value));
    graven_table_close(table);

    data = contents(path_of("sound"), &len);
    CHECK(report.bytes == len);
    data[4096 + 100] ^= 1; /* a record on the second page */
    write_file(path_of("damaged"), data, len);
    CHECK_OK(graven_open(path_of("damaged"), NULL, &table));
    CHECK_ERROR(GRAVEN_ERR_DAMAGED, graven_table_verify(table, NULL, NULL, NULL),
                path_of("damaged"));
    /* The page is found out by whoever touches it first. */
    CHECK_OK(graven_range(table, NULL, &iter));
    while ((status = graven_iter_next(iter, NULL, NULL)) == GRAVEN_OK) {
    }
    CHECK_ERROR(GRAVEN_ERR_DAMAGED, status, "4096");
    CHECK_STATUS(GRAVEN_NOT_FOUND, graven_iter_next(iter, NULL, NULL));
    graven_iter_close(iter);
    CHECK_OK(graven_cursor_open(table, &cursor));
    while ((status = graven_cursor_next(cursor, NULL, NULL)) == GRAVEN_OK) {
    }
    CHECK_STATUS(GRAVEN_ERR_DAMAGED, status);
    graven_cursor_close(cursor);
    CHECK_STATUS(GRAVEN_ERR_DAMAGED, graven_nth(table, 256, &key, &value));
    /* Other pages serve on. */
    CHECK_OK(graven_get(table, "00004e1f", 8, &value));
    CHECK_SLICE("00019999", value);
    graven_table_close(table);
    options.page_checks = GRAVEN_PAGE_CHECKS_AT_OPEN;
    CHECK_STATUS(GRAVEN_ERR_DAMAGED, graven_open(path_of("damaged"), &options, &table));
    options.page_checks = GRAVEN_PAGE_CHECKS_NEVER;
    CHECK_OK(graven_open(path_of("damaged"), &options, &table));
    CHECK_OK(graven_nth(table, 0, &key, &value));
    graven_table_close(table);

    /* Cut short, cut to nothing, and no table at all. */
    write_file(path_of("damaged"), data, len - 1);
    CHECK_STATUS(GRAVEN_ERR_DAMAGED, graven_open(path_of("damaged"), NULL, &table));
    write_file(path_of("damaged"), data, 3);
    CHECK_STATUS(GRAVEN_ERR_DAMAGED, graven_open(path_of("damaged"), NULL, &table));
    write_file(path_of("damaged"), "just some text, longer than 8 bytes", 35);
    CHECK_STATUS(GRAVEN_ERR_NOT_A_TABLE, graven_open(path_of("damaged"), NULL, &table));
    free(data);
}

/* A table of the next major version: the number stands behind the magic bytes, and is looked at before
   the checksum, which a later version may have elsewhere. */
static void a_newer_version(void) {
    static const pair pairs[] = {{"a", "1"}};
    graven_table *table;
    unsigned char *data;
    size_t len;
    build(path_of("newer"), NULL, pairs, 1);
    data = contents(path_of("newer"), &len);
    CHECK(data[8] == 1 && data[9] == 0);
    data[8] = 2;
    CHECK_ERROR(GRAVEN_ERR_TOO_NEW, graven_from_memory(data, len, NULL, &table), "2");
    free(data);
}

static int32_t stop(void *user, int32_t phase, uint64_t done, uint64_t total) {
    CHECK(phase == 0 && done <= total);
    return ++*(int *)user == 1;
}

static int32_t go_on(void *user, int32_t phase, uint64_t done, uint64_t total) {
    CHECK(phase == 0 && done <= total);
    __atomic_fetch_add((int *)user, 1, __ATOMIC_RELAXED);
    return 0;
}

static void callbacks_that_stop(void) {
    graven_table *table = numbered("stopped", 20000);
    int calls = 0;
    CHECK_ERROR(GRAVEN_ERR_CANCELLED, graven_table_verify(table, stop, &calls, NULL), "stop");
    CHECK(calls == 1);
    calls = 0;
    CHECK_STATUS(GRAVEN_ERR_CANCELLED, graven_table_warm(table, GRAVEN_WARM_ALL, stop, &calls));
    CHECK(calls == 1);
    calls = 0;
    CHECK_OK(graven_table_verify(table, go_on, &calls, NULL));
    CHECK(calls > 1);
    calls = 0;
    CHECK_OK(graven_table_warm(table, GRAVEN_WARM_INDEX, go_on, &calls));
    CHECK(calls >= 1);
    graven_table_close(table);
}

static int chmod_and_truncate(const char *path, off_t len) {
    return chmod(path, 0600) != 0 || truncate(path, len) != 0;
}

/* The file is truncated under the mapping: without the guard this ends the process. */
static void a_lost_page(void) {
    graven_table *table = numbered("lost", 20000);
    graven_slice value;
    int32_t status;
    char key[16];
    unsigned i = 0;
    CHECK(graven_sigbus_is_installed() == 0);
    CHECK_OK(graven_sigbus_install());
    CHECK_OK(graven_sigbus_install());
    CHECK(graven_sigbus_is_installed() == 1);
    CHECK(graven_table_is_faulted(table) == 0);
    CHECK(chmod_and_truncate(path_of("lost"), 8192) == 0);
    do {
        snprintf(key, sizeof key, "%08x", i++);
        status = graven_get(table, key, 8, &value);
    } while (status >= 0 && i < 20000);
    CHECK_ERROR(GRAVEN_ERR_LOST_PAGE, status, path_of("lost"));
    CHECK(graven_table_is_faulted(table) == 1);
    graven_table_close(table);
}

void test_damage(void) {
    damaged_bytes();
    a_newer_version();
    callbacks_that_stop();
    a_lost_page();
}
