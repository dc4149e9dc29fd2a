/* SPDX-License-Identifier: Apache-2.0 */
#include "mails.h"

#include <stdlib.h>
#include <string.h>

#include "engine_private.h"

enum { SHOW_PERIOD_MS = 1000, SCAN_PERIOD_MS = 1000 };

void mails_init(struct mails *mails, struct shard *shard, const struct mails_source *source,
                const struct engine_options *options, struct mail_slot *slots,
                struct outbox_row *rows, uint32_t *heap, struct index_bucket *buckets,
                const struct hash_key *key)
{
    struct outbox_sizes sizes = {.rows_max = options->outbox_rows_max,
                                 .under_way_max = options->mails_under_way_max};

    *mails = (struct mails){.shard = shard, .source = source, .slots = slots};
    source->bind(shard, &mails->figures);
    atomic_store(mails->figures.oldest_wall_ms, INT64_MAX);
    outbox_init(&mails->outbox, &sizes, rows, heap, buckets, key);
}

void mails_destroy(struct mails *mails)
{
    for (uint32_t i = 0; i < MAILS_UNDER_WAY_MAX; i++)
        if (mails->slots[i].phase == MAIL_READING)
            free(mails->slots[i].read.read.result.bytes);
    if (mails->scan.active)
        free(mails->scan.read.read.result.bytes);
}

static void set_courier(struct mails *mails, engine_courier courier, void *user)
{
    mails->courier = courier;
    mails->courier_user = user;
}

void shard_set_courier(struct shard *shard, engine_courier courier, void *user)
{
    set_courier(&shard->mails, courier, user);
}

void shard_set_order_courier(struct shard *shard, engine_courier courier, void *user)
{
    set_courier(&shard->order_mails, courier, user);
}

static bool is_failed(const struct shard *shard)
{
    return atomic_load_explicit(&shard->engine->failed, memory_order_relaxed);
}

/* ---- slots ---- */

static struct mail_slot *find_free(struct mails *mails)
{
    for (uint32_t i = 0; i < MAILS_UNDER_WAY_MAX; i++)
        if (mails->slots[i].phase == MAIL_FREE)
            return &mails->slots[i];
    return NULL;
}

static void free_slot(struct mail_slot *slot)
{
    slot->phase = MAIL_FREE;
    slot->mails->busy--;
}

/* This attempt comes to nothing, and is not counted as one. */
static void postpone(struct mail_slot *slot, int64_t delay_ms)
{
    struct shard *shard = slot->shard;

    outbox_put_back(&slot->mails->outbox, slot->row, engine_now(shard->engine).boot_ms + delay_ms);
    free_slot(slot);
}

/* ---- asking whose it is ---- */

static uint64_t cookie_of(const struct mail_slot *slot)
{
    return (uint64_t)(slot - slot->mails->slots);
}

static void ask(struct mail_slot *slot)
{
    slot->phase = MAIL_ASKING;
    if (!slot->mails->source->ask(slot, cookie_of(slot)))
        postpone(slot, MAIL_POSTPONE_MS);
}

/* ---- recording ---- */

/* Until it is accepted; a full mailbox refuses it. */
static void record_result(struct mail_slot *slot)
{
    slot->phase = MAIL_RECORDING;
    if (is_failed(slot->shard)) {
        free_slot(slot);
        return;
    }
    slot->retry_boot_ms = engine_now(slot->shard->engine).boot_ms + MAIL_POSTPONE_MS;
    if (slot->mails->source->record(slot, cookie_of(slot)))
        slot->phase = MAIL_RECORDED;
}

static void retry_later(struct mail_slot *slot)
{
    uint32_t attempts = slot->mail.attempts + 1U;
    uint32_t random;

    shard_random(slot->shard, &random, sizeof(random));
    slot->backoff_ms = outbox_backoff_ms(attempts, random);
    slot->result = slot->backoff_ms > 0 ? MAIL_LATER : MAIL_REFUSED;
    metric_add(slot->mails->figures.retried, slot->backoff_ms > 0);
}

