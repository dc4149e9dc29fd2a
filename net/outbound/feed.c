/* SPDX-License-Identifier: Apache-2.0 */
#include "outbound/feed.h"

#include <assert.h>
#include <ctype.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "outbound/feed_redis.h"

enum { TICK_MS = 25, WHY_MAX = 200, REFUSED_TOLD_MS = 60 * 1000 };

struct feed {
    /* Constant after the start. */
    struct feed_options options;
    pthread_t thread;

    /* The feed's thread. */
    uv_loop_t loop;
    uv_async_t wake;
    uv_timer_t tick; /* while there is something to wait for */
    struct feed_link *link;
    bool is_ready;
    bool is_foreign_told;         /* that the streams are another store's */
    bool is_told;                 /* that it does not work; the next word is that it does */
    int64_t refused_told_ms;      /* when a refusal was logged; 0: never */
    struct feed_batch *under_way; /* oldest first */
    struct feed_batch **under_way_end;
    int64_t deadline_ms; /* of the connection that is being made */
    int64_t retry_ms;    /* when it is tried again */
    uint32_t backoff_ms;
    uint64_t random;

    /* Under the lock. */
    pthread_mutex_t lock;
    struct feed_batch *incoming;
    struct feed_batch **incoming_end;
    uint32_t count; /* submitted and not done */
    bool is_draining;
    bool is_stopping;
    int64_t drain_deadline_ms;

    _Atomic bool takes; /* for feed_is_ready */
    struct {
#define X(name, kind, help) _Atomic int64_t name;
        FEED_METRICS(X)
#undef X
    } counters;
};

static void count(_Atomic int64_t *counter, int64_t value)
{
    atomic_fetch_add_explicit(counter, value, memory_order_relaxed);
}

static int64_t now_ms(const struct feed *feed)
{
    return (int64_t)uv_now(&feed->loop);
}

static void tell(const struct feed *feed, const char *event, const char *why)
{
    if (feed->options.log != NULL)
        feed->options.log(feed->options.log_user, event, why);
}

/* ---- batches ---- */

static void end_batch(struct feed *feed, struct feed_batch *batch, bool is_done)
{
    pthread_mutex_lock(&feed->lock);
    feed->count--;
    pthread_mutex_unlock(&feed->lock);
    batch->is_done = is_done;
    batch->done(batch);
}

static void give_back(struct feed *feed, struct feed_batch *batch)
{
    while (batch != NULL) {
        struct feed_batch *next = batch->next;

        end_batch(feed, batch, false);
        batch = next;
    }
}

static struct feed_batch *take_under_way(struct feed *feed)
{
    struct feed_batch *all = feed->under_way;

    feed->under_way = NULL;
    feed->under_way_end = &feed->under_way;
    atomic_store_explicit(&feed->counters.batches_under_way, 0, memory_order_relaxed);
    return all;
}

static bool take_out(struct feed *feed, const struct feed_batch *batch)
{
    struct feed_batch **link = &feed->under_way;

    while (*link != NULL && *link != batch)
        link = &(*link)->next;
    if (*link == NULL)
        return false;
    *link = batch->next;
    if (*link == NULL)
        feed->under_way_end = link;
    count(&feed->counters.batches_under_way, -1);
    return true;
}

static void tell_refusal(struct feed *feed, const char *why)
{
    if (feed->refused_told_ms != 0 && now_ms(feed) < feed->refused_told_ms + REFUSED_TOLD_MS)
        return;
    feed->refused_told_ms = now_ms(feed);
    tell(feed, "feed_refused", why);
}

static void on_batch(void *user, struct feed_batch *batch, uint32_t sent, uint32_t repeated,
                     const char *why)
{
    struct feed *feed = user;
    bool is_done = sent + repeated == batch->count;

    if (!take_out(feed, batch))
        return;
    count(&feed->counters.events_sent, sent);
    count(&feed->counters.events_repeated, repeated);
    if (!is_done && why != NULL) { /* else the connection is gone, and that is told */
        count(&feed->counters.batches_refused, 1);
        tell_refusal(feed, why);
    }
    end_batch(feed, batch, is_done);
}

/* ---- the connection ---- */

/* Between the half and the whole of the backoff. */
static int64_t jittered(struct feed *feed, uint32_t delay_ms)
{
    feed->random ^= feed->random << 13;
    feed->random ^= feed->random >> 7;
    feed->random ^= feed->random << 17;
    return delay_ms / 2 + (int64_t)(feed->random % (delay_ms / 2 + 1));
}

static void on_tick(uv_timer_t *timer);

static void start_tick(struct feed *feed)
{
    if (!uv_is_closing((uv_handle_t *)&feed->tick) && !uv_is_active((uv_handle_t *)&feed->tick))
        uv_timer_start(&feed->tick, on_tick, TICK_MS, TICK_MS);
}

