/* SPDX-License-Identifier: Apache-2.0 */
/* What people do: registrations, logins, changes of address and erasures as flows of several calls,
 * each sent from a drawn shard, and everything else as single calls. A flow whose answer is lost is
 * begun anew some time; several devices work on one account, and several people on one address. */
#include <string.h>

#include "violation.h"
#include "world.h"

enum { GIVES_UP_PERCENT = 3, PROBE_PERCENT = 25, FLOW_PERCENT = 60 };

/* ---- tokens, sessions, accounts: new ones ---- */

static void draw_bytes(struct world *world, uint8_t *bytes, size_t length)
{
    for (size_t i = 0; i < length; i += 8) {
        uint64_t word = sim_random_next(&world->random);

        memcpy(bytes + i, &word, length - i < 8 ? length - i : 8);
    }
}

int64_t people_draw_lifetime(struct world *world)
{
    static const uint32_t lifetimes_ms[][2] = {{20, 400}, {1000, 20000}, {3600000, 86400000}};
    const uint32_t *range = lifetimes_ms[sim_random_below(&world->random, 3)];

    return sim_random_range(&world->random, range[0], range[1]);
}

uint32_t people_new_value(struct world *world)
{
    return ++world->people.next_value;
}

uint32_t people_new_token(struct world *world)
{
    struct people *people = &world->people;
    struct token_model *token;

    if (people->token_count == SIM_TOKENS_MAX)
        return NONE;
    token = &people->tokens[people->token_count];
    *token = (struct token_model){.account = NONE, .changes = UINT64_MAX};
    draw_bytes(world, token->hash, sizeof(token->hash));
    return people->token_count++;
}

static uint32_t new_session(struct world *world, uint32_t account)
{
    struct people *people = &world->people;
    uint8_t claim[SESSION_CLAIM_BYTES];
    uint8_t mac[SESSION_MAC_BYTES];
    struct session_model *session;

    if (people->session_count == SIM_SESSIONS_MAX)
        return NONE;
    session = &people->sessions[people->session_count];
    *session = (struct session_model){.account = account};
    draw_bytes(world, claim, sizeof(claim));
    draw_bytes(world, mac, sizeof(mac));
    session_token_format(claim, mac, session->token);
    memcpy(session->hash, claim + 1, SESSION_CLAIM_BYTES - 1);
    memcpy(session->hash + SESSION_CLAIM_BYTES - 1, mac,
           TOKEN_HASH_BYTES - (SESSION_CLAIM_BYTES - 1));
    return people->session_count++;
}

/* One that was never registered gives its place to another. */
static uint32_t new_account(struct world *world, const struct principal *principal)
{
    struct people *people = &world->people;
    struct account_model *account;
    uint32_t index = 0;

    while (index < people->account_count &&
           !principal_is_nobody(&people->accounts[index].principal))
        index++;
    if (index == SIM_ACCOUNTS_MAX)
        return NONE;
    if (index == people->account_count)
        people->account_count++;
    account = &people->accounts[index];
    *account = (struct account_model){.principal = *principal};
    account_principal_parse(principal, &world->secrets.id_key, &account->partition,
                            &account->number);
    return index;
}

static void drop_account(struct world *world, uint32_t index)
{
    struct account_model *account = &world->people.accounts[index];

    for (uint32_t i = 0; i < SIM_ADDRESSES_MAX; i++) {
        const struct owning *owning = &world->people.owning[i][index];

        if (owning->owned_step != 0 || owning->claims_open > 0 || owning->claim_maybe)
            return;
    }
    if (account->registered_step != 0)
        return;
    for (uint32_t i = 0; i < SIM_ADDRESSES_MAX; i++)
        world->people.owning[i][index] = (struct owning){0};
    account->principal = (struct principal){{0}};
}

/* The device's own, mostly. */
uint32_t people_draw_account(struct world *world, uint32_t device)
{
    uint32_t count = world->people.account_count;
    uint32_t session = world->people.devices[device].session;
    uint32_t index = count == 0 ? 0 : sim_random_below(&world->random, count);

    if (session != NONE && sim_random_chance(&world->random, 600000))
        return world->people.sessions[session].account;
    return count == 0 || world->people.accounts[index].registered_step == 0 ? NONE : index;
}

uint32_t people_draw_address(struct world *world)
{
    return sim_random_below(&world->random, world->profile.addresses);
}

