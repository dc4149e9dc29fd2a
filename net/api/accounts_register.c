/* SPDX-License-Identifier: Apache-2.0 */
/* Registering, and what a token from a mail is good for. What is answered does not depend on
 * whether an address is known, nor does the work that is done before the answer: an address that is
 * taken gets a mail that says so. */
#include <string.h>

#include "api/account_fields.h"
#include "api/account_mail.h"
#include "api/account_view.h"
#include "api/login.h"
#include "api/private_data.h"
#include "api/sessions.h"
#include "api/throttle.h"

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

/* ---- tokens ---- */

/* Puts a token of the flow's account into the envelope, and a mail with it to flow->email. */
static void put_token(struct flow *flow, struct account_envelope *envelope,
                      enum token_purpose purpose, enum mail_kind kind, int64_t lifetime_ms)
{
    const struct engine *engine = flow->shard->api->engine;
    struct account_mail mail = {
        .kind = kind, .to = flow->email, .token = flow->token, .lifetime_ms = lifetime_ms};
    uint8_t random[ACCOUNT_TOKEN_RANDOM_BYTES];

    if (envelope == NULL)
        return;
    shard_random(flow->shard->shard, random, sizeof(random));
    account_token_make(engine_secrets(engine), ACCOUNT_TOKEN_MAIL, &flow->account, random,
                       flow->token);
    account_token_hash(flow->token, envelope->hash);
    envelope->purpose = (uint8_t)purpose;
    envelope->lifetime_ms = lifetime_ms;
    if (kind == MAIL_ALREADY_REGISTERED)
        mail.token = NULL;
    if (kind != MAIL_KIND_COUNT)
        (void)account_mail_put(flow, &mail, envelope);
}

static struct account_envelope *issue(struct flow *flow, enum token_purpose purpose,
                                      enum mail_kind kind, int64_t lifetime_ms)
{
    struct account_envelope *envelope = flow_envelope(flow, ACCOUNT_CALL_TOKEN_ISSUE);

    put_token(flow, envelope, purpose, kind, lifetime_ms);
    return envelope;
}

/* ---- registering ---- */

static void send_registration(struct flow *flow);

static void mail_enqueued(struct flow *flow, enum outcome outcome)
{
    if (outcome == OUTCOME_OK)
        flow_respond(flow, 202);
    else
        flow_refuse(flow, outcome);
}

/* Registered before, but not verified, by who knows whom: so nobody's password is taken over.
 * Whoever has the mailbox chooses one. */
static void pending_noted(struct flow *flow, enum outcome outcome)
{
    if (outcome == OUTCOME_OK)
        flow_call(flow, issue(flow, TOKEN_RESET, MAIL_RESET_PASSWORD, TOKEN_RESET_MS),
                  mail_enqueued);
    else
        flow_refuse(flow, outcome);
}

static void taken_noted(struct flow *flow, enum outcome outcome)
{
    if (outcome == OUTCOME_OK)
        flow_call(flow, issue(flow, TOKEN_VERIFY, MAIL_ALREADY_REGISTERED, TOKEN_VERIFY_MS),
                  mail_enqueued);
    else
        flow_refuse(flow, outcome);
}

static void stale_released(struct flow *flow, enum outcome outcome)
{
    if (outcome != OUTCOME_OK)
        flow_refuse(flow, outcome);
    else if (++flow->tries == 3)
        flow_refuse(flow, OUTCOME_OVERLOADED);
    else
        send_registration(flow);
}

/* An entry whose account does not have the address: what was begun and not ended (an erasure, a
 * change of address) is ended here. */
static bool is_stale_entry(const struct flow *flow)
{
    const struct account_record *view = &flow->answer->view;

    if (view->state == ACCOUNT_ERASED || view->state == ACCOUNT_NONE)
        return true;
    return memcmp(view->email_index, flow->index, EMAIL_INDEX_BYTES) != 0 &&
           !(view->has_new_email &&
             memcmp(view->new_email_index, flow->index, EMAIL_INDEX_BYTES) == 0);
}

