/* Lookups from C, in turns: graven through this library, the same by the Rust API, LMDB, tinycdb.
 *
 *     make bench                              20,000, 200,000 and 1,000,000 entries, 51 rounds
 *     make bench BENCH="-r 9 1000000"         other numbers
 *     make bench BENCH="-g -r 501"            graven alone, C against Rust
 *     make bench LINK=static                  with libgraven.a
 *
 * A lap is LAP lookups, on the clock of the thread's processor time. Off the clock, as many other
 * lookups come before it, and then its keys are read once: a caller has just made them, and what is
 * timed are lookups. A round is a lap of each contestant, in an order that is drawn anew, and each on
 * other keys than the one before it, so that none finds the records of its neighbour in the cache. All must come to the same sum. Printed are medians over the rounds, in nanoseconds per
 * key, and their ratios to graven through C.
 */

#include <cdb.h>
#include <fcntl.h>
#include <graven.h>
#include <lmdb.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { LAP = 4096, LAPS = 128, MOST_BATCH = 1000, MOST_ROUNDS = 1001 };

static void die(const char *what, const char *why) {
    fprintf(stderr, "%s: %s\n", what, why);
    exit(1);
}

static void *allocate(size_t count, size_t size) {
    void *memory = calloc(count, size);
    if (memory == NULL)
        die("memory", "there is not enough");
    return memory;
}

/* Keys and values: those of the benchmarks in Rust. */

