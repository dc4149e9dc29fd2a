/* SPDX-License-Identifier: Apache-2.0 */
#include "api/browse_text.h"

#include <string.h>

/* The code point of two bytes, folded. */
static unsigned fold_two(unsigned code)
{
    if ((code >= 0xc0 && code <= 0xde && code != 0xd7) || /* Latin-1 */
        (code >= 0x391 && code <= 0x3a9 && code != 0x3a2) || (code >= 0x410 && code <= 0x42f))
        return code + 0x20;
    if ((code >= 0x100 && code <= 0x137 && code != 0x130) || (code >= 0x14a && code <= 0x177))
        return code | 1;
    if ((code >= 0x139 && code <= 0x148) || (code >= 0x179 && code <= 0x17e))
        return code + (code & 1);
    if (code >= 0x400 && code <= 0x40f)
        return code + 0x50;
    switch (code) {
    case 0x178: /* Y with diaeresis */
        return 0xff;
    case 0x386: /* Greek capitals with tonos */
        return 0x3ac;
    case 0x388:
    case 0x389:
    case 0x38a:
        return code + 0x25;
    case 0x38c:
        return 0x3cc;
    case 0x38e:
    case 0x38f:
        return code + 0x3f;
    case 0x3c2: /* a sigma at a word's end */
        return 0x3c3;
    default:
        return code;
    }
}

void text_fold(const char *text, size_t length, char *target)
{
    for (size_t i = 0; i < length; i++) {
        unsigned char byte = (unsigned char)text[i];

        if (byte >= 'A' && byte <= 'Z') {
            target[i] = (char)(byte | 0x20);
        } else if (byte >= 0xc3 && byte <= 0xd1 && i + 1 < length) {
            unsigned code = fold_two((byte & 0x1fu) << 6 | ((unsigned char)text[i + 1] & 0x3fu));

            target[i++] = (char)(0xc0 | code >> 6);
            target[i] = (char)(0x80 | (code & 0x3f));
        } else {
            target[i] = (char)byte;
        }
    }
}

/* Beyond ASCII what is not known to be a mark, a sign or a blank is taken for a letter. */
static bool is_letter(unsigned code)
{
    if (code < 0xc0)
        return code == 0xaa || code == 0xb5 || code == 0xba;
    return code != 0xd7 && code != 0xf7 && !(code >= 0x2000 && code <= 0x2bff) &&
           !(code >= 0x3000 && code <= 0x3004) && !(code >= 0x3008 && code <= 0x3020) &&
           !(code >= 0xff00 && code <= 0xff0f) && code != 0xfeff;
}

/* Whether a letter or digit begins at `at`, and how many bytes it has. */
static bool look(const char *text, size_t length, size_t at, size_t *bytes_out)
{
    unsigned char byte = (unsigned char)text[at];
    size_t bytes = byte < 0xc0 ? 1 : byte < 0xe0 ? 2 : byte < 0xf0 ? 3 : 4;
    unsigned code;

    if (bytes > length - at)
        bytes = length - at;
    *bytes_out = bytes;
    if (byte < 0x80)
        return (byte >= '0' && byte <= '9') || ((byte | 0x20) >= 'a' && (byte | 0x20) <= 'z');
    code = byte & (0xffu >> (bytes + 1));
    for (size_t i = 1; i < bytes; i++)
        code = code << 6 | ((unsigned char)text[at + i] & 0x3f);
    return is_letter(code);
}

bool text_next_word(const char *text, size_t length, size_t *at, size_t *start_out,
                    size_t *length_out)
{
    size_t bytes;

    while (*at < length && !look(text, length, *at, &bytes))
        *at += bytes;
    *start_out = *at;
    while (*at < length && look(text, length, *at, &bytes))
        *at += bytes;
    *length_out = *at - *start_out;
    return *length_out > 0;
}

bool text_has_slug(const char *folded, size_t length, const char *slug, size_t slug_length)
{
    size_t at = 0;
    size_t used = 0;
    size_t start;
    size_t word;

    while (text_next_word(folded, length, &at, &start, &word)) {
        if (used > 0 && (used == slug_length || slug[used++] != '-'))
            return false;
        if (word > slug_length - used || memcmp(folded + start, slug + used, word) != 0)
            return false;
        used += word;
    }
    return used > 0 && used == slug_length;
}

size_t text_make_slug(const char *folded, size_t length, char *target)
{
    size_t at = 0;
    size_t used = 0;
    size_t start;
    size_t word;

    /* A word begins behind a mark, so the hyphen before it has room. */
    while (text_next_word(folded, length, &at, &start, &word)) {
        if (used > 0)
            target[used++] = '-';
        memmove(target + used, folded + start, word);
        used += word;
    }
    return used;
}
