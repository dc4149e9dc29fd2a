/* SPDX-License-Identifier: Apache-2.0 */
/* Which records can be: what encoding relies on, and decoding lets through. */
#include <string.h>

#include "codec.h"
#include "codec_fields.h"
#include "codec_order.h"
#include "settings.h"

static bool text_is_name(const char *text, size_t room)
{
    size_t length = strnlen(text, room);

    return length < room && sku_is_valid(text, length);
}

static bool currency_is_valid(const char currency[4])
{
    for (int i = 0; i < 3; i++) {
        if (currency[i] < 'A' || currency[i] > 'Z')
            return false;
    }
    return currency[3] == '\0';
}

static bool time_is_valid(int64_t wall_ms)
{
    return wall_ms >= 0 && wall_ms < CODEC_TIME_MS_END;
}

static bool hold_is_valid(const struct record *record)
{
    const struct hold_record *hold = &record->hold;

    if (hold->state >= HOLD_STATE_COUNT || hold->line_count < 1 ||
        hold->line_count > RESERVATION_LINES_MAX)
        return false;
    if (record->size < record_size(RECORD_HOLD, hold->line_count))
        return false;
    for (unsigned i = 0; i < hold->line_count; i++) {
        if (hold->lines[i].quantity < 1 || hold->lines[i].quantity > CODEC_LINE_QUANTITY_MAX)
            return false;
    }
    return hold->owner_sequence >= 1 && hold->owner_sequence < CODEC_SEQUENCE_END &&
           hold->owner_partition < PARTITIONS_MAX && hold->ttl_ms <= HOLD_TTL_MS_MAX &&
           time_is_valid(hold->created_wall_ms) && time_is_valid(hold->deadline_wall_ms) &&
           time_is_valid(hold->ended_wall_ms);
}

static bool product_is_valid(const struct record *record)
{
    const struct product_record *product = &record->product;

    return text_is_name(product->id, sizeof(product->id)) && currency_is_valid(product->currency) &&
           product->variant_count <= PRODUCT_VARIANTS_MAX &&
           product->status < PRODUCT_STATUS_COUNT && time_is_valid(product->updated_wall_ms) &&
           product->document_length <= PRODUCT_DOCUMENT_BYTES_MAX &&
           record->size >= record_size(RECORD_PRODUCT, 0) + product->document_length;
}

static bool ledger_is_valid(const struct record *record)
{
    const struct ledger_record *ledger = &record->ledger;

    return ledger->entry < LEDGER_ENTRY_COUNT && ledger->quantity >= 1 &&
           ledger->quantity <= SKU_STOCK_MAX && ledger->hold_sequence < CODEC_SEQUENCE_END &&
           time_is_valid(ledger->wall_ms) &&
           strnlen(ledger->reason, sizeof(ledger->reason)) < sizeof(ledger->reason) &&
           sku_id_partition(record->subject) == record->partition;
}

static bool key_record_is_valid(const struct record *record)
{
    const struct key_record *key = &record->key;

    return key->stock <= SKU_STOCK_MAX && key->available <= key->stock &&
           key->reserved <= key->stock && key->sold <= key->stock && time_is_valid(key->wall_ms) &&
           sku_id_partition(record->subject) == record->partition;
}

