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

/* As far as it can be followed. */
static void read_document(const char *document, uint32_t length, struct text *name,
                          struct text *category)
{
    struct reader reader = {document, document + length};
    struct text member;

    name->length = 0;
    category->length = 0;
    if (length == 0 || *reader.at++ != '{')
        return;
    while (read_string(&reader, &member)) {
        bool is_read;

        if (reader.at == reader.end || *reader.at++ != ':')
            return;
        if (text_is(&member, "name"))
            is_read = read_string(&reader, name);
        else if (text_is(&member, "category"))
            is_read = read_string(&reader, category);
        else
            is_read = skip_value(&reader);
        if (!is_read || reader.at == reader.end || *reader.at++ != ',')
            return;
    }
}

/* ---- labels ---- */

static size_t bytes_of(const struct product_label *label)
{
    return sizeof(*label) + label->name_length + label->category_length;
}

struct product_label *product_label_make(struct block_pool *pool, const char *id,
                                         const char currency[4], const char *document,
                                         uint32_t document_length)
{
    struct product_label *label;
    struct text name;
    struct text category;

    read_document(document, document_length, &name, &category);
    if (name.length == 0) {
        name.length = strlen(id);
        memcpy(name.bytes, id, name.length);
    }
    label = block_take(pool, sizeof(*label) + name.length + category.length);
    if (label == NULL)
        return NULL;
    label->pool = pool;
    label->next = NULL;
    memcpy(label->currency, currency, sizeof(label->currency));
    label->name_length = (uint16_t)name.length;
    label->category_length = (uint16_t)category.length;
    memcpy(label->text, name.bytes, name.length);
    memcpy(label->text + name.length, category.bytes, category.length);
    return label;
}

bool product_label_equal(const struct product_label *a, const struct product_label *b)
{
    return memcmp(a->currency, b->currency, sizeof(a->currency)) == 0 &&
           a->name_length == b->name_length && a->category_length == b->category_length &&
           memcmp(a->text, b->text, (size_t)a->name_length + a->category_length) == 0;
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
