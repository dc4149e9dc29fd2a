/* SPDX-License-Identifier: Apache-2.0 */
/* The generator of bench/http: sends one request, over and over, on many connections, as cheaply as
 * it can, so that on a core of its own it is not what is measured. One thread, one epoll, one line
 * of JSON at the end. It is no load tester: see loadtests/ for what buyers feel.
 *
 *   http_client --port N --request FILE [OPTION N]...
 *
 * FILE holds the whole request as it goes on the wire. A run of `#` in it is a number of so many
 * digits, another one in each request (an Idempotency-Key); nothing else ever changes.
 *
 * With `--tls 1` through TLS (tls_client.h); the handshakes are over before the time begins.
 *
 * Closed loop: each connection sends `--pipeline` requests in one piece, waits for as many answers,
 * and sends the next. An answer is read by what the standard says of its framing (RFC 9112 section
 * 6.3, as far as Content-Length goes; chunked answers are refused), and counted if it has the
 * status that is expected. A connection that breaks, or an answer that is none, ends the run.
 *
 * Members of the line: `answers_per_s`, `answers`, `seconds`; `answers_all`, with those of the
 * warm-up; `unexpected` answers and the status
 * of the last of them; `bytes_min`, `bytes_mean` and `bytes_max` of whole answers; `p50_us`,
 * `p99_us`, `max_us` from the send to the last answer of what was sent together, one in
 * SAMPLE_EVERY; `busy`, the share of the time that this process ran. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench.h"
#include "tls_client.h"

enum {
    CONNECTIONS_MAX = 16384,
    PIPELINE_MAX = 256,
    REQUEST_BYTES_MAX = 8192,
    ANSWER_BYTES_MAX = 16 * 1024, /* of one whole answer */
    READ_BYTES = 256 * 1024,      /* at once, in front of which an unfinished answer is put */
    EVENTS = 512,
    SAMPLE_EVERY = 64,
    WAIT_MS = 100,
    SILENCE_MS_MAX = 10000,
    STATUS_LINE_LEAST = 12, /* "HTTP/1.1 200" */
};

struct options {
    uint16_t port;
    const char *request_file;
    uint32_t connections;
    uint32_t pipeline;
    int status;
    bool tls;
    double seconds;
    double warm_up_s;
};

/* Edge-triggered, so each is read and written until the kernel has no more. */
struct connection {
    int fd;
    struct ssl_st *ssl; /* NULL: none */
    uint32_t wanted;    /* answers of what was sent that have not come */
    uint64_t timed_ns;  /* when that was sent; 0: not timed */
    size_t unsent;      /* bytes at the end of `batch` that the kernel did not take */
    char *batch;        /* only while `unsent` */
    size_t kept_length; /* of an answer that has come in part */
    char *kept;
};

struct client {
    struct options options;
    struct ssl_ctx_st *tls;
    int epoll;
    struct connection *connections;
    char *batch; /* `pipeline` requests */
    size_t request_length;
    size_t batch_length;
    size_t digits_offset; /* in a request */
    size_t digits_length; /* 0: none */
    char digits[REQUEST_BYTES_MAX];
    char *input; /* ANSWER_BYTES_MAX and READ_BYTES */
    uint64_t batches;
    uint64_t answers_before; /* in the warm-up */
    /* Of the measured time. */
    uint64_t answers;
    uint64_t unexpected;
    int last_unexpected;
    uint64_t bytes;
    size_t bytes_min;
    size_t bytes_max;
    struct bench_samples samples;
};

/* ---- requests ---- */

static void number_next(struct client *client)
{
    for (size_t i = client->digits_length; i-- > 0;) {
        if (client->digits[i] < '9') {
            client->digits[i]++;
            return;
        }
        client->digits[i] = '0';
    }
}

static void batch_renew(struct client *client)
{
    char *digits = client->batch + client->digits_offset;

    if (client->digits_length == 0)
        return;
    for (uint32_t i = 0; i < client->options.pipeline; i++, digits += client->request_length) {
        number_next(client);
        memcpy(digits, client->digits, client->digits_length);
    }
}

