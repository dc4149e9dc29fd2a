/* SPDX-License-Identifier: Apache-2.0 */
/* Each kind of record from its fields. Numbers are held against their bounds as they are taken;
 * whether the whole is valid is codec_valid.c's to say. */
#include "codec_take.h"

#include <string.h>

#include "bytes.h"
#include "codec_account.h"
#include "codec_delivery.h"
#include "codec_fields.h"
#include "codec_order.h"
#include "codec_settings.h"

static inline int64_t take_time(struct taker *taker)
{
    return (int64_t)take_number(taker, CODEC_TIME_MS_END - 1);
}

static void take_text(struct taker *taker, char *text_out, size_t room)
{
    const struct field *field = taker->at++;

    if (field->type != FIELD_TEXT) {
        taker->error = CODEC_BAD_FORM;
    } else if (field->number >= room || memchr(field->bytes, '\0', field->number) != NULL) {
        taker->error = CODEC_BAD_RANGE;
    } else {
        memcpy(text_out, field->bytes, field->number);
    }
}

/* NULL unless it is exactly so long. */
static inline const char *take_bytes(struct taker *taker, uint64_t length)
{
    const struct field *field = taker->at++;

    if (field->type == FIELD_BYTES && field->number == length)
        return field->bytes;
    taker->error = CODEC_BAD_FORM;
    return NULL;
}

/* One way to write each record: a weight of 0 is left out. */
static uint32_t take_weight(struct taker *taker)
{
    uint32_t grams = (uint32_t)take_number(taker, WEIGHT_GRAMS_MAX);

    if (grams == 0 && taker->error == CODEC_OK)
        taker->error = CODEC_BAD_RANGE;
    return grams;
}

static void decode_product(struct taker *taker, struct record *record)
{
    struct product_record *product = &record->product;
    const struct field *document;

    take_text(taker, product->id, sizeof(product->id));
    take_text(taker, product->currency, sizeof(product->currency));
    product->limit_per_customer = (uint32_t)take_number(taker, UINT32_MAX);
    product->variant_count = (uint32_t)take_number(taker, PRODUCT_VARIANTS_MAX);
    product->updated_wall_ms = take_time(taker);
    product->status = (uint8_t)take_number(taker, PRODUCT_STATUS_COUNT - 1);
    document = taker->at;
    if (document->type != FIELD_BYTES || document->number > PRODUCT_DOCUMENT_BYTES_MAX) {
        taker->error = CODEC_BAD_FORM;
        return;
    }
    product->document_length = (uint32_t)document->number;
    uint32_t head = record_size(RECORD_PRODUCT, 0);
    record->size = (head + product->document_length + 7) & ~7u;
    uint8_t *tail = (uint8_t *)record + head;
    memset(tail, 0, record->size - head);
    memcpy(tail, document->bytes, product->document_length);
}

static void decode_ledger(struct taker *taker, struct ledger_record *ledger)
{
    ledger->entry = (uint8_t)take_number(taker, LEDGER_ENTRY_COUNT - 1);
    ledger->quantity = (uint32_t)take_number(taker, SKU_STOCK_MAX);
    ledger->hold_sequence = take_number(taker, CODEC_SEQUENCE_END - 1);
    ledger->wall_ms = take_time(taker);
    take_text(taker, ledger->reason, sizeof(ledger->reason));
}

static inline void take_hash(struct taker *taker, struct hash128 *hash)
{
    const char *bytes = take_bytes(taker, sizeof(*hash));

    if (bytes != NULL) {
        hash->word[0] = bytes_get((const uint8_t *)bytes, 8);
        hash->word[1] = bytes_get((const uint8_t *)bytes + 8, 8);
    }
}

static void decode_key_record(struct taker *taker, struct key_record *stored)
{
    take_hash(taker, &stored->key);
    stored->fingerprint = take_number(taker, UINT64_MAX);
    stored->wall_ms = take_time(taker);
    stored->stock = (uint32_t)take_number(taker, SKU_STOCK_MAX);
    stored->available = (uint32_t)take_number(taker, SKU_STOCK_MAX);
    stored->reserved = (uint32_t)take_number(taker, SKU_STOCK_MAX);
    stored->sold = (uint32_t)take_number(taker, SKU_STOCK_MAX);
}

/* When a hold ended: 0, or a time; never a time that says 0. */
static inline int64_t take_ended(struct taker *taker, int64_t created_wall_ms)
{
    uint64_t number = take_number(taker, CODEC_SPAN_END);

    if (number == 0)
        return 0;
    int64_t ended_wall_ms = created_wall_ms + codec_span_difference(number - 1);
    if (ended_wall_ms == 0 && taker->error == CODEC_OK)
        taker->error = CODEC_BAD_RANGE;
    return ended_wall_ms;
}

