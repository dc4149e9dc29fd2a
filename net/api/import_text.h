/* SPDX-License-Identifier: Apache-2.0 */
/* Text of files: which encoding it seems to be, cells that spreadsheets would take for formulas,
 * and names made of other names. Pure. */
#ifndef STAMPEDE_API_IMPORT_TEXT_H
#define STAMPEDE_API_IMPORT_TEXT_H

#include "api/json.h"
#include "api/render.h"

/* What a file that begins so is encoded in, for people; NULL: nothing that is known not to be
 * UTF-8. At least 4 bytes, unless the file is shorter. */
const char *import_file_encoding(const char *text, size_t length);

/* What a text that is not UTF-8 seems to be encoded in, for people. */
const char *import_cell_encoding(const char *text, size_t length);

/* ---- formulas ---- */

/* A spreadsheet takes a cell that begins with one of = + - @, a tab or a CR for a formula. Such a
 * cell gets an apostrophe before it, and so does one that begins with apostrophes and then such a
 * byte: so that taking one away gives back what was there, whatever it was. */
bool import_cell_needs_guard(struct slice text);

/* Without the apostrophe, if it is a guard. */
struct slice import_cell_unguard(struct slice text);

/* ---- names ---- */

enum { IMPORT_NAME_MAX = 64 }; /* bytes of a SKU or a product's ID */

/* Makes a SKU or ID of texts, joined by '-': what may not stand in one becomes '-', once for
 * several. Where the result would be too long, or is empty, or `is_marked`, it ends with 8 digits
 * of a hash of the texts: the same for the same texts, always. `is_exact_out` (may be NULL):
 * nothing was replaced or cut. */
struct slice import_name_make(char target[IMPORT_NAME_MAX], const struct slice *texts,
                              uint32_t count, bool is_marked, bool *is_exact_out);

/* The same of one text in lower case, as web addresses are made of titles. */
struct slice import_name_slug(char target[IMPORT_NAME_MAX], struct slice text);

#endif
