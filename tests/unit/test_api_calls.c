/* SPDX-License-Identifier: Apache-2.0 */
/* The API over an engine that can be made to wait, to fail and to fill up: what black-box tests
 * cannot provoke. */
#include "api_fixture.h"

static struct service *service;
static char guest[128];

static int start(void **state)
{
    (void)state;
    service = service_new(2);
    service_start(service);
    service_guest(service, guest);
    service_product(service, "A", 5);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    service_stop(service);
    return 0;
}

/* Turns for a while, so that what was sent has been taken. */
static void settle(void)
{
    for (unsigned i = 0; i < 50; i++) {
        service_turn(service);
        usleep(100);
    }
}

static void a_failed_commit_is_outcome_unknown_and_ends_everything(void **state)
{
    (void)state;
    char headers[256];
    int client = service_connect(service);

    snprintf(headers, sizeof(headers), "%s" JSON "Idempotency-Key: k\r\n", guest);
    service->holds_commits = true;
    service_request(service, client, "POST", "/v1/reservations", headers,
                    "{\"sku\":\"A\",\"quantity\":1}");
    settle();
    assert_true(journal_memory_pending(service->fixture.journal) != 0);
    journal_memory_complete(service->fixture.journal, COMMIT_FAILED, false);
    assert_int_equal(service_await(service, client), 503);
    assert_true(service_said(service, "\"code\":\"outcome_unknown\""));
    assert_non_null(strstr(service->answer, "Retry-After: "));
    close(client);
    assert_true(service->fixture.failed);
    /* Reads stop too; only how we are is told. */
    assert_int_equal(service_call(service, "GET", "/v1/skus/A/availability", "", NULL), 503);
    assert_true(service_said(service, "\"code\":\"outcome_unknown\""));
    assert_int_equal(service_reserve(service, guest, "other", "A", 1), 503);
    assert_int_equal(service_call(service, "GET", "/v1/admin/products/p-A", ADMIN, NULL), 503);
    assert_int_equal(service_call(service, "GET", "/readyz", "", NULL), 503);
    assert_true(service_said(service, "\"code\":\"outcome_unknown\""));
    assert_int_equal(service_call(service, "GET", "/healthz", "", NULL), 200);
    assert_int_equal(service_call(service, "GET", "/metrics", "", NULL), 200);
    assert_true(service_said(service, "stampede_engine_mode{mode=\"failed\"} 1"));
}

static void a_full_disk_refuses_new_holds_and_ends_old_ones(void **state)
{
    (void)state;
    char target[128] = "/v1/reservations/";

    assert_int_equal(service_reserve(service, guest, "k", "A", 2), 201);
    memcpy(target + 17, strstr(service->body, "res_"), 36);
    journal_memory_set_full(service->fixture.journal, true);
    assert_int_equal(service_reserve(service, guest, "other", "A", 1), 503);
    assert_true(service_said(service, "\"code\":\"storage_full\""));
    assert_int_equal(service_call(service, "GET", "/readyz", "", NULL), 503);
    assert_true(service_said(service, "\"code\":\"storage_full\""));
    assert_int_equal(service_call(service, "GET", target, guest, NULL), 200);
    assert_int_equal(service_call(service, "DELETE", target, guest, NULL), 204);
    journal_memory_set_full(service->fixture.journal, false);
    assert_int_equal(service_call(service, "GET", "/readyz", "", NULL), 200);
    assert_int_equal(service_reserve(service, guest, "other", "A", 5), 201);
}

static void a_draining_server_takes_nothing_new(void **state)
{
    (void)state;
    engine_drain(service->fixture.engine);
    assert_int_equal(service_call(service, "GET", "/readyz", "", NULL), 503);
    assert_true(service_said(service, "\"code\":\"overloaded\""));
    assert_int_equal(service_reserve(service, guest, "k", "A", 1), 503);
    assert_true(service_said(service, "\"code\":\"overloaded\""));
    assert_int_equal(service_call(service, "POST", "/v1/admin/import",
                                  ADMIN "Content-Type: text/csv\r\n",
                                  "sku,name,price,currency\nX,x,1,EUR\n"),
                     503);
}

