/* SPDX-License-Identifier: Apache-2.0 */
/* Proof of work: the published challenges and solutions, what is refused and why, and a solution
 * that is good once, whoever offers it. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "api/altcha.h"
#include "api/digest.h"

enum { EXPIRES_S = 1893456000, NOW_S = EXPIRES_S - 300, THREADS = 4, RACES = 2000 };

static const uint8_t secret[] = "secret";
static const uint8_t key_secret[] = "key-secret";

static struct altcha_verifier verifier_make(struct altcha_memory *memory)
{
    return (struct altcha_verifier){.key = secret,
                                    .key_length = 6,
                                    .key_key = key_secret,
                                    .key_key_length = 10,
                                    .memory = memory};
}

/* The parameters of the vectors that the official library accepts. */
static struct altcha_parameters vector_parameters(void)
{
    struct altcha_parameters parameters = {
        .algorithm = ALTCHA_SHA256, .cost = 1, .prefix_length = 2, .expires_s = EXPIRES_S};

    for (uint8_t i = 0; i < ALTCHA_NONCE_BYTES; i++) {
        parameters.nonce[i] = i;
        parameters.salt[i] = (uint8_t)(16 + i);
    }
    return parameters;
}

static void unhex(const char *text, uint8_t *bytes_out)
{
    unsigned byte;

    for (; *text != '\0'; text += 2) {
        assert_int_equal(sscanf(text, "%2x", &byte), 1);
        *bytes_out++ = (uint8_t)byte;
    }
}

static size_t base64(const char *text, size_t length, char *out)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    size_t written = 0;

    for (size_t i = 0; i < length; i += 3) {
        uint32_t bits = 0;

        for (size_t j = 0; j < 3; j++)
            bits = bits << 8 | (i + j < length ? (uint8_t)text[i + j] : 0);
        for (size_t j = 0; j < 4; j++)
            out[written++] = i + j > length ? '=' : digits[bits >> (18 - 6 * j) & 63];
    }
    return written;
}

/* A payload of a challenge's text. */
static size_t payload_of(const char *challenge, uint32_t counter, const uint8_t derived[32],
                         char payload_out[2 * ALTCHA_PAYLOAD_MAX])
{
    char text[ALTCHA_PAYLOAD_MAX];
    char hex[65];

    for (size_t i = 0; i < 32; i++)
        snprintf(hex + 2 * i, 3, "%02x", derived[i]);
    int length = snprintf(text, sizeof(text),
                          "{\"challenge\":%s,\"solution\":{\"counter\":%u,\"derivedKey\":\"%s\","
                          "\"time\":12.5}}",
                          challenge, counter, hex);
    assert_true(length > 0 && length < (int)sizeof(text));
    return base64(text, (size_t)length, payload_out);
}

static size_t solve(const struct altcha_parameters *parameters,
                    char payload_out[2 * ALTCHA_PAYLOAD_MAX])
{
    char challenge[ALTCHA_CHALLENGE_MAX];
    uint8_t derived[32];
    uint32_t counter;

    assert_true(altcha_challenge_format(parameters, secret, 6, challenge) > 0);
    assert_true(altcha_solve(parameters, &counter, derived));
    return payload_of(challenge, counter, derived, payload_out);
}

