/* SPDX-License-Identifier: Apache-2.0 */
/* Products of a file on their way to their partitions.
 *
 *     new:     ready --> merged --> PUT (CREATE) ------------------> counted
 *     stored:  ready --> read --> merged --> PUT of that version --> counted
 *                ^                              |
 *                +---- somebody was faster -----+
 *
 * At most IMPORT_WINDOW are under way, and of more than one no more than IMPORT_FLIGHT_BYTES_MAX
 * bytes; beyond, parsing stops, the input fills, and the body is not read on. Memory is bounded by
 * that, the input and one product's rows, whatever the file's size; and by what is remembered of
 * the file's IDs and SKUs, 8 to 32 bytes each. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "api/import.h"
#include "api/import_private.h"

/* ---- the block of a product ---- */

/* Calls `visit` with each text of the product. */
static void each_text(struct product_draft *draft, void (*visit)(void *user, struct slice *text),
                      void *user)
{
    struct slice *texts[] = {
        &draft->id,       &draft->name,  &draft->description, &draft->currency,
        &draft->category, &draft->brand, &draft->seo_title,   &draft->seo_description,
        &draft->seo_slug};

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        visit(user, texts[i]);
    for (uint32_t i = 0; i < draft->tag_count; i++)
        visit(user, &draft->tags[i]);
    for (uint32_t i = 0; i < draft->image_count; i++) {
        visit(user, &draft->images[i]);
        visit(user, &draft->image_alts[i]);
    }
    for (uint32_t i = 0; i < draft->variant_count; i++) {
        struct variant_draft *variant = &draft->variants[i];

        visit(user, &variant->sku);
        for (uint32_t j = 0; j < variant->option_count; j++) {
            visit(user, &variant->options[j].name);
            visit(user, &variant->options[j].value);
        }
    }
}

static void count_text(void *user, struct slice *text)
{
    *(size_t *)user += text->length;
}

static void move_text(void *user, struct slice *text)
{
    char **at = user;

    if (text->length > 0)
        memcpy(*at, text->text, text->length);
    text->text = *at;
    *at += text->length;
}

/* A copy of the product with its text; NULL without memory. */
static struct import_put *put_create(struct import *import, const struct import_product *product)
{
    size_t head = offsetof(struct import_product, draft) +
                  offsetof(struct product_draft, variants) +
                  product->draft.variant_count * sizeof(product->draft.variants[0]);
    size_t bytes = offsetof(struct import_put, product) + head;
    struct import_put *put;
    char *at;

    /* Reading texts changes none: the visitor that counts does not. */
    each_text((struct product_draft *)(uintptr_t)&product->draft, count_text, &bytes);
    put = malloc(bytes > sizeof(*put) ? bytes : sizeof(*put));
    if (put == NULL)
        return NULL;
    put->import = import;
    put->next = NULL;
    put->envelope = NULL;
    put->bytes = bytes;
    put->tries = 0;
    put->refused_count = 0;
    put->is_new = false;
    memcpy(&put->product, product, head);
    at = (char *)&put->product + head;
    each_text(&put->product.draft, move_text, &at);
    return put;
}

static void put_end(struct import_put *put)
{
    struct import *import = put->import;

    import->in_flight--;
    import->flight_bytes -= put->bytes;
    envelope_free(put->envelope);
    free(put);
}

static void push_ready(struct import_put *put)
{
    struct import *import = put->import;

    put->next = NULL;
    if (import->ready_first == NULL)
        import->ready_first = put;
    else
        import->ready_last->next = put;
    import->ready_last = put;
}

void import_end(struct import *import)
{
    import->step = IMPORT_ENDED;
    while (import->ready_first != NULL) {
        struct import_put *put = import->ready_first;

        import->ready_first = put->next;
        put_end(put);
    }
    if (import->in_flight > 0)
        return;
    import->shard->imports[import->slot] = NULL;
    import_rows_free(&import->rows);
    free(import->lines);
    free(import->json.bytes);
    free(import);
}

/* ---- what became of it ---- */

static void refuse_row(void *user, uint32_t index, const char *field, const char *message)
{
    struct import_put *put = user;

    put->refused_count++;
    import_note_error(put->import, put->product.row_numbers[index], field, message);
}

static bool row_is_refused(const struct import_product *product, uint32_t row)
{
    for (uint32_t i = 0; i < product->draft.variant_count; i++) {
        if (product->variant_rows[i] == row && (product->flags[i] & VARIANT_IS_DROPPED) != 0)
            return true;
    }
    return false;
}

