/* SPDX-License-Identifier: Apache-2.0 */
/* CouponCreate and CouponChange (docs/openapi.yaml) field by field, and Coupon. */
#include "api/coupon_draft.h"

#include <assert.h>
#include <string.h>

#include "api/money.h"

#define COUPON_MEMBERS(X)                                                                          \
    X(code)                                                                                        \
    X(kind)                                                                                        \
    X(percent_bp)                                                                                  \
    X(amount_minor)                                                                                \
    X(currency)                                                                                    \
    X(buy)                                                                                         \
    X(get)                                                                                         \
    X(max_uses)                                                                                    \
    X(max_uses_per_customer)                                                                       \
    X(min_subtotal_minor)                                                                          \
    X(starts_at)                                                                                   \
    X(ends_at)                                                                                     \
    X(categories)                                                                                  \
    X(products)                                                                                    \
    X(stackable)                                                                                   \
    X(enabled)

enum coupon_member {
#define X(name) MEMBER_##name,
    COUPON_MEMBERS(X)
#undef X
        MEMBER_COUNT
};

static const char *const member_names[MEMBER_COUNT] = {
#define X(name) [MEMBER_##name] = #name,
    COUPON_MEMBERS(X)
#undef X
};

static const char *const kind_names[COUPON_KIND_COUNT] = {
#define X(name, text) [COUPON_##name] = text,
    COUPON_KINDS(X)
#undef X
};

static bool is_given(const struct coupon_draft *draft, enum coupon_member member)
{
    return (draft->given & 1u << member) != 0;
}

/* ---- one member ---- */

static void read_code(struct validation *validation, struct field field,
                      const struct json_value *value, struct coupon_draft *draft)
{
    struct slice text = {0};

    if (json_type(value) == JSON_STRING)
        text = json_string(value);
    if (text.text == NULL || !coupon_code_read(text.text, text.length, draft->code))
        validation_add(validation, field, "must be 1 to %d of letters, digits, _ and -",
                       (int)COUPON_CODE_MAX);
}

static void read_kind(struct validation *validation, struct field field,
                      const struct json_value *value, struct coupon_draft *draft)
{
    for (unsigned i = 0; i < COUPON_KIND_COUNT && json_type(value) == JSON_STRING; i++) {
        if (slice_is(json_string(value), kind_names[i])) {
            draft->definition.rule.kind = (uint8_t)i;
            return;
        }
    }
    validation_add(validation, field, "must be percentage, fixed, free_shipping or buy_x_get_y");
}

static void read_currency(struct validation *validation, struct field field,
                          const struct json_value *value, struct coupon_draft *draft)
{
    struct slice text = {0};

    if (json_type(value) == JSON_STRING)
        text = json_string(value);
    if (text.length == 3 && money_currency_exponent(text.text, text.length) >= 0)
        memcpy(draft->definition.rule.currency, text.text, 3);
    else
        validation_add(validation, field, "must be a currency of ISO 4217");
}

static void read_number(struct validation *validation, struct field field,
                        const struct json_value *value, int64_t max, uint32_t *number_out)
{
    int64_t number = 0;

    if (validate_integer(validation, field, value, 1, max, &number))
        *number_out = (uint32_t)number;
}

static void read_time(struct validation *validation, struct field field,
                      const struct json_value *value, int64_t *wall_ms_out)
{
    struct slice text = {0};
    int64_t wall_ms = 0;

    if (json_type(value) == JSON_STRING)
        text = json_string(value);
    if (text.text == NULL || !text_to_time(text.text, text.length, &wall_ms) || wall_ms == 0)
        validation_add(validation, field, "must be a time as in 2026-11-27T18:00:00Z");
    else if (wall_ms >= COUPON_TIME_END)
        validation_add(validation, field, "is too far away");
    else
        *wall_ms_out = wall_ms;
}

static void read_switch(struct validation *validation, struct field field,
                        const struct json_value *value, bool *switch_out)
{
    if (json_type(value) == JSON_BOOLEAN)
        *switch_out = json_boolean(value);
    else
        validation_add(validation, field, "must be true or false");
}

static bool read_name(struct validation *validation, struct field field, bool is_product,
                      const struct json_value *value, struct slice *name_out)
{
    if (is_product)
        return validate_code(validation, field, value, name_out);
    return validate_string(validation, field, value, 1, COUPON_LABEL_MAX, name_out);
}

