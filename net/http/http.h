/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The HTTP/1.1 edge, public face. One `struct http_server` per shard, that is per uv loop and
 * thread. Handlers see a `struct http_exchange` (one request and its answer) and never a socket.
 *
 * Rules
 *  1. Every function is called on the thread of the server's loop, but for `http_probe_bind`,
 *     `http_probe_release`, `http_options_default`, the text helpers, and reading `http_counters`.
 *  2. A handler answers within its call or later: one that returns without an answer is
 * asynchronous by that. It keeps `http_exchange_cookie()` and asks `http_exchange_from_cookie()`
 * when the answer is there: NULL means that the client has gone meanwhile and there is nothing to
 * do.
 *  3. Whatever points into the request (path, query, parameters, headers, body) is valid only until
 *     the handler returns; the accessors assert that. Copy what is needed later, for example into
 *     the scratch. Valid until the answer: method, route, request ID, peer, scratch, arrival time.
 *  4. A handler that cannot decide yet, and needs the request for it, defers
 * (`http_exchange_defer`) instead of copying: the request stays as it is, nothing behind it is
 * parsed, and `http_exchange_resume` calls the handler with it once more.
 *  5. After an answer (`http_respond*`, `http_body_commit`, `http_stream_end`, `http_refuse`) the
 *     exchange is over: do not touch it again.
 *  6. Answers leave in the order of the requests, whatever the order in which they are given.
 *  7. Every answer carries Date, X-Request-Id, X-Content-Type-Options and Referrer-Policy, and
 * where due Cache-Control (http_exchange_cache), Connection and the CORS headers; these are the
 *     layer's, do not add them.
 */
#ifndef STAMPEDE_HTTP_H
#define STAMPEDE_HTTP_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

struct http_server;
struct http_exchange;
struct http_proxies;
struct http_tls;
struct router;
struct route;

/* ---- Bounds that are not options ---- */

enum {
    HTTP_REQUEST_ID_MAX = 64,      /* characters of X-Request-Id */
    HTTP_HEADERS_EXTRA_MAX = 1536, /* bytes of header lines added to one answer */
    HTTP_HEADERS_COUNT_LIMIT = 64, /* upper bound of http_options.headers_count_max */
    HTTP_PIPELINE_LIMIT = 256,     /* upper bound of http_options.pipeline_max */
    HTTP_PEER_TEXT_MAX = 46,       /* an address as text with its terminator */
    HTTP_CORS_ORIGINS_MAX = 32,
    HTTP_MEMORY_LEAST = 64 * 1024, /* lower bound of http_options.memory_max */
    HTTP_STATUS_CLIENT_GONE = 499, /* on_complete: the client left before its answer */
};

/* ---- Vocabulary ---- */

/* Bytes that belong to someone else; `data` is NULL when there is nothing at all (absent). */
struct http_slice {
    const char *data;
    size_t length;
};

/* The methods that are let in; anything else is refused with 501. */
#define HTTP_METHOD_TABLE(X)                                                                       \
    X(GET)                                                                                         \
    X(HEAD)                                                                                        \
    X(POST)                                                                                        \
    X(PUT)                                                                                         \
    X(PATCH)                                                                                       \
    X(DELETE)                                                                                      \
    X(OPTIONS)

enum http_method {
    HTTP_METHOD_NONE = 0,
#define X(name) HTTP_METHOD_##name,
    HTTP_METHOD_TABLE(X)
#undef X
        HTTP_METHOD_COUNT
};

/*
 * Request headers found without a search. The last column: at most one of it may come (a second one
 * is refused with 400, because two parties that disagree on which counts can be played off).
 */
