/* SPDX-License-Identifier: Apache-2.0 */
#include "api/login.h"

#include <assert.h>
#include <string.h>

#include "api/account_fields.h"
#include "api/account_view.h"
#include "api/digest.h"
#include "api/private_data.h"
#include "api/sessions.h"
#include "api/throttle.h"

enum { TRIES_MAX = 3 };

static void count(const struct flow *flow, enum login_result result)
{
    counter_add(&flow->shard->counters.logins[result], 1);
}

static void refuse_password(struct flow *flow);

/* An account that was erased while it logged in is nobody's. */
static void fail(struct flow *flow, enum outcome outcome)
{
    if (outcome == OUTCOME_NOT_FOUND && !flow->is_registration) {
        refuse_password(flow);
        return;
    }
    count(flow, LOGIN_FAILED);
    flow_refuse(flow, outcome);
}

/* ---- passwords ---- */

static void run_verify(struct flow *flow)
{
    const char *hash = flow->hash[0] == '\0' ? NULL : flow->hash;

    flow->is_right = password_verify(flow->password, flow->password_length, hash);
    flow->is_made = flow->is_right && password_needs_rehash(flow->hash) &&
                    password_hash(flow->password, flow->password_length, flow->new_hash);
}

void login_verify_password(struct flow *flow, flow_step next)
{
    flow->hash[0] = '\0';
    if (flow->answer != NULL && flow->answer->view.state != ACCOUNT_ERASED &&
        flow->answer->view.password_length > 0 &&
        flow->answer->view.password_length <= PASSWORD_HASH_LENGTH) {
        memcpy(flow->hash, flow->answer->view.password_hash, flow->answer->view.password_length);
        flow->hash[flow->answer->view.password_length] = '\0';
    }
    flow_work(flow, run_verify, next);
}

static void reauthenticated(struct flow *flow, enum outcome outcome)
{
    if (outcome != OUTCOME_OK)
        flow_refuse(flow, outcome);
    else if (!flow->is_right)
        flow_problem(flow, PROBLEM_INVALID_CREDENTIALS, "The password is not this account's.");
    else
        flow->after_proof(flow, OUTCOME_OK);
}

static void reauthenticate(struct flow *flow, enum outcome outcome)
{
    if (outcome != OUTCOME_OK) {
        flow_refuse(flow, outcome);
        return;
    }
    flow->credentials = flow->answer->view.credentials;
    login_verify_password(flow, reauthenticated);
}

void login_reauthenticate(struct flow *flow, flow_step next)
{
    flow->after_proof = next;
    flow_get(flow, reauthenticate);
}

static void run_hash(struct flow *flow)
{
    flow->is_made = password_hash(flow->new_password, flow->new_password_length, flow->new_hash);
}

void login_hash_password(struct flow *flow, flow_step next)
{
    flow_work(flow, run_hash, next);
}

void login_put_hash(const struct flow *flow, struct account_envelope *envelope)
{
    envelope->password_length = (uint8_t)strlen(flow->new_hash);
    memcpy(envelope->password_hash, flow->new_hash, envelope->password_length);
}

/* ---- the second factor ---- */

static void after_code(struct flow *flow, enum outcome outcome)
{
    flow->is_right = outcome == OUTCOME_OK;
    flow->after_code(flow, outcome == OUTCOME_TOKEN_INVALID ? OUTCOME_OK : outcome);
}

/* Six digits are of an authenticator, anything else would be a recovery code. */
static bool is_totp(const struct flow *flow)
{
    for (size_t i = 0; i < flow->code_length; i++) {
        if (flow->code[i] < '0' || flow->code[i] > '9')
            return false;
    }
    return flow->code_length == TOTP_DIGITS;
}