/* All rows of a product that was not taken; `culprit` is the variant at fault, where it is known.
 */
static void refuse_put(struct import_put *put, const char *field, const char *message,
                       uint32_t culprit)
{
    const struct import_product *product = &put->product;
    uint32_t row =
        culprit < product->draft.variant_count ? product->variant_rows[culprit] : UINT32_MAX;

    for (uint32_t i = 0; i < product->row_count; i++) {
        if (row_is_refused(product, i))
            continue;
        if (row == UINT32_MAX || i == row)
            import_note_error(put->import, product->row_numbers[i], field, message);
        else
            import_note_error(put->import, product->row_numbers[i], "product",
                              "was not taken: another of its rows was refused");
    }
}

static void count_put(struct import_put *put, enum put_result result)
{
    struct import *import = put->import;
    uint32_t rows = put->product.row_count - put->refused_count;

    switch (result) {
    case PUT_CREATED:
        import->created += rows;
        break;
    case PUT_UPDATED:
        import->updated += rows;
        break;
    case PUT_UNCHANGED:
        import->unchanged += rows;
        break;
    }
}

/* The variant of the file that was sent at this place, where that can be told: nothing was stored,
 * so they were sent as they stand there. */
static uint32_t file_variant(const struct import_put *put, uint32_t place)
{
    uint32_t variant = 0;

    for (; variant < put->product.draft.variant_count && put->is_new; variant++) {
        if ((put->product.flags[variant] & VARIANT_IS_DROPPED) == 0 && place-- == 0)
            return variant;
    }
    return UINT32_MAX;
}

/* Too many are on their way, from here and elsewhere, or there is no room for more. True: it is
 * tried again. */
static bool wait_for_room(struct import_put *put)
{
    struct import *import = put->import;

    import->send_max -= (import->send_max - IMPORT_SEND_MIN + 3) / 4;
    if (import->shard->now.boot_ms - import->taken_boot_ms < IMPORT_PATIENCE_MS)
        return true;
    refuse_put(put, "row", "could not be taken for the moment: import it again", UINT32_MAX);
    return false;
}

/* What is told of a product that the engine has said no to, once and for all. */
static const struct {
    enum outcome outcome;
    const char *field;
    const char *message;
} refusals[] = {
    {OUTCOME_SKU_TAKEN, "sku", "belongs to another product"},
    {OUTCOME_STOCK_CONFLICT, "stock", "cannot be set: units are being bought, or too many"},
    {OUTCOME_CURRENCY_IN_USE, "currency", "cannot be changed: units of the product are held"},
    {OUTCOME_SKUS_EXHAUSTED, "sku", "is one too many: the product has had as many as it may"},
    {OUTCOME_PRODUCT_EXISTS, "row", "is being changed by others meanwhile: import it again"},
    {OUTCOME_PRECONDITION_FAILED, "row", "is being changed by others meanwhile: import it again"},
    {OUTCOME_COUNT, "row", "could not be taken for the moment: import it again"},
};

/* The engine said no to one product. True: it is tried again. */
static bool refuse_answered(struct import_put *put, enum outcome outcome, uint32_t culprit)
{
    bool was_changed = outcome == OUTCOME_PRODUCT_EXISTS || outcome == OUTCOME_PRECONDITION_FAILED;
    unsigned row = 0;

    if (outcome == OUTCOME_STORAGE_FULL || outcome == OUTCOME_OUTCOME_UNKNOWN) {
        put->import->abort_outcome = outcome;
        return false;
    }
    if (outcome == OUTCOME_OVERLOADED)
        return wait_for_room(put);
    if (was_changed && ++put->tries <= IMPORT_TRIES_MAX)
        return true;
    while (refusals[row].outcome != outcome && refusals[row].outcome != OUTCOME_COUNT)
        row++;
    refuse_put(put, refusals[row].field, refusals[row].message,
               outcome == OUTCOME_SKU_TAKEN ? file_variant(put, culprit) : UINT32_MAX);
    return false;
}

static void put_answer(struct api_shard *shard, struct http_exchange *exchange,
                       const struct message *message, void *user)
{
    struct import_put *put = user;
    struct import *import = put->import;
    enum outcome outcome = (enum outcome)message->reply.outcome;
    bool again = false;

    (void)exchange;
    import->sent--;
    if (outcome == OUTCOME_OK) {
        count_put(put, (enum put_result)message->reply.put_result);
        import->taken_boot_ms = shard->now.boot_ms;
        import->send_max += import->send_max < IMPORT_WINDOW ? 1 : 0;
    } else {
        again = refuse_answered(put, outcome, message->reply.limit);
    }
    if (again)
        push_ready(put);
    else
        put_end(put);
    import_pump(import);
}

