/* SPDX-License-Identifier: Apache-2.0 */
/* Orders among much else: a full mailbox or no room for a read delays a step, and ends none. */
#include "engine_fixture.h"

enum { BUYER = 1, UNITS = 2, TURNS_MAX = 100, READS_MAX = 1024 };

static char sku[16];

/* This shard's turn, the journal's and, if it answers, that of reads. */
static void turn_of(struct fixture *fixture, uint32_t shard, bool reads)
{
    (void)shard_step(engine_shard(fixture->engine, shard));
    (void)committer_step(fixture->engine);
    if (journal_memory_pending(fixture->journal) != 0)
        journal_memory_complete(fixture->journal, COMMIT_OK, true);
    while (reads && journal_memory_reads_pending(fixture->journal) > 0)
        journal_memory_complete_read(fixture->journal);
}

static void turn(struct fixture *fixture)
{
    for (uint32_t i = 0; i < fixture->options.shards; i++)
        turn_of(fixture, i, true);
}

/* The shard that serves the buyer's orders. */
static uint32_t shard_of_orders(const struct fixture *fixture)
{
    struct principal who = buyer(BUYER);

    return engine_partition_shard(fixture->engine,
                                  order_partition_of(&who, fixture->options.partitions));
}

/* With two shards the SKU is not where the buyer's orders are. */
static struct fixture *open_shop(uint32_t shards)
{
    struct fixture *fixture = malloc(sizeof(*fixture));
    char product[] = "shoe-0";
    uint32_t shard;

    fixture_create(fixture, shards);
    do {
        product[5]++;
        assert_true(product[5] <= '9');
        snprintf(sku, sizeof(sku), "SKU-%s", product);
        assert_int_equal(fixture_product(fixture, product, sku, 10, 0), OUTCOME_OK);
        shard = engine_partition_shard(fixture->engine,
                                       sku_id_partition(fixture_stock(fixture, sku).sku_id));
    } while (shards > 1 && shard == shard_of_orders(fixture));
    return fixture;
}

static struct hold_view hold_units(struct fixture *fixture)
{
    struct message reply;

    assert_int_equal(fixture_reserve(fixture, 0, BUYER, "key", sku, UNITS, &reply), OUTCOME_OK);
    return reply.reply.hold;
}

/* Checks out what is held, for nothing: no gateway is asked. The question's cookie. */
static uint64_t check_out(struct fixture *fixture, const struct hold_view *hold)
{
    struct order_envelope *envelope = order_envelope_create(ORDER_CALL_CREATE);
    struct command command = {.type = COMMAND_ORDER, .order = envelope};
    enum outcome outcome;
    uint64_t cookie;

    envelope->who[0] = buyer(BUYER);
    envelope->who_count = 1;
    envelope->order.key.word[0] = 100;
    envelope->order.hold = hold->id;
    envelope->order.expires_wall_ms = hold->deadline_wall_ms;
    envelope->order.from_cart = 1;
    envelope->order.provider = PROVIDER_SANDBOX;
    memcpy(envelope->order.currency, "EUR", 4);
    envelope->body.line_count = 1;
    envelope->body.lines[0] =
        (struct order_line){.sku_id = hold->lines[0].sku_id, .quantity = UNITS};
    envelope->body.text_length = 5;
    memcpy(envelope->text, "shoes", 5);
    cookie = fixture_submit(fixture, shard_of_orders(fixture), &command, &outcome);
    assert_int_equal(outcome, OUTCOME_PENDING);
    return cookie;
}

/* The answer is its asker's, if there was one. */
static void drop_answer(struct fixture *fixture, uint64_t cookie)
{
    if (fixture->reply_counts[cookie] != 0)
        envelope_free(fixture->replies[cookie].reply.order);
}

static bool has_ended(const struct fixture *fixture)
{
    return journal_memory_count(fixture->journal, RECORD_ORDER_PAST) == 1;
}

/* It is sold, and whoever asked was told once. */
static void assert_confirmed(struct fixture *fixture, uint64_t cookie)
{
    assert_true(has_ended(fixture));
    assert_stock(fixture, sku, 10 - UNITS, 0, UNITS);
    assert_int_equal(fixture->reply_counts[cookie], 1);
    assert_int_equal(fixture->replies[cookie].reply.outcome, OUTCOME_OK);
    drop_answer(fixture, cookie);
}

/* Whether that is what the first order's record asks for. */
static bool is_at(const struct fixture *fixture, enum order_step step)
{
    struct principal who = buyer(BUYER);
    uint32_t partition = order_partition_of(&who, fixture->options.partitions);
    struct record record;

    return journal_memory_find(fixture->journal, RECORD_ORDER, partition, 0, 1, &record) &&
           record.order.step == step;
}

/* Takes the room that is left in the mailbox from the orders' shard to the SKU's. */
static void take_room(struct fixture *fixture)
{
    struct command command = {.type = COMMAND_STOCK_GET};
    enum outcome outcome;

    command.stock.sku = text(sku);
    (void)fixture_submit(fixture, shard_of_orders(fixture), &command, &outcome);
    (void)fixture_submit(fixture, shard_of_orders(fixture), &command, &outcome);
    assert_int_equal(outcome, OUTCOME_OVERLOADED);
}

