/* SPDX-License-Identifier: Apache-2.0 */
/* The journal in memory, over which the simulator proves the engine, against the one on disk: two
 * engines get the same commands, turns, clock and random numbers, one over each. Answers must be
 * the same byte for byte, and after every restart and at the end the stored state and the state in
 * memory. So what the simulator finds out holds over RocksDB, as far as its records go.
 *
 * STAMPEDE_DIFFERENTIAL_SEED runs another stream than the usual ones. */
#include "test_storage_support.h"

#include <inttypes.h>
#include <stdatomic.h>

#include "differential_accounts.h"
#include "engine.h"
#include "inspect.h"
#include "journal_memory.h"
#include "journal_rocksdb.h"
#include "secrets_file.h"
#include "storage.h"
#include "test_sample.h"

static struct secrets no_secrets; /* all zero */

enum {
    STREAMS = 1,
    STREAMS_FULL = 8,
    SHARDS = 3,
    PARTITIONS = 8,
    PRODUCTS = 10,
    VARIANTS = 2,
    COMMANDS = 8000, /* a stream */
    CUSTOMERS = 12,
    HOLDS = 64, /* that the clients remember */
    MEMORY = 0,
    DISK = 1,
    SIDES = 2,
};

struct side {
    struct stream *stream;
    struct engine *engine;
    struct journal_port journal;
    struct watermark_port watermark;
    uint64_t random;
    uint64_t answers; /* their number */
    uint64_t digest;  /* of all answers, in order */
};

struct stream {
    uint64_t seed;
    uint64_t random;
    struct moment now;
    struct engine_options options;
    struct side sides[SIDES];
    struct journal_memory *memory;
    uint64_t memory_watermark;
    struct test_folder folder;
    struct storage *storage;
    struct reservation_id holds[HOLDS]; /* by slot; sequence 0: none */
    uint64_t granted;
    uint64_t replayed;
    uint64_t ended;
    uint64_t cookies;
    uint32_t restarts;
    struct people people;
};

/* ---- the shared ports ---- */

static struct moment port_now(void *self)
{
    return ((struct side *)self)->stream->now;
}

static uint64_t port_ticks(void *self)
{
    return (uint64_t)((struct side *)self)->stream->now.boot_ms * 1000000;
}

static void port_random(void *self, void *bytes, size_t length)
{
    for (size_t i = 0; i < length; i++)
        ((uint8_t *)bytes)[i] = (uint8_t)test_random(&((struct side *)self)->random);
}

static void port_wake_shard(void *self, uint32_t shard)
{
    (void)self;
    (void)shard; /* all shards have their turns anyway */
}

static void port_wake_committer(void *self)
{
    (void)self;
}

static void *port_reserve(void *self, size_t bytes)
{
    void *memory = aligned_alloc(64, (bytes + 63) & ~(size_t)63);

    (void)self;
    if (memory != NULL)
        memset(memory, 0, bytes);
    return memory;
}

static void port_unreserve(void *self, void *memory, size_t bytes)
{
    (void)self;
    (void)bytes;
    free(memory);
}

static void port_failed(void *self, const char *reason)
{
    (void)self;
    fail_msg("a commit failed: %s", reason);
}

static uint64_t memory_watermark_read(void *self)
{
    return ((struct stream *)self)->memory_watermark;
}

static void memory_watermark_advance(void *self, uint64_t number)
{
    ((struct stream *)self)->memory_watermark = number;
}

static void keep_quiet(void *arg, const char *line)
{
    (void)arg;
    (void)line;
}

/* ---- engines ---- */

static void take_account(struct side *side, uint64_t cookie, const struct message *reply)
{
    struct account_envelope *answer = reply->reply.account;
    enum outcome outcome = (enum outcome)reply->reply.outcome;

    side->digest = hash_word(side->digest ^ cookie) + people_digest(answer, outcome);
    if (side == &side->stream->sides[MEMORY])
        people_learn(&side->stream->people, answer, outcome);
    envelope_free(answer);
}

static void take_answer(void *user, uint64_t cookie, const struct message *reply)
{
    static const struct hash_key key = {{1, 2}};
    struct side *side = user;
    struct stream *stream = side->stream;
    const struct hold_view *view = &reply->reply.hold;

    side->answers++;
    if (reply->reply.answers == MESSAGE_ACCOUNT) {
        take_account(side, cookie, reply);
        return;
    }
    side->digest = hash_word(side->digest ^ cookie) + hash_bytes(&key, reply, reply->size);
    if (side != &stream->sides[MEMORY])
        return;
    stream->replayed += reply->reply.replayed;
    stream->ended += reply->reply.outcome == OUTCOME_HOLD_ENDED;
    if (reply->reply.answers != MESSAGE_RESERVE || reply->reply.outcome != OUTCOME_OK)
        return;
    stream->granted++;
    stream->holds[view->id.sequence % HOLDS] = view->id;
}

