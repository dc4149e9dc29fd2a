/* SPDX-License-Identifier: Apache-2.0 */
#include "identity.h"

#include <assert.h>
#include <string.h>

static const char alphabet[] = "0123456789abcdefghjkmnpqrstvwxyz"; /* Crockford's, lower case */

static int digit_value(char digit)
{
    const char *found = digit == '\0' ? NULL : strchr(alphabet, digit);

    return found == NULL ? -1 : (int)(found - alphabet);
}

bool principal_equal(const struct principal *a, const struct principal *b)
{
    return memcmp(a->bytes, b->bytes, sizeof(a->bytes)) == 0;
}

void principal_format(const struct principal *principal, char text_out[PRINCIPAL_TEXT_LENGTH + 1])
{
    static const char digits[] = "0123456789abcdef";

    text_out[0] = 'g';
    text_out[1] = '_';
    for (size_t i = 0; i < sizeof(principal->bytes); i++) {
        text_out[2 + 2 * i] = digits[principal->bytes[i] >> 4];
        text_out[3 + 2 * i] = digits[principal->bytes[i] & 15];
    }
    text_out[PRINCIPAL_TEXT_LENGTH] = '\0';
}

enum id_kind { ID_RESERVATION, ID_ORDER, ID_EVENT, ID_MESSAGE, ID_DELIVERY };

static const char id_prefixes[][4 + 1] = {[ID_RESERVATION] = "res_",
                                          [ID_ORDER] = "ord_",
                                          [ID_EVENT] = "evt_",
                                          [ID_MESSAGE] = "msg_",
                                          [ID_DELIVERY] = "dlv_"};

/* The first 96 bits as two words. */
static void id_words(const struct reservation_id *id, uint64_t words_out[2])
{
    words_out[0] =
        (uint64_t)id->created_ms << 20 | (uint64_t)id->partition << 8 | id->sequence >> 32;
    words_out[1] = id->sequence & 0xffffffffu;
}

/* They and the kind: an ID of one kind is none of another. */
static uint64_t id_tag(enum id_kind kind, const uint64_t words[2], const struct hash_key *secret)
{
    uint64_t covered[2] = {words[0], words[1] | (uint64_t)kind << 32};

    return hash_tag(secret, covered, sizeof(covered));
}

static void id_format(enum id_kind kind, const struct reservation_id *id,
                      const struct hash_key *secret, char text_out[RESERVATION_ID_LENGTH + 1])
{
    uint64_t words[2];
    uint8_t bits[20];

    assert(id->created_ms >= 0 && id->created_ms < 1LL << 44);
    assert(id->partition < PARTITIONS_MAX && id->sequence < 1ULL << 40);
    id_words(id, words);
    uint64_t tag = id_tag(kind, words, secret);
    for (unsigned i = 0; i < 8; i++)
        bits[i] = (uint8_t)(words[0] >> (56 - 8 * i));
    for (unsigned i = 0; i < 4; i++)
        bits[8 + i] = (uint8_t)(words[1] >> (24 - 8 * i));
    for (unsigned i = 0; i < 8; i++)
        bits[12 + i] = (uint8_t)(tag >> (56 - 8 * i));

    memcpy(text_out, id_prefixes[kind], 4);
    for (unsigned group = 0; group < 4; group++) { /* 5 bytes are 8 digits */
        const uint8_t *five = bits + group * 5;
        uint64_t value = 0;

        for (unsigned i = 0; i < 5; i++)
            value = value << 8 | five[i];
        for (unsigned i = 0; i < 8; i++)
            text_out[4 + group * 8 + i] = alphabet[value >> (35 - 5 * i) & 31];
    }
    text_out[RESERVATION_ID_LENGTH] = '\0';
}

