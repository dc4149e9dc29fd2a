/* SPDX-License-Identifier: Apache-2.0 */
/* Orders: their sums, and whether hold, coupon, payment and parts are where the status says.
 *
 *   an order          is live (it has a step) or past (it has none); never both; all parts are
 * there its totals        subtotal - discount + shipping + tax, line by line; refunded <= captured,
 *                     which may be more than the total if all of it is on its way back
 *                     no unit was refunded as such twice
 *   confirmed, ever   captured is the total; its hold is converted, or forgotten since; its use of
 *                     a coupon was committed
 *   ever confirmed    no more units of a SKU than its ledger says are sold, those that were
 *                     restocked aside, also when the reservations are long forgotten
 *   past otherwise    what was captured is refunded; its hold has ended; no use of a coupon
 *   a pinned hold     has a live order that names it; a hold belongs to one order
 *   a checkout's key, an owner's entry, a person   name an order that there is; it has them unless
 *                     it says that it has forgotten key or person
 *   a mail            is owed by an order that there is, and that knows of it; of what happened
 *
 * A live order that does not just wait for its payment is unfinished, and so is what a step may
 * have left behind: a held hold or use of a coupon whose order is not there (any more). */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "check_private.h"
#include "order.h"

enum { PARTITION_SHIFT = 40 };

struct check_order {
    uint64_t number; /* first: looked up by it; partition << 40 | sequence */
    struct principal principal;
    struct hash128 key;
    struct reservation_id hold;
    int64_t created_wall_ms;
    int64_t subtotal_minor;
    int64_t discount_minor;
    uint64_t lines; /* check_line_sum over its body's */
    uint64_t coupon_number;
    uint32_t coupon_partition;
    uint32_t restocked[RESERVATION_LINES_MAX]; /* and still to be */
    uint32_t refunded[RESERVATION_LINES_MAX];  /* likewise, as such */
    uint8_t step;
    bool has_coupon;
    bool has_use; /* that was committed */
    bool has_body;
    bool has_owner;
    bool has_key;
    bool has_person;
    uint8_t forgotten;
    bool is_to_be_sent;
    bool was_confirmed;
    uint8_t mails;         /* that were ever owed */
    uint32_t refunds_done; /* bits, by their place */
};

/* A hold that names an order, or that one names. */
struct check_order_hold {
    uint64_t number; /* first: of the hold; partition << 40 | sequence */
    uint64_t order;  /* 0: it names none */
    uint64_t lines;
    int64_t created_wall_ms;
    uint8_t state;
};

struct scanned {
    struct check *check;
    uint32_t partition;
    uint64_t next_number;
    size_t first; /* of this partition's orders */
};

static uint64_t number_of(uint32_t partition, uint64_t sequence)
{
    return (uint64_t)partition << PARTITION_SHIFT | sequence;
}

#define ORDER_FORMAT "order %" PRIu64 " of partition %" PRIu64
#define ORDER_OF(number)                                                                           \
    ((number) & ((UINT64_C(1) << PARTITION_SHIFT) - 1)), ((number) >> PARTITION_SHIFT)

static struct check_order *find(struct check *check, uint64_t number)
{
    return check_vector_find_64(&check->orders, number);
}

/* ---- the order itself ---- */

static void check_sums(struct check *check, const struct record *record, uint64_t number)
{
    const struct order_record *order = &record->order;
    const struct order_totals *totals = &order->totals;
    __int128 total = (__int128)totals->subtotal_minor - totals->discount_minor +
                     totals->shipping_minor + totals->tax_minor;
    __int128 refunded = 0;

    if (total != totals->total_minor || totals->total_minor < 0)
        check_broken(check, ORDER_FORMAT " has a total that its parts do not add up to",
                     ORDER_OF(number));
    for (unsigned i = 0; i < order->refund_count; i++)
        refunded += order->refunds[i].state == REFUND_DONE ? order->refunds[i].amount_minor : 0;
    if (refunded != order->refunded_minor || order->refunded_minor > order->captured_minor ||
        (order->confirmed_wall_ms != 0 && order->captured_minor > totals->total_minor))
        check_broken(check,
                     ORDER_FORMAT " of %" PRId64 " has %" PRId64 " captured and %" PRId64
                                  " refunded, which cannot be",
                     ORDER_OF(number), totals->total_minor, order->captured_minor,
                     order->refunded_minor);
}

