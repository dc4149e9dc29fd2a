/* SPDX-License-Identifier: Apache-2.0 */
/* The index of the search, for staff: how it is, and a new one. */
#include "api/api_shard.h"
#include "api/problems.h"

static void respond_state(struct api_call *call, int status, const struct search_port *search)
{
    struct writer writer = writer_growing();
    struct search_state state;

    search->state(search->self, &state);
    write_literal(&writer, "{\"ready\":");
    write_boolean(&writer, state.is_ready);
    write_literal(&writer, ",\"products\":");
    write_unsigned(&writer, state.products);
    write_literal(&writer, ",\"waiting\":");
    write_unsigned(&writer, state.waiting);
    write_literal(&writer, ",\"behind_ms\":");
    write_signed(&writer, state.behind_ms);
    write_literal(&writer, ",\"building\":");
    if (state.building_of == 0) {
        write_literal(&writer, "null");
    } else {
        write_literal(&writer, "{\"done\":");
        write_unsigned(&writer, state.building);
        write_literal(&writer, ",\"of\":");
        write_unsigned(&writer, state.building_of);
        write_byte(&writer, '}');
    }
    write_literal(&writer, ",\"builds\":");
    write_unsigned(&writer, state.builds);
    write_literal(&writer, ",\"disk_bytes\":");
    write_unsigned(&writer, state.disk_bytes);
    write_byte(&writer, '}');
    respond_json(call->exchange, status, &writer);
}

/* NULL: it was answered that there is none. */
static const struct search_port *search_of(struct api_call *call)
{
    const struct search_port *search = engine_search(call->shard->api->engine);

    if (search->self != NULL)
        return search;
    problem_respond(call->exchange, PROBLEM_NOT_FOUND, "This server runs without a search.");
    return NULL;
}

void api_search_state(struct api_call *call)
{
    const struct search_port *search = search_of(call);

    if (search != NULL)
        respond_state(call, 200, search);
}

void api_search_rebuild(struct api_call *call)
{
    const struct search_port *search = search_of(call);

    if (search == NULL)
        return;
    search->rebuild(search->self);
    respond_state(call, 202, search);
}