static void read_names(struct validation *validation, const char *name, bool is_product,
                       const struct json_value *array, struct coupon_names *names_out,
                       uint8_t *count_out)
{
    struct field field = {.name = {name, strlen(name)}};
    const struct json_value *element;
    struct json_iterator elements;
    struct slice text;

    if (json_type(array) != JSON_ARRAY || json_size(array) > COUPON_SCOPE_MAX) {
        validation_add(validation, field, "must be an array of at most %d strings",
                       (int)COUPON_SCOPE_MAX);
        return;
    }
    elements = json_elements(array);
    for (uint8_t i = 0; json_next_element(&elements, &element); i++) {
        if (!read_name(validation, ELEMENT(name, i), is_product, element, &text))
            continue;
        if (coupon_names_add(names_out, text.text, text.length))
            ++*count_out;
        else
            validation_add(validation, field, "is too long");
    }
}

static void read_amount(struct validation *validation, struct field field,
                        const struct json_value *value, int64_t *amount_out)
{
    validate_integer(validation, field, value, 1, PRICE_MINOR_MAX, amount_out);
}

static void read_rule_member(struct validation *validation, enum coupon_member member,
                             struct field field, const struct json_value *value,
                             struct coupon_draft *draft)
{
    struct pricing_coupon *rule = &draft->definition.rule;

    switch ((int)member) {
    case MEMBER_kind:
        read_kind(validation, field, value, draft);
        break;
    case MEMBER_percent_bp:
        read_number(validation, field, value, 10000, &rule->percent_bp);
        break;
    case MEMBER_amount_minor:
        read_amount(validation, field, value, &rule->amount_minor);
        break;
    case MEMBER_currency:
        read_currency(validation, field, value, draft);
        break;
    case MEMBER_buy:
        read_number(validation, field, value, QUANTITY_MAX, &rule->buy);
        break;
    case MEMBER_get:
        read_number(validation, field, value, QUANTITY_MAX, &rule->get);
        break;
    case MEMBER_min_subtotal_minor:
        read_amount(validation, field, value, &rule->min_subtotal_minor);
        break;
    case MEMBER_categories:
        read_names(validation, "categories", false, value, &draft->categories,
                   &draft->category_count);
        break;
    case MEMBER_products:
        read_names(validation, "products", true, value, &draft->products, &draft->product_count);
        break;
    case MEMBER_stackable:
        read_switch(validation, field, value, &rule->stackable);
        break;
    default:
        assert(false && "every member is read");
    }
}

static void read_member(struct validation *validation, enum coupon_member member,
                        struct field field, const struct json_value *value,
                        struct coupon_draft *draft)
{
    struct coupon_definition *definition = &draft->definition;
    bool enabled = true;

    switch ((int)member) {
    case MEMBER_code:
        read_code(validation, field, value, draft);
        break;
    case MEMBER_max_uses:
        read_number(validation, field, value, COUPON_USES_MAX, &definition->max_uses);
        break;
    case MEMBER_max_uses_per_customer:
        read_number(validation, field, value, COUPON_USES_MAX, &definition->max_uses_per_customer);
        break;
    case MEMBER_starts_at:
        read_time(validation, field, value, &definition->starts_wall_ms);
        break;
    case MEMBER_ends_at:
        read_time(validation, field, value, &definition->ends_wall_ms);
        break;
    case MEMBER_enabled:
        read_switch(validation, field, value, &enabled);
        definition->is_disabled = !enabled;
        break;
    default:
        read_rule_member(validation, member, field, value, draft);
    }
}

void coupon_draft_read(struct validation *validation, const struct json_value *object,
                       struct coupon_draft *draft_out)
{
    struct json_iterator members = json_members(object);
    const struct json_value *value;
    struct slice name;

    memset(draft_out, 0, sizeof(*draft_out));
    while (json_next_member(&members, &name, &value)) {
        struct field field = {.name = name};
        unsigned i = 0;

        while (i < MEMBER_COUNT && !slice_is(name, member_names[i]))
            i++;
        if (i == MEMBER_COUNT) {
            validation_add(validation, field, "is not known");
        } else if (is_given(draft_out, (enum coupon_member)i)) {
            validation_add(validation, field, "is given twice");
        } else {
            draft_out->given |= 1u << i;
            if (json_type(value) != JSON_NULL || i == MEMBER_code || i == MEMBER_kind)
                read_member(validation, (enum coupon_member)i, field, value, draft_out);
        }
    }
}

void coupon_draft_set_code(struct coupon_draft *draft, const char code[COUPON_CODE_MAX + 1])
{
    memcpy(draft->code, code, sizeof(draft->code));
    draft->given |= 1u << MEMBER_code;
}

