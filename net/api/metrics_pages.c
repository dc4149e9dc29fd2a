/* SPDX-License-Identifier: Apache-2.0 */
/* /metrics of pages from memory, and of streams of stock. */
#include "api/metrics_page.h"

/* Members of struct api_counters: member, name, kind, help. */
#define PAGE_FIGURES(X)                                                                            \
    X(page_hits, "pages_hits_total", "counter",                                                    \
      "Products found in memory, for their pages and for lists")                                   \
    X(page_misses, "pages_misses_total", "counter", "Products that were not there")                \
    X(page_joins, "pages_joins_total", "counter",                                                  \
      "Of those: that waited for a read of the store which was under way")                         \
    X(page_evictions, "pages_evictions_total", "counter", "Pages that made way for others")        \
    X(page_bytes, "pages_bytes", "gauge", "Memory that pages take")                                \
    X(pages, "pages", "gauge", "Pages kept in memory")                                             \
    X(stock_streams, "stock_streams_open", "gauge", "Streams of stock (availability) open now")    \
    X(stock_rows, "stock_skus_watched", "gauge", "SKUs that they watch, each shard's counted")     \
    X(stock_renders, "stock_renders_total", "counter",                                             \
      "Changes of stock that were rendered, for all streams of a shard at once")                   \
    X(stock_events, "stock_events_total", "counter", "Events of stock given to streams")           \
    X(stock_put_off, "stock_put_off_total", "counter",                                             \
      "Times that a reader was given nothing because it had not taken what it had")                \
    X(stock_resumed, "stock_resumed_total", "counter",                                             \
      "Streams of stock that went on where an earlier one was cut off")

void metrics_write_pages(struct writer *writer, const struct api *api)
{
#define X(member, name, kind, help)                                                                \
    do {                                                                                           \
        uint64_t sum = 0;                                                                          \
        for (uint32_t i = 0; i < api->shard_count; i++)                                            \
            sum += counter_read(&api->shards[i].counters.member);                                  \
        write_figure(writer, name, kind, help, (int64_t)sum);                                      \
    } while (0);
    PAGE_FIGURES(X)
#undef X
}