/* The link is gone. */
static void fail(struct feed *feed, const char *why)
{
    struct feed_batch *lost = take_under_way(feed);

    feed->link = NULL;
    feed->is_ready = false;
    atomic_store_explicit(&feed->takes, false, memory_order_relaxed);
    atomic_store_explicit(&feed->counters.connected, 0, memory_order_relaxed);
    count(&feed->counters.failures, 1);
    feed->retry_ms = now_ms(feed) + jittered(feed, feed->backoff_ms);
    feed->backoff_ms = feed->backoff_ms * 2 < feed->options.backoff_ms_max
                           ? feed->backoff_ms * 2
                           : feed->options.backoff_ms_max;
    if (!feed->is_told)
        tell(feed, "feed_disconnected", why);
    feed->is_told = true;
    start_tick(feed);
    give_back(feed, lost);
}

static void on_lost(void *user, const char *why)
{
    fail(user, why);
}

static void on_ready(void *user)
{
    struct feed *feed = user;

    feed->is_ready = true;
    feed->is_told = false;
    feed->is_foreign_told = false;
    atomic_store_explicit(&feed->counters.foreign, 0, memory_order_relaxed);
    feed->backoff_ms = feed->options.backoff_ms;
    count(&feed->counters.connections, 1);
    atomic_store_explicit(&feed->counters.connected, 1, memory_order_relaxed);
    atomic_store_explicit(&feed->takes, true, memory_order_relaxed);
    tell(feed, "feed_connected", NULL);
}

static void on_foreign(void *user, const char *why)
{
    struct feed *feed = user;

    atomic_store_explicit(&feed->counters.foreign, 1, memory_order_relaxed);
    if (!feed->is_foreign_told)
        tell(feed, "feed_foreign_stream", why);
    feed->is_foreign_told = true;
    feed->is_told = true;
}

static void give_up(struct feed *feed, const char *why)
{
    struct feed_link *link = feed->link;

    feed_link_close(link);
    fail(feed, why);
}

static void connect_now(struct feed *feed)
{
    const struct feed_link_events events = {.user = feed,
                                            .on_ready = on_ready,
                                            .on_foreign = on_foreign,
                                            .on_lost = on_lost,
                                            .on_batch = on_batch};
    const struct feed_link_streams streams = {.name = feed->options.stream,
                                              .store = feed->options.store};
    char why[WHY_MAX];

    uv_update_time(&feed->loop);
    feed->deadline_ms = now_ms(feed) + feed->options.timeout_ms;
    feed->link =
        feed_link_open(&feed->loop, &feed->options.address, &streams, &events, why, sizeof(why));
    uv_update_time(&feed->loop); /* a name was looked up */
    if (feed->link == NULL)
        fail(feed, why);
}

/* ---- the loop ---- */

static void send_batch(struct feed *feed, struct feed_batch *batch)
{
    batch->next = NULL;
    if (!feed->is_ready) {
        end_batch(feed, batch, false);
        return;
    }
    batch->deadline_ms = now_ms(feed) + feed->options.timeout_ms;
    *feed->under_way_end = batch;
    feed->under_way_end = &batch->next;
    count(&feed->counters.batches_under_way, 1);
    if (!feed_link_send(feed->link, feed->options.stream, feed->options.length_max, batch))
        give_up(feed, "not enough memory");
}

struct orders {
    bool is_draining;
    bool is_stopping;
    bool is_past; /* the drain's deadline */
};

static struct orders take_incoming(struct feed *feed)
{
    struct feed_batch *batch;
    struct orders orders;

    pthread_mutex_lock(&feed->lock);
    batch = feed->incoming;
    feed->incoming = NULL;
    feed->incoming_end = &feed->incoming;
    orders.is_draining = feed->is_draining;
    orders.is_stopping = feed->is_stopping;
    orders.is_past = feed->is_draining && now_ms(feed) >= feed->drain_deadline_ms;
    pthread_mutex_unlock(&feed->lock);
    while (batch != NULL) {
        struct feed_batch *next = batch->next;

        send_batch(feed, batch);
        batch = next;
    }
    return orders;
}

static void look(struct feed *feed)
{
    struct orders orders = take_incoming(feed);
    int64_t now = now_ms(feed);

    if (orders.is_stopping || orders.is_past) {
        if (feed->link != NULL)
            give_up(feed, "stopping");
    } else if (feed->link == NULL) {
        if (now >= feed->retry_ms && !orders.is_draining)
            connect_now(feed);
    } else if ((!feed->is_ready && now >= feed->deadline_ms) ||
               (feed->under_way != NULL && now >= feed->under_way->deadline_ms)) {
        count(&feed->counters.timeouts, 1);
        give_up(feed, "no answer in time");
    }
    if (orders.is_stopping) {
        uv_timer_stop(&feed->tick);
        uv_close((uv_handle_t *)&feed->tick, NULL);
        uv_close((uv_handle_t *)&feed->wake, NULL);
    } else if (feed->is_ready && feed->under_way == NULL) {
        uv_timer_stop(&feed->tick);
    } else {
        start_tick(feed);
    }
}