void engine_mail_done(struct engine_mail *mail, enum courier_result result, const char *reason)
{
    struct mail_slot *slot = (struct mail_slot *)(void *)mail;

    assert(slot->phase == MAIL_SENDING);
    slot->backoff_ms = 0;
    memset(slot->reason, 0, sizeof(slot->reason));
    memcpy(slot->reason, reason, strnlen(reason, sizeof(slot->reason) - 1));
    switch (result) {
    case COURIER_DELIVERED:
        metric_add(slot->mails->figures.delivered, 1);
        slot->result = MAIL_DELIVERED;
        if (MUTANT(DELIVERY_NOT_RECORDED)) {
            postpone(slot, MAIL_POSTPONE_MS);
            return;
        }
        break;
    case COURIER_LATER:
        retry_later(slot);
        break;
    case COURIER_REFUSED:
        slot->result = MAIL_REFUSED;
        break;
    case COURIER_NO_ROUTE:
        postpone(slot, MAIL_NO_ROUTE_MS);
        return;
    case COURIER_BUSY:
    default:
        postpone(slot, MAIL_POSTPONE_MS);
        return;
    }
    if (slot->result == MAIL_REFUSED)
        metric_add(slot->mails->figures.given_up, 1);
    if (slot->result == MAIL_REFUSED && MUTANT(DEAD_LETTER_LOST))
        slot->result = MAIL_DELIVERED;
    record_result(slot);
}

/* ---- answers ---- */

static void give_to_courier(struct mail_slot *slot, const struct message *reply)
{
    struct mails *mails = slot->mails;

    if (!mails->source->may_go(slot, reply) && !MUTANT(MAIL_AFTER_ERASURE)) {
        slot->result = MAIL_DELIVERED; /* whoever records it drops it */
        slot->backoff_ms = 0;
        metric_add(mails->figures.dropped, 1);
        record_result(slot);
        return;
    }
    if (mails->courier == NULL) {
        postpone(slot, MAIL_NO_ROUTE_MS);
        return;
    }
    slot->phase = MAIL_SENDING;
    mails->courier(mails->courier_user, slot->shard, &slot->mail);
}

static void take_asked(struct mail_slot *slot, const struct message *reply, enum outcome outcome)
{
    if (outcome == OUTCOME_OK && !is_failed(slot->shard)) {
        give_to_courier(slot, reply);
    } else if (outcome == OUTCOME_NOT_FOUND) { /* a mail of nobody: `stampede check` names it */
        outbox_forget(&slot->mails->outbox, slot->row);
        free_slot(slot);
    } else {
        postpone(slot, MAIL_POSTPONE_MS);
    }
}

static void take_recorded(struct mail_slot *slot, enum outcome outcome)
{
    if (outcome == OUTCOME_OK || is_failed(slot->shard))
        free_slot(slot); /* the row has become what the record says */
    else
        slot->phase = MAIL_RECORDING;
}

static bool is_orders(const struct message *reply)
{
    return reply->reply.answers == MESSAGE_ORDER;
}

bool mails_is_reply(const struct message *reply)
{
    return (reply->reply.answers == MESSAGE_ACCOUNT && reply->reply.account->is_outbox) ||
           (is_orders(reply) && reply->reply.order->is_outbox);
}

void mails_take_reply(struct shard *shard, const struct message *reply)
{
    struct mails *mails = is_orders(reply) ? &shard->order_mails : &shard->mails;
    struct mail_slot *slot = &mails->slots[reply->cookie];
    enum outcome outcome = (enum outcome)reply->reply.outcome;

    assert(reply->cookie < MAILS_UNDER_WAY_MAX);
    assert(slot->phase == MAIL_ASKING || slot->phase == MAIL_RECORDED);
    if (slot->phase == MAIL_ASKING)
        take_asked(slot, reply, outcome);
    else
        take_recorded(slot, outcome);
    if (is_orders(reply))
        envelope_free(reply->reply.order);
    else
        envelope_free(reply->reply.account);
}

static bool may_replay(const struct mails *mails, const struct principal *owner, uint64_t sequence)
{
    enum outbox_state state = outbox_find(&mails->outbox, owner, sequence);

    return state == OUTBOX_WAITING || state == OUTBOX_DEAD || MUTANT(MAIL_TWICE_UNDER_WAY);
}

bool mails_may_replay(const struct shard *shard, const struct account_envelope *envelope)
{
    return may_replay(&shard->mails, &envelope->account, envelope->mail);
}

bool mails_may_replay_order(const struct shard *shard, const struct order_envelope *envelope)
{
    struct principal owner = order_mail_owner(envelope->partition, envelope->id.sequence);

    return may_replay(&shard->order_mails, &owner, envelope->mail_occasion);
}

/* ---- what is due ---- */

static void on_read(struct engine_read *read)
{
    struct mail_slot *slot = read->user;
    struct journal_read *done = &read->read;

    assert(slot->phase == MAIL_READING);
    if (done->failed) {
        postpone(slot, MAIL_POSTPONE_MS);
    } else if (done->count == 0) {
        outbox_forget(&slot->mails->outbox, slot->row);
        free_slot(slot);
    } else {
        slot->mails->source->take(slot, (const struct record *)(const void *)done->result.bytes);
        ask(slot);
    }
    free(done->result.bytes);
}

