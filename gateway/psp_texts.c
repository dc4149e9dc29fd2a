/* SPDX-License-Identifier: Apache-2.0 */
#include "psp_texts.h"

#include <stdlib.h>
#include <string.h>

bool psp_texts_next(const struct psp_texts *texts, size_t *at, const char **name_out,
                    const char **value_out)
{
    if (*at >= texts->length)
        return false;
    *name_out = texts->bytes + *at;
    *value_out = *name_out + strlen(*name_out) + 1;
    *at = (size_t)(*value_out + strlen(*value_out) + 1 - texts->bytes);
    return true;
}

const char *psp_texts_get(const struct psp_texts *texts, const char *name)
{
    const char *found, *value;

    for (size_t at = 0; psp_texts_next(texts, &at, &found, &value);) {
        if (strcmp(found, name) == 0)
            return value;
    }
    return NULL;
}

void psp_texts_set(struct psp_texts *texts, const char *name, const char *value)
{
    size_t name_size = strlen(name) + 1, value_size = strlen(value) + 1;
    const char *found, *old;

    for (size_t at = 0, from = 0; psp_texts_next(texts, &at, &found, &old); from = at) {
        if (strcmp(found, name) != 0)
            continue;
        memmove(texts->bytes + from, texts->bytes + at, texts->length - at);
        texts->length -= at - from;
        texts->count--;
        break;
    }
    if (value_size == 1)
        return;
    texts->bytes = realloc(texts->bytes, texts->length + name_size + value_size);
    if (texts->bytes == NULL)
        abort();
    memcpy(texts->bytes + texts->length, name, name_size);
    memcpy(texts->bytes + texts->length + name_size, value, value_size);
    texts->length += name_size + value_size;
    texts->count++;
}

void psp_texts_copy(struct psp_texts *target, const struct psp_texts *source)
{
    *target = (struct psp_texts){0};
    if (source->length == 0)
        return;
    target->bytes = malloc(source->length);
    if (target->bytes == NULL)
        abort();
    memcpy(target->bytes, source->bytes, source->length);
    target->length = source->length;
    target->count = source->count;
}

void psp_texts_free(struct psp_texts *texts)
{
    free(texts->bytes);
    *texts = (struct psp_texts){0};
}