static void on_tick(uv_timer_t *timer)
{
    look(timer->data);
}

static void on_wake(uv_async_t *wake)
{
    look(wake->data);
}

static void *thread_run(void *argument)
{
    struct feed *feed = argument;

    look(feed);
    uv_run(&feed->loop, UV_RUN_DEFAULT);
    return NULL;
}

/* ---- any thread ---- */

bool feed_is_ready(const struct feed *feed)
{
    return atomic_load_explicit(&feed->takes, memory_order_relaxed);
}

bool feed_submit(struct feed *feed, struct feed_batch *batch)
{
    bool is_taken;

    assert(batch->count >= 1);
    pthread_mutex_lock(&feed->lock);
    is_taken = !feed->is_draining && feed->count < FEED_BATCHES_MAX && feed_is_ready(feed);
    if (is_taken) {
        batch->next = NULL;
        batch->is_done = false;
        *feed->incoming_end = batch;
        feed->incoming_end = &batch->next;
        feed->count++;
    }
    pthread_mutex_unlock(&feed->lock);
    if (is_taken)
        uv_async_send(&feed->wake);
    return is_taken;
}

void feed_drain(struct feed *feed, uint32_t deadline_ms)
{
    pthread_mutex_lock(&feed->lock);
    if (!feed->is_draining)
        feed->drain_deadline_ms = (int64_t)(uv_hrtime() / 1000000) + deadline_ms;
    feed->is_draining = true;
    pthread_mutex_unlock(&feed->lock);
    uv_async_send(&feed->wake);
}

void feed_metrics_get(const struct feed *feed, struct feed_metrics *metrics_out)
{
#define X(name, kind, help)                                                                        \
    metrics_out->name = atomic_load_explicit(&feed->counters.name, memory_order_relaxed);
    FEED_METRICS(X)
#undef X
}

/* ---- begin and end ---- */

void feed_options_default(struct feed_options *options_out)
{
    *options_out = (struct feed_options){
        .stream = FEED_STREAM,
        .length_max = FEED_LENGTH_MAX,
        .timeout_ms = FEED_TIMEOUT_MS,
        .backoff_ms = FEED_BACKOFF_MS,
        .backoff_ms_max = FEED_BACKOFF_MS_MAX,
    };
}

static void feed_free(struct feed *feed)
{
    explicit_bzero(feed->options.address.password, sizeof(feed->options.address.password));
    free((void *)(uintptr_t)feed->options.stream);
    pthread_mutex_destroy(&feed->lock);
    free(feed);
}

struct feed *feed_create(const struct feed_options *options, char *error, size_t error_size)
{
    struct feed *feed = calloc(1, sizeof(*feed));

    if (feed == NULL)
        goto no_memory;
    feed->options = *options;
    feed->options.stream = strdup(options->stream);
    feed->backoff_ms = options->backoff_ms;
    feed->under_way_end = &feed->under_way;
    feed->incoming_end = &feed->incoming;
    feed->random = uv_hrtime() | 1;
    pthread_mutex_init(&feed->lock, NULL);
    if (feed->options.stream == NULL || uv_loop_init(&feed->loop) != 0)
        goto free_feed;
    feed->wake.data = feed;
    feed->tick.data = feed;
    if (uv_timer_init(&feed->loop, &feed->tick) != 0 ||
        uv_async_init(&feed->loop, &feed->wake, on_wake) != 0)
        goto close_loop;
    if (pthread_create(&feed->thread, NULL, thread_run, feed) != 0) {
        uv_close((uv_handle_t *)&feed->wake, NULL);
        uv_close((uv_handle_t *)&feed->tick, NULL);
        uv_run(&feed->loop, UV_RUN_DEFAULT);
        goto close_loop;
    }
    pthread_setname_np(feed->thread, "feed");
    return feed;
close_loop:
    uv_loop_close(&feed->loop);
free_feed:
    feed_free(feed);
no_memory:
    snprintf(error, error_size, "not enough resources for the feed's thread");
    return NULL;
}

void feed_destroy(struct feed *feed)
{
    pthread_mutex_lock(&feed->lock);
    feed->is_draining = true;
    feed->is_stopping = true;
    pthread_mutex_unlock(&feed->lock);
    uv_async_send(&feed->wake);
    pthread_join(feed->thread, NULL);
    assert(feed->count == 0);
    uv_loop_close(&feed->loop);
    feed_free(feed);
}
