/* SPDX-License-Identifier: Apache-2.0 */
/* The cart actor alone: each operation at its edges, merges and orders repeated, time, room. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cart.h"

enum { CARTS = 4, PARTITIONS = 4, RECORDS_BYTES = 1 << 20, DAY_S = 24 * 3600 };
#define START_MS INT64_C(1000000000000)

static const struct hash_key key = {{1, 2}};
static const struct cart_options options = {.partitions = PARTITIONS,
                                            .guest_ttl_ms = 30LL * DAY_S * 1000,
                                            .customer_ttl_ms = 90LL * DAY_S * 1000,
                                            .idle_ms = 30 * 60 * 1000};

static struct fixture {
    void *memory;
    struct cart_pool *pool;
    struct cart_circumstances circumstances;
    struct moment moment;
    struct effects effects;
    struct arena records;
    struct arena messages;
    _Alignas(8) uint8_t record_bytes[RECORDS_BYTES];
    _Alignas(8) uint8_t message_bytes[4096];
} fixture;

static void open_pool(uint32_t carts)
{
    size_t bytes = (cart_pool_bytes(carts) + 63) & ~(size_t)63;

    free(fixture.memory);
    fixture.memory = aligned_alloc(64, bytes);
    assert_non_null(fixture.memory);
    memset(fixture.memory, 0, bytes);
    fixture.pool = cart_pool_init(fixture.memory, carts, &options, &key);
}

static int set_up(void **state)
{
    (void)state;
    open_pool(CARTS);
    fixture.circumstances = (struct cart_circumstances){.may_expire = true};
    fixture.moment = (struct moment){.boot_ms = 1, .wall_ms = START_MS};
    fixture.records = (struct arena){fixture.record_bytes, 0, RECORDS_BYTES};
    fixture.messages = (struct arena){fixture.message_bytes, 0, sizeof(fixture.message_bytes)};
    fixture.effects = (struct effects){.records = &fixture.records, .messages = &fixture.messages};
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    free(fixture.memory);
    fixture.memory = NULL;
    return 0;
}

static struct principal who(uint8_t number)
{
    struct principal principal = {{0, number, 7, 7}};

    principal.bytes[8] = number;
    return principal;
}

/* The answer; its records are those of this step alone. */
static const struct reply_body *receive(struct message *message)
{
    const struct message *reply = (const struct message *)(const void *)fixture.message_bytes;

    fixture.records.used = 0;
    fixture.messages.used = 0;
    cart_receive(fixture.pool, &fixture.circumstances, &fixture.moment, message, &fixture.effects);
    assert_int_equal(fixture.messages.used, reply->size);
    assert_int_equal(reply->reply.answers, message->type);
    return &reply->reply;
}

static const struct reply_body *ask(uint8_t number, enum cart_operation operation, uint32_t sku,
                                    uint32_t quantity)
{
    struct message message = {.type = MESSAGE_CART};

    message.cart = (struct cart_body){.principal = who(number),
                                      .operation = (uint8_t)operation,
                                      .by_customer = number >= 100,
                                      .sku_id = sku,
                                      .quantity = quantity,
                                      .price_minor = 100 + sku,
                                      .currency = "EUR",
                                      .coupon_length = 4,
                                      .coupon = "CODE"};
    return receive(&message);
}

static const struct reply_body *merge(uint8_t customer, uint8_t guest,
                                      const struct cart_content *content)
{
    struct message message = {.type = MESSAGE_CART_MERGE};

    message.cart_merge.customer = who(customer);
    message.cart_merge.guest = who(guest);
    message.cart_merge.content = *content;
    return receive(&message);
}

static const struct reply_body *clear(uint8_t number, uint64_t order, uint32_t sku,
                                      uint32_t quantity)
{
    struct message message = {.type = MESSAGE_CART_CLEAR};

    message.cart_clear.principal = who(number);
    message.cart_clear.order = order;
    message.cart_clear.line_count = 1;
    message.cart_clear.lines[0] = (struct line){sku, quantity};
    return receive(&message);
}

static uint32_t quantity_of(uint8_t number, uint32_t sku)
{
    struct principal principal = who(number);
    struct cart_view view;

    cart_pool_view(fixture.pool, &principal, &view);
    for (uint32_t i = 0; i < view.content.line_count; i++)
        if (view.content.lines[i].sku_id == sku)
            return view.content.lines[i].quantity;
    return 0;
}

static void pass_days(int64_t days)
{
    fixture.moment.wall_ms += days * DAY_S * 1000;
}