/* The parts of the key that a kind does not use are zero: one record, one key. */
static bool key_is_valid(const struct record *record)
{
    switch ((enum record_kind)record->kind) {
    case RECORD_PRODUCT:
    case RECORD_SKU:
    case RECORD_COUNTER:
    case RECORD_LIMIT:
        return record->sequence == 0;
    case RECORD_KEY:
    case RECORD_LEDGER:
        return record->sequence >= 1 && record->sequence < CODEC_SEQUENCE_END;
    case RECORD_FLOOR:
        return record->subject < FLOOR_COUNT && record->sequence == 0;
    case RECORD_ACCOUNT:
    case RECORD_COUPON:
    case RECORD_COUPON_COUNT:
        return record->subject >= 1 && record->sequence == 0;
    case RECORD_ACCOUNT_KEY:
        return record->subject >= 1 && record->sequence <= 1;
    case RECORD_COUPON_USE:
    case RECORD_COUPON_PAST:
        return record->subject >= 1 && record->sequence % CODEC_SEQUENCE_END >= 1 &&
               record->sequence / CODEC_SEQUENCE_END < PARTITIONS_MAX;
    case RECORD_EMAIL:
    case RECORD_ALIAS:
    case RECORD_CART:
        return record->sequence < CODEC_SEQUENCE_END;
    case RECORD_MAIL:
        return record->subject >= 1 && row_number_is_valid(record->sequence);
    case RECORD_HOLD:
    case RECORD_AUDIT:
        return record->subject == 0 && record->sequence >= 1 &&
               record->sequence < CODEC_SEQUENCE_END;
    case RECORD_AUDIT_HEAD:
        return record->subject == 0 && record->sequence == 0;
    case RECORD_ORDER:
    case RECORD_ORDER_PAST:
    case RECORD_ORDER_BODY:
    case RECORD_ORDER_PERSON:
    case RECORD_EVENT_OUT:
        return record->subject == 0 && record->sequence >= 1 &&
               record->sequence < CODEC_SEQUENCE_END;
    case RECORD_ORDER_MAIL:
        return record->sequence >= 1 && record->sequence < CODEC_SEQUENCE_END;
    case RECORD_ORDER_OF:
    case RECORD_CHECKOUT:
    case RECORD_EVENT_IN:
        return record->sequence < CODEC_SEQUENCE_END;
    case RECORD_SETTING:
        return record->subject < SETTING_KIND_COUNT && record->sequence <= UINT32_MAX;
    case RECORD_CURSOR:
        return record->subject < EVENT_CONSUMER_COUNT && record->sequence == 0;
    case RECORD_DELIVERY:
    case RECORD_DELIVERY_DEAD:
    case RECORD_DELIVERY_DONE:
        return record->subject >= 1 && record->sequence >= 1 &&
               record->sequence < CODEC_SEQUENCE_END;
    case RECORD_GUEST_OF:
        return record->subject >= 1 && record->sequence < CODEC_SEQUENCE_END;
    case RECORD_ERASURE:
        return record->subject >= 1 && record->sequence == 0;
    case RECORD_KIND_COUNT:
        break;
    }
    return false;
}

/* What packing relies on; the walk itself bounds all that it reads. */
static bool account_is_valid(const struct record *record)
{
    const struct account_record *account = &record->account;

    if (account->state == ACCOUNT_NONE || account->state >= ACCOUNT_STATE_COUNT ||
        account->role >= ROLE_COUNT || account->session_count > ACCOUNT_SESSIONS_MAX ||
        account->address_count > ACCOUNT_ADDRESSES_MAX ||
        account->alias_count > ACCOUNT_ALIASES_MAX ||
        account->recovery_count > ACCOUNT_RECOVERY_CODES)
        return false;
    for (unsigned i = 0; i < account->address_count; i++) {
        if (!row_number_is_valid(account->addresses[i].id))
            return false;
    }
    return account->email_length <= SEALED_EMAIL_MAX && account->name_length <= SEALED_NAME_MAX &&
           account->new_email_length <= SEALED_EMAIL_MAX && account->credentials >= 1 &&
           account->next_id >= 1 && time_is_valid(account->created_wall_ms);
}

static bool mail_is_valid(const struct mail_record *mail)
{
    return mail->state <= MAIL_DEAD && time_is_valid(mail->created_wall_ms) &&
           time_is_valid(mail->next_wall_ms) && mail->sealed_length >= 1 &&
           mail->sealed_length <= SEALED_MAIL_MAX &&
           strnlen(mail->reason, sizeof(mail->reason)) < sizeof(mail->reason);
}

static bool coupon_is_valid(const struct coupon_record *coupon)
{
    return coupon_definition_is_valid(&coupon->definition, &coupon->names) &&
           coupon->version >= 1 && coupon->is_deleted <= 1 &&
           time_is_valid(coupon->created_wall_ms) && time_is_valid(coupon->updated_wall_ms);
}

static bool coupon_use_is_valid(const struct coupon_use_record *use)
{
    return use->version >= 1 && use->is_counted <= 1 && time_is_valid(use->order_created_wall_ms) &&
           time_is_valid(use->held_wall_ms) && time_is_valid(use->committed_wall_ms);
}

