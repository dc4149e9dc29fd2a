/* SPDX-License-Identifier: Apache-2.0 */
/* A mail on its way into an account's outbox: what its template is filled with
 * (net/outbound/mail_payload.h), sealed under the account's key and for the mail's number. */
#ifndef STAMPEDE_API_ACCOUNT_MAIL_H
#define STAMPEDE_API_ACCOUNT_MAIL_H

#include "api/flow.h"
#include "outbound/mail_payload.h"

struct account_mail {
    enum mail_kind kind;
    const char *to;
    const char *token;     /* or NULL */
    const char *new_email; /* in clear: masked here; or NULL */
    const char *role;      /* or NULL */
    int64_t lifetime_ms;   /* of the token */
};

/* Puts a new mail to the flow's account into the envelope. False: it could not be sealed. The
 * shard's thread. */
bool account_mail_put(const struct flow *flow, const struct account_mail *mail,
                      struct account_envelope *envelope);
/* The same, sealed under another key than the account's. */
bool account_mail_put_under(const struct flow *flow, const struct account_key_record *key,
                            const struct account_mail *mail, struct account_envelope *envelope);

/* Opens what stands in the record of the account's mail of this number. False: it is not what was
 * sealed for it. Wipe the payload. Any thread. */
bool account_mail_open(const struct engine *engine, const struct principal *account,
                       const struct account_key_record *key, uint64_t number, const uint8_t *sealed,
                       size_t length, struct mail_payload *payload_out);

/* How long the tokens in mails are good. */
enum {
    TOKEN_VERIFY_MS = 24 * 3600 * 1000,
    TOKEN_RESET_MS = 10 * 60 * 1000, /* ASVS 5.0, 6.5.5: at most ten minutes */
    TOKEN_CHANGE_EMAIL_MS = 24 * 3600 * 1000,
    TOKEN_INVITE_MS = 7 * 24 * 3600 * 1000,
};

#endif
