/* SPDX-License-Identifier: Apache-2.0 */
/* NDJSON: a product a line, in the API's form (docs/openapi.yaml, ProductReplace, with its `id`).
 * What a line does not say of a product is gone from it, as with PUT. A line that cannot be taken
 * is refused by itself. Private to net/api. */
#ifndef STAMPEDE_API_IMPORT_LINES_H
#define STAMPEDE_API_IMPORT_LINES_H

#include "api/import_rows.h"

/* A document, and what an exported line has beside it: a stock for each variant. */
enum { IMPORT_LINE_BYTES_MAX = 2 * PRODUCT_DOCUMENT_BYTES_MAX };

struct import_lines {
    /* A line without its end; NULL: it is longer than IMPORT_LINE_BYTES_MAX. Blank ones are counted
     * only. Returns false to stop the feed after it. */
    bool (*on_line)(void *user, uint64_t number, const char *text, size_t length);
    void *user;
    uint64_t number;
    bool is_too_long;
    bool has_bytes; /* of the line in hand, kept or not */
    uint32_t used;
    char text[IMPORT_LINE_BYTES_MAX];
};

void import_lines_init(struct import_lines *lines,
                       bool (*on_line)(void *user, uint64_t number, const char *text,
                                       size_t length),
                       void *user);

/* As csv_feed and csv_finish. */
size_t import_lines_feed(struct import_lines *lines, const char *data, size_t length);
void import_lines_finish(struct import_lines *lines);

/* Takes a line: calls on_product of the rows, or on_refused with each thing that is wrong. The
 * memory is for lines of IMPORT_LINE_BYTES_MAX. */
void import_line_take(struct import_rows *rows, struct json_memory memory, uint64_t number,
                      const char *text, size_t length);

#endif
