/* SPDX-License-Identifier: Apache-2.0 */
#include "api/browse_query.h"

#include <assert.h>
#include <string.h>

#include "api/browse_text.h"
#include "api/money.h"
#include "base64url.h"

/* A cursor: seal, length of the key, key, ID, and zeros up to a multiple of three. The seal is a
 * part of a MAC of what the query names and of the rest. */
enum {
    SEAL_BYTES = 8,
    CURSOR_BYTES_MAX = (SEAL_BYTES + 1 + BROWSE_KEY_MAX + 1 + PRODUCT_ID_LENGTH_MAX + 2) / 3 * 3,
    CURSOR_TEXT_MAX = CURSOR_BYTES_MAX / 3 * 4,
};

static const char *const sort_names[BROWSE_SORT_COUNT] = {
#define X(name, text) [BROWSE_##name] = text,
    BROWSE_SORTS(X)
#undef X
};

/* ---- cursors ---- */

static void seal(const struct api *api, const struct browse_request *request, const uint8_t *rest,
                 size_t length, uint8_t seal_out[SEAL_BYTES])
{
    const struct secrets_port *secrets = engine_secrets(api->engine);
    uint8_t bytes[sizeof(request->key) + CURSOR_BYTES_MAX];
    uint8_t mac[MAC_BYTES];

    memcpy(bytes, request->key, request->set_length);
    memcpy(bytes + request->set_length, rest, length);
    secrets->mac(secrets->self, "listing cursor", bytes, request->set_length + length, mac);
    memcpy(seal_out, mac, SEAL_BYTES);
}

void browse_write_cursor(struct writer *writer, const struct api *api,
                         const struct browse_request *request, const struct browse_place *place)
{
    uint8_t bytes[CURSOR_BYTES_MAX] = {0};
    char text[CURSOR_TEXT_MAX + 1];
    size_t length = SEAL_BYTES;

    bytes[length++] = place->key_length;
    memcpy(bytes + length, place->key, place->key_length);
    length += place->key_length;
    memcpy(bytes + length, place->id, strlen(place->id));
    length = (length + strlen(place->id) + 2) / 3 * 3;
    seal(api, request, bytes + SEAL_BYTES, length - SEAL_BYTES, bytes);
    base64url_encode(bytes, length, text);
    write_byte(writer, '"');
    write_text(writer, text);
    write_byte(writer, '"');
}

static bool decode_cursor(const struct api *api, const struct browse_request *request,
                          const char *text, size_t length, struct browse_place *after)
{
    uint8_t bytes[CURSOR_BYTES_MAX];
    uint8_t wanted[SEAL_BYTES];
    size_t id;

    if (length % 4 != 0 || length > CURSOR_TEXT_MAX ||
        !base64url_decode(text, length / 4 * 3, bytes))
        return false;
    length = length / 4 * 3;
    if (length <= SEAL_BYTES + 1)
        return false;
    seal(api, request, bytes + SEAL_BYTES, length - SEAL_BYTES, wanted);
    if (memcmp(bytes, wanted, SEAL_BYTES) != 0)
        return false;
    /* From here on it is of our making. */
    after->key_length = bytes[SEAL_BYTES];
    id = SEAL_BYTES + 1 + (size_t)after->key_length;
    assert(after->key_length <= BROWSE_KEY_MAX + 1 && id < length);
    memcpy(after->key, bytes + SEAL_BYTES + 1, after->key_length);
    while (bytes[length - 1] == 0)
        length--;
    assert(id < length && length - id <= PRODUCT_ID_LENGTH_MAX);
    memset(after->id, 0, sizeof(after->id));
    memcpy(after->id, bytes + id, length - id);
    return true;
}

/* ---- parameters ---- */

static struct field field_of(const char *name)
{
    return (struct field){.name = {name, strlen(name)}};
}

struct slice browse_read_text(struct api_call *call, struct validation *validation,
                              const char *name, size_t characters_max, char *text_out,
                              size_t capacity)
{
    int length = http_query_parameter(call->exchange, name, 0, text_out, capacity);
    size_t characters = 0;

    if (length == HTTP_ABSENT)
        return (struct slice){text_out, 0};
    if (length >= 0 && !text_is_utf8(text_out, (size_t)length, &characters))
        length = HTTP_MALFORMED;
    if (length == HTTP_MALFORMED) {
        validation_add(validation, field_of(name), "must be UTF-8, without NUL");
        return (struct slice){text_out, 0};
    }
    if (length == HTTP_TOO_LONG || characters > characters_max) {
        validation_add(validation, field_of(name), "must be at most %zu characters",
                       characters_max);
        return (struct slice){text_out, 0};
    }
    text_fold(text_out, (size_t)length, text_out);
    return (struct slice){text_out, (size_t)length};
}

static int64_t read_price(struct api_call *call, struct validation *validation, const char *name,
                          int64_t otherwise)
{
    char text[RENDER_NUMBER_LENGTH_MAX + 1];
    int length = http_query_parameter(call->exchange, name, 0, text, sizeof(text));
    uint64_t price;

    if (length == HTTP_ABSENT || length == 0)
        return otherwise;
    if (length > 0 && text_to_unsigned(text, (size_t)length, PRICE_MINOR_MAX, &price))
        return (int64_t)price;
    validation_add(validation, field_of(name), "must be an integer from 0 to %lld, in minor units",
                   (long long)PRICE_MINOR_MAX);
    return otherwise;
}

