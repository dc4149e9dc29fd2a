/* SPDX-License-Identifier: Apache-2.0 */
/* Products and stock: who owns a name, adjustments with a ledger, the online audit. */
#include "engine_fixture.h"

static void a_name_that_was_not_recorded_is_free(void **state)
{
    struct fixture *fixture = *state;
    struct product_envelope *envelope = product_envelope_create(2);
    struct message reply;

    fixture_product(fixture, "p", "a", 1, 0);
    strcpy(envelope->id, "p"); /* exists: refused, and its SKU b was never anyone's */
    strcpy(envelope->currency, "EUR");
    envelope->variant_count = 1;
    strcpy(envelope->variants[0].sku, "b");
    memcpy(envelope->document, "{}", 2);
    assert_int_equal(fixture_do(fixture, 0,
                                &(struct command){.type = COMMAND_PRODUCT_PUT, .product = envelope},
                                &reply),
                     OUTCOME_PRODUCT_EXISTS);
    assert_int_equal(fixture_reserve(fixture, 0, 1, "k", "b", 1, &reply), OUTCOME_NOT_FOUND);
    assert_int_equal(fixture_product(fixture, "q", "b", 3, 0), OUTCOME_OK);
    assert_int_equal(fixture_reserve(fixture, 0, 1, "k", "b", 1, &reply), OUTCOME_OK);
    assert_int_equal(fixture_crash(fixture), 0);
    assert_stock(fixture, "b", 2, 1, 0);
}

static void a_leaked_claim_is_found_when_it_is_quiet(void **state)
{
    struct fixture *fixture = *state;
    struct engine_metrics metrics;
    struct sku_entry *sku;

    fixture_product(fixture, "p", "a", 5, 0);
    fixture_advance(fixture, fixture->options.audit_period_ms + 5000);
    fixture_advance(fixture, fixture->options.audit_period_ms + 5000);
    engine_metrics(fixture->engine, &metrics);
    assert_true(metrics.audits >= 2);
    assert_int_equal(metrics.inventory_mismatch_skus, 0);
    sku = directory_find_sku(engine_inspect_directory(fixture->engine), "a", 1);
    gate_claim(&sku->gate, 3);
    for (int i = 0; i < 80; i++)
        fixture_advance(fixture, 1000);
    engine_metrics(fixture->engine, &metrics);
    assert_int_equal(metrics.inventory_mismatch_skus, 1);
    gate_return(&sku->gate, 3);
}

static void stock_is_adjusted_with_a_ledger(void **state)
{
    struct fixture *fixture = *state;
    struct message reply;
    struct command command = {.type = COMMAND_STOCK_ADJUST, .authority = AUTHORITY_STAFF};

    fixture_product(fixture, "p", "a", 10, 0);
    fixture_reserve(fixture, 0, 1, "k", "a", 4, &reply);
    command.stock.sku = text("a");
    command.stock.reason = text("count");
    command.stock.value = -7;
    assert_int_equal(fixture_do(fixture, 1, &command, &reply), OUTCOME_STOCK_CONFLICT);
    command.stock.value = -6;
    assert_int_equal(fixture_do(fixture, 1, &command, &reply), OUTCOME_OK);
    assert_stock(fixture, "a", 0, 4, 0);
    command.stock.is_set = true;
    command.stock.value = 3;
    assert_int_equal(fixture_do(fixture, 1, &command, &reply), OUTCOME_OK);
    assert_int_equal(reply.reply.stock.stock, 7);
    assert_stock(fixture, "a", 3, 4, 0);
    command.stock.value = 1;
    assert_int_equal(fixture_do(fixture, 1, &command, &reply), OUTCOME_OK);
    assert_stock(fixture, "a", 1, 4, 0);
    assert_int_equal(journal_memory_count(fixture->journal, RECORD_LEDGER), 4);
    assert_int_equal(fixture_crash(fixture), 0);
    assert_stock(fixture, "a", 1, 4, 0);
}

