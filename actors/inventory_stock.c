/* SPDX-License-Identifier: Apache-2.0 */
/* Stock: products and SKUs come in, stock goes up and down with a ledger entry each. Units that are
 * to go are claimed from the gate first, like a buyer's, so that nobody sells them meanwhile. */
#include <string.h>

#include "inventory_private.h"

void inventory_stock_get(struct inventory *inventory, const struct message *message,
                         struct effects *effects)
{
    const struct sku *sku = pool_find_sku(inventory->pool, message->stock.sku_id);
    struct message *reply = inventory_reply(
        inventory, message, sku == NULL ? OUTCOME_NOT_FOUND : OUTCOME_OK, 0, effects);

    if (sku != NULL)
        reply->reply.stock = inventory_stock_view(sku);
}

/* What staff did to the units on the shelf. */
static void audit_adjustment(const struct inventory *inventory, const struct moment *moment,
                             const struct adjust_body *body, const struct sku *sku, int64_t delta,
                             struct effects *effects)
{
    uint8_t name[4];
    struct audit_record *entry;

    if (MUTANT(ADJUSTMENT_NOT_AUDITED))
        return;
    for (unsigned i = 0; i < sizeof(name); i++)
        name[i] = (uint8_t)(sku->sku_id >> (24 - 8 * i));
    entry = audit_add(effects, inventory->partition, moment, &body->origin, AUDIT_STOCK_ADJUSTED,
                      AUDIT_OF_SKU, name, sizeof(name));
    audit_set_number(&entry->before, (int64_t)sku_available(sku) - delta);
    audit_set_number(&entry->after, sku_available(sku));
}

static void receive_units(struct inventory *inventory, const struct moment *moment, struct sku *sku,
                          uint32_t quantity, const char *reason, struct effects *effects)
{
    sku->stock += quantity;
    sku_moves(sku, GATE_CREDIT, quantity, effects);
    inventory_ledger(inventory, moment, sku, LEDGER_RECEIPT, quantity, 0, reason, effects);
}

/* Precondition: the units were claimed. */
static void write_off_units(struct inventory *inventory, const struct moment *moment,
                            struct sku *sku, uint32_t quantity, const char *reason,
                            struct effects *effects)
{
    assert(sku_available(sku) >= quantity);
    sku->stock -= quantity;
    sku_moves(sku, GATE_RESOLVE, quantity, effects);
    inventory_ledger(inventory, moment, sku, LEDGER_WRITE_OFF, quantity, 0, reason, effects);
}

/* They were sold, and come back to be sold again. Precondition: so many were. */
static void restock_units(struct inventory *inventory, const struct moment *moment, struct sku *sku,
                          uint32_t quantity, const char *reason, struct effects *effects)
{
    sku->sold -= quantity;
    sku_moves(sku, GATE_CREDIT, quantity, effects);
    inventory_ledger(inventory, moment, sku, LEDGER_RESTOCK, quantity, 0, reason, effects);
}

/* A key that had its effect gets the same answer again. */
static void repeat_adjustment(struct inventory *inventory, const struct message *message,
                              const struct adjust_key *kept, struct effects *effects)
{
    bool same = kept->stored.fingerprint == message->adjust.fingerprint;
    struct message *reply =
        inventory_reply(inventory, message, same ? OUTCOME_OK : OUTCOME_KEY_REUSED, 0, effects);

    if (!same)
        return;
    reply->reply.replayed = 1;
    reply->reply.stock = (struct stock_view){.sku_id = kept->sku_id,
                                             .stock = kept->stored.stock,
                                             .available = kept->stored.available,
                                             .reserved = kept->stored.reserved,
                                             .sold = kept->stored.sold};
}

/* The adjustment was made, and its ledger entry is the SKU's newest. */
static void keep_adjustment(struct inventory *inventory, const struct moment *moment,
                            const struct adjust_body *body, const struct sku *sku,
                            struct effects *effects)
{
    struct inventory_pool *pool = inventory->pool;
    struct key_record stored = {.key = body->key,
                                .fingerprint = body->fingerprint,
                                .wall_ms = moment->wall_ms,
                                .stock = sku->stock,
                                .available = sku_available(sku),
                                .reserved = sku->reserved,
                                .sold = sku->sold};

