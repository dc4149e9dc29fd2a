/* SPDX-License-Identifier: Apache-2.0 */
/* What an account's answers show: what was acknowledged is in every later view, a version never
 * shows twice with different contents, and what a call did is in its own answer. */
#include <inttypes.h>
#include <string.h>

#include "violation.h"
#include "world.h"

/* ---- a version and its content ---- */

static uint64_t mix(uint64_t hash, const void *bytes, size_t length)
{
    static const struct hash_key key = {{17, 71}};

    return hash_word(hash * 3 + hash_bytes(&key, bytes, length));
}

static uint64_t mix_number(uint64_t hash, uint64_t number)
{
    return hash_word(hash * 5 + number);
}

static uint64_t hash_sessions(uint64_t hash, const struct account_record *view)
{
    for (unsigned i = 0; i < view->session_count; i++) {
        hash = mix(hash, view->sessions[i].token_hash, TOKEN_HASH_BYTES);
        hash = mix_number(hash, view->sessions[i].id);
        hash = mix_number(hash, (uint64_t)view->sessions[i].expires_wall_ms);
    }
    for (unsigned i = 0; i < view->alias_count; i++)
        hash = mix(hash, view->aliases[i].guest.bytes, sizeof(view->aliases[i].guest.bytes));
    for (unsigned i = 0; i < view->address_count; i++) {
        hash = mix_number(hash, view->addresses[i].id);
        hash = mix(hash, view->addresses[i].sealed, view->addresses[i].length);
    }
    return hash;
}

/* All that grows with the version; not the password's hash and the newest code's step, which may
 * change without it. */
static uint64_t hash_view(const struct account_envelope *answer)
{
    const struct account_record *view = &answer->view;
    uint64_t hash = hash_sessions(view->version, view);

    hash = mix(hash, view->principal.bytes, sizeof(view->principal.bytes));
    hash = mix_number(hash, (uint64_t)view->state << 16 | (uint64_t)view->role << 8 |
                                view->has_new_email);
    hash = mix_number(hash, (uint64_t)view->next_id << 32 | view->credentials);
    hash = mix_number(hash, (uint64_t)view->created_wall_ms ^ (uint64_t)view->verified_wall_ms);
    hash = mix(hash, view->email_index, EMAIL_INDEX_BYTES);
    hash = mix(hash, view->new_email_index, EMAIL_INDEX_BYTES);
    hash = mix(hash, view->email, view->email_length);
    hash = mix(hash, view->new_email, view->new_email_length);
    hash = mix(hash, view->name, view->name_length);
    hash = mix(hash, view->totp, view->totp_length);
    for (unsigned i = 0; i < view->recovery_count; i++)
        hash = mix(hash, view->recovery[i], RECOVERY_CODE_HASH_BYTES);
    for (unsigned i = 0; i < TOKEN_PURPOSE_COUNT; i++) {
        hash = mix(hash, view->tokens[i].hash, TOKEN_HASH_BYTES);
        hash = mix_number(hash, (uint64_t)view->tokens[i].expires_wall_ms);
    }
    return mix(hash, answer->key.bytes, answer->key.length);
}

static void check_version(struct world *world, const struct request *request,
                          const struct account_envelope *answer)
{
    struct account_model *account = &world->people.accounts[request->ask.account];
    uint64_t version = answer->view.version;
    struct known_version *known = &account->versions[version % SIM_VERSIONS_MAX];
    uint64_t content = hash_view(answer);

    if (version < request->ask.known_version)
        violation("I2: account %u went back from version %" PRIu64 " to %" PRIu64,
                  request->ask.account, request->ask.known_version, version);
    if (known->version == version && known->content != content)
        violation("I2: version %" PRIu64 " of account %u was shown with other contents", version,
                  request->ask.account);
    if (known->version <= version)
        *known = (struct known_version){.version = version, .content = content};
    if (version > account->version)
        account->version = version;
    if (answer->view.credentials > account->credentials)
        account->credentials = answer->view.credentials;
}

/* ---- what is in it ---- */

static void check_erased(const struct account_envelope *answer)
{
    const struct account_record *view = &answer->view;

    if (view->email_length != 0 || view->name_length != 0 || view->session_count != 0 ||
        view->address_count != 0 || view->alias_count != 0 || view->password_length != 0 ||
        view->totp_length != 0 || view->recovery_count != 0 || answer->key.length != 0)
        violation("something is left of an erased account");
}

