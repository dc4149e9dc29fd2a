/* SPDX-License-Identifier: Apache-2.0 */
/* Reads a product's document, a JSON object, member by member: for those who want some strings of
 * it, and neither a tree nor memory for one. What is read was written by net/api; of anything else
 * it reads as far as it can be followed, and never past the end. Pure; any thread. */
#ifndef STAMPEDE_PRODUCT_DOCUMENT_H
#define STAMPEDE_PRODUCT_DOCUMENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What is read into: room of the caller's; what does not fit is cut. */
struct document_text {
    char *bytes;
    size_t room;
    size_t length;
};

struct product_document {
    const char *at;
    const char *end;
    uint32_t members; /* read so far */
};

/* The document stays the caller's and is read in place. */
void product_document_begin(struct product_document *document, const char *json, size_t length);

/* Goes to the next member and reads its name; false where there is none. Its value is to be read
 * by one of the functions below before the next. */
bool product_document_next(struct product_document *document, struct document_text *name_out);

/* Each reads a value; false: it is not one of this kind, and nothing can be read any more. */
bool product_document_string(struct product_document *document, struct document_text *text_out);
bool product_document_skip(struct product_document *document);

/* An array of strings: begin, then strings until there is none (false; the array is behind). */
bool product_document_array(struct product_document *document);
bool product_document_element(struct product_document *document, struct document_text *text_out);

bool document_text_is(const struct document_text *text, const char *name);

#endif
