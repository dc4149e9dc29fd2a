/* SPDX-License-Identifier: Apache-2.0 */
/* The trace: a running hash of every event of a run. Two runs of one seed must end in the same one,
 * so no pointer, address order or real clock may ever enter it. */
#ifndef STAMPEDE_SIM_TRACE_H
#define STAMPEDE_SIM_TRACE_H

#include <stdint.h>

#include "hash.h"

struct trace {
    uint64_t hash;
    uint64_t events;
};

enum trace_event {
    TRACE_STEP = 1,
    TRACE_SUBMIT,
    TRACE_REPLY,
    TRACE_VIEW,
    TRACE_CLOCK,
    TRACE_CRASH,
    TRACE_DIGEST,
    TRACE_JOURNAL,
};

static inline void trace_add(struct trace *trace, enum trace_event event, uint64_t a, uint64_t b)
{
    uint64_t word = hash_word(a + ((uint64_t)event << 56)) ^ hash_word(b + 0x9e3779b97f4a7c15u);

    trace->hash = hash_word(trace->hash * 3 + word);
    trace->events++;
}

#endif
