/* SPDX-License-Identifier: Apache-2.0 */
/* Accounts' mails: what they say is in their records, sealed under the account's key, which the
 * account gives as long as it has one. */
#include "engine_private.h"
#include "mails.h"

static void bind(struct shard *shard, struct mail_figures *figures_out)
{
    struct shard_metrics *metrics = &shard->metrics;

    *figures_out = (struct mail_figures){.waiting = &metrics->mails_waiting,
                                         .dead = &metrics->mails_dead,
                                         .delivered = &metrics->mails_delivered,
                                         .retried = &metrics->mails_retried,
                                         .given_up = &metrics->mails_given_up,
                                         .dropped = &metrics->mails_dropped,
                                         .oldest_wall_ms = &shard->mails_oldest_wall_ms};
}

static struct journal_key place(const struct mail_slot *slot)
{
    const struct hash_key *id_key = &slot->shard->engine->ports.secrets.id_key;
    struct journal_key key = {.sequence = slot->mail.sequence};

    account_principal_parse(&slot->mail.account, id_key, &key.partition, &key.subject);
    return key;
}

static void take(struct mail_slot *slot, const struct record *record)
{
    slot->record = record->mail;
    slot->mail.template = record->mail.template;
    slot->mail.attempts = record->mail.attempts;
    slot->mail.created_wall_ms = record->mail.created_wall_ms;
}

static bool submit(const struct mail_slot *slot, struct account_envelope *envelope, uint64_t cookie)
{
    struct command command = {.type = COMMAND_ACCOUNT, .account = envelope};
    struct refusal refusal;

    envelope->is_outbox = 1;
    envelope->account = slot->mail.account;
    if (engine_submit(slot->shard, &command, cookie, &refusal) == OUTCOME_PENDING)
        return true;
    envelope_free(envelope);
    return false;
}

static bool ask(struct mail_slot *slot, uint64_t cookie)
{
    struct account_envelope *envelope = account_envelope_create(ACCOUNT_CALL_GET);

    return envelope != NULL && submit(slot, envelope, cookie);
}

/* An erased account's mails are dropped, but the one that says so; and that too if it finds no way
 * for too long. */
static bool may_go(struct mail_slot *slot, const struct message *reply)
{
    const struct account_envelope *envelope = reply->reply.account;
    int64_t age_ms = slot->shard->now.wall_ms - slot->mail.created_wall_ms;

    slot->key = envelope->key;
    slot->mail.key = &slot->key;
    slot->mail.sealed = slot->record.sealed;
    slot->mail.sealed_length = slot->record.sealed_length;
    if (envelope->view.state != ACCOUNT_ERASED)
        return envelope->key.length > 0;
    return account_can_say_goodbye(&envelope->view, &envelope->key, slot->mail.sequence) &&
           age_ms <= MAIL_GOODBYE_KEPT_MS;
}

static bool record_result(struct mail_slot *slot, uint64_t cookie)
{
    struct account_envelope *envelope = account_envelope_create(ACCOUNT_CALL_MAIL_RESULT);
    const struct mail_record *record = &slot->record;

    if (envelope == NULL)
        return false;
    envelope->mail = slot->mail.sequence;
    envelope->mail_result = slot->result;
    envelope->mail_template = record->template;
    envelope->mail_attempts = (uint8_t)(record->attempts + 1);
    envelope->mail_created_wall_ms = record->created_wall_ms;
    envelope->retry_ms = slot->backoff_ms;
    memcpy(envelope->reason, slot->reason, sizeof(envelope->reason));
    envelope->sealed_mail_length = record->sealed_length;
    memcpy(envelope->sealed_mail, record->sealed, record->sealed_length);
    return submit(slot, envelope, cookie);
}

static void restore(struct mails *mails, const struct moment *now, const struct record *record)
{
    struct principal account = account_principal(record->partition, record->subject,
                                                 &mails->shard->engine->ports.secrets.id_key);

    outbox_restore(&mails->outbox, now, &account, record->sequence, &record->mail);
}

const struct mails_source mails_of_accounts = {
    .kind = RECORD_MAIL,
    .bind = bind,
    .place = place,
    .take = take,
    .ask = ask,
    .may_go = may_go,
    .record = record_result,
    .restore = restore,
};
