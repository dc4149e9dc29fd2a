/* SPDX-License-Identifier: Apache-2.0 */
/* The offline audit of orders: what is sound, what is unfinished, and each planted fault. */
#include "test_storage_sound.h"

#include "order.h"

/* PAID has reservation 5, which is converted; OPEN has reservation 4 and waits for its payment. */
enum { PAID = 1, OPEN = 2, PRICE = 100 };

static struct record *place(enum record_kind kind, uint64_t sequence)
{
    struct record *record = test_record(&fixture.batch, kind, HOME, 0, 0);

    record->sequence = sequence;
    return record;
}

static struct principal person(void)
{
    return (struct principal){{7, 7, 7}};
}

static struct hash128 key_of(uint64_t number)
{
    return (struct hash128){{0x1234500000000000u + number, 0x5432100000000000u + number}};
}

static struct hold_record *hold_of(uint64_t number, enum hold_state state)
{
    struct record *record = test_hold(&fixture.batch, HOME, number == PAID ? 5 : 4, state, sku_a,
                                      number == PAID ? 2 : 1);

    record->hold.order = order_number(HOME, number);
    if (state == HOLD_CAPTURING)
        record->hold.ended_wall_ms = 0;
    return &record->hold;
}

static struct order_record *order(uint64_t number)
{
    bool is_paid = number == PAID;
    int64_t hold_created_ms =
        hold_of(number, is_paid ? HOLD_CONVERTED : HOLD_HELD)->created_wall_ms;
    struct order_record *order = &place(is_paid ? RECORD_ORDER_PAST : RECORD_ORDER, number)->order;

    order->principal = person();
    order->key = key_of(number);
    order->created_wall_ms = TEST_WALL_MS;
    order->updated_wall_ms = TEST_WALL_MS;
    order->status = is_paid ? ORDER_CONFIRMED : ORDER_PENDING;
    order->step = is_paid ? STEP_NONE : STEP_WAIT;
    order->confirmed_wall_ms = is_paid ? TEST_WALL_MS : 0;
    order->hold = (struct reservation_id){
        .created_ms = hold_created_ms, .sequence = is_paid ? 5 : 4, .partition = HOME};
    strcpy(order->currency, "EUR");
    order->totals.subtotal_minor = is_paid ? 2 * PRICE : PRICE;
    order->totals.shipping_minor = 5;
    order->totals.total_minor = order->totals.subtotal_minor + 5;
    order->captured_minor = is_paid ? order->totals.total_minor : 0;
    order->payment_state = is_paid ? PAYMENT_CAPTURED : PAYMENT_CREATED;
    strcpy(order->payment_id, "pay");
    order->timeline[order->timeline_count++] =
        (struct order_moment){.wall_ms = TEST_WALL_MS, .status = ORDER_PENDING};
    if (is_paid)
        order->timeline[order->timeline_count++] =
            (struct order_moment){.wall_ms = TEST_WALL_MS, .status = ORDER_CONFIRMED};
    return order;
}

static struct order_body_record *body(uint64_t number)
{
    struct order_body_record *body = &place(RECORD_ORDER_BODY, number)->order_body;

    body->line_count = 1;
    body->lines[0] = (struct order_line){.sku_id = sku_a,
                                         .quantity = number == PAID ? 2 : 1,
                                         .unit_price_minor = PRICE,
                                         .total_minor = number == PAID ? 2 * PRICE : PRICE};
    return body;
}

static struct record *owner(uint64_t number)
{
    struct record *record = place(RECORD_ORDER_OF, number);

    record->order_of.principal = person();
    record->order_of.created_wall_ms = TEST_WALL_MS;
    return record;
}

static struct record *checkout(uint64_t number)
{
    struct hash128 key = key_of(number);
    struct record_place at = checkout_place(&key, HOME);
    struct record *record = place(RECORD_CHECKOUT, at.sequence);

