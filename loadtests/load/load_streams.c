/* SPDX-License-Identifier: Apache-2.0 */
#include "load_streams.h"

#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "load_client.h"

#define NS_PER_SECOND UINT64_C(1000000000)
#define NS_PER_MS     UINT64_C(1000000)

enum {
    CONNECTING_MAX = 256, /* at once: as many as wait in a listener's queue without a loss */
    EVENTS_MAX = 512,
    READ_BYTES = 65536,
    REQUEST_BYTES_MAX = 1024,
    CHANGER = -1, /* as an event's data */
};

struct load_streams *load_streams_create(const struct load_options *options,
                                         const struct load_address *address, const char *sku,
                                         const volatile sig_atomic_t *stop)
{
    struct load_streams *streams = calloc(1, sizeof *streams);
    if (streams == NULL) {
        return NULL;
    }
    streams->options = options;
    streams->address = address;
    streams->sku = sku;
    streams->stop = stop;
    streams->count = options->subscribers;
    streams->changer = -1;
    streams->epoll = epoll_create1(EPOLL_CLOEXEC);
    streams->rows = calloc(streams->count, sizeof *streams->rows);
    streams->changed_ns = calloc(LOAD_STREAM_CHANGES_MAX, sizeof *streams->changed_ns);
    if (streams->epoll < 0 || streams->rows == NULL || streams->changed_ns == NULL) {
        load_streams_destroy(streams);
        return NULL;
    }
    for (uint32_t i = 0; i < streams->count; i++) {
        streams->rows[i].fd = -1;
        streams->rows[i].available = -1;
    }
    return streams;
}

void load_streams_destroy(struct load_streams *streams)
{
    if (streams == NULL) {
        return;
    }
    for (uint32_t i = 0; streams->rows != NULL && i < streams->count; i++) {
        if (streams->rows[i].fd >= 0) {
            close(streams->rows[i].fd);
        }
    }
    if (streams->changer >= 0) {
        close(streams->changer);
    }
    if (streams->epoll >= 0) {
        close(streams->epoll);
    }
    free(streams->rows);
    free(streams->changed_ns);
    free(streams);
}

/* ---- connections ---- */

static int connection_open(const struct load_streams *streams, int64_t data)
{
    const struct load_address *address = streams->address;
    int on = 1;
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLET | EPOLLRDHUP};
    int fd = socket(address->storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return -1;
    }
    event.data.u64 = (uint64_t)data;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    bool ok = connect(fd, (const struct sockaddr *)&address->storage, address->length) == 0 ||
              errno == EINPROGRESS;
    if (!ok || epoll_ctl(streams->epoll, EPOLL_CTL_ADD, fd, &event) != 0) {
        close(fd);
        return -1;
    }
    return fd;
}

static void stream_close(struct load_streams *streams, struct load_stream *stream)
{
    close(stream->fd);
    stream->fd = -1;
    streams->cut += stream->is_open ? 1 : 0;
    streams->open -= stream->available >= 0 ? 1 : 0;
    stream->is_open = false;
}

static void stream_ask(struct load_streams *streams, struct load_stream *stream)
{
    char request[REQUEST_BYTES_MAX];
    char sku[3 * LOAD_SKU_BYTES_MAX + 1];
    if (!load_percent_encode(streams->sku, sku, sizeof sku)) {
        abort(); /* there is room for any */
    }
    int length = snprintf(request, sizeof request,
                          "GET /v1/skus/%s/availability HTTP/1.1\r\nHost: %s\r\n"
                          "Accept: text/event-stream\r\n\r\n",
                          sku, streams->options->authority);
    stream->is_asked = true;
    if (send(stream->fd, request, (size_t)length, MSG_NOSIGNAL) != length) {
        stream_close(streams, stream);
    }
}

/* ---- events ---- */

/* The number that falls by one with each change: which change an event tells of. */
static void delay_record(struct load_streams *streams, int64_t available, uint64_t now_ns)
{
    int64_t number = streams->first_available - available - 1;
    if (streams->falls && number >= 0 && number < (int64_t)streams->changes) {
        load_histogram_record(&streams->delay, now_ns - streams->changed_ns[number]);
    }
}

