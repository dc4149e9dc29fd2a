/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keep-alive connections over epoll.
 *
 * A connection is closed -> connecting -> open -> closed ... Requests in flight form a ring per
 * connection, oldest first: HTTP/1.1 answers in order. `ready` is a ring of connections that may
 * have room; an entry can be stale (closed or full since) and is checked when it comes up, and
 * `queued` keeps a connection from standing in it twice.
 */
#include "load_client.h"

#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#include "load_random.h"

enum {
    EVENTS_PER_POLL = 512,
    PROBES = 4,              /* connections that try while none is open */
    CONNECTS_PER_SWEEP = 64, /* a listener's backlog is not endless */
    BACKOFF_MS_MIN = 4,
    BACKOFF_MS_MAX = 128,
    CONNECT_TIMEOUT_MS = 2000,
    RECONNECT_SWEEP_MS = 1,
    TIMEOUT_SWEEP_MS = 50,
};

#define NS_PER_MS UINT64_C(1000000)

enum connection_state {
    CONNECTION_CLOSED,
    CONNECTION_CONNECTING,
    CONNECTION_OPEN,
};

struct flight {
    uint64_t tag;
    uint64_t sent_ns;
};

struct connection {
    int fd;
    enum connection_state state;
    bool dirty;   /* has output and stands in the dirty list */
    bool queued;  /* stands in the ready ring */
    bool blocked; /* the socket took no more: wait for EPOLLOUT */
    uint32_t flight_head;
    uint32_t flight_count;
    uint32_t output_start;
    uint32_t output_end;
    uint32_t input_end;
    uint32_t backoff_ms;
    uint64_t due_ns; /* closed: connect then; connecting: give up then */
    struct load_response_parser parser;
    struct flight *flights;
    char *output;
    char *input;
};

struct load_client {
    struct load_client_config config;
    struct load_client_handler handler;
    int epoll_fd;
    uint32_t output_bytes;
    uint32_t open_count;
    uint32_t in_flight;
    uint32_t room; /* requests that open connections could take now */
    uint64_t disconnects;
    int connect_error;
    uint64_t reconnect_sweep_ns;
    uint64_t timeout_sweep_ns;
    struct load_random random;
    struct epoll_event events[EVENTS_PER_POLL];
    struct connection *connections;
    uint32_t *ready;
    uint32_t ready_head;
    uint32_t ready_count;
    uint32_t *dirty;
    uint32_t dirty_count;
    struct flight *flights;
    char *outputs;
    char *inputs;
};

uint64_t load_clock_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
}

static uint32_t index_of(const struct load_client *client, const struct connection *connection)
{
    return (uint32_t)(connection - client->connections);
}

static void ready_push(struct load_client *client, struct connection *connection)
{
    if (connection->queued) {
        return;
    }
    assert(client->ready_count < client->config.connections);
    uint32_t slot = (client->ready_head + client->ready_count) % client->config.connections;
    client->ready[slot] = index_of(client, connection);
    client->ready_count++;
    connection->queued = true;
}

static struct connection *ready_first(struct load_client *client)
{
    return &client->connections[client->ready[client->ready_head]];
}

static void ready_drop_first(struct load_client *client)
{
    ready_first(client)->queued = false;
    client->ready_head = (client->ready_head + 1) % client->config.connections;
    client->ready_count--;
}

/* ---- opening and closing ---- */

static void connection_back_off(struct load_client *client, struct connection *connection,
                                uint64_t now_ns)
{
    uint32_t jitter_ms = load_random_below(&client->random, connection->backoff_ms + 1);
    connection->due_ns = now_ns + (connection->backoff_ms / 2 + jitter_ms) * NS_PER_MS;
    connection->backoff_ms *= 2;
    if (connection->backoff_ms > BACKOFF_MS_MAX) {
        connection->backoff_ms = BACKOFF_MS_MAX;
    }
}

