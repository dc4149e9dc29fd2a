/* SPDX-License-Identifier: Apache-2.0 */
/* hiredis' asynchronous API over libuv. Its own glue to libuv (adapters/libuv.h) is not used: up to
 * 1.x that lets the errors pass that libuv reports of a socket, so that a connection which is reset
 * would seem to be there until a time-out.
 *
 * A link lives until its poll handle is closed, which begins when hiredis frees the context: by
 * then all commands under way were answered by NULL. */
#include "outbound/feed_redis.h"

#include <assert.h>
#include <hiredis/async.h>
#include <hiredis/hiredis.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    WHY_MAX = 320,
    ARGUMENTS_MAX = 16,
    KEY_MAX = FEED_NAME_MAX + 16,
    NUMBER_MAX = 24,
};

struct feed_link {
    redisAsyncContext *context;
    uv_poll_t poll;
    int watched; /* UV_READABLE, UV_WRITABLE */
    struct feed_link_events events;
    char store[FEED_STORE_LENGTH + 1];
    char store_key[KEY_MAX];
    bool is_ready;
    bool is_closing;     /* by our own hand: nobody is told */
    bool is_failing;     /* hiredis frees the context when its callback returns */
    char why[WHY_MAX];   /* of its end; "": as hiredis says */
    char fault[WHY_MAX]; /* the first error within the transaction that is being answered */
};

/* ---- answers ---- */

/* Redis says so of an ID that is not above all that the stream has, or has had. */
static bool is_repeat(const redisReply *reply)
{
    return reply->type == REDIS_REPLY_ERROR && strstr(reply->str, "equal or smaller") != NULL;
}

/* An error's first line; what others wrote goes into a log. */
static void note_error(char why_out[WHY_MAX], const redisReply *reply)
{
    size_t length = reply->type == REDIS_REPLY_ERROR ? strcspn(reply->str, "\r\n") : 0;

    if (length == 0)
        snprintf(why_out, WHY_MAX, "it answered otherwise than Redis does");
    else
        snprintf(why_out, WHY_MAX, "%.*s", (int)(length < WHY_MAX ? length : WHY_MAX - 1),
                 reply->str);
}

/* Within a callback; hiredis then answers all that is under way by NULL, and cleans up. */
static void fail(struct feed_link *link)
{
    if (link->is_failing)
        return;
    link->is_failing = true;
    redisAsyncFree(link->context);
}

/* ---- hiredis and libuv ---- */

static void on_poll(uv_poll_t *poll, int status, int events)
{
    struct feed_link *link = poll->data;
    redisAsyncContext *context = link->context;

    if (context == NULL)
        return;
    /* Nothing is asked, and it says something or has gone; hiredis takes an answer to nothing for
     * its own bug, and aborts. */
    if (link->is_ready && context->replies.head == NULL &&
        (status < 0 || (events & UV_READABLE) != 0)) {
        snprintf(link->why, WHY_MAX, "it closed the connection");
        fail(link);
        return;
    }
    if (status < 0) /* the read finds out what it is */
        events = UV_READABLE;
    if ((events & UV_READABLE) != 0)
        redisAsyncHandleRead(context);
    if (link->context != NULL && (events & UV_WRITABLE) != 0)
        redisAsyncHandleWrite(context);
}

static void watch(struct feed_link *link, int watched)
{
    link->watched = watched;
    if (watched == 0)
        uv_poll_stop(&link->poll);
    else
        uv_poll_start(&link->poll, watched, on_poll);
}

static void add_read(void *data)
{
    struct feed_link *link = data;

    watch(link, link->watched | UV_READABLE);
}

static void delete_read(void *data)
{
    struct feed_link *link = data;

    watch(link, link->watched & ~UV_READABLE);
}

static void add_write(void *data)
{
    struct feed_link *link = data;

    watch(link, link->watched | UV_WRITABLE);
}

static void delete_write(void *data)
{
    struct feed_link *link = data;

    watch(link, link->watched & ~UV_WRITABLE);
}

static void on_closed(uv_handle_t *handle)
{
    free(handle->data);
}

