/* SPDX-License-Identifier: Apache-2.0 */
/* What is shared between threads, with threads: mailbox, gate, key filter, and a whole engine with
 * its shards and committer on threads of their own. Run under ThreadSanitizer by scripts/test. */
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "env_real.h"
#include "inspect.h"
#include "journal_memory.h"
#include "mailbox.h"
#include "secrets_file.h"

static struct secrets no_secrets; /* all zero */

/* ---- mailbox ---- */

enum { MESSAGES = 200000 };

static void *produce(void *arg)
{
    struct mailbox *mailbox = arg;

    for (uint64_t i = 0; i < MESSAGES;) {
        struct message *message = mailbox_begin(mailbox, MESSAGE_CLASS_REQUEST);

        if (message == NULL) {
            sched_yield();
            continue;
        }
        message->size = message_size(MESSAGE_STOCK_GET, 0);
        message->type = MESSAGE_STOCK_GET;
        message->cookie = i;
        message->stock.sku_id = (uint32_t)(i * 3);
        mailbox_commit(mailbox);
        i++;
    }
    return NULL;
}

static void mailbox_keeps_order_and_loses_nothing(void **state)
{
    size_t bytes = mailbox_bytes(8, 8);
    void *memory = aligned_alloc(64, bytes);
    struct mailbox *mailbox;
    pthread_t thread;

    (void)state;
    memset(memory, 0, bytes);
    mailbox = mailbox_init(memory, 8, 8);
    pthread_create(&thread, NULL, produce, mailbox);
    for (uint64_t i = 0; i < MESSAGES;) {
        struct message *message = mailbox_pop(mailbox);

        if (message == NULL) {
            sched_yield();
            continue;
        }
        assert_true(message->cookie == i && message->stock.sku_id == (uint32_t)(i * 3));
        i++;
    }
    pthread_join(thread, NULL);
    assert_int_equal(mailbox_depth(mailbox), 0);
    free(memory);
}

static void mailbox_keeps_room_for_completions(void **state)
{
    struct message request = {.size = message_size(MESSAGE_STOCK_GET, 0),
                              .type = MESSAGE_STOCK_GET};
    struct message reply = {.size = message_size(MESSAGE_REPLY, 0), .type = MESSAGE_REPLY};
    void *memory = aligned_alloc(64, mailbox_bytes(2, 3));
    struct mailbox *mailbox;

    (void)state;
    memset(memory, 0, mailbox_bytes(2, 3));
    mailbox = mailbox_init(memory, 2, 3);
    assert_true(mailbox_push(mailbox, &request));
    assert_true(mailbox_push(mailbox, &request));
    assert_false(mailbox_push(mailbox, &request));
    for (int i = 0; i < 3; i++)
        assert_true(mailbox_push(mailbox, &reply));
    assert_int_equal(mailbox_depth(mailbox), 5);
    free(memory);
}

/* ---- gate and key filter ---- */

enum { STOCK = 10000, CLAIMERS = 4 };

static struct gate gate;
static _Atomic uint32_t claimed;

static void *claim_all(void *arg)
{
    uint32_t mine = 0;

    (void)arg;
    for (int misses = 0; misses < 100;) {
        if (gate_claim(&gate, 1 + mine % 3)) {
            if (mine % 7 == 0)
                gate_return(&gate, 1 + mine % 3);
            else
                atomic_fetch_add(&claimed, 1 + mine % 3);
            mine++;
        } else {
            misses++;
        }
    }
    while (gate_claim(&gate, 1))
        atomic_fetch_add(&claimed, 1);
    return NULL;
}

static void gate_gives_out_exactly_its_units(void **state)
{
    pthread_t threads[CLAIMERS];

    (void)state;
    gate_credit(&gate, STOCK);
    for (int i = 0; i < CLAIMERS; i++)
        pthread_create(&threads[i], NULL, claim_all, NULL);
    for (int i = 0; i < CLAIMERS; i++)
        pthread_join(threads[i], NULL);
    while (gate_claim(&gate, 1)) /* what another returned after the last had looked */
        atomic_fetch_add(&claimed, 1);
    assert_int_equal(atomic_load(&claimed), STOCK);
    assert_int_equal(gate_available(&gate), 0);
    assert_int_equal(gate_claimed(&gate), STOCK);
    gate_resolve(&gate, STOCK);
    assert_int_equal(gate_claimed(&gate), 0);
}

