/* SPDX-License-Identifier: Apache-2.0 */
/* What must be true within one partition. Kinds are streamed; what is kept in memory is a row a
 * product, a row a SKU, a small row a reservation, and one bit a number ever given. */
#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "check_private.h"
#include "hash.h"

struct check_sku {
    uint32_t sku_id; /* first: looked up by it */
    uint32_t product_number;
    int64_t stock; /* by the ledger */
    int64_t sold;
    int64_t reserved; /* by reservations */
    uint64_t newest_entry;
    uint64_t counter_entry;
    uint32_t counter_stock;
    uint32_t counter_sold;
    bool has_counter;
    bool went_wrong; /* said so already */
    char name[SKU_LENGTH_MAX + 1];
};

struct check_hold {
    uint64_t sequence;   /* first: looked up by it */
    uint64_t own_lines;  /* check_line_sum over the lines in this partition */
    uint64_t sold_lines; /* over the ledger's entries that name it */
    uint8_t state;
    bool is_owner;
};

struct audit {
    struct check *check;
    uint32_t partition;
    uint64_t next_sequence; /* what recovery would give out next */
    struct vector products; /* struct check_product, ascending */
    struct vector skus;     /* struct check_sku, ascending */
    struct vector holds;    /* struct check_hold, ascending */
    struct vector limits;   /* struct check_limit */
    struct vector keys;     /* struct check_key: of adjustments, ascending, then of reservations */
    size_t adjustment;      /* the next key of an adjustment whose entry is to come */
    size_t adjustment_count;
    /* A bit a number: given to a reservation or an entry. In pages, for a new incarnation leaves
     * out many numbers; a page that is needed is made. */
    uint8_t **numbers;
};

enum { NUMBERS_PAGE_BITS = 20 };

static size_t numbers_page_count(const struct audit *audit)
{
    return (size_t)(audit->next_sequence >> NUMBERS_PAGE_BITS) + 1;
}

/* The byte with the number's bit, or NULL without memory. */
static uint8_t *numbers_byte(struct audit *audit, uint64_t sequence)
{
    uint8_t **page = &audit->numbers[sequence >> NUMBERS_PAGE_BITS];

    if (*page == NULL)
        *page = calloc(1, (UINT64_C(1) << NUMBERS_PAGE_BITS) / 8);
    if (*page != NULL)
        return *page + (sequence & ((UINT64_C(1) << NUMBERS_PAGE_BITS) - 1)) / 8;
    audit->check->out_of_memory = true;
    return NULL;
}

static void numbers_free(struct audit *audit)
{
    for (size_t i = 0; i < numbers_page_count(audit); i++)
        free(audit->numbers[i]);
    free(audit->numbers);
}

static void raise_next(struct audit *audit, uint64_t sequence)
{
    if (audit->next_sequence <= sequence)
        audit->next_sequence = sequence + 1;
}

/* ---- catalogue, counters, floor ---- */

static bool visit_product(void *arg, const struct record *record)
{
    struct audit *audit = arg;
    struct check_product *product =
        check_vector_add(audit->check, &audit->products, sizeof(*product));

    if (product == NULL)
        return false;
    product->number = record->subject;
    product->limit = record->product.limit_per_customer;
    product->updated_wall_ms = record->product.updated_wall_ms;
    product->variants = record->product.variant_count;
    memcpy(product->id, record->product.id, sizeof(product->id));
    return true;
}

static bool visit_sku(void *arg, const struct record *record)
{
    /* Any fixed key: names are only compared with one another. */
    static const struct hash_key name_key = {{0x6e616d65, 0x736b75}};
    struct audit *audit = arg;
    struct check_sku *sku = check_vector_add(audit->check, &audit->skus, sizeof(*sku));
    uint64_t *name = check_vector_add(audit->check, &audit->check->names, sizeof(*name));

    if (sku == NULL || name == NULL)
        return false;
    sku->sku_id = record->subject;
    sku->product_number = record->sku.product_number;
    memcpy(sku->name, record->sku.sku, sizeof(sku->name));
    *name = hash_bytes(&name_key, sku->name, strlen(sku->name));
    struct check_product *product = check_vector_find_32(&audit->products, sku->product_number);
    if (product != NULL)
        product->variant_count += !record->sku.archived;
    else
        check_broken(audit->check, "SKU %s refers to product %" PRIu32 ", which there is not",
                     sku->name, sku->product_number);
    audit->check->sku_count++;
    return true;
}

