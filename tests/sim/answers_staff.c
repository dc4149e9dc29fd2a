/* SPDX-License-Identifier: Apache-2.0 */
/* Answers about stock and products. The books keep bounds of each SKU's stock: a change widens them
 * when it is sent and narrows them when it is answered. */
#include "world.h"

#include "inspect.h"
#include "violation.h"

static void check_stock_view(const struct sku_model *sku, const struct stock_view *view)
{
    if (view->sku_id != sku->sku_id)
        violation("a stock of another SKU was shown");
    if ((uint64_t)view->available + view->reserved + view->sold != view->stock)
        violation("stock %u is shown with %u available, %u reserved, %u sold", view->stock,
                  view->available, view->reserved, view->sold);
}

static void take_adjusted(struct world *world, const struct request *request,
                          const struct stock_view *view)
{
    struct sku_model *sku = &world->books.skus[request->sku];

    /* Another change may have been made after this one and answered before it. */
    if (request->changes + 1 == sku->changes && sku->changes_open == 0 &&
        ((int64_t)view->stock < sku->stock_min || (int64_t)view->stock > sku->stock_max))
        violation("%s has a stock of %u, not %lld to %lld", sku->name, view->stock,
                  (long long)sku->stock_min, (long long)sku->stock_max);
    if (request->is_set) {
        if (view->available != request->value)
            violation("%u units are available, %lld were set", view->available,
                      (long long)request->value);
        sku->stock_min = sku->stock_max = view->stock;
        return;
    }
    if (request->value > 0)
        sku->stock_min += request->value;
    else
        sku->stock_max += request->value;
    world_mark(world, request->value > 0 ? MARK_ADJUST_UP : MARK_ADJUST_DOWN);
}

/* It changed nothing: the bounds are as if it had not been sent. */
static void undo_adjust(struct sku_model *sku, const struct request *request)
{
    if (request->is_set) {
        sku->stock_min = request->saved_min[0];
        sku->stock_max = request->saved_max[0];
    } else if (request->value > 0) {
        sku->stock_max -= request->value;
    } else {
        sku->stock_min -= request->value;
    }
}

/* A key's adjustment is made once, and answered the same again. */
static void take_keyed(struct world *world, struct keyed_adjustment *adjustment,
                       const struct reply_body *reply)
{
    const struct stock_view *view = &reply->stock;
    const struct stock_view *first = &adjustment->view;

    if (!reply->replayed && adjustment->fresh_seen)
        violation("I3: an adjustment was made twice under one key");
    if (reply->replayed && !adjustment->done && !adjustment->maybe && adjustment->open == 0)
        violation("a new adjustment got a replay");
    if (adjustment->done && (view->stock != first->stock || view->available != first->available ||
                             view->reserved != first->reserved || view->sold != first->sold))
        violation("an adjustment's answer is another when it is repeated");
    adjustment->done = true;
    adjustment->fresh_seen = adjustment->fresh_seen || !reply->replayed;
    adjustment->view = *view;
    if (reply->replayed)
        world_mark(world, MARK_ADJUST_REPLAYED);
}

static void answer_adjust(struct world *world, const struct request *request,
                          const struct reply_body *reply)
{
    struct sku_model *sku = &world->books.skus[request->sku];
    enum outcome outcome = (enum outcome)reply->outcome;

    struct keyed_adjustment *adjustment =
        request->adjustment == NONE ? NULL : &world->books.adjustments[request->adjustment];

    sku->changes_open--;
    if (adjustment != NULL) {
        adjustment->open--;
        adjustment->maybe = adjustment->maybe || outcome == OUTCOME_OUTCOME_UNKNOWN;
    }
    if (outcome == OUTCOME_OUTCOME_UNKNOWN)
        return; /* the process ends, and recovery tells */
    if (request->is_set)
        sku->exclusive_open = false;
    if (outcome == OUTCOME_OK) {
        check_stock_view(sku, &reply->stock);
        if (adjustment != NULL)
            take_keyed(world, adjustment, reply);
        else if (reply->replayed)
            violation("an adjustment without a key got a replay");
        if (reply->replayed) {
            undo_adjust(sku, request);
            return;
        }
        take_adjusted(world, request, &reply->stock);
        return;
    }
    undo_adjust(sku, request);
    if (outcome == OUTCOME_STOCK_CONFLICT && (request->is_set || request->value < 0))
        world_mark(world, MARK_ADJUST_CONFLICT);
    else if (outcome == OUTCOME_OVERLOADED)
        world_mark(world, MARK_REPLY_OVERLOADED);
    else
        violation("an adjustment by %lld was answered %s", (long long)request->value,
                  outcome_name(outcome));
}

