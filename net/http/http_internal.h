/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of this folder share and nobody else sees.
 *
 *   http_listen.c      the probe, the listener, the door (accepting and refusing)
 *   http_peers.c       connections counted by address
 *   http_proxies.c     whose word about a client counts: ranges of addresses
 *   http_server.c      start, sweep, drain, close
 *   http_transport.c   what stands between a socket and HTTP: the PROXY header, TLS
 *   http_proxy_protocol.c  the PROXY header's grammar
 *   http_tls.c         TLS of the process: certificate, tickets
 *   http_tls_link.c    TLS of one connection
 *   http_connection.c  one connection's life: reading, deadlines, closing
 *   http_write.c       output to the kernel
 *   http_parse.c       bytes to requests: llhttp, and the checks that it leaves to us
 *   http_request.c     the checks of a whole head: target, host, framing, body
 *   http_dispatch.c    a request to its route: exchanges opened, refusals, CORS preflight
 *   http_exchange.c    the exchange pool, cookies, accessors
 *   http_forwarded.c   for whom a proxy asks
 *   http_defer.c       requests that wait to be handled again
 *   http_redirect.c    the answers of a server that only sends to https
 *   http_respond.c     answers: rendering and order
 *   http_stream.c      bodies and answers in pieces
 *   http_buffer.c      the bounded pool of buffers
 *   http_text.c        percent-decoding, dates, numbers, names
 *
 * Life of a connection
 *
 *   FREE -> OPEN -> CLOSING -> FREE          CLOSING: uv_close is under way
 *             \-> LINGER -/                  LINGER: all is said, input is read and thrown away
 *
 * Invariants
 *
 *  1. `first .. last` are the exchanges whose answers have not all been handed over, in the order
 *     of their requests. Only the first one's answer is written to `out`; others gather in their
 *     own buffer.
 *
 *  2. `final`: no request is parsed after those that are open. When they are answered and all is
 *     written, the connection closes.
 *
 *  3. `input` holds bytes only of an incomplete request (from its first byte), or bytes that are
 *     not parsed because the connection is stalled, or a deferred request and what came behind it
 *     (of this at most one read); otherwise it has no buffer. An idle connection has none at all.
 *
 *  4. Nothing is closed under a handler's feet: what goes wrong within an answer dooms the
 *     connection, and the flush closes it.
 *
 *  5. The first exchange is never DONE once a call into the layer has returned, on a doomed
 *     connection neither: so the spare exchange, which is only opened as the first and answered
 *     within the call, is always free again.
 *
 *  6. A deferred exchange is its connection's last, and `request` is its request: from its first
 *     byte, input[0], to input[input_parsed]. Nothing is parsed, and no deadline is the client's,
 *     until it is resumed or answered.
 *
 *  7. `phase` goes PROXY -> HANDSHAKE -> REQUESTS, from wherever it begins. Before REQUESTS there
 * is no exchange, and only TLS itself writes. Of a connection with TLS, `out` is plain text of
 *     which `tls.taken` bytes have been sealed, and `tls.sealed` the records for the kernel.
 */
#ifndef STAMPEDE_HTTP_INTERNAL_H
#define STAMPEDE_HTTP_INTERNAL_H

#include "http/http.h"
#include "http/http_buffer.h"
#include "http/http_peers.h"
#include "http/http_text.h"
#include "http/router.h"

#include <assert.h>
#include <llhttp.h>
#include <string.h>

enum {
    HTTP_READ_MAX = 64 * 1024,     /* the shared read buffer */
    HTTP_UNSENT_MAX = 256 * 1024,  /* what the kernel takes of answers before it can send them */
    HTTP_UNSENT_SHORT = 8 * 1024,  /* of streams of which the newest counts; it may double that */
    HTTP_ACCEPTS_PER_TURN = 64,    /* then others have their turn */
    HTTP_TLS_ACCEPTS_PER_TURN = 8, /* each costs a handshake, about 0.2 ms: so a turn ends soon */
    HTTP_LINGER_BYTES_MAX = 1024 * 1024, /* thrown away after a refusal before giving up */
    HTTP_FLUSH_ROUNDS_MAX = 4,       /* rounds of parse and write of one connection in one flush */
    HTTP_HEAD_BYTES_MAX = 60 * 1024, /* request line and headers: their offsets have 16 bits */
    HTTP_LENGTH_DIGITS_MAX = 10,     /* of Content-Length */
    HTTP_CHUNK_DIGITS_MAX = 8,
    HTTP_DRAIN_GRACE_MS = 500,         /* at most: idle connections may still send one request */
    HTTP_ANSWER_MAX_LEAST = 16 * 1024, /* room for any problem document */
    HTTP_CORS_LINES_MAX = 640,
    HTTP_CONTENT_TYPE_MAX = 128,
    HTTP_HSTS_LINE_MAX = 64,
    /* What the layer's own lines of an answer's head can come to. */
    HTTP_HEAD_FIXED_MAX = 440 + HTTP_REQUEST_ID_MAX + HTTP_CORS_LINES_MAX + HTTP_CONTENT_TYPE_MAX +
                          HTTP_HSTS_LINE_MAX,
    HTTP_ALLOW_ALL = ((1 << HTTP_METHOD_COUNT) - 1) & ~1,
};

