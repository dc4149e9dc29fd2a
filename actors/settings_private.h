/* SPDX-License-Identifier: Apache-2.0 */
/* What settings*.c share and nobody else needs. */
#ifndef STAMPEDE_SETTINGS_PRIVATE_H
#define STAMPEDE_SETTINGS_PRIVATE_H

#include "settings.h"

/* The rows of one kind: each begins with its struct setting_common. */
struct settings_table {
    uint8_t *rows;
    uint32_t *count;
    uint32_t row_bytes;
    uint32_t rows_max;
};

struct settings_table settings_table_of(struct settings_view *view, enum setting_kind kind);
struct setting_common *settings_row_at(const struct settings_table *table, uint32_t index);
/* NULL: there is none of this number. */
struct setting_common *settings_row(const struct settings_table *table, uint32_t number);

struct pricing_tax_rate settings_rate_of(const struct setting_tax_rate *row);
/* Replaces the row of its number, or adds it: there is room. */
void settings_put_row(struct settings_view *view, enum setting_kind kind,
                      const struct setting_record *row);
void settings_remove_row(struct settings_view *view, enum setting_kind kind, uint32_t number);

#endif
