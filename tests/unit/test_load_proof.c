/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The load generator's proof finds every way in which answers and books can contradict each other.
 * The books are a small HTTP server on a thread of this test, which can be made to lie.
 */
#include <netinet/in.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "load_proof.h"

enum {
    ENTRIES_MAX = 16,
    TEXT_BYTES_MAX = 8192,
    STOCK = 3,
};

static const char sku[] = "HOT/1";

/* ---- the books ---- */

struct entry {
    const char *id;
    const char *status;
    const char *sku;
    int quantity;
};

static struct books {
    pthread_mutex_t lock;
    pthread_t thread;
    int listener;
    uint16_t port;
    int stock, available, reserved, sold;
    struct entry entries[ENTRIES_MAX];
    int count;
} books = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void answer_render(const char *request, char *body, size_t capacity)
{
    pthread_mutex_lock(&books.lock);
    if (strncmp(request, "GET /v1/admin/inventory/HOT%2F1 ", 32) == 0) {
        snprintf(body, capacity,
                 "{\"sku\":\"%s\",\"stock\":%d,\"available\":%d,\"reserved\":%d,\"sold\":%d}", sku,
                 books.stock, books.available, books.reserved, books.sold);
    } else {
        /* Two entries a page, to have pages. */
        const char *cursor = strstr(request, "cursor=");
        int first = cursor != NULL ? atoi(cursor + 7) : 0;
        int used = snprintf(body, capacity, "{\"data\":[");
        int at = first;
        for (; at < books.count && at < first + 2; at++) {
            const struct entry *entry = &books.entries[at];
            used += snprintf(body + used, capacity - (size_t)used,
                             "%s{\"id\":\"%s\",\"status\":\"%s\",\"items\":[{\"sku\":\"%s\","
                             "\"quantity\":%d}]}",
                             at > first ? "," : "", entry->id, entry->status, entry->sku,
                             entry->quantity);
        }
        if (at < books.count) {
            snprintf(body + used, capacity - (size_t)used, "],\"next_cursor\":\"%d\"}", at);
        } else {
            snprintf(body + used, capacity - (size_t)used, "],\"next_cursor\":null}");
        }
    }
    pthread_mutex_unlock(&books.lock);
}

/* One connection at a time, one request at a time: GET without a body. */
static void *books_serve(void *unused)
{
    static char request[TEXT_BYTES_MAX];
    static char body[TEXT_BYTES_MAX];
    static char wire[TEXT_BYTES_MAX + 256];
    (void)unused;
    for (;;) {
        int peer = accept(books.listener, NULL, NULL);
        if (peer < 0) {
            return NULL;
        }
        ssize_t length;
        while ((length = recv(peer, request, sizeof request - 1, 0)) > 0) {
            request[length] = '\0';
            answer_render(request, body, sizeof body);
            int size =
                snprintf(wire, sizeof wire, "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n%s",
                         strlen(body), body);
            send(peer, wire, (size_t)size, MSG_NOSIGNAL);
        }
        close(peer);
    }
}

static int books_open(void **state)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    (void)state;
    books.listener = socket(AF_INET, SOCK_STREAM, 0);
    if (bind(books.listener, (struct sockaddr *)&address, length) < 0 ||
        listen(books.listener, 4) < 0 ||
        getsockname(books.listener, (struct sockaddr *)&address, &length) < 0) {
        return -1;
    }
    books.port = ntohs(address.sin_port);
    return pthread_create(&books.thread, NULL, books_serve, NULL);
}

static int books_close(void **state)
{
    (void)state;
    shutdown(books.listener, SHUT_RDWR);
    pthread_join(books.thread, NULL);
    close(books.listener);
    return 0;
}

static void books_set(int stock, int available, int reserved, int sold)
{
    pthread_mutex_lock(&books.lock);
    books.stock = stock;
    books.available = available;
    books.reserved = reserved;
    books.sold = sold;
    pthread_mutex_unlock(&books.lock);
}

static void books_add(const char *id, const char *status, const char *entry_sku, int quantity)
{
    pthread_mutex_lock(&books.lock);
    books.entries[books.count++] = (struct entry){id, status, entry_sku, quantity};
    pthread_mutex_unlock(&books.lock);
}

/* The entry number `row` now says this. */
static void books_change(int row, const char *status, int quantity)
{
    pthread_mutex_lock(&books.lock);
    books.entries[row].status = status;
    books.entries[row].quantity = quantity;
    pthread_mutex_unlock(&books.lock);
}