static bool id_parse(enum id_kind kind, const char *text, size_t length,
                     const struct hash_key *secret, struct reservation_id *id_out)
{
    uint8_t bits[20];
    uint64_t words[2] = {0, 0};
    uint64_t tag = 0;

    if (length != RESERVATION_ID_LENGTH || memcmp(text, id_prefixes[kind], 4) != 0)
        return false;
    for (unsigned group = 0; group < 4; group++) {
        uint64_t value = 0;

        for (unsigned i = 0; i < 8; i++) {
            int digit = digit_value(text[4 + group * 8 + i]);

            if (digit < 0)
                return false;
            value = value << 5 | (uint64_t)digit;
        }
        for (unsigned i = 0; i < 5; i++)
            bits[group * 5 + i] = (uint8_t)(value >> (32 - 8 * i));
    }
    for (unsigned i = 0; i < 8; i++)
        words[0] = words[0] << 8 | bits[i];
    for (unsigned i = 0; i < 4; i++)
        words[1] = words[1] << 8 | bits[8 + i];
    for (unsigned i = 0; i < 8; i++)
        tag = tag << 8 | bits[12 + i];
    if (tag != id_tag(kind, words, secret))
        return false;
    id_out->created_ms = (int64_t)(words[0] >> 20);
    id_out->partition = (uint32_t)(words[0] >> 8) & (PARTITIONS_MAX - 1);
    id_out->sequence = (words[0] & 0xff) << 32 | words[1];
    return true;
}

void reservation_id_format(const struct reservation_id *id, const struct hash_key *secret,
                           char text_out[RESERVATION_ID_LENGTH + 1])
{
    id_format(ID_RESERVATION, id, secret, text_out);
}

bool reservation_id_parse(const char *text, size_t length, const struct hash_key *secret,
                          struct reservation_id *id_out)
{
    return id_parse(ID_RESERVATION, text, length, secret, id_out);
}

void order_id_format(const struct reservation_id *id, const struct hash_key *secret,
                     char text_out[RESERVATION_ID_LENGTH + 1])
{
    id_format(ID_ORDER, id, secret, text_out);
}

bool order_id_parse(const char *text, size_t length, const struct hash_key *secret,
                    struct reservation_id *id_out)
{
    return id_parse(ID_ORDER, text, length, secret, id_out);
}

void event_id_format(const struct reservation_id *id, const struct hash_key *secret,
                     char text_out[RESERVATION_ID_LENGTH + 1])
{
    id_format(ID_EVENT, id, secret, text_out);
}

bool event_id_parse(const char *text, size_t length, const struct hash_key *secret,
                    struct reservation_id *id_out)
{
    return id_parse(ID_EVENT, text, length, secret, id_out);
}

void message_id_format(const struct reservation_id *id, const struct hash_key *secret,
                       char text_out[RESERVATION_ID_LENGTH + 1])
{
    id_format(ID_MESSAGE, id, secret, text_out);
}

void delivery_id_format(const struct reservation_id *id, uint32_t endpoint,
                        const struct hash_key *secret, char text_out[DELIVERY_ID_LENGTH_MAX + 1])
{
    char digits[10];
    unsigned count = 0;
    char *at = text_out + RESERVATION_ID_LENGTH;

    id_format(ID_DELIVERY, id, secret, text_out);
    do {
        digits[count++] = (char)('0' + endpoint % 10);
        endpoint /= 10;
    } while (endpoint > 0);
    *at++ = '_';
    while (count > 0)
        *at++ = digits[--count];
    *at = '\0';
}

bool delivery_id_parse(const char *text, size_t length, const struct hash_key *secret,
                       struct reservation_id *id_out, uint32_t *endpoint_out)
{
    size_t at = RESERVATION_ID_LENGTH + 1;
    uint64_t endpoint = 0;

    if (length <= at || length > DELIVERY_ID_LENGTH_MAX || text[at - 1] != '_' || text[at] == '0' ||
        !id_parse(ID_DELIVERY, text, RESERVATION_ID_LENGTH, secret, id_out))
        return false;
    for (; at < length; at++) {
        if (text[at] < '0' || text[at] > '9')
            return false;
        endpoint = endpoint * 10 + (unsigned)(text[at] - '0');
    }
    *endpoint_out = (uint32_t)endpoint;
    return endpoint <= UINT32_MAX;
}

