/* SPDX-License-Identifier: Apache-2.0 */
/* A ProductCreate (docs/openapi.yaml) field by field. */
#include <assert.h>
#include <string.h>

#include "api/money.h"
#include "api/product_draft.h"

/* clang-format off */
#define PRODUCT_MEMBERS(X)                                                                         \
    X(id)                                                                                          \
    X(name)                                                                                        \
    X(description)                                                                                 \
    X(price_minor) X(currency) X(category) X(brand) X(tags) X(images) X(limit_per_customer) X(sku) \
        X(stock) X(weight_grams) X(variants)
/* clang-format on */
#define VARIANT_MEMBERS(X) X(sku) X(options) X(price_minor) X(stock) X(weight_grams)

enum product_member {
#define X(name) PRODUCT_##name,
    PRODUCT_MEMBERS(X)
#undef X
        PRODUCT_MEMBER_COUNT
};

enum variant_member {
#define X(name) VARIANT_##name,
    VARIANT_MEMBERS(X)
#undef X
        VARIANT_MEMBER_COUNT
};

static const char *const product_members[PRODUCT_MEMBER_COUNT] = {
#define X(name) [PRODUCT_##name] = #name,
    PRODUCT_MEMBERS(X)
#undef X
};

static const char *const variant_members[VARIANT_MEMBER_COUNT] = {
#define X(name) [VARIANT_##name] = #name,
    VARIANT_MEMBERS(X)
#undef X
};

static void require(struct validation *validation, struct field field,
                    const struct json_value *value)
{
    if (value == NULL)
        validation_add(validation, field, "is required");
}

static uint32_t read_strings(struct validation *validation, const char *name,
                             const struct json_value *array, uint32_t count_max, size_t length_min,
                             size_t length_max, struct slice *strings_out)
{
    struct field field = {.name = {name, strlen(name)}};
    const struct json_value *element;
    uint32_t count = 0;

    if (array == NULL)
        return 0;
    if (json_type(array) != JSON_ARRAY || json_size(array) > count_max) {
        validation_add(validation, field, "must be an array of at most %u strings", count_max);
        return 0;
    }
    struct json_iterator elements = json_elements(array);
    for (; json_next_element(&elements, &element); count++)
        validate_string(validation, ELEMENT(name, count), element, length_min, length_max,
                        &strings_out[count]);
    return count;
}

static void read_options(struct validation *validation, size_t index,
                         const struct json_value *object, struct variant_draft *variant)
{
    struct field field = ELEMENT_FIELD("variants", index, "options");
    const struct json_value *value;
    struct slice name;

    if (json_type(object) != JSON_OBJECT || json_size(object) > VARIANT_OPTIONS_MAX) {
        validation_add(validation, field, "must be an object of at most %d names with values",
                       (int)VARIANT_OPTIONS_MAX);
        return;
    }
    struct json_iterator members = json_members(object);
    for (; json_next_member(&members, &name, &value); variant->option_count++) {
        uint32_t count = variant->option_count;
        size_t characters = 0;
        for (uint32_t i = 0; i < count; i++) {
            if (slices_equal(variant->options[i].name, name))
                validation_add(validation, field, "gives a name twice");
        }
        text_is_utf8(name.text, name.length, &characters);
        if (characters == 0 || characters > PRODUCT_LABEL_MAX)
            validation_add(validation, field, "has a name that is not of 1 to %d characters",
                           (int)PRODUCT_LABEL_MAX);
        variant->options[count].name = name;
        validate_string(validation, field, value, 0, PRODUCT_LABEL_MAX,
                        &variant->options[count].value);
    }
}

static void read_stock(struct validation *validation, struct field field,
                       const struct json_value *value, struct variant_draft *variant)
{
    int64_t stock = 0;

    if (validate_integer(validation, field, value, 0, SKU_STOCK_MAX, &stock))
        variant->stock = (uint32_t)stock;
}

static void read_variant(struct validation *validation, size_t index,
                         const struct json_value *object, struct variant_draft *variant)
{
    const struct json_value *values[VARIANT_MEMBER_COUNT];

    *variant = (struct variant_draft){.price_minor = -1, .weight_grams = -1};
    if (json_type(object) != JSON_OBJECT) {
        validation_add(validation, ELEMENT("variants", index), "must be an object");
        return;
    }
    validation_sort_members(validation, "variants", index, object, variant_members,
                            VARIANT_MEMBER_COUNT, values);
    require(validation, ELEMENT_FIELD("variants", index, "sku"), values[VARIANT_sku]);
    require(validation, ELEMENT_FIELD("variants", index, "stock"), values[VARIANT_stock]);
    if (values[VARIANT_sku] != NULL)
        validate_code(validation, ELEMENT_FIELD("variants", index, "sku"), values[VARIANT_sku],
                      &variant->sku);
    if (values[VARIANT_stock] != NULL)
        read_stock(validation, ELEMENT_FIELD("variants", index, "stock"), values[VARIANT_stock],
                   variant);
    if (values[VARIANT_price_minor] != NULL)
        validate_integer(validation, ELEMENT_FIELD("variants", index, "price_minor"),
                         values[VARIANT_price_minor], 0, PRICE_MINOR_MAX, &variant->price_minor);
    if (values[VARIANT_weight_grams] != NULL)
        validate_integer(validation, ELEMENT_FIELD("variants", index, "weight_grams"),
                         values[VARIANT_weight_grams], 0, WEIGHT_GRAMS_MAX, &variant->weight_grams);
    if (values[VARIANT_options] != NULL)
        read_options(validation, index, values[VARIANT_options], variant);
}

static void read_variants(struct validation *validation, const struct json_value *array,
                          struct product_draft *draft)
{
    const struct json_value *element;
    uint32_t count = 0;

