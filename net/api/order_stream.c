/* SPDX-License-Identifier: Apache-2.0 */
#include "api/order_stream.h"

#include <stdlib.h>
#include <string.h>

#include "api/event_stream.h"

enum {
    STREAM_TURN_MS = 250,            /* between two looks at all streams */
    STREAM_RETRY_MS = 1000,          /* after a refusal */
    STREAM_LIFE_MS = 60 * 60 * 1000, /* then the client comes again, and shows who it is */
    STREAM_EVENT_BYTES_MAX = 1024,
};

_Static_assert(STREAM_EVENT_BYTES_MAX > 6 * (CARRIER_LENGTH_MAX + TRACKING_LENGTH_MAX) + 256,
               "the longest event");

struct order_stream {
    struct order_watch watch; /* first */
    struct api_shard *shard;
    struct order_stream *next; /* of all of the shard's */
    struct order_stream *previous;
    uint64_t exchange_cookie;
    struct principal who[1 + ACCOUNT_ALIASES_MAX];
    uint8_t who_count;
    enum authority authority;
    struct origin origin;
    struct reservation_id id;
    uint32_t sent;   /* entries of the timeline that the client has */
    bool has_sent;   /* it said so */
    bool is_begun;   /* the head is written */
    bool is_over;    /* for the client: it is freed when nothing of it is under way any more */
    bool is_asking;  /* a GET or an UNWATCH */
    bool is_waiting; /* its watch is with the order's shard */
    bool was_told;   /* while it asked */
    bool is_blocked; /* the client has to read first */
    bool is_writing;
    int64_t ask_due_ms; /* by the boot clock; 0: nothing is to be asked */
    int64_t beat_due_ms;
    int64_t ends_ms;
};

_Static_assert(offsetof(struct order_stream, watch) == 0, "on_told finds its owner by address");

/* ---- its life ---- */

static struct http_exchange *exchange_of(const struct order_stream *stream)
{
    struct http_server *server = atomic_load_explicit(&stream->shard->server, memory_order_relaxed);

    return server == NULL || stream->is_over
               ? NULL
               : http_exchange_from_cookie(server, stream->exchange_cookie);
}

static void release(struct order_stream *stream)
{
    struct api_shard *shard = stream->shard;

    if (stream->is_asking || stream->is_waiting || stream->is_writing)
        return;
    if (stream->next != NULL)
        stream->next->previous = stream->previous;
    if (stream->previous != NULL)
        stream->previous->next = stream->next;
    else
        shard->streams = stream->next;
    counter_add(&shard->counters.streams, (uint64_t)-1);
    free(stream);
}

static void take_back(struct order_stream *stream);

/* The client has all that it gets. */
static void leave(struct order_stream *stream)
{
    struct http_exchange *exchange = exchange_of(stream);

    if (exchange != NULL)
        ((struct call_scratch *)http_exchange_scratch(exchange))->stream = NULL;
    stream->is_over = true;
    if (stream->is_waiting && !stream->is_asking)
        take_back(stream);
    else
        release(stream);
}

static void end(struct order_stream *stream)
{
    struct http_exchange *exchange = exchange_of(stream);

    leave(stream);
    if (exchange != NULL)
        http_stream_end(exchange);
}

static void cut(struct order_stream *stream)
{
    struct http_exchange *exchange = exchange_of(stream);

    counter_add(&stream->shard->counters.streams_cut, 1);
    leave(stream);
    if (exchange != NULL)
        http_stream_abort(exchange);
}

/* False: it is over, and may be freed. */
static bool put_out(struct order_stream *stream, const char *bytes, size_t length)
{
    struct http_exchange *exchange = exchange_of(stream);

    if (exchange == NULL)
        return false;
    if (stream->is_blocked) {
        cut(stream);
        return false;
    }
    stream->is_writing = true;
    stream->is_blocked = !http_stream_write(exchange, bytes, length);
    stream->is_writing = false;
    if (!stream->is_over)
        return true;
    release(stream);
    return false;
}

/* ---- events ---- */

static void write_event(struct writer *writer, const struct order_stream *stream,
                        const struct order_record *order, uint32_t number)
{
    const struct order_moment *moment = &order->timeline[number];
    char id[RESERVATION_ID_LENGTH + 1];

    order_id_format(&stream->id, &engine_secrets(stream->shard->api->engine)->id_key, id);
    write_literal(writer, "id: ");
    write_unsigned(writer, number + 1);
    write_literal(writer, "\nevent: order\ndata: {\"id\":\"");
    write_bytes(writer, id, RESERVATION_ID_LENGTH);
    write_literal(writer, "\",\"status\":\"");
    write_text(writer, order_status_name((enum order_status)moment->status));
    write_literal(writer, "\",\"at\":");
    write_json_time(writer, moment->wall_ms);
    if (moment->status == ORDER_SHIPPED && order->tracking[0] != '\0') {
        write_literal(writer, ",\"tracking\":{\"carrier\":");
        write_json_string(writer, order->carrier, strlen(order->carrier));
        write_literal(writer, ",\"number\":");
        write_json_string(writer, order->tracking, strlen(order->tracking));
        write_byte(writer, '}');
    }
    write_literal(writer, "}\n\n");
}

