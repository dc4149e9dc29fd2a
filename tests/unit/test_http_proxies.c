/* SPDX-License-Identifier: Apache-2.0 */
/* Ranges of addresses: which texts are one, and which addresses are inside. */
#include "http/http_proxies.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static struct http_peer peer_of(const char *text)
{
    struct http_peer peer;
    assert_true(http_peer_parse((struct http_slice){text, strlen(text)}, &peer));
    return peer;
}

static bool contains(const char *range, const char *address)
{
    struct http_proxies proxies;
    struct http_peer peer = peer_of(address);
    assert_true(http_proxies_parse(&range, 1, &proxies, NULL));
    return http_proxies_contain(&proxies, &peer);
}

static void addresses_are_inside_or_not(void **state)
{
    (void)state;
    static const struct {
        const char *range;
        const char *address;
        bool inside;
    } cases[] = {
        {"192.0.2.1", "192.0.2.1", true},
        {"192.0.2.1", "192.0.2.2", false},
        {"192.0.2.1", "::ffff:192.0.2.1", true},
        {"10.0.0.0/8", "10.255.255.255", true},
        {"10.0.0.0/8", "11.0.0.0", false},
        {"10.0.0.0/8", "9.255.255.255", false},
        {"10.0.0.128/25", "10.0.0.128", true},
        {"10.0.0.128/25", "10.0.0.127", false},
        {"10.0.0.4/30", "10.0.0.7", true},
        {"10.0.0.4/30", "10.0.0.8", false},
        {"0.0.0.0/0", "203.0.113.9", true},
        {"0.0.0.0/0", "2001:db8::1", false},
        {"0.0.0.0/0", "::", false},
        {"::/0", "2001:db8::1", true},
        {"::/0", "203.0.113.9", false},
        {"::1", "::1", true},
        {"::1", "127.0.0.1", false},
        {"2001:db8::/32", "2001:db8:ffff::1", true},
        {"2001:db8::/32", "2001:db9::1", false},
        {"2001:db8::/33", "2001:db8:7fff::", true},
        {"2001:db8::/33", "2001:db8:8000::", false},
        {"fe80::/10", "febf::1", true},
        {"fe80::/10", "fec0::1", false},
        {"::ffff:10.0.0.0/104", "10.1.2.3", true},
        {"::ffff:10.0.0.0/104", "11.1.2.3", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        if (contains(cases[i].range, cases[i].address) != cases[i].inside)
            fail_msg("%s in %s: not %d", cases[i].address, cases[i].range, cases[i].inside);
    }
}

static void an_empty_list_holds_nobody(void **state)
{
    (void)state;
    struct http_proxies proxies;
    struct http_peer peer = peer_of("127.0.0.1");
    assert_true(http_proxies_parse(NULL, 0, &proxies, NULL));
    assert_false(http_proxies_contain(&proxies, &peer));
}

static void what_is_no_range_is_refused_and_named(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "/",
        "/8",
        "10.0.0.0/",
        "10.0.0.0/33",
        "::/129",
        "10.0.0.0/-1",
        "10.0.0.0/+8",
        "10.0.0.0/08",
        "10.0.0.0/8/8",
        "10.0.0/8",
        "10.0.0.1/8",
        "2001:db8::1/64",
        "[::1]",
        "::1%lo",
        "localhost",
        " 10.0.0.1",
        "10.0.0.1 ",
        "010.0.0.1",
        "10.0.0.0/8 ",
        "10.0.0.0/0x8",
        "256.0.0.1",
        "::ffff:10.0.0.1/96",
        "1111:2222:3333:4444:5555:6666:7777:8888:9999",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        const char *texts[] = {"10.0.0.0/8", bad[i]};
        struct http_proxies proxies;
        struct http_peer peer = peer_of("10.0.0.1");
        size_t which = 0;
        if (http_proxies_parse(texts, 2, &proxies, &which))
            fail_msg("\"%s\" is taken", bad[i]);
        assert_int_equal(which, 1);
        assert_false(http_proxies_contain(&proxies, &peer));
    }
}

static void their_number_is_bounded(void **state)
{
    (void)state;
    const char *texts[HTTP_PROXIES_MAX + 1];
    struct http_proxies proxies;
    size_t which = 0;
    for (size_t i = 0; i <= HTTP_PROXIES_MAX; i++)
        texts[i] = i == HTTP_PROXIES_MAX - 1 ? "192.0.2.0/24" : "198.51.100.0/24";
    struct http_peer peer = peer_of("192.0.2.77");
    assert_true(http_proxies_parse(texts, HTTP_PROXIES_MAX, &proxies, &which));
    assert_true(http_proxies_contain(&proxies, &peer));
    assert_false(http_proxies_parse(texts, HTTP_PROXIES_MAX + 1, &proxies, &which));
    assert_int_equal(which, HTTP_PROXIES_MAX);
}

static void an_address_with_a_zero_byte_is_none(void **state)
{
    (void)state;
    struct http_peer peer = {.port = 7};
    assert_false(http_peer_parse((struct http_slice){"10.0.0.1\0", 9}, &peer));
    assert_false(http_peer_parse((struct http_slice){NULL, 0}, &peer));
    assert_int_equal(peer.port, 7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses_are_inside_or_not),
        cmocka_unit_test(an_empty_list_holds_nobody),
        cmocka_unit_test(what_is_no_range_is_refused_and_named),
        cmocka_unit_test(their_number_is_bounded),
        cmocka_unit_test(an_address_with_a_zero_byte_is_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
