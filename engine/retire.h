/* SPDX-License-Identifier: Apache-2.0 */
/* Memory that readers may still see. Private to engine/. */
#ifndef STAMPEDE_RETIRE_H
#define STAMPEDE_RETIRE_H

#include <stdbool.h>
#include <stdint.h>

#include "shop_limits.h"

enum { RETIRED_MAX = 64 };

/* Freed when every shard has passed two ticks. */
struct retired {
    void (*release)(void *memory);
    void *memory;
    bool is_directory; /* workers may see it, too: freed when none is at work that began before */
    uint64_t ticks[SHARDS_MAX];
};

#endif