static void a_damaged_store_is_not_read_around(void **state)
{
    (void)state;
    journal_memory_fail_reads(service->fixture.journal, 1);
    assert_int_equal(service_call(service, "GET", "/v1/admin/products/p-A", ADMIN, NULL), 503);
    assert_true(service_said(service, "\"code\":\"outcome_unknown\""));
    assert_int_equal(service_call(service, "GET", "/v1/admin/products/p-A", ADMIN, NULL), 200);
}

/* A target below a hold's path: that of the last answer, which made it. */
static void hold_target(const char *suffix, char target_out[128])
{
    const char *id = strstr(service->body, "res_");

    assert_non_null(id);
    snprintf(target_out, 128, "/v1/reservations/%.36s%s", id, suffix);
}

static void keys_of_other_writes_are_in_flight_until_durable(void **state)
{
    (void)state;
    int client = service_connect(service);
    char headers[256];
    char target[128];
    char first[512];

    assert_int_equal(service_reserve(service, guest, "k", "A", 2), 201);
    hold_target("/extend", target);
    fixture_advance(&service->fixture, 1000);
    snprintf(headers, sizeof(headers), "%s" JSON "Idempotency-Key: \"again\"\r\n", guest);
    service->holds_commits = true;
    service_request(service, client, "POST", target, headers, "{}");
    settle();
    assert_int_equal(service_call(service, "POST", target, headers, "{}"), 409);
    assert_true(service_said(service, "\"code\":\"idempotency_in_flight\""));
    service->holds_commits = false;
    assert_int_equal(service_await(service, client), 200);
    snprintf(first, sizeof(first), "%s", service->body);
    close(client);
    for (unsigned i = 0; i < 3; i++) {
        fixture_advance(&service->fixture, 1000);
        assert_int_equal(service_call(service, "POST", target, headers, ""), 200);
        assert_string_equal(service->body, first);
        assert_non_null(strstr(service->answer, "Idempotent-Replayed: true\r\n"));
    }
    assert_true(service_said(service, "\"extensions\":1"));
}

static void keys_of_products_name_their_body(void **state)
{
    (void)state;
    static const char keyed[] = ADMIN JSON "Idempotency-Key: k\r\n";
    static const char body[] = "{\"name\":\"x\",\"price_minor\":1,\"currency\":\"EUR\","
                               "\"sku\":\"%s\",\"stock\":1}";
    char first[512];
    char one[160];
    char two[160];

    snprintf(one, sizeof(one), body, "ONE");
    snprintf(two, sizeof(two), body, "TWO");
    assert_int_equal(service_call(service, "POST", "/v1/admin/products", keyed, one), 201);
    snprintf(first, sizeof(first), "%s", service->body);
    assert_int_equal(service_call(service, "POST", "/v1/admin/products", keyed, one), 201);
    assert_string_equal(service->body, first);
    assert_non_null(strstr(service->answer, "Location: /v1/admin/products/prod_"));
    assert_int_equal(service_call(service, "POST", "/v1/admin/products", keyed, two), 422);
    assert_true(service_said(service, "\"code\":\"idempotency_key_reused\""));
}

static void refused_keys_may_be_tried_again(void **state)
{
    (void)state;
    static const char keyed[] = ADMIN JSON "Idempotency-Key: again\r\n";
    static const char adjust[] = "/v1/admin/inventory/A/adjust";
    static const char less[] = "{\"delta\":-6,\"reason\":\"x\"}";
    static const char more[] = "{\"delta\":1,\"reason\":\"x\"}";
    char target[128];
    char headers[256];

    assert_int_equal(service_call(service, "POST", adjust, keyed, less), 409);
    assert_int_equal(service_call(service, "POST", adjust, ADMIN JSON, more), 200);
    assert_int_equal(service_call(service, "POST", adjust, keyed, less), 200);
    assert_null(strstr(service->answer, "Idempotent-Replayed"));
    assert_int_equal(service_call(service, "POST", adjust, keyed, less), 200);
    assert_non_null(strstr(service->answer, "Idempotent-Replayed: true\r\n"));
    /* The same of the keys that are kept here. */
    assert_int_equal(service_call(service, "POST", adjust, ADMIN JSON, more), 200);
    assert_int_equal(service_reserve(service, guest, "k", "A", 1), 201);
    hold_target("/extend", target);
    snprintf(headers, sizeof(headers), "%s" JSON "Idempotency-Key: e\r\n", guest);
    fixture_advance(&service->fixture, 601 * 1000);
    assert_int_equal(service_call(service, "POST", target, headers, "{}"), 409);
    assert_int_equal(service_call(service, "POST", target, headers, "{}"), 409);
    assert_true(service_said(service, "\"code\":\"hold_ended\""));
}

