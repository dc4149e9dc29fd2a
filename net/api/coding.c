/* SPDX-License-Identifier: Apache-2.0 */
#include "api/coding.h"

#include <stdint.h>

enum {
    WEIGHT_MAX = 1000, /* q=1 */
    WEIGHT_UNSAID = -1,
    WEIGHT_MALFORMED = -2,
};

const char *coding_name(enum content_coding coding)
{
    static const char *const names[CODING_COUNT] = {
        [CODING_IDENTITY] = "identity", [CODING_GZIP] = "gzip", [CODING_BROTLI] = "br"};

    return names[coding];
}

static bool is_blank(char byte)
{
    return byte == ' ' || byte == '\t';
}

static struct http_slice trim(struct http_slice text)
{
    while (text.length > 0 && is_blank(text.data[0])) {
        text.data++;
        text.length--;
    }
    while (text.length > 0 && is_blank(text.data[text.length - 1]))
        text.length--;
    return text;
}

/* Takes what is in front of `end` off `rest`, and `end` itself. */
static struct http_slice take_up_to(struct http_slice *rest, char end)
{
    struct http_slice taken = {rest->data, 0};

    while (taken.length < rest->length && taken.data[taken.length] != end)
        taken.length++;
    size_t gone = taken.length < rest->length ? taken.length + 1 : taken.length;
    rest->data += gone;
    rest->length -= gone;
    return trim(taken);
}

/* A token without regard to case; `name` is in small letters. */
static bool is_named(struct http_slice token, const char *name)
{
    for (size_t i = 0; i < token.length; i++) {
        char byte = token.data[i];
        if (byte >= 'A' && byte <= 'Z')
            byte = (char)(byte | 0x20);
        if (name[i] == '\0' || byte != name[i])
            return false;
    }
    return name[token.length] == '\0';
}

/* A qvalue in thousandths (RFC 9110, 12.4.2). */
static int read_weight(struct http_slice text)
{
    int weight = 0;

    if (text.length < 1 || text.length > 5 || (text.data[0] != '0' && text.data[0] != '1') ||
        (text.length > 1 && text.data[1] != '.'))
        return WEIGHT_MALFORMED;
    weight = (text.data[0] - '0') * WEIGHT_MAX;
    int unit = WEIGHT_MAX / 10;
    for (size_t i = 2; i < text.length; i++, unit /= 10) {
        if (text.data[i] < '0' || text.data[i] > '9')
            return WEIGHT_MALFORMED;
        weight += (text.data[i] - '0') * unit;
    }
    return weight <= WEIGHT_MAX ? weight : WEIGHT_MALFORMED;
}

/* The weight of an element's parameters: one `q` at most, and nothing else. */
static int read_parameters(struct http_slice rest)
{
    struct http_slice value = rest;

    if (rest.length == 0)
        return WEIGHT_MAX;
    struct http_slice name = take_up_to(&value, '=');
    if (!is_named(name, "q"))
        return WEIGHT_MALFORMED;
    return read_weight(trim(value));
}

enum content_coding coding_choose(struct http_slice accepted)
{
    int weights[CODING_COUNT] = {WEIGHT_UNSAID, WEIGHT_UNSAID, WEIGHT_UNSAID};
    int others = WEIGHT_UNSAID; /* of "*" */
    enum content_coding best = CODING_IDENTITY;

    while (accepted.length > 0) {
        struct http_slice element = take_up_to(&accepted, ',');
        struct http_slice name = take_up_to(&element, ';');
        int weight = read_parameters(trim(element));
        if (weight == WEIGHT_MALFORMED || name.length == 0)
            continue;
        if (is_named(name, "br"))
            weights[CODING_BROTLI] = weight;
        else if (is_named(name, "gzip") || is_named(name, "x-gzip"))
            weights[CODING_GZIP] = weight;
        else if (is_named(name, "identity"))
            weights[CODING_IDENTITY] = weight;
        else if (is_named(name, "*"))
            others = weight;
    }
    for (unsigned coding = CODING_GZIP; coding < CODING_COUNT; coding++)
        if (weights[coding] == WEIGHT_UNSAID)
            weights[coding] = others == WEIGHT_UNSAID ? 0 : others;
    /* Not named, identity is acceptable, but it is what nobody asked for. */
    if (weights[CODING_IDENTITY] == WEIGHT_UNSAID)
        weights[CODING_IDENTITY] = 0;
    for (unsigned coding = CODING_GZIP; coding < CODING_COUNT; coding++)
        if (weights[coding] > 0 && weights[coding] >= weights[best])
            best = (enum content_coding)coding;
    return best;
}