static uint64_t mix(uint64_t i) {
    uint64_t z = (i + 1) * UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static size_t u64_key(uint64_t i, char *key) {
    uint64_t a = mix(i);
    int byte;
    for (byte = 0; byte < 8; byte++)
        key[byte] = (char)(a >> (56 - 8 * byte));
    return 8;
}

static size_t url_key(uint64_t i, char *key) {
    static const char *const sections[] = {
        "news", "articles", "products/catalogue", "user/profile/settings",
        "documentation/reference/stable", "wiki", "archive/2024/public/records", "images/originals"};
    uint64_t a = mix(i);
    int len = sprintf(key, "https://www.site-%03u.example.org/%s/", (unsigned)(a % 500),
                      sections[(a >> 8) % 8]);
    if (a >> 63)
        len += sprintf(key + len, "%016llx-%08x/", (unsigned long long)mix(a >> 40),
                       (unsigned)(a >> 44));
    return (size_t)(len + sprintf(key + len, "%llx", (unsigned long long)i));
}

typedef struct workload {
    const char *name;
    size_t (*key)(uint64_t i, char *key);
    size_t value_min, value_max;
} workload;

static const workload WORKLOADS[] = {{"u64", u64_key, 8, 8}, {"url", url_key, 20, 400}};

static size_t value_of(const workload *load, uint64_t i, char *value) {
    uint64_t seed = mix(i ^ 0x5eed), word = seed;
    size_t len = load->value_min + seed % (load->value_max - load->value_min + 1), at;
    for (at = 0; at < len; at += 8) {
        word = mix(word);
        memcpy(value + at, &word, 8);
    }
    return len;
}

/* LAPS * LAP keys, back to back. */
static graven_slice *queries(const workload *load, uint64_t entries, int missing) {
    graven_slice *keys = allocate(LAP * LAPS, sizeof *keys);
    char *bytes = allocate(LAP * LAPS, 100);
    uint64_t n;
    for (n = 0; n < LAP * LAPS; n++) {
        keys[n].data = (uint8_t *)bytes;
        keys[n].len = load->key(missing ? entries + n : mix(n ^ 0x1117) % entries, bytes);
        bytes += keys[n].len;
    }
    return keys;
}

/* The tables. */

static graven_table *table;
static MDB_txn *txn;
static MDB_dbi dbi;
static struct cdb cdb;

static void build(const workload *load, uint64_t entries, const char *path) {
    static char key[128], value[512];
    graven_builder *builder;
    uint64_t i;
    if (graven_builder_create(path, NULL, &builder) != GRAVEN_OK)
        die("graven", graven_last_error());
    for (i = 0; i < entries; i++) {
        size_t key_len = load->key(i, key), value_len = value_of(load, i, value);
        if (graven_builder_insert(builder, key, key_len, value, value_len) != GRAVEN_OK)
            die("graven", graven_last_error());
    }
    if (graven_builder_finish(builder, NULL) != GRAVEN_OK)
        die("graven", graven_last_error());
    graven_builder_close(builder);
    if (graven_open(path, NULL, &table) != GRAVEN_OK
        || graven_table_verify(table, NULL, NULL, NULL) != GRAVEN_OK)
        die("graven", graven_last_error());
}

static void lmdb_is(int status) {
    if (status != MDB_SUCCESS)
        die("LMDB", mdb_strerror(status));
}

/* From graven's entries, which are sorted: LMDB gets full pages by that. */
static MDB_env *build_lmdb(const char *path) {
    graven_iter *iter;
    graven_slice key, value;
    MDB_env *env;
    unsigned flags = MDB_NOSUBDIR | MDB_NOLOCK;
    lmdb_is(mdb_env_create(&env));
    lmdb_is(mdb_env_set_mapsize(env, (size_t)4 << 30));
    lmdb_is(mdb_env_open(env, path, flags | MDB_NOSYNC, 0600));
    lmdb_is(mdb_txn_begin(env, NULL, 0, &txn));
    lmdb_is(mdb_dbi_open(txn, NULL, 0, &dbi));
    if (graven_range(table, NULL, &iter) != GRAVEN_OK)
        die("graven", graven_last_error());
    while (graven_iter_next(iter, &key, &value) == GRAVEN_OK) {
        MDB_val k = {key.len, (void *)key.data}, v = {value.len, (void *)value.data};
        lmdb_is(mdb_put(txn, dbi, &k, &v, MDB_APPEND));
    }
    graven_iter_close(iter);
    lmdb_is(mdb_txn_commit(txn));
    mdb_env_close(env);
    lmdb_is(mdb_env_create(&env));
    lmdb_is(mdb_env_set_mapsize(env, (size_t)4 << 30));
    lmdb_is(mdb_env_open(env, path, flags | MDB_RDONLY | MDB_NOTLS, 0600));
    lmdb_is(mdb_txn_begin(env, NULL, MDB_RDONLY, &txn));
    lmdb_is(mdb_dbi_open(txn, NULL, 0, &dbi));
    return env;
}

static void build_cdb(const char *path) {
    struct cdb_make make;
    graven_iter *iter;
    graven_slice key, value;
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
    if (fd < 0 || cdb_make_start(&make, fd) != 0)
        die("tinycdb", "can't build");
    if (graven_range(table, NULL, &iter) != GRAVEN_OK)
        die("graven", graven_last_error());
    while (graven_iter_next(iter, &key, &value) == GRAVEN_OK)
        if (cdb_make_add(&make, key.data, (unsigned)key.len, value.data, (unsigned)value.len) != 0)
            die("tinycdb", "can't build");
    graven_iter_close(iter);
    if (cdb_make_finish(&make) != 0 || cdb_init(&cdb, fd) != 0)
        die("tinycdb", "can't build");
}

/* The loops. Each sums the first eight bytes of the values of `count` keys. In a chain the place of
 * the next key waits for the value before: `zero` is 0, which the compiler does not know. */

typedef uint64_t loop(const void *rust, const graven_slice *keys, size_t count, uint64_t number);

const void *rust_open(const char *path);
loop rust_get, rust_call, rust_chain, rust_many, rust_many_into;

static inline uint64_t word(const void *value) {
    uint64_t word;
    memcpy(&word, value, 8);
    return word;
}

static uint64_t c_get(const void *rust, const graven_slice *keys, size_t count, uint64_t number) {
    uint64_t sum = 0;
    size_t i;
    (void)rust, (void)number;
    for (i = 0; i < count; i++) {
        graven_slice value;
        graven_status status = graven_get(table, keys[i].data, keys[i].len, &value);
        if (status == GRAVEN_OK)
            sum += word(value.data);
        else if (status < 0)
            die("graven", graven_last_error());
    }
    return sum;
}

static uint64_t c_chain(const void *rust, const graven_slice *keys, size_t count, uint64_t zero) {
    uint64_t sum = 0, last = 0;
    size_t i;
    (void)rust;
    for (i = 0; i < count; i++) {
        const graven_slice *key = &keys[i + (last & zero)];
        graven_slice value;
        graven_status status = graven_get(table, key->data, key->len, &value);
        if (status == GRAVEN_OK)
            sum += last = word(value.data);
        else if (status < 0)
            die("graven", graven_last_error());
    }
    return sum;
}

static uint64_t c_many(const void *rust, const graven_slice *keys, size_t count, uint64_t batch) {
    static graven_slice values[MOST_BATCH];
    uint64_t sum = 0;
    size_t i, n, at;
    (void)rust;
    for (at = 0; at < count; at += n) {
        n = count - at < batch ? count - at : batch;
        if (graven_get_many(table, keys + at, n, values) != GRAVEN_OK)
            die("graven", graven_last_error());
        for (i = 0; i < n; i++)
            sum += values[i].data == NULL ? 0 : word(values[i].data);
    }
    return sum;
}

static inline uint64_t lmdb_word(const graven_slice *key) {
    MDB_val k = {key->len, (void *)key->data}, value;
    int status = mdb_get(txn, dbi, &k, &value);
    if (status == MDB_SUCCESS)
        return word(value.mv_data);
    if (status != MDB_NOTFOUND)
        die("LMDB", mdb_strerror(status));
    return 0;
}

static uint64_t lmdb_get(const void *rust, const graven_slice *keys, size_t count, uint64_t number) {
    uint64_t sum = 0;
    size_t i;
    (void)rust, (void)number;
    for (i = 0; i < count; i++)
        sum += lmdb_word(&keys[i]);
    return sum;
}

static uint64_t lmdb_chain(const void *rust, const graven_slice *keys, size_t count, uint64_t zero) {
    uint64_t sum = 0, last = 0;
    size_t i;
    (void)rust;
    for (i = 0; i < count; i++)
        sum += last = lmdb_word(&keys[i + (last & zero)]);
    return sum;
}

static inline uint64_t cdb_word(const graven_slice *key) {
    int found = cdb_find(&cdb, key->data, (unsigned)key->len);
    if (found > 0)
        return word(cdb_getdata(&cdb));
    if (found < 0)
        die("tinycdb", "can't read");
    return 0;
}

static uint64_t cdb_sum(const void *rust, const graven_slice *keys, size_t count, uint64_t number) {
    uint64_t sum = 0;
    size_t i;
    (void)rust, (void)number;
    for (i = 0; i < count; i++)
        sum += cdb_word(&keys[i]);
    return sum;
}

static uint64_t cdb_chain(const void *rust, const graven_slice *keys, size_t count, uint64_t zero) {
    uint64_t sum = 0, last = 0;
    size_t i;
    (void)rust;
    for (i = 0; i < count; i++)
        sum += last = cdb_word(&keys[i + (last & zero)]);
    return sum;
}

/* The clock. */

typedef struct contestant {
    const char *name;
    loop *run;
} contestant;

typedef struct race {
    const char *name;
    int missing;
    uint64_t number;
    contestant contestants[5];
} race;

static const race RACES[] = {
    {"hit", 0, 0, {{"C", c_get}, {"Rust", rust_get}, {"Rust, called", rust_call},
                   {"LMDB", lmdb_get}, {"tinycdb", cdb_sum}}},
    {"hit, chain", 0, 0, {{"C", c_chain}, {"Rust", rust_chain}, {"LMDB", lmdb_chain},
                          {"tinycdb", cdb_chain}, {NULL, NULL}}},
    {"miss", 1, 0, {{"C", c_get}, {"Rust", rust_get}, {"Rust, called", rust_call},
                    {"LMDB", lmdb_get}, {"tinycdb", cdb_sum}}},
    {"many, 64", 0, 64, {{"C", c_many}, {"Rust", rust_many_into}, {"Rust, closure", rust_many},
                         {"LMDB", lmdb_get}, {"tinycdb", cdb_sum}}},
    {"many, 1000", 0, 1000, {{"C", c_many}, {"Rust", rust_many_into}, {"Rust, closure", rust_many},
                             {"LMDB", lmdb_get}, {"tinycdb", cdb_sum}}},
};

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return (double)time.tv_sec * 1e9 + (double)time.tv_nsec;
}

