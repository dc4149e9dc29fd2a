/* SPDX-License-Identifier: Apache-2.0 */
/* Stock for staff: the books of a SKU, corrections, the ledger. */
#include <assert.h>
#include <string.h>

#include "api/log.h"
#include "api/request.h"
#include "api/stored.h"

enum {
    /* {"sku":"…","stock":…,"available":…,"reserved":…,"sold":…} */
    STOCK_BYTES_MAX = SKU_LENGTH_MAX + 160,
    ADJUST_BYTES_MAX = REASON_LENGTH_MAX + 32,
};

static void write_stock(struct writer *writer, struct api_shard *shard,
                        const struct stock_view *stock)
{
    const struct sku_entry *entry =
        directory_find_sku_id(shard_directory(shard->shard), stock->sku_id);

    assert(entry != NULL);
    write_literal(writer, "{\"sku\":\"");
    write_bytes(writer, entry->sku, entry->sku_length);
    write_literal(writer, "\",\"stock\":");
    write_unsigned(writer, stock->stock);
    write_literal(writer, ",\"available\":");
    write_unsigned(writer, stock->available);
    write_literal(writer, ",\"reserved\":");
    write_unsigned(writer, stock->reserved);
    write_literal(writer, ",\"sold\":");
    write_unsigned(writer, stock->sold);
    write_byte(writer, '}');
}

static void stock_answer(struct api_shard *shard, struct http_exchange *exchange,
                         const struct message *message, void *user)
{
    const struct reply_body *reply = &message->reply;

    (void)user;
    if (exchange == NULL)
        return;
    if (reply->outcome != OUTCOME_OK) {
        respond_outcome(exchange, (enum outcome)reply->outcome);
        return;
    }
    if (reply->replayed)
        http_header_add(exchange, "Idempotent-Replayed", "true");
    char *memory = http_body_begin(exchange, 200, "application/json", STOCK_BYTES_MAX);
    if (memory == NULL)
        return;
    struct writer writer = writer_fixed(memory, STOCK_BYTES_MAX);
    write_stock(&writer, shard, &reply->stock);
    http_body_commit(exchange, writer_length(&writer));
}

static void adjust_answer(struct api_shard *shard, struct http_exchange *exchange,
                          const struct message *message, void *user)
{
    const struct stock_view *stock = &message->reply.stock;
    struct log_line line;

    if (message->reply.outcome == OUTCOME_OK && !message->reply.replayed) {
        const struct sku_entry *entry =
            directory_find_sku_id(shard_directory(shard->shard), stock->sku_id);
        log_begin(&line, LOG_INFO, "stock_adjusted", engine_now(shard->api->engine).wall_ms);
        log_text(&line, "sku", entry == NULL ? "" : entry->sku);
        log_number(&line, "stock", stock->stock);
        log_number(&line, "available", stock->available);
        if (exchange != NULL) {
            struct http_slice request_id = http_exchange_request_id(exchange);
            log_bytes(&line, "request_id", request_id.data, request_id.length);
        }
        log_end(&line);
    }
    stock_answer(shard, exchange, message, user);
}

static void submit_stock(struct api_call *call, struct command *command, pending_answer answer)
{
    struct sku_entry *entry;

    if (!request_path_sku(call, &entry))
        return;
    command->stock.sku = (struct slice){entry->sku, entry->sku_length};
    enum outcome outcome = call_submit(call, command, answer, NULL, NULL);
    if (outcome != OUTCOME_PENDING)
        respond_outcome(call->exchange, outcome);
}

void api_inventory_get(struct api_call *call)
{
    struct command command = {.type = COMMAND_STOCK_GET};

    submit_stock(call, &command, stock_answer);
}

/* ---- adjustment ---- */

enum { MEMBER_DELTA = 1, MEMBER_SET = 2, MEMBER_REASON = 4 };

static unsigned read_adjust_member(struct validation *validation, struct slice name,
                                   const struct json_value *value, struct command *command)
{
    struct field field = {.name = name};

    if (slice_is(name, "delta")) {
        if (validate_integer(validation, field, value, -SKU_STOCK_MAX, SKU_STOCK_MAX,
                             &command->stock.value) &&
            command->stock.value == 0)
            validation_add(validation, field, "must not be 0");
        return MEMBER_DELTA;
    }
    if (slice_is(name, "set")) {
        validate_integer(validation, field, value, 0, SKU_STOCK_MAX, &command->stock.value);
        command->stock.is_set = true;
        return MEMBER_SET;
    }
    if (slice_is(name, "reason")) {
        /* The store keeps bytes: that many of them, not characters. */
        if (validate_string(validation, field, value, 1, REASON_LENGTH_MAX,
                            &command->stock.reason) &&
            command->stock.reason.length > REASON_LENGTH_MAX)
            validation_add(validation, field, "must be at most %d bytes of UTF-8",
                           (int)REASON_LENGTH_MAX);
        return MEMBER_REASON;
    }
    validation_add(validation, field, "is not known");
    return 0;
}

static void read_adjust(struct validation *validation, const struct json_value *object,
                        struct command *command)
{
    struct json_iterator members = json_members(object);
    const struct json_value *value;
    struct slice name;
    unsigned seen = 0;