int8_t browse_read_in_stock(struct api_call *call, struct validation *validation)
{
    char text[8];
    int length = http_query_parameter(call->exchange, "in_stock", 0, text, sizeof(text));

    if (length == HTTP_ABSENT || length == 0)
        return -1;
    if (length > 0 && (strcmp(text, "true") == 0 || strcmp(text, "false") == 0))
        return text[0] == 't';
    validation_add(validation, FIELD("in_stock"), "must be true or false");
    return -1;
}

static enum browse_sort read_sort(struct api_call *call, struct validation *validation)
{
    char text[16];
    int length = http_query_parameter(call->exchange, "sort", 0, text, sizeof(text));

    if (length == HTTP_ABSENT || length == 0)
        return BROWSE_RELEVANCE;
    for (unsigned i = 0; length > 0 && i < BROWSE_SORT_COUNT; i++)
        if (strcmp(text, sort_names[i]) == 0)
            return (enum browse_sort)i;
    validation_add(validation, FIELD("sort"),
                   "must be one of relevance, price, -price, name, newest");
    return BROWSE_RELEVANCE;
}

static void read_cursor(struct api_call *call, struct validation *validation,
                        struct browse_request *request)
{
    char text[CURSOR_TEXT_MAX + 1];
    int length = http_query_parameter(call->exchange, "cursor", 0, text, sizeof(text));
    struct browse_query *query = &request->query;

    if (length == HTTP_ABSENT)
        return;
    query->is_continued =
        length > 0 && decode_cursor(call->shard->api, request, text, (size_t)length, &query->after);
    if (!query->is_continued)
        request_cursor_invalid(validation);
}

/* ---- the key ---- */

static void add(struct browse_request *request, const void *bytes, size_t length)
{
    assert(length <= sizeof(request->key) - request->key_length);
    memcpy(request->key + request->key_length, bytes, length);
    request->key_length += length;
}

static void add_text(struct browse_request *request, struct slice text)
{
    uint16_t length = (uint16_t)text.length;

    add(request, &length, sizeof(length));
    add(request, text.text, text.length);
}

static void add_set(struct browse_request *request)
{
    const struct browse_query *query = &request->query;
    const uint8_t kinds[3] = {'l', (uint8_t)query->sort, (uint8_t)query->in_stock};

    add(request, kinds, sizeof(kinds));
    add(request, &query->min_price, sizeof(query->min_price));
    add(request, &query->max_price, sizeof(query->max_price));
    for (unsigned i = 0; i < BROWSE_KINDS; i++)
        add_text(request, query->terms[i]);
    add_text(request, query->q);
    request->set_length = request->key_length;
}

static void add_page(struct browse_request *request)
{
    const struct browse_query *query = &request->query;

    add(request, &query->limit, sizeof(query->limit));
    if (!query->is_continued)
        return;
    add(request, query->after.id, sizeof(query->after.id));
    add(request, query->after.key, query->after.key_length);
}

void browse_request_read(struct api_call *call, struct validation *validation,
                         struct browse_request *request)
{
    static const char *const names[] = {"q",         "category",  "brand",    "tag",
                                        "min_price", "max_price", "in_stock", "sort",
                                        "limit",     "cursor",    NULL};
    struct browse_query *query = &request->query;

    memset(query, 0, sizeof(*query));
    request_check_query(call, validation, names, NULL);
    query->q = browse_read_text(call, validation, "q", BROWSE_TEXT_CHARACTERS_MAX, request->q,
                                sizeof(request->q));
    query->terms[BROWSE_CATEGORY] =
        browse_read_text(call, validation, "category", BROWSE_CATEGORY_CHARACTERS_MAX,
                         request->category, sizeof(request->category));
    query->terms[BROWSE_BRAND] = browse_read_text(call, validation, "brand", PRODUCT_LABEL_MAX,
                                                  request->brand, sizeof(request->brand));
    query->terms[BROWSE_TAG] = browse_read_text(call, validation, "tag", PRODUCT_LABEL_MAX,
                                                request->tag, sizeof(request->tag));
    query->min_price = read_price(call, validation, "min_price", 0);
    query->max_price = read_price(call, validation, "max_price", INT64_MAX);
    if (query->min_price > query->max_price)
        validation_add(validation, FIELD("min_price"), "must not be above `max_price`");
    query->in_stock = browse_read_in_stock(call, validation);
    query->sort = read_sort(call, validation);
    query->limit = request_limit(call, validation);
    request->key_length = 0;
    add_set(request);
    read_cursor(call, validation, request);
    add_page(request);
}

void browse_request_copy(struct browse_request *target, const struct browse_request *source)
{
    char *const texts[BROWSE_KINDS] = {target->category, target->brand, target->tag};

    target->query = source->query;
    target->key_length = source->key_length;
    target->set_length = source->set_length;
    memcpy(target->key, source->key, source->key_length);
    for (unsigned i = 0; i < BROWSE_KINDS; i++) {
        memcpy(texts[i], source->query.terms[i].text, source->query.terms[i].length);
        target->query.terms[i].text = texts[i];
    }
    memcpy(target->q, source->q, source->query.q.length);
    target->query.q.text = target->q;
}
