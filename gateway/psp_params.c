/* SPDX-License-Identifier: Apache-2.0 */
/* Parameters, and what the API says where they are wrong. */
#include "psp_call_internal.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

/* Whether `word` (so many bytes) is one of those between blanks. */
static bool is_word_of(const char *words, const char *word, size_t length)
{
    for (const char *at = words; *at != 0;) {
        size_t space = strspn(at, " ");
        size_t found = strcspn(at + space, " ");

        if (found == length && length > 0 && memcmp(at + space, word, length) == 0)
            return true;
        at += space + found;
    }
    return false;
}

static bool check_expand(struct psp_calling *calling, const char *text)
{
    static const char *const charges[] = {"latest_charge", "charge", "data.latest_charge",
                                          "data.charge"};

    for (size_t i = 0; i < sizeof(charges) / sizeof(charges[0]); i++) {
        if (strcmp(text, charges[i]) == 0) {
            calling->expand_charge = true;
            return true;
        }
    }
    if (strcmp(text, "payment_intent") == 0 || strcmp(text, "data.payment_intent") == 0) {
        calling->expand_intent = true;
        return true;
    }
    return PSP_REFUSE(calling, 400, NULL, "expand", "This property cannot be expanded (%.100s).",
                      text);
}

bool psp_params_check(struct psp_calling *calling, const char *takes)
{
    for (uint32_t i = 0; i < calling->form->count; i++) {
        const struct psp_pair *pair = &calling->form->pairs[i];
        size_t base = psp_form_base_length(pair->name);

        if (!is_word_of(takes, pair->name, base))
            return PSP_REFUSE(calling, 400, "parameter_unknown", pair->name,
                              "Received unknown parameter: %.200s", pair->name);
        if (base == 6 && memcmp(pair->name, "expand", 6) == 0 &&
            !check_expand(calling, pair->value))
            return false;
    }
    return true;
}

bool psp_params_integer(struct psp_calling *calling, const char *name, int64_t least, int64_t most,
                        int64_t absent, int64_t *number_out)
{
    const char *text = psp_form_get(calling->form, name);

    *number_out = absent;
    if (text == NULL)
        return true;
    if (!psp_form_integer(text, number_out))
        return PSP_REFUSE(calling, 400, "parameter_invalid_integer", name,
                          "Invalid integer: %.100s", text);
    if (*number_out < least)
        return PSP_REFUSE(calling, 400, "parameter_invalid_integer", name,
                          "This value must be greater than or equal to %lld.", (long long)least);
    if (*number_out > most)
        return PSP_REFUSE(calling, 400,
                          most == PSP_AMOUNT_MAX ? "amount_too_large" : "parameter_invalid_integer",
                          name, "This value must be less than or equal to %lld.", (long long)most);
    return true;
}

bool psp_params_word(struct psp_calling *calling, const char *name, const char *words,
                     const char **word_out)
{
    *word_out = psp_form_get(calling->form, name);
    if (*word_out == NULL || is_word_of(words, *word_out, strlen(*word_out)))
        return true;
    return PSP_REFUSE(calling, 400, NULL, name, "Invalid %s: must be one of %s", name, words + 1);
}

bool psp_params_boolean(struct psp_calling *calling, const char *name, bool *value_out)
{
    const char *text = psp_form_get(calling->form, name);

    *value_out = text != NULL && strcmp(text, "true") == 0;
    if (text == NULL || *value_out || strcmp(text, "false") == 0)
        return true;
    return PSP_REFUSE(calling, 400, NULL, name, "Invalid boolean: %.100s", text);
}

bool psp_params_currency(struct psp_calling *calling, char currency_out[4])
{
    const char *text = psp_form_get(calling->form, "currency");

    if (text == NULL || text[0] == 0)
        return PSP_REFUSE(calling, 400, "parameter_missing", "currency",
                          "Missing required param: currency.");
    if (strlen(text) != 3 || !isalpha((unsigned char)text[0]) || !isalpha((unsigned char)text[1]) ||
        !isalpha((unsigned char)text[2]))
        return PSP_REFUSE(calling, 400, NULL, "currency", "Invalid currency: %.100s", text);
    for (int i = 0; i < 4; i++)
        currency_out[i] = (char)tolower((unsigned char)text[i]);
    return true;
}

