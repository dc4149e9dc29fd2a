/* SPDX-License-Identifier: Apache-2.0 */
/* The inventory actor: dispatch, views, records. The parts of its protocol have files of their own:
 * inventory_reserve.c, inventory_hold.c, inventory_lines.c, inventory_stock.c; recovery is
 * inventory_restore.c, listing and audit inventory_list.c. */
#include <string.h>

#include "inventory_private.h"

void inventory_init(struct inventory *inventory, struct inventory_pool *pool,
                    const struct inventory_options *options, struct order_numbers *events,
                    uint32_t partition)
{
    assert(options->hold_ttl_ms > 0 && options->hold_cap_ms >= options->hold_ttl_ms);
    *inventory = (struct inventory){.pool = pool,
                                    .options = options,
                                    .events = events,
                                    .partition = partition,
                                    .next_sequence = 1};
}

/* ---- replies ---- */

struct message *inventory_reply(struct inventory *inventory, const struct message *request,
                                enum outcome outcome, uint32_t lines, struct effects *effects)
{
    struct message *reply = effects_message(effects, MESSAGE_REPLY, lines);

    reply->partition = (uint16_t)inventory->partition;
    reply->shard = request->shard;
    reply->cookie = request->cookie;
    reply->reply.outcome = (uint8_t)outcome;
    reply->reply.answers = request->type;
    return reply;
}

struct stock_view inventory_stock_view(const struct sku *sku)
{
    return (struct stock_view){.sku_id = sku->sku_id,
                               .stock = sku->stock,
                               .available = sku_available(sku),
                               .reserved = sku->reserved,
                               .sold = sku->sold};
}

static void fill_lines(const struct inventory_pool *pool, const struct hold *hold,
                       struct line *lines_out)
{
    uint32_t count = 0;

    for (uint32_t line = hold->line_first; line != SLOT_NONE; line = pool->lines[line].next)
        lines_out[count++] = (struct line){.sku_id = pool->lines[line].sku_id,
                                           .quantity = pool->lines[line].quantity};
    assert(count == hold->line_count);
}

/* What first and current view have in common. A participant shows its owner's identity. */
static void fill_identity(const struct inventory_pool *pool, const struct hold *hold,
                          struct hold_view *view_out)
{
    view_out->id.created_ms = hold->created_wall_ms;
    view_out->id.partition = hold_owner_partition(hold);
    view_out->id.sequence = hold_owner_sequence(hold);
    view_out->principal = hold->principal;
    view_out->fence = view_out->id.sequence;
    view_out->order = hold->order;
    view_out->line_count = hold->line_count;
    fill_lines(pool, hold, view_out->lines);
}

void hold_fill_view(const struct inventory_pool *pool, const struct hold *hold,
                    const struct moment *moment, struct hold_view *view_out)
{
    int64_t left = hold->deadline_boot_ms - moment->boot_ms;

    fill_identity(pool, hold, view_out);
    view_out->deadline_wall_ms = hold->deadline_wall_ms;
    view_out->ttl_ms = !hold_is_live(hold) || left < 0 ? 0 : (uint32_t)left;
    view_out->state = hold->state == HOLD_PREPARED ? HOLD_HELD : hold->state;
    view_out->extensions = hold->extensions;
}

void hold_fill_first_view(const struct inventory_pool *pool, const struct hold *hold,
                          struct hold_view *view_out)
{
    fill_identity(pool, hold, view_out);
    view_out->deadline_wall_ms = hold->created_wall_ms + hold->ttl_ms;
    view_out->ttl_ms = hold->ttl_ms;
    view_out->state = HOLD_HELD;
    view_out->extensions = 0;
}

/* ---- records ---- */

void hold_persist(const struct inventory *inventory, const struct hold *hold,
                  struct effects *effects)
{
    struct record *record =
        effects_record(effects, RECORD_HOLD, inventory->partition, hold->line_count, 0);
    struct hold_record *stored = &record->hold;

    assert(hold->partition == inventory->partition && hold->state != HOLD_ABORTED);
    record->sequence = hold->sequence;
    stored->key = hold->key;
    stored->fingerprint = hold->fingerprint;
    stored->principal = hold->principal;
    stored->created_wall_ms = hold->created_wall_ms;
    stored->deadline_wall_ms = hold->deadline_wall_ms;
    stored->ended_wall_ms = hold->ended_wall_ms;
    stored->ttl_ms = hold->ttl_ms;
    stored->owner_partition = hold_owner_partition(hold);
    stored->owner_sequence = hold_owner_sequence(hold);
    stored->state = hold->state;
    stored->extensions = hold->extensions;
    if (hold->state != HOLD_INTENT)
        memcpy(stored->extend_keys, hold->extend_keys, sizeof(stored->extend_keys));
    stored->adopted = (hold->flags & HOLD_ADOPTED) != 0;
    stored->order = hold->order;
    stored->line_count = hold->line_count;
    fill_lines(inventory->pool, hold, stored->lines);
}

void inventory_persist_floor(const struct inventory *inventory, struct effects *effects)
{
    struct record *record = effects_record(effects, RECORD_FLOOR, inventory->partition, 0, 0);

    record->floor.next_sequence = inventory->next_sequence;
}