#define HTTP_HEADER_TABLE(X)                                                                       \
    X(HOST, "host", true)                                                                          \
    X(AUTHORIZATION, "authorization", true)                                                        \
    X(COOKIE, "cookie", true)                                                                      \
    X(IDEMPOTENCY_KEY, "idempotency-key", true)                                                    \
    X(CONTENT_TYPE, "content-type", true)                                                          \
    X(CONTENT_LENGTH, "content-length", true)                                                      \
    X(CONTENT_ENCODING, "content-encoding", true)                                                  \
    X(TRANSFER_ENCODING, "transfer-encoding", true)                                                \
    X(CONNECTION, "connection", false)                                                             \
    X(EXPECT, "expect", true)                                                                      \
    X(ACCEPT, "accept", false)                                                                     \
    X(ACCEPT_ENCODING, "accept-encoding", false)                                                   \
    X(ACCEPT_LANGUAGE, "accept-language", false)                                                   \
    X(IF_NONE_MATCH, "if-none-match", false)                                                       \
    X(IF_MATCH, "if-match", false)                                                                 \
    X(IF_MODIFIED_SINCE, "if-modified-since", true)                                                \
    X(RANGE, "range", true)                                                                        \
    X(ORIGIN, "origin", true)                                                                      \
    X(REFERER, "referer", true)                                                                    \
    X(USER_AGENT, "user-agent", true)                                                              \
    X(LAST_EVENT_ID, "last-event-id", true)                                                        \
    X(X_REQUEST_ID, "x-request-id", true)                                                          \
    X(X_QUEUE_TICKET, "x-queue-ticket", true)                                                      \
    X(X_SIGNATURE, "x-signature", true)                                                            \
    X(STRIPE_SIGNATURE, "stripe-signature", true)                                                  \
    X(X_FORWARDED_FOR, "x-forwarded-for", false)                                                   \
    X(X_FORWARDED_PROTO, "x-forwarded-proto", false)                                               \
    X(X_FORWARDED_HOST, "x-forwarded-host", false)                                                 \
    X(FORWARDED, "forwarded", false)                                                               \
    X(SEC_FETCH_SITE, "sec-fetch-site", true)                                                      \
    X(ACCESS_CONTROL_REQUEST_METHOD, "access-control-request-method", true)

enum http_header {
#define X(name, text, single) HTTP_HEADER_##name,
    HTTP_HEADER_TABLE(X)
#undef X
        HTTP_HEADER_COUNT
};

/* The layer's own refusals: what `render_problem` is called with. */
#define HTTP_REFUSAL_TABLE(X)                                                                      \
    X(MALFORMED_REQUEST, 400, "malformed_request")                                                 \
    X(NOT_FOUND, 404, "not_found")                                                                 \
    X(METHOD_NOT_ALLOWED, 405, "method_not_allowed")                                               \
    X(REQUEST_TIMEOUT, 408, "request_timeout")                                                     \
    X(PAYLOAD_TOO_LARGE, 413, "payload_too_large")                                                 \
    X(URI_TOO_LONG, 414, "uri_too_long")                                                           \
    X(EXPECTATION_FAILED, 417, "expectation_failed")                                               \
    X(HEADERS_TOO_LARGE, 431, "headers_too_large")                                                 \
    X(INTERNAL_ERROR, 500, "internal_error")                                                       \
    X(NOT_IMPLEMENTED, 501, "not_implemented")                                                     \
    X(OVERLOADED, 503, "overloaded")                                                               \
    X(HTTP_VERSION_NOT_SUPPORTED, 505, "http_version_not_supported")

enum http_refusal {
    HTTP_REFUSAL_NONE = 0,
#define X(name, status, code) HTTP_REFUSAL_##name,
    HTTP_REFUSAL_TABLE(X)
#undef X
        HTTP_REFUSAL_COUNT
};

/* Why a connection was closed; the index of http_counters.closed. */
#define HTTP_CLOSE_TABLE(X)                                                                        \
    X(CLIENT, "client")                   /* the client closed, in good order */                   \
    X(RESET, "reset")                     /* reading or writing failed */                          \
    X(FINISHED, "finished")               /* `Connection: close`, HTTP/1.0, limits */              \
    X(REFUSED, "refused")                 /* after a refusal that ends a connection */             \
    X(IDLE_TIMEOUT, "idle_timeout")       /* keep-alive time over */                               \
    X(REQUEST_TIMEOUT, "request_timeout") /* head or body too slow */                              \
    X(WRITE_STALL, "write_stall")         /* the client does not read */                           \
    X(MEMORY, "memory")                   /* the buffers' bound was reached */                     \
    X(DRAIN, "drain")                     /* the server is going away */                           \
    X(HANDSHAKE, "handshake")             /* of TLS: failed or too slow */                         \
    X(PROXY, "proxy_protocol")            /* no PROXY header where one must be, or too slow */

