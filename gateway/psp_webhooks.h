/* SPDX-License-Identifier: Apache-2.0 */
/* Events to the webhook: signed, in the order of each payment, repeated with growing pauses until
 * the answer is 2xx, and misdelivered as far as misbehaviour is asked for. Bounded; the loop's
 * thread, with the requests themselves on net/outbound's. */
#ifndef STAMPEDE_PSP_WEBHOOKS_H
#define STAMPEDE_PSP_WEBHOOKS_H

#include <uv.h>

#include "psp_books.h"
#include "psp_misbehave.h"

struct psp_webhooks_options {
    const char *url;
    const char *const *secrets; /* whsec_...; each gives a signature: two while one is replaced */
    uint32_t secret_count;      /* at least 1 */
    const char *base_url;       /* of this server */
    const struct psp_misbehaviour *misbehaviour; /* may change while it runs */
    int64_t (*wall_ms)(void *user);
    void *user;
    void (*on_change)(void *user); /* the ledger has an entry to be flushed */
};

struct psp_webhooks_counts {
    uint64_t delivered; /* forged and repeated ones too */
    uint64_t failed;    /* attempts */
    uint64_t given_up;
    uint64_t lost; /* on purpose */
    uint64_t dropped;
    uint64_t waiting;
};

struct psp_webhooks;

/* What waits from earlier runs is sent as well. The options' texts must outlive it. NULL with a
 * line in `error`. */
struct psp_webhooks *psp_webhooks_create(uv_loop_t *loop, struct psp_books *books,
                                         const struct psp_webhooks_options *options, char *error,
                                         size_t error_size);

/* Sends what has come since; call it when the ledger was flushed. */
void psp_webhooks_notice(struct psp_webhooks *webhooks);

struct psp_webhooks_counts psp_webhooks_count(const struct psp_webhooks *webhooks);

/* Ends what is under way, and closes its handles on the loop, which must run once more before
 * psp_webhooks_free. */
void psp_webhooks_close(struct psp_webhooks *webhooks);
void psp_webhooks_free(struct psp_webhooks *webhooks);

enum { PSP_SIGNATURE_TEXT = 65 };
/* The v1 of Stripe-Signature: HMAC-SHA-256 in hexadecimal of "t.body" under the whole secret. */
void psp_webhook_sign(const char *secret, int64_t time_s, const char *body, size_t length,
                      char text_out[PSP_SIGNATURE_TEXT]);

#endif
