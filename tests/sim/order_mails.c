/* SPDX-License-Identifier: Apache-2.0 */
#include "order_mails.h"

#include "violation.h"
#include "world.h"

enum {
    BACKOFF_MIN_MS = 45 * 1000, /* three quarters of the shortest */
    HEAL_ROUNDS_MAX = 240,
    HEAL_STEP_MS = 2 * 3600 * 1000,
};

/* ---- what is stored ---- */

static bool find_record(const struct world *world, const struct reservation_id *order,
                        uint32_t occasion, struct record *record_out)
{
    return journal_memory_find(world->journal, RECORD_ORDER_MAIL, order->partition, occasion,
                               order->sequence, record_out);
}

static uint32_t find_order(const struct world *world, const struct hash128 *key)
{
    for (uint32_t i = 0; i < world->shoppers.order_count; i++)
        if (hash128_equal(&world->shoppers.orders[i].key, key))
            return i;
    violation("a mail is of an order that nobody asked for");
}

/* ---- the courier ---- */

static enum courier_result draw_result(struct world *world)
{
    static const uint32_t usual[] = {[COURIER_DELIVERED] = 60,
                                     [COURIER_LATER] = 20,
                                     [COURIER_REFUSED] = 8,
                                     [COURIER_NO_ROUTE] = 4,
                                     [COURIER_BUSY] = 8};
    static const uint32_t healed[] = {[COURIER_DELIVERED] = 85,
                                      [COURIER_LATER] = 10,
                                      [COURIER_REFUSED] = 5,
                                      [COURIER_NO_ROUTE] = 0,
                                      [COURIER_BUSY] = 0};

    return (enum courier_result)sim_random_weighted(
        &world->random, world->phase == PHASE_HEAL ? healed : usual, COURIER_BUSY + 1);
}

static void end_trip(struct world *world, struct order_carried trip, enum courier_result result)
{
    struct order_letter *letter = trip.letter;

    letter->is_carried = false;
    letter->incarnation = world->order_mails.incarnation;
    letter->not_before_ms = world_now(world);
    letter->delivered = (uint16_t)(letter->delivered + (result == COURIER_DELIVERED));
    letter->is_given_up = result == COURIER_REFUSED ||
                          (result == COURIER_LATER && trip.mail->attempts + 1 >= MAIL_ATTEMPTS_MAX);
    letter->is_settled = result == COURIER_DELIVERED || letter->is_given_up;
    if (result == COURIER_LATER)
        letter->not_before_ms += BACKOFF_MIN_MS;
    if (letter->delivered > 1)
        world_mark(world, MARK_ORDER_MAIL_TWICE);
    if (letter->is_given_up)
        world_mark(world, MARK_ORDER_MAIL_DEAD);
    trace_add(&world->trace, TRACE_REPLY, trip.mail->sequence, (uint64_t)result);
    engine_mail_done(trip.mail, result, "the courier's word");
}

/* What it tells of is so, and durable. */
static void check_cause(const struct world *world, uint32_t index, const struct engine_mail *mail)
{
    const struct order_record *order = &mail->order->order;
    uint32_t occasion = order_mail_occasion((enum order_mail_kind)mail->template, mail->refund);
    struct record record;

    if (mail->sequence != occasion)
        violation("a mail of order %u has another's occasion", index);
    if (!find_record(world, &mail->order->id, occasion, &record))
        violation("a mail of order %u leaves whose record is not durable", index);
    if (mail->template == ORDER_MAIL_REFUNDED) {
        if (mail->refund >= order->refund_count ||
            order->refunds[mail->refund].state != REFUND_DONE)
            violation("a mail tells of a refund of order %u that was not made", index);
        return;
    }
    if (order->confirmed_wall_ms == 0)
        violation("a mail tells of order %u, which was never confirmed", index);
    if ((order->mails & 1u << mail->template) == 0)
        violation("order %u does not know of its mail", index);
    if (mail->template == ORDER_MAIL_CANCELLED && order->status != ORDER_CANCELLED)
        violation("a mail tells that order %u was cancelled, and it is %s", index,
                  order_status_name((enum order_status)order->status));
}

