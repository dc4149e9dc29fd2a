/* SPDX-License-Identifier: Apache-2.0 */
/* Products pass through the directory's shard, which alone gives out numbers and sees to it that a
 * SKU belongs to one product:
 *
 *   requester --PRODUCT_SUBMIT--> directory: names checked, numbers given, published (unfound)
 *             --PRODUCT_PUT-----> partition: recorded, gates credited
 *             --PRODUCT_DONE----> directory (once durable): prices shown, answered
 *
 * A name is not found before it is recorded. One whose PUT failed stays in the directory,
 * unrecorded and unfound, until some product takes it. */
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

/* Whether the names may be this product's: its own, new, or nobody's. */
static enum outcome check_names(struct shard *shard, struct product_envelope *envelope,
                                const struct product_entry *product, uint32_t *variant_out)
{
    struct directory_builder *builder = shard->engine->builder;

    if (product != NULL && envelope->put_mode == PUT_CREATE &&
        atomic_load_explicit(&product->recorded, memory_order_relaxed))
        return OUTCOME_PRODUCT_EXISTS;
    for (uint32_t i = 0; i < envelope->variant_count; i++) {
        const struct sku_entry *sku =
            directory_builder_find_sku(builder, envelope->variants[i].sku);
        bool taken = sku != NULL && sku->product != product &&
                     ((sku->puts > 0 && !MUTANT(NAME_GIVEN_TWICE)) ||
                      sku_entry_state(sku) != SKU_UNRECORDED);

        *variant_out = i;
        if (taken)
            return OUTCOME_SKU_TAKEN;
        envelope->variants[i].sku_id =
            sku == NULL || sku->product != product ? UINT32_MAX : sku->sku_id;
    }
    return OUTCOME_OK;
}

static struct sku_entry *give_sku(struct directory_builder *builder, const struct variant *variant,
                                  struct product_entry *product)
{
    struct sku_entry *sku = directory_builder_find_sku(builder, variant->sku);

    if (sku != NULL && sku->product != product)
        sku = directory_builder_rename(builder, sku, product);
    else if (sku == NULL)
        sku = directory_builder_sku(builder, variant->sku, product, UINT32_MAX);
    if (sku != NULL)
        atomic_store_explicit(&sku->price_minor, variant->price_minor, memory_order_relaxed);
    return sku;
}

/* No more keys than units can win. */
static uint32_t units_of(const struct product_envelope *envelope)
{
    uint64_t units = 0;

    for (uint32_t i = 0; i < envelope->variant_count; i++)
        units += envelope->variants[i].stock;
    return units > UINT32_MAX ? UINT32_MAX : (uint32_t)units;
}

/* Numbers for the product and its SKUs; entries are added unless it is a dry run. */
static enum outcome give_numbers(struct shard *shard, struct product_envelope *envelope,
                                 struct product_entry **product_out, uint32_t *variant_out)
{
    struct directory_builder *builder = shard->engine->builder;
    struct product_entry *product = directory_builder_find_product(builder, envelope->id);
    enum outcome outcome = check_names(shard, envelope, product, variant_out);

    *product_out = product;
    if (outcome != OUTCOME_OK || envelope->dry_run)
        return outcome;
    if (product == NULL) {
        product = directory_builder_product(
            builder, envelope->id, product_partition(shard->engine, envelope->id), UINT32_MAX);
        if (product == NULL)
            return OUTCOME_OVERLOADED;
        key_filter_expect(&product->filter, &shard->blocks, units_of(envelope));
    }
    *product_out = product;
    for (uint32_t i = 0; i < envelope->variant_count; i++) {
        struct sku_entry *sku;

        if (envelope->variants[i].sku_id != UINT32_MAX)
            continue;
        sku = give_sku(builder, &envelope->variants[i], product);
        if (sku == NULL)
            return OUTCOME_OVERLOADED;
        envelope->variants[i].sku_id = sku->sku_id;
    }
    return OUTCOME_OK;
}

static bool is_named(const struct product_envelope *envelope, const struct sku_entry *sku)
{
    for (uint32_t i = 0; i < envelope->variant_count; i++)
        if (envelope->variants[i].sku_id == sku->sku_id)
            return true;
    return false;
}

/* One that is on sale, or may be when the PUT comes to its partition. */
static bool is_left_out(const struct product_envelope *envelope, const struct sku_entry *sku)
{
    return (sku->puts > 0 || (!sku->archived && sku_entry_state(sku) != SKU_UNRECORDED)) &&
           !is_named(envelope, sku);
}

