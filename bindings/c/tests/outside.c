/* A program outside the repository. */

#include <graven.h>
#include <stdio.h>

int main(int argc, char **argv) {
    graven_builder *builder;
    graven_table *table;
    graven_slice value;
    if (argc != 2 || graven_builder_create(argv[1], NULL, &builder) != GRAVEN_OK
        || graven_builder_insert(builder, "key", 3, "value", 5) != GRAVEN_OK
        || graven_builder_finish(builder, NULL) != GRAVEN_OK) {
        fprintf(stderr, "build: %s\n", graven_last_error());
        return 1;
    }
    graven_builder_close(builder);
    if (graven_open(argv[1], NULL, &table) != GRAVEN_OK
        || graven_get(table, "key", 3, &value) != GRAVEN_OK) {
        fprintf(stderr, "lookup: %s\n", graven_last_error());
        return 1;
    }
    graven_table_close(table);
    return value.len == 5 ? 0 : 1;
}
