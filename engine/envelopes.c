/* SPDX-License-Identifier: Apache-2.0 */
/* What rides with a message and is larger than one: made and freed; which message carries which. */
#include <stdlib.h>
#include <string.h>

#include "engine_private.h"

struct product_envelope *product_envelope_create(uint32_t document_length)
{
    struct product_envelope *envelope = calloc(1, sizeof(*envelope) + document_length);

    assert(document_length <= PRODUCT_DOCUMENT_BYTES_MAX);
    if (envelope != NULL)
        envelope->document_length = document_length;
    return envelope;
}

struct product_envelope *product_envelope_grow(struct product_envelope *envelope, uint32_t left_out)
{
    size_t used = (size_t)((char *)product_left_out(envelope) - (char *)envelope);

    return realloc(envelope, used + left_out * sizeof(struct left_out));
}

struct account_envelope *account_envelope_create(enum account_call call)
{
    struct account_envelope *envelope = calloc(1, sizeof(*envelope));

    if (envelope != NULL)
        envelope->call = (uint8_t)call;
    return envelope;
}

struct order_envelope *order_envelope_create(enum order_call call)
{
    struct order_envelope *envelope = malloc(sizeof(*envelope));

    if (envelope == NULL)
        return NULL;
    memset(envelope, 0,
           offsetof(struct order_envelope, text)); /* of which only what is set counts */
    envelope->call = (uint8_t)call;
    return envelope;
}

struct coupon_envelope *coupon_envelope_create(enum coupon_call call)
{
    struct coupon_envelope *envelope = calloc(1, sizeof(*envelope));

    if (envelope != NULL)
        envelope->call = (uint8_t)call;
    return envelope;
}

struct settings_envelope *settings_envelope_create(enum settings_call call, enum setting_kind kind)
{
    struct settings_envelope *envelope = calloc(1, sizeof(*envelope));

    if (envelope != NULL) {
        envelope->call = (uint8_t)call;
        envelope->kind = (uint8_t)kind;
    }
    return envelope;
}

void envelope_free(void *envelope)
{
    free(envelope);
}

static void free_coupon_envelope_of(const struct message *message)
{
    if (message->type == MESSAGE_COUPON_GET || message->type == MESSAGE_COUPON_PUT)
        envelope_free(message->coupon.envelope);
    else if (message->type == MESSAGE_REPLY && (message->reply.answers == MESSAGE_COUPON_GET ||
                                                message->reply.answers == MESSAGE_COUPON_PUT))
        envelope_free(message->reply.coupon);
    else if (message->type == MESSAGE_REPLY && message->reply.answers == MESSAGE_COUPON_LIST)
        envelope_free(message->reply.coupons);
}

void envelope_free_of(const struct message *message)
{
    if (message->type == MESSAGE_PRODUCT_SUBMIT || message->type == MESSAGE_PRODUCT_PUT ||
        message->type == MESSAGE_PRODUCT_DONE)
        envelope_free(message->product.envelope);
    else if (message->type == MESSAGE_ACCOUNT)
        envelope_free(message->account.envelope);
    else if (message->type == MESSAGE_ORDER)
        envelope_free(message->order.envelope);
    else if (message->type == MESSAGE_REPLY && message->reply.answers == MESSAGE_ORDER)
        envelope_free(message->reply.order);
    else if (message->type == MESSAGE_SETTINGS)
        envelope_free(message->settings.envelope);
    else if (message->type == MESSAGE_REPLY && message->reply.answers == MESSAGE_SETTINGS)
        envelope_free(message->reply.settings);
    else if (message->type == MESSAGE_REPLY && message->reply.answers == MESSAGE_HOLD_LIST)
        envelope_free(message->reply.list);
    else if (message->type == MESSAGE_REPLY && message->reply.answers == MESSAGE_ACCOUNT)
        envelope_free(message->reply.account);
    else
        free_coupon_envelope_of(message);
}
