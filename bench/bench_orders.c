/* SPDX-License-Identifier: Apache-2.0 */
/* A store of finished orders, for `bench/journey`: what a year of sales leaves on disk.
 *
 *   bench_orders --make-store FOLDER --orders N
 *
 * Each is confirmed and past, of one unit, by a customer of its own: its record, lines, sealed
 * person, owner's entry, checkout key and the two events that told of it, as the engine writes
 * them, over all partitions. Their holds are forgotten, as a day after a sale. The sealed values
 * are random bytes of the length that they would have: nobody opens them here. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"
#include "order.h"
#include "storage.h"

enum {
    ORDERS_MAX = 10000000,
    ORDERS_A_COMMIT = 512,
    RECORDS_EACH = 7,
    EMAIL_BYTES = 33 + 24, /* sealed */
    ADDRESS_BYTES = 33 + 110,
    TEXT_BYTES = 180, /* names and prices' reasons, as a checkout of one line leaves */
    PRICE_MINOR = 4900,
};

#define CREATED_MS INT64_C(1760000000000)

struct maker {
    struct journal_port journal;
    struct arena arena;
    uint64_t number; /* of the commit */
    uint64_t state;
    uint32_t records;
    bool is_done;
};

static struct record *record_add(struct maker *maker, enum record_kind kind, uint32_t tail)
{
    struct record *record = (struct record *)(void *)(maker->arena.bytes + maker->arena.used);
    uint32_t size = (record_size(kind, 0) + tail + 7) & ~7u;

    if (maker->arena.used + size > maker->arena.capacity)
        bench_fail("the arena is too small");
    memset(record, 0, size);
    record->size = size;
    record->kind = (uint8_t)kind;
    maker->arena.used += size;
    maker->records++;
    return record;
}

static void fill_random(struct maker *maker, uint8_t *bytes, size_t length)
{
    for (size_t i = 0; i < length; i++)
        bytes[i] = (uint8_t)(bench_random(&maker->state) >> 32);
}

static void order_fill(struct maker *maker, struct order_record *order, uint64_t sequence,
                       int64_t created_ms)
{
    fill_random(maker, order->principal.bytes, sizeof(order->principal.bytes));
    fill_random(maker, order->email_index, sizeof(order->email_index));
    order->key.word[0] = bench_random(&maker->state);
    order->key.word[1] = bench_random(&maker->state);
    order->fingerprint = bench_random(&maker->state);
    order->created_wall_ms = created_ms;
    order->updated_wall_ms = created_ms + 900;
    order->expires_wall_ms = created_ms + HOLD_TTL_MS_DEFAULT;
    order->confirmed_wall_ms = created_ms + 900;
    order->status = ORDER_CONFIRMED;
    order->from_cart = 1;
    order->hold = (struct reservation_id){.created_ms = created_ms - 5, .sequence = sequence};
    memcpy(order->currency, "EUR", 4);
    order->totals.subtotal_minor = PRICE_MINOR;
    order->totals.total_minor = PRICE_MINOR;
    order->provider = PROVIDER_SANDBOX;
    order->payment_state = PAYMENT_CAPTURED;
    order->attempts = 1;
    snprintf(order->payment_id, sizeof(order->payment_id), "pi_sandbox_%016llx",
             (unsigned long long)order->fingerprint);
    order->captured_minor = PRICE_MINOR;
    order->timeline_count = 2;
    order->timeline[0] = (struct order_moment){.wall_ms = created_ms, .status = ORDER_PENDING};
    order->timeline[1] =
        (struct order_moment){.wall_ms = created_ms + 900, .status = ORDER_CONFIRMED};
}

