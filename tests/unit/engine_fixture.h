/* SPDX-License-Identifier: Apache-2.0 */
/* An engine on one thread over the in-memory journal, with a clock of the test's: for unit tests.
 * `fixture_run` steps everything until nothing moves; answers are kept by cookie. */
#ifndef STAMPEDE_ENGINE_FIXTURE_H
#define STAMPEDE_ENGINE_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine.h"
#include "inspect.h"
#include "journal_memory.h"
#include "secrets_file.h"

static struct secrets no_secrets; /* all zero */

enum { FIXTURE_COOKIES = 4096 };

struct fixture {
    struct engine_options options;
    struct engine *engine;
    struct journal_memory *journal;
    struct worker_port workers; /* empty, unless the test sets it before fixture_open */
    struct worker_port finders; /* likewise */
    struct moment now;
    uint64_t random;
    uint64_t watermark;
    bool failed;
    struct message replies[FIXTURE_COOKIES];
    uint32_t reply_counts[FIXTURE_COOKIES];
    uint64_t next_cookie;
    struct refusal refusal;
    struct outbound_port outbound;
    struct vault_port vault;     /* likewise */
    struct gateway_port gateway; /* likewise */
    struct event_consumer_port events[EVENT_CONSUMER_COUNT];
};

static inline struct moment fixture_now(void *self)
{
    return ((struct fixture *)self)->now;
}

static inline uint64_t fixture_ticks(void *self)
{
    return (uint64_t)((struct fixture *)self)->now.boot_ms * 1000000u;
}

static inline void fixture_random(void *self, void *bytes, size_t length)
{
    struct fixture *fixture = self;

    for (size_t i = 0; i < length; i++) {
        fixture->random = hash_word(fixture->random + 0x9e3779b97f4a7c15u);
        ((uint8_t *)bytes)[i] = (uint8_t)fixture->random;
    }
}

static inline void fixture_wake(void *self, uint32_t shard)
{
    (void)self;
    (void)shard;
}

static inline void fixture_wake_committer(void *self)
{
    (void)self;
}

static inline void *fixture_memory(void *self, size_t bytes)
{
    void *memory = aligned_alloc(64, (bytes + 63) & ~(size_t)63);

    (void)self;
    memset(memory, 0, bytes);
    return memory;
}

static inline void fixture_memory_free(void *self, void *memory, size_t bytes)
{
    (void)self;
    (void)bytes;
    free(memory);
}

static inline void fixture_failed(void *self, const char *reason)
{
    (void)reason;
    ((struct fixture *)self)->failed = true;
}

static inline uint64_t fixture_watermark_read(void *self)
{
    return ((struct fixture *)self)->watermark;
}

static inline void fixture_watermark_advance(void *self, uint64_t number)
{
    ((struct fixture *)self)->watermark = number;
}

static inline void fixture_reply(void *user, uint64_t cookie, const struct message *reply)
{
    struct fixture *fixture = user;

    memcpy(&fixture->replies[cookie], reply, reply->size);
    fixture->reply_counts[cookie]++;
}

/* Builds an engine on whatever the journal holds. Returns engine_recover's result. */
static inline int fixture_open(struct fixture *fixture)
{
    struct engine_ports ports = {
        .env = {.self = fixture,
                .now = fixture_now,
                .ticks_ns = fixture_ticks,
                .random = fixture_random,
                .wake_shard = fixture_wake,
                .wake_committer = fixture_wake_committer,
                .reserve = fixture_memory,
                .unreserve = fixture_memory_free,
                .failed = fixture_failed},
        .journal = journal_memory_port(fixture->journal),
        .watermark = {.self = fixture,
                      .read = fixture_watermark_read,
                      .advance = fixture_watermark_advance},
        .secrets = {.self = &no_secrets,
                    .mac = secrets_mac,
                    .digest = secrets_digest,
                    .id_key = {{1, 2}},
                    .key_key = {{3, 4}}},
        .workers = fixture->workers,
        .finders = fixture->finders,
        .outbound = fixture->outbound,
        .vault = fixture->vault,
        .gateway = fixture->gateway,
        .events = {fixture->events[CONSUMER_FEED], fixture->events[CONSUMER_WEBHOOKS]},
    };
    char error[256];
    int result;

    fixture->engine = engine_create(&fixture->options, &ports);
    for (uint32_t i = 0; i < fixture->options.shards; i++)
        shard_set_reply(engine_shard(fixture->engine, i), fixture_reply, fixture);
    result = engine_recover(fixture->engine, error, sizeof(error));
    if (result != 0)
        fprintf(stderr, "recovery: %s\n", error);
    return result;
}