enum http_close {
#define X(name, text) HTTP_CLOSE_##name,
    HTTP_CLOSE_TABLE(X)
#undef X
        HTTP_CLOSE_COUNT
};

/*
 * Single writer (the server's thread), relaxed loads from any thread. Requests by route and status
 * and their latencies are the caller's to count, in on_complete.
 */
struct http_counters {
    _Atomic uint64_t connections_accepted;
    _Atomic uint64_t connections_refused; /* at the door: limits, no file descriptors */
    _Atomic uint64_t connections_open;    /* a gauge */
    _Atomic uint64_t exchanges_open;      /* a gauge: requests not yet answered */
    _Atomic uint64_t requests;            /* answered or abandoned, refusals included */
    _Atomic uint64_t bytes_received;
    _Atomic uint64_t bytes_sent;
    _Atomic uint64_t memory_bytes; /* a gauge: input and output buffers in use */
    _Atomic uint64_t pipeline_stalls;
    _Atomic uint64_t tls_handshakes;  /* that came to an end, resumptions included */
    _Atomic uint64_t tls_resumptions; /* of them: of an earlier session */
    _Atomic uint64_t tls_failures;    /* handshakes that failed, or were given up */
    _Atomic uint64_t proxy_refusals;  /* connections from no trusted proxy, or without its header */
    _Atomic uint64_t responses[6];    /* by status class, [0] for abandoned ones */
    _Atomic uint64_t refusals[HTTP_REFUSAL_COUNT];
    _Atomic uint64_t closed[HTTP_CLOSE_COUNT];
};

/* ---- Callbacks ---- */

/* `user` is always the `user` of http_server_start. */
typedef void (*http_handler)(struct http_exchange *exchange, void *user);

/*
 * Renders an error of the layer as the API's problem document and answers with it, within the call.
 * `code` is a code of HTTP_REFUSAL_TABLE, or what http_refuse was given; `detail` may be NULL. The
 * request accessors give absent slices where the request was not understood; the route may be NULL.
 * Headers such as Allow, Retry-After and Connection have been added by the layer.
 */
typedef void (*http_problem_renderer)(struct http_exchange *exchange, int status, const char *code,
                                      const char *detail, void *user);

/*
 * Called once per request when its answer is complete (or with HTTP_STATUS_CLIENT_GONE); the
 * exchange is still readable as far as rule 3 says, and its route may be NULL (refused before
 * routing). `duration_ns` runs from the read that completed the request's head (or the whole
 * request, where it came in one) to the answer's hand-over to the connection.
 */
typedef void (*http_completion)(const struct http_exchange *exchange, int status,
                                uint64_t duration_ns, void *user);

/* ---- Options ---- */

/* How trusted proxies tell for whom they ask. Only the one kind is looked at: a proxy that writes
 * the one passes the other on as the client sent it. */
enum http_forwarded {
    HTTP_FORWARDED_X = 0,    /* X-Forwarded-For, -Proto, -Host */
    HTTP_FORWARDED_STANDARD, /* Forwarded (RFC 7239) */
};

/*
 * A server that answers everything with 308 and the same path at https. The host is the one that
 * the client asked for, where it is one of ours: named by the certificate or by `hosts`; another
 * is never repeated, the first of `hosts` stands in for it, or it is refused with 421.
 */
struct http_redirection {
    struct http_tls *tls; /* whose certificate; NULL: only `hosts` count */
    const char *const *hosts;
    size_t hosts_count;
    uint16_t port; /* of https, named unless it is 443 */
};

struct http_options {
    const char *host; /* IPv4 or IPv6 literal (with or without []), "localhost" (= 127.0.0.1) */
    uint16_t port;    /* what http_probe_bind returned */
    int backlog;