static void body_add(struct maker *maker, uint32_t partition, uint64_t sequence)
{
    struct record *record = record_add(maker, RECORD_ORDER_BODY, TEXT_BYTES);
    struct order_body_record *body = &record->order_body;

    record->partition = (uint16_t)partition;
    record->sequence = sequence;
    body->line_count = 1;
    body->text_length = TEXT_BYTES;
    body->lines[0] = (struct order_line){.sku_id = sku_id_make(0, 1),
                                         .quantity = 1,
                                         .unit_price_minor = PRICE_MINOR,
                                         .total_minor = PRICE_MINOR};
    memset((char *)record + record_size(RECORD_ORDER_BODY, 0), 'x', TEXT_BYTES);
}

static void person_add(struct maker *maker, uint32_t partition, uint64_t sequence)
{
    struct record *record = record_add(maker, RECORD_ORDER_PERSON, 0);
    struct order_person_record *person = &record->order_person;

    record->partition = (uint16_t)partition;
    record->sequence = sequence;
    person->key_length = WRAPPED_KEY_MAX;
    person->email_length = EMAIL_BYTES;
    person->address_length = ADDRESS_BYTES;
    fill_random(maker, person->key, WRAPPED_KEY_MAX);
    fill_random(maker, person->email, EMAIL_BYTES);
    fill_random(maker, person->address, ADDRESS_BYTES);
}

static void event_add(struct maker *maker, uint32_t partition, uint64_t sequence, unsigned which,
                      int64_t created_ms)
{
    struct record *record = record_add(maker, RECORD_EVENT_OUT, 0);

    record->partition = (uint16_t)partition;
    record->sequence = 2 * sequence - 1 + which;
    record->event_out.type = which == 0 ? ORDER_PENDING : ORDER_CONFIRMED;
    record->event_out.order = sequence;
    record->event_out.created_wall_ms = created_ms;
    record->event_out.wall_ms = created_ms + 900 * which;
}

/* Its key and its owner's entry, by what the order itself says. */
static void links_add(struct maker *maker, uint32_t partition, uint64_t sequence,
                      const struct order_record *order)
{
    struct record_place place = checkout_place(&order->key, partition);
    struct record *record = record_add(maker, RECORD_ORDER_OF, 0);

    record->partition = (uint16_t)partition;
    record->subject = order_of_subject(&order->principal);
    record->sequence = sequence;
    record->order_of.principal = order->principal;
    record->order_of.created_wall_ms = order->created_wall_ms;
    record = record_add(maker, RECORD_CHECKOUT, 0);
    record->partition = (uint16_t)partition;
    record->subject = place.subject;
    record->sequence = place.sequence;
    record->checkout.key = order->key;
    record->checkout.sequence = sequence;
    record->checkout.created_wall_ms = order->created_wall_ms;
}

static void order_add(struct maker *maker, uint32_t number)
{
    uint32_t partition = number % PARTITIONS_DEFAULT;
    uint64_t sequence = 1 + number / PARTITIONS_DEFAULT;
    int64_t created_ms = CREATED_MS + number;
    struct record *record = record_add(maker, RECORD_ORDER_PAST, 0);

    record->partition = (uint16_t)partition;
    record->sequence = sequence;
    order_fill(maker, &record->order, sequence, created_ms);
    record->order.hold.partition = partition;
    links_add(maker, partition, sequence, &record->order);
    body_add(maker, partition, sequence);
    person_add(maker, partition, sequence);
    event_add(maker, partition, sequence, 0, created_ms);
    event_add(maker, partition, sequence, 1, created_ms);
}

/* What all of them bought; it is sold out. */
static void product_add(struct maker *maker, uint32_t orders)
{
    static const char document[] = "{\"name\":\"Bench\"}";
    uint32_t length = (uint32_t)strlen(document);
    struct record *record = record_add(maker, RECORD_PRODUCT, length);

    record->subject = 1;
    memcpy(record->product.id, "bench-sold", 11);
    memcpy(record->product.currency, "EUR", 4);
    record->product.variant_count = 1;
    record->product.updated_wall_ms = CREATED_MS;
    record->product.document_length = length;
    memcpy((char *)record + record_size(RECORD_PRODUCT, 0), document, length);
    record = record_add(maker, RECORD_SKU, 0);
    record->subject = sku_id_make(0, 1);
    memcpy(record->sku.sku, "BENCH-SOLD", 11);
    record->sku.product_number = 1;
    record->sku.price_minor = PRICE_MINOR;
    record = record_add(maker, RECORD_COUNTER, 0);
    record->subject = sku_id_make(0, 1);
    record->counter.stock = orders;
    record->counter.sold = orders;
    record->counter.ledger_sequence = 1;
}

