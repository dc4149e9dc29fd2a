/* SPDX-License-Identifier: Apache-2.0 */
#include "books.h"

#include <stdlib.h>
#include <string.h>

enum { INDEX_ENTRIES_MIN = 1024 };

/* A simulator out of memory has nothing to say. */
static void *grow(void *array, uint32_t *capacity, uint32_t needed, size_t element)
{
    if (needed <= *capacity)
        return array;
    while (*capacity < needed)
        *capacity = *capacity < 64 ? 64 : *capacity * 2;
    array = reallocarray(array, *capacity, element);
    assert(array != NULL);
    return array;
}

enum sale books_sale(const struct books *books, uint32_t sku)
{
    const struct product_model *product = &books->products[books->skus[sku].product];

    if (product->presence != PRODUCT_PRESENT || product->vague || product->sale_open)
        return SALE_UNKNOWN;
    return product->status == PRODUCT_ACTIVE && !books->skus[sku].left_out ? SALE_ON : SALE_OFF;
}

void books_init(struct books *books)
{
    *books = (struct books){.index_mask = INDEX_ENTRIES_MIN - 1};
    books->index = calloc(INDEX_ENTRIES_MIN, sizeof(*books->index));
    assert(books->index != NULL);
}

void books_destroy(struct books *books)
{
    for (uint32_t i = 0; i < SIM_SKUS_MAX; i++)
        free(books->skus[i].holds);
    free(books->attempts);
    free(books->holds);
    free(books->newest_of_client);
    free(books->index);
}

uint32_t books_add_attempt(struct books *books, uint32_t client, uint32_t key, uint32_t product)
{
    books->attempts = grow(books->attempts, &books->attempt_capacity, books->attempt_count + 1,
                           sizeof(*books->attempts));
    books->attempts[books->attempt_count] =
        (struct attempt){.client = client, .key = key, .product = product, .hold = NONE};
    if (client < SIM_PARTIES_MAX) {
        books->attempts[books->attempt_count].next_of_client = books->newest_attempts[client];
        books->newest_attempts[client] = books->attempt_count + 1;
    }
    return books->attempt_count++;
}

/* ---- holds by ID ---- */

static uint32_t index_home(const struct books *books, const struct reservation_id *id)
{
    uint64_t hash = hash_word(id->sequence ^ (uint64_t)id->partition << 40) ^
                    hash_word((uint64_t)id->created_ms);

    return (uint32_t)hash & books->index_mask;
}

static bool id_equal(const struct reservation_id *a, const struct reservation_id *b)
{
    return a->created_ms == b->created_ms && a->sequence == b->sequence &&
           a->partition == b->partition;
}

uint32_t books_find_hold(const struct books *books, const struct reservation_id *id)
{
    uint32_t at = index_home(books, id);

    while (books->index[at] != 0) {
        uint32_t hold = books->index[at] - 1;

        if (id_equal(&books->holds[hold].id, id))
            return hold;
        at = (at + 1) & books->index_mask;
    }
    return NONE;
}

static void index_add(struct books *books, uint32_t hold)
{
    uint32_t at = index_home(books, &books->holds[hold].id);

    while (books->index[at] != 0)
        at = (at + 1) & books->index_mask;
    books->index[at] = hold + 1;
}

static void index_grow(struct books *books)
{
    uint32_t entries = (books->index_mask + 1) * 2;

    free(books->index);
    books->index = calloc(entries, sizeof(*books->index));
    assert(books->index != NULL);
    books->index_mask = entries - 1;
    for (uint32_t i = 0; i < books->hold_count; i++)
        index_add(books, i);
}

static void chain_to_client(struct books *books, uint32_t hold)
{
    uint32_t client = books->holds[hold].client;
    uint32_t before = books->newest_capacity;

    books->newest_of_client = grow(books->newest_of_client, &books->newest_capacity, client + 1,
                                   sizeof(*books->newest_of_client));
    for (uint32_t i = before; i < books->newest_capacity; i++)
        books->newest_of_client[i] = 0;
    books->holds[hold].next_of_client = books->newest_of_client[client] - 1;
    books->newest_of_client[client] = hold + 1;
}