    record->subject = at.subject;
    record->checkout.key = key;
    record->checkout.sequence = number;
    record->checkout.created_wall_ms = TEST_WALL_MS;
    return record;
}

static struct order_person_record *data_of(uint64_t number)
{
    struct order_person_record *data = &place(RECORD_ORDER_PERSON, number)->order_person;

    data->key_length = WRAPPED_KEY_MAX;
    data->email_length = 20;
    data->address_length = 50;
    return data;
}

static void build_orders(void)
{
    struct record *floor;

    build_sound_store();
    for (uint64_t number = PAID; number <= OPEN; number++) {
        order(number);
        body(number);
        owner(number);
        checkout(number);
        data_of(number);
    }
    floor = test_record(&fixture.batch, RECORD_FLOOR, HOME, 0, 0);
    floor->subject = FLOOR_ORDERS;
    floor->floor.next_sequence = 3;
    commit_batch();
}

static void plant_nothing(void)
{
    order(PAID);
}

static void plant_step(void)
{
    order(OPEN)->step = STEP_CONFIRM;
}

static void plant_total(void)
{
    order(PAID)->totals.shipping_minor = 6;
}

static void plant_refund_of_nothing(void)
{
    order(PAID)->refunded_minor = 3;
}

static void plant_too_much(void)
{
    order(PAID)->captured_minor++;
}

static void plant_too_little(void)
{
    order(PAID)->captured_minor--;
}

/* The gateway took more than was asked for: all of it goes back. */
static void plant_too_much_goes_back(void)
{
    struct order_record *failing = order(OPEN);

    failing->step = STEP_REFUND;
    failing->goal = ORDER_PAYMENT_FAILED;
    failing->payment_state = PAYMENT_CAPTURED;
    failing->captured_minor = failing->totals.total_minor + 1;
    failing->refund_count = 1;
    failing->refunds[0] = (struct order_refund){
        .amount_minor = failing->captured_minor, .wall_ms = TEST_WALL_MS, .state = REFUND_ASKED};
}

static void plant_unit_refunded_twice(void)
{
    struct order_record *paid = order(PAID);

    paid->refunded_units[0] = 2;
    paid->refunding_units[0] = 1;
}

static void plant_wrong_past(void)
{
    order(PAID)->timeline[1].status = ORDER_DELIVERED;
}

static void plant_two_lives(void)
{
    struct record *record = place(RECORD_ORDER, PAID);

    record->order = *order(PAID);
    record->order.step = STEP_REFUND;
}

static void plant_kept_money(void)
{
    struct order_record *failed = order(PAID);

    failed->confirmed_wall_ms = 0;
    failed->status = ORDER_PAYMENT_FAILED;
    failed->timeline[1].status = ORDER_PAYMENT_FAILED;
}

static void plant_open_payment(void)
{
    struct order_record *failed;

    plant_kept_money();
    failed = order(PAID);
    failed->confirmed_wall_ms = 0;
    failed->status = ORDER_EXPIRED;
    failed->timeline[1].status = ORDER_EXPIRED;
    failed->captured_minor = 0;
    failed->payment_state = PAYMENT_AUTHORISED;
}

static void plant_lost_body(void)
{
    struct record *record = place(RECORD_ORDER_BODY, PAID);

    record->operation = RECORD_DELETE;
}

static void plant_lost_owner(void)
{
    owner(PAID)->operation = RECORD_DELETE;
}

static void plant_lost_key(void)
{
    checkout(PAID)->operation = RECORD_DELETE;
}

static void plant_lost_person(void)
{
    place(RECORD_ORDER_PERSON, PAID)->operation = RECORD_DELETE;
}

static void plant_forgotten(void)
{
    plant_lost_person();
    plant_lost_key();
    order(PAID)->forgotten = ORDER_FORGOT_PERSON | ORDER_FORGOT_KEY;
    order(OPEN)->forgotten = ORDER_FORGETS_PERSON;
}

