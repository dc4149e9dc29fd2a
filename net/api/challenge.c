/* SPDX-License-Identifier: Apache-2.0 */
#include "api/challenge.h"

#include <stdlib.h>
#include <string.h>

#include "api/api_shard.h"
#include "api/request.h"

static const char *const mode_texts[CHALLENGE_MODE_COUNT] = {
#define X(name, text, url) [CHALLENGE_##name] = text,
    CHALLENGE_MODES(X)
#undef X
};

/* ---- options ---- */

enum challenge_mode challenge_captcha_mode(const struct challenge_options *options)
{
    for (unsigned i = 0; i < CHALLENGE_ROUTE_COUNT; i++) {
        if (options->modes[i] == CHALLENGE_TURNSTILE || options->modes[i] == CHALLENGE_HCAPTCHA)
            return (enum challenge_mode)options->modes[i];
    }
    return CHALLENGE_OFF;
}

const char *challenge_captcha_url(enum challenge_mode mode)
{
    static const char *const urls[CHALLENGE_MODE_COUNT] = {
#define X(name, text, url) [CHALLENGE_##name] = url,
        CHALLENGE_MODES(X)
#undef X
    };

    return urls[mode];
}

bool challenge_option_read(struct challenge_options *options, const char *text)
{
    static const char *const routes[CHALLENGE_ROUTE_COUNT] = {
#define X(name, text, handler) [CHALLENGE_ROUTE_##name] = text,
        CHALLENGE_ROUTES(X)
#undef X
    };
    size_t length = strcspn(text, "=");
    const char *wanted = text[length] == '=' ? text + length + 1 : mode_texts[CHALLENGE_ALTCHA];
    enum challenge_mode other = challenge_captcha_mode(options);
    unsigned route = 0;
    unsigned mode = 0;

    while (route < CHALLENGE_ROUTE_COUNT &&
           (strlen(routes[route]) != length || strncmp(routes[route], text, length) != 0))
        route++;
    while (mode < CHALLENGE_MODE_COUNT && strcmp(mode_texts[mode], wanted) != 0)
        mode++;
    if (route == CHALLENGE_ROUTE_COUNT || mode == CHALLENGE_MODE_COUNT)
        return false;
    if (mode > CHALLENGE_ALTCHA && other != CHALLENGE_OFF && other != (enum challenge_mode)mode)
        return false;
    options->modes[route] = (uint8_t)mode;
    return true;
}

/* ---- what is shared ---- */

