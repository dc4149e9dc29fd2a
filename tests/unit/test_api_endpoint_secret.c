/* SPDX-License-Identifier: Apache-2.0 */
/* Secrets of webhook endpoints: sealed for one place under the shop's key, good for as long as they
 * were said to be. */
#include "api/endpoint_secret.h"
#include "vault_fixture.h"

/* RFC 4648, section 10 has no such long vector: by Python's base64.b64encode. */
static void the_text_is_that_of_standard_webhooks(void **state)
{
    char text[ENDPOINT_SECRET_TEXT_LENGTH + 1];
    uint8_t secret[ENDPOINT_SECRET_BYTES];

    (void)state;
    memset(secret, 0xfb, sizeof(secret));
    endpoint_secret_format(secret, text);
    assert_string_equal(text, "whsec_+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/s=");
    for (unsigned i = 0; i < sizeof(secret); i++)
        secret[i] = (uint8_t)i;
    endpoint_secret_format(secret, text);
    assert_string_equal(text, "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=");
}

struct sealed {
    struct settings_view view;
    struct settings_envelope envelope;
    struct setting_endpoint endpoint;
};

static struct sealed sealed;

/* Two secrets, the older one good until `expires_wall_ms`. */
static void seal_both(struct fixture *fixture, int64_t expires_wall_ms)
{
    struct shard *shard = engine_shard(fixture->engine, 0);
    uint8_t secret[ENDPOINT_SECRET_BYTES] = {1};

    memset(&sealed, 0, sizeof(sealed));
    assert_true(endpoint_secret_seal(shard, &sealed.view, secret, &sealed.envelope));
    assert_int_equal(sealed.envelope.key.length, VAULT_WRAPPED_KEY_BYTES);
    sealed.view.key = sealed.envelope.key;
    sealed.endpoint.secrets[1] = sealed.envelope.row.endpoint.secrets[0];
    sealed.endpoint.secrets[1].expires_wall_ms = expires_wall_ms;
    secret[0] = 2;
    assert_true(endpoint_secret_seal(shard, &sealed.view, secret, &sealed.envelope));
    assert_memory_equal(&sealed.view.key, &sealed.envelope.key, sizeof(sealed.view.key));
    sealed.endpoint.secrets[0] = sealed.envelope.row.endpoint.secrets[0];
}

static void the_older_one_is_good_until_it_expires(void **state)
{
    uint8_t secrets[ENDPOINT_SECRETS_MAX][ENDPOINT_SECRET_BYTES];
    struct fixture *fixture = *state;

    seal_both(fixture, 1000);
    assert_int_equal(
        endpoint_secrets_open(fixture->engine, &sealed.view, &sealed.endpoint, 999, secrets), 2);
    assert_int_equal(secrets[0][0], 2);
    assert_int_equal(secrets[1][0], 1);
    assert_int_equal(
        endpoint_secrets_open(fixture->engine, &sealed.view, &sealed.endpoint, 1000, secrets), 1);
    assert_int_equal(secrets[0][0], 2);
}

static void one_that_was_moved_or_changed_does_not_open(void **state)
{
    uint8_t secrets[ENDPOINT_SECRETS_MAX][ENDPOINT_SECRET_BYTES];
    struct fixture *fixture = *state;

    seal_both(fixture, 1000);
    sealed.endpoint.secrets[0].place++;
    assert_int_equal(
        endpoint_secrets_open(fixture->engine, &sealed.view, &sealed.endpoint, 0, secrets), 0);
    sealed.endpoint.secrets[0].place--;
    sealed.endpoint.secrets[0].sealed[40] ^= 1;
    assert_int_equal(
        endpoint_secrets_open(fixture->engine, &sealed.view, &sealed.endpoint, 0, secrets), 0);
    sealed.endpoint.secrets[0].sealed[40] ^= 1;
    sealed.view.key.length = 0;
    assert_int_equal(
        endpoint_secrets_open(fixture->engine, &sealed.view, &sealed.endpoint, 0, secrets), 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, vault_set_up, vault_tear_down)
    const struct CMUnitTest tests[] = {
        TEST(the_text_is_that_of_standard_webhooks),
        TEST(the_older_one_is_good_until_it_expires),
        TEST(one_that_was_moved_or_changed_does_not_open),
    };
#undef TEST

    return cmocka_run_group_tests(tests, NULL, NULL);
}
