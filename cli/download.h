/* SPDX-License-Identifier: Apache-2.0 */
/* One HTTP/1.1 exchange that writes what a server answers into a file, piece by piece: of any size,
 * in bounded memory. */
#ifndef STAMPEDE_DOWNLOAD_H
#define STAMPEDE_DOWNLOAD_H

#include <stdint.h>

#include "upload.h"

struct download_request {
    const struct address *address;
    const char *ca_file; /* as of uploads */
    const char *target;  /* path and query */
    const char *bearer;  /* NULL: none */
    int file;            /* takes the body of a 200 */
    /* Called with each piece of the body; may be NULL. */
    void (*progress)(void *user, const char *bytes, size_t length);
    void *user;
};

/* True when a complete answer came: a 200 is in the file, and `answer_out` has no body; of any
 * other, it has. False with a line in `error`, which holds UPLOAD_ERROR_BYTES; the file may have a
 * part then. Blocks. */
bool download_file(const struct download_request *request, struct upload_answer *answer_out,
                   char *error);

/* ---- chunks (RFC 9112, 7.1), for the tests too ---- */

struct download_piece {
    const char *text;
    size_t length;
};

enum chunk_state {
    CHUNK_SIZE,
    CHUNK_EXTENSION, /* what follows a size, to the end of its line */
    CHUNK_DATA,
    CHUNK_DATA_END, /* the line end after it */
    CHUNK_TRAILER,  /* lines after the last one, until an empty one */
    CHUNK_DONE,
    CHUNK_BROKEN,
};

struct chunk_reader {
    enum chunk_state state;
    uint64_t left;     /* of the chunk */
    unsigned digits;   /* of its size */
    bool line_is_used; /* CHUNK_TRAILER: something stands on the line */
};

/* Takes bytes off `text`; `data_out` gets those of them that are the body's, within `text`. Returns
 * how many were taken; 0 once it is done or broken. Pure. */
size_t chunk_reader_take(struct chunk_reader *reader, const char *text, size_t length,
                         struct download_piece *data_out);

#endif
