/* SPDX-License-Identifier: Apache-2.0 */
#include "base64url.h"

#include <assert.h>

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

static int digit_value(char digit)
{
    if (digit >= 'A' && digit <= 'Z')
        return digit - 'A';
    if (digit >= 'a' && digit <= 'z')
        return digit - 'a' + 26;
    if (digit >= '0' && digit <= '9')
        return digit - '0' + 52;
    if (digit == '-')
        return 62;
    return digit == '_' ? 63 : -1;
}

void base64url_encode(const uint8_t *bytes, size_t length, char *text_out)
{
    assert(length % 3 == 0);
    for (size_t i = 0; i < length; i += 3) {
        uint32_t three = (uint32_t)bytes[i] << 16 | (uint32_t)bytes[i + 1] << 8 | bytes[i + 2];

        for (int shift = 18; shift >= 0; shift -= 6)
            *text_out++ = alphabet[three >> shift & 63];
    }
    *text_out = '\0';
}

bool base64url_decode(const char *text, size_t length, uint8_t *bytes_out)
{
    assert(length % 3 == 0);
    for (size_t i = 0; i < length; i += 3, text += 4) {
        uint32_t three = 0;

        for (unsigned j = 0; j < 4; j++) {
            int value = digit_value(text[j]);

            if (value < 0)
                return false;
            three = three << 6 | (uint32_t)value;
        }
        bytes_out[i] = (uint8_t)(three >> 16);
        bytes_out[i + 1] = (uint8_t)(three >> 8);
        bytes_out[i + 2] = (uint8_t)three;
    }
    return true;
}
