/* Guards against a set that answers differently than one table would, slices that are gone while
   their answer is kept, and a handle on a set that serves half of a version. */

#include "check.h"
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* Writes a set of keys of 4 decimal digits from `from` on, each with a value of two letters and its
   key. Every seventh key has an empty value. */
static void write_set(const char *name, const graven_set_build_options *options, int from, int to) {
    graven_set_builder *builder;
    char key[16], value[32];
    int i;
    CHECK_OK(graven_set_builder_create(path_of(name), options, &builder));
    for (i = from; i < to; i++) {
        snprintf(key, sizeof key, "%04d", i);
        snprintf(value, sizeof value, "v-%s", key);
        CHECK_OK(graven_set_builder_insert(builder, key, 4, value, i % 7 == 0 ? 0 : 6));
    }
    CHECK_OK(graven_set_builder_finish(builder));
    graven_set_builder_close(builder);
}

static graven_set_build_options of_shards(uint64_t entries, uint64_t hashed) {
    static graven_build_options tables;
    graven_set_build_options options = graven_set_build_options_init();
    tables = graven_build_options_init();
    tables.not_durable = 1;
    tables.duplicates = GRAVEN_DUPLICATES_KEEP_ALL;
    options.tables = &tables;
    options.shard_entries = entries;
    options.hash_shards = hashed;
    return options;
}

static void value_is(const graven_set *set, graven_answer *answer, const char *key,
                     const char *expected) {
    graven_slice value;
    CHECK_OK(graven_set_get(set, key, strlen(key), answer, &value));
    CHECK_SLICE(expected, value);
}

static void lookups(const graven_set *set, int hashed) {
    graven_answer *answer, *other;
    graven_slice keys[4], values[4], key, value, kept;
    char buffer[8];
    size_t needed, count, shard;
    uint64_t number;
    graven_bounds bounds;
    uint8_t id[16], zeros[16];
    char path[512];
    CHECK_OK(graven_answer_open(&answer));
    CHECK_OK(graven_answer_open(&other));
    CHECK(graven_set_len(set) == 100);
    CHECK(graven_set_shards(set) == (hashed ? 3u : 10u));
    memset(zeros, 0, sizeof zeros);
    CHECK_OK(graven_set_id(set, id));
    CHECK(memcmp(id, zeros, sizeof id) != 0);
    CHECK_OK(graven_set_path(set, path, sizeof path, &needed));
    CHECK(strstr(path, "/versions/0000000") != NULL && needed == strlen(path) + 1);

    value_is(set, answer, "0003", "v-0003");
    value_is(set, answer, "0007", "");
    CHECK_STATUS(GRAVEN_NOT_FOUND, graven_set_get(set, "1000", 4, answer, &value));
    CHECK_OK(graven_set_get_copy(set, "0099", 4, buffer, sizeof buffer, &needed));
    CHECK(needed == 6 && memcmp(buffer, "v-0099", 6) == 0);
    CHECK_STATUS(GRAVEN_ERR_BUFFER_TOO_SMALL,
                 graven_set_get_copy(set, "0099", 4, buffer, 5, &needed));
    CHECK_STATUS(GRAVEN_NOT_FOUND, graven_set_get_copy(set, "", 0, NULL, 0, &needed));

    /* The slice is kept by its answer, also when all other shards are asked. */
    CHECK_OK(graven_set_get(set, "0001", 4, other, &kept));
    keys[0] = graven_slice_of("0098");
    keys[1] = graven_slice_of("none");
    keys[2] = graven_slice_of("0070");
    keys[3] = graven_slice_of("0011");
    CHECK_OK(graven_set_get_many(set, keys, 4, answer, values));
    CHECK_SLICE("", values[0]);
    CHECK(values[1].data == NULL && values[1].len == 0);
    CHECK_SLICE("", values[2]);
    CHECK_SLICE("v-0011", values[3]);
    CHECK_SLICE("v-0001", kept);
    CHECK_OK(graven_set_get_many(set, NULL, 0, answer, NULL));
    keys[1].data = NULL;
    CHECK_STATUS(GRAVEN_ERR_INVALID_ARGUMENT, graven_set_get_many(set, keys, 4, answer, values));

    CHECK_OK(graven_set_get_all(set, "0005", 4, answer, values, 4, &count));
    CHECK(count == 1);
    CHECK_SLICE("v-0005", values[0]);
    CHECK_STATUS(GRAVEN_NOT_FOUND, graven_set_get_all(set, "x", 1, answer, NULL, 0, &count));
    CHECK(count == 0);

    CHECK_OK(graven_set_first(set, answer, &key, &value));
    CHECK_SLICE("0000", key);
    CHECK_OK(graven_set_last(set, answer, &key, &value));
    CHECK_SLICE("0099", key);
    CHECK_OK(graven_set_floor(set, "0041x", 5, answer, &key, &value));
    CHECK_SLICE("0041", key);
    CHECK_SLICE("v-0041", value);
    CHECK_STATUS(GRAVEN_NOT_FOUND, graven_set_floor(set, "", 0, answer, &key, NULL));
    CHECK_OK(graven_set_ceil(set, "0041x", 5, answer, &key, NULL));
    CHECK_SLICE("0042", key);
    CHECK_STATUS(GRAVEN_NOT_FOUND, graven_set_ceil(set, "1", 1, answer, NULL, NULL));
    CHECK_OK(graven_set_rank(set, "0042", 4, &number));
    CHECK(number == 42);
    CHECK_OK(graven_set_count(set, NULL, &number));
    CHECK(number == 100);
    memset(&bounds, 0, sizeof bounds);
    bounds.lower = graven_slice_of("0010");
    bounds.lower_bound = GRAVEN_BOUND_EXCLUDED;
    bounds.upper = graven_slice_of("0020");
    bounds.upper_bound = GRAVEN_BOUND_INCLUDED;
    CHECK_OK(graven_set_count(set, &bounds, &number));
    CHECK(number == 10);
    if (hashed) {
        CHECK_ERROR(GRAVEN_ERR_UNSUPPORTED, graven_set_nth(set, 7, answer, &key, &value), "hash");
    } else {
        CHECK_OK(graven_set_nth(set, 71, answer, &key, &value));
        CHECK_SLICE("0071", key);
        CHECK_STATUS(GRAVEN_NOT_FOUND, graven_set_nth(set, 100, answer, &key, &value));
        CHECK_OK(graven_set_shard_of(set, "0025", 4, &shard));
        CHECK(shard == 2);
        CHECK_STATUS(GRAVEN_NOT_FOUND, graven_set_shard_of(set, "", 0, &shard));
    }
    CHECK_SLICE("v-0001", kept);
    graven_answer_close(answer);
    graven_answer_close(other);
}

