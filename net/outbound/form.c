/* SPDX-License-Identifier: Apache-2.0 */
#include "outbound/form.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static void put(struct form *form, const char *bytes, size_t length)
{
    if (form->length + length <= form->size)
        memcpy(form->target + form->length, bytes, length);
    form->length += length;
}

void form_put(struct form *form, const char *name, const char *value, size_t length)
{
    static const char unreserved[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";
    char code[4];

    put(form, "&", form->length == 0 ? 0 : 1);
    put(form, name, strlen(name));
    put(form, "=", 1);
    for (size_t i = 0; i < length; i++) {
        if (value[i] != 0 && strchr(unreserved, value[i]) != NULL) {
            put(form, &value[i], 1);
        } else {
            snprintf(code, sizeof(code), "%%%02X", (unsigned char)value[i]);
            put(form, code, 3);
        }
    }
}

void form_put_text(struct form *form, const char *name, const char *text)
{
    form_put(form, name, text, strlen(text));
}

void form_put_number(struct form *form, const char *name, int64_t number)
{
    char digits[24];

    snprintf(digits, sizeof(digits), "%" PRId64, number);
    form_put_text(form, name, digits);
}

bool form_is_whole(const struct form *form)
{
    return form->length <= form->size;
}