    adjust_key_persist(
        adjust_key_add(pool, moment->boot_ms, sku->sku_id, sku->ledger_sequence, &stored),
        RECORD_PUT, effects);
}

/* Repeats and unknown SKUs are answered here; true if there is an adjustment to be made. */
static bool may_adjust(struct inventory *inventory, const struct moment *moment,
                       const struct message *message, const struct sku *sku,
                       struct effects *effects)
{
    const struct adjust_body *body = &message->adjust;
    const struct adjust_key *kept = NULL;

    if (sku == NULL) {
        inventory_reply(inventory, message, OUTCOME_NOT_FOUND, 0, effects);
        return false;
    }
    if (!body->has_key || body->claim != CLAIM_NONE)
        return true;
    kept = adjust_key_find(inventory->pool, body->sku_id, &body->key);
    if (kept != NULL) {
        repeat_adjustment(inventory, message, kept, effects);
        return false;
    }
    if (!adjust_key_make_room(inventory->pool, moment, effects)) {
        inventory_reply(inventory, message, OUTCOME_OVERLOADED, 0, effects);
        return false;
    }
    return true;
}

void inventory_stock_adjust(struct inventory *inventory, const struct moment *moment,
                            struct message *message, struct effects *effects)
{
    struct adjust_body *body = &message->adjust;
    struct sku *sku = pool_find_sku(inventory->pool, body->sku_id);
    enum outcome outcome = OUTCOME_OK;
    struct message *reply;
    int64_t delta;

    if (!may_adjust(inventory, moment, message, sku, effects))
        return;
    delta = body->is_set ? body->value - (int64_t)sku_available(sku) : body->value;
    if (body->is_restock) {
        if (delta > (int64_t)sku->sold)
            outcome = OUTCOME_STOCK_CONFLICT;
        else
            restock_units(inventory, moment, sku, (uint32_t)delta, body->reason, effects);
    } else if (body->claim == CLAIM_MADE) {
        write_off_units(inventory, moment, sku, body->claimed, body->reason, effects);
    } else if (body->claim == CLAIM_REFUSED || -delta > (int64_t)sku_available(sku) ||
               delta + (int64_t)sku->stock > SKU_STOCK_MAX) {
        outcome = OUTCOME_STOCK_CONFLICT;
    } else if (delta < 0) {
        body->claimed = (uint32_t)-delta;
        effects->claim_lines[0] = (struct line){.sku_id = sku->sku_id, .quantity = body->claimed};
        effects->claim_count = 1;
        return;
    } else if (delta > 0) {
        receive_units(inventory, moment, sku, (uint32_t)delta, body->reason, effects);
    }
    if (outcome == OUTCOME_OK && delta != 0 && body->has_key &&
        !(MUTANT(WRITE_OFF_KEY_NOT_KEPT) && body->claim == CLAIM_MADE) &&
        !(MUTANT(RESTOCK_KEY_FORGOTTEN) && body->is_restock))
        keep_adjustment(inventory, moment, body, sku, effects);
    if (outcome == OUTCOME_OK && delta != 0 && !body->is_restock)
        audit_adjustment(inventory, moment, body, sku, delta, effects);
    reply = inventory_reply(inventory, message, outcome, 0, effects);
    reply->reply.stock = inventory_stock_view(sku);
}

/* ---- products ---- */

uint64_t product_digest(const struct inventory_pool *pool, const struct product_facts *facts,
                        const char *document, uint32_t length)
{
    uint64_t small[2] = {facts->limit_per_customer | (uint64_t)facts->status << 32, 0};

    memcpy(&small[1], facts->currency, strnlen(facts->currency, 3));
    return hash_bytes(&pool->hash_key, document, length) ^
           hash_bytes(&pool->hash_key, small, sizeof(small));
}

static uint64_t envelope_digest(const struct inventory_pool *pool,
                                const struct product_envelope *envelope)
{
    return product_digest(
        pool,
        &(struct product_facts){.currency = envelope->currency,
                                .limit_per_customer = envelope->limit_per_customer,
                                .status = envelope->status},
        envelope->document, envelope->document_length);
}

bool inventory_sells(const struct inventory_pool *pool, struct sku *const skus[], uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        if (skus[i] != NULL && !sku_is_on_sale(pool, skus[i]) && !MUTANT(WITHDRAWN_RESERVED))
            return false;
    return true;
}

