/* SPDX-License-Identifier: Apache-2.0 */
/* Mails that have not gone out, for staff: those that wait and the dead letters. Of private data
 * only the receiver is told, masked.
 *
 * A mail's ID: `mail_`, the account's as in its own ID, `_` and the mail's number. */
#include <stdlib.h>
#include <string.h>

#include "api/account_mail.h"
#include "api/courier.h"
#include "api/flow.h"
#include "api/log.h"
#include "api/request.h"
#include "outbound/outbound.h"

enum {
    ACCOUNT_PREFIX = 4, /* cus_ */
    MAIL_PREFIX = 5,    /* mail_ */
    ACCOUNT_DIGITS = ACCOUNT_ID_LENGTH - ACCOUNT_PREFIX,
    MAIL_ID_LENGTH_MAX = MAIL_PREFIX + ACCOUNT_DIGITS + 1 + ROW_TEXT_LENGTH,
    SCAN_READS_MAX = 20, /* for one page, of LIST_PAGE_MAX mails each */
    STATE_ANY = -1,
};

_Static_assert((int)MAIL_ID_LENGTH_MAX <= (int)CURSOR_LENGTH_MAX, "an ID is a cursor too");
_Static_assert((int)MAIL_ID_LENGTH_MAX <= (int)ID_TEXT_LENGTH_MAX, "and fits a path");

static const char *const state_names[] = {[MAIL_WAITING] = "waiting", [MAIL_DEAD] = "dead"};

/* ---- IDs ---- */

static size_t format_id(const struct principal *account, uint64_t sequence,
                        char text_out[MAIL_ID_LENGTH_MAX])
{
    struct writer writer = writer_fixed(text_out, MAIL_ID_LENGTH_MAX);
    char account_text[ACCOUNT_ID_LENGTH + 1];
    char number[ROW_TEXT_LENGTH + 1];

    account_id_format(account, account_text);
    row_number_format(sequence, number);
    write_literal(&writer, "mail_");
    write_bytes(&writer, account_text + ACCOUNT_PREFIX, ACCOUNT_DIGITS);
    write_byte(&writer, '_');
    write_bytes(&writer, number, ROW_TEXT_LENGTH);
    return writer_length(&writer);
}

/* False: no ID of this store's. */
static bool parse_id(const struct engine *engine, const char *text, size_t length,
                     struct principal *account_out, struct journal_key *key_out)
{
    char account_text[ACCOUNT_ID_LENGTH] = "cus_";

    if (length <= MAIL_PREFIX + ACCOUNT_DIGITS + 1 || memcmp(text, "mail_", MAIL_PREFIX) != 0 ||
        text[MAIL_PREFIX + ACCOUNT_DIGITS] != '_')
        return false;
    memcpy(account_text + ACCOUNT_PREFIX, text + MAIL_PREFIX, ACCOUNT_DIGITS);
    key_out->sequence = row_number_parse(text + MAIL_PREFIX + ACCOUNT_DIGITS + 1,
                                         length - MAIL_PREFIX - ACCOUNT_DIGITS - 1);
    return account_id_parse(account_text, sizeof(account_text), account_out) &&
           account_principal_parse(account_out, &engine_secrets(engine)->id_key,
                                   &key_out->partition, &key_out->subject) &&
           key_out->sequence != 0;
}

/* ---- reading ---- */

static void drop_records(struct flow *flow)
{
    struct arena *records = &flow->read.read.result;

    if (records->bytes != NULL)
        password_wipe(records->bytes, records->used);
    free(records->bytes);
    *records = (struct arena){0};
}

static void read_mails(struct flow *flow, const struct journal_key *from, uint32_t limit,
                       void (*done)(struct engine_read *read))
{
    enum outcome outcome;

    memset(&flow->read, 0, sizeof(flow->read));
    flow->read.read.kind = RECORD_MAIL;
    flow->read.read.from = *from;
    flow->read.read.to = (struct journal_key){.partition = UINT16_MAX};
    flow->read.read.limit = limit;
    flow->read.done = done;
    flow->read.user = flow;
    flow->read_offset = 0;
    outcome = engine_read_submit(flow->shard->shard, &flow->read);
    if (outcome != OUTCOME_PENDING)
        flow_refuse(flow, outcome);
}

/* The next one that was read, or NULL. */
static const struct record *current(const struct flow *flow)
{
    const struct arena *records = &flow->read.read.result;

    return flow->read_offset >= records->used
               ? NULL
               : (const struct record *)(const void *)(records->bytes + flow->read_offset);
}

static struct principal account_of(const struct flow *flow, const struct record *record)
{
    return account_principal(record->partition, record->subject,
                             &engine_secrets(flow->shard->api->engine)->id_key);
}

/* ---- the list ---- */

static void write_optional_time(struct writer *writer, int64_t wall_ms, bool is_there)
{
    if (is_there)
        write_json_time(writer, wall_ms);
    else
        write_literal(writer, "null");
}

