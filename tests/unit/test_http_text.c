/* SPDX-License-Identifier: Apache-2.0 */
/* The parts of net/http that have no socket: text, buffers, the table of peers. */
#include "http/http_internal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

static struct http_slice slice(const char *text)
{
    return (struct http_slice){text, strlen(text)};
}

static void percent_encoding_is_decoded_strictly(void **state)
{
    (void)state;
    static const struct {
        const char *source;
        bool plus;
        int length;
        const char *decoded;
    } cases[] = {
        {"", false, 0, ""},
        {"abc", false, 3, "abc"},
        {"a%2fb", false, 3, "a/b"},
        {"a%2Fb", false, 3, "a/b"},
        {"a+b", false, 3, "a+b"},
        {"a+b", true, 3, "a b"},
        {"%252f", false, 3, "%2f"},
        {"%C3%A9", false, 2, "\xc3\xa9"},
        {"%", false, HTTP_MALFORMED, NULL},
        {"%2", false, HTTP_MALFORMED, NULL},
        {"%g0", false, HTTP_MALFORMED, NULL},
        {"%0g", false, HTTP_MALFORMED, NULL},
        {"%00", false, HTTP_MALFORMED, NULL},
        {"a%", true, HTTP_MALFORMED, NULL},
        {"1234567", false, 7, "1234567"},
        {"12345678", false, HTTP_TOO_LONG, NULL},
        {"1234567%38", false, HTTP_TOO_LONG, NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char target[8];
        int length = http_percent_decode(slice(cases[i].source), cases[i].plus, target, 8);
        assert_int_equal(length, cases[i].length);
        if (length >= 0)
            assert_string_equal(target, cases[i].decoded);
    }
    char none[1];
    assert_int_equal(http_percent_decode(slice(""), false, none, 1), 0);
    assert_int_equal(http_percent_decode(slice(""), false, none, 0), HTTP_TOO_LONG);
}

static void queries_are_split(void **state)
{
    (void)state;
    struct http_slice rest = slice("&a=1&&b&=x&c=d=e&");
    static const char *const names[] = {"a", "b", "", "c"};
    static const char *const values[] = {"1", "", "x", "d=e"};
    struct http_slice name;
    struct http_slice value;
    for (size_t i = 0; i < 4; i++) {
        assert_true(http_query_next(&rest, &name, &value));
        assert_int_equal(name.length, strlen(names[i]));
        assert_memory_equal(name.data, names[i], name.length);
        assert_int_equal(value.length, strlen(values[i]));
        assert_memory_equal(value.data, values[i], value.length);
    }
    assert_false(http_query_next(&rest, &name, &value));
}

/* Against the C library's calendar, over 400 years and each side of leap days. */
static void dates_are_those_of_the_calendar(void **state)
{
    (void)state;
    for (uint64_t seconds = 0; seconds < 12623000000; seconds += 86400 * 7 - 3601) {
        char line[HTTP_DATE_LINE_LENGTH + 1];
        char expected[64];
        time_t time = (time_t)seconds;
        struct tm calendar;
        gmtime_r(&time, &calendar);
        strftime(expected, sizeof expected, "Date: %a, %d %b %Y %H:%M:%S GMT\r\n", &calendar);
        http_text_date_line(seconds, line);
        assert_string_equal(line, expected);
    }
}

static void numbers_are_written(void **state)
{
    (void)state;
    static const uint64_t values[] = {0,         9, 10, 15, 16, 255, 4096, 99999, 1234567890123,
                                      UINT64_MAX};
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        char text[24];
        char expected[24];
        text[http_text_decimal(text, values[i])] = '\0';
        snprintf(expected, sizeof expected, "%llu", (unsigned long long)values[i]);
        assert_string_equal(text, expected);
        text[http_text_hexadecimal(text, values[i])] = '\0';
        snprintf(expected, sizeof expected, "%llx", (unsigned long long)values[i]);
        assert_string_equal(text, expected);
    }
    char serial[HTTP_SERIAL_LENGTH + 1] = "abcdef01000000000000";
    for (int i = 1; i <= 1000; i++) {
        char expected[HTTP_SERIAL_LENGTH + 1];
        http_text_serial_next(serial);
        snprintf(expected, sizeof expected, "abcdef01%012x", (unsigned)i);
        assert_string_equal(serial, expected);
    }
}

static void header_names_are_known_in_any_case(void **state)
{
    (void)state;
    for (unsigned i = 0; i < HTTP_HEADER_COUNT; i++) {
        char name[64];
        const char *known = http_header_name((enum http_header)i);
        size_t length = strlen(known);
        for (size_t c = 0; c < length; c++)
            name[c] =
                (char)(c % 2 == 0 && known[c] >= 'a' && known[c] <= 'z' ? known[c] - 32 : known[c]);
        assert_int_equal(http_header_lookup(name, length), i);
        assert_int_equal(http_header_lookup(name, length - 1), HTTP_HEADER_COUNT);
    }
    assert_int_equal(http_header_lookup("idempotency_key", 15), HTTP_HEADER_COUNT);
}