static void an_adjustment_with_a_key_is_booked_once(void **state)
{
    struct fixture *fixture = *state;
    struct command command = {.type = COMMAND_STOCK_ADJUST, .authority = AUTHORITY_STAFF};
    struct message first;
    struct message again;

    fixture_product(fixture, "p", "a", 10, 0);
    command.stock.sku = text("a");
    command.stock.reason = text("count");
    command.stock.value = 7;
    command.stock.key = text("k");
    command.stock.body = text("body");
    assert_int_equal(fixture_do(fixture, 0, &command, &first), OUTCOME_OK);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(fixture_do(fixture, 1, &command, &again), OUTCOME_OK);
        assert_int_equal(again.reply.replayed, 1);
        assert_memory_equal(&again.reply.stock, &first.reply.stock, sizeof(first.reply.stock));
        assert_int_equal(fixture_crash(fixture), 0);
    }
    assert_stock(fixture, "a", 17, 0, 0);
    command.stock.body = text("another");
    assert_int_equal(fixture_do(fixture, 0, &command, &again), OUTCOME_KEY_REUSED);
    /* Taking away claims first; the key is kept all the same. */
    command.stock.key = text("k2");
    command.stock.value = -5;
    assert_int_equal(fixture_do(fixture, 0, &command, &again), OUTCOME_OK);
    assert_int_equal(fixture_do(fixture, 0, &command, &again), OUTCOME_OK);
    assert_int_equal(again.reply.replayed, 1);
    assert_stock(fixture, "a", 12, 0, 0);
    /* Past retention a new key's coming lets old ones go. */
    fixture_advance(fixture, (int64_t)ADJUST_KEY_RETENTION_MS + 1);
    command.stock.key = text("k3");
    assert_int_equal(fixture_do(fixture, 0, &command, &again), OUTCOME_OK);
    assert_int_equal(journal_memory_count(fixture->journal, RECORD_KEY), 1);
    assert_int_equal(fixture_crash(fixture), 0);
    assert_stock(fixture, "a", 7, 0, 0);
}

static void products_are_found_and_skus_belong_to_one(void **state)
{
    struct fixture *fixture = *state;
    struct message reply;

    assert_int_equal(fixture_product(fixture, "p", "a", 1, 0), OUTCOME_OK);
    assert_int_equal(fixture_product(fixture, "p", "a", 1, 0), OUTCOME_PRODUCT_EXISTS);
    assert_int_equal(fixture_product(fixture, "q", "a", 1, 0), OUTCOME_SKU_TAKEN);
    assert_int_equal(fixture_reserve(fixture, 0, 1, "k", "nothing", 1, &reply), OUTCOME_NOT_FOUND);
}

static enum outcome put_weight(struct fixture *fixture, uint32_t weight_grams, uint8_t *result_out)
{
    struct product_envelope *envelope = product_envelope_create(2);
    struct command command = {
        .type = COMMAND_PRODUCT_PUT, .authority = AUTHORITY_STAFF, .product = envelope};
    struct message reply;
    enum outcome outcome;

    strcpy(envelope->id, "p");
    strcpy(envelope->currency, "EUR");
    envelope->put_mode = PUT_UPSERT;
    envelope->variant_count = 1;
    strcpy(envelope->variants[0].sku, "a");
    envelope->variants[0].weight_grams = weight_grams;
    memcpy(envelope->document, "{}", 2);
    outcome = fixture_do(fixture, 0, &command, &reply);
    *result_out = reply.reply.put_result;
    return outcome;
}

static uint32_t shown_weight(const struct fixture *fixture)
{
    return atomic_load(
        &directory_find_sku(engine_inspect_directory(fixture->engine), "a", 1)->weight_grams);
}

static void a_weight_is_changed_by_itself(void **state)
{
    static const uint32_t weights[] = {0, 750, 2000, 0};
    struct fixture *fixture = *state;
    uint8_t result;

    for (unsigned i = 0; i < 4; i++) {
        assert_int_equal(put_weight(fixture, weights[i], &result), OUTCOME_OK);
        assert_int_equal(result, i == 0 ? PUT_CREATED : PUT_UPDATED);
        assert_int_equal(shown_weight(fixture), weights[i]);
        assert_int_equal(put_weight(fixture, weights[i], &result), OUTCOME_OK);
        assert_int_equal(result, PUT_UNCHANGED);
        assert_int_equal(fixture_crash(fixture), 0);
        assert_int_equal(shown_weight(fixture), weights[i]);
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_set_up, fixture_tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_name_that_was_not_recorded_is_free),
        TEST(a_leaked_claim_is_found_when_it_is_quiet),
        TEST(stock_is_adjusted_with_a_ledger),
        TEST(an_adjustment_with_a_key_is_booked_once),
        TEST(products_are_found_and_skus_belong_to_one),
        TEST(a_weight_is_changed_by_itself),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
