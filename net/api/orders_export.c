/* SPDX-License-Identifier: Apache-2.0 */
/* All orders as a file, without what is private: a line of JSON for each, with its items, or a row
 * of CSV for each item. Streamed: no more than one order and what the connection's buffer holds is
 * in memory, whatever the client's pace. */
#include <string.h>

#include "api/order_walk.h"
#include "api/request.h"

struct order_export {
    struct order_walk walk; /* first */
    struct writer writer;   /* of one order */
    bool is_csv;
    bool is_begun;  /* the head is out */
    bool is_paused; /* nothing is under way: the client reads */
};

_Static_assert(offsetof(struct order_export, walk) == 0, "an export is found by its walk");

static struct order_export *export_of(struct order_walk *walk)
{
    return (struct order_export *)(void *)walk;
}

static void release(struct order_flow *flow)
{
    writer_free(&((struct order_export *)(void *)flow)->writer);
}

/* ---- one order ---- */

/* Its customer: an account's ID, or a guest's name. */
static void write_user(struct writer *writer, const struct engine *engine,
                       const struct principal *principal)
{
    char account[ACCOUNT_ID_LENGTH + 1];
    char guest[PRINCIPAL_TEXT_LENGTH + 1];
    uint32_t partition;
    uint32_t number;

    if (account_principal_parse(principal, &engine_secrets(engine)->id_key, &partition, &number)) {
        account_id_format(principal, account);
        write_bytes(writer, account, ACCOUNT_ID_LENGTH);
    } else {
        principal_format(principal, guest);
        write_bytes(writer, guest, PRINCIPAL_TEXT_LENGTH);
    }
}

static void write_id(struct writer *writer, const struct engine *engine,
                     const struct reservation_id *id)
{
    char text[RESERVATION_ID_LENGTH + 1];

    order_id_format(id, &engine_secrets(engine)->id_key, text);
    write_bytes(writer, text, RESERVATION_ID_LENGTH);
}

/* None of the fields can hold a comma, a quote or the beginning of a formula (sku_is_valid). */
static void write_rows(struct writer *writer, struct api_shard *shard,
                       const struct order_envelope *order)
{
    const struct engine *engine = shard->api->engine;
    char created[RENDER_TIME_LENGTH];

    render_time(order->order.created_wall_ms, created);
    for (uint32_t i = 0; i < order->body.line_count; i++) {
        const struct order_line *line = &order->body.lines[i];
        const struct sku_entry *sku =
            directory_find_sku_id(shard_directory(shard->shard), line->sku_id);

        write_id(writer, engine, &order->id);
        write_byte(writer, ',');
        write_user(writer, engine, &order->order.principal);
        write_byte(writer, ',');
        write_signed(writer, order->order.totals.total_minor);
        write_byte(writer, ',');
        write_text(writer, order->order.currency);
        write_byte(writer, ',');
        write_text(writer, order_status_name((enum order_status)order->order.status));
        write_byte(writer, ',');
        write_bytes(writer, created, RENDER_TIME_LENGTH);
        write_byte(writer, ',');
        write_text(writer, sku->product->id);
        write_byte(writer, ',');
        write_bytes(writer, sku->sku, sku->sku_length);
        write_byte(writer, ',');
        write_unsigned(writer, line->quantity);
        write_byte(writer, ',');
        write_signed(writer, line->unit_price_minor);
        write_literal(writer, "\r\n");
    }
}

static void write_line(struct writer *writer, struct api_shard *shard,
                       const struct order_envelope *order)
{
    const struct engine *engine = shard->api->engine;

    write_literal(writer, "{\"order_id\":\"");
    write_id(writer, engine, &order->id);
    write_literal(writer, "\",\"user_id\":\"");
    write_user(writer, engine, &order->order.principal);
    write_literal(writer, "\",\"total_amount\":");
    write_signed(writer, order->order.totals.total_minor);
    write_literal(writer, ",\"currency\":\"");
    write_text(writer, order->order.currency);
    write_literal(writer, "\",\"status\":\"");
    write_text(writer, order_status_name((enum order_status)order->order.status));
    write_literal(writer, "\",\"created_at\":");
    write_json_time(writer, order->order.created_wall_ms);
    write_literal(writer, ",\"items\":[");
    for (uint32_t i = 0; i < order->body.line_count; i++) {
        const struct order_line *line = &order->body.lines[i];
        const struct sku_entry *sku =
            directory_find_sku_id(shard_directory(shard->shard), line->sku_id);

        write_text(writer, i > 0 ? ",{\"product_id\":\"" : "{\"product_id\":\"");
        write_text(writer, sku->product->id);
        write_literal(writer, "\",\"sku\":\"");
        write_bytes(writer, sku->sku, sku->sku_length);
        write_literal(writer, "\",\"qty\":");
        write_unsigned(writer, line->quantity);
        write_literal(writer, ",\"price\":");
        write_signed(writer, line->unit_price_minor);
        write_byte(writer, '}');
    }
    write_literal(writer, "]}\n");
}

/* ---- the stream ---- */

