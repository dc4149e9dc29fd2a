/* SPDX-License-Identifier: Apache-2.0 */
/* What is taken for a card number, and what is not: the test numbers that payment gateways and
 * schemes publish, in all the ways to write them, and the numbers that shops are full of. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "api/card_number.h"

static const char *const cards[] = {
    "4111111111111111",    "4242424242424242",    "4012888888881881",    "4000056655665556",
    "4000000000000002",    "4917610000000000",    "5555555555554444",    "5105105105105100",
    "5200828282828210",    "2223003122003222",    "2223000048400011",    "2720992593319364",
    "378282246310005",     "371449635398431",     "378734493671000",     "6011111111111117",
    "6011000990139424",    "6011981111111113",    "6445644564456445",    "30569309025904",
    "38520000023237",      "36227206271667",      "3056930009020004",    "3530111333300000",
    "3566002020360505",    "6200000000000005",    "6205500000000000004", "6200000000000000000",
    "6759649826438453",    "6799990100000000019", "6304000000000000",    "5018000000000009",
    "4000002500001001000", "6703444444444449",    "2200000000000004",    "5061460410120223210",
    "4222222222222",       "9792000000000003",
};

enum { CARDS = sizeof(cards) / sizeof(cards[0]), TEXT_MAX = 512 };

static bool luhn(const char *digits)
{
    unsigned sum = 0;
    size_t length = strlen(digits);
    for (size_t i = 0; i < length; i++) {
        unsigned digit = (unsigned)(digits[length - 1 - i] - '0');
        digit *= i % 2 == 0 ? 1 : 2;
        sum += digit / 10 + digit % 10;
    }
    return sum % 10 == 0;
}

/* The text in memory of just its size, so that a sanitizer sees what is read beyond it. */
static bool is_in(const char *text, unsigned coding)
{
    size_t length = strlen(text);
    char *copy = malloc(length + 1);
    assert_non_null(copy);
    memcpy(copy + 1, text, length);
    bool found = card_number_in(copy + 1, length, coding);
    free(copy);
    return found;
}

static void expect(const char *text, unsigned coding, bool found)
{
    if (is_in(text, coding) != found)
        fail_msg("%s: %sfound", text, found ? "not " : "");
}

/* With something before and behind, at every distance from the start of a word. */
static void expect_anywhere(const char *number, unsigned coding)
{
    static const char *const frames[][2] = {
        {"", ""},
        {"\"", "\""},
        {"{\"note\":\"", "\",\"quantity\":1}"},
        {"{\"n\":", "}"},
        {"q=", "&page=2"},
        {"/v1/products/", "/x"},
        {"pay with ", ", please"},
        {"pay with ", "."},
        {"card_", "_"},
        {"SHIRT-", ""},
        {"2026-11-23 ", " 12/27 123"},
        {"(", ")"},
        {"number:", ";"},
        {"\xe2\x80\x9e", "\xe2\x80\x9c"},
    };
    char text[TEXT_MAX];
    for (size_t i = 0; i < sizeof(frames) / sizeof(frames[0]); i++) {
        for (int pad = 0; pad < 9; pad++) {
            snprintf(text, sizeof(text), "%.*s%s%s%s", pad, "........x", frames[i][0], number,
                     frames[i][1]);
            if (pad == 0 || frames[i][0][0] != '\0')
                expect(text, coding, true);
        }
    }
}

static void known_numbers_are_found(void **state)
{
    (void)state;
    for (size_t i = 0; i < CARDS; i++) {
        assert_true(luhn(cards[i]));
        expect_anywhere(cards[i], CARD_NUMBER_PLAIN);
        expect_anywhere(cards[i], CARD_NUMBER_PERCENT | CARD_NUMBER_PLUS | CARD_NUMBER_JSON);
    }
}

/* Digits in groups of these sizes. */
static const char *grouped(const char *digits, const char *sizes, const char *separator,
                           char text[TEXT_MAX])
{
    text[0] = '\0';
    for (; *digits != '\0' && *sizes != '\0'; sizes++) {
        int size = *sizes - '0';
        snprintf(text + strlen(text), TEXT_MAX - strlen(text), "%s%.*s",
                 text[0] == '\0' ? "" : separator, size, digits);
        digits += strnlen(digits, (size_t)size);
    }
    return text;
}

