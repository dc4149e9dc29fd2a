/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The door: the port's probe, the shard's listener, accepting, and refusing those there is no room
 * for.
 *
 * The probe (Linux). It binds with SO_REUSEADDR, because after a kill the port is full of
 * TIME_WAIT, and listens for a moment: that fails when anyone listens on the port, with whatever
 * options, and nobody else's bind succeeds meanwhile. It then takes SO_REUSEADDR back, so that it
 * excludes strangers also when it no longer listens, stops listening, and sets SO_REUSEPORT, which
 * lets in only sockets of the same user that had it set before their bind: this process's
 * listeners, since every other server probes first. A port that the kernel chose (0) has no past:
 * there a bind without SO_REUSEADDR excludes strangers by itself (and would be lost by listening
 * and stopping).
 */
#include "http/http_internal.h"
#include "http/http_proxies.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* ---- Addresses ---- */

static int address_parse(const char *host, uint16_t port, struct sockaddr_storage *address_out)
{
    char literal[INET6_ADDRSTRLEN + 16];
    if (strcmp(host, "localhost") == 0)
        host = "127.0.0.1";
    size_t length = strlen(host);
    if (length >= 2 && host[0] == '[' && host[length - 1] == ']') {
        host++;
        length -= 2;
    }
    if (length == 0 || length >= sizeof literal)
        return UV_EINVAL;
    memcpy(literal, host, length);
    literal[length] = '\0';
    memset(address_out, 0, sizeof *address_out);
    if (uv_ip4_addr(literal, port, (struct sockaddr_in *)address_out) == 0)
        return 0;
    return uv_ip6_addr(literal, port, (struct sockaddr_in6 *)address_out) == 0 ? 0 : UV_EINVAL;
}

static socklen_t address_length(const struct sockaddr_storage *address)
{
    return address->ss_family == AF_INET6 ? sizeof(struct sockaddr_in6)
                                          : sizeof(struct sockaddr_in);
}

static uint16_t address_port(const struct sockaddr_storage *address)
{
    return ntohs(address->ss_family == AF_INET6 ? ((const struct sockaddr_in6 *)address)->sin6_port
                                                : ((const struct sockaddr_in *)address)->sin_port);
}

static struct http_peer address_peer(const struct sockaddr_storage *address)
{
    struct http_peer peer = {.port = address_port(address)};
    if (address->ss_family == AF_INET6) {
        memcpy(peer.address, &((const struct sockaddr_in6 *)address)->sin6_addr, 16);
    } else {
        peer.address[10] = peer.address[11] = 0xff;
        memcpy(peer.address + 12, &((const struct sockaddr_in *)address)->sin_addr, 4);
    }
    return peer;
}

static int set_option(int fd, int level, int option, int value)
{
    return setsockopt(fd, level, option, &value, sizeof value) == 0 ? 0 : -errno;
}

/* A bound stream socket, or a negative error. */
static int socket_bound(const struct sockaddr_storage *address, bool reuse_address, bool reuse_port)
{
    int fd = socket(address->ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -errno;
    int error = 0;
    if (reuse_address)
        error = set_option(fd, SOL_SOCKET, SO_REUSEADDR, 1);
    if (error == 0 && reuse_port)
        error = set_option(fd, SOL_SOCKET, SO_REUSEPORT, 1);
    if (error == 0 && address->ss_family == AF_INET6)
        error = set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY, 0);
    if (error == 0 && bind(fd, (const struct sockaddr *)address, address_length(address)) != 0)
        error = -errno;
    if (error == 0)
        return fd;
    (void)close(fd);
    return error;
}

/* ---- The probe ---- */

/* Listens and stops again, so that a bound socket of the same kind elsewhere is found out. */
static int probe_claim(int fd)
{
    if (listen(fd, 1) != 0)
        return -errno;
    int error = set_option(fd, SOL_SOCKET, SO_REUSEADDR, 0);
    if (error == 0 && shutdown(fd, SHUT_RD) != 0)
        error = -errno;
    return error;
}

