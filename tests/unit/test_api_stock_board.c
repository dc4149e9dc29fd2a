/* SPDX-License-Identifier: Apache-2.0 */
/* The board of watched SKUs: what is told to whom, once, at its newest; going on by an ID; nobody
 * left out however they come, go and dawdle. And the streams of it through the API. */
#include "api/api_shard.h"
#include "api/stock_board.h"
#include "api/stock_stream.h"
#include "api_fixture.h"

enum { SKUS = 8, RUN = 0x5f3a9c21 };

static struct sku_entry skus[SKUS];
static struct stock_board board;

static void set(unsigned sku, uint32_t available)
{
    atomic_store(&skus[sku].gate.word, available);
}

static int setup(void **state)
{
    (void)state;
    memset(skus, 0, sizeof(skus));
    for (unsigned i = 0; i < SKUS; i++) {
        skus[i].sku_id = i * 1000003;
        skus[i].sku_length = (uint8_t)snprintf(skus[i].sku, sizeof(skus[i].sku), "S%u", i);
        atomic_store(&skus[i].gate.stock, 1000);
        atomic_store(&skus[i].state, SKU_ON_SALE);
        set(i, 1000);
    }
    stock_board_init(&board, RUN, 3, true);
    return 0;
}

static struct stock_subscriber *join(unsigned first, unsigned count)
{
    const struct sku_entry *entries[SKUS];
    struct stock_subscriber *subscriber = calloc(1, sizeof(*subscriber));

    assert_non_null(subscriber);
    subscriber->links = calloc(count, sizeof(*subscriber->links));
    assert_non_null(subscriber->links);
    for (unsigned i = 0; i < count; i++)
        entries[i] = &skus[first + i];
    assert_true(stock_board_join(&board, subscriber, entries, count));
    return subscriber;
}

static void leave(struct stock_subscriber *subscriber)
{
    stock_board_leave(&board, subscriber);
    free(subscriber->links);
    free(subscriber);
}

/* What it is given now, as text. */
static const char *given(struct stock_subscriber *subscriber)
{
    static char text[STOCK_BATCH_BYTES_MAX + 1];
    struct writer writer = writer_fixed(text, sizeof(text) - 1);

    stock_board_write(&board, subscriber, &writer);
    text[writer_length(&writer)] = '\0';
    return text;
}

static unsigned events_in(const char *text)
{
    unsigned count = 0;

    while ((text = strstr(text, "event: stock\n")) != NULL) {
        count++;
        text++;
    }
    return count;
}

static void scan_round(void)
{
    stock_board_begin(&board);
    while (!stock_board_scan(&board, 2))
        ;
}

static void first_all_then_what_changes(void **state)
{
    (void)state;
    struct stock_subscriber *one = join(0, 3);

    assert_string_equal(
        given(one), "event: stock\ndata: {\"sku\":\"S0\",\"available\":1000,\"level\":\"in_stock\"}"
                    "\n\nevent: stock\ndata: {\"sku\":\"S1\",\"available\":1000,\"level\":"
                    "\"in_stock\"}\n\n"
                    "id: 5f3a9c21-3-00721c16-3\nevent: stock\ndata: {\"sku\":\"S2\","
                    "\"available\":1000,\"level\":\"in_stock\"}\n\n");
    assert_string_equal(given(one), "");
    scan_round();
    assert_null(stock_board_take_due(&board));
    set(1, 100);
    set(1, 99);
    set(7, 1); /* nobody watches it */
    scan_round();
    assert_ptr_equal(stock_board_take_due(&board), one);
    assert_null(stock_board_take_due(&board));
    assert_non_null(strstr(given(one), "\"S1\",\"available\":99,\"level\":\"low\"}"));
    set(1, 0);
    scan_round();
    set(1, 500); /* back before it was given */
    scan_round();
    assert_non_null(stock_board_take_due(&board));
    const char *text = given(one);
    assert_int_equal(events_in(text), 1);
    assert_non_null(strstr(text, "\"available\":500,"));
    leave(one);
    assert_int_equal(board.row_count, 0);
    stock_board_free(&board);
}

