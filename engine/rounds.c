/* SPDX-License-Identifier: Apache-2.0 */
#include "rounds.h"

#include <stdlib.h>
#include <string.h>

#include "engine_private.h"
#include "rounds_private.h"
#include "session.h"

enum {
    RETENTION_RETRY_MS = 60 * 1000, /* after a round that could not be ended */
    ACCOUNTS_PER_PAGE = 16,         /* an account is large */
    CLOCK_UNEVEN_MS = SESSION_SKEW_MAX_S * 1000,
    ALIAS_WRITTEN_MS = 30 * 1000, /* so long it may take until one can be read */
};

void rounds_init(struct rounds *rounds, const struct engine_options *options,
                 const struct moment *now)
{
    *rounds = (struct rounds){
        .keys_kind = ROUND_COUNT_KEYS,
        .retention_kind = ROUND_GUESTS,
        .phase = ROUND_WAITING,
        .retention_due_boot_ms =
            now->boot_ms + (MUTANT(RETENTION_FROM_START) ? options->retention_period_ms : 0),
        .drift_ms = now->wall_ms - now->boot_ms,
        .even_since_boot_ms = now->boot_ms,
    };
}

void rounds_destroy(struct rounds *rounds)
{
    free(rounds->page);
    if (rounds->phase == ROUND_READING)
        free(rounds->read.read.result.bytes);
}

static bool is_of_keys(const struct rounds *rounds)
{
    return rounds->kind == ROUND_COUNT_KEYS || rounds->kind == ROUND_WRAP_KEYS;
}

void rounds_wait_ms(struct shard *shard, int64_t delay_ms)
{
    shard->rounds.phase = ROUND_WAITING;
    shard->rounds.due_boot_ms = engine_now(shard->engine).boot_ms + delay_ms;
}

/* ---- the end of a round ---- */

static void end_retention(struct shard *shard)
{
    struct rounds *rounds = &shard->rounds;
    int64_t now_ms = engine_now(shard->engine).boot_ms;

    if (rounds->is_torn) {
        rounds->retention_due_boot_ms = now_ms + RETENTION_RETRY_MS;
    } else if (rounds->kind < ROUND_EVENTS) {
        rounds->retention_kind = (uint8_t)(rounds->kind + 1);
        if (rounds->kind == ROUND_GUESTS && rounds->is_noted)
            rounds->guests_wall_ms = rounds->began_wall_ms - ALIAS_WRITTEN_MS;
    } else {
        rounds->retention_kind = ROUND_GUESTS;
        rounds->retention_due_boot_ms = now_ms + shard->engine->options.retention_period_ms;
    }
}

static void end_round(struct shard *shard)
{
    struct rounds *rounds = &shard->rounds;

    rounds->is_under_way = false;
    free(rounds->page);
    rounds->page = NULL;
    rounds_wait_ms(shard, ROUND_PAGE_PACE_MS);
    if (is_of_keys(rounds))
        rounds_keys_end(shard);
    else
        end_retention(shard);
}

static void tear(struct shard *shard)
{
    shard->rounds.is_torn = true;
    end_round(shard);
}

/* ---- pages ---- */

/* The next partition of this shard's, from this one on; or the end. */
static void go_to_partition(struct shard *shard, uint32_t partition)
{
    struct rounds *rounds = &shard->rounds;
    const struct engine *engine = shard->engine;

    while (partition < engine->options.partitions &&
           engine_shard_of(engine, partition) != shard->index)
        partition++;
    rounds->partition = partition;
    rounds->is_at_orders = false;
    rounds->next = (struct journal_key){.partition = partition};
    if (partition >= engine->options.partitions)
        end_round(shard);
}

