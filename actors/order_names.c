/* SPDX-License-Identifier: Apache-2.0 */
/* What statuses, steps, payments' states and providers are called, as their tables say. */
#include "order_state.h"

const char *order_status_name(enum order_status status)
{
    static const char *const names[] = {
#define X(name, text) [ORDER_##name] = (text),
        ORDER_STATUSES(X)
#undef X
    };
    return names[status];
}

const char *order_step_name(enum order_step step)
{
    static const char *const names[] = {
#define X(name, text) [STEP_##name] = (text),
        ORDER_STEPS(X)
#undef X
    };
    return names[step];
}

const char *payment_state_name(enum payment_state state)
{
    static const char *const names[] = {
#define X(name, text) [PAYMENT_##name] = (text),
        PAYMENT_STATES(X)
#undef X
    };
    return names[state];
}

const char *payment_provider_name(enum payment_provider provider)
{
    static const char *const names[] = {
#define X(name, text) [PROVIDER_##name] = (text),
        PAYMENT_PROVIDERS(X)
#undef X
    };
    return names[provider];
}
