/* SPDX-License-Identifier: Apache-2.0 */
/* One's own account: profile, password, address, erasure. What a stolen session could do most harm
 * by takes the password again. */
#include <string.h>

#include "api/account_fields.h"
#include "api/account_mail.h"
#include "api/account_view.h"
#include "api/courier.h"
#include "api/login.h"
#include "api/private_data.h"
#include "api/sessions.h"
#include "api/throttle.h"

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

/* ---- the profile ---- */

static void respond_profile(struct flow *flow, enum outcome outcome)
{
    struct writer writer;

    if (outcome != OUTCOME_OK) {
        flow_refuse(flow, outcome);
        return;
    }
    writer = writer_growing();
    if (account_write_profile(flow, &writer, flow->csrf))
        flow_respond_json(flow, 200, &writer);
}

void api_me_get(struct api_call *call)
{
    struct flow *flow = flow_start(call);

    if (flow != NULL)
        flow_get(flow, respond_profile);
}

static void change_got(struct flow *flow, enum outcome outcome)
{
    struct account_envelope *envelope;

    if (outcome != OUTCOME_OK) {
        flow_refuse(flow, outcome);
        return;
    }
    envelope = flow_envelope(flow, ACCOUNT_CALL_NAME_SET);
    if (envelope != NULL && flow->name_length > 0) {
        envelope->sealed_length =
            (uint16_t)private_seal(flow->shard->api->engine, &flow->account, &flow->key,
                                   private_single(PRIVATE_NAME, &flow->account), flow->name,
                                   flow->name_length, envelope->sealed, SEALED_NAME_MAX);
        if (envelope->sealed_length == 0) {
            account_refuse_unreadable(flow, envelope, PRIVATE_NAME);
            return;
        }
    }
    flow_call(flow, envelope, respond_profile);
}

void api_me_change(struct api_call *call)
{
    static const struct account_field fields[] = {{"name", FIELD_NAME, true}};
    struct flow *flow = account_flow_start(call, fields, COUNT_OF(fields));

    if (flow != NULL)
        flow_get(flow, change_got);
}

/* ---- the password ---- */

static void done(struct flow *flow, enum outcome outcome)
{
    if (outcome == OUTCOME_OK)
        flow_respond(flow, 204);
    else
        flow_refuse(flow, outcome);
}

static void password_hashed(struct flow *flow, enum outcome outcome)
{
    struct account_mail mail = {.kind = MAIL_PASSWORD_CHANGED, .to = flow->email};
    struct account_envelope *envelope;

    if (outcome != OUTCOME_OK || !flow->is_made) {
        flow_refuse(flow, outcome == OUTCOME_OK ? OUTCOME_OVERLOADED : outcome);
        return;
    }
    envelope = flow_envelope(flow, ACCOUNT_CALL_PASSWORD_CHANGE);
    if (envelope != NULL) {
        envelope->credentials = flow->credentials;
        memcpy(envelope->hash, flow->token_hash, sizeof(envelope->hash));
        login_put_hash(flow, envelope);
        (void)account_mail_put(flow, &mail, envelope);
    }
    flow_call(flow, envelope, done);
}

static void password_proven(struct flow *flow, enum outcome outcome)
{
    (void)outcome;
    flow->credentials = flow->answer->view.credentials;
    if (account_open_email(flow) && account_password_fits(flow, "new_password"))
        login_hash_password(flow, password_hashed);
}

void api_me_password(struct api_call *call)
{
    static const struct account_field fields[] = {{"password", FIELD_PASSWORD, true},
                                                  {"new_password", FIELD_NEW_PASSWORD, true}};
    struct flow *flow;

    if (!throttle_password(call))
        return;
    flow = account_flow_start_keyed(call, fields, COUNT_OF(fields));
    if (flow != NULL)
        login_reauthenticate(flow, password_proven);
}

/* ---- the address ---- */

static void email_released(struct flow *flow, enum outcome outcome)
{
    (void)outcome; /* who registers that address next ends it (accounts_register.c) */
    flow_get(flow, respond_profile);
}

static void email_changed_now(struct flow *flow, enum outcome outcome)
{
    struct account_envelope *envelope;

    if (outcome != OUTCOME_OK) {
        flow_refuse(flow, outcome);
    } else if (memcmp(flow->answer->old_index, flow->index, EMAIL_INDEX_BYTES) == 0) {
        respond_profile(flow, OUTCOME_OK);
    } else {
        envelope = flow_envelope(flow, ACCOUNT_CALL_EMAIL_RELEASE);
        if (envelope != NULL)
            memcpy(envelope->index, flow->answer->old_index, EMAIL_INDEX_BYTES);
        flow_call(flow, envelope, email_released);
    }
}

/* Without verification: what the token would do is done at once. */
static void email_claimed_now(struct flow *flow, enum outcome outcome)
{
    struct account_envelope *envelope;

    if (outcome != OUTCOME_OK) {
        flow_refuse(flow, outcome);
        return;
    }
    envelope = flow_envelope(flow, ACCOUNT_CALL_EMAIL_CONFIRM);
    if (envelope != NULL)
        account_token_hash(flow->token, envelope->hash);
    flow_call(flow, envelope, email_changed_now);
}

