/* SPDX-License-Identifier: Apache-2.0 */
/* Mails that have not gone out, for staff: those that wait and the dead letters, first accounts',
 * then orders'. Of private data only the receiver is told, masked.
 *
 * A mail's ID: `mail_`, the account's or the order's as in its own ID, `_` and the mail's number.
 */
#include <stdlib.h>
#include <string.h>

#include "api/account_mail.h"
#include "api/courier.h"
#include "api/flow.h"
#include "api/log.h"
#include "api/order_mail.h"
#include "api/order_person.h"
#include "api/request.h"
#include "outbound/outbound.h"

enum {
    OWNER_PREFIX = 4, /* cus_, ord_ */
    MAIL_PREFIX = 5,  /* mail_ */
    ACCOUNT_DIGITS = ACCOUNT_ID_LENGTH - OWNER_PREFIX,
    ORDER_DIGITS = RESERVATION_ID_LENGTH - OWNER_PREFIX,
    MAIL_ID_LENGTH_MAX = MAIL_PREFIX + ORDER_DIGITS + 1 + ROW_TEXT_LENGTH,
    SCAN_READS_MAX = 20, /* for one page, of LIST_PAGE_MAX mails each */
    STATE_ANY = -1,
};

_Static_assert((int)ACCOUNT_DIGITS < (int)ORDER_DIGITS, "their lengths tell owners apart");
_Static_assert((int)MAIL_ID_LENGTH_MAX <= (int)CURSOR_LENGTH_MAX, "an ID is a cursor too");
_Static_assert((int)MAIL_ID_LENGTH_MAX <= (int)ID_TEXT_LENGTH_MAX, "and fits a path");

static const char *const state_names[] = {[MAIL_WAITING] = "waiting", [MAIL_DEAD] = "dead"};

/* ---- IDs ---- */

static size_t format_id(const struct engine *engine, const struct mail_name *mail,
                        char text_out[MAIL_ID_LENGTH_MAX])
{
    struct writer writer = writer_fixed(text_out, MAIL_ID_LENGTH_MAX);
    char owner[RESERVATION_ID_LENGTH + 1];
    char number[ROW_TEXT_LENGTH + 1];

    if (mail->is_of_order)
        order_id_format(&mail->order, &engine_secrets(engine)->id_key, owner);
    else
        account_id_format(&mail->account, owner);
    row_number_format(mail->number, number);
    write_literal(&writer, "mail_");
    write_bytes(&writer, owner + OWNER_PREFIX, mail->is_of_order ? ORDER_DIGITS : ACCOUNT_DIGITS);
    write_byte(&writer, '_');
    write_bytes(&writer, number, ROW_TEXT_LENGTH);
    return writer_length(&writer);
}

/* False: no ID of this store's. */
static bool parse_id(const struct engine *engine, const char *text, size_t length,
                     struct mail_name *mail_out)
{
    const struct hash_key *secret = &engine_secrets(engine)->id_key;
    char owner[RESERVATION_ID_LENGTH] = "cus_";
    size_t digits = length - MAIL_PREFIX - 1 - ROW_TEXT_LENGTH;
    uint32_t partition;
    uint32_t number;

    *mail_out = (struct mail_name){0};
    if (length <= MAIL_PREFIX + 1 + ROW_TEXT_LENGTH || memcmp(text, "mail_", MAIL_PREFIX) != 0 ||
        (digits != ACCOUNT_DIGITS && digits != ORDER_DIGITS) || text[MAIL_PREFIX + digits] != '_')
        return false;
    mail_out->is_of_order = digits == ORDER_DIGITS;
    if (mail_out->is_of_order)
        memcpy(owner, "ord_", OWNER_PREFIX);
    memcpy(owner + OWNER_PREFIX, text + MAIL_PREFIX, digits);
    mail_out->number = row_number_parse(text + MAIL_PREFIX + digits + 1, ROW_TEXT_LENGTH);
    if (mail_out->number == 0)
        return false;
    if (mail_out->is_of_order)
        return mail_out->number <= UINT32_MAX &&
               order_id_parse(owner, RESERVATION_ID_LENGTH, secret, &mail_out->order);
    return account_id_parse(owner, ACCOUNT_ID_LENGTH, &mail_out->account) &&
           account_principal_parse(&mail_out->account, secret, &partition, &number);
}

/* Where its record lies. */
static struct journal_key place_of(const struct engine *engine, const struct mail_name *mail)
{
    struct journal_key key = {.partition = mail->order.partition};

