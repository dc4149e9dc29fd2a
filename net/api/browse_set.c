/* SPDX-License-Identifier: Apache-2.0 */
#include "api/browse_set.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "api/browse_text.h"

enum { VERDICT_NONE, VERDICT_NO, VERDICT_YES };

/* What is known of a brand or tag, so that it is compared once, however many products have it. */
struct term_state {
    uint32_t counts[BROWSE_KINDS];
    uint8_t verdicts[BROWSE_KINDS];
    bool is_touched;
};

struct category_state {
    uint32_t count;
    uint32_t verdict;
};

/* Of all numbers that there can be; what no product has costs addresses only. All states are zero
 * between passes. */
struct browse_scratch {
    struct term_state terms[PRODUCT_TERMS_MAX];
    uint32_t touched[PRODUCT_TERMS_MAX];
    struct category_state categories[CATEGORIES_MAX];
};

struct candidate {
    const struct product_entry *product;
    const struct product_label *label;
    uint32_t rank; /* the search's */
};

enum { SOME = 32 };

struct pass {
    const struct browse_query *query;
    const struct directory *directory;
    const struct search_result *hits; /* NULL: all products */
    uint32_t next;                    /* of the hits, or a place in the directory */
    const struct product_terms *terms;
    const struct categories *categories;
    struct browse_scratch *scratch;
    uint32_t touched_count;
    struct browse_result *result;
    /* What is looked at. */
    const struct candidate *candidate;
    struct candidate some[SOME];
    char folded[PRODUCT_LABEL_TEXT_MAX];
};

struct browse_scratch *browse_scratch_create(void)
{
    return calloc(1, sizeof(struct browse_scratch));
}

void browse_scratch_destroy(struct browse_scratch *scratch)
{
    free(scratch);
}

/* ---- prices ---- */

/* 0, 100, 200, 500, 1000, and so on: one, two and five of each power of ten. */
int64_t browse_price_from(unsigned i)
{
    static const int64_t steps[3] = {1, 2, 5};
    int64_t power = 100;

    assert(i < BROWSE_PRICE_RANGES);
    if (i == 0)
        return 0;
    for (unsigned left = (i - 1) / 3; left > 0; left--)
        power *= 10;
    return power * steps[(i - 1) % 3];
}

int64_t browse_price_to(unsigned i)
{
    return i + 1 == BROWSE_PRICE_RANGES ? INT64_MAX : browse_price_from(i + 1) - 1;
}

static unsigned price_range(int64_t price)
{
    int64_t power = 100;
    unsigned i = 1;

    if (price < power)
        return 0;
    for (; i + 3 < BROWSE_PRICE_RANGES && price >= power * 10; power *= 10)
        i += 3;
    if (i + 1 == BROWSE_PRICE_RANGES)
        return i;
    return i + (price >= power * 2) + (price >= power * 5);
}

struct prices {
    uint32_t ranges; /* as bits, by price_range */
    bool is_wanted;  /* a variant's is within the query's */
};

_Static_assert(BROWSE_PRICE_RANGES <= 32, "a bit for each");

static void note_price(struct prices *prices, const struct browse_query *query, int64_t price)
{
    prices->ranges |= UINT32_C(1) << price_range(price);
    if (price >= query->min_price && price <= query->max_price)
        prices->is_wanted = true;
}

/* The variants are looked at where the cheapest and the dearest do not say it all. */
static struct prices prices_of(const struct pass *pass)
{
    const struct product_entry *product = pass->candidate->product;
    int64_t low = product_entry_price_low(product);
    int64_t high = product_entry_price_high(product);
    struct prices prices = {0};

    note_price(&prices, pass->query, low);
    if (high == low)
        return prices;
    note_price(&prices, pass->query, high);
    const struct sku_entry *sku = atomic_load_explicit(&product->skus, memory_order_acquire);
    for (; sku != NULL; sku = sku->next_of_product)
        if (sku_entry_is_on_sale(sku))
            note_price(&prices, pass->query,
                       atomic_load_explicit(&sku->price_minor, memory_order_relaxed));
    return prices;
}

