/* SPDX-License-Identifier: Apache-2.0 */
#include "marks.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>

const char *mark_text(enum mark mark)
{
    static const char *const texts[MARK_COUNT] = {
#define X(name, text) [MARK_##name] = text,
        MARKS(X)
#undef X
    };

    assert((unsigned)mark < MARK_COUNT);
    return texts[mark];
}

uint32_t marks_print(const struct marks *marks)
{
    uint32_t missing = 0;

    for (uint32_t i = 0; i < MARK_COUNT; i++) {
        printf("%12" PRIu64 "  %s\n", marks->hits[i], mark_text((enum mark)i));
        missing += marks->hits[i] == 0;
    }
    return missing;
}