static void plant_forgotten_person_kept(void)
{
    order(PAID)->forgotten = ORDER_FORGOT_PERSON;
}

static void plant_forgotten_key_kept(void)
{
    order(PAID)->forgotten = ORDER_FORGOT_KEY;
}

static void plant_forgets_for_ever(void)
{
    struct order_record *sent = order(PAID);

    sent->forgotten = ORDER_FORGETS_PERSON;
    strcpy(sent->tracking, "T1");
}

/* It is paid, and to be sent. */
static void plant_forgets_when_sent(void)
{
    order(PAID)->forgotten = ORDER_FORGETS_PERSON;
}

/* The customer is no more; the second order is to forget when it ends. */
static void plant_erased_customer(void)
{
    struct principal customer = {{0, HOME, 0, 0, 0, 1, 9}};
    struct record *record = place(RECORD_ACCOUNT, 0);

    record->subject = 1;
    record->account.principal = customer;
    record->account.state = ACCOUNT_ERASED;
    record->account.next_id = 1;
    record->account.credentials = 1;
    record = place(RECORD_FLOOR, 0);
    record->subject = FLOOR_ACCOUNTS;
    record->floor.next_sequence = 2;
    order(PAID)->principal = customer;
    owner(PAID)->operation = RECORD_DELETE;
    record = place(RECORD_ORDER_OF, PAID);
    record->subject = order_of_subject(&customer);
    record->order_of.principal = customer;
    record->order_of.created_wall_ms = TEST_WALL_MS;
}

static void plant_erasure_under_way(void)
{
    struct record *record;

    plant_erased_customer();
    record = place(RECORD_ERASURE, 0);
    record->subject = 1;
    record->erasure.account = (struct principal){{0, HOME, 0, 0, 0, 1, 9}};
    record->erasure.wall_ms = TEST_WALL_MS;
}

/* Its reservation is forgotten: order and ledger are all that tells what it had. */
static void plant_never_sold(void)
{
    struct order_body_record *lines = body(PAID);

    lines->lines[0].quantity = 4;
    lines->lines[0].unit_price_minor = PRICE / 2;
    order(PAID)->hold.sequence = 1;
}

static void plant_owner_of_nobody(void)
{
    owner(9);
}

static void plant_other_owner(void)
{
    owner(PAID)->order_of.principal.bytes[0] = 8;
}

static void plant_body_of_nobody(void)
{
    body(9);
}

static void plant_person_of_nobody(void)
{
    place(RECORD_ORDER_PERSON, 9)->order_person.key_length = 1;
}

static struct record *mail(uint64_t number, enum order_mail_kind kind)
{
    struct record *record = place(RECORD_ORDER_MAIL, number);

    record->subject = order_mail_occasion(kind, 0);
    record->order_mail.kind = (uint8_t)kind;
    record->order_mail.order_created_wall_ms = TEST_WALL_MS;
    return record;
}

static void plant_mail(void)
{
    order(PAID)->mails = 1u << ORDER_MAIL_CONFIRMED;
    mail(PAID, ORDER_MAIL_CONFIRMED);
}

static void plant_mail_of_nobody(void)
{
    mail(9, ORDER_MAIL_CONFIRMED);
}

static void plant_mail_not_owed(void)
{
    plant_mail();
    mail(PAID, ORDER_MAIL_SHIPPED);
}

static void plant_mail_of_no_refund(void)
{
    mail(PAID, ORDER_MAIL_REFUNDED);
}

static void plant_mail_of_another(void)
{
    order(PAID)->mails = 1u << ORDER_MAIL_CONFIRMED;
    mail(PAID, ORDER_MAIL_CONFIRMED)->order_mail.order_created_wall_ms++;
}

static void plant_mail_unpaid(void)
{
    order(OPEN)->mails = 1u << ORDER_MAIL_CONFIRMED;
}

static void plant_key_of_nobody(void)
{
    checkout(9);
}

