/* SPDX-License-Identifier: Apache-2.0 */
/* Valid records of every kind, as different as can be, for the codec's tests. */
#ifndef STAMPEDE_RANDOM_RECORD_H
#define STAMPEDE_RANDOM_RECORD_H

#include "codec.h"
#include "random_account.h"
#include "random_coupon.h"
#include "random_delivery.h"
#include "random_order.h"
#include "random_setting.h"
#include "test_storage_support.h"

static inline void random_text(uint64_t *seed, char *text, size_t length_max)
{
    static const char alphabet[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                   "0123456789._-/:";
    size_t length = 1 + test_random(seed) % length_max;

    for (size_t i = 0; i < length; i++)
        text[i] = alphabet[test_random(seed) % (sizeof(alphabet) - 1)];
}

/* A number of random width, so that every msgpack width occurs; below `end`. */
static inline uint64_t random_number(uint64_t *seed, uint64_t end)
{
    return (test_random(seed) >> test_random(seed) % 64) % end;
}

static inline void random_hold(uint64_t *seed, struct record *record)
{
    struct hold_record *hold = &record->hold;

    hold->line_count = (uint8_t)(1 + test_random(seed) % RESERVATION_LINES_MAX);
    record->size = record_size(RECORD_HOLD, hold->line_count);
    record->sequence = 1 + random_number(seed, (1ULL << 40) - 1);
    hold->key.word[0] = test_random(seed);
    hold->key.word[1] = test_random(seed);
    hold->fingerprint = random_number(seed, UINT64_MAX);
    for (unsigned i = 0; i < 16; i++)
        hold->principal.bytes[i] = (uint8_t)test_random(seed);
    hold->created_wall_ms = (int64_t)random_number(seed, 1ULL << 44);
    hold->deadline_wall_ms = (int64_t)random_number(seed, 1ULL << 44);
    hold->ended_wall_ms = (int64_t)random_number(seed, 1ULL << 44);
    hold->ttl_ms = (uint32_t)random_number(seed, HOLD_TTL_MS_MAX + 1);
    hold->owner_partition = (uint32_t)random_number(seed, PARTITIONS_MAX);
    hold->owner_sequence = 1 + random_number(seed, (1ULL << 40) - 1);
    hold->state = (uint8_t)(test_random(seed) % HOLD_STATE_COUNT);
    hold->extensions = (uint8_t)test_random(seed);
    hold->adopted = (uint8_t)(test_random(seed) % 2);
    for (unsigned i = 0; i < HOLD_EXTENSIONS_MAX; i++)
        hold->extend_keys[i] = random_number(seed, UINT64_MAX);
    for (unsigned i = 0; i < hold->line_count; i++)
        hold->lines[i] = (struct line){.sku_id = (uint32_t)random_number(seed, 1ULL << 32),
                                       .quantity = 1 + (uint32_t)random_number(seed, QUANTITY_MAX)};
}

static inline void random_product(uint64_t *seed, struct record *record)
{
    struct product_record *product = &record->product;
    uint32_t length = (uint32_t)random_number(seed, PRODUCT_DOCUMENT_BYTES_MAX + 1);

    record->subject = (uint32_t)random_number(seed, 1ULL << 32);
    random_text(seed, product->id, PRODUCT_ID_LENGTH_MAX);
    memcpy(product->currency, "JPY", 4);
    product->limit_per_customer = (uint32_t)random_number(seed, 1ULL << 32);
    product->variant_count = (uint32_t)random_number(seed, PRODUCT_VARIANTS_MAX + 1);
    product->updated_wall_ms = (int64_t)random_number(seed, 1ULL << 44);
    product->status = (uint8_t)(test_random(seed) % PRODUCT_STATUS_COUNT);
    product->document_length = length;
    record->size = (record_size(RECORD_PRODUCT, 0) + length + 7) & ~7u;
    for (uint32_t i = 0; i < length; i++)
        ((uint8_t *)record)[record_size(RECORD_PRODUCT, 0) + i] = (uint8_t)test_random(seed);
}

static inline void random_value(uint64_t *seed, struct audit_value *value)
{
    static const uint8_t lengths[AUDIT_VALUE_COUNT] = {0, 8, 0, AUDIT_HASH_BYTES};

    value->kind = (uint8_t)(test_random(seed) % AUDIT_VALUE_COUNT);
    value->length = lengths[value->kind];
    if (value->kind == AUDIT_VALUE_WORD)
        value->length = (uint8_t)(1 + test_random(seed) % AUDIT_VALUE_BYTES_MAX);
    random_bytes(test_random, seed, value->bytes, value->length);
}

static inline void random_entry(uint64_t *seed, struct record *record)
{
    static const uint8_t lengths[AUDIT_SUBJECT_COUNT] = {
        0, 4, 16, 16, [AUDIT_OF_ORDER] = 16, [AUDIT_OF_DELIVERY] = 24};
    struct audit_record *entry = &record->audit;
    char name[PRODUCT_ID_LENGTH_MAX + 1] = "";

    record->sequence = 1 + random_number(seed, (1ULL << 40) - 1);
    entry->wall_ms = (int64_t)random_number(seed, 1ULL << 44);
    random_bytes(test_random, seed, &entry->origin, sizeof(entry->origin));
    entry->origin.caller = (uint8_t)(test_random(seed) % AUDIT_CALLER_COUNT);
    entry->act = (uint8_t)(test_random(seed) % AUDIT_ACT_COUNT);
    entry->subject = (uint8_t)(test_random(seed) % AUDIT_SUBJECT_COUNT);
    entry->name_length = lengths[entry->subject];
    random_bytes(test_random, seed, entry->name, entry->name_length);
    if (entry->subject == AUDIT_OF_PRODUCT || entry->subject == AUDIT_OF_SETTING) {
        random_text(seed, name, PRODUCT_ID_LENGTH_MAX);
        entry->name_length = (uint8_t)strlen(name);
        memcpy(entry->name, name, entry->name_length);
    }
    if (entry->subject == AUDIT_OF_COUPON) {
        entry->name_length = 4;
        memcpy(entry->name, "A_-9", 4);
    }
    random_value(seed, &entry->before);
    random_value(seed, &entry->after);
    random_bytes(test_random, seed, entry->hash, AUDIT_HASH_BYTES);
}

static inline void random_cart(uint64_t *seed, struct record *record)
{
    struct cart_record *cart = &record->cart;
    struct cart_content *content = &cart->content;

    content->line_count = (uint8_t)(test_random(seed) % (CART_LINES_MAX + 1));
    record->size = record_size(RECORD_CART, content->line_count);
    record->subject = (uint32_t)random_number(seed, 1ULL << 32);
    record->sequence = random_number(seed, 1ULL << 40);
    random_bytes(test_random, seed, cart->principal.bytes, sizeof(cart->principal.bytes));
    cart->created_wall_ms = (int64_t)random_number(seed, 1ULL << 44);
    cart->changed_wall_ms = (int64_t)random_number(seed, 1ULL << 44);
    cart->by_customer = (uint8_t)(test_random(seed) % 2);
    for (unsigned i = 0; i < CART_ORDERS_MAX; i++)
        cart->orders[i] = random_number(seed, UINT64_MAX);
    for (unsigned i = 0; i < CART_MERGED_MAX; i++)
        cart->merged[i] = random_number(seed, UINT64_MAX);
    content->coupon_length = (uint8_t)(test_random(seed) % (COUPON_CODE_MAX + 1));
    random_bytes(test_random, seed, content->coupon, content->coupon_length);
    memcpy(content->currency, "KWD", 4);
    for (unsigned i = 0; i < content->line_count; i++) {
        uint32_t sku_id = (uint32_t)random_number(seed, 1ULL << 32);
        uint32_t quantity = 1 + (uint32_t)random_number(seed, QUANTITY_MAX);

        content->lines[i] =
            cart_line_make(sku_id, quantity, (int64_t)random_number(seed, 1ULL << 48));
    }
}

static inline void random_rest(uint64_t *seed, struct record *record)
{
    switch ((enum record_kind)record->kind) {
    case RECORD_SKU:
        random_text(seed, record->sku.sku, SKU_LENGTH_MAX);
        record->sku.product_number = (uint32_t)random_number(seed, 1ULL << 32);
        record->sku.price_minor = (int64_t)random_number(seed, 1ULL << 63);
        if (test_random(seed) % 2 == 0)
            record->sku.weight_grams = (uint32_t)random_number(seed, WEIGHT_GRAMS_MAX + 1ULL);
        record->sku.archived = (uint8_t)(test_random(seed) % 2);
        break;
    case RECORD_COUNTER:
        record->counter.stock = (uint32_t)random_number(seed, SKU_STOCK_MAX + 1ULL);
        record->counter.sold = (uint32_t)random_number(seed, SKU_STOCK_MAX + 1ULL);
        record->counter.ledger_sequence = random_number(seed, 1ULL << 40);
        break;
    case RECORD_LIMIT:
        record->subject = (uint32_t)random_number(seed, 1ULL << 32);
        for (unsigned i = 0; i < 16; i++)
            record->limit.principal.bytes[i] = (uint8_t)test_random(seed);
        record->limit.sold = (uint32_t)random_number(seed, 1ULL << 32);
        record->limit.adopted = (uint8_t)(test_random(seed) % 2);
        break;
    case RECORD_LEDGER:
        record->sequence = 1 + random_number(seed, (1ULL << 40) - 1);
        record->ledger.entry = (uint8_t)(test_random(seed) % LEDGER_ENTRY_COUNT);
        record->ledger.quantity = 1 + (uint32_t)random_number(seed, SKU_STOCK_MAX);
        record->ledger.hold_sequence = random_number(seed, 1ULL << 40);
        record->ledger.wall_ms = (int64_t)random_number(seed, 1ULL << 44);
        random_text(seed, record->ledger.reason, REASON_LENGTH_MAX);
        break;
    case RECORD_FLOOR:
        record->floor.next_sequence = random_number(seed, 1ULL << 40);
        break;
    case RECORD_KEY:
        record->sequence = 1 + random_number(seed, (1ULL << 40) - 1);
        record->key.key.word[0] = test_random(seed);
        record->key.key.word[1] = test_random(seed);
        record->key.fingerprint = random_number(seed, UINT64_MAX);
        record->key.wall_ms = (int64_t)random_number(seed, 1ULL << 44);
        record->key.stock = (uint32_t)random_number(seed, SKU_STOCK_MAX + 1ULL);
        record->key.available = (uint32_t)random_number(seed, record->key.stock + 1ULL);
        record->key.reserved = (uint32_t)random_number(seed, record->key.stock + 1ULL);
        record->key.sold = (uint32_t)random_number(seed, record->key.stock + 1ULL);
        break;
    case RECORD_ACCOUNT:
    case RECORD_ACCOUNT_KEY:
    case RECORD_EMAIL:
    case RECORD_ALIAS:
    case RECORD_MAIL:
        random_account_record(test_random, seed, record);
        break;
    case RECORD_COUPON:
    case RECORD_COUPON_COUNT:
    case RECORD_COUPON_USE:
    case RECORD_COUPON_PAST:
        random_coupon_record(test_random, seed, record);
        break;
    case RECORD_CART:
        random_cart(seed, record);
        break;
    case RECORD_AUDIT:
        random_entry(seed, record);
        break;
    case RECORD_AUDIT_HEAD:
        record->audit_head.sequence = 1 + random_number(seed, (1ULL << 40) - 1);
        random_bytes(test_random, seed, record->audit_head.hash, AUDIT_HASH_BYTES);
        random_bytes(test_random, seed, record->audit_head.mac, AUDIT_MAC_BYTES);
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
        random_order_record(test_random, seed, record);
        break;
    case RECORD_SETTING:
        random_setting_record(test_random, seed, record);
        break;
    case RECORD_CURSOR:
        record->subject = (uint32_t)random_number(seed, EVENT_CONSUMER_COUNT);
        record->cursor.sequence = random_number(seed, 1ULL << 40);
        break;
    case RECORD_DELIVERY:
    case RECORD_DELIVERY_DEAD:
    case RECORD_DELIVERY_DONE:
        random_delivery_record(test_random, seed, record);
        break;
    case RECORD_GUEST_OF:
        random_bytes(test_random, seed, record->guest_of.guest.bytes, 16);
        record->subject = 1 + (uint32_t)random_number(seed, UINT32_MAX - 1);
        record->sequence = guest_of_sequence(&record->guest_of.guest);
        break;
    case RECORD_ERASURE:
        random_bytes(test_random, seed, record->erasure.account.bytes, 16);
        record->erasure.wall_ms = random_time(test_random, seed);
        record->subject = 1 + (uint32_t)random_number(seed, UINT32_MAX - 1);
        record->sequence = 0;
        break;
    case RECORD_PRODUCT:
    case RECORD_HOLD:
    case RECORD_KIND_COUNT:
        break;
    }
}

/* Any kind; `record` has room for CODEC_RECORD_BYTES_MAX. */
static inline void random_record_of(uint64_t *seed, enum record_kind kind, struct record *record)
{
    memset(record, 0, CODEC_RECORD_BYTES_MAX);
    record->kind = (uint8_t)kind;
    record->partition = (uint16_t)(test_random(seed) % PARTITIONS_MAX);
    record->size = record_size(kind, 0);
    if (kind == RECORD_SKU || kind == RECORD_COUNTER || kind == RECORD_LEDGER || kind == RECORD_KEY)
        record->subject =
            sku_id_make(record->partition, (uint32_t)test_random(seed) % SKUS_PER_PARTITION_MAX);
    if (kind == RECORD_HOLD)
        random_hold(seed, record);
    else if (kind == RECORD_PRODUCT)
        random_product(seed, record);
    else
        random_rest(seed, record);
}

#endif