/* ---- from merging to the engine ---- */

/* The envelope, or false: the put has ended. */
static bool make_envelope(struct import_put *put, const struct import_merge *merge,
                          const struct record *stored)
{
    struct import *import = put->import;
    bool too_large = false;
    struct product_envelope *envelope = product_draft_pack(merge->merged, &too_large);

    if (envelope == NULL) {
        refuse_put(put, "product",
                   too_large ? "is larger than 65536 bytes" : "could not be taken: out of memory",
                   UINT32_MAX);
        put_end(put);
        return false;
    }
    put->is_new = stored == NULL;
    envelope->put_mode = stored == NULL && !put->product.replaces ? PUT_CREATE : PUT_UPSERT;
    envelope->stock_mode = (uint8_t)import->stock_mode;
    envelope->dry_run = import->dry_run;
    envelope->is_bulk = true;
    if (stored != NULL)
        envelope->expected_wall_ms = stored->product.updated_wall_ms;
    for (uint32_t i = 0; i < envelope->variant_count; i++)
        envelope->variants[i].keeps_stock = merge->keeps_stock[i];
    put->envelope = envelope;
    return true;
}

/* Whether there is nothing to do: the same document, and no stock to be set. */
static bool is_same(const struct import *import, const struct import_merge *merge,
                    const struct product_envelope *envelope, const struct record *stored)
{
    bool keeps_all = true;

    if (stored == NULL || envelope->document_length != stored->product.document_length ||
        memcmp(envelope->document, record_document(stored), envelope->document_length) != 0)
        return false;
    for (uint32_t i = 0; i < envelope->variant_count; i++)
        keeps_all = keeps_all && merge->keeps_stock[i];
    return keeps_all || import->stock_mode == STOCK_KEEP;
}

/* Submits; false: refused for the moment, or the import cannot go on. The put may have ended. */
static bool send_put(struct import_put *put)
{
    struct import *import = put->import;
    struct pending_table *pending = &import->shard->pending;
    struct command command = {.type = COMMAND_PRODUCT_PUT,
                              .authority = AUTHORITY_STAFF,
                              .origin = import->origin,
                              .product = put->envelope};
    enum outcome outcome = OUTCOME_OVERLOADED;
    struct refusal refusal;

    uint64_t cookie = import->sent >= import->send_max
                          ? 0
                          : pending_open(pending, import->exchange_cookie, put_answer, put);
    if (cookie != 0) {
        outcome = engine_submit(import->shard->shard, &command, cookie, &refusal);
        if (outcome != OUTCOME_PENDING)
            pending_cancel(pending, cookie);
    }
    if (outcome == OUTCOME_PENDING) {
        put->envelope = NULL;
        import->sent++;
        return true;
    }
    push_ready(put);
    if (outcome != OUTCOME_OVERLOADED || engine_mode(import->shard->api->engine) == ENGINE_DRAINING)
        import->abort_outcome = outcome;
    return false;
}

/* Merges it with what is stored (NULL: nothing is) and sends it. */
static bool merge_and_send(struct import_put *put, const struct product_draft *stored,
                           const struct record *record)
{
    struct import *import = put->import;
    struct import_merge merge = {.rows = &import->rows,
                                 .product = &put->product,
                                 .stored = stored,
                                 .refuse = refuse_row,
                                 .user = put,
                                 .merged = &import->merged};

    if (!import_merge(&merge)) {
        put_end(put);
        return true;
    }
    if (!make_envelope(put, &merge, record))
        return true;
    if (is_same(import, &merge, put->envelope, record)) {
        count_put(put, PUT_UNCHANGED);
        put_end(put);
        return true;
    }
    return send_put(put);
}

/* ---- what is stored ---- */

static void read_answer(struct stored_read *read, struct http_exchange *exchange, bool failed)
{
    struct import_put *put = read->user;
    struct import *import = put->import;
    const struct record *record = stored_next(read, NULL);
    const struct json_value *object;
    struct validation validation;
    const char *message;
    size_t position;

    (void)exchange;
    import->reads--;
    if (import->step == IMPORT_ENDED) {
        put_end(put);
        import_pump(import);
        return;
    }
    if (failed || record == NULL) {
        import->abort_outcome = OUTCOME_OUTCOME_UNKNOWN;
        put_end(put);
        import_pump(import);
        return;
    }
    validation_init(&validation);
    object = json_read(read->shard->json, record_document(record), record->product.document_length,
                       &message, &position);
    if (object != NULL)
        product_draft_replace(&validation, object, &import->stored);
    if (object == NULL || validation.count > 0) {
        refuse_put(put, "product", "has a stored document that cannot be read", UINT32_MAX);
        put_end(put);
    } else {
        (void)merge_and_send(put, &import->stored, record);
    }
    import_pump(import);
}

