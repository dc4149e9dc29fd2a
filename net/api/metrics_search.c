/* SPDX-License-Identifier: Apache-2.0 */
/* /metrics of the search: what its index holds, and how far behind it is. */
#include "api/metrics_page.h"

void metrics_write_search(struct writer *writer, const struct api *api)
{
    const struct search_port *search = engine_search(api->engine);
    struct search_state state;

    if (search->self == NULL)
        return;
    search->state(search->self, &state);
    write_figure(writer, "search_ready", "gauge", "Whether there is an index to search in",
                 state.is_ready);
    write_figure(writer, "search_products", "gauge", "Products in the index of the search",
                 (int64_t)state.products);
    write_figure(writer, "search_waiting", "gauge",
                 "Products that have changed, and are not in the index as they are now",
                 (int64_t)state.waiting);
    write_type(writer, "search_behind_seconds", "gauge",
               "For how long the oldest of these changes has waited; 0: none does");
    write_literal(writer, "stampede_search_behind_seconds ");
    write_seconds(writer, (uint64_t)state.behind_ms * 1000000);
    write_byte(writer, '\n');
    write_figure(writer, "search_building_products", "gauge",
                 "Of a new index that is being built, what it has taken in",
                 (int64_t)state.building);
    write_figure(writer, "search_building_of_products", "gauge",
                 "And of how many, about; 0: none is being built", (int64_t)state.building_of);
    write_figure(writer, "search_builds_total", "counter", "Indexes that were built",
                 (int64_t)state.builds);
    write_figure(writer, "search_disk_bytes", "gauge", "What the index has of the disk",
                 (int64_t)state.disk_bytes);
}