static void walks(const graven_set *set) {
    graven_set_iter *iter;
    graven_slice key, value, last;
    graven_entry entries[64];
    graven_bounds bounds;
    char expected[16];
    size_t count, all = 0;
    int i;
    CHECK_OK(graven_set_range(set, NULL, &iter));
    for (i = 0; i < 50; i++) {
        CHECK_OK(graven_set_iter_next(iter, &key, &value));
        snprintf(expected, sizeof expected, "%04d", i);
        CHECK_SLICE(expected, key);
        CHECK(value.len == (i % 7 == 0 ? 0u : 6u));
        CHECK_OK(graven_set_iter_next_back(iter, &last, NULL));
        snprintf(expected, sizeof expected, "%04d", 99 - i);
        CHECK_SLICE(expected, last);
    }
    CHECK_STATUS(GRAVEN_NOT_FOUND, graven_set_iter_next(iter, &key, &value));
    CHECK_STATUS(GRAVEN_NOT_FOUND, graven_set_iter_next_back(iter, NULL, NULL));
    graven_set_iter_close(iter);

    CHECK_OK(graven_set_prefix(set, "00", 2, &iter));
    for (;;) {
        int32_t status = graven_set_iter_next_many(iter, entries, COUNT(entries), &count);
        if (status == GRAVEN_NOT_FOUND)
            break;
        CHECK_OK(status);
        for (i = 0; i < (int)count; i++) {
            snprintf(expected, sizeof expected, "%04d", (int)all + i);
            CHECK_SLICE(expected, entries[i].key);
        }
        all += count;
    }
    CHECK(all == 100 && count == 0);
    CHECK_STATUS(GRAVEN_OK, graven_set_iter_next_many(iter, NULL, 0, &count));
    graven_set_iter_close(iter);

    memset(&bounds, 0, sizeof bounds);
    bounds.lower = graven_slice_of("0095");
    bounds.lower_bound = GRAVEN_BOUND_INCLUDED;
    CHECK_OK(graven_set_range(set, &bounds, &iter));
    CHECK_OK(graven_set_iter_next_back(iter, &key, NULL));
    CHECK_SLICE("0099", key);
    CHECK_OK(graven_set_iter_next(iter, &key, NULL));
    CHECK_SLICE("0095", key);
    graven_set_iter_close(iter);
    bounds.lower_bound = 9;
    CHECK_STATUS(GRAVEN_ERR_INVALID_ARGUMENT, graven_set_range(set, &bounds, &iter));
}

