/* SPDX-License-Identifier: Apache-2.0 */
/* Forms as Stripe's API takes them: application/x-www-form-urlencoded with nested names such as
 * metadata[order_id] and expand[]. Pure; any thread that owns the memory. */
#ifndef STAMPEDE_PSP_FORM_H
#define STAMPEDE_PSP_FORM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    PSP_FORM_PAIRS_MAX = 256,
    PSP_FORM_NAME_MAX = 200, /* bytes of one name, decoded */
};

/* Decoded, valid UTF-8, ended by 0; no zero within. */
struct psp_pair {
    const char *name;
    const char *value;
};

struct psp_form {
    struct psp_pair pairs[PSP_FORM_PAIRS_MAX];
    uint32_t count;
};

enum psp_form_result {
    PSP_FORM_READ,
    PSP_FORM_MALFORMED, /* percent-encoding, UTF-8, a zero, or brackets that do not match */
    PSP_FORM_TOO_LARGE, /* pairs, a name, or the memory */
};

/* Adds the pairs of `text` to the form (which begins as {0}); they live in `memory`, which needs
 * length + 1 bytes. Empty pairs are left out, as servers do. */
enum psp_form_result psp_form_read(struct psp_form *form, const char *text, size_t length,
                                   char *memory, size_t memory_size);

/* The value of exactly this name, the last of several; NULL: absent. */
const char *psp_form_get(const struct psp_form *form, const char *name);

/* Whether the name is `parent[...]`; if so the text between the first brackets in `key_out` (length
 * in `key_length_out`), and true only if nothing follows them. */
bool psp_form_is_member(const char *name, const char *parent, const char **key_out,
                        size_t *key_length_out);

/* The length of the part of a name before its brackets. */
size_t psp_form_base_length(const char *name);

/* The pairs sorted by name (stable), so that the order in which a client writes them is no
 * difference. */
void psp_form_sort(struct psp_form *form);

/* How many bytes of `text` are valid UTF-8 from its beginning; `length` where all are. */
size_t psp_utf8_length(const char *text, size_t length);

/* A whole number as the API reads them: an optional minus and digits. */
bool psp_form_integer(const char *text, int64_t *number_out);

#endif
