/* Guards against a table that opens where it must not, or not where it must: from a file, a copy,
   memory, and a part of a larger file. */

#include "check.h"
#include <errno.h>
#include <unistd.h>

static const pair PAIRS[] = {{"a", "1"}, {"b", "2"}};

static void is_it(graven_table *table) {
    graven_slice value;
    CHECK_OK(graven_get(table, "b", 1, &value));
    CHECK_SLICE("2", value);
    CHECK(graven_table_len(table) == 2);
    graven_table_close(table);
}

static void files(void) {
    graven_table *table;
    char path[600];
    size_t needed;
    build(path_of("file"), NULL, PAIRS, COUNT(PAIRS));
    CHECK_OK(graven_open(path_of("file"), NULL, &table));
    CHECK_STATUS(GRAVEN_ERR_BUFFER_TOO_SMALL, graven_table_path(table, NULL, 0, &needed));
    CHECK(needed == strlen(path_of("file")) + 1);
    CHECK_OK(graven_table_path(table, path, sizeof path, &needed));
    CHECK(strcmp(path, path_of("file")) == 0);
    CHECK_STATUS(GRAVEN_ERR_BUFFER_TOO_SMALL, graven_table_path(table, path, needed - 1, &needed));
    is_it(table);
    CHECK_OK(graven_load(path_of("file"), NULL, &table));
    /* The copy needs no file. */
    CHECK(unlink(path_of("file")) == 0);
    is_it(table);
    CHECK_ERROR(GRAVEN_ERR_IO, graven_open(path_of("file"), NULL, &table), path_of("file"));
    CHECK(graven_last_errno() == ENOENT);
    CHECK_STATUS(GRAVEN_ERR_IO, graven_load(path_of("file"), NULL, &table));
    CHECK_ERROR(GRAVEN_ERR_NOT_A_TABLE, graven_open(path_of(""), NULL, &table), "directory");
}

static void memory(void) {
    graven_table *table;
    graven_slice value;
    unsigned char *data;
    size_t len, needed;
    char path[8];
    build(path_of("memory"), NULL, PAIRS, COUNT(PAIRS));
    data = contents(path_of("memory"), &len);
    CHECK_OK(graven_from_memory(data, len, NULL, &table));
    CHECK_STATUS(GRAVEN_NOT_FOUND, graven_table_path(table, path, sizeof path, &needed));
    /* Without a copy. */
    CHECK_OK(graven_get(table, "a", 1, &value));
    CHECK(value.data >= data && value.data < data + len);
    is_it(table);
    CHECK_OK(graven_from_copy(data, len, NULL, &table));
    memset(data, 0, len);
    free(data);
    is_it(table);
    CHECK_STATUS(GRAVEN_ERR_DAMAGED, graven_from_memory("", 0, NULL, &table));
    CHECK_STATUS(GRAVEN_ERR_DAMAGED, graven_from_memory(NULL, 0, NULL, &table));
    CHECK_STATUS(GRAVEN_ERR_INVALID_ARGUMENT, graven_from_memory(NULL, 1, NULL, &table));
    CHECK_STATUS(GRAVEN_ERR_INVALID_ARGUMENT, graven_from_copy(NULL, 1, NULL, &table));
}

static void sections_of_a_file(void) {
    graven_open_options options = graven_open_options_init();
    graven_table *table;
    unsigned char *data, *larger;
    size_t len;
    build(path_of("part"), NULL, PAIRS, COUNT(PAIRS));
    data = contents(path_of("part"), &len);
    larger = (unsigned char *)malloc(len + 200);
    CHECK(larger != NULL);
    memset(larger, 'x', len + 200);
    memcpy(larger + 128, data, len);
    write_file(path_of("larger"), larger, len + 200);
    options.section_offset = 128;
    options.section_len = len;
    CHECK_OK(graven_open(path_of("larger"), &options, &table));
    is_it(table);
    CHECK_OK(graven_load(path_of("larger"), &options, &table));
    is_it(table);
    CHECK_OK(graven_from_memory(larger, len + 200, &options, &table));
    is_it(table);
    CHECK_STATUS(GRAVEN_ERR_NOT_A_TABLE, graven_open(path_of("larger"), NULL, &table));
    options.section_len = len + 100;
    CHECK_STATUS(GRAVEN_ERR_INVALID_ARGUMENT, graven_open(path_of("larger"), &options, &table));
    options.section_len = 0;
    CHECK(graven_open(path_of("larger"), &options, &table) < 0);
    free(larger);
    free(data);
}

