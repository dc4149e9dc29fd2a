/* SPDX-License-Identifier: Apache-2.0 */
/* A look at each eight bytes tells nearly every text apart from those that need reading: in 13
 * digits, with or without separators, there are eight bytes in a row that are digits or signs. */
#include "api/card_number.h"

#include <stdint.h>
#include <string.h>

#include "http/words.h"

/* ---- numbers ---- */

/* First six digits from .. to, and the lengths. */
struct kind {
    uint32_t first;
    uint32_t last;
    uint32_t lengths; /* a bit each */
};

#define LENGTH(n)        (UINT32_C(1) << (n))
#define LENGTHS_16_TO_19 (LENGTH(16) | LENGTH(17) | LENGTH(18) | LENGTH(19))

/* ISO/IEC 7812-2 ranges as the schemes publish them; sorted. */
static const struct kind kinds[] = {
    {220000, 220599, LENGTHS_16_TO_19},                     /* Mir, Borica */
    {222100, 272099, LENGTH(16)},                           /* Mastercard */
    {300000, 305999, LENGTH(14) | LENGTHS_16_TO_19},        /* Diners Club */
    {309500, 309599, LENGTH(14) | LENGTHS_16_TO_19},        /* Diners Club */
    {340000, 349999, LENGTH(15)},                           /* American Express */
    {352800, 358999, LENGTHS_16_TO_19},                     /* JCB */
    {360000, 369999, LENGTH(14) | LENGTHS_16_TO_19},        /* Diners Club */
    {370000, 379999, LENGTH(15)},                           /* American Express */
    {380000, 399999, LENGTH(14) | LENGTHS_16_TO_19},        /* Diners Club */
    {400000, 499999, LENGTH(13) | LENGTH(16) | LENGTH(19)}, /* Visa */
    {500000, 509999, LENGTHS_16_TO_19},                     /* Maestro, Verve, Elo, RuPay */
    {510000, 559999, LENGTH(16)},                           /* Mastercard */
    {560000, 589999, LENGTHS_16_TO_19},                     /* Maestro */
    {601100, 601199, LENGTHS_16_TO_19},                     /* Discover */
    {606200, 606299, LENGTH(16)},                           /* Hipercard */
    {620000, 629999, LENGTHS_16_TO_19},                     /* UnionPay */
    {630000, 639999, LENGTHS_16_TO_19},                     /* Maestro */
    {644000, 659999, LENGTHS_16_TO_19},                     /* Discover, RuPay */
    {670000, 679999, LENGTHS_16_TO_19},                     /* Maestro */
    {810000, 829999, LENGTHS_16_TO_19},                     /* UnionPay, RuPay */
    {860000, 860099, LENGTH(16)},                           /* UzCard */
    {979200, 979299, LENGTH(16)},                           /* Troy */
    {986000, 986099, LENGTH(16)},                           /* Humo */
};

/* The sum that a check digit makes a multiple of ten: of the digits, every second one from the
 * right, beginning with the last but one, as `doubled` says. */
static unsigned sum_digits(const uint8_t *digits, unsigned count, const uint8_t doubled[10])
{
    unsigned sum = 0;

    for (unsigned i = 0; i < count; i++)
        sum += (count - i) % 2 == 0 ? doubled[digits[i]] : digits[i];
    return sum;
}

static bool has_luhn_digit(const uint8_t *digits, unsigned count)
{
    static const uint8_t doubled[10] = {0, 2, 4, 6, 8, 1, 3, 5, 7, 9};

    return sum_digits(digits, count, doubled) % 10 == 0;
}

static bool has_gtin_digit(const uint8_t *digits, unsigned count)
{
    static const uint8_t tripled[10] = {0, 3, 6, 9, 12, 15, 18, 21, 24, 27};

    return sum_digits(digits, count, tripled) % 10 == 0;
}

static bool is_card(const uint8_t *digits, unsigned count)
{
    uint32_t start = 0;

    for (unsigned i = 0; i < 6; i++)
        start = start * 10 + digits[i];
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        if (start > kinds[i].last)
            continue;
        if (start < kinds[i].first || (kinds[i].lengths & LENGTH(count)) == 0 ||
            !has_luhn_digit(digits, count))
            return false;
        return count != 13 ||
               (!has_gtin_digit(digits, count) && start / 10000 != 43 && start / 10000 != 49);
    }
    return false;
}

/* ---- symbols ---- */

enum symbol {
    SYMBOL_DIGIT,
    SYMBOL_BLANK,
    SYMBOL_HYPHEN,
    SYMBOL_PLUS,
    SYMBOL_POINT, /* behind a digit */
    SYMBOL_LETTER,
    SYMBOL_OTHER,
};

struct reader {
    const char *at;
    const char *end;
    unsigned coding;
};

/* The value of `count` hexadecimal digits; negative: they are none. */
static int hexadecimal(const char *text, unsigned count)
{
    int value = 0;

    for (unsigned i = 0; i < count; i++) {
        char byte = (char)(text[i] | 0x20);
        if (text[i] >= '0' && text[i] <= '9')
            value = value * 16 + (text[i] - '0');
        else if (byte >= 'a' && byte <= 'f')
            value = value * 16 + (byte - 'a' + 10);
        else
            return -1;
    }
    return value;
}