static int by_size(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Brings keys into the cache. */
static void read_keys(const graven_slice *keys) {
    volatile uint8_t last;
    size_t i;
    for (i = 0; i < LAP; i++)
        last = keys[i].data[keys[i].len - 1];
    (void)last;
}

/* Whether LMDB and tinycdb take part. */
static int rivals = 1;

static void run(const race *race, const void *rust, const graven_slice *keys, int rounds) {
    static double times[5][MOST_ROUNDS];
    static uint64_t sums[LAPS / 2];
    int order[5] = {0, 1, 2, 3, 4};
    int count = race->contestants[4].run == NULL ? 4 : 5, round, turn, i;
    if (!rivals)
        count -= 2;
    for (i = 0; i < LAPS / 2; i++)
        sums[i] = lmdb_get(NULL, keys + (i * 2 + 1) * LAP, LAP, 0);
    for (round = 0; round < rounds; round++)
        for (turn = 0; turn < count; turn++) {
            /* One of those whose turn has not come. */
            int other = turn + (int)(mix((uint64_t)(round * 5 + turn)) % (uint64_t)(count - turn));
            int who = order[other];
            order[other] = order[turn];
            order[turn] = who;
            size_t lap = (size_t)(round * count + turn) % (LAPS / 2);
            const graven_slice *warm = keys + lap * 2 * LAP, *timed = warm + LAP;
            volatile uint64_t sum = race->contestants[who].run(rust, warm, LAP, race->number);
            double start;
            read_keys(timed);
            start = now();
            sum = race->contestants[who].run(rust, timed, LAP, race->number);
            times[who][round] = (now() - start) / LAP;
            if (sum != sums[lap])
                die(race->contestants[who].name, "another sum");
        }
    printf("  %-11s", race->name);
    for (i = 0; i < count; i++) {
        qsort(times[i], (size_t)rounds, sizeof times[i][0], by_size);
        printf(" | %s %.1f", race->contestants[i].name, times[i][rounds / 2]);
        if (i > 0)
            printf(" (%.2f)", times[i][rounds / 2] / times[0][rounds / 2]);
    }
    printf("\n");
    fflush(stdout);
}

int main(int argc, char **argv) {
    static char *standard[] = {"20000", "200000", "1000000"};
    char directory[] = "/tmp/graven-bench-XXXXXX", paths[3][64];
    char **sizes;
    int rounds = 51, option, size, count;
    size_t load, i;
    while ((option = getopt(argc, argv, "gr:")) != -1)
        if (option == 'g')
            rivals = 0;
        else if (option != 'r' || (rounds = atoi(optarg)) < 1 || rounds > MOST_ROUNDS)
            die("usage", "bench [-g] [-r ROUNDS] [ENTRIES...]");
    sizes = optind < argc ? argv + optind : standard;
    count = optind < argc ? argc - optind : 3;
    if (mkdtemp(directory) == NULL)
        die(directory, "can't be made");
    snprintf(paths[0], sizeof paths[0], "%s/graven", directory);
    snprintf(paths[1], sizeof paths[1], "%s/lmdb", directory);
    snprintf(paths[2], sizeof paths[2], "%s/cdb", directory);
    printf("nanoseconds per key, medians of %d rounds (and as multiples of C)\n", rounds);
    for (load = 0; load < sizeof WORKLOADS / sizeof WORKLOADS[0]; load++)
        for (size = 0; size < count; size++) {
            uint64_t entries = strtoull(sizes[size], NULL, 10);
            graven_slice *keys[2];
            const void *rust;
            MDB_env *env;
            if (entries < 1)
                die(sizes[size], "is no number of entries");
            build(&WORKLOADS[load], entries, paths[0]);
            rust = rust_open(paths[0]);
            env = build_lmdb(paths[1]);
            build_cdb(paths[2]);
            for (i = 0; i < 2; i++)
                keys[i] = queries(&WORKLOADS[load], entries, (int)i);
            printf("%s, %s entries\n", WORKLOADS[load].name, sizes[size]);
            for (i = 0; i < sizeof RACES / sizeof RACES[0]; i++)
                run(&RACES[i], rust, keys[RACES[i].missing], rounds);
            for (i = 0; i < 2; i++) {
                free((void *)keys[i][0].data);
                free(keys[i]);
            }
            mdb_txn_abort(txn);
            mdb_env_close(env);
            close(cdb.cdb_fd);
            cdb_free(&cdb);
            graven_table_close(table);
            for (i = 0; i < 3; i++)
                unlink(paths[i]);
        }
    rmdir(directory);
    return 0;
}