static void begin(struct mails *mails, struct mail_slot *slot, uint32_t row)
{
    const struct outbox_row *due = &mails->outbox.rows[row];
    struct journal_read *read = &slot->read.read;

    memset(slot, 0, sizeof(*slot));
    slot->shard = mails->shard;
    slot->mails = mails;
    slot->row = row;
    slot->phase = MAIL_READING;
    slot->mail.account = due->account;
    slot->mail.sequence = due->sequence;
    mails->busy++;
    read->kind = mails->source->kind;
    read->from = mails->source->place(slot);
    read->to = read->from;
    read->to.sequence++;
    read->limit = 1;
    slot->read.done = on_read;
    slot->read.user = slot;
    if (engine_read_submit(mails->shard, &slot->read) != OUTCOME_PENDING)
        postpone(slot, MAIL_POSTPONE_MS);
}

static bool may_begin(const struct mails *mails)
{
    const struct shard *shard = mails->shard;

    return mails->courier != NULL && !is_failed(shard) &&
           !atomic_load_explicit(&shard->engine->draining, memory_order_relaxed);
}

static void begin_due(struct mails *mails)
{
    struct mail_slot *slot;
    uint32_t row;

    while ((slot = find_free(mails)) != NULL &&
           (row = outbox_take(&mails->outbox, mails->shard->now.boot_ms)) != SLOT_NONE)
        begin(mails, slot, row);
}

/* ---- what found no room ---- */

static void read_page(struct mails *mails, const struct journal_key *from);

/* The next partition of this shard's, or the end. */
static void scan_next(struct mails *mails)
{
    const struct shard *shard = mails->shard;
    struct mail_scan *scan = &mails->scan;
    uint32_t partitions = shard->engine->options.partitions;

    do
        scan->partition++;
    while (scan->partition < partitions &&
           engine_shard_of(shard->engine, scan->partition) != shard->index);
    if (scan->partition < partitions)
        read_page(mails, &(struct journal_key){.partition = scan->partition});
}

static void restore(struct mails *mails, const struct moment *now, const struct record *record)
{
    mails->source->restore(mails, now, record);
}

static void take_page(struct mails *mails, const struct journal_read *page,
                      struct journal_key *next_out)
{
    struct outbox *outbox = &mails->outbox;
    uint32_t at = 0;

    for (uint32_t i = 0; i < page->count && !outbox->missed; i++) {
        const struct record *record =
            (const struct record *)(const void *)(page->result.bytes + at);

        restore(mails, &mails->shard->now, record);
        *next_out = (struct journal_key){.partition = record->partition,
                                         .subject = record->subject,
                                         .sequence = record->sequence + 1};
        at += record->size;
    }
}

static void on_page(struct engine_read *read)
{
    struct mails *mails = read->user;
    struct journal_read page = read->read;
    struct journal_key next = page.from;

    mails->scan.active = false;
    read->read.result.bytes = NULL;
    if (page.failed) {
        mails->outbox.missed = true; /* all over again, a little later */
    } else if (mails->outbox.removed != mails->scan.removed) {
        read_page(mails, &page.from); /* the page may show what has gone meanwhile */
    } else {
        take_page(mails, &page, &next);
        if (mails->outbox.missed)
            ; /* full again */
        else if (page.count == page.limit)
            read_page(mails, &next);
        else
            scan_next(mails);
    }
    free(page.result.bytes);
}

static void read_page(struct mails *mails, const struct journal_key *from)
{
    struct mail_scan *scan = &mails->scan;

    memset(&scan->read, 0, sizeof(scan->read));
    scan->read.read.kind = mails->source->kind;
    scan->read.read.from = *from;
    scan->read.read.to = (struct journal_key){.partition = scan->partition + 1};
    scan->read.read.limit = LIST_PAGE_MAX;
    scan->read.done = on_page;
    scan->read.user = mails;
    scan->removed = mails->outbox.removed;
    scan->active = engine_read_submit(mails->shard, &scan->read) == OUTCOME_PENDING;
    if (!scan->active)
        mails->outbox.missed = true;
}