static void start_engine(struct side *side)
{
    struct engine_ports ports = {
        .env = {.self = side,
                .now = port_now,
                .ticks_ns = port_ticks,
                .random = port_random,
                .wake_shard = port_wake_shard,
                .wake_committer = port_wake_committer,
                .reserve = port_reserve,
                .unreserve = port_unreserve,
                .failed = port_failed},
        .journal = side->journal,
        .watermark = side->watermark,
        .secrets = {.self = &no_secrets,
                    .mac = secrets_mac,
                    .digest = secrets_digest,
                    .id_key = {{1, 2}},
                    .key_key = {{3, 4}}},
    };
    char error[256] = "";

    side->engine = engine_create(&side->stream->options, &ports);
    assert_non_null(side->engine);
    for (uint32_t i = 0; i < SHARDS; i++)
        shard_set_reply(engine_shard(side->engine, i), take_answer, side);
    if (engine_recover(side->engine, error, sizeof(error)) != 0)
        fail_msg("seed %" PRIu64 ": recovery: %s", side->stream->seed, error);
}

static void start(struct stream *stream)
{
    struct storage_options options = storage_options_default(stream->folder.path);
    struct secrets_port unused;
    char error[STORAGE_ERROR_BYTES];

    options.partitions = PARTITIONS;
    options.write_buffer_bytes = 1 << 20;
    options.ballast_bytes = 4096;
    options.low_water_bytes = 4096;
    options.log = keep_quiet;
    if (storage_open(&options, &stream->storage, error, sizeof(error)) != 0)
        fail_msg("seed %" PRIu64 ": %s", stream->seed, error);
    storage_ports_get(stream->storage, &stream->sides[DISK].journal, &stream->sides[DISK].watermark,
                      &unused);
    read_at_once_from(&stream->sides[DISK].journal);
    stream->sides[MEMORY].journal = journal_memory_port(stream->memory);
    stream->sides[MEMORY].watermark = (struct watermark_port){
        .self = stream, .read = memory_watermark_read, .advance = memory_watermark_advance};
    for (uint32_t i = 0; i < SIDES; i++)
        start_engine(&stream->sides[i]);
}

static uint64_t disk_hash(struct stream *stream)
{
    struct journal_rocksdb_options options = {.path = test_path(&stream->folder, "journal"),
                                              .mode = JOURNAL_READ_ONLY,
                                              .log = keep_quiet};
    struct journal_rocksdb *journal;
    char error[256];
    uint64_t hash = 0;

    assert_int_equal(journal_rocksdb_open(&options, &journal, error, sizeof(error)),
                     JOURNAL_OPENED);
    assert_true(journal_rocksdb_state_hash(journal, &hash));
    journal_rocksdb_close(journal);
    return hash;
}

static void compare(struct stream *stream, const char *when)
{
    const struct side *memory = &stream->sides[MEMORY];
    const struct side *disk = &stream->sides[DISK];

    if (memory->answers != disk->answers || memory->digest != disk->digest)
        fail_msg("seed %" PRIu64 ", %s: the answers differ", stream->seed, when);
    if (engine_inspect_digest(memory->engine) != engine_inspect_digest(disk->engine))
        fail_msg("seed %" PRIu64 ", %s: the states in memory differ", stream->seed, when);
    assert_int_equal(engine_inspect_audit(memory->engine), 0);
    assert_int_equal(engine_inspect_audit(disk->engine), 0);
}

static void stop(struct stream *stream)
{
    uint64_t memory = journal_memory_state_hash(stream->memory);
    uint64_t disk;

    storage_stop_reads(stream->storage);
    for (uint32_t i = 0; i < SIDES; i++)
        engine_destroy(stream->sides[i].engine);
    journal_memory_crash(stream->memory, false);
    storage_close(stream->storage);
    disk = disk_hash(stream);
    if (memory != disk)
        fail_msg("seed %" PRIu64 ", restart %u: the stored state is %016" PRIx64
                 " in memory, %016" PRIx64 " on disk",
                 stream->seed, stream->restarts, memory, disk);
}

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