#define HTTP_NEVER UINT64_MAX

_Static_assert(HTTP_HEAD_BYTES_MAX <= UINT16_MAX, "offsets of header fields have 16 bits");
_Static_assert(HTTP_HEAD_BYTES_MAX < HTTP_READ_MAX, "a head fits into one read");
_Static_assert(HTTP_HEADERS_COUNT_LIMIT <= UINT8_MAX, "positions of known headers have 8 bits");
_Static_assert(HTTP_HEADERS_EXTRA_MAX <= UINT16_MAX, "extra_length has 16 bits");
_Static_assert((int)HTTP_SERIAL_LENGTH <= (int)HTTP_REQUEST_ID_MAX,
               "a made request ID is a valid one");

/* What stands between the date and the request's ID in each answer: bodies are what their type
 * says, whatever they look like; addresses of pages (which may hold a token) are told to no other
 * site, while this one's own requests still name their Origin. */
#define HTTP_CONSTANT_LINES                                                                        \
    "X-Content-Type-Options: nosniff\r\n"                                                          \
    "Referrer-Policy: same-origin\r\n"                                                             \
    "X-Request-Id: "

enum { HTTP_COMMON_LINES_LENGTH = HTTP_DATE_LINE_LENGTH + sizeof(HTTP_CONSTANT_LINES) - 1 };

/* ---- The request being read ---- */

struct http_header_field {
    uint16_t name_offset;
    uint16_t name_length;
    uint16_t value_offset;
    uint16_t value_length;
};

/* Offsets are from `base`, the request's first byte, wherever that is at the moment. */
struct http_request {
    char *base;   /* NULL when the bytes are not there any more */
    bool started; /* its first byte has been seen */
    bool head_done;
    bool chunked;
    bool keep_alive;
    bool path_is_root; /* absolute form without a path: "/" stands nowhere in the bytes */
    bool asterisk;     /* OPTIONS * */
    bool value_begun;  /* the current header has a value already */
    bool name_begun;
    bool expects_continue;
    bool says_close; /* Connection: close */
    uint8_t leading; /* 0, 1: CR seen, 2: CR LF seen, before the first byte */
    enum http_method method;
    uint32_t url_offset;
    uint32_t url_length;
    uint32_t path_offset;
    uint32_t path_length;
    uint32_t query_offset;
    uint32_t query_length;
    uint32_t authority_offset;
    uint32_t authority_length;
    bool has_query;
    bool has_authority;
    uint32_t headers_count;
    uint32_t body_offset;
    size_t body_length;      /* kept, or, of a streamed body, passed on */
    uint32_t framing_length; /* bytes of the current chunk-size line in earlier reads */
    size_t body_max;
    uint64_t head_started_ms;
    uint64_t body_started_ms;
    uint64_t body_progress_ms;
    size_t body_counted; /* body_length when body_started_ms was set */
    struct route_match match;
    uint8_t known[HTTP_HEADER_COUNT]; /* position in headers + 1 */
    struct http_header_field headers[HTTP_HEADERS_COUNT_LIMIT];
};

/* ---- Connections ---- */

enum http_connection_state {
    HTTP_CONNECTION_FREE = 0,
    HTTP_CONNECTION_OPEN,
    HTTP_CONNECTION_LINGER,
    HTTP_CONNECTION_CLOSING,
    HTTP_CONNECTION_DOOR, /* the stand-in that answers those who are not let in */
};

