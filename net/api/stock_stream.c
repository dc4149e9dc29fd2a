/* SPDX-License-Identifier: Apache-2.0 */
#include "api/stock_stream.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "api/event_stream.h"
#include "api/problems.h"
#include "api/stock_board.h"

enum {
    STREAMS_AT_LATEST_ROUND = 4096, /* with so many a round comes as late as it does */
    ROWS_A_TURN = 4096,
    STREAMS_A_TURN = 128, /* each a system call, some 6 us */
    TURN_MS = 1,          /* between two turns of a round */
    LIFE_LEAST_MS = 45 * 60 * 1000,
    LIFE_SPREAD_MS = 30 * 60 * 1000,
    ADDRESS_BUCKETS = 1024,
    ADDRESS_RETRY_S = 10,
};

struct stock_stream {
    struct stock_subscriber subscriber; /* first */
    struct api_shard *shard;
    struct stock_stream *next; /* of all: who was given something longest ago is the first */
    struct stock_stream *previous;
    struct stock_stream *next_of_bucket; /* by address */
    uint64_t address;
    uint64_t exchange_cookie;
    int64_t beat_due_ms;
    int64_t ends_ms;
    struct stock_link links[];
};

_Static_assert(offsetof(struct stock_stream, subscriber) == 0, "found by its subscriber's address");

struct stock_streams {
    struct stock_board board;
    uv_timer_t timer;
    bool is_scanning;
    int64_t round_due_ms;
    struct stock_stream *first;
    struct stock_stream *last;
    struct stock_stream *addresses[ADDRESS_BUCKETS];
    char batch[STOCK_BATCH_BYTES_MAX];
};

static int64_t now_of(const struct api_shard *shard)
{
    return (int64_t)uv_now(shard->loop);
}

static struct http_exchange *exchange_of(const struct stock_stream *stream)
{
    struct http_server *server = atomic_load_explicit(&stream->shard->server, memory_order_relaxed);

    return server == NULL ? NULL : http_exchange_from_cookie(server, stream->exchange_cookie);
}

/* ---- the list, by when they were given something ---- */

static void append(struct stock_streams *streams, struct stock_stream *stream)
{
    stream->next = NULL;
    stream->previous = streams->last;
    if (streams->last == NULL)
        streams->first = stream;
    else
        streams->last->next = stream;
    streams->last = stream;
}

static void take_out(struct stock_streams *streams, struct stock_stream *stream)
{
    if (stream->next != NULL)
        stream->next->previous = stream->previous;
    else
        streams->last = stream->previous;
    if (stream->previous != NULL)
        stream->previous->next = stream->next;
    else
        streams->first = stream->next;
}

/* It was just shown that the stream is there. */
static void mark_shown(struct stock_stream *stream)
{
    struct api_shard *shard = stream->shard;

    stream->beat_due_ms = now_of(shard) + shard->api->options.stream_heartbeat_ms;
    take_out(shard->stock, stream);
    append(shard->stock, stream);
}

/* ---- addresses ---- */

/* IPv4, or the /64 of IPv6. */
static uint64_t address_of(const struct http_exchange *exchange)
{
    struct rate_name name = rate_name_of_address(http_exchange_peer(exchange)->address);
    uint64_t address = 0;

    assert(name.length <= sizeof(address));
    memcpy(&address, name.bytes, name.length);
    return address;
}

static struct stock_stream **address_bucket(struct stock_streams *streams, uint64_t address)
{
    uint64_t mixed = (address ^ streams->board.run) * UINT64_C(0x9e3779b97f4a7c15);

    return &streams->addresses[(mixed >> 32) % ADDRESS_BUCKETS];
}

static bool address_has_room(const struct api_shard *shard, uint64_t address)
{
    const struct stock_stream *stream = *address_bucket(shard->stock, address);
    uint32_t most = shard->api->options.streams_per_address_max;
    uint32_t count = 0;

    if (most == 0 || !shard->api->options.rate_limits)
        return true;
    for (; stream != NULL; stream = stream->next_of_bucket)
        count += stream->address == address;
    return count < most;
}

/* ---- its end ---- */

static void publish(struct api_shard *shard)
{
    const struct stock_board *board = &shard->stock->board;

    atomic_store_explicit(&shard->counters.stock_rows, board->row_count, memory_order_relaxed);
    atomic_store_explicit(&shard->counters.stock_renders, board->renders, memory_order_relaxed);
}