static bool is_before_confirmation(uint8_t step)
{
    return (step >= STEP_BIND && step <= STEP_COUPON_COMMIT) || step == STEP_VOID ||
           step == STEP_RELEASE || step == STEP_COUPON_RELEASE;
}

static void check_status(struct check *check, const struct record *record, uint64_t number)
{
    const struct order_record *order = &record->order;
    bool is_confirmed = order->confirmed_wall_ms != 0;
    bool is_right = order->timeline_count > 0 &&
                    (order->timeline_count == ORDER_TIMELINE_MAX ||
                     order->timeline[order->timeline_count - 1].status == order->status);

    for (unsigned i = 1; i < order->timeline_count; i++)
        is_right = is_right && order_may_become((enum order_status)order->timeline[i - 1].status,
                                                (enum order_status)order->timeline[i].status);
    if (order->status == ORDER_PENDING)
        is_right = is_right && order->step != STEP_NONE && !is_confirmed;
    else if (order->status == ORDER_EXPIRED || order->status == ORDER_PAYMENT_FAILED)
        is_right = is_right && !is_confirmed;
    else if (order->status != ORDER_CANCELLED)
        is_right = is_right && is_confirmed && !is_before_confirmation(order->step);
    if (!is_right)
        check_broken(check, ORDER_FORMAT " is %s with step %s, which it cannot be",
                     ORDER_OF(number), order_status_name((enum order_status)order->status),
                     order_step_name((enum order_step)order->step));
    if (is_confirmed && order->captured_minor != order->totals.total_minor)
        check_broken(check,
                     ORDER_FORMAT " was confirmed, and %" PRId64 " of %" PRId64 " are captured",
                     ORDER_OF(number), order->captured_minor, order->totals.total_minor);
    if (order->step != STEP_NONE || is_confirmed)
        return;
    if (order->captured_minor != order->refunded_minor)
        check_broken(check,
                     ORDER_FORMAT " is %s, and %" PRId64 " of %" PRId64 " captured are refunded",
                     ORDER_OF(number), order_status_name((enum order_status)order->status),
                     order->refunded_minor, order->captured_minor);
    if (order->payment_id[0] != '\0' && order->payment_state != PAYMENT_CANCELLED &&
        order->payment_state != PAYMENT_CAPTURED)
        check_broken(check, ORDER_FORMAT " is %s, and its payment is %s still", ORDER_OF(number),
                     order_status_name((enum order_status)order->status),
                     payment_state_name((enum payment_state)order->payment_state));
}

static bool visit_order(void *arg, const struct record *record)
{
    struct scanned *scanned = arg;
    struct check *check = scanned->check;
    const struct order_record *order = &record->order;
    struct check_order *added = check_vector_add(check, &check->orders, sizeof(*added));

    if (added == NULL)
        return false;
    added->number = number_of(record->partition, record->sequence);
    added->principal = order->principal;
    added->key = order->key;
    added->hold = order->hold;
    added->created_wall_ms = order->created_wall_ms;
    added->subtotal_minor = order->totals.subtotal_minor;
    added->discount_minor = order->totals.discount_minor;
    added->coupon_partition = order->coupon_partition;
    added->coupon_number = order->coupon_number;
    added->has_coupon = order->coupon[0] != '\0';
    added->forgotten = order->forgotten;
    added->is_to_be_sent = order_is_to_be_sent(order);
    added->step = order->step;
    added->was_confirmed = order->confirmed_wall_ms != 0;
    added->mails = order->mails;
    for (unsigned i = 0; i < order->refund_count; i++)
        added->refunds_done |= order->refunds[i].state == REFUND_DONE ? 1u << i : 0;
    if (order->mails != 0 && !added->was_confirmed)
        check_broken(check, ORDER_FORMAT " was never confirmed, and told of by mail",
                     ORDER_OF(added->number));
    for (unsigned i = 0; i < RESERVATION_LINES_MAX; i++) {
        added->restocked[i] = order->restocked[i] + order->restocking[i];
        added->refunded[i] = order->refunded_units[i] + order->refunding_units[i];
    }
    check_sums(check, record, added->number);
    check_status(check, record, added->number);
    if (order->step != STEP_NONE && order->step != STEP_WAIT)
        check->unfinished++;
    if (record->sequence >= scanned->next_number)
        check_broken(check, ORDER_FORMAT " has a number that was not given yet",
                     ORDER_OF(added->number));
    return true;
}

