/* SPDX-License-Identifier: Apache-2.0 */
#include "mails.h"

#include <stdlib.h>
#include <string.h>

#include "engine_private.h"

enum { SHOW_PERIOD_MS = 1000, SCAN_PERIOD_MS = 1000 };

void mails_init(struct mails *mails, const struct engine_options *options, struct mail_slot *slots,
                struct outbox_row *rows, uint32_t *heap, struct index_bucket *buckets,
                const struct hash_key *key)
{
    struct outbox_sizes sizes = {.rows_max = options->outbox_rows_max,
                                 .under_way_max = options->mails_under_way_max};

    *mails = (struct mails){.slots = slots};
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

void shard_set_courier(struct shard *shard, engine_courier courier, void *user)
{
    shard->mails.courier = courier;
    shard->mails.courier_user = user;
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
    slot->shard->mails.busy--;
}

/* This attempt comes to nothing, and is not counted as one. */
static void postpone(struct mail_slot *slot, int64_t delay_ms)
{
    struct shard *shard = slot->shard;

    outbox_put_back(&shard->mails.outbox, slot->row, engine_now(shard->engine).boot_ms + delay_ms);
    free_slot(slot);
}

/* ---- asking the account ---- */

static bool submit(struct mail_slot *slot, struct account_envelope *envelope)
{
    struct command command = {.type = COMMAND_ACCOUNT, .account = envelope};
    struct mails *mails = &slot->shard->mails;
    struct refusal refusal;

    envelope->is_outbox = 1;
    envelope->account = slot->mail.account;
    if (engine_submit(slot->shard, &command, (uint64_t)(slot - mails->slots), &refusal) ==
        OUTCOME_PENDING)
        return true;
    envelope_free(envelope);
    return false;
}

static void ask_account(struct mail_slot *slot)
{
    struct account_envelope *envelope = account_envelope_create(ACCOUNT_CALL_GET);

    slot->phase = MAIL_ASKING;
    if (envelope == NULL || !submit(slot, envelope))
        postpone(slot, MAIL_POSTPONE_MS);
}

/* ---- recording ---- */

static void fill_result(const struct mail_slot *slot, struct account_envelope *envelope)
{
    const struct mail_record *record = &slot->record;

    envelope->mail = slot->mail.sequence;
    envelope->mail_result = slot->result;
    envelope->mail_template = record->template;
    envelope->mail_attempts = (uint8_t)(record->attempts + 1);
    envelope->mail_created_wall_ms = record->created_wall_ms;
    envelope->retry_ms = slot->backoff_ms;
    memcpy(envelope->reason, slot->reason, sizeof(envelope->reason));
    envelope->sealed_mail_length = record->sealed_length;
    memcpy(envelope->sealed_mail, record->sealed, record->sealed_length);
}

/* Until it is accepted; a full mailbox refuses it. */
static void record_result(struct mail_slot *slot)
{
    struct account_envelope *envelope;

    slot->phase = MAIL_RECORDING;
    if (is_failed(slot->shard)) {
        free_slot(slot);
        return;
    }
    slot->retry_boot_ms = engine_now(slot->shard->engine).boot_ms + MAIL_POSTPONE_MS;
    envelope = account_envelope_create(ACCOUNT_CALL_MAIL_RESULT);
    if (envelope == NULL)
        return;
    fill_result(slot, envelope);
    if (submit(slot, envelope))
        slot->phase = MAIL_RECORDED;
}

static void retry_later(struct mail_slot *slot)
{
    uint32_t attempts = slot->record.attempts + 1U;
    uint32_t random;

    shard_random(slot->shard, &random, sizeof(random));
    slot->backoff_ms = outbox_backoff_ms(attempts, random);
    slot->result = slot->backoff_ms > 0 ? MAIL_LATER : MAIL_REFUSED;
    metric_add(&slot->shard->metrics.mails_retried, slot->backoff_ms > 0);
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
        metric_add(&slot->shard->metrics.mails_delivered, 1);
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
        metric_add(&slot->shard->metrics.mails_given_up, 1);
    if (slot->result == MAIL_REFUSED && MUTANT(DEAD_LETTER_LOST))
        slot->result = MAIL_DELIVERED;
    record_result(slot);
}

/* ---- answers of the account ---- */

/* An erased account's mails are dropped, but the one that says so; and that too if it finds no way
 * for too long. */
static bool is_to_be_dropped(const struct mail_slot *slot, const struct account_envelope *envelope)
{
    int64_t age_ms = slot->shard->now.wall_ms - slot->record.created_wall_ms;

    if (envelope->view.state != ACCOUNT_ERASED)
        return envelope->key.length == 0;
    return !account_can_say_goodbye(&envelope->view, &envelope->key, slot->mail.sequence) ||
           age_ms > MAIL_GOODBYE_KEPT_MS;
}

static void give_to_courier(struct mail_slot *slot, const struct account_envelope *envelope)
{
    struct mails *mails = &slot->shard->mails;
    const struct mail_record *record = &slot->record;

    if (is_to_be_dropped(slot, envelope) && !MUTANT(MAIL_AFTER_ERASURE)) {
        slot->result = MAIL_DELIVERED; /* the account's actor drops it */
        slot->backoff_ms = 0;
        metric_add(&slot->shard->metrics.mails_dropped, 1);
        record_result(slot);
        return;
    }
    if (mails->courier == NULL) {
        postpone(slot, MAIL_NO_ROUTE_MS);
        return;
    }
    slot->key = envelope->key;
    slot->phase = MAIL_SENDING;
    slot->mail.template = record->template;
    slot->mail.attempts = record->attempts;
    slot->mail.created_wall_ms = record->created_wall_ms;
    slot->mail.key = &slot->key;
    slot->mail.sealed = record->sealed;
    slot->mail.sealed_length = record->sealed_length;
    mails->courier(mails->courier_user, slot->shard, &slot->mail);
}

static void take_account(struct mail_slot *slot, const struct account_envelope *envelope,
                         enum outcome outcome)
{
    if (outcome == OUTCOME_OK && !is_failed(slot->shard)) {
        give_to_courier(slot, envelope);
    } else if (outcome == OUTCOME_NOT_FOUND) { /* a mail of nobody: `stampede check` names it */
        outbox_forget(&slot->shard->mails.outbox, slot->row);
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

void mails_take_reply(struct shard *shard, const struct message *reply)
{
    struct mail_slot *slot = &shard->mails.slots[reply->cookie];
    struct account_envelope *envelope = reply->reply.account;
    enum outcome outcome = (enum outcome)reply->reply.outcome;

    assert(reply->cookie < MAILS_UNDER_WAY_MAX);
    assert(slot->phase == MAIL_ASKING || slot->phase == MAIL_RECORDED);
    if (slot->phase == MAIL_ASKING)
        take_account(slot, envelope, outcome);
    else
        take_recorded(slot, outcome);
    envelope_free(envelope);
}

bool mails_may_replay(const struct shard *shard, const struct account_envelope *envelope)
{
    enum outbox_state state = outbox_find(&shard->mails.outbox, &envelope->account, envelope->mail);

    return state == OUTBOX_WAITING || state == OUTBOX_DEAD || MUTANT(MAIL_TWICE_UNDER_WAY);
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
        outbox_forget(&slot->shard->mails.outbox, slot->row);
        free_slot(slot);
    } else {
        slot->record = ((const struct record *)(const void *)done->result.bytes)->mail;
        ask_account(slot);
    }
    free(done->result.bytes);
}

static void begin(struct shard *shard, struct mail_slot *slot, uint32_t row)
{
    const struct outbox_row *due = &shard->mails.outbox.rows[row];
    struct journal_read *read = &slot->read.read;
    uint32_t partition;
    uint32_t number;

    memset(slot, 0, sizeof(*slot));
    slot->shard = shard;
    slot->row = row;
    slot->phase = MAIL_READING;
    slot->mail.account = due->account;
    slot->mail.sequence = due->sequence;
    shard->mails.busy++;
    account_principal_parse(&due->account, &shard->engine->ports.secrets.id_key, &partition,
                            &number);
    read->kind = RECORD_MAIL;
    read->from =
        (struct journal_key){.partition = partition, .subject = number, .sequence = due->sequence};
    read->to = read->from;
    read->to.sequence++;
    read->limit = 1;
    slot->read.done = on_read;
    slot->read.user = slot;
    if (engine_read_submit(shard, &slot->read) != OUTCOME_PENDING)
        postpone(slot, MAIL_POSTPONE_MS);
}

static bool may_begin(const struct shard *shard)
{
    return shard->mails.courier != NULL && !is_failed(shard) &&
           !atomic_load_explicit(&shard->engine->draining, memory_order_relaxed);
}

static void begin_due(struct shard *shard)
{
    struct mails *mails = &shard->mails;
    struct mail_slot *slot;
    uint32_t row;

    while ((slot = find_free(mails)) != NULL &&
           (row = outbox_take(&mails->outbox, shard->now.boot_ms)) != SLOT_NONE)
        begin(shard, slot, row);
}

/* ---- what found no room ---- */

static void read_page(struct shard *shard, const struct journal_key *from);

/* The next partition of this shard's, or the end. */
static void scan_next(struct shard *shard)
{
    struct mail_scan *scan = &shard->mails.scan;
    uint32_t partitions = shard->engine->options.partitions;

    do
        scan->partition++;
    while (scan->partition < partitions &&
           engine_shard_of(shard->engine, scan->partition) != shard->index);
    if (scan->partition < partitions)
        read_page(shard, &(struct journal_key){.partition = scan->partition});
}

static void take_page(struct shard *shard, const struct journal_read *page,
                      struct journal_key *next_out)
{
    struct outbox *outbox = &shard->mails.outbox;
    uint32_t at = 0;

    for (uint32_t i = 0; i < page->count && !outbox->missed; i++) {
        const struct record *record =
            (const struct record *)(const void *)(page->result.bytes + at);

        mails_restore(shard, &shard->now, record);
        *next_out = (struct journal_key){.partition = record->partition,
                                         .subject = record->subject,
                                         .sequence = record->sequence + 1};
        at += record->size;
    }
}

static void on_page(struct engine_read *read)
{
    struct shard *shard = read->user;
    struct mails *mails = &shard->mails;
    struct journal_read page = read->read;
    struct journal_key next = page.from;

    mails->scan.active = false;
    read->read.result.bytes = NULL;
    if (page.failed) {
        mails->outbox.missed = true; /* all over again, a little later */
    } else if (mails->outbox.removed != mails->scan.removed) {
        read_page(shard, &page.from); /* the page may show what has gone meanwhile */
    } else {
        take_page(shard, &page, &next);
        if (mails->outbox.missed)
            ; /* full again */
        else if (page.count == page.limit)
            read_page(shard, &next);
        else
            scan_next(shard);
    }
    free(page.result.bytes);
}

static void read_page(struct shard *shard, const struct journal_key *from)
{
    struct mail_scan *scan = &shard->mails.scan;

    memset(&scan->read, 0, sizeof(scan->read));
    scan->read.read.kind = RECORD_MAIL;
    scan->read.read.from = *from;
    scan->read.read.to = (struct journal_key){.partition = scan->partition + 1};
    scan->read.read.limit = LIST_PAGE_MAX;
    scan->read.done = on_page;
    scan->read.user = shard;
    scan->removed = shard->mails.outbox.removed;
    scan->active = engine_read_submit(shard, &scan->read) == OUTCOME_PENDING;
    if (!scan->active)
        shard->mails.outbox.missed = true;
}

static void begin_scan(struct shard *shard)
{
    struct mail_scan *scan = &shard->mails.scan;

    if (scan->active || shard->now.boot_ms < scan->due_boot_ms ||
        !outbox_wants_scan(&shard->mails.outbox))
        return;
    scan->due_boot_ms = shard->now.boot_ms + SCAN_PERIOD_MS;
    scan->partition = UINT32_MAX;
    outbox_scan_begin(&shard->mails.outbox);
    scan_next(shard);
}

/* ---- the shard's hooks ---- */

void mails_restore(struct shard *shard, const struct moment *now, const struct record *record)
{
    struct principal account =
        account_principal(record->partition, record->subject, &shard->engine->ports.secrets.id_key);

    outbox_restore(&shard->mails.outbox, now, &account, record->sequence, &record->mail);
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
    outbox_apply(&shard->mails.outbox, &shard->now, effect, shard->open->serial);
    if (MUTANT(MAIL_BEFORE_DURABLE) && effect->next_wall_ms != 0)
        send_early(shard, effect);
}

/* Also of what has no room here, once it is found. */
static void show(struct shard *shard)
{
    const struct outbox *outbox = &shard->mails.outbox;
    struct shard_metrics *metrics = &shard->metrics;

    atomic_store_explicit(&metrics->mails_waiting, (int64_t)outbox->used - outbox->dead,
                          memory_order_relaxed);
    atomic_store_explicit(&metrics->mails_dead, outbox->dead, memory_order_relaxed);
    if (shard->now.boot_ms - shard->mails.shown_boot_ms < SHOW_PERIOD_MS)
        return;
    shard->mails.shown_boot_ms = shard->now.boot_ms;
    atomic_store_explicit(&shard->mails_oldest_wall_ms, outbox_oldest_wall_ms(outbox),
                          memory_order_relaxed);
}

void mails_step(struct shard *shard)
{
    struct mails *mails = &shard->mails;

    if (is_failed(shard))
        return;
    outbox_durable(&mails->outbox, shard->serial_returned);
    for (uint32_t i = 0; i < MAILS_UNDER_WAY_MAX && mails->busy > 0; i++)
        if (mails->slots[i].phase == MAIL_RECORDING &&
            mails->slots[i].retry_boot_ms <= shard->now.boot_ms)
            record_result(&mails->slots[i]);
    if (may_begin(shard)) {
        begin_due(shard);
        begin_scan(shard);
    }
    show(shard);
}

int64_t mails_next_ms(const struct shard *shard)
{
    const struct mails *mails = &shard->mails;
    int64_t next_ms = INT64_MAX;

    for (uint32_t i = 0; i < MAILS_UNDER_WAY_MAX && mails->busy > 0; i++)
        if (mails->slots[i].phase == MAIL_RECORDING && mails->slots[i].retry_boot_ms < next_ms)
            next_ms = mails->slots[i].retry_boot_ms;
    if (may_begin(shard) && mails->busy < MAILS_UNDER_WAY_MAX) {
        if (outbox_next_ms(&mails->outbox) < next_ms)
            next_ms = outbox_next_ms(&mails->outbox);
        if (!mails->scan.active && mails->scan.due_boot_ms < next_ms &&
            outbox_wants_scan(&mails->outbox))
            next_ms = mails->scan.due_boot_ms;
    }
    return next_ms;
}