static void data_take(struct load_streams *streams, struct load_stream *stream, const char *data,
                      uint64_t now_ns)
{
    static const char name[] = "\"available\":";
    const char *found = strstr(data, name);
    char *end = NULL;
    long long available = found == NULL ? -1 : strtoll(found + sizeof name - 1, &end, 10);
    if (found == NULL || end == found + sizeof name - 1 || available < 0) {
        streams->malformed++;
        return;
    }
    streams->events++;
    stream->events++;
    if (stream->available < 0) {
        streams->open++;
    } else {
        streams->backwards += streams->falls && available >= stream->available ? 1 : 0;
        delay_record(streams, available, now_ns);
    }
    stream->available = available;
}

/* Chunks hold whole lines, so that the lines between them are of no interest. */
static void line_take(struct load_streams *streams, struct load_stream *stream, uint64_t now_ns)
{
    static const char status[] = "HTTP/1.1 ";
    stream->line[stream->length] = '\0';
    stream->length = 0;
    if (strncmp(stream->line, "data: ", 6) == 0) {
        data_take(streams, stream, stream->line + 6, now_ns);
    } else if (strncmp(stream->line, status, sizeof status - 1) == 0) {
        stream->is_open = strncmp(stream->line + sizeof status - 1, "200", 3) == 0;
        stream->is_refused = !stream->is_open;
        streams->refused += stream->is_refused ? 1 : 0;
    }
}

static void bytes_take(struct load_streams *streams, struct load_stream *stream, const char *bytes,
                       size_t count, uint64_t now_ns)
{
    while (count > 0) {
        const char *end = memchr(bytes, '\n', count);
        size_t length = end != NULL ? (size_t)(end - bytes) : count;
        size_t room = sizeof stream->line - 1 - stream->length;
        size_t kept = length < room ? length : room;
        memcpy(stream->line + stream->length, bytes, kept);
        stream->length = (uint16_t)(stream->length + kept);
        if (end == NULL) {
            return;
        }
        line_take(streams, stream, now_ns);
        bytes += length + 1;
        count -= length + 1;
    }
}

static void stream_read(struct load_streams *streams, struct load_stream *stream)
{
    static char bytes[READ_BYTES];
    for (;;) {
        ssize_t count = recv(stream->fd, bytes, sizeof bytes, 0);
        if (count < 0 && (errno == EAGAIN || errno == EINTR)) {
            return;
        }
        if (count <= 0) {
            stream_close(streams, stream);
            return;
        }
        bytes_take(streams, stream, bytes, (size_t)count, load_clock_ns());
        if (stream->is_refused) {
            stream_close(streams, stream);
            return;
        }
    }
}

/* ---- changes ---- */

static void change_send(struct load_streams *streams)
{
    char body[128];
    char request[REQUEST_BYTES_MAX + LOAD_ADMIN_KEY_BYTES_MAX];
    char sku[3 * LOAD_SKU_BYTES_MAX + 1];
    int64_t wanted = streams->first_available - (int64_t)streams->changes - 1;
    if (streams->is_changing || streams->changer < 0 || wanted < 0 ||
        streams->changes == LOAD_STREAM_CHANGES_MAX ||
        !load_percent_encode(streams->sku, sku, sizeof sku)) {
        return;
    }
    int body_length =
        snprintf(body, sizeof body, "{\"set\":%" PRId64 ",\"reason\":\"load\"}", wanted);
    int length =
        snprintf(request, sizeof request,
                 "POST /v1/admin/inventory/%s/adjust HTTP/1.1\r\nHost: %s\r\n"
                 "Authorization: Bearer %s\r\nContent-Type: application/json\r\n"
                 "Content-Length: %d\r\n\r\n%s",
                 sku, streams->options->authority, streams->options->admin_key, body_length, body);
    streams->changed_ns[streams->changes++] = load_clock_ns();
    streams->is_changing = true;
    if (send(streams->changer, request, (size_t)length, MSG_NOSIGNAL) != length) {
        close(streams->changer);
        streams->changer = -1;
    }
}