/* As many commits as for an address that is new. */
static void taken_got(struct flow *flow, enum outcome outcome)
{
    const struct account_record *view;
    bool is_pending;

    if (outcome != OUTCOME_OK && outcome != OUTCOME_NOT_FOUND) {
        flow_refuse(flow, outcome);
        return;
    }
    if (outcome == OUTCOME_NOT_FOUND || is_stale_entry(flow)) {
        flow_call(flow, flow_envelope(flow, ACCOUNT_CALL_EMAIL_RELEASE), stale_released);
        return;
    }
    if (!flow->shard->api->options.auth_verify) {
        flow_refuse(flow, OUTCOME_EMAIL_TAKEN);
        return;
    }
    view = &flow->answer->view;
    is_pending = view->state == ACCOUNT_PENDING && view->role == ROLE_CUSTOMER;
    /* The link that was sent before is good no more. */
    flow_call(flow, issue(flow, TOKEN_VERIFY, MAIL_KIND_COUNT, TOKEN_VERIFY_MS),
              is_pending ? pending_noted : taken_noted);
}

static void registered(struct flow *flow, enum outcome outcome)
{
    if (outcome == OUTCOME_EMAIL_TAKEN) {
        flow->account = flow->answer->account;
        flow_get(flow, taken_got);
    } else if (outcome != OUTCOME_OK) {
        flow_refuse(flow, outcome);
    } else if (flow->shard->api->options.auth_verify) {
        flow_respond(flow, 202);
    } else {
        flow->is_registration = true;
        login_enter(flow);
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
    envelope = account_registration(flow, ROLE_CUSTOMER);
    if (envelope != NULL) {
        envelope->verified = !flow->shard->api->options.auth_verify;
        login_put_hash(flow, envelope);
        if (!envelope->verified)
            put_token(flow, envelope, TOKEN_VERIFY, MAIL_VERIFY_EMAIL, TOKEN_VERIFY_MS);
    }
    flow_call(flow, envelope, registered);
}

static void send_registration(struct flow *flow)
{
    flow_call(flow, flow_envelope(flow, ACCOUNT_CALL_EMAIL_PREPARE), prepared);
}

static void register_hashed(struct flow *flow, enum outcome outcome)
{
    if (outcome != OUTCOME_OK || !flow->is_made)
        flow_refuse(flow, outcome == OUTCOME_OK ? OUTCOME_OVERLOADED : outcome);
    else
        send_registration(flow);
}

void api_auth_register(struct api_call *call)
{
    static const struct account_field fields[] = {{"email", FIELD_EMAIL, true},
                                                  {"password", FIELD_NEW_PASSWORD, true},
                                                  {"name", FIELD_NAME, false}};
    struct flow *flow;

    if (!csrf_check_origin(call))
        return;
    flow = account_flow_start(call, fields, COUNT_OF(fields));
    if (flow == NULL)
        return;
    if (!throttle_mail(call, flow->index)) {
        flow_end(flow);
        return;
    }
    if (!call->shard->api->options.auth_verify)
        login_note_caller(call, flow);
    login_hash_password(flow, register_hashed);
}

/* ---- verifying an address: a new account's, or one that is to be changed to ---- */

static bool is_current(const struct flow *flow, const struct account_token *token)
{
    uint8_t hash[TOKEN_HASH_BYTES];

    account_token_hash(flow->token, hash);
    return token->expires_wall_ms > flow->shard->now.wall_ms &&
           memcmp(token->hash, hash, sizeof(hash)) == 0;
}

static void token_invalid(struct flow *flow)
{
    flow_problem(flow, PROBLEM_TOKEN_INVALID, NULL);
}

static void released(struct flow *flow, enum outcome outcome)
{
    (void)outcome; /* who registers that address next ends it (is_stale_entry) */
    flow_respond(flow, 204);
}

static void claim_released(struct flow *flow, enum outcome outcome)
{
    (void)outcome;
    token_invalid(flow);
}

/* The token was used, or replaced, while the address was claimed. */
static void confirm_refused(struct flow *flow, enum outcome outcome)
{
    if (outcome == OUTCOME_OK && is_stale_entry(flow))
        flow_call(flow, flow_envelope(flow, ACCOUNT_CALL_EMAIL_RELEASE), claim_released);
    else
        token_invalid(flow);
}

static void confirmed(struct flow *flow, enum outcome outcome)
{
    struct account_envelope *envelope;

    if (outcome == OUTCOME_TOKEN_INVALID) {
        flow_get(flow, confirm_refused);
    } else if (outcome != OUTCOME_OK) {
        flow_refuse(flow, outcome);
    } else if (memcmp(flow->answer->old_index, flow->index, EMAIL_INDEX_BYTES) == 0) {
        flow_respond(flow, 204); /* the same address, written in another way */
    } else {
        envelope = flow_envelope(flow, ACCOUNT_CALL_EMAIL_RELEASE);
        if (envelope != NULL)
            memcpy(envelope->index, flow->answer->old_index, EMAIL_INDEX_BYTES);
        flow_call(flow, envelope, released);
    }
}

static void claimed(struct flow *flow, enum outcome outcome)
{
    struct account_mail mail = {.kind = MAIL_EMAIL_CHANGED, .to = flow->email};
    struct account_envelope *envelope;

    if (outcome != OUTCOME_OK) {
        flow_refuse(flow, outcome);
        return;
    }
    mail.new_email = flow->text;
    envelope = flow_envelope(flow, ACCOUNT_CALL_EMAIL_CONFIRM);
    if (envelope != NULL) {
        account_token_hash(flow->token, envelope->hash);
        (void)account_mail_put(flow, &mail, envelope);
    }
    flow_call(flow, envelope, confirmed);
}

static void change_got(struct flow *flow, enum outcome outcome)
{
    const struct account_record *view;

    if (outcome != OUTCOME_OK) {
        if (outcome == OUTCOME_NOT_FOUND)
            token_invalid(flow);
        else
            flow_refuse(flow, outcome);
        return;
    }
    view = &flow->answer->view;
    if (!view->has_new_email || !is_current(flow, &view->tokens[TOKEN_CHANGE_EMAIL])) {
        token_invalid(flow);
        return;
    }
    if (!account_open_email(flow))
        return;
    if (!private_open(flow->shard->api->engine, &flow->account, &flow->key,
                      private_email(view->new_email_index), view->new_email, view->new_email_length,
                      flow->text, sizeof(flow->text), &flow->text_length)) {
        account_refuse_unreadable(flow, NULL, PRIVATE_EMAIL);
        return;
    }
    memcpy(flow->index, view->new_email_index, EMAIL_INDEX_BYTES);
    flow_call(flow, flow_envelope(flow, ACCOUNT_CALL_EMAIL_CLAIM), claimed);
}

static void verified(struct flow *flow, enum outcome outcome)
{
    if (outcome == OUTCOME_OK)
        flow_respond(flow, 204);
    else if (outcome == OUTCOME_TOKEN_INVALID)
        flow_get(flow, change_got);
    else if (outcome == OUTCOME_NOT_FOUND)
        token_invalid(flow);
    else
        flow_refuse(flow, outcome);
}

void api_auth_verify(struct api_call *call)
{
    static const struct account_field fields[] = {{"token", FIELD_TOKEN, true}};
    struct account_envelope *envelope;
    struct flow *flow;

    if (!throttle_token(call))
        return;
    flow = account_flow_start(call, fields, COUNT_OF(fields));
    if (flow == NULL)
        return;
    if (flow->token[0] == '\0') {
        token_invalid(flow);
        return;
    }
    envelope = flow_envelope(flow, ACCOUNT_CALL_VERIFY);
    if (envelope != NULL)
        account_token_hash(flow->token, envelope->hash);
    flow_call(flow, envelope, verified);
}

/* ---- a forgotten password ---- */

static void forgot_done(struct flow *flow, enum outcome outcome)
{
    (void)outcome; /* answered already; who gets no mail asks again */
    flow_end(flow);
}

static void forgot_got(struct flow *flow, enum outcome outcome)
{
    if (outcome != OUTCOME_OK || is_stale_entry(flow))
        flow_end(flow);
    else if (account_open_email(flow))
        flow_call(flow, issue(flow, TOKEN_RESET, MAIL_RESET_PASSWORD, TOKEN_RESET_MS), forgot_done);
}

/* Answered before anything is done that an unknown address would not cause. */
static void forgot_found(struct flow *flow, enum outcome outcome)
{
    if (outcome != OUTCOME_OK && outcome != OUTCOME_NOT_FOUND) {
        flow_refuse(flow, outcome);
        return;
    }
    flow_respond_early(flow, 202);
    if (outcome == OUTCOME_NOT_FOUND) {
        flow_end(flow);
        return;
    }
    flow->account = flow->answer->account;
    flow_get(flow, forgot_got);
}

void api_auth_forgot(struct api_call *call)
{
    static const struct account_field fields[] = {{"email", FIELD_EMAIL, true}};
    struct flow *flow = account_flow_start(call, fields, COUNT_OF(fields));

    if (flow == NULL)
        return;
    if (!throttle_mail(call, flow->index))
        flow_end(flow);
    else
        flow_call(flow, flow_envelope(flow, ACCOUNT_CALL_EMAIL_FIND), forgot_found);
}

/* ---- a new password by mail: after it was forgotten, or the first of a member of staff ---- */

static void reset_done(struct flow *flow, enum outcome outcome)
{
    if (outcome == OUTCOME_OK)
        flow_respond(flow, 204);
    else if (outcome == OUTCOME_TOKEN_INVALID || outcome == OUTCOME_NOT_FOUND)
        token_invalid(flow);
    else
        flow_refuse(flow, outcome);
}

static void reset_hashed(struct flow *flow, enum outcome outcome)
{
    struct account_mail mail = {.kind = MAIL_PASSWORD_CHANGED, .to = flow->email};
    struct account_envelope *envelope;

    if (outcome != OUTCOME_OK || !flow->is_made) {
        flow_refuse(flow, outcome == OUTCOME_OK ? OUTCOME_OVERLOADED : outcome);
        return;
    }
    envelope = flow_envelope(flow, ACCOUNT_CALL_PASSWORD_RESET);
    if (envelope != NULL) {
        envelope->purpose = (uint8_t)flow->id;
        account_token_hash(flow->token, envelope->hash);
        login_put_hash(flow, envelope);
        if (flow->id == TOKEN_RESET)
            (void)account_mail_put(flow, &mail, envelope);
    }
    flow_call(flow, envelope, reset_done);
}

/* The token is looked at before a password is hashed for it. */
static void reset_got(struct flow *flow, enum outcome outcome)
{
    const struct account_record *view;

    if (outcome != OUTCOME_OK) {
        reset_done(flow, outcome);
        return;
    }
    view = &flow->answer->view;
    if (is_current(flow, &view->tokens[TOKEN_RESET])) {
        flow->id = TOKEN_RESET;
    } else if (is_current(flow, &view->tokens[TOKEN_INVITE])) {
        flow->id = TOKEN_INVITE;
    } else {
        token_invalid(flow);
        return;
    }
    if (account_open_email(flow) && account_password_fits(flow, "password"))
        login_hash_password(flow, reset_hashed);
}

void api_auth_reset(struct api_call *call)
{
    static const struct account_field fields[] = {{"token", FIELD_TOKEN, true},
                                                  {"password", FIELD_NEW_PASSWORD, true}};
    struct flow *flow;

    if (!throttle_token(call))
        return;
    flow = account_flow_start(call, fields, COUNT_OF(fields));
    if (flow == NULL)
        return;
    if (flow->token[0] == '\0')
        token_invalid(flow);
    else
        flow_get(flow, reset_got);
}