void login_use_code(struct flow *flow, flow_step next)
{
    const struct account_record *view = &flow->answer->view;
    struct account_envelope *envelope;
    char normal[RECOVERY_CODE_LENGTH + 1];
    char secret[SEALED_TOTP_MAX];
    uint8_t digest[DIGEST_SHA256_BYTES];
    size_t length;

    flow->is_right = false;
    flow->after_code = next;
    if (is_totp(flow)) {
        uint64_t step = view->totp_step;
        bool is_open = private_open(flow->shard->api->engine, &flow->account, &flow->key,
                                    private_single(PRIVATE_TOTP, &flow->account), view->totp,
                                    view->totp_length, secret, sizeof(secret), &length) &&
                       length == TOTP_SECRET_BYTES;
        bool is_good =
            is_open && totp_verify((const uint8_t *)secret, flow->code, flow->code_length,
                                   flow->shard->now.wall_ms / 1000, &step);
        password_wipe(secret, sizeof(secret));
        if (!is_open) { /* no code would be right; a recovery code is */
            account_refuse_unreadable(flow, NULL, PRIVATE_TOTP);
            return;
        }
        if (!is_good) {
            next(flow, OUTCOME_OK);
            return;
        }
        envelope = flow_envelope(flow, ACCOUNT_CALL_TOTP_USE);
        if (envelope != NULL) {
            envelope->totp_step = step;
            envelope->credentials = flow->credentials;
        }
    } else {
        if (!recovery_code_normalise(flow->code, flow->code_length, normal)) {
            next(flow, OUTCOME_OK);
            return;
        }
        digest_sha256(normal, RECOVERY_CODE_LENGTH, digest);
        envelope = flow_envelope(flow, ACCOUNT_CALL_RECOVERY_USE);
        if (envelope != NULL) {
            memcpy(envelope->recovery[0], digest, RECOVERY_CODE_HASH_BYTES);
            envelope->credentials = flow->credentials;
        }
    }
    flow_call(flow, envelope, after_code);
}

/* ---- entering ---- */

static void respond(struct flow *flow)
{
    struct http_exchange *exchange = flow_exchange(flow);
    struct writer writer = writer_growing();
    enum account_role role = (enum account_role)flow->role;

    count(flow, LOGIN_OPENED);
    write_literal(&writer, "{\"token\":\"");
    write_bytes(&writer, flow->token, ACCOUNT_TOKEN_LENGTH);
    write_literal(&writer, "\",\"customer\":");
    if (!account_write_customer(flow, &writer))
        return;
    write_byte(&writer, '}');
    if (exchange != NULL)
        session_hand_out(flow->shard, exchange, flow->token, session_lifetime_ms(role) / 1000,
                         true); /* pages of other sites were refused */
    flow_respond_json(flow, flow->is_registration ? 201 : 200, &writer);
}

/* Behind the answer it would be a session that lives on; so it comes before. A failure is not the
 * login's: the old session ends by its time. */
static void old_closed(struct flow *flow, enum outcome outcome)
{
    struct account_envelope *closed = flow->answer;

    (void)outcome;
    flow->answer = flow->opened;
    flow->opened = closed;
    respond(flow);
}

static void opened(struct flow *flow, enum outcome outcome)
{
    struct account_envelope *envelope;

    if (outcome == OUTCOME_STALE && !flow->is_registration)
        flow_problem(flow, PROBLEM_INVALID_CREDENTIALS,
                     "The account changed meanwhile. Try again.");
    else if (outcome != OUTCOME_OK)
        fail(flow, outcome);
    else if (!flow->has_old_session)
        respond(flow);
    else {
        envelope = flow_envelope(flow, ACCOUNT_CALL_SESSION_CLOSE);
        if (envelope != NULL) {
            envelope->account = flow->old_account;
            memcpy(envelope->hash, flow->old_hash, sizeof(envelope->hash));
        }
        /* Kept for the answer: the next one's would take its place. */
        flow->opened = flow->answer;
        flow->answer = NULL;
        flow_call(flow, envelope, old_closed);
    }
}

