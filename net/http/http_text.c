/* SPDX-License-Identifier: Apache-2.0 */
/* Text without state: names, numbers, dates, status lines, percent-decoding. Any thread. */
#include "http/http_internal.h"
#include "http/words.h"

#include <string.h>

/* ---- Names ---- */

struct name {
    const char *text;
    uint8_t length;
    bool single;
};

static const struct name header_names[HTTP_HEADER_COUNT] = {
#define X(name, text, single) [HTTP_HEADER_##name] = {text, sizeof(text) - 1, single},
    HTTP_HEADER_TABLE(X)
#undef X
};

const char *http_header_name(enum http_header header)
{
    assert(header < HTTP_HEADER_COUNT);
    return header_names[header].text;
}

bool http_header_is_single(enum http_header header)
{
    assert(header < HTTP_HEADER_COUNT);
    return header_names[header].single;
}

/*
 * Setting bit 5 maps letters to lower case and leaves what else stands in a known name ('-') alone;
 * among the characters of a token, which llhttp has checked, nothing else maps to these.
 */
static bool equal_folded(const char *text, const char *lower_case, size_t length)
{
    const uint64_t fold_mask = WORD_OF(0x20);
    if (length >= sizeof fold_mask) {
        size_t last = length - sizeof fold_mask;
        for (size_t at = 0; at < last; at += sizeof fold_mask) {
            if ((word_load(text + at) | fold_mask) != word_load(lower_case + at))
                return false;
        }
        return (word_load(text + last) | fold_mask) == word_load(lower_case + last);
    }
    for (size_t i = 0; i < length; i++) {
        if ((text[i] | 0x20) != lower_case[i])
            return false;
    }
    return true;
}

enum http_header http_header_lookup(const char *name, size_t length)
{
    for (unsigned i = 0; i < HTTP_HEADER_COUNT; i++) {
        if (header_names[i].length == length && equal_folded(name, header_names[i].text, length))
            return (enum http_header)i;
    }
    return HTTP_HEADER_COUNT;
}

bool http_text_equal(struct http_slice text, const char *lower_case)
{
    return text.length == strlen(lower_case) && equal_folded(text.data, lower_case, text.length);
}

