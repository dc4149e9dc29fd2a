/* SPDX-License-Identifier: Apache-2.0 */
/* Decoding, its first half: msgpack-c's own parser template, instantiated with callbacks that
 * collect the fields of one flat array into a fixed table. (Its object API, which builds every
 * value in a heap zone, takes twice as long for the parsing alone as this for all of it.) Then kind
 * by kind: codec_take.c. */
#include <assert.h>
#include <string.h>

#include "bytes.h"
#include "codec_fields.h"
#include "codec_take.h"
#include "mutants.h"

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
    codec_take_record(&taker, record_out);
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