/* Releases answer the same again by themselves: their keys take no room. */
static void a_flood_of_keys_leaves_the_answers_of_staff(void **state)
{
    (void)state;
    static const char keyed[] = ADMIN JSON "Idempotency-Key: k\r\n";
    static const char body[] = "{\"name\":\"x\",\"price_minor\":1,\"currency\":\"EUR\","
                               "\"sku\":\"B\",\"stock\":1}";
    enum { RELEASES = 9000, AT_ONCE = 100 };
    static char batch[AT_ONCE * 512];
    char target[128];

    assert_int_equal(service_call(service, "POST", "/v1/admin/products", keyed, body), 201);
    assert_int_equal(service_reserve(service, guest, "k", "A", 1), 201);
    hold_target("", target);
    for (unsigned i = 0; i < RELEASES;) {
        int client = service_connect(service);
        size_t used = 0;
        for (unsigned j = 0; j < AT_ONCE; j++, i++)
            used +=
                (size_t)snprintf(batch + used, sizeof(batch) - used,
                                 "DELETE %s HTTP/1.1\r\nHost: x\r\n%s%s"
                                 "Idempotency-Key: r%u\r\n\r\n",
                                 target, guest, j + 1 == AT_ONCE ? "Connection: close\r\n" : "", i);
        service_send(service, client, batch, used);
        for (ssize_t got = -1; got != 0;) {
            got = recv(client, service->answer, SERVICE_ANSWER_MAX, MSG_DONTWAIT);
            if (got < 0)
                service_turn(service);
            else if (got > 0)
                assert_memory_equal(service->answer, "HTTP/1.1 204", 12);
        }
        close(client);
    }
    assert_int_equal(service_call(service, "POST", "/v1/admin/products", keyed, body), 201);
    assert_non_null(strstr(service->answer, "Idempotent-Replayed: true\r\n"));
}

static void an_answer_that_nobody_waits_for_is_kept(void **state)
{
    (void)state;
    static const char keyed[] = ADMIN JSON "Idempotency-Key: k\r\n";
    static const char body[] = "{\"name\":\"x\",\"price_minor\":1,\"currency\":\"EUR\","
                               "\"sku\":\"B\",\"stock\":1}";
    char headers[256];
    int client = service_connect(service);
    int other = service_connect(service);

    snprintf(headers, sizeof(headers), "%s" JSON "Idempotency-Key: k\r\n", guest);
    service->holds_commits = true;
    service_request(service, client, "POST", "/v1/admin/products", keyed, body);
    service_request(service, other, "POST", "/v1/reservations", headers,
                    "{\"sku\":\"A\",\"quantity\":2}");
    settle();
    close(client);
    close(other);
    settle();
    service->holds_commits = false;
    settle();
    assert_int_equal(service_call(service, "POST", "/v1/admin/products", keyed, body), 201);
    assert_non_null(strstr(service->answer, "Idempotent-Replayed: true\r\n"));
    assert_int_equal(service_reserve(service, guest, "k", "A", 2), 201);
    assert_non_null(strstr(service->answer, "Idempotent-Replayed: true\r\n"));
    assert_int_equal(fixture_stock(&service->fixture, "A").reserved, 2);
}

static void sessions_expire(void **state)
{
    (void)state;
    assert_int_equal(service_call(service, "GET", "/v1/reservations", guest, NULL), 200);
    fixture_advance(&service->fixture, 29LL * 24 * 3600 * 1000);
    assert_int_equal(service_call(service, "GET", "/v1/reservations", guest, NULL), 200);
    fixture_advance(&service->fixture, 2LL * 24 * 3600 * 1000);
    assert_int_equal(service_call(service, "GET", "/v1/reservations", guest, NULL), 401);
}