/* What the bytes that come are. */
enum http_phase {
    HTTP_PHASE_REQUESTS = 0,
    HTTP_PHASE_PROXY,     /* the PROXY protocol's header */
    HTTP_PHASE_HANDSHAKE, /* TLS, until it is agreed upon */
};

struct ssl_st;
struct ssl_ctx_st;

/* TLS of one connection; `ssl` NULL: it has none (yet). */
struct http_tls_link {
    struct ssl_st *ssl;
    struct http_buffer sealed; /* records that the kernel has not been given */
    const char *incoming;      /* what has been read of records and OpenSSL has not taken */
    size_t incoming_length;
    size_t charged; /* bytes counted in the pool */
    uint32_t taken; /* bytes of `out` that have been sealed */
    bool begun;     /* its first byte was seen */
};

/* Why llhttp was paused. */
enum http_pause {
    HTTP_PAUSE_NONE = 0,
    HTTP_PAUSE_HEAD,
    HTTP_PAUSE_CHUNK,
    HTTP_PAUSE_MESSAGE,
};

struct http_connection {
    uv_tcp_t tcp;
    struct http_server *server;
    struct http_exchange *first;
    struct http_exchange *last;
    struct http_exchange *receiver; /* whose streamed body is being read */
    struct http_exchange *deferred; /* whose request waits in `input` */
    struct http_buffer out;
    struct http_buffer input;
    uint32_t input_parsed;
    uint32_t slot;
    unsigned outstanding;
    enum http_connection_state state;
    enum http_phase phase;
    enum http_pause pause;
    bool reading;     /* uv_read_start is on */
    bool consuming;   /* on the stack: http_connection_consume */
    bool stalled;     /* bytes wait in `input`, or would */
    bool body_paused; /* by the handler */
    bool final;
    bool linger; /* input may still come: close gently */
    bool eof;    /* the client has sent FIN */
    bool doomed; /* to be closed by the flush, for close_reason */
    bool dirty;  /* in the server's list */
    bool write_busy;
    bool continue_due; /* 100 Continue waits for answers before it */
    bool close_wanted; /* by a handler: the next answer that can says so */
    bool counted;      /* in the table of peers */
    enum http_close close_reason;
    enum http_refusal refusal; /* to be given when all before it is answered */
    const char *refusal_detail;
    struct http_connection *dirty_next;
    struct http_connection *dirty_previous;
    struct http_connection *free_next;
    uint64_t requests;
    uint64_t idle_since_ms;
    uint64_t linger_until_ms;
    size_t linger_bytes;
    llhttp_t parser;
    struct http_buffer writing;
    struct http_tls_link tls;
    uint64_t write_progress_ms;
    uint64_t write_looked_ms;
    size_t write_left; /* at write_looked_ms */
    uv_write_t write;
    struct http_peer peer;
    struct http_request request;
};

/* ---- Exchanges ---- */

enum http_exchange_state {
    HTTP_EXCHANGE_FREE = 0,
    HTTP_EXCHANGE_OPEN,      /* no answer yet */
    HTTP_EXCHANGE_BODY,      /* between http_body_begin and commit */
    HTTP_EXCHANGE_STREAMING, /* between http_stream_begin and end */
    HTTP_EXCHANGE_DONE,      /* answered, waits for those before it */
};

struct http_exchange {
    struct http_server *server;
    struct http_connection *connection;
    struct http_exchange *next; /* of its connection, or of the free list */
    const struct route *route;
    const struct http_stream_events *events;
    uint64_t arrived_ns;
    uint32_t index;
    uint32_t generation;
    enum http_exchange_state state;
    enum http_method method;
    int status;
    int cors_origin; /* index, or -1 */
    enum http_cache cache;
    bool readable;   /* the request's bytes are there: the handler is on the stack */
    bool is_resumed; /* has been deferred before */
    bool is_secure;
    bool is_behind_proxy; /* a trusted one */
    bool version_1_0;
    bool keep_alive;
    bool request_complete;
    bool chunked; /* the answer */
    bool blocked; /* http_stream_write has said false */
    bool is_spare;
    bool is_endless; /* counted in server.streams_open */
    uint16_t extra_length;
    uint8_t request_id_length;
    struct http_peer peer;  /* the client's, as far as it is known */
    uint32_t digits_offset; /* of Content-Length, in the target, between begin and commit */
    uint32_t body_room;
    struct http_buffer answer; /* while not the first */
    char request_id[HTTP_REQUEST_ID_MAX];
    char extra[HTTP_HEADERS_EXTRA_MAX];
};

