/* Guards against walks that leave entries out, give one twice, or use a table that was closed. */

#include "check.h"

static void keys_are(graven_iter *iter, const char *expected) {
    char found[64] = "";
    graven_slice key;
    int32_t status;
    while ((status = graven_iter_next(iter, &key, NULL)) == GRAVEN_OK) {
        size_t len = strlen(found);
        CHECK(len + key.len + 2 < sizeof found);
        memcpy(found + len, key.data, key.len);
        memcpy(found + len + key.len, " ", 2);
    }
    CHECK_STATUS(GRAVEN_NOT_FOUND, status);
    if (strcmp(found, expected) != 0) {
        fprintf(stderr, "found %s, expected %s\n", found, expected);
        abort();
    }
    /* It stays at its end. */
    CHECK_STATUS(GRAVEN_NOT_FOUND, graven_iter_next(iter, &key, NULL));
    CHECK_STATUS(GRAVEN_NOT_FOUND, graven_iter_next_back(iter, &key, NULL));
    CHECK(graven_iter_remaining(iter) == 0);
    graven_iter_close(iter);
}

static void ranges(graven_table *table) {
    graven_bounds bounds;
    graven_iter *iter;
    graven_slice key, value;
    memset(&bounds, 0, sizeof bounds);
    CHECK_OK(graven_range(table, NULL, &iter));
    CHECK(graven_iter_remaining(iter) == 5);
    keys_are(iter, "a ab abc b c ");
    bounds.lower = graven_slice_of("ab");
    bounds.lower_bound = GRAVEN_BOUND_INCLUDED;
    CHECK_OK(graven_range(table, &bounds, &iter));
    keys_are(iter, "ab abc b c ");
    bounds.upper = graven_slice_of("b");
    bounds.upper_bound = GRAVEN_BOUND_EXCLUDED;
    CHECK_OK(graven_range(table, &bounds, &iter));
    keys_are(iter, "ab abc ");
    CHECK_OK(graven_prefix(table, "ab", 2, &iter));
    keys_are(iter, "ab abc ");
    CHECK_OK(graven_prefix(table, NULL, 0, &iter));
    keys_are(iter, "a ab abc b c ");
    CHECK_OK(graven_prefix(table, "x", 1, &iter));
    keys_are(iter, "");
    /* From both ends, until they meet. */
    CHECK_OK(graven_range(table, NULL, &iter));
    CHECK_OK(graven_iter_next_back(iter, &key, &value));
    CHECK_SLICE("c", key);
    CHECK_SLICE("5", value);
    CHECK_OK(graven_iter_next(iter, &key, &value));
    CHECK_SLICE("a", key);
    CHECK_SLICE("1", value);
    CHECK_OK(graven_iter_next_back(iter, &key, NULL));
    CHECK_SLICE("b", key);
    CHECK(graven_iter_remaining(iter) == 2);
    keys_are(iter, "ab abc ");
    /* Passing over. */
    CHECK_OK(graven_range(table, NULL, &iter));
    CHECK_OK(graven_iter_skip(iter, 0));
    CHECK_OK(graven_iter_skip(iter, 3));
    keys_are(iter, "b c ");
    CHECK_OK(graven_range(table, NULL, &iter));
    CHECK_STATUS(GRAVEN_NOT_FOUND, graven_iter_skip(iter, 6));
    keys_are(iter, "");
    CHECK_OK(graven_range(table, NULL, &iter));
    CHECK_STATUS(GRAVEN_NOT_FOUND, graven_iter_skip(iter, UINT64_MAX));
    keys_are(iter, "");
}

static void in_batches(graven_table *table) {
    graven_iter *iter;
    graven_entry entries[3];
    size_t count;
    CHECK_OK(graven_range(table, NULL, &iter));
    CHECK_OK(graven_iter_next_many(iter, entries, 3, &count));
    CHECK(count == 3);
    CHECK_SLICE("a", entries[0].key);
    CHECK_SLICE("3", entries[2].value);
    CHECK_OK(graven_iter_next_many(iter, NULL, 0, &count));
    CHECK(count == 0);
    entries[2].key = graven_slice_of("untouched");
    CHECK_OK(graven_iter_next_many(iter, entries, 3, &count));
    CHECK(count == 2);
    CHECK_SLICE("c", entries[1].key);
    CHECK_SLICE("untouched", entries[2].key);
    CHECK_STATUS(GRAVEN_NOT_FOUND, graven_iter_next_many(iter, entries, 3, &count));
    CHECK(count == 0);
    graven_iter_close(iter);
}

