/* SPDX-License-Identifier: Apache-2.0 */
/* Answers to calls on addresses, guests and accounts. */
#include <inttypes.h>
#include <string.h>

#include "violation.h"
#include "world.h"

/* ---- addresses ---- */

/* Nobody else certainly had the address all the time since the question. */
static void check_free_for(const struct world *world, const struct request *request,
                           uint32_t account)
{
    for (uint32_t i = 0; i < world->people.account_count; i++)
        if (i != account && owning_is_certain(&world->people.owning[request->ask.address][i],
                                              request->submitted_step))
            violation("address %u is account %u's, and was given to account %u",
                      request->ask.address, i, account);
}

static void become_owner(struct world *world, const struct request *request, uint32_t account)
{
    struct owning *owning = &world->people.owning[request->ask.address][account];

    owning->claim_step = world->step;
    if (owning->releases_open > 0 || owning->release_maybe ||
        owning->release_step >= request->submitted_step) /* which came first? */
        owning->claim_maybe = true;
    else if (owning->owned_step == 0)
        owning->owned_step = world->step;
}

static uint32_t must_know(const struct world *world, const struct principal *principal)
{
    uint32_t account = people_find_account(world, principal);

    if (account == NONE)
        violation("an account is named that nobody registered");
    return account;
}

/* An answer says that the address is this account's, or with NONE nobody's. */
static void see_owner(struct world *world, const struct request *request, uint32_t account)
{
    for (uint32_t i = 0; i < world->people.account_count; i++) {
        struct owning *owning = &world->people.owning[request->ask.address][i];
        bool doubted = owning->claims_open == 0 && owning->releases_open == 0 &&
                       owning->possible_until < request->submitted_step &&
                       owning->claim_step < request->submitted_step &&
                       owning->release_step < request->submitted_step;

        if (i != account && owning_is_certain(owning, request->submitted_step))
            violation("address %u is account %u's, and was not found as that", request->ask.address,
                      i);
        if (i == account && !owning_is_possible(owning, request->submitted_step))
            violation("address %u was found as account %u's, which never had it, or released it",
                      request->ask.address, i);
        if (!doubted || (!owning->claim_maybe && !owning->release_maybe))
            continue;
        /* Nothing of before is still to come: what is seen is so. */
        owning->claim_maybe = owning->release_maybe = false;
        owning->owned_step = i == account ? world->step : 0;
    }
}

static void take_prepared(struct world *world, const struct account_envelope *answer)
{
    struct people *people = &world->people;

    for (uint32_t i = 0; i < people->prepared_count; i++)
        if (principal_equal(&people->prepared[i], &answer->account))
            violation("an account's number was given twice");
    if (people->prepared_count < SIM_PREPARED_MAX)
        people->prepared[people->prepared_count++] = answer->account;
}

static void take_registered(struct world *world, const struct request *request)
{
    struct account_model *account = &world->people.accounts[request->ask.account];

    check_free_for(world, request, request->ask.account);
    become_owner(world, request, request->ask.account);
    account->registered_step = world->step;
    account->address = request->ask.address;
    if (request->ask.token != NONE)
        answers_token_issued(world, request);
    world_mark(world, MARK_REGISTERED);
}

static void take_released(struct world *world, const struct request *request)
{
    struct owning *owning = &world->people.owning[request->ask.address][request->ask.account];

    if (owning_is_possible(owning, request->submitted_step))
        owning->possible_until = world->step;
    owning->owned_step = 0;
    owning->release_step = world->step;
    if (owning->claims_open > 0 || owning->claim_step >= request->submitted_step)
        owning->claim_maybe = true;
    else if (owning->releases_open == 0)
        owning->claim_maybe = owning->release_maybe = false;
}

static void take_taken(struct world *world, const struct request *request,
                       const struct account_envelope *answer)
{
    bool found = false;

    world_mark(world, MARK_EMAIL_TAKEN);
    if (request->ask.call != ACCOUNT_CALL_EMAIL_CLAIM) {
        see_owner(world, request, must_know(world, &answer->account));
        return;
    }
    for (uint32_t i = 0; i < world->people.account_count; i++)
        found = found || (i != request->ask.account &&
                          owning_is_possible(&world->people.owning[request->ask.address][i],
                                             request->submitted_step));
    if (!found)
        violation("address %u was called taken, and is nobody's", request->ask.address);
}