static void check_trip(const struct world *world, uint32_t index, const struct order_letter *letter,
                       const struct engine_mail *mail)
{
    if (letter->is_carried)
        violation("a mail of order %u is under way twice at once", index);
    if (world->order_mails.is_forgotten[index] || mail->order->person.key_length == 0)
        violation("a mail of order %u leaves after its person was forgotten", index);
    check_cause(world, index, mail);
    if (letter->incarnation != world->order_mails.incarnation || letter->replay_maybe)
        return;
    if (letter->is_settled)
        violation("a mail of order %u that was delivered or given up goes out again", index);
    if (world_now(world) < letter->not_before_ms)
        violation("a mail of order %u is tried again before its backoff is over", index);
}

static void courier(void *user, struct shard *shard, struct engine_mail *mail)
{
    struct world *world = user;
    struct order_mails_model *mails = &world->order_mails;
    struct order_carried trip = {.mail = mail, .shard = shard_index(shard)};
    uint32_t index;

    if (world->dying)
        violation("a dead process sends mails");
    if (mail->order == NULL || mail->template >= ORDER_MAIL_KIND_COUNT ||
        mail->refund >= ORDER_REFUNDS_MAX)
        violation("an order's mail has lost its contents");
    index = find_order(world, &mail->order->order.key);
    trip.letter = &mails->letters[index][mail->template + mail->refund];
    check_trip(world, index, trip.letter, mail);
    if (mails->carried_count == SIM_ORDER_CARRIED_MAX)
        violation("more mails of orders are under way than may be");
    trip.letter->is_carried = true;
    world_log(world, "shard %u: mail %llu of order %u is given to the courier", trip.shard,
              (unsigned long long)mail->sequence, index);
    if (sim_random_below(&world->random, 100) < 50)
        end_trip(world, trip, draw_result(world));
    else
        mails->carried[mails->carried_count++] = trip;
}

void order_mails_engine_started(struct world *world)
{
    for (uint32_t i = 0; i < world->profile.engine.shards; i++)
        shard_set_order_courier(engine_shard(world->engine, i), courier, world);
}

void order_mails_restart(struct world *world)
{
    struct order_mails_model *mails = &world->order_mails;

    mails->incarnation++;
    mails->carried_count = 0;
    for (uint32_t i = 0; i < world->shoppers.order_count; i++)
        for (uint32_t n = 0; n < SIM_ORDER_LETTERS; n++)
            mails->letters[i][n].is_carried = false;
}

void order_mails_come_back(struct world *world)
{
    struct order_mails_model *mails = &world->order_mails;
    uint32_t at = sim_random_below(&world->random, mails->carried_count);
    struct order_carried trip = mails->carried[at];
    struct engine_metrics before;
    struct engine_metrics after;

    mails->carried[at] = mails->carried[--mails->carried_count];
    clients_enter_shard(world, trip.shard);
    engine_metrics(world->engine, &before);
    end_trip(world, trip, draw_result(world));
    engine_metrics(world->engine, &after);
    if (after.requests_submitted > before.requests_submitted)
        clients_note_clock(world, trip.shard);
}

void order_mails_forgotten(struct world *world, uint32_t order)
{
    world->order_mails.is_forgotten[order] = true;
}

/* ---- staff ---- */

static uint32_t occasion_of(uint32_t letter)
{
    enum order_mail_kind kind =
        letter < ORDER_MAIL_REFUNDED ? (enum order_mail_kind)letter : ORDER_MAIL_REFUNDED;

    return order_mail_occasion(kind, letter - kind);
}

bool order_mails_draw(struct world *world, uint32_t order, struct record *record_out)
{
    uint32_t letter = sim_random_below(&world->random, SIM_ORDER_LETTERS);

    if (!find_record(world, &world->shoppers.orders[order].id, occasion_of(letter), record_out))
        return false;
    world->order_mails.letters[order][letter].replay_maybe = true;
    return true;
}

