/* SPDX-License-Identifier: Apache-2.0 */
/* Products in the inventory actor alone: versions, what is withdrawn and comes back, what is
 * refused and leaves nothing behind; and that stored records say the same again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "inventory.h"

enum { HOME = 3, RECORDS_BYTES = 1 << 20, MESSAGES_BYTES = 1 << 20, NUMBER = 5 };
#define START_MS INT64_C(1000000000000)

static const struct hash_key key = {{1, 2}};
static const struct inventory_options options = {
    .hold_ttl_ms = 60000, .hold_cap_ms = 120000, .hold_retention_ms = 1000};
static const struct inventory_sizes sizes = {
    .holds_max = 64, .lines_max = 256, .skus_max = 4096, .products_max = 16, .limit_rows_max = 64};

static struct fixture {
    void *memory;
    struct inventory inventory;
    struct order_numbers events;
    struct moment moment;
    struct effects effects;
    struct arena records; /* of the last step */
    struct arena messages;
    struct arena stored; /* of all steps */
    struct product_envelope *envelope;
    uint64_t next_key;
    _Alignas(8) uint8_t record_bytes[RECORDS_BYTES];
    _Alignas(8) uint8_t message_bytes[MESSAGES_BYTES];
    _Alignas(8) uint8_t stored_bytes[4 * RECORDS_BYTES];
} fixture;

static void open_pool(void)
{
    size_t bytes = (inventory_pool_bytes(&sizes) + 63) & ~(size_t)63;

    free(fixture.memory);
    fixture.memory = aligned_alloc(64, bytes);
    assert_non_null(fixture.memory);
    memset(fixture.memory, 0, bytes);
    fixture.events = (struct order_numbers){.next = 1, .floor = 1};
    inventory_init(&fixture.inventory, inventory_pool_init(fixture.memory, &sizes, &key), &options,
                   &fixture.events, HOME);
}

static void begin_step(void)
{
    fixture.records.used = 0;
    fixture.messages.used = 0;
    fixture.effects.gate_count = fixture.effects.timer_count = 0;
    fixture.effects.audit_count = 0;
    fixture.effects.tells = false;
}

static int set_up(void **state)
{
    (void)state;
    open_pool();
    fixture.moment = (struct moment){.boot_ms = 1000, .wall_ms = START_MS};
    fixture.records = (struct arena){fixture.record_bytes, 0, RECORDS_BYTES};
    fixture.messages = (struct arena){fixture.message_bytes, 0, MESSAGES_BYTES};
    fixture.stored = (struct arena){fixture.stored_bytes, 0, sizeof(fixture.stored_bytes)};
    fixture.effects = (struct effects){.records = &fixture.records, .messages = &fixture.messages};
    fixture.envelope = NULL;
    begin_step();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    free(fixture.envelope);
    free(fixture.memory);
    fixture.memory = NULL;
    return 0;
}

static uint32_t sku(uint32_t number)
{
    return sku_id_make(HOME, number);
}

static void receive(struct message *message)
{
    begin_step();
    inventory_receive(&fixture.inventory, &fixture.moment, message, &fixture.effects);
    assert_int_equal(fixture.effects.claim_count, 0);
    memcpy(fixture.stored_bytes + fixture.stored.used, fixture.record_bytes, fixture.records.used);
    fixture.stored.used += fixture.records.used;
}

/* ---- puts ---- */

/* A PUT of SKUs first to first + count - 1, active and in EUR, with so many to leave out behind. */
static struct product_envelope *begin_put(uint32_t first, uint32_t count, uint32_t left_out)
{
    size_t bytes = sizeof(*fixture.envelope) + 16 + left_out * sizeof(struct left_out);
    struct product_envelope *envelope = calloc(1, bytes);

    free(fixture.envelope);
    fixture.envelope = envelope;
    assert_non_null(envelope);
    strcpy(envelope->id, "p");
    strcpy(envelope->currency, "EUR");
    envelope->put_mode = PUT_UPSERT;
    envelope->product_number = NUMBER;
    envelope->document_length = 2;
    memcpy(envelope->document, "{}", 2);
    envelope->variant_count = count;
    for (uint32_t i = 0; i < count; i++) {
        envelope->variants[i].sku_id = sku(first + i);
        envelope->variants[i].stock = 10;
        snprintf(envelope->variants[i].sku, SKU_LENGTH_MAX, "s%u", first + i);
    }
    envelope->left_out_count = left_out;
    return envelope;
}

