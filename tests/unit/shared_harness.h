/* SPDX-License-Identifier: Apache-2.0 */
/* One server for a whole group of tests. */
#ifndef STAMPEDE_TEST_SHARED_HARNESS_H
#define STAMPEDE_TEST_SHARED_HARNESS_H

#include "http_harness.h"

static struct harness *shared;

static inline int start_shared(void **state)
{
    (void)state;
    shared = harness_new();
    harness_start(shared);
    return 0;
}

static inline int stop_shared(void **state)
{
    (void)state;
    harness_stop(shared);
    return 0;
}

#endif
