/* SPDX-License-Identifier: Apache-2.0 */
/* A ProductCreate, ProductReplace or ProductChange (docs/openapi.yaml) field by field. */
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
        X(stock) X(weight_grams) X(variants) X(status) X(seo)
/* clang-format on */
#define SEO_MEMBERS(X)     X(title) X(description) X(slug)
#define IMAGE_MEMBERS(X)   X(url) X(alt)
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

enum seo_member {
#define X(name) SEO_##name,
    SEO_MEMBERS(X)
#undef X
        SEO_MEMBER_COUNT
};

enum image_member {
#define X(name) IMAGE_##name,
    IMAGE_MEMBERS(X)
#undef X
        IMAGE_MEMBER_COUNT
};

static const char *const seo_members[SEO_MEMBER_COUNT] = {
#define X(name) [SEO_##name] = #name,
    SEO_MEMBERS(X)
#undef X
};

static const char *const image_members[IMAGE_MEMBER_COUNT] = {
#define X(name) [IMAGE_##name] = #name,
    IMAGE_MEMBERS(X)
#undef X
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

/* How variants are to be read. */
struct variant_rules {
    bool needs_stock;
    int64_t own_price_minor; /* what costs so much goes by the product's price; -1: nothing does */
    int64_t own_weight_grams;
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

static void read_image(struct validation *validation, size_t index, const struct json_value *value,
                       struct product_draft *draft)
{
    const struct json_value *values[IMAGE_MEMBER_COUNT];

    if (json_type(value) != JSON_OBJECT) {
        validate_string(validation, ELEMENT("images", index), value, 0, PRODUCT_IMAGE_MAX,
                        &draft->images[index]);
        return;
    }
    validation_sort_members(validation, "images", index, value, image_members, IMAGE_MEMBER_COUNT,
                            values);
    require(validation, ELEMENT_FIELD("images", index, "url"), values[IMAGE_url]);
    if (values[IMAGE_url] != NULL)
        validate_string(validation, ELEMENT_FIELD("images", index, "url"), values[IMAGE_url], 0,
                        PRODUCT_IMAGE_MAX, &draft->images[index]);
    if (values[IMAGE_alt] != NULL)
        validate_string(validation, ELEMENT_FIELD("images", index, "alt"), values[IMAGE_alt], 0,
                        PRODUCT_IMAGE_ALT_MAX, &draft->image_alts[index]);
}

static void read_images(struct validation *validation, const struct json_value *array,
                        struct product_draft *draft)
{
    const struct json_value *element;

    if (array == NULL)
        return;
    if (json_type(array) != JSON_ARRAY || json_size(array) > PRODUCT_IMAGES_MAX) {
        validation_add(validation, FIELD("images"),
                       "must be an array of at most %d strings or objects",
                       (int)PRODUCT_IMAGES_MAX);
        return;
    }
    struct json_iterator elements = json_elements(array);
    for (; json_next_element(&elements, &element); draft->image_count++)
        read_image(validation, draft->image_count, element, draft);
}

static bool slug_is_valid(struct slice slug)
{
    for (size_t i = 0; i < slug.length; i++) {
        char byte = slug.text[i];

        if (!(byte >= 'a' && byte <= 'z') && !(byte >= '0' && byte <= '9') && byte != '-' &&
            byte != '_')
            return false;
    }
    return true;
}

static void sort_seo(struct validation *validation, const struct json_value *object,
                     const struct json_value *values_out[SEO_MEMBER_COUNT])
{
    memset(values_out, 0, SEO_MEMBER_COUNT * sizeof(values_out[0]));
    if (object == NULL)
        return;
    if (json_type(object) != JSON_OBJECT)
        validation_add(validation, FIELD("seo"), "must be an object");
    else
        validation_sort_members(validation, "seo", FIELD_OF_OBJECT, object, seo_members,
                                SEO_MEMBER_COUNT, values_out);
}

static void read_seo(struct validation *validation, const struct json_value *const values[],
                     struct product_draft *draft)
{
    const struct {
        enum seo_member member;
        size_t length_max;
        struct slice *text;
    } texts[] = {{SEO_title, PRODUCT_SEO_TITLE_MAX, &draft->seo_title},
                 {SEO_description, PRODUCT_SEO_DESCRIPTION_MAX, &draft->seo_description},
                 {SEO_slug, PRODUCT_SEO_SLUG_MAX, &draft->seo_slug}};

    for (unsigned i = 0; i < SEO_MEMBER_COUNT; i++) {
        const char *name = seo_members[texts[i].member];
        struct field field = {"seo", FIELD_OF_OBJECT, {name, strlen(name)}};

        if (values[texts[i].member] != NULL)
            validate_string(validation, field, values[texts[i].member], 0, texts[i].length_max,
                            texts[i].text);
    }
    if (!slug_is_valid(draft->seo_slug))
        validation_add(validation, ELEMENT_FIELD("seo", FIELD_OF_OBJECT, "slug"),
                       "must be of small letters, digits, - and _");
}

enum product_status product_status_find(struct slice name)
{
    unsigned status = 0;

    while (status < PRODUCT_STATUS_COUNT &&
           !slice_is(name, product_status_name((enum product_status)status)))
        status++;
    return (enum product_status)status;
}

static void read_status(struct validation *validation, const struct json_value *value,
                        struct product_draft *draft)
{
    enum product_status status = PRODUCT_STATUS_COUNT;

    if (value == NULL)
        return;
    if (json_type(value) == JSON_STRING)
        status = product_status_find(json_string(value));
    if (status == PRODUCT_STATUS_COUNT)
        validation_add(validation, FIELD("status"), "must be active, draft or archived");
    else
        draft->status = (uint8_t)status;
}

const char *product_category_problem(struct slice path)
{
    static const char separator[] = " > ";
    const char *at = path.text;
    const char *end = path.text + path.length;

    if (path.length == 0)
        return NULL;
    if (path.length > PRODUCT_LABEL_TEXT_MAX)
        return "is too long";
    for (unsigned names = 1;; names++) {
        const char *next = memmem(at, (size_t)(end - at), separator, sizeof(separator) - 1);
        const char *name_end = next == NULL ? end : next;
        size_t characters = 0;

        text_is_utf8(at, (size_t)(name_end - at), &characters);
        if (characters == 0 || *at == ' ' || name_end[-1] == ' ')
            return "has a name that is empty, or begins or ends with a space";
        if (characters > PRODUCT_LABEL_MAX)
            return "has a name of more than 100 characters";
        if (names > PRODUCT_CATEGORY_NAMES_MAX)
            return "is a path of more than 8 names";
        if (next == NULL)
            return NULL;
        at = next + sizeof(separator) - 1;
    }
}

static void read_category(struct validation *validation, const struct json_value *value,
                          struct product_draft *draft)
{
    const char *problem;

    if (value == NULL || !validate_string(validation, FIELD("category"), value, 0,
                                          PRODUCT_LABEL_TEXT_MAX, &draft->category))
        return;
    problem = product_category_problem(draft->category);
    if (problem != NULL)
        validation_add(validation, FIELD("category"), "%s", problem);
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

static void read_variant(struct validation *validation, const struct variant_rules *rules,
                         size_t index, const struct json_value *object,
                         struct variant_draft *variant)
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
    if (rules->needs_stock)
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
    if (variant->price_minor == rules->own_price_minor)
        variant->price_minor = -1;
    if (variant->weight_grams == rules->own_weight_grams)
        variant->weight_grams = -1;
}

static void read_variants(struct validation *validation, const struct variant_rules *rules,
                          const struct json_value *array, struct product_draft *draft)
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
        read_variant(validation, rules, count, element, variant);
        for (uint32_t i = 0; i < count && variant->sku.length > 0; i++) {
            if (slices_equal(draft->variants[i].sku, variant->sku))
                validation_add(validation, ELEMENT_FIELD("variants", count, "sku"),
                               "is given twice");
        }
    }
    draft->variant_count = count;
}

