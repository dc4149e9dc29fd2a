/* SPDX-License-Identifier: Apache-2.0 */
/* What connections with TLS take of memory: that what is counted for them is no less than what
 * OpenSSL takes, and that no more are let in than there is room for. */
#include "tls_fixture.h"

#include "http/http_internal.h"

#include <malloc.h>
#include <pthread.h>

/* What OpenSSL has taken on the servers' threads. */
static _Atomic int64_t taken_bytes;
static pthread_t test_thread;

static void count_bytes(void *memory, int sign)
{
    if (memory != NULL && !pthread_equal(pthread_self(), test_thread))
        atomic_fetch_add(&taken_bytes, sign * (int64_t)(malloc_usable_size(memory) + 8));
}

static void *counted_malloc(size_t size, const char *file, int line)
{
    (void)file;
    (void)line;
    void *memory = malloc(size);
    count_bytes(memory, 1);
    return memory;
}

static void counted_free(void *memory, const char *file, int line)
{
    (void)file;
    (void)line;
    count_bytes(memory, -1);
    free(memory);
}

static void *counted_realloc(void *memory, size_t size, const char *file, int line)
{
    (void)file;
    (void)line;
    count_bytes(memory, -1);
    memory = realloc(memory, size);
    count_bytes(memory, 1);
    return memory;
}

enum { MANY = 100 };

static void what_a_connection_takes_is_counted(void **state)
{
    (void)state;
    EACH_VERSION(i)
    {
        struct harness *harness = started(NULL);
        const struct http_counters *counters = harness_counters(harness);
        SSL_CTX *context = client_context(versions[i]);
        static struct client clients[MANY];
        assert_true(tls_open(&clients[0], harness->options.port, context, NULL, NULL));
        assert_true(client_is_alive(&clients[0]));
        tls_close(&clients[0]);
        assert_true(wait_for(&counters->closed[HTTP_CLOSE_CLIENT], 1));
        int64_t before = atomic_load(&taken_bytes);
        for (int n = 0; n < MANY; n++) {
            assert_true(tls_open(&clients[n], harness->options.port, context, NULL, NULL));
            assert_true(client_is_alive(&clients[n]));
        }
        int64_t idle = (atomic_load(&taken_bytes) - before) / MANY;
        sleep_ms(100);
        assert_int_equal(atomic_load(&counters->memory_bytes),
                         (size_t)MANY * HTTP_TLS_SESSION_BYTES);
        /* An unfinished record each. */
        for (int n = 0; n < MANY; n++)
            assert_int_equal(send(clients[n].fd, "\x17\x03\x03\x40\x00xyz", 8, 0), 8);
        sleep_ms(300);
        int64_t partial = (atomic_load(&taken_bytes) - before) / MANY;
        assert_int_equal(atomic_load(&counters->memory_bytes),
                         (size_t)MANY * (HTTP_TLS_SESSION_BYTES + HTTP_TLS_RECORD_BYTES));
        for (int n = 0; n < MANY; n++)
            tls_close(&clients[n]);
        print_message("TLS %s: %lld bytes idle, %lld with a part of a record\n",
                      versions[i] == TLS1_2_VERSION ? "1.2" : "1.3", (long long)idle,
                      (long long)partial);
        assert_true(idle > 1000 && idle <= HTTP_TLS_SESSION_BYTES);
        assert_true(partial > idle && partial <= HTTP_TLS_SESSION_BYTES + HTTP_TLS_RECORD_BYTES);
        SSL_CTX_free(context);
        harness_stop(harness);
    }
}

static void what_a_handshake_takes_is_counted(void **state)
{
    (void)state;
    struct harness *harness = started(NULL);
    const struct http_counters *counters = harness_counters(harness);
    SSL_CTX *context = client_context(TLS1_3_VERSION);
    static struct client clients[MANY];
    int64_t before = atomic_load(&taken_bytes);
    for (int n = 0; n < MANY; n++) {
        /* Only the client's hello: the server waits for the rest. */
        clients[n] = client_open(harness);
        SSL *ssl = SSL_new(context);
        BIO *out = BIO_new(BIO_s_mem());
        char hello[4096];
        SSL_set_bio(ssl, BIO_new(BIO_s_mem()), out);
        assert_int_not_equal(SSL_connect(ssl), 1);
        int length = BIO_read(out, hello, sizeof hello);
        client_send(&clients[n], hello, (size_t)length);
        assert_true(client_fill(&clients[n]) > 0);
        SSL_free(ssl);
        ERR_clear_error();
    }
    int64_t each = (atomic_load(&taken_bytes) - before) / MANY;
    sleep_ms(100);
    assert_int_equal(atomic_load(&counters->memory_bytes), (size_t)MANY * HTTP_TLS_HANDSHAKE_BYTES);
    print_message("TLS 1.3: %lld bytes in a handshake\n", (long long)each);
    assert_true(each > 1000 && each <= HTTP_TLS_HANDSHAKE_BYTES);
    for (int n = 0; n < MANY; n++)
        client_close(&clients[n]);
    SSL_CTX_free(context);
    harness_stop(harness);
}

static void little_memory(struct http_options *options)
{
    options->memory_max = (size_t)1024 * 1024;
}

/* Room for few: those are served, also with large requests; the others are let go. */
static void connections_are_bounded_by_memory(void **state)
{
    (void)state;
    struct harness *harness = started(little_memory);
    const struct http_counters *counters = harness_counters(harness);
    SSL_CTX *context = client_context(TLS1_3_VERSION);
    static struct client clients[MANY];
    size_t opened = 0;
    for (int n = 0; n < MANY; n++) {
        if (tls_open(&clients[opened], harness->options.port, context, NULL, NULL))
            opened++;
        else
            tls_close(&clients[opened]);
    }
    size_t room = (size_t)1024 * 1024 / HTTP_MEMORY_PARTS * HTTP_MEMORY_TLS_PARTS;
    size_t most = 1 + (room - HTTP_TLS_HANDSHAKE_BYTES) / HTTP_TLS_SESSION_BYTES;
    assert_int_equal(opened, most);
    assert_int_equal(atomic_load(&counters->closed[HTTP_CLOSE_MEMORY]), MANY - most);
    for (size_t n = 0; n < opened; n++) {
        assert_true(client_is_alive(&clients[n]));
        if (n > 0)
            tls_close(&clients[n]);
    }
    assert_true(wait_for(&counters->closed[HTTP_CLOSE_CLIENT], opened - 1));
    assert_true(tls_open(&clients[1], harness->options.port, context, NULL, NULL));
    assert_true(client_is_alive(&clients[1]));
    assert_true(client_is_alive(&clients[0]));
    tls_close(&clients[0]);
    tls_close(&clients[1]);
    SSL_CTX_free(context);
    harness_stop(harness);
}

int main(void)
{
    test_thread = pthread_self();
    if (CRYPTO_set_mem_functions(counted_malloc, counted_realloc, counted_free) != 1)
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_a_connection_takes_is_counted),
        cmocka_unit_test(what_a_handshake_takes_is_counted),
        cmocka_unit_test(connections_are_bounded_by_memory),
    };
    return cmocka_run_group_tests(tests, group_begin, group_end);
}
