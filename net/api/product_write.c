/* SPDX-License-Identifier: Apache-2.0 */
/* Products made, replaced, changed and archived by staff.
 *
 *   create, replace            body -> draft -> PUT -> the record is read and answered
 *   replace with If-Match      the record is read first: is its tag the one that was named?
 *   change, archive            the record is read, the change merged into it -> draft -> PUT
 *
 * What was decided by a record that was read goes to the product's partition with that version's
 * time: if the product has changed meanwhile nothing happens there. Then a caller with If-Match is
 * refused; for one without it the record is read again. */
#include "api/product_write.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/keyed.h"
#include "api/log.h"
#include "api/product_draft.h"
#include "api/request.h"

enum {
    ATTEMPTS_MAX = 8, /* of a change that others overtake */
    IF_MATCH_LENGTH_MAX = 512,
    LOCATION_LENGTH_MAX = 256,
};

enum edit_kind { EDIT_CREATE, EDIT_REPLACE, EDIT_CHANGE, EDIT_ARCHIVE };

struct edit {
    struct api_shard *shard;
    uint64_t exchange_cookie;
    struct keyed_entry *key; /* NULL: none */
    struct origin origin;
    enum edit_kind kind;
    bool must_be_new; /* If-None-Match: * */
    bool has_if_match;
    bool is_any; /* If-Match: * */
    char if_match[IF_MATCH_LENGTH_MAX + 1];
    unsigned attempts;
    int64_t expected_wall_ms; /* the version that was read; 0: none was */
    char id[PRODUCT_ID_LENGTH_MAX + 1];
    size_t body_length;
    char body[]; /* a copy of the request's */
};

/* ---- reading ---- */

struct stored_read *product_read_start(struct api_shard *shard, uint64_t exchange_cookie,
                                       const struct product_entry *product, stored_answer answer,
                                       enum outcome *refusal_out)
{
    struct journal_key from = {.partition = product->partition, .subject = product->number};
    struct journal_key to = {.partition = product->partition, .subject = product->number + 1};

    return stored_read_start(shard, exchange_cookie, RECORD_PRODUCT, from, to, 1, answer,
                             refusal_out);
}

bool product_render(struct writer *writer, const struct record *record, char etag_out[20])
{
    write_product(writer, record);
    if (writer->failed)
        return false;
    etag_format(writer->start, writer_length(writer), etag_out);
    return true;
}

/* ---- If-Match ---- */

/* Strong comparison (RFC 9110, 13.1.1): a weak tag is none of ours. */
static bool names_tag(const char *list, const char *etag)
{
    size_t length = strlen(etag);

    if (strcmp(list, "*") == 0)
        return true;
    for (const char *at = strstr(list, etag); at != NULL; at = strstr(at + 1, etag)) {
        const char *before = at;

        while (before > list && (before[-1] == ' ' || before[-1] == '\t'))
            before--;
        if ((before == list || before[-1] == ',') &&
            (at[length] == '\0' || strchr(", \t", at[length]) != NULL))
            return true;
    }
    return false;
}

/* A list that is too long to be kept names no tag of ours. */
static void read_preconditions(const struct api_call *call, struct edit *edit)
{
    struct http_slice match = http_exchange_header(call->exchange, HTTP_HEADER_IF_MATCH);
    struct http_slice none = http_exchange_header(call->exchange, HTTP_HEADER_IF_NONE_MATCH);

    edit->has_if_match = match.data != NULL;
    if (match.data != NULL && match.length <= IF_MATCH_LENGTH_MAX)
        memcpy(edit->if_match, match.data, match.length);
    edit->is_any = strcmp(edit->if_match, "*") == 0;
    edit->must_be_new =
        edit->kind == EDIT_REPLACE && none.data != NULL && none.length == 1 && none.data[0] == '*';
}

/* ---- how it ends ---- */

static void edit_refuse(struct edit *edit, struct http_exchange *exchange, enum problem problem,
                        const char *detail)
{
    keyed_drop(edit->shard, edit->key);
    if (exchange != NULL)
        problem_respond(exchange, problem, detail);
    free(edit);
}

