/* SPDX-License-Identifier: Apache-2.0 */
/* Asking for a session that the shard does not remember, or whose principal's mark has moved: the
 * request waits as it is, its account (or the guest's entry) says what is so, and the request is
 * handled again from the start. An answer is used only if its mark is still the current one. */
#include <stdlib.h>
#include <string.h>

#include "api/problems.h"
#include "api/sessions.h"

/* Outlives its exchange. */
struct question {
    char token[SESSION_TOKEN_LENGTH];
    struct session session; /* a guest's */
};

static void refuse(struct http_exchange *exchange, enum problem problem, const char *detail)
{
    if (problem == PROBLEM_UNAUTHENTICATED)
        http_header_add(exchange, "WWW-Authenticate", "Bearer");
    problem_respond(exchange, problem, detail);
}

static enum session_known take_in(struct api_shard *shard, const struct question *question,
                                  enum outcome outcome, const struct account_envelope *answer)
{
    if (outcome != OUTCOME_OK && outcome != OUTCOME_NOT_FOUND)
        return SESSION_NOT_KNOWN;
    if (answer->call == ACCOUNT_CALL_GUEST_CHECK)
        return session_cache_take_guest(&shard->sessions, question->token, &question->session,
                                        outcome, answer);
    return session_cache_take_person(&shard->sessions, question->token, outcome, answer);
}

static void on_answer(struct api_shard *shard, struct http_exchange *exchange,
                      const struct message *message, void *user)
{
    struct account_envelope *answer = message->reply.account;
    enum outcome outcome = (enum outcome)message->reply.outcome;
    enum session_known known = take_in(shard, user, outcome, answer);
    bool is_person = answer->call == ACCOUNT_CALL_SESSION_CHECK;

    envelope_free(answer);
    free(user);
    if (exchange == NULL)
        return;
    if (known == SESSION_NOT_KNOWN)
        respond_outcome(exchange, outcome);
    else if (known == SESSION_OVER && is_person)
        refuse(exchange, PROBLEM_UNAUTHENTICATED, "The session has ended. Log in again.");
    else
        http_exchange_resume(exchange); /* looks again, and asks again if that was too late */
}

void session_ask(struct api_call *call)
{
    struct call_scratch *scratch = http_exchange_scratch(call->exchange);
    bool is_guest = call->token.data[1] == 'g';
    struct command command = {.type = COMMAND_ACCOUNT};
    struct question *question;

    counter_add(&call->shard->counters.session_misses, 1);
    if (scratch->asked++ == SESSION_ASKED_MAX) {
        refuse(call->exchange, PROBLEM_OVERLOADED, "The session changes too fast. Try again.");
        return;
    }
    question = calloc(1, sizeof(*question));
    command.account =
        account_envelope_create(is_guest ? ACCOUNT_CALL_GUEST_CHECK : ACCOUNT_CALL_SESSION_CHECK);
    if (question == NULL || command.account == NULL) {
        envelope_free(command.account);
        free(question);
        respond_outcome(call->exchange, OUTCOME_OVERLOADED);
        return;
    }
    memcpy(question->token, call->token.data, SESSION_TOKEN_LENGTH);
    if (is_guest) {
        uint8_t claim[SESSION_CLAIM_BYTES];
        uint8_t mac[SESSION_MAC_BYTES];
        (void)session_token_parse(question->token, SESSION_TOKEN_LENGTH, claim, mac,
                                  &question->session);
        command.account->guest = call->principal;
    } else {
        account_token_hash(question->token, command.account->hash);
        command.account->account = call->principal;
    }
    enum outcome outcome = call_submit(call, &command, on_answer, question, NULL);
    if (outcome == OUTCOME_PENDING) {
        http_exchange_defer(call->exchange);
        return;
    }
    envelope_free(command.account);
    free(question);
    if (outcome == OUTCOME_NOT_FOUND)
        refuse(call->exchange, PROBLEM_UNAUTHENTICATED, "The session is not valid.");
    else
        respond_outcome(call->exchange, outcome);
}