static void the_published_challenges_are_made_and_solved(void **state)
{
    struct altcha_parameters parameters = vector_parameters();
    struct altcha_verifier verifier = verifier_make(NULL);
    char challenge[ALTCHA_CHALLENGE_MAX];
    char payload[2 * ALTCHA_PAYLOAD_MAX];
    uint8_t derived[32];
    uint8_t expected[32];
    uint32_t counter = 0;

    (void)state;
    size_t length = altcha_challenge_format(&parameters, secret, 6, challenge);
    assert_int_equal(length, strlen(challenge));
    assert_string_equal(
        challenge, "{\"parameters\":{\"algorithm\":\"SHA-256\",\"cost\":1,\"expiresAt\":1893456000,"
                   "\"keyLength\":32,\"keyPrefix\":\"0000\","
                   "\"nonce\":\"000102030405060708090a0b0c0d0e0f\","
                   "\"salt\":\"101112131415161718191a1b1c1d1e1f\"},\"signature\":"
                   "\"1cf201898938bc37de38bae0324351a312bb7427e44d221784b8078284b5006f\"}");
    assert_true(altcha_solve(&parameters, &counter, derived));
    assert_int_equal(counter, 34047);
    unhex("0000f0efd791095bf072313d58aa6d9ed36ea1baf7b20ada15dc48cbb6a895b3", expected);
    assert_memory_equal(derived, expected, 32);
    length = payload_of(challenge, counter, derived, payload);
    assert_int_equal(altcha_verify(&verifier, payload, length, NULL, NOW_S), ALTCHA_GOOD);

    parameters.algorithm = ALTCHA_PBKDF2_SHA256;
    parameters.cost = 5000;
    unhex("086253911a66e3cdb6dd01511c5aaf4d", parameters.prefix);
    parameters.prefix_length = 16;
    parameters.has_key_signature = true;
    unhex("c79063119652bc0234a7d9bb0ab7765343f0ae42b3da3e8dd9b1c9eac2cadf96",
          parameters.key_signature);
    assert_true(altcha_challenge_format(&parameters, secret, 6, challenge) > 0);
    assert_non_null(
        strstr(challenge, "7be9a7032ed5c8e8624e308576a1d5113e89a628f08f7183becf8223ac8c42e2"));
    assert_true(altcha_solve(&parameters, &counter, derived));
    assert_int_equal(counter, 7);
    digest_hmac_sha256(key_secret, 10, derived, 32, expected);
    assert_memory_equal(expected, parameters.key_signature, 32);
    length = payload_of(challenge, counter, derived, payload);
    assert_int_equal(altcha_verify(&verifier, payload, length, NULL, NOW_S), ALTCHA_GOOD);
    verifier.key_key = NULL; /* then it is derived */
    assert_int_equal(altcha_verify(&verifier, payload, length, NULL, NOW_S), ALTCHA_GOOD);
    verifier.key_key = key_secret;
    derived[31] ^= 1;
    length = payload_of(challenge, counter, derived, payload);
    assert_int_equal(altcha_verify(&verifier, payload, length, NULL, NOW_S), ALTCHA_WRONG);
}

static void what_is_no_solution_is_refused(void **state)
{
    struct altcha_parameters parameters = vector_parameters();
    struct altcha_verifier verifier = verifier_make(NULL);
    char challenge[ALTCHA_CHALLENGE_MAX];
    char payload[2 * ALTCHA_PAYLOAD_MAX];
    uint8_t derived[32];
    uint32_t counter;
    size_t length;

    (void)state;
    strcpy(parameters.data, "register");
    altcha_challenge_format(&parameters, secret, 6, challenge);
    assert_non_null(strstr(challenge, ",\"data\":{\"action\":\"register\"},"));
    assert_true(altcha_solve(&parameters, &counter, derived));
    length = payload_of(challenge, counter, derived, payload);
    assert_int_equal(altcha_verify(&verifier, payload, length, "register", NOW_S), ALTCHA_GOOD);
    assert_int_equal(altcha_verify(&verifier, payload, length, NULL, NOW_S), ALTCHA_GOOD);
    assert_int_equal(altcha_verify(&verifier, payload, length, "login", NOW_S), ALTCHA_OTHER);
    assert_int_equal(altcha_verify(&verifier, payload, length, NULL, EXPIRES_S - 1), ALTCHA_GOOD);
    assert_int_equal(altcha_verify(&verifier, payload, length, NULL, EXPIRES_S), ALTCHA_EXPIRED);
    verifier.key = (const uint8_t *)"Secret";
    assert_int_equal(altcha_verify(&verifier, payload, length, NULL, NOW_S), ALTCHA_FORGED);
    verifier.key = secret;

    length = payload_of(challenge, counter + 1, derived, payload);
    assert_int_equal(altcha_verify(&verifier, payload, length, NULL, NOW_S), ALTCHA_WRONG);
    altcha_derive(&parameters, counter + 1, derived); /* honest, but without the prefix */
    length = payload_of(challenge, counter + 1, derived, payload);
    assert_int_equal(altcha_verify(&verifier, payload, length, NULL, NOW_S), ALTCHA_WRONG);
}

