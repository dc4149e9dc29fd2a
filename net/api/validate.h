/* SPDX-License-Identifier: Apache-2.0 */
/* Checking fields: collects what is wrong, by field, for one answer 422 that names all of it. The
 * checks cost nothing but themselves where all is well. Pure but for validation_respond. */
#ifndef STAMPEDE_API_VALIDATE_H
#define STAMPEDE_API_VALIDATE_H

#include "api/json.h"
#include "http/http.h"

enum {
    VALIDATION_ERRORS_MAX = 16, /* named in one answer */
    VALIDATION_FIELD_LENGTH_MAX = 96,
    VALIDATION_MESSAGE_LENGTH_MAX = 120,
};

/* A field's path: `quantity`, `items[2].quantity`, `items[2]`, `items`, `payment.provider`. */
#define FIELD_OF_OBJECT SIZE_MAX /* as index: `array` is the name of an object */
struct field {
    const char *array; /* NULL: none */
    size_t index;
    struct slice name; /* text NULL: the element itself */
};

#define FIELD(literal) ((struct field){.name = {literal, sizeof(literal) - 1}})
#define ELEMENT_FIELD(list, position, literal)                                                     \
    ((struct field){.array = (list), .index = (position), .name = {literal, sizeof(literal) - 1}})
#define ELEMENT(list, position) ((struct field){.array = (list), .index = (position)})

struct validation {
    unsigned count; /* of all errors; only the first VALIDATION_ERRORS_MAX are kept */
    struct validation_error {
        char field[VALIDATION_FIELD_LENGTH_MAX + 1];
        char message[VALIDATION_MESSAGE_LENGTH_MAX + 1];
    } errors[VALIDATION_ERRORS_MAX];
};

static inline void validation_init(struct validation *validation)
{
    validation->count = 0;
}

/* Notes an error; `format` as for printf. A field's path that is too long is cut. */
void validation_add(struct validation *validation, struct field field, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Each checks one value and gives it; false after noting the error. Lengths are in characters. */
bool validate_integer(struct validation *validation, struct field field,
                      const struct json_value *value, int64_t min, int64_t max,
                      int64_t *integer_out);
bool validate_string(struct validation *validation, struct field field,
                     const struct json_value *value, size_t length_min, size_t length_max,
                     struct slice *string_out);
/* What sku_is_valid takes: SKUs and product IDs. */
bool validate_code(struct validation *validation, struct field field,
                   const struct json_value *value, struct slice *code_out);

/* Sorts an object's members into `values_out` (NULL: absent); notes what is unknown or twice.
 * `array` (NULL: none) and `index` say where the object stands. */
void validation_sort_members(struct validation *validation, const char *array, size_t index,
                             const struct json_value *object, const char *const names[],
                             unsigned name_count, const struct json_value *values_out[]);

/* Digits without sign, from text: query parameters and columns. */
bool text_to_unsigned(const char *text, size_t length, uint64_t max, uint64_t *value_out);

/* A time of RFC 3339, section 5.6, with an offset or `Z`, from 1970 to 9999, in milliseconds since
 * 1970; finer fractions are cut. A leap second is the last one of its minute. */
bool text_to_time(const char *text, size_t length, int64_t *wall_ms_out);

/* Answers 422 with one error. The exchange is over. */
void validation_respond_one(struct http_exchange *exchange, struct field field,
                            const char *message);

/* Answers 422 with the errors noted; there is at least one. The exchange is over. */
void validation_respond(const struct validation *validation, struct http_exchange *exchange);

#endif
