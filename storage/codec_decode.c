/* SPDX-License-Identifier: Apache-2.0 */
/* Decoding: msgpack-c's own parser template, instantiated with callbacks that collect the fields of
 * one flat array into a fixed table. (Its object API, which builds every value in a heap zone,
 * takes twice as long for the parsing alone as this for all of it.) */
#include <assert.h>
#include <string.h>

#include "bytes.h"
#include "codec_account.h"
#include "codec_delivery.h"
#include "codec_fields.h"
#include "codec_order.h"
#include "codec_settings.h"
#include "mutants.h"

enum field_type { FIELD_NUMBER, FIELD_TEXT, FIELD_BYTES };

struct field {
    uint64_t number; /* or the length of text or bytes */
    const char *bytes;
    uint8_t type;
};

/* The parser's `user`: the array's fields as they come. */
struct fields {
    struct field at[CODEC_FIELDS_MAX];
    uint32_t count;
    uint32_t expected; /* the array's length; 0: not begun */
};

/* The parser's notion of an object; the fields are elsewhere. */
typedef int parsed;

enum { PARSE_REFUSED = -1 };

static inline parsed parse_root(struct fields *fields)
{
    fields->count = 0;
    fields->expected = 0;
    return 0;
}

static inline int parse_add(struct fields *fields, enum field_type type, uint64_t number,
                            const char *bytes)
{
    if (fields->count >= fields->expected)
        return PARSE_REFUSED;
    fields->at[fields->count++] =
        (struct field){.number = number, .bytes = bytes, .type = (uint8_t)type};
    return 0;
}

static inline int parse_array(struct fields *fields, unsigned count, parsed *object)
{
    if (fields->expected != 0 || count == 0 || count > CODEC_FIELDS_MAX)
        return PARSE_REFUSED;
    fields->expected = count;
    *object = 0;
    return 0;
}

static inline int parse_array_item(struct fields *fields, parsed *array, parsed object)
{
    (void)fields;
    (void)array;
    (void)object;
    return 0;
}

#define PARSE_UNSIGNED(bits)                                                                       \
    static inline int parse_uint##bits(struct fields *fields, uint##bits##_t value,                \
                                       parsed *object)                                             \
    {                                                                                              \
        *object = 0;                                                                               \
        return parse_add(fields, FIELD_NUMBER, value, NULL);                                       \
    }
PARSE_UNSIGNED(8)
PARSE_UNSIGNED(16)
PARSE_UNSIGNED(32)
PARSE_UNSIGNED(64)
#undef PARSE_UNSIGNED

#define PARSE_BYTES(name, type)                                                                    \
    static inline int parse_##name(struct fields *fields, const char *base, const char *bytes,     \
                                   unsigned length, parsed *object)                                \
    {                                                                                              \
        (void)base;                                                                                \
        *object = 0;                                                                               \
        return parse_add(fields, type, length, length > 0 ? bytes : ""); /* may be NULL */         \
    }
PARSE_BYTES(str, FIELD_TEXT)
PARSE_BYTES(bin, FIELD_BYTES)
#undef PARSE_BYTES

/* What no record of ours contains. */
#define PARSE_REFUSE(name, type)                                                                   \
    static inline int parse_##name(struct fields *fields, type value, parsed *object)              \
    {                                                                                              \
        (void)fields;                                                                              \
        (void)value;                                                                               \
        *object = 0;                                                                               \
        return PARSE_REFUSED;                                                                      \
    }
PARSE_REFUSE(int8, int8_t)
PARSE_REFUSE(int16, int16_t)
PARSE_REFUSE(int32, int32_t)
PARSE_REFUSE(int64, int64_t)
PARSE_REFUSE(float, float)
PARSE_REFUSE(double, double)
PARSE_REFUSE(map, unsigned)
#undef PARSE_REFUSE

#define PARSE_REFUSE_SIMPLE(name)                                                                  \
    static inline int parse_##name(struct fields *fields, parsed *object)                          \
    {                                                                                              \
        (void)fields;                                                                              \
        *object = 0;                                                                               \
        return PARSE_REFUSED;                                                                      \
    }