    if (mail->is_of_order) {
        key.subject = order_mail_occasion_of(mail->number);
        key.sequence = mail->order.sequence;
    } else if (account_principal_parse(&mail->account, &engine_secrets(engine)->id_key,
                                       &key.partition, &key.subject)) {
        key.sequence = mail->number;
    }
    return key;
}

static struct mail_name name_of(const struct flow *flow, const struct record *record)
{
    const struct hash_key *secret = &engine_secrets(flow->shard->api->engine)->id_key;

    if (record->kind == RECORD_ORDER_MAIL)
        return (struct mail_name){
            .is_of_order = true,
            .order = {.created_ms = record->order_mail.order_created_wall_ms,
                      .sequence = record->sequence,
                      .partition = record->partition},
            .number = order_mail_number(record->subject),
        };
    return (struct mail_name){
        .account = account_principal(record->partition, record->subject, secret),
        .number = record->sequence,
    };
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

static void read_mails(struct flow *flow, enum record_kind kind, const struct journal_key *from,
                       uint32_t limit, void (*done)(struct engine_read *read))
{
    enum outcome outcome;

    memset(&flow->read, 0, sizeof(flow->read));
    flow->read.read.kind = kind;
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

/* ---- the list ---- */

static void write_optional_time(struct writer *writer, int64_t wall_ms, bool is_there)
{
    if (is_there)
        write_json_time(writer, wall_ms);
    else
        write_literal(writer, "null");
}

/* What accounts' and orders' mails have in common. */
struct mail_view {
    const char *template;
    const char *reason;
    size_t reason_length;
    int64_t created_wall_ms;
    int64_t next_wall_ms;
    uint8_t state;
    uint8_t attempts;
};

static struct mail_view view_of(const struct record *record)
{
    const struct order_mail_record *of_order = &record->order_mail;
    const struct mail_record *mail = &record->mail;

    if (record->kind == RECORD_ORDER_MAIL)
        return (struct mail_view){
            .template = mail_kind_name(order_mail_template((enum order_mail_kind)of_order->kind)),
            .reason = of_order->reason,
            .reason_length = strnlen(of_order->reason, sizeof(of_order->reason)),
            .created_wall_ms = of_order->created_wall_ms,
            .next_wall_ms = of_order->next_wall_ms,
            .state = of_order->state,
            .attempts = of_order->attempts,
        };
    return (struct mail_view){
        .template = mail->template <MAIL_KIND_COUNT ? mail_kind_name((enum mail_kind)mail->template)
                                                    : "unknown",
                                    .reason = mail->reason,
                                    .reason_length = strnlen(mail->reason, sizeof(mail->reason)),
                                    .created_wall_ms = mail->created_wall_ms,
                                    .next_wall_ms = mail->next_wall_ms, .state = mail->state,
                                    .attempts = mail->attempts,
        };
}

/* Of who was forgotten nobody can say any more whose it was. */
static void open_recipient(const struct flow *flow, const struct record *record,
                           char masked_out[MAIL_ADDRESS_MAX + 1])
{
    const struct engine *engine = flow->shard->api->engine;
    const struct order_envelope *order = flow->order;
    char email[EMAIL_LENGTH_MAX + 1];
    struct mail_payload payload;
    size_t length;

    if (record->kind == RECORD_ORDER_MAIL) {
        if (order_email_open(engine, &order->order, &order->person, email, &length) ==
            ORDER_PERSON_OPEN)
            mail_address_mask(email, masked_out);
        password_wipe(email, sizeof(email));
    } else if (account_mail_open(engine, &flow->account, &flow->key, record->sequence,
                                 record->mail.sealed, record->mail.sealed_length, &payload)) {
        mail_address_mask(payload.to, masked_out);
        password_wipe(&payload, sizeof(payload));
    }
}

static void write_recipient(struct flow *flow, struct writer *writer, const struct record *record,
                            bool is_known)
{
    char masked[MAIL_ADDRESS_MAX + 1] = "";

    if (is_known)
        open_recipient(flow, record, masked);
    if (masked[0] != 0)
        write_json_string(writer, masked, strlen(masked));
    else
        write_literal(writer, "null");
}

static void write_order_id(struct writer *writer, const struct engine *engine,
                           const struct mail_name *mail)
{
    char id[RESERVATION_ID_LENGTH + 1];

    write_literal(writer, ",\"order_id\":");
    if (mail->is_of_order) {
        order_id_format(&mail->order, &engine_secrets(engine)->id_key, id);
        write_json_string(writer, id, RESERVATION_ID_LENGTH);
    } else {
        write_literal(writer, "null");
    }
}

static void write_message_id(struct writer *writer, const struct engine *engine,
                             const struct mail_name *mail)
{
    char name[MAIL_NAME_LENGTH + 1];
    struct principal owner = mail->account;
    uint64_t number = mail->number;

    if (mail->is_of_order) {
        owner = order_mail_owner(mail->order.partition, mail->order.sequence);
        number = order_mail_occasion_of(mail->number);
    }
    courier_mail_name(engine, &owner, number, name);
    write_literal(writer, ",\"message_id\":\"");
    write_text(writer, name);
    write_byte(writer, '"');
}

static void write_mail(struct flow *flow, const struct record *record, bool is_known)
{
    const struct engine *engine = flow->shard->api->engine;
    const struct mail_view mail = view_of(record);
    struct writer *writer = &flow->writer;
    char id[MAIL_ID_LENGTH_MAX];

    if (flow->list_count++ > 0)
        write_byte(writer, ',');
    write_literal(writer, "{\"id\":");
    write_json_string(writer, id, format_id(engine, &flow->mail, id));
    write_literal(writer, ",\"state\":\"");
    write_text(writer, state_names[mail.state]);
    write_literal(writer, "\",\"template\":\"");
    write_text(writer, mail.template);
    write_byte(writer, '"');
    write_order_id(writer, engine, &flow->mail);
    write_literal(writer, ",\"recipient\":");
    write_recipient(flow, writer, record, is_known);
    write_message_id(writer, engine, &flow->mail);
    write_literal(writer, ",\"created_at\":");
    write_json_time(writer, mail.created_wall_ms);
    write_literal(writer, ",\"attempts\":");
    write_unsigned(writer, mail.attempts);
    write_literal(writer, ",\"next_attempt_at\":");
    write_optional_time(writer, mail.next_wall_ms, mail.state == MAIL_WAITING);
    write_literal(writer, ",\"reason\":");
    if (mail.reason_length > 0)
        write_json_string(writer, mail.reason, mail.reason_length);
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
        write_json_string(&writer, id, format_id(flow->shard->api->engine, &flow->mail, id));
    write_byte(&writer, '}');
    flow->writer = (struct writer){0};
    flow_respond_json(flow, 200, &writer);
}

static void list_got(struct flow *flow, enum outcome outcome);
static void on_page(struct engine_read *read);

/* From behind the last one on; orders' begin where accounts' have ended. */
static void list_more(struct flow *flow, enum record_kind kind)
{
    struct journal_key from = {0};

    if (flow->mail.number != 0 && flow->mail.is_of_order == (kind == RECORD_ORDER_MAIL)) {
        from = place_of(flow->shard->api->engine, &flow->mail);
        from.sequence++;
    }
    read_mails(flow, kind, &from, LIST_PAGE_MAX, on_page);
}

/* Whose it is, who must be asked for the receiver. */
static void ask_owner(struct flow *flow)
{
    struct order_envelope *envelope;

    if (!flow->mail.is_of_order) {
        flow->account = flow->mail.account;
        flow_get(flow, list_got);
        return;
    }
    envelope = order_envelope_create(ORDER_CALL_GET);
    if (envelope != NULL)
        envelope->id = flow->mail.order;
    flow_ask_order(flow, envelope, list_got);
}

static void list_next(struct flow *flow)
{
    bool is_end = flow->read.read.count < LIST_PAGE_MAX;
    enum record_kind kind = flow->read.read.kind;
    const struct record *record;

    while ((record = current(flow)) != NULL && flow->list_count < flow->list_limit) {
        flow->mail = name_of(flow, record);
        if (flow->mail_state == STATE_ANY || flow->mail_state == view_of(record).state) {
            ask_owner(flow);
            return;
        }
        flow->read_offset += record->size;
    }
    if (record == NULL && is_end && kind == RECORD_MAIL) {
        drop_records(flow);
        list_more(flow, RECORD_ORDER_MAIL);
        return;
    }
    if (record != NULL || is_end || ++flow->tries == SCAN_READS_MAX) {
        list_end(flow, record == NULL && is_end);
        return;
    }
    drop_records(flow);
    list_more(flow, kind);
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
    struct mail_name after = {0};
    struct validation validation;
    struct flow *flow;

    validation_init(&validation);
    request_check_query(call, &validation, names, NULL);
    int8_t state = read_state(call, &validation);
    uint32_t limit = request_limit(call, &validation);
    size_t length = request_cursor(call, &validation, cursor);
    if (length > 0 && !parse_id(call->shard->api->engine, cursor, length, &after))
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
    flow->mail = after;
    flow->writer = writer_growing();
    write_literal(&flow->writer, "{\"data\":[");
    list_more(flow, after.is_of_order ? RECORD_ORDER_MAIL : RECORD_MAIL);
}

/* ---- once more ---- */

static void log_replay(const struct flow *flow)
{
    char id[MAIL_ID_LENGTH_MAX];
    struct log_line line;

    log_begin(&line, LOG_INFO, "mail_replayed", engine_now(flow->shard->api->engine).wall_ms);
    log_bytes(&line, "mail", id, format_id(flow->shard->api->engine, &flow->mail, id));
    log_end(&line);
}

/* Of who was forgotten meanwhile it is gone. */
static bool is_gone(const struct flow *flow)
{
    if (flow->mail.is_of_order)
        return flow->order->person.key_length == 0;
    return flow->answer->view.state == ACCOUNT_ERASED &&
           !account_can_say_goodbye(&flow->answer->view, &flow->answer->key, flow->mail.number);
}

static void replayed(struct flow *flow, enum outcome outcome)
{
    if (outcome == OUTCOME_STALE) {
        flow_problem(flow, PROBLEM_OVERLOADED, "The mail is on its way just now.");
    } else if (outcome == OUTCOME_OK && is_gone(flow)) {
        flow_refuse(flow, OUTCOME_NOT_FOUND);
    } else if (outcome == OUTCOME_OK) {
        log_replay(flow);
        flow_respond(flow, 202);
    } else {
        flow_refuse(flow, outcome);
    }
}

static void replay_of_account(struct flow *flow, const struct mail_record *mail)
{
    struct account_envelope *envelope;

    flow->account = flow->mail.account;
    envelope = flow_envelope(flow, ACCOUNT_CALL_MAIL_RESULT);
    if (envelope != NULL) {
        envelope->mail = flow->mail.number;
        envelope->mail_result = MAIL_REPLAYED;
        envelope->mail_template = mail->template;
        envelope->mail_created_wall_ms = mail->created_wall_ms;
        envelope->sealed_mail_length = mail->sealed_length;
        memcpy(envelope->sealed_mail, mail->sealed, mail->sealed_length);
    }
    drop_records(flow);
    flow_call(flow, envelope, replayed);
}

static void replay_of_order(struct flow *flow, const struct order_mail_record *mail)
{
    struct order_envelope *envelope = order_envelope_create(ORDER_CALL_MAIL_RESULT);

    if (envelope != NULL) {
        envelope->id = flow->mail.order;
        envelope->mail_occasion = order_mail_occasion_of(flow->mail.number);
        envelope->mail_result = MAIL_REPLAYED;
        envelope->mail = *mail;
        envelope->mail.attempts = 0;
        memset(envelope->mail.reason, 0, sizeof(envelope->mail.reason));
    }
    drop_records(flow);
    flow_ask_order(flow, envelope, replayed);
}

static void on_mail(struct engine_read *read)
{
    struct flow *flow = read->user;
    const struct record *record = read->read.failed ? NULL : current(flow);
    struct mail_name found = {0};

    if (record != NULL)
        found = name_of(flow, record);
    if (read->read.failed) {
        drop_records(flow);
        flow_refuse(flow, OUTCOME_OUTCOME_UNKNOWN);
    } else if (record == NULL || found.order.partition != flow->mail.order.partition ||
               found.number != flow->mail.number ||
               !principal_equal(&found.account, &flow->mail.account) ||
               found.order.created_ms != flow->mail.order.created_ms ||
               found.order.sequence != flow->mail.order.sequence) {
        drop_records(flow);
        flow_refuse(flow, OUTCOME_NOT_FOUND);
    } else if (flow->mail.is_of_order) {
        replay_of_order(flow, &record->order_mail);
    } else {
        replay_of_account(flow, &record->mail);
    }
}

void api_mail_replay(struct api_call *call)
{
    char text[ID_TEXT_LENGTH_MAX + 1];
    struct mail_name mail;
    struct journal_key key;
    struct flow *flow;
    size_t length;

    if (!request_path_id(call, text, &length))
        return;
    if (!parse_id(call->shard->api->engine, text, length, &mail)) {
        respond_outcome(call->exchange, OUTCOME_NOT_FOUND);
        return;
    }
    if (!request_empty_object(call))
        return;
    flow = flow_start(call);
    if (flow == NULL)
        return;
    flow->mail = mail;
    key = place_of(call->shard->api->engine, &mail);
    read_mails(flow, mail.is_of_order ? RECORD_ORDER_MAIL : RECORD_MAIL, &key, 1, on_mail);
}
