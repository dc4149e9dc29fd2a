/* SPDX-License-Identifier: Apache-2.0 */
/* An import under way: between import.c (the call and its answer) and import_run.c (products on
 * their way). Private to the two. */
#ifndef STAMPEDE_API_IMPORT_PRIVATE_H
#define STAMPEDE_API_IMPORT_PRIVATE_H

#include "api/import_lines.h"
#include "api/import_merge.h"
#include "api/import_rows.h"
#include "api/stored.h"

enum {
    IMPORT_NOTES_MAX = 100, /* errors, and warnings, that are told; all are counted */
    /* A piece of the body that could not be parsed, and what still comes after a pause. */
    IMPORT_INPUT_BYTES_MAX = 192 * 1024,
    IMPORT_PARAMETER_MAX = IMPORT_MAPPING_BYTES_MAX,
    IMPORT_FLIGHT_BYTES_MAX = 8 * 1024 * 1024, /* of products under way, beside the last one */
    IMPORT_READS_MAX = 48,                     /* of stored products, at once */
    IMPORT_TRIES_MAX = 64, /* of a product that others change at the same time */
    /* The directory's shard takes so many products at once, from all: who is refused sends fewer.
     */
    IMPORT_SEND_MIN = 8,
    IMPORT_PATIENCE_MS = 5000, /* without any product that was taken */
};

enum import_format { IMPORT_CSV, IMPORT_SHOPIFY_CSV, IMPORT_NDJSON };

enum import_step {
    IMPORT_READING,
    IMPORT_LAST_ROW, /* the body is complete: what has no newline is a row too */
    IMPORT_FLUSHING, /* and the product being gathered is complete */
    IMPORT_WAITING,  /* for products under way */
    IMPORT_ENDED,    /* answered, or nobody is there to be answered */
};

struct import_note {
    uint64_t row_number; /* first: compare_notes reads it */
    char field[40];
    char message[IMPORT_MESSAGE_LENGTH_MAX + 1];
};

struct import_notes {
    uint32_t count;
    struct import_note notes[IMPORT_NOTES_MAX];
};

/* A product on its way to its partition; one block with its text. */
struct import_put {
    struct import *import;
    struct import_put *next; /* of those that are to be gone on with */
    /* Made, to be sent; NULL: to be made, of what is stored. */
    struct product_envelope *envelope;
    size_t bytes; /* of this block */
    uint32_t tries;
    uint32_t refused_count; /* of its rows, so far */
    bool is_new;            /* nothing was stored when it was made */
    struct import_product product;
};

struct import {
    struct api_shard *shard;
    uint64_t exchange_cookie;
    struct origin origin;
    unsigned slot;
    enum import_format format;
    enum import_step step;
    bool is_complete; /* the body has come to its end */
    bool has_begun;   /* its first bytes were looked at */
    bool has_header;
    bool dry_run;
    enum stock_mode stock_mode;
    enum outcome abort_outcome; /* it cannot go on: OK: it can */
    uint32_t in_flight;         /* products under way, in `ready` or not */
    uint32_t reads;             /* of them: that are being read */
    uint32_t sent;              /* of them: that the engine has */
    uint32_t send_max;          /* how many it may have: from IMPORT_SEND_MIN to IMPORT_WINDOW */
    int64_t taken_boot_ms;      /* when the last one was */
    size_t flight_bytes;
    struct import_put *ready_first; /* refused by the engine for the moment, or to be begun */
    struct import_put *ready_last;

    uint64_t created;
    uint64_t updated;
    uint64_t unchanged;
    uint64_t rejected;
    uint64_t warnings;
    uint64_t rejected_last; /* the row: a line may have several errors */
    struct json_memory json;
    struct import_lines *lines; /* NDJSON only */

    uint32_t input_used;
    struct import_notes errors;
    struct import_notes warned;
    char input[IMPORT_INPUT_BYTES_MAX];
    struct product_draft stored; /* of one step */
    struct product_draft merged;
    struct import_rows rows;
    struct csv_parser csv;
};

/* ---- import_run.c ---- */

/* Goes on as far as it can; may end the import. */
void import_pump(struct import *import);
/* Ends it; its memory goes with the last product under way. */
void import_end(struct import *import);
/* The rows' callback. */
void import_take_product(void *user, const struct import_product *product);

/* ---- import.c ---- */

void import_note_error(struct import *import, uint64_t row_number, const char *field,
                       const char *message);
/* Parses what waits in `input`. */
void import_feed(struct import *import);
void import_finish_input(struct import *import);
/* Answers with what was done, or with why it cannot go on (what was done stands, and the file can
 * be sent again), and ends it. */
void import_finish(struct import *import);
void import_abort(struct import *import, enum outcome outcome);
struct http_exchange *import_exchange(const struct import *import);

#endif
