/* Guards against a handle that serves the old table, two versions in one pin, or nothing. */

#include "check.h"
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static const pair OLD[] = {{"price", "3"}};
static const pair NEW[] = {{"price", "4"}};

typedef struct seen {
    int swaps;
    int failures;
    uint64_t generation;
    int32_t status;
    char text[256];
} seen;

static void on_swap(void *user, const graven_live_status *status) {
    seen *seen_ = (seen *)user;
    CHECK(status->size == sizeof *status);
    seen_->generation = status->generation;
    __atomic_fetch_add(&seen_->swaps, 1, __ATOMIC_SEQ_CST);
}

static void on_failure(void *user, int32_t status, const char *text) {
    seen *seen_ = (seen *)user;
    seen_->failures++;
    seen_->status = status;
    snprintf(seen_->text, sizeof seen_->text, "%s", text);
}

static void price_is(const graven_pin *pin, const char *expected) {
    graven_slice value;
    CHECK_OK(graven_get(graven_pin_table(pin), "price", 5, &value));
    CHECK_SLICE(expected, value);
}

static void pinned_and_refreshed(void) {
    graven_live *live;
    graven_pin *before, *after;
    graven_iter *iter;
    graven_slice value;
    graven_live_status status;
    char text[256];
    size_t needed;
    int32_t swapped = 7;
    seen seen_;
    memset(&seen_, 0, sizeof seen_);
    build(path_of("live"), NULL, OLD, 1);
    CHECK_OK(graven_live_open(path_of("live"), NULL, &live));
    CHECK_OK(graven_live_on_swap(live, on_swap, &seen_));
    CHECK_OK(graven_live_on_failure(live, on_failure, &seen_));
    CHECK_OK(graven_live_refresh(live, &swapped));
    CHECK(swapped == 0 && seen_.swaps == 0);
    CHECK_OK(graven_live_pin(live, &before));
    build(path_of("live"), NULL, NEW, 1);
    price_is(before, "3");
    CHECK_OK(graven_live_refresh(live, &swapped));
    CHECK(swapped == 1 && seen_.swaps == 1 && seen_.generation == 2);
    CHECK_OK(graven_live_pin(live, &after));
    price_is(before, "3");
    price_is(after, "4");
    CHECK(graven_pin_generation(before) == 1 && graven_pin_generation(after) == 2);

    /* A file that is no table is not served. */
    CHECK(remove(path_of("live")) == 0);
    write_file(path_of("live"), "something else, but no table", 28);
    CHECK_STATUS(GRAVEN_ERR_NOT_A_TABLE, graven_live_refresh(live, &swapped));
    CHECK(seen_.failures == 1 && seen_.status == GRAVEN_ERR_NOT_A_TABLE);
    CHECK(strcmp(seen_.text, graven_last_error()) == 0);
    memset(&status, 0xff, sizeof status);
    status.size = sizeof status;
    CHECK_OK(graven_live_get_status(live, &status));
    CHECK(status.generation == 2 && status.failed == 1 && status.reserved == 0);
    CHECK_OK(graven_live_failure(live, text, sizeof text, &needed));
    CHECK(strcmp(text, seen_.text) == 0 && needed == strlen(text) + 1);
    CHECK_STATUS(GRAVEN_NOT_FOUND, graven_live_version(live, text, sizeof text, &needed));
    price_is(after, "4");

    /* Without hooks, and without a place for the answer. */
    CHECK(remove(path_of("live")) == 0);
    build(path_of("live"), NULL, OLD, 1);
    CHECK_OK(graven_live_on_swap(live, NULL, NULL));
    CHECK_OK(graven_live_refresh(live, NULL));
    CHECK(seen_.swaps == 1);
    CHECK_STATUS(GRAVEN_NOT_FOUND, graven_live_failure(live, text, sizeof text, &needed));

    /* Pins outlive the handle, and walks the pin. */
    graven_live_close(live);
    price_is(after, "4");
    CHECK_OK(graven_range(graven_pin_table(after), NULL, &iter));
    graven_pin_close(after);
    graven_pin_close(before);
    CHECK_OK(graven_iter_next(iter, NULL, &value));
    CHECK_SLICE("4", value);
    graven_iter_close(iter);
}

static void refreshed_by_a_thread(void) {
    graven_live *live;
    graven_pin *pin;
    seen seen_;
    struct timespec wait = {0, 2000000};
    memset(&seen_, 0, sizeof seen_);
    build(path_of("every"), NULL, OLD, 1);
    CHECK_OK(graven_live_open(path_of("every"), NULL, &live));
    CHECK_OK(graven_live_on_swap(live, on_swap, &seen_));
    CHECK_STATUS(GRAVEN_ERR_INVALID_ARGUMENT, graven_live_refresh_every(live, 0, 0));
    CHECK_OK(graven_live_refresh_every(live, 5, 1));
    build(path_of("every"), NULL, NEW, 1);
    while (__atomic_load_n(&seen_.swaps, __ATOMIC_SEQ_CST) == 0)
        nanosleep(&wait, NULL);
    CHECK_OK(graven_live_pin(live, &pin));
    price_is(pin, "4");
    graven_pin_close(pin);
    graven_live_close(live);
    CHECK_STATUS(GRAVEN_ERR_IO, graven_live_open(path_of("not there"), NULL, &live));
}

static void a_directory_of_versions(void) {
    graven_live *live;
    graven_pin *pin;
    char text[64];
    size_t needed;
    CHECK(mkdir(path_of("versions"), 0700) == 0);
    CHECK(mkdir(path_of("versions/versions"), 0700) == 0);
    CHECK(mkdir(path_of("versions/versions/00000001-0a0b0c0d"), 0700) == 0);
    build(path_of("versions/versions/00000001-0a0b0c0d/table.grv"), NULL, OLD, 1);
    CHECK(symlink("versions/00000001-0a0b0c0d/table.grv", path_of("versions/CURRENT")) == 0);
    CHECK_OK(graven_live_open(path_of("versions"), NULL, &live));
    CHECK_OK(graven_live_version(live, text, sizeof text, &needed));
    CHECK(strcmp(text, "00000001-0a0b0c0d") == 0 && needed == 18);
    CHECK_STATUS(GRAVEN_ERR_BUFFER_TOO_SMALL, graven_live_version(live, text, 17, &needed));
    CHECK_OK(graven_live_pin(live, &pin));
    price_is(pin, "3");
    graven_pin_close(pin);
    graven_live_close(live);
}

void test_live(void) {
    a_directory_of_versions();
    pinned_and_refreshed();
    refreshed_by_a_thread();
}
