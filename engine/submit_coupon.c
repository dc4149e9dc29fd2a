/* SPDX-License-Identifier: Apache-2.0 */
/* Commands about coupons: each goes to the partition of its code; what an order asks of one, to the
 * partition that the order names. */
#include "engine_private.h"

enum outcome submit_coupon(struct shard *shard, const struct command *command, uint64_t cookie)
{
    struct engine *engine = shard->engine;
    struct coupon_envelope *envelope = command->coupon;
    bool is_put = envelope->call != COUPON_CALL_GET;
    uint32_t partition;
    struct message *message;
    uint32_t target;

    if (is_put && envelope->call != COUPON_CALL_DELETE &&
        engine->ports.journal.is_full(engine->ports.journal.self))
        return OUTCOME_STORAGE_FULL;
    partition = coupon_code_partition(envelope->view.definition.code,
                                      &engine->ports.secrets.key_key, engine->options.partitions);
    target = engine_shard_of(engine, partition);
    message =
        begin_request(shard, target, is_put ? MESSAGE_COUPON_PUT : MESSAGE_COUPON_GET, 0, cookie);
    if (message == NULL)
        return OUTCOME_OVERLOADED;
    message->partition = (uint16_t)partition;
    envelope->origin = command->origin;
    message->coupon.envelope = envelope;
    return send_request(shard, target);
}

enum outcome submit_coupon_list(struct shard *shard, const struct command *command, uint64_t cookie)
{
    struct message *message;

    assert(command->coupon_list.shard < shard->engine->options.shards);
    message = begin_request(shard, command->coupon_list.shard, MESSAGE_COUPON_LIST, 0, cookie);
    if (message == NULL)
        return OUTCOME_OVERLOADED;
    message->coupon_list = command->coupon_list.body;
    return send_request(shard, command->coupon_list.shard);
}

enum outcome coupon_use_send(struct shard *shard, enum message_type type, uint32_t partition,
                             const struct coupon_use_body *body, uint64_t cookie)
{
    uint32_t target = engine_shard_of(shard->engine, partition);
    struct message *message;

    assert(partition < shard->engine->options.partitions &&
           body->order.partition < PARTITIONS_MAX && body->order.sequence >= 1);
    message = begin_request(shard, target, type, 0, cookie);
    if (message == NULL)
        return OUTCOME_OVERLOADED;
    message->partition = (uint16_t)partition;
    message->coupon_use = *body;
    message->coupon_use.past = COUPON_PAST_NOT_LOOKED;
    return send_request(shard, target);
}