/* Of an erased account nobody can say any more whose it was. */
static void write_recipient(struct flow *flow, struct writer *writer, const struct record *record,
                            bool is_known)
{
    char masked[MAIL_ADDRESS_MAX + 1] = "";
    struct mail_payload payload;

    if (is_known &&
        account_mail_open(flow->shard->api->engine, &flow->account, &flow->key, record->sequence,
                          record->mail.sealed, record->mail.sealed_length, &payload)) {
        mail_address_mask(payload.to, masked);
        password_wipe(&payload, sizeof(payload));
    }
    if (masked[0] != 0)
        write_json_string(writer, masked, strlen(masked));
    else
        write_literal(writer, "null");
}

static void write_mail(struct flow *flow, const struct record *record, bool is_known)
{
    const struct mail_record *mail = &record->mail;
    struct writer *writer = &flow->writer;
    char id[MAIL_ID_LENGTH_MAX];
    char name[MAIL_NAME_LENGTH + 1];

    courier_mail_name(flow->shard->api->engine, &flow->account, record->sequence, name);
    if (flow->list_count++ > 0)
        write_byte(writer, ',');
    write_literal(writer, "{\"id\":");
    write_json_string(writer, id, format_id(&flow->account, record->sequence, id));
    write_literal(writer, ",\"state\":\"");
    write_text(writer, state_names[mail->state]);
    write_literal(writer, "\",\"template\":\"");
    write_text(writer, mail->template <MAIL_KIND_COUNT
                                           ? mail_kind_name((enum mail_kind)mail->template)
                                           : "unknown");
    write_literal(writer, "\",\"recipient\":");
    write_recipient(flow, writer, record, is_known);
    write_literal(writer, ",\"message_id\":\"");
    write_text(writer, name);
    write_literal(writer, "\",\"created_at\":");
    write_json_time(writer, mail->created_wall_ms);
    write_literal(writer, ",\"attempts\":");
    write_unsigned(writer, mail->attempts);
    write_literal(writer, ",\"next_attempt_at\":");
    write_optional_time(writer, mail->next_wall_ms, mail->state == MAIL_WAITING);
    write_literal(writer, ",\"reason\":");
    if (mail->reason[0] != 0)
        write_json_string(writer, mail->reason, strnlen(mail->reason, sizeof(mail->reason)));
    else
        write_literal(writer, "null");
    write_byte(writer, '}');
}

static void list_end(struct flow *flow, bool is_all)
{
    const struct outbound *outbound = flow->shard->api->options.outbound;
    struct writer writer = flow->writer;
    char id[MAIL_ID_LENGTH_MAX];

    drop_records(flow);
    write_literal(&writer, "],\"mail_server\":");
    write_boolean(&writer, outbound != NULL && outbound_has_mail(outbound));
    write_literal(&writer, ",\"next_cursor\":");
    if (is_all)
        write_literal(&writer, "null");
    else
        write_json_string(&writer, id, format_id(&flow->last, flow->mail, id));
    write_byte(&writer, '}');
    flow->writer = (struct writer){0};
    flow_respond_json(flow, 200, &writer);
}

static void list_got(struct flow *flow, enum outcome outcome);
static void on_page(struct engine_read *read);

static void list_more(struct flow *flow)
{
    const struct secrets_port *secrets = engine_secrets(flow->shard->api->engine);
    struct journal_key from = {0};

    if (account_principal_parse(&flow->last, &secrets->id_key, &from.partition, &from.subject))
        from.sequence = flow->mail + 1;
    read_mails(flow, &from, LIST_PAGE_MAX, on_page);
}

static void list_next(struct flow *flow)
{
    bool is_end = flow->read.read.count < LIST_PAGE_MAX;
    const struct record *record;

    while ((record = current(flow)) != NULL && flow->list_count < flow->list_limit) {
        flow->last = account_of(flow, record);
        flow->mail = record->sequence;
        if (flow->mail_state == STATE_ANY || flow->mail_state == record->mail.state) {
            flow->account = flow->last;
            flow_get(flow, list_got);
            return;
        }
        flow->read_offset += record->size;
    }
    if (record != NULL || is_end || ++flow->tries == SCAN_READS_MAX) {
        list_end(flow, record == NULL && is_end);
        return;
    }
    drop_records(flow);
    list_more(flow);
}

static void list_got(struct flow *flow, enum outcome outcome)
{
    const struct record *record = current(flow);

    if (outcome != OUTCOME_OK && outcome != OUTCOME_NOT_FOUND) {
        drop_records(flow);
        flow_refuse(flow, outcome);
        return;
    }
    write_mail(flow, record, outcome == OUTCOME_OK);
    flow->read_offset += record->size;
    list_next(flow);
}

