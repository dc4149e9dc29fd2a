/* SPDX-License-Identifier: Apache-2.0 */
/* What a customer has in the cart and has ordered, for the export: one's own orders first, then
 * those of each guest that one was, each in the order of their making. */
#include "api/accounts_export.h"

#include <stdlib.h>
#include <string.h>

#include "api/order_view.h"

struct orders_export {
    struct engine_read read; /* first */
    struct flow *flow;
    void (*done)(struct flow *flow, bool is_complete);
    uint32_t partition; /* the account's */
    uint32_t number;
    uint64_t next_guest;
    struct principal who;
    uint64_t next_order;
    uint8_t *page; /* of entries that say whose an order is */
    uint32_t page_bytes;
    uint32_t page_at;
    bool is_last_page;
    uint32_t written;
};

_Static_assert(offsetof(struct orders_export, read) == 0, "an export is found by its read");

static void go_through(struct orders_export *export);

/* ---- the end ---- */

static struct flow *release(struct orders_export *export)
{
    struct flow *flow = export->flow;

    free(export->page);
    free(export);
    return flow;
}

static void refuse(struct orders_export *export, enum outcome outcome)
{
    flow_refuse(release(export), outcome);
}

static void finish(struct orders_export *export, bool is_complete)
{
    void (*done)(struct flow * flow, bool is_complete) = export->done;
    struct flow *flow = release(export);

    write_byte(&flow->writer, ']');
    done(flow, is_complete);
}

/* ---- asking ---- */

static void ask(struct orders_export *export, struct command *command, pending_answer answer)
{
    struct flow *flow = export->flow;
    struct api_shard *shard = flow->shard;
    uint64_t cookie = pending_open(&shard->pending, flow->exchange_cookie, answer, export);
    enum outcome outcome = OUTCOME_OVERLOADED;
    struct refusal unused;

    if (cookie != 0)
        outcome = engine_submit(shard->shard, command, cookie, &unused);
    if (outcome == OUTCOME_PENDING)
        return;
    if (cookie != 0)
        pending_cancel(&shard->pending, cookie);
    if (command->type == COMMAND_ORDER)
        envelope_free(command->order);
    refuse(export, outcome);
}

static void read_records(struct orders_export *export, enum record_kind kind,
                         const struct journal_key *from, uint32_t limit,
                         void (*done)(struct engine_read *read))
{
    struct journal_read *read = &export->read.read;
    enum outcome outcome;

    memset(&export->read, 0, sizeof(export->read));
    read->kind = kind;
    read->from = *from;
    read->to = *from;
    read->to.sequence = UINT64_C(1) << 40;
    read->limit = limit;
    export->read.done = done;
    outcome = engine_read_submit(export->flow->shard->shard, &export->read);
    if (outcome != OUTCOME_PENDING)
        refuse(export, outcome);
}

/* ---- orders ---- */

static void read_page(struct orders_export *export);
static void read_guest(struct orders_export *export);

static void got_order(struct api_shard *shard, struct http_exchange *exchange,
                      const struct message *message, void *user)
{
    struct order_envelope *order = message->reply.order;
    struct orders_export *export = user;
    enum outcome outcome = (enum outcome)message->reply.outcome;
    bool is_readable = true;

    (void)exchange;
    if (outcome == OUTCOME_OK) {
        write_text(&export->flow->writer, export->written++ > 0 ? "," : "");
        is_readable = write_order(&export->flow->writer, shard, order, ORDER_SHAPE_OWN);
    }
    envelope_free(order);
    if (!is_readable)
        flow_problem(release(export), PROBLEM_PRIVATE_DATA_UNREADABLE,
                     "A stored field of an order cannot be opened.");
    else if (outcome != OUTCOME_OK && outcome != OUTCOME_NOT_FOUND) /* a checkout that was undone */
        refuse(export, outcome);
    else
        go_through(export);
}

static void ask_order(struct orders_export *export, const struct record *record)
{
    struct command command = {.type = COMMAND_ORDER,
                              .principal = export->who,
                              .order = order_envelope_create(ORDER_CALL_GET)};

    if (command.order == NULL) {
        refuse(export, OUTCOME_OVERLOADED);
        return;
    }
    command.order->who[0] = export->who;
    command.order->who_count = 1;
    command.order->id = (struct reservation_id){.created_ms = record->order_of.created_wall_ms,
                                                .sequence = record->sequence,
                                                .partition = record->partition};
    ask(export, &command, got_order);
}

/* The next order of the page, the next page, the next guest. */
static void go_through(struct orders_export *export)
{
    while (export->page_at < export->page_bytes) {
        const struct record *record =
            (const struct record *)(const void *)(export->page + export->page_at);

        export->page_at += record->size;
        export->next_order = record->sequence + 1;
        if (!principal_equal(&record->order_of.principal, &export->who))
            continue;
        if (writer_length(&export->flow->writer) > API_ANSWER_BYTES_MAX / 2)
            finish(export, false);
        else
            ask_order(export, record);
        return;
    }
    if (export->is_last_page)
        read_guest(export);
    else
        read_page(export);
}

