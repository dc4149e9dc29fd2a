/* SPDX-License-Identifier: Apache-2.0 */
/* What statuses, steps, payments' states and providers are called, as their tables say. */
#include "order_state.h"

#include "order.h"

#include <assert.h>

const char *order_status_name(enum order_status status)
{
    static const char *const names[] = {
#define X(name, text) [ORDER_##name] = (text),
        ORDER_STATUSES(X)
#undef X
    };
    return names[status];
}

const char *order_attention_name(enum order_attention attention)
{
    switch (attention) {
#define X(name, bit, text)                                                                         \
    case ORDER_ATTENTION_##name:                                                                   \
        return text;
        ORDER_ATTENTIONS(X)
#undef X
    case ORDER_ATTENTION_ALL:
    default:
        return NULL;
    }
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

const char *event_effect_name(enum event_effect effect)
{
    static const char *const names[] = {
        [EVENT_APPLIED] = "applied", [EVENT_STALE] = "stale", [EVENT_MISMATCHED] = "mismatched"};

    return names[effect];
}

enum event_type order_event_type(enum order_status status)
{
    static const uint8_t types[ORDER_STATUS_COUNT] = {
        [ORDER_NONE] = EVENT_TYPE_COUNT,
        [ORDER_PENDING] = EVENT_ORDER_CREATED,
        [ORDER_CONFIRMED] = EVENT_ORDER_CONFIRMED,
        [ORDER_FULFILLING] = EVENT_ORDER_FULFILLING,
        [ORDER_SHIPPED] = EVENT_ORDER_SHIPPED,
        [ORDER_DELIVERED] = EVENT_ORDER_DELIVERED,
        [ORDER_CANCELLED] = EVENT_ORDER_CANCELLED,
        [ORDER_EXPIRED] = EVENT_ORDER_EXPIRED,
        [ORDER_PAYMENT_FAILED] = EVENT_ORDER_PAYMENT_FAILED,
        [ORDER_PARTIALLY_REFUNDED] = EVENT_ORDER_REFUNDED,
        [ORDER_REFUNDED] = EVENT_ORDER_REFUNDED,
    };

    assert(status != ORDER_NONE && status < ORDER_STATUS_COUNT);
    return (enum event_type)types[status];
}
