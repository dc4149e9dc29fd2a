/* SPDX-License-Identifier: Apache-2.0 */
#include "erasures.h"

#include <stdlib.h>
#include <string.h>

#include "engine_private.h"

void erasures_init(struct erasures *erasures, const struct moment *now)
{
    /* What was on its way before the process ended is no more. */
    *erasures = (struct erasures){.settled_wall_ms = now->wall_ms - 1, .passed_boot_ms = INT64_MAX};
}

void erasures_destroy(struct erasures *erasures)
{
    free(erasures->page);
    if (erasures->phase == ERASURE_READING)
        free(erasures->read.read.result.bytes);
}

void erasures_note(struct shard *shard, uint64_t serial)
{
    shard->erasures.is_wanted = true;
    shard->erasures.write_serial = serial;
}

static void wait_ms(struct shard *shard, int64_t delay_ms)
{
    shard->erasures.phase = ERASURE_WAITING;
    shard->erasures.due_boot_ms = engine_now(shard->engine).boot_ms + delay_ms;
}

/* ---- from one to the next ---- */

static void drop_page(struct erasures *erasures)
{
    free(erasures->page);
    erasures->page = NULL;
}

static void find(struct shard *shard, uint32_t from_partition, uint32_t from_number)
{
    struct erasures *erasures = &shard->erasures;
    const struct engine *engine = shard->engine;

    while (from_partition < engine->options.partitions &&
           engine_shard_of(engine, from_partition) != shard->index) {
        from_partition++;
        from_number = 0;
    }
    erasures->stage = ERASURE_FIND;
    erasures->partition = from_partition;
    erasures->number = from_number;
    wait_ms(shard, 0);
    if (from_partition < engine->options.partitions)
        return;
    erasures->is_under_way = false;
    if (!erasures->is_left || erasures->passed_boot_ms != INT64_MAX)
        return;
    erasures->passed_wall_ms = erasures->began_wall_ms;
    erasures->passed_boot_ms = erasures->due_boot_ms;
}

/* When those that had their first pass have settled; INT64_MAX: there are none. */
static int64_t settles_ms(const struct erasures *erasures)
{
    return erasures->passed_boot_ms == INT64_MAX ? INT64_MAX
                                                 : erasures->passed_boot_ms + ERASURE_SETTLE_MS;
}

static void begin(struct shard *shard)
{
    struct erasures *erasures = &shard->erasures;

    if (settles_ms(erasures) <= shard->now.boot_ms) {
        erasures->settled_wall_ms = erasures->passed_wall_ms;
        erasures->passed_boot_ms = INT64_MAX;
    }
    erasures->is_wanted = false;
    erasures->is_under_way = true;
    erasures->began_wall_ms = shard->now.wall_ms;
    erasures->is_left = false;
    find(shard, 0, 0);
}

static void go_to(struct shard *shard, enum erasure_stage stage)
{
    shard->erasures.stage = (uint8_t)stage;
    wait_ms(shard, 0);
}

static void go_to_person(struct shard *shard, const struct principal *who, bool is_guest)
{
    struct erasures *erasures = &shard->erasures;

    erasures->who = *who;
    erasures->is_guest = is_guest;
    erasures->next_order = 0;
    go_to(shard, ERASURE_CART);
}

/* All of a person's orders were asked. A guest's entry is of no more use. */
static void leave_person(struct shard *shard)
{
    const struct erasures *erasures = &shard->erasures;

    go_to(shard, erasures->is_guest && erasures->is_last ? ERASURE_END : ERASURE_GUEST);
}

/* ---- reading ---- */

static void found_one(struct shard *shard, const struct record *record)
{
    struct erasures *erasures = &shard->erasures;

    erasures->number = record->subject;
    erasures->account = record->erasure.account;
    /* Of another time than now: the clock was set back since. */
    erasures->is_last = record->erasure.wall_ms <= erasures->settled_wall_ms ||
                        record->erasure.wall_ms > shard->now.wall_ms;
    erasures->next_guest = 0;
    go_to_person(shard, &erasures->account, false);
}

static void guests_are_over(struct shard *shard)
{
    struct erasures *erasures = &shard->erasures;

    if (erasures->is_last) {
        erasures->is_guest = false;
        go_to(shard, ERASURE_END);
        return;
    }
    erasures->is_left = true;
    find(shard, erasures->partition, erasures->number + 1);
}

