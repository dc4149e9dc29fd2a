/* SPDX-License-Identifier: Apache-2.0 */
#include "outbound/mail_payload.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "ports.h"

enum { PAYLOAD_VERSION = 1, FIELD_HEAD = 3 };

enum payload_field {
    FIELD_TO = 1,
    FIELD_TOKEN = 2,
    FIELD_NEW_EMAIL = 3,
    FIELD_ROLE = 4,
    FIELD_VALID_FOR = 5, /* seconds, 32 bits, big-endian */
};

_Static_assert((int)MAIL_PAYLOAD_MAX + (int)VAULT_SEAL_OVERHEAD <= (int)SEALED_MAIL_MAX,
               "a sealed payload fits a mail's record");

/* ---- writing ---- */

static size_t write_field(uint8_t *bytes, size_t at, enum payload_field field, const void *value,
                          size_t length)
{
    if (length == 0)
        return at;
    assert(at + FIELD_HEAD + length <= MAIL_PAYLOAD_MAX);
    bytes[at] = (uint8_t)field;
    bytes[at + 1] = (uint8_t)(length >> 8);
    bytes[at + 2] = (uint8_t)length;
    memcpy(bytes + at + FIELD_HEAD, value, length);
    return at + FIELD_HEAD + length;
}

size_t mail_payload_write(const struct mail_payload *payload, uint8_t bytes_out[MAIL_PAYLOAD_MAX])
{
    uint32_t valid = payload->valid_for_s;
    const uint8_t valid_bytes[4] = {(uint8_t)(valid >> 24), (uint8_t)(valid >> 16),
                                    (uint8_t)(valid >> 8), (uint8_t)valid};
    size_t at = 1;

    assert(mail_address_is_valid(payload->to, strlen(payload->to)));
    bytes_out[0] = PAYLOAD_VERSION;
    at = write_field(bytes_out, at, FIELD_TO, payload->to, strlen(payload->to));
    at = write_field(bytes_out, at, FIELD_TOKEN, payload->token, strlen(payload->token));
    at =
        write_field(bytes_out, at, FIELD_NEW_EMAIL, payload->new_email, strlen(payload->new_email));
    at = write_field(bytes_out, at, FIELD_ROLE, payload->role, strlen(payload->role));
    return write_field(bytes_out, at, FIELD_VALID_FOR, valid_bytes, valid == 0 ? 0 : 4);
}

/* ---- reading ---- */

static bool read_text(const uint8_t *bytes, size_t length, char *text_out, size_t max)
{
    if (length > max || !mail_is_text((const char *)bytes, length, ""))
        return false;
    memcpy(text_out, bytes, length);
    text_out[length] = 0;
    return true;
}

static bool read_field(unsigned field, const uint8_t *value, size_t length,
                       struct mail_payload *payload)
{
    switch (field) {
    case FIELD_TO:
        return read_text(value, length, payload->to, MAIL_ADDRESS_MAX);
    case FIELD_TOKEN:
        return read_text(value, length, payload->token, MAIL_TOKEN_MAX);
    case FIELD_NEW_EMAIL:
        return read_text(value, length, payload->new_email, MAIL_ADDRESS_MAX);
    case FIELD_ROLE:
        return read_text(value, length, payload->role, MAIL_ROLE_MAX);
    case FIELD_VALID_FOR:
        if (length != 4)
            return false;
        payload->valid_for_s = (uint32_t)value[0] << 24 | (uint32_t)value[1] << 16 |
                               (uint32_t)value[2] << 8 | value[3];
        return true;
    default:
        return true;
    }
}

bool mail_payload_read(const uint8_t *bytes, size_t length, struct mail_payload *payload_out)
{
    size_t at = 1;

    memset(payload_out, 0, sizeof(*payload_out));
    if (length < 1 || bytes[0] != PAYLOAD_VERSION)
        return false;
    while (at < length) {
        size_t field_length;

        if (length - at < FIELD_HEAD)
            return false;
        field_length = (size_t)bytes[at + 1] << 8 | bytes[at + 2];
        if (length - at - FIELD_HEAD < field_length ||
            !read_field(bytes[at], bytes + at + FIELD_HEAD, field_length, payload_out))
            return false;
        at += FIELD_HEAD + field_length;
    }
    return mail_address_is_valid(payload_out->to, strlen(payload_out->to));
}

/* ---- what a template is filled with ---- */

void mail_link(enum mail_kind kind, const char *public_url, const char *token,
               char link_out[MAIL_LINK_MAX])
{
    static const char *const pages[MAIL_KIND_COUNT] = {
        [MAIL_VERIFY_EMAIL] = "/account/verify#token=",
        [MAIL_RESET_PASSWORD] = "/account/reset#token=",
        [MAIL_STAFF_INVITATION] = "/account/invite#token=",
        [MAIL_ALREADY_REGISTERED] = "/account/login",
    };
    bool has_token = pages[kind] != NULL && strchr(pages[kind], '#') != NULL;
    int length;

    assert(strlen(public_url) <= MAIL_PUBLIC_URL_MAX && strlen(token) <= MAIL_TOKEN_MAX);
    link_out[0] = 0;
    if (pages[kind] == NULL)
        return;
    length = snprintf(link_out, MAIL_LINK_MAX, "%s%s%s", public_url, pages[kind],
                      has_token ? token : "");
    assert(length > 0 && length < MAIL_LINK_MAX);
    (void)length;
}

void mail_valid_for(uint32_t seconds, char words_out[MAIL_VALID_FOR_MAX])
{
    static const struct {
        uint32_t seconds;
        const char *name;
    } units[] = {{24 * 3600, "day"}, {3600, "hour"}, {60, "minute"}, {1, "second"}};
    size_t unit = 0;
    uint32_t count;

    /* "24 hours" says more than "1 day"; so a unit is used from two of it on. */
    while (unit + 1 < sizeof(units) / sizeof(units[0]) && seconds < 2 * units[unit].seconds)
        unit++;
    count = seconds / units[unit].seconds;
    snprintf(words_out, MAIL_VALID_FOR_MAX, "%u %s%s", count, units[unit].name,
             count == 1 ? "" : "s");
}

/* The bytes of the first character. */
static size_t first_character(const char *text)
{
    size_t bytes = 1;

    while (((unsigned char)text[bytes] & 0xc0) == 0x80)
        bytes++;
    return bytes;
}

void mail_address_mask(const char *address, char masked_out[MAIL_ADDRESS_MAX + 1])
{
    const char *at = strchr(address, '@');
    const char *dot = strrchr(address, '.');
    int length;

    masked_out[0] = 0;
    if (at == NULL || at == address || dot == NULL || dot <= at + 1)
        return;
    length =
        snprintf(masked_out, MAIL_ADDRESS_MAX + 1, "%.*s***@%.*s***%s",
                 (int)first_character(address), address, (int)first_character(at + 1), at + 1, dot);
    if (length > MAIL_ADDRESS_MAX)
        snprintf(masked_out, MAIL_ADDRESS_MAX + 1, "***@***");
}
