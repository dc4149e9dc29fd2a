/* SPDX-License-Identifier: Apache-2.0 */
/* `stampede repair`: what to do when a store refuses to open because its journal is damaged or
 * holds less than the watermark says. It works on a copy, says what would be lost, and replaces the
 * journal only at the operator's word. */
#ifndef STAMPEDE_REPAIR_H
#define STAMPEDE_REPAIR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct repair_options {
    const char *path; /* the data folder */
    bool accept_loss; /* go on with what can be recovered */
    int64_t wall_ms;  /* now: names the folders that are kept */
};

enum repair_result {
    REPAIR_OK = 0,      /* nothing to repair, or repaired */
    REPAIR_NEEDED = 1,  /* damaged; printed what is doubtful; nothing was changed */
    REPAIR_REFUSED = 2, /* it could not be examined or repaired: `error` says why */
};

/* Examines the store, prints what it finds to `out`, and repairs it if told to. The damaged journal
 * stays beside the new one as `journal.damaged-<time>`. The result is the exit status. */
enum repair_result repair_store(const struct repair_options *options, FILE *out, char *error,
                                size_t error_size);

#endif