static void begin(struct order_export *export, struct http_exchange *exchange)
{
    export->is_begun = true;
    http_header_add(exchange, "Content-Disposition",
                    export->is_csv ? "attachment; filename=\"orders.csv\""
                                   : "attachment; filename=\"orders.ndjson\"");
    http_stream_begin(exchange, 200,
                      export->is_csv ? "text/csv; charset=utf-8" : "application/x-ndjson");
    if (export->is_csv)
        write_literal(&export->writer, "order_id,user_id,total_amount,currency,status,created_at,"
                                       "product_id,sku,qty,price\r\n");
}

/* Writes out what is there. False: the client has to read first, or has gone. */
static bool put_out(struct order_export *export, struct http_exchange *exchange)
{
    struct writer *writer = &export->writer;
    size_t length = writer_length(writer);
    bool has_room = true;

    if (length > 0)
        has_room = http_stream_write(exchange, writer->start, length);
    writer->at = writer->start;
    return has_room;
}

static void forget(struct order_export *export, struct http_exchange *exchange)
{
    ((struct call_scratch *)http_exchange_scratch(exchange))->export = NULL;
    order_flow_end(&export->walk.flow);
}

static void fail(struct order_walk *walk, enum outcome outcome)
{
    struct order_export *export = export_of(walk);
    struct http_exchange *exchange = order_flow_exchange(&walk->flow);

    if (exchange == NULL) {
        order_flow_end(&walk->flow);
        return;
    }
    ((struct call_scratch *)http_exchange_scratch(exchange))->export = NULL;
    if (!export->is_begun) {
        order_flow_refuse(&walk->flow, outcome);
        return;
    }
    http_stream_abort(exchange);
    order_flow_end(&walk->flow);
}

static bool show(struct order_walk *walk)
{
    struct order_export *export = export_of(walk);
    struct http_exchange *exchange = order_flow_exchange(&walk->flow);

    if (exchange == NULL)
        return true; /* the walk sees it too */
    if (!export->is_begun)
        begin(export, exchange);
    if (export->is_csv)
        write_rows(&export->writer, walk->flow.shard, walk->flow.answer);
    else
        write_line(&export->writer, walk->flow.shard, walk->flow.answer);
    if (export->writer.failed) {
        fail(walk, OUTCOME_OVERLOADED);
        return false;
    }
    if (put_out(export, exchange) || order_flow_exchange(&walk->flow) == NULL)
        return true;
    export->is_paused = true;
    return false;
}

static void end(struct order_walk *walk, bool has_more)
{
    struct order_export *export = export_of(walk);
    struct http_exchange *exchange = order_flow_exchange(&walk->flow);

    (void)has_more;
    if (exchange == NULL) {
        order_flow_end(&walk->flow);
        return;
    }
    if (!export->is_begun)
        begin(export, exchange);
    (void)put_out(export, exchange);
    exchange = order_flow_exchange(&walk->flow);
    if (exchange == NULL) {
        order_flow_end(&walk->flow);
        return;
    }
    forget(export, exchange);
    http_stream_end(exchange);
}

static void on_writable(struct http_exchange *exchange, void *user)
{
    struct order_export *export = ((struct call_scratch *)http_exchange_scratch(exchange))->export;

    (void)user;
    if (export == NULL || !export->is_paused)
        return;
    export->is_paused = false;
    order_walk_go(&export->walk);
}

/* What is under way meets it later. */
static void on_gone(struct http_exchange *exchange, void *user)
{
    struct order_export *export = ((struct call_scratch *)http_exchange_scratch(exchange))->export;

    (void)user;
    if (export != NULL && export->is_paused)
        order_flow_end(&export->walk.flow);
}

static const struct http_stream_events stream_events = {.on_writable = on_writable,
                                                        .on_gone = on_gone};

static void read_format(struct order_export *export, struct api_call *call,
                        struct validation *validation)
{
    char text[8];
    int length = http_query_parameter(call->exchange, "format", 0, text, sizeof(text));

    export->is_csv = length > 0 && strcmp(text, "csv") == 0;
    if (length != HTTP_ABSENT && !export->is_csv && (length < 0 || strcmp(text, "ndjson") != 0))
        validation_add(validation, FIELD("format"), "must be csv or ndjson");
}

void api_admin_order_export(struct api_call *call)
{
    static const char *const names[] = {"format", "status", NULL};
    struct validation validation;
    struct order_export *export;

    export = (struct order_export *)(void *)order_walk_start(call, sizeof(*export));
    if (export == NULL)
        return;
    export->walk.flow.release = release;
    export->walk.show = show;
    export->walk.end = end;
    export->walk.fail = fail;
    export->writer = writer_growing();
    validation_init(&validation);
    request_check_query(call, &validation, names, NULL);
    read_format(export, call, &validation);
    order_walk_read_status(&export->walk, call, &validation);
    if (validation.count > 0) {
        validation_respond(&validation, call->exchange);
        order_flow_end(&export->walk.flow);
        return;
    }
    ((struct call_scratch *)http_exchange_scratch(call->exchange))->export = export;
    http_exchange_listen(call->exchange, &stream_events);
    order_walk_go(&export->walk);
}