static void a_change_is_rendered_once_for_all(void **state)
{
    enum { READERS = 500 };
    struct stock_subscriber *readers[READERS];
    unsigned due = 0;

    (void)state;
    for (unsigned i = 0; i < READERS; i++) {
        readers[i] = join(i % 2, 2);
        given(readers[i]);
    }
    assert_int_equal(board.row_count, 3);
    assert_int_equal(board.renders, 3);
    set(1, 5);
    scan_round();
    assert_int_equal(board.renders, 4);
    for (struct stock_subscriber *one; (one = stock_board_take_due(&board)) != NULL; due++)
        assert_int_equal(events_in(given(one)), 1);
    assert_int_equal(due, READERS);
    for (unsigned i = 0; i < READERS; i++)
        leave(readers[i]);
    stock_board_free(&board);
}

static void who_is_put_off_is_due_in_the_next_round(void **state)
{
    (void)state;
    struct stock_subscriber *slow = join(0, 2);
    struct stock_subscriber *gone = join(0, 1);
    struct stock_subscriber *quick = join(0, 1);

    given(slow);
    given(gone);
    given(quick);
    set(0, 10);
    scan_round();
    assert_ptr_equal(stock_board_take_due(&board), quick); /* the newest stands first in the row */
    given(quick);
    assert_ptr_equal(stock_board_take_due(&board), gone);
    stock_board_put_off(&board, gone);
    assert_ptr_equal(stock_board_take_due(&board), slow);
    stock_board_put_off(&board, slow);
    assert_null(stock_board_take_due(&board));
    leave(gone);
    set(1, 7);
    set(0, 9);
    scan_round();
    assert_ptr_equal(stock_board_take_due(&board), slow);
    const char *text = given(slow);
    assert_int_equal(events_in(text), 2);
    assert_non_null(strstr(text, "\"available\":9,"));
    assert_non_null(strstr(text, "\"available\":7,"));
    assert_ptr_equal(stock_board_take_due(&board), quick);
    assert_null(stock_board_take_due(&board));
    leave(slow);
    leave(quick);
    assert_null(stock_board_take_due(&board));
    stock_board_free(&board);
}

static void id_in(const char *text, char id_out[STOCK_ID_LENGTH_MAX + 1])
{
    const char *id = strstr(text, "id: ");

    assert_non_null(id);
    snprintf(id_out, STOCK_ID_LENGTH_MAX + 1, "%.*s", (int)strcspn(id + 4, "\n"), id + 4);
}

static bool resume(struct stock_subscriber *subscriber, const char *id)
{
    return stock_board_resume(&board, subscriber, id, strlen(id));
}

