/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the buyers of a sale do with what they hold: check it out and pay for it, by the sandbox.
 *
 * One card in DECLINED_ONE_IN is declined at first, by the seed; that buyer pays with another.
 * What is lost is asked again: the checkout with its key, the payment as it is. One thread, the
 * run's.
 */
#ifndef LOAD_PURCHASE_H
#define LOAD_PURCHASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "load_admin.h"
#include "load_proof.h"
#include "load_run.h"

struct load_purchase {
    char order_id[LOAD_ID_BYTES_MAX + 1]; /* empty: no order yet */
    int64_t total_minor;
    bool will_be_declined; /* the card that is tried first */
    bool is_paid;          /* seen confirmed */
    bool in_books;
};

struct load_purchases {
    struct load_run *run;
    const struct load_options *options;
    struct load_purchase *rows; /* one for each of the run's holds */
    uint32_t rows_max;
    uint32_t open; /* begun, without an end */
    int64_t paid;
    uint64_t declined;
    uint64_t refused; /* the hold had ended */
    uint64_t failed;  /* an answer that makes no sense, or none in the end */
    int64_t revenue_minor;
};

/* False when memory is short. `run` must outlive it. */
bool load_purchases_open(struct load_purchases *purchases, struct load_run *run,
                         const struct load_options *options);
void load_purchases_close(struct load_purchases *purchases);

/* The buyer of that hold goes to the checkout when `delay_ns` have passed. */
void load_purchase_begin(struct load_purchases *purchases, uint32_t hold, uint64_t delay_ns,
                         uint64_t now_ns);

/* For struct load_run_hooks, by tags of LOAD_TAG_BUY; `context` are the purchases. */
size_t load_purchase_render(void *context, uint64_t tag, char *target);
void load_purchase_answered(void *context, uint64_t tag, const struct load_response *response,
                            uint64_t now_ns);
void load_purchase_lost(void *context, uint64_t tag, uint64_t now_ns);

/* Compares with the orders in the server's books. False: they cannot be read, see admin->error. */
bool load_purchases_check(struct load_purchases *purchases, struct load_admin *admin,
                          struct load_verdict *verdict);

#endif