/* The only variant of a product that has none: `sku` and `stock` stand beside its name. */
static void read_single(struct validation *validation, const struct variant_rules *rules,
                        const struct json_value *sku, const struct json_value *stock,
                        struct product_draft *draft)
{
    struct variant_draft *variant = &draft->variants[0];

    *variant = (struct variant_draft){.price_minor = -1, .weight_grams = -1};
    draft->variant_count = 1;
    if (sku == NULL && stock == NULL) {
        validation_add(validation, FIELD("variants"), "is required, or `sku` and `stock`");
        return;
    }
    require(validation, FIELD("sku"), sku);
    if (rules->needs_stock)
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
    read_category(validation, values[PRODUCT_category], draft);
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

/* What a product is said to be, from one text or two. */
struct product_values {
    const struct json_value *own[PRODUCT_MEMBER_COUNT];
    const struct json_value *seo[SEO_MEMBER_COUNT];
};

static void sort_values(struct validation *validation, const struct json_value *object,
                        struct product_values *values_out)
{
    validation_sort_members(validation, NULL, 0, object, product_members, PRODUCT_MEMBER_COUNT,
                            values_out->own);
    sort_seo(validation, values_out->own[PRODUCT_seo], values_out->seo);
}

static void read_values(struct validation *validation, const struct product_values *from,
                        const struct variant_rules *rules, struct product_draft *draft_out)
{
    const struct json_value *const *values = from->own;
    int64_t weight_grams = 0;

    memset(draft_out, 0, offsetof(struct product_draft, variants));
    require(validation, FIELD("name"), values[PRODUCT_name]);
    require(validation, FIELD("price_minor"), values[PRODUCT_price_minor]);
    require(validation, FIELD("currency"), values[PRODUCT_currency]);
    read_texts(validation, values, draft_out);
    if (values[PRODUCT_price_minor] != NULL)
        validate_integer(validation, FIELD("price_minor"), values[PRODUCT_price_minor], 0,
                         PRICE_MINOR_MAX, &draft_out->price_minor);
    draft_out->tag_count = read_strings(validation, "tags", values[PRODUCT_tags], PRODUCT_TAGS_MAX,
                                        1, PRODUCT_TAG_MAX, draft_out->tags);
    read_images(validation, values[PRODUCT_images], draft_out);
    read_status(validation, values[PRODUCT_status], draft_out);
    read_seo(validation, from->seo, draft_out);
    read_limit(validation, values[PRODUCT_limit_per_customer], draft_out);
    if (values[PRODUCT_weight_grams] != NULL &&
        validate_integer(validation, FIELD("weight_grams"), values[PRODUCT_weight_grams], 0,
                         WEIGHT_GRAMS_MAX, &weight_grams))
        draft_out->weight_grams = (uint32_t)weight_grams;
    if (values[PRODUCT_variants] == NULL) {
        read_single(validation, rules, values[PRODUCT_sku], values[PRODUCT_stock], draft_out);
        return;
    }
    if (values[PRODUCT_sku] != NULL)
        validation_add(validation, FIELD("sku"), "stands in `variants` where there are variants");
    if (values[PRODUCT_stock] != NULL)
        validation_add(validation, FIELD("stock"), "stands in `variants` where there are variants");
    read_variants(validation, rules, values[PRODUCT_variants], draft_out);
}

void product_draft_read(struct validation *validation, const struct json_value *object,
                        struct product_draft *draft_out)
{
    struct variant_rules rules = {
        .needs_stock = true, .own_price_minor = -1, .own_weight_grams = -1};
    struct product_values values;

