/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the buyers were told: one row for each attempt and one for each hold that was acknowledged,
 * with the SKUs and sessions that they refer to. All of it is address space reserved at the start
 * and touched as it fills, so that nothing is allocated while the load runs.
 */
#ifndef LOAD_ANSWERS_H
#define LOAD_ANSWERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "load_options.h"
#include "load_response.h"

enum {
    LOAD_ATTEMPTS_MAX = 32 * 1024 * 1024, /* a run ends when it has made that many */
    LOAD_HOLDS_MAX = 4 * 1024 * 1024,
    LOAD_SKUS_MAX = 1024 * 1024,
    LOAD_ID_BYTES_MAX = 63,
    LOAD_TOKEN_BYTES_MAX = 400,
    LOAD_SKU_TAIL_BYTES_MAX = 176,
};

enum load_attempt_state {
    LOAD_ATTEMPT_OPEN,    /* no final answer yet */
    LOAD_ATTEMPT_HELD,    /* 201 */
    LOAD_ATTEMPT_REFUSED, /* 409: there was nothing for this buyer */
    LOAD_ATTEMPT_FAILED,  /* another final answer; it had no effect */
    LOAD_ATTEMPT_UNKNOWN, /* no answer, or one that leaves the effect open */
    LOAD_ATTEMPT_UNSENT,  /* never left this tool */
};

struct load_attempt {
    uint64_t intended_ns; /* since the start of the run */
    uint32_t sku;
    uint16_t tries; /* times sent */
    uint16_t status;
    uint8_t state;
    bool doubtful; /* some try may have had its effect unseen */
};

/* What the sale knows of a hold after it was acknowledged. */
enum load_fate {
    LOAD_FATE_HELD,
    LOAD_FATE_CONVERTED,
    LOAD_FATE_LAPSED,
};

struct load_hold {
    char id[LOAD_ID_BYTES_MAX + 1];
    uint64_t held_ns; /* when the 201 came, since the start of the run */
    uint32_t attempt;
    uint8_t fate;
    bool leaves; /* this buyer means to let it lapse */
    bool in_books;
    uint8_t book_status; /* enum load_book_status, where it is in the books */
};

struct load_inventory {
    int64_t stock;
    int64_t available;
    int64_t reserved;
    int64_t sold;
};

struct load_sku {
    char name[LOAD_SKU_BYTES_MAX + 1];
    uint8_t tail_length;
    char tail[LOAD_SKU_TAIL_BYTES_MAX]; /* the end of a request: its length and body */
    struct load_inventory before;
    uint64_t attempts;
    uint64_t held;
    uint64_t sold_out;         /* refused for want of stock */
    uint64_t last_sold_out_ns; /* when the last of them was, since the start of the run */
    uint64_t unknown;
};

struct load_answers {
    struct load_attempt *attempts;
    uint32_t attempts_count;
    uint32_t attempts_max;
    struct load_hold *holds;
    uint32_t holds_count;
    uint32_t holds_max;
};

struct load_skus {
    struct load_sku *rows;
    uint32_t count;
    uint32_t quantity; /* units in each attempt */
};

/* The Authorization header line of each session, ready to send. */
struct load_buyers {
    char *text;
    uint32_t *offsets; /* where each line begins, and where the last ends */
    uint32_t count;
    uint32_t count_max;
};

/* Zeroed address space, committed page by page as it is touched. NULL when refused (errno). */
void *load_pages_reserve(size_t bytes);
void load_pages_release(void *pages, size_t bytes);

/* Room for that many attempts, at most LOAD_ATTEMPTS_MAX, and as many holds, at most
 * LOAD_HOLDS_MAX. */
bool load_answers_open(struct load_answers *answers, uint64_t attempts);
void load_answers_close(struct load_answers *answers);

bool load_skus_open(struct load_skus *skus, uint32_t quantity);
void load_skus_close(struct load_skus *skus);

/* False when the name is no SKU or there is no room. */
bool load_skus_add(struct load_skus *skus, const char *name, size_t length);

bool load_buyers_open(struct load_buyers *buyers, uint32_t count_max);
void load_buyers_close(struct load_buyers *buyers);

/* False when the token is empty, too long, or has characters that no token has (RFC 6750). There
 * must be room. */
bool load_buyers_add(struct load_buyers *buyers, struct load_text token);

static inline struct load_text load_buyers_header(const struct load_buyers *buyers, uint32_t buyer)
{
    uint32_t start = buyers->offsets[buyer];
    return (struct load_text){.data = buyers->text + start,
                              .length = buyers->offsets[buyer + 1] - start};
}

#endif