    /* Pools, sized at start. */
    unsigned connections_max;        /* above: answered 503 at the door and closed */
    unsigned connections_per_ip_max; /* 0: no limit; IPv6 counts by /64 */
    unsigned exchanges_max;          /* requests in flight; above: 503 overloaded */
    unsigned streams_max;            /* of endless answers, that do not count as those do */
    size_t memory_max;               /* bytes of all buffers together; of requests: 3/4 of it */
    size_t scratch_size;             /* bytes per exchange for the handlers' own state */

    /* Limits of one connection. */
    unsigned pipeline_max;                /* above: not read until answers leave */
    uint64_t requests_per_connection_max; /* 0: no limit */
    size_t request_line_max;
    size_t headers_bytes_max;
    unsigned headers_count_max;
    size_t body_max;   /* of routes that name none */
    size_t answer_max; /* bytes of one answer that is not streamed */
    size_t queue_max;  /* unsent bytes above which a connection is not read, a stream waits */

    /* Time. */
    unsigned header_timeout_ms; /* from a request's first byte to the end of its head */
    unsigned idle_timeout_ms;   /* between requests */
    unsigned body_grace_ms;     /* then a body must have come at body_rate_min bytes a second */
    unsigned body_rate_min;
    unsigned body_stall_ms;  /* without any byte of an unfinished body */
    unsigned write_stall_ms; /* without any progress of writing */
    unsigned linger_ms;      /* reading on after a refusal, so that it is not lost to a reset */
    unsigned sweep_ms;       /* granularity of all of the above */

    /* CORS: NULL and 0: off; one entry "*": any origin, without credentials. */
    const char *const *cors_origins;
    size_t cors_origins_count;

    /* TLS and what stands in front. All that is pointed to must outlive the server. */
    struct http_tls *tls;    /* NULL: plain HTTP (http_tls.h) */
    uint32_t hsts_max_age_s; /* of answers through TLS (RFC 6797); 0: none */
    bool proxy_protocol;     /* every connection begins with its header (http_proxy_protocol.h) */
    /* Who may connect then, and whose word about a client counts; NULL: nobody. */
    const struct http_proxies *trusted_proxies;
    enum http_forwarded forwarded;
    const struct http_redirection *redirection; /* this server only sends to https */

    uint64_t seed;                   /* random: request IDs, jitter, hashing of addresses */
    uint64_t (*wall_ms)(void *user); /* UTC in milliseconds since 1970, for Date; mandatory */
    /* Called in place of route->handler where given (access checks and the like, in one place). */
    void (*dispatch)(struct http_exchange *exchange, const struct route *route, void *user);
    http_problem_renderer render_problem; /* NULL: a minimal document */
    http_completion on_complete;          /* may be NULL */
};

/* Fills in the defaults; wall_ms, host and port stay to be set. Any thread. */
void http_options_default(struct http_options *options_out);

/* ---- Server ---- */

/*
 * Holds a port for this process: a bind without reuse, so that a second server fails
 * (UV_EADDRINUSE) instead of sharing the port in silence; then opened for this process's own
 * listeners. The port stays held, without a window, until http_probe_release.
 */
struct http_probe {
    int fd;
    uint16_t port; /* the actual one where 0 was asked for */
};

/* Any thread. 0, or a negative uv error (UV_EADDRINUSE, UV_EINVAL for a host that is not a literal,
 * UV_EACCES, UV_EADDRNOTAVAIL …). */
int http_probe_bind(const char *host, uint16_t port, struct http_probe *probe_out);

/* Any thread; call it when all shards' servers have started (or on the way out). */
void http_probe_release(struct http_probe *probe);

/*
 * Starts a server on `loop`: pools, listener with SO_REUSEPORT, sweep timer. `options`' strings and
 * arrays, `router` and `user` must outlive the server. Sets SIGPIPE to be ignored, if it was at its
 * default. 0, or a negative uv error, then nothing is left behind but handles that the loop closes
 * when it next runs.
 */
int http_server_start(uv_loop_t *loop, const struct http_options *options,
                      const struct router *router, void *user, struct http_server **server_out);

