/* Guards against a lookup that gives another key's value, or none, or too many: with keys and values
   of no bytes, the longest key, repeated keys, and none at all. */

#include "check.h"

static void one_key(void) {
    static const pair pairs[] = {{"a", "1"}, {"", "of the empty key"}, {"empty", ""}};
    graven_table *table = opened("one", NULL, pairs, COUNT(pairs));
    graven_slice value = {NULL, 7};
    uint64_t count;
    CHECK_OK(graven_get(table, "a", 1, &value));
    CHECK_SLICE("1", value);
    CHECK_OK(graven_get(table, "", 0, &value));
    CHECK_SLICE("of the empty key", value);
    /* NULL is the empty key, too. */
    CHECK_OK(graven_get(table, NULL, 0, &value));
    CHECK_SLICE("of the empty key", value);
    /* A value of no bytes is there, and not NULL. */
    CHECK_OK(graven_get(table, "empty", 5, &value));
    CHECK_SLICE("", value);
    /* A miss writes nothing, and is no error. */
    value = graven_slice_of("before");
    CHECK_STATUS(GRAVEN_NOT_FOUND, graven_get(table, "b", 1, &value));
    CHECK_SLICE("before", value);
    /* A key ends where its length says. */
    CHECK_OK(graven_get(table, "abc", 1, &value));
    CHECK_SLICE("1", value);
    CHECK_STATUS(GRAVEN_NOT_FOUND, graven_get(table, "a\0", 2, &value));
    CHECK_OK(graven_count_of(table, "a", 1, &count));
    CHECK(count == 1);
    CHECK_OK(graven_count_of(table, "b", 1, &count));
    CHECK(count == 0);
    CHECK(graven_table_len(table) == 3 && graven_table_distinct_keys(table) == 3);
    graven_table_close(table);
}

static void the_longest_key(void) {
    const size_t longest = 65535;
    char *key = (char *)malloc(longest + 1);
    graven_builder *builder;
    graven_table *table;
    graven_slice value;
    CHECK(key != NULL);
    memset(key, 'k', longest + 1);
    CHECK_OK(graven_builder_create(path_of("longest"), NULL, &builder));
    CHECK_OK(graven_builder_insert(builder, key, longest, "v", 1));
    CHECK_OK(graven_builder_finish(builder, NULL));
    graven_builder_close(builder);
    CHECK_OK(graven_open(path_of("longest"), NULL, &table));
    CHECK_OK(graven_get(table, key, longest, &value));
    CHECK_SLICE("v", value);
    CHECK_STATUS(GRAVEN_NOT_FOUND, graven_get(table, key, longest - 1, &value));
    /* One that no table can hold is no error of a lookup. */
    CHECK_STATUS(GRAVEN_NOT_FOUND, graven_get(table, key, longest + 1, &value));
    graven_table_close(table);
    free(key);
}

static void copies(void) {
    static const pair pairs[] = {{"a", "12345"}, {"empty", ""}};
    graven_table *table = opened("copies", NULL, pairs, COUNT(pairs));
    char buffer[8] = "-------";
    size_t needed = 99;
    CHECK_OK(graven_get_copy(table, "a", 1, buffer, sizeof buffer, &needed));
    CHECK(needed == 5 && memcmp(buffer, "12345--", 8) == 0);
    /* Just enough. */
    CHECK_OK(graven_get_copy(table, "a", 1, buffer, 5, &needed));
    memset(buffer, '-', 7);
    CHECK_ERROR(GRAVEN_ERR_BUFFER_TOO_SMALL, graven_get_copy(table, "a", 1, buffer, 4, &needed),
                "the buffer has 4 bytes, 5 are needed");
    CHECK(needed == 5 && memcmp(buffer, "-------", 8) == 0);
    /* Only the length. */
    needed = 0;
    CHECK_STATUS(GRAVEN_ERR_BUFFER_TOO_SMALL, graven_get_copy(table, "a", 1, NULL, 0, &needed));
    CHECK(needed == 5);
    CHECK_OK(graven_get_copy(table, "empty", 5, NULL, 0, &needed));
    CHECK(needed == 0);
    CHECK_STATUS(GRAVEN_NOT_FOUND, graven_get_copy(table, "b", 1, buffer, 7, &needed));
    CHECK_STATUS(GRAVEN_ERR_INVALID_ARGUMENT, graven_get_copy(table, "a", 1, NULL, 5, &needed));
    CHECK_STATUS(GRAVEN_ERR_INVALID_ARGUMENT, graven_get_copy(table, "a", 1, buffer, 5, NULL));
    graven_table_close(table);
}