int http_probe_bind(const char *host, uint16_t port, struct http_probe *probe_out)
{
    struct sockaddr_storage address = {0};
    int error = address_parse(host, port, &address);
    if (error != 0)
        return error;
    int fd = socket_bound(&address, port != 0, false);
    if (fd < 0)
        return fd;
    if (port != 0)
        error = probe_claim(fd);
    struct sockaddr_storage actual = {0};
    socklen_t length = sizeof actual;
    if (error == 0 && getsockname(fd, (struct sockaddr *)&actual, &length) != 0)
        error = -errno;
    if (error == 0)
        error = set_option(fd, SOL_SOCKET, SO_REUSEPORT, 1);
    if (error != 0) {
        (void)close(fd);
        return error;
    }
    *probe_out = (struct http_probe){.fd = fd, .port = address_port(&actual)};
    return 0;
}

void http_probe_release(struct http_probe *probe)
{
    if (probe->fd >= 0)
        (void)close(probe->fd);
    probe->fd = -1;
}

/* ---- Refusing at the door ---- */

/*
 * Answers 503 without having read a request, as far as the socket takes it at once, and closes. The
 * answer is rendered into a buffer of the door's own; one that did not fit would not be sent.
 */
static void door_refuse(struct http_server *server, int fd, const struct http_peer *peer)
{
    struct http_connection *door = server->door;
    char discarded[1024];
    http_count(&server->counters.connections_refused, 1);
    if (server->options.tls != NULL) {
        /* Plain text would be no answer, and a handshake is what there is no room for. */
        (void)close(fd);
        return;
    }
    door->state = HTTP_CONNECTION_DOOR;
    door->peer = *peer;
    door->final = true;
    door->linger = door->doomed = false;
    http_parser_reset(door);
    server->arrived_ns = uv_hrtime();
    struct http_exchange *exchange = http_exchange_open(door, true);
    exchange->keep_alive = false;
    http_exchange_refuse(exchange, HTTP_REFUSAL_OVERLOADED, NULL);
    assert(door->first == NULL && door->out.use == HTTP_BUFFER_FIXED);
    /* What the client has sent must be read, or closing resets the connection under the answer. */
    (void)recv(fd, discarded, sizeof discarded, MSG_DONTWAIT);
    if (door->out.length > 0)
        (void)send(fd, door->out.data, door->out.length, MSG_DONTWAIT | MSG_NOSIGNAL);
    http_buffer_release(&server->buffers, &door->out);
    (void)shutdown(fd, SHUT_WR);
    (void)recv(fd, discarded, sizeof discarded, MSG_DONTWAIT);
    (void)close(fd);
}

static struct http_connection *connection_take(struct http_server *server)
{
    struct http_connection *connection = server->connections_free;
    if (connection != NULL) {
        server->connections_free = connection->free_next;
        return connection;
    }
    if (server->slots_used == server->options.connections_max)
        return NULL;
    connection = &server->connections[server->slots_used];
    connection->slot = server->slots_used++;
    connection->server = server;
    return connection;
}

static void connection_give(struct http_server *server, struct http_connection *connection)
{
    connection->free_next = server->connections_free;
    server->connections_free = connection;
}

static bool is_trusted_proxy(const struct http_server *server, const struct http_peer *peer)
{
    const struct http_proxies *proxies = server->options.trusted_proxies;
    return proxies != NULL && http_proxies_contain(proxies, peer);
}

static void admit(struct http_server *server, int fd, const struct sockaddr_storage *address)
{
    struct http_peer peer = address_peer(address);
    unsigned per_ip_max = server->options.connections_per_ip_max;
    if (server->options.proxy_protocol) {
        if (!is_trusted_proxy(server, &peer)) {
            http_count(&server->counters.proxy_refusals, 1);
            http_count(&server->counters.connections_refused, 1);
            (void)close(fd);
            return;
        }
        per_ip_max = 0; /* it is the client that is counted, when it is known */
    }
    struct http_connection *connection = connection_take(server);
    if (connection == NULL) {
        door_refuse(server, fd, &peer);
        return;
    }
    if (per_ip_max > 0 && !http_peers_add(&server->peers, &peer, per_ip_max)) {
        connection_give(server, connection);
        door_refuse(server, fd, &peer);
        return;
    }
    connection->counted = per_ip_max > 0;
    http_connection_open(connection, fd, &peer);
}

