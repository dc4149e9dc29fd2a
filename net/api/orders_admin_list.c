/* SPDX-License-Identifier: Apache-2.0 */
/* All orders, for staff. A call reads a bounded number of windows and then says where to go on, so
 * that a page may have fewer orders than were asked for, or none, though there are more. */
#include <stdlib.h>
#include <string.h>

#include "api/order_walk.h"
#include "api/request.h"
#include "outbound/mail.h"

enum { WINDOWS_MAX = 40 };

struct staff_list {
    struct order_walk walk; /* first */
    struct writer writer;
    uint32_t limit;
    uint32_t found;
    bool is_one; /* by its ID */
};

_Static_assert(offsetof(struct staff_list, walk) == 0, "a list is found by its walk");

static struct staff_list *list_of(struct order_walk *walk)
{
    return (struct staff_list *)(void *)walk;
}

static void release(struct order_flow *flow)
{
    writer_free(&((struct staff_list *)(void *)flow)->writer);
}

static void respond(struct staff_list *list, bool has_more)
{
    struct http_exchange *exchange = order_flow_exchange(&list->walk.flow);

    write_literal(&list->writer, "],\"next_cursor\":");
    if (has_more)
        order_walk_write_cursor(&list->walk, &list->writer);
    else
        write_literal(&list->writer, "null");
    write_byte(&list->writer, '}');
    if (exchange != NULL) {
        respond_json(exchange, 200, &list->writer);
        list->writer = writer_growing();
    }
    order_flow_end(&list->walk.flow);
}

static void end(struct order_walk *walk, bool has_more)
{
    respond(list_of(walk), has_more);
}

static void fail(struct order_walk *walk, enum outcome outcome)
{
    order_flow_refuse(&walk->flow, outcome);
}

/* False: the flow has ended. */
static bool add(struct staff_list *list)
{
    struct order_flow *flow = &list->walk.flow;

    if (list->found++ > 0)
        write_byte(&list->writer, ',');
    if (write_order(&list->writer, flow->shard, flow->answer, ORDER_SHAPE_STAFF))
        return true;
    order_flow_problem(flow, PROBLEM_PRIVATE_DATA_UNREADABLE,
                       "A stored field of an order cannot be opened.");
    return false;
}

static bool show(struct order_walk *walk)
{
    struct staff_list *list = list_of(walk);

    if (!add(list))
        return false;
    if (list->found < list->limit)
        return true;
    respond(list, true);
    return false;
}

static void one_known(struct order_flow *flow, enum outcome outcome)
{
    struct staff_list *list = (struct staff_list *)(void *)flow;
    uint8_t status = list->walk.status;

    if (outcome != OUTCOME_OK && outcome != OUTCOME_NOT_FOUND) {
        order_flow_refuse(flow, outcome);
        return;
    }
    if (outcome == OUTCOME_OK && (status == ORDER_NONE || flow->answer->order.status == status) &&
        !add(list))
        return;
    respond(list, false);
}

/* An order's ID, or an e-mail address as it was given at a checkout. */
static void read_query(struct staff_list *list, struct api_call *call,
                       struct validation *validation)
{
    const struct vault_port *vault = engine_vault(call->shard->api->engine);
    char text[EMAIL_LENGTH_MAX + 1];
    char form[MAIL_ADDRESS_MAX + 1];
    int length = http_query_parameter(call->exchange, "q", 0, text, sizeof(text));
    struct slice trimmed;

    if (length == HTTP_ABSENT)
        return;
    trimmed = slice_trim((struct slice){text, length < 0 ? 0 : (size_t)length});
    list->is_one = order_flow_read_id(&list->walk.flow, trimmed.text, trimmed.length);
    if (list->is_one)
        return;
    if (!mail_address_is_valid(trimmed.text, trimmed.length)) {
        validation_add(validation, FIELD("q"), "must be an order's ID or an e-mail address");
        return;
    }
    mail_address_index_form(trimmed.text, trimmed.length, form);
    vault->blind_index(vault->self, form, strlen(form), list->walk.email_index);
    list->walk.has_email = true;
}

void api_admin_order_list(struct api_call *call)
{
    static const char *const names[] = {"status", "q", "limit", "cursor", NULL};
    char cursor[CURSOR_LENGTH_MAX + 1];
    struct validation validation;
    struct staff_list *list;
    size_t length;

    list = (struct staff_list *)(void *)order_walk_start(call, sizeof(*list));
    if (list == NULL)
        return;
    list->walk.flow.release = release;
    list->walk.show = show;
    list->walk.end = end;
    list->walk.fail = fail;
    list->walk.windows_max = WINDOWS_MAX;
    list->writer = writer_growing();
    validation_init(&validation);
    request_check_query(call, &validation, names, NULL);
    order_walk_read_status(&list->walk, call, &validation);
    read_query(list, call, &validation);
    list->limit = request_limit(call, &validation);
    length = request_cursor(call, &validation, cursor);
    if (length > 0 && !order_walk_read_cursor(&list->walk, cursor, length))
        request_cursor_invalid(&validation);
    if (validation.count > 0) {
        validation_respond(&validation, call->exchange);
        order_flow_end(&list->walk.flow);
        return;
    }
    write_literal(&list->writer, "{\"data\":[");
    if (list->is_one)
        order_flow_ask(&list->walk.flow, order_flow_envelope(&list->walk.flow, ORDER_CALL_GET),
                       one_known);
    else
        order_walk_go(&list->walk);
}
