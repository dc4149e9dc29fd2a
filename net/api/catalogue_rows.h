/* SPDX-License-Identifier: Apache-2.0 */
/* A stored product as text of a catalogue's file: rows of CSV, or lines of JSON. What is written
 * can be imported again, which changes nothing (import_merge.h). Pure, but for the writer.
 * Private to net/api. */
#ifndef STAMPEDE_API_CATALOGUE_ROWS_H
#define STAMPEDE_API_CATALOGUE_ROWS_H

#include "api/product_draft.h"

enum catalogue_format {
    CATALOGUE_CSV,
    CATALOGUE_SHOPIFY_CSV,
    CATALOGUE_NDJSON,
    CATALOGUE_BULK, /* for the _bulk call of Elasticsearch and OpenSearch */
    CATALOGUE_FORMAT_COUNT,
};

struct catalogue_row {
    const struct product_draft *draft; /* as it was read from `record` */
    const struct record *record;
    uint32_t available[PRODUCT_VARIANTS_MAX];
    struct slice index; /* CATALOGUE_BULK: its name */
};

/* The header, where the format has one. */
void catalogue_write_head(struct writer *writer, enum catalogue_format format);
void catalogue_write_product(struct writer *writer, enum catalogue_format format,
                             const struct catalogue_row *row);

#endif