uint32_t books_newest_of_client(const struct books *books, uint32_t client)
{
    return client < books->newest_capacity ? books->newest_of_client[client] - 1 : NONE;
}

uint32_t books_add_hold(struct books *books, const struct book_hold *hold)
{
    uint32_t index = books->hold_count;

    assert(books_find_hold(books, &hold->id) == NONE);
    books->holds =
        grow(books->holds, &books->hold_capacity, books->hold_count + 1, sizeof(*books->holds));
    books->holds[index] = *hold;
    books->holds[index].incarnation = books->incarnation;
    books->hold_count++;
    chain_to_client(books, index);
    if (books->hold_count * 2 > books->index_mask)
        index_grow(books);
    else
        index_add(books, index);
    books_list_hold(books, index);
    return index;
}

/* ---- what follows from them ---- */

void order_sum(const struct order_lines *order, struct order_lines *summed_out)
{
    summed_out->count = 0;
    for (uint32_t i = 0; i < order->count; i++) {
        uint32_t at = 0;

        while (at < summed_out->count && summed_out->lines[at].sku != order->lines[i].sku)
            at++;
        if (at == summed_out->count)
            summed_out->lines[summed_out->count++] = (struct model_line){order->lines[i].sku, 0};
        summed_out->lines[at].quantity += order->lines[i].quantity;
    }
}

bool book_hold_is_live(const struct book_hold *hold, int64_t now_ms)
{
    return hold->state == HOLD_HELD && hold->ends_open == 0 && !hold->end_maybe &&
           !hold->forgotten && now_ms < hold->deadline_ms;
}

int64_t book_hold_deadline_max(const struct book_hold *hold, int64_t cap_ms)
{
    int64_t granted_ms = hold->deadline_wall_ms - hold->id.created_ms;

    if (hold->extends_open == 0 && !hold->extend_maybe)
        return hold->deadline_late_ms;
    return hold->deadline_late_ms + (cap_ms > granted_ms ? cap_ms - granted_ms : 0);
}

bool book_hold_may_be_forgotten(const struct book_hold *hold, int64_t now_ms, int64_t retention_ms)
{
    int64_t ended_ms =
        hold->deadline_ms < hold->ended_earliest_ms ? hold->deadline_ms : hold->ended_earliest_ms;

    return now_ms >= ended_ms + retention_ms || now_ms >= hold->forget_earliest_ms;
}

static uint32_t units_of(const struct book_hold *hold, uint32_t sku)
{
    for (uint32_t i = 0; i < hold->line_count; i++)
        if (hold->lines[i].sku == sku)
            return hold->lines[i].quantity;
    return 0;
}

/* Whether it can never be certainly live again. */
static bool is_over(const struct book_hold *hold, int64_t now_ms)
{
    return hold->state != HOLD_HELD || hold->forgotten || now_ms >= hold->deadline_ms;
}

uint64_t books_live_units(struct books *books, uint32_t sku, int64_t now_ms)
{
    struct sku_model *model = &books->skus[sku];
    uint64_t units = 0;
    uint32_t kept = 0;

    for (uint32_t i = 0; i < model->hold_count; i++) {
        struct book_hold *hold = &books->holds[model->holds[i]];

        if (is_over(hold, now_ms)) {
            hold->listed = false; /* its other SKUs drop it when they look */
            continue;
        }
        if (book_hold_is_live(hold, now_ms))
            units += units_of(hold, sku);
        model->holds[kept++] = model->holds[i];
    }
    model->hold_count = kept;
    return units;
}

void books_forget_hold(struct books *books, uint32_t hold)
{
    struct book_hold *forgotten = &books->holds[hold];

    if (forgotten->forgotten)
        return;
    forgotten->forgotten = true;
    if (forgotten->state != HOLD_HELD ||
        (!forgotten->convert_maybe && forgotten->converts_open == 0))
        return;
    for (uint32_t i = 0; i < forgotten->line_count; i++)
        books->skus[forgotten->lines[i].sku].sold_maybe += forgotten->lines[i].quantity;
}