static void changer_read(struct load_streams *streams)
{
    struct load_response response;
    while (streams->changer >= 0) {
        ssize_t count = recv(streams->changer, streams->answer + streams->answer_length,
                             sizeof streams->answer - streams->answer_length, 0);
        if (count < 0 && (errno == EAGAIN || errno == EINTR)) {
            return;
        }
        streams->answer_length += count > 0 ? (size_t)count : 0;
        enum load_response_result result =
            count <= 0 ? LOAD_RESPONSE_BROKEN
                       : load_response_parse(&streams->parser, streams->answer,
                                             streams->answer_length, &response);
        if (result == LOAD_RESPONSE_PARTIAL) {
            continue;
        }
        if (result == LOAD_RESPONSE_BROKEN || response.status != 200) {
            close(streams->changer);
            streams->changer = -1;
            return;
        }
        streams->answer_length = 0;
        streams->is_changing = false;
        streams->acknowledged++;
    }
}

/* ---- the loop ---- */

static void turn(struct load_streams *streams, uint64_t until_ns)
{
    struct epoll_event events[EVENTS_MAX];
    uint64_t now_ns = load_clock_ns();
    int wait_ms = until_ns > now_ns ? (int)((until_ns - now_ns + NS_PER_MS - 1) / NS_PER_MS) : 0;
    int count = epoll_wait(streams->epoll, events, EVENTS_MAX, wait_ms < 50 ? wait_ms : 50);
    for (int i = 0; i < count; i++) {
        int64_t place = (int64_t)events[i].data.u64;
        if (place == CHANGER) {
            if ((events[i].events & EPOLLIN) != 0) {
                changer_read(streams);
            }
            continue;
        }
        struct load_stream *stream = &streams->rows[place];
        if (stream->fd >= 0 && !stream->is_asked && (events[i].events & EPOLLOUT) != 0) {
            stream_ask(streams, stream);
        }
        if (stream->fd >= 0 && (events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0) {
            stream_read(streams, stream);
        }
    }
}

bool load_streams_open(struct load_streams *streams, uint32_t wait_ms)
{
    uint64_t began_ns = load_clock_ns();
    uint64_t until_ns = began_ns + (uint64_t)wait_ms * NS_PER_MS;
    while (streams->open < streams->count && load_clock_ns() < until_ns && *streams->stop == 0) {
        uint32_t ended = streams->open + streams->refused + streams->cut;
        while (streams->begun < streams->count && streams->begun < ended + CONNECTING_MAX) {
            struct load_stream *stream = &streams->rows[streams->begun];
            stream->fd = connection_open(streams, streams->begun);
            if (stream->fd < 0) {
                return false;
            }
            streams->begun++;
        }
        if (ended >= streams->count) {
            break;
        }
        turn(streams, until_ns);
    }
    streams->opened_ns = load_clock_ns() - began_ns;
    return streams->open == streams->count;
}

void load_streams_drive(struct load_streams *streams, uint64_t until_ns, double per_second)
{
    uint64_t now_ns = load_clock_ns();
    uint64_t pause_ns = per_second > 0 ? (uint64_t)((double)NS_PER_SECOND / per_second) : 0;
    uint64_t due_ns = now_ns;
    if (per_second > 0) {
        streams->falls = true;
        streams->first_available = streams->rows[0].available;
        streams->changer = connection_open(streams, CHANGER);
    }
    for (; now_ns < until_ns && *streams->stop == 0; now_ns = load_clock_ns()) {
        if (pause_ns > 0 && now_ns >= due_ns) {
            change_send(streams);
            due_ns = now_ns + pause_ns;
        }
        turn(streams, pause_ns > 0 && due_ns < until_ns ? due_ns : until_ns);
    }
}

static uint32_t count_others(const struct load_streams *streams, int64_t available)
{
    uint32_t others = 0;
    for (uint32_t i = 0; i < streams->count; i++) {
        const struct load_stream *stream = &streams->rows[i];
        others += stream->fd >= 0 && stream->available != available ? 1 : 0;
    }
    return others;
}

uint32_t load_streams_settle(struct load_streams *streams, int64_t available, uint32_t wait_ms)
{
    uint64_t until_ns = load_clock_ns() + (uint64_t)wait_ms * NS_PER_MS;
    while (count_others(streams, available) > 0 && load_clock_ns() < until_ns) {
        turn(streams, load_clock_ns() + 20 * NS_PER_MS);
    }
    return count_others(streams, available);
}