/* ---- Accepting ---- */

/*
 * No descriptor is left: gives the spare one for a connection, to close it. Without that the
 * listener would stay readable, and the loop would spin. False: not even that.
 */
static bool shed_with_spare(struct http_server *server)
{
    if (server->spare_fd < 0)
        return false;
    (void)close(server->spare_fd);
    int fd = accept4(server->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd >= 0) {
        http_count(&server->counters.connections_refused, 1);
        (void)close(fd);
    }
    server->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    return fd >= 0;
}

static void accept_pause(struct http_server *server)
{
    server->accept_paused = true;
    (void)uv_poll_stop(&server->listener);
}

/* At most `count` connections. False: there are no more for now. */
static bool accept_some(struct http_server *server, int count)
{
    for (int i = 0; i < count; i++) {
        struct sockaddr_storage address = {0};
        socklen_t length = sizeof address;
        int fd = accept4(server->listen_fd, (struct sockaddr *)&address, &length,
                         SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd >= 0) {
            admit(server, fd, &address);
            continue;
        }
        int error = errno;
        if (error == EAGAIN || error == EWOULDBLOCK)
            return false;
        if (error == EMFILE || error == ENFILE) {
            if (shed_with_spare(server))
                continue;
            accept_pause(server);
            return false;
        }
        if (error == ENOMEM || error == ENOBUFS) {
            accept_pause(server);
            return false;
        }
        /* What is left is an error of that one connection (accept(2)): the next one, please. */
    }
    return true;
}

static void on_acceptable(uv_poll_t *poll, int status, int events)
{
    (void)events;
    struct http_server *server = poll->data;
    bool has_tls = server->options.tls != NULL;
    if (status == 0)
        (void)accept_some(server, has_tls ? HTTP_TLS_ACCEPTS_PER_TURN : HTTP_ACCEPTS_PER_TURN);
    else
        accept_pause(server);
}

void http_listen_retry(struct http_server *server)
{
    if (!server->accept_paused || !server->listening)
        return;
    server->accept_paused = false;
    if (server->spare_fd < 0)
        server->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    (void)uv_poll_start(&server->listener, UV_READABLE, on_acceptable);
}

static void on_listener_closed(uv_handle_t *handle)
{
    http_server_handle_closed(handle->data);
}

int http_listen_start(struct http_server *server)
{
    struct sockaddr_storage address = {0};
    int error = address_parse(server->options.host, server->options.port, &address);
    if (error != 0)
        return error;
    int fd = socket_bound(&address, true, true);
    if (fd < 0)
        return fd;
    struct sockaddr_storage actual = {0};
    socklen_t length = sizeof actual;
    /* Accepted sockets inherit both: no system call for each. Without the second, one that is not
     * read takes megabytes of the kernel, and the loop writes them before it serves others. */
    error = set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
    if (error == 0)
        error = set_option(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, HTTP_UNSENT_MAX);
    if (error == 0 && listen(fd, server->options.backlog) != 0)
        error = -errno;
    if (error == 0 && getsockname(fd, (struct sockaddr *)&actual, &length) != 0)
        error = -errno;
    if (error == 0)
        error = uv_poll_init(server->loop, &server->listener, fd);
    if (error != 0) {
        (void)close(fd);
        return error;
    }
    server->options.port = address_port(&actual);
    server->listen_fd = fd;
    server->listener.data = server;
    server->handles_open++;
    server->listening = true;
    server->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    return uv_poll_start(&server->listener, UV_READABLE, on_acceptable);
}

void http_listen_stop(struct http_server *server)
{
    if (!server->listening)
        return;
    /* Closing resets those that are queued: they are let in first. The queue is bounded. */
    if (!server->closing)
        (void)accept_some(server, server->options.backlog);
    server->listening = false;
    (void)uv_poll_stop(&server->listener);
    uv_close((uv_handle_t *)&server->listener, on_listener_closed);
    (void)close(server->listen_fd);
    server->listen_fd = -1;
    if (server->spare_fd >= 0)
        (void)close(server->spare_fd);
    server->spare_fd = -1;
}
