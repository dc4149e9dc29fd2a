/* SPDX-License-Identifier: Apache-2.0 */
/* What is left, straight from the gates: no message, no record. */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "api/availability.h"
#include "api/event_stream.h"
#include "api/request.h"
#include "api/stock_stream.h"

enum {
    /* `low`: at most so many units, or so many per cent of the stock. */
    LOW_UNITS = 5,
    LOW_PER_CENT = 10,
};

struct stock_shown stock_look(const struct sku_entry *entry)
{
    struct availability availability = sku_availability(entry);
    struct stock_shown shown = {.available = availability.available, .level = STOCK_IN};
    uint64_t low = (uint64_t)availability.stock * LOW_PER_CENT / 100;

    if (low < LOW_UNITS)
        low = LOW_UNITS;
    if (!sku_entry_is_on_sale(entry))
        shown.available = 0; /* there may be units, but nobody can have them */
    if (shown.available == 0)
        shown.level = STOCK_OUT;
    else if (shown.available <= low)
        shown.level = STOCK_LOW;
    return shown;
}

void write_availability(struct writer *writer, const struct sku_entry *entry,
                        const struct stock_shown *shown, bool is_exact)
{
    static const char *const levels[] = {
        [STOCK_OUT] = "out", [STOCK_LOW] = "low", [STOCK_IN] = "in_stock"};

    write_literal(writer, "{\"sku\":\"");
    write_bytes(writer, entry->sku, entry->sku_length);
    write_literal(writer, "\",\"available\":");
    if (is_exact)
        write_unsigned(writer, shown->available);
    else
        write_literal(writer, "null");
    write_literal(writer, ",\"level\":\"");
    write_text(writer, levels[shown->level]);
    write_literal(writer, "\"}");
}

static void write_now(struct writer *writer, const struct api *api, const struct sku_entry *entry)
{
    struct stock_shown shown = stock_look(entry);

    write_availability(writer, entry, &shown, api->options.availability_exact);
}

/* A reader of a stream that was interrupted: one SKU that was withdrawn meanwhile is told to be
 * `out`, and the others go on. */
static bool comes_back(struct api_call *call)
{
    return http_exchange_header(call->exchange, HTTP_HEADER_LAST_EVENT_ID).data != NULL &&
           event_stream_is_wanted(call);
}

void api_availability_get(struct api_call *call)
{
    struct sku_entry *entry;

    if (!request_path_sku(call, &entry))
        return;
    if (!sku_entry_is_on_sale(entry) && !comes_back(call)) {
        problem_respond(call->exchange, PROBLEM_NOT_FOUND, "There is no such SKU.");
        return;
    }
    if (event_stream_is_wanted(call)) {
        stock_stream_start(call, (const struct sku_entry *const[]){entry}, 1);
        return;
    }
    http_exchange_cache(call->exchange, HTTP_CACHE_NO_STORE);
    char *memory = http_body_begin(call->exchange, 200, "application/json", AVAILABILITY_BYTES_MAX);
    if (memory == NULL)
        return;
    struct writer writer = writer_fixed(memory, AVAILABILITY_BYTES_MAX);
    write_now(&writer, call->shard->api, entry);
    http_body_commit(call->exchange, writer_length(&writer));
}

/* Finds the SKUs asked for; their number, or 0 after having answered. */
static unsigned find_skus(struct api_call *call, const struct sku_entry *entries_out[])
{
    const struct directory *directory = shard_directory(call->shard->shard);
    struct validation validation;
    char sku[SKU_LENGTH_MAX + 1];
    char detail[SKU_LENGTH_MAX + 32];

    validation_init(&validation);
    request_check_query(call, &validation, (const char *const[]){"sku", NULL}, "sku");
    for (unsigned count = 0; validation.count == 0; count++) {
        int length = http_query_parameter(call->exchange, "sku", count, sku, sizeof(sku));
        if (length == HTTP_ABSENT && count > 0)
            return count;
        if (length == HTTP_ABSENT || count == AVAILABILITY_SKUS_MAX) {
            validation_add(&validation, FIELD("sku"), "must be given 1 to %d times",
                           (int)AVAILABILITY_SKUS_MAX);
        } else if (length < 0 || !sku_is_valid(sku, (size_t)length)) {
            validation_add(&validation, FIELD("sku"),
                           "must be 1 to 64 of letters, digits and . _ - / :");
        } else {
            entries_out[count] = comes_back(call)
                                     ? directory_find_sku_recorded(directory, sku, (size_t)length)
                                     : directory_find_sku(directory, sku, (size_t)length);
            if (entries_out[count] == NULL) {
                snprintf(detail, sizeof(detail), "There is no SKU %s.", sku);
                problem_respond(call->exchange, PROBLEM_NOT_FOUND, detail);
                return 0;
            }
        }
    }
    validation_respond(&validation, call->exchange);
    return 0;
}

void api_availability_list(struct api_call *call)
{
    const struct sku_entry *entries[AVAILABILITY_SKUS_MAX];
    unsigned count = find_skus(call, entries);

    if (count == 0)
        return;
    if (event_stream_is_wanted(call)) {
        stock_stream_start(call, entries, count);
        return;
    }
    size_t bytes_max = 32 + (size_t)count * AVAILABILITY_BYTES_MAX;
    http_exchange_cache(call->exchange, HTTP_CACHE_NO_STORE);
    char *memory = http_body_begin(call->exchange, 200, "application/json", bytes_max);
    if (memory == NULL)
        return;
    struct writer writer = writer_fixed(memory, bytes_max);
    write_literal(&writer, "{\"data\":[");
    for (unsigned i = 0; i < count; i++) {
        if (i > 0)
            write_byte(&writer, ',');
        write_now(&writer, call->shard->api, entries[i]);
    }
    write_literal(&writer, "]}");
    http_body_commit(call->exchange, writer_length(&writer));
}
