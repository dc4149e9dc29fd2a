/* SPDX-License-Identifier: Apache-2.0 */
/* The calls that only look. */
#include "psp_call_internal.h"

#include <stdlib.h>
#include <string.h>

static struct psp_renderer renderer_of(const struct psp_calling *calling)
{
    return (struct psp_renderer){
        .doc = calling->doc,
        .base_url = calling->request->base_url,
        .expand_charge = calling->expand_charge,
        .expand_intent = calling->expand_intent,
    };
}

static yyjson_mut_val *render_known(struct psp_calling *calling, const struct psp_known *known)
{
    const struct psp_renderer renderer = renderer_of(calling);
    const struct psp_payment *payment = psp_books_payment_at(calling->books, known->payment);
    yyjson_mut_val *value;
    struct psp_entry entry;

    if (known->object == PSP_OBJECT_INTENT)
        return psp_render_intent(&renderer, payment);
    if (known->object == PSP_OBJECT_REFUND)
        return psp_render_refund(&renderer, payment, psp_payment_refund_find(payment, known->id));
    if (strcmp(payment->charge_id, known->id) == 0)
        return psp_render_charge(&renderer, payment);
    /* The charge of an earlier attempt stands in the last entry that had it. */
    if (!psp_books_entry(calling->books, known->offset, &entry))
        abort();
    value = psp_render_charge(&renderer, &entry.payment);
    psp_entry_free(&entry);
    return value;
}

static void read_known(struct psp_calling *calling, enum psp_object object, const char *what)
{
    const struct psp_known *known = psp_books_find(calling->books, calling->request->target);

    if (known == NULL || known->object != object)
        psp_calling_missing(calling, what, "id", calling->request->target);
    else
        calling->value = render_known(calling, known);
}

void psp_calling_intent(struct psp_calling *calling)
{
    const struct psp_renderer renderer = renderer_of(calling);

    if (psp_calling_load(calling))
        calling->value = psp_render_intent(&renderer, &calling->payment);
}

void psp_calling_charge(struct psp_calling *calling)
{
    read_known(calling, PSP_OBJECT_CHARGE, "charge");
}

void psp_calling_refund_read(struct psp_calling *calling)
{
    read_known(calling, PSP_OBJECT_REFUND, "refund");
}

/* ---- lists: the newest first ---- */

struct list {
    uint64_t from;    /* looked at from below it downwards */
    bool is_backward; /* from it upwards, and shown the other way round */
    size_t limit;
    int64_t created_least, created_most;
    yyjson_mut_val *data;
    bool has_more;
};

static bool read_created(struct psp_calling *calling, struct list *list)
{
    int64_t number;

    if (!psp_params_integer(calling, "created[gt]", 0, INT64_MAX - 1, -1, &number))
        return false;
    list->created_least = number + 1;
    if (!psp_params_integer(calling, "created[gte]", 0, INT64_MAX, list->created_least,
                            &list->created_least) ||
        !psp_params_integer(calling, "created[lt]", 0, INT64_MAX, INT64_MAX, &number))
        return false;
    list->created_most = number == INT64_MAX ? number : number - 1;
    return psp_params_integer(calling, "created[lte]", 0, INT64_MAX, list->created_most,
                              &list->created_most);
}

/* `find` gives the position of an ID, or UINT64_MAX; `end` is behind the last position. */
static bool list_begin(struct psp_calling *calling, struct list *list, uint64_t end,
                       uint64_t (*find)(struct psp_calling *calling, const char *id))
{
    const char *after = psp_form_get(calling->form, "starting_after");
    const char *before = psp_form_get(calling->form, "ending_before");
    int64_t limit;

    *list = (struct list){.from = end, .data = yyjson_mut_arr(calling->doc)};
    if (!psp_params_integer(calling, "limit", 1, PSP_LIST_MAX, 10, &limit) ||
        !read_created(calling, list))
        return false;
    list->limit = (size_t)limit;
    if (after != NULL && before != NULL)
        return PSP_REFUSE(calling, 400, NULL, "starting_after",
                          "You cannot parameterize both starting_after and ending_before.");
    if (after == NULL && before == NULL)
        return true;
    list->is_backward = before != NULL;
    list->from = find(calling, before != NULL ? before : after);
    if (list->from == UINT64_MAX)
        return psp_calling_missing(calling, "object",
                                   before != NULL ? "ending_before" : "starting_after",
                                   before != NULL ? before : after);
    list->from += list->is_backward;
    return true;
}

static void list_add(struct list *list, yyjson_mut_val *value)
{
    if (list->is_backward)
        yyjson_mut_arr_prepend(list->data, value);
    else
        yyjson_mut_arr_append(list->data, value);
}

static bool list_is_full(struct list *list)
{
    list->has_more = yyjson_mut_arr_size(list->data) >= list->limit;
    return list->has_more;
}

static void list_end(struct psp_calling *calling, struct list *list)
{
    const struct psp_renderer renderer = renderer_of(calling);

    calling->value = psp_render_list(&renderer, calling->request->path, list->has_more, list->data);
}

