/* SPDX-License-Identifier: Apache-2.0 */
/* Commands about orders: a new one goes to the partition of whose it is, any other to that of its
 * ID. And what a refund gives back to the stock, to the partition of the SKU. */
#include "engine_private.h"

#include <string.h>

enum outcome submit_order(struct shard *shard, const struct command *command, uint64_t cookie)
{
    struct engine *engine = shard->engine;
    struct order_envelope *envelope = command->order;
    uint32_t partition = envelope->call == ORDER_CALL_CREATE
                             ? order_partition_of(&envelope->who[0], engine->options.partitions)
                             : envelope->id.partition;
    struct message *message;
    uint32_t target;

    if (partition >= engine->options.partitions)
        return OUTCOME_NOT_FOUND;
    if (envelope->call == ORDER_CALL_CREATE && envelope->body.line_count > 0 &&
        engine->ports.journal.is_full(engine->ports.journal.self))
        return OUTCOME_STORAGE_FULL;
    target = engine_shard_of(engine, partition);
    message = begin_request(shard, target, MESSAGE_ORDER, 0, cookie);
    if (message == NULL)
        return OUTCOME_OVERLOADED;
    message->partition = (uint16_t)partition;
    envelope->origin = command->origin;
    message->order.envelope = envelope;
    return send_request(shard, target);
}

enum outcome submit_restock(struct shard *shard, const struct command *command, uint64_t cookie)
{
    static const char reason[] = "refunded";
    uint32_t partition = sku_id_partition(command->restock.sku_id);
    uint32_t target = engine_shard_of(shard->engine, partition);
    struct message *message = begin_request(shard, target, MESSAGE_STOCK_ADJUST, 0, cookie);

    if (message == NULL)
        return OUTCOME_OVERLOADED;
    message->partition = (uint16_t)partition;
    message->adjust.sku_id = command->restock.sku_id;
    message->adjust.is_restock = 1;
    message->adjust.value = command->restock.quantity;
    message->adjust.has_key = 1;
    message->adjust.key = command->restock.key;
    message->adjust.fingerprint = RESTOCK_FINGERPRINT;
    memcpy(message->adjust.reason, reason, sizeof(reason));
    return send_request(shard, target);
}