/* hiredis frees the context. */
static void clean_up(void *data)
{
    struct feed_link *link = data;
    const redisAsyncContext *context = link->context;

    if (link->why[0] == 0)
        snprintf(link->why, WHY_MAX, "%s",
                 context->c.err != 0 ? context->c.errstr : "it closed the connection");
    link->context = NULL;
    uv_close((uv_handle_t *)&link->poll, on_closed);
    if (!link->is_closing)
        link->events.on_lost(link->events.user, link->why);
}

/* ---- the first words ---- */

/* `is_last` of the one whose answer makes the link ready: an empty transaction, for without
 * transactions the feed would not be in order. */
static void on_hello(redisAsyncContext *context, void *answer, void *is_last)
{
    struct feed_link *link = context->data;
    const redisReply *reply = answer;

    if (reply == NULL || link->is_failing)
        return;
    if (reply->type != (is_last != NULL ? REDIS_REPLY_ARRAY : REDIS_REPLY_STATUS)) {
        note_error(link->why, reply);
        fail(link);
    } else if (is_last != NULL) {
        link->is_ready = true;
        link->events.on_ready(link->events.user);
    }
}

/* To the first that comes; OK, or nothing where there is one. */
static void on_claimed(redisAsyncContext *context, void *answer, void *unused)
{
    struct feed_link *link = context->data;
    const redisReply *reply = answer;

    (void)unused;
    if (reply == NULL || link->is_failing || reply->type == REDIS_REPLY_STATUS ||
        reply->type == REDIS_REPLY_NIL)
        return;
    note_error(link->why, reply);
    fail(link);
}

static void on_store(redisAsyncContext *context, void *answer, void *unused)
{
    struct feed_link *link = context->data;
    const redisReply *reply = answer;

    (void)unused;
    if (reply == NULL || link->is_failing)
        return;
    if (reply->type != REDIS_REPLY_STRING) {
        note_error(link->why, reply);
        fail(link);
    } else if (reply->len != FEED_STORE_LENGTH ||
               memcmp(reply->str, link->store, FEED_STORE_LENGTH) != 0) {
        snprintf(link->why, WHY_MAX,
                 "the key %s names another store: choose another redis_stream, or delete it and "
                 "the streams",
                 link->store_key);
        link->events.on_foreign(link->events.user, link->why);
        fail(link);
    }
}

static bool say_hello(struct feed_link *link, const struct feed_address *address)
{
    redisAsyncContext *context = link->context;
    int status = REDIS_OK;

    if (address->password[0] != 0 && address->user[0] != 0)
        status |= redisAsyncCommand(context, on_hello, NULL, "AUTH %s %s", address->user,
                                    address->password);
    else if (address->password[0] != 0)
        status |= redisAsyncCommand(context, on_hello, NULL, "AUTH %s", address->password);
    if (address->database != 0)
        status |= redisAsyncCommand(context, on_hello, NULL, "SELECT %u", address->database);
    status |= redisAsyncCommand(context, on_hello, NULL, "PING");
    status |=
        redisAsyncCommand(context, on_claimed, NULL, "SET %s %s NX", link->store_key, link->store);
    status |= redisAsyncCommand(context, on_store, NULL, "GET %s", link->store_key);
    status |= redisAsyncCommand(context, on_hello, NULL, "MULTI");
    status |= redisAsyncCommand(context, on_hello, link, "EXEC");
    return status == REDIS_OK;
}

struct feed_link *feed_link_open(uv_loop_t *loop, const struct feed_address *address,
                                 const struct feed_link_streams *streams,
                                 const struct feed_link_events *events, char *why_out,
                                 size_t why_size)
{
    struct feed_link *link = calloc(1, sizeof(*link));
    redisAsyncContext *context =
        link == NULL ? NULL : redisAsyncConnect(address->host, address->port);

    snprintf(why_out, why_size, "%s",
             context == NULL || context->err == 0 ? "not enough memory" : context->errstr);
    if (context == NULL || context->err != 0 || uv_poll_init(loop, &link->poll, context->c.fd) != 0)
        goto free_context;
    link->events = *events;
    snprintf(link->store, sizeof(link->store), "%016" PRIx64, streams->store);
    snprintf(link->store_key, sizeof(link->store_key), "%s:store", streams->name);
    link->context = context;
    link->poll.data = link;
    context->data = link;
    context->ev.data = link;
    context->ev.addRead = add_read;
    context->ev.delRead = delete_read;
    context->ev.addWrite = add_write;
    context->ev.delWrite = delete_write;
    context->ev.cleanup = clean_up;
    redisEnableKeepAlive(&context->c);
    if (say_hello(link, address))
        return link;
    feed_link_close(link);
    return NULL;
free_context:
    if (context != NULL)
        redisAsyncFree(context);
    free(link);
    return NULL;
}