static inline void fixture_create(struct fixture *fixture, uint32_t shards)
{
    memset(fixture, 0, sizeof(*fixture));
    fixture->options = engine_options_default(shards);
    fixture->options.partitions = 16;
    fixture->options.holds_max = 4096;
    fixture->options.coupons_max = 64;
    fixture->options.coupon_rows_max = 2048;
    fixture->options.carts_max = 256;
    fixture->options.deliveries_pending_max = 16;
    fixture->options.skus_max = 512;
    fixture->options.limit_rows_max = 512;
    fixture->options.requests_max = 256;
    fixture->options.products_in_flight_max = 64;
    fixture->options.mailbox_max = 256;
    fixture->options.batch_messages = 64;
    fixture->options.accounts_active_max = 4;
    fixture->options.orders_live_max = 8;
    fixture->options.session_marks = 1024;
    fixture->now = (struct moment){.boot_ms = 1000000, .wall_ms = 1700000000000};
    fixture->next_cookie = 1;
    fixture->journal = journal_memory_create(
        &(struct journal_memory_options){.partitions = fixture->options.partitions});
    fixture_open(fixture);
}

static inline void fixture_close(struct fixture *fixture)
{
    engine_destroy(fixture->engine);
    journal_memory_destroy(fixture->journal);
}

/* The process dies; what was not durable is gone. */
static inline int fixture_crash(struct fixture *fixture)
{
    journal_memory_crash(fixture->journal, false);
    engine_destroy(fixture->engine);
    return fixture_open(fixture);
}

/* Steps until nothing moves; `commit` completes what comes to the journal. */
static inline void fixture_step(struct fixture *fixture, bool commit)
{
    for (int idle = 0; idle < 3;) {
        bool moved = false;

        for (uint32_t i = 0; i < fixture->options.shards; i++)
            moved |= shard_step(engine_shard(fixture->engine, i));
        moved |= committer_step(fixture->engine);
        if (commit && journal_memory_pending(fixture->journal) != 0) {
            journal_memory_complete(fixture->journal, COMMIT_OK, true);
            moved = true;
        }
        while (journal_memory_reads_pending(fixture->journal) > 0)
            journal_memory_complete_read(fixture->journal);
        idle = moved ? 0 : idle + 1;
    }
}

static inline void fixture_run(struct fixture *fixture)
{
    fixture_step(fixture, true);
}

static inline void fixture_advance(struct fixture *fixture, int64_t ms)
{
    fixture->now.boot_ms += ms;
    fixture->now.wall_ms += ms;
    fixture_run(fixture);
}

static inline struct slice text(const char *string)
{
    return (struct slice){string, strlen(string)};
}

/* Submits at a shard; returns the cookie, or 0 with the outcome if refused. */
static inline uint64_t fixture_submit(struct fixture *fixture, uint32_t shard,
                                      const struct command *command, enum outcome *outcome_out)
{
    uint64_t cookie = fixture->next_cookie++;

    *outcome_out =
        engine_submit(engine_shard(fixture->engine, shard), command, cookie, &fixture->refusal);
    return *outcome_out == OUTCOME_PENDING ? cookie : 0;
}

/* Submits, runs, and returns the outcome; the reply (if any) is in *reply_out. */
static inline enum outcome fixture_do(struct fixture *fixture, uint32_t shard,
                                      const struct command *command, struct message *reply_out)
{
    enum outcome outcome;
    uint64_t cookie = fixture_submit(fixture, shard, command, &outcome);

    memset(reply_out, 0, sizeof(*reply_out));
    if (cookie == 0)
        return outcome;
    fixture_run(fixture);
    if (fixture->reply_counts[cookie] != 1)
        return OUTCOME_PENDING;
    *reply_out = fixture->replies[cookie];
    return (enum outcome)reply_out->reply.outcome;
}

