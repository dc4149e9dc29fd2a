/* SPDX-License-Identifier: Apache-2.0 */
/* Which letters the search takes for which: a table, ascending by code point, made by
 * search_fold.py. Constant: any thread. */
#ifndef STAMPEDE_SEARCH_FOLD_H
#define STAMPEDE_SEARCH_FOLD_H

#include <stddef.h>
#include <stdint.h>

enum { SEARCH_FOLD_BYTES_MAX = 6 };

struct search_fold {
    uint16_t from; /* a code point */
    uint8_t length;
    char to[SEARCH_FOLD_BYTES_MAX + 1]; /* UTF-8, at least one letter */
};

extern const struct search_fold search_folds[];
extern const size_t search_fold_count;

#endif