static void leave_page(struct shard *shard)
{
    struct rounds *rounds = &shard->rounds;

    free(rounds->page);
    rounds->page = NULL;
    if (!rounds->is_last_page) {
        rounds_wait_ms(shard, ROUND_PAGE_PACE_MS);
        return;
    }
    if (is_of_keys(rounds) && !rounds->is_at_orders && !MUTANT(ORDER_KEYS_NOT_WRAPPED)) {
        rounds->is_at_orders = true;
        rounds->next = (struct journal_key){.partition = rounds->partition};
        return;
    }
    go_to_partition(shard, rounds->partition + 1);
}

static void on_page(struct engine_read *read)
{
    struct shard *shard = read->completion.shard;
    struct rounds *rounds = &shard->rounds;
    struct journal_read *page = &read->read;

    rounds_wait_ms(shard, page->count == 0 ? 0 : ROUND_PAGE_PACE_MS); /* nothing was worth a rest */
    rounds->page = page->result.bytes;
    rounds->page_bytes = page->result.used;
    rounds->page_at = 0;
    rounds->is_last_page = page->count < page->limit;
    page->result.bytes = NULL;
    if (page->failed)
        tear(shard);
    else if (page->count == 0)
        leave_page(shard);
}

static void read_page(struct shard *shard)
{
    static const uint8_t kinds[] = {
        [ROUND_COUNT_KEYS] = RECORD_ACCOUNT_KEY, [ROUND_WRAP_KEYS] = RECORD_ACCOUNT_KEY,
        [ROUND_GUESTS] = RECORD_ALIAS,           [ROUND_PENDING] = RECORD_ACCOUNT,
        [ROUND_CHECKOUTS] = RECORD_CHECKOUT,     [ROUND_EVENTS] = RECORD_EVENT_IN};
    struct rounds *rounds = &shard->rounds;
    struct journal_read *page = &rounds->read.read;

    memset(&rounds->read, 0, sizeof(rounds->read));
    page->kind = rounds->is_at_orders ? RECORD_ORDER_PERSON : (enum record_kind)kinds[rounds->kind];
    page->from = rounds->next;
    page->to = (struct journal_key){.partition = rounds->partition + 1};
    page->limit = rounds->kind == ROUND_PENDING ? ACCOUNTS_PER_PAGE : LIST_PAGE_MAX;
    rounds->read.done = on_page;
    rounds->phase = ROUND_READING;
    if (engine_read_submit(shard, &rounds->read) != OUTCOME_PENDING)
        rounds_wait_ms(shard, ROUND_AGAIN_MS);
}

/* ---- asking ---- */

/* False: not now. */
bool rounds_ask(struct shard *shard, struct account_envelope *envelope)
{
    struct command command = {
        .type = COMMAND_ACCOUNT, .account = envelope, .origin = {.caller = AUDIT_BY_SYSTEM}};
    struct refusal refusal;

    envelope->is_round = 1;
    shard->rounds.phase = ROUND_ASKING;
    if (engine_submit(shard, &command, 0, &refusal) == OUTCOME_PENDING)
        return true;
    envelope_free(envelope);
    rounds_wait_ms(shard, ROUND_CALL_PACE_MS);
    return false;
}

static bool ask_about(struct shard *shard, enum account_call call)
{
    struct account_envelope *envelope = account_envelope_create(call);

    if (envelope == NULL) {
        rounds_wait_ms(shard, ROUND_AGAIN_MS);
        return false;
    }
    envelope->account =
        call == ACCOUNT_CALL_GUEST_NOTE ? shard->rounds.asked_customer : shard->rounds.asked;
    envelope->guest = shard->rounds.asked;
    memcpy(envelope->index, shard->rounds.asked_index, sizeof(envelope->index));
    return rounds_ask(shard, envelope);
}

/* The same, of an order. */
bool rounds_ask_order(struct shard *shard, struct order_envelope *envelope)
{
    struct command command = {.type = COMMAND_ORDER,
                              .authority = AUTHORITY_STAFF,
                              .order = envelope,
                              .origin = {.caller = AUDIT_BY_SYSTEM}};
    struct refusal refusal;

    envelope->authority = AUTHORITY_STAFF;
    shard->rounds.phase = ROUND_ASKING;
    if (engine_submit(shard, &command, ROUNDS_COOKIE, &refusal) == OUTCOME_PENDING)
        return true;
    envelope_free(envelope);
    rounds_wait_ms(shard, ROUND_CALL_PACE_MS);
    return false;
}

