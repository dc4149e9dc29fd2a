/* SPDX-License-Identifier: Apache-2.0 */
#include "product_label.h"

#include <string.h>

#include "product_document.h"

/* ---- the document ---- */

struct facts {
    struct document_text name;
    struct document_text category;
    char name_bytes[PRODUCT_LABEL_TEXT_MAX];
    char category_bytes[PRODUCT_LABEL_TEXT_MAX];
    uint32_t terms[PRODUCT_LABEL_TAGS + PRODUCT_LABEL_TAGS_MAX];
    uint32_t tag_count;
};

static uint32_t number_of(struct product_terms *terms, const struct document_text *text)
{
    return product_terms_number(terms, text->bytes, (uint32_t)text->length);
}

/* An array of strings. A tag that comes twice counts once. */
static void read_tags(struct product_document *document, struct product_terms *terms,
                      struct facts *facts)
{
    char bytes[PRODUCT_LABEL_TEXT_MAX];
    struct document_text tag = {.bytes = bytes, .room = sizeof(bytes)};

    if (!product_document_array(document))
        return;
    while (product_document_element(document, &tag)) {
        uint32_t number = number_of(terms, &tag);
        uint32_t i = 0;

        while (i < facts->tag_count && facts->terms[PRODUCT_LABEL_TAGS + i] != number)
            i++;
        if (number != 0 && i == facts->tag_count && i < PRODUCT_LABEL_TAGS_MAX)
            facts->terms[PRODUCT_LABEL_TAGS + facts->tag_count++] = number;
    }
}

/* False: that was the last that is wanted, or can be read. */
static bool read_member(struct product_document *document, struct product_terms *terms,
                        const struct document_text *member, struct facts *facts)
{
    char bytes[PRODUCT_LABEL_TEXT_MAX];
    struct document_text brand = {.bytes = bytes, .room = sizeof(bytes)};

    if (document_text_is(member, "name"))
        return product_document_string(document, &facts->name);
    if (document_text_is(member, "tags")) {
        read_tags(document, terms, facts);
        return false;
    }
    if (document_text_is(member, "category")) {
        if (!product_document_string(document, &facts->category))
            return false;
        facts->terms[PRODUCT_LABEL_CATEGORY] = product_terms_category_number(
            terms, facts->category.bytes, (uint32_t)facts->category.length);
        return true;
    }
    if (!document_text_is(member, "brand"))
        return product_document_skip(document);
    if (!product_document_string(document, &brand))
        return false;
    facts->terms[PRODUCT_LABEL_BRAND] = number_of(terms, &brand);
    return true;
}

/* As far as it can be followed. */
static void read_document(const struct product_source *source, struct product_terms *terms,
                          struct facts *facts)
{
    char bytes[PRODUCT_LABEL_TEXT_MAX];
    struct document_text member = {.bytes = bytes, .room = sizeof(bytes)};
    struct product_document document;

    memset(facts, 0, sizeof(*facts));
    facts->name = (struct document_text){.bytes = facts->name_bytes, .room = sizeof(bytes)};
    facts->category = (struct document_text){.bytes = facts->category_bytes, .room = sizeof(bytes)};
    product_document_begin(&document, source->document, source->document_length);
    while (product_document_next(&document, &member) &&
           read_member(&document, terms, &member, facts))
        continue;
}

/* ---- labels ---- */

static size_t terms_bytes(const struct product_label *label)
{
    return (PRODUCT_LABEL_TAGS + label->tag_count) * sizeof(label->terms[0]);
}

static size_t bytes_of(const struct product_label *label)
{
    return sizeof(*label) + terms_bytes(label) + label->name_length + label->category_length;
}

struct product_label *product_label_make(struct block_pool *pool, struct product_terms *terms,
                                         const struct product_source *source)
{
    struct product_label *label;
    struct product_label sized;
    struct facts facts;
    char *text;

    read_document(source, terms, &facts);
    if (facts.name.length == 0) {
        facts.name.length = strlen(source->id);
        memcpy(facts.name.bytes, source->id, facts.name.length);
    }
    sized = (struct product_label){.pool = pool,
                                   .updated_wall_ms = source->updated_wall_ms,
                                   .name_length = (uint16_t)facts.name.length,
                                   .category_length = (uint16_t)facts.category.length,
                                   .tag_count = facts.tag_count};
    label = block_take(pool, bytes_of(&sized));
    if (label == NULL)
        return NULL;
    memcpy(label, &sized, sizeof(sized));
    memcpy(label->currency, source->currency, sizeof(label->currency));
    memcpy(label->terms, facts.terms, terms_bytes(label));
    text = (char *)label->terms + terms_bytes(label);
    memcpy(text, facts.name.bytes, facts.name.length);
    memcpy(text + facts.name.length, facts.category.bytes, facts.category.length);
    return label;
}

bool product_label_equal(const struct product_label *a, const struct product_label *b)
{
    return memcmp(a->currency, b->currency, sizeof(a->currency)) == 0 &&
           a->updated_wall_ms == b->updated_wall_ms && a->name_length == b->name_length &&
           a->category_length == b->category_length && a->tag_count == b->tag_count &&
           memcmp(a->terms, b->terms, terms_bytes(a)) == 0 &&
           memcmp(product_label_name(a), product_label_name(b),
                  (size_t)a->name_length + a->category_length) == 0;
}

void product_labels_free(void *first)
{
    struct product_label *label = first;

    while (label != NULL) {
        struct product_label *next = label->next;

        block_give(label->pool, label, bytes_of(label));
        label = next;
    }
}
