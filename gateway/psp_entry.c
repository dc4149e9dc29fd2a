/* SPDX-License-Identifier: Apache-2.0 */
#include "psp_entry.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "psp_render.h"

#define PAYMENT_TEXTS(X)                                                                           \
    X(id)                                                                                          \
    X(client_secret)                                                                               \
    X(currency)                                                                                    \
    X(capture_method)                                                                              \
    X(cancellation_reason)                                                                         \
    X(payment_method)                                                                              \
    X(card)                                                                                        \
    X(charge_id)                                                                                   \
    X(charge_method)                                                                               \
    X(charge_card)                                                                                 \
    X(return_url)

#define PAYMENT_NUMBERS(X)                                                                         \
    X(amount)                                                                                      \
    X(amount_capturable)                                                                           \
    X(amount_received)                                                                             \
    X(amount_refunded)                                                                             \
    X(created_s)                                                                                   \
    X(charge_created_s)                                                                            \
    X(canceled_at_s)

static const char *const decline_names[PSP_DECLINE_COUNT] = {[PSP_DECLINE_NONE] = "",
#define X(name, ...) [PSP_DECLINE_##name] = #name,
                                                             PSP_DECLINES(X)
#undef X
};

static const char *const object_names[] = {
    [PSP_OBJECT_NONE] = "",
    [PSP_OBJECT_INTENT] = "payment_intent",
    [PSP_OBJECT_CHARGE] = "charge",
    [PSP_OBJECT_REFUND] = "refund",
};

/* ---- writing ---- */

static void write_text(yyjson_mut_doc *doc, yyjson_mut_val *object, const char *name,
                       const char *text)
{
    if (text != NULL && text[0] != 0)
        yyjson_mut_obj_add_strcpy(doc, object, name, text);
}

static void write_number(yyjson_mut_doc *doc, yyjson_mut_val *object, const char *name,
                         int64_t number)
{
    if (number != 0)
        yyjson_mut_obj_add_sint(doc, object, name, number);
}

static void write_texts(yyjson_mut_doc *doc, yyjson_mut_val *object, const char *name,
                        const struct psp_texts *texts)
{
    if (texts->count > 0)
        yyjson_mut_obj_add_val(doc, object, name, psp_render_texts(doc, texts));
}

static yyjson_mut_val *write_refunds(yyjson_mut_doc *doc, const struct psp_payment *payment)
{
    yyjson_mut_val *list = yyjson_mut_arr(doc);

    for (uint32_t i = 0; i < payment->refund_count; i++) {
        const struct psp_refund *refund = &payment->refunds[i];
        yyjson_mut_val *object = yyjson_mut_arr_add_obj(doc, list);

        write_text(doc, object, "id", refund->id);
        write_number(doc, object, "amount", refund->amount);
        write_number(doc, object, "created_s", refund->created_s);
        write_text(doc, object, "reason", refund->reason);
        write_text(doc, object, "status", psp_refund_status_names[refund->status]);
        write_texts(doc, object, "metadata", &refund->metadata);
    }
    return list;
}

static yyjson_mut_val *write_payment(yyjson_mut_doc *doc, const struct psp_payment *payment)
{
    yyjson_mut_val *object = yyjson_mut_obj(doc);

#define X(name) write_text(doc, object, #name, payment->name);
    PAYMENT_TEXTS(X)
#undef X
#define X(name) write_number(doc, object, #name, payment->name);
    PAYMENT_NUMBERS(X)
#undef X
    write_text(doc, object, "status", psp_status_names[payment->status]);
    write_text(doc, object, "charge_failure", decline_names[payment->charge_failure]);
    write_text(doc, object, "last_error", decline_names[payment->last_error]);
    write_texts(doc, object, "metadata", &payment->metadata);
    write_texts(doc, object, "details", &payment->details);
    if (payment->refund_count > 0)
        yyjson_mut_obj_add_val(doc, object, "refunds", write_refunds(doc, payment));
    return object;
}