static void many_keys(void) {
    enum { ENTRIES = 3000, KEYS = 2 * ENTRIES };
    graven_table *table = numbered("many", ENTRIES);
    char(*texts)[9] = (char(*)[9])malloc(KEYS * 9);
    graven_slice *keys = (graven_slice *)malloc(KEYS * sizeof *keys);
    graven_slice *values = (graven_slice *)malloc(KEYS * sizeof *values);
    graven_slice none;
    size_t i, count;
    CHECK(texts != NULL && keys != NULL && values != NULL);
    for (i = 0; i < KEYS; i++) {
        /* Every second one is there. */
        snprintf(texts[i], 9, "%08x", (unsigned)(i % 2 == 0 ? i / 2 : ENTRIES + i));
        keys[i].data = (const uint8_t *)texts[i];
        keys[i].len = 8;
    }
    for (count = 0; count <= KEYS; count = count * 2 + 1) {
        memset(values, 1, KEYS * sizeof *values);
        CHECK_OK(graven_get_many(table, keys, count, values));
        for (i = 0; i < count; i++) {
            if (i % 2 == 0) {
                char expected[16];
                snprintf(expected, sizeof expected, "%08u", (unsigned)(i / 2));
                CHECK_SLICE(expected, values[i]);
            } else {
                CHECK(values[i].data == NULL && values[i].len == 0);
            }
        }
    }
    CHECK_OK(graven_get_many(table, NULL, 0, NULL));
    none.data = NULL;
    none.len = 0;
    keys[1] = none;
    CHECK_OK(graven_get_many(table, keys, 3, values));
    CHECK_SLICE("00000000", values[0]);
    CHECK(values[1].data == NULL);
    CHECK_SLICE("00000001", values[2]);
    /* A key with a length and no data, wherever it stands. */
    keys[1].len = 1;
    CHECK_STATUS(GRAVEN_ERR_INVALID_ARGUMENT, graven_get_many(table, keys, 3, values));
    keys[1] = keys[0];
    for (i = 0; i < 70; i++) {
        graven_slice kept = keys[i];
        keys[i].data = NULL;
        CHECK_STATUS(GRAVEN_ERR_INVALID_ARGUMENT, graven_get_many(table, keys, 70, values));
        keys[i] = kept;
    }
    CHECK_OK(graven_get_many(table, keys, 70, values));
    CHECK_STATUS(GRAVEN_ERR_INVALID_ARGUMENT, graven_get_many(table, NULL, 3, values));
    CHECK_STATUS(GRAVEN_ERR_INVALID_ARGUMENT, graven_get_many(table, keys, 1, NULL));
    free(values);
    free(keys);
    free(texts);
    graven_table_close(table);
}

static void many_empty_values(void) {
    static const pair pairs[] = {{"", ""}, {"a", ""}};
    graven_table *table = opened("many-empty", NULL, pairs, COUNT(pairs));
    graven_slice keys[3], values[3];
    keys[0] = graven_slice_of("");
    keys[1] = graven_slice_of("a");
    keys[2] = graven_slice_of("b");
    CHECK_OK(graven_get_many(table, keys, 3, values));
    CHECK(values[0].data != NULL && values[0].len == 0);
    CHECK(values[1].data != NULL && values[1].len == 0);
    /* NULL is the empty key as well. */
    keys[0].data = NULL;
    CHECK_OK(graven_get_many(table, keys, 3, values));
    CHECK(values[0].data != NULL && values[0].len == 0);
    CHECK(values[1].data != NULL && values[1].len == 0);
    CHECK(values[2].data == NULL);
    graven_table_close(table);
}