/* A rush that leaves the owner no time to let the filter grow. */
static void key_filter_expects_a_rush(void **state)
{
    enum { KEYS = 4096 };
    struct env_real *env = env_real_create(1);
    struct env port = env_real_port(env);
    struct block_pool pool;
    struct key_filter filter;
    struct hash_key seed = {{3, 4}};
    uint32_t false_positives = 0;
    uint16_t generation;

    (void)state;
    block_pool_init(&pool, &port);
    assert_true(key_filter_init(&filter, &pool, 0));
    key_filter_expect(&filter, &pool, KEYS);
    key_filter_expect(&filter, &pool, KEYS); /* there already is room */
    for (uint32_t i = 0; i < KEYS; i++) {
        struct hash128 key = hash_bytes_128(&seed, &i, sizeof(i));

        false_positives += key_filter_set(&filter, &key, &generation);
    }
    assert_true(false_positives < KEYS / 50);
    key_filter_tend(&filter, &pool, &(struct hash128){{1, 2}}, 0, 1, INT64_MAX);
    key_filter_expect(&filter, &pool, KEYS); /* a generation in front: what was set stays */
    for (uint32_t i = 0; i < KEYS; i++) {
        struct hash128 key = hash_bytes_128(&seed, &i, sizeof(i));

        assert_true(key_filter_test(&filter, &key));
    }
    block_pool_destroy(&pool);
    env_real_destroy(env);
}

static void key_filter_forgets_no_key(void **state)
{
    enum { KEYS = 5000 };
    struct env_real *env = env_real_create(1);
    struct env port = env_real_port(env);
    struct block_pool pool;
    struct key_filter filter;
    struct hash_key seed = {{1, 2}};
    uint32_t false_positives = 0;
    uint16_t generation;
    uint16_t again;

    (void)state;
    block_pool_init(&pool, &port);
    assert_true(key_filter_init(&filter, &pool, 100));
    for (uint32_t i = 0; i < KEYS; i++) {
        struct hash128 key = hash_bytes_128(&seed, &i, sizeof(i));

        key_filter_set(&filter, &key, &generation);
        assert_true(key_filter_set(&filter, &key, &again)); /* the second one must not claim */
        assert_null(key_filter_tend(&filter, &pool, &key, generation, i, INT64_MAX));
    }
    for (uint32_t i = 0; i < 2 * KEYS; i++) {
        struct hash128 key = hash_bytes_128(&seed, &i, sizeof(i));

        if (i < KEYS)
            assert_true(key_filter_test(&filter, &key));
        else
            false_positives += key_filter_test(&filter, &key);
    }
    assert_true(false_positives < KEYS / 20);
    /* Old generations go, one at a time, once all their keys are past retention. */
    for (uint32_t i = 0; i < 100000; i++) {
        struct hash128 key = hash_bytes_128(&seed, &i, sizeof(i));

        struct key_filter_generation *expired =
            key_filter_tend(&filter, &pool, &key, 0, 1000000 + i, 10);

        if (expired != NULL)
            key_filter_generation_free(expired);
    }
    block_pool_destroy(&pool);
    env_real_destroy(env);
}

/* ---- a whole engine on threads ---- */

enum { SHARDS = 2, BUYERS = 40000, UNITS = 1500, WINDOW = 64 };

struct client {
    struct engine *engine;
    _Atomic uint32_t held;
    _Atomic uint32_t refused;
    _Atomic uint32_t answered;
    uint32_t sent[SHARDS];
    uint32_t open[SHARDS];
    bool product_sent;
    _Atomic bool product_ready;
};

static void on_reply(void *user, uint64_t cookie, const struct message *reply)
{
    struct client *client = user;

    if (reply->reply.answers == MESSAGE_PRODUCT_SUBMIT) {
        assert_int_equal(reply->reply.outcome, OUTCOME_OK);
        atomic_store(&client->product_ready, true);
        return;
    }
    client->open[cookie]--;
    atomic_fetch_add(&client->answered, 1);
    if (reply->reply.outcome == OUTCOME_OK && !reply->reply.replayed)
        atomic_fetch_add(&client->held, 1);
    else if (reply->reply.outcome == OUTCOME_SOLD_OUT)
        atomic_fetch_add(&client->refused, 1);
}

static void send_product(struct client *client, struct shard *shard)
{
    struct product_envelope *envelope = product_envelope_create(2);
    struct command command = {.type = COMMAND_PRODUCT_PUT, .product = envelope};
    struct refusal refusal;

    memcpy(envelope->id, "p", 2);
    memcpy(envelope->currency, "EUR", 4);
    memcpy(envelope->document, "{}", 2);
    envelope->variant_count = 1;
    memcpy(envelope->variants[0].sku, "sku", 4);
    envelope->variants[0].stock = UNITS;
    client->product_sent = true;
    assert_int_equal(engine_submit(shard, &command, 0, &refusal), OUTCOME_PENDING);
}

