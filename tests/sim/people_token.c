/* SPDX-License-Identifier: Apache-2.0 */
/* Who a request is from, as handlers find out: by what the shard remembers of the token, or by
 * asking whoever knows it. Whatever is accepted here is held against the books. */
#include <string.h>

#include "violation.h"
#include "world.h"

enum {
    CACHE_ENTRIES_BITS_MAX = 4,
    PROBED_TOKENS = 8, /* of the newest */
};

static void guest_session(const struct world *world, uint32_t guest, struct session *session_out)
{
    *session_out = (struct session){.principal = world_principal(world, guest)};
}

void people_guest_token(const struct world *world, uint32_t guest,
                        char token_out[SESSION_TOKEN_LENGTH + 1])
{
    uint8_t claim[SESSION_CLAIM_BYTES];
    uint8_t mac[SESSION_MAC_BYTES];
    struct session session;

    guest_session(world, guest, &session);
    session_claim(&session, claim);
    world->secrets.mac(world->secrets.self, SESSION_MAC_PURPOSE, claim, sizeof(claim), mac);
    session_token_format(claim, mac, token_out);
}

void people_restart_caches(struct world *world)
{
    for (uint32_t i = 0; i < SIM_SHARDS_MAX; i++) {
        uint32_t guests = 1u << sim_random_below(&world->random, CACHE_ENTRIES_BITS_MAX + 1);
        uint32_t people = 1u << sim_random_below(&world->random, CACHE_ENTRIES_BITS_MAX + 1);
        bool made;

        session_cache_free(&world->caches[i]);
        made = session_cache_init(&world->caches[i], world->engine, guests, people);
        assert(made);
        (void)made;
    }
}

/* ---- what may be accepted, and refused ---- */

/* A guest's request that came in step `since_step` goes on as the guest's. */
static void accept_guest(struct world *world, uint32_t guest, uint64_t since_step)
{
    const struct guest_model *model = &world->people.guests[guest];

    if (model->ended_step != 0 && model->ended_step < since_step)
        violation("guest %u became a customer, and is accepted with the old token", guest);
}

static void refuse_guest(struct world *world, uint32_t guest)
{
    if (world->people.guests[guest].asked == 0)
        violation("guest %u was refused, who became nobody's customer", guest);
    world_mark(world, MARK_GUEST_REFUSED);
}

/* `lowest_ms`: the least that the wall clock showed while it was decided. */
static void accept_session(struct world *world, uint32_t index, uint64_t since_step,
                           int64_t lowest_ms)
{
    const struct session_model *session = &world->people.sessions[index];
    const struct account_model *account = &world->people.accounts[session->account];

    if (session->over_step != 0 && session->over_step < since_step)
        violation("a session of account %u is accepted after its acknowledged end",
                  session->account);
    if (account->erased_step != 0 && account->erased_step < since_step)
        violation("a session of the erased account %u is accepted", session->account);
    if (lowest_ms >= session->expires_wall_ms)
        violation("a session is accepted %lld ms past its time",
                  (long long)(lowest_ms - session->expires_wall_ms));
}

static void refuse_session(struct world *world, uint32_t index, uint64_t since_step)
{
    if (people_session_stands(world, index, since_step))
        violation("a session of account %u that stands was refused",
                  world->people.sessions[index].account);
    world_mark(world, MARK_SESSION_REFUSED);
}

static void check_person(const struct world *world, const struct session_model *session,
                         const struct person *person)
{
    const struct account_model *account = &world->people.accounts[session->account];

    if (!principal_equal(&person->principal, &account->principal) ||
        person->session != session->id ||
        memcmp(person->token_hash, session->hash, TOKEN_HASH_BYTES) != 0)
        violation("a shard remembers another's session under a token");
}

/* ---- asking ---- */

static void ask_guest(struct world *world, uint32_t device, uint32_t shard, uint32_t guest)
{
    struct account_ask ask = people_ask(ACCOUNT_CALL_GUEST_CHECK);

    ask.guest = guest;
    ask.cache_shard = shard;
    people_send(world, device, shard, &ask);
}

static void ask_session(struct world *world, uint32_t device, uint32_t shard, uint32_t session)
{
    struct account_ask ask = people_ask(ACCOUNT_CALL_SESSION_CHECK);

    ask.session = session;
    ask.account = world->people.sessions[session].account;
    ask.cache_shard = shard;
    people_send(world, device, shard, &ask);
}

/* ---- by a token ---- */

/* Its token is refused: it goes on as another guest, or tries to log in (again). */
static void forget_token(struct world *world, uint32_t device)
{
    if (device < SIM_DEVICES_MAX && world->people.devices[device].flow.kind != FLOW_LOGIN &&
        sim_random_chance(&world->random, 500000))
        people_log_out(world, device);
}

static bool identify_guest(struct world *world, uint32_t device, uint32_t shard, uint32_t guest,
                           struct identity *identity_out)
{
    struct session_cache *cache = &world->caches[shard];
    char token[SESSION_TOKEN_LENGTH + 1];
    struct session session;
    enum session_known known;