/*
 * Writes out what the connections have gathered and goes on with those that waited for it. The
 * shard calls it at the end of its tick; what is left is also flushed before the loop polls again.
 */
void http_server_flush(struct http_server *server);

/*
 * Stops accepting, sends `Connection: close` with what follows, closes connections as they become
 * idle, and all of them after `deadline_ms`; then calls `on_drained` once. The server stays until
 * http_server_close.
 */
void http_server_drain(struct http_server *server, unsigned deadline_ms,
                       void (*on_drained)(void *user));

/* Closes everything at once and frees the server; `on_closed` (may be NULL) is called from the loop
 * when it is gone. A drain that is running ends with it, without its callback. Exchanges still open
 * are abandoned. */
void http_server_close(struct http_server *server, void (*on_closed)(void *user));

/* Lives as long as the server. */
const struct http_counters *http_server_counters(const struct http_server *server);

/* The actual port. */
uint16_t http_server_port(const struct http_server *server);

/* ---- The request ---- */

enum http_method http_exchange_method(const struct http_exchange *exchange);
const char *http_method_name(enum http_method method);
/* NULL where none matched. */
const struct route *http_exchange_route(const struct http_exchange *exchange);
void *http_exchange_user(const struct http_exchange *exchange);
struct http_server *http_exchange_server(const struct http_exchange *exchange);
/* As the client sent it (valid ones are taken), or made. */
struct http_slice http_exchange_request_id(const struct http_exchange *exchange);
/* Gives it an ID made here, whatever the client has sent. */
void http_exchange_rename(struct http_exchange *exchange);
/* When the request's last byte (for a streamed body: its head) was read: uv_hrtime's clock. */
uint64_t http_exchange_arrived_ns(const struct http_exchange *exchange);
/* options.scratch_size bytes, aligned for any type, undefined at the handler's entry; NULL for 0.
 */
void *http_exchange_scratch(struct http_exchange *exchange);

/* An address, IPv4 as ::ffff:a.b.c.d, in network order. */
struct http_peer {
    uint8_t address[16];
    uint16_t port;
};
/*
 * Of the client: where the connection's peer is one of options.trusted_proxies, the last address of
 * its X-Forwarded-For (or Forwarded) that is not a trusted proxy's, its port then 0. A list that
 * cannot be read so far: the last address that could, in the end the proxy's own. Valid until the
 * answer.
 */
const struct http_peer *http_exchange_peer(const struct http_exchange *exchange);
/* Whether the client's side is TLS: by this server, or as a trusted proxy says (the last
 * X-Forwarded-Proto, or `proto` of the last Forwarded). Valid until the answer. */
bool http_exchange_is_secure(const struct http_exchange *exchange);
/* The host that the client has called, with its port if it named one: as a trusted proxy says (the
 * last X-Forwarded-Host, or `host` of the last Forwarded), otherwise Host. Absent in HTTP/1.0
 * without. Within the handler. */
struct http_slice http_exchange_host(const struct http_exchange *exchange);
/* "192.0.2.1" or "2001:db8::1"; returns the length. */
size_t http_peer_text(const struct http_peer *peer, char text_out[HTTP_PEER_TEXT_MAX]);

/* Raw, as sent: the path without the query; the query without '?'. */
struct http_slice http_exchange_path(const struct http_exchange *exchange);
struct http_slice http_exchange_query(const struct http_exchange *exchange);

/* Results of the decoding accessors that are not a length. */
enum {
    HTTP_ABSENT = -1,
    HTTP_MALFORMED = -2, /* bad percent-encoding, or an encoded NUL */
    HTTP_TOO_LONG = -3,  /* does not fit the target */
};

/*
 * The index-th {parameter} of the route's pattern, percent-decoded ('+' stays) and zero-terminated
 * in `target`. Its length, or HTTP_ABSENT, HTTP_TOO_LONG. (Malformed ones never reach a handler.)
 */
int http_path_parameter(const struct http_exchange *exchange, unsigned index, char *target,
                        size_t capacity);

/*
 * The nth (from 0) query parameter called `name`, decoded ('+' is a space) and zero-terminated. Its
 * length, or HTTP_ABSENT, HTTP_MALFORMED, HTTP_TOO_LONG. A name without '=' has length 0.
 */
