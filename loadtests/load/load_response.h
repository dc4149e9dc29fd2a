/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Incremental HTTP/1.1 response parser (RFC 9112): status, framing, and the few headers that a
 * load generator acts on. It works in place on a buffer that begins with the response, remembers
 * how far it has looked, and allocates nothing.
 */
#ifndef LOAD_RESPONSE_H
#define LOAD_RESPONSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    LOAD_RESPONSE_HEAD_BYTES_MAX = 16384,
    LOAD_RESPONSE_BODY_BYTES_MAX = 256 * 1024 * 1024,
};

enum load_response_result {
    LOAD_RESPONSE_PARTIAL,  /* call again with more bytes */
    LOAD_RESPONSE_COMPLETE, /* the response is filled in */
    LOAD_RESPONSE_BROKEN,   /* not HTTP/1.1 as this client can frame it: close the connection */
};

struct load_response {
    int status;
    bool close;             /* the server ends the connection after this answer */
    bool replayed;          /* Idempotent-Replayed: true */
    uint32_t retry_after_s; /* 0 when absent, or when given as a date */
    const char *body;       /* inside the caller's buffer */
    size_t body_length;
    size_t consumed; /* the next response begins here */
};

/* Zeroed at the start of each response. */
struct load_response_parser {
    size_t line_at; /* start of the header line (or chunk) that is looked at next */
    bool in_body;
    bool chunked;
    bool has_length;
    bool in_trailers;
    size_t body_at;
    size_t body_length; /* announced, or decoded so far */
    struct load_response response;
};

/*
 * Looks at `length` bytes of `data`, which begin where the response begins; `data` may have moved
 * since the last call, but not changed. A chunked body is decoded in place. Interim (1xx) answers
 * are passed over. On COMPLETE the parser has been zeroed for the next response.
 */
enum load_response_result load_response_parse(struct load_response_parser *parser, char *data,
                                              size_t length, struct load_response *response_out);

/* A piece of someone else's text, not terminated. */
struct load_text {
    const char *data;
    size_t length;
};

/*
 * The string member `name` of the JSON object in `body`, looked for at its top level only. False
 * when there is none, or when its value is not a string without escapes: IDs, tokens and codes
 * have none.
 */
bool load_response_find_string(const char *body, size_t length, const char *name,
                               struct load_text *value_out);

#endif
