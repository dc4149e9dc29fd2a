/* SPDX-License-Identifier: Apache-2.0 */
/* JSON bodies: any bytes; what is read is walked whole, every string in it is written and read
 * again as the same, and what passes as a product becomes a document that says what was read.
 *
 * Input: the text. */
#include "fuzz.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "api/product_draft.h"
#include "api/render.h"

enum { INPUT_MAX = 70000, DEPTH_MAX = 200 };

static struct json_memory memory;
static struct json_memory memory_again;
static char written[6 * INPUT_MAX + 16];

static void check_string(struct slice string)
{
    struct writer writer = writer_fixed(written, sizeof(written));
    const char *message;
    size_t position;

    write_json_string(&writer, string.text, string.length);
    const struct json_value *again =
        json_read(memory_again, written, writer_length(&writer), &message, &position);
    assert(again != NULL && json_type(again) == JSON_STRING);
    assert(slices_equal(json_string(again), string));
}

static void walk(const struct json_value *value, unsigned depth)
{
    const struct json_value *inner;
    struct slice name;

    switch (json_type(value)) {
    case JSON_STRING:
        check_string(json_string(value));
        break;
    case JSON_INTEGER:
        (void)json_integer(value);
        break;
    case JSON_BOOLEAN:
        (void)json_boolean(value);
        break;
    case JSON_ARRAY: {
        struct json_iterator elements = json_elements(value);
        while (depth < DEPTH_MAX && json_next_element(&elements, &inner))
            walk(inner, depth + 1);
        break;
    }
    case JSON_OBJECT: {
        struct json_iterator members = json_members(value);
        while (depth < DEPTH_MAX && json_next_member(&members, &name, &inner)) {
            check_string(name);
            walk(inner, depth + 1);
        }
        break;
    }
    case JSON_NULL:
    case JSON_NUMBER:
        break;
    }
}

static void check_member(const struct json_value *document, const char *name, struct slice said)
{
    const struct json_value *value = json_member(document, name);

    if (said.length == 0)
        return;
    assert(value != NULL && json_type(value) == JSON_STRING);
    assert(slices_equal(json_string(value), said));
}

static void try_product(const struct json_value *object)
{
    static struct product_draft draft;
    static struct validation validation;
    const char *message;
    size_t position;
    bool too_large = false;

    memset(&draft, 0, sizeof(draft));
    validation_init(&validation);
    product_draft_read(&validation, object, &draft);
    for (unsigned i = 0; i < validation.count && i < VALIDATION_ERRORS_MAX; i++)
        assert(validation.errors[i].message[0] != 0); /* a field may well be called "" */
    if (validation.count > 0 || draft.id.length == 0)
        return;
    struct product_envelope *envelope = product_draft_pack(&draft, &too_large);
    if (envelope == NULL) {
        assert(too_large);
        return;
    }
    assert(envelope->variant_count >= 1 && envelope->variant_count <= PRODUCT_VARIANTS_MAX);
    const struct json_value *document =
        json_read(memory_again, envelope->document, envelope->document_length, &message, &position);
    assert(document != NULL && json_type(document) == JSON_OBJECT);
    check_member(document, "id", draft.id);
    check_member(document, "name", draft.name);
    check_member(document, "description", draft.description);
    check_member(document, "category", draft.category);
    check_member(document, "brand", draft.brand);
    envelope_free(envelope);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *message;
    size_t position;

    if (size > INPUT_MAX)
        return 0;
    if (memory_again.bytes == NULL) {
        memory_again.size = json_memory_needed(sizeof(written));
        memory_again.bytes = malloc(memory_again.size);
    }
    memory.size = json_memory_needed(size); /* exactly: that it is enough is part of the check */
    memory.bytes = malloc(memory.size);
    assert(memory.bytes != NULL && memory_again.bytes != NULL);
    const struct json_value *value =
        json_read(memory, (const char *)data, size, &message, &position);
    if (value == NULL) {
        assert(message != NULL && position <= size);
    } else {
        walk(value, 0);
        if (json_type(value) == JSON_OBJECT)
            try_product(value);
    }
    free(memory.bytes);
    return 0;
}