static void on_page(struct engine_read *read)
{
    struct orders_export *export = (struct orders_export *)(void *)read;

    free(export->page);
    export->page = read->read.result.bytes;
    export->page_bytes = read->read.result.used;
    export->page_at = 0;
    export->is_last_page = read->read.count < read->read.limit;
    if (read->read.failed)
        refuse(export, OUTCOME_OVERLOADED);
    else
        go_through(export);
}

static void read_page(struct orders_export *export)
{
    const struct engine *engine = export->flow->shard->api->engine;
    struct journal_key from = {.partition =
                                   order_partition_of(&export->who, engine_partition_count(engine)),
                               .subject = order_of_subject(&export->who),
                               .sequence = export->next_order};

    read_records(export, RECORD_ORDER_OF, &from, LIST_PAGE_MAX, on_page);
}

static void on_guest(struct engine_read *read)
{
    struct orders_export *export = (struct orders_export *)(void *)read;
    const struct record *record =
        (const struct record *)(const void *)export->read.read.result.bytes;
    bool is_there = read->read.count == 1;
    bool failed = read->read.failed;

    if (is_there && !failed) {
        export->who = record->guest_of.guest;
        export->next_guest = record->sequence + 1;
        export->next_order = 0;
    }
    free(read->read.result.bytes);
    if (failed)
        refuse(export, OUTCOME_OVERLOADED);
    else if (is_there)
        read_page(export);
    else
        finish(export, true);
}

static void read_guest(struct orders_export *export)
{
    struct journal_key from = {
        .partition = export->partition, .subject = export->number, .sequence = export->next_guest};

    read_records(export, RECORD_GUEST_OF, &from, 1, on_guest);
}

/* ---- the cart ---- */

static void write_cart(struct writer *writer, const struct directory *directory,
                       const struct cart_view *cart)
{
    const struct cart_content *content = &cart->content;

    write_literal(writer, "{\"items\":[");
    for (uint32_t i = 0; i < content->line_count; i++) {
        const struct cart_line *line = &content->lines[i];
        const struct sku_entry *sku = directory_find_sku_id(directory, line->sku_id);

        write_text(writer, i > 0 ? ",{\"sku\":" : "{\"sku\":");
        if (sku != NULL)
            write_json_string(writer, sku->sku, sku->sku_length);
        else
            write_literal(writer, "null");
        write_literal(writer, ",\"quantity\":");
        write_unsigned(writer, line->quantity);
        write_literal(writer, ",\"unit_price_minor\":");
        write_signed(writer, cart_line_price(line));
        write_byte(writer, '}');
    }
    write_literal(writer, "],\"currency\":");
    if (content->currency[0] != '\0')
        write_json_string(writer, content->currency, strlen(content->currency));
    else
        write_literal(writer, "null");
    write_literal(writer, ",\"coupon\":");
    if (content->coupon_length > 0)
        write_json_string(writer, content->coupon, content->coupon_length);
    else
        write_literal(writer, "null");
    write_literal(writer, ",\"created_at\":");
    write_json_time(writer, cart->created_wall_ms);
    write_literal(writer, ",\"updated_at\":");
    write_json_time(writer, cart->changed_wall_ms);
    write_byte(writer, '}');
}

static void got_cart(struct api_shard *shard, struct http_exchange *exchange,
                     const struct message *message, void *user)
{
    const struct cart_view *cart = &message->reply.cart;
    struct orders_export *export = user;
    struct writer *writer = &export->flow->writer;

    (void)exchange;
    if (message->reply.outcome != OUTCOME_OK) {
        refuse(export, (enum outcome)message->reply.outcome);
        return;
    }
    write_literal(writer, "\"cart\":");
    if (cart->created_wall_ms != 0)
        write_cart(writer, shard_directory(shard->shard), cart);
    else
        write_literal(writer, "null");
    write_literal(writer, ",\"orders\":[");
    read_page(export);
}

void export_orders(struct flow *flow, void (*done)(struct flow *flow, bool is_complete))
{
    struct orders_export *export = calloc(1, sizeof(*export));
    struct command command = {
        .type = COMMAND_CART, .principal = flow->account, .cart = {.operation = CART_GET}};

    if (export == NULL ||
        !account_principal_parse(&flow->account, &engine_secrets(flow->shard->api->engine)->id_key,
                                 &export->partition, &export->number)) {
        free(export);
        flow_refuse(flow, OUTCOME_OVERLOADED);
        return;
    }
    export->flow = flow;
    export->done = done;
    export->who = flow->account;
    ask(export, &command, got_cart);
}