/* False: it is over. */
static bool put_events(struct order_stream *stream, const struct order_record *order)
{
    char bytes[STREAM_EVENT_BYTES_MAX];

    if (!stream->has_sent) {
        stream->sent = order->timeline_count - 1u;
        stream->has_sent = true;
    }
    while (stream->sent < order->timeline_count) {
        struct writer writer = writer_fixed(bytes, sizeof(bytes));

        write_event(&writer, stream, order, stream->sent++);
        if (!put_out(stream, bytes, writer_length(&writer)))
            return false;
    }
    return true;
}

/* False: it is over. */
static bool begin(struct order_stream *stream, struct http_exchange *exchange)
{
    stream->is_begun = true;
    stream->is_writing = true;
    stream->is_blocked = !event_stream_begin(stream->shard, exchange);
    stream->is_writing = false;
    if (!stream->is_over)
        return true;
    release(stream);
    return false;
}

/* ---- asking ---- */

static void on_answer(struct api_shard *shard, struct http_exchange *exchange,
                      const struct message *message, void *user);

/* False: not now. */
static bool submit(struct order_stream *stream, enum order_call call)
{
    struct api_shard *shard = stream->shard;
    struct order_envelope *envelope = order_envelope_create(call);
    uint64_t cookie = envelope == NULL ? 0
                                       : pending_open(&shard->pending, stream->exchange_cookie,
                                                      on_answer, stream);
    struct command command = {.type = COMMAND_ORDER,
                              .principal = stream->who[0],
                              .authority = stream->authority,
                              .origin = stream->origin,
                              .order = envelope};
    struct refusal unused;

    if (cookie == 0) {
        envelope_free(envelope);
        return false;
    }
    envelope->authority = (uint8_t)stream->authority;
    envelope->who_count = stream->who_count;
    memcpy(envelope->who, stream->who, sizeof(envelope->who));
    envelope->id = stream->id;
    envelope->watch = &stream->watch;
    stream->was_told = false;
    if (engine_submit(shard->shard, &command, cookie, &unused) == OUTCOME_PENDING) {
        stream->is_asking = true;
        return true;
    }
    pending_cancel(&shard->pending, cookie);
    envelope_free(envelope);
    return false;
}

static void ask(struct order_stream *stream)
{
    stream->ask_due_ms = 0;
    if (!submit(stream, ORDER_CALL_GET))
        stream->ask_due_ms = stream->shard->now.boot_ms + STREAM_RETRY_MS;
}

static void take_back(struct order_stream *stream)
{
    stream->ask_due_ms = 0;
    if (!submit(stream, ORDER_CALL_UNWATCH))
        stream->ask_due_ms = stream->shard->now.boot_ms + STREAM_RETRY_MS;
}

static void on_told(struct order_watch *watch)
{
    struct order_stream *stream = (struct order_stream *)(void *)watch;

    stream->is_waiting = false;
    stream->was_told = true;
    if (stream->is_asking)
        return; /* its answer says what follows */
    if (stream->is_over)
        release(stream);
    else
        ask(stream);
}

static void refuse(struct order_stream *stream, struct http_exchange *exchange,
                   enum outcome outcome)
{
    if (!stream->is_begun) {
        leave(stream);
        respond_outcome(exchange, outcome);
    } else if (outcome == OUTCOME_NOT_FOUND) {
        end(stream);
    } else {
        stream->ask_due_ms = stream->shard->now.boot_ms + STREAM_RETRY_MS;
    }
}

static void show(struct order_stream *stream, struct http_exchange *exchange,
                 const struct order_record *order)
{
    bool is_final = order_is_final((enum order_status)order->status);

    if (stream->sent > order->timeline_count)
        stream->sent = order->timeline_count;
    if (!stream->is_begun && is_final && stream->has_sent &&
        stream->sent == order->timeline_count) {
        leave(stream);
        http_respond(exchange, 204, NULL, NULL, 0);
        return;
    }
    if ((!stream->is_begun && !begin(stream, exchange)) || !put_events(stream, order))
        return;
    if (is_final || stream->shard->is_draining)
        end(stream);
    else if (stream->was_told)
        ask(stream);
}

static void taken_back(struct order_stream *stream, enum outcome outcome, bool is_back)
{
    if (is_back)
        stream->is_waiting = false;
    else if (stream->is_waiting && outcome != OUTCOME_OK)
        stream->ask_due_ms = stream->shard->now.boot_ms + STREAM_RETRY_MS;
    release(stream); /* unless on_told has yet to come */
}