static void open_session(struct flow *flow)
{
    const struct engine *engine = flow->shard->api->engine;
    struct account_envelope *envelope;
    enum account_token_kind kind =
        flow->role == ROLE_CUSTOMER ? ACCOUNT_TOKEN_CUSTOMER : ACCOUNT_TOKEN_STAFF;
    uint8_t random[ACCOUNT_TOKEN_RANDOM_BYTES];

    if (flow_exchange(flow) == NULL) { /* a session that nobody would have */
        flow_end(flow);
        return;
    }
    envelope = flow_envelope(flow, ACCOUNT_CALL_SESSION_OPEN);
    shard_random(flow->shard->shard, random, sizeof(random));
    account_token_make(engine_secrets(engine), kind, &flow->account, random, flow->token);
    if (envelope != NULL) {
        account_token_hash(flow->token, envelope->hash);
        envelope->credentials = flow->credentials;
        envelope->lifetime_ms = session_lifetime_ms((enum account_role)flow->role);
        envelope->second_factor = flow->second_factor;
        envelope->has_guest = flow->has_guest;
        if (flow->agent_length > 0)
            envelope->sealed_length = (uint16_t)private_seal(
                engine, &flow->account, &flow->key, private_agent(envelope->hash), flow->agent,
                flow->agent_length, envelope->sealed, SEALED_AGENT_MAX);
    }
    flow_call(flow, envelope, opened);
}

/* ---- the guest's cart ---- */

static void submit_cart(struct flow *flow, struct command *command, pending_answer answer)
{
    struct api_shard *shard = flow->shard;
    uint64_t cookie = pending_open(&shard->pending, flow->exchange_cookie, answer, flow);
    enum outcome outcome = OUTCOME_OVERLOADED;
    struct refusal unused;

    if (cookie != 0)
        outcome = engine_submit(shard->shard, command, cookie, &unused);
    if (outcome == OUTCOME_PENDING)
        return;
    if (cookie != 0)
        pending_cancel(&shard->pending, cookie);
    fail(flow, outcome);
}

static void cart_dropped(struct api_shard *shard, struct http_exchange *exchange,
                         const struct message *message, void *user)
{
    struct flow *flow = user;

    (void)shard;
    (void)exchange;
    if (message->reply.outcome == OUTCOME_OK)
        open_session(flow);
    else
        fail(flow, (enum outcome)message->reply.outcome);
}

/* Once it is in the customer's for good. */
static void cart_merged(struct api_shard *shard, struct http_exchange *exchange,
                        const struct message *message, void *user)
{
    struct flow *flow = user;
    struct command command = {
        .type = COMMAND_CART, .principal = flow->guest, .cart = {.operation = CART_DROP}};

    (void)shard;
    (void)exchange;
    if (message->reply.outcome == OUTCOME_OK)
        submit_cart(flow, &command, cart_dropped);
    else
        fail(flow, (enum outcome)message->reply.outcome);
}

static void cart_taken(struct api_shard *shard, struct http_exchange *exchange,
                       const struct message *message, void *user)
{
    struct flow *flow = user;
    const struct cart_view *cart = &message->reply.cart;
    struct command command = {
        .type = COMMAND_CART_MERGE,
        .principal = flow->account,
        .cart_merge = {.guest = flow->guest, .content = &cart->content, .orders = cart->orders}};

    (void)shard;
    (void)exchange;
    if (message->reply.outcome != OUTCOME_OK)
        fail(flow, (enum outcome)message->reply.outcome);
    else if (cart->created_wall_ms == 0)
        open_session(flow);
    else
        submit_cart(flow, &command, cart_merged);
}

/* Every shard has adopted the guest, so no request of the guest's, however late, changes its cart
 * any more: what is in it now becomes the customer's, and then it is dropped. */
static void take_cart(struct flow *flow)
{
    struct command command = {
        .type = COMMAND_CART, .principal = flow->guest, .cart = {.operation = CART_GET}};

    submit_cart(flow, &command, cart_taken);
}

/* ---- the guest's holds ---- */

static void adopt(struct flow *flow);

static void adopted(struct api_shard *shard, struct http_exchange *exchange,
                    const struct message *message, void *user)
{
    struct flow *flow = user;

    (void)shard;
    (void)exchange;
    if (message->reply.outcome != OUTCOME_OK) {
        fail(flow, (enum outcome)message->reply.outcome);
        return;
    }
    flow->adopt_product = message->reply.adopt.next_product;
    if (!message->reply.adopt.more) {
        flow->adopt_product = 0;
        flow->adopt_shard++;
    }
    adopt(flow);
}

