/* SPDX-License-Identifier: Apache-2.0 */
/* The offline audit of coupons: what is sound, and each planted fault. */
#include "test_storage_sound.h"

enum { SUMMER = 1, OLD = 2, GONE = 3 };

static struct record *place(enum record_kind kind, uint32_t subject, uint64_t sequence)
{
    struct record *record = test_record(&fixture.batch, kind, HOME, 0, 0);

    record->subject = subject;
    record->sequence = sequence;
    return record;
}

static struct coupon_record *coupon(uint32_t number, const char *code, uint32_t max_uses,
                                    uint32_t per_customer)
{
    struct coupon_record *coupon = &place(RECORD_COUPON, number, 0)->coupon;

    strcpy(coupon->definition.code, code);
    coupon->definition.rule.kind = COUPON_FREE_SHIPPING;
    coupon->definition.max_uses = max_uses;
    coupon->definition.max_uses_per_customer = per_customer;
    coupon->version = 3;
    return coupon;
}

static struct record *use(enum record_kind kind, uint32_t number, uint64_t order, uint8_t who,
                          uint64_t version)
{
    struct record *record = place(kind, number, order);
    struct coupon_use_record *use =
        kind == RECORD_COUPON_USE ? &record->coupon_use : &record->coupon_past;

    use->principal.bytes[0] = who;
    use->version = version;
    use->is_counted = who != 0;
    return record;
}

static void count(uint32_t number, uint8_t who, uint32_t committed)
{
    struct record *record = place(RECORD_COUPON_COUNT, number, 0);

    record->coupon_count.principal.bytes[0] = who;
    record->coupon_count.committed = committed;
}

static void next_number(uint64_t next)
{
    place(RECORD_FLOOR, FLOOR_COUPONS, 0)->floor.next_sequence = next;
}

/* SUMMER has 4 uses, 2 a customer: 1 held by person 7, who has committed 1; 1 committed by person
 * 8; OLD is deleted, 1 use is held still; GONE was forgotten but for a use. */
static void build_coupons(void)
{
    build_sound_store();
    next_number(4);
    coupon(SUMMER, "SUMMER", 4, 2);
    coupon(OLD, "OLD", 1, 0)->is_deleted = 1;
    use(RECORD_COUPON_USE, SUMMER, 1, 7, 3);
    use(RECORD_COUPON_PAST, SUMMER, 2, 7, 1);
    use(RECORD_COUPON_PAST, SUMMER, 3, 8, 3);
    count(SUMMER, 0, 2);
    count(SUMMER, 7, 1);
    count(SUMMER, 8, 1);
    use(RECORD_COUPON_USE, OLD, 5, 0, 2);
    use(RECORD_COUPON_PAST, GONE, 6, 9, 1);
    commit_batch();
}

static void plant_nothing(void)
{
    coupon(SUMMER, "SUMMER", 4, 2);
}

static void plant_limit_lowered_since(void)
{
    coupon(SUMMER, "SUMMER", 4, 1)->version = 4; /* person 7 has 2, of versions before */
}

static void plant_code_again(void)
{
    coupon(OLD, "SUMMER", 1, 0)->is_deleted = 1;
}

static void plant_use_too_many(void)
{
    for (uint64_t order = 11; order <= 12; order++)
        use(RECORD_COUPON_USE, SUMMER, order, 10, 3);
}

static void plant_customer_too_many(void)
{
    use(RECORD_COUPON_USE, SUMMER, 11, 7, 3);
}

static void plant_lost_use(void)
{
    use(RECORD_COUPON_PAST, SUMMER, 3, 8, 3)->operation = RECORD_DELETE;
}

static void plant_lost_count(void)
{
    count(SUMMER, 0, 1);
}

static void plant_lost_customer(void)
{
    struct record *record = place(RECORD_COUPON_COUNT, SUMMER, 0);

    record->coupon_count.principal.bytes[0] = 8;
    record->operation = RECORD_DELETE;
}

static void plant_both(void)
{
    use(RECORD_COUPON_USE, SUMMER, 3, 8, 3);
}

static void plant_use_of_nothing(void)
{
    use(RECORD_COUPON_USE, GONE, 12, 0, 1);
}

static void plant_newer_version(void)
{
    use(RECORD_COUPON_USE, SUMMER, 12, 0, 4);
}

static void plant_past_of_nothing(void)
{
    use(RECORD_COUPON_PAST, 4, 12, 0, 1);
}

static void plant_count_of_nothing(void)
{
    count(GONE, 0, 1);
}

static void plant_number_not_given(void)
{
    next_number(2);
}

static void plant_two_of_a_code(void)
{
    coupon(GONE, "SUMMER", 0, 0);
}

static void test_coupons(void **state)
{
    static const struct {
        void (*plant)(void);
        enum check_result result;
        const char *says;
    } cases[] = {
        {plant_nothing, CHECK_OK, "check: ok "},
        {plant_limit_lowered_since, CHECK_OK, "check: ok "},
        {plant_code_again, CHECK_OK, "check: ok "},
        {plant_use_too_many, CHECK_BROKEN, "coupon SUMMER has 4 uses, and 3 are held, 2 committed"},
        {plant_customer_too_many, CHECK_BROKEN,
         "holds 2 and has committed 1 uses of coupon SUMMER, of which a customer may have 2"},
        {plant_lost_use, CHECK_BROKEN,
         "the counter of coupon SUMMER says 2 uses, its history says 1"},
        {plant_lost_count, CHECK_BROKEN,
         "the counter of coupon SUMMER says 1 uses, its history says 2"},
        {plant_lost_customer, CHECK_BROKEN, " for coupon SUMMER says 0 uses, its history says 1"},
        {plant_both, CHECK_BROKEN,
         "an order's use of coupon 1 of partition 1 is both held and committed"},
        {plant_use_of_nothing, CHECK_BROKEN,
         "an order holds a use of coupon 3 of partition 1 in version 1, which there is not"},
        {plant_newer_version, CHECK_BROKEN,
         "an order holds a use of coupon 1 of partition 1 in version 4, which there is not"},
        {plant_past_of_nothing, CHECK_BROKEN,
         "an order committed a use of coupon 4 of partition 1, which there never was"},
        {plant_count_of_nothing, CHECK_BROKEN,
         "a counter names coupon 3 of partition 1, which there is not"},
        {plant_number_not_given, CHECK_BROKEN,
         "number 2 of coupon OLD of partition 1 would be given again after a restart"},
        {plant_two_of_a_code, CHECK_BROKEN, "two coupons of partition 1 have the code SUMMER"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        if (!test_takes(i, 6))
            continue;
        build_coupons();
        cases[i].plant();
        commit_batch();
        close_store();
        enum check_result result = run_check();
        if (result != cases[i].result)
            fail_msg("case %zu: %d: %s", i, (int)result, fixture.output);
        assert_output_has(cases[i].says);
        remove_store();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_coupons)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