static void plant_wrong_line(void)
{
    body(PAID)->lines[0].unit_price_minor++;
}

static void plant_other_lines(void)
{
    struct order_body_record *lines = body(PAID);

    lines->lines[0].quantity = 1;
    lines->lines[0].unit_price_minor = 2 * PRICE;
}

static void plant_pinned_by_nobody(void)
{
    hold_of(9, HOLD_CAPTURING);
}

static void plant_pinned(void)
{
    order(OPEN)->step = STEP_CAPTURE;
    hold_of(OPEN, HOLD_CAPTURING);
}

static void plant_other_hold(void)
{
    hold_of(OPEN, HOLD_HELD)->order = order_number(HOME, 9);
}

static void plant_unborn_hold(void)
{
    order(PAID)->hold.sequence = 500;
}

static void plant_number_not_given(void)
{
    struct record *floor = test_record(&fixture.batch, RECORD_FLOOR, HOME, 0, 0);

    floor->subject = FLOOR_ORDERS;
    floor->floor.next_sequence = 2;
}

static void test_orders(void **state)
{
    static const struct planted cases[] = {
        {plant_nothing, CHECK_OK, "1 unfinished"},
        {plant_step, CHECK_OK, "2 unfinished"},
        {plant_pinned, CHECK_OK, "2 unfinished"},
        {plant_total, CHECK_BROKEN, "order 1 of partition 1 has a total that its parts"},
        {plant_refund_of_nothing, CHECK_BROKEN, "205 captured and 3 refunded, which cannot be"},
        {plant_too_much, CHECK_BROKEN, "of 205 has 206 captured"},
        {plant_too_much_goes_back, CHECK_OK, "2 unfinished"},
        {plant_too_little, CHECK_BROKEN, "was confirmed, and 204 of 205 are captured"},
        {plant_unit_refunded_twice, CHECK_BROKEN, "refunded 3 units of a line of 2"},
        {plant_wrong_past, CHECK_BROKEN, "is confirmed with step none, which it cannot be"},
        {plant_two_lives, CHECK_BROKEN, "order 1 of partition 1 is stored as live and as past"},
        {plant_kept_money, CHECK_BROKEN, "is payment_failed, and 0 of 205 captured are refunded"},
        {plant_open_payment, CHECK_BROKEN, "is expired, and its payment is authorised still"},
        {plant_lost_body, CHECK_BROKEN, "order 1 of partition 1 lacks its body"},
        {plant_lost_owner, CHECK_BROKEN, "order 1 of partition 1 lacks its owner's entry"},
        {plant_lost_key, CHECK_BROKEN, "order 1 of partition 1 lacks its checkout's key"},
        {plant_lost_person, CHECK_BROKEN, "order 1 of partition 1 lacks its person's data"},
        {plant_forgotten, CHECK_OK, "1 unfinished"},
        {plant_forgotten_person_kept, CHECK_BROKEN, "that it forgot, and has, its person's data"},
        {plant_forgotten_key_kept, CHECK_BROKEN, "that it forgot, and has, its checkout's key"},
        {plant_forgets_for_ever, CHECK_BROKEN, "has ended, and has not forgotten its person"},
        {plant_forgets_when_sent, CHECK_OK, "1 unfinished"},
        {plant_never_sold, CHECK_BROKEN, "orders have 2 units of SKU 00100000 more than its"},
        {plant_erased_customer, CHECK_BROKEN, "keeps the person of an account that is erased"},
        {plant_erasure_under_way, CHECK_OK, "2 unfinished"},
        {plant_owner_of_nobody, CHECK_BROKEN, "an owner's entry is of order 9 of partition 1"},
        {plant_other_owner, CHECK_BROKEN, "order 1 of partition 1 is entered as another's"},
        {plant_body_of_nobody, CHECK_BROKEN, "a body is of order 9 of partition 1"},
        {plant_person_of_nobody, CHECK_BROKEN, "a person's data is of order 9 of partition 1"},
        {plant_mail, CHECK_OK, ""},
        {plant_mail_of_nobody, CHECK_BROKEN, "a mail is of order 9 of partition 1, which there"},
        {plant_mail_not_owed, CHECK_BROKEN, "has a mail that it does not owe"},
        {plant_mail_of_no_refund, CHECK_BROKEN, "has a mail that it does not owe"},
        {plant_mail_of_another, CHECK_BROKEN, "has a mail that it does not owe"},
        {plant_mail_unpaid, CHECK_BROKEN, "was never confirmed, and told of by mail"},
        {plant_key_of_nobody, CHECK_BROKEN, "a checkout's key is of order 9 of partition 1"},
        {plant_wrong_line, CHECK_BROKEN, "order 1 of partition 1 has lines that do not add up"},
        {plant_other_lines, CHECK_BROKEN, "does not have the lines of its reservation"},
        {plant_pinned_by_nobody, CHECK_BROKEN, "is pinned, and no live order has it"},
        {plant_other_hold, CHECK_BROKEN, "order 2 of partition 1 has a reservation that belongs"},
        {plant_unborn_hold, CHECK_BROKEN, "order 1 of partition 1 has a reservation that never"},
        {plant_number_not_given, CHECK_BROKEN, "order 2 of partition 1 has a number that was not"},
    };

    (void)state;
    check_planted(build_orders, cases, sizeof(cases) / sizeof(cases[0]));
}