static bool visit_counter(void *arg, const struct record *record)
{
    struct audit *audit = arg;
    struct check_sku *sku = check_vector_find_32(&audit->skus, record->subject);

    if (sku == NULL) {
        check_broken(audit->check, "a counter names SKU %08" PRIx32 ", which there is not",
                     record->subject);
        return true;
    }
    sku->has_counter = true;
    sku->counter_stock = record->counter.stock;
    sku->counter_sold = record->counter.sold;
    sku->counter_entry = record->counter.ledger_sequence;
    raise_next(audit, record->counter.ledger_sequence);
    return true;
}

static bool visit_floor(void *arg, const struct record *record)
{
    struct audit *audit = arg;

    if (record->subject != FLOOR_HOLDS)
        return true;
    audit->check->floors[audit->partition] = record->floor.next_sequence;
    if (audit->next_sequence < record->floor.next_sequence)
        audit->next_sequence = record->floor.next_sequence;
    return true;
}

/* ---- keys ---- */

static void add_key(struct audit *audit, uint32_t scope, uint64_t sequence,
                    const struct hash128 *key)
{
    struct check_key *added = check_vector_add(audit->check, &audit->keys, sizeof(*added));

    if (added == NULL)
        return;
    added->scope = scope;
    added->sequence = sequence;
    added->key = *key;
}

static bool visit_key(void *arg, const struct record *record)
{
    struct audit *audit = arg;

    add_key(audit, record->subject, record->sequence, &record->key.key);
    audit->adjustment_count = audit->keys.count;
    return !audit->check->out_of_memory;
}

/* Keys of adjustments and entries of the ledger both come ascending by SKU and number: passes the
 * keys before this place; those had no entry. True if the next one is of this place. */
static bool pass_keys(struct audit *audit, uint32_t sku_id, uint64_t sequence)
{
    const struct check_key *keys = (const struct check_key *)(const void *)audit->keys.items;

    for (; audit->adjustment < audit->adjustment_count; audit->adjustment++) {
        const struct check_key *key = &keys[audit->adjustment];

        if (key->scope == sku_id && key->sequence == sequence)
            return true;
        if (key->scope > sku_id || (key->scope == sku_id && key->sequence > sequence))
            return false;
        check_broken(audit->check,
                     "an idempotency key names entry %" PRIu64 " of SKU %08" PRIx32
                     "'s ledger, which there is not",
                     key->sequence, key->scope);
    }
    return false;
}

/* ---- reservations ---- */

static bool is_live(uint8_t state)
{
    return state == HOLD_INTENT || state == HOLD_PREPARED || state == HOLD_HELD ||
           state == HOLD_CAPTURING;
}

static void add_limit(struct audit *audit, const struct record *record, const struct line *line,
                      const struct check_sku *sku)
{
    const struct hold_record *hold = &record->hold;
    const struct check_product *product =
        check_vector_find_32(&audit->products, sku->product_number);
    struct check_limit *limit;

    if (product == NULL || product->limit == 0 ||
        (!is_live(hold->state) && hold->state != HOLD_CONVERTED))
        return;
    limit = check_vector_add(audit->check, &audit->limits, sizeof(*limit));
    if (limit == NULL)
        return;
    limit->product_number = product->number;
    limit->principal = hold->principal;
    limit->is_newer = hold->created_wall_ms > product->updated_wall_ms;
    limit->is_adopted = hold->adopted;
    if (is_live(hold->state))
        limit->held = line->quantity;
    else if (limit->is_newer)
        limit->converted = line->quantity;
}

/* The lines in this partition. */
static void add_own_line(struct audit *audit, const struct record *record, const struct line *line,
                         struct check_hold *hold)
{
    struct check_sku *sku = check_vector_find_32(&audit->skus, line->sku_id);

    if (sku == NULL) {
        check_broken(audit->check,
                     "reservation %" PRIu64 " of partition %" PRIu32 " names SKU %08" PRIx32
                     ", which there is not",
                     record->sequence, audit->partition, line->sku_id);
        return;
    }
    hold->own_lines += check_line_sum(line->sku_id, line->quantity);
    if (is_live(record->hold.state))
        sku->reserved += line->quantity;
    add_limit(audit, record, line, sku);
}