static bool cart_is_valid(const struct record *record)
{
    const struct cart_record *cart = &record->cart;
    const struct cart_content *content = &cart->content;

    if (content->line_count > CART_LINES_MAX || content->coupon_length > COUPON_CODE_MAX ||
        cart->by_customer > 1 || record->size < record_size(RECORD_CART, content->line_count))
        return false;
    for (unsigned i = 0; i < content->line_count; i++) {
        if (content->lines[i].quantity < 1 || content->lines[i].quantity > QUANTITY_MAX)
            return false;
    }
    return !principal_is_nobody(&cart->principal) && time_is_valid(cart->created_wall_ms) &&
           time_is_valid(cart->changed_wall_ms);
}

bool codec_record_is_valid(const struct record *record)
{
    if (record->kind >= RECORD_KIND_COUNT || record->partition >= PARTITIONS_MAX ||
        !key_is_valid(record))
        return false;
    if (record->size < record_size((enum record_kind)record->kind, 0))
        return false;
    switch ((enum record_kind)record->kind) {
    case RECORD_PRODUCT:
        return product_is_valid(record);
    case RECORD_SKU:
        return text_is_name(record->sku.sku, sizeof(record->sku.sku)) &&
               record->sku.price_minor >= 0 && record->sku.weight_grams <= WEIGHT_GRAMS_MAX &&
               record->sku.archived <= 1 && sku_id_partition(record->subject) == record->partition;
    case RECORD_COUNTER:
        return record->counter.stock <= SKU_STOCK_MAX && record->counter.sold <= SKU_STOCK_MAX &&
               record->counter.ledger_sequence < CODEC_SEQUENCE_END &&
               sku_id_partition(record->subject) == record->partition;
    case RECORD_LIMIT:
        return record->limit.adopted <= 1;
    case RECORD_LEDGER:
        return ledger_is_valid(record);
    case RECORD_KEY:
        return key_record_is_valid(record);
    case RECORD_FLOOR:
        return record->floor.next_sequence < CODEC_SEQUENCE_END;
    case RECORD_HOLD:
        return hold_is_valid(record);
    case RECORD_ACCOUNT:
        return account_is_valid(record);
    case RECORD_ACCOUNT_KEY:
        return record->account_key.length >= 1 && record->account_key.length <= WRAPPED_KEY_MAX;
    case RECORD_EMAIL:
        return !principal_is_nobody(&record->email.account);
    case RECORD_ALIAS:
        return !principal_is_nobody(&record->alias.customer) &&
               time_is_valid(record->alias.ended_wall_ms);
    case RECORD_AUDIT:
        return audit_is_valid(&record->audit) && time_is_valid(record->audit.wall_ms);
    case RECORD_AUDIT_HEAD:
        return record->audit_head.sequence >= 1 && record->audit_head.sequence < CODEC_SEQUENCE_END;
    case RECORD_MAIL:
        return mail_is_valid(&record->mail);
    case RECORD_ORDER:
    case RECORD_ORDER_PAST:
    case RECORD_ORDER_BODY:
    case RECORD_ORDER_PERSON:
    case RECORD_ORDER_MAIL:
    case RECORD_ORDER_OF:
    case RECORD_CHECKOUT:
    case RECORD_EVENT_IN:
    case RECORD_EVENT_OUT:
        return codec_order_is_valid(record);
    case RECORD_COUPON:
        return coupon_is_valid(&record->coupon);
    case RECORD_COUPON_COUNT:
        return record->coupon_count.committed <= COUPON_USES_MAX;
    case RECORD_COUPON_USE:
        return coupon_use_is_valid(&record->coupon_use);
    case RECORD_COUPON_PAST:
        return coupon_use_is_valid(&record->coupon_past);
    case RECORD_SETTING:
        return setting_record_is_valid(record->subject, record->sequence, &record->setting);
    case RECORD_CURSOR:
        return record->cursor.sequence < CODEC_SEQUENCE_END;
    case RECORD_DELIVERY:
    case RECORD_DELIVERY_DEAD:
    case RECORD_DELIVERY_DONE:
        return delivery_is_valid(&record->delivery) &&
               record->delivery.state == record->kind - RECORD_DELIVERY;
    case RECORD_GUEST_OF:
        return !principal_is_nobody(&record->guest_of.guest) &&
               record->sequence == guest_of_sequence(&record->guest_of.guest);
    case RECORD_ERASURE:
        return !principal_is_nobody(&record->erasure.account) &&
               time_is_valid(record->erasure.wall_ms);
    case RECORD_CART:
        return cart_is_valid(record);
    case RECORD_KIND_COUNT:
        break;
    }
    return false;
}
