/* SPDX-License-Identifier: Apache-2.0 */
/* The event feed: events to Redis Streams, one stream a partition, on a thread of its own with a
 * libuv loop. Only feed_redis.c knows hiredis.
 *
 *     XADD <stream>:<partition> [MAXLEN ~ n] <sequence>-0 id evt_… type … order ord_… data {…}
 *
 * Rules
 *  1. An entry's ID is the event's sequence: what Redis has, or has had, it refuses as "equal or
 *     smaller", and that counts as done. So an entry that is sent again is there once.
 *  2. A batch is one transaction (MULTI … EXEC): no event follows in the stream where one before it
 *     was refused, or its ID could never be added later.
 *  3. Nothing is done before Redis has said so. A lost connection, a time-out or an error gives
 *     back all that is under way; what Redis did take of it is refused the next time (1).
 *  4. Bounded: a batch a stream, FEED_BATCHES_MAX in all, time. While there is no connection
 *     nothing is taken. It is tried again with a backoff that doubles up to a cap, with jitter.
 *  5. Numbers are a store's own: `<stream>:store` in Redis names the store that the streams are of,
 *     the first that came. Where it is another, the feed halts, says so once, and looks again with
 *     its backoff; nothing is written.
 *  6. A batch ends once, by `done`, on the feed's thread, also when that is stopped. */
#ifndef STAMPEDE_FEED_H
#define STAMPEDE_FEED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    FEED_BATCHES_MAX = 256, /* under way; more are refused at submission */
    FEED_HOST_MAX = 255,
    FEED_NAME_MAX = 127, /* of the stream, of the user */
    FEED_PASSWORD_MAX = 500,
    FEED_STORE_LENGTH = 16,
    FEED_TIMEOUT_MS = 5000,
    FEED_BACKOFF_MS = 100,
    FEED_BACKOFF_MS_MAX = 5000,
};

#define FEED_STREAM     "stampede:events"
#define FEED_LENGTH_MAX 100000 /* entries of a stream, about */

/* Where Redis is. */
struct feed_address {
    char host[FEED_HOST_MAX + 1];
    uint16_t port;
    uint32_t database;
    char user[FEED_NAME_MAX + 1];         /* "": none is named */
    char password[FEED_PASSWORD_MAX + 1]; /* "": none */
};

/* Reads redis://[user[:password]@]host[:port][/database], parts percent-encoded; false with what is
 * wrong in `error` (no part of the URL in it). */
bool feed_address_parse(const char *url, struct feed_address *address_out, char *error,
                        size_t error_size);

struct feed_options {
    struct feed_address address;
    const char *stream;  /* at most FEED_NAME_MAX bytes; copied */
    uint64_t store;      /* whose numbers they are */
    uint64_t length_max; /* of a stream, about; 0: no bound */
    uint32_t timeout_ms; /* a connection that answers nothing for so long is given up */
    uint32_t backoff_ms; /* the first pause after a failure */
    uint32_t backoff_ms_max;
    /* Of what begins and ends; the feed's thread. `why` NULL: all is well. */
    void (*log)(void *user, const char *event, const char *why);
    void *log_user;
};

void feed_options_default(struct feed_options *options_out);

/* One event. */
struct feed_entry {
    uint64_t sequence;
    const char *id; /* texts end with 0 */
    const char *type;
    const char *field;   /* what it happened to: "order" or "sku", */
    const char *subject; /* and which */
    const char *data;    /* JSON */
};

/* Events of one partition with ascending sequences. The submitter's, who keeps it and all that it
 * points to unchanged until `done`. One batch of a partition at a time. */
struct feed_batch {
    uint32_t partition;
    uint32_t count; /* at least 1 */
    const struct feed_entry *entries;
    void (*done)(struct feed_batch *batch);
    bool is_done; /* all of it is in Redis; or none of it need be */
    void *user;
    /* The feed's. */
    struct feed_batch *next;
    int64_t deadline_ms;
};

struct feed;

/* Starts the thread; whether Redis is there shows in the metrics. Wipes nothing of the caller's.
 * NULL with a line in `error`. */
struct feed *feed_create(const struct feed_options *options, char *error, size_t error_size);

/* Whether submitting makes sense: there is a connection, and room. Any thread; no lock. */
bool feed_is_ready(const struct feed *feed);
/* False: not taken, and `done` is not called. Any thread. */
bool feed_submit(struct feed *feed, struct feed_batch *batch);

/* From now on nothing is taken; what is under way ends within so long. Any thread. */
void feed_drain(struct feed *feed, uint32_t deadline_ms);
/* Ends what is under way, and the thread. */
void feed_destroy(struct feed *feed);

/* name, kind, help */
#define FEED_METRICS(X)                                                                            \
    X(connected, gauge, "Whether the feed has a connection to Redis")                              \
    X(foreign, gauge, "Whether the streams are another store's, and the feed halts")               \
    X(batches_under_way, gauge, "Batches of events on their way to Redis")                         \
    X(events_sent, counter, "Events that Redis took")                                              \
    X(events_repeated, counter, "Events that Redis had already, by their number")                  \
    X(batches_refused, counter, "Batches that Redis answered with an error")                       \
    X(timeouts, counter, "Connections to Redis given up because no answer came in time")           \
    X(connections, counter, "Connections to Redis made")                                           \
    X(failures, counter, "Times that a connection to Redis failed, was lost or was given up")

struct feed_metrics {
#define X(name, kind, help) int64_t name;
    FEED_METRICS(X)
#undef X
};

/* Any thread. */
void feed_metrics_get(const struct feed *feed, struct feed_metrics *metrics_out);

#endif
