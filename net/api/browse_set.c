/* SPDX-License-Identifier: Apache-2.0 */
#include "api/browse_set.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "api/browse_text.h"

enum { CATEGORY, BRAND, TAG, KINDS };

/* What is known of a term, so that it is compared once, however many products have it. */
struct term_state {
    uint32_t counts[KINDS];
    uint16_t words; /* of q that it has, as bits */
    bool has_words;
    uint8_t verdicts[KINDS]; /* 0: not looked yet */
};

enum { VERDICT_NO = 1, VERDICT_YES };

struct word {
    const char *text;
    size_t length;
};

struct candidate {
    const struct product_entry *product;
    const struct product_label *label;
};

enum { SOME = 32 };

struct pass {
    const struct browse_query *query;
    const struct product_terms *terms;
    struct term_state *states; /* by number */
    uint32_t number_max;       /* of those that were counted */
    unsigned word_count;
    struct word words[BROWSE_WORDS_MAX];
    uint16_t all_words;
    struct browse_result *result;
    /* Of the product that is looked at. */
    const struct product_label *label;
    uint16_t name_words;
    bool name_is_folded;
    struct candidate some[SOME];
    char name[PRODUCT_LABEL_TEXT_MAX];
};

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

/* ---- words ---- */

static void split_words(struct pass *pass)
{
    const struct browse_query *query = pass->query;
    size_t at = 0;
    size_t start;
    size_t length;

    while (pass->word_count < BROWSE_WORDS_MAX &&
           text_next_word(query->q.text, query->q.length, &at, &start, &length))
        pass->words[pass->word_count++] = (struct word){query->q.text + start, length};
    pass->all_words = (uint16_t)((1u << pass->word_count) - 1);
}

/* Those that begin a word of the folded text, as bits. */
static uint16_t words_of(const struct pass *pass, const char *text, size_t length)
{
    uint16_t found = 0;
    size_t at = 0;
    size_t start;
    size_t word;

    while (text_next_word(text, length, &at, &start, &word))
        for (unsigned i = 0; i < pass->word_count; i++)
            if (pass->words[i].length <= word &&
                memcmp(pass->words[i].text, text + start, pass->words[i].length) == 0)
                found |= (uint16_t)(1u << i);
    return found;
}

static size_t fold_name(struct pass *pass)
{
    if (!pass->name_is_folded)
        text_fold(product_label_name(pass->label), pass->label->name_length, pass->name);
    pass->name_is_folded = true;
    return pass->label->name_length;
}

/* ---- terms ---- */

static size_t fold_term(const struct product_term *term, char folded[PRODUCT_LABEL_TEXT_MAX])
{
    size_t length = term->length < PRODUCT_LABEL_TEXT_MAX ? term->length : PRODUCT_LABEL_TEXT_MAX;

    text_fold(term->text, length, folded);
    return length;
}

static uint16_t words_of_term(struct pass *pass, uint32_t number)
{
    struct term_state *state = &pass->states[number];

    if (number != 0 && !state->has_words) {
        char folded[PRODUCT_LABEL_TEXT_MAX];
        size_t length = fold_term(product_terms_at(pass->terms, number), folded);

        state->words = words_of(pass, folded, length);
        state->has_words = true;
    }
    return state->words;
}

static bool term_is(struct pass *pass, unsigned kind, uint32_t number)
{
    const struct browse_term *wanted = &pass->query->terms[kind];
    struct term_state *state = &pass->states[number];

    if (wanted->length == 0 || number == 0)
        return wanted->length == 0;
    if (state->verdicts[kind] == 0) {
        char folded[PRODUCT_LABEL_TEXT_MAX];
        size_t length = fold_term(product_terms_at(pass->terms, number), folded);
        bool is_it = length == wanted->length && memcmp(folded, wanted->text, length) == 0;

        if (kind == CATEGORY && !is_it)
            is_it = text_has_slug(folded, length, wanted->text, wanted->length);
        state->verdicts[kind] = is_it ? VERDICT_YES : VERDICT_NO;
    }
    return state->verdicts[kind] == VERDICT_YES;
}

static bool any_tag_is(struct pass *pass)
{
    if (pass->query->terms[TAG].length == 0)
        return true;
    for (uint32_t i = 0; i < pass->label->tag_count; i++)
        if (term_is(pass, TAG, pass->label->terms[PRODUCT_LABEL_TAGS + i]))
            return true;
    return false;
}

/* ---- one product ---- */

static bool is_in_stock(const struct product_entry *product)
{
    const struct sku_entry *sku = atomic_load_explicit(&product->skus, memory_order_acquire);

    for (; sku != NULL; sku = sku->next_of_product)
        if (sku_entry_is_on_sale(sku) && gate_available(&sku->gate) > 0)
            return true;
    return false;
}

static bool has_all_words(struct pass *pass)
{
    const struct product_label *label = pass->label;
    uint16_t found;

    if (pass->query->q.length == 0)
        return true;
    if (pass->word_count == 0) /* nothing but marks */
        return false;
    pass->name_words = words_of(pass, pass->name, fold_name(pass));
    found = pass->name_words;
    for (uint32_t i = 0; i < PRODUCT_LABEL_TAGS + label->tag_count; i++)
        found |= words_of_term(pass, label->terms[i]);
    return found == pass->all_words;
}

static bool is_wanted(struct pass *pass, const struct product_entry *product)
{
    const struct browse_query *query = pass->query;
    const struct product_label *label = pass->label;

    return label->price_minor >= query->min_price && label->price_minor <= query->max_price &&
           term_is(pass, CATEGORY, label->terms[PRODUCT_LABEL_CATEGORY]) &&
           term_is(pass, BRAND, label->terms[PRODUCT_LABEL_BRAND]) && any_tag_is(pass) &&
           has_all_words(pass) &&
           (query->in_stock < 0 || is_in_stock(product) == (query->in_stock == 1));
}

