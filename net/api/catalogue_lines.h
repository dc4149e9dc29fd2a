/* SPDX-License-Identifier: Apache-2.0 */
/* Of catalogue_rows.h: what is written as lines of JSON. Private to the two. */
#ifndef STAMPEDE_API_CATALOGUE_LINES_H
#define STAMPEDE_API_CATALOGUE_LINES_H

#include "api/catalogue_rows.h"

/* The stored document with a stock for each variant. */
void catalogue_write_line(struct writer *writer, const struct catalogue_row *row);

/* An action and, for a product that is shown, a flat document; one that is not is deleted. */
void catalogue_write_bulk(struct writer *writer, const struct catalogue_row *row);

/* An amount in major units, as decimals: 12.50. */
void write_major(struct writer *writer, int64_t minor, const char *currency);

#endif