void books_list_hold(struct books *books, uint32_t hold)
{
    struct book_hold *listed = &books->holds[hold];

    if (listed->listed)
        return;
    listed->listed = true;
    for (uint32_t i = 0; i < listed->line_count; i++) {
        struct sku_model *sku = &books->skus[listed->lines[i].sku];
        uint32_t at = 0;

        while (at < sku->hold_count && sku->holds[at] != hold)
            at++;
        if (at < sku->hold_count)
            continue;
        sku->holds =
            grow(sku->holds, &sku->hold_capacity, sku->hold_count + 1, sizeof(*sku->holds));
        sku->holds[sku->hold_count++] = hold;
    }
}

static uint64_t units_of_product(const struct books *books, uint32_t product,
                                 const struct model_line *lines, uint32_t line_count)
{
    uint64_t units = 0;

    for (uint32_t i = 0; i < line_count; i++)
        if (books->skus[lines[i].sku].product == product)
            units += lines[i].quantity;
    return units;
}

uint64_t books_customer_units(const struct books *books, uint32_t client, uint32_t product,
                              int64_t now_ms)
{
    uint64_t units = 0;

    for (uint32_t i = books_newest_of_client(books, client); i != NONE;
         i = books->holds[i].next_of_client) {
        const struct book_hold *hold = &books->holds[i];

        if (!book_hold_is_live(hold, now_ms) &&
            (hold->state != HOLD_CONVERTED || books->products[product].was_free))
            continue;
        units += units_of_product(books, product, hold->lines, hold->line_count);
    }
    return units;
}

uint64_t books_customer_units_max(const struct books *books, uint32_t client, uint32_t product,
                                  uint64_t sent_step)
{
    uint64_t units = 0;

    for (uint32_t i = books_newest_of_client(books, client); i != NONE;
         i = books->holds[i].next_of_client) {
        const struct book_hold *hold = &books->holds[i];
        bool over = hold->line_count == 1 && hold->state != HOLD_HELD &&
                    hold->state != HOLD_CONVERTED && hold->ended_step < sent_step;

        if (!over)
            units += units_of_product(books, product, hold->lines, hold->line_count);
    }
    for (uint32_t i = books->newest_attempts[client]; i != 0;) {
        const struct attempt *attempt = &books->attempts[i - 1];

        i = attempt->next_of_client;
        if (attempt->open == 0 && !attempt->maybe && !attempt->aborted)
            continue;
        units += units_of_product(books, product, attempt->order.lines, attempt->order.count);
        if (attempt->other_sent && attempt->product == product)
            units += SIM_OTHER_BODY_UNITS_MAX;
    }
    return units;
}

void books_suspect(struct books *books, enum suspect why, uint32_t client,
                   const struct model_line *lines, uint32_t line_count)
{
    for (uint32_t i = 0; i < line_count; i++)
        books->products[books->skus[lines[i].sku].product].suspects[why] = client;
}

void books_restart(struct books *books)
{
    books->incarnation++;
    for (uint32_t i = 0; i < books->attempt_count; i++) {
        struct attempt *attempt = &books->attempts[i];

        attempt->maybe = attempt->maybe || attempt->open > 0;
        attempt->open = 0;
    }
    for (uint32_t i = 0; i < books->hold_count; i++) {
        struct book_hold *hold = &books->holds[i];

        hold->end_maybe = hold->end_maybe || hold->ends_open > 0;
        hold->convert_maybe = hold->convert_maybe || hold->converts_open > 0;
        hold->extend_maybe = hold->extend_maybe || hold->extends_open > 0;
        hold->ends_open = 0;
        hold->converts_open = 0;
        hold->extends_open = 0;
    }
    for (uint32_t i = 0; i < SIM_ADJUSTMENTS_MAX; i++) {
        books->adjustments[i].maybe |= books->adjustments[i].open > 0;
        books->adjustments[i].open = 0;
    }
    for (uint32_t i = 0; i < books->sku_count; i++)
        books->skus[i].entry = NULL;
}