static int32_t told(void *user, int32_t phase, uint64_t done, uint64_t total) {
    (void)phase;
    CHECK(done <= total);
    __atomic_fetch_add((int *)user, 1, __ATOMIC_SEQ_CST);
    return 0;
}

static int32_t stop(void *user, int32_t phase, uint64_t done, uint64_t total) {
    (void)user, (void)phase, (void)done, (void)total;
    return 1;
}

static void audits(const graven_set *set) {
    graven_set_report report;
    int calls = 0;
    memset(&report, 0, sizeof report);
    report.size = sizeof report;
    CHECK_OK(graven_set_verify(set, told, &calls, &report));
    CHECK(calls > 0 && report.entries == 100 && report.keys == 100);
    CHECK(report.shards == graven_set_shards(set) && report.bytes > 0);
    CHECK_OK(graven_set_verify(set, NULL, NULL, NULL));
    CHECK_STATUS(GRAVEN_ERR_CANCELLED, graven_set_verify(set, stop, NULL, NULL));
}

static void answered(void) {
    graven_set_build_options options[2];
    graven_set_options bound = graven_set_options_init();
    graven_open_options tables = graven_open_options_init();
    int hashed;
    options[0] = of_shards(10, 0);
    options[1] = of_shards(0, 3);
    bound.max_mapped_bytes = 1;
    bound.tables = &tables;
    for (hashed = 0; hashed < 2; hashed++) {
        const char *name = hashed ? "hashed" : "ranges";
        graven_set *set;
        write_set(name, &options[hashed], 0, 100);
        CHECK_OK(graven_set_open(path_of(name), NULL, &set));
        CHECK(graven_set_mapped_bytes(set) == 0);
        lookups(set, hashed);
        walks(set);
        audits(set);
        CHECK(graven_set_mapped_bytes(set) > 0);
        graven_set_close(set);
        /* With room for one shard, each lookup lets the one before go. */
        CHECK_OK(graven_set_open(path_of(name), &bound, &set));
        lookups(set, hashed);
        walks(set);
        graven_set_close(set);
    }
}

