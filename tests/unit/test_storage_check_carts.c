/* SPDX-License-Identifier: Apache-2.0 */
/* The offline audit of carts: what is sound, what is unfinished, and each planted fault. */
#include "test_storage_sound.h"

static struct principal guest(uint8_t number)
{
    return (struct principal){{0, HOME, number, 1, 2, 3, 4}};
}

static struct cart_record *cart(uint8_t number, uint32_t sku_id)
{
    struct principal principal = guest(number);
    struct record_place place = record_place_of(principal.bytes, PARTITIONS);
    struct record *record = test_record(&fixture.batch, RECORD_CART, place.partition, 2, 0);

    record->subject = place.subject;
    record->sequence = place.sequence;
    record->cart.principal = principal;
    record->cart.content.line_count = 2;
    record->cart.content.lines[0] = cart_line_make(sku_id, 1, 100);
    record->cart.content.lines[1] = cart_line_make(sku_b, 2, 100);
    return &record->cart;
}

static void plant_nothing(void)
{
    cart(1, sku_a);
    cart(2, sku_c); /* of another partition */
}

static void plant_unknown_sku(void)
{
    cart(1, sku_c + 7);
}

static void plant_line_twice(void)
{
    cart(1, sku_b);
}

static void plant_wrong_place(void)
{
    cart(1, sku_a)->principal = guest(9);
}

static void plant_cart_of_a_customer_to_be(void)
{
    struct principal principal = guest(1);
    struct record_place place = record_place_of(principal.bytes, PARTITIONS);
    struct principal customer = {{0, HOME, 0, 0, 0, 1, 9}};
    struct record *record;

    cart(1, sku_a);
    cart(2, sku_a);
    record = test_record(&fixture.batch, RECORD_ALIAS, place.partition, 0, 0);
    record->subject = place.subject;
    record->sequence = place.sequence;
    record->alias.guest = principal;
    record->alias.customer = customer;
    record = test_record(&fixture.batch, RECORD_ACCOUNT, HOME, 0, 0);
    record->subject = 1;
    record->account.principal = customer;
    record->account.state = ACCOUNT_ERASED;
    record->account.next_id = 1;
    record->account.credentials = 1;
    record = test_record(&fixture.batch, RECORD_FLOOR, HOME, 0, 0);
    record->subject = 1;
    record->floor.next_sequence = 2;
}

static void test_carts(void **state)
{
    static const struct {
        void (*plant)(void);
        enum check_result result;
        const char *line;
    } cases[] = {
        {plant_nothing, CHECK_OK, "1 unfinished"},
        {plant_cart_of_a_customer_to_be, CHECK_OK, "2 unfinished"},
        {plant_unknown_sku, CHECK_BROKEN, "a cart names SKU 2097159, which there is not"},
        {plant_line_twice, CHECK_BROKEN, "a cart of partition 1 has SKU 1048577 twice"},
        {plant_wrong_place, CHECK_BROKEN, "a cart of partition 1 is not where its owner's belongs"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        if (!test_takes(i, 6))
            continue;
        build_sound_store();
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
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_carts)};

    return cmocka_run_group_tests_name("storage check of carts", tests, NULL, NULL);
}
