/* SPDX-License-Identifier: Apache-2.0 */
/* What strangers offer as a solution, a token, a code, a password, and what may stand in a store as
 * a sealed value or a wrapped key: nothing crashes, nothing is taken that was not made with the
 * key, and what is read is written the same.
 *
 * Input: which of them, the bytes. */
#include "fuzz.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "api/account_token.h"
#include "api/altcha.h"
#include "api/password.h"
#include "api/totp.h"
#include "vault.h"

enum { TEXT_MAX = 4096, NOW_S = 1700000000 };

static const uint8_t key[ALTCHA_KEY_BYTES] = {7};

static void try_solution_text(const char *text, size_t length)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    struct altcha_verifier verifier = {.key = key, .key_length = sizeof(key)};
    char payload[TEXT_MAX / 3 * 4 + 8];
    size_t written = 0;

    /* As it came, and as base64 of it: no mutation would find its way through that. */
    assert(altcha_verify(&verifier, text, length, NULL, NOW_S) != ALTCHA_GOOD);
    for (size_t i = 0; i < length; i += 3) {
        uint32_t bits = 0;

        for (size_t j = 0; j < 3; j++)
            bits = bits << 8 | (i + j < length ? (uint8_t)text[i + j] : (uint8_t)' ');
        for (unsigned j = 0; j < 4; j++)
            payload[written++] = digits[bits >> (18 - 6 * j) & 63];
    }
    assert(altcha_verify(&verifier, payload, written, "login", NOW_S) != ALTCHA_GOOD);
}

/* Depends on all of its input, and is nobody's to know. */
static void mac(void *self, const char *purpose, const void *bytes, size_t length,
                uint8_t mac_out[MAC_BYTES])
{
    const struct hash_key secret = {{0x9e3779b97f4a7c15u, strlen(purpose)}};
    struct hash128 hash = hash_bytes_128(&secret, bytes, length);

    (void)self;
    memcpy(mac_out, &hash, MAC_BYTES);
}

static void try_token(const char *text, size_t length)
{
    const struct secrets_port secrets = {.mac = mac, .id_key = {{1, 2}}};
    enum account_token_kind kind;
    struct principal account;

    assert(!account_token_read(&secrets, text, length, &kind, &account));
}

static void try_codes(const char *text, size_t length)
{
    uint8_t bytes[TEXT_MAX];
    char encoded[TEXT_MAX * 2];
    char code[RECOVERY_CODE_LENGTH + 1];
    char again[RECOVERY_CODE_LENGTH + 1];
    uint64_t last_step = 0;
    size_t count;

    if (base32_decode(text, length, bytes, sizeof(bytes), &count)) {
        base32_encode(bytes, count, encoded);
        for (size_t i = 0; i < strlen(encoded); i++)
            assert((encoded[i] | 0x20) == (text[i] | 0x20));
    }
    if (recovery_code_normalise(text, length, code)) {
        assert(recovery_code_normalise(code, RECOVERY_CODE_LENGTH, again));
        assert(memcmp(code, again, sizeof(code)) == 0);
    }
    (void)totp_verify(key, text, length, NOW_S, &last_step);
}

static void try_sealed(const uint8_t *bytes, size_t length)
{
    static struct vault *vault;
    static struct vault_wrapped_key wrapped;
    static const struct vault_keys keys = {.count = 1};
    struct vault_place place = {.row = 1};
    struct vault_wrapped_key given = {{0}};
    uint8_t index_key[VAULT_KEY_BYTES];
    uint8_t text[TEXT_MAX];
    uint64_t key_id;
    bool changed;

    if (vault == NULL) {
        vault = vault_create(&keys, key, NULL, NULL);
        assert(vault != NULL);
        struct vault_port made = vault_port_of(vault);
        made.new_key(made.self, &place.owner, &wrapped);
    }
    struct vault_port port = vault_port_of(vault);
    assert(port.open(port.self, &wrapped, &place, bytes, length, text) != VAULT_OK);
    memcpy(given.bytes, bytes, length < sizeof(given.bytes) ? length : sizeof(given.bytes));
    assert(port.rewrap(port.self, &place.owner, &given, &changed) != VAULT_OK && !changed);
    assert(port.open(port.self, &given, &place, bytes, length, text) != VAULT_OK);
    if (length >= VAULT_WRAPPED_INDEX_BYTES)
        assert(vault_index_unwrap(&keys, 1, bytes, index_key, &key_id) != VAULT_OK);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0 || size > TEXT_MAX)
        return 0;
    /* Of its own size, so that reading past it is seen. */
    size_t length = size - 1;
    char *text = malloc(length > 0 ? length : 1);
    assert(text != NULL);
    memcpy(text, data + 1, length);
    switch (data[0] % 5) {
    case 0:
        try_solution_text(text, length);
        break;
    case 1:
        try_token(text, length);
        break;
    case 2:
        try_codes(text, length);
        break;
    case 3:
        try_sealed((const uint8_t *)text, length);
        break;
    default:
        (void)password_judge(text, length, "ada@example.com", "Shop");
        break;
    }
    free(text);
    return 0;
}
