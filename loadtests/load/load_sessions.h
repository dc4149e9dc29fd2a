/* SPDX-License-Identifier: Apache-2.0 */
/* Guest sessions for the buyers, opened before a run. */
#ifndef LOAD_SESSIONS_H
#define LOAD_SESSIONS_H

#include <stdbool.h>
#include <stddef.h>

#include "load_answers.h"
#include "load_client.h"
#include "load_options.h"

enum {
    LOAD_SESSIONS_ERROR_BYTES_MAX = 256,
};

struct load_sessions_error {
    bool unreachable; /* the connection was at fault, not the answer */
    char text[LOAD_SESSIONS_ERROR_BYTES_MAX];
};

/* Fills `buyers` by POST /v1/sessions; false with the reason. */
bool load_sessions_open(struct load_buyers *buyers, const struct load_options *options,
                        const struct load_address *address, struct load_sessions_error *error_out);

#endif