static struct record *use(enum record_kind kind, uint64_t order_sequence)
{
    struct record *record = place(kind, order_number(HOME, order_sequence));

    record->subject = 1;
    if (kind == RECORD_COUPON_USE)
        record->coupon_use.version = 1;
    else
        record->coupon_past.version = 1;
    return record;
}

static void with_coupon(uint64_t number)
{
    struct order_record *named = order(number);
    struct record *record;

    strcpy(named->coupon, "SUMMER");
    named->coupon_partition = HOME;
    named->coupon_number = 1;
    record = place(RECORD_COUPON, 0);
    record->subject = 1;
    strcpy(record->coupon.definition.code, "SUMMER");
    record->coupon.definition.rule.kind = COUPON_FREE_SHIPPING;
    record->coupon.version = 1;
    record = place(RECORD_FLOOR, 0);
    record->subject = FLOOR_COUPONS;
    record->floor.next_sequence = 2;
}

static void count_committed(uint32_t committed)
{
    struct record *record = place(RECORD_COUPON_COUNT, 0);

    record->subject = 1;
    record->coupon_count.committed = committed;
}

static void plant_committed(void)
{
    with_coupon(PAID);
    use(RECORD_COUPON_PAST, PAID);
    count_committed(1);
}

static void plant_not_committed(void)
{
    with_coupon(PAID);
}

static void plant_committed_unpaid(void)
{
    with_coupon(OPEN);
    use(RECORD_COUPON_PAST, OPEN);
    count_committed(1);
}

static void plant_unnamed(void)
{
    plant_committed();
    order(PAID);
}

static void plant_held_past(void)
{
    with_coupon(PAID);
    use(RECORD_COUPON_USE, PAID);
}

static void test_coupons_of_orders(void **state)
{
    static const struct planted cases[] = {
        {plant_committed, CHECK_OK, "1 unfinished"},
        {plant_not_committed, CHECK_BROKEN, "confirmed, and its use of a coupon is not committed"},
        {plant_committed_unpaid, CHECK_BROKEN, "order 2 of partition 1 was not confirmed, and its"},
        {plant_unnamed, CHECK_BROKEN, "has a use of a coupon that it does not name"},
        {plant_held_past, CHECK_BROKEN, "has ended, and a use of a coupon is held for it"},
    };

    (void)state;
    check_planted(build_orders, cases, sizeof(cases) / sizeof(cases[0]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_orders),
        cmocka_unit_test(test_coupons_of_orders),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
