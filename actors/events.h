/* SPDX-License-Identifier: Apache-2.0 */
/* What the shop tells the outside (webhooks, the feed), as one table: the name in code and the type
 * on the wire. Numbers are stored: as a bit in a webhook endpoint's filter, and with each event.
 * Rows are added at the end only. */
#ifndef STAMPEDE_EVENTS_H
#define STAMPEDE_EVENTS_H

#include <stddef.h>
#include <stdint.h>

#define EVENT_TYPES(X)                                                                             \
    X(ORDER_CREATED, "order.created")                                                              \
    X(ORDER_CONFIRMED, "order.confirmed")                                                          \
    X(ORDER_PAYMENT_FAILED, "order.payment_failed")                                                \
    X(ORDER_CANCELLED, "order.cancelled")                                                          \
    X(ORDER_EXPIRED, "order.expired")                                                              \
    X(ORDER_FULFILLING, "order.fulfilling")                                                        \
    X(ORDER_SHIPPED, "order.shipped")                                                              \
    X(ORDER_DELIVERED, "order.delivered")                                                          \
    X(ORDER_REFUNDED, "order.refunded") /* in part or in full */                                   \
    X(INVENTORY_SOLD_OUT, "inventory.sold_out")                                                    \
    X(ENDPOINT_TEST, "endpoint.test")

enum event_type {
#define X(name, text) EVENT_##name,
    EVENT_TYPES(X)
#undef X
        EVENT_TYPE_COUNT
};

/* A set of types is bits 1 << enum event_type. */
_Static_assert(EVENT_TYPE_COUNT <= 32, "a set of events has 32 bits");
#define EVENT_SET_ALL ((uint32_t)((1ULL << EVENT_TYPE_COUNT) - 1))

/* The type on the wire; a static string. */
const char *event_type_name(enum event_type type);

/* The type of this name, or EVENT_TYPE_COUNT. */
enum event_type event_type_find(const char *text, size_t length);

#endif
