/* SPDX-License-Identifier: Apache-2.0 */
/* What people's calls carry, and what the books note when one is sent, answered or lost. Private
 * fields are opaque bytes that stand for a number. */
#include <string.h>

#include "violation.h"
#include "world.h"

enum { TWICE_PERCENT = 6, EMAIL_VALUE = 0x40000000 };

/* ---- values ---- */

uint32_t people_write_value(uint32_t value, uint8_t *bytes_out)
{
    uint32_t length = 8 + value % (SIM_VALUE_BYTES - 8);

    for (uint32_t i = 0; i < length; i += 8) {
        uint64_t word =
            i == 0 ? (uint64_t)hash_word(value) << 32 | value : hash_word(value * 31ULL + i);

        memcpy(bytes_out + i, &word, length - i < 8 ? length - i : 8);
    }
    return length;
}

uint32_t people_read_value(const uint8_t *bytes, uint32_t length)
{
    uint8_t expected[SIM_VALUE_BYTES];
    uint32_t value;

    if (length < 8 || length > SIM_VALUE_BYTES)
        return 0;
    memcpy(&value, bytes, sizeof(value));
    if (people_write_value(value, expected) != length || memcmp(bytes, expected, length) != 0)
        return 0;
    return value;
}

void people_address_index(const struct world *world, uint32_t address, uint8_t *index_out)
{
    uint64_t words[2] = {hash_word(world->seed * 11 + address), hash_word(address + (1ULL << 40))};

    memcpy(index_out, words, sizeof(words));
}

struct account_ask people_ask(enum account_call call)
{
    return (struct account_ask){.call = call,
                                .account = NONE,
                                .address = NONE,
                                .guest = NONE,
                                .session = NONE,
                                .token = NONE,
                                .cache_shard = NONE};
}

/* ---- what is carried ---- */

static void write_email(const struct world *world, const struct account_ask *ask,
                        struct account_envelope *envelope)
{
    people_address_index(world, ask->address, envelope->index);
    envelope->email_length =
        (uint16_t)people_write_value(EMAIL_VALUE | ask->address, envelope->email);
}

static void write_password(const struct account_ask *ask, struct account_envelope *envelope)
{
    uint8_t bytes[SIM_VALUE_BYTES];

    envelope->password_length = (uint8_t)people_write_value(ask->value, bytes);
    memcpy(envelope->password_hash, bytes, envelope->password_length);
}

void people_write_key(uint32_t value, struct account_key_record *key_out)
{
    _Static_assert((int)SIM_VALUE_BYTES < (int)VAULT_WRAPPED_KEY_BYTES, "a value and its wrap");
    *key_out = (struct account_key_record){.length = VAULT_WRAPPED_KEY_BYTES};
    people_write_value(value, key_out->bytes);
    key_out->bytes[VAULT_WRAPPED_KEY_BYTES - 1] = SIM_WRAPPED_BEFORE;
}

static void write_second_factor(const struct account_ask *ask, struct account_envelope *envelope)
{
    uint8_t bytes[SIM_VALUE_BYTES];

    envelope->sealed_length = (uint16_t)people_write_value(ask->value, envelope->sealed);
    envelope->recovery_count = 4;
    for (uint32_t i = 0; i < 4; i++) {
        memset(envelope->recovery[i], 0, RECOVERY_CODE_HASH_BYTES);
        people_write_value(ask->value * 16 + i, bytes);
        memcpy(envelope->recovery[i], bytes, 8);
    }
}

static void write_recovery_code(const struct account_ask *ask, struct account_envelope *envelope)
{
    uint8_t bytes[SIM_VALUE_BYTES];

    people_write_value(ask->value, bytes);
    memcpy(envelope->recovery[0], bytes, 8);
}

static void write_tokens(const struct world *world, const struct account_ask *ask,
                         struct account_envelope *envelope)
{
    if (ask->token != NONE)
        memcpy(envelope->hash, world->people.tokens[ask->token].hash, TOKEN_HASH_BYTES);
    if (ask->session != NONE)
        memcpy(envelope->hash, world->people.sessions[ask->session].hash, TOKEN_HASH_BYTES);
}