static void edit_refuse_fields(struct edit *edit, struct http_exchange *exchange,
                               const struct validation *validation)
{
    keyed_drop(edit->shard, edit->key);
    if (exchange != NULL)
        validation_respond(validation, exchange);
    free(edit);
}

static void edit_fail(struct edit *edit, struct http_exchange *exchange, enum outcome outcome)
{
    keyed_refuse(edit->shard, edit->key, exchange, outcome);
    free(edit);
}

static void refuse_sku(struct edit *edit, struct http_exchange *exchange, struct slice sku)
{
    char detail[SKU_LENGTH_MAX + 64];

    snprintf(detail, sizeof(detail), "The SKU %.*s belongs to another product.", (int)sku.length,
             sku.text);
    edit_refuse(edit, exchange, PROBLEM_SKU_TAKEN, detail);
}

static void log_edit(const struct edit *edit, const struct http_exchange *exchange,
                     enum put_result result)
{
    static const char *const names[] = {[PUT_CREATED] = "product_created",
                                        [PUT_UPDATED] = "product_changed",
                                        [PUT_UNCHANGED] = "product_unchanged"};
    struct log_line line;

    log_begin(&line, LOG_INFO, names[result], engine_now(edit->shard->api->engine).wall_ms);
    log_text(&line, "product", edit->id);
    if (exchange != NULL) {
        struct http_slice request_id = http_exchange_request_id(exchange);
        log_bytes(&line, "request_id", request_id.data, request_id.length);
    }
    log_end(&line);
}

static void make_location(const struct edit *edit, char location_out[LOCATION_LENGTH_MAX])
{
    size_t used = (size_t)snprintf(location_out, LOCATION_LENGTH_MAX, "/v1/admin/products/");

    for (const char *byte = edit->id; *byte != '\0'; byte++)
        used += (size_t)snprintf(location_out + used, LOCATION_LENGTH_MAX - used,
                                 *byte == '/' ? "%%2F" : "%c", *byte);
}

/* The product as it was stored, with its time. */
static void show_created(struct stored_read *read, struct http_exchange *exchange, bool failed,
                         int status)
{
    const struct record *record = stored_next(read, NULL);
    struct writer writer = writer_growing();
    struct edit *edit = read->user;
    char location[LOCATION_LENGTH_MAX];
    char etag[20];

    if (failed || record == NULL || !product_render(&writer, record, etag)) {
        edit_fail(edit, exchange, OUTCOME_OUTCOME_UNKNOWN);
    } else {
        make_location(edit, location);
        if (exchange != NULL)
            http_header_add(exchange, "ETag", etag);
        keyed_answer(edit->shard, edit->key, exchange, status, status == 201 ? location : NULL,
                     writer.start, writer_length(&writer));
        free(edit);
    }
    writer_free(&writer);
}

static void show_new(struct stored_read *read, struct http_exchange *exchange, bool failed)
{
    show_created(read, exchange, failed, 201);
}

static void show_changed(struct stored_read *read, struct http_exchange *exchange, bool failed)
{
    show_created(read, exchange, failed, 200);
}

static void edit_done(struct edit *edit, struct http_exchange *exchange, enum put_result result)
{
    const struct product_entry *product =
        directory_find_product(shard_directory(edit->shard->shard), edit->id, strlen(edit->id));
    enum outcome outcome;

    assert(product != NULL); /* published before it was recorded */
    log_edit(edit, exchange, result);
    if (edit->kind == EDIT_ARCHIVE) {
        keyed_answer(edit->shard, edit->key, exchange, 204, NULL, NULL, 0);
        free(edit);
        return;
    }
    struct stored_read *read =
        product_read_start(edit->shard, edit->exchange_cookie, product,
                           result == PUT_CREATED ? show_new : show_changed, &outcome);
    if (read == NULL) /* it is made, but cannot be shown for the moment */
        edit_fail(edit, exchange, OUTCOME_OUTCOME_UNKNOWN);
    else
        read->user = edit;
}

/* ---- to the product's partition ---- */

static void edit_begin(struct edit *edit, struct http_exchange *exchange);

