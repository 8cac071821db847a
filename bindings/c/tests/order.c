/* Guards against an order that is not the bytes': neighbours, prefixes, ranks and counts. */

#include "check.h"

static const pair PAIRS[] = {{"/", "root"},      {"/api", "api"}, {"/api/users", "users"},
                             {"/about", "about"}, {"/b", "b"},     {"\xff", "top"}};

static graven_bounds bounds(const char *lower, int32_t lower_bound, const char *upper,
                            int32_t upper_bound) {
    graven_bounds bounds;
    memset(&bounds, 0, sizeof bounds);
    if (lower != NULL)
        bounds.lower = graven_slice_of(lower);
    if (upper != NULL)
        bounds.upper = graven_slice_of(upper);
    bounds.lower_bound = lower_bound;
    bounds.upper_bound = upper_bound;
    return bounds;
}

static uint64_t count(const graven_table *table, graven_bounds bounds) {
    uint64_t count = 99;
    CHECK_OK(graven_count(table, &bounds, &count));
    return count;
}

static void neighbours(const graven_table *table) {
    graven_slice key, value;
    CHECK_OK(graven_first(table, &key, &value));
    CHECK_SLICE("/", key);
    CHECK_SLICE("root", value);
    CHECK_OK(graven_last(table, &key, &value));
    CHECK_SLICE("\xff", key);
    CHECK_SLICE("top", value);
    CHECK_OK(graven_floor(table, "/api/a", 6, &key, &value));
    CHECK_SLICE("/api", key);
    CHECK_OK(graven_floor(table, "/api", 4, &key, &value));
    CHECK_SLICE("api", value);
    CHECK_STATUS(GRAVEN_NOT_FOUND, graven_floor(table, ".", 1, &key, &value));
    CHECK_OK(graven_ceil(table, "/api/a", 6, &key, &value));
    CHECK_SLICE("/api/users", key);
    CHECK_OK(graven_ceil(table, NULL, 0, &key, &value));
    CHECK_SLICE("/", key);
    CHECK_STATUS(GRAVEN_NOT_FOUND, graven_ceil(table, "\xff\x01", 2, &key, &value));
    /* Either part alone, or neither. */
    CHECK_OK(graven_floor(table, "/b", 2, NULL, &value));
    CHECK_SLICE("b", value);
    CHECK_OK(graven_ceil(table, "/b", 2, &key, NULL));
    CHECK_SLICE("/b", key);
    CHECK_OK(graven_first(table, NULL, NULL));
}

static void prefixes(const graven_table *table) {
    graven_slice key, value;
    graven_entry entries[4];
    size_t count;
    CHECK_OK(graven_longest_prefix(table, "/api/users/7", 12, &key, &value));
    CHECK_SLICE("/api/users", key);
    CHECK_SLICE("users", value);
    CHECK_OK(graven_longest_prefix(table, "/x", 2, &key, &value));
    CHECK_SLICE("/", key);
    CHECK_STATUS(GRAVEN_NOT_FOUND, graven_longest_prefix(table, "api", 3, &key, &value));
    CHECK_OK(graven_prefixes_of(table, "/api/users/7", 12, entries, 4, &count));
    CHECK(count == 3);
    CHECK_SLICE("/api/users", entries[0].key);
    CHECK_SLICE("/api", entries[1].key);
    CHECK_SLICE("/", entries[2].key);
    CHECK_SLICE("root", entries[2].value);
    entries[1].key = graven_slice_of("untouched");
    CHECK_OK(graven_prefixes_of(table, "/api", 4, entries, 1, &count));
    CHECK(count == 2);
    CHECK_SLICE("/api", entries[0].key);
    CHECK_SLICE("untouched", entries[1].key);
    CHECK_STATUS(GRAVEN_NOT_FOUND, graven_prefixes_of(table, "x", 1, entries, 4, &count));
    CHECK(count == 0);
}

static void ranks(const graven_table *table) {
    graven_slice key, value;
    uint64_t rank, i;
    CHECK_OK(graven_rank(table, "/api", 4, &rank));
    CHECK(rank == 2);
    CHECK_OK(graven_rank(table, "\xff\xff", 2, &rank));
    CHECK(rank == 6);
    for (i = 0; i < 6; i++) {
        CHECK_OK(graven_nth(table, i, &key, &value));
        CHECK_OK(graven_rank(table, key.data, key.len, &rank));
        CHECK(rank == i);
    }
    CHECK_STATUS(GRAVEN_NOT_FOUND, graven_nth(table, 6, &key, &value));
    CHECK_STATUS(GRAVEN_NOT_FOUND, graven_nth(table, UINT64_MAX, &key, &value));
}

static void counts(const graven_table *table) {
    graven_bounds odd;
    uint64_t number;
    const int32_t in = GRAVEN_BOUND_INCLUDED, out = GRAVEN_BOUND_EXCLUDED;
    CHECK_OK(graven_count(table, NULL, &number));
    CHECK(number == 6);
    CHECK(count(table, bounds(NULL, 0, NULL, 0)) == 6);
    CHECK(count(table, bounds("/api", in, "/b", in)) == 3);
    CHECK(count(table, bounds("/api", out, "/b", in)) == 2);
    CHECK(count(table, bounds("/api", in, "/b", out)) == 2);
    CHECK(count(table, bounds("/api", out, "/b", out)) == 1);
    CHECK(count(table, bounds("/api", in, NULL, 0)) == 4);
    CHECK(count(table, bounds(NULL, 0, "/api", out)) == 2);
    /* The empty key is an end as well. */
    CHECK(count(table, bounds(NULL, in, NULL, 0)) == 6);
    CHECK(count(table, bounds(NULL, 0, NULL, in)) == 0);
    /* The other way round. */
    CHECK(count(table, bounds("/b", in, "/api", in)) == 0);
    odd = bounds("a", 3, "b", in);
    CHECK_ERROR(GRAVEN_ERR_INVALID_ARGUMENT, graven_count(table, &odd, &number), "bound 3");
    odd = bounds(NULL, in, NULL, 0);
    odd.lower.len = 1;
    CHECK_ERROR(GRAVEN_ERR_INVALID_ARGUMENT, graven_count(table, &odd, &number), "NULL");
}

void test_order(void) {
    graven_build_options options = graven_build_options_init();
    int32_t hash_index;
    for (hash_index = GRAVEN_HASH_INDEX_AUTO; hash_index <= GRAVEN_HASH_INDEX_NEVER; hash_index++) {
        graven_table *table;
        options.hash_index = hash_index;
        table = opened("order", &options, PAIRS, COUNT(PAIRS));
        neighbours(table);
        prefixes(table);
        ranks(table);
        counts(table);
        graven_table_close(table);
    }
}