void people_log_out(struct world *world, uint32_t device_index)
{
    struct people *people = &world->people;
    struct device *device = &people->devices[device_index];

    device->session = NONE;
    device->guest = people->next_guest < SIM_GUESTS_MAX ? people->next_guest++ : NONE;
    if (device->flow.kind == FLOW_LOGIN)
        device->flow = (struct flow){0};
    memset(&world->clients[device_index].attempts, 0,
           sizeof(world->clients[device_index].attempts));
    world->clients[device_index].attempt_count = 0;
}

/* ---- registration ---- */

static uint64_t step_register(struct world *world, uint32_t device, struct flow *flow)
{
    struct account_ask ask = people_ask(ACCOUNT_CALL_EMAIL_PREPARE);
    uint64_t cookie;

    ask.address = flow->address;
    if (flow->step == 0)
        return people_send(world, device, NONE, &ask);
    ask.call = ACCOUNT_CALL_REGISTER;
    ask.principal = flow->principal;
    ask.account = new_account(world, &flow->principal);
    if (ask.account == NONE) {
        *flow = (struct flow){0};
        return 0;
    }
    ask.value = people_new_value(world);
    ask.verified = sim_random_chance(&world->random, 800000);
    if (!ask.verified)
        ask.token = people_new_token(world);
    ask.purpose = TOKEN_VERIFY;
    ask.lifetime_ms = ask.token == NONE ? 0 : people_draw_lifetime(world);
    flow->account = ask.account;
    cookie = people_send(world, device, NONE, &ask);
    if (cookie == 0) {
        drop_account(world, ask.account);
    } else {
        people_write_key(ask.value, &world->people.accounts[ask.account].key);
    }
    return cookie;
}

static void after_register(struct world *world, struct flow *flow, enum outcome outcome,
                           const struct account_envelope *answer)
{
    if (flow->step == 0 && outcome == OUTCOME_OK) {
        flow->principal = answer->account;
        flow->step++;
        return;
    }
    if (flow->step == 1 && outcome == OUTCOME_EMAIL_TAKEN &&
        !principal_equal(&answer->account, &flow->principal))
        drop_account(world, flow->account);
    *flow = (struct flow){0};
}

/* ---- login ---- */

enum { LOGIN_FIND, LOGIN_GET, LOGIN_GUEST_END, LOGIN_ADOPT, LOGIN_OPEN };

static uint64_t step_open(struct world *world, uint32_t device, struct flow *flow)
{
    struct account_ask ask = people_ask(ACCOUNT_CALL_SESSION_OPEN);
    const struct account_model *account = /* not looked at before it is known whose it is */
        &world->people.accounts[flow->account == NONE ? 0 : flow->account];

    ask.account = flow->account;
    ask.session = flow->session = new_session(world, flow->account);
    if (ask.session == NONE) {
        *flow = (struct flow){0};
        return 0;
    }
    ask.credentials = flow->credentials;
    ask.verified_step = flow->verified_step;
    ask.lifetime_ms = people_draw_lifetime(world);
    ask.guest = flow->guest;
    ask.has_guest = flow->guest != NONE;
    ask.changes = flow->credential_changes;
    ask.quiet = account->credential_changes == flow->credential_changes &&
                account->credential_changes_open == 0;
    return people_send(world, device, NONE, &ask);
}

static uint64_t step_login(struct world *world, uint32_t device, struct flow *flow)
{
    struct account_ask ask = people_ask(ACCOUNT_CALL_EMAIL_FIND);
    const struct account_model *account = /* not looked at before it is known whose it is */
        &world->people.accounts[flow->account == NONE ? 0 : flow->account];

    ask.address = flow->address;
    switch (flow->step) {
    case LOGIN_FIND:
        if (world->people.devices[device].session == NONE) /* so that there is something to adopt */
            clients_reserve_new(world, device);
        return people_send(world, device, NONE, &ask);
    case LOGIN_GET:
        ask = people_ask(ACCOUNT_CALL_GET);
        ask.account = flow->account;
        flow->credential_changes =
            account->credential_changes_open == 0 ? account->credential_changes : UINT64_MAX;
        return people_send(world, device, NONE, &ask);
    case LOGIN_GUEST_END:
        ask = people_ask(ACCOUNT_CALL_GUEST_END);
        ask.account = flow->account;
        ask.guest = flow->guest;
        for (uint32_t i = 0; i < 3; i++) /* other pages of the same browser */
            clients_reserve_new(world, device);
        return people_send(world, device, NONE, &ask);
    case LOGIN_ADOPT:
        if (flow->shard == 0 && flow->product == 0)
            flow->shards = world->profile.engine.shards;
        return people_send_adopt(world, device, flow->guest, flow->account, flow->shard,
                                 flow->product);
    default:
        return step_open(world, device, flow);
    }
}