struct principal account_principal(uint32_t partition, uint32_t number,
                                   const struct hash_key *secret)
{
    struct principal principal;
    uint64_t words[2] = {partition, number};
    uint8_t *at = principal.bytes;
    struct hash128 tag;

    assert(partition < PARTITIONS_MAX && number >= 1);
    tag.word[0] = hash_tag(secret, words, sizeof(words));
    words[1] |= 1ULL << 63; /* the tag's other bits */
    tag.word[1] = hash_tag(secret, words, sizeof(words));
    *at++ = (uint8_t)(partition >> 8);
    *at++ = (uint8_t)partition;
    for (int shift = 24; shift >= 0; shift -= 8)
        *at++ = (uint8_t)(number >> shift);
    for (int shift = 56; shift >= 0; shift -= 8)
        *at++ = (uint8_t)(tag.word[0] >> shift);
    *at++ = (uint8_t)(tag.word[1] >> 8);
    *at = (uint8_t)tag.word[1];
    return principal;
}

bool account_principal_parse(const struct principal *principal, const struct hash_key *secret,
                             uint32_t *partition_out, uint32_t *number_out)
{
    const uint8_t *at = principal->bytes;
    uint32_t partition = (uint32_t)at[0] << 8 | at[1];
    uint32_t number =
        (uint32_t)at[2] << 24 | (uint32_t)at[3] << 16 | (uint32_t)at[4] << 8 | (uint32_t)at[5];
    struct principal expected;

    if (partition >= PARTITIONS_MAX || number == 0)
        return false;
    expected = account_principal(partition, number, secret);
    *partition_out = partition;
    *number_out = number;
    return principal_equal(&expected, principal);
}

void account_id_format(const struct principal *principal, char text_out[ACCOUNT_ID_LENGTH + 1])
{
    unsigned bits = 0;
    uint32_t value = 0;
    char *at = text_out + 4;

    memcpy(text_out, "cus_", 4);
    for (unsigned i = 0; i < sizeof(principal->bytes); i++) {
        value = value << 8 | principal->bytes[i];
        for (bits += 8; bits >= 5; bits -= 5)
            *at++ = alphabet[value >> (bits - 5) & 31];
        value &= (1u << bits) - 1;
    }
    *at++ = alphabet[value << (5 - bits) & 31]; /* 3 bits and two zeros */
    *at = '\0';
    assert(at == text_out + ACCOUNT_ID_LENGTH);
}

bool account_id_parse(const char *text, size_t length, struct principal *principal_out)
{
    unsigned bits = 0;
    unsigned used = 0;
    uint32_t value = 0;

    if (length != ACCOUNT_ID_LENGTH || memcmp(text, "cus_", 4) != 0)
        return false;
    for (size_t i = 4; i < length; i++) {
        int digit = digit_value(text[i]);

        if (digit < 0)
            return false;
        value = value << 5 | (uint32_t)digit;
        bits += 5;
        if (bits >= 8) {
            principal_out->bytes[used++] = (uint8_t)(value >> (bits - 8));
            bits -= 8;
            value &= (1u << bits) - 1;
        }
    }
    assert(used == sizeof(principal_out->bytes));
    return value == 0; /* one text an account */
}

void row_number_format(uint64_t number, char text_out[ROW_TEXT_LENGTH + 1])
{
    assert(row_number_is_valid(number));
    for (unsigned i = 0; i < ROW_TEXT_LENGTH; i++)
        text_out[i] = alphabet[number >> (5 * (ROW_TEXT_LENGTH - 1 - i)) & 31];
    text_out[ROW_TEXT_LENGTH] = '\0';
}

uint64_t row_number_parse(const char *text, size_t length)
{
    uint64_t number = 0;

    if (length != ROW_TEXT_LENGTH)
        return 0;
    for (unsigned i = 0; i < ROW_TEXT_LENGTH; i++) {
        int digit = digit_value(text[i]);

        if (digit < 0)
            return 0;
        number = number << 5 | (uint64_t)digit;
    }
    return number;
}

bool principal_is_nobody(const struct principal *principal)
{
    static const struct principal nobody;

    return principal_equal(principal, &nobody);
}

bool sku_is_valid(const char *text, size_t length)
{
    if (length < 1 || length > SKU_LENGTH_MAX)
        return false;
    for (size_t i = 0; i < length; i++) {
        char c = text[i];
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');

        if (!plain && (c == '\0' || strchr("._-/:", c) == NULL))
            return false;
    }
    return true;
}
