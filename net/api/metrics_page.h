/* SPDX-License-Identifier: Apache-2.0 */
/* Between the files that write /metrics. Private to net/api. */
#ifndef STAMPEDE_API_METRICS_PAGE_H
#define STAMPEDE_API_METRICS_PAGE_H

#include "api/api_shard.h"

/* The two lines before a metric's samples; `name` is without its prefix. */
void write_type(struct writer *writer, const char *name, const char *kind, const char *help);
/* A metric that is one number: these two lines and the sample. */
void write_figure(struct writer *writer, const char *name, const char *kind, const char *help,
                  int64_t value);
/* Nanoseconds as seconds, to the last digit. */
void write_seconds(struct writer *writer, uint64_t ns);

/* ---- metrics_http.c ---- */

void metrics_write_requests(struct writer *writer, const struct api *api);
void metrics_write_latencies(struct writer *writer, const struct api *api);
void metrics_write_http(struct writer *writer, const struct api *api);

/* ---- metrics_finding.c ---- */

void metrics_write_findings(struct writer *writer, const struct api *api);

/* ---- metrics_search.c ---- */

void metrics_write_search(struct writer *writer, const struct api *api);

/* ---- metrics_gateways.c ---- */

void metrics_write_gateways(struct writer *writer, const struct api *api);
/* Webhooks of gateways. */
void metrics_write_events_in(struct writer *writer, const struct api *api);

/* Pages from memory, and streams of events (metrics_pages.c). */
void metrics_write_pages(struct writer *writer, const struct api *api);

/* What became of orders and payments (metrics_orders.c). */
void write_orders(struct writer *writer, const struct api *api);

#endif
