/* SPDX-License-Identifier: Apache-2.0 */
/* Text as browsing compares it: case folded, in words. Of Latin, Greek and Cyrillic letters the
 * simple foldings of one code point to one of as many bytes; all others stand for themselves.
 * Accents count. Pure; any thread. Private to net/api. */
#ifndef STAMPEDE_API_BROWSE_TEXT_H
#define STAMPEDE_API_BROWSE_TEXT_H

#include <stdbool.h>
#include <stddef.h>

/* Folds UTF-8 into as many bytes. `target` may be `text`. */
void text_fold(const char *text, size_t length, char *target);

/* The next word (a run of letters and digits) of UTF-8 from `*at` on, as offset and length; false
 * where there is none. `*at` is then behind it. */
bool text_next_word(const char *text, size_t length, size_t *at, size_t *start_out,
                    size_t *length_out);

/* Whether `slug` is folded text as a path would have it: its words, a hyphen between them. */
bool text_has_slug(const char *folded, size_t length, const char *slug, size_t slug_length);

/* Makes that slug, of at most `length` bytes; `target` may be `folded`. Returns its length. */
size_t text_make_slug(const char *folded, size_t length, char *target);

#endif
