/* SPDX-License-Identifier: Apache-2.0 */
/* Addresses, and the HTTP client of `stampede import` against answers as servers give them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "address.h"
#include "download.h"
#include "progress.h"
#include "upload.h"

static void addresses(void **state)
{
    static const struct {
        const char *text;
        const char *host; /* NULL: refused */
        uint16_t port;
    } cases[] = {
        {"127.0.0.1:8080", "127.0.0.1", 8080},
        {"localhost:0", "localhost", 0},
        {"[::1]:65535", "::1", 65535},
        {"shop.example:80", "shop.example", 80},
        {"", NULL, 0},
        {":8080", NULL, 0},
        {"127.0.0.1", NULL, 0},
        {"127.0.0.1:", NULL, 0},
        {"127.0.0.1:65536", NULL, 0},
        {"127.0.0.1:+1", NULL, 0},
        {"127.0.0.1:80 ", NULL, 0},
        {"::1:80", NULL, 0},
        {"[::1]80", NULL, 0},
        {"[]:80", NULL, 0},
        {"a b:80", NULL, 0},
        {"127.0.0.1:000080", NULL, 0},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct address address;
        bool is_one = address_parse(cases[i].text, &address);

        if (is_one != (cases[i].host != NULL))
            fail_msg("\"%s\": %s", cases[i].text, is_one ? "taken" : "refused");
        if (is_one) {
            assert_string_equal(address.host, cases[i].host);
            assert_int_equal(address.port, cases[i].port);
        }
    }
}

static void urls(void **state)
{
    static const struct {
        const char *text;
        const char *host;
        uint16_t port;
    } cases[] = {
        {"http://127.0.0.1:8080", "127.0.0.1", 8080},
        {"http://a.example/", "a.example", 80},
        {"http://[::1]:90/", "::1", 90},
        {"http://a.example", "a.example", 80},
        {"https://a.example", "a.example", 443},
        {"https://a.example:8443/", "a.example", 8443},
        {"https://", NULL, 0},
        {"https:/a.example", NULL, 0},
        {"ftp://a.example", NULL, 0},
        {"a.example:80", NULL, 0},
        {"http://", NULL, 0},
        {"http://a.example/v1", NULL, 0},
        {"http://a.example:80x", NULL, 0},
        {"http://a.example:/", NULL, 0},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct address address;
        bool is_one = address_parse_url(cases[i].text, &address);
        bool is_https = strncmp(cases[i].text, "https:", 6) == 0;

        if (is_one != (cases[i].host != NULL))
            fail_msg("\"%s\": %s", cases[i].text, is_one ? "taken" : "refused");
        if (is_one) {
            assert_string_equal(address.host, cases[i].host);
            assert_int_equal(address.port, cases[i].port);
            assert_int_equal(address.has_tls, is_https);
        }
    }
}

static void query_texts_are_percent_encoded(void **state)
{
    char target[64] = "/i?map=";
    char small[10] = "";

    (void)state;
    assert_true(upload_append_encoded(target, sizeof(target), "a:=1 é&-._~"));
    assert_string_equal(target, "/i?map=a%3A%3D1%20%C3%A9%26-._~");
    assert_false(upload_append_encoded(small, sizeof(small), "long enough"));
}

