/* SPDX-License-Identifier: Apache-2.0 */
/* A reservation over several partitions: all lines or none.
 *
 *   owner                                participant
 *   INTENT recorded   -- LINE_PREPARE ->  limits; PREPARED recorded (takes the claim over)
 *                     <- LINE_PREPARED --
 *   all: HELD recorded, answered
 *                     -- LINE_STANDS -->  may be shown
 *   ended: recorded   -- LINE_END ----->  the same end recorded
 *                     <- LINE_ENDED ----
 *
 * The owner's HELD record is the commit point. Rules:
 *   - The claim on a participant's units is the intent's until the participant has recorded them.
 *     A participant that refuses leaves the claim alone; when the intent is aborted, LINE_ENDED
 *     says whether the participant knew the lines (it gave them back) or not (the owner returns
 *     them).
 *   - Messages may be dropped by a full mailbox; the owner repeats until acknowledged, a
 *     participant that hears nothing asks (LINE_QUERY) when its deadline has passed and after a
 *     restart. Receivers are idempotent.
 *   - A participant never ends lines by itself. An owner that is not known any more was aborted.
 *   - A participant's ended lines are remembered until the owner says that it waits for nothing
 *     more, so that `knew` is true however often the question is repeated.
 *   - Between two partitions messages keep their order (one ring), so LINE_END comes after every
 *     LINE_PREPARE of the same reservation. */
#include <string.h>

#include "inventory_private.h"

uint32_t hold_participants(const struct inventory_pool *pool, const struct hold *hold,
                           uint32_t partitions_out[RESERVATION_LINES_MAX])
{
    uint32_t count = 0;

    if ((hold->flags & HOLD_PARTICIPANT) != 0)
        return 0;
    for (uint32_t line = hold->line_first; line != SLOT_NONE; line = pool->lines[line].next) {
        uint32_t partition = sku_id_partition(pool->lines[line].sku_id);
        uint32_t i = 0;

        if (partition == hold->partition)
            continue;
        while (i < count && partitions_out[i] != partition)
            i++;
        if (i == count)
            partitions_out[count++] = partition;
    }
    return count;
}

/* ---- the owner speaks ---- */

static void send_prepare(const struct inventory *inventory, const struct hold *hold,
                         uint32_t participant, struct effects *effects)
{
    const struct inventory_pool *pool = inventory->pool;
    struct message *message = effects_message(effects, MESSAGE_LINE_PREPARE, RESERVATION_LINES_MAX);
    struct prepare_body *body = &message->prepare;

    message->partition = (uint16_t)participant;
    body->owner_sequence = hold->sequence;
    body->owner_partition = inventory->partition;
    body->principal = hold->principal;
    body->ttl_ms = hold->ttl_ms;
    body->created_wall_ms = hold->created_wall_ms;
    body->deadline_boot_ms = hold->deadline_boot_ms;
    body->deadline_wall_ms = hold->deadline_wall_ms;
    for (uint32_t line = hold->line_first; line != SLOT_NONE; line = pool->lines[line].next)
        if (sku_id_partition(pool->lines[line].sku_id) == participant)
            body->lines[body->line_count++] = (struct line){.sku_id = pool->lines[line].sku_id,
                                                            .quantity = pool->lines[line].quantity};
}

static struct message *send_word(const struct inventory *inventory, enum message_type type,
                                 const struct hold *hold, uint32_t participant,
                                 struct effects *effects)
{
    struct message *message = effects_message(effects, type, 0);

    message->partition = (uint16_t)participant;
    message->line_end.owner_sequence = hold->sequence;
    message->line_end.owner_partition = inventory->partition;
    message->line_end.state = hold->state;
    message->line_end.deadline_boot_ms = hold->deadline_boot_ms;
    message->line_end.deadline_wall_ms = hold->deadline_wall_ms;
    return message;
}

/* A participant's place in the order of hold_participants; `count` if it is none. */
static uint32_t participant_rank(const struct inventory_pool *pool, const struct hold *hold,
                                 uint32_t participant, uint32_t *count_out)
{
    uint32_t partitions[RESERVATION_LINES_MAX];
    uint32_t rank = 0;

    *count_out = hold_participants(pool, hold, partitions);
    while (rank < *count_out && partitions[rank] != participant)
        rank++;
    return rank;
}

/* Spread by number: what was sent together, as after a restart, and found a mailbox full, is not
 * sent together again. */
