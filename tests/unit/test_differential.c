/* SPDX-License-Identifier: Apache-2.0 */
/* The journal in memory, over which the simulator proves the engine, against the one on disk: two
 * engines get the same commands, turns, clock and random numbers, one over each. Answers must be
 * the same byte for byte, and after every restart and at the end the stored state and the state in
 * memory. So what the simulator finds out holds over RocksDB, as far as its records go.
 *
 * STAMPEDE_DIFFERENTIAL_SEED runs another stream than the usual ones. */
#include <stdatomic.h>

#include "differential_sides.h"
#include "test_sample.h"

enum {
    STREAMS = 1,
    STREAMS_FULL = 8,
    COMMANDS = 8000, /* a stream */
};

/* ---- turns ---- */

static void turn(struct stream *stream, uint32_t thread)
{
    for (uint32_t i = 0; i < SIDES; i++) {
        if (thread < SHARDS)
            shard_step(engine_shard(stream->sides[i].engine, thread));
        else
            committer_step(stream->sides[i].engine);
    }
}

static void take_turns(struct stream *stream, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        turn(stream, (uint32_t)(test_random(&stream->random) % (SHARDS + 1)));
}

static void pass_time(struct stream *stream, int64_t ms)
{
    stream->now.boot_ms += ms;
    stream->now.wall_ms += ms;
}

static void settle(struct stream *stream)
{
    for (uint32_t i = 0; i < 400; i++)
        turn(stream, i % (SHARDS + 1));
}

/* ---- commands ---- */

static uint32_t draw(struct stream *stream, uint32_t count)
{
    return (uint32_t)(test_random(&stream->random) % count);
}

static struct slice slice_of(const char *text)
{
    return (struct slice){text, strlen(text)};
}

/* The same command at the same shard of both: it must be taken or refused by both alike. */
static void submit(struct stream *stream, struct command *command)
{
    uint32_t shard = draw(stream, SHARDS);
    uint64_t cookie = ++stream->cookies;
    void *envelopes[SIDES] = {NULL, NULL}; /* that move with it */
    enum outcome outcomes[SIDES];
    struct refusal refusals[SIDES];

    if (command->type == COMMAND_PRODUCT_PUT) {
        envelopes[MEMORY] = command->product;
        envelopes[DISK] = product_envelope_create(command->product->document_length);
        memcpy(envelopes[DISK], command->product,
               sizeof(*command->product) + command->product->document_length);
    } else if (command->type == COMMAND_ACCOUNT) {
        envelopes[MEMORY] = command->account;
        envelopes[DISK] = account_envelope_create((enum account_call)command->account->call);
        memcpy(envelopes[DISK], command->account, sizeof(*command->account));
    }
    memset(refusals, 0, sizeof(refusals));
    for (uint32_t i = 0; i < SIDES; i++) {
        if (command->type == COMMAND_PRODUCT_PUT)
            command->product = envelopes[i];
        else if (command->type == COMMAND_ACCOUNT)
            command->account = envelopes[i];
        outcomes[i] = engine_submit(engine_shard(stream->sides[i].engine, shard), command, cookie,
                                    &refusals[i]);
        if (outcomes[i] != OUTCOME_PENDING)
            envelope_free(envelopes[i]);
    }
    if (outcomes[MEMORY] != outcomes[DISK] ||
        memcmp(&refusals[MEMORY], &refusals[DISK], sizeof(refusals[0])) != 0)
        fail_msg("seed %" PRIu64 ", command %" PRIu64 ": %s in memory, %s on disk", stream->seed,
                 cookie, outcome_name(outcomes[MEMORY]), outcome_name(outcomes[DISK]));
}

