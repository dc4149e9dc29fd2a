/* SPDX-License-Identifier: Apache-2.0 */
/* Browsing: a query is read, its set computed by a finder (browse_set.h), from what the search
 * found where it has words; each product of the page is read from the store, unless it is known
 * (product_page.h), and all of it is shown. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "api/browse_query.h"
#include "api/finding.h"
#include "api/money.h"
#include "api/product_page.h"
#include "api/product_write.h"
#include "api/stored.h"

enum {
    /* A page ends early where its answer would become larger. */
    BROWSE_PAGE_BYTES_MAX = 512 * 1024,
    READS_AT_ONCE = 8, /* of one page's products */
    JSON_PER_CHARACTER = 6,
};

_Static_assert(BROWSE_PAGE_BYTES_MAX + PRODUCT_DOCUMENT_BYTES_MAX +
                       BROWSE_FACET_VALUES * (JSON_PER_CHARACTER * (BROWSE_CATEGORY_CHARACTERS_MAX +
                                                                    2 * PRODUCT_LABEL_MAX) +
                                              3 * 64) +
                       BROWSE_PRICE_RANGES * 128 <
                   API_ANSWER_BYTES_MAX,
               "a page, the product that ends it and the facets fit an answer");

struct browse {
    struct finding finding; /* first */
    enum search_outcome search_outcome;
    bool is_partial; /* the search found more than it looked at */
    bool has_failed; /* the store */
    struct writer writer;
    uint32_t next;                           /* of the page's products */
    uint32_t count;                          /* that are shown */
    uint32_t reads;                          /* under way */
    struct cached_page *read[LIST_PAGE_MAX]; /* those that were not known, and are not kept */
    bool is_gone[LIST_PAGE_MAX];             /* there is nothing to show */
    struct browse_request request;
    struct browse_result result;
};

/* ---- the answer ---- */

static void write_values(struct writer *writer, const char *name, const struct browse_count *values,
                         uint32_t count)
{
    write_byte(writer, '"');
    write_text(writer, name);
    write_literal(writer, "\":[");
    for (uint32_t i = 0; i < count; i++) {
        write_text(writer, i == 0 ? "{\"value\":" : ",{\"value\":");
        write_json_string(writer, values[i].text.text, values[i].text.length);
        write_literal(writer, ",\"count\":");
        write_unsigned(writer, values[i].count);
        write_byte(writer, '}');
    }
    write_literal(writer, "],");
}

static void write_prices(struct writer *writer, const uint32_t counts[BROWSE_PRICE_RANGES])
{
    bool is_first = true;

    write_literal(writer, "\"price\":[");
    for (unsigned i = 0; i < BROWSE_PRICE_RANGES; i++) {
        if (counts[i] == 0)
            continue;
        write_text(writer, is_first ? "{\"from\":" : ",{\"from\":");
        write_signed(writer, browse_price_from(i));
        write_literal(writer, ",\"to\":");
        write_signed(writer,
                     browse_price_to(i) < PRICE_MINOR_MAX ? browse_price_to(i) : PRICE_MINOR_MAX);
        write_literal(writer, ",\"count\":");
        write_unsigned(writer, counts[i]);
        write_byte(writer, '}');
        is_first = false;
    }
    write_byte(writer, ']');
}

/* Behind the page's products, of which `next` were looked at. */
static void write_rest(struct browse *browse)
{
    static const char *const names[BROWSE_KINDS] = {"category", "brand", "tag"};
    const struct browse_result *result = &browse->result;
    struct writer *writer = &browse->writer;

    write_literal(writer, "],\"facets\":{");
    for (unsigned kind = 0; kind < BROWSE_KINDS; kind++)
        write_values(writer, names[kind], result->values[kind], result->value_counts[kind]);
    write_prices(writer, result->prices);
    write_literal(writer, "},\"total\":");
    write_unsigned(writer, result->total);
    if (browse->is_partial)
        write_literal(writer, ",\"total_is_lower_bound\":true");
    write_literal(writer, ",\"next_cursor\":");
    if (browse->next > 0 && browse->next < result->item_count)
        browse_write_cursor(writer, browse->finding.shard->api, &browse->request,
                            &result->items[browse->next - 1].place);
    else
        write_literal(writer, "null");
    write_byte(writer, '}');
}

/* ---- its products ---- */

struct product_read {
    struct browse *browse;
    uint32_t index;   /* of the page */
    uint32_t version; /* of the product, before it was read */
};

static struct page_key page_key_of(const struct product_entry *product)
{
    return (struct page_key){.first = (uint64_t)(uintptr_t)product};
}

static void show_products(struct browse *browse);

/* Those who look at the product alone find it in the cache, too. */
static void product_is_read(struct stored_read *stored, struct http_exchange *exchange, bool failed)
{
    struct api_shard *shard = stored->shard;
    struct product_read *read = stored->user;
    struct browse *browse = read->browse;
    const struct product_entry *product = browse->result.items[read->index].product;
    const struct record *record = stored_next(stored, NULL);
    struct cached_page *page = NULL;

    (void)exchange; /* those who wait have their own */
    if (record != NULL && record->product.status != PRODUCT_ACTIVE)
        record = NULL; /* no longer, by now */
    if (record != NULL && !failed)
        page = product_page_make(shard->api, record);
    browse->has_failed = browse->has_failed || failed || (record != NULL && page == NULL);
    browse->is_gone[read->index] = record == NULL;
    if (page != NULL &&
        (product_version(product) != read->version ||
         !page_cache_put(shard->pages.cache, page_key_of(product), read->version, page)))
        browse->read[read->index] = page;
    free(read);
    if (--browse->reads == 0)
        show_products(browse);
}