/* A set of packed shards answers as one of plain shards, through the same functions. */
static void answered_by_packed_shards(void) {
    static const struct {
        const char *name;
        int32_t compression, compact_keys;
        uint64_t entries, hashed;
    } all[] = {
        {"zstd-ranges", GRAVEN_COMPRESSION_ZSTD, 0, 10, 0},
        {"zstd-hashed", GRAVEN_COMPRESSION_ZSTD, 1, 0, 3},
        {"fsst-ranges", GRAVEN_COMPRESSION_FSST, 1, 10, 0},
        {"keys-hashed", GRAVEN_COMPRESSION_NONE, 1, 0, 3},
    };
    size_t i;
    for (i = 0; i < COUNT(all); i++) {
        graven_set_build_options options = of_shards(all[i].entries, all[i].hashed);
        graven_build_options tables = *options.tables;
        graven_set_options bound = graven_set_options_init();
        graven_live_set *live;
        graven_set *set, *pinned;
        graven_answer *answer;
        graven_table *table;
        graven_packed *packed;
        graven_buffer *buffer;
        graven_slice value, other, key;
        size_t shard;
        bound.max_mapped_bytes = 1;
        tables.compression = all[i].compression;
        tables.compact_keys = all[i].compact_keys;
        options.tables = &tables;
        write_set(all[i].name, &options, 0, 100);
        CHECK_OK(graven_set_open(path_of(all[i].name), NULL, &set));
        CHECK(graven_set_mapped_bytes(set) == 0);
        /* The manifest says that the shard is packed, so it is refused before it is mapped. */
        CHECK_OK(graven_set_shard_of(set, "0033", 4, &shard));
        CHECK_ERROR(GRAVEN_ERR_NEEDS_BUFFER, graven_set_table(set, shard, &table),
                    "graven_set_packed()");
        CHECK(graven_set_mapped_bytes(set) == 0);
        lookups(set, all[i].hashed != 0);
        walks(set);
        audits(set);
        CHECK_OK(graven_live_set_open(path_of(all[i].name), NULL, &live));
        CHECK_OK(graven_live_set_pin(live, &pinned));
        lookups(pinned, all[i].hashed != 0);
        graven_set_close(pinned);
        graven_live_set_close(live);

        /* A shard by itself. */
        CHECK_OK(graven_set_packed(set, shard, &packed));
        CHECK_ERROR(GRAVEN_ERR_INVALID_ARGUMENT, graven_set_packed(set, 10, &packed), " shards");
        CHECK_OK(graven_buffer_open(0, &buffer));
        CHECK_OK(graven_packed_get(packed, "0033", 4, buffer, &value));
        CHECK_SLICE("v-0033", value);
        graven_packed_close(packed);
        graven_buffer_close(buffer);

        /* An answer keeps what was decoded, also what it is asked for by its own bytes. */
        CHECK_OK(graven_answer_open(&answer));
        CHECK_OK(graven_set_floor(set, "0041x", 5, answer, &key, NULL));
        CHECK_OK(graven_set_get(set, key.data, key.len, answer, &value));
        CHECK_SLICE("v-0041", value);
        graven_set_close(set);
        CHECK_SLICE("v-0041", value);

        CHECK_OK(graven_set_open(path_of(all[i].name), &bound, &set));
        CHECK_OK(graven_set_get(set, "0041", 4, answer, &other));
        lookups(set, all[i].hashed != 0);
        walks(set);
        CHECK_SLICE("v-0041", other);
        graven_set_close(set);
        graven_answer_close(answer);
    }
}

/* Everything that was made from a set stays when the set is closed. */
static void what_outlives_a_set(void) {
    graven_set *set, *clone;
    graven_answer *answer;
    graven_set_iter *iter;
    graven_table *table;
    graven_slice value, key, in_table;
    CHECK_OK(graven_set_open(path_of("ranges"), NULL, &set));
    CHECK_OK(graven_set_clone(set, &clone));
    CHECK_OK(graven_answer_open(&answer));
    CHECK_OK(graven_set_get(set, "0033", 4, answer, &value));
    CHECK_OK(graven_set_range(set, NULL, &iter));
    CHECK_OK(graven_set_table(set, 3, &table));
    CHECK_ERROR(GRAVEN_ERR_INVALID_ARGUMENT, graven_set_table(set, 10, &table), "10 shards");
    graven_set_close(set);
    CHECK_SLICE("v-0033", value);
    CHECK_OK(graven_set_iter_next(iter, &key, NULL));
    CHECK_SLICE("0000", key);
    CHECK_OK(graven_get(table, "0033", 4, &in_table));
    CHECK(in_table.data == value.data);
    value_is(clone, answer, "0044", "v-0044");
    graven_set_close(clone);
    graven_set_iter_close(iter);
    graven_table_close(table);
    graven_answer_close(answer);
    graven_answer_close(NULL);
    graven_set_close(NULL);
    graven_set_iter_close(NULL);
    graven_live_set_close(NULL);
    graven_set_builder_close(NULL);
}

