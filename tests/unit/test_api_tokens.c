/* SPDX-License-Identifier: Apache-2.0 */
/* One-time codes (RFC 4226, RFC 6238, RFC 4648 and their vectors), recovery codes, opaque tokens.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "api/digest.h"
#include "api/totp.h"
#include "base64url.h"

static const uint8_t rfc_secret[] = "12345678901234567890";

/* ---- digests ---- */

static void digests_are_the_published_ones(void **state)
{
    /* FIPS 180-4's "abc"; RFC 4231, case 2; RFC 2202, case 2; RFC 7914, section 11. */
    static const uint8_t sha256[32] = {0xba, 0x78, 0x16, 0xbf, 0x8f, 0x01, 0xcf, 0xea,
                                       0x41, 0x41, 0x40, 0xde, 0x5d, 0xae, 0x22, 0x23,
                                       0xb0, 0x03, 0x61, 0xa3, 0x96, 0x17, 0x7a, 0x9c,
                                       0xb4, 0x10, 0xff, 0x61, 0xf2, 0x00, 0x15, 0xad};
    static const uint8_t hmac256[32] = {0x5b, 0xdc, 0xc1, 0x46, 0xbf, 0x60, 0x75, 0x4e,
                                        0x6a, 0x04, 0x24, 0x26, 0x08, 0x95, 0x75, 0xc7,
                                        0x5a, 0x00, 0x3f, 0x08, 0x9d, 0x27, 0x39, 0x83,
                                        0x9d, 0xec, 0x58, 0xb9, 0x64, 0xec, 0x38, 0x43};
    static const uint8_t hmac1[20] = {0xef, 0xfc, 0xdf, 0x6a, 0xe5, 0xeb, 0x2f, 0xa2, 0xd2, 0x74,
                                      0x16, 0xd5, 0xf1, 0x84, 0xdf, 0x9c, 0x25, 0x9a, 0x7c, 0x79};
    static const uint8_t pbkdf2[] = {0x55, 0xac, 0x04, 0x6e, 0x56, 0xe3, 0x08, 0x9f,
                                     0xec, 0x16, 0x91, 0xc2, 0x25, 0x44, 0xb6, 0x05};
    static const char question[] = "what do ya want for nothing?";
    uint8_t out[32];

    (void)state;
    digest_sha256("abc", 3, out);
    assert_memory_equal(out, sha256, 32);
    digest_hmac_sha256("Jefe", 4, question, strlen(question), out);
    assert_memory_equal(out, hmac256, 32);
    digest_hmac_sha1("Jefe", 4, question, strlen(question), out);
    assert_memory_equal(out, hmac1, 20);
    digest_pbkdf2_sha256("passwd", 6, "salt", 4, 1, out, sizeof(pbkdf2));
    assert_memory_equal(out, pbkdf2, sizeof(pbkdf2));
    assert_true(digest_equal("same", "same", 4));
    assert_false(digest_equal("same", "sane", 4));
}

/* ---- one-time codes ---- */

static void codes_are_those_of_the_standards(void **state)
{
    static const uint32_t hotp[] = {755224, 287082, 359152, 969429, 338314,
                                    254676, 287922, 162583, 399871, 520489};
    static const struct {
        uint64_t time_s;
        uint32_t code;
    } totp[] = {
        {59, 94287082},         {1111111109, 7081804},  {1111111111, 14050471},
        {1234567890, 89005924}, {2000000000, 69279037}, {20000000000, 65353130},
    };

    (void)state;
    for (uint64_t i = 0; i < sizeof(hotp) / sizeof(hotp[0]); i++)
        assert_int_equal(totp_code(rfc_secret, 20, i, 6), hotp[i]);
    for (size_t i = 0; i < sizeof(totp) / sizeof(totp[0]); i++)
        assert_int_equal(totp_code(rfc_secret, 20, totp[i].time_s / 30, 8), totp[i].code);
}

static void a_code_is_good_around_its_time_and_once(void **state)
{
    uint64_t last = 0;
    char code[16];

    (void)state;
    const int64_t now_s = 1111111111; /* step 37037037 */
    snprintf(code, sizeof(code), "%06u", totp_code(rfc_secret, 20, 37037037, 6));
    assert_string_equal(code, "050471");
    assert_false(totp_verify(rfc_secret, code, 6, now_s - 60, &last));
    assert_false(totp_verify(rfc_secret, code, 6, now_s + 60, &last));
    assert_int_equal(last, 0);
    assert_true(totp_verify(rfc_secret, code, 6, now_s - 30, &last));
    assert_int_equal(last, 37037037);
    assert_false(totp_verify(rfc_secret, code, 6, now_s, &last));
    last = 37037036;
    assert_true(totp_verify(rfc_secret, code, 6, now_s + 30, &last));
    last = 37037038; /* a newer one was used */
    assert_false(totp_verify(rfc_secret, code, 6, now_s, &last));
    assert_int_equal(last, 37037038);
    last = 0;
    assert_false(totp_verify(rfc_secret, "050472", 6, now_s, &last));
    assert_false(totp_verify(rfc_secret, "50471", 5, now_s, &last));
    assert_false(totp_verify(rfc_secret, "0504710", 7, now_s, &last));
    assert_false(totp_verify(rfc_secret, code, 6, 0, &last));
}

