/* SPDX-License-Identifier: Apache-2.0 */
#include "scrubber.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

enum { RETRY_DOUBLINGS_MAX = 6 };

struct scrubber {
    struct scrubber_options options;
    pthread_t thread;
    pthread_mutex_t lock; /* of all below */
    pthread_cond_t changed;
    uint64_t asked;
    uint64_t done; /* of those asked */
    struct journal_scrub state;
    unsigned failed_in_row; /* runs, up to RETRY_DOUBLINGS_MAX */
    bool is_stopping;
};

static int64_t now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* With the lock: until then, or until it is to stop. */
static void wait_until(struct scrubber *scrubber, int64_t until_ms)
{
    struct timespec until = {.tv_sec = until_ms / 1000, .tv_nsec = until_ms % 1000 * 1000000};

    while (!scrubber->is_stopping && now_ms() < until_ms)
        pthread_cond_timedwait(&scrubber->changed, &scrubber->lock, &until);
}

/* With the lock, which it gives up meanwhile. */
static void run_once(struct scrubber *scrubber)
{
    uint64_t covered = scrubber->asked;
    int64_t began_ms = now_ms();
    int64_t pause_ms;
    bool is_done;

    pthread_mutex_unlock(&scrubber->lock);
    is_done = scrubber->options.run(scrubber->options.arg);
    pthread_mutex_lock(&scrubber->lock);
    if (is_done) {
        scrubber->done = covered;
        scrubber->state.runs++;
        scrubber->state.last_ms = now_ms() - began_ms;
        scrubber->failed_in_row = 0;
        /* At most a tenth of the time, whatever is asked for. */
        pause_ms = 9 * scrubber->state.last_ms;
        if (pause_ms < scrubber->options.pause_ms)
            pause_ms = scrubber->options.pause_ms;
    } else {
        scrubber->state.failures++;
        /* Soon, for what stood in the way may be gone; then less and less often. */
        pause_ms = scrubber->options.retry_ms << scrubber->failed_in_row;
        if (scrubber->failed_in_row < RETRY_DOUBLINGS_MAX)
            scrubber->failed_in_row++;
    }
    wait_until(scrubber, now_ms() + pause_ms);
}

static void *scrubber_run(void *arg)
{
    struct scrubber *scrubber = arg;

    pthread_mutex_lock(&scrubber->lock);
    while (!scrubber->is_stopping) {
        if (scrubber->asked == scrubber->done)
            pthread_cond_wait(&scrubber->changed, &scrubber->lock);
        else
            run_once(scrubber);
    }
    pthread_mutex_unlock(&scrubber->lock);
    return NULL;
}

static void scrubber_free(struct scrubber *scrubber)
{
    pthread_cond_destroy(&scrubber->changed);
    pthread_mutex_destroy(&scrubber->lock);
    free(scrubber);
}

struct scrubber *scrubber_start(const struct scrubber_options *options)
{
    struct scrubber *scrubber = calloc(1, sizeof(*scrubber));
    pthread_condattr_t attributes;

    if (scrubber == NULL)
        return NULL;
    scrubber->options = *options;
    scrubber->asked = options->is_pending;
    pthread_mutex_init(&scrubber->lock, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&scrubber->changed, &attributes);
    pthread_condattr_destroy(&attributes);
    if (pthread_create(&scrubber->thread, NULL, scrubber_run, scrubber) == 0)
        return scrubber;
    scrubber_free(scrubber);
    return NULL;
}

void scrubber_ask(struct scrubber *scrubber)
{
    pthread_mutex_lock(&scrubber->lock);
    scrubber->asked++;
    pthread_cond_signal(&scrubber->changed);
    pthread_mutex_unlock(&scrubber->lock);
}

void scrubber_state(struct scrubber *scrubber, struct journal_scrub *state_out)
{
    pthread_mutex_lock(&scrubber->lock);
    *state_out = scrubber->state;
    state_out->pending = scrubber->asked - scrubber->done;
    pthread_mutex_unlock(&scrubber->lock);
}

void scrubber_stop(struct scrubber *scrubber)
{
    pthread_mutex_lock(&scrubber->lock);
    scrubber->is_stopping = true;
    pthread_cond_signal(&scrubber->changed);
    pthread_mutex_unlock(&scrubber->lock);
    pthread_join(scrubber->thread, NULL);
    scrubber_free(scrubber);
}