static void after_adopt(struct world *world, struct flow *flow, enum outcome outcome)
{
    if (outcome != OUTCOME_OK)
        return; /* again */
    flow->product = world->adopt_more ? world->adopt_next : 0;
    flow->shard += !world->adopt_more;
    if (flow->shard < flow->shards)
        return;
    if (world->people.guests[flow->guest].adopted_step == 0)
        world->people.guests[flow->guest].adopted_step = world->step;
    world_mark(world, MARK_ADOPTED);
    flow->step = LOGIN_OPEN;
}

static void after_login(struct world *world, uint32_t device_index, struct flow *flow,
                        enum outcome outcome, const struct account_envelope *answer)
{
    struct device *device = &world->people.devices[device_index];

    if (flow->step == LOGIN_ADOPT) {
        after_adopt(world, flow, outcome);
        return;
    }
    if (outcome == OUTCOME_OVERLOADED)
        return; /* again */
    if (flow->step == LOGIN_GUEST_END && outcome == OUTCOME_STALE) {
        flow->guest = NONE;
        flow->step = LOGIN_OPEN;
        return;
    }
    if (outcome != OUTCOME_OK) {
        *flow = (struct flow){0};
        return;
    }
    if (flow->step == LOGIN_FIND) {
        flow->account = people_find_account(world, &answer->account);
        flow->step = LOGIN_GET;
    } else if (flow->step == LOGIN_GET) {
        flow->credentials = answer->view.credentials;
        flow->verified_step = world->step;
        flow->guest = device->session == NONE ? device->guest : NONE;
        flow->step = flow->guest == NONE ? LOGIN_OPEN : LOGIN_GUEST_END;
        if (answer->view.state != ACCOUNT_ACTIVE)
            *flow = (struct flow){0};
    } else if (flow->step == LOGIN_GUEST_END) {
        flow->step = LOGIN_ADOPT;
    } else {
        device->session = flow->session;
        *flow = (struct flow){0};
        device->repeats = sim_random_chance(&world->random, 500000);
    }
}

/* ---- another address; erasure ---- */

enum { EMAIL_ASK, EMAIL_CLAIM, EMAIL_CONFIRM, EMAIL_RELEASE };

static uint64_t step_email(struct world *world, uint32_t device, struct flow *flow)
{
    static const enum account_call calls[] = {ACCOUNT_CALL_EMAIL_CHANGE, ACCOUNT_CALL_EMAIL_CLAIM,
                                              ACCOUNT_CALL_EMAIL_CONFIRM,
                                              ACCOUNT_CALL_EMAIL_RELEASE};
    struct account_ask ask = people_ask(calls[flow->step]);

    ask.account = flow->account;
    ask.address = flow->step == EMAIL_RELEASE ? flow->old_address : flow->address;
    ask.purpose = TOKEN_CHANGE_EMAIL;
    if (flow->step == EMAIL_ASK) {
        flow->token = people_new_token(world);
        ask.lifetime_ms = people_draw_lifetime(world);
        if (flow->token == NONE) {
            *flow = (struct flow){0};
            return 0;
        }
    }
    if (flow->step == EMAIL_ASK || flow->step == EMAIL_CONFIRM)
        ask.token = flow->token;
    return people_send(world, device, NONE, &ask);
}

static uint32_t address_of(const struct world *world, const uint8_t *index)
{
    uint8_t known[EMAIL_INDEX_BYTES];

    for (uint32_t i = 0; i < world->profile.addresses; i++) {
        people_address_index(world, i, known);
        if (memcmp(known, index, EMAIL_INDEX_BYTES) == 0)
            return i;
    }
    violation("an address is to be released that nobody has");
}

/* What was claimed for an account that does not take it is given back. */
static void after_email(struct world *world, struct flow *flow, enum outcome outcome,
                        const struct account_envelope *answer)
{
    if (flow->kind == FLOW_ERASE && flow->step == 0 && outcome == OUTCOME_OK &&
        answer->has_old_index) {
        flow->old_address = address_of(world, answer->old_index);
        flow->step = EMAIL_RELEASE;
        return;
    }
    if (flow->kind == FLOW_ERASE && flow->step == 0) {
        *flow = (struct flow){0};
        return;
    }
    if (flow->step == EMAIL_CONFIRM && outcome == OUTCOME_OK) {
        flow->old_address = address_of(world, answer->old_index);
        if (memcmp(answer->view.email_index, answer->old_index, EMAIL_INDEX_BYTES) == 0) {
            *flow = (struct flow){0};
            return;
        }
        world_mark(world, MARK_EMAIL_CHANGED);
    }
    if (outcome == OUTCOME_OK && flow->step != EMAIL_RELEASE)
        flow->step++;
    else
        *flow = (struct flow){0};
}