static void take_page(struct shard *shard, struct journal_read *page)
{
    struct erasures *erasures = &shard->erasures;

    erasures->page = page->result.bytes;
    erasures->page_bytes = page->result.used;
    erasures->page_at = 0;
    erasures->is_last_page = page->count < page->limit;
    page->result.bytes = NULL;
}

static void on_read(struct engine_read *read)
{
    struct shard *shard = read->completion.shard;
    struct erasures *erasures = &shard->erasures;
    struct journal_read *result = &read->read;
    const struct record *record = (const struct record *)(const void *)result->result.bytes;

    wait_ms(shard, result->failed ? ERASURE_AGAIN_MS : 0);
    if (!result->failed && erasures->stage == ERASURE_ORDERS) {
        if (result->count == 0)
            leave_person(shard);
        else
            take_page(shard, result);
    } else if (!result->failed && erasures->stage == ERASURE_FIND) {
        if (result->count == 0)
            find(shard, erasures->partition + 1, 0);
        else
            found_one(shard, record);
    } else if (!result->failed && result->count == 0) {
        guests_are_over(shard);
    } else if (!result->failed) {
        erasures->next_guest = record->sequence + 1;
        go_to_person(shard, &record->guest_of.guest, true);
    }
    free(result->result.bytes);
    result->result.bytes = NULL;
}

static void read_records(struct shard *shard, enum record_kind kind, struct journal_key from,
                         struct journal_key to, uint32_t limit)
{
    struct erasures *erasures = &shard->erasures;

    memset(&erasures->read, 0, sizeof(erasures->read));
    erasures->read.read.kind = kind;
    erasures->read.read.from = from;
    erasures->read.read.to = to;
    erasures->read.read.limit = limit;
    erasures->read.done = on_read;
    erasures->phase = ERASURE_READING;
    if (engine_read_submit(shard, &erasures->read) != OUTCOME_PENDING)
        wait_ms(shard, ERASURE_AGAIN_MS);
}

static void read_next(struct shard *shard)
{
    const struct erasures *erasures = &shard->erasures;
    struct journal_key from = {.partition = erasures->partition, .subject = erasures->number};
    struct journal_key to = {.partition = erasures->partition + 1};

    read_records(shard, RECORD_ERASURE, from, to, 1);
}

static void read_guest(struct shard *shard)
{
    const struct erasures *erasures = &shard->erasures;
    struct journal_key from = {.partition = erasures->partition,
                               .subject = erasures->number,
                               .sequence = erasures->next_guest};
    struct journal_key to = from;

    to.sequence = UINT64_C(1) << 40;
    read_records(shard, RECORD_GUEST_OF, from, to, 1);
}

static void read_orders(struct shard *shard)
{
    const struct erasures *erasures = &shard->erasures;
    struct journal_key from = {
        .partition = order_partition_of(&erasures->who, shard->engine->options.partitions),
        .subject = order_of_subject(&erasures->who),
        .sequence = erasures->next_order};
    struct journal_key to = from;

    to.sequence = UINT64_C(1) << 40;
    read_records(shard, RECORD_ORDER_OF, from, to, LIST_PAGE_MAX);
}

/* ---- asking ---- */

/* False: not now; the caller frees its envelope. */
static bool ask(struct shard *shard, const struct command *command)
{
    struct refusal refusal;

    shard->erasures.phase = ERASURE_ASKING;
    if (engine_submit(shard, command, ERASURES_COOKIE, &refusal) == OUTCOME_PENDING)
        return true;
    wait_ms(shard, ERASURE_AGAIN_MS);
    return false;
}

static void ask_cart(struct shard *shard)
{
    struct command command = {.type = COMMAND_CART,
                              .principal = shard->erasures.who,
                              .origin = {.caller = AUDIT_BY_SYSTEM},
                              .cart = {.operation = CART_DROP}};

    (void)ask(shard, &command);
}

static void ask_order(struct shard *shard, const struct record *record)
{
    struct command command = {.type = COMMAND_ORDER,
                              .authority = AUTHORITY_STAFF,
                              .origin = {.caller = AUDIT_BY_SYSTEM},
                              .order = order_envelope_create(ORDER_CALL_FORGET)};

    if (command.order == NULL) {
        wait_ms(shard, ERASURE_AGAIN_MS);
        return;
    }
    command.order->authority = AUTHORITY_STAFF;
    command.order->id = (struct reservation_id){.created_ms = record->order_of.created_wall_ms,
                                                .sequence = record->sequence,
                                                .partition = record->partition};
    if (!ask(shard, &command))
        envelope_free(command.order);
}

