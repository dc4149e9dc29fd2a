/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The proof: what the buyers were told, against what the server's books say, by the admin API
 * alone and with arithmetic of its own.
 *
 *  - Every acknowledged reservation is in the books, with the SKU and quantity that was asked for.
 *  - Every reservation that is new in the books was acknowledged, or belongs to an attempt whose
 *    answer was lost; no reservation was acknowledged to two attempts.
 *  - For each SKU: stock = available + reserved + sold, none negative; reserved is the sum of the
 *    held entries; sold grew by the sum of the converted ones; together they are within the stock.
 *  - No buyer was refused for want of stock while a unit stayed unsold, where none came back.
 *
 * The books are read before the run, so that what was there before is told apart. A hold that
 * lapses between two reads of the books looks like a contradiction: the proof is then tried again.
 */
#ifndef LOAD_PROOF_H
#define LOAD_PROOF_H

#include <stdbool.h>
#include <stdint.h>

#include "load_admin.h"
#include "load_answers.h"
#include "load_index.h"
#include "load_run.h"

enum {
    LOAD_CHECKS_MAX = 24,
    LOAD_CHECK_NAME_BYTES_MAX = 64,
    LOAD_CHECK_DETAIL_BYTES_MAX = 160,
    LOAD_PROBLEMS_MAX = 12, /* examples told in full; all are counted */
    LOAD_PROBLEM_BYTES_MAX = 240,
};

struct load_check {
    bool ok;
    char name[LOAD_CHECK_NAME_BYTES_MAX];
    char detail[LOAD_CHECK_DETAIL_BYTES_MAX];
};

struct load_verdict {
    struct load_check checks[LOAD_CHECKS_MAX];
    uint32_t checks_count;
    char problems[LOAD_PROBLEMS_MAX][LOAD_PROBLEM_BYTES_MAX];
    uint64_t problems_count;
    bool ok;
};

/* A verdict without checks, which holds. */
void load_verdict_clear(struct load_verdict *verdict);

/* Adds a check; gives back `ok`. */
bool load_verdict_check(struct load_verdict *verdict, bool ok, const char *name, const char *format,
                        ...) __attribute__((format(printf, 4, 5)));

/* Adds an example of what is wrong. */
void load_verdict_problem(struct load_verdict *verdict, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* What the proof found out, summed over all SKUs. */
struct load_proof_totals {
    int64_t acknowledged; /* reservations answered with 201 */
    int64_t acknowledged_units;
    int64_t lost;           /* acknowledged, but not in the books */
    int64_t unacknowledged; /* in the books, answer lost */
    int64_t live_units;     /* new in the books: held */
    int64_t converted_units;
    int64_t ended_units;    /* released or expired */
    int64_t oversold_units; /* beyond the stock, by entries rather than counters */
    struct load_inventory books;
};

struct load_proof_row;

struct load_proof {
    struct load_admin *admin;
    struct load_skus *skus;
    struct load_index sku_rows;
    struct load_index earlier; /* IDs in the books before the run; 1: was converted then */
    char **earlier_ids;
    uint32_t earlier_count;
    uint32_t earlier_capacity;
    struct load_proof_row *rows; /* one for each SKU */
    struct load_proof_totals totals;
};

/* Reads the books before the run. False: they cannot be read, see admin->error. */
bool load_proof_begin(struct load_proof *proof, struct load_admin *admin, struct load_skus *skus);

/* Compares after the run (settled) and adds the checks. False: the books cannot be read. */
bool load_proof_finish(struct load_proof *proof, struct load_run *run,
                       struct load_verdict *verdict);

void load_proof_close(struct load_proof *proof);

/* The checks that the answers alone allow: for runs without the admin key, and part of all. */
void load_proof_check_answers(const struct load_run *run, struct load_verdict *verdict);

#endif
