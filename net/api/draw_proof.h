/* SPDX-License-Identifier: Apache-2.0 */
/* The document by which a drop's draw is proven (GET /v1/drops/{id}/proof; its form stands in
 * docs/fair-draw.md): written in pieces, so that nobody needs memory for all of it, and read as
 * strictly as it is written: every member, each once, none besides, one spelling of each value.
 * Any thread that owns the memory. */
#ifndef STAMPEDE_API_DRAW_PROOF_H
#define STAMPEDE_API_DRAW_PROOF_H

#include "api/render.h"
#include "draw_check.h"

/* What the order is for, and the document's word. */
#define DRAW_MODES(X)                                                                              \
    X(SHUFFLE, "shuffle") /* places in a queue */                                                  \
    X(DRAW, "draw")       /* the first win */

enum draw_mode {
#define X(name, word) DRAW_MODE_##name,
    DRAW_MODES(X)
#undef X
        DRAW_MODE_COUNT
};

enum {
    /* A line an entry in each list; room for another's spaces between them. */
    DRAW_PROOF_BYTES_MAX = 2 * DRAW_ENTRIES_MAX * (2 * DRAW_ENTRY_BYTES + 16) + 8192,
    DRAW_PROOF_PIECE_MIN = 2048,
    DRAW_PROOF_ERROR_MAX = 240,
};

/* ---- writing ---- */

struct draw_proof_source {
    struct draw_terms terms;
    enum draw_mode mode;
    uint32_t winners;     /* DRAW: places that win, at least 1 */
    int64_t closed_at_ms; /* wall clock: when the list closed */
    uint8_t seed[DRAW_SEED_BYTES];
    uint8_t seed_hash[DRAW_HASH_BYTES];
    uint8_t list_hash[DRAW_HASH_BYTES];
    const struct draw_entry *entries; /* the list */
    const uint32_t *order;            /* numbers of entries, the first place first */
    uint32_t count;
    uint64_t lines; /* written so far; from 0 */
};

/* Writes the next piece, of at most `size` bytes (DRAW_PROOF_PIECE_MIN at least), and returns its
 * length; 0: the document has been written. */
size_t draw_proof_write(struct draw_proof_source *source, char *bytes, size_t size);

/* ---- reading ---- */

struct draw_proof_document {
    struct draw_proof proof; /* its pointers are into the document */
    enum draw_mode mode;
    uint32_t winners; /* 0 where mode is not DRAW */
    char closed_at[RENDER_TIME_LENGTH + 1];
    char drop[DRAW_DROP_LENGTH_MAX + 1];
    char public_source[DRAW_PUBLIC_LENGTH_MAX + 1];
    char public_value[DRAW_PUBLIC_LENGTH_MAX + 1];
    struct draw_entry *lists; /* owned */
};

/* Reads a document of at most DRAW_PROOF_BYTES_MAX bytes; draw_proof_free it. False, with nothing
 * to free: a line in `error` says what is wrong and where. Needs up to 13 times the length of
 * memory while it reads. Nothing is proven by it: that is draw_check's. */
bool draw_proof_read(const char *text, size_t length, struct draw_proof_document *document_out,
                     char error[DRAW_PROOF_ERROR_MAX]);
void draw_proof_free(struct draw_proof_document *document);

/* Reads 2 * `count` hexadecimal digits in small letters. */
bool draw_hex_read(const char *text, size_t length, uint8_t *bytes_out, size_t count);

#endif