/* SKUs of the product that the PUT does not name go along, with their names: the partition, which
 * knows what is archived, knows no names. Those of PUTs under way, too. False without memory, or if
 * there are too many for the moment; the envelope is another then or the same. */
static bool add_left_out(struct product_envelope **envelope, const struct product_entry *product)
{
    struct sku_entry *first = atomic_load_explicit(&product->skus, memory_order_relaxed);
    struct product_envelope *grown;
    uint32_t count = 0;

    for (const struct sku_entry *sku = first; sku != NULL; sku = sku->next_of_product)
        count += is_left_out(*envelope, sku);
    if (count == 0)
        return true;
    grown = count > PRODUCT_LEFT_OUT_MAX ? NULL : product_envelope_grow(*envelope, count);
    if (grown == NULL)
        return false;
    *envelope = grown;
    for (const struct sku_entry *sku = first; sku != NULL; sku = sku->next_of_product) {
        struct left_out *left_out = &product_left_out(grown)[grown->left_out_count];

        if (!is_left_out(grown, sku))
            continue;
        left_out->sku_id = sku->sku_id;
        memcpy(left_out->sku, sku->sku, sizeof(left_out->sku));
        grown->left_out_count++;
    }
    return true;
}

/* Its names are spoken for while a PUT is under way. */
static void count_puts(struct shard *shard, const struct product_envelope *envelope, int change)
{
    for (uint32_t i = 0; i < envelope->variant_count; i++) {
        struct sku_entry *sku =
            directory_builder_find_sku_id(shard->engine->builder, envelope->variants[i].sku_id);

        if (sku != NULL) /* a dry run's new ones have no number */
            sku->puts = (uint16_t)(sku->puts + change);
    }
}

/* Beside those of an import there is room for others. */
static uint32_t products_max(const struct engine *engine, const struct product_envelope *envelope)
{
    uint32_t max = engine->options.products_in_flight_max;
    uint32_t reserved = max / 2 < PRODUCTS_RESERVED ? max / 2 : PRODUCTS_RESERVED;

    return envelope->is_bulk ? max - reserved : max;
}

void directory_submit(struct shard *shard, struct message *message)
{
    struct product_envelope *envelope = message->product.envelope;
    struct product_entry *product = NULL;
    enum outcome outcome;
    uint32_t variant = 0;

    envelope->requester_shard = message->shard;
    envelope->cookie = message->cookie;
    if (shard->products >= products_max(shard->engine, envelope)) {
        answer(shard, envelope, OUTCOME_OVERLOADED, 0);
        return;
    }
    outcome = give_numbers(shard, envelope, &product, &variant);
    if (outcome != OUTCOME_OK || product == NULL) { /* a dry run of a new product is done here */
        envelope->result = PUT_CREATED;
        answer(shard, envelope, outcome, variant);
        return;
    }
    if (!add_left_out(&envelope, product)) {
        answer(shard, envelope, OUTCOME_OVERLOADED, 0);
        return;
    }
    envelope->product_number = product->number;
    count_puts(shard, envelope, 1);
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
    const struct directory *old = atomic_load_explicit(&engine->directory, memory_order_relaxed);
    const struct directory *fresh;

    if (shard->retired_count == RETIRED_MAX)
        return false;
    fresh = directory_builder_publish(engine->builder);
    if (fresh == NULL)
        return false;
    atomic_store_explicit(&engine->directory, fresh, memory_order_release);
    shard_retire_directory(shard, directory_release, (void *)(uintptr_t)old);
    return true;
}

static void retire_labels(struct shard *shard)
{
    /* However long work that reads them goes on: there is room left for tables that have grown,
     * which PUTs wait for. */
    if (shard->stale_labels != NULL && shard->retired_count < RETIRED_MAX / 2 &&
        shard_retire_directory(shard, product_labels_free, shard->stale_labels))
        shard->stale_labels = NULL;
}

/* PUTs go out one by one, when their names can be found by number: at once, but for a table that
 * has grown. */
void directory_publish(struct shard *shard)
{
    struct engine *engine = shard->engine;
    uint32_t count = shard->unpublished_count;

    retire_labels(shard);
    if (count == 0 || (directory_builder_has_grown(engine->builder) && !publish(shard)))
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
            if (!MUTANT(NAME_KEPT))
                count_puts(shard, envelope, -1);
            answer(shard, envelope, OUTCOME_OVERLOADED, 0);
        }
    }
}