    if (json_type(array) != JSON_ARRAY || json_size(array) == 0 ||
        json_size(array) > PRODUCT_VARIANTS_MAX) {
        validation_add(validation, FIELD("variants"), "must be an array of 1 to %d variants",
                       (int)PRODUCT_VARIANTS_MAX);
        return;
    }
    struct json_iterator elements = json_elements(array);
    for (; json_next_element(&elements, &element); count++) {
        struct variant_draft *variant = &draft->variants[count];
        read_variant(validation, count, element, variant);
        for (uint32_t i = 0; i < count && variant->sku.length > 0; i++) {
            if (slices_equal(draft->variants[i].sku, variant->sku))
                validation_add(validation, ELEMENT_FIELD("variants", count, "sku"),
                               "is given twice");
        }
    }
    draft->variant_count = count;
}

/* The only variant of a product that has none: `sku` and `stock` stand beside its name. */
static void read_single(struct validation *validation, const struct json_value *sku,
                        const struct json_value *stock, struct product_draft *draft)
{
    struct variant_draft *variant = &draft->variants[0];

    *variant = (struct variant_draft){.price_minor = -1, .weight_grams = -1};
    draft->variant_count = 1;
    if (sku == NULL && stock == NULL) {
        validation_add(validation, FIELD("variants"), "is required, or `sku` and `stock`");
        return;
    }
    require(validation, FIELD("sku"), sku);
    require(validation, FIELD("stock"), stock);
    if (sku != NULL)
        validate_code(validation, FIELD("sku"), sku, &variant->sku);
    if (stock != NULL)
        read_stock(validation, FIELD("stock"), stock, variant);
}

static void read_texts(struct validation *validation, const struct json_value *const values[],
                       struct product_draft *draft)
{
    if (values[PRODUCT_id] != NULL)
        validate_code(validation, FIELD("id"), values[PRODUCT_id], &draft->id);
    if (values[PRODUCT_name] != NULL)
        validate_string(validation, FIELD("name"), values[PRODUCT_name], 1, PRODUCT_NAME_MAX,
                        &draft->name);
    if (values[PRODUCT_description] != NULL)
        validate_string(validation, FIELD("description"), values[PRODUCT_description], 0,
                        PRODUCT_DESCRIPTION_MAX, &draft->description);
    if (values[PRODUCT_category] != NULL)
        validate_string(validation, FIELD("category"), values[PRODUCT_category], 0,
                        PRODUCT_LABEL_MAX, &draft->category);
    if (values[PRODUCT_brand] != NULL)
        validate_string(validation, FIELD("brand"), values[PRODUCT_brand], 0, PRODUCT_LABEL_MAX,
                        &draft->brand);
    if (values[PRODUCT_currency] != NULL) {
        const struct json_value *value = values[PRODUCT_currency];
        if (json_type(value) == JSON_STRING)
            draft->currency = json_string(value);
        if (money_currency_exponent(draft->currency.text, draft->currency.length) < 0)
            validation_add(validation, FIELD("currency"), "must be a currency code of ISO 4217");
    }
}

static void read_limit(struct validation *validation, const struct json_value *value,
                       struct product_draft *draft)
{
    int64_t limit = 0;

    if (value == NULL || json_type(value) == JSON_NULL)
        return;
    if (validate_integer(validation, FIELD("limit_per_customer"), value, 1, SKU_STOCK_MAX, &limit))
        draft->limit_per_customer = (uint32_t)limit;
}

void product_draft_read(struct validation *validation, const struct json_value *object,
                        struct product_draft *draft_out)
{
    const struct json_value *values[PRODUCT_MEMBER_COUNT];
    int64_t weight_grams = 0;

    memset(draft_out, 0, offsetof(struct product_draft, variants));
    validation_sort_members(validation, NULL, 0, object, product_members, PRODUCT_MEMBER_COUNT,
                            values);
    require(validation, FIELD("name"), values[PRODUCT_name]);
    require(validation, FIELD("price_minor"), values[PRODUCT_price_minor]);
    require(validation, FIELD("currency"), values[PRODUCT_currency]);
    read_texts(validation, values, draft_out);
    if (values[PRODUCT_price_minor] != NULL)
        validate_integer(validation, FIELD("price_minor"), values[PRODUCT_price_minor], 0,
                         PRICE_MINOR_MAX, &draft_out->price_minor);
    draft_out->tag_count = read_strings(validation, "tags", values[PRODUCT_tags], PRODUCT_TAGS_MAX,
                                        1, PRODUCT_TAG_MAX, draft_out->tags);
    draft_out->image_count =
        read_strings(validation, "images", values[PRODUCT_images], PRODUCT_IMAGES_MAX, 0,
                     PRODUCT_IMAGE_MAX, draft_out->images);
    read_limit(validation, values[PRODUCT_limit_per_customer], draft_out);
    if (values[PRODUCT_weight_grams] != NULL &&
        validate_integer(validation, FIELD("weight_grams"), values[PRODUCT_weight_grams], 0,
                         WEIGHT_GRAMS_MAX, &weight_grams))
        draft_out->weight_grams = (uint32_t)weight_grams;
    if (values[PRODUCT_variants] == NULL) {
        read_single(validation, values[PRODUCT_sku], values[PRODUCT_stock], draft_out);
        return;
    }
    if (values[PRODUCT_sku] != NULL)
        validation_add(validation, FIELD("sku"), "stands in `variants` where there are variants");
    if (values[PRODUCT_stock] != NULL)
        validation_add(validation, FIELD("stock"), "stands in `variants` where there are variants");
    read_variants(validation, values[PRODUCT_variants], draft_out);
}