/* ---- terms ---- */

static bool is_text(const char *folded, size_t length, struct slice wanted)
{
    return length == wanted.length && memcmp(folded, wanted.text, length) == 0;
}

static size_t fold(struct pass *pass, const char *text, size_t length)
{
    if (length > sizeof(pass->folded))
        length = sizeof(pass->folded);
    text_fold(text, length, pass->folded);
    return length;
}

static struct term_state *touch(struct pass *pass, uint32_t number)
{
    struct term_state *state = &pass->scratch->terms[number];

    if (!state->is_touched) {
        state->is_touched = true;
        pass->scratch->touched[pass->touched_count++] = number;
    }
    return state;
}

static bool term_is_wanted(struct pass *pass, enum browse_kind kind, uint32_t number)
{
    struct slice wanted = pass->query->terms[kind];
    struct term_state *state;

    if (wanted.length == 0 || number == 0)
        return wanted.length == 0;
    state = touch(pass, number);
    if (state->verdicts[kind] == VERDICT_NONE) {
        const struct product_term *term = product_terms_at(pass->terms, number);
        size_t length = fold(pass, term->text, term->length);

        state->verdicts[kind] = is_text(pass->folded, length, wanted) ? VERDICT_YES : VERDICT_NO;
    }
    return state->verdicts[kind] == VERDICT_YES;
}

static bool any_tag_is_wanted(struct pass *pass)
{
    const struct product_label *label = pass->candidate->label;

    if (pass->query->terms[BROWSE_TAG].length == 0)
        return true;
    for (uint32_t i = 0; i < label->tag_count; i++)
        if (term_is_wanted(pass, BROWSE_TAG, label->terms[PRODUCT_LABEL_TAGS + i]))
            return true;
    return false;
}

static bool category_is_wanted(struct pass *pass, uint32_t number)
{
    struct slice wanted = pass->query->terms[BROWSE_CATEGORY];
    struct category_state *state;
    const struct category *category;
    bool is_it;
    size_t length;

    if (wanted.length == 0 || number == 0)
        return wanted.length == 0;
    state = &pass->scratch->categories[number];
    if (state->verdict != VERDICT_NONE)
        return state->verdict == VERDICT_YES;
    category = categories_at(pass->categories, number);
    length = fold(pass, category->path, category->path_length);
    is_it = is_text(pass->folded, length, wanted);
    length = fold(pass, category_name(category), category->name_length);
    is_it = is_it || is_text(pass->folded, length, wanted) ||
            text_has_slug(pass->folded, length, wanted.text, wanted.length) ||
            (category->parent != 0 && category_is_wanted(pass, category->parent));
    state->verdict = is_it ? VERDICT_YES : VERDICT_NO;
    return is_it;
}

static uint32_t category_of(const struct product_terms *terms, const struct product_label *label)
{
    uint32_t number = label->terms[PRODUCT_LABEL_CATEGORY];

    return number == 0 ? 0 : product_terms_category(terms, number);
}

/* ---- one product ---- */

bool browse_is_shown(const struct product_entry *product)
{
    return product_entry_status(product) == PRODUCT_ACTIVE;
}

static bool is_in_stock(const struct product_entry *product)
{
    const struct sku_entry *sku = atomic_load_explicit(&product->skus, memory_order_acquire);

    for (; sku != NULL; sku = sku->next_of_product)
        if (sku_entry_is_on_sale(sku) && gate_available(&sku->gate) > 0)
            return true;
    return false;
}

static bool stock_is_wanted(const struct product_entry *product, int8_t in_stock)
{
    return in_stock < 0 || is_in_stock(product) == (in_stock == 1);
}

