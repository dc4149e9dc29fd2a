/* SPDX-License-Identifier: Apache-2.0 */
/* Proofs that routes demand of whoever calls them, against scripts that call often: ALTCHA, which
 * we verify ourselves (altcha.h), or a token of Turnstile or hCaptcha, which their service verifies
 * (outbound/captcha.h). Which route demands what is the shop's choice; by default none does.
 *
 * A proof is the member `altcha` or `captcha` of the body. It is looked at after the rates and the
 * caller's session, and before the handler: what it guards costs nothing until it is good. Each is
 * good once, on any shard, whatever the handler answers. Where the service gives no answer, the
 * call is refused (503): fails closed. */
#ifndef STAMPEDE_API_CHALLENGE_H
#define STAMPEDE_API_CHALLENGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "api/altcha.h"
#include "outbound/captcha.h"

/* Routes that may demand one: name, handler. All take JSON. */
#define CHALLENGE_ROUTES(X)                                                                        \
    X(REGISTER, "register", auth_register)                                                         \
    X(LOGIN, "login", auth_login)                                                                  \
    X(FORGOT, "forgot", auth_forgot)                                                               \
    X(RESET, "reset", auth_reset)                                                                  \
    X(VERIFY, "verify", auth_verify)                                                               \
    X(SESSIONS, "sessions", session_create)                                                        \
    X(RESERVATIONS, "reservations", reservation_create)

enum challenge_route {
#define X(name, text, handler) CHALLENGE_ROUTE_##name,
    CHALLENGE_ROUTES(X)
#undef X
        CHALLENGE_ROUTE_COUNT
};

/* name, text, siteverify */
#define CHALLENGE_MODES(X)                                                                         \
    X(OFF, "off", "")                                                                              \
    X(ALTCHA, "altcha", "")                                                                        \
    X(TURNSTILE, "turnstile", "https://challenges.cloudflare.com/turnstile/v0/siteverify")         \
    X(HCAPTCHA, "hcaptcha", "https://api.hcaptcha.com/siteverify")

enum challenge_mode {
#define X(name, text, url) CHALLENGE_##name,
    CHALLENGE_MODES(X)
#undef X
        CHALLENGE_MODE_COUNT
};

enum {
    CHALLENGE_COST_DEFAULT = 1,
    CHALLENGE_COST_MAX = 1000,
    CHALLENGE_PREFIX_BYTES = 2,        /* 65,536 tries on the average, each of `cost` hashes */
    CHALLENGE_LIFE_S = 300,            /* of one that was handed out */
    CHALLENGE_SOLUTIONS_MAX = 1 << 17, /* remembered, of that life */
    CHALLENGE_ASKED_MAX = 256,         /* of a service at once, a shard */
};

/* Constant while serving. */
struct challenge_options {
    uint8_t modes[CHALLENGE_ROUTE_COUNT]; /* enum challenge_mode */
    uint32_t altcha_cost;                 /* hashes of one try */
    struct captcha_settings captcha;      /* of Turnstile and hCaptcha; url NULL: not used */
};

/* Reads `ROUTE=MODE`, or `ROUTE`, which means altcha. False: neither is known, or another captcha
 * service is used already (one secret, one service). Any thread. */
bool challenge_option_read(struct challenge_options *options, const char *text);

/* Turnstile or hCaptcha, where a route uses it, else OFF. */
enum challenge_mode challenge_captcha_mode(const struct challenge_options *options);

/* Where that service verifies tokens; "" for the others. */
const char *challenge_captcha_url(enum challenge_mode mode);

struct api;
struct api_call;

/* What is shared by all shards. False without memory. Start-up thread. */
bool challenge_init(struct api *api);
void challenge_free(struct api *api);

/* True: the call may go on. False: it was refused, or waits for a service and will be dispatched
 * once more. Within dispatch. */
bool challenge_check(struct api_call *call);

/* Whether a member of the body is a proof, on a route that may demand one, so that handlers do not
 * take it for one of theirs. */
bool challenge_is_proof(const struct api_call *call, struct slice name);

#endif
