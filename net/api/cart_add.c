/* SPDX-License-Identifier: Apache-2.0 */
/* Adding to a cart: by SKU, or, as the call is written elsewhere, by product, whose only variant is
 * meant; the SKU stands beside it where there are several. */
#include "api/cart_add.h"

#include <stdlib.h>
#include <string.h>

#include "api/keyed.h"
#include "api/request.h"
#include "api/stored.h"

struct added {
    struct slice sku;
    struct slice product;
    int64_t quantity;
    unsigned sku_count;
    unsigned product_count;
    unsigned quantity_count;
};

/* `is_plain`: `product_id` and `qty` are taken, too. */
static void read_member(struct validation *validation, struct added *added, struct slice name,
                        const struct json_value *value, bool is_plain)
{
    struct field field = {.name = name};
    unsigned *count;

    if (slice_is(name, "sku")) {
        validate_code(validation, field, value, &added->sku);
        count = &added->sku_count;
    } else if (is_plain && slice_is(name, "product_id")) {
        validate_code(validation, field, value, &added->product);
        count = &added->product_count;
    } else if (slice_is(name, "quantity") || (is_plain && slice_is(name, "qty"))) {
        validate_integer(validation, field, value, 1, QUANTITY_MAX, &added->quantity);
        count = &added->quantity_count;
    } else {
        validation_add(validation, field, "is not known");
        return;
    }
    if (++*count > 1)
        validation_add(validation, field, "is given twice");
}

static bool read_added(struct api_call *call, bool is_plain, struct added *added_out)
{
    const struct json_value *object;
    const struct json_value *value;
    struct validation validation;
    struct slice name;

    *added_out = (struct added){0};
    if (!request_object(call, &object))
        return false;
    validation_init(&validation);
    struct json_iterator members = json_members(object);
    while (json_next_member(&members, &name, &value))
        read_member(&validation, added_out, name, value, is_plain);
    if (added_out->sku_count + added_out->product_count == 0)
        validation_add(&validation, FIELD("sku"), "is required");
    if (added_out->quantity_count == 0)
        validation_add(&validation, FIELD("quantity"), "is required");
    if (validation.count == 0)
        return true;
    validation_respond(&validation, call->exchange);
    return false;
}

void api_cart_add(struct api_call *call)
{
    struct added added;

    if (read_added(call, false, &added))
        cart_submit_add(call, added.sku, (uint32_t)added.quantity);
}

/* ---- by product ---- */

/* What is to be added once the product's variants are known. Hangs on the read. */
struct by_product {
    struct principal principal;
    uint32_t quantity;
    struct keyed_entry *entry;
};

/* The only variant's SKU; false after having said what is wrong. */
static bool only_variant(struct api_shard *shard, const struct record *record,
                         struct http_exchange *exchange, struct slice *sku_out)
{
    const struct json_value *product;
    const struct json_value *variants;
    const struct json_value *variant = NULL;
    const char *message;
    size_t position;

    product = record == NULL ? NULL
                             : json_read(shard->json, record_document(record),
                                         record->product.document_length, &message, &position);
    variants = json_member(product, "variants");
    if (variants == NULL || json_type(variants) != JSON_ARRAY || json_size(variants) == 0) {
        respond_outcome(exchange, OUTCOME_NOT_FOUND);
        return false;
    }
    if (json_size(variants) > 1) {
        validation_respond_one(exchange, FIELD("sku"),
                               "is required: this product has several variants");
        return false;
    }
    struct json_iterator elements = json_elements(variants);
    (void)json_next_element(&elements, &variant);
    *sku_out = json_string(json_member(variant, "sku"));
    return true;
}

static void add_later(struct stored_read *read, struct http_exchange *exchange,
                      const struct by_product *by)
{
    struct api_shard *shard = read->shard;
    struct command command = {.type = COMMAND_CART,
                              .principal = by->principal,
                              .cart = {.operation = CART_ADD, .quantity = by->quantity}};
    enum outcome outcome = OUTCOME_OVERLOADED;
    struct refusal unused;
    uint64_t cookie;

    if (exchange == NULL) {
        keyed_drop(shard, by->entry);
        return;
    }
    if (!only_variant(shard, stored_next(read, NULL), exchange, &command.cart.sku)) {
        keyed_drop(shard, by->entry);
        return;
    }
    cookie = pending_open(&shard->pending, read->exchange_cookie, cart_answer, by->entry);
    if (cookie != 0)
        outcome = engine_submit(shard->shard, &command, cookie, &unused);
    if (outcome == OUTCOME_PENDING)
        return;
    if (cookie != 0)
        pending_cancel(&shard->pending, cookie);
    keyed_refuse(shard, by->entry, exchange, outcome);
}

static void product_known(struct stored_read *read, struct http_exchange *exchange, bool failed)
{
    struct by_product *by = read->user;

    if (failed)
        keyed_refuse(read->shard, by->entry, exchange, OUTCOME_OUTCOME_UNKNOWN);
    else
        add_later(read, exchange, by);
    free(by);
}

static void add_by_product(struct api_call *call, const struct added *added)
{
    const struct product_entry *product = directory_find_product(
        shard_directory(call->shard->shard), added->product.text, added->product.length);
    struct http_slice body = http_exchange_body(call->exchange);
    struct by_product *by;
    enum outcome outcome = OUTCOME_OVERLOADED;
    struct stored_read *read = NULL;

    if (product == NULL || product_entry_status(product) != PRODUCT_ACTIVE) {
        problem_respond(call->exchange, PROBLEM_NOT_FOUND, "There is no such product.");
        return;
    }
    by = calloc(1, sizeof(*by));
    if (by != NULL) {
        by->principal = call->principal;
        by->quantity = (uint32_t)added->quantity;
        if (!keyed_begin(call, (struct slice){body.data, body.length}, &by->entry)) {
            free(by);
            return;
        }
        read = stored_read_start(
            call->shard, http_exchange_cookie(call->exchange), RECORD_PRODUCT,
            (struct journal_key){.partition = product->partition, .subject = product->number},
            (struct journal_key){.partition = product->partition, .subject = product->number + 1},
            1, product_known, &outcome);
    }
    if (read != NULL) {
        read->user = by;
        return;
    }
    keyed_refuse(call->shard, by == NULL ? NULL : by->entry, call->exchange, outcome);
    free(by);
}

/* The SKU says it all, but must be the product's. */
static void add_variant(struct api_call *call, const struct added *added)
{
    const struct directory *directory = shard_directory(call->shard->shard);
    const struct product_entry *product =
        directory_find_product(directory, added->product.text, added->product.length);
    const struct sku_entry *sku = directory_find_sku(directory, added->sku.text, added->sku.length);

    if (product == NULL || product_entry_status(product) != PRODUCT_ACTIVE)
        problem_respond(call->exchange, PROBLEM_NOT_FOUND, "There is no such product.");
    else if (sku != NULL && sku->product != product)
        validation_respond_one(call->exchange, FIELD("sku"), "is no variant of this product");
    else
        cart_submit_add(call, added->sku, (uint32_t)added->quantity);
}

void api_cart_add_plain(struct api_call *call)
{
    struct added added;

    if (!read_added(call, true, &added))
        return;
    if (added.product_count > 0 && added.sku_count > 0)
        add_variant(call, &added);
    else if (added.product_count > 0)
        add_by_product(call, &added);
    else
        cart_submit_add(call, added.sku, (uint32_t)added.quantity);
}
