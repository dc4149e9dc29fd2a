/* SPDX-License-Identifier: Apache-2.0 */
/* Coupons: what is held and what was committed, counted use by use, is what the counters say and
 * never more than there may be.
 *
 * A cap is never lowered under what is used, so it holds whatever came before. A limit for each
 * customer may be lowered or set later: it is broken only if a customer above it has a use of the
 * coupon's present version, for when that was held all of them were counted, and since then they
 * can only have become fewer. Of a coupon that was deleted and forgotten its history stays. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "check_private.h"

struct check_coupon {
    uint32_t number; /* first: looked up by it */
    uint32_t max_uses;
    uint32_t max_uses_per_customer;
    uint32_t counted; /* committed, by its counter */
    uint64_t held;
    uint64_t committed;
    uint64_t version;
    bool is_deleted;
    char code[COUPON_CODE_MAX + 1];
};

/* An order's use, a customer's counter, or the sum of several of one customer. */
struct check_coupon_use {
    uint32_t number;
    struct principal principal;
    uint64_t held;
    uint64_t committed;
    uint64_t counted;
    bool is_newest; /* a use of the coupon's present version */
};

/* A use that is held. */
struct check_coupon_held {
    uint32_t number;
    uint64_t place;
};

struct coupon_audit {
    struct check *check;
    uint32_t partition;
    uint64_t next_number;
    struct vector coupons; /* struct check_coupon, ascending */
    struct vector uses;    /* struct check_coupon_use */
    struct vector held;    /* struct check_coupon_held, ascending */
};

static bool visit_floor(void *arg, const struct record *record)
{
    struct coupon_audit *audit = arg;

    if (record->subject == FLOOR_COUPONS)
        audit->next_number = record->floor.next_sequence;
    return true;
}

static bool visit_coupon(void *arg, const struct record *record)
{
    struct coupon_audit *audit = arg;
    const struct coupon_definition *definition = &record->coupon.definition;
    struct check_coupon *coupon = check_vector_add(audit->check, &audit->coupons, sizeof(*coupon));

    if (coupon == NULL)
        return false;
    coupon->number = record->subject;
    coupon->max_uses = definition->max_uses;
    coupon->max_uses_per_customer = definition->max_uses_per_customer;
    coupon->version = record->coupon.version;
    coupon->is_deleted = record->coupon.is_deleted;
    memcpy(coupon->code, definition->code, sizeof(coupon->code));
    if (record->subject >= audit->next_number)
        check_broken(audit->check,
                     "number %" PRIu32 " of coupon %s of partition %" PRIu32
                     " would be given again after a restart",
                     record->subject, coupon->code, audit->partition);
    for (size_t i = 0; i + 1 < audit->coupons.count && !coupon->is_deleted; i++) {
        const struct check_coupon *other =
            &((const struct check_coupon *)(const void *)audit->coupons.items)[i];

        if (!other->is_deleted && strcmp(other->code, coupon->code) == 0)
            check_broken(audit->check, "two coupons of partition %" PRIu32 " have the code %s",
                         audit->partition, coupon->code);
    }
    return true;
}

static struct check_coupon_use *add_use(struct coupon_audit *audit, uint32_t number,
                                        const struct principal *principal)
{
    struct check_coupon_use *use = check_vector_add(audit->check, &audit->uses, sizeof(*use));

    if (use != NULL) {
        use->number = number;
        use->principal = *principal;
    }
    return use;
}

static bool visit_count(void *arg, const struct record *record)
{
    struct coupon_audit *audit = arg;
    struct check_coupon *coupon = check_vector_find_32(&audit->coupons, record->subject);
    struct check_coupon_use *use;

    if (coupon == NULL) {
        check_broken(audit->check,
                     "a counter names coupon %" PRIu32 " of partition %" PRIu32
                     ", which there is not",
                     record->subject, audit->partition);
        return true;
    }
    if (principal_is_nobody(&record->coupon_count.principal)) {
        coupon->counted = record->coupon_count.committed;
        return true;
    }
    use = add_use(audit, record->subject, &record->coupon_count.principal);
    if (use != NULL)
        use->counted = record->coupon_count.committed;
    return use != NULL;
}

static bool visit_held(void *arg, const struct record *record)
{
    struct coupon_audit *audit = arg;
    const struct coupon_use_record *stored = &record->coupon_use;
    struct check_coupon *coupon = check_vector_find_32(&audit->coupons, record->subject);
    struct check_coupon_held *held = check_vector_add(audit->check, &audit->held, sizeof(*held));
    struct check_coupon_use *use;

    if (held == NULL)
        return false;
    held->number = record->subject;
    held->place = record->sequence;
    if (coupon == NULL || stored->version > coupon->version) {
        check_broken(audit->check,
                     "an order holds a use of coupon %" PRIu32 " of partition %" PRIu32
                     " in version %" PRIu64 ", which there is not",
                     record->subject, audit->partition, stored->version);
        return true;
    }
    coupon->held++;
    if (!stored->is_counted)
        return true;
    use = add_use(audit, record->subject, &stored->principal);
    if (use == NULL)
        return false;
    use->held = 1;
    use->is_newest = stored->version == coupon->version;
    return true;
}

static int held_order(const void *a, const void *b)
{
    const struct check_coupon_held *left = a;
    const struct check_coupon_held *right = b;

    if (left->number != right->number)
        return left->number < right->number ? -1 : 1;
    return (left->place > right->place) - (left->place < right->place);
}

