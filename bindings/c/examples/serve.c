/* Serves from a table that is replaced meanwhile: threads answer requests, each from one version of
 * the table, while a publisher builds new ones.
 *
 *     cc serve.c $(pkg-config --cflags --libs graven) -pthread -o serve
 *     ./serve prices.grv
 *
 * In each table the prices of both fruits are equal. A request reads both. Answers of two versions in
 * one request would be a mixed answer.
 */

#include <graven.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { THREADS = 4, VERSIONS = 20 };

typedef struct server {
    const graven_live *live;
    int *stop;
    unsigned requests;
    unsigned mixed;
    unsigned tables;
} server;

static void check(int32_t status, const char *what) {
    if (status != GRAVEN_OK) {
        fprintf(stderr, "%s: %s\n", what, graven_last_error());
        exit(1);
    }
}

static void *serve(void *argument) {
    server *server_ = (server *)argument;
    uint64_t generation = 0;
    while (!__atomic_load_n(server_->stop, __ATOMIC_ACQUIRE)) {
        graven_pin *pin;
        graven_slice apple, pear;
        const graven_table *table;
        /* One version for the whole request. */
        check(graven_live_pin(server_->live, &pin), "pin");
        table = graven_pin_table(pin);
        check(graven_get(table, "apple", 5, &apple), "apple");
        check(graven_get(table, "pear", 4, &pear), "pear");
        server_->requests++;
        server_->mixed += apple.len != pear.len || memcmp(apple.data, pear.data, pear.len) != 0;
        server_->tables += graven_pin_generation(pin) != generation;
        generation = graven_pin_generation(pin);
        /* The slices end with the pin. */
        graven_pin_close(pin);
    }
    return NULL;
}

static void publish(const char *path, int price) {
    graven_builder *builder;
    char text[16];
    int len = snprintf(text, sizeof text, "%d", price);
    check(graven_builder_create(path, NULL, &builder), "create");
    check(graven_builder_insert(builder, "apple", 5, text, (size_t)len), "insert");
    check(graven_builder_insert(builder, "pear", 4, text, (size_t)len), "insert");
    check(graven_builder_finish(builder, NULL), "finish");
    graven_builder_close(builder);
}

static void swapped(void *user, const graven_live_status *status) {
    (void)user;
    printf("table %llu is served\n", (unsigned long long)status->generation);
}

int main(int argc, char **argv) {
    graven_live *live;
    pthread_t threads[THREADS];
    server servers[THREADS];
    unsigned mixed = 0, most = 0;
    int i, stop = 0;
    struct timespec pause = {0, 5000000};
    if (argc != 2) {
        fprintf(stderr, "usage: serve TABLE\n");
        return 2;
    }
    /* A file that loses pages under the mapping is an error then, and not the end of the server. */
    check(graven_sigbus_install(), "guard");
    publish(argv[1], 100);
    check(graven_live_open(argv[1], NULL, &live), "open");
    check(graven_live_on_swap(live, swapped, NULL), "hook");
    for (i = 0; i < THREADS; i++) {
        memset(&servers[i], 0, sizeof servers[i]);
        servers[i].live = live;
        servers[i].stop = &stop;
        if (pthread_create(&threads[i], NULL, serve, &servers[i]) != 0)
            return 1;
    }
    for (i = 1; i <= VERSIONS; i++) {
        publish(argv[1], 100 + i); /* as another process would */
        check(graven_live_refresh(live, NULL), "refresh"); /* or graven_live_refresh_every() */
        nanosleep(&pause, NULL);
    }
    __atomic_store_n(&stop, 1, __ATOMIC_RELEASE);
    for (i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        mixed += servers[i].mixed;
        most = servers[i].tables > most ? servers[i].tables : most;
    }
    printf("%d threads saw up to %u tables, %u mixed answers\n", THREADS, most, mixed);
    graven_live_close(live);
    return mixed != 0;
}