static struct account_envelope *make_envelope(const struct world *world,
                                              const struct account_ask *ask)
{
    struct account_envelope *envelope = account_envelope_create(ask->call);

    assert(envelope != NULL);
    envelope->purpose = ask->purpose;
    envelope->role = ask->role;
    envelope->verified = ask->verified;
    envelope->credentials = ask->credentials;
    envelope->version = ask->version;
    envelope->totp_step = ask->totp_step;
    envelope->lifetime_ms = ask->lifetime_ms;
    envelope->id = ask->id;
    envelope->has_guest = ask->has_guest;
    if (ask->account != NONE)
        envelope->account = world->people.accounts[ask->account].principal;
    if (ask->guest != NONE)
        envelope->guest = world_principal(world, ask->guest);
    if (ask->address != NONE)
        write_email(world, ask, envelope);
    write_tokens(world, ask, envelope);
    if (ask->call == ACCOUNT_CALL_REGISTER || ask->call == ACCOUNT_CALL_PASSWORD_RESET ||
        ask->call == ACCOUNT_CALL_PASSWORD_CHANGE || ask->call == ACCOUNT_CALL_PASSWORD_REHASH)
        write_password(ask, envelope);
    if (ask->call == ACCOUNT_CALL_REGISTER || ask->call == ACCOUNT_CALL_NAME_SET ||
        ask->call == ACCOUNT_CALL_ADDRESS_ADD || ask->call == ACCOUNT_CALL_ADDRESS_SET)
        envelope->sealed_length = (uint16_t)people_write_value(ask->value, envelope->sealed);
    if (ask->call == ACCOUNT_CALL_REGISTER || ask->call == ACCOUNT_CALL_KEY_REWRAP)
        people_write_key(ask->value, &envelope->key);
    if (ask->call == ACCOUNT_CALL_TOTP_SET)
        write_second_factor(ask, envelope);
    if (ask->call == ACCOUNT_CALL_RECOVERY_USE)
        write_recovery_code(ask, envelope);
    return envelope;
}

/* ---- what is noted ---- */

static bool writes_password(enum account_call call)
{
    return call == ACCOUNT_CALL_PASSWORD_RESET || call == ACCOUNT_CALL_PASSWORD_CHANGE ||
           call == ACCOUNT_CALL_PASSWORD_REHASH || call == ACCOUNT_CALL_REGISTER;
}

/* Before it is sent: what is known. */
static void note_known(const struct world *world, struct request *request)
{
    struct account_ask *ask = &request->ask;
    const struct account_model *account;

    if (ask->account == NONE)
        return;
    account = &world->people.accounts[ask->account];
    ask->known_version = account->version;
    ask->known_credentials = account->credentials;
    ask->known_totp = account->totp_used;
    if (ask->token != NONE && ask->call != ACCOUNT_CALL_TOKEN_ISSUE &&
        ask->call != ACCOUNT_CALL_EMAIL_CHANGE) {
        const struct token_model *token = &world->people.tokens[ask->token];

        ask->quiet = token->issued && token->account == ask->account &&
                     token->changes == account->token_changes && account->token_changes_open == 0;
        ask->changes = account->token_changes + 1; /* with its own */
    }
}

static void note_token(struct world *world, const struct account_ask *ask, bool alone)
{
    struct token_model *token = &world->people.tokens[ask->token];

    token->account = ask->account;
    token->purpose = ask->purpose;
    token->lifetime_ms = ask->lifetime_ms;
    token->sent_ms = world_now(world);
    token->changes = alone ? world->people.accounts[ask->account].token_changes : UINT64_MAX;
}

