/* SPDX-License-Identifier: Apache-2.0 */
/* Products pass through the directory's shard, which alone gives out numbers and sees to it that a
 * SKU belongs to one product:
 *
 *   requester --PRODUCT_SUBMIT--> directory: names checked, numbers given, published (gates at 0)
 *             --PRODUCT_PUT-----> partition: recorded, gates credited
 *             --PRODUCT_DONE----> directory (once durable): prices shown, answered
 *
 * A name whose PUT failed stays in the directory without a record: it shows no units, and the next
 * PUT of that product uses it. */
#include "engine_private.h"

#include <string.h>

static void answer(struct shard *shard, struct product_envelope *envelope, enum outcome outcome,
                   uint32_t variant)
{
    struct message reply = {.size = message_size(MESSAGE_REPLY, 0),
                            .type = MESSAGE_REPLY,
                            .shard = envelope->requester_shard,
                            .cookie = envelope->cookie};
    struct arena one = {.bytes = (uint8_t *)&reply, .used = reply.size, .capacity = reply.size};

    reply.reply.outcome = (uint8_t)outcome;
    reply.reply.answers = MESSAGE_PRODUCT_SUBMIT;
    reply.reply.put_result = envelope->result;
    reply.reply.limit = variant;
    envelope_free(envelope);
    shard_release(shard, &one, true);
}

static uint32_t product_partition(const struct engine *engine, const char *id)
{
    return (uint32_t)hash_bytes(&engine->ports.secrets.id_key, id, strlen(id)) &
           (engine->options.partitions - 1);
}

/* Numbers for the product and its SKUs; entries are added unless it is a dry run. */
static enum outcome give_numbers(struct shard *shard, struct product_envelope *envelope,
                                 struct product_entry **product_out, uint32_t *variant_out)
{
    struct directory_builder *builder = shard->engine->builder;
    struct product_entry *product = directory_builder_find_product(builder, envelope->id);

    for (uint32_t i = 0; i < envelope->variant_count; i++) {
        struct sku_entry *sku = directory_builder_find_sku(builder, envelope->variants[i].sku);

        *variant_out = i;
        if (sku != NULL && sku->product != product)
            return OUTCOME_SKU_TAKEN;
        envelope->variants[i].sku_id = sku == NULL ? UINT32_MAX : sku->sku_id;
    }
    if (product == NULL && !envelope->dry_run) {
        product = directory_builder_product(
            builder, envelope->id, product_partition(shard->engine, envelope->id), UINT32_MAX);
        shard->publish_due = true;
        if (product == NULL)
            return OUTCOME_OVERLOADED;
    }
    *product_out = product;
    for (uint32_t i = 0; i < envelope->variant_count && !envelope->dry_run; i++) {
        struct sku_entry *sku;

        if (envelope->variants[i].sku_id != UINT32_MAX)
            continue;
        sku = directory_builder_sku(builder, envelope->variants[i].sku, product, UINT32_MAX);
        if (sku == NULL)
            return OUTCOME_OVERLOADED;
        envelope->variants[i].sku_id = sku->sku_id;
        atomic_store_explicit(&sku->price_minor, envelope->variants[i].price_minor,
                              memory_order_relaxed);
        memcpy(product->currency, envelope->currency, sizeof(product->currency));
        shard->publish_due = true;
    }
    return OUTCOME_OK;
}

void directory_submit(struct shard *shard, struct message *message)
{
    struct product_envelope *envelope = message->product.envelope;
    struct product_entry *product = NULL;
    enum outcome outcome;
    uint32_t variant = 0;

    envelope->requester_shard = message->shard;
    envelope->cookie = message->cookie;
    if (shard->products == PRODUCTS_IN_FLIGHT_MAX) {
        answer(shard, envelope, OUTCOME_OVERLOADED, 0);
        return;
    }
    outcome = give_numbers(shard, envelope, &product, &variant);
    if (outcome != OUTCOME_OK || product == NULL) { /* a dry run of a new product is done here */
        envelope->result = PUT_CREATED;
        answer(shard, envelope, outcome, variant);
        return;
    }
    envelope->product_number = product->number;
    shard->products++;
    shard->unpublished[shard->unpublished_count++] = envelope;
}

static void directory_release(void *memory)
{
    directory_free(memory);
}

static bool publish(struct shard *shard)
{
    struct engine *engine = shard->engine;
    const struct directory *old =
        atomic_load_explicit(&engine->directory, memory_order_relaxed);
    const struct directory *fresh;

    if (shard->retired_count == RETIRED_MAX)
        return false;
    fresh = directory_builder_publish(engine->builder);
    if (fresh == NULL)
        return false;
    atomic_store_explicit(&engine->directory, fresh, memory_order_release);
    shard_retire(shard, directory_release, (void *)(uintptr_t)old);
    shard->publish_due = false;
    return true;
}

/* PUTs go out one by one; the table of a step is published once for all of them. */
void directory_publish(struct shard *shard)
{
    struct engine *engine = shard->engine;
    uint32_t count = shard->unpublished_count;

    if (count == 0 || (shard->publish_due && !publish(shard)))
        return;
    shard->unpublished_count = 0;
    for (uint32_t i = 0; i < count; i++) {
        struct product_envelope *envelope = shard->unpublished[i];
        uint32_t partition = product_partition(engine, envelope->id);
        uint32_t target = engine_shard_of(engine, partition);
        struct message put = {.size = message_size(MESSAGE_PRODUCT_PUT, 0),
                              .type = MESSAGE_PRODUCT_PUT,
                              .partition = (uint16_t)partition,
                              .shard = (uint16_t)shard->index};

        put.product.envelope = envelope;
        if (mailbox_push(engine_mailbox(engine, shard->index, target), &put)) {
            if (target != shard->index)
                shard_notify(engine, target);
        } else {
            shard->products--;
            answer(shard, envelope, OUTCOME_OVERLOADED, 0);
        }
    }
}

void directory_done(struct shard *shard, struct message *message)
{
    struct product_envelope *envelope = message->product.envelope;

    assert(shard->index == DIRECTORY_SHARD && shard->products > 0);
    shard->products--;
    if (envelope->outcome == OUTCOME_OK && !envelope->dry_run)
        for (uint32_t i = 0; i < envelope->variant_count; i++) {
            struct sku_entry *sku =
                directory_builder_find_sku_id(shard->engine->builder, envelope->variants[i].sku_id);

            atomic_store_explicit(&sku->price_minor, envelope->variants[i].price_minor,
                                  memory_order_relaxed);
        }
    answer(shard, envelope, (enum outcome)envelope->outcome, 0);
}