static void batch_make(struct client *client)
{
    char request[REQUEST_BYTES_MAX];
    FILE *file = fopen(client->options.request_file, "re");
    const char *digits;

    if (file == NULL)
        bench_fail("%s: %s", client->options.request_file, strerror(errno));
    client->request_length = fread(request, 1, sizeof(request), file);
    fclose(file);
    if (client->request_length == 0 || client->request_length == sizeof(request))
        bench_fail("a request has 1 to %d bytes", (int)sizeof(request) - 1);
    request[client->request_length] = 0;
    digits = strchr(request, '#');
    if (digits != NULL) {
        client->digits_offset = (size_t)(digits - request);
        client->digits_length = strspn(digits, "#");
        memset(client->digits, '0', client->digits_length);
    }
    client->batch_length = client->request_length * client->options.pipeline;
    client->batch = malloc(client->batch_length);
    if (client->batch == NULL)
        bench_fail("not enough memory for the requests");
    for (uint32_t i = 0; i < client->options.pipeline; i++)
        memcpy(client->batch + i * client->request_length, request, client->request_length);
}

/* ---- sending ---- */

/* Bytes that the kernel took. */
static size_t send_some(const struct connection *connection, const char *bytes, size_t length)
{
    ssize_t sent = connection->ssl != NULL
                       ? tls_client_send(connection->ssl, bytes, length)
                       : send(connection->fd, bytes, length, MSG_NOSIGNAL | MSG_DONTWAIT);

    if (sent < 0 && errno != EAGAIN)
        bench_fail("a connection broke: %s", strerror(errno));
    return sent > 0 ? (size_t)sent : 0;
}

static void send_batch(struct client *client, struct connection *connection)
{
    size_t sent;

    batch_renew(client);
    connection->wanted = client->options.pipeline;
    connection->timed_ns = client->batches++ % SAMPLE_EVERY == 0 ? bench_now_ns() : 0;
    sent = send_some(connection, client->batch, client->batch_length);
    if (sent == client->batch_length)
        return;
    connection->unsent = client->batch_length - sent;
    connection->batch = malloc(client->batch_length);
    if (connection->batch == NULL)
        bench_fail("not enough memory for what the kernel did not take");
    memcpy(connection->batch, client->batch, client->batch_length);
}

static void send_rest(const struct client *client, struct connection *connection)
{
    connection->unsent -=
        send_some(connection, connection->batch + client->batch_length - connection->unsent,
                  connection->unsent);
    if (connection->unsent > 0)
        return;
    free(connection->batch);
    connection->batch = NULL;
}

/* ---- answers ---- */

static bool line_is(const char *line, size_t length, const char *name, size_t name_length)
{
    return length > name_length && line[name_length] == ':' &&
           strncasecmp(line, name, name_length) == 0;
}

static size_t length_read(const char *at, const char *end)
{
    size_t length = 0;

    while (at < end && (*at == ' ' || *at == '\t'))
        at++;
    if (at == end || *at < '0' || *at > '9')
        bench_fail("an answer has a Content-Length that is no number");
    for (; at < end && *at >= '0' && *at <= '9' && length < ANSWER_BYTES_MAX; at++)
        length = length * 10 + (size_t)(*at - '0');
    return length;
}

/* Bytes of the whole answer that begins at `at`; 0 if they have not all come. */
static size_t answer_length(const char *at, const char *end, int *status_out)
{
    static const char content_length[] = "content-length";
    static const char transfer_encoding[] = "transfer-encoding";
    const char *line = at;
    size_t body = SIZE_MAX;

    if (end - at < STATUS_LINE_LEAST)
        return 0;
    if (memcmp(at, "HTTP/1.1 ", 9) != 0)
        bench_fail("this is no answer: %.20s", at);
    *status_out = (at[9] - '0') * 100 + (at[10] - '0') * 10 + (at[11] - '0');
    for (;;) {
        const char *newline = memchr(line, '\n', (size_t)(end - line));
        size_t length;

        if (newline == NULL)
            return 0;
        length = (size_t)(newline - line);
        if (length <= 1)
            line = newline + 1;
        if (length <= 1)
            break;
        if ((line[0] | 0x20) == 'c' && line_is(line, length, content_length, 14))
            body = length_read(line + 15, newline);
        if ((line[0] | 0x20) == 't' && line_is(line, length, transfer_encoding, 17))
            bench_fail("an answer has a Transfer-Encoding, which is not understood here");
        line = newline + 1;
    }
    if (*status_out == 204 || *status_out == 304)
        body = 0;
    if (body == SIZE_MAX)
        bench_fail("an answer does not say how long it is");
    return (size_t)(end - line) >= body ? (size_t)(line - at) + body : 0;
}

