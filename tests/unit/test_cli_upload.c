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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses),
        cmocka_unit_test(urls),
        cmocka_unit_test(query_texts_are_percent_encoded),
        cmocka_unit_test(answers_are_complete_at_their_last_byte),
        cmocka_unit_test(a_closed_connection_ends_the_answer_or_spoils_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
