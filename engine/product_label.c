/* SPDX-License-Identifier: Apache-2.0 */
#include "product_label.h"

#include <string.h>

struct text {
    char bytes[PRODUCT_LABEL_TEXT_MAX];
    size_t length;
};

/* ---- the document ---- */

struct reader {
    const char *at;
    const char *end;
};

static void put(struct text *text, unsigned char byte)
{
    if (text != NULL && text->length < sizeof(text->bytes))
        text->bytes[text->length++] = (char)byte;
}

/* A code point below 0x10000 as UTF-8; others are written as they are. */
static void put_code_point(struct text *text, unsigned code)
{
    if (code < 0x80) {
        put(text, (unsigned char)code);
    } else if (code < 0x800) {
        put(text, (unsigned char)(0xc0 | code >> 6));
        put(text, (unsigned char)(0x80 | (code & 0x3f)));
    } else {
        put(text, (unsigned char)(0xe0 | code >> 12));
        put(text, (unsigned char)(0x80 | (code >> 6 & 0x3f)));
        put(text, (unsigned char)(0x80 | (code & 0x3f)));
    }
}

static bool read_hexadecimal(struct reader *reader, struct text *text)
{
    unsigned code = 0;

    if (reader->end - reader->at < 4)
        return false;
    for (unsigned i = 0; i < 4; i++) {
        char digit = *reader->at++;

        if (digit >= '0' && digit <= '9')
            code = code << 4 | (unsigned)(digit - '0');
        else if ((digit | 0x20) >= 'a' && (digit | 0x20) <= 'f')
            code = code << 4 | (unsigned)((digit | 0x20) - 'a' + 10);
        else
            return false;
    }
    put_code_point(text, code);
    return true;
}

static bool read_escape(struct reader *reader, struct text *text)
{
    static const char letters[] = "bfnrt";
    static const char bytes[] = "\b\f\n\r\t";
    const char *letter;
    char byte;

    if (reader->at == reader->end)
        return false;
    byte = *reader->at++;
    if (byte == 'u')
        return read_hexadecimal(reader, text);
    letter = byte == '\0' ? NULL : strchr(letters, byte);
    put(text, (unsigned char)(letter == NULL ? byte : bytes[letter - letters]));
    return true;
}

/* A string with its quotes; into `text` (NULL: over it). */
static bool read_string(struct reader *reader, struct text *text)
{
    if (text != NULL)
        text->length = 0;
    if (reader->at == reader->end || *reader->at++ != '"')
        return false;
    while (reader->at < reader->end && *reader->at != '"') {
        char byte = *reader->at++;

        if (byte != '\\')
            put(text, (unsigned char)byte);
        else if (!read_escape(reader, text))
            return false;
    }
    return reader->at++ < reader->end;
}

/* A member's value that is no array and no object. */
static bool skip_value(struct reader *reader)
{
    if (reader->at < reader->end && *reader->at == '"')
        return read_string(reader, NULL);
    while (reader->at < reader->end && *reader->at != ',' && *reader->at != '}') {
        if (*reader->at == '[' || *reader->at == '{')
            return false;
        reader->at++;
    }
    return reader->at < reader->end;
}

static bool text_is(const struct text *text, const char *name)
{
    return text->length == strlen(name) && memcmp(text->bytes, name, text->length) == 0;
}

struct facts {
    struct text name;
    struct text category;
    int64_t price_minor;
    uint32_t terms[PRODUCT_LABEL_TAGS + PRODUCT_LABEL_TAGS_MAX];
    uint32_t tag_count;
};

static uint32_t number_of(struct product_terms *terms, const struct text *text)
{
    return product_terms_number(terms, text->bytes, (uint32_t)text->length);
}

static bool read_price(struct reader *reader, int64_t *price_out)
{
    int64_t price = 0;

    while (reader->at < reader->end && *reader->at >= '0' && *reader->at <= '9') {
        if (price > (INT64_MAX - 9) / 10)
            return false;
        price = price * 10 + (*reader->at++ - '0');
    }
    *price_out = price;
    return true;
}

/* An array of strings. A tag that comes twice counts once. */
static bool read_tags(struct reader *reader, struct product_terms *terms, struct facts *facts)
{
    struct text tag;

    if (reader->at == reader->end || *reader->at++ != '[')
        return false;
    while (reader->at < reader->end && *reader->at != ']') {
        uint32_t number;
        uint32_t i = 0;

        if (!read_string(reader, &tag))
            return false;
        number = number_of(terms, &tag);
        while (i < facts->tag_count && facts->terms[PRODUCT_LABEL_TAGS + i] != number)
            i++;
        if (number != 0 && i == facts->tag_count && i < PRODUCT_LABEL_TAGS_MAX)
            facts->terms[PRODUCT_LABEL_TAGS + facts->tag_count++] = number;
        if (reader->at < reader->end && *reader->at == ',')
            reader->at++;
    }
    return reader->at++ < reader->end;
}

static bool read_member(struct reader *reader, struct product_terms *terms,
                        const struct text *member, struct facts *facts)
{
    struct text text;

    if (text_is(member, "name"))
        return read_string(reader, &facts->name);
    if (text_is(member, "price_minor"))
        return read_price(reader, &facts->price_minor);
    if (text_is(member, "tags"))
        return read_tags(reader, terms, facts);
    if (text_is(member, "category")) {
        if (!read_string(reader, &facts->category))
            return false;
        facts->terms[PRODUCT_LABEL_CATEGORY] = product_terms_category_number(
            terms, facts->category.bytes, (uint32_t)facts->category.length);
        return true;
    }
    if (!text_is(member, "brand"))
        return skip_value(reader);
    if (!read_string(reader, &text))
        return false;
    facts->terms[PRODUCT_LABEL_BRAND] = number_of(terms, &text);
    return true;
}

/* As far as it can be followed. */
static void read_document(const struct product_source *source, struct product_terms *terms,
                          struct facts *facts)
{
    struct reader reader = {source->document, source->document + source->document_length};
    struct text member;

    memset(facts, 0, sizeof(*facts));
    if (source->document_length == 0 || *reader.at++ != '{')
        return;
    while (read_string(&reader, &member)) {
        if (reader.at == reader.end || *reader.at++ != ':' ||
            !read_member(&reader, terms, &member, facts) || reader.at == reader.end ||
            *reader.at++ != ',')
            return;
    }
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
                                   .price_minor = facts.price_minor,
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
           a->price_minor == b->price_minor && a->updated_wall_ms == b->updated_wall_ms &&
           a->name_length == b->name_length && a->category_length == b->category_length &&
           a->tag_count == b->tag_count && memcmp(a->terms, b->terms, terms_bytes(a)) == 0 &&
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