/* Ends the connection and gives what is in flight on it back as lost. */
static void connection_close(struct load_client *client, struct connection *connection,
                             uint64_t now_ns)
{
    if (connection->state == CONNECTION_OPEN) {
        client->open_count--;
        client->room -= client->config.pipeline - connection->flight_count;
    }
    close(connection->fd);
    connection->fd = -1;
    connection->state = CONNECTION_CLOSED;
    connection->output_start = 0;
    connection->output_end = 0;
    connection->input_end = 0;
    connection->blocked = false;
    connection->parser = (struct load_response_parser){0};
    connection_back_off(client, connection, now_ns);
    while (connection->flight_count > 0) {
        uint64_t tag = connection->flights[connection->flight_head].tag;
        connection->flight_head = (connection->flight_head + 1) % client->config.pipeline;
        connection->flight_count--;
        client->in_flight--;
        client->handler.lost(client->handler.context, tag, now_ns);
    }
}

/* An open connection ended otherwise than by a "Connection: close" that was announced. */
static void connection_drop(struct load_client *client, struct connection *connection,
                            uint64_t now_ns)
{
    client->disconnects++;
    connection_close(client, connection, now_ns);
}

static void connection_fail(struct load_client *client, struct connection *connection, int error,
                            uint64_t now_ns)
{
    client->connect_error = error;
    connection_close(client, connection, now_ns);
}

