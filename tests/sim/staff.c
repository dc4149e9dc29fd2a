/* SPDX-License-Identifier: Apache-2.0 */
/* What the shop's staff do: products, stock, the ledger. */
#include "world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "inspect.h"
#include "violation.h"

enum { STOCK_TOP = 200 };

/* ---- stock ---- */

static void ask_stock(struct world *world, enum command_type type, uint32_t sku, bool is_set,
                      int64_t value, uint32_t adjustment)
{
    struct sku_model *model = &world->books.skus[sku];
    struct request *request;
    struct refusal refusal;
    struct command command = {.type = type,
                              .authority = AUTHORITY_STAFF,
                              .stock = {.sku = {.text = model->name, .length = strlen(model->name)},
                                        .is_set = is_set,
                                        .value = value,
                                        .reason = {.text = "count", .length = 5}}};
    uint32_t shard = clients_draw_shard(world);
    char key[32];

    if (shard == NONE || (request = clients_take_request(world, type, 0)) == NULL)
        return;
    if (adjustment != NONE) {
        snprintf(key, sizeof(key), "adjust-%u", world->books.adjustments[adjustment].key);
        command.stock.key = (struct slice){.text = key, .length = strlen(key)};
        command.stock.body = (struct slice){.text = "same", .length = 4};
    }
    request->adjustment = adjustment;
    request->sku = sku;
    request->is_set = is_set;
    request->value = value;
    request->changes = model->changes_open == 0 ? model->changes : UINT64_MAX;
    request->saved_min[0] = model->stock_min;
    request->saved_max[0] = model->stock_max;
    if (clients_submit(world, shard, &command, request, &refusal) != OUTCOME_PENDING ||
        type == COMMAND_STOCK_GET)
        return;
    model->changes++;
    model->changes_open++;
    if (adjustment != NONE)
        world->books.adjustments[adjustment].open++;
    if (is_set) {
        model->exclusive_open = true;
        model->stock_min = 0;
        model->stock_max = SKU_STOCK_MAX;
    } else if (value > 0) {
        model->stock_max += value;
    } else {
        model->stock_min += value;
    }
}

void staff_get_stock(struct world *world, uint32_t sku)
{
    if (world->books.products[world->books.skus[sku].product].presence == PRODUCT_PRESENT)
        ask_stock(world, COMMAND_STOCK_GET, sku, false, 0, NONE);
}

/* Two in three have an Idempotency-Key; an older adjustment's place is taken. */
static uint32_t take_key(struct world *world, uint32_t sku, int64_t value)
{
    uint32_t index = sim_random_below(&world->random, SIM_ADJUSTMENTS_MAX * 3 / 2);
    struct keyed_adjustment *adjustment;

    if (index >= SIM_ADJUSTMENTS_MAX || world->books.adjustments[index].open > 0)
        return NONE;
    adjustment = &world->books.adjustments[index];
    *adjustment = (struct keyed_adjustment){
        .sku = sku, .key = ++world->books.adjust_keys, .value = value, .sent_ms = world_now(world)};
    return index;
}

void staff_adjust(struct world *world, uint32_t sku, bool is_set, int64_t value)
{
    struct sku_model *model = &world->books.skus[sku];

    /* What sets a figure must be alone, so that the books can tell what came of it. */
    if (world->books.products[model->product].presence != PRODUCT_PRESENT ||
        model->exclusive_open || (is_set && model->changes_open > 0) ||
        (!is_set && model->stock_max + value > STOCK_TOP))
        return;
    ask_stock(world, COMMAND_STOCK_ADJUST, sku, is_set, value,
              is_set || value == 0 ? NONE : take_key(world, sku, value));
}

void staff_adjust_again(struct world *world)
{
    uint32_t index = sim_random_below(&world->random, SIM_ADJUSTMENTS_MAX);
    const struct keyed_adjustment *adjustment = &world->books.adjustments[index];

    if (adjustment->key != 0 && !world->books.skus[adjustment->sku].exclusive_open &&
        world_now(world) - adjustment->sent_ms < ADJUST_KEY_RETENTION_MS / 2)
        ask_stock(world, COMMAND_STOCK_ADJUST, adjustment->sku, false, adjustment->value, index);
}

/* ---- products ---- */