/* The key is decoded already. */
static inline void decode_hold(struct taker *taker, struct record *record)
{
    struct hold_record *hold = &record->hold;
    uint32_t own_skus = sku_id_make(record->partition, 0);
    const uint8_t *run = (const uint8_t *)take_bytes(taker, CODEC_HOLD_RUN_BYTES);

    if (run != NULL) {
        hold->key.word[0] = bytes_get(run, 8);
        hold->key.word[1] = bytes_get(run + 8, 8);
        hold->fingerprint = bytes_get(run + 16, 8);
        memcpy(hold->principal.bytes, run + 24, sizeof(hold->principal.bytes));
        hold->created_wall_ms = (int64_t)bytes_get(run + 40, 6);
    }
    hold->ttl_ms = (uint32_t)take_number(taker, HOLD_TTL_MS_MAX);
    hold->deadline_wall_ms = hold->created_wall_ms + hold->ttl_ms +
                             codec_span_difference(take_number(taker, CODEC_SPAN_END - 1));
    hold->ended_wall_ms = take_ended(taker, hold->created_wall_ms);
    hold->owner_partition = (uint32_t)take_number(taker, UINT32_MAX) ^ record->partition;
    hold->owner_sequence = take_number(taker, UINT64_MAX) ^ record->sequence;
    uint64_t state = take_number(taker, CODEC_ADOPTED + HOLD_STATE_COUNT - 1);
    hold->adopted = state >= CODEC_ADOPTED;
    hold->state = (uint8_t)(state % CODEC_ADOPTED);
    hold->extensions = (uint8_t)take_number(taker, UINT8_MAX);
    for (unsigned i = 0; i < HOLD_EXTENSIONS_MAX; i++)
        hold->extend_keys[i] = take_number(taker, UINT64_MAX);
    hold->order = take_number(taker, UINT64_MAX);
    for (unsigned i = 0; i < hold->line_count; i++) {
        hold->lines[i].sku_id = (uint32_t)take_number(taker, UINT32_MAX) ^ own_skus;
        hold->lines[i].quantity = (uint32_t)take_number(taker, CODEC_LINE_QUANTITY_MAX);
    }
}

static void decode_account(struct taker *taker, struct account_record *account)
{
    const struct field *field = taker->at++;

    if (field->type != FIELD_BYTES)
        taker->error = CODEC_BAD_FORM;
    else if (!codec_account_unpack((const uint8_t *)field->bytes, field->number, account))
        taker->error = CODEC_BAD_RANGE;
}

/* A body's text goes behind the struct: its size grows with it. */
static void decode_order(struct taker *taker, struct record *record)
{
    const struct field *field = taker->at++;

    if (field->type != FIELD_BYTES)
        taker->error = CODEC_BAD_FORM;
    else if (!codec_order_unpack((const uint8_t *)field->bytes, field->number, record,
                                 CODEC_RECORD_BYTES_MAX - record->size))
        taker->error = CODEC_BAD_RANGE;
    else if (record->kind == RECORD_ORDER_BODY) {
        uint32_t end = record->size + record->order_body.text_length;

        record->size = (end + 7) & ~7u;
        memset((char *)record + end, 0, record->size - end);
    }
}

/* As many bytes as there are, up to `longest`; how many. */
static uint32_t take_some(struct taker *taker, uint8_t *bytes_out, uint32_t longest)
{
    const struct field *field = taker->at++;

    if (field->type != FIELD_BYTES || field->number > longest) {
        taker->error = CODEC_BAD_FORM;
        return 0;
    }
    memcpy(bytes_out, field->bytes, field->number);
    return (uint32_t)field->number;
}

static void take_exactly(struct taker *taker, uint8_t *bytes_out, uint32_t length)
{
    const char *bytes = take_bytes(taker, length);

    if (bytes != NULL)
        memcpy(bytes_out, bytes, length);
}

static void decode_mail(struct taker *taker, struct mail_record *mail)
{
    mail->state = (uint8_t)take_number(taker, MAIL_DEAD);
    mail->template = (uint8_t)take_number(taker, UINT8_MAX);
    mail->attempts = (uint8_t)take_number(taker, UINT8_MAX);
    mail->created_wall_ms = take_time(taker);
    mail->next_wall_ms = take_time(taker);
    take_text(taker, mail->reason, sizeof(mail->reason));
    mail->sealed_length = (uint16_t)take_some(taker, mail->sealed, SEALED_MAIL_MAX);
}