/* ---- what belongs to it ---- */

static void check_lines(struct check *check, struct check_order *order,
                        const struct order_body_record *body)
{
    __int128 subtotal = 0;
    __int128 discount = 0;
    bool is_right = true;

    for (unsigned i = 0; i < body->line_count; i++) {
        const struct order_line *line = &body->lines[i];
        __int128 amount = (__int128)line->unit_price_minor * line->quantity;

        subtotal += amount;
        discount += line->discount_minor;
        amount += -line->discount_minor + (line->tax_included ? 0 : line->tax_minor);
        is_right = is_right && amount == line->total_minor && line->discount_minor >= 0 &&
                   order->restocked[i] <= line->quantity;
        if (order->refunded[i] > line->quantity)
            check_broken(check, ORDER_FORMAT " refunded %" PRIu32 " units of a line of %" PRIu32,
                         ORDER_OF(order->number), order->refunded[i], line->quantity);
        order->lines += check_line_sum(line->sku_id, line->quantity);
        if (order->was_confirmed && order->restocked[i] <= line->quantity)
            check_note_sold(check, line->sku_id, (int64_t)line->quantity - order->restocked[i]);
    }
    if (!is_right || subtotal != order->subtotal_minor || discount > order->discount_minor)
        check_broken(check, ORDER_FORMAT " has lines that do not add up to it",
                     ORDER_OF(order->number));
}

static struct check_order *owner_of(struct scanned *scanned, uint64_t sequence, const char *what)
{
    uint64_t number = number_of(scanned->partition, sequence);
    struct check_order *order = find(scanned->check, number);

    if (order == NULL)
        check_broken(scanned->check, "%s is of " ORDER_FORMAT ", which there is not", what,
                     ORDER_OF(number));
    return order;
}

static bool visit_body(void *arg, const struct record *record)
{
    struct scanned *scanned = arg;
    struct check_order *order = owner_of(scanned, record->sequence, "a body");

    if (order == NULL)
        return true;
    order->has_body = true;
    check_lines(scanned->check, order, &record->order_body);
    return true;
}

static bool visit_person(void *arg, const struct record *record)
{
    struct scanned *scanned = arg;
    struct check_order *order = owner_of(scanned, record->sequence, "a person's data");

    check_note_wrapping(scanned->check, record->order_person.key, record->order_person.key_length);
    if (order != NULL)
        order->has_person = true;
    return true;
}

static bool visit_mail(void *arg, const struct record *record)
{
    const struct order_mail_record *mail = &record->order_mail;
    struct scanned *scanned = arg;
    const struct check_order *order = owner_of(scanned, record->sequence, "a mail");

    if (order == NULL)
        return true;
    bool is_known = mail->kind == ORDER_MAIL_REFUNDED
                        ? (order->refunds_done & 1u << mail->refund) != 0
                        : (order->mails & 1u << mail->kind) != 0;
    if (!is_known || mail->order_created_wall_ms != order->created_wall_ms)
        check_broken(scanned->check, ORDER_FORMAT " has a mail that it does not owe",
                     ORDER_OF(order->number));
    return true;
}

static bool visit_owner(void *arg, const struct record *record)
{
    struct scanned *scanned = arg;
    struct check_order *order = owner_of(scanned, record->sequence, "an owner's entry");

    if (order == NULL)
        return true;
    order->has_owner = true;
    if (!principal_equal(&order->principal, &record->order_of.principal) ||
        order->created_wall_ms != record->order_of.created_wall_ms)
        check_broken(scanned->check, ORDER_FORMAT " is entered as another's",
                     ORDER_OF(order->number));
    return true;
}

