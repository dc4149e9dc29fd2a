/* SPDX-License-Identifier: Apache-2.0 */
/* TLS by OpenSSL's own client against the real server: what is agreed upon, what is resumed, and
 * which certificate is shown. */
#include "tls_fixture.h"

/* ---- What is agreed upon ---- */

static void both_versions_serve(void **state)
{
    (void)state;
    struct harness *harness = started(NULL);
    EACH_VERSION(i)
    {
        SSL_CTX *context = client_context(versions[i]);
        struct client client;
        struct answer answer;
        char value[256];
        assert_true(tls_open(&client, harness->options.port, context, NULL, "\x08http/1.1"));
        const unsigned char *alpn;
        unsigned alpn_length;
        SSL_get0_alpn_selected(client.layer, &alpn, &alpn_length);
        assert_int_equal(alpn_length, 8);
        assert_memory_equal(alpn, "http/1.1", 8);
        assert_int_equal(SSL_version(client.layer), versions[i]);
        assert_null(SSL_get_current_compression(client.layer));
        if (versions[i] == TLS1_2_VERSION)
            assert_int_equal(SSL_get_secure_renegotiation_support(client.layer), 1);
        const SSL_CIPHER *cipher = SSL_get_current_cipher(client.layer);
        assert_int_equal(SSL_CIPHER_is_aead(cipher), 1);
        assert_string_equal(SSL_CIPHER_get_name(cipher), versions[i] == TLS1_3_VERSION
                                                             ? "TLS_AES_128_GCM_SHA256"
                                                             : "ECDHE-ECDSA-AES128-GCM-SHA256");
        client_say(&client, "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n");
        assert_true(client_answer(&client, &answer));
        assert_int_equal(answer.status, 200);
        assert_memory_equal(answer.body, "hello", 5);
        assert_string_equal(answer_header(&answer, "Strict-Transport-Security", value),
                            "max-age=31536000");
        assert_true(client_is_alive(&client));
        tls_close(&client);
        SSL_CTX_free(context);
    }
    assert_int_equal(atomic_load(&harness_counters(harness)->tls_handshakes), 2);
    assert_int_equal(atomic_load(&harness_counters(harness)->tls_failures), 0);
    harness_stop(harness);
}

static void a_plain_server_says_nothing_of_hsts(void **state)
{
    (void)state;
    struct harness *harness = harness_new();
    harness->options.hsts_max_age_s = 1;
    harness_start(harness);
    struct client client = client_open(harness);
    struct answer answer;
    char value[256];
    client_say(&client, "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_true(client_answer(&client, &answer));
    assert_null(answer_header(&answer, "Strict-Transport-Security", value));
    client_close(&client);
    harness_stop(harness);
}

static void only_strong_ciphers_and_groups_are_agreed_upon(void **state)
{
    (void)state;
    static const struct {
        const char *ciphers;
        const char *groups;
        bool good;
    } cases[] = {
        {"ECDHE-ECDSA-AES128-GCM-SHA256", "X25519:P-256", true},
        {"ECDHE-ECDSA-AES256-GCM-SHA384", "P-256", true},
        {"ECDHE-ECDSA-CHACHA20-POLY1305", "P-256:X448", true},
        {"ECDHE-ECDSA-AES128-SHA256:ECDHE-ECDSA-AES128-SHA", "X25519:P-256", false},
        {"ECDHE-ECDSA-AES128-CCM", "X25519:P-256", false},
        {"DHE-RSA-AES128-GCM-SHA256", "X25519:P-256", false},
        {"AES128-GCM-SHA256:AES128-SHA", "X25519:P-256", false},
        {"ECDHE-ECDSA-AES128-GCM-SHA256", "P-521", false},
        {"ECDHE-ECDSA-AES128-GCM-SHA256", "X448", false},
    };
    struct harness *harness = started(NULL);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        SSL_CTX *context = client_context(TLS1_2_VERSION);
        struct client client;
        SSL_CTX_set_security_level(context, 0);
        assert_int_equal(SSL_CTX_set_cipher_list(context, cases[i].ciphers), 1);
        assert_int_equal(SSL_CTX_set1_groups_list(context, cases[i].groups), 1);
        if (tls_open(&client, harness->options.port, context, NULL, NULL) != cases[i].good)
            fail_msg("%s with %s: not %d", cases[i].ciphers, cases[i].groups, cases[i].good);
        tls_close(&client);
        SSL_CTX_free(context);
    }
    assert_int_equal(atomic_load(&harness_counters(harness)->tls_handshakes), 3);
    assert_int_equal(atomic_load(&harness_counters(harness)->tls_failures), 6);
    harness_stop(harness);
}