static void on_page(struct engine_read *read)
{
    struct flow *flow = read->user;

    if (read->read.failed) {
        drop_records(flow);
        flow_refuse(flow, OUTCOME_OUTCOME_UNKNOWN);
        return;
    }
    list_next(flow);
}

static int8_t read_state(struct api_call *call, struct validation *validation)
{
    char text[16];
    int length = http_query_parameter(call->exchange, "state", 0, text, sizeof(text));

    for (int8_t state = MAIL_WAITING; length > 0 && state <= MAIL_DEAD; state++)
        if (strcmp(state_names[state], text) == 0)
            return state;
    if (length != HTTP_ABSENT)
        validation_add(validation, FIELD("state"), "must be waiting or dead");
    return STATE_ANY;
}

void api_mail_list(struct api_call *call)
{
    static const char *const names[] = {"state", "limit", "cursor", NULL};
    char cursor[CURSOR_LENGTH_MAX + 1];
    struct validation validation;
    struct principal after = {{0}};
    struct journal_key from = {0};
    struct flow *flow;

    validation_init(&validation);
    request_check_query(call, &validation, names, NULL);
    int8_t state = read_state(call, &validation);
    uint32_t limit = request_limit(call, &validation);
    size_t length = request_cursor(call, &validation, cursor);
    if (length > 0 && !parse_id(call->shard->api->engine, cursor, length, &after, &from))
        request_cursor_invalid(&validation);
    if (validation.count > 0) {
        validation_respond(&validation, call->exchange);
        return;
    }
    flow = flow_start(call);
    if (flow == NULL)
        return;
    flow->mail_state = state;
    flow->list_limit = limit;
    flow->last = after;
    flow->mail = from.sequence;
    flow->writer = writer_growing();
    write_literal(&flow->writer, "{\"data\":[");
    list_more(flow);
}

/* ---- once more ---- */

static void log_replay(const struct flow *flow)
{
    char id[MAIL_ID_LENGTH_MAX];
    struct log_line line;

    log_begin(&line, LOG_INFO, "mail_replayed", engine_now(flow->shard->api->engine).wall_ms);
    log_bytes(&line, "mail", id, format_id(&flow->account, flow->mail, id));
    log_end(&line);
}

static void replayed(struct flow *flow, enum outcome outcome)
{
    if (outcome == OUTCOME_STALE) {
        flow_problem(flow, PROBLEM_OVERLOADED, "The mail is on its way just now.");
    } else if (outcome == OUTCOME_OK && flow->answer->view.state == ACCOUNT_ERASED &&
               !account_can_say_goodbye(&flow->answer->view, &flow->answer->key, flow->mail)) {
        flow_refuse(flow, OUTCOME_NOT_FOUND); /* and now it is gone */
    } else if (outcome == OUTCOME_OK) {
        log_replay(flow);
        flow_respond(flow, 202);
    } else {
        flow_refuse(flow, outcome);
    }
}

static void replay(struct flow *flow, const struct mail_record *mail)
{
    struct account_envelope *envelope = flow_envelope(flow, ACCOUNT_CALL_MAIL_RESULT);

    if (envelope != NULL) {
        envelope->mail = flow->mail;
        envelope->mail_result = MAIL_REPLAYED;
        envelope->mail_template = mail->template;
        envelope->mail_created_wall_ms = mail->created_wall_ms;
        envelope->sealed_mail_length = mail->sealed_length;
        memcpy(envelope->sealed_mail, mail->sealed, mail->sealed_length);
    }
    drop_records(flow);
    flow_call(flow, envelope, replayed);
}

static void on_mail(struct engine_read *read)
{
    struct flow *flow = read->user;
    const struct record *record = read->read.failed ? NULL : current(flow);
    struct principal account = {{0}};

    if (record != NULL)
        account = account_of(flow, record);
    if (read->read.failed) {
        drop_records(flow);
        flow_refuse(flow, OUTCOME_OUTCOME_UNKNOWN);
    } else if (record == NULL || record->sequence != flow->mail ||
               !principal_equal(&account, &flow->account)) {
        drop_records(flow);
        flow_refuse(flow, OUTCOME_NOT_FOUND);
    } else {
        replay(flow, &record->mail);
    }
}

void api_mail_replay(struct api_call *call)
{
    char text[ID_TEXT_LENGTH_MAX + 1];
    struct principal account;
    struct journal_key key = {0};
    struct flow *flow;
    size_t length;

    if (!request_path_id(call, text, &length))
        return;
    if (!parse_id(call->shard->api->engine, text, length, &account, &key)) {
        respond_outcome(call->exchange, OUTCOME_NOT_FOUND);
        return;
    }
    if (!request_empty_object(call))
        return;
    flow = flow_start(call);
    if (flow == NULL)
        return;
    flow->account = account;
    flow->mail = key.sequence;
    read_mails(flow, &key, 1, on_mail);
}