int64_t staff_price(const struct sku_model *sku, uint32_t version)
{
    return sku->price_minor + version;
}

static struct product_envelope *write_product(struct world *world, uint32_t index,
                                              struct request *request)
{
    const struct product_model *product = &world->books.products[index];
    char document[64];
    int length = snprintf(document, sizeof(document), "{\"version\":%u}", request->version);
    struct product_envelope *envelope = product_envelope_create((uint32_t)length);

    assert(envelope != NULL);
    memcpy(envelope->document, document, (size_t)length);
    envelope->document_length = (uint32_t)length;
    memcpy(envelope->id, product->id, sizeof(envelope->id));
    memcpy(envelope->currency, "EUR", 4);
    envelope->put_mode = request->put_mode;
    envelope->stock_mode = request->stock_mode;
    envelope->dry_run = request->dry_run;
    envelope->limit_per_customer = request->limit;
    envelope->status = request->status;
    for (uint32_t i = 0; i < product->sku_count; i++) {
        const struct sku_model *sku = &world->books.skus[product->sku_first + i];
        struct variant *variant = &envelope->variants[envelope->variant_count];

        if (request->left_out[i])
            continue;
        envelope->variant_count++;
        memcpy(variant->sku, sku->name, sizeof(variant->sku));
        variant->price_minor = staff_price(sku, request->version);
        variant->weight_grams = request->version;
        variant->stock = (uint32_t)request->variant_values[i];
    }
    return envelope;
}

static bool changes_sale(const struct world *world, const struct request *request)
{
    const struct product_model *product = &world->books.products[request->product];
    bool changes = product->vague || product->status != request->status;

    for (uint32_t i = 0; i < product->sku_count; i++)
        changes =
            changes || world->books.skus[product->sku_first + i].left_out != request->left_out[i];
    return changes;
}

/* Other changes of these SKUs wait until this one has ended. */
static void opened_put(struct world *world, const struct request *request)
{
    struct product_model *product = &world->books.products[request->product];

    product->put_open = true;
    product->sale_open = !request->dry_run && changes_sale(world, request);
    product->sale_changes += product->sale_open;
    world->books.limits_version += request->limit != product->limit;
    if (product->presence == PRODUCT_ABSENT)
        product->presence = PRODUCT_MAYBE;
    for (uint32_t i = 0; i < product->sku_count; i++) {
        struct sku_model *sku = &world->books.skus[product->sku_first + i];

        sku->changes++;
        sku->changes_open++;
        sku->exclusive_open = true;
        if (!request->left_out[i] &&
            (product->presence != PRODUCT_PRESENT || request->stock_mode != STOCK_KEEP)) {
            sku->stock_min = 0;
            sku->stock_max = SKU_STOCK_MAX;
        }
    }
}

static bool is_whole(const struct world *world, const struct product_model *product)
{
    bool is_whole = product->status == PRODUCT_ACTIVE;

    for (uint32_t i = 0; i < product->sku_count; i++)
        is_whole = is_whole && !world->books.skus[product->sku_first + i].left_out;
    return is_whole;
}

/* What of a product is sold from now on: one variant at least. What is not sold comes back soon, or
 * there would be little to buy. */
static void draw_sale(struct world *world, const struct product_model *product,
                      struct request *request)
{
    bool draws =
        world->phase == PHASE_SALE && request->was_present && request->put_mode == PUT_UPSERT;
    bool comes_back = world->phase != PHASE_SALE || (draws && !is_whole(world, product) &&
                                                     sim_random_chance(&world->random, 750000));
    uint32_t left = product->sku_count;

    request->status = comes_back ? PRODUCT_ACTIVE : product->status;
    if (draws && !comes_back && sim_random_chance(&world->random, 150000))
        request->status = (uint8_t)sim_random_below(&world->random, PRODUCT_STATUS_COUNT);
    for (uint32_t i = 0; i < product->sku_count; i++) {
        request->left_out[i] = !comes_back && world->books.skus[product->sku_first + i].left_out;
        if (draws && !comes_back && sim_random_chance(&world->random, 150000))
            request->left_out[i] = !request->left_out[i];
        left -= request->left_out[i];
    }
    if (left == 0)
        request->left_out[0] = false;
}