static bool visit_past(void *arg, const struct record *record)
{
    struct coupon_audit *audit = arg;
    const struct coupon_use_record *stored = &record->coupon_past;
    struct check_coupon *coupon = check_vector_find_32(&audit->coupons, record->subject);
    struct check_coupon_held key = {.number = record->subject, .place = record->sequence};
    struct check_coupon_use *use;

    if (audit->held.count > 0 &&
        bsearch(&key, audit->held.items, audit->held.count, sizeof(key), held_order) != NULL)
        check_broken(audit->check,
                     "an order's use of coupon %" PRIu32 " of partition %" PRIu32
                     " is both held and committed",
                     record->subject, audit->partition);
    if (coupon == NULL) {
        if (record->subject >= audit->next_number)
            check_broken(audit->check,
                         "an order committed a use of coupon %" PRIu32 " of partition %" PRIu32
                         ", which there never was",
                         record->subject, audit->partition);
        return true;
    }
    coupon->committed++;
    if (!stored->is_counted)
        return true;
    use = add_use(audit, record->subject, &stored->principal);
    if (use == NULL)
        return false;
    use->committed = 1;
    use->is_newest = stored->version == coupon->version;
    return true;
}

/* ---- the comparison ---- */

static void check_coupon(const struct coupon_audit *audit, const struct check_coupon *coupon)
{
    if (coupon->counted != coupon->committed)
        check_broken(audit->check,
                     "the counter of coupon %s says %" PRIu32 " uses, its history says %" PRIu64,
                     coupon->code, coupon->counted, coupon->committed);
    if (coupon->max_uses != 0 && coupon->held + coupon->committed > coupon->max_uses)
        check_broken(audit->check,
                     "coupon %s has %" PRIu32 " uses, and %" PRIu64 " are held, %" PRIu64
                     " committed",
                     coupon->code, coupon->max_uses, coupon->held, coupon->committed);
}

static int use_order(const void *a, const void *b)
{
    const struct check_coupon_use *left = a;
    const struct check_coupon_use *right = b;

    if (left->number != right->number)
        return left->number < right->number ? -1 : 1;
    return memcmp(left->principal.bytes, right->principal.bytes, sizeof(left->principal.bytes));
}

static void check_customer(const struct coupon_audit *audit, const struct check_coupon_use *sum)
{
    const struct check_coupon *coupon = check_vector_find_32(&audit->coupons, sum->number);
    char who[PRINCIPAL_TEXT_LENGTH + 1];

    principal_format(&sum->principal, who);
    if (sum->counted != sum->committed)
        check_broken(audit->check,
                     "the counter of %s for coupon %s says %" PRIu64 " uses, its history says "
                     "%" PRIu64,
                     who, coupon->code, sum->counted, sum->committed);
    if (coupon->max_uses_per_customer != 0 && sum->is_newest &&
        sum->held + sum->committed > coupon->max_uses_per_customer)
        check_broken(audit->check,
                     "%s holds %" PRIu64 " and has committed %" PRIu64
                     " uses of coupon %s, of which a customer may have %" PRIu32,
                     who, sum->held, sum->committed, coupon->code, coupon->max_uses_per_customer);
}

static void check_customers(struct coupon_audit *audit)
{
    const struct check_coupon_use *uses =
        (const struct check_coupon_use *)(const void *)audit->uses.items;

    if (audit->uses.count > 0)
        qsort(audit->uses.items, audit->uses.count, sizeof(*uses), use_order);
    for (size_t i = 0; i < audit->uses.count;) {
        struct check_coupon_use sum = uses[i];

        for (i++; i < audit->uses.count && use_order(&sum, &uses[i]) == 0; i++) {
            sum.held += uses[i].held;
            sum.committed += uses[i].committed;
            sum.counted += uses[i].counted;
            sum.is_newest = sum.is_newest || uses[i].is_newest;
        }
        check_customer(audit, &sum);
    }
}

/* ---- the partition ---- */

static void damaged(void *arg, const char *line)
{
    check_broken(((struct coupon_audit *)arg)->check, "%s", line);
}

static void scan(struct coupon_audit *audit, enum record_kind kind, journal_visit visit)
{
    struct check *check = audit->check;

    if (!check->out_of_memory &&
        !journal_rocksdb_scan(check->journal, kind, audit->partition, visit, damaged, audit))
        check_broken(check, "partition %" PRIu32 " cannot be read to its end", audit->partition);
}

void check_coupons_partition(struct check *check, uint32_t partition)
{
    struct coupon_audit audit = {.check = check, .partition = partition, .next_number = 1};

    scan(&audit, RECORD_FLOOR, visit_floor);
    scan(&audit, RECORD_COUPON, visit_coupon);
    scan(&audit, RECORD_COUPON_COUNT, visit_count);
    scan(&audit, RECORD_COUPON_USE, visit_held);
    scan(&audit, RECORD_COUPON_PAST, visit_past);
    if (!check->out_of_memory) {
        for (size_t i = 0; i < audit.coupons.count; i++)
            check_coupon(&audit,
                         &((const struct check_coupon *)(const void *)audit.coupons.items)[i]);
        check_customers(&audit);
    }
    check_vector_free(&audit.coupons);
    check_vector_free(&audit.uses);
    check_vector_free(&audit.held);
}
