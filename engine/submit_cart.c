/* SPDX-License-Identifier: Apache-2.0 */
/* Commands about carts: each goes to the partition of whose cart it is. */
#include "engine_private.h"

#include <string.h>

static uint32_t partition_of(const struct engine *engine, const struct principal *principal)
{
    return record_place_of(principal->bytes, engine->options.partitions).partition;
}

static bool is_customer(const struct engine *engine, const struct principal *principal)
{
    uint32_t partition;
    uint32_t number;

    return account_principal_parse(principal, &engine->ports.secrets.id_key, &partition, &number);
}

static struct message *begin(struct shard *shard, const struct principal *principal,
                             enum message_type type, uint32_t lines, uint64_t cookie,
                             uint32_t *target_out)
{
    uint32_t partition = partition_of(shard->engine, principal);
    struct message *message;

    *target_out = engine_shard_of(shard->engine, partition);
    message = begin_request(shard, *target_out, type, lines, cookie);
    if (message != NULL)
        message->partition = (uint16_t)partition;
    return message;
}

/* What the directory knows of the SKU that the command names. */
static bool resolve(struct shard *shard, const struct command *command, struct cart_body *body)
{
    const struct sku_entry *sku = directory_find_sku_recorded(
        shard_directory(shard), command->cart.sku.text, command->cart.sku.length);
    const struct product_label *label;

    /* What is withdrawn can be taken out, but not put in. */
    if (sku == NULL || (command->cart.operation == CART_ADD && !sku_entry_is_on_sale(sku)))
        return false;
    body->sku_id = sku->sku_id;
    body->price_minor = atomic_load_explicit(&sku->price_minor, memory_order_relaxed);
    label = atomic_load_explicit(&sku->product->label, memory_order_acquire);
    if (label != NULL)
        memcpy(body->currency, label->currency, sizeof(body->currency));
    if (body->price_minor > CART_PRICE_MINOR_MAX)
        body->price_minor = CART_PRICE_MINOR_MAX;
    return true;
}

enum outcome submit_cart(struct shard *shard, const struct command *command, uint64_t cookie)
{
    enum cart_operation operation = command->cart.operation;
    struct cart_body body = {.principal = command->principal, .operation = (uint8_t)operation};
    struct message *message;
    uint32_t target;

    if ((operation == CART_ADD || operation == CART_SET || operation == CART_REMOVE) &&
        !resolve(shard, command, &body))
        return OUTCOME_NOT_FOUND;
    assert(operation < CART_OPERATION_COUNT);
    assert(command->cart.coupon.length <= COUPON_CODE_MAX);
    message = begin(shard, &command->principal, MESSAGE_CART, 0, cookie, &target);
    if (message == NULL)
        return OUTCOME_OVERLOADED;
    body.by_customer = is_customer(shard->engine, &command->principal);
    body.quantity = command->cart.quantity;
    body.coupon_length = (uint8_t)command->cart.coupon.length;
    if (body.coupon_length > 0)
        memcpy(body.coupon, command->cart.coupon.text, body.coupon_length);
    message->cart = body;
    return send_request(shard, target);
}

enum outcome submit_cart_merge(struct shard *shard, const struct command *command, uint64_t cookie)
{
    const struct cart_content *content = command->cart_merge.content;
    struct message *message;
    uint32_t target;

    message =
        begin(shard, &command->principal, MESSAGE_CART_MERGE, content->line_count, cookie, &target);
    if (message == NULL)
        return OUTCOME_OVERLOADED;
    message->cart_merge.customer = command->principal;
    message->cart_merge.guest = command->cart_merge.guest;
    if (command->cart_merge.orders != NULL)
        memcpy(message->cart_merge.orders, command->cart_merge.orders,
               sizeof(message->cart_merge.orders));
    memcpy(&message->cart_merge.content, content,
           offsetof(struct cart_content, lines) + content->line_count * sizeof(content->lines[0]));
    return send_request(shard, target);
}

enum outcome submit_cart_clear(struct shard *shard, const struct command *command, uint64_t cookie)
{
    uint32_t count = command->cart_clear.line_count;
    struct message *message;
    uint32_t target;

    assert(count <= RESERVATION_LINES_MAX && command->cart_clear.order != 0);
    message = begin(shard, &command->principal, MESSAGE_CART_CLEAR, count, cookie, &target);
    if (message == NULL)
        return OUTCOME_OVERLOADED;
    message->cart_clear.principal = command->principal;
    message->cart_clear.order = command->cart_clear.order;
    message->cart_clear.line_count = (uint8_t)count;
    memcpy(message->cart_clear.lines, command->cart_clear.lines,
           count * sizeof(command->cart_clear.lines[0]));
    return send_request(shard, target);
}
