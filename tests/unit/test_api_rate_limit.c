/* SPDX-License-Identifier: Apache-2.0 */
/* Rates: as many as the quota at once, then as many as the window gives back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "api/routes.h"

static struct rate_limiter limiter;
static const struct hash_key seed = {{1, 2}};
static const struct rate_policy ten_in_5s = {"test", 10, 5};
static const struct rate_policy other_policy = {"other", 10, 5};

static int reset(void **state)
{
    (void)state;
    rate_limiter_init(&limiter, &seed);
    return 0;
}

static struct rate_verdict take(const struct rate_policy *policy, const char *who, int64_t now_ms)
{
    return rate_limiter_take(&limiter, policy, who, strlen(who), now_ms);
}

static void quota_then_refusals_then_refill(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < 10; i++) {
        struct rate_verdict verdict = take(&ten_in_5s, "a", 1000);
        assert_true(verdict.is_allowed);
        assert_int_equal(verdict.remaining, 9 - i);
    }
    for (unsigned i = 0; i < 100; i++) {
        struct rate_verdict verdict = take(&ten_in_5s, "a", 1000);
        assert_false(verdict.is_allowed);
        assert_int_equal(verdict.remaining, 0);
        assert_int_equal(verdict.wait_s, 1);
    }
    /* One comes back every 500 ms, to the millisecond. */
    assert_false(take(&ten_in_5s, "a", 1499).is_allowed);
    assert_true(take(&ten_in_5s, "a", 1500).is_allowed);
    assert_false(take(&ten_in_5s, "a", 1500).is_allowed);
    assert_true(take(&ten_in_5s, "a", 6500).is_allowed);
    assert_int_equal(take(&ten_in_5s, "a", 6500).remaining, 8);
}

static void callers_and_policies_are_apart(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 10; i++)
        take(&ten_in_5s, "a", 0);
    assert_false(take(&ten_in_5s, "a", 0).is_allowed);
    assert_true(take(&ten_in_5s, "b", 0).is_allowed);
    assert_true(take(&other_policy, "a", 0).is_allowed);
}

static void a_long_run_gets_exactly_its_rate(void **state)
{
    (void)state;
    unsigned allowed = 0;

    /* 20 attempts a second for 100 s at 2 a second, and the quota to begin with. */
    for (int64_t now_ms = 0; now_ms < 100000; now_ms += 50)
        allowed += take(&ten_in_5s, "a", now_ms).is_allowed;
    assert_in_range(allowed, 208, 210);
}

static void a_clock_that_stands_still_gives_nothing(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 10; i++)
        take(&ten_in_5s, "a", 5000);
    assert_false(take(&ten_in_5s, "a", 5000).is_allowed);
    assert_false(take(&ten_in_5s, "a", 4000).is_allowed);
    assert_false(take(&ten_in_5s, "a", 5000).is_allowed);
}

static void slow_policies_say_how_long_to_wait(void **state)
{
    (void)state;
    static const struct rate_policy two_in_60s = {"slow", 2, 60};

    assert_true(take(&two_in_60s, "a", 0).is_allowed);
    assert_true(take(&two_in_60s, "a", 0).is_allowed);
    assert_int_equal(take(&two_in_60s, "a", 0).wait_s, 30);
    assert_int_equal(take(&two_in_60s, "a", 10500).wait_s, 20);
    assert_int_equal(take(&two_in_60s, "a", 29999).wait_s, 1);
    assert_true(take(&two_in_60s, "a", 30000).is_allowed);
}

static void a_flood_of_callers_refuses_nobody_and_refills_nobody(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 10; i++)
        take(&ten_in_5s, "spender", 0);
    for (uint32_t i = 0; i < 10 * RATE_BUCKETS; i++)
        assert_true(rate_limiter_take(&limiter, &ten_in_5s, &i, sizeof(i), 1).is_allowed);
    /* The flood's own buckets made way for each other: the spent one is spent still. */
    assert_false(take(&ten_in_5s, "spender", 2).is_allowed);
    assert_true(take(&ten_in_5s, "spender", 502).is_allowed);
}

static void every_class_has_its_policies(void **state)
{
    (void)state;
    for (unsigned i = 0; i < CLASS_COUNT; i++) {
        assert_string_equal(route_class_name((enum route_class)i), rate_caller_policies[i].name);
        assert_true(rate_caller_policies[i].window_s > 0);
        assert_true(rate_address_policies[i].window_s > 0);
        assert_true(rate_network_policies[i].window_s > 0);
        /* Whatever is limited at all is so by address and by network, each wider than the one
         * before. */
        if (i == CLASS_OPERATIONS)
            continue;
        assert_true(rate_address_policies[i].quota > rate_caller_policies[i].quota);
        assert_true(rate_network_policies[i].quota > rate_address_policies[i].quota);
    }
}

/* Every route that changes something is limited, and those of callers who are known by caller. */
static void every_write_is_limited(void **state)
{
    (void)state;
    struct route routes[ROUTE_COUNT];
    unsigned writes = 0;

    api_routes_fill(routes, NULL);
    for (unsigned i = 0; i < ROUTE_COUNT; i++) {
        enum route_class class = api_routes[i].class;

        if (routes[i].method == HTTP_METHOD_GET)
            continue;
        writes++;
        assert_true(rate_address_policies[class].quota > 0);
        assert_true(rate_network_policies[class].quota > 0);
        if (api_routes[i].access.caller != CALLER_PUBLIC)
            assert_true(rate_caller_policies[class].quota > 0);
    }
    assert_true(writes > 20);
}

static void networks_of_addresses(void **state)
{
    (void)state;
    static const uint8_t ipv4[16] = {[10] = 0xff, [11] = 0xff, [12] = 192, 0, 2, 7};
    static const uint8_t ipv6[16] = {0x20, 0x01, 0x0d, 0xb8, 0, 1, 0, 2, [15] = 3};
    static const uint8_t nearly_mapped[16] = {[10] = 0xff, [11] = 0xfe};

    assert_int_equal(rate_address_bytes(ipv4), 16);
    assert_int_equal(rate_network_bytes(ipv4), 15);
    assert_int_equal(rate_address_bytes(ipv6), 8);
    assert_int_equal(rate_network_bytes(ipv6), 6);
    assert_int_equal(rate_address_bytes(nearly_mapped), 8);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(quota_then_refusals_then_refill, reset),
        cmocka_unit_test_setup(callers_and_policies_are_apart, reset),
        cmocka_unit_test_setup(a_long_run_gets_exactly_its_rate, reset),
        cmocka_unit_test_setup(a_clock_that_stands_still_gives_nothing, reset),
        cmocka_unit_test_setup(slow_policies_say_how_long_to_wait, reset),
        cmocka_unit_test_setup(a_flood_of_callers_refuses_nobody_and_refills_nobody, reset),
        cmocka_unit_test_setup(every_class_has_its_policies, reset),
        cmocka_unit_test(every_write_is_limited),
        cmocka_unit_test(networks_of_addresses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
