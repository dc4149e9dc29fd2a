/* SPDX-License-Identifier: Apache-2.0 */
/* The online audit: stored ledgers against the records in memory. */
#include "engine_fixture.h"
#include "engine_private.h"
#include "inventory_private.h"

static void advance_s(struct fixture *fixture, int seconds)
{
    for (int i = 0; i < seconds * 10; i++)
        fixture_advance(fixture, 100);
}

static struct engine_metrics metrics_of(struct fixture *fixture)
{
    struct engine_metrics metrics;

    engine_metrics(fixture->engine, &metrics);
    return metrics;
}

static uint32_t sku_id_of(struct fixture *fixture, const char *sku)
{
    return directory_find_sku(engine_inspect_directory(fixture->engine), sku, strlen(sku))->sku_id;
}

static struct sku *sku_of(struct fixture *fixture, const char *name)
{
    uint32_t sku_id = sku_id_of(fixture, name);

    return pool_find_sku(fixture->engine->inventories[sku_id_partition(sku_id)].pool, sku_id);
}

/* Record and gate have it, the ledger has not. */
static void plant(struct fixture *fixture, const char *name)
{
    sku_of(fixture, name)->stock += 1;
    gate_credit(
        &directory_find_sku(engine_inspect_directory(fixture->engine), name, strlen(name))->gate,
        1);
}

static enum outcome adjust(struct fixture *fixture, const char *sku, int64_t delta)
{
    struct command command = {.type = COMMAND_STOCK_ADJUST, .authority = AUTHORITY_STAFF};
    struct message reply;

    command.stock.sku = text(sku);
    command.stock.reason = text("count");
    command.stock.value = delta;
    return fixture_do(fixture, 0, &command, &reply);
}

static uint32_t findings(struct fixture *fixture, struct stock_finding *last_out)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < fixture->options.shards; i++)
        while (shard_stock_finding(engine_shard(fixture->engine, i), last_out))
            count++;
    return count;
}

static void a_planted_mismatch_is_reported_within_a_minute(void **state)
{
    struct fixture *fixture = *state;
    struct stock_finding finding;

    assert_true(engine_options_default(1).audit_period_ms <= 30 * 1000);
    fixture_product(fixture, "p", "a", 500, 0);
    fixture_product(fixture, "q", "b", 7, 0);
    for (int i = 0; i < 130; i++) /* more than a page of it */
        assert_int_equal(adjust(fixture, "a", 1), OUTCOME_OK);
    assert_int_equal(adjust(fixture, "a", -30), OUTCOME_OK);
    advance_s(fixture, 70);
    assert_true(metrics_of(fixture).ledger_audits >= 2);
    assert_int_equal(metrics_of(fixture).ledger_entries_audited, 133);
    assert_int_equal(metrics_of(fixture).inventory_mismatch_skus, 0);
    assert_int_equal(findings(fixture, &finding), 0);
    plant(fixture, "a");
    advance_s(fixture, 60);
    assert_int_equal(metrics_of(fixture).inventory_mismatch_skus, 1);
    assert_true(findings(fixture, &finding) >= 1);
    assert_int_equal(finding.kind, STOCK_FINDING_LEDGER);
    assert_int_equal(finding.sku_id, sku_id_of(fixture, "a"));
    assert_int_equal(finding.found, 601);
    assert_int_equal(finding.expected, 600);
    /* It stays one, however often it is found, also when the SKU is sold on. */
    assert_int_equal(adjust(fixture, "a", 5), OUTCOME_OK);
    advance_s(fixture, 60);
    assert_int_equal(metrics_of(fixture).inventory_mismatch_skus, 1);
    /* And goes when it is put right. */
    sku_of(fixture, "a")->stock -= 1;
    assert_true(gate_claim(
        &directory_find_sku(engine_inspect_directory(fixture->engine), "a", 1)->gate, 1));
    gate_resolve(&directory_find_sku(engine_inspect_directory(fixture->engine), "a", 1)->gate, 1);
    advance_s(fixture, 60);
    assert_int_equal(metrics_of(fixture).inventory_mismatch_skus, 0);
}

static void sales_and_what_came_back_add_up(void **state)
{
    struct fixture *fixture = *state;
    struct message reply;
    struct reservation_id id;

    fixture_product(fixture, "p", "a", 50, 0);
    for (int i = 0; i < 5; i++) {
        char key[8];

        snprintf(key, sizeof(key), "k%d", i);
        fixture_reserve(fixture, 0, 1, key, "a", 2, &reply);
        id = reply.reply.hold.id;
        assert_int_equal(
            fixture_hold(fixture, COMMAND_HOLD_CONVERT, AUTHORITY_STAFF, 1, &id, &reply),
            OUTCOME_OK);
    }
    advance_s(fixture, 70);
    assert_int_equal(metrics_of(fixture).ledger_entries_audited, 6);
    assert_int_equal(metrics_of(fixture).inventory_mismatch_skus, 0);
    /* A restart begins with the whole of it. */
    assert_int_equal(fixture_crash(fixture), 0);
    advance_s(fixture, 70);
    assert_int_equal(metrics_of(fixture).ledger_entries_audited, 6);
    assert_int_equal(metrics_of(fixture).inventory_mismatch_skus, 0);
    sku_of(fixture, "a")->sold -= 1;
    gate_credit(&directory_find_sku(engine_inspect_directory(fixture->engine), "a", 1)->gate, 1);
    advance_s(fixture, 60);
    assert_int_equal(metrics_of(fixture).inventory_mismatch_skus, 1);
}

/* Reads that fail say nothing, and are repeated. */
static void a_ledger_that_cannot_be_read_for_now_is_no_mismatch(void **state)
{
    struct fixture *fixture = *state;

    fixture_product(fixture, "p", "a", 50, 0);
    journal_memory_fail_reads(fixture->journal, 5);
    advance_s(fixture, 50);
    assert_int_equal(metrics_of(fixture).inventory_mismatch_skus, 0);
    assert_int_equal(metrics_of(fixture).ledger_entries_audited, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_set_up, fixture_tear_down)
        TEST(a_planted_mismatch_is_reported_within_a_minute),
        TEST(sales_and_what_came_back_add_up),
        TEST(a_ledger_that_cannot_be_read_for_now_is_no_mismatch),
#undef TEST
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
