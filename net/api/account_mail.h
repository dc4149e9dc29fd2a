/* SPDX-License-Identifier: Apache-2.0 */
/* A mail on its way into an account's outbox: what its template is filled with
 * (net/outbound/mail_payload.h), sealed under the account's key. Pure but for the vault; any
 * thread. */
#ifndef STAMPEDE_API_ACCOUNT_MAIL_H
#define STAMPEDE_API_ACCOUNT_MAIL_H

#include "engine.h"
#include "outbound/mail_payload.h"

struct account_mail {
    enum mail_kind kind;
    const char *to;
    const char *token;     /* or NULL */
    const char *new_email; /* in clear: masked here; or NULL */
    const char *role;      /* or NULL */
    int64_t lifetime_ms;   /* of the token */
};

/* Puts the mail into the envelope. False: it could not be sealed, or its address is none. */
bool account_mail_put(const struct engine *engine, const struct principal *account,
                      const struct account_key_record *key, const struct account_mail *mail,
                      struct account_envelope *envelope);

/* Opens what stands in a mail's record. False: it is not what was sealed for this account. Wipe
 * the payload. */
bool account_mail_open(const struct engine *engine, const struct principal *account,
                       const struct account_key_record *key, const uint8_t *sealed, size_t length,
                       struct mail_payload *payload_out);

/* How long the tokens in mails are good. */
enum {
    TOKEN_VERIFY_MS = 24 * 3600 * 1000,
    TOKEN_RESET_MS = 10 * 60 * 1000, /* ASVS 5.0, 6.5.5: at most ten minutes */
    TOKEN_CHANGE_EMAIL_MS = 24 * 3600 * 1000,
    TOKEN_INVITE_MS = 7 * 24 * 3600 * 1000,
};

#endif