static void leave_out(struct product_envelope *envelope, uint32_t at, uint32_t number)
{
    struct left_out *left_out = &product_left_out(envelope)[at];

    left_out->sku_id = sku(number);
    snprintf(left_out->sku, SKU_LENGTH_MAX, "s%u", number);
}

static enum outcome put(struct product_envelope *envelope)
{
    struct message message = {.size = message_size(MESSAGE_PRODUCT_PUT, 0),
                              .type = MESSAGE_PRODUCT_PUT,
                              .partition = HOME};

    message.product.envelope = envelope;
    receive(&message);
    if (envelope->outcome != OUTCOME_OK || envelope->result == PUT_UNCHANGED)
        assert_int_equal(fixture.records.used, 0); /* nothing is left behind */
    return (enum outcome)envelope->outcome;
}

static enum outcome put_status(enum product_status status)
{
    struct product_envelope *envelope = begin_put(0, 1, 0);

    envelope->status = (uint8_t)status;
    return put(envelope);
}

/* The last record of this kind and subject in what was written last; NULL: there is none. */
static const struct record *written(enum record_kind kind, uint32_t subject)
{
    const struct record *found = NULL;

    for (uint32_t at = 0; at < fixture.records.used;) {
        const struct record *record =
            (const struct record *)(const void *)(fixture.record_bytes + at);

        if (record->kind == kind && record->subject == subject)
            found = record;
        at += record->size;
    }
    return found;
}

/* ---- holds ---- */

static enum outcome reserve(uint32_t number, uint32_t quantity, struct reservation_id *id_out)
{
    struct message message = {
        .size = message_size(MESSAGE_RESERVE, 1), .type = MESSAGE_RESERVE, .partition = HOME};
    const struct message *reply = (const struct message *)(const void *)fixture.message_bytes;

    message.reserve.key = (struct hash128){{++fixture.next_key, 1}};
    message.reserve.principal.bytes[0] = 9;
    message.reserve.claim = CLAIM_MADE;
    message.reserve.line_count = 1;
    message.reserve.lines[0] = (struct line){.sku_id = sku(number), .quantity = quantity};
    receive(&message);
    if (id_out != NULL)
        *id_out = reply->reply.hold.id;
    return (enum outcome)reply->reply.outcome;
}

static void release(const struct reservation_id *id)
{
    struct message message = {.size = message_size(MESSAGE_HOLD_RELEASE, 0),
                              .type = MESSAGE_HOLD_RELEASE,
                              .partition = HOME};
    const struct message *reply = (const struct message *)(const void *)fixture.message_bytes;

    message.hold.sequence = id->sequence;
    message.hold.created_wall_ms = id->created_ms;
    message.hold.authority = AUTHORITY_STAFF;
    receive(&message);
    assert_int_equal(reply->reply.outcome, OUTCOME_OK);
}

/* Everything that was written goes into a fresh pool, kind by kind: as after a restart. */
static void restart(void)
{
    open_pool();
    for (unsigned kind = 0; kind < RECORD_KIND_COUNT; kind++) {
        if (record_is_history((enum record_kind)kind) || kind == RECORD_AUDIT_HEAD)
            continue;
        for (uint32_t at = 0; at < fixture.stored.used;) {
            const struct record *record =
                (const struct record *)(const void *)(fixture.stored_bytes + at);
            bool is_last = record->kind == kind;

            for (uint32_t later = at + record->size; is_last && later < fixture.stored.used;) {
                const struct record *other =
                    (const struct record *)(const void *)(fixture.stored_bytes + later);

                is_last = other->kind != kind || other->subject != record->subject ||
                          other->sequence != record->sequence;
                later += other->size;
            }
            begin_step();
            if (is_last)
                assert_true(inventory_restore(&fixture.inventory, &fixture.moment, record,
                                              &fixture.effects));
            at += record->size;
        }
    }
}

/* ---- the tests ---- */

