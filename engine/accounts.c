/* SPDX-License-Identifier: Apache-2.0 */
#include "accounts.h"

#include <stdlib.h>
#include <string.h>

#include "engine_private.h"

/* ---- the table ---- */

void accounts_init(struct accounts *accounts, struct account_slot *slots,
                   struct index_bucket *buckets, uint32_t count)
{
    *accounts = (struct accounts){.slots = slots,
                                  .count = count,
                                  .free = SLOT_NONE,
                                  .oldest = SLOT_NONE,
                                  .newest = SLOT_NONE};
    index_table_init(&accounts->index, buckets, count);
}

void accounts_destroy(struct accounts *accounts)
{
    for (uint32_t i = 0; i < accounts->fresh; i++) {
        struct account_slot *slot = &accounts->slots[i];
        struct account_envelope *envelope = slot->waiting_first;

        for (unsigned n = 0; n < 2; n++) /* what was read and not taken */
            free(slot->read[n].read.result.bytes);

        while (envelope != NULL) {
            struct account_envelope *next = envelope->next;

            envelope_free(envelope);
            envelope = next;
        }
    }
}

static uint64_t hash_of(const struct shard *shard, uint8_t kind, const struct record_place *place)
{
    uint64_t words[3] = {(uint64_t)kind << 32 | place->partition, place->subject, place->sequence};

    return hash_bytes(&shard->engine->table_key, words, sizeof(words));
}

static bool is_of(const struct account_slot *slot, uint8_t kind, const struct record_place *place)
{
    const struct record_place *own = &slot->subject.place;

    return slot->subject.kind == kind && own->partition == place->partition &&
           own->subject == place->subject && own->sequence == place->sequence;
}

static struct account_slot *find(struct shard *shard, uint64_t hash, uint8_t kind,
                                 const struct record_place *place)
{
    struct accounts *accounts = &shard->accounts;
    uint32_t cursor = 0;
    uint32_t slot;

    while ((slot = index_table_find(&accounts->index, hash, &cursor)) != SLOT_NONE)
        if (is_of(&accounts->slots[slot], kind, place))
            return &accounts->slots[slot];
    return NULL;
}

static void unlink_use(struct accounts *accounts, struct account_slot *slot)
{
    if (slot->older != SLOT_NONE)
        accounts->slots[slot->older].newer = slot->newer;
    else
        accounts->oldest = slot->newer;
    if (slot->newer != SLOT_NONE)
        accounts->slots[slot->newer].older = slot->older;
    else
        accounts->newest = slot->older;
}

static void link_newest(struct accounts *accounts, struct account_slot *slot)
{
    uint32_t number = (uint32_t)(slot - accounts->slots);

    slot->older = accounts->newest;
    slot->newer = SLOT_NONE;
    if (accounts->newest != SLOT_NONE)
        accounts->slots[accounts->newest].newer = number;
    else
        accounts->oldest = number;
    accounts->newest = number;
}

static void forget(struct shard *shard, struct account_slot *slot)
{
    struct accounts *accounts = &shard->accounts;
    uint32_t number = (uint32_t)(slot - accounts->slots);

    assert(slot->waiting_first == NULL && slot->reads == 0);
    index_table_remove(&accounts->index, hash_of(shard, slot->subject.kind, &slot->subject.place),
                       number);
    unlink_use(accounts, slot);
    slot->state = SLOT_FREE;
    slot->older = accounts->free;
    accounts->free = number;
}

/* What it wrote must be on disk before it may be read from there. */
static bool may_leave(const struct shard *shard, const struct account_slot *slot)
{
    return slot->state == SLOT_LOADED && slot->waiting_first == NULL &&
           (slot->write_serial <= shard->serial_returned || MUTANT(EVICTED_UNDURABLE));
}

/* NULL if all are in use. */
static struct account_slot *take_slot(struct shard *shard)
{
    struct accounts *accounts = &shard->accounts;

    if (accounts->free == SLOT_NONE && accounts->fresh < accounts->count)
        return &accounts->slots[accounts->fresh++];
    for (uint32_t i = accounts->oldest; accounts->free == SLOT_NONE && i != SLOT_NONE;
         i = accounts->slots[i].newer) {
        if (may_leave(shard, &accounts->slots[i])) {
            forget(shard, &accounts->slots[i]);
            break;
        }
    }
    if (accounts->free == SLOT_NONE)
        return NULL;
    struct account_slot *slot = &accounts->slots[accounts->free];
    accounts->free = slot->older;
    return slot;
}