static uint64_t step_erase(struct world *world, uint32_t device, struct flow *flow)
{
    struct account_ask ask = people_ask(ACCOUNT_CALL_ERASE);

    if (flow->step == EMAIL_RELEASE)
        return step_email(world, device, flow);
    ask.account = flow->account;
    return people_send(world, device, NONE, &ask);
}

/* ---- flows ---- */

static void step_flow(struct world *world, uint32_t device)
{
    struct flow *flow = &world->people.devices[device].flow;
    uint64_t cookie = 0;

    switch (flow->kind) {
    case FLOW_REGISTER:
        cookie = step_register(world, device, flow);
        break;
    case FLOW_LOGIN:
        cookie = step_login(world, device, flow);
        break;
    case FLOW_EMAIL:
        cookie = step_email(world, device, flow);
        break;
    case FLOW_ERASE:
        cookie = step_erase(world, device, flow);
        break;
    case FLOW_NONE:
    default:
        assert(false && "a flow has a kind");
    }
    flow->cookie = cookie;
}

void people_go_on(struct world *world, const struct request *request, enum outcome outcome,
                  const struct account_envelope *answer)
{
    struct flow *flow;

    if (request->device >= SIM_DEVICES_MAX)
        return;
    flow = &world->people.devices[request->device].flow;
    if (flow->kind == FLOW_NONE || flow->cookie != request->cookie)
        return;
    flow->cookie = 0;
    if (request->answer_lost || outcome == OUTCOME_OUTCOME_UNKNOWN)
        *flow = (struct flow){0};
    else if (flow->kind == FLOW_REGISTER)
        after_register(world, flow, outcome, answer);
    else if (flow->kind == FLOW_LOGIN)
        after_login(world, request->device, flow, outcome, answer);
    else
        after_email(world, flow, outcome, answer);
}

static void begin_flow(struct world *world, uint32_t device)
{
    static const uint32_t weights[] = {
        [FLOW_REGISTER] = 25, [FLOW_LOGIN] = 65, [FLOW_EMAIL] = 6, [FLOW_ERASE] = 4};
    struct flow *flow = &world->people.devices[device].flow;
    enum flow_kind kind = (enum flow_kind)sim_random_weighted(&world->random, weights, 5);

    *flow = (struct flow){
        .kind = kind, .account = NONE, .guest = NONE, .address = people_draw_address(world)};
    if (kind == FLOW_REGISTER && world->people.prepared_count == SIM_PREPARED_MAX)
        *flow = (struct flow){0};
    if (kind == FLOW_EMAIL || kind == FLOW_ERASE) {
        flow->account = people_draw_account(world, device);
        if (flow->account == NONE)
            *flow = (struct flow){0};
    }
}

void people_act(struct world *world)
{
    uint32_t index = sim_random_below(&world->random, world->profile.devices);
    struct device *device = &world->people.devices[index];

    if (device->repeats && device->session != NONE) { /* what it wanted before it logged in */
        device->repeats = false;
        clients_repeat_last(world, index);
        return;
    }
    if (sim_random_below(&world->random, 100) < PROBE_PERCENT) {
        people_probe(world);
        return;
    }
    if (device->flow.kind != FLOW_NONE) {
        if (sim_random_below(&world->random, 100) < GIVES_UP_PERCENT)
            device->flow = (struct flow){0};
        else if (device->flow.cookie == 0)
            step_flow(world, index);
        return;
    }
    if (sim_random_below(&world->random, 100) >= FLOW_PERCENT) {
        people_call_account(world, index);
        return;
    }
    begin_flow(world, index);
    if (device->flow.kind != FLOW_NONE)
        step_flow(world, index);
}

/* ---- the world ---- */

void people_start(struct world *world)
{
    struct people *people = &world->people;

    people->next_guest = SIM_CLIENTS_MAX;
    for (uint32_t i = 0; i < SIM_GUESTS_MAX; i++)
        people->guests[i].account = NONE;
    for (uint32_t i = 0; i < SIM_DEVICES_MAX; i++)
        people->devices[i] = (struct device){.guest = i, .session = NONE};
}

void people_end(struct world *world)
{
    for (uint32_t i = 0; i < SIM_SHARDS_MAX; i++)
        session_cache_free(&world->caches[i]);
}