static void the_server_chooses_but_for_who_prefers_chacha(void **state)
{
    (void)state;
    struct harness *harness = started(NULL);
    static const char *const lists[][2] = {
        {"ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-ECDSA-AES128-GCM-SHA256",
         "ECDHE-ECDSA-AES128-GCM-SHA256"},
        {"ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-ECDSA-AES128-GCM-SHA256",
         "ECDHE-ECDSA-CHACHA20-POLY1305"},
    };
    for (size_t i = 0; i < 2; i++) {
        SSL_CTX *context = client_context(TLS1_2_VERSION);
        struct client client;
        SSL_CTX_set_cipher_list(context, lists[i][0]);
        assert_true(tls_open(&client, harness->options.port, context, NULL, NULL));
        assert_string_equal(SSL_get_cipher_name(client.layer), lists[i][1]);
        tls_close(&client);
        SSL_CTX_free(context);
    }
    harness_stop(harness);
}

static void old_versions_are_refused(void **state)
{
    (void)state;
    static const int old[] = {TLS1_VERSION, TLS1_1_VERSION};
    struct harness *harness = started(NULL);
    for (size_t i = 0; i < 2; i++) {
        SSL_CTX *context = client_context(old[i]);
        struct client client;
        SSL_CTX_set_security_level(context, 0);
        SSL_CTX_set_cipher_list(context, "ALL:@SECLEVEL=0");
        assert_false(tls_open(&client, harness->options.port, context, NULL, NULL));
        tls_close(&client);
        SSL_CTX_free(context);
    }
    assert_true(wait_for(&harness_counters(harness)->tls_failures, 2));
    assert_true(wait_for(&harness_counters(harness)->closed[HTTP_CLOSE_HANDSHAKE], 2));
    harness_stop(harness);
}