static bool visit_key(void *arg, const struct record *record)
{
    struct scanned *scanned = arg;
    struct check_order *order = owner_of(scanned, record->checkout.sequence, "a checkout's key");

    if (order == NULL)
        return true;
    if (memcmp(&order->key, &record->checkout.key, sizeof(order->key)) != 0 || order->has_key)
        check_broken(scanned->check, "a checkout's key leads to " ORDER_FORMAT " of another key",
                     ORDER_OF(order->number));
    order->has_key = true;
    return true;
}

/* ---- holds and coupons, wherever they are ---- */

static bool visit_hold(void *arg, const struct record *record)
{
    struct scanned *scanned = arg;
    const struct hold_record *hold = &record->hold;
    struct check_order_hold *added;

    if (hold->owner_partition != scanned->partition || hold->owner_sequence != record->sequence)
        return true;
    added = check_vector_add(scanned->check, &scanned->check->order_holds, sizeof(*added));
    if (added == NULL)
        return false;
    added->number = number_of(scanned->partition, record->sequence);
    added->order = hold->order;
    added->state = hold->state;
    added->created_wall_ms = hold->created_wall_ms;
    for (unsigned i = 0; i < hold->line_count; i++)
        added->lines += check_line_sum(hold->lines[i].sku_id, hold->lines[i].quantity);
    return true;
}

/* A use of a coupon: `sequence` is its order's number. */
static bool visit_use(void *arg, const struct record *record)
{
    struct scanned *scanned = arg;
    struct vector *uses = &scanned->check->order_uses;
    struct check_order_use *use = check_vector_add(scanned->check, uses, sizeof(*use));

    if (use == NULL)
        return false;
    use->order = record->sequence;
    use->partition = record->partition;
    use->coupon = record->subject;
    use->is_committed = record->kind == RECORD_COUPON_PAST;
    return true;
}

static bool visit_floor(void *arg, const struct record *record)
{
    struct scanned *scanned = arg;

    if (record->subject == FLOOR_ORDERS)
        scanned->next_number = record->floor.next_sequence;
    return true;
}

static void damaged(void *arg, const char *line)
{
    struct scanned *scanned = arg;

    check_broken(scanned->check, "%s", line);
}

static void scan(struct scanned *scanned, enum record_kind kind, journal_visit visit)
{
    if (scanned->check->out_of_memory)
        return;
    if (!journal_rocksdb_scan(scanned->check->journal, kind, scanned->partition, visit, damaged,
                              scanned))
        check_broken(scanned->check, "partition %" PRIu32 " cannot be read to its end",
                     scanned->partition);
}

static int order_of_numbers(const void *a, const void *b)
{
    uint64_t left = ((const struct check_order *)a)->number;
    uint64_t right = ((const struct check_order *)b)->number;

    return (left > right) - (left < right);
}

/* Live and past ones, in one ascending order. */
static void sort_orders(struct scanned *scanned)
{
    struct vector *orders = &scanned->check->orders;
    size_t count = orders->count - scanned->first;
    struct check_order *first;

    if (count == 0)
        return;
    first = (struct check_order *)(void *)orders->items + scanned->first;
    qsort(first, count, sizeof(*first), order_of_numbers);
    for (size_t i = 1; i < count; i++)
        if (first[i].number == first[i - 1].number)
            check_broken(scanned->check, ORDER_FORMAT " is stored as live and as past",
                         ORDER_OF(first[i].number));
}