static void answer_count(struct client *client, int status, size_t length)
{
    client->answers++;
    client->bytes += length;
    if (length < client->bytes_min)
        client->bytes_min = length;
    if (length > client->bytes_max)
        client->bytes_max = length;
    if (status != client->options.status) {
        client->unexpected++;
        client->last_unexpected = status;
    }
}

/* Takes all whole answers of input[0 .. length); keeps what is left. */
static void take_answers(struct client *client, struct connection *connection, const char *at,
                         const char *end)
{
    while (at < end) {
        int status;
        size_t length = answer_length(at, end, &status);

        if (length == 0)
            break;
        if (connection->wanted == 0)
            bench_fail("an answer came to no request");
        connection->wanted--;
        answer_count(client, status, length);
        at += length;
    }
    connection->kept_length = (size_t)(end - at);
    if (connection->kept_length > ANSWER_BYTES_MAX)
        bench_fail("an answer is longer than %d bytes", ANSWER_BYTES_MAX);
    if (connection->kept_length > 0)
        memcpy(connection->kept, at, connection->kept_length);
}

static void receive(struct client *client, struct connection *connection)
{
    ssize_t got;

    do {
        /* What was kept goes right in front of what comes. */
        char *room = client->input + ANSWER_BYTES_MAX;
        char *begin = room - connection->kept_length;

        got = connection->ssl != NULL ? tls_client_receive(connection->ssl, room, READ_BYTES)
                                      : recv(connection->fd, room, READ_BYTES, MSG_DONTWAIT);
        if (got < 0 && errno == EAGAIN)
            return;
        if (got <= 0)
            bench_fail("the server ended a connection");
        if (connection->kept_length > 0)
            memcpy(begin, connection->kept, connection->kept_length);
        take_answers(client, connection, begin, room + got);
        /* TLS gives a record at a time; behind the last answer there is none. */
    } while (got == READ_BYTES || (connection->ssl != NULL && connection->wanted > 0));
    if (connection->wanted > 0)
        return;
    if (connection->kept_length > 0)
        bench_fail("bytes came to no request");
    if (connection->timed_ns != 0)
        bench_samples_add(&client->samples, bench_now_ns() - connection->timed_ns);
    send_batch(client, connection);
}

/* ---- the run ---- */

static void connection_open(struct client *client, struct connection *connection)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons(client->options.port),
                                  .sin_addr = {htonl(INADDR_LOOPBACK)}};
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLET, .data.ptr = connection};

    connection->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    connection->kept = malloc(ANSWER_BYTES_MAX);
    if (connection->fd < 0 || connection->kept == NULL)
        bench_fail("not enough descriptors or memory for %u connections",
                   client->options.connections);
    if (connect(connection->fd, (struct sockaddr *)&address, sizeof(address)) != 0)
        bench_fail("no connection to port %u: %s", client->options.port, strerror(errno));
    setsockopt(connection->fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    if (client->tls != NULL) {
        connection->ssl = tls_client_open(client->tls, connection->fd);
        while (!tls_client_shake(connection->ssl)) {
        }
        fcntl(connection->fd, F_SETFL, O_NONBLOCK);
    }
    if (epoll_ctl(client->epoll, EPOLL_CTL_ADD, connection->fd, &event) != 0)
        bench_fail("epoll: %s", strerror(errno));
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
        for (int i = 0; i < count; i++) {
            struct connection *connection = events[i].data.ptr;

            if (connection->unsent > 0 && (events[i].events & EPOLLOUT) != 0)
                send_rest(client, connection);
            if ((events[i].events & (EPOLLIN | EPOLLERR | EPOLLHUP)) != 0)
                receive(client, connection);
        }
    }
}

