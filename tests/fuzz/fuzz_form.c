/* SPDX-License-Identifier: Apache-2.0 */
/* The gateway's forms: any bytes are read without going astray, and what was read, written again,
 * reads the same.
 *
 * Input: the form. */
#include "fuzz.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "psp_form.h"

/* Writes the pairs with everything percent-encoded; the length. */
static size_t write_form(const struct psp_form *form, char *target)
{
    static const char digits[] = "0123456789ABCDEF";
    size_t length = 0;

    for (uint32_t i = 0; i < 2 * form->count; i++) {
        const char *text = i % 2 == 0 ? form->pairs[i / 2].name : form->pairs[i / 2].value;

        for (; *text != 0; text++) {
            target[length++] = '%';
            target[length++] = digits[(unsigned char)*text >> 4];
            target[length++] = digits[(unsigned char)*text & 15];
        }
        target[length++] = i % 2 == 0 ? '=' : '&';
    }
    return length;
}

static void check_pair(const struct psp_form *form, const struct psp_pair *pair)
{
    size_t base = psp_form_base_length(pair->name), key_length;
    char parent[PSP_FORM_NAME_MAX + 1];
    const char *key;
    int64_t number;

    assert(base > 0 && strlen(pair->name) <= PSP_FORM_NAME_MAX);
    assert(psp_form_get(form, pair->name) != NULL);
    memcpy(parent, pair->name, base);
    parent[base] = 0;
    if (psp_form_is_member(pair->name, parent, &key, &key_length))
        assert(key == pair->name + base + 1 && key[key_length] == ']' && key[key_length + 1] == 0);
    if (psp_form_integer(pair->value, &number))
        assert(strlen(pair->value) <= 19);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct psp_form *form = calloc(2, sizeof(*form));
    /* Exactly as large as it must be, so that the sanitizer sees the first byte too many. */
    char *memory = malloc(size + 1);
    char *written = malloc(3 * size + 4), *again = malloc(3 * size + 5);

    assert(form != NULL && memory != NULL && written != NULL && again != NULL);
    assert(psp_form_read(form, (const char *)data, size, memory, size) == PSP_FORM_TOO_LARGE);
    if (psp_form_read(form, (const char *)data, size, memory, size + 1) == PSP_FORM_READ) {
        size_t length = write_form(form, written);

        assert(psp_form_read(&form[1], written, length, again, length + 1) == PSP_FORM_READ);
        assert(form[0].count == form[1].count && form->count <= PSP_FORM_PAIRS_MAX);
        for (uint32_t i = 0; i < form->count; i++) {
            check_pair(form, &form->pairs[i]);
            assert(strcmp(form[0].pairs[i].name, form[1].pairs[i].name) == 0);
            assert(strcmp(form[0].pairs[i].value, form[1].pairs[i].value) == 0);
        }
        psp_form_sort(form);
        for (uint32_t i = 1; i < form->count; i++)
            assert(strcmp(form->pairs[i - 1].name, form->pairs[i].name) <= 0);
    }
    free(form);
    free(memory);
    free(written);
    free(again);
    return 0;
}
