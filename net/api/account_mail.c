/* SPDX-License-Identifier: Apache-2.0 */
#include "api/account_mail.h"

#include <stdio.h>
#include <string.h>

#include "api/password.h"
#include "api/private_data.h"
#include "api/render.h"

static void write_member(struct writer *writer, const char *name, const char *value)
{
    if (value == NULL)
        return;
    write_literal(writer, ",\"");
    write_text(writer, name);
    write_literal(writer, "\":");
    write_json_string(writer, value, strlen(value));
}

/* The first character and the domain: enough to know one's own. */
static void mask(const char *address, char masked_out[EMAIL_LENGTH_MAX + 8])
{
    const char *at = strrchr(address, '@');
    size_t first = 1;

    while (((unsigned char)address[first] & 0xc0) == 0x80)
        first++;
    snprintf(masked_out, EMAIL_LENGTH_MAX + 8, "%.*s***%s", (int)first, address,
             at == NULL ? "" : at);
}

bool account_mail_put(const struct engine *engine, const struct principal *account,
                      const struct account_key_record *key, const struct account_mail *mail,
                      struct account_envelope *envelope)
{
    /* Every byte of an address may need six: it does not, but then it is refused, not cut. */
    char text[6 * 2 * (EMAIL_LENGTH_MAX + 8) + 256];
    char masked[EMAIL_LENGTH_MAX + 8];
    struct writer writer = writer_fixed(text, sizeof(text));

    write_literal(&writer, "{\"to\":");
    write_json_string(&writer, mail->to, strlen(mail->to));
    write_member(&writer, "token", mail->token);
    if (mail->new_email != NULL) {
        mask(mail->new_email, masked);
        write_member(&writer, "new_email", masked);
    }
    write_member(&writer, "role", mail->role);
    write_byte(&writer, '}');
    envelope->mail_template = (uint8_t)mail->kind;
    envelope->sealed_mail_length =
        (uint16_t)private_seal(engine, account, key, PRIVATE_MAIL, text, writer_length(&writer),
                               envelope->sealed_mail, sizeof(envelope->sealed_mail));
    password_wipe(text, sizeof(text));
    return envelope->sealed_mail_length > 0;
}

bool account_mail_open(const struct engine *engine, const struct principal *account,
                       const struct account_key_record *key, const uint8_t *sealed, size_t length,
                       char text_out[ACCOUNT_MAIL_TEXT_MAX + 1], size_t *length_out)
{
    return private_open(engine, account, key, PRIVATE_MAIL, sealed, length, text_out,
                        ACCOUNT_MAIL_TEXT_MAX + 1, length_out);
}