/* Whoever changes a parameter has to sign. */
static void changed_parameters_are_forged_or_malformed(void **state)
{
    static const struct {
        const char *from;
        const char *to;
        enum altcha_verdict verdict;
    } cases[] = {
        {"\"keyPrefix\":\"0000\"", "\"keyPrefix\":\"\"", ALTCHA_FORGED},
        {"\"keyPrefix\":\"0000\"", "\"keyPrefix\":\"00\"", ALTCHA_FORGED},
        {"\"keyPrefix\":\"0000\"", "\"keyPrefix\":\"000\"", ALTCHA_MALFORMED},
        {"\"keyPrefix\":\"0000\"", "\"keyPrefix\":\"0000\",\"keyPrefix\":\"00\"", ALTCHA_MALFORMED},
        {"\"keyPrefix\":\"0000\"", "\"keyPrefix\":\"0000\",\"more\":1", ALTCHA_MALFORMED},
        {"\"keyPrefix\":\"0000\",", "", ALTCHA_MALFORMED},
        {"1893456000", "1893456001", ALTCHA_FORGED},
        {"1893456000", "1893456000.0", ALTCHA_MALFORMED},
        {"1893456000", "18934560000", ALTCHA_MALFORMED},
        {"1893456000", "-1", ALTCHA_MALFORMED},
        {"\"cost\":1", "\"cost\":0", ALTCHA_MALFORMED},
        {"\"cost\":1", "\"cost\":2", ALTCHA_FORGED},
        {"\"cost\":1", "\"cost\":4294967297", ALTCHA_MALFORMED},
        {"\"keyLength\":32", "\"keyLength\":2", ALTCHA_MALFORMED},
        {"SHA-256", "PBKDF2/SHA-256", ALTCHA_FORGED},
        {"SHA-256", "MD5", ALTCHA_MALFORMED},
        {"0c0d0e0f", "0C0D0E0F", ALTCHA_MALFORMED},
        {"0c0d0e0f", "0c0d0e00", ALTCHA_FORGED},
        {"\"salt\"", "\"data\":{\"action\":\"login\"},\"salt\"", ALTCHA_FORGED},
        {"\"salt\"", "\"data\":{\"action\":\"a\\\"b\"},\"salt\"", ALTCHA_MALFORMED},
        {"\"salt\"", "\"data\":{},\"salt\"", ALTCHA_MALFORMED},
        {"\"signature\":\"1", "\"signature\":\"2", ALTCHA_FORGED},
        {"\"signature\":\"1", "\"signature\":\"", ALTCHA_MALFORMED},
    };
    struct altcha_parameters parameters = vector_parameters();
    struct altcha_verifier verifier = verifier_make(NULL);
    char challenge[ALTCHA_CHALLENGE_MAX];
    char changed[2 * ALTCHA_CHALLENGE_MAX];
    char payload[2 * ALTCHA_PAYLOAD_MAX];
    uint8_t derived[32];

    (void)state;
    altcha_challenge_format(&parameters, secret, 6, challenge);
    altcha_derive(&parameters, 34047, derived);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const char *at = strstr(challenge, cases[i].from);

        assert_non_null(at);
        snprintf(changed, sizeof(changed), "%.*s%s%s", (int)(at - challenge), challenge,
                 cases[i].to, at + strlen(cases[i].from));
        size_t length = payload_of(changed, 34047, derived, payload);
        enum altcha_verdict verdict = altcha_verify(&verifier, payload, length, NULL, NOW_S);
        if (verdict != cases[i].verdict)
            fail_msg("%s -> %s: %d", cases[i].from, cases[i].to, (int)verdict);
    }
}