static void a_withdrawn_product_is_not_held(void **state)
{
    static const enum product_status withdrawn[] = {PRODUCT_ARCHIVED, PRODUCT_DRAFT};

    (void)state;
    assert_int_equal(put(begin_put(0, 1, 0)), OUTCOME_OK);
    assert_int_equal(reserve(0, 2, NULL), OUTCOME_OK);
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(put_status(withdrawn[i]), OUTCOME_OK);
        for (unsigned n = 0; n < 2; n++) {
            assert_int_equal(reserve(0, 3, NULL), OUTCOME_NOT_FOUND);
            assert_int_equal(fixture.records.used, 0);
            assert_int_equal(fixture.effects.gate_count, 1); /* its claim goes back */
            assert_int_equal(fixture.effects.gates[0].operation, GATE_RETURN);
            assert_int_equal(fixture.effects.gates[0].quantity, 3);
            restart();
        }
    }
    assert_int_equal(put_status(PRODUCT_ACTIVE), OUTCOME_OK);
    assert_int_equal(reserve(0, 3, NULL), OUTCOME_OK);
}

static void other_partitions_lines_are_refused_too(void **state)
{
    struct message message = {.size = message_size(MESSAGE_LINE_PREPARE, 1),
                              .type = MESSAGE_LINE_PREPARE,
                              .partition = HOME};
    const struct message *reply = (const struct message *)(const void *)fixture.message_bytes;

    (void)state;
    assert_int_equal(put(begin_put(0, 1, 0)), OUTCOME_OK);
    assert_int_equal(put_status(PRODUCT_ARCHIVED), OUTCOME_OK);
    message.prepare.owner_sequence = 7;
    message.prepare.owner_partition = 1;
    message.prepare.line_count = 1;
    message.prepare.lines[0] = (struct line){.sku_id = sku(0), .quantity = 1};
    receive(&message);
    assert_int_equal(reply->type, MESSAGE_LINE_REFUSED);
    assert_int_equal(reply->line_answer.outcome, OUTCOME_NOT_FOUND);
}

static void what_is_left_out_keeps_its_place_and_stock(void **state)
{
    struct product_envelope *envelope;
    const struct record *record;
    struct stock_view view;

    (void)state;
    assert_int_equal(put(begin_put(0, 2, 0)), OUTCOME_OK);
    assert_int_equal(reserve(1, 4, NULL), OUTCOME_OK);
    envelope = begin_put(0, 1, 2);
    leave_out(envelope, 0, 1);
    leave_out(envelope, 1, 77); /* of a PUT that was refused: no such SKU came to be */
    assert_int_equal(put(envelope), OUTCOME_OK);
    record = written(RECORD_SKU, sku(1));
    assert_non_null(record);
    assert_int_equal(record->sku.archived, 1);
    assert_int_equal(record->sku.product_number, NUMBER);
    assert_string_equal(record->sku.sku, "s1");
    assert_null(written(RECORD_SKU, sku(0)));
    assert_int_equal(reserve(1, 1, NULL), OUTCOME_NOT_FOUND);
    assert_int_equal(reserve(0, 1, NULL), OUTCOME_OK);
    restart();
    assert_int_equal(reserve(1, 1, NULL), OUTCOME_NOT_FOUND);
    envelope = begin_put(0, 1, 1); /* the same again: nothing changes */
    leave_out(envelope, 0, 1);
    assert_int_equal(put(envelope), OUTCOME_OK);
    assert_int_equal(envelope->result, PUT_UNCHANGED);
    assert_int_equal(put(begin_put(0, 2, 0)), OUTCOME_OK);
    assert_null(written(RECORD_LEDGER, sku(1))); /* its stock is what it was */
    assert_true(inventory_stock(&fixture.inventory, sku(1), &view));
    assert_int_equal(view.available, 6);
    assert_int_equal(view.reserved, 4);
    restart();
    assert_int_equal(reserve(1, 1, NULL), OUTCOME_OK);
}

