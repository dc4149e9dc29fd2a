/* SPDX-License-Identifier: Apache-2.0 */
/* What an order's person is owed by mail: a record in the batch of what causes it, until the mail
 * has gone out. It holds nothing private: whoever sends it asks the order. */
#include "order_private.h"

#include "account.h"

struct principal order_mail_owner(uint32_t partition, uint64_t sequence)
{
    struct principal owner = {{0}};

    for (unsigned i = 0; i < 4; i++)
        owner.bytes[i] = (uint8_t)(partition >> (24 - 8 * i));
    for (unsigned i = 0; i < 8; i++)
        owner.bytes[4 + i] = (uint8_t)(sequence >> (56 - 8 * i));
    return owner;
}

uint64_t order_mail_owner_sequence(const struct principal *owner, uint32_t *partition_out)
{
    uint64_t sequence = 0;

    *partition_out = 0;
    for (unsigned i = 0; i < 4; i++)
        *partition_out = *partition_out << 8 | owner->bytes[i];
    for (unsigned i = 0; i < 8; i++)
        sequence = sequence << 8 | owner->bytes[4 + i];
    return sequence;
}

static struct record *put(const struct order_turn *turn, uint32_t occasion)
{
    const struct order_subject *subject = turn->subject;
    struct record *record =
        effects_record(turn->effects, RECORD_ORDER_MAIL, subject->partition, 0, 0);

    record->subject = occasion;
    record->sequence = subject->sequence;
    return record;
}

static struct mail_effect effect_of(const struct order_turn *turn, uint32_t occasion)
{
    return (struct mail_effect){
        .account = order_mail_owner(turn->subject->partition, turn->subject->sequence),
        .sequence = occasion,
        .is_of_order = 1,
    };
}

/* Each refund happens once; all else may come again: shipped, refunded in part, shipped. */
static bool was_owed(const struct order_record *order, enum order_mail_kind kind)
{
    return kind != ORDER_MAIL_REFUNDED && (order->mails & 1u << kind) != 0 &&
           !MUTANT(ORDER_MAIL_TWICE);
}

void order_owe_mail(const struct order_turn *turn, enum order_mail_kind kind, unsigned refund)
{
    struct order_record *order = &turn->subject->order;
    uint32_t occasion = order_mail_occasion(kind, refund);
    struct mail_effect effect = effect_of(turn, occasion);
    struct order_mail_record *mail;

    if (!turn->context->sends_mails || was_owed(order, kind))
        return;
    if (kind != ORDER_MAIL_REFUNDED)
        order->mails |= (uint8_t)(1u << kind);
    mail = &put(turn, occasion)->order_mail;
    mail->state = MAIL_WAITING;
    mail->kind = (uint8_t)kind;
    mail->refund = (uint8_t)refund;
    mail->created_wall_ms = turn->moment->wall_ms;
    mail->next_wall_ms = turn->moment->wall_ms;
    mail->order_created_wall_ms = order->created_wall_ms;
    effect.next_wall_ms = mail->next_wall_ms;
    effects_mail(turn->effects, effect);
}

/* The caller has the mail's record, and brings it back with what became of it. Of somebody who was
 * forgotten nothing is kept. */
enum outcome order_mail_result(const struct order_turn *turn, const struct order_envelope *envelope)
{
    bool is_forgotten = turn->subject->body->person.key_length == 0;
    struct mail_effect effect = effect_of(turn, envelope->mail_occasion);
    struct record *record = put(turn, envelope->mail_occasion);

    if (envelope->mail_result == MAIL_DELIVERED || is_forgotten) {
        record->operation = RECORD_DELETE;
        effects_mail(turn->effects, effect);
        return OUTCOME_OK;
    }
    record->order_mail = envelope->mail;
    record->order_mail.state = envelope->mail_result == MAIL_REFUSED ? MAIL_DEAD : MAIL_WAITING;
    record->order_mail.next_wall_ms = turn->moment->wall_ms + envelope->retry_ms;
    effect.next_wall_ms = record->order_mail.next_wall_ms;
    effect.is_dead = record->order_mail.state == MAIL_DEAD;
    effects_mail(turn->effects, effect);
    return OUTCOME_OK;
}
