/* SPDX-License-Identifier: Apache-2.0 */
/* For the tests of the engine that need a vault: one whose keys change when the process begins
 * anew, and accounts in it. */
#ifndef STAMPEDE_TEST_VAULT_FIXTURE_H
#define STAMPEDE_TEST_VAULT_FIXTURE_H

#include "engine_fixture.h"
#include "vault.h"

enum { SECOND_MS = 1000, DAY_S = 24 * 3600 };

static const struct vault_keys old_keys = {.count = 1, .keys = {{1}}};
static const struct vault_keys both_keys = {.count = 2, .keys = {{2}, {1}}};
static const struct vault_keys new_keys = {.count = 1, .keys = {{2}}};
static struct vault *vault; /* NULL: none yet */

/* The process ends, and begins with these keys. */
static inline void serve_with(struct fixture *fixture, const struct vault_keys *keys)
{
    static const uint8_t index_key[VAULT_KEY_BYTES] = {3};

    journal_memory_crash(fixture->journal, false);
    engine_destroy(fixture->engine);
    if (vault != NULL)
        vault_destroy(vault);
    vault = vault_create(keys, index_key, NULL, NULL);
    fixture->vault = vault_port_of(vault);
    assert_int_equal(fixture_open(fixture), 0);
}

static inline int vault_set_up(void **state)
{
    fixture_set_up(state);
    serve_with(*state, &old_keys);
    return 0;
}

static inline int vault_tear_down(void **state)
{
    fixture_close(*state);
    free(*state);
    if (vault != NULL)
        vault_destroy(vault);
    vault = NULL;
    return 0;
}

/* Time goes by, in ticks. */
static inline void pass(struct fixture *fixture, int64_t ms)
{
    for (int64_t at = 0; at < ms; at += 5)
        fixture_advance(fixture, 5);
}

/* Asks, and takes the answer in place of the question. */
static inline enum outcome ask_account(struct fixture *fixture, struct account_envelope *question)
{
    struct account_envelope *envelope = account_envelope_create((enum account_call)question->call);
    struct command command = {.type = COMMAND_ACCOUNT, .account = envelope};
    struct message reply;
    enum outcome outcome;

    *envelope = *question;
    outcome = fixture_do(fixture, 0, &command, &reply);
    assert_int_not_equal(outcome, OUTCOME_PENDING);
    *question = *envelope;
    envelope_free(envelope);
    return outcome;
}

#endif