void order_mails_replayed(struct world *world, uint32_t order, enum outcome outcome)
{
    if (outcome == OUTCOME_OK)
        world_mark(world, MARK_ORDER_MAIL_REPLAYED);
    else if (outcome != OUTCOME_STALE && outcome != OUTCOME_OVERLOADED &&
             outcome != OUTCOME_OUTCOME_UNKNOWN)
        violation("a mail of order %u that is to be sent again was answered %s", order,
                  outcome_name(outcome));
}

/* ---- the end ---- */

/* Those that wait; the others that are stored are dead. */
static uint64_t count_waiting(const struct world *world)
{
    uint64_t count = 0;
    struct record record;

    for (uint32_t i = 0; i < world->shoppers.order_count; i++)
        for (uint32_t n = 0; n < SIM_ORDER_LETTERS; n++) {
            count += find_record(world, &world->shoppers.orders[i].id, occasion_of(n), &record) &&
                     record.order_mail.state == MAIL_WAITING;
        }
    return count;
}

void order_mails_heal(struct world *world, void (*settle)(struct world *))
{
    uint64_t waiting;
    uint32_t in_vain = 0;

    settle(world);
    waiting = count_waiting(world);
    while (waiting > 0) {
        uint64_t before = waiting;

        if (in_vain == HEAL_ROUNDS_MAX)
            violation("liveness: %llu mails of orders wait long after the last fault",
                      (unsigned long long)waiting);
        world_advance_clock(world, in_vain % 4 < 3 ? 1000 : HEAL_STEP_MS);
        settle(world);
        waiting = count_waiting(world);
        in_vain = waiting < before ? 0 : in_vain + 1;
    }
}

/* One that the order must have told of: it went out, is kept as dead, or nobody is left. */
static void check_told(struct world *world, uint32_t index, const struct record *order,
                       enum order_mail_kind kind, uint32_t refund)
{
    struct reservation_id id = {.sequence = order->sequence, .partition = order->partition};
    const struct order_letter *letter = &world->order_mails.letters[index][kind + refund];
    struct record record;
    bool is_kept = find_record(world, &id, order_mail_occasion(kind, refund), &record);
    bool is_known = journal_memory_find(world->journal, RECORD_ORDER_PERSON, order->partition, 0,
                                        order->sequence, &record);

    if (letter->delivered > 0)
        world_mark(world, MARK_ORDER_MAIL_DELIVERED);
    if (letter->delivered == 0 && !is_kept && is_known)
        violation("mail %d of order %u is neither delivered nor kept", (int)(kind + refund), index);
    if (letter->is_given_up && letter->delivered == 0 && !is_kept && is_known)
        violation("mail %d of order %u was given up, and is not kept", (int)(kind + refund), index);
}

void order_mails_check(struct world *world, uint32_t index, const struct record *record)
{
    const struct order_record *order = &record->order;
    bool was_confirmed = order->confirmed_wall_ms != 0;
    bool was_shipped = false;

    for (uint32_t i = 0; i < order->timeline_count; i++)
        was_shipped = was_shipped || order->timeline[i].status == ORDER_SHIPPED;
    if (was_confirmed)
        check_told(world, index, record, ORDER_MAIL_CONFIRMED, 0);
    if (was_shipped)
        check_told(world, index, record, ORDER_MAIL_SHIPPED, 0);
    if (was_confirmed && order->status == ORDER_CANCELLED)
        check_told(world, index, record, ORDER_MAIL_CANCELLED, 0);
    for (uint32_t i = 0; i < order->refund_count; i++) {
        bool is_of_cancellation = was_confirmed && order->status == ORDER_CANCELLED &&
                                  order->refunds[i].key == 0; /* or elsewhere */

        if (order->refunds[i].state == REFUND_DONE && !is_of_cancellation)
            check_told(world, index, record, ORDER_MAIL_REFUNDED, i);
    }
}
