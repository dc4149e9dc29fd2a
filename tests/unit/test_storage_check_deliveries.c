/* SPDX-License-Identifier: Apache-2.0 */
/* The offline audit of webhooks: what is sound, what is unfinished, and each planted fault. */
#include "settings.h"
#include "test_storage_sound.h"

static struct setting_record *setting(enum setting_kind kind, uint32_t number)
{
    struct record *record = test_record(&fixture.batch, RECORD_SETTING, SETTINGS_PARTITION, 0, 0);

    record->subject = (uint32_t)kind;
    record->sequence = number;
    record->setting.common.number = number;
    record->setting.common.version = 1;
    return &record->setting;
}

static struct record *delivery(enum record_kind kind, uint32_t endpoint, uint64_t sequence)
{
    struct record *record = test_record(&fixture.batch, kind, SETTINGS_PARTITION, 0, 0);

    record->subject = endpoint;
    record->sequence = sequence;
    record->delivery.state = (uint8_t)(kind - RECORD_DELIVERY);
    record->delivery.event = (struct delivery_event){.type = EVENT_ENDPOINT_TEST};
    return record;
}

static void build(void)
{
    struct setting_endpoint *endpoint;
    struct setting_head *head;

    build_sound_store();
    head = &setting(SETTING_HEAD, 0)->head;
    *head = (struct setting_head){.version = 1};
    for (unsigned i = SETTING_TAX_RATE; i < SETTING_KIND_COUNT; i++)
        head->next_numbers[i] = 3; /* number 2 was removed */
    setting(SETTING_KEY, 0)->key = (struct setting_key){.length = 1};
    endpoint = &setting(SETTING_WEBHOOK_ENDPOINT, 1)->endpoint;
    endpoint->url_length = 16;
    memcpy(endpoint->url, "https://a.bc/def", 16);
    endpoint->events = 1;
    endpoint->secrets[0].length = 1;
    delivery(RECORD_DELIVERY, 1, DELIVERY_TEST_BIT | 7);
    delivery(RECORD_DELIVERY_DEAD, 1, DELIVERY_TEST_BIT | 8);
    delivery(RECORD_DELIVERY_DONE, 2, DELIVERY_TEST_BIT | 9);
    commit_batch();
}

static void plant_nothing(void)
{
    delivery(RECORD_DELIVERY, 1, DELIVERY_TEST_BIT | 7);
}

static void plant_pending_without_endpoint(void)
{
    delivery(RECORD_DELIVERY, 2, DELIVERY_TEST_BIT | 10);
}

static void plant_endpoint_that_never_was(void)
{
    delivery(RECORD_DELIVERY_DONE, 3, DELIVERY_TEST_BIT | 10);
}

static struct record *confirmed(void)
{
    struct record *record = delivery(RECORD_DELIVERY, 1, 5);

    record->delivery.event.type = EVENT_ORDER_CONFIRMED;
    record->delivery.event.order = 1;
    return record;
}

static void plant_event_that_never_happened(void)
{
    confirmed();
}

static void plant_order_that_never_was(void)
{
    struct record *floor = floor_of(SETTINGS_PARTITION, 6);

    floor->subject = FLOOR_EVENTS;
    confirmed();
}

static void plant_sku_of_another_partition(void)
{
    struct record *floor = floor_of(SETTINGS_PARTITION, 6);
    struct record *record = confirmed();

    floor->subject = FLOOR_EVENTS;
    record->delivery.event.type = EVENT_INVENTORY_SOLD_OUT;
    record->delivery.event.order = sku_id_make(SETTINGS_PARTITION + 1, 0);
}

static void plant_test_that_is_none(void)
{
    delivery(RECORD_DELIVERY_DEAD, 1, 5);
}

static void test_webhooks(void **state)
{
    static const struct planted cases[] = {
        {plant_nothing, CHECK_OK, "check: webhooks: 1 pending, 1 dead letters"},
        {plant_nothing, CHECK_OK, ", 1 unfinished"}, /* the sound store's own */
        {plant_pending_without_endpoint, CHECK_OK, ", 2 unfinished"},
        {plant_endpoint_that_never_was, CHECK_BROKEN, "whose number was not given yet"},
        {plant_event_that_never_happened, CHECK_BROKEN, "is of an event whose number"},
        {plant_order_that_never_was, CHECK_BROKEN, "is of an order that never was"},
        {plant_sku_of_another_partition, CHECK_BROKEN, "is of a SKU of another partition"},
        {plant_test_that_is_none, CHECK_BROKEN, "is of an event of another kind"},
    };

    (void)state;
    check_planted(build, cases, sizeof(cases) / sizeof(cases[0]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_webhooks)};

    return cmocka_run_group_tests_name("storage check of webhooks", tests, NULL, NULL);
}