/* A slice of one shard's holds after the other: they are the customer's before the session is. */
static void adopt(struct flow *flow)
{
    struct api_shard *shard = flow->shard;
    struct command command = {.type = COMMAND_HOLDS_ADOPT,
                              .principal = flow->account,
                              .adopt = {.shard = flow->adopt_shard,
                                        .body = {.guest = flow->guest,
                                                 .customer = flow->account,
                                                 .product = flow->adopt_product}}};
    struct refusal unused;

    if (flow->adopt_shard == shard->api->shard_count) {
        take_cart(flow);
        return;
    }
    uint64_t cookie = pending_open(&shard->pending, flow->exchange_cookie, adopted, flow);
    enum outcome outcome =
        cookie == 0 ? OUTCOME_OVERLOADED : engine_submit(shard->shard, &command, cookie, &unused);
    if (outcome == OUTCOME_PENDING)
        return;
    if (cookie != 0)
        pending_cancel(&shard->pending, cookie);
    fail(flow, outcome);
}

static void guest_ended(struct flow *flow, enum outcome outcome)
{
    if (outcome == OUTCOME_STALE) { /* it is another account's already, and stays that */
        flow->has_guest = false;
        open_session(flow);
    } else if (outcome == OUTCOME_OK) {
        adopt(flow);
    } else {
        fail(flow, outcome);
    }
}

void login_enter(struct flow *flow)
{
    flow->role = flow->answer->view.role;
    if (flow->is_registration) /* nobody else has had it */
        flow->credentials = flow->answer->view.credentials;
    flow->account = flow->answer->view.principal;
    flow->origin.who = flow->account;
    flow->origin.caller = audit_caller_of((enum account_role)flow->role);
    if (flow->has_guest)
        flow_call(flow, flow_envelope(flow, ACCOUNT_CALL_GUEST_END), guest_ended);
    else
        open_session(flow);
}

void login_note_caller(struct api_call *call, struct flow *flow)
{
    const struct secrets_port *secrets = engine_secrets(call->shard->api->engine);
    enum account_token_kind kind;
    bool by_cookie;
    struct http_slice token = session_token_of(call->shard, call->exchange, &by_cookie);

    flow->has_guest = session_guest_of(call->shard, token, &flow->guest);
    if (!flow->has_guest && token.data != NULL &&
        account_token_read(secrets, token.data, token.length, &kind, &flow->old_account) &&
        kind != ACCOUNT_TOKEN_MAIL) {
        flow->has_old_session = true;
        account_token_hash(token.data, flow->old_hash);
    }
}

/* ---- the proof ---- */

static void refusal_entered(struct flow *flow, enum outcome outcome)
{
    (void)outcome;
    flow_end(flow);
}

/* What staff's account was refused is entered in its audit log: behind the answer, whose time is
 * then everybody's. */
static void refuse_login(struct flow *flow, enum login_result result, enum problem problem,
                         const char *detail)
{
    struct http_exchange *exchange = flow_exchange(flow);

    count(flow, result);
    if (exchange != NULL)
        problem_respond(exchange, problem, detail);
    flow->is_answered = true;
    if (flow->role != ROLE_CUSTOMER)
        flow_call(flow, flow_envelope(flow, ACCOUNT_CALL_LOGIN_REFUSED), refusal_entered);
    else
        flow_end(flow);
}

static void refuse_password(struct flow *flow)
{
    refuse_login(flow, LOGIN_REFUSED, PROBLEM_INVALID_CREDENTIALS,
                 "There is no account with this e-mail and password.");
}

static void code_used(struct flow *flow, enum outcome outcome)
{
    if (outcome == OUTCOME_STALE) {
        refuse_password(flow);
    } else if (outcome != OUTCOME_OK) {
        fail(flow, outcome);
    } else if (!flow->is_right) {
        refuse_login(flow, LOGIN_SECOND_FACTOR, PROBLEM_SECOND_FACTOR_REQUIRED,
                     "The code is wrong, was used before, or is not of now.");
    } else {
        flow->second_factor = true;
        login_enter(flow);
    }
}

