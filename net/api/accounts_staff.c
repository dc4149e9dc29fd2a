/* SPDX-License-Identifier: Apache-2.0 */
/* Staff: invited by an owner, who gives and takes their roles; and customers, looked up by address.
 * A member of staff is an account with a role. The admin key is none: it stays whoever goes. */
#include <stdlib.h>
#include <string.h>

#include "api/account_fields.h"
#include "api/account_mail.h"
#include "api/account_view.h"
#include "api/private_data.h"
#include "api/request.h"

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

enum { SCAN_READS_MAX = 50 }; /* of LIST_PAGE_MAX accounts each, for one page of staff */

static void respond_profile(struct flow *flow, int status)
{
    struct writer writer = writer_growing();

    if (account_write_profile(flow, &writer, NULL))
        flow_respond_json(flow, status, &writer);
}

/* ---- inviting ---- */

/* Where no mail is sent the owner hands the token over. */
static void invited(struct flow *flow, enum outcome outcome)
{
    struct writer writer;

    if (outcome != OUTCOME_OK) {
        flow_refuse(flow, outcome);
        return;
    }
    writer = writer_growing();
    if (!account_write_profile(flow, &writer, NULL))
        return;
    if (!flow->shard->api->options.auth_verify && !writer.failed) {
        writer.at--; /* the brace */
        write_literal(&writer, ",\"invite_token\":\"");
        write_bytes(&writer, flow->token, ACCOUNT_TOKEN_LENGTH);
        write_literal(&writer, "\"}");
    }
    flow_respond_json(flow, 201, &writer);
}

static void put_invitation(struct flow *flow, struct account_envelope *envelope)
{
    const struct engine *engine = flow->shard->api->engine;
    struct account_mail mail = {.kind = MAIL_STAFF_INVITATION,
                                .to = flow->email,
                                .token = flow->token,
                                .role = account_role_name((enum account_role)flow->role),
                                .lifetime_ms = TOKEN_INVITE_MS};
    uint8_t random[ACCOUNT_TOKEN_RANDOM_BYTES];

    if (envelope == NULL)
        return;
    shard_random(flow->shard->shard, random, sizeof(random));
    account_token_make(engine_secrets(engine), ACCOUNT_TOKEN_MAIL, &flow->account, random,
                       flow->token);
    account_token_hash(flow->token, envelope->hash);
    envelope->purpose = TOKEN_INVITE;
    envelope->lifetime_ms = TOKEN_INVITE_MS;
    (void)account_mail_put(flow, &mail, envelope);
}

static void role_given(struct flow *flow, enum outcome outcome)
{
    struct account_envelope *envelope;

    if (outcome != OUTCOME_OK) {
        flow_refuse(flow, outcome);
        return;
    }
    envelope = flow_envelope(flow, ACCOUNT_CALL_TOKEN_ISSUE);
    put_invitation(flow, envelope);
    flow_call(flow, envelope, invited);
}

/* Invited before and not there yet: invited again, whatever became of the first mail. */
static void taken_got(struct flow *flow, enum outcome outcome)
{
    struct account_envelope *envelope;

    if (outcome != OUTCOME_OK) {
        flow_refuse(flow, outcome == OUTCOME_NOT_FOUND ? OUTCOME_EMAIL_TAKEN : outcome);
        return;
    }
    if (flow->answer->view.state != ACCOUNT_PENDING || flow->answer->view.role == ROLE_CUSTOMER) {
        flow_refuse(flow, OUTCOME_EMAIL_TAKEN);
        return;
    }
    envelope = flow_envelope(flow, ACCOUNT_CALL_ROLE_SET);
    if (envelope != NULL)
        envelope->role = flow->role;
    flow_call(flow, envelope, role_given);
}

static void registered(struct flow *flow, enum outcome outcome)
{
    if (outcome == OUTCOME_EMAIL_TAKEN) {
        flow->account = flow->answer->account;
        flow_get(flow, taken_got);
    } else {
        invited(flow, outcome);
    }
}

static void prepared(struct flow *flow, enum outcome outcome)
{
    struct account_envelope *envelope;

    if (outcome != OUTCOME_OK) {
        registered(flow, outcome);
        return;
    }
    flow->account = flow->answer->account;
    envelope = account_registration(flow, (enum account_role)flow->role);
    if (envelope != NULL) {
        put_invitation(flow, envelope);
    }
    flow_call(flow, envelope, registered);
}

void api_staff_create(struct api_call *call)
{
    static const struct account_field fields[] = {
        {"email", FIELD_EMAIL, true}, {"role", FIELD_ROLE, true}, {"name", FIELD_NAME, false}};
    struct flow *flow = account_flow_start(call, fields, COUNT_OF(fields));

    if (flow != NULL)
        flow_call(flow, flow_envelope(flow, ACCOUNT_CALL_EMAIL_PREPARE), prepared);
}