/* So many characters, as people count them. */
static size_t characters(const char *text)
{
    size_t count = 0;

    for (; *text != 0; text++)
        count += ((unsigned char)*text & 0xc0) != 0x80;
    return count;
}

bool psp_params_metadata(struct psp_calling *calling, struct psp_texts *texts)
{
    for (uint32_t i = 0; i < calling->form->count; i++) {
        const struct psp_pair *pair = &calling->form->pairs[i];
        char name[PSP_FORM_NAME_MAX + 1];
        const char *key;
        size_t length;

        if (strcmp(pair->name, "metadata") == 0 && pair->value[0] == 0) {
            psp_texts_free(texts);
            continue;
        }
        if (psp_form_base_length(pair->name) != 8 || memcmp(pair->name, "metadata", 8) != 0)
            continue;
        if (!psp_form_is_member(pair->name, "metadata", &key, &length) || length == 0)
            return PSP_REFUSE(calling, 400, NULL, "metadata",
                              "Invalid metadata: give names and "
                              "texts, such as metadata[order_id]");
        snprintf(name, sizeof(name), "%.*s", (int)length, key);
        if (characters(name) > PSP_METADATA_NAME_MAX)
            return PSP_REFUSE(calling, 400, NULL, "metadata",
                              "Metadata keys must be under %d characters: %.100s",
                              (int)PSP_METADATA_NAME_MAX + 1, name);
        if (characters(pair->value) > PSP_METADATA_VALUE_MAX)
            return PSP_REFUSE(calling, 400, NULL, "metadata",
                              "Metadata values can have up to %d characters: %.100s",
                              (int)PSP_METADATA_VALUE_MAX, name);
        psp_texts_set(texts, name, pair->value);
        if (texts->count > PSP_METADATA_MAX)
            return PSP_REFUSE(calling, 400, NULL, "metadata",
                              "You can have up to %d keys in metadata.", (int)PSP_METADATA_MAX);
    }
    return true;
}

bool psp_params_details(struct psp_calling *calling, struct psp_payment *payment)
{
    static const char *const names[] = {"customer", "description", "receipt_email",
                                        "statement_descriptor_suffix"};
    const char *return_url = psp_form_get(calling->form, "return_url");

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        const char *value = psp_form_get(calling->form, names[i]);

        if (value == NULL)
            continue;
        if (characters(value) > PSP_TEXT_MAX)
            return PSP_REFUSE(calling, 400, NULL, names[i],
                              "Invalid string: must be at most %d characters", (int)PSP_TEXT_MAX);
        psp_texts_set(&payment->details, names[i], value);
    }
    if (return_url == NULL)
        return true;
    if (strlen(return_url) >= sizeof(payment->return_url) ||
        (strncmp(return_url, "http://", 7) != 0 && strncmp(return_url, "https://", 8) != 0))
        return PSP_REFUSE(calling, 400, "url_invalid", "return_url", "Not a valid URL");
    snprintf(payment->return_url, sizeof(payment->return_url), "%s", return_url);
    return true;
}

bool psp_params_card(struct psp_calling *calling, const struct psp_card **card_out)
{
    const char *method = psp_form_get(calling->form, "payment_method");
    const char *param = "payment_method";

    *card_out = NULL;
    if (method == NULL) {
        param = "payment_method_data[card][token]";
        method = psp_form_get(calling->form, param);
    }
    if (method == NULL) {
        if (psp_form_get(calling->form, "payment_method_data[card][number]") == NULL)
            return true;
        return PSP_REFUSE(calling, 402, "card_declined", NULL,
                          "Sending credit card numbers directly is generally unsafe. Use test "
                          "tokens that map to the test card you are using.");
    }
    if (strcmp(method, calling->payment.payment_method) == 0 && method[0] != 0)
        return true;
    *card_out = psp_card_find(method);
    if (*card_out == NULL)
        return PSP_REFUSE(calling, 400, "resource_missing", param,
                          "No such PaymentMethod: '%.100s'", method);
    return true;
}