static bool is_wanted(struct pass *pass)
{
    const struct product_label *label = pass->candidate->label;

    return category_is_wanted(pass, category_of(pass->terms, label)) &&
           term_is_wanted(pass, BROWSE_BRAND, label->terms[PRODUCT_LABEL_BRAND]) &&
           any_tag_is_wanted(pass) &&
           stock_is_wanted(pass->candidate->product, pass->query->in_stock);
}

static void count_term(struct pass *pass, enum browse_kind kind, uint32_t number)
{
    if (number != 0)
        touch(pass, number)->counts[kind]++;
}

static void count_product(struct pass *pass, uint32_t price_ranges)
{
    const struct product_label *label = pass->candidate->label;

    pass->result->total++;
    for (; price_ranges != 0; price_ranges &= price_ranges - 1)
        pass->result->prices[__builtin_ctz(price_ranges)]++;
    pass->scratch->categories[category_of(pass->terms, label)].count++;
    count_term(pass, BROWSE_BRAND, label->terms[PRODUCT_LABEL_BRAND]);
    for (uint32_t i = 0; i < label->tag_count; i++)
        count_term(pass, BROWSE_TAG, label->terms[PRODUCT_LABEL_TAGS + i]);
}

/* ---- the order ---- */

int browse_place_compare(const struct browse_place *a, const struct browse_place *b)
{
    size_t shorter = a->key_length < b->key_length ? a->key_length : b->key_length;
    int order = memcmp(a->key, b->key, shorter);

    if (order != 0)
        return order;
    if (a->key_length != b->key_length)
        return a->key_length < b->key_length ? -1 : 1;
    return strcmp(a->id, b->id);
}

static void add_number(struct browse_place *place, uint64_t number)
{
    for (unsigned shift = 64; shift > 0; shift -= 8)
        place->key[place->key_length++] = (uint8_t)(number >> (shift - 8));
}

static uint64_t first_number(const struct browse_place *place)
{
    uint64_t number = 0;

    for (unsigned i = 0; i < 8; i++)
        number = number << 8 | place->key[i];
    return number;
}

static void add_name(struct pass *pass, struct browse_place *place)
{
    const struct product_label *label = pass->candidate->label;
    size_t length = label->name_length;

    if (length > (size_t)BROWSE_KEY_MAX - place->key_length)
        length = (size_t)BROWSE_KEY_MAX - place->key_length;
    fold(pass, product_label_name(label), length);
    memcpy(place->key + place->key_length, pass->folded, length);
    place->key_length = (uint8_t)(place->key_length + length);
}

/* The power of two below it: 0 for none, 64 at most. */
static unsigned magnitude(uint64_t count)
{
    return count == 0 ? 0 : 64 - (unsigned)__builtin_clzll(count);
}

/* Whether a place begins with a number, and which. */
static bool lead_of(const struct pass *pass, uint64_t *lead_out)
{
    const struct candidate *candidate = pass->candidate;

    switch (pass->query->sort) {
    case BROWSE_PRICE:
        *lead_out = (uint64_t)product_entry_price_low(candidate->product);
        return true;
    case BROWSE_PRICE_DOWN:
        *lead_out = ~(uint64_t)product_entry_price_low(candidate->product);
        return true;
    case BROWSE_NAME:
        return false;
    case BROWSE_RELEVANCE:
        if (pass->hits != NULL) {
            *lead_out = (uint64_t)~candidate->rank << 32 |
                        (64 - magnitude(product_entry_sold(candidate->product)));
            return true;
        }
        break;
    case BROWSE_NEWEST:
    case BROWSE_SORT_COUNT:
    default:
        break;
    }
    *lead_out = ~(uint64_t)candidate->label->updated_wall_ms;
    return true;
}

static void find_place(struct pass *pass, bool has_lead, uint64_t lead, struct browse_place *place)
{
    const struct product_entry *product = pass->candidate->product;

    place->key_length = 0;
    memcpy(place->id, product->id, sizeof(place->id));
    if (has_lead)
        add_number(place, lead);
    if (!has_lead || (pass->query->sort == BROWSE_RELEVANCE && pass->hits != NULL))
        add_name(pass, place);
}

