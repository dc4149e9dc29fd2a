/* SPDX-License-Identifier: Apache-2.0 */
#include "product_document.h"

#include <string.h>

static void put(struct document_text *text, unsigned char byte)
{
    if (text != NULL && text->length < text->room)
        text->bytes[text->length++] = (char)byte;
}

/* A code point below 0x10000 as UTF-8; others are written as they are. */
static void put_code_point(struct document_text *text, unsigned code)
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

static bool read_hexadecimal(struct product_document *document, struct document_text *text)
{
    unsigned code = 0;

    if (document->end - document->at < 4)
        return false;
    for (unsigned i = 0; i < 4; i++) {
        char digit = *document->at++;

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

static bool read_escape(struct product_document *document, struct document_text *text)
{
    static const char letters[] = "bfnrt";
    static const char bytes[] = "\b\f\n\r\t";
    const char *letter;
    char byte;

    if (document->at == document->end)
        return false;
    byte = *document->at++;
    if (byte == 'u')
        return read_hexadecimal(document, text);
    letter = byte == '\0' ? NULL : strchr(letters, byte);
    put(text, (unsigned char)(letter == NULL ? byte : bytes[letter - letters]));
    return true;
}

/* With its quotes; into `text`, or over it (NULL). */
static bool read_string(struct product_document *document, struct document_text *text)
{
    if (text != NULL)
        text->length = 0;
    if (document->at == document->end || *document->at++ != '"')
        return false;
    while (document->at < document->end && *document->at != '"') {
        char byte = *document->at++;

        if (byte != '\\')
            put(text, (unsigned char)byte);
        else if (!read_escape(document, text))
            return false;
    }
    return document->at++ < document->end;
}

void product_document_begin(struct product_document *document, const char *json, size_t length)
{
    *document = (struct product_document){.at = json, .end = json + length};
}

bool product_document_next(struct product_document *document, struct document_text *name_out)
{
    char before = document->members == 0 ? '{' : ',';

    if (document->at >= document->end || *document->at != before)
        return false;
    document->at++;
    document->members++;
    return read_string(document, name_out) && document->at < document->end &&
           *document->at++ == ':';
}

bool product_document_string(struct product_document *document, struct document_text *text_out)
{
    return read_string(document, text_out);
}

/* To the comma or bracket behind it: strings are passed whole, brackets counted. */
bool product_document_skip(struct product_document *document)
{
    unsigned depth = 0;

    while (document->at < document->end) {
        char byte = *document->at;

        if (depth == 0 && (byte == ',' || byte == '}' || byte == ']'))
            return true;
        if (byte == '"') {
            if (!read_string(document, NULL))
                return false;
            continue;
        }
        if (byte == '[' || byte == '{')
            depth++;
        else if (byte == ']' || byte == '}')
            depth--;
        document->at++;
    }
    return false;
}

bool product_document_array(struct product_document *document)
{
    return document->at < document->end && *document->at++ == '[';
}

bool product_document_element(struct product_document *document, struct document_text *text_out)
{
    if (document->at < document->end && *document->at == ',')
        document->at++;
    if (document->at < document->end && *document->at == ']') {
        document->at++;
        return false;
    }
    if (read_string(document, text_out))
        return true;
    document->at = document->end;
    return false;
}

bool document_text_is(const struct document_text *text, const char *name)
{
    return text->length == strlen(name) && memcmp(text->bytes, name, text->length) == 0;
}