bool product_count_limits(struct inventory_pool *pool, uint32_t product)
{
    for (uint32_t i = 0; i < pool->limit_slots.fresh; i++)
        if (pool->limit_rows[i].product == product)
            pool->limit_rows[i].held = 0; /* a free slot's is never read */
    for (uint32_t i = pool->products[product].sku_first; i != SLOT_NONE;
         i = pool->skus[i].next_of_product) {
        uint32_t line = pool->skus[i].line_first;

        for (; line != SLOT_NONE; line = pool->lines[line].sku_next) {
            const struct hold *hold = &pool->holds[pool->lines[line].hold];
            struct limit_row *row;

            if (!hold_is_live(hold))
                continue;
            row = pool_find_limit(pool, product, &hold->principal);
            if (row == NULL)
                row = pool_add_limit(pool, product, &hold->principal);
            if (row == NULL)
                return false;
            row->held += pool->lines[line].quantity;
        }
    }
    return true;
}

static void persist_product(struct inventory *inventory, const struct product_envelope *envelope,
                            struct effects *effects)
{
    struct record *record =
        effects_record(effects, RECORD_PRODUCT, inventory->partition, 0, envelope->document_length);
    struct product_record *stored = &record->product;

    record->subject = envelope->product_number;
    memcpy(stored->id, envelope->id, sizeof(stored->id));
    memcpy(stored->currency, envelope->currency, sizeof(stored->currency));
    stored->limit_per_customer = envelope->limit_per_customer;
    stored->variant_count = envelope->variant_count;
    stored->updated_wall_ms = envelope->updated_wall_ms;
    stored->status = envelope->status;
    stored->document_length = envelope->document_length;
    memcpy((char *)record + record_size(RECORD_PRODUCT, 0), envelope->document,
           envelope->document_length);
}

static void persist_sku(struct inventory *inventory, const struct sku *sku, const char *name,
                        struct effects *effects)
{
    struct record *record = effects_record(effects, RECORD_SKU, inventory->partition, 0, 0);

    record->subject = sku->sku_id;
    record->sku.product_number = inventory->pool->products[sku->product].number;
    record->sku.price_minor = sku->price_minor;
    record->sku.weight_grams = sku->weight_grams;
    record->sku.archived = sku->archived;
    memcpy(record->sku.sku, name, sizeof(record->sku.sku));
}

/* What a PUT wants of an existing SKU's stock. */
static int64_t stock_delta(const struct product_envelope *envelope, const struct variant *variant,
                           const struct sku *sku)
{
    if (variant->keeps_stock)
        return 0;
    switch ((enum stock_mode)envelope->stock_mode) {
    case STOCK_SET:
        return (int64_t)variant->stock - (int64_t)sku_available(sku);
    case STOCK_ADD:
        return variant->stock;
    case STOCK_KEEP:
    default:
        return 0;
    }
}

static bool envelope_has(const struct product_envelope *envelope, uint32_t sku_id)
{
    for (uint32_t i = 0; i < envelope->variant_count; i++)
        if (envelope->variants[i].sku_id == sku_id)
            return true;
    return false;
}

/* What becomes of the SKUs that the product has: whether one is left out that is not archived yet,
 * and whether the product's units are held, now that it may get another currency. */
static enum outcome survey_own(const struct inventory_pool *pool,
                               const struct product_envelope *envelope,
                               const struct product *product, bool *changed_out)
{
    bool other_currency =
        memcmp(product->currency, envelope->currency, sizeof(product->currency)) != 0;

    for (uint32_t i = product->sku_first; i != SLOT_NONE; i = pool->skus[i].next_of_product) {
        const struct sku *sku = &pool->skus[i];

        if (other_currency && sku->reserved > 0)
            return OUTCOME_CURRENCY_IN_USE;
        if (!sku->archived && !envelope_has(envelope, sku->sku_id))
            *changed_out = true;
    }
    return OUTCOME_OK;
}

/* Looks before anything is changed: what it comes to, and which units must be claimed. */
static enum outcome survey(struct inventory *inventory, struct product_envelope *envelope,
                           const struct product *product, bool *changed_out,
                           struct effects *effects)
{
    struct inventory_pool *pool = inventory->pool;
    enum outcome outcome = OUTCOME_OK;
    uint32_t new_skus = 0;

