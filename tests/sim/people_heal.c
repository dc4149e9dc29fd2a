/* SPDX-License-Identifier: Apache-2.0 */
/* The end of what people do. Without faults each question is answered: who became whose, whose each
 * address is, what stands in each account, and which tokens are good; and of erased accounts no key
 * is left. */
#include <stdlib.h>
#include <string.h>

#include "violation.h"
#include "world.h"

enum { ASK_ROUNDS_MAX = 300 };

/* Asks until it is answered. */
static void ask(struct world *world, void (*settle)(struct world *), const struct account_ask *ask)
{
    uint64_t answers = world->people.answers;

    for (uint32_t rounds = 0; world->people.answers == answers; rounds++) {
        if (rounds == ASK_ROUNDS_MAX)
            violation("liveness: %s was refused %u times without any fault",
                      account_call_name(ask->call), ASK_ROUNDS_MAX);
        people_send(world, NONE, NONE, ask);
        settle(world);
    }
}

/* ---- guests ---- */

static void adopt(struct world *world, void (*settle)(struct world *), uint32_t index)
{
    struct guest_model *guest = &world->people.guests[index];

    for (uint32_t shard = 0; shard < world->profile.engine.shards; shard++) {
        uint32_t product = 0;

        world->adopt_more = true;
        for (uint32_t rounds = 0; world->adopt_more; rounds++) {
            uint64_t answers = world->people.answers;

            if (rounds == ASK_ROUNDS_MAX)
                violation("liveness: an adoption was refused %u times without any fault", rounds);
            people_send_adopt(world, NONE, index, guest->account, shard, product);
            settle(world);
            if (world->people.answers == answers)
                world->adopt_more = true;
            else
                product = world->adopt_next;
        }
    }
    guest->adopted_step = world->step;
}

/* A guest of whom nobody knows is asked for; one who is a customer has what he had. */
static void heal_guest(struct world *world, void (*settle)(struct world *), uint32_t index)
{
    struct guest_model *guest = &world->people.guests[index];
    struct account_ask question = people_ask(ACCOUNT_CALL_GUEST_CHECK);

    if (guest->asked == 0)
        return;
    question.guest = index;
    ask(world, settle, &question);
    if (guest->account == NONE)
        guest->asked = 0;
    else if (guest->adopted_step == 0 && world->profile.engine.limit_rows_max >= 4096)
        adopt(world, settle, index);
}

/* ---- accounts ---- */

static void on_record(struct journal_read *read)
{
    (void)read; /* it is complete: count_keys goes on */
}

static uint32_t count_keys(struct world *world, const struct account_model *account)
{
    struct journal_port journal = journal_memory_port(world->journal);
    struct journal_read read = {.kind = RECORD_ACCOUNT_KEY,
                                .from = {account->partition, account->number, 0},
                                .to = {account->partition, account->number, UINT64_MAX},
                                .limit = 1,
                                .done = on_record};

    if (!journal.read(journal.self, &read))
        violation("the journal takes no read");
    journal_memory_complete_read(world->journal);
    free(read.result.bytes);
    return read.count;
}

static void check_account(struct world *world, void (*settle)(struct world *), uint32_t index)
{
    const struct account_model *account = &world->people.accounts[index];
    struct account_ask question = people_ask(ACCOUNT_CALL_GET);

    if (principal_is_nobody(&account->principal))
        return;
    question.account = index;
    ask(world, settle, &question);
    if (account->erased_step != 0 && count_keys(world, account) != 0)
        violation("the key of the erased account %u is in the store", index);
    if (account->registered_step != 0 && account->erases_sent == 0 &&
        count_keys(world, account) != 1)
        violation("I2: the key of account %u is not in the store", index);
    if (account->registered_step != 0)
        world_mark(world, MARK_ACCOUNTS_FOUND);
}

static void check_session(struct world *world, void (*settle)(struct world *), uint32_t index)
{
    struct account_ask question = people_ask(ACCOUNT_CALL_SESSION_CHECK);

    if (world->people.sessions[index].opened_step == 0)
        return;
    question.account = world->people.sessions[index].account;
    question.session = index;
    ask(world, settle, &question);
}

void people_check_all(struct world *world, void (*settle)(struct world *))
{
    enum { SESSIONS_CHECKED = 24 };
    const struct people *people = &world->people;
    uint32_t first =
        people->session_count > SESSIONS_CHECKED ? people->session_count - SESSIONS_CHECKED : 0;

    settle(world);
    for (uint32_t i = 0; i < people->account_count; i++)
        check_account(world, settle, i);
    for (uint32_t i = 0; i < world->profile.addresses && people->account_count > 0; i++) {
        struct account_ask question = people_ask(ACCOUNT_CALL_EMAIL_FIND);

        question.address = i;
        ask(world, settle, &question);
    }
    for (uint32_t i = first; i < people->session_count; i++)
        check_session(world, settle, i);
    for (uint32_t i = 0; i < SIM_GUESTS_MAX; i++) {
        struct account_ask question = people_ask(ACCOUNT_CALL_GUEST_CHECK);

        question.guest = i;
        if (people->guests[i].account != NONE)
            ask(world, settle, &question);
    }
}

void people_heal(struct world *world, void (*settle)(struct world *))
{
    for (uint32_t i = 0; i < SIM_DEVICES_MAX; i++)
        world->people.devices[i].flow = (struct flow){0};
    for (uint32_t i = 0; i < world->people.next_guest; i++)
        heal_guest(world, settle, i);
    people_check_all(world, settle);
}
