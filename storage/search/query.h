/* SPDX-License-Identifier: Apache-2.0 */
/* A query: which products have its words, and how well. Private to storage/search. */
#ifndef STAMPEDE_SEARCH_QUERY_H
#define STAMPEDE_SEARCH_QUERY_H

#include "search/index.h"

/* Memory of a reader for its queries; NULL without memory. `context` and `index` of the reader are
 * set, and stay. The thread that opens the index; nobody else knows the reader yet. */
struct query *query_create(struct index_reader *reader);

/* NULL is allowed. Before the reader's context is closed. */
void query_destroy(struct query *query);

/* Runs a query: UTF-8 of any content, at most SEARCH_TEXT_BYTES_MAX of it is looked at. The caller
 * holds the read side of the search's lock, and the reader is its own. `result_out->hits` is
 * malloc's, the caller's to free, whatever the outcome; NULL with 0 hits. FAILED: no memory, or
 * Groonga failed (`reader->context.rc`, which the caller reads and resets). */
enum search_outcome query_run(struct index_reader *reader, const char *text, size_t length,
                              struct search_result *result_out);

#endif