/* With verification nobody is told here whose the address is: who confirms it is. */
static void email_waits(struct flow *flow, enum outcome outcome)
{
    if (outcome != OUTCOME_OK)
        flow_refuse(flow, outcome);
    else if (flow->shard->api->options.auth_verify)
        flow_respond(flow, 202);
    else
        flow_call(flow, flow_envelope(flow, ACCOUNT_CALL_EMAIL_CLAIM), email_claimed_now);
}

static void email_proven(struct flow *flow, enum outcome outcome)
{
    const struct engine *engine = flow->shard->api->engine;
    struct account_mail mail = {.kind = MAIL_VERIFY_EMAIL,
                                .to = flow->email,
                                .token = flow->token,
                                .lifetime_ms = TOKEN_CHANGE_EMAIL_MS};
    struct account_envelope *envelope;
    uint8_t random[ACCOUNT_TOKEN_RANDOM_BYTES];

    (void)outcome;
    shard_random(flow->shard->shard, random, sizeof(random));
    account_token_make(engine_secrets(engine), ACCOUNT_TOKEN_MAIL, &flow->account, random,
                       flow->token);
    envelope = flow_envelope(flow, ACCOUNT_CALL_EMAIL_CHANGE);
    if (envelope != NULL) {
        envelope->credentials = flow->credentials;
        account_token_hash(flow->token, envelope->hash);
        envelope->lifetime_ms = TOKEN_CHANGE_EMAIL_MS;
        envelope->email_length = (uint16_t)private_seal(
            engine, &flow->account, &flow->key, private_email(flow->index), flow->email,
            strlen(flow->email), envelope->email, SEALED_EMAIL_MAX);
        if (envelope->email_length == 0) {
            account_refuse_unreadable(flow, envelope, PRIVATE_EMAIL);
            return;
        }
        if (flow->shard->api->options.auth_verify)
            (void)account_mail_put(flow, &mail, envelope);
    }
    flow_call(flow, envelope, email_waits);
}

void api_me_email(struct api_call *call)
{
    static const struct account_field fields[] = {{"email", FIELD_EMAIL, true},
                                                  {"password", FIELD_PASSWORD, true}};
    struct flow *flow;

    if (!throttle_password(call))
        return;
    flow = account_flow_start_keyed(call, fields, COUNT_OF(fields));
    if (flow == NULL)
        return;
    if (!throttle_mail(call, flow->index))
        flow_end(flow);
    else
        login_reauthenticate(flow, email_proven);
}

/* ---- the end ---- */

static void erased_released(struct flow *flow, enum outcome outcome)
{
    struct http_exchange *exchange = flow_exchange(flow);

    (void)outcome; /* who registers that address next ends it (accounts_register.c) */
    if (exchange != NULL)
        session_take_back(flow->shard, exchange);
    flow_respond(flow, 204);
}

static void erased(struct flow *flow, enum outcome outcome)
{
    struct account_envelope *envelope;

    if (outcome != OUTCOME_OK) {
        flow_refuse(flow, outcome);
        return;
    }
    envelope = flow_envelope(flow, ACCOUNT_CALL_EMAIL_RELEASE);
    if (envelope != NULL)
        memcpy(envelope->index, flow->answer->old_index, EMAIL_INDEX_BYTES);
    flow_call(flow, envelope, erased_released);
}

/* The mail that says so is sealed under a key of its own, which goes with it. Without a way for it,
 * or where the address can't be read any more, there is none: the erasure does not wait for it. */
static void put_goodbye(const struct flow *flow, struct account_envelope *envelope)
{
    const struct engine *engine = flow->shard->api->engine;
    const struct account_record *view = &flow->answer->view;
    char email[EMAIL_LENGTH_MAX + 1];
    struct account_mail mail = {.kind = MAIL_ACCOUNT_DELETED, .to = email};
    size_t length;

    if (!courier_has_way(flow->shard->api) ||
        !private_open(engine, &flow->account, &flow->key, private_email(view->email_index),
                      view->email, view->email_length, email, sizeof(email), &length))
        return;
    private_key_make(engine, &flow->account, &envelope->key);
    (void)account_mail_put_under(flow, &envelope->key, &mail, envelope);
    password_wipe(email, sizeof(email));
}

static void erase_proven(struct flow *flow, enum outcome outcome)
{
    struct account_envelope *envelope = flow_envelope(flow, ACCOUNT_CALL_ERASE);

    (void)outcome;
    if (envelope != NULL) {
        envelope->credentials = flow->credentials;
        put_goodbye(flow, envelope);
    }
    flow_call(flow, envelope, erased);
}

void api_me_erase(struct api_call *call)
{
    static const struct account_field fields[] = {{"password", FIELD_PASSWORD, true}};
    struct flow *flow;

    if (!throttle_password(call))
        return;
    flow = account_flow_start(call, fields, COUNT_OF(fields));
    if (flow != NULL)
        login_reauthenticate(flow, erase_proven);
}