PARSE_REFUSE_SIMPLE(nil)
PARSE_REFUSE_SIMPLE(true)
PARSE_REFUSE_SIMPLE(false)
#undef PARSE_REFUSE_SIMPLE

static inline int parse_ext(struct fields *fields, const char *base, const char *bytes,
                            unsigned length, parsed *object)
{
    (void)fields;
    (void)base;
    (void)bytes;
    (void)length;
    *object = 0;
    return PARSE_REFUSED;
}

static inline int parse_map_item(struct fields *fields, parsed *map, parsed key, parsed value)
{
    (void)fields;
    (void)map;
    (void)key;
    (void)value;
    return PARSE_REFUSED;
}

#define MSGPACK_EMBED_STACK_SIZE       2 /* a container inside the array is refused, not entered */
#define msgpack_unpack_struct(name)    struct parser##name
#define msgpack_unpack_func(ret, name) static inline ret parser##name
#define msgpack_unpack_callback(name)  parse##name
#define msgpack_unpack_object          parsed
#define msgpack_unpack_user            struct fields
#include <msgpack/unpack.h>
#include <msgpack/unpack_define.h>
#include <msgpack/unpack_template.h>

/* ---- from fields to a record ---- */

/* Takes the fields in turn; the first that is not as it must be sets `error`, and stays. */
struct taker {
    const struct field *at;
    bool has_weight; /* a SKU's, which is written where there is one */
    enum codec_error error;
};

static inline uint64_t take_number(struct taker *taker, uint64_t highest)
{
    const struct field *field = taker->at++;

    if (field->type == FIELD_NUMBER && field->number <= highest)
        return field->number;
    if (taker->error == CODEC_OK)
        taker->error = field->type == FIELD_NUMBER ? CODEC_BAD_RANGE : CODEC_BAD_FORM;
    return 0;
}

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