static void put_product(struct stream *stream, uint32_t number)
{
    struct product_envelope *product = product_envelope_create(64);
    struct command command = {
        .type = COMMAND_PRODUCT_PUT, .authority = AUTHORITY_STAFF, .product = product};

    assert_non_null(product);
    snprintf(product->id, sizeof(product->id), "product-%u", number);
    snprintf(product->currency, sizeof(product->currency), "EUR");
    product->put_mode = PUT_UPSERT;
    product->limit_per_customer = draw(stream, 3) == 0 ? 4 : 0;
    product->variant_count = VARIANTS;
    for (uint32_t i = 0; i < VARIANTS; i++) {
        snprintf(product->variants[i].sku, sizeof(product->variants[i].sku), "sku-%u.%u", number,
                 i);
        product->variants[i].price_minor = 1 + draw(stream, 9999);
        product->variants[i].stock = 20 + draw(stream, 200);
    }
    memset(product->document, ' ', 64);
    snprintf(product->document, 64, "{\"turn\":%u}", draw(stream, 1000));
    submit(stream, &command);
}

static void reserve(struct stream *stream)
{
    char skus[3][32];
    char key[32];
    char body[64];
    struct command_line lines[3];
    struct command command = {.type = COMMAND_RESERVE};
    uint32_t first = draw(stream, PRODUCTS * VARIANTS);
    uint32_t number = draw(stream, 150); /* keys are often repeated */

    command.principal.bytes[0] = (uint8_t)(1 + draw(stream, CUSTOMERS));
    command.reserve.line_count = draw(stream, 4) == 0 ? 1 + draw(stream, 3) : 1;
    for (uint32_t i = 0; i < command.reserve.line_count; i++) {
        uint32_t sku = (first + i * 3) % (PRODUCTS * VARIANTS);

        snprintf(skus[i], sizeof(skus[i]), "sku-%u.%u", sku / VARIANTS, sku % VARIANTS);
        lines[i] = (struct command_line){slice_of(skus[i]), 1 + draw(stream, 2)};
    }
    snprintf(key, sizeof(key), "key-%u", number);
    snprintf(body, sizeof(body), "body-%u", draw(stream, 20) == 0 ? 1 : 0);
    command.reserve.key = slice_of(key);
    command.reserve.body = slice_of(body);
    command.reserve.lines = lines;
    submit(stream, &command);
}

static void change_hold(struct stream *stream)
{
    static const enum command_type types[] = {COMMAND_HOLD_GET, COMMAND_HOLD_RELEASE,
                                              COMMAND_HOLD_EXTEND, COMMAND_HOLD_CONVERT};
    const struct reservation_id *id = &stream->holds[draw(stream, HOLDS)];
    char text[RESERVATION_ID_LENGTH + 1];
    char key[32];
    struct command command = {.type = types[draw(stream, 4)], .authority = AUTHORITY_STAFF};

    if (id->sequence == 0)
        return;
    engine_reservation_id(stream->sides[MEMORY].engine, id, text);
    snprintf(key, sizeof(key), "extend-%u", draw(stream, 4));
    command.reservation_id = slice_of(text);
    if (draw(stream, 2) == 0)
        command.key = slice_of(key);
    submit(stream, &command);
}

static void adjust_stock(struct stream *stream)
{
    char sku[32];
    char key[32];
    uint32_t number = draw(stream, PRODUCTS * VARIANTS);
    struct command command = {.type = COMMAND_STOCK_ADJUST, .authority = AUTHORITY_STAFF};

    snprintf(sku, sizeof(sku), "sku-%u.%u", number / VARIANTS, number % VARIANTS);
    snprintf(key, sizeof(key), "adjust-%u", draw(stream, 200));
    command.stock.sku = slice_of(sku);
    command.stock.is_set = draw(stream, 4) == 0;
    command.stock.value = (int64_t)draw(stream, 30) - (command.stock.is_set ? 0 : 15);
    command.stock.reason = slice_of("count");
    if (draw(stream, 2) == 0) {
        command.stock.key = slice_of(key);
        command.stock.body = slice_of("same");
    }
    submit(stream, &command);
}

