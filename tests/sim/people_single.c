/* SPDX-License-Identifier: Apache-2.0 */
/* What people do in one call: to an account of their own, or as staff. */
#include "violation.h"
#include "world.h"

/* A token of the account: the newest, mostly. */
static uint32_t draw_token(struct world *world, uint32_t account, bool for_password,
                           uint8_t *purpose_out)
{
    const struct people *people = &world->people;
    uint32_t tries = sim_random_below(&world->random, 10) < 7 ? 1 : 3;
    uint32_t found = NONE;

    for (uint32_t i = people->token_count; i-- > 0 && tries > 0;) {
        const struct token_model *token = &people->tokens[i];
        bool fits = for_password ? token->purpose == TOKEN_RESET || token->purpose == TOKEN_INVITE
                                 : token->purpose == TOKEN_VERIFY;

        if (token->account != account || !fits)
            continue;
        found = i;
        *purpose_out = token->purpose;
        tries--;
    }
    return found;
}

static bool fill_token(struct world *world, struct account_ask *ask)
{
    static const uint8_t purposes[] = {TOKEN_VERIFY, TOKEN_RESET, TOKEN_RESET, TOKEN_INVITE};

    if (ask->call == ACCOUNT_CALL_TOKEN_ISSUE) {
        ask->token = people_new_token(world);
        ask->purpose = purposes[sim_random_below(&world->random, 4)];
        ask->lifetime_ms = people_draw_lifetime(world);
    } else {
        ask->token = draw_token(world, ask->account, ask->call == ACCOUNT_CALL_PASSWORD_RESET,
                                &ask->purpose);
    }
    return ask->token != NONE;
}

static void fill_postal(struct world *world, struct account_ask *ask)
{
    const struct account_model *account = &world->people.accounts[ask->account];

    if (ask->call == ACCOUNT_CALL_ADDRESS_ADD)
        ask->id = row_number_of(sim_random_next(&world->random));
    else
        ask->id = account->postal[sim_random_below(&world->random, 4)].id;
}

static void fill_codes(struct world *world, struct account_ask *ask)
{
    struct account_model *account = &world->people.accounts[ask->account];
    bool again = sim_random_chance(&world->random, 300000);

    ask->totp_step = again ? account->totp_used : ++world->people.totp_clock;
    if (ask->call == ACCOUNT_CALL_TOTP_SET)
        account->recovery = ask->value;
    if (ask->call == ACCOUNT_CALL_RECOVERY_USE)
        ask->value = account->recovery * 16 + sim_random_below(&world->random, 4);
}

/* False if there is nothing to be done. */
static bool fill_call(struct world *world, uint32_t device_index, struct account_ask *ask)
{
    const struct device *device = &world->people.devices[device_index];
    const struct account_model *account = &world->people.accounts[ask->account];
    bool stale = sim_random_chance(&world->random, 100000);

    if (device->session != NONE && world->people.sessions[device->session].account == ask->account)
        ask->session = device->session;
    ask->value = people_new_value(world);
    ask->credentials = account->credentials - (stale && account->credentials > 0);
    ask->version = account->version - (stale && account->version > 0);
    ask->role = (uint8_t)sim_random_below(&world->random, ROLE_COUNT);
    switch ((int)ask->call) { /* few of many */
    case ACCOUNT_CALL_SESSION_CLOSE:
        return ask->session != NONE;
    case ACCOUNT_CALL_TOKEN_ISSUE:
    case ACCOUNT_CALL_VERIFY:
    case ACCOUNT_CALL_PASSWORD_RESET:
        ask->session = NONE;
        return fill_token(world, ask);
    case ACCOUNT_CALL_ADDRESS_ADD:
    case ACCOUNT_CALL_ADDRESS_SET:
    case ACCOUNT_CALL_ADDRESS_REMOVE:
        fill_postal(world, ask);
        return ask->id != 0;
    case ACCOUNT_CALL_EMAIL_RELEASE: /* late, of one that is another's by now */
        ask->session = NONE;
        ask->address = people_draw_address(world);
        return !owning_is_possible(&world->people.owning[ask->address][ask->account], UINT64_MAX);
    case ACCOUNT_CALL_ROLE_SET:
        ask->session = NONE;
        return true;
    case ACCOUNT_CALL_TOTP_SET:
    case ACCOUNT_CALL_TOTP_USE:
    case ACCOUNT_CALL_RECOVERY_USE:
        fill_codes(world, ask);
        return true;
    default:
        return true;
    }
}

void people_call_account(struct world *world, uint32_t device)
{
    static const struct {
        enum account_call call;
        uint32_t weight;
    } calls[] = {
        {ACCOUNT_CALL_GET, 4},
        {ACCOUNT_CALL_SESSION_CLOSE, 8},
        {ACCOUNT_CALL_NAME_SET, 4},
        {ACCOUNT_CALL_SESSION_CLOSE_ALL, 1},
        {ACCOUNT_CALL_TOKEN_ISSUE, 6},
        {ACCOUNT_CALL_VERIFY, 4},
        {ACCOUNT_CALL_PASSWORD_RESET, 6},
        {ACCOUNT_CALL_PASSWORD_CHANGE, 3},
        {ACCOUNT_CALL_PASSWORD_REHASH, 1},
        {ACCOUNT_CALL_ADDRESS_ADD, 2},
        {ACCOUNT_CALL_ADDRESS_SET, 1},
        {ACCOUNT_CALL_ADDRESS_REMOVE, 1},
        {ACCOUNT_CALL_EMAIL_RELEASE, 2},
        {ACCOUNT_CALL_ROLE_SET, 1},
        {ACCOUNT_CALL_TOTP_SET, 1},
        {ACCOUNT_CALL_TOTP_USE, 4},
        {ACCOUNT_CALL_RECOVERY_USE, 4},
        {ACCOUNT_CALL_KEY_REWRAP, 1},
    };
    enum { CALLS = sizeof(calls) / sizeof(calls[0]) };
    uint32_t weights[CALLS];
    struct account_ask ask;

    for (uint32_t i = 0; i < CALLS; i++)
        weights[i] = calls[i].weight;
    ask = people_ask(calls[sim_random_weighted(&world->random, weights, CALLS)].call);
    ask.account = people_draw_account(world, device);
    if (ask.account != NONE && fill_call(world, device, &ask) &&
        people_send(world, device, NONE, &ask) != 0 && ask.call == ACCOUNT_CALL_SESSION_CLOSE)
        people_log_out(world, device);
}