static void write_postings(yyjson_mut_doc *doc, yyjson_mut_val *root, const struct psp_entry *entry)
{
    yyjson_mut_val *list = yyjson_mut_obj_add_arr(doc, root, "postings");

    write_text(doc, root, "currency", entry->payment.currency);
    for (uint32_t i = 0; i < entry->posting_count; i++) {
        yyjson_mut_val *posting = yyjson_mut_arr_add_obj(doc, list);

        yyjson_mut_obj_add_str(doc, posting, "account",
                               psp_account_names[entry->postings[i].account]);
        yyjson_mut_obj_add_sint(doc, posting, "minor", entry->postings[i].minor);
    }
}

static void write_events(yyjson_mut_doc *doc, yyjson_mut_val *root, const struct psp_entry *entry)
{
    yyjson_mut_val *list = yyjson_mut_obj_add_arr(doc, root, "events");

    for (uint32_t i = 0; i < entry->event_count; i++) {
        yyjson_mut_val *event = yyjson_mut_arr_add_obj(doc, list);

        yyjson_mut_obj_add_strcpy(doc, event, "id", entry->events[i].id);
        yyjson_mut_obj_add_str(doc, event, "type", psp_event_rows[entry->events[i].event].type);
    }
}

static void write_answer(yyjson_mut_doc *doc, yyjson_mut_val *root, const struct psp_entry *entry)
{
    yyjson_mut_val *answer = yyjson_mut_obj_add_obj(doc, root, "answer");
    yyjson_mut_val *object;

    yyjson_mut_obj_add_sint(doc, answer, "status", entry->status);
    if (entry->object != PSP_OBJECT_NONE) {
        yyjson_mut_obj_add_str(doc, answer, "object", object_names[entry->object]);
        return;
    }
    object = yyjson_mut_obj_add_obj(doc, answer, "error");
    write_text(doc, object, "type", entry->error.type);
    write_text(doc, object, "code", entry->error.code);
    write_text(doc, object, "decline_code", entry->error.decline_code);
    write_text(doc, object, "param", entry->error.param);
    write_text(doc, object, "message", entry->error.message);
    if (entry->error.with_payment)
        yyjson_mut_obj_add_bool(doc, object, "with_payment", true);
}

/* `root` as text; to be freed. */
static char *print(yyjson_mut_doc *doc, yyjson_mut_val *root, yyjson_write_flag flags,
                   size_t *length_out)
{
    char *text;

    yyjson_mut_doc_set_root(doc, root);
    text = yyjson_mut_write(doc, flags, length_out);
    yyjson_mut_doc_free(doc);
    if (text == NULL)
        abort();
    return text;
}

static yyjson_mut_doc *document(void)
{
    yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);

    if (doc == NULL)
        abort();
    return doc;
}

char *psp_entry_write(const struct psp_entry *entry, size_t *length_out)
{
    yyjson_mut_doc *doc = document();
    yyjson_mut_val *root = yyjson_mut_obj(doc);

    yyjson_mut_obj_add_uint(doc, root, "n", entry->number);
    yyjson_mut_obj_add_sint(doc, root, "at_ms", entry->at_ms);
    yyjson_mut_obj_add_str(doc, root, "entry", entry->name);
    write_text(doc, root, "delivered", entry->delivered);
    write_text(doc, root, "request", entry->request_id);
    write_text(doc, root, "key", entry->key);
    write_text(doc, root, "fingerprint", entry->fingerprint);
    if (entry->has_payment) {
        yyjson_mut_obj_add_strcpy(doc, root, "payment", entry->payment.id);
        write_postings(doc, root, entry);
        write_text(doc, root, "refund", entry->refund_id);
        write_events(doc, root, entry);
        if (entry->has_webhook)
            yyjson_mut_obj_add_bool(doc, root, "webhook", true);
        yyjson_mut_obj_add_val(doc, root, "state", write_payment(doc, &entry->payment));
    }
    if (entry->status != 0)
        write_answer(doc, root, entry);
    return print(doc, root, YYJSON_WRITE_NEWLINE_AT_END, length_out);
}

/* ---- reading ---- */

static const char *read_text(yyjson_val *object, const char *name)
{
    const char *text = yyjson_get_str(yyjson_obj_get(object, name));

    return text != NULL ? text : "";
}

/* NULL instead of "". */
static const char *read_optional(yyjson_val *object, const char *name)
{
    return yyjson_get_str(yyjson_obj_get(object, name));
}

