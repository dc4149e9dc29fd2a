/* SPDX-License-Identifier: Apache-2.0 */
/* A few named texts (metadata), in the order in which they came. Owns its memory; begins as {0}. */
#ifndef STAMPEDE_PSP_TEXTS_H
#define STAMPEDE_PSP_TEXTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct psp_texts {
    char *bytes; /* name, 0, value, 0, name ... */
    size_t length;
    uint32_t count;
};

const char *psp_texts_get(const struct psp_texts *texts, const char *name);
/* Sets, or with "" removes. Aborts without memory. */
void psp_texts_set(struct psp_texts *texts, const char *name, const char *value);
void psp_texts_copy(struct psp_texts *target, const struct psp_texts *source);
void psp_texts_free(struct psp_texts *texts);

/* Goes through them: begin with *at = 0; false at the end. */
bool psp_texts_next(const struct psp_texts *texts, size_t *at, const char **name_out,
                    const char **value_out);

#endif
