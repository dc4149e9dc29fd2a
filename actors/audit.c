/* SPDX-License-Identifier: Apache-2.0 */
#include "audit.h"

#include <assert.h>
#include <string.h>

#include "coupon_state.h"
#include "effects.h"

static const char link_tag[16] = {'s', 't', 'a', 'm', 'p', 'e', 'd', 'e',
                                  ' ', 'a', 'u', 'd', 'i', 't', ' ', '1'};

const char *audit_act_name(enum audit_act act)
{
    static const char *const names[AUDIT_ACT_COUNT] = {
#define X(name, text) [AUDIT_##name] = text,
        AUDIT_ACTS(X)
#undef X
    };

    assert((unsigned)act < AUDIT_ACT_COUNT);
    return names[act];
}

const char *audit_caller_name(enum audit_caller caller)
{
    static const char *const names[AUDIT_CALLER_COUNT] = {
#define X(name, text) [AUDIT_BY_##name] = text,
        AUDIT_CALLERS(X)
#undef X
    };

    assert((unsigned)caller < AUDIT_CALLER_COUNT);
    return names[caller];
}

const char *audit_subject_name(enum audit_subject subject)
{
    static const char *const names[AUDIT_SUBJECT_COUNT] = {
#define X(name, text) [AUDIT_OF_##name] = text,
        AUDIT_SUBJECTS(X)
#undef X
    };

    assert((unsigned)subject < AUDIT_SUBJECT_COUNT);
    return names[subject];
}

void origin_set_network(struct origin *origin, const uint8_t address[16])
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    bool is_ipv4 = memcmp(address, mapped, sizeof(mapped)) == 0;

    memset(origin->network, 0, sizeof(origin->network));
    origin->network[0] = is_ipv4 ? 4 : 6;
    memcpy(origin->network + 1, is_ipv4 ? address + sizeof(mapped) : address, is_ipv4 ? 3 : 7);
}

/* ---- writing an entry ---- */

struct audit_record *audit_add(struct effects *effects, uint32_t partition,
                               const struct moment *moment, const struct origin *origin,
                               enum audit_act act, enum audit_subject subject, const void *name,
                               size_t name_length)
{
    struct audit_record *entry = &effects_record(effects, RECORD_AUDIT, partition, 0, 0)->audit;

    assert(name_length >= 1 && name_length <= AUDIT_SUBJECT_BYTES_MAX);
    effects->audit_count++;
    entry->wall_ms = moment->wall_ms;
    entry->origin = *origin;
    entry->act = (uint8_t)act;
    entry->subject = (uint8_t)subject;
    entry->name_length = (uint8_t)name_length;
    memcpy(entry->name, name, name_length);
    return entry;
}

static uint8_t *put(uint8_t *at, uint64_t number, unsigned width)
{
    for (unsigned i = 0; i < width; i++)
        at[i] = (uint8_t)(number >> 8 * (width - 1 - i));
    return at + width;
}

static uint64_t get(const uint8_t *at, unsigned width)
{
    uint64_t number = 0;

    for (unsigned i = 0; i < width; i++)
        number = number << 8 | at[i];
    return number;
}

void audit_set_number(struct audit_value *value, int64_t number)
{
    *value = (struct audit_value){.kind = AUDIT_VALUE_NUMBER, .length = 8};
    put(value->bytes, (uint64_t)number, 8);
}

void audit_set_word(struct audit_value *value, const char *word)
{
    size_t length = strlen(word);

    assert(length <= AUDIT_VALUE_BYTES_MAX);
    *value = (struct audit_value){.kind = AUDIT_VALUE_WORD, .length = (uint8_t)length};
    memcpy(value->bytes, word, length);
}

int64_t audit_number(const struct audit_value *value)
{
    assert(value->kind == AUDIT_VALUE_NUMBER);
    return (int64_t)get(value->bytes, 8);
}

/* ---- what is stored, and what is hashed ---- */

static uint8_t *put_bytes(uint8_t *at, const void *bytes, size_t length)
{
    memcpy(at, bytes, length);
    return at + length;
}

static uint8_t *put_value(uint8_t *at, const struct audit_value *value)
{
    at = put(at, value->kind, 1);
    at = put(at, value->length, 1);
    return put_bytes(at, value->bytes, value->length);
}

size_t audit_pack(const struct audit_record *entry, uint8_t bytes_out[AUDIT_PACKED_BYTES_MAX])
{
    uint8_t *at = put(bytes_out, (uint64_t)entry->wall_ms, 8);

    assert(audit_is_valid(entry));
    at = put_bytes(at, entry->origin.who.bytes, sizeof(entry->origin.who.bytes));
    at = put(at, entry->origin.caller, 1);
    at = put_bytes(at, entry->origin.network, sizeof(entry->origin.network));
    at = put(at, entry->act, 1);
    at = put(at, entry->subject, 1);
    at = put(at, entry->name_length, 1);
    at = put_bytes(at, entry->name, entry->name_length);
    at = put_value(at, &entry->before);
    at = put_value(at, &entry->after);
    return (size_t)(at - bytes_out);
}

