/* SPDX-License-Identifier: Apache-2.0 */
/* The offline audit of the shop's settings: what is sound, and each planted fault. */
#include "settings.h"
#include "test_storage_sound.h"

static struct setting_record *place(uint32_t partition, enum setting_kind kind, uint32_t number)
{
    struct record *record = test_record(&fixture.batch, RECORD_SETTING, partition, 0, 0);

    record->subject = (uint32_t)kind;
    record->sequence = number;
    record->setting.common.number = number;
    record->setting.common.version = 1;
    return &record->setting;
}

static void head(uint32_t next, bool has_methods)
{
    struct setting_head *head = &place(SETTINGS_PARTITION, SETTING_HEAD, 0)->head;

    *head = (struct setting_head){.version = 1, .has_methods = has_methods};
    for (unsigned i = SETTING_TAX_RATE; i < SETTING_KIND_COUNT; i++)
        head->next_numbers[i] = next;
}

static struct setting_tax_rate *rate(uint32_t number, const char *region)
{
    struct setting_tax_rate *rate = &place(SETTINGS_PARTITION, SETTING_TAX_RATE, number)->tax_rate;

    memcpy(rate->country, "DE", 2);
    rate->region.length = (uint16_t)strlen(region);
    memcpy(rate->region.text, region, rate->region.length);
    return rate;
}

static void key(void)
{
    struct setting_key *key = &place(SETTINGS_PARTITION, SETTING_KEY, 0)->key;

    *key = (struct setting_key){.length = 1};
}

static void build_settings(void)
{
    struct setting_shipping_method *method;
    struct setting_endpoint *endpoint;

    build_sound_store();
    head(3, true);
    key();
    rate(1, "Bavaria");
    rate(2, "Saxony");
    method = &place(SETTINGS_PARTITION, SETTING_SHIPPING_METHOD, 1)->method;
    method->name.length = 4;
    memcpy(method->name.text, "Post", 4);
    endpoint = &place(SETTINGS_PARTITION, SETTING_WEBHOOK_ENDPOINT, 1)->endpoint;
    endpoint->url_length = 16;
    memcpy(endpoint->url, "https://a.bc/def", 16);
    endpoint->events = 1;
    endpoint->secrets[0].length = 1;
    commit_batch();
}

static void plant_nothing(void)
{
    rate(1, "Bavaria");
}

static void plant_number_not_given(void)
{
    rate(3, "Hesse");
}

static void plant_same_place(void)
{
    rate(2, "bavaria");
}

static void plant_other_partition(void)
{
    place(HOME, SETTING_TAX_RATE, 1)->tax_rate =
        (struct setting_tax_rate){.common = {.number = 1, .version = 1}, .country = "DE"};
}

static void plant_methods_denied(void)
{
    head(3, false);
}

static void take_away(enum setting_kind kind)
{
    struct record *record = test_record(&fixture.batch, RECORD_SETTING, SETTINGS_PARTITION, 0, 0);

    record->subject = (uint32_t)kind;
    record->operation = RECORD_DELETE;
}

static void plant_lost_key(void)
{
    take_away(SETTING_KEY);
}

static void plant_lost_head(void)
{
    take_away(SETTING_HEAD);
}

static void test_settings(void **state)
{
    static const struct {
        void (*plant)(void);
        enum check_result result;
        const char *line;
    } cases[] = {
        {plant_nothing, CHECK_OK, "check: ok"},
        {plant_number_not_given, CHECK_BROKEN,
         "setting 3 of kind 2 has a number that was not given yet"},
        {plant_same_place, CHECK_BROKEN,
         "tax rates 1 and 2 are of the same country, region and category"},
        {plant_other_partition, CHECK_BROKEN, "partition 1 has settings"},
        {plant_methods_denied, CHECK_BROKEN, "shipping methods are stored"},
        {plant_lost_key, CHECK_BROKEN, "the shop's key is missing"},
        {plant_lost_head, CHECK_BROKEN, "has a number that was not given yet"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        if (!test_takes(i, 6))
            continue;
        build_settings();
        cases[i].plant();
        commit_batch();
        close_store();
        if (run_check() != cases[i].result)
            fail_msg("%zu: %s", i, fixture.output);
        assert_output_has(cases[i].line);
        remove_store();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_settings)};

    return cmocka_run_group_tests_name("storage check of settings", tests, NULL, NULL);
}