static void check_code(struct flow *flow)
{
    if (flow->answer->view.totp_length == 0) {
        login_enter(flow);
    } else if (flow->code_length == 0) {
        refuse_login(flow, LOGIN_SECOND_FACTOR, PROBLEM_SECOND_FACTOR_REQUIRED,
                     "Repeat the login with a `code`.");
    } else {
        login_use_code(flow, code_used);
    }
}

/* The same password, hashed by today's parameters; whether that succeeds is no matter here. */
static void rehashed(struct flow *flow, enum outcome outcome)
{
    if (outcome == OUTCOME_OK)
        check_code(flow);
    else if (outcome == OUTCOME_STALE)
        refuse_password(flow);
    else
        fail(flow, outcome);
}

/* False: the flow has ended. Before anything is done that no answer could tell of: a code spent, a
 * session opened, a guest's holds taken over. */
static bool is_readable(struct flow *flow)
{
    struct api_shard *shard = flow->shard;

    if (account_open_email(flow))
        return true;
    counter_add(&shard->counters.logins[LOGIN_FAILED], 1);
    return false;
}

static void verified(struct flow *flow, enum outcome outcome)
{
    struct account_envelope *envelope;

    if (outcome != OUTCOME_OK) {
        fail(flow, outcome);
    } else if (!flow->is_right) {
        refuse_password(flow);
    } else if (flow->answer->view.state != ACCOUNT_ACTIVE) {
        count(flow, LOGIN_UNVERIFIED);
        flow_problem(flow, PROBLEM_FORBIDDEN,
                     "The e-mail address is not verified yet: follow the link in the mail. "
                     "Registering again sends another.");
    } else if (!is_readable(flow)) {
        return;
    } else if (flow->is_made) {
        envelope = flow_envelope(flow, ACCOUNT_CALL_PASSWORD_REHASH);
        if (envelope != NULL) {
            envelope->credentials = flow->answer->view.credentials;
            login_put_hash(flow, envelope);
        }
        flow_call(flow, envelope, rehashed);
    } else {
        check_code(flow);
    }
}

static void got(struct flow *flow, enum outcome outcome)
{
    if (outcome == OUTCOME_OK) {
        flow->role = flow->answer->view.role;
        flow->credentials = flow->answer->view.credentials;
        /* An address that the account had, or is to have: what is not ended yet lets nobody in. */
        if (memcmp(flow->answer->view.email_index, flow->index, EMAIL_INDEX_BYTES) != 0)
            flow->answer->view.password_length = 0;
    }
    if (outcome == OUTCOME_OK || outcome == OUTCOME_NOT_FOUND)
        login_verify_password(flow, verified);
    else
        fail(flow, outcome);
}

static void found(struct flow *flow, enum outcome outcome)
{
    if (outcome == OUTCOME_OK) {
        flow->account = flow->answer->account;
        flow_get(flow, got);
    } else if (outcome == OUTCOME_NOT_FOUND) {
        /* Nobody's: the same work, for nothing. */
        login_verify_password(flow, verified);
    } else {
        fail(flow, outcome);
    }
}

void api_auth_login(struct api_call *call)
{
    static const struct account_field fields[] = {{"email", FIELD_EMAIL, true},
                                                  {"password", FIELD_PASSWORD, true},
                                                  {"code", FIELD_CODE, false}};
    struct flow *flow;

    if (!csrf_check_origin(call))
        return;
    flow = account_flow_start(call, fields, sizeof(fields) / sizeof(fields[0]));
    if (flow == NULL)
        return;
    if (!throttle_login(call, flow->index)) {
        count(flow, LOGIN_THROTTLED);
        flow_end(flow);
        return;
    }
    login_note_caller(call, flow);
    flow_call(flow, flow_envelope(flow, ACCOUNT_CALL_EMAIL_FIND), found);
}
