/* SPDX-License-Identifier: Apache-2.0 */
/* What a journey asks, and how an amount is read from what comes back. */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "load_admin.h"
#include "load_journey.h"

const char *load_journey_call_name(enum load_journey_call call)
{
    static const char *const names[] = {
        [LOAD_JOURNEY_CART] = "cart",
        [LOAD_JOURNEY_CHECKOUT] = "checkout",
        [LOAD_JOURNEY_PAY] = "pay",
        [LOAD_JOURNEY_LOOK] = "look",
    };
    return names[call];
}

/* ---- requests ---- */

/* Sets the quantity where the cart may have some already, and adds where it cannot. */
static int cart_render(const struct load_journeys *journeys, const struct load_journey *journey,
                       const char *head, int head_length, char *target)
{
    const struct load_sku *sku = &journeys->skus->rows[journey->sku];
    char body[32];
    char encoded[LOAD_SKU_BYTES_MAX * 3 + 4];
    int length = snprintf(body, sizeof body, "{\"quantity\":%u}", journeys->skus->quantity);
    if (journeys->carts[journey->buyer] == 0) {
        return snprintf(target, LOAD_CLIENT_REQUEST_BYTES_MAX,
                        "POST /v1/cart/items HTTP/1.1\r\n%.*s%.*s", head_length, head,
                        (int)sku->tail_length, sku->tail);
    }
    load_percent_encode(sku->name, encoded, sizeof encoded);
    return snprintf(target, LOAD_CLIENT_REQUEST_BYTES_MAX,
                    "PATCH /v1/cart/items/%s HTTP/1.1\r\n%.*sContent-Length: %d\r\n\r\n%s", encoded,
                    head_length, head, length, body);
}

static int look_render(const struct load_journey *journey, const char *head, int head_length,
                       char *target)
{
    return snprintf(target, LOAD_CLIENT_REQUEST_BYTES_MAX, "GET /v1/orders/%s HTTP/1.1\r\n%.*s\r\n",
                    journey->order_id, head_length, head);
}

static int pay_render(const struct load_journey *journey, const char *head, int head_length,
                      char *target)
{
    char body[LOAD_ID_BYTES_MAX + 64];
    int length =
        snprintf(body, sizeof body, "{\"order_id\":\"%s\",\"payment_method\":\"pm_card_visa\"}",
                 journey->order_id);
    return snprintf(target, LOAD_CLIENT_REQUEST_BYTES_MAX,
                    "POST /v1/payments/confirm HTTP/1.1\r\n%.*sContent-Length: %d\r\n\r\n%s",
                    head_length, head, length, body);
}

static int checkout_render(const struct load_journeys *journeys, uint32_t row, const char *head,
                           int head_length, char *target)
{
    return snprintf(target, LOAD_CLIENT_REQUEST_BYTES_MAX,
                    "POST /v1/checkout HTTP/1.1\r\n%.*sIdempotency-Key: %08x-%08x\r\n"
                    "Content-Length: %zu\r\n\r\n%s",
                    head_length, head, journeys->nonce, row, journeys->address_length,
                    journeys->address);
}

size_t load_journey_render(void *context, uint64_t tag, char *target)
{
    struct load_journeys *journeys = context;
    uint32_t row = load_tag_row(tag);
    struct load_journey *journey = &journeys->rows[row];
    struct load_text bearer = load_buyers_header(journeys->buyers, journey->buyer);
    char head[LOAD_HOST_BYTES_MAX + LOAD_TOKEN_BYTES_MAX + 128];
    int length = 0;
    int head_length =
        snprintf(head, sizeof head, "Host: %s\r\nContent-Type: application/json\r\n%.*s",
                 journeys->options->authority, (int)bearer.length, bearer.data);
    assert(head_length > 0 && (size_t)head_length < sizeof head);
    journey->tries++;
    journeys->calls[journey->call].requests++;
    switch ((enum load_journey_call)journey->call) {
    case LOAD_JOURNEY_CART:
        length = cart_render(journeys, journey, head, head_length, target);
        break;
    case LOAD_JOURNEY_CHECKOUT:
        length = checkout_render(journeys, row, head, head_length, target);
        break;
    case LOAD_JOURNEY_PAY:
        length = pay_render(journey, head, head_length, target);
        break;
    case LOAD_JOURNEY_LOOK:
        length = look_render(journey, head, head_length, target);
        break;
    case LOAD_JOURNEY_CALLS:
        break;
    }
    assert(length > 0 && length < LOAD_CLIENT_REQUEST_BYTES_MAX);
    return (size_t)length;
}

static_assert(LOAD_HOST_BYTES_MAX + LOAD_TOKEN_BYTES_MAX + 128 + 384 + 3 * LOAD_SKU_BYTES_MAX +
                      128 <=
                  LOAD_CLIENT_REQUEST_BYTES_MAX,
              "every request fits the room that the client gives it");

/* ---- amounts ---- */

bool load_journey_find_minor(const char *body, size_t length, const char *object, const char *name,
                             int64_t *value_out)
{
    char wanted[64];
    int wanted_length = snprintf(wanted, sizeof wanted, "\"%s\":{", object);
    const char *end = body + length;
    const char *at = memmem(body, length, wanted, (size_t)wanted_length);
    if (at == NULL) {
        return false;
    }
    const char *close = memchr(at, '}', (size_t)(end - at));
    wanted_length = snprintf(wanted, sizeof wanted, "\"%s_minor\":", name);
    at = close != NULL ? memmem(at, (size_t)(close - at), wanted, (size_t)wanted_length) : NULL;
    if (at == NULL) {
        return false;
    }
    at += wanted_length;
    int64_t value = 0;
    const char *first = at;
    while (*at >= '0' && *at <= '9' && value < INT64_MAX / 100) { /* `}` ends it */
        value = value * 10 + (*at++ - '0');
    }
    if (at == first) {
        return false;
    }
    *value_out = value;
    return true;
}