/* IDs of a page in the order given; the cursor, or an empty one. */
static unsigned read_page(const char *target, const char *caller, char ids_out[][40],
                          char cursor_out[64])
{
    unsigned count = 0;

    assert_int_equal(service_call(service, "GET", target, caller, NULL), 200);
    for (const char *at = service->body; (at = strstr(at, "\"id\":\"")) != NULL; at += 6) {
        memcpy(ids_out[count], at + 6, 36);
        ids_out[count++][36] = '\0';
    }
    const char *cursor = strstr(service->body, "\"next_cursor\":\"");
    cursor_out[0] = '\0';
    if (cursor != NULL)
        snprintf(cursor_out, 64, "%.36s", cursor + 15);
    return count;
}

static unsigned read_pages(const char *path, const char *caller, char ids_out[][40])
{
    char cursor[64];
    char target[160];
    unsigned total = 0;

    snprintf(target, sizeof(target), "%s?limit=4", path);
    do {
        total += read_page(target, caller, ids_out + total, cursor);
        snprintf(target, sizeof(target), "%s?limit=4&cursor=%s", path, cursor);
    } while (cursor[0] != '\0' && total < 40);
    return total;
}

static int compare_ids(const void *a, const void *b)
{
    return strcmp(a, b);
}

static void lists_gather_all_shards(void **state)
{
    (void)state;
    static char own[64][40];
    static char all[64][40];

    for (unsigned i = 0; i < 12; i++) {
        char sku[16];
        snprintf(sku, sizeof(sku), "L%u", i);
        service_product(service, sku, 1);
        assert_int_equal(service_reserve(service, guest, sku, sku, 1), 201);
        fixture_advance(&service->fixture, i % 3);
    }
    /* A caller's own: in the order of IDs. Everyone's: each once, in some order. */
    assert_int_equal(read_pages("/v1/reservations", guest, own), 12);
    for (unsigned i = 1; i < 12; i++)
        assert_true(strcmp(own[i - 1], own[i]) < 0);
    assert_int_equal(read_pages("/v1/admin/reservations", ADMIN, all), 12);
    qsort(all, 12, sizeof(all[0]), compare_ids);
    for (unsigned i = 0; i < 12; i++)
        assert_string_equal(all[i], own[i]);
}

static void import_file(char *file, size_t size, const char *prefix, unsigned rows)
{
    size_t used = (size_t)snprintf(file, size, "sku,name,price,currency,stock,description\n");

    for (unsigned i = 0; i < rows; i++)
        used +=
            (size_t)snprintf(file + used, size - used, "%s%u,x,1,EUR,%u,%0500u\n", prefix, i, i, i);
    assert_true(used < size);
}

static void an_import_is_larger_than_its_window_and_its_input(void **state)
{
    (void)state;
    static char file[1 << 20];
    int client = service_connect(service);

    /* Nothing is answered before the products are durable. */
    import_file(file, sizeof(file), "S", 6);
    service->holds_commits = true;
    service_request(service, client, "POST", "/v1/admin/import", ADMIN "Content-Type: text/csv\r\n",
                    file);
    settle();
    assert_true(recv(client, service->answer, 1, MSG_DONTWAIT) < 0);
    service->holds_commits = false;
    assert_int_equal(service_await(service, client), 200);
    assert_true(service_said(service, "\"created\":6,\"updated\":0,\"unchanged\":0,"
                                      "\"rejected\":0"));
    import_file(file, sizeof(file), "L", 400);
    service_request(service, client, "POST", "/v1/admin/import", ADMIN "Content-Type: text/csv\r\n",
                    file);
    assert_int_equal(service_await(service, client), 200);
    assert_true(service_said(service, "\"created\":400,\"updated\":0,\"unchanged\":0,"
                                      "\"rejected\":0"));
    assert_int_equal(fixture_stock(&service->fixture, "L399").stock, 399);
    close(client);
}

static void an_import_whose_client_left_ends_quietly(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 5; i++) { /* more often than may be under way at once */
        int client = service_connect(service);
        service->holds_commits = true;
        service_request(service, client, "POST", "/v1/admin/import",
                        ADMIN "Content-Type: text/csv\r\nContent-Length: 9999\r\n", NULL);
        service_send(service, client, "sku,name,price,currency\nQ1,x,1,EUR\nQ2,x,1,EUR\n", 46);
        settle();
        close(client);
        settle();
        service->holds_commits = false;
        settle();
    }
    assert_int_equal(service_call(service, "POST", "/v1/admin/import",
                                  ADMIN "Content-Type: text/csv\r\n",
                                  "sku,name,price,currency\nX,x,1,EUR\n"),
                     200);
}