/* Only what this program writes is valid: labels are the names' (coupon_definition_is_valid). */
static void decode_coupon(struct taker *taker, struct coupon_record *coupon)
{
    struct coupon_definition *definition = &coupon->definition;
    struct pricing_coupon *rule = &definition->rule;
    uint64_t flags;

    take_text(taker, definition->code, sizeof(definition->code));
    take_text(taker, rule->currency, sizeof(rule->currency));
    rule->kind = (uint8_t)take_number(taker, COUPON_KIND_COUNT - 1);
    flags = take_number(taker, 7);
    rule->stackable = flags & 1;
    definition->is_disabled = (flags & 2) != 0;
    coupon->is_deleted = (flags & 4) != 0;
    rule->percent_bp = (uint32_t)take_number(taker, UINT32_MAX);
    rule->buy = (uint32_t)take_number(taker, UINT32_MAX);
    rule->get = (uint32_t)take_number(taker, UINT32_MAX);
    rule->amount_minor = (int64_t)take_number(taker, INT64_MAX);
    rule->min_subtotal_minor = (int64_t)take_number(taker, INT64_MAX);
    rule->category_count = (uint8_t)take_number(taker, COUPON_SCOPE_MAX);
    rule->product_count = (uint8_t)take_number(taker, COUPON_SCOPE_MAX);
    definition->max_uses = (uint32_t)take_number(taker, COUPON_USES_MAX);
    definition->max_uses_per_customer = (uint32_t)take_number(taker, COUPON_USES_MAX);
    definition->starts_wall_ms = take_time(taker);
    definition->ends_wall_ms = take_time(taker);
    coupon->version = take_number(taker, UINT64_MAX);
    coupon->created_wall_ms = take_time(taker);
    coupon->updated_wall_ms = take_time(taker);
    coupon->names.length = (uint16_t)take_some(taker, coupon->names.bytes, COUPON_NAMES_BYTES_MAX);
    if (taker->error == CODEC_OK && !coupon_label_scope(rule, &coupon->names))
        taker->error = CODEC_BAD_RANGE;
}

static void decode_coupon_use(struct taker *taker, struct coupon_use_record *use)
{
    take_exactly(taker, use->principal.bytes, sizeof(use->principal.bytes));
    use->order_created_wall_ms = take_time(taker);
    use->held_wall_ms = take_time(taker);
    use->committed_wall_ms = take_time(taker);
    use->version = take_number(taker, UINT64_MAX);
    use->is_counted = (uint8_t)take_number(taker, 1);
}

/* So many lines as there are fields for. */
static void decode_cart(struct taker *taker, struct cart_record *cart)
{
    struct cart_content *content = &cart->content;

    take_exactly(taker, cart->principal.bytes, sizeof(cart->principal.bytes));
    cart->created_wall_ms = take_time(taker);
    cart->changed_wall_ms =
        cart->created_wall_ms + codec_span_difference(take_number(taker, CODEC_SPAN_END - 1));
    cart->by_customer = (uint8_t)take_number(taker, 1);
    if (take_number(taker, CART_LINES_MAX) != content->line_count && taker->error == CODEC_OK)
        taker->error = CODEC_BAD_FORM;
    content->coupon_length =
        (uint8_t)take_some(taker, (uint8_t *)content->coupon, sizeof(content->coupon));
    take_exactly(taker, (uint8_t *)content->currency, sizeof(content->currency));
    for (unsigned i = 0; i < CART_ORDERS_MAX; i++)
        cart->orders[i] = take_number(taker, UINT64_MAX);
    for (unsigned i = 0; i < CART_MERGED_MAX; i++)
        cart->merged[i] = take_number(taker, UINT64_MAX);
    for (unsigned i = 0; i < content->line_count; i++) {
        uint32_t sku_id = (uint32_t)take_number(taker, UINT32_MAX);
        uint32_t quantity = (uint32_t)take_number(taker, QUANTITY_MAX);
        uint64_t price_minor = take_number(taker, CART_PRICE_MINOR_MAX);

        content->lines[i] = cart_line_make(sku_id, quantity, (int64_t)price_minor);
    }
}

static void decode_audit(struct taker *taker, struct audit_record *entry)
{
    uint8_t packed[AUDIT_PACKED_BYTES_MAX];
    uint32_t length = take_some(taker, packed, sizeof(packed));

    if (taker->error == CODEC_OK && !audit_unpack(packed, length, entry))
        taker->error = CODEC_BAD_RANGE;
    take_exactly(taker, entry->hash, AUDIT_HASH_BYTES);
}

/* The key is decoded already. */
static void decode_setting(struct taker *taker, struct record *record)
{
    const struct field *field = taker->at++;

    if (field->type != FIELD_BYTES)
        taker->error = CODEC_BAD_FORM;
    else if (!codec_setting_unpack(record->subject, record->sequence, (const uint8_t *)field->bytes,
                                   field->number, &record->setting))
        taker->error = CODEC_BAD_RANGE;
}

static void decode_delivery(struct taker *taker, struct record *record)
{
    const struct field *field = taker->at++;

    if (field->type != FIELD_BYTES)
        taker->error = CODEC_BAD_FORM;
    else if (!codec_delivery_unpack((const uint8_t *)field->bytes, field->number,
                                    &record->delivery))
        taker->error = CODEC_BAD_RANGE;
}