static void note_account(struct world *world, struct request *request)
{
    const struct account_ask *ask = &request->ask;
    struct account_model *account = &world->people.accounts[ask->account];
    bool alone = account->token_changes_open == 0;

    if (call_changes_tokens(ask->call)) {
        account->token_changes++;
        account->token_changes_open++;
    }
    if (call_changes_credentials(ask->call)) {
        account->credential_changes++;
        account->credential_changes_open++;
    }
    account->ends_open += call_ends_sessions(ask->call);
    account->erases_sent += ask->call == ACCOUNT_CALL_ERASE;
    if (ask->call == ACCOUNT_CALL_TOKEN_ISSUE || ask->call == ACCOUNT_CALL_EMAIL_CHANGE ||
        (ask->call == ACCOUNT_CALL_REGISTER && ask->token != NONE))
        note_token(world, ask, alone);
    if (writes_password(ask->call))
        field_sent(&account->password, ask->value, world->step);
    if (ask->call == ACCOUNT_CALL_NAME_SET || ask->call == ACCOUNT_CALL_REGISTER)
        field_sent(&account->name, ask->value, world->step);
    if (ask->call == ACCOUNT_CALL_ADDRESS_SET || ask->call == ACCOUNT_CALL_ADDRESS_REMOVE)
        for (uint32_t i = 0; i < SIM_POSTAL_MAX; i++)
            account->postal[i].touched |= account->postal[i].id == ask->id;
    account->key_rewrapped |= ask->call == ACCOUNT_CALL_KEY_REWRAP;
}

/* It was accepted. */
static void note_sent(struct world *world, struct request *request)
{
    const struct account_ask *ask = &request->ask;
    struct people *people = &world->people;

    if (ask->account != NONE && account_call_subject(ask->call) != SUBJECT_GUEST)
        note_account(world, request);
    if (ask->call == ACCOUNT_CALL_REGISTER || ask->call == ACCOUNT_CALL_EMAIL_CLAIM)
        people->owning[ask->address][ask->account].claims_open++;
    if (ask->call == ACCOUNT_CALL_EMAIL_RELEASE)
        people->owning[ask->address][ask->account].releases_open++;
    if (ask->call == ACCOUNT_CALL_GUEST_END)
        people->guests[ask->guest].asked |= 1u << ask->account;
    if (ask->call == ACCOUNT_CALL_SESSION_OPEN) {
        people->sessions[ask->session].sent_ms = world_now(world);
        people->sessions[ask->session].opens_before = people->accounts[ask->account].opens++;
    }
    if (ask->call == ACCOUNT_CALL_SESSION_CLOSE && ask->session != NONE)
        people->sessions[ask->session].closes_open++;
}

/* ---- ends ---- */

static void close_owning(struct world *world, const struct request *request, enum closing how)
{
    const struct account_ask *ask = &request->ask;
    struct owning *owning;

    if (ask->call != ACCOUNT_CALL_REGISTER && ask->call != ACCOUNT_CALL_EMAIL_CLAIM &&
        ask->call != ACCOUNT_CALL_EMAIL_RELEASE)
        return;
    owning = &world->people.owning[ask->address][ask->account];
    if (ask->call == ACCOUNT_CALL_EMAIL_RELEASE) {
        owning->releases_open--;
        owning->release_maybe |= how == CLOSED_UNKNOWN;
    } else {
        owning->claims_open--;
        owning->claim_maybe |= how == CLOSED_UNKNOWN;
        owning->possible_until = world->step;
    }
}

/* Sessions that stood when it was sent are over; of others nobody knows. */
static void close_many(struct world *world, const struct request *request, enum closing how)
{
    const struct account_ask *ask = &request->ask;

    for (uint32_t i = 0; i < world->people.session_count && how != CLOSED_REFUSED; i++) {
        struct session_model *session = &world->people.sessions[i];

        if (session->account != ask->account || i == ask->session || session->over_step != 0)
            continue;
        if (how == CLOSED_DONE && session->opened_step != 0 &&
            session->opened_step <= request->submitted_step)
            session->over_step = world->step;
        else
            session->end_maybe = true;
    }
}

static void close_session(struct world *world, const struct request *request, enum closing how)
{
    struct session_model *session = &world->people.sessions[request->ask.session];

    session->closes_open--;
    if (how == CLOSED_UNKNOWN)
        session->end_maybe = true;
    if (how == CLOSED_DONE && session->over_step == 0)
        session->over_step = world->step;
}