static void on_turn(void *user, struct shard *shard)
{
    struct client *client = user;
    uint32_t index = shard_index(shard);

    if (index == 0 && !client->product_sent)
        send_product(client, shard);
    if (!atomic_load(&client->product_ready))
        return;
    while (client->sent[index] < BUYERS / SHARDS && client->open[index] < WINDOW) {
        struct command_line line = {{"sku", 3}, 1};
        struct command command = {.type = COMMAND_RESERVE};
        struct refusal refusal;
        char key[24];
        enum outcome outcome;

        snprintf(key, sizeof(key), "%u-%u", index, client->sent[index]++);
        command.principal.bytes[0] = (uint8_t)index;
        command.reserve.key = (struct slice){key, strlen(key)};
        command.reserve.body = (struct slice){"b", 1};
        command.reserve.lines = &line;
        command.reserve.line_count = 1;
        outcome = engine_submit(shard, &command, index, &refusal);
        if (outcome == OUTCOME_PENDING) {
            client->open[index]++;
        } else {
            assert_int_equal(outcome, OUTCOME_SOLD_OUT);
            atomic_fetch_add(&client->refused, 1);
            atomic_fetch_add(&client->answered, 1);
        }
    }
}

static int on_start(void *user, struct shard *shard, uv_loop_t *loop)
{
    (void)loop;
    shard_set_reply(shard, on_reply, user);
    return 0;
}

static void nothing(void *user, struct shard *shard)
{
    (void)user;
    (void)shard;
}

static bool always(void *user, struct shard *shard)
{
    (void)user;
    (void)shard;
    return true;
}

static uint64_t watermark_read(void *self)
{
    (void)self;
    return 0;
}

static void watermark_advance(void *self, uint64_t number)
{
    (void)self;
    (void)number;
}

static void an_engine_on_threads_sells_exactly_n(void **state)
{
    static struct client client;
    struct journal_memory *journal = journal_memory_create(
        &(struct journal_memory_options){.partitions = 16, .sync_immediately = true});
    struct env_real *env = env_real_create(SHARDS);
    struct env_real_hooks hooks = {.user = &client,
                                   .on_start = on_start,
                                   .on_turn = on_turn,
                                   .on_drain = nothing,
                                   .is_drained = always,
                                   .on_stop = nothing};
    struct engine_options options = engine_options_default(SHARDS);
    struct engine_ports ports = {
        .env = env_real_port(env),
        .journal = journal_memory_port(journal),
        .watermark = {.read = watermark_read, .advance = watermark_advance},
        .secrets = {.self = &no_secrets,
                    .mac = secrets_mac,
                    .digest = secrets_digest,
                    .id_key = {{1, 2}},
                    .key_key = {{3, 4}}},
    };
    char error[256] = "";
    struct stock_view view;

    (void)state;
    options.partitions = 16;
    options.holds_max = 1 << 16;
    options.coupons_max = 64;
    options.coupon_rows_max = 64;
    options.carts_max = 256;
    options.deliveries_pending_max = 64;
    options.requests_max = 256;
    client.engine = engine_create(&options, &ports);
    assert_non_null(client.engine);
    assert_int_equal(engine_recover(client.engine, error, sizeof(error)), 0);
    assert_int_equal(env_real_start(env, client.engine, &hooks, error, sizeof(error)), 0);
    for (int waits = 0; atomic_load(&client.answered) < BUYERS && waits < 6000; waits++)
        nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
    env_real_stop(env, 2000);
    assert_int_equal(atomic_load(&client.held), UNITS);
    assert_int_equal(atomic_load(&client.refused), BUYERS - UNITS);
    assert_int_equal(engine_inspect_audit(client.engine), 0);
    assert_true(engine_inspect_stock(
        client.engine,
        directory_find_sku(engine_inspect_directory(client.engine), "sku", 3)->sku_id, &view));
    assert_int_equal(view.reserved, UNITS);
    engine_destroy(client.engine);
    env_real_destroy(env);
    journal_memory_destroy(journal);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mailbox_keeps_order_and_loses_nothing),
        cmocka_unit_test(mailbox_keeps_room_for_completions),
        cmocka_unit_test(gate_gives_out_exactly_its_units),
        cmocka_unit_test(key_filter_expects_a_rush),
        cmocka_unit_test(key_filter_forgets_no_key),
        cmocka_unit_test(an_engine_on_threads_sells_exactly_n),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