/* False: refused for the moment. */
static bool start_read(struct import_put *put, const struct product_entry *product)
{
    struct journal_key from = {.partition = product->partition, .subject = product->number};
    struct journal_key to = {.partition = product->partition, .subject = product->number + 1};
    enum outcome outcome;
    struct stored_read *read =
        stored_read_start(put->import->shard, put->import->exchange_cookie, RECORD_PRODUCT, from,
                          to, 1, read_answer, &outcome);

    if (read == NULL) {
        if (outcome != OUTCOME_OVERLOADED)
            put->import->abort_outcome = outcome;
        push_ready(put);
        return false;
    }
    read->user = put;
    put->import->reads++;
    return true;
}

/* Goes on with one; false: nothing goes on for the moment. */
static bool go_on(struct import_put *put)
{
    struct import *import = put->import;
    const struct directory *directory = shard_directory(import->shard->shard);
    struct slice id = put->product.draft.id;

    if (put->envelope != NULL)
        return send_put(put);
    const struct product_entry *product =
        put->product.replaces ? NULL : directory_find_product(directory, id.text, id.length);
    if (product == NULL)
        return merge_and_send(put, NULL, NULL);
    if (import->reads < IMPORT_READS_MAX)
        return start_read(put, product);
    push_ready(put);
    return false;
}

/* ---- the pump ---- */

static bool window_is_full(const struct import *import)
{
    return import->in_flight >= IMPORT_WINDOW || import->flight_bytes >= IMPORT_FLIGHT_BYTES_MAX;
}

void import_take_product(void *user, const struct import_product *product)
{
    struct import *import = user;
    struct import_put *put = put_create(import, product);

    if (put == NULL) {
        for (uint32_t i = 0; i < product->row_count; i++)
            import_note_error(import, product->row_numbers[i], "row",
                              "could not be taken: out of memory");
        return;
    }
    import->in_flight++;
    import->flight_bytes += put->bytes;
    /* Sent by the pump: what becomes of the import is decided there, not within the parser. */
    push_ready(put);
}

/* Those that can be gone on with. False: one is refused for the moment. */
static bool send_ready(struct import *import)
{
    while (import->ready_first != NULL) {
        struct import_put *put = import->ready_first;

        import->ready_first = put->next;
        if (!go_on(put))
            return false;
    }
    return true;
}

/* One step; false if there is nothing to do for now. */
static bool advance(struct import *import)
{
    switch (import->step) {
    case IMPORT_READING:
        if (import->input_used > 0)
            import_feed(import);
        else if (import->is_complete)
            import->step = IMPORT_LAST_ROW;
        else
            return false;
        return true;
    case IMPORT_LAST_ROW:
        import->step = IMPORT_FLUSHING;
        import_finish_input(import);
        return true;
    case IMPORT_FLUSHING:
        import->step = IMPORT_WAITING;
        import_rows_flush(&import->rows);
        return true;
    case IMPORT_WAITING:
    case IMPORT_ENDED:
        break;
    }
    return false;
}

void import_pump(struct import *import)
{
    do {
        if (import->step == IMPORT_ENDED) {
            import_end(import);
            return;
        }
        bool goes_on = import->abort_outcome == OUTCOME_OK && send_ready(import);

        if (import->abort_outcome != OUTCOME_OK) {
            import_abort(import, import->abort_outcome);
            return;
        }
        if (!goes_on)
            return;
    } while (!window_is_full(import) && advance(import));
    if (window_is_full(import))
        return;
    if (import->step == IMPORT_WAITING && import->in_flight == 0) {
        import_finish(import);
        return;
    }
    struct http_exchange *exchange = import_exchange(import);
    if (exchange != NULL && !import->is_complete && import->input_used == 0)
        http_body_resume(exchange);
}

void imports_resume(struct api_shard *shard)
{
    for (unsigned i = 0; i < IMPORTS_MAX; i++) {
        if (shard->imports[i] != NULL && shard->imports[i]->ready_first != NULL)
            import_pump(shard->imports[i]);
    }
}
