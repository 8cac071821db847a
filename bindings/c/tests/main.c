/* Runs all tests: `test GOLDEN DIRECTORY`. The directory is there and empty. */

#include "check.h"
#include <dirent.h>
#include <string.h>

static const char *directory, *golden_files;

static const char *path_in(const char *parent, const char *name) {
    static char paths[8][512];
    static int next;
    char *path = paths[next++ % 8];
    snprintf(path, sizeof paths[0], "%s/%s", parent, name);
    return path;
}

const char *path_of(const char *name) { return path_in(directory, name); }

const char *golden(const char *name) { return path_in(golden_files, name); }

int slice_is(graven_slice slice, const char *expected) {
    return slice.len == strlen(expected) && slice.data != NULL
           && memcmp(slice.data, expected, slice.len) == 0;
}

void build(const char *path, const graven_build_options *options, const pair *pairs, size_t count) {
    graven_builder *builder;
    size_t i;
    CHECK_OK(graven_builder_create(path, options, &builder));
    for (i = 0; i < count; i++)
        CHECK_OK(graven_builder_insert(builder, pairs[i].key, strlen(pairs[i].key), pairs[i].value,
                                       strlen(pairs[i].value)));
    CHECK_OK(graven_builder_finish(builder, NULL));
    graven_builder_close(builder);
}

graven_table *opened(const char *name, const graven_build_options *options, const pair *pairs,
                     size_t count) {
    graven_table *table;
    build(path_of(name), options, pairs, count);
    CHECK_OK(graven_open(path_of(name), NULL, &table));
    return table;
}

graven_table *numbered(const char *name, size_t count) {
    graven_builder *builder;
    graven_table *table;
    char key[16], value[16];
    size_t i;
    CHECK_OK(graven_builder_create(path_of(name), NULL, &builder));
    for (i = 0; i < count; i++) {
        snprintf(key, sizeof key, "%08x", (unsigned)i);
        snprintf(value, sizeof value, "%08u", (unsigned)i);
        CHECK_OK(graven_builder_insert(builder, key, 8, value, 8));
    }
    CHECK_OK(graven_builder_finish(builder, NULL));
    graven_builder_close(builder);
    CHECK_OK(graven_open(path_of(name), NULL, &table));
    return table;
}

size_t files_in(const char *path) {
    DIR *dir = opendir(path);
    struct dirent *entry;
    size_t count = 0;
    CHECK(dir != NULL);
    while ((entry = readdir(dir)) != NULL)
        count += strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
    closedir(dir);
    return count;
}

unsigned char *contents(const char *path, size_t *len) {
    FILE *file = fopen(path, "rb");
    unsigned char *data;
    long size;
    CHECK(file != NULL);
    CHECK(fseek(file, 0, SEEK_END) == 0);
    size = ftell(file);
    CHECK(size >= 0);
    rewind(file);
    *len = (size_t)size;
    data = (unsigned char *)malloc(*len + 1);
    CHECK(data != NULL && fread(data, 1, *len, file) == *len);
    fclose(file);
    return data;
}

void write_file(const char *path, const void *data, size_t len) {
    FILE *file = fopen(path, "wb");
    CHECK(file != NULL && fwrite(data, 1, len, file) == len);
    CHECK(fclose(file) == 0);
}

int main(int argc, char **argv) {
    if (argc != 3) {
        fprintf(stderr, "usage: test GOLDEN DIRECTORY\n");
        return 2;
    }
    golden_files = argv[1];
    directory = argv[2];
    CHECK(graven_abi_version() == GRAVEN_ABI_VERSION);
    CHECK(strlen(graven_version()) >= 5);
    CHECK(strcmp(graven_last_error(), "") == 0 && graven_last_errno() == 0);
    test_lookups();
    test_order();
    test_walks();
    test_building();
    test_opening();
    test_damage();
    test_arguments();
    test_live();
    test_threads();
    test_sets();
    test_packed();
    printf("11 passed, 0 failed\n");
    return 0;
}