static void builds_that_are_expected(void) {
    graven_open_options options = graven_open_options_init();
    graven_table *table;
    uint8_t build_id[16];
    build(path_of("build"), NULL, PAIRS, COUNT(PAIRS));
    CHECK_OK(graven_open(path_of("build"), NULL, &table));
    CHECK_OK(graven_table_build_id(table, build_id));
    graven_table_close(table);
    options.expected_build_id = build_id;
    options.page_checks = GRAVEN_PAGE_CHECKS_AT_OPEN;
    options.access = GRAVEN_ACCESS_RANDOM;
    options.warm = GRAVEN_WARM_ALL;
    CHECK_OK(graven_open(path_of("build"), &options, &table));
    is_it(table);
    build_id[15]++;
    CHECK_STATUS(GRAVEN_ERR_OTHER_BUILD, graven_open(path_of("build"), &options, &table));
    CHECK_STATUS(GRAVEN_ERR_OTHER_BUILD, graven_load(path_of("build"), &options, &table));
}

static void what_is_in_memory(void) {
    graven_table *table = numbered("sections", 5000);
    graven_section sections[16];
    uint64_t resident, bytes = 0, total = 0;
    graven_stats stats;
    size_t count, i;
    int records = 0;
    stats.size = sizeof stats;
    CHECK_OK(graven_table_stats(table, &stats));
    CHECK_OK(graven_table_warm(table, GRAVEN_WARM_ALL, NULL, NULL));
    CHECK_OK(graven_table_sections(table, sections, 16, &count));
    CHECK(count > 4 && count <= 16);
    CHECK(sections[0].kind == GRAVEN_SECTION_HEADER && sections[0].offset == 0);
    CHECK(sections[count - 1].kind == GRAVEN_SECTION_FOOTER);
    for (i = 0; i < count; i++) {
        CHECK(sections[i].offset == bytes);
        bytes += sections[i].bytes;
        total += sections[i].resident;
        records += sections[i].kind == GRAVEN_SECTION_RECORDS;
        CHECK(strcmp(graven_section_name(sections[i].kind), "unknown") != 0);
    }
    CHECK(bytes == stats.file_bytes && records == 1);
    /* The kernel tells the file's owner: this process has written it. */
    CHECK_OK(graven_table_resident(table, &resident));
    CHECK(resident == total && resident > 0 && resident <= stats.file_bytes);
    CHECK_OK(graven_table_sections(table, NULL, 0, &i));
    CHECK(i == count);
    CHECK(strcmp(graven_section_name(GRAVEN_SECTION_HASH_INDEX), "hash index") == 0);
    CHECK(strcmp(graven_section_name(1000), "unknown") == 0);
    graven_table_close(table);
}

static void types(void) {
    graven_table *table = opened("types", NULL, PAIRS, COUNT(PAIRS));
    char text[128];
    size_t needed;
    CHECK_STATUS(GRAVEN_NOT_FOUND, graven_table_key_type(table, text, sizeof text, &needed));
    CHECK_STATUS(GRAVEN_NOT_FOUND, graven_table_value_type(table, text, sizeof text, &needed));
    CHECK(graven_table_is_faulted(table) == 0 && graven_table_is_guarded(table) == 1);
    graven_table_close(table);
    /* Typed tables are made by the library for Rust. */
    CHECK_OK(graven_open(golden("structs.grv"), NULL, &table));
    CHECK_OK(graven_table_key_type(table, text, sizeof text, &needed));
    CHECK(strcmp(text, "(u16, [u8; 3], i8)") == 0 && needed == sizeof "(u16, [u8; 3], i8)");
    CHECK_OK(graven_table_value_type(table, text, sizeof text, &needed));
    CHECK(strncmp(text, "Reading { celsius: f64, ", 24) == 0 && needed == strlen(text) + 1);
    graven_table_close(table);
    CHECK_STATUS(GRAVEN_ERR_NOT_A_TABLE, graven_open(golden("patch.grv"), NULL, &table));
}

void test_opening(void) {
    files();
    memory();
    sections_of_a_file();
    builds_that_are_expected();
    what_is_in_memory();
    types();
}