static void check_postal(const struct account_model *account, const struct request *request,
                         const struct account_record *view)
{
    for (uint32_t i = 0; i < SIM_POSTAL_MAX; i++) {
        const struct postal_model *postal = &account->postal[i];
        bool found = false;

        if (postal->id == 0 || postal->touched || postal->added_step > request->submitted_step)
            continue;
        for (unsigned n = 0; n < view->address_count; n++)
            found = found || (view->addresses[n].id == postal->id &&
                              people_read_value(view->addresses[n].sealed,
                                                view->addresses[n].length) == postal->value);
        if (!found)
            violation("I2: an account's postal address is gone, or another");
    }
}

void answers_view(struct world *world, const struct request *request,
                  const struct account_envelope *answer)
{
    const struct account_model *account = &world->people.accounts[request->ask.account];
    const struct account_record *view = &answer->view;
    uint64_t asked = request->submitted_step;

    if (!principal_equal(&view->principal, &account->principal))
        violation("a call on an account was answered by another");
    check_version(world, request, answer);
    if (view->state == ACCOUNT_ERASED) {
        if (account->erases_sent == 0)
            violation("an account is erased, which nobody asked for");
        check_erased(answer);
        return;
    }
    if (account->erased_step != 0 && account->erased_step < asked)
        violation("an account lives again that was erased");
    field_check(&account->name, people_read_value(view->name, view->name_length), asked, "name");
    field_check(&account->password,
                people_read_value((const uint8_t *)view->password_hash, view->password_length),
                asked, "password");
    if (!account->key_rewrapped &&
        (answer->key.length != account->key.length ||
         memcmp(answer->key.bytes, account->key.bytes, account->key.length - 1u) != 0))
        violation("I2: an account's key is gone, or another");
    check_postal(account, request, view);
}

/* ---- one-use tokens ---- */

/* While it was decided the wall clock showed at least, and at most, this. */
static int64_t lowest(const struct world *world, const struct request *request)
{
    return wall_lowest_since(world, request->submitted_ms);
}

static int64_t highest(const struct world *world, const struct request *request)
{
    return wall_highest_since(world, request->submitted_ms);
}

void answers_token_refused(struct world *world, const struct request *request)
{
    const struct token_model *token = &world->people.tokens[request->ask.token];

    if (request->ask.quiet && !token->used && request->ask.account == token->account &&
        world->people.accounts[token->account].token_changes == request->ask.changes &&
        highest(world, request) < token->expires_lowest_ms)
        violation("a one-use token was refused that is good");
    world_mark(world, token->used ? MARK_TOKEN_TWICE : MARK_TOKEN_REFUSED);
}

static void take_token(struct world *world, const struct request *request)
{
    struct token_model *token = &world->people.tokens[request->ask.token];

    if (token->used)
        violation("a one-use token was used twice");
    if (token->account != request->ask.account)
        violation("a one-use token was taken by another account");
    if (token->over_step != 0 && token->over_step < request->submitted_step)
        violation("a one-use token was taken after a newer one was issued");
    if (token->issued && lowest(world, request) >= token->expires_highest_ms)
        violation("a one-use token was taken past its time");
    token->used = true;
    world_mark(world, MARK_TOKEN_USED);
}

/* Older ones of its purpose are good no more. */
void answers_token_issued(struct world *world, const struct request *request)
{
    struct token_model *issued = &world->people.tokens[request->ask.token];
    const struct account_model *account = &world->people.accounts[request->ask.account];

    issued->issued = issued->changes == account->token_changes;
    issued->issue_step = world->step;
    issued->expires_lowest_ms = wall_lowest_since(world, issued->sent_ms) + issued->lifetime_ms;
    issued->expires_highest_ms = wall_highest_since(world, issued->sent_ms) + issued->lifetime_ms;
    for (uint32_t i = 0; i < world->people.token_count; i++) {
        struct token_model *token = &world->people.tokens[i];

        if (token != issued && token->account == issued->account &&
            token->purpose == issued->purpose && token->issue_step != 0 &&
            token->issue_step < request->submitted_step && token->over_step == 0)
            token->over_step = world->step;
    }
}

/* ---- what a call did ---- */