static void malformed_payloads_are_refused(void **state)
{
    static const char *const texts[] = {
        "",
        "null",
        "[]",
        "{}",
        "{\"challenge\":1,\"solution\":2}",
        "{\"challenge\":{\"parameters\":[],\"signature\":\"\"},\"solution\":{}}",
        "{\"challenge\":{\"parameters\":null},\"solution\":null}",
        "{\"challenge\":",
    };
    struct altcha_verifier verifier = verifier_make(NULL);
    struct altcha_parameters parameters = vector_parameters();
    char payload[2 * ALTCHA_PAYLOAD_MAX];
    static char nested[ALTCHA_PAYLOAD_MAX / 4 * 3];

    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        size_t length = base64(texts[i], strlen(texts[i]), payload);
        assert_int_equal(altcha_verify(&verifier, payload, length, NULL, NOW_S), ALTCHA_MALFORMED);
    }
    memset(nested, '[', sizeof(nested));
    assert_int_equal(
        altcha_verify(&verifier, payload, base64(nested, sizeof(nested), payload), NULL, NOW_S),
        ALTCHA_MALFORMED);
    memset(payload, 'A', sizeof(payload));
    assert_int_equal(altcha_verify(&verifier, payload, ALTCHA_PAYLOAD_MAX + 1, NULL, NOW_S),
                     ALTCHA_MALFORMED);
    assert_int_equal(altcha_verify(&verifier, payload, ALTCHA_PAYLOAD_MAX, NULL, NOW_S),
                     ALTCHA_MALFORMED);
    /* Every beginning of a good one. */
    size_t good = solve(&parameters, payload);
    for (size_t length = 0; length + 4 < good; length++)
        assert_int_not_equal(altcha_verify(&verifier, payload, length, NULL, NOW_S), ALTCHA_GOOD);
    payload[10] = '-';
    assert_int_equal(altcha_verify(&verifier, payload, good, NULL, NOW_S), ALTCHA_MALFORMED);
}

/* ---- the memory of used challenges ---- */

static void a_solution_is_good_once(void **state)
{
    struct altcha_memory *memory = altcha_memory_create(64);
    struct altcha_verifier verifier = verifier_make(memory);
    struct altcha_parameters parameters = vector_parameters();
    char payload[2 * ALTCHA_PAYLOAD_MAX];
    char other[2 * ALTCHA_PAYLOAD_MAX];

    (void)state;
    parameters.prefix_length = 1;
    size_t length = solve(&parameters, payload);
    parameters.nonce[0] ^= 1;
    size_t other_length = solve(&parameters, other);
    assert_int_equal(altcha_verify(&verifier, payload, length, NULL, NOW_S), ALTCHA_GOOD);
    assert_int_equal(altcha_verify(&verifier, payload, length, NULL, NOW_S), ALTCHA_REPLAYED);
    /* In another text: without its padding, or with something in it that nobody looks at. */
    while (payload[length - 1] == '=')
        length--;
    assert_int_equal(altcha_verify(&verifier, payload, length, NULL, NOW_S + 299), ALTCHA_REPLAYED);
    assert_int_equal(altcha_verify(&verifier, other, other_length, NULL, NOW_S), ALTCHA_GOOD);
    assert_int_equal(altcha_verify(&verifier, payload, length, NULL, EXPIRES_S), ALTCHA_EXPIRED);
    altcha_memory_destroy(memory);
}

static void a_clock_set_back_revives_nothing(void **state)
{
    struct altcha_memory *memory = altcha_memory_create(64);
    uint8_t signature[32] = {1};

    (void)state;
    assert_int_equal(altcha_memory_use(memory, signature, 1000, 900), ALTCHA_GOOD);
    signature[31] = 2; /* the bucket's and the word's bits are the same */
    assert_int_equal(altcha_memory_use(memory, signature, 3000, 2000), ALTCHA_GOOD);
    assert_int_equal(altcha_memory_use(memory, signature, 1000, 900), ALTCHA_EXPIRED);
    altcha_memory_destroy(memory);
}