/* What the last step recorded goes into a fresh pool: as after a restart. */
static void restart_with_last(void)
{
    const struct record *record = (const struct record *)(const void *)fixture.record_bytes;

    assert_int_equal(record->kind, RECORD_CART);
    assert_int_equal(fixture.records.used, record->size);
    open_pool(CARTS);
    assert_true(cart_restore(fixture.pool, record));
    assert_false(cart_restore(fixture.pool, record)); /* twice is a contradiction */
    cart_pool_restored(fixture.pool, &fixture.moment);
}

static void test_lines_are_summed_set_and_taken_out(void **state)
{
    (void)state;
    assert_int_equal(ask(1, CART_GET, 0, 0)->cart.created_wall_ms, 0);
    assert_int_equal(fixture.records.used, 0);
    ask(1, CART_ADD, 5, 2);
    ask(1, CART_ADD, 6, 1);
    assert_int_equal(ask(1, CART_ADD, 5, 3)->cart.content.line_count, 2);
    assert_int_equal(quantity_of(1, 5), 5);
    assert_int_equal(ask(1, CART_SET, 5, 1)->outcome, OUTCOME_OK);
    assert_int_equal(quantity_of(1, 5), 1);
    assert_int_equal(ask(1, CART_SET, 7, 1)->outcome, OUTCOME_NOT_FOUND);
    assert_int_equal(fixture.records.used, 0);
    ask(1, CART_REMOVE, 5, 0);
    assert_int_equal(quantity_of(1, 5), 0);
    assert_int_equal(ask(1, CART_REMOVE, 5, 0)->outcome, OUTCOME_OK);
    assert_int_equal(fixture.records.used, 0); /* nothing changed */
    assert_int_equal(quantity_of(1, 6), 1);
    ask(1, CART_DROP, 0, 0);
    assert_int_equal(cart_pool_count(fixture.pool), 0);
    assert_int_equal(cart_pool_used_bytes(fixture.pool), 0);
}

static void test_quantities_and_lines_are_bounded(void **state)
{
    (void)state;
    assert_int_equal(ask(1, CART_ADD, 1, QUANTITY_MAX)->outcome, OUTCOME_OK);
    assert_int_equal(ask(1, CART_ADD, 1, 1)->outcome, OUTCOME_LIMIT_REACHED);
    assert_int_equal(ask(1, CART_ADD, 1, QUANTITY_MAX)->limit, QUANTITY_MAX);
    for (uint32_t sku = 2; sku <= CART_LINES_MAX; sku++)
        assert_int_equal(ask(1, CART_ADD, sku, 1)->outcome, OUTCOME_OK);
    assert_int_equal(ask(1, CART_ADD, CART_LINES_MAX + 1, 1)->outcome, OUTCOME_LIMIT_REACHED);
    assert_int_equal(ask(1, CART_ADD, CART_LINES_MAX + 1, 1)->limit, CART_LINES_MAX);
    assert_int_equal(ask(1, CART_ADD, 2, 1)->outcome, OUTCOME_OK);
    restart_with_last();
    for (uint32_t sku = 1; sku <= CART_LINES_MAX; sku++)
        assert_int_equal(quantity_of(1, sku), sku == 1 ? QUANTITY_MAX : sku == 2 ? 2 : 1);
    ask(1, CART_COUPON_SET, 0, 0);
    clear(1, 9, 1, 1);
    assert_true(cart_pool_used_bytes(fixture.pool) <= 512); /* the largest that there can be */
    for (uint32_t sku = 1; sku <= CART_LINES_MAX; sku++)
        ask(1, CART_REMOVE, sku, 0);
    assert_int_equal(ask(1, CART_GET, 0, 0)->cart.content.line_count, 0);
}

static void test_prices_are_those_of_the_last_addition(void **state)
{
    const struct cart_view *view;
    struct message message = {.type = MESSAGE_CART};

    (void)state;
    message.cart = (struct cart_body){.principal = who(1),
                                      .operation = CART_ADD,
                                      .sku_id = 3,
                                      .quantity = 1,
                                      .price_minor = CART_PRICE_MINOR_MAX,
                                      .currency = "KWD"};
    view = &receive(&message)->cart;
    assert_int_equal(cart_line_price(&view->content.lines[0]), CART_PRICE_MINOR_MAX);
    restart_with_last();
    message.cart.operation = CART_SET;
    message.cart.price_minor = 1;
    view = &receive(&message)->cart;
    assert_int_equal(cart_line_price(&view->content.lines[0]), CART_PRICE_MINOR_MAX);
    message.cart.operation = CART_ADD;
    view = &receive(&message)->cart;
    assert_int_equal(cart_line_price(&view->content.lines[0]), 1);
    memcpy(message.cart.currency, "EUR", 4);
    assert_int_equal(receive(&message)->outcome, OUTCOME_OTHER_CURRENCY);
    ask(1, CART_REMOVE, 3, 0);
    assert_int_equal(receive(&message)->outcome, OUTCOME_OK);
    assert_string_equal(receive(&message)->cart.content.currency, "EUR");
}