static inline enum outcome fixture_product(struct fixture *fixture, const char *id, const char *sku,
                                           uint32_t stock, uint32_t limit)
{
    struct product_envelope *envelope = product_envelope_create(2);
    struct message reply;
    enum outcome outcome;

    strcpy(envelope->id, id);
    strcpy(envelope->currency, "EUR");
    envelope->limit_per_customer = limit;
    envelope->variant_count = 1;
    strcpy(envelope->variants[0].sku, sku);
    envelope->variants[0].stock = stock;
    envelope->variants[0].price_minor = 1000;
    memcpy(envelope->document, "{}", 2);
    outcome = fixture_do(fixture, 0,
                         &(struct command){.type = COMMAND_PRODUCT_PUT,
                                           .authority = AUTHORITY_STAFF,
                                           .product = envelope},
                         &reply);
    if (outcome != OUTCOME_OK && reply.type == 0)
        envelope_free(envelope);
    return outcome;
}

static inline struct principal buyer(uint8_t number)
{
    struct principal principal = {{number, 1}};

    return principal;
}

static inline struct command reserve_command(const struct command_line *lines, uint32_t count,
                                             uint8_t who, const char *key)
{
    struct command command = {.type = COMMAND_RESERVE, .principal = buyer(who)};

    command.reserve.key = text(key);
    command.reserve.body = text("body");
    command.reserve.lines = lines;
    command.reserve.line_count = count;
    return command;
}

static inline enum outcome fixture_reserve(struct fixture *fixture, uint32_t shard, uint8_t who,
                                           const char *key, const char *sku, uint32_t quantity,
                                           struct message *reply_out)
{
    struct command_line line = {.sku = text(sku), .quantity = quantity};
    struct command command = reserve_command(&line, 1, who, key);

    return fixture_do(fixture, shard, &command, reply_out);
}

static inline enum outcome fixture_hold(struct fixture *fixture, enum command_type type,
                                        enum authority authority, uint8_t who,
                                        const struct reservation_id *id, struct message *reply_out)
{
    char name[RESERVATION_ID_LENGTH + 1];
    struct command command = {.type = type, .principal = buyer(who), .authority = authority};

    engine_reservation_id(fixture->engine, id, name);
    command.reservation_id = text(name);
    return fixture_do(fixture, 0, &command, reply_out);
}

static inline struct stock_view fixture_stock(struct fixture *fixture, const char *sku)
{
    struct sku_entry *entry =
        directory_find_sku(engine_inspect_directory(fixture->engine), sku, strlen(sku));
    struct stock_view view = {0};

    if (entry != NULL)
        engine_inspect_stock(fixture->engine, entry->sku_id, &view);
    return view;
}

static inline int fixture_set_up(void **state)
{
    struct fixture *fixture = malloc(sizeof(*fixture));

    fixture_create(fixture, 2);
    *state = fixture;
    return 0;
}

static inline int fixture_tear_down(void **state)
{
    fixture_close(*state);
    free(*state);
    return 0;
}

/* The SKU's books and its gate say so, and the audit finds nothing. */
static inline void assert_stock(struct fixture *fixture, const char *sku, uint32_t available,
                                uint32_t reserved, uint32_t sold)
{
    struct stock_view view = fixture_stock(fixture, sku);
    struct sku_entry *entry =
        directory_find_sku(engine_inspect_directory(fixture->engine), sku, strlen(sku));

    assert_int_equal(view.available, available);
    assert_int_equal(view.reserved, reserved);
    assert_int_equal(view.sold, sold);
    assert_int_equal(view.stock, available + reserved + sold);
    assert_int_equal(gate_available(&entry->gate), available);
    assert_int_equal(gate_claimed(&entry->gate), 0);
    assert_int_equal(engine_inspect_audit(fixture->engine), 0);
    assert_int_equal(engine_inspect_limits(fixture->engine), 0);
}

#endif