static void ask_account(struct stream *stream)
{
    struct command command = {.type = COMMAND_ACCOUNT,
                              .account = people_ask(&stream->random, &stream->people)};

    if (command.account != NULL)
        submit(stream, &command);
}

static void change_cart(struct stream *stream)
{
    uint32_t number = draw(stream, PRODUCTS * VARIANTS);
    struct line ordered = {.sku_id = draw(stream, 64), .quantity = 1};
    struct cart_content content = {.line_count = 1, .currency = "EUR"};
    struct command command = {.type = COMMAND_CART};
    char sku[32];

    command.principal.bytes[0] = (uint8_t)(1 + draw(stream, CUSTOMERS));
    if (draw(stream, 8) == 0) {
        content.lines[0] = cart_line_make(draw(stream, 64), 1 + draw(stream, 9), 5);
        command.type = COMMAND_CART_MERGE;
        command.cart_merge.guest.bytes[8] = (uint8_t)(1 + draw(stream, 6));
        command.cart_merge.content = &content;
    } else if (draw(stream, 8) == 0) {
        command.type = COMMAND_CART_CLEAR;
        command.cart_clear.order = 1 + draw(stream, 9);
        command.cart_clear.lines = &ordered;
        command.cart_clear.line_count = 1;
    } else {
        snprintf(sku, sizeof(sku), "sku-%u.%u", number / VARIANTS, number % VARIANTS);
        command.cart.operation = (enum cart_operation)draw(stream, CART_OPERATION_COUNT);
        command.cart.sku = slice_of(sku);
        command.cart.quantity = 1 + draw(stream, 9);
        command.cart.coupon = slice_of("CODE");
    }
    submit(stream, &command);
}

static void act(struct stream *stream)
{
    uint32_t kind = draw(stream, 100);

    if (draw(stream, 8) == 0)
        change_cart(stream);
    if (kind < 48)
        reserve(stream);
    else if (kind < 72)
        change_hold(stream);
    else if (kind < 87)
        ask_account(stream);
    else if (kind < 97)
        adjust_stock(stream);
    else
        put_product(stream, draw(stream, PRODUCTS));
    take_turns(stream, draw(stream, 12));
    if (draw(stream, 4) == 0)
        pass_time(stream, draw(stream, draw(stream, 50) == 0 ? 4000 : 20));
}

/* ---- reads of stored records ---- */

static _Atomic uint32_t reads_done;

static void on_read(struct journal_read *read)
{
    (void)read;
    atomic_fetch_add(&reads_done, 1);
}

/* A page of the ledger, which no recovery looks at. */
static void compare_ledger(struct stream *stream, uint32_t partition)
{
    struct journal_read reads[SIDES];

    atomic_store(&reads_done, 0);
    for (uint32_t i = 0; i < SIDES; i++) {
        reads[i] = (struct journal_read){.kind = RECORD_LEDGER,
                                         .from = {partition, 0, 0},
                                         .to = {partition, UINT32_MAX, UINT64_MAX},
                                         .limit = LIST_PAGE_MAX,
                                         .done = on_read};
        assert_true(stream->sides[i].journal.read(stream->sides[i].journal.self, &reads[i]));
    }
    while (atomic_load(&reads_done) < SIDES)
        usleep(100);
    assert_false(reads[MEMORY].failed || reads[DISK].failed);
    assert_int_equal(reads[MEMORY].count, reads[DISK].count);
    assert_int_equal(reads[MEMORY].result.used, reads[DISK].result.used);
    if (reads[MEMORY].count > 0)
        assert_memory_equal(reads[MEMORY].result.bytes, reads[DISK].result.bytes,
                            reads[MEMORY].result.used);
    for (uint32_t i = 0; i < SIDES; i++)
        free(reads[i].result.bytes);
}

/* ---- the stream ---- */

