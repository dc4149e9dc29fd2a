/* SPDX-License-Identifier: Apache-2.0 */
#include "api/account_mail.h"

#include <stdio.h>
#include <string.h>

#include "api/password.h"
#include "api/private_data.h"

/* The first character and the domain: enough to know one's own. */
static void mask(const char *address, char masked_out[MAIL_ADDRESS_MAX + 1])
{
    const char *at = strrchr(address, '@');
    size_t first = 1;

    while (((unsigned char)address[first] & 0xc0) == 0x80)
        first++;
    snprintf(masked_out, MAIL_ADDRESS_MAX + 1, "%.*s***%s", (int)first, address,
             at == NULL ? "" : at);
}

static uint32_t valid_for_s(enum mail_kind kind)
{
    switch (kind) {
    case MAIL_VERIFY_EMAIL:
        return TOKEN_VERIFY_MS / 1000;
    case MAIL_RESET_PASSWORD:
        return TOKEN_RESET_MS / 1000;
    case MAIL_STAFF_INVITATION:
        return TOKEN_INVITE_MS / 1000;
    case MAIL_EMAIL_CHANGED:
    case MAIL_PASSWORD_CHANGED:
    case MAIL_ACCOUNT_DELETED:
    case MAIL_ALREADY_REGISTERED:
    case MAIL_KIND_COUNT:
    default:
        return 0;
    }
}

static bool fill(const struct account_mail *mail, struct mail_payload *payload_out)
{
    const char *token = mail->token == NULL ? "" : mail->token;
    const char *role = mail->role == NULL ? "" : mail->role;

    memset(payload_out, 0, sizeof(*payload_out));
    if (!mail_address_is_valid(mail->to, strlen(mail->to)) || strlen(token) > MAIL_TOKEN_MAX ||
        strlen(role) > MAIL_ROLE_MAX)
        return false;
    memcpy(payload_out->to, mail->to, strlen(mail->to));
    memcpy(payload_out->token, token, strlen(token));
    memcpy(payload_out->role, role, strlen(role));
    if (mail->new_email != NULL)
        mask(mail->new_email, payload_out->new_email);
    payload_out->valid_for_s = valid_for_s(mail->kind);
    return true;
}

bool account_mail_put(const struct engine *engine, const struct principal *account,
                      const struct account_key_record *key, const struct account_mail *mail,
                      struct account_envelope *envelope)
{
    uint8_t bytes[MAIL_PAYLOAD_MAX];
    struct mail_payload payload;

    envelope->mail_template = (uint8_t)mail->kind;
    envelope->sealed_mail_length = 0;
    if (!fill(mail, &payload))
        return false;
    envelope->sealed_mail_length = (uint16_t)private_seal(
        engine, account, key, PRIVATE_MAIL, bytes, mail_payload_write(&payload, bytes),
        envelope->sealed_mail, sizeof(envelope->sealed_mail));
    password_wipe(bytes, sizeof(bytes));
    password_wipe(&payload, sizeof(payload));
    return envelope->sealed_mail_length > 0;
}

bool account_mail_open(const struct engine *engine, const struct principal *account,
                       const struct account_key_record *key, const uint8_t *sealed, size_t length,
                       struct mail_payload *payload_out)
{
    char plain[SEALED_MAIL_MAX + 1];
    size_t plain_length;
    bool is_open = private_open(engine, account, key, PRIVATE_MAIL, sealed, length, plain,
                                sizeof(plain), &plain_length) &&
                   mail_payload_read((const uint8_t *)plain, plain_length, payload_out);

    password_wipe(plain, sizeof(plain));
    return is_open;
}