/* ---- answering ---- */

static void fill_reply(struct message *reply, struct account_envelope *envelope,
                       enum outcome outcome)
{
    reply->partition = envelope->partition;
    reply->shard = envelope->shard;
    reply->cookie = envelope->cookie;
    reply->reply.answers = MESSAGE_ACCOUNT;
    reply->reply.outcome = (uint8_t)outcome;
    reply->reply.account = envelope;
}

/* At once: nothing that is not durable is in it. */
static void refuse(struct shard *shard, struct account_envelope *envelope, enum outcome outcome)
{
    struct message reply = {.size = message_size(MESSAGE_REPLY, 0), .type = MESSAGE_REPLY};
    struct arena one = {.bytes = (uint8_t *)&reply, .used = reply.size, .capacity = reply.size};

    fill_reply(&reply, envelope, outcome);
    shard_release(shard, &one, true);
}

/* A mail that staff want sent again must lie there: the account's actor does not know. */
static bool mail_is_away(const struct shard *shard, const struct account_envelope *envelope)
{
    return envelope->call == ACCOUNT_CALL_MAIL_RESULT && envelope->mail_result == MAIL_REPLAYED &&
           !mails_may_replay(shard, envelope);
}

static void run(struct shard *shard, struct account_slot *slot, struct account_envelope *envelope)
{
    struct engine *engine = shard->engine;
    struct account_context context = {
        .id_key = &engine->ports.secrets.id_key,
        .partitions = engine->options.partitions,
        .next_number = &engine->next_account[slot->subject.place.partition],
    };
    struct effects *effects = &shard->effects;
    uint32_t records_before = effects->records->used;
    enum outcome outcome;

    outcome = mail_is_away(shard, envelope)
                  ? OUTCOME_STALE
                  : account_receive(&slot->subject, &context, &shard->now, envelope, effects);
    if (effects->records->used != records_before)
        slot->write_serial = shard->open->serial;
    if (outcome == OUTCOME_OK &&
        (envelope->call == ACCOUNT_CALL_ERASE || envelope->call == ACCOUNT_CALL_LAPSE ||
         envelope->call == ACCOUNT_CALL_GUEST_NOTE))
        erasures_note(shard, shard->open->serial);
    if (effects->audit_count > 0)
        audit_chain_seal(shard, slot->subject.place.partition, records_before);
    shard_apply_effects(shard);
    envelope->mark = engine_mark(engine, slot->subject.kind == SUBJECT_GUEST ? &envelope->guest
                                                                             : &envelope->account);
    fill_reply(effects_message(effects, MESSAGE_REPLY, 0), envelope, outcome);
}

/* ---- loading ---- */

static void take_in(struct account_slot *slot, const struct journal_read *read)
{
    if (read->failed) {
        slot->failed = !MUTANT(READ_FAILED_IS_EMPTY);
        return;
    }
    if (read->count == 1)
        account_subject_load(&slot->subject,
                             (const struct record *)(const void *)read->result.bytes);
}

static void make_ready(struct accounts *accounts, struct account_slot *slot)
{
    slot->state = SLOT_READY;
    slot->next_ready = NULL;
    if (accounts->ready_last != NULL)
        accounts->ready_last->next_ready = slot;
    else
        accounts->ready_first = slot;
    accounts->ready_last = slot;
}

static void on_read(struct engine_read *read)
{
    struct account_slot *slot = read->user;

    take_in(slot, &read->read);
    free(read->read.result.bytes);
    read->read.result.bytes = NULL;
    assert(slot->state == SLOT_LOADING && slot->reads > 0);
    if (--slot->reads == 0)
        make_ready(&read->completion.shard->accounts, slot);
}

static bool begin_read(struct shard *shard, struct account_slot *slot, unsigned which,
                       enum record_kind kind)
{
    const struct record_place *place = &slot->subject.place;
    struct engine_read *read = &slot->read[which];

    memset(read, 0, sizeof(*read));
    read->read.kind = kind;
    read->read.from = (struct journal_key){
        .partition = place->partition, .subject = place->subject, .sequence = place->sequence};
    read->read.to = read->read.from;
    read->read.to.sequence += kind == RECORD_ACCOUNT_KEY ? 2 : 1; /* one of the two, if any */
    read->read.limit = 1;
    read->done = on_read;
    read->user = slot;
    if (engine_read_submit(shard, read) != OUTCOME_PENDING)
        return false;
    slot->reads++;
    return true;
}