/* The orders of the page, one at a time; then the next page. */
static void go_through_orders(struct shard *shard)
{
    struct erasures *erasures = &shard->erasures;

    while (erasures->page_at < erasures->page_bytes) {
        const struct record *record =
            (const struct record *)(const void *)(erasures->page + erasures->page_at);

        if (principal_equal(&record->order_of.principal, &erasures->who)) {
            ask_order(shard, record); /* passed when it has answered */
            return;
        }
        erasures->next_order = record->sequence + 1;
        erasures->page_at += record->size;
    }
    drop_page(erasures);
    if (erasures->is_last_page)
        leave_person(shard);
    else
        wait_ms(shard, ERASURE_CALL_PACE_MS);
}

static void ask_end(struct shard *shard)
{
    const struct erasures *erasures = &shard->erasures;
    struct command command = {.type = COMMAND_ACCOUNT,
                              .origin = {.caller = AUDIT_BY_SYSTEM},
                              .account = account_envelope_create(ACCOUNT_CALL_ERASURE_END)};

    if (command.account == NULL) {
        wait_ms(shard, ERASURE_AGAIN_MS);
        return;
    }
    command.account->account = erasures->account;
    command.account->has_guest = erasures->is_guest;
    command.account->guest = erasures->who;
    if (!ask(shard, &command))
        envelope_free(command.account);
}

/* ---- answers ---- */

static void pass_order(struct erasures *erasures)
{
    const struct record *record =
        (const struct record *)(const void *)(erasures->page + erasures->page_at);

    erasures->next_order = record->sequence + 1;
    erasures->page_at += record->size;
}

static void take(struct shard *shard, enum outcome outcome, bool is_replayed)
{
    struct erasures *erasures = &shard->erasures;
    bool is_done = outcome == OUTCOME_OK || outcome == OUTCOME_NOT_FOUND; /* it never was, or is */

    if (!is_done) {
        wait_ms(shard, ERASURE_AGAIN_MS);
        return;
    }
    wait_ms(shard, ERASURE_CALL_PACE_MS);
    switch ((enum erasure_stage)erasures->stage) {
    case ERASURE_CART:
        erasures->stage = ERASURE_ORDERS;
        break;
    case ERASURE_ORDERS:
        metric_add(&shard->metrics.orders_forgotten, outcome == OUTCOME_OK && !is_replayed);
        pass_order(erasures);
        break;
    case ERASURE_END:
        if (erasures->is_guest) {
            erasures->stage = ERASURE_GUEST;
            break;
        }
        metric_add(&shard->metrics.erasures_done, 1);
        find(shard, erasures->partition, erasures->number + 1);
        break;
    case ERASURE_FIND:
    case ERASURE_GUEST:
        assert(false && "nothing was asked");
    }
}

void erasures_take_reply(struct shard *shard, const struct message *reply)
{
    assert(shard->erasures.phase == ERASURE_ASKING);
    if (reply->reply.answers == MESSAGE_ORDER)
        envelope_free(reply->reply.order);
    else if (reply->reply.answers == MESSAGE_ACCOUNT)
        envelope_free(reply->reply.account);
    take(shard, (enum outcome)reply->reply.outcome, reply->reply.replayed);
}

/* ---- when ---- */

int64_t erasures_next_ms(const struct shard *shard)
{
    const struct erasures *erasures = &shard->erasures;

    if (erasures->phase != ERASURE_WAITING || engine_mode(shard->engine) != ENGINE_SERVING)
        return INT64_MAX;
    if (erasures->is_under_way ||
        (erasures->is_wanted && erasures->write_serial <= shard->serial_returned))
        return erasures->due_boot_ms;
    return settles_ms(erasures);
}

void erasures_step(struct shard *shard)
{
    struct erasures *erasures = &shard->erasures;

    if (erasures_next_ms(shard) > shard->now.boot_ms)
        return;
    if (!erasures->is_under_way)
        begin(shard);
    if (!erasures->is_under_way)
        return;
    if (shard->in_flight > shard->engine->options.requests_max / 4) {
        wait_ms(shard, ERASURE_CALL_PACE_MS); /* a sale goes first */
        return;
    }
    switch ((enum erasure_stage)erasures->stage) {
    case ERASURE_FIND:
        read_next(shard);
        break;
    case ERASURE_CART:
        ask_cart(shard);
        break;
    case ERASURE_ORDERS:
        if (erasures->page == NULL)
            read_orders(shard);
        else
            go_through_orders(shard);
        break;
    case ERASURE_GUEST:
        read_guest(shard);
        break;
    case ERASURE_END:
        ask_end(shard);
        break;
    }
}