/* ---- the whole ---- */

static void join_names(struct validation *validation, const struct coupon_draft *draft,
                       struct coupon_view *view)
{
    size_t length = (size_t)draft->categories.length + draft->products.length;

    if (length > COUPON_NAMES_BYTES_MAX) {
        validation_add(validation, FIELD("categories"), "and `products` are too long together");
        return;
    }
    view->names.length = (uint16_t)length;
    memcpy(view->names.bytes, draft->categories.bytes, draft->categories.length);
    memcpy(view->names.bytes + draft->categories.length, draft->products.bytes,
           draft->products.length);
    view->definition.rule.category_count = draft->category_count;
    view->definition.rule.product_count = draft->product_count;
}

/* What a change leaves as it is comes from the coupon as it was. */
static struct coupon_draft with_base_names(const struct coupon_draft *draft,
                                           const struct coupon_view *base)
{
    struct coupon_draft whole = *draft;
    uint32_t category_count = base->definition.rule.category_count;
    uint32_t at = 0;
    size_t length;

    for (uint32_t i = 0; i < category_count + base->definition.rule.product_count; i++) {
        const char *text = coupon_names_next(&base->names, &at, &length);
        bool is_category = i < category_count;
        bool fits = true;

        if (is_given(draft, is_category ? MEMBER_categories : MEMBER_products))
            continue;
        if (is_category)
            fits = coupon_names_add(&whole.categories, text, length);
        else
            fits = coupon_names_add(&whole.products, text, length);
        assert(fits);
        (void)fits;
        whole.category_count = (uint8_t)(whole.category_count + is_category);
        whole.product_count = (uint8_t)(whole.product_count + !is_category);
    }
    return whole;
}

/* A member that only coupons of one kind have. Of a kind that was changed it goes by itself. */
static void check_kind_member(struct validation *validation, const struct coupon_draft *draft,
                              enum coupon_member member, bool is_wanted, bool is_there)
{
    struct field field = {.name = {member_names[member], strlen(member_names[member])}};

    if (is_wanted && !is_there)
        validation_add(validation, field, "is required for this kind");
    if (!is_wanted && is_there && is_given(draft, member))
        validation_add(validation, field, "is not for this kind");
}

static void check_rule(struct validation *validation, const struct coupon_draft *draft,
                       struct pricing_coupon *rule)
{
    bool names_amount;

    check_kind_member(validation, draft, MEMBER_percent_bp, rule->kind == COUPON_PERCENTAGE,
                      rule->percent_bp != 0);
    check_kind_member(validation, draft, MEMBER_amount_minor, rule->kind == COUPON_FIXED,
                      rule->amount_minor != 0);
    check_kind_member(validation, draft, MEMBER_buy, rule->kind == COUPON_BUY_X_GET_Y,
                      rule->buy != 0);
    check_kind_member(validation, draft, MEMBER_get, rule->kind == COUPON_BUY_X_GET_Y,
                      rule->get != 0);
    if (rule->kind != COUPON_PERCENTAGE)
        rule->percent_bp = 0;
    if (rule->kind != COUPON_FIXED)
        rule->amount_minor = 0;
    if (rule->kind != COUPON_BUY_X_GET_Y) {
        rule->buy = 0;
        rule->get = 0;
    }
    names_amount = rule->kind == COUPON_FIXED || rule->min_subtotal_minor != 0;
    if (names_amount && rule->currency[0] == '\0')
        validation_add(validation, FIELD("currency"), "is required beside an amount");
    if (!names_amount)
        memset(rule->currency, 0, sizeof(rule->currency));
}

