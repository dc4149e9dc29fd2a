/* SPDX-License-Identifier: Apache-2.0 */
/* The generator of bench/http for handshakes: connects, agrees upon TLS without an earlier session,
 * asks for one thing with `Connection: close`, reads to the end, and begins again; so many at once.
 * One thread, one epoll, one line of JSON at the end.
 *
 *   tls_handshakes --port N --path PATH [OPTION N]...
 *
 * Members of the line: `answers_per_s` (connections that had their answer), `answers`, `seconds`,
 * `answers_all`, with those of the warm-up; `unexpected` ones, whose status was not 200, and the
 * last of those; `bytes_mean` of an answer; `p50_us`, `p99_us` from the connect to the end; `busy`,
 * the share of the time that this process ran. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench.h"
#include "tls_client.h"

enum {
    CONNECTIONS_MAX = 1024,
    REQUEST_BYTES_MAX = 512,
    EVENTS = 256,
    WAIT_MS = 100,
    SILENCE_MS_MAX = 10000,
};

struct options {
    uint16_t port;
    const char *path;
    uint32_t connections;
    double seconds;
    double warm_up_s;
};

struct connection {
    int fd;
    struct ssl_st *ssl;
    bool asked;
    size_t length; /* bytes of its answer so far */
    int status;
    uint64_t started_ns;
};

struct client {
    struct options options;
    struct ssl_ctx_st *tls;
    int epoll;
    struct connection connections[CONNECTIONS_MAX];
    char request[REQUEST_BYTES_MAX];
    size_t request_length;
    uint64_t answers_before;
    uint64_t answers;
    uint64_t unexpected;
    int last_unexpected;
    uint64_t bytes;
    struct bench_samples samples;
};

static void connection_begin(struct client *client, struct connection *connection)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons(client->options.port),
                                  .sin_addr = {htonl(INADDR_LOOPBACK)}};
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLET, .data.ptr = connection};

    *connection = (struct connection){.started_ns = bench_now_ns()};
    connection->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (connection->fd < 0)
        bench_fail("no descriptor for a connection: %s", strerror(errno));
    setsockopt(connection->fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    if (connect(connection->fd, (struct sockaddr *)&address, sizeof(address)) != 0 &&
        errno != EINPROGRESS)
        bench_fail("no connection to port %u: %s", client->options.port, strerror(errno));
    connection->ssl = tls_client_open(client->tls, connection->fd);
    if (epoll_ctl(client->epoll, EPOLL_CTL_ADD, connection->fd, &event) != 0)
        bench_fail("epoll: %s", strerror(errno));
}

static void connection_end(struct connection *connection)
{
    tls_client_close(connection->ssl);
    close(connection->fd);
}

/* The answer has come whole: counts it, and begins again. */
static void connection_renew(struct client *client, struct connection *connection)
{
    if (connection->length == 0)
        bench_fail("the server ended a connection without an answer");
    client->answers++;
    client->bytes += connection->length;
    if (connection->status != 200) {
        client->unexpected++;
        client->last_unexpected = connection->status;
    }
    bench_samples_add(&client->samples, bench_now_ns() - connection->started_ns);
    connection_end(connection);
    connection_begin(client, connection);
}

static void connection_go_on(struct client *client, struct connection *connection)
{
    char bytes[16 * 1024];
    ssize_t got;

    if (!connection->asked) {
        if (!tls_client_shake(connection->ssl))
            return;
        if (tls_client_send(connection->ssl, client->request, client->request_length) !=
            (ssize_t)client->request_length)
            bench_fail("the kernel does not take a request");
        connection->asked = true;
    }
    while ((got = tls_client_receive(connection->ssl, bytes, sizeof(bytes))) > 0) {
        if (connection->length == 0 && (got < 12 || memcmp(bytes, "HTTP/1.1 ", 9) != 0))
            bench_fail("this is no answer");
        if (connection->length == 0)
            connection->status = atoi(bytes + 9);
        connection->length += (size_t)got;
    }
    if (got == 0)
        connection_renew(client, connection);
}

