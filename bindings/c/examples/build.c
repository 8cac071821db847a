/* Builds a table of lines "key TAB value" from standard input:
 *
 *     cc build.c $(pkg-config --cflags --libs graven) -o build
 *     ./build names.grv <names.tsv
 *
 * It tells how far it is, and can be interrupted: nothing is left of it then.
 */

#include <graven.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

static volatile sig_atomic_t interrupted;

static void interrupt(int signal_) {
    (void)signal_;
    interrupted = 1;
}

static const char *const PHASES[] = {"sort", "merge", "index", "sync"};

/* Any thread of the build may call this. */
static int32_t progress(void *user, int32_t phase, uint64_t done, uint64_t total) {
    (void)user;
    if (phase >= 0 && phase <= GRAVEN_BUILD_PHASE_SYNC && done == total)
        fprintf(stderr, "%s: done\n", PHASES[phase]);
    return interrupted;
}

static int fail(const char *what) {
    fprintf(stderr, "%s: %s\n", what, graven_last_error());
    return 1;
}

/* Inserts all lines. Returns 0 if it could. */
static int insert_lines(graven_builder *builder) {
    static char line[1 << 16];
    while (fgets(line, sizeof line, stdin) != NULL) {
        size_t len = strcspn(line, "\n");
        char *tab = (char *)memchr(line, '\t', len);
        const char *value;
        if (interrupted)
            return 1;
        if (tab == NULL) {
            fprintf(stderr, "a line without a tab: %.*s\n", (int)len, line);
            return 1;
        }
        value = tab + 1;
        if (graven_builder_insert(builder, line, (size_t)(tab - line), value,
                                  (size_t)(line + len - value))
            != GRAVEN_OK)
            return fail("insert");
    }
    return ferror(stdin);
}

int main(int argc, char **argv) {
    graven_build_options options = graven_build_options_init();
    graven_build_summary summary;
    graven_builder *builder;
    graven_entry metadata;
    int failed;
    if (argc != 2) {
        fprintf(stderr, "usage: build TABLE <LINES\n");
        return 2;
    }
    signal(SIGINT, interrupt);
    metadata.key = graven_slice_of("source");
    metadata.value = graven_slice_of("standard input");
    options.metadata = &metadata;
    options.metadata_count = 1;
    options.duplicates = GRAVEN_DUPLICATES_KEEP_LAST;
    options.progress = progress;
    if (graven_builder_create(argv[1], &options, &builder) != GRAVEN_OK)
        return fail("create");
    failed = insert_lines(builder);
    summary.size = sizeof summary;
    if (!failed && graven_builder_finish(builder, &summary) != GRAVEN_OK)
        failed = fail("finish");
    if (!failed)
        printf("%llu entries, %llu bytes\n", (unsigned long long)summary.entries,
               (unsigned long long)summary.file_bytes);
    graven_builder_close(builder);
    return failed;
}
