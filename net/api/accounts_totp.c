/* SPDX-License-Identifier: Apache-2.0 */
/* The second factor: an authenticator's codes, and recovery codes for whoever lost it. Setting up
 * is two calls: the first makes a secret and stores nothing, the second brings it back with a code,
 * so that nobody locks themselves out with an authenticator that does not work. */
#include <string.h>

#include "api/account_fields.h"
#include "api/account_mail.h"
#include "api/account_view.h"
#include "api/digest.h"
#include "api/login.h"
#include "api/private_data.h"
#include "api/request.h"
#include "api/throttle.h"

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

_Static_assert((int)RECOVERY_CODES == (int)ACCOUNT_RECOVERY_CODES, "as many as are kept");

/* ---- beginning ---- */

static void begin_got(struct flow *flow, enum outcome outcome)
{
    char secret[TOTP_SECRET_TEXT_LENGTH + 1];
    char uri[TOTP_URI_MAX];
    struct writer writer;

    if (outcome != OUTCOME_OK) {
        flow_refuse(flow, outcome);
        return;
    }
    if (!account_open_email(flow))
        return;
    shard_random(flow->shard->shard, flow->secret, sizeof(flow->secret));
    base32_encode(flow->secret, sizeof(flow->secret), secret);
    if (!totp_uri(flow->secret, flow->shard->api->options.shop_name, flow->email, uri))
        uri[0] = '\0'; /* an address too long for it: the secret alone does */
    writer = writer_growing();
    write_literal(&writer, "{\"secret\":\"");
    write_text(&writer, secret);
    write_literal(&writer, "\",\"uri\":");
    write_json_string(&writer, uri, strlen(uri));
    write_byte(&writer, '}');
    password_wipe(secret, sizeof(secret));
    password_wipe(uri, sizeof(uri));
    flow_respond_json(flow, 200, &writer);
}

void api_totp_begin(struct api_call *call)
{
    struct flow *flow;

    if (!request_empty_object(call))
        return;
    flow = flow_start(call);
    if (flow != NULL)
        flow_get(flow, begin_got);
}

/* ---- confirming ---- */

static void confirmed(struct flow *flow, enum outcome outcome)
{
    struct writer writer;

    if (outcome != OUTCOME_OK) {
        flow_refuse(flow, outcome);
        return;
    }
    writer = writer_growing();
    write_literal(&writer, "{\"recovery_codes\":[");
    for (unsigned i = 0; i < RECOVERY_CODES; i++) {
        if (i > 0)
            write_byte(&writer, ',');
        write_json_string(&writer, flow->text + i * (RECOVERY_CODE_LENGTH + 1),
                          RECOVERY_CODE_LENGTH);
    }
    write_literal(&writer, "]}");
    flow_respond_json(flow, 200, &writer);
}

/* Codes into flow->text, one after the other, each with a zero; their digests into the envelope. */
static void make_recovery_codes(struct flow *flow, struct account_envelope *envelope)
{
    uint8_t random[RECOVERY_CODE_BYTES];
    uint8_t digest[DIGEST_SHA256_BYTES];

    _Static_assert(sizeof(flow->text) >= RECOVERY_CODES * (RECOVERY_CODE_LENGTH + 1), "room");
    for (unsigned i = 0; i < RECOVERY_CODES; i++) {
        char *text = flow->text + i * (RECOVERY_CODE_LENGTH + 1);
        shard_random(flow->shard->shard, random, sizeof(random));
        recovery_code_format(random, text);
        digest_sha256(text, RECOVERY_CODE_LENGTH, digest);
        memcpy(envelope->recovery[i], digest, RECOVERY_CODE_HASH_BYTES);
    }
    envelope->recovery_count = RECOVERY_CODES;
    password_wipe(random, sizeof(random));
}

