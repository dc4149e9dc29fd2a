/* SPDX-License-Identifier: Apache-2.0 */
/* Suggestions for what is typed so far. Private to storage/search. */
#ifndef STAMPEDE_SEARCH_SUGGEST_H
#define STAMPEDE_SEARCH_SUGGEST_H

#include "search/index.h"

/* As query_create and query_destroy. */
struct suggest *suggest_create(struct index_reader *reader);
void suggest_destroy(struct suggest *suggest);

/* The best first; as query_run. */
enum search_outcome suggest_run(struct index_reader *reader, const char *text, size_t length,
                                struct suggestion suggestions_out[SEARCH_SUGGESTIONS_MAX],
                                uint32_t *count_out);

#endif