static void take_opened(struct world *world, const struct request *request,
                        const struct account_envelope *answer)
{
    struct session_model *session = &world->people.sessions[request->ask.session];
    const struct account_model *account = &world->people.accounts[request->ask.account];
    const struct account_session *shown;

    if (request->ask.credentials < request->ask.known_credentials ||
        (account->credential_sent_step > request->ask.verified_step &&
         account->credential_done_step < request->submitted_step))
        violation("a session was opened with a password or role that had been replaced");
    if (answer->session >= answer->view.session_count)
        violation("a session was opened that is not there");
    shown = &answer->view.sessions[answer->session];
    if (memcmp(shown->token_hash, session->hash, TOKEN_HASH_BYTES) != 0 || shown->id != answer->id)
        violation("a session was opened for another token");
    session->opened_step = world->step;
    session->id = shown->id;
    session->expires_wall_ms = shown->expires_wall_ms;
    /* One that was sent before, and of which nobody knows when it came, may have ended it. */
    session->end_maybe = session->end_maybe || account->ends_open > 0;
    world_mark(world, MARK_LOGGED_IN);
}

static void take_postal(struct world *world, const struct request *request,
                        const struct account_envelope *answer)
{
    struct account_model *account = &world->people.accounts[request->ask.account];
    bool found = false;

    for (unsigned i = 0; i < answer->view.address_count; i++)
        found =
            found || (answer->view.addresses[i].id == request->ask.id && /* sealed for it */
                      people_read_value(answer->view.addresses[i].sealed,
                                        answer->view.addresses[i].length) == request->ask.value);
    if (!found)
        violation("a postal address was added, or changed, that is not there");
    for (uint32_t i = 0; i < SIM_POSTAL_MAX; i++) {
        if (account->postal[i].id == request->ask.id)
            return;
        if (account->postal[i].id == 0) {
            account->postal[i] = (struct postal_model){
                .id = request->ask.id, .value = request->ask.value, .added_step = world->step};
            account->postal[i].touched = request->ask.call == ACCOUNT_CALL_ADDRESS_SET;
            return;
        }
    }
}

static void take_code(struct world *world, const struct request *request)
{
    struct account_model *account = &world->people.accounts[request->ask.account];
    uint64_t step = request->ask.totp_step;

    if (step <= request->ask.known_totp || step == account->totp_used)
        violation("a second factor's code was taken twice");
    if (step > account->totp_used)
        account->totp_used = step;
    world_mark(world, MARK_CODE_USED);
}

static void take_recovery(struct world *world, const struct request *request)
{
    struct account_model *account = &world->people.accounts[request->ask.account];
    uint32_t count = account->recovery_used_count;

    for (uint32_t i = 0; i < SIM_RECOVERY_MAX && i < count; i++)
        if (account->recovery_used[i] == request->ask.value)
            violation("a recovery code was taken twice");
    account->recovery_used[account->recovery_used_count++ % SIM_RECOVERY_MAX] = request->ask.value;
    world_mark(world, MARK_RECOVERY_USED);
}

static void must_show(const struct request *request, uint32_t shown)
{
    if (shown != request->ask.value)
        violation("%s is not what its answer shows", account_call_name(request->ask.call));
}

void answers_effect(struct world *world, const struct request *request,
                    const struct account_envelope *answer)
{
    const struct account_record *view = &answer->view;

    switch ((int)request->ask.call) { /* few of many */
    case ACCOUNT_CALL_SESSION_OPEN:
        take_opened(world, request, answer);
        break;
    case ACCOUNT_CALL_TOKEN_ISSUE:
    case ACCOUNT_CALL_EMAIL_CHANGE:
        answers_token_issued(world, request);
        break;
    case ACCOUNT_CALL_VERIFY:
    case ACCOUNT_CALL_EMAIL_CONFIRM:
        take_token(world, request);
        break;
    case ACCOUNT_CALL_PASSWORD_RESET:
        take_token(world, request);
        must_show(request,
                  people_read_value((const uint8_t *)view->password_hash, view->password_length));
        break;
    case ACCOUNT_CALL_PASSWORD_CHANGE:
        must_show(request,
                  people_read_value((const uint8_t *)view->password_hash, view->password_length));
        if (request->ask.credentials < request->ask.known_credentials)
            violation("a password that had been replaced was enough to change it");
        break;
    case ACCOUNT_CALL_NAME_SET:
        must_show(request, people_read_value(view->name, view->name_length));
        break;
    case ACCOUNT_CALL_ADDRESS_ADD:
    case ACCOUNT_CALL_ADDRESS_SET:
        take_postal(world, request, answer);
        break;
    case ACCOUNT_CALL_ROLE_SET:
        if (view->role != request->ask.role || view->session_count != 0)
            violation("a role was set, and is another, or sessions stay");
        break;
    case ACCOUNT_CALL_TOTP_USE:
        take_code(world, request);
        break;
    case ACCOUNT_CALL_RECOVERY_USE:
        take_recovery(world, request);
        break;
    default:
        break;
    }
}