static void grouped_numbers_are_found(void **state)
{
    (void)state;
    static const char *const separators[] = {" ", "-"};
    char text[TEXT_MAX];
    for (size_t i = 0; i < CARDS; i++) {
        for (size_t j = 0; j < 2; j++)
            expect_anywhere(grouped(cards[i], "44444", separators[j], text), CARD_NUMBER_PLAIN);
    }
    expect_anywhere(grouped("378282246310005", "465", " ", text), CARD_NUMBER_PLAIN);
    expect_anywhere(grouped("30569309025904", "464", "-", text), CARD_NUMBER_PLAIN);
    expect_anywhere(grouped("4222222222222", "4333", " ", text), CARD_NUMBER_PLAIN);
    expect("4111+1111+1111+1111", CARD_NUMBER_PLUS, true);
    expect("n=4111+1111+1111+1111", CARD_NUMBER_PLUS, true);
    expect("n=x+4111111111111111", CARD_NUMBER_PLUS, true);
}

static void encoded_numbers_are_found(void **state)
{
    (void)state;
    char percent[TEXT_MAX];
    char json[TEXT_MAX];
    for (size_t i = 0; i < CARDS; i++) {
        for (unsigned every = 1; every < 5; every++) {
            percent[0] = json[0] = '\0';
            for (size_t at = 0; cards[i][at] != '\0'; at++) {
                bool is_encoded = at % every == 0;
                snprintf(percent + strlen(percent), TEXT_MAX - strlen(percent),
                         is_encoded ? "%%%02x" : "%c", cards[i][at]);
                snprintf(json + strlen(json), TEXT_MAX - strlen(json),
                         is_encoded ? "\\u%04X" : "%c", (unsigned)cards[i][at]);
            }
            expect(percent, CARD_NUMBER_PERCENT, true);
            expect(json, CARD_NUMBER_JSON, true);
        }
    }
    expect("4111%201111%201111%201111", CARD_NUMBER_PERCENT, true);
    expect("4111%2D1111%2d1111%2D1111", CARD_NUMBER_PERCENT, true);
    expect("4111\\u00201111\\u00201111\\u00201111", CARD_NUMBER_JSON, true);
    expect("%zz%4%4111111111111111%", CARD_NUMBER_PERCENT, false); /* %41 is a letter */
    expect("%zz/4111111111111111%", CARD_NUMBER_PERCENT, true);
    expect("\\n4111111111111111\\u00e", CARD_NUMBER_JSON, false); /* stands beside the n */
    expect("\\u000a4111111111111111", CARD_NUMBER_JSON, true);
    expect("\\\\\\\"4111111111111111\\\"", CARD_NUMBER_JSON, true);
}

/* One digit changed is no card any more. */
static void a_wrong_check_digit_is_let_pass(void **state)
{
    (void)state;
    for (size_t i = 0; i < CARDS; i++) {
        char text[TEXT_MAX];
        size_t length = strlen(cards[i]);
        for (size_t at = 0; at < length; at++) {
            strcpy(text, cards[i]);
            text[at] = (char)('0' + (text[at] - '0' + 1) % 10);
            expect(text, CARD_NUMBER_PLAIN, false);
        }
    }
}