static void count_term(struct pass *pass, unsigned kind, uint32_t number)
{
    if (number == 0)
        return;
    pass->states[number].counts[kind]++;
    if (number > pass->number_max)
        pass->number_max = number;
}

static void count_product(struct pass *pass)
{
    const struct product_label *label = pass->label;

    pass->result->total++;
    pass->result->prices[price_range(label->price_minor)]++;
    count_term(pass, CATEGORY, label->terms[PRODUCT_LABEL_CATEGORY]);
    count_term(pass, BRAND, label->terms[PRODUCT_LABEL_BRAND]);
    for (uint32_t i = 0; i < label->tag_count; i++)
        count_term(pass, TAG, label->terms[PRODUCT_LABEL_TAGS + i]);
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

static void add_name(struct pass *pass, struct browse_place *place)
{
    size_t length = fold_name(pass);

    if (length > BROWSE_KEY_MAX)
        length = BROWSE_KEY_MAX;
    memcpy(place->key + place->key_length, pass->name, length);
    place->key_length = (uint8_t)(place->key_length + length);
}

static uint8_t rank(struct pass *pass)
{
    const struct browse_query *query = pass->query;

    if (fold_name(pass) >= query->q.length &&
        memcmp(pass->name, query->q.text, query->q.length) == 0)
        return 0;
    return pass->name_words == pass->all_words ? 1 : 2;
}

static void find_place(struct pass *pass, const struct product_entry *product,
                       struct browse_place *place)
{
    const struct product_label *label = pass->label;
    bool has_text = pass->query->q.length > 0;

    place->key_length = 0;
    memcpy(place->id, product->id, sizeof(place->id));
    switch (pass->query->sort) {
    case BROWSE_PRICE:
        add_number(place, (uint64_t)label->price_minor);
        break;
    case BROWSE_PRICE_DOWN:
        add_number(place, ~(uint64_t)label->price_minor);
        break;
    case BROWSE_RELEVANCE:
        if (has_text) {
            place->key[place->key_length++] = rank(pass);
            add_name(pass, place);
            break;
        }
        add_number(place, ~(uint64_t)label->updated_wall_ms);
        break;
    case BROWSE_NAME:
        add_name(pass, place);
        break;
    case BROWSE_NEWEST:
    case BROWSE_SORT_COUNT:
    default:
        add_number(place, ~(uint64_t)label->updated_wall_ms);
        break;
    }
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

static void offer(struct pass *pass, const struct product_entry *product)
{
    struct browse_result *result = pass->result;
    struct browse_item item = {.product = product};

    find_place(pass, product, &item.place);
    if (pass->query->is_continued && browse_place_compare(&item.place, &pass->query->after) <= 0)
        return;
    if (result->item_count <= pass->query->limit) {
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
    size_t shorter = a->term->length < b->term->length ? a->term->length : b->term->length;
    int order;

    if (a->count != b->count)
        return a->count > b->count;
    order = memcmp(a->term->text, b->term->text, shorter);
    return order != 0 ? order < 0 : a->term->length < b->term->length;
}

static void keep_value(struct browse_result *result, unsigned kind, struct browse_count value)
{
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

static void keep_values(struct pass *pass)
{
    for (uint32_t number = 1; number <= pass->number_max; number++)
        for (unsigned kind = 0; kind < KINDS; kind++)
            if (pass->states[number].counts[kind] > 0)
                keep_value(pass->result, kind,
                           (struct browse_count){product_terms_at(pass->terms, number),
                                                 pass->states[number].counts[kind]});
}

/* The next products. Their labels lie anywhere: all of them are fetched, and then looked at. */
static uint32_t take_some(const struct directory *directory, uint32_t *place,
                          struct candidate some[SOME])
{
    uint32_t count = 0;

    while (count < SOME) {
        const struct product_entry *product = directory_next_product(directory, place);
        const struct product_label *label;

        if (product == NULL)
            break;
        label = atomic_load_explicit(&product->label, memory_order_acquire);
        if (label == NULL)
            continue;
        __builtin_prefetch(label);
        __builtin_prefetch((const char *)label + CACHE_LINE);
        some[count++] = (struct candidate){product, label};
    }
    return count;
}

static void look_at(struct pass *pass, const struct candidate *candidate)
{
    pass->label = candidate->label;
    pass->name_is_folded = false;
    if (!is_wanted(pass, candidate->product))
        return;
    count_product(pass);
    offer(pass, candidate->product);
}

void browse_compute(const struct directory *directory, const struct browse_query *query,
                    struct browse_result *result_out)
{
    struct pass pass;
    uint32_t place = 0;
    uint32_t count;

    memset(result_out, 0, offsetof(struct browse_result, items));
    memset(result_out->value_counts, 0, sizeof(result_out->value_counts));
    memset(result_out->prices, 0, sizeof(result_out->prices));
    memset(&pass, 0, offsetof(struct pass, name));
    pass.query = query;
    pass.result = result_out;
    pass.terms = directory_terms(directory);
    /* Of all numbers that there can be; what no product has costs addresses only. */
    pass.states = calloc(PRODUCT_TERMS_MAX, sizeof(*pass.states));
    if (pass.states == NULL) {
        result_out->failed = true;
        return;
    }
    split_words(&pass);
    while ((count = take_some(directory, &place, pass.some)) > 0)
        for (uint32_t i = 0; i < count; i++)
            look_at(&pass, &pass.some[i]);
    keep_values(&pass);
    qsort(result_out->items, result_out->item_count, sizeof(result_out->items[0]), compare_items);
    free(pass.states);
}