static int64_t retry_at(const struct moment *moment, const struct hold *hold, int64_t after_ms)
{
    return moment->boot_ms + after_ms + (int64_t)(hold->sequence % (uint64_t)after_ms);
}

void lines_send(struct inventory *inventory, const struct moment *moment, struct hold *hold,
                struct effects *effects)
{
    uint32_t partitions[RESERVATION_LINES_MAX];
    uint32_t count = hold_participants(inventory->pool, hold, partitions);

    for (uint32_t i = 0; i < count; i++) {
        if ((hold->waiting & 1u << i) == 0)
            continue;
        if (hold->state == HOLD_INTENT)
            send_prepare(inventory, hold, partitions[i], effects);
        else
            send_word(inventory, MESSAGE_LINE_END, hold, partitions[i], effects);
    }
    effects_timer(effects, pool_hold_slot(inventory->pool, hold),
                  retry_at(moment, hold, SAGA_RETRY_MS));
}

/* The answer that an intent's requester waits for; after a restart there is none. */
static void answer_requester(struct inventory *inventory, const struct hold *hold,
                             enum outcome outcome, uint32_t limit, struct effects *effects)
{
    struct message request = {
        .type = MESSAGE_RESERVE, .shard = hold->shard, .cookie = hold->cookie};
    struct message *reply;

    if ((hold->flags & HOLD_RESTORED) != 0 || MUTANT(PARTIAL_HOLD_VISIBLE))
        return;
    reply = inventory_reply(inventory, &request, outcome, hold->line_count, effects);
    reply->reply.limit = limit;
    hold_fill_first_view(inventory->pool, hold, &reply->reply.hold);
}

static void abort_intent(struct inventory *inventory, const struct moment *moment,
                         struct hold *hold, enum outcome outcome, uint32_t limit,
                         struct effects *effects)
{
    uint32_t partitions[RESERVATION_LINES_MAX];
    uint32_t count = hold_participants(inventory->pool, hold, partitions);

    assert(hold->state == HOLD_INTENT);
    answer_requester(inventory, hold, outcome, limit, effects);
    hold->waiting = (uint32_t)((1ULL << count) - 1);
    hold_end(inventory, moment, hold, HOLD_ABORTED, effects);
    pool_unlink_key(inventory->pool, hold);
    inventory->pool->aborting++;
}

void lines_abort(struct inventory *inventory, const struct moment *moment, struct hold *hold,
                 enum outcome outcome, struct effects *effects)
{
    abort_intent(inventory, moment, hold, outcome, 0, effects);
}

/* All have prepared. */
static void commit_intent(struct inventory *inventory, const struct moment *moment,
                          struct hold *hold, struct effects *effects)
{
    uint32_t partitions[RESERVATION_LINES_MAX];
    uint32_t count = hold_participants(inventory->pool, hold, partitions);

    if (moment->boot_ms >= hold->deadline_boot_ms) { /* it would be born dead */
        abort_intent(inventory, moment, hold, OUTCOME_OVERLOADED, 0, effects);
        return;
    }
    answer_requester(inventory, hold, OUTCOME_OK, 0, effects);
    hold_move(inventory, hold, HOLD_HELD);
    memset(hold->extend_keys, 0, sizeof(hold->extend_keys)); /* the cookie stood there */
    inventory->pool->statistics.created++;
    hold_persist(inventory, hold, effects);
    effects_timer(effects, pool_hold_slot(inventory->pool, hold), hold->deadline_boot_ms);
    for (uint32_t i = 0; i < count; i++)
        send_word(inventory, MESSAGE_LINE_STANDS, hold, partitions[i], effects);
}

/* A participant that knew nothing never took the claim over: its units go back from here. */
static void return_claim_of(struct inventory *inventory, const struct hold *hold,
                            uint32_t participant, struct effects *effects)
{
    const struct inventory_pool *pool = inventory->pool;

    if ((hold->flags & HOLD_RESTORED) != 0) /* gates were rebuilt without it */
        return;
    for (uint32_t line = hold->line_first; line != SLOT_NONE; line = pool->lines[line].next)
        if (sku_id_partition(pool->lines[line].sku_id) == participant)
            claim_returns(pool->lines[line].sku_id, pool->lines[line].quantity, effects);
}

