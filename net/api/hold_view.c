/* SPDX-License-Identifier: Apache-2.0 */
#include "api/hold_view.h"

#include <assert.h>
#include <string.h>

#include "api/keyed.h"

const char *hold_status(enum hold_state state)
{
    switch (state) {
    case HOLD_HELD:
    case HOLD_CAPTURING:
    case HOLD_CONVERTED:
    case HOLD_RELEASED:
    case HOLD_EXPIRED:
        return hold_state_name(state);
    case HOLD_INTENT:
    case HOLD_PREPARED:
    case HOLD_ABORTED:
    case HOLD_STATE_COUNT:
        break;
    }
    return NULL;
}

static void write_lines(struct writer *writer, struct api_shard *shard,
                        const struct hold_view *hold)
{
    const struct directory *directory = shard_directory(shard->shard);

    write_literal(writer, ",\"items\":[");
    for (uint32_t i = 0; i < hold->line_count; i++) {
        const struct sku_entry *entry = directory_find_sku_id(directory, hold->lines[i].sku_id);
        assert(entry != NULL); /* a held SKU is in the directory, for ever */
        if (i > 0)
            write_byte(writer, ',');
        write_literal(writer, "{\"sku\":\"");
        write_bytes(writer, entry->sku, entry->sku_length);
        write_literal(writer, "\",\"quantity\":");
        write_unsigned(writer, hold->lines[i].quantity);
        write_byte(writer, '}');
    }
    write_byte(writer, ']');
}

/* `id` is the hold's ID as text. */
static void write_hold_of_id(struct writer *writer, struct api_shard *shard,
                             const struct hold_view *hold, enum hold_shape shape, const char *id)
{
    enum hold_state state = shape == HOLD_SHAPE_CREATED ? HOLD_HELD : (enum hold_state)hold->state;
    const char *status = hold_status(state);
    char principal[PRINCIPAL_TEXT_LENGTH + 1];

    assert(status != NULL);
    write_literal(writer, "{\"id\":\"");
    write_bytes(writer, id, RESERVATION_ID_LENGTH);
    write_literal(writer, "\",\"status\":\"");
    write_text(writer, status);
    write_byte(writer, '"');
    write_lines(writer, shard, hold);
    if (shape == HOLD_SHAPE_ADMIN) {
        principal_format(&hold->principal, principal);
        write_literal(writer, ",\"principal\":\"");
        write_bytes(writer, principal, PRINCIPAL_TEXT_LENGTH);
        write_literal(writer, "\",\"created_at\":");
        write_json_time(writer, hold->id.created_ms);
    }
    write_literal(writer, ",\"expires_at\":");
    write_json_time(writer, hold->deadline_wall_ms);
    if (shape != HOLD_SHAPE_ADMIN) {
        write_literal(writer, ",\"ttl_ms\":");
        write_unsigned(writer, state == HOLD_HELD ? hold->ttl_ms : 0);
    }
    write_literal(writer, ",\"fence\":");
    write_unsigned(writer, hold->fence);
    if (shape != HOLD_SHAPE_CREATED) {
        write_literal(writer, ",\"extensions\":");
        write_unsigned(writer, hold->extensions);
    }
    write_byte(writer, '}');
}

void write_hold(struct writer *writer, struct api_shard *shard, const struct hold_view *hold,
                enum hold_shape shape)
{
    char id[RESERVATION_ID_LENGTH + 1];

    engine_reservation_id(shard->api->engine, &hold->id, id);
    write_hold_of_id(writer, shard, hold, shape, id);
}

void keyed_answer_hold(struct api_shard *shard, struct keyed_entry *entry,
                       struct http_exchange *exchange, const struct hold_view *hold)
{
    char body[HOLD_FIXED_BYTES_MAX + RESERVATION_LINES_MAX * HOLD_LINE_BYTES_MAX];
    struct writer writer = writer_fixed(body, sizeof(body));

    write_hold(&writer, shard, hold, HOLD_SHAPE_OWN);
    keyed_answer(shard, entry, exchange, 200, NULL, body, writer_length(&writer));
}

void respond_hold(struct api_shard *shard, struct http_exchange *exchange,
                  const struct hold_view *hold)
{
    size_t bytes_max = hold_bytes_max(hold->line_count);
    char *memory = http_body_begin(exchange, 200, "application/json", bytes_max);

    if (memory == NULL)
        return;
    struct writer writer = writer_fixed(memory, bytes_max);
    write_hold(&writer, shard, hold, HOLD_SHAPE_OWN);
    http_body_commit(exchange, writer_length(&writer));
}

void respond_created_hold(struct api_shard *shard, struct http_exchange *exchange,
                          const struct hold_view *hold, bool is_replayed)
{
    static const char path[] = "/v1/reservations/";
    char location[sizeof(path) + RESERVATION_ID_LENGTH];
    char *id = location + sizeof(path) - 1; /* twice in the answer, made once */
    size_t bytes_max = hold_bytes_max(hold->line_count);

    memcpy(location, path, sizeof(path));
    engine_reservation_id(shard->api->engine, &hold->id, id);
    http_header_add(exchange, "Location", location);
    if (is_replayed)
        http_header_add(exchange, "Idempotent-Replayed", "true");
    char *memory = http_body_begin(exchange, 201, "application/json", bytes_max);
    if (memory == NULL)
        return;
    struct writer writer = writer_fixed(memory, bytes_max);
    write_hold_of_id(&writer, shard, hold, HOLD_SHAPE_CREATED, id);
    http_body_commit(exchange, writer_length(&writer));
}