static void who_comes_again_is_told_what_changed(void **state)
{
    char id[STOCK_ID_LENGTH_MAX + 1];
    char other[STOCK_ID_LENGTH_MAX + 2];
    struct stock_subscriber *stays = join(0, 4); /* keeps the rows */
    struct stock_subscriber *first = join(0, 3);

    (void)state;
    id_in(given(first), id);
    leave(first);
    set(2, 20);
    struct stock_subscriber *again = join(0, 3);
    assert_true(resume(again, id));
    const char *text = given(again);
    assert_int_equal(events_in(text), 1);
    assert_non_null(strstr(text, "\"S2\",\"available\":20,"));
    leave(again);

    /* Of other SKUs, another run or shard, or of the future: all is told. */
    again = join(0, 4);
    assert_false(resume(again, id));
    assert_int_equal(events_in(given(again)), 4);
    leave(again);
    static const char *const wrong[] = {"", "1", "x", "5f3a9c21-3-", "99999999999999999999"};
    again = join(0, 3);
    for (unsigned i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        assert_false(resume(again, wrong[i]));
    for (unsigned place = 0; place < strlen(id); place++) {
        memcpy(other, id, strlen(id) + 1);
        other[place] = 'z';
        assert_false(resume(again, other));
    }
    snprintf(other, sizeof(other), "%s9", id);
    assert_false(resume(again, other));
    assert_int_equal(events_in(given(again)), 3);
    leave(again);
    leave(stays);

    /* Rows that nobody kept count as changed. */
    again = join(0, 3);
    assert_true(resume(again, id));
    assert_int_equal(events_in(given(again)), 3);
    leave(again);
    stock_board_free(&board);
}

static void numbers_that_are_not_told_change_nothing(void **state)
{
    (void)state;
    board.is_exact = false;
    struct stock_subscriber *one = join(0, 1);

    assert_non_null(strstr(given(one), "\"available\":null,\"level\":\"in_stock\"}"));
    set(0, 900);
    scan_round();
    assert_null(stock_board_take_due(&board));
    set(0, 100);
    scan_round();
    assert_ptr_equal(stock_board_take_due(&board), one);
    assert_non_null(strstr(given(one), "\"available\":null,\"level\":\"low\"}"));
    leave(one);
    stock_board_free(&board);
}

static void a_sku_twice_counts_once(void **state)
{
    (void)state;
    const struct sku_entry *entries[] = {&skus[0], &skus[1], &skus[0]};
    struct stock_link links[3];
    struct stock_subscriber one = {.links = links};

    assert_true(stock_board_join(&board, &one, entries, 3));
    assert_int_equal(one.link_count, 2);
    assert_int_equal(events_in(given(&one)), 2);
    stock_board_leave(&board, &one);
    stock_board_free(&board);
}

/* Against the plainest model: what each reader knows, after whatever happened, is how it is. */
static void readers_know_how_it_is(void **state)
{
    enum { READERS = 12, STEPS = 20000 };
    struct {
        struct stock_subscriber *subscriber;
        unsigned first;
        unsigned count;
        uint32_t known[SKUS];
        char id[STOCK_ID_LENGTH_MAX + 1];
    } readers[READERS] = {0};
    uint64_t random = 0x9e3779b97f4a7c15;

    (void)state;
    for (unsigned step = 0; step < STEPS; step++) {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        unsigned who = (unsigned)(random >> 8) % READERS;
        unsigned what = (unsigned)(random >> 24) % 16;
        unsigned sku = (unsigned)(random >> 32) % SKUS;
        struct stock_subscriber *due = NULL;
        const char *text = NULL;

        if (what < 6) {
            set(sku, (uint32_t)(random >> 40) % 4);
        } else if (what < 8) {
            stock_board_begin(&board);
            stock_board_scan(&board, (uint32_t)(random >> 40) % SKUS + 1);
        } else if (what == 8 && readers[who].subscriber == NULL) {
            if (readers[who].count == 0 || sku < 2) { /* a new one, not one that comes again */
                readers[who].first = sku;
                readers[who].count = 1 + (unsigned)(random >> 48) % (SKUS - sku);
                readers[who].id[0] = '\0';
            }
            readers[who].subscriber = join(readers[who].first, readers[who].count);
            resume(readers[who].subscriber, readers[who].id);
            due = readers[who].subscriber;
        } else if (what == 9 && readers[who].subscriber != NULL) {
            leave(readers[who].subscriber);
            readers[who].subscriber = NULL;
        } else {
            due = stock_board_take_due(&board);
            if (due != NULL && what == 10) {
                stock_board_put_off(&board, due);
                due = NULL;
            }
        }
        for (unsigned i = 0; due != NULL && i < READERS; i++) {
            if (readers[i].subscriber != due)
                continue;
            text = given(due);
            if (*text != '\0')
                id_in(text, readers[i].id);
            for (; (text = strstr(text, "\"sku\":\"S")) != NULL; text++) {
                unsigned found = (unsigned)(text[8] - '0');
                assert_in_range(found, readers[i].first, readers[i].first + readers[i].count - 1);
                readers[i].known[found] = (uint32_t)strtoul(text + 23, NULL, 10);
            }
        }
    }
    /* All that is due is given, twice round because of those that were put off. */
    for (unsigned round = 0; round < 2; round++) {
        scan_round();
        for (struct stock_subscriber *due; (due = stock_board_take_due(&board)) != NULL;) {
            for (unsigned i = 0; i < READERS; i++) {
                if (readers[i].subscriber != due)
                    continue;
                for (const char *text = given(due); (text = strstr(text, "\"sku\":\"S")) != NULL;
                     text++)
                    readers[i].known[text[8] - '0'] = (uint32_t)strtoul(text + 23, NULL, 10);
            }
        }
    }
    for (unsigned i = 0; i < READERS; i++) {
        if (readers[i].subscriber == NULL)
            continue;
        for (unsigned sku = readers[i].first; sku < readers[i].first + readers[i].count; sku++)
            assert_int_equal(readers[i].known[sku], gate_available(&skus[sku].gate));
        leave(readers[i].subscriber);
    }
    assert_int_equal(board.row_count, 0);
    stock_board_free(&board);
}

/* ---- through the API ---- */

static struct service *service;

static struct api_counters *counters(void)
{
    return &service->api->shards[0].counters;
}

static int listen_to(const char *headers, const char *target)
{
    char lines[512];
    int client = service_connect(service);

    snprintf(lines, sizeof(lines), "Accept: text/event-stream\r\n%s", headers);
    service_request(service, client, "GET", target, lines, NULL);
    return client;
}

/* Turns until `wanted` has come. */
static void await_text(int client, const char *wanted)
{
    size_t used = 0;

    for (unsigned turn = 0; turn < SERVICE_TURNS_MAX; turn++) {
        ssize_t count =
            recv(client, service->answer + used, sizeof(service->answer) - 1 - used, MSG_DONTWAIT);
        if (count > 0)
            used += (size_t)count;
        service->answer[used] = '\0';
        if (strstr(service->answer, wanted) != NULL)
            return;
        service_turn(service);
        usleep(100);
    }
    fail_msg("%s did not come: %s", wanted, service->answer);
}

static void adjust(unsigned available)
{
    char body[64];

    snprintf(body, sizeof(body), "{\"set\":%u,\"reason\":\"t\"}", available);
    assert_int_equal(
        service_call(service, "POST", "/v1/admin/inventory/A/adjust", ADMIN JSON, body), 200);
}

static void streams_are_bounded(void **state)
{
    (void)state;
    int clients[6];

    service = service_new(1);
    service->options.http.streams_max = 4;
    service->options.http.exchanges_max = 2; /* streams do not count as requests in flight */
    service->options.rate_limits = true;
    service->options.streams_per_address_max = 3;
    service->options.stream_heartbeat_ms = 50;
    service_start(service);
    service_product(service, "A", 50);
    for (unsigned i = 0; i < 3; i++) {
        clients[i] = listen_to("", "/v1/skus/A/availability");
        await_text(clients[i], "\"available\":50,");
    }
    clients[3] = listen_to("", "/v1/skus/availability?sku=A");
    assert_int_equal(service_await(service, clients[3]), 429);
    assert_true(service_said(service, "rate_limited"));
    assert_non_null(strstr(service->answer, "Retry-After: 10\r\n"));
    adjust(7);
    for (unsigned i = 0; i < 3; i++)
        await_text(clients[i], "\"available\":7,");
    await_text(clients[0], "3\r\n:\n\n\r\n");
    close(clients[0]);
    for (unsigned turn = 0; turn < 2000 && counter_read(&counters()->stock_streams) == 3; turn++)
        service_turn(service);
    assert_int_equal(counter_read(&counters()->stock_streams), 2);
    clients[0] = listen_to("", "/v1/skus/A/availability");
    await_text(clients[0], "\"available\":7,");
    service->api->options.streams_per_address_max = 0;
    clients[4] = listen_to("", "/v1/skus/A/availability");
    await_text(clients[4], "\"available\":7,");
    clients[5] = listen_to("", "/v1/skus/A/availability");
    assert_int_equal(service_await(service, clients[5]), 503);
    for (unsigned i = 0; i < 6; i++)
        close(clients[i]);
    service_stop(service);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(first_all_then_what_changes, setup),
        cmocka_unit_test_setup(a_change_is_rendered_once_for_all, setup),
        cmocka_unit_test_setup(who_is_put_off_is_due_in_the_next_round, setup),
        cmocka_unit_test_setup(who_comes_again_is_told_what_changed, setup),
        cmocka_unit_test_setup(numbers_that_are_not_told_change_nothing, setup),
        cmocka_unit_test_setup(a_sku_twice_counts_once, setup),
        cmocka_unit_test_setup(readers_know_how_it_is, setup),
        cmocka_unit_test(streams_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