static int read_name(yyjson_val *object, const char *name, const char *const *names, int count)
{
    const char *text = read_text(object, name);

    for (int i = 0; i < count; i++) {
        if (strcmp(text, names[i]) == 0)
            return i;
    }
    return -1;
}

static bool read_texts(struct psp_texts *texts, yyjson_val *object)
{
    yyjson_obj_iter iterator;
    yyjson_val *name;

    if (object == NULL)
        return true;
    if (!yyjson_obj_iter_init(object, &iterator))
        return false;
    while ((name = yyjson_obj_iter_next(&iterator)) != NULL) {
        if (!yyjson_is_str(yyjson_obj_iter_get_val(name)))
            return false;
        psp_texts_set(texts, yyjson_get_str(name), yyjson_get_str(yyjson_obj_iter_get_val(name)));
    }
    return true;
}

static bool copy_text(char *target, size_t size, const char *text)
{
    size_t length = strlen(text);

    if (length >= size)
        return false;
    memcpy(target, text, length + 1);
    return true;
}

static bool read_refund(struct psp_refund *refund, yyjson_val *object)
{
    int status = read_name(object, "status", psp_refund_status_names, PSP_REFUND_STATUS_COUNT);

    refund->amount = yyjson_get_sint(yyjson_obj_get(object, "amount"));
    refund->created_s = yyjson_get_sint(yyjson_obj_get(object, "created_s"));
    if (status < 0 || refund->amount <= 0)
        return false;
    refund->status = (enum psp_refund_status)status;
    return copy_text(refund->id, sizeof(refund->id), read_text(object, "id")) &&
           copy_text(refund->reason, sizeof(refund->reason), read_text(object, "reason")) &&
           read_texts(&refund->metadata, yyjson_obj_get(object, "metadata"));
}

static bool read_refunds(struct psp_payment *payment, yyjson_val *list)
{
    size_t count = yyjson_arr_size(list);

    if (count == 0)
        return true;
    if (count > PSP_REFUNDS_MAX)
        return false;
    payment->refunds = calloc(count, sizeof(*payment->refunds));
    if (payment->refunds == NULL)
        abort();
    payment->refund_count = (uint32_t)count;
    for (uint32_t i = 0; i < count; i++) {
        if (!read_refund(&payment->refunds[i], yyjson_arr_get(list, i)))
            return false;
    }
    return true;
}