/* Only the first `count` entries are left. */
static void books_cut(int count)
{
    pthread_mutex_lock(&books.lock);
    books.count = count;
    pthread_mutex_unlock(&books.lock);
}

/* ---- the answers ---- */

static struct load_options options;
static struct load_admin admin;
static struct load_skus skus;
static struct load_proof proof;
static struct load_run *run;
static struct load_verdict verdict;

/* A product of STOCK units of which none is taken, and a run that has not begun. */
static int day_open(void **state)
{
    struct load_address address = {.length = sizeof(struct sockaddr_in)};
    struct sockaddr_in *in = (struct sockaddr_in *)(void *)&address.storage;
    (void)state;
    *in = (struct sockaddr_in){.sin_family = AF_INET,
                               .sin_port = htons(books.port),
                               .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    books_cut(0);
    books_set(STOCK, STOCK, 0, 0);
    options = (struct load_options){.target = "the test", .authority = "test", .admin_key = "k"};
    run = calloc(1, sizeof *run);
    assert_non_null(run);
    assert_true(load_admin_open(&admin, &options, &address));
    assert_true(load_skus_open(&skus, 1));
    assert_true(load_skus_add(&skus, sku, strlen(sku)));
    assert_true(load_answers_open(&run->answers, 100));
    load_verdict_clear(&verdict);
    return 0;
}

static int day_close(void **state)
{
    (void)state;
    load_proof_close(&proof);
    load_answers_close(&run->answers);
    load_skus_close(&skus);
    load_admin_close(&admin);
    free(run);
    return 0;
}

static void begin(void)
{
    assert_true(load_proof_begin(&proof, &admin, &skus));
}

/* A buyer is told that the reservation `id` is theirs. */
static void told(const char *id)
{
    struct load_answers *answers = &run->answers;
    uint32_t attempt = answers->attempts_count++;
    struct load_hold *hold = &answers->holds[answers->holds_count++];
    answers->attempts[attempt] = (struct load_attempt){.state = LOAD_ATTEMPT_HELD, .tries = 1};
    *hold = (struct load_hold){.attempt = attempt};
    snprintf(hold->id, sizeof hold->id, "%s", id);
    skus.rows[0].held++;
}

static void refused(void)
{
    skus.rows[0].sold_out++;
    skus.rows[0].last_sold_out_ns = 1;
}

static void judge(bool ok)
{
    assert_true(load_proof_finish(&proof, run, &verdict));
    if (verdict.ok != ok) {
        fail_msg("the verdict is %s; first problem: %s", verdict.ok ? "ok" : "wrong",
                 verdict.problems_count > 0 ? verdict.problems[0] : "none");
    }
}

/* The only check that fails is the one of this name. */
static void judge_wrong(const char *name)
{
    judge(false);
    for (uint32_t i = 0; i < verdict.checks_count; i++) {
        const struct load_check *check = &verdict.checks[i];
        if (check->ok == (strcmp(check->name, name) == 0)) {
            fail_msg("\"%s\" is %s", check->name, check->ok ? "ok" : "wrong");
        }
    }
    assert_true(verdict.problems_count > 0);
}

/* Three buyers, three units, as it should be. */
static void sell_out(void)
{
    static const char *const ids[] = {"res_a", "res_b", "res_c"};
    begin();
    for (size_t i = 0; i < STOCK; i++) {
        told(ids[i]);
        books_add(ids[i], "held", sku, 1);
    }
    books_set(STOCK, 0, STOCK, 0);
    refused();
}

/* ---- the tests ---- */

static void a_sale_that_agrees_is_ok(void **state)
{
    (void)state;
    sell_out();
    judge(true);
    assert_int_equal(proof.totals.acknowledged, STOCK);
    assert_int_equal(proof.totals.live_units, STOCK);
    assert_int_equal(proof.totals.oversold_units, 0);
}

static void what_ended_and_what_converted_is_counted(void **state)
{
    (void)state;
    sell_out();
    books_change(0, "converted", 1);
    books_change(1, "expired", 1);
    books_set(STOCK, 1, 1, 1);
    judge(true);
    assert_int_equal(proof.totals.converted_units, 1);
    assert_int_equal(proof.totals.ended_units, 1);
}

static void what_was_there_before_the_run_is_told_apart(void **state)
{
    (void)state;
    books_add("res_early", "held", sku, 1);
    books_add("res_sold", "converted", sku, 1);
    books_set(STOCK, 1, 1, 1);
    begin();
    told("res_a");
    books_add("res_a", "held", sku, 1);
    books_set(STOCK, 0, 2, 1);
    judge(true);
    assert_int_equal(proof.totals.unacknowledged, 0);
}

static void an_answer_that_was_lost_explains_an_entry(void **state)
{
    (void)state;
    sell_out();
    run->answers.holds_count--;
    skus.rows[0].unknown = 1;
    judge(true);
    assert_int_equal(proof.totals.unacknowledged, 1);
}

static void an_acknowledged_reservation_that_is_gone_is_found(void **state)
{
    (void)state;
    sell_out();
    books_cut(STOCK - 1);
    books_set(STOCK, 1, 2, 0);
    skus.rows[0].sold_out = 0;
    judge_wrong("every acknowledged reservation is in the books");
    assert_int_equal(proof.totals.lost, 1);
}

static void a_reservation_of_something_else_is_found(void **state)
{
    (void)state;
    sell_out();
    books_change(2, "held", 2);
    books_set(STOCK + 1, 0, STOCK + 1, 0);
    judge_wrong("every acknowledged reservation is in the books");
}

static void a_reservation_that_no_one_was_told_of_is_found(void **state)
{
    (void)state;
    sell_out();
    run->answers.holds_count--;
    judge_wrong("every reservation in the books has one buyer");
}

static void a_reservation_told_to_two_buyers_is_found(void **state)
{
    (void)state;
    sell_out();
    told("res_a");
    judge_wrong("every reservation in the books has one buyer");
}

static void books_that_do_not_add_up_are_found(void **state)
{
    (void)state;
    sell_out();
    skus.rows[0].sold_out = 0;
    books_set(STOCK, 1, STOCK, 0);
    judge_wrong("stock = available + reserved + sold");
}

static void counters_that_their_reservations_deny_are_found(void **state)
{
    (void)state;
    sell_out();
    skus.rows[0].sold_out = 0;
    books_set(STOCK, 1, STOCK - 1, 0);
    judge_wrong("books and reservations agree");
}

/* The counters hide it, the entries tell. */
static void a_unit_sold_twice_is_found(void **state)
{
    (void)state;
    sell_out();
    told("res_d");
    books_add("res_d", "held", sku, 1);
    judge(false);
    assert_int_equal(proof.totals.oversold_units, 1);
}

static void a_refusal_while_units_are_left_is_found(void **state)
{
    (void)state;
    begin();
    told("res_a");
    books_add("res_a", "held", sku, 1);
    books_set(STOCK, STOCK - 1, 1, 0);
    refused();
    judge_wrong("no one refused while units are left");
}

static void a_refusal_just_after_lost_answers_is_forgiven(void **state)
{
    (void)state;
    begin();
    told("res_a");
    books_add("res_a", "held", sku, 1);
    books_set(STOCK, STOCK - 1, 1, 0);
    refused();
    run->last_trouble_ns = 1;
    judge(true);
}

static void a_strange_answer_is_found(void **state)
{
    (void)state;
    run->counters.by_status[201] = 5;
    run->counters.by_status[409] = 7;
    load_proof_check_answers(run, &verdict);
    assert_true(verdict.ok);
    run->counters.by_status[500] = 1;
    load_proof_check_answers(run, &verdict);
    assert_false(verdict.ok);
}

#define DAY(test) cmocka_unit_test_setup_teardown(test, day_open, day_close)

int main(void)
{
    const struct CMUnitTest tests[] = {
        DAY(a_sale_that_agrees_is_ok),
        DAY(what_ended_and_what_converted_is_counted),
        DAY(what_was_there_before_the_run_is_told_apart),
        DAY(an_answer_that_was_lost_explains_an_entry),
        DAY(an_acknowledged_reservation_that_is_gone_is_found),
        DAY(a_reservation_of_something_else_is_found),
        DAY(a_reservation_that_no_one_was_told_of_is_found),
        DAY(a_reservation_told_to_two_buyers_is_found),
        DAY(books_that_do_not_add_up_are_found),
        DAY(counters_that_their_reservations_deny_are_found),
        DAY(a_unit_sold_twice_is_found),
        DAY(a_refusal_while_units_are_left_is_found),
        DAY(a_refusal_just_after_lost_answers_is_forgiven),
        DAY(a_strange_answer_is_found),
    };
    return cmocka_run_group_tests(tests, books_open, books_close);
}