int http_query_parameter(const struct http_exchange *exchange, const char *name, unsigned nth,
                         char *target, size_t capacity);

/* Takes the next raw name and value off `rest` (begin with http_exchange_query); false at the end.
 * For looping over all of them, for example to refuse unknown ones. */
bool http_query_next(struct http_slice *rest, struct http_slice *name_out,
                     struct http_slice *value_out);

/* Any thread. Decodes into `target` with a terminator: the length, HTTP_MALFORMED, HTTP_TOO_LONG.
 */
int http_percent_decode(struct http_slice source, bool plus_is_space, char *target,
                        size_t capacity);

/* Without surrounding blanks; `data` NULL when absent, the first of several. */
struct http_slice http_exchange_header(const struct http_exchange *exchange,
                                       enum http_header header);
/* Any header, by a linear look-up (at most headers_count_max); `name` in any case. */
struct http_slice http_exchange_header_find(const struct http_exchange *exchange, const char *name);

/* The whole body (length 0 where none came); absent for a streamed one. */
struct http_slice http_exchange_body(const struct http_exchange *exchange);

/* ---- Answering later ---- */

/* Never 0. Same thread, any time after; survives the exchange. */
uint64_t http_exchange_cookie(const struct http_exchange *exchange);
/* NULL: answered already, or the client has gone. */
struct http_exchange *http_exchange_from_cookie(struct http_server *server, uint64_t cookie);

/* ---- Deciding later ---- */

/*
 * Within the handler, which then returns without an answer: the request waits, whole and unread.
 * Keep the cookie. All that points into the request is invalid until the handler is called again
 * (the bytes may move); the scratch and what http_exchange_listen was given are kept. The body of a
 * streamed route is not given to on_body before. Held bytes count as input in
 * http_options.memory_max; where there is no room for them the layer answers 503 `overloaded` by
 * itself, and the cookie finds nothing. No time-out of the layer ends a deferred request: whoever
 * defers sees to it that it is resumed. May be answered without resuming it, as if it were rule 2.
 */
void http_exchange_defer(struct http_exchange *exchange);

/*
 * Calls the handler (http_options.dispatch) again, within this call, as if for the first time: the
 * request is readable, headers added to the answer before it was deferred are gone, and it may
 * answer, return without (rule 2), or defer again. The time that a streamed body may take begins
 * now. `exchange` must be deferred; afterwards ask its cookie again before touching it. Not within
 * the handler that deferred it.
 */
void http_exchange_resume(struct http_exchange *exchange);

/* Whether the handler's call is one that http_exchange_resume made (so that what the first call
 * charged is not charged again). */
bool http_exchange_is_resumed(const struct http_exchange *exchange);

/* ---- The answer ---- */

/*
 * Adds a header line to the answer to come. False when it does not fit into HTTP_HEADERS_EXTRA_MAX,
 * or when name or value hold a control character (nothing is added then). `value` need not be
 * terminated in the second form.
 */
bool http_header_add(struct http_exchange *exchange, const char *name, const char *value);
bool http_header_add_slice(struct http_exchange *exchange, const char *name,
                           struct http_slice value);

/* Whether an answer may be kept by those on its way and by its reader (RFC 9111 section 5.2.2). */
enum http_cache {
    HTTP_CACHE_UNSAID = 0,
    HTTP_CACHE_REVALIDATE, /* no-cache: kept, but asked for before it is used again */
    HTTP_CACHE_NO_STORE,   /* not at all: private, secret, or old as soon as it is told */
};
/* Adds Cache-Control. Of several calls the strictest counts, whatever their order. */
void http_exchange_cache(struct http_exchange *exchange, enum http_cache cache);

/*
 * Answers. `content_type` NULL: none; `body` is copied. A body of more than options.answer_max
 * bytes is answered 500 instead (stream it). HEAD, 204 and 304 send no body.
 */
void http_respond(struct http_exchange *exchange, int status, const char *content_type,
                  const void *body, size_t length);

