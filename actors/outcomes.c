/* SPDX-License-Identifier: Apache-2.0 */
#include "outcomes.h"

#include <assert.h>

const char *outcome_name(enum outcome outcome)
{
    static const char *const names[OUTCOME_COUNT] = {
#define X(name, text) [OUTCOME_##name] = text,
        OUTCOMES(X)
#undef X
    };

    assert((unsigned)outcome < OUTCOME_COUNT);
    return names[outcome];
}