    while (json_next_member(&members, &name, &value)) {
        unsigned member = read_adjust_member(validation, name, value, command);
        if ((seen & member) != 0)
            validation_add(validation, (struct field){.name = name}, "is given twice");
        seen |= member;
    }
    if ((seen & MEMBER_REASON) == 0)
        validation_add(validation, FIELD("reason"), "is required");
    if ((seen & (MEMBER_DELTA | MEMBER_SET)) == 0)
        validation_add(validation, FIELD("delta"), "is required, or `set`");
    if ((seen & MEMBER_DELTA) != 0 && (seen & MEMBER_SET) != 0)
        validation_add(validation, FIELD("set"), "excludes `delta`");
}

/* What a repeated key must ask for again, whatever the body's spacing. */
static struct slice adjust_fingerprint(const struct command *command,
                                       char text_out[ADJUST_BYTES_MAX])
{
    struct writer writer = writer_fixed(text_out, ADJUST_BYTES_MAX);

    write_text(&writer, command->stock.is_set ? "set " : "delta ");
    write_signed(&writer, command->stock.value);
    write_byte(&writer, ' ');
    write_bytes(&writer, command->stock.reason.text, command->stock.reason.length);
    return (struct slice){.text = text_out, .length = writer_length(&writer)};
}

void api_inventory_adjust(struct api_call *call)
{
    struct command command = {.type = COMMAND_STOCK_ADJUST};
    char text[ADJUST_BYTES_MAX];
    const struct json_value *object;
    struct validation validation;

    if (!request_object(call, &object))
        return;
    validation_init(&validation);
    read_adjust(&validation, object, &command);
    if (validation.count > 0) {
        validation_respond(&validation, call->exchange);
        return;
    }
    command.stock.key = call->key;
    command.stock.body = adjust_fingerprint(&command, text);
    submit_stock(call, &command, adjust_answer);
}

/* ---- the ledger ---- */

/* What an entry did to the units on the shelf. */
static int64_t ledger_delta(const struct ledger_record *entry)
{
    switch ((enum ledger_entry)entry->entry) {
    case LEDGER_RECEIPT:
    case LEDGER_RESTOCK:
        return entry->quantity;
    case LEDGER_WRITE_OFF:
    case LEDGER_SOLD:
        return -(int64_t)entry->quantity;
    case LEDGER_ENTRY_COUNT:
        break;
    }
    assert(false && "an unknown entry passed the codec");
    return 0;
}

static void ledger_answer(struct stored_read *read, struct http_exchange *exchange, bool failed)
{
    struct writer writer = writer_growing();
    const struct record *record = stored_next(read, NULL);
    uint64_t last = 0;

    if (exchange == NULL)
        return;
    if (failed) {
        respond_outcome(exchange, OUTCOME_OUTCOME_UNKNOWN);
        return;
    }
    write_literal(&writer, "{\"data\":[");
    for (uint32_t i = 0; record != NULL && i < read->limit; i++) {
        const struct ledger_record *entry = &record->ledger;
        if (i > 0)
            write_byte(&writer, ',');
        write_literal(&writer, "{\"sequence\":");
        write_unsigned(&writer, record->sequence);
        write_literal(&writer, ",\"at\":");
        write_json_time(&writer, entry->wall_ms);
        write_literal(&writer, ",\"kind\":\"");
        write_text(&writer, ledger_entry_name((enum ledger_entry)entry->entry));
        write_literal(&writer, "\",\"delta\":");
        write_signed(&writer, ledger_delta(entry));
        write_literal(&writer, ",\"reason\":");
        write_json_string(&writer, entry->reason, strnlen(entry->reason, REASON_LENGTH_MAX));
        write_byte(&writer, '}');
        last = record->sequence;
        record = stored_next(read, record);
    }
    write_literal(&writer, "],\"next_cursor\":");
    if (record == NULL) {
        write_literal(&writer, "null}");
    } else {
        write_byte(&writer, '"');
        write_unsigned(&writer, last);
        write_literal(&writer, "\"}");
    }
    respond_json(exchange, 200, &writer);
}

void api_ledger_list(struct api_call *call)
{
    char cursor[CURSOR_LENGTH_MAX + 1];
    struct validation validation;
    struct sku_entry *entry;
    uint64_t after = 0;

    if (!request_path_sku(call, &entry))
        return;
    validation_init(&validation);
    request_check_query(call, &validation, (const char *const[]){"limit", "cursor", NULL}, NULL);
    uint32_t limit = request_limit(call, &validation);
    size_t length = request_cursor(call, &validation, cursor);
    if (length > 0 && !text_to_unsigned(cursor, length, INT64_MAX, &after))
        request_cursor_invalid(&validation);
    if (validation.count > 0) {
        validation_respond(&validation, call->exchange);
        return;
    }
    struct journal_key from = {.partition = entry->product->partition,
                               .subject = entry->sku_id,
                               .sequence = after == 0 ? 0 : after + 1};
    struct journal_key to = from;
    to.sequence = UINT64_MAX;
    stored_list_start(call, RECORD_LEDGER, from, to, limit, ledger_answer);
}
