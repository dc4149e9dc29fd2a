/* SPDX-License-Identifier: Apache-2.0 */
/* Keys and encoding; codec_decode.c reads it back. The two are the only files that
 * include msgpack-c. Its packer template is instantiated over a plain cursor: through the packer's
 * callback encoding costs three times as much. */
#include "codec.h"

#include <assert.h>
#include <string.h>

#include "bytes.h"
#include "codec_account.h"
#include "codec_delivery.h"
#include "codec_fields.h"
#include "codec_order.h"
#include "codec_settings.h"
#include "crc32c.h"
#include "hints.h"

const char *codec_error_text(enum codec_error error)
{
    switch (error) {
    case CODEC_OK:
        return "ok";
    case CODEC_BAD_KEY:
        return "its key is malformed";
    case CODEC_BAD_CHECKSUM:
        return "its checksum does not match";
    case CODEC_BAD_VERSION:
        return "it has a version that this program does not know";
    case CODEC_BAD_FORM:
        return "its fields are not those of its kind";
    case CODEC_BAD_RANGE:
        return "a field has an impossible value";
    }
    return "unknown error";
}

const char *codec_kind_name(enum record_kind kind)
{
    static const char *const names[RECORD_KIND_COUNT] = {
#define X(name, member) [RECORD_##name] = #member,
        RECORD_KINDS(X)
#undef X
    };

    assert((unsigned)kind < RECORD_KIND_COUNT);
    return names[kind];
}

/* ---- keys ---- */

void codec_encode_key_prefix(uint32_t partition, uint32_t subject, uint64_t sequence,
                             uint8_t key_out[CODEC_KEY_BYTES])
{
    uint8_t *at = key_out;

    assert(partition <= UINT16_MAX);
    at = bytes_put(at, partition, 2);
    at = bytes_put(at, subject, 4);
    at = bytes_put(at, sequence, 8);
    assert(at == key_out + CODEC_KEY_BYTES);
}

size_t codec_encode_key(const struct record *record, uint8_t key_out[CODEC_KEY_BYTES_MAX])
{
    codec_encode_key_prefix(record->partition, record->subject, record->sequence, key_out);
    if (!RECORD_HAS_PRINCIPAL(record->kind))
        return CODEC_KEY_BYTES;
    memcpy(key_out + CODEC_KEY_BYTES,
           record->kind == RECORD_LIMIT ? record->limit.principal.bytes
                                        : record->coupon_count.principal.bytes,
           sizeof(record->limit.principal.bytes));
    return CODEC_KEY_BYTES_MAX;
}

/* ---- values ---- */

struct writer {
    uint8_t *at;
    uint8_t *end;
};

static inline int writer_append(struct writer *writer, const void *bytes, size_t length)
{
    assert(length <= (size_t)(writer->end - writer->at));
    memcpy(writer->at, bytes, length);
    writer->at += length;
    return 0;
}

#define msgpack_pack_inline_func(name)        static inline int pack##name
#define msgpack_pack_inline_func_cint(name)   static inline int pack##name
#define msgpack_pack_inline_func_fixint(name) static inline int pack_fixed##name
#define msgpack_pack_user                     struct writer *
/* The template's contract: it returns from the function that it stands in. */
#define msgpack_pack_append_buffer(writer, bytes, length)                                          \
    return writer_append(writer, bytes, length)
#include <msgpack/pack_define.h>
#include <msgpack/timestamp.h>

#include <msgpack/pack_template.h>

/* Most numbers are small; the template's way to one of them is long. */
static inline void write_number(struct writer *writer, uint64_t number)
{
    if (number < 0x80)
        pack_uint8(writer, (uint8_t)number);
    else
        pack_uint64(writer, number);
}

static inline void write_text(struct writer *writer, const char *text)
{
    size_t length = strlen(text);

    pack_str(writer, length);
    writer_append(writer, text, length);
}

static inline void write_bytes(struct writer *writer, const void *bytes, size_t length)
{
    pack_bin(writer, length);
    writer_append(writer, bytes, length);
}

/* Opens the array: version, `fields`, and the checksum that value_end appends. */
static inline void value_begin(struct writer *writer, uint32_t fields)
{
    pack_array(writer, fields + 2);
    pack_uint8(writer, CODEC_VERSION);
}

static inline size_t value_end(struct writer *writer, const uint8_t *value, uint32_t seed)
{
    size_t length = (size_t)(writer->at - value);

    pack_fixed_uint32(writer, crc32c(seed, value, length));
    return length + CODEC_CHECKSUM_BYTES;
}