static void cursors(graven_table *table) {
    graven_cursor *cursor;
    graven_slice key, value;
    CHECK_OK(graven_cursor_open(table, &cursor));
    CHECK_STATUS(GRAVEN_NOT_FOUND, graven_cursor_entry(cursor, &key, &value));
    CHECK_OK(graven_cursor_seek_ceil(cursor, "aba", 3, &key, &value));
    CHECK_SLICE("abc", key);
    CHECK_SLICE("3", value);
    CHECK_OK(graven_cursor_entry(cursor, &key, &value));
    CHECK_SLICE("abc", key);
    CHECK_OK(graven_cursor_prev(cursor, &key, NULL));
    CHECK_SLICE("ab", key);
    CHECK_OK(graven_cursor_next(cursor, &key, NULL));
    CHECK_SLICE("abc", key);
    CHECK_OK(graven_cursor_seek_floor(cursor, "bz", 2, &key, &value));
    CHECK_SLICE("b", key);
    CHECK_OK(graven_cursor_first(cursor, &key, &value));
    CHECK_SLICE("a", key);
    CHECK_STATUS(GRAVEN_NOT_FOUND, graven_cursor_prev(cursor, &key, &value));
    CHECK_STATUS(GRAVEN_NOT_FOUND, graven_cursor_entry(cursor, &key, &value));
    CHECK_OK(graven_cursor_next(cursor, NULL, &value));
    CHECK_SLICE("1", value);
    CHECK_OK(graven_cursor_last(cursor, &key, &value));
    CHECK_SLICE("c", key);
    CHECK_STATUS(GRAVEN_NOT_FOUND, graven_cursor_next(cursor, &key, &value));
    CHECK_OK(graven_cursor_prev(cursor, &key, &value));
    CHECK_SLICE("c", key);
    CHECK_STATUS(GRAVEN_NOT_FOUND, graven_cursor_seek_ceil(cursor, "d", 1, &key, &value));
    CHECK_STATUS(GRAVEN_NOT_FOUND, graven_cursor_seek_floor(cursor, NULL, 0, &key, &value));
    graven_cursor_close(cursor);
}

/* Whatever the order in which handles are closed, a walk has its table, and a slice its bytes. */
static void closing_in_any_order(const pair *pairs, size_t count) {
    graven_table *table = opened("closed", NULL, pairs, count), *clone;
    graven_iter *iter;
    graven_cursor *cursor;
    graven_slice key, value;
    CHECK_OK(graven_range(table, NULL, &iter));
    CHECK_OK(graven_cursor_open(table, &cursor));
    CHECK_OK(graven_table_clone(table, &clone));
    graven_table_close(table);
    CHECK_OK(graven_iter_next(iter, &key, &value));
    CHECK_SLICE("a", key);
    CHECK_OK(graven_cursor_last(cursor, &key, &value));
    graven_cursor_close(cursor);
    CHECK_SLICE("c", key);
    CHECK_OK(graven_get(clone, "b", 1, &value));
    graven_table_close(clone);
    /* The iterator alone holds it. */
    CHECK_SLICE("4", value);
    CHECK_SLICE("c", key);
    keys_are(iter, "ab abc b c ");
}

void test_walks(void) {
    static const pair pairs[] = {{"a", "1"}, {"ab", "2"}, {"abc", "3"}, {"b", "4"}, {"c", "5"}};
    graven_table *table = opened("walks", NULL, pairs, COUNT(pairs)), *empty;
    graven_iter *iter;
    graven_cursor *cursor;
    ranges(table);
    in_batches(table);
    cursors(table);
    graven_table_close(table);
    closing_in_any_order(pairs, COUNT(pairs));

    empty = opened("walks-empty", NULL, NULL, 0);
    CHECK_OK(graven_range(empty, NULL, &iter));
    keys_are(iter, "");
    CHECK_OK(graven_cursor_open(empty, &cursor));
    CHECK_STATUS(GRAVEN_NOT_FOUND, graven_cursor_first(cursor, NULL, NULL));
    CHECK_STATUS(GRAVEN_NOT_FOUND, graven_cursor_last(cursor, NULL, NULL));
    CHECK_STATUS(GRAVEN_NOT_FOUND, graven_cursor_next(cursor, NULL, NULL));
    graven_cursor_close(cursor);
    graven_table_close(empty);
}
