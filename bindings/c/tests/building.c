/* Guards against a build that leaves something behind, publishes half a table, or takes an error for
   none. */

#include "check.h"
#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

/* A directory of its own, so that everything in it can be counted. */
static const char *directory(const char *name) {
    const char *path = path_of(name);
    CHECK(mkdir(path, 0700) == 0);
    return path;
}

static void a_summary(void) {
    graven_build_summary summary;
    graven_builder *builder;
    graven_table *table;
    uint8_t build_id[16];
    struct stat file;
    memset(&summary, 0xff, sizeof summary);
    summary.size = sizeof summary;
    CHECK_OK(graven_builder_create(path_of("summary"), NULL, &builder));
    CHECK_OK(graven_builder_insert(builder, "key", 3, "value", 5));
    CHECK_OK(graven_builder_insert(builder, NULL, 0, NULL, 0));
    CHECK_OK(graven_builder_finish(builder, &summary));
    CHECK(summary.entries == 2 && summary.keys == 2);
    CHECK(summary.key_bytes == 3 && summary.value_bytes == 5);
    CHECK(summary.set_aside == 0 && summary.reserved == 0 && summary.hash_index == 0);
    /* It is finished, and still to be closed. */
    CHECK_STATUS(GRAVEN_ERR_FINISHED, graven_builder_insert(builder, "b", 1, "", 0));
    CHECK_ERROR(GRAVEN_ERR_FINISHED, graven_builder_finish(builder, NULL), "finished");
    graven_builder_close(builder);
    CHECK(stat(path_of("summary"), &file) == 0);
    CHECK((uint64_t)file.st_size == summary.file_bytes && (file.st_mode & 0777) == 0444);
    CHECK_OK(graven_open(path_of("summary"), NULL, &table));
    CHECK_OK(graven_table_build_id(table, build_id));
    CHECK(memcmp(build_id, summary.build_id, 16) == 0);
    graven_table_close(table);
}

static void closed_before_its_end(void) {
    const char *path = directory("discarded");
    char table[600];
    graven_builder *builder;
    snprintf(table, sizeof table, "%s/table", path);
    CHECK_OK(graven_builder_create(table, NULL, &builder));
    CHECK_OK(graven_builder_insert(builder, "a", 1, "1", 1));
    graven_builder_close(builder);
    CHECK(files_in(path) == 0);
    graven_builder_close(NULL);
}

static void errors_of_entries(void) {
    graven_build_options options = graven_build_options_init();
    graven_builder *builder;
    char *key = (char *)calloc(65536, 1);
    CHECK(key != NULL);
    CHECK_OK(graven_builder_create(path_of("never"), NULL, &builder));
    CHECK_ERROR(GRAVEN_ERR_TOO_LONG, graven_builder_insert(builder, key, 65536, "", 0), "65535");
    CHECK_ERROR(GRAVEN_ERR_FINISHED, graven_builder_insert(builder, "a", 1, "", 0), "earlier");
    CHECK_STATUS(GRAVEN_ERR_FINISHED, graven_builder_finish(builder, NULL));
    graven_builder_close(builder);

    CHECK_OK(graven_builder_create(path_of("never"), NULL, &builder));
    CHECK_OK(graven_builder_insert(builder, "a", 1, "1", 1));
    CHECK_OK(graven_builder_insert(builder, "a", 1, "2", 1));
    CHECK_ERROR(GRAVEN_ERR_DUPLICATE_KEY, graven_builder_finish(builder, NULL), "more than once");
    graven_builder_close(builder);

    options.sorted = 1;
    CHECK_OK(graven_builder_create(path_of("never"), &options, &builder));
    CHECK_OK(graven_builder_insert(builder, "b", 1, "1", 1));
    CHECK_ERROR(GRAVEN_ERR_OUT_OF_ORDER, graven_builder_insert(builder, "a", 1, "2", 1), "smaller");
    graven_builder_close(builder);

    CHECK_OK(graven_builder_create(path_of("never"), NULL, &builder));
    CHECK_STATUS(GRAVEN_ERR_INVALID_ARGUMENT, graven_builder_insert(builder, NULL, 1, "", 0));
    CHECK_STATUS(GRAVEN_ERR_INVALID_ARGUMENT, graven_builder_insert(builder, "", 0, NULL, 1));
    /* An argument that was refused has changed nothing. */
    CHECK_OK(graven_builder_insert(builder, "a", 1, "1", 1));
    graven_builder_close(builder);
    CHECK(access(path_of("never"), F_OK) != 0);
    free(key);
}

static void paths_that_are_taken(void) {
    static const pair pairs[] = {{"a", "1"}};
    graven_build_options options = graven_build_options_init();
    graven_builder *builder;
    build(path_of("taken"), NULL, pairs, 1);
    options.keep_existing = 1;
    CHECK_OK(graven_builder_create(path_of("free"), &options, &builder));
    graven_builder_close(builder);
    CHECK_ERROR(GRAVEN_ERR_EXISTS, graven_builder_create(path_of("taken"), &options, &builder),
                "exists already");
    write_file(path_of("precious"), "text", 4);
    CHECK_ERROR(GRAVEN_ERR_EXISTS, graven_builder_create(path_of("precious"), NULL, &builder),
                "no graven table");
    CHECK_ERROR(GRAVEN_ERR_IO, graven_builder_create(path_of("no/such/place"), NULL, &builder),
                "no/such/place");
    CHECK(graven_last_errno() == ENOENT);
}

