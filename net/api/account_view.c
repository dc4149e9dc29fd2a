/* SPDX-License-Identifier: Apache-2.0 */
#include "api/account_view.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "api/log.h"

const char *account_role_name(enum account_role role)
{
    static const char *const names[ROLE_COUNT] = {
#define X(name, text) [ROLE_##name] = text,
        ACCOUNT_ROLES(X)
#undef X
    };

    assert((unsigned)role < ROLE_COUNT);
    return names[role];
}

void account_refuse_unreadable(struct flow *flow, struct account_envelope *envelope,
                               enum private_field field)
{
    char id[ACCOUNT_ID_LENGTH + 1];
    struct log_line line;

    account_id_format(&flow->account, id);
    log_begin(&line, LOG_ERROR, "private_field_damaged", flow->shard->now.wall_ms);
    log_text(&line, "account", id);
    log_number(&line, "field", (int64_t)field);
    log_end(&line);
    if (envelope != NULL)
        password_wipe(envelope, sizeof(*envelope));
    envelope_free(envelope);
    flow_problem(flow, PROBLEM_PRIVATE_DATA_UNREADABLE,
                 "A stored field of this account cannot be opened.");
}

/* A field that does not open was changed, or is another's: it is not served around. */
static bool open_field(struct flow *flow, struct writer *writer, struct private_place place,
                       const uint8_t *sealed, size_t sealed_length, char *plain_out,
                       size_t capacity, size_t *length_out)
{
    if (private_open(flow->shard->api->engine, &flow->account, &flow->key, place, sealed,
                     sealed_length, plain_out, capacity, length_out))
        return true;
    if (writer != NULL)
        writer_free(writer);
    account_refuse_unreadable(flow, NULL, place.field);
    return false;
}

bool account_open_email(struct flow *flow)
{
    const struct account_record *view = &flow->answer->view;
    size_t length;

    return open_field(flow, NULL, private_email(view->email_index), view->email, view->email_length,
                      flow->email, sizeof(flow->email), &length);
}

/* The members of `{"id","email","name"`, without an end. */
static bool write_head(struct flow *flow, struct writer *writer)
{
    const struct account_record *view = &flow->answer->view;
    char text[NAME_LENGTH_MAX + 1];
    char id[ACCOUNT_ID_LENGTH + 1];
    size_t length;

    _Static_assert((int)NAME_LENGTH_MAX >= (int)EMAIL_LENGTH_MAX, "one buffer for both");
    account_id_format(&view->principal, id);
    write_literal(writer, "{\"id\":\"");
    write_bytes(writer, id, ACCOUNT_ID_LENGTH);
    write_literal(writer, "\",\"email\":");
    if (!open_field(flow, writer, private_email(view->email_index), view->email, view->email_length,
                    text, sizeof(text), &length))
        return false;
    write_json_string(writer, text, length);
    write_literal(writer, ",\"name\":");
    if (view->name_length == 0) {
        write_literal(writer, "null");
        return true;
    }
    if (!open_field(flow, writer, private_single(PRIVATE_NAME, &flow->account), view->name,
                    view->name_length, text, sizeof(text), &length))
        return false;
    write_json_string(writer, text, length);
    return true;
}

bool account_write_customer(struct flow *flow, struct writer *writer)
{
    if (!write_head(flow, writer))
        return false;
    write_byte(writer, '}');
    return true;
}

static void write_time_or_null(struct writer *writer, int64_t wall_ms)
{
    if (wall_ms == 0)
        write_literal(writer, "null");
    else
        write_json_time(writer, wall_ms);
}

bool account_write_profile(struct flow *flow, struct writer *writer, const char *csrf)
{
    const struct account_record *view = &flow->answer->view;
    char text[EMAIL_LENGTH_MAX + 1];
    size_t length;

    if (!write_head(flow, writer))
        return false;
    write_literal(writer, ",\"role\":\"");
    write_text(writer, account_role_name((enum account_role)view->role));
    write_literal(writer, "\",\"status\":\"");
    write_text(writer, view->state == ACCOUNT_ACTIVE ? "active" : "pending");
    write_literal(writer, "\",\"created_at\":");
    write_json_time(writer, view->created_wall_ms);
    write_literal(writer, ",\"verified_at\":");
    write_time_or_null(writer, view->verified_wall_ms);
    write_literal(writer, ",\"new_email\":");
    if (view->has_new_email) {
        if (!open_field(flow, writer, private_email(view->new_email_index), view->new_email,
                        view->new_email_length, text, sizeof(text), &length))
            return false;
        write_json_string(writer, text, length);
    } else {
        write_literal(writer, "null");
    }
    write_literal(writer, ",\"second_factor\":");
    write_boolean(writer, view->totp_length > 0);
    write_literal(writer, ",\"recovery_codes\":");
    write_unsigned(writer, view->recovery_count);
    if (csrf != NULL) {
        write_literal(writer, ",\"csrf_token\":\"");
        write_text(writer, csrf);
        write_byte(writer, '"');
    }
    write_byte(writer, '}');
    return true;
}