    for (uint32_t i = 0; i < envelope->variant_count; i++) {
        struct variant *variant = &envelope->variants[i];
        const struct sku *sku = pool_find_sku(pool, variant->sku_id);
        int64_t delta = sku == NULL ? variant->stock : stock_delta(envelope, variant, sku);

        if (sku == NULL) {
            new_skus++;
        } else if (product == NULL || &pool->products[sku->product] != product) {
            return OUTCOME_SKU_TAKEN;
        } else if (delta + (int64_t)sku->stock > SKU_STOCK_MAX) {
            return OUTCOME_STOCK_CONFLICT;
        }
        if (delta < 0) {
            variant->claimed = (uint32_t)-delta;
            effects->claim_lines[effects->claim_count++] =
                (struct line){.sku_id = variant->sku_id, .quantity = variant->claimed};
        }
        *changed_out = *changed_out || sku == NULL || delta != 0 || sku->archived ||
                       sku->price_minor != variant->price_minor ||
                       sku->weight_grams != variant->weight_grams;
    }
    if (product != NULL)
        outcome = survey_own(pool, envelope, product, changed_out);
    if (outcome != OUTCOME_OK)
        return outcome;
    if (product != NULL && new_skus > 0 && product->sku_count + new_skus > PRODUCT_SKUS_MAX)
        return OUTCOME_SKUS_EXHAUSTED;
    if (pool->sizes.skus_max - pool->sku_count < new_skus ||
        (product == NULL && pool->sizes.products_max == pool->product_count))
        return OUTCOME_OVERLOADED;
    return OUTCOME_OK;
}

static void put_variant(struct inventory *inventory, const struct moment *moment,
                        const struct product_envelope *envelope, uint32_t product,
                        const struct variant *variant, struct effects *effects)
{
    struct inventory_pool *pool = inventory->pool;
    struct sku *sku = pool_find_sku(pool, variant->sku_id);
    bool is_new = sku == NULL;
    int64_t delta;

    if (is_new)
        sku = pool_add_sku(pool, variant->sku_id, product);
    if (is_new || sku->archived || sku->price_minor != variant->price_minor ||
        sku->weight_grams != variant->weight_grams) {
        bool is_told = !MUTANT(REVIVAL_NOT_RECORDED) || !sku->archived;

        sku->archived = false;
        sku->price_minor = variant->price_minor;
        sku->weight_grams = variant->weight_grams;
        if (is_told)
            persist_sku(inventory, sku, variant->sku, effects);
    }
    delta = is_new ? variant->stock : stock_delta(envelope, variant, sku);
    if (variant->claimed > 0)
        write_off_units(inventory, moment, sku, variant->claimed, "import", effects);
    else if (delta > 0)
        receive_units(inventory, moment, sku, (uint32_t)delta, is_new ? "initial" : "import",
                      effects);
}

/* SKUs that the product had and has no more keep their places, their stock, and what is held. */
static void archive_left_out(struct inventory *inventory, struct product_envelope *envelope,
                             struct effects *effects)
{
    const struct left_out *left_out = product_left_out(envelope);

    for (uint32_t i = 0; i < envelope->left_out_count; i++) {
        struct sku *sku = pool_find_sku(inventory->pool, left_out[i].sku_id);

        if (sku == NULL || sku->archived || MUTANT(LEFT_OUT_STAYS))
            continue; /* of a PUT that was refused, or archived meanwhile */
        sku->archived = true;
        if (!MUTANT(ARCHIVED_SKU_NOT_RECORDED))
            persist_sku(inventory, sku, left_out[i].sku, effects);
    }
}

/* A version's time is later than that of the version before, whatever the clock says: it tells
 * them apart. */
static int64_t next_version(const struct moment *moment, const struct product *product)
{
    if (product == NULL || moment->wall_ms > product->updated_wall_ms || MUTANT(VERSION_REPEATED))
        return moment->wall_ms;
    return product->updated_wall_ms + 1;
}

static enum audit_act act_of(const struct product_envelope *envelope, const struct product *before)
{
    if (before == NULL)
        return AUDIT_PRODUCT_CREATED;
    if (before->status == envelope->status)
        return AUDIT_PRODUCT_CHANGED;
    if (envelope->status == PRODUCT_ARCHIVED)
        return AUDIT_PRODUCT_ARCHIVED;
    return envelope->status == PRODUCT_ACTIVE ? AUDIT_PRODUCT_PUBLISHED : AUDIT_PRODUCT_UNPUBLISHED;
}