static void on_answer(struct api_shard *shard, struct http_exchange *exchange,
                      const struct message *message, void *user)
{
    struct order_stream *stream = user;
    struct order_envelope *answer = message->reply.order;
    enum outcome outcome = (enum outcome)message->reply.outcome;

    (void)shard;
    (void)exchange;
    stream->is_asking = false;
    if (answer->call == ORDER_CALL_UNWATCH) {
        taken_back(stream, outcome, answer->is_watched != 0);
        envelope_free(answer);
        return;
    }
    if (answer->is_watched)
        stream->is_waiting = !stream->was_told;
    struct http_exchange *open = exchange_of(stream);
    if (open == NULL)
        leave(stream);
    else if (outcome == OUTCOME_OK)
        show(stream, open, &answer->order);
    else
        refuse(stream, open, outcome);
    envelope_free(answer);
}

/* ---- the call ---- */

static void on_writable(struct http_exchange *exchange, void *user)
{
    struct order_stream *stream = ((struct call_scratch *)http_exchange_scratch(exchange))->stream;

    (void)user;
    if (stream != NULL)
        stream->is_blocked = false;
}

static void on_gone(struct http_exchange *exchange, void *user)
{
    struct order_stream *stream = ((struct call_scratch *)http_exchange_scratch(exchange))->stream;

    (void)user;
    if (stream != NULL)
        leave(stream);
}

static const struct http_stream_events stream_events = {
    .on_writable = on_writable, .on_gone = on_gone, .endless = true};

/* What is not a number of ours is none. */
static void read_last_id(struct order_stream *stream, const struct api_call *call)
{
    struct http_slice text = http_exchange_header(call->exchange, HTTP_HEADER_LAST_EVENT_ID);
    uint32_t number = 0;

    if (text.data == NULL || text.length < 1 || text.length > 4)
        return;
    for (size_t i = 0; i < text.length; i++) {
        if (text.data[i] < '0' || text.data[i] > '9')
            return;
        number = number * 10 + (uint32_t)(text.data[i] - '0');
    }
    stream->sent = number;
    stream->has_sent = true;
}

void order_stream_start(struct api_call *call, struct order_flow *flow)
{
    struct api_shard *shard = call->shard;
    bool is_full = !event_stream_has_room(shard) ||
                   counter_read(&shard->counters.streams) >=
                       shard->api->options.http.exchanges_max / 2; /* each asks with one */
    struct order_stream *stream = is_full ? NULL : calloc(1, sizeof(*stream));

    if (stream == NULL) {
        order_flow_refuse(flow, OUTCOME_OVERLOADED);
        return;
    }
    order_watch_init(&stream->watch, shard->shard, on_told);
    stream->shard = shard;
    stream->exchange_cookie = flow->exchange_cookie;
    memcpy(stream->who, flow->who, sizeof(stream->who));
    stream->who_count = flow->who_count;
    stream->authority = flow->authority;
    stream->origin = flow->origin;
    stream->id = flow->id;
    stream->beat_due_ms = shard->now.boot_ms + shard->api->options.stream_heartbeat_ms;
    stream->ends_ms = shard->now.boot_ms + STREAM_LIFE_MS;
    stream->next = shard->streams;
    if (shard->streams != NULL)
        shard->streams->previous = stream;
    shard->streams = stream;
    counter_add(&shard->counters.streams, 1);
    order_flow_end(flow);
    read_last_id(stream, call);
    ((struct call_scratch *)http_exchange_scratch(call->exchange))->stream = stream;
    http_exchange_listen(call->exchange, &stream_events);
    if (!submit(stream, ORDER_CALL_GET))
        refuse(stream, call->exchange, OUTCOME_OVERLOADED);
}

/* ---- time ---- */

static void tend(struct order_stream *stream, int64_t now_ms)
{
    if (stream->ask_due_ms != 0 && now_ms >= stream->ask_due_ms && !stream->is_asking) {
        if (!stream->is_over)
            ask(stream);
        else if (stream->is_waiting)
            take_back(stream);
    }
    if (stream->is_over || !stream->is_begun || now_ms < stream->beat_due_ms)
        return;
    stream->beat_due_ms = now_ms + stream->shard->api->options.stream_heartbeat_ms;
    if (now_ms >= stream->ends_ms)
        end(stream);
    else
        (void)put_out(stream, EVENT_STREAM_BEAT, sizeof(EVENT_STREAM_BEAT) - 1);
}

void order_streams_turn(struct api_shard *shard)
{
    struct order_stream *next;

    if (shard->streams == NULL || shard->now.boot_ms < shard->streams_due_ms)
        return;
    shard->streams_due_ms = shard->now.boot_ms + STREAM_TURN_MS;
    for (struct order_stream *stream = shard->streams; stream != NULL; stream = next) {
        next = stream->next;
        tend(stream, shard->now.boot_ms);
    }
}

void order_streams_drain(struct api_shard *shard)
{
    struct order_stream *next;

    shard->is_draining = true;
    for (struct order_stream *stream = shard->streams; stream != NULL; stream = next) {
        next = stream->next;
        if (stream->is_begun && !stream->is_over)
            end(stream);
    }
}

void order_streams_free(struct api_shard *shard)
{
    while (shard->streams != NULL) {
        struct order_stream *stream = shard->streams;

        shard->streams = stream->next;
        free(stream);
    }
}
