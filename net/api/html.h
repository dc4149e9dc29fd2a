/* SPDX-License-Identifier: Apache-2.0 */
/* HTML from elsewhere, made fit to stand in a page of the shop.
 *
 * What comes out is written here, tag by tag; nothing of the source is passed on as markup:
 *   - elements: p br ul ol li strong em b i a h2 h3 h4 table tr td th, without attributes but an
 *     `a`'s href, absolute, of http, https or mailto, to which rel="nofollow noopener" is added;
 *     h1 becomes h2, h5 and h6 become h4;
 *   - every element is closed, in its order, and stands only where it may (rows in tables, cells in
 *     rows, items in lists), so that no page around it changes its shape;
 *   - of other elements the content stays, but for those whose content is no text to be shown
 *     (script, style, svg, ...), comments, declarations and processing instructions;
 *   - all else is text, with & < > " ' as references. Character references of the source stay.
 * Text without any of these elements keeps its line breaks, as br.
 *
 * Pure; any thread. Time and output are linear in the source. */
#ifndef STAMPEDE_API_HTML_H
#define STAMPEDE_API_HTML_H

#include "api/render.h"

/* `text` is UTF-8 of any content. */
void write_safe_html(struct writer *writer, const char *text, size_t length);

#endif