static void draw_put(struct world *world, const struct product_model *product,
                     struct request *request)
{
    request->stock_mode = STOCK_KEEP;
    request->was_present = product->presence == PRODUCT_PRESENT;
    request->limit = product->limit;
    request->version = product->version;
    request->generation = engine_catalogue_generation(world->engine);
    draw_sale(world, product, request);
    if (request->was_present && request->put_mode == PUT_UPSERT) {
        request->version += sim_random_below(&world->random, 2);
        if (sim_random_chance(&world->random, 200000))
            request->limit = sim_random_below(&world->random, 6);
    }
    if (product->presence == PRODUCT_PRESENT && request->put_mode == PUT_UPSERT)
        request->stock_mode = (uint8_t)sim_random_below(&world->random, 3);
    for (uint32_t i = 0; i < product->sku_count; i++) {
        const struct sku_model *sku = &world->books.skus[product->sku_first + i];

        request->variant_values[i] = sku->initial;
        if (product->presence == PRODUCT_PRESENT)
            request->variant_values[i] = sim_random_below(&world->random, 6);
        request->saved_min[i] = sku->stock_min;
        request->saved_max[i] = sku->stock_max;
    }
}

/* Another product, which the books do not follow, claims a SKU. `contest`: of the names that nobody
 * has at first, or NONE. */
static void put_thief(struct world *world, uint32_t shard, uint32_t thief, const char *name,
                      uint32_t contest)
{
    struct request *request = clients_take_request(world, COMMAND_PRODUCT_PUT, 0);
    struct product_envelope *envelope;
    struct command command = {.type = COMMAND_PRODUCT_PUT, .authority = AUTHORITY_STAFF};
    struct refusal refusal;

    if (request == NULL)
        return;
    envelope = product_envelope_create(2);
    assert(envelope != NULL);
    memcpy(envelope->document, "{}", 2);
    envelope->document_length = 2;
    request->thief = thief;
    request->contest = contest;
    snprintf(envelope->id, sizeof(envelope->id), "thief-%u", thief);
    memcpy(envelope->currency, "EUR", 4);
    envelope->put_mode = PUT_UPSERT;
    envelope->variant_count = 1;
    snprintf(envelope->variants[0].sku, sizeof(envelope->variants[0].sku), "%s", name);
    envelope->variants[0].stock = 1000;
    command.product = envelope;
    if (clients_submit(world, shard, &command, request, &refusal) != OUTCOME_PENDING) {
        envelope_free(envelope);
        return;
    }
    if (contest != NONE) {
        world->contests[contest].sent++;
        if (world->contests[contest].open++ == 0)
            request->contest_sent = world->contests[contest].sent;
    }
}

static void name_contest(uint32_t contest, char name_out[SKU_LENGTH_MAX + 1])
{
    snprintf(name_out, SKU_LENGTH_MAX + 1, "contest-%u", contest);
}

void staff_contest(struct world *world, uint32_t thief, uint32_t contest)
{
    uint32_t shard = clients_draw_shard(world);
    char name[SKU_LENGTH_MAX + 1];

    name_contest(contest, name);
    if (shard != NONE)
        put_thief(world, shard, thief % SIM_THIEVES, name, contest);
}

bool staff_contest_is_won(struct world *world, uint32_t contest)
{
    char name[SKU_LENGTH_MAX + 1];

    name_contest(contest, name);
    return directory_find_sku_recorded(engine_inspect_directory(world->engine), name,
                                       strlen(name)) != NULL;
}

/* A SKU that exists; or two products at once claim one that nobody has, at least at first. */
static void steal_sku(struct world *world, uint32_t shard)
{
    uint32_t thief = sim_random_below(&world->random, SIM_THIEVES);
    uint32_t contest = sim_random_below(&world->random, SIM_CONTESTS);

    if (sim_random_chance(&world->random, 500000)) {
        put_thief(world, shard, thief, world->books.skus[0].name, NONE);
        return;
    }
    staff_contest(world, thief, contest);
    staff_contest(world, thief + 1, contest);
}