static void written(void) {
    graven_set_build_options options = of_shards(10, 0), both = of_shards(10, 3);
    graven_set_builder *builder;
    graven_set *set;
    char version[64];
    size_t needed;
    CHECK_ERROR(GRAVEN_ERR_INVALID_ARGUMENT,
                graven_set_builder_create(path_of("s"), &both, &builder), "more than one");
    both = of_shards(0, 1000001);
    CHECK_ERROR(GRAVEN_ERR_INVALID_ARGUMENT,
                graven_set_builder_create(path_of("s"), &both, &builder), "hash_shards");
    CHECK_OK(graven_set_builder_create(path_of("s"), &options, &builder));
    CHECK_STATUS(GRAVEN_NOT_FOUND, graven_set_builder_version(builder, NULL, 0, &needed));
    CHECK_OK(graven_set_builder_insert(builder, "b", 1, NULL, 0));
    CHECK_ERROR(GRAVEN_ERR_OUT_OF_ORDER, graven_set_builder_insert(builder, "a", 1, "", 0), "a");
    CHECK_STATUS(GRAVEN_ERR_FINISHED, graven_set_builder_insert(builder, "c", 1, "", 0));
    CHECK_STATUS(GRAVEN_ERR_FINISHED, graven_set_builder_finish(builder));
    graven_set_builder_close(builder);
    CHECK(files_in(path_of("s/versions")) == 0);
    CHECK_STATUS(GRAVEN_ERR_IO, graven_set_open(path_of("s"), NULL, &set));
    CHECK(graven_last_errno() == 2);

    options.min_entries = 2;
    CHECK_OK(graven_set_builder_create(path_of("s"), &options, &builder));
    CHECK_OK(graven_set_builder_insert(builder, "b", 1, "", 0));
    CHECK_ERROR(GRAVEN_ERR_DAMAGED, graven_set_builder_finish(builder), "1 entry");
    graven_set_builder_close(builder);

    CHECK_OK(graven_set_builder_create(path_of("s"), NULL, &builder));
    CHECK_OK(graven_set_builder_finish(builder));
    CHECK_OK(graven_set_builder_version(builder, version, sizeof version, &needed));
    CHECK(strlen(version) == 17 && needed == 18 && version[8] == '-');
    CHECK_STATUS(GRAVEN_ERR_FINISHED, graven_set_builder_finish(builder));
    graven_set_builder_close(builder);
    CHECK_OK(graven_set_open(path_of("s"), NULL, &set));
    CHECK(graven_set_len(set) == 0 && graven_set_shards(set) == 1);
    graven_set_close(set);
}

typedef struct seen {
    int swaps;
    int failures;
    int32_t status;
    uint64_t generation;
} seen;

static void on_swap(void *user, const graven_live_status *status) {
    ((seen *)user)->generation = status->generation;
    __atomic_fetch_add(&((seen *)user)->swaps, 1, __ATOMIC_SEQ_CST);
}

static void on_failure(void *user, int32_t status, const char *text) {
    CHECK(strlen(text) > 0);
    ((seen *)user)->status = status;
    ((seen *)user)->failures++;
}

static void followed(void) {
    graven_set_build_options options = of_shards(10, 0);
    graven_build_options packed;
    graven_live_set *live;
    graven_set *before, *after;
    graven_answer *answer;
    graven_live_status status;
    char text[512];
    size_t needed;
    int32_t swapped = 7;
    struct timespec wait = {0, 2000000};
    seen seen_;
    uint8_t id[16];
    memset(&seen_, 0, sizeof seen_);
    write_set("followed", &options, 0, 20);
    CHECK_OK(graven_answer_open(&answer));
    CHECK_OK(graven_live_set_open(path_of("followed"), NULL, &live));
    CHECK_OK(graven_live_set_on_swap(live, on_swap, &seen_));
    CHECK_OK(graven_live_set_on_failure(live, on_failure, &seen_));
    CHECK_OK(graven_live_set_refresh(live, &swapped));
    CHECK(swapped == 0 && seen_.swaps == 0);
    CHECK_OK(graven_live_set_pin(live, &before));
    options = of_shards(0, 2);
    packed = *options.tables;
    packed.compression = GRAVEN_COMPRESSION_FSST;
    packed.compact_keys = 1;
    options.tables = &packed;
    write_set("followed", &options, 10, 30);
    CHECK_OK(graven_live_set_refresh(live, &swapped));
    CHECK(swapped == 1 && seen_.swaps == 1 && seen_.generation == 2);
    CHECK_OK(graven_live_set_pin(live, &after));
    value_is(before, answer, "0001", "v-0001");
    value_is(after, answer, "0029", "v-0029");
    CHECK(graven_set_shards(before) == 2 && graven_set_len(after) == 20);

    /* A pointer that leads nowhere is told, and the version is served on. */
    CHECK(rename(path_of("followed/CURRENT"), path_of("followed/away")) == 0);
    CHECK_STATUS(GRAVEN_ERR_IO, graven_live_set_refresh(live, &swapped));
    CHECK(seen_.failures == 1 && seen_.status == GRAVEN_ERR_IO);
    CHECK_OK(graven_live_set_failure(live, text, sizeof text, &needed));
    CHECK(strcmp(text, graven_last_error()) == 0);
    memset(&status, 0xff, sizeof status);
    status.size = sizeof status;
    CHECK_OK(graven_live_set_get_status(live, &status));
    CHECK_OK(graven_set_id(after, id));
    CHECK(status.generation == 2 && status.failed == 1 && memcmp(status.build_id, id, 16) == 0);
    CHECK(rename(path_of("followed/away"), path_of("followed/CURRENT")) == 0);
    CHECK_OK(graven_live_set_refresh(live, NULL));
    CHECK_STATUS(GRAVEN_NOT_FOUND, graven_live_set_failure(live, text, sizeof text, &needed));
    CHECK_OK(graven_live_set_version(live, text, sizeof text, &needed));
    CHECK(needed == 18 && memcmp(text, "00000002-", 9) == 0);

    CHECK_STATUS(GRAVEN_ERR_INVALID_ARGUMENT, graven_live_set_refresh_every(live, 0, 0));
    CHECK_OK(graven_live_set_refresh_every(live, 2, 1));
    write_set("followed", &options, 0, 5);
    while (__atomic_load_n(&seen_.swaps, __ATOMIC_SEQ_CST) < 2)
        nanosleep(&wait, NULL);
    graven_live_set_close(live);
    value_is(after, answer, "0010", "v-0010");
    graven_set_close(after);
    graven_set_close(before);
    graven_answer_close(answer);
}