static void owner_hears(struct inventory *inventory, const struct moment *moment,
                        const struct message *message, struct effects *effects)
{
    const struct line_answer_body *body = &message->line_answer;
    struct hold *hold =
        pool_find_sequence(inventory->pool, inventory->partition, body->owner_sequence);
    uint32_t count;
    uint32_t rank;

    if (hold == NULL || (hold->flags & HOLD_PARTICIPANT) != 0)
        return;
    rank = participant_rank(inventory->pool, hold, body->participant, &count);
    if (rank == count || ((hold->waiting & 1u << rank) == 0 && !MUTANT(ACKNOWLEDGED_TWICE)))
        return; /* heard before */
    if (message->type == MESSAGE_LINE_ENDED) {
        if (hold_is_live(hold))
            return; /* of a number from before a restart */
        if (!body->knew && hold->state == HOLD_ABORTED)
            return_claim_of(inventory, hold, body->participant, effects);
        hold->waiting &= ~(1u << rank);
        if (hold->waiting == 0) {
            inventory->pool->aborting -= hold->state == HOLD_ABORTED;
            hold_schedule_purge(inventory, moment, hold, effects);
        }
        return;
    }
    if (hold->state != HOLD_INTENT)
        return; /* it is being aborted: LINE_END is on its way */
    if (message->type == MESSAGE_LINE_REFUSED) {
        abort_intent(inventory, moment, hold, (enum outcome)body->outcome, body->limit, effects);
        return;
    }
    hold->waiting &= ~(1u << rank);
    if (hold->waiting == 0)
        commit_intent(inventory, moment, hold, effects);
}

/* A participant asks what became of its lines, or whether it may forget them. */
static void owner_tells(struct inventory *inventory, const struct message *message,
                        struct effects *effects)
{
    const struct line_answer_body *body = &message->line_answer;
    struct hold *hold =
        pool_find_sequence(inventory->pool, inventory->partition, body->owner_sequence);
    struct hold unknown = {.sequence = body->owner_sequence, .state = HOLD_ABORTED};
    struct message *word;
    uint32_t count;
    uint32_t rank;

    if (hold == NULL || (hold->flags & HOLD_PARTICIPANT) != 0) {
        word = send_word(inventory, MESSAGE_LINE_END, &unknown, body->participant, effects);
        word->line_end.settled = 1;
    } else if (hold->state == HOLD_HELD || hold->state == HOLD_CAPTURING) {
        send_word(inventory, MESSAGE_LINE_STANDS, hold, body->participant, effects);
    } else if (hold->state != HOLD_INTENT) {
        rank = participant_rank(inventory->pool, hold, body->participant, &count);
        word = send_word(inventory, MESSAGE_LINE_END, hold, body->participant, effects);
        word->line_end.settled = rank == count || (hold->waiting & 1u << rank) == 0;
    }
}

/* ---- the participant ---- */

static struct message *participant_says(struct inventory *inventory, enum message_type type,
                                        uint32_t owner_partition, uint64_t owner_sequence,
                                        struct effects *effects)
{
    struct message *message = effects_message(effects, type, 0);

    message->partition = (uint16_t)owner_partition;
    message->line_answer.owner_sequence = owner_sequence;
    message->line_answer.participant = inventory->partition;
    return message;
}

void lines_ask(struct inventory *inventory, const struct moment *moment, struct hold *hold,
               struct effects *effects)
{
    participant_says(inventory, MESSAGE_LINE_QUERY, hold_owner_partition(hold),
                     hold_owner_sequence(hold), effects);
    effects_timer(effects, pool_hold_slot(inventory->pool, hold),
                  retry_at(moment, hold, 10 * SAGA_RETRY_MS));
}

static enum outcome may_prepare(struct inventory *inventory, const struct prepare_body *body,
                                const struct principal *principal,
                                struct sku *skus_out[RESERVATION_LINES_MAX], uint32_t *limit_out)
{
    if (!pool_find_skus(inventory->pool, inventory->partition, body->lines, body->line_count,
                        skus_out) ||
        !inventory_sells(inventory->pool, skus_out, body->line_count))
        return OUTCOME_NOT_FOUND;
    if (!pool_has_room(inventory->pool, body->line_count)) {
        if (MUTANT(LIMIT_BEFORE_ROOM))
            inventory_take_limits(inventory, principal, &body->principal, body->lines, skus_out,
                                  body->line_count, limit_out);
        return OUTCOME_OVERLOADED;
    }
    return inventory_take_limits(inventory, principal, &body->principal, body->lines, skus_out,
                                 body->line_count, limit_out);
}

