/* SPDX-License-Identifier: Apache-2.0 */
/* Suggestions for what is typed so far. The search names them; a product that it names is shown
 * only while it is active and called so: what was archived or renamed a moment ago is not
 * suggested, though the search may not have taken that in yet. */
#include <stdlib.h>
#include <string.h>

#include "api/browse_query.h"
#include "api/finding.h"

struct suggest {
    struct finding finding; /* first */
    enum search_outcome outcome;
    uint32_t count;
    struct suggestion suggestions[SEARCH_SUGGESTIONS_MAX];
    char product_ids[SEARCH_SUGGESTIONS_MAX][PRODUCT_ID_LENGTH_MAX + 1]; /* "": none, or several */
    size_t q_length;
    char q[BROWSE_TEXT_BYTES_MAX + 1];
};

/* ---- a finder's thread ---- */

/* What the product is called by now: the index may know it by another spelling. */
static bool take_name(const struct product_entry *product, struct suggestion *suggestion)
{
    const struct product_label *label = atomic_load_explicit(&product->label, memory_order_acquire);

    if (label == NULL || label->name_length == 0 || label->name_length > sizeof(suggestion->text))
        return false;
    memcpy(suggestion->text, product_label_name(label), label->name_length);
    suggestion->length = label->name_length;
    return true;
}

/* Whether it may be shown; the product's ID, where one alone has this name. */
static bool check(const struct directory *directory, struct suggestion *suggestion,
                  char id_out[PRODUCT_ID_LENGTH_MAX + 1])
{
    const struct product_entry *product;

    id_out[0] = '\0';
    if (!suggestion->has_place)
        return true;
    product =
        directory_product_at(directory, suggestion->place.partition, suggestion->place.number);
    if (product == NULL || !browse_is_shown(product) || !take_name(product, suggestion))
        return false;
    memcpy(id_out, product->id, sizeof(product->id));
    return true;
}

static void run(struct finding *finding, struct browse_scratch *scratch)
{
    struct suggest *suggest = (struct suggest *)(void *)finding;
    uint32_t found = 0;

    (void)scratch;
    suggest->outcome = SEARCH_NOT_READY;
    if (finding->search.self != NULL)
        suggest->outcome = finding->search.suggest(finding->search.self, suggest->q,
                                                   suggest->q_length, suggest->suggestions, &found);
    if (suggest->outcome != SEARCH_OK)
        return;
    for (uint32_t i = 0; i < found; i++) {
        if (i != suggest->count)
            suggest->suggestions[suggest->count] = suggest->suggestions[i];
        suggest->count += check(finding->directory, &suggest->suggestions[suggest->count],
                                suggest->product_ids[suggest->count]);
    }
}

/* ---- the shard's ---- */

static void write_suggestion(struct writer *writer, const struct suggestion *suggestion,
                             const char *product_id)
{
    static const char *const kinds[] = {[SUGGESTION_PRODUCT] = "product",
                                        [SUGGESTION_BRAND] = "brand",
                                        [SUGGESTION_CATEGORY] = "category"};

    write_literal(writer, "{\"text\":");
    write_json_string(writer, suggestion->text, suggestion->length);
    write_literal(writer, ",\"kind\":\"");
    write_text(writer, kinds[suggestion->kind]);
    write_byte(writer, '"');
    if (product_id[0] != '\0') {
        write_literal(writer, ",\"product_id\":");
        write_json_string(writer, product_id, strlen(product_id));
    }
    write_byte(writer, '}');
}

static void ran(struct finding *finding)
{
    const struct suggest *suggest = (const struct suggest *)(void *)finding;
    struct writer writer;

    if (suggest->outcome != SEARCH_OK) {
        finding_refuse_search(finding, suggest->outcome);
        return;
    }
    writer = writer_growing();
    write_literal(&writer, "{\"data\":[");
    for (uint32_t i = 0; i < suggest->count; i++) {
        if (i > 0)
            write_byte(&writer, ',');
        write_suggestion(&writer, &suggest->suggestions[i], suggest->product_ids[i]);
    }
    write_literal(&writer, "]}");
    finding_answer(finding, &writer);
}

static void destroy(struct finding *finding)
{
    free(finding);
}

static const struct finding_kind kind = {
    .name = FINDING_SUGGEST, .is_urgent = true, .run = run, .ran = ran, .destroy = destroy};

void api_suggest(struct api_call *call)
{
    static const char *const names[] = {"q", NULL};
    static const char nothing[] = "{\"data\":[]}";
    char text[1 + BROWSE_TEXT_BYTES_MAX + 1] = "s"; /* and q: the question's key */
    struct validation validation;
    struct suggest *suggest;
    struct slice q;

    validation_init(&validation);
    request_check_query(call, &validation, names, NULL);
    q = browse_read_text(call, &validation, "q", BROWSE_TEXT_CHARACTERS_MAX, text + 1,
                         sizeof(text) - 1);
    if (validation.count > 0) {
        validation_respond(&validation, call->exchange);
        return;
    }
    if (q.length == 0) {
        http_respond(call->exchange, 200, "application/json", nothing, sizeof(nothing) - 1);
        return;
    }
    if (finding_is_served(call, &kind, (const uint8_t *)text, 1 + q.length, FOUND_STOCK_MS))
        return;
    suggest = finding_make(call, &kind, sizeof(*suggest));
    if (suggest == NULL)
        return;
    memcpy(suggest->q, q.text, q.length);
    suggest->q_length = q.length;
    finding_start(call, &suggest->finding, &kind, (const uint8_t *)text, 1 + q.length,
                  FOUND_STOCK_MS);
}
