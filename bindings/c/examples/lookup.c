/* A table embedded in a program: looks keys up, and lists those that begin with a prefix.
 *
 *     cc lookup.c $(pkg-config --cflags --libs graven) -o lookup
 *     ./lookup names.grv 2764 1F98*
 */

#include <graven.h>
#include <stdio.h>
#include <stdlib.h>

/* Prints the value of a key. Returns 0 if there is one. */
static int look_up(const graven_table *table, const char *key) {
    graven_slice value;
    switch (graven_get(table, key, strlen(key), &value)) {
    case GRAVEN_OK:
        /* The slice lies in the table, and is valid until the table is closed. */
        printf("%.*s\n", (int)value.len, (const char *)value.data);
        return 0;
    case GRAVEN_NOT_FOUND:
        fprintf(stderr, "%s: not found\n", key);
        return 1;
    default:
        fprintf(stderr, "%s: %s\n", key, graven_last_error());
        return 1;
    }
}

/* Prints all entries whose keys begin with a prefix. */
static int list(const graven_table *table, const char *prefix, size_t len) {
    graven_iter *iter;
    graven_slice key, value;
    int32_t status;
    if (graven_prefix(table, prefix, len, &iter) != GRAVEN_OK) {
        fprintf(stderr, "%s\n", graven_last_error());
        return 1;
    }
    while ((status = graven_iter_next(iter, &key, &value)) == GRAVEN_OK)
        printf("%.*s\t%.*s\n", (int)key.len, (const char *)key.data, (int)value.len,
               (const char *)value.data);
    graven_iter_close(iter);
    if (status < 0)
        fprintf(stderr, "%s\n", graven_last_error());
    return status < 0;
}

int main(int argc, char **argv) {
    graven_table *table;
    int i, failed = 0;
    if (argc < 3) {
        fprintf(stderr, "usage: lookup TABLE KEY|PREFIX*...\n");
        return 2;
    }
    if (graven_open(argv[1], NULL, &table) != GRAVEN_OK) {
        fprintf(stderr, "%s\n", graven_last_error());
        return 1;
    }
    for (i = 2; i < argc; i++) {
        size_t len = strlen(argv[i]);
        if (len > 0 && argv[i][len - 1] == '*')
            failed |= list(table, argv[i], len - 1);
        else
            failed |= look_up(table, argv[i]);
    }
    graven_table_close(table);
    return failed;
}