static void edit_refused(struct edit *edit, struct http_exchange *exchange, enum outcome outcome)
{
    struct validation validation;

    switch ((int)outcome) {
    case OUTCOME_PRECONDITION_FAILED:
        if (edit->kind == EDIT_REPLACE || (edit->has_if_match && !edit->is_any))
            edit_refuse(edit, exchange, PROBLEM_PRECONDITION_FAILED,
                        "The product has changed since that version was read.");
        else if (++edit->attempts < ATTEMPTS_MAX)
            edit_begin(edit, exchange); /* somebody else was faster */
        else
            edit_fail(edit, exchange, OUTCOME_STALE);
        break;
    case OUTCOME_PRODUCT_EXISTS:
        if (edit->must_be_new)
            edit_refuse(edit, exchange, PROBLEM_PRECONDITION_FAILED, "There is such a product.");
        else
            edit_fail(edit, exchange, outcome);
        break;
    case OUTCOME_CURRENCY_IN_USE:
        edit_refuse(edit, exchange, PROBLEM_INVALID_STATE,
                    "Units of this product are held: its currency cannot change for the moment.");
        break;
    case OUTCOME_SKUS_EXHAUSTED:
        validation_init(&validation);
        validation_add(&validation, FIELD("variants"),
                       "would give the product more than %d SKUs, with those that it had before",
                       (int)PRODUCT_SKUS_MAX);
        edit_refuse_fields(edit, exchange, &validation);
        break;
    default:
        edit_fail(edit, exchange, outcome);
        break;
    }
}

static void edit_answered(struct api_shard *shard, struct http_exchange *exchange,
                          const struct message *message, void *user)
{
    struct edit *edit = user;

    (void)shard;
    if (message->reply.outcome == OUTCOME_OK)
        edit_done(edit, exchange, (enum put_result)message->reply.put_result);
    else
        edit_refused(edit, exchange, (enum outcome)message->reply.outcome);
}

/* The first SKU that another product has; text NULL: there is none. */
static struct slice find_taken(const struct edit *edit, const struct product_draft *draft)
{
    const struct directory *directory = shard_directory(edit->shard->shard);

    for (uint32_t i = 0; i < draft->variant_count; i++) {
        struct slice sku = draft->variants[i].sku;
        const struct sku_entry *entry =
            directory_find_sku_recorded(directory, sku.text, sku.length);

        if (entry != NULL && !slice_is(draft->id, entry->product->id))
            return sku;
    }
    return (struct slice){0};
}

static void edit_submit(struct edit *edit, struct http_exchange *exchange,
                        struct product_draft *draft)
{
    struct slice taken = find_taken(edit, draft);
    enum outcome outcome = OUTCOME_OVERLOADED;
    struct validation validation;
    struct refusal unused;
    bool too_large = false;
    uint64_t cookie;

    if (taken.text != NULL) {
        refuse_sku(edit, exchange, taken);
        return;
    }
    struct product_envelope *envelope = product_draft_pack(draft, &too_large);
    if (too_large) {
        validation_init(&validation);
        validation_add(&validation, FIELD("body"), "is a product of more than %d bytes",
                       (int)PRODUCT_DOCUMENT_BYTES_MAX);
        edit_refuse_fields(edit, exchange, &validation);
        return;
    }
    if (envelope == NULL) {
        edit_fail(edit, exchange, OUTCOME_OVERLOADED);
        return;
    }
    envelope->put_mode = edit->kind == EDIT_CREATE || edit->must_be_new ? PUT_CREATE : PUT_UPSERT;
    envelope->stock_mode = STOCK_KEEP;
    envelope->expected_wall_ms = edit->expected_wall_ms;
    cookie = pending_open(&edit->shard->pending, edit->exchange_cookie, edit_answered, edit);
    if (cookie != 0) {
        struct command command = {.type = COMMAND_PRODUCT_PUT,
                                  .authority = AUTHORITY_STAFF,
                                  .origin = edit->origin,
                                  .product = envelope};

        outcome = engine_submit(edit->shard->shard, &command, cookie, &unused);
        if (outcome == OUTCOME_PENDING)
            return;
        pending_cancel(&edit->shard->pending, cookie);
    }
    envelope_free(envelope);
    edit_fail(edit, exchange, outcome);
}

/* ---- what is asked for ---- */