/* Every answer is complete at its last byte and not one byte before. */
static void answers_are_complete_at_their_last_byte(void **state)
{
    static const struct {
        const char *text;
        int status;
        const char *body;
    } cases[] = {
        {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", 200, "hello"},
        {"HTTP/1.1 413 X\r\ncontent-length:  0 \r\nConnection: close\r\n\r\n", 413, ""},
        {"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", 200, "ok"},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n1;x=y\r\n!\r\n0\r\n",
         200, "hello!"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct upload_answer answer = {.body = NULL};
        size_t length = strlen(cases[i].text);

        for (size_t part = 0; part < length; part++)
            assert_int_equal(upload_parse_answer(cases[i].text, part, false, &answer), 0);
        assert_int_equal(upload_parse_answer(cases[i].text, length, false, &answer), 1);
        assert_int_equal(answer.status, cases[i].status);
        assert_string_equal(answer.body, cases[i].body);
        free(answer.body);
    }
}

static void a_closed_connection_ends_the_answer_or_spoils_it(void **state)
{
    static const char whole[] = "HTTP/1.0 200 OK\r\n\r\nuntil the end";
    static const char *const spoilt[] = {
        "",
        "HTTP/1.1 200 OK\r\nContent-Le",
        "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel",
        "SSH-2.0-OpenSSH_9.2\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    };
    struct upload_answer answer = {.body = NULL};

    (void)state;
    assert_int_equal(upload_parse_answer(whole, strlen(whole), false, &answer), 0);
    assert_int_equal(upload_parse_answer(whole, strlen(whole), true, &answer), 1);
    assert_string_equal(answer.body, "until the end");
    free(answer.body);
    for (size_t i = 0; i < sizeof(spoilt) / sizeof(spoilt[0]); i++)
        assert_int_equal(upload_parse_answer(spoilt[i], strlen(spoilt[i]), true, &answer), -1);
}

/* Cut anywhere, chunks come to the same body; nothing is complete before its last byte. */
static void chunks_are_joined_wherever_they_are_cut(void **state)
{
    static const struct {
        const char *text;
        const char *body; /* NULL: broken */
    } cases[] = {
        {"5\r\nhello\r\n1;x=y\r\n!\r\n0\r\n\r\n", "hello!"},
        {"0\r\nX: y\r\nZ: 1\r\n\r\n", ""},
        {"0A\r\n0123456789\r\n00\r\n\r\n", "0123456789"},
        {"2\nab\n0\n\n", "ab"},
        {"zz\r\n", NULL},
        {"\r\n", NULL},
        {"3\r\nabcd\r\n", NULL},
        {"1234567890abc\r\n", NULL},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        size_t length = strlen(cases[i].text);

        for (size_t piece = 1; piece <= length; piece++) {
            struct chunk_reader reader = {.state = CHUNK_SIZE};
            struct download_piece data;
            char body[64] = "";
            size_t at = 0;

            while (at < length) {
                size_t part = length - at < piece ? length - at : piece;
                size_t taken = chunk_reader_take(&reader, cases[i].text + at, part, &data);

                if (taken == 0)
                    break;
                at += taken;
                strncat(body, data.text, data.length);
                if (cases[i].body != NULL && at < length)
                    assert_int_not_equal(reader.state, CHUNK_DONE);
            }
            assert_int_equal(reader.state, cases[i].body != NULL ? CHUNK_DONE : CHUNK_BROKEN);
            if (cases[i].body != NULL)
                assert_string_equal(body, cases[i].body);
        }
    }
}

static void the_bar_tells_bytes_rows_and_the_time_left(void **state)
{
    struct progress progress = {.size = 4 << 20, .bytes = 1 << 20, .rows = 5000};
    char line[PROGRESS_LINE_BYTES];

    (void)state;
    assert_string_equal(
        progress_line(&progress, 500, line),
        "[######..................]  25 %  1.0 of 4.0 MiB  10000 rows/s  0:01 left");
    progress.bytes = progress.size + 1; /* the framing of chunks */
    assert_non_null(strstr(progress_line(&progress, 60000, line), "100 %"));
    assert_non_null(strstr(line, "0:00 left"));
    progress.size = 0;
    assert_string_equal(progress_line(&progress, 0, line), "4.0 MiB  5000 rows  5000000 rows/s");
    progress = (struct progress){.size = UINT32_MAX, .bytes = 1};
    assert_non_null(strstr(progress_line(&progress, 1000, line), " left"));
    assert_true(strlen(line) < PROGRESS_LINE_BYTES - 1);
}

static void rows_in_quotes_are_not_counted(void **state)
{
    struct progress progress = {.is_shown = true, .has_quotes = true, .shown_ms = INT64_MAX / 2};
    static const char text[] = "a,\"b\nc\"\"\nd\"\n1,2\n";

    (void)state;
    progress_add(&progress, text, 7);
    progress_add(&progress, text + 7, sizeof(text) - 8);
    assert_int_equal(progress.rows, 2);
    assert_int_equal(progress.bytes, sizeof(text) - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses),
        cmocka_unit_test(urls),
        cmocka_unit_test(query_texts_are_percent_encoded),
        cmocka_unit_test(answers_are_complete_at_their_last_byte),
        cmocka_unit_test(a_closed_connection_ends_the_answer_or_spoils_it),
        cmocka_unit_test(chunks_are_joined_wherever_they_are_cut),
        cmocka_unit_test(the_bar_tells_bytes_rows_and_the_time_left),
        cmocka_unit_test(rows_in_quotes_are_not_counted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