bool challenge_init(struct api *api)
{
    const struct challenge_options *options = &api->options.challenges;
    bool uses_altcha = false;

#define X(name, text, handler)                                                                     \
    api->challenge_modes[ROUTE_##handler] = options->modes[CHALLENGE_ROUTE_##name];                \
    uses_altcha |= options->modes[CHALLENGE_ROUTE_##name] == CHALLENGE_ALTCHA;
    CHALLENGE_ROUTES(X)
#undef X
    /* New at each start: the replay memory knows nothing of the time before. */
    shard_random(engine_shard(api->engine, 0), api->altcha_key, sizeof(api->altcha_key));
    if (uses_altcha)
        api->altcha_memory = altcha_memory_create(CHALLENGE_SOLUTIONS_MAX);
    return !uses_altcha || api->altcha_memory != NULL;
}

void challenge_free(struct api *api)
{
    if (api->altcha_memory != NULL)
        altcha_memory_destroy(api->altcha_memory);
}

static unsigned route_of(const struct api_call *call)
{
    return (unsigned)(call->route - api_routes);
}

bool challenge_is_proof(const struct api_call *call, struct slice name)
{
    unsigned route = route_of(call);
    bool may_demand = false;

#define X(word, text, handler) may_demand |= route == ROUTE_##handler;
    CHALLENGE_ROUTES(X)
#undef X
    return may_demand && (slice_is(name, "altcha") || slice_is(name, "captcha"));
}

/* ---- refusals ---- */

static void count(struct api_shard *shard, enum challenge_result result)
{
    counter_add(&shard->counters.challenges[result], 1);
}

static bool refuse(struct api_call *call, enum challenge_result result, const char *detail)
{
    enum challenge_mode mode =
        (enum challenge_mode)call->shard->api->challenge_modes[route_of(call)];
    struct writer writer;

    count(call->shard, result);
    if (result == CHALLENGE_UNAVAILABLE) {
        problem_respond(call->exchange, PROBLEM_OVERLOADED, detail);
        return false;
    }
    if (!problem_begin(call->exchange, PROBLEM_CAPTCHA_REQUIRED, detail, 80, &writer))
        return false;
    write_literal(&writer, ",\"challenge\":\"");
    write_text(&writer, mode_texts[mode]);
    write_byte(&writer, '"');
    if (mode == CHALLENGE_ALTCHA)
        write_literal(&writer, ",\"challenge_url\":\"/v1/altcha/challenge\"");
    problem_end(call->exchange, &writer);
    return false;
}

/* ---- ALTCHA ---- */

void api_altcha_challenge(struct api_call *call)
{
    const struct api *api = call->shard->api;
    struct altcha_parameters parameters = {
        .algorithm = ALTCHA_SHA256,
        .cost = api->options.challenges.altcha_cost,
        .prefix_length = CHALLENGE_PREFIX_BYTES,
        .expires_s = call->shard->now.wall_ms / 1000 + CHALLENGE_LIFE_S,
    };
    char text[ALTCHA_CHALLENGE_MAX];

    shard_random(call->shard->shard, parameters.nonce, sizeof(parameters.nonce));
    shard_random(call->shard->shard, parameters.salt, sizeof(parameters.salt));
    size_t length =
        altcha_challenge_format(&parameters, api->altcha_key, sizeof(api->altcha_key), text);
    counter_add(&call->shard->counters.altcha_given, 1);
    http_exchange_cache(call->exchange, HTTP_CACHE_NO_STORE);
    http_respond(call->exchange, 200, "application/json", text, length);
}

static bool check_altcha(struct api_call *call, struct slice proof)
{
    static const char *const details[] = {
        [ALTCHA_MALFORMED] = "`altcha` is not what ALTCHA's widget gives.",
        [ALTCHA_EXPIRED] = "The challenge is too old. Get another.",
        [ALTCHA_FORGED] = "The challenge is not of this server, or from before it was started.",
        [ALTCHA_WRONG] = "The challenge is not solved.",
        [ALTCHA_OTHER] = "The challenge was made for another call.",
        [ALTCHA_REPLAYED] = "The solution was used before. Get another challenge.",
    };
    const struct api *api = call->shard->api;
    const struct altcha_verifier verifier = {.key = api->altcha_key,
                                             .key_length = sizeof(api->altcha_key),
                                             .memory = api->altcha_memory};

    enum altcha_verdict verdict =
        altcha_verify(&verifier, proof.text, proof.length, NULL, call->shard->now.wall_ms / 1000);
    if (verdict == ALTCHA_GOOD) {
        count(call->shard, CHALLENGE_SOLVED);
        return true;
    }
    if (verdict == ALTCHA_MEMORY_FULL)
        return refuse(call, CHALLENGE_UNAVAILABLE, "Too many solutions at once.");
    return refuse(call, CHALLENGE_REFUSED, details[verdict]);
}

/* ---- Turnstile and hCaptcha ---- */

struct question {
    struct captcha_check check;
    struct api_shard *shard;
    uint64_t cookie;
};

static void on_verdict(struct captcha_check *check, enum captcha_verdict verdict,
                       const char *reason)
{
    static const uint8_t results[] = {[CAPTCHA_PASSED] = CHALLENGE_SOLVED,
                                      [CAPTCHA_FAILED] = CHALLENGE_REFUSED,
                                      [CAPTCHA_UNAVAILABLE] = CHALLENGE_UNAVAILABLE};
    struct question *question = check->user;
    struct api_shard *shard = question->shard;
    struct http_server *server = atomic_load_explicit(&shard->server, memory_order_relaxed);
    struct http_exchange *exchange =
        server == NULL ? NULL : http_exchange_from_cookie(server, question->cookie);

    (void)reason; /* not for callers: it may say that our secret is wrong */
    free(question);
    shard->captchas--;
    if (exchange == NULL)
        return;
    struct call_scratch *scratch = http_exchange_scratch(exchange);
    scratch->challenge = results[verdict];
    http_exchange_resume(exchange);
}

static void ask(struct api_call *call, struct slice token)
{
    struct api_shard *shard = call->shard;
    struct question *question =
        shard->captchas == CHALLENGE_ASKED_MAX ? NULL : malloc(sizeof(*question));
    enum captcha_verdict verdict = CAPTCHA_UNAVAILABLE;
    char address[HTTP_PEER_TEXT_MAX];

    if (question != NULL) {
        question->shard = shard;
        question->cookie = http_exchange_cookie(call->exchange);
        question->check.settings = &shard->api->options.challenges.captcha;
        question->check.done = on_verdict;
        question->check.user = question;
        http_peer_text(http_exchange_peer(call->exchange), address);
        if (captcha_check_submit(shard->shard, &question->check, token, address, &verdict)) {
            shard->captchas++;
            http_exchange_defer(call->exchange);
            return;
        }
        free(question);
    }
    if (verdict == CAPTCHA_FAILED)
        refuse(call, CHALLENGE_REFUSED, "`captcha` is no token.");
    else
        refuse(call, CHALLENGE_UNAVAILABLE, "Too many tokens are being verified.");
}

/* What the service said, when the request comes once more. */
static bool judge(struct api_call *call, enum challenge_result result)
{
    if (result == CHALLENGE_REFUSED)
        return refuse(call, result, "The captcha was not solved, or was used before.");
    if (result == CHALLENGE_UNAVAILABLE)
        return refuse(call, result, "The captcha's service does not answer. Try again.");
    count(call->shard, CHALLENGE_SOLVED);
    return true;
}

bool challenge_check(struct api_call *call)
{
    const struct call_scratch *scratch = http_exchange_scratch(call->exchange);
    enum challenge_mode mode =
        (enum challenge_mode)call->shard->api->challenge_modes[route_of(call)];
    const struct json_value *object;
    const struct json_value *proof = NULL;

    if (mode == CHALLENGE_OFF)
        return true;
    if (scratch->challenge != CHALLENGE_UNKNOWN)
        return judge(call, (enum challenge_result)scratch->challenge);
    if (!request_object(call, &object))
        return false;
    if (object != NULL)
        proof = json_member(object, mode == CHALLENGE_ALTCHA ? "altcha" : "captcha");
    if (proof == NULL)
        return refuse(call, CHALLENGE_MISSING,
                      mode == CHALLENGE_ALTCHA
                          ? "Solve a challenge, and send the solution as `altcha`."
                          : "Solve the captcha, and send its token as `captcha`.");
    if (json_type(proof) != JSON_STRING)
        return refuse(call, CHALLENGE_REFUSED, "The proof must be a string.");
    if (mode == CHALLENGE_ALTCHA)
        return check_altcha(call, json_string(proof));
    ask(call, json_string(proof));
    return false;
}