void answers_stock(struct world *world, const struct request *request,
                   const struct reply_body *reply)
{
    const struct sku_model *sku = &world->books.skus[request->sku];

    if (request->type == COMMAND_STOCK_ADJUST) {
        answer_adjust(world, request, reply);
        return;
    }
    if (reply->outcome == OUTCOME_OVERLOADED || reply->outcome == OUTCOME_OUTCOME_UNKNOWN)
        return;
    if (reply->outcome != OUTCOME_OK)
        violation("a question for stock was answered %s",
                  outcome_name((enum outcome)reply->outcome));
    check_stock_view(sku, &reply->stock);
    /* A change in between may have been answered before this was. */
    if (request->changes == sku->changes && sku->changes_open == 0 &&
        ((int64_t)reply->stock.stock < sku->stock_min ||
         (int64_t)reply->stock.stock > sku->stock_max))
        violation("%s shows a stock of %u, not %lld to %lld", sku->name, reply->stock.stock,
                  (long long)sku->stock_min, (long long)sku->stock_max);
}

/* ---- products ---- */

/* Acknowledged: at once who sells knows. */
static void take_sale(struct world *world, struct product_model *product,
                      const struct request *request)
{
    if (request->was_present && product->status != request->status)
        world_mark(world,
                   request->status == PRODUCT_ACTIVE ? MARK_PRODUCT_BACK : MARK_PRODUCT_WITHDRAWN);
    product->status = request->status;
    for (uint32_t i = 0; i < product->sku_count; i++) {
        struct sku_model *sku = &world->books.skus[product->sku_first + i];
        const struct sku_entry *entry = world_sku_entry(world, product->sku_first + i);
        bool is_sold = product->status == PRODUCT_ACTIVE && !request->left_out[i];

        if (sku->left_out != request->left_out[i])
            world_mark(world, sku->left_out ? MARK_VARIANT_BACK : MARK_VARIANT_LEFT_OUT);
        sku->left_out = request->left_out[i];
        if (entry != NULL && sku_entry_is_on_sale(entry) != is_sold)
            violation("%s is %s by who sells, and was put otherwise", sku->name,
                      is_sold ? "refused" : "sold");
    }
}

static void take_put(struct world *world, const struct request *request, enum put_result result)
{
    struct product_model *product = &world->books.products[request->product];
    enum put_result expected = request->was_present ? PUT_UPDATED : PUT_CREATED;

    if (request->was_present && request->put_mode == PUT_CREATE)
        violation("%s was created twice", product->id);
    if (result != expected && !(request->was_present && result == PUT_UNCHANGED))
        violation("a product that was%s there was answered with result %d",
                  request->was_present ? "" : " not", (int)result);
    if (result != PUT_UNCHANGED &&
        engine_catalogue_generation(world->engine) == request->generation)
        violation("%s was changed in a catalogue that did not", product->id);
    product->presence = PRODUCT_PRESENT;
    world->books.limits_version += request->limit != product->limit || product->vague;
    product->limit = request->limit;
    product->was_free = product->was_free || product->limit == 0;
    product->version = request->version;
    product->vague = false;
    take_sale(world, product, request);
    for (uint32_t i = 0; i < product->sku_count; i++) {
        struct sku_model *sku = &world->books.skus[product->sku_first + i];
        const struct sku_entry *entry = world_sku_entry(world, product->sku_first + i);
        struct stock_view view;

        if (entry == NULL || !engine_inspect_stock(world->engine, entry->sku_id, &view))
            violation("%s was acknowledged and is not there", sku->name);
        if (request->left_out[i])
            continue;
        sku->version = product->version;
        sku->is_version_vague = false;
        if (atomic_load(&entry->price_minor) != staff_price(sku, sku->version))
            violation("%s was put at another price", sku->name);
        if (request->was_present && request->stock_mode == STOCK_SET) {
            sku->stock_min = sku->stock_max = view.stock;
            continue;
        }
        sku->stock_min = request->was_present ? request->saved_min[i] : request->variant_values[i];
        sku->stock_max = request->was_present ? request->saved_max[i] : request->variant_values[i];
        if (request->was_present && request->stock_mode == STOCK_ADD) {
            sku->stock_min += request->variant_values[i];
            sku->stock_max += request->variant_values[i];
        }
    }
    if (world->phase == PHASE_SALE)
        world_mark(world, request->was_present ? MARK_PRODUCT_CHANGED : MARK_PRODUCT_LATE);
}