static void begin_scan(struct mails *mails)
{
    struct mail_scan *scan = &mails->scan;
    int64_t now_ms = mails->shard->now.boot_ms;

    if (scan->active || now_ms < scan->due_boot_ms || !outbox_wants_scan(&mails->outbox))
        return;
    scan->due_boot_ms = now_ms + SCAN_PERIOD_MS;
    scan->partition = UINT32_MAX;
    outbox_scan_begin(&mails->outbox);
    scan_next(mails);
}

/* ---- the shard's hooks ---- */

/* At once: whoever was told of what owes a mail finds it waiting, also before the first step. */
static void show_waiting(const struct mails *mails)
{
    const struct outbox *outbox = &mails->outbox;

    atomic_store_explicit(mails->figures.waiting, (int64_t)outbox->used - outbox->dead,
                          memory_order_relaxed);
}

void mails_restore(struct shard *shard, const struct moment *now, const struct record *record)
{
    struct mails *mails = record->kind == RECORD_ORDER_MAIL ? &shard->order_mails : &shard->mails;

    restore(mails, now, record);
    show_waiting(mails);
}

/* A planted bug: straight from the batch that is not written yet. */
static void send_early(struct shard *shard, const struct mail_effect *effect)
{
    const struct arena *arena = &shard->open->records;
    struct engine_mail mail = {.account = effect->account, .sequence = effect->sequence};

    for (uint32_t at = 0; at < arena->used;) {
        const struct record *record = (const struct record *)(const void *)(arena->bytes + at);

        at += record->size;
        if (record->kind != RECORD_MAIL || record->sequence != effect->sequence)
            continue;
        mail.sealed = record->mail.sealed;
        mail.sealed_length = record->mail.sealed_length;
    }
    shard->mails.courier(shard->mails.courier_user, shard, &mail);
}

void mails_apply(struct shard *shard, const struct mail_effect *effect)
{
    struct mails *mails = effect->is_of_order ? &shard->order_mails : &shard->mails;

    outbox_apply(&mails->outbox, &shard->now, effect, shard->open->serial);
    show_waiting(mails);
    if (MUTANT(MAIL_BEFORE_DURABLE) && effect->next_wall_ms != 0 && !effect->is_of_order)
        send_early(shard, effect);
}

/* Also of what has no room here, once it is found. */
static void show(struct mails *mails)
{
    const struct outbox *outbox = &mails->outbox;
    const struct mail_figures *figures = &mails->figures;
    int64_t now_ms = mails->shard->now.boot_ms;

    show_waiting(mails);
    atomic_store_explicit(figures->dead, outbox->dead, memory_order_relaxed);
    if (now_ms - mails->shown_boot_ms < SHOW_PERIOD_MS)
        return;
    mails->shown_boot_ms = now_ms;
    atomic_store_explicit(figures->oldest_wall_ms, outbox_oldest_wall_ms(outbox),
                          memory_order_relaxed);
}

static void step(struct mails *mails)
{
    const struct shard *shard = mails->shard;

    outbox_durable(&mails->outbox, shard->serial_returned);
    for (uint32_t i = 0; i < MAILS_UNDER_WAY_MAX && mails->busy > 0; i++)
        if (mails->slots[i].phase == MAIL_RECORDING &&
            mails->slots[i].retry_boot_ms <= shard->now.boot_ms)
            record_result(&mails->slots[i]);
    if (may_begin(mails)) {
        begin_due(mails);
        begin_scan(mails);
    }
    show(mails);
}

void mails_step(struct shard *shard)
{
    if (is_failed(shard))
        return;
    step(&shard->mails);
    step(&shard->order_mails);
}

static int64_t next_ms_of(const struct mails *mails)
{
    int64_t next_ms = INT64_MAX;

    for (uint32_t i = 0; i < MAILS_UNDER_WAY_MAX && mails->busy > 0; i++)
        if (mails->slots[i].phase == MAIL_RECORDING && mails->slots[i].retry_boot_ms < next_ms)
            next_ms = mails->slots[i].retry_boot_ms;
    if (may_begin(mails) && mails->busy < MAILS_UNDER_WAY_MAX) {
        if (outbox_next_ms(&mails->outbox) < next_ms)
            next_ms = outbox_next_ms(&mails->outbox);
        if (!mails->scan.active && mails->scan.due_boot_ms < next_ms &&
            outbox_wants_scan(&mails->outbox))
            next_ms = mails->scan.due_boot_ms;
    }
    return next_ms;
}

int64_t mails_next_ms(const struct shard *shard)
{
    int64_t next_ms = next_ms_of(&shard->mails);
    int64_t order_ms = next_ms_of(&shard->order_mails);

    return order_ms < next_ms ? order_ms : next_ms;
}
