/* SPDX-License-Identifier: Apache-2.0 */
/* Text as the search sees it: words with one blank between, the same for what is indexed and for
 * what is asked, so that they meet. Pure: any thread, no memory of its own.
 *
 * - Letters lose their marks and their case (search_fold.h); 's and apostrophes go; every other
 *   symbol is a blank, so that nothing that is asked can be an operator of anything.
 * - A blank comes between letters and digits: Mach3 is mach 3, 9W is 9 w.
 * - Scripts that write no blanks (Han, kana, Thai, Lao, Khmer, Burmese) become each two characters
 *   that stand together, and the last one alone.
 * - Units and sizes have one spelling: litre, ltr: l; extra large, x-large: xlarge.
 * - "&" is "and", and "and" goes, unless it is all there is.
 *
 * Bytes that are no UTF-8 are blanks. */
#ifndef STAMPEDE_SEARCH_TEXT_H
#define STAMPEDE_SEARCH_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum search_clean {
    SEARCH_CLEAN_DOCUMENT = 0,
    SEARCH_CLEAN_QUERY = 1, /* a run without blanks ends in its last pair, not in one character */
    SEARCH_CLEAN_KEEP_AND = 2, /* suggestions are completed: "head an" */
};

/* Room that is enough for the cleaned form of so many bytes. */
#define SEARCH_CLEAN_ROOM(bytes) (4 * (size_t)(bytes) + 16)

/* Writes the words of `text` and a zero, at most `room` bytes (at least 1); returns the length
 * without the zero. What does not fit is left out, from the first word that does not. `flags` are
 * of enum search_clean. */
size_t search_clean(const char *text, size_t length, unsigned flags, char *out, size_t room);

/* Whether the last word may not be typed to its end: nothing that ends a word comes after it. */
bool search_text_is_open(const char *text, size_t length);

/* How many words a cleaned text has. */
unsigned search_word_count(const char *cleaned, size_t length);

/* The code point that begins at `text`, U+FFFD for what is none; returns its bytes, at least 1.
 * `length` is at least 1. */
size_t search_utf8_take(const char *text, size_t length, uint32_t *code_out);

/* Writes the code point, at most 4 bytes; returns how many. */
size_t search_utf8_put(uint32_t code, char out[4]);

/* At most `bytes`, cut before a character that does not fit. */
size_t search_utf8_cut(const char *text, size_t length, size_t bytes);

#endif