static void options_take_effect(void) {
    static const pair pairs[] = {{"a", "1"}, {"b", "2"}};
    graven_build_options options = graven_build_options_init();
    graven_entry metadata[3];
    graven_entry found[4];
    graven_builder *builder;
    graven_table *table;
    graven_stats stats;
    graven_slice value;
    struct stat file;
    size_t count;
    metadata[0].key = graven_slice_of("source");
    metadata[0].value = graven_slice_of("first");
    metadata[1].key = graven_slice_of("author");
    metadata[1].value = graven_slice_of("");
    metadata[2].key = graven_slice_of("source");
    metadata[2].value = graven_slice_of("census");
    options.sorted = 1;
    options.hash_index = GRAVEN_HASH_INDEX_ALWAYS;
    options.value_align = 16;
    options.memory_budget = 1 << 20;
    options.threads = 1;
    options.mode = 0640;
    options.not_durable = 1;
    options.verify_after_write = 1;
    options.temp_dir = path_of("");
    options.metadata = metadata;
    options.metadata_count = 3;
    table = opened("options", &options, pairs, COUNT(pairs));
    CHECK(stat(path_of("options"), &file) == 0 && (file.st_mode & 0777) == 0640);
    memset(&stats, 0xff, sizeof stats);
    stats.size = sizeof stats;
    CHECK_OK(graven_table_stats(table, &stats));
    CHECK(stats.entries == 2 && stats.value_align == 16 && stats.hash_buckets > 0);
    CHECK(stats.hash_keys == 2 && stats.fixed_key_len == 1 && stats.fixed_value_len == 1);
    CHECK(stats.format >> 16 == 1 && stats.file_bytes == (uint64_t)file.st_size);
    CHECK_OK(graven_get(table, "b", 1, &value));
    CHECK((uintptr_t)value.data % 16 == 0);
    CHECK_OK(graven_table_metadata(table, found, 4, &count));
    CHECK(count == 2);
    CHECK_SLICE("author", found[0].key);
    CHECK_SLICE("", found[0].value);
    CHECK_SLICE("census", found[1].value);
    CHECK_OK(graven_table_metadata(table, NULL, 0, &count));
    CHECK(count == 2);
    CHECK_OK(graven_table_metadata_get(table, "source", 6, &value));
    CHECK_SLICE("census", value);
    CHECK_STATUS(GRAVEN_NOT_FOUND, graven_table_metadata_get(table, "x", 1, &value));
    graven_table_close(table);

    /* Values that are out of range, by the library and by this edge. */
    options.value_align = 3;
    CHECK_ERROR(GRAVEN_ERR_INVALID_ARGUMENT, graven_builder_create(path_of("x"), &options, &builder),
                "value_align");
    options.value_align = 0;
    options.duplicates = 9;
    CHECK_ERROR(GRAVEN_ERR_INVALID_ARGUMENT, graven_builder_create(path_of("x"), &options, &builder),
                "duplicates is 9");
    options.duplicates = 0;
    options.metadata = NULL;
    CHECK_ERROR(GRAVEN_ERR_INVALID_ARGUMENT, graven_builder_create(path_of("x"), &options, &builder),
                "metadata");
    options.metadata = metadata;
    metadata[1].value.data = NULL;
    metadata[1].value.len = 1;
    CHECK_ERROR(GRAVEN_ERR_INVALID_ARGUMENT, graven_builder_create(path_of("x"), &options, &builder),
                "metadata");
}

typedef struct watcher {
    int32_t stop_at;
    int calls;
    int32_t last;
    uint64_t done, total;
} watcher;

static int32_t watch(void *user, int32_t phase, uint64_t done, uint64_t total) {
    watcher *watcher_ = (watcher *)user;
    watcher_->calls++;
    watcher_->last = phase;
    watcher_->done = done;
    watcher_->total = total;
    return phase == watcher_->stop_at;
}

/* Stopped in each phase, and in none. */
static void progress_and_cancel(void) {
    int32_t phase;
    for (phase = GRAVEN_BUILD_PHASE_SORT; phase <= GRAVEN_BUILD_PHASE_SYNC + 1; phase++) {
        graven_build_options options = graven_build_options_init();
        graven_builder *builder;
        char name[32], table[600];
        const char *path;
        watcher watched = {0, 0, -1, 0, 0};
        int32_t status;
        unsigned i;
        snprintf(name, sizeof name, "cancel-%d", (int)phase);
        path = directory(name);
        snprintf(table, sizeof table, "%s/table", path);
        watched.stop_at = phase;
        options.threads = 1;
        options.progress = watch;
        options.progress_user = &watched;
        CHECK_OK(graven_builder_create(table, &options, &builder));
        for (i = 0; i < 20000; i++) {
            uint32_t key = i * 2654435761u;
            CHECK_OK(graven_builder_insert(builder, &key, sizeof key, "value", 5));
        }
        status = graven_builder_finish(builder, NULL);
        CHECK(watched.calls > 0);
        if (phase <= GRAVEN_BUILD_PHASE_SYNC) {
            CHECK_STATUS(GRAVEN_ERR_CANCELLED, status);
            CHECK(strstr(graven_last_error(), "given up") != NULL && watched.last == phase);
        } else {
            CHECK_OK(status);
            CHECK(watched.last == GRAVEN_BUILD_PHASE_SYNC && watched.done == watched.total);
        }
        graven_builder_close(builder);
        CHECK(files_in(path) == (phase > GRAVEN_BUILD_PHASE_SYNC));
    }
}

void test_building(void) {
    a_summary();
    closed_before_its_end();
    errors_of_entries();
    paths_that_are_taken();
    options_take_effect();
    progress_and_cancel();
    graven_remove_temporary_files();
}