void staff_put_product(struct world *world, uint32_t index, enum put_mode mode)
{
    struct product_model *product = &world->books.products[index];
    struct command command = {.type = COMMAND_PRODUCT_PUT, .authority = AUTHORITY_STAFF};
    uint32_t shard = clients_draw_shard(world);
    struct request *request;
    struct refusal refusal;

    if (shard == NONE || product->put_open)
        return;
    for (uint32_t i = 0; i < product->sku_count; i++)
        if (world->books.skus[product->sku_first + i].changes_open > 0)
            return;
    if (world->phase == PHASE_SALE && sim_random_chance(&world->random, 100000)) {
        steal_sku(world, shard);
        return;
    }
    request = clients_take_request(world, COMMAND_PRODUCT_PUT, 0);
    if (request == NULL)
        return;
    request->product = index;
    request->put_mode = (uint8_t)(product->presence == PRODUCT_PRESENT ? mode : PUT_CREATE);
    request->dry_run = world->phase == PHASE_SALE && sim_random_chance(&world->random, 100000);
    draw_put(world, product, request);
    command.product = write_product(world, index, request);
    if (clients_submit(world, shard, &command, request, &refusal) == OUTCOME_PENDING)
        opened_put(world, request);
    else
        envelope_free(command.product);
}

/* ---- lists ---- */

void staff_list(struct world *world, uint32_t asked, uint32_t sku_id,
                const struct reservation_id *after)
{
    uint32_t shard = clients_draw_shard(world);
    struct command command = {.type = COMMAND_HOLD_LIST, .authority = AUTHORITY_STAFF};
    struct request *request;
    struct refusal refusal;

    if (shard == NONE || (request = clients_take_request(world, COMMAND_HOLD_LIST, 0)) == NULL)
        return;
    command.list.shard = asked;
    command.list.body = (struct list_body){.sku_id = sku_id,
                                           .state = HOLD_HELD,
                                           .limit = sim_random_range(&world->random, 1, 10),
                                           .after = *after};
    request->list = command.list.body;
    request->staff = true;
    clients_submit(world, shard, &command, request, &refusal);
}

/* ---- the ledger, from the journal ---- */

static void on_ledger(struct engine_read *read)
{
    struct world *world = read->user;
    const uint8_t *at = read->read.result.bytes;
    uint64_t before = 0;

    if (!world->read_open || read != &world->read)
        violation("a read ended twice");
    world->read_open = false;
    if (world->env.failed && !read->read.failed)
        violation("after the latch fell stored records were read");
    trace_add(&world->trace, TRACE_REPLY, read->read.count, read->read.failed);
    for (uint32_t i = 0; !read->read.failed && i < read->read.count; i++) {
        const struct record *record = (const struct record *)(const void *)at;

        if (record->kind != RECORD_LEDGER || record->subject != read->read.from.subject ||
            record->sequence <= before)
            violation("a read of the ledger gave a record that was not asked for");
        before = record->sequence;
        at += record->size;
    }
    if (!read->read.failed && read->read.count > 0)
        world_mark(world, MARK_LEDGER_READ);
    free(read->read.result.bytes);
}

void staff_read_ledger(struct world *world, uint32_t sku)
{
    uint32_t sku_id = world->books.skus[sku].sku_id;
    uint32_t shard = clients_draw_shard(world);
    struct journal_key from;
    enum outcome outcome;

    if (world->read_open || sku_id == UINT32_MAX || shard == NONE)
        return;
    from = (struct journal_key){.partition = sku_id_partition(sku_id), .subject = sku_id};
    world->read =
        (struct engine_read){.read = {.kind = RECORD_LEDGER, .from = from, .to = from, .limit = 50},
                             .done = on_ledger,
                             .user = world};
    world->read.read.to.sequence = UINT64_MAX;
    if (sim_random_chance(&world->random, 50000))
        journal_memory_fail_reads(world->journal, 1);
    outcome = engine_read_submit(clients_enter_shard(world, shard), &world->read);
    if (outcome == OUTCOME_PENDING && world->env.failed)
        violation("after the latch fell a read was taken on");
    if (outcome == OUTCOME_PENDING)
        world->read_open = true;
    else if (outcome != OUTCOME_OVERLOADED && outcome != OUTCOME_OUTCOME_UNKNOWN)
        violation("a read was answered %s", outcome_name(outcome));
    trace_add(&world->trace, TRACE_SUBMIT, 255, outcome);
}
