/* What the tests share. They are C99 and C++ at once. */
#ifndef CHECK_H
#define CHECK_H

#include <graven.h>
#include <stdio.h>
#include <stdlib.h>

/* Ends the program if `condition` does not hold, with the text of the last error. */
#define CHECK(condition)                                                                          \
    do {                                                                                          \
        if (!(condition)) {                                                                       \
            fprintf(stderr, "%s:%d: %s\n  last error: %s\n", __FILE__, __LINE__, #condition,      \
                    graven_last_error());                                                         \
            abort();                                                                              \
        }                                                                                         \
    } while (0)

#define CHECK_STATUS(expected, call)                                                              \
    do {                                                                                          \
        int32_t status_ = (call);                                                                 \
        if (status_ != (expected)) {                                                              \
            fprintf(stderr, "%s:%d: %s is %d, expected %s\n  last error: %s\n", __FILE__,         \
                    __LINE__, #call, (int)status_, #expected, graven_last_error());               \
            abort();                                                                              \
        }                                                                                         \
    } while (0)

#define CHECK_OK(call) CHECK_STATUS(GRAVEN_OK, call)
#define CHECK_SLICE(expected, slice) CHECK(slice_is(slice, expected))
#define CHECK_ERROR(expected, call, part)                                                         \
    do {                                                                                          \
        CHECK_STATUS(expected, call);                                                             \
        CHECK(strstr(graven_last_error(), part) != NULL);                                         \
    } while (0)

typedef struct pair {
    const char *key;
    const char *value;
} pair;

/* A path in the directory of the tests. It stays valid until eight more are asked for. */
const char *path_of(const char *name);
/* A path in the directory of the golden files. Valid as long. */
const char *golden(const char *name);
int slice_is(graven_slice slice, const char *expected);
/* Builds a table of these pairs; the options may be NULL. */
void build(const char *path, const graven_build_options *options, const pair *pairs, size_t count);
/* The same, opened. */
graven_table *opened(const char *name, const graven_build_options *options, const pair *pairs,
                     size_t count);
/* A table of `count` entries with keys of 8 hexadecimal digits, and values of as many decimal ones. */
graven_table *numbered(const char *name, size_t count);
/* How many files a directory has, hidden ones included. */
size_t files_in(const char *path);
/* A whole file. The caller frees it. */
unsigned char *contents(const char *path, size_t *len);
void write_file(const char *path, const void *data, size_t len);

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* One function for each file. */
void test_lookups(void);
void test_order(void);
void test_walks(void);
void test_building(void);
void test_opening(void);
void test_damage(void);
void test_arguments(void);
void test_live(void);
void test_threads(void);
void test_sets(void);
void test_packed(void);

#endif