void codec_take_record(struct taker *taker, struct record *record)
{
    switch ((enum record_kind)record->kind) {
    case RECORD_PRODUCT:
        decode_product(taker, record);
        break;
    case RECORD_SKU:
        take_text(taker, record->sku.sku, sizeof(record->sku.sku));
        record->sku.product_number = (uint32_t)take_number(taker, UINT32_MAX);
        record->sku.price_minor = (int64_t)take_number(taker, INT64_MAX);
        record->sku.archived = (uint8_t)take_number(taker, 1);
        if (taker->has_weight)
            record->sku.weight_grams = take_weight(taker);
        break;
    case RECORD_COUNTER:
        record->counter.stock = (uint32_t)take_number(taker, SKU_STOCK_MAX);
        record->counter.sold = (uint32_t)take_number(taker, SKU_STOCK_MAX);
        record->counter.ledger_sequence = take_number(taker, CODEC_SEQUENCE_END - 1);
        break;
    case RECORD_LIMIT:
        record->limit.sold = (uint32_t)take_number(taker, UINT32_MAX);
        record->limit.adopted = (uint8_t)take_number(taker, 1);
        break;
    case RECORD_LEDGER:
        decode_ledger(taker, &record->ledger);
        break;
    case RECORD_KEY:
        decode_key_record(taker, &record->key);
        break;
    case RECORD_FLOOR:
        record->floor.next_sequence = take_number(taker, CODEC_SEQUENCE_END - 1);
        break;
    case RECORD_HOLD:
        decode_hold(taker, record);
        break;
    case RECORD_ACCOUNT:
        decode_account(taker, &record->account);
        break;
    case RECORD_ACCOUNT_KEY:
        record->account_key.length =
            (uint8_t)take_some(taker, record->account_key.bytes, WRAPPED_KEY_MAX);
        break;
    case RECORD_EMAIL:
        take_exactly(taker, record->email.index, EMAIL_INDEX_BYTES);
        take_exactly(taker, record->email.account.bytes, sizeof(record->email.account.bytes));
        break;
    case RECORD_ALIAS:
        take_exactly(taker, record->alias.guest.bytes, sizeof(record->alias.guest.bytes));
        take_exactly(taker, record->alias.customer.bytes, sizeof(record->alias.customer.bytes));
        record->alias.ended_wall_ms = take_time(taker);
        break;
    case RECORD_MAIL:
        decode_mail(taker, &record->mail);
        break;
    case RECORD_COUPON:
        decode_coupon(taker, &record->coupon);
        break;
    case RECORD_COUPON_COUNT:
        record->coupon_count.committed = (uint32_t)take_number(taker, COUPON_USES_MAX);
        break;
    case RECORD_COUPON_USE:
        decode_coupon_use(taker, &record->coupon_use);
        break;
    case RECORD_COUPON_PAST:
        decode_coupon_use(taker, &record->coupon_past);
        break;
    case RECORD_CART:
        decode_cart(taker, &record->cart);
        break;
    case RECORD_AUDIT:
        decode_audit(taker, &record->audit);
        break;
    case RECORD_AUDIT_HEAD:
        record->audit_head.sequence = take_number(taker, CODEC_SEQUENCE_END - 1);
        take_exactly(taker, record->audit_head.hash, AUDIT_HASH_BYTES);
        take_exactly(taker, record->audit_head.mac, AUDIT_MAC_BYTES);
        break;
    case RECORD_ORDER:
    case RECORD_ORDER_PAST:
    case RECORD_ORDER_BODY:
    case RECORD_ORDER_PERSON:
    case RECORD_ORDER_MAIL:
    case RECORD_ORDER_OF:
    case RECORD_CHECKOUT:
    case RECORD_EVENT_IN:
    case RECORD_EVENT_OUT:
        decode_order(taker, record);
        break;
    case RECORD_SETTING:
        decode_setting(taker, record);
        break;
    case RECORD_CURSOR:
        record->cursor.sequence = take_number(taker, CODEC_SEQUENCE_END - 1);
        break;
    case RECORD_DELIVERY:
    case RECORD_DELIVERY_DEAD:
    case RECORD_DELIVERY_DONE:
        decode_delivery(taker, record);
        break;
    case RECORD_GUEST_OF:
        take_exactly(taker, record->guest_of.guest.bytes, sizeof(record->guest_of.guest.bytes));
        break;
    case RECORD_ERASURE:
        take_exactly(taker, record->erasure.account.bytes, sizeof(record->erasure.account.bytes));
        record->erasure.wall_ms = take_time(taker);
        break;
    case RECORD_KIND_COUNT:
        taker->error = CODEC_BAD_FORM;
        break;
    }
}