/* In the midst of things, or when all is answered; the machine's boot clock may begin anew. */
static void restart(struct stream *stream)
{
    if (draw(stream, 2) == 0)
        settle(stream);
    compare(stream, "before a restart");
    stop(stream);
    stream->restarts++;
    pass_time(stream, draw(stream, 1000));
    if (draw(stream, 3) == 0)
        stream->now.boot_ms = 5000;
    start(stream);
    compare(stream, "after a restart");
    compare_ledger(stream, draw(stream, PARTITIONS));
}

static void create(struct stream *stream, uint64_t seed)
{
    memset(stream, 0, sizeof(*stream));
    stream->seed = seed;
    stream->random = seed;
    stream->now = (struct moment){.boot_ms = 5000, .wall_ms = 1700000000000};
    stream->options = engine_options_default(SHARDS);
    stream->options.partitions = PARTITIONS;
    stream->options.hold_ttl_ms = 2000;
    stream->options.hold_cap_ms = 5000;
    stream->options.hold_retention_ms = 30000;
    stream->options.holds_max = 8192;
    stream->options.coupons_max = 64;
    stream->options.coupon_rows_max = 64;
    stream->options.carts_max = 256;
    stream->options.deliveries_pending_max = 16;
    stream->options.skus_max = 64;
    stream->options.limit_rows_max = 4096;
    stream->options.batch_messages = 6;
    stream->options.batches = 2;
    stream->options.requests_max = 32;
    stream->options.mailbox_max = 16;
    stream->options.accounts_active_max = 3; /* they leave memory, and are read again */
    for (uint32_t i = 0; i < SIDES; i++)
        stream->sides[i] = (struct side){.stream = stream, .random = seed};
    stream->memory = journal_memory_create(
        &(struct journal_memory_options){.partitions = PARTITIONS, .sync_immediately = true});
    assert_non_null(stream->memory);
    test_folder_make(&stream->folder);
    start(stream);
}

static void run_stream(uint64_t seed)
{
    struct stream *stream = malloc(sizeof(*stream));

    assert_non_null(stream);
    create(stream, seed);
    for (uint32_t i = 0; i < PRODUCTS; i++) {
        put_product(stream, i);
        settle(stream);
    }
    for (uint32_t i = 0; i < COMMANDS; i++) {
        act(stream);
        if (draw(stream, 400) == 0)
            restart(stream);
    }
    settle(stream);
    restart(stream);
    for (uint32_t i = 0; i < PARTITIONS; i++)
        compare_ledger(stream, i);
    stop(stream);
    print_message("seed %" PRIu64 ": %" PRIu64 " answers, %" PRIu64 " of accounts, %" PRIu64
                  " holds, %" PRIu64 " replays, %u restarts\n",
                  seed, stream->sides[MEMORY].answers, stream->people.answers, stream->granted,
                  stream->replayed, stream->restarts);
    /* A stream in which nothing of it happens compares nothing. */
    assert_true(stream->granted > 100 && stream->replayed > 100 && stream->ended > 20 &&
                stream->restarts > 5);
    assert_true(stream->people.registered > 10 && stream->people.opened > 50 &&
                stream->people.checked > 20 && stream->people.erased > 3);
    journal_memory_destroy(stream->memory);
    test_folder_remove(&stream->folder);
    free(stream);
}

static void test_the_same_commands_leave_the_same_state_in_memory_and_on_disk(void **state)
{
    const char *seed = getenv("STAMPEDE_DIFFERENTIAL_SEED");

    (void)state;
    if (seed != NULL) {
        run_stream(strtoull(seed, NULL, 10));
        return;
    }
    for (uint64_t i = 1; i <= (test_is_full() ? STREAMS_FULL : STREAMS); i++)
        run_stream(i);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_same_commands_leave_the_same_state_in_memory_and_on_disk),
    };

    return cmocka_run_group_tests_name("differential", tests, NULL, NULL);
}