void check_orders_partition(struct check *check, uint32_t partition)
{
    struct scanned scanned = {
        .check = check, .partition = partition, .next_number = 1, .first = check->orders.count};

    scan(&scanned, RECORD_FLOOR, visit_floor);
    check->order_floors[partition] = scanned.next_number;
    scan(&scanned, RECORD_ORDER, visit_order);
    scan(&scanned, RECORD_ORDER_PAST, visit_order);
    if (!check->out_of_memory)
        sort_orders(&scanned);
    scan(&scanned, RECORD_ORDER_BODY, visit_body);
    scan(&scanned, RECORD_ORDER_PERSON, visit_person);
    scan(&scanned, RECORD_ORDER_MAIL, visit_mail);
    scan(&scanned, RECORD_ORDER_OF, visit_owner);
    scan(&scanned, RECORD_CHECKOUT, visit_key);
    scan(&scanned, RECORD_HOLD, visit_hold);
    scan(&scanned, RECORD_COUPON_USE, visit_use);
    scan(&scanned, RECORD_COUPON_PAST, visit_use);
}

/* ---- across partitions ---- */

static bool was_given(const struct check *check, uint64_t number)
{
    uint64_t partition = number >> PARTITION_SHIFT;
    uint64_t sequence = number & ((UINT64_C(1) << PARTITION_SHIFT) - 1);

    return partition < check->partitions && sequence < check->order_floors[partition];
}

static void use_check(struct check *check, const struct check_order_use *use)
{
    struct check_order *order = find(check, use->order);

    if (order == NULL) {
        check->unfinished += !use->is_committed && was_given(check, use->order);
        if (use->is_committed && was_given(check, use->order))
            check_broken(check,
                         "a use of a coupon was committed for " ORDER_FORMAT ", which is gone",
                         ORDER_OF(use->order));
        return;
    }
    if (!order->has_coupon || order->coupon_partition != use->partition ||
        order->coupon_number != use->coupon)
        check_broken(check, ORDER_FORMAT " has a use of a coupon that it does not name",
                     ORDER_OF(order->number));
    if (use->is_committed && !order->was_confirmed && order->step != STEP_COUPON_COMMIT)
        check_broken(check, ORDER_FORMAT " was not confirmed, and its use of a coupon is committed",
                     ORDER_OF(order->number));
    if (!use->is_committed && order->step == STEP_NONE)
        check_broken(check, ORDER_FORMAT " has ended, and a use of a coupon is held for it",
                     ORDER_OF(order->number));
    order->has_use = order->has_use || use->is_committed;
}

/* A hold that lives and names an order. */
static void hold_check(struct check *check, const struct check_order_hold *hold)
{
    struct check_order *order = find(check, hold->order);
    bool is_named =
        order != NULL && number_of(order->hold.partition, order->hold.sequence) == hold->number;

    if (hold->state == HOLD_CAPTURING && (!is_named || order->step == STEP_NONE))
        check_broken(check,
                     "reservation %" PRIu64 " of partition %" PRIu64
                     " is pinned, and no live order has it",
                     ORDER_OF(hold->number));
    if (hold->state != HOLD_HELD || hold->order == 0)
        return;
    if (!is_named)
        check->unfinished++;
    else if (order->step == STEP_NONE)
        check_broken(check,
                     "reservation %" PRIu64 " of partition %" PRIu64
                     " is held for an order that has ended",
                     ORDER_OF(hold->number));
}

/* A step before it may still be bound, or no longer. */
static bool may_be_unbound(uint8_t step)
{
    return step == STEP_BIND || step == STEP_UNDO_BIND;
}

static void check_forgotten(struct check *check, const struct check_order *order)
{
    bool forgot_key = (order->forgotten & ORDER_FORGOT_KEY) != 0;
    bool forgot_person = (order->forgotten & ORDER_FORGOT_PERSON) != 0;

    if (order->has_key == forgot_key)
        check_broken(check, ORDER_FORMAT " %s its checkout's key", ORDER_OF(order->number),
                     forgot_key ? "says that it forgot, and has," : "lacks");
    if (order->has_person == forgot_person)
        check_broken(check, ORDER_FORMAT " %s its person's data", ORDER_OF(order->number),
                     forgot_person ? "says that it forgot, and has," : "lacks");
    if (!forgot_person && (order->forgotten & ORDER_FORGETS_PERSON) == 0 &&
        check_account_is_gone(check, &order->principal))
        check_broken(check, ORDER_FORMAT " keeps the person of an account that is erased",
                     ORDER_OF(order->number));
    if ((order->forgotten & ORDER_FORGETS_PERSON) != 0 && order->step == STEP_NONE &&
        !order->is_to_be_sent)
        check_broken(check, ORDER_FORMAT " has ended, and has not forgotten its person",
                     ORDER_OF(order->number));
}