static void wrong_arguments(void) {
    graven_set_options options = graven_set_options_init();
    graven_open_options tables = graven_open_options_init();
    graven_set *set;
    graven_answer *answer;
    graven_slice value;
    CHECK_STATUS(GRAVEN_ERR_INVALID_ARGUMENT, graven_set_open(NULL, NULL, &set));
    CHECK_STATUS(GRAVEN_ERR_INVALID_ARGUMENT, graven_set_open(path_of("ranges"), NULL, NULL));
    CHECK_STATUS(GRAVEN_ERR_IO, graven_set_open(path_of("missing"), NULL, &set));
    options.tables = &tables;
    tables.section_len = 8;
    CHECK_ERROR(GRAVEN_ERR_INVALID_ARGUMENT, graven_set_open(path_of("ranges"), &options, &set),
                "whole file");
    tables.section_len = 0;
    options.size = 1;
    CHECK_ERROR(GRAVEN_ERR_INVALID_ARGUMENT, graven_set_open(path_of("ranges"), &options, &set),
                "graven_set_options.size is 1");
    CHECK_OK(graven_set_open(path_of("ranges"), NULL, &set));
    CHECK_OK(graven_answer_open(&answer));
    CHECK_ERROR(GRAVEN_ERR_INVALID_ARGUMENT, graven_set_get(NULL, "a", 1, answer, &value), "`set`");
    CHECK_ERROR(GRAVEN_ERR_INVALID_ARGUMENT, graven_set_get(set, NULL, 1, answer, &value), "`key`");
    CHECK_ERROR(GRAVEN_ERR_INVALID_ARGUMENT, graven_set_get(set, "a", 1, NULL, &value), "`answer`");
    CHECK_ERROR(GRAVEN_ERR_INVALID_ARGUMENT, graven_set_get(set, "a", 1, answer, NULL), "`value`");
    CHECK_STATUS(GRAVEN_NOT_FOUND, graven_set_get(set, NULL, 0, answer, &value));
    graven_answer_close(answer);
    graven_set_close(set);
}

static void a_missing_shard(void) {
    graven_set *set;
    graven_answer *answer;
    graven_slice value;
    char shard[600];
    size_t needed;
    CHECK_OK(graven_set_open(path_of("ranges"), NULL, &set));
    CHECK_OK(graven_answer_open(&answer));
    CHECK_OK(graven_set_path(set, shard, sizeof shard, &needed));
    strcat(shard, "/part-00009.grv");
    CHECK(remove(shard) == 0);
    CHECK_ERROR(GRAVEN_ERR_IO, graven_set_get(set, "0095", 4, answer, &value), "part-00009.grv");
    CHECK_STATUS(GRAVEN_ERR_IO, graven_set_verify(set, NULL, NULL, NULL));
    value_is(set, answer, "0001", "v-0001");
    graven_answer_close(answer);
    graven_set_close(set);
}

void test_sets(void) {
    answered();
    answered_by_packed_shards();
    what_outlives_a_set();
    written();
    followed();
    wrong_arguments();
    a_missing_shard();
}