static uint64_t principal_sum(const struct principal *principal)
{
    uint64_t words[2];

    memcpy(words, principal->bytes, sizeof(words));
    return hash_word(words[0]) + hash_word(words[1] + 1);
}

/* An owner's lines in another partition: one promise for all of them. */
static void add_promise(struct audit *audit, const struct record *record, size_t first_promise,
                        const struct line *line)
{
    struct vector *promises = &audit->check->promises;
    uint32_t partition = sku_id_partition(line->sku_id);
    struct check_link *promise = NULL;

    for (size_t i = first_promise; i < promises->count; i++) {
        struct check_link *at = &((struct check_link *)(void *)promises->items)[i];

        if (at->partition == partition)
            promise = at;
    }
    if (promise == NULL) {
        promise = check_vector_add(audit->check, promises, sizeof(*promise));
        if (promise == NULL)
            return;
        promise->owner_partition = audit->partition;
        promise->owner_sequence = record->sequence;
        promise->partition = partition;
        promise->state = record->hold.state;
        promise->principal = principal_sum(&record->hold.principal);
        promise->is_adopted = record->hold.adopted;
    }
    promise->lines += check_line_sum(line->sku_id, line->quantity);
}

static void add_link(struct audit *audit, const struct record *record, uint64_t own_lines)
{
    struct check_link *link = check_vector_add(audit->check, &audit->check->links, sizeof(*link));

    if (link == NULL)
        return;
    link->owner_partition = record->hold.owner_partition;
    link->owner_sequence = record->hold.owner_sequence;
    link->partition = audit->partition;
    link->sequence = record->sequence;
    link->state = record->hold.state;
    link->lines = own_lines;
    link->principal = principal_sum(&record->hold.principal);
    link->is_adopted = record->hold.adopted;
}

/* Form: which states an owner and a participant may be in, and what belongs to them. */
static void check_form(struct audit *audit, const struct record *record, bool is_owner)
{
    const struct hold_record *hold = &record->hold;
    bool may_be = is_owner ? hold->state != HOLD_PREPARED
                           : hold->state != HOLD_INTENT && hold->state != HOLD_HELD &&
                                 hold->state != HOLD_CAPTURING;

    if (!may_be || is_live(hold->state) != (hold->ended_wall_ms == 0))
        check_broken(audit->check,
                     "reservation %" PRIu64 " of partition %" PRIu32
                     " is %s, which it cannot be (%s, ended %" PRId64 ")",
                     record->sequence, audit->partition,
                     hold_state_name((enum hold_state)hold->state),
                     is_owner ? "owner" : "participant", hold->ended_wall_ms);
}

static bool visit_hold(void *arg, const struct record *record)
{
    struct audit *audit = arg;
    const struct hold_record *stored = &record->hold;
    struct check_hold *hold = check_vector_add(audit->check, &audit->holds, sizeof(*hold));
    size_t first_promise = audit->check->promises.count;

    if (hold == NULL)
        return false;
    hold->sequence = record->sequence;
    hold->state = stored->state;
    hold->is_owner =
        stored->owner_partition == audit->partition && stored->owner_sequence == record->sequence;
    check_form(audit, record, hold->is_owner);
    if (hold->is_owner && hold->state != HOLD_ABORTED)
        add_key(audit, CHECK_KEY_OF_RESERVATION, record->sequence, &stored->key);
    for (unsigned i = 0; i < stored->line_count; i++) {
        const struct line *line = &stored->lines[i];

        if (sku_id_partition(line->sku_id) == audit->partition)
            add_own_line(audit, record, line, hold);
        else if (hold->is_owner)
            add_promise(audit, record, first_promise, line);
        else
            check_broken(audit->check,
                         "lines %" PRIu64 " of partition %" PRIu32 " name a SKU of another",
                         record->sequence, audit->partition);
    }
    if (!hold->is_owner)
        add_link(audit, record, hold->own_lines);
    else
        audit->check->reservation_count++;
    if (stored->state == HOLD_INTENT)
        audit->check->unfinished++;
    raise_next(audit, record->sequence);
    return true;
}