static void order_check(struct check *check, const struct check_order *order)
{
    uint64_t number = number_of(order->hold.partition, order->hold.sequence);
    const struct check_order_hold *hold = check_vector_find_64(&check->order_holds, number);

    if (!order->has_body || !order->has_owner)
        check_broken(check, ORDER_FORMAT " lacks its %s", ORDER_OF(order->number),
                     !order->has_body ? "body" : "owner's entry");
    check_forgotten(check, order);
    if (order->was_confirmed && order->has_coupon && !order->has_use)
        check_broken(check, ORDER_FORMAT " was confirmed, and its use of a coupon is not committed",
                     ORDER_OF(order->number));
    if (hold == NULL) {
        if (order->hold.partition >= check->partitions ||
            order->hold.sequence >= check->floors[order->hold.partition])
            check_broken(check, ORDER_FORMAT " has a reservation that never was",
                         ORDER_OF(order->number));
        return;
    }
    if (hold->created_wall_ms != order->hold.created_ms || hold->lines != order->lines)
        check_broken(check, ORDER_FORMAT " does not have the lines of its reservation",
                     ORDER_OF(order->number));
    if (hold->order != order->number && !may_be_unbound(order->step))
        check_broken(check, ORDER_FORMAT " has a reservation that belongs to another",
                     ORDER_OF(order->number));
    if (order->was_confirmed != (hold->state == HOLD_CONVERTED) &&
        (order->was_confirmed || order->step == STEP_NONE))
        check_broken(check, ORDER_FORMAT " was %sconfirmed, and its reservation is %s",
                     ORDER_OF(order->number), order->was_confirmed ? "" : "not ",
                     hold_state_name((enum hold_state)hold->state));
}

/* ---- what was sold, however long ago ---- */

void check_note_sold(struct check *check, uint32_t sku_id, int64_t units)
{
    struct check_sold *sold = check_vector_add(check, &check->sold, sizeof(*sold));

    if (sold != NULL)
        *sold = (struct check_sold){.sku_id = sku_id, .units = units};
}

static int order_of_skus(const void *a, const void *b)
{
    uint32_t left = ((const struct check_sold *)a)->sku_id;
    uint32_t right = ((const struct check_sold *)b)->sku_id;

    return (left > right) - (left < right);
}

/* Reservations are forgotten, orders and ledger are not. A sale may be without an order; an order
 * is never without its sale. */
static void check_sales(struct check *check)
{
    struct check_sold *sold = (struct check_sold *)(void *)check->sold.items;
    size_t count = check->sold.count;
    int64_t units = 0;

    if (count > 0)
        qsort(sold, count, sizeof(*sold), order_of_skus);
    for (size_t i = 0; i < count; i++) {
        units += sold[i].units;
        if (i + 1 < count && sold[i + 1].sku_id == sold[i].sku_id)
            continue;
        if (units > 0)
            check_broken(check,
                         "orders have %" PRId64 " units of SKU %08" PRIx32
                         " more than its ledger says are sold",
                         units, sold[i].sku_id);
        units = 0;
    }
    check_vector_free(&check->sold);
}

void check_orders(struct check *check)
{
    const struct check_order_use *uses =
        (const struct check_order_use *)(const void *)check->order_uses.items;
    const struct check_order_hold *holds =
        (const struct check_order_hold *)(const void *)check->order_holds.items;
    const struct check_order *orders =
        (const struct check_order *)(const void *)check->orders.items;

    for (size_t i = 0; i < check->order_uses.count; i++)
        use_check(check, &uses[i]);
    for (size_t i = 0; i < check->order_holds.count; i++)
        hold_check(check, &holds[i]);
    for (size_t i = 0; i < check->orders.count; i++)
        order_check(check, &orders[i]);
    check_sales(check);
    check_vector_free(&check->orders);
    check_vector_free(&check->order_holds);
    check_vector_free(&check->order_uses);
}