static void test_a_merge_is_done_once(void **state)
{
    struct cart_content content = {.line_count = 2, .coupon_length = 3, .currency = "EUR"};

    (void)state;
    memcpy(content.coupon, "ABC", 3);
    content.lines[0] = cart_line_make(1, QUANTITY_MAX, 10);
    content.lines[1] = cart_line_make(2, 3, 20);
    ask(100, CART_ADD, 1, 5);
    merge(100, 1, &content);
    assert_int_equal(quantity_of(100, 1), QUANTITY_MAX);
    assert_int_equal(quantity_of(100, 2), 3);
    restart_with_last();
    merge(100, 1, &content);
    assert_int_equal(fixture.records.used, 0);
    assert_int_equal(quantity_of(100, 2), 3);
    /* Another guest; the coupon stays the first one's. */
    memcpy(content.coupon, "DEF", 3);
    assert_memory_equal(merge(100, 2, &content)->cart.content.coupon, "ABC", 3);
    assert_int_equal(quantity_of(100, 2), 6);
    /* Out of the oldest guest's memory it would be done again: so many are kept. */
    for (uint8_t guest = 3; guest <= CART_MERGED_MAX; guest++)
        merge(100, guest, &content);
    merge(100, 1, &content);
    assert_int_equal(fixture.records.used, 0);
    /* What is empty makes no cart. */
    content.line_count = 0;
    content.coupon_length = 0;
    assert_int_equal(merge(101, 9, &content)->cart.created_wall_ms, 0);
}

static void test_a_merge_stops_at_the_lines_that_fit(void **state)
{
    struct cart_content content = {.line_count = 2, .currency = "EUR"};

    (void)state;
    for (uint32_t sku = 1; sku < CART_LINES_MAX; sku++)
        ask(100, CART_ADD, sku, 1);
    content.lines[0] = cart_line_make(100, 1, 10);
    content.lines[1] = cart_line_make(101, 1, 10);
    assert_int_equal(merge(100, 1, &content)->cart.content.line_count, CART_LINES_MAX);
    assert_int_equal(quantity_of(100, 100), 1);
    assert_int_equal(quantity_of(100, 101), 0);
    /* In another currency: the customer's stays what it is. */
    memcpy(content.currency, "CHF", 4);
    ask(101, CART_ADD, 1, 1);
    assert_int_equal(merge(101, 2, &content)->cart.content.line_count, 1);
}

static void test_an_order_clears_once_and_no_more_than_it_has(void **state)
{
    (void)state;
    assert_int_equal(clear(1, 7, 1, 2)->outcome, OUTCOME_OK); /* there is no cart */
    assert_int_equal(cart_pool_count(fixture.pool), 0);
    ask(1, CART_ADD, 1, 3);
    ask(1, CART_ADD, 2, 1);
    ask(1, CART_COUPON_SET, 0, 0);
    clear(1, 7, 1, 2);
    assert_int_equal(quantity_of(1, 1), 1);
    restart_with_last();
    clear(1, 7, 1, 2);
    assert_int_equal(quantity_of(1, 1), 1);
    clear(1, 8, 1, QUANTITY_MAX);
    assert_int_equal(quantity_of(1, 1), 0);
    assert_int_equal(quantity_of(1, 2), 1);
    assert_int_equal(ask(1, CART_GET, 0, 0)->cart.content.coupon_length, 4);
    clear(1, 7, 2, 1); /* older, and known still */
    assert_int_equal(quantity_of(1, 2), 1);
    clear(1, 9, 2, 1);
    assert_int_equal(ask(1, CART_GET, 0, 0)->cart.content.coupon_length, 0); /* it was for these */
    assert_int_equal(cart_pool_statistics(fixture.pool)->converted, 2);
}

