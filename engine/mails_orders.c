/* SPDX-License-Identifier: Apache-2.0 */
/* Orders' mails: their records say that they are owed, and the order what they say: its lines,
 * amounts and, as long as it is not forgotten, its person. */
#include "engine_private.h"
#include "mails.h"

static void bind(struct shard *shard, struct mail_figures *figures_out)
{
    struct shard_metrics *metrics = &shard->metrics;

    *figures_out = (struct mail_figures){.waiting = &metrics->order_mails_waiting,
                                         .dead = &metrics->order_mails_dead,
                                         .delivered = &metrics->order_mails_delivered,
                                         .retried = &metrics->order_mails_retried,
                                         .given_up = &metrics->order_mails_given_up,
                                         .dropped = &metrics->order_mails_dropped,
                                         .oldest_wall_ms = &shard->order_mails_oldest_wall_ms};
}

static struct journal_key place(const struct mail_slot *slot)
{
    struct journal_key key = {.subject = (uint32_t)slot->mail.sequence};

    key.sequence = order_mail_owner_sequence(&slot->mail.account, &key.partition);
    return key;
}

static void take(struct mail_slot *slot, const struct record *record)
{
    slot->order_record = record->order_mail;
    slot->mail.template = record->order_mail.kind;
    slot->mail.attempts = record->order_mail.attempts;
    slot->mail.created_wall_ms = record->order_mail.created_wall_ms;
}

static bool submit(const struct mail_slot *slot, struct order_envelope *envelope, uint64_t cookie)
{
    struct command command = {.type = COMMAND_ORDER, .order = envelope};
    struct refusal refusal;

    envelope->is_outbox = 1;
    envelope->authority = AUTHORITY_STAFF;
    envelope->origin = (struct origin){.caller = AUDIT_BY_SYSTEM};
    envelope->id.sequence = order_mail_owner_sequence(&slot->mail.account, &envelope->id.partition);
    envelope->id.created_ms = slot->order_record.order_created_wall_ms;
    if (engine_submit(slot->shard, &command, cookie, &refusal) == OUTCOME_PENDING)
        return true;
    envelope_free(envelope);
    return false;
}

static bool ask(struct mail_slot *slot, uint64_t cookie)
{
    struct order_envelope *envelope = order_envelope_create(ORDER_CALL_GET);

    return envelope != NULL && submit(slot, envelope, cookie);
}

/* Of somebody who was forgotten there is no address any more. */
static bool may_go(struct mail_slot *slot, const struct message *reply)
{
    slot->mail.order = reply->reply.order;
    slot->mail.refund = slot->order_record.refund;
    return slot->mail.order->person.key_length > 0;
}

static bool record_result(struct mail_slot *slot, uint64_t cookie)
{
    struct order_envelope *envelope = order_envelope_create(ORDER_CALL_MAIL_RESULT);

    if (envelope == NULL)
        return false;
    envelope->mail_occasion = (uint32_t)slot->mail.sequence;
    envelope->mail_result = slot->result;
    envelope->retry_ms = slot->backoff_ms;
    envelope->mail = slot->order_record;
    envelope->mail.attempts++;
    memcpy(envelope->mail.reason, slot->reason, sizeof(envelope->mail.reason));
    return submit(slot, envelope, cookie);
}

static void restore(struct mails *mails, const struct moment *now, const struct record *record)
{
    struct principal owner = order_mail_owner(record->partition, record->sequence);
    struct mail_record mail = {.state = record->order_mail.state,
                               .created_wall_ms = record->order_mail.created_wall_ms,
                               .next_wall_ms = record->order_mail.next_wall_ms};

    outbox_restore(&mails->outbox, now, &owner, record->subject, &mail);
}

const struct mails_source mails_of_orders = {
    .kind = RECORD_ORDER_MAIL,
    .bind = bind,
    .place = place,
    .take = take,
    .ask = ask,
    .may_go = may_go,
    .record = record_result,
    .restore = restore,
};