void feed_link_close(struct feed_link *link)
{
    link->is_closing = true;
    snprintf(link->why, WHY_MAX, "given up");
    redisAsyncFree(link->context);
}

/* ---- a batch ---- */

static void on_queued(redisAsyncContext *context, void *answer, void *unused)
{
    struct feed_link *link = context->data;
    const redisReply *reply = answer;

    (void)unused;
    if (reply != NULL && reply->type != REDIS_REPLY_STATUS && link->fault[0] == 0)
        note_error(link->fault, reply);
}

static void on_executed(redisAsyncContext *context, void *answer, void *data)
{
    struct feed_link *link = context->data;
    struct feed_batch *batch = data;
    const redisReply *reply = answer;
    uint32_t sent = 0;
    uint32_t repeated = 0;

    if (reply != NULL && reply->type == REDIS_REPLY_ARRAY) {
        for (size_t i = 0; i < reply->elements; i++) {
            const redisReply *element = reply->element[i];

            if (element->type == REDIS_REPLY_STRING || element->type == REDIS_REPLY_STATUS)
                sent++;
            else if (is_repeat(element))
                repeated++;
            else if (link->fault[0] == 0)
                note_error(link->fault, element);
        }
    } else if (reply != NULL && link->fault[0] == 0) {
        note_error(link->fault, reply);
    }
    link->events.on_batch(link->events.user, batch, sent, repeated,
                          reply == NULL ? NULL : link->fault);
    link->fault[0] = 0;
}

static int send_entry(struct feed_link *link, const char *key, const char *length_max,
                      const struct feed_entry *entry)
{
    const char *arguments[ARGUMENTS_MAX] = {"XADD", key};
    size_t lengths[ARGUMENTS_MAX];
    char sequence[NUMBER_MAX];
    int count = 2;

    if (length_max[0] != 0) {
        arguments[count++] = "MAXLEN";
        arguments[count++] = "~";
        arguments[count++] = length_max;
    }
    snprintf(sequence, sizeof(sequence), "%" PRIu64 "-0", entry->sequence);
    arguments[count++] = sequence;
    arguments[count++] = "id";
    arguments[count++] = entry->id;
    arguments[count++] = "type";
    arguments[count++] = entry->type;
    arguments[count++] = entry->field;
    arguments[count++] = entry->subject;
    arguments[count++] = "data";
    arguments[count++] = entry->data;
    assert(count <= ARGUMENTS_MAX);
    for (int i = 0; i < count; i++)
        lengths[i] = strlen(arguments[i]);
    return redisAsyncCommandArgv(link->context, on_queued, NULL, count, arguments, lengths);
}

bool feed_link_send(struct feed_link *link, const char *stream, uint64_t length_max,
                    struct feed_batch *batch)
{
    char key[KEY_MAX];
    char limit[NUMBER_MAX] = "";
    int status;

    if (link->is_failing)
        return false;
    snprintf(key, sizeof(key), "%s:%u", stream, batch->partition);
    if (length_max > 0)
        snprintf(limit, sizeof(limit), "%" PRIu64, length_max);
    status = redisAsyncCommand(link->context, on_queued, NULL, "MULTI");
    for (uint32_t i = 0; i < batch->count; i++)
        status |= send_entry(link, key, limit, &batch->entries[i]);
    status |= redisAsyncCommand(link->context, on_executed, batch, "EXEC");
    return status == REDIS_OK;
}