static void encode_product(struct writer *writer, const struct record *record)
{
    const struct product_record *product = &record->product;

    write_text(writer, product->id);
    write_text(writer, product->currency);
    pack_uint32(writer, product->limit_per_customer);
    pack_uint32(writer, product->variant_count);
    pack_uint64(writer, (uint64_t)product->updated_wall_ms);
    pack_uint8(writer, product->status);
    write_bytes(writer, record_document(record), product->document_length);
}

static void encode_ledger(struct writer *writer, const struct ledger_record *ledger)
{
    pack_uint8(writer, ledger->entry);
    pack_uint32(writer, ledger->quantity);
    pack_uint64(writer, ledger->hold_sequence);
    pack_uint64(writer, (uint64_t)ledger->wall_ms);
    write_text(writer, ledger->reason);
}

static inline void pack_hash(struct writer *writer, const struct hash128 *hash)
{
    uint8_t bytes[16];

    bytes_put(bytes, hash->word[0], 8);
    bytes_put(bytes + 8, hash->word[1], 8);
    write_bytes(writer, bytes, sizeof(bytes));
}

static void encode_key_record(struct writer *writer, const struct key_record *stored)
{
    pack_hash(writer, &stored->key);
    pack_uint64(writer, stored->fingerprint);
    pack_uint64(writer, (uint64_t)stored->wall_ms);
    pack_uint32(writer, stored->stock);
    pack_uint32(writer, stored->available);
    pack_uint32(writer, stored->reserved);
    pack_uint32(writer, stored->sold);
}

static inline void encode_hold(struct writer *writer, const struct record *record)
{
    const struct hold_record *hold = &record->hold;
    uint32_t own_skus = sku_id_make(record->partition, 0);
    uint8_t run[CODEC_HOLD_RUN_BYTES];
    uint8_t *at = run;

    at = bytes_put(at, hold->key.word[0], 8);
    at = bytes_put(at, hold->key.word[1], 8);
    at = bytes_put(at, hold->fingerprint, 8);
    memcpy(at, hold->principal.bytes, sizeof(hold->principal.bytes));
    at = bytes_put(at + sizeof(hold->principal.bytes), (uint64_t)hold->created_wall_ms, 6);
    assert(at == run + sizeof(run));
    write_bytes(writer, run, sizeof(run));
    pack_uint32(writer, hold->ttl_ms);
    write_number(writer, codec_span(hold->deadline_wall_ms - hold->created_wall_ms - hold->ttl_ms));
    write_number(writer, hold->ended_wall_ms == 0
                             ? 0
                             : 1 + codec_span(hold->ended_wall_ms - hold->created_wall_ms));
    write_number(writer, hold->owner_partition ^ record->partition);
    write_number(writer, hold->owner_sequence ^ record->sequence);
    write_number(writer, hold->state + (hold->adopted ? CODEC_ADOPTED : 0u));
    write_number(writer, hold->extensions);
    for (unsigned i = 0; i < HOLD_EXTENSIONS_MAX; i++)
        write_number(writer, hold->extend_keys[i]);
    write_number(writer, hold->order);
    for (unsigned i = 0; i < hold->line_count; i++) {
        write_number(writer, hold->lines[i].sku_id ^ own_skus);
        write_number(writer, hold->lines[i].quantity);
    }
}

static void encode_account(struct writer *writer, const struct account_record *account)
{
    UNINITIALIZED uint8_t packed[CODEC_ACCOUNT_BYTES_MAX];

    write_bytes(writer, packed, codec_account_pack(account, packed, sizeof(packed)));
}

static void encode_mail(struct writer *writer, const struct mail_record *mail)
{
    pack_uint8(writer, mail->state);
    pack_uint8(writer, mail->template);
    pack_uint8(writer, mail->attempts);
    pack_uint64(writer, (uint64_t)mail->created_wall_ms);
    pack_uint64(writer, (uint64_t)mail->next_wall_ms);
    write_text(writer, mail->reason);
    write_bytes(writer, mail->sealed, mail->sealed_length);
}

static void encode_coupon(struct writer *writer, const struct coupon_record *coupon)
{
    const struct coupon_definition *definition = &coupon->definition;
    const struct pricing_coupon *rule = &definition->rule;

    write_text(writer, definition->code);
    write_text(writer, rule->currency);
    write_number(writer, rule->kind);
    write_number(writer, (uint64_t)rule->stackable | (uint64_t)definition->is_disabled << 1 |
                             (uint64_t)coupon->is_deleted << 2);
    pack_uint32(writer, rule->percent_bp);
    pack_uint32(writer, rule->buy);
    pack_uint32(writer, rule->get);
    pack_uint64(writer, (uint64_t)rule->amount_minor);
    pack_uint64(writer, (uint64_t)rule->min_subtotal_minor);
    write_number(writer, rule->category_count);
    write_number(writer, rule->product_count);
    pack_uint32(writer, definition->max_uses);
    pack_uint32(writer, definition->max_uses_per_customer);
    pack_uint64(writer, (uint64_t)definition->starts_wall_ms);
    pack_uint64(writer, (uint64_t)definition->ends_wall_ms);
    pack_uint64(writer, coupon->version);
    pack_uint64(writer, (uint64_t)coupon->created_wall_ms);
    pack_uint64(writer, (uint64_t)coupon->updated_wall_ms);
    write_bytes(writer, coupon->names.bytes, coupon->names.length);
}