/* For MUTANT(COUNTER_STALE): whether the batch has a counter of this SKU. */
static bool has_counter(const struct arena *records, uint32_t sku_id)
{
    for (uint32_t at = 0; at < records->used;) {
        const struct record *record = (const struct record *)(const void *)(records->bytes + at);

        if (record->kind == RECORD_COUNTER && record->subject == sku_id)
            return true;
        at += record->size;
    }
    return false;
}

void inventory_ledger(struct inventory *inventory, const struct moment *moment, struct sku *sku,
                      enum ledger_entry entry, uint32_t quantity, uint64_t hold_sequence,
                      const char *reason, struct effects *effects)
{
    struct record *record = effects_record(effects, RECORD_LEDGER, inventory->partition, 0, 0);

    assert(quantity > 0);
    sku->ledger_sequence = inventory->next_sequence++;
    record->subject = sku->sku_id;
    record->sequence = sku->ledger_sequence;
    record->ledger.entry = (uint8_t)entry;
    record->ledger.quantity = quantity;
    if (MUTANT(LEDGER_SHORT) && entry == LEDGER_RECEIPT && quantity > 1)
        record->ledger.quantity--;
    record->ledger.hold_sequence = MUTANT(SALE_WITHOUT_HOLD) ? 0 : hold_sequence;
    record->ledger.wall_ms = moment->wall_ms;
    memcpy(record->ledger.reason, reason, strnlen(reason, REASON_LENGTH_MAX));

    if (MUTANT(COUNTER_STALE) && has_counter(effects->records, sku->sku_id))
        return;
    record = effects_record(effects, RECORD_COUNTER, inventory->partition, 0, 0);
    record->subject = sku->sku_id;
    record->counter.stock = sku->stock;
    record->counter.sold = sku->sold;
    record->counter.ledger_sequence = sku->ledger_sequence;
}

/* ---- the step ---- */

bool inventory_stock(const struct inventory *inventory, uint32_t sku_id, struct stock_view *out)
{
    const struct sku *sku = pool_find_sku(inventory->pool, sku_id);

    if (sku == NULL)
        return false;
    *out = inventory_stock_view(sku);
    return true;
}

void inventory_receive(struct inventory *inventory, const struct moment *moment,
                       struct message *message, struct effects *effects)
{
    assert(message->partition == inventory->partition);
    assert(effects->gate_count == 0 && effects->timer_count == 0 && effects->claim_count == 0);
    switch ((enum message_type)message->type) {
    case MESSAGE_RESERVE:
        inventory_reserve(inventory, moment, message, effects);
        break;
    case MESSAGE_HOLD_GET:
    case MESSAGE_HOLD_RELEASE:
    case MESSAGE_HOLD_EXTEND:
    case MESSAGE_HOLD_CONVERT:
    case MESSAGE_HOLD_BIND:
    case MESSAGE_HOLD_UNBIND:
    case MESSAGE_HOLD_PIN:
        inventory_hold_request(inventory, moment, message, effects);
        break;
    case MESSAGE_STOCK_GET:
        inventory_stock_get(inventory, message, effects);
        break;
    case MESSAGE_STOCK_ADJUST:
        inventory_stock_adjust(inventory, moment, message, effects);
        break;
    case MESSAGE_PRODUCT_PUT:
        inventory_product_put(inventory, moment, message, effects);
        break;
    case MESSAGE_LINE_PREPARE:
    case MESSAGE_LINE_PREPARED:
    case MESSAGE_LINE_REFUSED:
    case MESSAGE_LINE_END:
    case MESSAGE_LINE_ENDED:
    case MESSAGE_LINE_QUERY:
    case MESSAGE_LINE_STANDS:
        inventory_line_message(inventory, moment, message, effects);
        break;
    case MESSAGE_HOLD_LIST:
    case MESSAGE_HOLDS_ADOPT:
    case MESSAGE_ACCOUNT:
    case MESSAGE_ORDER:
    case MESSAGE_SETTINGS:
    case MESSAGE_DELIVERY:
    case MESSAGE_CART: /* carts': engine/carts.c */
    case MESSAGE_CART_MERGE:
    case MESSAGE_CART_CLEAR:
    case MESSAGE_PRODUCT_SUBMIT:
    case MESSAGE_PRODUCT_DONE:
    case MESSAGE_COUPON_GET:
    case MESSAGE_COUPON_PUT:
    case MESSAGE_COUPON_LIST:
    case MESSAGE_COUPON_HOLD:
    case MESSAGE_COUPON_COMMIT:
    case MESSAGE_COUPON_RELEASE:
    case MESSAGE_REPLY:
    case MESSAGE_TYPE_COUNT:
    default:
        assert(false && "a message for others came to the inventory");
    }
}

void inventory_prefetch(const struct inventory *inventory, const struct message *message)
{
    if (message->type == MESSAGE_RESERVE)
        pool_prefetch(inventory->pool, inventory->partition, &message->reserve);
}

void inventory_prefetch_next(const struct inventory *inventory, const struct message *message)
{
    if (message->type == MESSAGE_RESERVE)
        pool_prefetch_next(inventory->pool, &message->reserve);
}

void inventory_timer(struct inventory_pool *pool, struct inventory *inventories,
                     const struct moment *moment, uint32_t slot, struct effects *effects)
{
    struct hold *hold = pool_hold(pool, slot);

    assert((hold->flags & HOLD_IN_USE) != 0);
    hold_timer(&inventories[hold->partition], moment, hold, effects);
}