static void decode_fields(struct taker *taker, struct record *record)
{
    switch ((enum record_kind)record->kind) {
    case RECORD_PRODUCT:
        decode_product(taker, record);
        break;
    case RECORD_SKU:
        take_text(taker, record->sku.sku, sizeof(record->sku.sku));
        record->sku.product_number = (uint32_t)take_number(taker, UINT32_MAX);
        record->sku.price_minor = (int64_t)take_number(taker, INT64_MAX);
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

/* How many lines a hold of so many fields (without version and checksum) has; 0 if that cannot be.
 */
static uint32_t lines_of(uint32_t field_count)
{
    uint32_t over = field_count - CODEC_HOLD_FIELDS;

    if (field_count <= CODEC_HOLD_FIELDS || over % 2 != 0 || over / 2 > RESERVATION_LINES_MAX)
        return 0;
    return over / 2;
}

/* Checksum, then form: version and fields of one flat array that fills the value. */
static enum codec_error parse_value(uint32_t seed, const uint8_t *value, size_t length,
                                    struct parser_context *parser)
{
    const struct fields *fields = &parser->user;
    size_t parsed_bytes = 0;

    if (length <= CODEC_CHECKSUM_BYTES || length > CODEC_VALUE_BYTES_MAX)
        return CODEC_BAD_CHECKSUM;
    const uint8_t *checksum = value + length - CODEC_CHECKSUM_BYTES;
    if ((checksum[0] != 0xce || /* msgpack's uint 32 */
         bytes_get(checksum + 1, 4) != crc32c(seed, value, length - CODEC_CHECKSUM_BYTES)) &&
        !MUTANT(CHECKSUM_NOT_VERIFIED))
        return CODEC_BAD_CHECKSUM;
    parser_init(parser);
    if (parser_execute(parser, (const char *)value, length, &parsed_bytes) != 1 ||
        parsed_bytes != length || fields->count < 2)
        return CODEC_BAD_FORM;
    assert(fields->count == fields->expected);
    if (fields->at[0].type != FIELD_NUMBER)
        return CODEC_BAD_FORM;
    return fields->at[0].number == CODEC_VERSION ? CODEC_OK : CODEC_BAD_VERSION;
}

/* Reads the key into a record whose kind is set. */
static bool decode_key(const uint8_t *key, size_t key_length, struct record *record)
{
    size_t expected = RECORD_HAS_PRINCIPAL(record->kind) ? CODEC_KEY_BYTES_MAX : CODEC_KEY_BYTES;

    if (key_length != expected)
        return false;
    record->partition = (uint16_t)bytes_get(key, 2);
    record->subject = (uint32_t)bytes_get(key + 2, 4);
    record->sequence = bytes_get(key + 6, 8);
    if (record->kind == RECORD_LIMIT)
        memcpy(record->limit.principal.bytes, key + CODEC_KEY_BYTES,
               sizeof(record->limit.principal.bytes));
    if (record->kind == RECORD_COUPON_COUNT)
        memcpy(record->coupon_count.principal.bytes, key + CODEC_KEY_BYTES,
               sizeof(record->coupon_count.principal.bytes));
    return true;
}

enum codec_error codec_decode(enum record_kind kind, const uint8_t *key, size_t key_length,
                              const uint8_t *value, size_t value_length, struct record *record_out)
{
    struct parser_context parser;
    const struct fields *fields = &parser.user;
    uint32_t lines = 0;

    assert((unsigned)kind < RECORD_KIND_COUNT);
    enum codec_error error =
        parse_value(codec_checksum_seed(kind, key, key_length), value, value_length, &parser);
    if (error != CODEC_OK)
        return error;
    if (kind == RECORD_HOLD) {
        lines = lines_of(fields->count - 2);
        if (lines == 0)
            return CODEC_BAD_FORM;
    } else if (kind == RECORD_CART) {
        lines = (fields->count - 2 - CODEC_CART_FIELDS) / 3;
        if (fields->count < 2 + CODEC_CART_FIELDS || lines > CART_LINES_MAX ||
            fields->count - 2 != CODEC_CART_FIELDS + 3 * lines)
            return CODEC_BAD_FORM;
    } else if (fields->count - 2 != codec_fields[kind] &&
               (kind != RECORD_SKU || fields->count - 2 != codec_fields[kind] + 1u)) {
        return CODEC_BAD_FORM;
    }
    uint32_t size = record_size(kind, lines);
    memset(record_out, 0, size);
    record_out->size = size;
    record_out->kind = (uint8_t)kind;
    record_out->operation = RECORD_PUT;
    if (!decode_key(key, key_length, record_out))
        return CODEC_BAD_KEY;
    if (kind == RECORD_HOLD)
        record_out->hold.line_count = (uint8_t)lines;
    if (kind == RECORD_CART)
        record_out->cart.content.line_count = (uint8_t)lines;
    struct taker taker = {.at = fields->at + 1,
                          .has_weight =
                              kind == RECORD_SKU && fields->count - 2 > codec_fields[RECORD_SKU],
                          .error = CODEC_OK};
    decode_fields(&taker, record_out);
    if (taker.error == CODEC_OK && !codec_record_is_valid(record_out))
        return CODEC_BAD_RANGE;
    return taker.error;
}

enum codec_error codec_decode_numbers(const char *name, const uint8_t *value, size_t value_length,
                                      uint64_t *numbers_out, uint32_t count)
{
    struct parser_context parser;
    const struct fields *fields = &parser.user;
    uint32_t seed = codec_checksum_seed(RECORD_KIND_COUNT, (const uint8_t *)name, strlen(name));
    enum codec_error error = parse_value(seed, value, value_length, &parser);

    if (error != CODEC_OK)
        return error;
    if (fields->count - 2 != count)
        return CODEC_BAD_FORM;
    struct taker taker = {.at = fields->at + 1, .error = CODEC_OK};
    for (uint32_t i = 0; i < count; i++)
        numbers_out[i] = take_number(&taker, UINT64_MAX);
    return taker.error;
}