/* ---- the ledger ---- */

/* Each number is given once, to a reservation or to an entry, and never again after a restart. */
static void take_number(struct audit *audit, uint64_t sequence)
{
    uint8_t bit = (uint8_t)(1u << sequence % 8);

    if (sequence >= audit->next_sequence) {
        check_broken(audit->check,
                     "number %" PRIu64 " of partition %" PRIu32
                     " would be given again after a restart",
                     sequence, audit->partition);
        return;
    }
    uint8_t *byte = numbers_byte(audit, sequence);
    if (byte == NULL)
        return;
    if ((*byte & bit) != 0)
        check_broken(audit->check, "number %" PRIu64 " of partition %" PRIu32 " was given twice",
                     sequence, audit->partition);
    *byte |= bit;
}

static void add_entry(struct check_sku *sku, const struct ledger_record *entry)
{
    int64_t quantity = entry->quantity;

    switch ((enum ledger_entry)entry->entry) {
    case LEDGER_RECEIPT:
        sku->stock += quantity;
        break;
    case LEDGER_WRITE_OFF:
        sku->stock -= quantity;
        break;
    case LEDGER_SOLD:
        sku->sold += quantity;
        break;
    case LEDGER_RESTOCK:
        sku->sold -= quantity;
        break;
    case LEDGER_ENTRY_COUNT:
        break;
    }
}

static void add_sale(struct audit *audit, const struct record *record, const struct check_sku *sku)
{
    struct check_product *product = check_vector_find_32(&audit->products, sku->product_number);
    struct check_hold *hold = check_vector_find_64(&audit->holds, record->ledger.hold_sequence);

    if (product != NULL)
        product->sold += record->ledger.quantity;
    if (hold != NULL) /* otherwise no longer kept */
        hold->sold_lines += check_line_sum(record->subject, record->ledger.quantity);
}

static bool visit_entry(void *arg, const struct record *record)
{
    struct audit *audit = arg;
    struct check_sku *sku = check_vector_find_32(&audit->skus, record->subject);

    audit->check->ledger_count++;
    take_number(audit, record->sequence);
    if (sku == NULL) {
        check_broken(audit->check, "a ledger entry names SKU %08" PRIx32 ", which there is not",
                     record->subject);
        return true;
    }
    if (pass_keys(audit, record->subject, record->sequence)) {
        audit->adjustment++;
        if (record->ledger.entry == LEDGER_SOLD) /* a restock has one, of its refund */
            check_broken(audit->check,
                         "entry %" PRIu64 " of SKU %s's ledger is no adjustment, but has a key",
                         record->sequence, sku->name);
    }
    add_entry(sku, &record->ledger);
    sku->newest_entry = record->sequence;
    if (record->ledger.entry == LEDGER_SOLD)
        add_sale(audit, record, sku);
    if ((sku->stock < 0 || sku->sold < 0 || sku->sold > sku->stock) && !sku->went_wrong) {
        sku->went_wrong = true;
        check_broken(audit->check,
                     "SKU %s: after ledger entry %" PRIu64 " its stock is %" PRId64 " and %" PRId64
                     " are sold",
                     sku->name, record->sequence, sku->stock, sku->sold);
    }
    return true;
}

/* What was converted, and nothing else, was sold, line by line. */
static void check_sales(struct audit *audit)
{
    const struct check_hold *holds = (const struct check_hold *)(const void *)audit->holds.items;

    for (size_t i = 0; i < audit->holds.count; i++) {
        const struct check_hold *hold = &holds[i];
        uint64_t expected = hold->state == HOLD_CONVERTED ? hold->own_lines : 0;

        if (hold->sold_lines != expected)
            check_broken(audit->check,
                         "reservation %" PRIu64 " of partition %" PRIu32
                         " is %s, but what the ledger sold for it is not that",
                         hold->sequence, audit->partition,
                         hold_state_name((enum hold_state)hold->state));
    }
}

