/* SPDX-License-Identifier: Apache-2.0 */
#include "coupon_state.h"

#include <string.h>

bool coupon_code_is_valid(const char *code, size_t length)
{
    if (length < 1 || length > COUPON_CODE_MAX)
        return false;
    for (size_t i = 0; i < length; i++) {
        char c = code[i];

        if (!((c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-'))
            return false;
    }
    return true;
}

bool coupon_code_read(const char *text, size_t length, char code_out[COUPON_CODE_MAX + 1])
{
    memset(code_out, 0, COUPON_CODE_MAX + 1);
    if (length > COUPON_CODE_MAX)
        return false;
    for (size_t i = 0; i < length; i++)
        code_out[i] = (char)(text[i] >= 'a' && text[i] <= 'z' ? text[i] - 'a' + 'A' : text[i]);
    return coupon_code_is_valid(code_out, length);
}

uint32_t coupon_code_partition(const char *code, const struct hash_key *secret, uint32_t partitions)
{
    char scope[7 + COUPON_CODE_MAX] = {'c', 'o', 'u', 'p', 'o', 'n', ' '};
    size_t length = strlen(code);

    memcpy(scope + 7, code, length);
    return (uint32_t)hash_bytes(secret, scope, 7 + length) & (partitions - 1);
}

bool coupon_names_add(struct coupon_names *names, const char *text, size_t length)
{
    if (length > COUPON_LABEL_BYTES_MAX || names->length + 2 + length > COUPON_NAMES_BYTES_MAX)
        return false;
    names->bytes[names->length++] = (uint8_t)(length >> 8);
    names->bytes[names->length++] = (uint8_t)length;
    memcpy(names->bytes + names->length, text, length);
    names->length = (uint16_t)(names->length + length);
    return true;
}

const char *coupon_names_next(const struct coupon_names *names, uint32_t *at, size_t *length_out)
{
    const char *text;
    size_t length;

    if (*at + 2u > names->length)
        return NULL;
    length = (size_t)names->bytes[*at] << 8 | names->bytes[*at + 1];
    if (length > names->length - *at - 2u)
        return NULL;
    text = (const char *)&names->bytes[*at + 2];
    *at += 2 + (uint32_t)length;
    *length_out = length;
    return text;
}

bool coupon_label_scope(struct pricing_coupon *rule, const struct coupon_names *names)
{
    uint32_t count = (uint32_t)rule->category_count + rule->product_count;
    uint32_t at = 0;

    if (rule->category_count > COUPON_SCOPE_MAX || rule->product_count > COUPON_SCOPE_MAX ||
        names->length > COUPON_NAMES_BYTES_MAX)
        return false;
    for (uint32_t i = 0; i < count; i++) {
        size_t length = 0;
        const char *text = coupon_names_next(names, &at, &length);

        if (text == NULL || length < 1 || length > COUPON_LABEL_BYTES_MAX)
            return false;
        if (i < rule->category_count)
            rule->categories[i] = pricing_label(text, length);
        else
            rule->products[i - rule->category_count] = pricing_product_label(text, length);
    }
    return at == names->length;
}

static bool span_is_valid(const struct coupon_definition *definition)
{
    return definition->starts_wall_ms >= 0 && definition->starts_wall_ms < COUPON_TIME_END &&
           definition->ends_wall_ms >= 0 && definition->ends_wall_ms < COUPON_TIME_END &&
           (definition->ends_wall_ms == 0 || definition->ends_wall_ms > definition->starts_wall_ms);
}

/* What a rule of this kind does not use is zero: one rule, one record. */
static bool rule_is_bare(const struct pricing_coupon *rule)
{
    static const char no_currency[sizeof(rule->currency)];
    bool names_amount = rule->kind == COUPON_FIXED || rule->min_subtotal_minor != 0;

    return (rule->kind == COUPON_PERCENTAGE || rule->percent_bp == 0) &&
           (rule->kind == COUPON_FIXED || rule->amount_minor == 0) &&
           (rule->kind == COUPON_BUY_X_GET_Y || (rule->buy == 0 && rule->get == 0)) &&
           (names_amount || memcmp(rule->currency, no_currency, sizeof(no_currency)) == 0);
}

bool coupon_definition_is_valid(const struct coupon_definition *definition,
                                const struct coupon_names *names)
{
    struct pricing_coupon rule = definition->rule;
    size_t length = strnlen(definition->code, sizeof(definition->code));

    return coupon_code_is_valid(definition->code, length) && definition->is_disabled <= 1 &&
           definition->max_uses <= COUPON_USES_MAX &&
           definition->max_uses_per_customer <= COUPON_USES_MAX && span_is_valid(definition) &&
           coupon_label_scope(&rule, names) &&
           memcmp(rule.categories, definition->rule.categories,
                  rule.category_count * sizeof(rule.categories[0])) == 0 &&
           memcmp(rule.products, definition->rule.products,
                  rule.product_count * sizeof(rule.products[0])) == 0 &&
           rule_is_bare(&definition->rule) && pricing_coupon_is_valid(&definition->rule);
}