static void the_uri_is_encoded_and_bounded(void **state)
{
    char uri[TOTP_URI_MAX];
    char name[TOTP_URI_MAX];

    (void)state;
    assert_true(totp_uri(rfc_secret, "Caf\xc3\xa9 & Co", "ada@example.com", uri));
    assert_string_equal(uri, "otpauth://totp/Caf%C3%A9%20%26%20Co:ada%40example.com"
                             "?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
                             "&issuer=Caf%C3%A9%20%26%20Co&algorithm=SHA1&digits=6&period=30");
    memset(name, ' ', sizeof(name));
    name[160] = '\0';
    assert_false(totp_uri(rfc_secret, "shop", name, uri));
}

static void base32_is_that_of_the_standard(void **state)
{
    static const char *const vectors[][2] = {
        {"", ""},
        {"f", "MY"},
        {"fo", "MZXQ"},
        {"foo", "MZXW6"},
        {"foob", "MZXW6YQ"},
        {"fooba", "MZXW6YTB"},
        {"foobar", "MZXW6YTBOI"},
    };
    static const char *const padded[] = {
        "", "MY======", "MZXQ====", "MZXW6===", "MZXW6YQ=", "mzxw6ytb", "MZXW6YTBOI======"};
    static const char *const bad[] = {"M",        "MZX",      "MZXW6Y",    "MZ",
                                      "M1======", "MY=====",  "MY=======", "========",
                                      "MZXW6YR=", "MZXW 6YQ", "MY====MY"};
    char text[32];
    uint8_t bytes[8];
    size_t length;

    (void)state;
    for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
        size_t expected = strlen(vectors[i][0]);

        base32_encode((const uint8_t *)vectors[i][0], expected, text);
        assert_string_equal(text, vectors[i][1]);
        assert_true(base32_decode(text, strlen(text), bytes, sizeof(bytes), &length));
        assert_true(length == expected && memcmp(bytes, vectors[i][0], length) == 0);
        assert_true(base32_decode(padded[i], strlen(padded[i]), bytes, sizeof(bytes), &length));
        assert_true(length == expected && memcmp(bytes, vectors[i][0], length) == 0);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_false(base32_decode(bad[i], strlen(bad[i]), bytes, sizeof(bytes), &length));
    assert_false(base32_decode("MZXW6YTBOI", 10, bytes, 5, &length));
}

/* ---- recovery codes ---- */

static void recovery_codes_forgive_typing(void **state)
{
    static const uint8_t random[RECOVERY_CODE_BYTES] = {0x00, 0x44, 0x32, 0x14, 0xc7,
                                                        0x42, 0x54, 0xb6, 0x35, 0xcf};
    static const char *const same[] = {"0123-4567-89AB-CDEF", "0123456789abcdef",
                                       " o i23 4567-89aB cdef ", "oL23-4567-89ab-cdef"};
    static const char *const bad[] = {"", "0123-4567-89AB-CDE", "0123-4567-89AB-CDEF0",
                                      "U123-4567-89AB-CDEF", "0123_4567_89AB_CDEF"};
    char text[RECOVERY_CODE_LENGTH + 1];

    (void)state;
    recovery_code_format(random, text);
    assert_string_equal(text, "0123-4567-89AB-CDEF");
    for (size_t i = 0; i < sizeof(same) / sizeof(same[0]); i++) {
        memset(text, 'x', sizeof(text));
        assert_true(recovery_code_normalise(same[i], strlen(same[i]), text));
        assert_string_equal(text, "0123-4567-89AB-CDEF");
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_false(recovery_code_normalise(bad[i], strlen(bad[i]), text));
    assert_false(recovery_code_normalise("0123-4567-89AB\0CDEF", 19, text));
}

/* ---- base64url ---- */

static void base64url_is_that_of_the_standard(void **state)
{
    uint8_t bytes[39];
    uint8_t back[39];
    char text[53];

    (void)state;
    for (uint8_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (uint8_t)(255 - i);
    base64url_encode(bytes, 36, text); /* as Python's base64.urlsafe_b64encode gives it */
    assert_string_equal(text, "__79_Pv6-fj39vX08_Lx8O_u7ezr6uno5-bl5OPi4eDf3t3c");
    base64url_encode(bytes, sizeof(bytes), text);
    assert_int_equal(strlen(text), 52);
    assert_true(base64url_decode(text, sizeof(back), back));
    assert_memory_equal(back, bytes, sizeof(bytes));
    for (size_t i = 0; i < 52; i++) {
        static const char foreign[] = "+/= \n.";
        char kept = text[i];

        for (size_t j = 0; j < sizeof(foreign); j++) { /* the zero too */
            text[i] = foreign[j];
            assert_false(base64url_decode(text, sizeof(back), back));
        }
        text[i] = kept;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(digests_are_the_published_ones),
        cmocka_unit_test(codes_are_those_of_the_standards),
        cmocka_unit_test(a_code_is_good_around_its_time_and_once),
        cmocka_unit_test(the_uri_is_encoded_and_bounded),
        cmocka_unit_test(base32_is_that_of_the_standard),
        cmocka_unit_test(recovery_codes_forgive_typing),
        cmocka_unit_test(base64url_is_that_of_the_standard),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