static void encode_coupon_use(struct writer *writer, const struct coupon_use_record *use)
{
    write_bytes(writer, use->principal.bytes, sizeof(use->principal.bytes));
    pack_uint64(writer, (uint64_t)use->order_created_wall_ms);
    pack_uint64(writer, (uint64_t)use->held_wall_ms);
    pack_uint64(writer, (uint64_t)use->committed_wall_ms);
    pack_uint64(writer, use->version);
    write_number(writer, use->is_counted);
}

static void encode_cart(struct writer *writer, const struct cart_record *cart)
{
    write_bytes(writer, cart->principal.bytes, sizeof(cart->principal.bytes));
    pack_uint64(writer, (uint64_t)cart->created_wall_ms);
    write_number(writer, codec_span(cart->changed_wall_ms - cart->created_wall_ms));
    write_number(writer, cart->by_customer);
    write_number(writer, cart->content.line_count);
    write_bytes(writer, cart->content.coupon, cart->content.coupon_length);
    write_bytes(writer, cart->content.currency, sizeof(cart->content.currency));
    for (unsigned i = 0; i < CART_ORDERS_MAX; i++)
        write_number(writer, cart->orders[i]);
    for (unsigned i = 0; i < CART_MERGED_MAX; i++)
        write_number(writer, cart->merged[i]);
    for (unsigned i = 0; i < cart->content.line_count; i++) {
        write_number(writer, cart->content.lines[i].sku_id);
        write_number(writer, cart->content.lines[i].quantity);
        write_number(writer, (uint64_t)cart_line_price(&cart->content.lines[i]));
    }
}

static void encode_audit(struct writer *writer, const struct audit_record *entry)
{
    UNINITIALIZED uint8_t packed[AUDIT_PACKED_BYTES_MAX];

    write_bytes(writer, packed, audit_pack(entry, packed));
    write_bytes(writer, entry->hash, AUDIT_HASH_BYTES);
}

static void encode_order(struct writer *writer, const struct record *record)
{
    UNINITIALIZED uint8_t packed[CODEC_ORDER_BYTES_MAX];

    write_bytes(writer, packed, codec_order_pack(record, packed, sizeof(packed)));
}

static void encode_delivery(struct writer *writer, const struct record *record)
{
    uint8_t packed[CODEC_DELIVERY_BYTES_MAX];

    write_bytes(writer, packed, codec_delivery_pack(&record->delivery, packed, sizeof(packed)));
}

static void encode_setting(struct writer *writer, const struct record *record)
{
    UNINITIALIZED uint8_t packed[CODEC_SETTING_BYTES_MAX];

    write_bytes(writer, packed,
                codec_setting_pack(record->subject, &record->setting, packed, sizeof(packed)));
}

static uint32_t field_count(const struct record *record)
{
    uint32_t count = codec_fields[record->kind];

    if (record->kind == RECORD_SKU)
        return count + (record->sku.weight_grams != 0);
    if (record->kind == RECORD_CART)
        return count + 3u * record->cart.content.line_count;
    return record->kind == RECORD_HOLD ? count + 2u * record->hold.line_count : count;
}