/* False if nothing could be started. */
static bool begin_load(struct shard *shard, struct account_slot *slot)
{
    bool started;

    slot->state = SLOT_LOADING;
    slot->reads = 0;
    slot->failed = false;
    switch ((enum account_subject_kind)slot->subject.kind) {
    case SUBJECT_EMAIL:
        return begin_read(shard, slot, 0, RECORD_EMAIL);
    case SUBJECT_GUEST:
        return begin_read(shard, slot, 0, RECORD_ALIAS);
    case SUBJECT_ACCOUNT:
    default:
        started = begin_read(shard, slot, 0, RECORD_ACCOUNT);
        if (started && !begin_read(shard, slot, 1, RECORD_ACCOUNT_KEY))
            slot->failed = true; /* the first comes back all the same */
        return started;
    }
}

static struct account_slot *activate(struct shard *shard, uint64_t hash, uint8_t kind,
                                     const struct record_place *place)
{
    struct accounts *accounts = &shard->accounts;
    struct account_slot *slot = take_slot(shard);

    if (slot == NULL)
        return NULL;
    account_subject_init(&slot->subject, (enum account_subject_kind)kind, place);
    slot->write_serial = 0;
    slot->waiting_first = NULL;
    slot->waiting_last = NULL;
    index_table_add(&accounts->index, hash, (uint32_t)(slot - accounts->slots));
    link_newest(accounts, slot);
    if (begin_load(shard, slot))
        return slot;
    forget(shard, slot);
    return NULL;
}

static void wait_for_load(struct account_slot *slot, struct account_envelope *envelope)
{
    envelope->next = NULL;
    if (slot->waiting_last != NULL)
        slot->waiting_last->next = envelope;
    else
        slot->waiting_first = envelope;
    slot->waiting_last = envelope;
}

void accounts_deliver(struct shard *shard, struct message *message)
{
    struct account_envelope *envelope = message->account.envelope;
    uint8_t kind = (uint8_t)account_call_subject((enum account_call)envelope->call);
    struct account_slot *slot;
    struct record_place place;
    uint64_t hash;
    bool known;

    envelope->cookie = message->cookie;
    envelope->shard = message->shard;
    envelope->partition = message->partition;
    envelope->deadline_boot_ms = message->deadline_boot_ms;
    known = account_place(envelope, &shard->engine->ports.secrets.id_key,
                          shard->engine->options.partitions, &place);
    assert(known && place.partition == message->partition); /* submit_account sent it here */
    (void)known;
    hash = hash_of(shard, kind, &place);
    slot = find(shard, hash, kind, &place);
    if (slot == NULL)
        slot = activate(shard, hash, kind, &place);
    if (slot == NULL) {
        refuse(shard, envelope, OUTCOME_OVERLOADED);
        return;
    }
    unlink_use(&shard->accounts, slot);
    link_newest(&shard->accounts, slot);
    if (slot->state == SLOT_LOADED)
        run(shard, slot, envelope);
    else
        wait_for_load(slot, envelope);
}

/* False if the batch is full before all that waited is served. */
static bool serve_waiting(struct shard *shard, struct account_slot *slot)
{
    bool latched = atomic_load_explicit(&shard->engine->failed, memory_order_relaxed);

    while (slot->waiting_first != NULL) {
        struct account_envelope *envelope = slot->waiting_first;

        if (!batch_has_room(shard->open))
            return false;
        slot->waiting_first = envelope->next;
        if (slot->waiting_first == NULL)
            slot->waiting_last = NULL;
        if (latched) {
            refuse(shard, envelope, OUTCOME_OUTCOME_UNKNOWN);
        } else if (slot->failed || (envelope->deadline_boot_ms != 0 &&
                                    shard->now.boot_ms > envelope->deadline_boot_ms)) {
            refuse(shard, envelope, OUTCOME_OVERLOADED);
        } else {
            shard->open->received++;
            run(shard, slot, envelope);
        }
    }
    return true;
}

void accounts_run_ready(struct shard *shard)
{
    struct accounts *accounts = &shard->accounts;

    while (accounts->ready_first != NULL) {
        struct account_slot *slot = accounts->ready_first;

        if (!serve_waiting(shard, slot))
            return;
        accounts->ready_first = slot->next_ready;
        if (accounts->ready_first == NULL)
            accounts->ready_last = NULL;
        slot->state = SLOT_LOADED;
        if (slot->failed)
            forget(shard, slot);
    }
}