static void put_product(struct inventory *inventory, const struct moment *moment,
                        struct product_envelope *envelope, struct product *product,
                        struct effects *effects)
{
    struct inventory_pool *pool = inventory->pool;
    enum audit_act act = act_of(envelope, product);

    if (product != NULL && product->limit_per_customer == 0 && envelope->limit_per_customer != 0 &&
        !product_count_limits(pool, (uint32_t)(product - pool->products))) {
        for (uint32_t i = 0; i < envelope->variant_count; i++)
            if (envelope->variants[i].claimed > 0)
                claim_returns(envelope->variants[i].sku_id, envelope->variants[i].claimed, effects);
        envelope->outcome = OUTCOME_OVERLOADED;
        return;
    }
    envelope->updated_wall_ms = next_version(moment, product);
    if (product == NULL)
        product = pool_add_product(pool, inventory->partition, envelope->product_number);
    if (!MUTANT(LIMIT_STALE) || product->digest == 0)
        product->limit_per_customer = envelope->limit_per_customer;
    product->digest = envelope_digest(pool, envelope);
    product->status = envelope->status;
    product->updated_wall_ms = envelope->updated_wall_ms;
    memcpy(product->currency, envelope->currency, sizeof(product->currency));
    persist_product(inventory, envelope, effects);
    audit_add(effects, inventory->partition, moment, &envelope->origin, act, AUDIT_OF_PRODUCT,
              envelope->id, strlen(envelope->id))
        ->after.kind = AUDIT_VALUE_DIGEST;
    for (uint32_t i = 0; i < envelope->variant_count; i++)
        put_variant(inventory, moment, envelope, (uint32_t)(product - pool->products),
                    &envelope->variants[i], effects);
    archive_left_out(inventory, envelope, effects);
}

/* Whether the version that the change was made from is the one that there is. */
static bool is_expected(const struct product_envelope *envelope, const struct product *product)
{
    if (envelope->expected_wall_ms == 0 || MUTANT(PRECONDITION_IGNORED))
        return true;
    return product != NULL && (envelope->expected_wall_ms == PRODUCT_VERSION_ANY ||
                               envelope->expected_wall_ms == product->updated_wall_ms);
}

/* Fills outcome and result; false if units must be claimed first. */
static bool decide_put(struct inventory *inventory, const struct moment *moment,
                       struct message *message, struct effects *effects)
{
    struct product_envelope *envelope = message->product.envelope;
    struct inventory_pool *pool = inventory->pool;
    struct product *product =
        pool_find_product(pool, inventory->partition, envelope->product_number);
    bool changed = false;

    if (message->product.claim == CLAIM_NONE) {
        if (!is_expected(envelope, product)) {
            envelope->outcome = OUTCOME_PRECONDITION_FAILED;
            return true;
        }
        if (product != NULL && envelope->put_mode == PUT_CREATE) {
            envelope->outcome = OUTCOME_PRODUCT_EXISTS;
            return true;
        }
        envelope->outcome = (uint8_t)survey(inventory, envelope, product, &changed, effects);
        changed = changed || product == NULL || product->digest != envelope_digest(pool, envelope);
        envelope->result = (uint8_t)(product == NULL ? PUT_CREATED
                                     : changed       ? PUT_UPDATED
                                                     : PUT_UNCHANGED);
        if (envelope->outcome != OUTCOME_OK || envelope->dry_run || !changed) {
            effects->claim_count = 0;
            return true;
        }
        if (effects->claim_count > 0)
            return false;
    } else if (message->product.claim == CLAIM_REFUSED) {
        envelope->outcome = OUTCOME_STOCK_CONFLICT;
        return true;
    }
    put_product(inventory, moment, envelope, product, effects);
    return true;
}

void inventory_product_put(struct inventory *inventory, const struct moment *moment,
                           struct message *message, struct effects *effects)
{
    struct message *done;

    if (!decide_put(inventory, moment, message, effects))
        return;
    done = effects_message(effects, MESSAGE_PRODUCT_DONE, 0);
    done->shard = message->shard;
    done->partition = (uint16_t)inventory->partition;
    done->product.envelope = message->product.envelope;
}