enum { PREFIX_LENGTH = 4 };

_Static_assert(PREFIX_LENGTH + ROW_TEXT_LENGTH < ACCOUNT_PART_ID_MAX, "room for both");

void account_session_id_format(uint32_t id, char text_out[ACCOUNT_PART_ID_MAX])
{
    snprintf(text_out, ACCOUNT_PART_ID_MAX, "ses_%u", id);
}

uint32_t account_session_id_parse(const char *text, size_t length)
{
    uint64_t id;

    if (length <= PREFIX_LENGTH || memcmp(text, "ses_", PREFIX_LENGTH) != 0 ||
        text[PREFIX_LENGTH] == '0' ||
        !text_to_unsigned(text + PREFIX_LENGTH, length - PREFIX_LENGTH, UINT32_MAX, &id))
        return 0;
    return (uint32_t)id;
}

void account_address_id_format(uint64_t id, char text_out[ACCOUNT_PART_ID_MAX])
{
    memcpy(text_out, "adr_", PREFIX_LENGTH);
    row_number_format(id, text_out + PREFIX_LENGTH);
}

uint64_t account_address_id_parse(const char *text, size_t length)
{
    if (length <= PREFIX_LENGTH || memcmp(text, "adr_", PREFIX_LENGTH) != 0)
        return 0;
    return row_number_parse(text + PREFIX_LENGTH, length - PREFIX_LENGTH);
}

bool account_write_address(struct flow *flow, struct writer *writer,
                           const struct account_address *address)
{
    char text[ADDRESS_LENGTH_MAX + 1];
    char id[ACCOUNT_PART_ID_MAX];
    size_t length;

    if (!open_field(flow, writer, private_address(address->id), address->sealed, address->length,
                    text, sizeof(text), &length))
        return false;
    account_address_id_format(address->id, id);
    write_literal(writer, "{\"id\":\"");
    write_text(writer, id);
    write_byte(writer, '"');
    write_bytes(writer, text, length); /* its members, as they were rendered when it was read */
    write_byte(writer, '}');
    return true;
}

bool account_write_addresses(struct flow *flow, struct writer *writer)
{
    const struct account_record *view = &flow->answer->view;

    write_byte(writer, '[');
    for (unsigned i = 0; i < view->address_count; i++) {
        if (i > 0)
            write_byte(writer, ',');
        if (!account_write_address(flow, writer, &view->addresses[i]))
            return false;
    }
    write_byte(writer, ']');
    return true;
}

bool account_write_sessions(struct flow *flow, struct writer *writer)
{
    const struct account_record *view = &flow->answer->view;
    bool is_first = true;

    write_byte(writer, '[');
    for (unsigned i = 0; i < view->session_count; i++) {
        const struct account_session *session = &view->sessions[i];
        char agent[AGENT_LENGTH_MAX + 1] = "";
        char id[ACCOUNT_PART_ID_MAX];
        size_t length = 0;
        if (session->expires_wall_ms <= flow->shard->now.wall_ms)
            continue;
        if (session->agent_length > 0 &&
            !open_field(flow, writer, private_agent(session->token_hash), session->agent,
                        session->agent_length, agent, sizeof(agent), &length))
            return false;
        if (!is_first)
            write_byte(writer, ',');
        is_first = false;
        account_session_id_format(session->id, id);
        write_literal(writer, "{\"id\":\"");
        write_text(writer, id);
        write_literal(writer, "\",\"current\":");
        write_boolean(writer, session->id == flow->session);
        write_literal(writer, ",\"created_at\":");
        write_json_time(writer, session->created_wall_ms);
        write_literal(writer, ",\"expires_at\":");
        write_json_time(writer, session->expires_wall_ms);
        write_literal(writer, ",\"second_factor\":");
        write_boolean(writer, session->second_factor != 0);
        write_literal(writer, ",\"agent\":");
        if (length == 0)
            write_literal(writer, "null");
        else
            write_json_string(writer, agent, length);
        write_byte(writer, '}');
    }
    write_byte(writer, ']');
    return true;
}
