/* SPDX-License-Identifier: Apache-2.0 */
/* What private data, passwords and tokens cost.
 *
 *   crypto/vault/seal, open    one field of 24 bytes: its data key unwrapped, then sealed or opened
 *   crypto/vault/new-key       a customer's data key, made and wrapped
 *   crypto/vault/rewrap        from the previous vault key to the current one
 *   crypto/vault/blind-index   of an e-mail address
 *   crypto/token/hash          SHA-256 of a session's token
 *   crypto/altcha/challenge    made and signed
 *   crypto/altcha/verify       a solution's JSON, signature and hash, without the replay memory
 *   crypto/altcha/memory       a challenge remembered
 *   crypto/totp/verify         three steps
 *   crypto/password/verify     argon2id, two passes over 19 MiB: one thread */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/account_token.h"
#include "api/altcha.h"
#include "api/digest.h"
#include "api/password.h"
#include "api/totp.h"
#include "bench.h"
#include "vault.h"

enum {
    FIELD_BYTES = 24,
    PAYLOAD_MAX = 1024,
    FAST = 100000, /* operations of one round */
    SLOW = 3,
    EXPIRES_S = 1893456000,
    MEMORY_SOLUTIONS = 1 << 20,
};

struct state {
    struct vault *vault;
    struct vault_port port;
    struct vault_wrapped_key wrapped;
    struct vault_wrapped_key old; /* by the previous vault key */
    struct vault_place place;
    uint8_t text[FIELD_BYTES];
    uint8_t sealed[FIELD_BYTES + VAULT_SEAL_OVERHEAD];
    char token[ACCOUNT_TOKEN_LENGTH + 1];
    struct altcha_parameters parameters;
    uint8_t key[ALTCHA_KEY_BYTES];
    char payload[PAYLOAD_MAX];
    size_t payload_length;
    struct altcha_memory *memory;
    uint64_t random;
    char hash[PASSWORD_HASH_LENGTH + 1];
};

static uint64_t seal(void *arg, uint64_t operations)
{
    struct state *state = arg;
    uint64_t started_ns = bench_now_ns();

    for (uint64_t i = 0; i < operations; i++)
        bench_keep(state->port.seal(state->port.self, &state->wrapped, &state->place, state->text,
                                    FIELD_BYTES, state->sealed));
    return bench_now_ns() - started_ns;
}

static uint64_t open(void *arg, uint64_t operations)
{
    struct state *state = arg;
    uint64_t started_ns = bench_now_ns();

    for (uint64_t i = 0; i < operations; i++)
        if (state->port.open(state->port.self, &state->wrapped, &state->place, state->sealed,
                             sizeof(state->sealed), state->text) != VAULT_OK)
            bench_fail("a field could not be opened");
    return bench_now_ns() - started_ns;
}

static uint64_t new_key(void *arg, uint64_t operations)
{
    struct state *state = arg;
    struct vault_wrapped_key wrapped;
    uint64_t started_ns = bench_now_ns();

    for (uint64_t i = 0; i < operations; i++) {
        state->port.new_key(state->port.self, &state->place.owner, &wrapped);
        bench_keep(wrapped.bytes[0]);
    }
    return bench_now_ns() - started_ns;
}

static uint64_t rewrap(void *arg, uint64_t operations)
{
    struct state *state = arg;
    uint64_t started_ns = bench_now_ns();
    bool changed = true;

    for (uint64_t i = 0; i < operations; i++) {
        struct vault_wrapped_key wrapped = state->old;

        state->port.rewrap(state->port.self, &state->place.owner, &wrapped, &changed);
        if (!changed)
            bench_fail("a key was not wrapped again");
    }
    return bench_now_ns() - started_ns;
}

static uint64_t blind_index(void *arg, uint64_t operations)
{
    struct state *state = arg;
    uint8_t index[VAULT_INDEX_BYTES];
    uint64_t started_ns = bench_now_ns();

    for (uint64_t i = 0; i < operations; i++) {
        state->port.blind_index(state->port.self, "ada.lovelace@example.com", 24, index);
        bench_keep(index[0]);
    }
    return bench_now_ns() - started_ns;
}

static uint64_t token_hash(void *arg, uint64_t operations)
{
    struct state *state = arg;
    uint8_t hash[TOKEN_HASH_BYTES];
    uint64_t started_ns = bench_now_ns();

    for (uint64_t i = 0; i < operations; i++) {
        account_token_hash(state->token, hash);
        bench_keep(hash[0]);
    }
    return bench_now_ns() - started_ns;
}

static uint64_t altcha_challenge(void *arg, uint64_t operations)
{
    struct state *state = arg;
    char challenge[ALTCHA_CHALLENGE_MAX];
    uint64_t started_ns = bench_now_ns();

    for (uint64_t i = 0; i < operations; i++)
        bench_keep(
            altcha_challenge_format(&state->parameters, state->key, sizeof(state->key), challenge));
    return bench_now_ns() - started_ns;
}

static uint64_t altcha_check(void *arg, uint64_t operations)
{
    struct state *state = arg;
    struct altcha_verifier verifier = {.key = state->key, .key_length = sizeof(state->key)};
    uint64_t started_ns = bench_now_ns();

    for (uint64_t i = 0; i < operations; i++)
        if (altcha_verify(&verifier, state->payload, state->payload_length, NULL, EXPIRES_S - 1) !=
            ALTCHA_GOOD)
            bench_fail("a solution was refused");
    return bench_now_ns() - started_ns;
}