static void record_prepared(struct inventory *inventory, const struct moment *moment,
                            const struct prepare_body *body, const struct principal *principal,
                            struct sku *const skus[], struct effects *effects)
{
    struct hold *hold = pool_new_hold(inventory->pool, body->lines, body->line_count);

    hold->flags |= HOLD_PARTICIPANT;
    hold->principal = *principal;
    hold->sequence = inventory->next_sequence++;
    hold->key = participant_key(body->owner_partition, body->owner_sequence);
    hold->partition = (uint16_t)inventory->partition;
    hold->created_wall_ms = body->created_wall_ms;
    hold->deadline_boot_ms = body->deadline_boot_ms;
    hold->deadline_wall_ms = body->deadline_wall_ms;
    hold->ttl_ms = body->ttl_ms;
    hold->state = HOLD_PREPARED;
    pool_link_hold(inventory->pool, hold, skus);
    inventory_reserve_lines(inventory, hold, skus);
    for (uint32_t i = 0; i < body->line_count; i++)
        sku_moves(skus[i], GATE_RESOLVE, body->lines[i].quantity, effects);
    if (!MUTANT(PREPARED_NOT_RECORDED))
        hold_persist(inventory, hold, effects);
    /* LINE_STANDS sets it to the deadline; if none comes, it is asked for. */
    effects_timer(effects, pool_hold_slot(inventory->pool, hold),
                  moment->boot_ms + 10 * SAGA_RETRY_MS);
}

static void participant_prepares(struct inventory *inventory, const struct moment *moment,
                                 const struct message *message, struct effects *effects)
{
    const struct prepare_body *body = &message->prepare;
    const struct principal *principal = pool_adopter(inventory->pool, &body->principal);
    struct sku *skus[RESERVATION_LINES_MAX];
    enum outcome outcome = OUTCOME_OK;
    struct message *answer;
    uint32_t limit = 0;

    if (pool_find_participant(inventory->pool, inventory->partition, body->owner_partition,
                              body->owner_sequence) == NULL) {
        outcome = may_prepare(inventory, body, principal, skus, &limit);
        if (outcome == OUTCOME_OK)
            record_prepared(inventory, moment, body, principal, skus, effects);
    }
    answer = participant_says(inventory,
                              outcome == OUTCOME_OK ? MESSAGE_LINE_PREPARED : MESSAGE_LINE_REFUSED,
                              body->owner_partition, body->owner_sequence, effects);
    answer->line_answer.outcome = (uint8_t)outcome;
    answer->line_answer.limit = limit;
}

static void participant_hears(struct inventory *inventory, const struct moment *moment,
                              const struct message *message, struct effects *effects)
{
    const struct line_end_body *body = &message->line_end;
    struct hold *hold = pool_find_participant(inventory->pool, inventory->partition,
                                              body->owner_partition, body->owner_sequence);
    struct message *answer;

    if (message->type == MESSAGE_LINE_STANDS) {
        if (hold == NULL || hold->state != HOLD_PREPARED)
            return;
        hold->flags |= HOLD_CONFIRMED;
        hold->deadline_boot_ms = body->deadline_boot_ms;
        hold->deadline_wall_ms = body->deadline_wall_ms;
        if (hold->deadline_boot_ms <= moment->boot_ms) /* its end is being recorded */
            hold->deadline_boot_ms = moment->boot_ms + SAGA_RETRY_MS;
        effects_timer(effects, pool_hold_slot(inventory->pool, hold), hold->deadline_boot_ms);
        return;
    }
    if (hold != NULL && hold->state == HOLD_PREPARED) {
        hold_end(inventory, moment, hold, (enum hold_state)body->state, effects);
    } else if (hold != NULL && body->settled) {
        hold_forget(inventory, hold, effects);
        return;
    }
    answer = participant_says(inventory, MESSAGE_LINE_ENDED, body->owner_partition,
                              body->owner_sequence, effects);
    answer->line_answer.knew = hold != NULL;
}

void inventory_line_message(struct inventory *inventory, const struct moment *moment,
                            const struct message *message, struct effects *effects)
{
    if (message->type == MESSAGE_LINE_PREPARE)
        participant_prepares(inventory, moment, message, effects);
    else if (message->type == MESSAGE_LINE_END || message->type == MESSAGE_LINE_STANDS)
        participant_hears(inventory, moment, message, effects);
    else if (message->type == MESSAGE_LINE_QUERY)
        owner_tells(inventory, message, effects);
    else
        owner_hears(inventory, moment, message, effects);
}
