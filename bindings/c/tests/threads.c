/* Guards against state that threads share: eight of them look up, walk and pin at once while the table
   is replaced, and each has its own last error. */

#include "check.h"
#include <pthread.h>

enum { THREADS = 8, ENTRIES = 2000 };

typedef struct work {
    const graven_table *table;
    const graven_live *live;
    int number;
} work;

static void *look_up(void *argument) {
    const work *work_ = (const work *)argument;
    graven_slice value;
    unsigned i;
    for (i = 0; i < 5 * ENTRIES; i++) {
        char key[16], expected[16];
        graven_pin *pin;
        snprintf(key, sizeof key, "%08x", i % ENTRIES);
        snprintf(expected, sizeof expected, "%08u", i % ENTRIES);
        CHECK_OK(graven_get(work_->table, key, 8, &value));
        CHECK_SLICE(expected, value);
        if (i % 16 == 0) {
            CHECK_OK(graven_live_pin(work_->live, &pin));
            CHECK_OK(graven_get(graven_pin_table(pin), "only", 4, &value));
            CHECK(value.len == 1);
            graven_pin_close(pin);
        }
    }
    {
        /* An error of this thread alone. */
        char path[64];
        graven_table *none;
        snprintf(path, sizeof path, "/no/such/table/%d", work_->number);
        CHECK_ERROR(GRAVEN_ERR_IO, graven_open(path, NULL, &none), path);
        for (i = 0; i < 1000; i++)
            CHECK_OK(graven_get(work_->table, "00000001", 8, &value));
        CHECK(strstr(graven_last_error(), path) != NULL);
    }
    return NULL;
}

void test_threads(void) {
    graven_table *table = numbered("threads", ENTRIES);
    graven_live *live;
    pthread_t threads[THREADS];
    work works[THREADS];
    int i;
    build(path_of("threads-live"), NULL, NULL, 0);
    {
        static const pair pairs[] = {{"only", "x"}};
        build(path_of("threads-live"), NULL, pairs, 1);
    }
    CHECK_OK(graven_live_open(path_of("threads-live"), NULL, &live));
    for (i = 0; i < THREADS; i++) {
        works[i].table = table;
        works[i].live = live;
        works[i].number = i;
        CHECK(pthread_create(&threads[i], NULL, look_up, &works[i]) == 0);
    }
    for (i = 0; i < 20; i++) {
        const pair pairs[] = {{"only", i % 2 == 0 ? "a" : "b"}};
        int32_t swapped;
        build(path_of("threads-live"), NULL, pairs, 1);
        CHECK_OK(graven_live_refresh(live, &swapped));
        CHECK(swapped == 1);
    }
    for (i = 0; i < THREADS; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
    CHECK(strstr(graven_last_error(), "/no/such/table/") == NULL);
    graven_live_close(live);
    graven_table_close(table);
}