static void repeated_keys(void) {
    static const pair pairs[] = {{"b", "1"}, {"a", "0"}, {"b", "2"}, {"c", "4"}, {"b", "3"}};
    graven_build_options options = graven_build_options_init();
    graven_table *table;
    graven_slice values[4], value;
    uint64_t entries;
    size_t count;
    options.duplicates = GRAVEN_DUPLICATES_KEEP_ALL;
    table = opened("repeated", &options, pairs, COUNT(pairs));
    CHECK(graven_table_len(table) == 5 && graven_table_distinct_keys(table) == 3);
    CHECK_OK(graven_get(table, "b", 1, &value));
    CHECK_SLICE("1", value);
    values[3] = graven_slice_of("untouched");
    CHECK_OK(graven_get_all(table, "b", 1, values, 4, &count));
    CHECK(count == 3);
    CHECK_SLICE("1", values[0]);
    CHECK_SLICE("2", values[1]);
    CHECK_SLICE("3", values[2]);
    CHECK_SLICE("untouched", values[3]);
    values[1] = graven_slice_of("untouched");
    CHECK_OK(graven_get_all(table, "b", 1, values, 1, &count));
    CHECK(count == 3);
    CHECK_SLICE("untouched", values[1]);
    CHECK_OK(graven_get_all(table, "b", 1, NULL, 0, &count));
    CHECK(count == 3);
    CHECK_STATUS(GRAVEN_NOT_FOUND, graven_get_all(table, "x", 1, values, 4, &count));
    CHECK(count == 0);
    CHECK_OK(graven_count_of(table, "b", 1, &entries));
    CHECK(entries == 3);
    graven_table_close(table);

    options.duplicates = GRAVEN_DUPLICATES_KEEP_FIRST;
    table = opened("first", &options, pairs, COUNT(pairs));
    CHECK_OK(graven_get(table, "b", 1, &value));
    CHECK_SLICE("1", value);
    graven_table_close(table);
    options.duplicates = GRAVEN_DUPLICATES_KEEP_LAST;
    table = opened("last", &options, pairs, COUNT(pairs));
    CHECK_OK(graven_get(table, "b", 1, &value));
    CHECK_SLICE("3", value);
    graven_table_close(table);
}

static void an_empty_table(void) {
    graven_table *table = opened("nothing", NULL, NULL, 0);
    graven_slice key, value;
    graven_slice keys[2], values[2];
    uint64_t number = 7;
    size_t count;
    CHECK(graven_table_len(table) == 0);
    CHECK_STATUS(GRAVEN_NOT_FOUND, graven_get(table, "", 0, &value));
    CHECK_STATUS(GRAVEN_NOT_FOUND, graven_get_all(table, "", 0, NULL, 0, &count));
    CHECK_STATUS(GRAVEN_NOT_FOUND, graven_first(table, &key, &value));
    CHECK_STATUS(GRAVEN_NOT_FOUND, graven_last(table, &key, &value));
    CHECK_STATUS(GRAVEN_NOT_FOUND, graven_floor(table, "a", 1, &key, &value));
    CHECK_STATUS(GRAVEN_NOT_FOUND, graven_ceil(table, "", 0, &key, &value));
    CHECK_STATUS(GRAVEN_NOT_FOUND, graven_longest_prefix(table, "a", 1, &key, &value));
    CHECK_STATUS(GRAVEN_NOT_FOUND, graven_prefixes_of(table, "a", 1, NULL, 0, &count));
    CHECK_STATUS(GRAVEN_NOT_FOUND, graven_nth(table, 0, &key, &value));
    CHECK_OK(graven_rank(table, "a", 1, &number));
    CHECK(number == 0);
    number = 7;
    CHECK_OK(graven_count(table, NULL, &number));
    CHECK(number == 0);
    keys[0] = graven_slice_of("a");
    keys[1] = graven_slice_of("");
    CHECK_OK(graven_get_many(table, keys, 2, values));
    CHECK(values[0].data == NULL && values[1].data == NULL);
    CHECK_OK(graven_table_verify(table, NULL, NULL, NULL));
    CHECK_OK(graven_table_warm(table, GRAVEN_WARM_ALL, NULL, NULL));
    CHECK_OK(graven_table_warm(table, GRAVEN_WARM_LARGE_PAGES, NULL, NULL));
    graven_table_close(table);
}

void test_lookups(void) {
    one_key();
    the_longest_key();
    copies();
    many_keys();
    many_empty_values();
    repeated_keys();
    an_empty_table();
}
