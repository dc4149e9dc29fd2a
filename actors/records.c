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
