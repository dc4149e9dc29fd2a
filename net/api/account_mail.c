/* SPDX-License-Identifier: Apache-2.0 */
#include "api/account_mail.h"

#include <string.h>

#include "api/password.h"
#include "api/private_data.h"
#include "outbound/mail_payload.h"

static void copy(char *target, size_t size, const char *text)
{
    size_t length = text == NULL ? 0 : strlen(text);

    if (length >= size)
        length = 0;
    if (length > 0)
        memcpy(target, text, length);
    target[length] = '\0';
}

bool account_mail_put(const struct flow *flow, const struct account_mail *mail,
                      struct account_envelope *envelope)
{
    return account_mail_put_under(flow, &flow->key, mail, envelope);
}

bool account_mail_put_under(const struct flow *flow, const struct account_key_record *key,
                            const struct account_mail *mail, struct account_envelope *envelope)
{
    struct mail_payload payload = {.valid_for_s = (uint32_t)(mail->lifetime_ms / 1000)};
    uint8_t bytes[MAIL_PAYLOAD_MAX];

    copy(payload.to, sizeof(payload.to), mail->to);
    copy(payload.token, sizeof(payload.token), mail->token);
    copy(payload.role, sizeof(payload.role), mail->role);
    if (mail->new_email != NULL)
        mail_address_mask(mail->new_email, payload.new_email);
    size_t length = mail_payload_write(&payload, bytes);
    envelope->mail = private_row_draw(flow->shard->shard);
    envelope->mail_template = (uint8_t)mail->kind;
    envelope->sealed_mail_length = (uint16_t)private_seal(
        flow->shard->api->engine, &flow->account, key, private_mail(envelope->mail), bytes, length,
        envelope->sealed_mail, sizeof(envelope->sealed_mail));
    password_wipe(&payload, sizeof(payload));
    password_wipe(bytes, sizeof(bytes));
    return envelope->sealed_mail_length > 0;
}

bool account_mail_open(const struct engine *engine, const struct principal *account,
                       const struct account_key_record *key, uint64_t number, const uint8_t *sealed,
                       size_t length, struct mail_payload *payload_out)
{
    char plain[SEALED_MAIL_MAX + 1];
    size_t plain_length;
    bool is_open = private_open(engine, account, key, private_mail(number), sealed, length, plain,
                                sizeof(plain), &plain_length) &&
                   mail_payload_read((const uint8_t *)plain, plain_length, payload_out);

    password_wipe(plain, sizeof(plain));
    return is_open;
}