/* Products that exist are read before they are changed: who leaves meanwhile leaves nothing behind.
 */
static void an_import_over_what_is_stored_may_be_left(void **state)
{
    (void)state;
    static char file[1 << 20];

    import_file(file, sizeof(file), "O", 200);
    assert_int_equal(
        service_call(service, "POST", "/v1/admin/import", ADMIN "Content-Type: text/csv\r\n", file),
        200);
    for (unsigned i = 0; i < 5; i++) {
        int client = service_connect(service);
        service->holds_commits = i % 2 == 0;
        service_request(service, client, "POST", "/v1/admin/import?stock=add",
                        ADMIN "Content-Type: text/csv\r\nContent-Length: 9999\r\n", NULL);
        service_send(service, client, file, 8000);
        if (i > 2)
            settle();
        close(client);
        settle();
        service->holds_commits = false;
        settle();
    }
    assert_int_equal(
        service_call(service, "POST", "/v1/admin/import", ADMIN "Content-Type: text/csv\r\n", file),
        200);
    assert_true(service_said(service, "\"unchanged\":200,\"rejected\":0"));
}

static void an_export_may_be_left(void **state)
{
    (void)state;
    static char file[1 << 20];

    import_file(file, sizeof(file), "E", 300);
    assert_int_equal(
        service_call(service, "POST", "/v1/admin/import", ADMIN "Content-Type: text/csv\r\n", file),
        200);
    for (unsigned i = 0; i < 12; i++) { /* more often than may be under way at once */
        int client = service_connect(service);
        service_request(service, client, "GET", "/v1/admin/export?format=ndjson", ADMIN, NULL);
        if (i % 2 == 0)
            settle();
        close(client);
    }
    settle();
    assert_int_equal(service_call(service, "GET", "/v1/admin/export?format=bulk", ADMIN, NULL),
                     200);
    settle();
}

static void imports_at_once_are_bounded(void **state)
{
    (void)state;
    int clients[8];
    unsigned refused = 0;

    for (unsigned i = 0; i < 8; i++) {
        clients[i] = service_connect(service);
        service_request(service, clients[i], "POST", "/v1/admin/import",
                        ADMIN "Content-Type: text/csv\r\nContent-Length: 10\r\n", NULL);
    }
    settle();
    for (unsigned i = 0; i < 8; i++) {
        if (recv(clients[i], service->answer, 12, MSG_DONTWAIT) == 12)
            refused += memcmp(service->answer, "HTTP/1.1 503", 12) == 0;
        close(clients[i]);
    }
    settle();
    assert_in_range(refused, 4, 6); /* two on each shard; a shard may have got fewer */
}

/* ---- options ---- */

static void levels_only(void **state)
{
    (void)state;
    service = service_new(1);
    service->options.availability_exact = false;
    service->options.secure_cookies = true;
    service_start(service);
    service_product(service, "A", 100);
    assert_int_equal(service_call(service, "GET", "/v1/skus/A/availability", "", NULL), 200);
    assert_string_equal(service->body, "{\"sku\":\"A\",\"available\":null,\"level\":\"in_stock\"}");
    assert_int_equal(service_call(service, "POST", "/v1/sessions", "", ""), 201);
    assert_non_null(strstr(service->answer, "Set-Cookie: __Host-stampede_session=sg_"));
    assert_non_null(strstr(service->answer, "; Secure\r\n"));
    service_stop(service);
}