/* An ID for a product that came without one: 80 random bits. */
static void make_id(struct api_shard *shard, char id_out[PRODUCT_ID_LENGTH_MAX + 1])
{
    static const char digits[] = "0123456789abcdefghjkmnpqrstvwxyz";
    uint8_t bytes[16];

    shard_random(shard->shard, bytes, sizeof(bytes));
    memcpy(id_out, "prod_", 5);
    for (unsigned i = 0; i < sizeof(bytes); i++)
        id_out[5 + i] = digits[bytes[i] & 31];
    id_out[5 + sizeof(bytes)] = '\0';
}

/* A product keeps its ID: it is that of the path, in the body too where it is there. */
static void give_id(struct edit *edit, struct validation *validation, struct product_draft *draft)
{
    if (edit->id[0] != '\0' && draft->id.length > 0 && !slice_is(draft->id, edit->id))
        validation_add(validation, FIELD("id"), "is not the ID in the path");
    if (edit->id[0] == '\0' && draft->id.length > 0)
        snprintf(edit->id, sizeof(edit->id), "%.*s", (int)draft->id.length, draft->id.text);
    else if (edit->id[0] == '\0')
        make_id(edit->shard, edit->id);
    draft->id = (struct slice){edit->id, strlen(edit->id)};
}

/* The request's body was parsed when it came: it is JSON, an object. */
static const struct json_value *parse(const char *text, size_t length, void **memory_out)
{
    struct json_memory memory = {.size = json_memory_needed(length)};
    const char *message;
    size_t position;

    *memory_out = memory.bytes = malloc(memory.size);
    return memory.bytes == NULL ? NULL : json_read(memory, text, length, &message, &position);
}

/* From the body alone. */
static void edit_from_body(struct edit *edit, struct http_exchange *exchange)
{
    struct product_draft draft;
    struct validation validation;
    void *memory;
    const struct json_value *body = parse(edit->body, edit->body_length, &memory);

    validation_init(&validation);
    if (body == NULL) {
        edit_fail(edit, exchange, OUTCOME_OVERLOADED);
    } else {
        if (edit->kind == EDIT_CREATE)
            product_draft_read(&validation, body, &draft);
        else
            product_draft_replace(&validation, body, &draft);
        give_id(edit, &validation, &draft);
        if (validation.count > 0)
            edit_refuse_fields(edit, exchange, &validation);
        else
            edit_submit(edit, exchange, &draft);
    }
    free(memory);
}

/* From the body over what is stored. */
static void edit_over(struct edit *edit, struct http_exchange *exchange,
                      const struct record *record)
{
    static const char archived[] = "{\"status\":\"archived\"}";
    bool is_archive = edit->kind == EDIT_ARCHIVE;
    struct product_draft draft;
    struct validation validation;
    void *memory[2] = {NULL, NULL};
    const struct json_value *stored =
        parse(record_document(record), record->product.document_length, &memory[0]);
    const struct json_value *patch = is_archive ? parse(archived, sizeof(archived) - 1, &memory[1])
                                                : parse(edit->body, edit->body_length, &memory[1]);

    validation_init(&validation);
    if (stored == NULL || patch == NULL) {
        edit_fail(edit, exchange, OUTCOME_OVERLOADED);
    } else {
        product_draft_change(&validation, stored, patch, &draft);
        give_id(edit, &validation, &draft);
        if (validation.count > 0)
            edit_refuse_fields(edit, exchange, &validation);
        else
            edit_submit(edit, exchange, &draft);
    }
    free(memory[0]);
    free(memory[1]);
}

static void stored_known(struct stored_read *read, struct http_exchange *exchange, bool failed)
{
    const struct record *record = stored_next(read, NULL);
    struct writer writer = writer_growing();
    struct edit *edit = read->user;
    char etag[20];

    if (failed || record == NULL || !product_render(&writer, record, etag)) {
        edit_fail(edit, exchange, OUTCOME_OUTCOME_UNKNOWN);
    } else if (edit->has_if_match && !names_tag(edit->if_match, etag)) {
        edit_refuse(edit, exchange, PROBLEM_PRECONDITION_FAILED,
                    "If-Match names another version than the product's.");
    } else {
        edit->expected_wall_ms = record->product.updated_wall_ms;
        if (edit->kind == EDIT_REPLACE)
            edit_from_body(edit, exchange);
        else
            edit_over(edit, exchange, record);
    }
    writer_free(&writer);
}

