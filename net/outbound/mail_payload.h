/* SPDX-License-Identifier: Apache-2.0 */
/* What a mail's record holds, in clear: to whom, and what its template is filled with. Whoever
 * enqueues a mail writes one, seals it under the customer's key and for its number
 * (api/private_data.h) and gives it to a call of the account's actor:
 *
 *     struct mail_payload payload = {.to = …, .token = …, .valid_for_s = 24 * 3600};
 *     uint8_t bytes[MAIL_PAYLOAD_MAX];
 *     size_t length = mail_payload_write(&payload, bytes);
 *     envelope->mail_template = MAIL_VERIFY_EMAIL;
 *     envelope->mail = private_row_draw(…);
 *     envelope->sealed_mail_length = private_seal(…, private_mail(envelope->mail), bytes, length,
 *                                                 envelope->sealed_mail, SEALED_MAIL_MAX);
 *
 * A link is made when the mail leaves (mail_link), so that it follows the shop's address.
 *
 * Bytes: version (1), then fields: number, length (16 bits, big-endian), bytes. Numbers are stored
 * and never change their meaning; a reader passes over those that it does not know. */
#ifndef STAMPEDE_MAIL_PAYLOAD_H
#define STAMPEDE_MAIL_PAYLOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "outbound/templates.h"

enum {
    MAIL_TOKEN_MAX = 100,
    MAIL_ROLE_MAX = 32,
    /* Longest payload; sealed, it fits SEALED_MAIL_MAX (shop_limits.h). */
    MAIL_PAYLOAD_MAX = 1 + 5 * 3 + 2 * MAIL_ADDRESS_MAX + MAIL_TOKEN_MAX + MAIL_ROLE_MAX + 4,
    MAIL_LINK_MAX = 600,
    MAIL_VALID_FOR_MAX = 32,
    MAIL_PUBLIC_URL_MAX = 400,
};

/* Texts are empty (0: none) where the mail's template has no use for them. */
struct mail_payload {
    char to[MAIL_ADDRESS_MAX + 1];        /* valid (mail.h) */
    char token[MAIL_TOKEN_MAX + 1];       /* of one use: letters, digits, - and _ */
    char new_email[MAIL_ADDRESS_MAX + 1]; /* EMAIL_CHANGED: as it is to be shown, masked */
    char role[MAIL_ROLE_MAX + 1];         /* STAFF_INVITATION: as it is to be shown */
    uint32_t valid_for_s;                 /* the token's life */
};

/* Writes the payload; its length. Texts must be as above: the caller has checked the address. */
size_t mail_payload_write(const struct mail_payload *payload, uint8_t bytes_out[MAIL_PAYLOAD_MAX]);

/* False, and nothing is to be sent, if it is none of a known version or has no valid address. */
bool mail_payload_read(const uint8_t *bytes, size_t length, struct mail_payload *payload_out);

/* Where the mail's link leads: a page of the shop, with the token behind a #, which browsers send
 * to no server and in no Referer:
 *
 *     VERIFY_EMAIL       /account/verify#token=…
 *     RESET_PASSWORD     /account/reset#token=…
 *     STAFF_INVITATION   /account/invite#token=…
 *     ALREADY_REGISTERED /account/login
 *
 * `public_url` has no slash at its end. Empty for a mail without a link. */
void mail_link(enum mail_kind kind, const char *public_url, const char *token,
               char link_out[MAIL_LINK_MAX]);

/* A time in words: "24 hours", "30 minutes"; rounded down to whole units of what it has most. */
void mail_valid_for(uint32_t seconds, char words_out[MAIL_VALID_FOR_MAX]);

/* An address that tells its owner, and few others, whose it is: "j***@e***.com". */
void mail_address_mask(const char *address, char masked_out[MAIL_ADDRESS_MAX + 1]);

#endif
