/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which of many similar cases a run takes.
 *
 * Without a sanitizer: all of them. Under one, where a case costs ten times as much and what is
 * looked for is a fault of memory or threads in the code that all cases share: one in so many; all
 * of them with STAMPEDE_TEST_FULL in the environment (scripts/test --full).
 */
#ifndef STAMPEDE_TEST_SAMPLE_H
#define STAMPEDE_TEST_SAMPLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>

#include "tsan.h"

#ifndef __has_feature
#define __has_feature(x) 0
#endif

static inline bool test_is_full(void)
{
    return getenv("STAMPEDE_TEST_FULL") != NULL;
}

/* Whether case `i` is run where one in `one_in` is. */
static inline bool test_takes(size_t i, size_t one_in)
{
#if defined(STAMPEDE_TSAN) || defined(__SANITIZE_ADDRESS__) || __has_feature(address_sanitizer)
    return i % one_in == 0 || test_is_full();
#else
    (void)i;
    (void)one_in;
    return true;
#endif
}

#endif