/* ---- The server ---- */

struct http_server {
    uv_loop_t *loop;
    const struct router *router;
    void *user;
    struct http_options options;
    char *read_buffer;
    char
        *raw_buffer; /* records as they are read, behind room for what was kept; NULL: not needed */
    struct ssl_ctx_st *tls_context;
    uint64_t tls_generation;
    uint64_t arrived_ns; /* when what is being parsed was read */
    uint64_t *deadlines; /* by slot: HTTP_NEVER or when to look after the connection */
    uint32_t slots_used; /* slots below have been used once */
    unsigned connections_open;
    struct http_connection *connections;
    struct http_connection *connections_free;
    struct http_exchange *exchanges; /* exchanges_max, streams_max and, last, the spare */
    struct http_exchange *exchanges_free;
    struct http_exchange *spare;
    uint32_t exchanges_used; /* those below have been used once: memory is taken as it is needed */
    uint32_t exchanges_busy; /* without the spare */
    uint32_t streams_open;   /* of those: endless answers that are begun, at most streams_max */
    char *scratch;
    size_t scratch_stride;
    struct http_buffers buffers;
    struct http_peers peers;
    struct http_connection *dirty_first;
    struct http_connection *dirty_last;
    bool flushing;
    bool draining;
    bool closing;
    bool accept_paused;
    bool listening;
    int listen_fd;
    int spare_fd;
    uint64_t drain_until_ms;
    uint64_t drain_grace_ms;
    void (*on_drained)(void *user);
    void (*on_closed)(void *user);
    unsigned handles_open;
    uint64_t random;
    uint64_t date_second;
    char common_lines[HTTP_COMMON_LINES_LENGTH]; /* Date and HTTP_CONSTANT_LINES */
    char serial[HTTP_SERIAL_LENGTH + 1];
    char hsts_line[HTTP_HSTS_LINE_MAX]; /* of answers through TLS */
    size_t hsts_line_length;
    struct {
        char *lines;
        uint16_t lines_length;
    } cors[HTTP_CORS_ORIGINS_MAX];
    struct http_connection *door;
    char door_answer[HTTP_DOOR_ANSWER_MAX]; /* its output: refusing must not need memory */
    uv_poll_t listener;
    uv_timer_t sweep;
    uv_prepare_t prepare;
    uv_idle_t idle;
    struct http_counters counters;
    llhttp_settings_t parser_settings;
};

/* Single writer: a load and a store, no locked instruction. */
static inline void http_count(_Atomic uint64_t *counter, uint64_t by)
{
    uint64_t value = atomic_load_explicit(counter, memory_order_relaxed);
    atomic_store_explicit(counter, value + by, memory_order_relaxed);
}

static inline void http_gauge(_Atomic uint64_t *gauge, uint64_t value)
{
    atomic_store_explicit(gauge, value, memory_order_relaxed);
}

/* Uniform enough in [0, bound). */
uint32_t http_random_below(struct http_server *server, uint32_t bound);

/* ---- http_server.c ---- */

/* There is something to flush: the loop must not sleep before. */
void http_server_keep_awake(struct http_server *server);
/* One of the handles counted in handles_open has closed; the last one frees a closing server. */
void http_server_handle_closed(struct http_server *server);

/* ---- http_listen.c ---- */

int http_listen_start(struct http_server *server);
/* Takes what has already been queued, then closes. */
void http_listen_stop(struct http_server *server);
/* After a pause (no memory, no descriptors): try again. */
void http_listen_retry(struct http_server *server);

/* ---- http_connection.c ---- */