static char fold(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

bool http_slice_equal_nocase(struct http_slice one, struct http_slice other)
{
    if (one.length != other.length)
        return false;
    for (size_t i = 0; i < one.length; i++) {
        if (fold(one.data[i]) != fold(other.data[i]))
            return false;
    }
    return true;
}

const char *http_method_name(enum http_method method)
{
    static const char *const names[HTTP_METHOD_COUNT] = {[HTTP_METHOD_NONE] = "",
#define X(name) [HTTP_METHOD_##name] = #name,
                                                         HTTP_METHOD_TABLE(X)
#undef X
    };
    assert(method < HTTP_METHOD_COUNT);
    return names[method];
}

/* ---- Status lines ---- */

#define STATUS_TABLE(X)                                                                            \
    X(100, "Continue")                                                                             \
    X(200, "OK")                                                                                   \
    X(201, "Created")                                                                              \
    X(202, "Accepted")                                                                             \
    X(204, "No Content")                                                                           \
    X(206, "Partial Content")                                                                      \
    X(301, "Moved Permanently")                                                                    \
    X(302, "Found")                                                                                \
    X(303, "See Other")                                                                            \
    X(304, "Not Modified")                                                                         \
    X(307, "Temporary Redirect")                                                                   \
    X(308, "Permanent Redirect")                                                                   \
    X(400, "Bad Request")                                                                          \
    X(401, "Unauthorized")                                                                         \
    X(402, "Payment Required")                                                                     \
    X(403, "Forbidden")                                                                            \
    X(404, "Not Found")                                                                            \
    X(405, "Method Not Allowed")                                                                   \
    X(406, "Not Acceptable")                                                                       \
    X(408, "Request Timeout")                                                                      \
    X(409, "Conflict")                                                                             \
    X(410, "Gone")                                                                                 \
    X(412, "Precondition Failed")                                                                  \
    X(413, "Content Too Large")                                                                    \
    X(414, "URI Too Long")                                                                         \
    X(415, "Unsupported Media Type")                                                               \
    X(416, "Range Not Satisfiable")                                                                \
    X(417, "Expectation Failed")                                                                   \
    X(421, "Misdirected Request")                                                                  \
    X(422, "Unprocessable Content")                                                                \
    X(428, "Precondition Required")                                                                \
    X(429, "Too Many Requests")                                                                    \
    X(431, "Request Header Fields Too Large")                                                      \
    X(500, "Internal Server Error")                                                                \
    X(501, "Not Implemented")                                                                      \
    X(502, "Bad Gateway")                                                                          \
    X(503, "Service Unavailable")                                                                  \
    X(504, "Gateway Timeout")                                                                      \
    X(505, "HTTP Version Not Supported")                                                           \
    X(507, "Insufficient Storage")

enum { STATUS_FIRST = 100, STATUS_LAST = 507 };

struct http_slice http_status_line(int status)
{
#define LINE(code, text) "HTTP/1.1 " #code " " text "\r\n"
    static const struct http_slice lines[STATUS_LAST - STATUS_FIRST + 1] = {
#define X(code, text) [(code)-STATUS_FIRST] = {LINE(code, text), sizeof(LINE(code, text)) - 1},
        STATUS_TABLE(X)
#undef X
    };
    if (status < STATUS_FIRST || status > STATUS_LAST)
        return (struct http_slice){0};
    return lines[status - STATUS_FIRST];
}

/* ---- Numbers ---- */

size_t http_text_decimal(char *target, uint64_t value)
{
    char digits[20];
    size_t count = 0;
    do {
        digits[count++] = (char)('0' + value % 10);
        value /= 10;
    } while (value > 0);
    for (size_t i = 0; i < count; i++)
        target[i] = digits[count - 1 - i];
    return count;
}

size_t http_text_hexadecimal(char *target, uint64_t value)
{
    size_t count = 1;
    while (count < 16 && value >> (4 * count) > 0)
        count++;
    for (size_t i = 0; i < count; i++)
        target[i] = "0123456789abcdef"[(value >> (4 * (count - 1 - i))) & 15];
    return count;
}

void http_text_serial_next(char serial[HTTP_SERIAL_LENGTH + 1])
{
    static const char successor[128] = {
        ['0'] = '1', ['1'] = '2', ['2'] = '3', ['3'] = '4', ['4'] = '5', ['5'] = '6',
        ['6'] = '7', ['7'] = '8', ['8'] = '9', ['9'] = 'a', ['a'] = 'b', ['b'] = 'c',
        ['c'] = 'd', ['d'] = 'e', ['e'] = 'f', ['f'] = '0',
    };
    for (size_t i = HTTP_SERIAL_LENGTH; i-- > 0;) {
        serial[i] = successor[(unsigned char)serial[i] & 127];
        if (serial[i] != '0')
            return;
    }
}

/* ---- Dates (RFC 9110 section 5.6.7, IMF-fixdate; no locale) ---- */

static void put_two(char *target, uint64_t value)
{
    target[0] = (char)('0' + value / 10 % 10);
    target[1] = (char)('0' + value % 10);
}

void http_text_date_line(uint64_t seconds, char line_out[HTTP_DATE_LINE_LENGTH + 1])
{
    static const char weekdays[] = "ThuFriSatSunMonTueWed"; /* 1970-01-01 was a Thursday */
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    uint64_t days = seconds / 86400;
    uint64_t rest = seconds % 86400;
    /* Days to a date, with years that begin in March, in eras of 400 years. */
    uint64_t shifted = days + 719468;
    uint64_t era = shifted / 146097;
    uint64_t day_of_era = shifted % 146097;
    uint64_t year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    uint64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    uint64_t month_from_march = (5 * day_of_year + 2) / 153;
    uint64_t day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    uint64_t month = month_from_march < 10 ? month_from_march + 2 : month_from_march - 10;
    uint64_t year = year_of_era + era * 400 + (month < 2 ? 1 : 0);

    memcpy(line_out, "Date: Thu, 01 Jan 1970 00:00:00 GMT\r\n", HTTP_DATE_LINE_LENGTH + 1);
    memcpy(line_out + 6, weekdays + days % 7 * 3, 3);
    put_two(line_out + 11, day);
    memcpy(line_out + 14, months + month * 3, 3);
    put_two(line_out + 18, year / 100);
    put_two(line_out + 20, year);
    put_two(line_out + 23, rest / 3600);
    put_two(line_out + 26, rest / 60 % 60);
    put_two(line_out + 29, rest % 60);
}

/* ---- Percent-encoding and queries ---- */

static int hexadecimal_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

int http_percent_decode(struct http_slice source, bool plus_is_space, char *target, size_t capacity)
{
    size_t length = 0;
    for (size_t i = 0; i < source.length; i++) {
        char c = source.data[i];
        if (c == '%') {
            if (source.length - i < 3)
                return HTTP_MALFORMED;
            int high = hexadecimal_digit(source.data[i + 1]);
            int low = hexadecimal_digit(source.data[i + 2]);
            if (high < 0 || low < 0 || (high == 0 && low == 0))
                return HTTP_MALFORMED;
            c = (char)(high << 4 | low);
            i += 2;
        } else if (c == '+' && plus_is_space) {
            c = ' ';
        }
        if (length + 1 >= capacity)
            return HTTP_TOO_LONG;
        target[length++] = c;
    }
    if (length >= capacity)
        return HTTP_TOO_LONG;
    target[length] = '\0';
    return (int)length;
}

bool http_query_next(struct http_slice *rest, struct http_slice *name_out,
                     struct http_slice *value_out)
{
    while (rest->length > 0) {
        const char *end = memchr(rest->data, '&', rest->length);
        size_t length = end != NULL ? (size_t)(end - rest->data) : rest->length;
        struct http_slice pair = {rest->data, length};
        size_t taken = end != NULL ? length + 1 : length;
        rest->data += taken;
        rest->length -= taken;
        if (pair.length == 0)
            continue;
        const char *equals = memchr(pair.data, '=', pair.length);
        size_t name_length = equals != NULL ? (size_t)(equals - pair.data) : pair.length;
        *name_out = (struct http_slice){pair.data, name_length};
        *value_out = equals != NULL ? (struct http_slice){equals + 1, pair.length - name_length - 1}
                                    : (struct http_slice){pair.data + pair.length, 0};
        return true;
    }
    return false;
}