static void answers_email(struct world *world, const struct request *request, enum outcome outcome,
                          const struct account_envelope *answer)
{
    enum account_call call = request->ask.call;

    if (outcome == OUTCOME_EMAIL_TAKEN && call != ACCOUNT_CALL_EMAIL_FIND &&
        call != ACCOUNT_CALL_EMAIL_RELEASE)
        take_taken(world, request, answer);
    else if (outcome == OUTCOME_NOT_FOUND && call == ACCOUNT_CALL_EMAIL_FIND)
        see_owner(world, request, NONE);
    else if (outcome != OUTCOME_OK)
        violation("%s was answered %s", account_call_name(call), outcome_name(outcome));
    else if (call == ACCOUNT_CALL_EMAIL_FIND)
        see_owner(world, request, must_know(world, &answer->account));
    else if (call == ACCOUNT_CALL_EMAIL_PREPARE)
        take_prepared(world, answer);
    else if (call == ACCOUNT_CALL_REGISTER)
        take_registered(world, request);
    else if (call == ACCOUNT_CALL_EMAIL_RELEASE)
        take_released(world, request);
    else {
        check_free_for(world, request, request->ask.account);
        become_owner(world, request, request->ask.account);
    }
}

/* ---- guests ---- */

static void become_customer(struct world *world, uint32_t index, uint32_t account)
{
    struct guest_model *guest = &world->people.guests[index];

    if (account == NONE || (guest->asked & 1u << account) == 0 ||
        (guest->account != NONE && guest->account != account))
        violation("guest %u became a customer that was not asked for, or two", index);
    guest->account = account;
    guest->asked = 1u << account;
    if (guest->ended_step == 0)
        guest->ended_step = world->step;
}

static void answers_guest(struct world *world, const struct request *request, enum outcome outcome,
                          const struct account_envelope *answer)
{
    const struct guest_model *guest = &world->people.guests[request->ask.guest];

    if (request->ask.call == ACCOUNT_CALL_GUEST_END) {
        if (outcome == OUTCOME_OK) {
            become_customer(world, request->ask.guest, request->ask.account);
            world_mark(world, MARK_GUEST_ENDED);
        } else if (outcome != OUTCOME_STALE || guest->account == request->ask.account ||
                   (guest->asked & ~(1u << request->ask.account)) == 0) {
            violation("the end of guest %u was answered %s", request->ask.guest,
                      outcome_name(outcome));
        } else {
            world_mark(world, MARK_GUEST_ANOTHERS);
        }
        return;
    }
    if (outcome == OUTCOME_OK)
        become_customer(world, request->ask.guest, people_find_account(world, &answer->account));
    else if (outcome != OUTCOME_NOT_FOUND)
        violation("a question for a guest was answered %s", outcome_name(outcome));
    else if (guest->ended_step != 0 && guest->ended_step < request->submitted_step)
        violation("guest %u became a customer, and is a guest again", request->ask.guest);
    people_take_session(world, request, outcome, answer);
}

/* ---- adoption ---- */

void answers_adopt(struct world *world, const struct request *request,
                   const struct reply_body *reply)
{
    if (reply->outcome == OUTCOME_OVERLOADED)
        world_mark(world, MARK_ADOPTION_OVERLOADED);
    else if (reply->outcome != OUTCOME_OK && reply->outcome != OUTCOME_OUTCOME_UNKNOWN)
        violation("an adoption was answered %s", outcome_name((enum outcome)reply->outcome));
    if (reply->outcome == OUTCOME_OK)
        world->people.answers++;
    world->adopt_more = reply->adopt.more;
    world->adopt_next = reply->adopt.next_product;
    people_go_on(world, request, (enum outcome)reply->outcome, NULL);
}

/* ---- accounts ---- */

static bool may_be_refused(const struct world *world, const struct request *request,
                           enum outcome outcome)
{
    const struct account_ask *ask = &request->ask;
    const struct account_model *account = &world->people.accounts[ask->account];

    switch ((int)ask->call) { /* few of many */
    case ACCOUNT_CALL_SESSION_OPEN:
        return outcome == OUTCOME_STALE &&
               !(ask->quiet && account->credential_changes == ask->changes);
    case ACCOUNT_CALL_PASSWORD_CHANGE:
    case ACCOUNT_CALL_PASSWORD_REHASH:
    case ACCOUNT_CALL_KEY_REWRAP:
    case ACCOUNT_CALL_EMAIL_CHANGE:
    case ACCOUNT_CALL_TOTP_SET:
    case ACCOUNT_CALL_ERASE:
        return outcome == OUTCOME_STALE;
    case ACCOUNT_CALL_TOTP_USE:
    case ACCOUNT_CALL_RECOVERY_USE:
        return outcome == OUTCOME_TOKEN_INVALID || outcome == OUTCOME_STALE;
    case ACCOUNT_CALL_VERIFY:
    case ACCOUNT_CALL_PASSWORD_RESET:
    case ACCOUNT_CALL_EMAIL_CONFIRM:
        return outcome == OUTCOME_TOKEN_INVALID;
    case ACCOUNT_CALL_ADDRESS_ADD:
        return outcome == OUTCOME_FULL;
    default:
        return false;
    }
}

