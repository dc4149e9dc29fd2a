/* SPDX-License-Identifier: Apache-2.0 */
/* Between the files that write /metrics. Private to net/api. */
#ifndef STAMPEDE_API_METRICS_PAGE_H
#define STAMPEDE_API_METRICS_PAGE_H

#include "api/api_shard.h"

/* The two lines before a metric's samples; `name` is without its prefix. */
void write_type(struct writer *writer, const char *name, const char *kind, const char *help);

/* What became of orders and payments (metrics_orders.c). */
void write_orders(struct writer *writer, const struct api *api);

#endif