/* ---- one member ---- */

static bool read_id(struct api_call *call, struct principal *account_out)
{
    char text[ID_TEXT_LENGTH_MAX + 1];
    size_t length;

    if (!request_path_id(call, text, &length))
        return false;
    if (account_id_parse(text, length, account_out))
        return true;
    respond_outcome(call->exchange, OUTCOME_NOT_FOUND);
    return false;
}

static bool is_staff(struct flow *flow, enum outcome outcome)
{
    if (outcome == OUTCOME_OK && flow->answer->view.role == ROLE_CUSTOMER)
        outcome = OUTCOME_NOT_FOUND;
    if (outcome != OUTCOME_OK)
        flow_refuse(flow, outcome);
    return outcome == OUTCOME_OK;
}

static void member_got(struct flow *flow, enum outcome outcome)
{
    if (is_staff(flow, outcome))
        respond_profile(flow, 200);
}

void api_staff_get(struct api_call *call)
{
    struct principal account;
    struct flow *flow;

    if (!read_id(call, &account))
        return;
    flow = flow_start(call);
    if (flow == NULL)
        return;
    flow->account = account;
    flow_get(flow, member_got);
}

static void role_changed(struct flow *flow, enum outcome outcome)
{
    if (outcome != OUTCOME_OK)
        flow_refuse(flow, outcome);
    else if (flow->role == ROLE_CUSTOMER)
        flow_respond(flow, 204);
    else
        respond_profile(flow, 200);
}

static void set_role(struct flow *flow, enum outcome outcome)
{
    struct account_envelope *envelope;

    if (outcome == OUTCOME_OK && flow->role == ROLE_CUSTOMER &&
        flow->answer->view.role == ROLE_CUSTOMER) {
        flow_respond(flow, 204); /* done before */
        return;
    }
    if (!is_staff(flow, outcome))
        return;
    envelope = flow_envelope(flow, ACCOUNT_CALL_ROLE_SET);
    if (envelope != NULL)
        envelope->role = flow->role;
    flow_call(flow, envelope, role_changed);
}

void api_staff_change(struct api_call *call)
{
    static const struct account_field fields[] = {{"role", FIELD_ROLE, true}};
    struct principal account;
    struct flow *flow;

    if (!read_id(call, &account))
        return;
    flow = account_flow_start(call, fields, COUNT_OF(fields));
    if (flow == NULL)
        return;
    flow->account = account;
    flow_get(flow, set_role);
}

void api_staff_remove(struct api_call *call)
{
    struct principal account;
    struct flow *flow;

    if (!read_id(call, &account))
        return;
    flow = flow_start(call);
    if (flow == NULL)
        return;
    flow->account = account;
    flow->role = ROLE_CUSTOMER;
    flow_get(flow, set_role);
}

/* ---- all of them ---- */

/* Accounts are read in the order of their keys; those of staff are asked for one after the other.
 */
static void scan(struct flow *flow);

static void list_end(struct flow *flow)
{
    struct writer writer = flow->writer;
    char id[ACCOUNT_ID_LENGTH + 1];

    write_literal(&writer, "],\"next_cursor\":");
    if (principal_is_nobody(&flow->last)) {
        write_literal(&writer, "null}");
    } else {
        account_id_format(&flow->last, id);
        write_json_string(&writer, id, ACCOUNT_ID_LENGTH);
        write_byte(&writer, '}');
    }
    flow->writer = (struct writer){0};
    flow_respond_json(flow, 200, &writer);
}

static void list_got(struct flow *flow, enum outcome outcome);

static void list_next(struct flow *flow)
{
    if (flow->list_count == flow->found_count) {
        list_end(flow);
        return;
    }
    flow->account = flow->found[flow->list_count++];
    flow_get(flow, list_got);
}

static void list_got(struct flow *flow, enum outcome outcome)
{
    struct writer writer = flow->writer;

    if (outcome != OUTCOME_OK && outcome != OUTCOME_NOT_FOUND) {
        flow_refuse(flow, outcome);
        return;
    }
    if (outcome == OUTCOME_OK && flow->answer->view.role != ROLE_CUSTOMER) {
        flow->writer = (struct writer){0};
        if (writer_length(&writer) > sizeof("{\"data\":[") - 1)
            write_byte(&writer, ',');
        if (!account_write_profile(flow, &writer, NULL))
            return;
        flow->writer = writer;
    }
    list_next(flow);
}

static void take_in(struct flow *flow, const struct arena *records)
{
    size_t offset = 0;

    while (offset < records->used && flow->found_count < flow->list_limit) {
        const struct record *record =
            (const struct record *)(const void *)(records->bytes + offset);
        flow->last = record->account.principal;
        if (record->account.role != ROLE_CUSTOMER && record->account.state != ACCOUNT_ERASED)
            flow->found[flow->found_count++] = record->account.principal;
        offset += record->size;
    }
}