static bool ask_about_order(struct shard *shard, enum order_call call, const struct record *record)
{
    struct order_envelope *envelope = order_envelope_create(call);

    if (envelope == NULL) {
        rounds_wait_ms(shard, ROUND_AGAIN_MS);
        return false;
    }
    envelope->id.partition = record->partition;
    envelope->id.sequence =
        record->kind == RECORD_CHECKOUT ? record->checkout.sequence : record->sequence;
    if (call == ORDER_CALL_EVENT_FORGET)
        envelope->event_place = (struct record_place){.partition = record->partition,
                                                      .subject = record->subject,
                                                      .sequence = record->sequence};
    return rounds_ask_order(shard, envelope);
}

/* ---- what a round looks for ---- */

/* Before the last trace of it goes its account is told once more. */
static bool is_guest_wanted(struct shard *shard, const struct alias_record *alias,
                            enum account_call *call_out)
{
    struct rounds *rounds = &shard->rounds;
    int64_t age_ms = shard->now.wall_ms - alias->ended_wall_ms;

    rounds->asked = alias->guest;
    rounds->asked_customer = alias->customer;
    rounds->asked_is_past = MUTANT(GUEST_FORGOTTEN_EARLY) || age_ms > GUEST_KEPT_S * 1000LL;
    *call_out = ACCOUNT_CALL_GUEST_NOTE;
    return rounds->asked_is_past || (age_ms >= 0 && age_ms <= ROUND_NEW_GUESTS_S * 1000LL &&
                                     alias->ended_wall_ms >= rounds->guests_wall_ms);
}

/* Whether the owner of this record is to be asked; `call_out`: what. */
static bool is_wanted(struct shard *shard, const struct record *record, enum account_call *call_out)
{
    struct rounds *rounds = &shard->rounds;
    int64_t wall_ms = shard->now.wall_ms;

    if (rounds->kind == ROUND_GUESTS)
        return is_guest_wanted(shard, &record->alias, call_out);
    rounds->asked =
        account_principal(record->partition, record->subject, &shard->engine->ports.secrets.id_key);
    if (rounds->kind == ROUND_PENDING) {
        *call_out = ACCOUNT_CALL_LAPSE;
        return record->account.state == ACCOUNT_PENDING &&
               (MUTANT(PENDING_LAPSES_EARLY) ||
                wall_ms - record->account.created_wall_ms > ACCOUNT_PENDING_S * 1000LL);
    }
    *call_out = ACCOUNT_CALL_GET;
    return rounds_keys_is_wanted(shard, record->account_key.bytes, record->account_key.length);
}

/* Of records whose owner is an order. */
static bool is_order_wanted(struct shard *shard, const struct record *record,
                            enum order_call *call_out)
{
    int64_t wall_ms = shard->now.wall_ms;

    switch ((int)record->kind) {
    case RECORD_CHECKOUT:
        *call_out = ORDER_CALL_KEY_FORGET;
        return MUTANT(CHECKOUT_FORGOTTEN_EARLY) ||
               wall_ms - record->checkout.created_wall_ms > ORDER_KEY_KEPT_S * 1000LL;
    case RECORD_EVENT_IN:
        *call_out = ORDER_CALL_EVENT_FORGET;
        return wall_ms - record->event_in.wall_ms > ORDER_EVENT_KEPT_S * 1000LL;
    default:
        *call_out = ORDER_CALL_GET;
        return rounds_keys_is_wanted(shard, record->order_person.key,
                                     record->order_person.key_length);
    }
}