static void other_protocols_than_http_1_are_refused(void **state)
{
    (void)state;
    struct harness *harness = started(NULL);
    static const struct {
        const char *offered;
        bool good;
    } cases[] = {
        {"\x02h2\x08http/1.1", true}, {"\x08http/1.0", true}, {"\x02h2", false},
        {"\x08spdy/3.1", false},      {NULL, true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        SSL_CTX *context = client_context(TLS1_3_VERSION);
        struct client client;
        assert_int_equal(tls_open(&client, harness->options.port, context, NULL, cases[i].offered),
                         cases[i].good);
        tls_close(&client);
        SSL_CTX_free(context);
    }
    harness_stop(harness);
}

static void a_client_may_not_renegotiate(void **state)
{
    (void)state;
    struct harness *harness = started(NULL);
    SSL_CTX *context = client_context(TLS1_2_VERSION);
    struct client client;
    assert_true(tls_open(&client, harness->options.port, context, NULL, NULL));
    assert_int_equal(SSL_renegotiate(client.layer), 1);
    assert_int_not_equal(SSL_do_handshake(client.layer), 1);
    ERR_clear_error();
    tls_close(&client);
    SSL_CTX_free(context);
    assert_int_equal(atomic_load(&harness_counters(harness)->tls_handshakes), 1);
    harness_stop(harness);
}

/* ---- Resumption ---- */

static SSL_SESSION *kept_session;

static int keep_session(SSL *ssl, SSL_SESSION *session)
{
    (void)ssl;
    SSL_SESSION_free(kept_session);
    kept_session = session;
    return 1;
}

/* Connects with the session kept so far, and keeps what it is given. Whether it was resumed. */
static bool resumes(uint16_t port, SSL_CTX *context)
{
    struct client client;
    SSL_SESSION *session = kept_session;
    kept_session = NULL;
    assert_true(tls_open(&client, port, context, session, NULL));
    SSL_SESSION_free(session);
    assert_true(client_is_alive(&client)); /* in TLS 1.3 tickets come with the first answer */
    bool is_resumed = SSL_session_reused(client.layer);
    if (kept_session == NULL)
        kept_session = SSL_get1_session(client.layer);
    /* OpenSSL resumes no session whose connection was left without a word. */
    SSL_set_shutdown(client.layer, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
    tls_close(&client);
    return is_resumed;
}

static void sessions_are_resumed_at_any_server_until_their_key_is_forgotten(void **state)
{
    (void)state;
    struct harness *one = started(NULL);
    struct harness *other = started(NULL);
    EACH_VERSION(i)
    {
        SSL_CTX *context = client_context(versions[i]);
        SSL_CTX_set_session_cache_mode(context,
                                       SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL_STORE);
        SSL_CTX_sess_set_new_cb(context, keep_session);
        assert_false(resumes(one->options.port, context));
        assert_true(resumes(other->options.port, context));
        assert_true(resumes(one->options.port, context));
        http_tls_rotate_tickets(tls);
        assert_true(resumes(other->options.port, context));
        for (unsigned key = 0; key < HTTP_TLS_TICKET_KEYS; key++)
            http_tls_rotate_tickets(tls);
        assert_false(resumes(one->options.port, context));
        assert_true(resumes(one->options.port, context));
        /* One that is renewed in time is good for ever. */
        for (unsigned key = 0; key < 2 * HTTP_TLS_TICKET_KEYS; key++) {
            http_tls_rotate_tickets(tls);
            assert_true(resumes(one->options.port, context));
        }
        SSL_SESSION_free(kept_session);
        kept_session = NULL;
        SSL_CTX_free(context);
    }
    uint64_t resumed = atomic_load(&harness_counters(one)->tls_resumptions);
    assert_int_equal(resumed, 2 * (1 + 1 + 2 * HTTP_TLS_TICKET_KEYS));
    harness_stop(one);
    harness_stop(other);
}

static void keys_change_by_the_clock(void **state)
{
    (void)state;
    char error[HTTP_TLS_ERROR_MAX];
    struct harness *harness = started(NULL);
    SSL_CTX *context = client_context(TLS1_2_VERSION);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_CLIENT);
    SSL_CTX_sess_set_new_cb(context, keep_session);
    uint64_t now_s = 1000000;
    assert_int_equal(http_tls_look(tls, now_s, error, sizeof error), HTTP_TLS_SAME);
    assert_false(resumes(harness->options.port, context));
    /* The first one each time, not what was renewed: OpenSSL gives up what it renews. */
    SSL_SESSION *session = SSL_SESSION_dup(kept_session);
    for (unsigned key = 0; key < HTTP_TLS_TICKET_KEYS; key++) {
        assert_true(resumes(harness->options.port, context));
        SSL_SESSION_free(kept_session);
        kept_session = SSL_SESSION_dup(session);
        now_s += HTTP_TLS_TICKET_KEY_S;
        assert_int_equal(http_tls_look(tls, now_s, error, sizeof error), HTTP_TLS_SAME);
        assert_int_equal(http_tls_look(tls, now_s + 1, error, sizeof error), HTTP_TLS_SAME);
    }
    assert_false(resumes(harness->options.port, context));
    SSL_SESSION_free(session);
    SSL_SESSION_free(kept_session);
    kept_session = NULL;
    SSL_CTX_free(context);
    harness_stop(harness);
}

/* ---- Certificates ---- */

static long served_serial(uint16_t port)
{
    SSL_CTX *context = client_context(TLS1_3_VERSION);
    struct client client;
    assert_true(tls_open(&client, port, context, NULL, NULL));
    X509 *certificate = SSL_get1_peer_certificate(client.layer);
    assert_non_null(certificate);
    long serial = ASN1_INTEGER_get(X509_get_serialNumber(certificate));
    X509_free(certificate);
    tls_close(&client);
    SSL_CTX_free(context);
    return serial;
}

/* What the look after the files have settled says. */
static enum http_tls_change look(struct http_tls *subject, char error[HTTP_TLS_ERROR_MAX])
{
    error[0] = '\0';
    assert_int_equal(http_tls_look(subject, 1, error, HTTP_TLS_ERROR_MAX), HTTP_TLS_SAME);
    return http_tls_look(subject, 2, error, HTTP_TLS_ERROR_MAX);
}

static void a_new_certificate_is_taken_and_a_broken_one_is_not(void **state)
{
    (void)state;
    char error[HTTP_TLS_ERROR_MAX];
    struct pair_files own;
    pair_make(&own);
    struct http_tls *subject = http_tls_create(own.certificate, own.key, error, sizeof error);
    assert_non_null(subject);
    struct harness *harness = harness_new();
    harness->options.tls = subject;
    harness_start(harness);
    SSL_CTX *context = client_context(TLS1_3_VERSION);
    struct client before;
    assert_true(tls_open(&before, harness->options.port, context, NULL, NULL));
    long serial = served_serial(harness->options.port);
    assert_int_equal(look(subject, error), HTTP_TLS_SAME);

    pair_write(&own, "DNS:other.example", 3600);
    assert_int_equal(look(subject, error), HTTP_TLS_LOADED);
    assert_int_equal(served_serial(harness->options.port), serial + 1);
    assert_true(http_tls_covers(subject, (struct http_slice){"other.example", 13}));
    assert_true(client_is_alive(&before));

    static const struct {
        const char *certificate; /* NULL: expired; "": left as it is */
        const char *key;
        const char *says;
    } broken[] = {
        {"", "", "the key in"},
        {"nonsense", "", "the certificate in"},
        {NULL, NULL, "has expired"},
    };
    for (size_t i = 0; i < sizeof broken / sizeof broken[0]; i++) {
        if (broken[i].certificate == NULL)
            pair_write(&own, "DNS:late.example", -60);
        else if (broken[i].certificate[0] == '\0')
            text_write(own.key, "-----BEGIN PRIVATE KEY-----\n");
        else
            text_write(own.certificate, broken[i].certificate);
        assert_int_equal(look(subject, error), HTTP_TLS_KEPT);
        if (strstr(error, broken[i].says) == NULL)
            fail_msg("\"%s\" is not in \"%s\"", broken[i].says, error);
        /* Said once, not at every look. */
        assert_int_equal(look(subject, error), HTTP_TLS_SAME);
        assert_int_equal(served_serial(harness->options.port), serial + 1);
    }
    /* A key that belongs to another certificate. */
    struct pair_files third;
    pair_make(&third);
    pair_write(&own, "DNS:third.example", 3600);
    assert_int_equal(rename(third.key, own.key), 0);
    assert_int_equal(look(subject, error), HTTP_TLS_KEPT);
    pair_remove(&third);
    unlink(own.key);
    assert_int_equal(look(subject, error), HTTP_TLS_KEPT);
    assert_int_equal(served_serial(harness->options.port), serial + 1);
    pair_write(&own, "DNS:fourth.example", 3600);
    assert_int_equal(look(subject, error), HTTP_TLS_LOADED);
    assert_true(served_serial(harness->options.port) > serial + 1);
    assert_true(client_is_alive(&before));

    tls_close(&before);
    SSL_CTX_free(context);
    harness_stop(harness);
    http_tls_destroy(subject);
    pair_remove(&own);
}

static void what_cannot_be_read_is_said_at_the_start(void **state)
{
    (void)state;
    char error[HTTP_TLS_ERROR_MAX];
    assert_null(http_tls_create("/nowhere/cert.pem", files.key, error, sizeof error));
    assert_non_null(strstr(error, "the certificate in /nowhere/cert.pem"));
    assert_null(http_tls_create(files.certificate, "/nowhere/key.pem", error, sizeof error));
    assert_non_null(strstr(error, "the key in /nowhere/key.pem"));
}

static void a_key_that_all_may_read_is_refused(void **state)
{
    (void)state;
    static const struct {
        mode_t mode;
        bool is_good;
    } cases[] = {{0600, true},  {0400, true},  {0640, true},  {0440, true}, {0644, false},
                 {0604, false}, {0602, false}, {0660, false}, {0601, false}};
    char error[HTTP_TLS_ERROR_MAX];
    struct pair_files own;
    pair_make(&own);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_int_equal(chmod(own.key, cases[i].mode), 0);
        struct http_tls *subject = http_tls_create(own.certificate, own.key, error, sizeof error);
        if ((subject != NULL) != cases[i].is_good)
            fail_msg("a key of mode %04o was %s", (unsigned)cases[i].mode,
                     subject != NULL ? "taken" : error);
        if (subject == NULL)
            assert_non_null(strstr(error, "chmod 600 or 640"));
        http_tls_destroy(subject);
    }
    pair_remove(&own);
}