static void edit_begin(struct edit *edit, struct http_exchange *exchange)
{
    const struct product_entry *product;
    enum outcome outcome;
    struct stored_read *read;

    if (edit->kind == EDIT_REPLACE && edit->is_any)
        edit->expected_wall_ms = PRODUCT_VERSION_ANY;
    if (edit->kind == EDIT_CREATE ||
        (edit->kind == EDIT_REPLACE && (!edit->has_if_match || edit->is_any))) {
        edit_from_body(edit, exchange);
        return;
    }
    product =
        directory_find_product(shard_directory(edit->shard->shard), edit->id, strlen(edit->id));
    if (product == NULL && edit->kind == EDIT_REPLACE) {
        edit_refuse(edit, exchange, PROBLEM_PRECONDITION_FAILED, "There is no such product.");
        return;
    }
    if (product == NULL) {
        edit_refuse(edit, exchange, PROBLEM_NOT_FOUND, "There is no such product.");
        return;
    }
    read = product_read_start(edit->shard, edit->exchange_cookie, product, stored_known, &outcome);
    if (read == NULL)
        edit_fail(edit, exchange, outcome);
    else
        read->user = edit;
}

/* ---- the calls ---- */

/* What the body says is looked at before its key, as far as it can be: a request that cannot be
 * taken leaves none behind. */
static bool body_is_sound(struct api_call *call, enum edit_kind kind,
                          const struct json_value *object)
{
    struct product_draft draft;
    struct validation validation;

    validation_init(&validation);
    if (kind == EDIT_CREATE)
        product_draft_read(&validation, object, &draft);
    else if (kind == EDIT_REPLACE)
        product_draft_replace(&validation, object, &draft);
    if (validation.count == 0)
        return true;
    validation_respond(&validation, call->exchange);
    return false;
}

static void edit_call(struct api_call *call, enum edit_kind kind)
{
    struct http_slice body = {NULL, 0};
    char id[ID_TEXT_LENGTH_MAX + 1] = "";
    const struct json_value *object;
    struct keyed_entry *key;
    struct validation validation;
    struct edit *edit;
    size_t length = 0;

    if (kind != EDIT_CREATE && !request_path_id(call, id, &length))
        return;
    if (kind == EDIT_REPLACE && !sku_is_valid(id, length)) {
        validation_init(&validation);
        validation_add(&validation, FIELD("id"),
                       "must be 1 to 64 of letters, digits and . _ - / :");
        validation_respond(&validation, call->exchange);
        return;
    }
    if (kind != EDIT_ARCHIVE) {
        if (!request_object(call, &object) || !body_is_sound(call, kind, object))
            return;
        body = http_exchange_body(call->exchange);
    }
    /* A repeated key is answered before anything is found to be taken: by itself, last time. */
    if (!keyed_begin(call, (struct slice){body.data, body.length}, &key))
        return;
    edit = calloc(1, sizeof(*edit) + body.length);
    if (edit == NULL) {
        keyed_refuse(call->shard, key, call->exchange, OUTCOME_OVERLOADED);
        return;
    }
    edit->shard = call->shard;
    edit->exchange_cookie = http_exchange_cookie(call->exchange);
    edit->key = key;
    edit->origin = call_origin(call);
    edit->kind = kind;
    memcpy(edit->id, id, length);
    edit->body_length = body.length;
    if (body.length > 0)
        memcpy(edit->body, body.data, body.length);
    read_preconditions(call, edit);
    edit_begin(edit, call->exchange);
}

void api_product_create(struct api_call *call)
{
    edit_call(call, EDIT_CREATE);
}

void api_product_replace(struct api_call *call)
{
    edit_call(call, EDIT_REPLACE);
}

void api_product_change(struct api_call *call)
{
    edit_call(call, EDIT_CHANGE);
}

void api_product_archive(struct api_call *call)
{
    edit_call(call, EDIT_ARCHIVE);
}