    sort_values(validation, object, &values);
    read_values(validation, &values, &rules, draft_out);
}

void product_draft_replace(struct validation *validation, const struct json_value *object,
                           struct product_draft *draft_out)
{
    struct variant_rules rules = {.own_price_minor = -1, .own_weight_grams = -1};
    struct product_values values;

    sort_values(validation, object, &values);
    read_values(validation, &values, &rules, draft_out);
}

/* What the patch says takes the place of what there is; its null removes that. */
static void merge(const struct json_value **values, const struct json_value *const *patch,
                  unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        if (patch[i] != NULL)
            values[i] = json_type(patch[i]) == JSON_NULL ? NULL : patch[i];
}

static int64_t integer_of(const struct json_value *value)
{
    return value == NULL || json_type(value) != JSON_INTEGER ? -1 : json_integer(value);
}

/* The weight that a stored product's variants have in common is the product's; -1: none is. */
static int64_t common_weight(const struct json_value *variants)
{
    struct json_iterator elements = json_elements(variants);
    const struct json_value *element;
    int64_t common = -2;

    while (json_next_element(&elements, &element)) {
        int64_t weight = integer_of(json_member(element, "weight_grams"));

        if (common != -2 && weight != common)
            return -1;
        common = weight;
    }
    return common < 0 ? -1 : common;
}

void product_draft_change(struct validation *validation, const struct json_value *stored,
                          const struct json_value *patch, struct product_draft *draft_out)
{
    struct variant_rules rules = {.own_price_minor = -1, .own_weight_grams = -1};
    struct product_values values;
    struct product_values changes;

    sort_values(validation, stored, &values);
    validation_sort_members(validation, NULL, 0, patch, product_members, PRODUCT_MEMBER_COUNT,
                            changes.own);
    memset(changes.seo, 0, sizeof(changes.seo));
    if (changes.own[PRODUCT_seo] != NULL && json_type(changes.own[PRODUCT_seo]) == JSON_NULL)
        memset(values.seo, 0, sizeof(values.seo));
    else
        sort_seo(validation, changes.own[PRODUCT_seo], changes.seo);
    if (changes.own[PRODUCT_variants] == NULL) {
        if (changes.own[PRODUCT_price_minor] != NULL)
            rules.own_price_minor = integer_of(values.own[PRODUCT_price_minor]);
        if (changes.own[PRODUCT_weight_grams] != NULL)
            rules.own_weight_grams = common_weight(values.own[PRODUCT_variants]);
    }
    merge(values.own, changes.own, PRODUCT_MEMBER_COUNT);
    merge(values.seo, changes.seo, SEO_MEMBER_COUNT);
    read_values(validation, &values, &rules, draft_out);
}