static double processor_seconds(void)
{
    struct rusage usage;

    getrusage(RUSAGE_SELF, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static void counts_reset(struct client *client)
{
    client->answers = client->unexpected = client->bytes = 0;
    client->bytes_min = SIZE_MAX;
    client->bytes_max = 0;
    client->samples.count = 0;
}

static double microseconds(const struct bench_samples *samples, unsigned percent)
{
    return samples->count > 0 ? (double)bench_percentile(samples, percent) / 1e3 : 0;
}

static void run(struct client *client)
{
    const struct options *options = &client->options;
    uint64_t started_ns;
    double seconds;
    double busy_s;

    for (uint32_t i = 0; i < options->connections; i++)
        connection_open(client, &client->connections[i]);
    for (uint32_t i = 0; i < options->connections; i++)
        send_batch(client, &client->connections[i]);
    run_until(client, bench_now_ns() + (uint64_t)(options->warm_up_s * 1e9));
    client->answers_before = client->answers;
    counts_reset(client);
    busy_s = processor_seconds();
    started_ns = bench_now_ns();
    run_until(client, started_ns + (uint64_t)(options->seconds * 1e9));
    seconds = (double)(bench_now_ns() - started_ns) / 1e9;
    busy_s = processor_seconds() - busy_s;
    if (client->answers == 0)
        bench_fail("no answer came");
    bench_samples_sort(&client->samples);
    printf("{\"answers_all\":%llu,",
           (unsigned long long)(client->answers_before + client->answers));
    printf("\"answers_per_s\":%.0f,\"answers\":%llu,\"seconds\":%.2f,\"unexpected\":%llu,"
           "\"unexpected_status\":%d,\"bytes_min\":%zu,\"bytes_mean\":%.2f,\"bytes_max\":%zu,\"p50_"
           "us\":%.1f,"
           "\"p99_us\":%.1f,\"max_us\":%.1f,\"samples\":%zu,\"busy\":%.2f}\n",
           (double)client->answers / seconds, (unsigned long long)client->answers, seconds,
           (unsigned long long)client->unexpected, client->last_unexpected, client->bytes_min,
           (double)client->bytes / (double)client->answers, client->bytes_max,
           microseconds(&client->samples, 50), microseconds(&client->samples, 99),
           microseconds(&client->samples, 100), client->samples.count, busy_s / seconds);
}

/* ---- options ---- */

static _Noreturn void usage(void)
{
    fputs("usage: http_client --port N --request FILE [OPTION N]...\n"
          "  --connections N  kept open all the time (256)\n"
          "  --pipeline N     requests sent together on each (1)\n"
          "  --seconds N      measured (5)\n"
          "  --warm-up N      seconds before (1)\n"
          "  --status N       of the answers that are expected (200)\n"
          "  --tls 1          through TLS\n",
          stderr);
    exit(2);
}

static void options_read(int argc, char **argv, struct options *options_out)
{
    *options_out = (struct options){
        .connections = 256, .pipeline = 1, .status = 200, .seconds = 5, .warm_up_s = 1};
    if (argc % 2 == 0)
        usage();
    for (int i = 1; i < argc; i += 2) {
        const char *name = argv[i];
        double value = strtod(argv[i + 1], NULL);
        uint32_t whole = value >= 0 && value < 1e6 ? (uint32_t)value : 0;

        if (strcmp(name, "--request") == 0)
            options_out->request_file = argv[i + 1];
        else if (strcmp(name, "--port") == 0)
            options_out->port = (uint16_t)whole;
        else if (strcmp(name, "--connections") == 0)
            options_out->connections = whole;
        else if (strcmp(name, "--pipeline") == 0)
            options_out->pipeline = whole;
        else if (strcmp(name, "--status") == 0)
            options_out->status = (int)whole;
        else if (strcmp(name, "--tls") == 0)
            options_out->tls = whole == 1;
        else if (strcmp(name, "--seconds") == 0)
            options_out->seconds = value;
        else if (strcmp(name, "--warm-up") == 0)
            options_out->warm_up_s = value;
        else
            usage();
    }
    if (options_out->port == 0 || options_out->request_file == NULL ||
        options_out->connections < 1 || options_out->connections > CONNECTIONS_MAX ||
        options_out->pipeline < 1 || options_out->pipeline > PIPELINE_MAX ||
        !(options_out->seconds > 0) || !(options_out->warm_up_s >= 0))
        usage();
}

int main(int argc, char **argv)
{
    static struct client client;

    options_read(argc, argv, &client.options);
    batch_make(&client);
    bench_samples_init(&client.samples);
    client.tls = client.options.tls ? tls_client_context() : NULL;
    client.epoll = epoll_create1(EPOLL_CLOEXEC);
    client.connections = calloc(client.options.connections, sizeof(*client.connections));
    client.input = malloc(ANSWER_BYTES_MAX + READ_BYTES);
    if (client.epoll < 0 || client.connections == NULL || client.input == NULL)
        bench_fail("not enough memory");
    run(&client);
    for (uint32_t i = 0; i < client.options.connections; i++) {
        tls_client_close(client.connections[i].ssl);
        close(client.connections[i].fd);
        free(client.connections[i].batch);
        free(client.connections[i].kept);
    }
    bench_samples_free(&client.samples);
    free(client.input);
    free(client.connections);
    free(client.batch);
    return 0;
}