/* It is not there: perhaps it was never registered, or is erased. */
static bool may_be_missing(const struct world *world, const struct request *request)
{
    const struct account_model *account = &world->people.accounts[request->ask.account];

    if (account->registered_step == 0 || account->registered_step > request->submitted_step)
        return true;
    return account->erases_sent > 0 && request->ask.call != ACCOUNT_CALL_GET &&
           request->ask.call != ACCOUNT_CALL_ERASE;
}

static void take_refused(struct world *world, const struct request *request, enum outcome outcome)
{
    const struct account_ask *ask = &request->ask;

    if (outcome == OUTCOME_NOT_FOUND &&
        (ask->call == ACCOUNT_CALL_SESSION_CHECK || ask->call == ACCOUNT_CALL_ADDRESS_SET))
        return;
    if (outcome == OUTCOME_NOT_FOUND) {
        if (!may_be_missing(world, request))
            violation("account %u is lost: %s was answered not_found", ask->account,
                      account_call_name(ask->call));
        return;
    }
    if (!may_be_refused(world, request, outcome))
        violation("%s was answered %s", account_call_name(ask->call), outcome_name(outcome));
    if (outcome == OUTCOME_STALE && ask->call == ACCOUNT_CALL_SESSION_OPEN)
        world_mark(world, MARK_LOGIN_STALE);
    if (outcome == OUTCOME_TOKEN_INVALID && ask->token != NONE)
        answers_token_refused(world, request);
    if (outcome == OUTCOME_TOKEN_INVALID && ask->call == ACCOUNT_CALL_TOTP_USE)
        world_mark(world, MARK_CODE_REFUSED);
}

static bool needs_proof(enum account_call call)
{
    return call == ACCOUNT_CALL_EMAIL_CHANGE || call == ACCOUNT_CALL_TOTP_SET ||
           call == ACCOUNT_CALL_TOTP_USE || call == ACCOUNT_CALL_RECOVERY_USE;
}

static void take_ok(struct world *world, const struct request *request,
                    const struct account_envelope *answer)
{
    struct account_model *account = &world->people.accounts[request->ask.account];

    if (request->ask.call == ACCOUNT_CALL_ERASE) {
        account->erased_step = account->erased_step == 0 ? world->step : account->erased_step;
        world_mark(world, MARK_ERASED);
    } else if (request->ask.call != ACCOUNT_CALL_GET && account->erased_step != 0 &&
               account->erased_step < request->submitted_step) {
        violation("the erased account %u answered %s", request->ask.account,
                  account_call_name(request->ask.call));
    }
    if (account->registered_step == 0)
        account->registered_step = world->step; /* its answer was lost */
    if (needs_proof(request->ask.call) && request->ask.credentials != 0 &&
        request->ask.credentials < request->ask.known_credentials)
        violation("%s went by a password that was replaced before",
                  account_call_name(request->ask.call));
    answers_view(world, request, answer);
    answers_effect(world, request, answer);
}

static enum closing closing_of(const struct request *request, enum outcome outcome)
{
    if (outcome == OUTCOME_OUTCOME_UNKNOWN)
        return CLOSED_UNKNOWN;
    if (outcome == OUTCOME_OK)
        return CLOSED_DONE;
    (void)request;
    return CLOSED_REFUSED;
}

void answers_account(struct world *world, const struct request *request,
                     const struct reply_body *reply)
{
    struct account_envelope *answer = reply->account;
    enum outcome outcome = (enum outcome)reply->outcome;
    const struct account_ask *ask = &request->ask;

    if (answer == NULL || answer->call != ask->call)
        violation("a call on an account came back without what it carried");
    trace_add(&world->trace, TRACE_VIEW, (uint64_t)ask->call << 32 | answer->credentials,
              outcome == OUTCOME_OK ? answer->view.version : answer->mark);
    people_closed(world, request, closing_of(request, outcome));
    if (outcome == OUTCOME_OVERLOADED)
        world_mark(world, MARK_ACCOUNT_OVERLOADED);
    if (outcome != OUTCOME_OUTCOME_UNKNOWN && outcome != OUTCOME_OVERLOADED) {
        world->people.answers++;
        if (account_call_subject(ask->call) == SUBJECT_EMAIL)
            answers_email(world, request, outcome, answer);
        else if (account_call_subject(ask->call) == SUBJECT_GUEST)
            answers_guest(world, request, outcome, answer);
        else if (outcome == OUTCOME_OK)
            take_ok(world, request, answer);
        else
            take_refused(world, request, outcome);
        if (ask->call == ACCOUNT_CALL_SESSION_CHECK)
            people_take_session(world, request, outcome, answer);
    }
    people_go_on(world, request, outcome, answer);
    envelope_free(answer);
}