static void each_version_is_later_than_the_one_before(void **state)
{
    static const int64_t clock_ms[] = {START_MS, START_MS, START_MS - 5000, START_MS + 1,
                                       START_MS + 90000};
    static const int64_t version_ms[] = {START_MS, START_MS + 1, START_MS + 2, START_MS + 3,
                                         START_MS + 90000};
    struct product_envelope *envelope;

    (void)state;
    for (unsigned i = 0; i < 5; i++) {
        fixture.moment.wall_ms = clock_ms[i];
        envelope = begin_put(0, 1, 0);
        envelope->limit_per_customer = i;
        envelope->expected_wall_ms = i == 0 ? 0 : version_ms[i - 1];
        assert_int_equal(put(envelope), OUTCOME_OK);
        assert_int_equal(envelope->updated_wall_ms, version_ms[i]);
        assert_int_equal(written(RECORD_PRODUCT, NUMBER)->product.updated_wall_ms, version_ms[i]);
        if (i % 2 == 0)
            restart();
    }
    for (unsigned i = 0; i < 4; i++) {
        envelope = begin_put(0, 1, 0);
        envelope->limit_per_customer = 50;
        envelope->expected_wall_ms = version_ms[i];
        assert_int_equal(put(envelope), OUTCOME_PRECONDITION_FAILED);
    }
    envelope = begin_put(0, 1, 0);
    envelope->limit_per_customer = 50;
    envelope->expected_wall_ms = PRODUCT_VERSION_ANY;
    assert_int_equal(put(envelope), OUTCOME_OK);
}

static void a_version_of_what_is_not_there_is_none(void **state)
{
    struct product_envelope *envelope = begin_put(0, 1, 0);

    (void)state;
    envelope->expected_wall_ms = PRODUCT_VERSION_ANY;
    assert_int_equal(put(envelope), OUTCOME_PRECONDITION_FAILED);
    envelope = begin_put(0, 1, 0);
    envelope->expected_wall_ms = START_MS;
    assert_int_equal(put(envelope), OUTCOME_PRECONDITION_FAILED);
    assert_int_equal(put(begin_put(0, 1, 0)), OUTCOME_OK);
}

static void the_currency_of_what_is_held_stays(void **state)
{
    struct product_envelope *envelope;
    struct reservation_id hold;

    (void)state;
    assert_int_equal(put(begin_put(0, 2, 0)), OUTCOME_OK);
    assert_int_equal(reserve(1, 1, &hold), OUTCOME_OK);
    for (unsigned n = 0; n < 2; n++) {
        envelope = begin_put(0, 2, 0);
        strcpy(envelope->currency, "JPY");
        assert_int_equal(put(envelope), OUTCOME_CURRENCY_IN_USE);
        envelope = begin_put(0, 1, 1); /* nor by leaving out what is held */
        strcpy(envelope->currency, "JPY");
        leave_out(envelope, 0, 1);
        assert_int_equal(put(envelope), OUTCOME_CURRENCY_IN_USE);
        restart();
    }
    release(&hold);
    envelope = begin_put(0, 2, 0);
    strcpy(envelope->currency, "JPY");
    assert_int_equal(put(envelope), OUTCOME_OK);
}

static void a_product_has_so_many_skus_ever(void **state)
{
    struct product_envelope *envelope;
    uint32_t first = 0;

    (void)state;
    for (; first < PRODUCT_SKUS_MAX; first += PRODUCT_VARIANTS_MAX) {
        envelope = begin_put(first, PRODUCT_VARIANTS_MAX, first == 0 ? 0 : PRODUCT_VARIANTS_MAX);
        for (uint32_t i = 0; i < envelope->left_out_count; i++)
            leave_out(envelope, i, first - PRODUCT_VARIANTS_MAX + i);
        assert_int_equal(put(envelope), OUTCOME_OK);
        assert_true(fixture.records.used <= EFFECT_RECORD_BYTES_MAX - PRODUCT_DOCUMENT_BYTES_MAX);
    }
    restart();
    assert_int_equal(put(begin_put(first, 1, 0)), OUTCOME_SKUS_EXHAUSTED);
    assert_int_equal(put(begin_put(first - 1, 1, 0)), OUTCOME_OK);
    assert_int_equal(put(begin_put(3, 1, 0)), OUTCOME_OK); /* one that it had */
    assert_int_equal(reserve(3, 1, NULL), OUTCOME_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        CASE(a_withdrawn_product_is_not_held),
        CASE(other_partitions_lines_are_refused_too),
        CASE(what_is_left_out_keeps_its_place_and_stock),
        CASE(each_version_is_later_than_the_one_before),
        CASE(a_version_of_what_is_not_there_is_none),
        CASE(the_currency_of_what_is_held_stays),
        CASE(a_product_has_so_many_skus_ever),
#undef CASE
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