size_t codec_encode_value(const struct record *record, const uint8_t *key, size_t key_length,
                          uint8_t *value_out, size_t capacity)
{
    struct writer writer = {.at = value_out, .end = value_out + capacity};

    assert(codec_record_is_valid(record) && record->operation == RECORD_PUT);
    value_begin(&writer, field_count(record));
    switch ((enum record_kind)record->kind) {
    case RECORD_PRODUCT:
        encode_product(&writer, record);
        break;
    case RECORD_SKU:
        write_text(&writer, record->sku.sku);
        pack_uint32(&writer, record->sku.product_number);
        pack_uint64(&writer, (uint64_t)record->sku.price_minor);
        pack_uint8(&writer, record->sku.archived);
        if (record->sku.weight_grams != 0)
            pack_uint32(&writer, record->sku.weight_grams);
        break;
    case RECORD_COUNTER:
        pack_uint32(&writer, record->counter.stock);
        pack_uint32(&writer, record->counter.sold);
        pack_uint64(&writer, record->counter.ledger_sequence);
        break;
    case RECORD_LIMIT:
        pack_uint32(&writer, record->limit.sold);
        pack_uint8(&writer, record->limit.adopted);
        break;
    case RECORD_LEDGER:
        encode_ledger(&writer, &record->ledger);
        break;
    case RECORD_KEY:
        encode_key_record(&writer, &record->key);
        break;
    case RECORD_FLOOR:
        pack_uint64(&writer, record->floor.next_sequence);
        break;
    case RECORD_HOLD:
        encode_hold(&writer, record);
        break;
    case RECORD_ACCOUNT:
        encode_account(&writer, &record->account);
        break;
    case RECORD_ACCOUNT_KEY:
        write_bytes(&writer, record->account_key.bytes, record->account_key.length);
        break;
    case RECORD_EMAIL:
        write_bytes(&writer, record->email.index, EMAIL_INDEX_BYTES);
        write_bytes(&writer, record->email.account.bytes, sizeof(record->email.account.bytes));
        break;
    case RECORD_ALIAS:
        write_bytes(&writer, record->alias.guest.bytes, sizeof(record->alias.guest.bytes));
        write_bytes(&writer, record->alias.customer.bytes, sizeof(record->alias.customer.bytes));
        pack_uint64(&writer, (uint64_t)record->alias.ended_wall_ms);
        break;
    case RECORD_MAIL:
        encode_mail(&writer, &record->mail);
        break;
    case RECORD_COUPON:
        encode_coupon(&writer, &record->coupon);
        break;
    case RECORD_COUPON_COUNT:
        pack_uint32(&writer, record->coupon_count.committed);
        break;
    case RECORD_COUPON_USE:
        encode_coupon_use(&writer, &record->coupon_use);
        break;
    case RECORD_COUPON_PAST:
        encode_coupon_use(&writer, &record->coupon_past);
        break;
    case RECORD_CART:
        encode_cart(&writer, &record->cart);
        break;
    case RECORD_AUDIT:
        encode_audit(&writer, &record->audit);
        break;
    case RECORD_AUDIT_HEAD:
        pack_uint64(&writer, record->audit_head.sequence);
        write_bytes(&writer, record->audit_head.hash, AUDIT_HASH_BYTES);
        write_bytes(&writer, record->audit_head.mac, AUDIT_MAC_BYTES);
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
        encode_order(&writer, record);
        break;
    case RECORD_SETTING:
        encode_setting(&writer, record);
        break;
    case RECORD_CURSOR:
        pack_uint64(&writer, record->cursor.sequence);
        break;
    case RECORD_DELIVERY:
    case RECORD_DELIVERY_DEAD:
    case RECORD_DELIVERY_DONE:
        encode_delivery(&writer, record);
        break;
    case RECORD_GUEST_OF:
        write_bytes(&writer, record->guest_of.guest.bytes, sizeof(record->guest_of.guest.bytes));
        break;
    case RECORD_ERASURE:
        write_bytes(&writer, record->erasure.account.bytes, sizeof(record->erasure.account.bytes));
        pack_uint64(&writer, (uint64_t)record->erasure.wall_ms);
        break;
    case RECORD_KIND_COUNT:
        break;
    }
    return value_end(&writer, value_out, codec_checksum_seed(record->kind, key, key_length));
}

size_t codec_encode_numbers(const char *name, const uint64_t *numbers, uint32_t count,
                            uint8_t *value_out, size_t capacity)
{
    struct writer writer = {.at = value_out, .end = value_out + capacity};

    assert(count <= CODEC_NUMBERS_MAX);
    value_begin(&writer, count);
    for (uint32_t i = 0; i < count; i++)
        pack_uint64(&writer, numbers[i]);
    return value_end(&writer, value_out,
                     codec_checksum_seed(RECORD_KIND_COUNT, (const uint8_t *)name, strlen(name)));
}

/* ---- state hash ---- */

static uint64_t hash_more(uint64_t hash, const uint8_t *bytes, size_t length)
{
    for (; length >= 8; bytes += 8, length -= 8) {
        uint64_t word;

        memcpy(&word, bytes, sizeof(word));
        hash = (hash ^ word) * 0x9e3779b97f4a7c15u;
        hash ^= hash >> 29;
    }
    for (; length > 0; bytes++, length--)
        hash = (hash ^ *bytes) * 0x9e3779b97f4a7c15u;
    return hash_word(hash);
}

uint64_t codec_state_hash(enum record_kind kind, const uint8_t *key, size_t key_length,
                          const uint8_t *value, size_t value_length)
{
    return hash_more(hash_more((uint64_t)kind + 1, key, key_length), value, value_length);
}

uint64_t codec_state_hash_commit(uint64_t commit_number)
{
    return hash_word(commit_number ^ 0xc0117c0117c0117cu);
}