void people_closed(struct world *world, const struct request *request, enum closing how)
{
    const struct account_ask *ask = &request->ask;
    struct account_model *account;

    close_owning(world, request, how);
    if (ask->account == NONE || account_call_subject(ask->call) == SUBJECT_GUEST)
        return;
    account = &world->people.accounts[ask->account];
    account->token_changes_open -= call_changes_tokens(ask->call);
    account->credential_changes_open -= call_changes_credentials(ask->call);
    if (how == CLOSED_DONE && call_changes_credentials(ask->call) &&
        request->submitted_step > account->credential_sent_step) {
        account->credential_sent_step = request->submitted_step;
        account->credential_done_step = world->step;
    }
    if (call_ends_sessions(ask->call)) {
        account->ends_open--;
        close_many(world, request, how);
    }
    if (ask->call == ACCOUNT_CALL_SESSION_CLOSE && ask->session != NONE)
        close_session(world, request, how);
    if (writes_password(ask->call))
        field_closed(&account->password, ask->value, world->step, how);
    if (ask->call == ACCOUNT_CALL_NAME_SET || ask->call == ACCOUNT_CALL_REGISTER)
        field_closed(&account->name, ask->value, world->step, how);
}

/* ---- sending ---- */

static uint64_t send_one(struct world *world, uint32_t device, uint32_t shard,
                         const struct account_ask *ask)
{
    uint32_t party = ask->guest != NONE ? ask->guest : 0;
    struct request *request = clients_take_request(world, COMMAND_ACCOUNT, party);
    struct command command = {.type = COMMAND_ACCOUNT};
    struct refusal refusal;

    if (request == NULL)
        return 0;
    request->device = device;
    request->ask = *ask;
    note_known(world, request);
    command.account = make_envelope(world, ask);
    if (ask->call == ACCOUNT_CALL_REGISTER)
        command.account->account = ask->principal;
    if (clients_submit(world, shard, &command, request, &refusal) != OUTCOME_PENDING) {
        envelope_free(command.account);
        return 0;
    }
    note_sent(world, request);
    return request->cookie;
}

/* One token is opened for one session, once; everything else may come twice at once. */
uint64_t people_send(struct world *world, uint32_t device, uint32_t shard,
                     const struct account_ask *ask)
{
    uint64_t cookie;

    if (shard == NONE)
        shard = clients_draw_shard(world);
    if (shard == NONE)
        return 0;
    cookie = send_one(world, device, shard, ask);
    if (cookie != 0 && world->phase == PHASE_SALE && ask->cache_shard == NONE &&
        ask->call != ACCOUNT_CALL_SESSION_OPEN && ask->call != ACCOUNT_CALL_REGISTER &&
        ask->call != ACCOUNT_CALL_TOKEN_ISSUE && ask->call != ACCOUNT_CALL_EMAIL_CHANGE &&
        sim_random_below(&world->random, 100) < TWICE_PERCENT) {
        uint32_t other = clients_draw_shard(world);

        if (other != NONE)
            send_one(world, NONE, other, ask);
    }
    return cookie;
}

uint64_t people_send_adopt(struct world *world, uint32_t device, uint32_t guest, uint32_t account,
                           uint32_t asked_shard, uint32_t product)
{
    uint32_t shard = clients_draw_shard(world);
    struct request *request;
    struct command command = {.type = COMMAND_HOLDS_ADOPT};
    struct refusal refusal;

    if (shard == NONE ||
        (request = clients_take_request(world, COMMAND_HOLDS_ADOPT, guest)) == NULL)
        return 0;
    request->device = device;
    request->ask = people_ask(ACCOUNT_CALL_COUNT);
    request->ask.guest = guest;
    request->ask.account = account;
    request->target = asked_shard;
    command.adopt.shard = asked_shard;
    command.adopt.body = (struct adopt_body){
        .guest = world_principal(world, guest),
        .customer = world->people.accounts[account].principal,
        .product = product,
    };
    if (clients_submit(world, shard, &command, request, &refusal) != OUTCOME_PENDING)
        return 0;
    world->people.guests[guest].adopt_sent = true;
    return request->cookie;
}