void http_connection_open(struct http_connection *connection, int fd, const struct http_peer *peer);
void http_connection_close(struct http_connection *connection, enum http_close reason);
void http_connection_doom(struct http_connection *connection, enum http_close reason);
void http_connection_mark_dirty(struct http_connection *connection);
/* Writes, goes on parsing, closes: whatever is due. */
void http_connection_flush(struct http_connection *connection);
/* Its deadline has come (or may have). */
void http_connection_expire(struct http_connection *connection);
/* Bytes not yet taken by the kernel. */
size_t http_connection_queued(const struct http_connection *connection);
/* The request will not be complete: its bytes are given back. */
void http_connection_drop_input(struct http_connection *connection);
/* Starts or stops reading as the flags say, and sets the deadline. */
void http_connection_update(struct http_connection *connection);
/* Where plain text that comes is to be put; base NULL: no memory. */
void http_connection_room(struct http_connection *connection, uv_buf_t *room_out);
/* So many bytes of it are there now: parses and answers. It may close the connection. */
void http_connection_received(struct http_connection *connection, size_t count);
/* What comes is of no interest any more: it is counted, and there is a bound. */
void http_connection_discard(struct http_connection *connection, size_t count);
/* The end (UV_EOF), or a failure, of what comes. */
void http_connection_read_failed(struct http_connection *connection, ssize_t error);
/* Whether only the fate of what was sent already is of interest. */
static inline bool http_connection_is_deaf(const struct http_connection *connection)
{
    return connection->state == HTTP_CONNECTION_LINGER ||
           (connection->final && connection->receiver == NULL);
}
/* Bytes of plain text not yet written, and of records. */
static inline size_t http_connection_unwritten(const struct http_connection *connection)
{
    return connection->out.length - connection->tls.taken + connection->tls.sealed.length;
}
static inline bool http_connection_is_idle(const struct http_connection *connection)
{
    return connection->first == NULL && !connection->request.started;
}

/* ---- http_write.c ---- */

/* Writes what has gathered, unless a write is under way. It may close the connection. */
void http_write(struct http_connection *connection);
/* While one is under way: when to look again whether it goes on. */
uint64_t http_write_deadline(const struct http_connection *connection);
/* Looks whether anything has been taken since the last look; true: not for too long. */
bool http_write_stalls(struct http_connection *connection);

/* ---- http_transport.c ---- */

/* What the options ask for: the buffer for records, the header line. False: no memory. */
bool http_transport_prepare(struct http_server *server);
void http_transport_free(struct http_server *server);
/* What the first bytes are; begins TLS where they are its. False: no memory for it. */
bool http_transport_open(struct http_connection *connection);
/* In place of the connection's own callbacks, while http_transport_is_needed. */
void http_transport_allocate(uv_handle_t *handle, size_t suggested, uv_buf_t *buffer);
void http_transport_read(uv_stream_t *stream, ssize_t count, const uv_buf_t *buffer);
static inline bool http_transport_is_needed(const struct http_connection *connection)
{
    return connection->tls.ssl != NULL || connection->phase != HTTP_PHASE_REQUESTS;
}
/* Its time for what comes before requests is over. */
void http_transport_expire(struct http_connection *connection);
/* Tells the client that nothing follows, where that is so and TLS can. Best effort. */
void http_transport_farewell(struct http_connection *connection);
/* The connection closes. */
void http_transport_close(struct http_connection *connection);

/* ---- http_tls_link.c ---- */

/* What OpenSSL takes for a connection, as counted in the pool (measured with OpenSSL 3.0: see
 * tests/unit/test_http_tls_memory.c). */
enum {
    HTTP_TLS_HANDSHAKE_BYTES = 48 * 1024, /* until it is agreed upon */
    HTTP_TLS_SESSION_BYTES = 16 * 1024,   /* from then on, idle */
    HTTP_TLS_RECORD_BYTES = 17 * 1024,    /* while a record has come in part */
};

enum http_tls_result {
    HTTP_TLS_WAITS, /* for more records */
    HTTP_TLS_DONE,  /* the handshake; of reading: the room is full */
    HTTP_TLS_ENDED, /* close_notify */
    HTTP_TLS_BROKEN,
};

void http_tls_link_free_context(struct http_server *server);
bool http_tls_link_open(struct http_connection *connection);
/* What was read of records is `incoming`; all of it is taken before it is overwritten. */
enum http_tls_result http_tls_link_shake(struct http_connection *connection);
enum http_tls_result http_tls_link_read(struct http_connection *connection, char *target,
                                        size_t capacity, size_t *length_out);
/* Seals a piece of `out`. False: no memory, or TLS is broken. */
bool http_tls_link_seal(struct http_connection *connection);
/* Counts what OpenSSL holds of an unfinished record. False: no memory. */
bool http_tls_link_settle(struct http_connection *connection);
/* close_notify into `sealed`, once. */
void http_tls_link_end(struct http_connection *connection);
void http_tls_link_close(struct http_connection *connection);

/* ---- http_parse.c ---- */

void http_parser_settings(llhttp_settings_t *settings_out);
void http_parser_reset(struct http_connection *connection);
/*
 * Parses data[parsed .. total) and dispatches what is complete; keeps the rest in `input`. `data`
 * is the shared buffer, or input.data.
 */
