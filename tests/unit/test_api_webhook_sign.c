/* SPDX-License-Identifier: Apache-2.0 */
/* Signatures of webhooks: Standard Webhooks' own vector, and what changes them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "api/webhook_sign.h"

/* The bytes of whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw. */
static const uint8_t secret[24] = {0x31, 0xf2, 0x90, 0xf6, 0xbf, 0x06, 0x29, 0x8a,
                                   0xab, 0x4f, 0x08, 0xd4, 0x3c, 0x3f, 0x08, 0x2c,
                                   0xf6, 0x48, 0xa3, 0x62, 0xda, 0x2d, 0xa4, 0xb0};
static const char id[] = "msg_p5jXN8AQM9LWM0D4loKWxJek";
static const char body[] = "{\"test\": 2432232314}";

enum { TIMESTAMP = 1614265330 };

static void test_the_standards_own_vector(void **state)
{
    char signature[WEBHOOK_SIGNATURE_LENGTH + 1];

    (void)state;
    webhook_sign(secret, sizeof(secret), id, TIMESTAMP, body, sizeof(body) - 1, signature);
    assert_string_equal(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    assert_int_equal(strlen(signature), WEBHOOK_SIGNATURE_LENGTH);
}

static void test_each_part_is_signed(void **state)
{
    char right[WEBHOOK_SIGNATURE_LENGTH + 1];
    char other[WEBHOOK_SIGNATURE_LENGTH + 1];
    uint8_t other_secret[sizeof(secret)];

    (void)state;
    memcpy(other_secret, secret, sizeof(secret));
    other_secret[23] ^= 1;
    webhook_sign(secret, sizeof(secret), id, TIMESTAMP, body, sizeof(body) - 1, right);
    webhook_sign(other_secret, sizeof(secret), id, TIMESTAMP, body, sizeof(body) - 1, other);
    assert_string_not_equal(right, other);
    webhook_sign(secret, sizeof(secret), "msg_other", TIMESTAMP, body, sizeof(body) - 1, other);
    assert_string_not_equal(right, other);
    webhook_sign(secret, sizeof(secret), id, TIMESTAMP + 1, body, sizeof(body) - 1, other);
    assert_string_not_equal(right, other);
    webhook_sign(secret, sizeof(secret), id, TIMESTAMP, body, sizeof(body) - 2, other);
    assert_string_not_equal(right, other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_standards_own_vector),
        cmocka_unit_test(test_each_part_is_signed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