/*
 * Answers with a head rendered beforehand: `head` is the status line and header lines, each with
 * its CRLF, with Content-Length and without the empty line; the layer adds its own lines, those of
 * http_header_add and the empty line.
 */
void http_respond_raw(struct http_exchange *exchange, int status, struct http_slice head,
                      struct http_slice body);

/* Renders such a head; its length, 0 if it does not fit. Any thread. */
size_t http_head_prepare(int status, const char *content_type, size_t content_length, char *target,
                         size_t capacity);

/*
 * The fast path: begins an answer and returns where its body may be written in place, `body_max`
 * bytes; http_body_commit with the bytes written completes it. Between the two, no other call into
 * this layer. NULL: the exchange is over, nothing to commit: `body_max` is above options.answer_max
 * (answered 500), or there is no memory (the connection closes).
 */
char *http_body_begin(struct http_exchange *exchange, int status, const char *content_type,
                      size_t body_max);
void http_body_commit(struct http_exchange *exchange, size_t length);

/* Answers by render_problem. */
void http_refuse(struct http_exchange *exchange, int status, const char *code, const char *detail);

/* Ends the exchange without an answer, and its connection with it, as a server that is cut off
 * would: for testing those who call us. No answer may have been begun. */
void http_exchange_vanish(struct http_exchange *exchange);

/* Closes the connection after this answer (a hint of the handler; the layer sees to the header). */
void http_exchange_close_after(struct http_exchange *exchange);

/* ---- Streams ---- */

/*
 * What a handler with a streamed request body or answer wants to hear. All optional; must outlive
 * the exchange. `user` as everywhere; the handler's state lives in the scratch.
 */
struct http_stream_events {
    /*
     * A route with ROUTE_STREAM_BODY: the next piece of the body, then once with `last` and length
     * 0. The handler may answer at any time, also before the end (the rest is then discarded and
     * the connection closed).
     */
    void (*on_body)(struct http_exchange *exchange, const char *data, size_t length, bool last,
                    void *user);
    /* http_stream_write had said false, and there is room again. */
    void (*on_writable)(struct http_exchange *exchange, void *user);
    /*
     * The client has gone, or its body was broken, too large or too slow (the layer answers that).
     * For the handler the exchange ends with this call: answer nothing, free what the scratch
     * refers to.
     */
    void (*on_gone)(struct http_exchange *exchange, void *user);
    /*
     * An answer without an end of its own (SSE). A client that ends its own side may be waiting for
     * the rest of an answer; with this it is taken to have gone. (One that vanishes without a word
     * is only noticed when a write fails: an endless stream needs a heartbeat.) Up to
     * options.streams_max of them do not count as requests in flight, once they are begun.
     */
    bool endless;
};

/* Within the handler, before it returns (on_gone also serves handlers that only answer later). */
void http_exchange_listen(struct http_exchange *exchange, const struct http_stream_events *events);

/* Stop and go for the body's pieces. What has been read already (at most 64 KiB) still comes after
 * a pause. */
void http_body_pause(struct http_exchange *exchange);
void http_body_resume(struct http_exchange *exchange);

/*
 * An answer in pieces: chunked (to an HTTP/1.0 client: until close). `write` copies; false: more
 * than queue_max bytes wait, write no more until on_writable (what was written is kept). Also false
 * when the client is gone or memory is out: then on_gone has been or will be called. `abort` ends
 * it visibly incomplete. To HEAD nothing but the head is sent.
 */
void http_stream_begin(struct http_exchange *exchange, int status, const char *content_type);
bool http_stream_write(struct http_exchange *exchange, const void *data, size_t length);
void http_stream_end(struct http_exchange *exchange);

/* For a stream of which only the newest is of interest: bytes that wait for the kernel to take them
 * (while there are any, what is newer may wait, too, and take their place), and a hint to the
 * kernel to take few, so that a slow reader does not come to read what is long past: before it
 * begins; its end is the connection's. */
size_t http_stream_waiting(const struct http_exchange *exchange);
void http_stream_keep_short(struct http_exchange *exchange);
void http_stream_abort(struct http_exchange *exchange);

#endif