/* No time passes: who came again with time only might find the same others there each time. */
static void a_full_mailbox_costs_a_step_one_turn(void **state)
{
    struct fixture *fixture = open_shop(1);
    struct hold_view hold;
    uint64_t cookie;

    (void)state;
    fixture->options.mailbox_max = 1;
    assert_int_equal(fixture_crash(fixture), 0);
    hold = hold_units(fixture);
    cookie = check_out(fixture, &hold);
    turn(fixture);
    for (uint32_t i = 0; i < TURNS_MAX && !has_ended(fixture); i++) {
        if (i % 4 != 3)
            take_room(fixture);
        turn(fixture);
    }
    assert_confirmed(fixture, cookie);
    fixture_close(fixture);
    free(fixture);
}

static void a_shard_that_met_a_full_mailbox_comes_again_by_itself(void **state)
{
    struct fixture *fixture = open_shop(2);
    uint32_t asking = shard_of_orders(fixture);
    struct hold_view hold;
    uint64_t cookie;

    (void)state;
    fixture->options.mailbox_max = 1;
    assert_int_equal(fixture_crash(fixture), 0);
    hold = hold_units(fixture);
    cookie = check_out(fixture, &hold);
    take_room(fixture);
    for (uint32_t i = 0; i < 8; i++) /* the other shard has no turn */
        turn_of(fixture, asking, true);
    assert_true(journal_memory_count(fixture->journal, RECORD_ORDER) == 1);
    assert_true(shard_sleep_ms(engine_shard(fixture->engine, asking)) <= 1);
    for (uint32_t i = 0; i < TURNS_MAX && !has_ended(fixture); i++)
        turn(fixture);
    assert_confirmed(fixture, cookie);
    fixture_close(fixture);
    free(fixture);
}

/* The SKU's shard has no turn, and so no room. */
static void who_asks_for_an_order_does_not_wait_for_its_step(void **state)
{
    struct fixture *fixture = open_shop(2);
    uint32_t asking = shard_of_orders(fixture);
    struct order_envelope *envelope = order_envelope_create(ORDER_CALL_GET);
    struct command command = {.type = COMMAND_ORDER, .order = envelope};
    struct hold_view hold;
    enum outcome outcome;
    uint64_t checkout;
    uint64_t cookie;

    (void)state;
    fixture->options.mailbox_max = 1;
    assert_int_equal(fixture_crash(fixture), 0);
    hold = hold_units(fixture);
    checkout = check_out(fixture, &hold);
    for (uint32_t i = 0; i < TURNS_MAX && !is_at(fixture, STEP_PIN); i++)
        turn(fixture);
    assert_true(is_at(fixture, STEP_PIN));
    assert_int_equal(fixture_crash(fixture), 0);
    take_room(fixture);
    envelope->authority = AUTHORITY_STAFF;
    envelope->id =
        (struct reservation_id){.created_ms = fixture->now.wall_ms,
                                .sequence = 1,
                                .partition = (uint16_t)order_partition_of(
                                    &(struct principal){{BUYER, 1}}, fixture->options.partitions)};
    cookie = fixture_submit(fixture, asking, &command, &outcome);
    assert_int_equal(outcome, OUTCOME_PENDING);
    for (uint32_t i = 0; i < 8; i++)
        turn_of(fixture, asking, true);
    assert_int_equal(fixture->reply_counts[cookie], 1);
    assert_int_equal(fixture->replies[cookie].reply.outcome, OUTCOME_OK);
    drop_answer(fixture, cookie);
    for (uint32_t i = 0; i < TURNS_MAX && !has_ended(fixture); i++)
        turn(fixture);
    assert_true(has_ended(fixture));
    drop_answer(fixture, checkout);
    fixture_close(fixture);
    free(fixture);
}

static struct engine_read reads[READS_MAX];

static void forget_read(struct engine_read *read)
{
    free(read->read.result.bytes);
}

/* As many as the shard may have under way. */
static void read_as_much_as_can_be(struct fixture *fixture)
{
    struct shard *shard = engine_shard(fixture->engine, 0);
    uint32_t count = 0;

    memset(reads, 0, sizeof(reads));
    do {
        assert_true(count < READS_MAX);
        reads[count] = (struct engine_read){
            .read = {.kind = RECORD_ORDER_PAST, .to = {.sequence = 1}, .limit = 1},
            .done = forget_read};
    } while (engine_read_submit(shard, &reads[count++]) == OUTCOME_PENDING);
}

/* After a restart the order's lines are read before its cart is cleared. */
static void no_room_for_a_read_ends_no_step(void **state)
{
    struct fixture *fixture = open_shop(1);
    struct hold_view hold = hold_units(fixture);
    uint64_t checkout = check_out(fixture, &hold);

    (void)state;
    for (uint32_t i = 0; i < TURNS_MAX && !is_at(fixture, STEP_CART_CLEAR); i++)
        turn(fixture);
    assert_true(is_at(fixture, STEP_CART_CLEAR));
    assert_int_equal(fixture_crash(fixture), 0);
    read_as_much_as_can_be(fixture);
    for (uint32_t i = 0; i < 3; i++)
        turn_of(fixture, 0, false);
    assert_true(is_at(fixture, STEP_CART_CLEAR));
    for (uint32_t i = 0; i < TURNS_MAX && !has_ended(fixture); i++)
        turn(fixture); /* the reads end; no time passes */
    assert_true(has_ended(fixture));
    drop_answer(fixture, checkout);
    fixture_close(fixture);
    free(fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_full_mailbox_costs_a_step_one_turn),
        cmocka_unit_test(a_shard_that_met_a_full_mailbox_comes_again_by_itself),
        cmocka_unit_test(who_asks_for_an_order_does_not_wait_for_its_step),
        cmocka_unit_test(no_room_for_a_read_ends_no_step),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