/* Numbers that were given are never given again. */
static void floors_add(struct maker *maker, uint32_t orders)
{
    uint64_t next = 2 + orders / PARTITIONS_DEFAULT;

    for (uint32_t partition = 0; partition < PARTITIONS_DEFAULT; partition++) {
        struct record *record = record_add(maker, RECORD_FLOOR, 0);

        record->partition = (uint16_t)partition;
        record->subject = FLOOR_ORDERS;
        record->floor.next_sequence = next;
        record = record_add(maker, RECORD_FLOOR, 0);
        record->partition = (uint16_t)partition;
        record->subject = FLOOR_EVENTS;
        record->floor.next_sequence = 2 * next;
    }
}

static void on_done(void *arg, enum commit_outcome outcome)
{
    ((struct maker *)arg)->is_done = outcome == COMMIT_OK;
}

static void commit(struct maker *maker)
{
    const struct arena *arenas[] = {&maker->arena};
    struct journal_commit commit = {.arenas = arenas,
                                    .arena_count = 1,
                                    .number = ++maker->number,
                                    .record_count = maker->records};

    maker->is_done = false;
    maker->journal.commit(maker->journal.self, &commit, on_done, maker);
    if (!maker->is_done)
        bench_fail("a commit was not done at once, or failed");
    maker->arena.used = 0;
    maker->records = 0;
}

static void make_store(const char *folder, uint32_t orders)
{
    static const uint32_t each =
        sizeof(struct record) + sizeof(struct order_body_record) + ORDER_TEXT_MAX;
    struct storage_options wanted = storage_options_default(folder);
    struct maker maker = {.state = 0x9e3779b97f4a7c15};
    struct watermark_port watermark;
    struct secrets_port secrets;
    struct storage *storage;
    char error[STORAGE_ERROR_BYTES] = "";

    if (storage_open(&wanted, &storage, error, sizeof(error)) != 0)
        bench_fail("no store at %s: %s", folder, error);
    storage_ports_get(storage, &maker.journal, &watermark, &secrets);
    maker.number = maker.journal.last_commit(maker.journal.self);
    maker.arena.capacity = ORDERS_A_COMMIT * RECORDS_EACH * each;
    maker.arena.bytes = malloc(maker.arena.capacity);
    if (maker.arena.bytes == NULL)
        bench_fail("not enough memory");
    for (uint32_t i = 0; i < orders; i++) {
        order_add(&maker, i);
        if (maker.records >= ORDERS_A_COMMIT * RECORDS_EACH)
            commit(&maker);
    }
    product_add(&maker, orders);
    floors_add(&maker, orders);
    commit(&maker);
    watermark.advance(watermark.self, maker.number);
    free(maker.arena.bytes);
    storage_stop_reads(storage);
    storage_close(storage);
}

int main(int argc, char **argv)
{
    const char *folder = NULL;
    unsigned long orders = 0;

    for (int i = 1; i + 1 < argc; i += 2) {
        if (strcmp(argv[i], "--make-store") == 0)
            folder = argv[i + 1];
        else if (strcmp(argv[i], "--orders") == 0)
            orders = strtoul(argv[i + 1], NULL, 10);
    }
    if (argc != 5 || folder == NULL || orders > ORDERS_MAX) {
        fputs("usage: bench_orders --make-store FOLDER --orders N\n", stderr);
        return 2;
    }
    make_store(folder, (uint32_t)orders);
    return 0;
}
