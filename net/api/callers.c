/* SPDX-License-Identifier: Apache-2.0 */
#include "api/callers.h"

#include <assert.h>

#include "api/problems.h"
#include "api/sessions.h"

static bool refuse(struct api_call *call, const char *detail)
{
    http_header_add(call->exchange, "WWW-Authenticate", "Bearer");
    problem_respond(call->exchange, PROBLEM_UNAUTHENTICATED, detail);
    return false;
}

static bool forbid(struct api_call *call, const char *detail)
{
    problem_respond(call->exchange, PROBLEM_FORBIDDEN, detail);
    return false;
}

/* Without any session. */
static bool check_nobody(struct api_call *call)
{
    char token[SESSION_TOKEN_LENGTH + 1];

    switch (call->route->access.caller) {
    case CALLER_SESSION_OR_NEW:
        session_start(call, token);
        return true;
    case CALLER_SESSION_OR_NONE:
        return true;
    case CALLER_SESSION:
        return refuse(call, "Start a session with POST /v1/sessions.");
    case CALLER_CUSTOMER:
        return refuse(call, "Log in with POST /v1/auth/login.");
    case CALLER_STAFF:
        return refuse(call, "This call takes the admin key as a bearer token, or a session of "
                            "staff.");
    case CALLER_PUBLIC:
        break;
    }
    assert(false && "a route without a caller");
    return false;
}

static bool check_staff(struct api_call *call)
{
    const struct person *person = call->person;

    if (person == NULL || person->role == ROLE_CUSTOMER)
        return forbid(call, "This call is for the shop's staff.");
    if ((call->route->access.roles & 1u << person->role) == 0)
        return forbid(call, "This call is for staff with another role.");
    if (call->shard->api->options.staff_totp && !person->second_factor)
        return forbid(call, "Staff log in with a second factor here: set one up with POST "
                            "/v1/me/totp, then log in again.");
    call->authority = AUTHORITY_STAFF;
    return true;
}

static bool check_session(struct api_call *call)
{
    switch (session_of_request(call)) {
    case SESSION_ABSENT:
        return check_nobody(call);
    case SESSION_UNKNOWN:
        session_ask(call);
        return false;
    case SESSION_ENDED:
        return refuse(call, "This guest has become a customer. Log in with POST /v1/auth/login.");
    case SESSION_INVALID:
        return refuse(call, "The session is not valid or has expired. Log in again, or start a new "
                            "one with POST /v1/sessions.");
    case SESSION_VALID:
        break;
    }
    if (!csrf_check(call))
        return false;
    if (call->route->access.caller == CALLER_STAFF)
        return check_staff(call);
    if (call->route->access.caller == CALLER_CUSTOMER && call->person == NULL)
        return refuse(call, "Log in with POST /v1/auth/login.");
    return true;
}

bool caller_check(struct api_call *call)
{
    if (call->route->access.caller == CALLER_PUBLIC)
        return true;
    if (call->route->access.caller == CALLER_STAFF &&
        admin_of_request(call->shard, call->exchange)) {
        call->authority = AUTHORITY_STAFF;
        return true;
    }
    return check_session(call);
}