/* Takes `length` bytes; NULL once there are too few. */
static const uint8_t *take(const uint8_t **at, const uint8_t *end, size_t length)
{
    const uint8_t *taken = *at;

    if (taken == NULL || (size_t)(end - taken) < length) {
        *at = NULL;
        return NULL;
    }
    *at = taken + length;
    return taken;
}

static void take_value(const uint8_t **at, const uint8_t *end, struct audit_value *value_out)
{
    const uint8_t *head = take(at, end, 2);
    const uint8_t *bytes;

    if (head == NULL || head[1] > AUDIT_VALUE_BYTES_MAX) {
        *at = NULL;
        return;
    }
    bytes = take(at, end, head[1]);
    if (bytes == NULL)
        return;
    value_out->kind = head[0];
    value_out->length = head[1];
    memcpy(value_out->bytes, bytes, head[1]);
}

bool audit_unpack(const uint8_t *bytes, size_t length, struct audit_record *entry_out)
{
    enum { HEAD_BYTES = 8 + 16 + 1 + AUDIT_NETWORK_BYTES + 1 + 1 + 1 };
    const uint8_t *end = bytes + length;
    const uint8_t *at = bytes;
    const uint8_t *head = take(&at, end, HEAD_BYTES);
    const uint8_t *name;

    memset(entry_out, 0, sizeof(*entry_out));
    if (head == NULL)
        return false;
    entry_out->wall_ms = (int64_t)get(head, 8);
    memcpy(entry_out->origin.who.bytes, head + 8, 16);
    entry_out->origin.caller = head[24];
    memcpy(entry_out->origin.network, head + 25, AUDIT_NETWORK_BYTES);
    entry_out->act = head[25 + AUDIT_NETWORK_BYTES];
    entry_out->subject = head[26 + AUDIT_NETWORK_BYTES];
    entry_out->name_length = head[27 + AUDIT_NETWORK_BYTES];
    if (entry_out->name_length > AUDIT_SUBJECT_BYTES_MAX)
        return false;
    name = take(&at, end, entry_out->name_length);
    if (name == NULL)
        return false;
    memcpy(entry_out->name, name, entry_out->name_length);
    take_value(&at, end, &entry_out->before);
    take_value(&at, end, &entry_out->after);
    return at == end && audit_is_valid(entry_out);
}

static bool value_is_valid(const struct audit_value *value)
{
    switch ((enum audit_value_kind)value->kind) {
    case AUDIT_VALUE_NONE:
        return value->length == 0;
    case AUDIT_VALUE_NUMBER:
        return value->length == 8;
    case AUDIT_VALUE_WORD:
        return value->length >= 1 && value->length <= AUDIT_VALUE_BYTES_MAX;
    case AUDIT_VALUE_DIGEST:
        return value->length == AUDIT_HASH_BYTES;
    case AUDIT_VALUE_COUNT:
        break;
    }
    return false;
}

bool audit_is_valid(const struct audit_record *entry)
{
    static const uint8_t lengths[AUDIT_SUBJECT_COUNT] = {[AUDIT_OF_SKU] = 4,
                                                         [AUDIT_OF_RESERVATION] = 16,
                                                         [AUDIT_OF_ACCOUNT] = 16,
                                                         [AUDIT_OF_ORDER] = 16,
                                                         [AUDIT_OF_DELIVERY] = 24};

    if (entry->act >= AUDIT_ACT_COUNT || entry->origin.caller >= AUDIT_CALLER_COUNT ||
        entry->subject >= AUDIT_SUBJECT_COUNT || entry->name_length < 1 ||
        entry->name_length > AUDIT_SUBJECT_BYTES_MAX || entry->wall_ms < 0)
        return false;
    if (lengths[entry->subject] != 0 && entry->name_length != lengths[entry->subject])
        return false;
    if ((entry->subject == AUDIT_OF_PRODUCT || entry->subject == AUDIT_OF_SETTING) &&
        !sku_is_valid((const char *)entry->name, entry->name_length))
        return false;
    if (entry->subject == AUDIT_OF_COUPON &&
        !coupon_code_is_valid((const char *)entry->name, entry->name_length))
        return false;
    return value_is_valid(&entry->before) && value_is_valid(&entry->after);
}

size_t audit_link_pack(const struct audit_record *entry, uint32_t partition, uint64_t sequence,
                       const uint8_t before[AUDIT_HASH_BYTES],
                       uint8_t bytes_out[AUDIT_LINK_BYTES_MAX])
{
    uint8_t *at = put_bytes(bytes_out, before, AUDIT_HASH_BYTES);

    at = put_bytes(at, link_tag, sizeof(link_tag));
    at = put(at, partition, 2);
    at = put(at, sequence, 8);
    return (size_t)(at - bytes_out) + audit_pack(entry, at);
}

void audit_head_pack(const struct audit_head_record *head, uint32_t partition,
                     uint8_t bytes_out[AUDIT_HEAD_PACKED_BYTES])
{
    uint8_t *at = put(bytes_out, partition, 2);

    at = put(at, head->sequence, 8);
    put_bytes(at, head->hash, AUDIT_HASH_BYTES);
}
