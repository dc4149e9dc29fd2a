/* SPDX-License-Identifier: Apache-2.0 */
/* Text, eight bytes at a time: whether a byte of some kind is in it. What is found is looked at
 * again byte by byte by whoever asked; mostly there is nothing. Any thread, any alignment. */
#ifndef STAMPEDE_HTTP_WORDS_H
#define STAMPEDE_HTTP_WORDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* A word of eight of this byte. */
#define WORD_OF(byte) (UINT64_C(0x0101010101010101) * (uint64_t)(byte))

static inline uint64_t word_load(const char *text)
{
    uint64_t word;

    memcpy(&word, text, sizeof(word));
    return word;
}

/* Whether a byte is below `limit`, which is at most 0x80. (A byte that only seems to be, because of
 * a borrow, has one that is below it in the word.) */
static inline bool word_has_below(uint64_t word, unsigned char limit)
{
    return ((word - WORD_OF(limit)) & ~word & WORD_OF(0x80)) != 0;
}

static inline bool word_has(uint64_t word, unsigned char byte)
{
    return word_has_below(word ^ WORD_OF(byte), 1);
}

/* Whether a byte is a control character of ASCII, the tab included. */
static inline bool word_has_control(uint64_t word)
{
    return word_has_below(word, 0x20) || word_has(word, 0x7f);
}

/* Whether a byte is none of ASCII's from the blank to the tilde. (A carry out of a byte comes from
 * 0xff, which is none of them.) */
static inline bool word_has_unprintable(uint64_t word)
{
    return ((word | (word + WORD_OF(1))) & WORD_OF(0x80)) != 0 || word_has_below(word, 0x20);
}

/* Whether `has` is true of any of the text's words. It must be false of WORD_OF('x'). */
static inline bool words_any(const char *text, size_t length, bool (*has)(uint64_t word))
{
    if (length < sizeof(uint64_t)) {
        uint64_t word = WORD_OF('x');
        for (size_t i = 0; i < length; i++)
            word = word << 8 | (unsigned char)text[i];
        return has(word);
    }
    size_t last = length - sizeof(uint64_t);
    for (size_t at = 0; at < last; at += sizeof(uint64_t)) {
        if (has(word_load(text + at)))
            return true;
    }
    return has(word_load(text + last));
}

#endif