static enum outcome start_read(struct browse *browse, uint32_t index)
{
    const struct product_entry *product = browse->result.items[index].product;
    struct product_read *read = malloc(sizeof(*read));
    enum outcome outcome = OUTCOME_OVERLOADED;
    struct stored_read *stored = NULL;

    if (read == NULL)
        return outcome;
    *read = (struct product_read){
        .browse = browse, .index = index, .version = product_version(product)};
    stored = product_read_start(browse->finding.shard, 0, product, product_is_read, &outcome);
    if (stored == NULL) {
        free(read);
        return outcome;
    }
    stored->user = read;
    browse->reads++;
    return OUTCOME_PENDING;
}

static struct http_slice known_product(const struct browse *browse, uint32_t index)
{
    const struct product_entry *product = browse->result.items[index].product;
    const struct cached_page *page = browse->read[index];

    if (page == NULL)
        page = page_cache_find(browse->finding.shard->pages.cache, page_key_of(product),
                               product_version(product));
    return page == NULL ? (struct http_slice){NULL, 0} : cached_page_body(page);
}

static uint32_t page_length(const struct browse *browse)
{
    const struct browse_query *query = &browse->request.query;

    return browse->result.item_count < query->limit ? browse->result.item_count : query->limit;
}

static void end(struct browse *browse)
{
    struct writer writer;

    write_rest(browse);
    writer = browse->writer;
    browse->writer = writer_growing();
    finding_answer(&browse->finding, &writer);
}

/* Reads what is not known from `next` on, a few at once. */
static void read_products(struct browse *browse)
{
    uint32_t length = page_length(browse);
    enum outcome outcome = OUTCOME_PENDING;

    for (uint32_t i = browse->next;
         i < length && browse->reads < READS_AT_ONCE && outcome == OUTCOME_PENDING; i++)
        if (!browse->is_gone[i] && known_product(browse, i).data == NULL)
            outcome = start_read(browse, i);
    if (browse->reads == 0)
        finding_refuse(&browse->finding, outcome);
}

/* All whose turn it is; then the others are read. */
static void show_products(struct browse *browse)
{
    uint32_t length = page_length(browse);

    if (browse->has_failed) {
        finding_refuse(&browse->finding, OUTCOME_OUTCOME_UNKNOWN);
        return;
    }
    for (; browse->next < length && writer_length(&browse->writer) < BROWSE_PAGE_BYTES_MAX;
         browse->next++) {
        struct http_slice json = known_product(browse, browse->next);

        if (browse->is_gone[browse->next] ||
            !browse_is_shown(browse->result.items[browse->next].product))
            continue;
        if (json.data == NULL) {
            if (finding_may_read(&browse->finding))
                read_products(browse);
            return;
        }
        if (browse->count++ > 0)
            write_byte(&browse->writer, ',');
        write_bytes(&browse->writer, json.data, json.length);
    }
    end(browse);
}

/* ---- the course of it ---- */

static void run(struct finding *finding, struct browse_scratch *scratch)
{
    struct browse *browse = (struct browse *)(void *)finding;
    const struct browse_query *query = &browse->request.query;
    struct search_result found = {0};

    if (query->q.length > 0) {
        browse->search_outcome = SEARCH_NOT_READY;
        if (finding->search.self != NULL)
            browse->search_outcome =
                finding->search.find(finding->search.self, query->q.text, query->q.length, &found);
    }
    if (browse->search_outcome == SEARCH_OK)
        browse_compute(finding->directory, query, query->q.length > 0 ? &found : NULL, scratch,
                       &browse->result);
    browse->is_partial = found.is_partial;
    free(found.hits);
}

static void ran(struct finding *finding)
{
    struct browse *browse = (struct browse *)(void *)finding;

    if (browse->search_outcome != SEARCH_OK) {
        finding_refuse_search(finding, browse->search_outcome);
        return;
    }
    write_literal(&browse->writer, "{\"data\":[");
    show_products(browse);
}

static void read_store(struct finding *finding)
{
    show_products((struct browse *)(void *)finding);
}

static void destroy(struct finding *finding)
{
    struct browse *browse = (struct browse *)(void *)finding;

    for (uint32_t i = 0; i < LIST_PAGE_MAX; i++)
        cached_page_destroy(browse->read[i]);
    writer_free(&browse->writer);
    free(browse);
}

static const struct finding_kind kinds[2] = {
    {.name = FINDING_BROWSE, .run = run, .ran = ran, .read = read_store, .destroy = destroy},
    {.name = FINDING_SEARCH, .run = run, .ran = ran, .read = read_store, .destroy = destroy},
};

void api_product_browse(struct api_call *call)
{
    struct browse_request *request = call->shard->browse_request;
    const struct finding_kind *kind;
    struct validation validation;
    struct browse *browse;
    uint32_t good_ms;

    validation_init(&validation);
    browse_request_read(call, &validation, request);
    if (validation.count > 0) {
        validation_respond(&validation, call->exchange);
        return;
    }
    kind = &kinds[request->query.q.length > 0];
    good_ms =
        request->query.q.length > 0 || request->query.in_stock >= 0 ? FOUND_STOCK_MS : FOUND_MS;
    if (finding_is_served(call, kind, request->key, request->key_length, good_ms))
        return;
    browse = finding_make(call, kind, sizeof(*browse));
    if (browse == NULL)
        return;
    browse_request_copy(&browse->request, request);
    browse->writer = writer_growing();
    if (request->query.in_stock >= 0)
        browse->finding.cache_control = "no-cache";
    finding_start(call, &browse->finding, kind, request->key, request->key_length, good_ms);
}

void api_product_browse_plain(struct api_call *call)
{
    api_product_browse(call);
}