/* False: not now; it is looked at again. */
static bool look_at(struct shard *shard, const struct record *record)
{
    bool is_orders = shard->rounds.is_at_orders || shard->rounds.kind >= ROUND_CHECKOUTS;
    enum order_call order_call;
    enum account_call call;

    if (is_orders)
        return !is_order_wanted(shard, record, &order_call) ||
               ask_about_order(shard, order_call, record);
    return !is_wanted(shard, record, &call) || ask_about(shard, call);
}

/* To the next record whose owner is asked, or past the page's end. */
static void go_on(struct shard *shard)
{
    struct rounds *rounds = &shard->rounds;

    while (rounds->page_at < rounds->page_bytes) {
        const struct record *record =
            (const struct record *)(const void *)(rounds->page + rounds->page_at);

        if (!look_at(shard, record)) {
            if (is_of_keys(rounds))
                rounds->previous--; /* it is looked at again */
            return;
        }
        rounds->next = (struct journal_key){.partition = record->partition,
                                            .subject = record->subject,
                                            .sequence = record->sequence + 1};
        rounds->page_at += record->size;
        if (rounds->phase == ROUND_ASKING)
            return;
    }
    leave_page(shard);
}

/* ---- answers ---- */

/* Its address is free again. Where this is not done, who registers with it does it. */
static bool release_address(struct shard *shard, const struct account_envelope *answer)
{
    metric_add(&shard->metrics.accounts_lapsed, 1);
    if (!answer->has_old_index)
        return false;
    memcpy(shard->rounds.asked_index, answer->old_index, EMAIL_INDEX_BYTES);
    return ask_about(shard, ACCOUNT_CALL_EMAIL_RELEASE);
}

/* True: another call follows. What was refused (it changed meanwhile) is for the next round. */
static bool take_answer(struct shard *shard, const struct account_envelope *answer)
{
    switch ((int)answer->call) {
    case ACCOUNT_CALL_GET:
        return rounds_keys_wrap(shard, answer);
    case ACCOUNT_CALL_KEY_REWRAP:
        rounds_keys_note_wrapped(shard);
        return false;
    case ACCOUNT_CALL_GUEST_NOTE:
        return shard->rounds.asked_is_past && ask_about(shard, ACCOUNT_CALL_GUEST_FORGET);
    case ACCOUNT_CALL_GUEST_FORGET:
        metric_add(&shard->metrics.guests_forgotten, 1);
        return false;
    case ACCOUNT_CALL_LAPSE:
        return release_address(shard, answer);
    default:
        return false;
    }
}

void rounds_take_reply(struct shard *shard, const struct message *reply)
{
    struct account_envelope *answer = reply->reply.account;

    bool is_done =
        reply->reply.outcome == OUTCOME_OK ||
        (answer->call == ACCOUNT_CALL_GUEST_NOTE && reply->reply.outcome == OUTCOME_NOT_FOUND);

    assert(shard->rounds.phase == ROUND_ASKING);
    if (!is_done && answer->call == ACCOUNT_CALL_GUEST_NOTE)
        shard->rounds.is_noted = false; /* the next round tells it */
    if (!is_done || !take_answer(shard, answer))
        rounds_wait_ms(shard, ROUND_CALL_PACE_MS);
    envelope_free(answer);
}

static bool take_order_answer(struct shard *shard, const struct order_envelope *answer)
{
    switch ((int)answer->call) {
    case ORDER_CALL_GET:
        return rounds_keys_wrap_order(shard, answer);
    case ORDER_CALL_REWRAP:
        rounds_keys_note_wrapped(shard);
        return false;
    case ORDER_CALL_KEY_FORGET:
        metric_add(&shard->metrics.checkout_keys_forgotten, 1);
        return false;
    case ORDER_CALL_EVENT_FORGET:
        metric_add(&shard->metrics.events_forgotten, 1);
        return false;
    default:
        return false;
    }
}