static void what_shops_are_full_of_is_let_pass(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",
        "4111",
        "411111111111111",
        "4111111111111",       /* 13 digits, no check digit */
        "1700000000000",       /* milliseconds */
        "1700000000000000",    /* microseconds */
        "1700000000000000000", /* nanoseconds */
        "20261123012902123",   /* a moment as digits */
        "2026-11-23T01:29:02.123456789Z",
        "4006381333931", /* bar codes: GTIN-13, GTIN-12, GTIN-14, GTIN-8 */
        "4012345678901",
        "036000291452",
        "14006381333938",
        "96385074",
        "978-3-16-148410-0", /* ISBN */
        "+4915112345678",    /* telephones */
        "+49 151 1234 5678",
        "4915112345679",
        "436641234567890",
        "0049 151 12345678",
        "+378282246310005", /* an Amex by its digits, a telephone by its + */
        "+1 (415) 555-0132",
        "DE89 3704 0044 0532 0130 00", /* IBANs, of which one holds a Luhn number */
        "GB82 WEST 1234 5698 7654 32",
        "DE44 4111 1111 1111 1111 00",
        "DE4411111111111111111100",
        "res_4111111111111111x",
        "a4111111111111111",
        "4111111111111111a",
        "550e8400-e29b-41d4-a716-446655440000", /* UUIDs */
        "550e8400-e29b-41d4-8716-446655440000",
        "00000000-0000-4111-8111-111111111111",
        "01890a5d-ac96-774b-bcce-b302099a8057",
        "4bf92f3577b34da6a3ce929d0e0e4736",
        "0.4111111111111111", /* fractions */
        "52.4242424242424242",
        "41111111111111111111", /* longer runs */
        "94111111111111111",
        "4111111111111111111111111",
        "1234567812345670", /* Luhn, but no kind of card */
        "0000000000000000",
        "1111 1111 1111 1117",
        "4111  1111  1111  1111", /* no groups as cards have */
        "4111 1111-1111 1111",
        "41 11 11 11 11 11 11 11",
        "411111 1111 111111",
        "4111,1111,1111,1111",
        "4111/1111/1111/1111",
        "[4,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1]",
        "Mozilla/5.0 (X11; Linux x86_64) Gecko/20100101 Firefox/120.0.6099.109",
        "GA1.2.1234567890.1700000000",
        "{\"items\":[{\"sku\":\"TEE-RED-M\",\"quantity\":1}],\"note\":\"4 x 1111\"}",
        "10.0.0.1, 192.168.100.200, 127.0.0.1",
        "============================",
    };
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        expect(texts[i], CARD_NUMBER_PLAIN, false);
        expect(texts[i], CARD_NUMBER_PERCENT | CARD_NUMBER_JSON, false);
    }
    /* Every GTIN-13 of the countries that begin with 4. */
    for (unsigned i = 0; i < 20000; i++) {
        char text[32];
        unsigned sum = 0;
        snprintf(text, sizeof(text), "%012llu", 400000000000ULL + i * 4999987ULL);
        for (size_t at = 0; at < 12; at++)
            sum += (unsigned)(text[at] - '0') * (at % 2 == 0 ? 1 : 3);
        text[12] = (char)('0' + (10 - sum % 10) % 10);
        text[13] = '\0';
        expect(text, CARD_NUMBER_PLAIN, false);
    }
}

/* The look before may only save time: a text of which every byte is encoded is read through, and
 * must come to the same. */
static void the_look_before_changes_nothing(void **state)
{
    (void)state;
    static const char *const alphabets[] = {"0123456789014 -", "4 -1", "0123456789014 -+.au\"",
                                            "0123456789abcdef-"};
    char text[64];
    char encoded[sizeof(text) * 3];
    uint64_t random = 42;
    unsigned found = 0;
    for (unsigned round = 0; round < 400000; round++) {
        const char *alphabet = alphabets[round % 4];
        size_t length = 0;
        size_t wanted = 12 + round % 41;
        encoded[0] = '\0';
        while (length < wanted) {
            random = random * 6364136223846793005U + 1442695040888963407U;
            text[length] = alphabet[(random >> 33) % strlen(alphabet)];
            snprintf(encoded + 3 * length, 4, "%%%02X", (unsigned)text[length]);
            length++;
        }
        text[length] = '\0';
        bool plain = is_in(text, CARD_NUMBER_PLAIN);
        if (plain != is_in(encoded, CARD_NUMBER_PERCENT))
            fail_msg("%s: %sfound at once", text, plain ? "" : "not ");
        found += plain;
    }
    assert_true(found > 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_numbers_are_found),
        cmocka_unit_test(grouped_numbers_are_found),
        cmocka_unit_test(encoded_numbers_are_found),
        cmocka_unit_test(a_wrong_check_digit_is_let_pass),
        cmocka_unit_test(what_shops_are_full_of_is_let_pass),
        cmocka_unit_test(the_look_before_changes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