static void a_certificate_covers_its_names_only(void **state)
{
    (void)state;
    static const struct {
        const char *host;
        bool covered;
    } cases[] = {
        {"shop.example", true},
        {"SHOP.example", true},
        {"a.wild.example", true},
        {"wild.example", false},
        {"a.b.wild.example", false},
        {"127.0.0.1", true},
        {"::1", true},
        {"127.0.0.2", false},
        {"evil.example", false},
        {"", false},
        {"shop.example.evil", false},
        {"xshop.example", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct http_slice host = {cases[i].host, strlen(cases[i].host)};
        if (http_tls_covers(tls, host) != cases[i].covered)
            fail_msg("%s: not %d", cases[i].host, cases[i].covered);
    }
    assert_false(http_tls_covers(tls, (struct http_slice){"shop.example\0x", 14}));
    assert_true(http_tls_expires_s(tls) > (int64_t)time(NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_versions_serve),
        cmocka_unit_test(a_plain_server_says_nothing_of_hsts),
        cmocka_unit_test(only_strong_ciphers_and_groups_are_agreed_upon),
        cmocka_unit_test(the_server_chooses_but_for_who_prefers_chacha),
        cmocka_unit_test(old_versions_are_refused),
        cmocka_unit_test(other_protocols_than_http_1_are_refused),
        cmocka_unit_test(a_client_may_not_renegotiate),
        cmocka_unit_test(sessions_are_resumed_at_any_server_until_their_key_is_forgotten),
        cmocka_unit_test(keys_change_by_the_clock),
        cmocka_unit_test(a_new_certificate_is_taken_and_a_broken_one_is_not),
        cmocka_unit_test(what_cannot_be_read_is_said_at_the_start),
        cmocka_unit_test(a_key_that_all_may_read_is_refused),
        cmocka_unit_test(a_certificate_covers_its_names_only),
    };
    return cmocka_run_group_tests(tests, group_begin, group_end);
}