static void connection_start(struct load_client *client, struct connection *connection,
                             uint64_t now_ns)
{
    const struct load_address *address = &client->config.address;
    connection->fd =
        socket(address->storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (connection->fd < 0) {
        client->connect_error = errno;
        connection_back_off(client, connection, now_ns);
        return;
    }
    int one = 1;
    setsockopt(connection->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    connection->state = CONNECTION_CONNECTING;
    connection->due_ns = now_ns + CONNECT_TIMEOUT_MS * NS_PER_MS;
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET,
                                .data = {.u32 = index_of(client, connection)}};
    int result =
        connect(connection->fd, (const struct sockaddr *)&address->storage, address->length);
    bool failed = result < 0 && errno != EINPROGRESS;
    failed = failed || epoll_ctl(client->epoll_fd, EPOLL_CTL_ADD, connection->fd, &event) < 0;
    if (failed) {
        connection_fail(client, connection, errno, now_ns);
    }
}

/*
 * On one machine, connecting to a port of the ephemeral range where no one listens can meet itself
 * (a simultaneous open) and then keep the server from coming back to its port.
 */
static bool connection_is_to_itself(const struct connection *connection)
{
    struct sockaddr_storage own = {0};
    struct sockaddr_storage peer = {0};
    socklen_t own_length = sizeof own;
    socklen_t peer_length = sizeof peer;
    if (getsockname(connection->fd, (struct sockaddr *)&own, &own_length) < 0 ||
        getpeername(connection->fd, (struct sockaddr *)&peer, &peer_length) < 0) {
        return false;
    }
    if (own_length != peer_length || memcmp(&own, &peer, own_length) != 0) {
        return false;
    }
    struct linger reset = {.l_onoff = 1, .l_linger = 0};
    setsockopt(connection->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    return true;
}

static void connection_established(struct load_client *client, struct connection *connection)
{
    connection->state = CONNECTION_OPEN;
    connection->backoff_ms = BACKOFF_MS_MIN;
    client->open_count++;
    client->room += client->config.pipeline;
    ready_push(client, connection);
    if (client->open_count == 1) {
        /* The target is back: let no one wait out a back-off that it earned while it was away. */
        for (uint32_t i = 0; i < client->config.connections; i++) {
            if (client->connections[i].state == CONNECTION_CLOSED) {
                client->connections[i].due_ns = 0;
            }
        }
        client->reconnect_sweep_ns = 0;
    }
}

/* ---- output ---- */

static void connection_flush(struct connection *connection)
{
    while (connection->output_start < connection->output_end) {
        ssize_t sent = send(connection->fd, connection->output + connection->output_start,
                            connection->output_end - connection->output_start, MSG_NOSIGNAL);
        if (sent >= 0) {
            connection->output_start += (uint32_t)sent;
        } else if (errno != EINTR) {
            /* Full, until EPOLLOUT; or ended. Answers that came before the end may still stand in
             * the socket: the read that its event causes takes them, and finds the end. */
            connection->blocked = true;
            return;
        }
    }
    connection->output_start = 0;
    connection->output_end = 0;
}

static void dirty_flush(struct load_client *client)
{
    for (uint32_t i = 0; i < client->dirty_count; i++) {
        struct connection *connection = &client->connections[client->dirty[i]];
        connection->dirty = false;
        if (connection->state == CONNECTION_OPEN && !connection->blocked) {
            connection_flush(connection);
        }
    }
    client->dirty_count = 0;
}

bool load_client_submit(struct load_client *client, uint64_t tag, uint64_t now_ns)
{
    while (client->ready_count > 0) {
        struct connection *connection = ready_first(client);
        uint32_t pipeline = client->config.pipeline;
        if (connection->state != CONNECTION_OPEN || connection->flight_count == pipeline) {
            ready_drop_first(client);
            continue;
        }
        if (connection->output_end + LOAD_CLIENT_REQUEST_BYTES_MAX > client->output_bytes) {
            uint32_t unsent = connection->output_end - connection->output_start;
            memmove(connection->output, connection->output + connection->output_start, unsent);
            connection->output_start = 0;
            connection->output_end = unsent;
        }
        assert(connection->output_end + LOAD_CLIENT_REQUEST_BYTES_MAX <= client->output_bytes);
        size_t length = client->handler.render(client->handler.context, tag,
                                               connection->output + connection->output_end);
        assert(length <= LOAD_CLIENT_REQUEST_BYTES_MAX);
        connection->output_end += (uint32_t)length;
        uint32_t slot = (connection->flight_head + connection->flight_count) % pipeline;
        connection->flights[slot] = (struct flight){.tag = tag, .sent_ns = now_ns};
        connection->flight_count++;
        client->in_flight++;
        client->room--;
        if (!connection->dirty) {
            connection->dirty = true;
            client->dirty[client->dirty_count++] = index_of(client, connection);
        }
        bool full = connection->flight_count == pipeline;
        if (full || !client->config.fill) {
            ready_drop_first(client);
        }
        if (!full && !client->config.fill) {
            ready_push(client, connection);
        }
        return true;
    }
    return false;
}

/* ---- input ---- */

enum input_result {
    INPUT_GOES_ON,
    INPUT_CLOSED, /* the connection has been closed here */
};

/* Hands out each answer that is complete. */
static enum input_result connection_parse(struct load_client *client, struct connection *connection,
                                          uint64_t now_ns)
{
    uint32_t start = 0;
    struct load_response response;
    while (start < connection->input_end) {
        enum load_response_result result =
            load_response_parse(&connection->parser, connection->input + start,
                                connection->input_end - start, &response);
        if (result == LOAD_RESPONSE_PARTIAL) {
            break;
        }
        if (result == LOAD_RESPONSE_BROKEN || connection->flight_count == 0) {
            connection_drop(client, connection, now_ns);
            return INPUT_CLOSED;
        }
        struct flight flight = connection->flights[connection->flight_head];
        connection->flight_head = (connection->flight_head + 1) % client->config.pipeline;
        connection->flight_count--;
        client->in_flight--;
        client->room++;
        ready_push(client, connection);
        client->handler.answered(client->handler.context, flight.tag, &response, flight.sent_ns,
                                 now_ns);
        if (response.close) {
            connection_close(client, connection, now_ns);
            return INPUT_CLOSED;
        }
        start += (uint32_t)response.consumed;
    }
    if (start > 0) {
        connection->input_end -= start;
        memmove(connection->input, connection->input + start, connection->input_end);
    }
    if (connection->input_end == LOAD_CLIENT_INPUT_BYTES) {
        connection_drop(client, connection, now_ns);
        return INPUT_CLOSED;
    }
    return INPUT_GOES_ON;
}

/* Reads what has arrived; with `to_end` until the socket has no more, as its end is in sight. */
static void connection_read(struct load_client *client, struct connection *connection, bool to_end)
{
    for (;;) {
        size_t room = LOAD_CLIENT_INPUT_BYTES - connection->input_end;
        ssize_t received = recv(connection->fd, connection->input + connection->input_end, room, 0);
        if (received < 0 && errno == EINTR) {
            continue;
        }
        if (received < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
            return;
        }
        uint64_t now_ns = load_clock_ns();
        if (received <= 0) {
            connection_drop(client, connection, now_ns);
            return;
        }
        connection->input_end += (uint32_t)received;
        if (connection_parse(client, connection, now_ns) == INPUT_CLOSED) {
            return;
        }
        if ((size_t)received < room && !to_end) {
            return;
        }
    }
}

/* ---- the loop ---- */

static void connection_handle(struct load_client *client, struct connection *connection,
                              uint32_t events)
{
    if (connection->state == CONNECTION_CLOSED) {
        return; /* an event of a descriptor that this same turn has closed */
    }
    if (connection->state == CONNECTION_CONNECTING) {
        int error = 0;
        socklen_t length = sizeof error;
        getsockopt(connection->fd, SOL_SOCKET, SO_ERROR, &error, &length);
        if (error != 0 || (events & (EPOLLERR | EPOLLHUP)) != 0) {
            connection_fail(client, connection, error != 0 ? error : ECONNREFUSED, load_clock_ns());
            return;
        }
        if ((events & EPOLLOUT) == 0) {
            return;
        }
        if (connection_is_to_itself(connection)) {
            connection_fail(client, connection, ECONNREFUSED, load_clock_ns());
            return;
        }
        connection_established(client, connection);
    }
    if ((events & EPOLLOUT) != 0 && connection->blocked) {
        connection->blocked = false;
        connection_flush(connection);
    }
    bool to_end = (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0;
    if (to_end || (events & EPOLLIN) != 0) {
        connection_read(client, connection, to_end);
    }
}

static void reconnect_sweep(struct load_client *client, uint64_t now_ns)
{
    client->reconnect_sweep_ns = now_ns + RECONNECT_SWEEP_MS * NS_PER_MS;
    uint32_t trying = client->config.connections;
    if (client->open_count == 0 && trying > PROBES) {
        trying = PROBES;
    }
    uint32_t started = 0;
    for (uint32_t i = 0; i < trying && started < CONNECTS_PER_SWEEP; i++) {
        struct connection *connection = &client->connections[i];
        if (connection->state == CONNECTION_CLOSED && now_ns >= connection->due_ns) {
            connection_start(client, connection, now_ns);
            started++;
        }
    }
}

static void timeout_sweep(struct load_client *client, uint64_t now_ns)
{
    client->timeout_sweep_ns = now_ns + TIMEOUT_SWEEP_MS * NS_PER_MS;
    for (uint32_t i = 0; i < client->config.connections; i++) {
        struct connection *connection = &client->connections[i];
        if (connection->state == CONNECTION_CONNECTING && now_ns >= connection->due_ns) {
            connection_fail(client, connection, ETIMEDOUT, now_ns);
        } else if (connection->state == CONNECTION_OPEN && connection->flight_count > 0 &&
                   now_ns >= connection->flights[connection->flight_head].sent_ns +
                                 client->config.timeout_ns) {
            connection_drop(client, connection, now_ns);
        }
    }
}

static int events_wait(struct load_client *client, uint64_t wait_ns)
{
    struct timespec wait = {.tv_sec = (time_t)(wait_ns / UINT64_C(1000000000)),
                            .tv_nsec = (long)(wait_ns % UINT64_C(1000000000))};
    int count = epoll_pwait2(client->epoll_fd, client->events, EVENTS_PER_POLL, &wait, NULL);
    if (count < 0 && errno == ENOSYS) { /* Linux before 5.11 waits in whole milliseconds */
        int wait_ms = (int)(wait_ns / NS_PER_MS);
        count = epoll_wait(client->epoll_fd, client->events, EVENTS_PER_POLL, wait_ms);
    }
    return count;
}

void load_client_poll(struct load_client *client, uint64_t now_ns, uint64_t until_ns)
{
    dirty_flush(client);
    bool all_open = client->open_count == client->config.connections;
    if (!all_open && now_ns >= client->reconnect_sweep_ns) {
        reconnect_sweep(client, now_ns);
    }
    if (now_ns >= client->timeout_sweep_ns) {
        timeout_sweep(client, now_ns);
    }
    uint64_t wake_ns = all_open ? client->timeout_sweep_ns : client->reconnect_sweep_ns;
    wake_ns = until_ns < wake_ns ? until_ns : wake_ns;
    int count = events_wait(client, wake_ns > now_ns ? wake_ns - now_ns : 0);
    for (int i = 0; i < count; i++) {
        connection_handle(client, &client->connections[client->events[i].data.u32],
                          client->events[i].events);
    }
}

/* ---- life ---- */

static bool buffers_allocate(struct load_client *client)
{
    const struct load_client_config *config = &client->config;
    size_t connections = config->connections;
    client->output_bytes = config->pipeline * LOAD_CLIENT_REQUEST_BYTES_MAX;
    client->connections = calloc(connections, sizeof *client->connections);
    client->ready = calloc(connections, sizeof *client->ready);
    client->dirty = calloc(connections, sizeof *client->dirty);
    client->flights = calloc(connections * config->pipeline, sizeof *client->flights);
    client->outputs = calloc(connections, client->output_bytes);
    client->inputs = calloc(connections, LOAD_CLIENT_INPUT_BYTES);
    return client->connections != NULL && client->ready != NULL && client->dirty != NULL &&
           client->flights != NULL && client->outputs != NULL && client->inputs != NULL;
}

struct load_client *load_client_create(const struct load_client_config *config,
                                       const struct load_client_handler *handler)
{
    assert(config->connections > 0 && config->connections <= LOAD_CLIENT_CONNECTIONS_MAX);
    assert(config->pipeline > 0 && config->pipeline <= LOAD_CLIENT_PIPELINE_MAX);
    struct load_client *client = calloc(1, sizeof *client);
    if (client == NULL) {
        return NULL;
    }
    client->config = *config;
    client->handler = *handler;
    client->random = load_random_seeded(config->seed);
    client->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (client->epoll_fd < 0 || !buffers_allocate(client)) {
        load_client_destroy(client);
        return NULL;
    }
    for (uint32_t i = 0; i < config->connections; i++) {
        struct connection *connection = &client->connections[i];
        connection->fd = -1;
        connection->backoff_ms = BACKOFF_MS_MIN;
        connection->flights = client->flights + (size_t)i * config->pipeline;
        connection->output = client->outputs + (size_t)i * client->output_bytes;
        connection->input = client->inputs + (size_t)i * LOAD_CLIENT_INPUT_BYTES;
    }
    reconnect_sweep(client, load_clock_ns());
    return client;
}

void load_client_destroy(struct load_client *client)
{
    if (client == NULL) {
        return;
    }
    for (uint32_t i = 0; client->connections != NULL && i < client->config.connections; i++) {
        if (client->connections[i].fd >= 0) {
            close(client->connections[i].fd);
        }
    }
    if (client->epoll_fd >= 0) {
        close(client->epoll_fd);
    }
    free(client->connections);
    free(client->ready);
    free(client->dirty);
    free(client->flights);
    free(client->outputs);
    free(client->inputs);
    free(client);
}

bool load_client_has_room(const struct load_client *client)
{
    return client->room > 0;
}

uint32_t load_client_open_count(const struct load_client *client)
{
    return client->open_count;
}

uint32_t load_client_in_flight(const struct load_client *client)
{
    return client->in_flight;
}

uint64_t load_client_disconnects(const struct load_client *client)
{
    return client->disconnects;
}

int load_client_connect_error(const struct load_client *client)
{
    return client->connect_error;
}