/* The next character, decoded; one that is no ASCII is 0. */
static char read_character(struct reader *reader)
{
    size_t left = (size_t)(reader->end - reader->at);
    char byte = *reader->at++;
    int value = -1;

    if (byte == '%' && (reader->coding & CARD_NUMBER_PERCENT) != 0 && left >= 3) {
        value = hexadecimal(reader->at, 2);
        reader->at += value < 0 ? 0 : 2;
    } else if (byte == '\\' && (reader->coding & CARD_NUMBER_JSON) != 0 && left >= 6 &&
               *reader->at == 'u') {
        value = hexadecimal(reader->at + 1, 4);
        reader->at += value < 0 ? 0 : 5;
    } else if (byte == '+' && (reader->coding & CARD_NUMBER_PLUS) != 0) {
        return ' ';
    }
    if (value < 0)
        return byte;
    return value < 0x80 ? (char)value : 0;
}

static enum symbol symbol_of(char byte, enum symbol before)
{
    if (byte >= '0' && byte <= '9')
        return SYMBOL_DIGIT;
    if ((byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z'))
        return SYMBOL_LETTER;
    switch (byte) {
    case ' ':
        return SYMBOL_BLANK;
    case '-':
        return SYMBOL_HYPHEN;
    case '+':
        return SYMBOL_PLUS;
    case '.':
        return before == SYMBOL_DIGIT ? SYMBOL_POINT : SYMBOL_OTHER;
    default:
        return SYMBOL_OTHER;
    }
}

/* ---- runs and groups ---- */

enum { GROUPS_MAX = 5, PHONE_DIGITS_MAX = 15 };

struct digits {
    uint8_t values[CARD_NUMBER_DIGITS_MAX];
    unsigned count; /* more than that: of the others nothing is kept */
};

/* Groups with one and the same separator between them, from the first. */
struct groups {
    struct digits digits;
    unsigned sizes[GROUPS_MAX];
    unsigned count;
    enum symbol separator; /* DIGIT: none has come yet */
    bool is_open;          /* another group may follow */
    bool is_good;          /* may be a card's, as far as it has come */
};

struct scan {
    struct digits run;
    enum symbol before_run;
    enum symbol before;
    struct groups groups;
};

static void digits_add(struct digits *digits, uint8_t value)
{
    if (digits->count < CARD_NUMBER_DIGITS_MAX)
        digits->values[digits->count] = value;
    digits->count++;
}

static bool digits_are_card(const struct digits *digits)
{
    return digits->count >= CARD_NUMBER_DIGITS_MIN && digits->count <= CARD_NUMBER_DIGITS_MAX &&
           is_card(digits->values, digits->count);
}

static bool sizes_are(const struct groups *groups, const unsigned *sizes, unsigned count)
{
    return groups->count == count && memcmp(groups->sizes, sizes, count * sizeof(*sizes)) == 0;
}

/* As cards are printed, and as forms group what is typed. */
static bool are_card_groups(const struct groups *groups)
{
    static const unsigned american_express[] = {4, 6, 5};
    static const unsigned diners_club[] = {4, 6, 4};
    static const unsigned visa_13[] = {4, 3, 3, 3};
    static const unsigned union_pay_19[] = {6, 13};

    if (sizes_are(groups, american_express, 3) || sizes_are(groups, diners_club, 3) ||
        sizes_are(groups, visa_13, 4) || sizes_are(groups, union_pay_19, 2))
        return true;
    for (unsigned i = 0; i + 1 < groups->count; i++) {
        if (groups->sizes[i] != 4)
            return false;
    }
    return groups->sizes[groups->count - 1] <= 4;
}

/* The run is a group. */
static void groups_take(struct groups *groups, const struct digits *run)
{
    if (groups->count == GROUPS_MAX || groups->digits.count + run->count > CARD_NUMBER_DIGITS_MAX)
        groups->is_good = false;
    if (!groups->is_good)
        return;
    for (unsigned i = 0; i < run->count; i++)
        digits_add(&groups->digits, run->values[i]);
    groups->sizes[groups->count++] = run->count;
}

static void run_begin(struct scan *scan)
{
    struct groups *groups = &scan->groups;

    scan->run.count = 0;
    scan->before_run = scan->before;
    if (groups->is_open)
        return;
    groups->is_open = true;
    groups->is_good = scan->before != SYMBOL_LETTER && scan->before != SYMBOL_PLUS &&
                      scan->before != SYMBOL_POINT;
    groups->count = 0;
    groups->digits.count = 0;
    groups->separator = SYMBOL_DIGIT;
}

/* A run has ended before `next`. Whether it, or what it completes, is a card's. */
static bool run_end(struct scan *scan, enum symbol next)
{
    const struct digits *run = &scan->run;
    struct groups *groups = &scan->groups;
    bool is_phone = scan->before_run == SYMBOL_PLUS && run->count <= PHONE_DIGITS_MAX;

    groups_take(groups, run);
    if (next == SYMBOL_LETTER)
        return false;
    if (scan->before_run != SYMBOL_LETTER && scan->before_run != SYMBOL_POINT && !is_phone &&
        digits_are_card(run))
        return true;
    return groups->is_good && groups->count > 1 && are_card_groups(groups) &&
           digits_are_card(&groups->digits);
}

/* What is no digit: a separator of the groups, or their end. */
static void groups_separate(struct scan *scan, enum symbol symbol)
{
    struct groups *groups = &scan->groups;
    bool separates = symbol == SYMBOL_BLANK || symbol == SYMBOL_HYPHEN;

    if (groups->separator == SYMBOL_DIGIT)
        groups->separator = symbol;
    groups->is_open =
        groups->is_open && separates && scan->before == SYMBOL_DIGIT && groups->separator == symbol;
}

static bool read_all(const char *text, size_t length, unsigned coding)
{
    struct reader reader = {.at = text, .end = text + length, .coding = coding};
    struct scan scan = {.before = SYMBOL_OTHER};

    while (reader.at < reader.end) {
        char byte = read_character(&reader);
        enum symbol symbol = symbol_of(byte, scan.before);
        if (symbol == SYMBOL_DIGIT) {
            if (scan.before != SYMBOL_DIGIT)
                run_begin(&scan);
            digits_add(&scan.run, (uint8_t)(byte - '0'));
        } else {
            if (scan.before == SYMBOL_DIGIT && run_end(&scan, symbol))
                return true;
            groups_separate(&scan, symbol);
        }
        scan.before = symbol;
    }
    return scan.before == SYMBOL_DIGIT && run_end(&scan, SYMBOL_OTHER);
}

/* ---- the look before ---- */

enum {
    WORD_BYTES = 8,
    /* So that of any 13 bytes one word lies wholly within. */
    STEP = CARD_NUMBER_DIGITS_MIN - WORD_BYTES + 1,
};

/* Whether the word is of digits and ASCII's signs before and behind them. */
static bool word_is_of_digits(uint64_t word)
{
    return (word & WORD_OF(0xe0)) == WORD_OF(0x20);
}

/* What a number in groups is made of; a plus may be a blank. */
static bool is_part(char byte)
{
    return (byte >= '0' && byte <= '9') || byte == ' ' || byte == '-' || byte == '+';
}

/* Whether what stands around `at` has enough digits. Moves `at` on to where it ends. */
static bool is_worth_reading(const char *text, size_t length, size_t *at)
{
    size_t start = *at;
    size_t end = *at;
    unsigned digits = 0;

    while (end < length && is_part(text[end]))
        end++;
    if (end - start < WORD_BYTES)
        return false;
    while (start > 0 && is_part(text[start - 1]))
        start--;
    *at = end;
    while (start < end) {
        char byte = text[start++];
        digits += byte >= '0' && byte <= '9';
    }
    return digits >= CARD_NUMBER_DIGITS_MIN;
}

bool card_number_in(const char *text, size_t length, unsigned coding)
{
    if (length < CARD_NUMBER_DIGITS_MIN)
        return false;
    /* Where something is encoded, digits need not stand side by side. */
    if ((coding & CARD_NUMBER_PERCENT) != 0 && memchr(text, '%', length) != NULL)
        return read_all(text, length, coding);
    if ((coding & CARD_NUMBER_JSON) != 0 && memchr(text, '\\', length) != NULL)
        return read_all(text, length, coding);
    for (size_t at = 0; at + WORD_BYTES <= length; at += STEP) {
        if (word_is_of_digits(word_load(text + at)) && is_worth_reading(text, length, &at))
            return read_all(text, length, coding);
    }
    return false;
}

static bool is_in_header(const struct http_exchange *exchange, enum http_header header,
                         unsigned coding)
{
    struct http_slice value = http_exchange_header(exchange, header);

    return card_number_in(value.data, value.length, coding);
}

bool card_number_in_request(struct http_exchange *exchange, bool with_body)
{
    struct http_slice path = http_exchange_path(exchange);
    struct http_slice query = http_exchange_query(exchange);
    struct http_slice body = http_exchange_body(exchange);
    bool is_in_id = is_in_header(exchange, HTTP_HEADER_X_REQUEST_ID, CARD_NUMBER_PLAIN);

    if (is_in_id)
        http_exchange_rename(exchange);
    return is_in_id || card_number_in(path.data, path.length, CARD_NUMBER_PERCENT) ||
           card_number_in(query.data, query.length, CARD_NUMBER_PERCENT | CARD_NUMBER_PLUS) ||
           is_in_header(exchange, HTTP_HEADER_IDEMPOTENCY_KEY, CARD_NUMBER_PLAIN) ||
           is_in_header(exchange, HTTP_HEADER_USER_AGENT, CARD_NUMBER_PLAIN) ||
           is_in_header(exchange, HTTP_HEADER_REFERER, CARD_NUMBER_PERCENT | CARD_NUMBER_PLUS) ||
           (with_body &&
            card_number_in(body.data, body.length, CARD_NUMBER_PERCENT | CARD_NUMBER_JSON));
}