/* A refusal tells no more than the availability does. */
static void refusals_tell_no_figures_either(void **state)
{
    (void)state;
    static const char items[] = "{\"items\":[{\"sku\":\"A\",\"quantity\":1},"
                                "{\"sku\":\"B\",\"quantity\":9}]}";
    char headers[256];

    service = service_new(1);
    service->options.availability_exact = false;
    service_start(service);
    service_guest(service, guest);
    service_product(service, "A", 2);
    service_product(service, "B", 5);
    snprintf(headers, sizeof(headers), "%s" JSON "Idempotency-Key: k\r\n", guest);
    assert_int_equal(service_reserve(service, guest, "k", "A", 3), 409);
    assert_true(service_said(service, "\"requested\":3,\"available\":null}"));
    assert_int_equal(service_call(service, "POST", "/v1/reservations", headers, items), 409);
    assert_true(service_said(service, "{\"sku\":\"B\",\"requested\":9,\"available\":null}"));
    assert_int_equal(service_reserve(service, guest, "k", "A", 2), 201);
    assert_int_equal(service_reserve(service, guest, "more", "A", 1), 409);
    assert_true(service_said(service, "\"available\":null,\"reserved\":null,\"final\":false"));
    service_stop(service);
}

static void rates_by_address_and_by_caller(void **state)
{
    (void)state;
    char other[128];
    int status = 201;

    service = service_new(1);
    service->options.rate_limits = true;
    service_start(service);
    service_product(service, "A", 100);
    service_guest(service, guest);
    service_guest(service, other);
    for (unsigned i = 0; i < 30; i++) {
        char key[16];
        snprintf(key, sizeof(key), "k%u", i);
        assert_int_equal(service_reserve(service, guest, key, "A", 1), 201);
    }
    assert_non_null(strstr(service->answer, "RateLimit: \"reserve\";r=0;t=1\r\n"));
    assert_int_equal(service_reserve(service, guest, "more", "A", 1), 429);
    assert_true(service_said(service, "\"code\":\"rate_limited\""));
    assert_non_null(strstr(service->answer, "Retry-After: 1\r\n"));
    assert_int_equal(service_reserve(service, other, "k", "A", 1), 201);
    /* New sessions do not help: they are limited by address. */
    for (unsigned i = 0; i < 60 && status == 201; i++)
        status = service_call(service, "POST", "/v1/sessions", "", "");
    assert_int_equal(status, 429);
    assert_int_equal(service_call(service, "GET", "/metrics", "", NULL), 200);
    assert_true(service_said(service, "stampede_rate_limits_enabled 1\n"));
    service_stop(service);
}

static void options_that_cannot_be(void **state)
{
    (void)state;
    char error[160] = "";

    service = service_new(1);
    service->options.admin_key = "short";
    assert_null(api_create(service->fixture.engine, &service->options, error, sizeof(error)));
    assert_non_null(strstr(error, "admin key"));
    fixture_close(&service->fixture);
    free(service);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_failed_commit_is_outcome_unknown_and_ends_everything,
                                        start, stop),
        cmocka_unit_test_setup_teardown(a_full_disk_refuses_new_holds_and_ends_old_ones, start,
                                        stop),
        cmocka_unit_test_setup_teardown(a_draining_server_takes_nothing_new, start, stop),
        cmocka_unit_test_setup_teardown(a_damaged_store_is_not_read_around, start, stop),
        cmocka_unit_test_setup_teardown(keys_of_other_writes_are_in_flight_until_durable, start,
                                        stop),
        cmocka_unit_test_setup_teardown(keys_of_products_name_their_body, start, stop),
        cmocka_unit_test_setup_teardown(refused_keys_may_be_tried_again, start, stop),
        cmocka_unit_test_setup_teardown(a_flood_of_keys_leaves_the_answers_of_staff, start, stop),
        cmocka_unit_test_setup_teardown(an_answer_that_nobody_waits_for_is_kept, start, stop),
        cmocka_unit_test_setup_teardown(sessions_expire, start, stop),
        cmocka_unit_test_setup_teardown(lists_gather_all_shards, start, stop),
        cmocka_unit_test_setup_teardown(an_import_is_larger_than_its_window_and_its_input, start,
                                        stop),
        cmocka_unit_test_setup_teardown(an_import_whose_client_left_ends_quietly, start, stop),
        cmocka_unit_test_setup_teardown(an_import_over_what_is_stored_may_be_left, start, stop),
        cmocka_unit_test_setup_teardown(an_export_may_be_left, start, stop),
        cmocka_unit_test_setup_teardown(imports_at_once_are_bounded, start, stop),
        cmocka_unit_test(levels_only),
        cmocka_unit_test(refusals_tell_no_figures_either),
        cmocka_unit_test(rates_by_address_and_by_caller),
        cmocka_unit_test(options_that_cannot_be),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