static void test_carts_expire_by_the_wall_clock(void **state)
{
    (void)state;
    ask(1, CART_ADD, 1, 1);
    ask(100, CART_ADD, 1, 1);
    pass_days(30);
    assert_int_equal(ask(1, CART_GET, 0, 0)->cart.content.line_count, 1);
    fixture.moment.wall_ms++;
    fixture.circumstances.may_expire = false; /* the clock has leapt */
    assert_int_equal(ask(1, CART_GET, 0, 0)->cart.content.line_count, 1);
    fixture.circumstances.may_expire = true;
    assert_int_equal(ask(1, CART_GET, 0, 0)->cart.content.line_count, 0);
    assert_int_equal(((const struct record *)(const void *)fixture.record_bytes)->operation,
                     RECORD_DELETE);
    assert_int_equal(ask(100, CART_ADD, 2, 1)->cart.content.line_count, 2);
    restart_with_last();
    pass_days(90);
    assert_false(
        cart_pool_tend(fixture.pool, &fixture.circumstances, &fixture.moment, &fixture.effects));
    assert_int_equal(cart_pool_count(fixture.pool), 1);
    fixture.moment.wall_ms++;
    cart_pool_tend(fixture.pool, &fixture.circumstances, &fixture.moment, &fixture.effects);
    assert_int_equal(cart_pool_count(fixture.pool), 0);
    assert_int_equal(cart_pool_used_bytes(fixture.pool), 0);
    assert_int_equal(cart_pool_statistics(fixture.pool)->expired, 1); /* since the restart */
}

static void test_expired_carts_make_way_and_live_ones_do_not(void **state)
{
    (void)state;
    for (uint8_t i = 1; i <= CARTS; i++) {
        ask(i, CART_ADD, 1, 1);
        fixture.moment.wall_ms++;
    }
    assert_int_equal(ask(9, CART_ADD, 1, 1)->outcome, OUTCOME_OVERLOADED);
    assert_int_equal(ask(1, CART_ADD, 1, 1)->outcome, OUTCOME_OK); /* now 2 is the oldest */
    fixture.moment.wall_ms += options.guest_ttl_ms - CARTS + 2;
    assert_int_equal(ask(9, CART_ADD, 1, 1)->outcome, OUTCOME_OK);
    assert_int_equal(quantity_of(2, 1), 0);
    assert_int_equal(quantity_of(1, 1), 2);
    assert_int_equal(quantity_of(3, 1), 1);
}

static void test_a_full_disk_takes_no_new_carts(void **state)
{
    struct cart_content content = {.line_count = 1, .currency = "EUR"};

    (void)state;
    content.lines[0] = cart_line_make(1, 1, 10);
    ask(1, CART_ADD, 1, 1);
    fixture.circumstances.takes_no_new = true;
    assert_int_equal(ask(2, CART_ADD, 1, 1)->outcome, OUTCOME_STORAGE_FULL);
    assert_int_equal(ask(2, CART_COUPON_SET, 1, 1)->outcome, OUTCOME_STORAGE_FULL);
    assert_int_equal(ask(1, CART_ADD, 1, 1)->outcome, OUTCOME_OK);
    assert_int_equal(merge(100, 1, &content)->outcome, OUTCOME_OK); /* in another one's place */
}

static void test_a_guest_who_logs_in_changes_nothing_more(void **state)
{
    (void)state;
    ask(1, CART_ADD, 1, 1);
    fixture.circumstances.is_adopted = true;
    assert_int_equal(ask(1, CART_ADD, 1, 1)->outcome, OUTCOME_STALE);
    assert_int_equal(ask(1, CART_REMOVE, 1, 1)->outcome, OUTCOME_STALE);
    assert_int_equal(ask(2, CART_ADD, 1, 1)->outcome, OUTCOME_STALE);
    assert_int_equal(ask(1, CART_GET, 0, 0)->cart.content.lines[0].quantity, 1);
    assert_int_equal(ask(1, CART_DROP, 0, 0)->outcome, OUTCOME_OK);
    assert_int_equal(cart_pool_count(fixture.pool), 0);
}

static void tend(void)
{
    cart_pool_tend(fixture.pool, &fixture.circumstances, &fixture.moment, &fixture.effects);
}