static void check_sku(struct check *check, const struct check_sku *sku)
{
    int64_t available = sku->stock - sku->reserved - sku->sold;

    check_note_sold(check, sku->sku_id, -sku->sold);
    if (available < 0)
        check_broken(check,
                     "SKU %s is oversold: stock %" PRId64 ", reserved %" PRId64 ", sold %" PRId64
                     ": available would be %" PRId64,
                     sku->name, sku->stock, sku->reserved, sku->sold, available);
    if (!sku->has_counter && sku->newest_entry != 0)
        check_broken(check, "SKU %s has a ledger, but no counter", sku->name);
    if (sku->has_counter && (sku->counter_stock != sku->stock || sku->counter_sold != sku->sold ||
                             sku->counter_entry != sku->newest_entry))
        check_broken(check,
                     "the counter of SKU %s says stock %" PRIu32 ", sold %" PRIu32
                     " at entry %" PRIu64 "; its ledger says %" PRId64 ", %" PRId64
                     " at entry %" PRIu64,
                     sku->name, sku->counter_stock, sku->counter_sold, sku->counter_entry,
                     sku->stock, sku->sold, sku->newest_entry);
}

/* ---- limits ---- */

static bool visit_limit(void *arg, const struct record *record)
{
    struct audit *audit = arg;
    struct check_limit *limit = check_vector_add(audit->check, &audit->limits, sizeof(*limit));

    if (limit == NULL)
        return false;
    limit->product_number = record->subject;
    limit->principal = record->limit.principal;
    limit->sold = record->limit.sold;
    limit->is_adopted = record->limit.adopted;
    return true;
}

/* A product and its SKUs are written at once, and what it leaves out is archived. */
static void check_variants(struct audit *audit)
{
    const struct check_product *products =
        (const struct check_product *)(const void *)audit->products.items;

    for (size_t i = 0; i < audit->products.count; i++)
        if (products[i].variants != products[i].variant_count)
            check_broken(audit->check,
                         "product %s has %" PRIu32 " variants, but %" PRIu32
                         " SKUs that are not archived",
                         products[i].id, products[i].variants, products[i].variant_count);
}

/* ---- the partition ---- */

static void damaged(void *arg, const char *line)
{
    struct audit *audit = arg;

    check_broken(audit->check, "%s", line);
}

static void scan(struct audit *audit, enum record_kind kind, journal_visit visit)
{
    if (audit->check->out_of_memory)
        return;
    if (!journal_rocksdb_scan(audit->check->journal, kind, audit->partition, visit, damaged, audit))
        check_broken(audit->check, "partition %" PRIu32 " cannot be read to its end",
                     audit->partition);
}

static void scan_ledger(struct audit *audit)
{
    const struct check_hold *holds = (const struct check_hold *)(const void *)audit->holds.items;

    audit->numbers = calloc(numbers_page_count(audit), sizeof(*audit->numbers));
    if (audit->numbers == NULL) {
        audit->check->out_of_memory = true;
        return;
    }
    for (size_t i = 0; i < audit->holds.count; i++)
        take_number(audit, holds[i].sequence);
    scan(audit, RECORD_LEDGER, visit_entry);
    pass_keys(audit, UINT32_MAX, UINT64_MAX); /* those after the last entry */
    numbers_free(audit);
}

void check_partition(struct check *check, uint32_t partition)
{
    struct audit audit = {.check = check, .partition = partition, .next_sequence = 1};

    scan(&audit, RECORD_PRODUCT, visit_product);
    scan(&audit, RECORD_SKU, visit_sku);
    scan(&audit, RECORD_COUNTER, visit_counter);
    scan(&audit, RECORD_FLOOR, visit_floor);
    scan(&audit, RECORD_KEY, visit_key);
    scan(&audit, RECORD_HOLD, visit_hold);
    scan_ledger(&audit);
    scan(&audit, RECORD_LIMIT, visit_limit);
    if (!check->out_of_memory) {
        for (size_t i = 0; i < audit.skus.count; i++)
            check_sku(check, &((const struct check_sku *)(const void *)audit.skus.items)[i]);
        check_variants(&audit);
        check_sales(&audit);
        check_limits(check, partition, &audit.products, &audit.limits);
        check_keys(check, partition, &audit.keys);
    }
    check_vector_free(&audit.products);
    check_vector_free(&audit.skus);
    check_vector_free(&audit.holds);
    check_vector_free(&audit.limits);
    check_vector_free(&audit.keys);
}