static void undo_put(struct world *world, const struct request *request)
{
    struct product_model *product = &world->books.products[request->product];

    world->books.limits_version += request->limit != product->limit;
    if (!request->was_present)
        product->presence = PRODUCT_ABSENT;
    for (uint32_t i = 0; i < product->sku_count; i++) {
        struct sku_model *sku = &world->books.skus[product->sku_first + i];

        sku->stock_min = request->saved_min[i];
        sku->stock_max = request->saved_max[i];
    }
}

static void close_put(struct world *world, const struct request *request)
{
    struct product_model *product = &world->books.products[request->product];

    product->put_open = false;
    product->sale_changes += product->sale_open;
    product->sale_open = false;
    for (uint32_t i = 0; i < product->sku_count; i++) {
        world->books.skus[product->sku_first + i].changes_open--;
        world->books.skus[product->sku_first + i].exclusive_open = false;
    }
}

/* A SKU that several products want belongs to the first that it was recorded for; until then it is
 * anybody's. */
static void take_contest(struct world *world, const struct request *request, enum outcome outcome)
{
    struct contest *contest = &world->contests[request->contest];

    contest->open--;
    if (outcome == OUTCOME_OK) {
        if (contest->winner != 0 && contest->winner != request->thief + 1)
            violation("two products were given one SKU");
        if (contest->refused != 0 && contest->refused != request->thief + 1)
            world_mark(world, MARK_NAME_PASSED_ON);
        contest->winner = request->thief + 1;
        contest->refused = 0;
    } else if (outcome == OUTCOME_OVERLOADED && !staff_contest_is_won(world, request->contest)) {
        contest->refused = request->thief + 1;
    } else if (outcome == OUTCOME_SKU_TAKEN && request->contest_sent == contest->sent &&
               !staff_contest_is_won(world, request->contest)) {
        violation("a SKU was called taken that no product has or has asked for");
    }
}

void answers_product(struct world *world, const struct request *request,
                     const struct reply_body *reply)
{
    enum outcome outcome = (enum outcome)reply->outcome;
    bool thief = request->product == NONE;

    if (request->is_edit) {
        edits_take(world, request, reply);
        return;
    }
    if (thief && request->contest != NONE)
        take_contest(world, request, outcome);
    if (outcome == OUTCOME_SKU_TAKEN) {
        if (!thief)
            violation("a product may not have its own SKUs");
        world_mark(world, MARK_SKU_TAKEN);
        return;
    }
    if (thief) {
        if ((outcome != OUTCOME_OK || request->contest == NONE) && outcome != OUTCOME_OVERLOADED &&
            outcome != OUTCOME_OUTCOME_UNKNOWN)
            violation("a product took another's SKU: %s", outcome_name(outcome));
        return;
    }
    if (outcome == OUTCOME_OUTCOME_UNKNOWN)
        return; /* the process ends, and recovery tells */
    close_put(world, request);
    if (outcome == OUTCOME_OK && request->dry_run) {
        undo_put(world, request);
        world_mark(world, MARK_DRY_RUN);
        return;
    }
    if (outcome == OUTCOME_OK) {
        take_put(world, request, (enum put_result)reply->put_result);
        return;
    }
    undo_put(world, request);
    if (outcome == OUTCOME_PRODUCT_EXISTS && request->was_present &&
        request->put_mode == PUT_CREATE)
        world_mark(world, MARK_PRODUCT_EXISTS);
    else if (outcome == OUTCOME_OVERLOADED)
        world_mark(world, MARK_REPLY_OVERLOADED);
    else if (outcome != OUTCOME_STOCK_CONFLICT || request->stock_mode != STOCK_SET ||
             !request->was_present)
        violation("a product was answered %s", outcome_name(outcome));
}