static uint64_t altcha_remember(void *arg, uint64_t operations)
{
    struct state *state = arg;
    uint8_t signature[DIGEST_SHA256_BYTES] = {0};
    static int64_t now_s = 1000;
    uint64_t started_ns = bench_now_ns();

    now_s += 10; /* what the rounds before left has expired */
    for (uint64_t i = 0; i < operations; i++) {
        uint64_t words[2] = {bench_random(&state->random), bench_random(&state->random)};

        memcpy(signature, words, sizeof(words));
        bench_keep(altcha_memory_use(state->memory, signature, now_s + 5, now_s));
    }
    return bench_now_ns() - started_ns;
}

static uint64_t totp(void *arg, uint64_t operations)
{
    static const uint8_t secret[TOTP_SECRET_BYTES] = {1, 2, 3};
    uint64_t started_ns = bench_now_ns();

    (void)arg;
    for (uint64_t i = 0; i < operations; i++) {
        uint64_t last = 0;

        bench_keep(totp_verify(secret, "000000", TOTP_DIGITS, EXPIRES_S, &last));
    }
    return bench_now_ns() - started_ns;
}

static uint64_t verify_password(void *arg, uint64_t operations)
{
    struct state *state = arg;
    uint64_t started_ns = bench_now_ns();

    for (uint64_t i = 0; i < operations; i++)
        if (!password_verify("correct horse battery", 21, state->hash))
            bench_fail("a password was refused");
    return bench_now_ns() - started_ns;
}

static void vault_prepare(struct state *state)
{
    struct vault_keys keys = {.count = 1};
    uint8_t index_key[VAULT_KEY_BYTES] = {9};

    struct vault *old = vault_create(&keys, index_key, NULL, NULL);
    keys.count = 2;
    keys.keys[0][0] = 1; /* the one of zeros is the previous one now */
    state->vault = vault_create(&keys, index_key, NULL, NULL);
    if (old == NULL || state->vault == NULL)
        bench_fail("no vault");
    state->port = vault_port_of(old);
    state->port.new_key(state->port.self, &state->place.owner, &state->old);
    vault_destroy(old);
    state->port = vault_port_of(state->vault);
    state->port.new_key(state->port.self, &state->place.owner, &state->wrapped);
}

/* Base64 of the solution's JSON. */
static void payload_write(struct state *state, const char *text, size_t length)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

    for (size_t i = 0; i + 2 < length; i += 3) { /* white space at the end fills it up */
        uint32_t bits = (uint32_t)(uint8_t)text[i] << 16 | (uint32_t)(uint8_t)text[i + 1] << 8 |
                        (uint8_t)text[i + 2];

        for (int shift = 18; shift >= 0; shift -= 6)
            state->payload[state->payload_length++] = digits[bits >> shift & 63];
    }
}

static void altcha_prepare(struct state *state)
{
    char challenge[ALTCHA_CHALLENGE_MAX];
    char text[PAYLOAD_MAX];
    char hex[2 * DIGEST_SHA256_BYTES + 1];
    uint8_t derived[DIGEST_SHA256_BYTES];
    uint32_t counter;

    state->parameters = (struct altcha_parameters){
        .algorithm = ALTCHA_SHA256, .cost = 1, .prefix_length = 2, .expires_s = EXPIRES_S};
    altcha_challenge_format(&state->parameters, state->key, sizeof(state->key), challenge);
    if (!altcha_solve(&state->parameters, &counter, derived))
        bench_fail("a challenge has no solution");
    for (size_t i = 0; i < sizeof(derived); i++)
        snprintf(hex + 2 * i, 3, "%02x", derived[i]);
    int length =
        snprintf(text, sizeof(text),
                 "{\"challenge\":%s,\"solution\":{\"counter\":%u,\"derivedKey\":\"%s\"}}  ",
                 challenge, counter, hex);
    payload_write(state, text, (size_t)length);
    state->memory = altcha_memory_create(MEMORY_SOLUTIONS);
    if (state->memory == NULL)
        bench_fail("no memory");
}

static void run(const char *name, bench_body body, struct state *state, uint64_t operations)
{
    if (!bench_wants(name))
        return;
    struct bench_entry entry = {
        .name = name, .body = body, .arg = state, .operations = bench_scale(operations)};
    bench_contest(&entry, 1, BENCH_ROUNDS);
}

int main(int argc, char **argv)
{
    static struct state state = {.random = 88172645463325252u};

    bench_begin(&argc, argv);
    vault_prepare(&state);
    altcha_prepare(&state);
    memset(state.token, 'A', ACCOUNT_TOKEN_LENGTH);
    if (!password_hash("correct horse battery", 21, state.hash))
        bench_fail("no memory");
    run("crypto/vault/seal", seal, &state, FAST);
    seal(&state, 1);
    run("crypto/vault/open", open, &state, FAST);
    run("crypto/vault/new-key", new_key, &state, FAST);
    run("crypto/vault/rewrap", rewrap, &state, FAST);
    run("crypto/vault/blind-index", blind_index, &state, FAST);
    run("crypto/token/hash", token_hash, &state, FAST);
    run("crypto/altcha/challenge", altcha_challenge, &state, FAST);
    run("crypto/altcha/verify", altcha_check, &state, FAST);
    run("crypto/altcha/memory", altcha_remember, &state, FAST);
    run("crypto/totp/verify", totp, &state, FAST);
    run("crypto/password/verify", verify_password, &state, SLOW);
    altcha_memory_destroy(state.memory);
    vault_destroy(state.vault);
    return 0;
}