/* The client has all that it gets. */
static void leave(struct stock_stream *stream)
{
    struct api_shard *shard = stream->shard;
    struct stock_streams *streams = shard->stock;
    struct stock_stream **place = address_bucket(streams, stream->address);
    struct http_exchange *exchange = exchange_of(stream);

    if (exchange != NULL)
        ((struct call_scratch *)http_exchange_scratch(exchange))->stock = NULL;
    stock_board_leave(&streams->board, &stream->subscriber);
    take_out(streams, stream);
    while (*place != stream)
        place = &(*place)->next_of_bucket;
    *place = stream->next_of_bucket;
    counter_add(&shard->counters.stock_streams, (uint64_t)-1);
    publish(shard);
    free(stream);
}

static void end(struct stock_stream *stream)
{
    struct http_exchange *exchange = exchange_of(stream);

    leave(stream);
    if (exchange != NULL)
        http_stream_end(exchange);
}

static void on_gone(struct http_exchange *exchange, void *user)
{
    struct stock_stream *stream = ((struct call_scratch *)http_exchange_scratch(exchange))->stock;

    (void)user;
    if (stream != NULL)
        leave(stream);
}

static const struct http_stream_events stream_events = {.on_gone = on_gone, .endless = true};

/* ---- events ---- */

/* What it has not seen. */
static void give(struct stock_stream *stream, struct http_exchange *exchange)
{
    struct api_shard *shard = stream->shard;
    struct stock_streams *streams = shard->stock;
    struct writer writer = writer_fixed(streams->batch, sizeof(streams->batch));
    unsigned count = stock_board_write(&streams->board, &stream->subscriber, &writer);

    if (count == 0)
        return;
    counter_add(&shard->counters.stock_events, count);
    /* Whether it takes them is seen in the next round; one that is gone is told of by on_gone. */
    (void)http_stream_write(exchange, streams->batch, writer_length(&writer));
    mark_shown(stream);
}

static void give_or_put_off(struct stock_stream *stream)
{
    struct stock_streams *streams = stream->shard->stock;
    struct http_exchange *exchange = exchange_of(stream);

    if (exchange == NULL)
        return; /* doomed: on_gone follows */
    if (now_of(stream->shard) >= stream->ends_ms) {
        end(stream);
        return;
    }
    if (http_stream_waiting(exchange) == 0) {
        give(stream, exchange);
        return;
    }
    counter_add(&stream->shard->counters.stock_put_off, 1);
    stock_board_put_off(&streams->board, &stream->subscriber);
}

/* ---- rounds ---- */

static int64_t round_ms(const struct api_shard *shard)
{
    uint64_t count = counter_read(&shard->counters.stock_streams);

    if (count > STREAMS_AT_LATEST_ROUND)
        count = STREAMS_AT_LATEST_ROUND;
    return STOCK_ROUND_MS_LEAST +
           (int64_t)count * (STOCK_ROUND_MS_MOST - STOCK_ROUND_MS_LEAST) / STREAMS_AT_LATEST_ROUND;
}

static void begin_round(struct api_shard *shard)
{
    struct stock_streams *streams = shard->stock;

    streams->round_due_ms = now_of(shard) + round_ms(shard);
    streams->is_scanning = true;
    stock_board_begin(&streams->board);
}

/* Shows that they are there to those that were given nothing for a while. True: to all of them. */
static bool beat(struct api_shard *shard, unsigned streams_max)
{
    for (;; streams_max--) {
        struct stock_stream *stream = shard->stock->first;

        if (stream == NULL || now_of(shard) < stream->beat_due_ms)
            return true;
        if (streams_max == 0)
            return false;
        struct http_exchange *exchange = exchange_of(stream);

        if (exchange != NULL && now_of(shard) >= stream->ends_ms) {
            end(stream);
            continue;
        }
        if (exchange != NULL && http_stream_waiting(exchange) == 0)
            (void)http_stream_write(exchange, EVENT_STREAM_BEAT, sizeof(EVENT_STREAM_BEAT) - 1);
        mark_shown(stream);
    }
}

static void on_turn(uv_timer_t *timer)
{
    struct api_shard *shard = timer->data;
    struct stock_streams *streams = shard->stock;
    unsigned left = STREAMS_A_TURN;

    if (engine_mode(shard->api->engine) == ENGINE_FAILED)
        stock_streams_drain(shard); /* nothing may be told any more */
    if (streams->first == NULL) {
        uv_timer_stop(timer);
        return;
    }
    bool is_over = !streams->is_scanning && !stock_board_has_due(&streams->board);
    if (is_over && now_of(shard) >= streams->round_due_ms)
        begin_round(shard);
    if (streams->is_scanning)
        streams->is_scanning = !stock_board_scan(&streams->board, ROWS_A_TURN);
    while (!streams->is_scanning && left > 0) {
        struct stock_subscriber *due = stock_board_take_due(&streams->board);

        if (due == NULL)
            break;
        left--;
        give_or_put_off((struct stock_stream *)(void *)due);
    }
    bool all_know = beat(shard, left);
    publish(shard);
    is_over = !streams->is_scanning && !stock_board_has_due(&streams->board) && all_know;
    int64_t wait_ms = is_over ? streams->round_due_ms - now_of(shard) : TURN_MS;
    uv_timer_start(timer, on_turn, wait_ms > TURN_MS ? (uint64_t)wait_ms : TURN_MS, 0);
}