static void run_until(struct client *client, uint64_t end_ns)
{
    struct epoll_event events[EVENTS];
    uint64_t heard_ns = bench_now_ns();

    for (uint64_t now_ns = heard_ns; now_ns < end_ns; now_ns = bench_now_ns()) {
        int count = epoll_wait(client->epoll, events, EVENTS, WAIT_MS);

        if (count > 0)
            heard_ns = now_ns;
        else if (now_ns - heard_ns > SILENCE_MS_MAX * 1000000ull)
            bench_fail("nothing came for %d s", SILENCE_MS_MAX / 1000);
        for (int i = 0; i < count; i++)
            connection_go_on(client, events[i].data.ptr);
    }
}

static double processor_seconds(void)
{
    struct rusage usage;

    getrusage(RUSAGE_SELF, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static void run(struct client *client)
{
    const struct options *options = &client->options;
    uint64_t started_ns;
    double seconds;
    double busy_s;

    for (uint32_t i = 0; i < options->connections; i++)
        connection_begin(client, &client->connections[i]);
    run_until(client, bench_now_ns() + (uint64_t)(options->warm_up_s * 1e9));
    client->answers_before = client->answers;
    client->answers = client->bytes = client->unexpected = 0;
    client->samples.count = 0;
    busy_s = processor_seconds();
    started_ns = bench_now_ns();
    run_until(client, started_ns + (uint64_t)(options->seconds * 1e9));
    seconds = (double)(bench_now_ns() - started_ns) / 1e9;
    busy_s = processor_seconds() - busy_s;
    if (client->answers == 0)
        bench_fail("no answer came");
    bench_samples_sort(&client->samples);
    printf("{\"answers_all\":%llu,\"answers_per_s\":%.0f,\"answers\":%llu,\"seconds\":%.2f,"
           "\"unexpected\":%llu,\"unexpected_status\":%d,\"bytes_mean\":%.2f,"
           "\"p50_us\":%.1f,\"p99_us\":%.1f,\"busy\":%.2f}\n",
           (unsigned long long)(client->answers_before + client->answers),
           (double)client->answers / seconds, (unsigned long long)client->answers, seconds,
           (unsigned long long)client->unexpected, client->last_unexpected,
           (double)client->bytes / (double)client->answers,
           (double)bench_percentile(&client->samples, 50) / 1e3,
           (double)bench_percentile(&client->samples, 99) / 1e3, busy_s / seconds);
}

static _Noreturn void usage(void)
{
    fputs("usage: tls_handshakes --port N --path PATH [OPTION N]...\n"
          "  --connections N  under way at once (32)\n"
          "  --seconds N      measured (5)\n"
          "  --warm-up N      seconds before (1)\n",
          stderr);
    exit(2);
}

static void options_read(int argc, char **argv, struct options *options_out)
{
    *options_out = (struct options){.connections = 32, .seconds = 5, .warm_up_s = 1};
    if (argc % 2 == 0)
        usage();
    for (int i = 1; i < argc; i += 2) {
        double value = strtod(argv[i + 1], NULL);

        if (strcmp(argv[i], "--path") == 0)
            options_out->path = argv[i + 1];
        else if (strcmp(argv[i], "--port") == 0)
            options_out->port = (uint16_t)value;
        else if (strcmp(argv[i], "--connections") == 0)
            options_out->connections = (uint32_t)value;
        else if (strcmp(argv[i], "--seconds") == 0)
            options_out->seconds = value;
        else if (strcmp(argv[i], "--warm-up") == 0)
            options_out->warm_up_s = value;
        else
            usage();
    }
    if (options_out->port == 0 || options_out->path == NULL || options_out->connections < 1 ||
        options_out->connections > CONNECTIONS_MAX || !(options_out->seconds > 0) ||
        !(options_out->warm_up_s >= 0))
        usage();
}

int main(int argc, char **argv)
{
    static struct client client;

    options_read(argc, argv, &client.options);
    client.request_length = (size_t)snprintf(
        client.request, sizeof(client.request),
        "GET %s HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n", client.options.path);
    if (client.request_length >= sizeof(client.request))
        usage();
    bench_samples_init(&client.samples);
    client.tls = tls_client_context();
    client.epoll = epoll_create1(EPOLL_CLOEXEC);
    if (client.epoll < 0)
        bench_fail("epoll: %s", strerror(errno));
    run(&client);
    for (uint32_t i = 0; i < client.options.connections; i++)
        connection_end(&client.connections[i]);
    bench_samples_free(&client.samples);
    return 0;
}
