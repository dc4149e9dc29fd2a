/* SPDX-License-Identifier: Apache-2.0 */
/* What a mail's record holds, the links made of it, and what is shown of addresses. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "outbound/mail_payload.h"

static struct mail_payload full(void)
{
    struct mail_payload payload = {.valid_for_s = 0x01020304};

    memset(payload.to, 'a', 64);
    payload.to[64] = '@';
    for (size_t i = 65; i < MAIL_ADDRESS_MAX; i++)
        payload.to[i] = i % 40 == 0 ? '.' : 'b';
    memset(payload.token, 't', MAIL_TOKEN_MAX);
    memset(payload.new_email, 'n', MAIL_ADDRESS_MAX);
    memset(payload.role, 'r', MAIL_ROLE_MAX);
    return payload;
}

static void test_what_was_written_is_read_again(void **state)
{
    struct mail_payload payloads[] = {
        {.to = "ann@shop.test"},
        {.to = "ann@shop.test", .token = "mt_abc-_9", .valid_for_s = 600},
        {.to = "j\xc3\xb6rg@b\xc3\xbc"
               "cher.test",
         .new_email = "x***@y.test",
         .role = "support"},
        full(),
    };

    (void)state;
    for (size_t i = 0; i < sizeof(payloads) / sizeof(payloads[0]); i++) {
        uint8_t bytes[MAIL_PAYLOAD_MAX];
        struct mail_payload read;
        size_t length = mail_payload_write(&payloads[i], bytes);

        assert_true(length <= MAIL_PAYLOAD_MAX);
        assert_true(mail_payload_read(bytes, length, &read));
        assert_memory_equal(&read, &payloads[i], sizeof(read));
        for (size_t cut = 0; cut < length; cut++) /* never reads on; only whole fields are let go */
            if (mail_payload_read(bytes, cut, &read))
                assert_string_equal(read.to, payloads[i].to);
    }
}

static void test_what_is_no_payload_is_refused(void **state)
{
    static const struct {
        const char *name;
        uint8_t bytes[24];
        size_t length;
    } cases[] = {
        {"nothing", {0}, 0},
        {"another version", {2, 1, 0, 6, 'a', '@', 'b', '.', 'c', 'd'}, 10},
        {"no address", {1}, 1},
        {"not an address", {1, 1, 0, 3, 'a', '@', 'b'}, 7},
        {"a field that is longer than the rest", {1, 1, 0, 7, 'a', '@', 'b', '.', 'c', 'd'}, 10},
        {"half a field's head", {1, 1, 0, 6, 'a', '@', 'b', '.', 'c', 'd', 2, 0}, 12},
        {"a line end", {1, 1, 0, 6, 'a', '@', 'b', '.', 'c', 'd', 4, 0, 2, 'a', '\n'}, 15},
        {"a time of three bytes", {1, 1, 0, 6, 'a', '@', 'b', '.', 'c', 'd', 5, 0, 3, 0, 0, 1}, 16},
    };
    struct mail_payload payload;
    static const uint8_t newer[] = {1, 1, 0, 6, 'a', '@', 'b', '.', 'c', 'd', 200, 0, 2, 0, 1};

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        if (mail_payload_read(cases[i].bytes, cases[i].length, &payload))
            fail_msg("%s was read", cases[i].name);
    assert_true(mail_payload_read(newer, sizeof(newer), &payload)); /* a field of a newer program */
    assert_string_equal(payload.to, "a@b.cd");
}

static void test_links_lead_to_pages_of_the_shop(void **state)
{
    static const struct {
        enum mail_kind kind;
        const char *link;
    } cases[] = {
        {MAIL_VERIFY_EMAIL, "https://shop.test/account/verify#token=mt_x"},
        {MAIL_RESET_PASSWORD, "https://shop.test/account/reset#token=mt_x"},
        {MAIL_STAFF_INVITATION, "https://shop.test/account/invite#token=mt_x"},
        {MAIL_ALREADY_REGISTERED, "https://shop.test/account/login"},
        {MAIL_EMAIL_CHANGED, ""},
        {MAIL_PASSWORD_CHANGED, ""},
        {MAIL_ACCOUNT_DELETED, ""},
        {MAIL_SECOND_FACTOR_ON, ""},
        {MAIL_SECOND_FACTOR_OFF, ""},
    };
    char link[MAIL_LINK_MAX];

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        mail_link(cases[i].kind, "https://shop.test", "mt_x", link);
        assert_string_equal(link, cases[i].link);
    }
}

static void test_times_are_said_in_words(void **state)
{
    static const struct {
        uint32_t seconds;
        const char *words;
    } cases[] = {
        {1, "1 second"},     {90, "90 seconds"},   {120, "2 minutes"},
        {600, "10 minutes"}, {3600, "60 minutes"}, {7200, "2 hours"},
        {86400, "24 hours"}, {172800, "2 days"},   {7 * 86400, "7 days"},
    };
    char words[MAIL_VALID_FOR_MAX];

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        mail_valid_for(cases[i].seconds, words);
        assert_string_equal(words, cases[i].words);
    }
}

static void test_a_masked_address_tells_little(void **state)
{
    static const struct {
        const char *address;
        const char *masked;
    } cases[] = {
        {"ann@example.com", "a***@e***.com"},
        {"j\xc3\xb6rg@\xc3\xa4.mail.test", "j***@\xc3\xa4***.test"},
        {"\xc3\xb6@x.de", "\xc3\xb6***@x***.de"},
        {"nobody", ""},
        {"@x.de", ""},
    };
    char masked[MAIL_ADDRESS_MAX + 1];

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        mail_address_mask(cases[i].address, masked);
        assert_string_equal(masked, cases[i].masked);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_was_written_is_read_again),
        cmocka_unit_test(test_what_is_no_payload_is_refused),
        cmocka_unit_test(test_links_lead_to_pages_of_the_shop),
        cmocka_unit_test(test_times_are_said_in_words),
        cmocka_unit_test(test_a_masked_address_tells_little),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