static void a_full_memory_refuses_and_recovers(void **state)
{
    struct altcha_memory *memory = altcha_memory_create(64);
    uint8_t signature[32] = {0};
    unsigned good = 0;
    unsigned full = 0;

    (void)state;
    for (unsigned i = 0; i < 100; i++) { /* all of one bucket */
        signature[8] = (uint8_t)i;
        enum altcha_verdict verdict = altcha_memory_use(memory, signature, 2000, 1000);
        good += verdict == ALTCHA_GOOD;
        full += verdict == ALTCHA_MEMORY_FULL;
    }
    assert_int_equal(good, 8);
    assert_int_equal(full, 92);
    signature[8] = 3;
    assert_int_equal(altcha_memory_use(memory, signature, 2000, 1999), ALTCHA_REPLAYED);
    signature[8] = 200;
    assert_int_equal(altcha_memory_use(memory, signature, 3000, 2000), ALTCHA_GOOD);
    altcha_memory_destroy(memory);
}

/* Challenges of many and few, at the promised fill. */
static void the_promised_number_finds_room(void **state)
{
    enum { SOLUTIONS = 16384 };
    struct altcha_memory *memory = altcha_memory_create(SOLUTIONS);
    uint8_t signature[32];
    unsigned refused = 0;

    (void)state;
    for (uint32_t i = 0; i < SOLUTIONS; i++) {
        digest_sha256(&i, sizeof(i), signature);
        refused += altcha_memory_use(memory, signature, 2000, 1000) != ALTCHA_GOOD;
    }
    assert_in_range(refused, 0, SOLUTIONS / 1000);
    for (uint32_t i = 0; i < SOLUTIONS; i++) {
        digest_sha256(&i, sizeof(i), signature);
        assert_int_not_equal(altcha_memory_use(memory, signature, 2000, 1000), ALTCHA_GOOD);
    }
    altcha_memory_destroy(memory);
}

/* Threads offer the same challenges, some with a clock that has expired more of the bucket's words
 * than another's has: they insert at different places. */
struct racer {
    struct altcha_memory *memory;
    pthread_barrier_t *start;
    unsigned index;
    _Atomic unsigned *accepted; /* by challenge */
};

static void *race(void *arg)
{
    const struct racer *racer = arg;
    uint8_t signature[32] = {0};

    for (uint32_t i = 0; i < RACES; i++) {
        if (i % 64 == 0)
            pthread_barrier_wait(racer->start);
        int64_t now_s = 1000 + i + racer->index % 2;

        memcpy(signature + 8, &i, sizeof(i));
        if (altcha_memory_use(racer->memory, signature, 1000 + i + 5, now_s) == ALTCHA_GOOD)
            atomic_fetch_add(&racer->accepted[i], 1);
    }
    return NULL;
}

static void threads_accept_a_challenge_at_most_once(void **state)
{
    struct altcha_memory *memory = altcha_memory_create(64);
    static _Atomic unsigned accepted[RACES];
    pthread_t threads[THREADS];
    struct racer racers[THREADS];
    pthread_barrier_t start;
    unsigned all = 0;

    (void)state;
    pthread_barrier_init(&start, NULL, THREADS);
    for (unsigned i = 0; i < THREADS; i++) {
        racers[i] = (struct racer){memory, &start, i, accepted};
        pthread_create(&threads[i], NULL, race, &racers[i]);
    }
    for (unsigned i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    for (unsigned i = 0; i < RACES; i++) {
        assert_in_range(atomic_load(&accepted[i]), 0, 1);
        all += atomic_load(&accepted[i]) > 0;
    }
    assert_true(all > RACES / 2);
    pthread_barrier_destroy(&start);
    altcha_memory_destroy(memory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_published_challenges_are_made_and_solved),
        cmocka_unit_test(what_is_no_solution_is_refused),
        cmocka_unit_test(changed_parameters_are_forged_or_malformed),
        cmocka_unit_test(malformed_payloads_are_refused),
        cmocka_unit_test(a_solution_is_good_once),
        cmocka_unit_test(a_clock_set_back_revives_nothing),
        cmocka_unit_test(a_full_memory_refuses_and_recovers),
        cmocka_unit_test(the_promised_number_finds_room),
        cmocka_unit_test(threads_accept_a_challenge_at_most_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