/* Whoever has a stolen session and the password does not do it unnoticed. */
static void put_mail(const struct flow *flow, enum mail_kind kind,
                     struct account_envelope *envelope)
{
    struct account_mail mail = {.kind = kind, .to = flow->email};

    (void)account_mail_put(flow, &mail, envelope);
}

static void confirm_proven(struct flow *flow, enum outcome outcome)
{
    struct account_envelope *envelope;
    uint64_t step = 0;

    (void)outcome;
    if (flow->answer->view.totp_length > 0) {
        flow_problem(flow, PROBLEM_FORBIDDEN,
                     "There is a second factor already. Remove it first with DELETE /v1/me/totp.");
        return;
    }
    if (!totp_verify(flow->secret, flow->code, flow->code_length, flow->shard->now.wall_ms / 1000,
                     &step)) {
        flow_invalid(flow, "code", "is not what the authenticator shows for this secret now");
        return;
    }
    if (!account_open_email(flow))
        return;
    envelope = flow_envelope(flow, ACCOUNT_CALL_TOTP_SET);
    if (envelope != NULL) {
        envelope->totp_step = step;
        envelope->credentials = flow->credentials;
        memcpy(envelope->hash, flow->token_hash, sizeof(envelope->hash));
        envelope->sealed_length =
            (uint16_t)private_seal(flow->shard->api->engine, &flow->account, &flow->key,
                                   private_single(PRIVATE_TOTP, &flow->account), flow->secret,
                                   sizeof(flow->secret), envelope->sealed, SEALED_TOTP_MAX);
        if (envelope->sealed_length == 0) {
            account_refuse_unreadable(flow, envelope, PRIVATE_TOTP);
            return;
        }
        make_recovery_codes(flow, envelope);
        put_mail(flow, MAIL_SECOND_FACTOR_ON, envelope);
    }
    flow_call(flow, envelope, confirmed);
}

void api_totp_confirm(struct api_call *call)
{
    static const struct account_field fields[] = {{"secret", FIELD_SECRET, true},
                                                  {"code", FIELD_CODE, true},
                                                  {"password", FIELD_PASSWORD, true}};
    struct flow *flow;

    if (!throttle_password(call))
        return;
    flow = account_flow_start(call, fields, COUNT_OF(fields));
    if (flow != NULL)
        login_reauthenticate(flow, confirm_proven);
}

/* ---- removing ---- */

static void removed(struct flow *flow, enum outcome outcome)
{
    if (outcome == OUTCOME_OK)
        flow_respond(flow, 204);
    else
        flow_refuse(flow, outcome);
}

static void remove_code_used(struct flow *flow, enum outcome outcome)
{
    struct account_envelope *envelope;

    if (outcome != OUTCOME_OK) {
        flow_refuse(flow, outcome);
    } else if (!flow->is_right) {
        flow_invalid(flow, "code", "is wrong, was used before, or is not of now");
    } else {
        envelope = flow_envelope(flow, ACCOUNT_CALL_TOTP_SET);
        if (envelope != NULL) {
            envelope->credentials = flow->credentials;
            memcpy(envelope->hash, flow->token_hash, sizeof(envelope->hash));
            put_mail(flow, MAIL_SECOND_FACTOR_OFF, envelope);
        }
        flow_call(flow, envelope, removed);
    }
}

static void remove_proven(struct flow *flow, enum outcome outcome)
{
    (void)outcome;
    if (flow->answer->view.totp_length == 0)
        flow_respond(flow, 204);
    else if (account_open_email(flow)) /* before the code is spent */
        login_use_code(flow, remove_code_used);
}

void api_totp_remove(struct api_call *call)
{
    static const struct account_field fields[] = {{"password", FIELD_PASSWORD, true},
                                                  {"code", FIELD_CODE, true}};
    struct flow *flow;

    if (!throttle_password(call))
        return;
    flow = account_flow_start(call, fields, COUNT_OF(fields));
    if (flow != NULL)
        login_reauthenticate(flow, remove_proven);
}