static void on_read(struct engine_read *read)
{
    struct flow *flow = read->user;
    bool is_end = read->read.count < LIST_PAGE_MAX;
    bool has_failed = read->read.failed;

    if (!has_failed) {
        take_in(flow, &read->read.result);
        is_end = is_end && flow->found_count < flow->list_limit;
    }
    free(read->read.result.bytes);
    read->read.result = (struct arena){0};
    if (has_failed) {
        flow_refuse(flow, OUTCOME_OUTCOME_UNKNOWN);
    } else if (is_end || flow->found_count == flow->list_limit || ++flow->tries == SCAN_READS_MAX) {
        if (is_end)
            flow->last = (struct principal){{0}};
        list_next(flow);
    } else {
        scan(flow);
    }
}

static void scan(struct flow *flow)
{
    const struct secrets_port *secrets = engine_secrets(flow->shard->api->engine);
    struct journal_key from = {0};
    enum outcome outcome;

    if (account_principal_parse(&flow->last, &secrets->id_key, &from.partition, &from.subject))
        from.subject++;
    else
        from = (struct journal_key){0};
    memset(&flow->read, 0, sizeof(flow->read));
    flow->read.read.kind = RECORD_ACCOUNT;
    flow->read.read.from = from;
    flow->read.read.to = (struct journal_key){.partition = UINT16_MAX};
    flow->read.read.limit = LIST_PAGE_MAX;
    flow->read.done = on_read;
    flow->read.user = flow;
    outcome = engine_read_submit(flow->shard->shard, &flow->read);
    if (outcome != OUTCOME_PENDING)
        flow_refuse(flow, outcome);
}

void api_staff_list(struct api_call *call)
{
    char cursor[CURSOR_LENGTH_MAX + 1];
    struct validation validation;
    struct principal after = {{0}};
    struct flow *flow;

    validation_init(&validation);
    request_check_query(call, &validation, (const char *const[]){"limit", "cursor", NULL}, NULL);
    uint32_t limit = request_limit(call, &validation);
    size_t length = request_cursor(call, &validation, cursor);
    if (length > 0 && !account_id_parse(cursor, length, &after))
        request_cursor_invalid(&validation);
    if (validation.count > 0) {
        validation_respond(&validation, call->exchange);
        return;
    }
    flow = flow_start(call);
    if (flow == NULL)
        return;
    flow->last = after;
    flow->list_limit = limit;
    flow->writer = writer_growing();
    write_literal(&flow->writer, "{\"data\":[");
    scan(flow);
}

/* ---- customers ---- */

static void customer_got(struct flow *flow, enum outcome outcome)
{
    struct writer writer;

    if (outcome != OUTCOME_OK && outcome != OUTCOME_NOT_FOUND) {
        flow_refuse(flow, outcome);
        return;
    }
    /* An entry that is left over from a change of address is nobody's. */
    if (outcome == OUTCOME_OK &&
        (memcmp(flow->answer->view.email_index, flow->index, EMAIL_INDEX_BYTES) != 0 ||
         flow->answer->view.role != ROLE_CUSTOMER)) /* staff are the owners' to look up */
        outcome = OUTCOME_NOT_FOUND;
    writer = writer_growing();
    write_literal(&writer, "{\"data\":[");
    if (outcome == OUTCOME_OK && !account_write_profile(flow, &writer, NULL))
        return;
    write_literal(&writer, "],\"next_cursor\":null}");
    flow_respond_json(flow, 200, &writer);
}

static void customer_found(struct flow *flow, enum outcome outcome)
{
    if (outcome != OUTCOME_OK) {
        customer_got(flow, outcome);
        return;
    }
    flow->account = flow->answer->account;
    flow_get(flow, customer_got);
}

void api_customer_find(struct api_call *call)
{
    char email[EMAIL_LENGTH_MAX + 1];
    struct validation validation;
    struct flow *flow;

    validation_init(&validation);
    request_check_query(call, &validation, (const char *const[]){"email", NULL}, NULL);
    int length = http_query_parameter(call->exchange, "email", 0, email, sizeof(email));
    flow = flow_start(call);
    if (flow == NULL)
        return;
    if (length == HTTP_ABSENT)
        validation_add(&validation, FIELD("email"), "is required");
    else if (length < 0 || account_email_read(flow, email, (size_t)length) != NULL)
        validation_add(&validation, FIELD("email"), "must be an e-mail address");
    if (validation.count > 0) {
        validation_respond(&validation, call->exchange);
        flow_end(flow);
        return;
    }
    flow_call(flow, flow_envelope(flow, ACCOUNT_CALL_EMAIL_FIND), customer_found);
}