    people_guest_token(world, guest, token);
    known = session_cache_get_guest(cache, token, &session);
    if (known == SESSION_NOT_KNOWN) {
        guest_session(world, guest, &session);
        session_cache_put_guest(cache, token, &session);
        known = session_cache_get_guest(cache, token, &session);
    }
    *identity_out = (struct identity){.party = guest, .principal = session.principal};
    switch (known) {
    case SESSION_GOOD:
        accept_guest(world, guest, world->step);
        return true;
    case SESSION_OVER:
        refuse_guest(world, guest);
        forget_token(world, device);
        return false;
    case SESSION_TO_BE_ASKED:
        world_mark(world, MARK_SESSION_OUTDATED);
        ask_guest(world, device, shard, guest);
        return false;
    case SESSION_NOT_KNOWN:
    default:
        violation("a token that was just remembered is not known");
    }
}

static bool identify_customer(struct world *world, uint32_t device, uint32_t shard, uint32_t index,
                              struct identity *identity_out)
{
    const struct session_model *session = &world->people.sessions[index];
    const struct person *person;

    switch (session_cache_get_person(&world->caches[shard], session->token, world_wall_ms(world),
                                     &person)) {
    case SESSION_GOOD:
        accept_session(world, index, world->step, world_wall_ms(world));
        check_person(world, session, person);
        world_mark(world, MARK_SESSION_HIT);
        *identity_out = (struct identity){.party = SIM_GUESTS_MAX + session->account,
                                          .principal = person->principal,
                                          .alias_count = person->alias_count};
        memcpy(identity_out->aliases, person->aliases, sizeof(identity_out->aliases));
        return true;
    case SESSION_OVER:
        if (world_wall_ms(world) < session->expires_wall_ms)
            violation("a session was refused as past its time %lld ms before that",
                      (long long)(session->expires_wall_ms - world_wall_ms(world)));
        world_mark(world, MARK_SESSION_EXPIRED);
        forget_token(world, device);
        return false;
    case SESSION_TO_BE_ASKED:
        world_mark(world, MARK_SESSION_OUTDATED);
        ask_session(world, device, shard, index);
        return false;
    case SESSION_NOT_KNOWN:
    default:
        ask_session(world, device, shard, index);
        return false;
    }
}

bool people_identify(struct world *world, uint32_t device, uint32_t shard, uint32_t party,
                     struct identity *identity_out)
{
    const struct device *own;

    if (device >= world->profile.devices || world->phase == PHASE_HEAL) {
        *identity_out = (struct identity){.party = people_owner(world, party)};
        identity_out->principal = world_principal(world, identity_out->party);
        return true;
    }
    own = &world->people.devices[device];
    if (own->session != NONE)
        return identify_customer(world, device, shard, own->session, identity_out);
    if (own->guest != NONE)
        return identify_guest(world, device, shard, own->guest, identity_out);
    return false;
}

void people_probe(struct world *world)
{
    const struct people *people = &world->people;
    uint32_t shard = clients_draw_shard(world);
    uint32_t back = sim_random_below(&world->random, PROBED_TOKENS);
    uint32_t guest = sim_random_below(&world->random, people->next_guest);
    struct identity identity;

    if (shard == NONE)
        return;
    if (sim_random_chance(&world->random, 300000)) {
        if (people->guests[guest].asked != 0)
            identify_guest(world, NONE, shard, guest, &identity);
        return;
    }
    if (back < people->session_count &&
        people->sessions[people->session_count - 1 - back].opened_step != 0)
        identify_customer(world, NONE, shard, people->session_count - 1 - back, &identity);
}

/* ---- answers ---- */

static void device_lost(struct world *world, const struct request *request)
{
    const struct device *device;

    if (request->device >= SIM_DEVICES_MAX)
        return;
    device = &world->people.devices[request->device];
    if (request->ask.session != NONE
            ? device->session == request->ask.session
            : device->session == NONE && device->guest == request->ask.guest)
        forget_token(world, request->device);
}

static void take_guest(struct world *world, const struct request *request, enum outcome outcome,
                       const struct account_envelope *answer)
{
    char token[SESSION_TOKEN_LENGTH + 1];
    struct session session;

    people_guest_token(world, request->ask.guest, token);
    guest_session(world, request->ask.guest, &session);
    switch (session_cache_take_guest(&world->caches[request->ask.cache_shard], token, &session,
                                     outcome, answer)) {
    case SESSION_GOOD:
        accept_guest(world, request->ask.guest, request->submitted_step);
        break;
    case SESSION_OVER:
        refuse_guest(world, request->ask.guest);
        device_lost(world, request);
        break;
    case SESSION_TO_BE_ASKED:
        world_mark(world, MARK_ANSWER_OUTDATED);
        break;
    case SESSION_NOT_KNOWN:
    default:
        violation("an answer about a guest tells nothing");
    }
}

void people_take_session(struct world *world, const struct request *request, enum outcome outcome,
                         const struct account_envelope *answer)
{
    uint32_t session = request->ask.session;
    enum session_known known;

    if (request->ask.call == ACCOUNT_CALL_GUEST_CHECK) {
        if (request->ask.cache_shard != NONE)
            take_guest(world, request, outcome, answer);
        return;
    }
    if (outcome == OUTCOME_OK)
        accept_session(world, session, request->submitted_step,
                       wall_lowest_since(world, request->submitted_ms));
    else
        refuse_session(world, session, request->submitted_step);
    if (request->ask.cache_shard == NONE)
        return;
    known = session_cache_take_person(&world->caches[request->ask.cache_shard],
                                      world->people.sessions[session].token, outcome, answer);
    if (known == SESSION_TO_BE_ASKED)
        world_mark(world, MARK_ANSWER_OUTDATED);
    else if (known == SESSION_OVER)
        device_lost(world, request);
    else if (outcome != OUTCOME_OK)
        violation("a session that was refused is remembered as good");
}
