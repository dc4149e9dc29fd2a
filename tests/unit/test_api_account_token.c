/* SPDX-License-Identifier: Apache-2.0 */
/* Tokens that name an account: there and back, and nothing else gets in. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "api/account_token.h"

static void make_mac(void *self, const char *purpose, const void *bytes, size_t length,
                     uint8_t mac_out[MAC_BYTES])
{
    struct hash_key key = *(const struct hash_key *)self;
    struct hash128 hash;

    key.word[1] ^= strlen(purpose);
    hash = hash_bytes_128(&key, bytes, length);
    memcpy(mac_out, &hash, MAC_BYTES);
}

static struct hash_key mac_keys[2] = {{{1, 2}}, {{3, 4}}};

/* Two stores: other keys, other tokens. */
static struct secrets_port store(unsigned which)
{
    return (struct secrets_port){
        .self = &mac_keys[which], .mac = make_mac, .id_key = {{5, 6 + which}}, .key_key = {{7, 8}}};
}

static const uint8_t random_bytes[ACCOUNT_TOKEN_RANDOM_BYTES] = {9, 8, 7, 255, 0, 128};

static void token_names_its_account(void **state)
{
    static const uint32_t numbers[] = {1, 2, 77, 1u << 16, UINT32_MAX};
    struct secrets_port secrets = store(0);
    char token[ACCOUNT_TOKEN_LENGTH + 1];
    enum account_token_kind kind;
    struct principal read;

    (void)state;
    for (unsigned i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        for (unsigned made = 0; made < ACCOUNT_TOKEN_KIND_COUNT; made++) {
            struct principal account = account_principal(4095 - i, numbers[i], &secrets.id_key);
            account_token_make(&secrets, (enum account_token_kind)made, &account, random_bytes,
                               token);
            assert_int_equal(strlen(token), ACCOUNT_TOKEN_LENGTH);
            assert_true(account_token_read(&secrets, token, ACCOUNT_TOKEN_LENGTH, &kind, &read));
            assert_int_equal(kind, made);
            assert_true(principal_equal(&read, &account));
        }
    }
}

static void no_other_text_is_a_token(void **state)
{
    struct secrets_port secrets = store(0);
    struct principal account = account_principal(7, 42, &secrets.id_key);
    char token[ACCOUNT_TOKEN_LENGTH + 2];
    char other[ACCOUNT_TOKEN_LENGTH + 2];
    enum account_token_kind kind;
    struct principal read;

    (void)state;
    account_token_make(&secrets, ACCOUNT_TOKEN_CUSTOMER, &account, random_bytes, token);
    for (unsigned at = 0; at < ACCOUNT_TOKEN_LENGTH; at++) {
        for (unsigned byte = 0; byte < 256; byte++) {
            memcpy(other, token, sizeof(other));
            other[at] = (char)byte;
            if (other[at] != token[at])
                assert_false(
                    account_token_read(&secrets, other, ACCOUNT_TOKEN_LENGTH, &kind, &read));
        }
    }
    for (size_t length = 0; length < ACCOUNT_TOKEN_LENGTH; length++)
        assert_false(account_token_read(&secrets, token, length, &kind, &read));
    token[ACCOUNT_TOKEN_LENGTH] = 'A';
    assert_false(account_token_read(&secrets, token, ACCOUNT_TOKEN_LENGTH + 1, &kind, &read));
}

static void another_stores_token_is_none(void **state)
{
    struct secrets_port ours = store(0);
    struct secrets_port theirs = store(1);
    struct principal account = account_principal(7, 42, &theirs.id_key);
    char token[ACCOUNT_TOKEN_LENGTH + 1];
    enum account_token_kind kind;
    struct principal read;

    (void)state;
    account_token_make(&theirs, ACCOUNT_TOKEN_STAFF, &account, random_bytes, token);
    assert_true(account_token_read(&theirs, token, ACCOUNT_TOKEN_LENGTH, &kind, &read));
    assert_false(account_token_read(&ours, token, ACCOUNT_TOKEN_LENGTH, &kind, &read));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(token_names_its_account),
        cmocka_unit_test(no_other_text_is_a_token),
        cmocka_unit_test(another_stores_token_is_none),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
