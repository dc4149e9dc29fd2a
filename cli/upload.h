/* SPDX-License-Identifier: Apache-2.0 */
/* One HTTP/1.1 exchange that sends a file and takes the whole answer: one socket, blocking, with
 * TLS where the address says so. The file streams; the server may answer before it has seen all of
 * it. */
#ifndef STAMPEDE_UPLOAD_H
#define STAMPEDE_UPLOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "connection.h"

enum {
    UPLOAD_ANSWER_BYTES_MAX = 4 << 20,
    UPLOAD_TARGET_BYTES_MAX = 16 * 1024,
    UPLOAD_ERROR_BYTES = CONNECTION_ERROR_BYTES,
};

#define UPLOAD_SIZE_UNKNOWN UINT64_MAX

struct upload_request {
    const struct address *address;
    const char *ca_file; /* certificates to trust with TLS; "" for this machine's only */
    const char *target;  /* path and query */
    const char *bearer;  /* NULL: none */
    const char *content_type;
    const char *begin; /* what was read of the file already: sent first */
    size_t begin_length;
    int file;
    uint64_t size; /* of begin and file, in bytes; or UPLOAD_SIZE_UNKNOWN: sent in chunks */
    /* Called with each piece that was sent (with the framing of chunks); may be NULL. */
    void (*progress)(void *user, const char *bytes, size_t length);
    void *user;
};

struct upload_answer {
    int status;
    char *body; /* malloc, with a zero after its end; the caller frees */
    size_t length;
};

/* True when a complete answer came, whatever it says. False with a line in `error`, which holds
 * UPLOAD_ERROR_BYTES. */
bool upload_file(const struct upload_request *request, struct upload_answer *answer_out,
                 char *error);

/* Takes a complete answer off `text`: 1 when `answer_out` is filled, 0 when more must come (after
 * `is_closed` nothing does), -1 when it is no answer. Pure. */
int upload_parse_answer(const char *text, size_t length, bool is_closed,
                        struct upload_answer *answer_out);

/* Appends `text`, percent-encoded for a query. False if it does not fit. Pure. */
bool upload_append_encoded(char *target, size_t capacity, const char *text);

#endif