void coupon_draft_apply(struct validation *validation, const struct coupon_draft *draft,
                        const struct coupon_view *base, struct coupon_view *view_out)
{
    struct coupon_draft whole = with_base_names(draft, base);
    struct coupon_definition *definition = &view_out->definition;
    const struct coupon_definition *given = &draft->definition;
    bool is_new = base->definition.code[0] == '\0';

    *view_out = *base;
    if (is_new && !is_given(draft, MEMBER_code))
        validation_add(validation, FIELD("code"), "is required");
    if (is_new && !is_given(draft, MEMBER_kind))
        validation_add(validation, FIELD("kind"), "is required");
    if (is_new)
        memcpy(definition->code, draft->code, sizeof(definition->code));
#define TAKE(member, field)                                                                        \
    if (is_given(draft, MEMBER_##member))                                                          \
        definition->field = given->field;
    TAKE(kind, rule.kind)
    TAKE(percent_bp, rule.percent_bp)
    TAKE(amount_minor, rule.amount_minor)
    TAKE(buy, rule.buy)
    TAKE(get, rule.get)
    TAKE(max_uses, max_uses)
    TAKE(max_uses_per_customer, max_uses_per_customer)
    TAKE(min_subtotal_minor, rule.min_subtotal_minor)
    TAKE(starts_at, starts_wall_ms)
    TAKE(ends_at, ends_wall_ms)
    TAKE(stackable, rule.stackable)
    TAKE(enabled, is_disabled)
#undef TAKE
    if (is_given(draft, MEMBER_currency))
        memcpy(definition->rule.currency, given->rule.currency, sizeof(given->rule.currency));
    join_names(validation, &whole, view_out);
    if (!is_new || is_given(draft, MEMBER_kind))
        check_rule(validation, draft, &definition->rule);
    if (definition->ends_wall_ms != 0 && definition->ends_wall_ms <= definition->starts_wall_ms)
        validation_add(validation, FIELD("ends_at"), "must be after `starts_at`");
    if (validation->count > 0)
        return;
    coupon_label_scope(&definition->rule, &view_out->names);
    assert(coupon_definition_is_valid(definition, &view_out->names));
}

/* ---- as it is shown ---- */

static void write_amount(struct writer *writer, const char *name, int64_t amount)
{
    write_text(writer, name);
    if (amount == 0)
        write_literal(writer, "null");
    else
        write_signed(writer, amount);
}

static void write_optional_time(struct writer *writer, const char *name, int64_t wall_ms)
{
    write_text(writer, name);
    if (wall_ms == 0)
        write_literal(writer, "null");
    else
        write_json_time(writer, wall_ms);
}

static void write_names(struct writer *writer, const struct coupon_names *names, uint32_t count,
                        uint32_t *at)
{
    size_t length;

    for (uint32_t i = 0; i < count; i++) {
        const char *text = coupon_names_next(names, at, &length);

        if (i > 0)
            write_byte(writer, ',');
        write_json_string(writer, text, length);
    }
}

void write_coupon(struct writer *writer, const struct coupon_view *view)
{
    const struct coupon_definition *definition = &view->definition;
    const struct pricing_coupon *rule = &definition->rule;
    uint32_t at = 0;

    write_literal(writer, "{\"code\":");
    write_json_string(writer, definition->code, strlen(definition->code));
    write_literal(writer, ",\"kind\":\"");
    write_text(writer, kind_names[rule->kind]);
    write_byte(writer, '"');
    write_amount(writer, ",\"percent_bp\":", rule->percent_bp);
    write_amount(writer, ",\"amount_minor\":", rule->amount_minor);
    write_amount(writer, ",\"min_subtotal_minor\":", rule->min_subtotal_minor);
    write_literal(writer, ",\"currency\":");
    if (rule->currency[0] == '\0')
        write_literal(writer, "null");
    else
        write_json_string(writer, rule->currency, 3);
    write_amount(writer, ",\"buy\":", rule->buy);
    write_amount(writer, ",\"get\":", rule->get);
    write_amount(writer, ",\"max_uses\":", definition->max_uses);
    write_amount(writer, ",\"max_uses_per_customer\":", definition->max_uses_per_customer);
    write_optional_time(writer, ",\"starts_at\":", definition->starts_wall_ms);
    write_optional_time(writer, ",\"ends_at\":", definition->ends_wall_ms);
    write_literal(writer, ",\"categories\":[");
    write_names(writer, &view->names, rule->category_count, &at);
    write_literal(writer, "],\"products\":[");
    write_names(writer, &view->names, rule->product_count, &at);
    write_literal(writer, "],\"stackable\":");
    write_boolean(writer, rule->stackable);
    write_literal(writer, ",\"enabled\":");
    write_boolean(writer, !definition->is_disabled);
    write_literal(writer, ",\"uses\":{\"held\":");
    write_unsigned(writer, view->held);
    write_literal(writer, ",\"committed\":");
    write_unsigned(writer, view->committed);
    write_literal(writer, "},\"version\":");
    write_unsigned(writer, view->version);
    write_literal(writer, ",\"created_at\":");
    write_json_time(writer, view->created_wall_ms);
    write_literal(writer, ",\"updated_at\":");
    write_json_time(writer, view->updated_wall_ms);
    write_byte(writer, '}');
}