/* ---- the call ---- */

static void refuse_address(struct api_call *call)
{
    char detail[96];

    snprintf(detail, sizeof(detail), "There are %u streams of this address. Close one first.",
             call->shard->api->options.streams_per_address_max);
    snprintf(call->key_text, sizeof(call->key_text), "%d", (int)ADDRESS_RETRY_S);
    http_header_add(call->exchange, "Retry-After", call->key_text);
    problem_respond(call->exchange, PROBLEM_RATE_LIMITED, detail);
}

/* NULL: no memory. */
static struct stock_stream *make_stream(struct api_call *call,
                                        const struct sku_entry *const entries[], unsigned count)
{
    struct api_shard *shard = call->shard;
    struct stock_streams *streams = shard->stock;
    struct stock_stream *stream = malloc(sizeof(*stream) + count * sizeof(struct stock_link));

    if (stream == NULL)
        return NULL;
    memset(stream, 0, sizeof(*stream));
    stream->subscriber.links = stream->links;
    if (!stock_board_join(&streams->board, &stream->subscriber, entries, count)) {
        free(stream);
        return NULL;
    }
    stream->shard = shard;
    stream->exchange_cookie = http_exchange_cookie(call->exchange);
    stream->address = address_of(call->exchange);
    stream->beat_due_ms = now_of(shard) + shard->api->options.stream_heartbeat_ms;
    stream->ends_ms = now_of(shard) + LIFE_LEAST_MS + api_shard_jitter(shard, LIFE_SPREAD_MS);
    append(streams, stream);
    struct stock_stream **bucket = address_bucket(streams, stream->address);
    stream->next_of_bucket = *bucket;
    *bucket = stream;
    counter_add(&shard->counters.stock_streams, 1);
    return stream;
}

void stock_stream_start(struct api_call *call, const struct sku_entry *const entries[],
                        unsigned count)
{
    struct api_shard *shard = call->shard;
    struct stock_stream *stream;

    if (!event_stream_has_room(shard)) {
        respond_outcome(call->exchange, OUTCOME_OVERLOADED);
        return;
    }
    if (!address_has_room(shard, address_of(call->exchange))) {
        refuse_address(call);
        return;
    }
    stream = make_stream(call, entries, count);
    if (stream == NULL) {
        respond_outcome(call->exchange, OUTCOME_OVERLOADED);
        return;
    }
    struct http_slice last = http_exchange_header(call->exchange, HTTP_HEADER_LAST_EVENT_ID);
    if (last.data != NULL &&
        stock_board_resume(&shard->stock->board, &stream->subscriber, last.data, last.length))
        counter_add(&shard->counters.stock_resumed, 1);
    ((struct call_scratch *)http_exchange_scratch(call->exchange))->stock = stream;
    http_exchange_listen(call->exchange, &stream_events);
    http_stream_keep_short(call->exchange);
    (void)event_stream_begin(shard, call->exchange);
    give(stream, call->exchange);
    publish(shard);
    if (!uv_is_active((uv_handle_t *)&shard->stock->timer))
        uv_timer_start(&shard->stock->timer, on_turn, STOCK_ROUND_MS_LEAST, 0);
}

/* ---- a shard's life ---- */

bool stock_streams_open(struct api_shard *shard)
{
    struct stock_streams *streams = calloc(1, sizeof(*streams));

    if (streams == NULL)
        return false;
    stock_board_init(&streams->board, shard->api->run, shard_index(shard->shard),
                     shard->api->options.availability_exact);
    uv_timer_init(shard->loop, &streams->timer);
    streams->timer.data = shard;
    shard->stock = streams;
    return true;
}

void stock_streams_drain(struct api_shard *shard)
{
    while (shard->stock != NULL && shard->stock->first != NULL)
        end(shard->stock->first);
}

void stock_streams_close(struct api_shard *shard)
{
    if (shard->stock != NULL)
        uv_close((uv_handle_t *)&shard->stock->timer, NULL);
}

void stock_streams_free(struct api_shard *shard)
{
    if (shard->stock == NULL)
        return;
    while (shard->stock->first != NULL)
        leave(shard->stock->first);
    stock_board_free(&shard->stock->board);
    free(shard->stock);
    shard->stock = NULL;
}
