/* SPDX-License-Identifier: Apache-2.0 */
#include "psp_form.h"

#include <string.h>

static int hexadecimal(char digit)
{
    if (digit >= '0' && digit <= '9')
        return digit - '0';
    if (digit >= 'a' && digit <= 'f')
        return digit - 'a' + 10;
    if (digit >= 'A' && digit <= 'F')
        return digit - 'A' + 10;
    return -1;
}

/* Decodes to `target`, with a terminator; the length, or -1. */
static ptrdiff_t decode(const char *text, size_t length, char *target)
{
    size_t written = 0;

    for (size_t i = 0; i < length; i++) {
        char byte = text[i];

        if (byte == '+') {
            byte = ' ';
        } else if (byte == '%') {
            int high = i + 2 < length ? hexadecimal(text[i + 1]) : -1;
            int low = i + 2 < length ? hexadecimal(text[i + 2]) : -1;

            if (high < 0 || low < 0)
                return -1;
            byte = (char)(high << 4 | low);
            i += 2;
        }
        if (byte == 0)
            return -1;
        target[written++] = byte;
    }
    target[written] = 0;
    return (ptrdiff_t)written;
}

/* Of the character that begins here, in bytes; 0: none does. RFC 3629: shortest forms only, no
 * surrogates, at most U+10FFFF. */
static size_t character_length(const unsigned char *at, size_t left)
{
    unsigned lead = at[0];
    size_t length = lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
    unsigned least = lead == 0xe0 ? 0xa0 : lead == 0xf0 ? 0x90 : 0x80; /* of the second byte */
    unsigned most = lead == 0xed ? 0x9f : lead == 0xf4 ? 0x8f : 0xbf;

    if ((lead >= 0x80 && lead < 0xc2) || lead > 0xf4 || length > left)
        return 0;
    if (length > 1 && (at[1] < least || at[1] > most))
        return 0;
    for (size_t i = 2; i < length; i++) {
        if (at[i] < 0x80 || at[i] > 0xbf)
            return 0;
    }
    return length;
}

size_t psp_utf8_length(const char *text, size_t length)
{
    size_t valid = 0;

    while (valid < length) {
        size_t character = character_length((const unsigned char *)text + valid, length - valid);

        if (character == 0)
            break;
        valid += character;
    }
    return valid;
}

static bool is_utf8(const char *text, size_t length)
{
    return psp_utf8_length(text, length) == length;
}

/* base, or base[key]...: brackets in pairs, one behind the other, none within another. */
static bool is_name(const char *name)
{
    size_t base = psp_form_base_length(name);

    if (base == 0 || memchr(name, ']', base) != NULL)
        return false;
    for (const char *at = name + base; *at != 0;) {
        size_t key;

        if (*at != '[')
            return false;
        key = strcspn(at + 1, "[]");
        if (at[1 + key] != ']')
            return false;
        at += key + 2;
    }
    return true;
}

size_t psp_form_base_length(const char *name)
{
    return strcspn(name, "[");
}

enum psp_form_result psp_form_read(struct psp_form *form, const char *text, size_t length,
                                   char *memory, size_t memory_size)
{
    const char *end;

    if (length >= memory_size)
        return PSP_FORM_TOO_LARGE;
    if (length == 0) /* of nothing: `text` may be NULL */
        return PSP_FORM_READ;
    end = text + length;
    while (text < end) {
        const char *stop = memchr(text, '&', (size_t)(end - text));
        const char *equals;
        ptrdiff_t name_length, value_length;
        char *name = memory;

        if (stop == NULL)
            stop = end;
        if (stop == text) {
            text++;
            continue;
        }
        equals = memchr(text, '=', (size_t)(stop - text));
        if (equals == NULL)
            equals = stop;
        name_length = decode(text, (size_t)(equals - text), name);
        if (name_length < 0 || !is_utf8(name, (size_t)name_length))
            return PSP_FORM_MALFORMED;
        memory += name_length + 1;
        /* A pair without "=" takes the byte of its "&" (or the one spare byte at the end) for its
         * name's terminator, and shares it as its empty value. */
        if (equals == stop) {
            value_length = 0;
        } else {
            value_length = decode(equals + 1, (size_t)(stop - equals - 1), memory);
            if (value_length < 0 || !is_utf8(memory, (size_t)value_length))
                return PSP_FORM_MALFORMED;
        }
        if (!is_name(name))
            return PSP_FORM_MALFORMED;
        if (name_length > PSP_FORM_NAME_MAX || form->count == PSP_FORM_PAIRS_MAX)
            return PSP_FORM_TOO_LARGE;
        form->pairs[form->count++] = (struct psp_pair){
            .name = name,
            .value = equals == stop ? name + name_length : memory,
        };
        if (equals != stop)
            memory += value_length + 1;
        text = stop < end ? stop + 1 : end;
    }
    return PSP_FORM_READ;
}

const char *psp_form_get(const struct psp_form *form, const char *name)
{
    for (uint32_t i = form->count; i > 0; i--) {
        if (strcmp(form->pairs[i - 1].name, name) == 0)
            return form->pairs[i - 1].value;
    }
    return NULL;
}

bool psp_form_is_member(const char *name, const char *parent, const char **key_out,
                        size_t *key_length_out)
{
    size_t length = strlen(parent);

    if (strncmp(name, parent, length) != 0 || name[length] != '[')
        return false;
    *key_out = name + length + 1;
    *key_length_out = strcspn(*key_out, "]");
    return (*key_out)[*key_length_out + 1] == 0;
}

void psp_form_sort(struct psp_form *form)
{
    for (uint32_t i = 1; i < form->count; i++) {
        struct psp_pair pair = form->pairs[i];
        uint32_t at = i;

        for (; at > 0 && strcmp(form->pairs[at - 1].name, pair.name) > 0; at--)
            form->pairs[at] = form->pairs[at - 1];
        form->pairs[at] = pair;
    }
}

bool psp_form_integer(const char *text, int64_t *number_out)
{
    bool is_negative = text[0] == '-';
    int64_t number = 0;
    size_t digits = strspn(text + is_negative, "0123456789");

    if (digits == 0 || digits > 18 || text[is_negative + digits] != 0)
        return false;
    for (size_t i = 0; i < digits; i++)
        number = number * 10 + (text[is_negative + i] - '0');
    *number_out = is_negative ? -number : number;
    return true;
}
