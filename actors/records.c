/* SPDX-License-Identifier: Apache-2.0 */
#include "records.h"

const char *hold_state_name(enum hold_state state)
{
    static const char *const names[HOLD_STATE_COUNT] = {
#define X(name, text) [HOLD_##name] = text,
        HOLD_STATES(X)
#undef X
    };

    assert((unsigned)state < HOLD_STATE_COUNT);
    return names[state];
}

const char *product_status_name(enum product_status status)
{
    static const char *const names[PRODUCT_STATUS_COUNT] = {
#define X(name, text) [PRODUCT_##name] = text,
        PRODUCT_STATUSES(X)
#undef X
    };

    assert((unsigned)status < PRODUCT_STATUS_COUNT);
    return names[status];
}

const char *ledger_entry_name(enum ledger_entry entry)
{
    static const char *const names[LEDGER_ENTRY_COUNT] = {
#define X(name, text) [LEDGER_##name] = text,
        LEDGER_ENTRIES(X)
#undef X
    };

    assert((unsigned)entry < LEDGER_ENTRY_COUNT);
    return names[entry];
}

struct record_place record_place_of(const uint8_t bytes[16], uint32_t partitions)
{
    struct record_place place = {0};

    place.partition = ((uint32_t)bytes[0] << 8 | bytes[1]) & (partitions - 1);
    for (unsigned i = 2; i < 6; i++)
        place.subject = place.subject << 8 | bytes[i];
    for (unsigned i = 6; i < 11; i++)
        place.sequence = place.sequence << 8 | bytes[i];
    return place;
}