static bool read_payment(struct psp_payment *payment, yyjson_val *object)
{
    int status = read_name(object, "status", psp_status_names, PSP_STATUS_COUNT);
    int failure = read_name(object, "charge_failure", decline_names, PSP_DECLINE_COUNT);
    int last_error = read_name(object, "last_error", decline_names, PSP_DECLINE_COUNT);

    if (status < 0 || failure < 0 || last_error < 0)
        return false;
    payment->status = (enum psp_status)status;
    payment->charge_failure = (enum psp_decline)failure;
    payment->last_error = (enum psp_decline)last_error;
#define X(name)                                                                                    \
    if (!copy_text(payment->name, sizeof(payment->name), read_text(object, #name)))                \
        return false;
    PAYMENT_TEXTS(X)
#undef X
#define X(name) payment->name = yyjson_get_sint(yyjson_obj_get(object, #name));
    PAYMENT_NUMBERS(X)
#undef X
    return payment->id[0] != 0 && payment->amount > 0 &&
           read_texts(&payment->metadata, yyjson_obj_get(object, "metadata")) &&
           read_texts(&payment->details, yyjson_obj_get(object, "details")) &&
           read_refunds(payment, yyjson_obj_get(object, "refunds"));
}

/* Balanced, or they are none. */
static bool read_postings(struct psp_entry *entry, yyjson_val *list)
{
    int64_t sum = 0;

    if (yyjson_arr_size(list) > PSP_POSTINGS_MAX)
        return false;
    for (size_t i = 0; i < yyjson_arr_size(list); i++) {
        yyjson_val *posting = yyjson_arr_get(list, i);
        int account = read_name(posting, "account", psp_account_names, PSP_ACCOUNT_COUNT);
        int64_t minor = yyjson_get_sint(yyjson_obj_get(posting, "minor"));

        if (account < 0 || minor == 0 || minor > PSP_AMOUNT_MAX || minor < -PSP_AMOUNT_MAX)
            return false;
        entry->postings[entry->posting_count++] =
            (struct psp_posting){(enum psp_account)account, minor};
        sum += minor;
    }
    return sum == 0;
}

static bool read_events(struct psp_entry *entry, yyjson_val *list)
{
    if (yyjson_arr_size(list) > PSP_ENTRY_EVENTS_MAX)
        return false;
    for (size_t i = 0; i < yyjson_arr_size(list); i++) {
        yyjson_val *object = yyjson_arr_get(list, i);
        struct psp_entry_event *event = &entry->events[entry->event_count++];
        const char *type = read_text(object, "type");
        int found = 0;

        while (found < PSP_EVENT_COUNT && strcmp(psp_event_rows[found].type, type) != 0)
            found++;
        if (found == PSP_EVENT_COUNT ||
            !copy_text(event->id, sizeof(event->id), read_text(object, "id")))
            return false;
        event->event = (enum psp_event)found;
    }
    return true;
}

static bool read_answer(struct psp_entry *entry, yyjson_val *answer)
{
    yyjson_val *error = yyjson_obj_get(answer, "error");
    int object = read_name(answer, "object", object_names,
                           (int)(sizeof(object_names) / sizeof(object_names[0])));

    if (answer == NULL)
        return true;
    entry->status = (int)yyjson_get_sint(yyjson_obj_get(answer, "status"));
    if (object < 0 || entry->status < 100 || entry->status > 599)
        return false;
    entry->object = (enum psp_object)object;
    if (entry->object != PSP_OBJECT_NONE)
        return true;
    entry->error = (struct psp_error){
        .status = entry->status,
        .type = read_optional(error, "type"),
        .code = read_optional(error, "code"),
        .decline_code = read_optional(error, "decline_code"),
        .param = read_optional(error, "param"),
        .with_payment = yyjson_get_bool(yyjson_obj_get(error, "with_payment")),
    };
    snprintf(entry->error.message, sizeof(entry->error.message), "%s", read_text(error, "message"));
    return true;
}

static const char *read_parts(struct psp_entry *entry, yyjson_val *root)
{
    yyjson_val *state = yyjson_obj_get(root, "state");

    entry->number = yyjson_get_uint(yyjson_obj_get(root, "n"));
    entry->at_ms = yyjson_get_sint(yyjson_obj_get(root, "at_ms"));
    entry->name = read_text(root, "entry");
    entry->delivered = read_optional(root, "delivered");
    entry->request_id = read_text(root, "request");
    entry->key = read_text(root, "key");
    entry->fingerprint = read_text(root, "fingerprint");
    entry->has_webhook = yyjson_get_bool(yyjson_obj_get(root, "webhook"));
    entry->has_payment = state != NULL;
    if (entry->number == 0 || entry->name[0] == 0)
        return "it has no number or name";
    if (state != NULL && !read_payment(&entry->payment, state))
        return "its payment cannot be read";
    if (!read_postings(entry, yyjson_obj_get(root, "postings")))
        return "its postings do not sum up to zero";
    if (!read_events(entry, yyjson_obj_get(root, "events")))
        return "its events cannot be read";
    if (!copy_text(entry->refund_id, sizeof(entry->refund_id), read_text(root, "refund")) ||
        (entry->refund_id[0] != 0 &&
         psp_payment_refund_find(&entry->payment, entry->refund_id) == NULL))
        return "its refund is not of its payment";
    if (!read_answer(entry, yyjson_obj_get(root, "answer")))
        return "its answer cannot be read";
    return NULL;
}

bool psp_entry_read(struct psp_entry *entry_out, const char *line, size_t length,
                    const char **reason_out)
{
    *entry_out = (struct psp_entry){.doc = yyjson_read(line, length, 0)};
    *reason_out = "it is no JSON object";
    if (entry_out->doc != NULL && yyjson_is_obj(yyjson_doc_get_root(entry_out->doc)))
        *reason_out = read_parts(entry_out, yyjson_doc_get_root(entry_out->doc));
    if (*reason_out == NULL)
        return true;
    psp_entry_free(entry_out);
    return false;
}

void psp_entry_free(struct psp_entry *entry)
{
    psp_payment_free(&entry->payment);
    yyjson_doc_free(entry->doc);
    *entry = (struct psp_entry){0};
}

/* ---- what others get to see of it ---- */

static yyjson_mut_val *render_object(const struct psp_renderer *renderer,
                                     const struct psp_entry *entry, enum psp_object object)
{
    switch (object) {
    case PSP_OBJECT_INTENT:
        return psp_render_intent(renderer, &entry->payment);
    case PSP_OBJECT_CHARGE:
        return psp_render_charge(renderer, &entry->payment);
    case PSP_OBJECT_REFUND:
        return psp_render_refund(renderer, &entry->payment,
                                 psp_payment_refund_find(&entry->payment, entry->refund_id));
    case PSP_OBJECT_NONE:
        break;
    }
    return psp_render_error(renderer, &entry->error, entry->has_payment ? &entry->payment : NULL);
}

char *psp_entry_answer(const struct psp_entry *entry, const char *base_url, bool expand_charge,
                       bool expand_intent, size_t *length_out)
{
    struct psp_renderer renderer = {document(), base_url, expand_charge, expand_intent};

    return print(renderer.doc, render_object(&renderer, entry, entry->object),
                 YYJSON_WRITE_PRETTY_TWO_SPACES, length_out);
}

yyjson_mut_val *psp_entry_event_value(yyjson_mut_doc *doc, const struct psp_entry *entry,
                                      uint32_t index, const char *base_url, bool is_pending)
{
    struct psp_renderer renderer = {.doc = doc, .base_url = base_url};
    const struct psp_entry_event *event = &entry->events[index];
    const struct psp_event_row *row = &psp_event_rows[event->event];

    assert(index < entry->event_count);
    return psp_render_event(&renderer, event->id, row->type, entry->at_ms / 1000,
                            render_object(&renderer, entry, row->object), entry->request_id,
                            entry->key, is_pending);
}

/* The event of another: its ID is new, and what a careless receiver would not look at differs. */
static void forge(yyjson_mut_doc *doc, yyjson_mut_val *event, enum psp_forgery forgery)
{
    static const char *const amounts[] = {"amount", "amount_capturable", "amount_received",
                                          "amount_captured", "amount_refunded"};
    yyjson_mut_val *object = yyjson_mut_obj_get(yyjson_mut_obj_get(event, "data"), "object");
    yyjson_mut_val *value = yyjson_mut_obj_get(event, "id");
    char id[PSP_ID_MAX + 1];

    snprintf(id, sizeof(id), "%s", yyjson_mut_get_str(value));
    memcpy(id + 4, "forged", 6);
    id[10] = (char)('0' + (int)forgery);
    yyjson_mut_set_str(value, yyjson_mut_get_str(yyjson_mut_strcpy(doc, id)));
    switch (forgery) {
    case PSP_FORGERY_AMOUNT:
        for (size_t i = 0; i < sizeof(amounts) / sizeof(amounts[0]); i++) {
            value = yyjson_mut_obj_get(object, amounts[i]);
            if (value != NULL && yyjson_mut_get_sint(value) > 0)
                yyjson_mut_set_sint(value, yyjson_mut_get_sint(value) == 1 ? 2 : 1);
        }
        break;
    case PSP_FORGERY_CURRENCY:
        value = yyjson_mut_obj_get(object, "currency");
        yyjson_mut_set_str(value, yyjson_mut_equals_str(value, "vnd") ? "usd" : "vnd");
        break;
    case PSP_FORGERY_ORDER:
        value = yyjson_mut_obj_get(object, "metadata");
        yyjson_mut_obj_put(value, yyjson_mut_str(doc, "order_id"),
                           yyjson_mut_str(doc, "ord_of_somebody_else"));
        break;
    case PSP_FORGERY_NONE:
    case PSP_FORGERY_SIGNATURE:
        break;
    }
}

char *psp_entry_event(const struct psp_entry *entry, uint32_t index, const char *base_url,
                      bool is_pending, enum psp_forgery forgery, size_t *length_out)
{
    yyjson_mut_doc *doc = document();
    yyjson_mut_val *event = psp_entry_event_value(doc, entry, index, base_url, is_pending);

    if (forgery != PSP_FORGERY_NONE)
        forge(doc, event, forgery);
    return print(doc, event, YYJSON_WRITE_PRETTY_TWO_SPACES, length_out);
}