void rounds_take_order(struct shard *shard, const struct message *reply)
{
    struct order_envelope *answer = reply->reply.order;

    assert(shard->rounds.phase == ROUND_ASKING);
    if (reply->reply.outcome != OUTCOME_OK || !take_order_answer(shard, answer))
        rounds_wait_ms(shard, ROUND_CALL_PACE_MS);
    envelope_free(answer);
}

/* ---- when ---- */

static int64_t retention_due_ms(const struct shard *shard)
{
    const struct engine_options *options = &shard->engine->options;
    int64_t even_ms = shard->rounds.even_since_boot_ms + options->retention_steady_ms;

    if (options->retention_period_ms == 0)
        return INT64_MAX;
    return shard->rounds.retention_due_boot_ms > even_ms ? shard->rounds.retention_due_boot_ms
                                                         : even_ms;
}

static void begin(struct shard *shard, enum round_kind kind)
{
    struct rounds *rounds = &shard->rounds;

    rounds->kind = (uint8_t)kind;
    rounds->is_under_way = true;
    rounds->began_boot_ms = shard->now.boot_ms;
    rounds->began_wall_ms = shard->now.wall_ms;
    rounds->is_noted = true;
    rounds->is_torn = false;
    rounds->previous = 0;
    rounds->unreadable = 0;
    rounds->wrapped = 0;
    go_to_partition(shard, 0);
    if (is_of_keys(rounds) && rounds->is_under_way)
        rounds_keys_look_at_shop(shard);
}

static void begin_due(struct shard *shard)
{
    const struct rounds *rounds = &shard->rounds;

    if (rounds_keys_due_ms(shard) <= shard->now.boot_ms)
        begin(shard, (enum round_kind)rounds->keys_kind);
    else if (retention_due_ms(shard) <= shard->now.boot_ms)
        begin(shard, (enum round_kind)rounds->retention_kind);
}

static void watch_clock(struct shard *shard)
{
    struct rounds *rounds = &shard->rounds;
    int64_t drift_ms = shard->now.wall_ms - shard->now.boot_ms;
    int64_t leap_ms = drift_ms - rounds->drift_ms;

    if (leap_ms <= CLOCK_UNEVEN_MS && leap_ms >= -CLOCK_UNEVEN_MS)
        return;
    rounds->drift_ms = drift_ms;
    rounds->even_since_boot_ms = shard->now.boot_ms;
}

/* The clock leapt: what is past its time by it may not be. */
static bool has_leapt(const struct rounds *rounds)
{
    return !is_of_keys(rounds) && rounds->even_since_boot_ms > rounds->began_boot_ms;
}

void rounds_step(struct shard *shard)
{
    struct rounds *rounds = &shard->rounds;

    watch_clock(shard);
    if (rounds->phase != ROUND_WAITING || rounds->due_boot_ms > shard->now.boot_ms ||
        !rounds_is_serving(shard))
        return;
    if (rounds->is_under_way && has_leapt(rounds))
        tear(shard);
    else if (rounds->is_under_way && shard->in_flight > shard->engine->options.requests_max / 4)
        rounds_wait_ms(shard, ROUND_CALL_PACE_MS); /* a sale goes first */
    else if (!rounds->is_under_way)
        begin_due(shard);
    else if (rounds->page != NULL)
        go_on(shard);
    else
        read_page(shard);
}

int64_t rounds_next_ms(const struct shard *shard)
{
    const struct rounds *rounds = &shard->rounds;
    int64_t due_ms = rounds->due_boot_ms;

    if (rounds->phase != ROUND_WAITING || !rounds_is_serving(shard))
        return INT64_MAX;
    if (!rounds->is_under_way) {
        int64_t keys_ms = rounds_keys_due_ms(shard);
        int64_t retention_ms = retention_due_ms(shard);
        int64_t round_ms = keys_ms < retention_ms ? keys_ms : retention_ms;

        due_ms = round_ms > due_ms ? round_ms : due_ms;
    }
    return due_ms;
}