void http_connection_consume(struct http_connection *connection, char *data, size_t parsed,
                             size_t total);
/* Whether parsing may begin another request now. */
bool http_connection_may_parse(const struct http_connection *connection);

/* Whether what has been read behind the request at hand may be looked at, now or ever. */
bool http_connection_may_go_on(const struct http_connection *connection);
/* Forgets the request at hand. */
void http_request_reset(struct http_request *request);

/* Notes a refusal that ends the connection; given at once or when what is before it is answered.
 * Returns -1 for llhttp. */
int http_connection_refuse(struct http_connection *connection, enum http_refusal refusal,
                           const char *detail);

/* ---- http_request.c ---- */

/* A header line is complete: notes and checks it. False: refused. */
bool http_request_take_header(struct http_connection *connection);
/* The head is complete: method, version, target, host, framing, route. False: refused. */
bool http_request_check_head(struct http_connection *connection);
/* RFC 3986 section 3.2.2, with an optional port, without user information. */
bool http_host_is_valid(struct http_slice host);
/* Whether another request may follow this one. */
bool http_request_keeps_alive(const struct http_connection *connection);
struct http_slice http_request_header(const struct http_request *request, enum http_header header);
struct http_slice http_request_path(const struct http_request *request);

/* ---- http_dispatch.c ---- */

/* The request is complete (or, of a streamed one, its head): to its handler, or refused. */
void http_dispatch(struct http_connection *connection);
/* Calls the handler, and what follows from that. */
void http_exchange_handle(struct http_exchange *exchange);
/* Gives the noted refusal if nothing is before it. */
void http_dispatch_refusal(struct http_connection *connection);
/* Renders and sends a refusal by the caller's renderer. Never leaves the exchange open. */
void http_exchange_refuse(struct http_exchange *exchange, enum http_refusal refusal,
                          const char *detail);
/* False: no memory. */
bool http_cors_prepare(struct http_server *server);
void http_cors_free(struct http_server *server);

/* ---- http_exchange.c ---- */

bool http_exchanges_init(struct http_server *server);
void http_exchanges_free(struct http_server *server);
/* From the pool, or the spare when `use_spare`; appended to its connection. NULL: none left. */
struct http_exchange *http_exchange_open(struct http_connection *connection, bool use_spare);
/* Whether the pool has one. */
static inline bool http_exchanges_are_left(const struct http_server *server)
{
    return server->exchanges_busy - server->streams_open < server->options.exchanges_max;
}
/* Takes it off its connection (it must be the first) and back to the pool. */
void http_exchange_release(struct http_exchange *exchange);
/* The connection is gone: tells the handler and the counters, releases. */
void http_exchange_abandon(struct http_exchange *exchange);

/* ---- http_forwarded.c ---- */

/* Replaces what is known of the client by what a trusted proxy says of it. */
void http_forwarded_apply(struct http_exchange *exchange, const struct http_request *request);

/* ---- http_defer.c ---- */

/* The request has just been deferred: it and all bytes up to `end` become `input`; parsing stopped
 * at `stop`. False: no memory, it has been refused. */
bool http_defer_hold(struct http_connection *connection, char *stop, char *end);
/* It has been handled or answered: what is behind it may go on. */
void http_defer_release(struct http_connection *connection);

/* ---- http_redirect.c ---- */

/* Answers with the same place at https, or refuses. */
void http_redirect(struct http_exchange *exchange);

/* ---- http_respond.c ---- */

/* Where an answer is written; NULL if it is for nobody. */
struct http_buffer *http_exchange_target(struct http_exchange *exchange);
/* Up to but without Content-Length. False: no memory (the connection is doomed). */
bool http_head_begin(struct http_exchange *exchange, int status, const char *content_type,
                     size_t room);
/* The answer is complete: counts it and lets those go that waited behind it. */
void http_exchange_finish(struct http_exchange *exchange, int status);
/* An answer that nobody will get: no memory, or the connection is doomed. */
void http_exchange_drop(struct http_exchange *exchange);
/* Bytes into room that has been reserved. Here for literals: copying them is a few moves. */
static inline void http_put(struct http_buffer *buffer, const void *bytes, size_t length)
{
    assert(length <= buffer->capacity - buffer->length);
    if (length > 0)
        memcpy(buffer->data + buffer->length, bytes, length);
    buffer->length += (uint32_t)length;
}

#endif