static void test_a_cart_is_abandoned_once_each_time(void **state)
{
    const struct cart_statistics *statistics = cart_pool_statistics(fixture.pool);

    (void)state;
    ask(1, CART_ADD, 1, 1);
    ask(2, CART_COUPON_SET, 0, 0); /* nothing is in it */
    fixture.moment.wall_ms += options.idle_ms - 1;
    ask(3, CART_ADD, 1, 1);
    tend();
    assert_int_equal(statistics->abandoned, 0);
    fixture.moment.wall_ms++;
    tend();
    assert_int_equal(statistics->abandoned, 1);
    tend();
    ask(1, CART_GET, 0, 0); /* looking is not coming back */
    tend();
    assert_int_equal(statistics->abandoned, 1);
    assert_int_equal(statistics->recovered, 0);
    assert_int_equal(statistics->idle, 1);
    ask(1, CART_ADD, 1, 1);
    assert_int_equal(statistics->recovered, 1);
    assert_int_equal(statistics->idle, 0);
    fixture.moment.wall_ms += options.idle_ms;
    tend();
    assert_int_equal(statistics->abandoned, 3); /* the first one again, and the third */
    clear(1, 5, 1, 1);                          /* ordered from after all */
    assert_int_equal(statistics->recovered, 2);
    ask(3, CART_DROP, 0, 0); /* taken along into an account */
    assert_int_equal(statistics->recovered, 3);
    assert_int_equal(statistics->idle, 0);
    fixture.moment.wall_ms += options.idle_ms;
    tend();
    assert_int_equal(statistics->abandoned, 4);
    assert_int_equal(statistics->idle, 1);
    assert_true(cart_pool_audit(fixture.pool));
}

/* A thousand in any order: afterwards those whose time is over first go first. */
static void test_a_restart_knows_the_order_of_changes(void **state)
{
    enum { COUNT = 1000 };
    static struct record stored;
    struct record *record = &stored;

    (void)state;
    open_pool(COUNT);
    for (uint32_t i = 0; i < COUNT; i++) {
        uint32_t at = i * 387 % COUNT; /* coprime */
        struct record_place place;

        memset(record, 0, sizeof(*record));
        record->kind = RECORD_CART;
        record->size = record_size(RECORD_CART, 0);
        memcpy(record->cart.principal.bytes, &at, sizeof(at));
        record->cart.principal.bytes[15] = 1;
        place = record_place_of(record->cart.principal.bytes, PARTITIONS);
        record->partition = (uint16_t)place.partition;
        record->subject = place.subject;
        record->sequence = place.sequence;
        record->cart.created_wall_ms = START_MS;
        record->cart.changed_wall_ms = START_MS + at;
        assert_true(cart_restore(fixture.pool, record));
    }
    cart_pool_restored(fixture.pool, &fixture.moment);
    fixture.moment.wall_ms += options.guest_ttl_ms;
    for (uint32_t i = 0; i <= COUNT; i += 50) {
        fixture.records.used = 0;
        while (
            cart_pool_tend(fixture.pool, &fixture.circumstances, &fixture.moment, &fixture.effects))
            ;
        assert_int_equal(cart_pool_count(fixture.pool), COUNT - i);
        fixture.moment.wall_ms += 50;
    }
}

static void test_ids_are_their_owners_and_the_stores(void **state)
{
    char first[CART_ID_LENGTH + 1];
    char second[CART_ID_LENGTH + 1];
    struct principal one = who(1);
    struct principal two = who(2);
    struct hash_key other = {{3, 4}};

    (void)state;
    cart_id_format(&one, START_MS, PARTITIONS, &key, first);
    assert_memory_equal(first, "cart_", 5);
    assert_int_equal(strspn(first + 5, "0123456789abcdefghjkmnpqrstvwxyz"), 32);
    cart_id_format(&one, START_MS, PARTITIONS, &key, second);
    assert_string_equal(first, second);
    cart_id_format(&one, START_MS + 1000, PARTITIONS, &key, second);
    assert_true(strcmp(first, second) < 0); /* they sort by time */
    cart_id_format(&two, START_MS, PARTITIONS, &key, second);
    assert_string_not_equal(first, second);
    cart_id_format(&one, START_MS, PARTITIONS, &other, second);
    assert_memory_equal(first, second, 5 + 8); /* the time */
    assert_string_not_equal(first, second);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_lines_are_summed_set_and_taken_out),
        TEST(test_quantities_and_lines_are_bounded),
        TEST(test_prices_are_those_of_the_last_addition),
        TEST(test_a_merge_is_done_once),
        TEST(test_a_merge_stops_at_the_lines_that_fit),
        TEST(test_an_order_clears_once_and_no_more_than_it_has),
        TEST(test_carts_expire_by_the_wall_clock),
        TEST(test_expired_carts_make_way_and_live_ones_do_not),
        TEST(test_a_full_disk_takes_no_new_carts),
        TEST(test_a_guest_who_logs_in_changes_nothing_more),
        TEST(test_a_cart_is_abandoned_once_each_time),
        TEST(test_a_restart_knows_the_order_of_changes),
        TEST(test_ids_are_their_owners_and_the_stores),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