/* The first of the page so far are a heap, its last on top. */
static void sift_down(struct browse_item *items, uint32_t count)
{
    struct browse_item moved = items[0];
    uint32_t at = 0;

    for (uint32_t child = 1; child < count; child = 2 * at + 1) {
        if (child + 1 < count &&
            browse_place_compare(&items[child + 1].place, &items[child].place) > 0)
            child++;
        if (browse_place_compare(&moved.place, &items[child].place) >= 0)
            break;
        items[at] = items[child];
        at = child;
    }
    items[at] = moved;
}

static void sift_up(struct browse_item *items, uint32_t at)
{
    struct browse_item moved = items[at];

    while (at > 0 && browse_place_compare(&moved.place, &items[(at - 1) / 2].place) > 0) {
        items[at] = items[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    items[at] = moved;
}

static void offer(struct pass *pass)
{
    struct browse_result *result = pass->result;
    struct browse_item item = {.product = pass->candidate->product};
    bool is_full = result->item_count > pass->query->limit;
    uint64_t lead = 0;
    bool has_lead = lead_of(pass, &lead);

    /* Most products of a large set are behind the page: that is seen before the rest is made. */
    if (is_full && has_lead && lead > first_number(&result->items[0].place))
        return;
    find_place(pass, has_lead, lead, &item.place);
    if (pass->query->is_continued && browse_place_compare(&item.place, &pass->query->after) <= 0)
        return;
    if (!is_full) {
        result->items[result->item_count] = item;
        sift_up(result->items, result->item_count++);
    } else if (browse_place_compare(&item.place, &result->items[0].place) < 0) {
        result->items[0] = item;
        sift_down(result->items, result->item_count);
    }
}

static int compare_items(const void *a, const void *b)
{
    return browse_place_compare(&((const struct browse_item *)a)->place,
                                &((const struct browse_item *)b)->place);
}

/* ---- facets ---- */

static bool is_before(const struct browse_count *a, const struct browse_count *b)
{
    size_t shorter = a->text.length < b->text.length ? a->text.length : b->text.length;
    int order;

    if (a->count != b->count)
        return a->count > b->count;
    order = memcmp(a->text.text, b->text.text, shorter);
    return order != 0 ? order < 0 : a->text.length < b->text.length;
}

static void keep_value(struct browse_result *result, enum browse_kind kind, const char *text,
                       size_t length, uint32_t count)
{
    struct browse_count value = {{text, length}, count};
    struct browse_count *values = result->values[kind];
    uint32_t at = result->value_counts[kind];

    if (at == BROWSE_FACET_VALUES) {
        if (!is_before(&value, &values[--at]))
            return;
    } else {
        result->value_counts[kind]++;
    }
    for (; at > 0 && is_before(&value, &values[at - 1]); at--)
        values[at] = values[at - 1];
    values[at] = value;
}

/* Products count in each category that they are below, too. */
static void keep_categories(struct pass *pass)
{
    struct category_state *states = pass->scratch->categories;
    uint32_t end = categories_end(pass->categories); /* those that came meanwhile are seen, too */

    for (uint32_t number = end - 1; number > 0; number--) {
        const struct category *category;

        if (states[number].count == 0)
            continue;
        category = categories_at(pass->categories, number);
        states[category->parent].count += states[number].count;
        keep_value(pass->result, BROWSE_CATEGORY, category->path, category->path_length,
                   states[number].count);
    }
    memset(states, 0, end * sizeof(*states));
}

static void keep_terms(struct pass *pass)
{
    struct browse_scratch *scratch = pass->scratch;

    for (uint32_t i = 0; i < pass->touched_count; i++) {
        uint32_t number = scratch->touched[i];
        const struct product_term *term = product_terms_at(pass->terms, number);

        for (unsigned kind = BROWSE_BRAND; kind < BROWSE_KINDS; kind++)
            if (scratch->terms[number].counts[kind] > 0)
                keep_value(pass->result, (enum browse_kind)kind, term->text, term->length,
                           scratch->terms[number].counts[kind]);
        scratch->terms[number] = (struct term_state){0};
    }
}

/* ---- the pass ---- */

static const struct product_entry *next_product(struct pass *pass, uint32_t *rank_out)
{
    const struct product_entry *product;

    if (pass->hits == NULL)
        return directory_next_product(pass->directory, &pass->next);
    while (pass->next < pass->hits->count) {
        const struct search_hit *hit = &pass->hits->hits[pass->next++];

        product = directory_product_at(pass->directory, hit->place.partition, hit->place.number);
        *rank_out = hit->rank;
        if (product != NULL)
            return product;
    }
    return NULL;
}

/* The next products. Their labels lie anywhere: all of them are fetched, and then looked at. */
static uint32_t take_some(struct pass *pass)
{
    uint32_t count = 0;

    while (count < SOME) {
        struct candidate *candidate = &pass->some[count];

        candidate->rank = 0;
        candidate->product = next_product(pass, &candidate->rank);
        if (candidate->product == NULL)
            break;
        if (!browse_is_shown(candidate->product))
            continue;
        candidate->label = atomic_load_explicit(&candidate->product->label, memory_order_acquire);
        if (candidate->label == NULL)
            continue;
        __builtin_prefetch(candidate->label);
        __builtin_prefetch((const char *)candidate->label + CACHE_LINE);
        count++;
    }
    return count;
}

static void look_at(struct pass *pass, const struct candidate *candidate)
{
    struct prices prices;

    pass->candidate = candidate;
    if (!is_wanted(pass))
        return;
    prices = prices_of(pass);
    if (!prices.is_wanted)
        return;
    count_product(pass, prices.ranges);
    offer(pass);
}

void browse_compute(const struct directory *directory, const struct browse_query *query,
                    const struct search_result *hits, struct browse_scratch *scratch,
                    struct browse_result *result_out)
{
    const struct product_terms *terms = directory_terms(directory);
    struct pass pass;
    uint32_t count;

    memset(result_out, 0, offsetof(struct browse_result, items));
    memset(result_out->value_counts, 0, sizeof(result_out->value_counts));
    memset(result_out->prices, 0, sizeof(result_out->prices));
    memset(&pass, 0, offsetof(struct pass, some));
    pass.query = query;
    pass.directory = directory;
    pass.hits = hits;
    pass.terms = terms;
    pass.categories = product_terms_categories(terms);
    pass.scratch = scratch;
    pass.result = result_out;
    while ((count = take_some(&pass)) > 0)
        for (uint32_t i = 0; i < count; i++)
            look_at(&pass, &pass.some[i]);
    keep_categories(&pass);
    keep_terms(&pass);
    qsort(result_out->items, result_out->item_count, sizeof(result_out->items[0]), compare_items);
}

void browse_count_categories(const struct directory *directory, int8_t in_stock, uint32_t *counts,
                             uint32_t end)
{
    const struct product_terms *terms = directory_terms(directory);
    const struct categories *categories = product_terms_categories(terms);
    const struct product_entry *product;
    uint32_t place = 0;

    memset(counts, 0, end * sizeof(*counts));
    while ((product = directory_next_product(directory, &place)) != NULL) {
        const struct product_label *label =
            atomic_load_explicit(&product->label, memory_order_acquire);
        uint32_t number = label == NULL ? 0 : category_of(terms, label);

        if (number < end && browse_is_shown(product) && stock_is_wanted(product, in_stock))
            counts[number]++;
    }
    for (uint32_t number = end - 1; number > 0; number--)
        counts[categories_at(categories, number)->parent] += counts[number];
}
