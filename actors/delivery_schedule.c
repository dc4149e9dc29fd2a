/* SPDX-License-Identifier: Apache-2.0 */
/* When a webhook is tried again, what its states are called, and which records of one can be. */
#include "deliveries.h"

#include <assert.h>

#include "order_state.h"

const char *delivery_state_name(enum delivery_state state)
{
    static const char *const names[DELIVERY_STATE_COUNT] = {
#define X(name, text) [DELIVERY_##name] = text,
        DELIVERY_STATES(X)
#undef X
    };

    assert((unsigned)state < DELIVERY_STATE_COUNT);
    return names[state];
}

static bool subject_is_valid(const struct delivery_event *event)
{
    if (event->type == EVENT_INVENTORY_SOLD_OUT)
        return event->order <= UINT32_MAX;
    return event->order >= 1 || event->type == EVENT_ENDPOINT_TEST;
}

bool delivery_is_valid(const struct delivery_record *delivery)
{
    const struct delivery_event *event = &delivery->event;

    return event->type < EVENT_TYPE_COUNT && event->status < ORDER_STATUS_COUNT &&
           subject_is_valid(event) && event->amount_minor >= 0 &&
           delivery->state < DELIVERY_STATE_COUNT && delivery->attempts <= DELIVERY_ATTEMPTS_MAX &&
           delivery->response <= 999 && delivery->reason[DELIVERY_REASON_MAX] == '\0';
}

/* ---- the schedule ---- */

struct delivery_schedule delivery_schedule_default(void)
{
    enum { MINUTE_S = 60, HOUR_S = 3600 };

    return (struct delivery_schedule){.count = 10,
                                      .delays_s = {0, 5, 5 * MINUTE_S, 30 * MINUTE_S, 2 * HOUR_S,
                                                   5 * HOUR_S, 10 * HOUR_S, 14 * HOUR_S,
                                                   20 * HOUR_S, 24 * HOUR_S}};
}

bool delivery_schedule_add(struct delivery_schedule *schedule, const char *text)
{
    uint32_t seconds = 0;

    if (text[0] == '\0' || schedule->count == DELIVERY_ATTEMPTS_MAX)
        return false;
    for (; *text != '\0'; text++) {
        if (*text < '0' || *text > '9')
            return false;
        seconds = seconds * 10 + (uint32_t)(*text - '0');
        if (seconds > DELIVERY_DELAY_S_MAX)
            return false;
    }
    schedule->delays_s[schedule->count++] = seconds;
    return true;
}

int64_t delivery_delay_ms(const struct delivery_schedule *schedule, uint32_t attempts,
                          uint32_t random)
{
    int64_t delay_ms;

    if (attempts >= schedule->count)
        return 0;
    delay_ms = schedule->delays_s[attempts] * INT64_C(1000);
    delay_ms += (int64_t)(random % (uint32_t)(delay_ms / 10 + 1));
    return delay_ms > 0 ? delay_ms : 1;
}