static void status_lines_exist_for_every_refusal(void **state)
{
    (void)state;
    static const int statuses[] = {
#define X(name, status, code) status,
        HTTP_REFUSAL_TABLE(X)
#undef X
    };
    for (size_t i = 0; i < sizeof statuses / sizeof statuses[0]; i++)
        assert_non_null(http_status_line(statuses[i]).data);
    assert_null(http_status_line(999).data);
    char head[256];
    size_t length = http_head_prepare(409, "application/problem+json", 12, head, sizeof head);
    assert_int_equal(length, strlen(head));
    assert_string_equal(head, "HTTP/1.1 409 Conflict\r\nContent-Type: application/problem+json\r\n"
                              "Content-Length: 12\r\n");
    assert_int_equal(http_head_prepare(409, "text/plain", 12, head, 40), 0);
}

static void buffers_grow_and_are_bounded(void **state)
{
    (void)state;
    struct http_buffers pool = {.bytes_max = 64 * 1024};
    struct http_buffer one = {0};
    struct http_buffer other = {0};
    static char bytes[40000];
    memset(bytes, 'a', sizeof bytes);
    for (size_t i = 0; i < 30; i++)
        assert_true(http_buffer_append(&pool, &one, bytes, 1000));
    assert_int_equal(one.length, 30000);
    assert_memory_equal(one.data, bytes, 30000);
    assert_int_equal(pool.bytes_used, 32768);
    assert_true(http_buffer_reserve(&pool, &other, 1));
    assert_false(http_buffer_reserve(&pool, &other, 40000));
    assert_int_equal(other.capacity, 4096);
    http_buffer_release(&pool, &one);
    assert_true(http_buffer_reserve(&pool, &other, 30000));
    assert_false(http_buffer_reserve(&pool, &one, SIZE_MAX / 2));
    http_buffer_release(&pool, &other);
    http_buffer_release(&pool, &other);
    assert_int_equal(pool.bytes_used, 0);
    assert_true(pool.bytes_cached > 0);
    http_buffers_free(&pool);
}

/* Against a plain array, with many addresses that come and go. */
static void peers_are_counted(void **state)
{
    (void)state;
    enum { ADDRESSES = 60, LIMIT = 3, STEPS = 200000 };
    struct http_peers peers;
    unsigned counts[ADDRESSES] = {0};
    unsigned total = 0;
    unsigned random = 1;
    assert_true(http_peers_init(&peers, 64, 12345));
    for (int step = 0; step < STEPS; step++) {
        random = random * 1664525U + 1013904223U;
        unsigned which = (random >> 8) % ADDRESSES;
        struct http_peer peer = {.address = {[10] = 0xff, [11] = 0xff, [12] = 10}};
        peer.address[15] = (uint8_t)which;
        if ((random >> 24) % 2 == 0 && total < 64) {
            bool added = http_peers_add(&peers, &peer, LIMIT);
            assert_int_equal(added, counts[which] < LIMIT);
            counts[which] += added;
            total += added;
        } else if (counts[which] > 0) {
            http_peers_remove(&peers, &peer);
            counts[which]--;
            total--;
        }
    }
    http_peers_free(&peers);
}

static void peers_of_one_network_count_together(void **state)
{
    (void)state;
    struct http_peers peers;
    assert_true(http_peers_init(&peers, 8, 1));
    struct http_peer one = {.address = {0x20, 0x01, 0x0d, 0xb8, [15] = 1}};
    struct http_peer same = {.address = {0x20, 0x01, 0x0d, 0xb8, [15] = 2}};
    struct http_peer other = {.address = {0x20, 0x01, 0x0d, 0xb8, [7] = 1, [15] = 1}};
    assert_true(http_peers_add(&peers, &one, 1));
    assert_false(http_peers_add(&peers, &same, 1));
    assert_true(http_peers_add(&peers, &other, 1));
    char text[HTTP_PEER_TEXT_MAX];
    assert_int_equal(http_peer_text(&one, text), strlen("2001:db8::1"));
    assert_string_equal(text, "2001:db8::1");
    struct http_peer four = {.address = {[10] = 0xff, [11] = 0xff, [12] = 192, [14] = 2, [15] = 1}};
    http_peer_text(&four, text);
    assert_string_equal(text, "192.0.2.1");
    http_peers_free(&peers);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(percent_encoding_is_decoded_strictly),
        cmocka_unit_test(queries_are_split),
        cmocka_unit_test(dates_are_those_of_the_calendar),
        cmocka_unit_test(numbers_are_written),
        cmocka_unit_test(header_names_are_known_in_any_case),
        cmocka_unit_test(status_lines_exist_for_every_refusal),
        cmocka_unit_test(buffers_grow_and_are_bounded),
        cmocka_unit_test(peers_are_counted),
        cmocka_unit_test(peers_of_one_network_count_together),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
