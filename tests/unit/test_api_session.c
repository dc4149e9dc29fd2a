/* SPDX-License-Identifier: Apache-2.0 */
/* Session tokens: there and back, and nothing else gets in. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "session.h"

static const struct session example = {
    .principal = {{0, 1, 2, 3, 4, 5, 6, 7, 250, 251, 252, 253, 254, 255, 128, 127}},
    .issued_s = 1795802400,
};
static const uint8_t example_mac[SESSION_MAC_BYTES] = {255, 0, 255, 0, 9, 9, 9, 9};

static void make_token(char text_out[SESSION_TOKEN_LENGTH + 1])
{
    uint8_t claim[SESSION_CLAIM_BYTES];

    session_claim(&example, claim);
    session_token_format(claim, example_mac, text_out);
}

static void token_comes_back(void **state)
{
    (void)state;
    char token[SESSION_TOKEN_LENGTH + 1];
    uint8_t claim[SESSION_CLAIM_BYTES];
    uint8_t expected[SESSION_CLAIM_BYTES];
    uint8_t mac[SESSION_MAC_BYTES];
    struct session session;

    make_token(token);
    assert_int_equal(strlen(token), SESSION_TOKEN_LENGTH);
    assert_memory_equal(token, "sg_", 3);
    assert_int_equal(strspn(token + 3, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                       "0123456789-_"),
                     SESSION_TOKEN_LENGTH - 3);
    assert_true(session_token_parse(token, SESSION_TOKEN_LENGTH, claim, mac, &session));
    assert_true(principal_equal(&session.principal, &example.principal));
    assert_int_equal(session.issued_s, example.issued_s);
    session_claim(&example, expected);
    assert_memory_equal(claim, expected, sizeof(claim));
    assert_true(session_mac_equal(mac, example_mac));
}

static void each_token_has_one_spelling(void **state)
{
    (void)state;
    char token[SESSION_TOKEN_LENGTH + 1];
    char other[SESSION_TOKEN_LENGTH + 1];
    uint8_t claim[SESSION_CLAIM_BYTES];
    uint8_t mac[SESSION_MAC_BYTES];
    uint8_t good_claim[SESSION_CLAIM_BYTES];
    struct session session;

    make_token(token);
    session_claim(&example, good_claim);
    for (unsigned at = 0; at < SESSION_TOKEN_LENGTH; at++) {
        for (unsigned byte = 0; byte < 256; byte++) {
            if ((char)byte == token[at])
                continue;
            memcpy(other, token, sizeof(other));
            other[at] = (char)byte;
            if (!session_token_parse(other, SESSION_TOKEN_LENGTH, claim, mac, &session))
                continue;
            /* What is read is another claim or another MAC: never the same token twice. */
            assert_true(memcmp(claim, good_claim, sizeof(claim)) != 0 ||
                        !session_mac_equal(mac, example_mac));
        }
    }
}

static void malformed_tokens(void **state)
{
    (void)state;
    char token[SESSION_TOKEN_LENGTH + 2];
    uint8_t claim[SESSION_CLAIM_BYTES];
    uint8_t mac[SESSION_MAC_BYTES];
    struct session session;

    make_token(token);
    assert_false(session_token_parse(token, SESSION_TOKEN_LENGTH - 1, claim, mac, &session));
    assert_false(session_token_parse(token, SESSION_TOKEN_LENGTH + 1, claim, mac, &session));
    assert_false(session_token_parse("", 0, claim, mac, &session));
    token[3] = 'B'; /* the version is no longer 1 */
    assert_false(session_token_parse(token, SESSION_TOKEN_LENGTH, claim, mac, &session));
    make_token(token);
    token[0] = 'S';
    assert_false(session_token_parse(token, SESSION_TOKEN_LENGTH, claim, mac, &session));
    make_token(token);
    token[20] = '=';
    assert_false(session_token_parse(token, SESSION_TOKEN_LENGTH, claim, mac, &session));
}

static void macs_differ_in_any_bit(void **state)
{
    (void)state;
    uint8_t other[SESSION_MAC_BYTES];

    for (unsigned bit = 0; bit < 8 * SESSION_MAC_BYTES; bit++) {
        memcpy(other, example_mac, sizeof(other));
        other[bit / 8] = (uint8_t)(other[bit / 8] ^ 1u << bit % 8);
        assert_false(session_mac_equal(other, example_mac));
    }
}

static void sessions_age(void **state)
{
    (void)state;
    int64_t issued = example.issued_s;

    assert_true(session_is_current(&example, issued));
    assert_true(session_is_current(&example, issued + SESSION_AGE_MAX_S - 1));
    assert_false(session_is_current(&example, issued + SESSION_AGE_MAX_S));
    assert_true(session_is_current(&example, issued - SESSION_SKEW_MAX_S));
    assert_false(session_is_current(&example, issued - SESSION_SKEW_MAX_S - 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(token_comes_back), cmocka_unit_test(each_token_has_one_spelling),
        cmocka_unit_test(malformed_tokens), cmocka_unit_test(macs_differ_in_any_bit),
        cmocka_unit_test(sessions_age),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
