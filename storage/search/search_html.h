/* SPDX-License-Identifier: Apache-2.0 */
/* The words of a text that may hold HTML, for the search: nothing here makes HTML safe to show.
 * Pure, in linear time: any thread. */
#ifndef STAMPEDE_SEARCH_HTML_H
#define STAMPEDE_SEARCH_HTML_H

#include <stddef.h>

/* Writes the text without tags, comments, scripts and styles, a blank for each; numeric entities
 * and those of markup as what they stand for, others as a blank. At most `length` bytes; `out` may
 * be `text`. Returns how many. */
size_t search_html_text(const char *text, size_t length, char *out);

#endif
