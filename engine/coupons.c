/* SPDX-License-Identifier: Apache-2.0 */
#include "coupons.h"

#include <stdlib.h>
#include <string.h>

#include "engine_private.h"

void coupons_init(struct coupons *coupons, struct coupon_pool *pool,
                  struct coupon_lookup lookups[COUPON_LOOKUPS_MAX])
{
    *coupons = (struct coupons){.pool = pool, .lookups = lookups};
    for (uint32_t i = 0; i < COUPON_LOOKUPS_MAX; i++) {
        lookups[i].is_free = true;
        lookups[i].next = coupons->free;
        coupons->free = &lookups[i];
    }
}

void coupons_destroy(struct coupons *coupons)
{
    for (uint32_t i = 0; i < COUPON_LOOKUPS_MAX; i++)
        free(coupons->lookups[i].read.read.result.bytes);
}

static struct coupon_context context_of(const struct shard *shard, uint32_t partition)
{
    const struct engine *engine = shard->engine;

    return (struct coupon_context){
        .partition = partition,
        .next_number = &engine->next_coupon[partition],
        .ended_ms = engine->options.request_timeout_ms + COUPON_ENDED_SLACK_MS,
        .write_serial = shard->open == NULL ? 0 : shard->open->serial,
        .durable_serial = shard->serial_returned,
    };
}

/* ---- looking up ---- */

static void give_back(struct coupons *coupons, struct coupon_lookup *lookup)
{
    lookup->is_free = true;
    lookup->next = coupons->free;
    coupons->free = lookup;
}

static void on_read(struct engine_read *read)
{
    struct coupon_lookup *lookup = read->user;
    struct coupons *coupons = &read->completion.shard->coupons;

    lookup->next = NULL;
    if (coupons->ready_last != NULL)
        coupons->ready_last->next = lookup;
    else
        coupons->ready_first = lookup;
    coupons->ready_last = lookup;
}

static bool begin_lookup(struct shard *shard, const struct message *message)
{
    struct coupon_lookup *lookup = shard->coupons.free;
    struct journal_read *read;

    if (lookup == NULL)
        return false;
    memset(&lookup->read, 0, sizeof(lookup->read));
    read = &lookup->read.read;
    read->kind = RECORD_COUPON_PAST;
    read->from = (struct journal_key){.partition = message->partition,
                                      .subject = message->coupon_use.number,
                                      .sequence = coupon_use_place(&message->coupon_use.order)};
    read->to = read->from;
    read->to.sequence++;
    read->limit = 1;
    lookup->read.done = on_read;
    lookup->read.user = lookup;
    memcpy(&lookup->message, message, message->size);
    if (engine_read_submit(shard, &lookup->read) != OUTCOME_PENDING)
        return false;
    shard->coupons.free = lookup->next;
    lookup->is_free = false;
    return true;
}

static enum coupon_past past_of(const struct coupon_lookup *lookup)
{
    const struct journal_read *read = &lookup->read.read;
    const struct record *record = (const struct record *)(const void *)read->result.bytes;

    return read->count == 1 && record->coupon_past.order_created_wall_ms ==
                                   lookup->message.coupon_use.order.created_ms
               ? COUPON_PAST_THERE
               : COUPON_PAST_NOT_THERE;
}

/* ---- serving ---- */

/* At once: nothing that is not durable is in it. */
static void refuse(struct shard *shard, const struct message *message, enum outcome outcome)
{
    struct message reply = {.size = message_size(MESSAGE_REPLY, 0),
                            .type = MESSAGE_REPLY,
                            .partition = message->partition,
                            .shard = message->shard,
                            .cookie = message->cookie};
    struct arena one = {.bytes = (uint8_t *)&reply, .used = reply.size, .capacity = reply.size};

    reply.reply.outcome = (uint8_t)outcome;
    reply.reply.answers = message->type;
    coupon_refused(message, &reply);
    shard_release(shard, &one, true);
}

void coupon_refused(const struct message *request, struct message *reply)
{
    switch ((int)request->type) {
    case MESSAGE_COUPON_GET:
    case MESSAGE_COUPON_PUT:
        reply->reply.coupon = request->coupon.envelope;
        break;
    case MESSAGE_COUPON_HOLD:
    case MESSAGE_COUPON_COMMIT:
    case MESSAGE_COUPON_RELEASE:
        reply->reply.coupon_use = (struct coupon_use_answer){
            .order = request->coupon_use.order,
            .number = request->coupon_use.number,
            .is_saga = request->coupon_use.is_saga,
        };
        break;
    default:
        break;
    }
}

void coupons_deliver(struct shard *shard, struct message *message)
{
    struct coupon_context context = context_of(shard, message->partition);
    struct effects *effects = &shard->effects;
    uint32_t records_before = effects->records->used;
    bool is_done;

    assert(engine_shard_of(shard->engine, message->partition) == shard->index);
    is_done = coupon_receive(shard->coupons.pool, &context, &shard->now, message, effects);
    if (effects->audit_count > 0)
        audit_chain_seal(shard, message->partition, records_before);
    if (!is_done && !begin_lookup(shard, message))
        refuse(shard, message, OUTCOME_OVERLOADED);
}

static void serve(struct shard *shard, struct coupon_lookup *lookup)
{
    struct message *message = &lookup->message;

    if (atomic_load_explicit(&shard->engine->failed, memory_order_relaxed)) {
        refuse(shard, message, OUTCOME_OUTCOME_UNKNOWN);
    } else if (lookup->read.read.failed) {
        refuse(shard, message, OUTCOME_OVERLOADED);
    } else {
        message->coupon_use.past = (uint8_t)past_of(lookup);
        shard->open->received++;
        coupons_deliver(shard, message);
    }
}

void coupons_run_ready(struct shard *shard)
{
    struct coupons *coupons = &shard->coupons;

    while (coupons->ready_first != NULL && batch_has_room(shard->open)) {
        struct coupon_lookup *lookup = coupons->ready_first;

        coupons->ready_first = lookup->next;
        if (coupons->ready_first == NULL)
            coupons->ready_last = NULL;
        serve(shard, lookup);
        free(lookup->read.read.result.bytes);
        lookup->read.read.result.bytes = NULL;
        give_back(coupons, lookup);
    }
}

void coupons_list(struct shard *shard, const struct message *message)
{
    uint32_t limit = message->coupon_list.limit;
    struct coupon_list_envelope *list = calloc(1, sizeof(*list) + limit * sizeof(list->views[0]));
    struct message *reply = effects_message(&shard->effects, MESSAGE_REPLY, 0);
    bool more = false;

    reply->shard = message->shard;
    reply->cookie = message->cookie;
    reply->reply.answers = MESSAGE_COUPON_LIST;
    reply->reply.outcome = list == NULL ? OUTCOME_OVERLOADED : OUTCOME_OK;
    reply->reply.coupons = list;
    if (list == NULL)
        return;
    list->count = coupon_list(shard->coupons.pool, &message->coupon_list, list->views, &more);
    list->more = more;
}

bool coupons_restore(struct shard *shard, const struct record *record)
{
    struct coupon_context context = context_of(shard, record->partition);

    return coupon_restore(shard->coupons.pool, &context, record);
}