static void show_label(struct shard *shard, struct product_entry *product,
                       const struct product_envelope *envelope)
{
    const struct product_label *old = atomic_load_explicit(&product->label, memory_order_relaxed);
    struct product_source source = {.id = product->id,
                                    .currency = envelope->currency,
                                    .document = envelope->document,
                                    .document_length = envelope->document_length,
                                    .updated_wall_ms = envelope->updated_wall_ms};
    struct product_label *fresh;

    if (source.updated_wall_ms == 0 && old != NULL) /* nothing was recorded */
        source.updated_wall_ms = old->updated_wall_ms;
    fresh = product_label_make(&shard->blocks, directory_builder_terms(shard->engine->builder),
                               &source);
    if (fresh == NULL)
        return; /* the old one is shown on */
    if (old != NULL && product_label_equal(old, fresh)) {
        product_labels_free(fresh);
        return;
    }
    atomic_store_explicit(&product->label, fresh, memory_order_release);
    if (old != NULL) {
        struct product_label *stale = (struct product_label *)(uintptr_t)old;

        stale->next = shard->stale_labels;
        shard->stale_labels = stale;
    }
}

/* Readers who see the new generation see what changed before it. */
static void show_change(struct engine *engine)
{
    uint64_t generation = atomic_load_explicit(&engine->catalogue_generation, memory_order_relaxed);

    if (!MUTANT(GENERATION_STANDS))
        atomic_store_explicit(&engine->catalogue_generation, generation + 1, memory_order_release);
}

static void tell_search(struct engine *engine, const struct product_entry *product)
{
    const struct search_port *search = &engine->ports.search;

    if (search->self != NULL)
        search->changed(search->self, (struct search_place){.partition = product->partition,
                                                            .number = product->number});
}

/* SKUs that the product had before, and has no more. */
static void withdraw_left_out(struct product_entry *product,
                              const struct product_envelope *envelope)
{
    struct sku_entry *sku = atomic_load_explicit(&product->skus, memory_order_relaxed);

    for (; sku != NULL; sku = sku->next_of_product) {
        uint32_t at = 0;

        if (sku->archived || sku_entry_state(sku) == SKU_UNRECORDED)
            continue;
        while (at < envelope->variant_count && envelope->variants[at].sku_id != sku->sku_id)
            at++;
        if (at < envelope->variant_count)
            continue;
        sku->archived = true;
        atomic_store_explicit(&sku->state, SKU_WITHDRAWN, memory_order_release);
    }
}

/* What is stored may be found, at the price that is stored; what the product has no more, and all
 * of one that is not active, is withdrawn. */
static void show_product(struct shard *shard, const struct product_envelope *envelope)
{
    struct directory_builder *builder = shard->engine->builder;
    struct product_entry *product = directory_builder_find_product(builder, envelope->id);
    uint8_t status = MUTANT(STATUS_NOT_SHOWN) ? PRODUCT_ACTIVE : envelope->status;

    atomic_store_explicit(&product->status, status, memory_order_release);
    for (uint32_t i = 0; i < envelope->variant_count; i++) {
        struct sku_entry *sku =
            directory_builder_find_sku_id(builder, envelope->variants[i].sku_id);

        assert(sku != NULL); /* it was given its number here */
        atomic_store_explicit(&sku->price_minor, envelope->variants[i].price_minor,
                              memory_order_relaxed);
        atomic_store_explicit(&sku->weight_grams, envelope->variants[i].weight_grams,
                              memory_order_relaxed);
        sku->archived = false;
        atomic_store_explicit(&sku->state, status == PRODUCT_ACTIVE ? SKU_ON_SALE : SKU_WITHDRAWN,
                              memory_order_release);
    }
    withdraw_left_out(product, envelope);
    if (!MUTANT(PRICE_RANGE_STANDS))
        product_entry_show_prices(product);
    show_label(shard, product, envelope);
    atomic_store_explicit(&product->recorded, true, memory_order_release);
    atomic_fetch_add_explicit(&product->version, 1, memory_order_release);
    if (envelope->updated_wall_ms != 0) { /* something was recorded */
        show_change(shard->engine);
        tell_search(shard->engine, product);
    }
}

void directory_done(struct shard *shard, struct message *message)
{
    struct product_envelope *envelope = message->product.envelope;

    assert(shard->index == DIRECTORY_SHARD && shard->products > 0);
    shard->products--;
    count_puts(shard, envelope, -1);
    if (envelope->outcome == OUTCOME_OK && (!envelope->dry_run || MUTANT(DRY_RUN_SHOWS_PRICE)))
        show_product(shard, envelope);
    answer(shard, envelope, (enum outcome)envelope->outcome, 0);
}
