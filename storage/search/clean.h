/* SPDX-License-Identifier: Apache-2.0 */
/* What a word is, the same for what is indexed and for what is asked. Pure; any thread. */
#ifndef STAMPEDE_SEARCH_CLEAN_H
#define STAMPEDE_SEARCH_CLEAN_H

#include <stddef.h>

/* Writes the words of a text (UTF-8 of any content, NUL included), single blanks between them and
 * none around: marks folded, symbols gone, letters and digits apart, scripts without blanks as
 * pairs of characters, units in one spelling. Never writes more than `room` bytes, the 0 at the
 * end included; what does not fit is left out from a word's (or a character's) boundary on.
 * Returns the length. `room` is at least 1; the texts do not overlap. */
size_t clean_text(const char *text, size_t length, char *cleaned_out, size_t room);

#endif
