/* SPDX-License-Identifier: Apache-2.0 */
/* Redis' URL: what is read from it, and what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "outbound/feed.h"

static void test_read(void **state)
{
    static const struct {
        const char *url;
        const char *host;
        uint16_t port;
        uint32_t database;
        const char *user;
        const char *password;
    } cases[] = {
        {"redis://localhost", "localhost", 6379, 0, "", ""},
        {"redis://localhost/", "localhost", 6379, 0, "", ""},
        {"redis://127.0.0.1:1/15", "127.0.0.1", 1, 15, "", ""},
        {"redis://[::1]:6380/2", "::1", 6380, 2, "", ""},
        {"redis://[::1]", "::1", 6379, 0, "", ""},
        {"redis://user@h:65535", "h", 65535, 0, "user", ""},
        {"redis://:secret@h", "h", 6379, 0, "", "secret"},
        {"redis://user:a%3Ab%40c%2f@h/0", "h", 6379, 0, "user", "a:b@c/"},
        {"redis://u:p@w@h", "h", 6379, 0, "u", "p@w"},
        {"redis://u:a:b@h", "h", 6379, 0, "u", "a:b"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct feed_address address;
        char error[200] = "";

        if (!feed_address_parse(cases[i].url, &address, error, sizeof(error)))
            fail_msg("%s: %s", cases[i].url, error);
        assert_string_equal(address.host, cases[i].host);
        assert_int_equal(address.port, cases[i].port);
        assert_int_equal(address.database, cases[i].database);
        assert_string_equal(address.user, cases[i].user);
        assert_string_equal(address.password, cases[i].password);
    }
}

static void test_refused(void **state)
{
    static const char *const cases[] = {
        "",
        "localhost:6379",
        "http://localhost",
        "rediss://localhost",
        "redis://",
        "redis:///1",
        "redis://:6379",
        "redis://h:",
        "redis://h:0",
        "redis://h:65536",
        "redis://h:99999999999",
        "redis://h:1a",
        "redis://h/one",
        "redis://h/65536",
        "redis://h/1/2",
        "redis://[::1",
        "redis://[::1]6379",
        "redis://u%zz:p@h",
        "redis://u%4@h",
        "redis://u:%00@h",
    };
    struct feed_address address;
    char long_url[2000] = "redis://:";
    char error[200];

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        error[0] = 0;
        if (feed_address_parse(cases[i], &address, error, sizeof(error)))
            fail_msg("%s was read", cases[i]);
        assert_true(error[0] != 0);
    }
    memset(long_url + 9, 'x', FEED_PASSWORD_MAX + 1);
    strcat(long_url, "@h");
    assert_false(feed_address_parse(long_url, &address, error, sizeof(error)));
    assert_null(strstr(error, "xx"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_read),
        cmocka_unit_test(test_refused),
    };

    return cmocka_run_group_tests_name("feed address", tests, NULL, NULL);
}