static uint64_t find_known(struct psp_calling *calling, const char *id)
{
    uint32_t position = psp_books_position(calling->books, id);

    return position != PSP_ABSENT ? position : UINT64_MAX;
}

static int64_t created_of(const struct psp_payment *payment, const struct psp_known *known)
{
    if (known->object == PSP_OBJECT_INTENT)
        return payment->created_s;
    if (known->object == PSP_OBJECT_REFUND)
        return psp_payment_refund_find(payment, known->id)->created_s;
    return payment->charge_created_s;
}

static bool is_wanted(const struct psp_calling *calling, const struct list *list,
                      enum psp_object object, const struct psp_known *known)
{
    const struct psp_payment *payment = psp_books_payment_at(calling->books, known->payment);
    const char *intent = psp_form_get(calling->form, "payment_intent");
    const char *charge = psp_form_get(calling->form, "charge");
    const char *customer = psp_form_get(calling->form, "customer");
    const char *own_customer = psp_texts_get(&payment->details, "customer");
    int64_t created;

    if (known->object != object || (intent != NULL && strcmp(intent, payment->id) != 0) ||
        (charge != NULL && strcmp(charge, payment->charge_id) != 0) ||
        (customer != NULL && (own_customer == NULL || strcmp(customer, own_customer) != 0)))
        return false;
    created = created_of(payment, known);
    return created >= list->created_least && created <= list->created_most;
}

static void list_known(struct psp_calling *calling, enum psp_object object)
{
    uint32_t end = psp_books_known_count(calling->books);
    struct list list;

    if (!list_begin(calling, &list, end, find_known))
        return;
    for (uint64_t at = list.from; list.is_backward ? at < end : at > 0;) {
        const struct psp_known *known =
            psp_books_known_at(calling->books, (uint32_t)(list.is_backward ? at++ : --at));

        if (!is_wanted(calling, &list, object, known))
            continue;
        if (list_is_full(&list))
            break;
        list_add(&list, render_known(calling, known));
    }
    list_end(calling, &list);
}

void psp_calling_intents(struct psp_calling *calling)
{
    list_known(calling, PSP_OBJECT_INTENT);
}

void psp_calling_charges(struct psp_calling *calling)
{
    list_known(calling, PSP_OBJECT_CHARGE);
}

void psp_calling_refunds(struct psp_calling *calling)
{
    list_known(calling, PSP_OBJECT_REFUND);
}

/* ---- events ---- */

static uint64_t find_event(struct psp_calling *calling, const char *id)
{
    uint64_t number;

    return psp_books_event_find(calling->books, id, &number) ? number : UINT64_MAX;
}

/* NULL: made outside of the wanted time. */
static yyjson_mut_val *render_event(struct psp_calling *calling, const struct list *list,
                                    uint64_t number)
{
    const struct psp_known_event *known = psp_books_event_at(calling->books, number);
    yyjson_mut_val *value = NULL;
    struct psp_entry entry;

    if (!psp_books_entry(calling->books, known->offset, &entry))
        abort();
    if (list == NULL ||
        (entry.at_ms / 1000 >= list->created_least && entry.at_ms / 1000 <= list->created_most))
        value = psp_entry_event_value(calling->doc, &entry, known->index,
                                      calling->request->base_url, !known->is_delivered);
    psp_entry_free(&entry);
    return value;
}

void psp_calling_event(struct psp_calling *calling)
{
    uint64_t number = find_event(calling, calling->request->target);

    if (number == UINT64_MAX)
        psp_calling_missing(calling, "event", "id", calling->request->target);
    else
        calling->value = render_event(calling, NULL, number);
}

/* Whether one of the types that were asked for, if any were, is this one; "charge.*" is a group. */
static bool has_type(const struct psp_form *form, const char *type)
{
    bool is_asked = false;

    for (uint32_t i = 0; i < form->count; i++) {
        const char *wanted = form->pairs[i].value;
        size_t length = strlen(wanted);

        if (strncmp(form->pairs[i].name, "type", 4) != 0)
            continue;
        is_asked = true;
        if (strcmp(wanted, type) == 0 ||
            (length > 0 && wanted[length - 1] == '*' && strncmp(wanted, type, length - 1) == 0))
            return true;
    }
    return !is_asked;
}

void psp_calling_events(struct psp_calling *calling)
{
    uint64_t first = psp_books_event_first(calling->books);
    uint64_t end = psp_books_event_end(calling->books);
    struct list list;

    if (!list_begin(calling, &list, end, find_event))
        return;
    for (uint64_t at = list.from; list.is_backward ? at < end : at > first;) {
        uint64_t number = list.is_backward ? at++ : --at;
        const struct psp_known_event *known = psp_books_event_at(calling->books, number);
        yyjson_mut_val *value;

        if (!has_type(calling->form, psp_event_rows[known->event].type))
            continue;
        value = render_event(calling, &list, number);
        if (value == NULL)
            continue;
        if (list_is_full(&list))
            break;
        list_add(&list, value);
    }
    list_end(calling, &list);
}
